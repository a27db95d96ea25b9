// How the reduce family runs on the GPU. float64 stays on the CPU (positions of extremes excepted,
// which only need an order); so do roots and logarithms of integers, whose truncated values float32
// would not hit.
#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "op/gpu_copy.h"
#include "op/lower.h"
#include "shader/arg_columns.h"
#include "shader/arg_rows.h"
#include "shader/cumulate64.h"
#include "shader/cumulate_columns.h"
#include "shader/cumulate_rows.h"
#include "shader/reduce64.h"
#include "shader/reduce_columns.h"
#include "shader/reduce_rows.h"

namespace sluice::ops::reduce {

namespace {

using op::LowerContext;
using plan::DeviceFormat;

// Numbered as in shader/lib/reduction.wgsl.
enum Pre : uint32_t { kPlain = 0, kMagnitude = 1, kSquare = 2 };
enum Combine : uint32_t { kSum = 0, kMax = 1, kMin = 2, kProduct = 3, kLogSumExp = 4 };
enum Post : uint32_t { kNothing = 0, kMean = 1, kRoot = 2, kLog = 3, kFinishLogSumExp = 4 };

struct Kind {
  Pre pre = kPlain;
  Combine combine = kSum;
  Post post = kNothing;
};

constexpr uint32_t kInfinityBits = 0x7f800000, kNanBits = 0x7fc00000;

struct Axes {
  Dims kept_shape, kept_stride, reduced_shape, reduced_stride;
  bool innermost_reduced = false;
  Dim outputs, count;
};

Result<Axes> split_axes(LowerContext& context) {
  const Dims& in = context.in_dims(0);
  std::vector<int64_t> axes;
  if (context.has_input(1)) {
    SLUICE_ASSIGN(axes, context.need_ints(1));
  }
  const bool all = axes.empty() && context.attrs().int_or("noop_with_empty_axes", 0) == 0;
  std::vector<bool> reduced(in.size(), all);
  for (const int64_t axis : axes) {
    SLUICE_ASSIGN(const int at, op::gpu_axis(context, axis, in.size()));
    if (reduced[static_cast<size_t>(at)]) return context.refuse("an axis is named twice");
    reduced[static_cast<size_t>(at)] = true;
  }
  const Dims strides = op::strides(in);
  Axes out;
  for (size_t i = 0; i < in.size(); ++i) {
    (reduced[i] ? out.reduced_shape : out.kept_shape).push_back(in[i]);
    (reduced[i] ? out.reduced_stride : out.kept_stride).push_back(strides[i]);
    if (!(in[i] == Dim(1))) out.innermost_reduced = reduced[i];
  }
  out.outputs = op::elements(out.kept_shape);
  out.count = op::elements(out.reduced_shape);
  op::merge_axes(out.kept_shape, {&out.kept_stride});
  op::merge_axes(out.reduced_shape, {&out.reduced_stride});
  if (out.kept_shape.size() > 8 || out.reduced_shape.size() > 8) {
    return context.refuse("more than 8 axes are left after merging");
  }
  return out;
}

// Into how many shares the elements of each result are cut, so that few results keep a device busy.
int64_t shares(const Axes& axes, bool rows) {
  if (!axes.outputs.is_known() || !axes.count.is_known()) {
    // Whole workgroups are never too few; a single invocation might get a long way to go.
    const bool perhaps_long = !axes.count.is_known() || axes.count.value() > 2048;
    return !rows && perhaps_long ? 32 : 1;
  }
  const int64_t outputs = std::max<int64_t>(axes.outputs.value(), 1), count = axes.count.value();
  // A workgroup should have 4096 elements at least, an invocation 64.
  const int64_t wanted = rows ? 256 / outputs : 32768 / outputs;
  return std::clamp<int64_t>(std::min(wanted, count / (rows ? 4096 : 64)), 1, 1024);
}

struct Pass {
  plan::SlotId from = plan::kNoSlot, to = plan::kNoSlot;
  std::string_view x, y, accumulator;
  bool from_partials = false, partial = false, rows = false;
  Dim parts = 1, share, total;
};

template <class Call>
void dispatch_reduce(LowerContext& context, const Axes& axes, const Kind& kind, const Pass& pass,
                     uint32_t start, uint32_t bits, uint32_t workgroup, Dim workgroups) {
  const bool is_float = pass.accumulator == "f32";
  Call call{.knobs = {.A = pass.accumulator,
                      .FLOAT = is_float,
                      .PRE = kind.pre,
                      .COMBINE = kind.combine,
                      .POST = kind.post,
                      .BITS = bits,
                      .I = pass.accumulator == "u32" ? "u32" : "i32",
                      .X = pass.x,
                      .Y = pass.y,
                      .FROM_PARTIALS = pass.from_partials,
                      .PARTIAL = pass.partial,
                      .KEPT_AXES = static_cast<uint32_t>(axes.kept_shape.size()),
                      .REDUCED_AXES = static_cast<uint32_t>(axes.reduced_shape.size()),
                      .WG = workgroup},
            .params = {.kept_shape = op::eight(axes.kept_shape, Dim(1)),
                       .kept_stride = op::eight(axes.kept_stride, Dim(0)),
                       .reduced_shape = op::eight(axes.reduced_shape, Dim(1)),
                       .reduced_stride = op::eight(axes.reduced_stride, Dim(0)),
                       .outputs = axes.outputs,
                       .count = axes.count,
                       .parts = pass.parts,
                       .share = pass.share,
                       .total = pass.total,
                       .start = start,
                       .nan = kNanBits,
                       .infinity = kInfinityBits},
            .x = pass.from,
            .y = pass.to,
            .workgroups = std::move(workgroups)};
  if constexpr (requires { call.knobs.SUBGROUPS; }) {
    call.knobs.SUBGROUPS = context.features().subgroups && is_float && kind.combine == kSum;
  }
  context.dispatch(call);
}

void issue(LowerContext& context, const Axes& axes, const Kind& kind, const Pass& pass,
           uint32_t start, uint32_t bits) {
  const Dim results = axes.outputs * pass.parts;
  if (pass.rows) {
    const bool few = pass.share.is_known() && pass.share.value() <= 512;
    dispatch_reduce<shader::reduce_rows::Call>(context, axes, kind, pass, start, bits,
                                               few ? 64 : 256, results);
  } else {
    dispatch_reduce<shader::reduce_columns::Call>(context, axes, kind, pass, start, bits, 256,
                                                  op::workgroups(results, 256));
  }
}

// A plain loop of one invocation is as good as a tree for so few.
bool is_short(const Dim& count) { return count.is_known() && count.value() <= 32; }

// The result over nothing, as bits.
uint32_t start_bits(const Kind& kind, DType dtype, bool is_float) {
  if (kind.combine == kMax || kind.combine == kLogSumExp) {
    return is_float                ? 0x80000000u | kInfinityBits
           : dtype == DType::kBool ? 0u
                                   : static_cast<uint32_t>(integer_min(dtype));
  }
  if (kind.combine == kMin) {
    return is_float                ? kInfinityBits
           : dtype == DType::kBool ? 1u
                                   : static_cast<uint32_t>(integer_max(dtype));
  }
  if (kind.combine == kProduct) return is_float ? 0x3f800000u : 1u;
  return 0;
}

Result<void> reduce32(LowerContext& context, const Kind& kind) {
  const DeviceFormat format = context.in_format(0);
  const bool is_float = format == DeviceFormat::kF32 || format == DeviceFormat::kF16;
  if (!is_float && format != DeviceFormat::kI32 && format != DeviceFormat::kU32) {
    return context.refuse("only 32-bit and 16-bit formats are reduced here");
  }
  if (!is_float && kind.post != kNothing) {
    return context.refuse("integers are only summed, multiplied and compared here");
  }
  if (const std::string large = op::oversized(context); !large.empty()) {
    return context.refuse(large);
  }
  SLUICE_ASSIGN(const Axes axes, split_axes(context));
  const DType dtype = context.input_type(0).dtype;
  const uint32_t start = start_bits(kind, dtype, is_float);
  const uint32_t bits = is_float                ? 32
                        : dtype == DType::kBool ? 1
                                                : static_cast<uint32_t>(dtype_bits(dtype));
  Pass pass{.from = context.in(0),
            .to = context.out(0),
            .x = plan::wgsl_type(format),
            .y = plan::wgsl_type(format),
            .accumulator = is_float ? "f32" : plan::wgsl_type(format),
            .rows = axes.innermost_reduced && !is_short(axes.count),
            .share = axes.count,
            .total = axes.count};
  const int64_t parts = shares(axes, pass.rows);
  if (parts > 1) {
    // Two passes: shares first, then their results.
    const DeviceFormat between = is_float ? DeviceFormat::kF32 : format;
    const plan::SlotId partials = context.temp(between, axes.outputs * Dim(2 * parts));
    Pass first = pass;
    first.to = partials;
    first.y = plan::wgsl_type(between);
    first.partial = true;
    first.parts = parts;
    first.share = Dim::ceil_div(axes.count, Dim(parts));
    issue(context, axes, kind, first, start, bits);
    Axes second{.kept_shape = {axes.outputs},
                .kept_stride = {Dim(parts)},
                .reduced_shape = {Dim(parts)},
                .reduced_stride = {Dim(1)},
                .outputs = axes.outputs,
                .count = parts};
    pass.from = partials;
    pass.x = plan::wgsl_type(between);
    pass.from_partials = true;
    pass.rows = !is_short(second.count);
    pass.share = parts;
    issue(context, second, kind, pass, start, bits);
    return {};
  }
  issue(context, axes, kind, pass, start, bits);
  return {};
}

Result<void> reduce_wide(LowerContext& context, const Kind& kind) {
  const DeviceFormat format = context.in_format(0);
  const bool wide = format == DeviceFormat::kI64 || format == DeviceFormat::kU64;
  if (!wide && format != DeviceFormat::kI32 && format != DeviceFormat::kU32) {
    return context.refuse(format == DeviceFormat::kF64 ? "float64 is not computed on the device"
                                                       : "only integers are reduced in 64 bits");
  }
  if (kind.post != kNothing && kind.post != kMean) {
    return context.refuse("roots and logarithms of integers are not computed here");
  }
  if (!wide && kind.post != kMean) return context.refuse("32 bits are enough");
  if (const std::string large = op::oversized(context); !large.empty()) {
    return context.refuse(large);
  }
  SLUICE_ASSIGN(const Axes axes, split_axes(context));
  const bool is_signed = format == DeviceFormat::kI64 || format == DeviceFormat::kI32;
  std::array<Dim, 2> start{Dim(0), Dim(0)};
  constexpr int64_t kOnes = 0xffffffff, kTop = 0x80000000;
  if (kind.combine == kProduct) start = {Dim(1), Dim(0)};
  if (kind.combine == kMax && is_signed) start = {Dim(0), Dim(kTop)};
  if (kind.combine == kMin) start = {Dim(kOnes), Dim(is_signed ? kTop - 1 : kOnes)};
  const bool few = axes.count.is_known() && axes.count.value() <= 512;
  context.dispatch(shader::reduce64::Call{
      .knobs = {.SOURCE = format == DeviceFormat::kI64   ? 0u
                          : format == DeviceFormat::kU64 ? 1u
                          : format == DeviceFormat::kI32 ? 2u
                                                         : 3u,
                .PRE = kind.pre,
                .COMBINE = kind.combine,
                .MEAN = kind.post == kMean,
                .KEPT_AXES = static_cast<uint32_t>(axes.kept_shape.size()),
                .REDUCED_AXES = static_cast<uint32_t>(axes.reduced_shape.size()),
                .WG = few ? 64u : 256u},
      .params = {.kept_shape = op::eight(axes.kept_shape, Dim(1)),
                 .kept_stride = op::eight(axes.kept_stride, Dim(0)),
                 .reduced_shape = op::eight(axes.reduced_shape, Dim(1)),
                 .reduced_stride = op::eight(axes.reduced_stride, Dim(0)),
                 .start = start,
                 .outputs = axes.outputs,
                 .count = axes.count},
      .x = context.in(0),
      .y = context.out(0),
      .workgroups = axes.outputs});
  return {};
}

template <Pre kPre, Combine kCombine, Post kPost>
Result<void> lower_reduce(LowerContext& context) {
  return reduce32(context, {kPre, kCombine, kPost});
}
template <Pre kPre, Combine kCombine, Post kPost>
Result<void> lower_reduce_wide(LowerContext& context) {
  return reduce_wide(context, {kPre, kCombine, kPost});
}

template <bool kSmallest>
Result<void> lower_arg(LowerContext& context) {
  if (const std::string large = op::oversized(context); !large.empty()) {
    return context.refuse(large);
  }
  const Dims& in = context.in_dims(0);
  SLUICE_ASSIGN(const int axis_int, op::gpu_axis(context, context.attrs().int_or("axis", 0),
                                                 std::max<size_t>(in.size(), 1)));
  const auto axis = static_cast<size_t>(axis_int);
  uint32_t format = 6;
  switch (context.in_format(0)) {
    case DeviceFormat::kF32:
      format = 0;
      break;
    case DeviceFormat::kF16:
      format = 1;
      break;
    case DeviceFormat::kI32:
      format = 2;
      break;
    case DeviceFormat::kU32:
      format = 3;
      break;
    case DeviceFormat::kI64:
      format = 4;
      break;
    case DeviceFormat::kU64:
      format = 5;
      break;
    case DeviceFormat::kF64:
      break;
    case DeviceFormat::kNone:
      return context.refuse("its elements stay on the host");
  }
  // A scalar counts as one element.
  const Dim extent = in.empty() ? Dim(1) : in[axis];
  const Dim outer = in.empty() ? Dim(1) : product(in, 0, axis);
  const Dim inner = in.empty() ? Dim(1) : product(in, axis + 1, in.size());
  if (extent == Dim(0)) return context.refuse("an empty axis has no extreme element");
  const Dim outputs = outer * inner;
  const bool last = context.attrs().int_or("select_last_index", 0) != 0;
  const bool few_long =
      extent.is_known() && extent.value() > 1024 && outputs.is_known() && outputs.value() < 4096;
  const bool rows = (inner == Dim(1) && !is_short(extent)) || few_long;
  const auto fill = [&](auto call) {
    call.knobs.FORMAT = format;
    call.knobs.SMALLEST = kSmallest;
    call.knobs.LAST = last;
    call.params.outputs = outputs;
    call.params.extent = extent;
    call.params.inner = inner;
    call.x = context.in(0);
    call.y = context.out(0);
    call.workgroups = rows ? outputs : op::workgroups(outputs, 256);
    context.dispatch(call);
  };
  if (rows) {
    fill(shader::arg_rows::Call{});
  } else {
    fill(shader::arg_columns::Call{});
  }
  return {};
}

template <bool kProductOf>
Result<void> lower_cumulate(LowerContext& context) {
  if (const std::string large = op::oversized(context); !large.empty()) {
    return context.refuse(large);
  }
  const Dims& in = context.in_dims(0);
  SLUICE_ASSIGN(const std::vector<int64_t> axes, context.need_ints(1));
  if (axes.size() != 1) return context.refuse("the axis is not one number");
  SLUICE_ASSIGN(const int axis_int, op::gpu_axis(context, axes[0], in.size()));
  const auto axis = static_cast<size_t>(axis_int);
  const Dim length = in[axis], inner = product(in, axis + 1, in.size());
  const Dim lines = product(in, 0, axis) * inner;
  const bool exclusive = context.attrs().int_or("exclusive", 0) != 0;
  const bool reverse = context.attrs().int_or("reverse", 0) != 0;
  const DeviceFormat format = context.in_format(0);
  if (format == DeviceFormat::kI64 || format == DeviceFormat::kU64) {
    context.dispatch(shader::cumulate64::Call{
        .knobs = {.PRODUCT = kProductOf, .EXCLUSIVE = exclusive, .REVERSE = reverse},
        .params = {.lines = lines, .length = length, .inner = inner},
        .x = context.in(0),
        .y = context.out(0),
        .workgroups = op::workgroups(lines, 256)});
    return {};
  }
  const bool is_float = format == DeviceFormat::kF32 || format == DeviceFormat::kF16;
  if (!is_float && format != DeviceFormat::kI32 && format != DeviceFormat::kU32) {
    return context.refuse("float64 is not computed on the device");
  }
  const auto fill = [&](auto& call) {
    call.knobs.T = plan::wgsl_type(format);
    call.knobs.A = is_float ? "f32" : plan::wgsl_type(format);
    call.knobs.I = format == DeviceFormat::kU32 ? "u32" : "i32";
    call.knobs.FLOAT = is_float;
    call.knobs.PRODUCT = kProductOf;
    call.knobs.EXCLUSIVE = exclusive;
    call.knobs.REVERSE = reverse;
    call.knobs.BITS =
        is_float ? 32u : static_cast<uint32_t>(dtype_bits(context.input_type(0).dtype));
    call.params.lines = lines;
    call.params.length = length;
    call.params.inner = inner;
    call.x = context.in(0);
    call.y = context.out(0);
  };
  // Lines enough to keep a device busy, or too short to share, take an invocation each.
  const bool columns =
      (lines.is_known() && lines.value() >= 4096) || (length.is_known() && length.value() <= 64);
  if (columns) {
    shader::cumulate_columns::Call call;
    fill(call);
    call.workgroups = op::workgroups(lines, 256);
    context.dispatch(call);
  } else {
    shader::cumulate_rows::Call call;
    fill(call);
    call.params.stretch = Dim::ceil_div(length, Dim(256));
    call.workgroups = lines;
    context.dispatch(call);
  }
  return {};
}

struct Row {
  std::string_view op;
  std::array<op::GpuCandidate, 2> candidates;
  size_t count = 2;
};

template <Pre kPre, Combine kCombine, Post kPost>
constexpr Row reduction(std::string_view op) {
  return {op,
          {{{"reduce", &lower_reduce<kPre, kCombine, kPost>},
            {"reduce.int64", &lower_reduce_wide<kPre, kCombine, kPost>}}}};
}

constexpr Row kRows[] = {
    reduction<kPlain, kSum, kNothing>("ReduceSum"),
    reduction<kPlain, kSum, kMean>("ReduceMean"),
    reduction<kPlain, kMax, kNothing>("ReduceMax"),
    reduction<kPlain, kMin, kNothing>("ReduceMin"),
    reduction<kPlain, kProduct, kNothing>("ReduceProd"),
    reduction<kMagnitude, kSum, kNothing>("ReduceL1"),
    reduction<kSquare, kSum, kRoot>("ReduceL2"),
    reduction<kPlain, kSum, kLog>("ReduceLogSum"),
    reduction<kPlain, kLogSumExp, kFinishLogSumExp>("ReduceLogSumExp"),
    reduction<kSquare, kSum, kNothing>("ReduceSumSquare"),
    {"ArgMax", {{{"arg", &lower_arg<false>}}}, 1},
    {"ArgMin", {{{"arg", &lower_arg<true>}}}, 1},
    {"CumSum", {{{"cumulate", &lower_cumulate<false>}}}, 1},
    {"CumProd", {{{"cumulate", &lower_cumulate<true>}}}, 1},
};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  for (const Row& row : kRows) {
    if (domain.empty() && row.op == name) return std::span(row.candidates).first(row.count);
  }
  return {};
}

}  // namespace sluice::ops::reduce
