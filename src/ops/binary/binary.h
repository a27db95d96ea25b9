// ops/binary: element by element over operands that broadcast together by numpy's rule.
//   Floats are computed in double and rounded once. Integers wrap as two's complement; Div
//   truncates towards zero and Mod takes the divisor's sign (Python) or, with fmod = 1, the
//   dividend's (C). An integer divisor of zero is an error; lowest / -1 wraps to lowest. Pow has
//   the dtype of its base and, for an integer base, an exact integer result. A shift by the width
//   or more gives zero. NaN goes through Max, Min, Sum and Mean; comparisons with NaN are false.
// Where picks whole elements of any dtype. Inference carries the contents of small integer tensors
// through arithmetic, comparisons and Where, since exporters compute shapes with them.
#pragma once

#include "plan/kernel.h"

namespace sluice::ops::binary {

// clang-format off: one list, which the formatter would indent further every time
#define SLUICE_BINARY_KERNELS(X) \
  X(add) X(sub) X(mul) X(div) X(pow) X(mod) X(max) X(min) X(sum) X(mean) X(logical_and) \
  X(logical_or) X(logical_xor) X(equal) X(less) X(less_or_equal) X(greater) \
  X(greater_or_equal) X(bit_shift) X(bitwise_and) X(bitwise_or) X(bitwise_xor) X(where)
// clang-format on

#define SLUICE_DECLARE(name) Result<void> name##_reference(plan::KernelContext& context);
SLUICE_BINARY_KERNELS(SLUICE_DECLARE)
#undef SLUICE_DECLARE

}  // namespace sluice::ops::binary
