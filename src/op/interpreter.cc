#include "op/interpreter.h"

#include "base/text.h"

namespace sluice::op {

namespace {

class ReferenceContext final : public plan::KernelContext {
 public:
  ReferenceContext(const Registry& registry, const ir::Node& node, std::span<const Value> inputs,
                   std::span<Value> outputs, const std::function<Value(ir::ValueId)>& capture,
                   const InterpretOptions& options)
      : KernelContext(node.attrs, inputs, outputs),
        registry_(registry),
        node_(node),
        capture_(capture),
        options_(options) {}

  bool wants(int i) const override { return node_.output(i) != ir::kNoValue; }

  bool has_subgraph(std::string_view name) const override {
    return node_.subgraph(name) != nullptr;
  }

  Result<std::span<Value>> run_subgraph(std::string_view name,
                                        std::span<const Value> inputs) override {
    const ir::Subgraph* sub = node_.subgraph(name);
    if (sub == nullptr) {
      return invalid_model(cat("In ", node_.label(), ": there is no subgraph ", quoted(name)));
    }
    std::vector<Value> feeds(inputs.begin(), inputs.end());
    if (feeds.size() != sub->graph->inputs().size()) {
      return invalid_model(cat("In ", node_.label(), ": subgraph ", quoted(name), " takes ",
                               sub->graph->inputs().size(), " inputs (", feeds.size(),
                               " are given)"));
    }
    for (const ir::ValueId id : sub->captures) feeds.push_back(capture_(id));
    InterpretOptions inner;
    if (options_.observe_branch && node_.op == "If" && node_.domain.empty()) {
      inner.observe_branch = options_.observe_branch;
      inner.observe = [&](ir::ValueId id, const Value& value) {
        return options_.observe_branch(sub->graph->value(id).name, value);
      };
    }
    SLUICE_ASSIGN(results_, interpret(registry_, *sub->graph, feeds, inner));
    return std::span(results_);
  }

 private:
  const Registry& registry_;
  const ir::Node& node_;
  const std::function<Value(ir::ValueId)>& capture_;
  const InterpretOptions& options_;
  std::vector<Value> results_;  // of the latest subgraph
};

}  // namespace

Result<std::vector<Value>> run_node(const Registry& registry, const ir::Graph& /*graph*/,
                                    const ir::Node& node, std::span<const Value> inputs,
                                    const std::function<Value(ir::ValueId)>& capture,
                                    const InterpretOptions& options) {
  const OpDef* def = registry.find(node.domain, node.op);
  if (def == nullptr || def->reference == nullptr) {
    return unsupported(cat("The operator ", node.full_op(), " has no reference kernel"));
  }
  std::vector<Value> outputs(node.outputs.size());
  ReferenceContext context(registry, node, inputs, outputs, capture, options);
  if (auto done = def->reference(context); !done) {
    return std::move(done).error().while_doing("running " + node.label());
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (node.outputs[i] != ir::kNoValue && !outputs[i].present()) {
      return internal_error(cat(node.label(), " has not made output ", i));
    }
  }
  return outputs;
}

Result<std::vector<Value>> interpret(const Registry& registry, const ir::Graph& graph,
                                     std::span<const Value> inputs,
                                     const InterpretOptions& options) {
  const size_t formal = graph.inputs().size();
  if (inputs.size() != formal + graph.captures().size()) {
    return usage_error(cat("The graph takes ", formal + graph.captures().size(), " inputs (",
                           inputs.size(), " are given)"));
  }
  std::vector<Value> values(graph.value_count());
  std::vector<int> readers_left(graph.value_count(), 0);
  const auto uses = graph.uses();
  for (size_t v = 0; v < values.size(); ++v) {
    readers_left[v] = static_cast<int>(uses[v].size());
    const auto& constant = graph.value(static_cast<ir::ValueId>(v)).constant;
    if (constant) values[v] = Value(*constant);
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const ir::ValueId id = i < formal ? graph.inputs()[i] : graph.captures()[i - formal];
    values[static_cast<size_t>(id)] = inputs[i];
  }
  const std::function<Value(ir::ValueId)> capture = [&](ir::ValueId id) {
    return values[static_cast<size_t>(id)];
  };
  const auto release = [&](ir::ValueId id) {
    if (id != ir::kNoValue && --readers_left[static_cast<size_t>(id)] == 0) {
      values[static_cast<size_t>(id)] = Value();
    }
  };
  for (const ir::Node& node : graph.nodes()) {
    std::vector<Value> node_inputs;
    node_inputs.reserve(node.inputs.size());
    for (const ir::ValueId id : node.inputs) {
      node_inputs.push_back(id == ir::kNoValue ? Value() : values[static_cast<size_t>(id)]);
    }
    SLUICE_ASSIGN(std::vector<Value> made,
                  run_node(registry, graph, node, node_inputs, capture, options));
    for (size_t i = 0; i < made.size(); ++i) {
      const ir::ValueId id = node.outputs[i];
      if (id == ir::kNoValue) continue;
      if (options.observe) SLUICE_TRY(options.observe(id, made[i]));
      if (readers_left[static_cast<size_t>(id)] > 0) {
        values[static_cast<size_t>(id)] = std::move(made[i]);
      }
    }
    for (const ir::ValueId id : node.inputs) release(id);
    for (const ir::Subgraph& sub : node.subgraphs) {
      for (const ir::ValueId id : sub.captures) release(id);
    }
  }
  std::vector<Value> outputs;
  for (const ir::ValueId id : graph.outputs()) outputs.push_back(values[static_cast<size_t>(id)]);
  return outputs;
}

}  // namespace sluice::op
