#include "base/text.h"
#include "op/case.h"

namespace sluice::ops::inverse {

std::vector<op::Case> cases();

namespace {

// Diagonally dominant, so that it is far from singular.
Tensor well_conditioned(const Shape& shape, DType dtype) {
  Tensor out = op::case_floats(shape, 1, 1.0, dtype);
  const int64_t n = shape[-1];
  for (int64_t i = 0; i < out.elements(); ++i) {
    if (i % (n * n) % (n + 1) == 0)
      out.set_double(i, out.get_double(i) + static_cast<double>(n) + 1);
  }
  return out;
}

}  // namespace

std::vector<op::Case> cases() {
  std::vector<op::Case> list;
  const auto add = [&](std::string name, Tensor x, std::vector<Value> outputs = {}) {
    list.push_back({.name = std::move(name),
                    .op = "Inverse",
                    .domain = "com.microsoft",
                    .inputs = {Value(std::move(x))},
                    .outputs = std::move(outputs)});
  };
  add("by_hand", Tensor::of<float>(Shape{2, 2}, {4, 7, 2, 6}),
      {Tensor::of<float>(Shape{2, 2}, {0.6f, -0.7f, -0.2f, 0.4f})});
  // The first pivot is zero: rows must be exchanged.
  add("exchange", Tensor::of<double>(Shape{1, 2, 2}, {0, 2, 4, 0}),
      {Tensor::of<double>(Shape{1, 2, 2}, {0, 0.25, 0.5, 0})});
  add("scalar_matrix", Tensor::of<float>(Shape{1, 1}, {8}),
      {Tensor::of<float>(Shape{1, 1}, {0.125f})});
  add("empty_batch", Tensor::of<float>(Shape{0, 3, 3}, {}),
      {Tensor::of<float>(Shape{0, 3, 3}, {})});
  add("empty_matrix", Tensor::of<float>(Shape{2, 0, 0}, {}),
      {Tensor::of<float>(Shape{2, 0, 0}, {})});
  for (const DType dtype : {DType::kFloat16, DType::kBFloat16, DType::kFloat32, DType::kFloat64}) {
    for (const int64_t n : {1, 2, 3, 5, 7, 33}) {
      add(cat(dtype_name(dtype), "_", n), well_conditioned(Shape{2, n, n}, dtype));
    }
  }
  return list;
}

}  // namespace sluice::ops::inverse
