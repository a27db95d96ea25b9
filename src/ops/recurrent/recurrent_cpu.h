// The CPU kernels of the recurrent family, as rows of the operator table.
#pragma once

#include "op/op.h"

namespace sluice::ops::recurrent {

extern const op::CpuCandidate kRnnCpu[1];
extern const op::CpuCandidate kGruCpu[1];
extern const op::CpuCandidate kLstmCpu[1];

}  // namespace sluice::ops::recurrent
