// How Concat, Split, Slice and Pad run on the GPU: strided copies, and one kernel that pads. Where
// the whole of a Concat or Split has more than one row, up to seven parts move in one dispatch;
// else each part is a range of the whole, and a copy that compile/place_slices can save.
#include <algorithm>
#include <array>
#include <limits>

#include "base/text.h"
#include "op/gpu_copy.h"
#include "op/lower.h"
#include "ops/concat/concat.h"
#include "shader/concat_rows.h"
#include "shader/pad.h"
#include "shader/split_rows.h"
#include "shader/strided_copy.h"

namespace sluice::ops::concat {

namespace {

using op::LowerContext;
using CopyCall = shader::strided_copy::Call;

// The parts of a Concat or Split as ranges of rows, in units of memory.
struct Rows {
  std::string_view unit;  // WGSL type
  Dim count, row;         // rows, and the length of one of the whole
  struct Part {
    plan::SlotId slot;
    Dim first, length;
  };
  std::vector<Part> parts;
};

// `parts`: slots of the parts and their extents along `axis` of a whole of the given extents.
Result<Rows> rows_of(const LowerContext& context, const Dims& whole, size_t axis,
                     const std::vector<std::pair<plan::SlotId, Dim>>& parts) {
  Rows rows;
  rows.count = product(whole, 0, axis);
  if (rows.count == Dim(1)) return context.refuse("each part is a range of the whole");
  if (parts.size() < 2) return context.refuse("there is one part");
  if (const std::string large = op::oversized(context); !large.empty()) {
    return context.refuse(large);
  }
  const plan::DeviceFormat format = context.out_format(0);
  if (plan::element_bytes(format) == 0) return context.refuse("its elements stay on the host");
  const Dim inner = product(whole, axis + 1, whole.size());
  Dims lengths;
  for (const auto& [slot, extent] : parts) lengths.push_back(extent * inner);
  const op::MoveUnit unit = op::widest_unit(format, lengths);
  rows.unit = unit.type;
  Dim first(0);
  for (size_t i = 0; i < parts.size(); ++i) {
    const auto length = op::exact_quotient(lengths[i], unit.elements);
    if (!length || length->is_unknown()) return context.refuse("a part's length is not known");
    rows.parts.push_back({parts[i].first, first, *length});
    first = first + *length;
  }
  rows.row = first;
  return rows;
}

// The seven parts from `at` on, as both shaders want them.
struct Together {
  shader::row_parts::Params params;
  uint32_t count = 0;
};
constexpr size_t kTogether = 7;  // and the whole: the 8 buffers that a dispatch may bind
Result<Together> together(const LowerContext& context, const Rows& rows, size_t at) {
  Together out;
  shader::row_parts::Params& params = out.params;
  params.ends.fill(Dim(0));
  params.row = rows.row;
  params.first = rows.parts[at].first;
  for (; out.count < kTogether && at + out.count < rows.parts.size(); ++out.count) {
    params.span = params.span + rows.parts[at + out.count].length;
    params.ends[out.count] = params.span;
  }
  params.n = rows.count * params.span;
  if (op::workgroups(params.n, 256).is_unknown() || params.first.is_unknown()) {
    return context.refuse("a length has no expression in the symbols");
  }
  return out;
}

Result<void> lower_concat_rows(LowerContext& context) {
  const Dims& out = context.out_dims(0);
  SLUICE_ASSIGN(const int axis,
                op::gpu_axis(context, context.attrs().int_or("axis", 0), out.size()));
  std::vector<std::pair<plan::SlotId, Dim>> parts;
  for (int i = 0; i < context.input_count(); ++i) {
    const Dims& in = context.in_dims(i);
    if (in.size() != out.size()) return context.refuse(cat("operand ", i, " has another rank"));
    parts.emplace_back(context.in(i), in[static_cast<size_t>(axis)]);
  }
  SLUICE_ASSIGN(const Rows rows, rows_of(context, out, static_cast<size_t>(axis), parts));
  for (size_t at = 0; at < rows.parts.size(); at += kTogether) {
    SLUICE_ASSIGN(const Together these, together(context, rows, at));
    std::array<plan::SlotRange, kTogether> x;
    for (size_t i = 0; i < these.count; ++i) x[i] = rows.parts[at + i].slot;
    context.dispatch(shader::concat_rows::Call{.knobs = {.T = rows.unit, .PARTS = these.count},
                                               .params = these.params,
                                               .x0 = x[0],
                                               .x1 = x[1],
                                               .x2 = x[2],
                                               .x3 = x[3],
                                               .x4 = x[4],
                                               .x5 = x[5],
                                               .x6 = x[6],
                                               .y = context.out(0),
                                               .workgroups = op::workgroups(these.params.n, 256)});
  }
  return {};
}

Result<void> lower_concat(LowerContext& context) {
  const Dims& out = context.out_dims(0);
  SLUICE_ASSIGN(const int axis_int,
                op::gpu_axis(context, context.attrs().int_or("axis", 0), out.size()));
  const auto axis = static_cast<size_t>(axis_int);
  const Dims to_strides = op::strides(out);
  Dim at(0);
  for (int i = 0; i < context.input_count(); ++i) {
    const Dims& in = context.in_dims(i);
    if (in.size() != out.size()) return context.refuse(cat("operand ", i, " has another rank"));
    SLUICE_TRY(op::dispatch_copy<CopyCall>(context, {.from = context.in(i),
                                                     .to = context.out(0),
                                                     .shape = in,
                                                     .from_strides = op::strides(in),
                                                     .to_strides = to_strides,
                                                     .to_offset = at * to_strides[axis]}));
    at = at + in[axis];
  }
  return {};
}

Result<void> lower_split_rows(LowerContext& context) {
  const Dims& in = context.in_dims(0);
  SLUICE_ASSIGN(const int axis,
                op::gpu_axis(context, context.attrs().int_or("axis", 0), in.size()));
  std::vector<std::pair<plan::SlotId, Dim>> parts;
  for (int i = 0; i < context.output_count(); ++i) {
    if (!context.has_output(i)) return context.refuse("a part is not wanted");
    parts.emplace_back(context.out(i), context.out_dims(i)[static_cast<size_t>(axis)]);
  }
  SLUICE_ASSIGN(const Rows rows, rows_of(context, in, static_cast<size_t>(axis), parts));
  for (size_t at = 0; at < rows.parts.size(); at += kTogether) {
    SLUICE_ASSIGN(const Together these, together(context, rows, at));
    std::array<plan::SlotRange, kTogether> y;
    for (size_t i = 0; i < kTogether; ++i) {
      // A writable binding must be there, and must be no other one's memory.
      y[i] = i < these.count ? rows.parts[at + i].slot : context.temp(context.in_format(0), 4);
    }
    context.dispatch(shader::split_rows::Call{.knobs = {.T = rows.unit, .PARTS = these.count},
                                              .params = these.params,
                                              .x = context.in(0),
                                              .y0 = y[0],
                                              .y1 = y[1],
                                              .y2 = y[2],
                                              .y3 = y[3],
                                              .y4 = y[4],
                                              .y5 = y[5],
                                              .y6 = y[6],
                                              .workgroups = op::workgroups(these.params.n, 256)});
  }
  return {};
}

Result<void> lower_split(LowerContext& context) {
  const Dims& in = context.in_dims(0);
  SLUICE_ASSIGN(const int axis_int,
                op::gpu_axis(context, context.attrs().int_or("axis", 0), in.size()));
  const auto axis = static_cast<size_t>(axis_int);
  const auto outputs = static_cast<size_t>(context.output_count());
  // Where each part begins; nothing depends on it for a part that is empty.
  Dims begins{Dim(0)};
  if (context.has_input(1)) {
    SLUICE_ASSIGN(const Dims parts, op::need_dims(context, 1));
    if (parts.size() != outputs) return context.refuse("the parts are not as many as the outputs");
    for (const Dim& part : parts) begins.push_back(begins.back() + part);
  } else {
    const Dim chunk = Dim::ceil_div(in[axis], Dim(static_cast<int64_t>(outputs)));
    for (size_t i = 1; i < outputs; ++i) begins.push_back(chunk * Dim(static_cast<int64_t>(i)));
  }
  const Dims from_strides = op::strides(in);
  for (size_t i = 0; i < outputs; ++i) {
    const auto k = static_cast<int>(i);
    if (!context.has_output(k)) continue;
    const Dims& out = context.out_dims(k);
    SLUICE_TRY(
        op::dispatch_copy<CopyCall>(context, {.from = context.in(0),
                                              .to = context.out(k),
                                              .shape = out,
                                              .from_strides = from_strides,
                                              .to_strides = op::strides(out),
                                              .from_offset = begins[i] * from_strides[axis]}));
  }
  return {};
}

// Where a slice begins; the clamping of clamped_range for extents that may be symbols.
Dim first_index(int64_t start, int64_t step, const Dim& extent) {
  if (extent.is_known()) {
    return clamped_range(
               start,
               step > 0 ? std::numeric_limits<int64_t>::max() : std::numeric_limits<int64_t>::min(),
               step, extent.value())
        .start;
  }
  constexpr int64_t kFar = std::numeric_limits<int32_t>::max();
  if (step > 0) {
    if (start == 0 || start < -kFar) return 0;
    return start > 0 ? Dim::min(Dim(std::min(start, kFar)), extent)
                     : Dim::max(extent + Dim(start), Dim(0));
  }
  if (start == -1 || start > kFar) return extent - Dim(1);
  if (start < -kFar) return 0;
  return start >= 0 ? Dim::min(Dim(start), extent - Dim(1)) : Dim::max(extent + Dim(start), Dim(0));
}

Result<void> lower_slice(LowerContext& context) {
  const Dims& in = context.in_dims(0);
  const Dims& out = context.out_dims(0);
  SLUICE_ASSIGN(const std::vector<int64_t> starts, context.need_ints(1));
  std::vector<int64_t> axes, steps(starts.size(), 1);
  if (context.has_input(3)) {
    SLUICE_ASSIGN(axes, context.need_ints(3));
  } else {
    for (size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  }
  if (context.has_input(4)) {
    SLUICE_ASSIGN(steps, context.need_ints(4));
  }
  if (axes.size() != starts.size() || steps.size() != starts.size()) {
    return context.refuse("starts, axes and steps are not equally many");
  }
  Dims strides = op::strides(in);
  Dim base(0);
  std::vector<bool> seen(in.size(), false);
  for (size_t i = 0; i < axes.size(); ++i) {
    SLUICE_ASSIGN(const int axis_int, op::gpu_axis(context, axes[i], in.size()));
    const auto axis = static_cast<size_t>(axis_int);
    if (seen[axis] || steps[i] == 0) {
      return context.refuse(seen[axis] ? "an axis is named twice" : "a step is 0");
    }
    seen[axis] = true;
    // Nothing is read where nothing is left.
    if (out[axis].is_known() && out[axis].value() == 0) continue;
    base = base + first_index(starts[i], steps[i], in[axis]) * strides[axis];
    // A single element needs no stride, and a huge step, which leaves one element, would overflow.
    constexpr int64_t kFar = std::numeric_limits<int32_t>::max();
    const bool single =
        (out[axis].is_known() && out[axis].value() == 1) || steps[i] > kFar || steps[i] < -kFar;
    strides[axis] = single ? Dim(0) : strides[axis] * Dim(steps[i]);
  }
  return op::dispatch_copy<CopyCall>(context, {.from = context.in(0),
                                               .to = context.out(0),
                                               .shape = out,
                                               .from_strides = strides,
                                               .to_strides = op::strides(out),
                                               .from_offset = base});
}

Result<void> lower_pad(LowerContext& context) {
  if (const std::string large = op::oversized(context); !large.empty()) {
    return context.refuse(large);
  }
  const Dims& in = context.in_dims(0);
  const Dims& out = context.out_dims(0);
  const size_t rank = in.size();
  SLUICE_ASSIGN(const std::vector<int64_t> pads, context.need_ints(1));
  const auto mode = pad_mode(context.attrs());
  if (!mode.ok()) return context.refuse(mode.error().message);
  std::vector<int64_t> begins(rank, 0), ends(rank, 0), axes;
  if (context.has_input(3)) {
    SLUICE_ASSIGN(axes, context.need_ints(3));
  } else {
    for (size_t i = 0; i < rank; ++i) axes.push_back(static_cast<int64_t>(i));
  }
  if (pads.size() != 2 * axes.size()) return context.refuse("the pads are not two for each axis");
  std::vector<bool> seen(rank, false);
  for (size_t i = 0; i < axes.size(); ++i) {
    SLUICE_ASSIGN(const int axis_int, op::gpu_axis(context, axes[i], rank));
    const auto axis = static_cast<size_t>(axis_int);
    if (seen[axis]) return context.refuse("an axis is named twice");
    seen[axis] = true;
    begins[axis] = pads[i];
    ends[axis] = pads[i + axes.size()];
    constexpr int64_t kFar = 1 << 30;
    if (std::max(std::abs(begins[axis]), std::abs(ends[axis])) > kFar) {
      return context.refuse("a pad exceeds 2^30");
    }
  }
  Dims shape, strides, begin, low, kept;
  const Dims in_strides = op::strides(in);
  for (size_t i = 0; i < rank; ++i) {
    const bool untouched = begins[i] == 0 && ends[i] == 0;
    const Dim left =
        in[i] + Dim(std::min<int64_t>(begins[i], 0)) + Dim(std::min<int64_t>(ends[i], 0));
    if (*mode != PadMode::kConstant && left.is_known() && left.value() <= 0 &&
        !(out[i].is_known() && out[i].value() == 0)) {
      return context.refuse(cat("axis ", i, " has nothing to repeat"));
    }
    if (untouched && i > 0 && begins[i - 1] == 0 && ends[i - 1] == 0) {
      shape.back() = shape.back() * out[i];
      kept.back() = kept.back() * in[i];
      strides.back() = in_strides[i];
      continue;
    }
    shape.push_back(out[i]);
    strides.push_back(in_strides[i]);
    begin.push_back(Dim(std::max<int64_t>(begins[i], 0)));
    low.push_back(Dim(std::max<int64_t>(-begins[i], 0)));
    kept.push_back(left);
  }
  if (shape.size() > 8) return context.refuse("more than 8 axes are left after merging");
  plan::SlotId value = plan::kNoSlot;
  if (context.has_input(2) && *mode == PadMode::kConstant) {
    value = context.in(2);
    if (context.input_type(2).dtype != context.input_type(0).dtype) {
      SLUICE_ASSIGN(const Tensor given, context.need_constant(2));
      if (given.elements() != 1 || given.dtype() == DType::kString) {
        return context.refuse("the constant is not one number");
      }
      const double number = given.get_double(0);
      value = context.constant(
          Tensor::of_doubles(context.input_type(0).dtype, Shape{}, std::span(&number, 1)), "pad");
    }
  }
  const plan::DeviceFormat format = context.out_format(0);
  if (plan::element_bytes(format) == 0) return context.refuse("its elements stay on the host");
  const Dim n = op::elements(out);
  const uint32_t number = *mode == PadMode::kConstant  ? 0
                          : *mode == PadMode::kEdge    ? 1
                          : *mode == PadMode::kReflect ? 2
                                                       : 3;
  context.dispatch(shader::pad::Call{.knobs = {.T = op::move_type(format),
                                               .MODE = number,
                                               .AXES = static_cast<uint32_t>(shape.size())},
                                     .params = {.shape = op::eight(shape, Dim(1)),
                                                .stride = op::eight(strides, Dim(0)),
                                                .begin = op::eight(begin, Dim(0)),
                                                .low = op::eight(low, Dim(0)),
                                                .kept = op::eight(kept, Dim(1)),
                                                .n = n},
                                     .x = context.in(0),
                                     .value = value,
                                     .y = context.out(0),
                                     .workgroups = op::workgroups(n, 256)});
  return {};
}

struct Row {
  std::string_view domain, op;
  std::array<op::GpuCandidate, 2> candidates;
  size_t count = 1;
};
constexpr Row kRows[] = {
    {"", "Concat", {{{"concat.rows", &lower_concat_rows}, {"concat.copy", &lower_concat}}}, 2},
    {"", "Split", {{{"split.rows", &lower_split_rows}, {"split.copy", &lower_split}}}, 2},
    {"", "Slice", {{{"slice.copy", &lower_slice}}}},
    {"", "Pad", {{{"pad", &lower_pad}}}},
    {"com.microsoft", "Pad", {{{"pad", &lower_pad}}}},
};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  for (const Row& row : kRows) {
    if (row.domain == domain && row.op == name) return {row.candidates.data(), row.count};
  }
  return {};
}

}  // namespace sluice::ops::concat
