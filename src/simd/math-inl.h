// Vector forms of the elementary functions, partial loads and stores, and Activation applied to one
// vector. Compiled once per instruction set: include it after foreach_target.h, never from a
// header. Errors are relative to the exact result unless said otherwise; NaN gives NaN everywhere.
// clang-format off
#if defined(SLUICE_SIMD_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SLUICE_SIMD_MATH_INL_H_
#undef SLUICE_SIMD_MATH_INL_H_
#else
#define SLUICE_SIMD_MATH_INL_H_
#endif
// clang-format on

#include <cstddef>
#include <cstdint>
#include <limits>

#if defined(__wasm__)
#include <wasm_simd128.h>
#endif

#include "hwy/highway.h"
#include "simd/activation.h"
#include "simd/relaxed-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F32 = hn::ScalableTag<float>;
using V32 = hn::Vec<F32>;

// Whether a masked load or store touches only the lanes of the mask (AVX2, AVX-512): else partial
// vectors go through the stack, because memory past the end may not be mapped.
#undef SLUICE_MASKED_MEMORY
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
#define SLUICE_MASKED_MEMORY 1
#else
#define SLUICE_MASKED_MEMORY 0
#endif

// Whether loops are laid out for the engines of WebAssembly. No sanitizer runs there: in its build
// SSE4, whose vectors are as long, goes the same ways.
#undef SLUICE_WASM_LOOPS
#if HWY_ARCH_WASM || (defined(SLUICE_SANITIZED) && HWY_TARGET == HWY_SSE4)
#define SLUICE_WASM_LOOPS 1
#else
#define SLUICE_WASM_LOOPS 0
#endif

// The first n (0..lanes) elements at p; zero in the other lanes.
HWY_INLINE V32 load_partial(F32 d, const float* HWY_RESTRICT p, size_t n) {
#if SLUICE_MASKED_MEMORY
  return hn::MaskedLoad(hn::FirstN(d, n), d, p);
#else
  HWY_ALIGN float buffer[HWY_MAX_BYTES / sizeof(float)] = {};
  for (size_t i = 0; i < n; ++i) buffer[i] = p[i];
  return hn::Load(d, buffer);
#endif
}

HWY_INLINE void store_partial(F32 d, V32 v, float* HWY_RESTRICT p, size_t n) {
#if SLUICE_MASKED_MEMORY
  hn::BlendedStore(v, hn::FirstN(d, n), d, p);
#else
  HWY_ALIGN float buffer[HWY_MAX_BYTES / sizeof(float)] = {};
  hn::Store(v, d, buffer);
  for (size_t i = 0; i < n; ++i) p[i] = buffer[i];
#endif
}

// x86's max and min return their second operand when either is NaN; other instruction sets differ
// among themselves, so there comparisons decide (false for NaN).
#undef SLUICE_SECOND_OPERAND_WINS
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_SSE4
#define SLUICE_SECOND_OPERAND_WINS 1
#else
#define SLUICE_SECOND_OPERAND_WINS 0
#endif

template <class V>
HWY_INLINE V clamp_keeping_nan(V x, V lo, V hi) {
#if SLUICE_SECOND_OPERAND_WINS
  return hn::Min(hi, hn::Max(lo, x));
#elif HWY_ARCH_WASM
  // x < lo ? lo : x, then hi < y ? hi : y: one instruction each on x86.
  return V{wasm_f32x4_pmin(wasm_f32x4_pmax(x.raw, lo.raw), hi.raw)};
#else
  const V y = hn::IfThenElse(hn::Lt(x, lo), lo, x);
  return hn::IfThenElse(hn::Gt(y, hi), hi, y);
#endif
}

// The larger and the smaller of two, NaN when either is.
HWY_INLINE HWY_MAYBE_UNUSED V32 max_with_nan(V32 a, V32 b) {
#if SLUICE_SECOND_OPERAND_WINS
  return hn::IfThenElse(hn::Eq(a, a), hn::Max(a, b), a);
#else
  return hn::IfThenElse(hn::Eq(b, b), hn::IfThenElse(hn::Lt(a, b), b, a), b);
#endif
}
HWY_INLINE HWY_MAYBE_UNUSED V32 min_with_nan(V32 a, V32 b) {
#if SLUICE_SECOND_OPERAND_WINS
  return hn::IfThenElse(hn::Eq(a, a), hn::Min(a, b), a);
#else
  return hn::IfThenElse(hn::Eq(b, b), hn::IfThenElse(hn::Gt(a, b), b, a), b);
#endif
}

// 2^n * x for integers n in [-300, 300], held as floats: the exponent is applied in two steps so
// that subnormal and infinite results come out right.
HWY_INLINE V32 scale_by_power(F32 d, V32 x, V32 n) {
  const hn::RebindToSigned<F32> di;
  // Adding 1.5 * 2^23 leaves the integer in the low mantissa bits.
  const V32 magic = hn::Set(d, 12582912.0f);
  const auto bits = hn::Sub(hn::BitCast(di, hn::Add(n, magic)), hn::BitCast(di, magic));
  const auto half = hn::ShiftRight<1>(bits);
  const auto rest = hn::Sub(bits, half);
  const auto bias = hn::Set(di, 127);
  const V32 first = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(half, bias)));
  const V32 second = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(rest, bias)));
  return hn::Mul(hn::Mul(x, first), second);
}

HWY_INLINE V32 round_by_magic(F32 d, V32 x) {
  const V32 magic = hn::Set(d, 12582912.0f);
  return hn::Sub(hn::Add(x, magic), magic);
}

// exp(x), 2 ulp; 0 below -104, infinity above 88.73.
HWY_INLINE V32 exp_f32(F32 d, V32 x_in) {
  const V32 x = clamp_keeping_nan(x_in, hn::Set(d, -110.0f), hn::Set(d, 100.0f));
  const V32 n = round_by_magic(d, hn::Mul(x, hn::Set(d, 1.44269504089f)));
  // ln 2 in two parts: the first has 9 trailing zero bits, so n times it is exact.
  V32 r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
  // (exp(r) - 1 - r) / r^2 on |r| <= ln(2)/2, fitted; error 5e-11.
  V32 p = hn::Set(d, 1.990964636e-4f);
  p = hn::MulAdd(p, r, hn::Set(d, 1.394644656e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 8.333280508e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 4.166626314e-2f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.666666679e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 5.000000081e-1f));
  const V32 y = hn::Add(hn::MulAdd(hn::Mul(r, r), p, r), hn::Set(d, 1.0f));
  return scale_by_power(d, y, n);
}

// exp(x) - 1 without cancellation near 0, 4 ulp.
HWY_INLINE V32 expm1_f32(F32 d, V32 x) {
  V32 p = hn::Set(d, 1.990964636e-4f);
  p = hn::MulAdd(p, x, hn::Set(d, 1.394644656e-3f));
  p = hn::MulAdd(p, x, hn::Set(d, 8.333280508e-3f));
  p = hn::MulAdd(p, x, hn::Set(d, 4.166626314e-2f));
  p = hn::MulAdd(p, x, hn::Set(d, 1.666666679e-1f));
  p = hn::MulAdd(p, x, hn::Set(d, 5.000000081e-1f));
  const V32 small = hn::MulAdd(hn::Mul(x, x), p, x);
  const V32 large = hn::Sub(exp_f32(d, x), hn::Set(d, 1.0f));
  return hn::IfThenElse(hn::Lt(hn::Abs(x), hn::Set(d, 0.34f)), small, large);
}

// log(x), 2 ulp; -infinity at 0, NaN below.
HWY_INLINE V32 log_f32(F32 d, V32 x_in) {
  const hn::RebindToSigned<F32> di;
  // Subnormals are brought into the normal range first.
  const auto tiny = hn::Lt(x_in, hn::Set(d, 1.17549435e-38f));
  const V32 x = hn::IfThenElse(tiny, hn::Mul(x_in, hn::Set(d, 8388608.0f)), x_in);
  const auto bits = hn::BitCast(di, x);
  // Splits x = m * 2^e with m in [sqrt(1/2), sqrt(2)).
  const auto shifted = hn::Sub(bits, hn::Set(di, 0x3f3504f3));
  const auto e = hn::ShiftRight<23>(shifted);
  const V32 m =
      hn::BitCast(d, hn::Add(hn::And(shifted, hn::Set(di, 0x007fffff)), hn::Set(di, 0x3f3504f3)));
  V32 exponent = hn::ConvertTo(d, e);
  exponent = hn::IfThenElse(tiny, hn::Sub(exponent, hn::Set(d, 23.0f)), exponent);
  const V32 f = hn::Sub(m, hn::Set(d, 1.0f));
  // (log(1 + f) - f + f^2/2) / f^3 on that interval, fitted; error 8e-10.
  V32 p = hn::Set(d, 0.06800912116f);
  p = hn::MulAdd(p, f, hn::Set(d, -0.1172660479f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.1189098947f));
  p = hn::MulAdd(p, f, hn::Set(d, -0.1239644514f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.1421776258f));
  p = hn::MulAdd(p, f, hn::Set(d, -0.1666851261f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.2000224652f));
  p = hn::MulAdd(p, f, hn::Set(d, -0.2500000056f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.3333331012f));
  const V32 ff = hn::Mul(f, f);
  V32 y = hn::Mul(hn::Mul(ff, f), p);
  y = hn::MulAdd(exponent, hn::Set(d, -2.12194440e-4f), y);
  y = hn::NegMulAdd(ff, hn::Set(d, 0.5f), y);
  y = hn::Add(f, y);
  y = hn::MulAdd(exponent, hn::Set(d, 0.693359375f), y);
  const float inf = std::numeric_limits<float>::infinity();
  y = hn::IfThenElse(hn::Eq(x_in, hn::Set(d, inf)), x_in, y);
  y = hn::IfThenElse(hn::Eq(x_in, hn::Zero(d)), hn::Set(d, -inf), y);
  // Not (x >= 0): negative or NaN.
  return hn::IfThenElse(hn::Ge(x_in, hn::Zero(d)), y,
                        hn::Set(d, std::numeric_limits<float>::quiet_NaN()));
}

// log(1 + x) for x >= 0, 3 ulp: the rounding error of 1 + x is put back to first order.
HWY_INLINE V32 log1p_f32(F32 d, V32 x) {
  const V32 one = hn::Set(d, 1.0f);
  const V32 u = hn::Add(one, x);
  const V32 lost = hn::Sub(x, hn::Sub(u, one));
  const V32 y = hn::Add(log_f32(d, u), hn::Div(lost, u));
  return hn::IfThenElse(hn::Eq(u, hn::Set(d, std::numeric_limits<float>::infinity())), u, y);
}

// 1 / (1 + exp(-x)), 3 ulp.
HWY_INLINE V32 sigmoid_f32(F32 d, V32 x) {
  const V32 one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, exp_f32(d, hn::Neg(x))));
}

// 3 ulp.
HWY_INLINE V32 tanh_f32(F32 d, V32 x) {
  const V32 ax = hn::Abs(x);
  const V32 t = hn::Mul(x, x);
  // (tanh(x)/x - 1) / x^2 on |x| < 0.625, fitted; error 2e-10.
  V32 p = hn::Set(d, 0.00214280365f);
  p = hn::MulAdd(p, t, hn::Set(d, -0.008177093612f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.02170050063f));
  p = hn::MulAdd(p, t, hn::Set(d, -0.05394670321f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.1333320522f));
  p = hn::MulAdd(p, t, hn::Set(d, -0.3333333077f));
  const V32 small = hn::MulAdd(hn::Mul(x, t), p, x);
  const V32 e = exp_f32(d, hn::Add(ax, ax));
  const V32 one = hn::Set(d, 1.0f);
  const V32 large = hn::CopySign(hn::Sub(one, hn::Div(hn::Set(d, 2.0f), hn::Add(e, one))), x);
  return hn::IfThenElse(hn::Lt(ax, hn::Set(d, 0.625f)), small, large);
}

// 3 ulp.
HWY_INLINE V32 erf_f32(F32 d, V32 x) {
  const V32 ax = hn::Min(hn::Set(d, 4.0f), hn::Abs(x));
  const V32 t = hn::Mul(x, x);
  // erf(x) / x on |x| <= 1, fitted; error 1.3e-9.
  V32 p = hn::Set(d, 7.847259127e-5f);
  p = hn::MulAdd(p, t, hn::Set(d, -8.008189323e-4f));
  p = hn::MulAdd(p, t, hn::Set(d, 5.188098889e-3f));
  p = hn::MulAdd(p, t, hn::Set(d, -2.685369110e-2f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.1128358225f));
  p = hn::MulAdd(p, t, hn::Set(d, -0.3761262557f));
  p = hn::MulAdd(p, t, hn::Set(d, 1.128379166f));
  const V32 small = hn::Mul(x, p);
  // log(1 - erf(x)) on 1..4, fitted; error 1.1e-9 of erf. At 4 erf rounds to 1.
  V32 q = hn::Set(d, 0.0001865517096f);
  q = hn::MulAdd(q, ax, hn::Set(d, -0.00294894595f));
  q = hn::MulAdd(q, ax, hn::Set(d, 0.02184170712f));
  q = hn::MulAdd(q, ax, hn::Set(d, -0.1031114566f));
  q = hn::MulAdd(q, ax, hn::Set(d, -0.6381424864f));
  q = hn::MulAdd(q, ax, hn::Set(d, -1.127088923f));
  q = hn::MulAdd(q, ax, hn::Set(d, -3.419623434e-4f));
  const V32 large = hn::CopySign(hn::Sub(hn::Set(d, 1.0f), exp_f32(d, q)), x);
  const V32 y = hn::IfThenElse(hn::Lt(hn::Abs(x), hn::Set(d, 1.0f)), small, large);
  return hn::IfThenElse(hn::Eq(x, x), y, x);
}

// log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)).
HWY_INLINE V32 softplus_f32(F32 d, V32 x) {
  return hn::Add(max_with_nan(hn::Zero(d), x), log1p_f32(d, exp_f32(d, hn::Neg(hn::Abs(x)))));
}

// One function per kind, so that a loop over an array can be instantiated for each.
template <Function kFunction>
HWY_INLINE V32 apply(F32 d, V32 x, V32 a, V32 b) {
  const V32 zero = hn::Zero(d);
  const V32 one = hn::Set(d, 1.0f);
  if constexpr (kFunction == Function::kClip) return clamp_keeping_nan(x, a, b);
  if constexpr (kFunction == Function::kLeakyRelu) {
    return hn::IfThenElse(hn::Lt(x, zero), hn::Mul(a, x), x);
  }
  if constexpr (kFunction == Function::kSigmoid) return sigmoid_f32(d, x);
  if constexpr (kFunction == Function::kTanh) return tanh_f32(d, x);
  if constexpr (kFunction == Function::kHardSigmoid) {
    return clamp_keeping_nan(hn::MulAdd(a, x, b), zero, one);
  }
  if constexpr (kFunction == Function::kHardSwish) {
    const V32 gate = hn::MulAdd(x, hn::Set(d, 1.0f / 6.0f), hn::Set(d, 0.5f));
    return hn::Mul(x, clamp_keeping_nan(gate, zero, one));
  }
  if constexpr (kFunction == Function::kSwish) {
    return hn::Div(x, hn::Add(one, exp_f32(d, hn::Neg(hn::Mul(a, x)))));
  }
  if constexpr (kFunction == Function::kGelu) {
    const V32 half = hn::Mul(x, hn::Set(d, 0.5f));
    return hn::MulAdd(half, erf_f32(d, hn::Mul(x, hn::Set(d, 0.70710678118f))), half);
  }
  if constexpr (kFunction == Function::kGeluTanh) {
    const V32 half = hn::Mul(x, hn::Set(d, 0.5f));
    const V32 cubic = hn::MulAdd(hn::Mul(hn::Mul(x, x), x), hn::Set(d, 0.044715f), x);
    return hn::MulAdd(half, tanh_f32(d, hn::Mul(cubic, hn::Set(d, 0.7978845608f))), half);
  }
  if constexpr (kFunction == Function::kElu) {
    return hn::IfThenElse(hn::Lt(x, zero), hn::Mul(a, expm1_f32(d, x)), x);
  }
  if constexpr (kFunction == Function::kSelu) {
    return hn::Mul(b, hn::IfThenElse(hn::Gt(x, zero), x, hn::Mul(a, expm1_f32(d, x))));
  }
  if constexpr (kFunction == Function::kSoftplus) return softplus_f32(d, x);
  if constexpr (kFunction == Function::kSoftsign) return hn::Div(x, hn::Add(one, hn::Abs(x)));
  if constexpr (kFunction == Function::kMish) {
    return hn::Mul(x, tanh_f32(d, softplus_f32(d, x)));
  }
  if constexpr (kFunction == Function::kThresholdedRelu) {
    // x <= a gives 0; NaN stays.
    return hn::IfThenElse(hn::Le(x, a), zero, x);
  }
  if constexpr (kFunction == Function::kScaledTanh) return hn::Mul(a, tanh_f32(d, hn::Mul(b, x)));
  if constexpr (kFunction == Function::kAffine) return hn::MulAdd(a, x, b);
  if constexpr (kFunction == Function::kExp) return exp_f32(d, x);
  if constexpr (kFunction == Function::kLog) return log_f32(d, x);
  if constexpr (kFunction == Function::kErf) return erf_f32(d, x);
  if constexpr (kFunction == Function::kSqrt) return hn::Sqrt(x);
  if constexpr (kFunction == Function::kReciprocal) return hn::Div(one, x);
  if constexpr (kFunction == Function::kNeg) return hn::Neg(x);
  if constexpr (kFunction == Function::kAbs) return hn::Abs(x);
  if constexpr (kFunction == Function::kFloor) return hn::Floor(x);
  if constexpr (kFunction == Function::kCeil) return hn::Ceil(x);
  if constexpr (kFunction == Function::kRound) return hn::Round(x);
  if constexpr (kFunction == Function::kSquare) return hn::Mul(x, x);
  return x;
}

// The cases X(name) of every function but the identity.
#undef SLUICE_SIMD_FUNCTIONS
// clang-format off: one list, which the formatter would indent further every time
#define SLUICE_SIMD_FUNCTIONS(X) \
  X(kClip) X(kLeakyRelu) X(kSigmoid) X(kTanh) X(kHardSigmoid) X(kHardSwish) X(kSwish) X(kGelu) \
  X(kGeluTanh) X(kElu) X(kSelu) X(kSoftplus) X(kSoftsign) X(kMish) X(kThresholdedRelu) \
  X(kScaledTanh) X(kAffine) X(kExp) X(kLog) X(kErf) X(kSqrt) X(kReciprocal) X(kNeg) X(kAbs) \
  X(kFloor) X(kCeil) X(kRound) X(kSquare)
// clang-format on

// Out of line: kept out of the register-starved inner loops.
static HWY_NOINLINE HWY_MAYBE_UNUSED V32 activate_slow(V32 x, V32 a, V32 b, Function function) {
  const F32 d;
  switch (function) {
#define SLUICE_SIMD_CASE(name) \
  case Function::name:         \
    return apply<Function::name>(d, x, a, b);
    SLUICE_SIMD_FUNCTIONS(SLUICE_SIMD_CASE)
#undef SLUICE_SIMD_CASE
    case Function::kIdentity:
      break;
  }
  return x;
}

HWY_INLINE HWY_MAYBE_UNUSED V32 activate(F32 d, V32 x, const Activation& activation) {
  if (activation.function == Function::kIdentity) return x;
  const V32 a = hn::Set(d, activation.a);
  const V32 b = hn::Set(d, activation.b);
  if (activation.function == Function::kClip) return clamp_keeping_nan(x, a, b);
  return activate_slow(x, a, b, activation.function);
}

}  // namespace HWY_NAMESPACE
}  // namespace sluice::simd
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
