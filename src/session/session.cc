#include "session/session.h"

#include <algorithm>
#include <chrono>
#include <thread>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "import/import.h"
#include "op/interpreter.h"
#include "ops/registry.h"
#include "passes/eliminate_dead.h"
#include "session/cpu.h"
#include "session/gpu.h"
#include "session/weights_hash.h"

namespace sluice::session {

namespace {
using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}
}  // namespace

struct Session::State {
  std::string name;
  std::unique_ptr<ir::Graph> graph;
  std::vector<IoInfo> inputs, outputs;
  Binding binding;
  Options options;
  // Bound to the GPU: the model as imported, from which the CPU finishes a job when the device
  // fails.
  std::shared_ptr<const ir::Graph> original;
  std::unique_ptr<Gpu> gpu;
  std::optional<Clock::time_point> left_gpu;     // the latest failover
  std::unique_ptr<Cpu> cpu;                      // holds the graph
  std::vector<Value> held_inputs, held_outputs;  // of the run that is on; empty between runs
  std::vector<std::pair<DType, Shape>> checked;  // inputs of the latest run, when all are tensors

  Result<void> bind_gpu(std::string& why_not);
  Result<void> bind_cpu();
  bool has_new_shapes(std::span<const Value> given) const;
  Result<std::vector<Value>> run_reference(std::span<const Value> inputs, const Observer& observer);
};

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::~Session() = default;
const std::vector<IoInfo>& Session::inputs() const { return state_->inputs; }
const std::vector<IoInfo>& Session::outputs() const { return state_->outputs; }
const Binding& Session::binding() const { return state_->binding; }
const ir::Graph& Session::graph() const {
  if (state_->gpu) return *state_->original;
  return state_->cpu ? state_->cpu->graph() : *state_->graph;
}
const std::vector<std::string>& Session::pass_log() const {
  static const std::vector<std::string> kNone;
  if (state_->gpu) return state_->gpu->pass_log();
  return state_->cpu ? state_->cpu->pass_log() : kNone;
}
const plan::Plan* Session::plan() const {
  if (state_->gpu) return state_->gpu->plan();
  return state_->cpu ? &state_->cpu->plan() : nullptr;
}
const plan::DeviceLayout* Session::device_layout() const {
  return state_->gpu ? state_->gpu->layout() : nullptr;
}
const plan::MemoryLayout* Session::layout() const {
  return state_->cpu ? state_->cpu->layout() : nullptr;
}
uint64_t Session::prepared_bytes() const { return state_->cpu ? state_->cpu->prepared_bytes() : 0; }

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
  // Beside compilation, which waits for no bytes: on most machines a load is no longer for it.
  std::string model_sha256;
  WeightsHash hash(*graph);
  // Weights first, so that those which a kernel has packed by then leave memory. The file's pages
  // are given back as the hash goes on: all of it together would be as much as the packed weights.
  file->release_pages();
  std::thread hashing([&] {
    hash.advance(SIZE_MAX);
    constexpr size_t kPiece = size_t{32} << 20;
    Sha256 whole;
    for (auto left = file->bytes(); !left.empty();) {
      const auto piece = left.first(std::min(left.size(), kPiece));
      whole.update(piece);
      left = left.subspan(piece.size());
      file->release_pages();
    }
    model_sha256 = hex(whole.finish());
  });
  auto session = from_graph(std::move(graph), path, rest);
  hashing.join();
  // What the backend computes with it has packed or uploaded; the rest is read again when needed.
  file->release_pages();
#ifdef __GLIBC__
  malloc_trim(0);  // weights that were packed have left holes
#endif
  if (!session) return session;
  Binding& binding = (*session)->state_->binding;
  binding.read_seconds = read_seconds;
  binding.model_sha256 = std::move(model_sha256);
  binding.weights_sha256 = hash.hex();
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
  state->options = options;
  if (options.backend == Backend::kReference) {
    binding.bound = Backend::kReference;
    binding.reason = "the reference kernels were asked for";
    passes::eliminate_dead(g);
    return std::unique_ptr<Session>(new Session(std::move(state)));
  }
  std::string why_not;
  if (options.backend != Backend::kCpu) {
    SLUICE_TRY(state->bind_gpu(why_not));
    if (state->gpu != nullptr) return std::unique_ptr<Session>(new Session(std::move(state)));
  }
  binding.reason = options.backend == Backend::kCpu ? "the CPU was asked for" : why_not;
  SLUICE_TRY(state->bind_cpu());
  return std::unique_ptr<Session>(new Session(std::move(state)));
}

// Leaves `gpu` empty, with a sentence, where an automatic choice goes on to the CPU.
Result<void> Session::State::bind_gpu(std::string& why_not) {
  original = std::shared_ptr<const ir::Graph>(std::move(graph));
  auto made = Gpu::create(original, options, binding);
  if (!made.ok() && made.error().code == ErrorCode::kResource && !options.limits) {
    // Too large for what every device guarantees: ask for what this one offers.
    why_not = made.error().text();
    if (auto device = acquire_device(options); device.ok()) {
      options.limits = (*device)->adapter().limits;
      made = Gpu::create(original, options, binding);
      if (made.ok()) binding.reason = cat("the adapter's own limits are used: ", why_not);
    }
  }
  if (made.ok()) {
    gpu = std::move(made).value();
    binding.bound = Backend::kWebGpu;
    if (binding.reason.empty()) {
      binding.reason = options.backend == Backend::kWebGpu ? "WebGPU was asked for"
                                                           : "an adapter passed the gate";
    }
    return {};
  }
  if (options.backend == Backend::kWebGpu) return made.error();
  why_not = made.error().text();
  graph = original->clone();
  original = nullptr;
  return {};
}

Result<void> Session::State::bind_cpu() {
  binding.bound = Backend::kCpu;
  SLUICE_ASSIGN(cpu, Cpu::create(std::move(graph), options));
  cpu->describe(binding);
  return {};
}

Result<std::vector<Value>> Session::State::run_reference(std::span<const Value> feeds,
                                                         const Observer& observer) {
  op::InterpretOptions how;
  if (observer.value) {
    how.observe = [&](ir::ValueId id, const Value& value) {
      return observer.value(graph->value(id).name, value);
    };
    // A branch has names of its own, under which it is found where it has been put in its If's
    // place.
    how.observe_branch = [&](std::string_view made, const Value& value) -> Result<void> {
      if (graph->find(made) != ir::kNoValue) return {};
      return observer.value(made, value);
    };
  }
  return op::interpret(ops::registry(), *graph, feeds, how);
}

Result<void> Session::retry_gpu() {
  State& s = *state_;
  if (s.gpu != nullptr) return {};
  if (s.original == nullptr) {
    return usage_error("The session has not been on the GPU, so there is nothing to go back to");
  }
  SLUICE_TRY(may_take_device(s.options.retry_interval_seconds, s.left_gpu));
  s.options.faults = nullptr;
  auto made = Gpu::create(s.original, s.options, s.binding);
  if (!made) {
    note_device_failure();
    return made.error();
  }
  s.gpu = std::move(made).value();
  s.cpu = nullptr;
  s.binding.bound = Backend::kWebGpu;
  s.binding.evidence = Evidence::kReported;
  s.binding.reason = "the GPU was taken again when asked to";
  return {};
}

bool Session::State::has_new_shapes(std::span<const Value> given) const {
  if (checked.size() != given.size()) return true;
  for (size_t i = 0; i < given.size(); ++i) {
    if (!given[i].is_tensor() || given[i].tensor().dtype() != checked[i].first ||
        !(given[i].tensor().shape() == checked[i].second)) {
      return true;
    }
  }
  return false;
}

Result<NamedValues> Session::run(const NamedValues& feeds, const Observer& observer) {
  NamedValues results;
  SLUICE_TRY(run_into(feeds, results, observer));
  return results;
}

Result<void> Session::run_into(const NamedValues& feeds, NamedValues& results,
                               const Observer& observer) {
  State& s = *state_;
  for (auto& [name, value] : results) value = Value();
  auto done = run_once(feeds, results, observer);
  s.held_inputs.clear();
  s.held_outputs.clear();
  if (!done) results.clear();
  return done;
}

Result<void> Session::run_once(const NamedValues& given, NamedValues& results,
                               const Observer& observer) {
  State& s = *state_;
  std::vector<Value>& inputs = s.held_inputs;
  inputs.resize(s.inputs.size());
  for (const auto& [name, value] : given) {
    const auto at = std::ranges::find(s.inputs, name, &IoInfo::name);
    if (at == s.inputs.end()) {
      std::vector<std::string> known;
      for (const IoInfo& info : s.inputs) known.push_back(quoted(info.name));
      return usage_error(
          cat("The model has no input ", quoted(name), " (", join(known, ", "), ")"));
    }
    inputs[static_cast<size_t>(at - s.inputs.begin())] = value;
  }
  if (s.has_new_shapes(inputs)) {
    s.checked.clear();
    SLUICE_TRY(bind_inputs(s.inputs, inputs));
    for (const Value& value : inputs) {
      if (value.is_tensor()) s.checked.emplace_back(value.tensor().dtype(), value.tensor().shape());
    }
  }
  const auto start = Clock::now();
  std::vector<Value>& outputs = s.held_outputs;
  if (s.gpu != nullptr) {
    auto made = s.gpu->run(inputs, observer, s.binding);
    if (made.ok()) {
      outputs = std::move(made).value();
    } else {
      const Error error = made.error();
      const bool device_failed =
          error.code == ErrorCode::kDevice || error.code == ErrorCode::kResource;
      if (!device_failed) return error;
      const bool lost = !s.gpu->device().usable();
      // What only is too large for it says nothing against the device.
      if (lost || error.code == ErrorCode::kDevice) note_device_failure();
      if (s.options.strict) return error;
      // The job is finished here and now, from its inputs, as a session on the CPU would do it.
      const auto failed = Clock::now();
      s.left_gpu = failed;
      s.gpu = nullptr;
      s.graph = s.original->clone();
      SLUICE_TRY(s.bind_cpu());
      SLUICE_ASSIGN(outputs, s.cpu->run(inputs, observer));
      Failover failover;
      failover.stage = cat("run ", s.binding.runs + 1);
      failover.error = error.text();
      failover.device_lost = lost;
      failover.redone = "the run, from its inputs";
      failover.seconds = seconds_since(failed);
      s.binding.record_failover(std::move(failover));
    }
  } else if (s.cpu != nullptr) {
    SLUICE_TRY(s.cpu->run_into(inputs, outputs, observer));
  } else {
    SLUICE_ASSIGN(outputs, s.run_reference(inputs, observer));
  }
  s.binding.record_run(seconds_since(start));
  results.resize(outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    results[i].first = s.outputs[i].name;
    results[i].second = std::move(outputs[i]);
  }
  return {};
}

}  // namespace sluice::session
