// ops/unary: one element in, one element out: y[i] = f(x[i]), shape kept. Formulas and dtypes are
// those of the ONNX operator of the same name at opset 28; parameters are its attributes.
//   Floats are computed in double and rounded once. Integers (Abs, Neg, Sign, Relu, Clip, PRelu,
//   Shrink, BitwiseNot) are exact and wrap as two's complement: Abs and Neg of the lowest value
//   give the lowest value. NaN goes through every formula, Relu and Clip included.
// Also here, because they are the same loop: Clip (scalar bounds), PRelu (slope broadcast to x),
// SwiGLU (gate and value of equal shape) and Microsoft's Gelu forms with an optional 1-D bias.
#pragma once

#include "plan/kernel.h"

namespace sluice::ops::unary {

// Reference kernels, one per operator; ImageScaler and the forms with several inputs have their
// own.
// clang-format off: one list, which the formatter would indent further every time
#define SLUICE_UNARY_KERNELS(X) \
  X(abs) X(neg) X(ceil) X(floor) X(round) X(sign) X(sqrt) X(reciprocal) X(exp) X(log) X(sin) \
  X(cos) X(tan) X(asin) X(acos) X(atan) X(sinh) X(cosh) X(tanh) X(asinh) X(acosh) X(atanh) \
  X(erf) X(sigmoid) X(relu) X(leaky_relu) X(elu) X(celu) X(selu) X(softplus) X(softsign) \
  X(hard_sigmoid) X(hard_swish) X(thresholded_relu) X(shrink) X(mish) X(gelu) X(swish) \
  X(quick_gelu) X(bias_gelu) X(fast_gelu) X(bias_add) X(bias_split_gelu) X(logical_not) \
  X(bitwise_not) X(is_nan) X(is_inf) X(identity) X(clip) X(prelu) X(swiglu) X(affine) \
  X(scaled_tanh) X(parametric_softplus) X(image_scaler)
// clang-format on

#define SLUICE_DECLARE(name) Result<void> name##_reference(plan::KernelContext& context);
SLUICE_UNARY_KERNELS(SLUICE_DECLARE)
#undef SLUICE_DECLARE

}  // namespace sluice::ops::unary
