// Operators that pick elements by index, put them by index, or find which there are: Gather and
// Scatter in their forms, TensorScatter, OneHot, ReverseSequence, Compress, NonZero, Unique, TopK.
// Indices below zero count from the end; an index out of range is an error (OneHot: all off).
// Elements are moved without being looked at, except where an order or a sum is asked for:
//   TopK, Unique: NaN is the greatest number and equal to itself; of equals, the first comes first.
//   Scatter reductions run in index order, rounding to the dtype at each step.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "plan/kernel.h"
#include "tensor/shape.h"

namespace sluice::ops::gather {

Result<void> gather_reference(plan::KernelContext& context);
Result<void> gather_elements_reference(plan::KernelContext& context);
Result<void> gather_nd_reference(plan::KernelContext& context);
Result<void> scatter_elements_reference(plan::KernelContext& context);
Result<void> scatter_nd_reference(plan::KernelContext& context);
Result<void> tensor_scatter_reference(plan::KernelContext& context);
Result<void> one_hot_reference(plan::KernelContext& context);
Result<void> reverse_sequence_reference(plan::KernelContext& context);
Result<void> compress_reference(plan::KernelContext& context);
Result<void> non_zero_reference(plan::KernelContext& context);
Result<void> unique_reference(plan::KernelContext& context);
Result<void> microsoft_unique_reference(plan::KernelContext& context);
Result<void> top_k_reference(plan::KernelContext& context);

}  // namespace sluice::ops::gather
