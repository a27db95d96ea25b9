// Limits: what a device guarantees a Plan. The defaults are those that the WebGPU specification
// (section "Limits") guarantees on every adapter; a Plan compiled for them runs everywhere.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace sluice::plan {

struct Limits {
  uint32_t max_storage_buffers_per_stage = 8;
  uint64_t max_storage_binding_bytes = 128ull << 20;
  uint64_t max_uniform_binding_bytes = 64ull << 10;
  uint64_t max_buffer_bytes = 256ull << 20;
  uint32_t max_workgroups_per_dimension = 65535;
  uint32_t max_invocations_per_workgroup = 256;
  uint32_t max_workgroup_size_x = 256;
  uint32_t max_workgroup_size_y = 256;
  uint32_t max_workgroup_size_z = 64;
  uint32_t max_workgroup_storage_bytes = 16384;
  uint32_t min_storage_offset_alignment = 256;
  uint32_t min_uniform_offset_alignment = 256;

  friend bool operator==(const Limits&, const Limits&) = default;
};

// Optional features of a device that a Plan may use.
struct Features {
  bool f16 = false;              // shader-f16
  bool subgroups = false;        // subgroups
  bool packed_dot = false;       // language feature packed_4x8_integer_dot_product
  bool timestamp_query = false;  // per-stage times

  friend bool operator==(const Features&, const Features&) = default;
};

// What `plan` needs must fit in what a device offers: an error names the first limit that does not,
// with the value needed and the value offered.
Result<void> check_at_least(const Limits& offered, const Limits& needed, const std::string& who);

// "storage buffers/stage 8, binding 128 MiB, buffer 256 MiB, ..."
std::string to_text(const Limits& limits);

}  // namespace sluice::plan
