#include "op/op.h"

#include <algorithm>

#include "base/text.h"

namespace sluice::op {

namespace {

const Type& unknown_type() {
  static const Type kUnknown;
  return kUnknown;
}

// Integer contents are carried along only while they can be a shape, axes or the like.
constexpr int64_t kMaxKnownInts = 64;

}  // namespace

const Type& NodeView::input_type(int i) const {
  return has_input(i) ? graph_.type(node_.input(i)) : unknown_type();
}

const Type& NodeView::output_type(int i) const {
  return has_output(i) ? graph_.type(node_.output(i)) : unknown_type();
}

const Tensor* NodeView::constant(int i) const {
  if (!has_input(i)) return nullptr;
  const auto& constant = graph_.value(node_.input(i)).constant;
  return constant ? &*constant : nullptr;
}

std::optional<Dims> NodeView::ints(int i) const {
  if (!has_input(i)) return std::nullopt;
  const ir::ValueInfo& info = graph_.value(node_.input(i));
  if (info.constant) {
    const Tensor& tensor = *info.constant;
    if ((!is_integer(tensor.dtype()) && tensor.dtype() != DType::kBool) ||
        tensor.elements() > kMaxKnownInts) {
      return std::nullopt;
    }
    Dims out;
    for (int64_t k = 0; k < tensor.elements(); ++k) out.emplace_back(tensor.get_int(k));
    return out;
  }
  return info.known_ints;
}

std::optional<int64_t> NodeView::constant_int(int i) const {
  const Tensor* tensor = constant(i);
  if (tensor == nullptr || tensor->elements() != 1 || tensor->dtype() == DType::kString ||
      is_complex(tensor->dtype())) {
    return std::nullopt;
  }
  return tensor->get_int(0);
}

std::optional<double> NodeView::constant_double(int i) const {
  const Tensor* tensor = constant(i);
  if (tensor == nullptr || tensor->elements() != 1 || tensor->dtype() == DType::kString ||
      is_complex(tensor->dtype())) {
    return std::nullopt;
  }
  return tensor->get_double(0);
}

InferContext::InferContext(const ir::Graph& graph, const ir::Node& node,
                           SubgraphInfer infer_subgraph)
    : NodeView(graph, node),
      output_types(node.outputs.size()),
      output_ints(node.outputs.size()),
      infer_subgraph_(infer_subgraph) {}

void InferContext::set_output(int i, Type type) {
  if (i < output_count()) output_types[static_cast<size_t>(i)] = std::move(type);
}

void InferContext::set_output_ints(int i, Dims values) {
  if (i >= output_count() || values.size() > kMaxKnownInts) return;
  output_ints[static_cast<size_t>(i)] = std::move(values);
}

Result<std::vector<Type>> InferContext::infer_subgraph(std::string_view name,
                                                       std::span<const Type> inputs) {
  const ir::Subgraph* sub = node_.subgraph(name);
  if (sub == nullptr) return fail(cat("it has no subgraph ", quoted(name)));
  return infer_subgraph_(*sub, inputs);
}

Error InferContext::fail(std::string_view sentence) const {
  return invalid_model(cat("In ", node_.label(), ": ", sentence));
}

const Type& UpgradeContext::input_type(int i) const {
  const ir::ValueId id = node.input(i);
  return id == ir::kNoValue ? unknown_type() : graph_.type(id);
}

const Tensor* UpgradeContext::constant(int i) const {
  const ir::ValueId id = node.input(i);
  return graph_.is_constant(id) ? &*graph_.value(id).constant : nullptr;
}

ir::ValueId UpgradeContext::add_constant(Tensor tensor) {
  return graph_.add_constant(cat(node.name, "_const"), std::move(tensor));
}

ir::ValueId UpgradeContext::add_ints(std::span<const int64_t> values) {
  return add_constant(Tensor::of<int64_t>(Shape{static_cast<int64_t>(values.size())}, values));
}

ir::ValueId UpgradeContext::add_before(std::string_view op, std::vector<ir::ValueId> inputs,
                                       AttrMap attrs) {
  ir::Node made;
  made.op = op;
  made.name = cat(node.name, "_", op);
  made.inputs = std::move(inputs);
  made.attrs = std::move(attrs);
  const ir::ValueId output = graph_.add_value(made.name);
  made.outputs = {output};
  before.push_back(std::move(made));
  return output;
}

void UpgradeContext::add_after(std::string_view op, std::vector<ir::ValueId> more_inputs,
                               AttrMap attrs, int index) {
  // The last node so far that makes the original output now makes a fresh value.
  ir::Node* maker = &node;
  auto slot = static_cast<size_t>(index);
  const ir::ValueId original = node.output(index);
  for (ir::Node& later : after) {
    for (size_t i = 0; i < later.outputs.size(); ++i) {
      if (later.outputs[i] == original) {
        maker = &later;
        slot = i;
      }
    }
  }
  const ir::ValueId fresh = graph_.add_value(cat(node.name, "_raw"));
  maker->outputs[slot] = fresh;
  ir::Node made;
  made.op = op;
  made.name = cat(node.name, "_", op);
  made.inputs = {fresh};
  made.inputs.insert(made.inputs.end(), more_inputs.begin(), more_inputs.end());
  made.attrs = std::move(attrs);
  made.outputs = {original};
  after.push_back(std::move(made));
}

Registry::Registry(std::span<const std::span<const OpDef>> families) {
  for (const auto& family : families) {
    for (const OpDef& def : family) defs_.push_back(&def);
  }
  by_name_ = NameTable(defs_.size());
  for (size_t row = 0; row < defs_.size(); ++row) {
    const OpDef& def = *defs_[row];
    uint16_t& place = by_name_.place(def.name, [&](size_t other) {
      return defs_[other]->name == def.name && defs_[other]->domain == def.domain;
    });
    SLUICE_CHECK(place == NameTable::kFree && "an operator is defined twice");
    place = static_cast<uint16_t>(row);
  }
}

const OpDef* Registry::find(std::string_view domain, std::string_view name) const {
  if (domain == "ai.onnx") domain = "";
  const size_t row = by_name_.find(name, [&](size_t other) {
    return defs_[other]->name == name && defs_[other]->domain == domain;
  });
  return row == NameTable::kFree ? nullptr : defs_[row];
}

namespace {

constexpr int kMaxNesting = 64;

// What is known of a value from two sides. Inference wins where both speak: a file's own
// declarations may be stale.
Type merged(const Type& inferred, const Type& declared) {
  if (inferred.kind == Type::Kind::kUnknown) return declared;
  if (!inferred.is_tensor() || !declared.is_tensor()) {
    // A sequence whose items inference can't type may be typed by the file.
    const bool bare = !inferred.is_tensor() && inferred.elem != nullptr &&
                      inferred.elem->kind == Type::Kind::kUnknown;
    return bare && declared.kind == inferred.kind ? declared : inferred;
  }
  Type out = inferred;
  if (out.dtype == DType::kUndefined) out.dtype = declared.dtype;
  if (!out.dims) {
    out.dims = declared.dims;
  } else if (declared.dims && declared.dims->size() == out.dims->size()) {
    for (size_t i = 0; i < out.dims->size(); ++i) {
      Dim& mine = (*out.dims)[i];
      if (mine.is_unknown()) mine = (*declared.dims)[i];
    }
  }
  return out;
}

Result<void> infer_graph_at(const Registry& registry, ir::Graph& graph, int depth);

Result<void> infer_node_at(const Registry& registry, ir::Graph& graph, ir::NodeId id, int depth) {
  const ir::Node& node = graph.node(id);
  const OpDef* def = registry.find(node.domain, node.op);
  if (def == nullptr) {
    return unsupported(cat("The operator ", node.full_op(), " of ", node.label(), " is not known"));
  }
  if (def->infer == nullptr) {
    return internal_error(cat("The operator ", node.full_op(), " should have been upgraded away"));
  }
  const auto given = static_cast<int>(node.inputs.size());
  const auto made = static_cast<int>(node.outputs.size());
  if (given < def->min_inputs || (def->max_inputs >= 0 && given > def->max_inputs)) {
    return invalid_model(
        cat("In ", node.label(), ": ", given, " inputs are given (", def->min_inputs, " to ",
            def->max_inputs < 0 ? std::string("any number") : cat(def->max_inputs), ")"));
  }
  for (int i = 0; i < def->min_inputs; ++i) {
    // Variadic operators and those with optional leading inputs check for themselves.
    if (node.input(i) == ir::kNoValue && def->max_inputs >= 0 && i == 0) {
      return invalid_model(cat("In ", node.label(), ": input ", i, " is missing"));
    }
  }
  if (def->max_outputs >= 0 && made > def->max_outputs) {
    return invalid_model(cat("In ", node.label(), ": ", made, " outputs are asked for (limit ",
                             def->max_outputs, ")"));
  }
  const auto infer_sub = [&](const ir::Subgraph& sub,
                             std::span<const Type> inputs) -> Result<std::vector<Type>> {
    ir::Graph& body = *sub.graph;
    if (inputs.size() != body.inputs().size()) {
      return invalid_model(cat("In ", node.label(), ": subgraph ", quoted(sub.name), " takes ",
                               body.inputs().size(), " inputs (", inputs.size(), " are given)"));
    }
    for (size_t i = 0; i < inputs.size(); ++i) {
      Type& type = body.value(body.inputs()[i]).type;
      type = merged(inputs[i], type);
    }
    for (size_t i = 0; i < sub.captures.size(); ++i) {
      const ir::ValueInfo& outer = graph.value(sub.captures[i]);
      ir::ValueInfo& inner = body.value(body.captures()[i]);
      inner.type = merged(outer.type, inner.type);
      inner.known_ints = outer.known_ints;
      if (outer.constant && outer.constant->elements() <= kMaxKnownInts &&
          is_integer(outer.constant->dtype())) {
        inner.known_ints = Dims();
        for (const int64_t v : outer.constant->to_ints()) inner.known_ints->emplace_back(v);
      }
    }
    SLUICE_TRY(infer_graph_at(registry, body, depth + 1));
    std::vector<Type> out;
    for (const ir::ValueId output : body.outputs()) out.push_back(body.type(output));
    return out;
  };
  InferContext context(graph, node, infer_sub);
  SLUICE_TRY(def->infer(context));
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] == ir::kNoValue) continue;
    ir::ValueInfo& info = graph.value(node.outputs[i]);
    const Type& inferred = context.output_types[i];
    if (inferred.is_tensor() && inferred.dims && inferred.dims->size() > kMaxRank) {
      return unsupported(cat("In ", node.label(), ": output ", i, " has rank ",
                             inferred.dims->size(), " (limit ", kMaxRank, ")"));
    }
    info.type = merged(inferred, info.type);
    info.known_ints = std::move(context.output_ints[i]);
  }
  return {};
}

Result<void> infer_graph_at(const Registry& registry, ir::Graph& graph, int depth) {
  if (depth > kMaxNesting) {
    return invalid_model(cat("Subgraphs nest too deep (limit ", kMaxNesting, ")"));
  }
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    SLUICE_TRY(infer_node_at(registry, graph, static_cast<ir::NodeId>(n), depth));
  }
  return {};
}

}  // namespace

Result<void> infer_node(const Registry& registry, ir::Graph& graph, ir::NodeId node) {
  return infer_node_at(registry, graph, node, 0);
}

Result<void> infer_graph(const Registry& registry, ir::Graph& graph) {
  return infer_graph_at(registry, graph, 0);
}

}  // namespace sluice::op
