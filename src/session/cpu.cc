#include "session/cpu.h"

#include <chrono>

#include "base/text.h"
#include "compile/spare_memory.h"
#include "exec/cpu/executor.h"
#include "ops/registry.h"
#include "passes/optimize.h"
#include "passes/widen_float16.h"
#include "simd/target.h"

namespace sluice::session {

namespace {
using Clock = std::chrono::steady_clock;
constexpr size_t kSmallConstantBytes = 4096;
// Weights of float16 up to this are widened once, at load. WebAssembly has no instruction for it,
// and widening in every run takes 2 to 7 % of the time of small models; doubled, their weights are
// still small beside what a run needs. Natively the halves are no slower, and less to read.
#ifdef __wasm__
constexpr uint64_t kWidenedBytes = 8 << 20;
#else
constexpr uint64_t kWidenedBytes = 0;
#endif
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

uint64_t float16_bytes(const ir::Graph& graph) {
  uint64_t bytes = 0;
  for (size_t v = 0; v < graph.value_count(); ++v) {
    const auto& constant = graph.value(static_cast<ir::ValueId>(v)).constant;
    if (constant && constant->dtype() == DType::kFloat16) bytes += constant->size_bytes();
  }
  return bytes;
}
}  // namespace

struct Cpu::State {
  std::unique_ptr<ir::Graph> graph;
  std::vector<std::string> pass_log;
  std::unique_ptr<exec::cpu::Executor> executor;
  bool widened_float16 = false;
  int threads = 1;
  double compile_seconds = 0, prepare_seconds = 0;
};

Cpu::Cpu(std::unique_ptr<State> state) : state_(std::move(state)) {}
Cpu::~Cpu() = default;
const ir::Graph& Cpu::graph() const { return *state_->graph; }
const std::vector<std::string>& Cpu::pass_log() const { return state_->pass_log; }
const plan::Plan& Cpu::plan() const { return state_->executor->plan(); }
const plan::MemoryLayout* Cpu::layout() const { return state_->executor->layout(); }
uint64_t Cpu::prepared_bytes() const { return state_->executor->prepared_bytes(); }

Result<std::unique_ptr<Cpu>> Cpu::create(std::unique_ptr<ir::Graph> graph, const Options& options,
                                         bool lends_results) {
  auto start = Clock::now();
  auto state = std::make_unique<State>();
  state->graph = std::move(graph);
  ir::Graph& g = *state->graph;
  state->widened_float16 = passes::has_float16_weights(g);
  passes::OptimizeOptions how;
  how.fuse = options.fuse;
  how.fuse_for_cpu = true;
  how.hold_float16 = options.fuse && float16_bytes(g) > kWidenedBytes;
  SLUICE_ASSIGN(state->pass_log, passes::optimize(ops::registry(), g, how));
  compile::CpuOptions compile_options;
  compile_options.reuse_memory = options.fuse;
  compile_options.lend_outputs = lends_results;
  SLUICE_ASSIGN(auto plan, compile::compile_sparing_memory(ops::registry(), g, compile_options));
  state->compile_seconds = seconds_since(start);
  start = Clock::now();
  auto pool = std::make_shared<exec::cpu::ThreadPool>(options.threads);
  state->threads = pool->threads();
  const auto table = compile::cpu_kernel_table(ops::registry());
  // The plan alone holds the weights: each leaves memory when its kernels have packed it.
  for (size_t v = 0; v < g.value_count(); ++v) {
    auto& constant = g.value(static_cast<ir::ValueId>(v)).constant;
    if (constant && constant->size_bytes() > kSmallConstantBytes) {
      constant = Tensor::shape_only(constant->dtype(), constant->shape());
    }
  }
  SLUICE_ASSIGN(state->executor, exec::cpu::Executor::create(plan, table, pool, lends_results));
  state->prepare_seconds = seconds_since(start);
  return std::unique_ptr<Cpu>(new Cpu(std::move(state)));
}

void Cpu::describe(Binding& binding) const {
  const State& s = *state_;
  binding.bound = Backend::kCpu;
  binding.instruction_set = simd::target_name();
  binding.widened_float16 = s.widened_float16;
  if (s.widened_float16) binding.precision = Precision::kWidened;
  binding.threads = s.threads;
  binding.compile_seconds = s.compile_seconds;
  binding.prepare_seconds = s.prepare_seconds;
}

Result<std::vector<Value>> Cpu::run(std::span<const Value> feeds, const Observer& observer) {
  std::vector<Value> outputs;
  SLUICE_TRY(run_into(feeds, outputs, observer));
  return outputs;
}

Result<void> Cpu::run_into(std::span<const Value> feeds, std::vector<Value>& outputs,
                           const Observer& observer) {
  const plan::Plan& plan = state_->executor->plan();
  exec::cpu::Observer inner;
  if (observer.value) {
    inner.outputs = [&](int step, std::span<const Value> made) -> Result<void> {
      const plan::Step& what = plan.steps[static_cast<size_t>(step)];
      for (size_t i = 0; i < made.size(); ++i) {
        if (what.outputs[i] == plan::kNoSlot) continue;
        SLUICE_TRY(observer.value(plan.slot(what.outputs[i]).name, made[i]));
      }
      return {};
    };
  }
  if (observer.step) {
    inner.time = [&](int step, double seconds) {
      const plan::Step& what = plan.steps[static_cast<size_t>(step)];
      observer.step(what.node, what.op, what.kernel, seconds, what.flops);
    };
  }
  return state_->executor->run_into(feeds, outputs, inner);
}

Result<Dim::Environment> bind_inputs(std::span<const IoInfo> declared,
                                     std::span<const Value> inputs) {
  Dim::Environment symbols;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].present()) {
      return usage_error(cat("Input ", quoted(declared[i].name), " is not given (",
                             declared[i].type.text(), " is wanted)"));
    }
    if (inputs[i].is_tensor() && declared[i].type.is_tensor()) {
      SLUICE_TRY(plan::bind_symbols(declared[i].type, inputs[i].tensor(),
                                    "Input " + quoted(declared[i].name), symbols));
    }
  }
  return symbols;
}

}  // namespace sluice::session
