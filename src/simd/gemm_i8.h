// Products of 8-bit matrices with int32 results: C = (A - a_zero) * (B - b_zero), wrapping.
// They run on the float32 kernel: over a chunk of kChunkDepth = 160 steps a sum of products of two
// 9-bit differences stays below 160 * 255^2 = 10,404,000 < 2^24, so every float in it is an exact
// integer; chunks are then added in int32.
#pragma once

#include <cstdint>
#include <span>

#include "simd/gemm_f32.h"

namespace sluice::simd {

// An 8-bit matrix: element (i, j) is at data + i * row + j * col.
struct ByteMatrix {
  const std::byte* data = nullptr;
  bool is_signed = false;
  int64_t row = 0, col = 1;
  // One for all (zero_count 1), or one per row of A, per column of B; held as the elements are.
  const std::byte* zero = nullptr;  // null: 0
  int64_t zero_count = 1;

  int32_t at(int64_t i, int64_t j) const { return value(data + i * row + j * col); }
  int32_t zero_at(int64_t i) const {
    return zero == nullptr ? 0 : value(zero + (zero_count == 1 ? 0 : i));
  }

 private:
  int32_t value(const std::byte* p) const {
    return is_signed ? static_cast<int32_t>(static_cast<int8_t>(*p))
                     : static_cast<int32_t>(static_cast<uint8_t>(*p));
  }
};

struct IntegerGemm {
  int64_t m = 0, n = 0, k = 0;
  ByteMatrix a, b;
  const float* packed_b = nullptr;  // by pack_bytes_b, instead of b
  int32_t* c = nullptr;             // overwritten
  int64_t c_row = 0;
};
int64_t integer_gemm_workspace_floats(const IntegerGemm& gemm);
void integer_gemm(const IntegerGemm& gemm, std::span<float> workspace, Parallel parallel);

// B - b_zero as floats in packed form (packed_b_floats(k, n) of them).
void pack_bytes_b(const ByteMatrix& b, int64_t k, int64_t n, float* out);

}  // namespace sluice::simd
