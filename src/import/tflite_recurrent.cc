// TFLite's operators with state: LSTM, RNN and SVDF. The state is a variable tensor, read at the
// start and written at the end (TfliteScope::set_state). A plain LSTM over a sequence becomes
// ONNX's LSTM; one with projection, layer normalization, clipping or coupled gates becomes a Scan
// over the same cell that a single step is built from.

#include <array>
#include <memory>

#include "base/text.h"
#include "import/tflite_scope.h"

namespace sluice::import {

using ir::kNoValue;
using ir::ValueId;

namespace {

// A cell's parameters as real numbers; gates in TFLite's order: input, forget, cell, output.
struct LstmCell {
  std::array<ValueId, 4> w = {kNoValue, kNoValue, kNoValue, kNoValue};  // [in, cells], transposed
  std::array<ValueId, 4> r = {kNoValue, kNoValue, kNoValue, kNoValue};  // [out, cells], transposed
  std::array<ValueId, 4> bias = {kNoValue, kNoValue, kNoValue, kNoValue};  // [cells]
  std::array<ValueId, 4> norm = {kNoValue, kNoValue, kNoValue, kNoValue};  // [cells]
  std::array<ValueId, 3> peephole = {kNoValue, kNoValue, kNoValue};        // input, forget, output
  ValueId projection = kNoValue;  // [cells, out], transposed
  ValueId projection_bias = kNoValue;
  std::string activation = "TANH";
  float cell_clip = 0, projection_clip = 0;

  void each(const std::function<void(ValueId&)>& visit) {
    for (auto* list : {&w, &r, &bias, &norm}) {
      for (ValueId& id : *list) visit(id);
    }
    for (ValueId& id : peephole) visit(id);
    visit(projection);
    visit(projection_bias);
  }
};

struct State {
  ValueId hidden = kNoValue, cell = kNoValue;
};

Result<ValueId> clipped(TfliteScope& s, ValueId value, float limit) {
  if (!(limit > 0)) return value;
  return s.emit("Clip",
                {value, s.scalar(DType::kFloat32, -limit), s.scalar(DType::kFloat32, limit)});
}

Result<ValueId> activate(TfliteScope& s, ValueId value, const std::string& function) {
  if (function == "TANH") return s.emit("Tanh", {value});
  if (function == "RELU") return s.emit("Relu", {value});
  if (function == "RELU6")
    return s.emit("Clip", {value, s.scalar(DType::kFloat32, 0), s.scalar(DType::kFloat32, 6)});
  if (function == "RELU_N1_TO_1")
    return s.emit("Clip", {value, s.scalar(DType::kFloat32, -1), s.scalar(DType::kFloat32, 1)});
  if (function == "SIGMOID") return s.emit("Sigmoid", {value});
  if (function == "NONE") return value;
  return unsupported(
      cat("The activation ", quoted(function), " of a recurrent operator is not supported."));
}

// x W^T + h R^T, the peephole, layer normalization, the bias.
Result<ValueId> gate(TfliteScope& s, const LstmCell& cell, size_t g, ValueId x, ValueId h,
                     ValueId c) {
  SLUICE_ASSIGN(const ValueId from_x, s.emit("MatMul", {x, cell.w[g]}));
  SLUICE_ASSIGN(const ValueId from_h, s.emit("MatMul", {h, cell.r[g]}));
  SLUICE_ASSIGN(ValueId sum, s.emit("Add", {from_x, from_h}));
  const ValueId peephole = g == 0   ? cell.peephole[0]
                           : g == 1 ? cell.peephole[1]
                           : g == 3 ? cell.peephole[2]
                                    : kNoValue;
  if (peephole != kNoValue) {
    SLUICE_ASSIGN(const ValueId seen, s.emit("Mul", {c, peephole}));
    SLUICE_ASSIGN(sum, s.emit("Add", {sum, seen}));
  }
  if (cell.norm[g] != kNoValue) {
    // (v - mean) / sqrt(variance + 1e-8) over the cells.
    SLUICE_ASSIGN(const ValueId mean,
                  s.emit("ReduceMean", {sum, s.ints({-1})}, {{"keepdims", int64_t{1}}}));
    SLUICE_ASSIGN(const ValueId centred, s.emit("Sub", {sum, mean}));
    SLUICE_ASSIGN(const ValueId squares, s.emit("Mul", {centred, centred}));
    SLUICE_ASSIGN(const ValueId variance,
                  s.emit("ReduceMean", {squares, s.ints({-1})}, {{"keepdims", int64_t{1}}}));
    SLUICE_ASSIGN(const ValueId safe, s.emit("Add", {variance, s.scalar(DType::kFloat32, 1e-8)}));
    SLUICE_ASSIGN(const ValueId deviation, s.emit("Sqrt", {safe}));
    SLUICE_ASSIGN(const ValueId normal, s.emit("Div", {centred, deviation}));
    SLUICE_ASSIGN(sum, s.emit("Mul", {normal, cell.norm[g]}));
  }
  if (cell.bias[g] != kNoValue) {
    SLUICE_ASSIGN(sum, s.emit("Add", {sum, cell.bias[g]}));
  }
  return sum;
}

Result<State> step(TfliteScope& s, const LstmCell& cell, ValueId x, const State& before) {
  SLUICE_ASSIGN(const ValueId forget_sum, gate(s, cell, 1, x, before.hidden, before.cell));
  SLUICE_ASSIGN(const ValueId forget, s.emit("Sigmoid", {forget_sum}));
  ValueId input = kNoValue;
  if (cell.w[0] == kNoValue) {
    // Coupled gates: what is not kept is replaced.
    SLUICE_ASSIGN(input, s.emit("Sub", {s.scalar(DType::kFloat32, 1), forget}));
  } else {
    SLUICE_ASSIGN(const ValueId input_sum, gate(s, cell, 0, x, before.hidden, before.cell));
    SLUICE_ASSIGN(input, s.emit("Sigmoid", {input_sum}));
  }
  SLUICE_ASSIGN(const ValueId fresh_sum, gate(s, cell, 2, x, before.hidden, before.cell));
  SLUICE_ASSIGN(const ValueId fresh, activate(s, fresh_sum, cell.activation));
  SLUICE_ASSIGN(const ValueId kept, s.emit("Mul", {forget, before.cell}));
  SLUICE_ASSIGN(const ValueId added, s.emit("Mul", {input, fresh}));
  State after;
  SLUICE_ASSIGN(after.cell, s.emit("Add", {kept, added}));
  SLUICE_ASSIGN(after.cell, clipped(s, after.cell, cell.cell_clip));
  SLUICE_ASSIGN(const ValueId output_sum, gate(s, cell, 3, x, before.hidden, after.cell));
  SLUICE_ASSIGN(const ValueId output, s.emit("Sigmoid", {output_sum}));
  SLUICE_ASSIGN(const ValueId shown, activate(s, after.cell, cell.activation));
  SLUICE_ASSIGN(after.hidden, s.emit("Mul", {output, shown}));
  if (cell.projection != kNoValue) {
    SLUICE_ASSIGN(after.hidden, s.emit("MatMul", {after.hidden, cell.projection}));
    if (cell.projection_bias != kNoValue) {
      SLUICE_ASSIGN(after.hidden, s.emit("Add", {after.hidden, cell.projection_bias}));
    }
    SLUICE_ASSIGN(after.hidden, clipped(s, after.hidden, cell.projection_clip));
  }
  return after;
}

Result<ValueId> optional_in(TfliteNode& n, int i) {
  if (!n.has(i)) return kNoValue;
  return n.in(i);
}

Result<LstmCell> read_cell(TfliteNode& n) {
  LstmCell cell;
  for (size_t g = 0; g < 4; ++g) {
    const int w = 1 + static_cast<int>(g), r = 5 + static_cast<int>(g);
    if (n.has(w) != n.has(r) || (!n.has(w) && g != 0))
      return n.fail("the weights of a gate are missing");
    if (!n.has(w)) continue;
    SLUICE_ASSIGN(cell.w[g], n.s.real_permuted(n.in_name(w), {1, 0}));
    SLUICE_ASSIGN(cell.r[g], n.s.real_permuted(n.in_name(r), {1, 0}));
    SLUICE_ASSIGN(cell.bias[g], optional_in(n, 12 + static_cast<int>(g)));
    SLUICE_ASSIGN(cell.norm[g], optional_in(n, 20 + static_cast<int>(g)));
  }
  for (size_t i = 0; i < 3; ++i) {
    SLUICE_ASSIGN(cell.peephole[i], optional_in(n, 9 + static_cast<int>(i)));
  }
  if (n.has(16)) {
    SLUICE_ASSIGN(cell.projection, n.s.real_permuted(n.in_name(16), {1, 0}));
    SLUICE_ASSIGN(cell.projection_bias, optional_in(n, 17));
  }
  cell.activation = n.text("fused_activation_function", "TANH");
  cell.cell_clip = n.real("cell_clip");
  cell.projection_clip = n.real("proj_clip");
  return cell;
}

// Stores a new real state into variable input `i`.
Result<void> keep(TfliteNode& n, int i, ValueId value) {
  if (!n.has(i)) return {};
  const auto* q = n.s.quantization(n.in_name(i));
  const Type* declared = n.s.declared_type(n.in_name(i));
  if (q != nullptr && declared != nullptr) {
    SLUICE_ASSIGN(value, n.s.quantize(value, declared->dtype, *q));
  }
  return n.s.set_state(n.in_name(i), value);
}

// A graph for the body of a Scan, with what it takes from outside.
class Body {
 public:
  explicit Body(TfliteScope& outer)
      : outer_(outer),
        graph_(std::make_unique<ir::Graph>()),
        scope(outer.context, *graph_, outer.decl) {}

  ValueId capture(ValueId outside) {
    if (outside == kNoValue) return kNoValue;
    captures_.push_back(outside);
    return graph_->add_capture(outer_.graph.value(outside).name, outer_.graph.type(outside));
  }
  ir::Graph& graph() { return *graph_; }
  ir::Subgraph finish() {
    std::vector<ir::Subgraph> out;
    return ir::Subgraph{"body", std::move(graph_), std::move(captures_)};
  }

 private:
  TfliteScope& outer_;
  std::unique_ptr<ir::Graph> graph_;
  std::vector<ValueId> captures_;

 public:
  TfliteScope scope;
};

Type without_first_axis(const Type& type) {
  Type out = type;
  if (out.dims && !out.dims->empty()) out.dims->erase(out.dims->begin());
  return out;
}

// [batch, time, in] <-> [time, batch, in]
Result<ValueId> time_first(TfliteNode& n, ValueId x) {
  return n.flag("time_major") ? Result<ValueId>(x) : n.s.transpose(x, {1, 0, 2});
}

Result<void> lstm_step(TfliteNode& n) {
  if (n.text("kernel_type", "FULL") != "FULL")
    return n.no_support("the basic kernel is not supported");
  SLUICE_TRY(n.need(9));
  if (!n.has(18) || !n.has(19)) return n.fail("a state is missing");
  SLUICE_ASSIGN(const LstmCell cell, read_cell(n));
  SLUICE_ASSIGN(const ValueId x, n.in(0));
  State before;
  SLUICE_ASSIGN(before.hidden, n.in(18));
  SLUICE_ASSIGN(before.cell, n.in(19));
  SLUICE_ASSIGN(const State after, step(n.s, cell, x, before));
  SLUICE_TRY(n.set(0, after.hidden));
  SLUICE_TRY(keep(n, 18, after.hidden));
  return keep(n, 19, after.cell);
}

// ONNX wants the gates in the order input, output, forget, cell, one under the other.
Result<ValueId> stacked(TfliteNode& n, int first, int64_t lead) {
  std::vector<ValueId> parts;
  for (const int g : {0, 3, 1, 2}) {
    SLUICE_ASSIGN(const ValueId part, n.in(first + g));
    parts.push_back(part);
  }
  SLUICE_ASSIGN(const ValueId joined, n.s.emit("Concat", parts, {{"axis", int64_t{0}}}));
  return n.s.emit("Unsqueeze", {joined, n.s.ints({lead})});
}

Result<void> lstm_sequence(TfliteNode& n) {
  SLUICE_TRY(n.need(9));
  TfliteScope& s = n.s;
  if (!n.has(18) || !n.has(19)) return n.fail("a state is missing");
  if (n.flag("diagonal_recurrent_tensors"))
    return n.no_support("diagonal recurrent tensors are not supported");
  SLUICE_ASSIGN(const ValueId sequence, n.in(0));
  SLUICE_ASSIGN(const ValueId x, time_first(n, sequence));
  State before;
  SLUICE_ASSIGN(before.hidden, n.in(18));
  SLUICE_ASSIGN(before.cell, n.in(19));
  bool plain = n.has(1) && !n.has(16) && !n.has(20) && !n.has(21) &&
               n.text("fused_activation_function", "TANH") == "TANH" && n.real("cell_clip") == 0 &&
               n.has(12) && n.has(13) && n.has(14) && n.has(15) && n.has(9) == n.has(10) &&
               n.has(9) == n.has(11);
  ValueId out = kNoValue;
  State after;
  if (plain) {
    const TfliteConstant* recurrent = s.constant_of(n.in_name(5));
    SLUICE_ASSIGN(const ValueId recurrent_value, n.in(5));
    const auto cells = recurrent != nullptr && recurrent->tensor.rank() == 2
                           ? std::optional(recurrent->tensor.dim(0))
                           : s.extent(recurrent_value, 0);
    if (!cells) return n.no_support("the shape of the weights is not known before the run");
    SLUICE_ASSIGN(const ValueId w, stacked(n, 1, 0));
    SLUICE_ASSIGN(const ValueId r, stacked(n, 5, 0));
    SLUICE_ASSIGN(const ValueId input_bias, stacked(n, 12, 0));
    SLUICE_ASSIGN(const ValueId no_bias, s.emit("Sub", {input_bias, input_bias}));
    SLUICE_ASSIGN(const ValueId b, s.emit("Concat", {input_bias, no_bias}, {{"axis", int64_t{1}}}));
    SLUICE_ASSIGN(const ValueId h0, s.emit("Unsqueeze", {before.hidden, s.ints({0})}));
    SLUICE_ASSIGN(const ValueId c0, s.emit("Unsqueeze", {before.cell, s.ints({0})}));
    ValueId p = kNoValue;
    if (n.has(9)) {
      std::vector<ValueId> parts;
      for (const int i : {9, 11, 10}) {  // input, output, forget
        SLUICE_ASSIGN(const ValueId part, n.in(i));
        parts.push_back(part);
      }
      SLUICE_ASSIGN(const ValueId joined, s.emit("Concat", parts, {{"axis", int64_t{0}}}));
      SLUICE_ASSIGN(p, s.emit("Unsqueeze", {joined, s.ints({0})}));
    }
    SLUICE_ASSIGN(const auto made, s.emit_many("LSTM", {x, w, r, b, kNoValue, h0, c0, p}, 3,
                                               {{"hidden_size", *cells}}));
    SLUICE_ASSIGN(out, s.emit("Squeeze", {made[0], s.ints({1})}));
    SLUICE_ASSIGN(after.hidden, s.emit("Squeeze", {made[1], s.ints({0})}));
    SLUICE_ASSIGN(after.cell, s.emit("Squeeze", {made[2], s.ints({0})}));
  } else {
    SLUICE_ASSIGN(LstmCell cell, read_cell(n));
    Body body(s);
    State inside;
    inside.hidden = body.graph().add_input("hidden", s.type(before.hidden));
    inside.cell = body.graph().add_input("cell", s.type(before.cell));
    const ValueId x_t = body.graph().add_input("x", without_first_axis(s.type(x)));
    cell.each([&](ValueId& id) { id = body.capture(id); });
    SLUICE_ASSIGN(const State next, step(body.scope, cell, x_t, inside));
    SLUICE_ASSIGN(const ValueId shown, body.scope.emit("Identity", {next.hidden}));
    body.graph().outputs() = {next.hidden, next.cell, shown};
    std::vector<ir::Subgraph> subgraphs;
    subgraphs.push_back(body.finish());
    SLUICE_ASSIGN(const auto made,
                  s.emit_many("Scan", {before.hidden, before.cell, x}, 3,
                              {{"num_scan_inputs", int64_t{1}}}, std::move(subgraphs)));
    after.hidden = made[0];
    after.cell = made[1];
    out = made[2];
  }
  SLUICE_ASSIGN(out, time_first(n, out));
  SLUICE_TRY(n.set(0, out));
  SLUICE_TRY(keep(n, 18, after.hidden));
  return keep(n, 19, after.cell);
}

Result<ValueId> rnn_cell(TfliteScope& s, ValueId x, ValueId h, ValueId w, ValueId r, ValueId bias,
                         const std::string& activation) {
  SLUICE_ASSIGN(const ValueId from_x, s.emit("MatMul", {x, w}));
  SLUICE_ASSIGN(const ValueId from_h, s.emit("MatMul", {h, r}));
  SLUICE_ASSIGN(const ValueId both, s.emit("Add", {from_x, from_h}));
  SLUICE_ASSIGN(const ValueId sum, s.emit("Add", {both, bias}));
  return activate(s, sum, activation);
}

// Inputs: x, weights, recurrent weights, bias, hidden state.
template <bool kSequence>
Result<void> rnn(TfliteNode& n) {
  SLUICE_TRY(n.need(5));
  TfliteScope& s = n.s;
  SLUICE_ASSIGN(ValueId x, n.in(0));
  SLUICE_ASSIGN(const ValueId w, s.real_permuted(n.in_name(1), {1, 0}));
  SLUICE_ASSIGN(const ValueId r, s.real_permuted(n.in_name(2), {1, 0}));
  SLUICE_ASSIGN(const ValueId bias, n.in(3));
  SLUICE_ASSIGN(const ValueId before, n.in(4));
  const std::string activation = n.text("fused_activation_function", "NONE");
  if (!kSequence) {
    SLUICE_ASSIGN(const ValueId h, rnn_cell(s, x, before, w, r, bias, activation));
    SLUICE_TRY(n.set(0, h));
    return keep(n, 4, h);
  }
  SLUICE_ASSIGN(x, time_first(n, x));
  Body body(s);
  const ValueId inside = body.graph().add_input("hidden", s.type(before));
  const ValueId x_t = body.graph().add_input("x", without_first_axis(s.type(x)));
  SLUICE_ASSIGN(const ValueId next, rnn_cell(body.scope, x_t, inside, body.capture(w),
                                             body.capture(r), body.capture(bias), activation));
  SLUICE_ASSIGN(const ValueId shown, body.scope.emit("Identity", {next}));
  body.graph().outputs() = {next, shown};
  std::vector<ir::Subgraph> subgraphs;
  subgraphs.push_back(body.finish());
  SLUICE_ASSIGN(
      const auto made,
      s.emit_many("Scan", {before, x}, 2, {{"num_scan_inputs", int64_t{1}}}, std::move(subgraphs)));
  SLUICE_ASSIGN(const ValueId out, time_first(n, made[1]));
  SLUICE_TRY(n.set(0, out));
  return keep(n, 4, made[0]);
}

// Inputs: x [batch, in], feature weights [filters, in], time weights [filters, memory], bias
// [units], state [batch, filters * memory]; filters = units * rank. Each filter's newest activation
// enters its memory, and a unit is the sum of its filters' memories weighted over time.
Result<void> svdf(TfliteNode& n) {
  SLUICE_TRY(n.need(3));
  TfliteScope& s = n.s;
  if (!n.has(4)) return n.fail("the state is missing");
  const TfliteConstant* time = s.constant_of(n.in_name(2));
  if (time == nullptr || time->tensor.rank() != 2)
    return n.no_support("the time weights are not a constant matrix");
  const int64_t filters = time->tensor.dim(0), memory = time->tensor.dim(1),
                rank = n.number("rank", 1);
  if (rank < 1 || filters < 1 || memory < 1 || filters % rank != 0) {
    return n.fail(cat("it has ", filters, " filters of rank ", rank, " with a memory of ", memory));
  }
  SLUICE_ASSIGN(const ValueId x, n.in(0));
  SLUICE_ASSIGN(const ValueId features, s.real_permuted(n.in_name(1), {1, 0}));
  SLUICE_ASSIGN(const ValueId activation, s.emit("MatMul", {x, features}));
  SLUICE_ASSIGN(ValueId newest, s.reshape(activation, std::vector<int64_t>{-1, filters, 1}));
  // The memory is shifted as it is stored, so that a quantized state keeps its own steps.
  const auto* q = s.quantization(n.in_name(4));
  const Type* state_type = s.declared_type(n.in_name(4));
  if (q != nullptr && state_type != nullptr && is_integer(state_type->dtype)) {
    SLUICE_ASSIGN(newest, s.quantize(newest, state_type->dtype, *q));
  }
  SLUICE_ASSIGN(const ValueId stored, n.raw(4));
  SLUICE_ASSIGN(const ValueId cube, s.reshape(stored, std::vector<int64_t>{-1, filters, memory}));
  SLUICE_ASSIGN(const ValueId kept,
                s.emit("Slice", {cube, s.ints({1}), s.ints({INT64_MAX}), s.ints({2})}));
  SLUICE_ASSIGN(const ValueId shifted, s.emit("Concat", {kept, newest}, {{"axis", int64_t{2}}}));
  SLUICE_ASSIGN(const ValueId flat, s.reshape(shifted, std::vector<int64_t>{-1, filters * memory}));
  ValueId real = shifted;
  if (q != nullptr && state_type != nullptr && is_integer(state_type->dtype)) {
    SLUICE_ASSIGN(real, s.dequantize(shifted, *q));
  }
  SLUICE_ASSIGN(const ValueId weights, n.in(2));
  SLUICE_ASSIGN(const ValueId weighted, s.emit("Mul", {real, weights}));
  SLUICE_ASSIGN(const ValueId by_unit,
                s.reshape(weighted, std::vector<int64_t>{-1, filters / rank, rank * memory}));
  SLUICE_ASSIGN(ValueId y, s.emit("ReduceSum", {by_unit, s.ints({2})}, {{"keepdims", int64_t{0}}}));
  if (n.has(3)) {
    SLUICE_ASSIGN(const ValueId bias, n.in(3));
    SLUICE_ASSIGN(y, s.emit("Add", {y, bias}));
  }
  SLUICE_ASSIGN(y, n.activated(y));
  SLUICE_TRY(n.set(0, y));
  return s.set_state(n.in_name(4), flat);
}

constexpr TfliteRow kRows[] = {
    {"LSTM", lstm_step}, {"UNIDIRECTIONAL_SEQUENCE_LSTM", lstm_sequence},
    {"RNN", rnn<false>}, {"UNIDIRECTIONAL_SEQUENCE_RNN", rnn<true>},
    {"SVDF", svdf},
};

}  // namespace

std::span<const TfliteRow> tflite_recurrent_rows() { return kRows; }

}  // namespace sluice::import
