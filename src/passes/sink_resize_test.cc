#include "passes/sink_resize.h"

#include <gtest/gtest.h>

#include "ir/text.h"
#include "ir/verify.h"
#include "ops/test_graph.h"

namespace sluice::passes {
namespace {

using ir::ValueId;

// x[2,16,5,6] enlarged to 10 x 12, then a convolution to 24 channels.
struct Net : ops::TestGraph {
  ValueId x = graph.add_input("x", Type::tensor(DType::kFloat32, {2, 16, 5, 6}));
  ValueId enlarged, out;

  explicit Net(AttrMap resize = {}, const std::vector<int64_t>& sizes = {2, 16, 10, 12},
               const Shape& weight = {24, 16, 1, 1}, AttrMap conv = {}) {
    if (resize.find("mode") == nullptr) resize.set("mode", std::string("linear"));
    enlarged = emit("Resize", {x, ir::kNoValue, ir::kNoValue, ints(sizes)}, std::move(resize));
    const ValueId w = graph.add_constant("w", op::case_floats(weight, 2));
    const ValueId b = graph.add_constant("b", op::case_floats(Shape{weight[0]}, 3));
    out = emit("Conv", {enlarged, w, b}, std::move(conv));
    graph.rename(out, "out");
    graph.outputs() = {out};
  }
  Tensor run() const { return reference({Value(op::case_floats(Shape{2, 16, 5, 6}, 1))}); }
};

void expect_moved(Net net) {
  const Tensor want = net.run();
  ASSERT_EQ(sink_resize(net.graph), 1);
  ASSERT_TRUE(ir::verify(net.graph).ok()) << ir::to_text(net.graph);
  ASSERT_EQ(net.graph.nodes().size(), 2u);
  EXPECT_EQ(net.graph.nodes()[0].op, "Conv");
  EXPECT_EQ(net.graph.value(net.graph.outputs()[0]).name, "out");
  const Tensor got = net.run();
  ASSERT_EQ(got.text(), want.text());
  for (int64_t i = 0; i < want.elements(); ++i) {
    ASSERT_NEAR(got.data<float>()[i], want.data<float>()[i], 1e-5) << "element " << i;
  }
}

TEST(SinkResize, ConvolvesTheSmallerPicture) {
  expect_moved(Net());
  expect_moved(Net({{"axes", std::vector<int64_t>{2, 3}}}, {10, 12}));
  expect_moved(Net({{"axes", std::vector<int64_t>{-1, 2}}}, {18, 5}));
  for (const char* how : {"align_corners", "asymmetric", "half_pixel"}) {
    expect_moved(Net({{"coordinate_transformation_mode", std::string(how)}}, {2, 16, 11, 17}));
  }
}

TEST(SinkResize, LeavesTheRest) {
  const auto moved = [](Net net) { return sink_resize(net.graph); };
  EXPECT_EQ(moved(Net({{"mode", std::string("cubic")}})), 0);
  EXPECT_EQ(moved(Net({}, {2, 16, 5, 7})), 0) << "hardly larger";
  EXPECT_EQ(moved(Net({}, {2, 16, 3, 20})), 0) << "less high";
  EXPECT_EQ(moved(Net({}, {2, 32, 10, 12}, {24, 32, 1, 1})), 0) << "channels are mixed";
  EXPECT_EQ(moved(Net({{"antialias", int64_t{1}}})), 0);
  EXPECT_EQ(moved(Net({}, {2, 16, 10, 12}, {24, 16, 3, 3})), 0);
  EXPECT_EQ(moved(Net({}, {2, 16, 10, 12}, {40, 16, 1, 1})), 0) << "more to enlarge";
  EXPECT_EQ(moved(Net({}, {2, 16, 10, 12}, {24, 4, 1, 1}, {{"group", int64_t{4}}})), 0);
  for (const char* name : {"strides", "pads"}) {
    const size_t n = std::string_view(name) == "pads" ? 4 : 2;
    EXPECT_EQ(moved(Net({}, {2, 16, 10, 12}, {24, 16, 1, 1}, {{name, std::vector<int64_t>(n, 2)}})),
              0);
  }
  Net read;
  read.graph.outputs().push_back(read.enlarged);
  EXPECT_EQ(sink_resize(read.graph), 0) << "the enlarged picture is a result";
}

}  // namespace
}  // namespace sluice::passes
