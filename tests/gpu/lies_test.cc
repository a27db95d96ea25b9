// Whatever goes wrong, the Binding tells the truth: it says where the results were made, what
// proves it, what ran elsewhere and why. Each lie that a runtime could tell is provoked here.
#include <gtest/gtest.h>

#include "base/text.h"
#include "exec/webgpu/fault.h"
#include "gpu/on_device.h"
#include "gpu/remote_host.h"

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

// The job was done, and right.
#define SLUICE_EXPECT_DONE(told)                      \
  ASSERT_NE((told).session, nullptr) << (told).error; \
  EXPECT_TRUE((told).right) << (told).error

TEST(GpuLies, ASoftwareAdapterIsNeverTakenForAGpu) {
  SLUICE_NEED_DEVICE();
  session::Options options = software();
  options.allow_software = false;
  const Told refused = tell(chain(), options);
  EXPECT_EQ(refused.session, nullptr);
  EXPECT_NE(refused.error.find("computes on the CPU"), std::string::npos) << refused.error;

  options.backend = Backend::kAuto;
  const Told fallen = tell(chain(), options);
  SLUICE_EXPECT_DONE(fallen);
  EXPECT_EQ(fallen.binding().requested, Backend::kAuto);
  EXPECT_EQ(fallen.binding().bound, Backend::kCpu);
  EXPECT_NE(fallen.binding().reason.find("computes on the CPU"), std::string::npos)
      << fallen.binding().reason;

  const Told allowed = tell(chain(), software());
  SLUICE_EXPECT_DONE(allowed);
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
  SLUICE_EXPECT_DONE(told);
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
    SLUICE_EXPECT_DONE(told);
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
  SLUICE_EXPECT_DONE(told);
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
  SLUICE_EXPECT_DONE(told);
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

// An adapter that offers shader-f16, played on one that has none: the self-test's shader is
// replaced by what a driver makes of it, on the same halves in 32-bit words, two rows an
// invocation.
std::string halves_as_words(std::string_view store) {
  return cat(R"(
struct Params { rows : u32, depth : u32 }
@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> a : array<u32>;
@group(0) @binding(2) var<storage, read> b : array<u32>;
@group(0) @binding(3) var<storage, read_write> y : array<u32>;
fn sum_of(row : u32) -> f32 {
  var sum = 0.0;
  for (var k = 0u; k < p.depth; k += 1u) {
    let i = row * p.depth + k;
    sum += unpack2x16float(a[i / 2u])[i % 2u] * unpack2x16float(b[i / 2u])[i % 2u];
  }
  return sum;
}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(local_invocation_index) lid : u32) {
  let row = 2u * (wid.x * 64u + lid);
  if (row >= p.rows) { return; }
  let s = vec2<f32>(sum_of(row), sum_of(row + 1u));
  y[row / 2u] = )",
             store, ";\n}\n");
}

TEST(GpuLies, Float16ThatComputesWrongIsNotUsed) {
  SLUICE_NEED_DEVICE();
  if (held.device->features().f16) GTEST_SKIP() << "not run: the adapter has shader-f16 itself";
  struct Driver {
    const char* what;
    const char* store;
    bool right;
  };
  for (const Driver& driver :
       {Driver{"right", "pack2x16float(s)", true},
        {"zeros", "0u", false},
        {"rows swapped", "pack2x16float(s.yx)", false},
        {"a bit short", "pack2x16float(s) & 0xfffefffeu", false},
        {"sums in 8 bits", "pack2x16float(s) & 0xfff8fff8u", false},
        {"half of the words", "select(pack2x16float(s), 0u, lid >= 32u)", false}}) {
    SCOPED_TRACE(driver.what);
    Net net = chain();
    ASSERT_TRUE(net.infer().ok());
    session::Options options = software();
    options.backend = Backend::kAuto;
    auto remote = session::RemoteSession::from_graph(net.graph->clone(), "half", options);
    ASSERT_TRUE(remote.ok()) << remote.error().text();
    RemoteHost host(held.device, **remote);
    int replaced = 0;
    host.claim = [](session::AdapterFacts& facts) { facts.features.f16 = true; };
    host.miscompile = [&](std::string& wgsl) {
      if (wgsl.find("enable f16") == std::string::npos) return;
      ++replaced;
      wgsl = halves_as_words(driver.store);
    };
    ASSERT_TRUE((*remote)->set_feed(0, net.feeds[0]).ok());
    const auto loaded = host.load();
    EXPECT_EQ(replaced, 1);
    const Binding& binding = (*remote)->binding();
    const auto finding = std::ranges::find(binding.gate, "float16", &session::GateFinding::check);
    ASSERT_NE(finding, binding.gate.end());
    EXPECT_EQ(finding->passed, driver.right) << finding->sentence;
    EXPECT_EQ(loaded.ok(), driver.right) << (loaded.ok() ? "" : loaded.error().text());
    if (driver.right) {
      EXPECT_EQ(binding.bound, Backend::kWebGpu);
      continue;
    }
    // The host gives up, the job is done on the CPU, and the record says for which reason.
    EXPECT_NE(loaded.error().message.find("float16"), std::string::npos) << loaded.error().text();
    ASSERT_TRUE((*remote)->gpu_failover({.stage = "", .error = loaded.error().message}).ok());
    EXPECT_EQ(binding.bound, Backend::kCpu);
    EXPECT_EQ(binding.reason, loaded.error().message);
    const auto want = op::interpret(ops::registry(), *net.graph, net.feeds);
    const auto got = (*remote)->run_cpu();
    ASSERT_TRUE(got.ok() && want.ok());
    EXPECT_EQ(conformance::compare((**got)[0].second, (*want)[0], 1e-5, 1e-5), "");
  }
}

}  // namespace
}  // namespace sluice
