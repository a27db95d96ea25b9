// The trap: whatever tests of this process do to a device, at the end none of its errors came
// outside of every error scope.
#include <gtest/gtest.h>

#include "exec/webgpu/device.h"

namespace sluice {
namespace {

class NoUncapturedErrors : public testing::Environment {
 public:
  void TearDown() override {
    EXPECT_EQ(exec::webgpu::uncaptured_errors(), 0)
        << "errors that no scope caught (DeviceHealth::last_uncaptured_error has their words)";
  }
};

[[maybe_unused]] const testing::Environment* const trap =
    testing::AddGlobalTestEnvironment(new NoUncapturedErrors);

}  // namespace
}  // namespace sluice
