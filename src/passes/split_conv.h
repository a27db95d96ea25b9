// Cuts a convolution of a Concat along the channels in two, of which the second adds to what the
// first has made. The first runs before the last part is made, and the whole is never there:
//
//   Conv(Concat(a, b), w, bias)  ->  FusedConv(b, w_b, bias, Conv(a, w_a))
//
// Equal up to rounding. It costs one more way of the result through memory, so it is for the
// convolutions where most memory is in use (compile/spare_memory).
#pragma once

#include "base/result.h"
#include "ir/graph.h"

namespace sluice::passes {

// Whether `node` is a Conv or FusedConv of float32 that can be cut: one group, no residual, a
// constant weight, alone in reading a Concat of known channels whose last part is made after the
// others.
bool can_split_conv(const ir::Graph& graph, ir::NodeId node);

// Of a node that can_split_conv. Nodes and producers are numbered anew.
Result<void> split_conv(ir::Graph& graph, ir::NodeId node);

}  // namespace sluice::passes
