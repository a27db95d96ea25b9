#include "base/text.h"
#include "op/case.h"

namespace sluice::ops::pool {

namespace {

using op::Case;
using op::case_floats;
using op::case_ints;
using Ints = std::vector<int64_t>;

Tensor floats(const Shape& shape, std::initializer_list<float> values) {
  return Tensor::of<float>(shape, values);
}

void add_windows(std::vector<Case>& out, const std::string& op) {
  const auto add = [&](const std::string& name, const Shape& x, AttrMap attrs,
                       DType dtype = DType::kFloat32, bool bench = false) {
    Case c{.name = name,
           .op = op,
           .attrs = std::move(attrs),
           .inputs = {case_floats(x, 1, 1, dtype)},
           .bench = bench};
    if (dtype == DType::kFloat16) c.atol = c.rtol = 2e-3;
    if (dtype == DType::kBFloat16) c.atol = c.rtol = 2e-2;
    out.push_back(std::move(c));
  };
  for (const int64_t kernel : {1, 2, 3, 5}) {
    for (const int64_t stride : {1, 2, 3}) {
      add(cat("kernel_", kernel, "_stride_", stride), {1, 3, 11, 13},
          {{"kernel_shape", Ints{kernel, kernel}}, {"strides", Ints{stride, stride}}});
      add(cat("padded_kernel_", kernel, "_stride_", stride), {2, 2, 7, 8},
          {{"kernel_shape", Ints{kernel, kernel}},
           {"strides", Ints{stride, stride}},
           {"pads", Ints{kernel / 2, kernel / 2, kernel / 2, kernel / 2}}});
      add(cat("ceil_kernel_", kernel, "_stride_", stride), {1, 2, 8, 9},
          {{"kernel_shape", Ints{kernel, kernel}},
           {"strides", Ints{stride, stride}},
           {"ceil_mode", int64_t{1}}});
    }
  }
  for (const int64_t width : {1, 2, 3, 7, 8, 9, 17, 127, 129}) {
    add(cat("width_", width), {1, 2, 3, width},
        {{"kernel_shape", Ints{3, 3}}, {"pads", Ints{1, 1, 1, 1}}});
  }
  for (const char* pad : {"SAME_UPPER", "SAME_LOWER", "VALID"}) {
    add(cat("auto_pad_", pad), {1, 2, 8, 9},
        {{"kernel_shape", Ints{2, 3}}, {"strides", Ints{2, 2}}, {"auto_pad", std::string(pad)}});
  }
  add("dilations", {1, 2, 9, 10}, {{"kernel_shape", Ints{3, 2}}, {"dilations", Ints{2, 3}}});
  add("asymmetric_pads", {1, 2, 6, 6},
      {{"kernel_shape", Ints{3, 3}}, {"pads", Ints{0, 2, 1, 0}}, {"strides", Ints{2, 2}}});
  add("ceil_and_pads", {1, 2, 6, 7},
      {{"kernel_shape", Ints{3, 3}},
       {"pads", Ints{1, 1, 1, 1}},
       {"strides", Ints{2, 3}},
       {"ceil_mode", int64_t{1}}});
  add("one_dimensional", {2, 3, 12}, {{"kernel_shape", Ints{4}}, {"strides", Ints{2}}});
  add("three_dimensional", {1, 2, 4, 5, 6},
      {{"kernel_shape", Ints{2, 3, 2}}, {"pads", Ints{0, 1, 1, 1, 1, 0}}});
  for (const int64_t channels : {1, 7, 33, 129}) {
    add(cat("channels_", channels), {1, channels, 4, 4}, {{"kernel_shape", Ints{2, 2}}});
  }
  for (const DType dtype : {DType::kFloat16, DType::kBFloat16, DType::kFloat64}) {
    add(cat("dtype_", dtype_name(dtype)), {1, 2, 5, 5}, {{"kernel_shape", Ints{3, 3}}}, dtype);
  }
  add("empty_batch", {0, 2, 5, 5}, {{"kernel_shape", Ints{3, 3}}});
  add("bench_64_112_3x3_s2", {1, 64, 112, 112},
      {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}},
      DType::kFloat32, true);
}

}  // namespace

std::vector<Case> cases() {
  std::vector<Case> out;
  out.push_back(
      {.name = "golden_indices",
       .op = "MaxPool",
       .attrs = {{"kernel_shape", Ints{2, 2}}},
       .inputs = {floats({1, 1, 2, 3}, {1, 5, 2, 3, 5, 4})},
       .outputs = {floats({1, 1, 1, 2}, {5, 5}), Tensor::of<int64_t>({1, 1, 1, 2}, {1, 1})},
       .output_count = 2});
  out.push_back(
      {.name = "golden_column_major_indices",
       .op = "MaxPool",
       .attrs = {{"kernel_shape", Ints{2, 2}}, {"storage_order", int64_t{1}}},
       .inputs = {floats({1, 1, 2, 3}, {1, 5, 2, 3, 4, 6})},
       .outputs = {floats({1, 1, 1, 2}, {5, 6}), Tensor::of<int64_t>({1, 1, 1, 2}, {2, 5})},
       .output_count = 2});
  out.push_back({.name = "golden_ceil_mode_drops_window_in_padding",
                 .op = "MaxPool",
                 .attrs = {{"kernel_shape", Ints{1}},
                           {"strides", Ints{2}},
                           {"ceil_mode", int64_t{1}},
                           {"pads", Ints{0, 1}}},
                 .inputs = {floats({1, 1, 3}, {1, 2, 3})},
                 .outputs = {floats({1, 1, 2}, {1, 3})}});
  out.push_back({.name = "golden_excludes_padding",
                 .op = "AveragePool",
                 .attrs = {{"kernel_shape", Ints{3}}, {"pads", Ints{1, 1}}},
                 .inputs = {floats({1, 1, 3}, {1, 2, 6})},
                 .outputs = {floats({1, 1, 3}, {1.5f, 3, 4})}});
  out.push_back({.name = "golden_includes_padding",
                 .op = "AveragePool",
                 .attrs = {{"kernel_shape", Ints{3}},
                           {"pads", Ints{1, 1}},
                           {"count_include_pad", int64_t{1}}},
                 .inputs = {floats({1, 1, 3}, {1, 2, 6})},
                 .outputs = {floats({1, 1, 3}, {1, 3, 8.0f / 3})}});
  out.push_back({.name = "golden_ceil_mode_counts_no_more_than_padding",
                 .op = "AveragePool",
                 .attrs = {{"kernel_shape", Ints{2}},
                           {"strides", Ints{2}},
                           {"ceil_mode", int64_t{1}},
                           {"count_include_pad", int64_t{1}}},
                 .inputs = {floats({1, 1, 3}, {1, 2, 6})},
                 .outputs = {floats({1, 1, 2}, {1.5f, 6})}});
  out.push_back({.name = "golden_3_4_5",
                 .op = "LpPool",
                 .attrs = {{"kernel_shape", Ints{2}}},
                 .inputs = {floats({1, 1, 2}, {3, -4})},
                 .outputs = {floats({1, 1, 1}, {5})}});
  for (const char* op : {"MaxPool", "AveragePool", "LpPool"}) add_windows(out, op);
  for (const bool include : {false, true}) {
    for (const int64_t stride : {1, 2, 3}) {
      out.push_back({.name = cat("count_", include ? "all" : "inside", "_stride_", stride),
                     .op = "AveragePool",
                     .attrs = {{"kernel_shape", Ints{3, 4}},
                               {"strides", Ints{stride, stride}},
                               {"pads", Ints{1, 2, 1, 1}},
                               {"ceil_mode", int64_t{1}},
                               {"count_include_pad", int64_t{include}}},
                     .inputs = {case_floats({1, 3, 7, 9}, 1)}});
    }
  }
  for (const DType dtype : {DType::kInt8, DType::kUInt8}) {
    const int64_t low = dtype == DType::kInt8 ? -128 : 0;
    out.push_back({.name = cat("max_", dtype_name(dtype)),
                   .op = "MaxPool",
                   .attrs = {{"kernel_shape", Ints{3, 3}}, {"pads", Ints{1, 1, 1, 1}}},
                   .inputs = {case_ints(dtype, {1, 5, 7, 9}, low, low + 255)}});
    for (const bool last : {false, true}) {
      const Shape shape = last ? Shape{1, 6, 7, 3} : Shape{1, 3, 6, 7};
      const Tensor zero = case_ints(dtype, {}, low + 120, low + 130);
      out.push_back(
          {.name = cat("average_", dtype_name(dtype), last ? "_last" : ""),
           .op = "QLinearAveragePool",
           .domain = "com.microsoft",
           .attrs = {{"kernel_shape", Ints{3, 3}},
                     {"strides", Ints{2, 2}},
                     {"pads", Ints{1, 1, 1, 1}},
                     {"channels_last", int64_t{last}}},
           .inputs = {case_ints(dtype, shape, low, low + 255), Tensor::scalar<float>(0.03f), zero,
                      Tensor::scalar<float>(0.02f), zero}});
      out.push_back(
          {.name = cat("global_average_", dtype_name(dtype), last ? "_last" : ""),
           .op = "QLinearGlobalAveragePool",
           .domain = "com.microsoft",
           .attrs = {{"channels_last", int64_t{last}}},
           .inputs = {case_ints(dtype, shape, low, low + 255), Tensor::scalar<float>(0.03f), zero,
                      Tensor::scalar<float>(0.02f), zero}});
    }
  }
  for (const char* op : {"GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool"}) {
    for (const Shape& shape : {Shape{1, 3, 5, 7}, Shape{2, 129, 1, 1}, Shape{1, 2, 127},
                               Shape{2, 3, 4, 5, 6}, Shape{0, 3, 4, 4}}) {
      out.push_back(
          {.name = cat("global_", shape.text()), .op = op, .inputs = {case_floats(shape, 1)}});
    }
  }
  out.push_back({.name = "golden_larger_output",
                 .op = "MaxUnpool",
                 .attrs = {{"kernel_shape", Ints{2}}, {"strides", Ints{2}}},
                 .inputs = {floats({1, 1, 2}, {7, 8}), Tensor::of<int64_t>({1, 1, 2}, {1, 2}),
                            Tensor::of<int64_t>({3}, {1, 1, 5})},
                 .outputs = {floats({1, 1, 5}, {0, 7, 8, 0, 0})}});
  for (const int64_t order : {0, 1}) {
    out.push_back({.name = cat("indices_3d_order_", order),
                   .op = "MaxPool",
                   .attrs = {{"kernel_shape", Ints{2, 3, 2}},
                             {"strides", Ints{1, 2, 3}},
                             {"dilations", Ints{2, 1, 1}},
                             {"pads", Ints{1, 0, 1, 0, 1, 0}},
                             {"storage_order", order}},
                   .inputs = {case_floats({2, 3, 4, 5, 6}, 1)},
                   .output_count = 2});
  }
  for (const float p : {1.0f, 3.0f}) {
    out.push_back({.name = cat("power_", p),
                   .op = "LpPool",
                   .attrs = {{"kernel_shape", Ints{2, 3}}, {"p", static_cast<int64_t>(p)}},
                   .inputs = {case_floats({1, 2, 5, 6}, 1)}});
    out.push_back({.name = cat("global_power_", p),
                   .op = "GlobalLpPool",
                   .attrs = {{"p", static_cast<int64_t>(p)}},
                   .inputs = {case_floats({2, 3, 5, 6}, 1)}});
  }
  out.push_back({.name = "unpool_2d",
                 .op = "MaxUnpool",
                 .attrs = {{"kernel_shape", Ints{2, 3}}, {"strides", Ints{2, 3}}},
                 .inputs = {case_floats({2, 1, 2, 2}, 1),
                            Tensor::of<int64_t>({2, 1, 2, 2}, {1, 10, 12, 23, 24, 35, 38, 45})}});
  out.push_back({.name = "regions_of_two_images",
                 .op = "MaxRoiPool",
                 .attrs = {{"pooled_shape", Ints{3, 2}}, {"spatial_scale", 0.5f}},
                 .inputs = {case_floats({2, 3, 7, 9}, 1),
                            floats({3, 5}, {0, 0, 0, 12, 9, 1, 4, 3, 30, 11, 1, 8, 8, 5, 2})}});
  out.push_back({.name = "golden_quarters",
                 .op = "MaxRoiPool",
                 .attrs = {{"pooled_shape", Ints{2, 2}}},
                 .inputs = {floats({1, 1, 2, 2}, {1, 2, 3, 4}), floats({1, 5}, {0, 0, 0, 1, 1})},
                 .outputs = {floats({1, 1, 2, 2}, {1, 2, 3, 4})}});
  for (const char* mode : {"avg", "max"}) {
    for (const char* coordinates : {"half_pixel", "output_half_pixel"}) {
      for (const int64_t ratio : {0, 2}) {
        out.push_back({.name = cat(mode, "_", coordinates, "_", ratio),
                       .op = "RoiAlign",
                       .attrs = {{"mode", std::string(mode)},
                                 {"sampling_ratio", ratio},
                                 {"coordinate_transformation_mode", std::string(coordinates)},
                                 {"output_height", int64_t{3}},
                                 {"output_width", int64_t{2}},
                                 {"spatial_scale", 0.5f}},
                       .inputs = {case_floats({2, 3, 8, 9}, 1),
                                  floats({3, 4}, {0, 0, 10, 12, 2, 3, 15, 9, -4, 5, 3, 30}),
                                  Tensor::of<int64_t>({3}, {0, 1, 1})}});
      }
    }
  }
  return out;
}

}  // namespace sluice::ops::pool
