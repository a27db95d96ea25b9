#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <cmath>
#include <numbers>

#include "base/text.h"
#include "op/elements.h"
#include "op/operand.h"
#include "ops/random/random.h"

namespace sluice::ops::random {

using op::input_tensor;
using plan::KernelContext;

namespace {

constexpr uint64_t kStep =
    0x9E3779B97F4A7C15u;  // SplitMix64's increment: 2^64 over the golden ratio

uint64_t mixed(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

class Generator {
 public:
  explicit Generator(const AttrMap& attrs) {
    if (attrs.has("seed")) {
      key_ = mixed(std::bit_cast<uint32_t>(attrs.float_or("seed", 0)) + kStep);
      return;
    }
    static std::atomic<uint64_t> runs{
        static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count())};
    key_ = mixed(runs.fetch_add(kStep));
  }
  // In [0, 1).
  double uniform(int64_t i) const {
    const uint64_t draw = mixed(key_ + (static_cast<uint64_t>(i) + 1) * kStep);
    return static_cast<double>(draw >> 11) * 0x1p-53;
  }
  double normal(int64_t i) const {
    // Elements 2k and 2k+1 are the two coordinates of one point.
    const double radius = std::sqrt(-2 * std::log1p(-uniform(i & ~int64_t{1})));
    const double angle = 2 * std::numbers::pi * uniform(i | 1);
    return radius * ((i & 1) == 0 ? std::cos(angle) : std::sin(angle));
  }

 private:
  uint64_t key_ = 0;
};

Result<void> fill_normal(KernelContext& context, DType dtype, const Shape& shape) {
  SLUICE_ASSIGN(Tensor * out, context.out(0, dtype, shape));
  const Generator random(context.attrs());
  const double mean = context.attrs().float_or("mean", 0),
               scale = context.attrs().float_or("scale", 1);
  for (int64_t i = 0; i < out->elements(); ++i) out->set_double(i, mean + scale * random.normal(i));
  return {};
}

Result<void> fill_uniform(KernelContext& context, DType dtype, const Shape& shape) {
  SLUICE_ASSIGN(Tensor * out, context.out(0, dtype, shape));
  const Generator random(context.attrs());
  const double low = context.attrs().float_or("low", 0), high = context.attrs().float_or("high", 1);
  for (int64_t i = 0; i < out->elements(); ++i) {
    out->set_double(i, low + (high - low) * random.uniform(i));
  }
  return {};
}

Result<DType> float_dtype(const KernelContext& context, DType fallback) {
  SLUICE_ASSIGN(const DType dtype, dtype_or(context.attrs(), fallback));
  const op::DTypeSet floats = op::kFloats;
  if (!floats.has(dtype)) {
    return usage_error(
        cat("Random numbers of type ", dtype_name(dtype), " (allowed: ", floats.text(), ")"));
  }
  return dtype;
}

}  // namespace

Result<DType> dtype_or(const AttrMap& attrs, DType fallback) {
  const int64_t number = attrs.int_or("dtype", static_cast<int64_t>(fallback));
  if (!dtype_is_valid(number) || number == 0) {
    return invalid_model(cat("The element type number ", number, " is not known"));
  }
  return static_cast<DType>(number);
}

Result<void> random_normal_reference(KernelContext& context) {
  SLUICE_ASSIGN(const DType dtype, float_dtype(context, DType::kFloat32));
  SLUICE_ASSIGN(const Shape shape, op::checked_shape(context.attrs().ints_or("shape")));
  return fill_normal(context, dtype, shape);
}

Result<void> random_uniform_reference(KernelContext& context) {
  SLUICE_ASSIGN(const DType dtype, float_dtype(context, DType::kFloat32));
  SLUICE_ASSIGN(const Shape shape, op::checked_shape(context.attrs().ints_or("shape")));
  return fill_uniform(context, dtype, shape);
}

Result<void> random_normal_like_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0));
  SLUICE_ASSIGN(const DType dtype, float_dtype(context, in->dtype()));
  return fill_normal(context, dtype, in->shape());
}

Result<void> random_uniform_like_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0));
  SLUICE_ASSIGN(const DType dtype, float_dtype(context, in->dtype()));
  return fill_uniform(context, dtype, in->shape());
}

Result<void> bernoulli_reference(KernelContext& context) {
  const op::DTypeSet floats = op::kFloats;
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0, floats));
  SLUICE_ASSIGN(const DType dtype, dtype_or(context.attrs(), in->dtype()));
  if (dtype == DType::kString || is_complex(dtype)) {
    return usage_error(cat("Bernoulli makes ", dtype_name(dtype), " (numbers or bool)"));
  }
  SLUICE_ASSIGN(Tensor * out, context.out(0, dtype, in->shape()));
  const Generator random(context.attrs());
  for (int64_t i = 0; i < out->elements(); ++i) {
    out->set_double(i, random.uniform(i) < in->get_double(i) ? 1 : 0);
  }
  return {};
}

Result<void> multinomial_reference(KernelContext& context) {
  const op::DTypeSet floats = op::kFloats;
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0, floats));
  SLUICE_ASSIGN(const DType dtype, dtype_or(context.attrs(), DType::kInt32));
  const int64_t samples = context.attrs().int_or("sample_size", 1);
  if (in->rank() != 2 || samples < 0 || !op::DTypeSet(op::kIndices).has(dtype) || in->dim(1) == 0) {
    return usage_error(cat("Multinomial of ", in->text(), " makes ", samples, " samples of ",
                           dtype_name(dtype), " (2 axes, some classes, int32 or int64)"));
  }
  const int64_t classes = in->dim(1);
  SLUICE_ASSIGN(const Shape shape, op::checked_shape(std::vector<int64_t>{in->dim(0), samples}));
  SLUICE_ASSIGN(Tensor * out, context.out(0, dtype, shape));
  const Generator random(context.attrs());
  std::vector<double> sums(static_cast<size_t>(classes));
  for (int64_t row = 0; row < in->dim(0); ++row) {
    // Running sums of the unnormalized probabilities; the inputs are their logarithms.
    double top = -HUGE_VAL;
    for (int64_t c = 0; c < classes; ++c) top = std::max(top, in->get_double(row * classes + c));
    double sum = 0;
    for (int64_t c = 0; c < classes; ++c) {
      const double weight = std::exp(in->get_double(row * classes + c) - top);
      sum += std::isfinite(weight) ? weight : 0;
      sums[static_cast<size_t>(c)] = sum;
    }
    for (int64_t s = 0; s < samples; ++s) {
      const double wanted = random.uniform(row * samples + s) * sum;
      const auto at = std::ranges::upper_bound(sums, wanted) - sums.begin();
      out->set_int(row * samples + s, std::min<int64_t>(at, classes - 1));
    }
  }
  return {};
}

}  // namespace sluice::ops::random
