#include "ops/unary/unary.h"

#include <array>
#include <limits>

#include "base/text.h"
#include "op/operand.h"
#include "ops/unary/unary_cpu.h"

namespace sluice::ops::unary {

namespace {

using op::DTypeSet;
using op::InferContext;
using op::NodeView;
using op::OpDef;
using op::UpgradeContext;

constexpr DTypeSet kSignedNumbers = op::kFloats | op::kSignedInts;
constexpr DTypeSet kFloatsAndFloat8s = op::kFloats | op::kFloat8s;

template <const DTypeSet& kAllowed>
Result<void> infer_same(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, kAllowed));
  context.set_output(0, context.input_type(0));
  return {};
}

template <const DTypeSet& kAllowed>
Result<void> infer_bool(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, kAllowed));
  Type type = context.input_type(0);
  type.kind = Type::Kind::kTensor;
  type.dtype = DType::kBool;
  context.set_output(0, std::move(type));
  return {};
}

Result<void> infer_not(InferContext& context) {
  SLUICE_TRY(infer_bool<op::kBools>(context));
  if (auto values = context.ints(0)) {
    for (Dim& value : *values) {
      value = value.is_known() ? Dim(value.value() == 0 ? 1 : 0) : Dim::unknown();
    }
    context.set_output_ints(0, std::move(*values));
  }
  return {};
}

// Neg and Abs also carry shape arithmetic along.
template <bool kNegate>
Result<void> infer_sign_change(InferContext& context) {
  SLUICE_TRY(kNegate ? infer_same<kSignedNumbers>(context) : infer_same<op::kNumbers>(context));
  if (!is_integer(context.input_type(0).dtype)) return {};
  if (auto values = context.ints(0)) {
    for (Dim& value : *values) {
      if (kNegate) {
        value = Dim(0) - value;
      } else if (value.is_known()) {
        if (value.value() < 0) value = Dim(0) - value;
      } else {
        value = Dim::unknown();
      }
    }
    context.set_output_ints(0, std::move(*values));
  }
  return {};
}

// Any kind of value: tensor, sequence, optional.
Result<void> infer_identity(InferContext& context) {
  if (!context.has_input(0)) return context.fail("input 0 is missing");
  context.set_output(0, context.input_type(0));
  if (auto values = context.ints(0)) context.set_output_ints(0, std::move(*values));
  return {};
}

Result<void> infer_gelu(InferContext& context) {
  const std::string approximate = context.attrs().string_or("approximate", "none");
  if (approximate != "none" && approximate != "tanh") {
    return context.fail(
        cat("attribute approximate is ", quoted(approximate), " (allowed: none or tanh)"));
  }
  return infer_same<op::kFloats>(context);
}

Result<void> infer_clip(InferContext& context) {
  SLUICE_TRY(op::common_dtype(context, 0, -1, op::kNumbers));
  for (int i = 1; i <= 2; ++i) {
    if (!context.has_input(i)) continue;
    const auto shape = context.input_type(i).shape();
    if (shape && shape->elements() != 1) {
      return context.fail(cat("bound ", i, " has shape ", shape->text(), " (a scalar is needed)"));
    }
  }
  SLUICE_TRY(infer_same<op::kNumbers>(context));
  const auto low = context.constant_int(1), high = context.constant_int(2);
  auto values = context.ints(0);
  if (!values || !is_integer(context.input_type(0).dtype)) return {};
  for (Dim& value : *values) {
    if (context.has_input(1)) value = low ? Dim::max(value, *low) : Dim::unknown();
    if (context.has_input(2)) value = high ? Dim::min(value, *high) : Dim::unknown();
  }
  context.set_output_ints(0, std::move(*values));
  return {};
}

// The second input must broadcast to the first one, whose type the output takes.
Result<void> check_broadcasts_to_first(InferContext& context, std::string_view what) {
  const Type& x = context.input_type(0);
  const Type& other = context.input_type(1);
  if (!x.has_rank() || !other.has_rank()) return {};
  SLUICE_ASSIGN(const Dims joined, broadcast(*x.dims, *other.dims));
  bool fits = joined.size() == x.dims->size();
  for (size_t i = 0; fits && i < joined.size(); ++i) {
    const Dim& from = (*x.dims)[i];
    if (from.is_known() && joined[i].is_known() && from.value() != joined[i].value()) fits = false;
  }
  if (fits) return {};
  return context.fail(cat("the ", what, " of shape ", dims_text(*other.dims),
                          " does not broadcast to the input of shape ", dims_text(*x.dims)));
}

Result<void> infer_prelu(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 1));
  SLUICE_TRY(op::common_dtype(context, 0, -1, op::kNumbers));
  SLUICE_TRY(check_broadcasts_to_first(context, "slope"));
  return infer_same<op::kNumbers>(context);
}

Result<void> infer_biased(InferContext& context) {
  SLUICE_TRY(op::common_dtype(context, 0, -1, op::kFloats));
  if (context.has_input(1)) SLUICE_TRY(check_broadcasts_to_first(context, "bias"));
  return infer_same<op::kFloats>(context);
}

Result<void> infer_fast_gelu(InferContext& context) {
  SLUICE_TRY(op::common_dtype(context, 0, -1, op::kFloats));
  return infer_same<op::kFloats>(context);
}

Result<void> infer_swiglu(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 1));
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 0, -1, op::kFloats));
  const Type& gate = context.input_type(0);
  const Type& value = context.input_type(1);
  const auto gate_shape = gate.shape(), value_shape = value.shape();
  if (gate_shape && value_shape && *gate_shape != *value_shape) {
    return context.fail(cat("the gate has shape ", gate_shape->text(), " and the value ",
                            value_shape->text(), " (they must be equal)"));
  }
  const Type& known = gate.has_rank() ? gate : value;
  if (known.has_rank()) {
    context.set_output(0, dtype, *known.dims);
  } else {
    context.set_output(0, dtype);
  }
  return {};
}

Result<void> infer_bias_add(InferContext& context) {
  for (int i = 0; i < 3; ++i) SLUICE_TRY(op::input_dtype(context, i, op::kFloats));
  return infer_biased(context);
}

Result<void> infer_bias_split_gelu(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 1));
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 0, -1, op::kFloats));
  const Type& x = context.input_type(0);
  if (!x.has_rank()) {
    context.set_output(0, dtype);
    return {};
  }
  Dims dims = *x.dims;
  if (dims.empty() || (dims.back().is_known() && dims.back().value() % 2 != 0)) {
    return context.fail(cat("the input has shape ", dims_text(dims), " (needed: [N,S,2*D])"));
  }
  dims.back() = Dim::floor_div(dims.back(), 2);
  context.set_output(0, dtype, std::move(dims));
  return {};
}

Result<void> infer_image_scaler(InferContext& context) {
  const Type& x = context.input_type(0);
  if (x.has_rank() && x.dims->size() != 4) {
    return context.fail(cat("the input has rank ", x.dims->size(), " (4 is needed)"));
  }
  return infer_same<op::kFloats>(context);
}

// Before opset 11 the bounds were attributes.
Result<void> upgrade_clip(UpgradeContext& context) {
  if (context.opset >= 11) return {};
  ir::Node& node = context.node;
  // Files that claim an older opset than they use exist.
  if (node.inputs.size() != 1) return {};
  const ir::ValueId x = node.inputs[0];
  const DType dtype = context.input_type(0).dtype;
  const auto bound = [&](std::string_view name, bool fixed) {
    if (!fixed) return ir::kNoValue;
    const float value = node.attrs.float_or(name, 0.0f);
    if (dtype != DType::kUndefined && op::kNumbers.has(dtype)) {
      const double wide = value;
      return context.add_constant(Tensor::of_doubles(dtype, Shape{}, std::span(&wide, 1)));
    }
    return context.add_before("CastLike", {context.add_constant(Tensor::scalar(value)), x});
  };
  // The old defaults, the ends of float32's range, also appear spelled out; either means no bound.
  const float top = std::numeric_limits<float>::max();
  const bool has_low = node.attrs.float_or("min", -top) > -top;
  const bool has_high = node.attrs.float_or("max", top) < top;
  const ir::ValueId low = bound("min", has_low);
  const ir::ValueId high = bound("max", has_high);
  node.inputs.resize(1);
  if (has_low || has_high) node.inputs.push_back(low);
  if (has_high) node.inputs.push_back(high);
  node.attrs.erase("min");
  node.attrs.erase("max");
  return {};
}

// Before opset 7 a 1-D slope belonged to axis 1.
Result<void> upgrade_prelu(UpgradeContext& context) {
  if (context.opset >= 7) return {};
  const Type& x = context.input_type(0);
  const Type& slope = context.input_type(1);
  if (!slope.has_rank() || slope.dims->size() != 1 || (*slope.dims)[0] == Dim(1)) return {};
  if (!x.has_rank()) {
    return unsupported("PRelu of an opset before 7 needs an input whose rank is known");
  }
  std::vector<int64_t> axes;
  for (size_t i = 1; i + 1 < x.dims->size(); ++i) axes.push_back(static_cast<int64_t>(i));
  if (axes.empty()) return {};
  context.node.inputs[1] =
      context.add_before("Unsqueeze", {context.node.inputs[1], context.add_ints(axes)});
  return {};
}

// About one operation an element; what a transcendental really costs depends on the kernel.
op::Cost cost_elementwise(const NodeView& node) {
  const auto shape = node.output_type(0).shape();
  return {shape ? static_cast<double>(shape->elements()) : 0.0};
}

constexpr OpDef simple(std::string_view name, Result<void> (*infer)(InferContext&),
                       plan::KernelFn kernel) {
  return {.name = name,
          .min_inputs = 1,
          .max_inputs = 1,
          .infer = infer,
          .reference = kernel,
          .cost = cost_elementwise};
}

constexpr OpDef microsoft(std::string_view name, int max_inputs,
                          Result<void> (*infer)(InferContext&), plan::KernelFn kernel,
                          std::string_view meaning) {
  OpDef def = simple(name, infer, kernel);
  def.domain = "com.microsoft";
  def.max_inputs = max_inputs;
  def.nonstandard = meaning;
  return def;
}

constexpr OpDef experimental(std::string_view name, plan::KernelFn kernel,
                             std::string_view meaning) {
  OpDef def = simple(name, infer_same<op::kFloats>, kernel);
  def.nonstandard = meaning;
  return def;
}

constexpr auto make_rows() {
  constexpr auto floats = infer_same<op::kFloats>;
  OpDef identity = simple("Identity", infer_identity, identity_reference);
  identity.view = true;
  identity.cost = nullptr;
  OpDef clip = simple("Clip", infer_clip, clip_reference);
  clip.max_inputs = 3;
  clip.upgrade = upgrade_clip;
  OpDef prelu = simple("PRelu", infer_prelu, prelu_reference);
  prelu.min_inputs = prelu.max_inputs = 2;
  prelu.upgrade = upgrade_prelu;
  OpDef swiglu = simple("SwiGLU", infer_swiglu, swiglu_reference);
  swiglu.min_inputs = swiglu.max_inputs = 2;
  OpDef image_scaler = experimental(
      "ImageScaler", image_scaler_reference,
      "scale * x + bias of the channel; an experimental operator of ONNX before opset 10, which "
      "Core ML converters emit.");
  image_scaler.infer = infer_image_scaler;
  return std::to_array<OpDef>({
      simple("Abs", infer_sign_change<false>, abs_reference),
      simple("Neg", infer_sign_change<true>, neg_reference),
      simple("Ceil", floats, ceil_reference),
      simple("Floor", floats, floor_reference),
      simple("Round", floats, round_reference),
      simple("Sign", infer_same<op::kNumbers>, sign_reference),
      simple("Sqrt", floats, sqrt_reference),
      simple("Reciprocal", floats, reciprocal_reference),
      simple("Exp", floats, exp_reference),
      simple("Log", floats, log_reference),
      simple("Sin", floats, sin_reference),
      simple("Cos", floats, cos_reference),
      simple("Tan", floats, tan_reference),
      simple("Asin", floats, asin_reference),
      simple("Acos", floats, acos_reference),
      simple("Atan", floats, atan_reference),
      simple("Sinh", floats, sinh_reference),
      simple("Cosh", floats, cosh_reference),
      simple("Tanh", floats, tanh_reference),
      simple("Asinh", floats, asinh_reference),
      simple("Acosh", floats, acosh_reference),
      simple("Atanh", floats, atanh_reference),
      simple("Erf", infer_same<op::kNumbers>, erf_reference),
      simple("Sigmoid", floats, sigmoid_reference),
      simple("Relu", infer_same<kSignedNumbers>, relu_reference),
      simple("LeakyRelu", floats, leaky_relu_reference),
      simple("Elu", floats, elu_reference),
      simple("Celu", floats, celu_reference),
      simple("Selu", floats, selu_reference),
      simple("Softplus", floats, softplus_reference),
      simple("Softsign", floats, softsign_reference),
      simple("HardSigmoid", floats, hard_sigmoid_reference),
      simple("HardSwish", floats, hard_swish_reference),
      simple("ThresholdedRelu", floats, thresholded_relu_reference),
      simple("Shrink", infer_same<op::kNumbers>, shrink_reference),
      simple("Mish", floats, mish_reference),
      simple("Gelu", infer_gelu, gelu_reference),
      simple("Swish", floats, swish_reference),
      simple("Not", infer_not, logical_not_reference),
      simple("BitwiseNot", infer_same<op::kInts>, bitwise_not_reference),
      simple("IsNaN", infer_bool<kFloatsAndFloat8s>, is_nan_reference),
      simple("IsInf", infer_bool<kFloatsAndFloat8s>, is_inf_reference),
      experimental("Affine", affine_reference,
                   "alpha * x + beta; an experimental operator of ONNX before opset 10."),
      experimental("ScaledTanh", scaled_tanh_reference,
                   "alpha * tanh(beta * x); an experimental operator of ONNX before opset 10."),
      experimental("ParametricSoftplus", parametric_softplus_reference,
                   "alpha * ln(1 + e^(beta * x)); an experimental operator of ONNX before opset "
                   "10."),
      microsoft("Gelu", 1, floats, gelu_reference,
                "Gelu by the error function; ONNX Runtime's optimiser emits it."),
      microsoft("QuickGelu", 1, floats, quick_gelu_reference,
                "x * sigmoid(alpha * x); ONNX Runtime's optimiser emits it for CLIP models."),
      microsoft("BiasGelu", 2, infer_biased, bias_gelu_reference,
                "Gelu(x + bias) by the error function; ONNX Runtime's optimiser emits it."),
      microsoft("FastGelu", 2, infer_fast_gelu, fast_gelu_reference,
                "Gelu(x + bias) by the tanh formula; ONNX Runtime's optimiser emits it."),
      microsoft("BiasAdd", 3, infer_bias_add, bias_add_reference,
                "x + bias + skip; ONNX Runtime's optimiser emits it for diffusion models."),
      microsoft("BiasSplitGelu", 2, infer_bias_split_gelu, bias_split_gelu_reference,
                "With x + bias split in two along the last axis: left * Gelu(right); ONNX "
                "Runtime's optimiser emits it for diffusion models."),
      identity,
      clip,
      prelu,
      swiglu,
      image_scaler,
  });
}

// A table in the binary, but for the kernels.
std::vector<OpDef> make_defs() {
  static constexpr auto kRows = make_rows();
  std::vector<OpDef> defs(kRows.begin(), kRows.end());
  for (OpDef& def : defs) def.cpu = unary_cpu(def.domain, def.name);
  return defs;
}

}  // namespace

std::span<const OpDef> op_defs() {
  static const std::vector<OpDef> kDefs = make_defs();
  return kDefs;
}

}  // namespace sluice::ops::unary
