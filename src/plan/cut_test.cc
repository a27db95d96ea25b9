#include "plan/cut.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace sluice::plan {
namespace {

Dispatch dispatch(Dim workgroups, double flops) {
  Dispatch whole;
  whole.pipeline = 3;
  whole.params = {Word::integer(7), Word::integer(0), Word::floating(2)};
  whole.bindings = {{.range = SlotRange(1), .writable = true}};
  whole.workgroups = std::move(workgroups);
  whole.flops = flops;
  return whole;
}

TEST(Cut, PiecesCoverTheWholeOnceAndStayWithinTheBound) {
  constexpr uint32_t kMost = 65535;
  for (const int64_t workgroups : {1, 2, 3, 7, 64, 1000, 65535, 65536, 200001}) {
    for (const double flops : {1.0, 9.9, 10.0, 10.1, 95.0, 1e3, 1e9}) {
      const auto pieces = cut(dispatch(workgroups, flops), 1, 10, kMost);
      ASSERT_FALSE(pieces.empty());
      int64_t next = 0;
      double total = 0;
      for (const Dispatch& piece : pieces) {
        ASSERT_EQ(piece.params.size(), 3u);
        ASSERT_EQ(piece.params[1].number.value(), next);
        ASSERT_EQ(piece.params[0].number.value(), 7);
        ASSERT_EQ(piece.params[2].real, 2.0f);
        ASSERT_EQ(piece.pipeline, 3);
        ASSERT_EQ(piece.bindings.size(), 1u);
        const int64_t count = piece.workgroups.value();
        ASSERT_GE(count, 1);
        // One workgroup can't be cut.
        if (count > 1) {
          ASSERT_LE(piece.flops, 10 + 1e-9);
        }
        if (pieces.size() > 1) {
          ASSERT_LE(count, int64_t{kMost});
        }
        next += count;
        total += piece.flops;
      }
      EXPECT_EQ(next, workgroups);
      EXPECT_NEAR(total, flops, flops * 1e-9);
      if (flops <= 10) {
        EXPECT_EQ(pieces.size(), 1u);
      }
      // As few as whole workgroups, and fours of them, allow.
      double most = std::clamp(std::floor(10 * static_cast<double>(workgroups) / flops), 1.0,
                               flops > 10 ? double{kMost} : 1e9);
      if (most >= 4) most -= std::fmod(most, 4);
      EXPECT_LE(static_cast<double>(pieces.size()),
                std::ceil(static_cast<double>(workgroups) / most));
    }
  }
}

TEST(Cut, WhatCannotBeCutStaysWhole) {
  EXPECT_EQ(cut(dispatch(100, 1e6), -1, 10, 65535).size(), 1u);  // the shader knows no first one
  EXPECT_EQ(cut(dispatch(100, 1e6), 1, 0, 65535).size(), 1u);    // no bound
  EXPECT_EQ(cut(dispatch(0, 1e6), 1, 10, 65535).size(), 1u);
  const auto symbolic = cut(dispatch(Dim::symbol("n"), 1e6), 1, 10, 65535);
  ASSERT_EQ(symbolic.size(), 1u);
  EXPECT_EQ(symbolic[0].workgroups, Dim::symbol("n"));
  EXPECT_EQ(symbolic[0].params[1].number.value(), 0);
}

}  // namespace
}  // namespace sluice::plan
