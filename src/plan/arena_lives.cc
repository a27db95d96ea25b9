#include "plan/arena_lives.h"

#include <algorithm>

#include "base/checked.h"

namespace sluice::plan {

namespace {

// Steps from the one that makes a value to the last one that reads it; past the last step for what
// is read after the run. first < 0: nothing makes it.
struct Steps {
  int first = -1, last = -1;
  void add(int step) {
    if (first < 0) first = step;
    first = std::min(first, step);
    last = std::max(last, step);
  }
};

std::vector<Steps> steps_of_slots(const Plan& plan) {
  std::vector<Steps> out(plan.slots.size());
  const auto read = [&](SlotId id, int step) {
    if (id != kNoSlot && out[static_cast<size_t>(id)].first >= 0) {
      out[static_cast<size_t>(id)].add(step);
    }
  };
  for (size_t n = 0; n < plan.steps.size(); ++n) {
    const Step& step = plan.steps[n];
    const auto now = static_cast<int>(n);
    for (const SlotId id : step.inputs) read(id, now);
    for (const Subplan& sub : step.subplans) {
      for (const SlotId id : sub.captures) read(id, now);
    }
    for (const SlotId id : step.outputs) {
      if (id != kNoSlot) out[static_cast<size_t>(id)].add(now);
    }
  }
  for (const SlotId id : plan.outputs) read(id, static_cast<int>(plan.steps.size()));
  return out;
}

// A slot's bytes in its root's memory.
struct Slice {
  uint64_t begin = 0, end = 0;
  Steps steps;
};

}  // namespace

std::optional<uint64_t> slot_bytes(const Slot& slot, const Dim::Environment& symbols) {
  if (!slot.type.dims) return std::nullopt;
  Checked elements(1);
  for (const Dim& dim : *slot.type.dims) {
    const auto extent = dim.evaluate(symbols);
    if (!extent || *extent < 0) return std::nullopt;
    elements = elements * Checked::from_signed(*extent);
  }
  if (!elements.fits(INT64_MAX)) return std::nullopt;
  return storage_bytes(slot.type.dtype, static_cast<int64_t>(elements.value()));
}

std::vector<Life> arena_lives(const Plan& plan, const Dim::Environment& symbols,
                              std::span<const uint64_t> bytes, uint64_t alignment) {
  // Most roots have no slices: their life is that of the slot.
  std::vector<std::vector<Slice>> slices(plan.slots.size());
  std::vector<bool> is_sliced(plan.slots.size(), false);
  for (size_t s = 0; s < plan.slots.size(); ++s) {
    const Slot& slot = plan.slots[s];
    if (slot.storage != Storage::kAlias) continue;
    const auto root = static_cast<size_t>(plan.root(static_cast<SlotId>(s)));
    const auto own = slot_bytes(slot, symbols);
    if (slot.alias_offset_bytes != 0 || (own && *own + alignment <= bytes[root])) {
      is_sliced[root] = true;
    }
  }
  if (std::ranges::count(is_sliced, true) != 0) {
    const std::vector<Steps> steps = steps_of_slots(plan);
    for (size_t s = 0; s < plan.slots.size(); ++s) {
      const auto root = static_cast<size_t>(plan.root(static_cast<SlotId>(s)));
      if (!is_sliced[root] || bytes[root] == 0 || steps[s].first < 0) continue;
      const uint64_t offset = plan.root_offset(static_cast<SlotId>(s));
      const uint64_t own = slot_bytes(plan.slots[s], symbols).value_or(bytes[root]);
      const uint64_t begin = std::min(offset / alignment * alignment, bytes[root]);
      const uint64_t room = bytes[root] - begin, needed = own + (offset - begin);
      const uint64_t end =
          needed >= room ? bytes[root] : begin + (needed + alignment - 1) / alignment * alignment;
      slices[root].push_back({begin, end, steps[s]});
    }
  }
  std::vector<Life> out;
  for (size_t r = 0; r < plan.slots.size(); ++r) {
    if (bytes[r] == 0) continue;
    const auto root = static_cast<SlotId>(r);
    if (slices[r].empty()) {
      const Slot& slot = plan.slots[r];
      out.push_back({root, 0, bytes[r], slot.first_step, slot.last_step});
      continue;
    }
    std::vector<uint64_t> cuts = {0, bytes[r]};
    for (const Slice& slice : slices[r]) {
      cuts.push_back(slice.begin);
      cuts.push_back(slice.end);
    }
    std::ranges::sort(cuts);
    for (size_t i = 0; i + 1 < cuts.size(); ++i) {
      if (cuts[i] == cuts[i + 1]) continue;
      Steps used;
      for (const Slice& slice : slices[r]) {
        if (slice.begin > cuts[i] || slice.end < cuts[i + 1]) continue;
        used.add(slice.steps.first);
        used.add(slice.steps.last);
      }
      if (used.first < 0) continue;
      Life* const before = out.empty() || out.back().root != root ? nullptr : &out.back();
      if (before != nullptr && before->end == cuts[i] && before->first == used.first &&
          before->last == used.last) {
        before->end = cuts[i + 1];
      } else {
        out.push_back({root, cuts[i], cuts[i + 1], used.first, used.last});
      }
    }
  }
  return out;
}

}  // namespace sluice::plan
