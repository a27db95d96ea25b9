#include "wasm/parted_block.h"

#include <algorithm>
#include <cstdlib>

#include "wasm/pages.h"

namespace sluice::wasm {

namespace {
size_t up(size_t offset) { return (offset + kPageUnit - 1) / kPageUnit * kPageUnit; }
size_t down(size_t offset) { return offset / kPageUnit * kPageUnit; }
}  // namespace

PartedBlock::PartedBlock(void* data, size_t bytes)
    : data_(static_cast<std::byte*>(data)), bytes_(up(std::max<size_t>(bytes, 1))) {
  in_units_ = is_pages(data);
}

std::shared_ptr<PartedBlock> PartedBlock::adopt(void* data, size_t bytes) {
  // Units beyond what was asked for (alloc rounds up) would belong to nobody.
  if (is_pages(data)) data = std::realloc(data, std::max<size_t>(bytes, 1));
  return std::shared_ptr<PartedBlock>(new PartedBlock(data, bytes));
}

PartedBlock::~PartedBlock() {
  if (!in_units_) std::free(data_);
}

std::shared_ptr<const void> PartedBlock::rest() {
  return {data_, [self = shared_from_this()](const void*) { self->let_go_rest(); }};
}

std::shared_ptr<const void> PartedBlock::part(std::span<const std::byte> bytes) {
  const auto begin = static_cast<size_t>(bytes.data() - data_);
  const auto made = parts_.emplace(begin, begin + bytes.size()).first;
  return {data_, [self = shared_from_this(), made](const void*) { self->let_go(made); }};
}

// Between two parts, all is free once the rest has gone.
void PartedBlock::let_go(std::map<size_t, size_t>::iterator part) {
  const auto [begin, end] = *part;
  const auto next = parts_.erase(part);
  if (!rest_gone_) return;
  const size_t before = next == parts_.begin() ? 0 : std::prev(next)->second;
  const size_t after = next == parts_.end() ? bytes_ : next->first;
  give(before, after, begin, end);
}

void PartedBlock::let_go_rest() {
  rest_gone_ = true;
  size_t at = 0;
  for (const auto& [begin, end] : parts_) {
    give(at, begin, at, begin);
    at = end;
  }
  give(at, bytes_, at, bytes_);
}

void PartedBlock::give(size_t begin, size_t end, size_t free_before, size_t free_after) {
  if (!in_units_) return;
  // A unit that lies whole in [begin, free_before) or [free_after, end) went earlier.
  size_t from = up(begin), to = down(end);
  if (free_before > begin) from = std::max(from, down(free_before));
  if (free_after < end) to = std::min(to, up(free_after));
  if (from < to) give_page_part(data_ + from, to - from);
}

}  // namespace sluice::wasm
