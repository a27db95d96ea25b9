#include "ops/binary/binary.h"

#include <array>

#include "base/text.h"
#include "op/operand.h"
#include "ops/binary/binary_cpu.h"

namespace sluice::ops::binary {

namespace {

using op::DTypeSet;
using op::InferContext;
using op::NodeView;
using op::OpDef;
using op::UpgradeContext;

constexpr DTypeSet kComparable = op::kNumbers | op::kBools;
constexpr DTypeSet kEqualable = kComparable | op::kStrings;

// Output type: `dtype`, and the joined shape when every operand's rank is known.
Result<void> infer_shape(InferContext& context, DType dtype) {
  Dims joined;
  for (int i = 0; i < context.input_count(); ++i) {
    const Type& type = context.input_type(i);
    if (!type.has_rank()) {
      context.set_output(0, dtype);
      return {};
    }
    auto next = broadcast(joined, *type.dims);
    if (!next) return context.fail(next.error().message);
    joined = std::move(*next);
  }
  if (joined.size() > kMaxRank) {
    return context.fail(cat("the output has rank ", joined.size(), " (limit: ", kMaxRank, ")"));
  }
  context.set_output(0, dtype, std::move(joined));
  return {};
}

// --- contents of small integer tensors

// An extent can't be negative, and an expression of extents is taken for one unless it is visibly
// a difference: "H" and "2*H + 1" qualify, "H - 1" too (it only goes wrong for H = 0), "H - W" and
// "-H" don't.
bool is_not_negative(const Dim& dim) {
  if (dim.is_known()) return dim.value() >= 0;
  if (dim.is_unknown()) return false;
  const std::string text = dim.text();
  const size_t minus = text.find('-');
  if (minus == std::string::npos) return true;
  return minus != 0 && text.find_first_not_of("0123456789 ", minus + 1) == std::string::npos;
}

Dim quotient(const Dim& a, const Dim& b) {
  if (a.is_known() && b.is_known()) {
    if (b.value() == 0) return Dim::unknown();
    if (b.value() == -1) return Dim(0) - a;
    return a.value() / b.value();
  }
  // Rounding towards zero and towards minus infinity agree here.
  if (is_not_negative(a) && is_not_negative(b)) return Dim::floor_div(a, b);
  return Dim::unknown();
}

Dim remainder(const Dim& a, const Dim& b) {
  if (!is_not_negative(a) || !is_not_negative(b) || b == Dim(0)) return Dim::unknown();
  return a - Dim::floor_div(a, b) * b;
}

Dim truth(bool value) { return value ? 1 : 0; }

Dim equal(const Dim& a, const Dim& b) {
  if (a == b) return 1;
  if (a.is_known() && b.is_known()) return 0;
  // A symbolic extent against -1, the usual mark for "keep this one".
  if (a.is_known() && a.value() < 0 && is_not_negative(b)) return 0;
  if (b.is_known() && b.value() < 0 && is_not_negative(a)) return 0;
  return Dim::unknown();
}

Dim less(const Dim& a, const Dim& b) {
  if (a.is_known() && b.is_known()) return truth(a.value() < b.value());
  if (a == b) return 0;
  if (a.is_known() && a.value() < 0 && is_not_negative(b)) return 1;
  if (b.is_known() && b.value() <= 0 && is_not_negative(a)) return 0;
  return Dim::unknown();
}

Dim negated(const Dim& a) { return a.is_known() ? truth(a.value() == 0) : Dim::unknown(); }

Dim add(const Dim& a, const Dim& b) { return a + b; }
Dim subtract(const Dim& a, const Dim& b) { return a - b; }
Dim multiply(const Dim& a, const Dim& b) { return a * b; }
Dim greater(const Dim& a, const Dim& b) { return less(b, a); }
Dim less_or_equal(const Dim& a, const Dim& b) { return negated(less(b, a)); }
Dim greater_or_equal(const Dim& a, const Dim& b) { return negated(less(a, b)); }
Dim both(const Dim& a, const Dim& b) {
  if (a == Dim(0) || b == Dim(0)) return 0;
  return a.is_known() && b.is_known() ? Dim(1) : Dim::unknown();
}
Dim either(const Dim& a, const Dim& b) {
  if ((a.is_known() && a.value() != 0) || (b.is_known() && b.value() != 0)) return 1;
  return a.is_known() && b.is_known() ? Dim(0) : Dim::unknown();
}
Dim unlike(const Dim& a, const Dim& b) {
  if (!a.is_known() || !b.is_known()) return Dim::unknown();
  return truth((a.value() != 0) != (b.value() != 0));
}

using Fold = Dim (*)(const Dim&, const Dim&);

bool holds_ints(const Type& type) {
  return type.has_rank() && type.dims->size() <= 1 &&
         (is_integer(type.dtype) || type.dtype == DType::kBool);
}

const Dim& entry(const Dims& values, size_t i) {
  return values.size() == 1 ? values[0] : values[i];
}

// Applies `fold` (null: nothing to carry) over the contents of all operands when they are at most
// 1-D and known.
void infer_contents(InferContext& context, Fold fold) {
  if (fold == nullptr) return;
  std::optional<Dims> result;
  for (int i = 0; i < context.input_count(); ++i) {
    if (!holds_ints(context.input_type(i))) return;
    const auto next = context.ints(i);
    if (!next) return;
    if (!result) {
      result = *next;
      continue;
    }
    const size_t a = result->size(), b = next->size();
    if (a != b && a != 1 && b != 1) return;
    const size_t n = a == 1 ? b : a;
    Dims joined;
    joined.reserve(n);
    for (size_t k = 0; k < n; ++k) joined.push_back(fold(entry(*result, k), entry(*next, k)));
    result = std::move(joined);
  }
  if (result) context.set_output_ints(0, std::move(*result));
}

// --- inference

Result<void> require_operands(const InferContext& context, int count) {
  for (int i = 0; i < count; ++i) SLUICE_TRY(op::input_dtype(context, i));
  return {};
}

template <const DTypeSet& kAllowed, Fold kFold>
Result<void> infer_arithmetic(InferContext& context) {
  SLUICE_TRY(require_operands(context, context.input_count()));
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 0, -1, kAllowed));
  SLUICE_TRY(infer_shape(context, dtype));
  infer_contents(context, kFold);
  return {};
}

template <const DTypeSet& kAllowed, Fold kFold>
Result<void> infer_comparison(InferContext& context) {
  SLUICE_TRY(require_operands(context, 2));
  SLUICE_TRY(op::common_dtype(context, 0, -1, kAllowed));
  SLUICE_TRY(infer_shape(context, DType::kBool));
  infer_contents(context, kFold);
  return {};
}

Result<void> infer_pow(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kNumbers));
  SLUICE_TRY(op::input_dtype(context, 1, op::kNumbers));
  return infer_shape(context, dtype);
}

Result<void> infer_bit_shift(InferContext& context) {
  const std::string direction = context.attrs().string_or("direction", "");
  if (direction != "LEFT" && direction != "RIGHT") {
    return context.fail(
        cat("attribute direction is ", quoted(direction), " (allowed: LEFT or RIGHT)"));
  }
  return infer_arithmetic<op::kUnsignedInts, nullptr>(context);
}

Result<void> infer_where(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, op::kBools));
  SLUICE_TRY(op::input_dtype(context, 1));
  SLUICE_TRY(op::input_dtype(context, 2));
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 1, -1));
  SLUICE_TRY(infer_shape(context, dtype));
  if (!is_integer(dtype) || !holds_ints(context.input_type(0)) ||
      !holds_ints(context.input_type(1)) || !holds_ints(context.input_type(2))) {
    return {};
  }
  const auto condition = context.ints(0), x = context.ints(1), y = context.ints(2);
  if (!condition || !x || !y) return {};
  size_t n = 1;
  for (const Dims* values : {&*condition, &*x, &*y}) {
    if (values->size() == 1) continue;
    if (n != 1 && n != values->size()) return {};
    n = values->size();
  }
  Dims out;
  for (size_t i = 0; i < n; ++i) {
    const Dim& c = entry(*condition, i);
    const Dim &a = entry(*x, i), &b = entry(*y, i);
    if (c.is_known()) {
      out.push_back(c.value() != 0 ? a : b);
    } else {
      out.push_back(a == b ? a : Dim::unknown());
    }
  }
  context.set_output_ints(0, std::move(out));
  return {};
}

// Before opset 7, broadcasting was asked for by `broadcast = 1`; the second operand's axes then lay
// on the first one's from `axis` on (or at its end), where numpy always aligns at the end.
Result<void> upgrade_broadcast(UpgradeContext& context) {
  if (context.opset >= 7) return {};
  ir::Node& node = context.node;
  const bool broadcast = node.attrs.int_or("broadcast", 0) != 0;
  const bool has_axis = node.attrs.has("axis");
  const int64_t axis = node.attrs.int_or("axis", -1);
  node.attrs.erase("broadcast");
  node.attrs.erase("axis");
  if (!broadcast || !has_axis || node.inputs.size() < 2) return {};
  const Type& a = context.input_type(0);
  const Type& b = context.input_type(1);
  if (!a.has_rank() || !b.has_rank()) {
    return unsupported(cat(node.label(), " of an opset before 7 needs operands of known rank"));
  }
  const auto rank_a = static_cast<int>(a.dims->size()), rank_b = static_cast<int>(b.dims->size());
  SLUICE_ASSIGN(const int first, op::normalized_axis(axis, std::max(rank_a, 1)));
  const int missing = rank_a - first - rank_b;
  if (missing < 0) {
    return invalid_model(cat(node.label(), " lays an operand of rank ", rank_b, " from axis ",
                             first, " on over one of rank ", rank_a));
  }
  std::vector<int64_t> axes;
  for (int i = 0; i < missing; ++i) axes.push_back(rank_b + i);
  if (axes.empty()) return {};
  node.inputs[1] = context.add_before("Unsqueeze", {node.inputs[1], context.add_ints(axes)});
  return {};
}

op::Cost cost_elementwise(const NodeView& node) {
  const auto shape = node.output_type(0).shape();
  return {shape ? static_cast<double>(shape->elements()) : 0.0};
}

constexpr OpDef two(std::string_view name, Result<void> (*infer)(InferContext&),
                    plan::KernelFn kernel, bool had_broadcast_attribute = false) {
  return {.name = name,
          .min_inputs = 2,
          .max_inputs = 2,
          .infer = infer,
          .reference = kernel,
          .upgrade = had_broadcast_attribute ? upgrade_broadcast : nullptr,
          .cost = cost_elementwise};
}

constexpr OpDef several(std::string_view name, Result<void> (*infer)(InferContext&),
                        plan::KernelFn kernel) {
  OpDef def = two(name, infer, kernel);
  def.min_inputs = 1;
  def.max_inputs = -1;
  return def;
}

constexpr auto make_rows() {
  OpDef where = two("Where", infer_where, where_reference);
  where.min_inputs = where.max_inputs = 3;
  return std::to_array<OpDef>({
      two("Add", infer_arithmetic<op::kNumbers, add>, add_reference, true),
      two("Sub", infer_arithmetic<op::kNumbers, subtract>, sub_reference, true),
      two("Mul", infer_arithmetic<op::kNumbers, multiply>, mul_reference, true),
      two("Div", infer_arithmetic<op::kNumbers, quotient>, div_reference, true),
      two("Pow", infer_pow, pow_reference, true),
      two("Mod", infer_arithmetic<op::kNumbers, remainder>, mod_reference),
      several("Max", infer_arithmetic<op::kNumbers, Dim::max>, max_reference),
      several("Min", infer_arithmetic<op::kNumbers, Dim::min>, min_reference),
      several("Sum", infer_arithmetic<op::kNumbers, add>, sum_reference),
      several("Mean", infer_arithmetic<op::kNumbers, nullptr>, mean_reference),
      two("And", infer_comparison<op::kBools, both>, logical_and_reference, true),
      two("Or", infer_comparison<op::kBools, either>, logical_or_reference, true),
      two("Xor", infer_comparison<op::kBools, unlike>, logical_xor_reference, true),
      two("Equal", infer_comparison<kEqualable, equal>, equal_reference, true),
      two("Less", infer_comparison<kComparable, less>, less_reference, true),
      two("LessOrEqual", infer_comparison<kComparable, less_or_equal>, less_or_equal_reference),
      two("Greater", infer_comparison<kComparable, greater>, greater_reference, true),
      two("GreaterOrEqual", infer_comparison<kComparable, greater_or_equal>,
          greater_or_equal_reference),
      two("BitShift", infer_bit_shift, bit_shift_reference),
      two("BitwiseAnd", infer_arithmetic<op::kInts, nullptr>, bitwise_and_reference),
      two("BitwiseOr", infer_arithmetic<op::kInts, nullptr>, bitwise_or_reference),
      two("BitwiseXor", infer_arithmetic<op::kInts, nullptr>, bitwise_xor_reference),
      where,
  });
}

// A table in the binary, but for the kernels.
std::vector<OpDef> make_defs() {
  static constexpr auto kRows = make_rows();
  std::vector<OpDef> defs(kRows.begin(), kRows.end());
  for (OpDef& def : defs) def.cpu = binary_cpu(def.name);
  return defs;
}

}  // namespace

std::span<const OpDef> op_defs() {
  static const std::vector<OpDef> kDefs = make_defs();
  return kDefs;
}

}  // namespace sluice::ops::binary
