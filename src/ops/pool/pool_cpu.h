// The CPU kernels of the pool family, as rows of the operator table.
#pragma once

#include "op/op.h"

namespace sluice::ops::pool {

extern const op::CpuCandidate kMaxPoolCpu[1];
extern const op::CpuCandidate kAveragePoolCpu[1];
extern const op::CpuCandidate kGlobalMaxPoolCpu[1];
extern const op::CpuCandidate kGlobalAveragePoolCpu[1];

}  // namespace sluice::ops::pool
