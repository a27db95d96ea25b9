// Whatever goes wrong, the Binding tells the truth: it says where the results were made, what
// proves it, what ran elsewhere and why. Each lie that a runtime could tell is provoked here.
#include <gtest/gtest.h>

#include "base/text.h"
#include "exec/webgpu/fault.h"
#include "gpu/on_device.h"

namespace sluice {
namespace {

using namespace gpu_tests;
using exec::webgpu::FaultInjector;
using exec::webgpu::FaultKind;
using exec::webgpu::Stage;
using op::case_floats;
using session::Backend;
using session::Binding;
using session::Evidence;

Net chain() {
  Net net;
  ir::ValueId at = net.input(case_floats(Shape{3, 129}));
  for (int i = 0; i < 6; ++i) at = net.one(i % 2 == 0 ? "LeakyRelu" : "Sigmoid", {at});
  net.output(at);
  return net;
}

// Has results whose number the data decides, which stays on the CPU.
Net with_island() {
  Net net;
  const ir::ValueId x = net.one("Relu", {net.input(case_floats(Shape{4, 33}))});
  net.output(net.one("NonZero", {x}));
  net.output(net.one("Sigmoid", {x}));
  return net;
}

struct Told {
  std::unique_ptr<session::Session> session;
  std::string error;  // of loading or running
  bool right = false;
  const Binding& binding() const { return session->binding(); }
};

Told tell(Net net, const session::Options& options, int runs = 1) {
  Told told;
  EXPECT_TRUE(net.infer().ok());
  const auto want = op::interpret(ops::registry(), *net.graph, net.feeds);
  EXPECT_TRUE(want.ok());
  const auto feeds = net.named();
  auto session = session::Session::from_graph(std::move(net.graph), "lies", options);
  if (!session.ok()) {
    told.error = session.error().text();
    return told;
  }
  told.session = std::move(session).value();
  told.right = true;
  for (int run = 0; run < runs; ++run) {
    const auto got = told.session->run(feeds);
    if (!got.ok()) {
      told.error = got.error().text();
      told.right = false;
      return told;
    }
    for (size_t i = 0; i < got->size(); ++i) {
      told.right &= conformance::compare((*got)[i].second, (*want)[i], 1e-5, 1e-5).empty();
    }
  }
  return told;
}

TEST(GpuLies, ASoftwareAdapterIsNeverTakenForAGpu) {
  SLUICE_NEED_DEVICE();
  session::Options options = software();
  options.allow_software = false;
  const Told refused = tell(chain(), options);
  EXPECT_EQ(refused.session, nullptr);
  EXPECT_NE(refused.error.find("computes on the CPU"), std::string::npos) << refused.error;

  options.backend = Backend::kAuto;
  const Told fallen = tell(chain(), options);
  ASSERT_NE(fallen.session, nullptr) << fallen.error;
  EXPECT_TRUE(fallen.right);
  EXPECT_EQ(fallen.binding().requested, Backend::kAuto);
  EXPECT_EQ(fallen.binding().bound, Backend::kCpu);
  EXPECT_NE(fallen.binding().reason.find("computes on the CPU"), std::string::npos)
      << fallen.binding().reason;

  const Told allowed = tell(chain(), software());
  ASSERT_NE(allowed.session, nullptr) << allowed.error;
  EXPECT_TRUE(allowed.right);
  EXPECT_TRUE(allowed.binding().adapter.software);
  EXPECT_EQ(allowed.binding().console_line("m").find("adapter hw"), std::string::npos)
      << allowed.binding().console_line("m");
}

TEST(GpuLies, AnAdapterThatClaimsToBeHardwareButTurnsOutToBeSoftware) {
  SLUICE_NEED_DEVICE();
  FaultInjector faults({{FaultKind::kFallbackAdapter, Stage::kAdapter}});
  session::Options options = software();
  options.backend = Backend::kAuto;
  options.faults = &faults;
  const Told told = tell(chain(), options);
  ASSERT_NE(told.session, nullptr) << told.error;
  EXPECT_TRUE(told.right);
  EXPECT_EQ(told.binding().bound, Backend::kCpu);
  EXPECT_FALSE(told.binding().reason.empty());
}

TEST(GpuLies, ASessionThatHasNotRunHasProvenNothing) {
  SLUICE_NEED_DEVICE();
  Told told = tell(chain(), software(), 0);
  ASSERT_NE(told.session, nullptr) << told.error;
  EXPECT_EQ(told.binding().bound, Backend::kWebGpu);
  EXPECT_NE(told.binding().evidence, Evidence::kProven);
  EXPECT_EQ(told.binding().runs, 0);
  told = tell(chain(), software(), 1);
  EXPECT_EQ(told.binding().evidence, Evidence::kProven);
  EXPECT_EQ(told.binding().runs, 1);
}

TEST(GpuLies, ALossInMidJobIsToldWithTheJobDoneElsewhere) {
  SLUICE_NEED_DEVICE();
  for (const Stage stage : {Stage::kFirstDispatch, Stage::kMiddleDispatch, Stage::kLastDispatch,
                            Stage::kSubmit, Stage::kReadback}) {
    SCOPED_TRACE(exec::webgpu::name(stage));
    FaultInjector faults({{FaultKind::kForceLoss, stage}});
    session::Options options = software();
    options.faults = &faults;
    options.self_test = false;  // it would suffer the loss first
    const Told told = tell(chain(), options, 2);
    ASSERT_NE(told.session, nullptr) << told.error;
    EXPECT_TRUE(told.right) << told.error;
    const Binding& binding = told.binding();
    EXPECT_EQ(binding.requested, Backend::kWebGpu);
    EXPECT_EQ(binding.bound, Backend::kCpu);
    ASSERT_EQ(binding.failovers.size(), 1u);
    EXPECT_TRUE(binding.failovers[0].device_lost);
    EXPECT_EQ(binding.failovers[0].rebound, Backend::kCpu);
    EXPECT_FALSE(binding.failovers[0].error.empty());
    EXPECT_FALSE(binding.failovers[0].redone.empty());
    EXPECT_FALSE(binding.event_lines("m").empty());
  }
}

TEST(GpuLies, AnIslandIsToldByNameAndReason) {
  SLUICE_NEED_DEVICE();
  const Told told = tell(with_island(), software());
  ASSERT_NE(told.session, nullptr) << told.error;
  EXPECT_TRUE(told.right);
  EXPECT_EQ(told.binding().bound, Backend::kWebGpu);
  ASSERT_EQ(told.binding().islands.size(), 1u);
  EXPECT_EQ(told.binding().islands[0].op, "NonZero");
  EXPECT_FALSE(told.binding().islands[0].reason.empty());
  EXPECT_NE(told.binding().console_line("m").find("islands=1"), std::string::npos)
      << told.binding().console_line("m");
  session::Options strict = software();
  strict.strict = true;
  const Told refused = tell(with_island(), strict);
  EXPECT_NE(refused.error.find("NonZero"), std::string::npos) << refused.error;
}

TEST(GpuLies, WrongNumbersFromTheDeviceAreNotPassedOn) {
  SLUICE_NEED_DEVICE();
  FaultInjector faults({{FaultKind::kWrongNumbers, Stage::kDevice}});
  session::Options options = software();
  options.backend = Backend::kAuto;
  options.faults = &faults;
  const Told told = tell(chain(), options);
  ASSERT_NE(told.session, nullptr) << told.error;
  EXPECT_TRUE(told.right);
  EXPECT_EQ(told.binding().bound, Backend::kCpu);
  EXPECT_FALSE(told.binding().reason.empty());
  bool failed = false;
  for (const session::GateFinding& finding : told.binding().gate) failed |= !finding.passed;
  EXPECT_TRUE(failed) << "the gate's findings name what was wrong";
}

TEST(GpuLies, ABackendThatComputesNothingProvesNothing) {
  SLUICE_NEED_DEVICE();
  session::Options options = software();
  options.null_device = true;
  for (const bool self_test : {true, false}) {
    options.self_test = self_test;
    const Told told = tell(chain(), options);
    if (told.session == nullptr) {
      EXPECT_FALSE(told.error.empty());
      continue;
    }
    EXPECT_TRUE(told.right) << told.error;
    EXPECT_EQ(told.binding().bound, Backend::kCpu);
    EXPECT_EQ(told.binding().failovers.size(), 1u);
  }
}

}  // namespace
}  // namespace sluice
