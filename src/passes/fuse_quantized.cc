#include "passes/fuse_quantized.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string_view>
#include <vector>

#include "op/interpreter.h"
#include "passes/eliminate_dead.h"

namespace sluice::passes {

namespace {

using ir::kNoValue;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

bool is_op(const Node& node, std::string_view op) { return node.domain.empty() && node.op == op; }

template <size_t kCount>
bool is_one_of(const Node& node, const std::array<std::string_view, kCount>& ops) {
  return node.domain.empty() && std::ranges::find(ops, node.op) != ops.end();
}

// Element-wise, of one operand; further inputs are constants.
constexpr std::array<std::string_view, 22> kUnary = {
    "Relu",    "LeakyRelu",   "PRelu",      "Elu",  "Selu",     "Celu",
    "Sigmoid", "HardSigmoid", "HardSwish",  "Tanh", "Softplus", "Softsign",
    "Gelu",    "Mish",        "Clip",       "Exp",  "Log",      "Sqrt",
    "Abs",     "Neg",         "Reciprocal", "Erf"};
// What moves elements and makes none.
constexpr std::array<std::string_view, 7> kMovers = {"Reshape", "Flatten",   "Squeeze", "Unsqueeze",
                                                     "Concat",  "Transpose", "Slice"};

bool is_byte(DType dtype) { return dtype == DType::kInt8 || dtype == DType::kUInt8; }

// The number that an unsigned byte stands for, as tables of bytes count them.
int64_t of_byte(DType dtype, int64_t byte) {
  return dtype == DType::kInt8 && byte > 127 ? byte - 256 : byte;
}

const Tensor* constant(const ir::Graph& graph, ValueId id) {
  return graph.is_constant(id) ? &*graph.value(id).constant : nullptr;
}

// A tensor of bytes and what its bytes stand for.
struct Quantized {
  ValueId bytes = kNoValue, scale = kNoValue, zero = kNoValue;  // zero may be absent
  float step = 1;
  int64_t zero_point = 0;
  DType dtype = DType::kUndefined;

  bool stands_for_same(const Quantized& other) const {
    return dtype == other.dtype && step == other.step && zero_point == other.zero_point;
  }
};

// Scale and zero point at inputs 1 and 2 of a QuantizeLinear or DequantizeLinear, one of each.
std::optional<Quantized> parameters(const ir::Graph& graph, const Node& node, ValueId bytes) {
  Quantized q;
  q.bytes = bytes;
  const Type& type = graph.type(bytes);
  if (!type.is_tensor() || !is_byte(type.dtype) || node.attrs.int_or("block_size", 0) != 0) {
    return std::nullopt;
  }
  q.dtype = type.dtype;
  q.scale = node.input(1);
  q.zero = node.input(2);
  const Tensor* const scale = constant(graph, q.scale);
  if (scale == nullptr || scale->dtype() != DType::kFloat32 || scale->elements() != 1) {
    return std::nullopt;
  }
  q.step = scale->data<float>()[0];
  if (q.zero != kNoValue) {
    const Tensor* const zero = constant(graph, q.zero);
    if (zero == nullptr || zero->elements() != 1 || zero->dtype() != q.dtype) return std::nullopt;
    q.zero_point = zero->get_int(0);
  }
  // Then arithmetic on bytes is what arithmetic on reals would have given.
  if (!(q.step > 1e-30f) || !(q.step < 1e30f)) return std::nullopt;
  return q;
}

const Node* producer(const ir::Graph& graph, ValueId id) {
  if (id == kNoValue || graph.value(id).producer == ir::kNoNode) return nullptr;
  return &graph.nodes()[static_cast<size_t>(graph.value(id).producer)];
}

// What a float32 value is the reading of.
std::optional<Quantized> dequantized(const ir::Graph& graph, ValueId id) {
  const Node* const node = producer(graph, id);
  if (node == nullptr || !is_op(*node, "DequantizeLinear") ||
      graph.type(id).dtype != DType::kFloat32) {
    return std::nullopt;
  }
  return parameters(graph, *node, node->input(0));
}

class Fusion {
 public:
  Fusion(const op::Registry& registry, ir::Graph& graph)
      : registry_(registry), graph_(graph), uses_(graph.uses()) {}

  Result<int> run() {
    const size_t count = graph_.nodes().size();
    for (size_t n = 0; n < count; ++n) {
      SLUICE_ASSIGN(const bool done, fuse(n));
      fused_ += done ? 1 : 0;
    }
    if (fused_ != 0) {
      graph_.normalize();
      eliminate_dead(graph_);
    }
    return fused_;
  }

 private:
  Node& node(size_t n) { return graph_.nodes()[n]; }

  // The only reader of a value, when there is exactly one and it is a node.
  std::optional<size_t> sole_reader(ValueId id) const {
    if (static_cast<size_t>(id) >= uses_.size()) return std::nullopt;
    const auto& readers = uses_[static_cast<size_t>(id)];
    if (readers.size() != 1 || readers[0] == ir::kNoNode) return std::nullopt;
    return static_cast<size_t>(readers[0]);
  }

  // The QuantizeLinear that alone reads `value`.
  std::optional<size_t> quantizer(ValueId value) {
    const auto reader = sole_reader(value);
    if (!reader || !is_op(node(*reader), "QuantizeLinear") || node(*reader).input(0) != value ||
        node(*reader).output(0) == kNoValue || graph_.type(value).dtype != DType::kFloat32) {
      return std::nullopt;
    }
    const int64_t precision = node(*reader).attrs.int_or("precision", 0);
    if (precision != 0 && precision != static_cast<int64_t>(DType::kFloat32)) return std::nullopt;
    return reader;
  }
  std::optional<Quantized> made_by(size_t quantize) {
    return parameters(graph_, node(quantize), node(quantize).output(0));
  }

  // The zero point as a value; makes one where it was left out.
  ValueId zero_value(const Quantized& q) {
    if (q.zero != kNoValue) return q.zero;
    auto zero = Tensor::allocate(q.dtype, Shape{});
    SLUICE_CHECK(zero.ok());
    zero->set_int(0, 0);
    return graph_.add_constant("zero_point", std::move(zero).value());
  }

  // Node n becomes `op` and makes what the quantizer made.
  void replace(size_t n, std::string_view domain, std::string_view op, std::vector<ValueId> inputs,
               size_t quantize) {
    const ValueId out = node(quantize).output(0);
    clear(quantize);
    Node& made = node(n);
    made.domain = domain;
    made.op = op;
    made.inputs = std::move(inputs);
    made.outputs = {out};
    graph_.value(out).producer = static_cast<NodeId>(n);
  }
  void clear(size_t n) {
    node(n).inputs.clear();
    node(n).outputs.clear();
  }

  Result<bool> fuse(size_t n) {
    if (node(n).output(0) == kNoValue || !node(n).subgraphs.empty()) return false;
    if (is_op(node(n), "Conv")) return fuse_conv(n);
    if (is_op(node(n), "MatMul")) return fuse_matmul(n);
    if (is_op(node(n), "Gemm")) return fuse_gemm(n);
    if (is_op(node(n), "Add") || is_op(node(n), "Mul")) return fuse_binary(n);
    if (is_op(node(n), "QuantizeLinear")) return fuse_requantize(n);
    if (is_one_of(node(n), kUnary)) return fuse_unary(n);
    if (is_one_of(node(n), kMovers)) return fuse_mover(n);
    return false;
  }

  // --- weights

  struct Weight {
    Quantized q;  // its step is the first one's
    std::vector<float> steps;
  };
  // A constant of bytes with a scale for all of it, or one for each index of `axis`.
  std::optional<Weight> weight(ValueId id, int axis) {
    const Node* const dq = producer(graph_, id);
    if (dq == nullptr || !is_op(*dq, "DequantizeLinear") ||
        graph_.type(id).dtype != DType::kFloat32 || dq->attrs.int_or("block_size", 0) != 0) {
      return std::nullopt;
    }
    const Tensor* const data = constant(graph_, dq->input(0));
    const Tensor* const scale = constant(graph_, dq->input(1));
    if (data == nullptr || scale == nullptr || !is_byte(data->dtype()) || data->rank() <= axis ||
        scale->dtype() != DType::kFloat32 || scale->rank() > 1) {
      return std::nullopt;
    }
    Weight w;
    w.q = {dq->input(0), dq->input(1), dq->input(2)};
    w.q.dtype = data->dtype();
    const int64_t count = scale->elements();
    const int64_t given = dq->attrs.int_or("axis", 1);
    if (count != 1 &&
        ((given < 0 ? given + data->rank() : given) != axis || count != data->dim(axis))) {
      return std::nullopt;
    }
    for (int64_t i = 0; i < count; ++i) w.steps.push_back(scale->data<float>()[i]);
    if (!std::ranges::all_of(w.steps, [](float s) { return s > 1e-30f && s < 1e30f; })) {
      return std::nullopt;
    }
    if (w.q.zero != kNoValue) {
      const Tensor* const zero = constant(graph_, w.q.zero);
      if (zero == nullptr || zero->dtype() != data->dtype() || zero->elements() != count) {
        return std::nullopt;
      }
    }
    return w;
  }

  // The int32 tensor that `id` is the reading of in steps of x.step * weight step; kNoValue where
  // it is something else. Runtimes take the integers as they are, whatever the rounding of their
  // scale.
  ValueId integer_bias(ValueId id, const Quantized& x, const Weight& w, int64_t count) {
    const Node* const dq = producer(graph_, id);
    if (dq == nullptr || !is_op(*dq, "DequantizeLinear")) return kNoValue;
    const Tensor* const data = constant(graph_, dq->input(0));
    const Tensor* const scale = constant(graph_, dq->input(1));
    if (data == nullptr || scale == nullptr || data->dtype() != DType::kInt32 ||
        data->rank() != 1 || data->elements() != count || scale->dtype() != DType::kFloat32 ||
        (scale->elements() != 1 && scale->elements() != count)) {
      return kNoValue;
    }
    if (dq->input(2) != kNoValue) {
      const Tensor* const zero = constant(graph_, dq->input(2));
      if (zero == nullptr) return kNoValue;
      for (int64_t i = 0; i < zero->elements(); ++i) {
        if (zero->get_int(i) != 0) return kNoValue;
      }
    }
    for (int64_t i = 0; i < count; ++i) {
      const double step = scale->data<float>()[scale->elements() == 1 ? 0 : i];
      const double wanted =
          static_cast<double>(x.step) *
          static_cast<double>(w.steps[w.steps.size() == 1 ? 0 : static_cast<size_t>(i)]);
      if (std::abs(step - wanted) > 1e-5 * wanted) return kNoValue;
    }
    return dq->input(0);
  }

  // --- what follows: an activation that bounds, then the quantizer

  struct End {
    size_t quantize = 0;
    std::optional<size_t> activation;
    int64_t low = 0, high = 0;  // of the quantized result
    Quantized made;
  };
  std::optional<End> end_of(size_t n) {
    End end;
    ValueId out = node(n).output(0);
    double low = -INFINITY, high = INFINITY;
    if (const auto reader = sole_reader(out)) {
      const Node& act = node(*reader);
      if (is_op(act, "Relu") && act.input(0) == out) {
        low = 0;
        end.activation = *reader;
      } else if (is_op(act, "Clip") && act.input(0) == out) {
        for (int i = 1; i <= 2; ++i) {
          if (act.input(i) == kNoValue) continue;
          const Tensor* const bound = constant(graph_, act.input(i));
          if (bound == nullptr || bound->elements() != 1) return std::nullopt;
          (i == 1 ? low : high) = bound->get_double(0);
        }
        if (!(low <= high)) return std::nullopt;
        end.activation = *reader;
      }
      if (end.activation) out = act.output(0);
    }
    const auto quantize = out == kNoValue ? std::nullopt : quantizer(out);
    if (!quantize) return std::nullopt;
    const auto made = made_by(*quantize);
    if (!made) return std::nullopt;
    end.quantize = *quantize;
    end.made = *made;
    // Quantization keeps order: bounds of the real value are bounds of the byte.
    const auto least = static_cast<double>(integer_min(made->dtype));
    const auto most = static_cast<double>(integer_max(made->dtype));
    const auto bound = [&](double real) {
      const float scaled = static_cast<float>(real) / made->step;
      return std::clamp(
          std::nearbyint(static_cast<double>(scaled)) + static_cast<double>(made->zero_point),
          least, most);
    };
    end.low = static_cast<int64_t>(bound(low));
    end.high = static_cast<int64_t>(bound(high));
    return end;
  }

  // Node n becomes `op`; bounds that the type does not have of itself become a table behind it.
  void finish(size_t n, std::string_view domain, std::string_view op, std::vector<ValueId> inputs,
              const End& end) {
    if (end.activation) clear(*end.activation);
    const Quantized& q = end.made;
    const auto least = integer_min(q.dtype);
    const auto most = static_cast<int64_t>(integer_max(q.dtype));
    replace(n, domain, op, std::move(inputs), end.quantize);
    if (end.low == least && end.high == most) return;
    auto table = Tensor::allocate(q.dtype, Shape{256});
    SLUICE_CHECK(table.ok());
    for (int64_t i = 0; i < 256; ++i) {
      table->set_int(i, std::clamp(of_byte(q.dtype, i), end.low, end.high));
    }
    const ValueId out = node(n).output(0);
    const std::string name = graph_.value(out).name;
    const ValueId before = graph_.add_value(name + "_unbounded", graph_.type(out));
    const ValueId bounds = graph_.add_constant(name + "_bounds", std::move(table).value());
    node(n).outputs = {before};
    graph_.value(before).producer = static_cast<NodeId>(n);
    Node map;
    map.name = node(n).name + "_bounds";
    map.domain = "sluice";
    map.op = "ByteTable";
    map.inputs = {before, bounds};
    map.outputs = {out};
    graph_.add_node(std::move(map));
  }

  // --- operators

  Result<bool> fuse_conv(size_t n) {
    const auto x = dequantized(graph_, node(n).input(0));
    const auto w = weight(node(n).input(1), 0);
    if (!x || !w) return false;
    const auto end = end_of(n);
    if (!end) return false;
    const Tensor& data = *constant(graph_, w->q.bytes);
    if (data.rank() < 3 || data.rank() > 4 || data.elements() == 0) return false;
    ValueId bias = kNoValue;
    if (node(n).input(2) != kNoValue) {
      bias = integer_bias(node(n).input(2), *x, *w, data.dim(0));
      if (bias == kNoValue) return false;
    }
    std::vector<ValueId> inputs = {
        x->bytes,   x->scale,         zero_value(*x),  w->q.bytes,
        w->q.scale, zero_value(w->q), end->made.scale, zero_value(end->made)};
    if (bias != kNoValue) inputs.push_back(bias);
    finish(n, "", "QLinearConv", std::move(inputs), *end);
    return true;
  }

  Result<bool> fuse_matmul(size_t n) {
    const auto a = dequantized(graph_, node(n).input(0));
    const auto b = weight(node(n).input(1), 1);
    if (!a || !b || constant(graph_, b->q.bytes)->rank() != 2) return false;
    const auto end = end_of(n);
    if (!end) return false;
    finish(n, "", "QLinearMatMul",
           {a->bytes, a->scale, zero_value(*a), b->q.bytes, b->q.scale, zero_value(b->q),
            end->made.scale, zero_value(end->made)},
           *end);
    return true;
  }

  Result<bool> fuse_gemm(size_t n) {
    const AttrMap& attrs = node(n).attrs;
    if (attrs.float_or("alpha", 1.0f) != 1.0f || attrs.float_or("beta", 1.0f) != 1.0f ||
        attrs.int_or("transA", 0) != 0 || registry_.find("com.microsoft", "QGemm") == nullptr) {
      return false;
    }
    const int columns = attrs.int_or("transB", 0) != 0 ? 0 : 1;
    const auto a = dequantized(graph_, node(n).input(0));
    const auto b = weight(node(n).input(1), columns);
    if (!a || !b || constant(graph_, b->q.bytes)->rank() != 2) return false;
    ValueId bias = kNoValue;
    if (node(n).input(2) != kNoValue) {
      bias = integer_bias(node(n).input(2), *a, *b, constant(graph_, b->q.bytes)->dim(columns));
      if (bias == kNoValue) return false;
    }
    std::vector<ValueId> inputs = {
        a->bytes, a->scale, zero_value(*a), b->q.bytes, b->q.scale, zero_value(b->q), bias};
    const bool transposed = columns == 0;
    if (const auto end = end_of(n)) {
      inputs.push_back(end->made.scale);
      inputs.push_back(zero_value(end->made));
      finish(n, "com.microsoft", "QGemm", std::move(inputs), *end);
    } else {
      Node& made = node(n);
      made.domain = "com.microsoft";
      made.op = "QGemm";
      while (inputs.back() == kNoValue) inputs.pop_back();
      made.inputs = std::move(inputs);
    }
    node(n).attrs = AttrMap{{"transB", int64_t{transposed}}};
    return true;
  }

  Result<bool> fuse_binary(size_t n) {
    const std::string op = "QLinear" + node(n).op;
    if (node(n).inputs.size() != 2 || registry_.find("com.microsoft", op) == nullptr) return false;
    const auto a = dequantized(graph_, node(n).input(0));
    const auto b = dequantized(graph_, node(n).input(1));
    if (!a || !b || a->dtype != b->dtype) return false;
    const Type &a_type = graph_.type(a->bytes), &b_type = graph_.type(b->bytes);
    if (!a_type.has_rank() || !b_type.has_rank() || *a_type.dims != *b_type.dims) return false;
    const auto end = end_of(n);
    if (!end || end->made.dtype != a->dtype) return false;
    finish(n, "com.microsoft", op,
           {a->bytes, a->scale, zero_value(*a), b->bytes, b->scale, zero_value(*b), end->made.scale,
            zero_value(end->made)},
           *end);
    return true;
  }

  // Runs node n on constants.
  Result<std::optional<Tensor>> evaluate(size_t n, const Tensor& x) {
    std::vector<Value> inputs = {Value(x)};
    for (size_t i = 1; i < node(n).inputs.size(); ++i) {
      const ValueId id = node(n).inputs[i];
      if (id != kNoValue && !graph_.is_constant(id)) return std::nullopt;
      inputs.push_back(id == kNoValue ? Value() : Value(*graph_.value(id).constant));
    }
    const std::function<Value(ValueId)> no_capture = [](ValueId) { return Value(); };
    auto made = op::run_node(registry_, graph_, node(n), inputs, no_capture);
    if (!made || made->empty() || !(*made)[0].is_tensor()) return std::nullopt;
    return std::optional<Tensor>((*made)[0].tensor());
  }

  // All 256 bytes through the dequantizer, `middle` and the quantizer.
  Result<std::optional<Tensor>> table_of(ValueId real, std::optional<size_t> middle,
                                         size_t quantize, DType dtype) {
    auto bytes = Tensor::allocate(dtype, Shape{256});
    if (!bytes) return std::nullopt;
    for (int64_t i = 0; i < 256; ++i) {
      bytes->set_int(i, of_byte(dtype, i));
    }
    std::optional<Tensor> t = std::move(bytes).value();
    SLUICE_ASSIGN(t, evaluate(static_cast<size_t>(graph_.value(real).producer), *t));
    if (t && middle) {
      SLUICE_ASSIGN(t, evaluate(*middle, *t));
    }
    if (t) {
      SLUICE_ASSIGN(t, evaluate(quantize, *t));
    }
    if (t && (!is_byte(t->dtype()) || t->elements() != 256)) return std::nullopt;
    return t;
  }

  // `quantize` may be node n itself.
  Result<bool> to_table(size_t n, ValueId real, std::optional<size_t> middle, size_t quantize) {
    const auto x = dequantized(graph_, real);
    if (!x || registry_.find("sluice", "ByteTable") == nullptr || !made_by(quantize)) return false;
    SLUICE_ASSIGN(std::optional<Tensor> table, table_of(real, middle, quantize, x->dtype));
    if (!table) return false;
    const ValueId made = graph_.add_constant(graph_.value(node(quantize).output(0)).name + "_table",
                                             table->reshaped(Shape{256}));
    replace(n, "sluice", "ByteTable", {x->bytes, made}, quantize);
    node(n).attrs = {};
    return true;
  }

  Result<bool> fuse_unary(size_t n) {
    const auto quantize = quantizer(node(n).output(0));
    if (!quantize) return false;
    for (size_t i = 1; i < node(n).inputs.size(); ++i) {
      const Tensor* const more = constant(graph_, node(n).inputs[i]);
      if (node(n).inputs[i] != kNoValue && (more == nullptr || more->elements() != 1)) return false;
    }
    return to_table(n, node(n).input(0), n, *quantize);
  }

  // DequantizeLinear, then QuantizeLinear with other parameters.
  Result<bool> fuse_requantize(size_t n) {
    if (quantizer(node(n).input(0)) != n) return false;
    return to_table(n, node(n).input(0), std::nullopt, n);
  }

  Result<bool> fuse_mover(size_t n) {
    const auto quantize = quantizer(node(n).output(0));
    if (!quantize || node(n).outputs.size() != 1) return false;
    const auto made = made_by(*quantize);
    if (!made) return false;
    const size_t moved = node(n).op == "Concat" ? node(n).inputs.size() : 1;
    std::vector<ValueId> inputs = node(n).inputs;
    for (size_t i = 0; i < moved; ++i) {
      const auto x = dequantized(graph_, inputs[i]);
      if (!x || !x->stands_for_same(*made)) return false;
      inputs[i] = x->bytes;
    }
    const std::string op = node(n).op;
    replace(n, "", op, std::move(inputs), *quantize);
    return true;
  }

  const op::Registry& registry_;
  ir::Graph& graph_;
  const std::vector<std::vector<NodeId>> uses_;
  int fused_ = 0;
};

}  // namespace

bool has_quantized_operators(const ir::Graph& graph) {
  bool quantizes = false, dequantizes = false;
  for (const Node& node : graph.nodes()) {
    quantizes = quantizes || is_op(node, "QuantizeLinear");
    dequantizes = dequantizes || is_op(node, "DequantizeLinear");
  }
  return quantizes && dequantizes;
}

Result<int> fuse_quantized(const op::Registry& registry, ir::Graph& graph) {
  return Fusion(registry, graph).run();
}

}  // namespace sluice::passes
