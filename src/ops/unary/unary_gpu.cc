// How the unary family runs on the GPU.
#include <array>

#include "op/lower.h"
#include "shader/unary.h"

namespace sluice::ops::unary {

namespace {

using op::LowerContext;
using plan::DeviceFormat;

template <uint32_t kOp>
Result<void> lower_unary(LowerContext& context) {
  const DeviceFormat format = context.in_format(0);
  if (format != DeviceFormat::kF32 && format != DeviceFormat::kF16) {
    return context.refuse("only floating point is computed here");
  }
  const Dim n = op::elements(context.in_dims(0));
  context.dispatch(
      shader::unary::Call{.knobs = {.T = plan::wgsl_type(format), .OP = kOp},
                          .params = {.n = n, .alpha = context.attrs().float_or("alpha", 0.01F)},
                          .x = context.in(0),
                          .y = context.out(0),
                          .workgroups = op::workgroups(n, 256)});
  return {};
}

struct Row {
  std::string_view domain, op;
  op::GpuCandidate candidate;
};
constexpr Row kRows[] = {
    {"", "Relu", {"unary.relu", &lower_unary<0>}},
    {"", "LeakyRelu", {"unary.leaky_relu", &lower_unary<1>}},
    {"", "Sigmoid", {"unary.sigmoid", &lower_unary<2>}},
};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  for (const Row& row : kRows) {
    if (row.domain == domain && row.op == name) return {&row.candidate, 1};
  }
  return {};
}

}  // namespace sluice::ops::unary
