#include "simd/winograd.h"

#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/winograd.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/half-inl.h"
#include "simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::simd {
namespace HWY_NAMESPACE {
namespace {

// A vector never holds more tiles than a panel has.
using Tiles = hn::CappedTag<float, kWinogradPanel>;
using VTiles = hn::Vec<Tiles>;

// The points a and b, and what the transforms are made of.
constexpr float kA = 0.75f, kB = 1.5f, kA2 = kA * kA, kB2 = kB * kB;

struct Six {
  VTiles v0, v1, v2, v3, v4, v5;
};

// Row x of B^T holds the coefficients of the product of (t - y) over all other points y.
HWY_INLINE Six input_axis(const Six& d) {
  const Tiles tag;
  const VTiles a2 = hn::Set(tag, kA2), b2 = hn::Set(tag, kB2);
  const VTiles sum = hn::Set(tag, kA2 + kB2), product = hn::Set(tag, kA2 * kB2);
  const VTiles a = hn::Set(tag, kA), b = hn::Set(tag, kB);
  const VTiles even_a = hn::NegMulAdd(b2, d.v2, d.v4), odd_a = hn::NegMulAdd(b2, d.v1, d.v3);
  const VTiles even_b = hn::NegMulAdd(a2, d.v2, d.v4), odd_b = hn::NegMulAdd(a2, d.v1, d.v3);
  return {hn::MulAdd(product, d.v0, hn::NegMulAdd(sum, d.v2, d.v4)),
          hn::MulAdd(a, odd_a, even_a),
          hn::NegMulAdd(a, odd_a, even_a),
          hn::MulAdd(b, odd_b, even_b),
          hn::NegMulAdd(b, odd_b, even_b),
          hn::MulAdd(product, d.v1, hn::NegMulAdd(sum, d.v3, d.v5))};
}

// Row x of G: (1, x, x^2) over the product of (x - y) over all other points y.
HWY_INLINE Six weight_axis(VTiles g0, VTiles g1, VTiles g2) {
  const Tiles tag;
  const VTiles na = hn::Set(tag, 1 / (2 * kA2 * (kA2 - kB2)));
  const VTiles nb = hn::Set(tag, 1 / (2 * kB2 * (kB2 - kA2)));
  const VTiles even_a = hn::Mul(na, hn::MulAdd(hn::Set(tag, kA2), g2, g0));
  const VTiles even_b = hn::Mul(nb, hn::MulAdd(hn::Set(tag, kB2), g2, g0));
  const VTiles odd_a = hn::Mul(hn::Mul(na, hn::Set(tag, kA)), g1);
  const VTiles odd_b = hn::Mul(hn::Mul(nb, hn::Set(tag, kB)), g1);
  return {hn::Mul(hn::Set(tag, 1 / (kA2 * kB2)), g0),
          hn::Add(even_a, odd_a),
          hn::Sub(even_a, odd_a),
          hn::Add(even_b, odd_b),
          hn::Sub(even_b, odd_b),
          g2};
}

struct Four {
  VTiles v0, v1, v2, v3;
};

// Row i of A^T holds x^i of every point x; of infinity only the last row has a part.
HWY_INLINE Four output_axis(const Six& m) {
  const Tiles tag;
  const VTiles sum_a = hn::Add(m.v1, m.v2), sum_b = hn::Add(m.v3, m.v4);
  const VTiles diff_a = hn::Mul(hn::Set(tag, kA), hn::Sub(m.v1, m.v2));
  const VTiles diff_b = hn::Mul(hn::Set(tag, kB), hn::Sub(m.v3, m.v4));
  const VTiles a2 = hn::Set(tag, kA2), b2 = hn::Set(tag, kB2);
  return {hn::Add(hn::Add(m.v0, sum_a), sum_b), hn::Add(diff_a, diff_b),
          hn::MulAdd(b2, sum_b, hn::Mul(a2, sum_a)),
          hn::MulAdd(b2, diff_b, hn::MulAdd(a2, diff_a, m.v5))};
}

HWY_INLINE Six load_six(const float* HWY_RESTRICT p, int64_t step) {
  const Tiles tag;
  return {hn::LoadU(tag, p),
          hn::LoadU(tag, p + step),
          hn::LoadU(tag, p + 2 * step),
          hn::LoadU(tag, p + 3 * step),
          hn::LoadU(tag, p + 4 * step),
          hn::LoadU(tag, p + 5 * step)};
}

HWY_INLINE void store_six(const Six& s, float* HWY_RESTRICT p, int64_t step) {
  const Tiles tag;
  hn::StoreU(s.v0, tag, p);
  hn::StoreU(s.v1, tag, p + step);
  hn::StoreU(s.v2, tag, p + 2 * step);
  hn::StoreU(s.v3, tag, p + 3 * step);
  hn::StoreU(s.v4, tag, p + 4 * step);
  hn::StoreU(s.v5, tag, p + 5 * step);
}

HWY_INLINE void store_four(const Four& s, float* HWY_RESTRICT p, int64_t step) {
  const Tiles tag;
  hn::StoreU(s.v0, tag, p);
  hn::StoreU(s.v1, tag, p + step);
  hn::StoreU(s.v2, tag, p + 2 * step);
  hn::StoreU(s.v3, tag, p + 3 * step);
}

template <class T>
HWY_INLINE void transform_weights(const T* HWY_RESTRICT g, int64_t pairs, float* HWY_RESTRICT u,
                                  int64_t u_point) {
  const Tiles tag;
  const auto lanes = static_cast<int64_t>(hn::Lanes(tag));
  constexpr int64_t kStep = 16;
  HWY_ALIGN float half[kWinogradIn * 3 * kStep];
  for (int64_t pair = 0; pair < pairs; ++pair, g += 9 * kStep, u += kStep) {
    for (int64_t x = 0; x < kStep; x += lanes) {
      for (int64_t j = 0; j < 3; ++j) {
        const T* at = g + j * kStep + x;
        store_six(weight_axis(load_floats(tag, at), load_floats(tag, at + 3 * kStep),
                              load_floats(tag, at + 6 * kStep)),
                  half + j * kStep, 3 * kStep);
      }
      for (int64_t i = 0; i < kWinogradIn; ++i) {
        const float* at = half + i * 3 * kStep;
        store_six(weight_axis(hn::LoadU(tag, at), hn::LoadU(tag, at + kStep),
                              hn::LoadU(tag, at + 2 * kStep)),
                  u + i * kWinogradIn * u_point + x, u_point);
      }
    }
  }
}

}  // namespace

void WinogradSplitKernel(const float* HWY_RESTRICT in, int64_t tiles, float* HWY_RESTRICT out,
                         int64_t pitch) {
  const Tiles tag;
  const auto lanes = static_cast<int64_t>(hn::Lanes(tag));
  for (int64_t t = 0; t < tiles; t += lanes) {
    VTiles v0, v1, v2, v3;
    hn::LoadInterleaved4(tag, in + 4 * t, v0, v1, v2, v3);
    store_four({v0, v1, v2, v3}, out + t, pitch);
  }
}

void WinogradInputKernel(const WinogradInput& job) {
  const Tiles tag;
  const auto lanes = static_cast<int64_t>(hn::Lanes(tag));
  constexpr int64_t kStep = kWinogradPanel;
  HWY_ALIGN float half[kWinogradPoints * kStep];
  for (int64_t panel = 0; panel < job.panels; ++panel) {
    for (int64_t x = 0; x < kWinogradPanel; x += lanes) {
      for (int64_t j = 0; j < kWinogradIn; ++j) {
        const float* HWY_RESTRICT at = job.d + job.columns[j] + panel * kWinogradPanel + x;
        const Six d = {hn::LoadU(tag, at + job.rows[0]), hn::LoadU(tag, at + job.rows[1]),
                       hn::LoadU(tag, at + job.rows[2]), hn::LoadU(tag, at + job.rows[3]),
                       hn::LoadU(tag, at + job.rows[4]), hn::LoadU(tag, at + job.rows[5])};
        store_six(input_axis(d), half + j * kStep, kWinogradIn * kStep);
      }
      float* HWY_RESTRICT to = job.v + panel * job.v_panel + x;
      for (int64_t i = 0; i < kWinogradIn; ++i) {
        const Six row = load_six(half + i * kWinogradIn * kStep, kStep);
        store_six(input_axis(row), to + i * kWinogradIn * job.v_point, job.v_point);
      }
    }
  }
}

void WinogradWeightsKernel(const float* g, int64_t pairs, float* u, int64_t u_point) {
  transform_weights(g, pairs, u, u_point);
}
void WinogradHalfWeightsKernel(const uint16_t* g, int64_t pairs, float* u, int64_t u_point) {
  transform_weights(g, pairs, u, u_point);
}

void WinogradOutputKernel(const WinogradOutput& job) {
  const Tiles tag;
  const F32 d;
  static_assert(kWinogradPanel % 4 == 0);
  const auto lanes = static_cast<int64_t>(hn::Lanes(tag));
  constexpr int64_t kRow = kWinogradOut * kWinogradPanel;
  const bool whole = job.rows == kWinogradOut && job.columns == kRow;
  HWY_ALIGN float half[kWinogradOut * kWinogradIn * kWinogradPanel];
  // A panel over the border is made here and copied.
  HWY_ALIGN float border[kWinogradOut * kRow];
  HWY_ALIGN float border_residual[kWinogradOut * kRow];
  const float* residual = job.residual;
  int64_t residual_row = job.y_row;
  if (!whole && residual != nullptr) {
    std::memset(border_residual, 0, sizeof border_residual);
    for (int64_t i = 0; i < job.rows; ++i) {
      std::memcpy(border_residual + i * kRow, job.residual + i * job.y_row,
                  static_cast<size_t>(job.columns) * sizeof(float));
    }
    residual = border_residual;
    residual_row = kRow;
  }
  float* const y = whole ? job.y : border;
  const int64_t y_row = whole ? job.y_row : kRow;

  const VTiles bias = hn::Set(tag, job.bias);
  for (int64_t x = 0; x < kWinogradPanel; x += lanes) {
    const float* HWY_RESTRICT m = job.m + x;
    for (int64_t j = 0; j < kWinogradIn; ++j) {
      const Six column = load_six(m + j * job.m_point, kWinogradIn * job.m_point);
      store_four(output_axis(column), half + j * kWinogradPanel, kWinogradIn * kWinogradPanel);
    }
    for (int64_t i = 0; i < kWinogradOut; ++i) {
      Four row = output_axis(load_six(half + i * kWinogradIn * kWinogradPanel, kWinogradPanel));
      row = {hn::Add(row.v0, bias), hn::Add(row.v1, bias), hn::Add(row.v2, bias),
             hn::Add(row.v3, bias)};
      if (residual != nullptr) {
        VTiles r0, r1, r2, r3;
        hn::LoadInterleaved4(tag, residual + i * residual_row + 4 * x, r0, r1, r2, r3);
        row = {hn::Add(row.v0, r0), hn::Add(row.v1, r1), hn::Add(row.v2, r2), hn::Add(row.v3, r3)};
      }
      if (job.activation.function != Function::kIdentity) {
        row = {activate(d, row.v0, job.activation), activate(d, row.v1, job.activation),
               activate(d, row.v2, job.activation), activate(d, row.v3, job.activation)};
      }
      hn::StoreInterleaved4(row.v0, row.v1, row.v2, row.v3, tag, y + i * y_row + 4 * x);
    }
  }
  if (whole) return;
  for (int64_t i = 0; i < job.rows; ++i) {
    std::memcpy(job.y + i * job.y_row, border + i * kRow,
                static_cast<size_t>(job.columns) * sizeof(float));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace sluice::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::simd {

HWY_EXPORT(WinogradSplitKernel);
HWY_EXPORT(WinogradInputKernel);
HWY_EXPORT(WinogradWeightsKernel);
HWY_EXPORT(WinogradHalfWeightsKernel);
HWY_EXPORT(WinogradOutputKernel);

void winograd_split(const float* in, int64_t tiles, float* out, int64_t pitch) {
  HWY_DYNAMIC_DISPATCH(WinogradSplitKernel)(in, tiles, out, pitch);
}
void winograd_input(const WinogradInput& job) { HWY_DYNAMIC_DISPATCH(WinogradInputKernel)(job); }
void winograd_weights(const float* g, int64_t pairs, float* u, int64_t u_point) {
  HWY_DYNAMIC_DISPATCH(WinogradWeightsKernel)(g, pairs, u, u_point);
}
void winograd_weights(const uint16_t* g, int64_t pairs, float* u, int64_t u_point) {
  HWY_DYNAMIC_DISPATCH(WinogradHalfWeightsKernel)(g, pairs, u, u_point);
}
void winograd_output(const WinogradOutput& job) { HWY_DYNAMIC_DISPATCH(WinogradOutputKernel)(job); }

}  // namespace sluice::simd
#endif  // HWY_ONCE
