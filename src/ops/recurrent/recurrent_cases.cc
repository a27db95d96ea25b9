#include <cmath>

#include "base/text.h"
#include "op/case.h"

namespace sluice::ops::recurrent {

namespace {

struct Kind {
  const char* op;
  int64_t gates;
  int outputs;
};
constexpr Kind kKinds[] = {{"RNN", 1, 2}, {"GRU", 3, 2}, {"LSTM", 4, 3}};

// All inputs of a layer; the optional ones are present.
struct Sizes {
  int64_t steps, batch, input, hidden, directions;
  bool batch_first = false;
};
std::vector<Value> inputs_of(const Kind& kind, const Sizes& s, int seed, bool lengths) {
  const auto state = [&](int at) {
    return Value(op::case_floats(s.batch_first ? Shape{s.batch, s.directions, s.hidden}
                                               : Shape{s.directions, s.batch, s.hidden},
                                 seed + at));
  };
  const int64_t rows = kind.gates * s.hidden;
  std::vector<Value> out;
  out.emplace_back(op::case_floats(
      s.batch_first ? Shape{s.batch, s.steps, s.input} : Shape{s.steps, s.batch, s.input}, seed));
  out.emplace_back(op::case_floats(Shape{s.directions, rows, s.input}, seed + 1, 0.5));
  out.emplace_back(op::case_floats(Shape{s.directions, rows, s.hidden}, seed + 2, 0.5));
  out.emplace_back(op::case_floats(Shape{s.directions, 2 * rows}, seed + 3, 0.5));
  out.emplace_back();
  if (lengths) out.back() = op::case_ints(DType::kInt32, Shape{s.batch}, 1, s.steps, seed + 4);
  out.push_back(state(5));
  if (kind.gates == 4) {
    out.push_back(state(6));
    out.emplace_back(op::case_floats(Shape{s.directions, 3 * s.hidden}, seed + 7, 0.5));
  }
  return out;
}

}  // namespace

std::vector<op::Case> cases() {
  std::vector<op::Case> out;
  // One step of one unit: H = tanh(2 * 0.5 + 3 * 0.25 + 0.25).
  out.push_back(
      {.name = "rnn_known",
       .op = "RNN",
       .inputs = {Tensor::of<float>(Shape{1, 1, 1}, {2}), Tensor::of<float>(Shape{1, 1, 1}, {0.5f}),
                  Tensor::of<float>(Shape{1, 1, 1}, {0.25f}),
                  Tensor::of<float>(Shape{1, 2}, {0.25f, 0}), Value(),
                  Tensor::of<float>(Shape{1, 1, 1}, {3})},
       .outputs = {Tensor::of<float>(Shape{1, 1, 1, 1}, {std::tanh(2.0f)}),
                   Tensor::of<float>(Shape{1, 1, 1}, {std::tanh(2.0f)})},
       .output_count = 2});
  int seed = 4000;
  for (const Kind& kind : kKinds) {
    const int64_t directions_of[] = {1, 1, 2};
    const char* const names[] = {"forward", "reverse", "bidirectional"};
    for (size_t d = 0; d < 3; ++d) {
      for (const bool batch_first : {false, true}) {
        for (const bool lengths : {false, true}) {
          const Sizes sizes{4, 3, 5, 6, directions_of[d], batch_first};
          out.push_back({.name = cat(kind.op, "_", names[d], batch_first ? "_batch_first" : "",
                                     lengths ? "_lengths" : ""),
                         .op = kind.op,
                         .attrs = {{"direction", std::string(names[d])},
                                   {"hidden_size", int64_t{6}},
                                   {"layout", int64_t{batch_first}}},
                         .inputs = inputs_of(kind, sizes, seed += 10, lengths),
                         .output_count = kind.outputs,
                         .constant_inputs = {1, 2, 3}});
        }
      }
    }
    for (const int64_t hidden : {1, 2, 3, 7, 8, 17, 64, 129}) {
      auto inputs = inputs_of(kind, {3, 2, 4, hidden, 1, false}, seed += 10, false);
      inputs.resize(4);  // no states, no peepholes
      out.push_back({.name = cat(kind.op, "_hidden_", hidden),
                     .op = kind.op,
                     .attrs = {{"hidden_size", hidden}},
                     .inputs = std::move(inputs),
                     .output_count = kind.outputs,
                     .constant_inputs = {1, 2, 3}});
    }
    auto clipped = inputs_of(kind, {5, 2, 3, 4, 1, false}, seed += 10, false);
    out.push_back({.name = cat(kind.op, "_clip"),
                   .op = kind.op,
                   .attrs = {{"clip", 0.3f}},
                   .inputs = std::move(clipped),
                   .output_count = kind.outputs});
    std::vector<std::string> activations = {"HardSigmoid", "ScaledTanh", "LeakyRelu"};
    if (kind.gates == 1) activations = {"Affine"};
    if (kind.gates == 3) activations = {"HardSigmoid", "Softsign"};
    out.push_back({.name = cat(kind.op, "_activations"),
                   .op = kind.op,
                   .attrs = {{"activations", activations},
                             {"activation_alpha", std::vector<float>{0.3f, 0.8f, 0.1f}},
                             {"activation_beta", std::vector<float>{0.4f, 0.7f}}},
                   .inputs = inputs_of(kind, {5, 2, 3, 4, 1, false}, seed += 10, false),
                   .output_count = kind.outputs});
  }
  out.push_back(
      {.name = "gru_linear_before_reset",
       .op = "GRU",
       .attrs = {{"linear_before_reset", int64_t{1}}, {"direction", std::string("bidirectional")}},
       .inputs = inputs_of(kKinds[1], {6, 2, 3, 9, 2, false}, seed += 10, true),
       .output_count = 2,
       .constant_inputs = {1, 2, 3}});
  out.push_back({.name = "lstm_input_forget",
                 .op = "LSTM",
                 .attrs = {{"input_forget", int64_t{1}}},
                 .inputs = inputs_of(kKinds[2], {6, 2, 3, 9, 1, false}, seed += 10, false),
                 .output_count = 3});
  for (const DType dtype : {DType::kFloat16, DType::kFloat64}) {
    out.push_back({.name = cat("lstm_", dtype_name(dtype)),
                   .op = "LSTM",
                   .inputs = {op::case_floats(Shape{3, 2, 4}, 1, 1.0, dtype),
                              op::case_floats(Shape{1, 20, 4}, 2, 0.5, dtype),
                              op::case_floats(Shape{1, 20, 5}, 3, 0.5, dtype)},
                   .output_count = 3,
                   .atol = 1e-2,
                   .rtol = 1e-2});
  }
  out.push_back(
      {.name = "dynamic_quantize_lstm",
       .op = "DynamicQuantizeLSTM",
       .domain = "com.microsoft",
       .attrs = {{"hidden_size", int64_t{5}}},
       .inputs = {op::case_floats(Shape{3, 2, 4}, 1),
                  op::case_ints(DType::kUInt8, Shape{1, 4, 20}, 0, 255, 2),
                  op::case_ints(DType::kUInt8, Shape{1, 5, 20}, 0, 255, 3), Value(), Value(),
                  Value(), Value(), Value(), Tensor::of<float>(Shape{1}, {0.01f}),
                  Tensor::of<uint8_t>(Shape{1}, {128}), Tensor::of<float>(Shape{1}, {0.01f}),
                  Tensor::of<uint8_t>(Shape{1}, {120})},
       .output_count = 3});
  auto speech = inputs_of(kKinds[2], {32, 1, 128, 128, 1, false}, seed += 10, false);
  speech.resize(4);
  out.push_back({.name = "lstm_bench",
                 .op = "LSTM",
                 .attrs = {{"hidden_size", int64_t{128}}},
                 .inputs = std::move(speech),
                 .output_count = 3,
                 .bench = true,
                 .constant_inputs = {1, 2, 3}});
  return out;
}

}  // namespace sluice::ops::recurrent
