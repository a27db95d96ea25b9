// How Cast, CastLike and BitCast run on the GPU: one shader, which sees both buffers as words.
#include <optional>

#include "base/text.h"
#include "op/elementwise.h"
#include "op/lower.h"
#include "shader/cast.h"

namespace sluice::ops::cast {

namespace {

using op::LowerContext;
using plan::DeviceFormat;
using Knobs = decltype(shader::cast::Call::knobs);

// SRC of cast.wgsl: how the elements lie in memory.
std::optional<uint32_t> source(DeviceFormat format) {
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
    case DeviceFormat::kF64:
      return 6;
    case DeviceFormat::kNone:
      return std::nullopt;
  }
  return std::nullopt;
}

// Kinds of lib/small_float; 0 for types that float32 holds without rounding.
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

void set_target(Knobs& knobs, DType to, DeviceFormat format) {
  switch (format) {
    case DeviceFormat::kF16:
      knobs.DST = 1;
      return;
    case DeviceFormat::kI32:
    case DeviceFormat::kU32:
      if (to == DType::kBool) {
        knobs.DST = 3;
        return;
      }
      knobs.DST = 2;
      knobs.SHIFT = 32u - static_cast<uint32_t>(dtype_bits(to));
      knobs.SIGNED = format == DeviceFormat::kI32;
      return;
    case DeviceFormat::kI64:
    case DeviceFormat::kU64:
      knobs.DST = 4;
      return;
    case DeviceFormat::kF64:
      knobs.DST = 5;
      return;
    default:
      knobs.DST = to == DType::kFloat8E8M0 ? 7 : small_kind(to) != 0 ? 6 : 0;
      knobs.SMALL = small_kind(to);
      return;
  }
}

void convert(LowerContext& context, const Knobs& knobs, const Dim& n) {
  const uint32_t from = plan::element_bytes(context.in_format(0));
  const uint32_t to = plan::element_bytes(context.out_format(0));
  for (const op::Range& range : op::ranges(context, n, std::max(from, to))) {
    const Dim invocations = knobs.DST == 1 ? Dim::ceil_div(range.count, 2) : range.count;
    context.dispatch(shader::cast::Call{.knobs = knobs,
                                        .params = {.n = range.count},
                                        .x = range.of(context.in(0), from),
                                        .y = range.of(context.out(0), to),
                                        .workgroups = op::workgroups(invocations, 256)});
  }
}

Result<void> lower_cast(LowerContext& context) {
  const DType from = context.input_type(0).dtype, to = context.output_type(0).dtype;
  const auto src = source(context.in_format(0));
  if (!src || context.out_format(0) == DeviceFormat::kNone) {
    return context.refuse(
        cat("a cast from ", dtype_name(from), " to ", dtype_name(to), " has no device form"));
  }
  Knobs knobs{.SRC = *src};
  set_target(knobs, to, context.out_format(0));
  if (from == to && knobs.DST >= 5) {  // rounded already, or 64 bits: a copy of the words
    knobs = knobs.DST == 5 ? Knobs{.SRC = 5, .DST = 4} : Knobs{.SRC = 0, .DST = 0};
  }
  knobs.SATURATE = context.attrs().int_or("saturate", 1) != 0;
  const std::string mode = context.attrs().string_or("round_mode", "up");
  knobs.ROUNDING = mode == "down" ? 1 : mode == "nearest" ? 2 : 0;
  convert(context, knobs, op::elements(context.in_dims(0)));
  return {};
}

// Only types that fill their words in the device's form, and narrow integers among themselves.
Result<void> lower_bit_cast(LowerContext& context) {
  const DType from = context.input_type(0).dtype, to = context.output_type(0).dtype;
  const Dim n = op::elements(context.in_dims(0));
  const int bits = dtype_bits(from);
  if (bits == 32 || bits == 64) {
    convert(context, {.SRC = bits == 32 ? 0u : 5u, .DST = bits == 32 ? 0u : 4u}, n);
    return {};
  }
  if (is_integer(from) && is_integer(to)) {
    Knobs knobs{.SRC = *source(context.in_format(0))};
    set_target(knobs, to, context.out_format(0));
    convert(context, knobs, n);
    return {};
  }
  return context.refuse(cat("the bits of ", dtype_name(from), " are not at hand as ",
                            dtype_name(to), " on a device, which holds both widened"));
}

constexpr op::GpuCandidate kCast = {"cast", lower_cast};
constexpr op::GpuCandidate kBitCast = {"bit_cast", lower_bit_cast};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  if (!domain.empty()) return {};
  if (name == "Cast" || name == "CastLike") return {&kCast, 1};
  if (name == "BitCast") return {&kBitCast, 1};
  return {};
}

}  // namespace sluice::ops::cast
