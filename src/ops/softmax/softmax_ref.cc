#include <cmath>
#include <limits>

#include "op/operand.h"
#include "ops/softmax/softmax.h"

namespace sluice::ops::softmax {

namespace {

using plan::KernelContext;

// Runs row(values) on every line along the axis and writes the values back.
template <class Row>
Result<void> along_axis(KernelContext& context, Row&& row) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  const Shape& shape = x->shape();
  SLUICE_ASSIGN(const int axis,
                op::normalized_axis(context.attrs().int_or("axis", -1), shape.rank()));
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), shape));
  if (x->elements() == 0) return {};
  const int64_t length = shape[axis];
  const int64_t stride = shape.elements(axis + 1, shape.rank());
  const int64_t outer = shape.elements(0, axis);
  std::vector<double> values(static_cast<size_t>(length));
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t inner = 0; inner < stride; ++inner) {
      const int64_t base = o * length * stride + inner;
      for (int64_t i = 0; i < length; ++i) {
        values[static_cast<size_t>(i)] = x->get_double(base + i * stride);
      }
      row(values);
      for (int64_t i = 0; i < length; ++i) {
        y->set_double(base + i * stride, values[static_cast<size_t>(i)]);
      }
    }
  }
  return {};
}

double maximum(const std::vector<double>& values) {
  double max = -std::numeric_limits<double>::infinity();
  for (const double v : values) max = v > max ? v : max;
  return max;
}

}  // namespace

Result<void> softmax_reference(KernelContext& context) {
  return along_axis(context, [](std::vector<double>& values) {
    const double max = maximum(values);
    double sum = 0;
    for (double& v : values) sum += v = std::exp(v - max);
    for (double& v : values) v /= sum;
  });
}

Result<void> log_softmax_reference(KernelContext& context) {
  return along_axis(context, [](std::vector<double>& values) {
    const double max = maximum(values);
    double sum = 0;
    for (const double v : values) sum += std::exp(v - max);
    const double log_sum = std::log(sum);
    for (double& v : values) v = v - max - log_sum;
  });
}

Result<void> hardmax_reference(KernelContext& context) {
  return along_axis(context, [](std::vector<double>& values) {
    size_t best = 0;
    for (size_t i = 1; i < values.size(); ++i) {
      if (values[i] > values[best]) best = i;
    }
    for (size_t i = 0; i < values.size(); ++i) values[i] = i == best ? 1.0 : 0.0;
  });
}

}  // namespace sluice::ops::softmax
