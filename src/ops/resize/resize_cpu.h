// The CPU kernels of the resize family, as rows of the operator table.
#pragma once

#include "op/op.h"

namespace sluice::ops::resize {

extern const op::CpuCandidate kResizeCpu[1];

}  // namespace sluice::ops::resize
