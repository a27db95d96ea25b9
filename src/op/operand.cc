#include "op/operand.h"

#include <algorithm>

#include "base/text.h"

namespace sluice::op {

std::string DTypeSet::text() const {
  std::vector<std::string> names;
  for (int n = 1; n < kDTypeCount; ++n) {
    if (has(static_cast<DType>(n))) names.emplace_back(dtype_name(static_cast<DType>(n)));
  }
  if (names.size() < 2) return names.empty() ? "none" : names[0];
  const std::string last = std::move(names.back());
  names.pop_back();
  return join(names, ", ") + " or " + last;
}

Result<DType> input_dtype(const InferContext& context, int i, DTypeSet allowed) {
  if (!context.has_input(i)) return context.fail(cat("input ", i, " is missing"));
  const Type& type = context.input_type(i);
  if (type.kind == Type::Kind::kUnknown) return DType::kUndefined;
  if (!type.is_tensor()) {
    return context.fail(cat("input ", i, " is ", type.text(), ", not a tensor"));
  }
  if (type.dtype != DType::kUndefined && !allowed.has(type.dtype)) {
    return context.fail(
        cat("input ", i, " is ", dtype_name(type.dtype), " (allowed: ", allowed.text(), ")"));
  }
  return type.dtype;
}

Result<DType> common_dtype(const InferContext& context, int first, int last, DTypeSet allowed) {
  if (last < 0) last = context.input_count();
  DType common = DType::kUndefined;
  for (int i = first; i < last; ++i) {
    if (!context.has_input(i)) continue;
    SLUICE_ASSIGN(const DType dtype, input_dtype(context, i, allowed));
    if (dtype == DType::kUndefined) continue;
    if (common != DType::kUndefined && dtype != common) {
      return context.fail(cat("input ", i, " is ", dtype_name(dtype), " where an earlier one is ",
                              dtype_name(common)));
    }
    common = dtype;
  }
  return common;
}

Result<const Tensor*> input_tensor(const plan::KernelContext& context, int i, DTypeSet allowed) {
  if (!context.has(i)) return usage_error(cat("Input ", i, " is missing"));
  if (!context.input_value(i).is_tensor()) return usage_error(cat("Input ", i, " is not a tensor"));
  const Tensor& tensor = context.in(i);
  if (!allowed.has(tensor.dtype())) {
    return usage_error(
        cat("Input ", i, " is ", dtype_name(tensor.dtype()), " (allowed: ", allowed.text(), ")"));
  }
  return &tensor;
}

Result<void> require_numbers(const plan::KernelContext& context,
                             std::initializer_list<int> required) {
  for (const int i : required) {
    if (!context.has(i)) return usage_error(cat("Input ", i, " is missing"));
  }
  constexpr DTypeSet kNumeric =
      kNumbers | kBools | kFloat8s | kSubByte | DTypeSet{DType::kFloat8E8M0};
  for (int i = 0; i < context.input_count(); ++i) {
    if (context.has(i)) SLUICE_TRY(input_tensor(context, i, kNumeric));
  }
  return {};
}

Result<int> normalized_axis(int64_t axis, int rank) {
  if (axis < -rank || axis >= rank) {
    return usage_error(cat("Axis ", axis, " is out of range (rank ", rank, ")"));
  }
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

Result<std::vector<int>> normalized_axes(std::span<const int64_t> axes, int rank) {
  std::vector<int> out;
  for (const int64_t axis : axes) {
    SLUICE_ASSIGN(const int at, normalized_axis(axis, rank));
    if (std::ranges::find(out, at) != out.end()) {
      return usage_error(cat("Axis ", axis, " is named twice (rank ", rank, ")"));
    }
    out.push_back(at);
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace sluice::op
