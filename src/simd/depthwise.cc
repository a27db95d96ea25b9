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

template <int kK, int kS, class D>
void plane_of(D d, const DepthwisePlane& plane) {
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
