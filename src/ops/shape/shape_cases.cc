#include <cmath>
#include <limits>

#include "base/text.h"
#include "op/case.h"

namespace sluice::ops::shape {

using op::Case;
using op::case_floats;
using op::case_ints;

namespace {

Tensor ints(std::initializer_list<int64_t> values) {
  return Tensor::of<int64_t>(Shape{static_cast<int64_t>(values.size())}, values);
}
Tensor ints(std::span<const int64_t> values) {
  return Tensor::of<int64_t>(Shape{static_cast<int64_t>(values.size())}, values);
}
Tensor strings(const Shape& shape, std::initializer_list<std::string> values) {
  return Tensor::of_strings(shape, std::span(values.begin(), values.size()));
}

using Ints = std::vector<int64_t>;

}  // namespace

std::vector<Case> cases() {
  std::vector<Case> out;
  const Shape odd{2, 3, 5, 7};

  // --- reading shapes
  for (const auto& [start, end] :
       {std::pair<int64_t, int64_t>{0, 4}, {1, 3}, {-3, -1}, {-9, 9}, {3, 1}}) {
    out.push_back({.name = cat("shape_", start, "_", end),
                   .op = "Shape",
                   .attrs = {{"start", start}, {"end", end}},
                   .inputs = {case_floats(odd)}});
  }
  out.push_back({.name = "shape",
                 .op = "Shape",
                 .inputs = {case_floats(odd)},
                 .outputs = {ints({2, 3, 5, 7})}});
  out.push_back({.name = "shape_of_scalar",
                 .op = "Shape",
                 .inputs = {Tensor::scalar(1.0f)},
                 .outputs = {ints({})}});
  out.push_back({.name = "size",
                 .op = "Size",
                 .inputs = {case_floats(odd)},
                 .outputs = {Tensor::scalar<int64_t>(210)}});
  out.push_back({.name = "size_empty",
                 .op = "Size",
                 .inputs = {case_floats(Shape{3, 0})},
                 .outputs = {Tensor::scalar<int64_t>(0)}});

  // --- views
  const auto reshape = [&](std::string name, const Tensor& in, Ints wanted, const Shape& golden,
                           bool constant) {
    out.push_back({.name = "reshape_" + name,
                   .op = "Reshape",
                   .inputs = {in, ints(wanted)},
                   .outputs = {in.reshaped(golden)},
                   .constant_inputs = constant ? std::vector<int>{1} : std::vector<int>{}});
  };
  for (const bool constant : {true, false}) {
    const std::string tail = constant ? "_constant" : "";
    const Tensor in = case_floats(Shape{2, 3, 4});
    reshape("flat" + tail, in, {24}, Shape{24}, constant);
    reshape("infer" + tail, in, {2, -1, 2}, Shape{2, 6, 2}, constant);
    reshape("copy" + tail, in, {0, 0, 2, -1}, Shape{2, 3, 2, 2}, constant);
    reshape("scalar" + tail, case_floats(Shape{1, 1}), {}, Shape{}, constant);
    reshape("from_scalar" + tail, Tensor::scalar(2.5f), {1, 1, 1}, Shape{1, 1, 1}, constant);
    reshape("empty" + tail, case_floats(Shape{0, 3}), {0, 5}, Shape{0, 5}, constant);
    reshape("strings" + tail, strings(Shape{2, 2}, {"a", "", "\xC3\xA4", "d"}), {4}, Shape{4},
            constant);
    reshape("int4" + tail, case_ints(DType::kInt4, Shape{3, 5}, -8, 7), {5, 3}, Shape{5, 3},
            constant);
  }
  out.push_back({.name = "reshape_allow_zero",
                 .op = "Reshape",
                 .attrs = {{"allowzero", int64_t{1}}},
                 .inputs = {case_floats(Shape{0, 3}), ints({3, 0, 0})},
                 .outputs = {case_floats(Shape{3, 0, 0})},
                 .constant_inputs = {1}});
  for (int64_t axis = -4; axis <= 4; ++axis) {
    out.push_back({.name = cat("flatten_", axis),
                   .op = "Flatten",
                   .attrs = {{"axis", axis}},
                   .inputs = {case_floats(odd)}});
  }
  const Tensor ones = case_floats(Shape{1, 3, 1, 5, 1});
  out.push_back({.name = "squeeze_all",
                 .op = "Squeeze",
                 .inputs = {ones},
                 .outputs = {ones.reshaped(Shape{3, 5})}});
  out.push_back({.name = "squeeze_some",
                 .op = "Squeeze",
                 .inputs = {ones, ints({-1, 0})},
                 .outputs = {ones.reshaped(Shape{3, 1, 5})},
                 .constant_inputs = {1}});
  out.push_back({.name = "unsqueeze",
                 .op = "Unsqueeze",
                 .inputs = {case_floats(Shape{3, 5}), ints({4, 0, -3})},
                 .outputs = {case_floats(Shape{3, 5}).reshaped(Shape{1, 3, 1, 5, 1})},
                 .constant_inputs = {1}});
  out.push_back({.name = "unsqueeze_scalar",
                 .op = "Unsqueeze",
                 .inputs = {Tensor::scalar(3.0f), ints({0})},
                 .outputs = {Tensor::of<float>(Shape{1}, {3.0f})}});
  out.push_back({.name = "expand_dims",
                 .op = "ExpandDims",
                 .domain = "com.microsoft",
                 .inputs = {case_floats(Shape{3, 5}), Tensor::scalar<int32_t>(-1)},
                 .outputs = {case_floats(Shape{3, 5}).reshaped(Shape{3, 5, 1})},
                 .constant_inputs = {1}});

  // --- Transpose
  out.push_back({.name = "transpose_2x3",
                 .op = "Transpose",
                 .inputs = {Tensor::of<int32_t>(Shape{2, 3}, {1, 2, 3, 4, 5, 6})},
                 .outputs = {Tensor::of<int32_t>(Shape{3, 2}, {1, 4, 2, 5, 3, 6})}});
  for (const Ints& perm : {Ints{0, 1, 2, 3},
                           {0, 2, 3, 1},
                           {0, 3, 1, 2},
                           {3, 2, 1, 0},
                           {1, 0, 2, 3},
                           {0, 1, 3, 2},
                           {2, 0, 3, 1},
                           {0, 2, 1, 3}}) {
    for (const DType dtype :
         {DType::kFloat32, DType::kFloat16, DType::kInt8, DType::kInt64, DType::kInt4}) {
      out.push_back({.name = cat("transpose_", join(perm, ""), "_", dtype_name(dtype)),
                     .op = "Transpose",
                     .attrs = {{"perm", perm}},
                     .inputs = {case_ints(dtype, Shape{2, 3, 5, 7}, -8, 7)}});
    }
    out.push_back({.name = cat("transpose_", join(perm, ""), "_bench"),
                   .op = "Transpose",
                   .attrs = {{"perm", perm}},
                   .inputs = {case_floats(Shape{2, 33, 65, 17})},
                   .bench = true});
  }
  for (const int64_t n : {1, 2, 3, 5, 7, 8, 9, 16, 17, 127, 129}) {
    out.push_back({.name = cat("transpose_square_", n),
                   .op = "Transpose",
                   .inputs = {case_floats(Shape{n, n + 1})}});
    out.push_back({.name = cat("transpose_bytes_", n),
                   .op = "Transpose",
                   .inputs = {case_ints(DType::kUInt8, Shape{n, 2 * n + 1}, 0, 255)}});
  }
  out.push_back({.name = "transpose_large",
                 .op = "Transpose",
                 .inputs = {case_floats(Shape{512, 768})},
                 .bench = true});
  for (const DType dtype : {DType::kFloat32, DType::kInt32, DType::kUInt8}) {
    out.push_back({.name = cat("transpose_picture_", dtype_name(dtype)),
                   .op = "Transpose",
                   .attrs = {{"perm", Ints{0, 3, 1, 2}}},
                   .inputs = {case_ints(dtype, Shape{2, 57, 41, 3}, 0, 127)}});
  }
  out.push_back(
      {.name = "transpose_empty", .op = "Transpose", .inputs = {case_floats(Shape{3, 0, 2})}});
  out.push_back({.name = "transpose_scalar", .op = "Transpose", .inputs = {Tensor::scalar(1.5f)}});
  out.push_back({.name = "transpose_strings",
                 .op = "Transpose",
                 .inputs = {strings(Shape{2, 2}, {"a", "b", "c", "d"})},
                 .outputs = {strings(Shape{2, 2}, {"a", "c", "b", "d"})}});

  // --- Expand, Tile
  for (const auto& [in, to] : {std::pair<Shape, Ints>{Shape{3, 1}, {2, 1, 6}},
                               {Shape{3, 1}, {3, 4}},
                               {Shape{}, {2, 3}},
                               {Shape{1, 7}, {5, 1}},
                               {Shape{2, 3}, {1}},
                               {Shape{1}, {0}},
                               {Shape{1, 1, 3}, {129, 2, 1}}}) {
    for (const bool constant : {true, false}) {
      out.push_back(
          {.name = cat("expand_", in.text(), "_", join(to, "x"), constant ? "_constant" : ""),
           .op = "Expand",
           .inputs = {case_floats(in), ints(to)},
           .constant_inputs = constant ? std::vector<int>{1} : std::vector<int>{}});
    }
  }
  out.push_back({.name = "expand_golden",
                 .op = "Expand",
                 .inputs = {Tensor::of<int16_t>(Shape{2, 1}, {7, 8}), ints({2, 2})},
                 .outputs = {Tensor::of<int16_t>(Shape{2, 2}, {7, 7, 8, 8})}});
  out.push_back({.name = "tile_golden",
                 .op = "Tile",
                 .inputs = {Tensor::of<float>(Shape{2, 2}, {0, 1, 2, 3}), ints({2, 2})},
                 .outputs = {Tensor::of<float>(Shape{4, 4},
                                               {0, 1, 0, 1, 2, 3, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3})}});
  for (const Ints& repeats : {Ints{1, 1, 1}, {2, 3, 1}, {1, 1, 4}, {0, 1, 2}, {3, 2, 2}}) {
    out.push_back({.name = cat("tile_", join(repeats, "")),
                   .op = "Tile",
                   .inputs = {case_floats(Shape{2, 3, 5}), ints(repeats)},
                   .constant_inputs = {1}});
  }
  out.push_back({.name = "tile_int4",
                 .op = "Tile",
                 .inputs = {case_ints(DType::kUInt4, Shape{3}, 0, 15), ints({3})}});
  out.push_back({.name = "tile_scalar",
                 .op = "Tile",
                 .inputs = {Tensor::scalar(4.0f), ints({})},
                 .outputs = {Tensor::scalar(4.0f)}});

  // --- made of a shape
  out.push_back({.name = "constant_of_shape",
                 .op = "ConstantOfShape",
                 .inputs = {ints({2, 2})},
                 .outputs = {Tensor::of<float>(Shape{2, 2}, {0, 0, 0, 0})}});
  out.push_back({.name = "constant_of_shape_value",
                 .op = "ConstantOfShape",
                 .attrs = {{"value", Tensor::of<int8_t>(Shape{1}, {-3})}},
                 .inputs = {ints({3})},
                 .outputs = {Tensor::of<int8_t>(Shape{3}, {-3, -3, -3})},
                 .constant_inputs = {0}});
  out.push_back({.name = "constant_of_no_shape",
                 .op = "ConstantOfShape",
                 .inputs = {ints({})},
                 .outputs = {Tensor::scalar(0.0f)}});
  const auto range = [&](std::string name, Tensor a, Tensor b, Tensor c, Tensor golden) {
    for (const bool constant : {true, false}) {
      out.push_back({.name = "range_" + name + (constant ? "_constant" : ""),
                     .op = "Range",
                     .inputs = {a, b, c},
                     .outputs = {golden},
                     .constant_inputs = constant ? std::vector<int>{0, 1, 2} : std::vector<int>{}});
    }
  };
  range("int", Tensor::scalar<int64_t>(3), Tensor::scalar<int64_t>(10), Tensor::scalar<int64_t>(3),
        ints({3, 6, 9}));
  range("down", Tensor::scalar<int32_t>(10), Tensor::scalar<int32_t>(4),
        Tensor::scalar<int32_t>(-2), Tensor::of<int32_t>(Shape{3}, {10, 8, 6}));
  range("none", Tensor::scalar<int64_t>(3), Tensor::scalar<int64_t>(3), Tensor::scalar<int64_t>(1),
        ints({}));
  range("float", Tensor::scalar(1.0f), Tensor::scalar(2.0f), Tensor::scalar(0.25f),
        Tensor::of<float>(Shape{4}, {1.0f, 1.25f, 1.5f, 1.75f}));
  range("extreme", Tensor::scalar(std::numeric_limits<int64_t>::min()),
        Tensor::scalar(std::numeric_limits<int64_t>::max()),
        Tensor::scalar(std::numeric_limits<int64_t>::max()),
        ints({std::numeric_limits<int64_t>::min(), -1, std::numeric_limits<int64_t>::max() - 1}));
  for (const int64_t k : {-9, -1, 0, 1, 2, 9}) {
    out.push_back({.name = cat("eye_", k),
                   .op = "EyeLike",
                   .attrs = {{"k", k}},
                   .inputs = {case_floats(Shape{3, 5})}});
  }
  out.push_back({.name = "eye_dtype",
                 .op = "EyeLike",
                 .attrs = {{"dtype", int64_t{7}}, {"k", int64_t{1}}},
                 .inputs = {case_floats(Shape{2, 3})},
                 .outputs = {Tensor::of<int64_t>(Shape{2, 3}, {0, 1, 0, 0, 0, 1})}});
  out.push_back({.name = "constant_ints",
                 .op = "Constant",
                 .attrs = {{"value_ints", Ints{4, 5}}},
                 .outputs = {ints({4, 5})}});
  out.push_back({.name = "constant_string",
                 .op = "Constant",
                 .attrs = {{"value_string", std::string("abc")}},
                 .outputs = {strings(Shape{}, {"abc"})}});

  // --- Trilu
  out.push_back({.name = "triu",
                 .op = "Trilu",
                 .inputs = {Tensor::of<int64_t>(Shape{3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9})},
                 .outputs = {Tensor::of<int64_t>(Shape{3, 3}, {1, 2, 3, 0, 5, 6, 0, 0, 9})}});
  for (const int64_t upper : {0, 1}) {
    for (const int64_t k : {-9, -2, -1, 0, 1, 3, 9}) {
      out.push_back({.name = cat(upper != 0 ? "triu_" : "tril_", k),
                     .op = "Trilu",
                     .attrs = {{"upper", upper}},
                     .inputs = {case_floats(Shape{2, 4, 5}), Tensor::scalar<int64_t>(k)}});
    }
  }
  out.push_back({.name = "tril_bool",
                 .op = "Trilu",
                 .domain = "com.microsoft",
                 .attrs = {{"upper", int64_t{0}}},
                 .inputs = {case_ints(DType::kBool, Shape{5, 3}, 0, 1)}});
  out.push_back({.name = "triu_no_rows", .op = "Trilu", .inputs = {case_floats(Shape{3, 0, 5})}});
  return out;
}

}  // namespace sluice::ops::shape
