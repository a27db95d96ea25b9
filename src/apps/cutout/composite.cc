#include "apps/cutout/composite.h"

#include <cmath>

#include "base/check.h"
#include "image/resize.h"

namespace sluice::apps::cutout {

using image::Image;

namespace {

void check_fit(const Image& foreground, const Image& alpha) {
  SLUICE_CHECK(foreground.channels() == 3 && alpha.channels() == 1 &&
               foreground.width() == alpha.width() && foreground.height() == alpha.height());
}

uint8_t mix(uint32_t front, uint32_t back, uint32_t alpha) {
  return static_cast<uint8_t>((front * alpha + back * (255 - alpha) + 127) / 255);
}

}  // namespace

Result<Image> transparent(const Image& foreground, const Image& alpha) {
  check_fit(foreground, alpha);
  SLUICE_ASSIGN(Image out, Image::allocate(alpha.width(), alpha.height(), 4));
  const uint8_t *front = foreground.pixels().data(), *opacity = alpha.pixels().data();
  uint8_t* target = out.pixels().data();
  for (size_t i = 0; i < alpha.pixels().size(); ++i, front += 3, target += 4) {
    for (int c = 0; c < 3; ++c) target[c] = opacity[i] == 0 ? 0 : front[c];
    target[3] = opacity[i];
  }
  return out;
}

Result<Image> over_color(const Image& foreground, const Image& alpha, Rgba color) {
  check_fit(foreground, alpha);
  const bool opaque = color[3] == 255;
  const int channels = opaque ? 3 : 4;
  SLUICE_ASSIGN(Image out, Image::allocate(alpha.width(), alpha.height(), channels));
  const uint8_t *front = foreground.pixels().data(), *opacity = alpha.pixels().data();
  uint8_t* target = out.pixels().data();
  for (size_t i = 0; i < alpha.pixels().size(); ++i, front += 3, target += channels) {
    const uint32_t a = opacity[i];
    if (opaque) {
      for (size_t c = 0; c < 3; ++c) target[c] = mix(front[c], color[c], a);
      continue;
    }
    // "Over" with straight alpha: out = a + b (1 - a); colours weighted by their share of it.
    const uint32_t behind = (color[3] * (255 - a) + 127) / 255, total = a + behind;
    for (size_t c = 0; c < 3; ++c) {
      target[c] =
          total == 0 ? 0
                     : static_cast<uint8_t>((front[c] * a + color[c] * behind + total / 2) / total);
    }
    target[3] = static_cast<uint8_t>(total > 255 ? 255 : total);
  }
  return out;
}

Result<Image> over_picture(const Image& foreground, const Image& alpha, const Image& background) {
  check_fit(foreground, alpha);
  const int width = alpha.width(), height = alpha.height();
  // The part of the background that the frame shows, cut out first so that only it is resampled.
  const double scale = std::fmax(static_cast<double>(width) / background.width(),
                                 static_cast<double>(height) / background.height());
  const auto part = [&](int frame, int side) {
    const int wanted = static_cast<int>(std::lround(frame / scale));
    return wanted < 1 ? 1 : wanted > side ? side : wanted;
  };
  const int part_width = part(width, background.width());
  const int part_height = part(height, background.height());
  const int left = (background.width() - part_width) / 2;
  const int top = (background.height() - part_height) / 2;
  SLUICE_ASSIGN(Image shown, Image::allocate(part_width, part_height, 3));
  const int channels = background.channels();
  for (int y = 0; y < part_height; ++y) {
    const uint8_t* source = background.row(top + y) + left * channels;
    uint8_t* target = shown.row(y);
    for (int x = 0; x < part_width; ++x, source += channels, target += 3) {
      for (int c = 0; c < 3; ++c) {
        const uint8_t value = source[channels >= 3 ? c : 0];
        target[c] = channels == 4 ? mix(value, 255, source[3]) : value;
      }
    }
  }
  SLUICE_ASSIGN(const image::Planes scaled, resize(shown, width, height));
  SLUICE_ASSIGN(Image out, to_image(scaled));
  const uint8_t *front = foreground.pixels().data(), *opacity = alpha.pixels().data();
  uint8_t* target = out.pixels().data();
  for (size_t i = 0; i < alpha.pixels().size(); ++i, front += 3, target += 3) {
    for (int c = 0; c < 3; ++c) target[c] = mix(front[c], target[c], opacity[i]);
  }
  return out;
}

}  // namespace sluice::apps::cutout
