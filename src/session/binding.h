// Binding: the record of which backend a session really runs on, and why. It is written once at
// load and never guesses: `exact` says whether the bound backend was proven by what ran, or only
// reported by somebody else.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::session {

enum class Backend { kAuto, kCpu, kReference };
std::string_view backend_name(Backend backend);

struct Binding {
  Backend requested = Backend::kAuto;
  Backend bound = Backend::kCpu;
  bool exact = true;
  std::string reason;  // a sentence
  int threads = 1;
  std::string instruction_set;  // "AVX3", "AVX2", "SSE2" ...
  std::string model_sha256;
  bool widened_float16 = false;      // a float16 model that computes in float32
  std::vector<std::string> islands;  // nodes on another backend than `bound`; none on the CPU
  double read_seconds = 0;           // map and parse
  double compile_seconds = 0;        // import, passes, plan
  double prepare_seconds = 0;        // weights packed
  double first_run_seconds = 0;
  double last_run_seconds = 0;
  int runs = 0;

  // "[EP] sluice · model · requested=auto = bound=cpu | 2 threads, AVX3"
  std::string console_line(std::string_view model) const;
};

}  // namespace sluice::session
