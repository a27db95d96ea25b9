#include "op/elementwise.h"

#include <algorithm>

#include "base/text.h"

namespace sluice::op {

uint32_t BroadcastLayout::mode(size_t k) const {
  const Dims& own = strides[k];
  if (std::ranges::all_of(own, [](const Dim& d) { return d == Dim(0); })) return 1;
  return own == op::strides(shape) ? 0 : 2;
}

bool BroadcastLayout::flat() const {
  for (size_t k = 0; k < strides.size(); ++k) {
    if (mode(k) == 2) return false;
  }
  return true;
}

Result<BroadcastLayout> broadcast_layout(LowerContext& context, const Dims& out,
                                         std::span<const Dims* const> operands) {
  BroadcastLayout result;
  result.n = elements(out);
  result.shape = out;
  for (const Dims* dims : operands) {
    for (size_t i = 0; i < dims->size(); ++i) {
      const Dim& own = (*dims)[dims->size() - 1 - i];
      const Dim& whole = out[out.size() - 1 - i];
      if (own == Dim(1) || own == whole) continue;
      context.made.wants_static = true;
      return context.refuse(cat("an operand of shape ", dims_text(*dims), " may or may not repeat ",
                                "in a result of shape ", dims_text(out)));
    }
    result.strides.push_back(broadcast_strides(*dims, out));
  }
  std::vector<Dims*> lists;
  for (Dims& list : result.strides) lists.push_back(&list);
  merge_axes(result.shape, lists);
  if (result.shape.empty()) {
    result.shape.push_back(1);
    for (Dims& list : result.strides) list.push_back(0);
  }
  if (result.shape.size() > 8) {
    return context.refuse(
        cat("the operands have ", result.shape.size(), " separate axes (limit 8)"));
  }
  return result;
}

bool is_multiple_of_four(const Dim& n) { return Dim::floor_div(n, 4) * Dim(4) == n; }

WideLayout wide_layout(const BroadcastLayout& layout) {
  WideLayout result;
  if (!is_multiple_of_four(layout.shape.back())) return result;
  result.layout = layout;
  result.layout.n = Dim::floor_div(layout.n, 4);
  result.layout.shape.back() = Dim::floor_div(layout.shape.back(), 4);
  for (Dims& strides : result.layout.strides) {
    const bool wide = strides.back() == Dim(1);
    if (!wide && !(strides.back() == Dim(0))) return result;
    result.wide.push_back(wide);
    for (size_t i = 0; wide && i + 1 < strides.size(); ++i) {
      if (!is_multiple_of_four(strides[i])) return result;
      strides[i] = Dim::floor_div(strides[i], 4);
    }
  }
  result.fits = true;
  return result;
}

plan::SlotRange Range::of(plan::SlotId slot, uint32_t bytes) const {
  if (whole || slot == plan::kNoSlot) return slot;
  return {slot, first * Dim(bytes), count * Dim(bytes)};
}

std::vector<Range> ranges(const LowerContext& context, const Dim& n, uint32_t bytes) {
  const auto limit =
      static_cast<int64_t>(context.limits().max_storage_binding_bytes / bytes) / 1024 * 1024;
  if (!n.is_known() || n.value() <= limit || limit == 0) return {{0, n, true}};
  std::vector<Range> result;
  for (int64_t at = 0; at < n.value(); at += limit) {
    result.push_back({at, std::min(limit, n.value() - at), false});
  }
  return result;
}

}  // namespace sluice::op
