// How the optimizers run on the GPU: one dispatch for what all tensors share, one for each tensor.
#include "base/text.h"
#include "op/lower.h"
#include "shader/optimizer_rate.h"
#include "shader/optimizer_step.h"

namespace sluice::ops::training {

namespace {

using op::LowerContext;
using plan::DeviceFormat;
using plan::SlotId;

enum Kind : uint32_t { kAdagrad, kAdam, kMomentum, kNesterov };

Result<void> optimize(LowerContext& context, Kind kind, int states) {
  const auto attr = [&](std::string_view name, float fallback) {
    return context.attrs().float_or(name, fallback);
  };
  for (int i = 0; i < context.input_count(); ++i) {
    if (i == 1 || context.in_format(i) == DeviceFormat::kF32) continue;
    return context.refuse(cat("input ", i, " is ", dtype_name(context.input_type(i).dtype),
                              " (float32 is computed here)"));
  }
  const float alpha = kind == kAdam ? attr("alpha", 0.9F) : attr("alpha", 0);
  const float beta = kind == kAdam ? attr("beta", 0.999F) : attr("beta", 0);
  if (kind == kAdam && (alpha < 0 || alpha >= 1 || beta < 0 || beta >= 1)) {
    return context.refuse("the decays are not between 0 and 1");
  }
  const SlotId rate = context.temp(DeviceFormat::kF32, 2);
  context.dispatch(shader::optimizer_rate::Call{
      .knobs = {.OP = kind == kNesterov ? kMomentum : kind},
      .params = {.alpha = kind == kAdagrad ? attr("decay_factor", 0) : alpha, .beta = beta},
      .rate = context.in(0),
      .count = context.in(1),
      .out = rate,
      .workgroups = 1});
  const int n = (context.input_count() - 2) / (2 + states);
  for (int k = 0; k < n; ++k) {
    const auto in = [&](int role) { return context.in(2 + role * n + k); };
    const Dim elements = op::elements(context.in_dims(2 + k));
    // Outputs nobody named still need memory.
    const auto out = [&](int role) {
      const int i = role * n + k;
      return context.has_output(i) ? context.out(i) : context.temp(DeviceFormat::kF32, elements);
    };
    const bool adam = kind == kAdam;
    context.dispatch(
        shader::optimizer_step::Call{.knobs = {.OP = kind},
                                     .params = {.n = elements,
                                                .alpha = alpha,
                                                .beta = beta,
                                                .epsilon = attr("epsilon", 0),
                                                .norm = attr("norm_coefficient", 0),
                                                .norm_post = attr("norm_coefficient_post", 0)},
                                     .rate = rate,
                                     .x = in(0),
                                     .g = in(1),
                                     .s = in(2),
                                     .v = adam ? in(3) : plan::kNoSlot,
                                     .x_new = out(0),
                                     .s_new = out(1),
                                     .v_new = adam ? out(2) : context.temp(DeviceFormat::kF32, 1),
                                     .workgroups = op::workgroups(elements, 256)});
  }
  return {};
}

Result<void> adagrad(LowerContext& context) { return optimize(context, kAdagrad, 1); }
Result<void> adam(LowerContext& context) { return optimize(context, kAdam, 2); }
Result<void> momentum(LowerContext& context) {
  const bool nesterov = context.attrs().string_or("mode", "standard") == "nesterov";
  return optimize(context, nesterov ? kNesterov : kMomentum, 1);
}

constexpr op::GpuCandidate kAdagradRow = {"training.adagrad", adagrad};
constexpr op::GpuCandidate kAdamRow = {"training.adam", adam};
constexpr op::GpuCandidate kMomentumRow = {"training.momentum", momentum};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  if (domain != "ai.onnx.preview.training") return {};
  if (name == "Adagrad") return {&kAdagradRow, 1};
  if (name == "Adam") return {&kAdamRow, 1};
  if (name == "Momentum") return {&kMomentumRow, 1};
  return {};
}

}  // namespace sluice::ops::training
