// float16 as floats, whole arrays at a time.
#pragma once

#include <cstdint>

namespace sluice::simd {

// to[i] = from[i] for `count` of them, exactly.
void widen_half(const uint16_t* from, float* to, int64_t count);

}  // namespace sluice::simd
