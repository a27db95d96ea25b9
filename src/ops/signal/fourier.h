// Discrete Fourier transforms of any length in float64: radix 2 for powers of two, else Bluestein's
// chirp transform, which turns a transform of length n into a convolution of a power of two.
#pragma once

#include <cstddef>
#include <vector>

namespace sluice::ops::signal {

struct Complex {
  double re = 0, im = 0;
};
inline Complex operator*(Complex a, Complex b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
inline Complex conjugate(Complex a) { return {a.re, -a.im}; }

class Fourier {
 public:
  explicit Fourier(size_t length);  // at least 1
  size_t length() const { return length_; }
  // In place; `values` has `length` elements. The inverse divides by the length.
  void forward(std::vector<Complex>& values);
  void inverse(std::vector<Complex>& values);

 private:
  void radix2(std::vector<Complex>& values) const;
  size_t length_ = 1;
  size_t padded_ = 1;            // power of two that radix2 works on
  std::vector<Complex> roots_;   // exp(-2 pi i k / padded), k < padded/2
  std::vector<Complex> chirp_;   // exp(-pi i k^2 / length); empty for powers of two
  std::vector<Complex> kernel_;  // transform of the conjugate chirp
  std::vector<Complex> work_;
};

}  // namespace sluice::ops::signal
