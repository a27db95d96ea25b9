// Depthwise convolution of one channel: a plane of outputs from a padded plane of inputs, by 3x3 or
// 5x5 windows of stride 1 or 2. Sums of several rows are held in registers, so that a row of inputs
// is read once for all of them.
#pragma once

#include <cstdint>

namespace sluice::simd {

// Rows of the input are made by depthwise_fill: columns, padding included, split by their remainder
// modulo the stride into phases of `phase` floats.
struct DepthwisePlane {
  int kernel = 3;  // 3 or 5
  int stride = 1;  // 1 or 2
  const float* in = nullptr;
  int64_t in_row = 0;  // floats between rows; kDepthwiseSlack more are read behind the last
  int64_t phase = 0;
  const float* weights = nullptr;  // kernel x kernel
  float bias = 0;
  const float* residual = nullptr;  // laid out like out, which it may not be; or null
  float low = 0, high = 0;          // the sum is kept between them; NaN stays
  float* out = nullptr;
  int64_t out_row = 0, rows = 0, width = 0;
};
void depthwise(const DepthwisePlane& plane);

inline constexpr int64_t kDepthwiseSlack = 16;

// Floats of a phase for `width` outputs, and of a row.
inline int64_t depthwise_phase(int kernel, int stride, int64_t width) {
  return stride == 1 ? width + kernel - 1 : (width + (kernel - 1) / 2 + 15) / 16 * 16;
}
inline int64_t depthwise_row_floats(int kernel, int stride, int64_t width) {
  return stride * depthwise_phase(kernel, stride, width);
}

// Fills the inside of `rows` rows of inputs for `width` outputs, the first of which reads from
// column -pad on: columns [0, in_width) of `in`, as many as the outputs read. What lies outside
// stays as it is, for the caller to have made zero.
struct DepthwiseFill {
  int kernel = 3, stride = 1;
  const float* in = nullptr;
  int64_t in_width = 0, pad = 0, rows = 0, width = 0;
  float* out = nullptr;  // rows of depthwise_row_floats
};
void depthwise_fill(const DepthwiseFill& fill);

}  // namespace sluice::simd
