#include "ir/text.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ir/verify.h"

namespace sluice::ir {
namespace {

TEST(GraphText, PrintsAndParsesBack) {
  Graph graph;
  graph.name = "a \"graph\"\n";
  graph.metadata.emplace_back("opset", "21");
  const ValueId x = graph.add_input("x", Type::tensor(DType::kFloat32, {Dim::symbol("N"), 2}));
  const ValueId w = graph.add_constant("w", Tensor::of<float>(Shape{2}, {1.5f, -1e-30f}));
  const ValueId big =
      graph.add_constant("big", Tensor::allocate(DType::kFloat16, Shape{40}).value());
  const ValueId words = graph.add_constant(
      "words", Tensor::of_strings(Shape{2}, std::vector<std::string>{"a\"b", "\xff"}));
  const NodeId add =
      graph.add_node("Add", {x, w}, 1,
                     AttrMap{{"f", Attribute(0.1f)},
                             {"i", Attribute(int64_t{-7})},
                             {"is", Attribute(std::vector<int64_t>{1, 2})},
                             {"fs", Attribute(std::vector<float>{1.0f, INFINITY})},
                             {"s", Attribute(std::string("x, y}"))},
                             {"ss", Attribute(std::vector<std::string>{"p", "q"})},
                             {"t", Attribute(Tensor::of<int64_t>(Shape{3}, {1, 2, 3}))},
                             {"ty", Attribute(Type::sequence(Type::tensor(DType::kInt8, {1})))}});
  const NodeId other = graph.add_node("Thing", {graph.node(add).outputs[0], kNoValue, big, words},
                                      2, {}, "com.example");
  Node loop;
  loop.op = "If";
  loop.name = "choose";
  loop.inputs = {x};
  Subgraph sub;
  sub.name = "then_branch";
  sub.graph = std::make_unique<Graph>();
  sub.graph->outputs() = {sub.graph->add_capture("x", Type::tensor(DType::kFloat32))};
  sub.captures = {x};
  loop.subgraphs.push_back(std::move(sub));
  loop.outputs = {graph.add_value("chosen", Type::tensor(DType::kFloat32))};
  graph.add_node(std::move(loop));
  graph.outputs() = {graph.node(other).outputs[1]};

  const std::string text = to_text(graph);
  auto parsed = parse_text(text);
  ASSERT_TRUE(parsed.ok()) << parsed.error().text() << "\n" << text;
  EXPECT_EQ(to_text(**parsed), text);
  EXPECT_TRUE(verify(**parsed).ok());
}

TEST(GraphText, EveryPrefixIsRefusedOrSmaller) {
  const std::string text =
      "graph \"g\" {\n  input %0 \"x\": float32[N,2]\n  %1 \"y\" = Relu(%0) \"r\" {a=1} : "
      "float32[N,2]\n"
      "  output %1\n}\n";
  ASSERT_TRUE(parse_text(text).ok());
  for (size_t n = 0; n + 2 < text.size(); ++n)
    EXPECT_FALSE(parse_text(text.substr(0, n)).ok()) << n;
}

}  // namespace
}  // namespace sluice::ir
