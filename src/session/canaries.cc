#include "session/canaries.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/half.h"
#include "base/text.h"
#include "plan/device_layout.h"
#include "shader/canary_arithmetic.h"
#include "shader/canary_grid.h"
#include "shader/canary_half.h"
#include "shader/canary_load.h"
#include "shader/canary_packed_dot.h"
#include "shader/canary_reverse.h"
#include "shader/canary_scan.h"
#include "shader/canary_store.h"
#include "shader/canary_unpack.h"
#include "shader/shader.h"

namespace sluice::session {

namespace {

using plan::SlotId;
using plan::Storage;

// shader/lib/mix32.wgsl, word for word.
uint32_t mix32(uint32_t h) {
  h ^= h >> 16;
  h *= 0x85ebca6bu;
  h ^= h >> 13;
  h *= 0xc2b2ae35u;
  h ^= h >> 16;
  return h;
}

// Test data: a function of seed and index, so that a failure can be looked at again.
class Random {
 public:
  explicit Random(uint32_t seed) : state_(mix32(seed) | 1u) {}
  uint32_t word() { return mix32(state_ += 0x9e3779b9u); }
  // A whole number in [low, high].
  int32_t between(int32_t low, int32_t high) {
    return low + static_cast<int32_t>(word() % static_cast<uint32_t>(high - low + 1));
  }

 private:
  uint32_t state_;
};

// What is wrong in an output, if anything: "element 17 is -3.5 (12.25 is right), 5 of 4096 differ".
struct Mismatch {
  std::string text;
};
template <class T, class Same>
std::optional<Mismatch> compare(std::span<const T> got, std::span<const T> want, Same same) {
  size_t wrong = 0, first = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    if (i < got.size() && same(i, got[i], want[i])) continue;
    if (wrong++ == 0) first = i;
  }
  if (got.size() != want.size()) {
    return Mismatch{cat(got.size(), " elements came back (", want.size(), " are right)")};
  }
  if (wrong == 0) return std::nullopt;
  return Mismatch{cat("element ", first, " is ", got[first], " (", want[first], " is right), ",
                      wrong, " of ", want.size(), " differ")};
}
template <class T>
std::optional<Mismatch> compare_exact(const Tensor& got, const std::vector<T>& want) {
  return compare<T>(got.span<T>(), want, [](size_t, T a, T b) { return a == b; });
}

template <class T>
Tensor tensor_of(const std::vector<T>& values) {
  return Tensor::of<T>(Shape{static_cast<int64_t>(values.size())}, std::span<const T>(values));
}

// A plan made by hand: slots and dispatches, one step each.
class PlanBuilder {
 public:
  PlanBuilder(const plan::Limits& limits, const plan::Features& features,
              const SelfTestOptions& options)
      : options_(options) {
    plan_->backend = "webgpu";
    plan_->limits = limits;
    plan_->features = features;
  }
  SlotId slot(Storage storage, const char* name, DType dtype, int64_t elements) {
    plan::Slot slot;
    slot.name = name;
    slot.type = Type::tensor(dtype, {elements});
    slot.storage = storage;
    slot.format = plan::device_format(dtype, plan_->features.f16);
    slot.first_step = storage == Storage::kInput ? -1 : static_cast<int>(plan_->steps.size());
    plan_->slots.push_back(std::move(slot));
    const auto id = static_cast<SlotId>(plan_->slots.size() - 1);
    if (storage == Storage::kInput) plan_->inputs.push_back(id);
    if (storage == Storage::kHeap) plan_->outputs.push_back(id);
    return id;
  }
  Result<void> dispatch(const plan::DispatchRequest& request) {
    SLUICE_ASSIGN(std::string wgsl, shader::specialise(request.shader, request.knobs));
    if (options_.mutate) options_.mutate(request.shader, wgsl);
    plan::Step step;
    step.op = "SelfTest";
    step.node = std::string(request.shader);
    step.kernel = std::string(request.shader);
    for (const plan::BoundRange& bound : request.bindings) {
      (bound.writable ? step.outputs : step.inputs).push_back(bound.range.slot);
      plan::Slot& slot = plan_->slots[static_cast<size_t>(bound.range.slot)];
      slot.last_step = static_cast<int>(plan_->steps.size());
    }
    plan::Dispatch dispatch;
    dispatch.pipeline = static_cast<int32_t>(plan_->pipelines.size());
    dispatch.params = request.params;
    dispatch.bindings = request.bindings;
    dispatch.workgroups = request.workgroups;
    step.dispatches.push_back(std::move(dispatch));
    plan_->pipelines.push_back({std::string(request.shader), request.knobs, std::move(wgsl)});
    plan_->steps.push_back(std::move(step));
    return {};
  }
  std::shared_ptr<plan::Plan> finish() {
    for (const SlotId id : plan_->outputs) {
      plan_->slots[static_cast<size_t>(id)].last_step = static_cast<int>(plan_->steps.size());
    }
    return plan_;
  }

 private:
  const SelfTestOptions& options_;
  std::shared_ptr<plan::Plan> plan_ = std::make_shared<plan::Plan>();
};

// One check: its inputs for a round, and the judgement of its output.
struct Check {
  const char* name;
  // Appends the inputs; remembers what must come back.
  std::function<void(Random&, std::vector<Value>& inputs)> feed;
  std::function<std::optional<Mismatch>(const Tensor& output)> judge;
  int64_t results = 0;
};

// --- sizes, small enough to cost a fraction of a millisecond on a GPU
constexpr int64_t kRows = 128, kDepth = 96;          // arithmetic: |sum| <= 96 * 300^2 < 2^24
constexpr int64_t kUnpacked = 4096;                  // int8
constexpr int64_t kRowsIn = 37, kColumnsIn = 53;     // reverse slice
constexpr int64_t kScan = 16 * 256 + 100;            // the last workgroup is not full
constexpr int64_t kGrid = 65535 + 4097;              // more than one dimension holds
constexpr int64_t kHalfRows = 256, kHalfDepth = 16;  // |sum| <= 16 * 8 * 3.75 = 480 < 512
constexpr int64_t kPacked = 1024;
// exp may be off by 3 + 2 |x| ULP (WGSL, "Accuracy of built-in functions"), |x| <= 8 here, and 96
// terms are added: 2e-5 of the sum of magnitudes is more than both together.
constexpr double kExpTolerance = 2e-5;

Result<Check> add_arithmetic(PlanBuilder& plan) {
  shader::canary_arithmetic::Call call;
  call.params.rows = kRows;
  call.params.depth = kDepth;
  call.a = plan.slot(Storage::kInput, "arithmetic.a", DType::kFloat32, kRows * kDepth);
  call.b = plan.slot(Storage::kInput, "arithmetic.b", DType::kFloat32, kRows * kDepth);
  call.y = plan.slot(Storage::kHeap, "arithmetic.y", DType::kFloat32, 2 * kRows);
  call.workgroups = (kRows + 63) / 64;
  SLUICE_TRY(plan.dispatch(call.request()));
  const auto want = std::make_shared<std::vector<float>>();
  const auto slack = std::make_shared<std::vector<double>>();
  return Check{"float32 arithmetic",
               [=](Random& random, std::vector<Value>& inputs) {
                 std::vector<float> a(kRows * kDepth), b(kRows * kDepth);
                 for (float& v : a) v = static_cast<float>(random.between(-300, 300));
                 for (float& v : b) v = static_cast<float>(random.between(-300, 300));
                 want->assign(2 * kRows, 0);
                 slack->assign(2 * kRows, 0);
                 for (size_t row = 0; row < kRows; ++row) {
                   double dot = 0, sum = 0, size = 0;
                   for (size_t k = row * kDepth; k < (row + 1) * kDepth; ++k) {
                     dot += static_cast<double>(a[k]) * b[k];
                     const double term = std::exp(-std::min(std::abs(a[k]), 64.0f) * 0.125) * b[k];
                     sum += term;
                     size += std::abs(term);
                   }
                   (*want)[2 * row] = static_cast<float>(dot);
                   (*want)[2 * row + 1] = static_cast<float>(sum);
                   (*slack)[2 * row + 1] = kExpTolerance * size;
                 }
                 inputs.emplace_back(tensor_of(a));
                 inputs.emplace_back(tensor_of(b));
               },
               [=](const Tensor& y) {
                 // A NaN fails the comparison.
                 return compare<float>(
                     y.span<float>(), *want, [&](size_t i, float got, float right) {
                       return std::abs(static_cast<double>(got) - right) <= (*slack)[i];
                     });
               },
               2 * kRows};
}

Result<Check> add_unpack(PlanBuilder& plan) {
  constexpr int kZeroPoint = -3;
  constexpr float kScale = 0.03125f;
  shader::canary_unpack::Call call;
  call.params.n = kUnpacked;
  call.params.zero_point = kZeroPoint;
  call.params.scale = kScale;
  call.q = plan.slot(Storage::kInput, "unpack.q", DType::kInt32, kUnpacked / 4);
  call.y = plan.slot(Storage::kHeap, "unpack.y", DType::kFloat32, kUnpacked);
  call.workgroups = kUnpacked / 64;
  SLUICE_TRY(plan.dispatch(call.request()));
  const auto want = std::make_shared<std::vector<float>>();
  return Check{"int8 dequantize",
               [=](Random& random, std::vector<Value>& inputs) {
                 std::vector<int32_t> words;
                 want->clear();
                 for (int64_t i = 0; i < kUnpacked / 4; ++i) {
                   uint32_t word = random.word();
                   if (i == 0) word = 0xff7f8000u;  // 0, -128, 127, -1
                   words.push_back(static_cast<int32_t>(word));
                   for (int k = 0; k < 4; ++k) {
                     const auto q = static_cast<int8_t>((word >> (8 * k)) & 0xff);
                     want->push_back(static_cast<float>(q - kZeroPoint) * kScale);
                   }
                 }
                 inputs.emplace_back(tensor_of(words));
               },
               [=](const Tensor& y) { return compare_exact(y, *want); }, kUnpacked};
}

Result<Check> add_reverse(PlanBuilder& plan) {
  // Rows 33, 30, 27 ... 0 and columns 50, 48 ... 2: neither starts at the last element.
  constexpr int64_t kRowStart = 33, kRowStep = -3, kOutRows = 12;
  constexpr int64_t kColumnStart = 50, kColumnStep = -2, kOutColumns = 25;
  shader::canary_reverse::Call call;
  call.params.rows = kOutRows;
  call.params.columns = kOutColumns;
  call.params.columns_in = kColumnsIn;
  call.params.row_start = kRowStart;
  call.params.row_step = kRowStep;
  call.params.column_start = kColumnStart;
  call.params.column_step = kColumnStep;
  call.x = plan.slot(Storage::kInput, "reverse.x", DType::kUInt32, kRowsIn * kColumnsIn);
  call.y = plan.slot(Storage::kHeap, "reverse.y", DType::kUInt32, kOutRows * kOutColumns);
  call.workgroups = (kOutRows * kOutColumns + 63) / 64;
  SLUICE_TRY(plan.dispatch(call.request()));
  const auto want = std::make_shared<std::vector<uint32_t>>();
  return Check{"reverse slice",
               [=](Random& random, std::vector<Value>& inputs) {
                 std::vector<uint32_t> x(kRowsIn * kColumnsIn);
                 for (uint32_t& v : x) v = random.word();
                 want->clear();
                 for (int64_t r = 0; r < kOutRows; ++r) {
                   for (int64_t c = 0; c < kOutColumns; ++c) {
                     want->push_back(x[static_cast<size_t>((kRowStart + r * kRowStep) * kColumnsIn +
                                                           kColumnStart + c * kColumnStep)]);
                   }
                 }
                 inputs.emplace_back(tensor_of(x));
               },
               [=](const Tensor& y) { return compare_exact(y, *want); }, kOutRows * kOutColumns};
}

Result<Check> add_scan(PlanBuilder& plan) {
  shader::canary_scan::Call call;
  call.params.n = kScan;
  call.x = plan.slot(Storage::kInput, "scan.x", DType::kUInt32, kScan);
  call.y = plan.slot(Storage::kHeap, "scan.y", DType::kUInt32, kScan);
  call.workgroups = (kScan + 255) / 256;
  SLUICE_TRY(plan.dispatch(call.request()));
  const auto want = std::make_shared<std::vector<uint32_t>>();
  return Check{"workgroup memory and barriers",
               [=](Random& random, std::vector<Value>& inputs) {
                 std::vector<uint32_t> x(kScan);
                 want->clear();
                 uint32_t sum = 0;
                 for (size_t i = 0; i < x.size(); ++i) {
                   x[i] = random.word();
                   sum = (i % 256 == 0 ? 0 : sum) + x[i];
                   want->push_back(sum);
                 }
                 inputs.emplace_back(tensor_of(x));
               },
               [=](const Tensor& y) { return compare_exact(y, *want); }, kScan};
}

Result<Check> add_grid(PlanBuilder& plan) {
  shader::canary_grid::Call call;
  call.params.n = kGrid;
  call.seed = plan.slot(Storage::kInput, "grid.seed", DType::kUInt32, 1);
  call.y = plan.slot(Storage::kHeap, "grid.y", DType::kUInt32, kGrid);
  call.workgroups = kGrid;
  SLUICE_TRY(plan.dispatch(call.request()));
  const auto want = std::make_shared<std::vector<uint32_t>>();
  return Check{"more than 65,535 workgroups",
               [=](Random& random, std::vector<Value>& inputs) {
                 const uint32_t seed = random.word();
                 want->clear();
                 for (uint32_t i = 0; i < kGrid; ++i) want->push_back(mix32(i ^ seed));
                 inputs.emplace_back(tensor_of(std::vector<uint32_t>{seed}));
               },
               [=](const Tensor& y) { return compare_exact(y, *want); }, kGrid};
}

Result<Check> add_half(PlanBuilder& plan) {
  shader::canary_half::Call call;
  call.knobs.T = "f16";
  call.params.rows = kHalfRows;
  call.params.depth = kHalfDepth;
  call.a = plan.slot(Storage::kInput, "half.a", DType::kFloat16, kHalfRows * kHalfDepth);
  call.b = plan.slot(Storage::kInput, "half.b", DType::kFloat16, kHalfRows * kHalfDepth);
  call.y = plan.slot(Storage::kHeap, "half.y", DType::kFloat16, kHalfRows);
  call.workgroups = kHalfRows / 64;
  SLUICE_TRY(plan.dispatch(call.request()));
  const auto want = std::make_shared<std::vector<float>>();
  const auto halves = [](const std::vector<float>& values) {
    return Tensor::of_doubles(DType::kFloat16, Shape{static_cast<int64_t>(values.size())},
                              std::vector<double>(values.begin(), values.end()));
  };
  return Check{"float16",
               [=](Random& random, std::vector<Value>& inputs) {
                 std::vector<float> a(kHalfRows * kHalfDepth), b(kHalfRows * kHalfDepth);
                 // Every other row's sums reach 256 and more, where quarters are the last of
                 // float16's 11 bits: a device that drops it is found out.
                 for (size_t i = 0; i < a.size(); ++i) {
                   const size_t row = i / kHalfDepth;
                   const bool large = row % 2 == 1;
                   a[i] = static_cast<float>(large ? random.between(5, 8) : random.between(-8, 8));
                   if (row % 4 == 3) a[i] = -a[i];
                   b[i] = 0.25f * static_cast<float>(large ? random.between(10, 15)
                                                           : random.between(-15, 15));
                 }
                 want->assign(kHalfRows, 0);
                 for (size_t i = 0; i < a.size(); ++i) (*want)[i / kHalfDepth] += a[i] * b[i];
                 inputs.emplace_back(halves(a));
                 inputs.emplace_back(halves(b));
               },
               [=](const Tensor& y) {
                 std::vector<float> got;
                 for (int64_t i = 0; i < y.elements(); ++i) {
                   got.push_back(static_cast<float>(y.get_double(i)));
                 }
                 return compare<float>(got, *want, [](size_t, float a, float b) { return a == b; });
               },
               kHalfRows};
}

Result<Check> add_packed_dot(PlanBuilder& plan) {
  shader::canary_packed_dot::Call call;
  call.params.n = kPacked;
  call.a = plan.slot(Storage::kInput, "packed_dot.a", DType::kUInt32, kPacked);
  call.b = plan.slot(Storage::kInput, "packed_dot.b", DType::kUInt32, kPacked);
  call.y = plan.slot(Storage::kHeap, "packed_dot.y", DType::kInt32, kPacked);
  call.workgroups = kPacked / 64;
  SLUICE_TRY(plan.dispatch(call.request()));
  const auto want = std::make_shared<std::vector<int32_t>>();
  return Check{"packed int8 dot products",
               [=](Random& random, std::vector<Value>& inputs) {
                 std::vector<uint32_t> a(kPacked), b(kPacked);
                 want->clear();
                 for (size_t i = 0; i < a.size(); ++i) {
                   a[i] = i == 0 ? 0x80808080u : random.word();
                   b[i] = i == 0 ? 0x80808080u : random.word();
                   int32_t sum = 0;
                   for (int k = 0; k < 4; ++k) {
                     sum += static_cast<int8_t>((a[i] >> (8 * k)) & 0xff) *
                            static_cast<int8_t>((b[i] >> (8 * k)) & 0xff);
                   }
                   want->push_back(sum);
                 }
                 inputs.emplace_back(tensor_of(a));
                 inputs.emplace_back(tensor_of(b));
               },
               [=](const Tensor& y) { return compare_exact(y, *want); }, kPacked};
}

std::string milliseconds(double seconds) { return cat(std::round(seconds * 1e5) / 1e2, " ms"); }

constexpr int64_t kTail = 1024, kSpread = 7168;  // samples of the big buffer

}  // namespace

struct Canaries::State {
  SelfTestOptions options;
  std::shared_ptr<plan::Plan> plan;
  std::vector<Check> checks;
  int round = 0;  // over the life of the test
  int first_round = 0;
  std::vector<int> judged;         // by check, since begin()
  std::vector<std::string> wrong;  // by check; empty while right
  std::string failure;
};

Canaries::Canaries(std::unique_ptr<State> state) : state_(std::move(state)) {}
Canaries::~Canaries() = default;
Canaries::Canaries(Canaries&&) noexcept = default;
Canaries& Canaries::operator=(Canaries&&) noexcept = default;
const std::shared_ptr<plan::Plan>& Canaries::plan() const { return state_->plan; }
size_t Canaries::checks() const { return state_->checks.size(); }

Result<Canaries> Canaries::create(const plan::Features& features, const SelfTestOptions& options) {
  auto state = std::make_unique<State>();
  state->options = options;
  PlanBuilder plan(plan::Limits{}, features, state->options);
  using Add = Result<Check> (*)(PlanBuilder&);
  std::vector<Add> wanted = {add_arithmetic, add_unpack, add_reverse, add_scan, add_grid};
  if (features.f16) wanted.push_back(add_half);
  if (features.packed_dot) wanted.push_back(add_packed_dot);
  for (const Add add : wanted) {
    SLUICE_ASSIGN(Check check, add(plan));
    state->checks.push_back(std::move(check));
  }
  state->plan = plan.finish();
  Canaries canaries(std::move(state));
  canaries.begin();
  return canaries;
}

void Canaries::begin() {
  State& s = *state_;
  s.first_round = s.round;
  s.judged.assign(s.checks.size(), 0);
  s.wrong.assign(s.checks.size(), {});
  s.failure.clear();
}

std::vector<Value> Canaries::next_round() {
  State& s = *state_;
  ++s.round;
  Random random(s.options.seed * 0x10001u + static_cast<uint32_t>(s.round));
  std::vector<Value> inputs;
  for (const Check& check : s.checks) check.feed(random, inputs);
  return inputs;
}

void Canaries::judge(size_t check, Tensor output) {
  State& s = *state_;
  if (s.options.tamper) s.options.tamper(s.checks[check].name, s.round, output);
  const auto mismatch = s.checks[check].judge(output);
  if (mismatch && s.wrong[check].empty()) {
    s.wrong[check] = cat("in round ", s.round, " ", mismatch->text);
  }
  ++s.judged[check];
}

void Canaries::failed(std::string why) {
  if (state_->failure.empty()) state_->failure = std::move(why);
}

int Canaries::rounds() const { return *std::ranges::min_element(state_->judged); }

std::vector<GateFinding> Canaries::findings(std::string_view when, double seconds,
                                            double compile_seconds) const {
  const State& s = *state_;
  const int begun = s.round - s.first_round;
  std::string failure = s.failure;
  if (failure.empty() && (begun == 0 || rounds() < begun)) {
    failure = cat("the outputs of ", rounds(), " rounds came back (", begun, " were begun)");
  }
  std::vector<GateFinding> findings;
  findings.push_back({"self-test", failure.empty(), {}, seconds});
  size_t right = 0;
  for (size_t i = 0; i < s.checks.size() && failure.empty(); ++i) {
    const Check& check = s.checks[i];
    const bool passed = s.wrong[i].empty();
    right += passed ? 1 : 0;
    findings.push_back(
        {check.name, passed,
         passed ? cat("The adapter computes ", check.name, " right ", when, ": ", check.results,
                      " results in each of ", begun, " rounds")
                : cat("The adapter computes ", check.name, " wrong ", when, ": ", s.wrong[i]),
         0});
  }
  findings.front().sentence =
      failure.empty()
          ? cat("The self-test ", when, " ran ", begun, " rounds of ", s.checks.size(),
                " checks in ", milliseconds(seconds),
                compile_seconds < 0 ? ""
                                    : cat(" (compiled in ", milliseconds(compile_seconds), ")"),
                "; ", right, " are right")
          : cat("The self-test ", when, " can't be run: ", failure);
  return findings;
}

struct BigBuffer::State {
  SelfTestOptions options;
  plan::Limits limits;
  uint64_t bytes = 0;
  uint32_t seed = 0;
};

BigBuffer::BigBuffer(std::unique_ptr<State> state) : state_(std::move(state)) {}
BigBuffer::~BigBuffer() = default;
BigBuffer::BigBuffer(BigBuffer&&) noexcept = default;

BigBuffer BigBuffer::create(const plan::Limits& limits, bool software,
                            const SelfTestOptions& options) {
  auto state = std::make_unique<State>();
  state->options = options;
  state->limits = limits;
  uint64_t bytes = options.big_buffer_bytes;
  if (bytes == 0) bytes = software ? 8ull << 20 : 128ull << 20;
  state->bytes = std::min({bytes, limits.max_storage_binding_bytes, limits.max_buffer_bytes,
                           uint64_t{1} << 32}) &
                 ~uint64_t{15};
  Random random(options.seed);
  state->seed = random.word();
  return BigBuffer(std::move(state));
}

Result<std::shared_ptr<plan::Plan>> BigBuffer::plan() const {
  const State& s = *state_;
  const auto words = static_cast<int64_t>(s.bytes / 4);
  if (words < 2 * (kTail + kSpread)) {
    return resource_error(cat("a buffer of ", s.bytes, " bytes is too small"));
  }
  PlanBuilder plan(s.limits, {}, s.options);
  const SlotId seed_slot = plan.slot(Storage::kInput, "big_buffer.seed", DType::kUInt32, 1);
  const SlotId buffer = plan.slot(Storage::kArena, "big_buffer", DType::kUInt32, words);
  shader::canary_store::Call store;
  store.params.samples = kTail + kSpread;
  store.params.tail = kTail;
  store.params.stride = (words - kTail) / kSpread;
  store.params.words = words;
  store.seed = seed_slot;
  store.buffer = buffer;
  store.workgroups = (kTail + kSpread) / 64;
  SLUICE_TRY(plan.dispatch(store.request()));
  shader::canary_load::Call load;
  load.params.samples = kTail + kSpread;
  load.params.tail = kTail;
  load.params.stride = (words - kTail) / kSpread;
  load.params.words = words;
  load.buffer = buffer;
  load.y = plan.slot(Storage::kHeap, "big_buffer.y", DType::kUInt32, kTail + kSpread);
  load.workgroups = (kTail + kSpread) / 64;
  SLUICE_TRY(plan.dispatch(load.request()));
  return plan.finish();
}

std::vector<Value> BigBuffer::inputs() const {
  return {Value(tensor_of(std::vector<uint32_t>{state_->seed}))};
}

GateFinding BigBuffer::judge(Result<Tensor> output, double seconds) const {
  const State& s = *state_;
  GateFinding finding{"big buffer", false, {}, seconds};
  const std::string size = cat(s.bytes >> 20, " MiB");
  if (!output) {
    finding.sentence =
        cat("A buffer of ", size, " can't be written and read: ", output.error().text());
    return finding;
  }
  Tensor got = std::move(output).value();
  if (s.options.tamper) s.options.tamper(finding.check, 0, got);
  std::vector<uint32_t> want;
  for (uint32_t j = 0; j < kTail + kSpread; ++j) want.push_back(mix32(j ^ s.seed));
  const auto mismatch = compare_exact(got, want);
  finding.passed = !mismatch;
  finding.sentence =
      mismatch ? cat("A buffer of ", size, " does not keep what is written to it: ", mismatch->text)
               : cat("A buffer of ", size, " keeps what is written to it, up to its end");
  return finding;
}

}  // namespace sluice::session
