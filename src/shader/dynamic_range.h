// Scale and zero point of DynamicQuantizeLinear on the device, in two dispatches: bounds of parts
// of a tensor, and what follows from them.
#pragma once

#include <array>

#include "plan/dispatch.h"

namespace sluice::shader {

// Elements of the memory that the dispatches want for themselves (float32), for n elements.
Dim dynamic_range_elems(const Dim& n);

// `x` has n float32; `scale` gets one float32, `zero` one uint32.
std::array<plan::DispatchRequest, 2> dynamic_range(const Dim& n, plan::SlotId x, plan::SlotId parts,
                                                   plan::SlotId scale, plan::SlotId zero);

}  // namespace sluice::shader
