// Gate: decides whether a device of this process may run a plan. It measures, it does not believe:
// what the adapter says of itself, its limits against those that WebGPU guarantees and those that
// the plan needs (gate_facts.h), and computations with known answers (canary.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "exec/webgpu/device.h"
#include "session/binding.h"
#include "session/canary.h"
#include "session/gate_facts.h"

namespace sluice::session {

AdapterFacts adapter_facts(const exec::webgpu::AdapterInfo& info);
// The same with the limits and features that the device was granted.
AdapterFacts adapter_facts(const exec::webgpu::Device& device);

// The whole gate: facts, self-test, big buffer. A device that is lost or null is refused. Sessions
// on one device share its self-test, which is run once while any of their decisions lives (not
// where options.test has hooks); once it has failed, new sessions are refused, too.
GateDecision gate(const std::shared_ptr<exec::webgpu::Device>& device, const PlanNeeds* needs,
                  const GateOptions& options);

// Runs the self-test again, one round. What fails is appended to decision.findings and takes its
// `passed` back. Gives all new findings.
std::vector<GateFinding> gate_again(GateDecision& decision, std::string_view when);

}  // namespace sluice::session
