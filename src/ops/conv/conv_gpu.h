// What tests need to know of the convolutions on the GPU: every size of tile has to be right for
// every number of channels, and a problem small enough to be checked would always choose the
// smallest.
#pragma once

namespace sluice::ops::conv {

inline constexpr int kTileCount = 6;
// Takes this tile whatever the problem; -1: chooses. Not for use while sessions are being made.
inline constinit int tile_for_test = -1;

}  // namespace sluice::ops::conv
