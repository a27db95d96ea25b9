// The reference kernels of the conv family, shared between the operator table and their definition.
#pragma once

#include "plan/kernel.h"

namespace sluice::ops::conv {

Result<void> conv_reference(plan::KernelContext& context);          // Conv
Result<void> fused_conv_reference(plan::KernelContext& context);    // com.microsoft.FusedConv
Result<void> conv_integer_reference(plan::KernelContext& context);  // ConvInteger
Result<void> qlinear_conv_reference(plan::KernelContext& context);  // QLinearConv
Result<void> dynamic_quantized_conv_reference(plan::KernelContext& context);
Result<void> conv_transpose_reference(plan::KernelContext& context);  // ConvTranspose
Result<void> deform_conv_reference(plan::KernelContext& context);     // DeformConv
Result<void> causal_conv_reference(plan::KernelContext& context);     // CausalConvWithState

}  // namespace sluice::ops::conv
