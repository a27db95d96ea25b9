#include "passes/eliminate_dead.h"

#include <vector>

namespace sluice::passes {

int eliminate_dead(ir::Graph& graph) {
  auto& nodes = graph.nodes();
  std::vector<bool> live_value(graph.value_count(), false);
  std::vector<bool> dead(nodes.size(), false);
  const auto mark = [&](ir::ValueId id) {
    if (id != ir::kNoValue) live_value[static_cast<size_t>(id)] = true;
  };
  for (const ir::ValueId id : graph.outputs()) mark(id);
  int removed = 0;
  for (size_t n = nodes.size(); n-- > 0;) {
    bool live = false;
    for (ir::ValueId& id : nodes[n].outputs) {
      if (id == ir::kNoValue) continue;
      if (live_value[static_cast<size_t>(id)]) {
        live = true;
      } else {
        graph.value(id).producer = ir::kNoNode;
        id = ir::kNoValue;
      }
    }
    if (!live) {
      dead[n] = true;
      ++removed;
      continue;
    }
    // Trailing outputs that nobody wants need not be counted.
    while (!nodes[n].outputs.empty() && nodes[n].outputs.back() == ir::kNoValue) {
      nodes[n].outputs.pop_back();
    }
    for (const ir::ValueId id : nodes[n].inputs) mark(id);
    for (ir::Subgraph& sub : nodes[n].subgraphs) {
      removed += eliminate_dead(*sub.graph);
      for (const ir::ValueId id : sub.captures) mark(id);
    }
  }
  graph.normalize(dead);
  return removed;
}

}  // namespace sluice::passes
