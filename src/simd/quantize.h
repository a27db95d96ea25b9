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

// An array of bytes with its scale and zero point; one number when `single`.
struct QuantizedBytes {
  const uint8_t* data = nullptr;
  float scale = 1;
  int32_t zero_point = 0;
  bool single = false;
};
// out[i] = quantized(a[i] op b[i]) as dequantize, float32 arithmetic and quantize make it, all of
// int8 (is_signed) or of uint8.
enum class QuantizedOp : uint8_t { kAdd, kMul };
void quantized_binary(QuantizedOp op, const QuantizedBytes& a, const QuantizedBytes& b, float scale,
                      int32_t zero_point, bool is_signed, uint8_t* out, int64_t n);

// out[i] = table[in[i]], 256 bytes.
void map_bytes(const uint8_t* in, const uint8_t* table, uint8_t* out, int64_t n);

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
