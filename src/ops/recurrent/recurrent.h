// Recurrent layers: RNN, GRU, LSTM, and com.microsoft.DynamicQuantizeLSTM.
//
//   RNN   H = f(X W' + H R' + Wb + Rb)
//   GRU   z = f(X Wz' + H Rz' + Wbz + Rbz), r likewise,
//         h = g(X Wh' + (r . H) Rh' + Rbh + Wbh)           linear_before_reset = 0
//         h = g(X Wh' + r . (H Rh' + Rbh) + Wbh)           linear_before_reset = 1
//         H = (1 - z) . h + z . H;                         gates stand in the order z, r, h
//   LSTM  i = f(X Wi' + H Ri' + Pi . C + b), f likewise (or 1 - i when input_forget),
//         c = g(X Wc' + H Rc' + b), C = f . C + i . c,
//         o = f(X Wo' + H Ro' + Po . C + b), H = o . h(C);  gates i, o, f, c; peepholes i, o, f
//
// X is [T, B, I] (layout 0) or [B, T, I] (layout 1); W [D, G*H, I], R [D, G*H, H], B [D, 2*G*H],
// states [D, B, H] or [B, D, H]; Y is [T, D, B, H] or [B, T, D, H]. `clip` bounds what goes into
// the gates' functions. With sequence_lens an entry of the batch runs over its own first steps only
// (the reverse direction starts at its own last one), Y is 0 beyond, and Y_h is its last state, 0
// for an entry of length 0.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "op/activation.h"
#include "op/op.h"
#include "plan/kernel.h"

namespace sluice::ops::recurrent {

enum class Cell : uint8_t { kRnn, kGru, kLstm };
constexpr int gate_count(Cell cell) { return cell == Cell::kRnn ? 1 : cell == Cell::kGru ? 3 : 4; }
// Functions per direction: f; f and g; f, g and h.
constexpr int function_count(Cell cell) {
  return cell == Cell::kRnn ? 1 : cell == Cell::kGru ? 2 : 3;
}

struct RecurrentAttrs {
  int directions = 1;
  bool reverse = false;      // the first direction runs backwards
  bool batch_first = false;  // layout 1
  bool input_forget = false;
  bool linear_before_reset = false;
  std::optional<double> clip;
  std::vector<op::Activation> functions;  // function_count(cell) per direction

  bool is_reverse(int direction) const { return reverse || direction == 1; }
};
Result<RecurrentAttrs> recurrent_attrs(Cell cell, const AttrMap& attrs);

struct RecurrentShape {
  int64_t steps = 0, batch = 0, input = 0, hidden = 0;
};
// Checks X, W and R (in ONNX's order of axes) against each other. `hidden_size` 0: not given.
Result<RecurrentShape> recurrent_shape(Cell cell, const RecurrentAttrs& attrs, const Shape& x,
                                       const Shape& w, const Shape& r, int64_t hidden_size);
// Checks bias, lengths, initial states and peepholes (inputs 3 to 7) where they are present, and
// gives the length of every entry of the batch.
Result<std::vector<int64_t>> sequence_lengths(Cell cell, const RecurrentAttrs& attrs,
                                              const RecurrentShape& shape,
                                              const plan::KernelContext& context);

Result<void> rnn_reference(plan::KernelContext& context);
Result<void> gru_reference(plan::KernelContext& context);
Result<void> lstm_reference(plan::KernelContext& context);
Result<void> dynamic_quantize_lstm_reference(plan::KernelContext& context);

}  // namespace sluice::ops::recurrent
