#include "ops/matmul/matmul.h"

#include <array>

#include "base/text.h"
#include "op/activation.h"
#include "op/operand.h"
#include "ops/matmul/matmul_cpu.h"
#include "ops/matmul/matmul_integer_cpu.h"

namespace sluice::ops::matmul {

Result<MatMulShape> matmul_shape(const Shape& a, const Shape& b) {
  if (a.rank() == 0 || b.rank() == 0) {
    return invalid_model("MatMul has a scalar operand (each needs at least 1 axis)");
  }
  MatMulShape out;
  const int a_batch = a.rank() > 2 ? a.rank() - 2 : 0;
  const int b_batch = b.rank() > 2 ? b.rank() - 2 : 0;
  out.m = a.rank() == 1 ? 1 : a[-2];
  out.k = a[-1];
  out.n = b.rank() == 1 ? 1 : b[-1];
  const int64_t b_k = b.rank() == 1 ? b[0] : b[-2];
  if (out.k != b_k) {
    return invalid_model(
        cat("MatMul's inner extents differ (A ", a.text(), " and B ", b.text(), ")"));
  }
  const Shape a_outer(a.dims().subspan(0, static_cast<size_t>(a_batch)));
  const Shape b_outer(b.dims().subspan(0, static_cast<size_t>(b_batch)));
  const auto batch = broadcast(a_outer, b_outer);
  if (!batch) {
    return invalid_model(
        cat("MatMul's batch extents do not broadcast (A ", a.text(), " and B ", b.text(), ")"));
  }
  out.batch = *batch;
  out.a_strides = broadcast_strides(a_outer, *batch);
  out.b_strides = broadcast_strides(b_outer, *batch);
  for (int i = 0; i < batch->rank(); ++i) {  // from matrices to elements
    out.a_strides[i] *= out.m * out.k;
    out.b_strides[i] *= out.k * out.n;
  }
  out.out = *batch;
  if (batch->rank() + 2 > kMaxRank) {
    return unsupported(
        cat("MatMul's result has ", batch->rank() + 2, " axes (limit ", kMaxRank, ")"));
  }
  if (a.rank() > 1) out.out.push_back(out.m);
  if (b.rank() > 1) out.out.push_back(out.n);
  return out;
}

Result<Dims> matmul_dims(const Dims& a, const Dims& b) {
  if (a.empty() || b.empty()) {
    return invalid_model("MatMul has a scalar operand (each needs at least 1 axis)");
  }
  const Dim& a_k = a.back();
  const Dim& b_k = b.size() == 1 ? b[0] : b[b.size() - 2];
  if (a_k.is_known() && b_k.is_known() && a_k.value() != b_k.value()) {
    return invalid_model(
        cat("MatMul's inner extents differ (A ", dims_text(a), " and B ", dims_text(b), ")"));
  }
  const auto outer = [](const Dims& dims) {
    return dims.size() > 2 ? Dims(dims.begin(), dims.end() - 2) : Dims{};
  };
  SLUICE_ASSIGN(Dims out, broadcast(outer(a), outer(b)));
  if (a.size() > 1) out.push_back(a[a.size() - 2]);
  if (b.size() > 1) out.push_back(b.back());
  return out;
}

std::vector<int> fused_permutation(int rank, bool transpose, bool batch_first_moved) {
  if (rank < 2 || (!transpose && !batch_first_moved)) return {};
  std::vector<int> axes;
  for (int i = 0; i < rank; ++i) axes.push_back(i);
  if (batch_first_moved && rank > 2) {
    // [rows, batch..., cols] -> [batch..., rows, cols]; transposed: the first axis is the columns
    axes.erase(axes.begin());
    axes.insert(axes.end() - 1, 0);
  }
  if (transpose) std::swap(axes[axes.size() - 1], axes[axes.size() - 2]);
  return axes;
}

Result<GemmShape> gemm_shape(const Shape& a, const Shape& b, bool trans_a, bool trans_b) {
  if (a.rank() != 2 || b.rank() != 2) {
    return invalid_model(cat("Gemm's operands A ", a.text(), " and B ", b.text(),
                             " are not both matrices (2 axes)"));
  }
  GemmShape out{trans_a ? a[1] : a[0], trans_a ? a[0] : a[1], trans_b ? b[0] : b[1]};
  if (out.k != (trans_b ? b[1] : b[0])) {
    return invalid_model(cat("Gemm's inner extents differ (A ", a.text(),
                             trans_a ? " transposed" : "", " and B ", b.text(),
                             trans_b ? " transposed" : "", ")"));
  }
  return out;
}

namespace {

constexpr op::DTypeSet kMatMulTypes =
    op::kFloats | op::DTypeSet{DType::kInt32, DType::kInt64, DType::kUInt32, DType::kUInt64};
constexpr op::DTypeSet kBytes = {DType::kInt8, DType::kUInt8};
constexpr op::DTypeSet kQuantized = kBytes | op::kFloat8s;
constexpr op::DTypeSet kScales = {DType::kFloat32, DType::kFloat16, DType::kBFloat16};

// Sets output 0 to the product of operands with these extents.
Result<void> set_product(op::InferContext& context, DType dtype, const std::optional<Dims>& a,
                         const std::optional<Dims>& b) {
  if (!a || !b) {
    context.set_output(0, dtype);
    return {};
  }
  auto dims = matmul_dims(*a, *b);
  if (!dims) return context.fail(dims.error().message);
  context.set_output(0, dtype, std::move(*dims));
  return {};
}

Result<void> infer_matmul(op::InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 0, 2, kMatMulTypes));
  return set_product(context, dtype, context.input_type(0).dims, context.input_type(1).dims);
}

std::optional<Dims> fused_dims(const op::InferContext& context, int i, std::string_view transpose,
                               std::string_view trans_batch) {
  const auto& dims = context.input_type(i).dims;
  if (!dims) return std::nullopt;
  const auto axes =
      fused_permutation(static_cast<int>(dims->size()), context.attrs().int_or(transpose, 0) != 0,
                        context.attrs().int_or(trans_batch, 0) != 0);
  if (axes.empty()) return dims;
  Dims out;
  for (int axis : axes) out.push_back((*dims)[static_cast<size_t>(axis)]);
  return out;
}

Result<void> infer_fused_matmul(op::InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 0, 2, kMatMulTypes));
  return set_product(context, dtype, fused_dims(context, 0, "transA", "transBatchA"),
                     fused_dims(context, 1, "transB", "transBatchB"));
}

Result<void> infer_gemm(op::InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 0, 3, kMatMulTypes));
  const Type& a = context.input_type(0);
  const Type& b = context.input_type(1);
  for (int i = 0; i < 2; ++i) {
    const auto& dims = context.input_type(i).dims;
    if (dims && dims->size() != 2) {
      return context.fail(cat("Input ", i, " has ", dims->size(), " axes (2 expected)"));
    }
  }
  const bool trans_a = context.attrs().int_or("transA", 0) != 0;
  const bool trans_b = context.attrs().int_or("transB", 0) != 0;
  const Dim m = a.dims ? (*a.dims)[trans_a ? 1 : 0] : Dim::unknown();
  const Dim a_k = a.dims ? (*a.dims)[trans_a ? 0 : 1] : Dim::unknown();
  const Dim b_k = b.dims ? (*b.dims)[trans_b ? 1 : 0] : Dim::unknown();
  const Dim n = b.dims ? (*b.dims)[trans_b ? 0 : 1] : Dim::unknown();
  if (a_k.is_known() && b_k.is_known() && a_k.value() != b_k.value()) {
    return context.fail(
        cat("The inner extents of A and B differ (", a_k.value(), " and ", b_k.value(), ")"));
  }
  context.set_output(0, dtype, Dims{m, n});
  return {};
}

Result<void> infer_fused_gemm(op::InferContext& context) {
  const auto activation = op::Activation::parse(context.attrs().string_or("activation", ""));
  if (!activation) return context.fail(activation.error().message);
  return infer_gemm(context);
}

// Before opset 7 an attribute switched broadcasting of C on; with it off C already has the full
// shape, so the newest form says the same.
Result<void> upgrade_gemm(op::UpgradeContext& context) {
  context.node.attrs.erase("broadcast");
  // Opsets 7 to 10 require C; opset 11 made it optional: no change.
  return {};
}

Result<void> infer_matmul_integer(op::InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, kBytes));
  SLUICE_TRY(op::input_dtype(context, 1, kBytes));
  return set_product(context, DType::kInt32, context.input_type(0).dims,
                     context.input_type(1).dims);
}

Result<void> infer_matmul_integer16(op::InferContext& context) {
  constexpr op::DTypeSet kWords = {DType::kInt16, DType::kUInt16};
  SLUICE_ASSIGN(const DType a, op::input_dtype(context, 0, kWords));
  SLUICE_ASSIGN(const DType b, op::input_dtype(context, 1, kWords));
  const DType dtype = a == DType::kUInt16 && b == DType::kUInt16 ? DType::kUInt32 : DType::kInt32;
  return set_product(context, dtype, context.input_type(0).dims, context.input_type(1).dims);
}

Result<void> infer_qlinear_matmul(op::InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, kQuantized));
  SLUICE_TRY(op::input_dtype(context, 3, kQuantized));
  for (const int scale : {1, 4, 6}) SLUICE_TRY(op::input_dtype(context, scale, kScales));
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 7, kQuantized));
  return set_product(context, dtype, context.input_type(0).dims, context.input_type(3).dims);
}

Result<void> infer_matmul_integer_to_float(op::InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, kBytes));
  SLUICE_TRY(op::input_dtype(context, 1, kBytes));
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 2, 4, kScales));
  return set_product(context, dtype, context.input_type(0).dims, context.input_type(1).dims);
}

Result<void> infer_dynamic_quantize_matmul(op::InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, {DType::kFloat32}));
  SLUICE_TRY(op::input_dtype(context, 1, kBytes));
  return set_product(context, dtype, context.input_type(0).dims, context.input_type(1).dims);
}

Result<void> infer_qgemm(op::InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, kBytes));
  SLUICE_TRY(op::input_dtype(context, 3, kBytes));
  for (const int scale : {1, 4}) SLUICE_TRY(op::input_dtype(context, scale, kScales));
  if (context.has_input(6)) SLUICE_TRY(op::input_dtype(context, 6, {DType::kInt32}));
  DType dtype = DType::kFloat32;
  if (context.has_input(8)) {
    SLUICE_ASSIGN(dtype, op::input_dtype(context, 8, kBytes));
  }
  const auto side = [&](int input, const char* attr, int axis) {
    const auto& dims = context.input_type(input).dims;
    const bool transposed = context.attrs().int_or(attr, 0) != 0;
    return dims && dims->size() == 2 ? (*dims)[static_cast<size_t>(transposed ? 1 - axis : axis)]
                                     : Dim::unknown();
  };
  context.set_output(0, dtype, Dims{side(0, "transA", 0), side(3, "transB", 1)});
  return {};
}

// Replaces the last extent of A by `n` after checking it against `k`.
Result<void> set_weight_product(op::InferContext& context, DType dtype, int64_t k, int64_t n) {
  const auto& dims = context.input_type(0).dims;
  if (!dims) {
    context.set_output(0, dtype);
    return {};
  }
  if (dims->empty() || (dims->back().is_known() && dims->back().value() != k)) {
    return context.fail(
        cat("Input A ", dims_text(*dims), " does not end in the weights' inner extent (", k, ")"));
  }
  Dims out = *dims;
  out.back() = n;
  context.set_output(0, dtype, std::move(out));
  return {};
}

Result<void> infer_matmul_nbits(op::InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, kScales));
  SLUICE_TRY(op::input_dtype(context, 1, {DType::kUInt8}));
  const auto shape = nbits_shape(context.attrs());
  if (!shape) return context.fail(shape.error().message);
  return set_weight_product(context, dtype, shape->k, shape->n);
}

Result<void> infer_matmul_bnb4(op::InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, kScales));
  const int64_t k = context.attrs().int_or("K", 0), n = context.attrs().int_or("N", 0);
  const bool transposed = context.attrs().int_or("transB", 1) != 0;
  return set_weight_product(context, dtype, transposed ? k : n, transposed ? n : k);
}

op::Cost weight_product_cost(const op::NodeView& node) {
  const auto a = node.input_type(0).shape();
  if (!a) return {};
  const auto n = static_cast<double>(node.attrs().int_or("N", 0));
  return {2.0 * static_cast<double>(a->elements()) * n};
}

op::Cost matmul_cost(const op::NodeView& node) {
  const auto a = node.input_type(0).shape();
  const auto out = node.output_type(0).shape();
  if (!a || !out || a->rank() == 0) return {};
  const bool trans_a = node.attrs().int_or("transA", 0) != 0 && a->rank() > 1;
  const bool gemm_like = a->rank() == 2 || node.attrs().int_or("transBatchA", 0) == 0;
  const int64_t k = trans_a ? (gemm_like ? (*a)[-2] : (*a)[0]) : (*a)[-1];
  return {2.0 * static_cast<double>(out->elements()) * static_cast<double>(k)};
}

}  // namespace

std::span<const op::OpDef> op_defs() {
  static const std::array kDefs = {
      op::OpDef{.name = "MatMul",
                .min_inputs = 2,
                .max_inputs = 2,
                .infer = infer_matmul,
                .reference = matmul_reference,
                .cpu = kMatMulCpu,
                .cost = matmul_cost},
      op::OpDef{.name = "Gemm",
                .min_inputs = 2,
                .max_inputs = 3,
                .infer = infer_gemm,
                .reference = gemm_reference,
                .cpu = kGemmCpu,
                .upgrade = upgrade_gemm,
                .cost = matmul_cost},
      op::OpDef{.name = "FusedMatMul",
                .domain = "com.microsoft",
                .min_inputs = 2,
                .max_inputs = 2,
                .infer = infer_fused_matmul,
                .reference = fused_matmul_reference,
                .cost = matmul_cost,
                .nonstandard = "alpha * op(A) * op(B) with optional transposes; made by ONNX "
                               "Runtime's graph optimizer"},
      op::OpDef{.name = "TransposeMatMul",
                .domain = "com.microsoft",
                .min_inputs = 2,
                .max_inputs = 2,
                .infer = infer_fused_matmul,
                .reference = fused_matmul_reference,
                .cost = matmul_cost,
                .nonstandard = "the older name of FusedMatMul; made by ONNX Runtime's graph "
                               "optimizer"},
      op::OpDef{.name = "FusedGemm",
                .domain = "com.microsoft",
                .min_inputs = 2,
                .max_inputs = 3,
                .infer = infer_fused_gemm,
                .reference = fused_gemm_reference,
                .cost = matmul_cost,
                .nonstandard = "Gemm followed by an activation function; made by ONNX Runtime's "
                               "graph optimizer"},
      op::OpDef{.name = "MatMulInteger",
                .min_inputs = 2,
                .max_inputs = 4,
                .infer = infer_matmul_integer,
                .reference = matmul_integer_reference,
                .cpu = kMatMulIntegerCpu,
                .cost = matmul_cost},
      op::OpDef{.name = "QLinearMatMul",
                .min_inputs = 8,
                .max_inputs = 8,
                .infer = infer_qlinear_matmul,
                .reference = qlinear_matmul_reference,
                .cpu = kQLinearMatMulCpu,
                .cost = matmul_cost},
      op::OpDef{.name = "MatMulInteger16",
                .domain = "com.microsoft",
                .min_inputs = 2,
                .max_inputs = 2,
                .infer = infer_matmul_integer16,
                .reference = matmul_integer_reference,
                .cost = matmul_cost,
                .nonstandard = "product of 16-bit integers with a 32-bit result; ONNX Runtime"},
      op::OpDef{.name = "MatMulIntegerToFloat",
                .domain = "com.microsoft",
                .min_inputs = 4,
                .max_inputs = 7,
                .infer = infer_matmul_integer_to_float,
                .reference = matmul_integer_to_float_reference,
                .cpu = kMatMulIntegerToFloatCpu,
                .cost = matmul_cost,
                .nonstandard = "MatMulInteger, scaled to floating point, plus a bias; ONNX "
                               "Runtime's quantizer"},
      op::OpDef{.name = "DynamicQuantizeMatMul",
                .domain = "com.microsoft",
                .min_inputs = 3,
                .max_inputs = 5,
                .infer = infer_dynamic_quantize_matmul,
                .reference = dynamic_quantize_matmul_reference,
                .cpu = kDynamicQuantizeMatMulCpu,
                .cost = matmul_cost,
                .nonstandard = "A quantized to uint8 over its own range, times int8/uint8 "
                               "weights, scaled back; ONNX Runtime's quantizer"},
      op::OpDef{.name = "QGemm",
                .domain = "com.microsoft",
                .min_inputs = 6,
                .max_inputs = 9,
                .infer = infer_qgemm,
                .reference = qgemm_reference,
                .cpu = kQGemmCpu,
                .cost = matmul_cost,
                .nonstandard = "Gemm of 8-bit matrices with an int32 bias; ONNX Runtime's "
                               "quantizer"},
      op::OpDef{.name = "MatMulNBits",
                .domain = "com.microsoft",
                .min_inputs = 3,
                .max_inputs = 6,
                .infer = infer_matmul_nbits,
                .reference = matmul_nbits_reference,
                .cost = weight_product_cost,
                .nonstandard = "A times weights packed in 2 to 8 bits with a scale per block; "
                               "language models exported for ONNX Runtime"},
      op::OpDef{.name = "MatMulBnb4",
                .domain = "com.microsoft",
                .min_inputs = 3,
                .max_inputs = 3,
                .infer = infer_matmul_bnb4,
                .reference = matmul_bnb4_reference,
                .cost = weight_product_cost,
                .nonstandard = "A times weights in the 4-bit code books FP4 or NF4 of "
                               "bitsandbytes; ONNX Runtime"},
  };
  return kDefs;
}

}  // namespace sluice::ops::matmul
