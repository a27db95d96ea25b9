// Concat and Split without copies: where a part is a contiguous range of the whole, at an offset
// that a binding may start at, the part's slot becomes that range of the whole's slot. Producers
// then write, and readers read, in place, and the copying dispatch is dropped. On the CPU the same
// for Concat, where that takes no more memory: its kernel leaves out what is in place already.
#pragma once

#include "plan/plan.h"

namespace sluice::compile {

// Works on a finished GPU plan before lifetimes are set. How many copies were dropped. A part stays
// copied when some dispatch would then bind one buffer for reading and for writing.
int place_slices(plan::Plan& plan);

// Works on a finished CPU plan before lifetimes are set. How many parts lie in their whole. A part
// keeps a place of its own when the most bytes in use at one step would grow: the whole is set
// aside from the first part's step on.
int place_parts(plan::Plan& plan);

}  // namespace sluice::compile
