#include "simd/dot_i8.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>

#include "simd/dot_vnni.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/dot_i8.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::simd {
namespace HWY_NAMESPACE {
namespace {

using I32 = hn::RebindToSigned<F32>;
using VI32 = hn::Vec<I32>;

// Eight rows where there are 32 vector registers; two vectors of four where there are 16, since
// words that are taken apart need registers of their own.
#if (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3) || HWY_ARCH_ARM_A64
constexpr int kRows = 8;
constexpr int kVectorsHeld = 3;
#else
constexpr int kRows = 4;
constexpr int kVectorsHeld = HWY_TARGET == HWY_AVX2 ? 3 : 2;
#endif

#undef SLUICE_DOT_PAIRS
#if HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
// Products of two pairs of 16-bit numbers, added.
HWY_INLINE HWY_MAYBE_UNUSED VI32 dot_pairs(VI32 a, VI32 b) {
#if HWY_TARGET <= HWY_AVX3
  return VI32{_mm512_madd_epi16(a.raw, b.raw)};
#elif HWY_TARGET <= HWY_AVX2
  return VI32{_mm256_madd_epi16(a.raw, b.raw)};
#else
  return VI32{_mm_madd_epi16(a.raw, b.raw)};
#endif
}
#define SLUICE_DOT_PAIRS 1
#elif HWY_ARCH_WASM
HWY_INLINE HWY_MAYBE_UNUSED VI32 dot_pairs(VI32 a, VI32 b) {
  return VI32{wasm_i32x4_dot_i16x8(a.raw, b.raw)};
}
#define SLUICE_DOT_PAIRS 1
#else
#define SLUICE_DOT_PAIRS 0
#endif

// Even bytes (0 and 2) and odd bytes (1 and 3) as pairs of 16-bit numbers.
struct Pairs {
  VI32 even, odd;
};

#if SLUICE_DOT_PAIRS
HWY_INLINE HWY_MAYBE_UNUSED Pairs unsigned_pairs(VI32 words) {
  const I32 d;
  const hn::Repartition<uint16_t, I32> d16;
  return {hn::And(words, hn::Set(d, 0x00ff00ff)),
          hn::BitCast(d, hn::ShiftRight<8>(hn::BitCast(d16, words)))};
}
HWY_INLINE HWY_MAYBE_UNUSED Pairs signed_pairs(VI32 words) {
  const I32 d;
  const hn::Repartition<int16_t, I32> d16;
  const auto both = hn::BitCast(d16, words);
  return {hn::BitCast(d, hn::ShiftRight<8>(hn::ShiftLeft<8>(both))),
          hn::BitCast(d, hn::ShiftRight<8>(both))};
}
HWY_INLINE HWY_MAYBE_UNUSED VI32 add_dot(VI32 sum, const Pairs& a, const Pairs& b) {
  return hn::Add(sum, hn::Add(dot_pairs(a.even, b.even), dot_pairs(a.odd, b.odd)));
}
#else
// Without an instruction for pairs: byte by byte, on 32-bit lanes.
HWY_INLINE HWY_MAYBE_UNUSED Pairs unsigned_pairs(VI32 words) { return {words, words}; }
HWY_INLINE HWY_MAYBE_UNUSED Pairs signed_pairs(VI32 words) { return {words, words}; }
HWY_INLINE HWY_MAYBE_UNUSED VI32 add_dot(VI32 sum, const Pairs& a, const Pairs& b) {
  const I32 d;
  const VI32 low = hn::Set(d, 0xff);
  const auto part = [&](auto x, auto y) { sum = hn::Add(sum, hn::Mul(x, y)); };
  part(hn::ShiftRight<24>(hn::ShiftLeft<24>(a.even)), hn::And(b.even, low));
  part(hn::ShiftRight<24>(hn::ShiftLeft<16>(a.even)), hn::And(hn::ShiftRight<8>(b.even), low));
  part(hn::ShiftRight<24>(hn::ShiftLeft<8>(a.even)), hn::And(hn::ShiftRight<16>(b.even), low));
  part(hn::ShiftRight<24>(a.even), hn::And(hn::ShiftRight<24>(b.even), low));
  return sum;
}
#endif

template <int kM, int kVectors>
HWY_NOINLINE void portable(const DotOperands& o, int32_t* HWY_RESTRICT sums) {
  const I32 d;
  constexpr int kMore = kVectors > 1 ? 1 : 0, kMost = kVectors > 2 ? 2 : 0;
  VI32 s0[kM], s1[kM], s2[kM];
  for (int m = 0; m < kM; ++m) s0[m] = s1[m] = s2[m] = hn::Zero(d);
  const auto load = [&](size_t column, size_t at) {
    return unsigned_pairs(hn::LoadU(d, reinterpret_cast<const int32_t*>(o.columns[column]) + at));
  };
  const uint32_t* HWY_RESTRICT a = o.a;
  for (int64_t k = 0; k < o.depth; ++k, a += kPanelRows) {
    const size_t at = o.offsets[k];
    const Pairs b0 = load(0, at);
    Pairs b1 = b0, b2 = b0;
    if (kVectors > 1) b1 = load(kMore, at);
    if (kVectors > 2) b2 = load(kMost, at);
    for (int m = 0; m < kM; ++m) {
      const Pairs x = signed_pairs(hn::Set(d, static_cast<int32_t>(a[m])));
      s0[m] = add_dot(s0[m], x, b0);
      if (kVectors > 1) s1[m] = add_dot(s1[m], x, b1);
      if (kVectors > 2) s2[m] = add_dot(s2[m], x, b2);
    }
  }
  const size_t lanes = hn::Lanes(d);
  for (int m = 0; m < kM; ++m) {
    hn::StoreU(s0[m], d, sums + m * kTileCols);
    if (kVectors > 1) hn::StoreU(s1[m], d, sums + m * kTileCols + lanes);
    if (kVectors > 2) hn::StoreU(s2[m], d, sums + m * kTileCols + 2 * lanes);
  }
}

#if HWY_ARCH_WASM && defined(__wasm_relaxed_simd__)
// What the relaxed dot makes of bytes beyond the 7 bits that it promises. An engine does the same
// everywhere in a module, so it is asked once.
enum class RelaxedDot {
  kBytes,      // unsigned bytes times signed ones: one instruction, as on x86 with AVX-VNNI
  kSevenBits,  // signed bytes times signed ones, as on Arm: B in two rounds
  kPairs,      // saturates between its three instructions, as on other x86: pairs cost less
};
RelaxedDot ask_relaxed_dot() {
  // Opaque, so that the compiler does not answer for the engine.
  volatile int32_t signed_bytes = static_cast<int32_t>(0x80808080u), most = 0x7f7f7f7f;
  volatile int32_t beyond = -1, start = 7;
  const auto dot = [&](int32_t a, int32_t b) {
    return wasm_i32x4_extract_lane(
        wasm_i32x4_relaxed_dot_i8x16_i7x16_add(wasm_i32x4_splat(a), wasm_i32x4_splat(b),
                                               wasm_i32x4_splat(start)),
        0);
  };
  const int32_t low = dot(signed_bytes, beyond), high = dot(most, beyond);
  if (low == 4 * -128 * 255 + 7 && high == 4 * 127 * 255 + 7) return RelaxedDot::kBytes;
  if (low == 4 * 128 + 7 && high == 4 * -127 + 7) return RelaxedDot::kSevenBits;
  return RelaxedDot::kPairs;
}
RelaxedDot relaxed_dot() {
  // No static local: their guards don't know threads here. All threads find the same.
  static std::atomic<int> found = -1;
  int known = found.load(std::memory_order_relaxed);
  if (known < 0) {
    known = static_cast<int>(ask_relaxed_dot());
    found.store(known, std::memory_order_relaxed);
  }
  return static_cast<RelaxedDot>(known);
}

// One round with whole bytes; or two, first with the upper seven bits of B, then, after doubling,
// with its lowest.
template <int kM, int kVectors, bool kWhole>
HWY_NOINLINE void relaxed(const DotOperands& o, int32_t* HWY_RESTRICT sums) {
  v128_t s0[kM], s1[kM];
  for (int m = 0; m < kM; ++m) s0[m] = s1[m] = wasm_i32x4_const_splat(0);
  const v128_t upper = wasm_i32x4_const_splat(0x7f7f7f7f);
  const v128_t lowest = wasm_i32x4_const_splat(0x01010101);
  for (int round = 0; round < (kWhole ? 1 : 2); ++round) {
    const auto load = [&](size_t column, size_t at) {
      const v128_t b = wasm_v128_load(o.columns[column] + at);
      if (kWhole) return b;
      return round == 0 ? wasm_v128_and(wasm_u32x4_shr(b, 1), upper) : wasm_v128_and(b, lowest);
    };
    const uint32_t* HWY_RESTRICT a = o.a;
    for (int64_t k = 0; k < o.depth; ++k, a += kPanelRows) {
      const size_t at = o.offsets[k];
      const v128_t b0 = load(0, at);
      v128_t b1 = b0;
      if (kVectors > 1) b1 = load(1, at);
      for (int m = 0; m < kM; ++m) {
        const v128_t x = wasm_v128_load32_splat(a + m);
        s0[m] = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(x, b0, s0[m]);
        if (kVectors > 1) s1[m] = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(x, b1, s1[m]);
      }
    }
    if (kWhole || round == 1) break;
    for (int m = 0; m < kM; ++m) {
      s0[m] = wasm_i32x4_shl(s0[m], 1);
      s1[m] = wasm_i32x4_shl(s1[m], 1);
    }
  }
  for (int m = 0; m < kM; ++m) {
    wasm_v128_store(sums + m * kTileCols, s0[m]);
    if (kVectors > 1) wasm_v128_store(sums + m * kTileCols + 4, s1[m]);
  }
}

template <bool kWhole>
DotKernel relaxed_kernel(int rows, int vectors) {
  constexpr DotKernel kKernels[4][2] = {
      {relaxed<1, 1, kWhole>, relaxed<1, 2, kWhole>},
      {relaxed<2, 1, kWhole>, relaxed<2, 2, kWhole>},
      {relaxed<3, 1, kWhole>, relaxed<3, 2, kWhole>},
      {relaxed<4, 1, kWhole>, relaxed<4, 2, kWhole>},
  };
  return kKernels[rows - 1][vectors - 1];
}
#endif

template <int kVectors>
DotKernel portable_rows(int rows) {
  switch (rows) {
    case 1:
      return portable<1, kVectors>;
    case 2:
      return portable<2, kVectors>;
    case 3:
      return portable<3, kVectors>;
    case 4:
      return portable<4, kVectors>;
    default:
      break;
  }
  if constexpr (kRows == 8) {
    switch (rows) {
      case 5:
        return portable<5, kVectors>;
      case 6:
        return portable<6, kVectors>;
      case 7:
        return portable<7, kVectors>;
      default:
        return portable<8, kVectors>;
    }
  }
  return nullptr;
}

DotKernel kernel_of(int rows, int vectors) {
#if defined(__x86_64__) && defined(__GNUC__)
#if HWY_TARGET <= HWY_AVX3
  if (const DotKernel fast = vnni512(rows, vectors); fast != nullptr) return fast;
#elif HWY_TARGET == HWY_AVX2
  if (const DotKernel fast = vnni256(rows, vectors); fast != nullptr) return fast;
#endif
#endif
#if HWY_ARCH_WASM && defined(__wasm_relaxed_simd__)
  if (relaxed_dot() == RelaxedDot::kBytes) return relaxed_kernel<true>(rows, vectors);
  if (relaxed_dot() == RelaxedDot::kSevenBits) return relaxed_kernel<false>(rows, vectors);
#endif
  return vectors == 1   ? portable_rows<1>(rows)
         : vectors == 2 ? portable_rows<2>(rows)
                        : portable_rows<kVectorsHeld>(rows);
}

HWY_INLINE int64_t lanes32() { return static_cast<int64_t>(hn::Lanes(I32())); }

struct DotColumn {
  const uint32_t* b;
  int64_t c;      // in a row of C
  int64_t bytes;  // in a row of bytes
  int64_t sum;    // in column_sum
  size_t lanes;
  bool whole;
};

HWY_INLINE VI32 load_words(const int32_t* p, const DotColumn& column) {
  const I32 d;
  const F32 df;
  if (column.whole) return hn::LoadU(d, p);
  return hn::BitCast(d, load_partial(df, reinterpret_cast<const float*>(p), column.lanes));
}

// round(x) within bounds, as an integer in the low bytes of lanes. A sum with 1.5 * 2^23 has the
// integer nearest to x in its low bits, ties to even; `zero` is already less those of the constant.
constexpr float kRounder = 12582912.0f;
constexpr int32_t kRounderBits = 0x4B400000;
struct ByteRange {
  V32 low, high;  // of x
  VI32 zero;
  ByteRange(int32_t zero_point, int32_t least, int32_t most)
      : low(hn::Set(F32(), static_cast<float>(least - zero_point))),
        high(hn::Set(F32(), static_cast<float>(most - zero_point))),
        zero(hn::Set(I32(), zero_point - kRounderBits)) {}
  HWY_INLINE VI32 rounded(V32 x) const {
    const V32 within = hn::Min(hn::Max(x, low), high);
    return hn::Add(hn::BitCast(I32(), hn::Add(within, hn::Set(F32(), kRounder))), zero);
  }
};
// A factor that no sum turns into NaN.
HWY_INLINE float finite_factor(float factor) {
  return factor == factor ? std::min(std::max(factor, -1e30f), 1e30f) : 0.0f;
}

// The low byte of each lane.
HWY_INLINE void store_low_bytes(VI32 v, uint8_t* at, size_t lanes, bool whole) {
  const I32 d;
  const hn::Rebind<uint8_t, I32> narrow;
  const auto bytes = hn::DemoteTo(narrow, hn::And(v, hn::Set(d, 0xff)));
  if (whole) {
    hn::StoreU(bytes, narrow, at);
  } else {
    alignas(16) std::array<uint8_t, kPanelCols> held;
    hn::StoreU(bytes, narrow, held.data());
    std::memcpy(at, held.data(), lanes);
  }
}

// The same where the last chunk's sums become bytes. What the loop reads is copied first: a byte
// that is written might be any of it, for all the compiler knows.
void finish_bytes(const DotTile& tile, const DotColumn& column, int64_t row0, int64_t rows,
                  const int32_t* sums) {
  const I32 d;
  const F32 df;
  const bool corrects = tile.row_factor != nullptr, first = tile.first, whole = column.whole;
  const VI32 column_sum = corrects ? load_words(tile.column_sum + column.sum, column) : hn::Zero(d);
  const ByteRange range(tile.byte_zero, tile.byte_low, tile.byte_high);
  const int32_t* const add = tile.row_add + row0;
  const int32_t* const correction = corrects ? tile.row_factor + row0 : add;
  const float* const factor = tile.byte_factor + row0;
  const int32_t* c = tile.c + row0 * tile.c_row + column.c;
  uint8_t* to = tile.bytes + row0 * tile.bytes_row + column.bytes;
  const int64_t c_row = tile.c_row, bytes_row = tile.bytes_row;
  const size_t lanes = column.lanes;
  for (int64_t m = 0; m < rows; ++m, c += c_row, to += bytes_row) {
    VI32 sum = hn::Add(hn::LoadU(d, sums + m * kTileCols), hn::Set(d, add[m]));
    if (!first) sum = hn::Add(sum, load_words(c, column));
    if (corrects) sum = hn::Add(sum, hn::Mul(column_sum, hn::Set(d, correction[m])));
    const V32 real = hn::Mul(hn::ConvertTo(df, sum), hn::Set(df, finite_factor(factor[m])));
    store_low_bytes(range.rounded(real), to, lanes, whole);
  }
}

// Rows [0, rows) of the sums of one column of vectors, as int32 or float32. Copies first, as above.
void finish(const DotTile& tile, const DotColumn& column, int64_t row0, int64_t rows,
            const int32_t* sums) {
  const I32 d;
  const F32 df;
  const bool last = tile.last, first = tile.first, whole = column.whole;
  const bool corrects = last && tile.row_factor != nullptr;
  const VI32 column_sum = corrects ? load_words(tile.column_sum + column.sum, column) : hn::Zero(d);
  const auto from_row = [&](auto* p) { return last && p != nullptr ? p + row0 : nullptr; };
  const int32_t* const add = from_row(tile.row_add);
  const int32_t* const correction = from_row(tile.row_factor);
  const float* const scale = from_row(tile.row_scale);
  const float* const bias = from_row(tile.row_bias);
  const Activation activation = tile.activation;
  const int64_t c_row = tile.c_row;
  int32_t* at = tile.c + row0 * c_row + column.c;
  for (int64_t m = 0; m < rows; ++m, at += c_row) {
    VI32 sum = hn::LoadU(d, sums + m * kTileCols);
    if (!first) sum = hn::Add(sum, load_words(at, column));
    if (add != nullptr) sum = hn::Add(sum, hn::Set(d, add[m]));
    if (corrects) sum = hn::Add(sum, hn::Mul(column_sum, hn::Set(d, correction[m])));
    V32 bits = hn::BitCast(df, sum);
    if (scale != nullptr) {
      bits = hn::Mul(hn::ConvertTo(df, sum), hn::Set(df, scale[m]));
      if (bias != nullptr) bits = hn::Add(bits, hn::Set(df, bias[m]));
      bits = activate(df, bits, activation);
    }
    if (whole) {
      hn::StoreU(hn::BitCast(d, bits), d, at);
    } else {
      store_partial(df, bits, reinterpret_cast<float*>(at), column.lanes);
    }
  }
}

// One row that becomes bytes at once, as of depthwise kernels: little is multiplied, so that what
// the general way does for each column of vectors would take most of the time.
void single_row(const DotTile& tile) {
  const I32 d;
  const F32 df;
  alignas(64) std::array<int32_t, kTileCols> sums;
  const int64_t lanes = lanes32(), width = tile.width;
  const bool corrects = tile.row_factor != nullptr;
  const int32_t* const column_sum = tile.column_sum;
  const VI32 correction = hn::Set(d, corrects ? tile.row_factor[0] : 0);
  const VI32 add = hn::Set(d, tile.row_add[0]);
  const V32 factor = hn::Set(df, finite_factor(tile.byte_factor[0]));
  const ByteRange range(tile.byte_zero, tile.byte_low, tile.byte_high);
  uint8_t* const bytes = tile.bytes;
  DotOperands operands;
  operands.a = tile.a;
  operands.offsets = tile.offsets;
  operands.depth = tile.depth;
  const DotKernel most = kernel_of(1, kVectorsHeld);
  for (int64_t x = 0; x < width;) {
    const auto vectors =
        static_cast<int>(std::min<int64_t>(kVectorsHeld, (width - x + lanes - 1) / lanes));
    for (int v = 0; v < 3; ++v) {
      operands.columns[static_cast<size_t>(v)] = tile.b + x + (v < vectors ? v : 0) * lanes;
    }
    (vectors == kVectorsHeld ? most : kernel_of(1, vectors))(operands, sums.data());
    for (int v = 0; v < vectors; ++v, x += lanes) {
      const auto count = static_cast<size_t>(std::min(lanes, width - x));
      const bool whole = count == static_cast<size_t>(lanes);
      VI32 sum = hn::Add(hn::LoadU(d, sums.data() + v * lanes), add);
      if (corrects) {
        const DotColumn column{
            .b = nullptr, .c = 0, .bytes = 0, .sum = 0, .lanes = count, .whole = whole};
        sum = hn::Add(sum, hn::Mul(load_words(column_sum + x, column), correction));
      }
      store_low_bytes(range.rounded(hn::Mul(hn::ConvertTo(df, sum), factor)), bytes + x, count,
                      whole);
    }
  }
}

void all_rows(const DotTile& tile, const DotColumn* columns, int vectors) {
  alignas(64) std::array<int32_t, kPanelRows * kTileCols> sums;
  DotOperands operands;
  operands.offsets = tile.offsets;
  operands.depth = tile.depth;
  for (int v = 0; v < 3; ++v) {
    operands.columns[static_cast<size_t>(v)] = columns[v < vectors ? v : 0].b;
  }
  const auto lanes = static_cast<int64_t>(hn::Lanes(I32()));
  const bool to_bytes = tile.last && tile.byte_factor != nullptr;
  for (int64_t row = 0; row < tile.rows; row += kRows) {
    const int64_t rows = std::min<int64_t>(kRows, tile.rows - row);
    operands.a = tile.a + row / kPanelRows * kPanelRows * tile.depth + row % kPanelRows;
    kernel_of(static_cast<int>(rows), vectors)(operands, sums.data());
    for (int v = 0; v < vectors; ++v) {
      const auto end = to_bytes ? finish_bytes : finish;
      end(tile, columns[v], row, rows, sums.data() + v * lanes);
    }
  }
}

// Lanes from `p` on, `count` of them, the others zero.
template <class T>
HWY_INLINE auto load_some(const T* p, int64_t count) {
  const hn::Rebind<T, F32> d;
  if (count >= lanes32()) return hn::LoadU(d, p);
  alignas(64) std::array<T, kPanelCols> held = {};
  std::memcpy(held.data(), p, static_cast<size_t>(count) * sizeof(T));
  return hn::Load(d, held.data());
}

HWY_INLINE VI32 row_sums(const int32_t* in, const RowEnding& ending, int64_t i, int64_t n) {
  const VI32 sum = load_some(in + i, n - i);
  return ending.add == nullptr ? sum : hn::Add(sum, load_some(ending.add + i, n - i));
}
HWY_INLINE V32 row_factor(const RowEnding& ending, int64_t i, int64_t n) {
  const F32 df;
  return ending.factor_step == 0 ? hn::Set(df, ending.factor[0])
                                 : load_some(ending.factor + i, n - i);
}

}  // namespace

void DotTileKernel(const DotTile& tile) {
  if (tile.rows == 1 && tile.lines == 1 && tile.first && tile.last && tile.byte_factor != nullptr &&
      tile.b_panel == kPanelCols) {
    single_row(tile);
    return;
  }
  const int64_t lanes = lanes32();
  int64_t left_over = (tile.width + lanes - 1) / lanes * tile.lines;
  std::array<DotColumn, 3> columns;
  int held = 0;
  const auto flush = [&] {
    if (held != 0) all_rows(tile, columns.data(), held);
    left_over -= held;
    held = 0;
  };
  for (int64_t line = 0; line < tile.lines; ++line) {
    for (int64_t x = 0; x < tile.width; x += lanes) {
      const int64_t left = tile.width - x;
      DotColumn& column = columns[static_cast<size_t>(held++)];
      column.b = tile.b + line * tile.b_line + x / kPanelCols * tile.b_panel + x % kPanelCols;
      column.c = line * tile.c_line + x;
      column.bytes = line * tile.bytes_line + x;
      column.sum = line * tile.column_line + x;
      column.lanes = static_cast<size_t>(std::min(left, lanes));
      column.whole = left >= lanes;
      // Four left over go two by two, as in gemm_f32.cc.
      if (held == kVectorsHeld || (held == 2 && left_over == 4)) flush();
    }
  }
  flush();
}

void PackWordsKernel(const PackWords& job, uint32_t* HWY_RESTRICT out) {
  const int64_t n = job.n;
  const auto all = [&](auto d) {
    const auto step = static_cast<int64_t>(hn::Lanes(d));
    if (n < step) return false;
    const auto flips = hn::Set(d, job.flip);
    const std::array<const uint8_t*, 4> planes = {job.planes[0], job.planes[1], job.planes[2],
                                                  job.planes[3]};
    for (int64_t row = 0; row < job.rows; ++row) {
      const int64_t at = row * job.row_bytes;
      const auto pack = [&](int64_t i) {
        const auto load = [&](size_t p) {
          return planes[p] == nullptr ? hn::Zero(d)
                                      : hn::Xor(hn::LoadU(d, planes[p] + at + i), flips);
        };
        hn::StoreInterleaved4(load(0), load(1), load(2), load(3), d,
                              reinterpret_cast<uint8_t*>(out + row * n + i));
      };
      // The last vector may overlap the one before it.
      int64_t i = 0;
      for (; i + step <= n; i += step) pack(i);
      if (i < n) pack(n - step);
    }
    return true;
  };
  // Short rows take short vectors.
  if (all(hn::ScalableTag<uint8_t>()) || all(hn::CappedTag<uint8_t, 16>()) ||
      all(hn::CappedTag<uint8_t, 8>())) {
    return;
  }
  for (int64_t row = 0; row < job.rows; ++row) {
    for (int64_t i = 0; i < n; ++i) {
      uint32_t word = 0;
      for (int p = 0; p < 4; ++p) {
        if (job.planes[p] == nullptr) continue;
        const uint8_t byte = job.planes[p][row * job.row_bytes + i] ^ job.flip;
        word |= static_cast<uint32_t>(byte) << (8 * p);
      }
      out[row * n + i] = word;
    }
  }
}

void SplitBytePairsKernel(const uint8_t* in, int64_t n, uint8_t* even, uint8_t* odd) {
  const hn::ScalableTag<uint8_t> d;
  const auto step = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + step <= n; i += step) {
    hn::Vec<decltype(d)> v0, v1;
    hn::LoadInterleaved2(d, in + 2 * i, v0, v1);
    hn::StoreU(v0, d, even + i);
    hn::StoreU(v1, d, odd + i);
  }
  for (; i < n; ++i) {
    even[i] = in[2 * i];
    odd[i] = in[2 * i + 1];
  }
}

void QuantizeWordsKernel(const float* const* planes, float scale, int32_t zero_point, int64_t n,
                         uint32_t* out) {
  const F32 df;
  const I32 d;
  const V32 step = hn::Set(df, scale);
  const ByteRange range(zero_point, 0, 255);
  const auto byte = [&](const float* plane, int64_t i) {
    if (plane == nullptr) return hn::Zero(d);
    V32 q = hn::Div(hn::LoadU(df, plane + i), step);
    q = hn::IfThenElseZero(hn::Eq(q, q), q);
    return range.rounded(q);
  };
  int64_t i = 0;
  for (; i + lanes32() <= n; i += lanes32()) {
    const VI32 low_half = hn::Or(byte(planes[0], i), hn::ShiftLeft<8>(byte(planes[1], i)));
    const VI32 high_half = hn::Or(byte(planes[2], i), hn::ShiftLeft<8>(byte(planes[3], i)));
    hn::StoreU(hn::Or(low_half, hn::ShiftLeft<16>(high_half)), d,
               reinterpret_cast<int32_t*>(out) + i);
  }
  for (; i < n; ++i) {
    uint32_t word = 0;
    for (int p = 0; p < 4; ++p) {
      if (planes[p] == nullptr) continue;
      float q = planes[p][i] / scale;
      q = q == q ? std::min(std::max(q, -1e6f), 1e6f) : 0.0f;
      const int32_t value = static_cast<int32_t>(std::nearbyint(q)) + zero_point;
      word |= static_cast<uint32_t>(std::clamp(value, 0, 255)) << (8 * p);
    }
    out[i] = word;
  }
}

void AddWordBytesKernel(const uint32_t* words, int64_t n, int32_t* sum) {
  const I32 d;
  const VI32 low = hn::Set(d, 0xff);
  int64_t i = 0;
  for (; i + lanes32() <= n; i += lanes32()) {
    const VI32 w = hn::LoadU(d, reinterpret_cast<const int32_t*>(words) + i);
    const VI32 first = hn::Add(hn::And(w, low), hn::And(hn::ShiftRight<8>(w), low));
    const VI32 second =
        hn::Add(hn::And(hn::ShiftRight<16>(w), low), hn::And(hn::ShiftRight<24>(w), low));
    hn::StoreU(hn::Add(hn::LoadU(d, sum + i), hn::Add(first, second)), d, sum + i);
  }
  for (; i < n; ++i) {
    const uint32_t w = words[i];
    sum[i] += static_cast<int32_t>((w & 255) + (w >> 8 & 255) + (w >> 16 & 255) + (w >> 24));
  }
}

void AddRowsKernel(const int32_t* in, int64_t n, int32_t* sum) {
  const I32 d;
  int64_t i = 0;
  for (; i + lanes32() <= n; i += lanes32()) {
    hn::StoreU(hn::Add(hn::LoadU(d, sum + i), hn::LoadU(d, in + i)), d, sum + i);
  }
  for (; i < n; ++i) {
    sum[i] = static_cast<int32_t>(static_cast<uint32_t>(sum[i]) + static_cast<uint32_t>(in[i]));
  }
}

void ScaleRowKernel(const int32_t* in, const RowEnding& ending, float* out, int64_t n) {
  const F32 df;
  for (int64_t i = 0; i < n; i += lanes32()) {
    V32 y = hn::Mul(hn::ConvertTo(df, row_sums(in, ending, i, n)), row_factor(ending, i, n));
    if (ending.bias != nullptr) y = hn::Add(y, load_some(ending.bias + i, n - i));
    if (n - i >= lanes32()) {
      hn::StoreU(y, df, out + i);
    } else {
      store_partial(df, y, out + i, static_cast<size_t>(n - i));
    }
  }
}

void RequantizeRowKernel(const int32_t* in, const RowEnding& ending, uint8_t* out, int64_t n) {
  const F32 df;
  const ByteRange range(ending.zero, ending.low, ending.high);
  for (int64_t i = 0; i < n; i += lanes32()) {
    V32 q = hn::Mul(hn::ConvertTo(df, row_sums(in, ending, i, n)), row_factor(ending, i, n));
    q = hn::IfThenElseZero(hn::Eq(q, q), q);
    store_low_bytes(range.rounded(q), out + i, static_cast<size_t>(std::min(n - i, lanes32())),
                    n - i >= lanes32());
  }
}

const char* DotInstructionKernel() {
#if HWY_ARCH_WASM && defined(__wasm_relaxed_simd__)
  if (relaxed_dot() == RelaxedDot::kBytes) return "relaxed dot of bytes";
  if (relaxed_dot() == RelaxedDot::kSevenBits) return "relaxed dot of seven bits";
#endif
#if defined(__x86_64__) && defined(__GNUC__)
#if HWY_TARGET <= HWY_AVX3
  if (vnni512(1, 1) != nullptr) return "VNNI";
#elif HWY_TARGET == HWY_AVX2
  if (vnni256(1, 1) != nullptr) return "AVX-VNNI";
#endif
#endif
  return SLUICE_DOT_PAIRS ? "pairs of 16 bits" : "32 bits";
}

}  // namespace HWY_NAMESPACE
}  // namespace sluice::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::simd {

HWY_EXPORT(DotTileKernel);
HWY_EXPORT(PackWordsKernel);
HWY_EXPORT(QuantizeWordsKernel);
HWY_EXPORT(SplitBytePairsKernel);
HWY_EXPORT(AddWordBytesKernel);
HWY_EXPORT(AddRowsKernel);
HWY_EXPORT(ScaleRowKernel);
HWY_EXPORT(RequantizeRowKernel);
HWY_EXPORT(DotInstructionKernel);

void dot_tile(const DotTile& tile) { HWY_DYNAMIC_DISPATCH(DotTileKernel)(tile); }
const char* dot_instruction() { return HWY_DYNAMIC_DISPATCH(DotInstructionKernel)(); }
void pack_words(const PackWords& job, uint32_t* out) {
  HWY_DYNAMIC_DISPATCH(PackWordsKernel)(job, out);
}
void quantize_words(const float* const planes[4], float scale, int32_t zero_point, int64_t n,
                    uint32_t* out) {
  HWY_DYNAMIC_DISPATCH(QuantizeWordsKernel)(planes, scale, zero_point, n, out);
}
void split_byte_pairs(const uint8_t* in, int64_t n, uint8_t* even, uint8_t* odd) {
  HWY_DYNAMIC_DISPATCH(SplitBytePairsKernel)(in, n, even, odd);
}
void add_word_bytes(const uint32_t* words, int64_t n, int32_t* sum) {
  HWY_DYNAMIC_DISPATCH(AddWordBytesKernel)(words, n, sum);
}
void add_rows(const int32_t* in, int64_t n, int32_t* sum) {
  HWY_DYNAMIC_DISPATCH(AddRowsKernel)(in, n, sum);
}
void scale_row(const int32_t* in, const RowEnding& ending, float* out, int64_t n) {
  HWY_DYNAMIC_DISPATCH(ScaleRowKernel)(in, ending, out, n);
}
void requantize_row(const int32_t* in, const RowEnding& ending, uint8_t* out, int64_t n) {
  HWY_DYNAMIC_DISPATCH(RequantizeRowKernel)(in, ending, out, n);
}

}  // namespace sluice::simd
#endif  // HWY_ONCE
