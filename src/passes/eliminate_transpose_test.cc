#include "passes/eliminate_transpose.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/text.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "ops/test_graph.h"
#include "passes/eliminate_dead.h"

namespace sluice::passes {
namespace {

using ir::ValueId;

std::unique_ptr<ir::Graph> parsed(std::string_view text) {
  auto graph = ir::parse_text(text);
  SLUICE_CHECK(graph.ok());
  EXPECT_TRUE(op::infer_graph(ops::registry(), **graph).ok());
  return std::move(*graph);
}

Tensor numbers(const Shape& shape, int seed) {
  Tensor out = std::move(Tensor::allocate(DType::kFloat32, shape)).value();
  for (int64_t i = 0; i < out.elements(); ++i) {
    out.set_double(i, static_cast<double>((i * 7919 + seed * 104729 + 13) % 199) / 100 - 1);
  }
  return out;
}

// Runs both; equal bit for bit, since no arithmetic may change.
void expect_same(const ir::Graph& before, const ir::Graph& after) {
  std::vector<Value> inputs;
  int seed = 0;
  for (const ValueId id : before.inputs())
    inputs.emplace_back(numbers(*before.type(id).shape(), ++seed));
  const auto want = op::interpret(ops::registry(), before, inputs);
  const auto got = op::interpret(ops::registry(), after, inputs);
  ASSERT_TRUE(want.ok()) << want.error().text();
  ASSERT_TRUE(got.ok()) << got.error().text() << "\n" << ir::to_text(after);
  for (size_t i = 0; i < want->size(); ++i) {
    const Tensor &a = (*want)[i].tensor(), &b = (*got)[i].tensor();
    ASSERT_EQ(a.text(), b.text());
    for (int64_t k = 0; k < a.elements(); ++k)
      ASSERT_EQ(a.get_double(k), b.get_double(k)) << "output " << i << "\n" << ir::to_text(after);
  }
}

// A graph of islands in NCHW between Transposes, as the TFLite importer makes them.
struct Builder : ops::TestGraph {
  ValueId nchw(ValueId x) {
    return emit("Transpose", {x}, {{"perm", std::vector<int64_t>{0, 3, 1, 2}}});
  }
  ValueId nhwc(ValueId x) {
    return emit("Transpose", {x}, {{"perm", std::vector<int64_t>{0, 2, 3, 1}}});
  }
  // An operator that only NCHW has.
  ValueId island(ValueId x) {
    return nhwc(emit("MaxPool", {nchw(x)},
                     {{"kernel_shape", std::vector<int64_t>{2, 2}},
                      {"pads", std::vector<int64_t>{0, 0, 1, 1}}}));
  }
};

TEST(EliminateTranspose, InversePairsVanish) {
  Builder b;
  const ValueId x = b.graph.add_input("x", Type::tensor(DType::kFloat32, {1, 3, 4, 5}));
  b.graph.outputs() = {b.island(b.island(b.island(x)))};
  const auto before = b.graph.clone();
  EXPECT_GT(eliminate_transpose(b.graph), 0);
  ASSERT_TRUE(ir::verify(b.graph).ok());
  expect_same(*before, b.graph);
  eliminate_dead(b.graph);
  EXPECT_EQ(b.count("Transpose"), 2) << "one in, one out";
}

TEST(EliminateTranspose, OnesMoveByReshape) {
  Builder b;
  const ValueId x = b.graph.add_input("x", Type::tensor(DType::kFloat32, {2, 1, 4, 5}));
  const ValueId y = b.graph.add_input("y", Type::tensor(DType::kFloat32, {1, 3, 1, 5}));
  b.graph.outputs() = {b.nhwc(x), b.nchw(x), b.nchw(y)};
  const auto before = b.graph.clone();
  EXPECT_EQ(reshape_for_transpose(b.graph), 1) << "only the first keeps the order of 2, 4 and 5";
  ASSERT_TRUE(ir::verify(b.graph).ok());
  expect_same(*before, b.graph);
  EXPECT_EQ(b.count("Reshape"), 1);
}

TEST(EliminateTranspose, MovesThroughElementwiseAndJoins) {
  Builder b;
  const ValueId x = b.graph.add_input("x", Type::tensor(DType::kFloat32, {1, 3, 4, 5}));
  const ValueId bias = b.graph.add_constant("bias", numbers(Shape{5}, 3));
  const ValueId slope = b.graph.add_constant("slope", numbers(Shape{1, 1, 5}, 4));
  const ValueId one = b.graph.add_constant("one", Tensor::scalar<float>(1));
  ValueId a = b.emit("Add", {b.island(x), bias});
  a = b.emit("PRelu", {a, slope});
  const ValueId c = b.emit("Relu", {b.island(a)});
  ValueId d = b.emit("Concat", {a, c}, {{"axis", int64_t{-1}}});
  d = b.emit("Mul", {one, d});
  d = b.emit("Pad", {d, b.ints({0, 1, 2, 0, 0, 1, 0, 0})});
  d = b.emit("Slice", {d, b.ints({1, 0}), b.ints({9, 4}), b.ints({1, 3})});
  d = b.emit("Softmax", {d}, {{"axis", int64_t{3}}});
  d = b.island(d);
  const ValueId pooled = b.emit("ReduceMean", {d, b.ints({1, 2})}, {{"keepdims", int64_t{0}}});
  const ValueId scale = b.emit("ReduceMax", {d, b.ints({1, 2})}, {{"keepdims", int64_t{1}}});
  const ValueId scaled = b.emit("Mul", {d, scale});
  b.graph.outputs() = {b.island(scaled), pooled};
  const auto before = b.graph.clone();
  eliminate_transpose(b.graph);
  ASSERT_TRUE(ir::verify(b.graph).ok());
  expect_same(*before, b.graph);
  eliminate_dead(b.graph);
  EXPECT_EQ(b.count("Transpose"), 2) << ir::to_text(b.graph, {8});
}

TEST(EliminateTranspose, NamesKeepTheirMeaning) {
  Builder b;
  const ValueId x = b.graph.add_input("x", Type::tensor(DType::kFloat32, {1, 3, 4, 5}));
  const ValueId inner = b.emit("Relu", {b.island(x)});
  b.graph.rename(inner, "inner");
  b.graph.outputs() = {b.island(inner), inner};
  const auto before = b.graph.clone();
  eliminate_transpose(b.graph);
  ASSERT_NE(b.graph.find("inner"), ir::kNoValue);
  EXPECT_EQ(b.graph.type(b.graph.find("inner")).text(), before->type(before->find("inner")).text());
  expect_same(*before, b.graph);
}

TEST(EliminateTranspose, StopsWhereLayoutMatters) {
  // Flattening in NHWC order needs NHWC; an extent of 1 in both places does not.
  for (const int64_t extent : {int64_t{4}, int64_t{1}}) {
    Builder b;
    const ValueId x = b.graph.add_input("x", Type::tensor(DType::kFloat32, {2, extent, extent, 5}));
    const ValueId y = b.nhwc(b.emit("Relu", {b.nchw(x)}));
    b.graph.outputs() = {b.emit("Reshape", {y, b.ints({2, -1})})};
    const auto before = b.graph.clone();
    eliminate_transpose(b.graph);
    expect_same(*before, b.graph);
  }
}

TEST(EliminateTranspose, QuantizationFollowsItsAxis) {
  Builder b;
  const ValueId x = b.graph.add_input("x", Type::tensor(DType::kFloat32, {1, 3, 4, 2}));
  const ValueId scale = b.graph.add_constant("scale", Tensor::of<float>(Shape{2}, {0.01f, 0.02f}));
  const ValueId zero = b.graph.add_constant("zero", Tensor::of<int8_t>(Shape{2}, {3, -5}));
  ValueId y = b.island(x);
  y = b.emit("QuantizeLinear", {y, scale, zero}, {{"axis", int64_t{3}}});
  y = b.emit("DequantizeLinear", {y, scale, zero}, {{"axis", int64_t{-1}}});
  b.graph.outputs() = {b.island(y)};
  const auto before = b.graph.clone();
  eliminate_transpose(b.graph);
  expect_same(*before, b.graph);
  eliminate_dead(b.graph);
  EXPECT_EQ(b.count("Transpose"), 2);
}

TEST(EliminateTranspose, TextToText) {
  const auto graph = parsed(R"(graph "g" {
  input %0 "x": float32[1,2,3,4]
  %1 "t" = Transpose(%0) "t" {perm=[0,3,1,2]} : float32[1,4,2,3]
  %2 "r" = Relu(%1) "r" : float32[1,4,2,3]
  %3 "u" = Transpose(%2) "u" {perm=[0,2,3,1]} : float32[1,2,3,4]
  %4 "y" = Tanh(%3) "y" : float32[1,2,3,4]
  output %4
}
)");
  eliminate_transpose(*graph);
  eliminate_dead(*graph);
  EXPECT_EQ(std::ranges::count(graph->nodes(), "Transpose", &ir::Node::op), 0)
      << ir::to_text(*graph);
  EXPECT_EQ(graph->nodes().size(), 2u);
}

// Random graphs: whatever is moved, the numbers stay.
TEST(EliminateTranspose, RandomGraphsComputeTheSame) {
  uint32_t state = 12345;
  const auto pick = [&](uint32_t n) {
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % n;
  };
  for (int round = 0; round < 150; ++round) {
    Builder b;
    std::vector<ValueId> pool = {
        b.graph.add_input("x", Type::tensor(DType::kFloat32, {2, 3, 4, 5})),
        b.graph.add_input("y", Type::tensor(DType::kFloat32, {2, 3, 4, 5}))};
    for (int i = 0; i < 12; ++i) {
      const ValueId a = pool[pick(static_cast<uint32_t>(pool.size()))];
      const ValueId c = pool[pick(static_cast<uint32_t>(pool.size()))];
      ValueId made = ir::kNoValue;
      switch (pick(10)) {
        case 0:
        case 1:
          made = b.island(a);
          break;
        case 2:
          made = b.emit("Add", {a, c});
          break;
        case 3:
          made = b.emit("Mul", {a, b.graph.add_constant("k", numbers(Shape{5}, round))});
          break;
        case 4:
          made = b.emit("Sub", {b.graph.add_constant("k", numbers(Shape{4, 1}, round)), a});
          break;
        case 5:
          made = b.emit("Relu", {a});
          break;
        case 6: {
          const ValueId twice = b.emit("Concat", {a, c}, {{"axis", static_cast<int64_t>(pick(4))}});
          const Shape shape = *b.graph.type(twice).shape();
          std::vector<int64_t> starts(4, 0), ends = {2, 3, 4, 5}, axes = {0, 1, 2, 3};
          (void)shape;
          made = b.emit("Slice", {twice, b.ints(starts), b.ints(ends), b.ints(axes)});
          break;
        }
        case 7:
          made = b.emit("Mul", {a, b.emit("ReduceMean",
                                          {c, b.ints({1, static_cast<int64_t>(2 + pick(2))})})});
          break;
        case 8:
          made = b.emit("Softmax", {a}, {{"axis", static_cast<int64_t>(pick(4))}});
          break;
        default:
          made = b.emit("Transpose",
                        {b.emit("Transpose", {a}, {{"perm", std::vector<int64_t>{3, 1, 0, 2}}})},
                        {{"perm", std::vector<int64_t>{2, 1, 3, 0}}});
      }
      pool.push_back(made);
    }
    b.graph.outputs() = {
        pool.back(), pool[pool.size() - 2],
        b.emit("ReduceSum", {pool[pool.size() - 3], b.ints({1, 3})}, {{"keepdims", int64_t{0}}})};
    const auto before = b.graph.clone();
    eliminate_transpose(b.graph);
    ASSERT_TRUE(ir::verify(b.graph).ok()) << "round " << round;
    expect_same(*before, b.graph);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace sluice::passes
