// Removes nodes none of whose outputs is read, and forgets outputs that nobody reads of those that
// stay.
#pragma once

#include "ir/graph.h"

namespace sluice::passes {

// Returns how many nodes went.
int eliminate_dead(ir::Graph& graph);

}  // namespace sluice::passes
