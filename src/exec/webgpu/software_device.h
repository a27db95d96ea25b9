// For tests only: a device to run on wherever there is one, and the reason when there is none. The
// machine's own GPU is not asked for: tests must give one result everywhere, so they take
// SwiftShader, which Debian's chromium package brings along, unless VK_ICD_FILENAMES says
// otherwise.
#pragma once

#include <cstdlib>
#include <filesystem>

#include "exec/webgpu/device.h"

namespace sluice::exec::webgpu {

inline void use_software_driver() {
  const char* const driver = "/usr/lib/chromium/vk_swiftshader_icd.json";
  std::error_code ignored;
  if (std::getenv("VK_ICD_FILENAMES") == nullptr && std::filesystem::exists(driver, ignored)) {
    setenv("VK_ICD_FILENAMES", driver, 1);
  }
}

// One device for all tests of the process that don't break it.
inline Result<std::shared_ptr<Device>> software_device() {
  use_software_driver();
  static const Result<std::shared_ptr<Device>> device = [] {
    DeviceOptions options;
    options.allow_software = true;
    return Device::create(options);
  }();
  if (!device) return Error(device.error());
  return *device;
}

}  // namespace sluice::exec::webgpu
