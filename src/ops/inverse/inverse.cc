#include "ops/inverse/inverse.h"

#include "base/text.h"
#include "op/op.h"
#include "op/operand.h"

namespace sluice::ops::inverse {

std::span<const op::OpDef> op_defs();

namespace {

Result<void> infer_inverse(op::InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kFloats));
  const Type& type = context.input_type(0);
  if (!type.dims) {
    context.set_output(0, dtype);
    return {};
  }
  Dims dims = *type.dims;
  if (dims.size() < 2) return context.fail(cat("its input has rank ", dims.size(), " (2 or more)"));
  Dim& rows = dims[dims.size() - 2];
  Dim& columns = dims[dims.size() - 1];
  if (rows.is_known() && columns.is_known() && rows.value() != columns.value()) {
    return context.fail(
        cat("its matrices are ", rows.value(), " x ", columns.value(), ", not square"));
  }
  if (rows.is_known()) columns = rows;
  if (columns.is_known()) rows = columns;
  context.set_output(0, dtype, std::move(dims));
  return {};
}

// Elimination takes 2 N^3 operations a matrix.
op::Cost cost(const op::NodeView& node) {
  const auto shape = node.input_type(0).shape();
  if (!shape || shape->rank() < 2) return {};
  return {2.0 * static_cast<double>(shape->elements()) * static_cast<double>((*shape)[-1])};
}

constexpr op::OpDef kDefs[] = {
    {.name = "Inverse",
     .domain = "com.microsoft",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_inverse,
     .reference = inverse_reference,
     .cost = cost,
     .nonstandard = "inverse of square matrices, of ONNX Runtime's contrib operators"},
};

}  // namespace

std::span<const op::OpDef> op_defs() { return kDefs; }

}  // namespace sluice::ops::inverse
