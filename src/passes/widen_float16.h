// Computes a float16 model in float32, for backends without float16 arithmetic: weights are
// widened, casts to float16 inside become casts to float32, and the graph's own inputs and outputs
// keep their types through casts at the border. Values may differ from a float16 run in that they
// are rounded less often.
#pragma once

#include "base/result.h"
#include "ir/graph.h"
#include "op/op.h"

namespace sluice::passes {

// True for models in which float16 is the form of the weights of Conv, ConvTranspose, Gemm or
// MatMul nodes, where the widening pays.
bool has_float16_weights(const ir::Graph& graph);

// Main graph only: a graph whose subgraphs touch float16 is left as it is. `hold`: weights as
// hold_float16.h has them stay constants of float16, with a Cast behind. Returns whether it ran.
Result<bool> widen_float16(const op::Registry& registry, ir::Graph& graph, bool hold = false);

}  // namespace sluice::passes
