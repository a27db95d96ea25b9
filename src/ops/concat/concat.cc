#include "ops/concat/concat.h"

#include <algorithm>
#include <limits>

#include "base/text.h"
#include "op/elements.h"
#include "op/operand.h"
#include "ops/concat/concat_cpu.h"

namespace sluice::ops::concat {

namespace {

using op::InferContext;
using op::UpgradeContext;

// With extents for symbols, the value can't be below zero.
bool never_negative(const Dim& dim) {
  if (dim.is_known()) return dim.value() >= 0;
  return dim.is_symbolic() && dim.text().find('-') == std::string::npos;
}

Dim at_least_zero(const Dim& dim) { return never_negative(dim) ? dim : Dim::max(dim, Dim(0)); }

Result<void> infer_concat(InferContext& context) {
  if (context.input_count() == 0) return context.fail("there is nothing to join");
  for (int i = 0; i < context.input_count(); ++i) SLUICE_TRY(op::input_dtype(context, i));
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 0, -1));
  if (!context.attrs().has("axis")) return context.fail("the attribute axis is missing");
  // The first operand of known rank decides; the others fill in what they know.
  std::optional<Dims> dims;
  int axis = 0;
  bool all_ranked = true;
  Dim sum(0);
  for (int i = 0; i < context.input_count(); ++i) {
    const Type& in = context.input_type(i);
    if (!in.has_rank()) {
      all_ranked = false;
      continue;
    }
    if (!dims) {
      dims = *in.dims;
      SLUICE_ASSIGN(axis,
                    op::in_node(context, op::normalized_axis(context.attrs().int_or("axis", 0),
                                                             static_cast<int>(dims->size()))));
    }
    if (in.dims->size() != dims->size()) {
      return context.fail(cat("operand ", i, " is ", in.text(), " (rank ", dims->size(), ")"));
    }
    for (size_t k = 0; k < dims->size(); ++k) {
      if (k == static_cast<size_t>(axis)) continue;
      const Dim& theirs = (*in.dims)[k];
      Dim& mine = (*dims)[k];
      if (mine.is_known() && theirs.is_known() && mine.value() != theirs.value()) {
        return context.fail(cat("operand ", i, " is ", in.text(), ", but axis ", k,
                                " of the others has ", mine.value()));
      }
      if (!mine.is_known() && !theirs.is_unknown()) {
        if (mine.is_unknown() || theirs.is_known()) mine = theirs;
      }
    }
    sum = sum + (*in.dims)[static_cast<size_t>(axis)];
  }
  if (!dims) {
    context.set_output(0, dtype);
    return {};
  }
  (*dims)[static_cast<size_t>(axis)] = all_ranked ? sum : Dim::unknown();
  const bool vector = dims->size() == 1;
  context.set_output(0, dtype, std::move(*dims));
  if (!vector) return {};
  Dims joined;
  for (int i = 0; i < context.input_count(); ++i) {
    auto ints = context.ints(i);
    if (!ints) {
      // A short vector of unknown numbers is still so many numbers.
      const Type& in = context.input_type(i);
      const auto length = in.has_rank() ? (*in.dims)[0].get() : std::nullopt;
      if (!length || *length < 0 || *length > 16 || !is_integer(dtype)) return {};
      ints = Dims(static_cast<size_t>(*length));
    }
    joined.insert(joined.end(), ints->begin(), ints->end());
  }
  context.set_output_ints(0, std::move(joined));
  return {};
}

Result<void> infer_split(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0));
  if (context.has_input(1)) SLUICE_TRY(op::input_dtype(context, 1, op::kIndices));
  const Type& in = context.input_type(0);
  const int outputs = context.output_count();
  for (int i = 0; i < outputs; ++i) context.set_output(i, dtype);
  const int64_t count = context.attrs().int_or("num_outputs", outputs);
  if (!context.has_input(1) && count != outputs) {
    return context.fail(cat("num_outputs is ", count, " (", outputs, " outputs)"));
  }
  if (!in.has_rank()) return {};
  SLUICE_ASSIGN(const int axis,
                op::in_node(context, op::normalized_axis(context.attrs().int_or("axis", 0),
                                                         static_cast<int>(in.dims->size()))));
  const Dim extent = (*in.dims)[static_cast<size_t>(axis)];
  Dims parts(static_cast<size_t>(outputs));
  if (context.has_input(1)) {
    if (const auto given = context.ints(1)) {
      if (given->size() != parts.size()) {
        return context.fail(cat(given->size(), " parts are given (", outputs, " outputs)"));
      }
      parts = *given;
      Dim sum(0);
      for (const Dim& part : parts) {
        if (part.is_known() && part.value() < 0) {
          return context.fail(cat("a part has the extent ", part.value(), " (at least 0)"));
        }
        sum = sum + part;
      }
      if (sum.is_known() && extent.is_known() && !(sum == extent)) {
        return context.fail(cat("the parts add up to ", sum.value(), " (axis ", axis, " has ",
                                extent.value(), ")"));
      }
    }
  } else if (extent.is_known()) {
    SLUICE_ASSIGN(const std::vector<int64_t> even,
                  op::in_node(context, even_split(extent.value(), outputs)));
    for (size_t i = 0; i < parts.size(); ++i) parts[i] = Dim(even[i]);
  } else {
    // Part i of chunks of ceil(extent / n); all equal when the division is exact.
    const Dim exact = Dim::floor_div(extent, Dim(outputs));
    if (exact * Dim(outputs) == extent) {
      std::ranges::fill(parts, exact);
    } else {
      const Dim chunk = Dim::ceil_div(extent, Dim(outputs));
      for (int i = 0; i < outputs; ++i) {
        parts[static_cast<size_t>(i)] =
            i == 0 ? chunk : Dim::max(Dim::min(chunk, extent - chunk * Dim(i)), Dim(0));
      }
    }
  }
  const auto ints = in.dims->size() == 1 ? context.ints(0) : std::nullopt;
  int64_t at = 0;
  for (int i = 0; i < outputs; ++i) {
    const Dim part = parts[static_cast<size_t>(i)];
    Dims out = *in.dims;
    out[static_cast<size_t>(axis)] = part;
    context.set_output(i, dtype, std::move(out));
    if (ints && at >= 0 && part.is_known() &&
        at + part.value() <= static_cast<int64_t>(ints->size())) {
      context.set_output_ints(i, Dims(ints->begin() + at, ints->begin() + at + part.value()));
      at += part.value();
    } else {
      at = -1;
    }
  }
  return {};
}

// Extent of a slice whose bounds or axis are not all numbers.
Dim sliced_extent(const Dim& start, const Dim& end, const Dim& step, const Dim& extent) {
  if (start.is_known() && end.is_known() && step.is_known() && extent.is_known()) {
    return clamped_range(start.value(), end.value(), step.value(), extent.value()).count;
  }
  if (!step.is_known() || extent.is_unknown()) return Dim::unknown();
  constexpr int64_t kFar = std::numeric_limits<int32_t>::max();  // exporters' "to the end"
  // A longer step than any extent; as an expression, a still longer one would overflow.
  constexpr int64_t kHuge = int64_t{1} << 40;
  if (step.value() < 0) {
    // A whole axis in reverse.
    if (start.is_known() && (start.value() == -1 || start.value() >= kFar) && end.is_known() &&
        end.value() <= -kFar) {
      return Dim::ceil_div(extent, Dim(-std::max(step.value(), -kHuge)));
    }
    return Dim::unknown();
  }
  // A bound as a distance from the front; unknown when its sign is.
  const auto placed = [&](const Dim& bound) {
    if (bound.is_known()) {
      if (bound.value() >= kFar) return extent;
      return bound.value() < 0 ? at_least_zero(extent + bound) : bound;
    }
    return never_negative(bound) ? bound : Dim::unknown();
  };
  const auto clamped = [&](const Dim& bound) {
    if (bound == extent || bound == Dim(0)) return bound;
    // extent - k never exceeds extent.
    if (!bound.is_unknown() && never_negative(extent - bound)) return bound;
    return Dim::min(bound, extent);
  };
  const Dim first = clamped(placed(start));
  Dim last = placed(end);
  if (!(end.is_known() && end.value() < 0)) last = clamped(last);
  const Dim distance = first == Dim(0) ? last : at_least_zero(last - first);
  return Dim::ceil_div(distance, Dim(std::min(step.value(), kHuge)));
}

Result<void> infer_slice(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0));
  for (int i = 1; i < context.input_count(); ++i) {
    if (i > 2 && !context.has_input(i)) continue;
    SLUICE_TRY(op::input_dtype(context, i, op::kIndices));
  }
  const Type& in = context.input_type(0);
  context.set_output(0, dtype);
  if (!in.has_rank()) return {};
  const auto rank = static_cast<int>(in.dims->size());
  auto starts = context.ints(1), ends = context.ints(2);
  std::optional<Dims> axes, steps;
  if (context.has_input(3)) {
    axes = context.ints(3);
  } else if (const auto& known = starts ? starts : ends) {
    axes = Dims();
    for (size_t i = 0; i < known->size(); ++i) axes->emplace_back(static_cast<int64_t>(i));
  }
  Dims out = *in.dims;
  if (!axes) {
    context.set_output(0, dtype, Dims(out.size()));
    return {};
  }
  const size_t count = axes->size();
  if (!starts) starts = Dims(count);
  if (!ends) ends = Dims(count);
  steps = context.has_input(4) ? context.ints(4) : Dims(count, Dim(1));
  if (!steps) steps = Dims(count);
  if (starts->size() != count || ends->size() != count || steps->size() != count) {
    return context.fail(cat(starts->size(), " starts, ", ends->size(), " ends, ", count,
                            " axes and ", steps->size(), " steps are given"));
  }
  std::vector<int64_t> numbers;
  for (const Dim& axis : *axes) {
    if (!axis.is_known()) {
      context.set_output(0, dtype, Dims(out.size()));
      return {};
    }
    numbers.push_back(axis.value());
  }
  SLUICE_TRY(op::in_node(context, op::normalized_axes(numbers, rank)));
  for (size_t i = 0; i < count; ++i) {
    if ((*steps)[i] == Dim(0)) return context.fail(cat("the step of axis ", numbers[i], " is 0"));
    Dim& dim = out[static_cast<size_t>(numbers[i] < 0 ? numbers[i] + rank : numbers[i])];
    dim = sliced_extent((*starts)[i], (*ends)[i], (*steps)[i], dim);
  }
  const auto ints = rank == 1 && count == 1 ? context.ints(0) : std::nullopt;
  if (ints && (*starts)[0].is_known() && (*ends)[0].is_known() && (*steps)[0].is_known()) {
    const SliceRange range = clamped_range((*starts)[0].value(), (*ends)[0].value(),
                                           (*steps)[0].value(), static_cast<int64_t>(ints->size()));
    Dims values;
    for (int64_t i = 0; i < range.count; ++i) {
      values.push_back((*ints)[static_cast<size_t>(range.start + i * range.step)]);
    }
    context.set_output_ints(0, std::move(values));
  }
  context.set_output(0, dtype, std::move(out));
  return {};
}

Result<void> infer_pad(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0));
  SLUICE_TRY(op::input_dtype(context, 1, op::kIndices));
  SLUICE_TRY(op::in_node(context, pad_mode(context.attrs())));
  const Type& in = context.input_type(0);
  context.set_output(0, dtype);
  if (!in.has_rank()) return {};
  const auto rank = static_cast<int>(in.dims->size());
  Dims out = *in.dims;
  std::vector<int64_t> axes;
  if (context.has_input(3)) {
    SLUICE_TRY(op::input_dtype(context, 3, op::kIndices));
    const auto given = context.ints(3);
    for (const Dim& axis : given ? *given : Dims{Dim::unknown()}) {
      if (!axis.is_known()) {
        context.set_output(0, dtype, Dims(out.size()));
        return {};
      }
      axes.push_back(axis.value());
    }
    SLUICE_TRY(op::in_node(context, op::normalized_axes(axes, rank)));
  } else {
    for (int i = 0; i < rank; ++i) axes.push_back(i);
  }
  auto pads = context.ints(1);
  if (!pads) pads = Dims(2 * axes.size());
  if (pads->size() != 2 * axes.size()) {
    return context.fail(cat(pads->size(), " pads are given for ", axes.size(), " axes (two each)"));
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    Dim& dim = out[static_cast<size_t>(axes[i] < 0 ? axes[i] + rank : axes[i])];
    dim = dim + (*pads)[i] + (*pads)[i + axes.size()];
    if (dim.is_known() && dim.value() < 0) {
      return context.fail(cat("axis ", axes[i], " shrinks to ", dim.value(), " (at least 0)"));
    }
  }
  context.set_output(0, dtype, std::move(out));
  return {};
}

// Before opset 4, Concat's axis is 1 unless given.
Result<void> upgrade_concat(UpgradeContext& context) {
  if (context.opset < 4 && !context.node.attrs.has("axis"))
    context.node.attrs.set("axis", int64_t{1});
  return {};
}

Result<void> upgrade_split(UpgradeContext& context) {
  ir::Node& node = context.node;
  if (context.opset < 13 && node.attrs.has("split")) {
    const std::vector<int64_t> split = node.attrs.ints_or("split");
    node.attrs.erase("split");
    if (node.input(1) == ir::kNoValue) {
      node.inputs.resize(1, ir::kNoValue);
      node.inputs.push_back(context.add_ints(split));
    }
  }
  if (node.input(1) == ir::kNoValue && !node.attrs.has("num_outputs")) {
    node.attrs.set("num_outputs", static_cast<int64_t>(node.outputs.size()));
  }
  return {};
}

// Before opset 10, Slice's bounds are attributes.
Result<void> upgrade_slice(UpgradeContext& context) {
  ir::Node& node = context.node;
  if (context.opset >= 10 || !node.attrs.has("starts")) return {};
  const std::vector<int64_t> starts = node.attrs.ints_or("starts"),
                             ends = node.attrs.ints_or("ends");
  const bool has_axes = node.attrs.has("axes");
  const std::vector<int64_t> axes = node.attrs.ints_or("axes");
  node.inputs.resize(1, ir::kNoValue);
  node.inputs.push_back(context.add_ints(starts));
  node.inputs.push_back(context.add_ints(ends));
  if (has_axes) node.inputs.push_back(context.add_ints(axes));
  for (const char* name : {"starts", "ends", "axes"}) node.attrs.erase(name);
  return {};
}

// Before opset 11, pads ("paddings" in opset 1) and value are attributes.
Result<void> upgrade_pad(UpgradeContext& context) {
  ir::Node& node = context.node;
  const char* name = node.attrs.has("pads") ? "pads" : "paddings";
  if (context.opset >= 11 || !node.attrs.has(name)) return {};
  const std::vector<int64_t> pads = node.attrs.ints_or(name);
  const float value = node.attrs.float_or("value", 0.0f);
  node.inputs.resize(1, ir::kNoValue);
  node.inputs.push_back(context.add_ints(pads));
  if (value != 0.0f) {
    DType dtype = context.input_type(0).dtype;
    if (dtype == DType::kUndefined) dtype = DType::kFloat32;
    const double number = value;
    node.inputs.push_back(
        context.add_constant(Tensor::of_doubles(dtype, Shape{}, std::span(&number, 1))));
  }
  node.attrs.erase(name);
  node.attrs.erase("value");
  return {};
}

constexpr op::OpDef kDefs[] = {
    {.name = "Concat",
     .min_inputs = 1,
     .max_inputs = -1,
     .infer = infer_concat,
     .reference = concat_reference,
     .cpu = kConcatCpu,
     .upgrade = upgrade_concat},
    {.name = "Split",
     .min_inputs = 1,
     .max_inputs = 2,
     .max_outputs = -1,
     .infer = infer_split,
     .reference = split_reference,
     .upgrade = upgrade_split},
    {.name = "Slice",
     .min_inputs = 3,
     .max_inputs = 5,
     .infer = infer_slice,
     .reference = slice_reference,
     .upgrade = upgrade_slice},
    {.name = "Pad",
     .min_inputs = 2,
     .max_inputs = 4,
     .infer = infer_pad,
     .reference = pad_reference,
     .upgrade = upgrade_pad},
    {.name = "Pad",
     .domain = "com.microsoft",
     .min_inputs = 2,
     .max_inputs = 3,
     .infer = infer_pad,
     .reference = pad_reference,
     .nonstandard = "Pad with its pads as an input, as it later entered the standard; made by ONNX "
                    "Runtime's exporters."},
};

}  // namespace

std::span<const op::OpDef> op_defs() { return kDefs; }

}  // namespace sluice::ops::concat
