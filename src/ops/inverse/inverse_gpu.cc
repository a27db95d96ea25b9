// How Inverse runs on the GPU.
#include "base/text.h"
#include "op/gpu_copy.h"
#include "op/lower.h"
#include "ops/inverse/inverse.h"
#include "shader/inverse.h"

namespace sluice::ops::inverse {

namespace {

Result<void> lower_inverse(op::LowerContext& context) {
  const plan::DeviceFormat format = context.in_format(0);
  if (format != plan::DeviceFormat::kF32 && format != plan::DeviceFormat::kF16) {
    return context.refuse("only float32 and float16 are computed here");
  }
  if (const std::string large = op::oversized(context); !large.empty()) {
    return context.refuse(large);
  }
  const Dims& in = context.in_dims(0);
  if (in.size() < 2) return context.refuse("it has fewer than 2 axes");
  if (!in.back().is_known()) SLUICE_TRY(context.static_in(0));
  constexpr int64_t kMost = 45;  // two of n x n in 16 KiB of workgroup memory
  if (in.back().value() > kMost) {
    return context.refuse(
        cat("the matrices have ", in.back().value(), " rows (limit ", kMost, ")"));
  }
  const int64_t needed = 2 * in.back().value() * in.back().value();
  const uint32_t words = needed <= 128 ? 128 : needed <= 512 ? 512 : needed <= 2048 ? 2048 : 4050;
  const Dim matrices = product(in, 0, in.size() - 2);
  context.dispatch(shader::inverse::Call{.knobs = {.T = plan::wgsl_type(format), .WORDS = words},
                                         .params = {.matrices = matrices, .n = in.back()},
                                         .x = context.in(0),
                                         .y = context.out(0),
                                         .workgroups = matrices});
  return {};
}

constexpr op::GpuCandidate kInverse = {"inverse", &lower_inverse};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  if (domain == "com.microsoft" && name == "Inverse") return {&kInverse, 1};
  return {};
}

}  // namespace sluice::ops::inverse
