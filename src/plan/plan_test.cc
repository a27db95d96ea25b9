#include "plan/plan.h"

#include <gtest/gtest.h>

namespace sluice::plan {
namespace {

Slot slot(int64_t elements, int first, int last) {
  Slot made;
  made.type = Type::tensor(DType::kFloat32, Dims{Dim(elements)});
  made.storage = Storage::kArena;
  made.first_step = first;
  made.last_step = last;
  return made;
}

TEST(MemoryOfCpuPlans, ValuesThatNoStepMakesTakeNone) {
  Plan plan;
  plan.steps.resize(2);
  plan.slots = {slot(1024, 0, 1), slot(1 << 20, -1, -1), slot(256, 1, 1), slot(1 << 20, -1, -1)};
  const auto layout = lay_out(plan, {});
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->arena_bytes, (1024u + 256u) * 4);
  EXPECT_EQ(layout->peak_live_bytes, layout->arena_bytes);
  EXPECT_EQ(layout->bytes[1], 0u);
}

TEST(MemoryOfCpuPlans, ValuesThatNeverLiveTogetherShareIt) {
  Plan plan;
  plan.steps.resize(3);
  plan.slots = {slot(1024, 0, 0), slot(1024, 1, 1), slot(1024, 1, 2)};
  const auto layout = lay_out(plan, {});
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->arena_bytes, 2u * 4096);
}

TEST(MemoryOfCpuPlans, WhatHadToLieHighestIsPlacedFirstWhereMuchIsWasted) {
  constexpr int64_t kUnit = 1 << 18;  // 1 MiB
  Plan plan;
  plan.steps.resize(5);
  plan.slots = {slot(kUnit, 2, 3), slot(2 * kUnit, 1, 2), slot(5 * kUnit, 3, 4),
                slot(5 * kUnit, 1, 1)};
  const auto layout = lay_out(plan, {});
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->peak_live_bytes, 7u << 20);
  EXPECT_EQ(layout->arena_bytes, 7u << 20) << "the largest first takes 8";
  for (const Life& a : layout->lives) {
    EXPECT_EQ(a.begin, layout->offsets[static_cast<size_t>(a.root)]);
    EXPECT_LE(a.end, layout->arena_bytes);
    for (const Life& b : layout->lives) {
      const bool together = a.first <= b.last && b.first <= a.last;
      const bool apart = a.end <= b.begin || b.end <= a.begin;
      EXPECT_TRUE(a.root == b.root || !together || apart) << a.root << " and " << b.root;
    }
  }
}

}  // namespace
}  // namespace sluice::plan
