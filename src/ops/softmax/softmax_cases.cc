#include <limits>

#include "base/text.h"
#include "op/case.h"

namespace sluice::ops::softmax {

std::vector<op::Case> cases() {
  std::vector<op::Case> out;
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  out.push_back(
      {.name = "softmax_known",
       .op = "Softmax",
       .inputs = {Tensor::of<float>(Shape{1, 3}, {-1, 0, 1})},
       .outputs = {Tensor::of<float>(Shape{1, 3}, {0.09003058f, 0.24472848f, 0.66524094f})}});
  out.push_back({.name = "softmax_large_values",
                 .op = "Softmax",
                 .inputs = {Tensor::of<float>(Shape{2, 2}, {10000, 10001, -infinity, 5})},
                 .outputs = {Tensor::of<float>(Shape{2, 2}, {0.26894143f, 0.7310586f, 0, 1})}});
  out.push_back({.name = "softmax_all_minus_infinity",
                 .op = "Softmax",
                 .inputs = {Tensor::of<float>(Shape{2}, {-infinity, -infinity})},
                 .outputs = {Tensor::of<float>(Shape{2}, {nan, nan})}});
  out.push_back({.name = "hardmax_first_of_equals",
                 .op = "Hardmax",
                 .inputs = {Tensor::of<float>(Shape{2, 3}, {3, 3, 1, 0, 1, 1})},
                 .outputs = {Tensor::of<float>(Shape{2, 3}, {1, 0, 0, 0, 1, 0})}});
  int seed = 0;
  for (const char* name : {"Softmax", "LogSoftmax", "Hardmax"}) {
    for (const int64_t length : {1, 2, 3, 5, 7, 16, 127, 129, 1000}) {
      out.push_back({.name = cat(name, "_last_", length),
                     .op = name,
                     .inputs = {op::case_floats(Shape{3, length}, ++seed, 5.0)}});
      out.push_back({.name = cat(name, "_first_", length),
                     .op = name,
                     .attrs = {{"axis", int64_t{0}}},
                     .inputs = {op::case_floats(Shape{length, 5}, ++seed, 5.0)}});
      out.push_back({.name = cat(name, "_middle_", length),
                     .op = name,
                     .attrs = {{"axis", int64_t{-2}}},
                     .inputs = {op::case_floats(Shape{2, length, 3}, ++seed, 5.0)}});
    }
    for (const Shape& shape : {Shape{0, 3}, Shape{3, 0}, Shape{1}}) {
      out.push_back(
          {.name = cat(name, "_", shape.text()), .op = name, .inputs = {op::case_floats(shape)}});
    }
    for (const DType dtype : {DType::kFloat16, DType::kBFloat16, DType::kFloat64}) {
      out.push_back({.name = cat(name, "_", dtype_name(dtype)),
                     .op = name,
                     .inputs = {op::case_floats(Shape{3, 43}, ++seed, 3.0, dtype)},
                     .atol = 2e-2,
                     .rtol = 2e-2});
    }
  }
  out.push_back({.name = "softmax_attention_bench",
                 .op = "Softmax",
                 .inputs = {op::case_floats(Shape{12, 128, 128}, 1, 4.0)},
                 .bench = true});
  out.push_back({.name = "softmax_classes_bench",
                 .op = "Softmax",
                 .inputs = {op::case_floats(Shape{64, 1000}, 2, 4.0)},
                 .bench = true});
  return out;
}

}  // namespace sluice::ops::softmax
