// The inner kernels of simd/dot_i8.h for x86's dot products of bytes: AVX-512 VNNI and AVX-VNNI.
// Highway 1.0.3 has no names for them, and a target of its own for every source would cost more
// than these loops, so they carry their instruction set as attributes and ask the CPU themselves.
#pragma once

#include <array>
#include <cstdint>

namespace sluice::simd {

// The sums of some rows of A and up to three vectors of columns, over one chunk.
struct DotOperands {
  const uint32_t* a = nullptr;  // word k of row r at a[k * kPanelRows + r]
  const uint32_t* offsets = nullptr;
  int64_t depth = 0;
  std::array<const uint32_t*, 3> columns = {};
};
// Writes row r, vector v to sums + r * kTileCols + v * lanes.
using DotKernel = void (*)(const DotOperands& operands, int32_t* sums);

// Kernels for vectors of 16 lanes (1 to 8 rows) and of 8 lanes (1 to 4 rows), 1 to 3 vectors; null
// when this CPU has none.
DotKernel vnni512(int rows, int vectors);
DotKernel vnni256(int rows, int vectors);

// For tests: whether these kernels are used where the CPU has them.
void use_vnni(bool use);

}  // namespace sluice::simd
