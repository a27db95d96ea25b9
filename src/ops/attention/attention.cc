#include "ops/attention/attention.h"

#include <array>

#include "base/text.h"
#include "op/operand.h"
#include "ops/attention/attention_cpu.h"

namespace sluice::ops::attention {

namespace {

// [batch, heads, length, size] of an input that is given so, or as [batch, length, heads * size].
// Unknown extents where nothing is known; nothing when the rank is unknown.
struct HeadDims {
  Dim batch, heads, length, size;
};
Result<std::optional<HeadDims>> head_dims(const op::InferContext& context, int i, int64_t heads) {
  const auto& dims = context.input_type(i).dims;
  if (!dims) return std::optional<HeadDims>();
  if (dims->size() == 4) {
    return std::optional(HeadDims{(*dims)[0], (*dims)[1], (*dims)[2], (*dims)[3]});
  }
  if (dims->size() != 3) {
    return context.fail(cat("Input ", i, " has ", dims->size(), " axes (3 or 4)"));
  }
  if (heads <= 0) {
    return context.fail(cat("Input ", i, " has 3 axes and the number of heads is ", heads));
  }
  const Dim& hidden = (*dims)[2];
  if (hidden.is_known() && hidden.value() % heads != 0) {
    return context.fail(
        cat("Input ", i, " of width ", hidden.value(), " does not split into heads (", heads, ")"));
  }
  return std::optional(HeadDims{(*dims)[0], heads, (*dims)[1], Dim::floor_div(hidden, heads)});
}

Result<void> infer_attention(op::InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 0, 2, op::kFloats));
  SLUICE_ASSIGN(const DType v_dtype, op::input_dtype(context, 2, op::kFloats));
  if (context.has_input(3)) {
    SLUICE_TRY(op::input_dtype(context, 3, op::kNumbers | op::kBools));
  }
  const AttrMap& attrs = context.attrs();
  const int64_t mode = attrs.int_or("qk_matmul_output_mode", 0);
  if (mode < 0 || mode > 3) {
    return context.fail(cat("The attribute qk_matmul_output_mode is ", mode, " (0 to 3)"));
  }
  for (const char* window : {"left_window_size", "right_window_size"}) {
    if (attrs.int_or(window, -1) < -1) {
      return context.fail(
          cat("The attribute ", window, " is ", attrs.int_or(window, -1), " (-1 or more)"));
    }
  }
  const int64_t kv_heads = attrs.int_or("kv_num_heads", 0);
  SLUICE_ASSIGN(const auto q, head_dims(context, 0, attrs.int_or("q_num_heads", 0)));
  SLUICE_ASSIGN(const auto k, head_dims(context, 1, kv_heads));
  SLUICE_ASSIGN(const auto v, head_dims(context, 2, kv_heads));
  const bool packed = context.input_type(0).dims && context.input_type(0).dims->size() == 3;
  Dim keys;
  if (k) keys = k->length;
  if (context.has_input(4)) {
    const auto& past = context.input_type(4).dims;
    if (past && past->size() != 4) {
      return context.fail(cat("Input 4 has ", past->size(), " axes (4 expected)"));
    }
    keys = past ? (*past)[2] + keys : Dim::unknown();
  }
  if (q && v) {
    context.set_output(0, dtype,
                       packed ? Dims{q->batch, q->length, q->heads * v->size}
                              : Dims{q->batch, q->heads, q->length, v->size});
  } else {
    context.set_output(0, dtype);
  }
  if (context.has_output(1)) {
    context.set_output(1, dtype, k ? Dims{k->batch, k->heads, keys, k->size} : Dims(4));
  }
  if (context.has_output(2)) {
    context.set_output(2, v_dtype, v ? Dims{v->batch, v->heads, keys, v->size} : Dims(4));
  }
  if (context.has_output(3)) {
    context.set_output(3, dtype, q ? Dims{q->batch, q->heads, q->length, keys} : Dims(4));
  }
  return {};
}

Result<void> infer_flex_attention(op::InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 0, 3, op::kFloats));
  const int64_t named = context.attrs().int_or("softmax_precision", 0);
  DType compute = dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
  if (named != 0) {
    if (!dtype_is_valid(named) || !op::kFloats.has(static_cast<DType>(named))) {
      return context.fail(
          cat("The attribute softmax_precision is ", named, ", which is not a floating type"));
    }
    compute = static_cast<DType>(named);
  }
  Dims q(4), k(4), v(4);
  Dims* const all[] = {&q, &k, &v};
  for (int i = 0; i < 3; ++i) {
    const auto& dims = context.input_type(i).dims;
    if (!dims) continue;
    if (dims->size() != 4) {
      return context.fail(cat("Input ", i, " has ", dims->size(), " axes (4 expected)"));
    }
    *all[i] = *dims;
  }
  const Type scores = Type::tensor(compute, Dims{q[0], q[1], q[2], k[2]});
  for (const char* name : {"score_mod", "prob_mod"}) {
    if (context.node().subgraph(name) == nullptr) continue;
    SLUICE_ASSIGN(const auto made, context.infer_subgraph(name, std::span(&scores, 1)));
    if (made.size() != 1) {
      return context.fail(
          cat("The subgraph ", name, " has ", made.size(), " outputs (1 expected)"));
    }
  }
  context.set_output(0, dtype, Dims{q[0], q[1], q[2], v[3]});
  return {};
}

Result<void> infer_linear_attention(op::InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 0, 3, op::kFloats));
  const AttrMap& attrs = context.attrs();
  const int64_t q_heads = attrs.int_or("q_num_heads", 0);
  const int64_t kv_heads = attrs.int_or("kv_num_heads", 0);
  if (q_heads <= 0 || kv_heads <= 0) {
    return context.fail(
        cat("The numbers of heads are ", q_heads, " and ", kv_heads, " (at least 1)"));
  }
  const std::string rule = attrs.string_or("update_rule", "gated_delta");
  if (rule != "linear" && rule != "gated" && rule != "delta" && rule != "gated_delta") {
    return context.fail(cat("The attribute update_rule is ", quoted(rule),
                            " (linear, gated, delta or gated_delta)"));
  }
  SLUICE_ASSIGN(const auto q, head_dims(context, 0, q_heads));
  SLUICE_ASSIGN(const auto v, head_dims(context, 2, kv_heads));
  const Dim heads = std::max(q_heads, kv_heads);
  DType state_dtype = dtype;
  if (context.has_input(3)) {
    SLUICE_ASSIGN(state_dtype, op::input_dtype(context, 3, op::kFloats));
  }
  if (!q || !v) {
    context.set_output(0, dtype);
    if (context.has_output(1)) context.set_output(1, state_dtype);
    return {};
  }
  context.set_output(0, dtype, Dims{q->batch, q->length, heads * v->size});
  if (context.has_output(1)) {
    Dims state{q->batch, kv_heads, q->size, v->size};
    const int64_t window = attrs.int_or("state_window", 0);
    if (window > 0) state.insert(state.begin(), window);
    context.set_output(1, state_dtype, std::move(state));
  }
  return {};
}

Result<void> infer_like_input(op::InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kFloats));
  const auto& dims = context.input_type(0).dims;
  if (dims && dims->size() != 3 && dims->size() != 4) {
    return context.fail(cat("Input 0 has ", dims->size(), " axes (3 or 4)"));
  }
  context.set_output(0, dims ? Type::tensor(dtype, *dims) : Type::tensor(dtype));
  return {};
}

// Attention and QAttention: the projection [input, 3 * hidden] decides the width of the values.
Result<void> infer_projected(op::InferContext& context, DType dtype, int past_input) {
  const AttrMap& attrs = context.attrs();
  const int64_t heads = attrs.int_or("num_heads", 0);
  if (heads <= 0) return context.fail(cat("The attribute num_heads is ", heads, " (at least 1)"));
  const auto& x = context.input_type(0).dims;
  const auto& w = context.input_type(1).dims;
  if ((x && x->size() != 3) || (w && w->size() != 2)) {
    return context.fail("The input does not have 3 axes, or the weights do not have 2");
  }
  const std::vector<int64_t> sizes = attrs.ints_or("qkv_hidden_sizes");
  Dim v_hidden;
  if (sizes.size() == 3) {
    v_hidden = sizes[2];
  } else if (w) {
    v_hidden = Dim::floor_div((*w)[1], 3);
  }
  const Dim batch = x ? (*x)[0] : Dim::unknown();
  const Dim length = x ? (*x)[1] : Dim::unknown();
  context.set_output(0, dtype, Dims{batch, length, v_hidden});
  if (context.has_output(1)) {
    Dim keys = length;
    if (context.has_input(past_input)) {
      const auto& past = context.input_type(past_input).dims;
      keys = past && past->size() == 5 ? (*past)[3] + length : Dim::unknown();
    }
    context.set_output(1, dtype, Dims{2, batch, heads, keys, Dim::floor_div(v_hidden, heads)});
  }
  return {};
}

Result<void> infer_ms_attention(op::InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 0, 3, op::kFloats));
  return infer_projected(context, dtype, 4);
}

Result<void> infer_qattention(op::InferContext& context) {
  constexpr op::DTypeSet kBytes = {DType::kInt8, DType::kUInt8};
  SLUICE_TRY(op::input_dtype(context, 0, kBytes));
  SLUICE_TRY(op::input_dtype(context, 1, kBytes));
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 2, 5, op::kFloats));
  return infer_projected(context, dtype, 8);
}

Result<void> infer_multi_head(op::InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kFloats));
  const int64_t heads = context.attrs().int_or("num_heads", 0);
  if (heads <= 0) return context.fail(cat("The attribute num_heads is ", heads, " (at least 1)"));
  const auto& query = context.input_type(0).dims;
  const auto& key = context.input_type(1).dims;
  Dim batch, length, keys, size, v_size;
  if (query && query->size() == 5) {
    batch = (*query)[0];
    length = keys = (*query)[1];
    size = v_size = (*query)[4];
  } else {
    SLUICE_ASSIGN(const auto q, head_dims(context, 0, heads));
    if (q) {
      batch = q->batch;
      length = q->length;
      size = q->size;
    }
    if (key && key->size() == 5) {
      keys = (*key)[1];
      v_size = (*key)[4];
    } else {
      SLUICE_ASSIGN(const auto k, head_dims(context, 1, heads));
      SLUICE_ASSIGN(const auto v, head_dims(context, 2, heads));
      if (k) keys = k->length;
      if (v) v_size = v->size;
    }
  }
  if (context.has_input(6)) {
    const auto& past = context.input_type(6).dims;
    keys = past && past->size() == 4 ? (*past)[2] + keys : Dim::unknown();
  }
  context.set_output(0, dtype, Dims{batch, length, Dim(heads) * v_size});
  if (context.has_output(1)) context.set_output(1, dtype, Dims{batch, heads, keys, size});
  if (context.has_output(2)) context.set_output(2, dtype, Dims{batch, heads, keys, v_size});
  if (context.has_output(3)) context.set_output(3, dtype, Dims{batch, heads, length, keys});
  return {};
}

Result<void> infer_group_query(op::InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kFloats));
  const AttrMap& attrs = context.attrs();
  const int64_t heads = attrs.int_or("num_heads", 0);
  const int64_t kv_heads = attrs.int_or("kv_num_heads", 0);
  constexpr int64_t kLimit = 1 << 20;
  if (heads <= 0 || kv_heads <= 0 || heads > kLimit || kv_heads > kLimit || heads % kv_heads != 0) {
    return context.fail(cat("The numbers of heads are ", heads, " and ", kv_heads,
                            " (the first a multiple of the second)"));
  }
  const bool packed = !context.has_input(1);
  SLUICE_ASSIGN(const auto q, head_dims(context, 0, packed ? heads + 2 * kv_heads : heads));
  Dim batch, length, size, keys;
  if (q) {
    batch = q->batch;
    length = q->length;
    size = q->size;
  }
  // The present is as long as the longer of the past's buffer and the whole sequence.
  if (const auto total = context.constant_int(6)) {
    keys = *total;
    if (context.has_input(3)) {
      const auto& past = context.input_type(3).dims;
      keys = past && past->size() == 4 ? Dim::max((*past)[2], keys) : Dim::unknown();
    }
  }
  context.set_output(0, dtype, Dims{batch, length, Dim(heads) * size});
  for (const int i : {1, 2}) {
    if (context.has_output(i)) context.set_output(i, dtype, Dims{batch, kv_heads, keys, size});
  }
  if (context.has_output(3)) context.set_output(3, dtype, Dims{batch, heads, length, keys});
  return {};
}

// ONNX Runtime reads the past only where the present is asked for.
Result<void> upgrade_multi_head(op::UpgradeContext& context) {
  ir::Node& node = context.node;
  if (node.output(1) != ir::kNoValue) return {};
  for (const size_t past : {6, 7}) {
    if (past < node.inputs.size()) node.inputs[past] = ir::kNoValue;
  }
  return {};
}

op::Cost attention_cost(const op::NodeView& node) {
  const auto q = node.input_type(0).shape();
  const auto k = node.input_type(1).shape();
  if (!q || !k || q->rank() < 3 || k->rank() < 3) return {};
  const double keys = static_cast<double>((*k)[k->rank() == 4 ? 2 : 1]);
  return {4.0 * static_cast<double>(q->elements()) * keys};
}

// Each step reads and changes a state of size times v_size per head of v.
op::Cost linear_attention_cost(const op::NodeView& node) {
  const auto q = node.input_type(0).shape();
  const auto v = node.input_type(2).shape();
  const int64_t q_heads = node.attrs().int_or("q_num_heads", 0);
  if (!q || !v || q->rank() != 3 || q_heads <= 0) return {};
  const int64_t head_size = (*q)[2] / q_heads;
  return {6.0 * static_cast<double>(v->elements()) * static_cast<double>(head_size)};
}

}  // namespace

std::span<const op::OpDef> op_defs() {
  static constexpr std::string_view kMicrosoft = "com.microsoft";
  static const std::array kDefs = {
      op::OpDef{.name = "Attention",
                .min_inputs = 3,
                .max_inputs = 7,
                .max_outputs = 4,
                .infer = infer_attention,
                .reference = attention_reference,
                .cpu = kAttentionCpu,
                .cost = attention_cost},
      op::OpDef{.name = "FlexAttention",
                .domain = "ai.onnx.preview",
                .min_inputs = 3,
                .max_inputs = 3,
                .infer = infer_flex_attention,
                .reference = flex_attention_reference,
                .cost = attention_cost},
      op::OpDef{.name = "LinearAttention",
                .min_inputs = 3,
                .max_inputs = 6,
                .max_outputs = 2,
                .infer = infer_linear_attention,
                .reference = linear_attention_reference,
                .cost = linear_attention_cost},
      op::OpDef{.name = "RotaryEmbedding",
                .min_inputs = 3,
                .max_inputs = 4,
                .infer = infer_like_input,
                .reference = rotary_embedding_reference},
      op::OpDef{.name = "Attention",
                .domain = kMicrosoft,
                .min_inputs = 2,
                .max_inputs = 7,
                .max_outputs = 2,
                .infer = infer_ms_attention,
                .reference = ms_attention_reference,
                .nonstandard = "attention with its input projection; ONNX Runtime's transformer "
                               "optimizer"},
      op::OpDef{.name = "QAttention",
                .domain = kMicrosoft,
                .min_inputs = 5,
                .max_inputs = 9,
                .max_outputs = 2,
                .infer = infer_qattention,
                .reference = ms_qattention_reference,
                .nonstandard = "Attention with an 8-bit input projection; ONNX Runtime's "
                               "quantizer"},
      op::OpDef{.name = "MultiHeadAttention",
                .domain = kMicrosoft,
                .min_inputs = 1,
                .max_inputs = 10,
                .max_outputs = 4,
                .infer = infer_multi_head,
                .reference = ms_multi_head_attention_reference,
                .upgrade = upgrade_multi_head,
                .cost = attention_cost,
                .nonstandard = "attention after the projections; ONNX Runtime's transformer "
                               "optimizer"},
      op::OpDef{.name = "GroupQueryAttention",
                .domain = kMicrosoft,
                .min_inputs = 7,
                .max_inputs = 16,
                .max_outputs = 4,
                .infer = infer_group_query,
                .reference = ms_group_query_attention_reference,
                .cost = attention_cost,
                .nonstandard = "causal attention with a key/value cache, shared key heads and "
                               "rotary positions; language models exported for ONNX Runtime"},
      op::OpDef{.name = "RotaryEmbedding",
                .domain = kMicrosoft,
                .min_inputs = 4,
                .max_inputs = 4,
                .infer = infer_like_input,
                .reference = ms_rotary_embedding_reference,
                .nonstandard = "RotaryEmbedding with positions before the tables; ONNX Runtime's "
                               "transformer optimizer"},
      op::OpDef{.name = "LinearAttention",
                .domain = kMicrosoft,
                .min_inputs = 3,
                .max_inputs = 6,
                .max_outputs = 2,
                .infer = infer_linear_attention,
                .reference = linear_attention_reference,
                .nonstandard = "LinearAttention with a window of past states; ONNX Runtime"},
  };
  return kDefs;
}

}  // namespace sluice::ops::attention
