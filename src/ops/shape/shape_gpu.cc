// How the shape family runs on the GPU. Reshape and its kin are views and need no kernel.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "op/gpu_copy.h"
#include "op/lower.h"
#include "ops/shape/shape.h"
#include "shader/eye.h"
#include "shader/put_extents.h"
#include "shader/range.h"
#include "shader/range64.h"
#include "shader/strided_copy.h"
#include "shader/transpose_tiles.h"
#include "shader/trilu.h"

namespace sluice::ops::shape {

namespace {

using op::LowerContext;
using plan::DeviceFormat;
using CopyCall = shader::strided_copy::Call;

Result<Dims> transposed_strides(LowerContext& context) {
  const Dims& in = context.in_dims(0);
  const auto perm = permutation(context.attrs(), static_cast<int>(in.size()));
  if (!perm.ok()) return context.refuse(perm.error().message);
  const Dims in_strides = op::strides(in);
  Dims out;
  for (const int axis : *perm) out.push_back(in_strides[static_cast<size_t>(axis)]);
  return out;
}

Result<void> lower_transpose_tiles(LowerContext& context) {
  if (const std::string large = op::oversized(context); !large.empty()) {
    return context.refuse(large);
  }
  Dims shape = context.out_dims(0);
  SLUICE_ASSIGN(Dims from, transposed_strides(context));
  Dims to = op::strides(shape);
  op::merge_axes(shape, {&from, &to});
  if (shape.size() < 2 || shape.size() > 8) {
    return context.refuse(cat(shape.size(), " axes are left after merging (2 to 8)"));
  }
  const size_t l = shape.size() - 1;
  const auto found = std::ranges::find(from, Dim(1));
  if (found == from.end() || from[l] == Dim(1)) {
    return context.refuse("the innermost axis stays the innermost");
  }
  const auto k = static_cast<size_t>(found - from.begin());
  // Tiles of 32 x 32 would be mostly empty.
  constexpr int64_t kWorthwhile = 8;
  for (const size_t axis : {k, l}) {
    if (shape[axis].is_known() && shape[axis].value() < kWorthwhile) {
      return context.refuse(
          cat("an extent of ", shape[axis].value(), " fills no tile (at least 8)"));
    }
  }
  Dims rest, rest_from, rest_to;
  for (size_t i = 0; i < l; ++i) {
    if (i == k) continue;
    rest.push_back(shape[i]);
    rest_from.push_back(from[i]);
    rest_to.push_back(to[i]);
  }
  const Dim batches = op::elements(rest);
  const Dim k_tiles = Dim::ceil_div(shape[k], Dim(32)), l_tiles = Dim::ceil_div(shape[l], Dim(32));
  context.dispatch(
      shader::transpose_tiles::Call{.knobs = {.T = op::move_type(context.out_format(0)),
                                              .AXES = static_cast<uint32_t>(rest.size())},
                                    .params = {.shape = op::eight(rest, Dim(1)),
                                               .from_stride = op::eight(rest_from, Dim(0)),
                                               .to_stride = op::eight(rest_to, Dim(0)),
                                               .batches = batches,
                                               .k_extent = shape[k],
                                               .l_extent = shape[l],
                                               .l_from = from[l],
                                               .k_to = to[k],
                                               .k_tiles = k_tiles,
                                               .l_tiles = l_tiles},
                                    .x = context.in(0),
                                    .y = context.out(0),
                                    .workgroups = batches * k_tiles * l_tiles});
  return {};
}

Result<void> lower_transpose(LowerContext& context) {
  const Dims& out = context.out_dims(0);
  SLUICE_ASSIGN(Dims from, transposed_strides(context));
  return op::dispatch_copy<CopyCall>(context, {.from = context.in(0),
                                               .to = context.out(0),
                                               .shape = out,
                                               .from_strides = std::move(from),
                                               .to_strides = op::strides(out)});
}

Result<void> lower_expand(LowerContext& context) {
  Dims in = context.in_dims(0), out = context.out_dims(0);
  if (!op::broadcast_is_certain(in, out)) {
    SLUICE_ASSIGN(const Shape in_shape, context.static_in(0));
    SLUICE_ASSIGN(const Shape out_shape, context.static_out(0));
    in = to_dims(in_shape);
    out = to_dims(out_shape);
    if (!op::broadcast_is_certain(in, out)) return context.refuse("the shapes don't broadcast");
  }
  return op::dispatch_copy<CopyCall>(context, {.from = context.in(0),
                                               .to = context.out(0),
                                               .shape = out,
                                               .from_strides = op::broadcast_strides(in, out),
                                               .to_strides = op::strides(out)});
}

// Every axis becomes two: the repetitions, which don't move in the input, and the elements.
Result<void> lower_tile(LowerContext& context) {
  const Dims& in = context.in_dims(0);
  SLUICE_ASSIGN(const Dims repeats, op::need_dims(context, 1));
  if (repeats.size() != in.size()) return context.refuse("the repeats are not one for each axis");
  const Dims in_strides = op::strides(in), out_strides = op::strides(context.out_dims(0));
  Dims shape, from, to;
  for (size_t i = 0; i < in.size(); ++i) {
    shape.push_back(repeats[i]);
    from.push_back(Dim(0));
    to.push_back(out_strides[i] * in[i]);
    shape.push_back(in[i]);
    from.push_back(in_strides[i]);
    to.push_back(out_strides[i]);
  }
  return op::dispatch_copy<CopyCall>(context, {.from = context.in(0),
                                               .to = context.out(0),
                                               .shape = std::move(shape),
                                               .from_strides = std::move(from),
                                               .to_strides = std::move(to)});
}

Result<void> lower_constant_of_shape(LowerContext& context) {
  const Dims& out = context.out_dims(0);
  const Tensor* given = context.attrs().tensor("value");
  if (given != nullptr && given->elements() != 1) return context.refuse("the value is not one");
  const Tensor value = given != nullptr ? given->reshaped(Shape{}) : Tensor::scalar(0.0F);
  if (plan::element_bytes(context.out_format(0)) == 0) {
    return context.refuse("its elements stay on the host");
  }
  return op::dispatch_copy<CopyCall>(context, {.from = context.constant(value, "fill"),
                                               .to = context.out(0),
                                               .shape = out,
                                               .from_strides = Dims(out.size(), Dim(0)),
                                               .to_strides = op::strides(out)});
}

Result<void> lower_range(LowerContext& context) {
  const DeviceFormat format = context.out_format(0);
  const Dim n = op::elements(context.out_dims(0));
  if (format == DeviceFormat::kI64 || format == DeviceFormat::kU64) {
    context.dispatch(shader::range64::Call{.params = {.n = n},
                                           .start = context.in(0),
                                           .delta = context.in(2),
                                           .y = context.out(0),
                                           .workgroups = op::workgroups(n, 256)});
    return {};
  }
  if (plan::element_bytes(format) == 0 || format == DeviceFormat::kF64) {
    return context.refuse("float64 is not computed on the device");
  }
  context.dispatch(shader::range::Call{
      .knobs = {.T = plan::wgsl_type(format),
                .FLOAT = format == DeviceFormat::kF32 || format == DeviceFormat::kF16},
      .params = {.n = n},
      .start = context.in(0),
      .delta = context.in(2),
      .y = context.out(0),
      .workgroups = op::workgroups(n, 256)});
  return {};
}

Result<void> lower_eye_like(LowerContext& context) {
  if (const std::string large = op::oversized(context); !large.empty()) {
    return context.refuse(large);
  }
  const Dims& out = context.out_dims(0);
  const DType dtype = context.output_type(0).dtype;
  if (out.size() != 2) return context.refuse("it does not have 2 axes");
  if (plan::element_bytes(context.out_format(0)) == 0) {
    return context.refuse("its elements stay on the host");
  }
  constexpr int64_t kFar = 1 << 30;
  const double one = 1;
  const Dim n = op::elements(out);
  context.dispatch(shader::eye::Call{
      .knobs = {.T = op::move_type(context.out_format(0))},
      .params = {.n = n,
                 .columns = out[1],
                 .k = std::clamp<int64_t>(context.attrs().int_or("k", 0), -kFar, kFar)},
      .one = context.constant(Tensor::of_doubles(dtype, Shape{}, std::span(&one, 1)), "one"),
      .y = context.out(0),
      .workgroups = op::workgroups(n, 256)});
  return {};
}

Result<void> lower_trilu(LowerContext& context) {
  if (const std::string large = op::oversized(context); !large.empty()) {
    return context.refuse(large);
  }
  const Dims& dims = context.in_dims(0);
  if (dims.size() < 2) return context.refuse("it has fewer than 2 axes");
  if (plan::element_bytes(context.out_format(0)) == 0) {
    return context.refuse("its elements stay on the host");
  }
  const Dim n = op::elements(dims);
  const bool wide = context.has_input(1) && context.in_format(1) == DeviceFormat::kI64;
  context.dispatch(shader::trilu::Call{
      .knobs = {.T = op::move_type(context.out_format(0)),
                .UPPER = context.attrs().int_or("upper", 1) != 0,
                .K_WORDS = wide ? 2u : 1u},
      .params = {.n = n, .rows = dims[dims.size() - 2], .columns = dims[dims.size() - 1]},
      .x = context.in(0),
      .k = context.in(1),
      .y = context.out(0),
      .workgroups = op::workgroups(n, 256)});
  return {};
}

void put_extents(LowerContext& context, const Dims& values) {
  for (size_t first = 0; first == 0 || first < values.size(); first += 8) {
    const size_t count = std::min<size_t>(8, values.size() - first);
    shader::put_extents::Call call{.y = context.out(0), .workgroups = count == 0 ? 0 : 1};
    call.params.values.fill(Dim(0));
    for (size_t i = 0; i < count; ++i) call.params.values[i] = values[first + i];
    call.params.first = static_cast<int64_t>(first);
    call.params.count = static_cast<int64_t>(count);
    context.dispatch(call);
  }
}

// The shape is known to the uniform block, so the tensor itself is not read.
Result<void> lower_shape(LowerContext& context) {
  const Dims& in = context.in_dims(0);
  const auto rank = static_cast<int64_t>(in.size());
  const auto clamped = [&](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  const int64_t start = clamped(context.attrs().int_or("start", 0));
  const int64_t end = std::max(start, clamped(context.attrs().int_or("end", rank)));
  put_extents(context, Dims(in.begin() + start, in.begin() + end));
  return {};
}

Result<void> lower_size(LowerContext& context) {
  put_extents(context, Dims{op::elements(context.in_dims(0))});
  return {};
}

struct Row {
  std::string_view domain, op;
  std::array<op::GpuCandidate, 2> candidates;
  size_t count = 1;
};
constexpr Row kRows[] = {
    {"",
     "Transpose",
     {{{"transpose.tiles", &lower_transpose_tiles}, {"transpose.copy", &lower_transpose}}},
     2},
    {"", "Expand", {{{"expand.copy", &lower_expand}}}},
    {"", "Tile", {{{"tile.copy", &lower_tile}}}},
    {"", "ConstantOfShape", {{{"constant_of_shape.copy", &lower_constant_of_shape}}}},
    {"", "Range", {{{"range", &lower_range}}}},
    {"", "EyeLike", {{{"eye_like", &lower_eye_like}}}},
    {"", "Trilu", {{{"trilu", &lower_trilu}}}},
    {"com.microsoft", "Trilu", {{{"trilu", &lower_trilu}}}},
    {"", "Shape", {{{"shape.extents", &lower_shape}}}},
    {"", "Size", {{{"size.extents", &lower_size}}}},
};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  for (const Row& row : kRows) {
    if (row.domain == domain && row.op == name) {
      return std::span(row.candidates).first(row.count);
    }
  }
  return {};
}

}  // namespace sluice::ops::shape
