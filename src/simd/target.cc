#include "simd/target.h"

#include <hwy/highway.h>
#include <hwy/targets.h>

namespace sluice::simd {

std::string target_name() {
  // The lowest bit is the best of those that are compiled in and that this CPU has.
  const uint64_t usable =
      static_cast<uint64_t>(hwy::SupportedTargets()) & static_cast<uint64_t>(HWY_TARGETS);
  return usable == 0 ? "scalar" : hwy::TargetName(static_cast<int64_t>(usable & (~usable + 1)));
}

}  // namespace sluice::simd
