// The CPU kernels of the cast family, as rows of the operator table.
#pragma once

#include "op/op.h"

namespace sluice::ops::cast {

extern const op::CpuCandidate kCastCpu[1];

}  // namespace sluice::ops::cast
