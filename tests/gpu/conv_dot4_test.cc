// Convolutions of 8-bit integers four channels at a time, where the adapter has the language
// feature: exact at every number of channels around the borders of words and chunks, for every mix
// of signs, with zero points and without, padded, strided, dilated and in groups.
#include <gtest/gtest.h>

#include "gpu/on_device.h"

namespace sluice::gpu_tests {
namespace {

Tensor bytes(DType dtype, const Shape& shape, uint32_t seed) {
  return dtype == DType::kInt8 ? op::case_ints(dtype, shape, -128, 127, seed)
                               : op::case_ints(dtype, shape, 0, 255, seed);
}

// Whether the plan multiplies bytes by fours, and nothing else.
void expect_dot4(const Net& net, const plan::Features& features) {
  const auto planned = session::plan_for_gpu(*net.graph, software(), features);
  ASSERT_TRUE(planned.ok()) << planned.error().text();
  EXPECT_EQ(planned->plan->pipelines.back().shader, "conv_dot4");
}

TEST(ConvDot4, SumsOfBytesAreExact) {
  SLUICE_NEED_DEVICE();
  if (!held.device->features().packed_dot) GTEST_SKIP() << "not run: no packed dot products";
  // With every mix of signs, zero points and strides; more counts, one mix each, are in the sweep
  // over the kernels that convolve.
  std::vector<int64_t> channels = {1, 2, 3, 4, 5, 32, 33, 129};
  if (long_run()) {
    for (int64_t c = 1; c <= 40; ++c) channels.push_back(c);
    for (const int64_t c : {63, 64, 65, 67, 127, 128, 130, 133}) channels.push_back(c);
  }
  uint32_t seed = 0;
  for (const int64_t c : channels) {
    ++seed;
    // One net of four convolutions, so that all mixes are seen at every number of channels.
    Net net;
    for (uint32_t mix = 0; mix < 4; ++mix) {
      const DType x = mix % 2 == 0 ? DType::kUInt8 : DType::kInt8;
      const DType w = mix / 2 == 0 ? DType::kInt8 : DType::kUInt8;
      const int64_t side = (seed + mix) % 3 == 0 ? 1 : 3, rows = 9 + (seed * 7 + mix * 13) % 60;
      AttrMap attrs = {{"pads", std::vector<int64_t>(4, side / 2 + (mix == 3 ? 1 : 0))},
                       {"strides", std::vector<int64_t>(2, 1 + seed % 2)},
                       {"dilations", std::vector<int64_t>(2, mix == 1 ? 2 : 1)}};
      std::vector<ir::ValueId> in = {net.input(bytes(x, Shape{1 + mix % 2, c, 9, 7}, seed + mix)),
                                     net.constant(bytes(w, Shape{rows, c, side, side}, seed + 99))};
      if ((seed + mix) % 2 == 0) {
        in.push_back(mix < 2 ? net.constant(bytes(x, Shape{}, seed + 7))
                             : net.input(bytes(x, Shape{}, seed + 8)));
        in.push_back(net.constant(bytes(w, mix == 0 ? Shape{} : Shape{rows}, seed + 9)));
      }
      net.output(net.one("ConvInteger", in, attrs));
    }
    SCOPED_TRACE(cat(c, " channels"));
    ASSERT_TRUE(net.infer().ok());
    expect_dot4(net, held.device->features());
    expect_like_reference(std::move(net), 0, 0);
  }
}

TEST(ConvDot4, GroupsAndOtherRanks) {
  SLUICE_NEED_DEVICE();
  if (!held.device->features().packed_dot) GTEST_SKIP() << "not run: no packed dot products";
  struct Row {
    Shape x, w;
    int64_t group;
  };
  for (const Row& row : {Row{{1, 15, 6, 6}, {27, 5, 3, 3}, 3},
                         {{2, 70, 5, 5}, {40, 35, 1, 1}, 2},
                         {{2, 6, 33}, {17, 6, 5}, 1},
                         {{1, 9, 4, 5, 6}, {12, 9, 2, 3, 2}, 1}}) {
    SCOPED_TRACE(cat(row.x.text(), " ", row.w.text()));
    Net net;
    net.output(net.one(
        "ConvInteger",
        {net.input(bytes(DType::kUInt8, row.x, 1)), net.constant(bytes(DType::kInt8, row.w, 2)),
         net.constant(Tensor::scalar(uint8_t{130})),
         net.constant(bytes(DType::kInt8, Shape{row.w[0]}, 3))},
        {{"group", row.group}}));
    ASSERT_TRUE(net.infer().ok());
    expect_dot4(net, held.device->features());
    expect_like_reference(std::move(net), 0, 0);
  }
}

TEST(ConvDot4, QuantizedResults) {
  SLUICE_NEED_DEVICE();
  if (!held.device->features().packed_dot) GTEST_SKIP() << "not run: no packed dot products";
  for (const int64_t c : {3, 20, 35, 64}) {
    for (const DType dtype : {DType::kUInt8, DType::kInt8}) {
      SCOPED_TRACE(cat(c, " channels, ", dtype_name(dtype)));
      Net net;
      net.output(
          net.one("QLinearConv",
                  {net.input(bytes(dtype, Shape{2, c, 8, 9}, 1)),
                   net.constant(Tensor::scalar(0.02f)), net.constant(bytes(dtype, Shape{}, 2)),
                   net.constant(bytes(DType::kInt8, Shape{33, c, 3, 3}, 3)),
                   net.constant(op::case_floats(Shape{33}, 4, 0.001)),
                   net.constant(bytes(DType::kInt8, Shape{33}, 5)),
                   net.constant(Tensor::scalar(0.11f)), net.constant(bytes(dtype, Shape{}, 6)),
                   net.constant(op::case_ints(DType::kInt32, Shape{33}, -9000, 9000, 7))},
                  {{"pads", std::vector<int64_t>{1, 1, 1, 1}}}));
      ASSERT_TRUE(net.infer().ok());
      expect_dot4(net, held.device->features());
      expect_like_reference(std::move(net), 0, 0);
    }
  }
}

// What dynamic quantization writes as seven nodes, from float to float without leaving the device.
TEST(ConvDot4, DynamicQuantizationIsOneOperator) {
  SLUICE_NEED_DEVICE();
  if (!held.device->features().packed_dot) GTEST_SKIP() << "not run: no packed dot products";
  for (const int64_t c : {1, 3, 18, 64}) {
    for (const int64_t rows : {1, 16, 40}) {
      SCOPED_TRACE(cat(c, " channels, ", rows, " rows"));
      Net net;
      const ir::ValueId x = net.input(op::case_floats(Shape{1, c, 12, 11}, 3));
      const auto q = net.node("DynamicQuantizeLinear", {x}, 3);
      const ir::ValueId sums =
          net.one("ConvInteger",
                  {q[0], net.constant(bytes(DType::kUInt8, Shape{rows, c, 3, 3}, 4)), q[2],
                   net.constant(Tensor::scalar(uint8_t{126}))},
                  {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
      const ir::ValueId real =
          net.one("Cast", {sums}, {{"to", static_cast<int64_t>(DType::kFloat32)}});
      const ir::ValueId scale = net.one("Mul", {q[1], net.constant(Tensor::scalar(0.004f))});
      const ir::ValueId scaled = net.one("Mul", {real, scale});
      const ir::ValueId biased =
          net.one("Add", {scaled, net.constant(op::case_floats(Shape{1, rows, 1, 1}, 5))});
      net.output(net.one("Relu", {biased}));
      ASSERT_TRUE(net.infer().ok());
      const auto planned = session::plan_for_gpu(*net.graph, software(), held.device->features());
      ASSERT_TRUE(planned.ok()) << planned.error().text();
      ASSERT_EQ(planned->plan->steps.size(), 1u);
      EXPECT_EQ(planned->plan->steps[0].kernel, "dynamic_quantized_conv.dot4");
      expect_like_reference(std::move(net), 2e-6, 2e-6);
    }
  }
}

}  // namespace
}  // namespace sluice::gpu_tests
