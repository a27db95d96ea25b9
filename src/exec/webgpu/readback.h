// Readback: brings slots back to the host, all in one staging buffer, one submit and one map (more
// only where they exceed the largest buffer). What comes back counts only if the device itself
// wrote a number chosen for this readback (the sentinel) after all work before it: a lost or stale
// device can't pass old memory off as a result.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "exec/webgpu/driver.h"
#include "exec/webgpu/pipelines.h"
#include "exec/webgpu/recorder.h"
#include "exec/webgpu/resident.h"

namespace sluice::exec::webgpu {

// Maps the first bytes of a staging buffer, which the caller unmaps. They count: the map succeeded
// and the device is not lost. Error (device): neither, or nothing within the deadline and
// `extra_seconds`.
Result<std::span<const std::byte>> map_for_reading(Driver& driver, WGPUBuffer staging,
                                                   uint64_t size_bytes, double extra_seconds = 0);

class Readback {
 public:
  Readback(const plan::Plan& plan, Driver& driver, const Resident& resident, Recorder& recorder)
      : plan_(plan), driver_(driver), resident_(resident), recorder_(recorder) {}

  // The shader that writes the sentinel, for compile_pipelines.
  static PipelineRequest sentinel_request();
  Result<void> set_up_sentinel(std::shared_ptr<CompiledPipeline> pipeline);

  // The slots' tensors, in order. Also notes poison and numbers that are not finite in `run`.
  Result<std::vector<Tensor>> read(std::span<const plan::SlotId> slots, RunRecord& run);
  // The first `count` results of a resolved timestamp query.
  Result<std::vector<uint64_t>> read_words64(WGPUBuffer from, uint32_t count, RunRecord& run);

 private:
  struct Part {
    WGPUBuffer buffer = nullptr;
    uint64_t offset_bytes = 0, size_bytes = 0;  // size padded to whole words
    uint64_t at = 0;                            // in the staging buffer
  };
  // Copies, submits, maps and hands the mapped bytes to `use`.
  Result<void> fetch(std::vector<Part>& parts, RunRecord& run,
                     FunctionRef<Result<void>(std::span<const std::byte>)> use);

  const plan::Plan& plan_;
  Driver& driver_;
  const Resident& resident_;
  Recorder& recorder_;
  std::shared_ptr<CompiledPipeline> sentinel_;  // null: no sentinel
  Handle<WGPUBuffer> sentinel_number_, sentinel_result_;
  Handle<WGPUBindGroup> sentinel_group_;
  uint32_t count_ = 0;
  Handle<WGPUBuffer> staging_;
  uint64_t staging_bytes_ = 0;
};

}  // namespace sluice::exec::webgpu
