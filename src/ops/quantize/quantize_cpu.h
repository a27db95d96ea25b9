// The CPU kernels of the quantize family, as rows of the operator table.
#pragma once

#include "op/op.h"

namespace sluice::ops::quantize {

extern const op::CpuCandidate kQuantizeCpu[1];
extern const op::CpuCandidate kDequantizeCpu[1];
extern const op::CpuCandidate kDynamicQuantizeCpu[1];
extern const op::CpuCandidate kQLinearAddCpu[1];
extern const op::CpuCandidate kQLinearMulCpu[1];
extern const op::CpuCandidate kByteTableCpu[1];

}  // namespace sluice::ops::quantize
