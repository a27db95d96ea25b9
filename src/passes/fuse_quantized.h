// Statically quantized graphs (QDQ): a float operator between DequantizeLinear and QuantizeLinear
// becomes one operator on bytes. Convolutions and matrix products become QLinearConv, QLinearMatMul
// and QGemm, sums and products QLinearAdd and QLinearMul, element-wise functions of one operand a
// sluice.ByteTable; what only moves elements moves bytes, where scales and zero points agree. Only
// constant scales and zero points of one number a tensor are taken (of weights also one a channel).
#pragma once

#include "base/result.h"
#include "ir/graph.h"
#include "op/op.h"

namespace sluice::passes {

// Whether the graph has anything of that kind: then constants stay quantized until this pass has
// run (FoldOptions::keep_quantized).
bool has_quantized_operators(const ir::Graph& graph);

// How many operators now work on bytes.
Result<int> fuse_quantized(const op::Registry& registry, ir::Graph& graph);

}  // namespace sluice::passes
