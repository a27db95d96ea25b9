#include <limits>

#include "base/text.h"
#include "op/case.h"

namespace sluice::ops::reduce {

namespace {

using op::case_floats;
using op::case_ints;

Tensor axes(std::initializer_list<int64_t> values) {
  return Tensor::of<int64_t>(Shape{static_cast<int64_t>(values.size())}, values);
}

void add_goldens(std::vector<op::Case>& out) {
  const float infinity = std::numeric_limits<float>::infinity();
  const Tensor x = Tensor::of<float>(Shape{2, 3}, {1, 2, 3, 4, 5, 6});
  const AttrMap drop = {{"keepdims", int64_t{0}}};
  const auto add = [&](const char* name, const char* op_name, std::vector<Value> inputs, Tensor y,
                       AttrMap attrs = {}) {
    out.push_back({.name = name,
                   .op = op_name,
                   .attrs = std::move(attrs),
                   .inputs = std::move(inputs),
                   .outputs = {std::move(y)}});
  };
  add("sum_axis_1", "ReduceSum", {x, axes({1})}, Tensor::of<float>(Shape{2, 1}, {6, 15}));
  add("sum_negative_axis_dropped", "ReduceSum", {x, axes({-2})},
      Tensor::of<float>(Shape{3}, {5, 7, 9}), drop);
  add("sum_all", "ReduceSum", {x}, Tensor::of<float>(Shape{1, 1}, {21}));
  add("sum_square_noop_still_squares", "ReduceSumSquare", {x},
      Tensor::of<float>(Shape{2, 3}, {1, 4, 9, 16, 25, 36}),
      {{"noop_with_empty_axes", int64_t{1}}});
  add("mean_int_truncates", "ReduceMean", {Tensor::of<int32_t>(Shape{2}, {-1, -2})},
      Tensor::of<int32_t>(Shape{1}, {-1}));
  add("log_sum_exp_large", "ReduceLogSumExp", {Tensor::of<float>(Shape{2}, {1000, 1000})},
      Tensor::of<float>(Shape{1}, {1000.6931f}));
  add("l1", "ReduceL1", {Tensor::of<float>(Shape{3}, {-1, 2, -3})},
      Tensor::of<float>(Shape{1}, {6}));
  add("l2", "ReduceL2", {Tensor::of<float>(Shape{2}, {3, -4})}, Tensor::of<float>(Shape{1}, {5}));
  add("prod_int64_wraps", "ReduceProd", {Tensor::of<int64_t>(Shape{2}, {int64_t{1} << 62, 4})},
      Tensor::of<int64_t>(Shape{1}, {0}));
  add("max_bool", "ReduceMax",
      {Tensor::of<bool>(Shape{2, 2}, {true, false, false, false}), axes({1})},
      Tensor::of<bool>(Shape{2}, {true, false}), drop);
  const Tensor empty = Tensor::of<float>(Shape{2, 0}, {});
  add("empty_sum", "ReduceSum", {empty, axes({1})}, Tensor::of<float>(Shape{2, 1}, {0, 0}));
  add("empty_prod", "ReduceProd", {empty, axes({1})}, Tensor::of<float>(Shape{2, 1}, {1, 1}));
  add("empty_max", "ReduceMax", {empty, axes({1})},
      Tensor::of<float>(Shape{2, 1}, {-infinity, -infinity}));
  add("empty_min", "ReduceMin", {empty, axes({1})},
      Tensor::of<float>(Shape{2, 1}, {infinity, infinity}));
  add("empty_max_int8", "ReduceMax", {Tensor::of<int8_t>(Shape{0}, {})},
      Tensor::of<int8_t>(Shape{1}, {-128}));
  const Tensor ties = Tensor::of<float>(Shape{2, 3}, {2, 5, 5, 1, 1, 0});
  add("arg_max_first", "ArgMax", {ties}, Tensor::of<int64_t>(Shape{2}, {1, 0}),
      {{"axis", int64_t{-1}}, {"keepdims", int64_t{0}}});
  add("arg_max_last", "ArgMax", {ties}, Tensor::of<int64_t>(Shape{2, 1}, {2, 1}),
      {{"axis", int64_t{1}}, {"select_last_index", int64_t{1}}});
  add("arg_min_int8", "ArgMin", {Tensor::of<int8_t>(Shape{4}, {3, -128, 7, -128})},
      Tensor::of<int64_t>(Shape{1}, {1}));
  const Tensor line = Tensor::of<float>(Shape{3}, {1, 2, 3});
  const Tensor zero = Tensor::scalar<int32_t>(0);
  add("cum_sum", "CumSum", {line, zero}, Tensor::of<float>(Shape{3}, {1, 3, 6}));
  add("cum_sum_exclusive_reverse", "CumSum", {line, zero}, Tensor::of<float>(Shape{3}, {5, 3, 0}),
      {{"exclusive", int64_t{1}}, {"reverse", int64_t{1}}});
  add("cum_prod_exclusive", "CumProd", {line, zero}, Tensor::of<float>(Shape{3}, {1, 1, 2}),
      {{"exclusive", int64_t{1}}});
}

}  // namespace

std::vector<op::Case> cases() {
  std::vector<op::Case> out;
  add_goldens(out);
  const char* const names[] = {"ReduceSum",       "ReduceMean",     "ReduceMax", "ReduceMin",
                               "ReduceProd",      "ReduceL1",       "ReduceL2",  "ReduceLogSum",
                               "ReduceSumSquare", "ReduceLogSumExp"};
  const std::pair<Shape, Tensor> layouts[] = {{Shape{129}, axes({0})},
                                              {Shape{3, 127}, axes({1})},
                                              {Shape{127, 3}, axes({0})},
                                              {Shape{2, 3, 5, 7}, axes({-1})},
                                              {Shape{2, 3, 5, 7}, axes({2, 3})},
                                              {Shape{2, 3, 5, 7}, axes({1})},
                                              {Shape{2, 3, 5, 7}, axes({0, 2})},
                                              {Shape{2, 3, 5, 7}, axes({1, -1})},
                                              {Shape{2, 3, 5, 7}, axes({0, 1, 2, 3})},
                                              {Shape{2, 3, 1, 7}, axes({2})},
                                              {Shape{0, 3}, axes({0})},
                                              {Shape{3, 0}, axes({0})}};
  int seed = 0;
  for (const char* name : names) {
    for (const auto& [shape, over] : layouts) {
      for (const int64_t keepdims : {0, 1}) {
        Tensor x = case_floats(shape, ++seed);
        // Sums under a logarithm have to be positive; products stay near 1.
        for (int64_t i = 0; i < x.elements(); ++i) x.set_double(i, 1.05 + 0.2 * x.get_double(i));
        out.push_back({.name = cat(name, "_", shape.text(), "_", join(over.to_ints(), "_"),
                                   keepdims != 0 ? "_kept" : ""),
                       .op = name,
                       .attrs = {{"keepdims", keepdims}},
                       .inputs = {x, over},
                       .atol = 1e-5,
                       .rtol = 2e-5,
                       .constant_inputs = {1}});
      }
    }
    out.push_back({.name = cat(name, "_scalar"), .op = name, .inputs = {Tensor::scalar(2.5f)}});
    out.push_back({.name = cat(name, "_noop"),
                   .op = name,
                   .attrs = {{"noop_with_empty_axes", int64_t{1}}},
                   .inputs = {Tensor::of<float>(Shape{3}, {1, 2, 3})}});
    for (const DType dtype : {DType::kFloat16, DType::kBFloat16, DType::kFloat64}) {
      Tensor x = case_floats(Shape{5, 9}, ++seed, 0.5, dtype);
      for (int64_t i = 0; i < x.elements(); ++i) x.set_double(i, x.get_double(i) + 1);
      out.push_back({.name = cat(name, "_", dtype_name(dtype)),
                     .op = name,
                     .inputs = {x, axes({1})},
                     .atol = 2e-2,
                     .rtol = 2e-2});
    }
    for (const DType dtype : {DType::kInt32, DType::kInt64}) {
      out.push_back({.name = cat(name, "_", dtype_name(dtype)),
                     .op = name,
                     .inputs = {case_ints(dtype, Shape{5, 9}, 1, 9), axes({1})}});
    }
  }
  for (const char* name : {"ArgMax", "ArgMin"}) {
    for (int64_t axis = -3; axis < 3; ++axis) {
      for (const DType dtype : {DType::kFloat32, DType::kInt32, DType::kUInt8}) {
        out.push_back(
            {.name = cat(name, "_axis_", axis, "_", dtype_name(dtype)),
             .op = name,
             .attrs = {{"axis", axis}, {"select_last_index", axis < 0 ? int64_t{1} : int64_t{0}}},
             .inputs = {dtype == DType::kFloat32
                            ? case_floats(Shape{3, 17, 5}, ++seed)
                            : case_ints(dtype, Shape{3, 17, 5}, 0, 7, ++seed)}});
      }
    }
  }
  for (const char* name : {"CumSum", "CumProd"}) {
    for (int64_t axis = -2; axis < 2; ++axis) {
      for (int64_t mode = 0; mode < 4; ++mode) {
        out.push_back({.name = cat(name, "_axis_", axis, "_mode_", mode),
                       .op = name,
                       .attrs = {{"exclusive", mode & 1}, {"reverse", mode >> 1}},
                       .inputs = {case_floats(Shape{5, 17}, ++seed, 1.2), Tensor::scalar(axis)}});
      }
    }
  }
  // Few results of many elements, which devices reduce in shares.
  const std::pair<Shape, Tensor> long_layouts[] = {{Shape{2, 20000}, axes({1})},
                                                   {Shape{20000, 2}, axes({0})},
                                                   {Shape{7, 3, 1200}, axes({0, 2})},
                                                   {Shape{1200, 3, 7}, axes({0, 2})}};
  for (const char* name : names) {
    for (const auto& [shape, over] : long_layouts) {
      Tensor x = case_floats(shape, ++seed, 0.001);
      for (int64_t i = 0; i < x.elements(); ++i) x.set_double(i, 1.0 + x.get_double(i));
      out.push_back({.name = cat(name, "_long_", shape.text()),
                     .op = name,
                     .inputs = {x, over},
                     .atol = 1e-4,
                     .rtol = 1e-4,
                     .constant_inputs = {1}});
    }
  }
  for (const char* name :
       {"ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSumSquare"}) {
    for (const DType dtype : {DType::kInt32, DType::kInt64, DType::kUInt64, DType::kInt8}) {
      out.push_back({.name = cat(name, "_long_", dtype_name(dtype)),
                     .op = name,
                     .inputs = {case_ints(dtype, Shape{9000, 2}, dtype == DType::kUInt64 ? 1 : -120,
                                          127, ++seed),
                                axes({0})}});
    }
  }
  for (const char* name : {"ReduceMax", "ReduceMin", "ReduceSum", "ReduceLogSumExp"}) {
    for (const float odd :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
          -std::numeric_limits<float>::infinity()}) {
      Tensor x = case_floats(Shape{2, 300}, ++seed);
      x.set_double(77, static_cast<double>(odd));
      out.push_back({.name = cat(name, "_with_", odd), .op = name, .inputs = {x, axes({1})}});
    }
  }
  for (const char* name : {"ArgMax", "ArgMin"}) {
    for (const DType dtype :
         {DType::kFloat32, DType::kFloat16, DType::kInt64, DType::kUInt64, DType::kFloat64}) {
      for (const int64_t last : {0, 1}) {
        out.push_back({.name = cat(name, "_long_", dtype_name(dtype), "_", last),
                       .op = name,
                       .attrs = {{"axis", int64_t{1}}, {"select_last_index", last}},
                       .inputs = {case_ints(dtype, Shape{3, 700}, 0, 50, ++seed)}});
      }
    }
    Tensor x = case_floats(Shape{2, 300}, ++seed);
    x.set_double(131, std::numeric_limits<double>::quiet_NaN());
    out.push_back(
        {.name = cat(name, "_nan"), .op = name, .attrs = {{"axis", int64_t{1}}}, .inputs = {x}});
  }
  for (const DType dtype : {DType::kFloat32, DType::kInt32, DType::kInt64}) {
    for (int64_t mode = 0; mode < 4; ++mode) {
      out.push_back({.name = cat("CumSum_long_", dtype_name(dtype), "_mode_", mode),
                     .op = "CumSum",
                     .attrs = {{"exclusive", mode & 1}, {"reverse", mode >> 1}},
                     .inputs = {dtype == DType::kFloat32
                                    ? case_floats(Shape{2, 3000, 3}, ++seed)
                                    : case_ints(dtype, Shape{2, 3000, 3}, -99, 99, ++seed),
                                Tensor::scalar<int64_t>(1)},
                     .atol = 1e-4,
                     .rtol = 1e-4});
    }
  }
  const Shape big{1, 64, 128, 128};
  out.push_back({.name = "mean_spatial_bench",
                 .op = "ReduceMean",
                 .inputs = {case_floats(big), axes({2, 3})},
                 .bench = true,
                 .constant_inputs = {1}});
  out.push_back({.name = "sum_channel_bench",
                 .op = "ReduceSum",
                 .inputs = {case_floats(big), axes({1})},
                 .atol = 1e-4,
                 .bench = true,
                 .constant_inputs = {1}});
  out.push_back({.name = "arg_max_classes_bench",
                 .op = "ArgMax",
                 .attrs = {{"axis", int64_t{1}}},
                 .inputs = {case_floats(Shape{1, 21, 128, 128})},
                 .bench = true});
  return out;
}

}  // namespace sluice::ops::reduce
