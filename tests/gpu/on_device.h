// What the tests of the GPU path share: small graphs made in memory, the reference's answer, and a
// run on the software adapter that has no way to pass without the device: bound to WebGPU, no
// island, no failover, within the limits it was compiled for.
#pragma once

#include <gtest/gtest.h>

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
  return options;
}

// The process's device, held together with a session, so that the sessions of a test share both the
// device and its self-test. `session` is empty where there is none ("not run").
struct Held {
  std::unique_ptr<session::Session> session;
  std::shared_ptr<exec::webgpu::Device> device;
  std::string why_not;
};
inline Held hold_device() {
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

#define SLUICE_NEED_DEVICE()                                     \
  const sluice::gpu_tests::Held held = gpu_tests::hold_device(); \
  if (held.session == nullptr) GTEST_SKIP() << "not run: " << held.why_not

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

// Runs the net on the device and compares it with the reference. Gives the plan's figures.
inline session::PlanFigures expect_like_reference(Net net, double atol = 2e-6, double rtol = 2e-6) {
  if (const auto inferred = net.infer(); !inferred.ok()) {
    ADD_FAILURE() << inferred.error().text();
    return {};
  }
  const auto want = op::interpret(ops::registry(), *net.graph, net.feeds);
  if (!want.ok()) {
    ADD_FAILURE() << want.error().text();
    return {};
  }
  const session::NamedValues feeds = net.named();
  auto session = session::Session::from_graph(std::move(net.graph), "test", software());
  if (!session.ok()) {
    ADD_FAILURE() << session.error().text();
    return {};
  }
  const auto got = (*session)->run(feeds);
  if (!got.ok()) {
    ADD_FAILURE() << got.error().text();
    return {};
  }
  expect_whole_job_on_device((*session)->binding());
  EXPECT_EQ(got->size(), want->size());
  for (size_t i = 0; i < std::min(got->size(), want->size()); ++i) {
    EXPECT_EQ(conformance::compare((*got)[i].second, (*want)[i], atol, rtol), "") << "output " << i;
  }
  return (*session)->binding().plan;
}

}  // namespace sluice::gpu_tests
