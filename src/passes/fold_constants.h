// Runs nodes whose inputs are all constants once, now, on their reference kernels, and turns
// integer values that shape inference fully knows into constants.
#pragma once

#include "base/result.h"
#include "ir/graph.h"
#include "op/op.h"

namespace sluice::passes {

struct FoldOptions {
  // A fold is skipped when its result would be larger than this and than its inputs: a file of a
  // hundred bytes must not make gigabytes.
  uint64_t max_growth_bytes = 64u << 20;
  // Graph outputs are left to the run, so that what a backend is asked for is what it computes.
  bool keep_outputs = false;
  // Weights and biases of convolutions and matrix products stay quantized.
  bool keep_quantized = false;
  // Weights of convolutions stay float16 (passes/hold_float16.h).
  bool hold_float16 = false;
};

// A node that fails on its constants is left for the run to report.
Result<int> fold_constants(const op::Registry& registry, ir::Graph& graph,
                           const FoldOptions& options = {});

}  // namespace sluice::passes
