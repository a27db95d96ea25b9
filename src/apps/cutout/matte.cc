#include "apps/cutout/matte.h"

#include <cmath>
#include <cstring>

#include "base/text.h"

namespace sluice::apps::cutout {

using image::Image;
using image::Planes;

namespace {

// RGB planes of the picture at the given size; grey is repeated, alpha laid over white.
Result<Planes> rgb_planes(const Image& picture, int width, int height,
                          const image::ResizeOptions& filter) {
  if (picture.channels() == 4) {
    SLUICE_ASSIGN(Image flat, Image::allocate(picture.width(), picture.height(), 3));
    const uint8_t* source = picture.pixels().data();
    uint8_t* target = flat.pixels().data();
    for (size_t i = 0; i < flat.pixels().size(); i += 3, source += 4, target += 3) {
      for (int c = 0; c < 3; ++c) {
        target[c] =
            static_cast<uint8_t>((source[c] * source[3] + 255 * (255 - source[3]) + 127) / 255);
      }
    }
    return resize(flat, width, height, filter);
  }
  SLUICE_ASSIGN(Planes planes, resize(picture, width, height, filter));
  if (planes.count() == 3) return planes;
  SLUICE_ASSIGN(Planes out, Planes::allocate(width, height, 3));
  for (int c = 0; c < 3; ++c) {
    std::memcpy(out.plane(c), planes.plane(0), planes.plane_size() * sizeof(float));
  }
  return out;
}

}  // namespace

Result<Prepared> prepare(const Image& picture, const InputSpec& spec) {
  Prepared out;
  out.placement = {0, 0, spec.width, spec.height};
  if (spec.resize == ResizePolicy::kLetterbox) {
    const double scale = std::fmin(static_cast<double>(spec.width) / picture.width(),
                                   static_cast<double>(spec.height) / picture.height());
    const auto fit = [&](int side, int limit) {
      const int scaled = static_cast<int>(std::lround(side * scale));
      return scaled < 1 ? 1 : scaled > limit ? limit : scaled;
    };
    out.placement.width = fit(picture.width(), spec.width);
    out.placement.height = fit(picture.height(), spec.height);
    out.placement.x = (spec.width - out.placement.width) / 2;
    out.placement.y = (spec.height - out.placement.height) / 2;
  }
  const Placement& at = out.placement;
  SLUICE_ASSIGN(out.guide, rgb_planes(picture, at.width, at.height, spec.filter));

  const bool nchw = spec.layout == Layout::kNchw;
  const Shape shape =
      nchw ? Shape{1, 3, spec.height, spec.width} : Shape{1, spec.height, spec.width, 3};
  SLUICE_ASSIGN(out.input, Tensor::allocate(DType::kFloat32, shape));
  float* const input = out.input.mutable_data<float>();
  const auto wide = static_cast<size_t>(spec.width), high = static_cast<size_t>(spec.height);
  for (int c = 0; c < 3; ++c) {
    const auto channel = static_cast<size_t>(c);
    const float scale = spec.scale / spec.std[channel];
    const float shift = -spec.mean[channel] / spec.std[channel];
    const int source_plane = spec.bgr ? 2 - c : c;
    const size_t step = nchw ? 1 : 3;
    float* const plane = nchw ? input + channel * wide * high : input + channel;
    if (at.width != spec.width || at.height != spec.height) {
      for (size_t i = 0; i < wide * high; ++i) plane[i * step] = shift;
    }
    for (int y = 0; y < at.height; ++y) {
      const float* source = out.guide.row(source_plane, y);
      float* target =
          plane + (static_cast<size_t>(at.y + y) * wide + static_cast<size_t>(at.x)) * step;
      for (int x = 0; x < at.width; ++x)
        target[static_cast<size_t>(x) * step] = source[x] * scale + shift;
    }
  }
  return out;
}

Result<Planes> matte_of(const Tensor& output, const OutputSpec& spec, Layout layout,
                        const Placement& placement, int input_width, int input_height) {
  const auto misfit = [&] {
    return invalid_model(
        cat("The model's output is ", output.text(), ", which is not a matte of one picture"));
  };
  if (!is_floating(output.dtype()) && !is_integer(output.dtype())) return misfit();
  // Leading extents of 1 don't matter; what is left is H,W or C,H,W or H,W,C.
  Shape shape = output.shape();
  while (shape.rank() > 2 && shape[0] == 1) shape.erase(0);
  const int64_t classes = spec.meaning == Meaning::kTwoClassSoftmax ? 2 : 1;
  int64_t height = 0, width = 0, pixel_step = 1, class_step = 0;
  if (shape.rank() == 2 && classes == 1) {
    height = shape[0], width = shape[1];
  } else if (shape.rank() == 3) {
    const bool first = shape[0] == classes, last = shape[2] == classes;
    if (!first && !last) return misfit();
    if (first && (!last || layout == Layout::kNchw)) {
      height = shape[1], width = shape[2], class_step = height * width;
    } else {
      height = shape[0], width = shape[1], pixel_step = classes, class_step = 1;
    }
  } else {
    return misfit();
  }
  constexpr int64_t kMaxSide = 32768;
  if (height < 1 || width < 1 || height > kMaxSide || width > kMaxSide) return misfit();

  // The picture's part of the output, when the output has another size than the input.
  const auto along = [](int64_t at, int64_t of, int64_t total) {
    return (at * total + of / 2) / of;
  };
  const int x0 = static_cast<int>(along(placement.x, input_width, width));
  const int x1 = static_cast<int>(along(placement.x + placement.width, input_width, width));
  const int y0 = static_cast<int>(along(placement.y, input_height, height));
  const int y1 = static_cast<int>(along(placement.y + placement.height, input_height, height));
  if (x1 <= x0 || y1 <= y0 || x1 > width || y1 > height) return misfit();

  SLUICE_ASSIGN(Planes out, Planes::allocate(x1 - x0, y1 - y0, 1));
  const bool plain = output.dtype() == DType::kFloat32;
  const float* floats = plain ? output.data<float>() : nullptr;
  const auto value_at = [&](int64_t i) {
    return plain ? floats[i] : static_cast<float>(output.get_double(i));
  };
  float lowest = INFINITY, highest = -INFINITY;
  for (int y = y0; y < y1; ++y) {
    float* target = out.row(0, y - y0);
    for (int x = x0; x < x1; ++x) {
      const int64_t i = (y * width + x) * pixel_step;
      float value = value_at(i);
      if (spec.meaning == Meaning::kTwoClassSoftmax) value = value_at(i + class_step) - value;
      if (!std::isfinite(value)) {
        return invalid_model(cat("The model's output holds ", value, " at row ", y, ", column ", x,
                                 ": the matte is unusable"));
      }
      if (spec.meaning != Meaning::kAlpha) value = 1.0f / (1.0f + std::exp(-value));
      lowest = std::fmin(lowest, value);
      highest = std::fmax(highest, value);
      target[x - x0] = value;
    }
  }
  // Nothing to stretch in a flat matte: an empty picture stays empty.
  const bool stretch = spec.min_max && highest - lowest > 1e-6f;
  const float scale = stretch ? 1.0f / (highest - lowest) : 1.0f;
  const float base = stretch ? lowest : 0.0f;
  for (float& value : out.data()) {
    const float scaled = (value - base) * scale;
    value = scaled < 0.0f ? 0.0f : scaled > 1.0f ? 1.0f : scaled;
  }
  return out;
}

}  // namespace sluice::apps::cutout
