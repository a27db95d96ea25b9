#include "simd/gemm_f32.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "simd/each_instruction_set.h"

namespace sluice::simd {
namespace {

std::vector<float> numbers(int64_t count, uint32_t seed) {
  std::vector<float> out(static_cast<size_t>(count));
  for (float& x : out) {
    seed = seed * 1664525u + 1013904223u;
    x = static_cast<float>(seed >> 8) / 8388608.0f - 1.0f;
  }
  return out;
}

constexpr auto inline_loop = [](int64_t count, int64_t grain, Range body) {
  // Uneven ranges, as a pool would make them.
  const int64_t step = std::max<int64_t>(grain, (count + 2) / 3);
  for (int64_t begin = 0; begin < count; begin += step) body(begin, std::min(count, begin + step));
};

// |e| of a sum of k products in float32, any order: (k + 2) * 2^-24 * sum |a b|, with |a|, |b|
// <= 1.
double tolerance(int64_t k) {
  return static_cast<double>(k + 4) * static_cast<double>(k + 1) * 6e-8;
}

void check(int64_t m, int64_t n, int64_t k, bool trans_a, bool trans_b, bool packed) {
  SCOPED_TRACE(testing::Message() << m << "x" << n << "x" << k << (trans_a ? " Ta" : "")
                                  << (trans_b ? " Tb" : "") << (packed ? " packed" : ""));
  const auto a = numbers(m * k, 1), b = numbers(k * n, 2), z = numbers(m * n, 3);
  const auto row_bias = numbers(m, 4), column_bias = numbers(n, 5);
  std::vector<float> c(static_cast<size_t>(m * n), NAN);
  Gemm g;
  g.m = m, g.n = n, g.k = k;
  g.a = a.data(), g.a_row = trans_a ? 1 : k, g.a_col = trans_a ? m : 1;
  g.b = b.data(), g.b_row = trans_b ? 1 : n, g.b_col = trans_b ? k : 1;
  g.c = c.data(), g.c_row = n;
  g.row_bias = row_bias.data();
  g.column_bias = column_bias.data();
  g.residual = z.data();
  g.activation = {Function::kLeakyRelu, 0.5f, 0};
  std::vector<float> packed_b(static_cast<size_t>(packed_b_floats(k, n)));
  if (packed) {
    pack_b(g.b, g.b_row, g.b_col, k, n, packed_b.data(), 0, (n + kPanelCols - 1) / kPanelCols);
    g.packed_b = packed_b.data();
  }
  std::vector<float> work(static_cast<size_t>(gemm_workspace_floats(g)));
  gemm(g, work, inline_loop);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t p = 0; p < k; ++p) {
        sum += static_cast<double>(a[static_cast<size_t>(i * g.a_row + p * g.a_col)]) *
               b[static_cast<size_t>(p * g.b_row + j * g.b_col)];
      }
      sum += row_bias[static_cast<size_t>(i)] + column_bias[static_cast<size_t>(j)] +
             z[static_cast<size_t>(i * n + j)];
      if (sum < 0) sum *= 0.5;
      ASSERT_NEAR(c[static_cast<size_t>(i * n + j)], sum, tolerance(k)) << i << "," << j;
    }
  }
}

// Every test runs on each instruction set that this machine has.
class GemmF32 : public EachInstructionSet {};
INSTANTIATE_TEST_SUITE_P(InstructionSets, GemmF32, each_instruction_set(), GemmF32::name);

TEST_P(GemmF32, AgreesWithPlainLoops) {
  for (const int64_t m : {1, 2, 3, 5, 7, 8, 13, 129}) {
    for (const int64_t n : {1, 2, 5, 16, 31, 48, 127, 129}) {
      for (const int64_t k : {1, 2, 7, 127, 161}) {
        check(m, n, k, false, false, false);
        check(m, n, k, false, false, true);
      }
      check(m, n, 33, true, true, false);
      check(m, n, 33, true, false, false);
      check(m, n, 33, false, true, true);
    }
  }
  check(300, 700, 500, false, false, false);
}

TEST_P(GemmF32, EmptyDepthGivesTheBias) {
  std::vector<float> c(6, NAN);
  const float bias[3] = {1, 2, 3};
  Gemm g;
  g.m = 2, g.n = 3, g.k = 0;
  const float nothing = 0;
  g.a = &nothing, g.b = &nothing;
  g.c = c.data(), g.c_row = 3;
  g.column_bias = bias;
  gemm(g, {}, inline_loop);
  EXPECT_EQ(c, (std::vector<float>{1, 2, 3, 1, 2, 3}));
}

TEST_P(GemmF32, BatchesMayShareAnOperand) {
  const int64_t m = 9, n = 20, k = 11;
  const auto a = numbers(3 * m * k, 1), b = numbers(k * n, 2);
  std::vector<float> c(static_cast<size_t>(3 * m * n)), one(c.size());
  const std::vector<int64_t> a_at = {0, m * k, 2 * m * k}, b_at = {0, 0, 0},
                             c_at = {0, m * n, 2 * m * n};
  Gemm g;
  g.m = m, g.n = n, g.k = k, g.a = a.data(), g.a_row = k, g.b = b.data(), g.b_row = n;
  g.c = c.data(), g.c_row = n;
  g.batch = 3, g.a_offsets = a_at, g.b_offsets = b_at, g.c_offsets = c_at;
  std::vector<float> work(static_cast<size_t>(gemm_workspace_floats(g)));
  gemm(g, work, inline_loop);
  Gemm flat = g;
  flat.m = 3 * m, flat.batch = 1, flat.c = one.data();
  flat.a_offsets = flat.b_offsets = flat.c_offsets = {};
  work.resize(static_cast<size_t>(gemm_workspace_floats(flat)));
  gemm(flat, work, inline_loop);
  EXPECT_EQ(c, one);  // bit for bit: the order of the sum does not depend on the tiling
}

}  // namespace
}  // namespace sluice::simd
