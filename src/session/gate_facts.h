// What the gate can say without computing, and what its decisions are made of: the same for a
// device of this process (gate.h) and for one that somebody else drives (remote.h). Every decision
// is a list of findings in sentences; the first that failed is the reason. When in doubt it
// refuses: a check that can't be made has failed. It must not know any device.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plan/device_layout.h"
#include "plan/plan.h"
#include "session/binding.h"
#include "session/canaries.h"

namespace sluice::session {

class SelfTest;

struct GateOptions {
  bool allow_software = false;  // an adapter that computes on the CPU is acceptable
  bool self_test = true;
  int rounds = 3;  // of the self-test, at load
  // Most device memory that the plan may need. 0: unknown to WebGPU, so not judged, except on a
  // software adapter, where it is three quarters of the machine's memory.
  uint64_t memory_budget_bytes = 0;
  SelfTestOptions test = {};
};

// What a plan asks of a device.
struct PlanNeeds {
  plan::Limits limits;
  plan::Features features;
  uint32_t most_storage_buffers = 0;
  uint64_t largest_binding_bytes = 0;
  std::string largest_binding;  // whose it is
  uint64_t largest_buffer_bytes = 0;
  uint64_t peak_bytes = 0;  // device memory, weights included
};
// `layout` is null while the plan's symbols have no values: sizes are then unknown and not judged.
PlanNeeds plan_needs(const plan::Plan& plan, const plan::DeviceLayout* layout);

struct GateDecision {
  bool passed = false;
  std::vector<GateFinding> findings;
  // To be run again after warm-up and now and then (recheck_due); null when there was none.
  std::shared_ptr<SelfTest> self_test;
  // The sentence of the first finding that failed; empty when all passed.
  std::string refusal() const;
};

// What can be said without computing. `needs` is null when there is no plan yet.
GateDecision gate_facts(const AdapterFacts& facts, const PlanNeeds* needs,
                        const GateOptions& options);

// Sets `passed`: there are findings, and all of them passed.
void conclude(GateDecision& decision);

// After the run number `runs` (from 1): after the first, since warm-up changes what a driver does,
// and then now and then.
constexpr int kRecheckRuns = 256;
constexpr bool recheck_due(int runs) { return runs == 1 || (runs > 0 && runs % kRecheckRuns == 0); }

}  // namespace sluice::session
