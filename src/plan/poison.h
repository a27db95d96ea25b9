// Poison: what outputs on a device hold until something writes them, and the look at raw bits of
// what comes back. On bits, since compilers of shaders may assume that there is no NaN.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "plan/dispatch.h"

namespace sluice::plan {

// Bits of a float32 NaN that no arithmetic makes.
inline constexpr uint32_t kPoison = 0x7fc0dead;

struct BitsSeen {
  bool poison = false;     // a word that nobody wrote
  bool nonfinite = false;  // a NaN or infinity
};
// Looks at floats; other formats show nothing.
BitsSeen look_at_bits(std::span<const std::byte> bytes, DeviceFormat format);

}  // namespace sluice::plan
