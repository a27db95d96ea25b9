// The CPU kernels of the concat family, as rows of the operator table.
#pragma once

#include "op/op.h"

namespace sluice::ops::concat {

extern const op::CpuCandidate kConcatCpu[1];

}  // namespace sluice::ops::concat
