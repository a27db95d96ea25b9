#include "compile/spare_memory.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "passes/split_conv.h"

namespace sluice::compile {

namespace {

// Below, what is saved is not worth looking for.
constexpr uint64_t kLargeArena = 32 << 20;

// What would have to be left of `bytes`, at most, to be worth it.
uint64_t worthwhile(uint64_t bytes) { return bytes / 8 * 7; }

// The steps that take more than that of the peak.
std::vector<size_t> steps_of_peak(const plan::MemoryLayout& layout, size_t steps) {
  std::vector<uint64_t> live(steps, 0);
  for (const plan::Life& life : layout.lives) {
    for (auto step = static_cast<size_t>(std::max(life.first, 0));
         step < steps && step <= static_cast<size_t>(life.last); ++step) {
      live[step] += life.end - life.begin;
    }
  }
  std::vector<size_t> out;
  for (size_t step = 0; step < steps; ++step) {
    if (live[step] > worthwhile(layout.peak_live_bytes)) out.push_back(step);
  }
  return out;
}

}  // namespace

Result<std::shared_ptr<plan::Plan>> compile_sparing_memory(const op::Registry& registry,
                                                           ir::Graph& graph,
                                                           const CpuOptions& options) {
  SLUICE_ASSIGN(auto plan, compile_cpu(registry, graph, options));
  const auto uses = graph.uses();
  const auto can_split = [&](size_t node) {
    return passes::can_split_conv(graph, uses, static_cast<ir::NodeId>(node));
  };
  bool any = false;
  for (size_t n = 0; n < graph.nodes().size(); ++n) any = any || can_split(n);
  if (!any || !options.reuse_memory) return plan;
  SLUICE_ASSIGN(plan::MemoryLayout layout, plan::lay_out(*plan, {}));
  while (layout.peak_live_bytes >= kLargeArena) {
    // Steps are nodes. By what they make: a cut numbers nodes anew.
    std::vector<ir::ValueId> made;
    for (const size_t step : steps_of_peak(layout, plan->steps.size())) {
      made.push_back(graph.node(static_cast<ir::NodeId>(step)).output(0));
    }
    std::unique_ptr<ir::Graph> cut = graph.clone();
    bool any_cut = false;
    for (const ir::ValueId id : made) {
      const ir::NodeId node = id == ir::kNoValue ? ir::kNoNode : cut->value(id).producer;
      if (node == ir::kNoNode || !passes::can_split_conv(*cut, cut->uses(), node)) continue;
      SLUICE_TRY(passes::split_conv(*cut, node));
      any_cut = true;
    }
    if (!any_cut) break;
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
