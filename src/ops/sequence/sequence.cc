#include "ops/sequence/sequence.h"

#include "base/text.h"
#include "op/elements.h"
#include "op/join.h"
#include "op/operand.h"

namespace sluice::ops::sequence {

namespace {

using op::InferContext;

// What sequence input `i` holds; an unknown type when that is not known.
Result<Type> element_type(const InferContext& context, int i) {
  if (!context.has_input(i)) return context.fail(cat("input ", i, " is missing"));
  const Type* type = &context.input_type(i);
  if (type->kind == Type::Kind::kOptional && type->elem != nullptr) type = type->elem.get();
  if (type->kind == Type::Kind::kUnknown) return Type{};
  if (type->kind != Type::Kind::kSequence) {
    return context.fail(cat("input ", i, " is ", type->text(), ", not a sequence"));
  }
  return type->elem != nullptr ? *type->elem : Type{};
}

Result<void> infer_sequence_empty(InferContext& context) {
  const int64_t dtype = context.attrs().int_or("dtype", static_cast<int64_t>(DType::kFloat32));
  if (!dtype_is_valid(dtype) || dtype == 0) {
    return context.fail(cat("the element type number ", dtype, " is not known"));
  }
  context.set_output(0, Type::sequence(Type::tensor(static_cast<DType>(dtype))));
  return {};
}

Result<void> infer_sequence_construct(InferContext& context) {
  Type elem = context.input_type(0);
  for (int i = 1; i < context.input_count(); ++i) elem = op::joined(elem, context.input_type(i));
  context.set_output(0, Type::sequence(std::move(elem)));
  return {};
}

Result<void> infer_sequence_at(InferContext& context) {
  SLUICE_ASSIGN(Type elem, element_type(context, 0));
  SLUICE_TRY(op::input_dtype(context, 1, op::kIndices));
  context.set_output(0, std::move(elem));
  return {};
}

Result<void> infer_sequence_insert(InferContext& context) {
  SLUICE_ASSIGN(const Type elem, element_type(context, 0));
  if (context.has_input(2)) SLUICE_TRY(op::input_dtype(context, 2, op::kIndices));
  const Type& item = context.input_type(1);
  if (elem.is_tensor() && item.is_tensor() && elem.dtype != DType::kUndefined &&
      item.dtype != DType::kUndefined && elem.dtype != item.dtype) {
    return context.fail(cat("an item is ", item.text(), " for a sequence of ", elem.text()));
  }
  context.set_output(0, Type::sequence(op::joined(elem, item)));
  return {};
}

Result<void> infer_sequence_erase(InferContext& context) {
  SLUICE_ASSIGN(Type elem, element_type(context, 0));
  if (context.has_input(1)) SLUICE_TRY(op::input_dtype(context, 1, op::kIndices));
  context.set_output(0, Type::sequence(std::move(elem)));
  return {};
}

Result<void> infer_sequence_length(InferContext& context) {
  SLUICE_TRY(element_type(context, 0));
  context.set_output(0, DType::kInt64, Dims{});
  return {};
}

Result<void> infer_split_to_sequence(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0));
  if (context.has_input(1)) SLUICE_TRY(op::input_dtype(context, 1, op::kIndices));
  const Type& in = context.input_type(0);
  Type elem = Type::tensor(dtype);
  if (in.has_rank()) {
    SLUICE_ASSIGN(const int axis,
                  op::in_node(context, op::normalized_axis(context.attrs().int_or("axis", 0),
                                                           static_cast<int>(in.dims->size()))));
    Dims dims = *in.dims;
    const Dim extent = dims[static_cast<size_t>(axis)];
    Dim part = Dim::unknown();
    if (!context.has_input(1)) {
      part = Dim(1);
    } else if (const auto split = context.ints(1)) {
      const Type& type = context.input_type(1);
      if (type.has_rank() && type.dims->empty()) {
        if (split->size() == 1 && Dim::floor_div(extent, (*split)[0]) * (*split)[0] == extent) {
          part = (*split)[0];
        }
      } else if (!split->empty()) {
        part = (*split)[0];
        for (const Dim& other : *split) {
          if (!(other == part)) part = Dim::unknown();
        }
      }
    }
    dims[static_cast<size_t>(axis)] = part;
    if (!context.has_input(1) && context.attrs().int_or("keepdims", 1) == 0) {
      dims.erase(dims.begin() + axis);
    }
    elem.dims = std::move(dims);
  }
  context.set_output(0, Type::sequence(std::move(elem)));
  return {};
}

Result<void> infer_concat_from_sequence(InferContext& context) {
  SLUICE_ASSIGN(const Type elem, element_type(context, 0));
  if (!elem.is_tensor()) return {};
  context.set_output(0, elem.dtype);
  if (!elem.dims) return {};
  const bool stack = context.attrs().int_or("new_axis", 0) != 0;
  const auto rank = static_cast<int>(elem.dims->size()) + (stack ? 1 : 0);
  SLUICE_ASSIGN(const int axis,
                op::in_node(context, op::normalized_axis(context.attrs().int_or("axis", 0), rank)));
  Dims dims = *elem.dims;
  if (stack) {
    dims.insert(dims.begin() + axis, Dim::unknown());
  } else {
    dims[static_cast<size_t>(axis)] = Dim::unknown();
  }
  context.set_output(0, elem.dtype, std::move(dims));
  return {};
}

Result<void> infer_optional(InferContext& context) {
  if (context.has_input(0)) {
    context.set_output(0, Type::optional(context.input_type(0)));
  } else if (const Type* type = context.attrs().type("type")) {
    context.set_output(0, Type::optional(*type));
  } else {
    return context.fail("it has neither an input nor the attribute type");
  }
  return {};
}

Result<void> infer_optional_get_element(InferContext& context) {
  const Type& in = context.input_type(0);
  if (in.kind != Type::Kind::kOptional) {
    context.set_output(0, in);
  } else if (in.elem != nullptr) {
    context.set_output(0, *in.elem);
  }
  return {};
}

Result<void> infer_optional_has_element(InferContext& context) {
  context.set_output(0, DType::kBool, Dims{});
  return {};
}

constexpr op::OpDef kDefs[] = {
    {.name = "SequenceEmpty",
     .min_inputs = 0,
     .max_inputs = 0,
     .infer = infer_sequence_empty,
     .reference = sequence_empty_reference},
    {.name = "SequenceConstruct",
     .min_inputs = 1,
     .max_inputs = -1,
     .infer = infer_sequence_construct,
     .reference = sequence_construct_reference},
    {.name = "SequenceAt",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_sequence_at,
     .reference = sequence_at_reference},
    {.name = "SequenceInsert",
     .min_inputs = 2,
     .max_inputs = 3,
     .infer = infer_sequence_insert,
     .reference = sequence_insert_reference},
    {.name = "SequenceErase",
     .min_inputs = 1,
     .max_inputs = 2,
     .infer = infer_sequence_erase,
     .reference = sequence_erase_reference},
    {.name = "SequenceLength",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_sequence_length,
     .reference = sequence_length_reference},
    {.name = "SplitToSequence",
     .min_inputs = 1,
     .max_inputs = 2,
     .infer = infer_split_to_sequence,
     .reference = split_to_sequence_reference},
    {.name = "ConcatFromSequence",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_concat_from_sequence,
     .reference = concat_from_sequence_reference},
    {.name = "Optional",
     .min_inputs = 0,
     .max_inputs = 1,
     .infer = infer_optional,
     .reference = optional_reference},
    {.name = "OptionalGetElement",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_optional_get_element,
     .reference = optional_get_element_reference},
    {.name = "OptionalHasElement",
     .min_inputs = 0,
     .max_inputs = 1,
     .infer = infer_optional_has_element,
     .reference = optional_has_element_reference},
};

}  // namespace

std::span<const op::OpDef> op_defs() { return kDefs; }

}  // namespace sluice::ops::sequence
