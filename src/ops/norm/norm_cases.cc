#include <cmath>

#include "base/text.h"
#include "op/case.h"

namespace sluice::ops::norm {

namespace {

using op::Case;
using op::case_floats;
using op::case_ints;
using Ints = std::vector<int64_t>;

Tensor floats(const Shape& shape, std::initializer_list<float> values) {
  return Tensor::of<float>(shape, values);
}

// Generated data, kept positive: variances.
Tensor positives(const Shape& shape, int seed, DType dtype = DType::kFloat32) {
  Tensor out = case_floats(shape, seed, 1, dtype);
  for (int64_t i = 0; i < out.elements(); ++i) out.set_double(i, std::abs(out.get_double(i)) + 0.1);
  return out;
}

Case tolerant(Case c, DType dtype) {
  c.atol = c.rtol = dtype == DType::kFloat16 ? 4e-3 : dtype == DType::kBFloat16 ? 3e-2 : 2e-5;
  return c;
}

void add_per_channel(std::vector<Case>& out) {
  out.push_back({.name = "golden_inference",
                 .op = "BatchNormalization",
                 .attrs = {{"epsilon", 0.0f}},
                 .inputs = {floats({1, 2, 2}, {1, 3, 5, 9}), floats({2}, {2, 3}),
                            floats({2}, {10, 20}), floats({2}, {1, 5}), floats({2}, {4, 16})},
                 .outputs = {floats({1, 2, 2}, {10, 12, 20, 23})}});
  out.push_back({.name = "golden_training",
                 .op = "BatchNormalization",
                 .attrs = {{"epsilon", 0.0f}, {"momentum", 0.5f}, {"training_mode", int64_t{1}}},
                 .inputs = {floats({2, 1, 1}, {1, 5}), floats({1}, {1}), floats({1}, {0}),
                            floats({1}, {7}), floats({1}, {2})},
                 .outputs = {floats({2, 1, 1}, {-1, 1}), floats({1}, {5}), floats({1}, {3})},
                 .output_count = 3});
  for (const Shape& shape : {Shape{1, 3, 5, 7}, Shape{2, 7, 4}, Shape{3, 5}, Shape{1, 129, 2, 2},
                             Shape{1, 2, 1, 127}, Shape{2, 3, 2, 3, 4}, Shape{0, 3, 2, 2}}) {
    const Shape channels{shape[1]};
    out.push_back(
        {.name = shape.text(),
         .op = "BatchNormalization",
         .inputs = {case_floats(shape, 1), case_floats(channels, 2), case_floats(channels, 3),
                    case_floats(channels, 4), positives(channels, 5)},
         .constant_inputs = {1, 2, 3, 4}});
    if (shape.rank() < 3) continue;
    out.push_back(tolerant(
        {.name = shape.text(),
         .op = "InstanceNormalization",
         .inputs = {case_floats(shape, 1), case_floats(channels, 2), case_floats(channels, 3)}},
        DType::kFloat32));
  }
  for (const DType dtype : {DType::kFloat16, DType::kBFloat16, DType::kFloat64}) {
    const Shape channels{3};
    out.push_back(
        tolerant({.name = cat("dtype_", dtype_name(dtype)),
                  .op = "BatchNormalization",
                  .inputs = {case_floats({2, 3, 4, 5}, 1, 1, dtype),
                             case_floats(channels, 2, 1, dtype), case_floats(channels, 3, 1, dtype),
                             case_floats(channels, 4, 1, dtype), positives(channels, 5, dtype)}},
                 dtype));
    out.push_back(tolerant(
        {.name = cat("dtype_", dtype_name(dtype)),
         .op = "InstanceNormalization",
         .inputs = {case_floats({2, 3, 4, 5}, 1, 1, dtype), case_floats(channels, 2, 1, dtype),
                    case_floats(channels, 3, 1, dtype)}},
        dtype));
  }
  for (const int64_t groups : {1, 2, 3, 6}) {
    out.push_back(tolerant(
        {.name = cat("groups_", groups),
         .op = "GroupNormalization",
         .attrs = {{"num_groups", groups}},
         .inputs = {case_floats({2, 6, 5, 3}, 1), case_floats({6}, 2), case_floats({6}, 3)}},
        DType::kFloat32));
    for (const int64_t last : {0, 1}) {
      Case c{.name = cat("groups_", groups, last ? "_last" : ""),
             .op = "GroupNorm",
             .domain = "com.microsoft",
             .attrs = {{"groups", groups}, {"channels_last", last}, {"activation", last}},
             .inputs = {case_floats(last ? Shape{2, 5, 3, 6} : Shape{2, 6, 5, 3}, 1),
                        case_floats({6}, 2), case_floats({6}, 3)}};
      out.push_back(tolerant(c, DType::kFloat32));
      c.op = "SkipGroupNorm";
      c.inputs.push_back(case_floats(c.inputs[0].tensor().shape(), 4));
      c.inputs.push_back(case_floats({6}, 5));
      c.output_count = 2;
      out.push_back(tolerant(c, DType::kFloat32));
    }
  }
}

void add_rows(std::vector<Case>& out) {
  out.push_back(
      {.name = "golden",
       .op = "LayerNormalization",
       .attrs = {{"epsilon", 0.0f}},
       .inputs = {floats({2, 2}, {1, 3, 10, 30}), floats({2}, {1, 2}), floats({2}, {0, 1})},
       .outputs = {floats({2, 2}, {-1, 3, -1, 3}), floats({2, 1}, {2, 20}),
                   floats({2, 1}, {1, 0.1f})},
       .output_count = 3});
  out.push_back({.name = "golden",
                 .op = "RMSNormalization",
                 .attrs = {{"epsilon", 0.0f}},
                 .inputs = {floats({1, 2}, {1, 7}), floats({2}, {1, 2})},
                 .outputs = {floats({1, 2}, {0.2f, 2.8f})}});
  for (const int64_t width : {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 127, 129, 768}) {
    for (const DType dtype : {DType::kFloat32, DType::kFloat16}) {
      if (dtype == DType::kFloat16 && width % 2 == 0) continue;
      const std::string name = cat("width_", width, "_", dtype_name(dtype));
      const Tensor x = case_floats({2, 3, width}, 1, 2, dtype);
      const Tensor scale = case_floats({width}, 2, 1, dtype),
                   bias = case_floats({width}, 3, 1, dtype);
      out.push_back(tolerant({.name = name,
                              .op = "LayerNormalization",
                              .inputs = {x, scale, bias},
                              .output_count = width == 1 ? 1 : 3,
                              .bench = width == 768,
                              .constant_inputs = {1, 2}},
                             dtype));
      out.push_back(tolerant({.name = name,
                              .op = "RMSNormalization",
                              .inputs = {x, scale},
                              .bench = width == 768,
                              .constant_inputs = {1}},
                             dtype));
      out.push_back(tolerant({.name = name,
                              .op = "SimplifiedLayerNormalization",
                              .inputs = {x, scale},
                              .output_count = 2},
                             dtype));
      if (width == 1) continue;
      out.push_back(tolerant({.name = name,
                              .op = "SkipLayerNormalization",
                              .domain = "com.microsoft",
                              .attrs = {{"epsilon", 1e-5f}},
                              .inputs = {x, case_floats({2, 3, width}, 4, 1, dtype), scale, bias,
                                         case_floats({width}, 5, 1, dtype)},
                              .output_count = 4},
                             dtype));
      out.push_back(tolerant({.name = name,
                              .op = "SkipSimplifiedLayerNormalization",
                              .domain = "com.microsoft",
                              .attrs = {{"epsilon", 1e-5f}},
                              .inputs = {x, case_floats({3, width}, 4, 1, dtype), scale},
                              .output_count = 4},
                             dtype));
    }
  }
  for (const int64_t axis : {0, 1, 2, 3, -1, -2, -3, -4}) {
    const Shape shape{2, 3, 4, 5};
    Shape trailing;
    for (int64_t i = axis < 0 ? axis + 4 : axis; i < 4; ++i)
      trailing.push_back(shape[static_cast<int>(i)]);
    const std::string name = axis < 0 ? cat("axis_minus_", -axis) : cat("axis_", axis);
    out.push_back(tolerant(
        {.name = name,
         .op = "LayerNormalization",
         .attrs = {{"axis", axis}},
         .inputs = {case_floats(shape, 1), case_floats(trailing, 2), case_floats(trailing, 3)},
         .output_count = 3},
        DType::kFloat32));
    out.push_back(tolerant({.name = name,
                            .op = "RMSNormalization",
                            .attrs = {{"axis", axis}},
                            .inputs = {case_floats(shape, 1), case_floats(trailing, 2)}},
                           DType::kFloat32));
  }
  out.push_back(
      tolerant({.name = "scale_broadcasts",
                .op = "LayerNormalization",
                .attrs = {{"axis", int64_t{1}}},
                .inputs = {case_floats({2, 3, 4}, 1), case_floats({3, 1}, 2), case_floats({}, 3)}},
               DType::kFloat32));
  out.push_back({.name = "empty",
                 .op = "LayerNormalization",
                 .inputs = {case_floats({0, 5}, 1), case_floats({5}, 2)}});
  out.push_back(
      tolerant({.name = "tokens",
                .op = "EmbedLayerNormalization",
                .domain = "com.microsoft",
                .inputs = {case_ints(DType::kInt32, {2, 3}, 0, 9, 1),
                           case_ints(DType::kInt32, {2, 3}, 0, 1, 2), case_floats({10, 8}, 3),
                           case_floats({5, 8}, 4), case_floats({2, 8}, 5), case_floats({8}, 6),
                           case_floats({8}, 7), case_ints(DType::kInt32, {2, 3}, 0, 1, 8)},
                .output_count = 3},
               DType::kFloat32));
}

void add_others(std::vector<Case>& out) {
  out.push_back({.name = "golden",
                 .op = "LpNormalization",
                 .inputs = {floats({2, 2}, {3, 4, 0, 0})},
                 .outputs = {floats({2, 2}, {0.6f, 0.8f, 0, 0})}});
  for (const int64_t axis : {0, 1, -1, -2}) {
    for (const int64_t p : {1, 2}) {
      out.push_back({.name = cat("p_", p, "_axis_", axis),
                     .op = "LpNormalization",
                     .attrs = {{"axis", axis}, {"p", p}},
                     .inputs = {case_floats({3, 5, 7}, 1)}});
    }
  }
  // size 3 about the middle of 1, 2, 3: x / (1 + 1/3 * (1 + 4 + 9)).
  out.push_back({.name = "golden_middle",
                 .op = "LRN",
                 .attrs = {{"size", int64_t{3}}, {"alpha", 3.0f}, {"beta", 1.0f}},
                 .inputs = {floats({1, 3, 1}, {1, 2, 3})},
                 .outputs = {floats({1, 3, 1}, {1.0f / 6, 2.0f / 15, 3.0f / 14})}});
  for (const int64_t size : {1, 2, 3, 5, 9}) {
    out.push_back({.name = cat("size_", size),
                   .op = "LRN",
                   .attrs = {{"size", size}, {"alpha", 0.5f}},
                   .inputs = {case_floats({2, 7, 3, 5}, 1)}});
  }
  for (const Ints& axes : {Ints{0, 2, 3}, Ints{1, 2, 3}, Ints{-1}}) {
    out.push_back(tolerant({.name = cat("axes_", join(axes, "_")),
                            .op = "MeanVarianceNormalization",
                            .attrs = {{"axes", axes}},
                            .inputs = {case_floats({2, 3, 4, 5}, 1)}},
                           DType::kFloat32));
  }
  out.push_back({.name = "inference",
                 .op = "Dropout",
                 .inputs = {case_floats({3, 4}, 1)},
                 .output_count = 2});
  // numpy's RandomState(0) draws 0.5488, 0.7152, 0.6028, 0.5449: at least 0.6 is kept.
  out.push_back(
      {.name = "golden_seed_0",
       .op = "Dropout",
       .attrs = {{"seed", int64_t{0}}},
       .inputs = {floats({4}, {1, 2, 3, 4}), Tensor::scalar<float>(0.6f),
                  Tensor::scalar<bool>(true)},
       .outputs = {floats({4}, {0, 5, 7.5f, 0}), Tensor::of<bool>({4}, {false, true, true, false})},
       .output_count = 2});
}

}  // namespace

std::vector<Case> cases() {
  std::vector<Case> out;
  add_per_channel(out);
  add_rows(out);
  add_others(out);
  return out;
}

}  // namespace sluice::ops::norm
