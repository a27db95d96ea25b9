// DeviceLayout: which device buffer each slot of a GPU plan lies in, for given symbol values. A
// slot has a buffer to itself while it lives (WebGPU forbids binding one buffer for reading and for
// writing in one dispatch, so slots are not packed into a common arena); buffers are reused by
// slots that live later. Everything about memory is known from here before the first allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "plan/plan.h"

namespace sluice::plan {

struct DeviceLayout {
  std::vector<int32_t> buffer;       // by slot: index into buffer_bytes; -1 when not on the device
  std::vector<uint64_t> slot_bytes;  // by slot, rounded up to 16; 0 when not on the device
  std::vector<uint64_t> buffer_bytes;  // at least 16 each
  uint64_t constant_bytes = 0;         // weights
  uint64_t total_bytes = 0;            // all buffers, weights included
  uint64_t uniform_bytes = 0;          // one block for all dispatches
  uint64_t largest_buffer_bytes = 0;
  uint64_t largest_binding_bytes = 0;
  std::string largest_binding;  // whose it is: "Conv "stage1" input 0"
  uint32_t most_storage_buffers = 0;
};

// Fails (resource) when a buffer or binding exceeds plan.limits, or when an extent can't be
// evaluated, overflows or is negative. Assigns from scratch; a second call with the same plan and
// other symbols gives the same `buffer` indices when `keep` holds an earlier layout (sizes only
// grow).
Result<DeviceLayout> lay_out_device(const Plan& plan, const Dim::Environment& symbols,
                                    const DeviceLayout* keep = nullptr);

// Where dispatch `d` binds its range i: buffer, byte offset and size, for given symbols.
struct ResolvedBinding {
  int32_t buffer = -1;
  uint64_t offset_bytes = 0, size_bytes = 0;
};
Result<ResolvedBinding> resolve(const Plan& plan, const DeviceLayout& layout,
                                const BoundRange& bound, const Dim::Environment& symbols);

// A linear number of workgroups laid over three dimensions, none above `max_per_dimension`. The
// product may exceed `count`; shaders compare workgroup_index() (shader/lib/grid.wgsl) with their
// bounds. All zero when count is 0.
struct Grid {
  uint32_t x = 0, y = 0, z = 0;
};
Result<Grid> fold_grid(uint64_t count, uint32_t max_per_dimension);

// The words of one dispatch's uniform block, evaluated.
Result<std::vector<uint32_t>> evaluate_words(const Dispatch& dispatch,
                                             const Dim::Environment& symbols);

// Element conversion between a tensor of the model and device memory of `format` (see
// DeviceFormat). to_device refuses values that a narrower form can't hold exactly (none today:
// every pair is exact except float64 and 16-bit floats rounding on the way back).
Result<std::vector<std::byte>> to_device(const Tensor& tensor, DeviceFormat format);
Result<Tensor> from_device(std::span<const std::byte> bytes, DeviceFormat format, DType dtype,
                           const Shape& shape);

}  // namespace sluice::plan
