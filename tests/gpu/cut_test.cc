// Dispatches that would take long come in pieces (plan/cut.h): every shader that can be cut gives
// the same bits cut and uncut, and no dispatch of a plan is estimated above the bound of its kind
// of device. Without SLUICE_LONG, a few variants of each shader.
#include "plan/cut.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "compile/compile_gpu.h"
#include "exec/null/recorder.h"
#include "exec/webgpu/executor.h"
#include "gpu/on_device.h"
#include "ops/case_tables.h"
#include "shader/shader.h"

namespace sluice::gpu_tests {
namespace {

using op::case_floats;

std::set<std::string, std::less<>> cuttable_shaders() {
  std::set<std::string, std::less<>> names;
  for (const shader::Source& source : shader::sources()) {
    if (source.text.find("// use cut_grid\n") != std::string_view::npos) names.emplace(source.name);
  }
  return names;
}

size_t dispatches(const plan::Plan& plan) {
  size_t count = 0;
  for (const plan::Step& step : plan.steps) count += step.dispatches.size();
  return count;
}

Result<std::vector<Value>> run(const std::shared_ptr<plan::Plan>& plan,
                               const std::shared_ptr<exec::webgpu::Device>& device,
                               const std::vector<Value>& feeds, uint32_t fill) {
  exec::webgpu::ExecutorOptions how;
  how.fill_word = fill;  // what no piece writes is seen
  SLUICE_ASSIGN(const auto executor, exec::webgpu::Executor::create(plan, device, how));
  return executor->run(feeds, {});
}

// Compiles the graph with each candidate of its one node, and runs it whole and in pieces where
// that shows a variant of a shader that has not been seen.
class Cutter {
 public:
  explicit Cutter(std::shared_ptr<exec::webgpu::Device> device) : device_(std::move(device)) {}

  void look(const ir::Graph& graph, const std::vector<Value>& feeds) {
    const ir::Node& node = graph.node(0);
    for (const op::GpuCandidate& candidate : ops::gpu_candidates(node.domain, node.op)) {
      SCOPED_TRACE(cat("by ", candidate.name));
      compile::GpuOptions options;
      options.features = device_->features();
      options.limits.max_workgroups_per_dimension = 100;  // grids of more are folded
      options.kernels = {std::string(candidate.name)};
      const auto whole = compile::compile_gpu(ops::registry(), graph, options);
      ASSERT_TRUE(whole.ok()) << whole.error().text();
      if (!whole->refusals.empty()) continue;
      const double flops = find_new(*whole->plan);
      if (flops == 0) continue;
      options.most_dispatch_flops = flops / 2.9;  // three pieces at least
      const auto cut = compile::compile_gpu(ops::registry(), graph, options);
      ASSERT_TRUE(cut.ok()) << cut.error().text();
      ASSERT_GT(dispatches(*cut->plan), dispatches(*whole->plan));
      const auto want = run(whole->plan, device_, feeds, 0x7fc0ffee);
      const auto got = run(cut->plan, device_, feeds, 0x3f8ccccd);
      ASSERT_TRUE(want.ok()) << want.error().text();
      ASSERT_TRUE(got.ok()) << got.error().text();
      ASSERT_EQ(got->size(), want->size());
      for (size_t i = 0; i < want->size(); ++i) {
        EXPECT_TRUE(conformance::same_bits((*got)[i], (*want)[i])) << "output " << i;
      }
      ++runs;
    }
  }

  const std::set<std::string, std::less<>> names = cuttable_shaders();
  std::map<std::string, std::set<std::string>, std::less<>> seen;  // texts by shader
  int runs = 0;

 private:
  // The least work of a dispatch with a new variant; 0 where there is none.
  double find_new(const plan::Plan& plan) {
    double flops = 0;
    for (const plan::Step& step : plan.steps) {
      for (const plan::Dispatch& dispatch : step.dispatches) {
        const auto& pipeline = plan.pipelines[static_cast<size_t>(dispatch.pipeline)];
        const bool several = dispatch.workgroups.is_known() && dispatch.workgroups.value() > 1;
        if (!several || dispatch.flops <= 0 || !names.contains(pipeline.shader)) continue;
        auto& texts = seen[pipeline.shader];
        if (texts.size() >= most_variants_ || !texts.insert(pipeline.wgsl).second) continue;
        flops = flops == 0 ? dispatch.flops : std::min(flops, dispatch.flops);
      }
    }
    return flops;
  }

  std::shared_ptr<exec::webgpu::Device> device_;
  size_t most_variants_ = long_run() ? 1 << 20 : 2;
};

TEST(GpuCut, EveryShaderGivesTheSameBitsInPieces) {
  SLUICE_NEED_DEVICE();
  Cutter cutter(held.device);
  ASSERT_GT(cutter.names.size(), 10u);
  for (const ops::CaseTable& table : ops::case_tables()) {
    for (const op::Case& c : table.cases()) {
      const op::OpDef* def = ops::registry().find(c.domain, c.op);
      if (def == nullptr || def->cost == nullptr || !def->deterministic) continue;
      SCOPED_TRACE(cat(table.family, "/", c.op, " ", c.name));
      const auto graph = conformance::graph_of(c, false);
      ASSERT_TRUE(op::infer_graph(ops::registry(), *graph).ok());
      cutter.look(*graph, conformance::feeds_of(c));
      if (HasFatalFailure()) return;
    }
  }
  // What is too large for a case table: scores of more than 16 MiB, more than 256 elements of an
  // int64 product, more than 64 columns of states.
  Net attention;
  const Tensor heads = case_floats(Shape{1, 2, 1500, 4}, 1);
  attention.output(attention.one(
      "Attention", {attention.input(heads), attention.input(heads), attention.input(heads)}));
  Net integers;
  integers.output(integers.one(
      "MatMul", {integers.input(op::case_ints(DType::kInt64, Shape{30, 8}, -9, 9, 1)),
                 integers.input(op::case_ints(DType::kInt64, Shape{8, 20}, -9, 9, 2))}));
  Net linear;
  const Tensor sequence = case_floats(Shape{2, 5, 64}, 2);
  linear.output(linear.one("LinearAttention",
                           {linear.input(sequence), linear.input(sequence), linear.input(sequence)},
                           {{"q_num_heads", int64_t{4}},
                            {"kv_num_heads", int64_t{4}},
                            {"update_rule", std::string("linear")}}));
  for (Net* net : {&attention, &integers, &linear}) {
    ASSERT_TRUE(net->infer().ok());
    cutter.look(*net->graph, net->feeds);
  }
  std::printf("  %d runs:", cutter.runs);
  for (const std::string& name : cutter.names) {
    std::printf(" %s %zu", name.c_str(), cutter.seen[name].size());
    EXPECT_GT(cutter.seen[name].size(), 0u) << name << " is cut in no case";
  }
  std::printf(" variants\n");
}

// The kinds of layers of a segmentation network for pictures, at sizes of its own.
Net segmentation_layers() {
  Net net;
  const auto conv = [&](ir::ValueId x, int64_t in, int64_t out, int64_t side, int64_t dilation) {
    AttrMap attrs = {{"pads", std::vector<int64_t>(4, side / 2 * dilation)},
                     {"dilations", std::vector<int64_t>(2, dilation)}};
    return net.one("Conv",
                   {x, net.constant(case_floats(Shape{out, in, side, side}, out)),
                    net.constant(case_floats(Shape{out}, in))},
                   attrs);
  };
  const ir::ValueId picture = net.input(case_floats(Shape{1, 3, 256, 256}));
  ir::ValueId x = conv(picture, 3, 64, 3, 1);
  x = net.one("Relu", {conv(x, 64, 64, 3, 1)});
  const std::vector<int64_t> twos = {2, 2};
  ir::ValueId small = net.one("MaxPool", {x}, {{"kernel_shape", twos}, {"strides", twos}});
  small = conv(small, 64, 128, 3, 2);
  const ir::ValueId large =
      net.one("ConvTranspose", {small, net.constant(case_floats(Shape{128, 64, 2, 2}, 5))},
              {{"strides", twos}});
  net.output(conv(net.one("Concat", {x, large}, {{"axis", int64_t{1}}}), 128, 1, 3, 1));
  return net;
}

TEST(GpuCut, NoDispatchOfAPlanIsEstimatedAboveTheBound) {
  Net net = segmentation_layers();
  ASSERT_TRUE(net.infer().ok());
  size_t counts[2] = {};
  for (const bool software : {false, true}) {
    SCOPED_TRACE(cat("software ", software));
    const double bound = software ? 1e8 : 2e10;
    const auto planned = session::plan_for_gpu(*net.graph, {}, {}, software);
    ASSERT_TRUE(planned.ok()) << planned.error().text();
    ASSERT_TRUE(planned->islands.empty());
    double total = 0;
    for (const plan::Step& step : planned->plan->steps) {
      double sum = 0;
      for (const plan::Dispatch& dispatch : step.dispatches) {
        EXPECT_LE(dispatch.flops, bound * (1 + 1e-9)) << step.op << " by " << step.kernel;
        sum += dispatch.flops;
      }
      EXPECT_NEAR(sum, step.flops, 1e-6 * step.flops + 1) << step.op << " by " << step.kernel;
      total += sum;
    }
    EXPECT_GT(total, 4e9);
    counts[software] = dispatches(*planned->plan);
    const auto text = exec::null::record(*planned->plan, {});
    ASSERT_TRUE(text.ok()) << text.error().text();
    EXPECT_EQ(text->find("each of 0.1 GFLOP at most") != std::string::npos, software) << *text;
  }
  EXPECT_GE(counts[1], counts[0] + 15);
}

}  // namespace
}  // namespace sluice::gpu_tests
