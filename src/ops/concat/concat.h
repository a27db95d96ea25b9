// Operators that put tensors side by side, take them apart along an axis, or cut and pad them:
// Concat, Split, Slice, Pad. All dtypes; kernels move elements without looking at them.
//   Slice: indices below zero count from the end and everything is clamped, nearly as in Python.
//   Pad: negative pads crop, before anything is padded; reflect and wrap go round as often as
//   needed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "plan/kernel.h"
#include "tensor/shape.h"

namespace sluice::ops::concat {

// One axis of a Slice, clamped: `count` elements from `start` by `step`.
struct SliceRange {
  int64_t start = 0, step = 1, count = 0;
};
// a[start:end:step] by ONNX's rule for Slice; step is not 0.
SliceRange clamped_range(int64_t start, int64_t end, int64_t step, int64_t extent);

// Extents of the parts of an axis cut into `parts`: all equal, the last one smaller where it does
// not divide (and later ones empty).
Result<std::vector<int64_t>> even_split(int64_t extent, int64_t parts);

enum class PadMode : uint8_t { kConstant, kReflect, kEdge, kWrap };
Result<PadMode> pad_mode(const AttrMap& attrs);

Result<void> concat_reference(plan::KernelContext& context);
Result<void> split_reference(plan::KernelContext& context);
Result<void> slice_reference(plan::KernelContext& context);
Result<void> pad_reference(plan::KernelContext& context);

}  // namespace sluice::ops::concat
