#include "import/tflite_import.h"

#include <algorithm>

#include "base/text.h"
#include "import/tflite_scope.h"
#include "ir/verify.h"

namespace sluice::import {

using ir::ValueId;

TfliteHandler find_tflite_handler(const format::NodeDecl& node) {
  const auto search = [&](std::span<const TfliteRow> rows) -> TfliteHandler {
    const auto found = std::ranges::find(rows, node.op, &TfliteRow::name);
    return found == rows.end() ? nullptr : found->handler;
  };
  if (node.domain == "tflite.custom") return search(tflite_custom_rows());
  for (const auto rows :
       {tflite_elementwise_rows(), tflite_conv_rows(), tflite_shape_rows(), tflite_index_rows(),
        tflite_matmul_rows(), tflite_recurrent_rows(), tflite_control_rows()}) {
    if (const TfliteHandler handler = search(rows); handler != nullptr) return handler;
  }
  return nullptr;
}

namespace {

// The operators without a handler in `root` and the subgraphs that it reaches.
void collect_unknown(const format::Model& model, int root, std::set<int>& seen,
                     std::set<std::string>& unknown) {
  std::vector<int> open = {root};
  while (!open.empty()) {
    const int index = open.back();
    open.pop_back();
    if (index < 0 || static_cast<size_t>(index) >= model.graphs.size() ||
        !seen.insert(index).second)
      continue;
    for (const format::NodeDecl& node : model.graphs[static_cast<size_t>(index)].nodes) {
      if (find_tflite_handler(node) == nullptr) {
        unknown.insert(node.domain == "tflite.custom" ? cat("custom operator ", quoted(node.op))
                                                      : node.op);
      }
      for (const auto& [name, value] : node.attrs.entries()) {
        if (!name.ends_with("subgraph_index") && name != "subgraph") continue;
        if (const auto* callee = std::get_if<int64_t>(&value))
          open.push_back(static_cast<int>(*callee));
      }
    }
  }
}

std::string listed(const std::set<std::string>& names) {
  return join(std::vector<std::string>(names.begin(), names.end()), ", ");
}

// An operator we can't import, kept for looking at: its inputs as stored, its outputs as declared.
Result<void> keep_unknown(TfliteScope& s, const format::NodeDecl& decl) {
  std::vector<ValueId> inputs;
  for (const auto& name : decl.inputs) {
    ValueId value = ir::kNoValue;
    if (!name.empty()) {
      SLUICE_ASSIGN(value, s.raw(name));
    }
    inputs.push_back(value);
  }
  SLUICE_ASSIGN(const auto made, s.emit_many(decl.op, inputs, static_cast<int>(decl.outputs.size()),
                                             decl.attrs, {}, decl.domain));
  for (size_t i = 0; i < made.size(); ++i) SLUICE_TRY(s.bind(decl.outputs[i], made[i]));
  return {};
}

// Drops what the outputs don't need.
bool prune(ir::Graph& graph, bool inputs_too) {
  std::vector<bool> needed(graph.value_count(), false);
  for (const ValueId id : graph.outputs()) needed[static_cast<size_t>(id)] = true;
  std::vector<bool> dead(graph.nodes().size(), true);
  // Nodes stand in order, so one pass from the end reaches everything.
  for (size_t i = graph.nodes().size(); i-- > 0;) {
    const ir::Node& node = graph.nodes()[i];
    if (std::ranges::none_of(node.outputs, [&](ValueId id) {
          return id != ir::kNoValue && needed[static_cast<size_t>(id)];
        }))
      continue;
    dead[i] = false;
    for (const ValueId id : node.inputs) {
      if (id != ir::kNoValue) needed[static_cast<size_t>(id)] = true;
    }
    for (const auto& sub : node.subgraphs) {
      for (const ValueId id : sub.captures) needed[static_cast<size_t>(id)] = true;
    }
  }
  if (inputs_too)
    std::erase_if(graph.inputs(), [&](ValueId id) { return !needed[static_cast<size_t>(id)]; });
  return graph.normalize(dead);
}

Result<int> entry_graph(const format::Model& model, const ImportOptions& options) {
  if (!options.signature.empty()) {
    std::vector<std::string> names;
    for (const auto& signature : model.signatures) {
      if (signature.name == options.signature) return signature.graph;
      names.push_back(quoted(signature.name));
    }
    return usage_error(cat("The model has no signature ", quoted(options.signature), " (it has ",
                           names.empty() ? std::string("none") : join(names, ", "), ")."));
  }
  if (options.subgraph < 0 || static_cast<size_t>(options.subgraph) >= model.graphs.size()) {
    return usage_error(cat("Subgraph ", options.subgraph, " does not exist (the model has ",
                           model.graphs.size(), ")."));
  }
  return options.subgraph;
}

Result<Type> input_type(const format::ValueDecl& input, const ImportOptions& options) {
  const auto found = options.input_shapes.find(input.name);
  if (found == options.input_shapes.end()) return input.type;
  const Shape& shape = found->second;
  if (!input.type.is_tensor())
    return usage_error(
        cat("The input ", quoted(input.name), " is not a tensor, so it has no shape."));
  if (input.type.dims && input.type.dims->size() != static_cast<size_t>(shape.rank())) {
    return usage_error(cat("The shape ", shape.text(), " for input ", quoted(input.name),
                           " has another rank than the model's ", input.type.text(), "."));
  }
  return Type::tensor(input.type.dtype, to_dims(shape));
}

Result<ir::Graph> build(const format::Model& model, const op::Registry& registry,
                        const ImportOptions& options) {
  SLUICE_ASSIGN(const int entry, entry_graph(model, options));
  std::set<int> reached;
  std::set<std::string> unknown;
  collect_unknown(model, entry, reached, unknown);
  if (!unknown.empty() && !options.allow_unknown) {
    return unsupported(
        cat("The model uses what the importer does not know: ", listed(unknown), "."));
  }
  const format::GraphDecl& decl = model.graphs[static_cast<size_t>(entry)];
  ir::Graph graph;
  graph.name = decl.name;
  graph.metadata = model.metadata;
  TfliteContext context{model, registry, options};
  context.calls.push_back(entry);
  context.resource_graph = &graph;
  context.static_shapes = options.input_shapes.empty();
  TfliteScope scope(context, graph, decl);
  for (const auto& input : decl.inputs) {
    SLUICE_ASSIGN(const Type type, input_type(input, options));
    context.static_shapes =
        context.static_shapes && (!type.is_tensor() || type.shape().has_value());
    scope.bind_input(input.name, graph.add_input(input.name, type));
  }
  SLUICE_TRY(scope.build(options.outputs));
  std::vector<ValueId> outputs;
  if (options.outputs.empty()) {
    SLUICE_ASSIGN(outputs, scope.outputs());
  }
  if (!context.missing.empty() && !options.allow_unknown) {
    return unsupported(
        cat("The model needs operators that the registry lacks: ", listed(context.missing), "."));
  }
  if (options.outputs.empty()) {
    graph.outputs() = outputs;
    if (options.explicit_state) {
      std::map<std::string, ValueId> last;
      for (const auto& [name, value] : context.next_states) last[name] = value;
      for (const auto& [name, value] : last) {
        graph.rename(value, cat(name, ":next"));
        graph.outputs().push_back(value);
        graph.metadata.emplace_back("state", cat(name, " ", name, ":next"));
      }
    }
  } else {
    for (const auto& name : options.outputs) {
      ValueId id = graph.find(name);
      if (id == ir::kNoValue && scope.constant_of(name) != nullptr) {
        // A constant that only its permuted form was needed of.
        SLUICE_ASSIGN(id, scope.raw(name));
      }
      if (id == ir::kNoValue)
        return usage_error(cat("The model has no value ", quoted(name), " to be an output."));
      graph.outputs().push_back(id);
    }
  }
  if (!prune(graph, !options.outputs.empty()))
    return internal_error("The imported graph has a cycle.");
  SLUICE_TRY(ir::verify(graph));
  return graph;
}

}  // namespace

Result<void> import_unknown_tflite_node(TfliteScope& scope, const format::NodeDecl& decl) {
  return keep_unknown(scope, decl);
}

Result<ir::Graph> import_tflite(const format::Model& model, const op::Registry& registry,
                                const ImportOptions& options) {
  if (model.graphs.empty())
    return invalid_model(cat(model.source, ": The model has no subgraphs."));
  auto graph = build(model, registry, options);
  if (!graph) {
    Error error = std::move(graph).error();
    error.message = cat(model.source, ": ", error.message);
    return error;
  }
  return graph;
}

}  // namespace sluice::import
