// Issue: what an executor of a webgpu Plan gives to the device for given symbol values, dispatch by
// dispatch. One place evaluates it for those that write it down (exec/null) or encode it
// (encode.h).
#pragma once

#include <vector>

#include "base/result.h"
#include "plan/device_layout.h"
#include "plan/plan.h"

namespace sluice::plan {

// One dispatch, resolved for given symbols.
struct Issued {
  int step = 0, pipeline = 0;
  Grid grid;
  std::vector<ResolvedBinding> bindings;
  std::vector<uint32_t> words;
};
// Of all steps, in order; those with an empty grid, too.
Result<std::vector<Issued>> issue(const Plan& plan, const DeviceLayout& layout,
                                  const Dim::Environment& symbols);

}  // namespace sluice::plan
