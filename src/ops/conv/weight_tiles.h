// WeightTiles: the order in which the GPU kernels read a convolution's weights, so that a workgroup
// reads a contiguous block per step: [group][row tile][chunk][chunk terms][tile rows]. The terms of
// a row are ordered [tap][channel]; each tap is padded to whole chunks unless `flat`; rows and
// terms beyond the end are zero. The shader conv_pack makes the same order on the device.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/result.h"
#include "tensor/tensor.h"

namespace sluice::ops::conv {

struct WeightTiles {
  int64_t groups = 1;
  int64_t group_rows = 0;      // output channels per group
  int64_t group_channels = 0;  // input channels per group
  int64_t taps = 1;
  int64_t tile_rows = 4;
  int64_t chunk = 1;  // terms of one step
  bool flat = false;
  bool transposed = false;  // the weight is [C, M / groups, taps], not [M, C / groups, taps]

  int64_t row_tiles() const { return (group_rows + tile_rows - 1) / tile_rows; }
  int64_t tap_chunks() const { return (group_channels + chunk - 1) / chunk; }
  int64_t chunks() const {
    return flat ? (taps * group_channels + chunk - 1) / chunk : taps * tap_chunks();
  }
  // Nothing on overflow.
  std::optional<int64_t> elements() const;
};

// U = G g G^T of the algorithm F(4x4, 3x3) (winograd_input.wgsl has its points): float32 [36, C, M]
// of a weight [M, C, 3, 3].
Result<Tensor> winograd_weights(const Tensor& w);

// The order in which conv_dot4 reads the weights of an integer convolution: [group][row
// tile][chunk] [4][tile rows] pairs of words of four input channels, a signed byte each. A chunk is
// 8 words of one tap, padded; with `flat`, of all taps. What is beyond the end is zero.
struct ByteTiles {
  static constexpr int64_t kChunk = 8;  // words
  int64_t groups = 1;
  int64_t group_rows = 0;      // output channels per group
  int64_t group_channels = 0;  // input channels per group
  int64_t taps = 1;
  int64_t tile_rows = 64;
  bool flat = false;

  int64_t words() const { return (group_channels + 3) / 4; }
  int64_t row_tiles() const { return (group_rows + tile_rows - 1) / tile_rows; }
  int64_t tap_chunks() const { return (words() + kChunk - 1) / kChunk; }
  int64_t chunks() const {
    return flat ? (taps * words() + kChunk - 1) / kChunk : taps * tap_chunks();
  }
};

// Weights in that order (uint32), and for each output channel its zero point and the sum of its
// bytes (int32 [M,2]). `w` is int8 or uint8 [M,C/group,...]; `shift` is taken off each weight and
// zero point, so that they are signed bytes. `zero_points` has one entry per output channel or
// none.
struct ByteWeights {
  Tensor words, rows;
};
Result<ByteWeights> pack_bytes(const ByteTiles& tiles, const Tensor& w,
                               std::span<const int32_t> zero_points, int32_t shift);

// `w` in the order of WeightTiles, as float32, float16 or int32 (`dtype`). `zero_points`, one per
// output channel or empty, are subtracted.
Result<Tensor> pack_weights(const WeightTiles& tiles, const Tensor& w,
                            std::span<const int32_t> zero_points, DType dtype);

}  // namespace sluice::ops::conv
