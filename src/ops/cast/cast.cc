#include "ops/cast/cast.h"

#include <array>

#include "base/text.h"
#include "op/operand.h"
#include "ops/cast/cast_cpu.h"

namespace sluice::ops::cast {

namespace {

using op::InferContext;
using op::NodeView;
using op::OpDef;
using op::UpgradeContext;

Result<DType> target(const InferContext& context) {
  if (!context.attrs().has("to")) return context.fail("attribute to is missing");
  const int64_t to = context.attrs().int_or("to", 0);
  if (!dtype_is_valid(to)) {
    return context.fail(
        cat("attribute to is ", to, " (a dtype is a number from 1 to ", kDTypeCount - 1, ")"));
  }
  return static_cast<DType>(to);
}

Result<void> infer_conversion(InferContext& context, DType to) {
  SLUICE_ASSIGN(const DType from, op::input_dtype(context, 0));
  if (from != to && (is_complex(from) || is_complex(to))) {
    return context.fail(
        cat("a cast from ", dtype_name(from), " to ", dtype_name(to), " is not defined"));
  }
  const std::string mode = context.attrs().string_or("round_mode", "up");
  if (mode != "up" && mode != "down" && mode != "nearest") {
    return context.fail(
        cat("attribute round_mode is ", quoted(mode), " (allowed: up, down or nearest)"));
  }
  Type type = context.input_type(0);
  type.kind = Type::Kind::kTensor;
  type.dtype = to;
  context.set_output(0, std::move(type));
  // Extents survive among integers wide enough for them; narrower ones might wrap.
  const bool from_exact = is_integer(from) || from == DType::kBool;
  if (from_exact && is_integer(to) && dtype_bits(to) >= 32) {
    if (auto values = context.ints(0)) context.set_output_ints(0, std::move(*values));
  } else if (from_exact && to == DType::kBool) {
    if (auto values = context.ints(0)) {
      for (Dim& value : *values) {
        value = value.is_known() ? Dim(value.value() != 0 ? 1 : 0) : Dim::unknown();
      }
      context.set_output_ints(0, std::move(*values));
    }
  }
  return {};
}

Result<void> infer_cast(InferContext& context) {
  SLUICE_ASSIGN(const DType to, target(context));
  return infer_conversion(context, to);
}

Result<void> infer_cast_like(InferContext& context) {
  SLUICE_ASSIGN(const DType to, op::input_dtype(context, 1));
  if (to == DType::kUndefined) {
    SLUICE_TRY(op::input_dtype(context, 0));
    context.set_output(0, Type{});
    return {};
  }
  return infer_conversion(context, to);
}

Result<void> infer_bit_cast(InferContext& context) {
  SLUICE_ASSIGN(const DType to, target(context));
  SLUICE_ASSIGN(const DType from, op::input_dtype(context, 0));
  if (dtype_bits(to) == 0 || (from != DType::kUndefined && dtype_bits(from) != dtype_bits(to))) {
    return context.fail(cat("the bits of ", dtype_name(from), " (", dtype_bits(from),
                            " wide) can't be read as ", dtype_name(to), " (", dtype_bits(to),
                            " wide)"));
  }
  Type type = context.input_type(0);
  type.kind = Type::Kind::kTensor;
  type.dtype = to;
  context.set_output(0, std::move(type));
  return {};
}

// Before opset 6 the target was spelled out: "FLOAT", "INT64" ...
Result<void> upgrade_cast(UpgradeContext& context) {
  AttrMap& attrs = context.node.attrs;
  const std::string name = attrs.string_or("to", "");
  if (name.empty()) return {};
  static constexpr std::pair<std::string_view, DType> kNames[] = {
      {"FLOAT", DType::kFloat32},
      {"UINT8", DType::kUInt8},
      {"INT8", DType::kInt8},
      {"UINT16", DType::kUInt16},
      {"INT16", DType::kInt16},
      {"INT32", DType::kInt32},
      {"INT64", DType::kInt64},
      {"STRING", DType::kString},
      {"BOOL", DType::kBool},
      {"FLOAT16", DType::kFloat16},
      {"DOUBLE", DType::kFloat64},
      {"UINT32", DType::kUInt32},
      {"UINT64", DType::kUInt64},
      {"COMPLEX64", DType::kComplex64},
      {"COMPLEX128", DType::kComplex128}};
  for (const auto& [text, dtype] : kNames) {
    if (text != name) continue;
    attrs.set("to", static_cast<int64_t>(dtype));
    return {};
  }
  return invalid_model(cat(context.node.label(), " casts to the unknown dtype ", quoted(name)));
}

op::Cost cost_elementwise(const NodeView& node) {
  const auto shape = node.output_type(0).shape();
  return {shape ? static_cast<double>(shape->elements()) : 0.0};
}

}  // namespace

std::span<const OpDef> op_defs() {
  static const std::array<OpDef, 3> kDefs = {{
      {.name = "Cast",
       .min_inputs = 1,
       .max_inputs = 1,
       .infer = infer_cast,
       .reference = cast_reference,
       .cpu = kCastCpu,
       .upgrade = upgrade_cast,
       .cost = cost_elementwise},
      {.name = "CastLike",
       .min_inputs = 2,
       .max_inputs = 2,
       .infer = infer_cast_like,
       .reference = cast_like_reference,
       .cost = cost_elementwise},
      {.name = "BitCast",
       .min_inputs = 1,
       .max_inputs = 1,
       .infer = infer_bit_cast,
       .reference = bit_cast_reference},
  }};
  return kDefs;
}

}  // namespace sluice::ops::cast
