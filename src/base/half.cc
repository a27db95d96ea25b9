#include "base/half.h"

#include <bit>
#include <cmath>
#include <limits>

namespace sluice {

namespace {

struct SmallFormat {
  int exponent_bits;
  int mantissa_bits;
  int bias;
  bool has_infinity;   // all-ones exponent is infinity/NaN
  bool unsigned_zero;  // "UZ": no negative zero, its pattern is the only NaN
  uint8_t max_finite;  // magnitude bits of the largest finite value
  uint8_t nan;
};

constexpr SmallFormat format_of(Float8 format) {
  switch (format) {
    case Float8::kE4M3FN:
      return {4, 3, 7, false, false, 0x7e, 0x7f};
    case Float8::kE4M3FNUZ:
      return {4, 3, 8, false, true, 0x7f, 0x80};
    case Float8::kE5M2:
      return {5, 2, 15, true, false, 0x7b, 0x7f};
    case Float8::kE5M2FNUZ:
      return {5, 2, 16, false, true, 0x7f, 0x80};
  }
  return {};
}

// Magnitude bits (no sign) of |value| in a small format, rounded to nearest even; may exceed
// max_finite, which the caller handles.
uint32_t round_magnitude(double magnitude, int mantissa_bits, int bias) {
  if (magnitude == 0) return 0;
  int exponent = 0;
  std::frexp(magnitude, &exponent);  // magnitude = m * 2^exponent, m in [0.5, 1)
  const int unbiased = exponent - 1;
  const int min_normal = 1 - bias;
  const int scale_exponent = (unbiased < min_normal ? min_normal : unbiased) - mantissa_bits;
  const double scaled = std::nearbyint(std::ldexp(magnitude, -scale_exponent));
  // A subnormal has exponent field 0; a normal one adds its implicit bit into the field.
  const auto units = static_cast<uint32_t>(scaled);
  if (unbiased < min_normal) return units;
  return (static_cast<uint32_t>(unbiased + bias - 1) << mantissa_bits) + units;
}

}  // namespace

float half_to_float(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 31u;
  const uint32_t mantissa = bits & 0x3ffu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (mantissa << 13));
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  return sign != 0 ? -magnitude : magnitude;
}

uint16_t double_to_half(double value) {
  const uint16_t sign = std::signbit(value) ? 0x8000u : 0u;
  if (std::isnan(value)) return static_cast<uint16_t>(sign | 0x7e00u);
  const double magnitude = std::fabs(value);
  if (magnitude >= 65520.0) return static_cast<uint16_t>(sign | 0x7c00u);
  return static_cast<uint16_t>(sign | round_magnitude(magnitude, 10, 15));
}

uint16_t float_to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {  // subnormal half: let the float adder round at 2^-24
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000u));
  }
  const uint32_t odd = (magnitude >> 13) & 1u;
  return static_cast<uint16_t>(sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13));
}

float bfloat16_to_float(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

uint16_t float_to_bfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

float float8_to_float(uint8_t bits, Float8 format) {
  const SmallFormat f = format_of(format);
  const bool negative = (bits & 0x80u) != 0;
  const uint32_t magnitude = bits & 0x7fu;
  if (f.unsigned_zero ? bits == f.nan : false) return std::numeric_limits<float>::quiet_NaN();
  if (f.has_infinity && magnitude > f.max_finite) {
    if (magnitude > static_cast<uint32_t>(f.max_finite) + 1) {
      return std::numeric_limits<float>::quiet_NaN();
    }
    return negative ? -std::numeric_limits<float>::infinity()
                    : std::numeric_limits<float>::infinity();
  }
  if (!f.has_infinity && !f.unsigned_zero && magnitude == f.nan) {
    return std::numeric_limits<float>::quiet_NaN();
  }
  const int field = static_cast<int>(magnitude >> f.mantissa_bits);
  const int mantissa = static_cast<int>(magnitude & ((1u << f.mantissa_bits) - 1));
  const float value = field == 0
                          ? std::ldexp(static_cast<float>(mantissa), 1 - f.bias - f.mantissa_bits)
                          : std::ldexp(static_cast<float>(mantissa + (1 << f.mantissa_bits)),
                                       field - f.bias - f.mantissa_bits);
  return negative ? -value : value;
}

uint8_t float_to_float8(float value, Float8 format, bool saturate) {
  const SmallFormat f = format_of(format);
  if (std::isnan(value)) {
    return f.unsigned_zero ? f.nan
                           : static_cast<uint8_t>(f.nan | (std::signbit(value) ? 0x80u : 0u));
  }
  const uint8_t sign = std::signbit(value) ? 0x80u : 0u;
  const bool infinite = std::isinf(value);
  const uint32_t magnitude =
      infinite ? 0xffu
               : round_magnitude(std::fabs(static_cast<double>(value)), f.mantissa_bits, f.bias);
  if (magnitude > f.max_finite) {
    if (saturate) return static_cast<uint8_t>(sign | f.max_finite);
    if (f.unsigned_zero) return f.nan;
    if (f.has_infinity) return static_cast<uint8_t>(sign | (f.max_finite + 1u));
    return static_cast<uint8_t>(sign | f.nan);
  }
  if (magnitude == 0 && f.unsigned_zero) return 0;
  return static_cast<uint8_t>(sign | magnitude);
}

float e8m0_to_float(uint8_t bits) {
  if (bits == 0xff) return std::numeric_limits<float>::quiet_NaN();
  return std::ldexp(1.0f, static_cast<int>(bits) - 127);
}

uint8_t float_to_e8m0(float value, E8M0Rounding rounding, bool saturate) {
  if (std::isnan(value)) return 0xff;
  const float magnitude = std::fabs(value);
  if (std::isinf(magnitude)) return saturate ? 0xfe : 0xff;
  if (magnitude == 0) return 0;
  int exponent = 0;
  const float mantissa = std::frexp(magnitude, &exponent);  // in [0.5, 1)
  int power = exponent - 1;
  if (rounding == E8M0Rounding::kUp && mantissa > 0.5f) ++power;
  if (rounding == E8M0Rounding::kNearest && mantissa >= 0.75f) ++power;
  const int field = power + 127;
  if (field < 0) return 0;
  if (field > 254) return saturate ? 0xfe : 0xff;
  return static_cast<uint8_t>(field);
}

float float4_to_float(uint8_t bits) {
  constexpr float kMagnitudes[] = {0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f};
  const float value = kMagnitudes[bits & 7u];
  return (bits & 8u) != 0 ? -value : value;
}

uint8_t float_to_float4(float value) {
  if (std::isnan(value)) return 8;  // no NaN here: minus zero stands for it, as in ONNX's tests
  const uint8_t sign = std::signbit(value) ? 8u : 0u;
  if (std::fabs(value) >= 6.0f) return static_cast<uint8_t>(sign | 7u);
  const uint32_t magnitude = round_magnitude(std::fabs(static_cast<double>(value)), 1, 1);
  return static_cast<uint8_t>(sign | (magnitude > 7 ? 7u : magnitude));
}

}  // namespace sluice
