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

// The loop of both: GCC and clang inline an intrinsic only into a function of its instruction set,
// which no template parameter can be.
#define SLUICE_DOT(NAME, TARGET, VECTOR, LANES, ZERO, LOAD, STORE, SPLAT, DOT)                   \
  template <int kM, int kVectors>                                                                \
  TARGET void NAME(const DotOperands& o, int32_t* sums) {                                        \
    VECTOR s[kM][kVectors];                                                                      \
    _Pragma("GCC unroll 8") for (int m = 0; m < kM; ++m) {                                       \
      _Pragma("GCC unroll 3") for (int v = 0; v < kVectors; ++v) s[m][v] = ZERO();               \
    }                                                                                            \
    const uint32_t* a = o.a;                                                                     \
    const uint32_t* const end = o.offsets + o.depth;                                             \
    const std::array<const uint32_t*, 3> columns = o.columns;                                    \
    for (const uint32_t* offset = o.offsets; offset != end; ++offset, a += kPanelRows) {         \
      VECTOR b[kVectors];                                                                        \
      _Pragma("GCC unroll 3") for (int v = 0; v < kVectors; ++v) {                               \
        b[v] = LOAD(reinterpret_cast<const VECTOR*>(columns[static_cast<size_t>(v)] + *offset)); \
      }                                                                                          \
      _Pragma("GCC unroll 8") for (int m = 0; m < kM; ++m) {                                     \
        const VECTOR x = SPLAT(static_cast<int32_t>(a[m]));                                      \
        _Pragma("GCC unroll 3") for (int v = 0; v < kVectors; ++v) {                             \
          s[m][v] = DOT(s[m][v], b[v], x);                                                       \
        }                                                                                        \
      }                                                                                          \
    }                                                                                            \
    _Pragma("GCC unroll 8") for (int m = 0; m < kM; ++m) {                                       \
      _Pragma("GCC unroll 3") for (int v = 0; v < kVectors; ++v) {                               \
        STORE(reinterpret_cast<VECTOR*>(sums + m * kTileCols + v * LANES), s[m][v]);             \
      }                                                                                          \
    }                                                                                            \
  }

// Eight rows of three vectors are 24 sums: with three vectors of B they take 27 of 32 registers,
// and words of A are broadcast as the instruction reads them.
SLUICE_DOT(dot512, SLUICE_VNNI512, __m512i, 16, _mm512_setzero_si512, _mm512_loadu_si512,
           _mm512_storeu_si512, _mm512_set1_epi32, _mm512_dpbusd_epi32)
SLUICE_DOT(dot256, SLUICE_VNNI256, __m256i, 8, _mm256_setzero_si256, _mm256_loadu_si256,
           _mm256_storeu_si256, _mm256_set1_epi32, _mm256_dpbusd_avx_epi32)
#undef SLUICE_DOT

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
