// How random numbers are made on the GPU: where the node names its seed, by the generator of the
// CPU. Without a seed each run takes a fresh key from the process, which a plan can't hold.
#include <bit>

#include "base/text.h"
#include "op/lower.h"
#include "shader/random_numbers.h"

namespace sluice::ops::random {

namespace {

using op::LowerContext;
using plan::DeviceFormat;

bool is_float(DeviceFormat format) {
  return format == DeviceFormat::kF32 || format == DeviceFormat::kF16;
}

// The key that the generator derives from the seed (see random.h).
uint64_t key_of(float seed) {
  uint64_t x = std::bit_cast<uint32_t>(seed) + uint64_t{0x9E3779B97F4A7C15};
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

enum Kind : uint32_t { kUniform, kNormal, kBernoulli };

Result<void> fill(LowerContext& context, Kind kind, float a, float b) {
  if (!context.attrs().has("seed")) {
    return context.refuse("without a seed, each run takes a fresh one on the CPU");
  }
  const DeviceFormat to = context.out_format(0);
  const bool words = to == DeviceFormat::kI32 || to == DeviceFormat::kU32;
  if (!is_float(to) && !(kind == kBernoulli && words)) {
    return context.refuse(
        cat("numbers of type ", dtype_name(context.output_type(0).dtype), " are not made here"));
  }
  const bool reads = kind == kBernoulli;
  if (reads && !is_float(context.in_format(0))) {
    return context.refuse("float64 is not computed with on devices");
  }
  const uint64_t key = key_of(context.attrs().float_or("seed", 0));
  const Dim n = op::elements(context.out_dims(0));
  context.dispatch(shader::random_numbers::Call{
      .knobs = {.X = reads ? plan::wgsl_type(context.in_format(0)) : "f32",
                .R = plan::wgsl_type(to),
                .OP = kind},
      .params = {.n = n,
                 .key_low = static_cast<int64_t>(key & 0xffffffffU),
                 .key_high = static_cast<int64_t>(key >> 32),
                 .a = a,
                 .b = b},
      .x = reads ? context.in(0) : plan::kNoSlot,
      .y = context.out(0),
      .workgroups = op::workgroups(n, 256)});
  return {};
}

Result<void> uniform(LowerContext& context) {
  return fill(context, kUniform, context.attrs().float_or("low", 0),
              context.attrs().float_or("high", 1));
}
Result<void> normal(LowerContext& context) {
  return fill(context, kNormal, context.attrs().float_or("mean", 0),
              context.attrs().float_or("scale", 1));
}
Result<void> bernoulli(LowerContext& context) { return fill(context, kBernoulli, 0, 0); }

constexpr op::GpuCandidate kUniformRow = {"random.uniform", uniform};
constexpr op::GpuCandidate kNormalRow = {"random.normal", normal};
constexpr op::GpuCandidate kBernoulliRow = {"random.bernoulli", bernoulli};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  if (!domain.empty()) return {};
  if (name == "RandomUniform" || name == "RandomUniformLike") return {&kUniformRow, 1};
  if (name == "RandomNormal" || name == "RandomNormalLike") return {&kNormalRow, 1};
  if (name == "Bernoulli") return {&kBernoulliRow, 1};
  return {};
}

}  // namespace sluice::ops::random
