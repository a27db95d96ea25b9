#include "ops/gather/gather.h"

#include <algorithm>

#include "base/text.h"
#include "op/elements.h"
#include "op/operand.h"

namespace sluice::ops::gather {

namespace {

using op::InferContext;
using op::UpgradeContext;

// The axis attribute of a node whose operand `i` has a known rank.
Result<int> axis_of(const InferContext& context, int i, int64_t fallback, int more = 0) {
  const auto rank = static_cast<int>(context.input_type(i).dims->size()) + more;
  return op::in_node(context, op::normalized_axis(context.attrs().int_or("axis", fallback), rank));
}

void set_same_shape(InferContext& context, int i, DType dtype, const Type& as) {
  if (as.has_rank()) {
    context.set_output(i, dtype, *as.dims);
  } else {
    context.set_output(i, dtype);
  }
}

Result<void> infer_gather(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0));
  SLUICE_TRY(op::input_dtype(context, 1, op::kIndices));
  const Type &data = context.input_type(0), &indices = context.input_type(1);
  context.set_output(0, dtype);
  if (!data.has_rank()) return {};
  SLUICE_ASSIGN(const int axis, axis_of(context, 0, 0));
  if (!indices.has_rank()) return {};
  Dims out = *data.dims;
  const Dim extent = out[static_cast<size_t>(axis)];
  out.erase(out.begin() + axis);
  out.insert(out.begin() + axis, indices.dims->begin(), indices.dims->end());
  if (out.size() > kMaxRank) {
    return context.fail(cat("the result has ", out.size(), " axes (limit ", kMaxRank, ")"));
  }
  context.set_output(0, dtype, std::move(out));
  const auto picks = context.ints(1);
  if (picks && extent.is_known()) {
    for (const Dim& pick : *picks) {
      if (pick.is_known() && (pick.value() < -extent.value() || pick.value() >= extent.value())) {
        return context.fail(cat("the index ", pick.value(), " is out of range (axis ", axis,
                                " has ", extent.value(), ")"));
      }
    }
  }
  const auto ints = data.dims->size() == 1 ? context.ints(0) : std::nullopt;
  if (!ints || !picks || indices.dims->size() > 1) return {};
  const auto count = static_cast<int64_t>(ints->size());
  Dims values;
  for (const Dim& pick : *picks) {
    const int64_t at = pick.is_known() ? pick.value() + (pick.value() < 0 ? count : 0) : -1;
    values.push_back(at >= 0 && at < count ? (*ints)[static_cast<size_t>(at)] : Dim::unknown());
  }
  context.set_output_ints(0, std::move(values));
  return {};
}

Result<void> infer_gather_elements(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0));
  SLUICE_TRY(op::input_dtype(context, 1, op::kIndices));
  const Type &data = context.input_type(0), &indices = context.input_type(1);
  if (data.has_rank()) {
    SLUICE_TRY(axis_of(context, 0, 0));
    if (indices.has_rank() && indices.dims->size() != data.dims->size()) {
      return context.fail(
          cat("the indices are ", indices.text(), " (rank ", data.dims->size(), ")"));
    }
  }
  if (indices.has_rank()) {
    context.set_output(0, dtype, *indices.dims);
  } else if (data.has_rank()) {
    context.set_output(0, dtype, Dims(data.dims->size()));
  } else {
    context.set_output(0, dtype);
  }
  return {};
}

Result<void> infer_gather_nd(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0));
  SLUICE_TRY(op::input_dtype(context, 1, op::kIndices));
  const Type &data = context.input_type(0), &indices = context.input_type(1);
  const int64_t batch = context.attrs().int_or("batch_dims", 0);
  context.set_output(0, dtype);
  if (!data.has_rank() || !indices.has_rank()) return {};
  if (data.dims->empty() || indices.dims->empty() || batch < 0 ||
      batch >= static_cast<int64_t>(std::min(data.dims->size(), indices.dims->size()))) {
    return context.fail(cat("data ", data.text(), ", indices ", indices.text(), " and ", batch,
                            " batch axes don't fit"));
  }
  const auto depth = indices.dims->back().get();
  if (!depth) return {};
  if (*depth < 0 || *depth > static_cast<int64_t>(data.dims->size()) - batch) {
    return context.fail(
        cat("the indices are ", indices.text(), ", tuples too long for data ", data.text()));
  }
  Dims out(indices.dims->begin(), indices.dims->end() - 1);
  out.insert(out.end(), data.dims->begin() + batch + *depth, data.dims->end());
  context.set_output(0, dtype, std::move(out));
  return {};
}

Result<void> infer_scatter(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0));
  SLUICE_TRY(op::input_dtype(context, 1, op::kIndices));
  SLUICE_ASSIGN(const DType updates, op::input_dtype(context, 2));
  if (dtype != DType::kUndefined && updates != DType::kUndefined && dtype != updates) {
    return context.fail(
        cat("updates are ", dtype_name(updates), " for data of ", dtype_name(dtype)));
  }
  set_same_shape(context, 0, dtype, context.input_type(0));
  return {};
}

Result<void> infer_scatter_elements(InferContext& context) {
  SLUICE_TRY(infer_scatter(context));
  if (context.input_type(0).has_rank()) SLUICE_TRY(axis_of(context, 0, 0));
  return {};
}

Result<void> infer_tensor_scatter(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 0, 2));
  SLUICE_TRY(op::input_dtype(context, 0));
  SLUICE_TRY(op::input_dtype(context, 1));
  if (context.has_input(2)) SLUICE_TRY(op::input_dtype(context, 2, op::kIndices));
  if (context.input_type(0).has_rank()) SLUICE_TRY(axis_of(context, 0, -2));
  set_same_shape(context, 0, dtype, context.input_type(0));
  return {};
}

Result<void> infer_one_hot(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, op::kNumbers));
  SLUICE_TRY(op::input_dtype(context, 1, op::kNumbers));
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 2));
  const Type& indices = context.input_type(0);
  context.set_output(0, dtype);
  if (!indices.has_rank()) return {};
  SLUICE_ASSIGN(const int axis, axis_of(context, 0, -1, 1));
  Dim depth = Dim::unknown();
  if (const auto known = context.constant_int(1)) {
    if (*known < 0) return context.fail(cat("the depth is ", *known, " (at least 0)"));
    depth = Dim(*known);
  } else if (const auto ints = context.ints(1); ints && ints->size() == 1) {
    depth = (*ints)[0];
  }
  Dims out = *indices.dims;
  out.insert(out.begin() + axis, depth);
  context.set_output(0, dtype, std::move(out));
  return {};
}

Result<void> infer_reverse_sequence(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0));
  SLUICE_TRY(op::input_dtype(context, 1, op::kIndices));
  const Type& in = context.input_type(0);
  if (in.has_rank() && in.dims->size() < 2) {
    return context.fail(cat("the input is ", in.text(), " (at least 2 axes)"));
  }
  set_same_shape(context, 0, dtype, in);
  return {};
}

Result<void> infer_compress(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0));
  SLUICE_TRY(op::input_dtype(context, 1, op::kBools));
  const Type& in = context.input_type(0);
  if (!context.attrs().has("axis")) {
    context.set_output(0, dtype, {Dim::unknown()});
    return {};
  }
  context.set_output(0, dtype);
  if (!in.has_rank()) return {};
  SLUICE_ASSIGN(const int axis, axis_of(context, 0, 0));
  Dims out = *in.dims;
  out[static_cast<size_t>(axis)] = Dim::unknown();
  context.set_output(0, dtype, std::move(out));
  return {};
}

Result<void> infer_non_zero(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0));
  const Type& in = context.input_type(0);
  context.set_output(0, DType::kInt64,
                     {in.has_rank() ? Dim(static_cast<int64_t>(in.dims->size())) : Dim::unknown(),
                      Dim::unknown()});
  return {};
}

Result<void> infer_unique(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0));
  const Type& in = context.input_type(0);
  for (int i = 1; i < 4; ++i) context.set_output(i, DType::kInt64, {Dim::unknown()});
  if (!context.attrs().has("axis")) {
    context.set_output(0, dtype, {Dim::unknown()});
    if (in.has_rank()) {
      context.set_output(2, DType::kInt64, {product(*in.dims, 0, in.dims->size())});
    }
    return {};
  }
  context.set_output(0, dtype);
  if (!in.has_rank()) return {};
  SLUICE_ASSIGN(const int axis, axis_of(context, 0, 0));
  Dims out = *in.dims;
  context.set_output(2, DType::kInt64, {out[static_cast<size_t>(axis)]});
  out[static_cast<size_t>(axis)] = Dim::unknown();
  context.set_output(0, dtype, std::move(out));
  return {};
}

Result<void> infer_microsoft_unique(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0));
  const Type& in = context.input_type(0);
  context.set_output(0, dtype, {Dim::unknown()});
  context.set_output(1, DType::kInt64,
                     {in.has_rank() ? product(*in.dims, 0, in.dims->size()) : Dim::unknown()});
  context.set_output(2, DType::kInt64, {Dim::unknown()});
  return {};
}

Result<void> infer_top_k(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kNumbers));
  SLUICE_TRY(op::input_dtype(context, 1, op::kIndices));
  const Type& in = context.input_type(0);
  context.set_output(0, dtype);
  context.set_output(1, DType::kInt64);
  if (!in.has_rank()) return {};
  SLUICE_ASSIGN(const int axis, axis_of(context, 0, -1));
  Dims out = *in.dims;
  const auto k = context.ints(1);
  Dim& extent = out[static_cast<size_t>(axis)];
  const Dim count = k && k->size() == 1 ? (*k)[0] : Dim::unknown();
  if (count.is_known() &&
      (count.value() < 0 || (extent.is_known() && count.value() > extent.value()))) {
    return context.fail(cat("k is ", count.value(), " (axis ", axis, " has ", extent.text(), ")"));
  }
  extent = count;
  context.set_output(0, dtype, out);
  context.set_output(1, DType::kInt64, std::move(out));
  return {};
}

// Scatter was renamed in opset 11.
Result<void> upgrade_scatter(UpgradeContext& context) {
  context.node.op = "ScatterElements";
  return {};
}

// Before opset 10, k is an attribute.
Result<void> upgrade_top_k(UpgradeContext& context) {
  ir::Node& node = context.node;
  if (context.opset >= 10 || !node.attrs.has("k")) return {};
  const int64_t k = node.attrs.int_or("k", 0);
  node.attrs.erase("k");
  node.inputs.resize(1, ir::kNoValue);
  node.inputs.push_back(context.add_ints(std::span(&k, 1)));
  return {};
}

constexpr op::OpDef kDefs[] = {
    {.name = "Gather",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_gather,
     .reference = gather_reference},
    {.name = "GatherElements",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_gather_elements,
     .reference = gather_elements_reference},
    {.name = "GatherND",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_gather_nd,
     .reference = gather_nd_reference},
    {.name = "GatherND",
     .domain = "com.microsoft",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_gather_nd,
     .reference = gather_nd_reference,
     .nonstandard = "GatherND as it later entered the standard; made by ONNX Runtime's exporters."},
    {.name = "Scatter", .min_inputs = 3, .max_inputs = 3, .upgrade = upgrade_scatter},
    {.name = "ScatterElements",
     .min_inputs = 3,
     .max_inputs = 3,
     .infer = infer_scatter_elements,
     .reference = scatter_elements_reference},
    {.name = "ScatterND",
     .min_inputs = 3,
     .max_inputs = 3,
     .infer = infer_scatter,
     .reference = scatter_nd_reference},
    {.name = "TensorScatter",
     .min_inputs = 2,
     .max_inputs = 3,
     .infer = infer_tensor_scatter,
     .reference = tensor_scatter_reference},
    {.name = "OneHot",
     .min_inputs = 3,
     .max_inputs = 3,
     .infer = infer_one_hot,
     .reference = one_hot_reference},
    {.name = "ReverseSequence",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_reverse_sequence,
     .reference = reverse_sequence_reference},
    {.name = "Compress",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_compress,
     .reference = compress_reference},
    {.name = "NonZero",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_non_zero,
     .reference = non_zero_reference},
    {.name = "Unique",
     .min_inputs = 1,
     .max_inputs = 1,
     .max_outputs = 4,
     .infer = infer_unique,
     .reference = unique_reference},
    {.name = "Unique",
     .domain = "com.microsoft",
     .min_inputs = 1,
     .max_inputs = 1,
     .max_outputs = 3,
     .infer = infer_microsoft_unique,
     .reference = microsoft_unique_reference,
     .nonstandard = "The distinct elements in order of appearance, where each element went, and "
                    "counts; made by ONNX Runtime's exporters."},
    {.name = "TopK",
     .min_inputs = 1,
     .max_inputs = 2,
     .max_outputs = 2,
     .infer = infer_top_k,
     .reference = top_k_reference,
     .upgrade = upgrade_top_k},
};

}  // namespace

std::span<const op::OpDef> op_defs() { return kDefs; }

}  // namespace sluice::ops::gather
