// ops/training: one optimizer step for several tensors at once (domain ai.onnx.preview.training,
// version 1). Inputs: learning rate R, update count T, then the tensors X1 .. Xn, their gradients
// G1 .. Gn and each kind of state; outputs: the new X1 .. Xn and the new states. With
// g = norm_coefficient * X + G:
//   Adagrad   H' = H + g^2;  X' = X - R / (1 + T * decay_factor) * g / (sqrt(H') + epsilon)
//   Adam      V' = alpha V + (1 - alpha) g;  H' = beta H + (1 - beta) g^2;
//             X' = (1 - norm_coefficient_post) (X - r V' / (sqrt(H') + epsilon)), where
//             r = T > 0 ? R sqrt(1 - beta^T) / (1 - alpha^T) : R
//   Momentum  V' = alpha V + (T > 0 ? beta : 1) g;  X' = X - R V', or in mode "nesterov"
//             X' = X - R (g + alpha V')
// The operator Gradient of the same domain needs differentiation of the graph and is refused.
#pragma once

#include "plan/kernel.h"

namespace sluice::ops::training {

Result<void> adagrad_reference(plan::KernelContext& context);
Result<void> adam_reference(plan::KernelContext& context);
Result<void> momentum_reference(plan::KernelContext& context);

}  // namespace sluice::ops::training
