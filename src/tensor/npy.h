// .npy files (numpy format 1.0 to 3.0): one tensor, C order, little-endian.
// float16, float32, float64, bool, all integer widths of 8 bits and more, complex. bfloat16, float8
// and sub-byte types have no numpy code: they are written as their float32 or int8 values.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "tensor/tensor.h"

namespace sluice {

// `what` names the source in messages. The data is copied.
Result<Tensor> read_npy(std::span<const std::byte> bytes, const std::string& what);
// Strings are refused.
Result<std::string> write_npy(const Tensor& tensor);

}  // namespace sluice
