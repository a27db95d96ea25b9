// What CPU candidates refuse a node with, in the words that all of them use.
#pragma once

#include <string>

#include "op/op.h"

namespace sluice::op {

// A sentence when input i is there and is not float32; empty otherwise.
std::string refuse_unless_float32(const NodeView& node, int i);
// The same of the first such input.
std::string refuse_unless_float32(const NodeView& node);

}  // namespace sluice::op
