// How pooling runs on the GPU: windows of up to three spatial axes, one workgroup per channel for
// global pooling, regions bin by bin.
#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "base/text.h"
#include "op/lower.h"
#include "ops/pool/pool.h"
#include "shader/pool_global.h"
#include "shader/pool_unpool.h"
#include "shader/pool_window.h"
#include "shader/pool_zero.h"
#include "shader/roi_align.h"
#include "shader/roi_max.h"

namespace sluice::ops::pool {

using op::LowerContext;
using plan::DeviceFormat;
using plan::kNoSlot;

namespace {

// As the shaders number them.
enum class Reduce : uint32_t { kMax = 0, kAverage = 1, kLp = 2, kQuantized = 3 };

bool is_real(DeviceFormat format) {
  return format == DeviceFormat::kF32 || format == DeviceFormat::kF16;
}
bool is_byte(DType dtype) { return dtype == DType::kInt8 || dtype == DType::kUInt8; }

Result<void> check_sizes(const LowerContext& context) {
  const auto fits = [&](const Dims& dims, DeviceFormat format) {
    const Dim bytes = op::elements(dims) * Dim(static_cast<int64_t>(plan::element_bytes(format)));
    return !bytes.is_known() ||
           static_cast<uint64_t>(bytes.value()) <= context.limits().max_storage_binding_bytes;
  };
  if (!fits(context.in_dims(0), context.in_format(0)) ||
      !fits(context.out_dims(0), context.out_format(0)) ||
      (context.has_output(1) && !fits(context.out_dims(1), context.out_format(1)))) {
    return context.refuse(cat("input or output is larger than one binding holds (",
                              context.limits().max_storage_binding_bytes, " bytes)"));
  }
  return {};
}

struct Axis {
  Dim in, out;
  int64_t kernel = 1, stride = 1, dilation = 1, pad = 0, pad_end = 0;
};

// What the maximum of no elements is: the lowest number of the dtype.
float nothing_of(DType dtype) {
  if (dtype == DType::kFloat16) return -65504.0F;
  if (dtype == DType::kBFloat16) return -3.3895313892515355e38F;
  if (is_byte(dtype)) return static_cast<float>(integer_min(dtype));
  return std::numeric_limits<float>::lowest();
}

Result<float> read_p(const LowerContext& context) {
  const AttrMap& attrs = context.attrs();
  const float p = attrs.float_or("p", static_cast<float>(attrs.int_or("p", 2)));
  if (!(p > 0)) return context.refuse(cat("attribute p is ", p, " (must be positive)"));
  return p;
}

struct Scales {
  float x_scale = 1, y_scale = 1, x_zero = 0, y_zero = 0, y_low = 0, y_high = 0;
};

Result<float> one_number(LowerContext& context, int input, float fallback) {
  if (!context.has_input(input)) return fallback;
  SLUICE_ASSIGN(const Tensor tensor, context.need_constant(input));
  if (tensor.elements() != 1) {
    return context.refuse(cat("input ", input, " has ", tensor.elements(), " elements (needs 1)"));
  }
  return static_cast<float>(tensor.get_double(0));
}

Result<Scales> read_scales(LowerContext& context) {
  Scales out;
  // All are asked for before one is waited for.
  for (int i = 1; i <= 4; ++i) {
    if (context.has_input(i)) (void)context.need_constant(i).ok();
  }
  SLUICE_ASSIGN(out.x_scale, one_number(context, 1, 1));
  SLUICE_ASSIGN(out.x_zero, one_number(context, 2, 0));
  SLUICE_ASSIGN(out.y_scale, one_number(context, 3, 1));
  SLUICE_ASSIGN(out.y_zero, one_number(context, 4, 0));
  const DType dtype = context.output_type(0).dtype;
  out.y_low = static_cast<float>(integer_min(dtype));
  out.y_high = static_cast<float>(integer_max(dtype));
  return out;
}

Result<void> check_dtype(const LowerContext& context, Reduce reduce) {
  const bool integers =
      reduce == Reduce::kQuantized || (reduce == Reduce::kMax && !is_real(context.in_format(0)));
  if (integers ? !is_byte(context.input_type(0).dtype) : !is_real(context.in_format(0))) {
    return context.refuse(
        "only floating point of up to 32 bits and 8-bit integers are pooled here");
  }
  return {};
}

template <Reduce kReduce>
Result<void> lower_window(LowerContext& context) {
  SLUICE_TRY(check_dtype(context, kReduce));
  SLUICE_TRY(check_sizes(context));
  const AttrMap& attrs = context.attrs();
  const bool last = kReduce == Reduce::kQuantized && attrs.int_or("channels_last", 0) != 0;
  const Dims &x = context.in_dims(0), &y = context.out_dims(0);
  const size_t rank = x.size();
  if (rank < 3 || rank > 5) {
    return context.refuse(cat("the input's rank is ", rank, " (takes 3 to 5)"));
  }
  const size_t first = last ? 1 : 2;
  const Dim channels = last ? x.back() : x[1];
  std::array<Axis, 3> axes;
  for (Axis& axis : axes) axis = {.in = 1, .out = 1};
  const size_t skip = 3 - (rank - 2);
  if (const auto shape = to_shape(x)) {
    SLUICE_ASSIGN(const PoolGeometry g, pool_geometry(attrs, *shape, last));
    for (size_t i = 0; i < g.axes.size(); ++i) {
      const op::WindowAxis& axis = g.axes[i];
      axes[skip + i] = {axis.in,       axis.out,       axis.kernel, axis.stride,
                        axis.dilation, axis.pad_begin, axis.pad_end};
    }
  } else {
    SLUICE_ASSIGN(const op::WindowAttrs window,
                  op::read_window_attrs(attrs, static_cast<int>(rank) - 2));
    const bool resolvable =
        window.kernel.size() == rank - 2 &&
        (window.auto_pad == op::AutoPad::kNotSet || window.auto_pad == op::AutoPad::kValid);
    if (!resolvable) SLUICE_TRY(context.static_in(0));
    for (size_t i = 0; i < rank - 2; ++i) {
      axes[skip + i] = {
          x[first + i],        y[first + i],   window.kernel[i],         window.strides[i],
          window.dilations[i], window.pads[i], window.pads[i + rank - 2]};
    }
  }
  for (const Axis& axis : axes) {
    if ((axis.kernel - 1) * axis.dilation + std::abs(axis.pad) + std::abs(axis.pad_end) >=
            (int64_t{1} << 28) ||
        axis.stride >= (int64_t{1} << 28) ||
        (axis.out.is_known() && axis.out.value() >= (int64_t{1} << 30) / axis.stride)) {
      return context.refuse("a window reaches further than 32-bit places do");
    }
  }
  Scales scales;
  if (kReduce == Reduce::kQuantized) {
    SLUICE_ASSIGN(scales, read_scales(context));
  }
  float power = 2;
  if (kReduce == Reduce::kLp) {
    SLUICE_ASSIGN(power, read_p(context));
  }
  const bool indices = kReduce == Reduce::kMax && context.has_output(1);
  const Dim in_elems = axes[0].in * axes[1].in * axes[2].in;
  const Dim out_elems = axes[0].out * axes[1].out * axes[2].out;
  const Dim n = op::elements(y);
  const auto three = [&](auto Axis::* field, Dim fourth) {
    return std::array<Dim, 4>{axes[0].*field, axes[1].*field, axes[2].*field, std::move(fourth)};
  };
  context.dispatch(shader::pool_window::Call{
      .knobs = {.T = plan::wgsl_type(context.in_format(0)),
                .OP = static_cast<uint32_t>(kReduce),
                .COUNT_PADDING = attrs.int_or("count_include_pad", 0) != 0,
                .HAS_INDICES = indices,
                .COLUMN_MAJOR = indices && attrs.int_or("storage_order", 0) == 1},
      .params = {.in_dims = three(&Axis::in, in_elems),
                 .out_dims = three(&Axis::out, out_elems),
                 .kernel = three(&Axis::kernel, 1),
                 .stride = three(&Axis::stride, 1),
                 .dilation = three(&Axis::dilation, 1),
                 .pad = three(&Axis::pad, 0),
                 .pad_end = three(&Axis::pad_end, 0),
                 .channels = channels,
                 .channel_step = last ? Dim(1) : in_elems,
                 .place_step = last ? channels : Dim(1),
                 .n = n,
                 .power = power,
                 .nothing = nothing_of(context.input_type(0).dtype),
                 .x_scale = scales.x_scale,
                 .y_scale = scales.y_scale,
                 .x_zero = scales.x_zero,
                 .y_zero = scales.y_zero,
                 .y_low = scales.y_low,
                 .y_high = scales.y_high},
      .x = context.in(0),
      .y = context.out(0),
      // Never written without HAS_INDICES, but a writable binding must be there.
      .indices = indices ? context.out(1) : context.temp(DeviceFormat::kI64, 2),
      .workgroups = op::workgroups(n, 256)});
  return {};
}

template <Reduce kReduce>
Result<void> lower_global(LowerContext& context) {
  SLUICE_TRY(check_dtype(context, kReduce));
  SLUICE_TRY(check_sizes(context));
  const bool last =
      kReduce == Reduce::kQuantized && context.attrs().int_or("channels_last", 0) != 0;
  const Dims& x = context.in_dims(0);
  if (x.size() < 2) return context.refuse("the input's rank is below 2");
  const Dim channels = last ? x.back() : x[1];
  const Dim places = last ? product(x, 1, x.size() - 1) : product(x, 2, x.size());
  Scales scales;
  if (kReduce == Reduce::kQuantized) {
    SLUICE_ASSIGN(scales, read_scales(context));
  }
  float power = 2;
  if (kReduce == Reduce::kLp) {
    SLUICE_ASSIGN(power, read_p(context));
  }
  const Dim planes = x[0] * channels;
  context.dispatch(shader::pool_global::Call{
      .knobs = {.T = plan::wgsl_type(context.in_format(0)), .OP = static_cast<uint32_t>(kReduce)},
      .params = {.planes = planes,
                 .channels = channels,
                 .places = places,
                 .channel_step = last ? Dim(1) : places,
                 .place_step = last ? channels : Dim(1),
                 .power = power,
                 .nothing = nothing_of(context.input_type(0).dtype),
                 .x_scale = scales.x_scale,
                 .y_scale = scales.y_scale,
                 .x_zero = scales.x_zero,
                 .y_zero = scales.y_zero,
                 .y_low = scales.y_low,
                 .y_high = scales.y_high},
      .x = context.in(0),
      .y = context.out(0),
      .workgroups = planes});
  return {};
}

Result<void> lower_unpool(LowerContext& context) {
  if (!is_real(context.in_format(0))) {
    return context.refuse("only floating point of up to 32 bits is unpooled here");
  }
  SLUICE_TRY(check_sizes(context));
  SLUICE_ASSIGN(const Shape x, context.static_in(0));
  SLUICE_ASSIGN(const Shape counted, unpooled_shape(context.attrs(), x));
  SLUICE_ASSIGN(const Shape y, context.static_out(0));
  if (y.rank() != counted.rank() || y.rank() > 8) {
    return context.refuse(
        cat("the output has shape ", y.text(), " (takes rank ", counted.rank(), ", at most 8)"));
  }
  const std::string_view type = plan::wgsl_type(context.in_format(0));
  const Dim out_elems = y.elements(), n = x.elements();
  context.dispatch(shader::pool_zero::Call{.knobs = {.T = type},
                                           .params = {.n = out_elems},
                                           .y = context.out(0),
                                           .workgroups = op::workgroups(out_elems, 256)});
  context.dispatch(shader::pool_unpool::Call{.knobs = {.T = type},
                                             .params = {.counted = op::eight(to_dims(counted), 1),
                                                        .dims = op::eight(to_dims(y), 1),
                                                        .n = n},
                                             .x = context.in(0),
                                             .indices = context.in(1),
                                             .y = context.out(0),
                                             .workgroups = op::workgroups(n, 256)});
  return {};
}

Result<void> check_regions(const LowerContext& context) {
  if (!is_real(context.in_format(0))) {
    return context.refuse("only floating point of up to 32 bits is pooled here");
  }
  const Dims& x = context.in_dims(0);
  // An empty batch or image has no element to clamp to.
  if (x.size() != 4 || std::ranges::any_of(x, [](const Dim& d) { return d == Dim(0); })) {
    return context.refuse(cat("the input is ", dims_text(x), " (takes 4 extents above 0)"));
  }
  return check_sizes(context);
}

Result<void> lower_roi_max(LowerContext& context) {
  SLUICE_TRY(check_regions(context));
  const Dims &x = context.in_dims(0), &y = context.out_dims(0);
  if (context.in_dims(1).size() != 2 || !(context.in_dims(1)[1] == Dim(5))) {
    return context.refuse("the regions are not [regions,5]");
  }
  const Dim n = op::elements(y);
  context.dispatch(
      shader::roi_max::Call{.knobs = {.T = plan::wgsl_type(context.in_format(0))},
                            .params = {.images = x[0],
                                       .channels = x[1],
                                       .height = x[2],
                                       .width = x[3],
                                       .bins_high = y[2],
                                       .bins_wide = y[3],
                                       .n = n,
                                       .scale = context.attrs().float_or("spatial_scale", 1)},
                            .x = context.in(0),
                            .rois = context.in(1),
                            .y = context.out(0),
                            .workgroups = op::workgroups(n, 256)});
  return {};
}

Result<void> lower_roi_align(LowerContext& context) {
  SLUICE_TRY(check_regions(context));
  const AttrMap& attrs = context.attrs();
  const Dims &x = context.in_dims(0), &y = context.out_dims(0);
  if (context.in_dims(1).size() != 2 || !(context.in_dims(1)[1] == Dim(4))) {
    return context.refuse("the regions are not [regions,4]");
  }
  const int64_t sampling = attrs.int_or("sampling_ratio", 0);
  const std::string mode = attrs.string_or("mode", "avg");
  if (sampling > (1 << 14) || (mode != "avg" && mode != "max")) {
    return context.refuse(cat("mode is ", quoted(mode), " with ", sampling,
                              " samples per bin (takes avg or max, and 16384)"));
  }
  const Dim n = op::elements(y);
  context.dispatch(shader::roi_align::Call{
      .knobs = {.T = plan::wgsl_type(context.in_format(0)),
                .MAX = mode == "max",
                .HALF_PIXEL = attrs.string_or("coordinate_transformation_mode", "half_pixel") ==
                              "half_pixel"},
      .params = {.images = x[0],
                 .channels = x[1],
                 .height = x[2],
                 .width = x[3],
                 .bins_high = y[2],
                 .bins_wide = y[3],
                 .sampling = std::max<int64_t>(sampling, 0),
                 .image_words = plan::element_bytes(context.in_format(2)) / 4,
                 .n = n,
                 .scale = attrs.float_or("spatial_scale", 1)},
      .x = context.in(0),
      .rois = context.in(1),
      .images = context.in(2),
      .y = context.out(0),
      .workgroups = op::workgroups(n, 256)});
  return {};
}

struct Row {
  std::string_view domain, op;
  op::GpuCandidate candidate;
};
constexpr Row kRows[] = {
    {"", "MaxPool", {"pool.max", &lower_window<Reduce::kMax>}},
    {"", "AveragePool", {"pool.average", &lower_window<Reduce::kAverage>}},
    {"", "LpPool", {"pool.lp", &lower_window<Reduce::kLp>}},
    {"", "GlobalMaxPool", {"pool.global_max", &lower_global<Reduce::kMax>}},
    {"", "GlobalAveragePool", {"pool.global_average", &lower_global<Reduce::kAverage>}},
    {"", "GlobalLpPool", {"pool.global_lp", &lower_global<Reduce::kLp>}},
    {"", "MaxUnpool", {"pool.unpool", &lower_unpool}},
    {"", "MaxRoiPool", {"pool.roi_max", &lower_roi_max}},
    {"", "RoiAlign", {"pool.roi_align", &lower_roi_align}},
    {"com.microsoft",
     "QLinearAveragePool",
     {"pool.quantized_average", &lower_window<Reduce::kQuantized>}},
    {"com.microsoft",
     "QLinearGlobalAveragePool",
     {"pool.quantized_global_average", &lower_global<Reduce::kQuantized>}},
};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  for (const Row& row : kRows) {
    if (row.domain == domain && row.op == name) return {&row.candidate, 1};
  }
  return {};
}

}  // namespace sluice::ops::pool
