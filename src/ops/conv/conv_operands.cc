#include "ops/conv/conv_operands.h"

#include "base/text.h"
#include "op/operand.h"
#include "ops/conv/conv_kernels.h"

namespace sluice::ops::conv {

namespace {
struct Fixed {
  ConvGeometry geometry;
  Shape shape;
  simd::Activation activation;
};
}  // namespace

Result<FloatOperands> float_operands(plan::KernelContext& context, bool fused) {
  FloatOperands o;
  SLUICE_ASSIGN(o.x, op::input_tensor(context, 0, {DType::kFloat32}));
  SLUICE_ASSIGN(o.w, op::input_tensor(context, 1, {DType::kFloat32}));
  const Tensor* bias = nullptr;
  if (context.has(2)) {
    SLUICE_ASSIGN(bias, op::input_tensor(context, 2, {DType::kFloat32}));
    o.bias = bias->data<float>();
  }
  const auto make = [&]() -> Result<Fixed> {
    Fixed made;
    SLUICE_ASSIGN(made.geometry, conv_geometry(context.attrs(), o.x->shape(), o.w->shape(),
                                               bias != nullptr ? &bias->shape() : nullptr));
    made.shape = conv_output_shape(made.geometry);
    if (fused) {
      SLUICE_ASSIGN(const op::Activation activation, fused_activation(context.attrs()));
      made.activation = vector_form(activation);
    }
    return made;
  };
  SLUICE_ASSIGN(const Fixed* fixed, context.kept<Fixed>(make));
  o.geometry = &fixed->geometry;
  o.shape = fixed->shape;
  o.activation = fixed->activation;
  if (fused && context.has(3)) {
    SLUICE_ASSIGN(const Tensor* z, op::input_tensor(context, 3, {DType::kFloat32}));
    if (!(z->shape() == o.shape)) {
      return usage_error(
          cat("The residual input has shape ", z->shape().text(), " (needs ", o.shape.text(), ")"));
    }
    o.residual = z->data<float>();
  }
  return o;
}

simd::Activation vector_form(const op::Activation& activation) {
  using Kind = op::Activation::Kind;
  using simd::Function;
  const auto a = static_cast<float>(activation.alpha), b = static_cast<float>(activation.beta);
  switch (activation.kind) {
    case Kind::kIdentity:
      return {};
    case Kind::kRelu:
      return simd::Activation::relu();
    case Kind::kTanh:
      return {Function::kTanh};
    case Kind::kSigmoid:
      return {Function::kSigmoid};
    case Kind::kAffine:
      return {Function::kAffine, a, b};
    case Kind::kLeakyRelu:
      return {Function::kLeakyRelu, a};
    case Kind::kThresholdedRelu:
      return {Function::kThresholdedRelu, a};
    case Kind::kScaledTanh:
      return {Function::kScaledTanh, a, b};
    case Kind::kHardSigmoid:
      return {Function::kHardSigmoid, a, b};
    case Kind::kElu:
      return {Function::kElu, a};
    case Kind::kSelu:
      return {Function::kSelu, a, b};
    case Kind::kSoftsign:
      return {Function::kSoftsign};
    case Kind::kSoftplus:
      return {Function::kSoftplus};
    case Kind::kClip:
      return {Function::kClip, a, b};
    case Kind::kHardSwish:
      return {Function::kHardSwish};
    case Kind::kGelu:
      return {Function::kGelu};
  }
  return {};
}

}  // namespace sluice::ops::conv
