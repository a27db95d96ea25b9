// What the float32 kernels of Conv and sluice.FusedConv read, checked against one another.
#pragma once

#include "op/activation.h"
#include "op/op.h"
#include "ops/conv/conv.h"
#include "simd/activation.h"

namespace sluice::ops::conv {

struct FloatOperands {
  const Tensor* x = nullptr;
  const Tensor* w = nullptr;
  const float* bias = nullptr;             // null: none
  const float* residual = nullptr;         // of the output's shape; null: none
  const ConvGeometry* geometry = nullptr;  // kept by the step
  Shape shape;                             // of the output
  simd::Activation activation;
};
// fused: sluice.FusedConv, with its residual and activation.
Result<FloatOperands> float_operands(plan::KernelContext& context, bool fused);

// The activation as the vector kernels know it.
simd::Activation vector_form(const op::Activation& activation);

}  // namespace sluice::ops::conv
