#include "passes/eliminate_identity.h"

#include <algorithm>
#include <cstring>

#include "passes/eliminate_dead.h"

namespace sluice::passes {

namespace {

bool same_type(const Type& a, const Type& b) {
  if (!a.has_rank() || !b.has_rank() || a.dtype != b.dtype) return false;
  return *a.dims == *b.dims;
}

bool same_constant(const ir::Graph& graph, ir::ValueId a, ir::ValueId b) {
  if (a == b) return true;
  if (!graph.is_constant(a) || !graph.is_constant(b)) return false;
  const Tensor& x = *graph.value(a).constant;
  const Tensor& y = *graph.value(b).constant;
  return x.dtype() == y.dtype() && x.shape() == y.shape() && x.dtype() != DType::kString &&
         std::ranges::equal(x.bytes(), y.bytes());
}

bool casts_to_same(const ir::Graph& graph, const ir::Node& node) {
  const ir::ValueId in = node.input(0);
  return node.domain.empty() && node.op == "Cast" && in != ir::kNoValue &&
         graph.type(in).is_tensor() &&
         static_cast<int64_t>(graph.type(in).dtype) == node.attrs.int_or("to", 0);
}

// The value that `node`'s first output always equals, or kNoValue.
ir::ValueId stands_for(const ir::Graph& graph, const ir::Node& node) {
  const ir::ValueId in = node.input(0);
  const ir::ValueId out = node.output(0);
  if (in == ir::kNoValue || out == ir::kNoValue) return ir::kNoValue;
  const bool onnx = node.domain.empty();
  if (onnx && node.op == "Identity") return in;
  if (casts_to_same(graph, node)) return in;
  if (onnx && node.op == "Dropout" && node.output(1) == ir::kNoValue) {
    // training_mode absent or constant false.
    const ir::ValueId mode = node.input(2);
    if (mode == ir::kNoValue ||
        (graph.is_constant(mode) && graph.value(mode).constant->elements() == 1 &&
         graph.value(mode).constant->get_int(0) == 0)) {
      return in;
    }
  }
  if (onnx && node.op == "Transpose") {
    const auto perm = node.attrs.ints_or("perm");
    bool identity = !perm.empty();
    for (size_t i = 0; i < perm.size(); ++i)
      identity = identity && perm[i] == static_cast<int64_t>(i);
    if (identity) return in;
  }
  if (onnx && (node.op == "Reshape" || node.op == "Expand") &&
      same_type(graph.type(in), graph.type(out))) {
    return in;
  }
  if (onnx && node.op == "QuantizeLinear") {
    const ir::NodeId maker = graph.value(in).producer;
    if (maker == ir::kNoNode) return ir::kNoValue;
    const ir::Node& dq = graph.node(maker);
    if (!dq.domain.empty() || dq.op != "DequantizeLinear") return ir::kNoValue;
    const DType before = graph.type(dq.input(0)).dtype;
    const bool zero_points = (node.input(2) == ir::kNoValue && dq.input(2) == ir::kNoValue) ||
                             (node.input(2) != ir::kNoValue && dq.input(2) != ir::kNoValue &&
                              same_constant(graph, node.input(2), dq.input(2)));
    const auto same_attr = [&](std::string_view name, int64_t fallback) {
      return node.attrs.int_or(name, fallback) == dq.attrs.int_or(name, fallback);
    };
    if (zero_points && is_integer(before) && dtype_bits(before) <= 16 &&
        before == graph.type(out).dtype && same_constant(graph, node.input(1), dq.input(1)) &&
        same_attr("axis", 1) && same_attr("block_size", 0)) {
      return dq.input(0);
    }
  }
  return ir::kNoValue;
}

// Dead nodes stay.
int bypass_identities(ir::Graph& graph) {
  int removed = 0;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    for (ir::Subgraph& sub : graph.nodes()[n].subgraphs) removed += bypass_identities(*sub.graph);
    const ir::ValueId from = graph.nodes()[n].output(0);
    const ir::ValueId to = stands_for(graph, graph.nodes()[n]);
    // A graph output keeps its name and so its node.
    if (to == ir::kNoValue || std::ranges::count(graph.outputs(), from) != 0) continue;
    graph.replace_uses(from, to);
    ++removed;
  }
  return removed;
}

}  // namespace

int eliminate_identity(ir::Graph& graph) {
  const int removed = bypass_identities(graph);
  if (removed != 0) eliminate_dead(graph);
  return removed;
}

int name_outputs_by_identity(ir::Graph& graph) {
  int changed = 0;
  for (ir::Node& node : graph.nodes()) {
    for (ir::Subgraph& sub : node.subgraphs) changed += name_outputs_by_identity(*sub.graph);
    if (!casts_to_same(graph, node)) continue;
    if (std::ranges::count(graph.outputs(), node.output(0)) == 0) continue;
    node.op = "Identity";
    node.attrs = {};
    ++changed;
  }
  return changed;
}

}  // namespace sluice::passes
