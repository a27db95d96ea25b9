// Shape: the concrete extents of a tensor, outermost first. At most kMaxRank of them, held inline.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>

#include "base/check.h"

namespace sluice {

inline constexpr int kMaxRank = 16;

class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const int64_t> dims) : rank_(static_cast<int>(dims.size())) {
    SLUICE_CHECK(dims.size() <= kMaxRank);
    for (size_t i = 0; i < dims.size(); ++i) dims_[i] = dims[i];
  }
  static Shape filled(int rank, int64_t value) {
    SLUICE_CHECK(rank >= 0 && rank <= kMaxRank);
    Shape out;
    out.rank_ = rank;
    for (int i = 0; i < rank; ++i) out.dims_[static_cast<size_t>(i)] = value;
    return out;
  }

  int rank() const { return rank_; }
  // Negative indices count from the end.
  int64_t operator[](int i) const { return dims_[index(i)]; }
  int64_t& operator[](int i) { return dims_[index(i)]; }
  const int64_t* begin() const { return dims_.data(); }
  const int64_t* end() const { return dims_.data() + rank_; }
  std::span<const int64_t> dims() const { return {dims_.data(), static_cast<size_t>(rank_)}; }

  void push_back(int64_t dim) {
    SLUICE_CHECK(rank_ < kMaxRank);
    dims_[static_cast<size_t>(rank_++)] = dim;
  }
  void insert(int at, int64_t dim);
  void erase(int at);

  // Product of all extents; 1 for a scalar. Only for shapes already validated by Tensor::allocate
  // or checked_elements, which guarantee that it fits.
  int64_t elements() const { return elements(0, rank_); }
  int64_t elements(int first, int last) const {
    int64_t n = 1;
    for (int i = first; i < last; ++i) n *= dims_[static_cast<size_t>(i)];
    return n;
  }
  // The product, or nothing when an extent is negative or the product overflows int64.
  std::optional<int64_t> checked_elements() const;
  // Row-major strides in elements.
  Shape strides() const;
  std::string text() const;  // "[1,3,224,224]"

  friend bool operator==(const Shape& a, const Shape& b) {
    if (a.rank_ != b.rank_) return false;
    for (int i = 0; i < a.rank_; ++i) {
      if (a[i] != b[i]) return false;
    }
    return true;
  }

 private:
  size_t index(int i) const {
    if (i < 0) i += rank_;
    SLUICE_CHECK(i >= 0 && i < rank_);
    return static_cast<size_t>(i);
  }
  std::array<int64_t, kMaxRank> dims_ = {};
  int rank_ = 0;
};

// Broadcast of two shapes by numpy's rule; nothing when they don't fit.
std::optional<Shape> broadcast(const Shape& a, const Shape& b);
// Strides (in elements) with which a tensor of `from` is read at indices of `to`; 0 where it
// repeats. `from` must broadcast to `to`.
Shape broadcast_strides(const Shape& from, const Shape& to);

// Counts through all indices of `shape` in row-major order:
//   for (Odometer at(shape); !at.done(); at.next()) ... at[axis] ... at.dot(strides)
class Odometer {
 public:
  explicit Odometer(const Shape& shape)
      : shape_(shape), index_(Shape::filled(shape.rank(), 0)), done_(shape.elements() == 0) {}
  bool done() const { return done_; }
  void next() {
    for (int axis = shape_.rank() - 1; axis >= 0; --axis) {
      if (++index_[axis] < shape_[axis]) return;
      index_[axis] = 0;
    }
    done_ = true;
  }
  int64_t operator[](int axis) const { return index_[axis]; }
  const Shape& index() const { return index_; }
  int64_t dot(const Shape& strides) const {
    int64_t sum = 0;
    for (int axis = 0; axis < index_.rank(); ++axis) sum += index_[axis] * strides[axis];
    return sum;
  }

 private:
  Shape shape_;
  Shape index_;
  bool done_;
};

}  // namespace sluice
