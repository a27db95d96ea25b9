#include "passes/fix_inputs.h"

#include <algorithm>
#include <map>

#include "base/text.h"

namespace sluice::passes {

namespace {

using Substitution = std::map<std::string, Dim, std::less<>>;

void substitute(ir::Graph& graph, const Substitution& numbers) {
  for (size_t v = 0; v < graph.value_count(); ++v) {
    ir::ValueInfo& info = graph.value(static_cast<ir::ValueId>(v));
    if (info.type.dims) {
      for (Dim& dim : *info.type.dims) dim = dim.substitute(numbers);
    }
    if (info.known_ints) {
      for (Dim& value : *info.known_ints) value = value.substitute(numbers);
    }
  }
  for (ir::Node& node : graph.nodes()) {
    for (ir::Subgraph& sub : node.subgraphs) substitute(*sub.graph, numbers);
  }
}

}  // namespace

Result<void> fix_inputs(const op::Registry& registry, ir::Graph& graph,
                        std::span<const Value> feeds, const std::set<std::string>& constants,
                        bool fix_shapes) {
  const std::vector<ir::ValueId> inputs = graph.inputs();
  if (feeds.size() != inputs.size()) {
    return internal_error(cat(feeds.size(), " inputs are given (", inputs.size(), ")"));
  }
  if (fix_shapes) {
    Substitution numbers;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Type& type = graph.type(inputs[i]);
      if (!feeds[i].is_tensor() || !type.dims) continue;
      const Shape& shape = feeds[i].tensor().shape();
      for (size_t d = 0; d < type.dims->size() && static_cast<int>(d) < shape.rank(); ++d) {
        const Dim& dim = (*type.dims)[d];
        if (dim.is_symbolic()) numbers.emplace(dim.text(), Dim(shape[static_cast<int>(d)]));
      }
    }
    substitute(graph, numbers);
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!feeds[i].is_tensor()) continue;
      graph.value(inputs[i]).type =
          Type::tensor(feeds[i].tensor().dtype(), to_dims(feeds[i].tensor().shape()));
    }
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!feeds[i].is_tensor() || !constants.contains(graph.value(inputs[i]).name)) continue;
    SLUICE_ASSIGN(Tensor copy, feeds[i].tensor().clone());
    graph.make_constant(inputs[i], std::move(copy));
    std::erase(graph.inputs(), inputs[i]);
  }
  return op::infer_graph(registry, graph);
}

}  // namespace sluice::passes
