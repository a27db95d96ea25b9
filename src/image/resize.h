// Resampling on float planes. This is the one definition of Sluice's picture preprocessing; every
// front end follows it.
//   Output pixel i (0-based) has its centre at s = (i + 0.5) * in / out in the input, whose pixel j
//   covers [j, j + 1). Weights are f((j + 0.5 - s) / w) for the filter f, with w = max(in / out, 1)
//   when antialiasing (the filter grows with the reduction) and w = 1 otherwise. Taps outside the
//   input are dropped and the rest is scaled to sum to 1. Rows and columns are separable; the
//   columns of a row are combined first; float32 throughout, no rounding in between.
// Filters: box f = 1 on (-1/2, 1/2]; triangle f = 1 - |t| on [-1, 1] ("bilinear"); lanczos3
// f = sinc(t) sinc(t / 3) on [-3, 3]. Box with antialiasing is area averaging.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "image/array.h"
#include "image/image.h"

namespace sluice::image {

enum class Filter : uint8_t { kBox, kTriangle, kLanczos3 };

struct ResizeOptions {
  Filter filter = Filter::kTriangle;
  bool antialias = true;
};

// `count` planes of width * height floats, one behind the other. Values carry no unit of their own;
// planes made from an Image run from 0 to 255.
class Planes {
 public:
  Planes() = default;
  static Result<Planes> allocate(int width, int height, int count);  // uninitialised
  Result<Planes> clone() const;

  int width() const { return width_; }
  int height() const { return height_; }
  int count() const { return count_; }
  size_t plane_size() const { return static_cast<size_t>(width_) * static_cast<size_t>(height_); }
  float* plane(int i) { return data_.data() + static_cast<size_t>(i) * plane_size(); }
  const float* plane(int i) const { return data_.data() + static_cast<size_t>(i) * plane_size(); }
  float* row(int i, int y) {
    return plane(i) + static_cast<size_t>(y) * static_cast<size_t>(width_);
  }
  const float* row(int i, int y) const {
    return plane(i) + static_cast<size_t>(y) * static_cast<size_t>(width_);
  }
  std::span<float> data() { return data_.span(); }
  std::span<const float> data() const { return data_.span(); }

 private:
  int width_ = 0, height_ = 0, count_ = 0;
  Array<float> data_;
};

// One plane per channel, values 0 to 255.
Result<Planes> to_planes(const Image& image);
// Rounds half up and clamps to 0..255. `planes` has 1, 3 or 4 planes.
Result<Image> to_image(const Planes& planes);

// Memory besides the result: the filter tables and as many resampled rows as the filter is tall.
Result<Planes> resize(const Planes& planes, int width, int height,
                      const ResizeOptions& options = {});
// The same as resize(to_planes(image), ...) without holding the whole input as floats.
Result<Planes> resize(const Image& image, int width, int height, const ResizeOptions& options = {});

}  // namespace sluice::image
