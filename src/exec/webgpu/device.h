// Device: one WebGPU device with its queue, from the choice of adapter to its loss. Software
// adapters (SwiftShader, llvmpipe) are refused unless asked for: running on one silently would be a
// lie about where the work is done. Every wait has a deadline; what goes wrong is an Error of code
// kDevice. Callbacks of one device touch its own record only, so a late one can't harm a later
// device.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "plan/limits.h"

namespace sluice::exec::webgpu {

class FaultInjector;
struct Driver;

struct DeviceOptions {
  bool allow_software = false;  // also take an adapter that computes on the CPU
  bool null_backend = false;    // Dawn's backend that validates and computes nothing
  plan::Limits limits;          // to ask for; values below the guaranteed ones are raised to them
  plan::Features features;      // to ask for; an error when the adapter lacks one
  double deadline_seconds = 10;
  FaultInjector* faults = nullptr;  // not owned; outlives the device
};

struct AdapterInfo {
  std::string vendor, architecture, device, description;  // "" where the driver keeps it back
  std::string backend;                                    // "Vulkan", "Null" ...
  std::string type;                                       // "discrete GPU", "CPU" ...
  bool software = false;                                  // computes on the CPU
  std::string library;                                    // path of the WebGPU implementation
  plan::Limits limits;                                    // the most that may be asked for
  plan::Features features;
};
// "NVIDIA H200 (Vulkan, discrete GPU)".
std::string to_text(const AdapterInfo& adapter);

// What a device would be made on; makes none. Error (device): no library, no adapter, a software
// one that was not allowed, or limits below those that WebGPU guarantees.
Result<AdapterInfo> probe_adapter(const DeviceOptions& options);

struct DeviceHealth {
  bool lost = false;
  std::string lost_reason;    // "unknown", "destroyed", "failed creation"
  std::string lost_message;   // the driver's words
  int uncaptured_errors = 0;  // errors outside every error scope: bugs of ours
  std::string last_uncaptured_error;
};

// Errors outside every error scope, of all devices that this process ever had. (Tests end with 0.)
int uncaptured_errors();

class Device {
 public:
  static Result<std::shared_ptr<Device>> create(const DeviceOptions& options);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const AdapterInfo& adapter() const;
  const plan::Limits& limits() const;  // granted, at least those asked for
  const plan::Features& features() const;
  // Unlike that of every other device of this process.
  uint64_t generation() const;
  // Lets pending callbacks run, then reports.
  DeviceHealth health();
  bool usable() { return !health().lost; }

  Driver& driver() { return *driver_; }  // for the executor

 private:
  Device();
  std::unique_ptr<Driver> driver_;
};

}  // namespace sluice::exec::webgpu
