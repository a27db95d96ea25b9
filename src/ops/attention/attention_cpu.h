// The CPU kernels of the attention family, as rows of the operator table.
#pragma once

#include "op/op.h"

namespace sluice::ops::attention {

extern const op::CpuCandidate kAttentionCpu[1];

}  // namespace sluice::ops::attention
