// Caps: what a model file may ask for at most, whatever its format. One table; every reader and
// importer checks against it, and each line has a test at the limit and one past it. The numbers
// stand far above real models and far below what would exhaust a machine.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/shape.h"

namespace sluice::format::caps {

inline constexpr int kMaxTensorRank = kMaxRank;      // extents of a tensor or a declared type
inline constexpr size_t kMaxNameBytes = 4096;        // names of values, nodes, operators ...
inline constexpr int kMaxGraphNesting = 64;          // graphs inside graphs
inline constexpr int kMaxTypeNesting = 16;           // sequence(optional(...)), values likewise
inline constexpr size_t kMaxNodes = 262'144;         // in the whole file, functions included
inline constexpr size_t kMaxInlinedNodes = 131'072;  // after functions are inlined
inline constexpr size_t kMaxTensors = 262'144;       // initializers in the whole file
inline constexpr size_t kMaxFunctions = 4096;
inline constexpr int kMaxInlineNesting = 128;  // functions and subgraphs around each other
inline constexpr uint64_t kMaxInlinedBytes = 256u << 20;  // attributes copied by inlining
inline constexpr size_t kMaxAttributes = 1024;            // of one node or function
inline constexpr size_t kMaxNodeValues = 65'536;          // inputs, and outputs, of one node
inline constexpr size_t kMaxGraphValues = 262'144;        // inputs, outputs, value_infos of a graph
inline constexpr size_t kMaxOpsets = 256;
inline constexpr size_t kMaxMetadataEntries = 4096;

// While it is being read, a file of n bytes may make us ask for kMemoryFactor * n + kMemorySlack
// bytes: nothing in a file may claim memory that its own size does not pay for.
inline constexpr uint64_t kMemoryFactor = 4;
inline constexpr uint64_t kMemorySlack = uint64_t{4} << 20;

}  // namespace sluice::format::caps
