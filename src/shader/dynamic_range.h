// Scale and zero point of DynamicQuantizeLinear on the device: bounds of parts of a tensor, in one
// dispatch for each piece of it that a binding holds, and what follows from them.
#pragma once

#include <vector>

#include "plan/dispatch.h"
#include "plan/limits.h"

namespace sluice::shader {

// Elements of the memory that the dispatches want for themselves (float32), for n elements.
Dim dynamic_range_elems(const Dim& n, const plan::Limits& limits);

// `x` has n float32; `scale` gets one float32, `zero` one uint32. None when x is too large.
std::vector<plan::DispatchRequest> dynamic_range(const Dim& n, const plan::Limits& limits,
                                                 plan::SlotId x, plan::SlotId parts,
                                                 plan::SlotId scale, plan::SlotId zero);

}  // namespace sluice::shader
