#include <cmath>
#include <numbers>

#include "base/text.h"
#include "op/case.h"

namespace sluice::ops::signal {

using op::Case;
using op::case_floats;

namespace {

// The definition of the transform, for goldens: forward, of a [n, parts] signal.
Tensor dft_by_definition(const Tensor& in, int64_t length, int64_t bins) {
  std::vector<double> out;
  for (int64_t k = 0; k < bins; ++k) {
    double re = 0, im = 0;
    for (int64_t n = 0; n < std::min(length, in.dim(0)); ++n) {
      const double angle =
          -2 * std::numbers::pi * static_cast<double>(k * n % length) / static_cast<double>(length);
      const double x = in.get_double(n * in.dim(1));
      const double y = in.dim(1) == 2 ? in.get_double(n * 2 + 1) : 0;
      re += x * std::cos(angle) - y * std::sin(angle);
      im += x * std::sin(angle) + y * std::cos(angle);
    }
    out.push_back(re);
    out.push_back(im);
  }
  return Tensor::of_doubles(in.dtype(), Shape{bins, 2}, out);
}

Tensor one(int64_t value) { return Tensor::scalar(value); }

}  // namespace

std::vector<Case> cases() {
  std::vector<Case> out;
  for (const int64_t n : {1, 2, 3, 5, 7, 8, 12, 127, 128, 129}) {
    for (const int64_t parts : {1, 2}) {
      const Tensor in = case_floats(Shape{n, parts});
      out.push_back({.name = cat("dft_", n, "_", parts),
                     .op = "DFT",
                     .inputs = {in},
                     .outputs = {dft_by_definition(in, n, n)},
                     .atol = 2e-5});
      out.push_back({.name = cat("inverse_", n, "_", parts),
                     .op = "DFT",
                     .attrs = {{"inverse", int64_t{1}}},
                     .inputs = {in}});
    }
    const Tensor in = case_floats(Shape{n, 1});
    out.push_back({.name = cat("real_dft_", n),
                   .op = "DFT",
                   .attrs = {{"onesided", int64_t{1}}},
                   .inputs = {in},
                   .outputs = {dft_by_definition(in, n, n / 2 + 1)},
                   .atol = 2e-5});
    // There and back again.
    out.push_back({.name = cat("real_inverse_", n),
                   .op = "DFT",
                   .attrs = {{"onesided", int64_t{1}}, {"inverse", int64_t{1}}},
                   .inputs = {dft_by_definition(in, n, n / 2 + 1), one(n)},
                   .outputs = {in},
                   .atol = 2e-5,
                   .constant_inputs = {1}});
  }
  for (const int64_t length : {4, 9, 16}) {  // cut and padded
    const Tensor in = case_floats(Shape{9, 2});
    out.push_back({.name = cat("dft_length_", length),
                   .op = "DFT",
                   .inputs = {in, one(length)},
                   .outputs = {dft_by_definition(in, length, length)},
                   .constant_inputs = {1}});
  }
  for (const int64_t axis : {-4, -3, -2, 0, 1, 2}) {
    out.push_back({.name = cat("dft_axis_", axis),
                   .op = "DFT",
                   .inputs = {case_floats(Shape{3, 5, 4, 2}), Value(), one(axis)},
                   .constant_inputs = {2}});
  }
  const Tensor wave = case_floats(Shape{2, 40, 1});
  out.push_back({.name = "stft", .op = "STFT", .inputs = {wave, one(8), Value(), one(16)}});
  out.push_back({.name = "stft_window",
                 .op = "STFT",
                 .inputs = {wave, one(5), case_floats(Shape{12})},
                 .constant_inputs = {1, 2}});
  out.push_back({.name = "stft_full",
                 .op = "STFT",
                 .attrs = {{"onesided", int64_t{0}}},
                 .inputs = {case_floats(Shape{1, 30, 2}), one(4), Value(), one(10)}});
  for (const char* window : {"HannWindow", "HammingWindow", "BlackmanWindow"}) {
    for (const int64_t size : {0, 1, 2, 7, 16}) {
      for (const int64_t periodic : {0, 1}) {
        out.push_back({.name = cat(size, periodic != 0 ? "_periodic" : "_symmetric"),
                       .op = window,
                       .attrs = {{"periodic", periodic}},
                       .inputs = {one(size)}});
      }
    }
  }
  out.push_back({.name = "hann_golden",
                 .op = "HannWindow",
                 .inputs = {one(4)},
                 .outputs = {Tensor::of<float>(Shape{4}, {0, 0.5f, 1, 0.5f})}});
  out.push_back(
      {.name = "mel",
       .op = "MelWeightMatrix",
       .inputs = {one(8), one(16), one(8192), Tensor::scalar(0.0f), Tensor::scalar(4096.0f)},
       .outputs = {Tensor::of<float>(
           Shape{9, 8}, {1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0,
                         0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0,
                         0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})}});
  out.push_back({.name = "det",
                 .op = "Det",
                 .inputs = {Tensor::of<float>(Shape{2, 2}, {0, 1, 2, 3})},
                 .outputs = {Tensor::scalar(-2.0f)}});
  out.push_back({.name = "det_singular",
                 .op = "Det",
                 .inputs = {Tensor::of<double>(Shape{1, 2, 2}, {1, 2, 2, 4})},
                 .outputs = {Tensor::of<double>(Shape{1}, {0})}});
  for (const int64_t n : {1, 3, 5, 7}) {
    out.push_back(
        {.name = cat("det_", n), .op = "Det", .inputs = {case_floats(Shape{2, 3, n, n})}});
  }
  return out;
}

}  // namespace sluice::ops::signal
