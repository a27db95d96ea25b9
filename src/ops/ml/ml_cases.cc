#include <limits>

#include "op/case.h"

namespace sluice::ops::ml {

namespace {

constexpr const char* kDomain = "ai.onnx.ml";

Tensor strings(std::vector<std::string> values) {
  return Tensor::of_strings(Shape{static_cast<int64_t>(values.size())}, values);
}

}  // namespace

std::vector<op::Case> cases() {
  using Ints = std::vector<int64_t>;
  using Floats = std::vector<float>;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<op::Case> out;
  out.push_back({.name = "extract_features",
                 .op = "ArrayFeatureExtractor",
                 .domain = kDomain,
                 .inputs = {Tensor::of<float>(Shape{2, 3}, {1, 2, 3, 4, 5, 6}),
                            Tensor::of<int64_t>(Shape{2}, {2, 0})},
                 .outputs = {Tensor::of<float>(Shape{2, 2}, {3, 1, 6, 4})}});
  out.push_back({.name = "binarize",
                 .op = "Binarizer",
                 .domain = kDomain,
                 .attrs = {{"threshold", 1.0f}},
                 .inputs = {Tensor::of<float>(Shape{3}, {0.5f, 1, 1.5f})},
                 .outputs = {Tensor::of<float>(Shape{3}, {0, 0, 1})}});
  out.push_back({.name = "labels_string_to_int",
                 .op = "LabelEncoder",
                 .domain = kDomain,
                 .attrs = {{"keys_strings", std::vector<std::string>{"Amy", "Sally"}},
                           {"values_int64s", Ints{5, 6}}},
                 .inputs = {strings({"Dori", "Amy", "Sally"})},
                 .outputs = {Tensor::of<int64_t>(Shape{3}, {-1, 5, 6})}});
  out.push_back({.name = "labels_nan_key_last_wins",
                 .op = "LabelEncoder",
                 .domain = kDomain,
                 .attrs = {{"keys_floats", Floats{nan, 2, 2}}, {"values_floats", Floats{7, 8, 9}}},
                 .inputs = {Tensor::of<float>(Shape{3}, {nan, 2, 3})},
                 .outputs = {Tensor::of<float>(Shape{3}, {7, 9, -0.0f})}});
  out.push_back({.name = "scale_features",
                 .op = "Scaler",
                 .domain = kDomain,
                 .attrs = {{"offset", Floats{1, 2}}, {"scale", Floats{2, 0.5f}}},
                 .inputs = {Tensor::of<int64_t>(Shape{2, 2}, {3, 4, 1, 2})},
                 .outputs = {Tensor::of<float>(Shape{2, 2}, {4, 1, 0, 0})}});
  out.push_back({.name = "normalize_l2",
                 .op = "Normalizer",
                 .domain = kDomain,
                 .attrs = {{"norm", std::string("L2")}},
                 .inputs = {Tensor::of<float>(Shape{2, 2}, {3, -4, 0, 0})},
                 .outputs = {Tensor::of<float>(Shape{2, 2}, {0.6f, -0.8f, 0, 0})}});
  out.push_back({.name = "one_hot",
                 .op = "OneHotEncoder",
                 .domain = kDomain,
                 .attrs = {{"cats_int64s", Ints{1, 2, 3}}},
                 .inputs = {Tensor::of<int64_t>(Shape{2}, {3, 9})},
                 .outputs = {Tensor::of<float>(Shape{2, 3}, {0, 0, 1, 0, 0, 0})}});
  out.push_back({.name = "vectorize",
                 .op = "FeatureVectorizer",
                 .domain = kDomain,
                 .inputs = {Tensor::of<int64_t>(Shape{2, 1}, {1, 2}),
                            Tensor::of<int64_t>(Shape{2, 2}, {3, 4, 5, 6})},
                 .outputs = {Tensor::of<float>(Shape{2, 3}, {1, 3, 4, 2, 5, 6})}});
  out.push_back({.name = "impute_nan",
                 .op = "Imputer",
                 .domain = kDomain,
                 .attrs = {{"imputed_value_floats", Floats{5, 6}}, {"replaced_value_float", nan}},
                 .inputs = {Tensor::of<float>(Shape{2, 2}, {nan, 1, 2, nan})},
                 .outputs = {Tensor::of<float>(Shape{2, 2}, {5, 1, 2, 6})}});
  out.push_back({.name = "regress",
                 .op = "LinearRegressor",
                 .domain = kDomain,
                 .attrs = {{"coefficients", Floats{1, 2, 3, 4}},
                           {"intercepts", Floats{0.5f, -0.5f}},
                           {"targets", int64_t{2}}},
                 .inputs = {Tensor::of<float>(Shape{1, 2}, {10, 100})},
                 .outputs = {Tensor::of<float>(Shape{1, 2}, {210.5f, 429.5f})}});
  out.push_back({.name = "classify_three",
                 .op = "LinearClassifier",
                 .domain = kDomain,
                 .attrs = {{"coefficients", Floats{1, 0, 0, 1, -1, -1}},
                           {"classlabels_ints", Ints{10, 20, 30}}},
                 .inputs = {Tensor::of<float>(Shape{2, 2}, {1, 2, -3, -4})},
                 .outputs = {Tensor::of<int64_t>(Shape{2}, {20, 30}),
                             Tensor::of<float>(Shape{2, 3}, {1, 2, -3, -3, -4, 7})},
                 .output_count = 2});
  // One node, x <= 2 ? leaf 0 : leaf 1, with a NaN going to the true side.
  out.push_back({.name = "tree_with_missing_value",
                 .op = "TreeEnsemble",
                 .domain = kDomain,
                 .attrs = {{"n_targets", int64_t{2}},
                           {"tree_roots", Ints{0}},
                           {"nodes_modes", Tensor::of<uint8_t>(Shape{1}, {0})},
                           {"nodes_featureids", Ints{0}},
                           {"nodes_splits", Tensor::of<float>(Shape{1}, {2})},
                           {"nodes_missing_value_tracks_true", Ints{1}},
                           {"nodes_trueleafs", Ints{1}},
                           {"nodes_truenodeids", Ints{0}},
                           {"nodes_falseleafs", Ints{1}},
                           {"nodes_falsenodeids", Ints{1}},
                           {"leaf_targetids", Ints{0, 1}},
                           {"leaf_weights", Tensor::of<float>(Shape{2}, {10, 20})}},
                 .inputs = {Tensor::of<float>(Shape{3, 1}, {2, 3, nan})},
                 .outputs = {Tensor::of<float>(Shape{3, 2}, {10, 0, 0, 20, 10, 0})}});
  return out;
}

}  // namespace sluice::ops::ml
