#include "passes/widen_float16.h"

#include <algorithm>
#include <array>
#include <vector>

#include "passes/hold_float16.h"

namespace sluice::passes {

namespace {

constexpr auto kHalf = static_cast<int64_t>(DType::kFloat16);
constexpr auto kFull = static_cast<int64_t>(DType::kFloat32);

bool is_half(const Type& type) { return type.is_tensor() && type.dtype == DType::kFloat16; }

bool touches_half(const ir::Graph& graph) {
  for (size_t v = 0; v < graph.value_count(); ++v) {
    const Type& type = graph.type(static_cast<ir::ValueId>(v));
    if (is_half(type) || type.kind == Type::Kind::kSequence || type.kind == Type::Kind::kOptional) {
      return true;
    }
  }
  return std::ranges::any_of(graph.nodes(), [](const ir::Node& node) {
    return std::ranges::any_of(node.subgraphs,
                               [](const ir::Subgraph& s) { return touches_half(*s.graph); });
  });
}

}  // namespace

bool has_float16_weights(const ir::Graph& graph) {
  static constexpr std::array<std::string_view, 4> kWeighted = {"Conv", "ConvTranspose", "Gemm",
                                                                "MatMul"};
  return std::ranges::any_of(graph.nodes(), [&](const ir::Node& node) {
    return node.domain.empty() && std::ranges::find(kWeighted, node.op) != kWeighted.end() &&
           graph.is_constant(node.input(1)) && is_half(graph.type(node.input(1)));
  });
}

Result<bool> widen_float16(const op::Registry& registry, ir::Graph& graph, bool hold) {
  for (const ir::Node& node : graph.nodes()) {
    for (const ir::Subgraph& sub : node.subgraphs) {
      if (touches_half(*sub.graph)) return false;
    }
  }
  const size_t old_count = graph.value_count();
  // The border: inputs that are float16 are fed as such, outputs leave as such; a wide twin takes
  // their place inside.
  std::vector<bool> border(old_count, false);
  std::vector<ir::Node> casts;
  const auto add_cast = [&](ir::ValueId from, ir::ValueId to, int64_t dtype) {
    ir::Node cast;
    cast.op = "Cast";
    cast.name = graph.value(to).name;
    cast.inputs = {from};
    cast.outputs = {to};
    cast.attrs.set("to", dtype);
    casts.push_back(std::move(cast));
  };
  for (const ir::ValueId id : std::vector<ir::ValueId>(graph.inputs())) {
    if (!is_half(graph.type(id))) continue;
    border[static_cast<size_t>(id)] = true;
    Type wide_type = graph.type(id);
    wide_type.dtype = DType::kFloat32;
    const ir::ValueId wide = graph.add_value(graph.value(id).name + "_float32", wide_type);
    graph.replace_uses(id, wide);
    add_cast(id, wide, kFull);
  }
  for (ir::ValueId& output : graph.outputs()) {
    const ir::ValueId id = output;
    if (static_cast<size_t>(id) >= old_count) {  // an input handed straight through
      const ir::ValueId narrow = graph.add_value("", Type::tensor(DType::kFloat16));
      graph.value(narrow).type.dims = graph.type(id).dims;
      add_cast(id, narrow, kHalf);
      output = narrow;
      continue;
    }
    if (!is_half(graph.type(id)) || border[static_cast<size_t>(id)]) continue;
    border[static_cast<size_t>(id)] = true;
    if (graph.is_constant(id)) continue;
    Type wide_type = graph.type(id);
    wide_type.dtype = DType::kFloat32;
    const ir::ValueId wide = graph.add_value(graph.value(id).name + "_float32", wide_type);
    ir::Node& maker = graph.nodes()[static_cast<size_t>(graph.value(id).producer)];
    std::ranges::replace(maker.outputs, id, wide);
    for (ir::Node& node : graph.nodes()) std::ranges::replace(node.inputs, id, wide);
    add_cast(wide, id, kHalf);
  }
  if (hold) {
    const Readers readers = graph.uses();
    for (size_t v = 0; v < old_count; ++v) {
      const auto id = static_cast<ir::ValueId>(v);
      if (border[v] || !holds_float16(graph, id, readers, id)) continue;
      border[v] = true;
      Type wide_type = graph.type(id);
      wide_type.dtype = DType::kFloat32;
      const ir::ValueId wide = graph.add_value(graph.value(id).name + "_float32", wide_type);
      graph.replace_uses(id, wide);
      add_cast(id, wide, kFull);
    }
  }
  for (size_t v = 0; v < old_count; ++v) {
    ir::ValueInfo& info = graph.value(static_cast<ir::ValueId>(v));
    if (!is_half(info.type) || border[v]) continue;
    info.type.dtype = DType::kFloat32;
    if (info.constant) {
      SLUICE_ASSIGN(info.constant, converted(*info.constant, DType::kFloat32));
    }
  }
  for (ir::Node& node : graph.nodes()) {
    for (const std::string_view name : {"to", "dtype", "output_dtype"}) {
      if (node.attrs.int_or(name, 0) == kHalf) node.attrs.set(name, kFull);
    }
    const Tensor* value = node.attrs.tensor("value");
    if (value != nullptr && value->dtype() == DType::kFloat16) {
      SLUICE_ASSIGN(Tensor wide, converted(*value, DType::kFloat32));
      node.attrs.set("value", std::move(wide));
    }
  }
  for (ir::Node& cast : casts) graph.add_node(std::move(cast));
  if (!graph.normalize()) return internal_error("Widening float16 has made a cycle");
  SLUICE_TRY(op::infer_graph(registry, graph));
  return true;
}

}  // namespace sluice::passes
