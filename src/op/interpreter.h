// The whole-graph reference interpreter: runs a Graph node by node with the operators' reference
// kernels, one thread, nothing fused. It is the truth that every executor is compared with, and
// what constant folding and `--backend reference` run on.
#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "op/op.h"
#include "tensor/value.h"

namespace sluice::op {

struct InterpretOptions {
  // Sees every value of the main graph as it is made, with its id.
  std::function<Result<void>(ir::ValueId, const Value&)> observe = {};
  // Sees every value made inside the branch that an If takes, by its name there. (What a Loop or a
  // Scan makes in its body has as many values as rounds, and is not seen.)
  std::function<Result<void>(std::string_view, const Value&)> observe_branch = {};
};

// `inputs` stand in the order of graph.inputs(); the result in that of graph.outputs().
Result<std::vector<Value>> interpret(const Registry& registry, const ir::Graph& graph,
                                     std::span<const Value> inputs,
                                     const InterpretOptions& options = {});

// Runs one node on given inputs (absent ones as none). `graph` owns the node.
Result<std::vector<Value>> run_node(const Registry& registry, const ir::Graph& graph,
                                    const ir::Node& node, std::span<const Value> inputs,
                                    const std::function<Value(ir::ValueId)>& capture,
                                    const InterpretOptions& options = {});

}  // namespace sluice::op
