// RemoteSession: a host of this process (remote_host.h) drives the native device through encoded
// programs, as a page does, and gets what Session gets, bit for bit; and a host that does wrong, or
// whose device does, gets a typed error or the CPU's result. Runs on the software adapter.
#include <gtest/gtest.h>

#include "base/json.h"
#include "gpu/on_device.h"
#include "gpu/remote_host.h"
#include "ops/case_tables.h"
#include "session/gate.h"

namespace sluice::gpu_tests {
namespace {

using conformance::same_bits;
using session::Backend;
using session::NamedValues;
using session::Options;
using session::RemoteSession;

// Of its own, so that it can be lost.
std::shared_ptr<exec::webgpu::Device> own_device() {
  exec::webgpu::use_software_driver();
  exec::webgpu::DeviceOptions options;
  options.allow_software = true;
  auto device = exec::webgpu::Device::create(options);
  return device ? std::move(device).value() : nullptr;
}
#define SLUICE_OWN_DEVICE()         \
  const auto device = own_device(); \
  if (device == nullptr) GTEST_SKIP() << "not run: there is no device"

Net chain(Dims dims = {Dim(3), Dim(129)}, int steps = 6) {
  Net net;
  const Tensor x = op::case_floats(Shape{3, 129});
  ir::ValueId at = net.input(x, dims);
  for (int i = 0; i < steps; ++i) at = net.one(i % 2 == 0 ? "LeakyRelu" : "Sigmoid", {at});
  net.output(at);
  EXPECT_TRUE(net.infer().ok());
  return net;
}

// float64 arithmetic runs on the CPU, in the middle of work of the device.
Net with_island() {
  Net net;
  const ir::ValueId x = net.input(op::case_floats(Shape{4, 33}));
  const ir::ValueId a = net.one("Sigmoid", {x});
  const AttrMap wide = {{"to", int64_t{11}}}, narrow = {{"to", int64_t{1}}};
  const ir::ValueId b = net.one("Cast", {a}, wide);
  const ir::ValueId c = net.one("Exp", {b});
  const ir::ValueId d = net.one("Cast", {c}, narrow);
  net.output(net.one("Add", {d, a}));
  net.output(c);
  EXPECT_TRUE(net.infer().ok());
  return net;
}

std::unique_ptr<RemoteSession> remote_of(const Net& net, Options options = software()) {
  auto made = RemoteSession::from_graph(net.graph->clone(), "folder/test.onnx", options);
  EXPECT_TRUE(made.ok());
  return std::move(made).value();
}

void feed(RemoteSession& remote, const std::vector<Value>& feeds) {
  for (size_t i = 0; i < feeds.size(); ++i) {
    const auto set = remote.set_feed(i, feeds[i]);
    EXPECT_TRUE(set.ok()) << (set.ok() ? "" : set.error().text());
  }
}

Result<NamedValues> natively(const Net& net, Backend backend, const std::vector<Value>& feeds) {
  Options options = software();
  options.backend = backend;
  SLUICE_ASSIGN(auto session,
                session::Session::from_graph(net.graph->clone(), "test.onnx", options));
  return session->run(net.named(feeds));
}

void expect_same(const Result<NamedValues>& got, const Result<NamedValues>& want) {
  ASSERT_TRUE(got.ok()) << got.error().text();
  ASSERT_TRUE(want.ok()) << want.error().text();
  ASSERT_EQ(got->size(), want->size());
  for (size_t i = 0; i < got->size(); ++i) {
    EXPECT_EQ((*got)[i].first, (*want)[i].first);
    EXPECT_TRUE(same_bits((*got)[i].second, (*want)[i].second))
        << "output " << i << ": "
        << conformance::compare((*got)[i].second, (*want)[i].second, 0, 0);
  }
}

TEST(Remote, GivesTheNativeExecutorsBitsAndProvesIt) {
  SLUICE_NEED_DEVICE();
  const Net net = chain();
  auto remote = remote_of(net);
  RemoteHost host(held.device, *remote);
  const auto loaded = host.load();
  ASSERT_TRUE(loaded.ok()) << loaded.error().text();
  EXPECT_EQ(remote->binding().bound, Backend::kWebGpu);
  EXPECT_EQ(remote->binding().evidence, session::Evidence::kReported);
  feed(*remote, net.feeds);
  for (int run = 0; run < 3; ++run) {
    expect_same(host.run(), natively(net, Backend::kWebGpu, net.feeds));
  }
  const session::Binding& binding = remote->binding();
  expect_whole_job_on_device(binding);
  EXPECT_EQ(binding.runs, 3);
  EXPECT_EQ(binding.host_copies, 0u);
  const Json record = parse_json(remote->binding_json());
  EXPECT_EQ(record["bound"], "webgpu");
  EXPECT_EQ(record["console"], binding.console_line("test.onnx"));
  EXPECT_TRUE(record["events"].empty());
}

TEST(Remote, OperatorsGiveTheNativeExecutorsBits) {
  SLUICE_NEED_DEVICE();
  const int every = long_run() ? 5 : 150;
  int count = 0, compared = 0, with_islands = 0;
  for (const ops::CaseTable& table : ops::case_tables()) {
    for (const op::Case& c : table.cases()) {
      const op::OpDef* def = ops::registry().find(c.domain, c.op);
      if (def == nullptr || !def->deterministic || ++count % every != 0) continue;
      for (const bool symbolic : {false, true}) {
        SCOPED_TRACE(cat(table.family, "/", c.op, " ", c.name, symbolic ? " symbolic" : ""));
        Net net;
        net.graph = conformance::graph_of(c, symbolic);
        net.feeds = conformance::feeds_of(c);
        ASSERT_TRUE(net.infer().ok());
        const auto want = natively(net, Backend::kWebGpu, net.feeds);
        Options options = software();
        options.self_test = false;
        auto remote = remote_of(net, options);
        RemoteHost host(held.device, *remote);
        host.self_test = false;
        const auto loaded = host.load();
        ASSERT_TRUE(loaded.ok()) << loaded.error().text();
        feed(*remote, net.feeds);
        expect_same(host.run(), want);
        EXPECT_EQ(remote->binding().bound, Backend::kWebGpu);
        ++compared;
        with_islands += remote->binding().islands.empty() ? 0 : 1;
      }
    }
  }
  std::printf("             %d runs compared, %d with islands\n", compared, with_islands);
  EXPECT_GT(compared, 20);
}

TEST(Remote, AnotherLengthMakesNoPipelineAndAShorterOneNothingAtAll) {
  SLUICE_NEED_DEVICE();
  const Net net = chain({Dim(3), Dim::symbol("n")});
  auto remote = remote_of(net);
  RemoteHost host(held.device, *remote);
  ASSERT_TRUE(host.load().ok());
  const HostCounts loaded = host.counts();
  const auto run = [&](int64_t n) {
    const std::vector<Value> feeds = {Value(op::case_floats(Shape{3, n}))};
    feed(*remote, feeds);
    expect_same(host.run(), natively(net, Backend::kWebGpu, feeds));
  };
  // The self-test after the first run makes pipelines of its own, hence two runs.
  run(40);
  run(40);
  const HostCounts first = host.counts();
  run(200);
  const HostCounts longer = host.counts();
  EXPECT_GT(loaded.pipelines, 0);
  EXPECT_EQ(longer.pipelines, first.pipelines);
  EXPECT_GT(longer.buffers, first.buffers);
  run(40);
  EXPECT_EQ(host.counts().pipelines, first.pipelines);
  EXPECT_EQ(host.counts().buffers, longer.buffers);
  EXPECT_EQ(remote->binding().recompilations, 0);
}

TEST(Remote, WhatOnlyARunCanTellIsCompiledThenAndTheEarlierProgramGoes) {
  SLUICE_NEED_DEVICE();
  const Net net = chain({Dim(3), Dim::unknown()});
  Options options = software();
  options.self_test = false;
  auto remote = remote_of(net, options);
  RemoteHost host(held.device, *remote);
  host.self_test = false;
  ASSERT_TRUE(host.load().ok());
  EXPECT_EQ(host.counts().pipelines, 0);
  for (const int64_t n : {40, 129, 129, 40}) {
    const std::vector<Value> feeds = {Value(op::case_floats(Shape{3, n}))};
    feed(*remote, feeds);
    expect_same(host.run(), natively(net, Backend::kWebGpu, feeds));
  }
  EXPECT_EQ(remote->binding().recompilations, 2);
  EXPECT_EQ(remote->binding().bound, Backend::kWebGpu);
}

TEST(Remote, ADeviceLostBetweenRunsIsReplacedOnceOrTheCpuGoesOn) {
  SLUICE_OWN_DEVICE();
  const Net net = chain();
  auto remote = remote_of(net);
  RemoteHost host(device, *remote);
  ASSERT_TRUE(host.load().ok());
  feed(*remote, net.feeds);
  ASSERT_TRUE(host.run().ok());
  ASSERT_TRUE(
      remote->gpu_failover({.stage = "idle", .error = "The screen was locked", .device_lost = true})
          .ok());
  // No second device is to be had: WebGPU alone was asked for, and yet the job is done.
  ASSERT_TRUE(remote->gpu_failover({.stage = "", .error = "There is no adapter"}).ok());
  const auto got = remote->run_cpu();
  ASSERT_TRUE(got.ok()) << got.error().text();
  expect_same(Result<NamedValues>(**got), natively(net, Backend::kCpu, net.feeds));
  EXPECT_EQ(remote->binding().reason, "There is no adapter");
  EXPECT_EQ(remote->binding().failovers.size(), 1u);
}

TEST(Remote, IslandsRunInTheCoreAndAreCounted) {
  SLUICE_NEED_DEVICE();
  const Net net = with_island();
  auto remote = remote_of(net);
  RemoteHost host(held.device, *remote);
  ASSERT_TRUE(host.load().ok());
  feed(*remote, net.feeds);
  for (int run = 0; run < 2; ++run) {
    expect_same(host.run(), natively(net, Backend::kWebGpu, net.feeds));
  }
  const session::Binding& binding = remote->binding();
  ASSERT_FALSE(binding.islands.empty());
  EXPECT_EQ(binding.bound, Backend::kWebGpu);
  EXPECT_EQ(binding.host_copies, 2u);
  EXPECT_GT(binding.host_copy_bytes, 0u);
  EXPECT_EQ(host.counts().islands, 2);

  Options strict = software();
  strict.strict = true;
  auto refused = remote_of(net, strict);
  RemoteHost other(held.device, *refused);
  const auto loaded = other.load();
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code, ErrorCode::kUnsupported) << loaded.error().text();
}

TEST(Remote, WeightsAreGivenUpOnceTheDeviceHasThem) {
  SLUICE_NEED_DEVICE();
  Net net;
  const ir::ValueId x = net.input(op::case_floats(Shape{8, 64}));
  net.output(net.one("MatMul", {x, net.constant(op::case_floats(Shape{64, 96}))}));
  ASSERT_TRUE(net.infer().ok());
  auto remote = remote_of(net);
  RemoteHost host(held.device, *remote);
  ASSERT_TRUE(host.load().ok());
  feed(*remote, net.feeds);
  expect_same(host.run(), natively(net, Backend::kWebGpu, net.feeds));
  const auto again = remote->gpu_constant(0);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, ErrorCode::kUsage) << again.error().text();
  EXPECT_NE(again.error().message.find("given up"), std::string::npos) << again.error().text();
  // A new device gets them again.
  auto other = own_device();
  ASSERT_NE(other, nullptr);
  RemoteHost second(other, *remote);
  ASSERT_TRUE(remote->gpu_failover({.stage = "idle", .error = "a test"}).ok());
  const auto loaded = second.load();
  ASSERT_TRUE(loaded.ok()) << loaded.error().text();
  expect_same(second.run(), natively(net, Backend::kWebGpu, net.feeds));
  EXPECT_GE(second.counts().constants, 1);
  EXPECT_EQ(remote->binding().bound, Backend::kWebGpu);
}

TEST(Remote, ALossAtAnyDispatchIsFinishedOnTheCpu) {
  for (const int at : {0, 3, 5}) {
    SLUICE_OWN_DEVICE();
    SCOPED_TRACE(at);
    const Net net = chain();
    Options options = software();
    options.retry_interval_seconds = Options().retry_interval_seconds;
    auto remote = remote_of(net, options);
    RemoteHost host(device, *remote);
    ASSERT_TRUE(host.load().ok());
    feed(*remote, net.feeds);
    int runs = 0;
    host.before_dispatch = [&](int dispatch) {
      if (runs == 1 && dispatch == at) host.lose_device();
    };
    ASSERT_TRUE(host.run_or_fail_over().ok());
    runs = 1;
    expect_same(host.run_or_fail_over(), natively(net, Backend::kCpu, net.feeds));
    const session::Binding& binding = remote->binding();
    EXPECT_EQ(binding.bound, Backend::kCpu);
    EXPECT_EQ(binding.runs, 2);
    EXPECT_EQ(binding.evidence, session::Evidence::kProven);
    ASSERT_EQ(binding.failovers.size(), 1u);
    EXPECT_EQ(binding.failovers[0].stage, "run 2");
    EXPECT_TRUE(binding.failovers[0].device_lost);
    EXPECT_EQ(binding.failovers[0].redone, "the run, from its inputs");
    EXPECT_GT(binding.failovers[0].seconds, 0);
    EXPECT_EQ(parse_json(remote->binding_json())["events"].size(), 1u);
    // Later runs go on there, and no device is taken again so soon.
    const auto later = remote->run_cpu();
    ASSERT_TRUE(later.ok());
    const auto taken = remote->gpu_adapter(binding.adapter);
    ASSERT_FALSE(taken.ok());
    EXPECT_EQ(taken.error().code, ErrorCode::kDevice);
    EXPECT_EQ(binding.bound, Backend::kCpu);
  }
}

TEST(Remote, ADeviceThatLeavesOutputsUnwrittenIsNotBelieved) {
  SLUICE_NEED_DEVICE();
  std::vector<Net> nets;
  for (const int steps : {1, 2, 3, 4, 5, 6, 7}) nets.push_back(chain({Dim(3), Dim(129)}, steps));
  nets.push_back(chain({Dim(3), Dim::symbol("n")}, 6));
  nets.push_back(with_island());
  {
    // Results of several sizes, a view among them, made early and late.
    Net net;
    const ir::ValueId x = net.input(op::case_floats(Shape{4, 32}));
    const ir::ValueId early = net.one("Relu", {x});
    net.output(net.one("Reshape", {early, net.ints({8, 16})}));
    net.output(net.one("Sigmoid", {net.one("ReduceMax", {early, net.ints({1})})}));
    net.output(net.one("Tanh", {net.one("Sigmoid", {x})}));
    EXPECT_TRUE(net.infer().ok());
    nets.push_back(std::move(net));
  }
  for (size_t n = 0; n < nets.size(); ++n) {
    SCOPED_TRACE(n);
    Options options = software();
    options.self_test = n == 0;  // once is enough
    auto remote = remote_of(nets[n], options);
    RemoteHost host(held.device, *remote);
    host.self_test = options.self_test;
    ASSERT_TRUE(host.load().ok());
    feed(*remote, nets[n].feeds);
    // In a buffer that is fresh, and in one that holds the results of a run before.
    for (const bool after_a_run : {false, true}) {
      if (after_a_run) {
        ASSERT_TRUE(host.run().ok());
      }
      host.skip_dispatches = true;
      const auto got = host.run();
      ASSERT_FALSE(got.ok()) << "after a run: " << after_a_run;
      EXPECT_EQ(got.error().code, ErrorCode::kDevice) << got.error().text();
      host.skip_dispatches = false;
    }
    EXPECT_EQ(remote->binding().runs, 1);
  }
}

TEST(Remote, NotANumberIsTold) {
  SLUICE_NEED_DEVICE();
  Net net;
  Tensor x = op::case_floats(Shape{8});
  x.mutable_data<float>()[3] = std::numeric_limits<float>::infinity();
  net.output(net.one("Relu", {net.input(x)}));
  ASSERT_TRUE(net.infer().ok());
  auto remote = remote_of(net);
  RemoteHost host(held.device, *remote);
  ASSERT_TRUE(host.load().ok());
  feed(*remote, net.feeds);
  ASSERT_TRUE(host.run().ok());
  EXPECT_TRUE(remote->saw_nonfinite());
}

TEST(Remote, TheGateRefusesWhatItRefusesNatively) {
  SLUICE_NEED_DEVICE();
  const Net net = chain();
  const auto flip = [](size_t, std::span<std::byte> bytes) {
    bytes[bytes.size() / 2] ^= std::byte{1};
  };
  {
    auto remote = remote_of(net);
    RemoteHost host(held.device, *remote);
    host.tamper_canary = flip;
    const auto loaded = host.load();
    ASSERT_FALSE(loaded.ok());
    EXPECT_EQ(loaded.error().code, ErrorCode::kDevice);
    // Nothing is prepared on such a device, and with WebGPU alone asked for the load fails.
    EXPECT_FALSE(remote->gpu_prepare().ok());
    const auto gone = remote->gpu_failover({.stage = "", .error = loaded.error().text()});
    ASSERT_FALSE(gone.ok());
    EXPECT_EQ(gone.error().message, loaded.error().text());
  }
  {
    Options options = software();
    options.backend = Backend::kAuto;
    options.allow_software = false;
    auto remote = remote_of(net, options);
    RemoteHost host(held.device, *remote);
    const auto loaded = host.load();
    ASSERT_FALSE(loaded.ok());
    ASSERT_TRUE(remote->gpu_failover({.stage = "", .error = loaded.error().message}).ok());
    EXPECT_EQ(remote->binding().bound, Backend::kCpu);
    EXPECT_EQ(remote->binding().reason, loaded.error().message);
    EXPECT_TRUE(remote->binding().failovers.empty());
    feed(*remote, net.feeds);
    const auto got = remote->run_cpu();
    ASSERT_TRUE(got.ok());
    expect_same(Result<NamedValues>(**got), natively(net, Backend::kCpu, net.feeds));
  }
  {
    // Wrong only after warm-up: the first run's results are not handed out.
    auto remote = remote_of(net);
    RemoteHost host(held.device, *remote);
    ASSERT_TRUE(host.load().ok());
    host.tamper_canary = flip;
    feed(*remote, net.feeds);
    expect_same(host.run_or_fail_over(), natively(net, Backend::kCpu, net.feeds));
    EXPECT_EQ(remote->binding().failovers.size(), 1u);
    EXPECT_EQ(remote->binding().runs, 1);
  }
}

TEST(Remote, AHostThatSkipsRoundsOfTheSelfTestHasNotPassedIt) {
  SLUICE_NEED_DEVICE();
  const Net net = chain();
  auto remote = remote_of(net);
  ASSERT_TRUE(remote->gpu_adapter(session::adapter_facts(*held.device)).ok());
  const auto verdict = remote->gpu_canary_verdict("at load", 0);
  ASSERT_TRUE(verdict.ok());
  EXPECT_FALSE(verdict->passed);
  EXPECT_FALSE(verdict->refusal.empty());
}

TEST(Remote, StrictFailsInsteadOfFinishingElsewhere) {
  SLUICE_OWN_DEVICE();
  const Net net = chain();
  Options options = software();
  options.strict = true;
  auto remote = remote_of(net, options);
  RemoteHost host(device, *remote);
  ASSERT_TRUE(host.load().ok());
  feed(*remote, net.feeds);
  host.before_dispatch = [&](int dispatch) {
    if (dispatch == 2) host.lose_device();
  };
  const auto got = host.run_or_fail_over();
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().code, ErrorCode::kDevice);
}

TEST(Remote, CallsInTheWrongOrderAreTypedErrors) {
  SLUICE_NEED_DEVICE();
  const Net net = with_island();
  auto remote = remote_of(net);
  EXPECT_FALSE(remote->gpu_prepare().ok());
  EXPECT_FALSE(remote->gpu_canary(0).ok());
  EXPECT_FALSE(remote->gpu_canary_data(0, 0).ok());
  EXPECT_FALSE(remote->gpu_canary_verdict("at load", 0).ok());
  EXPECT_FALSE(remote->gpu_constant(0).ok());
  EXPECT_FALSE(remote->gpu_input(0).ok());
  EXPECT_FALSE(remote->gpu_output(0, {}).ok());
  EXPECT_FALSE(remote->gpu_finish(0).ok());
  EXPECT_FALSE(remote->run_cpu().ok());  // no feeds
  EXPECT_FALSE(remote->set_feed(7, Value()).ok());
  EXPECT_FALSE(remote->set_feed(0, Value(op::case_floats(Shape{5}))).ok());
  RemoteHost host(held.device, *remote);
  ASSERT_TRUE(host.load().ok());
  feed(*remote, net.feeds);
  EXPECT_FALSE(remote->run_cpu().ok());  // bound to a device
  const auto prepared = remote->gpu_prepare();
  ASSERT_TRUE(prepared.ok());
  EXPECT_FALSE(remote->gpu_canary(9).ok());
  EXPECT_FALSE(remote->gpu_input(1).ok());
  EXPECT_FALSE(remote->gpu_constant(1000).ok());
  EXPECT_FALSE(remote->gpu_output(1000, {}).ok());
  EXPECT_FALSE(remote->gpu_output(0, {}).ok());  // the island was left out
  for (size_t step = 0; step < 10; ++step) {
    EXPECT_FALSE(remote->gpu_island_input(step, 77, {}).ok());
    EXPECT_FALSE(remote->gpu_island_output(step, 77).ok());
  }
  EXPECT_FALSE(remote->gpu_island_run(99).ok());
  EXPECT_FALSE(remote->gpu_finish(0).ok());
  // And none of it did harm.
  expect_same(host.run(), natively(net, Backend::kWebGpu, net.feeds));
}

TEST(Remote, TheHostMayNoteWhatOnlyItKnows) {
  const Net net = chain();
  Options options;
  options.backend = Backend::kCpu;
  options.threads = 1;
  auto remote = remote_of(net, options);
  EXPECT_TRUE(remote->note(R"({"init_seconds": 1.5, "download": {"bytes": 7}})").ok());
  EXPECT_FALSE(remote->note(R"({"bound": "webgpu"})").ok());
  EXPECT_FALSE(remote->note(R"({"evidence": "proven"})").ok());
  EXPECT_FALSE(remote->note(R"({"console": "all is well"})").ok());
  EXPECT_FALSE(remote->note("[]").ok());
  feed(*remote, net.feeds);
  ASSERT_TRUE(remote->run_cpu().ok());
  const Json record = parse_json(remote->binding_json());
  EXPECT_EQ(record["init_seconds"], 1.5);
  EXPECT_EQ(record["download"]["bytes"], 7);
  EXPECT_EQ(record["bound"], "cpu");
  EXPECT_EQ(record["evidence"], "proven");
  EXPECT_EQ(record["runs"], 1);
}

TEST(Remote, TelemetryTellsEachEventOnce) {
  const Net net = chain();
  Options options;
  options.backend = Backend::kCpu;
  options.threads = 1;
  auto remote = remote_of(net, options);
  feed(*remote, net.feeds);
  ASSERT_TRUE(remote->run_cpu().ok());
  const auto names = [&](const Json& bodies) {
    std::vector<std::string> out;
    for (const Json& event : bodies["logs"]["resourceLogs"][0]["scopeLogs"][0]["logRecords"]) {
      out.push_back(event["eventName"]);
    }
    return out;
  };
  const auto bodies = remote->otlp(R"({"attributes": {"service.name": "shop"}})");
  ASSERT_TRUE(bodies.ok()) << bodies.error().text();
  const Json first = parse_json(*bodies);
  EXPECT_EQ(names(first), (std::vector<std::string>{"sluice.session.loaded", "sluice.run.first",
                                                    "sluice.session.summary"}));
  EXPECT_EQ(first["logs"]["resourceLogs"][0]["resource"]["attributes"][0]["value"]["stringValue"],
            "shop");
  EXPECT_FALSE(first["metrics"]["resourceMetrics"].empty());
  const Json second = parse_json(remote->otlp("{}").value());
  EXPECT_EQ(names(second), (std::vector<std::string>{"sluice.session.summary"}));
  EXPECT_FALSE(remote->otlp("no").ok());
}

}  // namespace
}  // namespace sluice::gpu_tests
