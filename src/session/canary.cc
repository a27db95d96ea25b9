#include "session/canary.h"

#include <algorithm>
#include <chrono>

#include "base/text.h"

namespace sluice::session {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

struct SelfTest::State {
  State(std::shared_ptr<exec::webgpu::Device> the_device, SelfTestOptions the_options,
        Canaries the_canaries)
      : device(std::move(the_device)),
        options(std::move(the_options)),
        canaries(std::move(the_canaries)) {}

  std::shared_ptr<exec::webgpu::Device> device;
  SelfTestOptions options;
  Canaries canaries;
  std::unique_ptr<exec::webgpu::Executor> executor;
  double compile_seconds = 0;
  std::vector<GateFinding> history;
};

SelfTest::SelfTest(std::unique_ptr<State> state) : state_(std::move(state)) {}
SelfTest::~SelfTest() = default;

Result<std::unique_ptr<SelfTest>> SelfTest::create(std::shared_ptr<exec::webgpu::Device> device,
                                                   SelfTestOptions options) {
  const auto start = Clock::now();
  SLUICE_ASSIGN(Canaries canaries, Canaries::create(device->features(), options));
  auto state = std::make_unique<State>(std::move(device), std::move(options), std::move(canaries));
  exec::webgpu::ExecutorOptions how;
  how.faults = state->options.faults;
  auto made = exec::webgpu::Executor::create(state->canaries.plan(), state->device, how);
  if (!made) return std::move(made).error().while_doing("preparing the self-test");
  state->executor = std::move(made).value();
  state->compile_seconds = seconds_since(start);
  return std::unique_ptr<SelfTest>(new SelfTest(std::move(state)));
}

bool SelfTest::trusted() const {
  return std::ranges::all_of(state_->history, &GateFinding::passed);
}
const std::vector<GateFinding>& SelfTest::history() const { return state_->history; }

std::vector<GateFinding> SelfTest::run(std::string_view when, int rounds) {
  State& s = *state_;
  const auto start = Clock::now();
  s.canaries.begin();
  const auto run_round = [&]() -> Result<void> {
    const std::vector<Value> inputs = s.canaries.next_round();
    SLUICE_ASSIGN(const std::vector<Value> outputs, s.executor->run(inputs, {}));
    for (size_t i = 0; i < s.canaries.checks(); ++i) {
      if (!outputs[i].is_tensor()) {
        return internal_error(cat("The self-test's output ", i, " did not come back"));
      }
      s.canaries.judge(i, outputs[i].tensor());
    }
    return {};
  };
  for (int round = 0; round < rounds; ++round) {
    if (const auto ran = run_round(); !ran) {
      s.canaries.failed(ran.error().text());
      break;
    }
  }
  std::vector<GateFinding> findings =
      s.canaries.findings(when, seconds_since(start), s.compile_seconds);
  // Later runs leave a trace only where they fail: a long job has thousands of them.
  const bool at_load = s.history.empty();
  std::ranges::copy_if(findings, std::back_inserter(s.history),
                       [&](const GateFinding& finding) { return at_load || !finding.passed; });
  return findings;
}

GateFinding SelfTest::run_big_buffer() {
  State& s = *state_;
  const auto start = Clock::now();
  const BigBuffer big =
      BigBuffer::create(s.device->limits(), s.device->adapter().software, s.options);
  const auto run = [&]() -> Result<Tensor> {
    SLUICE_ASSIGN(std::shared_ptr<plan::Plan> plan, big.plan());
    exec::webgpu::ExecutorOptions how;
    how.faults = s.options.faults;
    SLUICE_ASSIGN(auto executor, exec::webgpu::Executor::create(std::move(plan), s.device, how));
    SLUICE_ASSIGN(const auto outputs, executor->run(big.inputs(), {}));
    return outputs.at(0).tensor();
  };
  Result<Tensor> output = run();
  GateFinding finding = big.judge(std::move(output), seconds_since(start));
  s.history.push_back(finding);
  return finding;
}

}  // namespace sluice::session
