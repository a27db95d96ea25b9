// For as long as session/remote.cc is missing: its CPU side alone.
#include <chrono>

#include "base/hash.h"
#include "base/text.h"
#include "compile/compile_cpu.h"
#include "exec/cpu/executor.h"
#include "format/onnx/reader.h"
#include "format/tflite/reader.h"
#include "import/import.h"
#include "ops/registry.h"
#include "passes/optimize.h"
#include "session/remote.h"
#include "simd/target.h"

namespace sluice::session {
namespace {
using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}
}  // namespace

struct RemoteSession::State {
  std::string name;
  std::unique_ptr<ir::Graph> graph;
  std::vector<IoInfo> inputs, outputs;
  Binding binding;
  std::vector<Value> feeds;
  NamedValues results;
  std::unique_ptr<exec::cpu::Executor> executor;
};
RemoteSession::RemoteSession(std::unique_ptr<State> state) : state_(std::move(state)) {}
RemoteSession::~RemoteSession() = default;
const std::vector<IoInfo>& RemoteSession::inputs() const { return state_->inputs; }
const std::vector<IoInfo>& RemoteSession::outputs() const { return state_->outputs; }
const Binding& RemoteSession::binding() const { return state_->binding; }
const std::string& RemoteSession::name() const { return state_->name; }
const NamedValues& RemoteSession::results() const { return state_->results; }
Result<std::unique_ptr<RemoteSession>> RemoteSession::open(
    std::shared_ptr<const MappedFile> file, const std::string& name, const Options& options,
    const std::map<std::string, std::shared_ptr<const MappedFile>>& files) {
  const auto start = Clock::now();
  auto state = std::make_unique<State>();
  state->name = name;
  Result<format::Model> model = internal_error("");
  if (format::tflite::is_tflite(file->bytes())) {
    model = format::tflite::read_tflite(file->bytes(), file, name);
  } else {
    format::onnx::ReadOptions how;
    how.external = [&](std::string_view location) -> Result<std::shared_ptr<const MappedFile>> {
      const auto found = files.find(std::string(location));
      if (found == files.end())
        return invalid_model(cat("External data ", quoted(location), " is not given"));
      return found->second;
    };
    model = format::onnx::read_onnx(file->bytes(), file, name, how);
  }
  if (!model) return model.error();
  import::ImportOptions how;
  how.input_shapes = options.input_shapes;
  how.outputs = options.outputs;
  SLUICE_ASSIGN(ir::Graph graph, import::import_model(*model, ops::registry(), how));
  state->graph = std::make_unique<ir::Graph>(std::move(graph));
  ir::Graph& g = *state->graph;
  for (const ir::ValueId id : g.inputs()) state->inputs.push_back({g.value(id).name, g.type(id)});
  for (const ir::ValueId id : g.outputs()) state->outputs.push_back({g.value(id).name, g.type(id)});
  state->feeds.resize(state->inputs.size());
  state->binding.requested = options.backend;
  state->binding.read_seconds = since(start);
  state->binding.model_sha256 = sha256_hex(file->bytes());
  return std::unique_ptr<RemoteSession>(new RemoteSession(std::move(state)));
}
Result<void> RemoteSession::set_feed(size_t input, Value value) {
  if (input >= state_->feeds.size()) return usage_error(cat("There is no input ", input));
  state_->feeds[input] = std::move(value);
  return {};
}
const Value& RemoteSession::feed(size_t input) const { return state_->feeds[input]; }
Result<void> RemoteSession::bind_cpu() {
  State& s = *state_;
  if (s.executor != nullptr) return {};
  s.binding.instruction_set = simd::target_name();
  SLUICE_TRY(passes::optimize(ops::registry(), *s.graph, {}));
  SLUICE_ASSIGN(auto plan, compile::compile_cpu(ops::registry(), *s.graph, {}));
  auto pool = std::make_shared<exec::cpu::ThreadPool>(0);
  s.binding.threads = pool->threads();
  const auto table = compile::cpu_kernel_table(ops::registry());
  SLUICE_ASSIGN(s.executor, exec::cpu::Executor::create(plan, table, pool));
  s.graph = nullptr;
  return {};
}
Result<const NamedValues*> RemoteSession::run_cpu() {
  State& s = *state_;
  SLUICE_TRY(bind_cpu());
  const auto start = Clock::now();
  SLUICE_ASSIGN(auto made, s.executor->run(s.feeds, {}));
  s.results.clear();
  for (size_t i = 0; i < made.size(); ++i)
    s.results.emplace_back(s.outputs[i].name, std::move(made[i]));
  s.binding.record_run(since(start));
  return &s.results;
}
Result<void> RemoteSession::note(std::string_view) { return unsupported("Not yet"); }
std::string RemoteSession::binding_json() { return state_->binding.to_json(); }
Result<std::string> RemoteSession::otlp(std::string_view) { return unsupported("Not yet"); }
}  // namespace sluice::session
