// The CPU kernels of the softmax family, as rows of the operator table.
#pragma once

#include "op/op.h"

namespace sluice::ops::softmax {

extern const op::CpuCandidate kSoftmaxCpu[1];
extern const op::CpuCandidate kLogSoftmaxCpu[1];

}  // namespace sluice::ops::softmax
