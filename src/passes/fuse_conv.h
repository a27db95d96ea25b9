// Folds what follows a convolution into it: BatchNormalization with constant parameters into the
// weights and bias; a residual Add and an activation into the operator sluice.FusedConv (contract
// in ops/conv/conv.h). Only where the convolution's own output has no other reader.
#pragma once

#include "base/result.h"
#include "ir/graph.h"

namespace sluice::passes {

// Conv -> BatchNormalization. Computed in double, rounded once to the weights' dtype.
Result<int> fold_batch_normalization(ir::Graph& graph);

// Conv [-> Add] [-> Relu | Clip | Sigmoid | Tanh | LeakyRelu | HardSwish | HardSigmoid].
int fuse_conv(ir::Graph& graph);

// DynamicQuantizeLinear -> ConvInteger -> Cast -> Mul by both scales [-> Add of a bias] [->
// activation], which becomes sluice.DynamicQuantizedConv: the same without the five arrays in
// between.
int fuse_dynamic_quantized_conv(ir::Graph& graph);

}  // namespace sluice::passes
