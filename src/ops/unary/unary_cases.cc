#include <cmath>
#include <limits>

#include "base/text.h"
#include "op/case.h"

namespace sluice::ops::unary {

namespace {

using op::case_floats;
using op::case_ints;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

Tensor floats(std::initializer_list<float> values) {
  return Tensor::of<float>(Shape{static_cast<int64_t>(values.size())}, values);
}

// Sizes around the widths of vector registers, and a scalar and an empty tensor.
const std::vector<Shape>& shapes() {
  static const std::vector<Shape> kShapes = {Shape{},      Shape{0, 3},      Shape{1}, Shape{2},
                                             Shape{3},     Shape{5},         Shape{7}, Shape{127},
                                             Shape{3, 43}, Shape{2, 3, 4, 5}};
  return kShapes;
}

struct Row {
  const char* op;
  double scale;  // inputs lie in (-scale, scale) + shift
  double shift = 0;
  AttrMap attrs = {};
  const char* domain = "";
};

Tensor shifted(const Row& row, const Shape& shape, DType dtype, int seed) {
  Tensor out = case_floats(shape, seed, row.scale, dtype);
  if (row.shift == 0) return out;
  for (int64_t i = 0; i < out.elements(); ++i) out.set_double(i, out.get_double(i) + row.shift);
  return out;
}

std::vector<Row> rows() {
  return {
      {"Abs", 4},
      {"Neg", 4},
      {"Ceil", 5},
      {"Floor", 5},
      {"Round", 5},
      {"Sign", 1},
      {"Sqrt", 2, 2.1},
      {"Reciprocal", 1, 2},
      {"Exp", 6},
      {"Exp", 90},
      {"Log", 3, 3.1},
      {"Sin", 8},
      {"Cos", 8},
      {"Tan", 1.4},
      {"Asin", 1},
      {"Acos", 1},
      {"Atan", 10},
      {"Sinh", 5},
      {"Cosh", 5},
      {"Tanh", 12},
      {"Asinh", 20},
      {"Acosh", 4, 5.1},
      {"Atanh", 0.99},
      {"Erf", 4},
      {"Sigmoid", 20},
      {"Relu", 4},
      {"LeakyRelu", 4},
      {"LeakyRelu", 4, 0, {{"alpha", 0.2f}}},
      {"Elu", 4},
      {"Elu", 4, 0, {{"alpha", 2.0f}}},
      {"Celu", 4, 0, {{"alpha", 2.0f}}},
      {"Selu", 4},
      {"Selu", 4, 0, {{"alpha", 2.0f}, {"gamma", 3.0f}}},
      {"Softplus", 30},
      {"Softsign", 30},
      {"HardSigmoid", 4},
      {"HardSigmoid", 4, 0, {{"alpha", 0.5f}, {"beta", 0.6f}}},
      {"HardSwish", 5},
      {"ThresholdedRelu", 4},
      {"ThresholdedRelu", 4, 0, {{"alpha", 2.0f}}},
      {"Shrink", 2},
      {"Shrink", 2, 0, {{"bias", 1.5f}, {"lambd", 1.0f}}},
      {"Mish", 8},
      {"Gelu", 5},
      {"Gelu", 5, 0, {{"approximate", std::string("tanh")}}},
      {"Swish", 6},
      {"Swish", 6, 0, {{"alpha", 0.5f}}},
      {"Gelu", 5, 0, {}, "com.microsoft"},
      {"QuickGelu", 5, 0, {}, "com.microsoft"},
      {"FastGelu", 5, 0, {}, "com.microsoft"},
  };
}

void add_goldens(std::vector<op::Case>& out) {
  const auto add = [&](const char* name, const char* op_name, Tensor x, Tensor y,
                       AttrMap attrs = {}) {
    out.push_back({.name = name,
                   .op = op_name,
                   .attrs = std::move(attrs),
                   .inputs = {std::move(x)},
                   .outputs = {std::move(y)}});
  };
  add("round_halves_to_even", "Round", floats({0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 2.3f, kInfinity}),
      floats({0, 2, 2, -0.0f, -2, 2, kInfinity}));
  add("sign_of_zero_and_nan", "Sign", floats({-3, 0, 5, kNaN}), floats({-1, 0, 1, kNaN}));
  add("relu_keeps_nan", "Relu", floats({-1, 0, 2, kNaN}), floats({0, 0, 2, kNaN}));
  add("sigmoid_far_out", "Sigmoid", floats({-200, 0, 200}), floats({0, 0.5f, 1}));
  add("softplus_far_out", "Softplus", floats({-200, 0, 200}), floats({0, 0.69314718f, 200}));
  add("mish_far_out", "Mish", floats({-200, 0, 200}), floats({0, 0, 200}));
  add("elu_minus_infinity", "Elu", floats({-kInfinity, -1, 1}), floats({-1, -0.63212056f, 1}));
  add("gelu_known", "Gelu", floats({-1, 0, 1, 2}),
      floats({-0.15865525f, 0, 0.84134475f, 1.9544997f}));
  add("hard_swish_corners", "HardSwish", floats({-4, -3, 0, 3, 4}), floats({0, 0, 0, 3, 4}));
  add("isnan", "IsNaN", floats({1, kNaN, kInfinity}),
      Tensor::of<bool>(Shape{3}, {false, true, false}));
  add("isinf_negative_only", "IsInf", floats({-kInfinity, kInfinity, kNaN, 1}),
      Tensor::of<bool>(Shape{4}, {true, false, false, false}), {{"detect_positive", int64_t{0}}});
  const int32_t lowest = std::numeric_limits<int32_t>::min();
  add("abs_int32_lowest_wraps", "Abs", Tensor::of<int32_t>(Shape{3}, {lowest, -7, 7}),
      Tensor::of<int32_t>(Shape{3}, {lowest, 7, 7}));
  add("neg_int8_lowest_wraps", "Neg", Tensor::of<int8_t>(Shape{3}, {-128, 127, 0}),
      Tensor::of<int8_t>(Shape{3}, {-128, -127, 0}));
  add("not", "Not", Tensor::of<bool>(Shape{2}, {true, false}),
      Tensor::of<bool>(Shape{2}, {false, true}));
  add("bitwise_not_uint8", "BitwiseNot", Tensor::of<uint8_t>(Shape{3}, {0, 1, 255}),
      Tensor::of<uint8_t>(Shape{3}, {255, 254, 0}));
  out.push_back({.name = "clip_low_above_high",
                 .op = "Clip",
                 .inputs = {floats({-1, 1, 3}), Tensor::scalar(2.0f), Tensor::scalar(1.0f)},
                 .outputs = {floats({1, 1, 1})}});
  out.push_back({.name = "clip_uint64_top",
                 .op = "Clip",
                 .inputs = {Tensor::of<uint64_t>(Shape{2}, {1, 0xffffffffffffffffu}),
                            Tensor::scalar<uint64_t>(2)},
                 .outputs = {Tensor::of<uint64_t>(Shape{2}, {2, 0xffffffffffffffffu})}});
  out.push_back({.name = "prelu_per_channel",
                 .op = "PRelu",
                 .inputs = {Tensor::of<float>(Shape{1, 2, 2}, {-1, 2, -3, -4}),
                            Tensor::of<float>(Shape{2, 1}, {0.5f, 0.25f})},
                 .outputs = {Tensor::of<float>(Shape{1, 2, 2}, {-0.5f, 2, -0.75f, -1})}});
}

}  // namespace

std::vector<op::Case> cases() {
  std::vector<op::Case> out;
  add_goldens(out);
  int number = 0;
  for (const Row& row : rows()) {
    ++number;
    const auto add = [&](std::string name, Tensor x, bool bench = false) {
      const DType dtype = x.dtype();
      const double wide = dtype == DType::kFloat16 ? 2e-3 : dtype == DType::kBFloat16 ? 1e-2 : 1e-5;
      out.push_back({.name = cat(row.op, number, "_", name),
                     .op = row.op,
                     .domain = row.domain,
                     .attrs = row.attrs,
                     .inputs = {std::move(x)},
                     .atol = wide,
                     .rtol = wide,
                     .bench = bench});
    };
    for (const Shape& shape : shapes()) {
      add(cat("f32_", shape.text()), shifted(row, shape, DType::kFloat32, number));
    }
    for (const DType dtype : {DType::kFloat16, DType::kBFloat16, DType::kFloat64}) {
      add(cat(dtype_name(dtype), "_129"), shifted(row, Shape{129}, dtype, number));
    }
    add("bench_1m", shifted(row, Shape{1, 16, 256, 256}, DType::kFloat32, number), true);
    add("specials", floats({kNaN, kInfinity, -kInfinity, 0.0f, -0.0f, 1.0f}));
  }
  for (const DType dtype : {DType::kInt8, DType::kInt16, DType::kInt32, DType::kInt64}) {
    for (const char* name : {"Abs", "Neg", "Sign", "Relu", "BitwiseNot"}) {
      out.push_back({.name = cat(name, "_", dtype_name(dtype)),
                     .op = name,
                     .inputs = {case_ints(dtype, Shape{3, 43}, -100, 100)}});
    }
  }
  for (const Shape& shape : shapes()) {
    const Tensor x = case_floats(shape, 3, 4.0);
    out.push_back({.name = cat("clip_", shape.text()),
                   .op = "Clip",
                   .inputs = {x, Tensor::scalar(-1.5f), Tensor::scalar(2.0f)}});
    out.push_back({.name = cat("clip_max_only_", shape.text()),
                   .op = "Clip",
                   .inputs = {x, Value(), Tensor::scalar(2.0f)}});
    out.push_back({.name = cat("prelu_scalar_slope_", shape.text()),
                   .op = "PRelu",
                   .inputs = {x, Tensor::scalar(0.25f)}});
    out.push_back({.name = cat("swiglu_", shape.text()),
                   .op = "SwiGLU",
                   .inputs = {x, case_floats(shape, 4)}});
    out.push_back({.name = cat("identity_", shape.text()), .op = "Identity", .inputs = {x}});
  }
  out.push_back({.name = "clip_relu6_bench",
                 .op = "Clip",
                 .inputs = {case_floats(Shape{1, 32, 112, 112}, 5, 8.0), Tensor::scalar(0.0f),
                            Tensor::scalar(6.0f)},
                 .bench = true,
                 .constant_inputs = {1, 2}});
  out.push_back(
      {.name = "prelu_channels_bench",
       .op = "PRelu",
       .inputs = {case_floats(Shape{1, 32, 112, 112}, 6), case_floats(Shape{32, 1, 1}, 7)},
       .bench = true,
       .constant_inputs = {1}});
  for (const char* name : {"BiasGelu", "FastGelu"}) {
    out.push_back({.name = cat(name, "_bias_129"),
                   .op = name,
                   .domain = "com.microsoft",
                   .inputs = {case_floats(Shape{2, 3, 129}, 8, 3.0), case_floats(Shape{129}, 9)}});
  }
  out.push_back({.name = "bias_add_129",
                 .op = "BiasAdd",
                 .domain = "com.microsoft",
                 .inputs = {case_floats(Shape{2, 3, 129}, 8), case_floats(Shape{129}, 9),
                            case_floats(Shape{2, 3, 129}, 10)}});
  out.push_back({.name = "bias_split_gelu_254",
                 .op = "BiasSplitGelu",
                 .domain = "com.microsoft",
                 .inputs = {case_floats(Shape{2, 3, 254}, 8, 3.0), case_floats(Shape{254}, 9)}});
  return out;
}

}  // namespace sluice::ops::unary
