// What the typed graph says in numbers: work, sizes, memory over time, fit into a GPU's limits.
#include <algorithm>
#include <cstdio>
#include <set>

#include "apps/inspect/parts.h"
#include "base/checked.h"
#include "base/text.h"

namespace sluice::apps::inspect {

using ir::Graph;
using ir::kNoValue;
using ir::Node;
using ir::ValueId;

std::string flops_text(double flops) {
  struct Unit {
    double size;
    const char* name;
  };
  for (const Unit& unit :
       {Unit{1e12, "TFLOP"}, Unit{1e9, "GFLOP"}, Unit{1e6, "MFLOP"}, Unit{1e3, "kFLOP"}}) {
    if (flops < unit.size * 0.9995) continue;
    char text[48];
    const double value = flops / unit.size;
    std::snprintf(text, sizeof text,
                  value < 10    ? "%.2f %s"
                  : value < 100 ? "%.1f %s"
                                : "%.0f %s",
                  value, unit.name);
    return text;
  }
  return cat(static_cast<int64_t>(flops), " FLOP");
}

std::string count_text(int64_t count) {
  const auto value = static_cast<double>(count);
  char text[48];
  if (count >= 1'000'000'000) {
    std::snprintf(text, sizeof text, "%.2f G", value / 1e9);
  } else if (count >= 1'000'000) {
    std::snprintf(text, sizeof text, "%.2f M", value / 1e6);
  } else if (count >= 10'000) {
    std::snprintf(text, sizeof text, "%.1f k", value / 1e3);
  } else {
    return cat(count);
  }
  return text;
}

std::string plain(std::string_view name, size_t limit) {
  const std::string text = quoted(name, limit);
  // Quotes, which `quoted` escapes, do no harm in a line that has none around it.
  std::string out;
  for (size_t i = 1; i + 1 < text.size(); ++i) {
    if (text.compare(i, 4, "\\x22") == 0) {
      out += '"';
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string operators_text(const std::vector<std::pair<std::string, int64_t>>& counts,
                           size_t most) {
  std::string out;
  int64_t rest = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (i >= most) {
      rest += counts[i].second;
      continue;
    }
    out += cat(out.empty() ? "" : ", ", counts[i].second, " ", counts[i].first);
  }
  if (rest > 0) out += cat(", ", rest, " others");
  return out;
}

namespace {

// Bytes of a tensor value, with symbols set to 1 where need be; false when not known.
bool bytes_of(const Type& type, std::set<std::string>& assumed, uint64_t& out) {
  if (!type.has_rank() || type.dtype == DType::kUndefined) return false;
  Checked elements = 1;
  for (const Dim& dim : *type.dims) {
    std::optional<int64_t> extent = dim.get();
    if (dim.is_symbolic()) {
      std::vector<std::string> symbols;
      dim.collect_symbols(symbols);
      Dim::Environment ones;
      for (const std::string& symbol : symbols) {
        ones[symbol] = 1;
        assumed.insert(symbol);
      }
      extent = dim.evaluate(ones);
    }
    if (!extent || *extent < 0) return false;
    elements = elements * static_cast<uint64_t>(*extent);
  }
  if (!elements.fits(INT64_MAX)) return false;
  const auto bytes = storage_bytes(type.dtype, static_cast<int64_t>(elements.value()));
  if (!bytes) return false;
  out = *bytes;
  return true;
}

}  // namespace

GraphFacts gather_facts(const Graph& graph, const op::Registry& registry) {
  GraphFacts facts;
  const size_t values = graph.value_count(), nodes = graph.nodes().size();
  facts.flops.assign(nodes, 0.0);
  facts.parameters.assign(nodes, 0);
  facts.value_bytes.assign(values, 0);
  facts.value_known.assign(values, false);
  facts.root.resize(values);
  std::set<std::string> assumed;
  for (size_t v = 0; v < values; ++v) {
    const auto id = static_cast<ValueId>(v);
    facts.root[v] = id;
    if (const auto& constant = graph.value(id).constant) {
      facts.value_bytes[v] = constant->size_bytes();
      facts.value_known[v] = true;
    } else {
      facts.value_known[v] = bytes_of(graph.type(id), assumed, facts.value_bytes[v]);
    }
  }
  facts.assumed.assign(assumed.begin(), assumed.end());
  std::vector<bool> counted(values, false);
  for (size_t n = 0; n < nodes; ++n) {
    const Node& node = graph.nodes()[n];
    const op::OpDef* def = registry.find(node.domain, node.op);
    if (def != nullptr && def->cost != nullptr) {
      const double flops = def->cost(op::NodeView(graph, node)).flops;
      if (flops > 0 && flops < 1e30) {
        facts.flops[n] = flops;
      } else if (node.output(0) != kNoValue &&
                 !facts.value_known[static_cast<size_t>(node.output(0))]) {
        ++facts.nodes_without_cost;
      }
    }
    if (def != nullptr && def->view && node.input(0) != kNoValue && node.output(0) != kNoValue) {
      facts.root[static_cast<size_t>(node.output(0))] =
          facts.root[static_cast<size_t>(node.input(0))];
    }
    for (const ValueId id : node.inputs) {
      if (id == kNoValue || !graph.is_constant(id) || counted[static_cast<size_t>(id)]) continue;
      counted[static_cast<size_t>(id)] = true;
      const Tensor& constant = *graph.value(id).constant;
      if (is_parameter(constant.dtype(), constant.elements())) {
        facts.parameters[n] += constant.elements();
      }
    }
  }
  return facts;
}

Memory measure_memory(const Graph& graph, const GraphFacts& facts) {
  Memory out;
  const size_t values = graph.value_count();
  // The last node that needs each root value; graph outputs live to the end.
  constexpr size_t kNever = static_cast<size_t>(-1);
  const size_t nodes = graph.nodes().size();
  std::vector<size_t> last(values, kNever);
  const auto use = [&](ValueId id, size_t when) {
    if (id != kNoValue) last[static_cast<size_t>(facts.root[static_cast<size_t>(id)])] = when;
  };
  for (size_t n = 0; n < nodes; ++n) {
    const Node& node = graph.nodes()[n];
    for (const ValueId id : node.outputs) use(id, n);
    for (const ValueId id : node.inputs) use(id, n);
    for (const ir::Subgraph& body : node.subgraphs) {
      for (const ValueId id : body.captures) use(id, n);
    }
  }
  for (const ValueId id : graph.outputs()) use(id, nodes);
  std::vector<std::vector<ValueId>> dying(nodes + 1);
  uint64_t live = 0;
  const auto is_activation = [&](ValueId id) {
    return id != kNoValue && !graph.is_constant(id) && facts.root[static_cast<size_t>(id)] == id;
  };
  const auto birth = [&](ValueId id) {
    if (!is_activation(id)) return;
    const auto v = static_cast<size_t>(id);
    if (!facts.value_known[v]) {
      ++out.unknown_values;
      return;
    }
    live += facts.value_bytes[v];
    out.activation_sum_bytes += facts.value_bytes[v];
    if (last[v] != kNever) dying[std::min(last[v], nodes)].push_back(id);
  };
  for (const ValueId id : graph.inputs()) birth(id);
  for (size_t n = 0; n < nodes; ++n) {
    for (const ValueId id : graph.nodes()[n].outputs) birth(id);
    if (live > out.activation_peak_bytes) {
      out.activation_peak_bytes = live;
      out.peak_node = graph.nodes()[n].label();
    }
    for (const ValueId id : dying[n]) live -= facts.value_bytes[static_cast<size_t>(id)];
  }
  for (size_t v = 0; v < values; ++v) {
    if (const auto& constant = graph.value(static_cast<ValueId>(v)).constant) {
      out.weight_bytes += constant->size_bytes();
    }
  }
  for (const std::string& symbol : facts.assumed) {
    out.assumption += cat(out.assumption.empty() ? "" : ", ", plain(symbol, 30), " = 1");
  }
  return out;
}

LimitsFit fit_limits(const Graph& graph, const GraphFacts& facts, const Limits& limits) {
  LimitsFit out;
  out.limits = limits;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    // Scalars travel as uniforms; a value read twice is bound once.
    std::set<ValueId> bound;
    const auto bind = [&](ValueId id) {
      if (id == kNoValue) return;
      const Type& type = graph.type(id);
      const auto& constant = graph.value(id).constant;
      const bool scalar =
          constant ? constant->elements() <= 1 : type.has_rank() && type.dims->empty();
      if (!scalar) bound.insert(id);
    };
    for (const ValueId id : node.inputs) bind(id);
    for (const ValueId id : node.outputs) bind(id);
    if (bound.size() > out.most_buffers) {
      out.most_buffers = bound.size();
      out.most_buffers_node = node.label();
    }
    if (bound.size() > limits.storage_buffers_per_stage && node.subgraphs.empty()) {
      const char* remedy =
          node.op == "Concat"  ? "each input is written into its slice by a dispatch of its own"
          : node.op == "Split" ? "each output is read from its slice by a dispatch of its own"
                               : "it must become several dispatches";
      out.over.push_back({node.label(), cat("binds ", bound.size(), " tensors (limit ",
                                            limits.storage_buffers_per_stage, "): ", remedy)});
    }
    for (const ValueId id : bound) {
      const auto v = static_cast<size_t>(id);
      if (!facts.value_known[v]) continue;
      const uint64_t bytes = facts.value_bytes[v];
      if (bytes > out.largest_tensor_bytes) {
        out.largest_tensor_bytes = bytes;
        out.largest_tensor = graph.value(id).name;
      }
      if (bytes > limits.storage_binding_bytes) {
        out.over.push_back(
            {node.label(),
             cat("touches ", quoted(graph.value(id).name, 60), " of ", human_bytes(bytes),
                 " (limit ", human_bytes(limits.storage_binding_bytes), " in one binding",
                 bytes > limits.buffer_bytes
                     ? cat(", ", human_bytes(limits.buffer_bytes), " in one buffer")
                     : std::string(),
                 "): it must be tiled")});
      }
    }
    const ValueId result = node.output(0);
    if (result != kNoValue && facts.value_known[static_cast<size_t>(result)]) {
      const int bits = dtype_bits(graph.type(result).dtype);
      const uint64_t elements = bits > 0 ? facts.value_bytes[static_cast<size_t>(result)] * 8 /
                                               static_cast<uint64_t>(bits)
                                         : 0;
      if (elements / limits.invocations_per_workgroup > limits.workgroups_per_dimension) {
        ++out.wide_grids;
      }
    }
  }
  return out;
}

namespace {

std::string kind_of(const Node& node) {
  static const std::set<std::string, std::less<>> kMoves = {
      "Reshape",  "Transpose", "Concat",         "Split",          "Slice",        "Pad",
      "Gather",   "Squeeze",   "Unsqueeze",      "Flatten",        "Expand",       "Tile",
      "Identity", "Cast",      "Shape",          "Resize",         "DepthToSpace", "SpaceToDepth",
      "GatherND", "ScatterND", "GatherElements", "ScatterElements"};
  static const std::set<std::string, std::less<>> kComputes = {
      "Conv",          "ConvTranspose", "MatMul",        "Gemm",      "Einsum",
      "Attention",     "LSTM",          "GRU",           "RNN",       "ConvInteger",
      "MatMulInteger", "QLinearConv",   "QLinearMatMul", "DeformConv"};
  if (!node.subgraphs.empty()) return "control";
  if (node.op.find("Quantize") != std::string::npos) return "quantize";
  if (kComputes.contains(node.op)) return "compute";
  if (kMoves.contains(node.op)) return "move";
  return "other";
}

std::string attribute_text(const Attribute& value) {
  std::string out;
  if (const auto* i = std::get_if<int64_t>(&value)) return cat(*i);
  if (const auto* f = std::get_if<float>(&value)) return cat(*f);
  if (const auto* s = std::get_if<std::string>(&value)) return quoted(*s, 60);
  if (const auto* t = std::get_if<Tensor>(&value)) return t->text();
  if (const auto* type = std::get_if<Type>(&value)) return type->text();
  if (const auto* list = std::get_if<std::vector<int64_t>>(&value)) {
    if (list->size() > 16) return cat(list->size(), " integers");
    return cat("[", join(std::span<const int64_t>(*list), ", "), "]");
  }
  if (const auto* list = std::get_if<std::vector<float>>(&value))
    return cat(list->size(), " floats");
  if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
    for (const std::string& one : *list) {
      if (out.size() < 80) out += cat(out.empty() ? "" : ", ", quoted(one, 30));
    }
    return cat("[", out, "]");
  }
  if (const auto* list = std::get_if<std::vector<Tensor>>(&value))
    return cat(list->size(), " tensors");
  return out;
}

}  // namespace

std::vector<DrawnNode> draw_nodes(const Graph& graph, const GraphFacts& facts) {
  std::vector<DrawnNode> out;
  out.reserve(graph.nodes().size());
  const auto describe = [&](ValueId id) {
    if (id == kNoValue) return std::string("(absent)");
    const ir::ValueInfo& info = graph.value(id);
    if (info.constant) return cat(info.name, ": ", info.constant->text(), " constant");
    return cat(info.name, ": ", info.type.text());
  };
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    DrawnNode drawn;
    drawn.op = node.full_op();
    drawn.label = node.name;
    drawn.kind = kind_of(node);
    drawn.flops = facts.flops[n];
    for (const auto& [name, value] : node.attrs.entries()) {
      drawn.attributes +=
          cat(drawn.attributes.empty() ? "" : "\n", name, " = ", attribute_text(value));
    }
    std::set<int> from;
    const auto reads = [&](ValueId id) {
      if (id == kNoValue || graph.is_constant(id)) return;
      from.insert(graph.value(id).producer == ir::kNoNode ? -1 : graph.value(id).producer);
    };
    for (const ValueId id : node.inputs) {
      drawn.inputs.push_back(describe(id));
      reads(id);
    }
    for (const ir::Subgraph& body : node.subgraphs) {
      for (const ValueId id : body.captures) reads(id);
      drawn.attributes += cat(drawn.attributes.empty() ? "" : "\n", body.name, " = graph of ",
                              body.graph ? body.graph->nodes().size() : 0, " nodes");
    }
    for (const ValueId id : node.outputs) drawn.outputs.push_back(describe(id));
    drawn.from.assign(from.begin(), from.end());
    out.push_back(std::move(drawn));
  }
  return out;
}

}  // namespace sluice::apps::inspect
