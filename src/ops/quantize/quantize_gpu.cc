// How the quantizing operators run on the GPU. Scales and zero points are read on the device, never
// baked in; operators with more of them than a shader may bind collect them first (quant_pack).
#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>

#include "base/text.h"
#include "op/elementwise.h"
#include "op/lower.h"
#include "op/operand.h"
#include "ops/quantize/quantize.h"
#include "shader/dequantize.h"
#include "shader/dynamic_range.h"
#include "shader/gather_blocks.h"
#include "shader/mul_integer.h"
#include "shader/pieces.h"
#include "shader/qlinear_binary.h"
#include "shader/qlinear_softmax.h"
#include "shader/qlinear_unary.h"
#include "shader/quant_pack.h"
#include "shader/quantize.h"
#include "shader/reduce_quantized.h"
#include "shader/where.h"

namespace sluice::ops::quantize {

namespace {

using op::LowerContext;
using plan::DeviceFormat;
using plan::SlotId;

bool is_float(DeviceFormat format) {
  return format == DeviceFormat::kF32 || format == DeviceFormat::kF16;
}
bool is_word(DeviceFormat format) {
  return format == DeviceFormat::kI32 || format == DeviceFormat::kU32;
}
uint32_t bits_of(DType dtype) { return static_cast<uint32_t>(dtype_bits(dtype)); }

// Kinds of lib/small_float.
uint32_t small_kind(DType dtype) {
  switch (dtype) {
    case DType::kFloat16:
      return 1;
    case DType::kBFloat16:
      return 2;
    case DType::kFloat8E4M3FN:
      return 3;
    case DType::kFloat8E4M3FNUZ:
      return 4;
    case DType::kFloat8E5M2:
      return 5;
    case DType::kFloat8E5M2FNUZ:
      return 6;
    case DType::kFloat4E2M1:
      return 7;
    default:
      return 0;
  }
}

// QuantLayout over extents that may be symbolic.
struct Layout {
  uint32_t mode = 0;
  Dim axis = 1, inner = 1, block = 1, blocks = 1;
};
Result<Layout> layout_of(LowerContext& context) {
  const Dims& x = context.in_dims(0);
  const Dims& scale = context.in_dims(1);
  const int64_t block = context.attrs().int_or("block_size", 0);
  Layout out;
  if (op::elements(scale) == Dim(1)) return out;
  SLUICE_ASSIGN(const int at, op::gpu_axis(context, context.attrs().int_or("axis", 1), x.size()));
  const auto axis = static_cast<size_t>(at);
  out.axis = x[axis];
  out.inner = product(x, axis + 1, x.size());
  const Dims expected = [&] {
    if (block == 0) return Dims{x[axis]};
    Dims blocked = x;
    blocked[axis] = Dim::ceil_div(x[axis], block);
    return blocked;
  }();
  bool same = scale.size() == expected.size();
  for (size_t i = 0; same && i < scale.size(); ++i) same = scale[i] == expected[i];
  if (!same) {
    context.made.wants_static = true;
    return context.refuse(cat("scales of shape ", dims_text(scale),
                              " may not fit an input of shape ", dims_text(x), " (",
                              dims_text(expected), " expected)"));
  }
  out.mode = block == 0 ? 1 : 2;
  if (block != 0) {
    out.block = block;
    out.blocks = expected[axis];
  }
  return out;
}

Result<void> quantize(LowerContext& context) {
  const DeviceFormat fx = context.in_format(0), fs = context.in_format(1),
                     fy = context.out_format(0);
  const DType dtype = context.output_type(0).dtype;
  const bool has_zero = context.has_input(2);
  if ((!is_float(fx) && fx != DeviceFormat::kI32) || (!is_float(fs) && fs != DeviceFormat::kI32)) {
    return context.refuse(cat("an input of ", dtype_name(context.input_type(0).dtype),
                              " and a scale of ", dtype_name(context.input_type(1).dtype),
                              " are not computed here"));
  }
  const int64_t precision = context.attrs().int_or("precision", 0);
  uint32_t rounds = 0;
  if (precision != 0 && precision != static_cast<int64_t>(DType::kFloat32)) {
    rounds = dtype_is_valid(precision) ? small_kind(static_cast<DType>(precision)) : 0;
    if (rounds == 0 || rounds > 2) {
      return context.refuse(cat("the quotient is asked for in the type number ", precision,
                                " (float32, float16 or bfloat16 here)"));
    }
  }
  SLUICE_ASSIGN(const Layout layout, layout_of(context));
  const Dim n = op::elements(context.in_dims(0));
  const bool integer = is_integer(dtype);
  const DeviceFormat fz = has_zero ? context.in_format(2) : fy;
  context.dispatch(
      shader::quantize::Call{.knobs = {.MODE = layout.mode,
                                       .BITS = integer ? bits_of(dtype) : 8u,
                                       .SIGNED = fy == DeviceFormat::kI32,
                                       .X = plan::wgsl_type(fx),
                                       .S = plan::wgsl_type(fs),
                                       .Z = plan::wgsl_type(fz),
                                       .R = plan::wgsl_type(fy),
                                       .HAS_ZERO = has_zero,
                                       .SMALL = integer ? 0u : small_kind(dtype),
                                       .PRECISION = rounds,
                                       .SATURATE = context.attrs().int_or("saturate", 1) != 0},
                             .params = {.n = n,
                                        .axis = layout.axis,
                                        .inner = layout.inner,
                                        .block = layout.block,
                                        .blocks = layout.blocks},
                             .x = context.in(0),
                             .scale = context.in(1),
                             .zero = has_zero ? context.in(2) : plan::kNoSlot,
                             .y = context.out(0),
                             .workgroups = op::workgroups(n, 256)});
  return {};
}

Result<void> dequantize(LowerContext& context) {
  const DeviceFormat fx = context.in_format(0), fs = context.in_format(1),
                     fy = context.out_format(0);
  const DType dtype = context.input_type(0).dtype;
  const bool has_zero = context.has_input(2);
  if ((fx != DeviceFormat::kF32 && !is_word(fx)) || (!is_float(fs) && fs != DeviceFormat::kI32) ||
      !is_float(fy)) {
    return context.refuse(cat("an input of ", dtype_name(dtype), " with a scale of ",
                              dtype_name(context.input_type(1).dtype), " is not computed here"));
  }
  if (has_zero && context.in_format(2) != fx) {
    return context.refuse("the zero point is of another type than the input");
  }
  SLUICE_ASSIGN(const Layout layout, layout_of(context));
  const Dim n = op::elements(context.in_dims(0));
  context.dispatch(
      shader::dequantize::Call{.knobs = {.MODE = layout.mode,
                                         .BITS = is_integer(dtype) ? bits_of(dtype) : 8u,
                                         .SIGNED = fx == DeviceFormat::kI32,
                                         .X = plan::wgsl_type(fx),
                                         .S = plan::wgsl_type(fs),
                                         .R = plan::wgsl_type(fy),
                                         .HAS_ZERO = has_zero},
                               .params = {.n = n,
                                          .axis = layout.axis,
                                          .inner = layout.inner,
                                          .block = layout.block,
                                          .blocks = layout.blocks},
                               .x = context.in(0),
                               .scale = context.in(1),
                               .zero = has_zero ? context.in(2) : plan::kNoSlot,
                               .y = context.out(0),
                               .workgroups = op::workgroups(n, 256)});
  return {};
}

Result<void> dynamic_quantize(LowerContext& context) {
  if (context.in_format(0) != DeviceFormat::kF32) {
    return context.refuse("the input is not held as float32");
  }
  const Dim n = op::elements(context.in_dims(0));
  const plan::Limits& limits = context.limits();
  const SlotId parts = context.temp(DeviceFormat::kF32, shader::dynamic_range_elems(n, limits));
  const SlotId scale = context.has_output(1) ? context.out(1) : context.temp(DeviceFormat::kF32, 1);
  const SlotId zero = context.has_output(2) ? context.out(2) : context.temp(DeviceFormat::kU32, 1);
  auto requests = shader::dynamic_range(n, limits, context.in(0), parts, scale, zero);
  if (requests.empty()) {
    return context.refuse(cat("the input has ", n.text(), " elements, too many for bindings of ",
                              limits.max_storage_binding_bytes, " bytes"));
  }
  for (auto& request : requests) context.add(std::move(request));
  if (!context.has_output(0)) return {};
  const auto quantize = [&](const Dim& count, plan::SlotRange x, plan::SlotRange y) {
    context.dispatch(shader::quantize::Call{
        .knobs = {.X = "f32", .S = "f32", .Z = "u32", .R = "u32"},
        .params = {.n = count, .axis = 1, .inner = 1, .block = 1, .blocks = 1},
        .x = std::move(x),
        .scale = scale,
        .zero = zero,
        .y = std::move(y),
        .workgroups = op::workgroups(count, 256)});
  };
  constexpr int64_t kElemBytes = 4;  // of both
  std::vector<shader::Piece> pieces;
  if (n.is_known()) pieces = shader::pieces_of(n.value(), {kElemBytes}, limits);
  if (pieces.size() <= 1) {
    quantize(n, context.in(0), context.out(0));
    return {};
  }
  for (const shader::Piece& piece : pieces) {
    const auto range = [&](SlotId slot) {
      return plan::SlotRange(slot, piece.first * kElemBytes, piece.count * kElemBytes);
    };
    quantize(piece.count, range(context.in(0)), range(context.out(0)));
  }
  return {};
}

// --- operators on quantized tensors

// Integers of at most 16 bits: float32 holds them exactly.
Result<void> require_narrow(const LowerContext& context, std::initializer_list<int> inputs) {
  for (const int i : inputs) {
    if (!context.has_input(i)) continue;
    const DType dtype = context.input_type(i).dtype;
    if (is_integer(dtype) && dtype_bits(dtype) <= 16) continue;
    return context.refuse(cat("input ", i, " is ", dtype_name(dtype),
                              " (integers of at most 16 bits are computed here)"));
  }
  return {};
}

// Inputs that hold a scale and its zero point; the zero point may be absent.
struct Affine {
  int scale = -1, zero = -1;
};
Result<SlotId> packed(LowerContext& context, const std::array<Affine, 3>& of) {
  shader::quant_pack::Call call;
  const std::array<std::string_view*, 3> types = {&call.knobs.Z0, &call.knobs.Z1, &call.knobs.Z2};
  const std::array<plan::SlotRange*, 3> scales = {&call.s0, &call.s1, &call.s2};
  const std::array<plan::SlotRange*, 3> zeros = {&call.z0, &call.z1, &call.z2};
  call.knobs.Z_GIVEN = 0;
  const DeviceFormat format = context.in_format(of[0].scale);
  call.knobs.S = plan::wgsl_type(format);
  for (size_t k = 0; k < 3; ++k) {
    const auto [scale, zero] = of[k];
    if (!is_float(format) || context.in_format(scale) != format) {
      return context.refuse("the scales are not all float32 or all float16");
    }
    if (!(op::elements(context.in_dims(scale)) == Dim(1))) {
      return context.refuse(cat("input ", scale, " has the shape ",
                                dims_text(context.in_dims(scale)), " (one scale per tensor here)"));
    }
    *scales[k] = context.in(scale);
    if (zero < 0 || !context.has_input(zero)) continue;
    SLUICE_TRY(require_narrow(context, {zero}));
    if (!(op::elements(context.in_dims(zero)) == Dim(1))) {
      return context.refuse(cat("input ", zero, " has the shape ", dims_text(context.in_dims(zero)),
                                " (one zero point per tensor here)"));
    }
    *zeros[k] = context.in(zero);
    *types[k] = plan::wgsl_type(context.in_format(zero));
    call.knobs.Z_GIVEN |= 1u << k;
  }
  const SlotId pack = context.temp(DeviceFormat::kF32, 6);
  call.pack = pack;
  call.workgroups = 1;
  context.dispatch(call);
  return pack;
}

template <uint32_t kOp>
Result<void> qlinear_binary(LowerContext& context) {
  SLUICE_TRY(require_narrow(context, {0, 3}));
  SLUICE_ASSIGN(const SlotId pack, packed(context, {{{1, 2}, {4, 5}, {6, 7}}}));
  const std::array<const Dims*, 2> operands = {&context.in_dims(0), &context.in_dims(3)};
  SLUICE_ASSIGN(const op::BroadcastLayout layout,
                op::broadcast_layout(context, context.out_dims(0), operands));
  const DType dtype = context.output_type(0).dtype;
  context.dispatch(
      shader::qlinear_binary::Call{.knobs = {.MODE_A = layout.mode(0),
                                             .MODE_B = layout.mode(1),
                                             .RANK = layout.rank(),
                                             .BITS = bits_of(dtype),
                                             .SIGNED = is_signed_integer(dtype),
                                             .A = plan::wgsl_type(context.in_format(0)),
                                             .B = plan::wgsl_type(context.in_format(3)),
                                             .R = plan::wgsl_type(context.out_format(0)),
                                             .OP = kOp},
                                   .params = {.shape = layout.shape8(),
                                              .a_strides = layout.strides8(0),
                                              .b_strides = layout.strides8(1),
                                              .n = layout.n},
                                   .a = context.in(0),
                                   .b = context.in(3),
                                   .pack = pack,
                                   .y = context.out(0),
                                   .workgroups = op::workgroups(layout.n, 256)});
  return {};
}

struct Requantize {
  uint32_t function = 0;  // OP of qlinear_unary.wgsl
  int input = 0;
  DType dtype = DType::kUndefined;  // of y
  SlotId pack = plan::kNoSlot, y = plan::kNoSlot;
  Dim x_line = 1, y_line = 1, first = 0;
  float alpha = 0;
};
void requantize(LowerContext& context, const Requantize& how) {
  const Dim n = op::elements(context.in_dims(how.input));
  context.dispatch(
      shader::qlinear_unary::Call{.knobs = {.BITS = bits_of(how.dtype),
                                            .SIGNED = is_signed_integer(how.dtype),
                                            .X = plan::wgsl_type(context.in_format(how.input)),
                                            .R = plan::wgsl_type(context.format(how.y)),
                                            .OP = how.function},
                                  .params = {.n = n,
                                             .x_line = how.x_line,
                                             .y_line = how.y_line,
                                             .first = how.first,
                                             .alpha = how.alpha},
                                  .x = context.in(how.input),
                                  .pack = how.pack,
                                  .y = how.y,
                                  .workgroups = op::workgroups(n, 256)});
}

template <uint32_t kOp>
Result<void> qlinear_unary(LowerContext& context) {
  SLUICE_TRY(require_narrow(context, {0}));
  SLUICE_ASSIGN(const SlotId pack, packed(context, {{{1, 2}, {1, 2}, {3, 4}}}));
  const Dim n = op::elements(context.in_dims(0));
  requantize(context, {.function = kOp,
                       .input = 0,
                       .dtype = context.output_type(0).dtype,
                       .pack = pack,
                       .y = context.out(0),
                       .x_line = n,
                       .y_line = n,
                       .alpha = context.attrs().float_or("alpha", 0.01F)});
  return {};
}

Result<void> qlinear_concat(LowerContext& context) {
  const Dims& out = context.out_dims(0);
  SLUICE_ASSIGN(const int axis,
                op::gpu_axis(context, context.attrs().int_or("axis", 0), out.size()));
  const auto from = static_cast<size_t>(axis);
  Dim before = 0;
  for (int i = 2; i + 1 < context.input_count(); i += 3) {
    SLUICE_TRY(require_narrow(context, {i}));
    SLUICE_ASSIGN(const SlotId pack, packed(context, {{{i + 1, i + 2}, {i + 1, i + 2}, {0, 1}}}));
    const Dims& part = context.in_dims(i);
    const Dim line = product(part, from, part.size());
    requantize(context, {.input = i,
                         .dtype = context.output_type(0).dtype,
                         .pack = pack,
                         .y = context.out(0),
                         .x_line = line,
                         .y_line = product(out, from, out.size()),
                         .first = before});
    before = before + line;
  }
  return {};
}

// Both operands take the result's scale, then one of them is chosen.
Result<void> qlinear_where(LowerContext& context) {
  SLUICE_TRY(require_narrow(context, {1, 4}));
  SlotId chosen[2] = {};
  for (const int k : {0, 1}) {
    const int input = 1 + 3 * k;
    SLUICE_ASSIGN(const SlotId pack,
                  packed(context, {{{input + 1, input + 2}, {input + 1, input + 2}, {7, 8}}}));
    const Dim n = op::elements(context.in_dims(input));
    chosen[k] = context.temp(context.out_format(0), n);
    requantize(context, {.input = input,
                         .dtype = context.output_type(0).dtype,
                         .pack = pack,
                         .y = chosen[k],
                         .x_line = n,
                         .y_line = n});
  }
  const std::array<const Dims*, 3> operands = {&context.in_dims(0), &context.in_dims(1),
                                               &context.in_dims(4)};
  SLUICE_ASSIGN(const op::BroadcastLayout layout,
                op::broadcast_layout(context, context.out_dims(0), operands));
  context.dispatch(shader::where::Call{.knobs = {.T = "u32", .RANK = layout.rank()},
                                       .params = {.shape = layout.shape8(),
                                                  .c_strides = layout.strides8(0),
                                                  .a_strides = layout.strides8(1),
                                                  .b_strides = layout.strides8(2),
                                                  .n = layout.n},
                                       .condition = context.in(0),
                                       .a = chosen[0],
                                       .b = chosen[1],
                                       .y = context.out(0),
                                       .workgroups = op::workgroups(layout.n, 256)});
  return {};
}

Result<void> qlinear_softmax(LowerContext& context) {
  SLUICE_TRY(require_narrow(context, {0}));
  const Dims& dims = context.in_dims(0);
  SLUICE_ASSIGN(const int axis,
                op::gpu_axis(context, context.attrs().int_or("axis", -1), dims.size()));
  SLUICE_ASSIGN(const SlotId pack, packed(context, {{{1, 2}, {1, 2}, {3, 4}}}));
  const auto at = static_cast<size_t>(axis);
  // Before opset 13 Softmax normalizes over all axes from `axis` on.
  const bool flattened = context.attrs().int_or("opset", 13) < 13;
  const Dim count = flattened ? product(dims, at, dims.size()) : dims[at];
  const Dim inner = flattened ? Dim(1) : product(dims, at + 1, dims.size());
  const Dim lines = product(dims, 0, at) * inner;
  const DType dtype = context.output_type(0).dtype;
  context.dispatch(
      shader::qlinear_softmax::Call{.knobs = {.BITS = bits_of(dtype),
                                              .SIGNED = is_signed_integer(dtype),
                                              .X = plan::wgsl_type(context.in_format(0))},
                                    .params = {.lines = lines, .count = count, .inner = inner},
                                    .x = context.in(0),
                                    .pack = pack,
                                    .y = context.out(0),
                                    .workgroups = lines});
  return {};
}

// Sums over the axes named by `axes` (all when there are none).
Result<void> reduce(LowerContext& context, SlotId pack) {
  const Dims& dims = context.in_dims(0);
  const Dims steps = op::strides(dims);
  const std::vector<int64_t> named = context.attrs().ints_or("axes");
  std::vector<bool> summed(dims.size(), named.empty());
  for (const int64_t axis : named) {
    SLUICE_ASSIGN(const int at, op::gpu_axis(context, axis, dims.size()));
    summed[static_cast<size_t>(at)] = true;
  }
  Dims kept_shape, kept_strides, sum_shape, sum_strides;
  for (size_t i = 0; i < dims.size(); ++i) {
    (summed[i] ? sum_shape : kept_shape).push_back(dims[i]);
    (summed[i] ? sum_strides : kept_strides).push_back(steps[i]);
  }
  const Dim n = op::elements(kept_shape), count = op::elements(sum_shape);
  op::merge_axes(kept_shape, {&kept_strides});
  op::merge_axes(sum_shape, {&sum_strides});
  if (kept_shape.size() > 8 || sum_shape.size() > 8) {
    return context.refuse(cat("the input has ", dims.size(), " axes (limit 8)"));
  }
  const DType dtype = context.output_type(0).dtype;
  const bool mean = pack != plan::kNoSlot;
  if (mean && context.in_format(0) != context.out_format(0)) {
    return context.refuse("input and output are of different signedness");
  }
  context.dispatch(
      shader::reduce_quantized::Call{.knobs = {.BITS = bits_of(dtype),
                                               .SIGNED = is_signed_integer(dtype),
                                               .X = plan::wgsl_type(context.in_format(0)),
                                               .MEAN = mean},
                                     .params = {.kept_shape = op::eight(kept_shape, 1),
                                                .kept_strides = op::eight(kept_strides, 0),
                                                .sum_shape = op::eight(sum_shape, 1),
                                                .sum_strides = op::eight(sum_strides, 0),
                                                .n = n,
                                                .count = count},
                                     .x = context.in(0),
                                     .pack = pack,
                                     .y = context.out(0),
                                     .workgroups = op::workgroups(n, 64)});
  return {};
}

Result<void> qlinear_reduce_mean(LowerContext& context) {
  SLUICE_TRY(require_narrow(context, {0}));
  SLUICE_ASSIGN(const SlotId pack, packed(context, {{{1, 2}, {1, 2}, {3, 4}}}));
  return reduce(context, pack);
}

Result<void> reduce_sum_integer(LowerContext& context) {
  if (!is_word(context.in_format(0))) {
    return context.refuse("integers of more than 32 bits are not summed here");
  }
  return reduce(context, plan::kNoSlot);
}

Result<void> mul_integer(LowerContext& context) {
  for (const int i : {0, 1, 2, 3}) {
    if (context.has_input(i) && !is_word(context.in_format(i))) {
      return context.refuse(cat("input ", i, " is ", dtype_name(context.input_type(i).dtype),
                                " (at most 32 bits here)"));
    }
  }
  for (const int i : {1, 3}) {
    if (!context.has_input(i)) continue;
    if (!(op::elements(context.in_dims(i)) == Dim(1)) ||
        context.in_format(i) != context.in_format(i - 1)) {
      return context.refuse(cat("input ", i, " is not one zero point of its operand's type"));
    }
  }
  const std::array<const Dims*, 2> operands = {&context.in_dims(0), &context.in_dims(2)};
  SLUICE_ASSIGN(const op::BroadcastLayout layout,
                op::broadcast_layout(context, context.out_dims(0), operands));
  const bool a_zero = context.has_input(1), b_zero = context.has_input(3);
  context.dispatch(shader::mul_integer::Call{.knobs = {.MODE_A = layout.mode(0),
                                                       .MODE_B = layout.mode(1),
                                                       .RANK = layout.rank(),
                                                       .A = plan::wgsl_type(context.in_format(0)),
                                                       .B = plan::wgsl_type(context.in_format(2)),
                                                       .HAS_A_ZERO = a_zero,
                                                       .HAS_B_ZERO = b_zero},
                                             .params = {.shape = layout.shape8(),
                                                        .a_strides = layout.strides8(0),
                                                        .b_strides = layout.strides8(1),
                                                        .n = layout.n},
                                             .a = context.in(0),
                                             .a_zero = a_zero ? context.in(1) : plan::kNoSlot,
                                             .b = context.in(2),
                                             .b_zero = b_zero ? context.in(3) : plan::kNoSlot,
                                             .y = context.out(0),
                                             .workgroups = op::workgroups(layout.n, 256)});
  return {};
}

Result<void> gather_block_quantized(LowerContext& context) {
  const DType dtype = context.input_type(0).dtype;
  const DeviceFormat fx = context.in_format(0), fs = context.in_format(2);
  if ((fx != DeviceFormat::kF32 && !is_word(fx)) || !is_float(fs)) {
    return context.refuse(cat("data of ", dtype_name(dtype), " with scales of ",
                              dtype_name(context.input_type(2).dtype), " is not gathered here"));
  }
  SLUICE_ASSIGN(const Shape data, context.static_in(0));
  SLUICE_ASSIGN(const Shape scales, context.static_in(2));
  if (data.rank() < 1 || data.rank() > 8 || scales.rank() != data.rank()) {
    return context.refuse(cat("the data has ", data.rank(), " axes and the scales ", scales.rank(),
                              " (1 to 8, and equal)"));
  }
  const auto rank = static_cast<size_t>(data.rank());
  SLUICE_ASSIGN(const int gather_axis,
                op::gpu_axis(context, context.attrs().int_or("gather_axis", 0), rank));
  SLUICE_ASSIGN(const int block_axis,
                op::gpu_axis(context, context.attrs().int_or("quantize_axis", 1), rank));
  const bool bytes = dtype == DType::kUInt8;
  const int64_t bits = bytes ? context.attrs().int_or("bits", 4) : 8;
  if (bits != 2 && bits != 4 && bits != 8) {
    return context.refuse(cat("codes have ", bits, " bits (2, 4 or 8)"));
  }
  const int64_t per_byte = 8 / bits;
  if (per_byte > 1 && gather_axis == data.rank() - 1) {
    return context.refuse("the gathered axis is the one in which codes are packed");
  }
  Shape codes = data;
  codes[-1] *= per_byte;
  int64_t block = context.attrs().int_or("block_size", 128);
  if (block == 0) block = std::max<int64_t>(codes[block_axis], 1);
  if (block < 1) return context.refuse(cat("the block size is ", block));
  Shape zero_shape = scales;
  if (per_byte > 1) zero_shape[-1] = (zero_shape[-1] + per_byte - 1) / per_byte;
  const bool has_zero = context.has_input(3);
  if (has_zero) {
    SLUICE_ASSIGN(const Shape zeros, context.static_in(3));
    if (!(zeros == zero_shape) || context.in_format(3) != fx) {
      return context.refuse(cat("the zero points have the shape ", zeros.text(), " (",
                                zero_shape.text(), " expected)"));
    }
  }
  Shape scale_steps = scales.strides();
  for (int i = 0; i < codes.rank(); ++i) {
    const int64_t expected =
        i == block_axis ? codes[i] / block + (codes[i] % block != 0) : codes[i];
    if (scales[i] == expected) continue;
    if (scales[i] != 1) {
      return context.refuse(cat("scales of shape ", scales.text(), " don't fit codes of shape ",
                                codes.text(), " in blocks of ", block));
    }
    scale_steps[i] = 0;
  }
  float default_zero = bytes ? static_cast<float>(int64_t{1} << (bits - 1)) : 0.0F;
  if (is_floating(dtype)) default_zero = 0;
  const Dim n = op::elements(context.out_dims(0));
  context.dispatch(shader::gather_blocks::Call{
      .knobs = {.X = plan::wgsl_type(fx),
                .S = plan::wgsl_type(fs),
                .LONG = context.in_format(1) == DeviceFormat::kI64,
                .HAS_ZERO = has_zero,
                .CODE_BITS = static_cast<uint32_t>(bits)},
      .params = {.codes = op::eight(to_dims(codes), 1),
                 .scale_strides = op::eight(to_dims(scale_steps), 0),
                 .zero_strides = op::eight(to_dims(zero_shape.strides()), 0),
                 .n = n,
                 .extent = codes[gather_axis],
                 .inner = codes.elements(gather_axis + 1, codes.rank()),
                 .picks = op::elements(context.in_dims(1)),
                 .block_axis = 8 - codes.rank() + block_axis,
                 .block = block,
                 .default_zero = default_zero},
      .data = context.in(0),
      .indices = context.in(1),
      .scale = context.in(2),
      .zero = has_zero ? context.in(3) : plan::kNoSlot,
      .y = context.out(0),
      .workgroups = op::workgroups(n, 256)});
  return {};
}

struct Row {
  std::string_view domain, op;
  op::GpuCandidate candidate;
};
constexpr std::string_view kMicrosoft = "com.microsoft";
constexpr Row kRows[] = {
    {"", "QuantizeLinear", {"quantize", quantize}},
    {"", "DequantizeLinear", {"dequantize", dequantize}},
    {"", "DynamicQuantizeLinear", {"dynamic_quantize", dynamic_quantize}},
    {kMicrosoft, "QuantizeLinear", {"quantize", quantize}},
    {kMicrosoft, "DequantizeLinear", {"dequantize", dequantize}},
    {kMicrosoft, "GatherBlockQuantized", {"quantize.gather_blocks", gather_block_quantized}},
    {kMicrosoft, "QLinearAdd", {"qlinear.add", qlinear_binary<0>}},
    {kMicrosoft, "QLinearMul", {"qlinear.mul", qlinear_binary<1>}},
    {kMicrosoft, "QLinearSigmoid", {"qlinear.sigmoid", qlinear_unary<1>}},
    {kMicrosoft, "QLinearLeakyRelu", {"qlinear.leaky_relu", qlinear_unary<2>}},
    {kMicrosoft, "QLinearConcat", {"qlinear.concat", qlinear_concat}},
    {kMicrosoft, "QLinearSoftmax", {"qlinear.softmax", qlinear_softmax}},
    {kMicrosoft, "QLinearWhere", {"qlinear.where", qlinear_where}},
    {kMicrosoft, "QLinearReduceMean", {"qlinear.reduce_mean", qlinear_reduce_mean}},
    {kMicrosoft, "ReduceSumInteger", {"quantize.reduce_sum", reduce_sum_integer}},
    {kMicrosoft, "MulInteger", {"quantize.mul_integer", mul_integer}},
};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  for (const Row& row : kRows) {
    if (row.domain == domain && row.op == name) return {&row.candidate, 1};
  }
  return {};
}

}  // namespace sluice::ops::quantize
