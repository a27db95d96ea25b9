#include "image/resize.h"

#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/checked.h"
#include "base/function_ref.h"

namespace sluice::image {

Result<Planes> Planes::allocate(int width, int height, int count) {
  SLUICE_CHECK(width > 0 && height > 0 && count > 0);
  const Checked floats = Checked(static_cast<uint64_t>(width)) * static_cast<uint64_t>(height) *
                         static_cast<uint64_t>(count);
  if (!floats.fits(SIZE_MAX / 8)) {
    return resource_error(
        cat("Planes of ", width, "x", height, "x", count, " do not fit into memory"));
  }
  Planes out;
  SLUICE_ASSIGN(out.data_, Array<float>::allocate(static_cast<size_t>(floats.value())));
  out.width_ = width;
  out.height_ = height;
  out.count_ = count;
  return out;
}

Result<Planes> Planes::clone() const {
  Planes out;
  SLUICE_ASSIGN(out.data_, data_.clone());
  out.width_ = width_;
  out.height_ = height_;
  out.count_ = count_;
  return out;
}

namespace {

double filter_radius(Filter filter) {
  return filter == Filter::kBox ? 0.5 : filter == Filter::kTriangle ? 1.0 : 3.0;
}

double sinc(double t) {
  if (t == 0.0) return 1.0;
  const double x = t * 3.14159265358979323846;
  return std::sin(x) / x;
}

double filter_value(Filter filter, double t) {
  switch (filter) {
    case Filter::kBox:
      return t > -0.5 && t <= 0.5 ? 1.0 : 0.0;
    case Filter::kTriangle:
      return std::fabs(t) < 1.0 ? 1.0 - std::fabs(t) : 0.0;
    case Filter::kLanczos3:
      return std::fabs(t) < 3.0 ? sinc(t) * sinc(t / 3.0) : 0.0;
  }
  return 0.0;
}

// For each output position the first input position and the weights from there on.
struct Taps {
  int stride = 0;  // weights reserved per output position
  Array<int> first, count;
  Array<float> weights;
};

Result<Taps> make_taps(int in, int out, const ResizeOptions& options) {
  const double scale = static_cast<double>(in) / out;
  const double width = options.antialias && scale > 1.0 ? scale : 1.0;
  const double radius = filter_radius(options.filter) * width;
  Taps taps;
  // At most 2 * radius + 2 pixels have their centre within the filter; never more than `in`.
  taps.stride = static_cast<int>(std::fmin(std::ceil(2.0 * radius) + 2.0, in));
  const auto outs = static_cast<size_t>(out);
  const Checked total = Checked(outs) * static_cast<uint64_t>(taps.stride);
  if (!total.fits(SIZE_MAX / 8))
    return resource_error("A resampling table does not fit into memory");
  SLUICE_ASSIGN(taps.first, Array<int>::allocate(outs));
  SLUICE_ASSIGN(taps.count, Array<int>::allocate(outs));
  SLUICE_ASSIGN(taps.weights, Array<float>::zeros(static_cast<size_t>(total.value())));
  for (int i = 0; i < out; ++i) {
    const double centre = (i + 0.5) * scale;
    int first = static_cast<int>(std::floor(centre - radius));
    if (first < 0) first = 0;
    if (first > in - 1) first = in - 1;
    float* weights =
        taps.weights.data() + static_cast<size_t>(i) * static_cast<size_t>(taps.stride);
    double sum = 0.0;
    int count = 0;
    for (int j = first; j < in && count < taps.stride; ++j) {
      const double weight = filter_value(options.filter, (j + 0.5 - centre) / width);
      if (j + 0.5 > centre + radius && count > 0) break;
      // Leading zeros are skipped so that the table starts at the first tap that counts.
      if (weight == 0.0 && count == 0 && j + 1 < in) {
        first = j + 1;
        continue;
      }
      weights[count++] = static_cast<float>(weight);
      sum += weight;
    }
    if (sum == 0.0) {  // no centre within a narrow box: the pixel that contains the position
      first = static_cast<int>(std::fmin(std::floor(centre), in - 1.0));
      weights[0] = 1.0f;
      count = 1;
      sum = 1.0;
    }
    for (int k = 0; k < count; ++k) weights[k] = static_cast<float>(weights[k] / sum);
    taps.first[static_cast<size_t>(i)] = first;
    taps.count[static_cast<size_t>(i)] = count;
  }
  return taps;
}

void combine_columns(const float* row, const Taps& taps, int out, float* target) {
  for (int x = 0; x < out; ++x) {
    const auto i = static_cast<size_t>(x);
    const float* weights = taps.weights.data() + i * static_cast<size_t>(taps.stride);
    const float* source = row + taps.first[i];
    float sum = 0.0f;
    for (int k = 0; k < taps.count[i]; ++k) sum += weights[k] * source[k];
    target[x] = sum;
  }
}

// `load_row(channel, y, target)` writes one input row as floats.
using LoadRow = FunctionRef<const float*(int channel, int y, float* target)>;

Result<Planes> resample(int in_width, int in_height, int count, int width, int height,
                        const ResizeOptions& options, LoadRow load_row) {
  SLUICE_CHECK(width > 0 && height > 0);
  SLUICE_ASSIGN(Planes out, Planes::allocate(width, height, count));
  SLUICE_ASSIGN(const Taps columns, make_taps(in_width, width, options));
  SLUICE_ASSIGN(const Taps rows, make_taps(in_height, height, options));
  // A ring of column-resampled rows; input row y lives in slot y % ring. The windows of successive
  // output rows only move downwards, so each input row is made once per channel.
  const auto ring = static_cast<size_t>(rows.stride);
  const auto wide = static_cast<size_t>(width);
  SLUICE_ASSIGN(Array<float> ring_rows, Array<float>::allocate(ring * wide));
  SLUICE_ASSIGN(Array<float> loaded, Array<float>::allocate(static_cast<size_t>(in_width)));
  for (int channel = 0; channel < count; ++channel) {
    int made = 0;  // input rows below this are in the ring or were passed over
    for (int y = 0; y < height; ++y) {
      const auto i = static_cast<size_t>(y);
      const int first = rows.first[i], last = first + rows.count[i];
      if (made < first) made = first;
      for (; made < last; ++made) {
        const float* row = load_row(channel, made, loaded.data());
        combine_columns(row, columns, width,
                        ring_rows.data() + static_cast<size_t>(made) % ring * wide);
      }
      float* __restrict target = out.row(channel, y);
      const float* weights = rows.weights.data() + i * ring;
      for (int k = 0; k < rows.count[i]; ++k) {
        const float* __restrict source =
            ring_rows.data() + static_cast<size_t>(first + k) % ring * wide;
        const float weight = weights[k];
        if (k == 0) {
          for (size_t x = 0; x < wide; ++x) target[x] = weight * source[x];
        } else {
          for (size_t x = 0; x < wide; ++x) target[x] += weight * source[x];
        }
      }
    }
  }
  return out;
}

}  // namespace

Result<Planes> to_planes(const Image& image) {
  SLUICE_ASSIGN(Planes out, Planes::allocate(image.width(), image.height(), image.channels()));
  const size_t count = out.plane_size();
  const auto channels = static_cast<size_t>(image.channels());
  for (size_t c = 0; c < channels; ++c) {
    const uint8_t* source = image.pixels().data() + c;
    float* target = out.plane(static_cast<int>(c));
    for (size_t i = 0; i < count; ++i) target[i] = source[i * channels];
  }
  return out;
}

Result<Image> to_image(const Planes& planes) {
  SLUICE_ASSIGN(Image out, Image::allocate(planes.width(), planes.height(), planes.count()));
  const size_t count = planes.plane_size();
  const auto channels = static_cast<size_t>(planes.count());
  for (size_t c = 0; c < channels; ++c) {
    const float* source = planes.plane(static_cast<int>(c));
    uint8_t* target = out.pixels().data() + c;
    for (size_t i = 0; i < count; ++i) {
      const float value = source[i] + 0.5f;
      // Written so that NaN becomes 0.
      target[i * channels] = value >= 255.0f ? 255 : value > 0.0f ? static_cast<uint8_t>(value) : 0;
    }
  }
  return out;
}

Result<Planes> resize(const Planes& planes, int width, int height, const ResizeOptions& options) {
  if (planes.width() == width && planes.height() == height) return planes.clone();
  return resample(planes.width(), planes.height(), planes.count(), width, height, options,
                  [&](int channel, int y, float*) { return planes.row(channel, y); });
}

Result<Planes> resize(const Image& image, int width, int height, const ResizeOptions& options) {
  if (image.width() == width && image.height() == height) return to_planes(image);
  const int channels = image.channels(), in_width = image.width();
  return resample(in_width, image.height(), channels, width, height, options,
                  [&](int channel, int y, float* target) -> const float* {
                    const uint8_t* source = image.row(y) + channel;
                    for (int x = 0; x < in_width; ++x, source += channels) target[x] = *source;
                    return target;
                  });
}

}  // namespace sluice::image
