// ops/ml: operators of the domain ai.onnx.ml that need no map type.
//   ArrayFeatureExtractor  Z = X[..., Y]; a 1-D X gives [1, K]
//   Binarizer              X > threshold ? 1 : 0
//   LabelEncoder           keys to values of any of the six dtypes; the last of equal keys counts,
//                          a NaN key matches every NaN
//   Scaler                 (X - offset) * scale, per feature or for all
//   Normalizer             rows over max(X), sum |X| or the Euclidean norm; rows of norm 0 stay
//   OneHotEncoder          an axis of categories is appended
//   FeatureVectorizer      2-D inputs side by side, as float32
//   Imputer                one value (NaN included) replaced by another, per feature or for all
//   LinearRegressor, LinearClassifier   X W^T + b, then post_transform
//   TreeEnsemble           leaves' weights, aggregated per target, then post_transform
// Versions of LabelEncoder before 2 and CategoryMapper become today's LabelEncoder.
#pragma once

#include "plan/kernel.h"

namespace sluice::ops::ml {

// clang-format off: one list, which the formatter would indent further every time
#define SLUICE_ML_KERNELS(X) \
  X(array_feature_extractor) X(binarizer) X(label_encoder) X(scaler) X(normalizer) \
  X(one_hot_encoder) X(feature_vectorizer) X(imputer) X(linear_regressor) X(linear_classifier) \
  X(tree_ensemble)
// clang-format on

#define SLUICE_DECLARE(name) Result<void> name##_reference(plan::KernelContext& context);
SLUICE_ML_KERNELS(SLUICE_DECLARE)
#undef SLUICE_DECLARE

// The keys, values or default of a LabelEncoder, from whichever of the attributes PREFIX_strings,
// PREFIX_int64s, PREFIX_floats and PREFIX_tensor is there; an undefined Tensor when none is.
Tensor label_list(const AttrMap& attrs, std::string_view prefix);

}  // namespace sluice::ops::ml
