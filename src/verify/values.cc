#include "verify/values.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace sluice::verify {

namespace {

std::string differences(const Tensor& got, const Tensor& want, const Tolerances& tolerance,
                        bool values) {
  if (got.dtype() != want.dtype() || !(got.shape() == want.shape())) {
    return cat("is ", got.text(), " (", want.text(), " is expected)");
  }
  if (!values) return "";
  if (got.dtype() == DType::kString) {
    for (int64_t i = 0; i < got.elements(); ++i) {
      if (got.data<std::string>()[i] != want.data<std::string>()[i]) {
        return cat("element ", i, " is ", quoted(got.data<std::string>()[i]), " (",
                   quoted(want.data<std::string>()[i]), " is expected)");
      }
    }
    return "";
  }
  if (is_complex(got.dtype())) {
    const DType part = got.dtype() == DType::kComplex64 ? DType::kFloat32 : DType::kFloat64;
    const Shape flat{got.elements() * 2};
    return differences(Tensor::view(part, flat, got.bytes(), nullptr),
                       Tensor::view(part, flat, want.bytes(), nullptr), tolerance, values);
  }
  const bool floating = is_floating(got.dtype());
  int64_t wrong = 0, first = -1;
  double worst = 0;
  for (int64_t i = 0; i < got.elements(); ++i) {
    bool good;
    if (floating) {
      const double a = got.get_double(i), b = want.get_double(i);
      const double error = std::fabs(a - b);
      good = (std::isnan(a) && std::isnan(b)) || a == b ||
             (std::isfinite(b) && error <= tolerance.atol + tolerance.rtol * std::fabs(b));
      if (!good) worst = std::max(worst, error);
    } else {
      const double error = std::fabs(got.get_double(i) - want.get_double(i));
      good = got.get_int(i) == want.get_int(i) ||
             (tolerance.integer > 0 && error <= tolerance.integer);
      if (!good) worst = std::max(worst, error);
    }
    if (!good && wrong++ == 0) first = i;
  }
  if (wrong == 0) return "";
  return cat(wrong, " of ", got.elements(), " elements differ; the first is ", first, ": ",
             got.get_double(first), " (", want.get_double(first), " is expected), largest error ",
             worst);
}

}  // namespace

std::string differences(const Value& got, const Value& want, const Tolerances& tolerance,
                        bool values) {
  if (got.kind() != want.kind()) {
    // A tensor read where an optional is expected: test data holds the content alone.
    if (got.kind() == Value::Kind::kOptional && !got.items().empty()) {
      return differences(got.items()[0], want, tolerance, values);
    }
    return cat("is of kind ", static_cast<int>(got.kind()), " (", static_cast<int>(want.kind()),
               " is expected)");
  }
  if (got.is_tensor()) return differences(got.tensor(), want.tensor(), tolerance, values);
  if (!got.present()) return "";
  if (got.items().size() != want.items().size()) {
    return cat("has ", got.items().size(), " items (", want.items().size(), " are expected)");
  }
  for (size_t i = 0; i < got.items().size(); ++i) {
    std::string why = differences(got.items()[i], want.items()[i], tolerance, values);
    if (!why.empty()) return cat("item ", i, " ", why);
  }
  return "";
}

}  // namespace sluice::verify
