// The operator contract: what a folder in ops/ provides for each operator it defines. An OpDef is
// data plus plain functions; the generated registry collects those of all folders. Nothing here
// names a particular operator.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "base/name_table.h"
#include "base/result.h"
#include "ir/graph.h"
#include "plan/kernel.h"

namespace sluice::op {

// A node seen together with the types and constants of its inputs and outputs. Read only.
class NodeView {
 public:
  NodeView(const ir::Graph& graph, const ir::Node& node) : graph_(graph), node_(node) {}
  const ir::Graph& graph() const { return graph_; }
  const ir::Node& node() const { return node_; }
  const AttrMap& attrs() const { return node_.attrs; }
  int input_count() const { return static_cast<int>(node_.inputs.size()); }
  int output_count() const { return static_cast<int>(node_.outputs.size()); }
  bool has_input(int i) const { return node_.input(i) != ir::kNoValue; }
  bool has_output(int i) const { return node_.output(i) != ir::kNoValue; }
  // An unknown Type when absent.
  const Type& input_type(int i) const;
  const Type& output_type(int i) const;
  // The input's contents when known at load time; null otherwise.
  const Tensor* constant(int i) const;
  // Contents of a small integer input as extents: a constant, or what inference carried along
  // (Shape, Gather, Concat ...). Entries may be symbolic or unknown; nothing when even the number
  // of elements is not known. A scalar gives one entry.
  std::optional<Dims> ints(int i) const;
  // A constant scalar or one-element tensor.
  std::optional<int64_t> constant_int(int i) const;
  std::optional<double> constant_double(int i) const;

 protected:
  const ir::Graph& graph_;
  const ir::Node& node_;
};

// Shape and type inference of one node.
class InferContext : public NodeView {
 public:
  // Outlives the context.
  using SubgraphInfer =
      FunctionRef<Result<std::vector<Type>>(const ir::Subgraph&, std::span<const Type> inputs)>;
  InferContext(const ir::Graph& graph, const ir::Node& node, SubgraphInfer infer_subgraph);

  void set_output(int i, Type type);
  void set_output(int i, DType dtype, Dims dims) {
    set_output(i, Type::tensor(dtype, std::move(dims)));
  }
  // Rank not known.
  void set_output(int i, DType dtype) { set_output(i, Type::tensor(dtype)); }
  // What output i (a small integer tensor) will contain.
  void set_output_ints(int i, Dims values);
  // Output types of the subgraph in attribute `name` when fed `inputs`.
  Result<std::vector<Type>> infer_subgraph(std::string_view name, std::span<const Type> inputs);

  // "Softmax node "x": <sentence>" as an invalid-model error.
  Error fail(std::string_view sentence) const;

  // Filled in for the caller.
  std::vector<Type> output_types;
  std::vector<std::optional<Dims>> output_ints;

 private:
  SubgraphInfer infer_subgraph_;
};

// Rewrites a node of an older opset into the newest form. The importer calls it once per node,
// before inference, with the types of the inputs already known where they can be.
class UpgradeContext {
 public:
  UpgradeContext(ir::Graph& graph, ir::Node& old_node, int model_opset)
      : node(old_node), opset(model_opset), graph_(graph) {}
  ir::Node& node;   // to be changed in place
  const int opset;  // of the node's domain, as the model imports it

  const Type& input_type(int i) const;
  const Tensor* constant(int i) const;
  // A new constant, to be used as an input.
  ir::ValueId add_constant(Tensor tensor);
  ir::ValueId add_ints(std::span<const int64_t> values);  // 1-D int64
  // A node in front of `node`; returns its (single) output.
  ir::ValueId add_before(std::string_view op, std::vector<ir::ValueId> inputs, AttrMap attrs = {});
  // Makes `node` write its output `index` to a fresh value and puts a node behind it that reads
  // that value first, then `more_inputs`, and makes the original output.
  void add_after(std::string_view op, std::vector<ir::ValueId> more_inputs, AttrMap attrs = {},
                 int index = 0);

  std::vector<ir::Node> before, after;  // filled in for the importer
 private:
  ir::Graph& graph_;
};

// A way to run an operator on the CPU. `lower` candidates are tried in order; the reference kernel
// is always the last resort.
struct CpuCandidate {
  plan::CpuKernel kernel;
  // Empty when this kernel takes the node; otherwise a sentence saying why not, which `sluice
  // explain` prints.
  std::string (*refuse)(const NodeView& node) = nullptr;
  // Input whose memory the (first) output may reuse when this is its last reader; -1: none.
  int in_place_input = -1;
};

struct Cost {
  double flops = 0;  // 2 per multiply-add
};

struct OpDef {
  std::string_view name;
  std::string_view domain = "";
  int min_inputs = 0, max_inputs = 0;    // max -1: variadic
  int min_outputs = 1, max_outputs = 1;  // max -1: variadic
  Result<void> (*infer)(InferContext& context) = nullptr;
  plan::KernelFn reference = nullptr;  // the truth; null for operators that `upgrade` rewrites away
  std::span<const CpuCandidate> cpu = {};
  Result<void> (*upgrade)(UpgradeContext& context) = nullptr;
  Cost (*cost)(const NodeView& node) = nullptr;
  // The output is a function of the inputs only (not RandomNormal and the like).
  bool deterministic = true;
  // Output 0 is input 0's elements under another shape: no kernel runs, the memory is shared.
  bool view = false;
  // A sentence when the operator is not in the ONNX standard: what it computes and who emits it.
  std::string_view nonstandard = "";
};

class Registry {
 public:
  explicit Registry(std::span<const std::span<const OpDef>> families);
  // Null when unknown. Domains "" and "ai.onnx" are the same.
  const OpDef* find(std::string_view domain, std::string_view name) const;
  // By family.
  std::span<const OpDef* const> all() const { return defs_; }

 private:
  std::vector<const OpDef*> defs_;
  NameTable by_name_;  // rows of defs_; few names are in two domains
};

// Runs inference on one node and stores what it found in the graph. Types already present (from the
// file) are kept where inference knows less, and a contradiction is an error.
Result<void> infer_node(const Registry& registry, ir::Graph& graph, ir::NodeId node);
// All nodes in order, subgraphs included.
Result<void> infer_graph(const Registry& registry, ir::Graph& graph);

}  // namespace sluice::op
