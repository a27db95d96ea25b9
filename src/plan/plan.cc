#include "plan/plan.h"

#include <algorithm>
#include <numeric>

#include "base/checked.h"
#include "base/text.h"
#include "plan/arena_lives.h"

namespace sluice::plan {

namespace {
constexpr uint64_t kSlotAlignment = 64;  // a cache line and the widest vector register
constexpr uint64_t kWasteWorthPacking = 1 << 20;
constexpr size_t kMostPackings = 16;
constexpr size_t kPackingWork = size_t{4} << 20;  // pairs of slots

// Where the lives of an arena lie when roots are placed one after the other, each as low as it can.
class Packing {
 public:
  explicit Packing(std::span<const std::span<const Life>> lives_of)
      : offsets(lives_of.size(), 0), lives_of_(lives_of) {}

  // Error (resource): beyond the address space.
  Result<void> place(std::span<const SlotId> order) {
    lives.clear();
    bytes = 0;
    for (const SlotId id : order) {
      const std::span<const Life> own = lives_of_[static_cast<size_t>(id)];
      const Checked offset = lowest(own);
      offsets[static_cast<size_t>(id)] = offset.value();
      for (Life life : own) {
        const Checked end = offset + life.end;
        if (!end.fits(INT64_MAX)) {
          return resource_error("The memory plan exceeds the address space");
        }
        life.begin += offset.value();
        life.end = end.value();
        lives.push_back(life);
        bytes = std::max(bytes, life.end);
      }
    }
    return {};
  }

  std::vector<uint64_t> offsets;  // by root
  std::vector<Life> lives;        // where they lie
  uint64_t bytes = 0;

 private:
  // Up, past whatever is in the way of some part, until nothing is.
  Checked lowest(std::span<const Life> own) {
    together_.clear();
    std::ranges::copy_if(lives, std::back_inserter(together_), [&](const Life& other) {
      return std::ranges::any_of(own, [&](const Life& life) {
        return other.first <= life.last && life.first <= other.last;
      });
    });
    Checked offset(0);
    const auto in_the_way = [&](const Life& other) {
      for (const Life& life : own) {
        if (other.last < life.first || life.last < other.first) continue;
        const uint64_t begin = offset.value() + life.begin, end = offset.value() + life.end;
        if (other.end <= begin || end <= other.begin) continue;
        offset = Checked(other.end - life.begin);
        return true;
      }
      return false;
    };
    // Offsets only grow, and each step clears one block that is in the way.
    while (offset.valid() && std::ranges::any_of(together_, in_the_way)) {
    }
    return offset;
  }

  std::span<const std::span<const Life>> lives_of_;
  std::vector<Life> together_;  // what is placed and in use at some time of a root's
};

}  // namespace

Result<MemoryLayout> lay_out(const Plan& plan, const Dim::Environment& symbols) {
  MemoryLayout layout;
  layout.bytes.assign(plan.slots.size(), 0);
  std::vector<SlotId> order;
  for (size_t s = 0; s < plan.slots.size(); ++s) {
    const Slot& slot = plan.slots[s];
    if (slot.constant) layout.constant_bytes += slot.constant->size_bytes();
    // What no step makes (values whose nodes a fusion has taken in) needs no memory.
    if (slot.storage != Storage::kArena || slot.first_step < 0) continue;
    const auto bytes = slot_bytes(slot, symbols);
    const Checked padded = Checked(bytes.value_or(0)).round_up(kSlotAlignment);
    // Sizes that can't be evaluated make the executor allocate when the value is made.
    if (!bytes || !padded.valid()) continue;
    layout.bytes[s] = padded.value();
    order.push_back(static_cast<SlotId>(s));
  }
  const std::vector<Life> lives = arena_lives(plan, symbols, layout.bytes, kSlotAlignment);
  std::vector<std::span<const Life>> lives_of(plan.slots.size());
  for (size_t i = 0; i < lives.size();) {
    const auto root = static_cast<size_t>(lives[i].root);
    size_t end = i;
    while (end < lives.size() && lives[end].root == lives[i].root) ++end;
    lives_of[root] = std::span(lives).subspan(i, end - i);
    i = end;
  }
  layout.live_bytes.assign(plan.steps.size() + 1, 0);
  for (const Life& life : lives) {
    for (int step = life.first; step <= life.last; ++step) {
      layout.live_bytes[static_cast<size_t>(step)] += life.end - life.begin;
    }
  }
  layout.peak_live_bytes = *std::ranges::max_element(layout.live_bytes);

  // The largest first; then, where much is wasted, again with what had to lie highest before all.
  std::ranges::stable_sort(order, [&](SlotId a, SlotId b) {
    return layout.bytes[static_cast<size_t>(a)] > layout.bytes[static_cast<size_t>(b)];
  });
  Packing best(lives_of), packing(lives_of);
  SLUICE_TRY(best.place(order));
  packing = best;
  const size_t tries =
      std::min(kMostPackings, kPackingWork / std::max<size_t>(1, order.size() * order.size()));
  for (size_t n = 0; n < tries && best.bytes >= layout.peak_live_bytes + kWasteWorthPacking; ++n) {
    const SlotId highest = std::ranges::max_element(packing.lives, {}, &Life::end)->root;
    const auto at = std::ranges::find(order, highest);
    std::rotate(order.begin(), at, at + 1);
    SLUICE_TRY(packing.place(order));
    if (packing.bytes < best.bytes) best = packing;
  }
  layout.arena_bytes = best.bytes;
  layout.offsets = std::move(best.offsets);
  layout.lives = std::move(best.lives);
  std::ranges::sort(layout.lives, {}, &Life::begin);
  return layout;
}

Result<void> bind_symbols(const Type& declared, const Tensor& actual, const std::string& what,
                          Dim::Environment& symbols) {
  const auto mismatch = [&]() {
    return usage_error(cat(what, " is ", actual.text(), " (", declared.text(), " is wanted)"));
  };
  if (declared.dtype != DType::kUndefined && declared.dtype != actual.dtype()) return mismatch();
  if (!declared.dims) return {};
  if (static_cast<int>(declared.dims->size()) != actual.rank()) return mismatch();
  for (int i = 0; i < actual.rank(); ++i) {
    const Dim& dim = (*declared.dims)[static_cast<size_t>(i)];
    if (dim.is_unknown()) continue;
    if (const auto known = dim.evaluate(symbols)) {
      if (*known != actual.dim(i)) {
        Error error = mismatch();
        if (dim.is_symbolic()) {
          error.message += cat(", where ", dim.text(), " is already ", *known);
        }
        return error;
      }
      continue;
    }
    std::vector<std::string> names;
    dim.collect_symbols(names);
    if (names.size() == 1 && dim == Dim::symbol(names[0])) symbols[names[0]] = actual.dim(i);
  }
  return {};
}

namespace {
std::string_view storage_name(Storage storage) {
  switch (storage) {
    case Storage::kConstant:
      return "constant";
    case Storage::kInput:
      return "input";
    case Storage::kArena:
      return "arena";
    case Storage::kHeap:
      return "heap";
    case Storage::kAlias:
      return "alias";
  }
  return "?";
}

void print(const Plan& plan, const MemoryLayout* layout, const std::string& indent,
           std::string& out) {
  const auto slot_list = [&](const std::vector<SlotId>& ids) {
    std::vector<std::string> names;
    for (const SlotId id : ids) names.push_back(id == kNoSlot ? "_" : cat("%", id));
    return join(names, ", ");
  };
  out += cat(indent, "plan ", plan.backend, " (", slot_list(plan.inputs), ") -> (",
             slot_list(plan.outputs), ")\n");
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    out += cat(indent, "  step ", i, ": ", slot_list(step.outputs), " = ", step.kernel, "(",
               slot_list(step.inputs), ")  # ", step.op, " ", quoted(step.node));
    if (step.flops > 0) out += cat(", ", static_cast<float>(step.flops / 1e6), " MFLOP");
    if (!step.why.empty()) out += cat("; ", step.why);
    out += "\n";
    for (const Subplan& sub : step.subplans) {
      out += cat(indent, "    ", sub.name, " captures (", slot_list(sub.captures), "):\n");
      print(*sub.plan, nullptr, indent + "    ", out);
    }
  }
  for (size_t s = 0; s < plan.slots.size(); ++s) {
    const Slot& slot = plan.slots[s];
    out += cat(indent, "  slot %", s, ": ", slot.type.text(), " ", storage_name(slot.storage));
    if (slot.storage == Storage::kAlias) out += cat(" of %", slot.alias_of);
    if (slot.storage == Storage::kArena) {
      out += cat(" live ", slot.first_step, "..", slot.last_step);
      if (layout != nullptr) out += cat(" at ", layout->offsets[s], " + ", layout->bytes[s]);
    }
    out += cat("  # ", quoted(slot.name), "\n");
  }
}
}  // namespace

std::string to_text(const Plan& plan, const MemoryLayout* layout) {
  std::string out;
  print(plan, layout, "", out);
  if (layout != nullptr) {
    out += cat("memory: arena ", layout->arena_bytes, " bytes (lower bound ",
               layout->peak_live_bytes, "), constants ", layout->constant_bytes, " bytes\n");
  }
  return out;
}

}  // namespace sluice::plan
