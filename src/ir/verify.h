// verify: the executable form of Graph's invariants. Run after import and, in tests, between
// passes.
#pragma once

#include "base/result.h"
#include "ir/graph.h"

namespace sluice::ir {

// The first broken invariant as an internal error naming the node or value.
Result<void> verify(const Graph& graph);

}  // namespace sluice::ir
