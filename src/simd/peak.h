// The ceilings of one thread, for benchmarks to divide by: multiply-adds that touch registers only,
// in as many independent chains as hide their latency. No kernel can be faster; none of the program
// calls them.
#pragma once

#include <cstdint>

namespace sluice::simd {

// Runs `rounds` rounds on the selected instruction set and says how many operations they were (a
// multiplication and an addition count as two). A round is some 50 to 400 operations.
double peak_f32(int64_t rounds);

// The same with the best product of bytes that this build uses here: VNNI, WebAssembly's relaxed
// dot product, else pairs of 16-bit numbers. 0 where there is none of these.
double peak_i8(int64_t rounds);
// What peak_i8 measures: "AVX-512 VNNI", "relaxed dot" ...
const char* peak_i8_name();

}  // namespace sluice::simd
