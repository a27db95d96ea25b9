// How the losses run on the GPU: logarithms of probabilities, the loss of each target, their sum.
#include "base/text.h"
#include "op/lower.h"
#include "shader/loss_log_softmax.h"
#include "shader/loss_pick.h"
#include "shader/loss_sum.h"

namespace sluice::ops::loss {

namespace {

using op::LowerContext;
using plan::DeviceFormat;
using plan::SlotId;

bool is_float(DeviceFormat format) {
  return format == DeviceFormat::kF32 || format == DeviceFormat::kF16;
}

// Losses from the logarithms `logs` of [outer, classes, inner].
Result<void> pick(LowerContext& context, SlotId logs) {
  const Dims& dims = context.in_dims(0);
  const DeviceFormat target = context.in_format(1);
  const bool has_weight = context.has_input(2);
  if (has_weight && !is_float(context.in_format(2))) {
    return context.refuse("float64 is not computed with on devices");
  }
  const Dim classes = dims[1], inner = product(dims, 2, dims.size()), n = dims[0] * inner;
  const std::string reduction = context.attrs().string_or("reduction", "mean");
  const bool each = reduction == "none";
  const int64_t ignored = context.attrs().int_or("ignore_index", 0);
  const SlotId value = each ? context.out(0) : context.temp(DeviceFormat::kF32, n);
  const SlotId share = context.temp(DeviceFormat::kF32, n);
  context.dispatch(shader::loss_pick::Call{
      .knobs = {.T = plan::wgsl_type(context.format(logs)),
                .W = has_weight ? plan::wgsl_type(context.in_format(2)) : "f32",
                .R = plan::wgsl_type(context.format(value)),
                .LONG = target == DeviceFormat::kI64,
                .HAS_WEIGHT = has_weight,
                .HAS_IGNORED = context.attrs().has("ignore_index")},
      .params = {.n = n,
                 .classes = classes,
                 .inner = inner,
                 .ignored_low = static_cast<int64_t>(static_cast<uint32_t>(ignored)),
                 .ignored_high = static_cast<int64_t>(static_cast<uint64_t>(ignored) >> 32)},
      .logs = logs,
      .target_class = context.in(1),
      .weight = has_weight ? context.in(2) : plan::kNoSlot,
      .value = value,
      .share = share,
      .workgroups = op::workgroups(n, 256)});
  if (each) return {};
  context.dispatch(shader::loss_sum::Call{
      .knobs = {.R = plan::wgsl_type(context.out_format(0)), .MEAN = reduction == "mean"},
      .params = {.n = n},
      .value = value,
      .share = share,
      .y = context.out(0),
      .workgroups = 1});
  return {};
}

Result<void> require_floats(const LowerContext& context) {
  if (!is_float(context.in_format(0)) || context.in_dims(0).size() < 2) {
    return context.refuse("scores of at least two axes and at most 32 bits are computed here");
  }
  return {};
}

Result<void> negative_log_likelihood(LowerContext& context) {
  SLUICE_TRY(require_floats(context));
  return pick(context, context.in(0));
}

Result<void> softmax_cross_entropy(LowerContext& context) {
  SLUICE_TRY(require_floats(context));
  const Dims& dims = context.in_dims(0);
  const Dim inner = product(dims, 2, dims.size()), lines = dims[0] * inner;
  const SlotId logs =
      context.has_output(1) ? context.out(1) : context.temp(DeviceFormat::kF32, op::elements(dims));
  context.dispatch(
      shader::loss_log_softmax::Call{.knobs = {.T = plan::wgsl_type(context.in_format(0)),
                                               .R = plan::wgsl_type(context.format(logs))},
                                     .params = {.lines = lines, .classes = dims[1], .inner = inner},
                                     .x = context.in(0),
                                     .y = logs,
                                     .workgroups = lines});
  return pick(context, logs);
}

constexpr op::GpuCandidate kNegativeLogLikelihood = {"loss.nll", negative_log_likelihood};
constexpr op::GpuCandidate kSoftmaxCrossEntropy = {"loss.cross_entropy", softmax_cross_entropy};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  if (!domain.empty()) return {};
  if (name == "NegativeLogLikelihoodLoss") return {&kNegativeLogLikelihood, 1};
  if (name == "SoftmaxCrossEntropyLoss") return {&kSoftmaxCrossEntropy, 1};
  return {};
}

}  // namespace sluice::ops::loss
