// Code-blocks of JPEG 2000 (ITU-T T.800, annexes C and D): bit planes of wavelet coefficients,
// coded in three passes each with an adaptive arithmetic coder. Private to this room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sluice::image {

enum class Subband : uint8_t { kLL, kHL, kLH, kHH };  // horizontal, then vertical filter

struct BlockStyle {
  bool reset_contexts = false;        // after every pass
  bool segmentation_symbols = false;  // four bits after every cleanup pass
};

// Decodes `passes` passes of a block of width x height coefficients whose highest coded bit plane
// is `planes` - 1 (planes at most 30). Returns sign * magnitude * 2 in row-major order; the extra
// bit holds one half of the last decoded plane, so that truncated data come out in mid-interval.
// Data that end early read as ones, as the standard has it; nothing can fail.
std::vector<int32_t> decode_block(std::span<const std::byte> data, int width, int height,
                                  Subband band, int planes, int passes, const BlockStyle& style);

}  // namespace sluice::image
