// Pieces of tensors that are larger than a binding may be: each has dispatches of its own, which
// bind it by offset and size.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "plan/limits.h"

namespace sluice::shader {

// Some of equal runs that lie one after the other.
struct Piece {
  int64_t first = 0, count = 0;  // runs
};

// Cuts `count` runs so that of each piece every tensor fits a binding and starts where bindings
// may. `run_bytes`: of one run, in each tensor. Empty when that can't be.
std::vector<Piece> pieces_of(int64_t count, std::initializer_list<uint64_t> run_bytes,
                             const plan::Limits& limits);

}  // namespace sluice::shader
