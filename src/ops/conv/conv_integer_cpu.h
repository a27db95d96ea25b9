// Convolutions of 8-bit integers on dot products of bytes (simd/dot_i8.h): exact, whatever the
// instruction set. ConvInteger, QLinearConv, and DynamicQuantizedConv, which quantizes its input
// itself and gives float32.
#pragma once

#include <string>

#include "op/op.h"

namespace sluice::ops::conv {

Result<void> conv_integer_dot(plan::KernelContext& context);
Result<Tensor> prepare_conv_integer(const AttrMap& attrs, std::span<const Value> inputs);
std::string refuse_conv_integer_dot(const op::NodeView& node);

Result<void> qlinear_conv_dot(plan::KernelContext& context);
Result<Tensor> prepare_qlinear_conv(const AttrMap& attrs, std::span<const Value> inputs);
std::string refuse_qlinear_conv(const op::NodeView& node);

Result<void> dynamic_quantized_conv_dot(plan::KernelContext& context);
std::string refuse_dynamic_quantized_conv(const op::NodeView& node);

}  // namespace sluice::ops::conv
