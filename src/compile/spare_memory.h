// Compiles for the CPU so that a run needs less memory at once, at the price of a little time.
#pragma once

#include <memory>

#include "compile/compile_cpu.h"

namespace sluice::compile {

// As compile_cpu; before, cuts convolutions of a Concat (passes/split_conv) in the steps where most
// memory is in use, as long as each time a run then needs an eighth less. `graph` becomes what was
// compiled. Sizes must be known.
Result<std::shared_ptr<plan::Plan>> compile_sparing_memory(const op::Registry& registry,
                                                           ir::Graph& graph,
                                                           const CpuOptions& options);

}  // namespace sluice::compile
