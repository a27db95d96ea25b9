// Reference kernels of the attention operators of the domain com.microsoft.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "op/operand.h"
#include "op/quantization.h"
#include "ops/attention/attention.h"

namespace sluice::ops::attention {

namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

// The mask forms of Attention and MultiHeadAttention: what is added to the score of query i and key
// j of entry b. Masked keys get `filter`, which is finite: a row of masked keys stays uniform.
class KeyMask {
 public:
  static Result<KeyMask> read(const Tensor* mask, int64_t batch, int64_t queries, int64_t keys,
                              double filter) {
    KeyMask out;
    out.filter_ = filter;
    if (mask == nullptr) return out;
    const Shape& shape = mask->shape();
    out.values_ = mask->to_ints();
    out.batch_ = batch;
    out.keys_ = keys;
    if (shape.rank() == 1 && shape[0] == batch) {
      out.form_ = Form::kEnds;
    } else if (shape.rank() == 1 && shape[0] == 2 * batch) {
      out.form_ = Form::kEndsAndStarts;
    } else if (shape.rank() == 1 && shape[0] == 3 * batch + 2) {
      out.form_ = Form::kEnds;  // the lengths of the keys come first
    } else if (shape.rank() == 2 && shape[0] == batch && shape[1] == keys) {
      out.form_ = Form::kKeys;
    } else if (shape.rank() == 3 && shape[0] == batch && shape[1] == queries && shape[2] == keys) {
      out.form_ = Form::kScores;
    } else if (shape.rank() == 4 && shape[0] == batch && shape[1] == 1 && shape[2] >= keys &&
               shape[3] >= keys) {
      // Rows and columns are absolute positions: the queries are the last rows.
      out.form_ = Form::kSquare;
      out.rows_ = shape[2];
      out.columns_ = shape[3];
    } else {
      return invalid_model(cat("A mask of shape ", shape.text(), " fits neither of the forms for ",
                               batch, " sequences of ", queries, " queries and ", keys, " keys"));
    }
    out.queries_ = queries;
    return out;
  }

  double at(int64_t b, int64_t i, int64_t j) const {
    const auto value = [&](int64_t index) { return values_[static_cast<size_t>(index)]; };
    bool seen = true;
    switch (form_) {
      case Form::kNone:
        return 0;
      case Form::kEnds:
        seen = j < value(b);
        break;
      case Form::kEndsAndStarts:
        seen = j < value(b) && j >= value(batch_ + b);
        break;
      case Form::kKeys:
        seen = value(b * keys_ + j) > 0;
        break;
      case Form::kScores:
        seen = value((b * queries_ + i) * keys_ + j) > 0;
        break;
      case Form::kSquare:
        seen = value((b * rows_ + (keys_ - queries_ + i)) * columns_ + j) > 0;
        break;
    }
    return seen ? 0 : filter_;
  }

 private:
  enum class Form : uint8_t { kNone, kEnds, kEndsAndStarts, kKeys, kScores, kSquare };
  Form form_ = Form::kNone;
  std::vector<int64_t> values_;
  int64_t batch_ = 0, queries_ = 0, keys_ = 0, rows_ = 0, columns_ = 0;
  double filter_ = 0;
};

const Tensor* optional_input(const plan::KernelContext& context, int i) {
  return context.has(i) ? &context.in(i) : nullptr;
}

// Mask, causality and the additive bias of the operators without a per-entry past.
struct CommonBias {
  KeyMask mask;
  std::optional<BroadcastScores> added;
  bool causal = false;
  int64_t past = 0, queries = 0;

  double at(int64_t b, int64_t h, int64_t i, int64_t j) const {
    // The last query sees all keys, also where there are more of them than queries.
    if (causal && i < queries - 1 && j > past + i) return kMinusInfinity;
    const double value = mask.at(b, i, j);
    return added ? value + added->at(b, h, i, j) : value;
  }
};

double scale_of(const AttrMap& attrs, int64_t head_size) {
  const double given = attrs.float_or("scale", 0.0f);
  return given != 0 ? given : 1 / std::sqrt(static_cast<double>(head_size));
}

// Half `which` (0 keys, 1 values) of a past of shape [2, batch, heads, length, size].
Result<Heads> past_half(const Tensor& past, int which) {
  if (past.rank() != 5 || past.dim(0) != 2) {
    return invalid_model(cat("A past state has the shape ", past.shape().text(),
                             " ([2,batch,heads,length,size] expected)"));
  }
  Heads out{past.dim(1), past.dim(2), past.dim(3), past.dim(4), {}};
  const std::vector<double> all = past.to_doubles();
  const auto half = static_cast<std::ptrdiff_t>(all.size() / 2);
  out.values.assign(all.begin() + which * half, all.begin() + (which + 1) * half);
  return out;
}

// Attention after the projection: inputs mask, past, attention bias by index.
Result<void> projected_attention(plan::KernelContext& context, DType dtype, Heads q, Heads k,
                                 Heads v, int mask_input, int past_input, int bias_input) {
  const AttrMap& attrs = context.attrs();
  CommonBias bias;
  if (const Tensor* past = optional_input(context, past_input)) {
    SLUICE_ASSIGN(const Heads past_k, past_half(*past, 0));
    SLUICE_ASSIGN(const Heads past_v, past_half(*past, 1));
    bias.past = past_k.length;
    SLUICE_ASSIGN(k, joined(past_k, k));
    SLUICE_ASSIGN(v, joined(past_v, v));
  }
  if (context.wants(1)) {
    if (k.size != v.size) {
      return invalid_model("Attention with a present state has keys and values of two sizes");
    }
    SLUICE_ASSIGN(Tensor * present,
                  context.out(1, dtype, Shape{2, k.batch, k.heads, k.length, k.size}));
    int64_t at = 0;
    for (const Heads* half : {&k, &v}) {
      for (const double value : half->values) present->set_double(at++, value);
    }
  }
  SLUICE_ASSIGN(bias.mask, KeyMask::read(optional_input(context, mask_input), q.batch, q.length,
                                         k.length, attrs.float_or("mask_filter_value", -10000.0f)));
  if (const Tensor* added = optional_input(context, bias_input)) {
    SLUICE_ASSIGN(bias.added,
                  broadcast_scores(*added, Shape{q.batch, q.heads, q.length, k.length}));
  }
  bias.causal = attrs.int_or("unidirectional", 0) != 0;
  bias.queries = q.length;
  const double scale = scale_of(attrs, q.size);
  const auto at = [&](int64_t b, int64_t h, int64_t i, int64_t j) { return bias.at(b, h, i, j); };
  const Problem problem{
      .q = std::move(q), .k = std::move(k), .v = std::move(v), .scale = scale, .bias = at};
  SLUICE_TRY(check_problem(problem));
  return write_heads(context, 0, dtype, attend(problem), true);
}

// Query, key and value heads of x [B, L, I] times w [I, Hq + Hk + Hv] plus a bias.
struct Projection {
  Heads q, k, v;
};
Result<Projection> project(const AttrMap& attrs, const Tensor& x, const std::vector<double>& values,
                           const Tensor& w, const std::vector<double>& weights,
                           const Tensor* bias) {
  const int64_t heads = attrs.int_or("num_heads", 0);
  if (x.rank() != 3 || w.rank() != 2 || x.dim(2) != w.dim(0)) {
    return invalid_model(cat("Attention has an input of shape ", x.shape().text(),
                             " and weights of shape ", w.shape().text(),
                             " ([batch,length,size] and [size,3 * hidden] expected)"));
  }
  const int64_t columns = w.dim(1);
  std::vector<int64_t> sizes = attrs.ints_or("qkv_hidden_sizes");
  if (sizes.empty()) sizes.assign(3, columns / 3);
  bool fits = heads > 0 && sizes.size() == 3;
  int64_t total = 0;
  for (const int64_t size : sizes) {
    fits = fits && size >= 0 && size <= columns && size % std::max<int64_t>(heads, 1) == 0;
    if (fits) total += size;
  }
  if (!fits || total != columns || sizes[0] != sizes[1]) {
    return invalid_model(cat("Attention's weights of ", columns, " columns do not split into ",
                             heads, " heads of query, key and value"));
  }
  if (bias != nullptr && bias->elements() != columns) {
    return invalid_model(
        cat("Attention's bias has ", bias->elements(), " elements (", columns, " expected)"));
  }
  const std::vector<double> offsets =
      bias != nullptr ? bias->to_doubles() : std::vector<double>(static_cast<size_t>(columns), 0.0);
  Projection out;
  int64_t column = 0;
  Heads* parts[] = {&out.q, &out.k, &out.v};
  for (size_t part = 0; part < 3; ++part) {
    Heads& to = *parts[part];
    to = {x.dim(0), heads, x.dim(1), sizes[part] / heads, {}};
    to.values.resize(static_cast<size_t>(to.batch * to.length * sizes[part]));
    for (int64_t b = 0; b < to.batch; ++b) {
      for (int64_t i = 0; i < to.length; ++i) {
        const double* row = values.data() + (b * to.length + i) * x.dim(2);
        for (int64_t c = 0; c < sizes[part]; ++c) {
          double sum = offsets[static_cast<size_t>(column + c)];
          for (int64_t p = 0; p < x.dim(2); ++p) {
            sum += row[p] * weights[static_cast<size_t>(p * columns + column + c)];
          }
          to.row(b, c / to.size, i)[c % to.size] = sum;
        }
      }
    }
    column += sizes[part];
  }
  return out;
}

Result<void> refuse_shared_buffer(const plan::KernelContext& context, int past_length_input) {
  if (context.has(past_length_input) || context.attrs().int_or("past_present_share_buffer", 0)) {
    return unsupported("A past state that shares its buffer with the present one is not supported");
  }
  return {};
}

}  // namespace

Result<void> ms_attention_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1}));
  SLUICE_TRY(refuse_shared_buffer(context, 6));
  if (context.attrs().int_or("do_rotary", 0) != 0) {
    return unsupported("Attention with do_rotary is not supported");
  }
  const Tensor& x = context.in(0);
  const Tensor& w = context.in(1);
  SLUICE_ASSIGN(Projection projection, project(context.attrs(), x, x.to_doubles(), w,
                                               w.to_doubles(), optional_input(context, 2)));
  return projected_attention(context, x.dtype(), std::move(projection.q), std::move(projection.k),
                             std::move(projection.v), 3, 4, 5);
}

Result<void> ms_qattention_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1, 2, 3, 4}));
  if (context.attrs().int_or("do_rotary", 0) != 0) {
    return unsupported("QAttention with do_rotary is not supported");
  }
  // Dequantizes an operand whose parameters are per tensor or per column.
  const auto real = [&](int input, int scale, int zero) -> Result<std::vector<double>> {
    const Tensor& q = context.in(input);
    const int axis = q.rank() - 1;
    SLUICE_ASSIGN(const Shape scale_strides,
                  op::parameter_strides(context.in(scale).shape(), q.shape(), axis));
    Shape zero_strides = Shape::filled(q.rank(), 0);
    if (context.has(zero)) {
      SLUICE_ASSIGN(zero_strides, op::parameter_strides(context.in(zero).shape(), q.shape(), axis));
    }
    std::vector<double> out;
    out.reserve(static_cast<size_t>(q.elements()));
    int64_t i = 0;
    for (Odometer at(q.shape()); !at.done(); at.next(), ++i) {
      const int64_t offset = context.has(zero) ? context.in(zero).get_int(at.dot(zero_strides)) : 0;
      out.push_back(static_cast<double>(q.get_int(i) - offset) *
                    context.in(scale).get_double(at.dot(scale_strides)));
    }
    return out;
  };
  SLUICE_ASSIGN(const std::vector<double> values, real(0, 3, 6));
  SLUICE_ASSIGN(const std::vector<double> weights, real(1, 4, 7));
  SLUICE_ASSIGN(Projection projection, project(context.attrs(), context.in(0), values,
                                               context.in(1), weights, optional_input(context, 2)));
  return projected_attention(context, context.in(2).dtype(), std::move(projection.q),
                             std::move(projection.k), std::move(projection.v), 5, 8, -1);
}

namespace {

// Part `which` of a packed [B, L, heads, parts, size] tensor.
Heads unpacked(const Tensor& packed, int64_t which) {
  const int64_t parts = packed.dim(3);
  Heads out{packed.dim(0), packed.dim(2), packed.dim(1), packed.dim(4), {}};
  const std::vector<double> from = packed.to_doubles();
  out.values.resize(from.size() / static_cast<size_t>(std::max<int64_t>(parts, 1)));
  for (int64_t b = 0; b < out.batch; ++b) {
    for (int64_t i = 0; i < out.length; ++i) {
      for (int64_t h = 0; h < out.heads; ++h) {
        const double* source =
            from.data() + (((b * out.length + i) * out.heads + h) * parts + which) * out.size;
        std::copy(source, source + out.size, out.row(b, h, i));
      }
    }
  }
  return out;
}

// Adds elements first, first + 1, ... of a bias to the heads of every row.
Result<void> add_bias(Heads& heads, const std::vector<double>& bias, int64_t first) {
  const int64_t count = heads.heads * heads.size;
  if (first + count > static_cast<int64_t>(bias.size())) {
    return invalid_model(
        cat("The bias has ", bias.size(), " elements (", first + count, " or more expected)"));
  }
  for (int64_t b = 0; b < heads.batch; ++b) {
    for (int64_t h = 0; h < heads.heads; ++h) {
      for (int64_t i = 0; i < heads.length; ++i) {
        double* row = heads.row(b, h, i);
        for (int64_t p = 0; p < heads.size; ++p) {
          row[p] += bias[static_cast<size_t>(first + h * heads.size + p)];
        }
      }
    }
  }
  return {};
}

}  // namespace

Result<void> ms_multi_head_attention_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0}));
  SLUICE_TRY(refuse_shared_buffer(context, 8));
  if (context.has(9)) {
    return unsupported("MultiHeadAttention with cache_indirection is not supported");
  }
  const AttrMap& attrs = context.attrs();
  const int64_t heads = attrs.int_or("num_heads", 0);
  const Tensor& query = context.in(0);
  Heads q, k, v;
  bool kv_given_by_head = false;
  if (query.rank() == 5) {
    if (query.dim(3) != 3 || context.has(1) || context.has(2)) {
      return invalid_model(cat("MultiHeadAttention has a packed query of shape ",
                               query.shape().text(),
                               " ([batch,length,heads,3,size], without key "
                               "and value)"));
    }
    q = unpacked(query, 0);
    k = unpacked(query, 1);
    v = unpacked(query, 2);
  } else {
    if (query.rank() != 3) {
      return invalid_model(cat("MultiHeadAttention has a query of shape ", query.shape().text(),
                               " (3 or 5 axes expected)"));
    }
    SLUICE_ASSIGN(q, read_heads(query, heads));
    if (!context.has(1)) return invalid_model("MultiHeadAttention has no key");
    const Tensor& key = context.in(1);
    if (key.rank() == 5) {
      if (key.dim(3) != 2 || context.has(2)) {
        return invalid_model(cat("MultiHeadAttention has a packed key of shape ",
                                 key.shape().text(),
                                 " ([batch,length,heads,2,size], without value)"));
      }
      k = unpacked(key, 0);
      v = unpacked(key, 1);
    } else {
      if (!context.has(2)) return invalid_model("MultiHeadAttention has no value");
      SLUICE_ASSIGN(k, read_heads(key, heads));
      SLUICE_ASSIGN(v, read_heads(context.in(2), heads));
      kv_given_by_head = key.rank() == 4;
    }
  }
  if (context.has(3)) {
    const std::vector<double> bias = context.in(3).to_doubles();
    SLUICE_TRY(add_bias(q, bias, 0));
    // Keys and values that come by head were projected, with their bias, elsewhere.
    if (!kv_given_by_head) {
      SLUICE_TRY(add_bias(k, bias, q.heads * q.size));
      SLUICE_TRY(add_bias(v, bias, q.heads * q.size + k.heads * k.size));
    }
  }
  CommonBias bias;
  if (context.has(6) != context.has(7)) {
    return invalid_model("MultiHeadAttention has one of past_key and past_value alone");
  }
  if (context.has(6)) {
    SLUICE_ASSIGN(const Heads past_k, read_heads(context.in(6), heads));
    SLUICE_ASSIGN(const Heads past_v, read_heads(context.in(7), heads));
    bias.past = past_k.length;
    SLUICE_ASSIGN(k, joined(past_k, k));
    SLUICE_ASSIGN(v, joined(past_v, v));
  }
  const DType dtype = query.dtype();
  if (context.wants(1)) SLUICE_TRY(write_heads(context, 1, dtype, k, false));
  if (context.wants(2)) SLUICE_TRY(write_heads(context, 2, dtype, v, false));
  SLUICE_ASSIGN(bias.mask, KeyMask::read(optional_input(context, 4), q.batch, q.length, k.length,
                                         attrs.float_or("mask_filter_value", -10000.0f)));
  if (const Tensor* added = optional_input(context, 5)) {
    // Columns beyond the keys (of a past that is not read) are allowed.
    const int64_t columns = added->rank() > 0 ? std::max(added->dim(-1), k.length) : k.length;
    SLUICE_ASSIGN(bias.added, broadcast_scores(*added, Shape{q.batch, q.heads, q.length, columns}));
  }
  bias.causal = attrs.int_or("unidirectional", 0) != 0;
  bias.queries = q.length;
  const double scale = scale_of(attrs, q.size);
  const auto at = [&](int64_t b, int64_t h, int64_t i, int64_t j) { return bias.at(b, h, i, j); };
  std::vector<double> captured;
  Problem problem{.q = std::move(q),
                  .k = std::move(k),
                  .v = std::move(v),
                  .scale = scale,
                  .bias = at,
                  .stage = Problem::Stage::kBiased,
                  .captured = context.wants(3) ? &captured : nullptr};
  SLUICE_TRY(check_problem(problem));
  const Heads y = attend(problem);
  SLUICE_TRY(write_heads(context, 0, dtype, y, true));
  SLUICE_TRY(write_scores(context, 3, dtype, problem));
  return {};
}

namespace {

// Divides every row by its root mean square and scales it.
Result<void> rms_normalize(Heads& heads, const Tensor& weight, double epsilon) {
  if (weight.elements() != heads.size) {
    return invalid_model(
        cat("A norm weight has ", weight.elements(), " elements (", heads.size, " expected)"));
  }
  const std::vector<double> factors = weight.to_doubles();
  const int64_t rows = heads.batch * heads.heads * heads.length;
  for (int64_t r = 0; r < rows; ++r) {
    double* row = heads.values.data() + r * heads.size;
    double sum = 0;
    for (int64_t p = 0; p < heads.size; ++p) sum += row[p] * row[p];
    const double inverse = 1 / std::sqrt(sum / static_cast<double>(heads.size) + epsilon);
    for (int64_t p = 0; p < heads.size; ++p) row[p] *= inverse * factors[static_cast<size_t>(p)];
  }
  return {};
}

// Query, key and value of GroupQueryAttention, packed into one input or not.
Result<Projection> group_query_inputs(const plan::KernelContext& context) {
  const int64_t q_heads = context.attrs().int_or("num_heads", 0);
  const int64_t kv_heads = context.attrs().int_or("kv_num_heads", 0);
  const Tensor& query = context.in(0);
  constexpr int64_t kLimit = 1 << 20;
  if (q_heads <= 0 || kv_heads <= 0 || q_heads > kLimit || kv_heads > kLimit) {
    return invalid_model(cat("GroupQueryAttention has ", q_heads, " query heads and ", kv_heads,
                             " key heads (1 to ", kLimit, ")"));
  }
  if (query.rank() != 3) {
    return invalid_model(cat("GroupQueryAttention has a query of shape ", query.shape().text(),
                             " (3 axes expected)"));
  }
  Projection out;
  if (context.has(1) && context.has(2)) {
    SLUICE_ASSIGN(out.q, read_heads(query, q_heads));
    SLUICE_ASSIGN(out.k, read_heads(context.in(1), kv_heads));
    SLUICE_ASSIGN(out.v, read_heads(context.in(2), kv_heads));
    return out;
  }
  SLUICE_ASSIGN(const Heads all, read_heads(query, q_heads + 2 * kv_heads));
  const auto part = [&](int64_t first, int64_t count) {
    Heads to{all.batch, count, all.length, all.size, {}};
    to.values.resize(static_cast<size_t>(to.batch * count * to.length * to.size));
    for (int64_t b = 0; b < all.batch; ++b) {
      const double* from = all.row(b, first, 0);
      std::copy(from, from + count * all.length * all.size, to.row(b, 0, 0));
    }
    return to;
  };
  out.q = part(0, q_heads);
  out.k = part(q_heads, kv_heads);
  out.v = part(q_heads + kv_heads, kv_heads);
  return out;
}

}  // namespace

Result<void> ms_group_query_attention_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 5, 6}));
  const AttrMap& attrs = context.attrs();
  if (attrs.int_or("sliding_window_cache", 0) != 0) {
    return unsupported("GroupQueryAttention with a window-sized cache is not supported");
  }
  if (attrs.string_or("k_quant_type", "NONE") != "NONE" ||
      attrs.string_or("v_quant_type", "NONE") != "NONE") {
    return unsupported("GroupQueryAttention with a quantized cache is not supported");
  }
  SLUICE_ASSIGN(Projection inputs, group_query_inputs(context));
  Heads& q = inputs.q;
  Heads& k = inputs.k;
  Heads& v = inputs.v;
  const int64_t batch = q.batch, queries = q.length;
  if (k.batch != batch || v.batch != batch || k.length != queries || v.length != queries) {
    return invalid_model(cat("GroupQueryAttention's query ", q.shape().text(), ", key ",
                             k.shape().text(), " and value ", v.shape().text(),
                             " ([batch,heads,length,size]) do not fit together"));
  }
  if (context.has(14) != context.has(15)) {
    return invalid_model("GroupQueryAttention has the norm weight of only one of query and key");
  }
  if (context.has(14)) {
    const double epsilon = attrs.float_or("qk_norm_epsilon", 1e-6f);
    SLUICE_TRY(rms_normalize(q, context.in(14), epsilon));
    SLUICE_TRY(rms_normalize(k, context.in(15), epsilon));
  }

  // Lengths: of the whole sequence of each entry, and how many keys stand before the queries.
  if (context.in(5).elements() != batch || context.in(6).elements() != 1) {
    return invalid_model(cat("GroupQueryAttention has ", context.in(5).elements(),
                             " sequence lengths and ", context.in(6).elements(), " total lengths (",
                             batch, " and 1 expected)"));
  }
  const int64_t longest = context.in(6).get_int(0);
  Heads past_k, past_v;
  if (context.has(3) != context.has(4)) {
    return invalid_model("GroupQueryAttention has one of past_key and past_value alone");
  }
  if (context.has(3)) {
    SLUICE_ASSIGN(past_k, read_heads(context.in(3), k.heads));
    SLUICE_ASSIGN(past_v, read_heads(context.in(4), v.heads));
    if (past_k.batch != batch || past_v.batch != batch || past_k.heads != k.heads ||
        past_v.heads != v.heads || past_k.size != k.size || past_v.size != v.size ||
        past_k.length != past_v.length) {
      return invalid_model(cat("GroupQueryAttention's past keys ", past_k.shape().text(),
                               " and values ", past_v.shape().text(), " do not fit its keys (",
                               k.shape().text(), ")"));
    }
  }
  if (longest < 0 || longest > past_k.length + queries) {
    return invalid_model(cat("GroupQueryAttention has the total length ", longest, " (0 to ",
                             past_k.length + queries, ")"));
  }
  const int64_t present = std::max(longest, past_k.length);
  const bool prompt = longest == queries;
  std::vector<int64_t> totals = context.in(5).to_ints(), pasts(static_cast<size_t>(batch), 0);
  for (size_t b = 0; b < totals.size(); ++b) {
    totals[b] = std::min(std::max<int64_t>(totals[b], -1), present) + 1;
    pasts[b] = prompt ? 0 : totals[b] - queries;
    if (totals[b] > present || pasts[b] < 0 || pasts[b] > past_k.length) {
      return invalid_model(cat("GroupQueryAttention's entry ", b, " has ", totals[b],
                               " keys, of which ", pasts[b], " are past (", present, " and ",
                               past_k.length, " are there)"));
    }
  }

  std::vector<double> cosines, sines;
  if (attrs.int_or("do_rotary", 0) != 0) {
    if (!context.has(7) || !context.has(8) || context.in(7).rank() != 2 ||
        !(context.in(7).shape() == context.in(8).shape())) {
      return invalid_model("GroupQueryAttention with do_rotary lacks its tables");
    }
    const int64_t rows = context.in(7).dim(0);
    const int64_t rotary = 2 * context.in(7).dim(1);
    if (rotary > q.size) {
      return invalid_model(
          cat("GroupQueryAttention rotates ", rotary, " elements (up to ", q.size, ")"));
    }
    cosines = context.in(7).to_doubles();
    sines = context.in(8).to_doubles();
    std::vector<int64_t> positions;
    const bool given = context.has(9) && !prompt;
    if (given) positions = context.in(9).to_ints();
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t i = 0; i < queries; ++i) {
        const auto at = static_cast<size_t>(b * queries + i);
        if (given && at >= positions.size()) {
          return invalid_model(cat("GroupQueryAttention has ", positions.size(), " positions (",
                                   batch * queries, " expected)"));
        }
        if (!given) positions.push_back(pasts[static_cast<size_t>(b)] + i);
        if (positions[at] < 0 || positions[at] >= rows) {
          return invalid_model(cat("GroupQueryAttention has the position ", positions[at],
                                   ", outside of its tables (", rows, " rows)"));
        }
      }
    }
    const Rotation rotation{rotary, attrs.int_or("rotary_interleaved", 0) != 0, cosines, sines};
    const auto position = [&](int64_t b, int64_t i) {
      return positions[static_cast<size_t>(b * queries + i)];
    };
    rotate(q, rotation, position);
    rotate(k, rotation, position);
  }

  // The present: past rows, then the new ones; what lies beyond is that of the past buffer.
  const auto present_of = [&](const Heads& old, const Heads& fresh) {
    Heads out{batch, fresh.heads, present, fresh.size, {}};
    out.values.assign(static_cast<size_t>(batch * fresh.heads * present * fresh.size), 0.0);
    for (int64_t b = 0; b < batch; ++b) {
      const int64_t before = pasts[static_cast<size_t>(b)];
      for (int64_t h = 0; h < fresh.heads; ++h) {
        if (!old.values.empty()) {
          const double* from = old.row(b, h, 0);
          std::copy(from, from + old.length * old.size, out.row(b, h, 0));
        }
        const int64_t count = std::min(queries, present - before);
        const double* from = fresh.row(b, h, 0);
        std::copy(from, from + count * fresh.size, out.row(b, h, before));
      }
    }
    return out;
  };
  Heads keys = present_of(past_k, k), values = present_of(past_v, v);
  const DType dtype = context.in(0).dtype();
  if (context.wants(1)) SLUICE_TRY(write_heads(context, 1, dtype, keys, false));
  if (context.wants(2)) SLUICE_TRY(write_heads(context, 2, dtype, values, false));

  std::optional<BroadcastScores> added;
  int64_t added_keys = present;
  if (const Tensor* given = optional_input(context, 10)) {
    if (given->rank() == 4 && given->dim(3) != 1) added_keys = given->dim(3);
    SLUICE_ASSIGN(added, broadcast_scores(*given, Shape{batch, q.heads, queries, added_keys}));
  }
  std::vector<double> sink;
  const Tensor* head_sink = optional_input(context, 11);
  if (head_sink != nullptr) {
    if (head_sink->elements() != q.heads) {
      return invalid_model(cat("GroupQueryAttention has ", head_sink->elements(), " sinks (",
                               q.heads, " expected)"));
    }
    sink = head_sink->to_doubles();
  } else if (attrs.int_or("smooth_softmax", 0) != 0) {
    sink.assign(static_cast<size_t>(q.heads), 0.0);
  }
  const bool causal = attrs.int_or("causal", 1) != 0;
  const int64_t window = attrs.int_or("local_window_size", -1);
  const auto bias = [&](int64_t b, int64_t h, int64_t i, int64_t j) -> double {
    const auto entry = static_cast<size_t>(b);
    const int64_t position = pasts[entry] + i;
    if (j >= totals[entry] || (causal && j > position)) return kMinusInfinity;
    if (window > 0 && j <= position - window) return kMinusInfinity;
    if (!added) return 0;
    return j < added_keys ? added->at(b, h, i, j) : kMinusInfinity;
  };
  std::vector<double> captured;
  const int64_t qk = attrs.int_or("qk_output", 0);
  const double scale = scale_of(attrs, q.size);
  Problem problem{.q = std::move(q),
                  .k = std::move(keys),
                  .v = std::move(values),
                  .scale = scale,
                  .softcap = attrs.float_or("softcap", 0.0f),
                  .bias = bias,
                  .sink = sink.empty() ? nullptr : &sink,
                  .stage = qk == 2 ? Problem::Stage::kProbabilities : Problem::Stage::kBiased,
                  .captured = context.wants(3) ? &captured : nullptr};
  SLUICE_TRY(check_problem(problem));
  const Heads y = attend(problem);
  SLUICE_TRY(write_heads(context, 0, dtype, y, true));
  SLUICE_TRY(write_scores(context, 3, dtype, problem));
  return {};
}

Result<void> ms_rotary_embedding_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1, 2, 3}));
  const AttrMap& attrs = context.attrs();
  const Tensor& x = context.in(0);
  const Tensor& position_ids = context.in(1);
  const Tensor& cosines = context.in(2);
  const Tensor& sines = context.in(3);
  if (attrs.int_or("is_packed_batching", 0) != 0) {
    return unsupported("RotaryEmbedding over ragged batches is not supported");
  }
  if (cosines.rank() != 2 || !(cosines.shape() == sines.shape())) {
    return invalid_model(cat("RotaryEmbedding has tables of shapes ", cosines.shape().text(),
                             " and ", sines.shape().text(), " (two of [positions,size / 2])"));
  }
  int64_t rotary = attrs.int_or("rotary_embedding_dim", 0);
  int64_t heads_count = attrs.int_or("num_heads", 0);
  if (heads_count == 0 && x.rank() == 3) {  // the tables are as wide as a head
    const int64_t size = 2 * cosines.dim(1);
    if (size == 0 || x.dim(2) % size != 0) {
      return invalid_model(cat("RotaryEmbedding's input of shape ", x.shape().text(),
                               " is not made of heads of ", size));
    }
    heads_count = x.dim(2) / size;
  }
  SLUICE_ASSIGN(Heads heads, read_heads(x, heads_count));
  if (rotary == 0) rotary = heads.size;
  if (rotary != 2 * cosines.dim(1) || rotary > heads.size) {
    return invalid_model(cat("RotaryEmbedding rotates ", rotary, " of ", heads.size,
                             " elements with tables of ", cosines.dim(1), " columns"));
  }
  // One position is the offset of all rows; otherwise each row has its own.
  const std::vector<int64_t> given = position_ids.to_ints();
  const int64_t rows = heads.batch * heads.length;
  const bool offset = position_ids.rank() <= 1 && given.size() == 1;
  if (!offset && static_cast<int64_t>(given.size()) != rows) {
    return invalid_model(
        cat("RotaryEmbedding has ", given.size(), " positions (1 or ", rows, " expected)"));
  }
  std::vector<int64_t> positions(static_cast<size_t>(rows));
  for (int64_t at = 0; at < rows; ++at) {
    const int64_t i = at % heads.length;
    int64_t& position = positions[static_cast<size_t>(at)];
    position = given[offset ? 0 : static_cast<size_t>(at)];
    if (offset && __builtin_add_overflow(position, i, &position)) position = -1;
    if (position < 0 || position >= cosines.dim(0)) {
      return invalid_model(cat("RotaryEmbedding has the position ", position,
                               ", outside of its tables (", cosines.dim(0), " rows)"));
    }
  }
  const std::vector<double> cosine_values = cosines.to_doubles();
  const std::vector<double> sine_values = sines.to_doubles();
  const Rotation rotation{rotary, attrs.int_or("interleaved", 0) != 0, cosine_values, sine_values};
  const int64_t length = heads.length;
  rotate(heads, rotation,
         [&](int64_t b, int64_t i) { return positions[static_cast<size_t>(b * length + i)]; });
  return write_heads(context, 0, x.dtype(), heads, x.rank() == 3);
}

}  // namespace sluice::ops::attention
