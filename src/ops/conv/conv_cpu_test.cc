#include "ops/conv/conv_cpu.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/text.h"
#include "op/case.h"
#include "op/kernel_runner.h"
#include "ops/conv/conv_kernels.h"
#include "simd/each_instruction_set.h"

namespace sluice::ops::conv {
namespace {

using op::run;

// Float32 sums of n products of numbers below 1 in magnitude: (n + 4) * 2^-24 * n / 4 covers any
// order of summation with room to spare.
void expect_close(const Tensor& got, const Tensor& want, double n) {
  ASSERT_TRUE(got.defined() && want.defined());
  ASSERT_EQ(got.shape().text(), want.shape().text());
  const double tolerance = (n + 4) * 6e-8 * (n / 4 + 2);
  for (int64_t i = 0; i < got.elements(); ++i) {
    ASSERT_NEAR(got.get_double(i), want.get_double(i), tolerance) << "element " << i;
  }
}

// Weights packed as float16 give, bit for bit, what the same numbers packed as float32 give.
void check_half(const op::CpuCandidate& candidate, const AttrMap& attrs, std::vector<Value> inputs,
                const Tensor& weights) {
  const auto halves = converted(weights, DType::kFloat16);
  ASSERT_TRUE(halves.ok());
  const auto widened = converted(*halves, DType::kFloat32);
  ASSERT_TRUE(widened.ok());
  inputs[1] = Value(Tensor::shape_only(DType::kFloat32, weights.shape()));
  Tensor made[2];
  for (const bool half : {false, true}) {
    std::vector<Value> constants(inputs.size());
    constants[1] = Value(half ? *halves : *widened);
    const auto packed = candidate.kernel.prepare(attrs, constants);
    ASSERT_TRUE(packed.ok() && packed->defined());
    ASSERT_EQ(packed->dtype(), half ? DType::kFloat16 : DType::kFloat32);
    made[half ? 1 : 0] = run(candidate.kernel.run, attrs, inputs, *packed);
  }
  ASSERT_EQ(0, memcmp(made[0].bytes().data(), made[1].bytes().data(), made[0].size_bytes()));
}

struct Geometry {
  int64_t n, c, h, w, m, group;
  int64_t kh, kw, sh, sw, dh, dw;
  std::vector<int64_t> pads;
};

void check(const Geometry& g, bool fused) {
  SCOPED_TRACE(cat("n", g.n, " c", g.c, " ", g.h, "x", g.w, " m", g.m, " g", g.group, " k", g.kh,
                   "x", g.kw, " s", g.sh, g.sw, " d", g.dh, g.dw, " p", join(g.pads, ","),
                   fused ? " fused" : ""));
  AttrMap attrs{{"strides", std::vector<int64_t>{g.sh, g.sw}},
                {"dilations", std::vector<int64_t>{g.dh, g.dw}},
                {"pads", g.pads},
                {"group", g.group}};
  const Tensor w = op::case_floats(Shape{g.m, g.c / g.group, g.kh, g.kw}, 2);
  std::vector<Value> inputs = {Value(op::case_floats(Shape{g.n, g.c, g.h, g.w}, 1)), Value(w),
                               Value(op::case_floats(Shape{g.m}, 3))};
  Tensor want = run(conv_reference, attrs, inputs);
  const auto& candidate = fused ? kFusedConvCpu[2] : kConvCpu[2];
  if (fused) {
    inputs.emplace_back(op::case_floats(want.shape(), 4));
    attrs.set("activation", std::string("leakyrelu"));
    attrs.set("activation_params", std::vector<float>{0.25f});
    want = run(fused_conv_reference, attrs, inputs);
  }
  const double depth = static_cast<double>(g.c / g.group * g.kh * g.kw);
  const Tensor got = run(candidate.kernel.run, attrs, inputs);
  expect_close(got, want, depth);
  std::vector<Value> constants(inputs.size());
  constants[1] = inputs[1];
  const auto packed = candidate.kernel.prepare(attrs, constants);
  ASSERT_TRUE(packed.ok() && packed->defined());
  inputs[1] = Value(Tensor::shape_only(w.dtype(), w.shape()));
  const Tensor again = run(candidate.kernel.run, attrs, inputs, *packed);
  ASSERT_EQ(0, memcmp(got.bytes().data(), again.bytes().data(), got.size_bytes()));
  check_half(candidate, attrs, inputs, w);
}

// Every test runs on each instruction set that this machine has.
class ConvCpu : public simd::EachInstructionSet {};
INSTANTIATE_TEST_SUITE_P(InstructionSets, ConvCpu, simd::each_instruction_set(), ConvCpu::name);

TEST_P(ConvCpu, AgreesWithReference) {
  for (const int64_t size : {1, 2, 3, 5, 7, 14, 17, 32, 49}) {
    for (const int64_t c : {1, 3, 8}) {
      for (const int64_t m : {1, 5, 8, 19}) {
        check({1, c, size, size, m, 1, 3, 3, 1, 1, 1, 1, {1, 1, 1, 1}}, false);
      }
    }
    check({2, 4, size, size + 3, 6, 2, 3, 3, 2, 2, 1, 1, {1, 1, 1, 1}}, false);
    check({2, 6, size, size + 1, 6, 6, 3, 3, 1, 1, 1, 1, {1, 1, 1, 1}}, true);
    check({1, 5, size, size, 9, 1, 1, 1, 1, 1, 1, 1, {0, 0, 0, 0}}, true);
    check({1, 5, size, size, 9, 1, 1, 1, 2, 2, 1, 1, {0, 0, 0, 0}}, false);
    check({1, 3, size, size, 9, 1, 3, 3, 1, 1, 8, 8, {8, 8, 8, 8}}, true);
    check({1, 3, size, size, 4, 1, 3, 3, 2, 3, 4, 2, {5, 3, 4, 2}}, false);
    check({1, 3, size, size, 4, 1, 5, 2, 3, 1, 1, 3, {4, 3, 2, 1}}, true);
  }
  check({1, 200, 9, 100, 33, 1, 3, 3, 1, 1, 1, 1, {1, 1, 1, 1}}, true);
  check({1, 16, 70, 300, 16, 1, 3, 3, 1, 1, 2, 2, {2, 2, 2, 2}}, true);
  check({1, 3, 129, 127, 24, 1, 7, 7, 2, 2, 1, 1, {3, 3, 3, 3}}, false);
  check({1, 350, 40, 40, 20, 1, 1, 1, 1, 1, 1, 1, {0, 0, 0, 0}}, true);
  // Planes that are read in place, in several chunks of channels, with columns left over.
  for (const int64_t size : {7, 14, 16}) {
    check({1, 350, size, size, 41, 1, 1, 1, 1, 1, 1, 1, {0, 0, 0, 0}}, true);
    check({2, 12, size, size, 44, 2, 1, 1, 1, 1, 1, 1, {0, 0, 0, 0}}, false);
  }
  // A few positions.
  for (const int64_t width : {1, 2, 3, 4}) {
    check({1, 350, 1, width, 41, 1, 1, 1, 1, 1, 1, 1, {0, 0, 0, 0}}, true);
    check({2, 350, 1, width, 33, 1, 3, 3, 1, 1, 1, 1, {1, 1, 1, 1}}, true);
    check({2, 12, 2, width + 2, 32, 2, 2, 3, 1, 1, 1, 1, {0, 0, 0, 0}}, false);
  }
}

void check_depthwise(const Geometry& g, bool fused) {
  SCOPED_TRACE(cat("n", g.n, " c", g.c, " ", g.h, "x", g.w, " k", g.kh, " s", g.sh, " p",
                   join(g.pads, ","), fused ? " fused" : ""));
  AttrMap attrs{
      {"strides", std::vector<int64_t>{g.sh, g.sw}}, {"pads", g.pads}, {"group", g.group}};
  std::vector<Value> inputs = {Value(op::case_floats(Shape{g.n, g.c, g.h, g.w}, 1)),
                               Value(op::case_floats(Shape{g.m, 1, g.kh, g.kw}, 2)),
                               Value(op::case_floats(Shape{g.m}, 3))};
  Tensor want = run(conv_reference, attrs, inputs);
  if (want.elements() == 0) return;
  if (fused) {
    inputs.emplace_back(op::case_floats(want.shape(), 4));
    attrs.set("activation", std::string(g.h % 2 == 0 ? "leakyrelu" : "clip"));
    attrs.set("activation_params",
              g.h % 2 == 0 ? std::vector<float>{0.25f} : std::vector<float>{-0.5f, 0.75f});
    want = run(fused_conv_reference, attrs, inputs);
  }
  const auto& kernel = (fused ? kFusedConvCpu[0] : kConvCpu[0]).kernel;
  expect_close(run(kernel.run, attrs, inputs), want, static_cast<double>(g.kh * g.kw));
}

TEST_P(ConvCpu, DepthwiseAgreesWithReference) {
  for (const int64_t k : {3, 5}) {
    for (const int64_t s : {1, 2}) {
      for (const int64_t size : {1, 2, 3, 4, 5, 7, 8, 14, 17, 32, 49}) {
        check_depthwise({1, 3, size, size, 3, 3, k, k, s, s, 1, 1, {k / 2, k / 2, k / 2, k / 2}},
                        false);
        check_depthwise({2, 5, size, size + 9, 5, 5, k, k, s, s, 1, 1, {1, 0, 2, 3}}, true);
        check_depthwise({1, 2, size + 5, size + 4, 2, 2, k, k, s, s, 1, 1, {0, 0, 0, 0}}, true);
        check_depthwise({1, 2, size + 3, size + 6, 2, 2, k, k, s, s, 1, 1, {0, -1, 3, -2}}, false);
      }
      // Bands of rows; padding wider than the input.
      check_depthwise({1, 2, 150, 131, 2, 2, k, k, s, s, 1, 1, {1, 1, 1, 1}}, true);
      check_depthwise({1, 1, 9, 3000, 1, 1, k, k, s, s, 1, 1, {2, 2, 2, 2}}, false);
      check_depthwise({1, 2, 3, 2, 2, 2, k, k, s, s, 1, 1, {9, 8, 7, 11}}, false);
    }
  }
}

// 3x3, stride 1, by tiles: never more than a few roundings away from the reference.
void check_winograd(const Geometry& g, bool fused) {
  SCOPED_TRACE(cat("n", g.n, " c", g.c, " ", g.h, "x", g.w, " m", g.m, " g", g.group, " d", g.dh,
                   g.dw, " p", join(g.pads, ","), fused ? " fused" : ""));
  AttrMap attrs{
      {"dilations", std::vector<int64_t>{g.dh, g.dw}}, {"pads", g.pads}, {"group", g.group}};
  const Tensor w = op::case_floats(Shape{g.m, g.c / g.group, 3, 3}, 2);
  std::vector<Value> inputs = {Value(op::case_floats(Shape{g.n, g.c, g.h, g.w}, 1)), Value(w),
                               Value(op::case_floats(Shape{g.m}, 3))};
  Tensor want = run(conv_reference, attrs, inputs);
  if (fused) {
    inputs.emplace_back(op::case_floats(want.shape(), 4));
    attrs.set("activation", std::string("relu"));
    want = run(fused_conv_reference, attrs, inputs);
  }
  const auto& candidate = fused ? kFusedConvCpu[1] : kConvCpu[1];
  const auto& kernel = candidate.kernel;
  std::vector<Value> constants(inputs.size());
  constants[1] = inputs[1];
  const auto packed = kernel.prepare(attrs, constants);
  ASSERT_TRUE(packed.ok() && packed->defined());
  inputs[1] = Value(Tensor::shape_only(DType::kFloat32, inputs[1].tensor().shape()));
  // Products of tiles are larger than those of taps, by the sums of the transforms.
  const double depth = 8 * static_cast<double>(g.c / g.group * 9);
  expect_close(run(kernel.run, attrs, inputs, *packed), want, depth);
  check_half(candidate, attrs, inputs, w);
}

TEST_P(ConvCpu, WinogradAgreesWithReference) {
  for (const int64_t size : {1, 2, 3, 4, 5, 7, 8, 11, 17, 32, 49}) {
    for (const int64_t c : {1, 3, 8}) {
      for (const int64_t m : {1, 5, 8, 19}) {
        check_winograd({1, c, size, size, m, 1, 3, 3, 1, 1, 1, 1, {1, 1, 1, 1}}, false);
      }
    }
    check_winograd({2, 4, size, size + 3, 6, 2, 3, 3, 1, 1, 1, 1, {1, 1, 1, 1}}, false);
    check_winograd({2, 4, size, size + 3, 6, 2, 3, 3, 1, 1, 1, 1, {2, 0, 0, 3}}, true);
    check_winograd({1, 6, size + 2, size + 4, 9, 1, 3, 3, 1, 1, 1, 1, {0, 0, 0, 0}}, true);
    check_winograd({1, 3, size, size, 9, 1, 3, 3, 1, 1, 2, 2, {2, 2, 2, 2}}, true);
    check_winograd({1, 3, size, size, 9, 1, 3, 3, 1, 1, 8, 8, {8, 8, 8, 8}}, true);
    check_winograd({1, 3, size, size, 4, 1, 3, 3, 1, 1, 4, 3, {5, 3, 4, 7}}, false);
  }
  // Rows of tiles that fill panels: few, many, with a border within a panel, with groups.
  check_winograd({1, 5, 40, 64, 9, 1, 3, 3, 1, 1, 1, 1, {1, 1, 1, 1}}, true);
  check_winograd({1, 20, 90, 250, 17, 1, 3, 3, 1, 1, 1, 1, {1, 1, 1, 1}}, true);
  check_winograd({2, 18, 130, 190, 34, 2, 3, 3, 1, 1, 1, 1, {0, 1, 2, 0}}, true);
  check_winograd({1, 300, 33, 130, 40, 1, 3, 3, 1, 1, 1, 1, {1, 1, 1, 1}}, false);
  check_winograd({1, 65, 70, 66, 33, 1, 3, 3, 1, 1, 2, 1, {2, 1, 2, 1}}, true);
  // So many channels that few tiles at a time are held: cut within rows of tiles, and unevenly.
  check_winograd({1, 4000, 5, 190, 3, 1, 3, 3, 1, 1, 1, 1, {1, 1, 1, 1}}, true);
  check_winograd({1, 2400, 2, 448, 3, 1, 3, 3, 1, 1, 1, 1, {1, 1, 1, 1}}, false);
}

TEST_P(ConvCpu, OneAxis) {
  for (const int64_t length : {4, 5, 31, 2000}) {
    AttrMap attrs{{"pads", std::vector<int64_t>{2, 1}}, {"strides", std::vector<int64_t>{2}}};
    const std::vector<Value> inputs = {Value(op::case_floats(Shape{1, 7, length}, 1)),
                                       Value(op::case_floats(Shape{5, 7, 4}, 2))};
    expect_close(run(kConvCpu[2].kernel.run, attrs, inputs), run(conv_reference, attrs, inputs),
                 28);
  }
}

TEST_P(ConvCpu, Transpose) {
  for (const int64_t size : {1, 2, 5, 17}) {
    for (const int64_t group : {1, 2}) {
      for (const int64_t stride : {1, 2, 3}) {
        AttrMap attrs{{"pads", std::vector<int64_t>{1, 0, 0, 1}},
                      {"strides", std::vector<int64_t>{stride, stride}},
                      {"group", group}};
        const std::vector<Value> inputs = {Value(op::case_floats(Shape{2, 6, size, size + 1}, 1)),
                                           Value(op::case_floats(Shape{6, 4, 3, 2}, 2)),
                                           Value(op::case_floats(Shape{4 * group}, 3))};
        const Tensor want = run(conv_transpose_reference, attrs, inputs);
        expect_close(run(kConvTransposeCpu[0].kernel.run, attrs, inputs), want, 36);
        const auto packed = kConvTransposeCpu[0].kernel.prepare(attrs, inputs);
        ASSERT_TRUE(packed.ok());
        expect_close(run(kConvTransposeCpu[0].kernel.run, attrs, inputs, *packed), want, 36);
      }
    }
  }
}

}  // namespace
}  // namespace sluice::ops::conv
