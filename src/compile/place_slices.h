// Concat and Split without copies: where a part is a contiguous range of the whole, at an offset
// that a binding may start at, the part's slot becomes that range of the whole's slot. Producers
// then write, and readers read, in place, and the copying dispatch is dropped. On the CPU the same
// for Concat: its kernel leaves out what is in place already.
#pragma once

#include "plan/plan.h"

namespace sluice::compile {

// Works on a finished GPU plan before lifetimes are set. How many copies were dropped. A part stays
// copied when some dispatch would then bind one buffer for reading and for writing.
int place_slices(plan::Plan& plan);

// Works on a finished CPU plan before lifetimes are set. How many parts lie in their whole.
int place_parts(plan::Plan& plan);

}  // namespace sluice::compile
