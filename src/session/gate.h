// Gate: decides whether a device may run a plan. It measures, it does not believe: what the adapter
// says of itself, its limits against those that WebGPU guarantees and those that the plan needs,
// and computations with known answers (canary.h). Every decision is a list of findings in
// sentences; the first that failed is the reason. When in doubt it refuses: a check that can't be
// made has failed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "exec/webgpu/device.h"
#include "plan/device_layout.h"
#include "plan/plan.h"
#include "session/binding.h"
#include "session/canary.h"

namespace sluice::session {

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

AdapterFacts adapter_facts(const exec::webgpu::AdapterInfo& info);
// The same with the limits and features that the device was granted.
AdapterFacts adapter_facts(const exec::webgpu::Device& device);

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

// The whole gate: facts, self-test, big buffer. A device that is lost or null is refused. Sessions
// on one device share its self-test, which is run once while any of their decisions lives (not
// where options.test has hooks); once it has failed, new sessions are refused, too.
GateDecision gate(const std::shared_ptr<exec::webgpu::Device>& device, const PlanNeeds* needs,
                  const GateOptions& options);

// Runs the self-test again, one round. What fails is appended to decision.findings and takes its
// `passed` back. Gives all new findings.
std::vector<GateFinding> gate_again(GateDecision& decision, std::string_view when);

// After the run number `runs` (from 1): after the first, since warm-up changes what a driver does,
// and then now and then.
constexpr int kRecheckRuns = 256;
constexpr bool recheck_due(int runs) { return runs == 1 || (runs > 0 && runs % kRecheckRuns == 0); }

}  // namespace sluice::session
