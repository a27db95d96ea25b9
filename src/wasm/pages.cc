#include "wasm/pages.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace sluice::wasm {

namespace {

constexpr size_t kWasmPage = 64 << 10;
constexpr size_t kLeastGrowth = 16;           // pages
constexpr size_t kUnits = (size_t{1} << 18);  // of 4 GiB
static_assert(kUnits * kPageUnit == uint64_t{1} << 32 || sizeof(size_t) == 4);

enum Unit : uint8_t {
  kForeign,  // wasi-libc's, or not there yet
  kFree,
  kFirst,  // of a block
  kRest,
};
// One byte each: a search runs over a few ten thousand of them, once for a block of this size.
uint8_t units[kUnits];
// Every unit of ours lies in [lowest, end).
size_t lowest = kUnits, end = 0;

size_t units_for(size_t bytes) { return (bytes + kPageUnit - 1) / kPageUnit; }
size_t unit_of(const void* at) { return reinterpret_cast<uintptr_t>(at) / kPageUnit; }
void* address_of_unit(size_t unit) { return reinterpret_cast<void*>(unit * kPageUnit); }

size_t run_of(size_t from, Unit what) {
  size_t at = from;
  while (at < end && units[at] == what) ++at;
  return at - from;
}

size_t block_units(size_t first) { return 1 + run_of(first + 1, kRest); }

void mark_block(size_t first, size_t count) {
  units[first] = kFirst;
  std::memset(units + first + 1, kRest, count - 1);
}

// Units at the end of memory that are free already.
size_t free_at_end() {
  const size_t memory_end = __builtin_wasm_memory_size(0) * (kWasmPage / kPageUnit);
  if (memory_end != end) return 0;
  size_t count = 0;
  while (end - count > lowest && units[end - count - 1] == kFree) ++count;
  return count;
}

// `count` units more at the end of memory, free. Growth by a page costs a browser as much as growth
// by a hundred, and pages that nobody touches take no memory.
bool grow(size_t count) {
  const size_t wanted = (count * kPageUnit + kWasmPage - 1) / kWasmPage;
  size_t pages = std::max(wanted, kLeastGrowth);
  size_t before = __builtin_wasm_memory_grow(0, pages);
  if (before == SIZE_MAX && pages > wanted) {
    pages = wanted;
    before = __builtin_wasm_memory_grow(0, pages);
  }
  if (before == SIZE_MAX) return false;
  const size_t first = before * (kWasmPage / kPageUnit);
  const size_t added = std::min(pages * (kWasmPage / kPageUnit), kUnits - first);
  std::memset(units + first, kFree, added);
  lowest = std::min(lowest, first);
  end = first + added;
  return true;
}

}  // namespace

void* take_pages(size_t bytes) {
  const size_t wanted = std::max<size_t>(units_for(bytes), 1);
  if (wanted > kUnits) return nullptr;
  // The smallest hole that fits.
  size_t best = kUnits, best_size = kUnits + 1;
  for (size_t at = lowest; at < end;) {
    const auto* const next = static_cast<const uint8_t*>(std::memchr(units + at, kFree, end - at));
    if (next == nullptr) break;
    at = static_cast<size_t>(next - units);
    const size_t size = run_of(at, kFree);
    if (size >= wanted && size < best_size) {
      best = at;
      best_size = size;
      if (size == wanted) break;
    }
    at += size;
  }
  if (best == kUnits) {
    const size_t there = free_at_end();
    if (!grow(wanted - there)) return nullptr;
    // Someone else may have grown memory meanwhile: then the hole is where growth has put it.
    best = end;
    while (best > lowest && units[best - 1] == kFree) --best;
    if (end - best < wanted) return nullptr;
  }
  mark_block(best, wanted);
  return address_of_unit(best);
}

bool is_pages(const void* block) { return units[unit_of(block)] != kForeign; }

void give_pages(void* block) {
  const size_t first = unit_of(block);
  std::memset(units + first, kFree, block_units(first));
}

void* resize_pages(void* block, size_t bytes) {
  const size_t first = unit_of(block);
  const size_t have = block_units(first), wanted = std::max<size_t>(units_for(bytes), 1);
  if (wanted <= have) {
    std::memset(units + first + wanted, kFree, have - wanted);
    return block;
  }
  const size_t behind = first + have, missing = wanted - have;
  size_t room = run_of(behind, kFree);
  if (room < missing && behind + room == end && free_at_end() == room &&
      __builtin_wasm_memory_size(0) * (kWasmPage / kPageUnit) == end && grow(missing - room)) {
    room = run_of(behind, kFree);
  }
  if (room >= missing) {
    std::memset(units + behind, kRest, missing);
    return block;
  }
  void* const moved = take_pages(bytes);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, block, have * kPageUnit);
  give_pages(block);
  return moved;
}

void give_page_part(void* from, size_t bytes) {
  const size_t first = unit_of(from), count = bytes / kPageUnit;
  std::memset(units + first, kFree, count);
  // What follows begins a block of its own, lest it count as a part of whatever comes here next.
  if (first + count < end && units[first + count] == kRest) units[first + count] = kFirst;
}

}  // namespace sluice::wasm
