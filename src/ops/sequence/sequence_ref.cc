#include <algorithm>

#include "base/checked.h"
#include "base/text.h"
#include "op/elements.h"
#include "op/operand.h"
#include "ops/sequence/sequence.h"

namespace sluice::ops::sequence {

using op::input_tensor;
using plan::KernelContext;

namespace {

using Items = std::vector<Value>;

Result<const Items*> input_sequence(const KernelContext& context, int i) {
  if (!context.has(i)) return usage_error(cat("Input ", i, " is missing"));
  const Value* value = &context.input_value(i);
  // An optional that holds a sequence stands for it.
  if (value->kind() == Value::Kind::kOptional && !value->items().empty())
    value = &value->items()[0];
  if (value->kind() != Value::Kind::kSequence) {
    return usage_error(cat("Input ", i, " is not a sequence"));
  }
  return &value->items();
}

// Position input `i` among `count` places; the fallback when it is absent.
Result<size_t> input_position(const KernelContext& context, int i, size_t count, size_t fallback) {
  if (!context.has(i)) {
    if (fallback >= count) return usage_error("The sequence is empty");
    return fallback;
  }
  SLUICE_ASSIGN(int64_t at, op::input_int(context, i));
  const auto places = static_cast<int64_t>(count);
  if (at < -places || at >= places) {
    return usage_error(cat("The position ", at, " is out of range (", count, " places)"));
  }
  return static_cast<size_t>(at < 0 ? at + places : at);
}

}  // namespace

Result<void> sequence_empty_reference(KernelContext& context) {
  context.set_out(0, Value::sequence({}));
  return {};
}

Result<void> sequence_construct_reference(KernelContext& context) {
  for (int i = 0; i < context.input_count(); ++i) {
    if (!context.has(i)) return usage_error(cat("Input ", i, " is missing"));
  }
  context.set_out(0, Value::sequence(Items(context.inputs().begin(), context.inputs().end())));
  return {};
}

Result<void> sequence_at_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Items* items, input_sequence(context, 0));
  SLUICE_ASSIGN(const size_t at, input_position(context, 1, items->size(), 0));
  context.set_out(0, (*items)[at]);
  return {};
}

Result<void> sequence_insert_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Items* items, input_sequence(context, 0));
  if (!context.has(1)) return usage_error("SequenceInsert has nothing to insert");
  // -n stands for the front here, as elsewhere: n places are counted, and n itself is the end.
  size_t at = items->size();
  if (context.has(2)) {
    SLUICE_ASSIGN(int64_t wanted, op::input_int(context, 2));
    const auto count = static_cast<int64_t>(items->size());
    if (wanted < -count || wanted > count) {
      return usage_error(cat("The position ", wanted, " is out of range (", count, " items)"));
    }
    at = static_cast<size_t>(wanted < 0 ? wanted + count : wanted);
  }
  Items out = *items;
  out.insert(out.begin() + static_cast<std::ptrdiff_t>(at), context.input_value(1));
  context.set_out(0, Value::sequence(std::move(out)));
  return {};
}

Result<void> sequence_erase_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Items* items, input_sequence(context, 0));
  SLUICE_ASSIGN(const size_t at, input_position(context, 1, items->size(), items->size() - 1));
  Items out = *items;
  out.erase(out.begin() + static_cast<std::ptrdiff_t>(at));
  context.set_out(0, Value::sequence(std::move(out)));
  return {};
}

Result<void> sequence_length_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Items* items, input_sequence(context, 0));
  SLUICE_ASSIGN(Tensor * out, context.out(0, DType::kInt64, Shape{}));
  out->mutable_data<int64_t>()[0] = static_cast<int64_t>(items->size());
  return {};
}

Result<void> split_to_sequence_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0));
  SLUICE_ASSIGN(const int axis, op::normalized_axis(context.attrs().int_or("axis", 0), in->rank()));
  const int64_t extent = in->dim(axis);
  std::vector<int64_t> parts;
  int64_t chunk = 1;
  if (context.has(1)) {
    SLUICE_ASSIGN(const Tensor* split, input_tensor(context, 1, op::kIndices));
    if (split->rank() == 0) {
      chunk = split->get_int(0);
      if (chunk <= 0) {
        return usage_error(cat("SplitToSequence has the part length ", chunk, " (at least 1)"));
      }
    } else {
      parts = split->to_ints();
      int64_t left = extent;
      for (const int64_t part : parts) {
        if (part < 0 || part > left) left = -1;
        if (left < 0) break;
        left -= part;
      }
      if (left != 0) {
        return usage_error(cat("SplitToSequence of ", in->shape().text(), " at axis ", axis,
                               " into [", join(parts, ","), "], which don't add up"));
      }
      chunk = 0;
    }
  }
  if (chunk > 0) {
    for (int64_t at = 0; at < extent; at += std::min(chunk, extent - at)) {
      parts.push_back(std::min(chunk, extent - at));
    }
  }
  const bool keep = context.has(1) || context.attrs().int_or("keepdims", 1) != 0;
  const op::AxisSplit split = op::split_at(in->shape(), axis);
  Items items;
  int64_t at = 0;
  for (const int64_t part : parts) {
    Shape shape = in->shape();
    shape[axis] = part;
    SLUICE_ASSIGN(Tensor out, Tensor::allocate(in->dtype(), shape));
    const int64_t row = part * split.inner;
    for (int64_t o = 0; o < split.outer; ++o) {
      op::copy_elements(*in, (o * split.extent + at) * split.inner, out, o * row, row);
    }
    at += part;
    if (!keep) {
      shape.erase(axis);
      out = out.reshaped(shape);
    }
    items.emplace_back(std::move(out));
  }
  context.set_out(0, Value::sequence(std::move(items)));
  return {};
}

Result<void> concat_from_sequence_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Items* items, input_sequence(context, 0));
  if (items->empty()) return usage_error("ConcatFromSequence joins an empty sequence");
  std::vector<Tensor> parts;
  for (const Value& item : *items) {
    if (!item.is_tensor()) return usage_error("ConcatFromSequence joins what is not a tensor");
    parts.push_back(item.tensor());
  }
  const Tensor& first = parts[0];
  const bool stack = context.attrs().int_or("new_axis", 0) != 0;
  const int64_t wanted = context.attrs().int_or("axis", 0);
  SLUICE_ASSIGN(const int axis, op::normalized_axis(wanted, first.rank() + (stack ? 1 : 0)));
  Checked extent(0);
  for (const Tensor& part : parts) {
    bool fits = part.rank() == first.rank() && part.dtype() == first.dtype();
    for (int i = 0; fits && i < part.rank(); ++i) {
      fits = part.dim(i) == first.dim(i) || (!stack && i == axis);
    }
    if (!fits) {
      return usage_error(
          cat("ConcatFromSequence at axis ", axis, " joins ", first.text(), " and ", part.text()));
    }
    extent = extent + (stack ? 1 : static_cast<uint64_t>(part.dim(axis)));
  }
  std::vector<int64_t> dims(first.shape().begin(), first.shape().end());
  if (stack) dims.insert(dims.begin() + axis, 0);
  if (!extent.fits(uint64_t{1} << 62))
    return resource_error("ConcatFromSequence's result is too long");
  dims[static_cast<size_t>(axis)] = static_cast<int64_t>(extent.value());
  SLUICE_ASSIGN(const Shape shape, op::checked_shape(dims));
  SLUICE_ASSIGN(Tensor * out, context.out(0, first.dtype(), shape));
  op::interleave(parts, axis, *out);
  return {};
}

Result<void> optional_reference(KernelContext& context) {
  context.set_out(0,
                  context.has(0) ? Value::some(context.input_value(0)) : Value::empty_optional());
  return {};
}

Result<void> optional_get_element_reference(KernelContext& context) {
  if (!context.has(0)) return usage_error("OptionalGetElement has no input");
  const Value& in = context.input_value(0);
  if (in.kind() != Value::Kind::kOptional) {
    context.set_out(0, in);
  } else if (in.items().empty()) {
    return usage_error("OptionalGetElement of an empty optional");
  } else {
    context.set_out(0, in.items()[0]);
  }
  return {};
}

Result<void> optional_has_element_reference(KernelContext& context) {
  bool has = context.has(0);
  if (has && context.input_value(0).kind() == Value::Kind::kOptional) {
    has = !context.input_value(0).items().empty();
  }
  SLUICE_ASSIGN(Tensor * out, context.out(0, DType::kBool, Shape{}));
  out->set_int(0, has);
  return {};
}

}  // namespace sluice::ops::sequence
