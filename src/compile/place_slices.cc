#include "compile/place_slices.h"

#include <algorithm>
#include <set>

namespace sluice::compile {

using plan::kNoSlot;
using plan::Plan;
using plan::Slot;
using plan::SlotId;
using plan::Step;
using plan::Storage;

namespace {

// Bytes of one index along `axis`, or nothing when the part is no contiguous range of the whole:
// extents before the axis must be 1, and all must be numbers.
std::optional<uint64_t> row_bytes(const Slot& slot, size_t axis, uint64_t element_bytes) {
  if (!slot.type.dims || axis >= slot.type.dims->size()) return std::nullopt;
  uint64_t bytes = element_bytes;
  for (size_t i = 0; i < slot.type.dims->size(); ++i) {
    const Dim& dim = (*slot.type.dims)[i];
    if (!dim.is_known() || dim.value() < 1) return std::nullopt;
    if (i < axis && dim.value() != 1) return std::nullopt;
    if (i > axis && __builtin_mul_overflow(bytes, static_cast<uint64_t>(dim.value()), &bytes)) {
      return std::nullopt;
    }
  }
  return bytes;
}

size_t axis_of(const Plan& plan, const Step& step, SlotId whole) {
  const size_t rank = plan.slot(whole).type.dims->size();
  const int64_t given = step.attrs.int_or("axis", 0);
  return static_cast<size_t>(given < 0 ? given + static_cast<int64_t>(rank) : given);
}

class Placer {
 public:
  explicit Placer(Plan& plan) : plan_(plan), bindings_of_(plan.slots.size()) {
    for (size_t s = 0; s < plan.steps.size(); ++s) {
      for (size_t d = 0; d < plan.steps[s].dispatches.size(); ++d) {
        for (const plan::BoundRange& bound : plan.steps[s].dispatches[d].bindings) {
          bindings_of_[static_cast<size_t>(plan.root(bound.range.slot))].insert({s, d});
        }
      }
    }
    for (const SlotId id : plan.outputs) is_output_.insert(plan.root(id));
  }

  int run() {
    int dropped = 0;
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      const std::string& kernel = plan_.steps[s].kernel;
      if (kernel == "concat.copy") dropped += place(s, true);
      if (kernel == "split.copy") dropped += place(s, false);
    }
    // Only now, so that indices of dispatches hold until here.
    for (auto it = dropped_.rbegin(); it != dropped_.rend(); ++it) {
      Step& step = plan_.steps[it->first];
      step.dispatches.erase(step.dispatches.begin() + static_cast<std::ptrdiff_t>(it->second));
      if (!step.dispatches.empty()) continue;
      step.view = true;
      step.kernel = step.kernel == "concat.copy" ? "concat.in_place" : "split.in_place";
    }
    return dropped;
  }

 private:
  using Where = std::pair<size_t, size_t>;  // step, dispatch

  int place(size_t index, bool concat) {
    Step& step = plan_.steps[index];
    const SlotId whole = concat ? step.outputs[0] : step.inputs[0];
    const std::vector<SlotId> parts = concat ? step.inputs : step.outputs;
    const size_t axis = axis_of(plan_, step, whole);
    uint64_t offset = 0;
    int dropped = 0;
    for (const SlotId part : parts) {
      if (part == kNoSlot) return dropped;  // what follows has no known place
      const auto row =
          row_bytes(plan_.slot(part), axis, plan::element_bytes(plan_.slot(part).format));
      if (!row) return dropped;
      const uint64_t begin = offset;
      offset += *row * static_cast<uint64_t>((*plan_.slot(part).type.dims)[axis].value());
      if (begin % plan_.limits.min_storage_offset_alignment != 0) continue;
      if (std::ranges::count(parts, part) != 1 || !may_move(part, whole, concat)) continue;
      // The one dispatch that copies this part, to or from the whole.
      const auto copies = [&](const plan::Dispatch& dispatch) {
        return std::ranges::any_of(dispatch.bindings, [&](const plan::BoundRange& bound) {
          return bound.range.slot == part && bound.writable != concat;
        });
      };
      if (std::ranges::count_if(step.dispatches, copies) != 1) continue;
      const auto copy = std::ranges::find_if(step.dispatches, copies) - step.dispatches.begin();
      const Where here{index, static_cast<size_t>(copy)};
      if (conflicts(part, whole, here)) continue;
      dropped_.insert(here);
      move(part, whole, begin);
      ++dropped;
    }
    return dropped;
  }

  // Only memory that is the part's own can become somebody else's: no input, constant, view or
  // slice, and nothing that the CPU makes.
  bool may_move(SlotId part, SlotId whole, bool concat) const {
    const Slot& slot = plan_.slot(part);
    if (slot.storage != Storage::kArena || plan_.root(whole) == part) return false;
    if (is_output_.contains(part)) return false;
    if (slot.format != plan_.slot(whole).format) return false;
    if (concat && plan_.slot(plan_.root(whole)).storage != Storage::kArena) return false;
    for (const Step& step : plan_.steps) {
      if (plan_.is_island(step) && std::ranges::count(step.outputs, part) != 0) return false;
    }
    return true;
  }

  // Whether a dispatch (other than the copy that would go) binds both and writes either.
  bool conflicts(SlotId part, SlotId whole, const Where& copy) const {
    const SlotId root = plan_.root(whole);
    const auto& of_whole = bindings_of_[static_cast<size_t>(root)];
    for (const Where& where : bindings_of_[static_cast<size_t>(part)]) {
      if (where == copy || dropped_.contains(where) || !of_whole.contains(where)) continue;
      for (const plan::BoundRange& bound :
           plan_.steps[where.first].dispatches[where.second].bindings) {
        const SlotId at = plan_.root(bound.range.slot);
        if (bound.writable && (at == part || at == root)) return true;
      }
    }
    return false;
  }

  void move(SlotId part, SlotId whole, uint64_t offset) {
    Slot& slot = plan_.slots[static_cast<size_t>(part)];
    slot.storage = Storage::kAlias;
    slot.alias_of = whole;
    slot.alias_offset_bytes = offset;
    auto& of_root = bindings_of_[static_cast<size_t>(plan_.root(whole))];
    auto& of_part = bindings_of_[static_cast<size_t>(part)];
    of_root.insert(of_part.begin(), of_part.end());
    of_part.clear();
  }

  Plan& plan_;
  std::vector<std::set<Where>> bindings_of_;  // by root slot; indices of dispatches as they were
  std::set<SlotId> is_output_;
  std::set<Where> dropped_;
};

// The same on the CPU, where a step stands for a dispatch. What lies in one root's memory is its
// tree: the root, its views, and what was written over it.
class PartPlacer {
 public:
  explicit PartPlacer(Plan& plan) : plan_(plan), trees_(plan.slots.size()) {
    const auto tree = [&](SlotId id) -> Tree& { return trees_[index(plan_.root(id))]; };
    for (size_t n = 0; n < plan.steps.size(); ++n) {
      const auto now = static_cast<int>(n);
      const Step& step = plan.steps[n];
      const auto read = [&](SlotId id) {
        if (id != kNoSlot) tree(id).last_read = std::max(tree(id).last_read, now);
      };
      std::ranges::for_each(step.inputs, read);
      for (const plan::Subplan& sub : step.subplans) std::ranges::for_each(sub.captures, read);
      for (const SlotId id : step.outputs) {
        if (id == kNoSlot) continue;
        Tree& made = tree(id);
        if (made.first < 0) made.first = now;
        if (!step.view) made.last_written = now;
      }
    }
    // Outputs in the arena are read after the last step.
    const int last_step = static_cast<int>(plan.steps.size()) - 1;
    for (const SlotId id : plan.outputs) {
      if (tree(id).first >= 0) tree(id).last_read = last_step;
    }
    for (size_t s = 0; s < trees_.size(); ++s) {
      const Slot& slot = plan.slots[s];
      if (slot.storage == Storage::kArena && trees_[s].first >= 0) {
        trees_[s].bytes = slot_bytes(slot);
      }
    }
  }

  int run() {
    int placed = 0;
    for (size_t n = 0; n < plan_.steps.size(); ++n) {
      if (plan_.steps[n].kernel == "concat.copy") placed += place(static_cast<int>(n));
    }
    return placed;
  }

 private:
  struct Tree {
    int first = -1, last_read = -1, last_written = -1;
    uint64_t bytes = 0;  // 0: not known
  };

  static size_t index(SlotId id) { return static_cast<size_t>(id); }

  static uint64_t slot_bytes(const Slot& slot) {
    if (!slot.type.dims || dtype_bits(slot.type.dtype) % 8 != 0) return 0;
    // Extents in front of axis 0 are none, so this is the whole.
    const uint64_t element = static_cast<uint64_t>(dtype_bits(slot.type.dtype)) / 8;
    if (slot.type.dims->empty()) return element;
    const auto row = row_bytes(slot, 0, element);
    uint64_t bytes = 0;
    if (!row ||
        __builtin_mul_overflow(*row, static_cast<uint64_t>((*slot.type.dims)[0].value()), &bytes)) {
      return 0;
    }
    return bytes;
  }

  int place(int now) {
    const Step& step = plan_.steps[static_cast<size_t>(now)];
    const SlotId whole = step.outputs[0];
    if (whole == kNoSlot || !plan_.slot(whole).type.dims) return 0;
    const size_t axis = axis_of(plan_, step, whole);
    uint64_t offset = 0;
    int placed = 0;
    for (const SlotId part : step.inputs) {
      if (part == kNoSlot) return placed;
      const Slot& slot = plan_.slot(part);
      const auto row =
          row_bytes(slot, axis, static_cast<uint64_t>(dtype_bits(slot.type.dtype)) / 8);
      if (!row) return placed;  // what follows has no known place
      const uint64_t begin = offset;
      offset += *row * static_cast<uint64_t>((*slot.type.dims)[axis].value());
      if (!may_move(step, part, whole, now, begin)) continue;
      move(part, whole, begin);
      ++placed;
    }
    return placed;
  }

  bool may_move(const Step& step, SlotId part, SlotId whole, int now, uint64_t begin) const {
    const SlotId own = plan_.root(part), root = plan_.root(whole);
    const Tree &mine = trees_[index(own)], &all = trees_[index(root)];
    // Vectors are loaded fastest from their alignment.
    if (begin % 64 != 0 || own == root || mine.bytes == 0 || all.bytes == 0) return false;
    if (plan_.slot(own).storage != Storage::kArena) return false;
    if (plan_.slot(root).storage != Storage::kArena) return false;
    if (slot_bytes(plan_.slot(part)) != mine.bytes || plan_.root_offset(part) != 0) return false;
    const auto shares = [&](SlotId other) { return other != kNoSlot && plan_.root(other) == own; };
    if (std::ranges::count_if(step.inputs, shares) != 1) return false;
    // Whatever is written over the part later would be written over the whole, and the other way
    // round, where the part is still read.
    if (mine.first < 0 || mine.last_written > now) return false;
    return mine.last_read <= now || all.last_written <= now;
  }

  // Never costs memory: the part's bytes are in use from the part's first step to the whole's last,
  // which is no more than both apart, and the rest of the whole only while it is made and read
  // (plan/arena_lives.h).
  void move(SlotId part, SlotId whole, uint64_t offset) {
    const SlotId own = plan_.root(part);
    Tree& mine = trees_[index(own)];
    Tree& all = trees_[index(plan_.root(whole))];
    Slot& slot = plan_.slots[index(own)];
    slot.storage = Storage::kAlias;
    slot.alias_of = whole;
    slot.alias_offset_bytes = offset;
    all.first = std::min(mine.first, all.first);
    all.last_read = std::max(all.last_read, mine.last_read);
    all.last_written = std::max(all.last_written, mine.last_written);
    mine = Tree{};
  }

  Plan& plan_;
  std::vector<Tree> trees_;  // by root slot
};

}  // namespace

int place_slices(Plan& plan) { return Placer(plan).run(); }

int place_parts(Plan& plan) { return PartPlacer(plan).run(); }

}  // namespace sluice::compile
