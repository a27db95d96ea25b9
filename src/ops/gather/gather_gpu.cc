// How the gather family runs on the GPU. Compress, NonZero and Unique have results whose size
// depends on the data and stay on the CPU. The device can't report an index out of range: reads
// give zeros and writes are dropped; indices that are known beforehand are judged here.
#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

#include "base/text.h"
#include "op/gpu_copy.h"
#include "op/lower.h"
#include "ops/gather/gather.h"
#include "shader/gather.h"
#include "shader/gather_elements.h"
#include "shader/gather_nd.h"
#include "shader/one_hot.h"
#include "shader/reverse_sequence.h"
#include "shader/scatter_link.h"
#include "shader/scatter_reduce.h"
#include "shader/scatter_reduce64.h"
#include "shader/scatter_set.h"
#include "shader/scatter_targets.h"
#include "shader/strided_copy.h"
#include "shader/tensor_scatter.h"
#include "shader/top_k_emit.h"
#include "shader/top_k_exchange.h"
#include "shader/top_k_sort.h"

namespace sluice::ops::gather {

namespace {

using op::LowerContext;
using plan::DeviceFormat;
using CopyCall = shader::strided_copy::Call;

uint32_t words(DeviceFormat format) { return format == DeviceFormat::kI64 ? 2 : 1; }

// The tensors are on the device and fit bindings, and operand `indices` is int32 or int64.
Result<void> check(LowerContext& context, int indices) {
  if (plan::element_bytes(context.out_format(0)) == 0) {
    return context.refuse("its elements stay on the host");
  }
  const DeviceFormat format = context.in_format(indices);
  if (format != DeviceFormat::kI64 && format != DeviceFormat::kI32) {
    return context.refuse("the indices are neither int32 nor int64");
  }
  if (const std::string large = op::oversized(context); !large.empty()) {
    return context.refuse(large);
  }
  return {};
}

// Indices known beforehand must be in range, so that the reference can report them.
Result<void> judge_indices(LowerContext& context, int operand, const Dim& extent) {
  const Tensor* known = context.NodeView::constant(operand);
  if (known == nullptr || !extent.is_known()) return {};
  for (const int64_t index : known->to_ints()) {
    if (index < -extent.value() || index >= extent.value()) {
      return context.refuse(
          cat("the index ", index, " is out of range (", extent.value(), " elements)"));
    }
  }
  return {};
}

Result<void> lower_gather(LowerContext& context) {
  const Dims& in = context.in_dims(0);
  SLUICE_ASSIGN(const int axis_int,
                op::gpu_axis(context, context.attrs().int_or("axis", 0), in.size()));
  const auto axis = static_cast<size_t>(axis_int);
  const DeviceFormat format = context.out_format(0);
  if (plan::element_bytes(format) == 0) return context.refuse("its elements stay on the host");
  const DeviceFormat index_format = context.in_format(1);
  if (index_format != DeviceFormat::kI64 && index_format != DeviceFormat::kI32) {
    return context.refuse("the indices are neither int32 nor int64");
  }
  SLUICE_TRY(judge_indices(context, 1, in[axis]));
  const Dim inner_elements = product(in, axis + 1, in.size());
  const op::MoveUnit unit = op::widest_unit(format, std::span(&inner_elements, 1));
  const Dim inner = Dim::floor_div(inner_elements, Dim(unit.elements));
  const Dim outer = product(in, 0, axis), picks = op::elements(context.in_dims(1));
  const Dim x_rows = outer * in[axis], y_rows = outer * picks;
  const auto issue = [&](const plan::SlotRange& x, Dim x_first, Dim x_count,
                         const plan::SlotRange& y, Dim y_first, const Dim& y_count) {
    const Dim n = y_count * inner;
    context.dispatch(shader::gather::Call{.knobs = {.T = unit.type, .WORDS = words(index_format)},
                                          .params = {.n = n,
                                                     .inner = inner,
                                                     .picks = picks,
                                                     .extent = in[axis],
                                                     .x_first = std::move(x_first),
                                                     .x_rows = std::move(x_count),
                                                     .y_first = std::move(y_first)},
                                          .x = x,
                                          .index = context.in(1),
                                          .y = y,
                                          .workgroups = op::workgroups(n, 256)});
  };
  const auto limit = static_cast<int64_t>(context.limits().max_storage_binding_bytes);
  const Dim x_bytes = x_rows * inner * Dim(unit.bytes), y_bytes = y_rows * inner * Dim(unit.bytes);
  const bool x_fits = !x_bytes.is_known() || x_bytes.value() <= limit;
  const bool y_fits = !y_bytes.is_known() || y_bytes.value() <= limit;
  if (x_fits && y_fits) {
    issue(context.in(0), 0, x_rows, context.out(0), 0, y_rows);
    return {};
  }
  if (!x_rows.is_known() || !y_rows.is_known() || !inner.is_known()) {
    SLUICE_TRY(context.static_in(0));
    SLUICE_TRY(context.static_in(1));
    return context.refuse("a tensor exceeds a binding and its extents are not numbers");
  }
  // Ranges of whole rows that begin at multiples of 256 bytes.
  const int64_t row_bytes = inner.value() * unit.bytes;
  const int64_t step = 256 / std::gcd<int64_t>(256, row_bytes);
  const int64_t most = (limit - 256) / row_bytes / step * step;
  if (most == 0) return context.refuse("a row exceeds a binding");
  const auto range = [&](plan::SlotId slot, bool fits, int64_t first, int64_t count) {
    if (fits) return plan::SlotRange(slot);
    return plan::SlotRange(slot, Dim(first * row_bytes), Dim((count * row_bytes + 15) / 16 * 16));
  };
  for (int64_t y = 0; y < y_rows.value(); y += y_fits ? y_rows.value() : most) {
    const int64_t y_count = y_fits ? y_rows.value() : std::min(most, y_rows.value() - y);
    for (int64_t x = 0; x < x_rows.value(); x += x_fits ? x_rows.value() : most) {
      const int64_t x_count = x_fits ? x_rows.value() : std::min(most, x_rows.value() - x);
      issue(range(context.in(0), x_fits, x, x_count), Dim(x), Dim(x_count),
            range(context.out(0), y_fits, y, y_count), Dim(y), Dim(y_count));
    }
  }
  return {};
}

Result<void> lower_gather_elements(LowerContext& context) {
  SLUICE_TRY(check(context, 1));
  const Dims& in = context.in_dims(0);
  SLUICE_ASSIGN(const int axis_int,
                op::gpu_axis(context, context.attrs().int_or("axis", 0), in.size()));
  const auto axis = static_cast<size_t>(axis_int);
  SLUICE_TRY(judge_indices(context, 1, in[axis]));
  Dims shape = context.in_dims(1), strides = op::strides(in);
  if (shape.size() != in.size()) return context.refuse("the indices have another rank");
  const Dim n = op::elements(shape), axis_stride = strides[axis];
  strides[axis] = 0;
  op::merge_axes(shape, {&strides});
  if (shape.size() > 8) return context.refuse("more than 8 axes are left after merging");
  context.dispatch(
      shader::gather_elements::Call{.knobs = {.T = op::move_type(context.out_format(0)),
                                              .WORDS = words(context.in_format(1)),
                                              .AXES = static_cast<uint32_t>(shape.size())},
                                    .params = {.shape = op::eight(shape, Dim(1)),
                                               .stride = op::eight(strides, Dim(0)),
                                               .n = n,
                                               .extent = in[axis],
                                               .axis_stride = axis_stride},
                                    .x = context.in(0),
                                    .index = context.in(1),
                                    .y = context.out(0),
                                    .workgroups = op::workgroups(n, 256)});
  return {};
}

Result<int64_t> tuple_depth(LowerContext& context, int operand) {
  const Dims& indices = context.in_dims(operand);
  if (indices.empty()) return context.refuse("the indices are a scalar");
  if (!indices.back().is_known()) {
    SLUICE_ASSIGN(const Shape shape, context.static_in(operand));
    return shape[-1];
  }
  return indices.back().value();
}

Result<void> lower_gather_nd(LowerContext& context) {
  SLUICE_TRY(check(context, 1));
  const Dims &in = context.in_dims(0), &indices = context.in_dims(1);
  SLUICE_ASSIGN(const int64_t depth_int, tuple_depth(context, 1));
  const auto depth = static_cast<size_t>(depth_int);
  const auto batch = static_cast<size_t>(context.attrs().int_or("batch_dims", 0));
  if (batch >= std::min(in.size(), indices.size()) || depth + batch > in.size() || depth > 8) {
    return context.refuse("the tuples don't fit the axes (at most 8)");
  }
  const Dims strides = op::strides(in);
  std::vector<Dim> lengths{product(in, batch + depth, in.size())};
  const op::MoveUnit unit = op::widest_unit(context.out_format(0), lengths);
  const Dim factor(unit.elements);
  const Dim size = Dim::floor_div(lengths[0], factor);
  const Dim tuples = product(indices, 0, indices.size() - 1);
  const Dim per_batch = product(indices, batch, indices.size() - 1);
  const Dim n = tuples * size;
  shader::gather_nd::Call call{.knobs = {.T = unit.type,
                                         .WORDS = words(context.in_format(1)),
                                         .DEPTH = static_cast<uint32_t>(depth)},
                               .x = context.in(0),
                               .index = context.in(1),
                               .y = context.out(0),
                               .workgroups = op::workgroups(n, 256)};
  call.params.extent.fill(Dim(1));
  call.params.stride.fill(Dim(0));
  for (size_t k = 0; k < depth; ++k) {
    call.params.extent[k] = in[batch + k];
    call.params.stride[k] = Dim::floor_div(strides[batch + k], factor);
  }
  call.params.n = n;
  call.params.size = size;
  call.params.per_batch = per_batch;
  call.params.batch_units = Dim::floor_div(product(in, batch, in.size()), factor);
  context.dispatch(call);
  return {};
}

// --- Scatter: first the cell of every update, then who comes last in each cell or a list of all
// who come there, then the result.

uint32_t reduction_of(const AttrMap& attrs) {
  const std::string name = attrs.string_or("reduction", "none");
  return name == "none"  ? 0
         : name == "add" ? 1
         : name == "mul" ? 2
         : name == "max" ? 3
         : name == "min" ? 4
                         : 5;
}

struct Scatter {
  plan::SlotId target = plan::kNoSlot;
  Dim updates;  // number of updates
  Dim cells, size;
};

Result<void> finish_scatter(LowerContext& context, const Scatter& s) {
  const uint32_t reduction = reduction_of(context.attrs());
  const DeviceFormat format = context.out_format(0);
  const bool is_float = format == DeviceFormat::kF32 || format == DeviceFormat::kF16;
  if (reduction > 4) return context.refuse("the reduction is not known");
  if (reduction != 0 && format == DeviceFormat::kF64) {
    return context.refuse("float64 is not computed on the device");
  }
  const Dim n = s.cells * s.size;
  const plan::SlotId head = context.temp(DeviceFormat::kU32, Dim::max(s.cells, Dim(1)));
  const plan::SlotId next = context.temp(DeviceFormat::kU32, Dim::max(s.updates, Dim(1)));
  SLUICE_TRY(op::dispatch_copy<CopyCall>(context, {.from = plan::kNoSlot,
                                                   .to = head,
                                                   .shape = {s.cells},
                                                   .from_strides = {Dim(0)},
                                                   .to_strides = {Dim(1)}}));
  context.dispatch(shader::scatter_link::Call{.knobs = {.LINK = reduction != 0},
                                              .params = {.n = s.updates},
                                              .target_cell = s.target,
                                              .head = head,
                                              .next = next,
                                              .workgroups = op::workgroups(s.updates, 256)});
  if (reduction == 0) {
    SLUICE_TRY(op::dispatch_copy<CopyCall>(context, {.from = context.in(0),
                                                     .to = context.out(0),
                                                     .shape = {n},
                                                     .from_strides = {Dim(1)},
                                                     .to_strides = {Dim(1)}}));
    const op::MoveUnit unit = op::widest_unit(format, std::span(&s.size, 1));
    const Dim size = Dim::floor_div(s.size, Dim(unit.elements)), units = s.updates * size;
    context.dispatch(shader::scatter_set::Call{.knobs = {.T = unit.type},
                                               .params = {.n = units, .size = size},
                                               .updates = context.in(2),
                                               .target_cell = s.target,
                                               .last = head,
                                               .y = context.out(0),
                                               .workgroups = op::workgroups(units, 256)});
    return {};
  }
  if (format == DeviceFormat::kI64 || format == DeviceFormat::kU64) {
    context.dispatch(shader::scatter_reduce64::Call{
        .knobs = {.OP = reduction, .SIGNED = format == DeviceFormat::kI64},
        .params = {.n = n, .size = s.size},
        .data = context.in(0),
        .updates = context.in(2),
        .head = head,
        .next = next,
        .y = context.out(0),
        .workgroups = op::workgroups(n, 256)});
    return {};
  }
  const DType dtype = context.output_type(0).dtype;
  const uint32_t bits = is_float                ? 32
                        : dtype == DType::kBool ? 1
                                                : static_cast<uint32_t>(dtype_bits(dtype));
  context.dispatch(
      shader::scatter_reduce::Call{.knobs = {.T = plan::wgsl_type(format),
                                             .OP = reduction,
                                             .FLOAT = is_float,
                                             .I = format == DeviceFormat::kU32 ? "u32" : "i32",
                                             .BITS = bits},
                                   .params = {.n = n, .size = s.size, .updates = s.updates},
                                   .data = context.in(0),
                                   .updates = context.in(2),
                                   .target_cell = s.target,
                                   .head = head,
                                   .next = next,
                                   .y = context.out(0),
                                   .workgroups = op::workgroups(n, 256)});
  return {};
}

Result<void> lower_scatter_elements(LowerContext& context) {
  SLUICE_TRY(check(context, 1));
  const Dims& data = context.in_dims(0);
  SLUICE_ASSIGN(const int axis_int,
                op::gpu_axis(context, context.attrs().int_or("axis", 0), data.size()));
  const auto axis = static_cast<size_t>(axis_int);
  SLUICE_TRY(judge_indices(context, 1, data[axis]));
  Dims shape = context.in_dims(1), strides = op::strides(data);
  if (shape.size() != data.size()) return context.refuse("the indices have another rank");
  Scatter s{.updates = op::elements(shape), .cells = op::elements(data), .size = 1};
  const Dim axis_stride = strides[axis];
  strides[axis] = 0;
  op::merge_axes(shape, {&strides});
  if (shape.size() > 8) return context.refuse("more than 8 axes are left after merging");
  s.target = context.temp(DeviceFormat::kU32, Dim::max(s.updates, Dim(1)));
  context.dispatch(
      shader::scatter_targets::Call{.knobs = {.WORDS = words(context.in_format(1)),
                                              .BY_TUPLE = false,
                                              .DEPTH = static_cast<uint32_t>(shape.size())},
                                    .params = {.extent = op::eight(shape, Dim(1)),
                                               .stride = op::eight(strides, Dim(0)),
                                               .n = s.updates,
                                               .axis_extent = data[axis],
                                               .axis_stride = axis_stride},
                                    .index = context.in(1),
                                    .target_cell = s.target,
                                    .workgroups = op::workgroups(s.updates, 256)});
  return finish_scatter(context, s);
}

Result<void> lower_scatter_nd(LowerContext& context) {
  SLUICE_TRY(check(context, 1));
  const Dims &data = context.in_dims(0), &indices = context.in_dims(1);
  SLUICE_ASSIGN(const int64_t depth_int, tuple_depth(context, 1));
  const auto depth = static_cast<size_t>(depth_int);
  if (depth > data.size() || depth > 8) {
    return context.refuse("the tuples don't fit the axes (at most 8)");
  }
  Scatter s{.updates = product(indices, 0, indices.size() - 1),
            .cells = product(data, 0, depth),
            .size = product(data, depth, data.size())};
  const Dims strides = op::strides(Dims(data.begin(), data.begin() + depth_int));
  s.target = context.temp(DeviceFormat::kU32, Dim::max(s.updates, Dim(1)));
  shader::scatter_targets::Call call{.knobs = {.WORDS = words(context.in_format(1)),
                                               .BY_TUPLE = true,
                                               .DEPTH = static_cast<uint32_t>(depth)},
                                     .index = context.in(1),
                                     .target_cell = s.target,
                                     .workgroups = op::workgroups(s.updates, 256)};
  call.params.extent.fill(Dim(1));
  call.params.stride.fill(Dim(0));
  for (size_t k = 0; k < depth; ++k) {
    call.params.extent[k] = data[k];
    call.params.stride[k] = strides[k];
  }
  call.params.n = s.updates;
  context.dispatch(call);
  return finish_scatter(context, s);
}

Result<void> lower_tensor_scatter(LowerContext& context) {
  if (plan::element_bytes(context.out_format(0)) == 0) {
    return context.refuse("its elements stay on the host");
  }
  if (const std::string large = op::oversized(context); !large.empty()) {
    return context.refuse(large);
  }
  const Dims &cache = context.in_dims(0), &update = context.in_dims(1);
  SLUICE_ASSIGN(const int axis_int,
                op::gpu_axis(context, context.attrs().int_or("axis", -2), cache.size()));
  const auto axis = static_cast<size_t>(axis_int);
  const std::string mode = context.attrs().string_or("mode", "linear");
  if (axis == 0 || update.size() != cache.size() || (mode != "linear" && mode != "circular")) {
    return context.refuse("the operands don't fit");
  }
  const Dim n = op::elements(cache);
  context.dispatch(shader::tensor_scatter::Call{
      .knobs = {.T = op::move_type(context.out_format(0)),
                .WORDS = context.has_input(2) ? words(context.in_format(2)) : 2,
                .HAS_WRITE = context.has_input(2),
                .CIRCULAR = mode == "circular"},
      .params = {.n = n,
                 .extent = cache[axis],
                 .length = update[axis],
                 .inner = product(cache, axis + 1, cache.size()),
                 .per_batch = product(cache, 1, axis)},
      .cache = context.in(0),
      .update_rows = context.in(1),
      .write_at = context.in(2),
      .y = context.out(0),
      .workgroups = op::workgroups(n, 256)});
  return {};
}

Result<void> lower_one_hot(LowerContext& context) {
  if (plan::element_bytes(context.out_format(0)) == 0) {
    return context.refuse("its elements stay on the host");
  }
  if (const std::string large = op::oversized(context); !large.empty()) {
    return context.refuse(large);
  }
  const Dims& out = context.out_dims(0);
  SLUICE_ASSIGN(const int axis_int,
                op::gpu_axis(context, context.attrs().int_or("axis", -1), out.size()));
  const auto axis = static_cast<size_t>(axis_int);
  uint32_t index = 0;
  switch (context.in_format(0)) {
    case DeviceFormat::kF32:
      index = 0;
      break;
    case DeviceFormat::kF16:
      index = 1;
      break;
    case DeviceFormat::kI32:
      index = 2;
      break;
    case DeviceFormat::kU32:
      index = 3;
      break;
    case DeviceFormat::kI64:
      index = 4;
      break;
    case DeviceFormat::kU64:
      index = 5;
      break;
    default:
      return context.refuse("indices of this type are not read on the device");
  }
  const Dim n = op::elements(out);
  context.dispatch(shader::one_hot::Call{
      .knobs = {.T = op::move_type(context.out_format(0)), .INDEX = index},
      .params = {.n = n, .depth = out[axis], .inner = product(out, axis + 1, out.size())},
      .index = context.in(0),
      .values = context.in(2),
      .y = context.out(0),
      .workgroups = op::workgroups(n, 256)});
  return {};
}

Result<void> lower_reverse_sequence(LowerContext& context) {
  SLUICE_TRY(check(context, 1));
  const Dims& in = context.in_dims(0);
  const int64_t batch_axis = context.attrs().int_or("batch_axis", 1);
  const int64_t time_axis = context.attrs().int_or("time_axis", 0);
  if (in.size() < 2 || batch_axis + time_axis != 1 || batch_axis * time_axis != 0) {
    return context.refuse("batch and time are not the first two axes");
  }
  const Dim inner = product(in, 2, in.size());
  const op::MoveUnit unit = op::widest_unit(context.out_format(0), std::span(&inner, 1));
  const Dim units = Dim::floor_div(inner, Dim(unit.elements));
  const Dim n = in[0] * in[1] * units;
  context.dispatch(
      shader::reverse_sequence::Call{.knobs = {.T = unit.type,
                                               .WORDS = words(context.in_format(1)),
                                               .BATCH_FIRST = batch_axis == 0},
                                     .params = {.n = n,
                                                .inner = units,
                                                .batches = in[static_cast<size_t>(batch_axis)],
                                                .times = in[static_cast<size_t>(time_axis)]},
                                     .x = context.in(0),
                                     .length = context.in(1),
                                     .y = context.out(0),
                                     .workgroups = op::workgroups(n, 256)});
  return {};
}

// --- TopK

// FORMAT of shader/lib/order_key.wgsl.
uint32_t key_format(DeviceFormat format) {
  switch (format) {
    case DeviceFormat::kF32:
      return 0;
    case DeviceFormat::kF16:
      return 1;
    case DeviceFormat::kI32:
      return 2;
    case DeviceFormat::kU32:
      return 3;
    case DeviceFormat::kI64:
      return 4;
    case DeviceFormat::kU64:
      return 5;
    default:
      return 6;
  }
}

// A chunk of 1024 elements with 64-bit keys takes 12 of the 16 KiB of workgroup memory.
constexpr int64_t kChunk = 1024;

Result<void> lower_top_k(LowerContext& context) {
  if (plan::element_bytes(context.in_format(0)) == 0) {
    return context.refuse("its elements stay on the host");
  }
  if (const std::string large = op::oversized(context); !large.empty()) {
    return context.refuse(large);
  }
  const Dims& in = context.in_dims(0);
  SLUICE_ASSIGN(const int axis_int,
                op::gpu_axis(context, context.attrs().int_or("axis", -1), in.size()));
  const auto axis = static_cast<size_t>(axis_int);
  SLUICE_ASSIGN(const std::vector<int64_t> ks, context.need_ints(1));
  if (!in[axis].is_known()) SLUICE_TRY(context.static_in(0));
  if (ks.size() != 1 || !in[axis].is_known()) return context.refuse("k is not one number");
  const int64_t k = ks[0], extent = in[axis].value();
  if (k < 0 || k > extent) {
    return context.refuse(cat("k is ", k, " (the axis has ", extent, " elements)"));
  }
  if (extent > (1 << 24)) return context.refuse("the axis has more than 2^24 elements");
  const uint32_t format = key_format(context.in_format(0));
  const bool wide = format >= 4, largest = context.attrs().int_or("largest", 1) != 0;
  const Dim inner = product(in, axis + 1, in.size());
  const Dim rows = product(in, 0, axis) * inner;
  struct Candidates {
    plan::SlotId keys = plan::kNoSlot, position = plan::kNoSlot;
  };
  const auto make = [&](int64_t per_row) {
    const Dim count = Dim::max(rows * Dim(per_row), Dim(1));
    return Candidates{context.temp(DeviceFormat::kU32, wide ? count * Dim(2) : count),
                      context.temp(DeviceFormat::kU32, count)};
  };
  const int64_t width = extent <= 64 ? 64 : extent <= 256 ? 256 : kChunk;
  const auto sort = [&](const Candidates* from, const Candidates& to, int64_t n, int64_t chunks,
                        int64_t keep, bool merge, int64_t descending_bit) {
    context.dispatch(
        shader::top_k_sort::Call{.knobs = {.FORMAT = format,
                                           .P = static_cast<uint32_t>(width),
                                           .WG = width == 64    ? 32u
                                                 : width == 256 ? 128u
                                                                : 256u,
                                           .FROM_KEYS = from != nullptr,
                                           .MERGE = merge,
                                           .LARGEST = largest},
                                 .params = {.rows = rows,
                                            .n = n,
                                            .chunks = chunks,
                                            .keep = keep,
                                            .extent = extent,
                                            .inner = inner,
                                            .descending_bit = descending_bit},
                                 .x = context.in(0),
                                 .keys_in = from != nullptr ? from->keys : plan::kNoSlot,
                                 .index_in = from != nullptr ? from->position : plan::kNoSlot,
                                 .keys_out = to.keys,
                                 .index_out = to.position,
                                 .workgroups = rows * Dim(chunks)});
  };
  Candidates found;
  int64_t row_stride = k;
  if (k == 0) {
    found = make(1);
  } else if (extent <= width || k <= kChunk / 2) {
    // Chunks send their best k into the next round until one chunk is left.
    int64_t n = extent;
    for (bool first = true;; first = false) {
      const int64_t chunks = (n + width - 1) / width, keep = std::min(k, width);
      const Candidates next = make(chunks * keep);
      sort(first ? nullptr : &found, next, n, chunks, keep, false, 0);
      found = next;
      if (chunks == 1) break;
      n = chunks * keep;
    }
  } else {
    // All of the row is sorted: chunks first, alternately best and worst first, then ever longer
    // bitonic sequences are merged.
    const auto n = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(extent)));
    const int64_t chunks = n / kChunk;
    Candidates other = make(n);
    found = make(n);
    sort(nullptr, found, extent, chunks, kChunk, false, kChunk);
    for (int64_t stage = 2 * kChunk; stage <= n; stage *= 2) {
      for (int64_t distance = stage / 2; distance >= kChunk; distance /= 2) {
        const Dim pairs = rows * Dim(n / 2);
        context.dispatch(shader::top_k_exchange::Call{
            .knobs = {.WIDE = wide},
            .params = {.pairs = pairs, .n = n, .stage = stage, .distance = distance},
            .keys = found.keys,
            .position = found.position,
            .workgroups = op::workgroups(pairs, 256)});
      }
      sort(&found, other, n, chunks, kChunk, true, stage);
      std::swap(found, other);
    }
    row_stride = n;
  }
  const Dim n = rows * Dim(k);
  const plan::SlotId indices = context.has_output(1)
                                   ? context.out(1)
                                   : context.temp(DeviceFormat::kI64, Dim::max(n, Dim(1)));
  context.dispatch(shader::top_k_emit::Call{
      .knobs = {.T = op::move_type(context.in_format(0))},
      .params = {.n = n, .k = k, .inner = inner, .extent = extent, .row_stride = row_stride},
      .x = context.in(0),
      .position = found.position,
      .values = context.out(0),
      .indices = indices,
      .workgroups = op::workgroups(n, 256)});
  return {};
}

struct Row {
  std::string_view domain, op;
  op::GpuCandidate candidate;
};
constexpr Row kRows[] = {
    {"", "Gather", {"gather", &lower_gather}},
    {"", "GatherElements", {"gather_elements", &lower_gather_elements}},
    {"", "GatherND", {"gather_nd", &lower_gather_nd}},
    {"com.microsoft", "GatherND", {"gather_nd", &lower_gather_nd}},
    {"", "ScatterElements", {"scatter_elements", &lower_scatter_elements}},
    {"", "ScatterND", {"scatter_nd", &lower_scatter_nd}},
    {"", "TensorScatter", {"tensor_scatter", &lower_tensor_scatter}},
    {"", "OneHot", {"one_hot", &lower_one_hot}},
    {"", "ReverseSequence", {"reverse_sequence", &lower_reverse_sequence}},
    {"", "TopK", {"top_k.bitonic", &lower_top_k}},
};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  for (const Row& row : kRows) {
    if (row.domain == domain && row.op == name) return {&row.candidate, 1};
  }
  return {};
}

}  // namespace sluice::ops::gather
