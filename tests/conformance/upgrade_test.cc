// Nodes of old opsets, imported and run: each must compute what its own version of the operator
// says, in the vocabulary of the newest.
#include <gtest/gtest.h>

#include <cmath>

#include "base/text.h"
#include "import/import.h"
#include "op/interpreter.h"
#include "ops/registry.h"

namespace sluice {
namespace {

struct OldNode {
  std::string name;
  std::string op;
  int opset = 1;
  AttrMap attrs;
  std::vector<Tensor> inputs;
  Tensor expected;
  std::string domain = "";
};

Tensor floats(const Shape& shape, std::initializer_list<float> values) {
  return Tensor::of<float>(shape, values);
}

std::vector<OldNode> old_nodes() {
  using Ints = std::vector<int64_t>;
  const Tensor x = floats(Shape{2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor zeros = floats(Shape{2, 2, 2}, {0, 0, 0, 0, 0, 0, 0, 0});
  const Tensor pair = floats(Shape{2}, {1, 2});
  std::vector<OldNode> out;
  out.push_back({"add_along_axis_1",
                 "Add",
                 6,
                 {{"broadcast", int64_t{1}}, {"axis", int64_t{1}}},
                 {zeros, pair},
                 floats(Shape{2, 2, 2}, {1, 1, 2, 2, 1, 1, 2, 2})});
  out.push_back({"mul_along_axis_0",
                 "Mul",
                 6,
                 {{"broadcast", int64_t{1}}, {"axis", int64_t{0}}},
                 {floats(Shape{2, 2}, {1, 2, 3, 4}), pair},
                 floats(Shape{2, 2}, {1, 2, 6, 8})});
  out.push_back({"sub_suffix",
                 "Sub",
                 6,
                 {{"broadcast", int64_t{1}}},
                 {floats(Shape{2, 2}, {1, 2, 3, 4}), pair},
                 floats(Shape{2, 2}, {0, 0, 2, 2})});
  out.push_back({"greater_along_axis_0",
                 "Greater",
                 1,
                 {{"broadcast", int64_t{1}}, {"axis", int64_t{0}}},
                 {floats(Shape{2, 2}, {1, 2, 2, 3}), pair},
                 Tensor::of<bool>(Shape{2, 2}, {false, true, false, true})});
  out.push_back({"clip_attributes",
                 "Clip",
                 6,
                 {{"min", 2.0f}, {"max", 4.5f}},
                 {x},
                 floats(Shape{2, 3}, {2, 2, 3, 4, 4.5f, 4.5f})});
  out.push_back(
      {"clip_min_only", "Clip", 6, {{"min", 2.0f}}, {x}, floats(Shape{2, 3}, {2, 2, 3, 4, 5, 6})});
  out.push_back({"prelu_channels",
                 "PRelu",
                 6,
                 {},
                 {floats(Shape{1, 2, 2}, {-1, -2, -3, -4}), floats(Shape{2}, {0.5f, 2})},
                 floats(Shape{1, 2, 2}, {-0.5f, -1, -6, -8})});
  out.push_back({"cast_by_name",
                 "Cast",
                 1,
                 {{"to", std::string("INT32")}},
                 {x},
                 Tensor::of<int32_t>(Shape{2, 3}, {1, 2, 3, 4, 5, 6})});
  out.push_back({"reduce_sum_axes",
                 "ReduceSum",
                 11,
                 {{"axes", Ints{1}}, {"keepdims", int64_t{0}}},
                 {x},
                 floats(Shape{2}, {6, 15})});
  out.push_back({"reduce_max_axes",
                 "ReduceMax",
                 13,
                 {{"axes", Ints{-2}}},
                 {x},
                 floats(Shape{1, 3}, {4, 5, 6})});
  out.push_back({"reduce_mean_all", "ReduceMean", 1, {}, {x}, floats(Shape{1, 1}, {3.5f})});
  // Two values in each of four equal places: seen as [2, 4], every row sums to 1.
  out.push_back({"softmax_flattens",
                 "Softmax",
                 11,
                 {},
                 {zeros},
                 floats(Shape{2, 2, 2}, {0.25f, 0.25f, 0.25f, 0.25f, 0.25f, 0.25f, 0.25f, 0.25f})});
  out.push_back(
      {"softmax_axis_0_is_everything",
       "Softmax",
       7,
       {{"axis", int64_t{0}}},
       {zeros},
       floats(Shape{2, 2, 2}, {0.125f, 0.125f, 0.125f, 0.125f, 0.125f, 0.125f, 0.125f, 0.125f})});
  out.push_back({"softmax_last_axis",
                 "Softmax",
                 13,
                 {},
                 {zeros},
                 floats(Shape{2, 2, 2}, {0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f})});
  out.push_back({"hardmax_flattens",
                 "Hardmax",
                 1,
                 {},
                 {floats(Shape{1, 2, 2}, {1, 9, 3, 9})},
                 floats(Shape{1, 2, 2}, {0, 1, 0, 0})});
  const std::vector<std::string> labels = {"a", "b"};
  out.push_back({"label_encoder_1",
                 "LabelEncoder",
                 1,
                 {{"classes_strings", labels}, {"default_int64", int64_t{-7}}},
                 {Tensor::of_strings(Shape{3}, std::vector<std::string>{"b", "x", "a"})},
                 Tensor::of<int64_t>(Shape{3}, {1, -7, 0}),
                 "ai.onnx.ml"});
  out.push_back({"category_mapper",
                 "CategoryMapper",
                 1,
                 {{"cats_strings", labels}, {"cats_int64s", Ints{10, 20}}},
                 {Tensor::of_strings(Shape{2}, std::vector<std::string>{"b", "x"})},
                 Tensor::of<int64_t>(Shape{2}, {20, -1}),
                 "ai.onnx.ml"});
  return out;
}

class Upgrade : public testing::TestWithParam<OldNode> {};

TEST_P(Upgrade, ComputesWhatTheOldVersionSaid) {
  const OldNode& old = GetParam();
  format::Model model;
  model.source = old.name;
  model.opsets = {{old.domain, old.opset}};
  if (!old.domain.empty()) model.opsets.emplace_back("", 13);
  format::GraphDecl graph;
  format::NodeDecl node;
  node.op = old.op;
  node.domain = old.domain;
  node.attrs = old.attrs;
  node.outputs = {"y"};
  std::vector<Value> feeds;
  for (size_t i = 0; i < old.inputs.size(); ++i) {
    const std::string name = cat("x", i);
    node.inputs.push_back(name);
    graph.inputs.push_back(
        {name, Type::tensor(old.inputs[i].dtype(), to_dims(old.inputs[i].shape()))});
    feeds.emplace_back(old.inputs[i]);
  }
  graph.outputs = {{"y", Type{}}};
  graph.nodes.push_back(std::move(node));
  model.graphs.push_back(std::move(graph));
  const op::Registry& registry = ops::registry();
  auto imported = import::import_model(model, registry);
  ASSERT_TRUE(imported.ok()) << imported.error().text();
  const auto result = op::interpret(registry, *imported, feeds);
  ASSERT_TRUE(result.ok()) << result.error().text();
  const Tensor& got = result->at(0).tensor();
  ASSERT_EQ(got.text(), old.expected.text());
  for (int64_t i = 0; i < got.elements(); ++i) {
    EXPECT_NEAR(got.get_double(i), old.expected.get_double(i), 1e-6) << "element " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Opsets, Upgrade, testing::ValuesIn(old_nodes()),
                         [](const auto& node) { return node.param.name; });

}  // namespace
}  // namespace sluice
