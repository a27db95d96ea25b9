// Linear quantization. real = scale * (q - zero_point).
//
//   QuantizeLinear        saturate(round(x / y_scale) + zero_point); ties to even. The quotient is
//                         taken in single precision, or in the type named by `precision`.
//   DequantizeLinear      (x - zero_point) * x_scale, rounded once into the output type.
//   DynamicQuantizeLinear uint8 over the range of x together with 0; also gives scale, zero point.
//   com.microsoft         QuantizeLinear, DequantizeLinear (the same), QLinearAdd, QLinearMul,
//                         QLinearSigmoid, QLinearLeakyRelu, QLinearConcat, QLinearSoftmax,
//                         QLinearWhere, QLinearReduceMean (dequantize, compute, quantize),
//                         MulInteger, ReduceSumInteger, GatherBlockQuantized.
//   sluice.ByteTable(X, T) Y[i] = T[X[i]], where the byte X[i] counts as unsigned: T holds 256
//   bytes,
//                         int8 or uint8. What stands between a DequantizeLinear and a
//                         QuantizeLinear and works element by element is such a table.
//
// Scale and zero point are per tensor (one element), per axis (a vector along `axis`), or blocked
// (the shape of x with ceil(extent / block_size) entries along `axis`). Types: int and uint of 2,
// 4, 8, 16 and 32 bits, the float8 forms and float4; float8 saturates when `saturate` is set and
// turns to NaN or infinity otherwise.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "op/op.h"
#include "plan/kernel.h"
#include "tensor/shape.h"

namespace sluice::ops::quantize {

// A tensor seen as [outer, axis, inner], and which scale belongs to an element of it.
struct QuantLayout {
  enum class Mode : uint8_t { kPerTensor, kPerAxis, kBlocked } mode = Mode::kPerTensor;
  int64_t outer = 1, axis = 1, inner = 1;
  int64_t block = 1;   // elements along the axis that share a scale (kBlocked)
  int64_t blocks = 1;  // scales along the axis (kBlocked)

  // Index of the scale of element (o, a, i).
  int64_t parameter(int64_t o, int64_t a, int64_t i) const {
    switch (mode) {
      case Mode::kPerTensor:
        return 0;
      case Mode::kPerAxis:
        return a;
      case Mode::kBlocked:
        return (o * blocks + a / block) * inner + i;
    }
    return 0;
  }
};
Result<QuantLayout> quant_layout(const Shape& x, const Shape& scale, int64_t axis,
                                 int64_t block_size);

// Output dtype of QuantizeLinear: that of the zero point, else `output_dtype`, else uint8.
Result<DType> quantized_dtype(const AttrMap& attrs, DType zero_point);

// Reference kernels.
Result<void> quantize_linear_reference(plan::KernelContext& context);
Result<void> dequantize_linear_reference(plan::KernelContext& context);
Result<void> dynamic_quantize_linear_reference(plan::KernelContext& context);
Result<void> gather_block_quantized_reference(plan::KernelContext& context);
Result<void> qlinear_add_reference(plan::KernelContext& context);
Result<void> qlinear_mul_reference(plan::KernelContext& context);
Result<void> qlinear_sigmoid_reference(plan::KernelContext& context);
Result<void> qlinear_leaky_relu_reference(plan::KernelContext& context);
Result<void> qlinear_concat_reference(plan::KernelContext& context);
Result<void> qlinear_softmax_reference(plan::KernelContext& context);
Result<void> qlinear_where_reference(plan::KernelContext& context);
Result<void> qlinear_reduce_mean_reference(plan::KernelContext& context);
Result<void> byte_table_reference(plan::KernelContext& context);
Result<void> mul_integer_reference(plan::KernelContext& context);
Result<void> reduce_sum_integer_reference(plan::KernelContext& context);

}  // namespace sluice::ops::quantize
