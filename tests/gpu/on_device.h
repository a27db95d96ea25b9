// What the tests of the GPU path share: small graphs made in memory, the reference's answer, and a
// run on the software adapter that has no way to pass without the device: bound to WebGPU, no
// island, no failover, within the limits it was compiled for.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "conformance/case_graph.h"
#include "exec/webgpu/software_device.h"
#include "op/interpreter.h"
#include "ops/registry.h"
#include "session/gpu.h"
#include "session/session.h"

namespace sluice::gpu_tests {

// A graph with what is fed to it.
struct Net {
  std::unique_ptr<ir::Graph> graph = std::make_unique<ir::Graph>();
  std::vector<Value> feeds;

  // An input of the tensor's shape, or of `dims` where extents are to be symbols.
  ir::ValueId input(const Tensor& tensor, std::optional<Dims> dims = {}) {
    feeds.emplace_back(tensor);
    return graph->add_input(cat("in", feeds.size()),
                            Type::tensor(tensor.dtype(), dims ? *dims : to_dims(tensor.shape())));
  }
  ir::ValueId constant(const Tensor& tensor) {
    return graph->add_constant(cat("c", graph->value_count()), tensor);
  }
  ir::ValueId ints(std::vector<int64_t> values) {
    return constant(Tensor::of<int64_t>(Shape{static_cast<int64_t>(values.size())},
                                        std::span<const int64_t>(values)));
  }
  std::vector<ir::ValueId> node(std::string_view op, std::vector<ir::ValueId> in, int outputs = 1,
                                AttrMap attrs = {}, std::string_view domain = "") {
    return graph->node(graph->add_node(op, std::move(in), outputs, std::move(attrs), domain))
        .outputs;
  }
  ir::ValueId one(std::string_view op, std::vector<ir::ValueId> in, AttrMap attrs = {},
                  std::string_view domain = "") {
    return node(op, std::move(in), 1, std::move(attrs), domain)[0];
  }
  void output(ir::ValueId id) { graph->outputs().push_back(id); }
  // Types of all values; to be called once, when the graph is whole.
  Result<void> infer() { return op::infer_graph(ops::registry(), *graph); }

  session::NamedValues named() const { return named(feeds); }
  session::NamedValues named(const std::vector<Value>& values) const {
    session::NamedValues out;
    for (size_t i = 0; i < values.size(); ++i) {
      out.emplace_back(graph->value(graph->inputs()[i]).name, values[i]);
    }
    return out;
  }
};

inline session::Options software() {
  exec::webgpu::use_software_driver();
  session::Options options;
  options.backend = session::Backend::kWebGpu;
  options.allow_software = true;
  options.threads = 1;
  options.deadline_seconds = 60;       // compiling shares the cores with everybody else
  options.retry_interval_seconds = 0;  // other tests lose devices on purpose
  return options;
}

// The process's device, held together with a session, so that all tests share the device, its
// self-test and the pipelines compiled on it; made anew after a test that lost it or failed, which
// may have left work behind. `session` is empty where there is none ("not run").
struct Held {
  std::unique_ptr<session::Session> session;
  std::shared_ptr<exec::webgpu::Device> device;
  std::string why_not;
};
inline Held make_held() {
  Net net;
  net.output(net.one("Relu", {net.input(op::case_floats(Shape{4}))}));
  Held held;
  auto inferred = net.infer();
  auto session = session::Session::from_graph(std::move(net.graph), "held", software());
  auto device = session::acquire_device(software());
  if (inferred.ok() && session.ok() && device.ok()) {
    held.session = std::move(session).value();
    held.device = std::move(device).value();
  } else {
    held.why_not = !session.ok() ? session.error().text() : "there is no device";
  }
  return held;
}
inline Held& the_held() {
  static Held held;
  return held;
}
inline const Held& hold_device() {
  static int failed_before = 0;
  Held& held = the_held();
  const int failed = testing::UnitTest::GetInstance()->failed_test_count();
  if (held.device == nullptr || failed != failed_before || !held.device->usable()) {
    held = {};
    held = make_held();
  }
  failed_before = failed;
  return held;
}
// Given back before the process ends: the driver, which is loaded later than the_held() is made,
// takes itself apart sooner, and crashes when it has a device by then.
class GiveHeldBack : public testing::Environment {
  void TearDown() override { the_held() = {}; }
};
inline testing::Environment* const give_held_back =
    testing::AddGlobalTestEnvironment(new GiveHeldBack);

#define SLUICE_NEED_DEVICE()                                      \
  const sluice::gpu_tests::Held& held = gpu_tests::hold_device(); \
  if (held.session == nullptr) GTEST_SKIP() << "not run: " << held.why_not

// Whether the sweeps were asked for, too.
inline bool long_run() {
  const char* const wanted = std::getenv("SLUICE_LONG");
  return wanted != nullptr && *wanted != 0;
}

// Another one that waits longer: what compiles or computes much takes a software adapter on a busy
// machine a while.
inline std::shared_ptr<exec::webgpu::Device> patient_device(const Held& held) {
  exec::webgpu::DeviceOptions patient;
  patient.allow_software = true;
  patient.features = held.device->features();
  patient.deadline_seconds = 300;
  auto device = exec::webgpu::Device::create(patient);
  EXPECT_TRUE(device.ok()) << (device.ok() ? "" : device.error().text());
  return device.ok() ? std::move(device).value() : nullptr;
}

// Everything that must hold of a binding for the device to have done the whole job.
inline void expect_whole_job_on_device(const session::Binding& binding,
                                       const plan::Limits& limits = {}) {
  EXPECT_EQ(binding.bound, session::Backend::kWebGpu) << binding.reason;
  EXPECT_EQ(binding.evidence, session::Evidence::kProven);
  for (const session::Island& island : binding.islands) {
    ADD_FAILURE() << "an island: " << island.op << " " << island.node << ": " << island.reason;
  }
  for (const session::Failover& failover : binding.failovers) {
    ADD_FAILURE() << "a failover: " << failover.stage << ": " << failover.error;
  }
  EXPECT_GT(binding.plan.dispatches, 0);
  EXPECT_GT(binding.plan.most_storage_buffers, 0u);
  EXPECT_LE(binding.plan.most_storage_buffers, limits.max_storage_buffers_per_stage);
  EXPECT_LE(binding.plan.largest_binding_bytes, limits.max_storage_binding_bytes);
  EXPECT_LE(binding.plan.largest_buffer_bytes, limits.max_buffer_bytes);
}

// A case of an operator's table.
inline Net net_of(const op::Case& c, bool symbolic = false) {
  return {.graph = conformance::graph_of(c, symbolic), .feeds = conformance::feeds_of(c)};
}

// What the device makes of the net, all of it, and what the reference does. Empty after a failure,
// which has been reported.
struct Beside {
  std::vector<Value> got, want;
  session::PlanFigures figures;
};
inline Beside beside_reference(Net net) {
  if (const auto inferred = net.infer(); !inferred.ok()) {
    ADD_FAILURE() << inferred.error().text();
    return {};
  }
  auto want = op::interpret(ops::registry(), *net.graph, net.feeds);
  if (!want.ok()) {
    ADD_FAILURE() << want.error().text();
    return {};
  }
  const session::NamedValues feeds = net.named();
  session::Options options = software();
  options.self_test = false;  // which the held device has passed: each session would repeat it
  auto session = session::Session::from_graph(std::move(net.graph), "test", options);
  if (!session.ok()) {
    ADD_FAILURE() << session.error().text();
    return {};
  }
  auto got = (*session)->run(feeds);
  if (!got.ok()) {
    ADD_FAILURE() << got.error().text();
    return {};
  }
  expect_whole_job_on_device((*session)->binding());
  EXPECT_EQ(got->size(), want->size());
  if (got->size() != want->size()) return {};
  Beside out{.want = std::move(want).value(), .figures = (*session)->binding().plan};
  for (auto& [name, value] : *got) out.got.push_back(std::move(value));
  return out;
}

// The same compared. Gives the plan's figures.
inline session::PlanFigures expect_like_reference(Net net, double atol = 2e-6, double rtol = 2e-6) {
  const Beside made = beside_reference(std::move(net));
  for (size_t i = 0; i < made.got.size(); ++i) {
    EXPECT_EQ(conformance::compare(made.got[i], made.want[i], atol, rtol), "") << "output " << i;
  }
  return made.figures;
}

// The largest figures of several plans, printed at the end.
struct Largest {
  std::string of;
  int plans = 0;
  uint32_t storage_buffers = 0;
  uint64_t binding_bytes = 0;
  explicit Largest(std::string what) : of(std::move(what)) {}
  Largest(const Largest&) = delete;
  Largest& operator=(const Largest&) = delete;
  void add(const session::PlanFigures& figures) {
    ++plans;
    storage_buffers =
        std::max(storage_buffers, static_cast<uint32_t>(figures.most_storage_buffers));
    binding_bytes = std::max(binding_bytes, uint64_t{figures.largest_binding_bytes});
  }
  ~Largest() {
    std::printf("  %d %s: at most %u storage buffers in a dispatch, largest binding %llu bytes\n",
                plans, of.c_str(), storage_buffers, static_cast<unsigned long long>(binding_bytes));
  }
};

}  // namespace sluice::gpu_tests
