// Einsum: Einstein's summation over labelled axes. "ij,jk->ik" multiplies matrices. A label that
// the result lacks is summed over; one repeated within an operand takes the diagonal; "..." stands
// for further axes, which broadcast; without "->" the result has the axes of "..." and then every
// label that stands once, in alphabetical order. An extent of 1 broadcasts.
// Numbers: floats are summed in float64 and rounded once, integers wrap in their own width.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "plan/kernel.h"

namespace sluice::ops::einsum {

// A label is its letter's code, or kEllipsis + n for the n-th axis of "..." counted from the right.
inline constexpr int kEllipsis = 256;

struct Equation {
  std::vector<std::vector<int>> inputs;  // a label per axis
  std::vector<int> output;
};

// Reads the equation for operands of the given ranks.
Result<Equation> parse_equation(std::string_view text, std::span<const int> ranks);

Result<void> einsum_reference(plan::KernelContext& context);

}  // namespace sluice::ops::einsum
