#include "passes/fuse_conv.h"

#include <gtest/gtest.h>

#include "ir/text.h"
#include "ir/verify.h"
#include "ops/test_graph.h"

namespace sluice::passes {
namespace {

using ir::ValueId;

// What dynamic quantization writes for a convolution of x[1,3,6,7] to 5 channels.
struct Chain : ops::TestGraph {
  ValueId x = graph.add_input("x", Type::tensor(DType::kFloat32, {1, 3, 6, 7}));
  ValueId quantized, scale, zero, integers, scaled, out;

  ValueId constant(std::string_view name, Tensor tensor) {
    return graph.add_constant(std::string(name), std::move(tensor));
  }

  explicit Chain(const Shape& bias = {1, 5, 1, 1}) {
    const auto made = emit_all("DynamicQuantizeLinear", {x}, 3);
    quantized = made[0], scale = made[1], zero = made[2];
    const ValueId w = constant("w", op::case_ints(DType::kUInt8, Shape{5, 3, 3, 3}, 0, 255, 1));
    const ValueId w_zero = constant("w_zero", op::case_ints(DType::kUInt8, Shape{}, 117, 117));
    integers = emit("ConvInteger", {quantized, w, zero, w_zero},
                    {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
    const ValueId real = emit("Cast", {integers}, {{"to", static_cast<int64_t>(DType::kFloat32)}});
    const ValueId w_scale = constant("w_scale", Tensor::scalar<float>(0.013f));
    const ValueId both = emit("Mul", {scale, w_scale});
    scaled = emit("Mul", {real, both});
    const ValueId added = emit("Add", {scaled, constant("b", op::case_floats(bias, 2))});
    out = emit("Relu", {added});
    graph.outputs() = {out};
  }

  Tensor run() const { return reference({Value(op::case_floats(Shape{1, 3, 6, 7}, 3, 4))}); }
};

TEST(FuseDynamicQuantizedConv, ChangesNoBit) {
  Chain chain;
  const Tensor want = chain.run();
  EXPECT_EQ(fuse_dynamic_quantized_conv(chain.graph), 1);
  ASSERT_TRUE(ir::verify(chain.graph).ok());
  EXPECT_EQ(chain.graph.nodes().size(), 1u) << ir::to_text(chain.graph);
  const Tensor got = chain.run();
  for (int64_t i = 0; i < want.elements(); ++i) {
    ASSERT_EQ(got.data<float>()[i], want.data<float>()[i]) << "element " << i;
  }
}

TEST(FuseDynamicQuantizedConv, LeavesWhatOthersRead) {
  // The integers, the product without the bias.
  Chain integers;
  integers.graph.outputs().push_back(integers.integers);
  EXPECT_EQ(fuse_dynamic_quantized_conv(integers.graph), 0);
  Chain product;
  product.graph.outputs().push_back(product.scaled);
  EXPECT_EQ(fuse_dynamic_quantized_conv(product.graph), 1);
  EXPECT_EQ(product.count("Add"), 1);
  // The quantized input stays when somebody else wants it.
  Chain input;
  input.graph.outputs().push_back(input.quantized);
  EXPECT_EQ(fuse_dynamic_quantized_conv(input.graph), 1);
  EXPECT_EQ(input.count("DynamicQuantizeLinear"), 1);
}

TEST(FuseDynamicQuantizedConv, TakesOnlyBiasesOfChannels) {
  Chain chain(Shape{7});  // along the rows
  const Tensor want = chain.run();
  EXPECT_EQ(fuse_dynamic_quantized_conv(chain.graph), 1);
  EXPECT_EQ(chain.count("Add"), 1);
  ASSERT_TRUE(ir::verify(chain.graph).ok());
  const Tensor got = chain.run();
  for (int64_t i = 0; i < want.elements(); ++i) {
    ASSERT_EQ(got.data<float>()[i], want.data<float>()[i]) << "element " << i;
  }
}

}  // namespace
}  // namespace sluice::passes
