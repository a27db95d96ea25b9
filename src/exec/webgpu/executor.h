// Executor: runs a webgpu Plan on a Device. Pipelines, buffers, uniform words and bind groups are
// made at load (for a plan with symbols: at its first run); a run uploads inputs, issues dispatches
// in submits short enough that no driver watchdog bites, runs islands through a callback, and reads
// the outputs back with one map. Values returned were really computed: every run ends with a
// sentinel that the device itself writes. Not thread-safe. Must not know operators, sessions or the
// CPU's kernels.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "exec/webgpu/device.h"
#include "plan/device_layout.h"
#include "plan/plan.h"
#include "plan/poison.h"
#include "tensor/value.h"

namespace sluice::exec::webgpu {

using plan::kPoison;

struct ExecutorOptions {
  bool sentinel = true;
  // For tests: every buffer but weights is filled with this word before each run, so that a kernel
  // that reads what nobody wrote gives another result with another word.
  std::optional<uint32_t> fill_word;
  bool fill_random = false;         // random words instead, from that one as their seed
  double submit_budget_ms = 200;    // estimated device time of one submit
  bool timestamps = false;          // time steps on the device, where it can (Observer::time)
  FaultInjector* faults = nullptr;  // not owned; outlives the executor
};

// Runs step `step`, an island: its inputs in the order of Step::inputs (absent ones empty), its
// outputs in the order of Step::outputs.
using IslandFn = std::function<Result<std::vector<Value>>(int step, std::span<const Value> inputs)>;

struct Observer {
  // After each step, its outputs read back (absent where nobody wants one). Slow.
  std::function<void(int step, std::span<const Value> outputs)> outputs;
  // Device time of each step: by timestamp queries, or else by waiting for each step alone.
  std::function<void(int step, double seconds)> time;
};

// What is made once.
struct LoadRecord {
  int pipelines = 0;         // compiled
  int shared_pipelines = 0;  // of the plan's, served by another's
  int buffers = 0;
  int bind_groups = 0;
  uint64_t buffer_bytes = 0;
  uint64_t constant_bytes = 0;  // weights uploaded
  double compile_seconds = 0;
  double upload_seconds = 0;
};

struct RunRecord {
  int dispatches = 0;
  int submits = 0;
  int islands = 0;
  int readbacks = 0;  // maps: one for the outputs, one for each island that reads the device
  uint64_t uploaded_bytes = 0;
  uint64_t downloaded_bytes = 0;
  // Made by this run because symbols took other values: 0 in a run of known sizes.
  int new_buffers = 0;
  int new_bind_groups = 0;
  bool relaid = false;         // the symbols differ from those of the run before
  bool saw_poison = false;     // an output word that nobody wrote
  bool saw_nonfinite = false;  // a NaN or infinity in a float output
  double seconds = 0;
  double longest_submit_seconds = 0;  // as far as measured
  std::vector<float> submit_seconds;  // those measured
};

class Executor {
 public:
  // Error (device): limits or features of the plan that the device lacks, a shader that does not
  // compile, memory, loss; resource: sizes beyond the plan's limits.
  static Result<std::unique_ptr<Executor>> create(std::shared_ptr<plan::Plan> plan,
                                                  std::shared_ptr<Device> device,
                                                  ExecutorOptions options = {});
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // `inputs` in the order of Plan::inputs, outputs in that of Plan::outputs. After an error of code
  // kDevice the executor and its device are to be thrown away.
  Result<std::vector<Value>> run(std::span<const Value> inputs, const IslandFn& island,
                                 const Observer& observer = {});

  // Null before the first run of a plan with symbols.
  const plan::DeviceLayout* layout() const;
  const LoadRecord& load() const;
  const RunRecord& last_run() const;
  Device& device();

 private:
  struct State;
  explicit Executor(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace sluice::exec::webgpu
