// The order in which graph passes run before compilation for the CPU.
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
};

// What each pass did, for `explain`: "fold_constants: 39".
Result<std::vector<std::string>> optimize_for_cpu(const op::Registry& registry, ir::Graph& graph,
                                                  const OptimizeOptions& options = {});

}  // namespace sluice::passes
