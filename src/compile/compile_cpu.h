// Graph -> Plan for the CPU: picks a kernel for every node (the first candidate that accepts it,
// the reference kernel last), decides where each value lives, and records why.
#pragma once

#include <memory>

#include "base/result.h"
#include "ir/graph.h"
#include "op/op.h"
#include "plan/plan.h"

namespace sluice::compile {

struct CpuOptions {
  // False keeps every value for itself: nothing is written over a dead input. For dumps.
  bool reuse_memory = true;
  // False runs every node on its reference kernel.
  bool fast_kernels = true;
  // Outputs lie in the arena, too, and live to the end of the run: for a caller that has read them
  // before the next one (Executor::create, lends_results).
  bool lend_outputs = false;
};

Result<std::shared_ptr<plan::Plan>> compile_cpu(const op::Registry& registry,
                                                const ir::Graph& graph,
                                                const CpuOptions& options = {});

// The kernel table of this build: all candidates' kernels and "<op>.reference" for each operator.
std::vector<plan::CpuKernel> cpu_kernel_table(const op::Registry& registry);

// "Softmax.reference", "com.microsoft.Gelu.reference".
std::string reference_kernel_name(const op::OpDef& def);

}  // namespace sluice::compile
