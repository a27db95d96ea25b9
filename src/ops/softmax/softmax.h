// ops/softmax: Softmax, LogSoftmax and Hardmax along `axis` (default -1), shape and dtype kept,
// floats only.
//   Softmax     y = e^(x - max) / sum e^(x - max)
//   LogSoftmax  y = (x - max) - ln sum e^(x - max)
//   Hardmax     1 at the first maximum, else 0
// max and sums run over the axis, in double. A row that is all -infinity, or holds NaN or
// +infinity, gives NaN (Softmax and LogSoftmax). An empty axis gives an empty output.
// Before opset 13 the input was seen as 2-D, [dims before axis, dims from axis on], with axis 1 by
// default; the upgrade writes that as Flatten, the operator, and Reshape.
#pragma once

#include "plan/kernel.h"

namespace sluice::ops::softmax {

Result<void> softmax_reference(plan::KernelContext& context);
Result<void> log_softmax_reference(plan::KernelContext& context);
Result<void> hardmax_reference(plan::KernelContext& context);

}  // namespace sluice::ops::softmax
