#include "ops/loss/loss.h"

#include <array>

#include "base/text.h"
#include "op/operand.h"

namespace sluice::ops::loss {

namespace {

using op::InferContext;
using op::OpDef;

Result<void> infer(InferContext& context) {
  const std::string reduction = context.attrs().string_or("reduction", "mean");
  if (reduction != "none" && reduction != "sum" && reduction != "mean") {
    return context.fail(
        cat("attribute reduction is ", quoted(reduction), " (allowed: none, sum or mean)"));
  }
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kFloats));
  SLUICE_TRY(op::input_dtype(context, 1, op::kIndices));
  if (context.has_input(2)) SLUICE_TRY(op::input_dtype(context, 2, op::DTypeSet(op::kFloats)));
  const Type& scores = context.input_type(0);
  if (scores.has_rank() && scores.dims->size() < 2) {
    return context.fail(cat("the scores have rank ", scores.dims->size(), " (at least 2)"));
  }
  if (reduction != "none") {
    context.set_output(0, dtype, Dims{});
  } else if (scores.has_rank()) {
    Dims dims = *scores.dims;
    dims.erase(dims.begin() + 1);
    context.set_output(0, dtype, std::move(dims));
  } else if (context.input_type(1).has_rank()) {
    context.set_output(0, dtype, *context.input_type(1).dims);
  } else {
    context.set_output(0, dtype);
  }
  context.set_output(1, scores);
  return {};
}

}  // namespace

std::span<const OpDef> op_defs() {
  static const std::array<OpDef, 2> kDefs = {{
      {.name = "NegativeLogLikelihoodLoss",
       .min_inputs = 2,
       .max_inputs = 3,
       .infer = infer,
       .reference = negative_log_likelihood_reference},
      {.name = "SoftmaxCrossEntropyLoss",
       .min_inputs = 2,
       .max_inputs = 3,
       .max_outputs = 2,
       .infer = infer,
       .reference = softmax_cross_entropy_reference},
  }};
  return kDefs;
}

}  // namespace sluice::ops::loss
