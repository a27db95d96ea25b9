// How resizing, sampling and block moves run on the GPU. Resize's tables are those of geometry.cc,
// made here as constants: nearest copies by a table of offsets; linear resize of the last two axes
// is one dispatch; everything else goes axis by axis, shrinking axes first.
#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include "base/text.h"
#include "op/lower.h"
#include "op/window.h"
#include "ops/resize/resize.h"
#include "shader/affine_grid.h"
#include "shader/blocks.h"
#include "shader/center_crop_pad.h"
#include "shader/col2im.h"
#include "shader/crop_and_resize.h"
#include "shader/grid_sample.h"
#include "shader/resize_axis.h"
#include "shader/resize_beyond.h"
#include "shader/resize_nearest.h"
#include "shader/resize_plane.h"

namespace sluice::ops::resize {

using op::LowerContext;
using plan::DeviceFormat;
using plan::kNoSlot;
using plan::SlotId;

namespace {

constexpr int64_t kNoTable = 0xffffffff;

bool is_real(DeviceFormat format) {
  return format == DeviceFormat::kF32 || format == DeviceFormat::kF16;
}

// The type to move elements with: words, whatever they mean.
std::string_view move_type(DeviceFormat format) {
  const std::string_view type = plan::wgsl_type(format);
  return type == "f32" || type == "i32" ? "u32" : type;
}

bool fits(const LowerContext& context, const Dim& elements, DeviceFormat format) {
  const Dim bytes = elements * Dim(static_cast<int64_t>(plan::element_bytes(format)));
  return !bytes.is_known() ||
         static_cast<uint64_t>(bytes.value()) <= context.limits().max_storage_binding_bytes;
}

// Both ends can be bound in one piece.
Result<void> check_sizes(const LowerContext& context) {
  if (context.in_format(0) == DeviceFormat::kNone) {
    return context.refuse("the elements can't be held on the device");
  }
  if (!fits(context, op::elements(context.in_dims(0)), context.in_format(0)) ||
      !fits(context, op::elements(context.out_dims(0)), context.out_format(0))) {
    return context.refuse(cat("input or output is larger than one binding holds (",
                              context.limits().max_storage_binding_bytes, " bytes)"));
  }
  return {};
}

SlotId words(LowerContext& context, const std::vector<uint32_t>& values, std::string_view name) {
  return context.constant(Tensor::of<uint32_t>(Shape{static_cast<int64_t>(values.size())},
                                               std::span<const uint32_t>(values)),
                          name);
}

// An optional operand's contents; empty when it is absent.
Result<std::vector<double>> reals_or_none(LowerContext& context, int i) {
  if (!context.has_input(i)) return std::vector<double>{};
  // An empty tensor counts as absent, whatever its contents would be.
  if (op::elements(context.in_dims(i)) == Dim(0)) return std::vector<double>{};
  SLUICE_ASSIGN(const Tensor tensor, context.need_constant(i));
  return tensor.to_doubles();
}

struct Sizes {
  Shape in, out;
  ResizeAttrs attrs;
  std::vector<ResizeAxis> axes;
};

Result<Sizes> read_sizes(LowerContext& context) {
  Sizes out;
  SLUICE_ASSIGN(out.attrs, read_resize_attrs(context.attrs()));
  // All are asked for before one is waited for.
  for (const int i : {2, 3}) {
    if (context.has_input(i)) (void)context.need_constant(i).ok();
  }
  std::vector<double> roi;
  if (out.attrs.coordinates == "tf_crop_and_resize") {
    SLUICE_ASSIGN(roi, reals_or_none(context, 1));
  }
  SLUICE_ASSIGN(const std::vector<double> scales, reals_or_none(context, 2));
  std::vector<int64_t> sizes;
  if (context.has_input(3) && !(op::elements(context.in_dims(3)) == Dim(0))) {
    SLUICE_ASSIGN(sizes, context.need_ints(3));
  }
  SLUICE_ASSIGN(out.in, context.static_in(0));
  SLUICE_ASSIGN(const std::vector<ResizeExtent> extents,
                resize_sizes(context.attrs(), out.in, roi, scales, sizes));
  out.out = resize_output_shape(extents);
  if (out.out.elements() == 0) {
    for (const ResizeExtent& extent : extents) {
      out.axes.push_back({.in = extent.in, .out = extent.out, .identity = true});
    }
    return out;
  }
  for (const ResizeExtent& extent : extents) {
    SLUICE_ASSIGN(ResizeAxis axis, resize_axis(out.attrs, extent));
    if (!axis.identity && !fits(context, axis.out * axis.taps * 4, DeviceFormat::kF32)) {
      return context.refuse("the table of taps is larger than one binding holds");
    }
    out.axes.push_back(std::move(axis));
  }
  return out;
}

// A run of axes that nothing happens to, or one axis with its table.
struct Step {
  int64_t extent = 1;  // of y
  int64_t stride = 1;  // in x
  const ResizeAxis* axis = nullptr;
};

// y's axes, runs of untouched ones merged; at most eight.
Result<std::vector<Step>> merged_steps(const LowerContext& context, const Sizes& sizes) {
  std::vector<Step> out;
  int64_t stride = 1;
  for (int i = sizes.out.rank() - 1; i >= 0; --i) {
    const ResizeAxis& axis = sizes.axes[static_cast<size_t>(i)];
    if (axis.identity && !out.empty() && out.back().axis == nullptr) {
      out.back().extent *= axis.out;
    } else {
      out.push_back({axis.out, stride, axis.identity ? nullptr : &axis});
    }
    stride *= sizes.in[i];
  }
  std::ranges::reverse(out);
  if (out.size() > 8) return context.refuse("more than eight axes take part");
  return out;
}

Result<void> copy_nearest(LowerContext& context, const Sizes& sizes) {
  SLUICE_ASSIGN(const std::vector<Step> steps, merged_steps(context, sizes));
  Dims dims, starts, strides;
  std::vector<uint32_t> table;
  for (const Step& step : steps) {
    dims.emplace_back(step.extent);
    strides.emplace_back(step.stride);
    if (step.axis == nullptr) {
      starts.emplace_back(kNoTable);
      continue;
    }
    starts.emplace_back(static_cast<int64_t>(table.size()));
    for (const int64_t index : step.axis->index) {
      table.push_back(static_cast<uint32_t>(index * step.stride));
    }
  }
  const Dim n = sizes.out.elements();
  context.dispatch(shader::resize_nearest::Call{
      .knobs = {.T = move_type(context.in_format(0)), .RANK = static_cast<uint32_t>(steps.size())},
      .params = {.dims = op::eight(dims, 1),
                 .starts = op::eight(starts, kNoTable),
                 .strides = op::eight(strides, 0),
                 .n = n},
      .x = context.in(0),
      .table = table.empty() ? kNoSlot : words(context, table, "offsets of a resize"),
      .y = context.out(0),
      .workgroups = op::workgroups(n, 256)});
  return {};
}

// Elements beyond the input take the extrapolation value.
Result<void> fill_beyond(LowerContext& context, const Sizes& sizes) {
  if (std::ranges::all_of(sizes.axes, [](const ResizeAxis& a) { return a.beyond.empty(); })) {
    return {};
  }
  SLUICE_ASSIGN(const std::vector<Step> steps, merged_steps(context, sizes));
  Dims dims, starts;
  std::vector<uint32_t> table;
  for (const Step& step : steps) {
    dims.emplace_back(step.extent);
    if (step.axis == nullptr || step.axis->beyond.empty()) {
      starts.emplace_back(kNoTable);
      continue;
    }
    starts.emplace_back(static_cast<int64_t>(table.size()));
    table.insert(table.end(), step.axis->beyond.begin(), step.axis->beyond.end());
  }
  const double value[] = {sizes.attrs.extrapolation};
  const Dim n = sizes.out.elements();
  context.dispatch(shader::resize_beyond::Call{
      .knobs = {.T = move_type(context.out_format(0)), .RANK = static_cast<uint32_t>(steps.size())},
      .params = {.dims = op::eight(dims, 1), .starts = op::eight(starts, kNoTable), .n = n},
      .beyond = words(context, table, "places beyond the input"),
      .fill = context.constant(Tensor::of_doubles(context.output_type(0).dtype, Shape{1}, value),
                               "extrapolation value"),
      .y = context.out(0),
      .workgroups = op::workgroups(n, 256)});
  return {};
}

Result<void> lower_nearest(LowerContext& context) {
  if (context.attrs().string_or("mode", "nearest") != "nearest") {
    return context.refuse("elements are interpolated, not copied");
  }
  SLUICE_TRY(check_sizes(context));
  SLUICE_ASSIGN(const Sizes sizes, read_sizes(context));
  SLUICE_TRY(copy_nearest(context, sizes));
  return fill_beyond(context, sizes);
}

// Interpolated dtypes: floats, and integers that float32 holds exactly.
Result<void> check_interpolated(const LowerContext& context) {
  const DType dtype = context.input_type(0).dtype;
  const bool small = is_integer(dtype) && dtype_bits(dtype) <= 16;
  if (!is_real(context.in_format(0)) && !small) {
    return context.refuse(cat(dtype_name(dtype), " is not interpolated in float32"));
  }
  return check_sizes(context);
}

struct Bounds {
  bool integer = false;
  float low = 0, high = 0;
};
Bounds bounds_of(DType dtype) {
  if (!is_integer(dtype)) return {};
  return {true, static_cast<float>(integer_min(dtype)), static_cast<float>(integer_max(dtype))};
}

// By output position: two offsets (positions times `stride`) and two weights, as float bits.
std::vector<uint32_t> linear_table(const ResizeAxis& axis, int64_t stride) {
  std::vector<uint32_t> out;
  for (int64_t o = 0; o < axis.out; ++o) {
    if (axis.identity) {
      const auto at = static_cast<uint32_t>(o * stride);
      out.insert(out.end(), {at, at, std::bit_cast<uint32_t>(1.0F), 0});
      continue;
    }
    const auto entry = static_cast<size_t>(2 * o);
    out.insert(out.end(), {static_cast<uint32_t>(axis.index[entry] * stride),
                           static_cast<uint32_t>(axis.index[entry + 1] * stride),
                           std::bit_cast<uint32_t>(static_cast<float>(axis.weight[entry])),
                           std::bit_cast<uint32_t>(static_cast<float>(axis.weight[entry + 1]))});
  }
  return out;
}

Result<void> lower_plane(LowerContext& context) {
  if (context.attrs().string_or("mode", "nearest") == "nearest") {
    return context.refuse("elements are copied, not interpolated");
  }
  SLUICE_TRY(check_interpolated(context));
  SLUICE_ASSIGN(const Sizes sizes, read_sizes(context));
  const int rank = sizes.out.rank();
  if (rank < 2 || sizes.out.elements() == 0) {
    return context.refuse("there are fewer than two axes, or no elements");
  }
  for (int i = 0; i < rank; ++i) {
    const ResizeAxis& axis = sizes.axes[static_cast<size_t>(i)];
    if (axis.identity) continue;
    if (i < rank - 2) return context.refuse(cat("axis ", i, " is resized, not only the last two"));
    if (axis.taps != 2) {
      return context.refuse(cat("axis ", i, " blends ", axis.taps, " elements (takes 2)"));
    }
  }
  const Bounds bounds = bounds_of(context.input_type(0).dtype);
  const int64_t planes = sizes.out.elements(0, rank - 2);
  const int64_t out_plane = sizes.out[-2] * sizes.out[-1];
  // Fewer planes per invocation where there would be too few invocations to fill a device.
  const uint32_t block = planes * out_plane >= (1 << 18) ? 4 : 1;
  const int64_t n = (planes + block - 1) / block * out_plane;
  const auto table = [&](const ResizeAxis& axis, int64_t stride, std::string_view name) {
    return words(context, linear_table(axis, stride), name);
  };
  const auto last = static_cast<size_t>(rank) - 1;
  context.dispatch(shader::resize_plane::Call{
      .knobs = {.T = plan::wgsl_type(context.in_format(0)),
                .INTEGER = bounds.integer,
                .PLANES = block},
      .params = {.planes = planes,
                 .in_plane = sizes.in[-2] * sizes.in[-1],
                 .out_plane = out_plane,
                 .out_width = sizes.out[-1],
                 .n = n,
                 .low = bounds.low,
                 .high = bounds.high},
      .x = context.in(0),
      .rows = table(sizes.axes[last - 1], sizes.in[-1], "rows of a resize"),
      .columns = table(sizes.axes[last], 1, "columns of a resize"),
      .y = context.out(0),
      .workgroups = op::workgroups(n, 256)});
  return fill_beyond(context, sizes);
}

Result<void> lower_axes(LowerContext& context) {
  if (context.attrs().string_or("mode", "nearest") == "nearest") {
    return context.refuse("elements are copied, not interpolated");
  }
  SLUICE_TRY(check_interpolated(context));
  SLUICE_ASSIGN(const Sizes sizes, read_sizes(context));
  // Shrinking axes first: what lies between is then no larger than the input or the output.
  std::vector<int> order;
  for (int i = 0; i < sizes.out.rank(); ++i) {
    if (!sizes.axes[static_cast<size_t>(i)].identity) order.push_back(i);
  }
  if (order.empty()) {
    SLUICE_TRY(copy_nearest(context, sizes));
    return fill_beyond(context, sizes);
  }
  std::ranges::stable_sort(order, [&](int a, int b) {
    return sizes.out[a] < sizes.in[a] && sizes.out[b] >= sizes.in[b];
  });
  Shape shape = sizes.in;
  for (const int i : order) {
    shape[i] = sizes.out[i];
    if (!fits(context, shape.elements(), DeviceFormat::kF32)) {
      return context.refuse("an intermediate result is larger than one binding holds");
    }
  }
  shape = sizes.in;
  SlotId from = context.in(0);
  std::string_view type = plan::wgsl_type(context.in_format(0));
  for (const int i : order) {
    const ResizeAxis& axis = sizes.axes[static_cast<size_t>(i)];
    shape[i] = axis.out;
    const bool last = i == order.back();
    const Bounds bounds = last ? bounds_of(context.output_type(0).dtype) : Bounds{};
    const Dim n = shape.elements();
    const SlotId to = last ? context.out(0) : context.temp(DeviceFormat::kF32, n);
    std::vector<uint32_t> indices(axis.index.begin(), axis.index.end());
    const std::vector<float> weights(axis.weight.begin(), axis.weight.end());
    context.dispatch(shader::resize_axis::Call{
        .knobs = {.T = type,
                  .Y = last ? plan::wgsl_type(context.out_format(0)) : "f32",
                  .INTEGER = bounds.integer},
        .params = {.in_extent = axis.in,
                   .out_extent = axis.out,
                   .inner = shape.elements(i + 1, shape.rank()),
                   .taps = axis.taps,
                   .n = n,
                   .low = bounds.low,
                   .high = bounds.high},
        .x = from,
        .indices = words(context, indices, "taps of a resize"),
        .weights = context.constant(Tensor::of<float>(Shape{static_cast<int64_t>(weights.size())},
                                                      std::span<const float>(weights)),
                                    "weights of a resize"),
        .y = to,
        .workgroups = op::workgroups(n, 256)});
    from = to;
    type = "f32";
  }
  return fill_beyond(context, sizes);
}

// --- sampling

Result<void> check_real(const LowerContext& context) {
  if (!is_real(context.in_format(0))) {
    return context.refuse("only floating point of up to 32 bits is computed here");
  }
  return check_sizes(context);
}

bool has_empty(const Dims& dims) {
  return std::ranges::any_of(dims, [](const Dim& d) { return d == Dim(0); });
}

Result<void> lower_grid_sample(LowerContext& context) {
  SLUICE_TRY(check_real(context));
  SLUICE_ASSIGN(const GridSampling sampling, read_grid_sampling(context.attrs()));
  const Dims &x = context.in_dims(0), &places = context.in_dims(1);
  if (x.size() < 3 || x.size() > 5 || places.size() != x.size()) {
    return context.refuse(cat("the input's rank is ", x.size(), " (takes 3 to 5)"));
  }
  const size_t rank = x.size() - 2;
  if (!(places.back() == Dim(static_cast<int64_t>(rank))) || !(places[0] == x[0])) {
    return context.refuse(
        cat("input ", dims_text(x), " and grid ", dims_text(places), " don't fit together"));
  }
  Dims spatial(3 - rank, Dim(1));
  spatial.insert(spatial.end(), x.begin() + 2, x.end());
  if (has_empty(spatial)) return context.refuse("the image to sample is empty");
  const Dim positions = product(places, 1, places.size() - 1);
  const Dim blocks = Dim::ceil_div(x[1], Dim(4));
  const Dim n = x[0] * blocks * positions;
  context.dispatch(shader::grid_sample::Call{
      .knobs = {.T = plan::wgsl_type(context.in_format(0)),
                .G = plan::wgsl_type(context.in_format(1)),
                .RANK = static_cast<uint32_t>(rank),
                .MODE = static_cast<uint32_t>(sampling.mode),
                .PADDING = static_cast<uint32_t>(sampling.padding),
                .ALIGN = sampling.align_corners},
      .params = {.in_dims = {spatial[0], spatial[1], spatial[2], op::elements(spatial)},
                 .channels = x[1],
                 .positions = positions,
                 .blocks = blocks,
                 .n = n},
      .x = context.in(0),
      .places = context.in(1),
      .y = context.out(0),
      .workgroups = op::workgroups(n, 256)});
  return {};
}

Result<void> lower_affine_grid(LowerContext& context) {
  SLUICE_TRY(check_real(context));
  const Dims &theta = context.in_dims(0), &y = context.out_dims(0);
  if (y.size() != 4 && y.size() != 5) {
    return context.refuse(cat("the output's rank is ", y.size(), " (takes 4 or 5)"));
  }
  const auto rank = static_cast<int64_t>(y.size()) - 2;
  if (theta.size() != 3 || !(theta[0] == y[0]) || !(theta[1] == Dim(rank)) ||
      !(theta[2] == Dim(rank + 1))) {
    return context.refuse(cat("the matrices are ", dims_text(theta)));
  }
  Dims spatial(static_cast<size_t>(3 - rank), Dim(1));
  spatial.insert(spatial.end(), y.begin() + 1, y.end() - 1);
  const Dim n = op::elements(y);
  context.dispatch(shader::affine_grid::Call{
      .knobs = {.T = plan::wgsl_type(context.in_format(0)),
                .RANK = static_cast<uint32_t>(rank),
                .ALIGN = context.attrs().int_or("align_corners", 0) != 0},
      .params = {.dims = {spatial[0], spatial[1], spatial[2], op::elements(spatial)}, .n = n},
      .theta = context.in(0),
      .y = context.out(0),
      .workgroups = op::workgroups(n, 256)});
  return {};
}

Result<void> lower_crop_and_resize(LowerContext& context) {
  SLUICE_TRY(check_real(context));
  const Dims &x = context.in_dims(0), &rois = context.in_dims(1), &y = context.out_dims(0);
  if (x.size() != 4 || rois.size() != 2 || !(rois[1] == Dim(4)) || has_empty(x)) {
    return context.refuse(
        cat("input ", dims_text(x), " and regions ", dims_text(rois), " don't fit together"));
  }
  const std::string mode = context.attrs().string_or("mode", "bilinear");
  if (mode != "bilinear") {
    return context.refuse("the nearest pixel is that of places in double precision");
  }
  const Dim n = op::elements(y);
  context.dispatch(shader::crop_and_resize::Call{
      .knobs = {.T = plan::wgsl_type(context.in_format(0))},
      .params = {.images = x[0],
                 .channels = x[1],
                 .height = x[2],
                 .width = x[3],
                 .out_height = y[2],
                 .out_width = y[3],
                 .image_words = plan::element_bytes(context.in_format(2)) / 4,
                 .n = n,
                 .extrapolation = context.attrs().float_or("extrapolation_value", 0)},
      .x = context.in(0),
      .rois = context.in(1),
      .images = context.in(2),
      .y = context.out(0),
      .workgroups = op::workgroups(n, 256)});
  return {};
}

// --- moves

Result<void> lower_center_crop_pad(LowerContext& context) {
  SLUICE_TRY(check_sizes(context));
  const Dims &x = context.in_dims(0), &y = context.out_dims(0);
  if (x.size() != y.size() || x.size() > 8) {
    return context.refuse(cat("the input's rank is ", x.size(), " (takes up to 8)"));
  }
  Dims shift;
  for (size_t i = 0; i < x.size(); ++i) {
    const Dim overlap = Dim::min(x[i], y[i]);
    shift.push_back(Dim::floor_div(x[i] - overlap, Dim(2)) -
                    Dim::floor_div(y[i] - overlap, Dim(2)));
  }
  const Dim n = op::elements(y);
  context.dispatch(shader::center_crop_pad::Call{
      .knobs = {.T = move_type(context.in_format(0)), .RANK = static_cast<uint32_t>(x.size())},
      .params = {.in_dims = op::eight(x, 1),
                 .out_dims = op::eight(y, 1),
                 .shift = op::eight(shift, 0),
                 .n = n},
      .x = context.in(0),
      .y = context.out(0),
      .workgroups = op::workgroups(n, 256)});
  return {};
}

// y's six axes, and where they run in x.
Result<void> move_blocks(LowerContext& context, const Dims& dims, const Dims& strides) {
  const Dim n = op::elements(dims);
  context.dispatch(shader::blocks::Call{
      .knobs = {.T = move_type(context.in_format(0))},
      .params = {.dims = op::eight(dims, 1), .strides = op::eight(strides, 0), .n = n},
      .x = context.in(0),
      .y = context.out(0),
      .workgroups = op::workgroups(n, 256)});
  return {};
}

Result<void> lower_depth_to_space(LowerContext& context) {
  SLUICE_TRY(check_sizes(context));
  const Dims& x = context.in_dims(0);
  const Dim block = context.attrs().int_or("blocksize", 0), area = block * block;
  if (x.size() != 4) return context.refuse("the input's rank is not 4");
  const Dim c = Dim::floor_div(x[1], area), plane = x[2] * x[3];
  const bool dcr = context.attrs().string_or("mode", "DCR") == "DCR";
  return move_blocks(context, {x[0], c, x[2], block, x[3], block},
                     {x[1] * plane, dcr ? plane : area * plane, x[3],
                      dcr ? block * c * plane : block * plane, Dim(1), dcr ? c * plane : plane});
}

Result<void> lower_space_to_depth(LowerContext& context) {
  SLUICE_TRY(check_sizes(context));
  const Dims& x = context.in_dims(0);
  const Dim block = context.attrs().int_or("blocksize", 0);
  if (x.size() != 4) return context.refuse("the input's rank is not 4");
  return move_blocks(
      context, {x[0], block, block, x[1], Dim::floor_div(x[2], block), Dim::floor_div(x[3], block)},
      {x[1] * x[2] * x[3], x[3], Dim(1), x[2] * x[3], block * x[3], block});
}

Result<void> lower_col2im(LowerContext& context) {
  SLUICE_TRY(check_real(context));
  SLUICE_ASSIGN(const std::vector<int64_t> image, context.need_ints(1));
  SLUICE_ASSIGN(const std::vector<int64_t> block, context.need_ints(2));
  const Dims& x = context.in_dims(0);
  if (x.size() != 3 || image.empty() || image.size() != block.size() || image.size() > 8) {
    return context.refuse(cat(image.size(), " image and ", block.size(),
                              " block extents (takes as many of either, up to 8)"));
  }
  AttrMap attrs = context.attrs();
  attrs.set("kernel_shape", block);
  SLUICE_ASSIGN(const op::WindowAttrs window,
                op::read_window_attrs(attrs, static_cast<int>(image.size())));
  SLUICE_ASSIGN(const std::vector<op::WindowAxis> axes, op::resolve_window(window, image));
  Dims extents, blocks, kernel, stride, dilation, pad;
  for (const op::WindowAxis& axis : axes) {
    extents.emplace_back(axis.in);
    blocks.emplace_back(axis.out);
    kernel.emplace_back(axis.kernel);
    stride.emplace_back(axis.stride);
    dilation.emplace_back(axis.dilation);
    pad.emplace_back(axis.pad_begin);
  }
  const Dim taps = op::elements(kernel), count = op::elements(blocks);
  if (!(x[2] == count)) {
    return context.refuse(
        cat("the input has ", x[2].text(), " blocks and the image ", count.text()));
  }
  const Dim n = op::elements(context.out_dims(0));
  context.dispatch(shader::col2im::Call{.knobs = {.T = plan::wgsl_type(context.in_format(0)),
                                                  .RANK = static_cast<uint32_t>(axes.size())},
                                        .params = {.image = op::eight(extents, 1),
                                                   .blocks = op::eight(blocks, 1),
                                                   .kernel = op::eight(kernel, 1),
                                                   .stride = op::eight(stride, 1),
                                                   .dilation = op::eight(dilation, 1),
                                                   .pad = op::eight(pad, 0),
                                                   .elems = op::elements(extents),
                                                   .block_count = count,
                                                   .taps = taps,
                                                   .n = n},
                                        .x = context.in(0),
                                        .y = context.out(0),
                                        .workgroups = op::workgroups(n, 256)});
  return {};
}

constexpr op::GpuCandidate kResize[] = {
    {"resize.nearest", &lower_nearest},
    {"resize.plane", &lower_plane},
    {"resize.axes", &lower_axes},
};

struct Row {
  std::string_view domain, op;
  op::GpuCandidate candidate;
};
constexpr Row kRows[] = {
    {"", "GridSample", {"grid_sample", &lower_grid_sample}},
    {"", "AffineGrid", {"affine_grid", &lower_affine_grid}},
    {"com.microsoft", "CropAndResize", {"crop_and_resize", &lower_crop_and_resize}},
    {"", "CenterCropPad", {"center_crop_pad", &lower_center_crop_pad}},
    {"", "DepthToSpace", {"depth_to_space", &lower_depth_to_space}},
    {"", "SpaceToDepth", {"space_to_depth", &lower_space_to_depth}},
    {"", "Col2Im", {"col2im", &lower_col2im}},
};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  if (domain.empty() && name == "Resize") return kResize;
  for (const Row& row : kRows) {
    if (row.domain == domain && row.op == name) return {&row.candidate, 1};
  }
  return {};
}

}  // namespace sluice::ops::resize
