// Every operator's cases with their operands and attributes spoilt: inputs left out, of another
// dtype or shape, integers at the ends of their range, attributes of absurd value or kind. Whatever
// comes out, an answer or an Error, nothing may crash, hang or exhaust memory. Kernels run without
// inference before them too, since a model may hide every type.
#include <gtest/gtest.h>
#ifndef __wasm__  // whose memory is limited anyhow
#include <sys/resource.h>

#include <ctime>
#endif

#include <algorithm>
#include <chrono>
#include <limits>

#include "base/sanitizer.h"
#include "base/text.h"
#include "compile/compile_cpu.h"
#include "exec/cpu/executor.h"
#include "op/interpreter.h"
#include "ops/case_tables.h"
#include "ops/registry.h"

namespace sluice {
namespace {

class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed * 6364136223846793005u + 1442695040888963407u) {}
  uint64_t next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return state_ >> 33;
  }
  int below(int n) { return static_cast<int>(next() % static_cast<uint64_t>(n)); }

 private:
  uint64_t state_;
};

int64_t absurd_integer(Dice& dice) {
  const int64_t values[] = {0,
                            -1,
                            1,
                            2,
                            -2,
                            7,
                            -9,
                            100,
                            255,
                            1 << 20,
                            -65537,
                            std::numeric_limits<int32_t>::min(),
                            std::numeric_limits<int64_t>::max(),
                            std::numeric_limits<int64_t>::min()};
  return values[dice.below(static_cast<int>(std::size(values)))];
}

Tensor spoil_tensor(const Tensor& tensor, Dice& dice) {
  switch (dice.below(4)) {
    case 0: {  // another dtype
      const auto dtype = static_cast<DType>(1 + dice.below(kDTypeCount - 1));
      auto out = Tensor::allocate(dtype, tensor.shape());
      return out ? std::move(*out) : tensor;
    }
    case 1: {  // another shape
      Shape shape = tensor.shape();
      const int what = dice.below(4);
      if (what == 0 && shape.rank() > 0) shape.erase(dice.below(shape.rank()));
      if (what == 1 && shape.rank() < kMaxRank) shape.insert(dice.below(shape.rank() + 1), 2);
      if (what == 2 && shape.rank() > 0) shape[dice.below(shape.rank())] = 0;
      if (what == 3 && shape.rank() > 0) shape[dice.below(shape.rank())] += 1;
      if (shape.elements() > 100000) return tensor;
      auto out = Tensor::allocate(tensor.dtype(), shape);
      if (!out || tensor.dtype() == DType::kString || is_complex(tensor.dtype())) {
        return out ? std::move(*out) : tensor;
      }
      for (int64_t i = 0; i < out->elements() && tensor.elements() != 0; ++i) {
        out->set_double(i, tensor.get_double(i % tensor.elements()));
      }
      return std::move(*out);
    }
    default: {  // some elements at the ends of their range
      if (tensor.dtype() == DType::kString || is_complex(tensor.dtype())) return tensor;
      auto out = tensor.clone();
      if (!out) return tensor;
      for (int k = 0; k < 2 && out->elements() != 0; ++k) {
        const int64_t i = dice.below(static_cast<int>(out->elements()));
        if (is_floating(out->dtype())) {
          const double values[] = {0,
                                   -1,
                                   1e30,
                                   -1e30,
                                   std::numeric_limits<double>::infinity(),
                                   std::numeric_limits<double>::quiet_NaN()};
          out->set_double(i, values[dice.below(6)]);
        } else {
          out->set_int(i, absurd_integer(dice));
        }
      }
      return std::move(*out);
    }
  }
}

void spoil_attribute(AttrMap& attrs, Dice& dice) {
  if (attrs.empty()) return;
  const auto& entry =
      attrs.entries()[static_cast<size_t>(dice.below(static_cast<int>(attrs.entries().size())))];
  const std::string name = entry.first;
  Attribute value = entry.second;
  switch (dice.below(4)) {
    case 0:
      attrs.erase(name);
      return;
    case 1:
      attrs.set(name, std::string("nonsense"));
      return;
    case 2:
      if (auto* ints = std::get_if<std::vector<int64_t>>(&value)) {
        ints->push_back(absurd_integer(dice));
      }
      break;
    default:
      if (auto* number = std::get_if<int64_t>(&value)) *number = absurd_integer(dice);
      if (auto* number = std::get_if<float>(&value)) *number = -1e30f;
      if (auto* ints = std::get_if<std::vector<int64_t>>(&value);
          ints != nullptr && !ints->empty()) {
        (*ints)[static_cast<size_t>(dice.below(static_cast<int>(ints->size())))] =
            absurd_integer(dice);
      }
      break;
  }
  attrs.set(name, std::move(value));
}

// The same operands through the CPU executor, whose kernels were chosen knowing dtypes and ranks
// but no extents.
void run_compiled(const op::Case& c) {
  const op::Registry& registry = ops::registry();
  static const auto kernels = compile::cpu_kernel_table(registry);
  static const auto pool = std::make_shared<exec::cpu::ThreadPool>(2);
  ir::Graph graph;
  std::vector<ir::ValueId> ids;
  std::vector<Value> feeds;
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    const Value& value = c.inputs[i];
    if (value.present() && !value.is_tensor()) return;
    if (!value.present()) {
      ids.push_back(ir::kNoValue);
    } else if (std::ranges::count(c.constant_inputs, static_cast<int>(i)) != 0) {
      ids.push_back(graph.add_constant("", value.tensor()));
    } else {
      Dims dims;
      for (int d = 0; d < value.tensor().rank(); ++d) {
        dims.push_back(Dim::symbol(cat("d", i, "_", d)));
      }
      ids.push_back(graph.add_input("", Type::tensor(value.tensor().dtype(), dims)));
      feeds.push_back(value);
    }
  }
  const ir::NodeId node = graph.add_node(c.op, ids, c.output_count, c.attrs, c.domain);
  graph.outputs() = graph.node(node).outputs;
  if (!op::infer_graph(registry, graph)) return;
  auto plan = compile::compile_cpu(registry, graph);
  if (!plan) return;
  auto executor = exec::cpu::Executor::create(std::make_shared<plan::Plan>(**plan), kernels, pool);
  if (!executor) return;
  const auto result = (*executor)->run(feeds);
  EXPECT_TRUE(result.ok() || !result.error().message.empty());
}

// Seconds in which a kernel must give up or be done; a giant but lawful Tile takes longest. Of this
// process's processors, so that a busy machine is no failure. WebAssembly has no such clock, and
// takes several times as long.
#ifdef __wasm__
constexpr double kSlowest = 60;
double seconds_spent() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
#else
// AddressSanitizer makes loops over elements ten times as long.
constexpr double kSlowest = SLUICE_ADDRESS_SANITIZER ? 100 : 10;
double seconds_spent() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}
#endif

class HostileOperands : public testing::TestWithParam<ops::CaseTable> {};

TEST_P(HostileOperands, GiveAnAnswerOrAnError) {
  // A kernel that asks for absurd memory has to be told no, not to be killed.
#ifndef __wasm__
  rlimit limit{};
  getrlimit(RLIMIT_AS, &limit);
#endif
// Under the sanitizer the address space is nearly all reserved: no limit can be set on it.
#if !SLUICE_ADDRESS_SANITIZER && !defined(__wasm__)
  rlimit low = limit;
  low.rlim_cur = rlim_t{6} << 30;
  setrlimit(RLIMIT_AS, &low);
#endif
  const op::Registry& registry = ops::registry();
  uint64_t seed = 1;
  int answers = 0, errors = 0;
  double slowest = 0;
  for (const op::Case& original : GetParam().cases()) {
    int64_t size = 0;
    for (const Value& value : original.inputs) {
      if (value.is_tensor()) size += value.tensor().elements();
    }
    if (original.bench || size > 20000) continue;
    for (int round = 0; round < 8; ++round) {
      Dice dice(++seed);
      op::Case c = original;
      const int spoils = 1 + dice.below(2);
      for (int k = 0; k < spoils; ++k) {
        const auto at = c.inputs.empty()
                            ? 0
                            : static_cast<size_t>(dice.below(static_cast<int>(c.inputs.size())));
        const int what = dice.below(6);
        if (what == 0 && !c.inputs.empty()) {
          c.inputs[at] = Value();
        } else if (what == 1) {
          spoil_attribute(c.attrs, dice);
        } else if (what == 2 && !c.inputs.empty()) {
          c.inputs[at] = dice.below(2) == 0 ? Value::sequence({}) : Value::empty_optional();
        } else if (!c.inputs.empty() && c.inputs[at].is_tensor()) {
          c.inputs[at] = spoil_tensor(c.inputs[at].tensor(), dice);
        }
      }
      SCOPED_TRACE(cat(c.op, " ", c.name, " round ", round));
      const double start = seconds_spent();
      // Types known: inference sees what the kernel will. Types hidden: it sees nothing.
      for (const bool hidden : {false, true}) {
        ir::Graph graph;
        std::vector<ir::ValueId> ids;
        for (const Value& value : c.inputs) {
          if (!value.present()) {
            ids.push_back(ir::kNoValue);
            continue;
          }
          Type type;
          if (value.is_tensor() && !hidden) {
            type = Type::tensor(value.tensor().dtype(), to_dims(value.tensor().shape()));
          }
          ids.push_back(!hidden && value.is_tensor() && dice.below(2) == 0
                            ? graph.add_constant("", value.tensor())
                            : graph.add_input("", std::move(type)));
        }
        const ir::NodeId node = graph.add_node(c.op, ids, c.output_count, c.attrs, c.domain);
        graph.outputs() = graph.node(node).outputs;
        const auto inferred = op::infer_graph(registry, graph);
        if (!inferred) {
          ++errors;
          if (!hidden) continue;
        }
        const auto result = op::run_node(registry, graph, graph.node(node), c.inputs,
                                         [](ir::ValueId) { return Value(); });
        ++(result ? answers : errors);
      }
      run_compiled(c);
      const double took = seconds_spent() - start;
      slowest = std::max(slowest, took);
      EXPECT_LT(took, kSlowest);
    }
  }
#ifndef __wasm__
  setrlimit(RLIMIT_AS, &limit);
#endif
  RecordProperty("answers", answers);
  RecordProperty("errors", errors);
  RecordProperty("slowest_ms", static_cast<int>(slowest * 1e3));
}

INSTANTIATE_TEST_SUITE_P(Ops, HostileOperands,
                         testing::ValuesIn(ops::case_tables().begin(), ops::case_tables().end()),
                         [](const auto& table) { return std::string(table.param.family); });

}  // namespace
}  // namespace sluice
