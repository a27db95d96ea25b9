#include "compile/spare_memory.h"

#include <algorithm>
#include <ranges>
#include <utility>
#include <vector>

#include "passes/split_conv.h"

namespace sluice::compile {

namespace {

// Below, what is saved is not worth looking for.
constexpr uint64_t kLargeArena = 32 << 20;

// What would have to be left of `bytes`, at most, to be worth it.
uint64_t worthwhile(uint64_t bytes) { return bytes / 8 * 7; }

// What the convolutions make that can be cut and run while more than that of the peak is in use.
std::vector<ir::ValueId> cuttable(const ir::Graph& graph, const plan::MemoryLayout& layout) {
  std::vector<ir::ValueId> made;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {  // steps are nodes
    const auto node = static_cast<ir::NodeId>(n);
    if (layout.live_bytes[n] > worthwhile(layout.peak_live_bytes) &&
        passes::can_split_conv(graph, node)) {
      made.push_back(graph.node(node).output(0));
    }
  }
  return made;
}

}  // namespace

Result<std::shared_ptr<plan::Plan>> compile_sparing_memory(const op::Registry& registry,
                                                           ir::Graph& graph,
                                                           const CpuOptions& options) {
  SLUICE_ASSIGN(auto plan, compile_cpu(registry, graph, options));
  const auto nodes = std::views::iota(ir::NodeId{0}, static_cast<ir::NodeId>(graph.nodes().size()));
  const auto can_split = [&](ir::NodeId id) { return passes::can_split_conv(graph, id); };
  if (!options.reuse_memory || std::ranges::none_of(nodes, can_split)) return plan;
  SLUICE_ASSIGN(plan::MemoryLayout layout, plan::lay_out(*plan, {}));
  while (layout.peak_live_bytes >= kLargeArena) {
    const std::vector<ir::ValueId> made = cuttable(graph, layout);
    if (made.empty()) break;
    std::unique_ptr<ir::Graph> cut = graph.clone();
    for (const ir::ValueId id : made) {  // a cut numbers nodes anew
      const ir::NodeId node = cut->value(id).producer;
      if (passes::can_split_conv(*cut, node)) SLUICE_TRY(passes::split_conv(*cut, node));
    }
    SLUICE_ASSIGN(auto sparing, compile_cpu(registry, *cut, options));
    SLUICE_ASSIGN(plan::MemoryLayout less, plan::lay_out(*sparing, {}));
    if (less.arena_bytes > worthwhile(layout.arena_bytes)) break;
    graph = std::move(*cut);
    plan = std::move(sparing);
    layout = std::move(less);
  }
  return plan;
}

}  // namespace sluice::compile
