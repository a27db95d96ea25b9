// TFLite's control flow and resource variables. Subgraphs of calls are built in place; those of IF
// and WHILE become the subgraphs of If and Loop. A resource variable is followed at import: each
// read becomes the value last assigned, in program order.

#include <memory>

#include "base/text.h"
#include "import/tflite_scope.h"

namespace sluice::import {

using ir::ValueId;

namespace {

Result<std::vector<ValueId>> raw_inputs(TfliteNode& n, int from) {
  std::vector<ValueId> out;
  for (int i = from; i < n.input_count(); ++i) {
    if (!n.has(i)) return n.fail(cat("input ", i, " is missing"));
    SLUICE_ASSIGN(const ValueId value, n.raw(i));
    out.push_back(value);
  }
  return out;
}

Result<void> bind_outputs(TfliteNode& n, const std::vector<ValueId>& values, size_t from = 0) {
  if (values.size() - from != static_cast<size_t>(n.output_count())) {
    return n.fail(
        cat("it has ", n.output_count(), " outputs (its subgraph has ", values.size() - from, ")"));
  }
  for (int i = 0; i < n.output_count(); ++i)
    SLUICE_TRY(n.set_raw(i, values[from + static_cast<size_t>(i)]));
  return {};
}

Result<void> call_index(TfliteNode& n, std::string_view option) {
  SLUICE_ASSIGN(const auto inputs, raw_inputs(n, 0));
  SLUICE_ASSIGN(const auto made, n.s.inlined(static_cast<int>(n.number(option, -1)), inputs));
  return bind_outputs(n, made);
}

Result<void> call(TfliteNode& n) { return call_index(n, "subgraph"); }
// A composite is what its decomposition computes.
Result<void> composite(TfliteNode& n) { return call_index(n, "decomposition_subgraph_index"); }

Result<void> call_once(TfliteNode& n) {
  SLUICE_ASSIGN(const auto made,
                n.s.inlined(static_cast<int>(n.number("init_subgraph_index", -1)), {}));
  (void)made;
  return {};
}

// Every output of a subgraph a node's output, so that it is neither a capture nor a constant.
Result<void> set_outputs(TfliteScope& scope, const std::vector<ValueId>& values) {
  for (const ValueId value : values) {
    SLUICE_ASSIGN(const ValueId own, scope.emit("Identity", {value}));
    scope.graph.outputs().push_back(own);
  }
  return {};
}

// Inputs: condition, then what both branches take.
Result<void> if_else(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(const ValueId condition, n.raw(0));
  SLUICE_ASSIGN(const auto inputs, raw_inputs(n, 1));
  std::vector<ir::Subgraph> subgraphs;
  for (const bool then : {true, false}) {
    const int index =
        static_cast<int>(n.number(then ? "then_subgraph_index" : "else_subgraph_index", -1));
    auto graph = std::make_unique<ir::Graph>();
    TfliteScope shell(n.s.context, *graph, n.s.decl);
    std::vector<ValueId> captured;
    for (const ValueId value : inputs)
      captured.push_back(graph->add_capture(n.s.graph.value(value).name, n.s.type(value)));
    SLUICE_ASSIGN(const auto outputs, shell.inlined(index, captured));
    if (outputs.size() != static_cast<size_t>(n.output_count())) {
      return n.fail(
          cat("it has ", n.output_count(), " outputs (a branch has ", outputs.size(), ")"));
    }
    SLUICE_TRY(set_outputs(shell, outputs));
    subgraphs.push_back({then ? "then_branch" : "else_branch", std::move(graph), inputs});
  }
  SLUICE_ASSIGN(const auto made,
                n.s.emit_many("If", {condition}, n.output_count(), {}, std::move(subgraphs)));
  return bind_outputs(n, made);
}

Result<ValueId> scalar_condition(TfliteScope& s, const std::vector<ValueId>& outputs) {
  if (outputs.size() != 1)
    return invalid_model(
        cat("The condition of a WHILE has ", outputs.size(), " outputs (1 is needed)."));
  if (s.rank(outputs[0]) == 0) return outputs[0];
  return s.reshape(outputs[0], std::vector<int64_t>{});
}

// The type of a loop-carried value: an extent may change from round to round unless the file says
// the body keeps it.
Type carried_type(const Type& initial, const Type& declared) {
  if (!initial.is_tensor()) return declared;
  Type out = Type::tensor(initial.dtype);
  if (!initial.dims || !declared.dims || initial.dims->size() != declared.dims->size()) return out;
  out.dims = Dims();
  for (size_t i = 0; i < initial.dims->size(); ++i) {
    const Dim& a = (*initial.dims)[i];
    out.dims->push_back(a == (*declared.dims)[i] ? a : Dim::unknown());
  }
  return out;
}

Result<void> while_loop(TfliteNode& n) {
  TfliteScope& s = n.s;
  const int condition_index = static_cast<int>(n.number("cond_subgraph_index", -1));
  const int body_index = static_cast<int>(n.number("body_subgraph_index", -1));
  if (body_index < 0 || static_cast<size_t>(body_index) >= s.context.model.graphs.size()) {
    return n.fail(cat("its body is subgraph ", body_index));
  }
  SLUICE_ASSIGN(const auto initial, raw_inputs(n, 0));
  const format::GraphDecl& callee = s.context.model.graphs[static_cast<size_t>(body_index)];
  if (callee.inputs.size() != initial.size()) {
    return n.fail(
        cat("it has ", initial.size(), " inputs (its body takes ", callee.inputs.size(), ")"));
  }
  SLUICE_ASSIGN(const auto first, s.inlined(condition_index, initial));
  SLUICE_ASSIGN(const ValueId enter, scalar_condition(s, first));
  auto graph = std::make_unique<ir::Graph>();
  TfliteScope shell(s.context, *graph, s.decl);
  graph->add_input("iteration", Type::tensor(DType::kInt64, {}));
  graph->add_input("condition", Type::tensor(DType::kBool, {}));
  std::vector<ValueId> state;
  for (size_t i = 0; i < initial.size(); ++i) {
    state.push_back(graph->add_input(callee.inputs[i].name,
                                     carried_type(s.type(initial[i]), callee.inputs[i].type)));
  }
  SLUICE_ASSIGN(const auto next, shell.inlined(body_index, state));
  if (next.size() != initial.size())
    return n.fail(cat("its body has ", next.size(), " outputs (", initial.size(), " are needed)"));
  SLUICE_ASSIGN(const auto again, shell.inlined(condition_index, next));
  SLUICE_ASSIGN(const ValueId go_on, scalar_condition(shell, again));
  std::vector<ValueId> outputs = {go_on};
  outputs.insert(outputs.end(), next.begin(), next.end());
  SLUICE_TRY(set_outputs(shell, outputs));
  std::vector<ir::Subgraph> subgraphs;
  subgraphs.push_back({"body", std::move(graph), {}});
  std::vector<ValueId> inputs = {ir::kNoValue, enter};
  inputs.insert(inputs.end(), initial.begin(), initial.end());
  SLUICE_ASSIGN(const auto made, s.emit_many("Loop", inputs, static_cast<int>(initial.size()), {},
                                             std::move(subgraphs)));
  return bind_outputs(n, made);
}

// A handle is a constant string: the variable's name.
Result<void> var_handle(TfliteNode& n) {
  SLUICE_TRY(n.need(0));
  const std::string name = cat(n.text("container", ""), "/", n.text("shared_name", ""));
  return n.s.bind_constant(
      n.out_name(0),
      TfliteConstant{Tensor::of_strings(Shape{}, std::span(&name, 1)), nullptr, false, false});
}

Result<std::string> handle_of(TfliteNode& n) {
  SLUICE_ASSIGN(const ValueId handle, n.raw(0));
  const auto& constant = n.s.graph.value(handle).constant;
  if (!constant || constant->dtype() != DType::kString || constant->elements() != 1) {
    return n.no_support("the variable's handle is not known before the run");
  }
  if (n.s.context.resource_graph != &n.s.graph)
    return n.no_support("variables inside IF and WHILE are not supported");
  return constant->data<std::string>()[0];
}

Result<void> read_variable(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(const std::string name, handle_of(n));
  const auto found = n.s.context.resources.find(name);
  if (found == n.s.context.resources.end())
    return n.fail(cat("the variable ", quoted(name), " is read before it is assigned"));
  return n.set_raw(0, found->second);
}

Result<void> assign_variable(TfliteNode& n) {
  SLUICE_TRY(n.need(2, 0));
  SLUICE_ASSIGN(const std::string name, handle_of(n));
  SLUICE_ASSIGN(const ValueId value, n.raw(1));
  n.s.context.resources[name] = value;
  return {};
}

constexpr TfliteRow kRows[] = {
    {"CALL", call},
    {"CALL_ONCE", call_once},
    {"STABLEHLO_COMPOSITE", composite},
    {"IF", if_else},
    {"WHILE", while_loop},
    {"VAR_HANDLE", var_handle},
    {"READ_VARIABLE", read_variable},
    {"ASSIGN_VARIABLE", assign_variable},
};

}  // namespace

std::span<const TfliteRow> tflite_control_rows() { return kRows; }

}  // namespace sluice::import
