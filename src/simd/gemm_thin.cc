#include "simd/gemm_thin.h"

#include <algorithm>
#include <array>

#include "simd/gemm_f32.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/gemm_thin.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/half-inl.h"
#include "simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::simd {
namespace HWY_NAMESPACE {
namespace {

// Vectors of a panel are as wide as it allows.
using Rows = hn::CappedTag<float, kPanelRows>;
using VRows = hn::Vec<Rows>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(Rows()));
constexpr int kVectors = static_cast<int>(kPanelRows) / kLanes;

// kPanels panels from `panel` on. Eight sums at least hide what a multiply-add waits for.
template <int kPanels, int kColumns, class T>
HWY_NOINLINE void panels(const ThinProduct& product, const T* packed, int64_t panel) {
  const Rows d;
  VRows sums[kPanels][kVectors][kColumns];
  HWY_UNROLL(8)
  for (int p = 0; p < kPanels; ++p) {
    HWY_UNROLL(8)
    for (int v = 0; v < kVectors; ++v) {
      HWY_UNROLL(4)
      for (int x = 0; x < kColumns; ++x) sums[p][v][x] = hn::Zero(d);
    }
  }
  const float* HWY_RESTRICT b = product.b;
  for (size_t chunk = 0; chunk + 1 < product.starts.size(); ++chunk) {
    const int64_t start = product.starts[chunk], depth = product.starts[chunk + 1] - start;
    const T* HWY_RESTRICT a = packed + product.padded_rows * start + panel * kPanelRows * depth;
    const int64_t apart = kPanelRows * depth;
    for (int64_t k = 0; k < depth; ++k, a += kPanelRows, b += kColumns) {
      HWY_UNROLL(8)
      for (int p = 0; p < kPanels; ++p) {
        HWY_UNROLL(8)
        for (int v = 0; v < kVectors; ++v) {
          const VRows w = load_floats(d, a + p * apart + v * kLanes);
          HWY_UNROLL(4)
          for (int x = 0; x < kColumns; ++x) {
            sums[p][v][x] = hn::MulAdd(w, hn::Set(d, b[x]), sums[p][v][x]);
          }
        }
      }
    }
  }
  HWY_ALIGN float made[kColumns][kPanelRows];
  for (int p = 0; p < kPanels; ++p) {
    const int64_t row = (panel + p) * kPanelRows;
    HWY_UNROLL(8)
    for (int v = 0; v < kVectors; ++v) {
      HWY_UNROLL(4)
      for (int x = 0; x < kColumns; ++x) hn::Store(sums[p][v][x], d, made[x] + v * kLanes);
    }
    const int64_t rows = std::min<int64_t>(kPanelRows, product.rows - row);
    float* to = product.c + row * kColumns;
    for (int64_t m = 0; m < rows; ++m) {
      for (int x = 0; x < kColumns; ++x) *to++ = made[x][m];
    }
  }
}

template <int kColumns, class T>
void all_panels(const ThinProduct& product, const T* packed, int64_t first, int64_t last) {
  constexpr int kHeld = std::max(1, 8 / (kVectors * kColumns));
  for (; first + kHeld <= last; first += kHeld) panels<kHeld, kColumns>(product, packed, first);
  for (; first < last; ++first) panels<1, kColumns>(product, packed, first);
}

template <class T>
void thin(const ThinProduct& product, const T* packed, int64_t first, int64_t last) {
  switch (product.columns) {
    case 1:
      return all_panels<1>(product, packed, first, last);
    case 2:
      return all_panels<2>(product, packed, first, last);
    case 3:
      return all_panels<3>(product, packed, first, last);
    default:
      return all_panels<4>(product, packed, first, last);
  }
}

}  // namespace

void ThinKernel(const ThinProduct& product, int64_t first, int64_t last) {
  if (product.half_a != nullptr) return thin(product, product.half_a, first, last);
  thin(product, product.a, first, last);
}

}  // namespace HWY_NAMESPACE
}  // namespace sluice::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::simd {

HWY_EXPORT(ThinKernel);

void thin_product(const ThinProduct& product, int64_t first_panel, int64_t last_panel) {
  HWY_DYNAMIC_DISPATCH(ThinKernel)(product, first_panel, last_panel);
}

}  // namespace sluice::simd
#endif  // HWY_ONCE
