// Geometry of a sliding window (convolutions, pooling) along its spatial axes: attributes read and
// validated once, output extents and resolved padding computed in checked arithmetic. Knows no
// operator: conv/ and pool/ build their own geometry on it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "tensor/attributes.h"
#include "tensor/dim.h"

namespace sluice::op {

enum class AutoPad : uint8_t { kNotSet, kValid, kSameUpper, kSameLower };

// One spatial axis, resolved. Window position o (0 <= o < out) and tap k (0 <= k < kernel) read the
// input at o * stride - pad_begin + k * dilation; indices outside [0, in) lie in the padding.
struct WindowAxis {
  int64_t in = 0;
  int64_t kernel = 1;
  int64_t stride = 1;
  int64_t dilation = 1;
  int64_t pad_begin = 0;  // may be negative (cropping)
  int64_t pad_end = 0;
  int64_t out = 0;

  // Input positions that the dilated window spans.
  int64_t extent() const { return (kernel - 1) * dilation + 1; }
  // Input index of tap k at window position o; outside [0, in) it is padding.
  int64_t at(int64_t o, int64_t k) const { return o * stride - pad_begin + k * dilation; }
  // Window positions [first, last) whose tap k reads inside the input.
  int64_t first_inside(int64_t k) const;
  int64_t last_inside(int64_t k) const;
};

// Attributes auto_pad, kernel_shape, strides, dilations, pads and ceil_mode with their defaults
// filled in. Every number is below 2^31 in magnitude, so that products with an extent below 2^31
// can't overflow.
struct WindowAttrs {
  AutoPad auto_pad = AutoPad::kNotSet;
  bool ceil_mode = false;
  std::vector<int64_t> kernel;     // empty when neither attribute nor weight gives it
  std::vector<int64_t> strides;    // one per axis
  std::vector<int64_t> dilations;  // one per axis
  std::vector<int64_t> pads;       // all begins, then all ends; zeros unless auto_pad is NOTSET
};

// `weight_kernel` is the kernel extents that the weight's shape gives (-1: not known; empty: the
// operator has no weight); an attribute that says otherwise is an error.
Result<WindowAttrs> read_window_attrs(const AttrMap& attrs, int spatial_rank,
                                      std::span<const int64_t> weight_kernel = {});

// Resolves one axis over an input of `in` elements.
Result<WindowAxis> resolve_window_axis(const WindowAttrs& window, int axis, int64_t in);
Result<std::vector<WindowAxis>> resolve_window(const WindowAttrs& window,
                                               std::span<const int64_t> in);

// The output extent as resolve_window_axis would compute it, for an extent that may be symbolic.
Dim window_output_dim(const WindowAttrs& window, int axis, const Dim& in);

Result<AutoPad> read_auto_pad(const AttrMap& attrs);

}  // namespace sluice::op
