// Multiply-add in one instruction where the module is compiled for WebAssembly's relaxed SIMD
// (fused on nearly every CPU), which Highway 1.0 does not know: overloads that are preferred to its
// templates for whole vectors. Include it after highway.h.
#if defined(__wasm_relaxed_simd__) && !defined(SLUICE_SIMD_RELAXED_INL_H_)
#define SLUICE_SIMD_RELAXED_INL_H_

#include <wasm_simd128.h>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace hwy {
namespace HWY_NAMESPACE {

HWY_API Vec128<float, 4> MulAdd(Vec128<float, 4> mul, Vec128<float, 4> x, Vec128<float, 4> add) {
  return Vec128<float, 4>{wasm_f32x4_relaxed_madd(mul.raw, x.raw, add.raw)};
}
// add - mul * x
HWY_API Vec128<float, 4> NegMulAdd(Vec128<float, 4> mul, Vec128<float, 4> x, Vec128<float, 4> add) {
  return Vec128<float, 4>{wasm_f32x4_relaxed_nmadd(mul.raw, x.raw, add.raw)};
}

}  // namespace HWY_NAMESPACE
}  // namespace hwy
HWY_AFTER_NAMESPACE();

#endif
