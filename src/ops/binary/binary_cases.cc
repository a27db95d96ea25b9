#include <limits>

#include "base/text.h"
#include "op/case.h"

namespace sluice::ops::binary {

namespace {

using op::case_floats;
using op::case_ints;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

template <class T>
Tensor list(std::initializer_list<T> values) {
  return Tensor::of<T>(Shape{static_cast<int64_t>(values.size())}, values);
}

struct Pair {
  Shape a, b;
};

// Equal shapes, scalars, inner and outer broadcasts, both ways, and empty ones.
const std::vector<Pair>& pairs() {
  static const std::vector<Pair> kPairs = {
      {{}, {}},
      {{1}, {1}},
      {{7}, {7}},
      {{129}, {129}},
      {{127}, {}},
      {{}, {5}},
      {{2, 3, 5}, {5}},
      {{2, 3, 5}, {3, 1}},
      {{2, 1, 5}, {3, 1}},
      {{3, 1}, {1, 7}},
      {{1, 4, 1, 3}, {2, 1, 5, 1}},
      {{2, 3, 4, 129}, {2, 3, 4, 1}},
      {{2, 8, 5, 5}, {8, 1, 1}},
      {{0, 3}, {1, 3}},
      {{3, 1}, {3, 0}},
      {{2, 3, 2, 3, 2}, {3, 1, 3, 1}},
  };
  return kPairs;
}

void add_goldens(std::vector<op::Case>& out) {
  const auto add = [&](const char* name, const char* op_name, Tensor a, Tensor b, Tensor y,
                       AttrMap attrs = {}) {
    out.push_back({.name = name,
                   .op = op_name,
                   .attrs = std::move(attrs),
                   .inputs = {std::move(a), std::move(b)},
                   .outputs = {std::move(y)}});
  };
  const int32_t lowest = std::numeric_limits<int32_t>::min();
  const int64_t lowest64 = std::numeric_limits<int64_t>::min();
  add("div_int_truncates", "Div", list<int32_t>({7, -7, 7, -7}), list<int32_t>({2, 2, -2, -2}),
      list<int32_t>({3, -3, -3, 3}));
  add("div_int32_lowest_by_minus_one", "Div", list<int32_t>({lowest}), list<int32_t>({-1}),
      list<int32_t>({lowest}));
  add("div_int64_lowest_by_minus_one", "Div", list<int64_t>({lowest64}), list<int64_t>({-1}),
      list<int64_t>({lowest64}));
  add("div_float_by_zero", "Div", list<float>({1, -1, 0}), list<float>({0, 0, 0}),
      list<float>(
          {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), kNaN}));
  add("add_int8_wraps", "Add", list<int8_t>({127, -128}), list<int8_t>({1, -1}),
      list<int8_t>({-128, 127}));
  add("sub_uint32_wraps", "Sub", list<uint32_t>({0}), list<uint32_t>({1}),
      list<uint32_t>({0xffffffffu}));
  add("mul_int64_wraps", "Mul", list<int64_t>({lowest64}), list<int64_t>({2}), list<int64_t>({0}));
  add("mod_python", "Mod", list<int32_t>({-4, 7, 5, 4, -7, 8}), list<int32_t>({2, -3, 8, -2, 3, 5}),
      list<int32_t>({0, -2, 5, 0, 2, 3}));
  add("mod_c", "Mod", list<int64_t>({-4, 7, 5, 4, -7, 8}), list<int64_t>({2, -3, 8, -2, 3, 5}),
      list<int64_t>({0, 1, 5, 0, -1, 3}), {{"fmod", int64_t{1}}});
  add("mod_lowest_by_minus_one", "Mod", list<int64_t>({lowest64}), list<int64_t>({-1}),
      list<int64_t>({0}));
  add("fmod_float", "Mod", list<float>({-4.3f, 7.2f, 5.0f}), list<float>({2.1f, -3.4f, 8.0f}),
      list<float>({-0.1f, 0.4f, 5.0f}), {{"fmod", int64_t{1}}});
  add("pow_int_exact", "Pow", list<int64_t>({3, -2, 10, 0}), list<int64_t>({39, 63, 18, 0}),
      list<int64_t>({4052555153018976267, lowest64, 1000000000000000000, 1}));
  add("pow_int_negative_exponent", "Pow", list<int32_t>({1, -1, 2}), list<int32_t>({-3, -3, -1}),
      list<int32_t>({1, -1, 0}));
  add("pow_float_int_exponent", "Pow", list<float>({2, -2, 9}), list<int64_t>({10, 3, -1}),
      list<float>({1024, -8, 1.0f / 9}));
  add("max_hands_nan_on", "Max", list<float>({1, kNaN, 3}), list<float>({kNaN, 2, 2}),
      list<float>({kNaN, kNaN, 3}));
  add("max_uint64_top", "Max", list<uint64_t>({0xffffffffffffffffu}), list<uint64_t>({1}),
      list<uint64_t>({0xffffffffffffffffu}));
  add("less_uint64_top", "Less", list<uint64_t>({1}), list<uint64_t>({0xffffffffffffffffu}),
      list<bool>({true}));
  add("equal_int64_above_2_53", "Equal", list<int64_t>({9007199254740993}),
      list<int64_t>({9007199254740992}), list<bool>({false}));
  add("equal_nan", "Equal", list<float>({kNaN}), list<float>({kNaN}), list<bool>({false}));
  add("shift_by_width", "BitShift", list<uint8_t>({255, 255, 1}), list<uint8_t>({8, 3, 200}),
      list<uint8_t>({0, 248, 0}), {{"direction", std::string("LEFT")}});
  const std::vector<std::string> a = {"x", "y"}, b = {"x", "z"};
  add("equal_strings", "Equal", Tensor::of_strings(Shape{2}, a), Tensor::of_strings(Shape{2}, b),
      list<bool>({true, false}));
  out.push_back({.name = "mean_of_three",
                 .op = "Mean",
                 .inputs = {list<float>({3, 0, 2}), list<float>({1, 3, 4}), list<float>({2, 6, 6})},
                 .outputs = {list<float>({2, 3, 4})}});
  out.push_back({.name = "where_strings",
                 .op = "Where",
                 .inputs = {list<bool>({true, false}), Tensor::of_strings(Shape{2}, a),
                            Tensor::of_strings(Shape{2}, b)},
                 .outputs = {Tensor::of_strings(Shape{2}, std::vector<std::string>{"x", "z"})}});
}

}  // namespace

std::vector<op::Case> cases() {
  std::vector<op::Case> out;
  add_goldens(out);
  int number = 0;
  for (const Pair& pair : pairs()) {
    ++number;
    const std::string where = cat(pair.a.text(), "_", pair.b.text());
    const Tensor a = case_floats(pair.a, number, 3.0), b = case_floats(pair.b, number + 50, 3.0);
    for (const char* name : {"Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean", "Less",
                             "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"}) {
      out.push_back({.name = cat(name, "_f32_", where), .op = name, .inputs = {a, b}});
    }
    for (const DType dtype :
         {DType::kInt32, DType::kInt64, DType::kUInt8, DType::kInt8, DType::kUInt64}) {
      const Tensor m = case_ints(dtype, pair.a, 1, 100, number);
      const Tensor n = case_ints(dtype, pair.b, 1, 10, number);
      for (const char* name : {"Add", "Sub", "Mul", "Div", "Mod", "Pow", "Max", "Equal", "Less",
                               "BitwiseAnd", "BitwiseOr", "BitwiseXor"}) {
        out.push_back(
            {.name = cat(name, "_", dtype_name(dtype), "_", where), .op = name, .inputs = {m, n}});
      }
    }
    const Tensor p = case_ints(DType::kBool, pair.a, 0, 1, number);
    const Tensor q = case_ints(DType::kBool, pair.b, 0, 1, number + 3);
    for (const char* name : {"And", "Or", "Xor"}) {
      out.push_back({.name = cat(name, "_", where), .op = name, .inputs = {p, q}});
    }
    out.push_back({.name = cat("where_", where), .op = "Where", .inputs = {p, a, b}});
    out.push_back({.name = cat("where_scalar_", where),
                   .op = "Where",
                   .inputs = {q, a, Tensor::scalar(-1.0f)}});
  }
  for (const DType dtype : {DType::kFloat16, DType::kBFloat16, DType::kFloat64}) {
    for (const char* name : {"Add", "Sub", "Mul", "Div", "Max"}) {
      out.push_back({.name = cat(name, "_", dtype_name(dtype)),
                     .op = name,
                     .inputs = {case_floats(Shape{3, 43}, 1, 2.0, dtype),
                                case_floats(Shape{43}, 2, 2.0, dtype)},
                     .atol = 1e-2,
                     .rtol = 1e-2});
    }
  }
  Tensor positive = case_floats(Shape{3, 43}, 4);
  for (int64_t i = 0; i < positive.elements(); ++i) {
    positive.set_double(i, positive.get_double(i) + 1.5);
  }
  for (const float exponent : {0.0f, 0.5f, 1.0f, 2.0f, 3.0f, -1.0f, 2.7f}) {
    out.push_back({.name = cat("pow_scalar_exponent_", exponent),
                   .op = "Pow",
                   .inputs = {positive, Tensor::scalar(exponent)},
                   .constant_inputs = {1}});
  }
  out.push_back({.name = "sum_of_four",
                 .op = "Sum",
                 .inputs = {case_floats(Shape{2, 129}, 1), case_floats(Shape{129}, 2),
                            case_floats(Shape{2, 1}, 3), case_floats(Shape{}, 4)}});
  const Shape big{1, 32, 128, 128};
  out.push_back({.name = "add_bench",
                 .op = "Add",
                 .inputs = {case_floats(big, 1), case_floats(big, 2)},
                 .bench = true});
  out.push_back({.name = "mul_channel_bench",
                 .op = "Mul",
                 .inputs = {case_floats(big, 1), case_floats(Shape{32, 1, 1}, 2)},
                 .bench = true});
  out.push_back({.name = "mul_scalar_bench",
                 .op = "Mul",
                 .inputs = {case_floats(big, 1), Tensor::scalar(0.5f)},
                 .bench = true,
                 .constant_inputs = {1}});
  out.push_back({.name = "where_mask_bench",
                 .op = "Where",
                 .inputs = {case_ints(DType::kBool, Shape{1, 1, 128, 128}, 0, 1),
                            case_floats(big, 1), Tensor::scalar(-1e9f)},
                 .bench = true});
  return out;
}

}  // namespace sluice::ops::binary
