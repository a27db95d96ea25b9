// The plain loop that all reference matrix products share. T is double for floating operands and a
// 64-bit integer for integers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "ops/matmul/matmul.h"

namespace sluice::ops::matmul {

// Calls store(index, sum) for every element of the product of `a` and `b`, in order.
template <class T, class Store>
void for_each_sum(const MatMulShape& shape, const std::vector<T>& a, const std::vector<T>& b,
                  Store&& store) {
  if (shape.batch.elements() == 0 || shape.m == 0 || shape.n == 0) return;
  std::vector<T> row(static_cast<size_t>(shape.n));
  int64_t index = 0;
  for (Odometer at(shape.batch); !at.done(); at.next()) {
    const T* a_row = a.data() + at.dot(shape.a_strides);
    const T* b_matrix = b.data() + at.dot(shape.b_strides);
    for (int64_t i = 0; i < shape.m; ++i, a_row += shape.k) {
      std::fill(row.begin(), row.end(), T{0});
      for (int64_t p = 0; p < shape.k; ++p) {
        const T factor = a_row[p];
        const T* b_row = b_matrix + p * shape.n;
        for (int64_t j = 0; j < shape.n; ++j) row[static_cast<size_t>(j)] += factor * b_row[j];
      }
      for (const T sum : row) store(index++, sum);
    }
  }
}

}  // namespace sluice::ops::matmul
