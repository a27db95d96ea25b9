#include "ops/signal/fourier.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace sluice::ops::signal {
namespace {

TEST(Fourier, AgreesWithTheDefinition) {
  for (const size_t n : {1, 2, 3, 4, 5, 7, 8, 12, 31, 64, 100, 127}) {
    std::vector<Complex> in(n);
    for (size_t i = 0; i < n; ++i)
      in[i] = {std::sin(1.0 + static_cast<double>(i * i)), 0.1 * static_cast<double>(i)};
    Fourier fourier(n);
    std::vector<Complex> out = in;
    fourier.forward(out);
    for (size_t k = 0; k < n; ++k) {
      double re = 0, im = 0;
      for (size_t i = 0; i < n; ++i) {
        const double angle =
            -2 * std::numbers::pi * static_cast<double>(i * k % n) / static_cast<double>(n);
        const Complex term = in[i] * Complex{std::cos(angle), std::sin(angle)};
        re += term.re;
        im += term.im;
      }
      EXPECT_NEAR(out[k].re, re, 1e-10 * static_cast<double>(n)) << n << " " << k;
      EXPECT_NEAR(out[k].im, im, 1e-10 * static_cast<double>(n)) << n << " " << k;
    }
    fourier.inverse(out);
    for (size_t i = 0; i < n; ++i) {
      EXPECT_NEAR(out[i].re, in[i].re, 1e-11);
      EXPECT_NEAR(out[i].im, in[i].im, 1e-11);
    }
  }
}

}  // namespace
}  // namespace sluice::ops::signal
