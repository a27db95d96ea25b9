// AddressSanitizer sees where blocks of the heap end. What is cut out of a block has neighbours in
// it: in builds with the sanitizer, bytes that nobody may touch for a while are forbidden, and an
// access to them ends the process. In other builds these functions do nothing.
#pragma once

#include <cstddef>
#include <span>

#if defined(__SANITIZE_ADDRESS__)  // g++
#define SLUICE_ADDRESS_SANITIZER 1
#elif defined(__has_feature)  // clang
#if __has_feature(address_sanitizer)
#define SLUICE_ADDRESS_SANITIZER 1
#endif
#endif
#ifndef SLUICE_ADDRESS_SANITIZER
#define SLUICE_ADDRESS_SANITIZER 0
#endif

#if SLUICE_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace sluice {

// In groups of eight bytes: one of which `bytes` is only the beginning stays allowed.
inline void forbid([[maybe_unused]] std::span<const std::byte> bytes) {
#if SLUICE_ADDRESS_SANITIZER
  __asan_poison_memory_region(bytes.data(), bytes.size());
#endif
}

inline void allow([[maybe_unused]] std::span<const std::byte> bytes) {
#if SLUICE_ADDRESS_SANITIZER
  __asan_unpoison_memory_region(bytes.data(), bytes.size());
#endif
}

}  // namespace sluice
