#include "session/session.h"

#include <algorithm>
#include <chrono>

#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "compile/compile_cpu.h"
#include "exec/cpu/executor.h"
#include "format/onnx/reader.h"
#include "format/tflite/reader.h"
#include "import/import.h"
#include "op/interpreter.h"
#include "ops/registry.h"
#include "passes/eliminate_dead.h"
#include "passes/optimize.h"
#include "passes/widen_float16.h"
#include "simd/target.h"

namespace sluice::session {

namespace {
using Clock = std::chrono::steady_clock;
constexpr size_t kSmallConstantBytes = 4096;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}
}  // namespace

struct Session::State {
  std::string name;
  std::unique_ptr<ir::Graph> graph;
  std::vector<IoInfo> inputs, outputs;
  Binding binding;
  std::vector<std::string> pass_log;
  std::unique_ptr<exec::cpu::Executor> executor;
};

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::~Session() = default;
const std::vector<IoInfo>& Session::inputs() const { return state_->inputs; }
const std::vector<IoInfo>& Session::outputs() const { return state_->outputs; }
const Binding& Session::binding() const { return state_->binding; }
const ir::Graph& Session::graph() const { return *state_->graph; }
const std::vector<std::string>& Session::pass_log() const { return state_->pass_log; }
const plan::Plan* Session::plan() const {
  return state_->executor ? &state_->executor->plan() : nullptr;
}
const plan::MemoryLayout* Session::layout() const {
  return state_->executor ? state_->executor->layout() : nullptr;
}
uint64_t Session::prepared_bytes() const {
  return state_->executor ? state_->executor->prepared_bytes() : 0;
}

// The format is told by content, never by the file's name.
Result<format::Model> read_model(std::shared_ptr<const MappedFile> file) {
  const auto bytes = file->bytes();
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()),
                              std::min<size_t>(bytes.size(), 4));
  if (format::tflite::is_tflite(bytes)) {
    return format::tflite::read_tflite(bytes, file, file->path());
  }
  if (head.starts_with("GGUF")) {
    return unsupported(
        cat(quoted(file->path()), " is a GGUF file, which this version does not read"));
  }
  if (head.starts_with("PK")) {
    return unsupported(
        cat(quoted(file->path()),
            " is a zip archive (a .task bundle?): unpack it and give the model inside"));
  }
  format::onnx::ReadOptions how;
  how.external = [&](std::string_view location) {
    return MappedFile::open_inside(folder_of(file->path()), location);
  };
  return format::onnx::read_onnx(bytes, file, file->path(), how);
}

namespace {

Result<std::unique_ptr<ir::Graph>> read_graph(const std::string& path, const Options& options,
                                              bool allow_unknown,
                                              std::shared_ptr<const MappedFile>* mapped) {
  SLUICE_ASSIGN(auto file, MappedFile::open(path));
  if (mapped != nullptr) *mapped = file;
  SLUICE_ASSIGN(format::Model model, read_model(file));
  import::ImportOptions how;
  how.input_shapes = options.input_shapes;
  how.outputs = options.outputs;
  how.allow_unknown = allow_unknown;
  SLUICE_ASSIGN(ir::Graph graph, import::import_model(model, ops::registry(), how));
  return std::make_unique<ir::Graph>(std::move(graph));
}

}  // namespace

Result<std::unique_ptr<ir::Graph>> load_graph(const std::string& path, const Options& options,
                                              bool allow_unknown) {
  return read_graph(path, options, allow_unknown, nullptr);
}

Result<std::unique_ptr<Session>> Session::load(const std::string& path, const Options& options) {
  const auto start = Clock::now();
  std::shared_ptr<const MappedFile> file;
  SLUICE_ASSIGN(auto graph, read_graph(path, options, false, &file));
  const double read_seconds = seconds_since(start);
  Options rest = options;
  rest.outputs.clear();  // the importer has pruned already
  SLUICE_ASSIGN(auto session, from_graph(std::move(graph), path, rest));
  session->state_->binding.read_seconds = read_seconds;
  session->state_->binding.model_sha256 = sha256_hex(file->bytes());
  return session;
}

Result<std::unique_ptr<Session>> Session::from_graph(std::unique_ptr<ir::Graph> graph,
                                                     const std::string& name,
                                                     const Options& options) {
  auto state = std::make_unique<State>();
  state->name = name;
  state->graph = std::move(graph);
  ir::Graph& g = *state->graph;
  for (const ir::ValueId id : g.inputs()) state->inputs.push_back({g.value(id).name, g.type(id)});
  for (const ir::ValueId id : g.outputs()) state->outputs.push_back({g.value(id).name, g.type(id)});

  Binding& binding = state->binding;
  binding.requested = options.backend;
  if (options.backend == Backend::kReference) {
    binding.bound = Backend::kReference;
    binding.reason = "the reference kernels were asked for";
    passes::eliminate_dead(g);
    return std::unique_ptr<Session>(new Session(std::move(state)));
  }
  auto start = Clock::now();
  binding.bound = Backend::kCpu;
  binding.reason = options.backend == Backend::kCpu ? "the CPU was asked for"
                                                    : "the CPU is the only backend of this build";
  binding.instruction_set = simd::target_name();
  binding.widened_float16 = passes::has_float16_weights(g);
  if (binding.widened_float16) binding.precision = Precision::kWidened;
  passes::OptimizeOptions how;
  how.fuse = options.fuse;
  SLUICE_ASSIGN(state->pass_log, passes::optimize_for_cpu(ops::registry(), g, how));
  compile::CpuOptions compile_options;
  compile_options.reuse_memory = options.fuse;
  SLUICE_ASSIGN(auto plan, compile::compile_cpu(ops::registry(), g, compile_options));
  binding.compile_seconds = seconds_since(start);
  start = Clock::now();
  auto pool = std::make_shared<exec::cpu::ThreadPool>(options.threads);
  binding.threads = pool->threads();
  const auto table = compile::cpu_kernel_table(ops::registry());
  SLUICE_ASSIGN(state->executor, exec::cpu::Executor::create(plan, table, pool));
  // The executor holds what it needs of the weights; the graph keeps only what is small.
  for (size_t v = 0; v < g.value_count(); ++v) {
    auto& constant = g.value(static_cast<ir::ValueId>(v)).constant;
    if (constant && constant->size_bytes() > kSmallConstantBytes) {
      constant = Tensor::shape_only(constant->dtype(), constant->shape());
    }
  }
  binding.prepare_seconds = seconds_since(start);
  return std::unique_ptr<Session>(new Session(std::move(state)));
}

Result<NamedValues> Session::run(const NamedValues& feeds, const Observer& observer) {
  State& s = *state_;
  std::vector<Value> inputs(s.inputs.size());
  for (const auto& [name, value] : feeds) {
    const auto at = std::ranges::find(s.inputs, name, &IoInfo::name);
    if (at == s.inputs.end()) {
      std::vector<std::string> known;
      for (const IoInfo& info : s.inputs) known.push_back(quoted(info.name));
      return usage_error(
          cat("The model has no input ", quoted(name), " (", join(known, ", "), ")"));
    }
    inputs[static_cast<size_t>(at - s.inputs.begin())] = value;
  }
  Dim::Environment symbols;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].present()) {
      return usage_error(cat("Input ", quoted(s.inputs[i].name), " is not given (",
                             s.inputs[i].type.text(), " is wanted)"));
    }
    if (inputs[i].is_tensor() && s.inputs[i].type.is_tensor()) {
      SLUICE_TRY(plan::bind_symbols(s.inputs[i].type, inputs[i].tensor(),
                                    "Input " + quoted(s.inputs[i].name), symbols));
    }
  }
  const auto start = Clock::now();
  std::vector<Value> outputs;
  if (s.executor != nullptr) {
    const plan::Plan& plan = s.executor->plan();
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
    SLUICE_ASSIGN(outputs, s.executor->run(inputs, inner));
  } else {
    op::InterpretOptions how;
    if (observer.value) {
      how.observe = [&](ir::ValueId id, const Value& value) {
        return observer.value(s.graph->value(id).name, value);
      };
    }
    SLUICE_ASSIGN(outputs, op::interpret(ops::registry(), *s.graph, inputs, how));
  }
  s.binding.record_run(seconds_since(start));
  NamedValues named;
  for (size_t i = 0; i < outputs.size(); ++i) {
    named.emplace_back(s.outputs[i].name, std::move(outputs[i]));
  }
  return named;
}

}  // namespace sluice::session
