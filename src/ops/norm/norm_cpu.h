// The CPU kernels of the norm family, as rows of the operator table.
#pragma once

#include "op/op.h"

namespace sluice::ops::norm {

extern const op::CpuCandidate kBatchNormCpu[1];
extern const op::CpuCandidate kInstanceNormCpu[1];
extern const op::CpuCandidate kGroupNormCpu[1];
extern const op::CpuCandidate kLayerNormCpu[1];
extern const op::CpuCandidate kRmsNormCpu[1];

}  // namespace sluice::ops::norm
