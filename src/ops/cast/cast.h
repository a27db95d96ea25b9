// ops/cast: Cast, CastLike and BitCast.
//   Every conversion rounds once, to nearest even, from the exact value (an int64 above 2^53 into
//   bfloat16 included). Float to integer truncates towards zero; what does not fit wraps. Integer
//   to narrower integer drops high bits. Anything but 0 is true. `saturate` (default on) clamps to
//   the largest finite float8; off gives infinity or NaN. `round_mode` (up, down, nearest) is for
//   float8e8m0. Strings are read as decimal numbers, INF and NaN in any case; a string that is no
//   number is an error. Numbers are written in the shortest decimal form that reads back the same.
//   Complex types don't convert.
// BitCast reinterprets the bits under a dtype of equal width.
#pragma once

#include "plan/kernel.h"

namespace sluice::ops::cast {

Result<void> cast_reference(plan::KernelContext& context);
Result<void> cast_like_reference(plan::KernelContext& context);
Result<void> bit_cast_reference(plan::KernelContext& context);

}  // namespace sluice::ops::cast
