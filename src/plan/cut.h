// Cut: a dispatch that would keep a device busy for long, issued as several. Drivers end what takes
// seconds, the desktop waits for it, and nothing can stop it once it is submitted. Each piece does
// some of the whole's workgroups, which know their number in the whole
// (shader/lib/cut_grid.wgsl), so results have the same bits.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/dispatch.h"

namespace sluice::plan {

// `whole` in as few even pieces as keep each within `most_flops` (0: no bound), in order. A piece
// has one workgroup at least (four or a multiple of that, where the bound allows) and
// `most_workgroups` at most, so that its grid is not folded to one
// of more workgroups, some of which would be the next piece's. `first_workgroup`: the word of
// `whole.params` that says where a piece begins (DispatchRequest). One piece without such a word,
// and where the number of workgroups is an expression.
std::vector<Dispatch> cut(Dispatch whole, int32_t first_workgroup, double most_flops,
                          uint32_t most_workgroups);

}  // namespace sluice::plan
