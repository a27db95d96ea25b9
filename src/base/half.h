// Small floating-point formats <-> float32, round to nearest even.
// float16: IEEE binary16. bfloat16: upper half of binary32. The float8 forms are those of ONNX
// ("Float stored in 8 bits"): E4M3FN, E4M3FNUZ, E5M2, E5M2FNUZ; E8M0 is a bare power of two; and
// float4 is E2M1. `saturate` clamps out-of-range values to the largest finite one instead of
// producing NaN or infinity.
#pragma once

#include <cstdint>

namespace sluice {

float half_to_float(uint16_t bits);
uint16_t float_to_half(float value);
uint16_t double_to_half(double value);  // one rounding only

float bfloat16_to_float(uint16_t bits);
uint16_t float_to_bfloat16(float value);

enum class Float8 { kE4M3FN, kE4M3FNUZ, kE5M2, kE5M2FNUZ };
float float8_to_float(uint8_t bits, Float8 format);
uint8_t float_to_float8(float value, Float8 format, bool saturate);

enum class E8M0Rounding { kUp, kDown, kNearest };
float e8m0_to_float(uint8_t bits);
uint8_t float_to_e8m0(float value, E8M0Rounding rounding, bool saturate);

// The low four bits of `bits`.
float float4_to_float(uint8_t bits);
uint8_t float_to_float4(float value);

}  // namespace sluice
