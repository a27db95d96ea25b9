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
std::optional<uint64_t> row_bytes(const Slot& slot, size_t axis) {
  if (!slot.type.dims || axis >= slot.type.dims->size()) return std::nullopt;
  uint64_t bytes = plan::element_bytes(slot.format);
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
    const size_t rank = plan_.slot(whole).type.dims->size();
    const int64_t given = step.attrs.int_or("axis", 0);
    const auto axis = static_cast<size_t>(given < 0 ? given + static_cast<int64_t>(rank) : given);
    uint64_t offset = 0;
    int dropped = 0;
    for (const SlotId part : parts) {
      if (part == kNoSlot) return dropped;  // what follows has no known place
      const auto row = row_bytes(plan_.slot(part), axis);
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

}  // namespace

int place_slices(Plan& plan) { return Placer(plan).run(); }

}  // namespace sluice::compile
