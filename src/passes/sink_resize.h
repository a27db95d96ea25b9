// Moves an enlarging Resize behind the 1x1 convolution that alone reads it: both are linear, one
// over places and the other over channels, so they commute, and the convolution then runs on the
// smaller picture. Equal up to rounding, for which reason the graph that the reference interprets
// keeps the model's order.
//
//   Conv(Resize(x), w, b)  ->  Resize(Conv(x, w, b))
//
// The result keeps its name; the enlarged input is no longer made.
#pragma once

#include "ir/graph.h"

namespace sluice::passes {

// Linear Resize over the last two of four axes, whose weights sum to 1 everywhere; main graph only.
// Returns how many it moved.
int sink_resize(ir::Graph& graph);

}  // namespace sluice::passes
