// Whole tensors as doubles and back, with the dtype switched on once instead of per element: how
// reference kernels read and write numbers outside their inner loops.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace sluice::op {

// All elements of a numeric or bool tensor.
std::vector<double> reals(const Tensor& tensor);
// Writes `values` to elements at, at + 1, ... of `out`, rounded as Tensor::set_double does.
void store_reals(Tensor& out, int64_t at, std::span<const double> values);

}  // namespace sluice::op
