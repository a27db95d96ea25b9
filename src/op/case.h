// Case: one row of an operator's case table (`ops/<family>/<family>_cases.cc`). Every case runs on
// the reference (against the golden outputs where given) and on every executor (against the
// reference).
#pragma once

#include <string>
#include <vector>

#include "tensor/attributes.h"
#include "tensor/value.h"

namespace sluice::op {

struct Case {
  std::string name;  // unique within the family: "axis_1_tail_129"
  std::string op;
  std::string domain = "";
  AttrMap attrs = {};
  std::vector<Value> inputs = {};
  // Goldens computed by hand or by an outside oracle; empty: executors against reference only.
  std::vector<Value> outputs = {};
  int output_count = 1;
  // |e| <= atol + rtol * |reference|, element by element; integers and strings are exact.
  double atol = 1e-5;
  double rtol = 1e-5;
  bool bench = false;
  // Inputs handed over as constants (weights), so that prepacking is exercised.
  std::vector<int> constant_inputs = {};
};

// Deterministic test data: element i takes h = (i + 1 + seed * 7919) * 2654435761 mod 2^32 and
// u = floor(h / 256) / 2^24; floats are 2u - 1 scaled by `scale`, integers spread over `lo..hi`.
Tensor case_floats(const Shape& shape, int seed = 0, double scale = 1.0,
                   DType dtype = DType::kFloat32);
Tensor case_ints(DType dtype, const Shape& shape, int64_t lo, int64_t hi, int seed = 0);

}  // namespace sluice::op
