// SelfTest: the canaries (canaries.h) run on a device of this process. Whoever holds the test runs
// it again after warm-up and now and then.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "exec/webgpu/executor.h"
#include "session/binding.h"
#include "session/canaries.h"

namespace sluice::session {

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
