// Moves Transpose nodes down through operators that work in any layout (elementwise, Concat, Split,
// Pad, Slice, reductions, softmax, quantization) until they meet their inverse and vanish, merge
// with another, or reach an operator that needs their layout. A TFLite CNN, imported as islands of
// NCHW between Transposes, so becomes NCHW throughout.
//
// Every value keeps its name and meaning: what was computed in the old layout is now a Transpose of
// the new value, which eliminate_dead drops where nobody reads it. Exact: no arithmetic changes.
#pragma once

#include "ir/graph.h"

namespace sluice::passes {

// Returns how many nodes it changed. Main graph only.
int eliminate_transpose(ir::Graph& graph);

// A Transpose that moves only axes of extent 1 becomes a Reshape, which moves no bytes. Returns how
// many.
int reshape_for_transpose(ir::Graph& graph);

}  // namespace sluice::passes
