// Between float32 and 8-bit integers by vector, per tensor and per axis.
#include "ops/quantize/quantize_cpu.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/text.h"
#include "op/operand.h"
#include "op/quantization.h"
#include "op/scratch.h"
#include "ops/quantize/quantize.h"
#include "simd/elementwise.h"
#include "simd/quantize.h"

namespace sluice::ops::quantize {

using op::NodeView;
using plan::KernelContext;

namespace {

constexpr int64_t kGrain = 16 * 1024;  // elements

bool is_byte(DType dtype) { return dtype == DType::kUInt8 || dtype == DType::kInt8; }

// Calls body(begin, end, parameter) for runs of elements that share scale and zero point.
template <class Body>
void for_each_run(KernelContext& context, const QuantLayout& layout, Body&& body) {
  const int64_t total = layout.outer * layout.axis * layout.inner;
  const int64_t run = layout.mode == QuantLayout::Mode::kPerTensor ? total : layout.inner;
  if (total == 0) return;
  context.parallel_for(total, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end;) {
      const int64_t row = at / run, stop = std::min(end, (row + 1) * run);
      body(at, stop, layout.mode == QuantLayout::Mode::kPerTensor ? 0 : row % layout.axis);
      at = stop;
    }
  });
}

Result<const int32_t*> zero_points(KernelContext& context, int64_t count) {
  SLUICE_ASSIGN(int32_t* const out, op::scratch<int32_t>(context, count, "A quantization"));
  std::fill_n(out, count, 0);
  if (!context.has(2)) return out;
  const Tensor& zero = context.in(2);
  if (zero.elements() != count) {
    return invalid_model(cat("There are ", zero.elements(), " zero points for ", count, " scales"));
  }
  for (int64_t i = 0; i < count; ++i) {
    out[i] = static_cast<int32_t>(zero.get_int(i));
  }
  return out;
}

Result<void> quantize_f32(KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1}));
  const AttrMap& attrs = context.attrs();
  const Tensor& x = context.in(0);
  const Tensor& scale = context.in(1);
  SLUICE_ASSIGN(const DType dtype,
                quantized_dtype(attrs, context.has(2) ? context.in(2).dtype() : DType::kUndefined));
  SLUICE_ASSIGN(const QuantLayout layout,
                quant_layout(x.shape(), scale.shape(), attrs.int_or("axis", 1),
                             attrs.int_or("block_size", 0)));
  const int64_t precision = attrs.int_or("precision", 0);
  if (layout.mode == QuantLayout::Mode::kBlocked || !is_byte(dtype) ||
      x.dtype() != DType::kFloat32 || scale.dtype() != DType::kFloat32 ||
      (precision != 0 && precision != static_cast<int64_t>(DType::kFloat32))) {
    return quantize_linear_reference(context);
  }
  SLUICE_ASSIGN(const int32_t* const zeros, zero_points(context, scale.elements()));
  SLUICE_ASSIGN(Tensor * y, context.out(0, dtype, x.shape()));
  const float* const in = x.data<float>();
  const float* const scales = scale.data<float>();
  for_each_run(context, layout, [&](int64_t begin, int64_t end, int64_t p) {
    const int32_t zero = zeros[p];
    if (dtype == DType::kUInt8) {
      simd::quantize(in + begin, scales[p], zero, y->mutable_data<uint8_t>() + begin, end - begin);
    } else {
      simd::quantize(in + begin, scales[p], zero, y->mutable_data<int8_t>() + begin, end - begin);
    }
  });
  return {};
}

Result<void> dequantize_f32(KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1}));
  const AttrMap& attrs = context.attrs();
  const Tensor& x = context.in(0);
  const Tensor& scale = context.in(1);
  SLUICE_ASSIGN(const QuantLayout layout,
                quant_layout(x.shape(), scale.shape(), attrs.int_or("axis", 1),
                             attrs.int_or("block_size", 0)));
  const int64_t named = attrs.int_or("output_dtype", 0);
  if (layout.mode == QuantLayout::Mode::kBlocked || !is_byte(x.dtype()) ||
      scale.dtype() != DType::kFloat32 ||
      (named != 0 && named != static_cast<int64_t>(DType::kFloat32))) {
    return dequantize_linear_reference(context);
  }
  SLUICE_ASSIGN(const int32_t* const zeros, zero_points(context, scale.elements()));
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, x.shape()));
  float* const out = y->mutable_data<float>();
  const float* const scales = scale.data<float>();
  for_each_run(context, layout, [&](int64_t begin, int64_t end, int64_t p) {
    const int32_t zero = zeros[p];
    if (x.dtype() == DType::kUInt8) {
      simd::dequantize(x.data<uint8_t>() + begin, scales[p], zero, out + begin, end - begin);
    } else {
      simd::dequantize(x.data<int8_t>() + begin, scales[p], zero, out + begin, end - begin);
    }
  });
  return {};
}

Result<void> dynamic_quantize_f32(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, {DType::kFloat32}));
  const float* const in = x->data<float>();
  if (x->elements() == 0) return dynamic_quantize_linear_reference(context);
  SLUICE_ASSIGN(
      simd::Range32* const pieces,
      op::scratch<simd::Range32>(context, simd::range_pieces(x->elements()), "A quantization"));
  const simd::Range32 range = simd::range_of(in, x->elements(), pieces,
                                             [&](int64_t count, int64_t grain, simd::Range body) {
                                               context.parallel_for(count, grain, body);
                                             });
  const float low = range.low, high = range.high;
  if (!(low == low)) return dynamic_quantize_linear_reference(context);
  // The range of all elements is that of its two ends.
  const std::array<double, 2> ends = {static_cast<double>(low), static_cast<double>(high)};
  const op::DynamicScale found = op::dynamic_scale(ends);
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kUInt8, x->shape()));
  auto* const out = y->mutable_data<uint8_t>();
  context.parallel_for(x->elements(), kGrain, [&](int64_t begin, int64_t end) {
    simd::quantize(in + begin, found.scale, static_cast<int32_t>(found.zero_point), out + begin,
                   end - begin);
  });
  SLUICE_ASSIGN(Tensor * scale, context.out(1, DType::kFloat32, Shape{}));
  scale->set_double(0, found.scale);
  SLUICE_ASSIGN(Tensor * zero_point, context.out(2, DType::kUInt8, Shape{}));
  zero_point->set_int(0, found.zero_point);
  return {};
}

std::string refuse_quantize(const NodeView& node) {
  if (node.input_type(0).dtype != DType::kFloat32 || node.input_type(1).dtype != DType::kFloat32) {
    return "input or scale is not float32";
  }
  const DType made = node.output_type(0).dtype;
  if (!is_byte(made)) return cat("the result is ", dtype_name(made), " (makes 8-bit integers)");
  if (node.attrs().int_or("block_size", 0) != 0) return "scales are blocked";
  return {};
}

std::string refuse_dequantize(const NodeView& node) {
  if (!is_byte(node.input_type(0).dtype)) {
    return cat("the input is ", node.input_type(0).text(), " (takes 8-bit integers)");
  }
  if (node.input_type(1).dtype != DType::kFloat32) return "the scale is not float32";
  if (node.attrs().int_or("block_size", 0) != 0) return "scales are blocked";
  return {};
}

std::string refuse_dynamic(const NodeView& node) {
  if (node.input_type(0).dtype != DType::kFloat32) return "the input is not float32";
  return {};
}

}  // namespace

const op::CpuCandidate kQuantizeCpu[1] = {
    {.kernel = {.name = "quantize.f32_to_8bit.simd", .run = quantize_f32},
     .refuse = refuse_quantize}};
const op::CpuCandidate kDequantizeCpu[1] = {
    {.kernel = {.name = "dequantize.8bit_to_f32.simd", .run = dequantize_f32},
     .refuse = refuse_dequantize}};
const op::CpuCandidate kDynamicQuantizeCpu[1] = {
    {.kernel = {.name = "dynamic_quantize.f32_to_u8.simd", .run = dynamic_quantize_f32},
     .refuse = refuse_dynamic}};

}  // namespace sluice::ops::quantize
