// Every operator's case table on the reference (against its goldens) and on the CPU executor
// (against the reference) with 1, 2 and 4 threads, whose results must be equal bit for bit. With
// $SLUICE_LONG on every instruction set that this machine has, else on the best.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "compile/compile_cpu.h"
#include "conformance/case_graph.h"
#include "exec/cpu/executor.h"
#include "ir/verify.h"
#include "op/interpreter.h"
#include "ops/case_tables.h"
#include "ops/registry.h"
#include "simd/instruction_set.h"

namespace sluice {
namespace {

using namespace conformance;

std::vector<std::string_view> instruction_sets() {
#ifndef __wasm__  // one set of instructions, and no environment to ask
  const char* const wanted = std::getenv("SLUICE_LONG");
  if (wanted != nullptr && *wanted != '\0') return simd::instruction_sets();
#endif
  return {""};
}

class CaseTable : public testing::TestWithParam<ops::CaseTable> {};

TEST_P(CaseTable, ReferenceAndCpuAgree) {
  const op::Registry& registry = ops::registry();
  const auto kernels = compile::cpu_kernel_table(registry);
  int goldens = 0, fast = 0, count = 0;
  for (const op::Case& c : GetParam().cases()) {
    SCOPED_TRACE(cat(GetParam().family, "/", c.op, " ", c.name));
    ++count;
    std::vector<Value> truth;
    for (const bool symbolic : {false, true}) {
      auto graph = graph_of(c, symbolic);
      const auto inferred = op::infer_graph(registry, *graph);
      ASSERT_TRUE(inferred.ok()) << inferred.error().text();
      const auto verified = ir::verify(*graph);
      ASSERT_TRUE(verified.ok()) << verified.error().text();
      const auto feeds = feeds_of(c);
      if (!symbolic) {
        auto reference = op::interpret(registry, *graph, feeds);
        ASSERT_TRUE(reference.ok()) << reference.error().text();
        truth = std::move(reference).value();
        for (size_t i = 0; i < truth.size(); ++i) {
          // What inference promised must hold.
          const Type& type = graph->type(graph->outputs()[i]);
          if (truth[i].is_tensor()) {
            EXPECT_TRUE(type.is_tensor() && type.dtype == truth[i].tensor().dtype()) << type.text();
            Dim::Environment none;
            const auto bound = plan::bind_symbols(type, truth[i].tensor(), "output", none);
            EXPECT_TRUE(bound.ok()) << bound.error().text();
          }
        }
        if (!c.outputs.empty()) {
          ++goldens;
          ASSERT_EQ(truth.size(), c.outputs.size());
          for (size_t i = 0; i < truth.size(); ++i) {
            EXPECT_EQ(compare(truth[i], c.outputs[i], c.atol, c.rtol), "")
                << "reference output " << i;
          }
        }
      }
      const op::OpDef* def = registry.find(c.domain, c.op);
      if (def == nullptr || !def->deterministic) continue;
      auto plan = compile::compile_cpu(registry, *graph);
      ASSERT_TRUE(plan.ok()) << plan.error().text();
      if ((*plan)->steps[0].kernel != compile::reference_kernel_name(*def)) ++fast;
      for (const std::string_view set : instruction_sets()) {
        SCOPED_TRACE(set);
        ASSERT_TRUE(simd::select_instruction_set(set));
        std::vector<Value> first;
        for (const int threads : {1, 2, 4}) {
          auto pool = std::make_shared<exec::cpu::ThreadPool>(threads);
          auto copy = std::make_shared<plan::Plan>(**plan);
          auto executor = exec::cpu::Executor::create(copy, kernels, pool);
          ASSERT_TRUE(executor.ok()) << executor.error().text();
          for (int round = 0; round < 2; ++round) {
            auto got = (*executor)->run(feeds);
            ASSERT_TRUE(got.ok()) << got.error().text();
            if (first.empty()) {
              first = *got;
              for (size_t i = 0; i < truth.size(); ++i) {
                EXPECT_EQ(compare(first[i], truth[i], c.atol, c.rtol), "")
                    << (*plan)->steps[0].kernel << " output " << i
                    << (symbolic ? " (symbolic)" : "");
              }
            } else {
              for (size_t i = 0; i < truth.size(); ++i) {
                EXPECT_TRUE(same_bits((*got)[i], first[i])) << threads << " threads, output " << i;
              }
            }
          }
        }
      }
      ASSERT_TRUE(simd::select_instruction_set(""));
    }
  }
  RecordProperty("cases", count);
  RecordProperty("goldens", goldens);
  RecordProperty("fast", fast);
}

INSTANTIATE_TEST_SUITE_P(Ops, CaseTable,
                         testing::ValuesIn(ops::case_tables().begin(), ops::case_tables().end()),
                         [](const auto& table) { return std::string(table.param.family); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CaseTable);

}  // namespace
}  // namespace sluice
