#include "ops/shape/shape.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "op/elements.h"
#include "op/operand.h"
#include "ops/shape/shape_cpu.h"

namespace sluice::ops::shape {

namespace {

using op::InferContext;
using op::UpgradeContext;

// No minus sign anywhere: with extents for symbols, the value can't be below zero.
bool never_negative(const Dim& dim) {
  if (dim.is_known()) return dim.value() >= 0;
  return dim.is_symbolic() && dim.text().find('-') == std::string::npos;
}

// The contents of an integer operand when all of them are numbers.
std::optional<std::vector<int64_t>> known_ints(const op::NodeView& context, int i) {
  const auto ints = context.ints(i);
  if (!ints) return std::nullopt;
  std::vector<int64_t> out;
  for (const Dim& dim : *ints) {
    if (!dim.is_known()) return std::nullopt;
    out.push_back(dim.value());
  }
  return out;
}

// A view keeps its input's contents.
void carry_ints(InferContext& context) {
  if (auto ints = context.ints(0)) context.set_output_ints(0, std::move(*ints));
}

// Length of a 1-D operand, when known.
std::optional<int64_t> length_of(const InferContext& context, int i) {
  const Type& type = context.input_type(i);
  if (!type.has_rank() || type.dims->size() != 1) return std::nullopt;
  return (*type.dims)[0].get();
}

Result<void> infer_shape(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0));
  const Type& in = context.input_type(0);
  if (!in.has_rank()) {
    context.set_output(0, DType::kInt64, {Dim::unknown()});
    return {};
  }
  const auto rank = static_cast<int64_t>(in.dims->size());
  const auto clamped = [&](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  const int64_t start = clamped(context.attrs().int_or("start", 0));
  const int64_t end = std::max(start, clamped(context.attrs().int_or("end", rank)));
  context.set_output(0, DType::kInt64, {Dim(end - start)});
  context.set_output_ints(0, Dims(in.dims->begin() + start, in.dims->begin() + end));
  return {};
}

Result<void> infer_size(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0));
  const Type& in = context.input_type(0);
  context.set_output(0, DType::kInt64, Dims{});
  if (in.has_rank()) context.set_output_ints(0, {product(*in.dims, 0, in.dims->size())});
  return {};
}

Result<void> infer_reshape(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0));
  SLUICE_TRY(op::input_dtype(context, 1, op::kIndices));
  const Type& in = context.input_type(0);
  const auto wanted = context.ints(1);
  if (!wanted) {
    if (const auto rank = length_of(context, 1); rank && *rank >= 0 && *rank <= kMaxRank) {
      context.set_output(0, dtype, Dims(static_cast<size_t>(*rank)));
    } else {
      context.set_output(0, dtype);
    }
    carry_ints(context);
    return {};
  }
  const bool allow_zero = context.attrs().int_or("allowzero", 0) != 0;
  if (const auto numbers = known_ints(context, 1); numbers && in.shape()) {
    SLUICE_ASSIGN(const Shape shape,
                  op::in_node(context, reshaped_shape(*in.shape(), *numbers, allow_zero)));
    context.set_output(0, dtype, to_dims(shape));
    carry_ints(context);
    return {};
  }
  Dims out = *wanted;
  int inferred = -1, unknowns = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i].is_unknown()) {
      ++unknowns;
    } else if (out[i] == Dim(-1)) {
      if (inferred >= 0) return context.fail("the new shape has more than one -1");
      inferred = static_cast<int>(i);
    } else if (out[i].is_known() && out[i].value() < 0) {
      return context.fail(cat("the new shape has the extent ", out[i].value(), " (at least -1)"));
    } else if (out[i] == Dim(0) && !allow_zero) {
      if (in.has_rank() && i >= in.dims->size()) {
        return context.fail(cat("the new shape copies extent ", i, " of ", dims_text(*in.dims),
                                ", which has no such axis"));
      }
      out[i] = in.has_rank() ? (*in.dims)[i] : Dim::unknown();
      if (out[i].is_unknown()) ++unknowns;
    }
  }
  // One extent that is not known, be it -1 or not, is what the others leave.
  if (inferred < 0 && unknowns == 1) {
    for (size_t i = 0; i < out.size(); ++i) {
      if (out[i].is_unknown()) inferred = static_cast<int>(i);
    }
    unknowns = 0;
  }
  if (inferred >= 0) {
    Dim left = Dim::unknown();
    if (in.has_rank() && unknowns == 0) {
      // Equal extents cancel first, so that unknown or long factors on both sides don't matter.
      Dims upper = *in.dims, lower;
      for (size_t i = 0; i < out.size(); ++i) {
        if (static_cast<int>(i) == inferred) continue;
        const auto same = std::ranges::find(upper, out[i]);
        if (same != upper.end()) {
          upper.erase(same);
        } else {
          lower.push_back(out[i]);
        }
      }
      left = Dim::floor_div(product(upper, 0, upper.size()), product(lower, 0, lower.size()));
    }
    out[static_cast<size_t>(inferred)] = left;
  }
  context.set_output(0, dtype, std::move(out));
  carry_ints(context);
  return {};
}

Result<void> infer_flatten(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0));
  const Type& in = context.input_type(0);
  carry_ints(context);
  if (!in.has_rank()) {
    context.set_output(0, dtype, Dims(2));
    return {};
  }
  const auto rank = static_cast<int64_t>(in.dims->size());
  int64_t axis = context.attrs().int_or("axis", 1);
  if (axis < -rank || axis > rank) {
    return context.fail(cat("axis ", axis, " is out of range (rank ", rank, ")"));
  }
  if (axis < 0) axis += rank;
  const auto at = static_cast<size_t>(axis);
  context.set_output(0, dtype, {product(*in.dims, 0, at), product(*in.dims, at, in.dims->size())});
  return {};
}

Result<void> infer_squeeze(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0));
  if (context.has_input(1)) SLUICE_TRY(op::input_dtype(context, 1, op::kIndices));
  const Type& in = context.input_type(0);
  carry_ints(context);
  const auto axes = known_ints(context, 1);
  context.set_output(0, dtype);
  if (!in.has_rank()) return {};
  Dims out = *in.dims;
  if (!context.has_input(1)) {
    // Only a known extent says whether its axis goes.
    if (std::ranges::any_of(out, [](const Dim& dim) { return !dim.is_known(); })) return {};
    std::erase(out, Dim(1));
  } else if (axes) {
    SLUICE_ASSIGN(const std::vector<int> sorted,
                  op::in_node(context, op::normalized_axes(*axes, static_cast<int>(out.size()))));
    for (size_t i = sorted.size(); i-- > 0;) {
      const Dim dim = out[static_cast<size_t>(sorted[i])];
      if (dim.is_known() && dim.value() != 1) {
        return context.fail(
            cat("axis ", sorted[i], " has the extent ", dim.value(), " (must be 1)"));
      }
      out.erase(out.begin() + sorted[i]);
    }
  } else {
    const auto count = length_of(context, 1);
    if (!count || *count < 0 || *count > static_cast<int64_t>(out.size())) return {};
    out = Dims(out.size() - static_cast<size_t>(*count));
  }
  context.set_output(0, dtype, std::move(out));
  return {};
}

Result<void> infer_unsqueeze(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0));
  SLUICE_TRY(op::input_dtype(context, 1, op::kIndices));
  const Type& in = context.input_type(0);
  carry_ints(context);
  context.set_output(0, dtype);
  if (!in.has_rank()) return {};
  Dims out = *in.dims;
  if (const auto axes = known_ints(context, 1)) {
    if (axes->size() + out.size() > kMaxRank) {
      return context.fail(
          cat("the result has ", axes->size() + out.size(), " axes (limit ", kMaxRank, ")"));
    }
    SLUICE_ASSIGN(const std::vector<int> sorted,
                  op::in_node(context, op::normalized_axes(
                                           *axes, static_cast<int>(out.size() + axes->size()))));
    for (const int axis : sorted) out.insert(out.begin() + axis, Dim(1));
    context.set_output(0, dtype, std::move(out));
  } else if (const auto count = length_of(context, 1);
             count && *count >= 0 && *count <= kMaxRank - static_cast<int64_t>(out.size())) {
    context.set_output(0, dtype, Dims(out.size() + static_cast<size_t>(*count)));
  }
  return {};
}

Result<void> infer_transpose(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0));
  const Type& in = context.input_type(0);
  if (!in.has_rank()) {
    if (context.attrs().has("perm")) {
      const auto rank = context.attrs().ints_or("perm").size();
      SLUICE_TRY(op::in_node(context, permutation(context.attrs(), static_cast<int>(rank))));
      context.set_output(0, dtype, Dims(rank));
    } else {
      context.set_output(0, dtype);
    }
    return {};
  }
  SLUICE_ASSIGN(
      const std::vector<int> perm,
      op::in_node(context, permutation(context.attrs(), static_cast<int>(in.dims->size()))));
  Dims out;
  for (const int axis : perm) out.push_back((*in.dims)[static_cast<size_t>(axis)]);
  context.set_output(0, dtype, std::move(out));
  return {};
}

Result<void> infer_expand(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0));
  SLUICE_TRY(op::input_dtype(context, 1, op::kIndices));
  const Type& in = context.input_type(0);
  const auto wanted = context.ints(1);
  context.set_output(0, dtype);
  if (!in.has_rank()) return {};
  if (!wanted) {
    if (const auto rank = length_of(context, 1); rank && *rank >= 0 && *rank <= kMaxRank) {
      context.set_output(0, dtype, Dims(std::max(in.dims->size(), static_cast<size_t>(*rank))));
    }
    return {};
  }
  for (const Dim& dim : *wanted) {
    if (dim.is_known() && dim.value() < 0) {
      return context.fail(cat("the wanted shape ", dims_text(*wanted), " has a negative extent"));
    }
  }
  SLUICE_ASSIGN(Dims out, op::in_node(context, broadcast(*in.dims, *wanted)));
  context.set_output(0, dtype, std::move(out));
  // One number spread over a short vector stays known.
  const auto ints = context.ints(0);
  if (ints && ints->size() == 1 && wanted->size() == 1 && (*wanted)[0].is_known() &&
      (*wanted)[0].value() <= 64) {
    context.set_output_ints(0, Dims(static_cast<size_t>((*wanted)[0].value()), (*ints)[0]));
  }
  return {};
}

Result<void> infer_tile(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0));
  SLUICE_TRY(op::input_dtype(context, 1, op::kIndices));
  const Type& in = context.input_type(0);
  const auto repeats = context.ints(1);
  context.set_output(0, dtype);
  if (!in.has_rank()) {
    if (repeats) context.set_output(0, dtype, Dims(repeats->size()));
    return {};
  }
  Dims out(in.dims->size());
  if (repeats) {
    if (repeats->size() != out.size()) {
      return context.fail(cat(repeats->size(), " repeats are given (rank ", out.size(), ")"));
    }
    for (size_t i = 0; i < out.size(); ++i) {
      if ((*repeats)[i].is_known() && (*repeats)[i].value() < 0) {
        return context.fail(cat("axis ", i, " is repeated ", (*repeats)[i].value(), " times"));
      }
      out[i] = (*in.dims)[i] * (*repeats)[i];
    }
  }
  context.set_output(0, dtype, std::move(out));
  return {};
}

Result<void> infer_constant_of_shape(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, op::kIndices));
  const Tensor* value = context.attrs().tensor("value");
  if (value != nullptr && value->elements() != 1) {
    return context.fail(cat("the value has ", value->elements(), " elements (must be 1)"));
  }
  const DType dtype = value != nullptr ? value->dtype() : DType::kFloat32;
  const auto dims = context.ints(0);
  if (!dims) {
    context.set_output(0, dtype);
    if (const auto rank = length_of(context, 0); rank && *rank >= 0 && *rank <= kMaxRank) {
      context.set_output(0, dtype, Dims(static_cast<size_t>(*rank)));
    }
    return {};
  }
  for (const Dim& dim : *dims) {
    if (dim.is_known() && dim.value() < 0) {
      return context.fail(cat("the shape ", dims_text(*dims), " has a negative extent"));
    }
  }
  context.set_output(0, dtype, *dims);
  if (value != nullptr && is_integer(dtype) && dims->size() <= 1) {
    const int64_t count = dims->empty() ? 1 : (*dims)[0].get().value_or(-1);
    if (count >= 0 && count <= 64) {
      context.set_output_ints(0, Dims(static_cast<size_t>(count), Dim(value->get_int(0))));
    }
  }
  return {};
}

Result<void> infer_range(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 0, 3, op::kNumbers));
  for (int i = 0; i < 3; ++i) SLUICE_TRY(op::input_dtype(context, i));
  Dim count = Dim::unknown();
  const auto start = context.ints(0), limit = context.ints(1), delta = context.ints(2);
  const auto scalar = [](const std::optional<Dims>& ints) { return ints && ints->size() == 1; };
  if (scalar(start) && scalar(limit) && scalar(delta) && (*delta)[0].is_known()) {
    const Dim from = (*start)[0], to = (*limit)[0];
    const int64_t step = (*delta)[0].value();
    if (step == 0) return context.fail("the step is 0");
    if (from.is_known() && to.is_known()) {
      SLUICE_ASSIGN(const int64_t n,
                    op::in_node(context, range_count(from.value(), to.value(), step)));
      count = Dim(n);
      if (n <= 64) {
        Dims values;
        // Element n - 1 lies before the limit, so only the way there may wrap.
        for (int64_t i = 0; i < n; ++i) {
          values.emplace_back(
              static_cast<int64_t>(static_cast<uint64_t>(from.value()) +
                                   static_cast<uint64_t>(i) * static_cast<uint64_t>(step)));
        }
        context.set_output_ints(0, std::move(values));
      }
    } else {
      const Dim distance = to - from;
      count = Dim::ceil_div(distance, Dim(step));
      if (step < 0 || !never_negative(distance)) count = Dim::max(count, Dim(0));
    }
  } else if (const auto a = context.constant_double(0), b = context.constant_double(1),
             c = context.constant_double(2);
             a && b && c) {
    SLUICE_ASSIGN(const int64_t n, op::in_node(context, range_count(*a, *b, *c)));
    count = Dim(n);
  }
  context.set_output(0, dtype, {count});
  return {};
}

Result<void> infer_eye_like(InferContext& context) {
  SLUICE_ASSIGN(DType dtype, op::input_dtype(context, 0));
  if (context.attrs().has("dtype")) {
    SLUICE_ASSIGN(dtype, op::in_node(context, dtype_attribute(context.attrs().int_or("dtype", 0))));
  }
  const Type& in = context.input_type(0);
  if (in.has_rank() && in.dims->size() != 2) {
    return context.fail(cat("the input is ", in.text(), " (must have 2 axes)"));
  }
  context.set_output(0, dtype, in.has_rank() ? *in.dims : Dims(2));
  return {};
}

Result<void> infer_constant(InferContext& context) {
  SLUICE_ASSIGN(const Tensor value, op::in_node(context, constant_tensor(context.attrs())));
  context.set_output(0, value.dtype(), to_dims(value.shape()));
  if (is_integer(value.dtype()) && value.elements() <= 64) {
    Dims ints;
    for (const int64_t v : value.to_ints()) ints.emplace_back(v);
    context.set_output_ints(0, std::move(ints));
  }
  return {};
}

Result<void> infer_trilu(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0));
  if (context.has_input(1)) SLUICE_TRY(op::input_dtype(context, 1, op::kIndices));
  const Type& in = context.input_type(0);
  if (in.has_rank() && in.dims->size() < 2) {
    return context.fail(cat("the input is ", in.text(), " (at least 2 axes)"));
  }
  if (in.has_rank()) {
    context.set_output(0, dtype, *in.dims);
  } else {
    context.set_output(0, dtype);
  }
  return {};
}

// Squeeze, Unsqueeze before opset 13: axes are an attribute.
Result<void> upgrade_axes(UpgradeContext& context) {
  if (!context.node.attrs.has("axes")) return {};
  const std::vector<int64_t> axes = context.node.attrs.ints_or("axes");
  context.node.attrs.erase("axes");
  if (context.node.inputs.size() < 2) {
    context.node.inputs.resize(1, ir::kNoValue);
    context.node.inputs.push_back(context.add_ints(axes));
  }
  return {};
}

// Reshape before opset 5: the shape is an attribute.
Result<void> upgrade_reshape(UpgradeContext& context) {
  context.node.attrs.erase("consumed_inputs");
  if (context.opset >= 5 || !context.node.attrs.has("shape")) return {};
  const std::vector<int64_t> shape = context.node.attrs.ints_or("shape");
  context.node.attrs.erase("shape");
  context.node.inputs.resize(1, ir::kNoValue);
  context.node.inputs.push_back(context.add_ints(shape));
  return {};
}

// Tile before opset 6 repeats one axis: (input, tiles, axis).
Result<void> upgrade_tile(UpgradeContext& context) {
  if (context.opset >= 6 || context.node.inputs.size() < 3) return {};
  const Tensor* tiles = context.constant(1);
  const Tensor* axis = context.constant(2);
  const Type& in = context.input_type(0);
  if (tiles == nullptr || axis == nullptr || !in.has_rank() || tiles->elements() != 1 ||
      axis->elements() != 1) {
    return unsupported(cat("In ", context.node.label(),
                           ": a Tile of opset 1 needs constant tiles and axis and a known rank"));
  }
  const auto rank = static_cast<int>(in.dims->size());
  SLUICE_ASSIGN(const int at, op::normalized_axis(axis->get_int(0), rank));
  std::vector<int64_t> repeats(static_cast<size_t>(rank), 1);
  repeats[static_cast<size_t>(at)] = tiles->get_int(0);
  context.node.inputs.resize(1);
  context.node.inputs.push_back(context.add_ints(repeats));
  return {};
}

// com.microsoft ExpandDims is Unsqueeze with a scalar axis.
Result<void> infer_expand_dims(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 1, op::kInts));
  return infer_unsqueeze(context);
}

constexpr op::OpDef kDefs[] = {
    {.name = "Shape",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_shape,
     .reference = shape_reference},
    {.name = "Size",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_size,
     .reference = size_reference},
    {.name = "Reshape",
     .min_inputs = 1,
     .max_inputs = 2,
     .infer = infer_reshape,
     .reference = reshape_reference,
     .upgrade = upgrade_reshape,
     .view = true},
    {.name = "Flatten",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_flatten,
     .reference = flatten_reference,
     .view = true},
    {.name = "Squeeze",
     .min_inputs = 1,
     .max_inputs = 2,
     .infer = infer_squeeze,
     .reference = squeeze_reference,
     .upgrade = upgrade_axes,
     .view = true},
    {.name = "Unsqueeze",
     .min_inputs = 1,
     .max_inputs = 2,
     .infer = infer_unsqueeze,
     .reference = unsqueeze_reference,
     .upgrade = upgrade_axes,
     .view = true},
    {.name = "Transpose",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_transpose,
     .reference = transpose_reference,
     .cpu = kTransposeCpu},
    {.name = "Expand",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_expand,
     .reference = expand_reference},
    {.name = "Tile",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_tile,
     .reference = tile_reference,
     .upgrade = upgrade_tile},
    {.name = "ConstantOfShape",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_constant_of_shape,
     .reference = constant_of_shape_reference},
    {.name = "Range",
     .min_inputs = 3,
     .max_inputs = 3,
     .infer = infer_range,
     .reference = range_reference},
    {.name = "EyeLike",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_eye_like,
     .reference = eye_like_reference},
    {.name = "Constant",
     .min_inputs = 0,
     .max_inputs = 0,
     .infer = infer_constant,
     .reference = constant_reference},
    {.name = "Trilu",
     .min_inputs = 1,
     .max_inputs = 2,
     .infer = infer_trilu,
     .reference = trilu_reference},
    {.name = "Trilu",
     .domain = "com.microsoft",
     .min_inputs = 1,
     .max_inputs = 2,
     .infer = infer_trilu,
     .reference = trilu_reference,
     .nonstandard = "Trilu as it later entered the standard; made by ONNX Runtime's exporters."},
    {.name = "ExpandDims",
     .domain = "com.microsoft",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_expand_dims,
     .reference = unsqueeze_reference,
     .view = true,
     .nonstandard = "Unsqueeze with one scalar axis; made by ONNX Runtime's exporters."},
};

}  // namespace

std::span<const op::OpDef> op_defs() { return kDefs; }

}  // namespace sluice::ops::shape
