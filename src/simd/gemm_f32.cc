#include "simd/gemm_f32.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/gemm_f32.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::simd {
namespace HWY_NAMESPACE {
namespace {

// Rows of sums held at once: with 32 vector registers a whole panel, with 16 half of one
// (4 x 3 sums, 3 vectors of B, 1 of A).
#if (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3) || HWY_ARCH_ARM_A64
constexpr int kRows = 8;
#else
constexpr int kRows = 4;
#endif

// Vectors of columns held at once. Engines of WebAssembly keep one of 16 registers for themselves,
// and spilling costs more than the loads that a third vector saves.
#if SLUICE_WASM_LOOPS
constexpr int kVectorsHeld = 2;
#else
constexpr int kVectorsHeld = 3;
#endif

// One vector of columns: where B starts, where it goes in a row of C, and how many lanes count.
struct Column {
  const float* b;
  int64_t c;
  size_t lanes;
  bool whole;
};

template <int kVectors>
struct Sums {
  V32 v0, v1, v2;
};

template <int kVectors>
HWY_INLINE void clear(Sums<kVectors>& s) {
  const F32 d;
  s.v0 = hn::Zero(d);
  if constexpr (kVectors > 1) s.v1 = hn::Zero(d);
  if constexpr (kVectors > 2) s.v2 = hn::Zero(d);
}

template <int kVectors>
HWY_INLINE void accumulate(Sums<kVectors>& s, const float* HWY_RESTRICT a, V32 b0, V32 b1, V32 b2) {
  const V32 x = hn::Set(F32(), *a);
  s.v0 = hn::MulAdd(x, b0, s.v0);
  if constexpr (kVectors > 1) s.v1 = hn::MulAdd(x, b1, s.v1);
  if constexpr (kVectors > 2) s.v2 = hn::MulAdd(x, b2, s.v2);
}

HWY_INLINE void finish_vector(const GemmTile& tile, V32 sum, const Column& column, int64_t row) {
  const F32 d;
  float* at = tile.c + row * tile.c_row + column.c;
  if (tile.first) {
    if (tile.row_bias != nullptr) sum = hn::Add(sum, hn::Set(d, tile.row_bias[row]));
    if (tile.column_bias != nullptr) {
      sum = hn::Add(sum, load_partial(d, tile.column_bias + column.c, column.lanes));
    }
    if (tile.residual != nullptr) {
      const float* from = tile.residual + row * tile.c_row + column.c;
      sum = hn::Add(sum, column.whole ? hn::LoadU(d, from) : load_partial(d, from, column.lanes));
    }
  } else {
    sum = hn::Add(sum, column.whole ? hn::LoadU(d, at) : load_partial(d, at, column.lanes));
  }
  if (tile.last) sum = activate(d, sum, tile.activation);
  if (column.whole) {
    hn::StoreU(sum, d, at);
  } else {
    store_partial(d, sum, at, column.lanes);
  }
}

// The sums of a register tile.
template <int kVectors>
struct Block {
  Sums<kVectors> r0, r1, r2, r3, r4, r5, r6, r7;
};

// f(sums, row) for the kM rows of a block.
#define SLUICE_ROWS(kM, block, f)         \
  do {                                    \
    f(block.r0, 0);                       \
    if constexpr (kM > 1) f(block.r1, 1); \
    if constexpr (kM > 2) f(block.r2, 2); \
    if constexpr (kM > 3) f(block.r3, 3); \
    if constexpr (kM > 4) f(block.r4, 4); \
    if constexpr (kM > 5) f(block.r5, 5); \
    if constexpr (kM > 6) f(block.r6, 6); \
    if constexpr (kM > 7) f(block.r7, 7); \
  } while (false)

// One step of the depth.
template <int kM, int kVectors>
HWY_INLINE void step(Block<kVectors>& s, const float* HWY_RESTRICT a, const float* HWY_RESTRICT p0,
                     const float* HWY_RESTRICT p1, const float* HWY_RESTRICT p2) {
  const F32 d;
  const V32 b0 = hn::LoadU(d, p0);
  V32 b1 = b0, b2 = b0;
  if constexpr (kVectors > 1) b1 = hn::LoadU(d, p1);
  if constexpr (kVectors > 2) b2 = hn::LoadU(d, p2);
#define SLUICE_ROW(sums, row) accumulate<kVectors>(sums, a + row, b0, b1, b2)
  SLUICE_ROWS(kM, s, SLUICE_ROW);
#undef SLUICE_ROW
}

template <int kVectors>
HWY_INLINE void add_value(Sums<kVectors>& s, V32 x) {
  s.v0 = hn::Add(s.v0, x);
  if constexpr (kVectors > 1) s.v1 = hn::Add(s.v1, x);
  if constexpr (kVectors > 2) s.v2 = hn::Add(s.v2, x);
}

template <int kVectors>
HWY_INLINE void add_memory(Sums<kVectors>& s, const float* HWY_RESTRICT from,
                           const Column* columns) {
  const F32 d;
  s.v0 = hn::Add(s.v0, hn::LoadU(d, from + columns[0].c));
  if constexpr (kVectors > 1) s.v1 = hn::Add(s.v1, hn::LoadU(d, from + columns[1].c));
  if constexpr (kVectors > 2) s.v2 = hn::Add(s.v2, hn::LoadU(d, from + columns[2].c));
}

template <int kVectors>
HWY_INLINE void clip(Sums<kVectors>& s, V32 lo, V32 hi) {
  s.v0 = clamp_keeping_nan(s.v0, lo, hi);
  if constexpr (kVectors > 1) s.v1 = clamp_keeping_nan(s.v1, lo, hi);
  if constexpr (kVectors > 2) s.v2 = clamp_keeping_nan(s.v2, lo, hi);
}

template <int kVectors>
HWY_INLINE void store_row(const Sums<kVectors>& s, float* HWY_RESTRICT to, int64_t c0, int64_t c1,
                          int64_t c2) {
  const F32 d;
  hn::StoreU(s.v0, d, to + c0);
  if constexpr (kVectors > 1) hn::StoreU(s.v1, d, to + c1);
  if constexpr (kVectors > 2) hn::StoreU(s.v2, d, to + c2);
}

// Epilogues other than the usual ones, from sums in memory (rows of kTileCols).
HWY_NOINLINE void finish_slowly(const GemmTile& tile, const float* sums, int rows, int vectors,
                                const Column* columns, int64_t row) {
  const F32 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int i = 0; i < rows; ++i) {
    for (int v = 0; v < vectors; ++v) {
      finish_vector(tile, hn::LoadU(d, sums + i * kTileCols + v * lanes), columns[v], row + i);
    }
  }
}

// What made it faster, one after the other:
// 1. sums of 8 x 48 in registers: 24 multiply-adds for 11 loads;
// 2. B's steps evenly spaced and four a turn: no list of offsets is read between multiply-adds;
// 3. bias, addition to C and clip on registers, the rest in one function through memory, where each
// of 24 rows and vectors had a branching epilogue of its own;
// 4. what comes next is fetched a few lines a tile: B no longer waits for the third-level cache;
// 5. a B that fits the first-level cache is read where it lies: small products are not copied
// first;
// 6. in WebAssembly no counter of steps, which lay in memory, and neighbouring vectors of B at one
// address.
//
// kM rows x kVectors vectors. `a` points at the first row's weight of depth 0; `usual`: whole
// vectors, no more than a bias by row before and a clip after.
template <int kM, int kVectors>
HWY_NOINLINE void micro(const GemmTile& tile, const float* HWY_RESTRICT a, const Column* columns,
                        int64_t row, bool usual) {
  Block<kVectors> s;
#define SLUICE_ROW(sums, i) clear<kVectors>(sums)
  SLUICE_ROWS(kM, s, SLUICE_ROW);
#undef SLUICE_ROW

  const float* HWY_RESTRICT p0 = columns[0].b;
  const float* HWY_RESTRICT p1 = columns[kVectors > 1 ? 1 : 0].b;
  const float* HWY_RESTRICT p2 = columns[kVectors > 2 ? 2 : 0].b;
  if (tile.b_step != 0) {
    const auto by = static_cast<size_t>(tile.b_step);
    auto left = static_cast<size_t>(tile.depth);
    // Four steps a turn; one in WebAssembly, where V8 runs more at half the speed.
#if !SLUICE_WASM_LOOPS
    for (; left >= 4; left -= 4) {
      step<kM, kVectors>(s, a, p0, p1, p2);
      step<kM, kVectors>(s, a + kPanelRows, p0 + by, p1 + by, p2 + by);
      p0 += 2 * by, p1 += 2 * by, p2 += 2 * by;
      step<kM, kVectors>(s, a + 2 * kPanelRows, p0, p1, p2);
      step<kM, kVectors>(s, a + 3 * kPanelRows, p0 + by, p1 + by, p2 + by);
      p0 += 2 * by, p1 += 2 * by, p2 += 2 * by;
      a += 4 * kPanelRows;
    }
#endif
#if SLUICE_WASM_LOOPS
    // No counter: engines have no register left for it, and a sum in memory is slower than the
    // turn.
    const float* end = a + left * static_cast<size_t>(kPanelRows);
    __asm__("" : "+r"(end));
    if (kVectors == 2 && p1 == p0 + hn::Lanes(F32())) {
      for (; a != end; a += kPanelRows, p0 += by) {
        step<kM, kVectors>(s, a, p0, p0 + hn::Lanes(F32()), p2);
      }
    } else {
      for (; a != end; a += kPanelRows, p0 += by, p1 += by) step<kM, kVectors>(s, a, p0, p1, p2);
    }
#else
    for (; left != 0; --left, a += kPanelRows) {
      step<kM, kVectors>(s, a, p0, p1, p2);
      p0 += by, p1 += by, p2 += by;
    }
#endif
  } else {
    const uint32_t* HWY_RESTRICT offsets = tile.offsets;
    const uint32_t* const end = offsets + tile.depth;
    for (; offsets != end; ++offsets, a += kPanelRows) {
      const size_t at = *offsets;
      step<kM, kVectors>(s, a, p0 + at, p1 + at, p2 + at);
    }
  }

  const F32 d;
  if (!usual) {
    HWY_ALIGN std::array<float, static_cast<size_t>(kM * kTileCols)> sums;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
#define SLUICE_ROW(from, i) \
  store_row<kVectors>(from, sums.data() + i * kTileCols, 0, lanes, 2 * lanes)
    SLUICE_ROWS(kM, s, SLUICE_ROW);
#undef SLUICE_ROW
    return finish_slowly(tile, sums.data(), kM, kVectors, columns, row);
  }
  float* const to = tile.c + row * tile.c_row;
  if (!tile.first) {
#define SLUICE_ROW(sums, i) add_memory<kVectors>(sums, to + i * tile.c_row, columns)
    SLUICE_ROWS(kM, s, SLUICE_ROW);
#undef SLUICE_ROW
  } else if (tile.row_bias != nullptr) {
    const float* const bias = tile.row_bias + row;
#define SLUICE_ROW(sums, i) add_value<kVectors>(sums, hn::Set(d, bias[i]))
    SLUICE_ROWS(kM, s, SLUICE_ROW);
#undef SLUICE_ROW
  }
  if (tile.last && tile.activation.function == Function::kClip) {
    const V32 lo = hn::Set(d, tile.activation.a), hi = hn::Set(d, tile.activation.b);
#define SLUICE_ROW(sums, i) clip<kVectors>(sums, lo, hi)
    SLUICE_ROWS(kM, s, SLUICE_ROW);
#undef SLUICE_ROW
  }
  const int64_t c0 = columns[0].c, c1 = columns[kVectors > 1 ? 1 : 0].c,
                c2 = columns[kVectors > 2 ? 2 : 0].c;
#define SLUICE_ROW(sums, i) store_row<kVectors>(sums, to + i * tile.c_row, c0, c1, c2)
  SLUICE_ROWS(kM, s, SLUICE_ROW);
#undef SLUICE_ROW
}

template <int kVectors>
HWY_INLINE void micro_tail(int rows, const GemmTile& tile, const float* a, const Column* columns,
                           int64_t row, bool usual) {
  switch (rows) {
    case 1:
      return micro<1, kVectors>(tile, a, columns, row, usual);
    case 2:
      return micro<2, kVectors>(tile, a, columns, row, usual);
    case 3:
      return micro<3, kVectors>(tile, a, columns, row, usual);
#if (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3) || HWY_ARCH_ARM_A64
    case 4:
      return micro<4, kVectors>(tile, a, columns, row, usual);
    case 5:
      return micro<5, kVectors>(tile, a, columns, row, usual);
    case 6:
      return micro<6, kVectors>(tile, a, columns, row, usual);
    case 7:
      return micro<7, kVectors>(tile, a, columns, row, usual);
#endif
    default:
      return;
  }
}

// What the caller will need next, on its way to the second-level cache: a few lines with each
// register tile, so that fetching hides behind multiplying.
struct Fetch {
  const char* at[2] = {nullptr, nullptr};
  int64_t left[2] = {0, 0};   // bytes from there on
  int64_t share[2] = {0, 0};  // bytes a register tile

  void plan(const GemmTile& tile, int64_t register_tiles) {
    for (int i = 0; i < 2; ++i) {
      const GemmTile::Span& span = tile.ahead[i];
      at[i] = reinterpret_cast<const char*>(span.data);
      left[i] = span.floats * static_cast<int64_t>(sizeof(float));
      share[i] = round_up(left[i] / std::max<int64_t>(register_tiles, 1) + 1, 64);
    }
  }
  HWY_INLINE void some() {
#ifndef __wasm__
    for (int i = 0; i < 2; ++i) {
      const int64_t now = std::min(left[i], share[i]);
      for (int64_t byte = 0; byte < now; byte += 64) __builtin_prefetch(at[i] + byte, 0, 2);
      at[i] += now;
      left[i] -= now;
    }
#endif
  }
};

// All rows for one group of columns: the group's part of B stays in the first-level cache.
template <int kVectors>
void all_rows(const GemmTile& tile, const Column* columns, Fetch& fetch) {
  bool usual = tile.first ? tile.column_bias == nullptr && tile.residual == nullptr : true;
  if (tile.last && tile.activation.function != Function::kIdentity) {
    usual &= tile.activation.function == Function::kClip;
  }
  for (int v = 0; v < kVectors; ++v) usual &= columns[v].whole;
  int64_t row = 0;
  for (; row + kRows <= tile.rows; row += kRows) {
    // The panel holds kPanelRows rows; a kernel of fewer starts inside it.
    const float* a = tile.a + (row / kPanelRows) * kPanelRows * tile.depth + row % kPanelRows;
    fetch.some();
    micro<kRows, kVectors>(tile, a, columns, row, usual);
  }
  if (row < tile.rows) {
    fetch.some();
    const float* a = tile.a + (row / kPanelRows) * kPanelRows * tile.depth + row % kPanelRows;
    micro_tail<kVectors>(static_cast<int>(tile.rows - row), tile, a, columns, row, usual);
  }
}

#undef SLUICE_ONE_ROW
#if HWY_MAX_BYTES == 16 && HWY_TARGET != HWY_SCALAR
#define SLUICE_ONE_ROW 1
#else
#define SLUICE_ONE_ROW 0
#endif
#if SLUICE_ONE_ROW
constexpr int kOneRowVectors = 8;

// One row of two panels: with two or three sums each multiply-add would wait for the one before.
HWY_NOINLINE void one_row(const GemmTile& tile, const Column* columns) {
  const F32 d;
  V32 s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  const float* HWY_RESTRICT a = tile.a;
  const float* const p0 = columns[0].b;
  const float* const q0 = columns[4].b;
  size_t at = 0;
  for (int64_t k = 0; k < tile.depth; ++k, a += kPanelRows) {
    if (tile.b_step == 0) at = tile.offsets[k];
    const float* HWY_RESTRICT p = p0 + at;
    const float* HWY_RESTRICT q = q0 + at;
    const V32 x = hn::Set(d, *a);
    s0 = hn::MulAdd(x, hn::LoadU(d, p), s0);
    s1 = hn::MulAdd(x, hn::LoadU(d, p + 4), s1);
    s2 = hn::MulAdd(x, hn::LoadU(d, p + 8), s2);
    s3 = hn::MulAdd(x, hn::LoadU(d, p + 12), s3);
    s4 = hn::MulAdd(x, hn::LoadU(d, q), s4);
    s5 = hn::MulAdd(x, hn::LoadU(d, q + 4), s5);
    s6 = hn::MulAdd(x, hn::LoadU(d, q + 8), s6);
    s7 = hn::MulAdd(x, hn::LoadU(d, q + 12), s7);
    at += static_cast<size_t>(tile.b_step);
  }
  finish_vector(tile, s0, columns[0], 0);
  finish_vector(tile, s1, columns[1], 0);
  finish_vector(tile, s2, columns[2], 0);
  finish_vector(tile, s3, columns[3], 0);
  finish_vector(tile, s4, columns[4], 0);
  finish_vector(tile, s5, columns[5], 0);
  finish_vector(tile, s6, columns[6], 0);
  finish_vector(tile, s7, columns[7], 0);
}
#endif

// Four steps of four lanes of a panel: the j-th step of lane i comes from from[i * major + j].
#if HWY_TARGET != HWY_SCALAR
HWY_INLINE void transpose_4x4(const float* HWY_RESTRICT from, int64_t major, int64_t lanes,
                              float scale, float* HWY_RESTRICT out, int64_t out_step) {
  const hn::FixedTag<float, 4> d;
  const auto by = hn::Set(d, scale);
  const auto zero = hn::Zero(d);
  const auto r0 = lanes > 0 ? hn::Mul(hn::LoadU(d, from), by) : zero;
  const auto r1 = lanes > 1 ? hn::Mul(hn::LoadU(d, from + major), by) : zero;
  const auto r2 = lanes > 2 ? hn::Mul(hn::LoadU(d, from + 2 * major), by) : zero;
  const auto r3 = lanes > 3 ? hn::Mul(hn::LoadU(d, from + 3 * major), by) : zero;
  const auto t0 = hn::InterleaveLower(d, r0, r1), t1 = hn::InterleaveUpper(d, r0, r1);
  const auto t2 = hn::InterleaveLower(d, r2, r3), t3 = hn::InterleaveUpper(d, r2, r3);
  hn::StoreU(hn::ConcatLowerLower(d, t2, t0), d, out);
  hn::StoreU(hn::ConcatUpperUpper(d, t2, t0), d, out + out_step);
  hn::StoreU(hn::ConcatLowerLower(d, t3, t1), d, out + 2 * out_step);
  hn::StoreU(hn::ConcatUpperUpper(d, t3, t1), d, out + 3 * out_step);
}
#endif

}  // namespace

void GemmTileKernel(const GemmTile& tile) {
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  // Three vectors at a time; four that are left over go two by two, since one alone would wait for
  // its weights.
  int64_t left_over = (tile.width + lanes - 1) / lanes * tile.lines;
  std::array<Column, 3> columns;
  Fetch fetch;
  fetch.plan(tile,
             (left_over + kVectorsHeld - 1) / kVectorsHeld * ((tile.rows + kRows - 1) / kRows));
  int held = 0;
  for (int64_t line = 0; line < tile.lines; ++line) {
    int64_t from = 0;
#if SLUICE_ONE_ROW
    for (; tile.rows == 1 && held == 0 && from + kOneRowVectors * 4 <= tile.width;
         from += kOneRowVectors * 4) {
      std::array<Column, kOneRowVectors> row;
      for (size_t i = 0; i < row.size(); ++i) {
        const int64_t x = from + static_cast<int64_t>(i) * 4;
        row[i] = {tile.b + line * tile.b_line + x / kPanelCols * tile.b_panel + x % kPanelCols,
                  line * tile.c_line + x, 4, true};
      }
      one_row(tile, row.data());
      left_over -= kOneRowVectors;
    }
#endif
    for (int64_t x = from; x < tile.width; x += lanes) {
      const int64_t left = tile.width - x;
      Column& column = columns[static_cast<size_t>(held++)];
      column.b = tile.b + line * tile.b_line + x / kPanelCols * tile.b_panel + x % kPanelCols;
      column.c = line * tile.c_line + x;
      column.lanes = static_cast<size_t>(std::min(left, lanes));
      column.whole = left >= lanes;
      if (held == kVectorsHeld && held == 3) {
        all_rows<kVectorsHeld>(tile, columns.data(), fetch);
        held = 0;
        left_over -= 3;
      } else if (held == 2 && (left_over == 4 || kVectorsHeld == 2)) {
        all_rows<2>(tile, columns.data(), fetch);
        held = 0;
        left_over -= 2;
      }
    }
  }
  if (held == 2) all_rows<2>(tile, columns.data(), fetch);
  if (held == 1) all_rows<1>(tile, columns.data(), fetch);
}

// Packs a panel whose lanes are rows of memory (steps are neighbours): out[j * width + i] is
// from[i * major + j] * scale for i < lanes, zero up to `width` (a multiple of four).
void TransposePanel(const float* from, int64_t major, int64_t lanes, int64_t width, int64_t steps,
                    float scale, float* out) {
  int64_t j = 0;
#if HWY_TARGET != HWY_SCALAR
  for (; j + 4 <= steps; j += 4) {
    for (int64_t i = 0; i < width; i += 4) {
      transpose_4x4(from + i * major + j, major, lanes - i, scale, out + j * width + i, width);
    }
  }
#endif
  for (; j < steps; ++j) {
    for (int64_t i = 0; i < width; ++i) {
      out[j * width + i] = i < lanes ? from[i * major + j] * scale : 0.0f;
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace sluice::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::simd {

HWY_EXPORT(GemmTileKernel);
HWY_EXPORT(TransposePanel);

void gemm_tile(const GemmTile& tile) { HWY_DYNAMIC_DISPATCH(GemmTileKernel)(tile); }

namespace {

// Copies a `lanes`-wide panel (rows of A, columns of B) of k steps: out[j * lanes + i] is element i
// at step j. `major` is the stride between elements of a step, `minor` between steps.
template <int64_t kLanes>
void pack_panel(const float* from, int64_t major, int64_t minor, int64_t lanes, int64_t steps,
                float scale, float* out) {
  if (lanes == kLanes && major == 1 && scale == 1) {
    for (int64_t j = 0; j < steps; ++j) {
      std::memcpy(out + j * kLanes, from + j * minor, kLanes * sizeof(float));
    }
    return;
  }
  if (minor == 1) {
    HWY_DYNAMIC_DISPATCH(TransposePanel)(from, major, lanes, kLanes, steps, scale, out);
    return;
  }
  for (int64_t j = 0; j < steps; ++j) {
    const float* at = from + j * minor;
    for (int64_t i = 0; i < lanes; ++i) out[j * kLanes + i] = at[i * major] * scale;
    for (int64_t i = lanes; i < kLanes; ++i) out[j * kLanes + i] = 0;
  }
}

void pack_a_scaled(const float* a, int64_t row, int64_t col, int64_t m, int64_t k, float* out,
                   int64_t first_panel, int64_t last_panel, float scale) {
  const int64_t padded = round_up(m, kPanelRows);
  const int64_t chunks = chunk_count(k);
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const int64_t k0 = chunk_start(k, chunks, chunk);
    const int64_t depth = chunk_start(k, chunks, chunk + 1) - k0;
    for (int64_t panel = first_panel; panel < last_panel; ++panel) {
      const int64_t r = panel * kPanelRows;
      pack_panel<kPanelRows>(a + r * row + k0 * col, row, col, std::min(kPanelRows, m - r), depth,
                             scale, out + padded * k0 + r * depth);
    }
  }
}

}  // namespace

void pack_a(const float* a, int64_t row, int64_t col, int64_t m, int64_t k, float* out,
            int64_t first_panel, int64_t last_panel) {
  pack_a_scaled(a, row, col, m, k, out, first_panel, last_panel, 1.0f);
}

void pack_a_chunk(const float* a, int64_t row, int64_t col, int64_t m, int64_t depth, float* out) {
  for (int64_t r = 0; r < m; r += kPanelRows) {
    pack_panel<kPanelRows>(a + r * row, row, col, std::min(kPanelRows, m - r), depth, 1.0f,
                           out + r * depth);
  }
}

void pack_a_chunk(const uint16_t* a, int64_t row, int64_t col, int64_t m, int64_t depth,
                  uint16_t* out) {
  for (int64_t r = 0; r < m; r += kPanelRows, out += kPanelRows * depth) {
    const int64_t lanes = std::min(kPanelRows, m - r);
    std::fill(out, out + kPanelRows * depth, uint16_t{0});
    for (int64_t i = 0; i < lanes; ++i) {
      const uint16_t* const from = a + (r + i) * row;
      for (int64_t j = 0; j < depth; ++j) out[j * kPanelRows + i] = from[j * col];
    }
  }
}

void pack_b(const float* b, int64_t row, int64_t col, int64_t k, int64_t n, float* out,
            int64_t first_panel, int64_t last_panel) {
  const int64_t padded = round_up(n, kPanelCols);
  const int64_t chunks = chunk_count(k);
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const int64_t k0 = chunk_start(k, chunks, chunk);
    const int64_t depth = chunk_start(k, chunks, chunk + 1) - k0;
    for (int64_t panel = first_panel; panel < last_panel; ++panel) {
      const int64_t x = panel * kPanelCols;
      pack_panel<kPanelCols>(b + k0 * row + x * col, col, row, std::min(kPanelCols, n - x), depth,
                             1.0f, out + padded * k0 + x * depth);
    }
  }
}

namespace {

// A block of C: 96 KiB, beside 75 KiB of A and 113 KiB of B of one chunk; twice the latter two, for
// the chunk that is being fetched, and all share a second-level cache of 512 KiB to 1 MiB.
constexpr int64_t kBlockRows = 128;
constexpr int64_t kBlockCols = 4 * kTileCols;

// B is read where it lies when A has one panel of rows only, for which packing would cost as much
// as the product, and when it fits a first-level cache as it is.
constexpr int64_t kCachedFloats = 8 * 1024;

bool reads_b_directly(const Gemm& g) {
  return g.packed_b == nullptr && g.b_col == 1 && g.n >= kPanelCols &&
         (g.m <= kPanelRows || g.k * g.n <= kCachedFloats);
}

int64_t distinct(std::span<const int64_t> offsets, int64_t batch) {
  // A list of equal offsets means one matrix shared by the batch.
  for (const int64_t offset : offsets) {
    if (offset != offsets[0]) return batch;
  }
  return 1;
}

int64_t offset_at(std::span<const int64_t> offsets, int64_t i) {
  return offsets.empty() ? 0 : offsets[static_cast<size_t>(i)];
}

}  // namespace

int64_t gemm_workspace_floats(const Gemm& g) {
  int64_t floats = 0;
  if (g.packed_a == nullptr) {
    floats += distinct(g.a_offsets, g.batch) * packed_a_floats(g.m, g.k);
  }
  if (g.packed_b == nullptr) {
    const int64_t columns = reads_b_directly(g) ? g.n % kPanelCols : g.n;
    floats += distinct(g.b_offsets, g.batch) * packed_b_floats(g.k, columns);
  }
  return floats;
}

void gemm(const Gemm& g, std::span<float> workspace, Parallel parallel) {
  if (g.m <= 0 || g.n <= 0 || g.batch <= 0) return;
  SLUICE_CHECK(static_cast<int64_t>(workspace.size()) >= gemm_workspace_floats(g));
  const bool direct = reads_b_directly(g);
  // Columns of B that are read where they lie, in whole panels; the rest is packed.
  const int64_t direct_columns = direct ? g.n / kPanelCols * kPanelCols : 0;
  const int64_t packed_columns = g.n - direct_columns;
  const int64_t a_count = g.packed_a == nullptr ? distinct(g.a_offsets, g.batch) : 0;
  const int64_t b_count = g.packed_b == nullptr ? distinct(g.b_offsets, g.batch) : 0;
  const int64_t a_floats = packed_a_floats(g.m, g.k);
  const int64_t b_floats = packed_b_floats(g.k, packed_columns);
  float* const packed_a = workspace.data();
  float* const packed_b = workspace.data() + a_count * a_floats;

  const int64_t a_panels = (g.m + kPanelRows - 1) / kPanelRows;
  const int64_t b_panels = (packed_columns + kPanelCols - 1) / kPanelCols;
  // A thread is worth waking for some 10 microseconds of work: 64 Ki copied floats.
  constexpr int64_t kGrainFloats = 1 << 16;
  const auto grain = [](int64_t floats_each) {
    return std::max<int64_t>(1, kGrainFloats / std::max<int64_t>(floats_each, 1));
  };
  if (a_count > 0) {
    parallel(a_count * a_panels, grain(kPanelRows * g.k), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t item = i / a_panels, panel = i % a_panels;
        pack_a_scaled(g.a + offset_at(g.a_offsets, item), g.a_row, g.a_col, g.m, g.k,
                      packed_a + item * a_floats, panel, panel + 1, g.alpha);
      }
    });
  }
  if (b_count > 0 && b_panels > 0) {
    parallel(b_count * b_panels, grain(kPanelCols * g.k), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t item = i / b_panels, panel = i % b_panels;
        pack_b(g.b + offset_at(g.b_offsets, item) + direct_columns * g.b_col, g.b_row, g.b_col, g.k,
               packed_columns, packed_b + item * b_floats, panel, panel + 1);
      }
    });
  }

  // Smaller blocks where there would be too few to share out; never narrower than a register tile.
  int64_t block_rows = std::min(kBlockRows, round_up(g.m, kPanelRows));
  int64_t block_cols = std::min(kBlockCols, round_up(g.n, kPanelCols));
  constexpr int64_t kEnoughTasks = 16;
  const auto tasks = [&] {
    return g.batch * ((g.m + block_rows - 1) / block_rows) * ((g.n + block_cols - 1) / block_cols);
  };
  while (tasks() < kEnoughTasks && block_cols > 2 * kTileCols) {
    block_cols = round_up(block_cols / 2, kTileCols);
  }
  while (tasks() < kEnoughTasks && block_rows > 8 * kPanelRows) {
    block_rows = round_up(block_rows / 2, kPanelRows);
  }
  const int64_t row_blocks = (g.m + block_rows - 1) / block_rows;
  const int64_t col_blocks = (g.n + block_cols - 1) / block_cols;
  const int64_t chunks = chunk_count(g.k);
  // Some 20 microseconds of multiply-adds.
  const int64_t grain_tasks =
      std::max<int64_t>(1, (1 << 20) / std::max<int64_t>(1, block_rows * block_cols * g.k));

  parallel(g.batch * row_blocks * col_blocks, grain_tasks, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t item = task / (row_blocks * col_blocks);
      const int64_t row0 = task / col_blocks % row_blocks * block_rows;
      const int64_t col0 = task % col_blocks * block_cols;
      const int64_t rows = std::min(block_rows, g.m - row0);
      const float* a = g.packed_a != nullptr ? g.packed_a + offset_at(g.a_offsets, item)
                                             : packed_a + (a_count == 1 ? 0 : item * a_floats);
      const float* b = g.packed_b != nullptr ? g.packed_b + offset_at(g.b_offsets, item)
                                             : packed_b + (b_count == 1 ? 0 : item * b_floats);
      GemmTile tile;
      tile.rows = rows;
      tile.c_row = g.c_row;
      tile.row_bias = g.row_bias == nullptr ? nullptr : g.row_bias + row0;
      tile.activation = g.activation;
      for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        const int64_t k0 = chunk_start(g.k, chunks, chunk);
        tile.depth = chunk_start(g.k, chunks, chunk + 1) - k0;
        tile.first = chunk == 0;
        tile.last = chunk == chunks - 1;
        const auto a_at = [&](int64_t i, int64_t row) {
          const int64_t start = chunk_start(g.k, chunks, i);
          const int64_t depth = chunk_start(g.k, chunks, i + 1) - start;
          return a + round_up(g.m, kPanelRows) * start + row * depth;
        };
        const auto b_at = [&](int64_t i, int64_t column) {
          const int64_t start = chunk_start(g.k, chunks, i);
          const int64_t depth = chunk_start(g.k, chunks, i + 1) - start;
          return b + round_up(packed_columns, kPanelCols) * start + column * depth;
        };
        tile.a = a_at(chunk, row0);
        // Next comes the same block's next chunk, or the first of the next block.
        if (!direct && (chunk + 1 < chunks || task + 1 < end)) {
          const bool same = chunk + 1 < chunks;
          const int64_t next = same ? chunk + 1 : 0, then = same ? task : task + 1;
          const int64_t depth = chunk_start(g.k, chunks, next + 1) - chunk_start(g.k, chunks, next);
          const int64_t row = then / col_blocks % row_blocks * block_rows;
          const int64_t column = then % col_blocks * block_cols;
          tile.ahead[0] = {a_at(next, row), std::min(block_rows, g.m - row) * depth};
          tile.ahead[1] = {b_at(next, column), std::min(block_cols, g.n - column) * depth};
        }
        const auto run = [&](int64_t from, int64_t to) {
          if (from >= to) return;
          const int64_t at = offset_at(g.c_offsets, item) + row0 * g.c_row + from;
          tile.c = g.c + at;
          tile.residual = g.residual == nullptr ? nullptr : g.residual + at;
          tile.column_bias = g.column_bias == nullptr ? nullptr : g.column_bias + from;
          tile.width = to - from;
          gemm_tile(tile);
        };
        const int64_t col1 = std::min(col0 + block_cols, g.n);
        if (direct) {
          tile.b = g.b + offset_at(g.b_offsets, item) + k0 * g.b_row + col0;
          tile.b_panel = kPanelCols;
          tile.b_step = g.b_row;
          run(col0, std::min(col1, direct_columns));
        }
        const int64_t packed0 = std::max(col0, direct_columns);
        if (packed0 < col1) {
          tile.b = b_at(chunk, packed0 - direct_columns);
          tile.b_panel = kPanelCols * tile.depth;
          tile.b_step = kPanelCols;
          run(packed0, col1);
        }
      }
    }
  });
}

}  // namespace sluice::simd
#endif  // HWY_ONCE
