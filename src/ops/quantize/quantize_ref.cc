#include <cmath>
#include <vector>

#include "base/half.h"
#include "base/text.h"
#include "op/operand.h"
#include "op/quantization.h"
#include "ops/quantize/quantize.h"

namespace sluice::ops::quantize {

namespace {

std::optional<Float8> float8_format(DType dtype) {
  switch (dtype) {
    case DType::kFloat8E4M3FN:
      return Float8::kE4M3FN;
    case DType::kFloat8E4M3FNUZ:
      return Float8::kE4M3FNUZ;
    case DType::kFloat8E5M2:
      return Float8::kE5M2;
    case DType::kFloat8E5M2FNUZ:
      return Float8::kE5M2FNUZ;
    default:
      return std::nullopt;
  }
}

// `value` rounded to a floating type.
double rounded_to(DType dtype, double value) {
  switch (dtype) {
    case DType::kFloat64:
      return value;
    case DType::kFloat16:
      return half_to_float(double_to_half(value));
    case DType::kBFloat16:
      return bfloat16_to_float(float_to_bfloat16(static_cast<float>(value)));
    default:
      return static_cast<float>(value);
  }
}

// body(element, parameter) for every element in order.
template <class Body>
void for_each_element(const QuantLayout& layout, Body&& body) {
  int64_t element = 0;
  for (int64_t o = 0; o < layout.outer; ++o) {
    for (int64_t a = 0; a < layout.axis; ++a) {
      for (int64_t i = 0; i < layout.inner; ++i) body(element++, layout.parameter(o, a, i));
    }
  }
}

Result<void> check_zero_points(const Tensor& zero_points, const Tensor& scales) {
  if (zero_points.elements() == scales.elements()) return {};
  return invalid_model(
      cat("There are ", zero_points.elements(), " zero points for ", scales.elements(), " scales"));
}

}  // namespace

Result<void> quantize_linear_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1}));
  const AttrMap& attrs = context.attrs();
  const Tensor& x = context.in(0);
  const Tensor& scale = context.in(1);
  const bool has_zero = context.has(2);
  SLUICE_ASSIGN(const DType dtype,
                quantized_dtype(attrs, has_zero ? context.in(2).dtype() : DType::kUndefined));
  SLUICE_ASSIGN(const QuantLayout layout,
                quant_layout(x.shape(), scale.shape(), attrs.int_or("axis", 1),
                             attrs.int_or("block_size", 0)));
  if (has_zero) SLUICE_TRY(check_zero_points(context.in(2), scale));

  const bool saturate = attrs.int_or("saturate", 1) != 0;
  const int64_t named = attrs.int_or("precision", 0);
  DType precision = dtype_is_valid(named) ? static_cast<DType>(named) : DType::kFloat32;
  if (named == 0 && x.dtype() == DType::kFloat64) precision = DType::kFloat64;
  const std::vector<double> values = x.to_doubles();
  const std::vector<double> scales = scale.to_doubles();
  const std::vector<double> zeros =
      has_zero ? context.in(2).to_doubles() : std::vector<double>(scales.size(), 0.0);
  SLUICE_ASSIGN(Tensor * out, context.out(0, dtype, x.shape()));
  const auto format = float8_format(dtype);
  for_each_element(layout, [&](int64_t i, int64_t parameter) {
    const auto p = static_cast<size_t>(parameter);
    const double quotient =
        rounded_to(precision, rounded_to(precision, values[static_cast<size_t>(i)]) /
                                  rounded_to(precision, scales[p]));
    if (is_integer(dtype)) {
      out->set_int(i, op::quantize_to(dtype, quotient, static_cast<int64_t>(zeros[p])));
    } else if (format) {
      out->mutable_data<uint8_t>()[i] =
          float_to_float8(static_cast<float>(quotient), *format, saturate);
    } else {
      out->set_double(i, quotient + zeros[p]);
    }
  });
  return {};
}

Result<void> dequantize_linear_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1}));
  const AttrMap& attrs = context.attrs();
  const Tensor& x = context.in(0);
  const Tensor& scale = context.in(1);
  SLUICE_ASSIGN(const QuantLayout layout,
                quant_layout(x.shape(), scale.shape(), attrs.int_or("axis", 1),
                             attrs.int_or("block_size", 0)));
  if (context.has(2)) SLUICE_TRY(check_zero_points(context.in(2), scale));
  const int64_t named = attrs.int_or("output_dtype", 0);
  DType dtype = dtype_is_valid(named) ? static_cast<DType>(named) : scale.dtype();
  if (dtype == DType::kFloat8E8M0) dtype = DType::kFloat32;
  const std::vector<double> values = x.to_doubles();
  const std::vector<double> scales = scale.to_doubles();
  const std::vector<double> zeros =
      context.has(2) ? context.in(2).to_doubles() : std::vector<double>(scales.size(), 0.0);
  SLUICE_ASSIGN(Tensor * out, context.out(0, dtype, x.shape()));
  for_each_element(layout, [&](int64_t i, int64_t parameter) {
    const auto p = static_cast<size_t>(parameter);
    out->set_double(i, (values[static_cast<size_t>(i)] - zeros[p]) * scales[p]);
  });
  return {};
}

Result<void> dynamic_quantize_linear_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0}));
  const Tensor& x = context.in(0);
  const std::vector<double> values = x.to_doubles();
  const op::DynamicScale found = op::dynamic_scale(values);
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kUInt8, x.shape()));
  SLUICE_ASSIGN(Tensor * scale, context.out(1, DType::kFloat32, Shape{}));
  scale->set_double(0, found.scale);
  SLUICE_ASSIGN(Tensor * zero_point, context.out(2, DType::kUInt8, Shape{}));
  zero_point->set_int(0, found.zero_point);
  for (size_t i = 0; i < values.size(); ++i) {
    const float quotient = static_cast<float>(values[i]) / found.scale;
    y->set_int(static_cast<int64_t>(i), op::quantize_to(DType::kUInt8, quotient, found.zero_point));
  }
  return {};
}

// Gather along gather_axis of data that is dequantized on the way.
Result<void> gather_block_quantized_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1, 2}));
  const AttrMap& attrs = context.attrs();
  const Tensor& data = context.in(0);
  const Tensor& indices = context.in(1);
  const Tensor& scales = context.in(2);
  if (data.rank() < 1) return invalid_model("GatherBlockQuantized has scalar data");
  SLUICE_ASSIGN(const int gather_axis,
                op::normalized_axis(attrs.int_or("gather_axis", 0), data.rank()));
  SLUICE_ASSIGN(const int quantize_axis,
                op::normalized_axis(attrs.int_or("quantize_axis", 1), data.rank()));
  // uint8 data holds 8 / bits codes per byte along the last axis; other types hold one per element.
  const bool bytes = data.dtype() == DType::kUInt8;
  const int64_t bits = bytes ? attrs.int_or("bits", 4) : 8;
  if (bits != 2 && bits != 4 && bits != 8) {
    return invalid_model(cat("GatherBlockQuantized has ", bits, " bits (2, 4 or 8)"));
  }
  const int64_t per_byte = 8 / bits;
  if (per_byte > 1 && gather_axis == data.rank() - 1) {
    return invalid_model("GatherBlockQuantized gathers along the axis in which codes are packed");
  }
  Shape codes = data.shape();  // of the unpacked data
  if (__builtin_mul_overflow(codes[-1], per_byte, &codes[-1])) {
    return resource_error("GatherBlockQuantized has data too large to unpack");
  }
  int64_t block = attrs.int_or("block_size", 128);
  if (block == 0) block = std::max<int64_t>(codes[quantize_axis], 1);
  if (block < 1) return invalid_model(cat("GatherBlockQuantized has the block size ", block));

  if (scales.rank() != codes.rank()) {
    return invalid_model(cat("GatherBlockQuantized has scales of ", scales.rank(), " axes (",
                             codes.rank(), " expected)"));
  }
  Shape scale_steps = scales.shape().strides();
  for (int i = 0; i < codes.rank(); ++i) {
    const int64_t expected =
        i == quantize_axis ? codes[i] / block + (codes[i] % block != 0) : codes[i];
    if (scales.dim(i) == expected) continue;
    if (scales.dim(i) != 1) {
      return invalid_model(cat("GatherBlockQuantized has scales of shape ", scales.shape().text(),
                               " for codes of shape ", codes.text(), " in blocks of ", block));
    }
    scale_steps[i] = 0;
  }
  // Zero points of uint8 data are packed like the data.
  const Tensor* zeros = context.has(3) ? &context.in(3) : nullptr;
  Shape zero_shape = scales.shape();
  if (zeros != nullptr) {
    if (per_byte > 1) zero_shape[-1] = (zero_shape[-1] + per_byte - 1) / per_byte;
    if (!(zeros->shape() == zero_shape)) {
      return invalid_model(cat("GatherBlockQuantized has zero points of shape ",
                               zeros->shape().text(), " (", zero_shape.text(), " expected)"));
    }
  }
  const Shape zero_steps = zero_shape.strides();
  double default_zero = bytes ? static_cast<double>(int64_t{1} << (bits - 1)) : 0.0;
  if (is_floating(data.dtype())) default_zero = 0;

  if (codes.rank() - 1 + indices.rank() > kMaxRank) {
    return unsupported(cat("GatherBlockQuantized has a result of ",
                           codes.rank() - 1 + indices.rank(), " axes (limit ", kMaxRank, ")"));
  }
  Shape to;
  for (int i = 0; i < gather_axis; ++i) to.push_back(codes[i]);
  for (int i = 0; i < indices.rank(); ++i) to.push_back(indices.dim(i));
  for (int i = gather_axis + 1; i < codes.rank(); ++i) to.push_back(codes[i]);
  SLUICE_ASSIGN(Tensor * out, context.out(0, scales.dtype(), to));

  const std::vector<int64_t> chosen = indices.to_ints();
  const Shape index_steps = indices.shape().strides();
  const Shape data_steps = data.shape().strides();
  const int64_t mask = (int64_t{1} << bits) - 1;
  Shape from = Shape::filled(codes.rank(), 0);
  int64_t element = 0;
  for (Odometer at(to); !at.done(); at.next(), ++element) {
    int64_t which = 0;
    for (int i = 0; i < indices.rank(); ++i) which += at[gather_axis + i] * index_steps[i];
    int64_t index = chosen[static_cast<size_t>(which)];
    if (index < 0) index += codes[gather_axis];
    if (index < 0 || index >= codes[gather_axis]) {  // by contract: zeros, not an error
      out->set_double(element, 0);
      continue;
    }
    for (int i = 0; i < codes.rank(); ++i) {
      from[i] = i < gather_axis ? at[i] : i == gather_axis ? index : at[i + indices.rank() - 1];
    }
    int64_t scale_at = 0, zero_at = 0, data_at = 0;
    int64_t zero_column = 0;
    for (int i = 0; i < codes.rank(); ++i) {
      const bool last = i == codes.rank() - 1;
      int64_t block_index = i == quantize_axis ? from[i] / block : from[i];
      scale_at += block_index * scale_steps[i];
      if (scale_steps[i] == 0) block_index = 0;
      if (last) zero_column = block_index;
      zero_at += (last ? block_index / per_byte : block_index) * zero_steps[i];
      data_at += (last ? from[i] / per_byte : from[i]) * data_steps[i];
    }
    double code = data.get_double(data_at);
    if (per_byte > 1) {
      const auto byte = static_cast<int64_t>(code);
      code = static_cast<double>(byte >> (from[-1] % per_byte * bits) & mask);
    }
    double zero = default_zero;
    if (zeros != nullptr) {
      zero = zeros->get_double(zero_at);
      if (per_byte > 1) {
        const auto byte = static_cast<int64_t>(zero);
        zero = static_cast<double>(byte >> (zero_column % per_byte * bits) & mask);
      }
    }
    out->set_double(element, (code - zero) * scales.get_double(scale_at));
  }
  return {};
}

Result<void> byte_table_reference(plan::KernelContext& context) {
  constexpr op::DTypeSet kBytes = {DType::kInt8, DType::kUInt8};
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, kBytes));
  SLUICE_ASSIGN(const Tensor* table, op::input_tensor(context, 1, kBytes));
  if (table->elements() != 256) {
    return invalid_model(cat("A table of bytes has ", table->elements(), " elements (needs 256)"));
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, table->dtype(), x->shape()));
  for (int64_t i = 0; i < x->elements(); ++i) y->set_int(i, table->get_int(x->get_int(i) & 255));
  return {};
}

}  // namespace sluice::ops::quantize
