#include "passes/inline_if.h"

#include <unordered_map>

#include "base/text.h"
#include "passes/eliminate_dead.h"

namespace sluice::passes {

namespace {

bool is_decided(const ir::Graph& graph, const ir::Node& node) {
  return node.op == "If" && node.domain.empty() && graph.is_constant(node.input(0)) &&
         graph.value(node.input(0)).constant->elements() == 1;
}

// Appends the branch's nodes to `graph`; the If itself is left for the caller to drop.
Result<void> splice(ir::Graph& graph, size_t index) {
  // Taken out first: adding nodes moves the list.
  const bool taken = graph.value(graph.nodes()[index].input(0)).constant->get_int(0) != 0;
  const std::string_view wanted = taken ? "then_branch" : "else_branch";
  ir::Subgraph sub;
  for (ir::Subgraph& candidate : graph.nodes()[index].subgraphs) {
    if (candidate.name == wanted) sub = std::move(candidate);
  }
  const std::vector<ir::ValueId> outputs = graph.nodes()[index].outputs;
  const std::string label = graph.nodes()[index].label();
  if (sub.graph == nullptr || sub.graph->outputs().size() < outputs.size()) {
    return invalid_model(
        cat(label, ": ", wanted, " makes fewer outputs than the node has (", outputs.size(), ")"));
  }
  const ir::Graph& inner = *sub.graph;
  std::unordered_map<ir::ValueId, ir::ValueId> map;
  for (size_t i = 0; i < inner.captures().size(); ++i) map[inner.captures()[i]] = sub.captures[i];
  const auto outer = [&](ir::ValueId id) -> ir::ValueId {
    if (id == ir::kNoValue) return id;
    const auto [at, added] = map.try_emplace(id, ir::kNoValue);
    if (added) {
      const ir::ValueInfo& info = inner.value(id);
      at->second = info.constant ? graph.add_constant(info.name, *info.constant)
                                 : graph.add_value(info.name, info.type);
      graph.value(at->second).known_ints = info.known_ints;
    }
    return at->second;
  };
  for (const ir::Node& node : inner.nodes()) {
    ir::Node copy;
    copy.domain = node.domain;
    copy.op = node.op;
    copy.name = node.name;
    copy.attrs = node.attrs;
    for (const ir::ValueId id : node.inputs) copy.inputs.push_back(outer(id));
    for (const ir::ValueId id : node.outputs) copy.outputs.push_back(outer(id));
    for (const ir::Subgraph& nested : node.subgraphs) {
      ir::Subgraph moved{nested.name, nested.graph->clone(), {}};
      for (const ir::ValueId id : nested.captures) moved.captures.push_back(outer(id));
      copy.subgraphs.push_back(std::move(moved));
    }
    graph.add_node(std::move(copy));
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i] == ir::kNoValue) continue;
    const ir::ValueId made = outer(inner.outputs()[i]);
    const std::string name = graph.value(outputs[i]).name;
    graph.replace_uses(outputs[i], made);
    if (graph.value(made).producer == ir::kNoNode) continue;
    // The value goes on under the If's name, by which the rest of the model knows it.
    graph.rename(outputs[i], cat(name, "#if"));
    graph.rename(made, name);
  }
  return {};
}

}  // namespace

Result<int> inline_if(const op::Registry& registry, ir::Graph& graph) {
  int count = 0;
  for (bool again = true; again;) {
    again = false;
    for (size_t n = 0; n < graph.nodes().size(); ++n) {
      if (!is_decided(graph, graph.nodes()[n])) continue;
      SLUICE_TRY(splice(graph, n));
      std::vector<bool> dead(graph.nodes().size(), false);
      dead[n] = true;
      if (!graph.normalize(dead)) return internal_error("Inlining an If made a cycle");
      ++count;
      again = true;
      break;
    }
  }
  if (count == 0) return 0;
  eliminate_dead(graph);
  // What the If had left open is known now.
  for (const ir::Node& node : graph.nodes()) {
    for (const ir::ValueId id : node.outputs) {
      if (id == ir::kNoValue) continue;
      Type& type = graph.value(id).type;
      if (!type.is_tensor() || !type.dims) continue;
      for (const Dim& dim : *type.dims) {
        if (dim.is_unknown()) {
          type.dims.reset();
          break;
        }
      }
    }
  }
  SLUICE_TRY(op::infer_graph(registry, graph));
  return count;
}

}  // namespace sluice::passes
