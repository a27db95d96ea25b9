// The CPU kernels of the matmul family, as rows of the operator table.
#pragma once

#include "op/op.h"

namespace sluice::ops::matmul {

extern const op::CpuCandidate kMatMulCpu[1];
extern const op::CpuCandidate kGemmCpu[1];

}  // namespace sluice::ops::matmul
