#include "exec/webgpu/executor.h"

#include <gtest/gtest.h>

#include <chrono>
#include <limits>

#include "exec/webgpu/fault.h"
#include "exec/webgpu/software_device.h"

namespace sluice::exec::webgpu {
namespace {

using plan::DeviceFormat;
using plan::SlotId;
using plan::Storage;

// out[i] = in[i] * factor + offset, one invocation per element, any number of workgroups.
constexpr const char* kScale = R"(
struct Params { count : u32, factor : f32, offset : f32, pad : u32 }
@group(0) @binding(0) var<uniform> params : Params;
@group(0) @binding(1) var<storage, read> input : array<f32>;
@group(0) @binding(2) var<storage, read_write> output : array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) w : vec3u, @builtin(num_workgroups) n : vec3u,
        @builtin(local_invocation_index) lane : u32) {
  let i = (w.x + w.y * n.x + w.z * n.x * n.y) * 64u + lane;
  if (i < params.count) { output[i] = input[i] * params.factor + params.offset; }
}
)";

constexpr const char* kCopy = R"(
@group(0) @binding(1) var<storage, read> input : array<f32>;
@group(0) @binding(2) var<storage, read_write> output : array<f32>;
@compute @workgroup_size(4)
fn main(@builtin(global_invocation_id) id : vec3u) {
  if (id.x < arrayLength(&input)) { output[id.x] = input[id.x]; }
}
)";

// Writes one element only: the rest stays what it was.
constexpr const char* kFirstOnly = R"(
@group(0) @binding(1) var<storage, read> input : array<f32>;
@group(0) @binding(2) var<storage, read_write> output : array<f32>;
@compute @workgroup_size(1) fn main() { output[0] = input[0]; }
)";

// One word per workgroup, with workgroups over all three dimensions.
constexpr const char* kMark = R"(
struct Params { count : u32, a : u32, b : u32, c : u32 }
@group(0) @binding(0) var<uniform> params : Params;
@group(0) @binding(1) var<storage, read_write> output : array<u32>;
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) w : vec3u, @builtin(num_workgroups) n : vec3u) {
  let i = w.x + w.y * n.x + w.z * n.x * n.y;
  if (i < params.count) { output[i] = i + 1u; }
}
)";

struct Builder {
  std::shared_ptr<plan::Plan> plan = std::make_shared<plan::Plan>();
  Builder() { plan->backend = "webgpu"; }

  SlotId slot(Storage storage, Dims dims, DType dtype = DType::kFloat32) {
    plan::Slot slot;
    slot.name = "v" + std::to_string(plan->slots.size());
    slot.type = Type::tensor(dtype, std::move(dims));
    slot.storage = storage;
    slot.format = plan::device_format(dtype, false);
    plan->slots.push_back(std::move(slot));
    const auto id = static_cast<SlotId>(plan->slots.size() - 1);
    if (storage == Storage::kInput) plan->inputs.push_back(id);
    return id;
  }
  int32_t pipeline(const char* wgsl) {
    plan->pipelines.push_back({"test.wgsl", {}, wgsl});
    return static_cast<int32_t>(plan->pipelines.size() - 1);
  }
  plan::Step& step(std::vector<SlotId> inputs, std::vector<SlotId> outputs) {
    plan::Step step;
    step.op = "Test";
    step.node = "n" + std::to_string(plan->steps.size());
    step.inputs = std::move(inputs);
    step.outputs = std::move(outputs);
    plan->steps.push_back(std::move(step));
    return plan->steps.back();
  }
  void scale(SlotId in, SlotId out, const Dim& count, float factor, float offset) {
    plan::Dispatch dispatch;
    dispatch.pipeline = pipeline(kScale);
    dispatch.params = {plan::Word::integer(count), plan::Word::floating(factor),
                       plan::Word::floating(offset), plan::Word::integer(0)};
    dispatch.bindings = {{in, false}, {out, true}};
    dispatch.workgroups = Dim::ceil_div(count, 64);
    step({in}, {out}).dispatches = {dispatch};
  }
  void plain(const char* wgsl, SlotId in, SlotId out, const Dim& workgroups) {
    plan::Dispatch dispatch;
    dispatch.pipeline = pipeline(wgsl);
    dispatch.bindings = {{in, false}, {out, true}};
    dispatch.workgroups = workgroups;
    step({in}, {out}).dispatches = {dispatch};
  }
  void island(SlotId in, SlotId out) {
    plan::Step& made = step({in}, {out});
    made.subplans.push_back({"island", std::make_shared<plan::Plan>(), {}});
  }
  void view(SlotId in, SlotId out) {
    plan->slots[static_cast<size_t>(out)].alias_of = in;
    step({in}, {out}).view = true;
  }
  // Sets the outputs and when each slot is in use.
  std::shared_ptr<plan::Plan> finish(std::vector<SlotId> outputs) {
    plan->outputs = std::move(outputs);
    const auto use = [&](SlotId id, int step) {
      plan::Slot& slot = plan->slots[static_cast<size_t>(plan->root(id))];
      slot.last_step = std::max(slot.last_step, step);
    };
    for (plan::Slot& slot : plan->slots) slot.first_step = slot.last_step = -1;
    for (size_t s = 0; s < plan->steps.size(); ++s) {
      for (const SlotId id : plan->steps[s].inputs) use(id, static_cast<int>(s));
      for (const SlotId id : plan->steps[s].outputs) {
        use(id, static_cast<int>(s));
        plan::Slot& slot = plan->slots[static_cast<size_t>(plan->root(id))];
        if (slot.first_step < 0 && slot.storage != Storage::kInput) {
          slot.first_step = static_cast<int>(s);
        }
      }
    }
    for (const SlotId id : plan->outputs) use(id, static_cast<int>(plan->steps.size()));
    return plan;
  }
};

Tensor ramp(const Shape& shape) {
  Tensor out = Tensor::allocate(DType::kFloat32, shape).value();
  for (int64_t i = 0; i < out.elements(); ++i) {
    out.mutable_data<float>()[i] = static_cast<float>(i % 1000) - 3.0f;
  }
  return out;
}

class ExecutorTest : public testing::Test {
 protected:
  void SetUp() override {
    auto device = software_device();
    if (!device) GTEST_SKIP() << "not run: " << device.error().text();
    device_ = *device;
  }
  void TearDown() override {
    if (device_ == nullptr) return;
    const DeviceHealth health = device_->health();
    EXPECT_FALSE(health.lost) << health.lost_message;
    EXPECT_EQ(health.uncaptured_errors, 0) << health.last_uncaptured_error;
  }
  std::unique_ptr<Executor> executor(std::shared_ptr<plan::Plan> plan,
                                     ExecutorOptions options = {}) {
    auto made = Executor::create(std::move(plan), device_, options);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().text());
    return made.ok() ? std::move(made).value() : nullptr;
  }
  static std::vector<Value> run(Executor& executor, std::vector<Value> inputs,
                                const IslandFn& island = {}, const Observer& observer = {}) {
    auto outputs = executor.run(inputs, island, observer);
    EXPECT_TRUE(outputs.ok()) << (outputs.ok() ? "" : outputs.error().text());
    return outputs.ok() ? std::move(outputs).value() : std::vector<Value>();
  }
  std::shared_ptr<Device> device_;
};

void expect_scaled(const Value& value, const Tensor& input, float factor, float offset) {
  ASSERT_TRUE(value.is_tensor());
  ASSERT_EQ(value.tensor().elements(), input.elements());
  for (int64_t i = 0; i < input.elements(); ++i) {
    ASSERT_EQ(value.tensor().data<float>()[i], input.data<float>()[i] * factor + offset) << i;
  }
}

TEST_F(ExecutorTest, CopiesWithoutAUniformBlock) {
  Builder b;
  const SlotId in = b.slot(Storage::kInput, {10});
  const SlotId out = b.slot(Storage::kHeap, {10});
  b.plain(kCopy, in, out, 3);
  const auto executor = this->executor(b.finish({out}));
  ASSERT_TRUE(executor);
  const Tensor input = ramp({10});
  const auto outputs = run(*executor, {input});
  ASSERT_EQ(outputs.size(), 1u);
  expect_scaled(outputs[0], input, 1, 0);
  const RunRecord& record = executor->last_run();
  EXPECT_EQ(record.dispatches, 1);
  EXPECT_EQ(record.readbacks, 1);
  EXPECT_EQ(record.uploaded_bytes, 40u);
  EXPECT_EQ(record.downloaded_bytes, 40u);
  EXPECT_FALSE(record.saw_poison);
}

TEST_F(ExecutorTest, ChainsStepsAndReusesBuffers) {
  Builder b;
  const SlotId in = b.slot(Storage::kInput, {1000});
  const SlotId a = b.slot(Storage::kArena, {1000});
  const SlotId c = b.slot(Storage::kArena, {1000});
  const SlotId d = b.slot(Storage::kArena, {1000});
  const SlotId out = b.slot(Storage::kHeap, {1000});
  b.scale(in, a, 1000, 2, 1);
  b.scale(a, c, 1000, 3, 0);
  b.scale(c, d, 1000, 1, -5);
  b.scale(d, out, 1000, 0.5f, 0);
  ExecutorOptions options;
  options.fill_word = 0xdeadbeef;
  const auto executor = this->executor(b.finish({out}), options);
  ASSERT_TRUE(executor);
  EXPECT_EQ(executor->load().pipelines, 1);
  EXPECT_EQ(executor->load().shared_pipelines, 3);
  EXPECT_LT(executor->layout()->buffer_bytes.size(), 5u);
  const Tensor input = ramp({1000});
  for (int i = 0; i < 3; ++i) {
    const auto outputs = run(*executor, {input});
    ASSERT_EQ(outputs.size(), 1u);
    for (int64_t e = 0; e < 1000; ++e) {
      const float x = input.data<float>()[e];
      ASSERT_EQ(outputs[0].tensor().data<float>()[e], ((x * 2 + 1) * 3 - 5) * 0.5f);
    }
    EXPECT_EQ(executor->last_run().new_buffers, 0);
    EXPECT_EQ(executor->last_run().new_bind_groups, 0);
  }
}

TEST_F(ExecutorTest, RunsIslandsBetweenSteps) {
  Builder b;
  const SlotId in = b.slot(Storage::kInput, {6});
  const SlotId a = b.slot(Storage::kArena, {6});
  const SlotId c = b.slot(Storage::kArena, {6});
  const SlotId out = b.slot(Storage::kHeap, {6});
  b.scale(in, a, 6, 2, 0);
  b.island(a, c);
  b.scale(c, out, 6, 1, 100);
  const auto executor = this->executor(b.finish({out, c}));
  ASSERT_TRUE(executor);
  const Tensor input = ramp({6});
  const IslandFn negate = [&](int step,
                              std::span<const Value> inputs) -> Result<std::vector<Value>> {
    EXPECT_EQ(step, 1);
    SLUICE_ASSIGN(Tensor result, inputs[0].tensor().clone());
    for (float& x : result.mutable_span<float>()) x = -x;
    return std::vector<Value>{result};
  };
  const auto outputs = run(*executor, {input}, negate);
  ASSERT_EQ(outputs.size(), 2u);
  expect_scaled(outputs[0], input, -2, 100);
  expect_scaled(outputs[1], input, -2, 0);
  EXPECT_EQ(executor->last_run().islands, 1);
  EXPECT_EQ(executor->last_run().readbacks, 2);

  const IslandFn fails = [](int, std::span<const Value>) -> Result<std::vector<Value>> {
    return unsupported("The island gives up");
  };
  const auto failed = executor->run(std::vector<Value>{input}, fails);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, ErrorCode::kUnsupported);
  // An island's failure is not the device's: the next run works.
  expect_scaled(run(*executor, {input}, negate)[0], input, -2, 100);
}

TEST_F(ExecutorTest, NewSymbolValuesKeepBuffersThatAreLargeEnough) {
  Builder b;
  const Dim n = Dim::symbol("n");
  const SlotId in = b.slot(Storage::kInput, {n, 3});
  const SlotId a = b.slot(Storage::kArena, {n, 3});
  const SlotId out = b.slot(Storage::kHeap, {n, 3});
  b.scale(in, a, n * 3, 2, 1);
  b.scale(a, out, n * 3, 1, 1);
  const auto executor = this->executor(b.finish({out}));
  ASSERT_TRUE(executor);
  EXPECT_EQ(executor->layout(), nullptr);
  bool first = true;
  for (const int64_t rows : {100, 7, 100, 7, 200}) {
    const Tensor input = ramp({rows, 3});
    const auto outputs = run(*executor, {input});
    ASSERT_EQ(outputs.size(), 1u);
    EXPECT_EQ(outputs[0].tensor().shape(), (Shape{rows, 3}));
    expect_scaled(outputs[0], input, 2, 2);
    const bool grows = first || rows == 200;
    first = false;
    EXPECT_EQ(executor->last_run().new_buffers > 0, grows) << rows;
    EXPECT_EQ(executor->last_run().new_bind_groups > 0, grows) << rows;
  }
  EXPECT_EQ(executor->load().pipelines, 1);
}

TEST_F(ExecutorTest, SizesThatDoNotFitLeaveTheExecutorUsable) {
  Builder b;
  const Dim n = Dim::symbol("n");
  const SlotId in = b.slot(Storage::kInput, {n});
  const SlotId constant = b.slot(Storage::kConstant, {3});
  b.plan->slots.back().constant = Tensor::of<float>({3}, {5, 6, 7});
  const SlotId copied = b.slot(Storage::kHeap, {3});
  const SlotId out = b.slot(Storage::kHeap, {n});
  b.plain(kCopy, constant, copied, 1);
  b.scale(in, out, n, 2, 1);
  // A word of the uniform block that passes 32 bits when n does a million.
  b.plan->steps.back().dispatches[0].params[3] = plan::Word::integer(n * 4000);
  const auto executor = this->executor(b.finish({copied, out}));
  ASSERT_TRUE(executor);
  for (const int64_t count : {2000000, 10, 2000000, 20, 10}) {
    const Tensor input = ramp({count});
    auto outputs = executor->run(std::vector<Value>{input}, {});
    if (count > 1000000) {
      ASSERT_FALSE(outputs.ok());
      EXPECT_EQ(outputs.error().code, ErrorCode::kResource) << outputs.error().text();
      continue;
    }
    ASSERT_TRUE(outputs.ok()) << outputs.error().text();
    EXPECT_EQ((*outputs)[0].tensor().to_doubles(), (std::vector<double>{5, 6, 7}));
    expect_scaled((*outputs)[1], input, 2, 1);
  }
}

TEST_F(ExecutorTest, FoldsGridsOverThreeDimensions) {
  for (const int64_t count : {65535, 65536, 70001, 200000}) {
    Builder b;
    const SlotId out = b.slot(Storage::kHeap, {count}, DType::kUInt32);
    plan::Dispatch dispatch;
    dispatch.pipeline = b.pipeline(kMark);
    dispatch.params = {plan::Word::integer(count), plan::Word::integer(0), plan::Word::integer(0),
                       plan::Word::integer(0)};
    dispatch.bindings = {{out, true}};
    dispatch.workgroups = count;
    b.step({}, {out}).dispatches = {dispatch};
    const auto executor = this->executor(b.finish({out}));
    ASSERT_TRUE(executor);
    const auto outputs = run(*executor, {});
    ASSERT_EQ(outputs.size(), 1u);
    for (int64_t i = 0; i < count; ++i) {
      ASSERT_EQ(outputs[0].tensor().data<uint32_t>()[i], static_cast<uint32_t>(i + 1)) << count;
    }
  }
}

TEST_F(ExecutorTest, ReportsOutputsThatNobodyWrote) {
  Builder b;
  const SlotId in = b.slot(Storage::kInput, {8});
  const SlotId out = b.slot(Storage::kHeap, {8});
  b.plain(kFirstOnly, in, out, 1);
  const auto executor = this->executor(b.finish({out}));
  ASSERT_TRUE(executor);
  const auto outputs = run(*executor, {ramp({8})});
  ASSERT_EQ(outputs.size(), 1u);
  EXPECT_TRUE(executor->last_run().saw_poison);
  EXPECT_TRUE(executor->last_run().saw_nonfinite);
}

TEST_F(ExecutorTest, ReportsNumbersThatAreNotFinite) {
  Builder b;
  const SlotId in = b.slot(Storage::kInput, {2});
  const SlotId out = b.slot(Storage::kHeap, {2});
  b.plain(kCopy, in, out, 1);
  const auto executor = this->executor(b.finish({out}));
  ASSERT_TRUE(executor);
  run(*executor, {Tensor::of<float>({2}, {1.0f, std::numeric_limits<float>::infinity()})});
  EXPECT_TRUE(executor->last_run().saw_nonfinite);
  EXPECT_FALSE(executor->last_run().saw_poison);
}

TEST_F(ExecutorTest, OutputsMayBeInputsConstantsAndViews) {
  Builder b;
  const SlotId in = b.slot(Storage::kInput, {2, 3});
  const SlotId constant = b.slot(Storage::kConstant, {3});
  b.plan->slots.back().constant = Tensor::of<float>({3}, {5, 6, 7});
  const SlotId a = b.slot(Storage::kHeap, {2, 3});
  const SlotId flat = b.slot(Storage::kAlias, {6});
  const SlotId copied = b.slot(Storage::kHeap, {3});
  const SlotId empty = b.slot(Storage::kHeap, {0, 4});
  b.scale(in, a, 6, 2, 0);
  b.view(a, flat);
  b.plain(kCopy, constant, copied, 1);
  b.step({}, {empty});
  const auto executor = this->executor(b.finish({in, constant, flat, copied, empty}));
  ASSERT_TRUE(executor);
  const Tensor input = ramp({2, 3});
  const auto outputs = run(*executor, {input});
  ASSERT_EQ(outputs.size(), 5u);
  expect_scaled(outputs[0], input, 1, 0);
  EXPECT_EQ(outputs[1].tensor().to_doubles(), (std::vector<double>{5, 6, 7}));
  EXPECT_EQ(outputs[2].tensor().shape(), (Shape{6}));
  expect_scaled(outputs[2], input, 2, 0);
  EXPECT_EQ(outputs[3].tensor().to_doubles(), (std::vector<double>{5, 6, 7}));
  EXPECT_EQ(outputs[4].tensor().shape(), (Shape{0, 4}));
}

TEST_F(ExecutorTest, NarrowTypesAreWidenedAndNarrowedAgain) {
  Builder b;
  const SlotId in = b.slot(Storage::kInput, {5}, DType::kInt8);
  const SlotId wide = b.slot(Storage::kInput, {3}, DType::kInt64);
  const SlotId half = b.slot(Storage::kInput, {3}, DType::kFloat16);
  std::vector<SlotId> outputs;
  for (const SlotId from : {in, wide, half}) {
    const plan::Slot source = b.plan->slot(from);
    const SlotId out = b.slot(Storage::kHeap, *source.type.dims, source.type.dtype);
    b.plain(kCopy, from, out, 2);
    outputs.push_back(out);
  }
  const auto executor = this->executor(b.finish(outputs));
  ASSERT_TRUE(executor);
  const auto made = run(
      *executor, {Tensor::of<int8_t>({5}, {-128, -1, 0, 1, 127}),
                  Tensor::of<int64_t>({3}, {-1, int64_t{1} << 40, 7}),
                  Tensor::of_doubles(DType::kFloat16, {3}, std::vector<double>{1.5, -2, 0.25})});
  ASSERT_EQ(made.size(), 3u);
  EXPECT_EQ(made[0].tensor().to_ints(), (std::vector<int64_t>{-128, -1, 0, 1, 127}));
  EXPECT_EQ(made[1].tensor().to_ints(), (std::vector<int64_t>{-1, int64_t{1} << 40, 7}));
  EXPECT_EQ(made[2].tensor().to_doubles(), (std::vector<double>{1.5, -2, 0.25}));
}

TEST_F(ExecutorTest, ObserversSeeEveryStep) {
  Builder b;
  const SlotId in = b.slot(Storage::kInput, {64});
  const SlotId a = b.slot(Storage::kArena, {64});
  const SlotId out = b.slot(Storage::kHeap, {64});
  b.scale(in, a, 64, 2, 0);
  b.scale(a, out, 64, 1, 1);
  const auto executor = this->executor(b.finish({out}));
  ASSERT_TRUE(executor);
  const Tensor input = ramp({64});
  std::vector<int> seen, timed;
  Observer observer;
  observer.outputs = [&](int step, std::span<const Value> outputs) {
    seen.push_back(step);
    ASSERT_EQ(outputs.size(), 1u);
    expect_scaled(outputs[0], input, 2, step == 0 ? 0.0f : 1.0f);
  };
  observer.time = [&](int step, double seconds) {
    timed.push_back(step);
    EXPECT_GE(seconds, 0);
  };
  run(*executor, {input}, {}, observer);
  EXPECT_EQ(seen, (std::vector<int>{0, 1}));
  EXPECT_EQ(timed, (std::vector<int>{0, 1}));
}

TEST_F(ExecutorTest, LongWorkIsCutIntoSubmits) {
  Builder b;
  const SlotId in = b.slot(Storage::kInput, {64});
  SlotId last = in;
  for (int i = 0; i < 40; ++i) {
    const SlotId next = b.slot(i == 39 ? Storage::kHeap : Storage::kArena, {64});
    b.scale(last, next, 64, 1, 1);
    b.plan->steps.back().dispatches[0].flops = 1e8;  // as if each took a tenth of a second
    last = next;
  }
  const auto executor = this->executor(b.finish({last}));
  ASSERT_TRUE(executor);
  const Tensor input = ramp({64});
  const auto outputs = run(*executor, {input});
  ASSERT_EQ(outputs.size(), 1u);
  expect_scaled(outputs[0], input, 1, 40);
  EXPECT_GT(executor->last_run().submits, 2);
}

TEST_F(ExecutorTest, ABadShaderIsAnErrorThatQuotesTheCompiler) {
  Builder b;
  const SlotId in = b.slot(Storage::kInput, {2});
  const SlotId out = b.slot(Storage::kHeap, {2});
  b.plain("fn main() { no such language }", in, out, 1);
  const auto made = Executor::create(b.finish({out}), device_, {});
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code, ErrorCode::kDevice);
  EXPECT_NE(made.error().message.find("test.wgsl"), std::string::npos) << made.error().text();
}

TEST_F(ExecutorTest, InputsThatDoNotFitAreRefused) {
  Builder b;
  const SlotId in = b.slot(Storage::kInput, {2});
  const SlotId out = b.slot(Storage::kHeap, {2});
  b.plain(kCopy, in, out, 1);
  const auto executor = this->executor(b.finish({out}));
  ASSERT_TRUE(executor);
  EXPECT_EQ(executor->run({}, {}).error().code, ErrorCode::kUsage);
  EXPECT_EQ(executor->run(std::vector<Value>{ramp({3})}, {}).error().code, ErrorCode::kUsage);
  expect_scaled(run(*executor, {ramp({2})})[0], ramp({2}), 1, 0);
}

TEST_F(ExecutorTest, TimestampsTimeStepsOnTheDevice) {
  if (!device_->adapter().features.timestamp_query) GTEST_SKIP() << "not run: no timestamp-query";
  DeviceOptions device_options;
  device_options.allow_software = true;
  device_options.features.timestamp_query = true;
  auto device = Device::create(device_options);
  ASSERT_TRUE(device.ok()) << device.error().text();
  Builder b;
  constexpr int64_t kCount = 1 << 20;
  const SlotId in = b.slot(Storage::kInput, {kCount});
  const SlotId a = b.slot(Storage::kArena, {kCount});
  const SlotId out = b.slot(Storage::kHeap, {kCount});
  b.scale(in, a, kCount, 2, 0);
  b.scale(a, out, kCount, 1, 1);
  ExecutorOptions options;
  options.timestamps = true;
  auto executor = Executor::create(b.finish({out}), *device, options);
  ASSERT_TRUE(executor.ok()) << executor.error().text();
  std::vector<double> times;
  Observer observer;
  observer.time = [&](int, double seconds) { times.push_back(seconds); };
  const Tensor input = ramp({kCount});
  const auto outputs = run(**executor, {input}, {}, observer);
  ASSERT_EQ(outputs.size(), 1u);
  expect_scaled(outputs[0], input, 2, 1);
  ASSERT_EQ(times.size(), 2u);
  for (const double seconds : times) {
    EXPECT_GT(seconds, 0);
    EXPECT_LT(seconds, (*executor)->last_run().seconds);
  }
  EXPECT_EQ((*device)->health().uncaptured_errors, 0);
}

TEST_F(ExecutorTest, FillWordShowsKernelsThatReadWhatNobodyWrote) {
  Builder b;
  const SlotId in = b.slot(Storage::kInput, {4});
  const SlotId a = b.slot(Storage::kArena, {4});
  const SlotId out = b.slot(Storage::kHeap, {4});
  b.plain(kFirstOnly, in, a, 1);
  b.plain(kCopy, a, out, 1);
  const auto plan = b.finish({out});
  std::vector<double> last;
  for (const uint32_t word : {0x3f800000u, 0x40000000u}) {  // 1, 2
    ExecutorOptions options;
    options.fill_word = word;
    const auto executor = this->executor(plan, options);
    ASSERT_TRUE(executor);
    for (int i = 0; i < 2; ++i) {
      const auto outputs = run(*executor, {ramp({4})});
      ASSERT_EQ(outputs.size(), 1u);
      last.push_back(outputs[0].tensor().to_doubles()[3]);
    }
  }
  EXPECT_EQ(last, (std::vector<double>{1, 1, 2, 2}));
}

TEST_F(ExecutorTest, ABackendThatComputesNothingIsFoundOut) {
  DeviceOptions null_options;
  null_options.null_backend = true;
  auto device = Device::create(null_options);
  if (!device) GTEST_SKIP() << "not run: " << device.error().text();
  Builder b;
  const SlotId in = b.slot(Storage::kInput, {4});
  const SlotId out = b.slot(Storage::kHeap, {4});
  b.plain(kCopy, in, out, 1);
  auto executor = Executor::create(b.finish({out}), *device, {});
  ASSERT_TRUE(executor.ok()) << executor.error().text();
  const auto outputs = (*executor)->run(std::vector<Value>{ramp({4})}, {});
  ASSERT_FALSE(outputs.ok());
  EXPECT_EQ(outputs.error().code, ErrorCode::kDevice);
  EXPECT_NE(outputs.error().message.find("sentinel"), std::string::npos);
}

TEST_F(ExecutorTest, PlansBeyondTheDeviceAreRefused) {
  Builder b;
  const SlotId in = b.slot(Storage::kInput, {4});
  const SlotId out = b.slot(Storage::kHeap, {4});
  b.plain(kCopy, in, out, 1);
  const auto plan = b.finish({out});
  plan->limits.max_buffer_bytes = uint64_t{1} << 50;
  EXPECT_EQ(Executor::create(plan, device_, {}).error().code, ErrorCode::kDevice);
  plan->limits = {};
  plan->features.f16 = true;
  EXPECT_EQ(Executor::create(plan, device_, {}).error().code, ErrorCode::kDevice);
}

TEST_F(ExecutorTest, MemoryThatIsNotToBeHadIsAnError) {
  Builder b;
  const SlotId in = b.slot(Storage::kInput, {Dim::symbol("n")});
  const SlotId out = b.slot(Storage::kHeap, {Dim::symbol("n") * 1000000000});
  b.plain(kCopy, in, out, 1);
  const auto executor = this->executor(b.finish({out}));
  ASSERT_TRUE(executor);
  const auto outputs = executor->run(std::vector<Value>{ramp({4})}, {});
  ASSERT_FALSE(outputs.ok());
  EXPECT_EQ(outputs.error().code, ErrorCode::kResource) << outputs.error().text();
}

// Many rounds of arithmetic, which no compiler can foresee.
constexpr const char* kForever = R"(
struct Params { rounds : u32, a : u32, b : u32, c : u32 }
@group(0) @binding(0) var<uniform> params : Params;
@group(0) @binding(1) var<storage, read_write> output : array<u32>;
@compute @workgroup_size(1)
fn main() {
  var x = params.a;
  for (var i = 0u; i < params.rounds; i++) { x = x * 1664525u + (x >> 7u); }
  output[0] = x;
}
)";

TEST_F(ExecutorTest, WorkThatDoesNotEndIsGivenUp) {
  if (!device_->adapter().software) GTEST_SKIP() << "not run: would disturb a real GPU";
  DeviceOptions device_options;
  device_options.allow_software = true;
  device_options.deadline_seconds = 0.2;
  auto device = Device::create(device_options);
  ASSERT_TRUE(device.ok()) << device.error().text();
  Builder b;
  const SlotId out = b.slot(Storage::kHeap, {4}, DType::kUInt32);
  plan::Dispatch dispatch;
  dispatch.pipeline = b.pipeline(kForever);
  // A second or two of a processor.
  for (const int64_t word : {150000000, 1, 0, 0})
    dispatch.params.push_back(plan::Word::integer(word));
  dispatch.bindings = {{out, true}};
  dispatch.workgroups = 1;
  b.step({}, {out}).dispatches = {dispatch};
  const auto begin = std::chrono::steady_clock::now();
  {
    auto executor = Executor::create(b.finish({out}), *device, {});
    ASSERT_TRUE(executor.ok()) << executor.error().text();
    const auto outputs = (*executor)->run({}, {});
    ASSERT_FALSE(outputs.ok());
    EXPECT_EQ(outputs.error().code, ErrorCode::kDevice);
    EXPECT_NE(outputs.error().message.find("does not answer"), std::string::npos)
        << outputs.error().text();
    device->reset();
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  EXPECT_LT(took.count(), 1.5);
  // Another device is not held up.
  EXPECT_TRUE(Device::create({.allow_software = true}).ok());
}

// Every fault at every stage of loading and running: a typed error in time, or, for wrong numbers,
// results that differ. A device made afterwards works.
TEST_F(ExecutorTest, EveryFaultIsATypedErrorInTime) {
  const Tensor input = ramp({300});
  for (const FaultKind kind : all_fault_kinds()) {
    for (const Stage stage : all_stages()) {
      if (stage == Stage::kAdapter || stage == Stage::kDevice) continue;  // device_test
      SCOPED_TRACE(std::string(name(kind)) + "@" + std::string(name(stage)));
      FaultInjector faults({{kind, stage}});
      DeviceOptions device_options;
      device_options.allow_software = true;
      device_options.deadline_seconds = kind == FaultKind::kNeverSettling ? 0.3 : 5;
      auto device = Device::create(device_options);
      ASSERT_TRUE(device.ok()) << device.error().text();
      Builder b;
      const SlotId in = b.slot(Storage::kInput, {300});
      SlotId last = in;
      for (int i = 0; i < 3; ++i) {
        const SlotId next = b.slot(i == 2 ? Storage::kHeap : Storage::kArena, {300});
        b.scale(last, next, 300, 2, 1);
        last = next;
      }
      ExecutorOptions options;
      options.faults = &faults;
      const auto begin = std::chrono::steady_clock::now();
      std::optional<Error> error;
      bool right = true;
      auto executor = Executor::create(b.finish({last}), *device, options);
      if (!executor) error = executor.error();
      for (int i = 0; i < 2 && !error; ++i) {
        auto outputs = (*executor)->run(std::vector<Value>{input}, {});
        if (!outputs) {
          error = outputs.error();
        } else {
          right &= (*outputs)[0].tensor().data<float>()[0] == input.data<float>()[0] * 8 + 7;
        }
      }
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
      EXPECT_LT(took.count(), 10);
      EXPECT_TRUE(faults.done());
      if (kind == FaultKind::kWrongNumbers) {
        EXPECT_FALSE(error) << error->text();
        EXPECT_FALSE(right);
        continue;
      }
      ASSERT_TRUE(error);
      EXPECT_EQ(error->code, ErrorCode::kDevice) << error->text();
      EXPECT_EQ((*device)->health().uncaptured_errors, 0)
          << (*device)->health().last_uncaptured_error;
      if (executor.ok()) {
        EXPECT_EQ((*executor)->run(std::vector<Value>{input}, {}).error().code, ErrorCode::kDevice);
      }
    }
  }
}

}  // namespace
}  // namespace sluice::exec::webgpu
