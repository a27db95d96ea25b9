// Products of 8-bit matrices on dot products of bytes (simd/dot_i8.h): MatMulInteger,
// MatMulIntegerToFloat, DynamicQuantizeMatMul, QLinearMatMul and QGemm with a constant B.
#pragma once

#include "op/op.h"
#include "plan/kernel.h"

namespace sluice::ops::matmul {

extern const op::CpuCandidate kMatMulIntegerCpu[2];
extern const op::CpuCandidate kMatMulIntegerToFloatCpu[1];
extern const op::CpuCandidate kDynamicQuantizeMatMulCpu[1];
extern const op::CpuCandidate kQLinearMatMulCpu[1];
extern const op::CpuCandidate kQGemmCpu[1];

// The float32 kernel that takes what the dot products don't (matmul_cpu.cc): any B, exactly.
Result<void> matmul_integer_8bit(plan::KernelContext& context);
Result<Tensor> prepare_matmul_integer(const AttrMap& attrs, std::span<const Value> inputs);
std::string refuse_integer_exact(const op::NodeView& node);

}  // namespace sluice::ops::matmul
