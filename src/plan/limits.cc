#include "plan/limits.h"

#include "base/text.h"

namespace sluice::plan {

Result<void> check_at_least(const Limits& offered, const Limits& needed, const std::string& who) {
  struct Row {
    const char* name;
    uint64_t offered, needed;
  };
  const Row rows[] = {
      {"maxStorageBuffersPerShaderStage", offered.max_storage_buffers_per_stage,
       needed.max_storage_buffers_per_stage},
      {"maxStorageBufferBindingSize", offered.max_storage_binding_bytes,
       needed.max_storage_binding_bytes},
      {"maxUniformBufferBindingSize", offered.max_uniform_binding_bytes,
       needed.max_uniform_binding_bytes},
      {"maxBufferSize", offered.max_buffer_bytes, needed.max_buffer_bytes},
      {"maxComputeWorkgroupsPerDimension", offered.max_workgroups_per_dimension,
       needed.max_workgroups_per_dimension},
      {"maxComputeInvocationsPerWorkgroup", offered.max_invocations_per_workgroup,
       needed.max_invocations_per_workgroup},
      {"maxComputeWorkgroupSizeX", offered.max_workgroup_size_x, needed.max_workgroup_size_x},
      {"maxComputeWorkgroupSizeY", offered.max_workgroup_size_y, needed.max_workgroup_size_y},
      {"maxComputeWorkgroupSizeZ", offered.max_workgroup_size_z, needed.max_workgroup_size_z},
      {"maxComputeWorkgroupStorageSize", offered.max_workgroup_storage_bytes,
       needed.max_workgroup_storage_bytes},
  };
  for (const Row& row : rows) {
    if (row.offered < row.needed) {
      return Error{
          ErrorCode::kDevice,
          cat(who, " offers ", row.name, " ", row.offered, " (", row.needed, " is needed)"),
          {}};
    }
  }
  // Alignments are the other way round: smaller is better.
  const Row alignments[] = {
      {"minStorageBufferOffsetAlignment", offered.min_storage_offset_alignment,
       needed.min_storage_offset_alignment},
      {"minUniformBufferOffsetAlignment", offered.min_uniform_offset_alignment,
       needed.min_uniform_offset_alignment},
  };
  for (const Row& row : alignments) {
    if (row.offered > row.needed) {
      return Error{
          ErrorCode::kDevice,
          cat(who, " demands ", row.name, " ", row.offered, " (", row.needed, " is needed)"),
          {}};
    }
  }
  return {};
}

std::string to_text(const Limits& limits) {
  const auto mib = [](uint64_t bytes) {
    return bytes % (1 << 20) == 0 ? cat(bytes >> 20, " MiB") : cat(bytes, " bytes");
  };
  return cat("storage buffers/stage ", limits.max_storage_buffers_per_stage, ", binding ",
             mib(limits.max_storage_binding_bytes), ", buffer ", mib(limits.max_buffer_bytes),
             ", workgroups/dimension ", limits.max_workgroups_per_dimension,
             ", invocations/workgroup ", limits.max_invocations_per_workgroup,
             ", workgroup storage ", limits.max_workgroup_storage_bytes, " bytes");
}

}  // namespace sluice::plan
