#include "ops/random/random.h"

#include "base/text.h"
#include "op/elements.h"
#include "op/operand.h"

namespace sluice::ops::random {

namespace {

using op::InferContext;

Result<void> infer_shaped(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype,
                op::in_node(context, dtype_or(context.attrs(), DType::kFloat32)));
  if (!op::DTypeSet(op::kFloats).has(dtype)) {
    return context.fail(
        cat("the element type is ", dtype_name(dtype), " (a float type is needed)"));
  }
  if (!context.attrs().has("shape")) return context.fail("the attribute shape is missing");
  SLUICE_ASSIGN(const Shape shape,
                op::in_node(context, op::checked_shape(context.attrs().ints_or("shape"))));
  context.set_output(0, dtype, to_dims(shape));
  return {};
}

Result<void> infer_like(InferContext& context) {
  SLUICE_ASSIGN(DType dtype, op::input_dtype(context, 0));
  if (context.attrs().has("dtype")) {
    SLUICE_ASSIGN(dtype, op::in_node(context, dtype_or(context.attrs(), DType::kFloat32)));
  }
  const Type& in = context.input_type(0);
  if (in.has_rank()) {
    context.set_output(0, dtype, *in.dims);
  } else {
    context.set_output(0, dtype);
  }
  return {};
}

Result<void> infer_bernoulli(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, op::kFloats));
  return infer_like(context);
}

Result<void> infer_multinomial(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, op::kFloats));
  SLUICE_ASSIGN(const DType dtype, op::in_node(context, dtype_or(context.attrs(), DType::kInt32)));
  const Type& in = context.input_type(0);
  if (in.has_rank() && in.dims->size() != 2) {
    return context.fail(cat("the input is ", in.text(), " (must have 2 axes)"));
  }
  const int64_t samples = context.attrs().int_or("sample_size", 1);
  if (samples < 0) return context.fail(cat("the sample size is ", samples, " (at least 0)"));
  context.set_output(0, dtype, {in.has_rank() ? (*in.dims)[0] : Dim::unknown(), Dim(samples)});
  return {};
}

constexpr op::OpDef kDefs[] = {
    {.name = "RandomNormal",
     .min_inputs = 0,
     .max_inputs = 0,
     .infer = infer_shaped,
     .reference = random_normal_reference,
     .deterministic = false},
    {.name = "RandomUniform",
     .min_inputs = 0,
     .max_inputs = 0,
     .infer = infer_shaped,
     .reference = random_uniform_reference,
     .deterministic = false},
    {.name = "RandomNormalLike",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_like,
     .reference = random_normal_like_reference,
     .deterministic = false},
    {.name = "RandomUniformLike",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_like,
     .reference = random_uniform_like_reference,
     .deterministic = false},
    {.name = "Bernoulli",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_bernoulli,
     .reference = bernoulli_reference,
     .deterministic = false},
    {.name = "Multinomial",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_multinomial,
     .reference = multinomial_reference,
     .deterministic = false},
};

}  // namespace

std::span<const op::OpDef> op_defs() { return kDefs; }

}  // namespace sluice::ops::random
