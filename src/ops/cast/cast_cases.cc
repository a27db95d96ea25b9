#include <cmath>
#include <limits>

#include "base/text.h"
#include "op/case.h"

namespace sluice::ops::cast {

namespace {

AttrMap to(DType dtype) { return {{"to", static_cast<int64_t>(dtype)}}; }

Tensor strings(std::vector<std::string> values) {
  return Tensor::of_strings(Shape{static_cast<int64_t>(values.size())}, values);
}

Tensor raw(DType dtype, std::initializer_list<uint8_t> bytes) {
  return Tensor::of<uint8_t>(Shape{static_cast<int64_t>(bytes.size())}, bytes).reinterpreted(dtype);
}

Tensor raw16(DType dtype, std::initializer_list<uint16_t> bits) {
  return Tensor::of<uint16_t>(Shape{static_cast<int64_t>(bits.size())}, bits).reinterpreted(dtype);
}

}  // namespace

std::vector<op::Case> cases() {
  std::vector<op::Case> out;
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto add = [&](std::string name, Tensor x, Tensor y, AttrMap attrs) {
    out.push_back({.name = std::move(name),
                   .op = "Cast",
                   .attrs = std::move(attrs),
                   .inputs = {std::move(x)},
                   .outputs = {std::move(y)}});
  };
  add("f32_to_int_truncates", Tensor::of<float>(Shape{4}, {1.9f, -1.9f, 0.5f, -0.5f}),
      Tensor::of<int32_t>(Shape{4}, {1, -1, 0, 0}), to(DType::kInt32));
  add("int16_to_int8_wraps", Tensor::of<int16_t>(Shape{2}, {200, -129}),
      Tensor::of<int8_t>(Shape{2}, {-56, 127}), to(DType::kInt8));
  add("f32_to_bool", Tensor::of<float>(Shape{4}, {0, -0.0f, 0.1f, nan}),
      Tensor::of<bool>(Shape{4}, {false, false, true, true}), to(DType::kBool));
  // 2^53 + 1 lies between doubles, and in float32 must round down once, to 2^53.
  add("int64_to_f32_rounds_once", Tensor::of<int64_t>(Shape{2}, {9007199791611905, -1}),
      Tensor::of<float>(Shape{2}, {9007200328482816.0f, -1}), to(DType::kFloat32));
  // 1 + 2^-8 + 2^-30 in bfloat16: through float32 it would become a tie and go down to 1.
  add("f64_to_bf16_rounds_once",
      Tensor::of<double>(Shape{2}, {1 + std::ldexp(1.0, -8) + std::ldexp(1.0, -30), 1.0}),
      raw16(DType::kBFloat16, {0x3f81, 0x3f80}), to(DType::kBFloat16));
  add("f32_to_e4m3fn_saturates", Tensor::of<float>(Shape{5}, {448, 1000, infinity, nan, -1000}),
      raw(DType::kFloat8E4M3FN, {0x7e, 0x7e, 0x7e, 0x7f, 0xfe}), to(DType::kFloat8E4M3FN));
  AttrMap open = to(DType::kFloat8E5M2);
  open.set("saturate", int64_t{0});
  add("f32_to_e5m2_open_ended", Tensor::of<float>(Shape{3}, {57344, 1e6f, -infinity}),
      raw(DType::kFloat8E5M2, {0x7b, 0x7c, 0xfc}), open);
  add("f32_to_e8m0_up", Tensor::of<float>(Shape{4}, {1, 1.1f, 2, 0}),
      raw(DType::kFloat8E8M0, {127, 128, 128, 0}), to(DType::kFloat8E8M0));
  add("f32_to_string", Tensor::of<float>(Shape{5}, {1.5f, -0.25f, 1e-20f, infinity, nan}),
      strings({"1.5", "-0.25", "1e-20", "INF", "NaN"}), to(DType::kString));
  add("string_to_f32", strings({"3.14", "1e-5", "+INF", "-inf", "nan", " 7 "}),
      Tensor::of<float>(Shape{6}, {3.14f, 1e-5f, infinity, -infinity, nan, 7}),
      to(DType::kFloat32));
  add("string_to_int64", strings({"-9223372036854775808", "100"}),
      Tensor::of<int64_t>(Shape{2}, {std::numeric_limits<int64_t>::min(), 100}), to(DType::kInt64));
  add("uint64_to_string", Tensor::of<uint64_t>(Shape{1}, {0xffffffffffffffffu}),
      strings({"18446744073709551615"}), to(DType::kString));
  out.push_back({.name = "cast_like_int8",
                 .op = "CastLike",
                 .inputs = {Tensor::of<float>(Shape{2}, {3.7f, -3.7f}), Tensor::scalar<int8_t>(0)},
                 .outputs = {Tensor::of<int8_t>(Shape{2}, {3, -3})}});
  out.push_back({.name = "bit_cast_f32_to_int32",
                 .op = "BitCast",
                 .attrs = to(DType::kInt32),
                 .inputs = {Tensor::of<float>(Shape{2}, {1.0f, -2.0f})},
                 .outputs = {Tensor::of<int32_t>(Shape{2}, {0x3f800000, -0x40000000})}});
  // Every pair of numeric dtypes, with values that all of them hold roughly.
  for (int from = 1; from < kDTypeCount; ++from) {
    for (int target = 1; target < kDTypeCount; ++target) {
      const auto a = static_cast<DType>(from), b = static_cast<DType>(target);
      if (is_complex(a) || is_complex(b) || a == DType::kString) continue;
      Tensor x = is_floating(a) ? op::case_floats(Shape{127}, from, 4.0, a)
                                : op::case_ints(a, Shape{127}, 0, 1, from);
      out.push_back({.name = cat(dtype_name(a), "_to_", dtype_name(b)),
                     .op = "Cast",
                     .attrs = to(b),
                     .inputs = {std::move(x)}});
    }
  }
  for (const Shape& shape : {Shape{}, Shape{0}, Shape{1}, Shape{3, 43}, Shape{2, 0, 4}}) {
    out.push_back({.name = cat("f32_to_f16_", shape.text()),
                   .op = "Cast",
                   .attrs = to(DType::kFloat16),
                   .inputs = {op::case_floats(shape, 3, 100.0)}});
  }
  for (const auto& [a, b] :
       {std::pair(DType::kFloat32, DType::kFloat16), std::pair(DType::kFloat16, DType::kFloat32),
        std::pair(DType::kUInt8, DType::kFloat32), std::pair(DType::kFloat32, DType::kUInt8)}) {
    const Shape big{1, 3, 512, 512};
    out.push_back({.name = cat(dtype_name(a), "_to_", dtype_name(b), "_bench"),
                   .op = "Cast",
                   .attrs = to(b),
                   .inputs = {is_floating(a) && b != DType::kUInt8 ? op::case_floats(big, 1, 4.0, a)
                                                                   : op::case_ints(a, big, 0, 255)},
                   .bench = true});
  }
  return out;
}

}  // namespace sluice::ops::cast
