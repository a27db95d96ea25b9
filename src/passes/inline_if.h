// Puts the taken branch of an If whose condition is constant in the If's place, so that its nodes
// are optimised, placed and observed like any others. Types behind it are inferred anew.
#pragma once

#include "base/result.h"
#include "ir/graph.h"
#include "op/op.h"

namespace sluice::passes {

// How many were inlined, nested ones included.
Result<int> inline_if(const op::Registry& registry, ir::Graph& graph);

}  // namespace sluice::passes
