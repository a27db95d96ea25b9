// Depthwise convolutions by 3x3 and 5x5 windows, in float32: each channel alone, straight from a
// padded copy of its rows. The kernels of two CPU candidates, which stand before those of dense
// convolutions.
#pragma once

#include <string>

#include "op/op.h"

namespace sluice::ops::conv {

Result<void> conv_depthwise(plan::KernelContext& context);        // Conv
Result<void> fused_conv_depthwise(plan::KernelContext& context);  // sluice.FusedConv
std::string refuse_depthwise(const op::NodeView& node);

}  // namespace sluice::ops::conv
