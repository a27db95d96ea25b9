#include "ops/recurrent/recurrent.h"

#include <array>

#include "base/text.h"
#include "op/operand.h"
#include "ops/recurrent/recurrent_cpu.h"

namespace sluice::ops::recurrent {

Result<RecurrentAttrs> recurrent_attrs(Cell cell, const AttrMap& attrs) {
  RecurrentAttrs out;
  const std::string direction = attrs.string_or("direction", "forward");
  if (direction == "bidirectional") {
    out.directions = 2;
  } else if (direction == "reverse") {
    out.reverse = true;
  } else if (direction != "forward") {
    return invalid_model(cat("The attribute direction is ", quoted(direction),
                             " (forward, reverse or bidirectional)"));
  }
  const int64_t layout = attrs.int_or("layout", 0);
  if (layout != 0 && layout != 1) {
    return invalid_model(cat("The attribute layout is ", layout, " (0 or 1)"));
  }
  out.batch_first = layout == 1;
  out.input_forget = attrs.int_or("input_forget", 0) != 0;
  out.linear_before_reset = attrs.int_or("linear_before_reset", 0) != 0;
  const float clip = attrs.float_or("clip", 0.0f);
  if (clip > 0) out.clip = clip;

  std::vector<std::string> names = attrs.strings_or("activations");
  const auto wanted =
      static_cast<size_t>(function_count(cell)) * static_cast<size_t>(out.directions);
  if (names.empty()) {
    for (int d = 0; d < out.directions; ++d) {
      if (cell != Cell::kRnn) names.emplace_back("Sigmoid");
      names.emplace_back("Tanh");
      if (cell == Cell::kLstm) names.emplace_back("Tanh");
    }
  }
  if (names.size() != wanted) {
    return invalid_model(cat("The attribute activations names ", names.size(), " functions (",
                             wanted, " expected)"));
  }
  // The lists of parameters have entries only for the functions that take one.
  const std::vector<float> alphas = attrs.floats_or("activation_alpha");
  const std::vector<float> betas = attrs.floats_or("activation_beta");
  size_t next_alpha = 0, next_beta = 0;
  for (const std::string& name : names) {
    const auto kind = op::Activation::kind_of(name);
    std::optional<double> alpha, beta;
    if (kind && op::Activation::takes_alpha(*kind) && next_alpha < alphas.size()) {
      alpha = alphas[next_alpha++];
    }
    if (kind && op::Activation::takes_beta(*kind) && next_beta < betas.size()) {
      beta = betas[next_beta++];
    }
    SLUICE_ASSIGN(const op::Activation function, op::Activation::parse(name, alpha, beta));
    out.functions.push_back(function);
  }
  return out;
}

Result<RecurrentShape> recurrent_shape(Cell cell, const RecurrentAttrs& attrs, const Shape& x,
                                       const Shape& w, const Shape& r, int64_t hidden_size) {
  if (x.rank() != 3 || w.rank() != 3 || r.rank() != 3) {
    return invalid_model(
        cat("X ", x.text(), ", W ", w.text(), " and R ", r.text(), " do not all have 3 axes"));
  }
  RecurrentShape out;
  out.steps = attrs.batch_first ? x[1] : x[0];
  out.batch = attrs.batch_first ? x[0] : x[1];
  out.input = x[2];
  // An empty X can claim any extents: what is allocated per entry of the batch stays bounded.
  constexpr int64_t kBatchLimit = int64_t{1} << 24;
  if (out.batch > kBatchLimit) {
    return unsupported(cat("The batch has ", out.batch, " entries (limit ", kBatchLimit, ")"));
  }
  out.hidden = r[2];
  if (hidden_size != 0 && hidden_size != out.hidden) {
    return invalid_model(
        cat("The attribute hidden_size is ", hidden_size, ", R is of shape ", r.text()));
  }
  int64_t rows = 0;
  if (__builtin_mul_overflow(out.hidden, int64_t{2} * gate_count(cell), &rows)) {
    return invalid_model(cat("The hidden size is ", out.hidden, ", which is too large"));
  }
  rows /= 2;
  if (w[0] != attrs.directions || r[0] != attrs.directions || w[1] != rows || r[1] != rows ||
      w[2] != out.input) {
    return invalid_model(cat("W ", w.text(), " and R ", r.text(), " do not fit X ", x.text(), " ([",
                             attrs.directions, ",", rows, ",", out.input, "] and [",
                             attrs.directions, ",", rows, ",", out.hidden, "] expected)"));
  }
  return out;
}

Result<std::vector<int64_t>> sequence_lengths(Cell cell, const RecurrentAttrs& attrs,
                                              const RecurrentShape& shape,
                                              const plan::KernelContext& context) {
  const int64_t d = attrs.directions, b = shape.batch, h = shape.hidden;
  const auto expect = [&](int i, const Shape& expected) -> Result<void> {
    if (!context.has(i) || context.in(i).shape() == expected) return {};
    return invalid_model(cat("Input ", i, " has the shape ", context.in(i).shape().text(), " (",
                             expected.text(), " expected)"));
  };
  const Shape state = attrs.batch_first ? Shape{b, d, h} : Shape{d, b, h};
  SLUICE_TRY(expect(3, Shape{d, 2 * gate_count(cell) * h}));
  SLUICE_TRY(expect(4, Shape{b}));
  SLUICE_TRY(expect(5, state));
  if (cell == Cell::kLstm) {
    SLUICE_TRY(expect(6, state));
    SLUICE_TRY(expect(7, Shape{d, 3 * h}));
  }
  if (!context.has(4)) return std::vector<int64_t>(static_cast<size_t>(b), shape.steps);
  std::vector<int64_t> lengths = context.in(4).to_ints();
  for (const int64_t length : lengths) {
    if (length < 0 || length > shape.steps) {
      return invalid_model(cat("A sequence has the length ", length, " (0 to ", shape.steps, ")"));
    }
  }
  return lengths;
}

namespace {

Result<void> infer(op::InferContext& context, Cell cell, int r_hidden_axis) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kFloats));
  const auto attrs = recurrent_attrs(cell, context.attrs());
  if (!attrs) return context.fail(attrs.error().message);
  for (int i = 0; i < 3; ++i) {
    const auto& dims = context.input_type(i).dims;
    if (dims && dims->size() != 3) {
      return context.fail(cat("Input ", i, " has ", dims->size(), " axes (3 expected)"));
    }
  }
  const auto& x = context.input_type(0).dims;
  const auto& r = context.input_type(2).dims;
  Dim steps, batch, hidden;
  if (x) {
    steps = (*x)[attrs->batch_first ? 1 : 0];
    batch = (*x)[attrs->batch_first ? 0 : 1];
  }
  const int64_t named = context.attrs().int_or("hidden_size", 0);
  if (named < 0) return context.fail(cat("The attribute hidden_size is ", named));
  if (r) hidden = (*r)[static_cast<size_t>(r_hidden_axis)];
  if (named > 0) {
    if (hidden.is_known() && hidden.value() != named) {
      return context.fail(cat("The attribute hidden_size is ", named, ", R has ", hidden.value()));
    }
    hidden = named;
  }
  const Dim directions = attrs->directions;
  const Dims state =
      attrs->batch_first ? Dims{batch, directions, hidden} : Dims{directions, batch, hidden};
  const int outputs = cell == Cell::kLstm ? 3 : 2;
  for (int i = 0; i < context.output_count() && i < outputs; ++i) {
    if (!context.has_output(i)) continue;
    if (i > 0) {
      context.set_output(i, dtype, state);
    } else if (attrs->batch_first) {
      context.set_output(0, dtype, Dims{batch, steps, directions, hidden});
    } else {
      context.set_output(0, dtype, Dims{steps, directions, batch, hidden});
    }
  }
  return {};
}

Result<void> infer_float(op::InferContext& context, Cell cell) {
  SLUICE_TRY(op::common_dtype(context, 0, 4, op::kFloats));
  if (context.has_input(4)) SLUICE_TRY(op::input_dtype(context, 4, op::kIndices));
  for (int i = 5; i < context.input_count(); ++i) {
    if (context.has_input(i)) SLUICE_TRY(op::input_dtype(context, i, op::kFloats));
  }
  return infer(context, cell, 2);
}

Result<void> infer_rnn(op::InferContext& context) { return infer_float(context, Cell::kRnn); }
Result<void> infer_gru(op::InferContext& context) { return infer_float(context, Cell::kGru); }
Result<void> infer_lstm(op::InferContext& context) { return infer_float(context, Cell::kLstm); }

Result<void> infer_dynamic_quantize_lstm(op::InferContext& context) {
  for (const int i : {1, 2}) {
    SLUICE_TRY(op::input_dtype(context, i, {DType::kInt8, DType::kUInt8}));
  }
  for (const int i : {8, 10}) SLUICE_TRY(op::input_dtype(context, i, {DType::kFloat32}));
  // The weights are transposed: [D, input, 4*H] and [D, H, 4*H].
  return infer(context, Cell::kLstm, 1);
}

// Before opset 7 an attribute said whether output 0 is produced; today an unnamed output does.
Result<void> upgrade(op::UpgradeContext& context) {
  context.node.attrs.erase("output_sequence");
  return {};
}

op::Cost cost(const op::NodeView& node) {
  const auto x = node.input_type(0).shape();
  const auto w = node.input_type(1).shape();
  const auto r = node.input_type(2).shape();
  if (!x || !w || !r || x->rank() != 3) return {};
  const double rows = static_cast<double>((*x)[0]) * static_cast<double>((*x)[1]);
  return {2.0 * rows * static_cast<double>(w->elements() + r->elements())};
}

}  // namespace

std::span<const op::OpDef> op_defs() {
  static const std::array kDefs = {
      op::OpDef{.name = "RNN",
                .min_inputs = 3,
                .max_inputs = 6,
                .min_outputs = 0,
                .max_outputs = 2,
                .infer = infer_rnn,
                .reference = rnn_reference,
                .cpu = kRnnCpu,
                .upgrade = upgrade,
                .cost = cost},
      op::OpDef{.name = "GRU",
                .min_inputs = 3,
                .max_inputs = 6,
                .min_outputs = 0,
                .max_outputs = 2,
                .infer = infer_gru,
                .reference = gru_reference,
                .cpu = kGruCpu,
                .upgrade = upgrade,
                .cost = cost},
      op::OpDef{.name = "LSTM",
                .min_inputs = 3,
                .max_inputs = 8,
                .min_outputs = 0,
                .max_outputs = 3,
                .infer = infer_lstm,
                .reference = lstm_reference,
                .cpu = kLstmCpu,
                .upgrade = upgrade,
                .cost = cost},
      op::OpDef{.name = "DynamicQuantizeLSTM",
                .domain = "com.microsoft",
                .min_inputs = 12,
                .max_inputs = 12,
                .min_outputs = 0,
                .max_outputs = 3,
                .infer = infer_dynamic_quantize_lstm,
                .reference = dynamic_quantize_lstm_reference,
                .cost = cost,
                .nonstandard = "LSTM with 8-bit weights, transposed, and activations quantized on "
                               "the way; ONNX Runtime's quantizer"},
  };
  return kDefs;
}

}  // namespace sluice::ops::recurrent
