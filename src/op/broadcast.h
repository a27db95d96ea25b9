// numpy broadcasting for reference kernels: the common shape of the operands, and a loop that
// visits every element of it together with the element of each operand that stands there.
//   SLUICE_ASSIGN(const Shape shape, op::broadcast_shape({&a.shape(), &b.shape()}));
//   op::for_each_broadcast<2>(shape, {&a.shape(), &b.shape()},
//                             [&](int64_t i, const std::array<int64_t, 2>& at) { ... });
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>

#include "base/result.h"
#include "base/text.h"
#include "tensor/shape.h"

namespace sluice::op {

// The shape to which all operands broadcast; an error gives the two shapes that don't fit.
inline Result<Shape> broadcast_shape(std::span<const Shape* const> operands) {
  Shape out;
  for (const Shape* shape : operands) {
    const auto joined = broadcast(out, *shape);
    if (!joined) {
      return usage_error(
          cat("Shapes ", out.text(), " and ", shape->text(), " don't broadcast together"));
    }
    out = *joined;
  }
  return out;
}
inline Result<Shape> broadcast_shape(std::initializer_list<const Shape*> operands) {
  return broadcast_shape(std::span(operands.begin(), operands.size()));
}

// body(i, at): i counts the elements of `to` in row-major order, at[k] is the element index in
// operand k. Every operand must broadcast to `to`.
template <size_t N, class Body>
void for_each_broadcast(const Shape& to, const std::array<const Shape*, N>& operands, Body&& body) {
  if (to.elements() == 0) return;
  const int rank = to.rank();
  std::array<Shape, N> strides;
  for (size_t k = 0; k < N; ++k) strides[k] = broadcast_strides(*operands[k], to);
  std::array<int64_t, N> at = {};
  Shape index = Shape::filled(rank, 0);
  int64_t i = 0;
  while (true) {
    body(i++, at);
    int axis = rank - 1;
    for (; axis >= 0; --axis) {
      for (size_t k = 0; k < N; ++k) at[k] += strides[k][axis];
      if (++index[axis] < to[axis]) break;
      for (size_t k = 0; k < N; ++k) at[k] -= strides[k][axis] * to[axis];
      index[axis] = 0;
    }
    if (axis < 0) return;
  }
}

}  // namespace sluice::op
