// Reference kernels of the products over quantized operands.
#include <cmath>

#include "base/text.h"
#include "op/operand.h"
#include "op/quantization.h"
#include "ops/matmul/matmul.h"
#include "ops/matmul/product.h"

namespace sluice::ops::matmul {

namespace {

const Tensor* optional_input(const plan::KernelContext& context, int i) {
  return context.has(i) && context.input_value(i).is_tensor() ? &context.in(i) : nullptr;
}

// Axis along which a 1-D parameter of an operand runs: rows of A, columns of B. -1 when the operand
// has no such axis.
int row_axis(const Tensor& a) { return a.rank() - 2; }
int column_axis(const Tensor& b) { return b.rank() >= 2 ? b.rank() - 1 : -1; }

// The elements of `x` minus their zero points.
Result<std::vector<int64_t>> centred(const Tensor& x, const Tensor* zero_point, int axis) {
  // At most 16 bits, so that no sum of products can overflow 64.
  for (const Tensor* tensor : {&x, zero_point}) {
    if (tensor != nullptr && (!is_integer(tensor->dtype()) || dtype_bits(tensor->dtype()) > 16)) {
      return invalid_model(cat("A quantized operand or zero point is ", dtype_name(tensor->dtype()),
                               " (8 or 16-bit integers expected)"));
    }
  }
  std::vector<int64_t> out = x.to_ints();
  if (zero_point == nullptr) return out;
  SLUICE_ASSIGN(const Shape strides, op::parameter_strides(zero_point->shape(), x.shape(), axis));
  const std::vector<int64_t> zeros = zero_point->to_ints();
  size_t i = 0;
  for (Odometer at(x.shape()); !at.done(); at.next()) {
    out[i++] -= zeros[static_cast<size_t>(at.dot(strides))];
  }
  return out;
}

// Real values of a quantized tensor of a floating 8-bit type, or its centred integers.
Result<std::vector<double>> centred_doubles(const Tensor& x, const Tensor* zero_point, int axis) {
  if (is_floating(x.dtype())) return x.to_doubles();  // float8 has no zero point but 0
  SLUICE_ASSIGN(const std::vector<int64_t> ints, centred(x, zero_point, axis));
  return std::vector<double>(ints.begin(), ints.end());
}

// A scale as it applies to elements of the product: per tensor, or per row (axis -2) or column
// (-1).
struct ScaleView {
  std::vector<double> values;
  Shape strides;
  float at(const Shape& index) const {
    int64_t offset = 0;
    for (int i = 0; i < index.rank(); ++i) offset += index[i] * strides[i];
    return static_cast<float>(values[static_cast<size_t>(offset)]);
  }
};
Result<ScaleView> scale_view(const Tensor& scale, const Shape& out, int axis) {
  ScaleView view;
  view.values = scale.to_doubles();
  SLUICE_ASSIGN(view.strides, op::parameter_strides(scale.shape(), out, axis));
  return view;
}

Result<MatMulShape> shape_of(const Tensor& a, const Tensor& b) {
  return matmul_shape(a.shape(), b.shape());
}

}  // namespace

Result<void> matmul_integer_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1}));
  const Tensor& a = context.in(0);
  const Tensor& b = context.in(1);
  if (!is_integer(a.dtype()) || !is_integer(b.dtype())) {
    return invalid_model("MatMulInteger has an operand that is not of an integer type");
  }
  SLUICE_ASSIGN(const MatMulShape shape, shape_of(a, b));
  SLUICE_ASSIGN(const auto a_ints, centred(a, optional_input(context, 2), row_axis(a)));
  SLUICE_ASSIGN(const auto b_ints, centred(b, optional_input(context, 3), column_axis(b)));
  const bool both_unsigned = a.dtype() == DType::kUInt16 && b.dtype() == DType::kUInt16;
  SLUICE_ASSIGN(Tensor * out,
                context.out(0, both_unsigned ? DType::kUInt32 : DType::kInt32, shape.out));
  for_each_sum<int64_t>(shape, a_ints, b_ints,
                        [&](int64_t i, int64_t sum) { out->set_int(i, sum); });
  return {};
}

Result<void> qlinear_matmul_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1, 3, 4, 6, 7}));
  const Tensor& a = context.in(0);
  const Tensor& b = context.in(3);
  const Tensor& y_zero = context.in(7);
  SLUICE_ASSIGN(const MatMulShape shape, shape_of(a, b));
  SLUICE_ASSIGN(const auto a_values, centred_doubles(a, optional_input(context, 2), row_axis(a)));
  SLUICE_ASSIGN(const auto b_values,
                centred_doubles(b, optional_input(context, 5), column_axis(b)));
  const int rank = shape.out.rank();
  const int rows = a.rank() >= 2 ? rank - (b.rank() >= 2 ? 2 : 1) : -1;
  const int columns = b.rank() >= 2 ? rank - 1 : -1;
  SLUICE_ASSIGN(const ScaleView a_scale, scale_view(context.in(1), shape.out, rows));
  SLUICE_ASSIGN(const ScaleView b_scale, scale_view(context.in(4), shape.out, columns));
  SLUICE_ASSIGN(const ScaleView y_scale, scale_view(context.in(6), shape.out, rows));
  SLUICE_ASSIGN(const Shape zero_strides, op::parameter_strides(y_zero.shape(), shape.out, rows));
  const DType dtype = y_zero.dtype();
  SLUICE_ASSIGN(Tensor * out, context.out(0, dtype, shape.out));
  Odometer at(shape.out);
  for_each_sum<double>(shape, a_values, b_values, [&](int64_t i, double sum) {
    // The factor and its product with the sum are single precision: integer results depend on it.
    const float factor = a_scale.at(at.index()) * b_scale.at(at.index()) / y_scale.at(at.index());
    const float scaled = static_cast<float>(sum) * factor;
    if (is_integer(dtype)) {
      out->set_int(i, op::quantize_to(dtype, scaled, y_zero.get_int(at.dot(zero_strides))));
    } else {
      out->set_double(i, scaled);
    }
    at.next();
  });
  return {};
}

namespace {

// sum * a_scale * b_scale + bias, in the scales' type; the common end of MatMulIntegerToFloat and
// DynamicQuantizeMatMul.
struct Scaled {
  const std::vector<int64_t>& a;
  const std::vector<int64_t>& b;
  const Tensor& a_scale;
  const Tensor& b_scale;
  const Tensor* bias;
  DType dtype;
  bool a_by_rows;
};
Result<void> scaled_product(plan::KernelContext& context, const MatMulShape& shape,
                            const Scaled& scaled) {
  const int rank = shape.out.rank();
  SLUICE_ASSIGN(const ScaleView a_scale,
                scale_view(scaled.a_scale, shape.out, scaled.a_by_rows ? rank - 2 : -1));
  SLUICE_ASSIGN(const ScaleView b_scale, scale_view(scaled.b_scale, shape.out, rank - 1));
  std::vector<double> bias;
  Shape bias_strides = Shape::filled(rank, 0);
  if (scaled.bias != nullptr) {
    bias = scaled.bias->to_doubles();
    SLUICE_ASSIGN(bias_strides, op::parameter_strides(scaled.bias->shape(), shape.out, rank - 1));
  }
  SLUICE_ASSIGN(Tensor * out, context.out(0, scaled.dtype, shape.out));
  Odometer at(shape.out);
  for_each_sum<int64_t>(shape, scaled.a, scaled.b, [&](int64_t i, int64_t sum) {
    double value = static_cast<double>(sum) *
                   static_cast<double>(a_scale.at(at.index()) * b_scale.at(at.index()));
    if (!bias.empty()) value += bias[static_cast<size_t>(at.dot(bias_strides))];
    out->set_double(i, value);
    at.next();
  });
  return {};
}

}  // namespace

Result<void> matmul_integer_to_float_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1, 2, 3}));
  const Tensor& a = context.in(0);
  const Tensor& b = context.in(1);
  if (!is_integer(a.dtype()) || !is_integer(b.dtype())) {
    return invalid_model("MatMulIntegerToFloat has an operand that is not of an integer type");
  }
  SLUICE_ASSIGN(const MatMulShape shape, shape_of(a, b));
  SLUICE_ASSIGN(const auto a_ints, centred(a, optional_input(context, 4), row_axis(a)));
  SLUICE_ASSIGN(const auto b_ints, centred(b, optional_input(context, 5), column_axis(b)));
  return scaled_product(context, shape,
                        {a_ints, b_ints, context.in(2), context.in(3), optional_input(context, 6),
                         context.in(2).dtype(), false});
}

Result<void> dynamic_quantize_matmul_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1, 2}));
  const Tensor& a = context.in(0);
  const Tensor& b = context.in(1);
  SLUICE_ASSIGN(const MatMulShape shape, shape_of(a, b));
  const std::vector<double> values = a.to_doubles();
  const op::DynamicScale a_quantization = op::dynamic_scale(values);
  std::vector<int64_t> a_ints;
  a_ints.reserve(values.size());
  for (const double value : values) {
    const float scaled = static_cast<float>(value) / a_quantization.scale;
    a_ints.push_back(op::quantize_to(DType::kUInt8, scaled, a_quantization.zero_point) -
                     a_quantization.zero_point);
  }
  SLUICE_ASSIGN(const auto b_ints, centred(b, optional_input(context, 3), column_axis(b)));
  const Tensor a_scale = Tensor::scalar<float>(a_quantization.scale);
  return scaled_product(
      context, shape,
      {a_ints, b_ints, a_scale, context.in(2), optional_input(context, 4), a.dtype(), false});
}

Result<void> qgemm_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1, 2, 3, 4, 5}));
  const Tensor& a = context.in(0);
  const Tensor& b = context.in(3);
  const bool trans_a = context.attrs().int_or("transA", 0) != 0;
  const bool trans_b = context.attrs().int_or("transB", 0) != 0;
  SLUICE_ASSIGN(const GemmShape shape, gemm_shape(a.shape(), b.shape(), trans_a, trans_b));
  SLUICE_ASSIGN(const auto a_ints, centred(a, optional_input(context, 2), trans_a ? 1 : 0));
  SLUICE_ASSIGN(const auto b_ints, centred(b, optional_input(context, 5), trans_b ? 0 : 1));
  const Shape to{shape.m, shape.n};
  SLUICE_ASSIGN(const ScaleView a_scale, scale_view(context.in(1), to, 0));
  SLUICE_ASSIGN(const ScaleView b_scale, scale_view(context.in(4), to, 1));
  // C is int32, already in units of a_scale * b_scale.
  const Tensor* c = optional_input(context, 6);
  Shape c_strides = Shape::filled(2, 0);
  if (c != nullptr) {
    const auto both = broadcast(c->shape(), to);
    if (!both || !(*both == to) || c->dtype() != DType::kInt32) {
      return invalid_model(cat("QGemm's input C ", c->text(),
                               " does not broadcast to the result (int32", to.text(), ")"));
    }
    c_strides = broadcast_strides(c->shape(), to);
  }
  const Tensor* y_scale = optional_input(context, 7);
  const Tensor* y_zero = optional_input(context, 8);
  if ((y_scale != nullptr && y_scale->elements() != 1) ||
      (y_zero != nullptr && (y_zero->elements() != 1 || !is_integer(y_zero->dtype())))) {
    return invalid_model("QGemm's result has a scale or zero point that is not one per tensor");
  }
  const float alpha = context.attrs().float_or("alpha", 1.0f);
  const DType dtype = y_zero != nullptr ? y_zero->dtype() : DType::kFloat32;
  SLUICE_ASSIGN(Tensor * out, context.out(0, dtype, to));
  int64_t index = 0;
  for (Odometer at(to); !at.done(); at.next(), ++index) {
    int64_t sum = c != nullptr ? c->get_int(at.dot(c_strides)) : 0;
    for (int64_t p = 0; p < shape.k; ++p) {
      const int64_t a_at = trans_a ? p * shape.m + at[0] : at[0] * shape.k + p;
      const int64_t b_at = trans_b ? at[1] * shape.k + p : p * shape.n + at[1];
      sum += a_ints[static_cast<size_t>(a_at)] * b_ints[static_cast<size_t>(b_at)];
    }
    float factor = alpha * a_scale.at(at.index()) * b_scale.at(at.index());
    if (y_scale != nullptr) factor /= static_cast<float>(y_scale->get_double(0));
    const float scaled = static_cast<float>(sum) * factor;
    if (y_zero != nullptr) {
      out->set_int(index, op::quantize_to(dtype, scaled, y_zero->get_int(0)));
    } else {
      out->set_double(index, scaled);
    }
  }
  return {};
}

// --- weight-only quantization: A is floating, B is packed along K in blocks

namespace {

// Unsigned value i of `bits` bits in a little-endian bit stream.
int64_t unpack(const uint8_t* bytes, int64_t i, int bits) {
  const int64_t first = i * bits;
  int64_t value = 0;
  for (int bit = 0; bit < bits; ++bit) {
    const int64_t at = first + bit;
    value |= static_cast<int64_t>(bytes[at / 8] >> (at % 8) & 1) << bit;
  }
  return value;
}

// A [..., k] times the transpose of `weights` [n, k], plus a bias of n elements.
Result<void> weight_product(plan::KernelContext& context, const Tensor& a,
                            const std::vector<double>& weights, int64_t n, int64_t k,
                            const Tensor* bias) {
  if (a.rank() < 1 || a.dim(-1) != k) {
    return invalid_model(cat("Input A of shape ", a.shape().text(),
                             " does not end in the weights' inner extent (", k, ")"));
  }
  if (bias != nullptr && bias->elements() != n) {
    return invalid_model(cat("The bias has ", bias->elements(), " elements (", n, " expected)"));
  }
  const int64_t rows = a.shape().elements(0, a.rank() - 1);
  Shape to = a.shape();
  to[-1] = n;
  SLUICE_ASSIGN(Tensor * out, context.out(0, a.dtype(), to));
  const std::vector<double> values = a.to_doubles();
  const std::vector<double> offsets =
      bias != nullptr ? bias->to_doubles() : std::vector<double>(static_cast<size_t>(n), 0.0);
  for (int64_t i = 0; i < rows; ++i) {
    const double* a_row = values.data() + i * k;
    for (int64_t j = 0; j < n; ++j) {
      const double* b_row = weights.data() + j * k;
      double sum = 0;
      for (int64_t p = 0; p < k; ++p) sum += a_row[p] * b_row[p];
      out->set_double(i * n + j, sum + offsets[static_cast<size_t>(j)]);
    }
  }
  return {};
}

}  // namespace

Result<NBitsShape> nbits_shape(const AttrMap& attrs) {
  NBitsShape out;
  out.k = attrs.int_or("K", 0);
  out.n = attrs.int_or("N", 0);
  out.bits = static_cast<int>(attrs.int_or("bits", 4));
  out.block = attrs.int_or("block_size", 0);
  if (out.bits < 2 || out.bits > 8) {
    return invalid_model(cat("MatMulNBits has ", out.bits, " bits (2 to 8 are possible)"));
  }
  if (out.block < 16 || out.block > (int64_t{1} << 30) || (out.block & (out.block - 1)) != 0) {
    return invalid_model(cat("MatMulNBits has the block size ", out.block,
                             " (a power of two from 16 on is expected)"));
  }
  constexpr int64_t kLimit = int64_t{1} << 31;  // keeps the products below in range
  if (out.k <= 0 || out.n <= 0 || out.k >= kLimit || out.n >= kLimit) {
    return invalid_model(
        cat("MatMulNBits has weights of ", out.n, " x ", out.k, " (1 to 2^31 - 1 each)"));
  }
  if (attrs.int_or("weight_prepacked", 0) != 0) {
    return unsupported("MatMulNBits has weights packed for one particular device");
  }
  out.k_blocks = (out.k + out.block - 1) / out.block;
  out.blob_bytes = out.block * out.bits / 8;
  out.zero_row_bytes = (out.k_blocks * out.bits + 7) / 8;
  return out;
}

Result<std::vector<double>> nbits_weights(const NBitsShape& shape, const Tensor& packed,
                                          const Tensor& scales, const Tensor* zero_points,
                                          const Tensor* group_index) {
  const int64_t blocks = shape.n * shape.k_blocks;
  if (packed.dtype() != DType::kUInt8 || packed.elements() % shape.blob_bytes != 0 ||
      packed.elements() / shape.blob_bytes != blocks) {
    return invalid_model(cat("MatMulNBits has weights ", packed.text(), " (uint8[", shape.n, ",",
                             shape.k_blocks, ",", shape.blob_bytes, "] expected)"));
  }
  if (scales.elements() != blocks) {
    return invalid_model(
        cat("MatMulNBits has ", scales.elements(), " scales (", blocks, " expected)"));
  }
  const bool packed_zeros = zero_points != nullptr && zero_points->dtype() == DType::kUInt8;
  if (zero_points != nullptr &&
      zero_points->elements() != (packed_zeros ? shape.n * shape.zero_row_bytes : blocks)) {
    return invalid_model(cat("MatMulNBits has zero points of shape ", zero_points->shape().text(),
                             ", which do not fit its ", blocks, " blocks"));
  }
  std::vector<int64_t> groups;
  if (group_index != nullptr) {
    groups = group_index->to_ints();
    if (static_cast<int64_t>(groups.size()) < shape.k) {
      return invalid_model(
          cat("MatMulNBits has ", groups.size(), " group indices (", shape.k, " expected)"));
    }
    for (const int64_t group : groups) {
      if (group < 0 || group >= shape.k_blocks) {
        return invalid_model(
            cat("MatMulNBits has the group index ", group, " (0 to ", shape.k_blocks - 1, ")"));
      }
    }
  }
  const uint8_t* bytes = packed.data<uint8_t>();
  const std::vector<double> factors = scales.to_doubles();
  std::vector<double> zeros;
  if (zero_points != nullptr && !packed_zeros) zeros = zero_points->to_doubles();

  std::vector<double> out(static_cast<size_t>(shape.n * shape.k));
  for (int64_t j = 0; j < shape.n; ++j) {
    for (int64_t p = 0; p < shape.k; ++p) {
      const int64_t block = j * shape.k_blocks + p / shape.block;
      const int64_t group =
          groups.empty() ? block : j * shape.k_blocks + groups[static_cast<size_t>(p)];
      double zero = static_cast<double>(int64_t{1} << (shape.bits - 1));
      if (packed_zeros) {
        zero = static_cast<double>(unpack(zero_points->data<uint8_t>() + j * shape.zero_row_bytes,
                                          group % shape.k_blocks, shape.bits));
      } else if (!zeros.empty()) {
        zero = zeros[static_cast<size_t>(group)];
      }
      const auto code = static_cast<double>(
          unpack(bytes + block * shape.blob_bytes, p % shape.block, shape.bits));
      out[static_cast<size_t>(j * shape.k + p)] =
          (code - zero) * factors[static_cast<size_t>(group)];
    }
  }
  return out;
}

Result<void> matmul_nbits_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1, 2}));
  SLUICE_ASSIGN(const NBitsShape shape, nbits_shape(context.attrs()));
  SLUICE_ASSIGN(const std::vector<double> weights,
                nbits_weights(shape, context.in(1), context.in(2), optional_input(context, 3),
                              optional_input(context, 4)));
  return weight_product(context, context.in(0), weights, shape.n, shape.k,
                        optional_input(context, 5));
}

Result<std::vector<double>> bnb4_weights(const AttrMap& attrs, const Tensor& packed,
                                         const Tensor& absmax) {
  // Code books of bitsandbytes: FP4 (a sign bit and seven magnitudes) and NF4 (quantiles of the
  // normal distribution).
  static constexpr double kFp4[16] = {
      0.0,  5.208333333e-03,  0.66666667,  1.0,  0.33333333,  0.5,  0.16666667,  0.25,
      -0.0, -5.208333333e-03, -0.66666667, -1.0, -0.33333333, -0.5, -0.16666667, -0.25};
  static constexpr double kNf4[16] = {-1.0,
                                      -0.6961928009986877,
                                      -0.5250730514526367,
                                      -0.39491748809814453,
                                      -0.28444138169288635,
                                      -0.18477343022823334,
                                      -0.09105003625154495,
                                      0.0,
                                      0.07958029955625534,
                                      0.16093020141124725,
                                      0.24611230194568634,
                                      0.33791524171829224,
                                      0.44070982933044434,
                                      0.5626170039176941,
                                      0.7229568362236023,
                                      1.0};
  const int64_t k = attrs.int_or("K", 0), n = attrs.int_or("N", 0);
  const int64_t block = attrs.int_or("block_size", 0);
  const int64_t quant_type = attrs.int_or("quant_type", -1);
  constexpr int64_t kLimit = int64_t{1} << 31;
  if (k <= 0 || n <= 0 || k >= kLimit || n >= kLimit || block < 1) {
    return invalid_model(cat("MatMulBnb4 has weights of ", n, " x ", k, " in blocks of ", block,
                             " (all must be positive)"));
  }
  if (quant_type != 0 && quant_type != 1) {
    return invalid_model(
        cat("MatMulBnb4 has the quantization type ", quant_type, " (0 is FP4, 1 is NF4)"));
  }
  const int64_t count = n * k;
  if (packed.dtype() != DType::kUInt8 || packed.elements() < (count + 1) / 2 ||
      absmax.elements() < count / block + (count % block != 0)) {
    return invalid_model(
        cat("MatMulBnb4 has too few codes or block maxima for weights of ", n, " x ", k));
  }
  const double* book = quant_type == 0 ? kFp4 : kNf4;
  const uint8_t* bytes = packed.data<uint8_t>();
  const std::vector<double> maxima = absmax.to_doubles();
  const bool transposed = attrs.int_or("transB", 1) != 0;
  std::vector<double> weights(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    const int code = i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2] & 15;  // high nibble first
    const double value = book[code] * maxima[static_cast<size_t>(i / block)];
    // weight_product wants [outputs, inputs]: as stored when transposed
    const int64_t at = transposed ? i : i % k * n + i / k;
    weights[static_cast<size_t>(at)] = value;
  }
  return weights;
}

Result<void> matmul_bnb4_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1, 2}));
  const AttrMap& attrs = context.attrs();
  const int64_t k = attrs.int_or("K", 0), n = attrs.int_or("N", 0);
  const bool transposed = attrs.int_or("transB", 1) != 0;
  SLUICE_ASSIGN(const std::vector<double> weights,
                bnb4_weights(attrs, context.in(1), context.in(2)));
  return transposed ? weight_product(context, context.in(0), weights, n, k, nullptr)
                    : weight_product(context, context.in(0), weights, k, n, nullptr);
}

}  // namespace sluice::ops::matmul
