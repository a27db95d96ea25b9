#include "ops/reduce/reduce.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "op/operand.h"
#include "ops/reduce/reduce_cpu.h"

namespace sluice::ops::reduce {

namespace {

using op::DTypeSet;
using op::InferContext;
using op::NodeView;
using op::OpDef;
using op::UpgradeContext;

constexpr DTypeSet kOrdered = op::kNumbers | op::kBools;

// Contents of an axes input; nothing when it is not known.
std::optional<std::vector<int64_t>> known_axes(const InferContext& context) {
  if (!context.has_input(1)) return std::vector<int64_t>{};
  const auto values = context.ints(1);
  if (!values) return std::nullopt;
  std::vector<int64_t> out;
  for (const Dim& value : *values) {
    if (!value.is_known()) return std::nullopt;
    out.push_back(value.value());
  }
  return out;
}

template <const DTypeSet& kAllowed>
Result<void> infer_reduce(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, kAllowed));
  if (context.has_input(1)) SLUICE_TRY(op::input_dtype(context, 1, op::kIndices));
  const bool keepdims = context.attrs().int_or("keepdims", 1) != 0;
  const bool noop = context.attrs().int_or("noop_with_empty_axes", 0) != 0;
  const Type& data = context.input_type(0);
  if (!data.has_rank()) {
    context.set_output(0, dtype);
    return {};
  }
  const auto rank = static_cast<int>(data.dims->size());
  const auto axes = known_axes(context);
  if (!axes) {
    // Only the rank can be told: kept, or less by the number of axes.
    const Type& type = context.input_type(1);
    if (keepdims) {
      context.set_output(0, dtype, Dims(data.dims->size(), Dim::unknown()));
    } else if (type.has_rank() && type.dims->size() == 1 && (*type.dims)[0].is_known() &&
               (*type.dims)[0].value() > 0 && (*type.dims)[0].value() <= rank) {
      context.set_output(0, dtype,
                         Dims(static_cast<size_t>(rank - (*type.dims)[0].value()), Dim::unknown()));
    } else {
      context.set_output(0, dtype);
    }
    return {};
  }
  std::vector<bool> reduced(data.dims->size(), axes->empty() && !noop);
  auto normalized = op::normalized_axes(*axes, rank);
  if (!normalized) return context.fail(normalized.error().message);
  for (const int axis : *normalized) reduced[static_cast<size_t>(axis)] = true;
  Dims dims;
  for (size_t i = 0; i < reduced.size(); ++i) {
    if (!reduced[i]) {
      dims.push_back((*data.dims)[i]);
    } else if (keepdims) {
      dims.push_back(1);
    }
  }
  context.set_output(0, dtype, std::move(dims));
  return {};
}

// ReduceProd and ReduceSum over shapes are how exporters count elements.
template <bool kProduct>
Result<void> infer_counting(InferContext& context) {
  SLUICE_TRY(infer_reduce<op::kNumbers>(context));
  const Type& data = context.input_type(0);
  const auto axes = known_axes(context);
  if (!axes || !is_integer(data.dtype) || !data.has_rank() || data.dims->size() != 1) return {};
  if (axes->empty() && context.attrs().int_or("noop_with_empty_axes", 0) != 0) return {};
  const auto values = context.ints(0);
  if (!values) return {};
  Dim total(kProduct ? 1 : 0);
  for (const Dim& value : *values) total = kProduct ? total * value : total + value;
  context.set_output_ints(0, {total});
  return {};
}

Result<void> infer_arg(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, op::kNumbers));
  const Type& data = context.input_type(0);
  if (!data.has_rank()) {
    context.set_output(0, DType::kInt64);
    return {};
  }
  Dims dims = *data.dims;
  const auto rank = static_cast<int>(dims.size());
  auto axis = op::normalized_axis(context.attrs().int_or("axis", 0), std::max(rank, 1));
  if (!axis) return context.fail(axis.error().message);
  if (rank > 0) {
    dims[static_cast<size_t>(*axis)] = 1;
    if (context.attrs().int_or("keepdims", 1) == 0) dims.erase(dims.begin() + *axis);
  }
  context.set_output(0, DType::kInt64, std::move(dims));
  return {};
}

Result<void> infer_cumulate(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, op::kNumbers));
  SLUICE_TRY(op::input_dtype(context, 1, op::kIndices));
  const Type& x = context.input_type(0);
  const auto axis = context.constant_int(1);
  if (axis && x.has_rank()) {
    const auto at = op::normalized_axis(*axis, static_cast<int>(x.dims->size()));
    if (!at) return context.fail(at.error().message);
  }
  context.set_output(0, x);
  return {};
}

// Axes became an input with opset 13 for ReduceSum and 18 for the others.
template <int kInputSince>
Result<void> upgrade_axes(UpgradeContext& context) {
  if (context.opset >= kInputSince || context.node.inputs.empty()) return {};
  AttrMap& attrs = context.node.attrs;
  const std::vector<int64_t> axes = attrs.ints_or("axes");
  attrs.erase("axes");
  attrs.erase("noop_with_empty_axes");
  context.node.inputs.resize(1);
  if (!axes.empty()) context.node.inputs.push_back(context.add_ints(axes));
  return {};
}

// An operation for each element that goes in.
op::Cost cost_input(const NodeView& node) {
  const auto shape = node.input_type(0).shape();
  return {shape ? static_cast<double>(shape->elements()) : 0.0};
}

constexpr OpDef reduction(std::string_view name, Result<void> (*infer)(InferContext&),
                          plan::KernelFn kernel,
                          Result<void> (*upgrade)(UpgradeContext&) = upgrade_axes<18>) {
  return {.name = name,
          .min_inputs = 1,
          .max_inputs = 2,
          .infer = infer,
          .reference = kernel,
          .upgrade = upgrade,
          .cost = cost_input};
}

constexpr OpDef along_axis(std::string_view name, int inputs, Result<void> (*infer)(InferContext&),
                           plan::KernelFn kernel) {
  return {.name = name,
          .min_inputs = inputs,
          .max_inputs = inputs,
          .infer = infer,
          .reference = kernel,
          .cost = cost_input};
}

constexpr auto make_rows() {
  constexpr auto numbers = infer_reduce<op::kNumbers>;
  return std::to_array<OpDef>({
      reduction("ReduceSum", infer_counting<false>, reduce_sum_reference, upgrade_axes<13>),
      reduction("ReduceMean", numbers, reduce_mean_reference),
      reduction("ReduceMax", infer_reduce<kOrdered>, reduce_max_reference),
      reduction("ReduceMin", infer_reduce<kOrdered>, reduce_min_reference),
      reduction("ReduceProd", infer_counting<true>, reduce_prod_reference),
      reduction("ReduceL1", numbers, reduce_l1_reference),
      reduction("ReduceL2", numbers, reduce_l2_reference),
      reduction("ReduceLogSum", numbers, reduce_log_sum_reference),
      reduction("ReduceLogSumExp", numbers, reduce_log_sum_exp_reference),
      reduction("ReduceSumSquare", numbers, reduce_sum_square_reference),
      along_axis("ArgMax", 1, infer_arg, arg_max_reference),
      along_axis("ArgMin", 1, infer_arg, arg_min_reference),
      along_axis("CumSum", 2, infer_cumulate, cum_sum_reference),
      along_axis("CumProd", 2, infer_cumulate, cum_prod_reference),
  });
}

// A table in the binary, but for the kernels.
std::vector<OpDef> make_defs() {
  static constexpr auto kRows = make_rows();
  std::vector<OpDef> defs(kRows.begin(), kRows.end());
  for (OpDef& def : defs) def.cpu = reduce_cpu(def.name);
  return defs;
}

}  // namespace

std::span<const OpDef> op_defs() {
  static const std::vector<OpDef> kDefs = make_defs();
  return kDefs;
}

}  // namespace sluice::ops::reduce
