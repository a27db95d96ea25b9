#include "session/programs.h"

#include <algorithm>
#include <chrono>

#include "base/text.h"
#include "compile/compile_cpu.h"
#include "ops/registry.h"
#include "passes/fix_inputs.h"
#include "passes/optimize.h"
#include "session/gate_facts.h"

namespace sluice::session {

namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Compiling again with what a run tells may bring new questions up; more rounds than this never
// help.
constexpr int kMaxRounds = 4;

// What one dispatch may be estimated at: a tenth of a second on a slow GPU, and on a software
// adapter, so that submits can keep their budget, and neither drivers nor desktops have to wait.
constexpr double kMostDispatchFlops = 2e10, kMostDispatchFlopsSoftware = 1e8;

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
                                                 const plan::Features& features, bool software,
                                                 bool defer_packing,
                                                 std::vector<std::string>& pass_log) {
  passes::OptimizeOptions how;
  how.fuse = options.fuse;
  how.keep_outputs = true;
  how.widen_float16 = false;
  how.fuse_dynamic_quantization = features.packed_dot;
  SLUICE_ASSIGN(pass_log, passes::optimize(ops::registry(), graph, how));
  compile::GpuOptions gpu;
  gpu.limits = options.limits.value_or(plan::Limits{});
  gpu.features = features;
  gpu.reuse_memory = options.fuse;
  gpu.kernels = options.kernels;
  gpu.most_dispatch_flops = software ? kMostDispatchFlopsSoftware : kMostDispatchFlops;
  gpu.defer_packing = defer_packing;
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

struct Programs::State {
  std::shared_ptr<const ir::Graph> graph;
  Options options;
  plan::Features features;
  bool software = false;
  size_t most = 0;
  bool defer_packing = false;
  std::shared_ptr<exec::cpu::ThreadPool> pool;     // of the islands; made when the first appears
  std::vector<std::unique_ptr<Program>> programs;  // latest first
  std::set<std::string> constants;                 // what runs have told so far
  bool fixed_shapes = false;

  Result<std::unique_ptr<Program>> compile(std::span<const Value> inputs,
                                           compile::GpuProgram* made);
  Result<void> make_ready(Program& program, Binding& binding, const Load& load);
};

Programs::Programs(std::shared_ptr<const ir::Graph> graph, const Options& options,
                   const plan::Features& features, bool software, size_t most, bool defer_packing)
    : state_(std::make_unique<State>()) {
  state_->software = software;
  state_->most = most;
  state_->defer_packing = defer_packing;
  state_->graph = std::move(graph);
  state_->options = options;
  state_->features = features;
}
Programs::~Programs() = default;
Program* Programs::latest() const {
  return state_->programs.empty() ? nullptr : state_->programs[0].get();
}

// With `inputs`, the graph is first fixed to what this run tells.
Result<std::unique_ptr<Program>> Programs::State::compile(std::span<const Value> inputs,
                                                          compile::GpuProgram* made) {
  auto program = std::make_unique<Program>();
  auto g = graph->clone();
  if (!inputs.empty()) {
    program->constants = constants;
    program->fixed_shapes = fixed_shapes;
    program->key = key_of(*graph, inputs, constants, fixed_shapes);
    SLUICE_TRY(passes::fix_inputs(ops::registry(), *g, inputs, constants, fixed_shapes));
  }
  SLUICE_ASSIGN(
      compile::GpuProgram compiled,
      optimize_and_compile(*g, options, features, software, defer_packing, program->pass_log));
  // Whoever drives the session then asks for the adapter's own limits; with those, an island is the
  // last resort.
  if (!compiled.wants_larger.empty() && !options.limits) {
    return resource_error(compiled.wants_larger);
  }
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
  program->packs = std::move(compiled.packs);
  program->refusals = compiled.refusals;
  *made = std::move(compiled);
  return program;
}

Result<void> Programs::State::make_ready(Program& program, Binding& binding, const Load& load) {
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
  SLUICE_ASSIGN(const plan::DeviceLayout* const layout, load(program));
  SLUICE_TRY(check_fit(*program.plan, layout, binding));
  binding.islands = islands_of(program.refusals);
  binding.plan = PlanFigures{};
  binding.plan.pipelines = static_cast<int>(program.plan->pipelines.size());
  for (const plan::Step& step : program.plan->steps) {
    binding.plan.dispatches += static_cast<int>(step.dispatches.size());
  }
  return {};
}

Result<Program*> Programs::at_load(Binding& binding, const Load& load) {
  State& s = *state_;
  auto start = Clock::now();
  compile::GpuProgram made;
  SLUICE_ASSIGN(auto program, s.compile({}, &made));
  binding.compile_seconds = seconds_since(start);
  if (!made.wanted_inputs.empty() || made.wants_static) {
    s.constants.insert(made.wanted_inputs.begin(), made.wanted_inputs.end());
    s.fixed_shapes = made.wants_static;
    return static_cast<Program*>(nullptr);
  }
  start = Clock::now();
  SLUICE_TRY(s.make_ready(*program, binding, load));
  binding.prepare_seconds = seconds_since(start);
  s.programs.push_back(std::move(program));
  return s.programs[0].get();
}

Result<Program*> Programs::for_run(std::span<const Value> inputs, Binding& binding,
                                   const Load& load) {
  State& s = *state_;
  auto& programs = s.programs;
  if (!programs.empty() && programs[0]->key.empty()) return programs[0].get();
  for (size_t i = 0; i < programs.size(); ++i) {
    if (programs[i]->key !=
        key_of(*s.graph, inputs, programs[i]->constants, programs[i]->fixed_shapes)) {
      continue;
    }
    std::rotate(programs.begin(), programs.begin() + static_cast<std::ptrdiff_t>(i),
                programs.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    return programs[0].get();
  }
  std::unique_ptr<Program> best;
  for (int round = 0; round < kMaxRounds; ++round) {
    compile::GpuProgram made;
    SLUICE_ASSIGN(best, s.compile(inputs, &made));
    const size_t known = s.constants.size();
    const bool fixed = s.fixed_shapes;
    s.constants.insert(made.wanted_inputs.begin(), made.wanted_inputs.end());
    s.fixed_shapes |= made.wants_static;
    if (s.constants.size() == known && fixed == s.fixed_shapes) break;
  }
  if (!programs.empty()) ++binding.recompilations;
  SLUICE_TRY(s.make_ready(*best, binding, load));
  programs.insert(programs.begin(), std::move(best));
  if (programs.size() > s.most) programs.pop_back();
  return programs[0].get();
}

Result<void> check_fit(const plan::Plan& plan, const plan::DeviceLayout* layout, Binding& binding) {
  const PlanNeeds needs = plan_needs(plan, layout);
  GateOptions facts;
  facts.allow_software = true;  // judged when the device was taken
  const GateDecision fits = gate_facts(binding.adapter, &needs, facts);
  for (const GateFinding& finding : fits.findings) {
    if (!finding.passed) binding.gate.push_back(finding);
  }
  if (!fits.passed) return resource_error(fits.refusal());
  return {};
}

void describe_layout(const plan::DeviceLayout& layout, PlanFigures& figures) {
  figures.most_storage_buffers = layout.most_storage_buffers;
  figures.largest_binding_bytes = layout.largest_binding_bytes;
  figures.largest_buffer_bytes = layout.largest_buffer_bytes;
  figures.predicted_peak_bytes = layout.total_bytes;
  figures.weights_bytes = layout.constant_bytes;
}

void describe_precision(const ir::Graph& graph, const plan::Features& features, Binding& binding) {
  if (!has_float16(graph)) return;
  binding.widened_float16 = !features.f16;
  binding.precision = binding.widened_float16 ? Precision::kWidened : Precision::kFloat16;
}

Result<Dim::Environment> symbols_of(const plan::Plan& plan, std::span<const Value> inputs) {
  if (inputs.size() != plan.inputs.size()) {
    return usage_error(
        cat("The plan gets ", inputs.size(), " inputs (", plan.inputs.size(), " are wanted)"));
  }
  Dim::Environment symbols;
  // Twice: an extent such as 2*n may come before the n that binds it.
  for (int pass = 0; pass < 2; ++pass) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      const plan::Slot& slot = plan.slot(plan.inputs[i]);
      if (slot.format == plan::DeviceFormat::kNone && !inputs[i].is_tensor()) continue;
      if (!inputs[i].is_tensor()) {
        return usage_error(cat("The input ", quoted(slot.name), " is no tensor (", slot.type.text(),
                               " is wanted)"));
      }
      SLUICE_TRY(plan::bind_symbols(slot.type, inputs[i].tensor(),
                                    cat("The input ", quoted(slot.name)), symbols));
    }
  }
  return symbols;
}

bool has_symbols(const plan::Plan& plan) {
  return std::ranges::any_of(plan.inputs, [&](plan::SlotId id) {
    const Type& type = plan.slot(id).type;
    return type.dims && std::ranges::any_of(*type.dims, &Dim::is_symbolic);
  });
}

Result<Planned> plan_for_gpu(const ir::Graph& graph, const Options& options,
                             const plan::Features& features, bool software) {
  auto g = graph.clone();
  Planned planned;
  SLUICE_ASSIGN(compile::GpuProgram compiled,
                optimize_and_compile(*g, options, features, software, false, planned.pass_log));
  planned.plan = compiled.plan;
  planned.islands = islands_of(compiled.refusals);
  return planned;
}

}  // namespace sluice::session
