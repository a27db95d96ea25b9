#include "ops/conv/weight_tiles.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::ops::conv {
namespace {

Tensor counting(const Shape& shape) {
  std::vector<float> values;
  for (int64_t i = 0; i < shape.elements(); ++i) values.push_back(static_cast<float>(i + 1));
  return Tensor::of<float>(shape, std::span<const float>(values));
}

std::vector<float> packed(const WeightTiles& tiles, const Tensor& w) {
  const auto out = pack_weights(tiles, w, {}, DType::kFloat32);
  EXPECT_TRUE(out.ok());
  return {out->span<float>().begin(), out->span<float>().end()};
}

// One row of three channels and two taps: w is c0k0 c0k1 c1k0 c1k1 c2k0 c2k1 = 1 .. 6.
TEST(WeightTiles, TapsArePaddedToChunks) {
  const WeightTiles tiles{
      .group_rows = 1, .group_channels = 3, .taps = 2, .tile_rows = 2, .chunk = 2};
  EXPECT_EQ(packed(tiles, counting({1, 3, 2})),
            (std::vector<float>{1, 0, 3, 0, 5, 0, 0, 0, 2, 0, 4, 0, 6, 0, 0, 0}));
}

TEST(WeightTiles, FlatTermsRunAcrossTaps) {
  const WeightTiles tiles{
      .group_rows = 1, .group_channels = 3, .taps = 2, .tile_rows = 1, .chunk = 4, .flat = true};
  EXPECT_EQ(packed(tiles, counting({1, 3, 2})), (std::vector<float>{1, 3, 5, 2, 4, 6, 0, 0}));
}

// Three rows in tiles of two: the second tile is half empty. Groups follow each other.
TEST(WeightTiles, RowsAndGroups) {
  const WeightTiles tiles{.groups = 2, .group_rows = 3, .group_channels = 1, .tile_rows = 2};
  EXPECT_EQ(packed(tiles, counting({6, 1, 1})), (std::vector<float>{1, 2, 3, 0, 4, 5, 6, 0}));
}

// [C, M / groups, taps]: channel 0 holds rows 1, 2; channel 1 rows 3, 4.
TEST(WeightTiles, Transposed) {
  const WeightTiles tiles{
      .group_rows = 2, .group_channels = 2, .tile_rows = 2, .chunk = 2, .transposed = true};
  EXPECT_EQ(packed(tiles, counting({2, 2, 1})), (std::vector<float>{1, 2, 3, 4}));
}

TEST(WeightTiles, ZeroPointsAreSubtracted) {
  const WeightTiles tiles{.group_rows = 2, .group_channels = 2, .tile_rows = 4};
  const Tensor w = Tensor::of<uint8_t>({2, 2, 1}, {10, 20, 30, 40});
  const int32_t zeros[] = {5, 128};
  const auto out = pack_weights(tiles, w, zeros, DType::kInt32);
  ASSERT_TRUE(out.ok());
  EXPECT_EQ(std::vector<int32_t>(out->span<int32_t>().begin(), out->span<int32_t>().end()),
            (std::vector<int32_t>{5, -98, 0, 0, 15, -88, 0, 0}));
}

TEST(WeightTiles, HostileSizesDoNotOverflow) {
  const WeightTiles tiles{
      .groups = int64_t{1} << 30, .group_rows = int64_t{1} << 30, .group_channels = 16, .taps = 16};
  EXPECT_FALSE(tiles.elements().has_value());
}

}  // namespace
}  // namespace sluice::ops::conv
