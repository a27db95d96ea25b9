// Moving elements without looking at them: runs, strided views and fills for every dtype, strings
// and packed sub-byte types included. What reshaping, slicing, gathering and padding kernels are
// written with. Positions count elements and must lie within the tensors: callers check the
// model's numbers first.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "op/op.h"
#include "tensor/tensor.h"

namespace sluice::op {

// to[to_at .. to_at+count) = from[from_at ..). Both have the same dtype; they don't overlap.
void copy_elements(const Tensor& from, int64_t from_at, Tensor& to, int64_t to_at, int64_t count);

// to[to_at .. to_at+count) = value[value_at].
void fill_elements(const Tensor& value, int64_t value_at, Tensor& to, int64_t to_at, int64_t count);

// Fills all of `to` in row-major order from a strided view: the element at index x is
// from[base + sum x[i] * strides[i]]. Strides may be zero or negative.
void copy_strided(const Tensor& from, int64_t base, const Shape& strides, Tensor& to);

// Lays `parts` side by side along an axis: out[o] = parts[0][o], parts[1][o] ... for each of the
// indices o before `axis`. Concatenates (`axis` being that of the parts) and stacks (a new axis
// stands before `axis`); `out` holds as many elements as the parts together.
void interleave(std::span<const Tensor> parts, int axis, Tensor& out);

// The size of a[axis..] or the like, when `shape` has been validated.
struct AxisSplit {
  int64_t outer = 1, extent = 1, inner = 1;
};
inline AxisSplit split_at(const Shape& shape, int axis) {
  return {shape.elements(0, axis), shape[axis], shape.elements(axis + 1, shape.rank())};
}

// All elements of an int32 or int64 operand, which must be there.
Result<std::vector<int64_t>> input_ints(const plan::KernelContext& context, int i);
// The only element of an integer operand.
Result<int64_t> input_int(const plan::KernelContext& context, int i);
// A shape from numbers that a model computes: not negative, rank and size within limits.
Result<Shape> checked_shape(std::span<const int64_t> dims);

// A failure of the checks above, told of the node at hand.
template <class T>
Result<T> in_node(const InferContext& context, Result<T> result) {
  if (!result.ok()) return context.fail(result.error().message);
  return result;
}

}  // namespace sluice::op
