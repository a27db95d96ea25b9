// float32 RNN, GRU and LSTM. What the inputs contribute to the gates is one matrix product over all
// steps; then each step adds what the state contributes, as dot products with the rows of R where
// they lie, and applies the gates by vector. Speech models call these with one step of one entry,
// so nothing is packed that is used once.
#include "ops/recurrent/recurrent_cpu.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/checked.h"
#include "op/operand.h"
#include "op/refuse.h"
#include "op/scratch.h"
#include "ops/recurrent/recurrent.h"
#include "simd/elementwise.h"
#include "simd/gemm_f32.h"

namespace sluice::ops::recurrent {

using op::NodeView;
using plan::KernelContext;
using simd::Binary;

namespace {

constexpr std::string_view kWho = "A recurrent layer";

plan::KernelFn reference_of(Cell cell) {
  return cell == Cell::kRnn ? rnn_reference : cell == Cell::kGru ? gru_reference : lstm_reference;
}

// The functions that models use: others, and clipping, are left to the plain loop.
bool usual_functions(Cell cell, const RecurrentAttrs& attrs) {
  using Kind = op::Activation::Kind;
  if (attrs.clip || attrs.input_forget) return false;
  const int each = function_count(cell);
  for (size_t i = 0; i < attrs.functions.size(); ++i) {
    const Kind kind = attrs.functions[i].kind;
    const int place = static_cast<int>(i) % each;
    if (cell == Cell::kRnn) {
      if (kind != Kind::kTanh && kind != Kind::kRelu) return false;
    } else if (kind != (place == 0 ? Kind::kSigmoid : Kind::kTanh)) {
      return false;
    }
  }
  return true;
}

// One direction of a layer, with scratch for its gates.
struct Direction {
  Cell cell;
  int64_t hidden = 0;
  bool before_reset = false;
  bool relu = false;
  const float* r = nullptr;       // [G*H, H]
  const float* r_bias = nullptr;  // GRU's candidate gate, before the reset; null: none
};

// out[i] (+)= rows[i] . h for `count` rows of H.
void add_rows(KernelContext& context, const float* rows, int64_t count, const float* h,
              int64_t hidden, float* out) {
  // Some 10 microseconds of multiply-adds per range.
  const int64_t grain = std::max<int64_t>(1, (1 << 18) / std::max<int64_t>(1, hidden));
  context.parallel_for(count, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] += simd::dot(rows + i * hidden, h, hidden);
  });
}

void lstm_step(KernelContext& context, const Direction& d, float* gates, float* h, float* c,
               float* work) {
  const int64_t n = d.hidden;
  add_rows(context, d.r, 4 * n, h, n, gates);
  simd::apply({simd::Function::kSigmoid}, gates, gates, 3 * n);
  simd::apply({simd::Function::kTanh}, gates + 3 * n, gates + 3 * n, n);
  // C = f . C + i . candidate; gates stand in the order i, o, f, c.
  simd::binary(Binary::kMul, gates + 2 * n, 1, c, 1, c, n);
  simd::binary(Binary::kMul, gates, 1, gates + 3 * n, 1, work, n);
  simd::binary(Binary::kAdd, c, 1, work, 1, c, n);
  simd::apply({simd::Function::kTanh}, c, work, n);
  simd::binary(Binary::kMul, gates + n, 1, work, 1, h, n);
}

void gru_step(KernelContext& context, const Direction& d, float* gates, float* h, float* work) {
  const int64_t n = d.hidden;
  float* const z = gates;
  float* const r = gates + n;
  float* const candidate = gates + 2 * n;
  add_rows(context, d.r, 2 * n, h, n, gates);
  simd::apply({simd::Function::kSigmoid}, gates, gates, 2 * n);
  if (d.before_reset) {
    if (d.r_bias != nullptr) {
      std::memcpy(work, d.r_bias, static_cast<size_t>(n) * sizeof(float));
    } else {
      std::fill(work, work + n, 0.0f);
    }
    add_rows(context, d.r + 2 * n * n, n, h, n, work);
    simd::binary(Binary::kMul, r, 1, work, 1, work, n);
    simd::binary(Binary::kAdd, candidate, 1, work, 1, candidate, n);
  } else {
    simd::binary(Binary::kMul, r, 1, h, 1, work, n);
    add_rows(context, d.r + 2 * n * n, n, work, n, candidate);
  }
  simd::apply({simd::Function::kTanh}, candidate, candidate, n);
  // H = (1 - z) . candidate + z . H = candidate + z . (H - candidate)
  simd::binary(Binary::kSub, h, 1, candidate, 1, h, n);
  simd::binary(Binary::kMul, h, 1, z, 1, h, n);
  simd::binary(Binary::kAdd, h, 1, candidate, 1, h, n);
}

void rnn_step(KernelContext& context, const Direction& d, float* gates, float* h) {
  add_rows(context, d.r, d.hidden, h, d.hidden, gates);
  simd::apply(d.relu ? simd::Activation::relu() : simd::Activation{simd::Function::kTanh}, gates, h,
              d.hidden);
}

// gates[row] = W x[row] + bias for all rows.
Result<void> input_gates(KernelContext& context, const float* x, const float* w, const float* bias,
                         int64_t rows, int64_t gates, int64_t input, float* out) {
  if (rows < simd::kPanelRows) {
    for (int64_t row = 0; row < rows; ++row) {
      float* const to = out + row * gates;
      if (bias != nullptr) {
        std::memcpy(to, bias, static_cast<size_t>(gates) * sizeof(float));
      } else {
        std::fill(to, to + gates, 0.0f);
      }
      add_rows(context, w, gates, x + row * input, input, to);
    }
    return {};
  }
  simd::Gemm gemm;
  gemm.m = rows;
  gemm.n = gates;
  gemm.k = input;
  gemm.a = x;
  gemm.a_row = input;
  gemm.b = w;
  gemm.b_row = 1;
  gemm.b_col = input;
  gemm.c = out;
  gemm.c_row = gates;
  gemm.column_bias = bias;
  const int64_t floats = simd::gemm_workspace_floats(gemm);
  SLUICE_ASSIGN(float* const memory, op::scratch<float>(context, floats, kWho));
  simd::gemm(gemm, {memory, static_cast<size_t>(floats)},
             [&](int64_t count, int64_t grain, simd::Range body) {
               context.parallel_for(count, grain, body);
             });
  return {};
}

struct Layer {
  RecurrentAttrs attrs;
  RecurrentShape shape;
  std::vector<int64_t> lengths;
};

template <Cell kCell>
Result<Layer> read_layer(const KernelContext& context) {
  Layer layer;
  SLUICE_ASSIGN(layer.attrs, recurrent_attrs(kCell, context.attrs()));
  SLUICE_ASSIGN(layer.shape,
                recurrent_shape(kCell, layer.attrs, context.in(0).shape(), context.in(1).shape(),
                                context.in(2).shape(), context.attrs().int_or("hidden_size", 0)));
  SLUICE_ASSIGN(layer.lengths, sequence_lengths(kCell, layer.attrs, layer.shape, context));
  return layer;
}

template <Cell kCell>
Result<void> run(KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1, 2}));
  SLUICE_ASSIGN(const Layer* layer,
                context.kept<Layer>([&] { return read_layer<kCell>(context); }, {4}));
  const RecurrentAttrs& attrs = layer->attrs;
  const RecurrentShape& s = layer->shape;
  const std::vector<int64_t>& lengths = layer->lengths;
  bool floats = true;
  for (int i = 0; i < context.input_count(); ++i) {
    if (i == 4 || !context.has(i)) continue;
    floats = floats && context.in(i).dtype() == DType::kFloat32;
  }
  const bool peepholes = kCell == Cell::kLstm && context.has(7);
  if (!floats || peepholes || !usual_functions(kCell, attrs) || s.steps == 0 || s.batch == 0 ||
      s.hidden == 0) {
    return reference_of(kCell)(context);
  }

  const int directions = attrs.directions;
  const bool batch_first = attrs.batch_first;
  const int64_t n = s.hidden, gates = gate_count(kCell) * n, rows = s.steps * s.batch;
  const Shape state_shape =
      batch_first ? Shape{s.batch, directions, n} : Shape{directions, s.batch, n};
  const Checked scratch_floats = Checked::from_signed(rows) * static_cast<uint64_t>(gates) +
                                 static_cast<uint64_t>(gates) +
                                 3 * static_cast<uint64_t>(s.batch * n) + static_cast<uint64_t>(n);
  SLUICE_ASSIGN(float* const all_gates, op::scratch<float>(context, scratch_floats, kWho));
  float* const bias = all_gates + rows * gates;
  float* const h = bias + gates;
  float* const c = h + s.batch * n;
  float* const work = c + s.batch * n;

  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32,
                                        batch_first ? Shape{s.batch, s.steps, directions, n}
                                                    : Shape{s.steps, directions, s.batch, n}));
  // Not computed when nobody asks: the memory of an unwanted output is shared between them.
  const bool wants_y = context.output_count() > 0 && context.wants(0);
  const bool wants_h = context.output_count() > 1 && context.wants(1);
  const bool wants_c = kCell == Cell::kLstm && context.output_count() > 2 && context.wants(2);
  Tensor* y_h = nullptr;
  Tensor* y_c = nullptr;
  if (wants_h) {
    SLUICE_ASSIGN(y_h, context.out(1, DType::kFloat32, state_shape));
  }
  if (wants_c) {
    SLUICE_ASSIGN(y_c, context.out(2, DType::kFloat32, state_shape));
  }
  float* const out = wants_y ? y->mutable_data<float>() : nullptr;
  if (wants_y) std::fill(out, out + y->elements(), 0.0f);

  const auto state_at = [&](int64_t d, int64_t b) {
    return (batch_first ? b * directions + d : d * s.batch + b) * n;
  };
  const auto row_of = [&](int64_t t, int64_t b) {
    return batch_first ? b * s.steps + t : t * s.batch + b;
  };
  const auto y_at = [&](int64_t t, int64_t d, int64_t b) {
    return (batch_first ? (b * s.steps + t) * directions + d : (t * directions + d) * s.batch + b) *
           n;
  };
  const size_t row_bytes = static_cast<size_t>(n) * sizeof(float);
  for (int d = 0; d < directions; ++d) {
    Direction direction{.cell = kCell, .hidden = n, .before_reset = attrs.linear_before_reset};
    direction.r = context.in(2).data<float>() + d * gates * n;
    direction.relu = attrs.functions[static_cast<size_t>(d * function_count(kCell))].kind ==
                     op::Activation::Kind::kRelu;
    if (context.has(3)) {
      const float* const given = context.in(3).data<float>() + d * 2 * gates;
      simd::binary(Binary::kAdd, given, 1, given + gates, 1, bias, gates);
      if (kCell == Cell::kGru && attrs.linear_before_reset) {
        std::memcpy(bias + 2 * n, given + 2 * n, row_bytes);
        direction.r_bias = given + gates + 2 * n;
      }
    }
    SLUICE_TRY(input_gates(context, context.in(0).data<float>(),
                           context.in(1).data<float>() + d * gates * s.input,
                           context.has(3) ? bias : nullptr, rows, gates, s.input, all_gates));
    for (int64_t b = 0; b < s.batch; ++b) {
      float* const state = h + b * n;
      float* const cell = c + b * n;
      std::fill(state, state + n, 0.0f);
      std::fill(cell, cell + n, 0.0f);
      if (context.has(5))
        std::memcpy(state, context.in(5).data<float>() + state_at(d, b), row_bytes);
      if (kCell == Cell::kLstm && context.has(6)) {
        std::memcpy(cell, context.in(6).data<float>() + state_at(d, b), row_bytes);
      }
      const int64_t length = lengths[static_cast<size_t>(b)];
      for (int64_t at = 0; at < length; ++at) {
        const int64_t t = attrs.is_reverse(d) ? length - 1 - at : at;
        float* const row = all_gates + row_of(t, b) * gates;
        if constexpr (kCell == Cell::kLstm) lstm_step(context, direction, row, state, cell, work);
        if constexpr (kCell == Cell::kGru) gru_step(context, direction, row, state, work);
        if constexpr (kCell == Cell::kRnn) rnn_step(context, direction, row, state);
        if (wants_y) std::memcpy(out + y_at(t, d, b), state, row_bytes);
      }
      if (length == 0) {
        std::fill(state, state + n, 0.0f);
        std::fill(cell, cell + n, 0.0f);
      }
      if (wants_h) std::memcpy(y_h->mutable_data<float>() + state_at(d, b), state, row_bytes);
      if (wants_c) std::memcpy(y_c->mutable_data<float>() + state_at(d, b), cell, row_bytes);
    }
  }
  return {};
}

std::string refuse(const NodeView& node) {
  for (int i = 0; i < node.input_count(); ++i) {
    if (i == 4) continue;  // lengths
    if (std::string why = op::refuse_unless_float32(node, i); !why.empty()) return why;
  }
  if (node.has_input(7)) return "the cell has peepholes";
  if (node.attrs().has("clip")) return "the gates are clipped";
  return {};
}

}  // namespace

const op::CpuCandidate kRnnCpu[1] = {
    {.kernel = {.name = "rnn.f32.simd", .run = run<Cell::kRnn>}, .refuse = refuse}};
const op::CpuCandidate kGruCpu[1] = {
    {.kernel = {.name = "gru.f32.simd", .run = run<Cell::kGru>}, .refuse = refuse}};
const op::CpuCandidate kLstmCpu[1] = {
    {.kernel = {.name = "lstm.f32.simd", .run = run<Cell::kLstm>}, .refuse = refuse}};

}  // namespace sluice::ops::recurrent
