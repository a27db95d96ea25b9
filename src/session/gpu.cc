#include "session/gpu.h"

#include <algorithm>
#include <mutex>

#include "base/text.h"
#include "exec/webgpu/executor.h"
#include "session/gate.h"

namespace sluice::session {

namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Runner : ProgramRunner {
  std::unique_ptr<exec::webgpu::Executor> executor;
};
exec::webgpu::Executor& executor_of(const Program& program) {
  return *static_cast<Runner&>(*program.runner).executor;
}

struct LatestFailure {
  std::mutex mutex;
  std::optional<Clock::time_point> when;
};
LatestFailure& latest_failure() {
  static LatestFailure failure;
  return failure;
}

}  // namespace

void note_device_failure() {
  LatestFailure& failure = latest_failure();
  const std::scoped_lock lock(failure.mutex);
  failure.when = Clock::now();
}

void forget_device_failures() {
  LatestFailure& failure = latest_failure();
  const std::scoped_lock lock(failure.mutex);
  failure.when.reset();
}

Result<void> may_take_device(double interval_seconds, std::optional<Clock::time_point> own) {
  LatestFailure& failure = latest_failure();
  const std::scoped_lock lock(failure.mutex);
  const auto latest = std::max(failure.when, own);  // absent is earliest
  if (!latest) return {};
  const double ago = seconds_since(*latest);
  if (ago >= interval_seconds) return {};
  return Error{ErrorCode::kDevice,
               cat("A device failed ", static_cast<int>(ago), " s ago (",
                   static_cast<int>(interval_seconds), " s must pass before another is taken)"),
               {}};
}

struct Gpu::State {
  std::shared_ptr<const ir::Graph> graph;
  Options options;
  std::shared_ptr<exec::webgpu::Device> device;
  GateDecision decision;
  std::unique_ptr<Programs> programs;

  Result<const plan::DeviceLayout*> load(Program& program) const {
    auto runner = std::make_unique<Runner>();
    exec::webgpu::ExecutorOptions how;
    how.faults = options.faults;
    how.fill_word = options.fill_word;
    how.timestamps = options.device_times;
    SLUICE_ASSIGN(runner->executor, exec::webgpu::Executor::create(program.plan, device, how));
    const plan::DeviceLayout* const layout = runner->executor->layout();
    program.runner = std::move(runner);
    return layout;
  }
};

Gpu::Gpu(std::unique_ptr<State> state) : state_(std::move(state)) {}
Gpu::~Gpu() = default;
const plan::Plan* Gpu::plan() const {
  const Program* const program = state_->programs->latest();
  return program == nullptr ? nullptr : program->plan.get();
}
const plan::DeviceLayout* Gpu::layout() const {
  const Program* const program = state_->programs->latest();
  return program == nullptr ? nullptr : executor_of(*program).layout();
}
const std::vector<std::string>& Gpu::pass_log() const {
  static const std::vector<std::string> kNone;
  const Program* const program = state_->programs->latest();
  return program == nullptr ? kNone : program->pass_log;
}
exec::webgpu::Device& Gpu::device() { return *state_->device; }

Result<std::shared_ptr<exec::webgpu::Device>> acquire_device(const Options& options) {
  static std::mutex mutex;
  static std::weak_ptr<exec::webgpu::Device> shared;
  static bool shared_software = false;
  SLUICE_TRY(may_take_device(options.retry_interval_seconds));
  const std::scoped_lock lock(mutex);
  exec::webgpu::DeviceOptions how;
  how.allow_software = options.allow_software;
  how.null_backend = options.null_device;
  how.limits = options.limits.value_or(plan::Limits{});
  how.faults = options.faults;
  how.deadline_seconds = options.deadline_seconds;
  const bool plain = !options.null_device && options.faults == nullptr && !options.limits;
  if (plain) {
    auto device = shared.lock();
    if (device != nullptr && device->usable() && (options.allow_software || !shared_software)) {
      return device;
    }
  }
  SLUICE_ASSIGN(const exec::webgpu::AdapterInfo adapter, exec::webgpu::probe_adapter(how));
  // Whatever the adapter has; limits only as asked, so that every plan stays within them.
  how.features = adapter.features;
  SLUICE_ASSIGN(auto device, exec::webgpu::Device::create(how));
  if (plain) {
    shared = device;
    shared_software = adapter.software;
  }
  return device;
}

Result<std::unique_ptr<Gpu>> Gpu::create(std::shared_ptr<const ir::Graph> graph,
                                         const Options& options, Binding& binding) {
  auto state = std::make_unique<State>();
  state->graph = std::move(graph);
  state->options = options;
  const auto start = Clock::now();
  SLUICE_ASSIGN(state->device, acquire_device(options));
  binding.adapter = adapter_facts(*state->device);
  GateOptions gate_options;
  gate_options.allow_software = options.allow_software;
  gate_options.self_test = options.self_test && !options.null_device;
  gate_options.test.faults = options.faults;
  if (!options.null_device) {
    state->decision = gate(state->device, nullptr, gate_options);
    binding.gate = state->decision.findings;
    if (!state->decision.passed) {
      return Error{ErrorCode::kDevice, state->decision.refusal(), {}};
    }
  }
  binding.init_seconds = seconds_since(start);
  describe_precision(*state->graph, state->device->features(), binding);
  state->programs = std::make_unique<Programs>(state->graph, options, state->device->features(),
                                               state->device->adapter().software);
  const State& s = *state;
  const auto loaded =
      state->programs->at_load(binding, [&](Program& program) { return s.load(program); });
  if (!loaded) {
    // Refused at the gate or too large for it are no failures of a device; this may be one.
    if (!state->device->usable()) note_device_failure();
    return loaded.error();
  }
  return std::unique_ptr<Gpu>(new Gpu(std::move(state)));
}

Result<std::vector<Value>> Gpu::run(std::span<const Value> inputs, const Observer& observer,
                                    Binding& binding) {
  State& s = *state_;
  SLUICE_ASSIGN(Program * program,
                s.programs->for_run(inputs, binding, [&](Program& made) { return s.load(made); }));
  exec::webgpu::Executor& executor = executor_of(*program);
  std::vector<Value> feeds;
  for (const size_t i : program->feeds) feeds.push_back(inputs[i]);
  const plan::Plan& plan = *program->plan;

  exec::webgpu::Observer inner;
  Result<void> observed;
  if (observer.value) {
    inner.outputs = [&](int step, std::span<const Value> made) {
      const plan::Step& what = plan.steps[static_cast<size_t>(step)];
      for (size_t i = 0; i < made.size() && observed.ok(); ++i) {
        if (what.outputs[i] == plan::kNoSlot || !made[i].present()) continue;
        observed = observer.value(plan.slot(what.outputs[i]).name, made[i]);
      }
    };
  }
  if (observer.step) {
    inner.time = [&](int step, double seconds) {
      const plan::Step& what = plan.steps[static_cast<size_t>(step)];
      observer.step(what.node, what.op, what.kernel, seconds, what.flops);
    };
  }
  const exec::webgpu::IslandFn island =
      [&](int step, std::span<const Value> values) -> Result<std::vector<Value>> {
    return program->islands[static_cast<size_t>(step)]->run(values);
  };
  auto outputs = executor.run(feeds, island, inner);
  if (!outputs.ok()) return outputs;
  if (!observed.ok()) return observed.error();
  const exec::webgpu::RunRecord& record = executor.last_run();
  if (record.saw_poison) {
    return Error{ErrorCode::kDevice, "The device left parts of the outputs unwritten", {}};
  }
  // A first right answer proves little: the self-test runs again after warm-up and now and then.
  if (s.decision.self_test != nullptr && recheck_due(binding.runs + 1)) {
    for (GateFinding& finding : gate_again(s.decision, cat("after run ", binding.runs + 1))) {
      binding.gate.push_back(std::move(finding));
    }
    if (!s.decision.passed) {
      return Error{ErrorCode::kDevice, s.decision.refusal(), {}};
    }
  }
  binding.host_copies += static_cast<uint64_t>(record.islands);
  const exec::webgpu::LoadRecord& load = executor.load();
  if (const plan::DeviceLayout* layout = executor.layout()) {
    describe_layout(*layout, binding.plan);
  }
  binding.plan.pipelines = load.pipelines;
  return outputs;
}

}  // namespace sluice::session
