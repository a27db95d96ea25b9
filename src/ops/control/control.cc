#include "ops/control/control.h"

#include <algorithm>

#include "base/text.h"
#include "op/elements.h"
#include "op/join.h"
#include "op/operand.h"

namespace sluice::ops::control {

namespace {

using op::InferContext;
using op::UpgradeContext;

// Levels of loops in a graph, itself not counted. Each level of inference is done a few times over,
// so deep nests (which no real model has) get by with what one pass gives.
int nesting(const ir::Graph& graph) {
  int deepest = 0;
  for (const ir::Node& node : graph.nodes()) {
    for (const ir::Subgraph& sub : node.subgraphs) {
      deepest = std::max(deepest, nesting(*sub.graph) + 1);
    }
  }
  return deepest;
}
constexpr int kMaxRepeatedNesting = 3;

Type without_shape(Type type) {
  type.dims.reset();
  return type;
}

// Output types of the body of a loop whose states, inputs `first`..`first + states.size()` of the
// body, come back as its outputs from `back` on. On return `states` covers the initial and all
// later states. Inference fills a graph's types in place, hence the spare copy.
Result<std::vector<Type>> infer_loop_body(InferContext& context, std::vector<Type> inputs,
                                          size_t first, std::vector<Type>& states, size_t back) {
  const ir::Subgraph* sub = context.node().subgraph("body");
  if (sub == nullptr || sub->graph == nullptr) return context.fail("it has no body");
  ir::Graph& body = *sub->graph;
  const bool repeat = nesting(body) <= kMaxRepeatedNesting;
  std::unique_ptr<ir::Graph> spare = repeat && !states.empty() ? body.clone() : nullptr;
  if (!repeat) {
    for (Type& state : states) state = without_shape(std::move(state));
  }
  constexpr int kRounds = 3;
  for (int round = 0;; ++round) {
    std::ranges::copy(states, inputs.begin() + static_cast<std::ptrdiff_t>(first));
    SLUICE_ASSIGN(std::vector<Type> outputs, context.infer_subgraph("body", inputs));
    if (outputs.size() < back + states.size()) {
      return context.fail(
          cat("the body has ", outputs.size(), " outputs (at least ", back + states.size(), ")"));
    }
    std::vector<Type> wider;
    bool stable = true;
    for (size_t i = 0; i < states.size(); ++i) {
      const Type& later = outputs[back + i];
      // A state of which the body knows nothing keeps at least its element type.
      Type both = later.kind == Type::Kind::kUnknown ? without_shape(states[i])
                                                     : op::joined(states[i], later);
      if (round + 1 >= kRounds && !(both == states[i])) both = without_shape(std::move(both));
      stable = stable && both == states[i];
      wider.push_back(std::move(both));
    }
    states = std::move(wider);
    if (stable || spare == nullptr || round >= kRounds) return outputs;
    body = std::move(*spare->clone());
  }
}

Result<void> infer_if(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, op::kBools));
  const auto known = context.constant_int(0);
  std::optional<std::vector<Type>> types;
  for (const bool branch : {true, false}) {
    auto made = context.infer_subgraph(branch ? "then_branch" : "else_branch", {});
    // A branch that is never taken may be wrong.
    if (known && (*known != 0) != branch) continue;
    if (!made) return std::move(made).error();
    if (static_cast<int>(made->size()) < context.output_count()) {
      return context.fail(
          cat("a branch has ", made->size(), " outputs (", context.output_count(), " are used)"));
    }
    if (!types) {
      types = std::move(*made);
      continue;
    }
    for (size_t i = 0; i < std::min(types->size(), made->size()); ++i) {
      (*types)[i] = op::joined((*types)[i], (*made)[i]);
    }
  }
  for (int i = 0; i < context.output_count(); ++i) {
    context.set_output(i, (*types)[static_cast<size_t>(i)]);
  }
  return {};
}

// A scan output: elements of type `elem` along a new axis.
Result<Type> stacked_type(const InferContext& context, const Type& elem, int64_t axis, Dim length) {
  if (!elem.is_tensor()) return Type{};
  if (!elem.dims) return Type::tensor(elem.dtype);
  Dims dims = *elem.dims;
  SLUICE_ASSIGN(const int at,
                op::in_node(context, op::normalized_axis(axis, static_cast<int>(dims.size()) + 1)));
  dims.insert(dims.begin() + at, std::move(length));
  return Type::tensor(elem.dtype, std::move(dims));
}

Result<void> infer_loop(InferContext& context) {
  if (context.has_input(0)) SLUICE_TRY(op::input_dtype(context, 0, op::kIndices));
  if (context.has_input(1)) SLUICE_TRY(op::input_dtype(context, 1, op::kBools));
  const auto dims_by = [&](std::string_view attribute) {
    return context.attrs().int_or(attribute, 0) != 0 ? Dims{Dim(1)} : Dims{};
  };
  std::vector<Type> states, inputs = {Type::tensor(DType::kInt64, dims_by(kVectorIteration)),
                                      Type::tensor(DType::kBool, dims_by(kVectorCondition))};
  for (int i = 2; i < context.input_count(); ++i) states.push_back(context.input_type(i));
  inputs.resize(2 + states.size());
  SLUICE_ASSIGN(const std::vector<Type> outputs,
                infer_loop_body(context, std::move(inputs), 2, states, 1));
  for (int i = 0; i < context.output_count(); ++i) {
    const auto at = static_cast<size_t>(i);
    if (at < states.size()) {
      context.set_output(i, states[at]);
      continue;
    }
    if (at + 1 >= outputs.size()) {
      return context.fail(cat("the body has ", outputs.size(), " outputs (", context.output_count(),
                              " are used, and the condition)"));
    }
    SLUICE_ASSIGN(Type type, stacked_type(context, outputs[at + 1], 0, Dim::unknown()));
    context.set_output(i, std::move(type));
  }
  return {};
}

// Scan: `lead` inputs before the states, `batch` axes before the scanned one.
Result<void> infer_scan_form(InferContext& context, int lead, bool batched) {
  const auto given = static_cast<int64_t>(context.input_count()) - lead;
  const int64_t count = context.attrs().int_or("num_scan_inputs", 0);
  if (count < 1 || count > given) {
    return context.fail(cat("num_scan_inputs is ", count, " (", given, " inputs)"));
  }
  const auto state_count = static_cast<int>(given - count);
  std::vector<Type> states, inputs(static_cast<size_t>(state_count));
  Dim length = Dim::unknown(), batch = Dim::unknown();
  const auto axes = context.attrs().ints_or("scan_input_axes");
  for (int i = 0; i < static_cast<int>(given); ++i) {
    Type type = context.input_type(i + lead);
    if (batched && type.has_rank()) {
      if (type.dims->empty()) return context.fail(cat("input ", i + lead, " has no batch axis"));
      if (batch.is_unknown()) batch = type.dims->front();
      type.dims->erase(type.dims->begin());
    }
    if (i < state_count) {
      states.push_back(std::move(type));
      continue;
    }
    SLUICE_TRY(op::input_dtype(context, i + lead));
    if (type.has_rank()) {
      const auto n = static_cast<size_t>(i - state_count);
      SLUICE_ASSIGN(const int axis,
                    op::in_node(context, op::normalized_axis(n < axes.size() ? axes[n] : 0,
                                                             static_cast<int>(type.dims->size()))));
      const Dim here = (*type.dims)[static_cast<size_t>(axis)];
      if (length.is_unknown() || here.is_known()) length = here;
      type.dims->erase(type.dims->begin() + axis);
    }
    inputs.push_back(std::move(type));
  }
  SLUICE_ASSIGN(const std::vector<Type> outputs,
                infer_loop_body(context, std::move(inputs), 0, states, 0));
  if (static_cast<int>(outputs.size()) < context.output_count()) {
    return context.fail(
        cat("the body has ", outputs.size(), " outputs (", context.output_count(), " are used)"));
  }
  const auto output_axes = context.attrs().ints_or("scan_output_axes");
  for (int i = 0; i < context.output_count(); ++i) {
    Type type = i < state_count ? states[static_cast<size_t>(i)] : outputs[static_cast<size_t>(i)];
    if (i >= state_count) {
      const auto n = static_cast<size_t>(i - state_count);
      SLUICE_ASSIGN(
          type, stacked_type(context, type, n < output_axes.size() ? output_axes[n] : 0, length));
    }
    if (batched) {
      SLUICE_ASSIGN(type, stacked_type(context, type, 0, batch));
    }
    context.set_output(i, std::move(type));
  }
  return {};
}

Result<void> infer_scan(InferContext& context) { return infer_scan_form(context, 0, false); }
Result<void> infer_batched_scan(InferContext& context) { return infer_scan_form(context, 1, true); }

Result<void> infer_sequence_map(InferContext& context) {
  std::vector<Type> inputs;
  for (int i = 0; i < context.input_count(); ++i) {
    const Type& type = context.input_type(i);
    if (i == 0 && type.kind != Type::Kind::kSequence && type.kind != Type::Kind::kUnknown) {
      return context.fail(cat("the first input is ", type.text(), ", not a sequence"));
    }
    const bool sequence = type.kind == Type::Kind::kSequence;
    inputs.push_back(sequence ? (type.elem != nullptr ? *type.elem : Type{}) : type);
  }
  if (!inputs.empty() && context.input_type(0).kind == Type::Kind::kUnknown) inputs[0] = Type{};
  SLUICE_ASSIGN(const std::vector<Type> outputs, context.infer_subgraph("body", inputs));
  if (static_cast<int>(outputs.size()) < context.output_count()) {
    return context.fail(
        cat("the body has ", outputs.size(), " outputs (", context.output_count(), " are used)"));
  }
  for (int i = 0; i < context.output_count(); ++i) {
    context.set_output(i, Type::sequence(outputs[static_cast<size_t>(i)]));
  }
  return {};
}

// Keeps what the body declares of its outputs from `first` on, for loops that never run.
void keep_output_types(ir::Node& node, size_t first) {
  const ir::Subgraph* body = node.subgraph("body");
  if (body == nullptr || body->graph == nullptr) return;
  std::vector<std::string> types;
  const std::vector<ir::ValueId>& outputs = body->graph->outputs();
  for (size_t i = first; i < outputs.size(); ++i) {
    types.push_back(outputs[i] == ir::kNoValue ? Type{}.text()
                                               : body->graph->type(outputs[i]).text());
  }
  if (!types.empty()) node.attrs.set(kScanOutputTypes, std::move(types));
}

Result<void> upgrade_loop(UpgradeContext& context) {
  const size_t given = context.node.inputs.size();
  keep_output_types(context.node, 1 + (given > 2 ? given - 2 : 0));
  const ir::Subgraph* body = context.node.subgraph("body");
  if (body == nullptr || body->graph == nullptr) return {};
  const std::vector<ir::ValueId>& inputs = body->graph->inputs();
  for (size_t i = 0; i < 2 && i < inputs.size(); ++i) {
    const Type& type = body->graph->type(inputs[i]);
    if (type.has_rank() && type.dims->size() == 1) {
      context.node.attrs.set(i == 0 ? kVectorIteration : kVectorCondition, int64_t{1});
    }
  }
  return {};
}

Result<void> upgrade_scan(UpgradeContext& context) {
  ir::Node& node = context.node;
  const size_t lead = context.opset < 9 ? 1 : 0;
  const auto count =
      static_cast<size_t>(std::max<int64_t>(node.attrs.int_or("num_scan_inputs", 0), 0));
  if (node.inputs.size() >= lead + count)
    keep_output_types(node, node.inputs.size() - lead - count);
  if (lead != 0) {
    node.op = "BatchedScan";
    node.domain = "sluice";
  }
  return {};
}

constexpr op::OpDef kDefs[] = {
    {.name = "If",
     .min_inputs = 1,
     .max_inputs = 1,
     .max_outputs = -1,
     .infer = infer_if,
     .reference = if_reference},
    {.name = "Loop",
     .min_inputs = 0,
     .max_inputs = -1,
     .max_outputs = -1,
     .infer = infer_loop,
     .reference = loop_reference,
     .upgrade = upgrade_loop},
    {.name = "Scan",
     .min_inputs = 1,
     .max_inputs = -1,
     .max_outputs = -1,
     .infer = infer_scan,
     .reference = scan_reference,
     .upgrade = upgrade_scan},
    {.name = "BatchedScan",
     .domain = "sluice",
     .min_inputs = 2,
     .max_inputs = -1,
     .max_outputs = -1,
     .infer = infer_batched_scan,
     .reference = batched_scan_reference,
     .nonstandard = "Scan as it was in opset 8: a batch axis first, and sequence lengths as input "
                    "0; made from such Scans at import."},
    {.name = "SequenceMap",
     .min_inputs = 1,
     .max_inputs = -1,
     .max_outputs = -1,
     .infer = infer_sequence_map,
     .reference = sequence_map_reference},
};

}  // namespace

std::span<const op::OpDef> op_defs() { return kDefs; }

}  // namespace sluice::ops::control
