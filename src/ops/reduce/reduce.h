// ops/reduce: reductions over a set of axes, ArgMax and ArgMin over one, and running sums and
// products along one.
//   Reduce*: axes come as input 1; absent or empty means all of them, or none when
//   noop_with_empty_axes is set (then the elementwise part still applies: ReduceSumSquare squares).
//   keepdims (default 1) leaves extents of 1. Floats accumulate in double; integer sums and
//   products wrap, and ReduceMean truncates. Over an empty set: Sum, SumSquare, L1, L2 give 0, Prod
//   1, LogSum and LogSumExp -infinity, Mean NaN (integers 0), Max and Min the dtype's lowest and
//   highest value (infinities for floats).
//   ArgMax, ArgMin: int64 index of the first extreme (the last with select_last_index). NaN counts
//   as the extreme. An empty axis is an error.
//   CumSum, CumProd: `axis` is a scalar input; exclusive leaves the own element out, reverse runs
//   from the end.
#pragma once

#include "plan/kernel.h"

namespace sluice::ops::reduce {

// clang-format off: one list, which the formatter would indent further every time
#define SLUICE_REDUCE_KERNELS(X) \
  X(reduce_sum) X(reduce_mean) X(reduce_max) X(reduce_min) X(reduce_prod) X(reduce_l1) \
  X(reduce_l2) X(reduce_log_sum) X(reduce_log_sum_exp) X(reduce_sum_square) X(arg_max) \
  X(arg_min) X(cum_sum) X(cum_prod)
// clang-format on

#define SLUICE_DECLARE(name) Result<void> name##_reference(plan::KernelContext& context);
SLUICE_REDUCE_KERNELS(SLUICE_DECLARE)
#undef SLUICE_DECLARE

}  // namespace sluice::ops::reduce
