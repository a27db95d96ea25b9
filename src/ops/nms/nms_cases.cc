#include "base/text.h"
#include "op/case.h"

namespace sluice::ops::nms {

std::vector<op::Case> cases() {
  const auto floats = [](const Shape& shape, std::initializer_list<float> values) {
    return Tensor::of<float>(shape, values);
  };
  std::vector<op::Case> out;
  // Box 1 covers two thirds of the union with box 0; box 2 lies apart, its corners swapped.
  const Tensor boxes = floats({1, 3, 4}, {0, 0, 1, 1, 0, 0.2f, 1, 1.2f, 3, 3, 2, 2});
  const Tensor scores = floats({1, 1, 3}, {0.8f, 0.9f, 0.7f});
  out.push_back({.name = "golden_suppressed",
                 .op = "NonMaxSuppression",
                 .inputs = {boxes, scores, Tensor::scalar<int64_t>(9), Tensor::scalar<float>(0.5f)},
                 .outputs = {Tensor::of<int64_t>({2, 3}, {0, 0, 1, 0, 0, 2})}});
  out.push_back({.name = "golden_high_threshold_and_limit",
                 .op = "NonMaxSuppression",
                 .inputs = {boxes, scores, Tensor::scalar<int64_t>(2), Tensor::scalar<float>(0.7f)},
                 .outputs = {Tensor::of<int64_t>({2, 3}, {0, 0, 1, 0, 0, 0})}});
  out.push_back({.name = "golden_score_threshold",
                 .op = "NonMaxSuppression",
                 .inputs = {boxes, scores, Tensor::scalar<int64_t>(9), Tensor::scalar<float>(0.5f),
                            Tensor::scalar<float>(0.7f)},
                 .outputs = {Tensor::of<int64_t>({1, 3}, {0, 0, 1})}});
  out.push_back({.name = "golden_default_is_no_output",
                 .op = "NonMaxSuppression",
                 .inputs = {boxes, scores},
                 .outputs = {Tensor::of<int64_t>({0, 3}, std::initializer_list<int64_t>{})}});
  for (const int64_t centred : {0, 1}) {
    for (const float threshold : {0.0f, 0.3f, 1.0f}) {
      out.push_back({.name = cat("random_", centred, "_", threshold),
                     .op = "NonMaxSuppression",
                     .attrs = {{"center_point_box", centred}},
                     .inputs = {op::case_floats({2, 129, 4}, 1), op::case_floats({2, 3, 129}, 2),
                                Tensor::scalar<int64_t>(20), Tensor::scalar<float>(threshold),
                                Tensor::scalar<float>(-0.5f)}});
    }
  }
  return out;
}

}  // namespace sluice::ops::nms
