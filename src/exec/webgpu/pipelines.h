// Compute pipelines of a plan: shader modules and bind group layouts made under error scopes, all
// pipelines compiled at once and waited for together. Plan pipelines of equal text share one, also
// with other plans on the device.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "exec/webgpu/driver.h"
#include "plan/plan.h"

namespace sluice::exec::webgpu {

// The bind group 0 of a pipeline: binding 0 is the uniform block if there is one, binding 1 + i the
// storage buffer i.
struct Signature {
  bool uniform = false;
  std::vector<bool> writable;
  friend bool operator==(const Signature&, const Signature&) = default;
};
Signature signature_of(const plan::Dispatch& dispatch);

struct CompiledPipeline {
  Signature signature;
  Handle<WGPUBindGroupLayout> layout;
  Handle<WGPUComputePipeline> pipeline;
};

struct PipelineRequest {
  std::string label;  // for messages: "conv2d.wgsl"
  std::string_view wgsl;
  Signature signature;
};
// Pipelines compiled on a device so far, by text and signature: another plan with the same kernels
// compiles nothing. Emptied when it grows beyond all use.
struct PipelineCache {
  static constexpr size_t kMostPipelines = 2048;
  std::unordered_map<std::string, std::shared_ptr<CompiledPipeline>> compiled;
};

// In the order of the requests. Error (device): the first shader that does not compile, with the
// compiler's words, or a compiler that makes no progress within the deadline.
Result<std::vector<std::shared_ptr<CompiledPipeline>>> compile_pipelines(
    Driver& driver, std::span<const PipelineRequest> requests, FaultInjector* faults);

// Bind group 0 of a pipeline: what lies at which binding.
struct BoundBuffer {
  uint32_t binding = 0;
  WGPUBuffer buffer = nullptr;
  uint64_t offset_bytes = 0, size_bytes = 0;
};
Handle<WGPUBindGroup> make_bind_group(Driver& driver, const CompiledPipeline& pipeline,
                                      std::span<const BoundBuffer> bound, std::string_view label);

}  // namespace sluice::exec::webgpu
