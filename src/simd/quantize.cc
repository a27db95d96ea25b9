#include "simd/quantize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/quantize.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::simd {
namespace HWY_NAMESPACE {
namespace {

HWY_INLINE int64_t lanes() { return static_cast<int64_t>(hn::Lanes(F32())); }

template <class T>
void quantize_loop(const float* in, float scale, int32_t zero_point, T* out, int64_t n) {
  const F32 d;
  const hn::RebindToSigned<F32> di;
  const hn::Rebind<T, F32> dq;
  const V32 step = hn::Set(d, scale);
  // Far beyond every result, far within int32.
  const V32 low = hn::Set(d, -1e6f), high = hn::Set(d, 1e6f);
  const auto zero = hn::Set(di, zero_point);
  int64_t i = 0;
  for (; i + lanes() <= n; i += lanes()) {
    V32 q = hn::Div(hn::LoadU(d, in + i), step);
    q = hn::IfThenElseZero(hn::Eq(q, q), q);
    q = hn::Min(hn::Max(q, low), high);
    hn::StoreU(hn::DemoteTo(dq, hn::Add(hn::NearestInt(q), zero)), dq, out + i);
  }
  for (; i < n; ++i) {
    float q = in[i] / scale;
    q = q == q ? std::min(std::max(q, -1e6f), 1e6f) : 0.0f;
    const int32_t value = static_cast<int32_t>(std::nearbyint(q)) + zero_point;
    out[i] = static_cast<T>(
        std::clamp<int32_t>(value, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
  }
}

template <class T>
void dequantize_loop(const T* in, float scale, int32_t zero_point, float* out, int64_t n) {
  const F32 d;
  const hn::RebindToSigned<F32> di;
  const hn::Rebind<T, F32> dq;
  const V32 step = hn::Set(d, scale);
  const auto zero = hn::Set(di, zero_point);
  int64_t i = 0;
  for (; i + lanes() <= n; i += lanes()) {
    const auto q = hn::Sub(hn::PromoteTo(di, hn::LoadU(dq, in + i)), zero);
    hn::StoreU(hn::Mul(hn::ConvertTo(d, q), step), d, out + i);
  }
  for (; i < n; ++i) out[i] = static_cast<float>(int32_t{in[i]} - zero_point) * scale;
}

template <class T, bool kMul>
void binary_loop(const QuantizedBytes& a, const QuantizedBytes& b, float scale, int32_t zero_point,
                 T* out, int64_t n) {
  const F32 d;
  const hn::RebindToSigned<F32> di;
  const hn::Rebind<T, F32> dq;
  const V32 step = hn::Set(d, scale);
  const V32 low = hn::Set(d, -1e6f), high = hn::Set(d, 1e6f);
  const auto zero = hn::Set(di, zero_point);
  const V32 a_step = hn::Set(d, a.scale), b_step = hn::Set(d, b.scale);
  const auto a_zero = hn::Set(di, a.zero_point), b_zero = hn::Set(di, b.zero_point);
  const T* const a_data = reinterpret_cast<const T*>(a.data);
  const T* const b_data = reinterpret_cast<const T*>(b.data);
  const auto real = [&](auto q, auto of_zero, V32 of_step) {
    return hn::Mul(hn::ConvertTo(d, hn::Sub(hn::PromoteTo(di, q), of_zero)), of_step);
  };
  const auto one = [&](auto q_a, auto q_b) {
    const V32 x = real(q_a, a_zero, a_step), y = real(q_b, b_zero, b_step);
    V32 q = hn::Div(kMul ? hn::Mul(x, y) : hn::Add(x, y), step);
    q = hn::IfThenElseZero(hn::Eq(q, q), q);
    q = hn::Min(hn::Max(q, low), high);
    return hn::DemoteTo(dq, hn::Add(hn::NearestInt(q), zero));
  };
  const auto at = [&](const T* data, bool single, int64_t i) {
    return single ? hn::Set(dq, data[0]) : hn::LoadU(dq, data + i);
  };
  int64_t i = 0;
  for (; i + lanes() <= n; i += lanes()) {
    hn::StoreU(one(at(a_data, a.single, i), at(b_data, b.single, i)), dq, out + i);
  }
  if (i == n) return;
  // What is left, through whole vectors.
  HWY_ALIGN T rest[3][hn::MaxLanes(dq)] = {};
  for (int64_t k = i; k < n; ++k) {
    rest[0][k - i] = a_data[a.single ? 0 : k];
    rest[1][k - i] = b_data[b.single ? 0 : k];
  }
  hn::StoreU(one(hn::LoadU(dq, rest[0]), hn::LoadU(dq, rest[1])), dq, rest[2]);
  for (int64_t k = i; k < n; ++k) out[k] = rest[2][k - i];
}

template <class T>
void binary_bytes(QuantizedOp op, const QuantizedBytes& a, const QuantizedBytes& b, float scale,
                  int32_t zero_point, uint8_t* out, int64_t n) {
  T* const to = reinterpret_cast<T*>(out);
  if (op == QuantizedOp::kAdd) {
    binary_loop<T, false>(a, b, scale, zero_point, to, n);
  } else {
    binary_loop<T, true>(a, b, scale, zero_point, to, n);
  }
}

}  // namespace

void QuantizedBinaryKernel(QuantizedOp op, const QuantizedBytes& a, const QuantizedBytes& b,
                           float scale, int32_t zero_point, bool is_signed, uint8_t* out,
                           int64_t n) {
  if (is_signed) {
    binary_bytes<int8_t>(op, a, b, scale, zero_point, out, n);
  } else {
    binary_bytes<uint8_t>(op, a, b, scale, zero_point, out, n);
  }
}

void QuantizeU8Kernel(const float* in, float scale, int32_t zero_point, uint8_t* out, int64_t n) {
  quantize_loop(in, scale, zero_point, out, n);
}
void QuantizeI8Kernel(const float* in, float scale, int32_t zero_point, int8_t* out, int64_t n) {
  quantize_loop(in, scale, zero_point, out, n);
}
void DequantizeU8Kernel(const uint8_t* in, float scale, int32_t zero_point, float* out, int64_t n) {
  dequantize_loop(in, scale, zero_point, out, n);
}
void DequantizeI8Kernel(const int8_t* in, float scale, int32_t zero_point, float* out, int64_t n) {
  dequantize_loop(in, scale, zero_point, out, n);
}

Range32 RangeKernel(const float* in, int64_t n) {
  const F32 d;
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  // Four of each: a comparison takes longer than the next load.
  const V32 start = hn::Set(d, in[0]);
  V32 low0 = start, low1 = start, low2 = start, low3 = start;
  V32 high0 = start, high1 = start, high2 = start, high3 = start;
  int64_t i = 0;
  const auto take = [&](int64_t at, V32& low, V32& high) {
    const V32 x = hn::LoadU(d, in + at);
    low = hn::Min(low, x);
    high = hn::Max(high, x);
    return hn::Eq(x, x);
  };
  for (; i + 4 * lanes() <= n; i += 4 * lanes()) {
    const auto first = hn::And(take(i, low0, high0), take(i + lanes(), low1, high1));
    const auto second =
        hn::And(take(i + 2 * lanes(), low2, high2), take(i + 3 * lanes(), low3, high3));
    if (!hn::AllTrue(d, hn::And(first, second))) return {kNan, kNan};
  }
  low0 = hn::Min(hn::Min(low0, low1), hn::Min(low2, low3));
  high0 = hn::Max(hn::Max(high0, high1), hn::Max(high2, high3));
  Range32 range = {hn::GetLane(hn::MinOfLanes(d, low0)), hn::GetLane(hn::MaxOfLanes(d, high0))};
  for (; i < n; ++i) {
    if (in[i] != in[i]) return {kNan, kNan};
    range.low = std::min(range.low, in[i]);
    range.high = std::max(range.high, in[i]);
  }
  return range;
}

void AddIntegersKernel(const float* in, int32_t* sum, int64_t n) {
  const F32 d;
  const hn::RebindToSigned<F32> di;
  int64_t i = 0;
  for (; i + lanes() <= n; i += lanes()) {
    const auto value = hn::ConvertTo(di, hn::LoadU(d, in + i));
    hn::StoreU(hn::Add(hn::LoadU(di, sum + i), value), di, sum + i);
  }
  for (; i < n; ++i) {
    const auto value = static_cast<uint32_t>(static_cast<int32_t>(in[i]));
    sum[i] = static_cast<int32_t>(static_cast<uint32_t>(sum[i]) + value);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace sluice::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::simd {

HWY_EXPORT(QuantizeU8Kernel);
HWY_EXPORT(QuantizeI8Kernel);
HWY_EXPORT(DequantizeU8Kernel);
HWY_EXPORT(DequantizeI8Kernel);
HWY_EXPORT(RangeKernel);
HWY_EXPORT(AddIntegersKernel);
HWY_EXPORT(QuantizedBinaryKernel);

void quantize(const float* in, float scale, int32_t zero_point, uint8_t* out, int64_t n) {
  HWY_DYNAMIC_DISPATCH(QuantizeU8Kernel)(in, scale, zero_point, out, n);
}
void quantize(const float* in, float scale, int32_t zero_point, int8_t* out, int64_t n) {
  HWY_DYNAMIC_DISPATCH(QuantizeI8Kernel)(in, scale, zero_point, out, n);
}
void dequantize(const uint8_t* in, float scale, int32_t zero_point, float* out, int64_t n) {
  HWY_DYNAMIC_DISPATCH(DequantizeU8Kernel)(in, scale, zero_point, out, n);
}
void dequantize(const int8_t* in, float scale, int32_t zero_point, float* out, int64_t n) {
  HWY_DYNAMIC_DISPATCH(DequantizeI8Kernel)(in, scale, zero_point, out, n);
}
Range32 range_of(const float* in, int64_t n) { return HWY_DYNAMIC_DISPATCH(RangeKernel)(in, n); }
Range32 range_of(const float* in, int64_t n, Range32* pieces, Parallel parallel) {
  const int64_t count = range_pieces(n);
  parallel(count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t from = i * kRangePiece;
      pieces[i] = range_of(in + from, std::min(kRangePiece, n - from));
    }
  });
  Range32 range = pieces[0];
  for (int64_t i = 0; i < count; ++i) {
    if (pieces[i].low != pieces[i].low) return pieces[i];
    range.low = std::min(range.low, pieces[i].low);
    range.high = std::max(range.high, pieces[i].high);
  }
  return range;
}
void quantized_binary(QuantizedOp op, const QuantizedBytes& a, const QuantizedBytes& b, float scale,
                      int32_t zero_point, bool is_signed, uint8_t* out, int64_t n) {
  HWY_DYNAMIC_DISPATCH(QuantizedBinaryKernel)(op, a, b, scale, zero_point, is_signed, out, n);
}
void map_bytes(const uint8_t* in, const uint8_t* table, uint8_t* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = table[in[i]];
}
void add_integers(const float* in, int32_t* sum, int64_t n) {
  HWY_DYNAMIC_DISPATCH(AddIntegersKernel)(in, sum, n);
}

}  // namespace sluice::simd
#endif  // HWY_ONCE
