// How the unary family runs on the GPU.
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "base/text.h"
#include "op/elementwise.h"
#include "op/lower.h"
#include "shader/bias_split_gelu.h"
#include "shader/binary_float.h"
#include "shader/binary_float4.h"
#include "shader/binary_int.h"
#include "shader/binary_long.h"
#include "shader/clip.h"
#include "shader/clip_long.h"
#include "shader/unary.h"
#include "shader/unary4.h"
#include "shader/unary_int.h"
#include "shader/unary_long.h"

namespace sluice::ops::unary {

namespace {

using op::LowerContext;
using plan::DeviceFormat;

bool is_float(DeviceFormat format) {
  return format == DeviceFormat::kF32 || format == DeviceFormat::kF16;
}
bool is_word(DeviceFormat format) {
  return format == DeviceFormat::kI32 || format == DeviceFormat::kU32;
}
bool is_long(DeviceFormat format) {
  return format == DeviceFormat::kI64 || format == DeviceFormat::kU64;
}
std::string_view wide_type(DeviceFormat format) {
  return format == DeviceFormat::kF16   ? "vec4<f16>"
         : format == DeviceFormat::kF32 ? "vec4<f32>"
                                        : "vec4<u32>";
}
// Bits above a narrow integer in its word.
uint32_t shift_of(DType dtype) { return 32u - static_cast<uint32_t>(dtype_bits(dtype)); }

// Functions of lib/float_unary.
enum FloatOp : uint32_t {
  kCopy,
  kIsNan,
  kIsInf,
  kAbs,
  kNeg,
  kCeil,
  kFloor,
  kRound,
  kSign,
  kSqrt,
  kReciprocal,
  kExp,
  kLog,
  kSin,
  kCos,
  kTan,
  kAsin,
  kAcos,
  kAtan,
  kSinh,
  kCosh,
  kTanh,
  kAsinh,
  kAcosh,
  kAtanh,
  kErf,
  kSigmoid,
  kRelu,
  kLeakyRelu,
  kElu,
  kCelu,
  kSelu,
  kSoftplus,
  kSoftsign,
  kHardSigmoid,
  kHardSwish,
  kThresholdedRelu,
  kShrink,
  kMish,
  kGelu,
  kGeluTanh,
  kSwish,
  kAffine,
  kScaledTanh,
  kParametricSoftplus,
  kClip,
};
// Functions of unary_int.wgsl and unary_long.wgsl; kNoInt: integers are not computed.
enum IntOp : uint32_t {
  kIntCopy,
  kIntAbs,
  kIntNeg,
  kIntSign,
  kIntRelu,
  kIntNot,
  kLogicalNot,
  kNoInt
};

struct Function {
  FloatOp op = kCopy;
  float alpha = 0, beta = 0;
};

// y = f(x) over all elements, four at a time where their number allows it.
void map_floats(LowerContext& context, const Function& f, plan::SlotId x, plan::SlotId y,
                const Dim& n) {
  const DeviceFormat from = context.format(x), to = context.format(y);
  const uint32_t from_bytes = plan::element_bytes(from), to_bytes = plan::element_bytes(to);
  for (const op::Range& range : op::ranges(context, n, std::max(from_bytes, to_bytes))) {
    if (op::is_multiple_of_four(range.count)) {
      const Dim groups = Dim::floor_div(range.count, 4);
      context.dispatch(
          shader::unary4::Call{.knobs = {.OP = f.op, .T = wide_type(from), .R = wide_type(to)},
                               .params = {.n = groups, .alpha = f.alpha, .beta = f.beta},
                               .x = range.of(x, from_bytes),
                               .y = range.of(y, to_bytes),
                               .workgroups = op::workgroups(groups, 256)});
      continue;
    }
    context.dispatch(shader::unary::Call{
        .knobs = {.OP = f.op, .T = plan::wgsl_type(from), .R = plan::wgsl_type(to)},
        .params = {.n = range.count, .alpha = f.alpha, .beta = f.beta},
        .x = range.of(x, from_bytes),
        .y = range.of(y, to_bytes),
        .workgroups = op::workgroups(range.count, 256)});
  }
}

Result<void> map_ints(LowerContext& context, IntOp function) {
  const DeviceFormat format = context.in_format(0);
  const DType dtype = context.input_type(0).dtype;
  const Dim n = op::elements(context.in_dims(0));
  const uint32_t bytes = plan::element_bytes(format);
  if (function == kNoInt) {
    return context.refuse(cat("this function of ", dtype_name(dtype), " is not computed here"));
  }
  for (const op::Range& range : op::ranges(context, n, bytes)) {
    if (is_long(format)) {
      context.dispatch(shader::unary_long::Call{
          .knobs = {.OP = function, .SIGNED = format == DeviceFormat::kI64},
          .params = {.n = range.count},
          .x = range.of(context.in(0), bytes),
          .y = range.of(context.out(0), bytes),
          .workgroups = op::workgroups(range.count, 256)});
    } else {
      context.dispatch(
          shader::unary_int::Call{.knobs = {.T = plan::wgsl_type(format),
                                            .OP = function,
                                            .SHIFT = dtype == DType::kBool ? 0u : shift_of(dtype)},
                                  .params = {.n = range.count},
                                  .x = range.of(context.in(0), bytes),
                                  .y = range.of(context.out(0), bytes),
                                  .workgroups = op::workgroups(range.count, 256)});
    }
  }
  return {};
}

Result<void> map(LowerContext& context, const Function& f, IntOp ints = kNoInt) {
  const DeviceFormat format = context.in_format(0);
  if (is_word(format) || is_long(format)) return map_ints(context, ints);
  if (!is_float(format)) return context.refuse("float64 is not computed with on devices");
  map_floats(context, f, context.in(0), context.out(0), op::elements(context.in_dims(0)));
  return {};
}

template <FloatOp kOp, IntOp kInts = kNoInt>
Result<void> plain(LowerContext& context) {
  return map(context, {kOp}, kInts);
}

// Functions with one or two parameters in attributes.
float attr(const LowerContext& context, std::string_view name, float fallback) {
  return context.attrs().float_or(name, fallback);
}

Result<void> is_inf(LowerContext& context) {
  const bool negative = context.attrs().int_or("detect_negative", 1) != 0;
  const bool positive = context.attrs().int_or("detect_positive", 1) != 0;
  return map(context, {kIsInf, negative ? 1.0F : 0.0F, positive ? 1.0F : 0.0F});
}
Result<void> leaky_relu(LowerContext& context) {
  return map(context, {kLeakyRelu, attr(context, "alpha", 0.01F)});
}
Result<void> elu(LowerContext& context) { return map(context, {kElu, attr(context, "alpha", 1)}); }
Result<void> celu(LowerContext& context) {
  return map(context, {kCelu, attr(context, "alpha", 1)});
}
Result<void> selu(LowerContext& context) {
  return map(context, {kSelu, attr(context, "alpha", 1.67326319217681884765625F),
                       attr(context, "gamma", 1.05070102214813232421875F)});
}
Result<void> hard_sigmoid(LowerContext& context) {
  return map(context, {kHardSigmoid, attr(context, "alpha", 0.2F), attr(context, "beta", 0.5F)});
}
Result<void> thresholded_relu(LowerContext& context) {
  return map(context, {kThresholdedRelu, attr(context, "alpha", 1)});
}
Result<void> shrink(LowerContext& context) {
  return map(context, {kShrink, attr(context, "bias", 0), attr(context, "lambd", 0.5F)});
}
Result<void> gelu(LowerContext& context) {
  const bool tanh = context.attrs().string_or("approximate", "none") == "tanh";
  return map(context, {tanh ? kGeluTanh : kGelu});
}
Result<void> swish(LowerContext& context) {
  return map(context, {kSwish, attr(context, "alpha", 1)});
}
Result<void> quick_gelu(LowerContext& context) {
  return map(context, {kSwish, attr(context, "alpha", 1.702F)});
}
Result<void> affine(LowerContext& context) {
  return map(context, {kAffine, attr(context, "alpha", 1), attr(context, "beta", 0)});
}
Result<void> scaled_tanh(LowerContext& context) {
  return map(context, {kScaledTanh, attr(context, "alpha", 1), attr(context, "beta", 1)});
}
Result<void> parametric_softplus(LowerContext& context) {
  return map(context, {kParametricSoftplus, attr(context, "alpha", 1), attr(context, "beta", 1)});
}

Result<void> clip(LowerContext& context) {
  const DeviceFormat format = context.in_format(0);
  const bool has_low = context.has_input(1), has_high = context.has_input(2);
  if (!is_float(format) && !is_word(format) && !is_long(format)) {
    return context.refuse("float64 is not computed with on devices");
  }
  const Dim n = op::elements(context.in_dims(0));
  const uint32_t bytes = plan::element_bytes(format);
  // Bounds that are known go along as numbers.
  const auto known_low = context.constant_double(1), known_high = context.constant_double(2);
  if (is_float(format) && has_low == known_low.has_value() && has_high == known_high.has_value()) {
    // A bound that is NaN doesn't bind.
    const auto bound = [](const std::optional<double>& known, float none) {
      return known && !std::isnan(*known) ? static_cast<float>(*known) : none;
    };
    const float infinity = std::numeric_limits<float>::infinity();
    map_floats(context, {kClip, bound(known_low, -infinity), bound(known_high, infinity)},
               context.in(0), context.out(0), n);
    return {};
  }
  const plan::SlotId low = has_low ? context.in(1) : plan::kNoSlot;
  const plan::SlotId high = has_high ? context.in(2) : plan::kNoSlot;
  for (const op::Range& range : op::ranges(context, n, bytes)) {
    if (is_long(format)) {
      context.dispatch(shader::clip_long::Call{.knobs = {.SIGNED = format == DeviceFormat::kI64,
                                                         .HAS_LOW = has_low,
                                                         .HAS_HIGH = has_high},
                                               .params = {.n = range.count},
                                               .x = range.of(context.in(0), bytes),
                                               .low = low,
                                               .high = high,
                                               .y = range.of(context.out(0), bytes),
                                               .workgroups = op::workgroups(range.count, 256)});
    } else {
      context.dispatch(shader::clip::Call{
          .knobs = {.T = plan::wgsl_type(format), .HAS_LOW = has_low, .HAS_HIGH = has_high},
          .params = {.n = range.count},
          .x = range.of(context.in(0), bytes),
          .low = low,
          .high = high,
          .y = range.of(context.out(0), bytes),
          .workgroups = op::workgroups(range.count, 256)});
    }
  }
  return {};
}

// --- functions of two operands, by the shaders of ops/binary

// Numbers of lib/float_binary and binary_int.wgsl.
constexpr uint32_t kTwoAdd = 0, kTwoPrelu = 14, kTwoGelu = 15, kTwoGeluTanh = 16, kTwoSwiglu = 17,
                   kTwoScaleAdd = 18;

// y = f(a, b) in the shape `out`, which a and b broadcast to.
Result<void> two_floats(LowerContext& context, uint32_t function, float alpha, const Dims& out,
                        plan::SlotId a, const Dims& a_dims, plan::SlotId b, const Dims& b_dims,
                        plan::SlotId y) {
  const DeviceFormat fa = context.format(a), fb = context.format(b), fy = context.format(y);
  if (!is_float(fa) || !is_float(fb)) {
    return context.refuse("only floats of at most 32 bits are computed here");
  }
  const std::array<const Dims*, 2> operands = {&a_dims, &b_dims};
  SLUICE_ASSIGN(const op::BroadcastLayout layout, op::broadcast_layout(context, out, operands));
  // Four at a time, where the last axis allows it. A single float16 can't be spread by a
  // conversion.
  const op::WideLayout wide = op::wide_layout(layout);
  if (wide.fits && (wide.wide[0] || fa == DeviceFormat::kF32) &&
      (wide.wide[1] || fb == DeviceFormat::kF32)) {
    const op::BroadcastLayout& l = wide.layout;
    context.dispatch(shader::binary_float4::Call{
        .knobs = {.OP = function,
                  .MODE_A = l.mode(0),
                  .MODE_B = l.mode(1),
                  .RANK = l.rank(),
                  .A = wide.wide[0] ? wide_type(fa) : plan::wgsl_type(fa),
                  .B = wide.wide[1] ? wide_type(fb) : plan::wgsl_type(fb),
                  .R = wide_type(fy)},
        .params = {.shape = l.shape8(),
                   .a_strides = l.strides8(0),
                   .b_strides = l.strides8(1),
                   .n = l.n,
                   .alpha = alpha},
        .a = a,
        .b = b,
        .y = y,
        .workgroups = op::workgroups(l.n, 256)});
    return {};
  }
  context.dispatch(shader::binary_float::Call{.knobs = {.OP = function,
                                                        .MODE_A = layout.mode(0),
                                                        .MODE_B = layout.mode(1),
                                                        .RANK = layout.rank(),
                                                        .A = plan::wgsl_type(fa),
                                                        .B = plan::wgsl_type(fb),
                                                        .R = plan::wgsl_type(fy)},
                                              .params = {.shape = layout.shape8(),
                                                         .a_strides = layout.strides8(0),
                                                         .b_strides = layout.strides8(1),
                                                         .n = layout.n,
                                                         .alpha = alpha},
                                              .a = a,
                                              .b = b,
                                              .y = y,
                                              .workgroups = op::workgroups(layout.n, 256)});
  return {};
}

Result<void> prelu(LowerContext& context) {
  const DeviceFormat format = context.in_format(0);
  const Dims& dims = context.in_dims(0);
  if (is_float(format)) {
    return two_floats(context, kTwoPrelu, 0, dims, context.in(0), dims, context.in(1),
                      context.in_dims(1), context.out(0));
  }
  if (!is_word(format) && !is_long(format)) {
    return context.refuse("float64 is not computed with on devices");
  }
  const std::array<const Dims*, 2> operands = {&dims, &context.in_dims(1)};
  SLUICE_ASSIGN(const op::BroadcastLayout layout, op::broadcast_layout(context, dims, operands));
  if (is_long(format)) {
    context.dispatch(shader::binary_long::Call{.knobs = {.MODE_A = layout.mode(0),
                                                         .MODE_B = layout.mode(1),
                                                         .RANK = layout.rank(),
                                                         .OP = kTwoPrelu,
                                                         .SIGNED = format == DeviceFormat::kI64},
                                               .params = {.shape = layout.shape8(),
                                                          .a_strides = layout.strides8(0),
                                                          .b_strides = layout.strides8(1),
                                                          .n = layout.n},
                                               .a = context.in(0),
                                               .b = context.in(1),
                                               .y = context.out(0),
                                               .workgroups = op::workgroups(layout.n, 256)});
    return {};
  }
  context.dispatch(
      shader::binary_int::Call{.knobs = {.MODE_A = layout.mode(0),
                                         .MODE_B = layout.mode(1),
                                         .RANK = layout.rank(),
                                         .T = plan::wgsl_type(format),
                                         .R = plan::wgsl_type(format),
                                         .OP = kTwoPrelu,
                                         .SHIFT = shift_of(context.input_type(0).dtype)},
                               .params = {.shape = layout.shape8(),
                                          .a_strides = layout.strides8(0),
                                          .b_strides = layout.strides8(1),
                                          .n = layout.n},
                               .a = context.in(0),
                               .b = context.in(1),
                               .y = context.out(0),
                               .workgroups = op::workgroups(layout.n, 256)});
  return {};
}

Result<void> bias_gelu(LowerContext& context) {
  if (!context.has_input(1)) return map(context, {kGelu});
  const Dims& dims = context.in_dims(0);
  return two_floats(context, kTwoGelu, 0, dims, context.in(0), dims, context.in(1),
                    context.in_dims(1), context.out(0));
}

// The bias repeats along the flattened input, whatever its length.
Result<void> fast_gelu(LowerContext& context) {
  if (!context.has_input(1)) return map(context, {kGeluTanh});
  const Dim n = op::elements(context.in_dims(0)), period = op::elements(context.in_dims(1));
  const DeviceFormat fa = context.in_format(0), fb = context.in_format(1);
  if (!is_float(fa) || !is_float(fb)) {
    return context.refuse("only floats of at most 32 bits are computed here");
  }
  if (period == Dim(0)) return context.refuse("the bias is empty");
  context.dispatch(shader::binary_float::Call{
      .knobs = {.OP = kTwoGeluTanh,
                .MODE_A = 0,
                .MODE_B = 2,
                .RANK = 2,
                .A = plan::wgsl_type(fa),
                .B = plan::wgsl_type(fb),
                .R = plan::wgsl_type(context.out_format(0))},
      .params = {.shape = op::eight({Dim::ceil_div(n, period), period}, 1),
                 .a_strides = op::eight({period, 1}, 0),
                 .b_strides = op::eight({0, 1}, 0),
                 .n = n},
      .a = context.in(0),
      .b = context.in(1),
      .y = context.out(0),
      .workgroups = op::workgroups(n, 256)});
  return {};
}

Result<void> swiglu(LowerContext& context) {
  const Dims& dims = context.in_dims(0);
  return two_floats(context, kTwoSwiglu, attr(context, "alpha", 1), dims, context.in(0), dims,
                    context.in(1), context.in_dims(1), context.out(0));
}

Result<void> bias_add(LowerContext& context) {
  const Dims& dims = context.in_dims(0);
  const plan::SlotId sum = context.temp(DeviceFormat::kF32, op::elements(dims));
  SLUICE_TRY(two_floats(context, kTwoAdd, 0, dims, context.in(0), dims, context.in(1),
                        context.in_dims(1), sum));
  return two_floats(context, kTwoAdd, 0, dims, sum, dims, context.in(2), context.in_dims(2),
                    context.out(0));
}

Result<void> bias_split_gelu(LowerContext& context) {
  const DeviceFormat format = context.in_format(0);
  if (!is_float(format) || context.in_format(1) != format) {
    return context.refuse("only floats of at most 32 bits and of one type are computed here");
  }
  const Dims& dims = context.out_dims(0);
  const Dim n = op::elements(dims);
  context.dispatch(shader::bias_split_gelu::Call{.knobs = {.T = plan::wgsl_type(format)},
                                                 .params = {.n = n, .half = dims.back()},
                                                 .x = context.in(0),
                                                 .bias = context.in(1),
                                                 .y = context.out(0),
                                                 .workgroups = op::workgroups(n, 256)});
  return {};
}

Result<void> image_scaler(LowerContext& context) {
  const float scale = attr(context, "scale", 1);
  const std::vector<float> bias = context.attrs().floats_or("bias");
  if (bias.empty()) return map(context, {kAffine, scale, 0});
  const Dims& dims = context.in_dims(0);
  const auto given = static_cast<int64_t>(bias.size());
  if (dims.size() != 4) return context.refuse(cat("the input has ", dims.size(), " axes (4)"));
  const int64_t channels = dims[1].is_known() ? dims[1].value() : given;
  if (!(dims[1] == Dim(channels)) || channels > given) {
    context.made.wants_static = !dims[1].is_known();
    return context.refuse(cat("the input has shape ", dims_text(dims), " (there are ", given,
                              " biases of its axis 1)"));
  }
  const plan::SlotId shift = context.constant(
      Tensor::of<float>(Shape{channels}, std::span(bias).first(static_cast<size_t>(channels))),
      "ImageScaler bias");
  return two_floats(context, kTwoScaleAdd, scale, dims, context.in(0), dims, shift, {dims[1], 1, 1},
                    context.out(0));
}

struct Row {
  std::string_view domain, op;
  op::GpuCandidate candidate;
};
constexpr std::string_view kMicrosoft = "com.microsoft";
constexpr Row kRows[] = {
    {"", "Abs", {"unary.abs", plain<kAbs, kIntAbs>}},
    {"", "Neg", {"unary.neg", plain<kNeg, kIntNeg>}},
    {"", "Ceil", {"unary.ceil", plain<kCeil>}},
    {"", "Floor", {"unary.floor", plain<kFloor>}},
    {"", "Round", {"unary.round", plain<kRound>}},
    {"", "Sign", {"unary.sign", plain<kSign, kIntSign>}},
    {"", "Sqrt", {"unary.sqrt", plain<kSqrt>}},
    {"", "Reciprocal", {"unary.reciprocal", plain<kReciprocal>}},
    {"", "Exp", {"unary.exp", plain<kExp>}},
    {"", "Log", {"unary.log", plain<kLog>}},
    {"", "Sin", {"unary.sin", plain<kSin>}},
    {"", "Cos", {"unary.cos", plain<kCos>}},
    {"", "Tan", {"unary.tan", plain<kTan>}},
    {"", "Asin", {"unary.asin", plain<kAsin>}},
    {"", "Acos", {"unary.acos", plain<kAcos>}},
    {"", "Atan", {"unary.atan", plain<kAtan>}},
    {"", "Sinh", {"unary.sinh", plain<kSinh>}},
    {"", "Cosh", {"unary.cosh", plain<kCosh>}},
    {"", "Tanh", {"unary.tanh", plain<kTanh>}},
    {"", "Asinh", {"unary.asinh", plain<kAsinh>}},
    {"", "Acosh", {"unary.acosh", plain<kAcosh>}},
    {"", "Atanh", {"unary.atanh", plain<kAtanh>}},
    {"", "Erf", {"unary.erf", plain<kErf>}},
    {"", "Sigmoid", {"unary.sigmoid", plain<kSigmoid>}},
    {"", "Relu", {"unary.relu", plain<kRelu, kIntRelu>}},
    {"", "LeakyRelu", {"unary.leaky_relu", leaky_relu}},
    {"", "Elu", {"unary.elu", elu}},
    {"", "Celu", {"unary.celu", celu}},
    {"", "Selu", {"unary.selu", selu}},
    {"", "Softplus", {"unary.softplus", plain<kSoftplus>}},
    {"", "Softsign", {"unary.softsign", plain<kSoftsign>}},
    {"", "HardSigmoid", {"unary.hard_sigmoid", hard_sigmoid}},
    {"", "HardSwish", {"unary.hard_swish", plain<kHardSwish>}},
    {"", "ThresholdedRelu", {"unary.thresholded_relu", thresholded_relu}},
    {"", "Shrink", {"unary.shrink", shrink}},
    {"", "Mish", {"unary.mish", plain<kMish>}},
    {"", "Gelu", {"unary.gelu", gelu}},
    {"", "Swish", {"unary.swish", swish}},
    {"", "Not", {"unary.not", plain<kCopy, kLogicalNot>}},
    {"", "BitwiseNot", {"unary.bitwise_not", plain<kCopy, kIntNot>}},
    {"", "IsNaN", {"unary.is_nan", plain<kIsNan>}},
    {"", "IsInf", {"unary.is_inf", is_inf}},
    {"", "Affine", {"unary.affine", affine}},
    {"", "ScaledTanh", {"unary.scaled_tanh", scaled_tanh}},
    {"", "ParametricSoftplus", {"unary.parametric_softplus", parametric_softplus}},
    {"", "Clip", {"unary.clip", clip}},
    {"", "PRelu", {"unary.prelu", prelu}},
    {"", "SwiGLU", {"unary.swiglu", swiglu}},
    {"", "ImageScaler", {"unary.image_scaler", image_scaler}},
    {kMicrosoft, "Gelu", {"unary.gelu", plain<kGelu>}},
    {kMicrosoft, "QuickGelu", {"unary.quick_gelu", quick_gelu}},
    {kMicrosoft, "BiasGelu", {"unary.bias_gelu", bias_gelu}},
    {kMicrosoft, "FastGelu", {"unary.fast_gelu", fast_gelu}},
    {kMicrosoft, "BiasAdd", {"unary.bias_add", bias_add}},
    {kMicrosoft, "BiasSplitGelu", {"unary.bias_split_gelu", bias_split_gelu}},
};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  for (const Row& row : kRows) {
    if (row.domain == domain && row.op == name) return {&row.candidate, 1};
  }
  return {};
}

}  // namespace sluice::ops::unary
