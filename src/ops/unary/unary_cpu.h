// The CPU kernels of the unary family, looked up by operator when the table is made.
#pragma once

#include <span>
#include <string_view>

#include "op/op.h"

namespace sluice::ops::unary {

// Empty when there is none.
std::span<const op::CpuCandidate> unary_cpu(std::string_view domain, std::string_view name);

}  // namespace sluice::ops::unary
