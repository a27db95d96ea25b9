// Every operator's case table on the reference (against its goldens) and on the CPU executor
// (against the reference) with 1, 2 and 4 threads, whose results must be equal bit for bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/text.h"
#include "compile/compile_cpu.h"
#include "exec/cpu/executor.h"
#include "ir/verify.h"
#include "op/interpreter.h"
#include "ops/case_tables.h"
#include "ops/registry.h"

namespace sluice {
namespace {

std::string compare(const Value& got, const Value& want, double atol, double rtol) {
  if (got.kind() != want.kind()) return "kinds differ";
  if (!got.present()) return "";
  if (!got.is_tensor()) {
    if (got.items().size() != want.items().size()) return "numbers of items differ";
    for (size_t i = 0; i < got.items().size(); ++i) {
      const std::string why = compare(got.items()[i], want.items()[i], atol, rtol);
      if (!why.empty()) return cat("item ", i, ": ", why);
    }
    return "";
  }
  const Tensor& a = got.tensor();
  const Tensor& b = want.tensor();
  if (a.dtype() != b.dtype() || !(a.shape() == b.shape()))
    return cat(a.text(), " against ", b.text());
  for (int64_t i = 0; i < a.elements(); ++i) {
    if (a.dtype() == DType::kString) {
      if (a.data<std::string>()[i] != b.data<std::string>()[i])
        return cat("string ", i, " differs");
    } else if (is_floating(a.dtype())) {
      const double x = a.get_double(i), y = b.get_double(i);
      if ((std::isnan(x) && std::isnan(y)) || x == y) continue;
      if (!(std::fabs(x - y) <= atol + rtol * std::fabs(y)))
        return cat("element ", i, ": ", x, " against ", y);
    } else if (is_complex(a.dtype())) {
      continue;
    } else if (a.get_int(i) != b.get_int(i)) {
      return cat("element ", i, ": ", a.get_int(i), " against ", b.get_int(i));
    }
  }
  return "";
}

bool same_bits(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  if (!a.present()) return true;
  if (!a.is_tensor()) {
    return std::ranges::equal(a.items(), b.items(),
                              [](const Value& x, const Value& y) { return same_bits(x, y); });
  }
  if (a.tensor().dtype() == DType::kString) return compare(a, b, 0, 0).empty();
  return std::ranges::equal(a.tensor().bytes(), b.tensor().bytes());
}

// A graph of the one node. With `symbolic`, input extents are left open, as in a model with dynamic
// shapes.
std::unique_ptr<ir::Graph> graph_of(const op::Case& c, bool symbolic) {
  auto graph = std::make_unique<ir::Graph>();
  std::vector<ir::ValueId> ids;
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    const Value& value = c.inputs[i];
    if (!value.present()) {
      ids.push_back(ir::kNoValue);
    } else if (value.is_tensor() &&
               std::ranges::count(c.constant_inputs, static_cast<int>(i)) != 0) {
      ids.push_back(graph->add_constant(cat("constant_", i), value.tensor()));
    } else if (value.is_tensor()) {
      Dims dims = to_dims(value.tensor().shape());
      if (symbolic) {
        for (size_t d = 0; d < dims.size(); ++d) dims[d] = Dim::symbol(cat("d", i, "_", d));
      }
      ids.push_back(graph->add_input(cat("input_", i), Type::tensor(value.tensor().dtype(), dims)));
    } else {
      Type elem = value.items().empty() || !value.items()[0].is_tensor()
                      ? Type{}
                      : Type::tensor(value.items()[0].tensor().dtype());
      ids.push_back(graph->add_input(cat("input_", i), value.kind() == Value::Kind::kSequence
                                                           ? Type::sequence(elem)
                                                           : Type::optional(elem)));
    }
  }
  const ir::NodeId node = graph->add_node(c.op, ids, c.output_count, c.attrs, c.domain);
  graph->outputs() = graph->node(node).outputs;
  return graph;
}

std::vector<Value> feeds_of(const op::Case& c) {
  std::vector<Value> feeds;
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    if (!c.inputs[i].present()) continue;
    if (c.inputs[i].is_tensor() && std::ranges::count(c.constant_inputs, static_cast<int>(i)) != 0)
      continue;
    feeds.push_back(c.inputs[i]);
  }
  return feeds;
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
                  << (*plan)->steps[0].kernel << " output " << i << (symbolic ? " (symbolic)" : "");
            }
          } else {
            for (size_t i = 0; i < truth.size(); ++i) {
              EXPECT_TRUE(same_bits((*got)[i], first[i])) << threads << " threads, output " << i;
            }
          }
        }
      }
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
