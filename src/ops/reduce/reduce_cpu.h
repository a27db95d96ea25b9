// The CPU kernels of the reduce family, looked up by operator when the table is made.
#pragma once

#include <span>
#include <string_view>

#include "op/op.h"

namespace sluice::ops::reduce {

// Empty when there is none.
std::span<const op::CpuCandidate> reduce_cpu(std::string_view name);

}  // namespace sluice::ops::reduce
