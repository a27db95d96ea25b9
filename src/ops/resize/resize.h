// Images at another size, sampled elsewhere, cropped, padded, or with blocks moved between depth
// and space.
//
// Resize is separable: each axis has, for every output position, a few input positions ("taps")
// with weights. resize_sizes says how large the output is, resize_axis makes the table of one axis;
// a kernel applies the tables one axis after another (nearest: all at once, one tap each). Upsample
// and the Resize of older opsets are upgraded to this form.
//
//   half_pixel            x = (o + 0.5) / scale - 0.5
//   half_pixel_symmetric  the same, about the centre of the unrounded output
//   pytorch_half_pixel    the same, and -0.5 when the output has one element
//   align_corners         x = o * (in - 1) / (in * scale - 1)
//   asymmetric            x = o / scale
//   tf_half_pixel_for_nn  x = (o + 0.5) / scale                          (opset 11 and 12 only)
//   tf_crop_and_resize    x runs through [roi_start, roi_end] * (in - 1); outside the input the
//                         result is extrapolation_value
//
// Taps beyond the input repeat its edge, or are left out and the weights rescaled
// (exclude_outside). `antialias` widens the filter by 1 / scale when shrinking. Integer results are
// rounded to nearest even and saturate. Coordinates are float32 in nearest mode, so that an inexact
// scale such as 1/3 still lands on the pixel meant, and double otherwise.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "tensor/attributes.h"
#include "tensor/shape.h"

namespace sluice::ops::resize {

enum class Interpolation : uint8_t { kNearest, kLinear, kCubic };

struct ResizeAttrs {
  Interpolation mode = Interpolation::kNearest;
  std::string coordinates = "half_pixel";
  std::string nearest_mode = "round_prefer_floor";
  std::string policy = "stretch";
  double cubic_a = -0.75;
  double extrapolation = 0;
  bool exclude_outside = false;
  bool antialias = false;
};
Result<ResizeAttrs> read_resize_attrs(const AttrMap& attrs);

// One axis before its table is made.
struct ResizeExtent {
  int64_t in = 0, out = 0;
  double scale = 1;  // not always out / in: `scales` are taken as given
  double roi_start = 0, roi_end = 1;
};
// `roi`, `scales` and `sizes` are the operands' contents, empty when absent; one of the last two
// must be there. One entry per axis of x.
Result<std::vector<ResizeExtent>> resize_sizes(const AttrMap& attrs, const Shape& x,
                                               std::span<const double> roi,
                                               std::span<const double> scales,
                                               std::span<const int64_t> sizes);
Shape resize_output_shape(std::span<const ResizeExtent> axes);

struct ResizeAxis {
  int64_t in = 0, out = 0;
  int64_t taps = 0;             // per output position
  bool identity = false;        // nothing changes along this axis; the tables are empty
  std::vector<int64_t> index;   // out x taps, each in [0, in)
  std::vector<double> weight;   // out x taps; they sum to 1
  std::vector<uint8_t> beyond;  // out, or empty: 1 where the result is extrapolation_value
};
Result<ResizeAxis> resize_axis(const ResizeAttrs& attrs, const ResizeExtent& extent);

// GridSample: the pixels and weights that one place of the grid asks for. `place` holds normalized
// coordinates, innermost axis first; `spatial` are the image's extents, outermost first.
struct GridTap {
  int64_t offset;  // element within a channel
  double weight;
};
enum class GridPadding : uint8_t { kZeros, kBorder, kReflection };
struct GridSampling {
  Interpolation mode = Interpolation::kLinear;
  GridPadding padding = GridPadding::kZeros;
  bool align_corners = false;
};
Result<GridSampling> read_grid_sampling(const AttrMap& attrs);
void grid_taps(const GridSampling& sampling, const Shape& spatial, std::span<const double> place,
               std::vector<GridTap>& taps);

}  // namespace sluice::ops::resize
