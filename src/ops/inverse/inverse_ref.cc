#include <cmath>
#include <utility>
#include <vector>

#include "base/text.h"
#include "op/operand.h"
#include "ops/inverse/inverse.h"

namespace sluice::ops::inverse {

namespace {

// Turns [A | I] into [I | A^-1] by rows; false when A is singular.
bool invert(std::vector<double>& a, std::vector<double>& inverse, size_t n) {
  for (size_t i = 0; i < n * n; ++i) inverse[i] = i % (n + 1) == 0 ? 1 : 0;
  for (size_t column = 0; column < n; ++column) {
    size_t pivot = column;
    for (size_t row = column + 1; row < n; ++row) {
      if (std::fabs(a[row * n + column]) > std::fabs(a[pivot * n + column])) pivot = row;
    }
    if (!(std::fabs(a[pivot * n + column]) > 0)) return false;
    for (size_t k = 0; k < n && pivot != column; ++k) {
      std::swap(a[pivot * n + k], a[column * n + k]);
      std::swap(inverse[pivot * n + k], inverse[column * n + k]);
    }
    const double scale = 1 / a[column * n + column];
    for (size_t k = 0; k < n; ++k) {
      a[column * n + k] *= scale;
      inverse[column * n + k] *= scale;
    }
    for (size_t row = 0; row < n; ++row) {
      const double factor = a[row * n + column];
      if (row == column || factor == 0) continue;
      for (size_t k = 0; k < n; ++k) {
        a[row * n + k] -= factor * a[column * n + k];
        inverse[row * n + k] -= factor * inverse[column * n + k];
      }
    }
  }
  return true;
}

}  // namespace

Result<void> inverse_reference(plan::KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* input, op::input_tensor(context, 0, op::kFloats));
  const Tensor& x = *input;
  if (x.rank() < 2 || x.dim(-1) != x.dim(-2)) {
    return invalid_model(cat("Inverse takes square matrices (", x.text(), ")"));
  }
  const auto n = static_cast<size_t>(x.dim(-1));
  const int64_t batch = n == 0 ? 0 : x.elements() / static_cast<int64_t>(n * n);
  SLUICE_ASSIGN(Tensor * y, context.out(0, x.dtype(), x.shape()));
  std::vector<double> a(n * n), inverse(n * n);
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t first = b * static_cast<int64_t>(n * n);
    for (size_t i = 0; i < n * n; ++i) a[i] = x.get_double(first + static_cast<int64_t>(i));
    if (!invert(a, inverse, n)) {
      return invalid_model(cat("Matrix ", b, " of ", batch, " is singular and has no inverse"));
    }
    for (size_t i = 0; i < n * n; ++i) y->set_double(first + static_cast<int64_t>(i), inverse[i]);
  }
  return {};
}

}  // namespace sluice::ops::inverse
