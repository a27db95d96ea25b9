#include "passes/fold_constants.h"

#include <algorithm>

#include "op/interpreter.h"
#include "passes/eliminate_dead.h"
#include "passes/hold_float16.h"

namespace sluice::passes {

namespace {

// The sizes of all outputs must be known beforehand and be sane.
bool may_fold(const op::OpDef& def, const ir::Graph& graph, const ir::Node& node,
              const FoldOptions& options) {
  if (!def.deterministic || def.reference == nullptr || !node.subgraphs.empty()) return false;
  // Packed weights stay packed: widening four bits to 32 is no trade to make silently. Bytes are
  // widened, since the float kernels pack constant weights once.
  if (def.name == "DequantizeLinear" && graph.is_constant(node.input(0)) &&
      dtype_bits(graph.type(node.input(0)).dtype) < 8 &&
      graph.value(node.input(0)).constant->elements() > 4096) {
    return false;
  }
  uint64_t input_bytes = 0;
  for (const ir::ValueId id : node.inputs) {
    if (id == ir::kNoValue) continue;
    if (!graph.is_constant(id)) return false;
    input_bytes += graph.value(id).constant->size_bytes();
  }
  for (const ir::ValueId id : node.outputs) {
    if (id == ir::kNoValue) continue;
    const Type& type = graph.type(id);
    if (!type.is_tensor()) return false;
    const auto shape = type.shape();
    if (!shape) {
      // Small inputs can still make large outputs (Expand, Tile, Range ...).
      if (def.name == "ConstantOfShape" || def.name == "Expand" || def.name == "Tile" ||
          def.name == "Range" || def.name == "Loop") {
        return false;
      }
      continue;
    }
    const auto elements = shape->checked_elements();
    const auto bytes = elements ? storage_bytes(type.dtype, *elements) : std::nullopt;
    if (!bytes || (*bytes > options.max_growth_bytes && *bytes > input_bytes)) return false;
  }
  return true;
}

// Whether a value is read by convolutions and matrix products alone, as weight or bias.
bool is_weight(const ir::Graph& graph, const std::vector<std::vector<ir::NodeId>>& uses,
               ir::ValueId id) {
  if (static_cast<size_t>(id) >= uses.size()) return false;
  const auto& readers = uses[static_cast<size_t>(id)];
  return !readers.empty() && std::ranges::all_of(readers, [&](ir::NodeId reader) {
    if (reader == ir::kNoNode) return false;
    const ir::Node& node = graph.node(reader);
    return node.domain.empty() && (node.op == "Conv" || node.op == "MatMul" || node.op == "Gemm") &&
           node.input(0) != id;
  });
}

Tensor ints_tensor(const Dims& values, DType dtype, const Shape& shape) {
  std::vector<double> numbers;
  auto out = Tensor::allocate(dtype, shape);
  SLUICE_CHECK(out.ok());
  for (size_t i = 0; i < values.size(); ++i) {
    out->set_int(static_cast<int64_t>(i), values[i].value());
  }
  return std::move(out).value();
}

// Dead nodes stay.
Result<int> fold(const op::Registry& registry, ir::Graph& graph, const FoldOptions& options) {
  int folded = 0;
  std::vector<std::vector<ir::NodeId>> uses;
  if (options.keep_quantized || options.hold_float16) uses = graph.uses();
  const std::function<Value(ir::ValueId)> no_capture = [](ir::ValueId) { return Value(); };
  for (ir::Node& node : graph.nodes()) {
    if (options.keep_outputs && std::ranges::any_of(node.outputs, [&](ir::ValueId id) {
          return id != ir::kNoValue && std::ranges::count(graph.outputs(), id) != 0;
        })) {
      continue;
    }
    if (options.keep_quantized && node.domain.empty() && node.op == "DequantizeLinear" &&
        graph.is_constant(node.input(0)) && is_weight(graph, uses, node.output(0))) {
      continue;
    }
    if (options.hold_float16 && is_held_cast(graph, node, uses)) continue;
    for (const ir::ValueId id : std::vector<ir::ValueId>(node.outputs)) {
      if (id == ir::kNoValue) continue;
      const ir::ValueInfo& info = graph.value(id);
      const auto shape = info.type.shape();
      if (!info.known_ints || !shape || !is_integer(info.type.dtype)) continue;
      if (!std::ranges::all_of(*info.known_ints, [](const Dim& d) { return d.is_known(); }))
        continue;
      if (shape->elements() != static_cast<int64_t>(info.known_ints->size())) continue;
      graph.make_constant(id, ints_tensor(*info.known_ints, info.type.dtype, *shape));
      ++folded;
    }
    for (ir::Subgraph& sub : node.subgraphs) {
      // A captured constant is a constant inside as well.
      for (size_t i = sub.captures.size(); i-- > 0;) {
        if (!graph.is_constant(sub.captures[i])) continue;
        const ir::ValueId inner = sub.graph->captures()[i];
        sub.graph->make_constant(inner, *graph.value(sub.captures[i]).constant);
        sub.graph->captures().erase(sub.graph->captures().begin() + static_cast<ptrdiff_t>(i));
        sub.captures.erase(sub.captures.begin() + static_cast<ptrdiff_t>(i));
      }
      FoldOptions within = options;
      within.keep_outputs = false;
      within.hold_float16 = false;
      SLUICE_ASSIGN(const int inside, fold(registry, *sub.graph, within));
      folded += inside;
    }
    const bool wanted =
        std::ranges::any_of(node.outputs, [](ir::ValueId id) { return id != ir::kNoValue; });
    const op::OpDef* def = registry.find(node.domain, node.op);
    if (def == nullptr || !wanted || !may_fold(*def, graph, node, options)) continue;
    std::vector<Value> inputs;
    for (const ir::ValueId id : node.inputs) {
      inputs.push_back(id == ir::kNoValue ? Value() : Value(*graph.value(id).constant));
    }
    auto made = op::run_node(registry, graph, node, inputs, no_capture);
    if (!made) continue;
    if (!std::ranges::all_of(*made, [](const Value& v) { return !v.present() || v.is_tensor(); }))
      continue;
    const std::vector<ir::ValueId> outputs = node.outputs;
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i] != ir::kNoValue) graph.make_constant(outputs[i], (*made)[i].tensor());
    }
    ++folded;
  }
  return folded;
}

}  // namespace

Result<int> fold_constants(const op::Registry& registry, ir::Graph& graph,
                           const FoldOptions& options) {
  SLUICE_ASSIGN(const int folded, fold(registry, graph, options));
  eliminate_dead(graph);
  return folded;
}

}  // namespace sluice::passes
