// Canaries: known-answer computations as plans, with their data and the judgement of what comes
// back, for whoever runs them on a device: this process (canary.h) or a host that drives one
// (remote.h). An adapter that computes wrong numbers is refused like one that has none. Each round
// takes new data, since drivers are known that compute a first run right and later ones wrong. It
// must know neither devices nor models.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "plan/plan.h"
#include "session/binding.h"
#include "tensor/value.h"

namespace sluice::exec::webgpu {
class FaultInjector;
}

namespace sluice::session {

struct SelfTestOptions {
  uint32_t seed = 1;
  // Size of the big buffer, which is written and read at its far end once, at creation. 0: the
  // 128 MiB that every adapter guarantees for a binding, or 8 MiB on a software adapter.
  uint64_t big_buffer_bytes = 0;
  exec::webgpu::FaultInjector* faults = nullptr;  // not owned; outlives the test
  // For tests: may change what was read back before it is judged.
  std::function<void(std::string_view check, int round, Tensor& output)> tamper = {};
  // For tests: may change a shader before it is compiled, as a wrong driver would.
  std::function<void(std::string_view shader, std::string& wgsl)> mutate = {};
};

// All small computations, in one plan (under 1 MiB of device memory): one run of it is a round, its
// output i belongs to check i.
class Canaries {
 public:
  static Result<Canaries> create(const plan::Features& features, const SelfTestOptions& options);
  ~Canaries();
  Canaries(Canaries&&) noexcept;
  Canaries& operator=(Canaries&&) noexcept;

  const std::shared_ptr<plan::Plan>& plan() const;
  size_t checks() const;

  // Forgets earlier rounds' judgement, not their number: data never repeats.
  void begin();
  // The inputs of another round.
  std::vector<Value> next_round();
  // Output `check` of the latest round.
  void judge(size_t check, Tensor output);
  // The round can't be run, or not to its end: a sentence without a period.
  void failed(std::string why);
  // Rounds whose outputs all were judged since begin().
  int rounds() const;
  // First a finding that sums up, then one for each check. `compile_seconds` below 0: not known.
  std::vector<GateFinding> findings(std::string_view when, double seconds,
                                    double compile_seconds) const;

 private:
  struct State;
  explicit Canaries(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// A large buffer, written all over and read back in samples up to its end.
class BigBuffer {
 public:
  // `software` adapters get a small one.
  static BigBuffer create(const plan::Limits& limits, bool software,
                          const SelfTestOptions& options);
  ~BigBuffer();
  BigBuffer(BigBuffer&&) noexcept;

  // Error (resource): the device's limits leave no room for it.
  Result<std::shared_ptr<plan::Plan>> plan() const;
  std::vector<Value> inputs() const;
  // Of the plan's only output, or of the error for which there is none.
  GateFinding judge(Result<Tensor> output, double seconds) const;

 private:
  struct State;
  explicit BigBuffer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace sluice::session
