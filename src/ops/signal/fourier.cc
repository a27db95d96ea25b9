#include "ops/signal/fourier.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <utility>

namespace sluice::ops::signal {

Fourier::Fourier(size_t length) : length_(length) {
  const bool power = std::has_single_bit(length);
  padded_ = power ? length : std::bit_ceil(2 * length - 1);
  roots_.resize(padded_ / 2);
  for (size_t k = 0; k < roots_.size(); ++k) {
    const double angle =
        -2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(padded_);
    roots_[k] = {std::cos(angle), std::sin(angle)};
  }
  if (power) return;
  chirp_.resize(length);
  for (size_t k = 0; k < length; ++k) {
    // k^2 modulo 2n keeps the angle small, hence exact.
    const uint64_t square = static_cast<uint64_t>(k) * k % (2 * static_cast<uint64_t>(length));
    const double angle =
        -std::numbers::pi * static_cast<double>(square) / static_cast<double>(length);
    chirp_[k] = {std::cos(angle), std::sin(angle)};
  }
  kernel_.resize(padded_);
  for (size_t k = 0; k < length; ++k) {
    kernel_[k] = conjugate(chirp_[k]);
    if (k > 0) kernel_[padded_ - k] = kernel_[k];
  }
  radix2(kernel_);
}

void Fourier::radix2(std::vector<Complex>& values) const {
  const size_t n = padded_;
  for (size_t i = 1, j = 0; i < n; ++i) {  // bit reversal
    size_t bit = n >> 1;
    for (; (j & bit) != 0; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(values[i], values[j]);
  }
  for (size_t half = 1; half < n; half *= 2) {
    const size_t stride = n / (2 * half);
    for (size_t start = 0; start < n; start += 2 * half) {
      for (size_t k = 0; k < half; ++k) {
        const Complex low = values[start + k];
        const Complex high = values[start + k + half] * roots_[k * stride];
        values[start + k] = {low.re + high.re, low.im + high.im};
        values[start + k + half] = {low.re - high.re, low.im - high.im};
      }
    }
  }
}

void Fourier::forward(std::vector<Complex>& values) {
  if (chirp_.empty()) {
    radix2(values);
    return;
  }
  work_.assign(padded_, Complex{});
  for (size_t k = 0; k < length_; ++k) work_[k] = values[k] * chirp_[k];
  radix2(work_);
  // The convolution's inverse transform is a forward one of the conjugate.
  for (size_t k = 0; k < padded_; ++k) work_[k] = conjugate(work_[k] * kernel_[k]);
  radix2(work_);
  const double scale = 1.0 / static_cast<double>(padded_);
  for (size_t k = 0; k < length_; ++k) {
    const Complex value = conjugate(work_[k]) * chirp_[k];
    values[k] = {value.re * scale, value.im * scale};
  }
}

void Fourier::inverse(std::vector<Complex>& values) {
  for (Complex& value : values) value = conjugate(value);
  forward(values);
  const double scale = 1.0 / static_cast<double>(length_);
  for (Complex& value : values) value = {value.re * scale, -value.im * scale};
}

}  // namespace sluice::ops::signal
