// The CPU kernels of the conv family, as rows of the operator table.
#pragma once

#include "op/op.h"

namespace sluice::ops::conv {

extern const op::CpuCandidate kConvCpu[3];
extern const op::CpuCandidate kFusedConvCpu[3];
extern const op::CpuCandidate kConvIntegerCpu[2];
extern const op::CpuCandidate kQLinearConvCpu[1];
extern const op::CpuCandidate kDynamicQuantizedConvCpu[1];
extern const op::CpuCandidate kConvTransposeCpu[1];

}  // namespace sluice::ops::conv
