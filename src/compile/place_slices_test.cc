#include "compile/place_slices.h"

#include <gtest/gtest.h>

#include "compile/compile_gpu.h"
#include "exec/null/recorder.h"
#include "exec/webgpu/software_device.h"
#include "op/interpreter.h"
#include "ops/registry.h"
#include "session/gpu.h"
#include "session/session.h"

namespace sluice::compile {
namespace {

ir::ValueId add(ir::Graph& graph, std::string_view op, std::vector<ir::ValueId> inputs,
                AttrMap attrs = {}, int outputs = 1) {
  return graph
      .nodes()[static_cast<size_t>(
          graph.add_node(op, std::move(inputs), outputs, std::move(attrs)))]
      .outputs[0];
}

// A block of a dense network: every layer's result joins what was there before.
std::unique_ptr<ir::Graph> dense(int64_t channels, int64_t batch) {
  auto graph = std::make_unique<ir::Graph>();
  const ir::ValueId x = graph->add_input(
      "x", Type::tensor(DType::kFloat32, Dims{Dim(batch), Dim(channels), Dim(8), Dim(8)}));
  const ir::ValueId a = add(*graph, "Sigmoid", {x});
  const ir::ValueId b = add(*graph, "LeakyRelu", {a});
  const ir::ValueId ab = add(*graph, "Concat", {a, b}, {{"axis", int64_t{1}}});
  const ir::ValueId c = add(*graph, "Sigmoid", {ab});
  const ir::ValueId abc = add(*graph, "Concat", {ab, c}, {{"axis", int64_t{-3}}});
  const ir::NodeId split =
      graph->add_node("Split", {abc}, 2, {{"axis", int64_t{1}}, {"num_outputs", int64_t{2}}});
  const auto halves = graph->node(split).outputs;
  const ir::ValueId sum = add(*graph, "Add", {halves[0], halves[1]});
  const ir::ValueId last = add(*graph, "Concat", {sum, a}, {{"axis", int64_t{1}}});
  graph->outputs() = {last, c};
  EXPECT_TRUE(op::infer_graph(ops::registry(), *graph).ok());
  return graph;
}

int dispatches(const plan::Plan& plan) {
  int count = 0;
  for (const plan::Step& step : plan.steps) count += static_cast<int>(step.dispatches.size());
  return count;
}

TEST(PlaceSlices, PartsAreWrittenInPlaceWhereABindingMayStart) {
  const auto graph = dense(4, 1);
  const auto placed = compile_gpu(ops::registry(), *graph);
  ASSERT_TRUE(placed.ok()) << placed.error().text();
  GpuOptions all;
  all.reuse_memory = false;
  const auto copied = compile_gpu(ops::registry(), *graph, all);
  ASSERT_TRUE(copied.ok());
  EXPECT_LT(dispatches(*placed->plan), dispatches(*copied->plan));
  // No buffer is read and written by one dispatch, which laying out checks.
  EXPECT_TRUE(exec::null::record(*placed->plan, {}).ok());
}

TEST(PlaceSlices, NothingMovesWithABatchOrAtOddOffsets) {
  for (const auto& [channels, batch] : {std::pair<int64_t, int64_t>{4, 2}}) {
    const auto graph = dense(channels, batch);
    const auto placed = compile_gpu(ops::registry(), *graph);
    GpuOptions all;
    all.reuse_memory = false;
    const auto copied = compile_gpu(ops::registry(), *graph, all);
    ASSERT_TRUE(placed.ok() && copied.ok());
    EXPECT_EQ(dispatches(*placed->plan), dispatches(*copied->plan));
  }
}

TEST(PlaceSlices, ResultsAreTheSame) {
  exec::webgpu::use_software_driver();
  session::Options options;
  options.backend = session::Backend::kWebGpu;
  options.allow_software = true;
  options.deadline_seconds = 60;
  options.retry_interval_seconds = 0;  // other tests lose devices on purpose
  auto device = session::acquire_device(options);
  if (!device.ok()) GTEST_SKIP() << "not run: " << device.error().text();
  for (const int64_t batch : {1, 2}) {
    for (const int64_t channels : {1, 2, 3, 4, 5, 8}) {
      const auto graph = dense(channels, batch);
      auto input = Tensor::allocate(DType::kFloat32, Shape{batch, channels, 8, 8});
      for (int64_t i = 0; i < input->elements(); ++i) {
        input->set_double(i, static_cast<double>(i * 29 % 83) / 20 - 2);
      }
      const std::vector<Value> feeds = {Value(*input)};
      const auto truth = op::interpret(ops::registry(), *graph, feeds);
      ASSERT_TRUE(truth.ok()) << truth.error().text();
      for (const uint32_t fill : {0x7fc0ffeeU, 0x3f8ccccdU}) {
        options.fill_word = fill;
        auto session = session::Session::from_graph(graph->clone(), "dense", options);
        ASSERT_TRUE(session.ok()) << session.error().text();
        for (int run = 0; run < 2; ++run) {
          const auto got = (*session)->run({{"x", feeds[0]}});
          ASSERT_TRUE(got.ok()) << got.error().text();
          EXPECT_EQ((*session)->binding().bound, session::Backend::kWebGpu);
          EXPECT_TRUE((*session)->binding().islands.empty());
          for (size_t o = 0; o < truth->size(); ++o) {
            const Tensor& want = (*truth)[o].tensor();
            for (int64_t i = 0; i < want.elements(); ++i) {
              ASSERT_NEAR((*got)[o].second.tensor().get_double(i), want.get_double(i), 2e-6)
                  << channels << " channels, batch " << batch << ", output " << o << ", " << i;
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace sluice::compile
