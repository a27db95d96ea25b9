// The reference kernels of the norm family, shared between the operator table and their definition.
#pragma once

#include "plan/kernel.h"

namespace sluice::ops::norm {

Result<void> batch_norm_reference(plan::KernelContext& context);
Result<void> instance_norm_reference(plan::KernelContext& context);
Result<void> group_norm_reference(plan::KernelContext& context);
Result<void> layer_norm_reference(plan::KernelContext& context);
Result<void> rms_norm_reference(plan::KernelContext& context);
Result<void> simplified_layer_norm_reference(plan::KernelContext& context);
Result<void> mean_variance_norm_reference(plan::KernelContext& context);
Result<void> lp_norm_reference(plan::KernelContext& context);
Result<void> lrn_reference(plan::KernelContext& context);
Result<void> dropout_reference(plan::KernelContext& context);
Result<void> skip_layer_norm_reference(plan::KernelContext& context);
Result<void> skip_simplified_layer_norm_reference(plan::KernelContext& context);
Result<void> embed_layer_norm_reference(plan::KernelContext& context);
Result<void> contrib_group_norm_reference(plan::KernelContext& context);
Result<void> skip_group_norm_reference(plan::KernelContext& context);

}  // namespace sluice::ops::norm
