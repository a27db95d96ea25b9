// Inference: shapes that broadcast, and the contents of small integer tensors carried through the
// arithmetic that exporters write for shapes.
#include <gtest/gtest.h>

#include "op/op.h"

namespace sluice::ops::binary {

std::span<const op::OpDef> op_defs();

namespace {

class BinaryInference : public testing::Test {
 protected:
  const op::Registry& registry() {
    static const std::span<const op::OpDef> kFamilies[] = {op_defs()};
    static const op::Registry kRegistry{kFamilies};
    return kRegistry;
  }
  // A 1-D int64 value whose contents are known as extents.
  ir::ValueId extents(Dims values) {
    const ir::ValueId id =
        graph_.add_input("x", Type::tensor(DType::kInt64, {static_cast<int64_t>(values.size())}));
    graph_.value(id).known_ints = std::move(values);
    return id;
  }
  ir::ValueId constant(std::initializer_list<int64_t> values) {
    return graph_.add_constant(
        "c", Tensor::of<int64_t>(Shape{static_cast<int64_t>(values.size())}, values));
  }
  ir::ValueId apply(std::string_view op_name, std::vector<ir::ValueId> inputs) {
    const ir::NodeId node = graph_.add_node(op_name, std::move(inputs));
    const auto inferred = op::infer_node(registry(), graph_, node);
    EXPECT_TRUE(inferred.ok()) << inferred.error().text();
    return graph_.node(node).outputs[0];
  }
  std::string contents(ir::ValueId id) {
    const auto& known = graph_.value(id).known_ints;
    return known ? dims_text(*known) : "unknown";
  }

  ir::Graph graph_;
  const Dim h_ = Dim::symbol("H");
  const Dim w_ = Dim::symbol("W");
};

TEST_F(BinaryInference, ArithmeticOnExtents) {
  const ir::ValueId x = extents({h_, w_, Dim(7)});
  EXPECT_EQ(contents(apply("Add", {x, constant({1, 2, 3})})), "[H + 1,W + 2,10]");
  EXPECT_EQ(contents(apply("Mul", {x, constant({2})})), "[2*H,2*W,14]");
  EXPECT_EQ(contents(apply("Div", {apply("Mul", {x, constant({4})}), constant({2})})),
            "[2*H,2*W,14]");
  EXPECT_EQ(contents(apply("Div", {x, constant({2})})), "[floor((H)/(2)),floor((W)/(2)),3]");
}

// Rounding towards zero is not rounding down for what may be negative: nothing is said then.
TEST_F(BinaryInference, DivisionOfDifferencesStaysUnknown) {
  const ir::ValueId difference = apply("Sub", {extents({h_}), extents({w_})});
  EXPECT_EQ(contents(apply("Div", {difference, constant({2})})), "[?]");
  EXPECT_EQ(contents(apply("Div", {constant({-7}), constant({2})})), "[-3]");
}

TEST_F(BinaryInference, DivisionByZeroIsNotFolded) {
  EXPECT_EQ(contents(apply("Div", {constant({1}), constant({0})})), "[?]");
  EXPECT_EQ(contents(apply("Mod", {constant({1}), constant({0})})), "[?]");
}

// The pattern of torch's expand: where(shape == -1, own extent, shape).
TEST_F(BinaryInference, WhereOverExtents) {
  const ir::ValueId wanted = extents({Dim(-1), h_, Dim(5)});
  const ir::ValueId equal = apply("Equal", {wanted, constant({-1})});
  EXPECT_EQ(contents(equal), "[1,0,0]");
  EXPECT_EQ(contents(apply("Where", {equal, constant({9, 9, 9}), wanted})), "[9,H,5]");
}

TEST_F(BinaryInference, BroadcastTypes) {
  const ir::ValueId a = graph_.add_input("a", Type::tensor(DType::kFloat32, {h_, Dim(1), w_}));
  const ir::ValueId b = graph_.add_input("b", Type::tensor(DType::kFloat32, {Dim(4), Dim(1)}));
  EXPECT_EQ(graph_.type(apply("Add", {a, b})).text(), "float32[H,4,W]");
  EXPECT_EQ(graph_.type(apply("Less", {a, b})).text(), "bool[H,4,W]");
}

TEST_F(BinaryInference, RefusesWhatCannotMatch) {
  const ir::ValueId a = graph_.add_input("a", Type::tensor(DType::kFloat32, {Dim(3)}));
  const ir::ValueId b = graph_.add_input("b", Type::tensor(DType::kFloat32, {Dim(4)}));
  const ir::ValueId c = graph_.add_input("c", Type::tensor(DType::kInt32, {Dim(3)}));
  for (const ir::ValueId other : {b, c}) {
    const ir::NodeId node = graph_.add_node("Add", {a, other});
    EXPECT_FALSE(op::infer_node(registry(), graph_, node).ok());
  }
}

}  // namespace
}  // namespace sluice::ops::binary
