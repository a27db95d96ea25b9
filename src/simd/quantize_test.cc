#include "simd/quantize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "simd/each_instruction_set.h"
#include "simd/gemm_i8.h"

namespace sluice::simd {
namespace {

// Every test runs on each instruction set that this machine has.
class Quantize : public EachInstructionSet {};
INSTANTIATE_TEST_SUITE_P(InstructionSets, Quantize, each_instruction_set(), Quantize::name);

TEST_P(Quantize, RoundsToEvenAndSaturates) {
  for (int64_t n = 0; n < 70; ++n) {
    std::vector<float> x(static_cast<size_t>(n));
    for (size_t i = 0; i < x.size(); ++i) x[i] = (static_cast<float>(i) - 30.0f) * 0.25f * 9;
    if (n > 3) x[1] = NAN, x[2] = 1e30f, x[3] = -INFINITY;
    std::vector<uint8_t> u(x.size());
    std::vector<int8_t> s(x.size());
    quantize(x.data(), 0.5f, 100, u.data(), n);
    quantize(x.data(), 0.5f, -3, s.data(), n);
    std::vector<float> back(x.size());
    dequantize(s.data(), 0.5f, -3, back.data(), n);
    for (size_t i = 0; i < x.size(); ++i) {
      const double q = std::isnan(x[i]) ? 0 : std::nearbyint(static_cast<double>(x[i]) / 0.5);
      EXPECT_EQ(u[i], std::clamp(q + 100, 0.0, 255.0));
      EXPECT_EQ(s[i], std::clamp(q - 3, -128.0, 127.0));
      EXPECT_EQ(back[i], static_cast<float>(s[i] + 3) * 0.5f);
    }
    dequantize(u.data(), 0.25f, 7, back.data(), n);
    for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(back[i], static_cast<float>(u[i] - 7) * 0.25f);
  }
}

TEST_P(Quantize, RangeFindsBothEndsAndNan) {
  for (int64_t n = 1; n < 150; n += 7) {
    for (int64_t at = 0; at < n; ++at) {
      std::vector<float> x(static_cast<size_t>(n), 0.5f);
      x[static_cast<size_t>(at)] = -3;
      x[static_cast<size_t>(n - 1 - at)] = at * 2 + 1 == n ? -3 : INFINITY;
      const Range32 range = range_of(x.data(), n);
      EXPECT_EQ(range.low, -3);
      EXPECT_EQ(range.high, at * 2 + 1 != n ? INFINITY : n == 1 ? -3.0f : 0.5f);
      x[static_cast<size_t>(at)] = NAN;
      EXPECT_TRUE(std::isnan(range_of(x.data(), n).low)) << n << " " << at;
    }
  }
}

// Every test runs on each instruction set that this machine has.
class IntegerProduct : public EachInstructionSet {};
INSTANTIATE_TEST_SUITE_P(InstructionSets, IntegerProduct, each_instruction_set(),
                         IntegerProduct::name);

TEST_P(IntegerProduct, IsExact) {
  for (const int64_t m : {1, 2, 7, 33}) {
    for (const int64_t n : {1, 5, 16, 100}) {
      for (const int64_t k : {1, 3, 160, 161, 1000}) {
        // Extreme values, so that sums are as large as they get.
        std::vector<std::byte> a(static_cast<size_t>(m * k)), b(static_cast<size_t>(k * n));
        for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<std::byte>(i % 7 == 0 ? i : 255);
        for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<std::byte>(i % 5 == 0 ? i : 128);
        std::vector<std::byte> a_zero(static_cast<size_t>(m), std::byte{1}),
            b_zero = {std::byte{127}};
        std::vector<int32_t> c(static_cast<size_t>(m * n), -1);
        IntegerGemm g;
        g.m = m, g.n = n, g.k = k;
        g.a = {a.data(), false, k, 1, a_zero.data(), m};
        g.b = {b.data(), true, n, 1, b_zero.data(), 1};
        g.c = c.data(), g.c_row = n;
        std::vector<float> work(static_cast<size_t>(integer_gemm_workspace_floats(g)));
        integer_gemm(g, work, [](int64_t count, int64_t, Range body) { body(0, count); });
        for (int64_t i = 0; i < m; ++i) {
          for (int64_t j = 0; j < n; ++j) {
            int64_t sum = 0;
            for (int64_t p = 0; p < k; ++p) {
              sum += int64_t{g.a.at(i, p) - 1} * (g.b.at(p, j) - 127);
            }
            ASSERT_EQ(c[static_cast<size_t>(i * n + j)], sum) << m << " " << n << " " << k;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace sluice::simd
