// The reference kernels of the resize family, shared between the operator table and their
// definition.
#pragma once

#include "plan/kernel.h"

namespace sluice::ops::resize {

Result<void> resize_reference(plan::KernelContext& context);
Result<void> grid_sample_reference(plan::KernelContext& context);
Result<void> affine_grid_reference(plan::KernelContext& context);
Result<void> crop_and_resize_reference(plan::KernelContext& context);
Result<void> center_crop_pad_reference(plan::KernelContext& context);
Result<void> col2im_reference(plan::KernelContext& context);
Result<void> depth_to_space_reference(plan::KernelContext& context);
Result<void> space_to_depth_reference(plan::KernelContext& context);

}  // namespace sluice::ops::resize
