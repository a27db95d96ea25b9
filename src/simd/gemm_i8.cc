#include "simd/gemm_i8.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/check.h"
#include "simd/quantize.h"

namespace sluice::simd {

namespace {

void pack_panels_b(const ByteMatrix& b, int64_t k, int64_t n, float* out, int64_t first,
                   int64_t last) {
  const int64_t padded = round_up(n, kPanelCols), chunks = chunk_count(k);
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const int64_t k0 = chunk_start(k, chunks, chunk), k1 = chunk_start(k, chunks, chunk + 1);
    for (int64_t panel = first; panel < last; ++panel) {
      const int64_t x0 = panel * kPanelCols, lanes = std::min(kPanelCols, n - x0);
      float* to = out + padded * k0 + x0 * (k1 - k0);
      std::array<int32_t, kPanelCols> zero = {};
      for (int64_t x = 0; x < lanes; ++x) zero[static_cast<size_t>(x)] = b.zero_at(x0 + x);
      for (int64_t j = k0; j < k1; ++j, to += kPanelCols) {
        for (int64_t x = 0; x < lanes; ++x) {
          to[x] = static_cast<float>(b.at(j, x0 + x) - zero[static_cast<size_t>(x)]);
        }
        for (int64_t x = lanes; x < kPanelCols; ++x) to[x] = 0;
      }
    }
  }
}

void pack_panels_a(const ByteMatrix& a, int64_t m, int64_t k, float* out, int64_t first,
                   int64_t last) {
  const int64_t padded = round_up(m, kPanelRows), chunks = chunk_count(k);
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const int64_t k0 = chunk_start(k, chunks, chunk), k1 = chunk_start(k, chunks, chunk + 1);
    for (int64_t panel = first; panel < last; ++panel) {
      const int64_t r0 = panel * kPanelRows, lanes = std::min(kPanelRows, m - r0);
      float* const to = out + padded * k0 + r0 * (k1 - k0);
      for (int64_t r = 0; r < kPanelRows; ++r) {
        const int32_t zero = r < lanes ? a.zero_at(r0 + r) : 0;
        for (int64_t j = k0; j < k1; ++j) {
          to[(j - k0) * kPanelRows + r] =
              r < lanes ? static_cast<float>(a.at(r0 + r, j) - zero) : 0.0f;
        }
      }
    }
  }
}

}  // namespace

void pack_bytes_b(const ByteMatrix& b, int64_t k, int64_t n, float* out) {
  pack_panels_b(b, k, n, out, 0, (n + kPanelCols - 1) / kPanelCols);
}

int64_t integer_gemm_workspace_floats(const IntegerGemm& g) {
  return packed_a_floats(g.m, g.k) + (g.packed_b == nullptr ? packed_b_floats(g.k, g.n) : 0);
}

void integer_gemm(const IntegerGemm& g, std::span<float> workspace, Parallel parallel) {
  if (g.m <= 0 || g.n <= 0) return;
  SLUICE_CHECK(static_cast<int64_t>(workspace.size()) >= integer_gemm_workspace_floats(g));
  float* const packed_a = workspace.data();
  const float* packed_b = g.packed_b;
  const auto grain = [](int64_t work) {
    return std::max<int64_t>(1, (1 << 15) / std::max<int64_t>(1, work));
  };
  parallel((g.m + kPanelRows - 1) / kPanelRows, grain(kPanelRows * g.k),
           [&](int64_t begin, int64_t end) { pack_panels_a(g.a, g.m, g.k, packed_a, begin, end); });
  if (packed_b == nullptr) {
    float* const to = packed_a + packed_a_floats(g.m, g.k);
    parallel((g.n + kPanelCols - 1) / kPanelCols, grain(kPanelCols * g.k),
             [&](int64_t begin, int64_t end) { pack_panels_b(g.b, g.k, g.n, to, begin, end); });
    packed_b = to;
  }

  // A block's sums of one chunk lie on the stack, 12 KiB, and in the first-level cache.
  constexpr int64_t kRows = 4 * kPanelRows, kCols = 2 * kTileCols;
  const int64_t row_blocks = (g.m + kRows - 1) / kRows, col_blocks = (g.n + kCols - 1) / kCols;
  const int64_t chunks = chunk_count(g.k);
  const int64_t tasks_grain =
      std::max<int64_t>(1, (1 << 19) / std::max<int64_t>(1, kRows * kCols * g.k));
  parallel(row_blocks * col_blocks, tasks_grain, [&](int64_t begin, int64_t end) {
    std::array<uint32_t, kChunkDepth> offsets;
    for (size_t j = 0; j < offsets.size(); ++j) offsets[j] = static_cast<uint32_t>(j * kPanelCols);
    alignas(64) std::array<float, kRows * kCols> sums;
    for (int64_t task = begin; task < end; ++task) {
      const int64_t r0 = task / col_blocks * kRows, c0 = task % col_blocks * kCols;
      GemmTile tile;
      tile.rows = std::min(kRows, g.m - r0);
      tile.width = std::min(kCols, g.n - c0);
      tile.offsets = offsets.data();
      tile.c = sums.data();
      tile.c_row = kCols;
      for (int64_t r = 0; r < tile.rows; ++r) {
        std::fill_n(g.c + (r0 + r) * g.c_row + c0, tile.width, 0);
      }
      for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        const int64_t k0 = chunk_start(g.k, chunks, chunk);
        tile.depth = chunk_start(g.k, chunks, chunk + 1) - k0;
        tile.a = packed_a + round_up(g.m, kPanelRows) * k0 + r0 * tile.depth;
        tile.b = packed_b + round_up(g.n, kPanelCols) * k0 + c0 * tile.depth;
        tile.b_panel = kPanelCols * tile.depth;
        gemm_tile(tile);
        for (int64_t r = 0; r < tile.rows; ++r) {
          add_integers(sums.data() + r * kCols, g.c + (r0 + r) * g.c_row + c0, tile.width);
        }
      }
    }
  });
}

}  // namespace sluice::simd
