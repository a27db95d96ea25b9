#include "ops/matmul/matmul_integer_cpu.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/text.h"
#include "op/case.h"
#include "op/kernel_runner.h"
#include "ops/matmul/matmul.h"
#include "simd/each_instruction_set.h"

namespace sluice::ops::matmul {
namespace {

Tensor bytes(DType dtype, const Shape& shape, int seed) {
  const bool is_signed = dtype == DType::kInt8;
  return op::case_ints(dtype, shape, is_signed ? -128 : 0, is_signed ? 127 : 255, seed);
}

// The fast kernel with its packed B against the reference: integers exactly, floats within a few
// roundings.
void compare(const op::CpuCandidate& candidate, plan::KernelFn reference, const AttrMap& attrs,
             const std::vector<Value>& inputs) {
  const Tensor want = op::run(reference, attrs, inputs);
  const Tensor got = op::run_packed(candidate.kernel, attrs, inputs);
  ASSERT_TRUE(got.defined() && want.defined());
  ASSERT_EQ(got.shape().text(), want.shape().text());
  ASSERT_EQ(got.dtype(), want.dtype());
  for (int64_t i = 0; i < got.elements(); ++i) {
    const double value = want.get_double(i);
    const double allowed = got.dtype() == DType::kFloat32 ? 1e-6 + 3e-7 * std::abs(value) : 0;
    ASSERT_NEAR(got.get_double(i), value, allowed) << "element " << i;
  }
}

void check(int64_t m, int64_t k, int64_t n, DType a_type, DType b_type, bool per_column) {
  SCOPED_TRACE(cat(m, "x", k, "x", n, " ", dtype_name(a_type), " ", dtype_name(b_type),
                   per_column ? " per column" : ""));
  const Value a(bytes(a_type, Shape{m, k}, 1)), a_zero(bytes(a_type, Shape{}, 3));
  // Zero points by column are near one another, or no common one would serve.
  const Value b(per_column ? op::case_ints(b_type, Shape{k, n}, 20, 100, 2)
                           : bytes(b_type, Shape{k, n}, 2));
  const Value b_zero(per_column ? op::case_ints(b_type, Shape{n}, 40, 70, 4)
                                : bytes(b_type, Shape{}, 4));
  compare(kMatMulIntegerCpu[0], matmul_integer_reference, {}, {a, b, a_zero, b_zero});
  compare(kMatMulIntegerCpu[0], matmul_integer_reference, {}, {a, b});
  const Shape scales = per_column ? Shape{n} : Shape{};
  const Value one(Tensor::scalar<float>(0.02f)), each(op::case_floats(scales, 5, 0.01));
  const Value y_scale(Tensor::scalar<float>(3.5f)), y_zero(bytes(a_type, Shape{}, 6));
  const Value bias(op::case_floats(Shape{n}, 7));
  compare(kQLinearMatMulCpu[0], qlinear_matmul_reference, {},
          {a, one, a_zero, b, each, b_zero, y_scale, y_zero});
  compare(kMatMulIntegerToFloatCpu[0], matmul_integer_to_float_reference, {},
          {a, b, one, each, a_zero, b_zero, bias});
  compare(kDynamicQuantizeMatMulCpu[0], dynamic_quantize_matmul_reference, {},
          {Value(op::case_floats(Shape{m, k}, 8, 3)), b, each, b_zero, bias});
  const Value c(op::case_ints(DType::kInt32, Shape{n}, -99999, 99999, 9));
  compare(kQGemmCpu[0], qgemm_reference, {{"alpha", 0.5f}},
          {a, one, a_zero, b, each, b_zero, c, y_scale, y_zero});
  const Value turned(per_column ? op::case_ints(b_type, Shape{n, k}, 20, 100, 2)
                                : bytes(b_type, Shape{n, k}, 2));
  compare(kQGemmCpu[0], qgemm_reference, {{"transB", int64_t{1}}},
          {a, one, a_zero, turned, each, b_zero, c});
}

// Every instruction set that this machine has, with and without its dot products of bytes.
class MatMulIntegerCpu : public simd::EachByteKernel {};
INSTANTIATE_TEST_SUITE_P(InstructionSets, MatMulIntegerCpu, simd::each_byte_kernel(),
                         MatMulIntegerCpu::name);

TEST_P(MatMulIntegerCpu, AgreesWithReference) {
  for (const DType a : {DType::kUInt8, DType::kInt8}) {
    for (const DType b : {DType::kUInt8, DType::kInt8}) {
      for (const bool per_column : {false, true}) {
        for (const int64_t m : {1, 7, 9}) {
          for (const int64_t k : {1, 3, 4, 67}) {
            for (const int64_t n : {1, 15, 16, 50}) check(m, k, n, a, b, per_column);
          }
        }
      }
    }
  }
  check(70, 300, 200, DType::kUInt8, DType::kInt8, true);
  check(129, 33, 17, DType::kInt8, DType::kUInt8, false);
}

}  // namespace
}  // namespace sluice::ops::matmul
