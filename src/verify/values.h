// Values of a run held against test data, as ONNX's backend tests do it: the first difference as a
// sentence. (verify.h judges whole models and measures how far off they are.)
#pragma once

#include <string>

#include "tensor/value.h"

namespace sluice::verify {

struct Tolerances {
  double rtol = 1e-3, atol = 1e-7;  // ONNX's own
  double integer = 0;               // steps, for quantized goldens of other implementations
};

// Empty when `got` agrees with `want`; otherwise a sentence. Without `values` only dtypes and
// shapes are compared (random numbers).
std::string differences(const Value& got, const Value& want, const Tolerances& tolerance,
                        bool values = true);

}  // namespace sluice::verify
