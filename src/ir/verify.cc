#include "ir/verify.h"

#include "base/text.h"

namespace sluice::ir {

Result<void> verify(const Graph& graph) {
  const size_t count = graph.value_count();
  const auto in_range = [&](ValueId id) { return id >= 0 && static_cast<size_t>(id) < count; };
  std::vector<bool> made(count, false);
  const auto make = [&](ValueId id) {
    const bool first = !made[static_cast<size_t>(id)];
    made[static_cast<size_t>(id)] = true;
    return first;
  };
  for (size_t v = 0; v < count; ++v) {
    if (graph.value(static_cast<ValueId>(v)).constant) made[v] = true;
  }
  for (const auto* list : {&graph.inputs(), &graph.captures()}) {
    for (const ValueId id : *list) {
      if (!in_range(id))
        return internal_error(cat("Graph input ", id, " is no value (", count, ")"));
      if (!make(id)) {
        return internal_error(cat("Value ", quoted(graph.value(id).name), " is made twice"));
      }
    }
  }
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    const auto check_use = [&](ValueId id) -> Result<void> {
      if (id == kNoValue) return {};
      if (!in_range(id)) return internal_error(cat(node.label(), " reads no value (", id, ")"));
      if (!made[static_cast<size_t>(id)]) {
        return internal_error(
            cat(node.label(), " reads ", quoted(graph.value(id).name), " before it is made"));
      }
      return {};
    };
    for (const ValueId id : node.inputs) SLUICE_TRY(check_use(id));
    for (const Subgraph& sub : node.subgraphs) {
      for (const ValueId id : sub.captures) SLUICE_TRY(check_use(id));
      if (sub.captures.size() != sub.graph->captures().size()) {
        return internal_error(cat(node.label(), " gives ", sub.captures.size(), " captures to ",
                                  quoted(sub.name), ", which wants ",
                                  sub.graph->captures().size()));
      }
      SLUICE_TRY(verify(*sub.graph));
    }
    for (const ValueId id : node.outputs) {
      if (id == kNoValue) continue;
      if (!in_range(id)) return internal_error(cat(node.label(), " makes no value (", id, ")"));
      if (!make(id)) {
        return internal_error(cat("Value ", quoted(graph.value(id).name), " is made twice"));
      }
      if (graph.value(id).producer != static_cast<NodeId>(n)) {
        return internal_error(
            cat("Value ", quoted(graph.value(id).name), " names a wrong producer"));
      }
    }
  }
  for (const ValueId id : graph.outputs()) {
    if (!in_range(id) || !made[static_cast<size_t>(id)]) {
      return internal_error(cat("Graph output ", id, " is never made"));
    }
  }
  return {};
}

}  // namespace sluice::ir
