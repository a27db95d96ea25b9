#include "op/case.h"

#include <cmath>

namespace sluice::op {

namespace {

// The generator's u in [0, 1) for element i.
double unit(int64_t i, int seed) {
  const uint64_t n = static_cast<uint64_t>(i) + 1 + static_cast<uint64_t>(seed) * 7919u;
  const auto h = static_cast<uint32_t>(n * 2654435761u);
  return static_cast<double>(h >> 8) / 16777216.0;
}

Tensor make(DType dtype, const Shape& shape) {
  auto out = Tensor::allocate(dtype, shape);
  SLUICE_CHECK(out.ok());
  return std::move(out).value();
}

}  // namespace

Tensor case_floats(const Shape& shape, int seed, double scale, DType dtype) {
  Tensor out = make(dtype, shape);
  for (int64_t i = 0; i < out.elements(); ++i) {
    out.set_double(i, (2 * unit(i, seed) - 1) * scale);
  }
  return out;
}

Tensor case_ints(DType dtype, const Shape& shape, int64_t lo, int64_t hi, int seed) {
  Tensor out = make(dtype, shape);
  // The width is taken in unsigned arithmetic, so that lo..hi may span more than half of int64.
  const double width =
      static_cast<double>(static_cast<uint64_t>(hi) - static_cast<uint64_t>(lo)) + 1;
  for (int64_t i = 0; i < out.elements(); ++i) {
    const auto step = static_cast<uint64_t>(std::floor(unit(i, seed) * width));
    out.set_int(i, static_cast<int64_t>(static_cast<uint64_t>(lo) + step));
  }
  return out;
}

}  // namespace sluice::op
