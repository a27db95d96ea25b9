// Vectors of floats from memory that holds floats, or float16: one source for both. The widening is
// exact, infinities and NaN included. Compiled once per instruction set: include it after
// foreach_target.h, never from a header.
// clang-format off
#if defined(SLUICE_SIMD_HALF_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SLUICE_SIMD_HALF_INL_H_
#undef SLUICE_SIMD_HALF_INL_H_
#else
#define SLUICE_SIMD_HALF_INL_H_
#endif
// clang-format on

#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::Vec<D> load_floats(D d, const float* HWY_RESTRICT at) {
  return hn::LoadU(d, at);
}

template <class D>
HWY_INLINE hn::Vec<D> load_floats(D d, const uint16_t* HWY_RESTRICT at) {
  const hn::RebindToSigned<D> di;
  const auto bits = hn::PromoteTo(di, hn::LoadU(hn::Rebind<uint16_t, D>(), at));
  const auto magnitude = hn::ShiftLeft<13>(hn::And(bits, hn::Set(di, 0x7fff)));
  const auto sign = hn::ShiftLeft<16>(hn::And(bits, hn::Set(di, 0x8000)));
  // The exponent's bias grows by 112; an exponent of ones stays all ones.
  const auto bias = hn::Set(di, 112 << 23);
  const auto endless = hn::Gt(magnitude, hn::Set(di, 0x0f7fffff));
  const auto normal = hn::Add(hn::Add(magnitude, bias), hn::IfThenElseZero(endless, bias));
  // A subnormal is that many units of 2^-24: what lies behind the leading one of 2^-14.
  const auto tiny = hn::Gt(hn::Set(di, 1 << 23), magnitude);
  const auto one = hn::Set(di, 113 << 23);
  const auto units = hn::Sub(hn::BitCast(d, hn::Add(magnitude, one)), hn::BitCast(d, one));
  return hn::BitCast(d, hn::Or(hn::IfThenElse(tiny, hn::BitCast(di, units), normal), sign));
}

}  // namespace HWY_NAMESPACE
}  // namespace sluice::simd
HWY_AFTER_NAMESPACE();

#endif  // SLUICE_SIMD_HALF_INL_H_
