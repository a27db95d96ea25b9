// TestGraph: a graph that a test builds node by node, types inferred. Whatever fails, aborts.
#pragma once

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "op/case.h"
#include "op/interpreter.h"
#include "ops/registry.h"

namespace sluice::ops {

struct TestGraph {
  ir::Graph graph;

  std::vector<ir::ValueId> emit_all(std::string_view op, std::vector<ir::ValueId> inputs,
                                    int outputs, AttrMap attrs = {}, std::string_view domain = "") {
    const ir::NodeId id = graph.add_node(op, std::move(inputs), outputs, std::move(attrs), domain);
    SLUICE_CHECK(op::infer_node(registry(), graph, id).ok());
    return graph.node(id).outputs;
  }
  ir::ValueId emit(std::string_view op, std::vector<ir::ValueId> inputs, AttrMap attrs = {},
                   std::string_view domain = "") {
    return emit_all(op, std::move(inputs), 1, std::move(attrs), domain)[0];
  }
  ir::ValueId ints(const std::vector<int64_t>& values) {
    const Shape shape{static_cast<int64_t>(values.size())};
    return graph.add_constant("ints", Tensor::of<int64_t>(shape, std::span(values)));
  }
  int count(std::string_view op) const {
    return static_cast<int>(std::ranges::count(graph.nodes(), op, &ir::Node::op));
  }
  // The first output.
  Tensor reference(const std::vector<Value>& inputs) const {
    const auto outputs = op::interpret(registry(), graph, inputs);
    SLUICE_CHECK(outputs.ok());
    return (*outputs)[0].tensor();
  }
};

}  // namespace sluice::ops
