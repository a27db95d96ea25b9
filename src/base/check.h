// SLUICE_CHECK: our own invariants only, never a judgement on input. A failed check prints where
// and aborts.
#pragma once

namespace sluice {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}  // namespace sluice

#define SLUICE_CHECK(condition) \
  ((condition) ? (void)0 : ::sluice::check_failed(#condition, __FILE__, __LINE__))
