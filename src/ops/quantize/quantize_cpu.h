// The CPU kernels of the quantize family, as rows of the operator table.
#pragma once

#include "op/op.h"

namespace sluice::ops::quantize {

extern const op::CpuCandidate kQuantizeCpu[1];
extern const op::CpuCandidate kDequantizeCpu[1];
extern const op::CpuCandidate kDynamicQuantizeCpu[1];

}  // namespace sluice::ops::quantize
