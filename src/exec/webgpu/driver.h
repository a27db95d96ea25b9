// Driver: what Device and Executor share beneath their interfaces: the raw handles of one device,
// the wait with a deadline, error scopes, fault points. Private to this room.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/function_ref.h"
#include "exec/webgpu/device.h"
#include "exec/webgpu/fault.h"
#include "exec/webgpu/library.h"

namespace sluice::exec::webgpu {

inline Error device_error(std::string message, std::string hint = {}) {
  return {ErrorCode::kDevice, std::move(message), std::move(hint)};
}

inline WGPUStringView view(std::string_view text) { return {text.data(), text.size()}; }
std::string text_of(WGPUStringView view);

using Clock = std::chrono::steady_clock;
inline double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Owns one webgpu.h object.
template <class T>
class Handle {
 public:
  using Release = void (*)(T);
  Handle() = default;
  Handle(T object, Release release) : object_(object), release_(release) {}
  Handle(Handle&& other) noexcept
      : object_(std::exchange(other.object_, nullptr)), release_(other.release_) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      reset();
      object_ = std::exchange(other.object_, nullptr);
      release_ = other.release_;
    }
    return *this;
  }
  ~Handle() { reset(); }
  void reset() {
    if (object_ != nullptr) release_(std::exchange(object_, nullptr));
  }
  T get() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  T object_ = nullptr;
  Release release_ = nullptr;
};

// What a callback leaves behind. The callback holds a reference, so it may come late or never.
template <class State>
void* hold(const std::shared_ptr<State>& state) {
  return new std::shared_ptr<State>(state);
}
// Takes the reference back: every webgpu.h callback with a future comes exactly once.
template <class State>
std::shared_ptr<State> take(void* held) {
  const std::unique_ptr<std::shared_ptr<State>> owned(static_cast<std::shared_ptr<State>*>(held));
  return *owned;
}

// Written by callbacks, from whatever thread. One per device, never freed: a late callback finds
// the record of its own device.
struct HealthRecord {
  std::mutex mutex;
  DeviceHealth health;
  int polls = 0;  // of the current wait: what comes at the first may have been done long before
};

struct PipelineCache;  // pipelines.h

struct Driver {
  const Library* library = nullptr;
  Handle<WGPUInstance> instance;
  Handle<WGPUAdapter> adapter;
  Handle<WGPUDevice> device;
  Handle<WGPUQueue> queue;
  AdapterInfo info;
  std::shared_ptr<PipelineCache> pipelines;  // of all plans on this device
  plan::Limits limits;
  plan::Features features;
  uint64_t generation = 0;
  double deadline_seconds = 10;
  FaultInjector* faults = nullptr;
  HealthRecord* record = nullptr;  // null before there is a device
  bool frozen = false;             // a fault: callbacks are not let through
  bool wrong_numbers = false;      // a fault: results are to be falsified from now on
  // A wait passed its deadline: what belongs to the device is kept for ever, since releasing it
  // would wait for the same work that never ends.
  bool stuck = false;
  // Measured over estimated time of submits, learned by all plans on this device; 0: nothing yet.
  double submit_scale = 0;

  // Lets callbacks run until `done`. Errors (device): the deadline passes, or the device is lost.
  // `extra_seconds` is time that the work itself may rightly take.
  Result<void> await(FunctionRef<bool()> done, std::string_view what, double extra_seconds = 0);
  void process_events() const;
  DeviceHealth health() const;
  // The error when the device is lost.
  Result<void> check_alive(std::string_view what) const;

  // Suffers the fault planned for this stage, if any. Those that act on a live device (loss,
  // injected errors) show up at the next error scope or wait, those about what an adapter says are
  // handed back at their own stage, and everything else is an error at once.
  Result<std::optional<FaultKind>> fault_point(Stage stage, FaultInjector* injector);

  Result<Handle<WGPUBuffer>> create_buffer(uint64_t size_bytes, WGPUBufferUsage usage,
                                           std::string_view label) const;
  void write_buffer(WGPUBuffer buffer, uint64_t offset_bytes, const void* bytes,
                    size_t size_bytes) const;
};

// Catches validation, out-of-memory and internal errors of the calls made while it is open.
class ErrorScopes {
 public:
  explicit ErrorScopes(Driver& driver);
  ~ErrorScopes();
  ErrorScopes(const ErrorScopes&) = delete;
  ErrorScopes& operator=(const ErrorScopes&) = delete;
  // Closes the scopes and waits for their verdict.
  Result<void> finish(std::string_view what);

 private:
  struct Verdict;
  std::shared_ptr<Verdict> pop();
  Driver& driver_;
  bool open_ = true;
};

}  // namespace sluice::exec::webgpu
