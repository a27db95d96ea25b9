// Loops without iterations, states that change shape, and nests: what the public tests leave out.
#include "ops/control/control.h"

#include <gtest/gtest.h>

#include "op/interpreter.h"
#include "ops/registry.h"

namespace sluice::ops::control {
namespace {

using ir::Graph;

// body(i, condition, state) -> (condition, state joined with itself, i + i)
std::unique_ptr<Graph> doubling_body() {
  auto body = std::make_unique<Graph>();
  const auto i = body->add_input("i", Type::tensor(DType::kInt64, {}));
  const auto go = body->add_input("go", Type::tensor(DType::kBool, {}));
  const auto state = body->add_input("state", Type{});
  const auto twice =
      body->node(body->add_node("Concat", {state, state}, 1, {{"axis", int64_t{0}}})).output(0);
  const auto sum = body->node(body->add_node("Add", {i, i})).output(0);
  body->outputs() = {go, twice, sum};
  return body;
}

Graph loop_graph(int64_t trips) {
  Graph graph;
  const auto count = graph.add_constant("count", Tensor::scalar(trips));
  const auto state = graph.add_input("state", Type::tensor(DType::kFloat32, {Dim(3)}));
  const auto node =
      graph.add_node("Loop", {count, ir::kNoValue, state}, 2,
                     {{std::string(kScanOutputTypes), std::vector<std::string>{"int64[]"}}});
  graph.nodes()[static_cast<size_t>(node)].subgraphs.push_back({"body", doubling_body(), {}});
  graph.outputs() = graph.node(node).outputs;
  return graph;
}

TEST(Loop, StateMayGrow) {
  Graph graph = loop_graph(3);
  ASSERT_TRUE(op::infer_graph(registry(), graph).ok());
  EXPECT_EQ(graph.type(graph.outputs()[0]).text(), "float32[?]");
  EXPECT_EQ(graph.type(graph.outputs()[1]).text(), "int64[?]");
  const Value state(Tensor::of<float>(Shape{3}, {1, 2, 3}));
  const auto out = op::interpret(registry(), graph, std::span(&state, 1));
  ASSERT_TRUE(out.ok()) << out.error().text();
  EXPECT_EQ((*out)[0].tensor().text(), "float32[24]");
  EXPECT_EQ((*out)[1].tensor().to_ints(), (std::vector<int64_t>{0, 2, 4}));
}

TEST(Loop, MayNeverRun) {
  for (const int64_t trips : {int64_t{0}, int64_t{-5}}) {
    Graph graph = loop_graph(trips);
    ASSERT_TRUE(op::infer_graph(registry(), graph).ok());
    const Value state(Tensor::of<float>(Shape{3}, {1, 2, 3}));
    const auto out = op::interpret(registry(), graph, std::span(&state, 1));
    ASSERT_TRUE(out.ok()) << out.error().text();
    EXPECT_EQ((*out)[0].tensor().text(), "float32[3]");
    EXPECT_EQ((*out)[1].tensor().text(), "int64[0]");
  }
}

// 30 loops in each other: inference must not repeat itself at every level.
TEST(Loop, NestsDeep) {
  std::unique_ptr<Graph> body = doubling_body();
  for (int depth = 0; depth < 30; ++depth) {
    auto outer = std::make_unique<Graph>();
    const auto i = outer->add_input("i", Type::tensor(DType::kInt64, {}));
    const auto go = outer->add_input("go", Type::tensor(DType::kBool, {}));
    const auto state = outer->add_input("state", Type{});
    const auto one = outer->add_constant("one", Tensor::scalar<int64_t>(1));
    const auto node = outer->add_node("Loop", {one, go, state}, 1);
    outer->nodes()[static_cast<size_t>(node)].subgraphs.push_back({"body", std::move(body), {}});
    outer->outputs() = {go, outer->node(node).output(0), i};
    body = std::move(outer);
  }
  Graph graph;
  const auto count = graph.add_constant("count", Tensor::scalar<int64_t>(1));
  const auto state = graph.add_input("state", Type::tensor(DType::kFloat32, {Dim(1)}));
  const auto node = graph.add_node("Loop", {count, ir::kNoValue, state}, 1);
  graph.nodes()[static_cast<size_t>(node)].subgraphs.push_back({"body", std::move(body), {}});
  graph.outputs() = graph.node(node).outputs;
  ASSERT_TRUE(op::infer_graph(registry(), graph).ok());
  const Value one(Tensor::of<float>(Shape{1}, {7}));
  const auto out = op::interpret(registry(), graph, std::span(&one, 1));
  ASSERT_TRUE(out.ok()) << out.error().text();
  EXPECT_EQ((*out)[0].tensor().text(), "float32[2]");
}

TEST(Scan, WantsItsInputsEquallyLong) {
  auto body = std::make_unique<Graph>();
  const auto a = body->add_input("a", Type{}), b = body->add_input("b", Type{});
  body->outputs() = {body->node(body->add_node("Add", {a, b})).output(0)};
  Graph graph;
  const auto x = graph.add_input("x", Type::tensor(DType::kFloat32, {Dim::symbol("n")}));
  const auto y = graph.add_input("y", Type::tensor(DType::kFloat32, {Dim::symbol("m")}));
  const auto node = graph.add_node("Scan", {x, y}, 1, {{"num_scan_inputs", int64_t{2}}});
  graph.nodes()[static_cast<size_t>(node)].subgraphs.push_back({"body", std::move(body), {}});
  graph.outputs() = graph.node(node).outputs;
  ASSERT_TRUE(op::infer_graph(registry(), graph).ok());
  const std::vector<Value> good = {Tensor::of<float>(Shape{2}, {1, 2}),
                                   Tensor::of<float>(Shape{2}, {3, 4})};
  const auto out = op::interpret(registry(), graph, good);
  ASSERT_TRUE(out.ok()) << out.error().text();
  EXPECT_EQ((*out)[0].tensor().to_doubles(), (std::vector<double>{4, 6}));
  const std::vector<Value> bad = {Tensor::of<float>(Shape{2}, {1, 2}),
                                  Tensor::of<float>(Shape{1}, {3})};
  EXPECT_FALSE(op::interpret(registry(), graph, bad).ok());
}

}  // namespace
}  // namespace sluice::ops::control
