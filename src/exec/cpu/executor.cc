#include "exec/cpu/executor.h"

#include <algorithm>
#include <chrono>
#include <unordered_map>

#include "base/text.h"

namespace sluice::exec::cpu {

using plan::kNoSlot;
using plan::Plan;
using plan::SlotId;
using plan::Step;
using plan::Storage;

namespace {

struct StepState {
  const plan::CpuKernel* kernel = nullptr;
  Tensor prepared;
  std::vector<std::unique_ptr<Executor>> subplans;
  std::vector<Value> inputs, outputs;  // kept between runs, so that a run allocates no vectors
  std::vector<SlotId> release;         // slots whose value nobody reads after this step
};

}  // namespace

struct Executor::State {
  std::shared_ptr<Plan> plan;
  std::shared_ptr<ThreadPool> pool;
  std::vector<plan::CpuKernel> table;
  std::vector<StepState> steps;
  std::vector<Value> values;  // by slot; constants stay, others come and go
  Tensor arena;
  std::vector<Tensor> scratch;  // blocks handed out in the current step; the first is kept
  Dim::Environment symbols;     // of the current layout
  plan::MemoryLayout layout;
  bool has_layout = false;

  bool in_arena(const Tensor& tensor) const {
    const auto bytes = arena.bytes();
    return tensor.defined() && !bytes.empty() && tensor.bytes().data() >= bytes.data() &&
           tensor.bytes().data() < bytes.data() + bytes.size();
  }

  // A value that may outlive the place it lies in: arena memory is copied out.
  Result<Value> detached(const Value& value) const {
    switch (value.kind()) {
      case Value::Kind::kNone:
        return value;
      case Value::Kind::kTensor: {
        if (!in_arena(value.tensor())) return value;
        SLUICE_ASSIGN(Tensor copy, value.tensor().clone());
        return Value(std::move(copy));
      }
      case Value::Kind::kSequence:
      case Value::Kind::kOptional: {
        if (!holds_arena(value)) return value;
        std::vector<Value> items;
        for (const Value& item : value.items()) {
          SLUICE_ASSIGN(Value copy, detached(item));
          items.push_back(std::move(copy));
        }
        if (value.kind() == Value::Kind::kSequence) return Value::sequence(std::move(items));
        return items.empty() ? Value::empty_optional() : Value::some(std::move(items[0]));
      }
    }
    return value;
  }
  bool holds_arena(const Value& value) const {
    if (value.is_tensor()) return in_arena(value.tensor());
    return value.present() &&
           std::ranges::any_of(value.items(), [&](const Value& item) { return holds_arena(item); });
  }
};

namespace {

class StepContext final : public plan::KernelContext {
 public:
  StepContext(const Step& step, StepState& state, const Plan& plan, const Tensor& arena,
              const plan::MemoryLayout& layout, ThreadPool& pool, std::vector<Tensor>& scratch,
              const std::vector<Value>& values)
      : KernelContext(step.attrs, state.inputs, state.outputs),
        step_(step),
        state_(state),
        plan_(plan),
        arena_(arena),
        layout_(layout),
        pool_(pool),
        scratch_blocks_(scratch),
        values_(values) {}

  bool wants(int i) const override {
    return i < output_count() && step_.outputs[static_cast<size_t>(i)] != kNoSlot;
  }

  bool has_subgraph(std::string_view name) const override {
    return std::ranges::any_of(step_.subplans,
                               [&](const plan::Subplan& sub) { return sub.name == name; });
  }

  Result<std::vector<Value>> run_subgraph(std::string_view name,
                                          std::span<const Value> inputs) override {
    for (size_t s = 0; s < step_.subplans.size(); ++s) {
      if (step_.subplans[s].name != name) continue;
      std::vector<Value> feeds(inputs.begin(), inputs.end());
      for (const SlotId id : step_.subplans[s].captures) {
        feeds.push_back(values_[static_cast<size_t>(id)]);
      }
      return state_.subplans[s]->run(feeds);
    }
    return invalid_model(cat("In ", quoted(step_.node), ": there is no subgraph ", quoted(name)));
  }

  void parallel_for(int64_t count, int64_t grain,
                    FunctionRef<void(int64_t, int64_t)> body) override {
    pool_.parallel_for(count, grain, body);
  }

  int threads() const override { return pool_.threads(); }

  Result<std::span<std::byte>> scratch(size_t size_bytes) override {
    const size_t index = used_scratch_++;
    if (index == scratch_blocks_.size()) scratch_blocks_.emplace_back();
    Tensor& block = scratch_blocks_[index];
    if (!block.defined() || block.size_bytes() < size_bytes) {
      block = Tensor();
      SLUICE_ASSIGN(block,
                    Tensor::allocate(DType::kUInt8, Shape{static_cast<int64_t>(size_bytes)}));
    }
    return block.mutable_bytes().first(size_bytes);
  }

  const Tensor& prepared() const override { return state_.prepared; }

 protected:
  Result<Tensor> make_output(int i, DType dtype, const Shape& shape) override {
    const SlotId root = plan_.root(step_.outputs[static_cast<size_t>(i)]);
    const auto r = static_cast<size_t>(root);
    const auto elements = shape.checked_elements();
    const auto bytes = elements ? storage_bytes(dtype, *elements) : std::nullopt;
    if (plan_.slot(root).storage == Storage::kArena && dtype != DType::kString && bytes &&
        *bytes <= layout_.bytes[r] && layout_.bytes[r] != 0) {
      return Tensor::arena_view(dtype, shape, arena_, static_cast<size_t>(layout_.offsets[r]));
    }
    // Not planned, or inference promised another size: it gets memory of its own.
    return Tensor::allocate_uninitialized(dtype, shape);
  }

 private:
  const Step& step_;
  StepState& state_;
  const Plan& plan_;
  const Tensor& arena_;
  const plan::MemoryLayout& layout_;
  ThreadPool& pool_;
  std::vector<Tensor>& scratch_blocks_;
  const std::vector<Value>& values_;
  size_t used_scratch_ = 0;
};

}  // namespace

Executor::Executor(std::unique_ptr<State> state) : state_(std::move(state)) {}
Executor::~Executor() = default;
const Plan& Executor::plan() const { return *state_->plan; }
const plan::MemoryLayout* Executor::layout() const {
  return state_->has_layout ? &state_->layout : nullptr;
}

uint64_t Executor::prepared_bytes() const {
  uint64_t total = 0;
  for (const StepState& step : state_->steps) {
    total += step.prepared.size_bytes();
    for (const auto& sub : step.subplans) total += sub->prepared_bytes();
  }
  return total;
}

// Packs the constants of all steps, on all threads: a step's packing is one task.
Result<void> Executor::prepare_steps(State& state) {
  const Plan& p = *state.plan;
  const auto prepare = [&](size_t n) -> Result<void> {
    const Step& step = p.steps[n];
    StepState& own = state.steps[n];
    if (own.kernel->prepare == nullptr) return {};
    std::vector<Value> constants(step.inputs.size());
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      const SlotId id = step.inputs[i];
      if (id != kNoSlot && p.slot(id).constant) {
        constants[i] = state.values[static_cast<size_t>(id)];
      }
    }
    SLUICE_ASSIGN(own.prepared, own.kernel->prepare(step.attrs, constants));
    return {};
  };
#ifdef __wasm__
  // Only the thread that owns the memory allocates.
  for (size_t n = 0; n < p.steps.size(); ++n) SLUICE_TRY(prepare(n));
#else
  std::vector<Result<void>> done(p.steps.size());
  state.pool->parallel_for(static_cast<int64_t>(p.steps.size()), 1,
                           [&](int64_t begin, int64_t end) {
                             for (int64_t n = begin; n < end; ++n) {
                               done[static_cast<size_t>(n)] = prepare(static_cast<size_t>(n));
                             }
                           });
  for (Result<void>& result : done) SLUICE_TRY(std::move(result));
#endif
  return {};
}

Result<std::unique_ptr<Executor>> Executor::create(std::shared_ptr<Plan> plan,
                                                   std::span<const plan::CpuKernel> table,
                                                   std::shared_ptr<ThreadPool> pool) {
  auto state = std::make_unique<State>();
  state->plan = std::move(plan);
  state->pool = std::move(pool);
  state->table.assign(table.begin(), table.end());
  Plan& p = *state->plan;
  std::unordered_map<std::string_view, const plan::CpuKernel*> by_name;
  for (const plan::CpuKernel& kernel : state->table) by_name.emplace(kernel.name, &kernel);

  state->values.resize(p.slots.size());
  for (size_t s = 0; s < p.slots.size(); ++s) {
    if (p.slots[s].constant) state->values[s] = Value(*p.slots[s].constant);
  }
  // Constants that every reader has packed for itself need not be kept.
  std::vector<bool> keep(p.slots.size(), false);
  for (const SlotId id : p.outputs) keep[static_cast<size_t>(id)] = true;
  std::vector<int> last_reader(p.slots.size(), -1);

  state->steps.resize(p.steps.size());
  for (size_t n = 0; n < p.steps.size(); ++n) {
    const auto found = by_name.find(p.steps[n].kernel);
    if (found == by_name.end()) {
      return internal_error(cat("The plan names the kernel ", quoted(p.steps[n].kernel),
                                ", which this build does not have"));
    }
    state->steps[n].kernel = found->second;
  }
  SLUICE_TRY(prepare_steps(*state));
  for (size_t n = 0; n < p.steps.size(); ++n) {
    const Step& step = p.steps[n];
    StepState& own = state->steps[n];
    own.inputs.resize(step.inputs.size());
    own.outputs.resize(step.outputs.size());
    for (const plan::Subplan& sub : step.subplans) {
      SLUICE_ASSIGN(auto inner, create(sub.plan, table, state->pool));
      own.subplans.push_back(std::move(inner));
      for (const SlotId id : sub.captures) {
        keep[static_cast<size_t>(id)] = true;
        last_reader[static_cast<size_t>(id)] = static_cast<int>(n);
      }
    }
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      const SlotId id = step.inputs[i];
      if (id == kNoSlot) continue;
      last_reader[static_cast<size_t>(id)] = static_cast<int>(n);
      const bool packed =
          own.prepared.defined() && own.kernel->prepared_input == static_cast<int>(i);
      if (!packed) keep[static_cast<size_t>(id)] = true;
    }
  }
  std::vector<bool> is_output(p.slots.size(), false);
  for (const SlotId id : p.outputs) is_output[static_cast<size_t>(id)] = true;
  for (size_t s = 0; s < p.slots.size(); ++s) {
    if (p.slots[s].constant) {
      // The kernel still sees dtype and shape of an input it has packed, without the elements.
      if (!keep[s]) {
        const Tensor& old = *p.slots[s].constant;
        p.slots[s].constant = Tensor::shape_only(old.dtype(), old.shape());
        state->values[s] = Value(*p.slots[s].constant);
      }
    } else if (last_reader[s] >= 0 && !is_output[s]) {
      state->steps[static_cast<size_t>(last_reader[s])].release.push_back(static_cast<SlotId>(s));
    }
  }
  return std::unique_ptr<Executor>(new Executor(std::move(state)));
}

Result<std::vector<Value>> Executor::run(std::span<const Value> inputs, const Observer& observer) {
  State& s = *state_;
  const Plan& p = *s.plan;
  const size_t formal = p.inputs.size();
  if (inputs.size() != formal + p.captures.size()) {
    return usage_error(cat("The plan takes ", formal + p.captures.size(), " inputs (",
                           inputs.size(), " are given)"));
  }
  Dim::Environment symbols;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const SlotId id = i < formal ? p.inputs[i] : p.captures[i - formal];
    const plan::Slot& slot = p.slot(id);
    s.values[static_cast<size_t>(id)] = inputs[i];
    if (!inputs[i].is_tensor() || !slot.type.is_tensor()) continue;
    SLUICE_TRY(
        plan::bind_symbols(slot.type, inputs[i].tensor(), "Input " + quoted(slot.name), symbols));
  }
  if (!s.has_layout || symbols != s.symbols) {
    SLUICE_ASSIGN(s.layout, plan::lay_out(p, symbols));
    s.symbols = std::move(symbols);
    s.has_layout = true;
    s.arena = Tensor();
    SLUICE_ASSIGN(s.arena, Tensor::allocate_uninitialized(
                               DType::kUInt8, Shape{static_cast<int64_t>(s.layout.arena_bytes)}));
  }
  for (size_t n = 0; n < p.steps.size(); ++n) {
    const Step& step = p.steps[n];
    StepState& own = s.steps[n];
    const auto start =
        observer.time ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point();
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      own.inputs[i] =
          step.inputs[i] == kNoSlot ? Value() : s.values[static_cast<size_t>(step.inputs[i])];
    }
    StepContext context(step, own, p, s.arena, s.layout, *s.pool, s.scratch, s.values);
    if (auto done = own.kernel->run(context); !done) {
      for (Value& value : own.inputs) value = Value();
      return std::move(done).error().while_doing(
          cat("running node ", quoted(step.node), " (", step.op, ")"));
    }
    if (observer.time) {
      observer.time(
          static_cast<int>(n),
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    if (observer.outputs) SLUICE_TRY(observer.outputs(static_cast<int>(n), own.outputs));
    for (size_t i = 0; i < step.outputs.size(); ++i) {
      Value made = std::move(own.outputs[i]);
      own.outputs[i] = Value();
      const SlotId id = step.outputs[i];
      if (id == kNoSlot) continue;
      if (!made.present()) {
        return internal_error(
            cat("Node ", quoted(step.node), " (", step.op, ") has not made output ", i));
      }
      // Memory inside the arena is good only while the plan keeps it for this very slot.
      const plan::Slot& root = p.slot(p.root(id));
      const bool planned =
          made.is_tensor() && root.storage == Storage::kArena &&
          made.tensor().bytes().data() ==
              s.arena.bytes().data() + s.layout.offsets[static_cast<size_t>(p.root(id))];
      if (!planned) {
        SLUICE_ASSIGN(made, s.detached(made));
      }
      s.values[static_cast<size_t>(id)] = std::move(made);
    }
    for (Value& value : own.inputs) value = Value();
    for (const SlotId id : own.release) s.values[static_cast<size_t>(id)] = Value();
  }
  std::vector<Value> outputs;
  outputs.reserve(p.outputs.size());
  for (const SlotId id : p.outputs) {
    SLUICE_ASSIGN(Value out, s.detached(s.values[static_cast<size_t>(id)]));
    outputs.push_back(std::move(out));
  }
  for (size_t v = 0; v < s.values.size(); ++v) {
    if (!p.slots[v].constant) s.values[v] = Value();
  }
  return outputs;
}

}  // namespace sluice::exec::cpu
