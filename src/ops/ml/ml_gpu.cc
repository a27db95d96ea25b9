// How the simple operators of ai.onnx.ml run on the GPU. Labels, categories and trees stay on the
// CPU.
#include <algorithm>

#include "base/text.h"
#include "op/gpu_copy.h"
#include "op/lower.h"
#include "shader/features.h"
#include "shader/gather.h"
#include "shader/linear_model.h"
#include "shader/row_norm.h"
#include "shader/strided_copy.h"

namespace sluice::ops::ml {

namespace {

using op::LowerContext;
using plan::DeviceFormat;

Result<void> check(LowerContext& context, bool integers) {
  const DeviceFormat format = context.in_format(0);
  if (format != DeviceFormat::kF32 && format != DeviceFormat::kF16 &&
      !(integers && format == DeviceFormat::kI32)) {
    return context.refuse("only float32 is computed here");
  }
  if (const std::string large = op::oversized(context); !large.empty()) {
    return context.refuse(large);
  }
  return {};
}

plan::SlotId table(LowerContext& context, std::vector<float> values, std::string_view name) {
  const auto size = static_cast<int64_t>(values.size());
  return context.constant(Tensor::of<float>(Shape{size}, std::span<const float>(values)), name);
}

Result<void> features(LowerContext& context, uint32_t op, std::vector<float> a,
                      std::vector<float> b) {
  const Dims& in = context.in_dims(0);
  const Dim per_row = in.empty() ? Dim(1) : in.back();
  for (const auto* list : {&a, &b}) {
    const Dim count(static_cast<int64_t>(list->size()));
    if (!(count == Dim(1)) && !(count == per_row)) {
      if (!per_row.is_known()) SLUICE_TRY(context.static_in(0));
      return context.refuse(cat("a list of ", list->size(), " fits no feature count"));
    }
  }
  const Dim n = op::elements(in);
  const auto a_count = static_cast<int64_t>(a.size()), b_count = static_cast<int64_t>(b.size());
  context.dispatch(shader::features::Call{
      .knobs = {.TX = plan::wgsl_type(context.in_format(0)),
                .TY = plan::wgsl_type(context.out_format(0)),
                .OP = op},
      .params = {.n = n, .features = per_row, .a_count = a_count, .b_count = b_count},
      .x = context.in(0),
      .a = table(context, std::move(a), "a"),
      .b = table(context, std::move(b), "b"),
      .y = context.out(0),
      .workgroups = op::workgroups(n, 256)});
  return {};
}

Result<void> lower_binarizer(LowerContext& context) {
  SLUICE_TRY(check(context, false));
  return features(context, 0, {context.attrs().float_or("threshold", 0.0F)}, {0.0F});
}

Result<void> lower_scaler(LowerContext& context) {
  SLUICE_TRY(check(context, true));
  auto offset = context.attrs().floats_or("offset"), scale = context.attrs().floats_or("scale");
  if (offset.empty()) offset = {0.0F};
  if (scale.empty()) scale = {1.0F};
  return features(context, 1, std::move(offset), std::move(scale));
}

Result<void> lower_imputer(LowerContext& context) {
  SLUICE_TRY(check(context, false));
  return features(context, 2, {context.attrs().float_or("replaced_value_float", 0.0F)},
                  context.attrs().floats_or("imputed_value_floats"));
}

// Rows and columns of a [N, C] or [C] input.
Result<std::array<Dim, 2>> matrix(LowerContext& context) {
  const Dims& in = context.in_dims(0);
  if (in.size() == 1) return std::array<Dim, 2>{Dim(1), in[0]};
  if (in.size() == 2) return std::array<Dim, 2>{in[0], in[1]};
  return context.refuse(cat("the input has ", in.size(), " axes (1 or 2)"));
}

Result<void> lower_normalizer(LowerContext& context) {
  SLUICE_TRY(check(context, true));
  SLUICE_ASSIGN(const auto shape, matrix(context));
  const std::string norm = context.attrs().string_or("norm", "MAX");
  if (norm != "MAX" && norm != "L1" && norm != "L2") return context.refuse("the norm is not known");
  context.dispatch(shader::row_norm::Call{.knobs = {.T = plan::wgsl_type(context.in_format(0)),
                                                    .TY = plan::wgsl_type(context.out_format(0)),
                                                    .NORM = norm == "MAX"  ? 0u
                                                            : norm == "L1" ? 1u
                                                                           : 2u},
                                          .params = {.rows = shape[0], .columns = shape[1]},
                                          .x = context.in(0),
                                          .y = context.out(0),
                                          .workgroups = shape[0]});
  return {};
}

Result<void> lower_linear_regressor(LowerContext& context) {
  SLUICE_TRY(check(context, true));
  SLUICE_ASSIGN(const auto shape, matrix(context));
  const int64_t targets = context.attrs().int_or("targets", 1);
  const std::string transform = context.attrs().string_or("post_transform", "NONE");
  auto coefficients = context.attrs().floats_or("coefficients");
  auto intercepts = context.attrs().floats_or("intercepts");
  if (transform != "NONE" && transform != "LOGISTIC") {
    return context.refuse(cat("the transform ", quoted(transform), " is not computed here"));
  }
  if (!shape[1].is_known()) SLUICE_TRY(context.static_in(0));
  constexpr int64_t kMost = 1 << 24;
  if (targets < 1 || targets > kMost || !shape[1].is_known() ||
      static_cast<int64_t>(coefficients.size()) != targets * shape[1].value() ||
      (!intercepts.empty() && static_cast<int64_t>(intercepts.size()) != targets) ||
      coefficients.empty() || context.out_format(0) != DeviceFormat::kF32) {
    return context.refuse("the coefficients don't fit");
  }
  if (intercepts.empty()) intercepts.assign(static_cast<size_t>(targets), 0.0F);
  const Dim n = shape[0] * Dim(targets);
  context.dispatch(shader::linear_model::Call{
      .knobs = {.T = plan::wgsl_type(context.in_format(0)), .LOGISTIC = transform == "LOGISTIC"},
      .params = {.n = n, .columns = shape[1], .targets = targets},
      .x = context.in(0),
      .coefficients = table(context, std::move(coefficients), "coefficients"),
      .intercepts = table(context, std::move(intercepts), "intercepts"),
      .y = context.out(0),
      .workgroups = op::workgroups(n, 64)});
  return {};
}

// A gather along the last axis.
Result<void> lower_extractor(LowerContext& context) {
  const DeviceFormat format = context.out_format(0);
  if (plan::element_bytes(format) == 0 || context.in_format(1) != DeviceFormat::kI64) {
    return context.refuse("its elements stay on the host");
  }
  if (const std::string large = op::oversized(context); !large.empty()) {
    return context.refuse(large);
  }
  const Dims& in = context.in_dims(0);
  if (in.empty()) return context.refuse("a scalar has no features");
  if (const Tensor* known = context.NodeView::constant(1)) {
    for (const int64_t index : known->to_ints()) {
      if (index < 0 || (in.back().is_known() && index >= in.back().value())) {
        return context.refuse(cat("the feature ", index, " is out of range"));
      }
    }
  }
  const Dim rows = product(in, 0, in.size() - 1), picks = op::elements(context.in_dims(1));
  const Dim n = rows * picks;
  context.dispatch(shader::gather::Call{.knobs = {.T = op::move_type(format), .WORDS = 2},
                                        .params = {.n = n,
                                                   .inner = 1,
                                                   .picks = picks,
                                                   .extent = in.back(),
                                                   .x_first = 0,
                                                   .x_rows = rows * in.back(),
                                                   .y_first = 0},
                                        .x = context.in(0),
                                        .index = context.in(1),
                                        .y = context.out(0),
                                        .workgroups = op::workgroups(n, 256)});
  return {};
}

Result<void> lower_vectorizer(LowerContext& context) {
  const Dims& out = context.out_dims(0);
  const Dims to_strides = op::strides(out);
  Dim at(0);
  for (int i = 0; i < context.input_count(); ++i) {
    if (context.in_format(i) != DeviceFormat::kF32) {
      return context.refuse(cat("input ", i, " is not float32"));
    }
    Dims in = context.in_dims(i);
    if (in.size() == 1) in.insert(in.begin(), Dim(1));
    if (in.size() != 2) return context.refuse(cat("input ", i, " is no matrix"));
    SLUICE_TRY(
        op::dispatch_copy<shader::strided_copy::Call>(context, {.from = context.in(i),
                                                                .to = context.out(0),
                                                                .shape = in,
                                                                .from_strides = op::strides(in),
                                                                .to_strides = to_strides,
                                                                .to_offset = at}));
    at = at + in[1];
  }
  return {};
}

struct Row {
  std::string_view op;
  op::GpuCandidate candidate;
};
constexpr Row kRows[] = {
    {"ArrayFeatureExtractor", {"gather", &lower_extractor}},
    {"Binarizer", {"features", &lower_binarizer}},
    {"Scaler", {"features", &lower_scaler}},
    {"Imputer", {"features", &lower_imputer}},
    {"Normalizer", {"row_norm", &lower_normalizer}},
    {"FeatureVectorizer", {"feature_vectorizer.copy", &lower_vectorizer}},
    {"LinearRegressor", {"linear_model", &lower_linear_regressor}},
};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  for (const Row& row : kRows) {
    if (domain == "ai.onnx.ml" && row.op == name) return {&row.candidate, 1};
  }
  return {};
}

}  // namespace sluice::ops::ml
