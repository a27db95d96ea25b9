// Removes nodes that hand their first input on unchanged: Identity, Cast to the dtype it already
// has, inference-time Dropout, Transpose and Reshape that change nothing, Q(DQ(x)) with equal
// parameters (exact: the rounding error of (q - z) * s / s stays below one half).
#pragma once

#include "ir/graph.h"

namespace sluice::passes {

// Returns how many nodes went.
int eliminate_identity(ir::Graph& graph);

// A Cast that only gives a graph output its name (to the dtype it already has) becomes Identity, a
// view: no step copies the elements. Returns how many.
int name_outputs_by_identity(ir::Graph& graph);

}  // namespace sluice::passes
