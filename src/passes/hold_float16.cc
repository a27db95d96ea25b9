#include "passes/hold_float16.h"

#include <algorithm>

namespace sluice::passes {

namespace {

constexpr size_t kWorthwhileBytes = 4096;

bool is_conv(const ir::Node& node) {
  return (node.domain.empty() && node.op == "Conv") ||
         (node.domain == "sluice" && node.op == "FusedConv");
}

// A Cast of a float16 constant to float32.
bool widens_constant(const ir::Graph& graph, const ir::Node& node) {
  return node.domain.empty() && node.op == "Cast" && graph.is_constant(node.input(0)) &&
         graph.value(node.input(0)).constant->dtype() == DType::kFloat16 &&
         graph.type(node.input(0)).dtype == DType::kFloat16 &&
         node.attrs.int_or("to", 0) == static_cast<int64_t>(DType::kFloat32) &&
         node.output(0) != ir::kNoValue;
}

}  // namespace

bool holds_float16(const ir::Graph& graph, ir::ValueId constant, const Readers& readers,
                   ir::ValueId id) {
  if (static_cast<size_t>(id) >= readers.size() || !graph.is_constant(constant)) return false;
  const Tensor& tensor = *graph.value(constant).constant;
  if (tensor.dtype() != DType::kFloat16 || tensor.size_bytes() < kWorthwhileBytes) return false;
  const auto& reading = readers[static_cast<size_t>(id)];
  return !reading.empty() && std::ranges::all_of(reading, [&](ir::NodeId reader) {
    if (reader == ir::kNoNode) return false;
    const ir::Node& node = graph.node(reader);
    return is_conv(node) && node.input(1) == id && std::ranges::count(node.inputs, id) == 1;
  });
}

bool is_held_cast(const ir::Graph& graph, const ir::Node& node, const Readers& readers) {
  return widens_constant(graph, node) &&
         holds_float16(graph, node.input(0), readers, node.output(0));
}

Result<int> hold_float16(ir::Graph& graph) {
  int held = 0;
  const Readers readers = graph.uses();
  std::vector<bool> gone(graph.nodes().size(), false);
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    ir::Node& node = graph.nodes()[n];
    if (!is_held_cast(graph, node, readers)) continue;
    const ir::ValueId from = node.input(0), to = node.output(0);
    // Under the weight's own name, where nobody else reads that.
    const bool shared = readers[static_cast<size_t>(from)].size() != 1;
    Tensor halves = *graph.value(from).constant;
    graph.make_constant(shared ? to : from, std::move(halves));
    graph.value(shared ? to : from).type.dtype = DType::kFloat32;
    if (!shared) {
      graph.replace_uses(to, from);
      graph.value(to).producer = ir::kNoNode;
    }
    node.inputs.clear();
    node.outputs.clear();
    gone[n] = true;
    ++held;
  }
  if (held != 0) graph.normalize(gone);
  return held;
}

}  // namespace sluice::passes
