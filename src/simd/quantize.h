// Linear quantization of float32 arrays, real = scale * (q - zero_point), and the products of small
// integers. Rounding is to the nearest, ties to even; results saturate.
#pragma once

#include <cstdint>

#include "simd/gemm_f32.h"

namespace sluice::simd {

// out[i] = saturate(round(in[i] / scale) + zero_point); NaN gives the zero point.
void quantize(const float* in, float scale, int32_t zero_point, uint8_t* out, int64_t n);
void quantize(const float* in, float scale, int32_t zero_point, int8_t* out, int64_t n);

// out[i] = (in[i] - zero_point) * scale.
void dequantize(const uint8_t* in, float scale, int32_t zero_point, float* out, int64_t n);
void dequantize(const int8_t* in, float scale, int32_t zero_point, float* out, int64_t n);

// The smallest and the largest of n > 0 numbers; NaN in both when any is.
struct Range32 {
  float low = 0, high = 0;
};
Range32 range_of(const float* in, int64_t n);

// The same on several threads; `pieces` holds range_pieces(n) of them.
inline constexpr int64_t kRangePiece = 1 << 16;
inline int64_t range_pieces(int64_t n) { return (n + kRangePiece - 1) / kRangePiece; }
Range32 range_of(const float* in, int64_t n, Range32* pieces, Parallel parallel);

// sum[i] += integer in[i], for floats that hold integers below 2^24; wraps as int32.
void add_integers(const float* in, int32_t* sum, int64_t n);

}  // namespace sluice::simd
