#include "ops/norm/norm.h"

#include <gtest/gtest.h>

#include "op/op.h"

namespace sluice::ops::norm {

std::span<const op::OpDef> op_defs();

namespace {

const op::OpDef& def(std::string_view name) {
  for (const op::OpDef& def : op_defs()) {
    if (def.name == name && def.domain.empty()) return def;
  }
  std::abort();
}

struct Upgraded {
  ir::Graph graph;
  ir::Node node;
  std::vector<ir::Node> before, after;
};

Upgraded upgraded(std::string_view op, int opset, int inputs, int outputs, AttrMap attrs) {
  Upgraded out;
  out.node.op = op;
  out.node.attrs = std::move(attrs);
  for (int i = 0; i < inputs; ++i) {
    out.node.inputs.push_back(out.graph.add_input("x", Type::tensor(DType::kFloat32)));
  }
  for (int i = 0; i < outputs; ++i) out.node.outputs.push_back(out.graph.add_value("y"));
  op::UpgradeContext context(out.graph, out.node, opset);
  EXPECT_TRUE(def(op).upgrade(context).ok());
  out.before = std::move(context.before);
  out.after = std::move(context.after);
  return out;
}

TEST(Upgrade, BatchNormalizationOfOneOutputIsInference) {
  const auto u = upgraded("BatchNormalization", 7, 5, 1, {});
  EXPECT_FALSE(u.node.attrs.has("training_mode"));
  EXPECT_EQ(u.node.outputs.size(), 1u);
}

TEST(Upgrade, BatchNormalizationOfFiveOutputsIsTraining) {
  const auto u = upgraded("BatchNormalization", 9, 5, 5, {});
  EXPECT_EQ(u.node.attrs.int_or("training_mode", 0), 1);
  EXPECT_EQ(u.node.outputs.size(), 3u);
}

TEST(Upgrade, BatchNormalizationInTestModeStaysInference) {
  const auto u = upgraded("BatchNormalization", 6, 5, 5, {{"is_test", int64_t{1}}});
  EXPECT_FALSE(u.node.attrs.has("training_mode"));
  EXPECT_FALSE(u.node.attrs.has("is_test"));
  EXPECT_EQ(u.node.outputs.size(), 1u);
}

TEST(Upgrade, BatchNormalizationPerElementIsFlattened) {
  const auto u = upgraded("BatchNormalization", 7, 5, 1, {{"spatial", int64_t{0}}});
  ASSERT_EQ(u.after.size(), 1u);
  EXPECT_EQ(u.after[0].op, "Reshape");
  EXPECT_EQ(u.before.size(), 6u);  // Shape, Flatten, four Reshapes
}

TEST(Upgrade, GroupNormalizationSpreadsScalesOverChannels) {
  const auto u = upgraded("GroupNormalization", 18, 3, 1, {{"num_groups", int64_t{2}}});
  EXPECT_EQ(u.before.back().op, "Reshape");
  EXPECT_EQ(u.node.inputs[2], u.before.back().outputs[0]);
}

TEST(Upgrade, DropoutForgetsItsRatio) {
  const auto u = upgraded("Dropout", 7, 1, 2, {{"ratio", 0.3f}});
  EXPECT_FALSE(u.node.attrs.has("ratio"));
  ASSERT_EQ(u.after.size(), 1u);  // the mask had the data's dtype
  EXPECT_EQ(u.after[0].op, "Cast");
}

}  // namespace
}  // namespace sluice::ops::norm
