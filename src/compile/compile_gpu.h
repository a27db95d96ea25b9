// Graph -> Plan for WebGPU: asks each node's GPU candidates in turn to lower it; views share
// memory; a node whose tensors exceed what a binding holds is lowered part by part (parts.h); what
// no candidate takes is gathered into islands, CPU plans of their own that the session runs. The
// result says why each island exists, and what the caller would have to know (shapes, contents of
// small inputs) for fewer of them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "ir/graph.h"
#include "op/lower.h"
#include "op/op.h"
#include "plan/plan.h"

namespace sluice::compile {

struct GpuOptions {
  plan::Limits limits;
  plan::Features features;
  // False keeps every value for itself (for dumps): nothing is written into a slice of another
  // value.
  bool reuse_memory = true;
  // Names of candidates that are tried first and take whatever they can; "-NAME": never tried.
  std::vector<std::string> kernels = {};
  // What a dispatch may be estimated at before it comes in pieces (plan/cut.h); 0: any number.
  double most_dispatch_flops = 0;
  // True leaves the packing of weights to the caller: GpuProgram::packs.
  bool defer_packing = false;
};

struct Refusal {
  std::string node;  // name or, where it has none, its first output
  std::string op;
  std::string why;  // all candidates' sentences
};

struct GpuProgram {
  std::shared_ptr<plan::Plan> plan;
  std::vector<Refusal> refusals;  // one for each node on the CPU
  // Constants of the plan that have no elements yet, and what makes them. Each may be made any
  // number of times, and holds the model's own weights until then.
  std::map<plan::SlotId, op::LowerContext::Pack> packs;
  // What stood in the way and a run would tell: concrete extents, contents of graph inputs (by
  // name). Empty when compiling again would change nothing.
  bool wants_static = false;
  std::vector<std::string> wanted_inputs;
  // Not empty: a node is on the CPU because something exceeds what a binding holds, and it does not
  // come apart; a device that binds more would run it.
  std::string wants_larger;
};

Result<GpuProgram> compile_gpu(const op::Registry& registry, const ir::Graph& graph,
                               const GpuOptions& options = {});

}  // namespace sluice::compile
