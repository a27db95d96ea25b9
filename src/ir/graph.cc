#include "ir/graph.h"

#include <algorithm>

#include "base/text.h"

namespace sluice::ir {

const Subgraph* Node::subgraph(std::string_view attribute) const {
  const auto found =
      std::ranges::find_if(subgraphs, [&](const Subgraph& s) { return s.name == attribute; });
  return found == subgraphs.end() ? nullptr : &*found;
}

std::string Node::label() const { return cat("node ", quoted(name), " (", full_op(), ")"); }

std::unique_ptr<Graph> Graph::clone() const {
  auto out = std::make_unique<Graph>();
  out->name = name;
  out->metadata = metadata;
  out->values_ = values_;
  out->inputs_ = inputs_;
  out->captures_ = captures_;
  out->outputs_ = outputs_;
  out->by_name_ = by_name_;
  out->nodes_.reserve(nodes_.size());
  for (const Node& node : nodes_) {
    Node copy{node.domain, node.op, node.name, node.inputs, node.outputs, node.attrs, {}};
    for (const Subgraph& sub : node.subgraphs) {
      copy.subgraphs.push_back({sub.name, sub.graph->clone(), sub.captures});
    }
    out->nodes_.push_back(std::move(copy));
  }
  return out;
}

std::string Graph::unique_name(std::string_view wanted) {
  std::string candidate(wanted.empty() ? "value" : wanted);
  if (wanted.empty() || by_name_.contains(candidate)) {
    const std::string base = candidate + "_";
    for (size_t i = values_.size(); by_name_.contains(candidate) || candidate == "value"; ++i) {
      candidate = base + std::to_string(i);
    }
  }
  return candidate;
}

ValueId Graph::add_value(std::string_view wanted, Type type) {
  const auto id = static_cast<ValueId>(values_.size());
  std::string unique = unique_name(wanted);
  by_name_.emplace(unique, id);
  values_.push_back({std::move(unique), std::move(type), std::nullopt, std::nullopt, kNoNode});
  return id;
}

ValueId Graph::add_input(std::string_view wanted, Type type) {
  inputs_.push_back(add_value(wanted, std::move(type)));
  return inputs_.back();
}

ValueId Graph::add_capture(std::string_view wanted, Type type) {
  captures_.push_back(add_value(wanted, std::move(type)));
  return captures_.back();
}

ValueId Graph::add_constant(std::string_view wanted, Tensor tensor) {
  const ValueId id = add_value(wanted, Type::tensor(tensor.dtype(), to_dims(tensor.shape())));
  value(id).constant = std::move(tensor);
  return id;
}

NodeId Graph::add_node(Node node) {
  const auto id = static_cast<NodeId>(nodes_.size());
  for (const ValueId output : node.outputs) {
    if (output != kNoValue) value(output).producer = id;
  }
  nodes_.push_back(std::move(node));
  return id;
}

NodeId Graph::add_node(std::string_view op, std::vector<ValueId> inputs, int output_count,
                       AttrMap attrs, std::string_view domain) {
  Node node;
  node.domain = domain;
  node.op = op;
  node.inputs = std::move(inputs);
  node.attrs = std::move(attrs);
  for (int i = 0; i < output_count; ++i)
    node.outputs.push_back(add_value(cat(op, "_", nodes_.size())));
  node.name = node.outputs.empty() ? std::string(op) : value(node.outputs[0]).name;
  return add_node(std::move(node));
}

ValueId Graph::find(std::string_view value_name) const {
  const auto found = by_name_.find(std::string(value_name));
  return found == by_name_.end() ? kNoValue : found->second;
}

void Graph::rename(ValueId id, std::string_view wanted) {
  if (value(id).name == wanted) return;
  by_name_.erase(value(id).name);
  std::string unique = unique_name(wanted);
  by_name_.emplace(unique, id);
  value(id).name = std::move(unique);
}

void Graph::replace_uses(ValueId from, ValueId to) {
  for (Node& node : nodes_) {
    std::ranges::replace(node.inputs, from, to);
    for (Subgraph& sub : node.subgraphs) std::ranges::replace(sub.captures, from, to);
  }
  std::ranges::replace(outputs_, from, to);
}

std::vector<std::vector<NodeId>> Graph::uses() const {
  std::vector<std::vector<NodeId>> out(values_.size());
  const auto use = [&](ValueId id, NodeId by) {
    if (id != kNoValue) out[static_cast<size_t>(id)].push_back(by);
  };
  for (size_t n = 0; n < nodes_.size(); ++n) {
    for (const ValueId id : nodes_[n].inputs) use(id, static_cast<NodeId>(n));
    for (const Subgraph& sub : nodes_[n].subgraphs) {
      for (const ValueId id : sub.captures) use(id, static_cast<NodeId>(n));
    }
  }
  for (const ValueId id : outputs_) use(id, kNoNode);
  return out;
}

std::vector<bool> Graph::ready_at_first() const {
  std::vector<bool> ready(values_.size(), false);
  for (size_t v = 0; v < values_.size(); ++v) ready[v] = values_[v].constant.has_value();
  for (const ValueId id : inputs_) ready[static_cast<size_t>(id)] = true;
  for (const ValueId id : captures_) ready[static_cast<size_t>(id)] = true;
  return ready;
}

bool Graph::normalize(const std::vector<bool>& dead_nodes) {
  const auto is_dead = [&](size_t n) { return n < dead_nodes.size() && dead_nodes[n]; };
  // Nearly always the nodes stand in order.
  std::vector<bool> ready = ready_at_first();
  const auto is_ready = [&](ValueId id) {
    return id == kNoValue || ready[static_cast<size_t>(id)];
  };
  std::vector<size_t> order;
  bool in_order = true;
  for (size_t n = 0; in_order && n < nodes_.size(); ++n) {
    if (is_dead(n)) continue;
    in_order = std::ranges::all_of(nodes_[n].inputs, is_ready);
    for (const Subgraph& sub : nodes_[n].subgraphs) {
      in_order = in_order && std::ranges::all_of(sub.captures, is_ready);
    }
    for (const ValueId id : nodes_[n].outputs) {
      if (id != kNoValue) ready[static_cast<size_t>(id)] = true;
    }
    order.push_back(n);
  }
  if (!in_order && !sort_nodes(dead_nodes, order)) return false;

  for (ValueInfo& info : values_) info.producer = kNoNode;
  std::vector<Node> sorted;
  if (order.size() != nodes_.size() || !in_order) {
    sorted.reserve(order.size());
    for (const size_t n : order) sorted.push_back(std::move(nodes_[n]));
    nodes_ = std::move(sorted);
  }
  for (size_t n = 0; n < nodes_.size(); ++n) {
    for (const ValueId id : nodes_[n].outputs) {
      if (id != kNoValue) value(id).producer = static_cast<NodeId>(n);
    }
  }
  return true;
}

// Kahn's algorithm, which keeps the given order wherever it already is one.
bool Graph::sort_nodes(const std::vector<bool>& dead_nodes, std::vector<size_t>& order) const {
  const auto is_dead = [&](size_t n) { return n < dead_nodes.size() && dead_nodes[n]; };
  const std::vector<bool> ready = ready_at_first();
  order.clear();
  std::vector<int> missing(nodes_.size(), 0);
  std::vector<std::vector<size_t>> waiting(values_.size());
  for (size_t n = 0; n < nodes_.size(); ++n) {
    if (is_dead(n)) continue;
    const auto need = [&](ValueId id) {
      if (id == kNoValue || ready[static_cast<size_t>(id)]) return;
      ++missing[n];
      waiting[static_cast<size_t>(id)].push_back(n);
    };
    for (const ValueId id : nodes_[n].inputs) need(id);
    for (const Subgraph& sub : nodes_[n].subgraphs) {
      for (const ValueId id : sub.captures) need(id);
    }
  }
  std::vector<size_t> heap;  // smallest original position first
  const auto later = std::greater<size_t>();
  for (size_t n = 0; n < nodes_.size(); ++n) {
    if (!is_dead(n) && missing[n] == 0) heap.push_back(n);
  }
  std::ranges::make_heap(heap, later);
  while (!heap.empty()) {
    std::ranges::pop_heap(heap, later);
    const size_t n = heap.back();
    heap.pop_back();
    order.push_back(n);
    for (const ValueId id : nodes_[n].outputs) {
      if (id == kNoValue) continue;
      for (const size_t reader : waiting[static_cast<size_t>(id)]) {
        if (--missing[reader] == 0) {
          heap.push_back(reader);
          std::ranges::push_heap(heap, later);
        }
      }
      waiting[static_cast<size_t>(id)].clear();
    }
  }
  size_t alive = 0;
  for (size_t n = 0; n < nodes_.size(); ++n) alive += is_dead(n) ? 0 : 1;
  return order.size() == alive;
}

void Graph::make_constant(ValueId id, Tensor tensor) {
  ValueInfo& info = value(id);
  if (info.producer != kNoNode) {
    std::ranges::replace(nodes_[static_cast<size_t>(info.producer)].outputs, id, kNoValue);
    info.producer = kNoNode;
  }
  info.type = Type::tensor(tensor.dtype(), to_dims(tensor.shape()));
  info.constant = std::move(tensor);
}

}  // namespace sluice::ir
