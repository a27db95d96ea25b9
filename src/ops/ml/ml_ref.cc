#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <unordered_map>

#include "base/checked.h"
#include "base/text.h"
#include "op/operand.h"
#include "op/reals.h"
#include "ops/ml/ml.h"

namespace sluice::ops::ml {

namespace {

using plan::KernelContext;

constexpr op::DTypeSet kNumeric = {DType::kFloat32, DType::kFloat64, DType::kInt64, DType::kInt32};

// Copies element `from[n]` of any dtype but the sub-byte ones, which this domain does not have.
void copy_element(const Tensor& from, int64_t n, Tensor& to, int64_t i) {
  if (from.dtype() == DType::kString) {
    to.mutable_data<std::string>()[i] = from.data<std::string>()[n];
  } else if (is_floating(from.dtype())) {
    to.set_double(i, from.get_double(n));
  } else {
    to.set_int(i, from.get_int(n));
  }
}

// Rows and columns of a [N, C] or [C] input.
struct Matrix {
  const Tensor* tensor = nullptr;
  int64_t rows = 0, columns = 0;
};

Result<Matrix> matrix_input(const KernelContext& context, int i, op::DTypeSet allowed) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, i, allowed));
  if (x->rank() == 1) return Matrix{x, 1, x->dim(0)};
  if (x->rank() == 2) return Matrix{x, x->dim(0), x->dim(1)};
  return usage_error(cat("Input ", i, " has shape ", x->shape().text(), " (needed: [N,C] or [C])"));
}

// A per-feature parameter list of one entry or one for each feature.
Result<double> per_feature(const std::vector<float>& list, int64_t feature, int64_t features,
                           double fallback, std::string_view name) {
  if (list.empty()) return fallback;
  if (list.size() == 1) return static_cast<double>(list[0]);
  if (static_cast<int64_t>(list.size()) != features) {
    return usage_error(
        cat("Attribute ", name, " has ", list.size(), " entries (1 or ", features, " are needed)"));
  }
  return static_cast<double>(list[static_cast<size_t>(feature)]);
}

// Inverse of the normal distribution's cumulative function times sqrt(2), by bisection-free
// Newton steps on erf from Winitzki's approximation.
double probit(double p) {
  const double x = 2 * p - 1;
  if (!(std::fabs(x) < 1)) {
    return x == 1    ? std::numeric_limits<double>::infinity()
           : x == -1 ? -std::numeric_limits<double>::infinity()
                     : std::numeric_limits<double>::quiet_NaN();
  }
  const double log_term = std::log(1 - x * x);
  const double a = 0.147;
  const double middle = 2 / (std::acos(-1.0) * a) + log_term / 2;
  double y = std::copysign(std::sqrt(std::sqrt(middle * middle - log_term / a) - middle), x);
  for (int step = 0; step < 3; ++step) {
    y -= (std::erf(y) - x) / (2 / std::sqrt(std::acos(-1.0)) * std::exp(-y * y));
  }
  return std::sqrt(2.0) * y;
}

enum class PostTransform : uint8_t { kNone, kSoftmax, kLogistic, kSoftmaxZero, kProbit };

Result<PostTransform> parse_post_transform(std::string_view name) {
  if (name == "NONE") return PostTransform::kNone;
  if (name == "SOFTMAX") return PostTransform::kSoftmax;
  if (name == "LOGISTIC") return PostTransform::kLogistic;
  if (name == "SOFTMAX_ZERO") return PostTransform::kSoftmaxZero;
  if (name == "PROBIT") return PostTransform::kProbit;
  return usage_error(cat("Attribute post_transform is ", quoted(name),
                         " (allowed: NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT)"));
}

void apply_post_transform(std::vector<double>& scores, PostTransform transform) {
  switch (transform) {
    case PostTransform::kNone:
      return;
    case PostTransform::kLogistic:
      for (double& s : scores) s = 1 / (1 + std::exp(-s));
      return;
    case PostTransform::kProbit:
      for (double& s : scores) s = probit(s);
      return;
    case PostTransform::kSoftmax:
    case PostTransform::kSoftmaxZero:
      break;
  }
  // SOFTMAX_ZERO leaves scores of exactly 0 out of the softmax; they stay 0.
  const bool skip_zeros = transform == PostTransform::kSoftmaxZero;
  double max = -std::numeric_limits<double>::infinity();
  for (const double s : scores) max = std::max(max, s);
  double sum = 0;
  for (double& s : scores) {
    if (skip_zeros && s == 0) continue;
    s = std::exp(s - max);
    sum += s;
  }
  if (sum == 0) return;
  for (double& s : scores) s /= sum;
}

}  // namespace

Tensor label_list(const AttrMap& attrs, std::string_view prefix) {
  const auto length = [](size_t n) { return Shape{static_cast<int64_t>(n)}; };
  if (const Tensor* tensor = attrs.tensor(cat(prefix, "_tensor"))) return *tensor;
  if (attrs.has(cat(prefix, "_strings"))) {
    const auto strings = attrs.strings_or(cat(prefix, "_strings"));
    return Tensor::of_strings(length(strings.size()), strings);
  }
  if (attrs.has(cat(prefix, "_int64s"))) {
    const auto ints = attrs.ints_or(cat(prefix, "_int64s"));
    return Tensor::of<int64_t>(length(ints.size()), std::span<const int64_t>(ints));
  }
  if (attrs.has(cat(prefix, "_floats"))) {
    const auto floats = attrs.floats_or(cat(prefix, "_floats"));
    return Tensor::of<float>(length(floats.size()), std::span<const float>(floats));
  }
  return {};
}

Result<void> array_feature_extractor_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0));
  SLUICE_ASSIGN(const Tensor* y, op::input_tensor(context, 1, op::DTypeSet{DType::kInt64}));
  if (x->rank() == 0) return usage_error("A scalar has no features to extract");
  if (dtype_bits(x->dtype()) % 8 != 0 || is_complex(x->dtype())) {
    return usage_error(cat("Features of ", dtype_name(x->dtype()), " can't be extracted"));
  }
  const int64_t features = x->dim(-1), picked = y->elements();
  for (int64_t k = 0; k < picked; ++k) {
    if (y->get_int(k) < 0 || y->get_int(k) >= features) {
      return usage_error(
          cat("Feature ", y->get_int(k), " is out of range (there are ", features, ")"));
    }
  }
  Shape shape = x->shape();
  shape[-1] = picked;
  if (x->rank() == 1) shape = Shape{1, picked};
  SLUICE_ASSIGN(Tensor * z, context.out(0, x->dtype(), shape));
  for (int64_t i = 0; i < z->elements(); ++i) {
    copy_element(*x, i / picked * features + y->get_int(i % picked), *z, i);
  }
  return {};
}

Result<void> binarizer_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kNumbers));
  const double threshold = context.attrs().float_or("threshold", 0.0f);
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), x->shape()));
  for (int64_t i = 0; i < x->elements(); ++i) y->set_int(i, x->get_double(i) > threshold ? 1 : 0);
  return {};
}

Result<void> label_encoder_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0));
  const Tensor keys = label_list(context.attrs(), "keys");
  const Tensor values = label_list(context.attrs(), "values");
  if (!keys.defined() || !values.defined() || keys.elements() != values.elements()) {
    return usage_error("Keys and values of LabelEncoder are missing or of unequal number");
  }
  if (keys.dtype() != x->dtype()) {
    return usage_error(cat("The input is ", dtype_name(x->dtype()), " and the keys are ",
                           dtype_name(keys.dtype()), " (they must be equal)"));
  }
  // The default: given as a tensor, or by the kind of the values.
  const Tensor* given = context.attrs().tensor("default_tensor");
  SLUICE_ASSIGN(Tensor otherwise, Tensor::allocate(values.dtype(), Shape{}));
  if (given != nullptr && given->elements() == 1 && given->dtype() == values.dtype()) {
    copy_element(*given, 0, otherwise, 0);
  } else if (values.dtype() == DType::kString) {
    otherwise.mutable_data<std::string>()[0] =
        context.attrs().string_or("default_string", "_Unused");
  } else if (is_floating(values.dtype())) {
    otherwise.set_double(0, context.attrs().float_or("default_float", -0.0f));
  } else {
    otherwise.set_int(0, context.attrs().int_or("default_int64", -1));
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, values.dtype(), x->shape()));
  const auto store = [&](int64_t i, int64_t found) {
    copy_element(found < 0 ? otherwise : values, found < 0 ? 0 : found, *y, i);
  };
  if (keys.dtype() == DType::kString) {
    std::unordered_map<std::string_view, int64_t> index;
    for (int64_t k = 0; k < keys.elements(); ++k) index[keys.data<std::string>()[k]] = k;
    for (int64_t i = 0; i < x->elements(); ++i) {
      const auto found = index.find(x->data<std::string>()[i]);
      store(i, found == index.end() ? -1 : found->second);
    }
  } else if (is_floating(keys.dtype())) {
    std::map<double, int64_t> index;
    int64_t nan = -1;
    for (int64_t k = 0; k < keys.elements(); ++k) {
      const double key = keys.get_double(k);
      (std::isnan(key) ? nan : index[key]) = k;
    }
    for (int64_t i = 0; i < x->elements(); ++i) {
      const double key = x->get_double(i);
      const auto found = std::isnan(key) ? index.end() : index.find(key);
      store(i, std::isnan(key) ? nan : found == index.end() ? -1 : found->second);
    }
  } else {
    std::unordered_map<int64_t, int64_t> index;
    for (int64_t k = 0; k < keys.elements(); ++k) index[keys.get_int(k)] = k;
    for (int64_t i = 0; i < x->elements(); ++i) {
      const auto found = index.find(x->get_int(i));
      store(i, found == index.end() ? -1 : found->second);
    }
  }
  return {};
}

Result<void> scaler_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, kNumeric));
  const auto offset = context.attrs().floats_or("offset");
  const auto scale = context.attrs().floats_or("scale");
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, x->shape()));
  const int64_t features = x->rank() == 0 ? 1 : x->dim(-1);
  for (int64_t i = 0; i < x->elements(); ++i) {
    SLUICE_ASSIGN(const double shift, per_feature(offset, i % features, features, 0, "offset"));
    SLUICE_ASSIGN(const double factor, per_feature(scale, i % features, features, 1, "scale"));
    y->set_double(i, (x->get_double(i) - shift) * factor);
  }
  return {};
}

Result<void> normalizer_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Matrix x, matrix_input(context, 0, kNumeric));
  const std::string norm = context.attrs().string_or("norm", "MAX");
  if (norm != "MAX" && norm != "L1" && norm != "L2") {
    return usage_error(cat("Attribute norm is ", quoted(norm), " (allowed: MAX, L1 or L2)"));
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, x.tensor->shape()));
  for (int64_t row = 0; row < x.rows; ++row) {
    double divisor = norm == "MAX" ? -std::numeric_limits<double>::infinity() : 0.0;
    for (int64_t c = 0; c < x.columns; ++c) {
      const double v = x.tensor->get_double(row * x.columns + c);
      if (norm == "MAX") {
        divisor = std::max(divisor, v);
      } else {
        divisor += norm == "L1" ? std::fabs(v) : v * v;
      }
    }
    if (norm == "L2") divisor = std::sqrt(divisor);
    for (int64_t c = 0; c < x.columns; ++c) {
      const int64_t i = row * x.columns + c;
      const double v = x.tensor->get_double(i);
      y->set_double(i, divisor == 0 ? v : v / divisor);
    }
  }
  return {};
}

Result<void> one_hot_encoder_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, kNumeric | op::kStrings));
  const bool strings = x->dtype() == DType::kString;
  const auto string_categories = context.attrs().strings_or("cats_strings");
  const auto int_categories = context.attrs().ints_or("cats_int64s");
  const size_t count = strings ? string_categories.size() : int_categories.size();
  const bool allow_unknown = context.attrs().int_or("zeros", 1) != 0;
  if (x->rank() == kMaxRank) {
    return usage_error(cat("The input has rank ", kMaxRank, " (limit ", kMaxRank - 1, ")"));
  }
  Shape shape = x->shape();
  shape.push_back(static_cast<int64_t>(count));
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, shape));
  for (int64_t i = 0; i < x->elements(); ++i) {
    bool found = false;
    for (size_t c = 0; c < count; ++c) {
      const bool same = strings ? string_categories[c] == x->data<std::string>()[i]
                                : int_categories[c] == x->get_int(i);
      y->set_int(i * static_cast<int64_t>(count) + static_cast<int64_t>(c), same ? 1 : 0);
      found = found || same;
    }
    if (!found && !allow_unknown) {
      return usage_error(cat("Element ", i, " belongs to none of the ", count, " categories"));
    }
  }
  return {};
}

Result<void> feature_vectorizer_reference(KernelContext& context) {
  std::vector<Matrix> inputs;
  int64_t columns = 0;
  for (int i = 0; i < context.input_count(); ++i) {
    SLUICE_ASSIGN(const Matrix x, matrix_input(context, i, kNumeric));
    if (!inputs.empty() && inputs[0].rows != x.rows) {
      return usage_error(
          cat("Input ", i, " has ", x.rows, " rows where input 0 has ", inputs[0].rows));
    }
    inputs.push_back(x);
    columns += x.columns;
  }
  if (inputs.empty()) return usage_error("FeatureVectorizer has no input");
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, Shape{inputs[0].rows, columns}));
  int64_t i = 0;
  for (int64_t row = 0; row < inputs[0].rows; ++row) {
    for (const Matrix& x : inputs) {
      for (int64_t c = 0; c < x.columns; ++c) {
        y->set_double(i++, x.tensor->get_double(row * x.columns + c));
      }
    }
  }
  return {};
}

Result<void> imputer_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, kNumeric));
  const bool exact = is_integer(x->dtype());
  const auto floats = context.attrs().floats_or("imputed_value_floats");
  const auto ints = context.attrs().ints_or("imputed_value_int64s");
  const int64_t features = x->rank() == 0 ? 1 : x->dim(-1);
  const auto given = static_cast<int64_t>(exact ? ints.size() : floats.size());
  if (given != 1 && given != features) {
    return usage_error(
        cat("Imputer has ", given, " values to put in (1 or ", features, " are needed)"));
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), x->shape()));
  const int64_t old_int = context.attrs().int_or("replaced_value_int64", 0);
  const double old_float = context.attrs().float_or("replaced_value_float", 0.0f);
  for (int64_t i = 0; i < x->elements(); ++i) {
    const auto at = static_cast<size_t>(given == 1 ? 0 : i % features);
    if (exact) {
      y->set_int(i, x->get_int(i) == old_int ? ints[at] : x->get_int(i));
    } else {
      const double v = x->get_double(i);
      const bool replaced = v == old_float || (std::isnan(v) && std::isnan(old_float));
      y->set_double(i, replaced ? static_cast<double>(floats[at]) : v);
    }
  }
  return {};
}

namespace {

// Scores of one row for each of `targets` sets of coefficients.
struct LinearModel {
  std::vector<float> coefficients, intercepts;
  int64_t targets = 0;

  std::vector<double> scores(const Matrix& x, int64_t row) const {
    std::vector<double> out(static_cast<size_t>(targets));
    for (int64_t t = 0; t < targets; ++t) {
      const auto n = static_cast<size_t>(t);
      double sum = intercepts.empty() ? 0.0 : static_cast<double>(intercepts[n]);
      for (int64_t c = 0; c < x.columns; ++c) {
        sum += x.tensor->get_double(row * x.columns + c) *
               static_cast<double>(coefficients[static_cast<size_t>(t * x.columns + c)]);
      }
      out[n] = sum;
    }
    return out;
  }
};

Result<LinearModel> linear_model(const KernelContext& context, const Matrix& x, int64_t targets) {
  LinearModel model{context.attrs().floats_or("coefficients"),
                    context.attrs().floats_or("intercepts"), targets};
  const auto expected = Checked::from_signed(targets) * Checked::from_signed(x.columns);
  if (!expected.valid() || model.coefficients.size() != expected.value() ||
      (!model.intercepts.empty() && static_cast<int64_t>(model.intercepts.size()) != targets)) {
    return usage_error(cat("The linear model has ", model.coefficients.size(), " coefficients and ",
                           model.intercepts.size(), " intercepts for ", targets, " targets of ",
                           x.columns, " features"));
  }
  return model;
}

}  // namespace

Result<void> linear_regressor_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Matrix x, matrix_input(context, 0, kNumeric));
  SLUICE_ASSIGN(const LinearModel model,
                linear_model(context, x, context.attrs().int_or("targets", 1)));
  SLUICE_ASSIGN(const PostTransform transform,
                parse_post_transform(context.attrs().string_or("post_transform", "NONE")));
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, Shape{x.rows, model.targets}));
  for (int64_t row = 0; row < x.rows; ++row) {
    std::vector<double> scores = model.scores(x, row);
    apply_post_transform(scores, transform);
    op::store_reals(*y, row * model.targets, scores);
  }
  return {};
}

Result<void> linear_classifier_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Matrix x, matrix_input(context, 0, kNumeric));
  const auto ints = context.attrs().ints_or("classlabels_ints");
  const auto strings = context.attrs().strings_or("classlabels_strings");
  const bool named = !strings.empty();
  const size_t classes = named ? strings.size() : ints.size();
  if (classes == 0 || x.columns == 0) {
    return usage_error(
        cat("LinearClassifier has ", classes, " classes and ", x.columns, " features"));
  }
  const auto count = static_cast<int64_t>(context.attrs().floats_or("coefficients").size());
  SLUICE_ASSIGN(const LinearModel model, linear_model(context, x, count / x.columns));
  // Two classes may share one set of coefficients: its score is that of the second class.
  const bool single = model.targets == 1 && classes == 2;
  if (!single && model.targets != static_cast<int64_t>(classes)) {
    return usage_error(cat("LinearClassifier has ", model.targets, " sets of coefficients for ",
                           classes, " classes"));
  }
  SLUICE_ASSIGN(const PostTransform transform,
                parse_post_transform(context.attrs().string_or("post_transform", "NONE")));
  SLUICE_ASSIGN(Tensor * labels,
                context.out(0, named ? DType::kString : DType::kInt64, Shape{x.rows}));
  // `labels` may be the shared spare memory when nobody reads it, so it is filled first.
  std::vector<double> all;
  for (int64_t row = 0; row < x.rows; ++row) {
    std::vector<double> scores = model.scores(x, row);
    apply_post_transform(scores, transform);
    size_t best = 0;
    if (single) {
      best = scores[0] > (transform == PostTransform::kNone ? 0.0 : 0.5) ? 1 : 0;
      scores.insert(scores.begin(), 1 - scores[0]);
    } else {
      best = static_cast<size_t>(std::ranges::max_element(scores) - scores.begin());
    }
    if (named) {
      labels->mutable_data<std::string>()[row] = strings[best];
    } else {
      labels->set_int(row, ints[best]);
    }
    all.insert(all.end(), scores.begin(), scores.end());
  }
  SLUICE_ASSIGN(Tensor * z,
                context.out(1, DType::kFloat32, Shape{x.rows, static_cast<int64_t>(classes)}));
  op::store_reals(*z, 0, all);
  return {};
}

namespace {

struct Branch {
  bool leaf = false;
  int64_t to = 0;
};
struct TreeNode {
  int64_t mode = 0;
  int64_t feature = 0;
  double split = 0;
  size_t members = 0;  // of a membership node: its set
  bool missing_is_true = false;
  Branch when_true, when_false;
};

struct Forest {
  std::vector<TreeNode> nodes;
  std::vector<std::vector<double>> member_sets;
  std::vector<int64_t> leaf_targets, roots;
  std::vector<double> leaf_weights;
  int64_t targets = 0;
};

constexpr int64_t kMemberMode = 6;

Result<Forest> read_forest(const AttrMap& attrs) {
  Forest out;
  const Tensor* modes = attrs.tensor("nodes_modes");
  const Tensor* splits = attrs.tensor("nodes_splits");
  const Tensor* weights = attrs.tensor("leaf_weights");
  const auto features = attrs.ints_or("nodes_featureids");
  const auto true_ids = attrs.ints_or("nodes_truenodeids");
  const auto false_ids = attrs.ints_or("nodes_falsenodeids");
  const auto true_leafs = attrs.ints_or("nodes_trueleafs");
  const auto false_leafs = attrs.ints_or("nodes_falseleafs");
  const auto tracks = attrs.ints_or("nodes_missing_value_tracks_true");
  out.roots = attrs.ints_or("tree_roots");
  out.leaf_targets = attrs.ints_or("leaf_targetids");
  out.targets = attrs.int_or("n_targets", 1);
  const size_t n = features.size();
  if (modes == nullptr || splits == nullptr || weights == nullptr ||
      modes->elements() != static_cast<int64_t>(n) ||
      splits->elements() != static_cast<int64_t>(n) || true_ids.size() != n ||
      false_ids.size() != n || true_leafs.size() != n || false_leafs.size() != n ||
      (!tracks.empty() && tracks.size() != n) ||
      weights->elements() != static_cast<int64_t>(out.leaf_targets.size())) {
    return usage_error("The lists that describe the trees are missing or of unequal length");
  }
  if (out.targets < 1) return usage_error(cat("n_targets is ", out.targets, " (at least 1)"));
  out.leaf_weights = weights->to_doubles();
  for (const int64_t target : out.leaf_targets) {
    if (target < 0 || target >= out.targets) {
      return usage_error(cat("A leaf belongs to target ", target, " of ", out.targets));
    }
  }
  const auto leaves = static_cast<int64_t>(out.leaf_targets.size());
  size_t next_set = 0;
  for (size_t i = 0; i < n; ++i) {
    const auto at = static_cast<int64_t>(i);
    TreeNode node{.mode = modes->get_int(at),
                  .feature = features[i],
                  .split = splits->get_double(at),
                  .missing_is_true = !tracks.empty() && tracks[i] != 0,
                  .when_true = {true_leafs[i] != 0, true_ids[i]},
                  .when_false = {false_leafs[i] != 0, false_ids[i]}};
    if (node.mode < 0 || node.mode > kMemberMode) {
      return usage_error(cat("Tree node ", i, " has mode ", node.mode, " (limit 6)"));
    }
    if (node.mode == kMemberMode) node.members = next_set++;
    for (const Branch& branch : {node.when_true, node.when_false}) {
      if (branch.to < 0 || branch.to >= (branch.leaf ? leaves : static_cast<int64_t>(n))) {
        return usage_error(
            cat("A branch of tree node ", i, " leads to ", branch.to, ", which is not there"));
      }
    }
    out.nodes.push_back(node);
  }
  // The sets stand one after another, each closed by a NaN.
  out.member_sets.resize(next_set);
  if (const Tensor* members = attrs.tensor("membership_values")) {
    size_t set = 0;
    for (const double value : members->to_doubles()) {
      if (std::isnan(value)) {
        ++set;
      } else if (set < out.member_sets.size()) {
        out.member_sets[set].push_back(value);
      }
    }
  }
  for (const int64_t root : out.roots) {
    if (root < 0 || root >= static_cast<int64_t>(n)) {
      return usage_error(cat("Tree root ", root, " is out of range (there are ", n, " nodes)"));
    }
  }
  return out;
}

bool takes_true_branch(const Forest& forest, const TreeNode& node, double value) {
  if (std::isnan(value) && node.missing_is_true) return true;
  switch (node.mode) {
    case 0:
      return value <= node.split;
    case 1:
      return value < node.split;
    case 2:
      return value >= node.split;
    case 3:
      return value > node.split;
    case 4:
      return value == node.split;
    case 5:
      return value != node.split;
    default: {
      const auto& set = forest.member_sets[node.members];
      return std::ranges::find(set, value) != set.end();
    }
  }
}

}  // namespace

Result<void> tree_ensemble_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Matrix x, matrix_input(context, 0, op::kFloats));
  SLUICE_ASSIGN(const Forest forest, read_forest(context.attrs()));
  const int64_t aggregate = context.attrs().int_or("aggregate_function", 1);
  const int64_t transform = context.attrs().int_or("post_transform", 0);
  if (aggregate < 0 || aggregate > 3 || transform < 0 || transform > 4) {
    return usage_error(cat("aggregate_function is ", aggregate, " (limit 3) and post_transform ",
                           transform, " (limit 4)"));
  }
  for (const TreeNode& node : forest.nodes) {
    if (node.feature < 0 || node.feature >= x.columns) {
      return usage_error(
          cat("A tree asks for feature ", node.feature, " (there are ", x.columns, ")"));
    }
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, x.tensor->dtype(), Shape{x.rows, forest.targets}));
  for (int64_t row = 0; row < x.rows; ++row) {
    std::vector<double> scores(static_cast<size_t>(forest.targets));
    std::vector<bool> seen(scores.size());
    for (const int64_t root : forest.roots) {
      Branch at{false, root};
      // A path that visits more nodes than there are runs in a circle.
      for (size_t steps = 0; !at.leaf; ++steps) {
        if (steps > forest.nodes.size()) {
          return usage_error(cat("The tree with root ", root, " has a cycle"));
        }
        const TreeNode& node = forest.nodes[static_cast<size_t>(at.to)];
        const double value = x.tensor->get_double(row * x.columns + node.feature);
        at = takes_true_branch(forest, node, value) ? node.when_true : node.when_false;
      }
      const auto target = static_cast<size_t>(forest.leaf_targets[static_cast<size_t>(at.to)]);
      const double weight = forest.leaf_weights[static_cast<size_t>(at.to)];
      double& score = scores[target];
      if (aggregate <= 1) {
        score += weight;
      } else if (!seen[target]) {
        score = weight;
      } else {
        score = aggregate == 2 ? std::min(score, weight) : std::max(score, weight);
      }
      seen[target] = true;
    }
    if (aggregate == 0 && !forest.roots.empty()) {
      for (double& score : scores) score /= static_cast<double>(forest.roots.size());
    }
    apply_post_transform(scores, static_cast<PostTransform>(transform));
    op::store_reals(*y, row * forest.targets, scores);
  }
  return {};
}

}  // namespace sluice::ops::ml
