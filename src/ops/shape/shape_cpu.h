// The CPU kernels of the shape family, as rows of the operator table.
#pragma once

#include "op/op.h"

namespace sluice::ops::shape {

extern const op::CpuCandidate kTransposeCpu[1];

}  // namespace sluice::ops::shape
