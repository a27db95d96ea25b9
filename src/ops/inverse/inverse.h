// Inverse of square matrices (com.microsoft.Inverse): Y[..., :, :] = X[..., :, :]^-1.
// X and Y: [..., N, N], float16, float32, float64 or bfloat16; leading extents are a batch.
// Gauss-Jordan elimination with partial pivoting in double, rounded once to the dtype (Golub and
// Van Loan, Matrix Computations, section 3.4). A singular matrix is an error that names it; an
// empty one (N = 0) gives an empty result.
#pragma once

#include "base/result.h"
#include "plan/kernel.h"

namespace sluice::ops::inverse {

Result<void> inverse_reference(plan::KernelContext& context);

}  // namespace sluice::ops::inverse
