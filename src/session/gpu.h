// Gpu: the WebGPU side of a session: a device of this process that the gate let through, and the
// programs compiled for it (programs.h). Errors of code kDevice mean that the device is no longer
// to be trusted: the session finishes the job on the CPU. Private to the session.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "exec/webgpu/device.h"
#include "ir/graph.h"
#include "plan/device_layout.h"
#include "session/binding.h"
#include "session/programs.h"
#include "session/session.h"

namespace sluice::session {

class Gpu {
 public:
  // `graph` as imported; it is kept, since later compilations start from it. Fills in the binding's
  // adapter, gate findings, plan figures and islands.
  static Result<std::unique_ptr<Gpu>> create(std::shared_ptr<const ir::Graph> graph,
                                             const Options& options, Binding& binding);
  ~Gpu();

  // `inputs` in the order of the graph's inputs, results in that of its outputs.
  Result<std::vector<Value>> run(std::span<const Value> inputs, const Observer& observer,
                                 Binding& binding);

  // Of the latest compilation.
  const plan::Plan* plan() const;
  const plan::DeviceLayout* layout() const;
  const std::vector<std::string>& pass_log() const;
  exec::webgpu::Device& device();

 private:
  struct State;
  explicit Gpu(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The process's device for these options: sessions share one while it is usable. Error (device): a
// device of this process failed less than options.retry_interval_seconds ago.
Result<std::shared_ptr<exec::webgpu::Device>> acquire_device(const Options& options);

// A device failed, whichever session had it: they share one driver, and drivers take repeated
// crashes amiss. Sessions of several threads may tell so at once.
void note_device_failure();
void forget_device_failures();  // for tests, which lose devices on purpose
// Error (device): that, or `own`, was less than `interval_seconds` ago.
Result<void> may_take_device(double interval_seconds,
                             std::optional<std::chrono::steady_clock::time_point> own = {});

}  // namespace sluice::session
