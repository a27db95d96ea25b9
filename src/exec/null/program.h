// Program: a webgpu Plan with one run's inputs as a self-contained JSON text that any WebGPU
// implementation can execute without knowing Plans: shaders, buffers with their first contents,
// dispatches with bindings, grids and uniform words, and where the outputs lie. It is how other
// implementations (a browser's, a bug report's) get to run exactly what the native executor runs.
//
// {"pipelines":  [{"shader", "knobs", "wgsl"}],             entry point "main"
//  "buffers":    [{"size", "data"?}],                       bytes, base64; without data: any
//  contents "dispatches": [{"pipeline", "grid": [x, y, z], "uniform": [words], "op",
//                  "bindings": [{"buffer", "offset", "size", "writable"}]}],
//  "outputs":    [{"index", "name", "buffer", "offset", "size", "format", "dtype", "shape"}]}
//
// Binding 0 of group 0 is the uniform block (left out when "uniform" is empty), binding 1 + i is
// "bindings"[i]. Dispatches with an empty grid are left out.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "plan/plan.h"
#include "tensor/value.h"

namespace sluice::exec::null {

// `inputs` in the order of Plan::inputs. Error (unsupported): the plan has islands. Outputs that
// never lie on the device (constants, the caller's own inputs) are left out.
Result<std::string> to_program(const plan::Plan& plan, std::span<const Value> inputs);

std::string base64(std::span<const std::byte> bytes);

}  // namespace sluice::exec::null
