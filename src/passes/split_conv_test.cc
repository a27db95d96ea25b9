#include "passes/split_conv.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "ir/text.h"
#include "ir/verify.h"
#include "ops/test_graph.h"

namespace sluice::passes {
namespace {

using ir::ValueId;

// x[2,4,7,6]: a convolution of the Concat of three values made of it one after the other.
struct Net : ops::TestGraph {
  ValueId x = graph.add_input("x", Type::tensor(DType::kFloat32, {2, 4, 7, 6}));
  ValueId a, b, c, whole, weight, out;

  ValueId named(std::string_view name, ValueId id) {
    graph.rename(id, name);
    return id;
  }
  // `parts`: which of a, b and c, in the order of the Concat.
  explicit Net(const std::string& parts = "cab", AttrMap conv = {}, bool fused = true) {
    a = named("a", emit("Relu", {x}));
    b = named("b", emit("Tanh", {a}));
    c = named("c", emit("Sigmoid", {b}));
    std::vector<ValueId> joined;
    for (const char which : parts) joined.push_back(which == 'a' ? a : which == 'b' ? b : c);
    const auto channels = static_cast<int64_t>(4 * parts.size());
    whole = named("whole", emit("Concat", std::move(joined), {{"axis", int64_t{1}}}));
    const int64_t groups = conv.int_or("group", 1);
    weight = graph.add_constant("w", op::case_floats(Shape{6, channels / groups, 3, 3}, 2));
    const ValueId bias = graph.add_constant("bias", op::case_floats(Shape{6}, 3));
    conv.set("pads", std::vector<int64_t>{1, 1, 1, 1});
    if (fused) conv.set("activation", std::string("relu"));
    out = named("out", emit(fused ? "FusedConv" : "Conv", {whole, weight, bias}, std::move(conv),
                            fused ? "sluice" : ""));
    graph.outputs() = {out};
  }
  bool can_split() const { return can_split_conv(graph, graph.value(out).producer); }
  Tensor run() const { return reference({Value(op::case_floats(Shape{2, 4, 7, 6}, 1))}); }
  // Values in the order in which they are made.
  std::string order() const {
    std::string names;
    for (const ir::Node& node : graph.nodes()) {
      names += (names.empty() ? "" : " ") + graph.value(node.output(0)).name;
    }
    return names;
  }
};

void expect_split(Net net, const std::string& order) {
  const Tensor want = net.run();
  ASSERT_TRUE(net.can_split());
  ASSERT_TRUE(split_conv(net.graph, net.graph.value(net.out).producer).ok());
  ASSERT_TRUE(ir::verify(net.graph).ok()) << ir::to_text(net.graph);
  EXPECT_EQ(net.order(), order);
  EXPECT_FALSE(net.graph.is_constant(net.weight)) << "the whole weight is kept";
  const Tensor got = net.run();
  ASSERT_EQ(got.text(), want.text());
  for (int64_t i = 0; i < want.elements(); ++i) {
    ASSERT_NEAR(got.data<float>()[i], want.data<float>()[i], 1e-5) << "element " << i;
  }
}

TEST(SplitConv, ConvolvesWhatIsThereBeforeTheLastPartIsMade) {
  expect_split(Net("ac"), "a b out_early c out");
  expect_split(Net("ca", {}, false), "a b out_early c out");
  expect_split(Net("cab"), "a b whole_early out_early c out");
  expect_split(Net("acb", {{"strides", std::vector<int64_t>{2, 1}}}, false),
               "a b whole_early out_early c out");
}

TEST(SplitConv, LeavesWhatItCannotCut) {
  EXPECT_FALSE(Net("cc").can_split()) << "no part is made last";
  EXPECT_FALSE(Net("ac", {{"group", int64_t{2}}}).can_split()) << "groups";

  Net read;
  read.graph.outputs() = {read.out, read.whole};
  EXPECT_FALSE(read.can_split()) << "the whole is a result";

  Net empty("ac");
  empty.graph.value(empty.a).type = Type::tensor(DType::kFloat32, {2, 0, 7, 6});
  EXPECT_FALSE(empty.can_split()) << "a part without channels";

  Net absent("ac");
  absent.graph.nodes()[3].inputs[0] = ir::kNoValue;
  EXPECT_FALSE(absent.can_split()) << "a part that is absent";

  Net residual;
  residual.graph.nodes().back().inputs.push_back(residual.out);
  EXPECT_FALSE(residual.can_split()) << "there is a residual already";

  Net variable;
  variable.graph.nodes().back().inputs[1] = variable.x;
  EXPECT_FALSE(variable.can_split()) << "the weight is no constant";
}

}  // namespace
}  // namespace sluice::passes
