#include "compile/spare_memory.h"

#include <gtest/gtest.h>

#include "ops/test_graph.h"

namespace sluice::compile {
namespace {

using ir::ValueId;

constexpr uint64_t kPlane = 1 << 20;  // bytes of a channel

// x[1,c,512,512] -> two convolutions to c channels each, one after the other -> Concat ->
// convolution to c channels -> convolution to one.
struct Net : ops::TestGraph {
  ValueId conv(ValueId in, int64_t from, int64_t to, std::string_view name) {
    const auto weight = Tensor::allocate(DType::kFloat32, Shape{to, from, 1, 1});
    SLUICE_CHECK(weight.ok());
    const ValueId w = graph.add_constant("w", *weight);
    const ValueId out = emit("Conv", {in, w});
    graph.rename(out, name);
    return out;
  }
  explicit Net(int64_t channels) {
    const ValueId x = graph.add_input("x", Type::tensor(DType::kFloat32, {1, channels, 512, 512}));
    const ValueId a = conv(x, channels, channels, "a");
    const ValueId small = conv(a, channels, 1, "small");
    const ValueId b = conv(small, 1, channels, "b");
    const ValueId join = emit("Concat", {a, b}, {{"axis", int64_t{1}}});
    const ValueId wide = conv(join, 2 * channels, channels, "wide");
    graph.outputs() = {conv(wide, channels, 1, "out")};
  }
  uint64_t arena(const CpuOptions& options = {}) {
    auto plan = compile_sparing_memory(ops::registry(), graph, options);
    SLUICE_CHECK(plan.ok());
    const auto layout = plan::lay_out(**plan, {});
    SLUICE_CHECK(layout.ok());
    return layout->arena_bytes;
  }
};

TEST(SpareMemory, CutsTheConvolutionThatNeedsMost) {
  Net net(16);
  // The sum so far and b, from which it is made (small); before, a, b and the result.
  EXPECT_EQ(net.arena(), 33 * kPlane);
  EXPECT_NE(net.graph.find("wide_early"), ir::kNoValue);
}

TEST(SpareMemory, LeavesSmallGraphsAndThoseWithoutReuse) {
  Net small(4);
  EXPECT_EQ(small.arena(), 12 * kPlane);
  EXPECT_EQ(small.graph.find("wide_early"), ir::kNoValue);
  Net dumped(16);
  CpuOptions options;
  options.reuse_memory = false;
  dumped.arena(options);
  EXPECT_EQ(dumped.graph.find("wide_early"), ir::kNoValue);
}

}  // namespace
}  // namespace sluice::compile
