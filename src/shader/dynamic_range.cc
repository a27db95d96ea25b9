#include "shader/dynamic_range.h"

#include "shader/dynamic_scale.h"
#include "shader/range_partial.h"

namespace sluice::shader {

namespace {

// At most 256 parts, which one workgroup joins; at least one, so that scale and zero get written.
Dim groups_of(const Dim& n) { return Dim::max(Dim::min(Dim::ceil_div(n, 4096), 256), 1); }

}  // namespace

Dim dynamic_range_elems(const Dim& n) { return groups_of(n) * Dim(2); }

std::array<plan::DispatchRequest, 2> dynamic_range(const Dim& n, plan::SlotId x, plan::SlotId parts,
                                                   plan::SlotId scale, plan::SlotId zero) {
  const Dim groups = groups_of(n);
  return {range_partial::Call{
              .params = {.n = n, .groups = groups}, .x = x, .parts = parts, .workgroups = groups}
              .request(),
          dynamic_scale::Call{.params = {.groups = groups},
                              .parts = parts,
                              .scale = scale,
                              .zero = zero,
                              .workgroups = 1}
              .request()};
}

}  // namespace sluice::shader
