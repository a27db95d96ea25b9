// Matrix products. The contract, in prose:
//
//   MatMul(A, B)      numpy.matmul: the last two axes are matrices, the axes before them broadcast;
//                     a 1-D A is one row and a 1-D B one column, and that axis is dropped from the
//                     result. An empty inner axis gives zeros. Integers wrap.
//   Gemm(A, B, C)     alpha * op(A) * op(B) + beta * C; A and B are matrices, C broadcasts to the
//                     result (numpy's rule, one way).
//   MatMulInteger     int8/uint8 with zero points (per tensor, per row of A, per column of B),
//   int32
//                     result without scaling.
//   QLinearMatMul     the same, scaled and rounded (nearest even, saturating) into y's dtype.
//   com.microsoft     FusedMatMul, TransposeMatMul, FusedGemm, MatMulInteger16,
//   MatMulIntegerToFloat,
//                     DynamicQuantizeMatMul, QGemm, MatMulNBits,
//                     MatMulBnb4.
//
// Numerics: floating sums are kept in double in the reference and rounded once into the result.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "op/op.h"
#include "plan/kernel.h"
#include "tensor/shape.h"

namespace sluice::ops::matmul {

// How numpy.matmul reads its operands: for each index of `batch`, an [m,k] matrix of A starting at
// the dot product of the index with a_strides, a [k,n] matrix of B likewise, and the next m*n
// elements of the result.
struct MatMulShape {
  Shape out;
  Shape batch;
  Shape a_strides, b_strides;  // elements per step of a batch axis; 0 where the operand repeats
  int64_t m = 1, k = 1, n = 1;
};
Result<MatMulShape> matmul_shape(const Shape& a, const Shape& b);

// The same over symbolic extents.
Result<Dims> matmul_dims(const Dims& a, const Dims& b);

// How FusedMatMul's attributes permute an operand into [batch..., rows, cols]:
// `transpose` swaps the last two axes; `batch_first_moved` (transBatch) reads the first axis as the
// rows and the axes between as the batch. Empty when nothing moves (also for 1-D).
std::vector<int> fused_permutation(int rank, bool transpose, bool batch_first_moved);

// Shapes of Gemm's op(A) [m,k] and op(B) [k,n].
struct GemmShape {
  int64_t m = 0, k = 0, n = 0;
};
Result<GemmShape> gemm_shape(const Shape& a, const Shape& b, bool trans_a, bool trans_b);

// MatMulNBits: weights [n, k] packed along k, a scale (and perhaps a zero point) per block.
struct NBitsShape {
  int64_t n = 0, k = 0;
  int bits = 4;
  int64_t block = 0;           // weights per block, a power of two
  int64_t k_blocks = 0;        // blocks per row; the last one may be partly unused
  int64_t blob_bytes = 0;      // of one block's codes
  int64_t zero_row_bytes = 0;  // of one row's zero points when those are packed too
};
Result<NBitsShape> nbits_shape(const AttrMap& attrs);
// The real weights, [n, k]. Checks every size; zero points and group index may be null.
Result<std::vector<double>> nbits_weights(const NBitsShape& shape, const Tensor& packed,
                                          const Tensor& scales, const Tensor* zero_points,
                                          const Tensor* group_index);

// MatMulBnb4's real weights, [outputs, inputs]. Checks every size.
Result<std::vector<double>> bnb4_weights(const AttrMap& attrs, const Tensor& packed,
                                         const Tensor& absmax);

// Reference kernels.
Result<void> matmul_reference(plan::KernelContext& context);
Result<void> fused_matmul_reference(plan::KernelContext& context);
Result<void> gemm_reference(plan::KernelContext& context);
Result<void> fused_gemm_reference(plan::KernelContext& context);
Result<void> matmul_integer_reference(plan::KernelContext& context);  // also MatMulInteger16
Result<void> qlinear_matmul_reference(plan::KernelContext& context);
Result<void> matmul_integer_to_float_reference(plan::KernelContext& context);
Result<void> dynamic_quantize_matmul_reference(plan::KernelContext& context);
Result<void> qgemm_reference(plan::KernelContext& context);
Result<void> matmul_nbits_reference(plan::KernelContext& context);
Result<void> matmul_bnb4_reference(plan::KernelContext& context);

}  // namespace sluice::ops::matmul
