// Operators about the shape of a tensor rather than its numbers: they read it (Shape, Size), give
// the same elements another one (Reshape, Flatten, Squeeze, Unsqueeze), move elements to where a
// shape wants them (Transpose, Expand, Tile, Trilu), or make a tensor of it (ConstantOfShape,
// Range, EyeLike, Constant). All dtypes; the moving kernels know only the size of an element.
// Models compute shapes with these, so inference carries integer contents through them.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "plan/kernel.h"
#include "tensor/shape.h"
#include "tensor/tensor.h"

namespace sluice::ops::shape {

// The shape that Reshape gives: 0 copies the input's extent unless allow_zero, one -1 takes what is
// left.
Result<Shape> reshaped_shape(const Shape& in, std::span<const int64_t> wanted, bool allow_zero);
// `axes` empty and all_ones: every axis of extent 1 goes.
Result<Shape> squeezed_shape(const Shape& in, std::span<const int64_t> axes, bool all_ones);
Result<Shape> unsqueezed_shape(const Shape& in, std::span<const int64_t> axes);
// Number of elements of Range, or an error for a zero, NaN or absurd step.
Result<int64_t> range_count(double start, double limit, double delta);
Result<int64_t> range_count(int64_t start, int64_t limit, int64_t delta);
// Output axis i comes from input axis perm[i]; absent: the axes in reverse.
Result<std::vector<int>> permutation(const AttrMap& attrs, int rank);
// The dtype that an integer attribute names.
Result<DType> dtype_attribute(int64_t onnx_number);

Result<void> shape_reference(plan::KernelContext& context);
Result<void> size_reference(plan::KernelContext& context);
Result<void> reshape_reference(plan::KernelContext& context);
Result<void> flatten_reference(plan::KernelContext& context);
Result<void> squeeze_reference(plan::KernelContext& context);
Result<void> unsqueeze_reference(plan::KernelContext& context);
Result<void> transpose_reference(plan::KernelContext& context);
Result<void> expand_reference(plan::KernelContext& context);
Result<void> tile_reference(plan::KernelContext& context);
Result<void> constant_of_shape_reference(plan::KernelContext& context);
Result<void> range_reference(plan::KernelContext& context);
Result<void> eye_like_reference(plan::KernelContext& context);
Result<void> constant_reference(plan::KernelContext& context);
Result<void> trilu_reference(plan::KernelContext& context);

// The tensor that Constant's attributes describe.
Result<Tensor> constant_tensor(const AttrMap& attrs);

}  // namespace sluice::ops::shape
