#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "op/operand.h"
#include "op/quantization.h"
#include "ops/recurrent/recurrent.h"

namespace sluice::ops::recurrent {

namespace {

// Everything a layer reads, as doubles. Weights are in ONNX's order: [D, G*H, I] and [D, G*H, H].
struct Layer {
  Cell cell = Cell::kRnn;
  RecurrentAttrs attrs;
  RecurrentShape shape;
  std::vector<double> x, w, r, bias, peepholes, initial_h, initial_c;
  std::vector<int64_t> lengths;
  // Hidden states are rounded to 8 bits over their common range before every step.
  bool quantize_states = false;
};

// Rounds `values` to the 256 levels of a uint8 range that covers them.
void round_to_levels(std::vector<double>& values) {
  const op::DynamicScale found = op::dynamic_scale(values);
  for (double& value : values) {
    const float scaled = static_cast<float>(value) / found.scale;
    value = static_cast<double>(op::quantize_to(DType::kUInt8, scaled, found.zero_point) -
                                found.zero_point) *
            found.scale;
  }
}

// One direction's view of the weights, and the state of one entry of the batch.
struct Step {
  const Layer& layer;
  int direction;
  const op::Activation* functions;

  int64_t hidden() const { return layer.shape.hidden; }
  double gate_input(const double* x, int64_t row) const {
    const int64_t rows = gate_count(layer.cell) * hidden();
    const double* w = layer.w.data() + (direction * rows + row) * layer.shape.input;
    double sum = 0;
    for (int64_t i = 0; i < layer.shape.input; ++i) sum += w[i] * x[i];
    return sum;
  }
  double gate_state(const double* h, int64_t row) const {
    const int64_t rows = gate_count(layer.cell) * hidden();
    const double* r = layer.r.data() + (direction * rows + row) * hidden();
    double sum = 0;
    for (int64_t i = 0; i < hidden(); ++i) sum += r[i] * h[i];
    return sum;
  }
  double w_bias(int64_t row) const { return bias(row); }
  double r_bias(int64_t row) const { return bias(gate_count(layer.cell) * hidden() + row); }
  double bias(int64_t at) const {
    if (layer.bias.empty()) return 0;
    return layer.bias[static_cast<size_t>(direction * 2 * gate_count(layer.cell) * hidden() + at)];
  }
  double peephole(int gate, int64_t i) const {
    if (layer.peepholes.empty()) return 0;
    return layer.peepholes[static_cast<size_t>((direction * 3 + gate) * hidden() + i)];
  }
  double activate(int function, double value) const {
    if (layer.attrs.clip) value = std::min(std::max(value, -*layer.attrs.clip), *layer.attrs.clip);
    return functions[function](value);
  }
  // X W' + H R' + Wb + Rb of one row of the stacked gates.
  double gate(const double* x, const double* h, int64_t row) const {
    return gate_input(x, row) + gate_state(h, row) + w_bias(row) + r_bias(row);
  }
};

void rnn_step(const Step& step, const double* x, const double* h, double* next_h) {
  for (int64_t i = 0; i < step.hidden(); ++i) next_h[i] = step.activate(0, step.gate(x, h, i));
}

void gru_step(const Step& step, const double* x, const double* h, double* next_h) {
  const int64_t n = step.hidden();
  std::vector<double> z(static_cast<size_t>(n)), r(z), reset_h(z);
  for (int64_t i = 0; i < n; ++i) {
    const auto at = static_cast<size_t>(i);
    z[at] = step.activate(0, step.gate(x, h, i));
    r[at] = step.activate(0, step.gate(x, h, n + i));
    reset_h[at] = r[at] * h[i];
  }
  for (int64_t i = 0; i < n; ++i) {
    const auto at = static_cast<size_t>(i);
    const int64_t row = 2 * n + i;
    const double from_state = step.layer.attrs.linear_before_reset
                                  ? r[at] * (step.gate_state(h, row) + step.r_bias(row))
                                  : step.gate_state(reset_h.data(), row) + step.r_bias(row);
    const double candidate =
        step.activate(1, step.gate_input(x, row) + from_state + step.w_bias(row));
    next_h[i] = (1 - z[at]) * candidate + z[at] * h[i];
  }
}

void lstm_step(const Step& step, const double* x, const double* h, double* c, double* next_h) {
  const int64_t n = step.hidden();
  for (int64_t k = 0; k < n; ++k) {
    const double i = step.activate(0, step.gate(x, h, k) + step.peephole(0, k) * c[k]);
    const double f =
        step.layer.attrs.input_forget
            ? 1 - i
            : step.activate(0, step.gate(x, h, 2 * n + k) + step.peephole(2, k) * c[k]);
    const double candidate = step.activate(1, step.gate(x, h, 3 * n + k));
    c[k] = f * c[k] + i * candidate;
    const double o = step.activate(0, step.gate(x, h, n + k) + step.peephole(1, k) * c[k]);
    next_h[k] = o * step.functions[2](c[k]);
  }
}

Result<void> run(plan::KernelContext& context, const Layer& layer, DType dtype) {
  const RecurrentShape& s = layer.shape;
  const int directions = layer.attrs.directions;
  const bool batch_first = layer.attrs.batch_first;
  const Shape state_shape =
      batch_first ? Shape{s.batch, directions, s.hidden} : Shape{directions, s.batch, s.hidden};
  SLUICE_ASSIGN(Tensor * y,
                context.out(0, dtype,
                            batch_first ? Shape{s.batch, s.steps, directions, s.hidden}
                                        : Shape{s.steps, directions, s.batch, s.hidden}));
  SLUICE_ASSIGN(Tensor * y_h, context.out(1, dtype, state_shape));
  Tensor* y_c = nullptr;
  if (layer.cell == Cell::kLstm) {
    SLUICE_ASSIGN(y_c, context.out(2, dtype, state_shape));
  }
  for (int64_t i = 0; i < y->elements(); ++i) y->set_double(i, 0);

  const auto state_at = [&](int64_t d, int64_t b) {
    return (batch_first ? b * directions + d : d * s.batch + b) * s.hidden;
  };
  const auto x_at = [&](int64_t t, int64_t b) {
    return (batch_first ? b * s.steps + t : t * s.batch + b) * s.input;
  };
  const auto y_at = [&](int64_t t, int64_t d, int64_t b) {
    return (batch_first ? (b * s.steps + t) * directions + d : (t * directions + d) * s.batch + b) *
           s.hidden;
  };
  const auto states = static_cast<size_t>(s.batch * s.hidden);
  for (int d = 0; d < directions; ++d) {
    const Step step{layer, d, layer.attrs.functions.data() + d * function_count(layer.cell)};
    std::vector<double> h(states, 0), c(states, 0), next(static_cast<size_t>(s.hidden));
    for (int64_t b = 0; b < s.batch; ++b) {
      for (int64_t i = 0; i < s.hidden; ++i) {
        const auto from = static_cast<size_t>(state_at(d, b) + i);
        const auto to = static_cast<size_t>(b * s.hidden + i);
        if (!layer.initial_h.empty()) h[to] = layer.initial_h[from];
        if (!layer.initial_c.empty()) c[to] = layer.initial_c[from];
      }
    }
    for (int64_t at = 0; at < s.steps; ++at) {
      std::vector<double> read_h = h;
      if (layer.quantize_states) round_to_levels(read_h);
      for (int64_t b = 0; b < s.batch; ++b) {
        const int64_t length = layer.lengths[static_cast<size_t>(b)];
        if (at >= length) continue;
        const int64_t t = layer.attrs.is_reverse(d) ? length - 1 - at : at;
        const double* x = layer.x.data() + x_at(t, b);
        const double* from_h = read_h.data() + b * s.hidden;
        switch (layer.cell) {
          case Cell::kRnn:
            rnn_step(step, x, from_h, next.data());
            break;
          case Cell::kGru:
            gru_step(step, x, from_h, next.data());
            break;
          case Cell::kLstm:
            lstm_step(step, x, from_h, c.data() + b * s.hidden, next.data());
            break;
        }
        for (int64_t i = 0; i < s.hidden; ++i) {
          h[static_cast<size_t>(b * s.hidden + i)] = next[static_cast<size_t>(i)];
          y->set_double(y_at(t, d, b) + i, next[static_cast<size_t>(i)]);
        }
      }
    }
    for (int64_t b = 0; b < s.batch; ++b) {
      const bool ran = layer.lengths[static_cast<size_t>(b)] > 0 || s.steps == 0;
      for (int64_t i = 0; i < s.hidden; ++i) {
        const auto from = static_cast<size_t>(b * s.hidden + i);
        if (!ran) h[from] = c[from] = 0;
        y_h->set_double(state_at(d, b) + i, h[from]);
        if (y_c != nullptr) y_c->set_double(state_at(d, b) + i, c[from]);
      }
    }
  }
  return {};
}

// Reads bias, lengths and initial states (inputs 3 to 7).
Result<void> read_rest(plan::KernelContext& context, Layer& layer) {
  SLUICE_ASSIGN(layer.lengths, sequence_lengths(layer.cell, layer.attrs, layer.shape, context));
  if (context.has(3)) layer.bias = context.in(3).to_doubles();
  if (context.has(5)) layer.initial_h = context.in(5).to_doubles();
  if (layer.cell == Cell::kLstm && context.has(6)) layer.initial_c = context.in(6).to_doubles();
  if (layer.cell == Cell::kLstm && context.has(7)) layer.peepholes = context.in(7).to_doubles();
  return {};
}

Result<void> run_float(plan::KernelContext& context, Cell cell) {
  SLUICE_TRY(op::require_numbers(context, {0, 1, 2}));
  Layer layer;
  layer.cell = cell;
  SLUICE_ASSIGN(layer.attrs, recurrent_attrs(cell, context.attrs()));
  SLUICE_ASSIGN(layer.shape,
                recurrent_shape(cell, layer.attrs, context.in(0).shape(), context.in(1).shape(),
                                context.in(2).shape(), context.attrs().int_or("hidden_size", 0)));
  SLUICE_TRY(read_rest(context, layer));
  layer.x = context.in(0).to_doubles();
  layer.w = context.in(1).to_doubles();
  layer.r = context.in(2).to_doubles();
  return run(context, layer, context.in(0).dtype());
}

// Real weights of a quantized [D, n, G*H] tensor, in ONNX's order [D, G*H, n]. Scale and zero point
// are one per direction or one per direction and column.
Result<std::vector<double>> dequantized_weights(const Tensor& q, const Tensor& scale,
                                                const Tensor* zero_point) {
  const int64_t directions = q.dim(0), rows = q.dim(1), columns = q.dim(2);
  const auto per_column = [&](const Tensor& parameter) -> Result<bool> {
    if (parameter.elements() == directions) return false;
    if (parameter.elements() == directions * columns) return true;
    return invalid_model(cat("A quantization parameter of quantized weights has ",
                             parameter.elements(), " elements (", directions, " or ",
                             directions * columns, ")"));
  };
  SLUICE_ASSIGN(const bool scale_per_column, per_column(scale));
  bool zero_per_column = false;
  if (zero_point != nullptr) {
    SLUICE_ASSIGN(zero_per_column, per_column(*zero_point));
  }
  std::vector<double> out(static_cast<size_t>(q.elements()));
  for (int64_t d = 0; d < directions; ++d) {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) {
        const int64_t zero =
            zero_point == nullptr ? 0 : zero_point->get_int(zero_per_column ? d * columns + j : d);
        const double factor = scale.get_double(scale_per_column ? d * columns + j : d);
        out[static_cast<size_t>((d * columns + j) * rows + i)] =
            static_cast<double>(q.get_int((d * rows + i) * columns + j) - zero) * factor;
      }
    }
  }
  return out;
}

}  // namespace

Result<void> rnn_reference(plan::KernelContext& context) { return run_float(context, Cell::kRnn); }
Result<void> gru_reference(plan::KernelContext& context) { return run_float(context, Cell::kGru); }
Result<void> lstm_reference(plan::KernelContext& context) {
  return run_float(context, Cell::kLstm);
}

Result<void> dynamic_quantize_lstm_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1, 2, 8, 10}));
  const Tensor& w = context.in(1);
  const Tensor& r = context.in(2);
  if (w.rank() != 3 || r.rank() != 3) {
    return invalid_model(cat("DynamicQuantizeLSTM has weights of shapes ", w.shape().text(),
                             " and ", r.shape().text(), " (3 axes each)"));
  }
  Layer layer;
  layer.cell = Cell::kLstm;
  layer.quantize_states = true;
  SLUICE_ASSIGN(layer.attrs, recurrent_attrs(Cell::kLstm, context.attrs()));
  SLUICE_ASSIGN(layer.shape, recurrent_shape(Cell::kLstm, layer.attrs, context.in(0).shape(),
                                             Shape{w.dim(0), w.dim(2), w.dim(1)},
                                             Shape{r.dim(0), r.dim(2), r.dim(1)},
                                             context.attrs().int_or("hidden_size", 0)));
  SLUICE_TRY(read_rest(context, layer));
  layer.x = context.in(0).to_doubles();
  round_to_levels(layer.x);
  SLUICE_ASSIGN(layer.w,
                dequantized_weights(w, context.in(8), context.has(9) ? &context.in(9) : nullptr));
  SLUICE_ASSIGN(
      layer.r, dequantized_weights(r, context.in(10), context.has(11) ? &context.in(11) : nullptr));
  return run(context, layer, context.in(0).dtype());
}

}  // namespace sluice::ops::recurrent
