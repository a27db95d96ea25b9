#include "op/case.h"

namespace sluice::ops::training {

std::vector<op::Case> cases() {
  constexpr const char* kDomain = "ai.onnx.preview.training";
  const Tensor rate = Tensor::scalar(0.1f);
  const Tensor first = Tensor::scalar<int64_t>(0);
  const Tensor x = Tensor::of<float>(Shape{2}, {1, 2});
  const Tensor g = Tensor::of<float>(Shape{2}, {3, -4});
  const Tensor zero = Tensor::of<float>(Shape{2}, {0, 0});
  const Tensor v = Tensor::of<float>(Shape{2}, {2, 3});
  return {
      {.name = "adagrad_first_step",
       .op = "Adagrad",
       .domain = kDomain,
       .inputs = {rate, first, x, g, zero},
       .outputs = {Tensor::of<float>(Shape{2}, {0.9f, 2.1f}), Tensor::of<float>(Shape{2}, {9, 16})},
       .output_count = 2},
      {.name = "momentum_standard",
       .op = "Momentum",
       .domain = kDomain,
       .attrs = {{"alpha", 0.5f},
                 {"beta", 0.1f},
                 {"mode", std::string("standard")},
                 {"norm_coefficient", 0.0f}},
       .inputs = {rate, first, x, g, v},
       .outputs = {Tensor::of<float>(Shape{2}, {0.6f, 2.25f}),
                   Tensor::of<float>(Shape{2}, {4, -2.5f})},
       .output_count = 2},
      {.name = "momentum_nesterov",
       .op = "Momentum",
       .domain = kDomain,
       .attrs = {{"alpha", 0.5f},
                 {"beta", 0.1f},
                 {"mode", std::string("nesterov")},
                 {"norm_coefficient", 0.0f}},
       .inputs = {rate, first, x, g, v},
       .outputs = {Tensor::of<float>(Shape{2}, {0.5f, 2.525f}),
                   Tensor::of<float>(Shape{2}, {4, -2.5f})},
       .output_count = 2},
      {.name = "adam_first_step",
       .op = "Adam",
       .domain = kDomain,
       .attrs = {{"alpha", 0.5f}, {"beta", 0.75f}},
       .inputs = {rate, first, x, g, zero, zero},
       .outputs = {Tensor::of<float>(Shape{2}, {0.9f, 2.1f}),
                   Tensor::of<float>(Shape{2}, {1.5f, -2}),
                   Tensor::of<float>(Shape{2}, {2.25f, 4})},
       .output_count = 3},
  };
}

}  // namespace sluice::ops::training
