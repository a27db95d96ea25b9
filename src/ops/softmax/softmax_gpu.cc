// How the softmax family runs on the GPU.
#include "op/lower.h"
#include "shader/softmax_lines.h"

namespace sluice::ops::softmax {

namespace {

using op::LowerContext;
using plan::DeviceFormat;

template <uint32_t kMode>
Result<void> lower_lines(LowerContext& context) {
  const DeviceFormat format = context.in_format(0);
  if (format != DeviceFormat::kF32 && format != DeviceFormat::kF16) {
    return context.refuse("float64 is not computed with on the GPU");
  }
  const Dims& dims = context.in_dims(0);
  SLUICE_ASSIGN(const int at,
                op::gpu_axis(context, context.attrs().int_or("axis", -1), dims.size()));
  const auto axis = static_cast<size_t>(at);
  const Dim inner = product(dims, axis + 1, dims.size());
  const Dim lines = product(dims, 0, axis) * inner;
  const bool last = inner.is_known() && inner.value() == 1;
  // Enough invocations per line to keep it short, not so many that most idle.
  const auto n = dims[axis].get();
  const uint32_t lanes = !n ? 64 : *n > 1024 ? 256 : *n > 64 ? 64 : *n > 8 ? 16 : 1;
  context.dispatch(shader::softmax_lines::Call{
      .knobs = {.SUBGROUPS = context.features().subgroups && lanes == 256 && kMode != 2,
                .T = plan::wgsl_type(format),
                .MODE = kMode,
                .LANES = lanes,
                .LANES_FIRST = last},
      .params = {.lines = lines, .n = dims[axis], .inner = inner},
      .x = context.in(0),
      .y = context.out(0),
      .workgroups = op::workgroups(lines, 256 / lanes)});
  return {};
}

struct Row {
  std::string_view op;
  op::GpuCandidate candidate;
};
constexpr Row kRows[] = {
    {"Softmax", {"softmax.lines", &lower_lines<0>}},
    {"LogSoftmax", {"log_softmax.lines", &lower_lines<1>}},
    {"Hardmax", {"hardmax.lines", &lower_lines<2>}},
};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  for (const Row& row : kRows) {
    if (domain.empty() && row.op == name) return {&row.candidate, 1};
  }
  return {};
}

}  // namespace sluice::ops::softmax
