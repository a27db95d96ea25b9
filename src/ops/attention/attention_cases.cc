#include "base/text.h"
#include "op/case.h"

namespace sluice::ops::attention {

namespace {

constexpr const char* kMicrosoft = "com.microsoft";

Tensor bools(const Shape& shape, int seed) {
  return op::case_ints(DType::kBool, shape, 0, 1, seed);
}

void onnx_cases(std::vector<op::Case>& out) {
  // One query between two equal keys takes the mean of the values.
  out.push_back({.name = "attention_known_mean",
                 .op = "Attention",
                 .inputs = {Tensor::of<float>(Shape{1, 1, 1, 1}, {1}),
                            Tensor::of<float>(Shape{1, 1, 2, 1}, {3, 3}),
                            Tensor::of<float>(Shape{1, 1, 2, 2}, {1, 2, 3, 6})},
                 .outputs = {Tensor::of<float>(Shape{1, 1, 1, 2}, {2, 4})}});
  // No key is left for the second query.
  out.push_back({.name = "attention_known_masked_row",
                 .op = "Attention",
                 .inputs = {Tensor::of<float>(Shape{1, 1, 2, 1}, {1, 1}),
                            Tensor::of<float>(Shape{1, 1, 2, 1}, {1, 2}),
                            Tensor::of<float>(Shape{1, 1, 2, 1}, {5, 7}),
                            Tensor::of<bool>(Shape{2, 2}, {true, false, false, false})},
                 .outputs = {Tensor::of<float>(Shape{1, 1, 2, 1}, {5, 0})}});
  int seed = 6000;
  struct Extents {
    int64_t batch, q_heads, kv_heads, queries, keys, head, v_head;
  };
  const Extents all[] = {{1, 1, 1, 1, 1, 1, 1},   {2, 3, 3, 4, 6, 8, 8},
                         {2, 4, 2, 5, 7, 8, 10},  {1, 8, 1, 3, 33, 16, 16},
                         {1, 2, 2, 17, 17, 7, 5}, {1, 2, 2, 1, 129, 32, 32}};
  for (const Extents& e : all) {
    const std::string name = join(
        std::vector<int64_t>{e.batch, e.q_heads, e.kv_heads, e.queries, e.keys, e.head, e.v_head},
        "_");
    const std::vector<Value> qkv = {
        op::case_floats(Shape{e.batch, e.q_heads, e.queries, e.head}, ++seed, 2.0),
        op::case_floats(Shape{e.batch, e.kv_heads, e.keys, e.head}, ++seed, 2.0),
        op::case_floats(Shape{e.batch, e.kv_heads, e.keys, e.v_head}, ++seed)};
    const auto with = [&](std::initializer_list<Value> more) {
      std::vector<Value> inputs = qkv;
      inputs.insert(inputs.end(), more.begin(), more.end());
      return inputs;
    };
    out.push_back({.name = "attention_" + name, .op = "Attention", .inputs = qkv});
    out.push_back({.name = "attention_causal_" + name,
                   .op = "Attention",
                   .attrs = {{"is_causal", int64_t{1}}},
                   .inputs = qkv});
    out.push_back({.name = "attention_window_" + name,
                   .op = "Attention",
                   .attrs = {{"left_window_size", int64_t{2}}, {"right_window_size", int64_t{1}}},
                   .inputs = qkv});
    out.push_back({.name = "attention_softcap_scale_" + name,
                   .op = "Attention",
                   .attrs = {{"softcap", 1.5f}, {"scale", 0.3f}},
                   .inputs = qkv});
    out.push_back({.name = "attention_mask_" + name,
                   .op = "Attention",
                   .inputs = with({op::case_floats(Shape{e.queries, e.keys}, ++seed, 3.0)})});
    out.push_back({.name = "attention_bool_mask_" + name,
                   .op = "Attention",
                   .inputs = with({bools(Shape{e.batch, 1, e.queries, e.keys}, ++seed)})});
    for (const int64_t mode : {0, 1, 2, 3}) {
      out.push_back(
          {.name = cat("attention_past_mode_", mode, "_", name),
           .op = "Attention",
           .attrs = {{"qk_matmul_output_mode", mode}, {"is_causal", int64_t{1}}, {"softcap", 2.0f}},
           .inputs = with({Value(), op::case_floats(Shape{e.batch, e.kv_heads, 3, e.head}, ++seed),
                           op::case_floats(Shape{e.batch, e.kv_heads, 3, e.v_head}, ++seed)}),
           .output_count = 4});
    }
    out.push_back(
        {.name = "attention_padded_keys_" + name,
         .op = "Attention",
         .attrs = {{"is_causal", int64_t{1}}},
         .inputs = with({Value(), Value(), Value(),
                         op::case_ints(DType::kInt64, Shape{e.batch}, 1, e.keys, ++seed)})});
    out.push_back(
        {.name = "attention_packed_" + name,
         .op = "Attention",
         .attrs = {{"q_num_heads", e.q_heads}, {"kv_num_heads", e.kv_heads}},
         .inputs = {op::case_floats(Shape{e.batch, e.queries, e.q_heads * e.head}, ++seed, 2.0),
                    op::case_floats(Shape{e.batch, e.keys, e.kv_heads * e.head}, ++seed, 2.0),
                    op::case_floats(Shape{e.batch, e.keys, e.kv_heads * e.v_head}, ++seed)},
         .output_count = 3});
  }
  for (const DType dtype : {DType::kFloat16, DType::kBFloat16, DType::kFloat64}) {
    out.push_back({.name = cat("attention_", dtype_name(dtype)),
                   .op = "Attention",
                   .attrs = {{"is_causal", int64_t{1}}},
                   .inputs = {op::case_floats(Shape{1, 2, 5, 8}, 1, 1.0, dtype),
                              op::case_floats(Shape{1, 2, 9, 8}, 2, 1.0, dtype),
                              op::case_floats(Shape{1, 2, 9, 8}, 3, 1.0, dtype)},
                   .atol = 2e-2,
                   .rtol = 2e-2});
  }
  out.push_back(
      {.name = "flex_attention",
       .op = "FlexAttention",
       .domain = "ai.onnx.preview",
       .inputs = {op::case_floats(Shape{2, 4, 5, 8}, 1), op::case_floats(Shape{2, 2, 7, 8}, 2),
                  op::case_floats(Shape{2, 2, 7, 6}, 3)}});
  out.push_back({.name = "attention_bench",
                 .op = "Attention",
                 .inputs = {op::case_floats(Shape{1, 12, 197, 64}, 1),
                            op::case_floats(Shape{1, 12, 197, 64}, 2),
                            op::case_floats(Shape{1, 12, 197, 64}, 3)},
                 .bench = true});
}

void linear_cases(std::vector<op::Case>& out) {
  int seed = 7000;
  for (const char* rule : {"linear", "gated", "delta", "gated_delta"}) {
    const std::string name = rule;
    const bool gated = name == "gated" || name == "gated_delta";
    const bool delta = name == "delta" || name == "gated_delta";
    for (const int64_t steps : {1, 4}) {
      for (const bool past : {false, true}) {
        Tensor decay = op::case_floats(Shape{2, steps, past ? 2 : 16}, ++seed);
        for (int64_t i = 0; i < decay.elements(); ++i) {
          decay.set_double(i, decay.get_double(i) - 1.5);
        }
        out.push_back(
            {.name = cat("linear_attention_", name, "_", steps, past ? "_past" : ""),
             .op = "LinearAttention",
             .attrs = {{"update_rule", name},
                       {"q_num_heads", int64_t{4}},
                       {"kv_num_heads", int64_t{2}}},
             .inputs = {op::case_floats(Shape{2, steps, 32}, ++seed),
                        op::case_floats(Shape{2, steps, 16}, ++seed, 0.3),
                        op::case_floats(Shape{2, steps, 10}, ++seed),
                        past ? Value(op::case_floats(Shape{2, 2, 8, 5}, ++seed)) : Value(),
                        gated ? Value(decay) : Value(),
                        delta ? Value(op::case_floats(Shape{2, steps, 2}, ++seed, 0.5)) : Value()},
             .output_count = 2});
      }
    }
  }
  for (const int64_t interleaved : {0, 1}) {
    for (const int64_t rotary : {0, 4}) {
      const int64_t half = rotary == 0 ? 4 : rotary / 2;
      out.push_back({.name = cat("rotary_", interleaved, "_", rotary),
                     .op = "RotaryEmbedding",
                     .attrs = {{"interleaved", interleaved}, {"rotary_embedding_dim", rotary}},
                     .inputs = {op::case_floats(Shape{2, 3, 5, 8}, ++seed),
                                op::case_floats(Shape{2, 5, half}, ++seed),
                                op::case_floats(Shape{2, 5, half}, ++seed)}});
      out.push_back({.name = cat("rotary_positions_", interleaved, "_", rotary),
                     .op = "RotaryEmbedding",
                     .attrs = {{"interleaved", interleaved},
                               {"rotary_embedding_dim", rotary},
                               {"num_heads", int64_t{3}}},
                     .inputs = {op::case_floats(Shape{2, 5, 24}, ++seed),
                                op::case_floats(Shape{50, half}, ++seed),
                                op::case_floats(Shape{50, half}, ++seed),
                                op::case_ints(DType::kInt64, Shape{2, 5}, 0, 49, ++seed)}});
    }
    out.push_back(
        {.name = cat("ms_rotary_", interleaved),
         .op = "RotaryEmbedding",
         .domain = kMicrosoft,
         .attrs = {{"interleaved", interleaved}},
         .inputs = {op::case_floats(Shape{2, 5, 24}, ++seed), Tensor::of<int64_t>(Shape{1}, {3}),
                    op::case_floats(Shape{50, 4}, ++seed), op::case_floats(Shape{50, 4}, ++seed)}});
  }
  // A quarter turn: (1, 2) becomes (-2, 1).
  out.push_back(
      {.name = "rotary_known_quarter_turn",
       .op = "RotaryEmbedding",
       .inputs = {Tensor::of<float>(Shape{1, 1, 1, 2}, {1, 2}),
                  Tensor::of<float>(Shape{1, 1, 1}, {0}), Tensor::of<float>(Shape{1, 1, 1}, {1})},
       .outputs = {Tensor::of<float>(Shape{1, 1, 1, 2}, {-2, 1})}});
}

void microsoft_cases(std::vector<op::Case>& out) {
  int seed = 8000;
  const AttrMap heads = {{"num_heads", int64_t{2}}};
  const Value x = op::case_floats(Shape{2, 3, 8}, ++seed),
              w = op::case_floats(Shape{8, 24}, ++seed);
  const Value bias = op::case_floats(Shape{24}, ++seed);
  const std::pair<const char*, Value> masks[] = {
      {"none", Value()},
      {"ends", Tensor::of<int32_t>(Shape{2}, {3, 2})},
      {"ends_starts", Tensor::of<int32_t>(Shape{4}, {3, 2, 1, 0})},
      {"keys", Tensor::of<int32_t>(Shape{2, 3}, {1, 1, 0, 1, 1, 1})},
      {"scores", op::case_ints(DType::kInt32, Shape{2, 3, 3}, 0, 1, ++seed)}};
  for (const auto& [name, mask] : masks) {
    for (const int64_t unidirectional : {0, 1}) {
      out.push_back({.name = cat("ms_attention_", name, "_", unidirectional),
                     .op = "Attention",
                     .domain = kMicrosoft,
                     .attrs = {{"num_heads", int64_t{2}}, {"unidirectional", unidirectional}},
                     .inputs = {x, w, bias, mask},
                     .output_count = 2,
                     .constant_inputs = {1, 2}});
    }
  }
  out.push_back({.name = "ms_attention_past",
                 .op = "Attention",
                 .domain = kMicrosoft,
                 .attrs = {{"num_heads", int64_t{2}}, {"unidirectional", int64_t{1}}},
                 .inputs = {x, w, bias, Value(), op::case_floats(Shape{2, 2, 2, 4, 4}, ++seed),
                            op::case_floats(Shape{1, 2, 3, 7}, ++seed)},
                 .output_count = 2});
  out.push_back({.name = "qattention",
                 .op = "QAttention",
                 .domain = kMicrosoft,
                 .attrs = heads,
                 .inputs = {op::case_ints(DType::kUInt8, Shape{2, 3, 8}, 0, 255, ++seed),
                            op::case_ints(DType::kInt8, Shape{8, 24}, -128, 127, ++seed), bias,
                            Tensor::scalar<float>(0.01f), Tensor::scalar<float>(0.02f), Value(),
                            Tensor::scalar<uint8_t>(128), Tensor::scalar<int8_t>(1)}});
  const Value q = op::case_floats(Shape{2, 3, 8}, ++seed),
              k = op::case_floats(Shape{2, 5, 8}, ++seed);
  const Value v = op::case_floats(Shape{2, 5, 12}, ++seed);
  out.push_back({.name = "multi_head_plain",
                 .op = "MultiHeadAttention",
                 .domain = kMicrosoft,
                 .attrs = heads,
                 .inputs = {q, k, v}});
  out.push_back({.name = "multi_head_bias_mask",
                 .op = "MultiHeadAttention",
                 .domain = kMicrosoft,
                 .attrs = heads,
                 .inputs = {q, k, v, op::case_floats(Shape{28}, ++seed),
                            op::case_ints(DType::kInt32, Shape{2, 5}, 0, 1, ++seed),
                            op::case_floats(Shape{2, 2, 3, 5}, ++seed)}});
  out.push_back({.name = "multi_head_past",
                 .op = "MultiHeadAttention",
                 .domain = kMicrosoft,
                 .attrs = {{"num_heads", int64_t{2}}, {"unidirectional", int64_t{1}}},
                 .inputs = {q, op::case_floats(Shape{2, 3, 8}, ++seed),
                            op::case_floats(Shape{2, 3, 8}, ++seed), Value(), Value(), Value(),
                            op::case_floats(Shape{2, 2, 4, 4}, ++seed),
                            op::case_floats(Shape{2, 2, 4, 4}, ++seed)},
                 .output_count = 3});
  out.push_back({.name = "multi_head_packed_qkv",
                 .op = "MultiHeadAttention",
                 .domain = kMicrosoft,
                 .attrs = heads,
                 .inputs = {op::case_floats(Shape{2, 3, 2, 3, 4}, ++seed)}});
  out.push_back({.name = "multi_head_packed_kv",
                 .op = "MultiHeadAttention",
                 .domain = kMicrosoft,
                 .attrs = heads,
                 .inputs = {q, op::case_floats(Shape{2, 5, 2, 2, 4}, ++seed)}});
  out.push_back({.name = "multi_head_keys_by_head",
                 .op = "MultiHeadAttention",
                 .domain = kMicrosoft,
                 .attrs = heads,
                 .inputs = {q, op::case_floats(Shape{2, 2, 5, 4}, ++seed),
                            op::case_floats(Shape{2, 2, 5, 4}, ++seed)}});

  const Value tables[] = {op::case_floats(Shape{32, 4}, ++seed),
                          op::case_floats(Shape{32, 4}, ++seed)};
  for (const int64_t rotary : {0, 1}) {
    for (const int64_t window : {-1, 2}) {
      const AttrMap attrs = {{"num_heads", int64_t{4}},
                             {"kv_num_heads", int64_t{2}},
                             {"do_rotary", rotary},
                             {"local_window_size", window},
                             {"softcap", rotary ? 3.0f : 0.0f}};
      out.push_back({.name = cat("group_query_prompt_", rotary, "_", window),
                     .op = "GroupQueryAttention",
                     .domain = kMicrosoft,
                     .attrs = attrs,
                     .inputs = {op::case_floats(Shape{2, 4, 32}, ++seed),
                                op::case_floats(Shape{2, 4, 16}, ++seed),
                                op::case_floats(Shape{2, 4, 16}, ++seed), Value(), Value(),
                                Tensor::of<int32_t>(Shape{2}, {3, 3}), Tensor::scalar<int32_t>(4),
                                rotary ? tables[0] : Value(), rotary ? tables[1] : Value()},
                     .output_count = 3});
      out.push_back({.name = cat("group_query_token_", rotary, "_", window),
                     .op = "GroupQueryAttention",
                     .domain = kMicrosoft,
                     .attrs = attrs,
                     .inputs = {op::case_floats(Shape{2, 1, 64}, ++seed), Value(), Value(),
                                op::case_floats(Shape{2, 2, 6, 8}, ++seed),
                                op::case_floats(Shape{2, 2, 6, 8}, ++seed),
                                Tensor::of<int32_t>(Shape{2}, {6, 4}), Tensor::scalar<int32_t>(7),
                                rotary ? tables[0] : Value(), rotary ? tables[1] : Value()},
                     .output_count = 3});
    }
  }
}

}  // namespace

std::vector<op::Case> cases() {
  std::vector<op::Case> out;
  onnx_cases(out);
  linear_cases(out);
  microsoft_cases(out);
  return out;
}

}  // namespace sluice::ops::attention
