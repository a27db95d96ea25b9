// Cpu: the CPU side of a session: an imported graph optimised, compiled, its weights packed, and
// runs of it. The same for a session that was bound to the CPU from the start and for one that
// finishes on it what a device began: given the same inputs, both give the same bits.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "ir/graph.h"
#include "plan/plan.h"
#include "session/binding.h"
#include "session/session.h"
#include "tensor/value.h"

namespace sluice::session {

class Cpu {
 public:
  // `graph` as imported. It keeps only what is small: the executor holds what it needs of weights.
  // `lends_results`: a run's results lie in memory that the next run writes.
  static Result<std::unique_ptr<Cpu>> create(std::unique_ptr<ir::Graph> graph,
                                             const Options& options, bool lends_results = false);
  ~Cpu();

  // `inputs` in the order of the graph's inputs, results in that of its outputs.
  Result<std::vector<Value>> run(std::span<const Value> inputs, const Observer& observer = {});
  Result<void> run_into(std::span<const Value> inputs, std::vector<Value>& outputs,
                        const Observer& observer = {});

  // Writes what this side is into the record: bound, threads, instruction set, precision, times.
  void describe(Binding& binding) const;

  const ir::Graph& graph() const;
  const std::vector<std::string>& pass_log() const;
  const plan::Plan& plan() const;
  const plan::MemoryLayout* layout() const;  // of the latest run; null before the first
  uint64_t prepared_bytes() const;

 private:
  struct State;
  explicit Cpu(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Types as their inputs declare them: values of the symbols. Error (usage, invalid_model): an input
// that is absent or does not fit.
Result<Dim::Environment> bind_inputs(std::span<const IoInfo> declared,
                                     std::span<const Value> inputs);

}  // namespace sluice::session
