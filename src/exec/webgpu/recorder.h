// Recorder: collects dispatches and copies into command buffers and submits them in pieces whose
// estimated device time stays within a budget, with two of them under way at most: a driver's
// watchdog then never sees a long one, and the desktop stays alive. The estimate learns from what
// it measures.
#pragma once

#include <deque>
#include <memory>

#include "exec/webgpu/driver.h"
#include "exec/webgpu/executor.h"
#include "exec/webgpu/resident.h"

namespace sluice::exec::webgpu {

class Recorder {
 public:
  Recorder(Driver& driver, double budget_seconds);
  ~Recorder();

  void begin_run(RunRecord& run) { run_ = &run; }
  // A pass of its own, never cut, with timestamps written to `queries` at `index` and index + 1.
  Result<void> begin_timed_pass(WGPUQuerySet queries, uint32_t index);
  void end_pass();
  Result<void> dispatch(const BoundDispatch& dispatch, double flops);
  // A dispatch of one workgroup, whatever is recorded already.
  void dispatch_one(WGPUComputePipeline pipeline, WGPUBindGroup group);
  void copy(WGPUBuffer from, uint64_t from_offset, WGPUBuffer to, uint64_t to_offset,
            uint64_t size_bytes);
  void resolve(WGPUQuerySet queries, uint32_t count, WGPUBuffer into);

  // Hands over what is recorded; waits while more than two submits are under way.
  Result<void> submit();
  // Submits and waits until the device has done everything.
  Result<void> finish();
  // Seconds which the work under way may take, by the estimate, with room for its error.
  double time_allowance() const;
  // Forgets what is recorded but not submitted: after an error.
  void drop();
  // Suffered at the next submit.
  void set_faults(FaultInjector* faults) { faults_ = faults; }

 private:
  struct Done;
  struct Submitted {
    std::shared_ptr<Done> done;
    double raw_seconds = 0;  // estimate before scaling
    Clock::time_point at;
  };
  // Measured over estimated, and what a submit may be estimated at: little before anything has been
  // measured.
  double scale() const { return driver_.submit_scale > 0 ? driver_.submit_scale : 1; }
  double budget() const { return driver_.submit_scale > 0 ? budget_seconds_ : budget_seconds_ / 8; }
  WGPUCommandEncoder encoder();
  WGPUComputePassEncoder pass();
  Result<void> wait_for_oldest();

  Driver& driver_;
  double budget_seconds_;
  double flops_per_second_, bytes_per_second_;
  FaultInjector* faults_ = nullptr;
  RunRecord* run_ = nullptr;
  Handle<WGPUCommandEncoder> encoder_;
  Handle<WGPUComputePassEncoder> pass_;
  bool timed_ = false;
  double recorded_seconds_ = 0;  // raw estimate of what is recorded
  int recorded_dispatches_ = 0;
  std::deque<Submitted> under_way_;
  Clock::time_point last_done_;
};

}  // namespace sluice::exec::webgpu
