// Executor: walks a CPU Plan. Looks every kernel up once, packs constants once (`prepare`), sets
// the arena aside once per set of input shapes, then runs steps in order, each perhaps on several
// threads. Whatever lies in the arena stays bound to the steps that read and write it, and the
// memory of results serves again once the caller has let go of them, so that a run over shapes seen
// before allocates nothing. Knows kernels by name only; operators, graphs and files are nothing to
// it. A constant may hold float16 where its slot's type is float32: a kernel's `prepare` sees that
// as it is, and may pack it so; where none does, it is widened beforehand.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "exec/cpu/thread_pool.h"
#include "plan/kernel.h"
#include "plan/plan.h"

namespace sluice::exec::cpu {

struct Observer {
  // Sees each step's outputs when they are made. The values are valid during the call only.
  std::function<Result<void>(int step, std::span<const Value> outputs)> outputs = {};
  // Time of each step, subplans included.
  std::function<void(int step, double seconds)> time = {};
};

class Executor {
 public:
  // The plan is taken over: constants that kernels have packed for themselves are dropped from it.
  // `lends_results`: results that lie in the arena are handed out where they are, and are good
  // until the next run only.
  static Result<std::unique_ptr<Executor>> create(std::shared_ptr<plan::Plan> plan,
                                                  std::span<const plan::CpuKernel> table,
                                                  std::shared_ptr<ThreadPool> pool,
                                                  bool lends_results = false);
  ~Executor();

  // `inputs` in the order of plan.inputs, then plan.captures; results in that of plan.outputs.
  // Results own their memory, or share that of inputs and constants (or are lent).
  Result<std::vector<Value>> run(std::span<const Value> inputs, const Observer& observer = {});
  // The same into `outputs`, whose earlier contents are given up first.
  Result<void> run_into(std::span<const Value> inputs, std::vector<Value>& outputs,
                        const Observer& observer = {});

  const plan::Plan& plan() const;
  // The layout of the latest run; null before the first.
  const plan::MemoryLayout* layout() const;
  uint64_t prepared_bytes() const;

 private:
  struct State;
  static Result<void> prepare_steps(State& state);
  explicit Executor(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace sluice::exec::cpu
