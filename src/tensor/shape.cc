#include "tensor/shape.h"

#include <algorithm>

#include "base/text.h"

namespace sluice {

void Shape::insert(int at, int64_t dim) {
  SLUICE_CHECK(rank_ < kMaxRank && at >= 0 && at <= rank_);
  for (int i = rank_; i > at; --i)
    dims_[static_cast<size_t>(i)] = dims_[static_cast<size_t>(i - 1)];
  dims_[static_cast<size_t>(at)] = dim;
  ++rank_;
}

void Shape::erase(int at) {
  const size_t first = index(at);
  for (size_t i = first; i + 1 < static_cast<size_t>(rank_); ++i) dims_[i] = dims_[i + 1];
  --rank_;
}

std::optional<int64_t> Shape::checked_elements() const {
  int64_t n = 1;
  bool empty = false;
  for (const int64_t dim : dims()) {
    if (dim < 0) return std::nullopt;
    if (dim == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(n, dim, &n)) {
      return std::nullopt;
    }
  }
  return empty ? 0 : n;
}

Shape Shape::strides() const {
  Shape out = filled(rank_, 1);
  for (int i = rank_ - 2; i >= 0; --i) out[i] = out[i + 1] * (*this)[i + 1];
  return out;
}

std::string Shape::text() const { return "[" + join(dims(), ",") + "]"; }

std::optional<Shape> broadcast(const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  Shape out = Shape::filled(rank, 1);
  for (int i = 1; i <= rank; ++i) {
    const int64_t x = i <= a.rank() ? a[-i] : 1;
    const int64_t y = i <= b.rank() ? b[-i] : 1;
    if (x != y && x != 1 && y != 1) return std::nullopt;
    out[-i] = x == 1 ? y : x;
  }
  return out;
}

Shape broadcast_strides(const Shape& from, const Shape& to) {
  SLUICE_CHECK(from.rank() <= to.rank());
  const Shape own = from.strides();
  Shape out = Shape::filled(to.rank(), 0);
  for (int i = 1; i <= from.rank(); ++i) out[-i] = from[-i] == 1 ? 0 : own[-i];
  return out;
}

}  // namespace sluice
