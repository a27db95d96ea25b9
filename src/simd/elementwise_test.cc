#include "simd/elementwise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "simd/each_instruction_set.h"

namespace sluice::simd {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

std::vector<float> numbers(int64_t count, uint32_t seed, float scale = 1) {
  std::vector<float> out(static_cast<size_t>(count));
  for (float& x : out) {
    seed = seed * 1664525u + 1013904223u;
    x = (static_cast<float>(seed >> 8) / 8388608.0f - 1.0f) * scale;
  }
  return out;
}

// Distance in units of the last place of the exact result.
double ulps(float got, double want) {
  if (std::isnan(want)) return std::isnan(got) ? 0 : 1e9;
  if (static_cast<double>(got) == want || got == static_cast<float>(want)) return 0;
  const float magnitude = std::max(std::fabs(static_cast<float>(want)), 1.2e-38f);
  return std::fabs(static_cast<double>(got) - want) /
         static_cast<double>(std::nextafter(magnitude, kInf) - magnitude);
}

struct Formula {
  const char* name;
  Activation activation;
  std::function<double(double)> exact;
  float scale;   // arguments lie in -scale..scale
  double limit;  // in ulp
};

double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }

// Every test runs on each instruction set that this machine has.
class Elementwise : public EachInstructionSet {};
INSTANTIATE_TEST_SUITE_P(InstructionSets, Elementwise, each_instruction_set(), Elementwise::name);

TEST_P(Elementwise, FunctionsAreAccurate) {
  const std::vector<Formula> formulas = {
      {"exp", {Function::kExp}, [](double x) { return std::exp(x); }, 86, 2},
      {"sigmoid", {Function::kSigmoid}, [](double x) { return 1 / (1 + std::exp(-x)); }, 80, 3},
      {"tanh", {Function::kTanh}, [](double x) { return std::tanh(x); }, 10, 3},
      {"tanh small", {Function::kTanh}, [](double x) { return std::tanh(x); }, 0.6f, 3},
      {"erf", {Function::kErf}, [](double x) { return std::erf(x); }, 5, 4},
      {"elu",
       {Function::kElu, 1.5f},
       [](double x) { return x < 0 ? 1.5 * std::expm1(x) : x; },
       9,
       4},
      {"softplus", {Function::kSoftplus}, softplus, 20, 4},
      {"sqrt", {Function::kSqrt}, [](double x) { return std::sqrt(x); }, 1e6f, 0.5},
      {"reciprocal", {Function::kReciprocal}, [](double x) { return 1 / x; }, 1e6f, 0.5},
      {"log", {Function::kLog}, [](double x) { return x < 0 ? NAN : std::log(x); }, 1e6f, 3},
      {"log near 1", {Function::kLog}, [](double x) { return x < 0 ? NAN : std::log(x); }, 1.3f, 3},
      {"round", {Function::kRound}, [](double x) { return std::nearbyint(x); }, 100, 0},
      {"floor", {Function::kFloor}, [](double x) { return std::floor(x); }, 100, 0},
      {"ceil", {Function::kCeil}, [](double x) { return std::ceil(x); }, 100, 0},
      {"relu", Activation::relu(), [](double x) { return std::max(x, 0.0); }, 3, 0},
      {"leaky", {Function::kLeakyRelu, 0.5f}, [](double x) { return x < 0 ? x / 2 : x; }, 3, 0},
  };
  for (const Formula& f : formulas) {
    SCOPED_TRACE(f.name);
    const auto x = numbers(20011, 7, f.scale);
    std::vector<float> y(x.size());
    apply(f.activation, x.data(), y.data(), static_cast<int64_t>(x.size()));
    double worst = 0;
    float at = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double e = ulps(y[i], f.exact(static_cast<double>(x[i])));
      if (e > worst) worst = e, at = x[i];
    }
    EXPECT_LE(worst, f.limit) << "at " << at;
  }
}

TEST_P(Elementwise, GatedFunctionsAreAccurateToTheirLargestTerm) {
  // These multiply by a gate that cancels: the error is measured against |x|.
  const std::vector<Formula> formulas = {
      {"gelu",
       {Function::kGelu},
       [](double x) { return x / 2 * (1 + std::erf(x / std::sqrt(2.0))); },
       9,
       4},
      {"gelu tanh",
       {Function::kGeluTanh},
       [](double x) {
         return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
       },
       9,
       4},
      {"swish", {Function::kSwish, 1.0f}, [](double x) { return x / (1 + std::exp(-x)); }, 9, 4},
      {"mish", {Function::kMish}, [](double x) { return x * std::tanh(softplus(x)); }, 9, 6},
      {"hardswish",
       {Function::kHardSwish},
       [](double x) { return x * std::clamp(x / 6 + 0.5, 0.0, 1.0); },
       9,
       3},
      {"hardsigmoid",
       {Function::kHardSigmoid, 0.2f, 0.5f},
       [](double x) { return std::clamp(0.2f * x + 0.5, 0.0, 1.0); },
       9,
       3},
      {"selu",
       {Function::kSelu, 1.6732632f, 1.050701f},
       [](double x) {
         return x > 0 ? static_cast<double>(1.050701f) * x
                      : static_cast<double>(1.050701f) * static_cast<double>(1.6732632f) *
                            std::expm1(x);
       },
       9,
       4},
  };
  for (const Formula& f : formulas) {
    SCOPED_TRACE(f.name);
    const auto x = numbers(20011, 9, f.scale);
    std::vector<float> y(x.size());
    apply(f.activation, x.data(), y.data(), static_cast<int64_t>(x.size()));
    for (size_t i = 0; i < x.size(); ++i) {
      const double want = f.exact(static_cast<double>(x[i]));
      const double unit =
          6e-8 * std::max({std::fabs(want), std::fabs(static_cast<double>(x[i])), 1e-3});
      ASSERT_NEAR(y[i], want, f.limit * unit) << x[i];
    }
  }
}

TEST_P(Elementwise, SpecialValues) {
  const std::vector<float> x = {NAN, kInf, -kInf, 0.0f, 1000.0f, -1000.0f, 88.7f, -100.0f};
  const auto all = [&](Activation activation) {
    std::vector<float> y(x.size());
    apply(activation, x.data(), y.data(), static_cast<int64_t>(x.size()));
    return y;
  };
  for (const Function f : {Function::kExp, Function::kSigmoid, Function::kTanh, Function::kErf,
                           Function::kSoftplus, Function::kHardSwish, Function::kGelu,
                           Function::kLeakyRelu, Function::kThresholdedRelu, Function::kLog}) {
    EXPECT_TRUE(std::isnan(all({f, 0.1f, 0.2f})[0])) << static_cast<int>(f);
  }
  EXPECT_TRUE(std::isnan(all(Activation::relu())[0]));
  const auto e = all({Function::kExp});
  EXPECT_EQ(e[1], kInf);
  EXPECT_EQ(e[2], 0);
  EXPECT_EQ(e[4], kInf);
  EXPECT_EQ(e[5], 0);
  EXPECT_LE(ulps(e[6], std::exp(static_cast<double>(x[6]))), 2);
  EXPECT_NEAR(e[7], std::exp(-100.0), 2e-45);
  const auto s = all({Function::kSigmoid});
  EXPECT_EQ(s[1], 1);
  EXPECT_EQ(s[2], 0);
  EXPECT_EQ(s[5], 0);
  const auto t = all({Function::kTanh});
  EXPECT_EQ(t[1], 1);
  EXPECT_EQ(t[2], -1);
  const auto l = all({Function::kLog});
  EXPECT_EQ(l[1], kInf);
  EXPECT_TRUE(std::isnan(l[2]));
  EXPECT_EQ(l[3], -kInf);
  const auto p = all({Function::kSoftplus});
  EXPECT_EQ(p[1], kInf);
  EXPECT_EQ(p[2], 0);
}

TEST_P(Elementwise, EveryLengthAndInPlace) {
  for (int64_t n = 0; n < 140; ++n) {
    const auto a = numbers(n + 1, 1), b = numbers(n + 1, 2);
    std::vector<float> out(static_cast<size_t>(n) + 1, 77), in_place = a;
    binary(Binary::kSub, a.data(), 1, b.data(), 1, out.data(), n);
    binary(Binary::kSub, in_place.data(), 1, b.data(), 1, in_place.data(), n);
    double total = 0, squares = 0, product = 0;
    float most = -kInf;
    for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
      EXPECT_EQ(out[i], a[i] - b[i]);
      EXPECT_EQ(in_place[i], out[i]);
      total += a[i];
      squares += (static_cast<double>(a[i]) - 0.5) * (static_cast<double>(a[i]) - 0.5);
      product += static_cast<double>(a[i]) * b[i];
      most = std::max(most, a[i]);
    }
    EXPECT_EQ(out.back(), 77);
    EXPECT_EQ(in_place.back(), a.back());
    EXPECT_NEAR(sum(a.data(), n), total, 1e-5);
    EXPECT_NEAR(sum_squares(a.data(), n, 0.5f), squares, 2e-5);
    EXPECT_NEAR(dot(a.data(), b.data(), n), product, 1e-5);
    EXPECT_EQ(maximum(a.data(), n), most);
    binary(Binary::kDiv, a.data(), 0, b.data(), 1, out.data(), n);
    for (size_t i = 0; i < static_cast<size_t>(n); ++i) EXPECT_EQ(out[i], a[0] / b[i]);

    std::vector<float> even(static_cast<size_t>(n)), odd(even);
    const auto pairs = numbers(2 * n, 3);
    split_pairs(pairs.data(), even.data(), odd.data(), n);
    for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
      EXPECT_EQ(even[i], pairs[2 * i]);
      EXPECT_EQ(odd[i], pairs[2 * i + 1]);
    }

    softmax(a.data(), out.data(), n);
    double weight = 0;
    for (size_t i = 0; i < static_cast<size_t>(n); ++i)
      weight += std::exp(static_cast<double>(a[i]));
    for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
      EXPECT_NEAR(out[i], std::exp(static_cast<double>(a[i])) / weight, 1e-6);
    }
    log_softmax(a.data(), out.data(), n);
    for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
      EXPECT_NEAR(out[i], static_cast<double>(a[i]) - std::log(weight), 2e-6);
    }
  }
}

TEST_P(Elementwise, NanSurvivesMinAndMax) {
  std::vector<float> a(40, 1), b(40, 2), out(40);
  a[3] = NAN, b[37] = NAN;
  for (const Binary op : {Binary::kMin, Binary::kMax}) {
    binary(op, a.data(), 1, b.data(), 1, out.data(), 40);
    EXPECT_TRUE(std::isnan(out[3]) && std::isnan(out[37]));
    EXPECT_EQ(out[0], op == Binary::kMin ? 1 : 2);
  }
  EXPECT_TRUE(std::isnan(maximum(a.data(), 40)));
  EXPECT_TRUE(std::isnan(minimum(b.data(), 40)));
  EXPECT_EQ(minimum(a.data() + 4, 36), 1);
}

TEST_P(Elementwise, ResamplingAndTransposing) {
  const int64_t n = 37;
  const auto in = numbers(20, 1), weight = numbers(2 * n, 2);
  std::vector<int32_t> index(static_cast<size_t>(2 * n));
  for (size_t i = 0; i < index.size(); ++i) index[i] = static_cast<int32_t>(i * 7 % 20);
  std::vector<float> out(static_cast<size_t>(n));
  resample(in.data(), index.data(), weight.data(), 2, out.data(), n);
  for (size_t i = 0; i < out.size(); ++i) {
    EXPECT_NEAR(out[i],
                in[static_cast<size_t>(index[i])] * weight[i] +
                    in[static_cast<size_t>(index[i + 37])] * weight[i + 37],
                1e-6);
  }
  const auto wide = numbers(80, 3), pair = numbers(80, 4);
  const int64_t shift[2] = {-1, 0};
  const float taps[4] = {0.25f, 0.75f, 0.625f, 0.375f};
  for (const int64_t end : {2, 3, 9, 35, 40}) {
    std::vector<float> twice(82, 9), both(82, 9), apart(82, 9);
    resample_doubled(wide.data(), shift, taps, twice.data(), 1, end);
    add_interleaved(wide.data(), pair.data(), 0.5f, both.data(), end);
    split_triples(wide.data(), apart.data(), 27, end * 2 / 3);
    for (size_t i = 0; i < 82; ++i) {
      const size_t at = i / 2, p = i % 2;
      const bool made = at >= 1 && at < static_cast<size_t>(end);
      const float sum = made ? wide[at - 1 + p] * taps[2 * p] + wide[at + p] * taps[2 * p + 1] : 9;
      EXPECT_NEAR(twice[i], sum, 1e-6) << end << ": " << i;
      EXPECT_EQ(both[i], at < static_cast<size_t>(end) ? 0.5f + (p == 0 ? wide : pair)[at] : 9);
      const bool moved = i % 27 < static_cast<size_t>(end * 2 / 3) && i / 27 < 3;
      EXPECT_EQ(apart[i], moved ? wide[i % 27 * 3 + i / 27] : 9) << end << ": " << i;
    }
  }
  const auto m = numbers(45 * 70, 5);
  std::vector<float> t(m.size());
  transpose(m.data(), 70, 45, 70, t.data(), 45);
  for (size_t r = 0; r < 45; ++r) {
    for (size_t c = 0; c < 70; ++c) EXPECT_EQ(t[c * 45 + r], m[r * 70 + c]);
  }
}

}  // namespace
}  // namespace sluice::simd
