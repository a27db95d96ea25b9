// Parts of a Concat that lie in their whole on the CPU: random graphs of joins, views and steps
// that write over their input give the bits of a plan in which every value has memory of its own,
// run after run, and no more memory is needed.
#include <gtest/gtest.h>

#include <random>

#include "base/text.h"
#include "compile/compile_cpu.h"
#include "compile/place_slices.h"
#include "exec/cpu/executor.h"
#include "exec/cpu/thread_pool.h"
#include "ops/test_graph.h"

namespace sluice::compile {
namespace {

using ir::ValueId;

struct Built : ops::TestGraph {
  ValueId join(std::vector<ValueId> parts) {
    return emit("Concat", std::move(parts), {{"axis", int64_t{1}}});
  }
};

int moved(const plan::Plan& plan) {
  int count = 0;
  for (const plan::Step& step : plan.steps) {
    if (step.kernel != "concat.copy") continue;
    for (const plan::SlotId part : step.inputs) {
      count += plan.root(part) == plan.root(step.outputs[0]) ? 1 : 0;
    }
  }
  return count;
}

std::vector<Value> run(const ir::Graph& graph, const CpuOptions& options,
                       std::span<const Value> feeds, uint64_t& live) {
  auto plan = compile_cpu(ops::registry(), graph, options);
  SLUICE_CHECK(plan.ok());
  auto executor =
      exec::cpu::Executor::create(*plan, cpu_kernel_table(ops::registry()),
                                  std::make_shared<exec::cpu::ThreadPool>(2), options.lend_outputs);
  SLUICE_CHECK(executor.ok());
  std::vector<Value> all;
  for (const Value& feed : feeds) {
    auto made = (*executor)->run(std::span(&feed, 1));
    SLUICE_CHECK(made.ok());
    for (Value& value : *made) {
      // What is lent is good until the next run.
      auto kept = value.tensor().clone();
      SLUICE_CHECK(kept.ok());
      all.emplace_back(options.lend_outputs ? std::move(*kept) : value.tensor());
    }
  }
  live = (*executor)->layout()->peak_live_bytes;
  return all;
}

const Dims kPlane = {Dim(1), Dim(4), Dim(4), Dim(8)};  // a channel is 128 bytes

TEST(PlaceParts, ProducersWriteIntoTheWhole) {
  Built b;
  const ValueId x = b.graph.add_input("x", Type::tensor(DType::kFloat32, kPlane));
  const ValueId one = b.emit("Sigmoid", {x}), two = b.emit("Exp", {x});
  b.graph.outputs() = {b.emit("Neg", {b.emit("Abs", {b.join({one, two})})})};
  const auto plan = compile_cpu(ops::registry(), b.graph);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(moved(**plan), 2);
}

TEST(PlaceParts, APartThatIsReadAfterTheWholeIsWrittenOverStaysApart) {
  Built b;
  const ValueId x = b.graph.add_input("x", Type::tensor(DType::kFloat32, kPlane));
  const ValueId one = b.emit("Sigmoid", {x}), two = b.emit("Exp", {x});
  const ValueId whole = b.emit("Neg", {b.join({one, two})});  // in the place of the join
  b.graph.outputs() = {b.emit("ReduceMax", {whole}), b.emit("Add", {two, x})};
  const auto plan = compile_cpu(ops::registry(), b.graph);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(moved(**plan), 1);
}

TEST(PlaceParts, RandomGraphsGiveTheSameBits) {
  int all_moved = 0;
  for (unsigned seed = 0; seed < 150; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
    Built b;
    std::vector<ValueId> values = {b.graph.add_input("x", Type::tensor(DType::kFloat32, kPlane))};
    const auto any = [&] {
      return values[values.size() - 1 - below(std::min<size_t>(values.size(), 5))];
    };
    const auto channels = [&](ValueId id) { return (*b.graph.type(id).dims)[1].value(); };
    const size_t steps = 6 + below(14);
    for (size_t i = 0; i < steps; ++i) {
      const ValueId from = any();
      switch (below(6)) {
        case 0:
        case 1: {
          std::vector<ValueId> parts = {from};
          while (parts.size() < 2 + below(2)) parts.push_back(any());
          int64_t sum = 0;
          for (const ValueId part : parts) sum += channels(part);
          if (sum <= 64) values.push_back(b.join(parts));
          break;
        }
        case 2:
          values.push_back(b.emit("Sigmoid", {from}));
          break;
        case 3:
          values.push_back(b.emit("Neg", {from}));
          break;
        case 4: {
          const ValueId shape = b.graph.add_constant(
              cat("s", i), Tensor::of<int64_t>(Shape{4}, {1, channels(from), 8, 4}));
          const ValueId back = b.graph.add_constant(
              cat("t", i), Tensor::of<int64_t>(Shape{4}, {1, channels(from), 4, 8}));
          values.push_back(b.emit("Reshape", {b.emit("Reshape", {from, shape}), back}));
          break;
        }
        default: {
          const ValueId other = any();
          if (channels(other) == channels(from)) values.push_back(b.emit("Add", {from, other}));
          break;
        }
      }
    }
    b.graph.outputs() = {b.emit("Abs", {values.back()}), b.emit("Abs", {any()})};
    // Outputs that others read, are views of, and have as parts.
    if (seed % 2 == 1) b.graph.outputs().push_back(any());
    const std::vector<Value> feeds = {Value(op::case_floats(Shape{1, 4, 4, 8}, 1)),
                                      Value(op::case_floats(Shape{1, 4, 4, 8}, 2)),
                                      Value(op::case_floats(Shape{1, 4, 4, 8}, 1))};
    uint64_t apart = 0, placed = 0, lent = 0;
    const auto want = run(b.graph, {.reuse_memory = false}, feeds, apart);
    const auto got = run(b.graph, {}, feeds, placed);
    const auto borrowed = run(b.graph, {.lend_outputs = true}, feeds, lent);
    ASSERT_EQ(want.size(), got.size());
    ASSERT_EQ(want.size(), borrowed.size());
    for (size_t i = 0; i < want.size(); ++i) {
      const auto bytes = want[i].tensor().bytes();
      ASSERT_TRUE(std::ranges::equal(bytes, got[i].tensor().bytes()))
          << "seed " << seed << ", value " << i;
      ASSERT_TRUE(std::ranges::equal(bytes, borrowed[i].tensor().bytes()))
          << "seed " << seed << ", value " << i << ", lent";
    }
    EXPECT_LE(placed, apart) << "seed " << seed;
    const auto plan = compile_cpu(ops::registry(), b.graph);
    ASSERT_TRUE(plan.ok());
    all_moved += moved(**plan);
  }
  EXPECT_GT(all_moved, 100);
}

}  // namespace
}  // namespace sluice::compile
