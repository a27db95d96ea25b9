// Lives: which bytes of an arena slot are in use during which steps. Slices of a value (parts of a
// Concat that lie in their whole) come and go at times of their own; what is not in use belongs to
// whoever needs it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "plan/plan.h"

namespace sluice::plan {

// Of all arena slots that have bytes (by slot, as in MemoryLayout), in the order of slots, then of
// bytes, which are those of the root. Bounds are multiples of `alignment`, as `bytes` must be.
std::vector<Life> arena_lives(const Plan& plan, const Dim::Environment& symbols,
                              std::span<const uint64_t> bytes, uint64_t alignment);

// Of one tensor slot; nothing where symbols don't determine it.
std::optional<uint64_t> slot_bytes(const Slot& slot, const Dim::Environment& symbols);

}  // namespace sluice::plan
