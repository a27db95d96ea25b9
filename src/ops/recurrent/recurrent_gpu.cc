// How recurrent layers run on the GPU: the inputs' part of all steps as one product, then all steps
// in one dispatch, a workgroup per direction and entry of the batch.
#include <array>

#include "base/text.h"
#include "op/lower.h"
#include "ops/recurrent/recurrent.h"
#include "shader/product.h"
#include "shader/recurrent_layer.h"
#include "shader/recurrent_pack.h"

namespace sluice::ops::recurrent {

namespace {

using op::LowerContext;
using plan::DeviceFormat;
using plan::kNoSlot;
using plan::SlotId;
using plan::wgsl_type;

// Workgroup memory holds three numbers per hidden unit.
constexpr int64_t kMostHidden = 1024;

bool same_functions(const RecurrentAttrs& attrs, Cell cell) {
  if (attrs.directions == 1) return true;
  const auto count = static_cast<size_t>(function_count(cell));
  for (size_t i = 0; i < count; ++i) {
    const op::Activation &a = attrs.functions[i], &b = attrs.functions[count + i];
    if (a.kind != b.kind || a.alpha != b.alpha || a.beta != b.beta) return false;
  }
  return true;
}

// R [directions, rows, hidden] with the last two axes swapped.
Result<Tensor> swapped(const Tensor& r) {
  const int64_t directions = r.dim(0), rows = r.dim(1), hidden = r.dim(2);
  SLUICE_ASSIGN(Tensor out,
                Tensor::allocate_uninitialized(DType::kFloat32, Shape{directions, hidden, rows}));
  SLUICE_ASSIGN(const Tensor reals, converted(r, DType::kFloat32));
  const float* from = reals.data<float>();
  float* to = out.mutable_data<float>();
  for (int64_t d = 0; d < directions; ++d) {
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t i = 0; i < hidden; ++i) {
        to[(d * hidden + i) * rows + row] = from[(d * rows + row) * hidden + i];
      }
    }
  }
  return out;
}

Result<void> lower(LowerContext& context, Cell cell) {
  const DeviceFormat format = context.in_format(0);
  for (int i = 0; i < context.input_count(); ++i) {
    if (i == 4 || !context.has_input(i)) continue;
    const DeviceFormat here = context.in_format(i);
    if (here != DeviceFormat::kF32 && here != DeviceFormat::kF16) {
      return context.refuse(cat("input ", i, " is not a float that the GPU computes with"));
    }
    if (i <= 3 && here != format) return context.refuse("the inputs are of two element types");
  }
  if (context.has_input(4) && context.in_format(4) != DeviceFormat::kI32) {
    return context.refuse("the lengths are not int32");
  }
  SLUICE_ASSIGN(const RecurrentAttrs attrs, recurrent_attrs(cell, context.attrs()));
  const Dims& x = context.in_dims(0);
  const Dims& w = context.in_dims(1);
  const Dims& r = context.in_dims(2);
  if (x.size() != 3 || w.size() != 3 || r.size() != 3) {
    return context.refuse("X, W and R do not all have three axes");
  }
  if (!r[2].is_known()) SLUICE_TRY(context.static_in(2));
  const int64_t h = r[2].value(), gates = gate_count(cell);
  if (h < 1 || h > kMostHidden) {
    return context.refuse(cat("the hidden size is ", h, " (1 to ", kMostHidden, ")"));
  }
  const int64_t rows = gates * h, directions = attrs.directions;
  const Dim steps = x[attrs.batch_first ? 1 : 0], batch = x[attrs.batch_first ? 0 : 1];
  const Dim input = x[2];
  if (!(w[0] == Dim(directions)) || !(w[1] == Dim(rows)) || !(r[0] == Dim(directions)) ||
      !(r[1] == Dim(rows)) || !(w[2] == input)) {
    for (const int i : {0, 1, 2}) SLUICE_TRY(context.static_in(i));
    return invalid_model(
        cat("W ", dims_text(w), " and R ", dims_text(r), " do not fit X ", dims_text(x)));
  }

  // X W' + Wb of all steps.
  const SlotId xw = context.temp(DeviceFormat::kF32, Dim(directions * rows) * steps * batch);
  context.add(shader::product({.m = steps * batch,
                               .n = rows,
                               .k = input,
                               .b_t = true,
                               .a_ld = input,
                               .b_ld = input,
                               .y_ld = rows,
                               .batch = {directions},
                               .a_step = {0},
                               .b_step = {Dim(rows) * input},
                               .c_step = {2 * rows},
                               .y_step = {Dim(rows) * steps * batch},
                               .a = context.in(0),
                               .b = context.in(1),
                               .y = xw,
                               .c = context.in(3),
                               .c_n = 1,
                               .a_format = format,
                               .b_format = format,
                               .c_format = format}));

  // Initial states and peepholes in one buffer: a stage may bind eight.
  const Dim state = Dim(directions * h) * batch;
  const bool lstm = cell == Cell::kLstm;
  const bool has_h = context.has_input(5), has_c = lstm && context.has_input(6);
  const bool has_peepholes = lstm && context.has_input(7);
  SlotId initial = kNoSlot;
  if (has_h || has_c || has_peepholes) {
    initial = context.temp(DeviceFormat::kF32, Dim(2) * state + Dim(directions * 3 * h));
    const auto put = [&](int i, const Dim& offset) {
      const Dim n = op::elements(context.in_dims(i));
      context.dispatch(shader::recurrent_pack::Call{.knobs = {.T = wgsl_type(context.in_format(i))},
                                                    .params = {.n = n, .offset = offset},
                                                    .x = context.in(i),
                                                    .y = initial,
                                                    .workgroups = op::workgroups(n, 256)});
    };
    if (has_h) put(5, 0);
    if (has_c) put(6, state);
    if (has_peepholes) put(7, Dim(2) * state);
  }

  const Tensor* known_r = context.NodeView::constant(2);
  SlotId weights = context.in(2);
  if (known_r != nullptr) {
    SLUICE_ASSIGN(Tensor packed, swapped(*known_r));
    weights = context.constant(std::move(packed), "R swapped");
  }
  const auto output = [&](int i) {
    return context.has_output(i) ? context.out(i) : context.temp(format, state);
  };
  const bool has_y = context.has_output(0);
  const SlotId y = has_y ? context.out(0) : context.temp(format, 4);
  const SlotId y_h = output(1);
  const SlotId y_c = lstm ? output(2) : context.temp(format, 4);
  const bool together = same_functions(attrs, cell);
  const auto functions = static_cast<size_t>(function_count(cell));
  for (int64_t d = 0; d < (together ? 1 : directions); ++d) {
    const op::Activation* f = attrs.functions.data() + static_cast<size_t>(d) * functions;
    const op::Activation none;
    const op::Activation& g = functions > 1 ? f[1] : none;
    const op::Activation& last = functions > 2 ? f[2] : none;
    const Dim workgroups = together ? Dim(directions) * batch : batch;
    context.dispatch(shader::recurrent_layer::Call{
        .knobs = {.T = wgsl_type(format),
                  .TR = known_r != nullptr ? "f32" : wgsl_type(format),
                  .CELL = static_cast<uint32_t>(cell),
                  .HIDDEN = h <= 64    ? 64U
                            : h <= 256 ? 256U
                                       : 1024U,
                  .R_T = known_r != nullptr,
                  .HAS_BIAS = context.has_input(3),
                  .HAS_LENGTHS = context.has_input(4),
                  .HAS_H = has_h,
                  .HAS_C = has_c,
                  .HAS_PEEPHOLES = has_peepholes,
                  .HAS_Y = has_y,
                  .INPUT_FORGET = attrs.input_forget,
                  .LINEAR_BEFORE_RESET = attrs.linear_before_reset,
                  .F = static_cast<uint32_t>(f[0].kind),
                  .G = static_cast<uint32_t>(g.kind),
                  .H = static_cast<uint32_t>(last.kind)},
        .params = {.steps = steps,
                   .batch = batch,
                   .hidden = h,
                   .workgroups = workgroups,
                   .first_direction = d,
                   .reverse = (attrs.is_reverse(0) ? 1 : 0) + (attrs.is_reverse(1) ? 2 : 0),
                   .x_t = attrs.batch_first ? Dim(1) : batch,
                   .x_b = attrs.batch_first ? steps : Dim(1),
                   .s_d = attrs.batch_first ? Dim(h) : batch * Dim(h),
                   .s_b = attrs.batch_first ? Dim(directions * h) : Dim(h),
                   .y_t = attrs.batch_first ? Dim(directions * h) : Dim(directions * h) * batch,
                   .y_d = attrs.batch_first ? Dim(h) : batch * Dim(h),
                   .y_b = attrs.batch_first ? steps * Dim(directions * h) : Dim(h),
                   .c_offset = state,
                   .peephole_offset = Dim(2) * state,
                   .clip = attrs.clip ? static_cast<float>(*attrs.clip) : 3.0e38F,
                   .f_alpha = static_cast<float>(f[0].alpha),
                   .f_beta = static_cast<float>(f[0].beta),
                   .g_alpha = static_cast<float>(g.alpha),
                   .g_beta = static_cast<float>(g.beta),
                   .h_alpha = static_cast<float>(last.alpha),
                   .h_beta = static_cast<float>(last.beta)},
        .xw = xw,
        .weights = weights,
        .bias = context.in(3),
        .lengths = context.in(4),
        .initial = initial,
        .y = y,
        .y_h = y_h,
        .y_c = y_c,
        .workgroups = workgroups});
  }
  return {};
}

template <Cell kCell>
Result<void> lower_cell(LowerContext& context) {
  return lower(context, kCell);
}

struct Row {
  std::string_view op;
  op::GpuCandidate candidate;
};
constexpr Row kRows[] = {
    {"RNN", {"rnn.layer", &lower_cell<Cell::kRnn>}},
    {"GRU", {"gru.layer", &lower_cell<Cell::kGru>}},
    {"LSTM", {"lstm.layer", &lower_cell<Cell::kLstm>}},
};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  for (const Row& row : kRows) {
    if (domain.empty() && row.op == name) return {&row.candidate, 1};
  }
  return {};
}

}  // namespace sluice::ops::recurrent
