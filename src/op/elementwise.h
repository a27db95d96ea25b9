// What elementwise operators have in common on the GPU: operands laid against a result by numpy
// broadcasting with as few axes as possible, and work cut into ranges where a tensor exceeds what
// one binding may hold.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "op/lower.h"

namespace sluice::op {

struct BroadcastLayout {
  Dim n = 0;                  // elements of the result
  Dims shape;                 // of the result, neighbouring axes merged; at least one axis
  std::vector<Dims> strides;  // by operand, of the rank of `shape`
  uint32_t rank() const { return static_cast<uint32_t>(shape.size()); }
  // How lib/broadcast reads operand k: 0 with the result, 1 one element for all, 2 by strides.
  uint32_t mode(size_t k) const;
  std::array<Dim, 8> shape8() const { return eight(shape, 1); }
  std::array<Dim, 8> strides8(size_t k) const { return eight(strides[k], 0); }
  // Every operand is read with the result or is one element.
  bool flat() const;
};
// Fails when more than eight axes are left, or when symbols hide whether an operand is repeated:
// then the session compiles again for numbers.
Result<BroadcastLayout> broadcast_layout(LowerContext& context, const Dims& out,
                                         std::span<const Dims* const> operands);

// The same in groups of four along the last axis: an operand whose last stride is 1 is read four at
// a time (`wide`), one whose last stride is 0 as single elements.
struct WideLayout {
  bool fits = false;
  BroadcastLayout layout;
  std::vector<bool> wide;
};
WideLayout wide_layout(const BroadcastLayout& layout);

// True when `n` is certainly a multiple of 4.
bool is_multiple_of_four(const Dim& n);

// Part of an elementwise operation: elements [first, first + count), all when first is 0 and
// `whole`.
struct Range {
  Dim first = 0, count = 0;
  bool whole = true;
  // The part of a slot whose elements take `bytes` each.
  plan::SlotRange of(plan::SlotId slot, uint32_t bytes) const;
};
// Cuts n elements of at most `bytes` each so that each part fits a binding.
std::vector<Range> ranges(const LowerContext& context, const Dim& n, uint32_t bytes);

}  // namespace sluice::op
