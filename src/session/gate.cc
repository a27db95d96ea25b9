#include "session/gate.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "base/text.h"

namespace sluice::session {

namespace {

// The tests of live devices, by generation. Weak: a test holds its device, and goes with the last
// session that uses it.
class SharedTests {
 public:
  std::shared_ptr<SelfTest> find(uint64_t generation) {
    const std::scoped_lock lock(mutex_);
    std::erase_if(tests_, [](const auto& entry) { return entry.second.expired(); });
    const auto at = tests_.find(generation);
    return at == tests_.end() ? nullptr : at->second.lock();
  }
  void keep(uint64_t generation, const std::shared_ptr<SelfTest>& test) {
    const std::scoped_lock lock(mutex_);
    tests_[generation] = test;
  }

 private:
  std::mutex mutex_;
  std::map<uint64_t, std::weak_ptr<SelfTest>> tests_;
};
SharedTests& shared_tests() {
  static SharedTests tests;
  return tests;
}

void test_device(const std::shared_ptr<exec::webgpu::Device>& device, SelfTestOptions options,
                 int rounds, GateDecision& decision) {
  const bool hooked = options.faults != nullptr || options.tamper || options.mutate;
  const uint64_t big = options.big_buffer_bytes;
  if (!hooked) decision.self_test = shared_tests().find(device->generation());
  if (decision.self_test != nullptr && big == 0) {
    const auto& history = decision.self_test->history();
    decision.findings.insert(decision.findings.end(), history.begin(), history.end());
    return;
  }
  auto made = SelfTest::create(device, std::move(options));
  if (!made) {
    decision.findings.push_back(
        {"self-test", false, cat("The self-test can't be run: ", made.error().text()), 0});
    return;
  }
  decision.self_test = std::move(made).value();
  std::ranges::move(decision.self_test->run("at load", rounds),
                    std::back_inserter(decision.findings));
  if (!decision.self_test->trusted()) return;
  decision.findings.push_back(decision.self_test->run_big_buffer());
  if (!hooked && big == 0) shared_tests().keep(device->generation(), decision.self_test);
}

}  // namespace

AdapterFacts adapter_facts(const exec::webgpu::AdapterInfo& info) {
  AdapterFacts facts;
  facts.present = true;
  facts.vendor = info.vendor;
  facts.architecture = info.architecture;
  facts.device = info.device;
  facts.description = info.description;
  facts.backend = info.backend;
  facts.type = info.type;
  facts.library = info.library;
  facts.software = info.software;
  facts.limits = info.limits;
  facts.features = info.features;
  return facts;
}

AdapterFacts adapter_facts(const exec::webgpu::Device& device) {
  AdapterFacts facts = adapter_facts(device.adapter());
  facts.limits = device.limits();
  facts.features = device.features();
  return facts;
}

GateDecision gate(const std::shared_ptr<exec::webgpu::Device>& device, const PlanNeeds* needs,
                  const GateOptions& options) {
  if (device == nullptr) return gate_facts({}, needs, options);
  GateDecision decision = gate_facts(adapter_facts(*device), needs, options);
  if (!decision.passed) return decision;
  const exec::webgpu::DeviceHealth health = device->health();
  decision.findings.push_back(
      {"device", !health.lost,
       health.lost ? cat("The device is lost (", health.lost_reason, "): ", health.lost_message)
                   : "The device lives",
       0});
  if (!health.lost && options.self_test) {
    SelfTestOptions test = options.test;
    // Bindings larger than every adapter guarantees are tried out, too.
    if (needs != nullptr && test.big_buffer_bytes == 0 &&
        needs->largest_binding_bytes > plan::Limits{}.max_storage_binding_bytes) {
      test.big_buffer_bytes = needs->largest_binding_bytes;
    }
    test_device(device, std::move(test), options.rounds, decision);
  }
  conclude(decision);
  if (!decision.passed) decision.self_test.reset();
  return decision;
}

std::vector<GateFinding> gate_again(GateDecision& decision, std::string_view when) {
  std::vector<GateFinding> fresh;
  if (decision.self_test == nullptr) return fresh;
  fresh = decision.self_test->run(when, 1);
  std::ranges::copy_if(fresh, std::back_inserter(decision.findings),
                       [](const GateFinding& finding) { return !finding.passed; });
  conclude(decision);
  if (!decision.passed) decision.self_test.reset();
  return fresh;
}

}  // namespace sluice::session
