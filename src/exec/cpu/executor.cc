#include "exec/cpu/executor.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "base/name_table.h"
#include "base/sanitizer.h"
#include "base/text.h"

namespace sluice::exec::cpu {

using plan::kNoSlot;
using plan::Plan;
using plan::SlotId;
using plan::Step;
using plan::Storage;

namespace {

// The kernels of a build, found by name. Of two under one name the first counts.
class Kernels {
  auto called(std::string_view name) const {
    return [this, name](size_t row) { return table_[row].name == name; };
  }

 public:
  explicit Kernels(std::span<const plan::CpuKernel> table)
      : table_(table.begin(), table.end()), by_name_(table.size()) {
    for (size_t row = 0; row < table_.size(); ++row) {
      uint16_t& place = by_name_.place(table_[row].name, called(table_[row].name));
      if (place == NameTable::kFree) place = static_cast<uint16_t>(row);
    }
  }
  // Null where there is none.
  const plan::CpuKernel* find(std::string_view name) const {
    const size_t row = by_name_.find(name, called(name));
    return row == NameTable::kFree ? nullptr : &table_[row];
  }

 private:
  std::vector<plan::CpuKernel> table_;
  NameTable by_name_;
};

struct StepState {
  const plan::CpuKernel* kernel = nullptr;
  Tensor prepared;
  // One of several (the branches of an If) is null until it runs: perhaps it never does.
  std::vector<std::unique_ptr<Executor>> subplans;
  std::vector<Value> inputs, outputs;  // what lies in the arena stays bound between runs
  std::vector<SlotId> release;         // slots whose value nobody reads after this step
  plan::Kept kept;
  // Of each input: the version of its slot that is bound (0: none), and whether it stays bound.
  struct Bound {
    uint64_t version = 0;
    bool stays = false;
  };
  std::vector<Bound> bound;
  std::vector<Value> feeds, results;  // of the subplan that runs; empty outside of the step
  // A view whose result follows from what is known at load, and from input 0.
  bool skippable = false;
};

// Values with memory of their own keep some blocks of it, which are taken again when nobody else
// holds them. A caller that keeps the results of one run during the next needs two.
constexpr size_t kBlocks = 2;
// What is no result, and larger, gives its memory back: all of it together may be far more than
// what is in use at once.
constexpr uint64_t kRecycledBytes = 64 * 1024;

// Scratch memory from this size on lies where the arena is not in use in its step: smaller blocks
// are used again by every step, and stay in the second-level cache (1 to 2 MiB) between them.
constexpr size_t kLargeScratchBytes = size_t{2} << 20;

// Blocks up to this that don't fit in there are taken with room to grow.
constexpr size_t kDoubledScratchBytes = size_t{32} << 20;

// A part of the arena that no value needs during a step.
struct Gap {
  uint64_t begin, end;
};

// What the layout of the arena follows from.
struct Signature {
  DType dtype = DType::kUndefined;
  Shape shape;
};

}  // namespace

struct Executor::State {
  std::shared_ptr<Plan> plan;
  std::shared_ptr<ThreadPool> pool;
  std::shared_ptr<const Kernels> kernels;
  std::vector<StepState> steps;
  std::vector<Value> values;      // by slot; constants and what lies in the arena stay
  std::vector<uint64_t> version;  // by slot: counts up when the value changes; 0 when it has none
  uint64_t versions = 0;
  bool lends_results = false;
  std::vector<bool> is_constant;
  std::vector<uint64_t> root_offset;  // by slot: bytes from the beginning of its root's memory
  std::vector<std::vector<Tensor>> recycled;  // by slot
  std::vector<bool> is_output;
  std::vector<bool> is_handed_out;     // by slot: an output, or what one is a view of
  std::vector<std::vector<Gap>> gaps;  // by step; those that serve large scratch memory
  std::vector<Gap> gaps_left;          // of the step that runs
  std::vector<Signature> signature;    // of the latest run's inputs
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

  void set(SlotId id, Value value) {
    values[static_cast<size_t>(id)] = std::move(value);
    version[static_cast<size_t>(id)] = ++versions;
  }
  void drop(SlotId id) {
    values[static_cast<size_t>(id)] = Value();
    version[static_cast<size_t>(id)] = 0;
  }
  // What stays where it is between runs.
  bool stays(SlotId id) const {
    const auto s = static_cast<size_t>(id);
    return is_constant[s] || (values[s].is_tensor() && in_arena(values[s].tensor()));
  }
  static Result<std::unique_ptr<Executor>> create(std::shared_ptr<Plan> plan,
                                                  std::shared_ptr<const Kernels> kernels,
                                                  std::shared_ptr<ThreadPool> pool,
                                                  bool lends_results);
  // What runs subplan `s` of a step.
  Result<Executor*> subplan(const Step& step, StepState& own, size_t s);
  // Memory for the value of `id` that may outlive the run.
  Result<Tensor> own_memory(SlotId id, DType dtype, const Shape& shape);
  // Whether inputs have other dtypes or shapes than in the latest run; remembers them.
  bool has_new_shapes(std::span<const Value> inputs);
  Result<void> lay_out(std::span<const Value> inputs);
  Result<void> run_step(size_t n, const Observer& observer);
  void bind(const Step& step, StepState& own);
  Result<void> take_outputs(const Step& step, StepState& own);
  void forget_arena();
  void find_gaps();

  // A value of `id` that may outlive the place it lies in: arena memory is copied out.
  Result<Value> detached(SlotId id, const Value& value) {
    switch (value.kind()) {
      case Value::Kind::kNone:
        return value;
      case Value::Kind::kTensor: {
        if (!in_arena(value.tensor())) return value;
        const Tensor& from = value.tensor();
        SLUICE_ASSIGN(Tensor copy, own_memory(id, from.dtype(), from.shape()));
        std::ranges::copy(from.bytes(), copy.mutable_bytes().begin());
        return Value(std::move(copy));
      }
      case Value::Kind::kSequence:
      case Value::Kind::kOptional: {
        if (!holds_arena(value)) return value;
        std::vector<Value> items;
        for (const Value& item : value.items()) {
          SLUICE_ASSIGN(Value copy, detached(id, item));
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

void allow_value(const Value& value) {
  if (value.is_tensor()) return allow(value.tensor().bytes());
  if (!value.present()) return;
  for (const Value& item : value.items()) allow_value(item);
}

// Shared: Executor::State, which has no name outside of Executor.
template <class Shared>
class StepContext final : public plan::KernelContext {
 public:
  StepContext(const Step& step, StepState& state, Shared& shared)
      : KernelContext(step.attrs, state.inputs, state.outputs),
        step_(step),
        state_(state),
        shared_(shared) {}

  bool wants(int i) const override {
    return i < output_count() && step_.outputs[static_cast<size_t>(i)] != kNoSlot;
  }

  bool has_subgraph(std::string_view name) const override {
    return std::ranges::any_of(step_.subplans,
                               [&](const plan::Subplan& sub) { return sub.name == name; });
  }

  Result<std::span<Value>> run_subgraph(std::string_view name,
                                        std::span<const Value> inputs) override {
    for (size_t s = 0; s < step_.subplans.size(); ++s) {
      if (step_.subplans[s].name != name) continue;
      SLUICE_ASSIGN(Executor * inner, shared_.subplan(step_, state_, s));
      std::vector<Value>& feeds = state_.feeds;
      feeds.assign(inputs.begin(), inputs.end());
      for (const SlotId id : step_.subplans[s].captures) {
        feeds.push_back(shared_.values[static_cast<size_t>(id)]);
        allow_value(feeds.back());
      }
      auto done = inner->run_into(feeds, state_.results);
      feeds.clear();
      if (!done) return std::move(done).error();
      return std::span(state_.results);
    }
    return invalid_model(cat("In ", quoted(step_.node), ": there is no subgraph ", quoted(name)));
  }

  void parallel_for(int64_t count, int64_t grain,
                    FunctionRef<void(int64_t, int64_t)> body) override {
    shared_.pool->parallel_for(count, grain, body);
  }

  int threads() const override { return shared_.pool->threads(); }

  Result<std::span<std::byte>> scratch(size_t size_bytes) override {
    if (const auto at = in_gap(size_bytes)) {
      const auto bytes = shared_.arena.mutable_bytes().subspan(*at, size_bytes);
      allow(bytes);
      return bytes;
    }
    SLUICE_ASSIGN(Tensor * block, scratch_block(size_bytes));
    return block->mutable_bytes().first(size_bytes);
  }

  const Tensor& prepared() const override { return state_.prepared; }

 protected:
  Result<Tensor> make_output(int i, DType dtype, const Shape& shape) override {
    const SlotId id = step_.outputs[static_cast<size_t>(i)];
    const Plan& plan = *shared_.plan;
    const SlotId root = plan.root(id);
    const auto r = static_cast<size_t>(root);
    const auto elements = shape.checked_elements();
    const auto bytes = elements ? storage_bytes(dtype, *elements) : std::nullopt;
    const uint64_t planned = shared_.layout.bytes[r];
    if (plan.slot(root).storage == Storage::kArena && dtype != DType::kString && bytes &&
        planned != 0) {
      const uint64_t offset = shared_.root_offset[static_cast<size_t>(id)];
      if (offset <= planned && *bytes <= planned - offset) {
        Tensor out = Tensor::arena_view(dtype, shape, shared_.arena,
                                        static_cast<size_t>(shared_.layout.offsets[r] + offset));
        allow(out.bytes());
        return out;
      }
    }
    // Not planned, or inference promised another size: it gets memory of its own.
    return shared_.own_memory(id, dtype, shape);
  }

  Tensor* same_output(int i, DType dtype, const Shape& shape) override {
    Value& made = state_.outputs[static_cast<size_t>(i)];
    if (!made.is_tensor() || made.tensor().dtype() != dtype || !(made.tensor().shape() == shape)) {
      return nullptr;
    }
    allow(made.tensor().bytes());
    return &made.tensor();
  }

  Result<Tensor> make_spare(DType dtype, const Shape& shape) override {
    const auto elements = shape.checked_elements();
    const auto bytes = elements ? storage_bytes(dtype, *elements) : std::nullopt;
    if (dtype == DType::kString || !bytes || *bytes > SIZE_MAX) {
      return Tensor::allocate(dtype, shape);
    }
    SLUICE_ASSIGN(Tensor * block, scratch_block(static_cast<size_t>(*bytes)));
    return Tensor::arena_view(dtype, shape, *block, 0);
  }

  plan::Kept& keep() override { return state_.kept; }

 private:
  // A place for `size_bytes` in a gap of the arena; nothing when none has it.
  std::optional<size_t> in_gap(size_t size_bytes) {
    if (size_bytes < kLargeScratchBytes || shared_.gaps.empty()) return std::nullopt;
    std::vector<Gap>& left = shared_.gaps_left;
    if (!knows_gaps_) {
      const auto n = static_cast<size_t>(&step_ - shared_.plan->steps.data());
      left.assign(shared_.gaps[n].begin(), shared_.gaps[n].end());
      knows_gaps_ = true;
    }
    Gap* best = nullptr;
    for (Gap& gap : left) {
      const bool fits = gap.end - gap.begin >= size_bytes;
      if (fits && (best == nullptr || gap.end - gap.begin < best->end - best->begin)) best = &gap;
    }
    if (best == nullptr) return std::nullopt;
    const auto at = static_cast<size_t>(best->begin);
    best->begin = std::min(best->end, (best->begin + size_bytes + 63) / 64 * 64);
    return at;
  }

  Result<Tensor*> scratch_block(size_t size_bytes) {
    const size_t index = used_scratch_++;
    if (index == shared_.scratch.size()) shared_.scratch.emplace_back();
    Tensor& block = shared_.scratch[index];
    if (!block.defined() || block.size_bytes() < size_bytes) {
      block = Tensor();
      // A later step may need more. What nobody touches takes no memory, but a block that moves
      // leaves a hole, and WebAssembly's memory never shrinks.
      const size_t bytes = size_bytes < kLargeScratchBytes || size_bytes > kDoubledScratchBytes
                               ? size_bytes
                               : 2 * size_bytes;
      SLUICE_ASSIGN(
          block, Tensor::allocate_uninitialized(DType::kUInt8, Shape{static_cast<int64_t>(bytes)}));
    }
    allow(block.bytes().first(size_bytes));
    forbid(block.bytes().subspan(size_bytes));
    return &block;
  }

  const Step& step_;
  StepState& state_;
  Shared& shared_;
  size_t used_scratch_ = 0;
  bool knows_gaps_ = false;  // whether gaps_left is this step's
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
    for (const auto& sub : step.subplans) total += sub == nullptr ? 0 : sub->prepared_bytes();
  }
  return total;
}

namespace {
// A constant of the type float32 that holds float16 (passes/hold_float16.h): no kernel's run sees
// it, its prepare may.
bool is_held_half(const plan::Slot& slot) {
  return slot.constant->dtype() == DType::kFloat16 && slot.type.dtype == DType::kFloat32;
}
}  // namespace

// Packs the constants of all steps, on all threads: a step's packing is one task. A constant that
// has been packed for all who read it is dropped at once: packed and unpacked weights together
// would be the most that a session ever holds.
Result<void> Executor::prepare_steps(State& state) {
  Plan& p = *state.plan;
  std::vector<std::atomic<int>> readers(p.slots.size());
  const auto read_by = [&](SlotId id) {
    if (id != kNoSlot) readers[static_cast<size_t>(id)].fetch_add(1, std::memory_order_relaxed);
  };
  std::ranges::for_each(p.outputs, read_by);
  for (const Step& step : p.steps) {
    std::ranges::for_each(step.inputs, read_by);
    for (const plan::Subplan& sub : step.subplans) std::ranges::for_each(sub.captures, read_by);
  }
  // The kernel still sees dtype and shape of an input it has packed, without the elements.
  const auto drop = [&](size_t slot) {
    auto& constant = p.slots[slot].constant;
    const DType seen = is_held_half(p.slots[slot]) ? DType::kFloat32 : constant->dtype();
    constant = Tensor::shape_only(seen, constant->shape());
    state.values[slot] = Value(*constant);
  };
  const auto drop_if_packed = [&](const StepState& own, const Step& step) {
    const int packed = own.kernel->prepared_input;
    if (!own.prepared.defined() || packed < 0 || packed >= static_cast<int>(step.inputs.size())) {
      return;
    }
    const SlotId id = step.inputs[static_cast<size_t>(packed)];
    if (id == kNoSlot || !p.slot(id).constant) return;
    const auto s = static_cast<size_t>(id);
    if (readers[s].fetch_sub(1, std::memory_order_acq_rel) == 1) drop(s);
  };
  for (size_t s = 0; s < p.slots.size(); ++s) {
    if (p.slots[s].constant && readers[s].load(std::memory_order_relaxed) == 0) drop(s);
  }
  const auto prepare = [&](size_t n) -> Result<void> {
    const Step& step = p.steps[n];
    StepState& own = state.steps[n];
    if (own.kernel->prepare == nullptr || own.prepared.defined()) return {};
    std::vector<Value> constants(step.inputs.size());
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      const SlotId id = step.inputs[i];
      if (id != kNoSlot && p.slot(id).constant) {
        constants[i] = state.values[static_cast<size_t>(id)];
      }
    }
    SLUICE_ASSIGN(own.prepared, own.kernel->prepare(step.attrs, constants));
    constants.clear();
    drop_if_packed(own, step);
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
  // What is left as float16 was packed by nobody, or not by all.
  bool widened = false;
  for (size_t s = 0; s < p.slots.size(); ++s) {
    auto& constant = p.slots[s].constant;
    if (!constant || !is_held_half(p.slots[s])) continue;
    SLUICE_ASSIGN(constant, converted(*constant, DType::kFloat32));
    state.values[s] = Value(*constant);
    widened = true;
  }
  if (!widened) return {};
  for (size_t n = 0; n < p.steps.size(); ++n) SLUICE_TRY(prepare(n));
  return {};
}

Result<std::unique_ptr<Executor>> Executor::create(std::shared_ptr<Plan> plan,
                                                   std::span<const plan::CpuKernel> table,
                                                   std::shared_ptr<ThreadPool> pool,
                                                   bool lends_results) {
  return State::create(std::move(plan), std::make_shared<const Kernels>(table), std::move(pool),
                       lends_results);
}

Result<std::unique_ptr<Executor>> Executor::State::create(std::shared_ptr<Plan> plan,
                                                          std::shared_ptr<const Kernels> kernels,
                                                          std::shared_ptr<ThreadPool> pool,
                                                          bool lends_results) {
  auto state = std::make_unique<State>();
  state->lends_results = lends_results;
  state->plan = std::move(plan);
  state->kernels = std::move(kernels);
  state->pool = std::move(pool);
  Plan& p = *state->plan;

  state->values.resize(p.slots.size());
  state->version.assign(p.slots.size(), 0);
  state->is_constant.assign(p.slots.size(), false);
  for (size_t s = 0; s < p.slots.size(); ++s) {
    if (!p.slots[s].constant) continue;
    state->is_constant[s] = true;
    state->set(static_cast<SlotId>(s), Value(*p.slots[s].constant));
  }
  state->root_offset.assign(p.slots.size(), 0);
  for (size_t s = 0; s < p.slots.size(); ++s) {
    state->root_offset[s] = p.root_offset(static_cast<SlotId>(s));
  }
  state->recycled.resize(p.slots.size());
  state->is_output.assign(p.slots.size(), false);
  for (const SlotId id : p.outputs) state->is_output[static_cast<size_t>(id)] = true;
  state->is_handed_out = state->is_output;
  for (size_t n = p.steps.size(); n-- > 0;) {
    const Step& step = p.steps[n];
    if (!step.view || step.inputs.empty() || step.outputs.empty()) continue;
    const SlotId from = step.inputs[0], to = step.outputs[0];
    if (from == kNoSlot || to == kNoSlot || !state->is_handed_out[static_cast<size_t>(to)])
      continue;
    state->is_handed_out[static_cast<size_t>(from)] = true;
  }
  std::vector<int> last_reader(p.slots.size(), -1);

  state->steps.resize(p.steps.size());
  for (size_t n = 0; n < p.steps.size(); ++n) {
    state->steps[n].kernel = state->kernels->find(p.steps[n].kernel);
    if (state->steps[n].kernel == nullptr) {
      return internal_error(cat("The plan names the kernel ", quoted(p.steps[n].kernel),
                                ", which this build does not have"));
    }
  }
  SLUICE_TRY(prepare_steps(*state));
  for (size_t n = 0; n < p.steps.size(); ++n) {
    const Step& step = p.steps[n];
    StepState& own = state->steps[n];
    own.inputs.resize(step.inputs.size());
    own.outputs.resize(step.outputs.size());
    own.bound.resize(step.inputs.size());
    own.skippable = step.view && step.subplans.empty();
    for (size_t i = 1; i < step.inputs.size(); ++i) {
      const SlotId id = step.inputs[i];
      if (id != kNoSlot && !p.slot(id).constant) own.skippable = false;
    }
    own.subplans.resize(step.subplans.size());
    if (step.subplans.size() == 1) SLUICE_TRY(state->subplan(step, own, 0));
    for (const plan::Subplan& sub : step.subplans) {
      for (const SlotId id : sub.captures) {
        last_reader[static_cast<size_t>(id)] = static_cast<int>(n);
      }
    }
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      const SlotId id = step.inputs[i];
      if (id == kNoSlot) continue;
      last_reader[static_cast<size_t>(id)] = static_cast<int>(n);
    }
  }
  for (size_t s = 0; s < p.slots.size(); ++s) {
    if (!p.slots[s].constant && last_reader[s] >= 0 && !state->is_output[s]) {
      state->steps[static_cast<size_t>(last_reader[s])].release.push_back(static_cast<SlotId>(s));
    }
  }
  return std::unique_ptr<Executor>(new Executor(std::move(state)));
}

Result<Executor*> Executor::State::subplan(const Step& step, StepState& own, size_t s) {
  std::unique_ptr<Executor>& inner = own.subplans[s];
  if (inner == nullptr) {
    SLUICE_ASSIGN(inner, create(step.subplans[s].plan, kernels, pool, false));
  }
  return inner.get();
}

Result<Tensor> Executor::State::own_memory(SlotId id, DType dtype, const Shape& shape) {
  const auto elements = shape.checked_elements();
  const auto bytes = elements ? storage_bytes(dtype, *elements) : std::nullopt;
  const bool recycles = dtype != DType::kString && bytes &&
                        (is_handed_out[static_cast<size_t>(id)] || *bytes <= kRecycledBytes);
  if (!recycles) return Tensor::allocate_uninitialized(dtype, shape);
  std::vector<Tensor>& blocks = recycled[static_cast<size_t>(id)];
  const auto fits = [&](const Tensor& block) {
    return block.dtype() == dtype && block.shape() == shape;
  };
  for (const Tensor& block : blocks) {
    if (!block.unique() || !fits(block)) continue;
    // Whoever held it has let go, perhaps on another thread: what it read has been read.
    std::atomic_thread_fence(std::memory_order_acquire);
    return block;
  }
  // A block of another shape goes first, then the older one.
  const auto other = std::ranges::find_if_not(blocks, fits);
  if (other != blocks.end()) {
    blocks.erase(other);
  } else if (blocks.size() == kBlocks) {
    blocks.erase(blocks.begin());
  }
  SLUICE_ASSIGN(Tensor fresh, Tensor::allocate_uninitialized(dtype, shape));
  blocks.push_back(fresh);
  return fresh;
}

bool Executor::State::has_new_shapes(std::span<const Value> inputs) {
  const auto same = [](const Signature& then, const Value& now) {
    if (!now.is_tensor()) return then.dtype == DType::kUndefined;
    return then.dtype == now.tensor().dtype() && then.shape == now.tensor().shape();
  };
  bool changed = signature.size() != inputs.size();
  for (size_t i = 0; !changed && i < inputs.size(); ++i) changed = !same(signature[i], inputs[i]);
  if (!changed) return false;
  signature.assign(inputs.size(), {});
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].is_tensor()) continue;
    signature[i] = {inputs[i].tensor().dtype(), inputs[i].tensor().shape()};
  }
  return true;
}

// Everything that points into the arena: another one follows.
void Executor::State::forget_arena() {
  for (StepState& own : steps) {
    for (size_t i = 0; i < own.inputs.size(); ++i) {
      own.inputs[i] = Value();
      own.bound[i] = {};
    }
    for (Value& value : own.outputs) value = Value();
  }
  for (size_t s = 0; s < values.size(); ++s) {
    if (!is_constant[s]) drop(static_cast<SlotId>(s));
  }
}

Result<void> Executor::State::lay_out(std::span<const Value> inputs) {
  const Plan& p = *plan;
  const size_t formal = p.inputs.size();
  Dim::Environment now;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const plan::Slot& slot = p.slot(i < formal ? p.inputs[i] : p.captures[i - formal]);
    if (!inputs[i].is_tensor() || !slot.type.is_tensor()) continue;
    SLUICE_TRY(
        plan::bind_symbols(slot.type, inputs[i].tensor(), "Input " + quoted(slot.name), now));
  }
  if (has_layout && now == symbols) return {};
  has_layout = false;
  forget_arena();
  arena = Tensor();
  SLUICE_ASSIGN(layout, plan::lay_out(p, now));
  // Scratch memory is a little larger than the value it is made of: it may end in a margin.
  constexpr uint64_t kMargin = 4096;
  const uint64_t bytes =
      layout.arena_bytes + (layout.arena_bytes < kLargeScratchBytes ? 0 : kMargin);
  SLUICE_ASSIGN(arena,
                Tensor::allocate_uninitialized(DType::kUInt8, Shape{static_cast<int64_t>(bytes)}));
  symbols = std::move(now);
  has_layout = true;
  find_gaps();
  return {};
}

void Executor::State::find_gaps() {
  gaps.clear();
  if (layout.arena_bytes < kLargeScratchBytes) return;
  gaps.assign(plan->steps.size(), {});
  for (size_t n = 0; n < gaps.size(); ++n) {
    const auto step = static_cast<int>(n);
    uint64_t at = 0;
    const auto gap_until = [&](uint64_t end) {
      if (end > at && end - at >= kLargeScratchBytes) gaps[n].push_back({at, end});
    };
    for (const plan::Life& life : layout.lives) {
      if (life.first > step || life.last < step) continue;
      gap_until(life.begin);
      at = std::max(at, life.end);
    }
    gap_until(arena.size_bytes());
  }
}

void Executor::State::bind(const Step& step, StepState& own) {
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    const SlotId id = step.inputs[i];
    if (id == kNoSlot) continue;
    const uint64_t now = version[static_cast<size_t>(id)];
    StepState::Bound& bound = own.bound[i];
    if (now != 0 && bound.version == now) continue;
    own.inputs[i] = values[static_cast<size_t>(id)];
    bound = {now, stays(id)};
  }
}

// What the kernel has made becomes the slots' values.
Result<void> Executor::State::take_outputs(const Step& step, StepState& own) {
  for (size_t i = 0; i < step.outputs.size(); ++i) {
    Value& made = own.outputs[i];
    const SlotId id = step.outputs[i];
    if (id == kNoSlot) {
      made = Value();
      continue;
    }
    const Value& before = values[static_cast<size_t>(id)];
    if (made.is_tensor() && in_arena(made.tensor())) {
      const Tensor& tensor = made.tensor();
      if (before.is_tensor() && before.tensor().shares_with(tensor) &&
          before.tensor().dtype() == tensor.dtype() && before.tensor().shape() == tensor.shape()) {
        continue;
      }
      const SlotId root = plan->root(id);
      if (plan->slot(root).storage == Storage::kArena &&
          tensor.bytes().data() == arena.bytes().data() +
                                       layout.offsets[static_cast<size_t>(root)] +
                                       root_offset[static_cast<size_t>(id)]) {
        set(id, made);
        continue;
      }
    }
    Value kept = std::move(made);
    made = Value();
    if (holds_arena(kept)) {
      SLUICE_ASSIGN(kept, detached(id, kept));
    }
    set(id, std::move(kept));
  }
  return {};
}

Result<void> Executor::State::run_step(size_t n, const Observer& observer) {
  const Step& step = plan->steps[n];
  StepState& own = steps[n];
  if (own.skippable && !observer.outputs && !observer.time && step.inputs[0] != kNoSlot &&
      step.outputs[0] != kNoSlot) {
    const uint64_t now = version[static_cast<size_t>(step.inputs[0])];
    // The result of the latest run is the same view of the same place.
    if (own.bound[0].stays && own.bound[0].version == now && now != 0 &&
        version[static_cast<size_t>(step.outputs[0])] != 0 && stays(step.outputs[0])) {
      return {};
    }
  }
  const auto start =
      observer.time ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point();
  bind(step, own);
  StepContext context(step, own, *this);
  // Of the arena a kernel may touch its inputs, and what it is given.
  forbid(arena.bytes());
  for (const Value& input : own.inputs) allow_value(input);
  auto done = own.kernel->run(context);
  allow(arena.bytes());
  if (!done) {
    return std::move(done).error().while_doing(
        cat("running node ", quoted(step.node), " (", step.op, ")"));
  }
  if (observer.time) {
    observer.time(static_cast<int>(n),
                  std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  own.results.clear();
  if (observer.outputs) SLUICE_TRY(observer.outputs(static_cast<int>(n), own.outputs));
  SLUICE_TRY(take_outputs(step, own));
  for (size_t i = 0; i < own.inputs.size(); ++i) {
    if (own.bound[i].stays) continue;
    own.inputs[i] = Value();
    own.bound[i] = {};
  }
  for (const SlotId id : own.release) {
    if (!stays(id)) drop(id);
  }
  return {};
}

Result<std::vector<Value>> Executor::run(std::span<const Value> inputs, const Observer& observer) {
  std::vector<Value> outputs;
  SLUICE_TRY(run_into(inputs, outputs, observer));
  return outputs;
}

Result<void> Executor::run_into(std::span<const Value> inputs, std::vector<Value>& outputs,
                                const Observer& observer) {
  State& s = *state_;
  const Plan& p = *s.plan;
  const size_t formal = p.inputs.size();
  outputs.clear();
  if (inputs.size() != formal + p.captures.size()) {
    return usage_error(cat("The plan takes ", formal + p.captures.size(), " inputs (",
                           inputs.size(), " are given)"));
  }
  if (s.has_new_shapes(inputs) || !s.has_layout) {
    if (auto laid_out = s.lay_out(inputs); !laid_out) {
      s.signature.clear();
      return laid_out;
    }
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    s.set(i < formal ? p.inputs[i] : p.captures[i - formal], inputs[i]);
  }
  for (size_t n = 0; n < p.steps.size(); ++n) {
    if (auto done = s.run_step(n, observer); !done) {
      s.forget_arena();
      return done;
    }
  }
  outputs.reserve(p.outputs.size());
  for (const SlotId id : p.outputs) {
    const Value& value = s.values[static_cast<size_t>(id)];
    if (s.lends_results && value.is_tensor()) {
      outputs.push_back(value);
      continue;
    }
    SLUICE_ASSIGN(Value out, s.detached(id, value));
    outputs.push_back(std::move(out));
  }
  for (size_t v = 0; v < s.values.size(); ++v) {
    const auto id = static_cast<SlotId>(v);
    if (s.version[v] != 0 && !s.stays(id)) s.drop(id);
  }
  return {};
}

}  // namespace sluice::exec::cpu
