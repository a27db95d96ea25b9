#include "exec/webgpu/executor.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "exec/webgpu/driver.h"
#include "exec/webgpu/pipelines.h"
#include "exec/webgpu/readback.h"
#include "exec/webgpu/recorder.h"
#include "exec/webgpu/resident.h"

namespace sluice::exec::webgpu {

namespace {

constexpr uint64_t kPoisonBytes = 256u << 10;
constexpr uint32_t kMostQueries = 4096;  // WebGPU's limit for one query set

bool has_symbols(const plan::Plan& plan) {
  return std::ranges::any_of(plan.inputs, [&](plan::SlotId id) {
    const Type& type = plan.slot(id).type;
    return type.dims && std::ranges::any_of(*type.dims, &Dim::is_symbolic);
  });
}

Result<void> check_plan(const plan::Plan& plan, const Driver& driver) {
  if (plan.backend != "webgpu") {
    return internal_error(cat("A plan for ", plan.backend, " runs on no WebGPU device"));
  }
  SLUICE_TRY(plan::check_at_least(driver.limits, plan.limits, "The device"));
  const auto need = [](bool needed, bool there, std::string_view what) -> Result<void> {
    if (!needed || there) return {};
    return device_error(cat("The device lacks ", what, ", which the plan uses"));
  };
  SLUICE_TRY(need(plan.features.f16, driver.features.f16, "shader-f16"));
  SLUICE_TRY(need(plan.features.subgroups, driver.features.subgroups, "subgroups"));
  SLUICE_TRY(
      need(plan.features.packed_dot, driver.features.packed_dot, "packed_4x8_integer_dot_product"));
  return {};
}

// Every pipeline that a dispatch uses, with the bind group that its dispatches agree on.
struct Wanted {
  std::vector<PipelineRequest> requests;
  std::vector<size_t> by_pipeline;  // index into requests; SIZE_MAX when unused
};
Result<Wanted> wanted_pipelines(const plan::Plan& plan) {
  Wanted out;
  out.by_pipeline.assign(plan.pipelines.size(), SIZE_MAX);
  for (const plan::Step& step : plan.steps) {
    for (const plan::Dispatch& dispatch : step.dispatches) {
      const auto index = static_cast<size_t>(dispatch.pipeline);
      if (dispatch.pipeline < 0 || index >= plan.pipelines.size()) {
        return internal_error(cat(step.op, " ", quoted(step.node), " names pipeline ",
                                  dispatch.pipeline, " (", plan.pipelines.size(), " there are)"));
      }
      Signature signature = signature_of(dispatch);
      size_t& request = out.by_pipeline[index];
      if (request == SIZE_MAX) {
        request = out.requests.size();
        const plan::Pipeline& pipeline = plan.pipelines[index];
        out.requests.push_back({pipeline.shader, pipeline.wgsl, std::move(signature)});
      } else if (out.requests[request].signature != signature) {
        return internal_error(cat(step.op, " ", quoted(step.node), " binds pipeline ",
                                  plan.pipelines[index].shader, " unlike an earlier step"));
      }
    }
  }
  return out;
}

std::vector<std::vector<plan::SlotId>> last_uses_of(const plan::Plan& plan) {
  std::vector<size_t> last(plan.slots.size(), SIZE_MAX);
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    for (const auto* slots : {&plan.steps[s].inputs, &plan.steps[s].outputs}) {
      for (const plan::SlotId id : *slots) {
        if (id != plan::kNoSlot) last[static_cast<size_t>(id)] = s;
      }
    }
  }
  for (const plan::SlotId id : plan.outputs) last[static_cast<size_t>(id)] = SIZE_MAX;
  std::vector<std::vector<plan::SlotId>> out(plan.steps.size());
  for (size_t id = 0; id < last.size(); ++id) {
    if (last[id] != SIZE_MAX) out[last[id]].push_back(static_cast<plan::SlotId>(id));
  }
  return out;
}

// Every 97th element of the floats, far off: for the fault "wrong_numbers".
void falsify(Tensor& tensor) {
  if (tensor.dtype() == DType::kFloat32) {
    const auto words = tensor.mutable_span<float>();
    for (size_t i = 0; i < words.size(); i += 97) words[i] = words[i] * 1.5f + 1.0f;
  } else {
    const auto bytes = tensor.mutable_bytes();
    for (size_t i = 0; i < bytes.size(); i += 97) bytes[i] ^= std::byte{1};
  }
}

}  // namespace

struct Executor::State {
  State(std::shared_ptr<plan::Plan> the_plan, std::shared_ptr<Device> the_device,
        ExecutorOptions the_options)
      : plan(std::move(the_plan)),
        device(std::move(the_device)),
        driver(device->driver()),
        options(the_options),
        recorder(driver, options.submit_budget_ms * 1e-3) {}

  std::shared_ptr<plan::Plan> plan;
  std::shared_ptr<Device> device;
  Driver& driver;
  ExecutorOptions options;
  Recorder recorder;
  std::unique_ptr<Resident> resident;
  std::unique_ptr<Readback> readback;
  LoadRecord load;
  RunRecord run;
  int runs = 0;
  bool broken = false;
  Handle<WGPUBuffer> poison;
  Handle<WGPUQuerySet> queries;
  Handle<WGPUBuffer> query_results;

  // Of the current run.
  std::vector<Value> host;  // by slot: what the host knows
  size_t next_dispatch = 0;
  std::vector<std::vector<plan::SlotId>>
      last_uses;  // by step: what the host need not keep after it

  Result<void> load_plan();
  Result<std::vector<Value>> set_up_and_execute(const Dim::Environment& symbols,
                                                std::span<const Value> inputs,
                                                const IslandFn& island, const Observer& observer);
  Result<std::vector<Value>> execute(std::span<const Value> inputs, const IslandFn& island,
                                     const Observer& observer);
  Result<Dim::Environment> bind(std::span<const Value> inputs) const;
  Result<void> fault(Stage stage);
  Result<void> poison_outputs();
  Result<void> take_inputs(std::span<const Value> inputs);
  Result<void> run_step(size_t s, const IslandFn& island, bool timed);
  Result<void> run_dispatches(size_t s);
  Result<void> run_view(const plan::Step& step);
  Result<void> run_island(size_t s, const IslandFn& island);
  Result<std::vector<Value>> values_of(std::span<const plan::SlotId> slots);
  Result<void> make_queries();
  Result<void> report_times(const Observer& observer);
};

Result<void> Executor::State::load_plan() {
  SLUICE_TRY(check_plan(*plan, driver));
  const auto begin = Clock::now();
  SLUICE_ASSIGN(Wanted wanted, wanted_pipelines(*plan));
  if (options.sentinel) wanted.requests.push_back(Readback::sentinel_request());
  SLUICE_ASSIGN(auto compiled, compile_pipelines(driver, wanted.requests, options.faults));
  std::shared_ptr<CompiledPipeline> sentinel;
  if (options.sentinel) {
    sentinel = std::move(compiled.back());
    compiled.pop_back();
  }
  std::vector<std::shared_ptr<CompiledPipeline>> pipelines;
  for (const size_t request : wanted.by_pipeline) {
    pipelines.push_back(request == SIZE_MAX ? nullptr : compiled[request]);
  }
  std::vector<const CompiledPipeline*> distinct;
  for (const auto& one : compiled) distinct.push_back(one.get());
  std::ranges::sort(distinct);
  const auto repeated = std::ranges::unique(distinct);
  load.shared_pipelines = static_cast<int>(repeated.size());
  load.pipelines = static_cast<int>(distinct.size() - repeated.size());
  load.compile_seconds = seconds_since(begin);

  resident = std::make_unique<Resident>(*plan, driver, std::move(pipelines));
  readback = std::make_unique<Readback>(*plan, driver, *resident, recorder);
  recorder.set_faults(options.faults);
  if (sentinel) SLUICE_TRY(readback->set_up_sentinel(std::move(sentinel)));
  ErrorScopes scopes(driver);
  SLUICE_ASSIGN(
      poison, driver.create_buffer(kPoisonBytes, WGPUBufferUsage_CopySrc | WGPUBufferUsage_CopyDst,
                                   "poison"));
  const std::vector<uint32_t> words(kPoisonBytes / 4, kPoison);
  driver.write_buffer(poison.get(), 0, words.data(), kPoisonBytes);
  SLUICE_TRY(scopes.finish("setting outputs up"));
  last_uses = last_uses_of(*plan);
  if (options.timestamps && driver.features.timestamp_query) SLUICE_TRY(make_queries());
  if (!has_symbols(*plan)) SLUICE_TRY(resident->prepare({}, options.faults, load, nullptr));
  return {};
}

Result<void> Executor::State::make_queries() {
  const uint32_t count =
      std::min(kMostQueries, static_cast<uint32_t>(2 * std::max<size_t>(plan->steps.size(), 1)));
  ErrorScopes scopes(driver);
  WGPUQuerySetDescriptor descriptor = WGPU_QUERY_SET_DESCRIPTOR_INIT;
  descriptor.type = WGPUQueryType_Timestamp;
  descriptor.count = count;
  queries = {driver.library->DeviceCreateQuerySet(driver.device.get(), &descriptor),
             driver.library->QuerySetRelease};
  SLUICE_ASSIGN(
      query_results,
      driver.create_buffer(uint64_t{count} * 8,
                           WGPUBufferUsage_QueryResolve | WGPUBufferUsage_CopySrc, "timestamps"));
  return scopes.finish("making timestamp queries");
}

Result<Dim::Environment> Executor::State::bind(std::span<const Value> inputs) const {
  if (inputs.size() != plan->inputs.size()) {
    return usage_error(
        cat("The plan gets ", inputs.size(), " inputs (", plan->inputs.size(), " are wanted)"));
  }
  Dim::Environment symbols;
  // Twice: an extent such as 2*n may come before the n that binds it.
  for (int pass = 0; pass < 2; ++pass) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      const plan::Slot& slot = plan->slot(plan->inputs[i]);
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

Result<void> Executor::State::fault(Stage stage) {
  SLUICE_TRY(driver.fault_point(stage, options.faults));
  return {};
}

Result<void> Executor::State::poison_outputs() {
  for (const plan::SlotId id : plan->outputs) {
    // What the caller or the model filled before the run is not this run's to write.
    const plan::Storage storage = plan->slot(plan->root(id)).storage;
    const bool made_here = storage == plan::Storage::kHeap || storage == plan::Storage::kArena;
    if (!made_here || !resident->on_device(id)) continue;
    SLUICE_ASSIGN(const Place at, resident->place(id));
    const uint64_t size = resident->layout().slot_bytes[static_cast<size_t>(id)];
    for (uint64_t done = 0; done < size; done += kPoisonBytes) {
      recorder.copy(poison.get(), 0, at.buffer, at.offset_bytes + done,
                    std::min(kPoisonBytes, size - done));
    }
  }
  // Before the inputs are written: an output may share its buffer with an input that dies earlier.
  return recorder.submit();
}

Result<void> Executor::State::take_inputs(std::span<const Value> inputs) {
  SLUICE_TRY(fault(Stage::kUpload));
  for (size_t i = 0; i < inputs.size(); ++i) {
    const plan::SlotId id = plan->inputs[i];
    host[static_cast<size_t>(id)] = inputs[i];
    if (!resident->on_device(id)) continue;
    SLUICE_ASSIGN(const uint64_t bytes, resident->upload(id, inputs[i].tensor()));
    run.uploaded_bytes += bytes;
  }
  return {};
}

// Values of slots from the host where it knows them, and from the device in one readback.
Result<std::vector<Value>> Executor::State::values_of(std::span<const plan::SlotId> slots) {
  std::vector<plan::SlotId> away;
  for (const plan::SlotId id : slots) {
    if (id == plan::kNoSlot) continue;
    Value& known = host[static_cast<size_t>(id)];
    const plan::Slot& slot = plan->slot(id);
    if (!known.present() && slot.constant) known = *slot.constant;
    if (known.present() || std::ranges::find(away, id) != away.end()) continue;
    if (!resident->on_device(id)) {
      return internal_error(cat(quoted(slot.name), " is neither on the host nor on the device"));
    }
    away.push_back(id);
  }
  if (!away.empty()) {
    SLUICE_ASSIGN(std::vector<Tensor> tensors, readback->read(away, run));
    for (size_t i = 0; i < away.size(); ++i) {
      host[static_cast<size_t>(away[i])] = std::move(tensors[i]);
    }
  }
  std::vector<Value> out;
  for (const plan::SlotId id : slots) {
    out.push_back(id == plan::kNoSlot ? Value() : host[static_cast<size_t>(id)]);
  }
  return out;
}

Result<void> Executor::State::run_dispatches(size_t s) {
  const auto dispatches = resident->dispatches(s);
  const size_t total = resident->dispatch_count();
  for (size_t d = 0; d < dispatches.size(); ++d) {
    const size_t index = next_dispatch++;
    if (index == 0) SLUICE_TRY(fault(Stage::kFirstDispatch));
    if (index == total / 2) SLUICE_TRY(fault(Stage::kMiddleDispatch));
    if (index + 1 == total) SLUICE_TRY(fault(Stage::kLastDispatch));
    SLUICE_TRY(recorder.dispatch(dispatches[d], plan->steps[s].dispatches[d].flops));
  }
  return {};
}

// The device's side of a view is its alias in the layout; here only the host's side is made.
Result<void> Executor::State::run_view(const plan::Step& step) {
  if (step.inputs.empty() || step.outputs.empty()) {
    return internal_error(cat("The view ", quoted(step.node), " has no input or no output"));
  }
  const plan::SlotId from = step.inputs[0], to = step.outputs[0];
  if (from == plan::kNoSlot || to == plan::kNoSlot) return {};
  if (!resident->on_device(to)) SLUICE_TRY(values_of(std::span(&from, 1)));
  Value known = host[static_cast<size_t>(from)];
  if (!known.present() && plan->slot(from).constant) known = *plan->slot(from).constant;
  if (!known.is_tensor()) return {};
  SLUICE_ASSIGN(const Shape shape, resident->shape(to));
  const bool same = known.tensor().dtype() == plan->slot(to).type.dtype &&
                    known.tensor().elements() == shape.elements();
  if (same) {
    host[static_cast<size_t>(to)] = known.tensor().reshaped(shape);
  } else if (!resident->on_device(to)) {
    return internal_error(
        cat(quoted(plan->slot(to).name), " is no view of ", known.tensor().text()));
  }
  return {};
}

Result<void> Executor::State::run_island(size_t s, const IslandFn& island) {
  const plan::Step& step = plan->steps[s];
  if (!island) return internal_error("The plan has an island and nobody to run it");
  SLUICE_ASSIGN(const std::vector<Value> inputs, values_of(step.inputs));
  SLUICE_ASSIGN(std::vector<Value> outputs, island(static_cast<int>(s), inputs));
  ++run.islands;
  if (outputs.size() != step.outputs.size()) {
    return internal_error(cat("The island ", quoted(step.node), " gives ", outputs.size(),
                              " outputs (", step.outputs.size(), " are wanted)"));
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    const plan::SlotId id = step.outputs[i];
    if (id == plan::kNoSlot) continue;
    if (resident->on_device(id)) {
      if (!outputs[i].is_tensor()) {
        return internal_error(cat("The island ", quoted(step.node), " gives no tensor for ",
                                  quoted(plan->slot(id).name)));
      }
      // Work recorded before the island may still write this memory: it goes first.
      SLUICE_TRY(recorder.submit());
      SLUICE_ASSIGN(const uint64_t bytes, resident->upload(id, outputs[i].tensor()));
      run.uploaded_bytes += bytes;
    }
    host[static_cast<size_t>(id)] = std::move(outputs[i]);
  }
  return {};
}

Result<void> Executor::State::run_step(size_t s, const IslandFn& island, bool timed) {
  const plan::Step& step = plan->steps[s];
  if (!step.dispatches.empty()) {
    const auto index = static_cast<uint32_t>(2 * s);
    const bool queried = timed && queries && index + 1 < kMostQueries;
    if (queried) SLUICE_TRY(recorder.begin_timed_pass(queries.get(), index));
    SLUICE_TRY(run_dispatches(s));
    if (queried) recorder.end_pass();
    return {};
  }
  if (step.view) return run_view(step);
  if (plan->is_island(step)) return run_island(s, island);
  // Nothing to issue is right only where nothing is to be made.
  for (const plan::SlotId id : step.outputs) {
    if (id == plan::kNoSlot) continue;
    SLUICE_ASSIGN(const Shape shape, resident->shape(id));
    if (shape.elements() != 0) {
      return internal_error(cat("The step ", step.op, " ", quoted(step.node),
                                " has neither dispatches nor an island"));
    }
  }
  return {};
}

Result<void> Executor::State::report_times(const Observer& observer) {
  const auto count = static_cast<uint32_t>(std::min<size_t>(2 * plan->steps.size(), kMostQueries));
  recorder.resolve(queries.get(), count, query_results.get());
  SLUICE_ASSIGN(const std::vector<uint64_t> times,
                readback->read_words64(query_results.get(), count, run));
  for (size_t s = 0; 2 * s + 1 < times.size(); ++s) {
    if (plan->steps[s].dispatches.empty()) continue;
    const uint64_t begin = times[2 * s], end = times[2 * s + 1];
    observer.time(static_cast<int>(s), end > begin ? static_cast<double>(end - begin) * 1e-9 : 0);
  }
  return {};
}

Result<std::vector<Value>> Executor::State::execute(std::span<const Value> inputs,
                                                    const IslandFn& island,
                                                    const Observer& observer) {
  if (options.fill_word) resident->fill(*options.fill_word, options.fill_random);
  SLUICE_TRY(poison_outputs());
  SLUICE_TRY(take_inputs(inputs));
  next_dispatch = 0;
  for (size_t s = 0; s < plan->steps.size(); ++s) {
    const plan::Step& step = plan->steps[s];
    const bool by_waiting = observer.time && !queries;
    if (by_waiting) SLUICE_TRY(recorder.finish());
    const auto begin = Clock::now();
    if (Result<void> done = run_step(s, island, static_cast<bool>(observer.time)); !done) {
      return std::move(done).error().while_doing(
          cat("running step ", s, " (", step.op, " ", quoted(step.node), ")"));
    }
    if (by_waiting) {
      SLUICE_TRY(recorder.finish());
      observer.time(static_cast<int>(s), seconds_since(begin));
    }
    if (observer.outputs) {
      SLUICE_ASSIGN(const std::vector<Value> made, values_of(step.outputs));
      observer.outputs(static_cast<int>(s), made);
    }
    for (const plan::SlotId id : last_uses[s]) host[static_cast<size_t>(id)] = Value();
  }
  SLUICE_TRY(fault(Stage::kReadback));
  // The flags are about what leaves the run, not about what islands or observers looked at.
  run.saw_poison = run.saw_nonfinite = false;
  SLUICE_ASSIGN(std::vector<Value> outputs, values_of(plan->outputs));
  if (observer.time && queries) SLUICE_TRY(report_times(observer));
  SLUICE_TRY(recorder.finish());
  return outputs;
}

Result<std::vector<Value>> Executor::State::set_up_and_execute(const Dim::Environment& symbols,
                                                               std::span<const Value> inputs,
                                                               const IslandFn& island,
                                                               const Observer& observer) {
  if (runs > 0) SLUICE_TRY(fault(Stage::kBetweenRuns));
  driver.process_events();
  SLUICE_TRY(driver.check_alive("idle between runs"));
  if (!resident->prepared_for(symbols)) {
    run.relaid = resident->prepared();
    SLUICE_TRY(resident->prepare(symbols, options.faults, load, &run));
  }
  host.assign(plan->slots.size(), Value());
  return execute(inputs, island, observer);
}

Executor::Executor(std::unique_ptr<State> state) : state_(std::move(state)) {}
Executor::~Executor() {
  // See Driver::stuck: the state keeps its device, so both stay.
  static auto& kept = *new std::vector<std::unique_ptr<State>>;
  if (state_ != nullptr && state_->driver.stuck) kept.push_back(std::move(state_));
}

Result<std::unique_ptr<Executor>> Executor::create(std::shared_ptr<plan::Plan> plan,
                                                   std::shared_ptr<Device> device,
                                                   ExecutorOptions options) {
  auto state = std::make_unique<State>(std::move(plan), std::move(device), options);
  SLUICE_TRY(state->load_plan());
  return std::unique_ptr<Executor>(new Executor(std::move(state)));
}

Result<std::vector<Value>> Executor::run(std::span<const Value> inputs, const IslandFn& island,
                                         const Observer& observer) {
  State& state = *state_;
  const auto begin = Clock::now();
  state.run = {};
  if (state.broken) return device_error("The device failed in an earlier run");
  SLUICE_ASSIGN(const Dim::Environment symbols, state.bind(inputs));
  state.recorder.begin_run(state.run);
  const auto work = [&]() -> Result<std::vector<Value>> {
    ErrorScopes scopes(state.driver);
    Result<std::vector<Value>> outputs =
        state.set_up_and_execute(symbols, inputs, island, observer);
    // An island's own error is the more telling one; the device's comes before a wrong sentinel.
    const bool device_failed = !outputs && outputs.error().code == ErrorCode::kDevice;
    if (!outputs) state.recorder.drop();
    if (Result<void> verdict = scopes.finish("running the plan");
        !verdict && (outputs || device_failed)) {
      return std::move(verdict).error();
    }
    // Everything stands under error scopes: what slips through is doubtful, and so are the results.
    const DeviceHealth health = state.driver.health();
    if (outputs && health.uncaptured_errors > 0) {
      return device_error(cat("The device reports an error (", health.last_uncaptured_error, ")"));
    }
    return outputs;
  };
  Result<std::vector<Value>> outputs = work();
  ++state.runs;
  state.run.seconds = seconds_since(begin);
  state.host.clear();
  if (!outputs) {
    state.broken = outputs.error().code == ErrorCode::kDevice;
    return outputs;
  }
  if (state.driver.wrong_numbers) {
    for (Value& value : *outputs) {
      if (!value.is_tensor() || !value.tensor().defined()) continue;
      SLUICE_ASSIGN(Tensor copy, value.tensor().clone());
      falsify(copy);
      value = std::move(copy);
    }
  }
  return outputs;
}

const plan::DeviceLayout* Executor::layout() const {
  return state_->resident->prepared() ? &state_->resident->layout() : nullptr;
}
const LoadRecord& Executor::load() const { return state_->load; }
const RunRecord& Executor::last_run() const { return state_->run; }
Device& Executor::device() { return *state_->device; }

}  // namespace sluice::exec::webgpu
