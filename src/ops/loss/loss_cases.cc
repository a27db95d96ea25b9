#include "base/text.h"
#include "op/case.h"

namespace sluice::ops::loss {

std::vector<op::Case> cases() {
  std::vector<op::Case> out;
  // The example of the specification: N = 2, C = 3, d1 = 2.
  const Tensor input = Tensor::of<float>(Shape{2, 3, 2}, {1, 2, 2, 2, 3, 2, 0, 1, 2, 2, 1, 2});
  const Tensor target = Tensor::of<int64_t>(Shape{2, 2}, {2, 1, 0, 2});
  const Tensor weight = Tensor::of<float>(Shape{3}, {0.2f, 0.3f, 0.1f});
  out.push_back({.name = "nll_none",
                 .op = "NegativeLogLikelihoodLoss",
                 .attrs = {{"reduction", std::string("none")}},
                 .inputs = {input, target},
                 .outputs = {Tensor::of<float>(Shape{2, 2}, {-3, -2, 0, -2})}});
  out.push_back({.name = "nll_weighted_sum",
                 .op = "NegativeLogLikelihoodLoss",
                 .attrs = {{"reduction", std::string("sum")}},
                 .inputs = {input, target, weight},
                 .outputs = {Tensor::scalar(-1.1f)}});
  out.push_back({.name = "nll_weighted_mean",
                 .op = "NegativeLogLikelihoodLoss",
                 .inputs = {input, target, weight},
                 .outputs = {Tensor::scalar(-1.1f / 0.7f)}});
  out.push_back({.name = "sce_uniform",
                 .op = "SoftmaxCrossEntropyLoss",
                 .inputs = {Tensor::of<float>(Shape{2, 4}, {1, 1, 1, 1, 5, 5, 5, 5}),
                            Tensor::of<int32_t>(Shape{2}, {0, 3})},
                 .outputs = {Tensor::scalar(1.3862944f)}});
  int seed = 0;
  for (const char* name : {"NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"}) {
    for (const Shape& shape : {Shape{3, 5}, Shape{2, 7, 3}, Shape{2, 5, 3, 4}, Shape{1, 129}}) {
      for (const char* reduction : {"none", "sum", "mean"}) {
        for (const bool ignore : {false, true}) {
          Shape labels = shape;
          labels.erase(1);
          AttrMap attrs = {{"reduction", std::string(reduction)}};
          if (ignore) attrs.set("ignore_index", int64_t{1});
          out.push_back(
              {.name = cat(name, "_", shape.text(), "_", reduction, ignore ? "_ignore" : ""),
               .op = name,
               .attrs = attrs,
               .inputs = {op::case_floats(shape, ++seed, 2.0),
                          op::case_ints(DType::kInt64, labels, 0, shape[1] - 1, seed),
                          op::case_floats(Shape{shape[1]}, seed, 0.5)},
               .atol = 1e-4,
               .rtol = 1e-4});
        }
      }
    }
  }
  return out;
}

}  // namespace sluice::ops::loss
