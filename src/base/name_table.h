// NameTable: finds rows of a table that stays as it is by their names. A hash table with open
// addressing: without a word for each row, and with less code than a map.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "base/check.h"

namespace sluice {

class NameTable {
 public:
  // For at most `rows` rows.
  explicit NameTable(size_t rows = 0) : places_(std::bit_ceil(2 * rows + 1), kFree) {
    SLUICE_CHECK(rows < kFree);
  }

  // The row under `name` of which `is_it(row)` holds, or where it is to stand: kFree is there.
  template <class IsIt>
  uint16_t& place(std::string_view name, const IsIt& is_it) {
    return places_[find_place(name, is_it)];
  }
  // kFree: there is none.
  template <class IsIt>
  size_t find(std::string_view name, const IsIt& is_it) const {
    return places_[find_place(name, is_it)];
  }

  static constexpr uint16_t kFree = UINT16_MAX;

 private:
  template <class IsIt>
  size_t find_place(std::string_view name, const IsIt& is_it) const {
    const size_t mask = places_.size() - 1;
    size_t at = std::hash<std::string_view>()(name) & mask;
    while (places_[at] != kFree && !is_it(places_[at])) at = (at + 1) & mask;
    return at;
  }

  std::vector<uint16_t> places_;
};

}  // namespace sluice
