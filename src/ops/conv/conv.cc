#include "ops/conv/conv.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "op/op.h"
#include "op/operand.h"
#include "ops/conv/conv_cpu.h"
#include "ops/conv/conv_kernels.h"

namespace sluice::ops::conv {

using op::InferContext;
using op::WindowAttrs;
using op::WindowAxis;

namespace {

constexpr int64_t kExtentLimit = int64_t{1} << 31;

Result<int64_t> read_groups(const AttrMap& attrs, std::string_view name = "group") {
  const int64_t groups = attrs.int_or(name, 1);
  if (groups < 1)
    return invalid_model(cat("Attribute ", name, " is ", groups, " (must be positive)"));
  return groups;
}

// The product of some extents, or an error when it does not fit an address.
Result<void> check_elements(const Shape& shape) {
  if (!shape.checked_elements()) {
    return resource_error(cat("A tensor of shape ", shape.text(), " is too large to address"));
  }
  return {};
}

// The per-channel products that kernels form. Checked apart from the tensors' own sizes, which are
// 0 whatever these are when batch or channels are empty.
Result<void> check_spatial(const ConvGeometry& geometry) {
  Shape in, out, kernel;
  for (const WindowAxis& axis : geometry.axes) {
    in.push_back(std::max<int64_t>(axis.in, 1));
    out.push_back(std::max<int64_t>(axis.out, 1));
    kernel.push_back(axis.kernel);
  }
  SLUICE_TRY(check_elements(in));
  SLUICE_TRY(check_elements(out));
  return check_elements(kernel);
}

Result<void> check_ranks(const Shape& x, const Shape& w, const Shape* bias, int64_t out_channels) {
  if (x.rank() < 3 || w.rank() != x.rank()) {
    return usage_error(
        cat("Input ", x.text(), " and weight ", w.text(), " must have the same rank, at least 3"));
  }
  if (bias != nullptr && !(*bias == Shape{out_channels})) {
    return usage_error(cat("The bias has shape ", bias->text(), " (needs [", out_channels, "])"));
  }
  return {};
}

}  // namespace

int64_t ConvGeometry::kernel_elems() const {
  int64_t n = 1;
  for (const WindowAxis& axis : axes) n *= axis.kernel;
  return n;
}
int64_t ConvGeometry::in_elems() const {
  int64_t n = 1;
  for (const WindowAxis& axis : axes) n *= axis.in;
  return n;
}
int64_t ConvGeometry::out_elems() const {
  int64_t n = 1;
  for (const WindowAxis& axis : axes) n *= axis.out;
  return n;
}

Shape conv_output_shape(const ConvGeometry& geometry) {
  Shape out{geometry.batch, geometry.out_channels};
  for (const WindowAxis& axis : geometry.axes) out.push_back(axis.out);
  return out;
}

Shape conv_transpose_output_shape(const ConvGeometry& geometry) {
  Shape out{geometry.batch, geometry.out_channels};
  for (const WindowAxis& axis : geometry.axes) out.push_back(axis.in);
  return out;
}

Result<ConvGeometry> conv_geometry(const AttrMap& attrs, const Shape& x, const Shape& w,
                                   const Shape* bias) {
  ConvGeometry out;
  SLUICE_TRY(check_ranks(x, w, bias, w.rank() > 0 ? w[0] : 0));
  SLUICE_ASSIGN(out.groups, read_groups(attrs));
  out.batch = x[0];
  out.in_channels = x[1];
  out.out_channels = w[0];
  if (out.in_channels % out.groups != 0 || out.in_channels / out.groups != w[1]) {
    return usage_error(cat("The input has ", out.in_channels, " channels, but the weight ",
                           w.text(), " in ", out.groups, " groups takes ", w[1], " per group"));
  }
  if (out.out_channels % out.groups != 0) {
    return usage_error(cat("The weight has ", out.out_channels,
                           " output channels, not a multiple of group (", out.groups, ")"));
  }
  SLUICE_ASSIGN(const WindowAttrs window,
                op::read_window_attrs(attrs, x.rank() - 2, w.dims().subspan(2)));
  SLUICE_ASSIGN(out.axes, op::resolve_window(window, x.dims().subspan(2)));
  SLUICE_TRY(check_spatial(out));
  SLUICE_TRY(check_elements(conv_output_shape(out)));
  return out;
}

Result<ConvGeometry> conv_transpose_geometry(const AttrMap& attrs, const Shape& x, const Shape& w,
                                             const Shape* bias) {
  ConvGeometry out;
  SLUICE_ASSIGN(out.groups, read_groups(attrs));
  const int64_t per_group = w.rank() > 1 ? w[1] : 0;
  if (__builtin_mul_overflow(per_group, out.groups, &out.out_channels)) {
    return usage_error(cat("Attribute group is ", out.groups, ", too large"));
  }
  SLUICE_TRY(check_ranks(x, w, bias, out.out_channels));
  out.batch = x[0];
  out.in_channels = x[1];
  if (w[0] != out.in_channels || out.in_channels % out.groups != 0) {
    return usage_error(cat("The input has ", out.in_channels, " channels, but the weight ",
                           w.text(), " takes ", w[0], " in ", out.groups, " groups"));
  }
  const int rank = x.rank() - 2;
  const auto count = static_cast<size_t>(rank);
  SLUICE_ASSIGN(const WindowAttrs window, op::read_window_attrs(attrs, rank, w.dims().subspan(2)));
  std::vector<int64_t> extra = attrs.ints_or("output_padding");
  std::vector<int64_t> wanted = attrs.ints_or("output_shape");
  if (extra.empty()) extra.assign(count, 0);
  // Some exporters put batch and channels in front.
  if (wanted.size() == count + 2) wanted.erase(wanted.begin(), wanted.begin() + 2);
  if (extra.size() != count || (!wanted.empty() && wanted.size() != count)) {
    return invalid_model(
        cat("Attributes output_padding and output_shape need ", count, " entries"));
  }
  for (size_t i = 0; i < count; ++i) {
    WindowAxis axis{.kernel = window.kernel.size() == count ? window.kernel[i] : 1,
                    .stride = window.strides[i],
                    .dilation = window.dilations[i],
                    .pad_begin = window.pads[i],
                    .pad_end = window.pads[i + count],
                    .out = x[static_cast<int>(i) + 2]};
    if (extra[i] < 0 || extra[i] >= kExtentLimit || axis.out >= kExtentLimit || axis.out < 0) {
      return unsupported(cat("Spatial axis ", i, " has ", axis.out, " elements and output_padding ",
                             extra[i], " (limits: 0 and 2^31)"));
    }
    if (axis.extent() >= (int64_t{1} << 40)) {
      return unsupported(cat("A window spans ", axis.extent(), " elements (the limit is 2^40)"));
    }
    const int64_t full = axis.stride * (axis.out - 1) + extra[i] + axis.extent();
    const bool same =
        window.auto_pad == op::AutoPad::kSameUpper || window.auto_pad == op::AutoPad::kSameLower;
    if (!wanted.empty() || same) {
      axis.in = wanted.empty() ? axis.out * axis.stride : wanted[i];
      const int64_t total = std::max<int64_t>(0, full - axis.in);
      axis.pad_begin = window.auto_pad == op::AutoPad::kSameUpper ? total / 2 : total - total / 2;
      axis.pad_end = total - axis.pad_begin;
    } else {
      axis.in = full - axis.pad_begin - axis.pad_end;
    }
    if (axis.in < 0) {
      return invalid_model(
          cat("Spatial axis ", i, " of the output would have ", axis.in, " elements"));
    }
    out.axes.push_back(axis);
  }
  SLUICE_TRY(check_spatial(out));
  SLUICE_TRY(check_elements(conv_transpose_output_shape(out)));
  return out;
}

Result<op::Activation> fused_activation(const AttrMap& attrs) {
  const std::string name = attrs.string_or("activation", "");
  const std::vector<float> params = attrs.floats_or("activation_params");
  const auto param = [&](size_t i) {
    return i < params.size() ? std::optional<double>(params[i]) : std::nullopt;
  };
  return op::Activation::parse(name, param(0), param(1));
}

namespace {

// --- inference

const Dims* input_dims(const InferContext& context, int i) {
  return context.has_input(i) && context.input_type(i).has_rank() ? &*context.input_type(i).dims
                                                                  : nullptr;
}

// [N,M,out...] of a convolution whose operands are inputs x, w and bias (-1: none).
Result<void> infer_conv_shape(InferContext& context, DType dtype, int x, int w, int bias) {
  const Dims* x_dims = input_dims(context, x);
  const Dims* w_dims = input_dims(context, w);
  if (x_dims == nullptr && w_dims == nullptr) {
    context.set_output(0, dtype);
    return {};
  }
  const size_t rank = x_dims != nullptr ? x_dims->size() : w_dims->size();
  if (rank < 3 || rank > kMaxRank) {
    return context.fail(cat("the rank is ", rank, " (must be 3 to ", kMaxRank, ")"));
  }
  if (x_dims != nullptr && w_dims != nullptr && x_dims->size() != w_dims->size()) {
    return context.fail(cat("input ", dims_text(*x_dims), " and weight ", dims_text(*w_dims),
                            " have different ranks"));
  }
  if (x_dims != nullptr && w_dims != nullptr) {
    const auto x_shape = to_shape(*x_dims), w_shape = to_shape(*w_dims);
    if (x_shape && w_shape) {
      std::optional<Shape> bias_shape;
      if (const Dims* dims = input_dims(context, bias)) bias_shape = to_shape(*dims);
      const auto geometry =
          conv_geometry(context.attrs(), *x_shape, *w_shape, bias_shape ? &*bias_shape : nullptr);
      if (!geometry) return context.fail(geometry.error().message);
      context.set_output(0, dtype, to_dims(conv_output_shape(*geometry)));
      return {};
    }
  }
  std::vector<int64_t> kernel;
  for (size_t i = 2; w_dims != nullptr && i < rank; ++i) {
    kernel.push_back((*w_dims)[i].is_known() ? (*w_dims)[i].value() : -1);
  }
  const auto window = op::read_window_attrs(context.attrs(), static_cast<int>(rank) - 2, kernel);
  if (!window) return context.fail(window.error().message);
  Dims out;
  out.push_back(x_dims != nullptr ? (*x_dims)[0] : Dim::unknown());
  out.push_back(w_dims != nullptr ? (*w_dims)[0] : Dim::unknown());
  for (size_t i = 2; i < rank; ++i) {
    out.push_back(x_dims != nullptr
                      ? op::window_output_dim(*window, static_cast<int>(i) - 2, (*x_dims)[i])
                      : Dim::unknown());
  }
  context.set_output(0, dtype, std::move(out));
  return {};
}

Result<void> infer_conv(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 0, 3, op::kFloats));
  return infer_conv_shape(context, dtype, 0, 1, 2);
}

Result<void> infer_fused_conv(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 0, 4, op::kFloats));
  if (const auto activation = fused_activation(context.attrs()); !activation) {
    return context.fail(activation.error().message);
  }
  return infer_conv_shape(context, dtype, 0, 1, 2);
}

constexpr op::DTypeSet kBytes = {DType::kInt8, DType::kUInt8};

Result<void> infer_conv_integer(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, kBytes));
  SLUICE_TRY(op::input_dtype(context, 1, kBytes));
  return infer_conv_shape(context, DType::kInt32, 0, 1, -1);
}

Result<void> infer_dynamic_quantized_conv(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, {DType::kFloat32}));
  SLUICE_TRY(op::input_dtype(context, 1, kBytes));
  if (const auto activation = fused_activation(context.attrs()); !activation) {
    return context.fail(activation.error().message);
  }
  return infer_conv_shape(context, DType::kFloat32, 0, 1, 4);
}

Result<void> infer_qlinear_conv(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, kBytes));
  SLUICE_TRY(op::input_dtype(context, 3, kBytes));
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 7, kBytes));
  return infer_conv_shape(context, dtype, 0, 3, 8);
}

Result<void> infer_conv_transpose(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 0, 3, op::kFloats));
  const Dims* x = input_dims(context, 0);
  const Dims* w = input_dims(context, 1);
  if (x == nullptr) {
    context.set_output(0, dtype);
    return {};
  }
  const size_t rank = x->size();
  if (rank < 3 || rank > kMaxRank) {
    return context.fail(cat("the rank is ", rank, " (must be 3 to ", kMaxRank, ")"));
  }
  if (w == nullptr) {
    Dims out(rank, Dim::unknown());
    out[0] = (*x)[0];
    context.set_output(0, dtype, std::move(out));
    return {};
  }
  if (w->size() != rank) {
    return context.fail(
        cat("input ", dims_text(*x), " and weight ", dims_text(*w), " have different ranks"));
  }
  const auto x_shape = to_shape(*x), w_shape = to_shape(*w);
  if (x_shape && w_shape) {
    const auto geometry = conv_transpose_geometry(context.attrs(), *x_shape, *w_shape);
    if (!geometry) return context.fail(geometry.error().message);
    context.set_output(0, dtype, to_dims(conv_transpose_output_shape(*geometry)));
    return {};
  }
  std::vector<int64_t> kernel;
  for (size_t i = 2; i < rank; ++i) {
    kernel.push_back((*w)[i].is_known() ? (*w)[i].value() : -1);
  }
  const auto window = op::read_window_attrs(context.attrs(), static_cast<int>(rank) - 2, kernel);
  if (!window) return context.fail(window.error().message);
  const size_t count = rank - 2;
  std::vector<int64_t> wanted = context.attrs().ints_or("output_shape");
  if (wanted.size() == count + 2) wanted.erase(wanted.begin(), wanted.begin() + 2);
  const std::vector<int64_t> extra = context.attrs().ints_or("output_padding");
  const bool same =
      window->auto_pad == op::AutoPad::kSameUpper || window->auto_pad == op::AutoPad::kSameLower;
  Dims out{(*x)[0], (*w)[1] * Dim(context.attrs().int_or("group", 1))};
  for (size_t i = 0; i < count; ++i) {
    const Dim stride(window->strides[i]);
    if (wanted.size() == count) {
      out.emplace_back(wanted[i]);
    } else if (same) {
      out.push_back((*x)[i + 2] * stride);
    } else if (window->kernel.size() == count) {
      const int64_t fixed = (window->kernel[i] - 1) * window->dilations[i] + 1 - window->pads[i] -
                            window->pads[i + count] + (i < extra.size() ? extra[i] : 0);
      out.push_back(((*x)[i + 2] - Dim(1)) * stride + Dim(fixed));
    } else {
      out.push_back(Dim::unknown());
    }
  }
  context.set_output(0, dtype, std::move(out));
  return {};
}

Result<void> infer_deform_conv(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 0, 5, op::kFloats));
  SLUICE_TRY(infer_conv_shape(context, dtype, 0, 1, 3));
  // The offsets are made for every output position, so they know its extents too.
  if (const Dims* offset = input_dims(context, 2);
      offset != nullptr && context.output_types[0].has_rank()) {
    Dims out = *context.output_types[0].dims;
    if (offset->size() != out.size()) {
      return context.fail(
          cat("the offsets have rank ", offset->size(), " (needs ", out.size(), ")"));
    }
    for (size_t i = 2; i < out.size(); ++i) {
      if (out[i].is_unknown()) out[i] = (*offset)[i];
    }
    context.set_output(0, dtype, std::move(out));
  }
  return {};
}

Result<void> infer_causal_conv(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 0, 4, op::kFloats));
  const std::string activation = context.attrs().string_or("activation", "none");
  if (activation != "none" && activation != "silu" && activation != "swish") {
    return context.fail(
        cat("activation is ", quoted(activation), " (must be none, silu or swish)"));
  }
  const Dims* x = input_dims(context, 0);
  const Dims* w = input_dims(context, 1);
  if ((x != nullptr && x->size() != 3) || (w != nullptr && w->size() != 3)) {
    return context.fail("input and weight must have rank 3");
  }
  context.set_output(0, dtype, x != nullptr ? *x : Dims(3, Dim::unknown()));
  context.set_output(
      1, dtype,
      {x != nullptr ? (*x)[0] : Dim::unknown(), x != nullptr ? (*x)[1] : Dim::unknown(),
       w != nullptr ? (*w)[2] - Dim(1) : Dim::unknown()});
  return {};
}

// --- cost: two flops per multiply-add

double known_product(const Type& type, size_t first) {
  if (!type.has_rank()) return 0;
  double n = 1;
  for (size_t i = first; i < type.dims->size(); ++i) {
    const Dim& dim = (*type.dims)[i];
    if (!dim.is_known()) return 0;
    n *= static_cast<double>(dim.value());
  }
  return n;
}

template <int kWeight>
op::Cost conv_cost(const op::NodeView& node) {
  return {2 * known_product(node.output_type(0), 0) * known_product(node.input_type(kWeight), 1)};
}
op::Cost conv_transpose_cost(const op::NodeView& node) {
  return {2 * known_product(node.input_type(0), 0) * known_product(node.input_type(1), 1)};
}

constexpr op::OpDef kOps[] = {
    {.name = "Conv",
     .min_inputs = 2,
     .max_inputs = 3,
     .infer = infer_conv,
     .reference = conv_reference,
     .cpu = kConvCpu,
     .cost = conv_cost<1>},
    {.name = "ConvTranspose",
     .min_inputs = 2,
     .max_inputs = 3,
     .infer = infer_conv_transpose,
     .reference = conv_transpose_reference,
     .cpu = kConvTransposeCpu,
     .cost = conv_transpose_cost},
    {.name = "DeformConv",
     .min_inputs = 3,
     .max_inputs = 5,
     .infer = infer_deform_conv,
     .reference = deform_conv_reference,
     .cost = conv_cost<1>},
    {.name = "ConvInteger",
     .min_inputs = 2,
     .max_inputs = 4,
     .infer = infer_conv_integer,
     .reference = conv_integer_reference,
     .cpu = kConvIntegerCpu,
     .cost = conv_cost<1>},
    {.name = "QLinearConv",
     .min_inputs = 8,
     .max_inputs = 9,
     .infer = infer_qlinear_conv,
     .reference = qlinear_conv_reference,
     .cpu = kQLinearConvCpu,
     .cost = conv_cost<3>},
    {.name = "CausalConvWithState",
     .min_inputs = 2,
     .max_inputs = 4,
     .max_outputs = 2,
     .infer = infer_causal_conv,
     .reference = causal_conv_reference,
     .cost = conv_cost<1>},
    {.name = "FusedConv",
     .domain = "com.microsoft",
     .min_inputs = 2,
     .max_inputs = 4,
     .infer = infer_fused_conv,
     .reference = fused_conv_reference,
     .cpu = kFusedConvCpu,
     .cost = conv_cost<1>,
     .nonstandard = "activation(Conv(X, W, B) + Z), written by onnxruntime's graph optimizer"},
    {.name = "FusedConv",
     .domain = "sluice",
     .min_inputs = 2,
     .max_inputs = 4,
     .infer = infer_fused_conv,
     .reference = fused_conv_reference,
     .cpu = kFusedConvCpu,
     .cost = conv_cost<1>,
     .nonstandard = "activation(Conv(X, W, B) + Z), made by fusion: `activation` is named without "
                    "regard to case, its parameters are in `activation_params`"},
    {.name = "DynamicQuantizedConv",
     .domain = "sluice",
     .min_inputs = 3,
     .max_inputs = 5,
     .infer = infer_dynamic_quantized_conv,
     .reference = dynamic_quantized_conv_reference,
     .cpu = kDynamicQuantizedConvCpu,
     .cost = conv_cost<1>,
     .nonstandard = "activation(ConvInteger of dynamically quantized X, times both scales, + B), "
                    "made by fusion for the CPU"},
};

}  // namespace

std::span<const op::OpDef> op_defs() { return kOps; }

}  // namespace sluice::ops::conv
