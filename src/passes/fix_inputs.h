// Fixes what is open in a graph to one run's inputs: symbolic extents become the numbers of the
// given tensors, and chosen small inputs become constants. What depends on them is inferred anew.
#pragma once

#include <set>
#include <string>

#include "base/result.h"
#include "ir/graph.h"
#include "op/op.h"
#include "tensor/value.h"

namespace sluice::passes {

// `feeds[i]` belongs to graph.inputs()[i]. Inputs named in `constants` leave graph.inputs().
Result<void> fix_inputs(const op::Registry& registry, ir::Graph& graph,
                        std::span<const Value> feeds, const std::set<std::string>& constants,
                        bool fix_shapes);

}  // namespace sluice::passes
