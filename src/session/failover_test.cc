// The job survives: every kind of fault at every stage ends in the right result or in a typed
// error, in time, and the record says what happened. Results after a failover equal a pure CPU run
// bit for bit. Runs on the software adapter.
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <optional>

#include "base/text.h"
#include "exec/webgpu/fault.h"
#include "exec/webgpu/software_device.h"
#include "op/op.h"
#include "ops/registry.h"
#include "session/gpu.h"
#include "session/session.h"

namespace sluice::session {
namespace {

using exec::webgpu::Fault;
using exec::webgpu::FaultInjector;
using exec::webgpu::FaultKind;
using exec::webgpu::Stage;

// Eight elementwise steps: enough for a first, a middle and a last dispatch.
std::unique_ptr<ir::Graph> chain() {
  auto graph = std::make_unique<ir::Graph>();
  ir::ValueId at = graph->add_input("x", Type::tensor(DType::kFloat32, Dims{Dim(3), Dim(129)}));
  for (int i = 0; i < 8; ++i) {
    const ir::NodeId node = graph->add_node(i % 2 == 0 ? "LeakyRelu" : "Sigmoid", {at});
    at = graph->node(node).outputs[0];
  }
  graph->outputs() = {at};
  EXPECT_TRUE(op::infer_graph(ops::registry(), *graph).ok());
  return graph;
}

NamedValues feed(int seed) {
  auto tensor = Tensor::allocate(DType::kFloat32, Shape{3, 129});
  for (int64_t i = 0; i < tensor->elements(); ++i) {
    tensor->set_double(i, static_cast<double>((i * 37 + seed * 11) % 101) / 25.0 - 2.0);
  }
  return {{"x", Value(std::move(tensor).value())}};
}

Result<Tensor> run_once(Session& session, int seed) {
  SLUICE_ASSIGN(auto out, session.run(feed(seed)));
  return out[0].second.tensor();
}

Tensor cpu_result(int seed) {
  Options options;
  options.backend = Backend::kCpu;
  options.threads = 1;
  auto session = Session::from_graph(chain(), "chain", options);
  EXPECT_TRUE(session.ok());
  return run_once(**session, seed).value();
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.size_bytes() == b.size_bytes() &&
         std::memcmp(a.bytes().data(), b.bytes().data(), a.size_bytes()) == 0;
}

bool device_is_here(std::string& why) {
  auto device = exec::webgpu::software_device();
  if (!device.ok()) why = device.error().text();
  return device.ok();
}

Options gpu_options(FaultInjector* faults, Backend backend) {
  Options options;
  options.backend = backend;
  options.allow_software = true;
  options.threads = 1;
  options.faults = faults;
  options.deadline_seconds = 1;
  options.retry_interval_seconds = 0;
  // The self-test would suffer the fault first, at load. Only wrong numbers are its to find.
  options.self_test = false;
  return options;
}

TEST(Failover, EveryFaultAtEveryStageEndsInTheRightResultOrATypedError) {
  std::string why;
  if (!device_is_here(why)) GTEST_SKIP() << "not run: " << why;
  const Tensor truth[] = {cpu_result(0), cpu_result(1), cpu_result(2)};
  int combinations = 0, fired = 0, failovers = 0, at_load = 0;
  for (const FaultKind kind : exec::webgpu::all_fault_kinds()) {
    for (const Stage stage : exec::webgpu::all_stages()) {
      SCOPED_TRACE(cat(exec::webgpu::name(kind), "@", exec::webgpu::name(stage)));
      ++combinations;
      FaultInjector faults({{kind, stage}});
      const auto start = std::chrono::steady_clock::now();
      // "auto" must always give a working session.
      Options options = gpu_options(&faults, Backend::kAuto);
      options.self_test = kind == FaultKind::kWrongNumbers;
      auto session = Session::from_graph(chain(), "chain", options);
      ASSERT_TRUE(session.ok()) << session.error().text();
      const bool loaded_on_gpu = (*session)->binding().bound == Backend::kWebGpu;
      for (int run = 0; run < 3; ++run) {
        auto got = run_once(**session, run);
        ASSERT_TRUE(got.ok()) << got.error().text();
        const Binding& binding = (*session)->binding();
        if (binding.bound == Backend::kCpu) {
          EXPECT_TRUE(same_bits(*got, truth[run])) << "run " << run;
        } else {
          for (int64_t i = 0; i < got->elements(); ++i) {
            ASSERT_NEAR(got->get_double(i), truth[run].get_double(i), 2e-6) << "run " << run;
          }
        }
      }
      const Binding& binding = (*session)->binding();
      EXPECT_EQ(binding.runs, 3);
      if (!faults.fired().empty()) {
        ++fired;
        if (binding.bound == Backend::kWebGpu) {
          // Wrong numbers where nothing is computed yet do no harm: the results above were right.
          EXPECT_EQ(kind, FaultKind::kWrongNumbers);
          continue;
        }
        // What was suffered is told: at load by the reason, later by a failover.
        EXPECT_EQ(binding.bound, Backend::kCpu);
        if (loaded_on_gpu) {
          ++failovers;
          ASSERT_EQ(binding.failovers.size(), 1U);
          EXPECT_FALSE(binding.failovers[0].error.empty());
        } else {
          ++at_load;
          EXPECT_FALSE(binding.reason.empty());
        }
      }
      const double seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      EXPECT_LT(seconds, 10);
    }
  }
  std::printf("             %d combinations, %d faults suffered: %d at load, %d failovers\n",
              combinations, fired, at_load, failovers);
  EXPECT_GE(fired, 30);
  EXPECT_GE(failovers, 10);
}

// While the CPU finishes a job, the devices of others fail, too, in every way: the job is right,
// and each of those sessions finishes its own.
TEST(Failover, FaultsDuringTheRetryOnTheCpu) {
  std::string why;
  if (!device_is_here(why)) GTEST_SKIP() << "not run: " << why;
  Options cpu;
  cpu.backend = Backend::kCpu;
  cpu.threads = 1;
  int struck = 0;
  for (const FaultKind kind : exec::webgpu::all_fault_kinds()) {
    SCOPED_TRACE(exec::webgpu::name(kind));
    FaultInjector faults, others;
    Options options = gpu_options(&faults, Backend::kWebGpu);
    options.deadline_seconds = 20;  // for what is to work
    auto session = Session::from_graph(chain(), "chain", options);
    ASSERT_TRUE(session.ok()) << session.error().text();
    options = gpu_options(&others, Backend::kWebGpu);
    options.deadline_seconds = 3;
    auto other = Session::from_graph(chain(), "chain", options);
    ASSERT_TRUE(other.ok()) << other.error().text();
    const auto start = std::chrono::steady_clock::now();
    faults = FaultInjector({{FaultKind::kForceLoss, Stage::kReadback}});
    // Values of the retry come one by one; at the third the other device fails under work.
    int values = 0;
    std::optional<Result<Tensor>> theirs;
    Observer observer;
    observer.value = [&](std::string_view, const Value&) -> Result<void> {
      if (faults.done() && ++values == 3) {
        const bool wrong = kind == FaultKind::kWrongNumbers;
        others = FaultInjector({{kind, wrong ? Stage::kReadback : Stage::kMiddleDispatch}});
        theirs = run_once(**other, 2);
        ++struck;
      }
      return {};
    };
    auto got = (*session)->run(feed(0), observer);
    ASSERT_TRUE(got.ok()) << got.error().text();
    EXPECT_EQ((*session)->binding().bound, Backend::kCpu);
    EXPECT_EQ((*session)->binding().failovers.size(), 1U);
    auto truth = Session::from_graph(chain(), "chain", cpu);
    ASSERT_TRUE(truth.ok());
    Observer watching;
    watching.value = [](std::string_view, const Value&) -> Result<void> { return {}; };
    const auto want = (*truth)->run(feed(0), watching);
    ASSERT_TRUE(want.ok());
    EXPECT_TRUE(same_bits((*got)[0].second.tensor(), (*want)[0].second.tensor()));
    ASSERT_TRUE(theirs.has_value());
    ASSERT_TRUE(theirs->ok()) << theirs->error().text();
    // Only a self-test sees wrong numbers: these sessions do without.
    if (kind != FaultKind::kWrongNumbers) {
      EXPECT_EQ((*other)->binding().bound, Backend::kCpu);
      EXPECT_TRUE(same_bits(theirs->value(), cpu_result(2)));
    }
    EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), 10);
  }
  EXPECT_EQ(struck, 10);
}

TEST(Failover, AskedForWebGpuOnlyALoadThatFailsIsATypedError) {
  std::string why;
  if (!device_is_here(why)) GTEST_SKIP() << "not run: " << why;
  for (const Stage stage : {Stage::kAdapter, Stage::kDevice}) {
    FaultInjector faults(
        {{FaultKind::kAdapterNull, stage}, {FaultKind::kDeviceLostAtBirth, stage}});
    auto session = Session::from_graph(chain(), "chain", gpu_options(&faults, Backend::kWebGpu));
    if (session.ok()) continue;
    EXPECT_EQ(session.error().code, ErrorCode::kDevice) << session.error().text();
  }
  // A software adapter that was not allowed.
  Options options;
  options.backend = Backend::kWebGpu;
  auto session = Session::from_graph(chain(), "chain", options);
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.error().code, ErrorCode::kDevice);
  options.backend = Backend::kAuto;
  session = Session::from_graph(chain(), "chain", options);
  ASSERT_TRUE(session.ok());
  EXPECT_EQ((*session)->binding().bound, Backend::kCpu);
  EXPECT_FALSE((*session)->binding().reason.empty());
}

TEST(Failover, StrictFailsInsteadOfFinishingElsewhere) {
  std::string why;
  if (!device_is_here(why)) GTEST_SKIP() << "not run: " << why;
  FaultInjector faults({{FaultKind::kForceLoss, Stage::kMiddleDispatch}});
  Options options = gpu_options(&faults, Backend::kWebGpu);
  options.strict = true;
  auto session = Session::from_graph(chain(), "chain", options);
  ASSERT_TRUE(session.ok()) << session.error().text();
  auto got = run_once(**session, 0);
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().code, ErrorCode::kDevice) << got.error().text();
}

TEST(Failover, ABatchGoesOnAtTheItemInFlight) {
  std::string why;
  if (!device_is_here(why)) GTEST_SKIP() << "not run: " << why;
  for (const Stage stage : {Stage::kFirstDispatch, Stage::kMiddleDispatch, Stage::kReadback}) {
    SCOPED_TRACE(exec::webgpu::name(stage));
    FaultInjector faults;
    auto session = Session::from_graph(chain(), "chain", gpu_options(&faults, Backend::kWebGpu));
    ASSERT_TRUE(session.ok()) << session.error().text();
    for (int item = 0; item < 6; ++item) {
      if (item == 3) faults = FaultInjector({{FaultKind::kForceLoss, stage}});
      const auto got = run_once(**session, item);
      ASSERT_TRUE(got.ok()) << got.error().text();
      const Tensor truth = cpu_result(item);
      if (item < 3) {
        EXPECT_EQ((*session)->binding().bound, Backend::kWebGpu);
        for (int64_t i = 0; i < got->elements(); ++i) {
          ASSERT_NEAR(got->get_double(i), truth.get_double(i), 2e-6);
        }
      } else {
        EXPECT_TRUE(same_bits(*got, truth)) << "item " << item;
      }
    }
    const Binding& binding = (*session)->binding();
    ASSERT_EQ(binding.failovers.size(), 1U);
    EXPECT_EQ(binding.failovers[0].stage, "run 4");
    EXPECT_TRUE(binding.failovers[0].device_lost);
    EXPECT_EQ(binding.runs, 6);
  }
}

// The state of a recurrent model is an output that the caller hands in again: what had been read
// back before the loss is what the CPU goes on from.
TEST(Failover, AStatefulModelGoesOnFromTheLastStateReadBack) {
  std::string why;
  if (!device_is_here(why)) GTEST_SKIP() << "not run: " << why;
  const auto recurrent = [] {
    auto graph = std::make_unique<ir::Graph>();
    const Type type = Type::tensor(DType::kFloat32, Dims{Dim(1), Dim(65)});
    const ir::ValueId x = graph->add_input("x", type);
    const ir::ValueId state = graph->add_input("state", type);
    const ir::NodeId sum = graph->add_node("Add", {x, state});
    const ir::NodeId next = graph->add_node("Tanh", {graph->node(sum).outputs[0]});
    graph->outputs() = {graph->node(next).outputs[0]};
    EXPECT_TRUE(op::infer_graph(ops::registry(), *graph).ok());
    return graph;
  };
  const auto input = [](int step) {
    auto tensor = Tensor::allocate(DType::kFloat32, Shape{1, 65});
    for (int64_t i = 0; i < 65; ++i) {
      tensor->set_double(i, static_cast<double>((i * 7 + step * 3) % 19) / 10 - 0.9);
    }
    return std::move(tensor).value();
  };
  const auto all_steps = [&](Session& session, FaultInjector* faults) {
    Tensor state = Tensor::allocate(DType::kFloat32, Shape{1, 65}).value();
    for (int step = 0; step < 8; ++step) {
      if (faults != nullptr && step == 5) {
        *faults = FaultInjector({{FaultKind::kForceLoss, Stage::kSubmit}});
      }
      auto out = session.run({{"x", Value(input(step))}, {"state", Value(state)}});
      EXPECT_TRUE(out.ok()) << out.error().text();
      if (!out.ok()) break;
      state = (*out)[0].second.tensor();
    }
    return state;
  };
  Options cpu;
  cpu.backend = Backend::kCpu;
  cpu.threads = 1;
  auto truth = Session::from_graph(recurrent(), "recurrent", cpu);
  FaultInjector faults;
  auto session =
      Session::from_graph(recurrent(), "recurrent", gpu_options(&faults, Backend::kWebGpu));
  ASSERT_TRUE(truth.ok() && session.ok());
  const Tensor want = all_steps(**truth, nullptr);
  const Tensor got = all_steps(**session, &faults);
  for (int64_t i = 0; i < 65; ++i) ASSERT_NEAR(got.get_double(i), want.get_double(i), 2e-5);
  EXPECT_EQ((*session)->binding().failovers.size(), 1U);
  EXPECT_EQ((*session)->binding().bound, Backend::kCpu);
}

TEST(Failover, HalfPrecisionWeightsWidenWhereTheDeviceHasNoF16AndTheRecordSaysSo) {
  std::string why;
  if (!device_is_here(why)) GTEST_SKIP() << "not run: " << why;
  auto graph = std::make_unique<ir::Graph>();
  const ir::ValueId x = graph->add_input("x", Type::tensor(DType::kFloat16, Dims{Dim(1), Dim(33)}));
  auto weight = Tensor::allocate(DType::kFloat16, Shape{1, 33});
  for (int64_t i = 0; i < 33; ++i) weight->set_double(i, static_cast<double>(i) / 8 - 2);
  const ir::ValueId w = graph->add_constant("w", *weight);
  graph->outputs() = {graph->node(graph->add_node("Mul", {x, w})).outputs[0]};
  ASSERT_TRUE(op::infer_graph(ops::registry(), *graph).ok());
  auto session =
      Session::from_graph(std::move(graph), "half", gpu_options(nullptr, Backend::kWebGpu));
  ASSERT_TRUE(session.ok()) << session.error().text();
  const auto out = (*session)->run({{"x", Value(*weight)}});
  ASSERT_TRUE(out.ok()) << out.error().text();
  const Tensor& got = (*out)[0].second.tensor();
  EXPECT_EQ(got.dtype(), DType::kFloat16);
  for (int64_t i = 0; i < 33; ++i) {
    EXPECT_EQ(got.get_double(i), weight->get_double(i) * weight->get_double(i));
  }
  const Binding& binding = (*session)->binding();
  EXPECT_EQ(binding.bound, Backend::kWebGpu);
  EXPECT_EQ(binding.widened_float16, !binding.adapter.features.f16);
  EXPECT_EQ(binding.precision,
            binding.adapter.features.f16 ? Precision::kFloat16 : Precision::kWidened);
  EXPECT_NE(binding.console_line("half").find(binding.adapter.features.f16 ? "f16" : "widened"),
            std::string::npos);
}

TEST(Failover, TheGpuIsTakenAgainOnlyWhenAskedAndRarely) {
  std::string why;
  if (!device_is_here(why)) GTEST_SKIP() << "not run: " << why;
  FaultInjector faults({{FaultKind::kForceLoss, Stage::kSubmit}});
  Options options = gpu_options(&faults, Backend::kWebGpu);
  options.retry_interval_seconds = 120;
  forget_device_failures();
  auto session = Session::from_graph(chain(), "chain", options);
  ASSERT_TRUE(session.ok()) << session.error().text();
  ASSERT_TRUE(run_once(**session, 0).ok());
  EXPECT_EQ((*session)->binding().bound, Backend::kCpu);
  const auto refused = (*session)->retry_gpu();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kDevice);
  EXPECT_EQ((*session)->binding().bound, Backend::kCpu);
  EXPECT_TRUE(same_bits(run_once(**session, 1).value(), cpu_result(1)));

  FaultInjector again({{FaultKind::kForceLoss, Stage::kSubmit}});
  options.faults = &again;
  options.retry_interval_seconds = 0;
  session = Session::from_graph(chain(), "chain", options);
  ASSERT_TRUE(session.ok()) << session.error().text();
  ASSERT_TRUE(run_once(**session, 0).ok());
  ASSERT_EQ((*session)->binding().bound, Backend::kCpu);
  const auto taken = (*session)->retry_gpu();
  ASSERT_TRUE(taken.ok()) << taken.error().text();
  ASSERT_TRUE(run_once(**session, 2).ok());
  EXPECT_EQ((*session)->binding().bound, Backend::kWebGpu);
  EXPECT_EQ((*session)->binding().failovers.size(), 1U);
}

TEST(Failover, NewSessionsLeaveTheGpuAloneForAWhileAndSayWhy) {
  std::string why;
  if (!device_is_here(why)) GTEST_SKIP() << "not run: " << why;
  for (const bool strict : {false, true}) {
    SCOPED_TRACE(strict);
    FaultInjector faults({{FaultKind::kForceLoss, Stage::kSubmit}});
    Options options = gpu_options(&faults, Backend::kWebGpu);
    options.strict = strict;
    auto failing = Session::from_graph(chain(), "chain", options);
    ASSERT_TRUE(failing.ok()) << failing.error().text();
    // One that has a device of its own, and does not need to take one.
    auto other = Session::from_graph(chain(), "chain", gpu_options(nullptr, Backend::kWebGpu));
    ASSERT_TRUE(other.ok()) << other.error().text();
    EXPECT_EQ(run_once(**failing, 0).ok(), !strict);
    ASSERT_EQ(faults.fired().size(), 1U);

    options = gpu_options(nullptr, Backend::kAuto);
    options.retry_interval_seconds = 120;
    auto fallen = Session::from_graph(chain(), "chain", options);
    ASSERT_TRUE(fallen.ok()) << fallen.error().text();
    const Binding& binding = (*fallen)->binding();
    EXPECT_EQ(binding.bound, Backend::kCpu);
    EXPECT_NE(binding.reason.find("A device failed"), std::string::npos) << binding.reason;
    EXPECT_NE(binding.console_line("chain").find("120 s must pass"), std::string::npos)
        << binding.console_line("chain");
    EXPECT_TRUE(same_bits(run_once(**fallen, 1).value(), cpu_result(1)));

    options.backend = Backend::kWebGpu;
    const auto refused = Session::from_graph(chain(), "chain", options);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::kDevice) << refused.error().text();

    ASSERT_TRUE(run_once(**other, 2).ok());
    EXPECT_EQ((*other)->binding().bound, Backend::kWebGpu);
    // Once the time has passed, the gate decides again.
    options.retry_interval_seconds = 0;
    auto taken = Session::from_graph(chain(), "chain", options);
    ASSERT_TRUE(taken.ok()) << taken.error().text();
    EXPECT_EQ((*taken)->binding().bound, Backend::kWebGpu);
  }
}

TEST(Failover, TwentyRunsGiveOneResult) {
  std::string why;
  if (!device_is_here(why)) GTEST_SKIP() << "not run: " << why;
  auto session = Session::from_graph(chain(), "chain", gpu_options(nullptr, Backend::kWebGpu));
  ASSERT_TRUE(session.ok()) << session.error().text();
  auto first = run_once(**session, 5);
  ASSERT_TRUE(first.ok());
  for (int run = 0; run < 20; ++run) {
    auto got = run_once(**session, 5);
    ASSERT_TRUE(got.ok());
    ASSERT_TRUE(same_bits(*got, *first)) << "run " << run;
  }
  EXPECT_EQ((*session)->binding().bound, Backend::kWebGpu);
  EXPECT_EQ((*session)->binding().evidence, Evidence::kProven);
}

}  // namespace
}  // namespace sluice::session
