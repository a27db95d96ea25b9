// Library: the functions of a webgpu.h implementation (Dawn), opened with dlopen so that the binary
// starts, and says why it has no GPU, on machines that have none. One X-macro is the whole list: a
// missing function is an error that names it. Opened once per process, never closed.
// Must not know: devices, plans. Private to this room, with driver.h: it brings in webgpu.h.
#pragma once

#include <string>

#include "base/result.h"
#include "webgpu.h"

namespace sluice::exec::webgpu {

#define SLUICE_WEBGPU_FUNCTIONS(X)        \
  X(CreateInstance)                       \
  X(InstanceRequestAdapter)               \
  X(InstanceProcessEvents)                \
  X(InstanceHasWGSLLanguageFeature)       \
  X(InstanceRelease)                      \
  X(AdapterGetInfo)                       \
  X(AdapterInfoFreeMembers)               \
  X(AdapterGetLimits)                     \
  X(AdapterHasFeature)                    \
  X(AdapterRequestDevice)                 \
  X(AdapterRelease)                       \
  X(DeviceCreateBuffer)                   \
  X(DeviceCreateShaderModule)             \
  X(DeviceCreateBindGroupLayout)          \
  X(DeviceCreatePipelineLayout)           \
  X(DeviceCreateComputePipelineAsync)     \
  X(DeviceCreateBindGroup)                \
  X(DeviceCreateCommandEncoder)           \
  X(DeviceCreateQuerySet)                 \
  X(DeviceGetQueue)                       \
  X(DeviceGetLimits)                      \
  X(DevicePushErrorScope)                 \
  X(DevicePopErrorScope)                  \
  X(DeviceDestroy)                        \
  X(DeviceRelease)                        \
  X(QueueSubmit)                          \
  X(QueueWriteBuffer)                     \
  X(QueueOnSubmittedWorkDone)             \
  X(QueueRelease)                         \
  X(BufferMapAsync)                       \
  X(BufferGetConstMappedRange)            \
  X(BufferUnmap)                          \
  X(BufferDestroy)                        \
  X(BufferRelease)                        \
  X(ShaderModuleRelease)                  \
  X(BindGroupLayoutRelease)               \
  X(PipelineLayoutRelease)                \
  X(ComputePipelineRelease)               \
  X(BindGroupRelease)                     \
  X(QuerySetRelease)                      \
  X(CommandEncoderBeginComputePass)       \
  X(CommandEncoderCopyBufferToBuffer)     \
  X(CommandEncoderResolveQuerySet)        \
  X(CommandEncoderFinish)                 \
  X(CommandEncoderRelease)                \
  X(CommandBufferRelease)                 \
  X(ComputePassEncoderSetPipeline)        \
  X(ComputePassEncoderSetBindGroup)       \
  X(ComputePassEncoderDispatchWorkgroups) \
  X(ComputePassEncoderEnd)                \
  X(ComputePassEncoderRelease)

// Null where the library lacks them: Dawn's own, for fault tests.
#define SLUICE_WEBGPU_OPTIONAL_FUNCTIONS(X) \
  X(DeviceForceLoss)                        \
  X(DeviceInjectError)

// webgpu.h is not frozen: Dawn's enumerators for features were renumbered in the summer of 2025,
// when wgpuGetInstanceCapabilities also got another name. Structs that Sluice passes are the same
// in both, but for fields at the end of WGPULimits (PaddedLimits) and of the instance's descriptor
// (Sluice passes none).
struct FeatureNumbers {
  uint32_t shader_f16 = WGPUFeatureName_ShaderF16;
  uint32_t subgroups = WGPUFeatureName_Subgroups;
  uint32_t timestamp_query = WGPUFeatureName_TimestampQuery;
};

// Room for what another version of the library writes behind its WGPULimits.
struct PaddedLimits {
  WGPULimits limits;
  uint32_t tail[32];
};

struct Library {
#define SLUICE_WEBGPU_MEMBER(name) decltype(&::wgpu##name) name = nullptr;
  SLUICE_WEBGPU_FUNCTIONS(SLUICE_WEBGPU_MEMBER)
  SLUICE_WEBGPU_OPTIONAL_FUNCTIONS(SLUICE_WEBGPU_MEMBER)
#undef SLUICE_WEBGPU_MEMBER
  std::string path;
  FeatureNumbers features;
};

// A library by its path or name. Error (device): it can't be opened, or it lacks a function, which
// is named.
Result<Library> load_library(const std::string& path);

// The process's library. Looks at $SLUICE_WEBGPU_LIBRARY, then for the npm package that tools/setup
// installs (beside the executable, then under build/ of the working directory), then asks the
// system loader for the usual names. Error (device): every place tried. Thread-safe; the first
// answer stays.
Result<const Library*> open_library();

}  // namespace sluice::exec::webgpu
