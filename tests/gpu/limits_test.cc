// The limits that WebGPU guarantees, and any above them: operators with many operands, bindings and
// grids larger than one dispatch may have, and random sets of limits on a backend that validates
// everything and computes nothing.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <random>

#include "base/text.h"
#include "exec/webgpu/executor.h"
#include "gpu/on_device.h"

namespace sluice {
namespace {

using namespace gpu_tests;
using op::case_floats;
using op::case_ints;

// --- many operands

TEST(GpuLimits, ConcatOf65) {
  SLUICE_NEED_DEVICE();
  Largest largest("concats of 65");
  for (const DType dtype : {DType::kFloat32, DType::kInt64, DType::kUInt8, DType::kBool,
                            DType::kFloat16, DType::kInt32}) {
    for (const auto& [shape, axis] : {std::pair{Shape{3}, 0},
                                      {Shape{2, 5}, 0},
                                      {Shape{2, 5}, 1},
                                      {Shape{2, 3, 5}, 1},
                                      {Shape{1, 3, 5, 7}, -1},
                                      {Shape{2, 1, 4, 4}, 1},
                                      {Shape{2, 3, 1, 2, 3}, 2}}) {
      SCOPED_TRACE(cat(dtype_name(dtype), shape.text(), " axis ", axis));
      Net net;
      std::vector<ir::ValueId> parts;
      for (int i = 0; i < 65; ++i) {
        Shape part = shape;
        // Unequal parts, one of them empty.
        const int at = axis < 0 ? axis + static_cast<int>(shape.rank()) : axis;
        part[at] = i == 40 ? 0 : shape[at] + i % 3;
        parts.push_back(net.input(
            is_floating(dtype) ? case_floats(part, i, 1.0, dtype)
                               : case_ints(dtype, part, 0, dtype == DType::kBool ? 1 : 100, i)));
      }
      net.output(net.one("Concat", parts, {{"axis", int64_t{axis}}}));
      largest.add(expect_like_reference(std::move(net), 0, 0));
    }
  }
}

TEST(GpuLimits, SplitInto64) {
  SLUICE_NEED_DEVICE();
  Largest largest("splits into 64");
  for (const DType dtype : {DType::kFloat32, DType::kInt64, DType::kInt8}) {
    for (const auto& [shape, axis] : {std::pair{Shape{130}, 0},
                                      {Shape{3, 128}, 1},
                                      {Shape{2, 190, 3}, 1},
                                      {Shape{128, 2, 2}, -3}}) {
      for (const bool given : {false, true}) {
        SCOPED_TRACE(cat(dtype_name(dtype), shape.text(), " axis ", axis));
        Net net;
        const int64_t extent = shape[axis];
        std::vector<ir::ValueId> in = {net.input(
            dtype == DType::kFloat32 ? case_floats(shape) : case_ints(dtype, shape, -100, 100))};
        AttrMap attrs = {{"axis", int64_t{axis}}};
        if (given) {
          std::vector<int64_t> parts(64, 1);
          parts[63] = extent - 63;
          in.push_back(net.ints(parts));
        } else {
          attrs.set("num_outputs", int64_t{64});
          if ((extent + 63) / 64 * 63 >= extent) continue;  // no 64 parts of equal size
        }
        for (const ir::ValueId part : net.node("Split", in, 64, attrs)) net.output(part);
        largest.add(expect_like_reference(std::move(net), 0, 0));
      }
    }
  }
}

TEST(GpuLimits, DeformableConvolution) {
  SLUICE_NEED_DEVICE();
  Largest largest("deformable convolutions");
  for (const int64_t groups : {1, 2}) {
    for (const bool with_mask : {false, true}) {
      SCOPED_TRACE(cat(groups, " offset groups, mask ", with_mask));
      Net net;
      std::vector<ir::ValueId> in = {net.input(case_floats(Shape{2, 4, 9, 8})),
                                     net.input(case_floats(Shape{6, 4, 3, 3}, 1)),
                                     net.input(case_floats(Shape{2, groups * 18, 9, 8}, 2, 2.0)),
                                     net.input(case_floats(Shape{6}, 3))};
      if (with_mask) in.push_back(net.input(case_floats(Shape{2, groups * 9, 9, 8}, 4)));
      net.output(net.one("DeformConv", in,
                         {{"pads", std::vector<int64_t>{1, 1, 1, 1}},
                          {"offset_group", groups},
                          {"kernel_shape", std::vector<int64_t>{3, 3}}}));
      const auto figures = expect_like_reference(std::move(net), 1e-5, 1e-5);
      EXPECT_LE(figures.most_storage_buffers, 8u);
      largest.add(figures);
    }
  }
}

// --- large grids

// The largest number of workgroups of any dispatch.
int64_t largest_grid(const plan::Plan& plan) {
  int64_t most = 0;
  for (const plan::Step& step : plan.steps) {
    for (const plan::Dispatch& dispatch : step.dispatches) {
      most = std::max(most, dispatch.workgroups.evaluate({}).value_or(0));
    }
  }
  return most;
}

TEST(GpuLimits, MoreThan65535Workgroups) {
  SLUICE_NEED_DEVICE();
  // 65,536 workgroups of 256 and a tail, one element each.
  const int64_t n = (int64_t{1} << 24) + 257;
  Net net;
  Tensor x = std::move(Tensor::allocate(DType::kUInt8, Shape{n})).value();
  for (int64_t i = 0; i < n; ++i) {
    x.mutable_span<uint8_t>()[static_cast<size_t>(i)] = static_cast<uint8_t>(i * 2654435761u >> 24);
  }
  // Backwards, so that no two elements are moved as one.
  net.output(net.one(
      "Slice", {net.input(x), net.ints({-1}), net.ints({-n - 1}), net.ints({0}), net.ints({-1})}));
  ASSERT_TRUE(net.infer().ok());
  const auto feeds = net.named();
  auto session = session::Session::from_graph(std::move(net.graph), "big", software());
  ASSERT_TRUE(session.ok()) << session.error().text();
  const auto got = (*session)->run(feeds);
  ASSERT_TRUE(got.ok()) << got.error().text();
  expect_whole_job_on_device((*session)->binding());
  const int64_t workgroups = largest_grid(*(*session)->plan());
  EXPECT_GT(workgroups, 65535);
  const Tensor& y = (*got)[0].second.tensor();
  ASSERT_EQ(y.elements(), n);
  int64_t wrong = 0;
  for (int64_t i = 0; i < n; ++i) {
    wrong += y.span<uint8_t>()[static_cast<size_t>(i)] !=
             x.span<uint8_t>()[static_cast<size_t>(n - 1 - i)];
  }
  EXPECT_EQ(wrong, 0);
  std::printf("  %lld workgroups in one dispatch\n", static_cast<long long>(workgroups));
}

// Rows of a reduction: few elements, one result each.
TEST(GpuLimits, MoreThan65535Rows) {
  SLUICE_NEED_DEVICE();
  for (const auto& [rows, columns] : {std::pair{70001, 3}, {65537, 40}}) {
    SCOPED_TRACE(cat(rows, " x ", columns));
    Net net;
    net.output(net.one("ReduceMax", {net.input(case_floats(Shape{rows, columns})), net.ints({1})}));
    expect_like_reference(std::move(net), 0, 0);
  }
}

// Results that no staging buffer holds together, and one that fills the largest buffer alone.
TEST(GpuLimits, ResultsBeyondOneStagingBuffer) {
  SLUICE_NEED_DEVICE();
  Net net;
  const int64_t n = int64_t{64} << 20;  // uint32 words: 256 MiB
  const ir::ValueId x = net.input(case_floats(Shape{4}));
  net.output(net.one("Expand", {net.one("Reshape", {x, net.ints({4, 1})}), net.ints({4, n / 4})}));
  net.output(net.one("Expand", {net.one("Reshape", {x, net.ints({1, 4})}), net.ints({16, 4})}));
  ASSERT_TRUE(net.infer().ok());
  const auto feeds = net.named();
  auto session = session::Session::from_graph(std::move(net.graph), "large results", software());
  ASSERT_TRUE(session.ok()) << session.error().text();
  const auto got = (*session)->run(feeds);
  ASSERT_TRUE(got.ok()) << got.error().text();
  expect_whole_job_on_device((*session)->binding());
  const auto large = (*got)[0].second.tensor().span<float>();
  const auto small = (*got)[1].second.tensor().span<float>();
  const auto want = feeds[0].second.tensor().span<float>();
  ASSERT_EQ(large.size(), static_cast<size_t>(n));
  for (size_t i = 0; i < large.size(); ++i) ASSERT_EQ(large[i], want[i / (large.size() / 4)]) << i;
  for (size_t i = 0; i < small.size(); ++i) ASSERT_EQ(small[i], want[i % 4]) << i;
}

// --- random limits

// Each field at its guaranteed value, a little above, or anywhere up to what the adapter offers;
// now and then beyond it.
plan::Limits random_limits(std::mt19937& random, const plan::Limits& offered) {
  const plan::Limits floor;
  plan::Limits limits;
  const auto pick = [&]<class T>(T least, T most, T step) {
    switch (random() % 8) {
      case 0:
      case 1:
      case 2:
        return least;
      case 3:
        return std::min<T>(most, least + step);
      case 4:
        return most;
      case 5:  // a power of two times the least
        return std::min<T>(most, least * (T{1} << random() % 5));
      case 6:
        if (random() % 8 == 0) return static_cast<T>(most + step);  // more than there is
        [[fallthrough]];
      default: {
        const uint64_t room = (most - least) / step;
        return static_cast<T>(
            least + step * (room == 0 ? 0 : (uint64_t{random()} << 16 ^ random()) % (room + 1)));
      }
    }
  };
  limits.max_storage_buffers_per_stage =
      pick(floor.max_storage_buffers_per_stage, offered.max_storage_buffers_per_stage, 1u);
  limits.max_storage_binding_bytes =
      pick(floor.max_storage_binding_bytes, offered.max_storage_binding_bytes, uint64_t{4});
  limits.max_uniform_binding_bytes =
      pick(floor.max_uniform_binding_bytes, offered.max_uniform_binding_bytes, uint64_t{16});
  limits.max_buffer_bytes = pick(floor.max_buffer_bytes, offered.max_buffer_bytes, uint64_t{4});
  limits.max_workgroups_per_dimension =
      pick(floor.max_workgroups_per_dimension, offered.max_workgroups_per_dimension, 1u);
  limits.max_invocations_per_workgroup =
      pick(floor.max_invocations_per_workgroup, offered.max_invocations_per_workgroup, 1u);
  limits.max_workgroup_size_x = pick(floor.max_workgroup_size_x, offered.max_workgroup_size_x, 1u);
  limits.max_workgroup_size_y = pick(floor.max_workgroup_size_y, offered.max_workgroup_size_y, 1u);
  limits.max_workgroup_size_z = pick(floor.max_workgroup_size_z, offered.max_workgroup_size_z, 1u);
  limits.max_workgroup_storage_bytes =
      pick(floor.max_workgroup_storage_bytes, offered.max_workgroup_storage_bytes, 4u);
  // Smaller is better; powers of two.
  const auto alignment = [&](uint32_t worst, uint32_t best) {
    uint32_t value = worst;
    while (value > best && random() % 2 == 0) value /= 2;
    return value;
  };
  limits.min_storage_offset_alignment =
      alignment(floor.min_storage_offset_alignment, offered.min_storage_offset_alignment);
  limits.min_uniform_offset_alignment =
      alignment(floor.min_uniform_offset_alignment, offered.min_uniform_offset_alignment);
  return limits;
}

Net convolutions() {
  Net net;
  ir::ValueId at = net.input(case_floats(Shape{1, 3, 20, 20}));
  const ir::ValueId first =
      net.one("Relu", {net.one("Conv",
                               {at, net.constant(case_floats(Shape{16, 3, 3, 3}, 1)),
                                net.constant(case_floats(Shape{16}, 2))},
                               {{"pads", std::vector<int64_t>{1, 1, 1, 1}},
                                {"strides", std::vector<int64_t>{2, 2}}})});
  at = net.one("Conv", {first, net.constant(case_floats(Shape{16, 1, 3, 3}, 3))},
               {{"pads", std::vector<int64_t>{1, 1, 1, 1}}, {"group", int64_t{16}}});
  at =
      net.one("Conv", {net.one("Sigmoid", {at}), net.constant(case_floats(Shape{8, 16, 1, 1}, 4))});
  at = net.one("Concat", {at, first}, {{"axis", int64_t{1}}});
  at = net.one(
      "MaxPool", {at},
      {{"kernel_shape", std::vector<int64_t>{2, 2}}, {"strides", std::vector<int64_t>{2, 2}}});
  net.output(net.one("GlobalAveragePool", {at}));
  return net;
}

Net attention() {
  Net net;
  const ir::ValueId x = net.input(case_floats(Shape{2, 24, 32}));
  const auto project = [&](int seed, const std::vector<int64_t>& perm) {
    const ir::ValueId made = net.one("MatMul", {x, net.constant(case_floats(Shape{32, 32}, seed))});
    return net.one("Transpose", {net.one("Reshape", {made, net.ints({2, 24, 4, 8})})},
                   {{"perm", perm}});
  };
  const ir::ValueId scores =
      net.one("Mul", {net.one("MatMul", {project(1, {0, 2, 1, 3}), project(2, {0, 2, 3, 1})}),
                      net.constant(Tensor::scalar(0.35f))});
  const ir::ValueId mixed = net.one(
      "MatMul", {net.one("Softmax", {scores}, {{"axis", int64_t{-1}}}), project(3, {0, 2, 1, 3})});
  const ir::ValueId back = net.one(
      "Reshape", {net.one("Transpose", {mixed}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}}),
                  net.ints({2, 24, 32})});
  net.output(net.one("LayerNormalization",
                     {net.one("Add", {back, x}), net.constant(case_floats(Shape{32}, 8)),
                      net.constant(case_floats(Shape{32}, 9))}));
  return net;
}

Net lstm() {
  Net net;
  const auto made = net.node(
      "LSTM",
      {net.input(case_floats(Shape{5, 2, 12})), net.constant(case_floats(Shape{2, 40, 12}, 1)),
       net.constant(case_floats(Shape{2, 40, 10}, 2)), net.constant(case_floats(Shape{2, 80}, 3))},
      3, {{"hidden_size", int64_t{10}}, {"direction", std::string("bidirectional")}});
  for (const ir::ValueId id : made) net.output(id);
  return net;
}

Net many_operands() {
  Net net;
  std::vector<ir::ValueId> parts;
  for (int i = 0; i < 65; ++i) parts.push_back(net.input(case_floats(Shape{2, 1 + i % 3, 5}, i)));
  net.output(net.one("Concat", parts, {{"axis", int64_t{1}}}));
  return net;
}

Net reductions() {
  Net net;
  const ir::ValueId x = net.input(case_floats(Shape{3, 70, 200}));
  net.output(net.one("ReduceMean", {x, net.ints({1})}));
  net.output(net.one("ReduceSum", {x, net.ints({2})}));
  net.output(net.one("ReduceL2", {x, net.ints({0, 1, 2})}));
  net.output(net.one("ArgMax", {x}, {{"axis", int64_t{1}}}));
  return net;
}

// 160 MiB a tensor: no binding of the guaranteed size holds one.
Net large_elementwise() {
  Net net;
  const Shape shape{40, 1 << 20};
  const Tensor x = std::move(Tensor::allocate(DType::kFloat32, shape)).value();
  const ir::ValueId in = net.input(x);
  // Dawn's null backend has half a GiB of memory: room for an input, an output and its readback.
  net.output(net.one("Mul", {in, in}));
  return net;
}

// A thousand with SLUICE_LONG, else the first two hundred of them.
TEST(GpuLimits, ThousandRandomSetsValidate) {
  exec::webgpu::DeviceOptions null;
  null.null_backend = true;
  const auto adapter = exec::webgpu::probe_adapter(null);
  if (!adapter.ok()) GTEST_SKIP() << "not run: " << adapter.error().text();
  struct Row {
    const char* name;
    Net (*make)();
    int every;  // run for one set in so many; all sets are compiled for
  };
  const Row rows[] = {{"convolutions", &convolutions, 4},
                      {"attention", &attention, 4},
                      {"lstm", &lstm, 4},
                      {"concat of 65", &many_operands, 4},
                      {"reductions", &reductions, 4},
                      {"160 MiB elementwise", &large_elementwise, 50}};
  std::vector<Net> nets;
  for (const Row& row : rows) {
    nets.push_back(row.make());
    ASSERT_TRUE(nets.back().infer().ok()) << row.name;
  }
  std::mt19937 random(20261121);
  int sets = 0, sets_validated = 0, sets_refused = 0, runs = 0, islands = 0;
  std::map<std::string, int> refusals;
  const auto begin = std::chrono::steady_clock::now();
  const int wanted = long_run() ? 1000 : 200;
  for (int set = 0; set < wanted; ++set) {
    const plan::Limits limits = random_limits(random, adapter->limits);
    ASSERT_TRUE(plan::check_at_least(limits, plan::Limits{}, "the set").ok());
    SCOPED_TRACE(cat("set ", set, ": ", plan::to_text(limits)));
    ++sets;
    const auto refuse = [&](const Error& error) {
      EXPECT_TRUE(error.code == ErrorCode::kDevice || error.code == ErrorCode::kResource)
          << error.text();
      EXPECT_FALSE(error.message.empty());
      std::string sentence = error.message;
      for (char& c : sentence) {
        if (c >= '0' && c <= '9') c = '#';
      }
      while (sentence.find("##") != std::string::npos) sentence.erase(sentence.find("##"), 1);
      ++refusals[sentence];
    };
    exec::webgpu::DeviceOptions how;
    how.null_backend = true;
    how.limits = limits;
    const auto device = exec::webgpu::Device::create(how);
    if (!device.ok()) {
      refuse(device.error());
      ++sets_refused;
      continue;
    }
    EXPECT_TRUE(plan::check_at_least((*device)->limits(), limits, "the device").ok());
    bool refused = false;
    for (size_t n = 0; n < std::size(rows); ++n) {
      if (set % rows[n].every != static_cast<int>(n) % rows[n].every) continue;
      SCOPED_TRACE(rows[n].name);
      session::Options options;
      options.limits = limits;
      const auto planned = session::plan_for_gpu(*nets[n].graph, options, (*device)->features());
      ASSERT_TRUE(planned.ok()) << planned.error().text();
      islands += static_cast<int>(planned->islands.size());
      exec::webgpu::ExecutorOptions quiet;
      quiet.sentinel = false;  // nothing is computed, so nothing would write it
      auto executor = exec::webgpu::Executor::create(planned->plan, *device, quiet);
      if (!executor.ok()) {
        refuse(executor.error());
        refused |= true;
        EXPECT_EQ(executor.error().code, ErrorCode::kResource) << executor.error().text();
        continue;
      }
      const auto island = [&](int step, std::span<const Value>) -> Result<std::vector<Value>> {
        std::vector<Value> made;
        const plan::Plan& plan = *planned->plan;
        for (const plan::SlotId id : plan.steps[static_cast<size_t>(step)].outputs) {
          SLUICE_ASSIGN(Tensor zeros,
                        Tensor::allocate(plan.slot(id).type.dtype, *plan.slot(id).type.shape()));
          made.emplace_back(std::move(zeros));
        }
        return made;
      };
      const auto got = (*executor)->run(nets[n].feeds, island);
      ASSERT_TRUE(got.ok()) << got.error().text();
      const plan::DeviceLayout& layout = *(*executor)->layout();
      EXPECT_LE(layout.most_storage_buffers, limits.max_storage_buffers_per_stage);
      EXPECT_LE(layout.largest_binding_bytes, limits.max_storage_binding_bytes);
      EXPECT_LE(layout.largest_buffer_bytes, limits.max_buffer_bytes);
      ++runs;
    }
    const exec::webgpu::DeviceHealth health = (*device)->health();
    EXPECT_FALSE(health.lost) << health.lost_message;
    EXPECT_EQ(health.uncaptured_errors, 0) << health.last_uncaptured_error;
    ++(refused ? sets_refused : sets_validated);
    if (testing::Test::HasFailure()) break;  // one set's story is enough
  }
  std::printf("  %d sets: %d validated, %d refused by name; %d runs, %d islands; %.1f s\n", sets,
              sets_validated, sets_refused, runs, islands,
              std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  for (const auto& [sentence, times] : refusals) {
    std::printf("    %d x %s\n", times, sentence.c_str());
  }
  EXPECT_EQ(sets_validated + sets_refused, wanted);
  EXPECT_GE(sets_validated, wanted / 2);
}

// --- steady runs

// Runs of alternating sizes: once the largest was seen, nothing is made any more.
void expect_steady(Net net, const std::shared_ptr<exec::webgpu::Device>& device,
                   const std::vector<std::vector<Value>>& feeds) {
  ASSERT_TRUE(net.infer().ok());
  const auto planned = session::plan_for_gpu(*net.graph, software(), device->features());
  ASSERT_TRUE(planned.ok()) << planned.error().text();
  for (const session::Island& island : planned->islands) {
    ADD_FAILURE() << island.op << ": " << island.reason;
  }
  auto executor = exec::webgpu::Executor::create(planned->plan, device, {});
  ASSERT_TRUE(executor.ok()) << executor.error().text();
  const int pipelines = (*executor)->load().pipelines;
  for (int round = 0; round < 3; ++round) {
    for (const auto& feed : feeds) {
      const auto got = (*executor)->run(feed, {});
      ASSERT_TRUE(got.ok()) << got.error().text();
      const auto want = op::interpret(ops::registry(), *net.graph, feed);
      ASSERT_TRUE(want.ok()) << want.error().text();
      for (size_t i = 0; i < want->size(); ++i) {
        EXPECT_EQ(conformance::compare((*got)[i], (*want)[i], 1e-5, 1e-5), "");
      }
      EXPECT_EQ((*executor)->load().pipelines, pipelines);
      const exec::webgpu::RunRecord& record = (*executor)->last_run();
      if (round == 0) continue;
      EXPECT_EQ(record.new_buffers, 0);
      EXPECT_EQ(record.new_bind_groups, 0);
    }
  }
  // The same through a session: one plan for all sizes.
  const auto names = net.named(feeds[0]);
  auto session = session::Session::from_graph(std::move(net.graph), "steady", software());
  ASSERT_TRUE(session.ok()) << session.error().text();
  for (int round = 0; round < 2; ++round) {
    for (const auto& feed : feeds) {
      session::NamedValues named;
      for (size_t i = 0; i < feed.size(); ++i) named.emplace_back(names[i].first, feed[i]);
      const auto got = (*session)->run(named);
      ASSERT_TRUE(got.ok()) << got.error().text();
    }
  }
  expect_whole_job_on_device((*session)->binding());
  EXPECT_EQ((*session)->binding().recompilations, 0);
}

TEST(GpuLimits, AlternatingBatches) {
  SLUICE_NEED_DEVICE();
  Net net;
  const Dim batch = Dim::symbol("batch");
  ir::ValueId at = net.input(case_floats(Shape{1, 3, 12, 12}), Dims{batch, 3, 12, 12});
  at = net.one("Relu", {net.one("Conv", {at, net.constant(case_floats(Shape{4, 3, 3, 3}, 1))},
                                {{"pads", std::vector<int64_t>{1, 1, 1, 1}}})});
  at = net.one(
      "MaxPool", {at},
      {{"kernel_shape", std::vector<int64_t>{2, 2}}, {"strides", std::vector<int64_t>{2, 2}}});
  net.output(net.one("ReduceMean", {at, net.ints({2, 3})}));
  std::vector<std::vector<Value>> feeds;
  for (const int64_t n : {1, 4, 2, 7, 1, 3}) feeds.push_back({case_floats(Shape{n, 3, 12, 12}, 5)});
  expect_steady(std::move(net), held.device, feeds);
}

TEST(GpuLimits, AlternatingLengths) {
  SLUICE_NEED_DEVICE();
  Net net;
  const Dim length = Dim::symbol("length");
  const ir::ValueId x = net.input(case_floats(Shape{1, 5, 8}), Dims{1, length, 8});
  const ir::ValueId y = net.input(case_floats(Shape{1, 3, 8}), Dims{1, Dim::symbol("other"), 8});
  const ir::ValueId both = net.one("Concat", {x, y}, {{"axis", int64_t{1}}});
  const ir::ValueId up = net.one("MatMul", {both, net.constant(case_floats(Shape{8, 16}, 1))});
  const ir::ValueId mixed = net.one(
      "Softmax",
      {net.one("MatMul",
               {up, net.one("Transpose", {up}, {{"perm", std::vector<int64_t>{0, 2, 1}}})})},
      {{"axis", int64_t{-1}}});
  net.output(net.one("MatMul", {mixed, up}));
  std::vector<std::vector<Value>> feeds;
  for (const auto& [a, b] : {std::pair{5, 3}, {40, 17}, {1, 1}, {17, 40}, {40, 40}, {2, 3}}) {
    feeds.push_back({case_floats(Shape{1, a, 8}, 2), case_floats(Shape{1, b, 8}, 3)});
  }
  expect_steady(std::move(net), held.device, feeds);
}

}  // namespace
}  // namespace sluice
