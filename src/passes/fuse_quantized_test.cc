#include "passes/fuse_quantized.h"

#include <gtest/gtest.h>

#include "ir/text.h"
#include "ir/verify.h"
#include "ops/test_graph.h"

namespace sluice::passes {
namespace {

using ir::ValueId;

// x[1,4,6,6], quantized, and what is built on it. Steps are powers of two, so that float arithmetic
// on the unfused graph is exact, as that on integers is.
struct Net : ops::TestGraph {
  ValueId x = graph.add_input("x", Type::tensor(DType::kFloat32, {1, 4, 6, 6}));
  ValueId bytes = quantize(x, 0.0625f, 119);
  ValueId real = dequantize(bytes, 0.0625f, 119);

  ValueId scale(float value) { return graph.add_constant("s", Tensor::scalar<float>(value)); }
  ValueId zero(int64_t value) {
    return graph.add_constant("z", op::case_ints(DType::kUInt8, Shape{}, value, value));
  }
  ValueId quantize(ValueId v, float step, int64_t zero_point) {
    return emit("QuantizeLinear", {v, scale(step), zero(zero_point)});
  }
  ValueId dequantize(ValueId v, float step, int64_t zero_point) {
    return emit("DequantizeLinear", {v, scale(step), zero(zero_point)});
  }
  // int8 weights with a scale for each index of axis 0.
  ValueId weight(const Shape& shape) {
    Tensor steps = op::case_floats(Shape{shape[0]}, 1);
    for (int64_t i = 0; i < shape[0]; ++i) steps.set_double(i, i % 2 == 0 ? 0.25 : 0.125);
    return emit("DequantizeLinear",
                {graph.add_constant("w", op::case_ints(DType::kInt8, shape, -127, 127, 2)),
                 graph.add_constant("ws", std::move(steps))},
                {{"axis", int64_t{0}}});
  }
  ValueId bias(int64_t count) {
    Tensor steps = op::case_floats(Shape{count}, 1);
    for (int64_t i = 0; i < count; ++i) steps.set_double(i, 0.0625 * (i % 2 == 0 ? 0.25 : 0.125));
    return emit("DequantizeLinear",
                {graph.add_constant("b", op::case_ints(DType::kInt32, Shape{count}, -999, 999, 3)),
                 graph.add_constant("bs", std::move(steps))},
                {{"axis", int64_t{0}}});
  }
  Tensor run() const { return reference({Value(op::case_floats(Shape{1, 4, 6, 6}, 3, 6))}); }
  // Fuses what makes `out`, and expects the same bytes.
  void expect_fused(ValueId out, int fused) {
    graph.outputs() = {out};
    const Tensor want = run();
    const auto done = fuse_quantized(ops::registry(), graph);
    ASSERT_TRUE(done.ok());
    EXPECT_EQ(*done, fused) << ir::to_text(graph);
    ASSERT_TRUE(ir::verify(graph).ok());
    const Tensor got = run();
    ASSERT_EQ(got.dtype(), want.dtype());
    for (int64_t i = 0; i < want.elements(); ++i) {
      ASSERT_EQ(got.get_double(i), want.get_double(i)) << "element " << i;
    }
  }
};

TEST(FuseQuantized, ConvolutionWithBias) {
  Net net;
  const ValueId y = net.emit("Conv", {net.real, net.weight(Shape{5, 4, 3, 3}), net.bias(5)},
                             {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  net.expect_fused(net.quantize(y, 2.0f, 100), 1);
  EXPECT_EQ(net.count("QLinearConv"), 1);
  EXPECT_EQ(net.graph.nodes().size(), 2u) << ir::to_text(net.graph);
}

TEST(FuseQuantized, BoundsBecomeATable) {
  Net net;
  const ValueId y = net.emit("Conv", {net.real, net.weight(Shape{5, 4, 1, 1})});
  const ValueId bounded = net.emit("Clip", {y, net.scale(-3.0f), net.scale(40.0f)});
  net.expect_fused(net.quantize(bounded, 0.5f, 77), 1);
  EXPECT_EQ(net.count("ByteTable"), 1);
  // Bounds that the bytes have anyway cost nothing.
  Net plain;
  const ValueId z = plain.emit("Conv", {plain.real, plain.weight(Shape{5, 4, 1, 1})});
  plain.expect_fused(plain.quantize(plain.emit("Relu", {z}), 0.5f, 0), 1);
  EXPECT_EQ(plain.count("ByteTable"), 0);
}

TEST(FuseQuantized, ProductOfMatrices) {
  Net net;
  const ValueId rows = net.emit(
      "Reshape", {net.real, net.graph.add_constant("to", Tensor::of<int64_t>(Shape{2}, {4, 36}))});
  const ValueId moved = net.dequantize(net.quantize(rows, 0.0625f, 119), 0.0625f, 119);
  const ValueId y =
      net.emit("Gemm", {moved, net.weight(Shape{7, 36}), net.bias(7)}, {{"transB", int64_t{1}}});
  net.expect_fused(net.quantize(y, 4.0f, 128), 2);
  EXPECT_EQ(net.count("QGemm"), 1);
  EXPECT_EQ(net.count("DequantizeLinear"), 0) << ir::to_text(net.graph);
}

TEST(FuseQuantized, SumsAndTables) {
  Net net;
  const ValueId other =
      net.dequantize(net.quantize(net.emit("HardSwish", {net.real}), 0.125f, 3), 0.125f, 3);
  const ValueId sum = net.emit("Add", {net.real, other});
  net.expect_fused(net.quantize(sum, 0.25f, 60), 2);
  EXPECT_EQ(net.count("QLinearAdd"), 1);
  EXPECT_EQ(net.count("ByteTable"), 1);
}

TEST(FuseQuantized, LeavesWhatOthersReadAndOtherScales) {
  Net net;
  const ValueId y = net.emit("Conv", {net.real, net.weight(Shape{5, 4, 1, 1})});
  const ValueId out = net.quantize(y, 0.5f, 77);
  net.graph.outputs() = {out, y};
  const auto done = fuse_quantized(ops::registry(), net.graph);
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(*done, 0);
  // A bias in other steps is none that integers could add.
  Net odd;
  const ValueId steps =
      odd.emit("DequantizeLinear",
               {odd.graph.add_constant("b", op::case_ints(DType::kInt32, Shape{5}, -9, 9, 3)),
                odd.scale(0.3f)});
  odd.expect_fused(
      odd.quantize(odd.emit("Conv", {odd.real, odd.weight(Shape{5, 4, 1, 1}), steps}), 0.5f, 77),
      0);
  // Elements move as bytes only where the bytes mean the same.
  Net moved;
  moved.expect_fused(moved.quantize(moved.emit("Transpose", {moved.real}), 0.125f, 119), 0);
}

}  // namespace
}  // namespace sluice::passes
