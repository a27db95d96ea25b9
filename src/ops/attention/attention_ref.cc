// Reference kernels of ONNX's attention operators, and the plain attention that all of them share.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/half.h"
#include "base/text.h"
#include "op/operand.h"
#include "ops/attention/attention.h"

namespace sluice::ops::attention {

namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

double rounded_to(DType dtype, double value) {
  switch (dtype) {
    case DType::kFloat16:
      return half_to_float(double_to_half(value));
    case DType::kBFloat16:
      return bfloat16_to_float(float_to_bfloat16(static_cast<float>(value)));
    case DType::kFloat32:
      return static_cast<float>(value);
    default:
      return value;
  }
}

// In place; `sink` is one more score whose share is dropped. A row of -inf gives zeros.
void softmax(std::vector<double>& row, DType dtype, const double* sink) {
  double highest = sink != nullptr ? *sink : kMinusInfinity;
  for (double& value : row) {
    value = rounded_to(dtype, value);
    highest = std::isnan(value) ? value : std::max(highest, value);
  }
  if (highest == kMinusInfinity) {
    std::fill(row.begin(), row.end(), 0.0);
    return;
  }
  double sum = sink != nullptr ? std::exp(*sink - highest) : 0;
  for (double& value : row) {
    value = rounded_to(dtype, std::exp(rounded_to(dtype, value - highest)));
    sum += value;
  }
  sum = rounded_to(dtype, sum);
  for (double& value : row) value = rounded_to(dtype, value / sum);
}

}  // namespace

Result<void> check_problem(const Problem& problem) {
  const Heads& q = problem.q;
  const Heads& k = problem.k;
  const Heads& v = problem.v;
  if (k.batch != q.batch || v.batch != q.batch || k.length != v.length || k.heads != v.heads ||
      k.size != q.size) {
    return invalid_model(cat("Q ", q.shape().text(), ", K ", k.shape().text(), " and V ",
                             v.shape().text(), " ([batch,heads,length,size]) do not fit together"));
  }
  if (q.heads != 0 && (k.heads == 0 || q.heads % k.heads != 0)) {
    return invalid_model(cat(q.heads, " query heads cannot share ", k.heads, " key heads"));
  }
  // The scores of one head, and all of them where they are captured, must be addressable.
  if (!Shape{q.batch, q.heads, q.length, k.length}.checked_elements()) {
    return resource_error("The attention scores are too many to address");
  }
  return {};
}

Heads attend(const Problem& problem) {
  const Heads& q = problem.q;
  const Heads& k = problem.k;
  const Heads& v = problem.v;
  const int64_t group = k.heads == 0 ? 1 : std::max<int64_t>(q.heads / k.heads, 1);
  Heads out{q.batch, q.heads, q.length, v.size, {}};
  out.values.assign(static_cast<size_t>(out.batch * out.heads * out.length * out.size), 0.0);
  if (problem.captured != nullptr) {
    problem.captured->assign(static_cast<size_t>(q.batch * q.heads * q.length * k.length), 0.0);
  }
  std::vector<double> scores(static_cast<size_t>(k.length));
  size_t next_capture = 0;
  const auto capture = [&](Problem::Stage stage) {
    if (problem.captured == nullptr || problem.stage != stage) return;
    for (const double score : scores) (*problem.captured)[next_capture++] = score;
  };
  for (int64_t b = 0; b < q.batch; ++b) {
    for (int64_t h = 0; h < q.heads; ++h) {
      const int64_t kv = h / group;
      for (int64_t i = 0; i < q.length; ++i) {
        const double* query = q.row(b, h, i);
        for (int64_t j = 0; j < k.length; ++j) {
          const double* key = k.row(b, kv, j);
          double sum = 0;
          for (int64_t p = 0; p < q.size; ++p) sum += query[p] * key[p];
          scores[static_cast<size_t>(j)] = sum * problem.scale;
        }
        capture(Problem::Stage::kRaw);
        if (problem.softcap > 0) {
          for (double& score : scores) {
            score = problem.softcap * std::tanh(score / problem.softcap);
          }
        }
        capture(Problem::Stage::kCapped);
        bool any_visible = false;
        for (int64_t j = 0; j < k.length; ++j) {
          const double bias = problem.bias(b, h, i, j);
          any_visible = any_visible || bias != kMinusInfinity;
          scores[static_cast<size_t>(j)] += bias;
        }
        capture(Problem::Stage::kBiased);
        if (any_visible) {
          const double* sink =
              problem.sink != nullptr ? problem.sink->data() + static_cast<size_t>(h) : nullptr;
          softmax(scores, problem.softmax_dtype, sink);
        } else {  // decided on the bias: scores may be NaN where Q or K hold infinities
          std::fill(scores.begin(), scores.end(), 0.0);
        }
        capture(Problem::Stage::kProbabilities);
        double* result = out.row(b, h, i);
        for (int64_t j = 0; j < k.length; ++j) {
          const double share = scores[static_cast<size_t>(j)];
          if (share == 0) continue;  // an unseen key's value may be anything, also NaN
          const double* value = v.row(b, kv, j);
          for (int64_t p = 0; p < v.size; ++p) result[p] += share * value[p];
        }
      }
    }
  }
  return out;
}

Result<Heads> read_heads(const Tensor& tensor, int64_t heads) {
  Heads out;
  if (tensor.rank() == 4) {
    out = {tensor.dim(0), tensor.dim(1), tensor.dim(2), tensor.dim(3), tensor.to_doubles()};
    return out;
  }
  if (tensor.rank() != 3 || heads <= 0 || tensor.dim(2) % heads != 0) {
    return invalid_model(cat("A tensor of shape ", tensor.shape().text(), " cannot be split into ",
                             heads, " heads"));
  }
  out = {tensor.dim(0), heads, tensor.dim(1), tensor.dim(2) / heads, {}};
  const std::vector<double> from = tensor.to_doubles();
  out.values.resize(from.size());
  for (int64_t b = 0; b < out.batch; ++b) {
    for (int64_t i = 0; i < out.length; ++i) {
      for (int64_t h = 0; h < heads; ++h) {
        const double* source = from.data() + ((b * out.length + i) * heads + h) * out.size;
        std::copy(source, source + out.size, out.row(b, h, i));
      }
    }
  }
  return out;
}

Result<Heads> joined(const Heads& past, const Heads& now) {
  if (past.batch != now.batch || past.heads != now.heads || past.size != now.size) {
    return invalid_model(cat("Past keys or values of shape ", past.shape().text(),
                             " do not fit new ones (", now.shape().text(), ")"));
  }
  Heads out{now.batch, now.heads, past.length + now.length, now.size, {}};
  out.values.resize(past.values.size() + now.values.size());
  for (int64_t b = 0; b < out.batch; ++b) {
    for (int64_t h = 0; h < out.heads; ++h) {
      const double* old = past.row(b, h, 0);
      std::copy(old, old + past.length * past.size, out.row(b, h, 0));
      const double* fresh = now.row(b, h, 0);
      std::copy(fresh, fresh + now.length * now.size, out.row(b, h, past.length));
    }
  }
  return out;
}

Result<void> write_heads(plan::KernelContext& context, int i, DType dtype, const Heads& heads,
                         bool packed) {
  const Shape shape =
      packed ? Shape{heads.batch, heads.length, heads.heads * heads.size} : heads.shape();
  SLUICE_ASSIGN(Tensor * out, context.out(i, dtype, shape));
  int64_t at = 0;
  if (!packed) {
    for (const double value : heads.values) out->set_double(at++, value);
    return {};
  }
  for (int64_t b = 0; b < heads.batch; ++b) {
    for (int64_t row = 0; row < heads.length; ++row) {
      for (int64_t h = 0; h < heads.heads; ++h) {
        const double* from = heads.row(b, h, row);
        for (int64_t p = 0; p < heads.size; ++p) out->set_double(at++, from[p]);
      }
    }
  }
  return {};
}

Result<void> write_scores(plan::KernelContext& context, int i, DType dtype,
                          const Problem& problem) {
  if (problem.captured == nullptr) return {};
  SLUICE_ASSIGN(Tensor * out, context.out(i, dtype,
                                          Shape{problem.q.batch, problem.q.heads, problem.q.length,
                                                problem.k.length}));
  int64_t at = 0;
  for (const double score : *problem.captured) out->set_double(at++, score);
  return {};
}

void rotate(Heads& heads, const Rotation& rotation,
            FunctionRef<int64_t(int64_t b, int64_t i)> position) {
  const int64_t half = rotation.rotary / 2;
  for (int64_t b = 0; b < heads.batch; ++b) {
    for (int64_t i = 0; i < heads.length; ++i) {
      const double* cosine = rotation.cosines.data() + position(b, i) * half;
      const double* sine = rotation.sines.data() + position(b, i) * half;
      for (int64_t h = 0; h < heads.heads; ++h) {
        double* row = heads.row(b, h, i);
        for (int64_t p = 0; p < half; ++p) {
          double& x = row[rotation.interleaved ? 2 * p : p];
          double& y = row[rotation.interleaved ? 2 * p + 1 : p + half];
          const double real = cosine[p] * x - sine[p] * y;
          y = sine[p] * x + cosine[p] * y;
          x = real;
        }
      }
    }
  }
}

Result<BroadcastScores> broadcast_scores(const Tensor& tensor, const Shape& to) {
  const auto both = broadcast(tensor.shape(), to);
  if (!both || !(*both == to)) {
    return invalid_model(cat("A mask or bias of shape ", tensor.shape().text(),
                             " does not broadcast to the scores (", to.text(), ")"));
  }
  return BroadcastScores{tensor.to_doubles(), broadcast_strides(tensor.shape(), to)};
}

Result<void> attention_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1, 2}));
  const AttrMap& attrs = context.attrs();
  const DType dtype = context.in(0).dtype();
  const bool packed = context.in(0).rank() == 3;
  SLUICE_ASSIGN(Heads q, read_heads(context.in(0), attrs.int_or("q_num_heads", 0)));
  SLUICE_ASSIGN(Heads k, read_heads(context.in(1), attrs.int_or("kv_num_heads", 0)));
  SLUICE_ASSIGN(Heads v, read_heads(context.in(2), attrs.int_or("kv_num_heads", 0)));
  if (context.has(4) != context.has(5)) {
    return invalid_model("Attention has one of past_key and past_value without the other");
  }
  int64_t past = 0;
  if (context.has(4)) {
    if (context.has(6)) {
      return invalid_model("Attention has past keys together with nonpad_kv_seqlen");
    }
    SLUICE_ASSIGN(const Heads past_k, read_heads(context.in(4), k.heads));
    SLUICE_ASSIGN(const Heads past_v, read_heads(context.in(5), v.heads));
    past = past_k.length;
    SLUICE_ASSIGN(k, joined(past_k, k));
    SLUICE_ASSIGN(v, joined(past_v, v));
  }
  if (context.wants(1)) SLUICE_TRY(write_heads(context, 1, dtype, k, false));
  if (context.wants(2)) SLUICE_TRY(write_heads(context, 2, context.in(2).dtype(), v, false));

  // How many keys precede the first query, and how many are valid, per entry of the batch.
  std::vector<int64_t> offset(static_cast<size_t>(q.batch), past);
  std::vector<int64_t> valid(static_cast<size_t>(q.batch), k.length);
  if (context.has(6)) {
    valid = context.in(6).to_ints();
    if (static_cast<int64_t>(valid.size()) != q.batch) {
      return invalid_model(
          cat("nonpad_kv_seqlen has ", valid.size(), " elements (", q.batch, " expected)"));
    }
    constexpr int64_t kLimit = int64_t{1} << 40;  // far beyond any length, safe to subtract
    for (size_t b = 0; b < valid.size(); ++b) {
      valid[b] = std::clamp(valid[b], -kLimit, kLimit);
      offset[b] = valid[b] - q.length;
    }
  }

  const Shape scores{q.batch, q.heads, q.length, k.length};
  std::optional<BroadcastScores> mask;
  bool mask_is_bool = false;
  int64_t mask_keys = k.length;
  if (context.has(3)) {
    const Tensor& given = context.in(3);
    mask_is_bool = given.dtype() == DType::kBool;
    Shape to = scores;
    if (given.rank() >= 1 && given.dim(-1) < k.length && given.dim(-1) != 1) {
      mask_keys = given.dim(-1);  // the keys beyond are not seen
      to[3] = mask_keys;
    }
    SLUICE_ASSIGN(mask, broadcast_scores(given, to));
  }
  const bool causal = attrs.int_or("is_causal", 0) != 0;
  const int64_t left = attrs.int_or("left_window_size", -1);
  const int64_t right = attrs.int_or("right_window_size", -1);
  const auto bias = [&](int64_t b, int64_t h, int64_t i, int64_t j) -> double {
    const auto entry = static_cast<size_t>(b);
    const int64_t position = i + offset[entry];
    if (j >= valid[entry] || j >= mask_keys) return kMinusInfinity;
    if (causal && j > position) return kMinusInfinity;
    if (left >= 0 && position - j > left) return kMinusInfinity;
    if (right >= 0 && j - position > right) return kMinusInfinity;
    if (!mask) return 0;
    const double value = mask->at(b, h, i, j);
    if (mask_is_bool) return value != 0 ? 0 : kMinusInfinity;
    return value;
  };

  Problem problem{.q = std::move(q), .k = std::move(k), .v = std::move(v), .bias = bias};
  SLUICE_TRY(check_problem(problem));
  problem.scale = attrs.has("scale") ? attrs.float_or("scale", 1.0f)
                                     : 1.0 / std::sqrt(static_cast<double>(problem.q.size));
  problem.softcap = attrs.float_or("softcap", 0.0f);
  const int64_t precision = attrs.int_or("softmax_precision", 0);
  if (precision != 0) {
    if (!dtype_is_valid(precision) || !op::kFloats.has(static_cast<DType>(precision))) {
      return invalid_model(
          cat("The attribute softmax_precision is ", precision, ", which is not a floating type"));
    }
    problem.softmax_dtype = static_cast<DType>(precision);
  }
  const int64_t mode = attrs.int_or("qk_matmul_output_mode", 0);
  if (mode < 0 || mode > 3) {
    return invalid_model(cat("The attribute qk_matmul_output_mode is ", mode, " (0 to 3)"));
  }
  problem.stage = static_cast<Problem::Stage>(mode);
  std::vector<double> captured;
  if (context.wants(3)) problem.captured = &captured;
  const Heads y = attend(problem);
  SLUICE_TRY(write_heads(context, 0, dtype, y, packed));
  SLUICE_TRY(write_scores(context, 3, dtype, problem));
  return {};
}

namespace {

// Feeds a stage of the scores through a subgraph that keeps shape and type.
Result<void> modify(plan::KernelContext& context, std::string_view name, Tensor& scores) {
  if (!context.has_subgraph(name)) return {};
  const Value input(scores);
  SLUICE_ASSIGN(const std::span<Value> made, context.run_subgraph(name, std::span(&input, 1)));
  if (made.size() != 1 || !made[0].is_tensor() || made[0].tensor().dtype() != scores.dtype() ||
      !(made[0].tensor().shape() == scores.shape())) {
    return invalid_model(
        cat("The subgraph ", quoted(name), " does not give one tensor like its input"));
  }
  scores = made[0].tensor();
  return {};
}

}  // namespace

Result<void> flex_attention_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1, 2}));
  const AttrMap& attrs = context.attrs();
  const DType dtype = context.in(0).dtype();
  for (int i = 0; i < 3; ++i) {
    if (context.in(i).rank() != 4) {
      return invalid_model(
          cat("Input ", i, " of FlexAttention has ", context.in(i).rank(), " axes (4 expected)"));
    }
  }
  SLUICE_ASSIGN(Heads q, read_heads(context.in(0), 0));
  SLUICE_ASSIGN(Heads k, read_heads(context.in(1), 0));
  SLUICE_ASSIGN(Heads v, read_heads(context.in(2), 0));
  const auto no_bias = [](int64_t, int64_t, int64_t, int64_t) { return 0.0; };
  const Problem problem{.q = std::move(q), .k = std::move(k), .v = std::move(v), .bias = no_bias};
  SLUICE_TRY(check_problem(problem));

  const int64_t named = attrs.int_or("softmax_precision", 0);
  DType compute = dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
  if (named != 0) {
    if (!dtype_is_valid(named) || !op::kFloats.has(static_cast<DType>(named))) {
      return invalid_model(
          cat("The attribute softmax_precision is ", named, ", which is not a floating type"));
    }
    compute = static_cast<DType>(named);
  }
  // The products are made in the inputs' type, with both factors scaled by the root.
  const double scale = attrs.has("scale") ? attrs.float_or("scale", 1.0f)
                                          : 1.0 / std::sqrt(static_cast<double>(problem.q.size));
  const double root = rounded_to(dtype, std::sqrt(scale));
  const int64_t queries = problem.q.length, keys = problem.k.length;
  const int64_t group =
      std::max<int64_t>(problem.k.heads == 0 ? 1 : problem.q.heads / problem.k.heads, 1);
  SLUICE_ASSIGN(Tensor scores,
                Tensor::allocate(compute, Shape{problem.q.batch, problem.q.heads, queries, keys}));
  int64_t at = 0;
  for (int64_t b = 0; b < problem.q.batch; ++b) {
    for (int64_t h = 0; h < problem.q.heads; ++h) {
      for (int64_t i = 0; i < queries; ++i) {
        const double* query = problem.q.row(b, h, i);
        for (int64_t j = 0; j < keys; ++j) {
          const double* key = problem.k.row(b, h / group, j);
          double sum = 0;
          for (int64_t p = 0; p < problem.q.size; ++p) {
            sum += rounded_to(dtype, query[p] * root) * rounded_to(dtype, key[p] * root);
          }
          scores.set_double(at++, rounded_to(dtype, sum));
        }
      }
    }
  }
  SLUICE_TRY(modify(context, "score_mod", scores));
  SLUICE_ASSIGN(Tensor shares, Tensor::allocate(compute, scores.shape()));
  std::vector<double> row(static_cast<size_t>(keys));
  for (int64_t first = 0; first < scores.elements(); first += keys) {
    for (int64_t j = 0; j < keys; ++j) {
      row[static_cast<size_t>(j)] = scores.get_double(first + j);
    }
    softmax(row, compute, nullptr);
    for (int64_t j = 0; j < keys; ++j) {
      shares.set_double(first + j, row[static_cast<size_t>(j)]);
    }
  }
  SLUICE_TRY(modify(context, "prob_mod", shares));

  Heads y{problem.q.batch, problem.q.heads, queries, problem.v.size, {}};
  y.values.assign(static_cast<size_t>(y.batch * y.heads * y.length * y.size), 0.0);
  at = 0;
  for (int64_t b = 0; b < y.batch; ++b) {
    for (int64_t h = 0; h < y.heads; ++h) {
      for (int64_t i = 0; i < queries; ++i) {
        double* result = y.row(b, h, i);
        for (int64_t j = 0; j < keys; ++j) {
          const double share = shares.get_double(at++);
          const double* value = problem.v.row(b, h / group, j);
          for (int64_t p = 0; p < y.size; ++p) result[p] += share * value[p];
        }
      }
    }
  }
  return write_heads(context, 0, context.in(2).dtype(), y, false);
}

Result<void> linear_attention_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1, 2}));
  const AttrMap& attrs = context.attrs();
  const int64_t q_heads = attrs.int_or("q_num_heads", 0);
  const int64_t kv_heads = attrs.int_or("kv_num_heads", 0);
  for (int i = 0; i < 3; ++i) {
    if (context.in(i).rank() != 3) {
      return invalid_model(
          cat("Input ", i, " of LinearAttention has ", context.in(i).rank(), " axes (3 expected)"));
    }
  }
  SLUICE_ASSIGN(const Heads q, read_heads(context.in(0), q_heads));
  SLUICE_ASSIGN(const Heads k, read_heads(context.in(1), kv_heads));
  SLUICE_ASSIGN(const Heads v, read_heads(context.in(2), kv_heads));
  if (k.batch != q.batch || v.batch != q.batch || k.length != q.length || v.length != q.length ||
      k.size != q.size) {
    return invalid_model(cat("LinearAttention's query ", q.shape().text(), ", key ",
                             k.shape().text(), " and value ", v.shape().text(),
                             " ([batch,heads,length,size]) do not fit together"));
  }
  const int64_t out_heads = std::max(q_heads, kv_heads);
  if (out_heads % q_heads != 0 || out_heads % kv_heads != 0) {
    return invalid_model(cat("LinearAttention has ", q_heads, " query heads for ", kv_heads,
                             " key heads (one a multiple of the other)"));
  }
  const std::string rule = attrs.string_or("update_rule", "gated_delta");
  const bool gated = rule == "gated" || rule == "gated_delta";
  const bool delta = rule == "delta" || rule == "gated_delta";
  if (!gated && !delta && rule != "linear") {
    return invalid_model(cat("The attribute update_rule is ", quoted(rule),
                             " (linear, gated, delta or gated_delta)"));
  }
  if (gated != context.has(4) || delta != context.has(5)) {
    return invalid_model(cat("LinearAttention by the rule ", rule,
                             " has the wrong ones of the inputs decay and beta"));
  }
  const int64_t batch = q.batch, steps = q.length, size = q.size, v_size = v.size;
  std::vector<double> decay, beta;
  int64_t decay_width = 0, beta_width = 0;
  if (gated) {
    const Tensor& given = context.in(4);
    decay_width = given.rank() == 3 ? given.dim(2) : 0;
    if (given.rank() != 3 || given.dim(0) != batch || given.dim(1) != steps ||
        (decay_width != kv_heads && decay_width != kv_heads * size)) {
      return invalid_model(cat("LinearAttention has a decay of shape ", given.shape().text()));
    }
    decay = given.to_doubles();
  }
  if (delta) {
    const Tensor& given = context.in(5);
    beta_width = given.rank() == 3 ? given.dim(2) : 0;
    if (given.rank() != 3 || given.dim(0) != batch || given.dim(1) != steps ||
        (beta_width != kv_heads && beta_width != 1)) {
      return invalid_model(cat("LinearAttention has a beta of shape ", given.shape().text()));
    }
    beta = given.to_doubles();
  }
  const int64_t window = attrs.int_or("state_window", 0);
  if (window < 0 || window > 8) {
    return invalid_model(cat("The attribute state_window is ", window, " (0 to 8)"));
  }
  Shape state_shape{batch, kv_heads, size, v_size};
  if (window > 0) state_shape.insert(0, window);
  const int64_t state_elements = batch * kv_heads * size * v_size;
  const DType state_dtype = context.has(3) ? context.in(3).dtype() : context.in(0).dtype();
  std::vector<double> state;
  SLUICE_ASSIGN(Tensor * present, context.out(1, state_dtype, state_shape));
  if (context.has(3)) {
    if (!(context.in(3).shape() == state_shape)) {
      return invalid_model(cat("LinearAttention has a past state of shape ",
                               context.in(3).shape().text(), " (", state_shape.text(),
                               " expected)"));
    }
    state = context.in(3).to_doubles();
    if (window > 1) state.erase(state.begin(), state.end() - state_elements);
  } else {
    state.assign(static_cast<size_t>(state_elements), 0.0);
  }
  for (int64_t i = 0; i < present->elements(); ++i) present->set_double(i, 0);

  double scale = attrs.float_or("scale", 0.0f);
  if (scale == 0) scale = 1 / std::sqrt(static_cast<double>(size));
  Heads out{batch, out_heads, steps, v_size, {}};
  out.values.assign(static_cast<size_t>(batch * out_heads * steps * v_size), 0.0);
  std::vector<double> update(static_cast<size_t>(v_size));
  for (int64_t t = 0; t < steps; ++t) {
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t h = 0; h < kv_heads; ++h) {
        double* s = state.data() + (b * kv_heads + h) * size * v_size;  // [size, v_size]
        const double* key = k.row(b, h, t);
        const double* value = v.row(b, h, t);
        if (gated) {
          const double* g = decay.data() + (b * steps + t) * decay_width;
          for (int64_t p = 0; p < size; ++p) {
            const double factor = std::exp(decay_width == kv_heads ? g[h] : g[h * size + p]);
            for (int64_t m = 0; m < v_size; ++m) s[p * v_size + m] *= factor;
          }
        }
        for (int64_t m = 0; m < v_size; ++m) {
          double& to = update[static_cast<size_t>(m)];
          to = value[m];
          if (!delta) continue;
          for (int64_t p = 0; p < size; ++p) to -= s[p * v_size + m] * key[p];
          to *= beta[static_cast<size_t>((b * steps + t) * beta_width + (beta_width == 1 ? 0 : h))];
        }
        for (int64_t p = 0; p < size; ++p) {
          for (int64_t m = 0; m < v_size; ++m) {
            s[p * v_size + m] += key[p] * update[static_cast<size_t>(m)];
          }
        }
      }
      for (int64_t h = 0; h < out_heads; ++h) {
        const double* query = q.row(b, h / (out_heads / q_heads), t);
        const double* s =
            state.data() + (b * kv_heads + h / (out_heads / kv_heads)) * size * v_size;
        double* to = out.row(b, h, t);
        for (int64_t p = 0; p < size; ++p) {
          for (int64_t m = 0; m < v_size; ++m) to[m] += scale * query[p] * s[p * v_size + m];
        }
      }
    }
    const int64_t slot = window == 0 ? (t == steps - 1 ? 0 : -1) : window - steps + t;
    if (slot < 0) continue;
    for (int64_t i = 0; i < state_elements; ++i) {
      present->set_double(slot * state_elements + i, state[static_cast<size_t>(i)]);
    }
  }
  if (steps == 0) {
    const int64_t last = std::max<int64_t>(window - 1, 0) * state_elements;
    for (int64_t i = 0; i < state_elements; ++i) {
      present->set_double(last + i, state[static_cast<size_t>(i)]);
    }
  }
  return write_heads(context, 0, context.in(0).dtype(), out, true);
}

Result<void> rotary_embedding_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1, 2}));
  const AttrMap& attrs = context.attrs();
  const Tensor& x = context.in(0);
  SLUICE_ASSIGN(Heads heads, read_heads(x, attrs.int_or("num_heads", 0)));
  int64_t rotary = attrs.int_or("rotary_embedding_dim", 0);
  if (rotary == 0) rotary = heads.size;
  if (rotary < 0 || rotary % 2 != 0 || rotary > heads.size) {
    return invalid_model(cat("RotaryEmbedding rotates ", rotary, " elements (an even number up to ",
                             heads.size, ")"));
  }
  const Tensor& cosines = context.in(1);
  const Tensor& sines = context.in(2);
  const bool by_position = context.has(3);
  const Shape expected = by_position ? Shape{cosines.rank() > 0 ? cosines.dim(0) : 0, rotary / 2}
                                     : Shape{heads.batch, heads.length, rotary / 2};
  if (!(cosines.shape() == expected) || !(sines.shape() == expected)) {
    return invalid_model(cat("RotaryEmbedding has tables of shapes ", cosines.shape().text(),
                             " and ", sines.shape().text(), " (", expected.text(), " expected)"));
  }
  std::vector<int64_t> positions;
  if (by_position) {
    if (!(context.in(3).shape() == Shape{heads.batch, heads.length})) {
      return invalid_model(cat("RotaryEmbedding has positions of shape ",
                               context.in(3).shape().text(), " ([", heads.batch, ",", heads.length,
                               "] expected)"));
    }
    positions = context.in(3).to_ints();
    for (int64_t& position : positions) {
      if (position < 0) position += expected[0];
      if (position < 0 || position >= expected[0]) {
        return invalid_model(cat("RotaryEmbedding has the position ", position,
                                 ", outside of its tables (", expected[0], " rows)"));
      }
    }
  }
  const std::vector<double> cosine_values = cosines.to_doubles();
  const std::vector<double> sine_values = sines.to_doubles();
  const Rotation rotation{rotary, attrs.int_or("interleaved", 0) != 0, cosine_values, sine_values};
  const int64_t length = heads.length;
  rotate(heads, rotation, [&](int64_t b, int64_t i) {
    const int64_t at = b * length + i;
    return by_position ? positions[static_cast<size_t>(at)] : at;
  });
  return write_heads(context, 0, x.dtype(), heads, x.rank() == 3);
}

}  // namespace sluice::ops::attention
