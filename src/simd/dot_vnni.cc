#include "simd/dot_vnni.h"

#include "simd/gemm_f32.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <cpuid.h>
#include <immintrin.h>

#include <atomic>

namespace sluice::simd {

namespace {

#define SLUICE_VNNI512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define SLUICE_VNNI256 __attribute__((target("avx2,avxvnni")))

// Eight rows of three vectors are 24 sums: with three vectors of B they take 27 of 32 registers,
// and words of A are broadcast as the instruction reads them.
template <int kM, int kVectors>
SLUICE_VNNI512 void dot512(const DotOperands& o, int32_t* sums) {
  __m512i s[kM][kVectors];
#pragma GCC unroll 8
  for (int m = 0; m < kM; ++m) {
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) s[m][v] = _mm512_setzero_si512();
  }
  const uint32_t* a = o.a;
  const uint32_t* const end = o.offsets + o.depth;
  const uint32_t* const c0 = o.columns[0];
  const uint32_t* const c1 = o.columns[1];
  const uint32_t* const c2 = o.columns[2];
  for (const uint32_t* offset = o.offsets; offset != end; ++offset, a += kPanelRows) {
    __m512i b[3];
    b[0] = _mm512_loadu_si512(c0 + *offset);
    if constexpr (kVectors > 1) b[1] = _mm512_loadu_si512(c1 + *offset);
    if constexpr (kVectors > 2) b[2] = _mm512_loadu_si512(c2 + *offset);
#pragma GCC unroll 8
    for (int m = 0; m < kM; ++m) {
      const __m512i x = _mm512_set1_epi32(static_cast<int32_t>(a[m]));
#pragma GCC unroll 3
      for (int v = 0; v < kVectors; ++v) s[m][v] = _mm512_dpbusd_epi32(s[m][v], b[v], x);
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < kM; ++m) {
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) {
      _mm512_storeu_si512(sums + m * kTileCols + v * 16, s[m][v]);
    }
  }
}

template <int kM, int kVectors>
SLUICE_VNNI256 void dot256(const DotOperands& o, int32_t* sums) {
  __m256i s[kM][kVectors];
#pragma GCC unroll 4
  for (int m = 0; m < kM; ++m) {
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) s[m][v] = _mm256_setzero_si256();
  }
  const uint32_t* a = o.a;
  for (int64_t k = 0; k < o.depth; ++k, a += kPanelRows) {
    __m256i b[kVectors];
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) {
      b[v] = _mm256_loadu_si256(
          reinterpret_cast<const __m256i*>(o.columns[static_cast<size_t>(v)] + o.offsets[k]));
    }
#pragma GCC unroll 4
    for (int m = 0; m < kM; ++m) {
      const __m256i x = _mm256_set1_epi32(static_cast<int32_t>(a[m]));
#pragma GCC unroll 3
      for (int v = 0; v < kVectors; ++v) s[m][v] = _mm256_dpbusd_avx_epi32(s[m][v], b[v], x);
    }
  }
#pragma GCC unroll 4
  for (int m = 0; m < kM; ++m) {
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + m * kTileCols + v * 8), s[m][v]);
    }
  }
}

// Leaf 7: bit 11 of ECX is AVX-512 VNNI, bit 4 of EAX of its subleaf 1 is AVX-VNNI. That the
// registers are usable is known from the caller's instruction set.
bool has_vnni(bool wide) {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, wide ? 0 : 1, &eax, &ebx, &ecx, &edx) == 0) return false;
  return wide ? (ecx >> 11 & 1) != 0 : (eax >> 4 & 1) != 0;
}

std::atomic<bool> wanted = true;

constexpr std::array<std::array<DotKernel, 3>, 8> kVnni512 = {{
    {dot512<1, 1>, dot512<1, 2>, dot512<1, 3>},
    {dot512<2, 1>, dot512<2, 2>, dot512<2, 3>},
    {dot512<3, 1>, dot512<3, 2>, dot512<3, 3>},
    {dot512<4, 1>, dot512<4, 2>, dot512<4, 3>},
    {dot512<5, 1>, dot512<5, 2>, dot512<5, 3>},
    {dot512<6, 1>, dot512<6, 2>, dot512<6, 3>},
    {dot512<7, 1>, dot512<7, 2>, dot512<7, 3>},
    {dot512<8, 1>, dot512<8, 2>, dot512<8, 3>},
}};
constexpr std::array<std::array<DotKernel, 3>, 4> kVnni256 = {{
    {dot256<1, 1>, dot256<1, 2>, dot256<1, 3>},
    {dot256<2, 1>, dot256<2, 2>, dot256<2, 3>},
    {dot256<3, 1>, dot256<3, 2>, dot256<3, 3>},
    {dot256<4, 1>, dot256<4, 2>, dot256<4, 3>},
}};

}  // namespace

DotKernel vnni512(int rows, int vectors) {
  static const bool has = has_vnni(true);
  return has && wanted.load(std::memory_order_relaxed)
             ? kVnni512[static_cast<size_t>(rows - 1)][static_cast<size_t>(vectors - 1)]
             : nullptr;
}
DotKernel vnni256(int rows, int vectors) {
  static const bool has = has_vnni(false);
  return has && rows <= 4 && wanted.load(std::memory_order_relaxed)
             ? kVnni256[static_cast<size_t>(rows - 1)][static_cast<size_t>(vectors - 1)]
             : nullptr;
}

void use_vnni(bool use) { wanted.store(use, std::memory_order_relaxed); }

}  // namespace sluice::simd

#else

namespace sluice::simd {
void use_vnni(bool /*use*/) {}
}  // namespace sluice::simd

#endif
