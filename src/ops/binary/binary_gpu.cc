// How the binary family runs on the GPU: floats, integers of at most 32 bits and 64-bit integers
// each have a shader; operands are laid against the result by op/elementwise.h. Operators of any
// number of operands are chains of two.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "op/elementwise.h"
#include "op/lower.h"
#include "shader/binary_float.h"
#include "shader/binary_float4.h"
#include "shader/binary_int.h"
#include "shader/binary_long.h"
#include "shader/cast.h"
#include "shader/compare_long.h"
#include "shader/where.h"

namespace sluice::ops::binary {

namespace {

using op::BroadcastLayout;
using op::LowerContext;
using plan::DeviceFormat;
using plan::SlotId;

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
uint32_t shift_of(DType dtype) {
  return dtype == DType::kBool ? 0u : 32u - static_cast<uint32_t>(dtype_bits(dtype));
}

// Functions of lib/float_binary.
enum FloatOp : uint32_t {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kPow,
  kMod,
  kFmod,
  kMax,
  kMin,
  kEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kMeanOfFloats = 19,
};
// Further ones of binary_int.wgsl and binary_long.wgsl; up to kGreaterOrEqual they are as above.
enum IntOp : uint32_t { kAnd = 15, kOr, kXor, kShiftLeft, kShiftRight, kMeanOfInts };

struct Operand {
  SlotId slot = plan::kNoSlot;
  const Dims* dims = nullptr;
};

struct Two {
  uint32_t function = 0;
  Operand a, b;
  SlotId y = plan::kNoSlot;
  const Dims* out = nullptr;        // shape of y
  DType dtype = DType::kUndefined;  // of the operands
  bool compares = false;            // y is bool
  bool wraps = true;                // integers wrap to the width of dtype
  uint32_t count = 0;               // operands of Mean
};

void two_floats(LowerContext& context, const Two& two, const BroadcastLayout& layout) {
  const DeviceFormat fa = context.format(two.a.slot), fb = context.format(two.b.slot),
                     fy = context.format(two.y);
  const auto alpha = static_cast<float>(two.count);
  const auto narrow = [&](const BroadcastLayout& l, const op::Range& range, const Dim& n) {
    const auto part = [&](size_t k, const Operand& operand) {
      return l.mode(k) == 0 ? range.of(operand.slot, plan::element_bytes(k == 0 ? fa : fb))
                            : plan::SlotRange(operand.slot);
    };
    context.dispatch(shader::binary_float::Call{.knobs = {.OP = two.function,
                                                          .MODE_A = l.mode(0),
                                                          .MODE_B = l.mode(1),
                                                          .RANK = l.rank(),
                                                          .A = plan::wgsl_type(fa),
                                                          .B = plan::wgsl_type(fb),
                                                          .R = plan::wgsl_type(fy)},
                                                .params = {.shape = l.shape8(),
                                                           .a_strides = l.strides8(0),
                                                           .b_strides = l.strides8(1),
                                                           .n = n,
                                                           .alpha = alpha},
                                                .a = part(0, two.a),
                                                .b = part(1, two.b),
                                                .y = range.of(two.y, plan::element_bytes(fy)),
                                                .workgroups = op::workgroups(n, 256)});
  };
  // Four at a time, where the last axis allows it. A single float16 can't be spread by a
  // conversion.
  const op::WideLayout wide = op::wide_layout(layout);
  const auto reads = [&](size_t k, DeviceFormat format) {
    return wide.wide[k] ? is_float(format) : format == DeviceFormat::kF32;
  };
  const std::vector<op::Range> parts = op::ranges(context, layout.n, 4);
  if (wide.fits && reads(0, fa) && reads(1, fb) && parts.size() == 1) {
    const BroadcastLayout& l = wide.layout;
    context.dispatch(shader::binary_float4::Call{
        .knobs = {.OP = two.function,
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
        .a = two.a.slot,
        .b = two.b.slot,
        .y = two.y,
        .workgroups = op::workgroups(l.n, 256)});
    return;
  }
  if (parts.size() > 1 && layout.flat()) {
    for (const op::Range& range : parts) narrow(layout, range, range.count);
    return;
  }
  narrow(layout, {0, layout.n, true}, layout.n);
}

void two_words(LowerContext& context, const Two& two, const BroadcastLayout& layout) {
  const uint32_t shift = two.compares || !two.wraps ? 0u : shift_of(two.dtype);
  context.dispatch(
      shader::binary_int::Call{.knobs = {.MODE_A = layout.mode(0),
                                         .MODE_B = layout.mode(1),
                                         .RANK = layout.rank(),
                                         .T = plan::wgsl_type(context.format(two.a.slot)),
                                         .R = plan::wgsl_type(context.format(two.y)),
                                         .OP = two.function,
                                         .SHIFT = shift},
                               .params = {.shape = layout.shape8(),
                                          .a_strides = layout.strides8(0),
                                          .b_strides = layout.strides8(1),
                                          .n = layout.n,
                                          .count = two.count},
                               .a = two.a.slot,
                               .b = two.b.slot,
                               .y = two.y,
                               .workgroups = op::workgroups(layout.n, 256)});
}

void two_longs(LowerContext& context, const Two& two, const BroadcastLayout& layout) {
  const bool is_signed = context.format(two.a.slot) == DeviceFormat::kI64;
  if (two.compares) {
    context.dispatch(shader::compare_long::Call{.knobs = {.MODE_A = layout.mode(0),
                                                          .MODE_B = layout.mode(1),
                                                          .RANK = layout.rank(),
                                                          .OP = two.function,
                                                          .SIGNED = is_signed},
                                                .params = {.shape = layout.shape8(),
                                                           .a_strides = layout.strides8(0),
                                                           .b_strides = layout.strides8(1),
                                                           .n = layout.n},
                                                .a = two.a.slot,
                                                .b = two.b.slot,
                                                .y = two.y,
                                                .workgroups = op::workgroups(layout.n, 256)});
    return;
  }
  context.dispatch(shader::binary_long::Call{.knobs = {.MODE_A = layout.mode(0),
                                                       .MODE_B = layout.mode(1),
                                                       .RANK = layout.rank(),
                                                       .OP = two.function,
                                                       .SIGNED = is_signed},
                                             .params = {.shape = layout.shape8(),
                                                        .a_strides = layout.strides8(0),
                                                        .b_strides = layout.strides8(1),
                                                        .n = layout.n},
                                             .a = two.a.slot,
                                             .b = two.b.slot,
                                             .y = two.y,
                                             .workgroups = op::workgroups(layout.n, 256)});
}

// Both operands are of one format.
Result<void> compute(LowerContext& context, const Two& two) {
  const DeviceFormat format = context.format(two.a.slot);
  const std::array<const Dims*, 2> operands = {two.a.dims, two.b.dims};
  SLUICE_ASSIGN(const BroadcastLayout layout, op::broadcast_layout(context, *two.out, operands));
  if (is_float(format)) {
    two_floats(context, two, layout);
  } else if (is_word(format)) {
    two_words(context, two, layout);
  } else if (is_long(format)) {
    two_longs(context, two, layout);
  } else {
    return context.refuse("float64 is not computed with on devices");
  }
  return {};
}

Two of_node(const LowerContext& context, uint32_t function) {
  Two two;
  two.function = function;
  two.a = {context.in(0), &context.in_dims(0)};
  two.b = {context.in(1), &context.in_dims(1)};
  two.y = context.out(0);
  two.out = &context.out_dims(0);
  two.dtype = context.input_type(0).dtype;
  return two;
}

template <uint32_t kFunction>
Result<void> arithmetic(LowerContext& context) {
  return compute(context, of_node(context, kFunction));
}

template <uint32_t kFunction>
Result<void> comparison(LowerContext& context) {
  Two two = of_node(context, kFunction);
  two.compares = true;
  return compute(context, two);
}

// And, Or and Xor of bools, which are 0 or 1, are those of their bits.
template <uint32_t kFunction>
Result<void> logical(LowerContext& context) {
  return comparison<kFunction>(context);
}

// A device has no way to report a zero divisor; one that is known is left to the CPU, which does.
Result<void> refuse_known_zero(const LowerContext& context) {
  const Tensor* divisor = context.NodeView::constant(1);
  if (divisor == nullptr || !is_integer(divisor->dtype())) return {};
  for (int64_t i = 0; i < divisor->elements(); ++i) {
    if (divisor->get_int(i) == 0) return context.refuse(cat("the divisor at element ", i, " is 0"));
  }
  return {};
}

Result<void> divide(LowerContext& context) {
  SLUICE_TRY(refuse_known_zero(context));
  return compute(context, of_node(context, kDiv));
}

Result<void> mod(LowerContext& context) {
  SLUICE_TRY(refuse_known_zero(context));
  const bool truncated = context.attrs().int_or("fmod", 0) != 0;
  return compute(context, of_node(context, truncated ? kFmod : kMod));
}

Result<void> bit_shift(LowerContext& context) {
  const bool left = context.attrs().string_or("direction", "") == "LEFT";
  return compute(context, of_node(context, left ? kShiftLeft : kShiftRight));
}

// SRC of cast.wgsl.
uint32_t cast_source(DeviceFormat format) {
  switch (format) {
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
    case DeviceFormat::kF64:
      return 6;
    default:
      return 0;
  }
}

// The operand's values in another format (float32 or 64-bit integers), in memory of its own.
SlotId converted(LowerContext& context, const Operand& from, DeviceFormat to) {
  const Dim n = op::elements(*from.dims);
  const SlotId slot = context.temp(to, n);
  context.dispatch(shader::cast::Call{.knobs = {.SRC = cast_source(context.format(from.slot)),
                                                .DST = to == DeviceFormat::kF32 ? 0u : 4u},
                                      .params = {.n = n},
                                      .x = from.slot,
                                      .y = slot,
                                      .workgroups = op::workgroups(n, 256)});
  return slot;
}

// Base and exponent may be of different types; the result has the base's.
Result<void> pow(LowerContext& context) {
  Two two = of_node(context, kPow);
  const DeviceFormat base = context.in_format(0), exponent = context.in_format(1);
  if (is_float(base)) {
    if (is_long(exponent)) {
      two.b.slot = converted(context, two.b, DeviceFormat::kF32);
    } else if (!is_float(exponent) && !is_word(exponent)) {
      return context.refuse("float64 is not computed with on devices");
    }
    return compute(context, two);
  }
  if (base == DeviceFormat::kF64) {
    return context.refuse("float64 is not computed with on devices");
  }
  if (!is_word(exponent) && !is_long(exponent)) {
    return context.refuse(cat("a ", dtype_name(two.dtype), " raised to a power of type ",
                              dtype_name(context.input_type(1).dtype),
                              " would not be exact in float32"));
  }
  if (base == exponent) return compute(context, two);
  if (is_long(base)) {
    // The shader takes exponents for numbers of the base's signedness.
    if (base == DeviceFormat::kU64 && exponent != DeviceFormat::kU32) {
      return context.refuse("an unsigned base with a signed exponent is not computed here");
    }
    if (base == DeviceFormat::kI64 && exponent == DeviceFormat::kU64) {
      return context.refuse("a signed base with a uint64 exponent is not computed here");
    }
    two.b.slot = converted(context, two.b, base);
    return compute(context, two);
  }
  return context.refuse(cat("the exponent is ", dtype_name(context.input_type(1).dtype),
                            ", wider than the base or of another signedness"));
}

// Folds all operands: ((x0 . x1) . x2) ...; the last step has a function of its own.
Result<void> fold(LowerContext& context, uint32_t step, uint32_t last, uint32_t count) {
  const DeviceFormat format = context.in_format(0);
  const Dims& out = context.out_dims(0);
  Two two = of_node(context, step);
  const int n = context.input_count();
  if (n == 1) {
    // One operand: its minimum with itself.
    two.function = kMin;
    two.b = two.a;
    return compute(context, two);
  }
  // Between the steps narrow floats stay float32, and narrow integers keep all 32 bits.
  const DeviceFormat between = is_float(format) ? DeviceFormat::kF32 : format;
  Operand sum = two.a;
  std::vector<Dims> shapes(static_cast<size_t>(n));
  Dims joined = context.in_dims(0);
  for (int k = 1; k < n; ++k) {
    auto next = broadcast(joined, context.in_dims(k));
    if (!next) return context.refuse(next.error().message);
    joined = std::move(*next);
    const bool is_last = k == n - 1;
    two.a = sum;
    two.b = {context.in(k), &context.in_dims(k)};
    two.function = is_last ? last : step;
    two.count = count;
    two.wraps = is_last;
    if (is_last) {
      two.y = context.out(0);
      two.out = &out;
    } else {
      shapes[static_cast<size_t>(k)] = joined;
      two.out = &shapes[static_cast<size_t>(k)];
      two.y = context.temp(between, op::elements(joined));
    }
    SLUICE_TRY(compute(context, two));
    sum = {two.y, two.out};
  }
  return {};
}

template <uint32_t kFunction>
Result<void> variadic(LowerContext& context) {
  return fold(context, kFunction, kFunction, 0);
}

Result<void> mean(LowerContext& context) {
  const DType dtype = context.input_type(0).dtype;
  const auto count = static_cast<uint32_t>(context.input_count());
  if (is_floating(dtype)) return fold(context, kAdd, kMeanOfFloats, count);
  if (dtype_bits(dtype) > 16) {
    return context.refuse(cat("the sum of ", dtype_name(dtype), " values may exceed 32 bits"));
  }
  return fold(context, kAdd, kMeanOfInts, count);
}

Result<void> where(LowerContext& context) {
  const DeviceFormat format = context.in_format(1);
  const std::array<const Dims*, 3> operands = {&context.in_dims(0), &context.in_dims(1),
                                               &context.in_dims(2)};
  SLUICE_ASSIGN(const BroadcastLayout layout,
                op::broadcast_layout(context, context.out_dims(0), operands));
  const uint32_t bytes = plan::element_bytes(format);
  context.dispatch(shader::where::Call{.knobs = {.T = bytes == 2   ? "f16"
                                                      : bytes == 8 ? "vec2<u32>"
                                                                   : "u32",
                                                 .RANK = layout.rank()},
                                       .params = {.shape = layout.shape8(),
                                                  .c_strides = layout.strides8(0),
                                                  .a_strides = layout.strides8(1),
                                                  .b_strides = layout.strides8(2),
                                                  .n = layout.n},
                                       .condition = context.in(0),
                                       .a = context.in(1),
                                       .b = context.in(2),
                                       .y = context.out(0),
                                       .workgroups = op::workgroups(layout.n, 256)});
  return {};
}

struct Row {
  std::string_view op;
  op::GpuCandidate candidate;
};
constexpr Row kRows[] = {
    {"Add", {"binary.add", arithmetic<kAdd>}},
    {"Sub", {"binary.sub", arithmetic<kSub>}},
    {"Mul", {"binary.mul", arithmetic<kMul>}},
    {"Div", {"binary.div", divide}},
    {"Pow", {"binary.pow", pow}},
    {"Mod", {"binary.mod", mod}},
    {"Max", {"binary.max", variadic<kMax>}},
    {"Min", {"binary.min", variadic<kMin>}},
    {"Sum", {"binary.sum", variadic<kAdd>}},
    {"Mean", {"binary.mean", mean}},
    {"And", {"binary.and", logical<kAnd>}},
    {"Or", {"binary.or", logical<kOr>}},
    {"Xor", {"binary.xor", logical<kXor>}},
    {"Equal", {"binary.equal", comparison<kEqual>}},
    {"Less", {"binary.less", comparison<kLess>}},
    {"LessOrEqual", {"binary.less_or_equal", comparison<kLessOrEqual>}},
    {"Greater", {"binary.greater", comparison<kGreater>}},
    {"GreaterOrEqual", {"binary.greater_or_equal", comparison<kGreaterOrEqual>}},
    {"BitShift", {"binary.bit_shift", bit_shift}},
    {"BitwiseAnd", {"binary.bitwise_and", arithmetic<kAnd>}},
    {"BitwiseOr", {"binary.bitwise_or", arithmetic<kOr>}},
    {"BitwiseXor", {"binary.bitwise_xor", arithmetic<kXor>}},
    {"Where", {"binary.where", where}},
};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  if (!domain.empty()) return {};
  for (const Row& row : kRows) {
    if (row.op == name) return {&row.candidate, 1};
  }
  return {};
}

}  // namespace sluice::ops::binary
