#include "base/text.h"
#include "op/case.h"

namespace sluice::ops::resize {

namespace {

using op::Case;
using op::case_floats;
using op::case_ints;
using Ints = std::vector<int64_t>;

Tensor floats(const Shape& shape, std::initializer_list<float> values) {
  return Tensor::of<float>(shape, values);
}
Tensor ints(const Ints& values) {
  return Tensor::of<int64_t>(Shape{static_cast<int64_t>(values.size())},
                             std::span<const int64_t>(values));
}
Tensor scales_of(const std::vector<float>& values) {
  return Tensor::of<float>(Shape{static_cast<int64_t>(values.size())},
                           std::span<const float>(values));
}

Case with_scales(const std::string& name, Value x, const std::vector<float>& scales,
                 AttrMap attrs = {}) {
  return {.name = name,
          .op = "Resize",
          .attrs = std::move(attrs),
          .inputs = {std::move(x), Value(), scales_of(scales)},
          .constant_inputs = {2}};
}
Case with_sizes(const std::string& name, Value x, const Ints& sizes, AttrMap attrs = {}) {
  return {.name = name,
          .op = "Resize",
          .attrs = std::move(attrs),
          .inputs = {std::move(x), Value(), Value(), ints(sizes)},
          .constant_inputs = {3}};
}

void add_resize(std::vector<Case>& out) {
  Case c = with_scales("golden_nearest_doubles", floats({1, 1, 1, 3}, {1, 2, 3}), {1, 1, 2, 2},
                       {{"coordinate_transformation_mode", std::string("asymmetric")},
                        {"nearest_mode", std::string("floor")}});
  c.outputs = {floats({1, 1, 2, 6}, {1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3})};
  out.push_back(c);
  c = with_scales("golden_linear_half_pixel", floats({1, 1, 1, 2}, {0, 4}), {1, 1, 1, 2},
                  {{"mode", std::string("linear")}});
  c.outputs = {floats({1, 1, 1, 4}, {0, 1, 3, 4})};
  out.push_back(c);
  c = with_sizes("golden_linear_align_corners", floats({1, 1, 1, 2}, {0, 4}), {1, 1, 1, 5},
                 {{"mode", std::string("linear")},
                  {"coordinate_transformation_mode", std::string("align_corners")}});
  c.outputs = {floats({1, 1, 1, 5}, {0, 1, 2, 3, 4})};
  out.push_back(c);
  // Shrinking 4 to 2 with a tent of width 2: weights 1/8, 3/8, 3/8, 1/8, edges repeated.
  c = with_sizes("golden_linear_antialias", floats({1, 1, 1, 4}, {0, 8, 8, 16}), {1, 1, 1, 2},
                 {{"mode", std::string("linear")}, {"antialias", int64_t{1}}});
  c.outputs = {floats({1, 1, 1, 2}, {4, 12})};
  out.push_back(c);
  c = with_scales("golden_float32_extent", floats({10}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}), {0.7f},
                  {{"coordinate_transformation_mode", std::string("asymmetric")},
                   {"nearest_mode", std::string("floor")}});
  c.outputs = {floats({7}, {0, 1, 2, 4, 5, 7, 8})};
  out.push_back(c);

  const char* coordinates[] = {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",
                               "align_corners", "asymmetric"};
  for (const char* coordinate : coordinates) {
    for (const float scale : {0.3f, 0.5f, 0.8f, 1.0f, 1.5f, 2.0f, 2.6f, 3.0f}) {
      for (const char* mode : {"linear", "cubic"}) {
        for (const int64_t antialias : {0, 1}) {
          if (antialias == 1 && scale >= 1) continue;
          out.push_back(
              with_scales(cat(mode, antialias ? "_antialias_" : "_", coordinate, "_", scale),
                          case_floats({1, 2, 7, 9}, 1), {1, 1, scale, scale},
                          {{"mode", std::string(mode)},
                           {"antialias", antialias},
                           {"coordinate_transformation_mode", std::string(coordinate)}}));
        }
      }
      for (const char* nearest : {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}) {
        out.push_back(with_scales(cat("nearest_", nearest, "_", coordinate, "_", scale),
                                  case_floats({1, 2, 5, 6}, 1), {1, 1, scale, scale},
                                  {{"nearest_mode", std::string(nearest)},
                                   {"coordinate_transformation_mode", std::string(coordinate)}}));
      }
    }
  }
  for (const int64_t width : {1, 2, 3, 5, 7, 8, 9, 16, 17, 127, 129}) {
    for (const char* mode : {"nearest", "linear", "cubic"}) {
      out.push_back(with_sizes(cat(mode, "_width_", width), case_floats({1, 3, 4, 10}, 1),
                               {1, 3, 6, width}, {{"mode", std::string(mode)}}));
      out.push_back(with_sizes(cat(mode, "_from_width_", width), case_floats({1, 3, 4, width}, 1),
                               {1, 3, 3, 8}, {{"mode", std::string(mode)}}));
    }
  }
  // Twice as wide: of two taps at regular places but for the edges.
  for (const char* coordinate : coordinates) {
    for (const int64_t width : {1, 2, 3, 4, 5, 9, 16, 18, 33, 70}) {
      out.push_back(with_sizes(cat("linear_doubled_", coordinate, "_from_width_", width),
                               case_floats({1, 2, 5, width}, 1), {1, 2, 10, 2 * width},
                               {{"mode", std::string("linear")},
                                {"coordinate_transformation_mode", std::string(coordinate)}}));
    }
  }
  for (const char* policy : {"not_larger", "not_smaller"}) {
    for (const char* mode : {"nearest", "linear"}) {
      out.push_back(with_sizes(cat(mode, "_", policy), case_floats({1, 2, 5, 8}, 1), {7, 7},
                               {{"mode", std::string(mode)},
                                {"axes", Ints{2, 3}},
                                {"keep_aspect_ratio_policy", std::string(policy)}}));
    }
  }
  out.push_back(with_scales("axes_reversed_negative", case_floats({2, 3, 4, 5}, 1), {2, 0.5f},
                            {{"axes", Ints{-1, 2}}, {"mode", std::string("linear")}}));
  out.push_back(with_scales(
      "exclude_outside", case_floats({1, 1, 5, 6}, 1), {1, 1, 1.7f, 0.6f},
      {{"mode", std::string("cubic")}, {"exclude_outside", int64_t{1}}, {"cubic_coeff_a", -0.5f}}));
  out.push_back(with_scales("all_axes", case_floats({2, 3, 4, 5}, 1), {2, 1.5f, 0.5f, 1.2f},
                            {{"mode", std::string("linear")}}));
  out.push_back(with_scales("trilinear", case_floats({1, 2, 3, 4, 5}, 1), {1, 1, 2, 2, 2},
                            {{"mode", std::string("linear")}}));
  for (const char* mode : {"nearest", "linear", "cubic"}) {
    Case crop{
        .name = cat("crop_", mode),
        .op = "Resize",
        .attrs = {{"mode", std::string(mode)},
                  {"extrapolation_value", 10.0f},
                  {"coordinate_transformation_mode", std::string("tf_crop_and_resize")}},
        .inputs = {case_floats({1, 2, 6, 7}, 1), floats({8}, {0, 0, 0.4f, 0.6f, 1, 1, 1.2f, 1.7f}),
                   Value(), ints({1, 2, 5, 4})}};
    out.push_back(crop);
  }
  for (const DType dtype : {DType::kUInt8, DType::kInt8, DType::kInt32, DType::kFloat16,
                            DType::kBFloat16, DType::kFloat64}) {
    const bool real = is_floating(dtype);
    for (const char* mode : {"nearest", "linear"}) {
      Case typed =
          with_scales(cat(mode, "_", dtype_name(dtype)),
                      real ? case_floats({1, 2, 4, 5}, 1, 1, dtype)
                           : case_ints(dtype, {1, 2, 4, 5}, dtype == DType::kUInt8 ? 0 : -128, 127),
                      {1, 1, 2, 1.5f}, {{"mode", std::string(mode)}});
      if (real) typed.atol = typed.rtol = dtype == DType::kBFloat16 ? 2e-2 : 2e-3;
      out.push_back(typed);
    }
  }
  out.push_back(with_sizes("empty_batch", case_floats({0, 2, 4, 4}, 1), {0, 2, 8, 8}));
  Case bench = with_scales("bench_linear_64_32_to_64", case_floats({1, 64, 32, 32}, 1),
                           {1, 1, 2, 2}, {{"mode", std::string("linear")}});
  bench.bench = true;
  out.push_back(bench);
}

void add_grids(std::vector<Case>& out) {
  for (const char* mode : {"linear", "nearest", "cubic"}) {
    for (const char* padding : {"zeros", "border", "reflection"}) {
      for (const int64_t align : {0, 1}) {
        const AttrMap attrs{{"mode", std::string(mode)},
                            {"padding_mode", std::string(padding)},
                            {"align_corners", align}};
        const std::string name = cat(mode, "_", padding, align ? "_aligned" : "");
        out.push_back(
            {.name = name,
             .op = "GridSample",
             .attrs = attrs,
             .inputs = {case_floats({2, 3, 5, 6}, 1), case_floats({2, 4, 7, 2}, 2, 1.6)}});
        out.push_back(
            {.name = name + "_3d",
             .op = "GridSample",
             .attrs = attrs,
             .inputs = {case_floats({1, 2, 3, 4, 5}, 1), case_floats({1, 2, 3, 2, 3}, 2, 1.6)}});
      }
    }
  }
  // The identity: centres of four pixels.
  out.push_back(
      {.name = "golden_identity",
       .op = "AffineGrid",
       .inputs = {floats({1, 2, 3}, {1, 0, 0, 0, 1, 0}), ints({1, 1, 2, 2})},
       .outputs = {floats({1, 2, 2, 2}, {-0.5f, -0.5f, 0.5f, -0.5f, -0.5f, 0.5f, 0.5f, 0.5f})}});
  for (const int64_t align : {0, 1}) {
    out.push_back({.name = cat("affine_2d_", align),
                   .op = "AffineGrid",
                   .attrs = {{"align_corners", align}},
                   .inputs = {case_floats({2, 2, 3}, 1), ints({2, 3, 4, 5})}});
    out.push_back({.name = cat("affine_3d_", align),
                   .op = "AffineGrid",
                   .attrs = {{"align_corners", align}},
                   .inputs = {case_floats({2, 3, 4}, 1), ints({2, 3, 2, 4, 5})}});
  }
  for (const char* mode : {"bilinear", "nearest"}) {
    out.push_back(
        {.name = mode,
         .op = "CropAndResize",
         .domain = "com.microsoft",
         .attrs = {{"mode", std::string(mode)}, {"extrapolation_value", 7.0f}},
         .inputs = {case_floats({2, 3, 6, 5}, 1),
                    floats({3, 4}, {0, 0, 1, 1, 0.2f, 0.1f, 0.7f, 1.3f, 0.9f, 0.8f, 0.1f, 0.2f}),
                    Tensor::of<int32_t>({3}, {0, 1, 1}), Tensor::of<int32_t>({2}, {4, 3})}});
  }
}

void add_blocks(std::vector<Case>& out) {
  out.push_back({.name = "golden_dcr",
                 .op = "DepthToSpace",
                 .attrs = {{"blocksize", int64_t{2}}},
                 .inputs = {floats({1, 4, 1, 2}, {1, 2, 3, 4, 5, 6, 7, 8})},
                 .outputs = {floats({1, 1, 2, 4}, {1, 3, 2, 4, 5, 7, 6, 8})}});
  out.push_back({.name = "golden",
                 .op = "SpaceToDepth",
                 .attrs = {{"blocksize", int64_t{2}}},
                 .inputs = {floats({1, 1, 2, 4}, {1, 3, 2, 4, 5, 7, 6, 8})},
                 .outputs = {floats({1, 4, 1, 2}, {1, 2, 3, 4, 5, 6, 7, 8})}});
  for (const char* mode : {"DCR", "CRD"}) {
    for (const int64_t block : {1, 2, 3}) {
      for (const DType dtype : {DType::kFloat32, DType::kInt8}) {
        out.push_back({.name = cat(mode, "_", block, "_", dtype_name(dtype)),
                       .op = "DepthToSpace",
                       .attrs = {{"blocksize", block}, {"mode", std::string(mode)}},
                       .inputs = {case_ints(dtype, {2, 2 * block * block, 3, 5}, -100, 100)}});
      }
    }
  }
  for (const int64_t block : {1, 2, 3}) {
    out.push_back({.name = cat("block_", block),
                   .op = "SpaceToDepth",
                   .attrs = {{"blocksize", block}},
                   .inputs = {case_floats({2, 3, 2 * block, 3 * block}, 1)}});
  }
  for (const DType dtype : {DType::kInt64, DType::kBool, DType::kFloat16}) {
    out.push_back({.name = cat("moved_", dtype_name(dtype)),
                   .op = "SpaceToDepth",
                   .attrs = {{"blocksize", int64_t{2}}},
                   .inputs = {case_ints(dtype, {2, 3, 4, 6}, dtype == DType::kBool ? 0 : -100,
                                        dtype == DType::kBool ? 1 : 100)}});
  }
  out.push_back({.name = "golden_odd_crop_and_pad",
                 .op = "CenterCropPad",
                 .inputs = {floats({1, 4}, {1, 2, 3, 4}), ints({2, 1})},
                 .outputs = {floats({2, 1}, {2, 0})}});
  for (const Ints& wanted : {Ints{3, 9}, Ints{10, 2}, Ints{6, 7}, Ints{0, 4}}) {
    out.push_back({.name = cat("to_", join(wanted, "_")),
                   .op = "CenterCropPad",
                   .attrs = {{"axes", Ints{0, -1}}},
                   .inputs = {case_floats({6, 2, 7}, 1), ints(wanted)}});
  }
  out.push_back({.name = "golden_overlap",
                 .op = "Col2Im",
                 .inputs = {floats({1, 2, 2}, {1, 2, 3, 4}), ints({1, 3}), ints({1, 2})},
                 .outputs = {floats({1, 1, 1, 3}, {1, 5, 4})}});
  out.push_back(
      {.name = "strides_pads_dilations",
       .op = "Col2Im",
       .attrs = {{"strides", Ints{2, 1}}, {"pads", Ints{1, 0, 1, 2}}, {"dilations", Ints{1, 2}}},
       .inputs = {case_floats({2, 12, 15}, 1), ints({5, 5}), ints({2, 2})}});
}

}  // namespace

std::vector<Case> cases() {
  std::vector<Case> out;
  add_resize(out);
  add_grids(out);
  add_blocks(out);
  return out;
}

}  // namespace sluice::ops::resize
