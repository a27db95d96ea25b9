// Matrix products in float32: the register-tiled kernel that convolution shares, packing, and a
// blocked driver. C[m,n] = epilogue(A[m,k] * B[k,n]). Every element of C is summed over k in one
// fixed order, whatever the tiling and the number of threads.
//
// Packed A: chunks of k; in a chunk panels of kPanelRows rows; in a panel [k][kPanelRows], rows
// past m zero. Packed B: chunks of k; in a chunk panels of kPanelCols columns, [k][kPanelCols],
// columns past n zero. Both layouts are the same for every instruction set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/function_ref.h"
#include "simd/activation.h"

namespace sluice::simd {

inline constexpr int64_t kPanelRows = 8;
inline constexpr int64_t kPanelCols = 16;

// Three vectors of 16 floats are the widest register tile: 8 x 48 takes 24 of AVX-512's 32
// registers for sums, 3 for B and one for the broadcast of A.
inline constexpr int64_t kTileCols = 48;

// Depth of a chunk at most: 48 columns of B of that depth are 30 KiB, which stay in a first-level
// cache of 32 to 48 KiB while the panels of A stream past from the second level.
#ifdef __wasm__
// Eight columns are held there (gemm_f32.cc), of panels of 16: 16 KiB, and 8 KiB of A. What a
// register tile costs before and after its steps is shared by more of them.
inline constexpr int64_t kChunkDepth = 256;
#else
inline constexpr int64_t kChunkDepth = 160;
#endif

// One call of the inner kernel: a block of C of `rows` x (`lines` x `width`), for one chunk of k.
// Columns lie in `lines` runs of `width` (rows of an image; one line for a plain matrix).
struct GemmTile {
  const float* a = nullptr;  // packed panels of this chunk
  int64_t rows = 0;
  int64_t depth = 0;

  // B[k, line, x] is at b + offsets[k] + line * b_line + (x / 16) * b_panel + x % 16. Whole vectors
  // of 16 are read: memory must be readable up to width rounded up.
  const float* b = nullptr;
  const uint32_t* offsets = nullptr;
  // Where the offsets are 0, b_step, 2 * b_step ...: that step, and no list is read.
  int64_t b_step = 0;
  int64_t b_line = 0;
  int64_t b_panel = kPanelCols;

  float* c = nullptr;  // C[row, line, x] at c + row * c_row + line * c_line + x
  int64_t c_row = 0;
  int64_t c_line = 0;
  int64_t lines = 1;
  int64_t width = 0;

  // First chunk: C = product + bias + residual. Later chunks: C += product. Last: then activation.
  bool first = true;
  bool last = true;
  const float* row_bias = nullptr;     // [rows]
  const float* column_bias = nullptr;  // [width], one line only
  const float* residual = nullptr;     // laid out like C; may be C itself
  Activation activation;

  // What the caller will read next, to be brought to the second-level cache meanwhile.
  struct Span {
    const float* data = nullptr;
    int64_t floats = 0;
  };
  Span ahead[2];
};
void gemm_tile(const GemmTile& tile);

// --- packing
inline int64_t chunk_count(int64_t k, int64_t depth = kChunkDepth) {
  return k <= depth ? 1 : (k + depth - 1) / depth;
}
// Chunk i of n covers [k*i/n, k*(i+1)/n).
inline int64_t chunk_start(int64_t k, int64_t chunks, int64_t i) {
  return k / chunks * i + k % chunks * i / chunks;
}
inline int64_t round_up(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

inline int64_t packed_a_floats(int64_t m, int64_t k) { return round_up(m, kPanelRows) * k; }
inline int64_t packed_b_floats(int64_t k, int64_t n) { return round_up(n, kPanelCols) * k; }
// A[i,j] is at a + i * row + j * col. Packs panels [first, last) of rows of the whole depth, or of
// columns; both into `out`, which holds the whole packed matrix.
void pack_a(const float* a, int64_t row, int64_t col, int64_t m, int64_t k, float* out,
            int64_t first_panel, int64_t last_panel);
void pack_b(const float* b, int64_t row, int64_t col, int64_t k, int64_t n, float* out,
            int64_t first_panel, int64_t last_panel);

// One chunk of A: all panels of `depth` steps, into round_up(m, kPanelRows) * depth floats.
void pack_a_chunk(const float* a, int64_t row, int64_t col, int64_t m, int64_t depth, float* out);
// float16 in the same places, still float16.
void pack_a_chunk(const uint16_t* a, int64_t row, int64_t col, int64_t m, int64_t depth,
                  uint16_t* out);

// --- the driver
using Range = FunctionRef<void(int64_t begin, int64_t end)>;
// How the caller runs loops: parallel(count, grain, body).
using Parallel = FunctionRef<void(int64_t count, int64_t grain, Range body)>;

struct Gemm {
  int64_t m = 0, n = 0, k = 0;
  const float* a = nullptr;  // A[i,j] at a + i * a_row + j * a_col
  int64_t a_row = 0, a_col = 1;
  const float* b = nullptr;
  int64_t b_row = 0, b_col = 1;
  const float* packed_a = nullptr;  // instead of a
  const float* packed_b = nullptr;  // instead of b
  float* c = nullptr;
  int64_t c_row = 0;
  float alpha = 1;  // applied to A as it is packed; only with `a`
  const float* row_bias = nullptr;
  const float* column_bias = nullptr;
  const float* residual = nullptr;  // laid out like C; may be C itself
  Activation activation;

  // `batch` products; element i of each list is added to the pointer. An empty list means 0.
  int64_t batch = 1;
  std::span<const int64_t> a_offsets, b_offsets, c_offsets;
};
// Floats of scratch that gemm() needs (for packing what does not come packed).
int64_t gemm_workspace_floats(const Gemm& gemm);
void gemm(const Gemm& gemm, std::span<float> workspace, Parallel parallel);

}  // namespace sluice::simd
