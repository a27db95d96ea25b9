// Linear quantization arithmetic: real = scale * (q - zero_point). What the quantizing operators,
// the integer products and convolutions have in common. Rounding is to the nearest, ties to even,
// and results saturate at the bounds of the integer type.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/tensor.h"

namespace sluice::op {

// round(scaled) + zero_point, saturated to `dtype` (an integer type). NaN gives the zero point.
int64_t quantize_to(DType dtype, double scaled, int64_t zero_point);

// Scale and zero point of DynamicQuantizeLinear: uint8 over a range that contains 0. All zeros (and
// an empty tensor) give the scale 1.
struct DynamicScale {
  float scale = 1;
  int64_t zero_point = 0;
};
DynamicScale dynamic_scale(std::span<const double> values);

// Where the scale or zero point that belongs to an element of a tensor stands: a tensor of shape
// `parameter` is either one element, or a vector along `axis` of the shape `of`, or broadcasts to
// `of` by numpy's rule. The result are strides to be used with indices of `of`.
Result<Shape> parameter_strides(const Shape& parameter, const Shape& of, int axis);

}  // namespace sluice::op
