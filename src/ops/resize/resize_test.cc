#include "ops/resize/resize.h"

#include <gtest/gtest.h>

#include <cmath>

#include "op/op.h"

namespace sluice::ops::resize {

std::span<const op::OpDef> op_defs();

namespace {

using Ints = std::vector<int64_t>;

const op::OpDef& def(std::string_view name) {
  for (const op::OpDef& def : op_defs()) {
    if (def.name == name && def.domain.empty()) return def;
  }
  std::abort();
}

TEST(ResizeSizes, KeepsTheAspectRatio) {
  const AttrMap attrs{{"keep_aspect_ratio_policy", std::string("not_larger")},
                      {"axes", Ints{1, 2}}};
  const Ints sizes{7, 8};
  const auto axes = resize_sizes(attrs, Shape{3, 2, 4}, {}, {}, sizes);
  ASSERT_TRUE(axes.ok());
  EXPECT_EQ(resize_output_shape(*axes).text(), "[3,4,8]");
}

TEST(ResizeSizes, RefusesNonsense) {
  const double scales[] = {2, 2}, zero[] = {0, 1}, endless[] = {INFINITY, 1};
  const Ints sizes{4, 4}, negative{-1, 4};
  EXPECT_FALSE(resize_sizes({}, Shape{2, 2}, {}, scales, sizes).ok());
  EXPECT_FALSE(resize_sizes({}, Shape{2, 2}, {}, {}, {}).ok());
  EXPECT_FALSE(resize_sizes({}, Shape{2, 2, 2}, {}, scales, {}).ok());
  EXPECT_FALSE(resize_sizes({}, Shape{2, 2}, {}, zero, {}).ok());
  EXPECT_FALSE(resize_sizes({}, Shape{2, 2}, {}, endless, {}).ok());
  EXPECT_FALSE(resize_sizes({}, Shape{2, 2}, {}, {}, negative).ok());
  EXPECT_FALSE(resize_sizes({}, Shape{0, 2}, {}, {}, sizes).ok());
  EXPECT_FALSE(resize_sizes({{"axes", Ints{0, 0}}}, Shape{2, 2}, {}, scales, {}).ok());
  EXPECT_FALSE(resize_sizes({{"mode", std::string("sharp")}}, Shape{2, 2}, {}, scales, {}).ok());
}

TEST(ResizeAxis, WeightsSumToOneAndTapsStayInside) {
  for (const char* mode : {"linear", "cubic"}) {
    for (const int64_t antialias : {0, 1}) {
      const auto attrs = read_resize_attrs({{"mode", std::string(mode)}, {"antialias", antialias}});
      ASSERT_TRUE(attrs.ok());
      for (const int64_t out : {1, 2, 3, 5, 13}) {
        const auto axis =
            resize_axis(*attrs, {.in = 6, .out = out, .scale = static_cast<double>(out) / 6});
        ASSERT_TRUE(axis.ok());
        for (int64_t o = 0; o < out; ++o) {
          double sum = 0;
          for (int64_t t = 0; t < axis->taps; ++t) {
            const auto at = static_cast<size_t>(o * axis->taps + t);
            sum += axis->weight[at];
            EXPECT_GE(axis->index[at], 0);
            EXPECT_LT(axis->index[at], 6);
          }
          EXPECT_NEAR(sum, 1, 1e-12);
        }
      }
    }
  }
}

TEST(ResizeAxis, SurvivesRegionsThatAreNoNumbers) {
  const auto attrs =
      read_resize_attrs({{"mode", std::string("linear")},
                         {"coordinate_transformation_mode", std::string("tf_crop_and_resize")}});
  ASSERT_TRUE(attrs.ok());
  for (const double bad : {static_cast<double>(NAN), static_cast<double>(INFINITY), -1e300}) {
    const auto axis = resize_axis(*attrs, {.in = 3, .out = 4, .roi_start = bad, .roi_end = 1});
    ASSERT_TRUE(axis.ok());
    EXPECT_EQ(axis->beyond[0], 1);
  }
}

TEST(Upgrade, UpsampleBecomesResize) {
  ir::Graph graph;
  const auto x = graph.add_input("x", Type::tensor(DType::kFloat32));
  ir::Node node{.op = "Upsample", .inputs = {x}, .outputs = {graph.add_value("y")}};
  node.attrs.set("scales", std::vector<float>{1, 1, 2, 2});
  op::UpgradeContext context(graph, node, 7);
  ASSERT_TRUE(def("Upsample").upgrade(context).ok());
  EXPECT_EQ(node.op, "Resize");
  EXPECT_EQ(node.attrs.string_or("coordinate_transformation_mode", ""), "asymmetric");
  EXPECT_EQ(node.attrs.string_or("nearest_mode", ""), "floor");
  ASSERT_EQ(node.inputs.size(), 3u);
  EXPECT_EQ(graph.value(node.inputs[2]).constant->to_doubles(), (std::vector<double>{1, 1, 2, 2}));
}

// Opset 10 rounds up where it shrinks and down where it grows.
TEST(Upgrade, MixedScalesTakeTwoResizes) {
  ir::Graph graph;
  const auto x = graph.add_input("x", Type::tensor(DType::kFloat32));
  const auto scales = graph.add_constant("s", Tensor::of<float>(Shape{2}, {0.5f, 2.0f}));
  ir::Node node{.op = "Resize", .inputs = {x, scales}, .outputs = {graph.add_value("y")}};
  op::UpgradeContext context(graph, node, 10);
  ASSERT_TRUE(def("Resize").upgrade(context).ok());
  ASSERT_EQ(context.before.size(), 1u);
  EXPECT_EQ(context.before[0].attrs.string_or("nearest_mode", ""), "ceil");
  EXPECT_EQ(node.attrs.string_or("nearest_mode", ""), "floor");
}

}  // namespace
}  // namespace sluice::ops::resize
