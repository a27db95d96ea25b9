// The instruction sets that the kernels were compiled for and this machine has. The best one is
// used unless another is selected, which tests do to exercise them all.
#pragma once

#include <string_view>
#include <vector>

namespace sluice::simd {

// Best first: "AVX3" (AVX-512), "AVX2", "SSE4", "SCALAR" ...
std::vector<std::string_view> instruction_sets();
// From now on, in the whole process; "" goes back to the best. False when there is no such set.
// Not to be called while kernels run.
bool select_instruction_set(std::string_view name);

}  // namespace sluice::simd
