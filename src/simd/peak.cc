#include "simd/peak.h"

#include <array>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/peak.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::simd {
namespace HWY_NAMESPACE {

// Twelve chains: two multiply-adds a cycle of four cycles' latency need eight, a multiplication and
// an addition apart twelve; with two operands they still fit 16 registers.
// Each starts from an operand of its own, or compilers would compute one chain for all. Writes a
// sum to `out`, so that nothing is computed in vain.
double PeakF32(int64_t rounds, const float* operands, float* out) {
  const F32 d;
  const V32 x = hn::Set(d, operands[0]), y = hn::Set(d, operands[1]);
  V32 s0 = hn::Set(d, operands[2]);
  V32 s1 = hn::Set(d, operands[3]);
  V32 s2 = hn::Set(d, operands[4]);
  V32 s3 = hn::Set(d, operands[5]);
  V32 s4 = hn::Set(d, operands[6]);
  V32 s5 = hn::Set(d, operands[7]);
  V32 s6 = hn::Set(d, operands[8]);
  V32 s7 = hn::Set(d, operands[9]);
  V32 s8 = hn::Set(d, operands[10]);
  V32 s9 = hn::Set(d, operands[11]);
  V32 s10 = hn::Set(d, operands[12]);
  V32 s11 = hn::Set(d, operands[13]);
  for (int64_t i = 0; i < rounds; ++i) {
    s0 = hn::MulAdd(s0, x, y);
    s1 = hn::MulAdd(s1, x, y);
    s2 = hn::MulAdd(s2, x, y);
    s3 = hn::MulAdd(s3, x, y);
    s4 = hn::MulAdd(s4, x, y);
    s5 = hn::MulAdd(s5, x, y);
    s6 = hn::MulAdd(s6, x, y);
    s7 = hn::MulAdd(s7, x, y);
    s8 = hn::MulAdd(s8, x, y);
    s9 = hn::MulAdd(s9, x, y);
    s10 = hn::MulAdd(s10, x, y);
    s11 = hn::MulAdd(s11, x, y);
  }
  const V32 a = hn::Add(hn::Add(s0, s1), hn::Add(s2, s3));
  const V32 b = hn::Add(hn::Add(s4, s5), hn::Add(s6, s7));
  const V32 c = hn::Add(hn::Add(s8, s9), hn::Add(s10, s11));
  HWY_ALIGN std::array<float, HWY_MAX_BYTES / sizeof(float)> lanes;
  hn::Store(hn::Add(hn::Add(a, b), c), d, lanes.data());
  *out = lanes[0];
  return 2.0 * 12.0 * static_cast<double>(hn::Lanes(d)) * static_cast<double>(rounds);
}

}  // namespace HWY_NAMESPACE
}  // namespace sluice::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#include <immintrin.h>
#endif
#ifdef __wasm__
#include <wasm_simd128.h>
#endif

namespace sluice::simd {

HWY_EXPORT(PeakF32);

namespace {

volatile float sink = 0;  // keeps results alive
volatile int32_t byte_sink = 0;
// Not known to the compiler: chains whose operands it knew would be folded.
volatile float operand = 0.999f;
volatile int32_t byte_operand = 0x01020304;

}  // namespace

double peak_f32(int64_t rounds) {
  std::array<float, 14> operands;
  for (float& x : operands) x = operand;
  operands[1] = 1 - operands[0];
  float out = 0;
  const double done = HWY_DYNAMIC_DISPATCH(PeakF32)(rounds, operands.data(), &out);
  sink = out;
  return done;
}

#if defined(__x86_64__) && defined(__GNUC__)

namespace {

__attribute__((target("avx512f,avx512vnni"))) void chains512(int64_t rounds) {
  const __m512i x = _mm512_set1_epi32(byte_operand), y = _mm512_set1_epi32(~byte_operand);
  __m512i s[12];
#pragma GCC unroll 12
  for (int i = 0; i < 12; ++i) s[i] = _mm512_set1_epi32(i);
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < 12; ++i) s[i] = _mm512_dpbusd_epi32(s[i], x, y);
  }
  for (int i = 1; i < 12; ++i) s[0] = _mm512_xor_si512(s[0], s[i]);
  byte_sink = _mm_cvtsi128_si32(_mm512_castsi512_si128(s[0]));
}

__attribute__((target("avx2,avxvnni"))) void chains256(int64_t rounds) {
  const __m256i x = _mm256_set1_epi32(byte_operand), y = _mm256_set1_epi32(~byte_operand);
  __m256i s[12];
#pragma GCC unroll 12
  for (int i = 0; i < 12; ++i) s[i] = _mm256_set1_epi32(i);
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < 12; ++i) s[i] = _mm256_dpbusd_avx_epi32(s[i], x, y);
  }
  for (int i = 1; i < 12; ++i) s[0] = _mm256_xor_si256(s[0], s[i]);
  byte_sink = _mm_cvtsi128_si32(_mm256_castsi256_si128(s[0]));
}

bool has_avx_vnni() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & (1u << 4)) != 0 &&
         __builtin_cpu_supports("avx2") != 0;
}

}  // namespace

double peak_i8(int64_t rounds) {
  if (__builtin_cpu_supports("avx512vnni") != 0) {
    chains512(rounds);
    return 2.0 * 12 * 64 * static_cast<double>(rounds);
  }
  if (has_avx_vnni()) {
    chains256(rounds);
    return 2.0 * 12 * 32 * static_cast<double>(rounds);
  }
  return 0;
}

const char* peak_i8_name() {
  if (__builtin_cpu_supports("avx512vnni") != 0) return "AVX-512 VNNI";
  return has_avx_vnni() ? "AVX-VNNI" : "none";
}

#elif defined(__wasm__)

double peak_i8(int64_t rounds) {
  const v128_t y = wasm_i32x4_splat(byte_operand);
#ifdef __wasm_relaxed_simd__
  const v128_t x = wasm_i32x4_splat(byte_operand);
#endif
  v128_t s0 = wasm_i32x4_splat(byte_operand);
  v128_t s1 = wasm_i32x4_splat(byte_operand);
  v128_t s2 = wasm_i32x4_splat(byte_operand);
  v128_t s3 = wasm_i32x4_splat(byte_operand);
  v128_t s4 = wasm_i32x4_splat(byte_operand);
  v128_t s5 = wasm_i32x4_splat(byte_operand);
  v128_t s6 = wasm_i32x4_splat(byte_operand);
  v128_t s7 = wasm_i32x4_splat(byte_operand);
  v128_t s8 = wasm_i32x4_splat(byte_operand);
  v128_t s9 = wasm_i32x4_splat(byte_operand);
  for (int64_t i = 0; i < rounds; ++i) {
#ifdef __wasm_relaxed_simd__
#define SLUICE_STEP(s) s = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(x, y, s)
#else
// The operand changes with the sum: a product that stays the same would be taken out of the loop.
#define SLUICE_STEP(s) s = wasm_i32x4_add(s, wasm_i32x4_dot_i16x8(s, y))
#endif
    SLUICE_STEP(s0);
    SLUICE_STEP(s1);
    SLUICE_STEP(s2);
    SLUICE_STEP(s3);
    SLUICE_STEP(s4);
    SLUICE_STEP(s5);
    SLUICE_STEP(s6);
    SLUICE_STEP(s7);
    SLUICE_STEP(s8);
    SLUICE_STEP(s9);
#undef SLUICE_STEP
  }
  const v128_t a = wasm_v128_xor(wasm_v128_xor(s0, s1), wasm_v128_xor(s2, s3));
  const v128_t b = wasm_v128_xor(wasm_v128_xor(s4, s5), wasm_v128_xor(s6, s7));
  byte_sink = wasm_i32x4_extract_lane(wasm_v128_xor(wasm_v128_xor(a, b), wasm_v128_xor(s8, s9)), 0);
#ifdef __wasm_relaxed_simd__
  return 2.0 * 10 * 16 * static_cast<double>(rounds);
#else
  return 2.0 * 10 * 8 * static_cast<double>(rounds);
#endif
}

const char* peak_i8_name() {
#ifdef __wasm_relaxed_simd__
  return "relaxed dot";
#else
  return "pairs of 16 bits";
#endif
}

#else

double peak_i8(int64_t /*rounds*/) { return 0; }
const char* peak_i8_name() { return "none"; }

#endif

}  // namespace sluice::simd
#endif  // HWY_ONCE
