// 3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3): a quarter of the products. The kernels of
// two CPU candidates, which stand before the direct kernel and refuse where that is faster.
#pragma once

#include <string>

#include "op/op.h"

namespace sluice::ops::conv {

Result<void> conv_winograd(plan::KernelContext& context);        // Conv
Result<void> fused_conv_winograd(plan::KernelContext& context);  // sluice.FusedConv
Result<Tensor> prepare_winograd(const AttrMap& attrs, std::span<const Value> inputs);
std::string refuse_winograd(const op::NodeView& node);

}  // namespace sluice::ops::conv
