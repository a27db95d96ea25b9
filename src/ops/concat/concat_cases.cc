#include <algorithm>
#include <array>
#include <limits>

#include "base/text.h"
#include "op/case.h"
#include "ops/concat/concat.h"

namespace sluice::ops::concat {

using op::Case;
using op::case_floats;
using op::case_ints;

namespace {

using Ints = std::vector<int64_t>;
Tensor ints(const Ints& values) {
  return Tensor::of<int64_t>(Shape{static_cast<int64_t>(values.size())},
                             std::span<const int64_t>(values));
}
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kMin = std::numeric_limits<int64_t>::min();

}  // namespace

std::vector<Case> cases() {
  std::vector<Case> out;

  // --- Concat
  out.push_back({.name = "concat_golden",
                 .op = "Concat",
                 .attrs = {{"axis", int64_t{1}}},
                 .inputs = {Tensor::of<float>(Shape{2, 1}, {1, 2}),
                            Tensor::of<float>(Shape{2, 2}, {3, 4, 5, 6})},
                 .outputs = {Tensor::of<float>(Shape{2, 3}, {1, 3, 4, 2, 5, 6})}});
  for (int64_t axis = -3; axis < 3; ++axis) {
    for (const DType dtype :
         {DType::kFloat32, DType::kFloat16, DType::kInt8, DType::kInt64, DType::kUInt4}) {
      Case c{.name = cat("concat_", axis, "_", dtype_name(dtype)),
             .op = "Concat",
             .attrs = {{"axis", axis}}};
      for (const int64_t extent : {1, 3, 0, 7}) {
        Shape shape{3, 5, 2};
        shape[static_cast<int>(axis)] = extent;
        c.inputs.emplace_back(case_ints(dtype, shape, 0, 15, static_cast<int>(extent)));
      }
      out.push_back(std::move(c));
    }
  }
  {
    // More operands than a GPU stage has storage buffers.
    Case wide{.name = "concat_65", .op = "Concat", .attrs = {{"axis", int64_t{1}}}, .bench = true};
    for (int i = 0; i < 65; ++i) wide.inputs.emplace_back(case_floats(Shape{2, 1 + i % 5, 7}, i));
    out.push_back(std::move(wide));
  }
  out.push_back({.name = "concat_one",
                 .op = "Concat",
                 .attrs = {{"axis", int64_t{0}}},
                 .inputs = {case_floats(Shape{129})}});

  // --- Split
  for (int64_t axis = -2; axis < 2; ++axis) {
    for (const int64_t parts : {1, 2, 3, 4, 6, 7}) {
      out.push_back({.name = cat("split_", axis, "_in_", parts),
                     .op = "Split",
                     .attrs = {{"axis", axis}, {"num_outputs", parts}},
                     .inputs = {case_floats(Shape{7, 6})},
                     .output_count = static_cast<int>(parts)});
    }
  }
  out.push_back(
      {.name = "split_golden",
       .op = "Split",
       .attrs = {{"num_outputs", int64_t{3}}},
       .inputs = {Tensor::of<int32_t>(Shape{7}, {1, 2, 3, 4, 5, 6, 7})},
       .outputs = {Tensor::of<int32_t>(Shape{3}, {1, 2, 3}),
                   Tensor::of<int32_t>(Shape{3}, {4, 5, 6}), Tensor::of<int32_t>(Shape{1}, {7})},
       .output_count = 3});
  for (const bool constant : {true, false}) {
    out.push_back({.name = cat("split_sizes", constant ? "_constant" : ""),
                   .op = "Split",
                   .attrs = {{"axis", int64_t{1}}},
                   .inputs = {case_floats(Shape{3, 8, 2}), ints({1, 0, 5, 2})},
                   .output_count = 4,
                   .constant_inputs = constant ? std::vector<int>{1} : std::vector<int>{}});
  }
  out.push_back({.name = "split_64",
                 .op = "Split",
                 .attrs = {{"axis", int64_t{1}}, {"num_outputs", int64_t{64}}},
                 .inputs = {case_floats(Shape{2, 129, 3})},
                 .output_count = 64,
                 .bench = true});
  out.push_back({.name = "split_int4",
                 .op = "Split",
                 .attrs = {{"num_outputs", int64_t{3}}},
                 .inputs = {case_ints(DType::kInt4, Shape{7}, -8, 7)},
                 .output_count = 3});

  // --- Slice: every start, end and step around a small axis, as Python does it
  for (const int64_t step : {1, 2, 3, -1, -2, -3}) {
    for (int64_t start = -5; start <= 5; start += step == 1 || step == -1 ? 1 : 2) {
      for (int64_t end = -5; end <= 5; ++end) {
        out.push_back({.name = cat("slice_", start, "_", end, "_", step),
                       .op = "Slice",
                       .inputs = {case_floats(Shape{3, 4}), ints({start}), ints({end}), ints({1}),
                                  ints({step})},
                       .constant_inputs = {1, 2, 3, 4}});
      }
    }
  }
  // Every distinct slice of axes of 1 to 6 elements, each spelled by one of its starts, ends and
  // steps, two at a time: one on either axis.
  {
    struct Range {
      int64_t extent, start, end, step;
    };
    std::vector<Range> ranges;
    for (int64_t extent = 1; extent <= 6; ++extent) {
      std::vector<std::array<int64_t, 3>> seen;
      for (int64_t step = -extent; step <= extent; ++step) {
        for (int64_t start = -extent - 1; step != 0 && start <= extent; ++start) {
          for (int64_t end = -extent - 1; end <= extent + 1; ++end) {
            const SliceRange r = clamped_range(start, end, step, extent);
            const std::array<int64_t, 3> key{r.count == 0 ? 0 : r.start, r.count < 2 ? 0 : r.step,
                                             r.count};
            if (std::ranges::find(seen, key) != seen.end()) continue;
            seen.push_back(key);
            ranges.push_back({extent, start, end, step});
          }
        }
      }
    }
    for (size_t i = 0; i < ranges.size(); ++i) {
      const Range &a = ranges[i], &b = ranges[(i * 5 + 2) % ranges.size()];
      out.push_back({.name = cat("slice_sweep_", i),
                     .op = "Slice",
                     .inputs = {case_floats(Shape{a.extent, b.extent}, 7), ints({a.start, b.start}),
                                ints({a.end, b.end}), ints({0, 1}), ints({a.step, b.step})},
                     .constant_inputs = {1, 2, 3, 4}});
    }
  }
  const Tensor five = Tensor::of<int32_t>(Shape{5}, {0, 1, 2, 3, 4});
  const auto slice = [&](std::string name, int64_t start, int64_t end, int64_t step,
                         std::initializer_list<int32_t> golden) {
    for (const bool constant : {true, false}) {
      out.push_back(
          {.name = cat("slice_golden_", name, constant ? "_constant" : ""),
           .op = "Slice",
           .inputs = {five, ints({start}), ints({end}), ints({0}), ints({step})},
           .outputs = {Tensor::of<int32_t>(Shape{static_cast<int64_t>(golden.size())}, golden)},
           .constant_inputs = constant ? std::vector<int>{1, 2, 3, 4} : std::vector<int>{}});
    }
  };
  slice("reverse", -1, kMin, -1, {4, 3, 2, 1, 0});
  slice("reverse_max", kMax, kMin, -1, {4, 3, 2, 1, 0});
  slice("reverse_some", 3, 0, -1, {3, 2, 1});
  slice("reverse_two", -1, -6, -2, {4, 2, 0});
  slice("reverse_none", 0, -1, -1, {});
  slice("to_the_end", 2, kMax, 1, {2, 3, 4});
  slice("all", kMin, kMax, 1, {0, 1, 2, 3, 4});
  slice("reverse_from_before", -9, kMin, -1, {0});
  slice("huge_step", 1, kMax, kMax, {1});
  slice("huge_step_back", 3, kMin, kMin, {3});
  out.push_back({.name = "slice_axes",
                 .op = "Slice",
                 .inputs = {case_floats(Shape{5, 7, 9, 2}), ints({1, -2, 8}), ints({kMax, 0, kMin}),
                            ints({-4, 1, 2}), ints({2, -1, -3})},
                 .constant_inputs = {1, 2, 3, 4}});
  out.push_back({.name = "slice_no_axes",
                 .op = "Slice",
                 .inputs = {case_floats(Shape{5, 7, 9}), ints({1, 2}), ints({3, -1})}});
  for (const DType dtype : {DType::kFloat16, DType::kInt8, DType::kFloat64, DType::kBool,
                            DType::kInt4, DType::kUInt2}) {
    out.push_back({.name = cat("slice_", dtype_name(dtype)),
                   .op = "Slice",
                   .inputs = {case_ints(dtype, Shape{5, 9}, 0, 1), ints({4, 7}), ints({kMin, 0}),
                              ints({0, 1}), ints({-2, -3})},
                   .constant_inputs = {1, 2, 3, 4}});
  }
  out.push_back({.name = "slice_large",
                 .op = "Slice",
                 .inputs = {case_floats(Shape{4, 128, 129}), ints({0, -1}), ints({kMax, kMin}),
                            ints({1, 2}), ints({2, -1})},
                 .bench = true,
                 .constant_inputs = {1, 2, 3, 4}});

  // --- Pad
  const Tensor three = Tensor::of<float>(Shape{3}, {1, 2, 3});
  const auto pad = [&](std::string mode, int64_t begin, int64_t end,
                       std::initializer_list<float> golden) {
    for (const bool constant : {true, false}) {
      out.push_back(
          {.name = cat("pad_", mode, "_", begin, "_", end, constant ? "_constant" : ""),
           .op = "Pad",
           .attrs = {{"mode", mode}},
           .inputs = {three, ints({begin, end})},
           .outputs = {Tensor::of<float>(Shape{static_cast<int64_t>(golden.size())}, golden)},
           .constant_inputs = constant ? std::vector<int>{1} : std::vector<int>{}});
    }
  };
  pad("constant", 2, 1, {0, 0, 1, 2, 3, 0});
  pad("constant", -1, 2, {2, 3, 0, 0});
  pad("constant", -2, -1, {});
  pad("edge", 2, 3, {1, 1, 1, 2, 3, 3, 3, 3});
  pad("reflect", 2, 2, {3, 2, 1, 2, 3, 2, 1});
  pad("reflect", 5, 0, {2, 1, 2, 3, 2, 1, 2, 3});
  pad("wrap", 4, 2, {3, 1, 2, 3, 1, 2, 3, 1, 2});
  pad("edge", -1, 1, {2, 3, 3});
  for (const std::string mode : {"constant", "edge", "reflect", "wrap"}) {
    out.push_back({.name = "pad_" + mode + "_4d",
                   .op = "Pad",
                   .attrs = {{"mode", mode}},
                   .inputs = {case_floats(Shape{2, 3, 5, 7}), ints({0, 1, 2, 3, 1, 0, 3, 2})},
                   .bench = true,
                   .constant_inputs = {1}});
    out.push_back({.name = "pad_" + mode + "_axes",
                   .op = "Pad",
                   .attrs = {{"mode", mode}},
                   .inputs = {case_ints(DType::kInt64, Shape{2, 3, 5}, 0, 99), ints({2, 1, -1, 2}),
                              Value(), ints({-1, 1})},
                   .constant_inputs = {1, 3}});
    out.push_back({.name = "pad_" + mode + "_one_element",
                   .op = "Pad",
                   .attrs = {{"mode", mode}},
                   .inputs = {case_floats(Shape{1, 1}), ints({1, 2, 3, 0})},
                   .constant_inputs = {1}});
  }
  out.push_back({.name = "pad_value",
                 .op = "Pad",
                 .inputs = {Tensor::of<int8_t>(Shape{1, 2}, {1, 2}), ints({1, 0, 0, 1}),
                            Tensor::scalar<int8_t>(-7)},
                 .outputs = {Tensor::of<int8_t>(Shape{2, 3}, {-7, -7, -7, 1, 2, -7})}});
  out.push_back({.name = "pad_microsoft",
                 .op = "Pad",
                 .domain = "com.microsoft",
                 .inputs = {case_floats(Shape{2, 2}), ints({0, 1, 1, 0}),
                            Tensor::of<float>(Shape{1}, {2.5f})}});
  return out;
}

}  // namespace sluice::ops::concat
