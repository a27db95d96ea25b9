#include "ops/signal/signal.h"

#include "base/text.h"
#include "op/elements.h"
#include "op/operand.h"

namespace sluice::ops::signal {

namespace {

using op::InferContext;
using op::UpgradeContext;

// A scalar integer operand as an extent.
Dim extent_input(const InferContext& context, int i) {
  const auto ints = context.ints(i);
  return ints && ints->size() == 1 ? (*ints)[0] : Dim::unknown();
}

Result<void> infer_dft(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kFloats));
  for (int i = 1; i < 3; ++i) {
    if (context.has_input(i)) SLUICE_TRY(op::input_dtype(context, i, op::kIndices));
  }
  const Type& in = context.input_type(0);
  context.set_output(0, dtype);
  if (!in.has_rank()) return {};
  const auto rank = static_cast<int>(in.dims->size());
  if (rank < 2) return context.fail(cat("the signal is ", in.text(), " (at least 2 axes)"));
  const bool inverse = context.attrs().int_or("inverse", 0) != 0;
  const bool onesided = context.attrs().int_or("onesided", 0) != 0;
  Dims out = *in.dims;
  out.back() = Dim(inverse && onesided ? 1 : 2);
  const Dim wanted = context.has_input(2) ? extent_input(context, 2) : Dim(-2);
  if (!wanted.is_known()) {
    for (int i = 0; i + 1 < rank; ++i) out[static_cast<size_t>(i)] = Dim::unknown();
    context.set_output(0, dtype, std::move(out));
    return {};
  }
  SLUICE_ASSIGN(const int axis, op::in_node(context, op::normalized_axis(wanted.value(), rank)));
  if (axis == rank - 1) {
    return context.fail(
        "the transform runs along the last axis, which holds real and imaginary parts");
  }
  Dim& extent = out[static_cast<size_t>(axis)];
  Dim length = inverse && onesided ? (extent - Dim(1)) * Dim(2) : extent;
  if (context.has_input(1)) length = extent_input(context, 1);
  if (length.is_known() && (length.value() < 1 || length.value() > kMaxTransform)) {
    return context.fail(cat("the length is ", length.value(), " (1 to ", kMaxTransform, ")"));
  }
  extent = onesided && !inverse ? Dim::floor_div(length, Dim(2)) + Dim(1) : length;
  context.set_output(0, dtype, std::move(out));
  return {};
}

Result<void> infer_stft(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kFloats));
  SLUICE_TRY(op::input_dtype(context, 1, op::kIndices));
  if (context.has_input(2)) SLUICE_TRY(op::input_dtype(context, 2, op::kFloats));
  if (context.has_input(3)) SLUICE_TRY(op::input_dtype(context, 3, op::kIndices));
  Dims out = {Dim::unknown(), Dim::unknown(), Dim::unknown(), Dim(2)};
  const Type &in = context.input_type(0), &window = context.input_type(2);
  Dim length = Dim::unknown(), frame = Dim::unknown();
  if (in.has_rank()) {
    if (in.dims->size() != 2 && in.dims->size() != 3) {
      return context.fail(cat("the signal is ", in.text(), " ([batch, length, 1 or 2])"));
    }
    out[0] = (*in.dims)[0];
    length = (*in.dims)[1];
  }
  if (context.has_input(3)) {
    frame = extent_input(context, 3);
  } else if (context.has_input(2)) {
    if (window.has_rank() && window.dims->size() == 1) frame = (*window.dims)[0];
  } else {
    frame = length;
  }
  const bool onesided = context.attrs().int_or("onesided", 1) != 0;
  out[2] = onesided ? Dim::floor_div(frame, Dim(2)) + Dim(1) : frame;
  const Dim step = extent_input(context, 1);
  if (step.is_known() && step.value() < 1) {
    return context.fail(cat("the step is ", step.value(), " (at least 1)"));
  }
  const Dim frames = Dim::floor_div(length - frame, step) + Dim(1);
  out[1] = frames.is_known() ? Dim::max(frames, Dim(0)) : frames;
  context.set_output(0, dtype, std::move(out));
  return {};
}

Result<void> infer_window(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, op::kIndices));
  SLUICE_ASSIGN(const DType dtype, op::in_node(context, output_datatype(context.attrs())));
  const Dim size = extent_input(context, 0);
  if (size.is_known() && size.value() < 0) {
    return context.fail(cat("the size is ", size.value(), " (at least 0)"));
  }
  context.set_output(0, dtype, {size});
  return {};
}

Result<void> infer_mel_weight_matrix(InferContext& context) {
  for (int i = 0; i < 3; ++i) SLUICE_TRY(op::input_dtype(context, i, op::kIndices));
  for (int i = 3; i < 5; ++i) SLUICE_TRY(op::input_dtype(context, i, op::kFloats));
  SLUICE_ASSIGN(const DType dtype, op::in_node(context, output_datatype(context.attrs())));
  context.set_output(
      0, dtype,
      {Dim::floor_div(extent_input(context, 1), Dim(2)) + Dim(1), extent_input(context, 0)});
  return {};
}

Result<void> infer_det(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kFloats));
  const Type& in = context.input_type(0);
  context.set_output(0, dtype);
  if (!in.has_rank()) return {};
  if (in.dims->size() < 2)
    return context.fail(cat("the input is ", in.text(), " (square matrices)"));
  context.set_output(0, dtype, Dims(in.dims->begin(), in.dims->end() - 2));
  return {};
}

// Before opset 20 the axis is an attribute, 1 by default.
Result<void> upgrade_dft(UpgradeContext& context) {
  ir::Node& node = context.node;
  if (context.opset >= 20) return {};
  const int64_t axis = node.attrs.int_or("axis", 1);
  node.attrs.erase("axis");
  node.inputs.resize(2, ir::kNoValue);
  node.inputs.push_back(context.add_constant(Tensor::scalar(axis)));
  return {};
}

constexpr op::OpDef kDefs[] = {
    {.name = "DFT",
     .min_inputs = 1,
     .max_inputs = 3,
     .infer = infer_dft,
     .reference = dft_reference,
     .upgrade = upgrade_dft},
    {.name = "STFT",
     .min_inputs = 2,
     .max_inputs = 4,
     .infer = infer_stft,
     .reference = stft_reference},
    {.name = "HannWindow",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_window,
     .reference = hann_window_reference},
    {.name = "HammingWindow",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_window,
     .reference = hamming_window_reference},
    {.name = "BlackmanWindow",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_window,
     .reference = blackman_window_reference},
    {.name = "MelWeightMatrix",
     .min_inputs = 5,
     .max_inputs = 5,
     .infer = infer_mel_weight_matrix,
     .reference = mel_weight_matrix_reference},
    {.name = "Det",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_det,
     .reference = det_reference},
};

}  // namespace

std::span<const op::OpDef> op_defs() { return kDefs; }

}  // namespace sluice::ops::signal
