// SelfTest: known-answer computations that run on the device and are compared with the same ones in
// C++: an adapter that computes wrong numbers is refused like one that has none. Each round takes
// new data, since drivers are known that compute a first run right and later ones wrong; whoever
// holds the test runs it again after warm-up and now and then. It must not know models.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "exec/webgpu/executor.h"
#include "session/binding.h"
#include "tensor/tensor.h"

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

class SelfTest {
 public:
  // Compiles the computations and makes their buffers (under 1 MiB).
  static Result<std::unique_ptr<SelfTest>> create(std::shared_ptr<exec::webgpu::Device> device,
                                                  SelfTestOptions options = {});
  ~SelfTest();
  SelfTest(const SelfTest&) = delete;
  SelfTest& operator=(const SelfTest&) = delete;

  // Runs every check `rounds` times, each on new data. First a finding that sums up, with the time;
  // then one for each check. A device that fails is a finding that failed, no error.
  std::vector<GateFinding> run(std::string_view when, int rounds);
  // The same for a big buffer, which is freed again.
  GateFinding run_big_buffer();
  // False once any check has failed; it never becomes true again.
  bool trusted() const;
  // The findings of the first run and the big buffer, then all that failed.
  const std::vector<GateFinding>& history() const;

 private:
  struct State;
  explicit SelfTest(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace sluice::session
