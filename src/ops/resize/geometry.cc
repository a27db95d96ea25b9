// The arithmetic of resize.h: sizes, coordinates, taps and weights. No tensors.
#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"
#include "op/operand.h"
#include "ops/resize/resize.h"

namespace sluice::ops::resize {

namespace {

bool one_of(std::string_view text, std::initializer_list<std::string_view> choices) {
  return std::ranges::find(choices, text) != choices.end();
}

// Keys' cubic convolution kernel (1981) with parameter a, support [-2, 2].
double cubic_kernel(double x, double a) {
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

// Linear (tent) kernel, support [-1, 1].
double linear_kernel(double x) { return std::max(0.0, 1 - std::abs(x)); }

}  // namespace

Result<ResizeAttrs> read_resize_attrs(const AttrMap& attrs) {
  ResizeAttrs out;
  const std::string mode = attrs.string_or("mode", "nearest");
  if (mode == "nearest") {
    out.mode = Interpolation::kNearest;
  } else if (one_of(mode, {"linear", "bilinear", "trilinear"})) {
    out.mode = Interpolation::kLinear;
  } else if (mode == "cubic") {
    out.mode = Interpolation::kCubic;
  } else {
    return invalid_model(
        cat("Attribute mode is ", quoted(mode), " (must be nearest, linear or cubic)"));
  }
  out.coordinates = attrs.string_or("coordinate_transformation_mode", "half_pixel");
  if (!one_of(out.coordinates,
              {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
               "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"})) {
    return unsupported(cat("Attribute coordinate_transformation_mode is ", quoted(out.coordinates),
                           ", not known"));
  }
  out.nearest_mode = attrs.string_or("nearest_mode", "round_prefer_floor");
  if (!one_of(out.nearest_mode, {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"})) {
    return unsupported(cat("Attribute nearest_mode is ", quoted(out.nearest_mode), ", not known"));
  }
  out.policy = attrs.string_or("keep_aspect_ratio_policy", "stretch");
  if (!one_of(out.policy, {"stretch", "not_larger", "not_smaller"})) {
    return unsupported(
        cat("Attribute keep_aspect_ratio_policy is ", quoted(out.policy), ", not known"));
  }
  out.cubic_a = attrs.float_or("cubic_coeff_a", -0.75f);
  out.extrapolation = attrs.float_or("extrapolation_value", 0);
  out.exclude_outside = attrs.int_or("exclude_outside", 0) != 0;
  out.antialias = attrs.int_or("antialias", 0) != 0;
  if (out.antialias && out.mode == Interpolation::kNearest) {
    return invalid_model("Attribute antialias needs mode linear or cubic");
  }
  return out;
}

Result<std::vector<ResizeExtent>> resize_sizes(const AttrMap& attrs, const Shape& x,
                                               std::span<const double> roi,
                                               std::span<const double> scales,
                                               std::span<const int64_t> sizes) {
  SLUICE_ASSIGN(const ResizeAttrs options, read_resize_attrs(attrs));
  std::vector<ResizeExtent> out;
  for (const int64_t extent : x) out.push_back({.in = extent, .out = extent});
  std::vector<int> axes;
  for (const int64_t axis : attrs.ints_or("axes")) {
    SLUICE_ASSIGN(const int at, op::normalized_axis(axis, x.rank()));
    if (std::ranges::find(axes, at) != axes.end()) {
      return invalid_model(cat("Attribute axes names axis ", axis, " twice"));
    }
    axes.push_back(at);
  }
  if (axes.empty()) {
    for (int i = 0; i < x.rank(); ++i) axes.push_back(i);
  }
  const size_t count = axes.size();
  if (scales.empty() == sizes.empty() && count > 0) {
    return usage_error("One of scales and sizes must be given, not both");
  }
  if (!scales.empty() && scales.size() != count) {
    return usage_error(cat("There are ", scales.size(), " scales for ", count, " axes"));
  }
  if (!sizes.empty() && sizes.size() != count) {
    return usage_error(cat("There are ", sizes.size(), " sizes for ", count, " axes"));
  }
  const bool crop = options.coordinates == "tf_crop_and_resize";
  if (crop && roi.size() != 2 * count) {
    return usage_error(cat("The region has ", roi.size(), " numbers (needs ", 2 * count, ")"));
  }
  for (size_t i = 0; i < count; ++i) {
    ResizeExtent& axis = out[static_cast<size_t>(axes[i])];
    if (crop) {
      axis.roi_start = roi[i];
      axis.roi_end = roi[i + count];
    }
    if (scales.empty()) {
      if (sizes[i] < 0) return usage_error(cat("A size is ", sizes[i], " (must not be negative)"));
      axis.out = sizes[i];
      if (axis.in > 0) axis.scale = static_cast<double>(axis.out) / static_cast<double>(axis.in);
      continue;
    }
    axis.scale = scales[i];
    if (!(axis.scale > 0) || std::isinf(axis.scale)) {
      return usage_error(cat("A scale is ", axis.scale, " (must be positive and finite)"));
    }
    // In float32, so that 10 * 0.7f is 7 as it was meant. The region plays no part: the text of the
    // specification multiplies by its size, its reference and every runtime don't.
    const float extent = std::floor(static_cast<float>(axis.in) * static_cast<float>(axis.scale));
    if (!(extent >= 0 && extent < 9e15f)) {
      return usage_error(cat("Axis ", axes[i], " would have ", extent, " elements"));
    }
    axis.out = static_cast<int64_t>(extent);
  }
  if (options.policy != "stretch" && !sizes.empty()) {
    double scale = 0;
    for (size_t i = 0; i < count; ++i) {
      const double own = out[static_cast<size_t>(axes[i])].scale;
      const bool better = options.policy == "not_larger" ? own < scale : own > scale;
      if (i == 0 || better) scale = own;
    }
    for (const int at : axes) {
      ResizeExtent& axis = out[static_cast<size_t>(at)];
      axis.scale = scale;
      const double extent = std::floor(scale * static_cast<double>(axis.in) + 0.5);
      if (!(extent >= 0 && extent < 9e15)) {
        return usage_error(cat("Axis ", at, " would have ", extent, " elements"));
      }
      axis.out = static_cast<int64_t>(extent);
    }
  }
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i].in == 0 && out[i].out > 0) {
      return usage_error(cat("Axis ", i, " is empty and can't be resized to ", out[i].out));
    }
  }
  const Shape shape = resize_output_shape(out);
  if (!shape.checked_elements()) {
    return resource_error(cat("A tensor of shape ", shape.text(), " is too large to address"));
  }
  return out;
}

Shape resize_output_shape(std::span<const ResizeExtent> axes) {
  Shape out;
  for (const ResizeExtent& axis : axes) out.push_back(axis.out);
  return out;
}

namespace {

// The input coordinate of output position o, in the arithmetic of T.
template <class T>
T input_coordinate(const ResizeAttrs& attrs, const ResizeExtent& axis, int64_t o) {
  const T at = static_cast<T>(o), in = static_cast<T>(axis.in), scale = static_cast<T>(axis.scale);
  const T half = static_cast<T>(0.5);
  const T length = scale * in;  // of the output, before rounding
  if (attrs.coordinates == "align_corners") {
    return length == 1 || axis.out == 1 ? T{0} : at * (in - 1) / (length - 1);
  }
  if (attrs.coordinates == "asymmetric") return at / scale;
  if (attrs.coordinates == "tf_half_pixel_for_nn") return (at + half) / scale;
  if (attrs.coordinates == "tf_crop_and_resize") {
    const T start = static_cast<T>(axis.roi_start), end = static_cast<T>(axis.roi_end);
    if (axis.out <= 1) return half * (start + end) * (in - 1);
    return start * (in - 1) + at * (end - start) * (in - 1) / static_cast<T>(axis.out - 1);
  }
  if (attrs.coordinates == "pytorch_half_pixel" && axis.out == 1) return T{0};
  const T x = (at + half) / scale - half;
  if (attrs.coordinates == "half_pixel_symmetric") {
    return in / 2 * (1 - static_cast<T>(axis.out) / length) + x;
  }
  return x;
}

int64_t nearest(const std::string& mode, double x) {
  const double below = std::floor(x);
  if (mode == "floor") return static_cast<int64_t>(below);
  if (mode == "ceil") return static_cast<int64_t>(std::ceil(x));
  const bool up = mode == "round_prefer_ceil" ? x - below >= 0.5 : x - below > 0.5;
  return static_cast<int64_t>(below) + (up ? 1 : 0);
}

}  // namespace

Result<ResizeAxis> resize_axis(const ResizeAttrs& attrs, const ResizeExtent& extent) {
  ResizeAxis out{.in = extent.in, .out = extent.out};
  if (extent.out == 0 || extent.in == 0) return out;
  const bool crop = attrs.coordinates == "tf_crop_and_resize";
  if (extent.in == extent.out && std::abs(extent.scale - 1) < 1e-9 &&
      attrs.coordinates != "tf_half_pixel_for_nn" &&
      (!crop || (extent.roi_start == 0 && extent.roi_end == 1))) {
    out.identity = true;
    return out;
  }
  // The filter covers taps first .. first + taps - 1, counted from the input position below x.
  int64_t first = 0;
  const double shrink = attrs.antialias ? std::min(extent.scale, 1.0) : 1.0;
  if (attrs.mode == Interpolation::kNearest) {
    out.taps = 1;
  } else {
    const double support = attrs.mode == Interpolation::kLinear ? 1 : 2;
    const double reach = std::floor(-support / shrink) + 1;
    if (reach < -static_cast<double>(int64_t{1} << 31)) {
      return unsupported(
          cat("A filter would reach over ", -reach, " elements (the limit is 2^31)"));
    }
    first = static_cast<int64_t>(reach);
    out.taps = 2 - 2 * first;
  }
  const Shape table{extent.out, out.taps};
  const auto entries = table.checked_elements();
  if (!entries || *entries > (int64_t{1} << 32)) {
    return resource_error(cat("A resize of ", extent.in, " to ", extent.out, " elements needs ",
                              out.taps, " taps each, too many"));
  }
  out.index.resize(static_cast<size_t>(*entries));
  out.weight.resize(static_cast<size_t>(*entries));
  if (crop) out.beyond.resize(static_cast<size_t>(extent.out));
  const auto top = static_cast<double>(extent.in - 1);
  // Far beyond any tap, and safe to convert to an integer. NaN ends up at the low end.
  const double far = top + 4.0 * static_cast<double>(out.taps) + 4;
  for (int64_t o = 0; o < extent.out; ++o) {
    double x = attrs.mode == Interpolation::kNearest
                   ? static_cast<double>(input_coordinate<float>(attrs, extent, o))
                   : input_coordinate<double>(attrs, extent, o);
    if (crop && !(x >= 0 && x <= top)) out.beyond[static_cast<size_t>(o)] = 1;
    x = x >= -far ? std::min(x, far) : -far;
    int64_t* index = out.index.data() + o * out.taps;
    double* weight = out.weight.data() + o * out.taps;
    if (attrs.mode == Interpolation::kNearest) {
      index[0] = std::clamp<int64_t>(nearest(attrs.nearest_mode, x), 0, extent.in - 1);
      weight[0] = 1;
      continue;
    }
    // base < x <= base + 1: an integer x belongs to the interval on its left.
    const auto base = static_cast<int64_t>(std::ceil(x)) - 1;
    const double ratio = x - static_cast<double>(base);
    double sum = 0;
    for (int64_t t = 0; t < out.taps; ++t) {
      const double distance = (static_cast<double>(first + t) - ratio) * shrink;
      weight[t] = attrs.mode == Interpolation::kLinear ? linear_kernel(distance)
                                                       : cubic_kernel(distance, attrs.cubic_a);
      const int64_t at = base + first + t;
      if (attrs.exclude_outside && (at < 0 || at >= extent.in)) weight[t] = 0;
      index[t] = std::clamp<int64_t>(at, 0, extent.in - 1);
      sum += weight[t];
    }
    if (sum != 0) {
      for (int64_t t = 0; t < out.taps; ++t) weight[t] /= sum;
    }
  }
  return out;
}

// --- GridSample

Result<GridSampling> read_grid_sampling(const AttrMap& attrs) {
  GridSampling out;
  const std::string mode = attrs.string_or("mode", "linear");
  if (mode == "linear" || mode == "bilinear") {
    out.mode = Interpolation::kLinear;
  } else if (mode == "nearest") {
    out.mode = Interpolation::kNearest;
  } else if (mode == "cubic" || mode == "bicubic") {
    out.mode = Interpolation::kCubic;
  } else {
    return invalid_model(
        cat("Attribute mode is ", quoted(mode), " (must be linear, nearest or cubic)"));
  }
  const std::string padding = attrs.string_or("padding_mode", "zeros");
  if (padding == "zeros") {
    out.padding = GridPadding::kZeros;
  } else if (padding == "border") {
    out.padding = GridPadding::kBorder;
  } else if (padding == "reflection") {
    out.padding = GridPadding::kReflection;
  } else {
    return invalid_model(cat("Attribute padding_mode is ", quoted(padding),
                             " (must be zeros, border or reflection)"));
  }
  out.align_corners = attrs.int_or("align_corners", 0) != 0;
  return out;
}

namespace {

// Folds x back into [low, high] at the borders, as often as it takes.
double reflect(double x, double low, double high) {
  const double range = high - low;
  if (range <= 0) return low;
  const bool below = x < low;
  if (!below && x <= high) return x;
  const double beyond = below ? low - x : x - high;
  const double turns = std::floor(beyond / range);
  const double rest = beyond - turns * range;
  const bool from_near = std::fmod(turns, 2) == 0;
  return from_near == below ? low + rest : high - rest;
}

struct AxisTaps {
  std::array<int64_t, 4> index = {};  // -1: outside, worth nothing
  std::array<double, 4> weight = {};
  int count = 0;
};

AxisTaps grid_axis_taps(const GridSampling& sampling, int64_t extent, double place) {
  const auto length = static_cast<double>(extent);
  const double low = sampling.align_corners ? 0 : -0.5;
  const double high = sampling.align_corners ? length - 1 : length - 0.5;
  double x =
      sampling.align_corners ? (place + 1) / 2 * (length - 1) : ((place + 1) * length - 1) / 2;
  // Keeps NaN and the absurd convertible to an integer: both are outside.
  if (!(x >= -1e12)) x = -1e12;
  x = std::min(x, 1e12);
  if (sampling.mode == Interpolation::kNearest) x = std::nearbyint(x);
  if (x < low || x > high) {
    // Cubic weights belong to the place itself: its pixels are moved to the border, not the place.
    if (sampling.padding == GridPadding::kBorder && sampling.mode != Interpolation::kCubic) {
      x = std::clamp(x, 0.0, length - 1);
    }
    if (sampling.padding == GridPadding::kReflection) x = reflect(x, low, high);
  }
  AxisTaps out;
  const double below = std::floor(x), fraction = x - below;
  int64_t first = static_cast<int64_t>(below);
  if (sampling.mode == Interpolation::kNearest) {
    first = static_cast<int64_t>(x);
    out.count = 1;
    out.weight[0] = 1;
  } else if (sampling.mode == Interpolation::kLinear) {
    out.count = 2;
    out.weight[0] = 1 - fraction;
    out.weight[1] = fraction;
  } else {
    --first;
    out.count = 4;
    for (int i = 0; i < 4; ++i) {
      out.weight[static_cast<size_t>(i)] = cubic_kernel(fraction + 1 - i, -0.75);
    }
  }
  for (int i = 0; i < out.count; ++i) {
    int64_t at = first + i;
    if (at < 0 || at >= extent) {
      if (sampling.padding == GridPadding::kZeros) {
        at = -1;
      } else if (sampling.padding == GridPadding::kReflection) {
        at = static_cast<int64_t>(reflect(static_cast<double>(at), low, high));
        at = std::clamp<int64_t>(at, 0, extent - 1);
      } else {
        at = std::clamp<int64_t>(at, 0, extent - 1);
      }
    }
    out.index[static_cast<size_t>(i)] = at;
  }
  return out;
}

}  // namespace

void grid_taps(const GridSampling& sampling, const Shape& spatial, std::span<const double> place,
               std::vector<GridTap>& taps) {
  taps.assign(1, GridTap{0, 1});
  std::vector<GridTap> grown;
  const int rank = spatial.rank();
  for (int axis = 0; axis < rank; ++axis) {
    const AxisTaps own =
        grid_axis_taps(sampling, spatial[axis], place[static_cast<size_t>(rank - 1 - axis)]);
    grown.clear();
    for (const GridTap& tap : taps) {
      for (int i = 0; i < own.count; ++i) {
        const auto k = static_cast<size_t>(i);
        if (own.index[k] < 0 || own.weight[k] == 0) continue;
        grown.push_back({tap.offset * spatial[axis] + own.index[k], tap.weight * own.weight[k]});
      }
    }
    taps.swap(grown);
  }
}

}  // namespace sluice::ops::resize
