#include "exec/webgpu/device.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

#include "base/text.h"
#include "exec/webgpu/driver.h"

namespace sluice::exec::webgpu {

namespace {

std::atomic<int> uncaptured = 0;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string_view backend_name(WGPUBackendType type) {
  switch (type) {
    case WGPUBackendType_Null:
      return "Null";
    case WGPUBackendType_D3D11:
      return "D3D11";
    case WGPUBackendType_D3D12:
      return "D3D12";
    case WGPUBackendType_Metal:
      return "Metal";
    case WGPUBackendType_Vulkan:
      return "Vulkan";
    case WGPUBackendType_OpenGL:
      return "OpenGL";
    case WGPUBackendType_OpenGLES:
      return "OpenGL ES";
    default:
      return "unknown backend";
  }
}

std::string_view type_name(WGPUAdapterType type) {
  switch (type) {
    case WGPUAdapterType_DiscreteGPU:
      return "discrete GPU";
    case WGPUAdapterType_IntegratedGPU:
      return "integrated GPU";
    case WGPUAdapterType_CPU:
      return "CPU";
    default:
      return "unknown type";
  }
}

// Drivers do not all admit to being software, so their names count too.
bool is_software(const AdapterInfo& info, WGPUAdapterType type) {
  if (type == WGPUAdapterType_CPU) return true;
  const std::string names =
      lower(cat(info.vendor, " ", info.architecture, " ", info.device, " ", info.description));
  return std::ranges::any_of(
      std::array{"swiftshader", "llvmpipe", "lavapipe", "softpipe", "software rasterizer",
                 "basic render"},
      [&](const char* name) { return names.find(name) != std::string::npos; });
}

plan::Limits from_webgpu(const WGPULimits& limits) {
  plan::Limits out;
  out.max_storage_buffers_per_stage = limits.maxStorageBuffersPerShaderStage;
  out.max_storage_binding_bytes = limits.maxStorageBufferBindingSize;
  out.max_uniform_binding_bytes = limits.maxUniformBufferBindingSize;
  out.max_buffer_bytes = limits.maxBufferSize;
  out.max_workgroups_per_dimension = limits.maxComputeWorkgroupsPerDimension;
  out.max_invocations_per_workgroup = limits.maxComputeInvocationsPerWorkgroup;
  out.max_workgroup_size_x = limits.maxComputeWorkgroupSizeX;
  out.max_workgroup_size_y = limits.maxComputeWorkgroupSizeY;
  out.max_workgroup_size_z = limits.maxComputeWorkgroupSizeZ;
  out.max_workgroup_storage_bytes = limits.maxComputeWorkgroupStorageSize;
  out.min_storage_offset_alignment = limits.minStorageBufferOffsetAlignment;
  out.min_uniform_offset_alignment = limits.minUniformBufferOffsetAlignment;
  return out;
}

// All limits undefined (every byte 0xff is webgpu.h's "undefined" for both widths), so that
// WebGPU's defaults hold, but for those that a Plan knows.
PaddedLimits to_webgpu(const plan::Limits& limits) {
  PaddedLimits out;
  std::memset(static_cast<void*>(&out), 0xff, sizeof out);
  out.limits.nextInChain = nullptr;
  out.limits.maxStorageBuffersPerShaderStage = limits.max_storage_buffers_per_stage;
  out.limits.maxStorageBufferBindingSize = limits.max_storage_binding_bytes;
  out.limits.maxUniformBufferBindingSize = limits.max_uniform_binding_bytes;
  out.limits.maxBufferSize = limits.max_buffer_bytes;
  out.limits.maxComputeWorkgroupsPerDimension = limits.max_workgroups_per_dimension;
  out.limits.maxComputeInvocationsPerWorkgroup = limits.max_invocations_per_workgroup;
  out.limits.maxComputeWorkgroupSizeX = limits.max_workgroup_size_x;
  out.limits.maxComputeWorkgroupSizeY = limits.max_workgroup_size_y;
  out.limits.maxComputeWorkgroupSizeZ = limits.max_workgroup_size_z;
  out.limits.maxComputeWorkgroupStorageSize = limits.max_workgroup_storage_bytes;
  return out;
}

plan::Limits at_least_guaranteed(plan::Limits wanted) {
  const plan::Limits least;
  const auto raise = [](auto& value, auto floor) { value = std::max(value, floor); };
  raise(wanted.max_storage_buffers_per_stage, least.max_storage_buffers_per_stage);
  raise(wanted.max_storage_binding_bytes, least.max_storage_binding_bytes);
  raise(wanted.max_uniform_binding_bytes, least.max_uniform_binding_bytes);
  raise(wanted.max_buffer_bytes, least.max_buffer_bytes);
  raise(wanted.max_workgroups_per_dimension, least.max_workgroups_per_dimension);
  raise(wanted.max_invocations_per_workgroup, least.max_invocations_per_workgroup);
  raise(wanted.max_workgroup_size_x, least.max_workgroup_size_x);
  raise(wanted.max_workgroup_size_y, least.max_workgroup_size_y);
  raise(wanted.max_workgroup_size_z, least.max_workgroup_size_z);
  raise(wanted.max_workgroup_storage_bytes, least.max_workgroup_storage_bytes);
  wanted.min_storage_offset_alignment = least.min_storage_offset_alignment;
  wanted.min_uniform_offset_alignment = least.min_uniform_offset_alignment;
  return wanted;
}

std::string_view lost_reason(WGPUDeviceLostReason reason) {
  switch (reason) {
    case WGPUDeviceLostReason_Destroyed:
      return "destroyed";
    case WGPUDeviceLostReason_CallbackCancelled:
      return "instance released";
    case WGPUDeviceLostReason_FailedCreation:
      return "failed creation";
    default:
      return "unknown";
  }
}

std::string_view error_type(WGPUErrorType type) {
  switch (type) {
    case WGPUErrorType_Validation:
      return "validation error";
    case WGPUErrorType_OutOfMemory:
      return "out of memory";
    case WGPUErrorType_Internal:
      return "internal error";
    default:
      return "unknown error";
  }
}

// First line of a driver's message, safe to print.
std::string one_line(std::string_view message) {
  std::string out;
  for (const char c : message.substr(0, 600)) {
    if (c == '\n' || c == '\r' || c == '\t') {
      if (!out.empty() && out.back() != ' ') out += ' ';
    } else if (static_cast<unsigned char>(c) >= 0x20) {
      out += c;
    }
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

// Kept until the process ends: see HealthRecord.
HealthRecord* new_health_record() {
  static std::mutex mutex;
  static auto& records = *new std::deque<HealthRecord>;
  const std::lock_guard lock(mutex);
  return &records.emplace_back();
}

// What requestAdapter and requestDevice answer with. Owns the object until someone takes it, so
// that one that comes after the deadline is released.
template <class T>
struct Answer {
  bool done = false;
  bool ok = false;
  std::string message;
  Handle<T> object;
  typename Handle<T>::Release release = nullptr;
};

Result<Handle<WGPUAdapter>> request_adapter(Driver& driver, WGPUBackendType backend,
                                            bool fallback) {
  const auto answer = std::make_shared<Answer<WGPUAdapter>>();
  answer->release = driver.library->AdapterRelease;
  WGPURequestAdapterOptions options = WGPU_REQUEST_ADAPTER_OPTIONS_INIT;
  options.featureLevel = WGPUFeatureLevel_Core;
  options.powerPreference = WGPUPowerPreference_HighPerformance;
  options.forceFallbackAdapter = fallback ? 1u : 0u;
  options.backendType = backend;
  WGPURequestAdapterCallbackInfo callback = WGPU_REQUEST_ADAPTER_CALLBACK_INFO_INIT;
  callback.mode = WGPUCallbackMode_AllowProcessEvents;
  callback.userdata1 = hold(answer);
  callback.callback = [](WGPURequestAdapterStatus status, WGPUAdapter adapter,
                         WGPUStringView message, void* held, void*) {
    const auto state = take<Answer<WGPUAdapter>>(held);
    state->ok = status == WGPURequestAdapterStatus_Success && adapter != nullptr;
    state->message = one_line(text_of(message));
    if (adapter != nullptr) state->object = {adapter, state->release};
    state->done = true;
  };
  driver.library->InstanceRequestAdapter(driver.instance.get(), &options, callback);
  SLUICE_TRY(driver.await([&] { return answer->done; }, "an adapter"));
  if (!answer->ok) {
    return device_error(cat(
        "The WebGPU implementation offers no ", fallback ? "software adapter" : "adapter",
        answer->message.empty() ? "" : " (", answer->message, answer->message.empty() ? "" : ")"));
  }
  return std::move(answer->object);
}

Result<AdapterInfo> describe(Driver& driver) {
  const Library& library = *driver.library;
  WGPUAdapter adapter = driver.adapter.get();
  AdapterInfo out;
  WGPUAdapterInfo info = WGPU_ADAPTER_INFO_INIT;
  if (library.AdapterGetInfo(adapter, &info) != WGPUStatus_Success) {
    return device_error("The adapter does not say what it is (wgpuAdapterGetInfo fails)");
  }
  out.vendor = one_line(text_of(info.vendor));
  out.architecture = one_line(text_of(info.architecture));
  out.device = one_line(text_of(info.device));
  out.description = one_line(text_of(info.description));
  out.backend = backend_name(info.backendType);
  out.type = type_name(info.adapterType);
  out.software = is_software(out, info.adapterType);
  out.library = library.path;
  library.AdapterInfoFreeMembers(info);

  PaddedLimits limits;
  std::memset(static_cast<void*>(&limits), 0, sizeof limits);
  if (library.AdapterGetLimits(adapter, &limits.limits) != WGPUStatus_Success) {
    return device_error(cat(to_text(out), " does not state its limits"));
  }
  out.limits = from_webgpu(limits.limits);
  const auto has = [&](uint32_t feature) {
    return library.AdapterHasFeature(adapter, static_cast<WGPUFeatureName>(feature)) != 0;
  };
  out.features.f16 = has(library.features.shader_f16);
  out.features.subgroups = has(library.features.subgroups);
  out.features.timestamp_query = has(library.features.timestamp_query);
  out.features.packed_dot =
      library.InstanceHasWGSLLanguageFeature(
          driver.instance.get(), WGPUWGSLLanguageFeatureName_Packed4x8IntegerDotProduct) != 0;
  return out;
}

// Dawn and the Vulkan loader write on stderr what they think of drivers that they pass over:
// several lines on every machine without a GPU, where having none is a normal case that an Error
// tells. While one of these lives, file 2 leads nowhere, for the whole process. SLUICE_WEBGPU_LOG=1
// lets them talk.
class QuietStderr {
 public:
  QuietStderr() : lock_(mutex()) {
    if (std::getenv("SLUICE_WEBGPU_LOG") != nullptr) return;
    std::fflush(stderr);
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nowhere < 0) return;
    saved_ = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (saved_ >= 0) dup2(nowhere, STDERR_FILENO);
    close(nowhere);
  }
  ~QuietStderr() {
    if (saved_ < 0) return;
    std::fflush(stderr);
    dup2(saved_, STDERR_FILENO);
    close(saved_);
  }
  QuietStderr(const QuietStderr&) = delete;
  QuietStderr& operator=(const QuietStderr&) = delete;

 private:
  // Two at once would save each other's nowhere.
  static std::mutex& mutex() {
    static std::mutex one;
    return one;
  }
  std::unique_lock<std::mutex> lock_;
  int saved_ = -1;
};

// Points the Vulkan loader at the SwiftShader that Debian's chromium brings along. False when the
// caller has chosen drivers or there is none.
bool name_software_driver() {
  const char* const driver = "/usr/lib/chromium/vk_swiftshader_icd.json";
  if (std::getenv("VK_ICD_FILENAMES") != nullptr || access(driver, R_OK) != 0) return false;
  return setenv("VK_ICD_FILENAMES", driver, 1) == 0;
}

Result<Handle<WGPUAdapter>> find_adapter(Driver& driver, WGPUBackendType backend,
                                         bool also_software) {
  const QuietStderr quiet;
  auto adapter = request_adapter(driver, backend, false);
  if (!adapter && also_software) {
    auto software = request_adapter(driver, backend, true);
    // The Vulkan loader knows only drivers that are registered; a browser's own is not.
    if (!software && name_software_driver()) {
      driver.instance = {driver.library->CreateInstance(nullptr), driver.library->InstanceRelease};
      if (driver.instance) software = request_adapter(driver, backend, false);
    }
    if (software) adapter = std::move(software);
  }
  return adapter;
}

// Chooses an adapter and checks what it says of itself.
Result<void> choose_adapter(Driver& driver, const DeviceOptions& options) {
  SLUICE_ASSIGN(driver.library, open_library());
  const Library& library = *driver.library;
  driver.deadline_seconds = options.deadline_seconds;
  driver.faults = options.faults;
  driver.instance = {library.CreateInstance(nullptr), library.InstanceRelease};
  if (!driver.instance) {
    return device_error(cat("The WebGPU library ", quoted(library.path), " makes no instance"));
  }
  bool allow_software = options.allow_software;
  SLUICE_ASSIGN(const auto fault, driver.fault_point(Stage::kAdapter, options.faults));
  if (fault == FaultKind::kAdapterNull) {
    return device_error("The WebGPU implementation offers no adapter (a fault asked for it)");
  }
  const WGPUBackendType backend =
      options.null_backend ? WGPUBackendType_Null : WGPUBackendType_Vulkan;
  auto adapter = find_adapter(driver, backend, allow_software && !options.null_backend);
  if (!adapter) return std::move(adapter).error();
  driver.adapter = std::move(adapter).value();
  SLUICE_ASSIGN(driver.info, describe(driver));
  if (fault == FaultKind::kFallbackAdapter) {
    driver.info.software = true;
    allow_software = false;
  }
  if (fault == FaultKind::kNonsenseLimits) {
    driver.info.limits.max_storage_buffers_per_stage = 0;
    driver.info.limits.max_buffer_bytes = 1;
  }
  if (driver.info.software && !allow_software && !options.null_backend) {
    return device_error(cat("The only WebGPU adapter, ", to_text(driver.info),
                            ", computes on the CPU, which is not what a GPU was asked for"),
                        "allow software adapters to use it all the same");
  }
  if (auto sane = plan::check_at_least(driver.info.limits, plan::Limits{},
                                       cat("The adapter ", to_text(driver.info)));
      !sane) {
    return device_error(cat(sane.error().message, ", though WebGPU guarantees it"));
  }
  return {};
}

Result<void> open_device(Driver& driver, const DeviceOptions& options) {
  const Library& library = *driver.library;
  const plan::Limits wanted = at_least_guaranteed(options.limits);
  SLUICE_TRY(
      plan::check_at_least(driver.info.limits, wanted, cat("The adapter ", to_text(driver.info))));
  std::vector<WGPUFeatureName> features;
  const auto want = [&](bool asked, bool offered, uint32_t number,
                        std::string_view feature) -> Result<void> {
    if (!asked) return {};
    if (!offered) {
      return device_error(cat("The adapter ", to_text(driver.info), " lacks ", feature));
    }
    if (number != 0) features.push_back(static_cast<WGPUFeatureName>(number));
    return {};
  };
  SLUICE_TRY(want(options.features.f16, driver.info.features.f16, library.features.shader_f16,
                  "shader-f16"));
  SLUICE_TRY(want(options.features.subgroups, driver.info.features.subgroups,
                  library.features.subgroups, "subgroups"));
  SLUICE_TRY(want(options.features.timestamp_query, driver.info.features.timestamp_query,
                  library.features.timestamp_query, "timestamp-query"));
  SLUICE_TRY(want(options.features.packed_dot, driver.info.features.packed_dot, 0,
                  "packed_4x8_integer_dot_product"));
  driver.features = options.features;

  static std::atomic<uint64_t> generations = 0;
  driver.generation = ++generations;
  driver.record = new_health_record();
  SLUICE_ASSIGN(const auto fault, driver.fault_point(Stage::kDevice, options.faults));

  const auto answer = std::make_shared<Answer<WGPUDevice>>();
  answer->release = library.DeviceRelease;
  const PaddedLimits limits = to_webgpu(wanted);
  // Vulkan rounds timestamps to 100 microseconds unless told not to; steps are shorter than that.
  const char* const quantization = "timestamp_quantization";
  WGPUDawnTogglesDescriptor toggles = WGPU_DAWN_TOGGLES_DESCRIPTOR_INIT;
  toggles.disabledToggleCount = 1;
  toggles.disabledToggles = &quantization;
  WGPUDeviceDescriptor descriptor = WGPU_DEVICE_DESCRIPTOR_INIT;
  if (options.features.timestamp_query && library.DeviceInjectError != nullptr) {
    descriptor.nextInChain = &toggles.chain;  // only Dawn knows this one
  }
  descriptor.label = view("sluice");
  descriptor.requiredFeatureCount = features.size();
  descriptor.requiredFeatures = features.data();
  descriptor.requiredLimits = &limits.limits;
  descriptor.deviceLostCallbackInfo.mode = WGPUCallbackMode_AllowProcessEvents;
  descriptor.deviceLostCallbackInfo.userdata1 = driver.record;
  descriptor.deviceLostCallbackInfo.callback = [](const WGPUDevice*, WGPUDeviceLostReason reason,
                                                  WGPUStringView message, void* record, void*) {
    auto& into = *static_cast<HealthRecord*>(record);
    const std::lock_guard lock(into.mutex);
    into.health.lost = true;
    into.health.lost_reason = lost_reason(reason);
    into.health.lost_message = one_line(text_of(message));
  };
  descriptor.uncapturedErrorCallbackInfo.userdata1 = driver.record;
  descriptor.uncapturedErrorCallbackInfo.callback =
      [](const WGPUDevice*, WGPUErrorType type, WGPUStringView message, void* record, void*) {
        auto& into = *static_cast<HealthRecord*>(record);
        const std::lock_guard lock(into.mutex);
        ++into.health.uncaptured_errors;
        uncaptured.fetch_add(1, std::memory_order_relaxed);
        into.health.last_uncaptured_error = cat(error_type(type), ": ", one_line(text_of(message)));
      };
  WGPURequestDeviceCallbackInfo callback = WGPU_REQUEST_DEVICE_CALLBACK_INFO_INIT;
  callback.mode = WGPUCallbackMode_AllowProcessEvents;
  callback.userdata1 = hold(answer);
  callback.callback = [](WGPURequestDeviceStatus status, WGPUDevice device, WGPUStringView message,
                         void* held, void*) {
    const auto state = take<Answer<WGPUDevice>>(held);
    state->ok = status == WGPURequestDeviceStatus_Success && device != nullptr;
    state->message = one_line(text_of(message));
    if (device != nullptr) state->object = {device, state->release};
    state->done = true;
  };
  library.AdapterRequestDevice(driver.adapter.get(), &descriptor, callback);
  SLUICE_TRY(driver.await([&] { return answer->done; }, "a device"));
  if (!answer->ok) {
    return device_error(cat("The adapter ", to_text(driver.info), " gives no device",
                            answer->message.empty() ? "" : ": ", answer->message));
  }
  driver.device = std::move(answer->object);
  driver.queue = {library.DeviceGetQueue(driver.device.get()), library.QueueRelease};
  if (fault == FaultKind::kDeviceLostAtBirth && library.DeviceForceLoss != nullptr) {
    library.DeviceForceLoss(driver.device.get(), WGPUDeviceLostReason_Unknown,
                            view("a fault asked for it"));
  }
  driver.process_events();
  SLUICE_TRY(driver.check_alive("it was made"));
  PaddedLimits granted;
  std::memset(static_cast<void*>(&granted), 0, sizeof granted);
  if (library.DeviceGetLimits(driver.device.get(), &granted.limits) != WGPUStatus_Success) {
    return device_error("The device does not state its limits");
  }
  driver.limits = from_webgpu(granted.limits);
  return plan::check_at_least(driver.limits, wanted, "The device");
}

}  // namespace

std::string text_of(WGPUStringView text) {
  if (text.data == nullptr) return {};
  return text.length == WGPU_STRLEN ? std::string(text.data) : std::string(text.data, text.length);
}

std::string to_text(const AdapterInfo& adapter) {
  std::string name = !adapter.device.empty()        ? adapter.device
                     : !adapter.description.empty() ? adapter.description
                     : !adapter.architecture.empty()
                         ? cat(adapter.vendor, " ", adapter.architecture)
                         : adapter.vendor;
  if (name.empty()) name = "without a name";
  return cat(name, " (", adapter.backend, ", ", adapter.type, ")");
}

void Driver::process_events() const {
  if (!frozen) library->InstanceProcessEvents(instance.get());
}

DeviceHealth Driver::health() const {
  if (record == nullptr) return {};
  const std::lock_guard lock(record->mutex);
  return record->health;
}

Result<void> Driver::check_alive(std::string_view what) const {
  const DeviceHealth now = health();
  if (!now.lost) return {};
  return device_error(cat("The WebGPU device is lost while ", what, " (reason ", now.lost_reason,
                          now.lost_message.empty() ? "" : ": ", now.lost_message, ")"));
}

Result<void> Driver::await(FunctionRef<bool()> done, std::string_view what, double extra_seconds) {
  const auto begin = Clock::now();
  const double limit = deadline_seconds + extra_seconds;
  // Callbacks come only from process_events. Naps of a sixteenth of the time gone by cost a few
  // percent at most and leave the processor to a software adapter's threads.
  if (record != nullptr) record->polls = 0;
  while (true) {
    if (record != nullptr) ++record->polls;
    process_events();
    if (!frozen && done()) return {};
    SLUICE_TRY(check_alive(cat("waiting for ", what)));
    const double elapsed = seconds_since(begin);
    if (elapsed > limit) {
      stuck = !frozen;
      frozen = false;
      return device_error(cat("The WebGPU implementation does not answer while waiting for ", what,
                              " (", limit, " seconds is the limit)"));
    }
    std::this_thread::sleep_for(
        std::chrono::duration<double>(std::clamp(elapsed / 16, 10e-6, 500e-6)));
  }
}

Result<std::optional<FaultKind>> Driver::fault_point(Stage stage, FaultInjector* injector) {
  const auto fault = injector == nullptr ? std::nullopt : injector->at(stage);
  if (!fault) return std::optional<FaultKind>();
  const std::string text = cat("the fault ", name(*fault), "@", name(stage));
  const auto inject = [&](WGPUErrorType type) -> Result<std::optional<FaultKind>> {
    if (!device || library->DeviceInjectError == nullptr) {
      return device_error(cat("The device reports an error (", error_type(type), ": ", text, ")"));
    }
    library->DeviceInjectError(device.get(), type, view(text));
    return fault;
  };
  switch (*fault) {
    case FaultKind::kForceLoss:
      if (!device || library->DeviceForceLoss == nullptr) {
        return device_error(cat("The WebGPU device is lost (", text, ")"));
      }
      library->DeviceForceLoss(device.get(), WGPUDeviceLostReason_Unknown, view(text));
      return fault;
    case FaultKind::kInjectValidation:
      return inject(WGPUErrorType_Validation);
    case FaultKind::kInjectOom:
      return inject(WGPUErrorType_OutOfMemory);
    case FaultKind::kInjectInternal:
      return inject(WGPUErrorType_Internal);
    case FaultKind::kNeverSettling:
      frozen = true;
      return fault;
    case FaultKind::kAdapterNull:
    case FaultKind::kFallbackAdapter:
    case FaultKind::kNonsenseLimits:
      if (stage == Stage::kAdapter) return fault;
      break;
    case FaultKind::kDeviceLostAtBirth:
      if (stage == Stage::kDevice) return fault;
      break;
    case FaultKind::kWrongNumbers:
      wrong_numbers = true;
      return fault;
  }
  return device_error(cat("The device fails (", text, ")"));
}

Result<Handle<WGPUBuffer>> Driver::create_buffer(uint64_t size_bytes, WGPUBufferUsage usage,
                                                 std::string_view label) const {
  WGPUBufferDescriptor descriptor = WGPU_BUFFER_DESCRIPTOR_INIT;
  descriptor.label = view(label);
  descriptor.usage = usage;
  descriptor.size = size_bytes;
  Handle<WGPUBuffer> buffer(library->DeviceCreateBuffer(device.get(), &descriptor),
                            library->BufferRelease);
  if (!buffer) {
    return device_error(cat("The device makes no buffer of ", size_bytes, " bytes for ", label));
  }
  return buffer;
}

void Driver::write_buffer(WGPUBuffer buffer, uint64_t offset_bytes, const void* bytes,
                          size_t size_bytes) const {
  library->QueueWriteBuffer(queue.get(), buffer, offset_bytes, bytes, size_bytes);
}

struct ErrorScopes::Verdict {
  int pending = 0;
  std::string error;
};

namespace {
// The last one speaks first: what memory ran out for is invalid from then on, which is no news.
constexpr std::array kFilters = {WGPUErrorFilter_Internal, WGPUErrorFilter_Validation,
                                 WGPUErrorFilter_OutOfMemory};
}  // namespace

ErrorScopes::ErrorScopes(Driver& driver) : driver_(driver) {
  for (const WGPUErrorFilter filter : kFilters) {
    driver_.library->DevicePushErrorScope(driver_.device.get(), filter);
  }
}

ErrorScopes::~ErrorScopes() {
  if (open_) pop();
}

std::shared_ptr<ErrorScopes::Verdict> ErrorScopes::pop() {
  open_ = false;
  auto verdict = std::make_shared<Verdict>();
  for (size_t i = 0; i < kFilters.size(); ++i) {
    ++verdict->pending;
    WGPUPopErrorScopeCallbackInfo callback = WGPU_POP_ERROR_SCOPE_CALLBACK_INFO_INIT;
    callback.mode = WGPUCallbackMode_AllowProcessEvents;
    callback.userdata1 = hold(verdict);
    callback.callback = [](WGPUPopErrorScopeStatus status, WGPUErrorType type,
                           WGPUStringView message, void* held, void*) {
      const auto state = take<Verdict>(held);
      --state->pending;
      if (!state->error.empty()) return;
      if (status == WGPUPopErrorScopeStatus_Error) {
        state->error = cat("error scope: ", one_line(text_of(message)));
      } else if (status == WGPUPopErrorScopeStatus_Success && type != WGPUErrorType_NoError) {
        state->error = cat(error_type(type), ": ", one_line(text_of(message)));
      }
    };
    driver_.library->DevicePopErrorScope(driver_.device.get(), callback);
  }
  return verdict;
}

Result<void> ErrorScopes::finish(std::string_view what) {
  const auto verdict = pop();
  SLUICE_TRY(driver_.await([&] { return verdict->pending == 0; }, what));
  if (!verdict->error.empty()) {
    return device_error(cat("The device reports an error while ", what, " (", verdict->error, ")"));
  }
  return driver_.check_alive(what);
}

Result<AdapterInfo> probe_adapter(const DeviceOptions& options) {
  Driver driver;
  SLUICE_TRY(choose_adapter(driver, options));
  return std::move(driver.info);
}

Device::Device() : driver_(std::make_unique<Driver>()) {}

Device::~Device() {
  Driver& driver = *driver_;
  if (driver.stuck) {
    static auto& kept = *new std::vector<std::unique_ptr<Driver>>;
    kept.push_back(std::move(driver_));
    return;
  }
  driver.frozen = false;
  driver.queue.reset();
  if (driver.device) {
    driver.library->DeviceDestroy(driver.device.get());
    driver.process_events();
  }
}

Result<std::shared_ptr<Device>> Device::create(const DeviceOptions& options) {
  std::shared_ptr<Device> device(new Device);
  SLUICE_TRY(choose_adapter(*device->driver_, options));
  SLUICE_TRY(open_device(*device->driver_, options));
  return device;
}

const AdapterInfo& Device::adapter() const { return driver_->info; }
const plan::Limits& Device::limits() const { return driver_->limits; }
const plan::Features& Device::features() const { return driver_->features; }
uint64_t Device::generation() const { return driver_->generation; }

DeviceHealth Device::health() {
  driver_->process_events();
  return driver_->health();
}

int uncaptured_errors() { return uncaptured.load(std::memory_order_relaxed); }

}  // namespace sluice::exec::webgpu
