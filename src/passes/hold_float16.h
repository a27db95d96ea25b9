// Weights that stay float16 in memory while the graph computes in float32: a Cast of a float16
// constant that convolutions alone read as their weight is not folded, and becomes, once all passes
// have run, a constant of the type float32 that holds float16. Kernels that can pack that as it is
// take half the memory for it; for others, whoever runs the plan widens it.
#pragma once

#include <vector>

#include "base/result.h"
#include "ir/graph.h"

namespace sluice::passes {

using Readers = std::vector<std::vector<ir::NodeId>>;  // ir::Graph::uses()

// Whether the constant is float16 and large enough to be worth it, and all readers of `id` (the
// constant itself, or its Cast) are convolutions, whose weight it is.
bool holds_float16(const ir::Graph& graph, ir::ValueId constant, const Readers& readers,
                   ir::ValueId id);

// Whether `node` is the Cast of such a constant to float32.
bool is_held_cast(const ir::Graph& graph, const ir::Node& node, const Readers& readers);

// The last of the passes. Returns how many weights are held.
Result<int> hold_float16(ir::Graph& graph);

}  // namespace sluice::passes
