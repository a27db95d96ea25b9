// What the tests that walk the operators' case tables share: a case as a graph of one node, and the
// comparison of values.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "base/text.h"
#include "ir/graph.h"
#include "op/case.h"

namespace sluice::conformance {

inline std::string compare(const Value& got, const Value& want, double atol, double rtol) {
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
      if (!std::isfinite(y) || !(std::fabs(x - y) <= atol + rtol * std::fabs(y)))
        return cat("element ", i, ": ", x, " against ", y);
    } else if (is_complex(a.dtype())) {
      continue;
    } else if (a.get_int(i) != b.get_int(i)) {
      return cat("element ", i, ": ", a.get_int(i), " against ", b.get_int(i));
    }
  }
  return "";
}

inline bool same_bits(const Value& a, const Value& b) {
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
inline std::unique_ptr<ir::Graph> graph_of(const op::Case& c, bool symbolic) {
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

inline std::vector<Value> feeds_of(const op::Case& c) {
  std::vector<Value> feeds;
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    if (!c.inputs[i].present()) continue;
    if (c.inputs[i].is_tensor() && std::ranges::count(c.constant_inputs, static_cast<int>(i)) != 0)
      continue;
    feeds.push_back(c.inputs[i]);
  }
  return feeds;
}

}  // namespace sluice::conformance
