#include "simd/depthwise.h"

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/depthwise.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::simd {
namespace HWY_NAMESPACE {
namespace {

// Rows of sums held at once: with two vectors of columns 8 sums, a tap's column of weights and two
// inputs fit 15 registers.
constexpr int kRows = 4;

// Columns downwards in place of blocks of rows: see strip().
constexpr bool kByStrips = SLUICE_WASM_LOOPS;

// Brings memory to the first-level cache with many misses under way at once: a loop that does
// something with it has a few. There is no prefetch in WebAssembly.
HWY_INLINE HWY_MAYBE_UNUSED void touch(const volatile float* from, int64_t floats) {
  constexpr int64_t kLineFloats = 16;
  for (int64_t i = 0; i < floats; i += kLineFloats) (void)from[i];
}

template <class D>
HWY_INLINE hn::Vec<D> finish(D d, hn::Vec<D> sum, const float* residual, hn::Vec<D> low,
                             hn::Vec<D> high) {
  if (residual != nullptr) sum = hn::Add(sum, hn::LoadU(d, residual));
  return clamp_keeping_nan(sum, low, high);
}

// kR rows from `row` on, kV vectors of columns: the first at x0, the second at x1.
template <int kK, int kS, int kR, int kV, class D>
HWY_INLINE void block(D d, const DepthwisePlane& plane, int64_t row, int64_t x0, int64_t x1) {
  using V = hn::Vec<D>;
  V s0[kR], s1[kR];
  const V bias = hn::Set(d, plane.bias);
  HWY_UNROLL(4)
  for (int r = 0; r < kR; ++r) s0[r] = s1[r] = bias;
  const float* const in = plane.in + row * kS * plane.in_row;
  HWY_UNROLL(5)
  for (int kx = 0; kx < kK; ++kx) {
    const float* column = in + (kx % kS) * plane.phase + kx / kS;
    V w[kK];
    HWY_UNROLL(5)
    for (int ky = 0; ky < kK; ++ky) w[ky] = hn::Set(d, plane.weights[ky * kK + kx]);
    HWY_UNROLL(12)
    for (int i = 0; i < (kR - 1) * kS + kK; ++i) {
      const V v0 = hn::LoadU(d, column + x0);
      V v1 = v0;
      if constexpr (kV > 1) v1 = hn::LoadU(d, column + x1);
      HWY_UNROLL(4)
      for (int r = 0; r < kR; ++r) {
        const int ky = i - r * kS;
        if (ky < 0 || ky >= kK) continue;
        s0[r] = hn::MulAdd(v0, w[ky], s0[r]);
        if constexpr (kV > 1) s1[r] = hn::MulAdd(v1, w[ky], s1[r]);
      }
      column += plane.in_row;
    }
  }
  const V low = hn::Set(d, plane.low), high = hn::Set(d, plane.high);
  float* out = plane.out + row * plane.out_row;
  const float* residual =
      plane.residual == nullptr ? nullptr : plane.residual + row * plane.out_row;
  HWY_UNROLL(4)
  for (int r = 0; r < kR; ++r) {
    hn::StoreU(finish(d, s0[r], residual == nullptr ? nullptr : residual + x0, low, high), d,
               out + x0);
    if constexpr (kV > 1) {
      hn::StoreU(finish(d, s1[r], residual == nullptr ? nullptr : residual + x1, low, high), d,
                 out + x1);
    }
    out += plane.out_row;
    if (residual != nullptr) residual += plane.out_row;
  }
}

template <int kK, int kS, int kR, class D>
HWY_NOINLINE void rows_of(D d, const DepthwisePlane& plane, int64_t row) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  // The last vector ends with the row and may overlap the one before it.
  const int64_t last = plane.width - lanes;
  int64_t x = 0;
  for (; x < last; x += 2 * lanes) {
    block<kK, kS, kR, 2>(d, plane, row, x, std::min(x + lanes, last));
  }
  if (x < plane.width && x - lanes < last) block<kK, kS, kR, 1>(d, plane, row, last, last);
}

// Outputs that have begun above the rows of inputs which end the topmost of them.
template <int kK, int kS>
inline constexpr int kCarried = (kK - 1) / kS;

// The sums of a vector of columns. No array: compilers would keep that in memory.
template <class V>
struct Carried {
  V n0, n1, n2, n3, n4;

  template <int kN>
  HWY_INLINE V& at() {
    if constexpr (kN == 0) return n0;
    if constexpr (kN == 1) return n1;
    if constexpr (kN == 2) return n2;
    if constexpr (kN == 3) return n3;
    if constexpr (kN == 4) return n4;
  }
};

// One input, times the tap of each output that it counts for.
template <int kK, int kS, int kTap, int kN = 0, class V>
HWY_INLINE void add_tap(V v, const V* w, Carried<V>& s) {
  if constexpr (kTap >= 0 && kN <= kCarried<kK, kS>) {
    s.template at<kN>() = hn::MulAdd(v, w[kTap], s.template at<kN>());
    add_tap<kK, kS, kTap - kS * kK, kN + 1>(v, w, s);
  }
}

// Adds a row of inputs to the sums of the outputs that it counts for: as tap kY to the topmost's,
// kY - kS to the next one's.
template <int kK, int kS, int kV, int kY, int kX = 0, class D, class V = hn::Vec<D>>
HWY_INLINE void add_row(D d, const float* HWY_RESTRICT in0, const float* HWY_RESTRICT in1,
                        size_t phase, const V* w, Carried<V>& s0, Carried<V>& s1) {
  const size_t at = (kX % kS != 0 ? phase : 0) + kX / kS;
  add_tap<kK, kS, kY * kK + kX>(hn::LoadU(d, in0 + at), w, s0);
  if constexpr (kV > 1) add_tap<kK, kS, kY * kK + kX>(hn::LoadU(d, in1 + at), w, s1);
  if constexpr (kX + 1 < kK) {
    add_row<kK, kS, kV, kY, kX + 1>(d, in0, in1, phase, w, s0, s1);
  }
}

// A strip of kV vectors of columns (the first at x0, the second at x1) from the first row to the
// last: all sums that a row of inputs counts for are carried along, so that it is loaded once for
// each tap of a row. One row of outputs a turn: some engines of WebAssembly do all loads of a turn
// before its multiply-adds, and what registers don't hold goes through the stack.
template <int kK, int kS, int kV, bool kResidual, class D>
HWY_NOINLINE void strip(D d, const DepthwisePlane& plane, int64_t x0, int64_t x1) {
  using V = hn::Vec<D>;
  constexpr int kLast = kCarried<kK, kS>;
  V w[kK * kK];
  HWY_UNROLL(25)
  for (int i = 0; i < kK * kK; ++i) w[i] = hn::Set(d, plane.weights[i]);
  const V bias = hn::Set(d, plane.bias);
  const V low = hn::Set(d, plane.low), high = hn::Set(d, plane.high);
  Carried<V> s0{bias, bias, bias, bias, bias}, s1 = s0;

  const float* HWY_RESTRICT in0 = plane.in + x0;
  const float* HWY_RESTRICT in1 = plane.in + x1;
  const auto in_row = static_cast<size_t>(plane.in_row), phase = static_cast<size_t>(plane.phase);
#define SLUICE_ADD_ROW(kY)                                \
  add_row<kK, kS, kV, kY>(d, in0, in1, phase, w, s0, s1); \
  in0 += in_row, in1 += in_row
  SLUICE_ADD_ROW(0);
  if constexpr (kK - kS > 1) {
    SLUICE_ADD_ROW(1);
  }
  if constexpr (kK - kS > 2) {
    SLUICE_ADD_ROW(2);
  }
  if constexpr (kK - kS > 3) {
    SLUICE_ADD_ROW(3);
  }
  float* HWY_RESTRICT out = plane.out;
  const float* HWY_RESTRICT residual = plane.residual;
  for (int64_t row = plane.rows; row > 0; --row) {
    if constexpr (kS > 1) {
      SLUICE_ADD_ROW(kK - 2);
    }
    SLUICE_ADD_ROW(kK - 1);
    hn::StoreU(finish(d, s0.n0, kResidual ? residual + x0 : nullptr, low, high), d, out + x0);
    if constexpr (kV > 1) {
      hn::StoreU(finish(d, s1.n0, kResidual ? residual + x1 : nullptr, low, high), d, out + x1);
    }
    s0 = {s0.n1, s0.n2, s0.n3, s0.n4, bias};
    s1 = {s1.n1, s1.n2, s1.n3, s1.n4, bias};
    s0.template at<kLast>() = s1.template at<kLast>() = bias;
    out += plane.out_row;
    if constexpr (kResidual) residual += plane.out_row;
  }
#undef SLUICE_ADD_ROW
}

template <int kK, int kS, bool kResidual, class D>
void strips_of(D d, const DepthwisePlane& plane) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t last = plane.width - lanes;
  int64_t x = 0;
  for (; x < last; x += 2 * lanes) {
    strip<kK, kS, 2, kResidual>(d, plane, x, std::min(x + lanes, last));
  }
  if (x < plane.width && x - lanes < last) strip<kK, kS, 1, kResidual>(d, plane, last, last);
}

template <int kK, int kS, class D>
void plane_of(D d, const DepthwisePlane& plane) {
  if constexpr (kByStrips) {
    // Strips write short pieces of many rows, for which no hardware fetches ahead.
    touch(plane.out, (plane.rows - 1) * plane.out_row + plane.width);
    return plane.residual == nullptr ? strips_of<kK, kS, false>(d, plane)
                                     : strips_of<kK, kS, true>(d, plane);
  }
  if (plane.rows >= kRows) {
    for (int64_t row = 0; row < plane.rows; row += kRows) {
      rows_of<kK, kS, kRows>(d, plane, std::min(row, plane.rows - kRows));
    }
  } else {
    for (int64_t row = 0; row < plane.rows; ++row) rows_of<kK, kS, 1>(d, plane, row);
  }
}

template <class D>
void any_plane(D d, const DepthwisePlane& plane) {
  if (plane.kernel == 3) {
    plane.stride == 1 ? plane_of<3, 1>(d, plane) : plane_of<3, 2>(d, plane);
  } else {
    plane.stride == 1 ? plane_of<5, 1>(d, plane) : plane_of<5, 2>(d, plane);
  }
}

// Narrower than four columns.
void narrow_plane(const DepthwisePlane& plane) {
  for (int64_t y = 0; y < plane.rows; ++y) {
    for (int64_t x = 0; x < plane.width; ++x) {
      float sum = plane.bias;
      for (int kx = 0; kx < plane.kernel; ++kx) {
        const float* at = plane.in + y * plane.stride * plane.in_row +
                          kx % plane.stride * plane.phase + kx / plane.stride + x;
        for (int ky = 0; ky < plane.kernel; ++ky, at += plane.in_row) {
          sum += *at * plane.weights[ky * plane.kernel + kx];
        }
      }
      const int64_t to = y * plane.out_row + x;
      if (plane.residual != nullptr) sum += plane.residual[to];
      if (sum < plane.low) sum = plane.low;
      if (sum > plane.high) sum = plane.high;
      plane.out[to] = sum;
    }
  }
}

// Short copies: a call costs more than they do.
HWY_INLINE void copy(const float* in, int64_t n, float* out) {
  const hn::CappedTag<float, 4> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  if (n < lanes) {
    for (int64_t i = 0; i < n; ++i) out[i] = in[i];
    return;
  }
  for (int64_t i = 0; i + lanes < n; i += lanes) hn::StoreU(hn::LoadU(d, in + i), d, out + i);
  hn::StoreU(hn::LoadU(d, in + n - lanes), d, out + n - lanes);
}

}  // namespace

void DepthwiseKernel(const DepthwisePlane& plane) {
  const F32 d;
  const hn::CappedTag<float, 8> eight;
  const hn::CappedTag<float, 4> four;
  // Whole vectors of a narrow row: as wide as it allows.
  if (plane.width >= static_cast<int64_t>(hn::Lanes(d))) return any_plane(d, plane);
  if (plane.width >= static_cast<int64_t>(hn::Lanes(eight))) return any_plane(eight, plane);
  if (plane.width >= static_cast<int64_t>(hn::Lanes(four))) return any_plane(four, plane);
  narrow_plane(plane);
}

void DepthwiseFillKernel(const DepthwiseFill& fill) {
  const int64_t floats = depthwise_row_floats(fill.kernel, fill.stride, fill.width);
  // Columns [first, end) of the input are read.
  const int64_t first = std::max<int64_t>(0, -fill.pad);
  const int64_t end = std::min(fill.in_width, floats - fill.pad);
  if (end <= first) return;
  const int64_t count = end - first;
  if constexpr (kByStrips) touch(fill.in, fill.rows * fill.in_width);
  for (int64_t row = 0; row < fill.rows; ++row) {
    const float* const in = fill.in + row * fill.in_width + first;
    float* const out = fill.out + row * floats;
    if (fill.stride == 1) {
      copy(in, count, out + first + fill.pad);
      continue;
    }
    // Column c goes to element (c + pad) / 2 of phase (c + pad) % 2.
    const int64_t at = first + fill.pad, phase = floats / 2;
    float* const even = out + at % 2 * phase + at / 2;
    float* const odd = out + (at + 1) % 2 * phase + (at + 1) / 2;
    const F32 d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    int64_t i = 0;
    for (; 2 * (i + lanes) <= count; i += lanes) {
      V32 a, b;
      hn::LoadInterleaved2(d, in + 2 * i, a, b);
      hn::StoreU(a, d, even + i);
      hn::StoreU(b, d, odd + i);
    }
    for (; 2 * i < count; ++i) {
      even[i] = in[2 * i];
      if (2 * i + 1 < count) odd[i] = in[2 * i + 1];
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace sluice::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::simd {

HWY_EXPORT(DepthwiseKernel);
HWY_EXPORT(DepthwiseFillKernel);

void depthwise(const DepthwisePlane& plane) { HWY_DYNAMIC_DISPATCH(DepthwiseKernel)(plane); }

void depthwise_fill(const DepthwiseFill& fill) { HWY_DYNAMIC_DISPATCH(DepthwiseFillKernel)(fill); }

}  // namespace sluice::simd
#endif  // HWY_ONCE
