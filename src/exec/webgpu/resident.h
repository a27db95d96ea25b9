// Resident: a plan's memory on a device for given symbol values: buffers, uploaded weights, the
// uniform block of all dispatches, bind groups, grids. Preparing again for other values keeps every
// buffer and every bind group that is large enough.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "exec/webgpu/driver.h"
#include "exec/webgpu/executor.h"
#include "exec/webgpu/pipelines.h"
#include "plan/device_layout.h"

namespace sluice::exec::webgpu {

struct BoundDispatch {
  const CompiledPipeline* pipeline = nullptr;
  plan::Grid grid;  // all zero: nothing to do for these sizes
  std::vector<plan::ResolvedBinding> bound;
  Handle<WGPUBindGroup> group;
  uint64_t uniform_offset = 0;
  uint64_t bytes = 0;  // bound in all: an estimate of what it moves
};

// Where the elements of a slot lie.
struct Place {
  WGPUBuffer buffer = nullptr;
  uint64_t offset_bytes = 0;
};

class Resident {
 public:
  Resident(const plan::Plan& plan, Driver& driver,
           std::vector<std::shared_ptr<CompiledPipeline>> pipelines)
      : plan_(plan), driver_(driver), pipelines_(std::move(pipelines)) {}

  // Everything for these symbols. Counts into `load` always and into `run` if it is given.
  Result<void> prepare(const Dim::Environment& symbols, FaultInjector* faults, LoadRecord& load,
                       RunRecord* run);
  bool prepared_for(const Dim::Environment& symbols) const {
    return prepared_ && symbols == symbols_;
  }
  bool prepared() const { return prepared_; }

  const plan::DeviceLayout& layout() const { return layout_; }
  std::span<const BoundDispatch> dispatches(size_t step) const {
    return std::span(dispatches_).subspan(first_[step], first_[step + 1] - first_[step]);
  }
  size_t dispatch_count() const { return dispatches_.size(); }
  bool on_device(plan::SlotId id) const {
    return plan_.slot(id).format != plan::DeviceFormat::kNone &&
           layout_.buffer[static_cast<size_t>(id)] >= 0;
  }
  Result<Place> place(plan::SlotId id) const;
  Result<Shape> shape(plan::SlotId id) const;
  // Writes a tensor of the slot's type; returns the bytes moved.
  Result<uint64_t> upload(plan::SlotId id, const Tensor& tensor) const;
  // Fills every buffer that holds no weights, with the word or with random ones that it begins.
  void fill(uint32_t word, bool random) const;

 private:
  Result<void> make_everything(FaultInjector* faults, LoadRecord& load, RunRecord* run);
  Result<bool> make_buffers(LoadRecord& load, RunRecord* run);
  Result<void> upload_constants(LoadRecord& load);
  Result<void> write_uniforms();
  Result<void> bind(bool buffers_moved, LoadRecord& load, RunRecord* run);

  const plan::Plan& plan_;
  Driver& driver_;
  std::vector<std::shared_ptr<CompiledPipeline>> pipelines_;  // by Plan::pipelines
  bool prepared_ = false;
  Dim::Environment symbols_;
  plan::DeviceLayout layout_;
  struct Buffer {
    Handle<WGPUBuffer> handle;
    uint64_t size_bytes = 0;
    bool weights = false;
    bool fresh = false;  // made by the current prepare()
  };
  std::vector<Buffer> buffers_;
  Handle<WGPUBuffer> uniforms_;
  std::vector<uint32_t> uniform_words_;
  std::vector<BoundDispatch> dispatches_;  // of all steps, in order
  std::vector<size_t> first_;              // by step; one more at the end
};

}  // namespace sluice::exec::webgpu
