#include "ops/conv/conv_integer_cpu.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/text.h"
#include "op/case.h"
#include "op/kernel_runner.h"
#include "ops/conv/conv_cpu.h"
#include "ops/conv/conv_kernels.h"
#include "simd/each_instruction_set.h"

namespace sluice::ops::conv {
namespace {

struct Geometry {
  Shape x, w;
  int64_t group = 1;
  std::vector<int64_t> strides = {1, 1}, dilations = {1, 1}, pads = {1, 1, 1, 1};
};

// The fast kernel with its packed weight against the reference.
void compare(const op::CpuCandidate& candidate, plan::KernelFn reference, const AttrMap& attrs,
             const std::vector<Value>& inputs) {
  const Tensor want = op::run(reference, attrs, inputs);
  const Tensor got = op::run_packed(candidate.kernel, attrs, inputs);
  ASSERT_TRUE(got.defined() && want.defined());
  ASSERT_EQ(got.shape().text(), want.shape().text());
  ASSERT_EQ(got.dtype(), want.dtype());
  for (int64_t i = 0; i < got.elements(); ++i) {
    ASSERT_EQ(got.get_double(i), want.get_double(i)) << "element " << i;
  }
}

Tensor bytes(DType dtype, const Shape& shape, int seed) {
  const bool is_signed = dtype == DType::kInt8;
  return op::case_ints(dtype, shape, is_signed ? -128 : 0, is_signed ? 127 : 255, seed);
}

void check(const Geometry& g, DType x_type, DType w_type, bool per_channel) {
  SCOPED_TRACE(cat(g.x.text(), " by ", g.w.text(), " group ", g.group, " strides ",
                   join(g.strides, ","), " dilations ", join(g.dilations, ","), " pads ",
                   join(g.pads, ","), " ", dtype_name(x_type), " ", dtype_name(w_type),
                   per_channel ? " per channel" : ""));
  const AttrMap attrs{
      {"strides", g.strides}, {"dilations", g.dilations}, {"pads", g.pads}, {"group", g.group}};
  const Shape zeros = per_channel ? Shape{g.w[0]} : Shape{};
  const Value x(bytes(x_type, g.x, 1)), w(bytes(w_type, g.w, 2));
  const Value x_zero(bytes(x_type, Shape{}, 3)), w_zero(bytes(w_type, zeros, 4));
  compare(kConvIntegerCpu[0], conv_integer_reference, attrs, {x, w, x_zero, w_zero});
  compare(kConvIntegerCpu[0], conv_integer_reference, attrs, {x, w});

  const Value scale(op::case_floats(zeros, 5, 0.01)), one(Tensor::of<float>(Shape{}, {0.02f}));
  const Value y_scale(Tensor::of<float>(Shape{}, {3.5f}));
  const Value y_zero(bytes(x_type, Shape{}, 6));
  compare(kQLinearConvCpu[0], qlinear_conv_reference, attrs,
          {x, one, x_zero, w, scale, w_zero, y_scale, y_zero,
           Value(op::case_ints(DType::kInt32, Shape{g.w[0]}, -9999, 9999, 7))});

  AttrMap with_activation = attrs;
  with_activation.set("activation", std::string("relu"));
  compare(kDynamicQuantizedConvCpu[0], dynamic_quantized_conv_reference, with_activation,
          {Value(op::case_floats(g.x, 8, 3)), w, one, w_zero,
           Value(op::case_floats(Shape{g.w[0]}, 9))});
}

// Every instruction set that this machine has, with and without its dot products of bytes.
class ConvIntegerCpu : public simd::EachByteKernel {};
INSTANTIATE_TEST_SUITE_P(InstructionSets, ConvIntegerCpu, simd::each_byte_kernel(),
                         ConvIntegerCpu::name);

TEST_P(ConvIntegerCpu, AgreesWithReference) {
  constexpr DType kU8 = DType::kUInt8, kI8 = DType::kInt8;
  for (const int64_t size : {1, 2, 5, 16, 19}) {
    for (const int64_t c : {1, 2, 3, 4, 5, 9}) {
      check({.x = {1, c, size, size + 1}, .w = {c + 3, c, 3, 3}}, kU8, kU8, size == 5);
      check({.x = {1, c, size, size + 1}, .w = {c, c, 3, 3}}, c % 2 == 0 ? kI8 : kU8, kI8,
            size == 2);
    }
    check({.x = {2, 8, size, 7}, .w = {12, 4, 3, 3}, .group = 2}, kU8, kU8, true);
    check({.x = {2, 6, size, 7}, .w = {6, 1, 3, 3}, .group = 6}, kU8, kI8, true);
    // Depthwise: words of taps, with strides, dilations, cropping pads and two words a row.
    check({.x = {1, 3, size, size + 8}, .w = {6, 1, 3, 3}, .group = 3}, kI8, kU8, true);
    check({.x = {1, 5, size, 21}, .w = {5, 1, 3, 3}, .group = 5, .strides = {2, 2}}, kU8, kI8,
          true);
    check({.x = {2, 3, size, 40},
           .w = {3, 1, 2, 5},
           .group = 3,
           .strides = {1, 3},
           .dilations = {1, 2},
           .pads = {1, 3, 0, 2}},
          kI8, kI8, false);
    check({.x = {1, 2, size + 3, 70}, .w = {2, 1, 4, 4}, .group = 2, .pads = {2, -1, 1, -2}}, kU8,
          kU8, true);
    check({.x = {1, 4, size + 8},
           .w = {4, 1, 7},
           .group = 4,
           .strides = {2},
           .dilations = {1},
           .pads = {3, 3}},
          kU8, kI8, true);
    check({.x = {1, 5, size, 40}, .w = {9, 5, 3, 3}, .dilations = {2, 3}, .pads = {2, 3, 1, 4}},
          kU8, kU8, false);
    check({.x = {1, 5, size + 2, 40}, .w = {9, 5, 2, 5}, .strides = {2, 3}, .pads = {0, 2, 1, 1}},
          kI8, kU8, false);
    check({.x = {1, 7, size, 33}, .w = {17, 7, 1, 1}, .pads = {0, 0, 0, 0}}, kU8, kU8, true);
  }
  // Several chunks of channels; the largest sums of the least convenient signs.
  check({.x = {1, 300, 9, 50}, .w = {10, 300, 3, 3}}, kU8, kU8, false);
  check({.x = {1, 33, 20, 200}, .w = {19, 33, 3, 3}}, kU8, kU8, true);
  check({.x = {1, 1400, 6, 7}, .w = {9, 1400, 1, 1}, .pads = {0, 0, 0, 0}}, kI8, kI8, true);
}

TEST_P(ConvIntegerCpu, Extremes) {
  for (const int64_t x : {0, 255}) {
    for (const int64_t w : {0, 255}) {
      const Value data(op::case_ints(DType::kUInt8, Shape{1, 40, 6, 6}, x, x));
      const Value weight(op::case_ints(DType::kUInt8, Shape{9, 40, 3, 3}, w, w));
      for (const int64_t zero : {0, 128, 255}) {
        const Value zeros(op::case_ints(DType::kUInt8, Shape{}, zero, zero));
        compare(kConvIntegerCpu[0], conv_integer_reference,
                AttrMap{{"pads", std::vector<int64_t>{1, 1, 1, 1}}}, {data, weight, zeros, zeros});
      }
    }
  }
}

}  // namespace
}  // namespace sluice::ops::conv
