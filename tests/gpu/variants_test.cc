// Kernels that are chosen by capability or by estimate, each against the reference and by request:
// subgroups and trees in workgroup memory, Winograd's convolution and the implicit product.
#include <gtest/gtest.h>

#include "exec/webgpu/executor.h"
#include "gpu/on_device.h"

namespace sluice::gpu_tests {
namespace {

using op::case_floats;

// Runs the plan of the net for these features.
void expect_planned(const Net& net, const plan::Features& features, const session::Options& options,
                    const std::shared_ptr<exec::webgpu::Device>& device,
                    const std::vector<Value>& want, double atol, double rtol,
                    std::shared_ptr<plan::Plan>& plan) {
  const auto planned = session::plan_for_gpu(*net.graph, options, features);
  ASSERT_TRUE(planned.ok()) << planned.error().text();
  ASSERT_TRUE(planned->islands.empty());
  plan = planned->plan;
  exec::webgpu::ExecutorOptions how;
  how.fill_word = 0x7fc0ffee;
  auto executor = exec::webgpu::Executor::create(planned->plan, device, how);
  ASSERT_TRUE(executor.ok()) << executor.error().text();
  const auto got = (*executor)->run(net.feeds, {});
  ASSERT_TRUE(got.ok()) << got.error().text();
  ASSERT_EQ(got->size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(conformance::compare((*got)[i], want[i], atol, rtol), "") << "output " << i;
  }
}

TEST(GpuVariants, SubgroupsAndTreesAgreeWithTheReference) {
  SLUICE_NEED_DEVICE();
  if (!held.device->features().subgroups) GTEST_SKIP() << "not run: no subgroups";
  Net net;
  const ir::ValueId x = net.input(case_floats(Shape{3, 5, 1500}, 1, 3.0));
  net.output(net.one("Softmax", {x}, {{"axis", int64_t{-1}}}));
  net.output(net.one("LogSoftmax", {x}, {{"axis", int64_t{1}}}));
  net.output(
      net.one("Softmax", {net.input(case_floats(Shape{2, 1025, 3}, 2))}, {{"axis", int64_t{1}}}));
  net.output(net.one("LayerNormalization", {x, net.constant(case_floats(Shape{1500}, 3)),
                                            net.constant(case_floats(Shape{1500}, 4))}));
  net.output(net.one("RMSNormalization", {net.input(case_floats(Shape{7, 300}, 5)),
                                          net.constant(case_floats(Shape{300}, 6))}));
  net.output(net.one("InstanceNormalization", {net.input(case_floats(Shape{2, 3, 40, 50}, 7)),
                                               net.constant(case_floats(Shape{3}, 8)),
                                               net.constant(case_floats(Shape{3}, 9))}));
  net.output(net.one("ReduceMean", {x, net.ints({2})}));
  net.output(net.one("ReduceL2", {x, net.ints({0, 1, 2})}));
  net.output(net.one("ReduceSum", {net.input(case_floats(Shape{9, 257}, 10)), net.ints({1})}));
  ASSERT_TRUE(net.infer().ok());
  const auto want = op::interpret(ops::registry(), *net.graph, net.feeds);
  ASSERT_TRUE(want.ok()) << want.error().text();
  for (const bool subgroups : {true, false}) {
    SCOPED_TRACE(cat("subgroups ", subgroups));
    plan::Features features = held.device->features();
    features.subgroups = subgroups;
    std::shared_ptr<plan::Plan> plan;
    expect_planned(net, features, software(), held.device, *want, 1e-5, 1e-5, plan);
    ASSERT_NE(plan, nullptr);
    int with = 0;
    for (const plan::Pipeline& pipeline : plan->pipelines) {
      with += pipeline.wgsl.find("subgroupAdd(") != std::string::npos;
    }
    EXPECT_EQ(with >= 5, subgroups) << with;
    EXPECT_EQ(with == 0, !subgroups) << with;
  }
}

TEST(GpuVariants, WinogradIsWithinTheErrorOfALayer) {
  SLUICE_NEED_DEVICE();
  struct Row {
    Shape x;
    int64_t rows, pad;
    bool fused;
  };
  for (const Row& row : {Row{{1, 1, 3, 3}, 1, 0, false},
                         {{1, 3, 9, 7}, 9, 1, true},
                         {{2, 17, 8, 8}, 33, 1, false},
                         {{3, 40, 13, 6}, 21, 2, true},
                         {{1, 64, 16, 16}, 64, 1, true},
                         {{2, 5, 4, 21}, 12, 0, true}}) {
    SCOPED_TRACE(cat(row.x.text(), " to ", row.rows, ", pad ", row.pad));
    Net net;
    const int64_t less = 2 - 2 * row.pad;
    AttrMap attrs = {{"pads", std::vector<int64_t>(4, row.pad)}};
    std::vector<ir::ValueId> in = {net.input(case_floats(row.x, 1)),
                                   net.constant(case_floats(Shape{row.rows, row.x[1], 3, 3}, 2)),
                                   net.constant(case_floats(Shape{row.rows}, 3))};
    if (row.fused) {
      attrs.set("activation", std::string("LeakyRelu"));
      in.push_back(
          net.input(case_floats(Shape{row.x[0], row.rows, row.x[2] - less, row.x[3] - less}, 4)));
    }
    net.output(row.fused ? net.one("FusedConv", in, attrs, "sluice") : net.one("Conv", in, attrs));
    ASSERT_TRUE(net.infer().ok());
    const auto want = op::interpret(ops::registry(), *net.graph, net.feeds);
    ASSERT_TRUE(want.ok()) << want.error().text();
    for (const bool winograd : {true, false}) {
      SCOPED_TRACE(cat("winograd ", winograd));
      session::Options options = software();
      options.kernels = {winograd ? "conv.winograd" : "-conv.winograd"};
      std::shared_ptr<plan::Plan> plan;
      expect_planned(net, held.device->features(), options, held.device, *want, 1e-4, 1e-3, plan);
      ASSERT_NE(plan, nullptr);
      EXPECT_EQ(plan->steps[0].kernel == "conv.winograd", winograd) << plan->steps[0].kernel;
    }
  }
}

// Where the transforms move more than the products save, the estimate says so.
TEST(GpuVariants, WinogradIsChosenWhereTheEstimateIsClearlyBetter) {
  for (const auto& [channels, side, expected] : {std::tuple{int64_t{16}, int64_t{256}, false},
                                                 {64, 256, false},
                                                 {256, 128, true},
                                                 {512, 64, true}}) {
    SCOPED_TRACE(cat(channels, " channels at ", side));
    Net net;
    Tensor x = Tensor::shape_only(DType::kFloat32, Shape{1, channels, side, side});
    const ir::ValueId in =
        net.graph->add_input("x", Type::tensor(DType::kFloat32, to_dims(x.shape())));
    net.output(net.one("Conv", {in, net.constant(case_floats(Shape{channels, channels, 3, 3}))},
                       {{"pads", std::vector<int64_t>{1, 1, 1, 1}}}));
    ASSERT_TRUE(net.infer().ok());
    const auto planned = session::plan_for_gpu(*net.graph, {}, {});
    ASSERT_TRUE(planned.ok()) << planned.error().text();
    EXPECT_EQ(planned->plan->steps[0].kernel == "conv.winograd", expected)
        << planned->plan->steps[0].why;
  }
}

}  // namespace
}  // namespace sluice::gpu_tests
