// Recorder: the executor that runs nothing. It writes down, as text, everything an executor of a
// webgpu Plan would create and issue: buffers, pipelines, dispatches with their grids, bindings and
// uniform words, islands. Its output is the planner's golden and what `sluice explain` prints.
#pragma once

#include <string>

#include "base/result.h"
#include "plan/plan.h"

namespace sluice::exec::null {

struct RecordOptions {
  bool buffers = true;   // list device buffers and which slots they hold
  bool uniforms = true;  // print uniform words
  bool reasons = true;   // why this kernel, why an island
  bool bindings = true;
};

// Fails as a real executor would at load: what lay_out_device refuses, a grid beyond the limits.
Result<std::string> record(const plan::Plan& plan, const Dim::Environment& symbols,
                           const RecordOptions& options = {});

}  // namespace sluice::exec::null
