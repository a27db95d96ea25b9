#include "base/text.h"
#include "op/case.h"

namespace sluice::ops::conv {

namespace {

using op::Case;
using op::case_floats;
using op::case_ints;
using Ints = std::vector<int64_t>;

Tensor floats(const Shape& shape, std::initializer_list<float> values) {
  return Tensor::of<float>(shape, values);
}

struct Layer {
  Shape x, w;
  AttrMap attrs = {};
  bool bias = true;
  DType dtype = DType::kFloat32;
  bool bench = false;
};

// A Conv or ConvTranspose of generated data. Products of up to a few thousand terms, summed in
// float32 by executors and in double here.
Case layer(std::string_view op, const std::string& name, const Layer& l) {
  const int64_t groups = l.attrs.int_or("group", 1);
  const int64_t made = op == "ConvTranspose" ? l.w[1] * groups : l.w[0];
  Case c{.name = name,
         .op = std::string(op),
         .attrs = l.attrs,
         .inputs = {case_floats(l.x, 1, 1, l.dtype), case_floats(l.w, 2, 0.5, l.dtype)},
         .atol = 1e-4,
         .rtol = 1e-4,
         .bench = l.bench,
         .constant_inputs = {1}};
  if (l.bias) {
    c.inputs.push_back(case_floats(Shape{made}, 3, 1, l.dtype));
    c.constant_inputs.push_back(2);
  }
  if (l.dtype == DType::kFloat16) c.atol = c.rtol = 2e-3;
  if (l.dtype == DType::kBFloat16) c.atol = c.rtol = 2e-2;
  return c;
}

void add_conv(std::vector<Case>& out) {
  // 3 x 3 ones over 1..9, padding 1: sums of neighbourhoods.
  out.push_back({.name = "golden_neighbourhood_sums",
                 .op = "Conv",
                 .attrs = {{"pads", Ints{1, 1, 1, 1}}},
                 .inputs = {floats({1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9}),
                            floats({1, 1, 3, 3}, {1, 1, 1, 1, 1, 1, 1, 1, 1})},
                 .outputs = {floats({1, 1, 3, 3}, {12, 21, 16, 27, 45, 33, 24, 39, 28})}});
  out.push_back({.name = "golden_same_lower_1d",
                 .op = "Conv",
                 .attrs = {{"auto_pad", std::string("SAME_LOWER")}},
                 .inputs = {floats({1, 1, 4}, {1, 2, 3, 4}), floats({1, 1, 2}, {1, 10})},
                 .outputs = {floats({1, 1, 4}, {10, 21, 32, 43})}});
  out.push_back({.name = "golden_same_upper_1d",
                 .op = "Conv",
                 .attrs = {{"auto_pad", std::string("SAME_UPPER")}},
                 .inputs = {floats({1, 1, 4}, {1, 2, 3, 4}), floats({1, 1, 2}, {1, 10})},
                 .outputs = {floats({1, 1, 4}, {21, 32, 43, 4})}});
  out.push_back({.name = "golden_groups_and_bias",
                 .op = "Conv",
                 .attrs = {{"group", int64_t{2}}},
                 .inputs = {floats({1, 2, 2}, {1, 2, 3, 4}), floats({2, 1, 1}, {10, 100}),
                            floats({2}, {1, 2})},
                 .outputs = {floats({1, 2, 2}, {11, 21, 302, 402})}});

  // Channel counts around the widths of vectors and tiles, in and out.
  for (const int64_t in : {1, 2, 3, 5, 7, 8, 16, 31, 33, 63, 66, 127, 129}) {
    for (const int64_t made : {1, 3, 16, 33}) {
      out.push_back(layer(
          "Conv", cat("channels_", in, "_to_", made, "_3x3"),
          {.x = {1, in, 5, 7}, .w = {made, in, 3, 3}, .attrs = {{"pads", Ints{1, 1, 1, 1}}}}));
    }
  }
  // Large enough that tiles of 4 x 4 outputs pay: whole tiles and cut ones, panels of 16 tiles
  // along rows and across them, padding on some sides only, phases of dilated taps, groups.
  for (const auto& [h, w] : std::vector<std::pair<int64_t, int64_t>>{
           {16, 16}, {17, 15}, {12, 64}, {13, 62}, {9, 129}, {30, 31}}) {
    out.push_back(
        layer("Conv", cat("tiles_", h, "x", w),
              {.x = {1, 33, h, w}, .w = {31, 33, 3, 3}, .attrs = {{"pads", Ints{1, 1, 1, 1}}}}));
  }
  out.push_back(layer("Conv", "tiles_uneven_padding",
                      {.x = {2, 24, 18, 63},
                       .w = {40, 24, 3, 3},
                       .attrs = {{"pads", Ints{0, 2, 3, 0}}},
                       .bias = false}));
  out.push_back(layer("Conv", "tiles_dilated",
                      {.x = {1, 24, 33, 34},
                       .w = {24, 24, 3, 3},
                       .attrs = {{"pads", Ints{2, 4, 2, 4}}, {"dilations", Ints{2, 4}}}}));
  out.push_back(layer("Conv", "tiles_of_groups",
                      {.x = {2, 48, 16, 20},
                       .w = {50, 24, 3, 3},
                       .attrs = {{"pads", Ints{1, 1, 1, 1}}, {"group", int64_t{2}}}}));
  for (const int64_t made : {1, 5, 8, 17, 64, 127, 129}) {
    out.push_back(
        layer("Conv", cat("pointwise_to_", made), {.x = {2, 19, 6, 9}, .w = {made, 19, 1, 1}}));
    out.push_back(layer("Conv", cat("pointwise_strided_to_", made),
                        {.x = {1, 16, 7, 9},
                         .w = {made, 16, 1, 1},
                         .attrs = {{"strides", Ints{2, 2}}},
                         .bias = false}));
  }
  for (const int64_t width : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 127, 129}) {
    out.push_back(
        layer("Conv", cat("width_", width),
              {.x = {1, 4, 3, width}, .w = {6, 4, 3, 3}, .attrs = {{"pads", Ints{1, 1, 1, 1}}}}));
  }
  for (const int64_t kernel : {1, 2, 3, 5, 7}) {
    for (const int64_t stride : {1, 2, 3}) {
      for (const int64_t dilation : {1, 2}) {
        out.push_back(layer("Conv",
                            cat("kernel_", kernel, "_stride_", stride, "_dilation_", dilation),
                            {.x = {1, 3, 14, 17},
                             .w = {4, 3, kernel, kernel},
                             .attrs = {{"strides", Ints{stride, stride}},
                                       {"dilations", Ints{dilation, dilation}}}}));
      }
    }
  }
  for (const char* pad : {"SAME_UPPER", "SAME_LOWER", "VALID"}) {
    for (const int64_t stride : {1, 2, 3}) {
      out.push_back(
          layer("Conv", cat(pad, "_stride_", stride),
                {.x = {1, 2, 8, 11},
                 .w = {3, 2, 4, 3},
                 .attrs = {{"auto_pad", std::string(pad)}, {"strides", Ints{stride, stride}}}}));
    }
  }
  out.push_back(layer("Conv", "asymmetric_pads",
                      {.x = {1, 3, 6, 5},
                       .w = {4, 3, 3, 2},
                       .attrs = {{"pads", Ints{2, 0, 1, 3}}, {"strides", Ints{1, 2}}}}));
  out.push_back(layer("Conv", "window_wholly_in_padding",
                      {.x = {1, 1, 2, 2},
                       .w = {2, 1, 2, 2},
                       .attrs = {{"pads", Ints{3, 3, 3, 3}}, {"strides", Ints{2, 2}}}}));
  for (const int64_t groups : {2, 3, 6}) {
    out.push_back(layer("Conv", cat("groups_", groups),
                        {.x = {2, 6, 7, 8},
                         .w = {12, 6 / groups, 3, 3},
                         .attrs = {{"group", groups}, {"pads", Ints{1, 1, 1, 1}}}}));
  }
  // Enough rows for tiles, with what makes places differ along every axis.
  out.push_back(layer(
      "Conv", "tiles_oblong_dilated",
      {.x = {1, 20, 12, 17},
       .w = {33, 20, 3, 5},
       .attrs = {{"dilations", Ints{2, 3}}, {"strides", Ints{1, 2}}, {"pads", Ints{1, 2, 3, 4}}}}));
  out.push_back(layer("Conv", "tiles_groups_of_odd_width",
                      {.x = {2, 46, 9, 7},
                       .w = {40, 23, 3, 2},
                       .attrs = {{"group", int64_t{2}}, {"dilations", Ints{2, 1}}}}));
  out.push_back(layer("Conv", "tiles_three_axes",
                      {.x = {1, 18, 5, 7, 8},
                       .w = {24, 18, 2, 3, 4},
                       .attrs = {{"dilations", Ints{2, 1, 2}}, {"pads", Ints{1, 0, 2, 0, 1, 3}}}}));
  out.push_back(layer("Conv", "four_axes_in_groups",
                      {.x = {2, 4, 4, 5, 6, 4},
                       .w = {6, 2, 2, 3, 2, 3},
                       .attrs = {{"group", int64_t{2}},
                                 {"dilations", Ints{1, 1, 2, 1}},
                                 {"strides", Ints{2, 1, 1, 2}},
                                 {"pads", Ints{1, 2, 0, 1, 0, 1, 2, 3}}}}));
  for (const int64_t channels : {2, 3, 8, 17, 129}) {
    for (const int64_t kernel : {3, 5}) {
      for (const int64_t stride : {1, 2}) {
        out.push_back(layer("Conv", cat("depthwise_", channels, "_k", kernel, "_s", stride),
                            {.x = {1, channels, 9, 10},
                             .w = {channels, 1, kernel, kernel},
                             .attrs = {{"group", channels},
                                       {"strides", Ints{stride, stride}},
                                       {"pads", Ints{1, 1, 1, 1}}}}));
      }
    }
  }
  out.push_back(layer("Conv", "depthwise_multiplier_2",
                      {.x = {1, 5, 6, 6}, .w = {10, 1, 3, 3}, .attrs = {{"group", int64_t{5}}}}));
  out.push_back(
      layer("Conv", "one_dimensional",
            {.x = {2, 3, 20},
             .w = {4, 3, 5},
             .attrs = {{"strides", Ints{2}}, {"dilations", Ints{2}}, {"pads", Ints{3, 1}}}}));
  out.push_back(layer("Conv", "three_dimensional",
                      {.x = {1, 2, 5, 6, 7},
                       .w = {3, 2, 2, 3, 3},
                       .attrs = {{"strides", Ints{1, 2, 1}}, {"pads", Ints{0, 1, 1, 1, 0, 1}}}}));
  out.push_back(
      layer("Conv", "four_dimensional", {.x = {1, 2, 3, 4, 3, 4}, .w = {2, 2, 2, 2, 2, 2}}));
  for (const DType dtype : {DType::kFloat16, DType::kBFloat16, DType::kFloat64}) {
    out.push_back(layer("Conv", cat("dtype_", dtype_name(dtype)),
                        {.x = {1, 5, 6, 7},
                         .w = {8, 5, 3, 3},
                         .attrs = {{"pads", Ints{1, 1, 1, 1}}},
                         .dtype = dtype}));
  }
  out.push_back(layer("Conv", "empty_batch", {.x = {0, 3, 4, 4}, .w = {2, 3, 3, 3}}));
  out.push_back(layer("Conv", "no_input_channels", {.x = {1, 0, 4, 4}, .w = {2, 0, 3, 3}}));
  out.push_back(layer("Conv", "bench_64_to_64_3x3_56",
                      {.x = {1, 64, 56, 56},
                       .w = {64, 64, 3, 3},
                       .attrs = {{"pads", Ints{1, 1, 1, 1}}},
                       .bench = true}));
  out.push_back(layer("Conv", "bench_pointwise_128_to_256_28",
                      {.x = {1, 128, 28, 28}, .w = {256, 128, 1, 1}, .bench = true}));
  out.push_back(layer("Conv", "bench_depthwise_96_3x3_56",
                      {.x = {1, 96, 56, 56},
                       .w = {96, 1, 3, 3},
                       .attrs = {{"group", int64_t{96}}, {"pads", Ints{1, 1, 1, 1}}},
                       .bench = true}));
  out.push_back(layer("Conv", "bench_stem_3_to_32_112",
                      {.x = {1, 3, 112, 112},
                       .w = {32, 3, 3, 3},
                       .attrs = {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 2}}},
                       .bench = true}));

  // No two axes alike, so that none can be taken for another.
  out.push_back(layer("Conv", "unlike_axes",
                      {.x = {2, 20, 9, 11},
                       .w = {24, 10, 3, 2},
                       .attrs = {{"group", int64_t{2}},
                                 {"strides", Ints{1, 2}},
                                 {"dilations", Ints{2, 1}},
                                 {"pads", Ints{1, 0, 2, 3}}}}));
  out.push_back(layer("Conv", "unlike_axes_3d",
                      {.x = {2, 9, 4, 5, 8},
                       .w = {12, 9, 2, 3, 2},
                       .attrs = {{"strides", Ints{1, 2, 1}},
                                 {"dilations", Ints{2, 1, 3}},
                                 {"pads", Ints{1, 0, 2, 0, 2, 1}}}}));
  out.push_back(layer("Conv", "unlike_axes_few_rows",
                      {.x = {2, 6, 4, 5, 8},
                       .w = {6, 3, 2, 3, 2},
                       .attrs = {{"group", int64_t{2}},
                                 {"strides", Ints{2, 1, 3}},
                                 {"dilations", Ints{1, 2, 3}},
                                 {"pads", Ints{1, 0, 2, 0, 2, 1}}}}));
  out.push_back(layer("Conv", "unlike_axes_few_rows_3d_sliding",
                      {.x = {2, 3, 4, 5, 9},
                       .w = {5, 3, 2, 3, 4},
                       .attrs = {{"strides", Ints{2, 1, 1}},
                                 {"dilations", Ints{1, 2, 1}},
                                 {"pads", Ints{1, 0, 2, 0, 2, 1}}}}));
  out.push_back(layer("Conv", "unlike_axes_depthwise",
                      {.x = {2, 6, 7, 9},
                       .w = {12, 1, 3, 2},
                       .attrs = {{"group", int64_t{6}},
                                 {"strides", Ints{1, 2}},
                                 {"dilations", Ints{2, 1}},
                                 {"pads", Ints{1, 0, 2, 3}}}}));
  out.push_back(layer("Conv", "unlike_axes_depthwise_3d",
                      {.x = {2, 4, 3, 6, 9},
                       .w = {4, 1, 2, 3, 4},
                       .attrs = {{"group", int64_t{4}},
                                 {"strides", Ints{2, 1, 1}},
                                 {"dilations", Ints{1, 2, 1}},
                                 {"pads", Ints{1, 0, 2, 0, 2, 1}}}}));
  for (const int64_t groups : {1, 2}) {
    Case c = layer("Conv", cat("weight_made_by_the_run_", groups),
                   {.x = {1, 12, 6, 7},
                    .w = {22, 12 / groups, 3, 2},
                    .attrs = {{"group", groups}, {"pads", Ints{1, 1, 1, 0}}}});
    c.constant_inputs.clear();
    out.push_back(std::move(c));
  }
  // Small outputs with long sums: executors may cut these along the sum.
  out.push_back(
      layer("Conv", "long_sums_7x7",
            {.x = {1, 150, 7, 7}, .w = {40, 150, 3, 3}, .attrs = {{"pads", Ints{1, 1, 1, 1}}}}));
  out.push_back(layer("Conv", "long_sums_pointwise", {.x = {2, 515, 3, 3}, .w = {33, 515, 1, 1}}));
  for (const char* activation : {"Affine", "ThresholdedRelu", "ScaledTanh", "Elu", "Selu",
                                 "Softsign", "Softplus", "HardSwish", "Gelu"}) {
    Case c =
        layer("FusedConv", cat("fused_", activation), {.x = {1, 40, 5, 6}, .w = {20, 40, 3, 3}});
    c.domain = "sluice";
    c.attrs.set("activation", std::string(activation));
    c.inputs.push_back(case_floats({1, 20, 3, 4}, 9));
    out.push_back(std::move(c));
  }
  for (const char* activation : {"Relu", "Tanh", "Sigmoid", "LeakyRelu", "Clip", "HardSigmoid"}) {
    Case c = layer("FusedConv", cat("fused_", activation), {.x = {1, 3, 6, 7}, .w = {5, 3, 3, 3}});
    c.domain = "com.microsoft";
    c.attrs.set("activation", std::string(activation));
    if (std::string(activation) == "LeakyRelu")
      c.attrs.set("activation_params", std::vector<float>{0.1f});
    if (std::string(activation) == "Clip")
      c.attrs.set("activation_params", std::vector<float>{-0.5f, 0.75f});
    out.push_back(c);
    c.name += "_residual";
    c.inputs.push_back(case_floats({1, 5, 4, 5}, 9));
    out.push_back(c);
  }
}

void add_conv_transpose(std::vector<Case>& out) {
  out.push_back({.name = "golden_stride_2",
                 .op = "ConvTranspose",
                 .attrs = {{"strides", Ints{2}}},
                 .inputs = {floats({1, 1, 2}, {1, 2}), floats({1, 1, 3}, {1, 10, 100})},
                 .outputs = {floats({1, 1, 5}, {1, 10, 102, 20, 200})}});
  out.push_back({.name = "golden_output_padding_and_pads",
                 .op = "ConvTranspose",
                 .attrs = {{"strides", Ints{2}}, {"pads", Ints{1, 1}}, {"output_padding", Ints{1}}},
                 .inputs = {floats({1, 1, 2}, {1, 2}), floats({1, 1, 3}, {1, 10, 100})},
                 .outputs = {floats({1, 1, 4}, {10, 102, 20, 200})}});
  for (const int64_t in : {1, 3, 8, 17, 33}) {
    for (const int64_t made : {1, 4, 19}) {
      for (const int64_t stride : {1, 2, 3}) {
        out.push_back(layer("ConvTranspose", cat("channels_", in, "_to_", made, "_stride_", stride),
                            {.x = {1, in, 4, 5},
                             .w = {in, made, 3, 3},
                             .attrs = {{"strides", Ints{stride, stride}}}}));
      }
    }
  }
  // Windows side by side.
  for (const int64_t width : {1, 7, 18, 40}) {
    for (const int64_t height : {1, 2, 3}) {
      out.push_back(layer("ConvTranspose", cat("tiles_", height, "x2_width_", width),
                          {.x = {2, 5, 3, width},
                           .w = {5, 3, height, 2},
                           .attrs = {{"strides", Ints{height, 2}}}}));
    }
  }
  for (const char* pad : {"SAME_UPPER", "SAME_LOWER", "VALID"}) {
    out.push_back(layer("ConvTranspose", cat("auto_pad_", pad),
                        {.x = {1, 2, 4, 5},
                         .w = {2, 3, 4, 3},
                         .attrs = {{"auto_pad", std::string(pad)}, {"strides", Ints{2, 2}}}}));
  }
  out.push_back(layer("ConvTranspose", "output_shape",
                      {.x = {1, 1, 3, 3},
                       .w = {1, 2, 3, 3},
                       .attrs = {{"strides", Ints{3, 2}},
                                 {"output_shape", Ints{10, 8}},
                                 {"output_padding", Ints{1, 1}}}}));
  out.push_back(layer(
      "ConvTranspose", "dilations_groups",
      {.x = {2, 4, 5, 4},
       .w = {4, 3, 2, 3},
       .attrs = {{"dilations", Ints{2, 2}}, {"group", int64_t{2}}, {"pads", Ints{1, 0, 0, 1}}}}));
  out.push_back(layer(
      "ConvTranspose", "depthwise",
      {.x = {1, 7, 5, 4},
       .w = {7, 1, 4, 4},
       .attrs = {{"strides", Ints{2, 2}}, {"group", int64_t{7}}, {"pads", Ints{1, 1, 1, 1}}}}));
  out.push_back(layer("ConvTranspose", "one_dimensional", {.x = {1, 3, 6}, .w = {3, 2, 4}}));
  out.push_back(
      layer("ConvTranspose", "three_dimensional",
            {.x = {1, 2, 3, 2, 4}, .w = {2, 3, 2, 2, 2}, .attrs = {{"strides", Ints{2, 1, 2}}}}));
  out.push_back(layer("ConvTranspose", "unlike_axes_3d",
                      {.x = {2, 6, 3, 4, 2},
                       .w = {6, 10, 2, 3, 4},
                       .attrs = {{"strides", Ints{1, 3, 2}},
                                 {"dilations", Ints{2, 1, 3}},
                                 {"pads", Ints{1, 0, 2, 0, 2, 1}},
                                 {"output_padding", Ints{0, 2, 1}}}}));
  out.push_back(layer("ConvTranspose", "unlike_axes_groups",
                      {.x = {2, 6, 4, 3},
                       .w = {6, 11, 3, 2},
                       .attrs = {{"group", int64_t{2}},
                                 {"strides", Ints{2, 3}},
                                 {"dilations", Ints{1, 2}},
                                 {"pads", Ints{1, 0, 0, 2}}}}));
  out.push_back(layer("ConvTranspose", "four_dimensional",
                      {.x = {1, 2, 2, 3, 2, 3},
                       .w = {2, 2, 2, 1, 2, 3},
                       .attrs = {{"strides", Ints{1, 2, 3, 2}}}}));
  Case made = layer("ConvTranspose", "weight_made_by_the_run",
                    {.x = {1, 7, 4, 5}, .w = {7, 18, 3, 2}, .attrs = {{"strides", Ints{2, 1}}}});
  made.constant_inputs.clear();
  out.push_back(std::move(made));
  for (const DType dtype : {DType::kFloat16, DType::kFloat64}) {
    out.push_back(layer("ConvTranspose", cat("dtype_", dtype_name(dtype)),
                        {.x = {1, 3, 4, 4}, .w = {3, 2, 2, 2}, .dtype = dtype}));
  }
  out.push_back(layer("ConvTranspose", "empty_batch", {.x = {0, 3, 4, 4}, .w = {3, 2, 2, 2}}));
}

void add_integer(std::vector<Case>& out) {
  out.push_back({.name = "golden_zero_points",
                 .op = "ConvInteger",
                 .inputs = {Tensor::of<uint8_t>({1, 1, 3}, {2, 3, 4}),
                            Tensor::of<uint8_t>({1, 1, 2}, {1, 1}), Tensor::scalar<uint8_t>(1)},
                 .outputs = {Tensor::of<int32_t>({1, 1, 2}, {3, 5})}});
  // 40 * 9 products of 255 * 255: past what a float32 sum holds exactly.
  out.push_back({.name = "golden_largest_sum",
                 .op = "ConvInteger",
                 .inputs = {case_ints(DType::kUInt8, {1, 40, 3, 3}, 255, 255),
                            case_ints(DType::kUInt8, {1, 40, 3, 3}, 255, 255)},
                 .outputs = {Tensor::of<int32_t>({1, 1, 1, 1}, {40 * 9 * 255 * 255})}});
  // Halves round to even: 0.5 * (1, 3, 5) gives 0, 2, 2.
  out.push_back({.name = "golden_round_half_even",
                 .op = "QLinearConv",
                 .inputs = {Tensor::of<uint8_t>({1, 1, 3}, {1, 3, 5}), Tensor::scalar<float>(0.5f),
                            Tensor::scalar<uint8_t>(0), Tensor::of<uint8_t>({1, 1, 1}, {1}),
                            Tensor::scalar<float>(1), Tensor::scalar<uint8_t>(0),
                            Tensor::scalar<float>(1), Tensor::scalar<uint8_t>(0)},
                 .outputs = {Tensor::of<uint8_t>({1, 1, 3}, {0, 2, 2})}});
  for (const DType x : {DType::kUInt8, DType::kInt8}) {
    for (const DType w : {DType::kUInt8, DType::kInt8}) {
      const int64_t x_low = x == DType::kInt8 ? -128 : 0, w_low = w == DType::kInt8 ? -128 : 0;
      for (const int64_t channels : {1, 3, 17, 33, 64}) {
        const Tensor xs = case_ints(x, {1, channels, 5, 6}, x_low, x_low + 255, 1);
        const Tensor ws = case_ints(w, {7, channels, 3, 3}, w_low, w_low + 255, 2);
        const Tensor x_zero = case_ints(x, {}, x_low + 100, x_low + 150, 3);
        const Tensor w_zero = case_ints(w, {7}, w_low + 100, w_low + 150, 4);
        const std::string types = cat(dtype_name(x), "_", dtype_name(w), "_", channels);
        out.push_back({.name = cat("integer_", types),
                       .op = "ConvInteger",
                       .attrs = {{"pads", Ints{1, 1, 1, 1}}},
                       .inputs = {xs, ws, x_zero, case_ints(w, {}, w_low + 120, w_low + 130, 4)},
                       .constant_inputs = {1, 2, 3}});
        out.push_back({.name = cat("integer_per_channel_", types),
                       .op = "ConvInteger",
                       .attrs = {{"strides", Ints{2, 1}}},
                       .inputs = {xs, ws, x_zero, w_zero},
                       .constant_inputs = {1}});
        // Rows for tiles.
        out.push_back({.name = cat("integer_tiles_", types),
                       .op = "ConvInteger",
                       .attrs = {{"pads", Ints{1, 0, 1, 2}}, {"strides", Ints{1, 2}}},
                       .inputs = {xs, case_ints(w, {20, channels, 3, 2}, w_low, w_low + 255, 7),
                                  x_zero, case_ints(w, {}, w_low + 120, w_low + 130, 4)},
                       .constant_inputs = {1, 2, 3}});
        Tensor scales = case_floats({7}, 5, 0.001);
        for (int64_t i = 0; i < 7; ++i) scales.set_double(i, 0.002 + scales.get_double(i));
        out.push_back(
            {.name = cat("qlinear_", types),
             .op = "QLinearConv",
             .attrs = {{"pads", Ints{1, 1, 1, 1}}},
             .inputs = {xs, Tensor::scalar<float>(0.02f), x_zero, ws, scales, w_zero,
                        Tensor::scalar<float>(0.25f), case_ints(x, {}, x_low + 128, x_low + 128),
                        case_ints(DType::kInt32, {7}, -2000, 2000, 6)},
             .constant_inputs = {1, 2, 3, 4, 5, 6, 7, 8}});
      }
    }
  }
}

// DynamicQuantizeLinear, ConvInteger, both scales, bias and activation in one.
void add_dynamic(std::vector<Case>& out) {
  for (const DType w : {DType::kUInt8, DType::kInt8}) {
    for (const int64_t channels : {1, 6, 35}) {
      const int64_t low = w == DType::kInt8 ? -128 : 0;
      out.push_back({.name = cat("dynamic_", dtype_name(w), "_", channels),
                     .op = "DynamicQuantizedConv",
                     .domain = "sluice",
                     .attrs = {{"pads", Ints{1, 1, 1, 0}}, {"activation", std::string("relu")}},
                     .inputs = {case_floats({2, channels, 7, 9}, 1, 3),
                                case_ints(w, {11, channels, 3, 3}, low, low + 255, 2),
                                Tensor::scalar<float>(0.01f),
                                case_ints(w, {}, low + 120, low + 130, 4), case_floats({11}, 5)},
                     .constant_inputs = {1, 2, 3, 4}});
    }
  }
  out.push_back(
      {.name = "dynamic_bare",
       .op = "DynamicQuantizedConv",
       .domain = "sluice",
       .attrs = {{"strides", Ints{2, 1}}, {"group", int64_t{2}}},
       .inputs = {case_floats({1, 6, 8, 9}, 1, 3),
                  case_ints(DType::kUInt8, {4, 3, 2, 3}, 0, 255, 2), Tensor::scalar<float>(0.5f)},
       .constant_inputs = {1}});
}

void add_others(std::vector<Case>& out) {
  // Offsets of zero: a plain convolution; of (0, 1): one column further right, zeros beyond.
  out.push_back({.name = "golden_shifted",
                 .op = "DeformConv",
                 .inputs = {floats({1, 1, 2, 2}, {1, 2, 3, 4}), floats({1, 1, 1, 1}, {1}),
                            floats({1, 2, 2, 2}, {0, 0, 0, 0, 1, 0.5f, 1, 0.5f})},
                 .outputs = {floats({1, 1, 2, 2}, {2, 1, 4, 2})}});
  for (const int64_t groups : {1, 2}) {
    for (const int64_t offset_groups : {1, 2, 4}) {
      out.push_back({.name = cat("groups_", groups, "_offset_groups_", offset_groups),
                     .op = "DeformConv",
                     .attrs = {{"group", groups},
                               {"offset_group", offset_groups},
                               {"pads", Ints{1, 1, 1, 1}}},
                     .inputs = {case_floats({2, 4, 5, 6}, 1), case_floats({6, 4 / groups, 3, 3}, 2),
                                case_floats({2, offset_groups * 18, 5, 6}, 3, 2.5),
                                case_floats({6}, 4), case_floats({2, offset_groups * 9, 5, 6}, 5)},
                     .atol = 1e-4,
                     .rtol = 1e-4,
                     .constant_inputs = {1, 3}});
    }
  }
  out.push_back({.name = "one_dimensional",
                 .op = "DeformConv",
                 .attrs = {{"strides", Ints{2}}, {"dilations", Ints{2}}, {"pads", Ints{1, 2}}},
                 .inputs = {case_floats({2, 3, 9}, 1), case_floats({4, 3, 3}, 2),
                            case_floats({2, 3, 4}, 3, 1.5)}});
  out.push_back({.name = "unlike_axes_3d",
                 .op = "DeformConv",
                 .attrs = {{"strides", Ints{1, 2, 1}},
                           {"dilations", Ints{1, 1, 2}},
                           {"pads", Ints{0, 1, 2, 1, 0, 1}},
                           {"offset_group", int64_t{2}}},
                 .inputs = {case_floats({1, 4, 3, 4, 5}, 1), case_floats({10, 4, 2, 1, 3}, 2),
                            case_floats({1, 36, 3, 3, 4}, 3, 1.5), case_floats({10}, 4),
                            case_floats({1, 12, 3, 3, 4}, 5)},
                 .atol = 1e-4,
                 .rtol = 1e-4});
  for (const char* activation : {"none", "silu"}) {
    for (const int64_t taps : {1, 2, 4}) {
      for (const bool past : {false, true}) {
        Case c{.name = cat(activation, "_taps_", taps, past ? "_past" : ""),
               .op = "CausalConvWithState",
               .attrs = {{"activation", std::string(activation)}},
               .inputs = {case_floats({2, 5, 3}, 1), case_floats({5, 1, taps}, 2),
                          case_floats({5}, 3)},
               .output_count = 2};
        if (past) c.inputs.push_back(case_floats({2, 5, taps - 1}, 4));
        out.push_back(std::move(c));
      }
    }
  }
}

}  // namespace

std::vector<Case> cases() {
  std::vector<Case> out;
  add_conv(out);
  add_conv_transpose(out);
  add_integer(out);
  add_dynamic(out);
  add_others(out);
  return out;
}

}  // namespace sluice::ops::conv
