// The order in which graph passes run before compilation.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "ir/graph.h"
#include "op/op.h"

namespace sluice::passes {

struct OptimizeOptions {
  // False keeps every value of the model observable: only constants are folded.
  bool fuse = true;
  // Also into the operators that only the CPU has kernels for.
  bool fuse_for_cpu = false;
  // Dynamic quantization into one operator, as for the CPU: for devices that multiply bytes by
  // fours.
  bool fuse_dynamic_quantization = false;
  // Graph outputs are computed by the run even where they are known beforehand.
  bool keep_outputs = false;
  // float16 becomes float32 in the graph itself. Devices widen by the form of their values instead.
  bool widen_float16 = true;
  // Weights of convolutions that are float16 in the file are held as such (passes/hold_float16.h).
  bool hold_float16 = false;
};

// What each pass did, for `explain`: "fold_constants: 39".
Result<std::vector<std::string>> optimize(const op::Registry& registry, ir::Graph& graph,
                                          const OptimizeOptions& options = {});

}  // namespace sluice::passes
