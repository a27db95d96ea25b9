#include "exec/webgpu/recorder.h"

#include <algorithm>

#include "base/text.h"

namespace sluice::exec::webgpu {

namespace {
constexpr size_t kMostUnderWay = 2;
constexpr int kMostDispatches = 1000;
constexpr double kDispatchSeconds = 5e-6;
}  // namespace

struct Recorder::Done {
  bool done = false;
  bool seen_live = false;  // `at` is when it was done, not only when somebody looked
  Clock::time_point at;
};

Recorder::Recorder(Driver& driver, double budget_seconds)
    : driver_(driver),
      budget_seconds_(budget_seconds),
      // A slow adapter of its kind; the first submits show what this one does.
      flops_per_second_(driver.info.software ? 1e9 : 2e11),
      bytes_per_second_(driver.info.software ? 2e9 : 2e10),
      last_done_(Clock::now()) {}

Recorder::~Recorder() { drop(); }

WGPUCommandEncoder Recorder::encoder() {
  if (!encoder_) {
    encoder_ = {driver_.library->DeviceCreateCommandEncoder(driver_.device.get(), nullptr),
                driver_.library->CommandEncoderRelease};
  }
  return encoder_.get();
}

WGPUComputePassEncoder Recorder::pass() {
  if (!pass_) {
    pass_ = {driver_.library->CommandEncoderBeginComputePass(encoder(), nullptr),
             driver_.library->ComputePassEncoderRelease};
  }
  return pass_.get();
}

Result<void> Recorder::begin_timed_pass(WGPUQuerySet queries, uint32_t index) {
  end_pass();
  if (recorded_seconds_ * scale() > budget() / 2) SLUICE_TRY(submit());
  WGPUPassTimestampWrites times = WGPU_PASS_TIMESTAMP_WRITES_INIT;
  times.querySet = queries;
  times.beginningOfPassWriteIndex = index;
  times.endOfPassWriteIndex = index + 1;
  WGPUComputePassDescriptor descriptor = WGPU_COMPUTE_PASS_DESCRIPTOR_INIT;
  descriptor.timestampWrites = &times;
  pass_ = {driver_.library->CommandEncoderBeginComputePass(encoder(), &descriptor),
           driver_.library->ComputePassEncoderRelease};
  timed_ = true;
  return {};
}

void Recorder::end_pass() {
  timed_ = false;
  if (!pass_) return;
  driver_.library->ComputePassEncoderEnd(pass_.get());
  pass_.reset();
}

Result<void> Recorder::dispatch(const BoundDispatch& dispatch, double flops) {
  if (dispatch.grid.x == 0) return {};
  const Library& library = *driver_.library;
  const double seconds = flops / flops_per_second_ +
                         static_cast<double>(dispatch.bytes) / bytes_per_second_ + kDispatchSeconds;
  const bool full =
      (recorded_seconds_ + seconds) * scale() > budget() || recorded_dispatches_ >= kMostDispatches;
  if (recorded_dispatches_ > 0 && full && !timed_) SLUICE_TRY(submit());
  WGPUComputePassEncoder into = pass();
  library.ComputePassEncoderSetPipeline(into, dispatch.pipeline->pipeline.get());
  library.ComputePassEncoderSetBindGroup(into, 0, dispatch.group.get(), 0, nullptr);
  library.ComputePassEncoderDispatchWorkgroups(into, dispatch.grid.x, dispatch.grid.y,
                                               dispatch.grid.z);
  recorded_seconds_ += seconds;
  ++recorded_dispatches_;
  if (run_ != nullptr) ++run_->dispatches;
  return {};
}

void Recorder::dispatch_one(WGPUComputePipeline pipeline, WGPUBindGroup group) {
  const Library& library = *driver_.library;
  WGPUComputePassEncoder into = pass();
  library.ComputePassEncoderSetPipeline(into, pipeline);
  library.ComputePassEncoderSetBindGroup(into, 0, group, 0, nullptr);
  library.ComputePassEncoderDispatchWorkgroups(into, 1, 1, 1);
}

void Recorder::copy(WGPUBuffer from, uint64_t from_offset, WGPUBuffer to, uint64_t to_offset,
                    uint64_t size_bytes) {
  end_pass();
  driver_.library->CommandEncoderCopyBufferToBuffer(encoder(), from, from_offset, to, to_offset,
                                                    size_bytes);
  recorded_seconds_ += static_cast<double>(size_bytes) / bytes_per_second_;
}

void Recorder::resolve(WGPUQuerySet queries, uint32_t count, WGPUBuffer into) {
  end_pass();
  driver_.library->CommandEncoderResolveQuerySet(encoder(), queries, 0, count, into, 0);
}

Result<void> Recorder::submit() {
  if (!encoder_) return {};
  const Library& library = *driver_.library;
  end_pass();
  Handle<WGPUCommandBuffer> commands(library.CommandEncoderFinish(encoder_.get(), nullptr),
                                     library.CommandBufferRelease);
  encoder_.reset();
  const double raw_seconds = recorded_seconds_;
  recorded_seconds_ = 0;
  recorded_dispatches_ = 0;
  SLUICE_TRY(driver_.fault_point(Stage::kSubmit, faults_));
  WGPUCommandBuffer handed = commands.get();
  if (handed == nullptr) return device_error("The device makes no command buffer");
  library.QueueSubmit(driver_.queue.get(), 1, &handed);
  if (run_ != nullptr) ++run_->submits;
  Submitted submitted{std::make_shared<Done>(), raw_seconds, Clock::now()};
  WGPUQueueWorkDoneCallbackInfo callback = WGPU_QUEUE_WORK_DONE_CALLBACK_INFO_INIT;
  callback.mode = WGPUCallbackMode_AllowProcessEvents;
  callback.userdata1 = hold(submitted.done);
  callback.userdata2 = driver_.record;
  callback.callback = [](WGPUQueueWorkDoneStatus, WGPUStringView, void* held, void* record) {
    const auto state = take<Done>(held);
    state->done = true;
    state->seen_live = static_cast<const HealthRecord*>(record)->polls > 1;
    state->at = Clock::now();
  };
  library.QueueOnSubmittedWorkDone(driver_.queue.get(), callback);
  under_way_.push_back(std::move(submitted));
  while (under_way_.size() > kMostUnderWay) SLUICE_TRY(wait_for_oldest());
  return {};
}

Result<void> Recorder::wait_for_oldest() {
  const Submitted oldest = under_way_.front();
  SLUICE_TRY(driver_.await([&] { return oldest.done->done; }, "submitted work", time_allowance()));
  under_way_.pop_front();
  // An upper bound where nobody looked in time, and where it is less than waiting can tell.
  const double seconds =
      std::chrono::duration<double>(oldest.done->at - std::max(last_done_, oldest.at)).count();
  constexpr double kLeast = 1e-3;
  if (oldest.raw_seconds >= kLeast) {
    const double ratio = std::clamp(std::max(seconds, kLeast) / oldest.raw_seconds, 1e-3, 1e3);
    double& known = driver_.submit_scale;
    if (known == 0) known = ratio;
    if (ratio < known) known += (ratio - known) * 0.3;
    if (ratio > known && oldest.done->seen_live) known += (ratio - known) * 0.8;
  }
  if (oldest.done->seen_live && run_ != nullptr) {
    run_->longest_submit_seconds = std::max(run_->longest_submit_seconds, seconds);
    run_->submit_seconds.push_back(static_cast<float>(seconds));
  }
  last_done_ = oldest.done->at;
  return {};
}

Result<void> Recorder::finish() {
  SLUICE_TRY(submit());
  while (!under_way_.empty()) SLUICE_TRY(wait_for_oldest());
  return {};
}

double Recorder::time_allowance() const {
  double seconds = 0;
  for (const Submitted& one : under_way_) seconds += one.raw_seconds;
  return 20 * seconds * std::max(scale(), 1.0);
}

void Recorder::drop() {
  end_pass();
  encoder_.reset();
  under_way_.clear();
  recorded_seconds_ = 0;
  recorded_dispatches_ = 0;
}

}  // namespace sluice::exec::webgpu
