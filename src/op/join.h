// The narrowest type that covers two: what a value may be that comes from either of two places (the
// branches of If, the items of a sequence, a loop's first and later state).
#pragma once

#include "tensor/type.h"

namespace sluice::op {

// Extents and ranks that differ become unknown; so does a dtype or kind that differs.
Type joined(const Type& a, const Type& b);

}  // namespace sluice::op
