// float32 elementwise functions by vector, in place where the input is not needed afterwards. Each
// operator is a row: its name and how its attributes become a simd::Activation.
#include "ops/unary/unary_cpu.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "op/operand.h"
#include "op/refuse.h"
#include "ops/unary/unary.h"
#include "simd/elementwise.h"

namespace sluice::ops::unary {

using op::NodeView;
using plan::KernelContext;
using simd::Activation;
using simd::Function;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// A range takes some 5 to 20 microseconds: 16 Ki elements of 4 bytes stream through in about that.
constexpr int64_t kGrain = 16 * 1024;

Result<void> map(KernelContext& context, const Activation& activation) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, {DType::kFloat32}));
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, x->shape()));
  const float* in = x->data<float>();
  float* out = y->mutable_data<float>();
  context.parallel_for(x->elements(), kGrain, [&](int64_t begin, int64_t end) {
    simd::apply(activation, in + begin, out + begin, end - begin);
  });
  return {};
}

template <Activation (*kMake)(const AttrMap& attrs)>
Result<void> run(KernelContext& context) {
  return map(context, kMake(context.attrs()));
}

template <Function kFunction>
Activation plain(const AttrMap& /*attrs*/) {
  return {kFunction};
}

Activation relu(const AttrMap& /*attrs*/) { return Activation::relu(); }
Activation leaky_relu(const AttrMap& attrs) {
  return {Function::kLeakyRelu, attrs.float_or("alpha", 0.01f)};
}
Activation elu(const AttrMap& attrs) { return {Function::kElu, attrs.float_or("alpha", 1.0f)}; }
Activation selu(const AttrMap& attrs) {
  return {Function::kSelu, attrs.float_or("alpha", 1.67326319217681884765625f),
          attrs.float_or("gamma", 1.05070102214813232421875f)};
}
Activation hard_sigmoid(const AttrMap& attrs) {
  return {Function::kHardSigmoid, attrs.float_or("alpha", 0.2f), attrs.float_or("beta", 0.5f)};
}
Activation thresholded_relu(const AttrMap& attrs) {
  return {Function::kThresholdedRelu, attrs.float_or("alpha", 1.0f)};
}
Activation swish(const AttrMap& attrs) { return {Function::kSwish, attrs.float_or("alpha", 1.0f)}; }
Activation quick_gelu(const AttrMap& attrs) {
  return {Function::kSwish, attrs.float_or("alpha", 1.702f)};
}
Activation gelu(const AttrMap& attrs) {
  return {attrs.string_or("approximate", "none") == "tanh" ? Function::kGeluTanh : Function::kGelu};
}
Activation affine(const AttrMap& attrs) {
  return {Function::kAffine, attrs.float_or("alpha", 1.0f), attrs.float_or("beta", 0.0f)};
}

Result<float> bound(const KernelContext& context, int i, float fallback) {
  if (!context.has(i)) return fallback;
  SLUICE_ASSIGN(const Tensor* tensor, op::input_tensor(context, i, {DType::kFloat32}));
  if (tensor->elements() != 1) {
    return usage_error(cat("A bound of Clip has ", tensor->elements(), " elements (must be 1)"));
  }
  return tensor->data<float>()[0];
}

Result<void> clip(KernelContext& context) {
  SLUICE_ASSIGN(const float low, bound(context, 1, -kInfinity));
  SLUICE_ASSIGN(const float high, bound(context, 2, kInfinity));
  return map(context, {Function::kClip, low, high});
}

// One slope, or one per index of a single axis with more axes behind it (channels).
Result<void> prelu(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, {DType::kFloat32}));
  SLUICE_ASSIGN(const Tensor* slope, op::input_tensor(context, 1, {DType::kFloat32}));
  const auto shape = broadcast(x->shape(), slope->shape());
  if (!shape || !(*shape == x->shape())) return prelu_reference(context);  // which says why
  const float* const slopes = slope->data<float>();
  if (slope->elements() == 1) return map(context, {Function::kLeakyRelu, slopes[0]});
  const Shape strides = broadcast_strides(slope->shape(), x->shape());
  int axis = -1;
  for (int i = 0; i < x->rank(); ++i) {
    if (strides[i] == 0 || x->dim(i) == 1) continue;
    if (axis >= 0) return prelu_reference(context);
    axis = i;
  }
  const int64_t inner = axis < 0 ? 1 : x->shape().elements(axis + 1, x->rank());
  if (inner < 8 || x->elements() == 0) return prelu_reference(context);
  const int64_t channels = x->dim(axis);
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, x->shape()));
  const float* const in = x->data<float>();
  float* const out = y->mutable_data<float>();
  const int64_t grain = std::max<int64_t>(1, kGrain / inner);
  context.parallel_for(x->elements() / inner, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      simd::apply({Function::kLeakyRelu, slopes[row % channels]}, in + row * inner,
                  out + row * inner, inner);
    }
  });
  return {};
}

// NaN as a bound is not what clamping by vector gives back; a model that has it gets the plain
// loop.
std::string refuse_clip(const NodeView& node) {
  for (int i = 1; i <= 2; ++i) {
    if (const auto value = node.constant_double(i); value && std::isnan(*value)) {
      return cat("input ", i, " is NaN");
    }
  }
  return op::refuse_unless_float32(node);
}

struct Row {
  std::string_view domain, name;
  op::CpuCandidate candidate;
};

constexpr op::CpuCandidate candidate(std::string_view name, plan::KernelFn kernel) {
  return {.kernel = {.name = name, .run = kernel},
          .refuse = op::refuse_unless_float32,
          .in_place_input = 0};
}

constexpr Row kRows[] = {
    {"", "Relu", candidate("relu.f32.simd", run<relu>)},
    {"", "LeakyRelu", candidate("leaky_relu.f32.simd", run<leaky_relu>)},
    {"", "Elu", candidate("elu.f32.simd", run<elu>)},
    {"", "Selu", candidate("selu.f32.simd", run<selu>)},
    {"", "HardSigmoid", candidate("hard_sigmoid.f32.simd", run<hard_sigmoid>)},
    {"", "HardSwish", candidate("hard_swish.f32.simd", run<plain<Function::kHardSwish>>)},
    {"", "ThresholdedRelu", candidate("thresholded_relu.f32.simd", run<thresholded_relu>)},
    {"", "Sigmoid", candidate("sigmoid.f32.simd", run<plain<Function::kSigmoid>>)},
    {"", "Tanh", candidate("tanh.f32.simd", run<plain<Function::kTanh>>)},
    {"", "Swish", candidate("swish.f32.simd", run<swish>)},
    {"", "Gelu", candidate("gelu.f32.simd", run<gelu>)},
    {"", "Mish", candidate("mish.f32.simd", run<plain<Function::kMish>>)},
    {"", "Softplus", candidate("softplus.f32.simd", run<plain<Function::kSoftplus>>)},
    {"", "Softsign", candidate("softsign.f32.simd", run<plain<Function::kSoftsign>>)},
    {"", "Exp", candidate("exp.f32.simd", run<plain<Function::kExp>>)},
    {"", "Log", candidate("log.f32.simd", run<plain<Function::kLog>>)},
    {"", "Erf", candidate("erf.f32.simd", run<plain<Function::kErf>>)},
    {"", "Sqrt", candidate("sqrt.f32.simd", run<plain<Function::kSqrt>>)},
    {"", "Reciprocal", candidate("reciprocal.f32.simd", run<plain<Function::kReciprocal>>)},
    {"", "Neg", candidate("neg.f32.simd", run<plain<Function::kNeg>>)},
    {"", "Abs", candidate("abs.f32.simd", run<plain<Function::kAbs>>)},
    {"", "Floor", candidate("floor.f32.simd", run<plain<Function::kFloor>>)},
    {"", "Ceil", candidate("ceil.f32.simd", run<plain<Function::kCeil>>)},
    {"", "Round", candidate("round.f32.simd", run<plain<Function::kRound>>)},
    {"", "Affine", candidate("affine.f32.simd", run<affine>)},
    {"",
     "Clip",
     {.kernel = {.name = "clip.f32.simd", .run = clip},
      .refuse = refuse_clip,
      .in_place_input = 0}},
    {"", "PRelu", candidate("prelu.f32.simd", prelu)},
    {"com.microsoft", "Gelu", candidate("ms_gelu.f32.simd", run<plain<Function::kGelu>>)},
    {"com.microsoft", "QuickGelu", candidate("quick_gelu.f32.simd", run<quick_gelu>)},
};

}  // namespace

std::span<const op::CpuCandidate> unary_cpu(std::string_view domain, std::string_view name) {
  for (const Row& row : kRows) {
    if (row.domain == domain && row.name == name) return {&row.candidate, 1};
  }
  return {};
}

}  // namespace sluice::ops::unary
