// The module's large blocks: what is given back, whole or in parts, is handed out again before
// memory grows, and memory grows by what is missing.
#include "wasm/pages.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "wasm/parted_block.h"

namespace sluice::wasm {
namespace {

constexpr size_t kMiB = 1 << 20;
size_t memory() { return __builtin_wasm_memory_size(0) * 65536; }

TEST(Pages, WhatIsFreedIsUsedAgain) {
  void* const first = std::malloc(3 * kMiB);
  void* const wall = std::malloc(kMiB);
  ASSERT_TRUE(first != nullptr && wall != nullptr);
  EXPECT_TRUE(is_pages(first));
  std::free(first);
  const size_t before = memory();
  void* const a = std::malloc(2 * kMiB);
  void* const b = std::malloc(kMiB);
  EXPECT_EQ(memory(), before);
  EXPECT_TRUE(a != b);
  std::free(a);
  std::free(b);
  std::free(wall);
}

TEST(Pages, BlocksGrowAndShrinkInPlace) {
  auto* block = static_cast<uint8_t*>(std::malloc(64 * kMiB));  // larger than any hole: at the end
  ASSERT_TRUE(block != nullptr);
  for (size_t i = 0; i < 64 * kMiB; i += 4099) block[i] = static_cast<uint8_t>(i >> 12);
  const size_t before = memory();
  auto* const more = static_cast<uint8_t*>(std::realloc(block, 65 * kMiB));
  EXPECT_EQ(more, block);
  EXPECT_TRUE(memory() <= before + kMiB);
  auto* const less = static_cast<uint8_t*>(std::realloc(more, 63 * kMiB));
  EXPECT_EQ(less, block);
  const size_t after = memory();
  void* const tail = std::malloc(2 * kMiB);
  EXPECT_EQ(memory(), after);
  bool kept = true;
  for (size_t i = 0; i < 63 * kMiB; i += 4099) kept &= less[i] == static_cast<uint8_t>(i >> 12);
  EXPECT_TRUE(kept);
  std::free(tail);
  std::free(less);
}

// Not inlined: the compiler knows what these return when nobody uses the block.
[[gnu::noinline]] bool is_refused(void* block) {
  const bool refused = block == nullptr;
  std::free(block);
  return refused;
}

TEST(Pages, MoreThanThereIsIsRefused) {
  EXPECT_TRUE(is_refused(std::malloc(0xfff00000u)));
  EXPECT_TRUE(is_refused(std::calloc(0x10000, 0x10001)));
}

// In every order, all of a block's units come back, and none of them twice: a neighbour that took
// some of them is not disturbed.
TEST(Pages, PartsOfABlockGoInAnyOrder) {
  for (int order = 0; order < 6; ++order) {
    for (const bool rest_first : {true, false}) {
      const size_t bytes = 8 * kMiB + 100;
      void* const data = std::malloc(bytes);
      ASSERT_TRUE(data != nullptr);
      const size_t begin = memory();
      {
        const auto block = PartedBlock::adopt(data, bytes);
        auto rest = block->rest();
        const auto* const at = static_cast<const std::byte*>(data);
        std::vector<std::shared_ptr<const void>> parts = {
            block->part({at + 77, 2 * kMiB}), block->part({at + 77 + 2 * kMiB, kMiB + 5}),
            block->part({at + 4 * kMiB + 9, 3 * kMiB})};
        if (rest_first) rest.reset();
        std::vector<std::pair<uint8_t*, size_t>> taken;
        const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
        for (const int i : orders[order]) {
          parts[static_cast<size_t>(i)].reset();
          // Whatever is free now is taken, and filled.
          for (size_t size = 4 * kMiB; size >= kLargeBlock; size /= 2) {
            auto* const one = static_cast<uint8_t*>(std::malloc(size));
            if (memory() > begin) {
              std::free(one);
              break;
            }
            std::memset(one, static_cast<int>(1 + taken.size()), size);
            taken.emplace_back(one, size);
          }
        }
        rest.reset();
        for (size_t n = 0; n < taken.size(); ++n) {
          const auto [one, size] = taken[n];
          bool kept = true;
          for (size_t i = 0; i < size; ++i) kept &= one[i] == 1 + n;
          EXPECT_TRUE(kept);
          std::free(one);
        }
      }
      const size_t end = memory();
      void* const again = std::malloc(bytes);
      EXPECT_EQ(memory(), end);
      std::free(again);
    }
  }
}

}  // namespace
}  // namespace sluice::wasm
