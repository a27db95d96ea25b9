// ops/loss: NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss.
//   input [N, C, d1 ... dk], target [N, d1 ... dk] of class numbers in 0..C-1 (or ignore_index,
//   which counts as weight 0), weight [C] (absent: ones). With w = weight[target],
//     loss = -w * input[target]    (SoftmaxCrossEntropyLoss: of the log-softmax over C)
//   reduction "none" gives every loss, "sum" their sum, "mean" the sum divided by the sum of w.
//   Sums run in double. A target outside the range is an error. SoftmaxCrossEntropyLoss also gives
//   the log-softmax as output 1 when asked.
#pragma once

#include "plan/kernel.h"

namespace sluice::ops::loss {

Result<void> negative_log_likelihood_reference(plan::KernelContext& context);
Result<void> softmax_cross_entropy_reference(plan::KernelContext& context);

}  // namespace sluice::ops::loss
