#include "ops/training/training.h"

#include <array>

#include "base/text.h"
#include "op/operand.h"

namespace sluice::ops::training {

namespace {

using op::InferContext;
using op::OpDef;

constexpr std::string_view kDomain = "ai.onnx.preview.training";
constexpr op::DTypeSet kReals = {DType::kFloat32, DType::kFloat64};

// kStates tensors of state go with each tensor and its gradient.
template <int kStates>
Result<void> infer(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, kReals));
  SLUICE_TRY(op::input_dtype(context, 1, op::DTypeSet{DType::kInt64}));
  const int given = context.input_count() - 2;
  const int n = given / (2 + kStates);
  if (n == 0 || n * (2 + kStates) != given) {
    return context.fail(
        cat(given, " tensors are given (a multiple of ", 2 + kStates, " is needed)"));
  }
  for (int i = 0; i < given; ++i) SLUICE_TRY(op::input_dtype(context, 2 + i, kReals));
  for (int role = 0; role <= kStates; ++role) {
    for (int k = 0; k < n; ++k) context.set_output(role * n + k, context.input_type(2 + k));
  }
  return {};
}

Result<void> infer_momentum(InferContext& context) {
  const std::string mode = context.attrs().string_or("mode", "");
  if (mode != "standard" && mode != "nesterov") {
    return context.fail(
        cat("attribute mode is ", quoted(mode), " (allowed: standard or nesterov)"));
  }
  return infer<1>(context);
}

Result<void> infer_gradient(InferContext& context) {
  return unsupported(cat("In ", context.node().label(),
                         ": derivatives of a graph are not computed here; export the model with "
                         "its gradient written out"));
}

OpDef optimizer(std::string_view name, Result<void> (*infer_fn)(InferContext&),
                plan::KernelFn kernel) {
  return {.name = name,
          .domain = kDomain,
          .min_inputs = 3,
          .max_inputs = -1,
          .max_outputs = -1,
          .infer = infer_fn,
          .reference = kernel};
}

}  // namespace

std::span<const OpDef> op_defs() {
  static const std::array<OpDef, 4> kDefs = {
      optimizer("Adagrad", infer<1>, adagrad_reference),
      optimizer("Adam", infer<2>, adam_reference),
      optimizer("Momentum", infer_momentum, momentum_reference),
      OpDef{.name = "Gradient",
            .domain = kDomain,
            .min_inputs = 1,
            .max_inputs = -1,
            .max_outputs = -1,
            .infer = infer_gradient}};
  return kDefs;
}

}  // namespace sluice::ops::training
