// Which instruction set the vector kernels of this process use.
#pragma once

#include <string>

namespace sluice::simd {

// Highway's name of the best supported target: "AVX3" (AVX-512), "AVX2", "SSE2", "NEON" ...
// In WebAssembly "simd128" or "relaxed".
std::string target_name();

}  // namespace sluice::simd
