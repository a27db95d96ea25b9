#include "apps/inspect/inspect.h"

#include <algorithm>
#include <map>

#include "apps/inspect/parts.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"

namespace sluice::apps::inspect {

namespace {

// Counts and FLOPs by operator. A branch not taken counts like one taken, a loop's body once.
void add_graph_operators(const ir::Graph& graph, const GraphFacts& facts,
                         const op::Registry& registry, Report& out,
                         std::map<std::string, OperatorRow>& rows) {
  out.nodes_without_cost += facts.nodes_without_cost;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const ir::Node& node = graph.nodes()[n];
    OperatorRow& row = rows[node.full_op()];
    row.name = node.full_op();
    ++row.count;
    row.flops += facts.flops[n];
    const op::OpDef* def = registry.find(node.domain, node.op);
    row.known = def != nullptr;
    if (def == nullptr) {
      row.note = "unknown: Sluice has no such operator";
    } else if (!def->nonstandard.empty()) {
      row.note = cat("not in the ONNX standard: ", def->nonstandard);
    }
    for (const ir::Subgraph& body : node.subgraphs) {
      if (!body.graph) continue;
      add_graph_operators(*body.graph, gather_facts(*body.graph, registry), registry, out, rows);
    }
  }
}

// The graph that holds most nodes of its own: the main one, or a branch or body that the whole
// model was put into. `where` becomes "then_branch of node "x" (If)".
const ir::Graph& largest_graph(const ir::Graph& graph, std::string& where) {
  const ir::Graph* best = &graph;
  for (const ir::Node& node : graph.nodes()) {
    for (const ir::Subgraph& body : node.subgraphs) {
      if (!body.graph) continue;
      std::string inner = cat(body.name, " of ", node.label());
      const ir::Graph& found = largest_graph(*body.graph, inner);
      if (found.nodes().size() <= best->nodes().size()) continue;
      best = &found;
      where = std::move(inner);
    }
  }
  return *best;
}

bool same_nodes(const ir::Graph& a, const ir::Graph& b) {
  if (a.nodes().size() != b.nodes().size()) return false;
  for (size_t n = 0; n < a.nodes().size(); ++n) {
    if (a.nodes()[n].op != b.nodes()[n].op || a.nodes()[n].domain != b.nodes()[n].domain)
      return false;
  }
  return true;
}

std::string file_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

}  // namespace

Report inspect(const Subject& subject, const op::Registry& registry, const Limits& limits) {
  const format::Model& model = *subject.model;
  Report out;
  out.file = file_of(subject.path);
  out.file_bytes = subject.bytes.size();
  out.sha256 = sha256_hex(subject.bytes);
  switch (model.format) {
    case format::Format::kOnnx:
      out.format = "ONNX";
      break;
    case format::Format::kTflite:
      out.format = "TFLite";
      break;
    case format::Format::kGguf:
      out.format = "GGUF";
      break;
  }
  out.metadata = model.metadata;
  for (const auto& [domain, version] : model.opsets) {
    out.metadata.emplace_back(cat("opset ", domain.empty() ? std::string("ai.onnx") : domain),
                              cat(version));
  }
  for (const format::Model::Signature& signature : model.signatures) {
    out.metadata.emplace_back("signature", signature.name);
  }
  out.file_operators = count_operators(model, registry);
  out.weights = list_weights(model);
  std::map<std::string, uint64_t> by_dtype;
  for (const WeightRow& row : out.weights) {
    by_dtype[row.dtype] += row.size_bytes;
    out.memory.weight_bytes += row.size_bytes;
    const auto dtype = dtype_from_name(row.dtype);
    if (dtype && is_parameter(*dtype, row.elements)) out.parameters += row.elements;
  }
  out.weight_bytes_by_dtype.assign(by_dtype.begin(), by_dtype.end());
  std::stable_sort(out.weight_bytes_by_dtype.begin(), out.weight_bytes_by_dtype.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  out.quantization = describe_quantization(model, out.file_operators, out.weights);
  out.tied = find_tied(model);
  out.fit.limits = limits;
  if (!model.functions.empty()) {
    out.notes.push_back(cat("The model defines ", model.functions.size(),
                            " functions of its own; import "
                            "inlines them."));
  }
  if (model.graphs.size() > 1) {
    out.notes.push_back(
        cat("The file holds ", model.graphs.size(), " graphs; the first is shown in full."));
  }
  if (subject.graph == nullptr) {
    out.notes.push_back(
        cat("The graph cannot be imported, so types, FLOPs, memory and the fit are missing: ",
            subject.import_error));
    if (!model.graphs.empty()) {
      for (const format::ValueDecl& one : model.graphs[0].inputs)
        out.inputs.push_back({one.name, one.type.text(), {}});
      for (const format::ValueDecl& one : model.graphs[0].outputs)
        out.outputs.push_back({one.name, one.type.text(), {}});
    }
    return out;
  }
  const ir::Graph& graph = *subject.graph;
  out.imported = true;
  GraphFacts facts = gather_facts(graph, registry);
  // Import with known extents may fold nodes away; figures carry over only when it did not.
  if (subject.sized != nullptr && same_nodes(graph, *subject.sized)) {
    facts.flops = gather_facts(*subject.sized, registry).flops;
  }
  std::map<std::string, OperatorRow> rows;
  add_graph_operators(graph, facts, registry, out, rows);
  for (auto& [name, row] : rows) {
    out.flops += row.flops;
    if (model.format == format::Format::kOnnx) {
      for (OperatorRow& file_row : out.file_operators) {
        if (file_row.name == name) file_row.flops = row.flops;
      }
    }
    out.graph_operators.push_back(std::move(row));
  }
  std::stable_sort(out.graph_operators.begin(), out.graph_operators.end(),
                   [](const OperatorRow& a, const OperatorRow& b) { return a.count > b.count; });
  const auto in_hints = input_hints(graph), out_hints = output_hints(graph);
  for (size_t i = 0; i < graph.inputs().size(); ++i) {
    const ir::ValueInfo& info = graph.value(graph.inputs()[i]);
    out.inputs.push_back({info.name, info.type.text(), in_hints[i]});
  }
  for (size_t i = 0; i < graph.outputs().size(); ++i) {
    const ir::ValueInfo& info = graph.value(graph.outputs()[i]);
    out.outputs.push_back({info.name, info.type.text(), out_hints[i]});
  }
  const ir::Graph& focus = largest_graph(graph, out.focus);
  if (&focus != &graph) {
    facts = gather_facts(focus, registry);
    out.notes.push_back(cat("Most of the model is in the ", out.focus,
                            ": data flow, components, activations, fit and drawing are of that "
                            "graph."));
  }
  out.components = find_components(focus, facts);
  out.repetitions = find_repetitions(focus);
  out.stages = find_stages(focus, facts);
  const uint64_t file_weight_bytes = out.memory.weight_bytes;
  out.memory = measure_memory(focus, facts);
  out.memory.weight_bytes = file_weight_bytes;
  out.fit = fit_limits(focus, facts, limits);
  out.drawing = draw_nodes(focus, facts);
  for (const ir::Node& node : graph.nodes()) {
    if (node.subgraphs.empty()) continue;
    out.notes.emplace_back(
        "The graph has control flow (If, Loop or Scan): FLOPs count every branch, and a loop's "
        "body "
        "once.");
    break;
  }
  return out;
}

Result<Limits> parse_limits(std::string_view json_text, std::string_view source) {
  const auto root = parse_json(json_text);
  if (root.is_discarded() || !root.is_object()) {
    return usage_error(
        cat("The limits in ", sluice::quoted(source, 300), " are not a JSON object"));
  }
  Limits out;
  out.source = source;
  const std::pair<const char*, uint64_t*> fields[] = {
      {"maxStorageBuffersPerShaderStage", &out.storage_buffers_per_stage},
      {"maxStorageBufferBindingSize", &out.storage_binding_bytes},
      {"maxBufferSize", &out.buffer_bytes},
      {"maxComputeWorkgroupsPerDimension", &out.workgroups_per_dimension},
      {"maxComputeInvocationsPerWorkgroup", &out.invocations_per_workgroup}};
  for (const auto& [name, field] : fields) {
    const auto found = root.find(name);
    if (found == root.end()) continue;
    if (!found->is_number_unsigned() || found->get<uint64_t>() == 0) {
      return usage_error(
          cat("The limit ", name, " in ", sluice::quoted(source, 300), " is not a number above 0"));
    }
    *field = found->get<uint64_t>();
  }
  return out;
}

}  // namespace sluice::apps::inspect
