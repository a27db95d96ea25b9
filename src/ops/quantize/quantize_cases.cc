#include "base/text.h"
#include "op/case.h"

namespace sluice::ops::quantize {

namespace {

constexpr const char* kMicrosoft = "com.microsoft";

// Any value of the (integer) type.
Tensor any_of(DType dtype, const Shape& shape, int seed) {
  const int64_t lowest = std::max(integer_min(dtype), int64_t{-100000});
  const auto highest = static_cast<int64_t>(std::min(integer_max(dtype), uint64_t{100000}));
  return op::case_ints(dtype, shape, lowest, highest, seed);
}

Tensor scales(const Shape& shape, int seed) {
  Tensor out = op::case_floats(shape, seed, 0.5);
  for (int64_t i = 0; i < out.elements(); ++i) out.set_double(i, out.get_double(i) + 0.6);
  return out;
}

void linear_cases(std::vector<op::Case>& out) {
  out.push_back({.name = "quantize_known_ties_to_even",
                 .op = "QuantizeLinear",
                 .inputs = {Tensor::of<float>(Shape{8}, {0, 1, 3, 5, 1000, -1000, -1, -254}),
                            Tensor::scalar<float>(2), Tensor::scalar<uint8_t>(128)},
                 .outputs = {Tensor::of<uint8_t>(Shape{8}, {128, 128, 130, 130, 255, 0, 128, 1})}});
  out.push_back({.name = "quantize_without_zero_point",
                 .op = "QuantizeLinear",
                 .inputs = {Tensor::of<float>(Shape{3}, {-1, 2.5f, 300}), Tensor::scalar<float>(1)},
                 .outputs = {Tensor::of<uint8_t>(Shape{3}, {0, 2, 255})}});
  out.push_back({.name = "dequantize_known",
                 .op = "DequantizeLinear",
                 .inputs = {Tensor::of<uint8_t>(Shape{4}, {0, 3, 128, 255}),
                            Tensor::scalar<float>(2), Tensor::scalar<uint8_t>(128)},
                 .outputs = {Tensor::of<float>(Shape{4}, {-256, -250, 0, 254})}});
  out.push_back(
      {.name = "dequantize_known_per_axis",
       .op = "DequantizeLinear",
       .attrs = {{"axis", int64_t{-1}}},
       .inputs = {Tensor::of<int8_t>(Shape{2, 2}, {1, 2, 3, 4}),
                  Tensor::of<float>(Shape{2}, {1, 10}), Tensor::of<int8_t>(Shape{2}, {1, -1})},
       .outputs = {Tensor::of<float>(Shape{2, 2}, {0, 30, 2, 50})}});
  out.push_back({.name = "dynamic_quantize_known",
                 .op = "DynamicQuantizeLinear",
                 .inputs = {Tensor::of<float>(Shape{3}, {0, 127.5f, 255})},
                 .outputs = {Tensor::of<uint8_t>(Shape{3}, {0, 128, 255}), Tensor::scalar<float>(1),
                             Tensor::scalar<uint8_t>(0)},
                 .output_count = 3});
  out.push_back({.name = "dynamic_quantize_zeros",
                 .op = "DynamicQuantizeLinear",
                 .inputs = {Tensor::of<float>(Shape{2}, {0, 0})},
                 .outputs = {Tensor::of<uint8_t>(Shape{2}, {0, 0}), Tensor::scalar<float>(1),
                             Tensor::scalar<uint8_t>(0)},
                 .output_count = 3});
  int seed = 0;
  for (const DType dtype : {DType::kUInt8, DType::kInt8, DType::kUInt16, DType::kInt16,
                            DType::kUInt4, DType::kInt4, DType::kUInt2, DType::kInt2}) {
    const double range = static_cast<double>(integer_max(dtype));
    for (const int64_t size : {1, 3, 7, 16, 33, 127, 129}) {
      const Shape shape{2, size, 3};
      out.push_back({.name = cat("quantize_tensor_", dtype_name(dtype), "_", size),
                     .op = "QuantizeLinear",
                     .inputs = {op::case_floats(shape, ++seed, range), Tensor::scalar<float>(0.7f),
                                any_of(dtype, Shape{}, ++seed)}});
      out.push_back({.name = cat("quantize_axis_", dtype_name(dtype), "_", size),
                     .op = "QuantizeLinear",
                     .attrs = {{"axis", int64_t{1}}},
                     .inputs = {op::case_floats(shape, ++seed, range), scales(Shape{size}, ++seed),
                                any_of(dtype, Shape{size}, ++seed)}});
      out.push_back({.name = cat("dequantize_tensor_", dtype_name(dtype), "_", size),
                     .op = "DequantizeLinear",
                     .inputs = {any_of(dtype, shape, ++seed), Tensor::scalar<float>(0.3f),
                                any_of(dtype, Shape{}, ++seed)}});
      out.push_back({.name = cat("dequantize_axis_", dtype_name(dtype), "_", size),
                     .op = "DequantizeLinear",
                     .attrs = {{"axis", int64_t{-2}}},
                     .inputs = {any_of(dtype, shape, ++seed), scales(Shape{size}, ++seed),
                                any_of(dtype, Shape{size}, ++seed)}});
    }
    for (const int64_t axis : {0, 1, -1}) {
      // Blocks of 4 along an extent of 10: the last one is short.
      Shape shape{10, 10}, blocks{10, 10};
      blocks[static_cast<int>(axis)] = 3;
      out.push_back({.name = cat("quantize_blocked_", dtype_name(dtype), "_", axis),
                     .op = "QuantizeLinear",
                     .attrs = {{"axis", axis}, {"block_size", int64_t{4}}},
                     .inputs = {op::case_floats(shape, ++seed, range), scales(blocks, ++seed),
                                any_of(dtype, blocks, ++seed)}});
      out.push_back({.name = cat("dequantize_blocked_", dtype_name(dtype), "_", axis),
                     .op = "DequantizeLinear",
                     .attrs = {{"axis", axis}, {"block_size", int64_t{4}}},
                     .inputs = {any_of(dtype, shape, ++seed), scales(blocks, ++seed),
                                any_of(dtype, blocks, ++seed)},
                     .constant_inputs = {0, 1, 2}});
    }
  }
  for (const DType dtype : {DType::kFloat8E4M3FN, DType::kFloat8E4M3FNUZ, DType::kFloat8E5M2,
                            DType::kFloat8E5M2FNUZ, DType::kFloat4E2M1}) {
    for (const int64_t saturate : {0, 1}) {
      if (dtype == DType::kFloat4E2M1 && saturate == 0) continue;
      out.push_back(
          {.name = cat("quantize_", dtype_name(dtype), "_saturate_", saturate),
           .op = "QuantizeLinear",
           .attrs = {{"output_dtype", static_cast<int64_t>(dtype)}, {"saturate", saturate}},
           .inputs = {op::case_floats(Shape{65}, ++seed, 600.0), Tensor::scalar<float>(0.5f)}});
    }
    out.push_back(
        {.name = cat("dequantize_", dtype_name(dtype)),
         .op = "DequantizeLinear",
         .inputs = {op::case_floats(Shape{65}, ++seed, 5.0, dtype), Tensor::scalar<float>(0.5f)}});
  }
  for (const DType dtype : {DType::kFloat16, DType::kBFloat16}) {
    out.push_back({.name = cat("quantize_from_", dtype_name(dtype)),
                   .op = "QuantizeLinear",
                   .inputs = {op::case_floats(Shape{5, 9}, ++seed, 100.0, dtype),
                              op::case_floats(Shape{}, 3, 1.0, dtype), Tensor::scalar<int8_t>(3)}});
    out.push_back(
        {.name = cat("dequantize_to_", dtype_name(dtype)),
         .op = "DequantizeLinear",
         .attrs = {{"output_dtype", static_cast<int64_t>(dtype)}},
         .inputs = {any_of(DType::kInt8, Shape{5, 9}, ++seed), Tensor::scalar<float>(0.25f)}});
  }
  out.push_back({.name = "quantize_int32",
                 .op = "QuantizeLinear",
                 .inputs = {any_of(DType::kInt32, Shape{4, 9}, 1), Tensor::scalar<float>(777),
                            Tensor::scalar<int8_t>(-5)}});
  out.push_back({.name = "dequantize_int32",
                 .op = "DequantizeLinear",
                 .inputs = {any_of(DType::kInt32, Shape{4, 9}, 1), Tensor::scalar<float>(0.001f)}});
  out.push_back({.name = "quantize_empty",
                 .op = "QuantizeLinear",
                 .inputs = {op::case_floats(Shape{0, 3}), Tensor::scalar<float>(1),
                            Tensor::scalar<int8_t>(0)}});
  for (const int64_t size : {1, 5, 16, 129, 1000}) {
    out.push_back({.name = cat("dynamic_quantize_", size),
                   .op = "DynamicQuantizeLinear",
                   .inputs = {op::case_floats(Shape{size}, ++seed, 3.0)},
                   .output_count = 3});
  }
  out.push_back({.name = "quantize_bench",
                 .op = "QuantizeLinear",
                 .inputs = {op::case_floats(Shape{64, 56, 56}, 1, 4.0),
                            Tensor::scalar<float>(0.03f), Tensor::scalar<uint8_t>(128)},
                 .bench = true});
  out.push_back({.name = "dequantize_bench",
                 .op = "DequantizeLinear",
                 .inputs = {any_of(DType::kUInt8, Shape{64, 56, 56}, 1),
                            Tensor::scalar<float>(0.03f), Tensor::scalar<uint8_t>(128)},
                 .bench = true});
}

void qlinear_cases(std::vector<op::Case>& out) {
  out.push_back({.name = "qlinear_add_known",
                 .op = "QLinearAdd",
                 .domain = kMicrosoft,
                 .inputs = {Tensor::of<uint8_t>(Shape{2}, {10, 200}), Tensor::scalar<float>(1),
                            Tensor::scalar<uint8_t>(0), Tensor::of<uint8_t>(Shape{1}, {100}),
                            Tensor::scalar<float>(0.5f), Tensor::scalar<uint8_t>(0),
                            Tensor::scalar<float>(2), Tensor::scalar<uint8_t>(1)},
                 .outputs = {Tensor::of<uint8_t>(Shape{2}, {31, 126})}});
  int seed = 2000;
  for (const DType dtype : {DType::kInt8, DType::kUInt8}) {
    const Value scale_a = Tensor::scalar<float>(0.0213f), scale_b = Tensor::scalar<float>(0.0171f);
    const Value scale_c = Tensor::scalar<float>(0.0391f);
    const auto zero = [&] { return Value(any_of(dtype, Shape{}, ++seed)); };
    for (const char* name : {"QLinearAdd", "QLinearMul"}) {
      for (const Shape& b : {Shape{3, 1, 17}, Shape{1}, Shape{2, 1}}) {
        out.push_back({.name = cat(name, "_", dtype_name(dtype), "_", b.text()),
                       .op = name,
                       .domain = kMicrosoft,
                       .inputs = {any_of(dtype, Shape{3, 2, 17}, ++seed), scale_a, zero(),
                                  any_of(dtype, b, ++seed), scale_b, zero(), scale_c, zero()}});
      }
    }
    for (const char* name : {"QLinearSigmoid", "QLinearLeakyRelu"}) {
      out.push_back({.name = cat(name, "_", dtype_name(dtype)),
                     .op = name,
                     .domain = kMicrosoft,
                     .inputs = {any_of(dtype, Shape{3, 43}, ++seed), scale_a, zero(),
                                Tensor::scalar<float>(0.004f), zero()}});
    }
    for (const int64_t axis : {0, 1, -1}) {
      for (const int64_t opset : {11, 13}) {
        out.push_back(
            {.name = cat("QLinearSoftmax_", dtype_name(dtype), "_", axis, "_", opset),
             .op = "QLinearSoftmax",
             .domain = kMicrosoft,
             .attrs = {{"axis", axis}, {"opset", opset}},
             .inputs = {any_of(dtype, Shape{3, 5, 7}, ++seed), scale_a, zero(),
                        Tensor::scalar<float>(1 / 256.0f), any_of(dtype, Shape{}, ++seed)}});
      }
    }
    out.push_back({.name = cat("QLinearConcat_", dtype_name(dtype)),
                   .op = "QLinearConcat",
                   .domain = kMicrosoft,
                   .attrs = {{"axis", int64_t{1}}},
                   .inputs = {scale_c, zero(), any_of(dtype, Shape{2, 3, 5}, ++seed), scale_a,
                              zero(), any_of(dtype, Shape{2, 1, 5}, ++seed), scale_b, zero()}});
    out.push_back({.name = cat("QLinearWhere_", dtype_name(dtype)),
                   .op = "QLinearWhere",
                   .domain = kMicrosoft,
                   .inputs = {op::case_ints(DType::kBool, Shape{3, 1}, 0, 1, ++seed),
                              any_of(dtype, Shape{3, 9}, ++seed), scale_a, zero(),
                              any_of(dtype, Shape{9}, ++seed), scale_b, zero(), scale_c, zero()}});
    out.push_back(
        {.name = cat("QLinearReduceMean_", dtype_name(dtype)),
         .op = "QLinearReduceMean",
         .domain = kMicrosoft,
         .attrs = {{"axes", std::vector<int64_t>{-1, 0}}, {"keepdims", int64_t{0}}},
         .inputs = {any_of(dtype, Shape{3, 4, 9}, ++seed), scale_a, zero(), scale_b, zero()}});
    out.push_back({.name = cat("ReduceSumInteger_", dtype_name(dtype)),
                   .op = "ReduceSumInteger",
                   .domain = kMicrosoft,
                   .attrs = {{"axes", std::vector<int64_t>{1}}},
                   .inputs = {any_of(dtype, Shape{3, 4, 9}, ++seed)}});
    // Equal shapes, with tails of vectors, and one number.
    for (const char* op : {"QLinearAdd", "QLinearMul"}) {
      for (const int64_t size : {1, 15, 67}) {
        out.push_back(
            {.name = cat(op, "_", dtype_name(dtype), "_same_", size),
             .op = op,
             .domain = kMicrosoft,
             .inputs = {any_of(dtype, Shape{3, size}, ++seed), scale_a, zero(),
                        any_of(dtype, Shape{3, size}, ++seed), scale_b, zero(), scale_c, zero()}});
      }
      out.push_back(
          {.name = cat(op, "_", dtype_name(dtype), "_number"),
           .op = op,
           .domain = kMicrosoft,
           .inputs = {any_of(dtype, Shape{1}, ++seed), scale_a, zero(),
                      any_of(dtype, Shape{3, 41}, ++seed), scale_b, zero(), scale_c, zero()}});
    }
    out.push_back({.name = cat("ByteTable_", dtype_name(dtype)),
                   .op = "ByteTable",
                   .domain = "sluice",
                   .inputs = {any_of(dtype, Shape{5, 119}, ++seed),
                              any_of(DType::kInt8, Shape{256}, ++seed)}});
    out.push_back({.name = cat("MulInteger_", dtype_name(dtype)),
                   .op = "MulInteger",
                   .domain = kMicrosoft,
                   .inputs = {any_of(dtype, Shape{3, 9}, ++seed), zero(),
                              any_of(dtype, Shape{9}, ++seed), zero()}});
  }
}

void gather_cases(std::vector<op::Case>& out) {
  int seed = 3000;
  const Tensor indices = Tensor::of<int64_t>(Shape{2, 2}, {0, 4, -1, 2});
  for (const DType dtype : {DType::kInt4, DType::kUInt4}) {
    out.push_back({.name = cat("gather_block_quantized_", dtype_name(dtype)),
                   .op = "GatherBlockQuantized",
                   .domain = kMicrosoft,
                   .attrs = {{"block_size", int64_t{16}}},
                   .inputs = {any_of(dtype, Shape{5, 32}, ++seed), indices,
                              scales(Shape{5, 2}, ++seed), any_of(dtype, Shape{5, 2}, ++seed)}});
  }
  for (const int64_t bits : {2, 4, 8}) {
    const int64_t per_byte = 8 / bits;
    out.push_back({.name = cat("gather_block_quantized_bytes_", bits),
                   .op = "GatherBlockQuantized",
                   .domain = kMicrosoft,
                   .attrs = {{"block_size", int64_t{16}}, {"bits", bits}},
                   .inputs = {any_of(DType::kUInt8, Shape{5, 48 / per_byte}, ++seed), indices,
                              scales(Shape{5, 3}, ++seed)}});
    out.push_back(
        {.name = cat("gather_block_quantized_bytes_zeros_", bits),
         .op = "GatherBlockQuantized",
         .domain = kMicrosoft,
         .attrs = {{"block_size", int64_t{16}}, {"bits", bits}},
         .inputs = {any_of(DType::kUInt8, Shape{5, 48 / per_byte}, ++seed), indices,
                    scales(Shape{5, 3}, ++seed),
                    any_of(DType::kUInt8, Shape{5, (3 + per_byte - 1) / per_byte}, ++seed)}});
  }
}

}  // namespace

std::vector<op::Case> cases() {
  std::vector<op::Case> out;
  linear_cases(out);
  qlinear_cases(out);
  gather_cases(out);
  return out;
}

}  // namespace sluice::ops::quantize
