#include "simd/instruction_set.h"

#include "hwy/highway.h"

namespace sluice::simd {

#ifdef __wasm__

std::vector<std::string_view> instruction_sets() { return {hwy::TargetName(HWY_STATIC_TARGET)}; }
bool select_instruction_set(std::string_view name) {
  return name.empty() || name == hwy::TargetName(HWY_STATIC_TARGET);
}

#else

std::vector<std::string_view> instruction_sets() {
  std::vector<std::string_view> names;
  // Lower bits are better targets; the scalar fallback is always there.
  for (int64_t left = (hwy::SupportedTargets() & HWY_TARGETS) | HWY_STATIC_TARGET; left != 0;
       left &= left - 1) {
    names.emplace_back(hwy::TargetName(left & -left));
  }
  return names;
}

bool select_instruction_set(std::string_view name) {
  hwy::SetSupportedTargetsForTest(0);
  const int64_t all = hwy::SupportedTargets();
  int64_t chosen = 0;
  for (int64_t left = (all & HWY_TARGETS) | HWY_STATIC_TARGET; left != 0; left &= left - 1) {
    if (name == hwy::TargetName(left & -left)) chosen = left & -left;
  }
  if (chosen != 0) hwy::SetSupportedTargetsForTest(chosen);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  return chosen != 0 || name.empty();
}

#endif

}  // namespace sluice::simd
