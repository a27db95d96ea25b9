#include "passes/fuse_conv.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "passes/eliminate_dead.h"

namespace sluice::passes {

namespace {

bool is_op(const ir::Node& node, std::string_view op) {
  return node.domain.empty() && node.op == op;
}

// The only reader of a value, when there is exactly one and it is a node.
std::optional<ir::NodeId> sole_reader(const std::vector<std::vector<ir::NodeId>>& uses,
                                      ir::ValueId id) {
  const auto& readers = uses[static_cast<size_t>(id)];
  if (readers.size() != 1 || readers[0] == ir::kNoNode) return std::nullopt;
  return readers[0];
}

const Tensor* constant(const ir::Graph& graph, ir::ValueId id) {
  return graph.is_constant(id) ? &*graph.value(id).constant : nullptr;
}

// The weight of a convolution, where it is a constant or the Cast of one.
Result<Tensor> weight_of(const ir::Graph& graph, ir::ValueId id) {
  if (const Tensor* known = constant(graph, id)) return *known;
  const ir::NodeId maker = id == ir::kNoValue ? ir::kNoNode : graph.value(id).producer;
  if (maker == ir::kNoNode || !is_op(graph.node(maker), "Cast")) return Tensor();
  const Tensor* narrow = constant(graph, graph.node(maker).input(0));
  if (narrow == nullptr || narrow->dtype() != DType::kFloat16) return Tensor();
  return converted(*narrow, DType::kFloat32);
}

// The activation of sluice.FusedConv that equals `node`; empty when there is none.
struct Activation {
  std::string name;
  std::vector<float> params;
};
std::optional<Activation> activation_of(const ir::Graph& graph, const ir::Node& node) {
  if (!node.domain.empty()) return std::nullopt;
  if (node.op == "Relu") return Activation{"relu", {}};
  if (node.op == "Sigmoid") return Activation{"sigmoid", {}};
  if (node.op == "Tanh") return Activation{"tanh", {}};
  if (node.op == "HardSwish") return Activation{"hardswish", {}};
  if (node.op == "LeakyRelu") return Activation{"leakyrelu", {node.attrs.float_or("alpha", 0.01f)}};
  if (node.op == "HardSigmoid") {
    return Activation{"hardsigmoid",
                      {node.attrs.float_or("alpha", 0.2f), node.attrs.float_or("beta", 0.5f)}};
  }
  if (node.op == "Clip") {
    std::vector<float> bounds = {-INFINITY, INFINITY};
    for (int i = 1; i <= 2; ++i) {
      const ir::ValueId id = node.input(i);
      if (id == ir::kNoValue) continue;
      const Tensor* bound = constant(graph, id);
      if (bound == nullptr || bound->elements() != 1) return std::nullopt;
      bounds[static_cast<size_t>(i - 1)] = static_cast<float>(bound->get_double(0));
    }
    return Activation{"clip", std::move(bounds)};
  }
  return std::nullopt;
}

// Takes the activation that alone reads `out`, if any, into the attributes of `conv`; then `out` is
// what it makes. Gives the node whose work that was: it is the caller's to remove.
ir::Node* take_activation(ir::Graph& graph, const std::vector<std::vector<ir::NodeId>>& uses,
                          ir::ValueId& out, ir::Node& conv) {
  const auto reader = sole_reader(uses, out);
  if (!reader) return nullptr;
  ir::Node& act = graph.nodes()[static_cast<size_t>(*reader)];
  if (act.input(0) != out || act.output(0) == ir::kNoValue) return nullptr;
  const std::optional<Activation> activation = activation_of(graph, act);
  if (!activation) return nullptr;
  conv.attrs.set("activation", activation->name);
  if (!activation->params.empty()) conv.attrs.set("activation_params", activation->params);
  out = act.output(0);
  return &act;
}

void clear(ir::Node& node) {
  node.inputs.clear();
  node.outputs.clear();
}

bool is_float_conv(const ir::Graph& graph, const ir::Node& node) {
  return is_op(node, "Conv") && node.output(0) != ir::kNoValue &&
         graph.type(node.output(0)).is_tensor() &&
         graph.type(node.output(0)).dtype == DType::kFloat32;
}

}  // namespace

Result<int> fold_batch_normalization(ir::Graph& graph) {
  int folded = 0;
  const auto uses = graph.uses();
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    ir::Node& conv = graph.nodes()[n];
    if (!is_float_conv(graph, conv)) continue;
    const auto reader = sole_reader(uses, conv.output(0));
    if (!reader) continue;
    ir::Node& bn = graph.nodes()[static_cast<size_t>(*reader)];
    if (!is_op(bn, "BatchNormalization") || bn.input(0) != conv.output(0) ||
        bn.attrs.int_or("training_mode", 0) != 0 || bn.output(1) != ir::kNoValue) {
      continue;
    }
    const Tensor* bias = constant(graph, conv.input(2));
    const Tensor* scale = constant(graph, bn.input(1));
    const Tensor* shift = constant(graph, bn.input(2));
    const Tensor* mean = constant(graph, bn.input(3));
    const Tensor* variance = constant(graph, bn.input(4));
    const bool has_bias = conv.input(2) != ir::kNoValue;
    if (scale == nullptr || shift == nullptr || mean == nullptr || variance == nullptr ||
        (has_bias && bias == nullptr)) {
      continue;
    }
    SLUICE_ASSIGN(const Tensor weight, weight_of(graph, conv.input(1)));
    if (!weight.defined() || weight.rank() < 3 || weight.dtype() != DType::kFloat32) continue;
    const int64_t channels = weight.dim(0);
    if (channels == 0 || scale->elements() != channels || shift->elements() != channels ||
        mean->elements() != channels || variance->elements() != channels ||
        (has_bias && bias->elements() != channels)) {
      continue;
    }
    const double epsilon = bn.attrs.float_or("epsilon", 1e-5f);
    SLUICE_ASSIGN(Tensor new_weight, weight.clone());
    SLUICE_ASSIGN(Tensor new_bias, Tensor::allocate(DType::kFloat32, Shape{channels}));
    const int64_t per_channel = weight.elements() / channels;
    for (int64_t c = 0; c < channels; ++c) {
      const double factor = scale->get_double(c) / std::sqrt(variance->get_double(c) + epsilon);
      float* row = new_weight.mutable_data<float>() + c * per_channel;
      for (int64_t k = 0; k < per_channel; ++k) row[k] = static_cast<float>(row[k] * factor);
      const double old_bias = has_bias ? bias->get_double(c) : 0;
      new_bias.set_double(c, (old_bias - mean->get_double(c)) * factor + shift->get_double(c));
    }
    const ir::ValueId w =
        graph.add_constant(graph.value(conv.input(1)).name + "_bn", std::move(new_weight));
    const ir::ValueId b =
        graph.add_constant(graph.value(conv.output(0)).name + "_bias", std::move(new_bias));
    conv.inputs = {conv.input(0), w, b};
    // The convolution now makes the normalised value, under its name.
    const ir::ValueId out = bn.output(0);
    clear(bn);
    conv.outputs = {out};
    graph.value(out).producer = static_cast<ir::NodeId>(n);
    ++folded;
  }
  if (folded != 0) {
    eliminate_dead(graph);
  }
  return folded;
}

int fuse_conv(ir::Graph& graph) {
  int fused = 0;
  const auto uses = graph.uses();
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    ir::Node& conv = graph.nodes()[n];
    if (!is_float_conv(graph, conv)) continue;
    ir::ValueId out = conv.output(0);
    ir::ValueId residual = ir::kNoValue;
    if (const auto reader = sole_reader(uses, out)) {
      ir::Node& add = graph.nodes()[static_cast<size_t>(*reader)];
      if (is_op(add, "Add") && add.inputs.size() == 2 && add.input(0) != add.input(1)) {
        const ir::ValueId other = add.input(0) == out ? add.input(1) : add.input(0);
        const Type& mine = graph.type(out);
        const Type& its = graph.type(other);
        if (mine.has_rank() && its.has_rank() && its.dtype == mine.dtype &&
            *mine.dims == *its.dims && !graph.is_constant(other)) {
          residual = other;
          out = add.output(0);
          clear(add);
        }
      }
    }
    ir::Node* const activation = take_activation(graph, uses, out, conv);
    if (activation != nullptr) clear(*activation);
    if (residual == ir::kNoValue && activation == nullptr) continue;
    conv.domain = "sluice";
    conv.op = "FusedConv";
    conv.inputs.resize(residual == ir::kNoValue ? conv.inputs.size() : 4, ir::kNoValue);
    if (residual != ir::kNoValue) conv.inputs[3] = residual;
    conv.outputs = {out};
    graph.value(out).producer = static_cast<ir::NodeId>(n);
    ++fused;
  }
  if (fused != 0) {
    // A residual may be made after the convolution stood: put the nodes back into order.
    graph.normalize();
    eliminate_dead(graph);
  }
  return fused;
}

namespace {

// The node that makes a value; null for inputs and constants.
const ir::Node* producer(const ir::Graph& graph, ir::ValueId id) {
  if (id == ir::kNoValue) return nullptr;
  const ir::NodeId node = graph.value(id).producer;
  return node == ir::kNoNode ? nullptr : &graph.nodes()[static_cast<size_t>(node)];
}

// The other operand of a node of two, one of which is `mine`.
ir::ValueId other_operand(const ir::Node& node, ir::ValueId mine) {
  if (node.inputs.size() != 2 || node.input(0) == node.input(1)) return ir::kNoValue;
  return node.input(0) == mine ? node.input(1) : node.input(0);
}

// A bias as Add broadcasts it over [N, M, ...] of rank `rank`: M numbers along axis 1.
bool is_channel_bias(const Tensor* bias, int64_t channels, size_t rank) {
  if (bias == nullptr || bias->dtype() != DType::kFloat32 || bias->elements() != channels) {
    return false;
  }
  const size_t axes = static_cast<size_t>(bias->rank());
  if (axes + 1 != rank && axes != rank) return false;
  return bias->dim(axes == rank ? 1 : 0) == channels;
}

}  // namespace

int fuse_dynamic_quantized_conv(ir::Graph& graph) {
  int fused = 0;
  const auto uses = graph.uses();
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    ir::Node& conv = graph.nodes()[n];
    if (!is_op(conv, "ConvInteger") || conv.output(0) == ir::kNoValue) continue;
    const ir::Node* const quantize = producer(graph, conv.input(0));
    const Tensor* const weight = constant(graph, conv.input(1));
    const bool has_zero = conv.input(3) != ir::kNoValue;
    if (quantize == nullptr || !is_op(*quantize, "DynamicQuantizeLinear") ||
        conv.input(0) != quantize->output(0) || conv.input(2) != quantize->output(2) ||
        weight == nullptr || weight->rank() < 3 ||
        (has_zero && constant(graph, conv.input(3)) == nullptr)) {
      continue;
    }
    // The node that alone reads `value`, if it is an `op`.
    const auto next = [&](ir::ValueId value, std::string_view op) -> ir::Node* {
      const auto reader = sole_reader(uses, value);
      if (!reader) return nullptr;
      ir::Node& node = graph.nodes()[static_cast<size_t>(*reader)];
      return is_op(node, op) && node.output(0) != ir::kNoValue ? &node : nullptr;
    };
    ir::Node* const cast = next(conv.output(0), "Cast");
    if (cast == nullptr || graph.type(cast->output(0)).dtype != DType::kFloat32) continue;
    ir::Node* const scaled = next(cast->output(0), "Mul");
    if (scaled == nullptr) continue;
    const ir::Node* const scales = producer(graph, other_operand(*scaled, cast->output(0)));
    if (scales == nullptr || !is_op(*scales, "Mul")) continue;
    const ir::ValueId w_scale = other_operand(*scales, quantize->output(1));
    const Tensor* const scale = constant(graph, w_scale);
    if ((scales->input(0) != quantize->output(1) && scales->input(1) != quantize->output(1)) ||
        scale == nullptr || scale->dtype() != DType::kFloat32 || scale->elements() != 1 ||
        scale->rank() > 1) {
      continue;
    }
    std::vector<ir::Node*> replaced = {cast, scaled};
    ir::ValueId out = scaled->output(0), bias = ir::kNoValue;
    if (ir::Node* const add = next(out, "Add"); add != nullptr) {
      const ir::ValueId other = other_operand(*add, out);
      const Tensor* const numbers = other == ir::kNoValue ? nullptr : constant(graph, other);
      if (is_channel_bias(numbers, weight->dim(0), static_cast<size_t>(weight->rank()))) {
        // Copies first: a new constant moves the others.
        Tensor flat = numbers->reshaped(Shape{weight->dim(0)});
        const std::string name = graph.value(other).name + "_channels";
        bias = graph.add_constant(name, std::move(flat));
        out = add->output(0);
        replaced.push_back(add);
      }
    }
    if (ir::Node* const act = take_activation(graph, uses, out, conv)) replaced.push_back(act);
    const ir::ValueId w_zero = has_zero ? conv.input(3) : ir::kNoValue;
    conv.domain = "sluice";
    conv.op = "DynamicQuantizedConv";
    conv.inputs = {quantize->input(0), conv.input(1), w_scale, w_zero, bias};
    while (conv.inputs.back() == ir::kNoValue) conv.inputs.pop_back();
    conv.outputs = {out};
    for (ir::Node* node : replaced) clear(*node);
    graph.value(out).producer = static_cast<ir::NodeId>(n);
    ++fused;
  }
  if (fused != 0) {
    graph.normalize();
    eliminate_dead(graph);
  }
  return fused;
}

}  // namespace sluice::passes
