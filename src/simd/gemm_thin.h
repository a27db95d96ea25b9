// Products with at most four columns, from A as gemm_f32.h packs it: lanes run along the rows of a
// panel, so that none is idle however few the columns are.
#pragma once

#include <cstdint>
#include <span>

namespace sluice::simd {

inline constexpr int64_t kThinColumns = 4;

// C[m, x] = sum over k of A[m, k] * B[k, x], summed in the order of k.
struct ThinProduct {
  // Panels of 8 rows, chunk after chunk of k: chunk i covers k in [starts[i], starts[i + 1]) and
  // lies at a + padded_rows * starts[i], its panel p at 8 * p * (its depth) from there.
  const float* a = nullptr;
  const uint16_t* half_a = nullptr;  // instead of a: float16, laid out alike
  int64_t padded_rows = 0;
  std::span<const int64_t> starts;  // one more than chunks
  const float* b = nullptr;         // [k][columns]
  int64_t columns = 1;              // 1 to kThinColumns
  float* c = nullptr;               // [row][columns]
  int64_t rows = 0;
};
// Rows [8 * first_panel, 8 * last_panel) of those that there are.
void thin_product(const ThinProduct& product, int64_t first_panel, int64_t last_panel);

}  // namespace sluice::simd
