#include <array>

#include "base/text.h"
#include "op/case.h"

namespace sluice::ops::matmul {

namespace {

constexpr const char* kMicrosoft = "com.microsoft";

// Sizes at and around what vector kernels work on at once.
constexpr std::array<int64_t, 9> kSizes = {1, 2, 3, 5, 7, 16, 33, 127, 129};

void matmul_cases(std::vector<op::Case>& out) {
  out.push_back({.name = "matmul_known",
                 .op = "MatMul",
                 .inputs = {Tensor::of<float>(Shape{2, 3}, {1, 2, 3, 4, 5, 6}),
                            Tensor::of<float>(Shape{3, 2}, {7, 8, 9, 10, 11, 12})},
                 .outputs = {Tensor::of<float>(Shape{2, 2}, {58, 64, 139, 154})}});
  out.push_back({.name = "matmul_integers_wrap",
                 .op = "MatMul",
                 .inputs = {Tensor::of<int32_t>(Shape{1, 2}, {2147483647, 1}),
                            Tensor::of<int32_t>(Shape{2, 1}, {2, 3})},
                 .outputs = {Tensor::of<int32_t>(Shape{1, 1}, {1})}});
  out.push_back({.name = "matmul_empty_inner_axis",
                 .op = "MatMul",
                 .inputs = {op::case_floats(Shape{2, 0}), op::case_floats(Shape{0, 3})},
                 .outputs = {Tensor::of<float>(Shape{2, 3}, {0, 0, 0, 0, 0, 0})}});
  struct Shapes {
    Shape a, b;
  };
  const Shapes shapes[] = {
      {Shape{3}, Shape{3}},
      {Shape{3}, Shape{3, 5}},
      {Shape{5, 3}, Shape{3}},
      {Shape{3}, Shape{2, 3, 5}},
      {Shape{4, 2, 3}, Shape{3}},
      {Shape{2, 3, 4}, Shape{4, 5}},
      {Shape{3, 4}, Shape{2, 4, 5}},
      {Shape{1, 2, 3, 4}, Shape{5, 1, 4, 2}},
      {Shape{2, 3, 17, 19}, Shape{2, 3, 19, 23}},
      {Shape{0, 3}, Shape{3, 4}},
      {Shape{0, 2, 3}, Shape{3, 4}},
      {Shape{2, 3}, Shape{3, 0}},
      {Shape{1, 1}, Shape{1, 1}},
      {Shape{1, 257}, Shape{257, 1}},
      {Shape{257, 1}, Shape{1, 257}},
  };
  int seed = 100;
  for (const auto& [a, b] : shapes) {
    out.push_back({.name = cat("matmul_", a.text(), "_", b.text()),
                   .op = "MatMul",
                   .inputs = {op::case_floats(a, ++seed), op::case_floats(b, ++seed)}});
  }
  for (const int64_t size : kSizes) {
    out.push_back({.name = cat("matmul_square_", size),
                   .op = "MatMul",
                   .inputs = {op::case_floats(Shape{size, size}, ++seed),
                              op::case_floats(Shape{size, size}, ++seed)}});
    out.push_back({.name = cat("matmul_rows_", size),
                   .op = "MatMul",
                   .inputs = {op::case_floats(Shape{size, 37}, ++seed),
                              op::case_floats(Shape{37, 19}, ++seed)},
                   .constant_inputs = {1}});
    out.push_back({.name = cat("matmul_columns_", size),
                   .op = "MatMul",
                   .inputs = {op::case_floats(Shape{5, 37}, ++seed),
                              op::case_floats(Shape{37, size}, ++seed)},
                   .constant_inputs = {1}});
    out.push_back({.name = cat("matmul_inner_", size),
                   .op = "MatMul",
                   .inputs = {op::case_floats(Shape{9, size}, ++seed),
                              op::case_floats(Shape{size, 11}, ++seed)}});
  }
  for (const DType dtype : {DType::kFloat16, DType::kBFloat16, DType::kFloat64}) {
    out.push_back({.name = cat("matmul_", dtype_name(dtype)),
                   .op = "MatMul",
                   .inputs = {op::case_floats(Shape{3, 17, 29}, 1, 1.0, dtype),
                              op::case_floats(Shape{29, 13}, 2, 1.0, dtype)},
                   .atol = 2e-2,
                   .rtol = 2e-2});
  }
  for (const DType dtype : {DType::kInt32, DType::kInt64, DType::kUInt32, DType::kUInt64}) {
    const int64_t lowest = is_signed_integer(dtype) ? -1000 : 0;
    out.push_back({.name = cat("matmul_", dtype_name(dtype)),
                   .op = "MatMul",
                   .inputs = {op::case_ints(dtype, Shape{2, 7, 9}, lowest, 1000, 1),
                              op::case_ints(dtype, Shape{9, 5}, lowest, 1000, 2)}});
  }
  out.push_back(
      {.name = "matmul_512_bench",
       .op = "MatMul",
       .inputs = {op::case_floats(Shape{512, 512}, 1), op::case_floats(Shape{512, 512}, 2)},
       .atol = 1e-3,
       .bench = true,
       .constant_inputs = {1}});
  out.push_back(
      {.name = "matmul_heads_bench",
       .op = "MatMul",
       .inputs = {op::case_floats(Shape{12, 128, 64}, 1), op::case_floats(Shape{12, 64, 128}, 2)},
       .atol = 1e-4,
       .bench = true});
  out.push_back(
      {.name = "matmul_vector_bench",
       .op = "MatMul",
       .inputs = {op::case_floats(Shape{1, 1024}, 1), op::case_floats(Shape{1024, 1024}, 2)},
       .atol = 1e-3,
       .bench = true,
       .constant_inputs = {1}});
}

void gemm_cases(std::vector<op::Case>& out) {
  out.push_back({.name = "gemm_known",
                 .op = "Gemm",
                 .attrs = {{"alpha", 0.5f}, {"beta", 2.0f}, {"transB", int64_t{1}}},
                 .inputs = {Tensor::of<float>(Shape{1, 2}, {2, 4}),
                            Tensor::of<float>(Shape{2, 2}, {1, 2, 3, 4}),
                            Tensor::of<float>(Shape{2}, {1, -1})},
                 .outputs = {Tensor::of<float>(Shape{1, 2}, {7, 9})}});
  int seed = 300;
  for (const int64_t trans_a : {0, 1}) {
    for (const int64_t trans_b : {0, 1}) {
      for (const int64_t size : {1, 3, 17, 129}) {
        const int64_t m = size, k = size + 4, n = 2 * size + 1;
        const Shape a = trans_a ? Shape{k, m} : Shape{m, k};
        const Shape b = trans_b ? Shape{n, k} : Shape{k, n};
        const Shape biases[] = {Shape{n}, Shape{m, n}, Shape{m, 1}, Shape{1}, Shape{}};
        const Shape& c = biases[static_cast<size_t>(seed) % 5];
        ++seed;
        out.push_back(
            {.name = cat("gemm_", trans_a, trans_b, "_", size, "_", c.text()),
             .op = "Gemm",
             .attrs = {{"alpha", 0.75f}, {"beta", 1.5f}, {"transA", trans_a}, {"transB", trans_b}},
             .inputs = {op::case_floats(a, seed), op::case_floats(b, seed + 1),
                        op::case_floats(c, seed + 2)},
             .constant_inputs = {1, 2}});
        out.push_back({.name = cat("gemm_no_bias_", trans_a, trans_b, "_", size),
                       .op = "Gemm",
                       .attrs = {{"transA", trans_a}, {"transB", trans_b}},
                       .inputs = {op::case_floats(a, seed), op::case_floats(b, seed + 1)}});
      }
    }
  }
  out.push_back({.name = "gemm_empty_rows",
                 .op = "Gemm",
                 .inputs = {op::case_floats(Shape{0, 3}), op::case_floats(Shape{3, 4}),
                            op::case_floats(Shape{4})}});
  out.push_back({.name = "gemm_empty_inner_axis",
                 .op = "Gemm",
                 .inputs = {op::case_floats(Shape{2, 0}), op::case_floats(Shape{0, 2}),
                            Tensor::of<float>(Shape{2}, {1, 2})},
                 .outputs = {Tensor::of<float>(Shape{2, 2}, {1, 2, 1, 2})}});
  for (const DType dtype : {DType::kFloat16, DType::kFloat64}) {
    out.push_back({.name = cat("gemm_", dtype_name(dtype)),
                   .op = "Gemm",
                   .inputs = {op::case_floats(Shape{7, 31}, 1, 1.0, dtype),
                              op::case_floats(Shape{31, 9}, 2, 1.0, dtype),
                              op::case_floats(Shape{9}, 3, 1.0, dtype)},
                   .atol = 2e-2,
                   .rtol = 2e-2});
  }
  out.push_back({.name = "gemm_int32",
                 .op = "Gemm",
                 .inputs = {op::case_ints(DType::kInt32, Shape{4, 6}, -50, 50, 1),
                            op::case_ints(DType::kInt32, Shape{6, 3}, -50, 50, 2),
                            op::case_ints(DType::kInt32, Shape{3}, -50, 50, 3)}});
  for (const char* activation : {"Relu", "LeakyRelu", "Tanh", "Sigmoid", "HardSigmoid", "Elu"}) {
    out.push_back({.name = cat("fused_gemm_", activation),
                   .op = "FusedGemm",
                   .domain = kMicrosoft,
                   .attrs = {{"activation", std::string(activation)},
                             {"activation_alpha", 0.3f},
                             {"activation_beta", 0.4f},
                             {"transB", int64_t{1}}},
                   .inputs = {op::case_floats(Shape{5, 12}, 1), op::case_floats(Shape{9, 12}, 2),
                              op::case_floats(Shape{9}, 3)}});
  }
  out.push_back({.name = "gemm_classifier_bench",
                 .op = "Gemm",
                 .attrs = {{"transB", int64_t{1}}},
                 .inputs = {op::case_floats(Shape{16, 1280}, 1),
                            op::case_floats(Shape{1000, 1280}, 2), op::case_floats(Shape{1000}, 3)},
                 .atol = 1e-3,
                 .bench = true,
                 .constant_inputs = {1, 2}});
}

void fused_cases(std::vector<op::Case>& out) {
  out.push_back(
      {.name = "fused_matmul_known",
       .op = "FusedMatMul",
       .domain = kMicrosoft,
       .attrs = {{"alpha", 0.5f}, {"transA", int64_t{1}}},
       .inputs = {Tensor::of<float>(Shape{2, 1}, {2, 3}), Tensor::of<float>(Shape{2, 1}, {4, 5})},
       .outputs = {Tensor::of<float>(Shape{1, 1}, {11.5f})}});
  int seed = 500;
  for (const int64_t trans_a : {0, 1}) {
    for (const int64_t trans_b : {0, 1}) {
      for (const int64_t batch_a : {0, 1}) {
        for (const int64_t batch_b : {0, 1}) {
          // [2, 3] batches of 5x7 by 7x4, moved to where the attributes look for them
          const auto shape = [](int64_t rows, int64_t columns, bool swapped, bool batch_moved) {
            if (swapped) std::swap(rows, columns);
            return batch_moved ? Shape{rows, 2, 3, columns} : Shape{2, 3, rows, columns};
          };
          out.push_back({.name = cat("fused_matmul_", trans_a, trans_b, batch_a, batch_b),
                         .op = "FusedMatMul",
                         .domain = kMicrosoft,
                         .attrs = {{"alpha", 0.25f},
                                   {"transA", trans_a},
                                   {"transB", trans_b},
                                   {"transBatchA", batch_a},
                                   {"transBatchB", batch_b}},
                         .inputs = {op::case_floats(shape(5, 7, trans_a, batch_a), ++seed),
                                    op::case_floats(shape(7, 4, trans_b, batch_b), ++seed)}});
        }
      }
    }
  }
  out.push_back(
      {.name = "fused_matmul_scores_bench",
       .op = "FusedMatMul",
       .domain = kMicrosoft,
       .attrs = {{"alpha", 0.125f}, {"transB", int64_t{1}}},
       .inputs = {op::case_floats(Shape{12, 128, 64}, 1), op::case_floats(Shape{12, 128, 64}, 2)},
       .bench = true});
}

Tensor bytes(DType dtype, const Shape& shape, int seed) {
  return dtype == DType::kInt8 ? op::case_ints(dtype, shape, -128, 127, seed)
                               : op::case_ints(dtype, shape, 0, 255, seed);
}

void integer_cases(std::vector<op::Case>& out) {
  out.push_back({.name = "matmul_integer_known",
                 .op = "MatMulInteger",
                 .inputs = {Tensor::of<uint8_t>(Shape{2, 2}, {11, 7, 3, 10}),
                            Tensor::of<uint8_t>(Shape{2, 2}, {1, 4, 2, 5}),
                            Tensor::scalar<uint8_t>(12), Tensor::scalar<uint8_t>(0)},
                 .outputs = {Tensor::of<int32_t>(Shape{2, 2}, {-11, -29, -13, -46})}});
  int seed = 700;
  for (const DType a : {DType::kInt8, DType::kUInt8}) {
    for (const DType b : {DType::kInt8, DType::kUInt8}) {
      const std::string name = cat(dtype_name(a), "_", dtype_name(b));
      for (const int64_t size : {1, 3, 16, 33, 129}) {
        out.push_back({.name = cat("matmul_integer_", name, "_", size),
                       .op = "MatMulInteger",
                       .inputs = {bytes(a, Shape{size, size + 2}, ++seed),
                                  bytes(b, Shape{size + 2, size + 1}, ++seed),
                                  bytes(a, Shape{}, ++seed), bytes(b, Shape{size + 1}, ++seed)},
                       .constant_inputs = {1, 3}});
      }
      out.push_back({.name = cat("matmul_integer_rows_", name),
                     .op = "MatMulInteger",
                     .inputs = {bytes(a, Shape{5, 8}, ++seed), bytes(b, Shape{8, 3}, ++seed),
                                bytes(a, Shape{5}, ++seed)}});
      out.push_back({.name = cat("matmul_integer_batches_", name),
                     .op = "MatMulInteger",
                     .inputs = {bytes(a, Shape{2, 5, 8}, ++seed), bytes(b, Shape{8, 3}, ++seed)}});
      out.push_back({.name = cat("matmul_integer_to_float_", name),
                     .op = "MatMulIntegerToFloat",
                     .domain = kMicrosoft,
                     .inputs = {bytes(a, Shape{2, 5, 33}, ++seed), bytes(b, Shape{33, 17}, ++seed),
                                Tensor::scalar<float>(0.01f),
                                op::case_floats(Shape{17}, ++seed, 0.02), bytes(a, Shape{}, ++seed),
                                bytes(b, Shape{17}, ++seed), op::case_floats(Shape{17}, ++seed)},
                     .atol = 1e-4,
                     .constant_inputs = {1, 3, 5, 6}});
    }
    out.push_back({.name = cat("qlinear_matmul_", dtype_name(a)),
                   .op = "QLinearMatMul",
                   .inputs = {bytes(a, Shape{9, 35}, ++seed), Tensor::scalar<float>(0.0066f),
                              bytes(a, Shape{}, ++seed), bytes(a, Shape{35, 18}, ++seed),
                              Tensor::scalar<float>(0.00705f), bytes(a, Shape{}, ++seed),
                              Tensor::scalar<float>(0.0107f), bytes(a, Shape{}, ++seed)},
                   .constant_inputs = {3, 4, 5}});
    out.push_back({.name = cat("dynamic_quantize_matmul_", dtype_name(a)),
                   .op = "DynamicQuantizeMatMul",
                   .domain = kMicrosoft,
                   .inputs = {op::case_floats(Shape{3, 4, 40}, ++seed),
                              bytes(a, Shape{40, 9}, ++seed), Tensor::scalar<float>(0.02f),
                              bytes(a, Shape{}, ++seed), op::case_floats(Shape{9}, ++seed)},
                   .atol = 1e-4,
                   .rtol = 1e-4,
                   .constant_inputs = {1, 2, 3, 4}});
  }
  out.push_back({.name = "qlinear_matmul_columns",
                 .op = "QLinearMatMul",
                 .inputs = {bytes(DType::kUInt8, Shape{2, 7, 20}, 1), Tensor::scalar<float>(0.01f),
                            Tensor::scalar<uint8_t>(120), bytes(DType::kInt8, Shape{20, 6}, 2),
                            Tensor::of<float>(Shape{6}, {0.01f, 0.02f, 0.03f, 0.01f, 0.005f, 0.1f}),
                            Tensor::of<int8_t>(Shape{6}, {0, 1, -1, 5, 0, 0}),
                            Tensor::scalar<float>(0.2f), Tensor::scalar<uint8_t>(128)}});
  for (const int64_t transposed : {0, 1}) {
    const std::vector<Value> operands = {
        bytes(DType::kUInt8, transposed ? Shape{20, 7} : Shape{7, 20}, 1),
        Tensor::scalar<float>(0.01f),
        Tensor::scalar<uint8_t>(120),
        bytes(DType::kInt8, transposed ? Shape{6, 20} : Shape{20, 6}, 2),
        Tensor::scalar<float>(0.02f),
        Tensor::scalar<int8_t>(3),
        op::case_ints(DType::kInt32, Shape{6}, -9000, 9000, 3)};
    const AttrMap attrs = {{"transA", transposed}, {"transB", transposed}, {"alpha", 1.5f}};
    out.push_back({.name = cat("qgemm_float_", transposed),
                   .op = "QGemm",
                   .domain = kMicrosoft,
                   .attrs = attrs,
                   .inputs = operands});
    std::vector<Value> quantized = operands;
    quantized.emplace_back(Tensor::scalar<float>(0.3f));
    quantized.emplace_back(Tensor::scalar<uint8_t>(128));
    out.push_back({.name = cat("qgemm_", transposed),
                   .op = "QGemm",
                   .domain = kMicrosoft,
                   .attrs = attrs,
                   .inputs = std::move(quantized)});
  }
  out.push_back({.name = "matmul_integer16",
                 .op = "MatMulInteger16",
                 .domain = kMicrosoft,
                 .inputs = {op::case_ints(DType::kInt16, Shape{4, 9}, -3000, 3000, 1),
                            op::case_ints(DType::kInt16, Shape{9, 5}, -3000, 3000, 2)}});
  out.push_back({.name = "matmul_integer_bench",
                 .op = "MatMulInteger",
                 .inputs = {bytes(DType::kUInt8, Shape{128, 512}, 1),
                            bytes(DType::kInt8, Shape{512, 512}, 2), Tensor::scalar<uint8_t>(128)},
                 .bench = true,
                 .constant_inputs = {1}});
}

void nbits_cases(std::vector<op::Case>& out) {
  int seed = 900;
  for (const int64_t bits : {2, 4, 8}) {
    for (const int64_t block : {16, 32, 128}) {
      for (const int64_t k : {16, 40, 256}) {
        const int64_t n = 11, blocks = (k + block - 1) / block;
        const Shape packed{n, blocks, block * bits / 8};
        const Shape zeros{n, (blocks * bits + 7) / 8};
        const AttrMap attrs = {{"K", k}, {"N", n}, {"bits", bits}, {"block_size", block}};
        const std::string name = cat(bits, "_bits_", block, "_", k);
        const Value a = op::case_floats(Shape{2, 3, k}, ++seed);
        const Value b = bytes(DType::kUInt8, packed, ++seed);
        const Value scales = op::case_floats(Shape{n, blocks}, ++seed, 0.1);
        out.push_back({.name = cat("matmul_nbits_", name),
                       .op = "MatMulNBits",
                       .domain = kMicrosoft,
                       .attrs = attrs,
                       .inputs = {a, b, scales},
                       .atol = 1e-3,
                       .rtol = 1e-4,
                       .constant_inputs = {1, 2}});
        out.push_back({.name = cat("matmul_nbits_zeros_bias_", name),
                       .op = "MatMulNBits",
                       .domain = kMicrosoft,
                       .attrs = attrs,
                       .inputs = {a, b, scales, bytes(DType::kUInt8, zeros, ++seed), Value(),
                                  op::case_floats(Shape{n}, ++seed)},
                       .atol = 1e-3,
                       .rtol = 1e-4,
                       .constant_inputs = {1, 2, 3, 5}});
      }
    }
  }
  out.push_back(
      {.name = "matmul_nbits_float_zeros",
       .op = "MatMulNBits",
       .domain = kMicrosoft,
       .attrs = {{"K", int64_t{64}},
                 {"N", int64_t{5}},
                 {"bits", int64_t{4}},
                 {"block_size", int64_t{32}}},
       .inputs = {op::case_floats(Shape{1, 64}, 1), bytes(DType::kUInt8, Shape{5, 2, 16}, 2),
                  op::case_floats(Shape{5, 2}, 3, 0.1), op::case_floats(Shape{5, 2}, 4, 8.0)},
       .atol = 1e-4,
       .rtol = 1e-4});
  for (const int64_t type : {0, 1}) {
    out.push_back({.name = cat("matmul_bnb4_", type),
                   .op = "MatMulBnb4",
                   .domain = kMicrosoft,
                   .attrs = {{"K", int64_t{32}},
                             {"N", int64_t{6}},
                             {"block_size", int64_t{16}},
                             {"quant_type", type}},
                   .inputs = {op::case_floats(Shape{3, 32}, 1), bytes(DType::kUInt8, Shape{96}, 2),
                              op::case_floats(Shape{12}, 3)}});
  }
  out.push_back(
      {.name = "matmul_nbits_bench",
       .op = "MatMulNBits",
       .domain = kMicrosoft,
       .attrs = {{"K", int64_t{1024}},
                 {"N", int64_t{1024}},
                 {"bits", int64_t{4}},
                 {"block_size", int64_t{32}}},
       .inputs = {op::case_floats(Shape{1, 1024}, 1), bytes(DType::kUInt8, Shape{1024, 32, 16}, 2),
                  op::case_floats(Shape{1024, 32}, 3, 0.1)},
       .atol = 1e-2,
       .rtol = 1e-3,
       .bench = true,
       .constant_inputs = {1, 2}});
}

}  // namespace

std::vector<op::Case> cases() {
  std::vector<op::Case> out;
  matmul_cases(out);
  gemm_cases(out);
  fused_cases(out);
  integer_cases(out);
  nbits_cases(out);
  return out;
}

}  // namespace sluice::ops::matmul
