// Graph: a model in single-assignment form, in the vocabulary of ONNX at the newest opset.
// Invariants (checked by ir::verify): every value has one producer (a node, a graph input, a
// capture or a constant); nodes stand in an order in which every input is made before it is used;
// subgraphs name what they take from outside in `captures`, never implicitly; names of values are
// unique within a graph. A Graph knows no file format, no kernel and no device.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tensor/attributes.h"
#include "tensor/tensor.h"
#include "tensor/type.h"

namespace sluice::ir {

using ValueId = int32_t;
using NodeId = int32_t;
inline constexpr ValueId kNoValue = -1;  // an absent optional input, an unnamed output
inline constexpr NodeId kNoNode = -1;

class Graph;

// A graph held by a node's attribute. captures[i] of the outer graph feeds graph->captures()[i].
struct Subgraph {
  std::string name;  // the attribute: "body", "then_branch" ...
  std::unique_ptr<Graph> graph;
  std::vector<ValueId> captures;  // values of the outer graph
};

struct Node {
  std::string domain;  // "" is ONNX's own
  std::string op;
  std::string name;  // of the file; may be empty or repeated
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  AttrMap attrs;
  std::vector<Subgraph> subgraphs;

  ValueId input(int i) const {
    return i >= 0 && static_cast<size_t>(i) < inputs.size() ? inputs[static_cast<size_t>(i)]
                                                            : kNoValue;
  }
  ValueId output(int i) const {
    return i >= 0 && static_cast<size_t>(i) < outputs.size() ? outputs[static_cast<size_t>(i)]
                                                             : kNoValue;
  }
  const Subgraph* subgraph(std::string_view attribute) const;
  // "Conv" or "com.microsoft.FusedMatMul".
  std::string full_op() const { return domain.empty() ? op : domain + "." + op; }
  // For messages: `node "name" (Conv)`.
  std::string label() const;
};

struct ValueInfo {
  std::string name;
  Type type;
  std::optional<Tensor> constant;  // known at load time
  std::optional<Dims> known_ints;  // contents of a small integer tensor, where shapes are computed
  NodeId producer = kNoNode;
};

class Graph {
 public:
  Graph() = default;
  Graph(Graph&&) = default;
  Graph& operator=(Graph&&) = default;
  std::unique_ptr<Graph> clone() const;  // constants are shared, everything else is copied

  // --- building. Names are made unique by a suffix when taken or empty.
  ValueId add_input(std::string_view name, Type type);
  ValueId add_capture(std::string_view name, Type type);
  ValueId add_constant(std::string_view name, Tensor tensor);
  // A value without a producer yet.
  ValueId add_value(std::string_view name, Type type = {});
  // Appends a node whose outputs already exist (add_value) and records it as their producer.
  NodeId add_node(Node node);
  // Appends a node with `output_count` new outputs named after it.
  NodeId add_node(std::string_view op, std::vector<ValueId> inputs, int output_count = 1,
                  AttrMap attrs = {}, std::string_view domain = "");

  // --- looking
  size_t value_count() const { return values_.size(); }
  const ValueInfo& value(ValueId id) const { return values_[static_cast<size_t>(id)]; }
  ValueInfo& value(ValueId id) { return values_[static_cast<size_t>(id)]; }
  const Type& type(ValueId id) const { return value(id).type; }
  bool is_constant(ValueId id) const { return id != kNoValue && value(id).constant.has_value(); }
  ValueId find(std::string_view value_name) const;   // kNoValue when there is none
  void rename(ValueId id, std::string_view wanted);  // made unique when taken

  std::vector<Node>& nodes() { return nodes_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  const Node& node(NodeId id) const { return nodes_[static_cast<size_t>(id)]; }

  const std::vector<ValueId>& inputs() const { return inputs_; }
  const std::vector<ValueId>& captures() const { return captures_; }
  std::vector<ValueId>& captures() { return captures_; }
  const std::vector<ValueId>& outputs() const { return outputs_; }
  std::vector<ValueId>& inputs() { return inputs_; }
  std::vector<ValueId>& outputs() { return outputs_; }

  std::string name;
  // Format-specific facts worth showing (producer, opset, licence ...), in file order.
  std::vector<std::pair<std::string, std::string>> metadata;

  // --- changing
  // Every reader of `from` (nodes, captures of subgraphs, graph outputs) reads `to` instead.
  void replace_uses(ValueId from, ValueId to);
  // Readers of each value: nodes (once per use, captures included); -1 stands for a graph output.
  std::vector<std::vector<NodeId>> uses() const;
  // Puts nodes into dependency order, drops those marked dead, and renumbers producers. Returns
  // false when there is a cycle.
  bool normalize(const std::vector<bool>& dead_nodes = {});
  void make_constant(ValueId id, Tensor tensor);  // the producer, if any, no longer makes it

 private:
  std::string unique_name(std::string_view wanted);
  // By value: whether it is there before any node runs.
  std::vector<bool> ready_at_first() const;
  // Nodes in dependency order; false when there is a cycle.
  bool sort_nodes(const std::vector<bool>& dead_nodes, std::vector<size_t>& order) const;
  std::vector<ValueInfo> values_;
  std::vector<Node> nodes_;
  std::vector<ValueId> inputs_, captures_, outputs_;
  std::unordered_map<std::string, ValueId> by_name_;
};

}  // namespace sluice::ir
