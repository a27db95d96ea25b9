// A host as a page's JavaScript is one, but of this process: drives the device of a RemoteSession
// through the encoded programs and nothing else, on the native device. For tests.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "exec/webgpu/device.h"
#include "session/gate_facts.h"
#include "session/remote.h"

namespace sluice::gpu_tests {

// What became of the host's objects so far.
struct HostCounts {
  int pipelines = 0, buffers = 0, bind_groups = 0, constants = 0, dispatches = 0, readbacks = 0;
  int islands = 0;
};

class RemoteHost {
 public:
  RemoteHost(std::shared_ptr<exec::webgpu::Device> device, session::RemoteSession& session);
  ~RemoteHost();

  // The gate and the program for every run, if there is one. On an error the caller decides
  // whether to fail over.
  Result<void> load();
  // The feeds that are set, on the device; the caller fails over.
  Result<session::NamedValues> run();
  // The same with the failover that a host does: to the CPU on errors of the device.
  Result<session::NamedValues> run_or_fail_over();

  const HostCounts& counts() const;

  // Faults. Called before the dispatch with this number, from 0, of each run.
  std::function<void(int)> before_dispatch;
  // May change what was read back of a canary, of an output.
  std::function<void(size_t output, std::span<std::byte>)> tamper_canary, tamper_output;
  bool skip_dispatches = false;  // a device that pretends
  // What the adapter says of itself, and what its compiler makes of a shader: lies of a driver.
  std::function<void(session::AdapterFacts&)> claim;
  std::function<void(std::string& wgsl)> miscompile;
  bool self_test = true;  // false where the session does without, too
  void lose_device();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::gpu_tests
