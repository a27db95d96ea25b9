#include "op/quantization.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"

namespace sluice::op {

int64_t quantize_to(DType dtype, double scaled, int64_t zero_point) {
  const double lowest = static_cast<double>(integer_min(dtype));
  const double highest = static_cast<double>(integer_max(dtype));
  const double rounded = std::isnan(scaled) ? 0.0 : std::nearbyint(scaled);
  const double value = rounded + static_cast<double>(zero_point);
  const double clamped = std::min(std::max(value, lowest), highest);
  if (clamped >= 9223372036854775808.0) return std::numeric_limits<int64_t>::max();  // 64 bits
  return static_cast<int64_t>(clamped);
}

DynamicScale dynamic_scale(std::span<const double> values) {
  float lowest = 0, highest = 0;
  for (const double value : values) {
    lowest = std::min(lowest, static_cast<float>(value));
    highest = std::max(highest, static_cast<float>(value));
  }
  DynamicScale out;
  if (lowest == highest) return out;
  out.scale = (highest - lowest) / 255.0f;
  out.zero_point = quantize_to(DType::kUInt8, 0.0f - lowest / out.scale, 0);
  return out;
}

Result<Shape> parameter_strides(const Shape& parameter, const Shape& of, int axis) {
  const auto count = parameter.checked_elements();
  if (count && *count == 1) return Shape::filled(of.rank(), 0);
  if (parameter.rank() == 1 && axis >= 0 && axis < of.rank()) {
    if (parameter[0] != of[axis]) {
      return invalid_model(cat("A quantization parameter has ", parameter[0],
                               " elements, its axis ", axis, " has another extent (", of[axis],
                               ")"));
    }
    Shape out = Shape::filled(of.rank(), 0);
    out[axis] = 1;
    return out;
  }
  const auto both = broadcast(parameter, of);
  if (!both || !(*both == of)) {
    return invalid_model(cat("A quantization parameter of shape ", parameter.text(),
                             " does not fit its tensor (", of.text(), ")"));
  }
  return broadcast_strides(parameter, of);
}

}  // namespace sluice::op
