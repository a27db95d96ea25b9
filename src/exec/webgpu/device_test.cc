#include "exec/webgpu/device.h"

#include <gtest/gtest.h>

#include <chrono>

#include "exec/webgpu/fault.h"
#include "exec/webgpu/library.h"
#include "exec/webgpu/software_device.h"

namespace sluice::exec::webgpu {
namespace {

class DeviceTest : public testing::Test {
 protected:
  void SetUp() override {
    use_software_driver();
    options_.allow_software = true;
    options_.deadline_seconds = 5;
    const auto adapter = probe_adapter(options_);
    if (!adapter) GTEST_SKIP() << "not run: " << adapter.error().text();
    adapter_ = *adapter;
  }
  // The error of making a device under a fault, which must come soon.
  Error failure(std::string_view fault, double deadline_seconds = 5) {
    auto faults = FaultInjector::parse(fault);
    EXPECT_TRUE(faults.ok());
    DeviceOptions options = options_;
    options.deadline_seconds = deadline_seconds;
    options.faults = &*faults;
    const auto begin = std::chrono::steady_clock::now();
    auto device = Device::create(options);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    EXPECT_LT(took.count(), 10) << fault;
    EXPECT_FALSE(device.ok()) << fault;
    return device.ok() ? Error() : device.error();
  }
  DeviceOptions options_;
  AdapterInfo adapter_;
};

TEST_F(DeviceTest, SaysWhatItIs) {
  EXPECT_FALSE(adapter_.backend.empty());
  EXPECT_FALSE(adapter_.library.empty());
  EXPECT_FALSE(to_text(adapter_).empty());
  const plan::Limits guaranteed;
  EXPECT_GE(adapter_.limits.max_storage_buffers_per_stage,
            guaranteed.max_storage_buffers_per_stage);
  EXPECT_GE(adapter_.limits.max_buffer_bytes, guaranteed.max_buffer_bytes);
  auto device = Device::create(options_);
  ASSERT_TRUE(device.ok()) << device.error().text();
  EXPECT_EQ((*device)->limits().max_storage_buffers_per_stage,
            guaranteed.max_storage_buffers_per_stage);
  EXPECT_FALSE((*device)->health().lost);
  EXPECT_EQ((*device)->health().uncaptured_errors, 0);
}

TEST_F(DeviceTest, RefusesSoftwareThatWasNotAskedFor) {
  if (!adapter_.software) GTEST_SKIP() << "not run: " << to_text(adapter_) << " is hardware";
  options_.allow_software = false;
  const auto device = Device::create(options_);
  ASSERT_FALSE(device.ok());
  EXPECT_EQ(device.error().code, ErrorCode::kDevice);
  EXPECT_NE(device.error().message.find("computes on the CPU"), std::string::npos);
  EXPECT_FALSE(probe_adapter(options_).ok());
}

TEST_F(DeviceTest, GrantsHigherLimitsThatTheAdapterOffers) {
  options_.limits = adapter_.limits;
  auto device = Device::create(options_);
  ASSERT_TRUE(device.ok()) << device.error().text();
  EXPECT_GE((*device)->limits().max_buffer_bytes, adapter_.limits.max_buffer_bytes);
  EXPECT_GE((*device)->limits().max_storage_buffers_per_stage,
            adapter_.limits.max_storage_buffers_per_stage);
  EXPECT_GE((*device)->limits().max_workgroup_storage_bytes,
            adapter_.limits.max_workgroup_storage_bytes);
}

TEST_F(DeviceTest, RefusesWhatTheAdapterLacks) {
  DeviceOptions options = options_;
  options.limits.max_workgroup_size_x = adapter_.limits.max_workgroup_size_x + 1;
  const auto device = Device::create(options);
  ASSERT_FALSE(device.ok());
  EXPECT_EQ(device.error().code, ErrorCode::kDevice);
  EXPECT_NE(device.error().message.find("maxComputeWorkgroupSizeX"), std::string::npos);
  options = options_;
  options.features.f16 = true;
  EXPECT_EQ(Device::create(options).ok(), adapter_.features.f16);
}

TEST_F(DeviceTest, FaultsAtBirthAreErrors) {
  EXPECT_NE(failure("adapter_null@adapter").message.find("no adapter"), std::string::npos);
  EXPECT_NE(failure("fallback_adapter@adapter").message.find("CPU"), std::string::npos);
  EXPECT_NE(failure("nonsense_limits@adapter").message.find("maxStorageBuffersPerShaderStage 0"),
            std::string::npos);
  EXPECT_NE(failure("device_lost_at_birth@device").message.find("lost"), std::string::npos);
  EXPECT_NE(failure("never_settling@adapter", 0.2).message.find("does not answer"),
            std::string::npos);
  EXPECT_NE(failure("never_settling@device", 0.2).message.find("does not answer"),
            std::string::npos);
  for (const FaultKind kind : all_fault_kinds()) {
    if (kind == FaultKind::kWrongNumbers) continue;  // of results only
    for (const char* stage : {"@adapter", "@device"}) {
      const Error error = failure(std::string(name(kind)) + stage, 0.2);
      EXPECT_EQ(error.code, ErrorCode::kDevice) << name(kind) << stage;
      EXPECT_FALSE(error.message.empty());
    }
  }
}

TEST_F(DeviceTest, ALostDeviceLeavesTheNextOneAlone) {
  auto first = Device::create(options_);
  ASSERT_TRUE(first.ok());
  auto second = Device::create(options_);
  ASSERT_TRUE(second.ok());
  EXPECT_NE((*first)->generation(), (*second)->generation());
  first->reset();
  EXPECT_TRUE((*second)->usable());
  EXPECT_EQ((*second)->health().uncaptured_errors, 0);
}

TEST_F(DeviceTest, TheNullBackendNeedsNoPermission) {
  options_.null_backend = true;
  options_.allow_software = false;
  const auto device = Device::create(options_);
  ASSERT_TRUE(device.ok()) << device.error().text();
  EXPECT_EQ((*device)->adapter().backend, "Null");
}

TEST(Library, MissingFunctionsAreNamed) {
  const auto other = load_library("libm.so.6");
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code, ErrorCode::kDevice);
  EXPECT_NE(other.error().message.find("wgpuCreateInstance"), std::string::npos);
  EXPECT_FALSE(load_library("/nowhere/libwebgpu.so").ok());
}

}  // namespace
}  // namespace sluice::exec::webgpu
