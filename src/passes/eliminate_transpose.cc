#include "passes/eliminate_transpose.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "base/text.h"

namespace sluice::passes {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;
using Perm = std::vector<int64_t>;

// v = Transpose(source, perm): axis i of v is axis perm[i] of source.
struct View {
  ValueId source = kNoValue;
  Perm perm;
};

Perm inverse(const Perm& perm) {
  Perm out(perm.size());
  for (size_t i = 0; i < perm.size(); ++i)
    out[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  return out;
}

bool is_identity(const Perm& perm) {
  for (size_t i = 0; i < perm.size(); ++i) {
    if (perm[i] != static_cast<int64_t>(i)) return false;
  }
  return true;
}

bool is_permutation(const Perm& perm) {
  std::vector<bool> seen(perm.size(), false);
  for (const int64_t axis : perm) {
    if (axis < 0 || axis >= static_cast<int64_t>(perm.size()) || seen[static_cast<size_t>(axis)])
      return false;
    seen[static_cast<size_t>(axis)] = true;
  }
  return true;
}

// Type of Transpose(x, perm) for x of `type`.
Type permuted(const Type& type, const Perm& perm) {
  Type out = type;
  if (!type.has_rank() || type.dims->size() != perm.size()) {
    out.dims.reset();
    return out;
  }
  for (size_t i = 0; i < perm.size(); ++i)
    (*out.dims)[i] = (*type.dims)[static_cast<size_t>(perm[i])];
  return out;
}

bool listed(std::string_view op, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, op) != names.end();
}

// Output shape is input 0's; further inputs, if any, are scalars.
bool is_unary(std::string_view op) {
  return listed(op, {"Relu",    "LeakyRelu", "Elu",         "Selu",      "Celu",
                     "Sigmoid", "Tanh",      "HardSigmoid", "HardSwish", "Gelu",
                     "Mish",    "Softplus",  "Softsign",    "Swish",     "ThresholdedRelu",
                     "Clip",    "Exp",       "Log",         "Sqrt",      "Abs",
                     "Neg",     "Floor",     "Ceil",        "Round",     "Sign",
                     "Sin",     "Cos",       "Reciprocal",  "Erf",       "Identity",
                     "Not",     "IsNaN",     "IsInf",       "Cast",      "BitwiseNot"});
}

bool is_broadcasting(std::string_view op) {
  return listed(op, {"Add",         "Sub",  "Mul", "Div",   "Pow",     "Max",  "Min",
                     "Sum",         "Mean", "Mod", "Equal", "Greater", "Less", "GreaterOrEqual",
                     "LessOrEqual", "And",  "Or",  "Xor",   "Where",   "PRelu"});
}

bool is_reduction(std::string_view op) {
  return listed(op, {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1",
                     "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"});
}

// The elements of `from` in the order of Transpose(from, perm), after leading ones are added.
std::optional<Tensor> permuted_constant(const Tensor& from, const Perm& perm) {
  const int bits = dtype_bits(from.dtype());
  if (bits < 8 || from.rank() > static_cast<int>(perm.size())) return std::nullopt;
  Shape wide = Shape::filled(static_cast<int>(perm.size()), 1);
  for (int i = 0; i < from.rank(); ++i) wide[wide.rank() - from.rank() + i] = from.dim(i);
  const Shape from_strides = wide.strides();
  Shape shape, strides;
  for (const int64_t axis : perm) {
    shape.push_back(wide[static_cast<int>(axis)]);
    strides.push_back(from_strides[static_cast<int>(axis)]);
  }
  auto out = Tensor::allocate(from.dtype(), shape);
  if (!out) return std::nullopt;
  const size_t elem = static_cast<size_t>(bits) / 8;
  size_t to = 0;
  for (Odometer at(shape); !at.done(); at.next(), ++to) {
    std::memcpy(out->mutable_bytes().data() + to * elem,
                from.bytes().data() + static_cast<size_t>(at.dot(strides)) * elem, elem);
  }
  return std::move(*out);
}

class Mover {
 public:
  explicit Mover(ir::Graph& graph) : graph_(graph) {}

  int run() {
    std::vector<Node> nodes = std::move(graph_.nodes());
    graph_.nodes().clear();
    // Values that a graph output names must still be made, but others may read past them.
    for (Node& node : nodes) {
      for (ValueId& id : node.inputs) id = resolved(id);
      for (auto& sub : node.subgraphs) {
        for (ValueId& id : sub.captures) id = resolved(id);
      }
      if (node.domain.empty() && node.subgraphs.empty()) {
        if (node.op == "Transpose") {
          transpose(node);
          graph_.add_node(std::move(node));
          continue;
        }
        if (try_move(node)) continue;
      }
      graph_.add_node(std::move(node));
    }
    return changed_;
  }

 private:
  ValueId resolved(ValueId id) const {
    const auto i = static_cast<size_t>(id);
    return id != kNoValue && i < alias_.size() && alias_[i] != kNoValue ? alias_[i] : id;
  }
  const View* view(ValueId id) const {
    const auto i = static_cast<size_t>(id);
    return id != kNoValue && i < views_.size() && views_[i].source != kNoValue ? &views_[i]
                                                                               : nullptr;
  }
  void set_view(ValueId id, View v) {
    const auto i = static_cast<size_t>(id);
    if (views_.size() <= i) views_.resize(i + 1);
    views_[i] = std::move(v);
  }
  void set_alias(ValueId id, ValueId to) {
    const auto i = static_cast<size_t>(id);
    if (alias_.size() <= i) alias_.resize(i + 1, kNoValue);
    alias_[i] = to;
  }
  std::optional<size_t> rank(ValueId id) const {
    const Type& type = graph_.type(id);
    return type.has_rank() ? std::optional(type.dims->size()) : std::nullopt;
  }
  // The contents of a constant integer input.
  std::optional<Perm> ints(const Node& node, int i) const {
    const ValueId id = node.input(i);
    if (!graph_.is_constant(id)) return std::nullopt;
    const Tensor& tensor = *graph_.value(id).constant;
    if (!is_integer(tensor.dtype())) return std::nullopt;
    return tensor.to_ints();
  }
  ValueId ints_constant(const Perm& values) {
    return graph_.add_constant("axes",
                               Tensor::of<int64_t>(Shape{static_cast<int64_t>(values.size())},
                                                   std::span<const int64_t>(values)));
  }
  bool is_one_element(ValueId id) const {
    const Type& type = graph_.type(id);
    if (!type.has_rank()) return false;
    return std::ranges::all_of(*type.dims, [](const Dim& dim) { return dim.get() == 1; });
  }

  // Merges a Transpose with the one that made its input.
  void transpose(Node& node) {
    if (node.inputs.size() != 1 || node.outputs.size() != 1) return;
    Perm perm = node.attrs.ints_or("perm");
    if (perm.empty()) {
      const auto n = rank(node.inputs[0]);
      if (!n) return;
      for (size_t i = *n; i-- > 0;) perm.push_back(static_cast<int64_t>(i));
    }
    if (!is_permutation(perm)) return;
    ValueId source = node.inputs[0];
    if (const View* before = view(source);
        before != nullptr && before->perm.size() == perm.size()) {
      for (int64_t& axis : perm) axis = before->perm[static_cast<size_t>(axis)];
      source = before->source;
      ++changed_;
      if (is_identity(perm)) {
        // The value is what it was before both; this node remains for whoever names it.
        set_alias(node.outputs[0], source);
        return;
      }
      node.inputs[0] = source;
      node.attrs.set("perm", perm);
    }
    if (is_identity(perm)) return;
    // The same transpose twice: the second reads the first.
    for (const auto& [made, view_of] : known_) {
      if (view_of.source == source && view_of.perm == perm) {
        set_alias(node.outputs[0], made);
        ++changed_;
        return;
      }
    }
    known_.emplace_back(node.outputs[0], View{source, perm});
    if (known_.size() > 64) known_.erase(known_.begin());
    set_view(node.outputs[0], {source, perm});
  }

  // Appends `node`, whose outputs are to be read through a Transpose by `perm` (empty: as they
  // are).
  void emit(Node node, const Perm& perm) {
    ++changed_;
    if (perm.empty() || is_identity(perm)) {
      graph_.add_node(std::move(node));
      return;
    }
    const std::vector<ValueId> wanted = node.outputs;
    const std::string name = node.name;
    for (ValueId& id : node.outputs) {
      if (id == kNoValue) continue;
      id = graph_.add_value(cat(graph_.value(id).name, "/moved"),
                            permuted(graph_.type(id), inverse(perm)));
    }
    const std::vector<ValueId> made = node.outputs;
    graph_.add_node(std::move(node));
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (wanted[i] == kNoValue) continue;
      Node back;
      back.op = "Transpose";
      back.name = cat(name, "/Transpose");
      back.inputs = {made[i]};
      back.outputs = {wanted[i]};
      back.attrs.set("perm", perm);
      graph_.add_node(std::move(back));
      set_view(wanted[i], {made[i], perm});
    }
  }

  // `id`, an operand that broadcasts against tensors of rank `perm.size()`, in the source layout of
  // `perm`; nothing when that would cost more than it saves.
  std::optional<ValueId> operand(ValueId id, const Perm& perm, ValueId beside) {
    if (is_one_element(id)) {
      const auto n = rank(id);
      if (*n <= perm.size()) return id;
    }
    if (const View* v = view(id); v != nullptr && v->perm == perm) return v->source;
    if (graph_.is_constant(id)) {
      const auto found = permuted_constant(*graph_.value(id).constant, inverse(perm));
      if (!found) return std::nullopt;
      return graph_.add_constant(cat(graph_.value(id).name, "/moved"), *found);
    }
    // A small operand (the scale of a squeeze-and-excitation block) is worth a Transpose of its
    // own.
    const auto mine = graph_.type(id).shape(), other = graph_.type(beside).shape();
    if (!mine || !other || mine->rank() != static_cast<int>(perm.size())) return std::nullopt;
    const auto small = mine->checked_elements(), large = other->checked_elements();
    if (!small || !large || *small > *large / 8) return std::nullopt;
    Node turn;
    turn.op = "Transpose";
    turn.name = cat(graph_.value(id).name, "/Transpose");
    turn.inputs = {id};
    const ValueId out = graph_.add_value(turn.name, permuted(graph_.type(id), inverse(perm)));
    turn.outputs = {out};
    turn.attrs.set("perm", inverse(perm));
    graph_.add_node(std::move(turn));
    return out;
  }

  // An axis of v as an axis of the source; nothing when out of range.
  static std::optional<int64_t> source_axis(int64_t axis, const Perm& perm) {
    const auto n = static_cast<int64_t>(perm.size());
    if (axis < -n || axis >= n) return std::nullopt;
    return perm[static_cast<size_t>(axis < 0 ? axis + n : axis)];
  }
  static bool map_axes(Perm& axes, const Perm& perm) {
    for (int64_t& axis : axes) {
      const auto mapped = source_axis(axis, perm);
      if (!mapped) return false;
      axis = *mapped;
    }
    return true;
  }

  bool try_move(Node& node) {
    const std::string_view op = node.op;
    if (is_broadcasting(op)) return broadcasting(node);
    const View* first = view(node.input(0));
    if (op == "Concat") return concat(node);
    if (first == nullptr) return false;
    const View at = *first;  // emitting may move the table of views
    if (is_unary(op)) {
      for (size_t i = 1; i < node.inputs.size(); ++i) {
        if (node.inputs[i] != kNoValue && !is_one_element(node.inputs[i])) return false;
      }
      node.inputs[0] = at.source;
      emit(std::move(node), at.perm);
      return true;
    }
    if (op == "QuantizeLinear" || op == "DequantizeLinear") {
      if (node.attrs.int_or("block_size", 0) != 0) return false;
      if (!is_one_element(node.input(1))) {
        if (rank(node.input(1)) != 1) return false;
        const auto axis = source_axis(node.attrs.int_or("axis", 1), at.perm);
        if (!axis) return false;
        node.attrs.set("axis", *axis);
      }
      node.inputs[0] = at.source;
      emit(std::move(node), at.perm);
      return true;
    }
    if (op == "Softmax" || op == "LogSoftmax" || op == "Hardmax" || op == "LpNormalization") {
      const auto axis = source_axis(node.attrs.int_or("axis", -1), at.perm);
      if (!axis) return false;
      node.attrs.set("axis", *axis);
      node.inputs[0] = at.source;
      emit(std::move(node), at.perm);
      return true;
    }
    if (op == "Split") {
      const auto axis = source_axis(node.attrs.int_or("axis", 0), at.perm);
      if (!axis) return false;
      node.attrs.set("axis", *axis);
      node.inputs[0] = at.source;
      emit(std::move(node), at.perm);
      return true;
    }
    if (op == "Slice") {
      auto axes = ints(node, 3);
      if (!axes) {
        const Type& starts = graph_.type(node.input(1));
        if (node.input(3) != kNoValue || !starts.has_rank() || starts.dims->size() != 1 ||
            !(*starts.dims)[0].is_known())
          return false;
        axes = Perm();
        for (int64_t i = 0; i < (*starts.dims)[0].value(); ++i) axes->push_back(i);
      }
      if (!map_axes(*axes, at.perm)) return false;
      while (node.inputs.size() < 4) node.inputs.push_back(kNoValue);
      node.inputs[3] = ints_constant(*axes);
      node.inputs[0] = at.source;
      emit(std::move(node), at.perm);
      return true;
    }
    if (op == "Pad") {
      const auto pads = ints(node, 1);
      if (!pads) return false;
      Perm axes;
      if (node.input(3) != kNoValue) {
        const auto given = ints(node, 3);
        if (!given) return false;
        axes = *given;
      } else {
        for (size_t i = 0; i < at.perm.size(); ++i) axes.push_back(static_cast<int64_t>(i));
      }
      if (pads->size() != 2 * axes.size() || !map_axes(axes, at.perm)) return false;
      // Whole again, so that a kernel finds the plain form.
      Perm whole(2 * at.perm.size(), 0);
      for (size_t i = 0; i < axes.size(); ++i) {
        whole[static_cast<size_t>(axes[i])] = (*pads)[i];
        whole[static_cast<size_t>(axes[i]) + at.perm.size()] = (*pads)[i + axes.size()];
      }
      node.inputs[1] = ints_constant(whole);
      if (node.inputs.size() > 3) node.inputs.resize(3);
      if (node.inputs.size() == 3 && node.inputs[2] == kNoValue) node.inputs.resize(2);
      node.inputs[0] = at.source;
      emit(std::move(node), at.perm);
      return true;
    }
    if (is_reduction(op) || op == "Squeeze") {
      auto axes = ints(node, 1);
      if (!axes || axes->empty()) return false;
      Perm mapped = *axes;
      if (!map_axes(mapped, at.perm)) return false;
      const bool keep = op != "Squeeze" && node.attrs.int_or("keepdims", 1) != 0;
      Perm perm = at.perm;
      if (!keep) {
        // What remains of the permutation when the axes are gone, renumbered.
        Perm rest;
        for (const int64_t axis : at.perm) {
          if (std::ranges::find(mapped, axis) == mapped.end()) rest.push_back(axis);
        }
        Perm sorted = rest;
        std::ranges::sort(sorted);
        perm.clear();
        for (const int64_t axis : rest)
          perm.push_back(std::ranges::find(sorted, axis) - sorted.begin());
      }
      node.inputs[0] = at.source;
      node.inputs[1] = ints_constant(mapped);
      emit(std::move(node), perm);
      return true;
    }
    if (op == "Reshape" || op == "Flatten") {
      // Where only extents of 1 change places, the elements lie in the same order.
      const Type& type = graph_.type(at.source);
      if (!type.has_rank() || type.dims->size() != at.perm.size()) return false;
      int64_t last = -1;
      for (const int64_t axis : at.perm) {
        if ((*type.dims)[static_cast<size_t>(axis)].get() == 1) continue;
        if (axis < last) return false;
        last = axis;
      }
      if (op == "Flatten") return false;
      const auto shape = ints(node, 1);
      if (!shape ||
          (node.attrs.int_or("allowzero", 0) == 0 && std::ranges::find(*shape, 0) != shape->end()))
        return false;
      node.inputs[0] = at.source;
      emit(std::move(node), {});
      return true;
    }
    return false;
  }

  bool broadcasting(Node& node) {
    // The permutation most operands agree on; every operand must be had in its source layout.
    const View* at = nullptr;
    ValueId beside = kNoValue;
    size_t widest = 0;
    for (const ValueId id : node.inputs) {
      if (id == kNoValue) return false;
      const auto n = rank(id);
      if (!n) return false;
      widest = std::max(widest, *n);
      if (const View* v = view(id);
          v != nullptr && (at == nullptr || v->perm.size() > at->perm.size())) {
        at = v;
        beside = id;
      }
    }
    if (at == nullptr || at->perm.size() != widest) return false;
    const Perm perm = at->perm;
    std::vector<ValueId> inputs;
    for (const ValueId id : node.inputs) {
      const View* v = view(id);
      if (v != nullptr && v->perm == perm) {
        inputs.push_back(v->source);
        continue;
      }
      const auto found = operand(id, perm, beside);
      if (!found) return false;
      inputs.push_back(*found);
    }
    node.inputs = std::move(inputs);
    emit(std::move(node), perm);
    return true;
  }

  bool concat(Node& node) {
    const View* at = nullptr;
    for (const ValueId id : node.inputs) {
      if (const View* v = view(id); v != nullptr) at = v;
    }
    if (at == nullptr) return false;
    const Perm perm = at->perm;
    const auto axis = source_axis(node.attrs.int_or("axis", 0), perm);
    if (!axis) return false;
    std::vector<ValueId> inputs;
    for (const ValueId id : node.inputs) {
      const View* v = view(id);
      if (v != nullptr && v->perm == perm) {
        inputs.push_back(v->source);
      } else if (graph_.is_constant(id) && rank(id) == perm.size()) {
        const auto found = permuted_constant(*graph_.value(id).constant, inverse(perm));
        if (!found) return false;
        inputs.push_back(graph_.add_constant(cat(graph_.value(id).name, "/moved"), *found));
      } else {
        return false;
      }
    }
    node.inputs = std::move(inputs);
    node.attrs.set("axis", *axis);
    emit(std::move(node), perm);
    return true;
  }

  ir::Graph& graph_;
  std::vector<View> views_;
  std::vector<ValueId> alias_;
  std::vector<std::pair<ValueId, View>> known_;
  int changed_ = 0;
};

}  // namespace

int eliminate_transpose(ir::Graph& graph) { return Mover(graph).run(); }

int reshape_for_transpose(ir::Graph& graph) {
  int changed = 0;
  for (Node& node : graph.nodes()) {
    if (!node.domain.empty() || node.op != "Transpose" || node.input(0) == kNoValue ||
        node.output(0) == kNoValue) {
      continue;
    }
    const auto shape = graph.type(node.input(0)).shape(), made = graph.type(node.output(0)).shape();
    const Perm perm = node.attrs.ints_or("perm");
    if (!shape || !made || shape->elements() == 0 || !is_permutation(perm) ||
        static_cast<int>(perm.size()) != shape->rank()) {
      continue;
    }
    Perm moving;
    for (const int64_t axis : perm) {
      if ((*shape)[static_cast<int>(axis)] != 1) moving.push_back(axis);
    }
    if (!std::ranges::is_sorted(moving)) continue;
    const ValueId to = graph.add_constant(
        cat(graph.value(node.output(0)).name, "/shape"),
        Tensor::of<int64_t>(Shape{static_cast<int64_t>(made->rank())}, made->dims()));
    node.op = "Reshape";
    node.inputs.push_back(to);
    node.attrs = {};
    ++changed;
  }
  return changed;
}

}  // namespace sluice::passes
