#include <cmath>
#include <limits>

#include "base/text.h"
#include "op/case.h"

namespace sluice::ops::gather {

using op::Case;
using op::case_floats;
using op::case_ints;

namespace {

using Ints = std::vector<int64_t>;
Tensor ints(const Shape& shape, const Ints& values) {
  return Tensor::of<int64_t>(shape, std::span<const int64_t>(values));
}
Tensor strings(const Shape& shape, std::initializer_list<std::string> values) {
  return Tensor::of_strings(shape, std::span(values.begin(), values.size()));
}

}  // namespace

std::vector<Case> cases() {
  std::vector<Case> out;

  // --- Gather
  out.push_back(
      {.name = "gather_golden",
       .op = "Gather",
       .attrs = {{"axis", int64_t{1}}},
       .inputs = {Tensor::of<float>(Shape{2, 3}, {1, 2, 3, 4, 5, 6}), ints(Shape{1, 2}, {0, -1})},
       .outputs = {Tensor::of<float>(Shape{2, 1, 2}, {1, 3, 4, 6})}});
  for (int64_t axis = -3; axis < 3; ++axis) {
    for (const DType dtype :
         {DType::kFloat32, DType::kFloat16, DType::kInt8, DType::kInt64, DType::kInt4}) {
      out.push_back(
          {.name = cat("gather_", axis, "_", dtype_name(dtype)),
           .op = "Gather",
           .attrs = {{"axis", axis}},
           .inputs = {case_ints(dtype, Shape{3, 4, 5}, -8, 7), ints(Shape{2, 2}, {0, 2, -1, -3})}});
    }
    out.push_back({.name = cat("gather_one_", axis),
                   .op = "Gather",
                   .attrs = {{"axis", axis}},
                   .inputs = {case_floats(Shape{3, 4, 5}), Tensor::scalar<int32_t>(-2)},
                   .constant_inputs = {1}});
  }
  out.push_back({.name = "gather_none",
                 .op = "Gather",
                 .inputs = {case_floats(Shape{3, 4}), ints(Shape{0}, {})}});
  out.push_back(
      {.name = "gather_embedding",
       .op = "Gather",
       .inputs = {case_floats(Shape{129, 64}), case_ints(DType::kInt64, Shape{2, 127}, -129, 128)},
       .bench = true,
       .constant_inputs = {0}});
  out.push_back({.name = "gather_strings",
                 .op = "Gather",
                 .inputs = {strings(Shape{3}, {"a", "b", "c"}), ints(Shape{2}, {2, 0})},
                 .outputs = {strings(Shape{2}, {"c", "a"})}});

  // --- GatherElements
  out.push_back(
      {.name = "gather_elements_golden",
       .op = "GatherElements",
       .attrs = {{"axis", int64_t{1}}},
       .inputs = {Tensor::of<int32_t>(Shape{2, 2}, {1, 2, 3, 4}), ints(Shape{2, 2}, {0, 0, -1, 0})},
       .outputs = {Tensor::of<int32_t>(Shape{2, 2}, {1, 1, 4, 3})}});
  for (int64_t axis = -3; axis < 3; ++axis) {
    Shape shape{3, 4, 5};
    shape[static_cast<int>(axis)] = 7;
    out.push_back(
        {.name = cat("gather_elements_", axis),
         .op = "GatherElements",
         .attrs = {{"axis", axis}},
         .inputs = {case_floats(Shape{3, 4, 5}), case_ints(DType::kInt32, shape, -3, 2)}});
  }

  // --- GatherND
  out.push_back(
      {.name = "gather_nd_golden",
       .op = "GatherND",
       .inputs = {Tensor::of<float>(Shape{2, 2}, {0, 1, 2, 3}), ints(Shape{2, 2}, {0, 0, -1, 1})},
       .outputs = {Tensor::of<float>(Shape{2}, {0, 3})}});
  out.push_back({.name = "gather_nd_batch",
                 .op = "GatherND",
                 .attrs = {{"batch_dims", int64_t{1}}},
                 .inputs = {Tensor::of<int32_t>(Shape{2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7}),
                            ints(Shape{2, 1}, {1, 0})},
                 .outputs = {Tensor::of<int32_t>(Shape{2, 2}, {2, 3, 4, 5})}});
  for (const int64_t depth : {1, 2, 3}) {
    out.push_back({.name = cat("gather_nd_depth_", depth),
                   .op = "GatherND",
                   .inputs = {case_floats(Shape{3, 4, 5}),
                              case_ints(DType::kInt64, Shape{2, 7, depth}, -3, 2)}});
    out.push_back({.name = cat("gather_nd_batch_2_depth_", depth),
                   .op = "GatherND",
                   .attrs = {{"batch_dims", int64_t{2}}},
                   .inputs = {case_floats(Shape{2, 3, 4, 5, 3}),
                              case_ints(DType::kInt64, Shape{2, 3, 7, depth}, -3, 2)}});
  }
  out.push_back({.name = "gather_nd_microsoft",
                 .op = "GatherND",
                 .domain = "com.microsoft",
                 .inputs = {case_floats(Shape{3, 4}), ints(Shape{3, 1}, {2, 0, 1})}});

  // --- scatters
  for (const std::string reduction : {"none", "add", "mul", "max", "min"}) {
    for (const DType dtype :
         {DType::kFloat32, DType::kFloat16, DType::kInt32, DType::kUInt8, DType::kUInt64}) {
      out.push_back({.name = cat("scatter_elements_", reduction, "_", dtype_name(dtype)),
                     .op = "ScatterElements",
                     .attrs = {{"axis", int64_t{-1}}, {"reduction", reduction}},
                     .inputs = {case_ints(dtype, Shape{3, 5}, 0, 9),
                                case_ints(DType::kInt64, Shape{3, 4}, -5, 4, 3),
                                case_ints(dtype, Shape{3, 4}, 0, 9, 1)}});
      out.push_back({.name = cat("scatter_nd_", reduction, "_", dtype_name(dtype)),
                     .op = "ScatterND",
                     .attrs = {{"reduction", reduction}},
                     .inputs = {case_ints(dtype, Shape{4, 3, 5}, 0, 9),
                                case_ints(DType::kInt64, Shape{7, 2}, -3, 2, 3),
                                case_ints(dtype, Shape{7, 5}, 0, 9, 1)}});
    }
  }
  out.push_back(
      {.name = "scatter_elements_golden",
       .op = "ScatterElements",
       .attrs = {{"axis", int64_t{1}}, {"reduction", std::string("add")}},
       .inputs = {Tensor::of<float>(Shape{1, 5}, {1, 2, 3, 4, 5}), ints(Shape{1, 2}, {1, -4}),
                  Tensor::of<float>(Shape{1, 2}, {1.5f, 2.25f})},
       .outputs = {Tensor::of<float>(Shape{1, 5}, {1, 5.75f, 3, 4, 5})}});
  out.push_back({.name = "scatter_nd_golden",
                 .op = "ScatterND",
                 .inputs = {Tensor::of<float>(Shape{2, 2}, {1, 2, 3, 4}), ints(Shape{1, 1}, {-1}),
                            Tensor::of<float>(Shape{1, 2}, {8, 9})},
                 .outputs = {Tensor::of<float>(Shape{2, 2}, {1, 2, 8, 9})}});
  out.push_back(
      {.name = "scatter_nd_nothing",
       .op = "ScatterND",
       .inputs = {case_floats(Shape{3, 2}), ints(Shape{0, 1}, {}), case_floats(Shape{0, 2})}});
  // Many updates of few cells, whose order shows in the rounding, and few of many.
  for (const std::string reduction : {"none", "add", "mul"}) {
    for (const int64_t cells : {3, 500}) {
      out.push_back({.name = cat("scatter_elements_", reduction, "_3000_into_", cells),
                     .op = "ScatterElements",
                     .attrs = {{"reduction", reduction}},
                     .inputs = {case_floats(Shape{cells}),
                                case_ints(DType::kInt64, Shape{3000}, -cells, cells - 1, 3),
                                case_floats(Shape{3000}, 1, reduction == "mul" ? 1.5 : 1.0)}});
      out.push_back({.name = cat("scatter_nd_", reduction, "_400_into_", cells),
                     .op = "ScatterND",
                     .attrs = {{"reduction", reduction}},
                     .inputs = {case_floats(Shape{cells, 4}),
                                case_ints(DType::kInt32, Shape{20, 20, 1}, 0, cells - 1, 3),
                                case_floats(Shape{20, 20, 4}, 1)}});
    }
  }
  out.push_back({.name = "tensor_scatter",
                 .op = "TensorScatter",
                 .attrs = {{"axis", int64_t{1}}},
                 .inputs = {Tensor::of<float>(Shape{2, 3, 1}, {1, 2, 3, 4, 5, 6}),
                            Tensor::of<float>(Shape{2, 1, 1}, {8, 9}), ints(Shape{2}, {1, 2})},
                 .outputs = {Tensor::of<float>(Shape{2, 3, 1}, {1, 8, 3, 4, 5, 9})}});
  out.push_back({.name = "tensor_scatter_circular",
                 .op = "TensorScatter",
                 .attrs = {{"mode", std::string("circular")}},
                 .inputs = {case_floats(Shape{2, 3, 5, 7}), case_floats(Shape{2, 3, 4, 7}, 1),
                            ints(Shape{2}, {3, 12})}});
  out.push_back({.name = "tensor_scatter_prefill",
                 .op = "TensorScatter",
                 .inputs = {case_floats(Shape{2, 3, 5, 7}), case_floats(Shape{2, 3, 4, 7}, 1)}});

  // --- OneHot, ReverseSequence, Compress, NonZero
  out.push_back(
      {.name = "one_hot_golden",
       .op = "OneHot",
       .inputs = {ints(Shape{4}, {0, -1, 5, 1}), Tensor::scalar<int64_t>(3),
                  Tensor::of<float>(Shape{2}, {-1, 2})},
       .outputs = {Tensor::of<float>(Shape{4, 3}, {2, -1, -1, -1, -1, 2, -1, -1, -1, -1, 2, -1})}});
  for (int64_t axis = -3; axis < 3; ++axis) {
    out.push_back(
        {.name = cat("one_hot_", axis),
         .op = "OneHot",
         .attrs = {{"axis", axis}},
         .inputs = {case_ints(DType::kInt32, Shape{3, 5}, -4, 9), Tensor::of<float>(Shape{1}, {7}),
                    Tensor::of<int64_t>(Shape{2}, {0, 1})},
         .constant_inputs = {1}});
  }
  out.push_back(
      {.name = "reverse_golden",
       .op = "ReverseSequence",
       .attrs = {{"batch_axis", int64_t{0}}, {"time_axis", int64_t{1}}},
       .inputs = {Tensor::of<int32_t>(Shape{2, 3}, {1, 2, 3, 4, 5, 6}), ints(Shape{2}, {2, 0})},
       .outputs = {Tensor::of<int32_t>(Shape{2, 3}, {2, 1, 3, 4, 5, 6})}});
  out.push_back({.name = "reverse_time_first",
                 .op = "ReverseSequence",
                 .inputs = {case_floats(Shape{7, 3, 5}), ints(Shape{3}, {7, 1, 4})}});
  for (const int64_t axis : {-2, 0, 1}) {
    out.push_back(
        {.name = cat("compress_", axis),
         .op = "Compress",
         .attrs = {{"axis", axis}},
         .inputs = {case_floats(Shape{3, 5}), Tensor::of<bool>(Shape{3}, {true, false, true})}});
  }
  out.push_back({.name = "compress_flat",
                 .op = "Compress",
                 .inputs = {Tensor::of<float>(Shape{3, 2}, {1, 2, 3, 4, 5, 6}),
                            Tensor::of<bool>(Shape{5}, {false, true, false, false, true})},
                 .outputs = {Tensor::of<float>(Shape{2}, {2, 5})}});
  out.push_back({.name = "non_zero",
                 .op = "NonZero",
                 .inputs = {Tensor::of<float>(Shape{2, 2}, {1, 0, 1, 1})},
                 .outputs = {ints(Shape{2, 3}, {0, 1, 1, 0, 0, 1})}});
  out.push_back({.name = "non_zero_nothing",
                 .op = "NonZero",
                 .inputs = {Tensor::of<bool>(Shape{2}, {false, false})},
                 .outputs = {ints(Shape{1, 0}, {})}});
  out.push_back({.name = "non_zero_scalar",
                 .op = "NonZero",
                 .inputs = {Tensor::scalar<int64_t>(4)},
                 .outputs = {ints(Shape{0, 1}, {})}});

  // --- Unique, TopK
  const Tensor repeated = Tensor::of<float>(Shape{6}, {2, 1, 1, 3, 4, 3});
  out.push_back(
      {.name = "unique_unsorted",
       .op = "Unique",
       .attrs = {{"sorted", int64_t{0}}},
       .inputs = {repeated},
       .outputs = {Tensor::of<float>(Shape{4}, {2, 1, 3, 4}), ints(Shape{4}, {0, 1, 3, 4}),
                   ints(Shape{6}, {0, 1, 1, 2, 3, 2}), ints(Shape{4}, {1, 2, 2, 1})},
       .output_count = 4});
  out.push_back(
      {.name = "unique_sorted",
       .op = "Unique",
       .inputs = {repeated},
       .outputs = {Tensor::of<float>(Shape{4}, {1, 2, 3, 4}), ints(Shape{4}, {1, 0, 3, 4}),
                   ints(Shape{6}, {1, 0, 0, 2, 3, 2}), ints(Shape{4}, {2, 1, 2, 1})},
       .output_count = 4});
  out.push_back(
      {.name = "unique_rows",
       .op = "Unique",
       .attrs = {{"axis", int64_t{0}}},
       .inputs = {Tensor::of<int32_t>(Shape{3, 3}, {1, 0, 0, 1, 0, 0, 2, 3, 4})},
       .outputs = {Tensor::of<int32_t>(Shape{2, 3}, {1, 0, 0, 2, 3, 4}), ints(Shape{2}, {0, 2}),
                   ints(Shape{3}, {0, 0, 1}), ints(Shape{2}, {2, 1})},
       .output_count = 4});
  out.push_back({.name = "unique_strings",
                 .op = "Unique",
                 .inputs = {strings(Shape{4}, {"b", "a", "b", ""})},
                 .outputs = {strings(Shape{3}, {"", "a", "b"})}});
  out.push_back({.name = "unique_nan",
                 .op = "Unique",
                 .inputs = {Tensor::of<float>(Shape{4}, {NAN, 1, NAN, 1})},
                 .outputs = {Tensor::of<float>(Shape{2}, {1, NAN}), ints(Shape{2}, {1, 0})},
                 .output_count = 2});
  out.push_back({.name = "unique_microsoft",
                 .op = "Unique",
                 .domain = "com.microsoft",
                 .inputs = {repeated},
                 .outputs = {Tensor::of<float>(Shape{4}, {2, 1, 3, 4}),
                             ints(Shape{6}, {0, 1, 1, 2, 3, 2}), ints(Shape{4}, {1, 2, 2, 1})},
                 .output_count = 3});
  out.push_back(
      {.name = "top_k_ties",
       .op = "TopK",
       .inputs = {Tensor::of<float>(Shape{1, 5}, {2, 7, 7, 1, 7}), ints(Shape{1}, {4})},
       .outputs = {Tensor::of<float>(Shape{1, 4}, {7, 7, 7, 2}), ints(Shape{1, 4}, {1, 2, 4, 0})},
       .output_count = 2,
       .constant_inputs = {1}});
  out.push_back({.name = "top_k_nan",
                 .op = "TopK",
                 .inputs = {Tensor::of<float>(Shape{3}, {2, NAN, 7}), ints(Shape{1}, {2})},
                 .outputs = {Tensor::of<float>(Shape{2}, {NAN, 7}), ints(Shape{2}, {1, 2})},
                 .output_count = 2});
  out.push_back(
      {.name = "top_k_uint64",
       .op = "TopK",
       .inputs = {Tensor::of<uint64_t>(Shape{3}, {1, std::numeric_limits<uint64_t>::max(), 5}),
                  ints(Shape{1}, {1})},
       .outputs = {Tensor::of<uint64_t>(Shape{1}, {std::numeric_limits<uint64_t>::max()}),
                   ints(Shape{1}, {1})},
       .output_count = 2});
  for (const int64_t largest : {0, 1}) {
    for (const int64_t axis : {-1, 0, 1}) {
      for (const int64_t k : {0, 1, 3, 5}) {
        out.push_back(
            {.name = cat("top_k_", largest, "_", axis, "_", k),
             .op = "TopK",
             .attrs = {{"axis", axis}, {"largest", largest}},
             .inputs = {case_ints(DType::kInt32, Shape{5, 6, 7}, -3, 3), ints(Shape{1}, {k})},
             .output_count = 2,
             .constant_inputs = {1}});
      }
    }
  }
  // Rows longer than what one workgroup sorts: few of many, most of many, all; many ties.
  for (const DType dtype : {DType::kFloat32, DType::kFloat16, DType::kInt64}) {
    for (const auto& [extent, k] :
         {std::pair<int64_t, int64_t>{300, 200}, {1025, 1}, {2500, 7}, {3000, 600}, {1500, 1500}}) {
      out.push_back({.name = cat("top_k_", dtype_name(dtype), "_", k, "_of_", extent),
                     .op = "TopK",
                     .attrs = {{"largest", k % 2}},
                     .inputs = {case_ints(dtype, Shape{2, extent}, -99, 99), ints(Shape{1}, {k})},
                     .output_count = 2,
                     .constant_inputs = {1}});
    }
  }
  out.push_back({.name = "top_k_long_columns",
                 .op = "TopK",
                 .attrs = {{"axis", int64_t{1}}},
                 .inputs = {case_floats(Shape{2, 1100, 3}), ints(Shape{1}, {520})},
                 .output_count = 2,
                 .constant_inputs = {1}});
  out.push_back({.name = "top_k_large",
                 .op = "TopK",
                 .inputs = {case_floats(Shape{4, 8400}), ints(Shape{1}, {100})},
                 .output_count = 2,
                 .bench = true,
                 .constant_inputs = {1}});
  return out;
}

}  // namespace sluice::ops::gather
