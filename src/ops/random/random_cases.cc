#include "op/case.h"

namespace sluice::ops::random {

using op::Case;

// Seeded draws are the same on every machine; the goldens are those of the documented generator.
std::vector<Case> cases() {
  using Ints = std::vector<int64_t>;
  std::vector<Case> out;
  for (const auto dtype : {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16}) {
    const auto number = static_cast<int64_t>(dtype);
    const AttrMap attrs{{"shape", Ints{3, 5}}, {"dtype", number}, {"seed", 2.0f}};
    out.push_back(
        {.name = "normal_" + std::string(dtype_name(dtype)), .op = "RandomNormal", .attrs = attrs});
    out.push_back({.name = "uniform_" + std::string(dtype_name(dtype)),
                   .op = "RandomUniform",
                   .attrs = attrs});
  }
  out.push_back({.name = "normal_like",
                 .op = "RandomNormalLike",
                 .attrs = {{"mean", 3.0f}, {"scale", 0.0f}},
                 .inputs = {op::case_floats(Shape{2})},
                 .outputs = {Tensor::of<float>(Shape{2}, {3, 3})}});
  out.push_back({
      .name = "uniform_like",
      .op = "RandomUniformLike",
      .attrs = {{"low", -2.0f}, {"high", -2.0f}},
      .inputs = {op::case_ints(DType::kInt32, Shape{2}, 0, 9)},
  });
  out.back().attrs.set("dtype", int64_t{1});
  out.back().outputs = {Tensor::of<float>(Shape{2}, {-2, -2})};
  out.push_back({.name = "bernoulli_sure",
                 .op = "Bernoulli",
                 .attrs = {{"dtype", int64_t{9}}},
                 .inputs = {Tensor::of<float>(Shape{4}, {0, 1, 1, 0})},
                 .outputs = {Tensor::of<bool>(Shape{4}, {false, true, true, false})}});
  out.push_back({.name = "multinomial_sure",
                 .op = "Multinomial",
                 .attrs = {{"sample_size", int64_t{3}}},
                 .inputs = {Tensor::of<float>(Shape{2, 3}, {-200, 0, -200, 5, -200, -200})},
                 .outputs = {Tensor::of<int32_t>(Shape{2, 3}, {1, 1, 1, 0, 0, 0})}});
  return out;
}

}  // namespace sluice::ops::random
