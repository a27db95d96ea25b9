// Random numbers with a seed come out the same on WebGPU as on the CPU.
#include <gtest/gtest.h>

#include "conformance/case_graph.h"
#include "exec/webgpu/software_device.h"
#include "op/interpreter.h"
#include "ops/registry.h"
#include "session/gpu.h"
#include "session/session.h"

namespace sluice {
namespace {

using namespace conformance;

TEST(GpuRandom, DrawsAreThoseOfTheCpu) {
  exec::webgpu::use_software_driver();
  session::Options options;
  options.backend = session::Backend::kWebGpu;
  options.allow_software = true;
  options.threads = 1;
  auto device = session::acquire_device(options);
  if (!device.ok()) GTEST_SKIP() << "not run: " << device.error().text();
  using Ints = std::vector<int64_t>;
  const Shape many{4, 1025};
  std::vector<op::Case> cases;
  for (const float seed : {0.0F, 2.0F, -7.5F}) {
    cases.push_back({.name = "uniform",
                     .op = "RandomUniform",
                     .attrs = {{"shape", Ints{4, 1025}}, {"low", -3.0F}, {"high", 7.0F}}});
    cases.push_back({.name = "normal",
                     .op = "RandomNormal",
                     .attrs = {{"shape", Ints{4, 1025}}, {"mean", 0.5F}, {"scale", 2.0F}}});
    cases.push_back({.name = "bernoulli",
                     .op = "Bernoulli",
                     .attrs = {{"dtype", int64_t{6}}},
                     .inputs = {op::case_floats(many)}});
    for (size_t i = cases.size() - 3; i < cases.size(); ++i) cases[i].attrs.set("seed", seed);
  }
  for (const op::Case& c : cases) {
    SCOPED_TRACE(c.name);
    auto graph = graph_of(c, false);
    ASSERT_TRUE(op::infer_graph(ops::registry(), *graph).ok());
    const auto feeds = feeds_of(c);
    auto truth = op::interpret(ops::registry(), *graph, feeds);
    ASSERT_TRUE(truth.ok()) << truth.error().text();
    session::NamedValues named;
    for (size_t i = 0; i < feeds.size(); ++i) {
      named.emplace_back(graph->value(graph->inputs()[i]).name, feeds[i]);
    }
    auto session = session::Session::from_graph(graph->clone(), c.name, options);
    ASSERT_TRUE(session.ok()) << session.error().text();
    auto got = (*session)->run(named);
    ASSERT_TRUE(got.ok()) << got.error().text();
    ASSERT_EQ((*session)->binding().bound, session::Backend::kWebGpu);
    EXPECT_TRUE((*session)->binding().islands.empty());
    EXPECT_EQ(compare((*got)[0].second, (*truth)[0], 5e-6, 2e-6), "");
  }
}

}  // namespace
}  // namespace sluice
