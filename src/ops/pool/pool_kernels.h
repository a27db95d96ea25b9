// The reference kernels of the pool family, shared between the operator table and their definition.
#pragma once

#include "plan/kernel.h"

namespace sluice::ops::pool {

Result<void> max_pool_reference(plan::KernelContext& context);
Result<void> average_pool_reference(plan::KernelContext& context);
Result<void> lp_pool_reference(plan::KernelContext& context);
Result<void> global_max_pool_reference(plan::KernelContext& context);
Result<void> global_average_pool_reference(plan::KernelContext& context);
Result<void> global_lp_pool_reference(plan::KernelContext& context);
Result<void> qlinear_average_pool_reference(plan::KernelContext& context);
Result<void> qlinear_global_average_pool_reference(plan::KernelContext& context);
Result<void> max_unpool_reference(plan::KernelContext& context);
Result<void> max_roi_pool_reference(plan::KernelContext& context);
Result<void> roi_align_reference(plan::KernelContext& context);

}  // namespace sluice::ops::pool
