// ScratchSlots: as many equal pieces of scratch memory as there are threads, handed out to
// whichever range of a parallel loop is running. A range takes a slot, uses it, and gives it back.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

namespace sluice::simd {

class ScratchSlots {
 public:
  // `memory` holds `count` (1 to 64) pieces of `slot_floats` floats.
  ScratchSlots(float* memory, int count, int64_t slot_floats)
      : memory_(memory),
        slot_floats_(slot_floats),
        free_(count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1) {}

  class Slot {
   public:
    explicit Slot(ScratchSlots& slots) : slots_(slots), index_(slots.take()) {}
    ~Slot() { slots_.free_.fetch_or(uint64_t{1} << index_, std::memory_order_release); }
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    float* data() const { return slots_.memory_ + index_ * slots_.slot_floats_; }

   private:
    ScratchSlots& slots_;
    int index_;
  };

 private:
  // The lowest free slot, so that few threads touch few pages. Waits when more ranges run at once
  // than there are slots, which a right count never lets happen.
  int take() {
    uint64_t free = free_.load(std::memory_order_acquire);
    while (true) {
      if (free == 0) {
        free = free_.load(std::memory_order_acquire);
        continue;
      }
      if (free_.compare_exchange_weak(free, free & (free - 1), std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
        return std::countr_zero(free);
      }
    }
  }
  float* memory_;
  int64_t slot_floats_;
  std::atomic<uint64_t> free_;
};

}  // namespace sluice::simd
