#include "session/remote.h"

#include <algorithm>
#include <chrono>

#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "import/import.h"
#include "ops/registry.h"
#include "plan/device_layout.h"
#include "plan/poison.h"
#include "session/canaries.h"
#include "session/cpu.h"
#include "session/gate_facts.h"
#include "session/programs.h"
#include "session/telemetry.h"
#include "session/weights_hash.h"

namespace sluice::session {

namespace {

using plan::DeviceFormat;
using plan::kNoSlot;
using plan::Plan;
using plan::SlotId;
using Clock = std::chrono::steady_clock;

constexpr size_t kSmallConstantBytes = 4096;
// Of the weights' hash at a time: some milliseconds.
constexpr size_t kHashPieceBytes = 512u << 10;
// Of weights that are being packed, what may wait for the hash, and so in memory twice.
constexpr size_t kUnhashedBytes = 4u << 20;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Error device_error(std::string message) { return {ErrorCode::kDevice, std::move(message), {}}; }

// The name of a file without its folders: what may leave the machine.
std::string base_name(const std::string& name) {
  const size_t slash = name.find_last_of("/\\");
  return slash == std::string::npos ? name : name.substr(slash + 1);
}

// Of each step: the slots that nothing reads after it.
std::vector<std::vector<SlotId>> last_uses_of(const Plan& plan) {
  std::vector<size_t> last(plan.slots.size(), SIZE_MAX);
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    for (const auto* slots : {&plan.steps[s].inputs, &plan.steps[s].outputs}) {
      for (const SlotId id : *slots) {
        if (id != kNoSlot) last[static_cast<size_t>(id)] = s;
      }
    }
  }
  for (const SlotId id : plan.outputs) {
    if (id != kNoSlot) last[static_cast<size_t>(id)] = SIZE_MAX;
  }
  std::vector<std::vector<SlotId>> out(plan.steps.size());
  for (size_t id = 0; id < last.size(); ++id) {
    if (last[id] != SIZE_MAX) out[last[id]].push_back(static_cast<SlotId>(id));
  }
  return out;
}

// The encoded form of a program and the run of it that is under way.
struct Runner : ProgramRunner {
  uint32_t id = 0;
  std::shared_ptr<Plan> plan;
  std::vector<SlotId> constants;
  std::vector<std::vector<SlotId>> last_uses;
  bool laid_out = false;
  plan::DeviceLayout layout;
  Dim::Environment symbols;
  plan::Encoded code;
  uint32_t generation = 0;
  uint32_t fitting = 0;  // the generation that was held against the adapter's limits
  bool told = false;     // the host has got its pipelines
  bool emptied = false;  // constants are on the device only

  // Of the current run.
  std::vector<Value> host;  // by slot: what the host knows
  size_t next_step = 0;     // steps before it are behind us

  bool on_device(SlotId id_of) const {
    return plan->slot(id_of).format != DeviceFormat::kNone &&
           layout.buffer[static_cast<size_t>(id_of)] >= 0;
  }
  Result<void> lay_out(const Dim::Environment& values);
  void begin(std::span<const Value> inputs);
  Result<Shape> shape(SlotId slot) const;
  // The value of a slot if the host has it.
  Value known(SlotId slot) const;
  // The same once the device has nothing more to hand over: a value without elements never travels.
  Result<Value> arrived(SlotId slot);
  Result<void> take(SlotId slot, std::span<const std::byte> bytes);
  Result<void> run_view(const plan::Step& step);
  Result<void> advance(size_t step);
  void empty_constants();
};

Result<void> Runner::lay_out(const Dim::Environment& values) {
  if (laid_out && values == symbols) return {};
  SLUICE_ASSIGN(plan::DeviceLayout next,
                plan::lay_out_device(*plan, values, laid_out ? &layout : nullptr));
  SLUICE_ASSIGN(plan::Encoded next_code, plan::encode(*plan, next, values));
  if (!laid_out || next_code.words != code.words) ++generation;
  layout = std::move(next);
  code = std::move(next_code);
  symbols = values;
  laid_out = true;
  return {};
}

void Runner::begin(std::span<const Value> inputs) {
  host.assign(plan->slots.size(), Value());
  for (size_t i = 0; i < inputs.size(); ++i) {
    host[static_cast<size_t>(plan->inputs[i])] = inputs[i];
  }
  next_step = 0;
}

Result<Shape> Runner::shape(SlotId slot) const {
  const plan::Slot& what = plan->slot(slot);
  if (!what.type.dims || what.type.dims->size() > kMaxRank) {
    return internal_error(cat("The rank of ", sluice::quoted(what.name), " is not known"));
  }
  Shape out;
  for (const Dim& dim : *what.type.dims) {
    const auto extent = dim.evaluate(symbols);
    if (!extent || *extent < 0) {
      return internal_error(cat("The extents of ", sluice::quoted(what.name), " (",
                                what.type.text(), ") are not known"));
    }
    out.push_back(*extent);
  }
  return out;
}

Value Runner::known(SlotId slot) const {
  const Value& value = host[static_cast<size_t>(slot)];
  if (value.present()) return value;
  const auto& constant = plan->slot(slot).constant;
  return constant ? Value(*constant) : Value();
}

Result<Value> Runner::arrived(SlotId slot) {
  if (!known(slot).present() && on_device(slot)) {
    SLUICE_ASSIGN(const Shape extents, shape(slot));
    if (extents.elements() == 0) SLUICE_TRY(take(slot, {}));
  }
  return known(slot);
}

Result<void> Runner::take(SlotId slot, std::span<const std::byte> bytes) {
  const plan::Slot& what = plan->slot(slot);
  SLUICE_ASSIGN(const Shape extents, shape(slot));
  SLUICE_ASSIGN(Tensor tensor, plan::from_device(bytes, what.format, what.type.dtype, extents));
  host[static_cast<size_t>(slot)] = std::move(tensor);
  return {};
}

// The device's side of a view is its alias in the layout; here only the host's side is made.
Result<void> Runner::run_view(const plan::Step& step) {
  const SlotId from = step.inputs[0], to = step.outputs[0];
  if (from == kNoSlot || to == kNoSlot) return {};
  const Value value = known(from);
  if (!value.is_tensor()) {
    if (value.present() || on_device(to)) return {};
    return usage_error(cat("The elements of ", sluice::quoted(plan->slot(from).name),
                           " were not handed over before a view of them"));
  }
  SLUICE_ASSIGN(const Shape extents, shape(to));
  const Tensor& tensor = value.tensor();
  if (tensor.dtype() == plan->slot(to).type.dtype && tensor.elements() == extents.elements()) {
    host[static_cast<size_t>(to)] = tensor.reshaped(extents);
  } else if (!on_device(to)) {
    return internal_error(
        cat(sluice::quoted(plan->slot(to).name), " is no view of ", tensor.text()));
  }
  return {};
}

// Everything before `step` that the host has no part in.
Result<void> Runner::advance(size_t step) {
  if (step < next_step || step > plan->steps.size()) {
    return usage_error(cat("Step ", step, " is asked for after step ", next_step, " (",
                           plan->steps.size(), " there are)"));
  }
  for (; next_step < step; ++next_step) {
    const plan::Step& what = plan->steps[next_step];
    if (plan->is_island(what)) {
      return usage_error(cat("Step ", next_step, " (", what.op, " ", sluice::quoted(what.node),
                             ") runs on the CPU and was left out"));
    }
    if (what.view && what.dispatches.empty()) SLUICE_TRY(run_view(what));
    for (const SlotId id_of : last_uses[next_step]) host[static_cast<size_t>(id_of)] = Value();
  }
  return {};
}

// What the device holds need not stay here, but for what islands, views and outputs look at.
void Runner::empty_constants() {
  if (emptied) return;
  emptied = true;
  std::vector<bool> looked_at(plan->slots.size());
  const auto look = [&](SlotId slot) {
    if (slot != kNoSlot) looked_at[static_cast<size_t>(slot)] = true;
  };
  for (const plan::Step& step : plan->steps) {
    if (!step.dispatches.empty()) continue;
    for (const SlotId slot : step.inputs) look(slot);
  }
  for (const SlotId slot : plan->outputs) look(slot);
  for (const SlotId slot : constants) {
    auto& constant = plan->slots[static_cast<size_t>(slot)].constant;
    if (looked_at[static_cast<size_t>(slot)] || !constant) continue;
    if (constant->size_bytes() > kSmallConstantBytes) {
      constant = Tensor::shape_only(constant->dtype(), constant->shape());
    }
  }
}

// Elements in device form; `scratch` backs them where the tensor's own bytes are not that.
Result<std::span<const std::byte>> device_bytes(const Tensor& tensor, DeviceFormat format,
                                                std::vector<std::byte>& scratch) {
  const bool same =
      tensor.size_bytes() == static_cast<size_t>(tensor.elements()) * element_bytes(format) &&
      (tensor.dtype() == DType::kFloat32 || tensor.dtype() == DType::kInt32 ||
       tensor.dtype() == DType::kUInt32 || tensor.dtype() == DType::kInt64 ||
       tensor.dtype() == DType::kUInt64);
  if (same) return tensor.bytes();
  SLUICE_ASSIGN(scratch, plan::to_device(tensor, format));
  scratch.resize((scratch.size() + 3) / 4 * 4);
  return std::span<const std::byte>(scratch);
}

// Of the whole module: devices share one driver.
struct DeviceHistory {
  std::optional<Clock::time_point> failure;      // of a device during a job
  std::optional<Clock::time_point> acquisition;  // the latest that was not a session's first
};
DeviceHistory& device_history() {
  static DeviceHistory history;
  return history;
}

}  // namespace

struct RemoteSession::State {
  std::string name;
  Options options;
  // As imported; what a failed job is finished from. Null once it was given up.
  std::shared_ptr<const ir::Graph> graph;
  std::vector<std::string> wanted_outputs;  // to import it again
  bool can_reopen = false;
  std::vector<IoInfo> inputs, outputs;
  Binding binding;
  Json noted = Json::object();
  std::optional<Telemetry> telemetry;
  std::optional<TelemetryConfig> telemetry_config;
  size_t events_sent = 0;
  std::optional<WeightsHash> weights_hash;  // until it is known
  size_t file_bytes = 0;                    // of the model; 0: not known

  std::vector<Value> feeds;
  NamedValues results;
  // The host has the whole record but for the figures of runs on the CPU.
  bool told = false;
  bool only_figures = false;  // has the latest run changed
  std::vector<double> figures;
  std::unique_ptr<Cpu> cpu;

  // --- the device
  enum class Device : uint8_t {
    kUndecided,  // the host has not said yet
    kGate,       // facts are judged, the self-test is not
    kBound,      // passed
    kGone,       // never came, or failed
  };
  Device device = Device::kUndecided;
  int acquired = 0;
  bool ever_bound = false;
  bool idle_loss = false;    // the device went between two jobs
  bool failed_over = false;  // since the latest acquisition
  std::optional<Canaries> canaries;
  std::optional<BigBuffer> big;
  std::optional<GateFinding> big_finding;
  bool big_due = false;
  // The canary that is under way.
  int canary_part = -1;
  std::shared_ptr<Plan> canary_plan;
  std::vector<Value> canary_inputs;
  std::optional<plan::DeviceLayout> canary_layout;
  plan::Encoded canary_code;
  int rechecked = 0;  // number of the run after which it passed

  std::unique_ptr<Programs> programs;
  bool tried_at_load = false;
  plan::Features features;
  uint32_t next_program = 0;
  Runner* runner = nullptr;  // of the current or latest run
  Program* program = nullptr;
  bool in_job = false;
  bool saw_nonfinite = false;
  uint64_t island_runs = 0, island_bytes = 0;
  Clock::time_point job_began;

  // A failover whose job is not finished yet.
  std::optional<Clock::time_point> failed_at;

  std::vector<std::byte> scratch;
  Tensor packed;  // the constant that was packed last, and whose it is
  const void* packed_for = nullptr;

  Result<void> check_feeds() const;
  Error weights_are_gone() const;
  void hash_weights(size_t left);
  void reset_device();
  Result<void> bind_cpu();
  Result<Program*> program_for(bool fed);
  Result<const plan::DeviceLayout*> load(Program& made);
  Result<Program*> compile(bool fed);
  Result<RemoteVerdict> verdict_of(GateDecision decision);
  Result<Runner*> job();
  const NamedValues& hand_out(std::vector<Value> values);
};

RemoteSession::RemoteSession(std::unique_ptr<State> state) : state_(std::move(state)) {}
RemoteSession::~RemoteSession() = default;
const std::string& RemoteSession::name() const { return state_->name; }
const std::vector<IoInfo>& RemoteSession::inputs() const { return state_->inputs; }
const std::vector<IoInfo>& RemoteSession::outputs() const { return state_->outputs; }
const Binding& RemoteSession::binding() const { return state_->binding; }
const Value& RemoteSession::feed(size_t input) const { return state_->feeds[input]; }
const NamedValues& RemoteSession::results() const { return state_->results; }
bool RemoteSession::saw_nonfinite() const { return state_->saw_nonfinite; }

namespace {

Result<std::unique_ptr<ir::Graph>> read_graph(const ModelFile& model, const ModelFiles& files,
                                              const Options& options,
                                              std::span<const std::string> outputs) {
  const ExternalData external =
      [&](std::string_view location) -> Result<std::shared_ptr<const MappedFile>> {
    const auto at = files.find(std::string(location));
    if (at != files.end()) return at->second.file;
    return usage_error(cat("The model keeps weights in the file ",
                           sluice::quoted(std::string(location)), ", which was not given"));
  };
  std::unique_ptr<ir::Graph> graph;
  {
    SLUICE_ASSIGN(const format::Model read, read_model(model.file, external, model.movable));
    import::ImportOptions how;
    how.input_shapes = options.input_shapes;
    how.outputs.assign(outputs.begin(), outputs.end());
    SLUICE_ASSIGN(ir::Graph made, import::import_model(read, ops::registry(), how));
    graph = std::make_unique<ir::Graph>(std::move(made));
  }
  std::vector<const ModelFile*> all = {&model};
  for (const auto& [location, file] : files) all.push_back(&file);
  SLUICE_TRY(own_parts(*graph, all));
  return graph;
}

}  // namespace

Result<std::unique_ptr<RemoteSession>> RemoteSession::open(ModelFile model, const std::string& name,
                                                           const Options& options, ModelFiles files,
                                                           bool can_reopen) {
  // First: reading may move bytes.
  std::string sha256 =
      model.sha256.empty() ? sha256_hex(model.file->bytes()) : std::move(model.sha256);
  size_t file_bytes = model.file->bytes().size();
  for (const auto& [location, file] : files) file_bytes += file.file->bytes().size();
  const auto start = Clock::now();
  SLUICE_ASSIGN(auto graph, read_graph(model, files, options, options.outputs));
  const double read_seconds = seconds_since(start);
  Options rest = options;
  rest.outputs.clear();  // the importer has pruned already
  SLUICE_ASSIGN(auto session, from_graph(std::move(graph), name, rest));
  State& s = *session->state_;
  s.binding.read_seconds = read_seconds;
  s.binding.model_sha256 = std::move(sha256);
  s.file_bytes = file_bytes;
  s.wanted_outputs = options.outputs;
  s.can_reopen = can_reopen;
  return session;
}

bool RemoteSession::model_held() const { return state_->graph != nullptr; }

Result<void> RemoteSession::reopen(ModelFile model, ModelFiles files) {
  State& s = *state_;
  if (s.graph != nullptr) return {};
  const std::string sha256 =
      model.sha256.empty() ? sha256_hex(model.file->bytes()) : std::move(model.sha256);
  if (sha256 != s.binding.model_sha256) {
    return invalid_model(
        cat("The file is another than the session was opened with: its SHA-256 is ", sha256, " (",
            s.binding.model_sha256, " is expected)"));
  }
  SLUICE_ASSIGN(s.graph, read_graph(model, files, s.options, s.wanted_outputs));
  return {};
}

Result<std::unique_ptr<RemoteSession>> RemoteSession::from_graph(std::unique_ptr<ir::Graph> graph,
                                                                 const std::string& name,
                                                                 const Options& options) {
  if (options.backend == Backend::kReference) {
    return usage_error("A session of this module runs on webgpu or cpu (reference was asked for)");
  }
  auto state = std::make_unique<State>();
  state->name = base_name(name);
  state->options = options;
  state->graph = std::move(graph);
  const ir::Graph& g = *state->graph;
  for (const ir::ValueId id : g.inputs()) state->inputs.push_back({g.value(id).name, g.type(id)});
  for (const ir::ValueId id : g.outputs()) state->outputs.push_back({g.value(id).name, g.type(id)});
  state->feeds.resize(state->inputs.size());
  state->binding.requested = options.backend;
  state->binding.evidence = Evidence::kInferred;
  state->telemetry.emplace(TelemetryConfig{}, state->name);
  state->weights_hash.emplace(g);
  return std::unique_ptr<RemoteSession>(new RemoteSession(std::move(state)));
}

// --- feeds and the CPU

Result<void> RemoteSession::set_feed(size_t input, Value value) {
  State& s = *state_;
  if (input >= s.inputs.size()) {
    return usage_error(cat("The model has no input ", input, " (", s.inputs.size(), " there are)"));
  }
  const IoInfo& info = s.inputs[input];
  if (value.is_tensor() && info.type.is_tensor()) {
    Dim::Environment symbols;
    SLUICE_TRY(plan::bind_symbols(info.type, value.tensor(), "Input " + sluice::quoted(info.name),
                                  symbols));
  }
  s.feeds[input] = std::move(value);
  return {};
}

void RemoteSession::clear_feeds() { std::ranges::fill(state_->feeds, Value()); }

Result<void> RemoteSession::State::check_feeds() const {
  SLUICE_TRY(bind_inputs(inputs, feeds));
  return {};
}

// Goes on with the weights' hash until at most `left` bytes are not taken.
void RemoteSession::State::hash_weights(size_t left) {
  if (!weights_hash) return;
  const size_t missing = weights_hash->bytes_left();
  if (!weights_hash->advance(missing - std::min(missing, left))) return;
  binding.weights_sha256 = weights_hash->hex();
  weights_hash.reset();
}

Error RemoteSession::State::weights_are_gone() const {
  return usage_error(
      "The model's weights were given up when the CPU had packed them: its file must be handed "
      "over again before a device is taken");
}

const NamedValues& RemoteSession::State::hand_out(std::vector<Value> values) {
  results.clear();
  for (size_t i = 0; i < values.size(); ++i) {
    results.emplace_back(outputs[i].name, std::move(values[i]));
  }
  return results;
}

Result<void> RemoteSession::State::bind_cpu() {
  // Bound to a device, this only makes the CPU ready for a failover.
  const bool on_device = device == Device::kBound || device == Device::kGate;
  const bool gives_up = options.backend == Backend::kCpu || (can_reopen && !on_device);
  if (cpu == nullptr) {
    if (graph == nullptr) return weights_are_gone();
    auto own = graph->clone();
    if (gives_up) {
      graph = nullptr;
      // Constants that subgraphs share count once in memory.
      if (file_bytes == 0 || file_bytes > kUnhashedBytes) hash_weights(kUnhashedBytes);
    }
    SLUICE_ASSIGN(cpu, Cpu::create(std::move(own), options, true));  // the host copies results out
  }
  if (gives_up) graph = nullptr;
  if (on_device) return {};
  if (device == Device::kUndecided) {
    if (options.backend == Backend::kWebGpu) {
      return device_error("WebGPU was asked for, and no device has been offered");
    }
    binding.reason =
        options.backend == Backend::kCpu ? "the CPU was asked for" : "no device was offered";
    device = Device::kGone;
  }
  if (binding.bound != Backend::kCpu || binding.instruction_set.empty()) cpu->describe(binding);
  if (binding.evidence == Evidence::kInferred) binding.evidence = Evidence::kReported;
  telemetry->update(binding);
  return {};
}

Result<void> RemoteSession::bind_cpu() { return state_->bind_cpu(); }

Result<const NamedValues*> RemoteSession::run_cpu() {
  State& s = *state_;
  SLUICE_TRY(s.check_feeds());
  if (s.device == State::Device::kBound || s.device == State::Device::kGate) {
    return usage_error("The session is bound to a device, which has not failed");
  }
  s.only_figures = false;
  SLUICE_TRY(s.bind_cpu());
  s.results.clear();  // before the run, which takes their memory again
  const auto start = Clock::now();
  SLUICE_ASSIGN(std::vector<Value> values, s.cpu->run(s.feeds));
  if (s.failed_at) {
    Failover& failover = s.binding.failovers.back();
    failover.redone = "the run, from its inputs";
    failover.seconds = seconds_since(*s.failed_at);
    s.binding.record_run(seconds_since(s.job_began));
    s.failed_at.reset();
    s.told = false;
  } else {
    s.binding.record_run(seconds_since(start));
    s.only_figures = s.told;
  }
  s.telemetry->update(s.binding);
  return &s.hand_out(std::move(values));
}

// --- the gate

void RemoteSession::State::reset_device() {
  packed = Tensor();
  packed_for = nullptr;
  canaries.reset();
  big.reset();
  big_finding.reset();
  canary_plan.reset();
  canary_part = -1;
  programs.reset();
  runner = nullptr;
  program = nullptr;
  tried_at_load = false;
  in_job = false;
}

Result<RemoteVerdict> RemoteSession::State::verdict_of(GateDecision decision) {
  for (const GateFinding& finding : decision.findings) binding.gate.push_back(finding);
  RemoteVerdict verdict;
  verdict.passed = decision.passed;
  verdict.refusal = decision.refusal();
  verdict.findings = std::move(decision.findings);
  return verdict;
}

Result<RemoteVerdict> RemoteSession::gpu_adapter(const AdapterFacts& facts) {
  state_->told = false;
  State& s = *state_;
  if (s.options.backend == Backend::kCpu) {
    return usage_error("The CPU was asked for, so no device is taken");
  }
  if (s.graph == nullptr) return s.weights_are_gone();
  DeviceHistory& history = device_history();
  if (s.acquired > 0) {
    const auto& since = s.idle_loss ? history.acquisition : history.failure;
    const double interval = s.options.retry_interval_seconds;
    if (since && seconds_since(*since) < interval) {
      return device_error(cat(s.idle_loss ? "A device was taken again " : "A device failed ",
                              static_cast<int>(seconds_since(*since)), " s ago (",
                              static_cast<int>(interval), " s must pass before another is taken)"));
    }
    history.acquisition = Clock::now();
  }
  ++s.acquired;
  s.failed_over = false;
  s.reset_device();
  s.binding.adapter = facts;
  s.features = facts.features;
  s.binding.gate.clear();
  GateOptions how;
  how.allow_software = s.options.allow_software;
  GateDecision decision = gate_facts(facts, nullptr, how);
  s.device = decision.passed ? State::Device::kGate : State::Device::kGone;
  if (decision.passed) {
    if (!s.options.self_test) {
      s.device = State::Device::kBound;
    } else {
      SelfTestOptions test;
      test.seed = static_cast<uint32_t>(s.acquired);
      SLUICE_ASSIGN(Canaries canaries, Canaries::create(facts.features, test));
      s.canaries.emplace(std::move(canaries));
      s.big.emplace(BigBuffer::create(facts.limits, facts.software, test));
      s.big_due = true;
    }
  }
  return s.verdict_of(std::move(decision));
}

Result<const plan::Encoded*> RemoteSession::gpu_canary(int part) {
  State& s = *state_;
  if (!s.canaries) return usage_error("There is no device to be tested");
  if (part == 0) {
    s.canary_plan = s.canaries->plan();
    s.canary_inputs = s.canaries->next_round();
  } else if (part == 1) {
    SLUICE_ASSIGN(s.canary_plan, s.big->plan());
    s.canary_inputs = s.big->inputs();
  } else {
    return usage_error(cat("The self-test has no part ", part, " (", kCanaryParts, " there are)"));
  }
  if (s.canary_part != part || !s.canary_layout) {
    SLUICE_ASSIGN(s.canary_layout, plan::lay_out_device(*s.canary_plan, {}));
    SLUICE_ASSIGN(s.canary_code, plan::encode(*s.canary_plan, *s.canary_layout, {}));
  }
  s.canary_part = part;
  return &s.canary_code;
}

Result<std::span<const std::byte>> RemoteSession::gpu_canary_data(int kind, size_t index) {
  State& s = *state_;
  if (s.canary_plan == nullptr) return usage_error("No round of the self-test is under way");
  if (kind == 0) {
    const auto constants = plan::constants_of(*s.canary_plan);
    if (index >= constants.size()) {
      return usage_error(cat("The self-test has no constant ", index));
    }
    const plan::Slot& slot = s.canary_plan->slot(constants[index]);
    return device_bytes(*slot.constant, slot.format, s.scratch);
  }
  if (kind != 1 || index >= s.canary_inputs.size()) {
    return usage_error(cat("The self-test has no input ", index));
  }
  return device_bytes(s.canary_inputs[index].tensor(),
                      s.canary_plan->slot(s.canary_plan->inputs[index]).format, s.scratch);
}

Result<void> RemoteSession::gpu_canary_judge(size_t output, std::span<const std::byte> bytes) {
  State& s = *state_;
  if (s.canary_plan == nullptr) return usage_error("No round of the self-test is under way");
  if (output >= s.canary_plan->outputs.size()) {
    return usage_error(cat("The self-test has no output ", output));
  }
  const plan::Slot& slot = s.canary_plan->slot(s.canary_plan->outputs[output]);
  Shape shape;
  for (const Dim& dim : *slot.type.dims) shape.push_back(dim.evaluate({}).value_or(0));
  Result<Tensor> tensor = plan::from_device(bytes, slot.format, slot.type.dtype, shape);
  if (s.canary_part == 1) {
    s.big_finding = s.big->judge(std::move(tensor), 0);
    return {};
  }
  if (!tensor) return std::move(tensor).error();
  s.canaries->judge(output, std::move(tensor).value());
  return {};
}

Result<void> RemoteSession::gpu_canary_failed(int part, const std::string& sentence) {
  State& s = *state_;
  if (!s.canaries) return usage_error("There is no device to be tested");
  if (part == 1) {
    s.big_finding = s.big->judge(device_error(sentence), 0);
  } else {
    s.canaries->failed(sentence);
  }
  return {};
}

Result<RemoteVerdict> RemoteSession::gpu_canary_verdict(const std::string& when, double seconds) {
  State& s = *state_;
  if (!s.canaries) return usage_error("There is no device to be tested");
  const bool at_load = s.device == State::Device::kGate;
  if (at_load && s.canaries->rounds() < kCanaryRounds) {
    s.canaries->failed(cat("the outputs of ", s.canaries->rounds(), " rounds came back (",
                           kCanaryRounds, " are wanted at load)"));
  }
  GateDecision decision;
  decision.findings = s.canaries->findings(when, seconds, -1);
  if (s.big_due) {
    if (!s.big_finding) {
      s.big_finding = s.big->judge(device_error("no result came back"), 0);
    }
    decision.findings.push_back(*s.big_finding);
    s.big_due = false;
  }
  s.canaries->begin();
  s.canary_plan.reset();
  conclude(decision);
  if (decision.passed) {
    s.device = State::Device::kBound;
    s.rechecked = s.binding.runs + 1;
    // Later runs leave a trace only where they fail: a long job has thousands of them.
    if (!at_load) {
      RemoteVerdict verdict{true, {}, std::move(decision.findings)};
      return verdict;
    }
    s.rechecked = 0;
  } else {
    s.device = State::Device::kGone;
    s.canaries.reset();
    if (!at_load) {
      std::erase_if(decision.findings, [](const GateFinding& finding) { return finding.passed; });
    }
  }
  return s.verdict_of(std::move(decision));
}

// --- programs

Result<const plan::DeviceLayout*> RemoteSession::State::load(Program& made) {
  auto fresh = std::make_unique<Runner>();
  fresh->id = ++next_program;
  fresh->plan = made.plan;
  fresh->constants = plan::constants_of(*made.plan);
  fresh->last_uses = last_uses_of(*made.plan);
  if (has_symbols(*made.plan)) {
    SLUICE_ASSIGN(fresh->code, plan::encode_pipelines(*made.plan));
  } else {
    SLUICE_TRY(fresh->lay_out({}));
  }
  const plan::DeviceLayout* const layout = fresh->laid_out ? &fresh->layout : nullptr;
  made.runner = std::move(fresh);
  return layout;
}

// With no feeds: the program for every run, or null.
Result<Program*> RemoteSession::State::compile(bool fed) {
  const auto make = [this](Program& made) { return load(made); };
  if (programs == nullptr) {
    // One: the host frees what it holds for another program, and so are its weights freed here.
    // Weights are packed as the host takes them: beside the model's own lies one of them at a time.
    programs =
        std::make_unique<Programs>(graph, options, features, binding.adapter.software, 1, true);
    describe_precision(*graph, features, binding);
  }
  if (!tried_at_load) {
    SLUICE_TRY(programs->at_load(binding, make));
    tried_at_load = true;
  }
  Program* const latest = programs->latest();
  if (!fed) return latest != nullptr && latest->key.empty() ? latest : nullptr;
  SLUICE_ASSIGN(Program * found, programs->for_run(feeds, binding, make));
  Runner& made = static_cast<Runner&>(*found->runner);
  std::vector<Value> plan_inputs;
  for (const size_t i : found->feeds) plan_inputs.push_back(feeds[i]);
  SLUICE_ASSIGN(const Dim::Environment symbols, symbols_of(*found->plan, plan_inputs));
  SLUICE_TRY(made.lay_out(symbols));
  made.begin(plan_inputs);
  return found;
}

Result<Program*> RemoteSession::State::program_for(bool fed) {
  Result<Program*> made = compile(fed);
  if (made || made.error().code != ErrorCode::kResource || options.limits) return made;
  // Too large for what every device guarantees: use the buffers that this one was granted.
  const plan::Limits& granted = binding.adapter.limits;
  plan::Limits wider;
  wider.max_buffer_bytes = std::max(wider.max_buffer_bytes, granted.max_buffer_bytes);
  wider.max_storage_binding_bytes =
      std::max(wider.max_storage_binding_bytes, granted.max_storage_binding_bytes);
  const bool has_more = !(wider == plan::Limits{});
  const std::string why = made.error().text();
  options.limits = wider;
  programs.reset();
  runner = nullptr;
  program = nullptr;
  tried_at_load = false;
  made = compile(fed);
  if (made && has_more) binding.reason = cat("the adapter's own limits are used: ", why);
  return made;
}

Result<RemotePrepared> RemoteSession::gpu_prepare() {
  State& s = *state_;
  if (s.device != State::Device::kBound) {
    return usage_error("No device has passed the gate, so there is nothing to prepare");
  }
  const bool fed = s.feeds.empty() || std::ranges::any_of(s.feeds, &Value::present);
  if (fed) SLUICE_TRY(s.check_feeds());
  s.in_job = false;
  s.runner = nullptr;  // of a program that may go now
  s.program = nullptr;
  s.packed = Tensor();
  s.packed_for = nullptr;
  SLUICE_ASSIGN(Program* const program, s.program_for(fed));
  Binding& binding = s.binding;
  if (binding.bound != Backend::kWebGpu) {
    binding.bound = Backend::kWebGpu;
    binding.evidence = Evidence::kReported;
    if (s.acquired > 1) {
      binding.reason = s.idle_loss ? "the GPU was taken again after it was lost between two runs"
                                   : "the GPU was taken again when asked to";
    } else if (binding.reason.empty()) {
      binding.reason = s.options.backend == Backend::kWebGpu ? "WebGPU was asked for"
                                                             : "an adapter passed the gate";
    }
    s.idle_loss = false;
    s.ever_bound = true;
    s.results.clear();  // may lie in its memory
    s.cpu.reset();      // of an earlier failover
  }
  RemotePrepared out;
  out.islands = binding.islands;
  out.figures = binding.plan;
  if (program == nullptr) return out;
  Runner& runner = static_cast<Runner&>(*program->runner);
  s.program = program;
  s.runner = &runner;
  if (runner.laid_out) {
    describe_layout(runner.layout, binding.plan);
    if (runner.fitting != runner.generation) {
      SLUICE_TRY(check_fit(*program->plan, &runner.layout, binding));
      runner.fitting = runner.generation;
    }
  }
  s.telemetry->update(binding);
  out.program = runner.id;
  out.fresh = !runner.told;
  runner.told = true;
  out.complete = runner.laid_out;
  out.generation = runner.generation;
  out.code = &runner.code;
  out.figures = binding.plan;
  if (fed) {
    s.in_job = true;
    s.saw_nonfinite = false;
    s.island_runs = s.island_bytes = 0;
    s.job_began = Clock::now();
  }
  return out;
}

Result<std::span<const std::byte>> RemoteSession::gpu_constant(size_t constant) {
  State& s = *state_;
  if (s.runner == nullptr) return usage_error("There is no program yet");
  if (constant >= s.runner->constants.size()) {
    return usage_error(cat("The program has no constant ", constant, " (",
                           s.runner->constants.size(), " there are)"));
  }
  const SlotId id = s.runner->constants[constant];
  const plan::Slot& slot = s.runner->plan->slot(id);
  if (const auto pack = s.program->packs.find(id); pack != s.program->packs.end()) {
    // Hosts ask for large ones piece by piece.
    if (s.packed_for != &*pack) {
      s.packed = Tensor();
      SLUICE_ASSIGN(s.packed, pack->second());
      s.packed_for = &*pack;
    }
    return device_bytes(s.packed, slot.format, s.scratch);
  }
  // What was given up knows its shape and has no elements.
  if (!slot.constant || slot.constant->elements() != slot.constant->shape().elements()) {
    return usage_error(cat("The elements of ", sluice::quoted(slot.name),
                           " are on the device already and were given up here"));
  }
  return device_bytes(*slot.constant, slot.format, s.scratch);
}

Result<Runner*> RemoteSession::State::job() {
  if (!in_job) return usage_error("No run is under way (prepare begins one)");
  return runner;
}

Result<std::span<const std::byte>> RemoteSession::gpu_input(size_t input) {
  State& s = *state_;
  SLUICE_ASSIGN(Runner* const runner, s.job());
  if (input >= runner->plan->inputs.size()) {
    return usage_error(cat("The program has no input ", input));
  }
  const SlotId slot = runner->plan->inputs[input];
  const Value value = runner->known(slot);
  if (!value.is_tensor()) {
    return usage_error(
        cat("Input ", sluice::quoted(runner->plan->slot(slot).name), " is no tensor"));
  }
  return device_bytes(value.tensor(), runner->plan->slot(slot).format, s.scratch);
}

namespace {
// The slot of an island's or view's value.
Result<SlotId> slot_of(const Runner& runner, size_t step, size_t index, bool output) {
  if (step >= runner.plan->steps.size()) {
    return usage_error(
        cat("The program has no step ", step, " (", runner.plan->steps.size(), " there are)"));
  }
  const plan::Step& what = runner.plan->steps[step];
  const auto& slots = output ? what.outputs : what.inputs;
  if (!what.dispatches.empty() || index >= slots.size() || slots[index] == kNoSlot) {
    return usage_error(
        cat("Step ", step, " has no ", output ? "output " : "input ", index, " for the host"));
  }
  return slots[index];
}
}  // namespace

Result<void> RemoteSession::gpu_island_input(size_t step, size_t index,
                                             std::span<const std::byte> bytes) {
  State& s = *state_;
  SLUICE_ASSIGN(Runner* const runner, s.job());
  SLUICE_ASSIGN(const SlotId slot, slot_of(*runner, step, index, false));
  SLUICE_TRY(runner->advance(step));
  s.island_bytes += bytes.size();
  return runner->take(slot, bytes);
}

Result<void> RemoteSession::gpu_island_run(size_t step) {
  State& s = *state_;
  SLUICE_ASSIGN(Runner* const runner, s.job());
  SLUICE_TRY(runner->advance(step));
  if (step >= runner->plan->steps.size()) return usage_error(cat("There is no step ", step));
  const plan::Step& what = runner->plan->steps[step];
  if (!runner->plan->is_island(what)) return {};  // a view: `advance` makes it
  std::vector<Value> inputs;
  for (const SlotId slot : what.inputs) {
    if (slot == kNoSlot) {
      inputs.emplace_back();
      continue;
    }
    SLUICE_ASSIGN(Value value, runner->arrived(slot));
    if (!value.present()) {
      return usage_error(cat("Step ", step, " runs on the CPU and lacks ",
                             sluice::quoted(runner->plan->slot(slot).name)));
    }
    inputs.push_back(std::move(value));
  }
  auto ran = s.program->islands[step]->run(inputs);
  if (!ran) {
    return std::move(ran).error().while_doing(
        cat("running step ", step, " (", what.op, " ", sluice::quoted(what.node), ")"));
  }
  if (ran->size() != what.outputs.size()) {
    return internal_error(cat("The island ", sluice::quoted(what.node), " gives ", ran->size(),
                              " outputs (", what.outputs.size(), " are wanted)"));
  }
  for (size_t i = 0; i < ran->size(); ++i) {
    if (what.outputs[i] == kNoSlot) continue;
    runner->host[static_cast<size_t>(what.outputs[i])] = std::move((*ran)[i]);
  }
  ++s.island_runs;
  runner->next_step = step + 1;
  return {};
}

Result<std::span<const std::byte>> RemoteSession::gpu_island_output(size_t step, size_t index) {
  State& s = *state_;
  SLUICE_ASSIGN(Runner* const runner, s.job());
  SLUICE_ASSIGN(const SlotId slot, slot_of(*runner, step, index, true));
  const Value value = runner->host[static_cast<size_t>(slot)];
  const plan::Slot& what = runner->plan->slot(slot);
  SLUICE_ASSIGN(const Shape wanted, runner->shape(slot));
  if (!value.is_tensor() || value.tensor().dtype() != what.type.dtype ||
      !(value.tensor().shape() == wanted)) {
    return internal_error(cat("The island at step ", step, " gives ",
                              value.is_tensor() ? value.tensor().text() : "no tensor", " for ",
                              sluice::quoted(what.name), " (", dtype_name(what.type.dtype),
                              wanted.text(), " is wanted)"));
  }
  SLUICE_ASSIGN(const auto bytes, device_bytes(value.tensor(), what.format, s.scratch));
  s.island_bytes += bytes.size();
  return bytes;
}

Result<void> RemoteSession::gpu_output(size_t output, std::span<const std::byte> bytes) {
  State& s = *state_;
  SLUICE_ASSIGN(Runner* const runner, s.job());
  if (output >= runner->plan->outputs.size() || runner->plan->outputs[output] == kNoSlot) {
    return usage_error(cat("The program has no output ", output));
  }
  const SlotId slot = runner->plan->outputs[output];
  SLUICE_ASSIGN(const Shape shape, runner->shape(slot));
  const DeviceFormat format = runner->plan->slot(slot).format;
  const uint64_t exact = static_cast<uint64_t>(shape.elements()) * element_bytes(format);
  const plan::BitsSeen seen =
      plan::look_at_bits(bytes.first(std::min<size_t>(bytes.size(), exact)), format);
  if (seen.poison) return device_error("The device left parts of the outputs unwritten");
  s.saw_nonfinite |= seen.nonfinite;
  SLUICE_TRY(runner->advance(runner->plan->steps.size()));
  return runner->take(slot, bytes);
}

Result<const NamedValues*> RemoteSession::gpu_finish(double seconds, std::string* recheck) {
  State& s = *state_;
  SLUICE_ASSIGN(Runner* const runner, s.job());
  if (s.device != State::Device::kBound) {
    return device_error("The device has not passed its latest self-test");
  }
  SLUICE_TRY(runner->advance(runner->plan->steps.size()));
  std::vector<Value> values;
  for (const SlotId slot : runner->plan->outputs) {
    if (slot == kNoSlot) {
      values.emplace_back();
      continue;
    }
    SLUICE_ASSIGN(Value value, runner->arrived(slot));
    if (!value.present()) {
      return usage_error(
          cat("Output ", sluice::quoted(runner->plan->slot(slot).name), " was not handed over"));
    }
    values.push_back(std::move(value));
  }
  const int number = s.binding.runs + 1;
  if (s.canaries && recheck_due(number) && s.rechecked != number) {
    if (recheck != nullptr) *recheck = cat("after run ", number);
    return static_cast<const NamedValues*>(nullptr);
  }
  s.in_job = false;
  s.told = s.only_figures = false;
  s.binding.host_copies += s.island_runs;
  s.binding.host_copy_bytes += s.island_bytes;
  s.binding.record_run(seconds);
  runner->empty_constants();
  runner->host.clear();
  s.telemetry->update(s.binding);
  return &s.hand_out(std::move(values));
}

Result<void> RemoteSession::gpu_failover(const RemoteFailure& failure) {
  State& s = *state_;
  s.told = false;
  const bool never_bound = failure.stage.empty();
  const bool idle = failure.stage == "idle";
  const bool job = s.in_job;
  if (never_bound) {
    s.reset_device();
    s.device = State::Device::kGone;
    if (s.options.backend == Backend::kWebGpu && !s.ever_bound) return device_error(failure.error);
    s.binding.reason = failure.error;
    return s.bind_cpu();
  }
  if (s.options.strict) {
    s.reset_device();
    s.device = State::Device::kGone;
    return device_error(failure.error);
  }
  if (s.failed_over) return s.bind_cpu();  // the same failure, told again
  s.failed_over = true;
  const auto now = Clock::now();
  s.reset_device();
  s.device = State::Device::kGone;
  s.idle_loss = idle;
  if (!idle) device_history().failure = now;
  Failover failover;
  failover.stage = failure.stage;
  failover.error = failure.error;
  failover.device_lost = failure.device_lost;
  s.binding.record_failover(std::move(failover));
  s.binding.plan = {};
  s.binding.islands.clear();
  s.binding.instruction_set.clear();  // bind_cpu describes the CPU then
  if (job) s.failed_at = now;
  s.telemetry->update(s.binding);
  // After a loss between runs the host may rather take a device again.
  if (idle) return {};
  return s.bind_cpu();
}

// --- the record

Result<void> RemoteSession::note(std::string_view text) {
  State& s = *state_;
  s.told = false;
  const Json in = parse_json(text);
  if (in.is_discarded() || !in.is_object()) {
    return usage_error("What is noted is not a JSON object");
  }
  const Json record = parse_json(Binding{}.to_json());
  for (const auto& [key, value] : in.items()) {
    double* const time = key == "read_seconds"      ? &s.binding.read_seconds
                         : key == "init_seconds"    ? &s.binding.init_seconds
                         : key == "prepare_seconds" ? &s.binding.prepare_seconds
                                                    : nullptr;
    if (time != nullptr && value.is_number()) {
      *time = value.get<double>();
    } else if (time != nullptr || record.contains(key) || key == "console" || key == "events") {
      return usage_error(
          cat("The member ", sluice::quoted(key), " of the record is not the host's to say"));
    } else {
      s.noted[key] = value;
    }
  }
  return {};
}

std::string RemoteSession::binding_json() {
  State& s = *state_;
  Json out = parse_json(s.binding.to_json());
  for (const auto& [key, value] : s.noted.items()) out[key] = value;
  out["console"] = s.binding.console_line(s.name);
  out["events"] = s.binding.event_lines(s.name);
  // The second run begins the steady ones.
  s.told = s.binding.runs >= 2;
  return json_text(out);
}

bool RemoteSession::work_idly() {
  State& s = *state_;
  if (!s.weights_hash) return false;
  const size_t missing = s.weights_hash->bytes_left();
  s.hash_weights(missing - std::min(missing, kHashPieceBytes));
  if (!s.weights_hash) s.told = false;
  return true;
}

std::span<const double> RemoteSession::run_figures() {
  State& s = *state_;
  if (!s.only_figures) return {};
  s.binding.run_figures(s.figures);
  return s.figures;
}

Result<std::string> RemoteSession::otlp(std::string_view resource) {
  State& s = *state_;
  const Json in = parse_json(resource);
  if (in.is_discarded() || !in.is_object()) {
    return usage_error("The resource of the telemetry is not a JSON object");
  }
  // The first one stays: it names this instance.
  if (!s.telemetry_config) {
    TelemetryConfig config;
    if (const auto at = in.find("attributes"); at != in.end() && at->is_object()) {
      for (const auto& [key, value] : at->items()) {
        config.resource.emplace_back(
            key, value.is_string() ? value.get<std::string>() : json_text(value));
      }
    }
    config.resource = complete_resource(std::move(config.resource));
    s.telemetry_config = std::move(config);
  }
  s.telemetry->update(s.binding);
  const auto& all = s.telemetry->events();
  std::vector<TelemetryEvent> events(all.begin() + static_cast<std::ptrdiff_t>(s.events_sent),
                                     all.end());
  s.events_sent = all.size();
  events.push_back(s.telemetry->summary(s.binding));
  Json out;
  out["metrics"] = parse_json(s.telemetry->metrics(*s.telemetry_config, s.binding));
  out["logs"] = parse_json(otlp_logs(*s.telemetry_config, events));
  return json_text(out);
}

}  // namespace sluice::session
