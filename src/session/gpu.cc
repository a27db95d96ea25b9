#include "session/gpu.h"

#include <algorithm>
#include <chrono>
#include <mutex>

#include "base/text.h"
#include "compile/compile_cpu.h"
#include "compile/compile_gpu.h"
#include "exec/cpu/executor.h"
#include "exec/webgpu/executor.h"
#include "ops/registry.h"
#include "passes/fix_inputs.h"
#include "passes/optimize.h"
#include "session/gate.h"

namespace sluice::session {

namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Compiling again with what a run tells may bring new questions up; more rounds than this never
// help.
constexpr int kMaxRounds = 4;

// A compiled plan with what runs it.
struct Program {
  std::string key;                  // of the run's facts it was compiled for; "" for any run
  std::set<std::string> constants;  // inputs that are part of the plan
  bool fixed_shapes = false;
  std::vector<size_t> feeds;  // which of the graph's inputs the plan takes, in its order
  std::shared_ptr<plan::Plan> plan;
  std::vector<compile::Refusal> refusals;
  std::vector<std::string> pass_log;
  std::vector<std::unique_ptr<exec::cpu::Executor>> islands;  // by step
  std::unique_ptr<exec::webgpu::Executor> executor;
};

bool has_float16(const ir::Graph& graph) {
  for (size_t v = 0; v < graph.value_count(); ++v) {
    const Type& type = graph.type(static_cast<ir::ValueId>(v));
    if (type.is_tensor() && type.dtype == DType::kFloat16) return true;
  }
  return false;
}

std::string key_of(const ir::Graph& graph, std::span<const Value> inputs,
                   const std::set<std::string>& constants, bool fixed_shapes) {
  std::string key;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].is_tensor()) continue;
    const Tensor& tensor = inputs[i].tensor();
    if (fixed_shapes) key += tensor.text() + ";";
    if (!constants.contains(graph.value(graph.inputs()[i]).name)) continue;
    key += tensor.text();
    for (const std::byte byte : tensor.bytes()) key += static_cast<char>(byte);
  }
  return key;
}

// Changes `graph`. The passes and the compilation of every GPU plan, whether it is run or only
// shown.
Result<compile::GpuProgram> optimize_and_compile(ir::Graph& graph, const Options& options,
                                                 const plan::Features& features,
                                                 std::vector<std::string>& pass_log) {
  passes::OptimizeOptions how;
  how.fuse = options.fuse;
  how.keep_outputs = true;
  how.widen_float16 = false;
  SLUICE_ASSIGN(pass_log, passes::optimize(ops::registry(), graph, how));
  compile::GpuOptions gpu;
  gpu.limits = options.limits.value_or(plan::Limits{});
  gpu.features = features;
  gpu.reuse_memory = options.fuse;
  return compile::compile_gpu(ops::registry(), graph, gpu);
}

std::vector<Island> islands_of(const std::vector<compile::Refusal>& refusals) {
  std::vector<Island> islands;
  for (const compile::Refusal& refusal : refusals) {
    islands.push_back({refusal.node, refusal.op, refusal.why});
  }
  return islands;
}

}  // namespace

struct Gpu::State {
  std::shared_ptr<const ir::Graph> graph;
  Options options;
  std::shared_ptr<exec::webgpu::Device> device;
  std::shared_ptr<exec::cpu::ThreadPool> pool;  // of the islands; made when the first appears
  GateOptions gate_options;
  GateDecision decision;
  std::vector<std::unique_ptr<Program>> programs;  // latest first
  std::set<std::string> constants;                 // what runs have told so far
  bool fixed_shapes = false;

  Result<std::unique_ptr<Program>> compile(std::span<const Value> inputs,
                                           compile::GpuProgram* made = nullptr);
  Result<void> load(Program& program, Binding& binding);
  Result<Program*> program_for(std::span<const Value> inputs, Binding& binding);
};

Gpu::Gpu(std::unique_ptr<State> state) : state_(std::move(state)) {}
Gpu::~Gpu() = default;
const plan::Plan* Gpu::plan() const {
  return state_->programs.empty() ? nullptr : state_->programs[0]->plan.get();
}
const plan::DeviceLayout* Gpu::layout() const {
  return state_->programs.empty() || state_->programs[0]->executor == nullptr
             ? nullptr
             : state_->programs[0]->executor->layout();
}
const std::vector<std::string>& Gpu::pass_log() const {
  static const std::vector<std::string> kNone;
  return state_->programs.empty() ? kNone : state_->programs[0]->pass_log;
}
exec::webgpu::Device& Gpu::device() { return *state_->device; }

Result<std::shared_ptr<exec::webgpu::Device>> acquire_device(const Options& options) {
  static std::mutex mutex;
  static std::weak_ptr<exec::webgpu::Device> shared;
  static bool shared_software = false;
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

Result<Planned> plan_for_gpu(const ir::Graph& graph, const Options& options,
                             const plan::Features& features) {
  auto g = graph.clone();
  Planned planned;
  SLUICE_ASSIGN(compile::GpuProgram compiled,
                optimize_and_compile(*g, options, features, planned.pass_log));
  planned.plan = compiled.plan;
  planned.islands = islands_of(compiled.refusals);
  return planned;
}

// With `inputs`, the graph is first fixed to what this run tells.
Result<std::unique_ptr<Program>> Gpu::State::compile(std::span<const Value> inputs,
                                                     compile::GpuProgram* made) {
  auto program = std::make_unique<Program>();
  auto g = graph->clone();
  if (!inputs.empty()) {
    program->constants = constants;
    program->fixed_shapes = fixed_shapes;
    program->key = key_of(*graph, inputs, constants, fixed_shapes);
    SLUICE_TRY(passes::fix_inputs(ops::registry(), *g, inputs, constants, fixed_shapes));
  }
  SLUICE_ASSIGN(compile::GpuProgram compiled,
                optimize_and_compile(*g, options, device->features(), program->pass_log));
  for (const ir::ValueId id : g->inputs()) {
    const std::string& name = g->value(id).name;
    const auto at = std::ranges::find_if(
        graph->inputs(), [&](ir::ValueId original) { return graph->value(original).name == name; });
    if (at == graph->inputs().end()) {
      return internal_error(cat("The input ", quoted(name), " has changed its name"));
    }
    program->feeds.push_back(static_cast<size_t>(at - graph->inputs().begin()));
  }
  program->plan = compiled.plan;
  program->refusals = compiled.refusals;
  if (made != nullptr) *made = std::move(compiled);
  return program;
}

Result<void> Gpu::State::load(Program& program, Binding& binding) {
  if (options.strict && !program.refusals.empty()) {
    const compile::Refusal& first = program.refusals[0];
    return unsupported(cat(program.refusals.size(), " nodes would run on the CPU (none may): ",
                           first.op, " ", quoted(first.node), ": ", first.why));
  }
  const auto table = compile::cpu_kernel_table(ops::registry());
  program.islands.resize(program.plan->steps.size());
  for (size_t s = 0; s < program.plan->steps.size(); ++s) {
    const plan::Step& step = program.plan->steps[s];
    if (!program.plan->is_island(step)) continue;
    if (pool == nullptr) pool = std::make_shared<exec::cpu::ThreadPool>(options.threads);
    SLUICE_ASSIGN(program.islands[s],
                  exec::cpu::Executor::create(step.subplans[0].plan, table, pool));
  }
  exec::webgpu::ExecutorOptions how;
  how.faults = options.faults;
  how.fill_word = options.fill_word;
  how.timestamps = options.device_times;
  SLUICE_ASSIGN(program.executor, exec::webgpu::Executor::create(program.plan, device, how));

  // What the plan needs, against what the device offers.
  const PlanNeeds needs = plan_needs(*program.plan, program.executor->layout());
  GateOptions facts = gate_options;
  facts.allow_software = true;  // judged when the device was taken
  const GateDecision fits = gate_facts(binding.adapter, &needs, facts);
  for (const GateFinding& finding : fits.findings) {
    if (!finding.passed) binding.gate.push_back(finding);
  }
  if (!fits.passed) return resource_error(fits.refusal());

  binding.islands = islands_of(program.refusals);
  binding.plan = PlanFigures{};
  binding.plan.pipelines = static_cast<int>(program.plan->pipelines.size());
  for (const plan::Step& step : program.plan->steps) {
    binding.plan.dispatches += static_cast<int>(step.dispatches.size());
  }
  return {};
}

Result<Program*> Gpu::State::program_for(std::span<const Value> inputs, Binding& binding) {
  const auto use = [&](size_t i) {
    std::rotate(programs.begin(), programs.begin() + static_cast<std::ptrdiff_t>(i),
                programs.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    return programs[0].get();
  };
  if (!programs.empty() && programs[0]->key.empty()) return programs[0].get();
  for (size_t i = 0; i < programs.size(); ++i) {
    if (programs[i]->key ==
        key_of(*graph, inputs, programs[i]->constants, programs[i]->fixed_shapes)) {
      return use(i);
    }
  }
  std::unique_ptr<Program> best;
  for (int round = 0; round < kMaxRounds; ++round) {
    compile::GpuProgram made;
    SLUICE_ASSIGN(best, compile(inputs, &made));
    const size_t known = constants.size();
    const bool fixed = fixed_shapes;
    constants.insert(made.wanted_inputs.begin(), made.wanted_inputs.end());
    fixed_shapes |= made.wants_static;
    if (constants.size() == known && fixed == fixed_shapes) break;
  }
  if (!programs.empty()) ++binding.recompilations;
  SLUICE_TRY(load(*best, binding));
  programs.insert(programs.begin(), std::move(best));
  constexpr size_t kKeptPrograms = 4;
  if (programs.size() > kKeptPrograms) programs.pop_back();
  return programs[0].get();
}

Result<std::unique_ptr<Gpu>> Gpu::create(std::shared_ptr<const ir::Graph> graph,
                                         const Options& options, Binding& binding) {
  auto state = std::make_unique<State>();
  state->graph = std::move(graph);
  state->options = options;
  auto start = Clock::now();
  SLUICE_ASSIGN(state->device, acquire_device(options));
  binding.adapter = adapter_facts(*state->device);
  state->gate_options.allow_software = options.allow_software;
  state->gate_options.self_test = options.self_test && !options.null_device;
  state->gate_options.test.faults = options.faults;
  if (!options.null_device) {
    state->decision = gate(state->device, nullptr, state->gate_options);
    binding.gate = state->decision.findings;
    if (!state->decision.passed) {
      return Error{ErrorCode::kDevice, state->decision.refusal(), {}};
    }
  }
  binding.init_seconds = seconds_since(start);
  if (has_float16(*state->graph)) {
    binding.widened_float16 = !state->device->features().f16;
    binding.precision = binding.widened_float16 ? Precision::kWidened : Precision::kFloat16;
  }

  start = Clock::now();
  compile::GpuProgram made;
  SLUICE_ASSIGN(auto program, state->compile({}, &made));
  binding.compile_seconds = seconds_since(start);
  if (made.wanted_inputs.empty() && !made.wants_static) {
    start = Clock::now();
    SLUICE_TRY(state->load(*program, binding));
    binding.prepare_seconds = seconds_since(start);
    state->programs.push_back(std::move(program));
  } else {
    state->constants.insert(made.wanted_inputs.begin(), made.wanted_inputs.end());
    state->fixed_shapes = made.wants_static;
  }
  return std::unique_ptr<Gpu>(new Gpu(std::move(state)));
}

Result<std::vector<Value>> Gpu::run(std::span<const Value> inputs, const Observer& observer,
                                    Binding& binding) {
  State& s = *state_;
  SLUICE_ASSIGN(Program * program, s.program_for(inputs, binding));
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
  auto outputs = program->executor->run(feeds, island, inner);
  if (!outputs.ok()) return outputs;
  if (!observed.ok()) return observed.error();
  const exec::webgpu::RunRecord& record = program->executor->last_run();
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
  const exec::webgpu::LoadRecord& load = program->executor->load();
  if (const plan::DeviceLayout* layout = program->executor->layout()) {
    binding.plan.most_storage_buffers = layout->most_storage_buffers;
    binding.plan.largest_binding_bytes = layout->largest_binding_bytes;
    binding.plan.largest_buffer_bytes = layout->largest_buffer_bytes;
    binding.plan.predicted_peak_bytes = layout->total_bytes;
    binding.plan.weights_bytes = layout->constant_bytes;
  }
  binding.plan.pipelines = load.pipelines;
  return outputs;
}

}  // namespace sluice::session
