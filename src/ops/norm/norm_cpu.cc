// float32 normalization. Mean and variance are two passes (mean, then squared distances), summed in
// double across blocks; a row that was read for them is still in cache when it is scaled.
#include "ops/norm/norm_cpu.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "base/text.h"
#include "op/operand.h"
#include "op/refuse.h"
#include "op/scratch.h"
#include "ops/norm/norm_kernels.h"
#include "simd/elementwise.h"

namespace sluice::ops::norm {

using op::NodeView;
using plan::KernelContext;

namespace {

constexpr int64_t kGrainElems = 16 * 1024;

// A float32 operand of `count` elements.
Result<const float*> vector_input(const KernelContext& context, int input, int64_t count,
                                  std::string_view what) {
  SLUICE_ASSIGN(const Tensor* tensor, op::input_tensor(context, input, {DType::kFloat32}));
  if (tensor->elements() != count) {
    return usage_error(
        cat("The ", what, " has shape ", tensor->shape().text(), " (needs ", count, " elements)"));
  }
  return tensor->data<float>();
}

// to = (from - mean) * factor + shift, block by block so that the second step finds it in cache.
void shift_and_scale(const float* from, float mean, float factor, float shift, float* to,
                     int64_t n) {
  constexpr int64_t kBlock = 4096;
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t count = std::min(kBlock, n - i);
    simd::normalize(from + i, nullptr, nullptr, mean, factor, to + i, count);
    simd::binary(simd::Binary::kAdd, to + i, 1, &shift, 0, to + i, count);
  }
}

Result<void> batch_norm_f32(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, {DType::kFloat32}));
  if (context.attrs().int_or("training_mode", 0) != 0 || x->rank() < 2) {
    return batch_norm_reference(context);
  }
  const int64_t channels = x->dim(1), elems = x->shape().elements(2, x->rank());
  SLUICE_ASSIGN(const float* scale, vector_input(context, 1, channels, "scale"));
  SLUICE_ASSIGN(const float* bias, vector_input(context, 2, channels, "bias"));
  SLUICE_ASSIGN(const float* mean, vector_input(context, 3, channels, "mean"));
  SLUICE_ASSIGN(const float* variance, vector_input(context, 4, channels, "variance"));
  const double epsilon = context.attrs().float_or("epsilon", 1e-5f);
  SLUICE_ASSIGN(float* const factor, op::scratch<float>(context, channels, "Batch normalization"));
  for (int64_t c = 0; c < channels; ++c) {
    factor[c] =
        static_cast<float>(scale[c] / std::sqrt(static_cast<double>(variance[c]) + epsilon));
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, x->shape()));
  if (y->elements() == 0) return {};
  const float* const in = x->data<float>();
  float* const out = y->mutable_data<float>();
  const int64_t grain = std::max<int64_t>(1, kGrainElems / elems);
  context.parallel_for(x->dim(0) * channels, grain, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const int64_t c = plane % channels;
      const float f = factor[c];
      if (elems == 1) {
        out[plane] = (in[plane] - mean[c]) * f + bias[c];
      } else {
        shift_and_scale(in + plane * elems, mean[c], f, bias[c], out + plane * elems, elems);
      }
    }
  });
  return {};
}

struct Moments {
  float mean, inverse;
};
Moments moments(const float* x, int64_t n, double epsilon) {
  const double mean = simd::sum(x, n) / static_cast<double>(n);
  const auto centre = static_cast<float>(mean);
  // Distances were taken from the rounded mean.
  const double slip = mean - centre;
  const double variance =
      std::max(0.0, simd::sum_squares(x, n, centre) / static_cast<double>(n) - slip * slip);
  return {centre, static_cast<float>(1 / std::sqrt(variance + epsilon))};
}

Result<void> normalize_groups(KernelContext& context, int64_t groups, plan::KernelFn reference) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, {DType::kFloat32}));
  if (x->rank() < 2 || x->elements() == 0) return reference(context);
  const int64_t channels = x->dim(1), elems = x->shape().elements(2, x->rank());
  if (groups == 0) groups = channels;
  if (groups < 0 || channels % groups != 0) return reference(context);  // which says why
  SLUICE_ASSIGN(const float* scale, vector_input(context, 1, channels, "scale"));
  SLUICE_ASSIGN(const float* bias, vector_input(context, 2, channels, "bias"));
  const double epsilon = context.attrs().float_or("epsilon", 1e-5f);
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, x->shape()));
  const float* const in = x->data<float>();
  float* const out = y->mutable_data<float>();
  const int64_t per_group = channels / groups, group_elems = per_group * elems;
  const int64_t grain = std::max<int64_t>(1, kGrainElems / group_elems);
  context.parallel_for(x->dim(0) * groups, grain, [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; ++group) {
      const int64_t at = group * group_elems;
      const Moments found = moments(in + at, group_elems, epsilon);
      for (int64_t c = 0; c < per_group; ++c) {
        const int64_t channel = group % groups * per_group + c;
        shift_and_scale(in + at + c * elems, found.mean, found.inverse * scale[channel],
                        bias[channel], out + at + c * elems, elems);
      }
    }
  });
  return {};
}

Result<void> instance_norm_f32(KernelContext& context) {
  return normalize_groups(context, 0, instance_norm_reference);
}
Result<void> group_norm_f32(KernelContext& context) {
  const int64_t groups = context.attrs().int_or("num_groups", 0);
  if (groups < 1) return group_norm_reference(context);
  return normalize_groups(context, groups, group_norm_reference);
}

bool wanted(const KernelContext& context, int i) {
  return i < context.output_count() && context.wants(i);
}

Result<void> layer_norm(KernelContext& context, bool centred, plan::KernelFn reference) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, {DType::kFloat32}));
  SLUICE_ASSIGN(const Tensor* scale, op::input_tensor(context, 1, {DType::kFloat32}));
  SLUICE_ASSIGN(const int axis, op::normalized_axis(context.attrs().int_or("axis", -1), x->rank()));
  const int64_t inner = x->shape().elements(axis, x->rank());
  const Tensor* bias = nullptr;
  if (context.has(2)) {
    SLUICE_ASSIGN(bias, op::input_tensor(context, 2, {DType::kFloat32}));
  }
  // An operand that is one number per element of the row, and nothing that would broadcast it.
  const auto covers_row = [&](const Tensor& operand) {
    if (operand.rank() > x->rank() || operand.elements() != inner) return false;
    const int offset = x->rank() - operand.rank();
    for (int i = axis; i < x->rank(); ++i) {
      if (i < offset ? x->dim(i) != 1 : operand.dim(i - offset) != x->dim(i)) return false;
    }
    return true;
  };
  if (x->elements() == 0 || !covers_row(*scale) || (bias != nullptr && !covers_row(*bias)) ||
      wanted(context, 1) || wanted(context, 2)) {
    return reference(context);
  }
  const double epsilon = context.attrs().float_or("epsilon", 1e-5f);
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, x->shape()));
  const float* const in = x->data<float>();
  const float* const factors = scale->data<float>();
  const float* const shifts = bias == nullptr ? nullptr : bias->data<float>();
  float* const out = y->mutable_data<float>();
  const int64_t grain = std::max<int64_t>(1, kGrainElems / inner);
  context.parallel_for(x->elements() / inner, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* const from = in + row * inner;
      Moments found{0, 0};
      if (centred) {
        found = moments(from, inner, epsilon);
      } else {
        const double square = simd::sum_squares(from, inner) / static_cast<double>(inner);
        found.inverse = static_cast<float>(1 / std::sqrt(square + epsilon));
      }
      simd::normalize(from, factors, shifts, found.mean, found.inverse, out + row * inner, inner);
    }
  });
  return {};
}

Result<void> layer_norm_f32(KernelContext& context) {
  return layer_norm(context, true, layer_norm_reference);
}
Result<void> rms_norm_f32(KernelContext& context) {
  return layer_norm(context, false, rms_norm_reference);
}

std::string refuse(const NodeView& node) {
  if (std::string why = op::refuse_unless_float32(node); !why.empty()) return why;
  for (int i = 1; i < node.output_count(); ++i) {
    if (node.has_output(i)) return "statistics are wanted as outputs";
  }
  return {};
}

}  // namespace

const op::CpuCandidate kBatchNormCpu[1] = {
    {.kernel = {.name = "batch_norm.f32.simd", .run = batch_norm_f32},
     .refuse = refuse,
     .in_place_input = 0}};
const op::CpuCandidate kInstanceNormCpu[1] = {
    {.kernel = {.name = "instance_norm.f32.simd", .run = instance_norm_f32}, .refuse = refuse}};
const op::CpuCandidate kGroupNormCpu[1] = {
    {.kernel = {.name = "group_norm.f32.simd", .run = group_norm_f32}, .refuse = refuse}};
const op::CpuCandidate kLayerNormCpu[1] = {
    {.kernel = {.name = "layer_norm.f32.simd", .run = layer_norm_f32}, .refuse = refuse}};
const op::CpuCandidate kRmsNormCpu[1] = {
    {.kernel = {.name = "rms_norm.f32.simd", .run = rms_norm_f32}, .refuse = refuse}};

}  // namespace sluice::ops::norm
