#include "ops/ml/ml.h"

#include <array>
#include <numeric>

#include "base/text.h"
#include "op/operand.h"

namespace sluice::ops::ml {

namespace {

using op::DTypeSet;
using op::InferContext;
using op::OpDef;
using op::UpgradeContext;

constexpr std::string_view kDomain = "ai.onnx.ml";
constexpr DTypeSet kNumeric = {DType::kFloat32, DType::kFloat64, DType::kInt64, DType::kInt32};
constexpr DTypeSet kLabels = kNumeric | DTypeSet{DType::kString, DType::kInt16};

// The first input's shape with another dtype.
void set_like_input(InferContext& context, DType dtype) {
  Type type = context.input_type(0);
  type.kind = Type::Kind::kTensor;
  type.dtype = dtype;
  context.set_output(0, std::move(type));
}

// Number of rows of a [N, C] or [C] input.
Dim rows_of(const Type& type) {
  if (!type.has_rank()) return Dim::unknown();
  return type.dims->size() == 2 ? (*type.dims)[0] : Dim(1);
}

Result<void> infer_extractor(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, kLabels));
  SLUICE_TRY(op::input_dtype(context, 1, DTypeSet{DType::kInt64}));
  const Type& x = context.input_type(0);
  const Type& y = context.input_type(1);
  if (!x.has_rank()) {
    context.set_output(0, dtype);
    return {};
  }
  if (x.dims->empty()) return context.fail("a scalar has no features to extract");
  Dims dims = *x.dims;
  dims.back() = y.has_rank() ? product(*y.dims, 0, y.dims->size()) : Dim::unknown();
  if (dims.size() == 1) dims.insert(dims.begin(), Dim(1));
  context.set_output(0, dtype, std::move(dims));
  return {};
}

template <const DTypeSet& kAllowed>
Result<void> infer_same(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, kAllowed));
  context.set_output(0, context.input_type(0));
  return {};
}

Result<void> infer_to_float(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, kNumeric));
  set_like_input(context, DType::kFloat32);
  return {};
}

Result<void> infer_label_encoder(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, kLabels));
  const Tensor keys = label_list(context.attrs(), "keys");
  const Tensor values = label_list(context.attrs(), "values");
  if (!keys.defined() || !values.defined()) return context.fail("keys or values are missing");
  if (keys.elements() != values.elements()) {
    return context.fail(cat("there are ", keys.elements(), " keys and ", values.elements(),
                            " values (they must be equally many)"));
  }
  const DType dtype = context.input_type(0).dtype;
  if (dtype != DType::kUndefined && dtype != keys.dtype()) {
    return context.fail(cat("the input is ", dtype_name(dtype), " and the keys are ",
                            dtype_name(keys.dtype()), " (they must be equal)"));
  }
  set_like_input(context, values.dtype());
  return {};
}

Result<void> infer_one_hot_encoder(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, kNumeric | op::kStrings));
  const Type& x = context.input_type(0);
  if (!x.has_rank()) {
    context.set_output(0, DType::kFloat32);
    return {};
  }
  const size_t categories = dtype == DType::kString
                                ? context.attrs().strings_or("cats_strings").size()
                                : context.attrs().ints_or("cats_int64s").size();
  Dims dims = *x.dims;
  dims.emplace_back(static_cast<int64_t>(categories));
  context.set_output(0, DType::kFloat32, std::move(dims));
  return {};
}

Result<void> infer_feature_vectorizer(InferContext& context) {
  Dim columns(0), rows;
  for (int i = 0; i < context.input_count(); ++i) {
    SLUICE_TRY(op::input_dtype(context, i, kNumeric));
    const Type& x = context.input_type(i);
    if (x.has_rank() && (x.dims->empty() || x.dims->size() > 2)) {
      return context.fail(cat("input ", i, " has rank ", x.dims->size(), " (1 or 2 is needed)"));
    }
    if (i == 0) rows = rows_of(x);
    columns = columns + (x.has_rank() ? x.dims->back() : Dim::unknown());
  }
  context.set_output(0, DType::kFloat32, {rows, columns});
  return {};
}

Result<void> infer_linear_regressor(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, kNumeric));
  context.set_output(0, DType::kFloat32,
                     {rows_of(context.input_type(0)), context.attrs().int_or("targets", 1)});
  return {};
}

Result<void> infer_linear_classifier(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, kNumeric));
  const size_t named = context.attrs().strings_or("classlabels_strings").size();
  const size_t numbered = context.attrs().ints_or("classlabels_ints").size();
  const Dim rows = rows_of(context.input_type(0));
  context.set_output(0, named != 0 ? DType::kString : DType::kInt64, {rows});
  context.set_output(1, DType::kFloat32,
                     {rows, static_cast<int64_t>(named != 0 ? named : numbered)});
  return {};
}

Result<void> infer_tree_ensemble(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kFloats));
  context.set_output(0, dtype,
                     {rows_of(context.input_type(0)), context.attrs().int_or("n_targets", 1)});
  return {};
}

std::vector<int64_t> count_up(size_t n) {
  std::vector<int64_t> out(n);
  std::iota(out.begin(), out.end(), 0);
  return out;
}

// Puts string <-> integer pairs into today's attributes; which way they map depends on the input.
Result<void> set_pairs(UpgradeContext& context, std::vector<std::string> strings,
                       std::vector<int64_t> ints) {
  AttrMap& attrs = context.node.attrs;
  const DType dtype = context.input_type(0).dtype;
  if (dtype == DType::kString) {
    attrs.set("keys_strings", std::move(strings));
    attrs.set("values_int64s", std::move(ints));
  } else if (dtype == DType::kInt64) {
    attrs.set("keys_int64s", std::move(ints));
    attrs.set("values_strings", std::move(strings));
  } else {
    return unsupported(cat(context.node.label(),
                           " needs an input known to be of strings or int64 when it is imported"));
  }
  return {};
}

// Version 1 named the strings only; the integers were their places.
Result<void> upgrade_label_encoder(UpgradeContext& context) {
  AttrMap& attrs = context.node.attrs;
  if (context.opset >= 2 || !attrs.has("classes_strings")) return {};
  std::vector<std::string> strings = attrs.strings_or("classes_strings");
  attrs.erase("classes_strings");
  std::vector<int64_t> places = count_up(strings.size());
  return set_pairs(context, std::move(strings), std::move(places));
}

Result<void> upgrade_category_mapper(UpgradeContext& context) {
  AttrMap& attrs = context.node.attrs;
  std::vector<std::string> strings = attrs.strings_or("cats_strings");
  std::vector<int64_t> ints = attrs.ints_or("cats_int64s");
  attrs.erase("cats_strings");
  attrs.erase("cats_int64s");
  context.node.op = "LabelEncoder";
  return set_pairs(context, std::move(strings), std::move(ints));
}

constexpr OpDef one_input(std::string_view name, Result<void> (*infer)(InferContext&),
                          plan::KernelFn kernel) {
  return {.name = name,
          .domain = kDomain,
          .min_inputs = 1,
          .max_inputs = 1,
          .infer = infer,
          .reference = kernel};
}

constexpr auto make_defs() {
  OpDef extractor =
      one_input("ArrayFeatureExtractor", infer_extractor, array_feature_extractor_reference);
  extractor.min_inputs = extractor.max_inputs = 2;
  OpDef encoder = one_input("LabelEncoder", infer_label_encoder, label_encoder_reference);
  encoder.upgrade = upgrade_label_encoder;
  OpDef mapper = one_input("CategoryMapper", nullptr, nullptr);
  mapper.upgrade = upgrade_category_mapper;
  OpDef vectorizer =
      one_input("FeatureVectorizer", infer_feature_vectorizer, feature_vectorizer_reference);
  vectorizer.max_inputs = -1;
  OpDef classifier =
      one_input("LinearClassifier", infer_linear_classifier, linear_classifier_reference);
  classifier.max_outputs = 2;
  return std::to_array<OpDef>({
      extractor,
      one_input("Binarizer", infer_same<kNumeric>, binarizer_reference),
      encoder,
      mapper,
      one_input("Scaler", infer_to_float, scaler_reference),
      one_input("Normalizer", infer_to_float, normalizer_reference),
      one_input("OneHotEncoder", infer_one_hot_encoder, one_hot_encoder_reference),
      vectorizer,
      one_input("Imputer", infer_same<kNumeric>, imputer_reference),
      one_input("LinearRegressor", infer_linear_regressor, linear_regressor_reference),
      classifier,
      one_input("TreeEnsemble", infer_tree_ensemble, tree_ensemble_reference),
  });
}

}  // namespace

std::span<const OpDef> op_defs() {
  static constexpr auto kDefs = make_defs();
  return kDefs;
}

}  // namespace sluice::ops::ml
