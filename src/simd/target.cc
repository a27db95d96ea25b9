#include "simd/target.h"

#include <hwy/highway.h>
#include <hwy/targets.h>

namespace sluice::simd {

#ifdef __wasm__
// One set in a module: which module to load is the host's choice.
std::string target_name() {
#ifdef __wasm_relaxed_simd__
  return "relaxed";
#else
  return "simd128";
#endif
}
#else
std::string target_name() {
  // The lowest bit is the best of those that are compiled in and that this CPU has.
  const uint64_t usable =
      static_cast<uint64_t>(hwy::SupportedTargets()) & static_cast<uint64_t>(HWY_TARGETS);
  return usable == 0 ? "scalar" : hwy::TargetName(static_cast<int64_t>(usable & (~usable + 1)));
}
#endif

}  // namespace sluice::simd
