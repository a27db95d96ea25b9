#include "simd/elementwise.h"

#include <algorithm>
#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/elementwise.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::simd {
namespace HWY_NAMESPACE {
namespace {

HWY_INLINE int64_t lanes() { return static_cast<int64_t>(hn::Lanes(F32())); }

// Not inline: all of them together would be one large function, which a browser compiles whole for
// the one that a model needs.
template <Function kFunction>
HWY_NOINLINE void apply_loop(float a_value, float b_value, const float* in, float* out, int64_t n) {
  const F32 d;
  const V32 a = hn::Set(d, a_value), b = hn::Set(d, b_value);
  int64_t i = 0;
  for (; i + lanes() <= n; i += lanes()) {
    hn::StoreU(apply<kFunction>(d, hn::LoadU(d, in + i), a, b), d, out + i);
  }
  if (i < n) {
    const auto left = static_cast<size_t>(n - i);
    store_partial(d, apply<kFunction>(d, load_partial(d, in + i, left), a, b), out + i, left);
  }
}

template <Binary kOp>
HWY_INLINE V32 combine(V32 a, V32 b) {
  if constexpr (kOp == Binary::kAdd) return hn::Add(a, b);
  if constexpr (kOp == Binary::kSub) return hn::Sub(a, b);
  if constexpr (kOp == Binary::kMul) return hn::Mul(a, b);
  if constexpr (kOp == Binary::kDiv) return hn::Div(a, b);
  if constexpr (kOp == Binary::kMin) return min_with_nan(a, b);
  return max_with_nan(a, b);
}

template <Binary kOp, bool kScalarA, bool kScalarB>
void binary_loop(const float* a, const float* b, float* out, int64_t n) {
  const F32 d;
  const V32 a_all = hn::Set(d, *a), b_all = hn::Set(d, *b);
  const auto one = [&](int64_t at) HWY_ATTR {
    const V32 x = kScalarA ? a_all : hn::LoadU(d, a + at);
    const V32 y = kScalarB ? b_all : hn::LoadU(d, b + at);
    hn::StoreU(combine<kOp>(x, y), d, out + at);
  };
  int64_t i = 0;
  // Four a turn: engines of WebAssembly check for interruption in every turn.
  for (; i + 4 * lanes() <= n; i += 4 * lanes()) {
    one(i);
    one(i + lanes());
    one(i + 2 * lanes());
    one(i + 3 * lanes());
  }
  for (; i + lanes() <= n; i += lanes()) one(i);
  if (i < n) {
    const auto left = static_cast<size_t>(n - i);
    const V32 x = kScalarA ? a_all : load_partial(d, a + i, left);
    const V32 y = kScalarB ? b_all : load_partial(d, b + i, left);
    store_partial(d, combine<kOp>(x, y), out + i, left);
  }
}

template <Binary kOp>
HWY_NOINLINE void binary_steps(const float* a, int64_t a_step, const float* b, int64_t b_step,
                               float* out, int64_t n) {
  if (a_step == 0 && b_step == 0) {
    binary_loop<kOp, true, true>(a, b, out, n);
  } else if (a_step == 0) {
    binary_loop<kOp, true, false>(a, b, out, n);
  } else if (b_step == 0) {
    binary_loop<kOp, false, true>(a, b, out, n);
  } else {
    binary_loop<kOp, false, false>(a, b, out, n);
  }
}

enum class Term { kSelf, kSquare, kAbs };

template <Term kTerm>
HWY_INLINE V32 term_of(V32 x, V32 centre) {
  if constexpr (kTerm == Term::kSquare) {
    const V32 distance = hn::Sub(x, centre);
    return hn::Mul(distance, distance);
  }
  if constexpr (kTerm == Term::kAbs) return hn::Abs(x);
  return x;
}

template <Term kTerm>
double sum_terms(const float* x, int64_t n, float centre_value) {
  const F32 d;
  const V32 centre = hn::Set(d, centre_value);
  constexpr int64_t kBlock = 4096;
  double total = 0;
  for (int64_t at = 0; at < n; at += kBlock) {
    const int64_t end = std::min(n, at + kBlock);
    V32 s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
    int64_t i = at;
    for (; i + 4 * lanes() <= end; i += 4 * lanes()) {
      s0 = hn::Add(s0, term_of<kTerm>(hn::LoadU(d, x + i), centre));
      s1 = hn::Add(s1, term_of<kTerm>(hn::LoadU(d, x + i + lanes()), centre));
      s2 = hn::Add(s2, term_of<kTerm>(hn::LoadU(d, x + i + 2 * lanes()), centre));
      s3 = hn::Add(s3, term_of<kTerm>(hn::LoadU(d, x + i + 3 * lanes()), centre));
    }
    for (; i + lanes() <= end; i += lanes()) {
      s0 = hn::Add(s0, term_of<kTerm>(hn::LoadU(d, x + i), centre));
    }
    const V32 all = hn::Add(hn::Add(s0, s1), hn::Add(s2, s3));
    total += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, all)));
    for (; i < end; ++i) {
      const double distance = static_cast<double>(x[i]) - centre_value;
      total += kTerm == Term::kSquare ? distance * distance
               : kTerm == Term::kAbs  ? std::fabs(static_cast<double>(x[i]))
                                      : static_cast<double>(x[i]);
    }
  }
  return total;
}

template <bool kMax>
float extreme(const float* x, int64_t n) {
  const F32 d;
  const float start =
      kMax ? -std::numeric_limits<float>::infinity() : std::numeric_limits<float>::infinity();
  V32 best = hn::Set(d, start);
  int64_t i = 0;
  for (; i + lanes() <= n; i += lanes()) {
    const V32 v = hn::LoadU(d, x + i);
    best = kMax ? max_with_nan(best, v) : min_with_nan(best, v);
  }
  HWY_ALIGN float all[HWY_MAX_BYTES / sizeof(float)];
  hn::Store(best, d, all);
  float out = start;
  const auto take = [&](float v) {
    // Not (out is better): v is, or it is NaN. Once NaN, always NaN.
    if (!(out != out) && !(kMax ? out >= v : out <= v)) out = v;
  };
  for (int64_t lane = 0; lane < lanes(); ++lane) take(all[lane]);
  for (; i < n; ++i) take(x[i]);
  return out;
}

}  // namespace

void ApplyKernel(const Activation& activation, const float* in, float* out, int64_t n) {
  switch (activation.function) {
#define SLUICE_SIMD_CASE(name) \
  case Function::name:         \
    return apply_loop<Function::name>(activation.a, activation.b, in, out, n);
    SLUICE_SIMD_FUNCTIONS(SLUICE_SIMD_CASE)
#undef SLUICE_SIMD_CASE
    case Function::kIdentity:
      if (in != out) std::copy(in, in + n, out);
  }
}

void BinaryKernel(Binary op, const float* a, int64_t a_step, const float* b, int64_t b_step,
                  float* out, int64_t n) {
  if (n <= 0) return;
  switch (op) {
    case Binary::kAdd:
      return binary_steps<Binary::kAdd>(a, a_step, b, b_step, out, n);
    case Binary::kSub:
      return binary_steps<Binary::kSub>(a, a_step, b, b_step, out, n);
    case Binary::kMul:
      return binary_steps<Binary::kMul>(a, a_step, b, b_step, out, n);
    case Binary::kDiv:
      return binary_steps<Binary::kDiv>(a, a_step, b, b_step, out, n);
    case Binary::kMin:
      return binary_steps<Binary::kMin>(a, a_step, b, b_step, out, n);
    case Binary::kMax:
      return binary_steps<Binary::kMax>(a, a_step, b, b_step, out, n);
  }
}

double SumKernel(const float* x, int64_t n) { return sum_terms<Term::kSelf>(x, n, 0); }
double SumSquaresKernel(const float* x, int64_t n, float centre) {
  return sum_terms<Term::kSquare>(x, n, centre);
}
double SumAbsKernel(const float* x, int64_t n) { return sum_terms<Term::kAbs>(x, n, 0); }
float MaximumKernel(const float* x, int64_t n) { return extreme<true>(x, n); }
float MinimumKernel(const float* x, int64_t n) { return extreme<false>(x, n); }

float DotKernel(const float* a, const float* b, int64_t n) {
  const F32 d;
  V32 s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  int64_t i = 0;
  for (; i + 4 * lanes() <= n; i += 4 * lanes()) {
    s0 = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), s0);
    s1 = hn::MulAdd(hn::LoadU(d, a + i + lanes()), hn::LoadU(d, b + i + lanes()), s1);
    s2 = hn::MulAdd(hn::LoadU(d, a + i + 2 * lanes()), hn::LoadU(d, b + i + 2 * lanes()), s2);
    s3 = hn::MulAdd(hn::LoadU(d, a + i + 3 * lanes()), hn::LoadU(d, b + i + 3 * lanes()), s3);
  }
  for (; i < n; i += lanes()) {
    const auto left = static_cast<size_t>(std::min(n - i, lanes()));
    s0 = hn::MulAdd(load_partial(d, a + i, left), load_partial(d, b + i, left), s0);
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
}

void NormalizeKernel(const float* in, const float* scale, const float* shift, float mean_value,
                     float factor_value, float* out, int64_t n) {
  const F32 d;
  const V32 mean = hn::Set(d, mean_value), factor = hn::Set(d, factor_value);
  for (int64_t i = 0; i < n; i += lanes()) {
    const bool whole = n - i >= lanes();
    const auto left = static_cast<size_t>(std::min(n - i, lanes()));
    const auto load = [&](const float* p) HWY_ATTR {
      return whole ? hn::LoadU(d, p + i) : load_partial(d, p + i, left);
    };
    V32 y = hn::Mul(hn::Sub(load(in), mean), factor);
    if (scale != nullptr) y = hn::Mul(y, load(scale));
    if (shift != nullptr) y = hn::Add(y, load(shift));
    if (whole) {
      hn::StoreU(y, d, out + i);
    } else {
      store_partial(d, y, out + i, left);
    }
  }
}

void SoftmaxKernel(const float* in, float* out, int64_t n) {
  if (n <= 0) return;
  const F32 d;
  const float top = MaximumKernel(in, n);
  const V32 max = hn::Set(d, top);
  V32 total = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes() <= n; i += lanes()) {
    const V32 e = exp_f32(d, hn::Sub(hn::LoadU(d, in + i), max));
    hn::StoreU(e, d, out + i);
    total = hn::Add(total, e);
  }
  double sum_all = static_cast<double>(hn::GetLane(hn::SumOfLanes(d, total)));
  if (i < n) {
    const auto left = static_cast<size_t>(n - i);
    store_partial(d, exp_f32(d, hn::Sub(load_partial(d, in + i, left), max)), out + i, left);
    for (; i < n; ++i) sum_all += static_cast<double>(out[i]);
  }
  const float factor = static_cast<float>(1 / sum_all);
  const float* const from = out;
  binary_loop<Binary::kMul, false, true>(from, &factor, out, n);
}

void LogSoftmaxKernel(const float* in, float* out, int64_t n) {
  if (n <= 0) return;
  const F32 d;
  const float top = MaximumKernel(in, n);
  const V32 max = hn::Set(d, top);
  V32 total = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes() <= n; i += lanes()) {
    total = hn::Add(total, exp_f32(d, hn::Sub(hn::LoadU(d, in + i), max)));
  }
  double sum_all = static_cast<double>(hn::GetLane(hn::SumOfLanes(d, total)));
  for (; i < n; ++i) sum_all += std::exp(static_cast<double>(in[i]) - static_cast<double>(top));
  const V32 log_sum = hn::Set(d, static_cast<float>(std::log(sum_all)));
  for (i = 0; i + lanes() <= n; i += lanes()) {
    hn::StoreU(hn::Sub(hn::Sub(hn::LoadU(d, in + i), max), log_sum), d, out + i);
  }
  if (i < n) {
    const auto left = static_cast<size_t>(n - i);
    store_partial(d, hn::Sub(hn::Sub(load_partial(d, in + i, left), max), log_sum), out + i, left);
  }
}

void SplitPairsKernel(const float* in, float* even, float* odd, int64_t n) {
  const F32 d;
  int64_t i = 0;
  for (; i + lanes() <= n; i += lanes()) {
    V32 first, second;
    hn::LoadInterleaved2(d, in + 2 * i, first, second);
    hn::StoreU(first, d, even + i);
    hn::StoreU(second, d, odd + i);
  }
  for (; i < n; ++i) {
    even[i] = in[2 * i];
    odd[i] = in[2 * i + 1];
  }
}

void ResampleKernel(const float* in, const int32_t* index, const float* weight, int64_t taps,
                    float* out, int64_t n) {
  const F32 d;
  const hn::RebindToSigned<F32> di;
  int64_t i = 0;
  for (; i + lanes() <= n; i += lanes()) {
    V32 y = hn::Mul(hn::GatherIndex(d, in, hn::LoadU(di, index + i)), hn::LoadU(d, weight + i));
    for (int64_t t = 1; t < taps; ++t) {
      const V32 x = hn::GatherIndex(d, in, hn::LoadU(di, index + t * n + i));
      y = hn::MulAdd(x, hn::LoadU(d, weight + t * n + i), y);
    }
    hn::StoreU(y, d, out + i);
  }
  for (; i < n; ++i) {
    float y = 0;
    for (int64_t t = 0; t < taps; ++t) y += in[index[t * n + i]] * weight[t * n + i];
    out[i] = y;
  }
}

void ResampleDoubledKernel(const float* in, const int64_t* shift, const float* weight, float* out,
                           int64_t begin, int64_t end) {
  const F32 d;
  const float *const even_in = in + shift[0], *const odd_in = in + shift[1];
  const V32 w0 = hn::Set(d, weight[0]), w1 = hn::Set(d, weight[1]);
  const V32 w2 = hn::Set(d, weight[2]), w3 = hn::Set(d, weight[3]);
  const auto one = [&](int64_t at) HWY_ATTR {
    const V32 even =
        hn::MulAdd(hn::LoadU(d, even_in + at + 1), w1, hn::Mul(hn::LoadU(d, even_in + at), w0));
    const V32 odd =
        hn::MulAdd(hn::LoadU(d, odd_in + at + 1), w3, hn::Mul(hn::LoadU(d, odd_in + at), w2));
    hn::StoreInterleaved2(even, odd, d, out + 2 * at);
  };
  int64_t i = begin;
  for (; i + 2 * lanes() <= end; i += 2 * lanes()) {
    one(i);
    one(i + lanes());
  }
  for (; i + lanes() <= end; i += lanes()) one(i);
  if (i < end) {
    const auto left = static_cast<size_t>(end - i);
    const V32 even = hn::MulAdd(load_partial(d, even_in + i + 1, left), w1,
                                hn::Mul(load_partial(d, even_in + i, left), w0));
    const V32 odd = hn::MulAdd(load_partial(d, odd_in + i + 1, left), w3,
                               hn::Mul(load_partial(d, odd_in + i, left), w2));
    HWY_ALIGN float both[2 * hn::MaxLanes(F32())];
    hn::StoreInterleaved2(even, odd, d, both);
    std::copy_n(both, 2 * left, out + 2 * i);
  }
}

void AddInterleavedKernel(const float* even, const float* odd, float base, float* out, int64_t n) {
  const F32 d;
  const V32 all = hn::Set(d, base);
  const auto one = [&](int64_t at) HWY_ATTR {
    hn::StoreInterleaved2(hn::Add(all, hn::LoadU(d, even + at)),
                          hn::Add(all, hn::LoadU(d, odd + at)), d, out + 2 * at);
  };
  int64_t i = 0;
  for (; i + 2 * lanes() <= n; i += 2 * lanes()) {
    one(i);
    one(i + lanes());
  }
  for (; i + lanes() <= n; i += lanes()) one(i);
  for (; i < n; ++i) {
    out[2 * i] = base + even[i];
    out[2 * i + 1] = base + odd[i];
  }
}

void SplitTriplesKernel(const float* in, float* out, int64_t out_stride, int64_t n) {
  const F32 d;
  int64_t i = 0;
  for (; i + lanes() <= n; i += lanes()) {
    V32 a, b, c;
    hn::LoadInterleaved3(d, in + 3 * i, a, b, c);
    hn::StoreU(a, d, out + i);
    hn::StoreU(b, d, out + out_stride + i);
    hn::StoreU(c, d, out + 2 * out_stride + i);
  }
  for (; i < n; ++i) {
    for (int64_t c = 0; c < 3; ++c) out[c * out_stride + i] = in[3 * i + c];
  }
}

void BlendRowsKernel(const float* const* rows, const float* weight, int64_t taps, float* out,
                     int64_t n) {
  const F32 d;
  int64_t i = 0;
  if (taps == 2) {
    const float *const a = rows[0], *const b = rows[1];
    const V32 wa = hn::Set(d, weight[0]), wb = hn::Set(d, weight[1]);
    const auto one = [&](int64_t at) HWY_ATTR {
      const V32 y = hn::Mul(hn::LoadU(d, a + at), wa);
      hn::StoreU(hn::MulAdd(hn::LoadU(d, b + at), wb, y), d, out + at);
    };
    for (; i + 4 * lanes() <= n; i += 4 * lanes()) {
      one(i);
      one(i + lanes());
      one(i + 2 * lanes());
      one(i + 3 * lanes());
    }
    for (; i + lanes() <= n; i += lanes()) one(i);
  }
  for (; i + lanes() <= n; i += lanes()) {
    V32 y = hn::Mul(hn::LoadU(d, rows[0] + i), hn::Set(d, weight[0]));
    for (int64_t t = 1; t < taps; ++t) {
      y = hn::MulAdd(hn::LoadU(d, rows[t] + i), hn::Set(d, weight[t]), y);
    }
    hn::StoreU(y, d, out + i);
  }
  if (i < n) {
    const auto left = static_cast<size_t>(n - i);
    V32 y = hn::Mul(load_partial(d, rows[0] + i, left), hn::Set(d, weight[0]));
    for (int64_t t = 1; t < taps; ++t) {
      y = hn::MulAdd(load_partial(d, rows[t] + i, left), hn::Set(d, weight[t]), y);
    }
    store_partial(d, y, out + i, left);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace sluice::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::simd {

HWY_EXPORT(ApplyKernel);
HWY_EXPORT(BinaryKernel);
HWY_EXPORT(SumKernel);
HWY_EXPORT(SumSquaresKernel);
HWY_EXPORT(SumAbsKernel);
HWY_EXPORT(MaximumKernel);
HWY_EXPORT(MinimumKernel);
HWY_EXPORT(DotKernel);
HWY_EXPORT(NormalizeKernel);
HWY_EXPORT(SoftmaxKernel);
HWY_EXPORT(LogSoftmaxKernel);
HWY_EXPORT(SplitPairsKernel);
HWY_EXPORT(ResampleKernel);
HWY_EXPORT(ResampleDoubledKernel);
HWY_EXPORT(SplitTriplesKernel);
HWY_EXPORT(AddInterleavedKernel);
HWY_EXPORT(BlendRowsKernel);

void apply(const Activation& activation, const float* in, float* out, int64_t n) {
  HWY_DYNAMIC_DISPATCH(ApplyKernel)(activation, in, out, n);
}
void binary(Binary op, const float* a, int64_t a_step, const float* b, int64_t b_step, float* out,
            int64_t n) {
  HWY_DYNAMIC_DISPATCH(BinaryKernel)(op, a, a_step, b, b_step, out, n);
}
double sum(const float* x, int64_t n) { return HWY_DYNAMIC_DISPATCH(SumKernel)(x, n); }
double sum_squares(const float* x, int64_t n, float centre) {
  return HWY_DYNAMIC_DISPATCH(SumSquaresKernel)(x, n, centre);
}
double sum_abs(const float* x, int64_t n) { return HWY_DYNAMIC_DISPATCH(SumAbsKernel)(x, n); }
float maximum(const float* x, int64_t n) { return HWY_DYNAMIC_DISPATCH(MaximumKernel)(x, n); }
float minimum(const float* x, int64_t n) { return HWY_DYNAMIC_DISPATCH(MinimumKernel)(x, n); }
float dot(const float* a, const float* b, int64_t n) {
  return HWY_DYNAMIC_DISPATCH(DotKernel)(a, b, n);
}
void normalize(const float* in, const float* scale, const float* shift, float mean, float factor,
               float* out, int64_t n) {
  HWY_DYNAMIC_DISPATCH(NormalizeKernel)(in, scale, shift, mean, factor, out, n);
}
void softmax(const float* in, float* out, int64_t n) {
  HWY_DYNAMIC_DISPATCH(SoftmaxKernel)(in, out, n);
}
void log_softmax(const float* in, float* out, int64_t n) {
  HWY_DYNAMIC_DISPATCH(LogSoftmaxKernel)(in, out, n);
}
void split_pairs(const float* in, float* even, float* odd, int64_t n) {
  HWY_DYNAMIC_DISPATCH(SplitPairsKernel)(in, even, odd, n);
}
void resample(const float* in, const int32_t* index, const float* weight, int64_t taps, float* out,
              int64_t n) {
  HWY_DYNAMIC_DISPATCH(ResampleKernel)(in, index, weight, taps, out, n);
}
void resample_doubled(const float* in, const int64_t* shift, const float* weight, float* out,
                      int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(ResampleDoubledKernel)(in, shift, weight, out, begin, end);
}
void add_interleaved(const float* even, const float* odd, float base, float* out, int64_t n) {
  HWY_DYNAMIC_DISPATCH(AddInterleavedKernel)(even, odd, base, out, n);
}
void split_triples(const float* in, float* out, int64_t out_stride, int64_t n) {
  HWY_DYNAMIC_DISPATCH(SplitTriplesKernel)(in, out, out_stride, n);
}
void blend_rows(const float* const* rows, const float* weight, int64_t taps, float* out,
                int64_t n) {
  HWY_DYNAMIC_DISPATCH(BlendRowsKernel)(rows, weight, taps, out, n);
}

void transpose(const float* in, int64_t in_stride, int64_t rows, int64_t cols, float* out,
               int64_t out_stride) {
  // A tile of 32 x 32 floats touches 32 lines of 128 bytes on either side: 8 KiB.
  constexpr int64_t kTile = 32;
  for (int64_t r0 = 0; r0 < rows; r0 += kTile) {
    const int64_t r1 = std::min(rows, r0 + kTile);
    for (int64_t c0 = 0; c0 < cols; c0 += kTile) {
      const int64_t c1 = std::min(cols, c0 + kTile);
      for (int64_t c = c0; c < c1; ++c) {
        for (int64_t r = r0; r < r1; ++r) out[c * out_stride + r] = in[r * in_stride + c];
      }
    }
  }
}

}  // namespace sluice::simd
#endif  // HWY_ONCE
