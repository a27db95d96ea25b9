#include "ops/quantize/quantize.h"

#include <array>

#include "base/text.h"
#include "op/operand.h"
#include "ops/quantize/quantize_cpu.h"

namespace sluice::ops::quantize {

Result<QuantLayout> quant_layout(const Shape& x, const Shape& scale, int64_t axis,
                                 int64_t block_size) {
  QuantLayout out;
  const auto count = scale.checked_elements();
  if (count && *count == 1) {
    out.inner = x.elements();
    return out;
  }
  SLUICE_ASSIGN(const int at, op::normalized_axis(axis, x.rank()));
  out.outer = x.elements(0, at);
  out.axis = x[at];
  out.inner = x.elements(at + 1, x.rank());
  if (block_size == 0) {
    if (scale.rank() != 1 || scale[0] != x[at]) {
      return invalid_model(cat("Scales of shape ", scale.text(), " do not fit axis ", at,
                               " of a tensor of shape ", x.text()));
    }
    out.mode = QuantLayout::Mode::kPerAxis;
    return out;
  }
  if (block_size < 0) return invalid_model(cat("The block size is ", block_size, " (at least 0)"));
  Shape expected = x;
  expected[at] = x[at] / block_size + (x[at] % block_size != 0);
  if (!(scale == expected)) {
    return invalid_model(cat("Scales of shape ", scale.text(), " do not fit a tensor of shape ",
                             x.text(), " in blocks of ", block_size, " along axis ", at, " (",
                             expected.text(), " expected)"));
  }
  out.mode = QuantLayout::Mode::kBlocked;
  out.block = block_size;
  out.blocks = expected[at];
  return out;
}

namespace {

constexpr op::DTypeSet kQuantizedInts = {
    DType::kInt8,   DType::kUInt8, DType::kInt16, DType::kUInt16, DType::kInt32,
    DType::kUInt32, DType::kInt4,  DType::kUInt4, DType::kInt2,   DType::kUInt2};
constexpr op::DTypeSet kQuantized =
    kQuantizedInts | op::kFloat8s | op::DTypeSet{DType::kFloat4E2M1};
constexpr op::DTypeSet kReals = op::kFloats | op::DTypeSet{DType::kInt32};
constexpr op::DTypeSet kScales = op::kFloats | op::DTypeSet{DType::kFloat8E8M0, DType::kInt32};

}  // namespace

Result<DType> quantized_dtype(const AttrMap& attrs, DType zero_point) {
  const int64_t named = attrs.int_or("output_dtype", 0);
  if (named != 0 && (!dtype_is_valid(named) || !kQuantized.has(static_cast<DType>(named)))) {
    return invalid_model(
        cat("The attribute output_dtype is ", named, ", which is not a quantized type"));
  }
  if (zero_point != DType::kUndefined) {
    if (!kQuantized.has(zero_point)) {
      return invalid_model(
          cat("The zero point is ", dtype_name(zero_point), ", which is not a quantized type"));
    }
    if (named != 0 && static_cast<DType>(named) != zero_point) {
      return invalid_model(cat("The attribute output_dtype is ",
                               dtype_name(static_cast<DType>(named)), ", the zero point is ",
                               dtype_name(zero_point)));
    }
    return zero_point;
  }
  return named != 0 ? static_cast<DType>(named) : DType::kUInt8;
}

namespace {

// The scales' shape against x's, where both are known.
Result<void> check_layout(const op::InferContext& context) {
  const auto x = context.input_type(0).shape();
  const auto scale = context.input_type(1).shape();
  if (!x || !scale) return {};
  const auto layout = quant_layout(*x, *scale, context.attrs().int_or("axis", 1),
                                   context.attrs().int_or("block_size", 0));
  return layout ? Result<void>() : context.fail(layout.error().message);
}

void set_like_input(op::InferContext& context, int output, DType dtype, int input) {
  const auto& dims = context.input_type(input).dims;
  context.set_output(output, dims ? Type::tensor(dtype, *dims) : Type::tensor(dtype));
}

Result<void> infer_quantize(op::InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, kReals));
  SLUICE_TRY(op::input_dtype(context, 1, kScales));
  DType zero_point = DType::kUndefined;
  if (context.has_input(2)) {
    SLUICE_ASSIGN(zero_point, op::input_dtype(context, 2, kQuantized));
  }
  const auto dtype = quantized_dtype(context.attrs(), zero_point);
  if (!dtype) return context.fail(dtype.error().message);
  SLUICE_TRY(check_layout(context));
  const bool unknown = context.has_input(2) && zero_point == DType::kUndefined;
  set_like_input(context, 0, unknown ? DType::kUndefined : *dtype, 0);
  return {};
}

Result<void> infer_dequantize(op::InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, kQuantized));
  SLUICE_ASSIGN(DType dtype, op::input_dtype(context, 1, kScales));
  if (context.has_input(2)) SLUICE_TRY(op::input_dtype(context, 2, kQuantized));
  const int64_t named = context.attrs().int_or("output_dtype", 0);
  if (named != 0) {
    if (!dtype_is_valid(named) || !op::kFloats.has(static_cast<DType>(named))) {
      return context.fail(
          cat("The attribute output_dtype is ", named, ", which is not a floating type"));
    }
    dtype = static_cast<DType>(named);
  }
  if (dtype == DType::kFloat8E8M0) dtype = DType::kFloat32;
  SLUICE_TRY(check_layout(context));
  set_like_input(context, 0, dtype, 0);
  return {};
}

Result<void> infer_dynamic_quantize(op::InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, {DType::kFloat32}));
  set_like_input(context, 0, DType::kUInt8, 0);
  context.set_output(1, DType::kFloat32, Dims{});
  context.set_output(2, DType::kUInt8, Dims{});
  return {};
}

Result<void> infer_gather_block_quantized(op::InferContext& context) {
  SLUICE_ASSIGN(const DType data,
                op::input_dtype(context, 0,
                                op::kFloat8s | op::DTypeSet{DType::kInt4, DType::kUInt4,
                                                            DType::kUInt8, DType::kFloat4E2M1}));
  SLUICE_TRY(op::input_dtype(context, 1, op::kIndices));
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 2, op::kFloats));
  const auto& data_dims = context.input_type(0).dims;
  const auto& index_dims = context.input_type(1).dims;
  if (!data_dims || !index_dims || data == DType::kUndefined) {
    context.set_output(0, dtype);
    return {};
  }
  const int rank = static_cast<int>(data_dims->size());
  const auto axis = op::normalized_axis(context.attrs().int_or("gather_axis", 0), rank);
  if (!axis) return context.fail(axis.error().message);
  const int64_t bits = data == DType::kUInt8 ? context.attrs().int_or("bits", 4) : 8;
  if (bits != 2 && bits != 4 && bits != 8) {
    return context.fail(cat("The attribute bits is ", bits, " (2, 4 or 8)"));
  }
  Dims out;
  for (int i = 0; i < rank; ++i) {
    if (i == *axis) {
      out.insert(out.end(), index_dims->begin(), index_dims->end());
    } else {
      const Dim& dim = (*data_dims)[static_cast<size_t>(i)];
      out.push_back(i == rank - 1 ? dim * Dim(8 / bits) : dim);
    }
  }
  context.set_output(0, dtype, std::move(out));
  return {};
}

// Output 0 has the dtype of input `dtype_from` and the broadcast shape of `operands`.
Result<void> set_broadcast(op::InferContext& context, DType dtype,
                           std::initializer_list<int> operands) {
  Dims out;
  for (const int i : operands) {
    const auto& dims = context.input_type(i).dims;
    if (!dims) {
      context.set_output(0, dtype);
      return {};
    }
    auto joined = broadcast(out, *dims);
    if (!joined) return context.fail(joined.error().message);
    out = std::move(*joined);
  }
  context.set_output(0, dtype, std::move(out));
  return {};
}

Result<void> infer_binary(op::InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kInts));
  SLUICE_TRY(op::input_dtype(context, 3, op::kInts));
  for (const int i : {1, 4, 6}) SLUICE_TRY(op::input_dtype(context, i, op::kFloats));
  return set_broadcast(context, dtype, {0, 3});
}

Result<void> infer_unary(op::InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kInts));
  for (const int i : {1, 3}) SLUICE_TRY(op::input_dtype(context, i, op::kFloats));
  set_like_input(context, 0, dtype, 0);
  return {};
}

Result<void> infer_byte_table(op::InferContext& context) {
  constexpr op::DTypeSet kBytes = {DType::kInt8, DType::kUInt8};
  SLUICE_TRY(op::input_dtype(context, 0, kBytes));
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 1, kBytes));
  set_like_input(context, 0, dtype, 0);
  return {};
}

Result<void> infer_where(op::InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, op::kBools));
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 1, op::kInts));
  SLUICE_TRY(op::input_dtype(context, 4, op::kInts));
  for (const int i : {2, 5, 7}) SLUICE_TRY(op::input_dtype(context, i, op::kFloats));
  return set_broadcast(context, dtype, {0, 1, 4});
}

Result<void> infer_mul_integer(op::InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, op::kInts));
  SLUICE_TRY(op::input_dtype(context, 2, op::kInts));
  return set_broadcast(context, DType::kInt32, {0, 2});
}

Result<void> infer_concat(op::InferContext& context) {
  if (context.input_count() < 5 || (context.input_count() - 2) % 3 != 0) {
    return context.fail(cat("There are ", context.input_count(),
                            " inputs (2, then 3 for each tensor to be joined)"));
  }
  SLUICE_TRY(op::input_dtype(context, 0, op::kFloats));
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 1, op::kInts));
  std::optional<Dims> out;
  for (int i = 2; i < context.input_count(); i += 3) {
    SLUICE_TRY(op::input_dtype(context, i, op::kInts));
    SLUICE_TRY(op::input_dtype(context, i + 1, op::kFloats));
    const auto& dims = context.input_type(i).dims;
    if (!dims || (out && dims->size() != out->size())) {
      if (dims) return context.fail("Tensors with different numbers of axes are joined");
      context.set_output(0, dtype);
      return {};
    }
    if (!out) {
      out = *dims;
      continue;
    }
    const auto axis =
        op::normalized_axis(context.attrs().int_or("axis", 0), static_cast<int>(dims->size()));
    if (!axis) return context.fail(axis.error().message);
    Dim& joined = (*out)[static_cast<size_t>(*axis)];
    joined = joined + (*dims)[static_cast<size_t>(*axis)];
  }
  context.set_output(0, dtype, std::move(*out));
  return {};
}

Result<void> set_reduced(op::InferContext& context, DType dtype) {
  const auto& dims = context.input_type(0).dims;
  if (!dims) {
    context.set_output(0, dtype);
    return {};
  }
  const std::vector<int64_t> named = context.attrs().ints_or("axes");
  const auto axes = op::normalized_axes(named, static_cast<int>(dims->size()));
  if (!axes) return context.fail(axes.error().message);
  const bool keep = context.attrs().int_or("keepdims", 1) != 0;
  Dims out;
  for (size_t i = 0; i < dims->size(); ++i) {
    bool reduced = named.empty();
    for (const int axis : *axes) reduced = reduced || static_cast<size_t>(axis) == i;
    if (!reduced) {
      out.push_back((*dims)[i]);
    } else if (keep) {
      out.push_back(1);
    }
  }
  context.set_output(0, dtype, std::move(out));
  return {};
}

Result<void> infer_reduce_mean(op::InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kInts));
  for (const int i : {1, 3}) SLUICE_TRY(op::input_dtype(context, i, op::kFloats));
  return set_reduced(context, dtype);
}

Result<void> infer_reduce_sum_integer(op::InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kInts));
  if (dtype == DType::kUndefined) return set_reduced(context, dtype);
  return set_reduced(context, is_signed_integer(dtype) ? DType::kInt32 : DType::kUInt32);
}

op::Cost per_element_cost(const op::NodeView& node) {
  const auto out = node.output_type(0).shape();
  return {out ? 2.0 * static_cast<double>(out->elements()) : 0};
}

}  // namespace

std::span<const op::OpDef> op_defs() {
  static constexpr std::string_view kMicrosoft = "com.microsoft";
  static const std::array kDefs = {
      op::OpDef{.name = "QuantizeLinear",
                .min_inputs = 2,
                .max_inputs = 3,
                .infer = infer_quantize,
                .reference = quantize_linear_reference,
                .cpu = kQuantizeCpu,
                .cost = per_element_cost},
      op::OpDef{.name = "DequantizeLinear",
                .min_inputs = 2,
                .max_inputs = 3,
                .infer = infer_dequantize,
                .reference = dequantize_linear_reference,
                .cpu = kDequantizeCpu,
                .cost = per_element_cost},
      op::OpDef{.name = "DynamicQuantizeLinear",
                .min_inputs = 1,
                .max_inputs = 1,
                .min_outputs = 3,
                .max_outputs = 3,
                .infer = infer_dynamic_quantize,
                .reference = dynamic_quantize_linear_reference,
                .cpu = kDynamicQuantizeCpu,
                .cost = per_element_cost},
      op::OpDef{.name = "QuantizeLinear",
                .domain = kMicrosoft,
                .min_inputs = 2,
                .max_inputs = 3,
                .infer = infer_quantize,
                .reference = quantize_linear_reference,
                .cpu = kQuantizeCpu,
                .cost = per_element_cost,
                .nonstandard = "QuantizeLinear with 16-bit and 4-bit types before ONNX had them; "
                               "ONNX Runtime's quantizer"},
      op::OpDef{.name = "DequantizeLinear",
                .domain = kMicrosoft,
                .min_inputs = 2,
                .max_inputs = 3,
                .infer = infer_dequantize,
                .reference = dequantize_linear_reference,
                .cpu = kDequantizeCpu,
                .cost = per_element_cost,
                .nonstandard = "DequantizeLinear with 16-bit and 4-bit types before ONNX had "
                               "them; ONNX Runtime's quantizer"},
      op::OpDef{.name = "GatherBlockQuantized",
                .domain = kMicrosoft,
                .min_inputs = 3,
                .max_inputs = 4,
                .infer = infer_gather_block_quantized,
                .reference = gather_block_quantized_reference,
                .nonstandard = "Gather from a table quantized in blocks (embeddings of language "
                               "models exported for ONNX Runtime)"},
      op::OpDef{.name = "QLinearAdd",
                .domain = kMicrosoft,
                .min_inputs = 7,
                .max_inputs = 8,
                .infer = infer_binary,
                .reference = qlinear_add_reference,
                .cpu = kQLinearAddCpu,
                .cost = per_element_cost,
                .nonstandard = "Add of quantized tensors; ONNX Runtime's quantizer"},
      op::OpDef{.name = "QLinearMul",
                .domain = kMicrosoft,
                .min_inputs = 7,
                .max_inputs = 8,
                .infer = infer_binary,
                .reference = qlinear_mul_reference,
                .cpu = kQLinearMulCpu,
                .cost = per_element_cost,
                .nonstandard = "Mul of quantized tensors; ONNX Runtime's quantizer"},
      op::OpDef{.name = "ByteTable",
                .domain = "sluice",
                .min_inputs = 2,
                .max_inputs = 2,
                .infer = infer_byte_table,
                .reference = byte_table_reference,
                .cpu = kByteTableCpu,
                .cost = per_element_cost,
                .nonstandard = "Y[i] = T[X[i]] for bytes, made by fusion for the CPU"},
      op::OpDef{.name = "QLinearSigmoid",
                .domain = kMicrosoft,
                .min_inputs = 4,
                .max_inputs = 5,
                .infer = infer_unary,
                .reference = qlinear_sigmoid_reference,
                .cost = per_element_cost,
                .nonstandard = "Sigmoid of a quantized tensor; ONNX Runtime's quantizer"},
      op::OpDef{.name = "QLinearLeakyRelu",
                .domain = kMicrosoft,
                .min_inputs = 4,
                .max_inputs = 5,
                .infer = infer_unary,
                .reference = qlinear_leaky_relu_reference,
                .cost = per_element_cost,
                .nonstandard = "LeakyRelu of a quantized tensor; ONNX Runtime's quantizer"},
      op::OpDef{.name = "QLinearConcat",
                .domain = kMicrosoft,
                .min_inputs = 5,
                .max_inputs = -1,
                .infer = infer_concat,
                .reference = qlinear_concat_reference,
                .cost = per_element_cost,
                .nonstandard = "Concat of quantized tensors with their own scales; ONNX "
                               "Runtime's quantizer"},
      op::OpDef{.name = "QLinearSoftmax",
                .domain = kMicrosoft,
                .min_inputs = 5,
                .max_inputs = 5,
                .infer = infer_unary,
                .reference = qlinear_softmax_reference,
                .cost = per_element_cost,
                .nonstandard = "Softmax of a quantized tensor; ONNX Runtime's quantizer"},
      op::OpDef{.name = "QLinearWhere",
                .domain = kMicrosoft,
                .min_inputs = 9,
                .max_inputs = 9,
                .infer = infer_where,
                .reference = qlinear_where_reference,
                .cost = per_element_cost,
                .nonstandard = "Where of quantized tensors; ONNX Runtime's quantizer"},
      op::OpDef{.name = "QLinearReduceMean",
                .domain = kMicrosoft,
                .min_inputs = 4,
                .max_inputs = 5,
                .infer = infer_reduce_mean,
                .reference = qlinear_reduce_mean_reference,
                .nonstandard = "ReduceMean of a quantized tensor; ONNX Runtime's quantizer"},
      op::OpDef{.name = "ReduceSumInteger",
                .domain = kMicrosoft,
                .min_inputs = 1,
                .max_inputs = 1,
                .infer = infer_reduce_sum_integer,
                .reference = reduce_sum_integer_reference,
                .nonstandard = "ReduceSum of 8-bit integers into 32 bits; ONNX Runtime"},
      op::OpDef{.name = "MulInteger",
                .domain = kMicrosoft,
                .min_inputs = 3,
                .max_inputs = 4,
                .infer = infer_mul_integer,
                .reference = mul_integer_reference,
                .cost = per_element_cost,
                .nonstandard = "product of 8-bit integers with zero points into 32 bits; ONNX "
                               "Runtime"},
  };
  return kDefs;
}

}  // namespace sluice::ops::quantize
