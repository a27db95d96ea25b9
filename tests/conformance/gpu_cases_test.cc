// Every operator's case table on WebGPU (the software adapter that comes with Debian's chromium, or
// whatever VK_ICD_FILENAMES names) against the reference: with fixed and with symbolic shapes,
// twice, with device memory holding two different patterns beforehand, whose results must be equal
// bit for bit. A case that needs an island is counted; a run that was finished on the CPU fails.
// The software adapter takes minutes over all of that, so that without SLUICE_LONG every case runs
// once, every eighth with symbolic shapes too, and every tenth with the second pattern.
#include <gtest/gtest.h>

#include "gpu/on_device.h"
#include "ops/case_tables.h"
#include "ops/registry.h"
#include "session/gate.h"
#include "session/gpu.h"
#include "session/session.h"

namespace sluice {
namespace {

using namespace conformance;

// float32 on a device: WGSL allows exp 3 + 2|x| ULP, division 2.5 ULP, and sums in any order, so a
// case written for double accumulation gets this much more.
constexpr double kDeviceTolerance = 2e-6;

class GpuCaseTable : public testing::TestWithParam<ops::CaseTable> {};

TEST_P(GpuCaseTable, AgreesWithReference) {
  SLUICE_NEED_DEVICE();
  session::GateOptions gate;
  gate.allow_software = true;
  const session::GateDecision decision = session::gate(held.device, nullptr, gate);
  ASSERT_TRUE(decision.passed) << decision.refusal();
  session::Options options = gpu_tests::software();
  options.self_test = false;  // passed just now; each session would repeat it after its first run
  const op::Registry& registry = ops::registry();
  const bool everything = gpu_tests::long_run();
  int count = 0, whole = 0;
  std::map<std::string, int> reasons;
  for (const op::Case& c : GetParam().cases()) {
    const op::OpDef* def = registry.find(c.domain, c.op);
    if (def == nullptr || !def->deterministic) continue;
    SCOPED_TRACE(cat(GetParam().family, "/", c.op, " ", c.name));
    ++count;
    std::vector<Value> truth;
    for (const bool symbolic : {false, true}) {
      if (symbolic && !everything && count % 8 != 0) continue;
      auto graph = graph_of(c, symbolic);
      const auto inferred = op::infer_graph(registry, *graph);
      ASSERT_TRUE(inferred.ok()) << inferred.error().text();
      const auto feeds = feeds_of(c);
      if (!symbolic) {
        auto reference = op::interpret(registry, *graph, feeds);
        ASSERT_TRUE(reference.ok()) << reference.error().text();
        truth = std::move(reference).value();
      }
      session::NamedValues named;
      for (size_t i = 0; i < feeds.size(); ++i) {
        named.emplace_back(graph->value(graph->inputs()[i]).name, feeds[i]);
      }
      std::vector<Value> first;
      for (const uint32_t fill : {0x7fc0ffeeU, 0x3f8ccccdU}) {
        if (fill == 0x3f8ccccdU && !everything && count % 10 != 0) continue;
        options.fill_word = fill;
        auto session = session::Session::from_graph(graph->clone(), c.name, options);
        ASSERT_TRUE(session.ok()) << session.error().text();
        auto got = (*session)->run(named);
        ASSERT_TRUE(got.ok()) << got.error().text();
        const session::Binding& binding = (*session)->binding();
        ASSERT_EQ(binding.bound, session::Backend::kWebGpu)
            << (binding.failovers.empty() ? "" : binding.failovers.back().error);
        ASSERT_EQ(got->size(), truth.size());
        const std::string kernel = binding.islands.empty() ? "device" : "island";
        for (size_t i = 0; i < truth.size(); ++i) {
          const Value& value = (*got)[i].second;
          if (fill == 0x7fc0ffeeU) {
            EXPECT_EQ(compare(value, truth[i], std::max(c.atol, kDeviceTolerance),
                              std::max(c.rtol, kDeviceTolerance)),
                      "")
                << kernel << ", output " << i << (symbolic ? " (symbolic)" : "");
            first.push_back(value);
          } else {
            EXPECT_TRUE(same_bits(value, first[i]))
                << kernel << ", output " << i << " depends on what memory held"
                << (symbolic ? " (symbolic)" : "");
          }
        }
        if (!symbolic && fill == 0x7fc0ffeeU) {
          if (binding.islands.empty()) {
            ++whole;
          } else {
            ++reasons[binding.islands[0].reason];
          }
        }
      }
    }
  }
  std::printf("             %s: %d cases, %d entirely on the GPU\n",
              std::string(GetParam().family).c_str(), count, whole);
  if (std::getenv("SLUICE_SHOW_ISLANDS") != nullptr) {
    for (const auto& [reason, times] : reasons) {
      std::printf("               %d x %s\n", times, reason.c_str());
    }
  }
  const exec::webgpu::DeviceHealth health = held.device->health();
  EXPECT_EQ(health.uncaptured_errors, 0) << health.last_uncaptured_error;
}

INSTANTIATE_TEST_SUITE_P(Ops, GpuCaseTable,
                         testing::ValuesIn(ops::case_tables().begin(), ops::case_tables().end()),
                         [](const auto& table) { return std::string(table.param.family); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GpuCaseTable);

}  // namespace
}  // namespace sluice
