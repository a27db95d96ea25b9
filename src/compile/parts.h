// Parts: how a node comes apart where a tensor is larger than a binding may be. A rule says which
// axis of which operand and result is cut, so that each part of the results is what the same
// operator makes of parts of the operands. The rules know operators, extents and attributes; no
// device, no kernel.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "op/op.h"

namespace sluice::compile {

struct Parts {
  static constexpr int kWhole = -1;
  // The most parts there can be. Every axis that is cut has a multiple of this extent.
  int64_t count = 0;
  // By operand and result: the axis that is cut, or kWhole.
  std::vector<int> inputs, outputs;
  // The attribute "group" counts the parts that a part consists of.
  bool groups = false;
  // Convolutions only: input channels are cut, and the results of the parts are added up.
  bool sums = false;
  // Integer operands one of whose elements is the extent that is cut: (operand, element).
  std::vector<std::pair<int, int>> extents;
};

// Ways to cut the node, the best one first; none for an operator without a rule and where shapes
// are not known. Axes in front of one that is cut have the extent 1.
std::vector<Parts> parts_of(const op::NodeView& node);

}  // namespace sluice::compile
