#include <bit>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/half.h"
#include "base/text.h"
#include "op/operand.h"
#include "ops/cast/cast.h"

namespace sluice::ops::cast {

namespace {

using plan::KernelContext;

// --- rounding to odd: an inexact result takes its last bit as 1, so that rounding it once more to
// a format at least two bits shorter gives what one rounding of the exact value would have given.

double integer_to_odd_double(uint64_t magnitude, bool negative) {
  int shift = 0;
  while (magnitude >> shift >> 53 != 0) ++shift;
  uint64_t kept = magnitude >> shift;
  if ((kept << shift) != magnitude) kept |= 1;
  const double value = std::ldexp(static_cast<double>(kept), shift);
  return negative ? -value : value;
}

float double_to_odd_float(double value) {
  const auto rounded = static_cast<float>(value);
  if (!std::isfinite(value) || static_cast<double>(rounded) == value) return rounded;
  // Truncate towards zero, then set the last bit.
  float truncated = rounded;
  if (std::fabs(static_cast<double>(rounded)) > std::fabs(value)) {
    truncated = std::nextafter(rounded, 0.0f);
  }
  return std::bit_cast<float>(std::bit_cast<uint32_t>(truncated) | 1u);
}

// --- writing a number into an element

struct Rounding {
  bool saturate = true;
  E8M0Rounding e8m0 = E8M0Rounding::kUp;
};

uint8_t to_e8m0(double value, const Rounding& rounding) {
  // Without saturation, what lies under the smallest power (2^-127), zero included, is no number.
  if (!rounding.saturate && std::fabs(value) < 0x1p-127) return 0xff;
  return float_to_e8m0(double_to_odd_float(value), rounding.e8m0, rounding.saturate);
}

// `value` is exact, or odd-rounded to 53 bits.
void store_double(Tensor& to, int64_t i, double value, const Rounding& rounding) {
  const auto float8 = [&](Float8 format) {
    to.mutable_data<uint8_t>()[i] =
        float_to_float8(double_to_odd_float(value), format, rounding.saturate);
  };
  switch (to.dtype()) {
    case DType::kBFloat16:
      to.mutable_data<uint16_t>()[i] = float_to_bfloat16(double_to_odd_float(value));
      return;
    case DType::kFloat8E4M3FN:
      return float8(Float8::kE4M3FN);
    case DType::kFloat8E4M3FNUZ:
      return float8(Float8::kE4M3FNUZ);
    case DType::kFloat8E5M2:
      return float8(Float8::kE5M2);
    case DType::kFloat8E5M2FNUZ:
      return float8(Float8::kE5M2FNUZ);
    case DType::kFloat8E8M0:
      to.mutable_data<uint8_t>()[i] = to_e8m0(value, rounding);
      return;
    case DType::kFloat4E2M1:
      to.set_double(i, double_to_odd_float(value));
      return;
    default:
      to.set_double(i, value);
      return;
  }
}

void store_integer(Tensor& to, int64_t i, int64_t value, bool is_unsigned,
                   const Rounding& rounding) {
  if (!is_floating(to.dtype())) {
    to.set_int(i, value);
    return;
  }
  const bool negative = !is_unsigned && value < 0;
  const auto bits = static_cast<uint64_t>(value);
  if (to.dtype() == DType::kFloat64) {
    to.set_double(i, is_unsigned ? static_cast<double>(bits) : static_cast<double>(value));
  } else {
    store_double(to, i, integer_to_odd_double(negative ? 0 - bits : bits, negative), rounding);
  }
}

// --- strings

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c) != lower[i]) return false;
  }
  return true;
}

Result<void> parse_into(Tensor& to, int64_t i, std::string_view text, const Rounding& rounding) {
  text = trim(text);
  if (is_integer(to.dtype())) {
    if (const auto value = parse_int(text)) {
      to.set_int(i, *value);
      return {};
    }
    uint64_t large = 0;  // above int64's range
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), large);
    if (status == std::errc() && end == text.data() + text.size()) {
      to.set_int(i, static_cast<int64_t>(large));
      return {};
    }
  }
  std::string_view unsigned_text = text;
  bool negative = false;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    negative = text[0] == '-';
    unsigned_text.remove_prefix(1);
  }
  std::optional<double> value;
  if (equals_ignoring_case(unsigned_text, "inf") ||
      equals_ignoring_case(unsigned_text, "infinity")) {
    value = std::numeric_limits<double>::infinity();
  } else if (equals_ignoring_case(unsigned_text, "nan")) {
    value = std::numeric_limits<double>::quiet_NaN();
  } else if (!unsigned_text.empty() && unsigned_text[0] != '-' && unsigned_text[0] != '+') {
    value = parse_double(unsigned_text);
  }
  if (!value) return usage_error(cat("The string ", quoted(text), " is not a number"));
  store_double(to, i, negative ? -*value : *value, rounding);
  return {};
}

template <class T>
std::string shortest(T value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "INF" : "-INF";
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value);
  return {buffer, end.ptr};
}

std::string number_text(const Tensor& from, int64_t i) {
  if (from.dtype() == DType::kFloat64) return shortest(from.get_double(i));
  if (is_floating(from.dtype())) return shortest(static_cast<float>(from.get_double(i)));
  if (from.dtype() == DType::kUInt64) return cat(static_cast<uint64_t>(from.get_int(i)));
  return cat(from.get_int(i));
}

Result<void> convert(KernelContext& context, DType to) {
  SLUICE_ASSIGN(const Tensor* from, op::input_tensor(context, 0));
  if (from->dtype() == to) {
    context.set_out(0, *from);
    return {};
  }
  if (is_complex(from->dtype()) || is_complex(to)) {
    return unsupported(
        cat("A cast from ", dtype_name(from->dtype()), " to ", dtype_name(to), " is not defined"));
  }
  Rounding rounding;
  rounding.saturate = context.attrs().int_or("saturate", 1) != 0;
  const std::string mode = context.attrs().string_or("round_mode", "up");
  rounding.e8m0 = mode == "down"      ? E8M0Rounding::kDown
                  : mode == "nearest" ? E8M0Rounding::kNearest
                                      : E8M0Rounding::kUp;
  SLUICE_ASSIGN(Tensor * out, context.out(0, to, from->shape()));
  const int64_t count = from->elements();
  if (from->dtype() == DType::kString) {
    for (int64_t i = 0; i < count; ++i) {
      SLUICE_TRY(parse_into(*out, i, from->data<std::string>()[i], rounding));
    }
  } else if (to == DType::kString) {
    for (int64_t i = 0; i < count; ++i) {
      out->mutable_data<std::string>()[i] = number_text(*from, i);
    }
  } else if (is_floating(from->dtype())) {
    for (int64_t i = 0; i < count; ++i) store_double(*out, i, from->get_double(i), rounding);
  } else {
    const bool is_unsigned = from->dtype() == DType::kUInt64;
    for (int64_t i = 0; i < count; ++i) {
      store_integer(*out, i, from->get_int(i), is_unsigned, rounding);
    }
  }
  return {};
}

Result<DType> target(const KernelContext& context) {
  const int64_t to = context.attrs().int_or("to", 0);
  if (!dtype_is_valid(to)) {
    return usage_error(
        cat("Attribute to is ", to, " (a dtype is a number from 1 to ", kDTypeCount - 1, ")"));
  }
  return static_cast<DType>(to);
}

}  // namespace

Result<void> cast_reference(KernelContext& context) {
  SLUICE_ASSIGN(const DType to, target(context));
  return convert(context, to);
}

Result<void> cast_like_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* like, op::input_tensor(context, 1));
  return convert(context, like->dtype());
}

Result<void> bit_cast_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* from, op::input_tensor(context, 0));
  SLUICE_ASSIGN(const DType to, target(context));
  if (dtype_bits(to) == 0 || dtype_bits(to) != dtype_bits(from->dtype())) {
    return usage_error(cat("The bits of ", dtype_name(from->dtype()), " (",
                           dtype_bits(from->dtype()), " wide) can't be read as ", dtype_name(to),
                           " (", dtype_bits(to), " wide)"));
  }
  context.set_out(0, from->reinterpreted(to));
  return {};
}

}  // namespace sluice::ops::cast
