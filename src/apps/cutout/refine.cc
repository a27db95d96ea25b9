#include "apps/cutout/refine.h"

#include <cmath>
#include <cstring>

#include "base/check.h"

namespace sluice::apps::cutout {

using image::Array;
using image::Image;
using image::Planes;

namespace {

uint8_t to_byte(float value) {
  const float rounded = value + 0.5f;
  return rounded >= 255.0f ? 255 : rounded > 0.0f ? static_cast<uint8_t>(rounded) : 0;
}

// Mean over the (2r+1)^2 window clipped to the plane, in place. Running sums in double along the
// columns keep it exact enough for windows of any size.
Result<void> box_mean(float* plane, int width, int height, int radius) {
  const auto wide = static_cast<size_t>(width), high = static_cast<size_t>(height);
  SLUICE_ASSIGN(Array<float> line, Array<float>::allocate(wide));
  for (size_t y = 0; y < high; ++y) {
    float* row = plane + y * wide;
    std::memcpy(line.data(), row, wide * sizeof(float));
    double sum = 0;
    for (int x = 0; x < radius && x < width; ++x) sum += line[static_cast<size_t>(x)];
    for (int x = 0; x < width; ++x) {
      if (x + radius < width) sum += line[static_cast<size_t>(x + radius)];
      if (x - radius - 1 >= 0) sum -= line[static_cast<size_t>(x - radius - 1)];
      const int first = x - radius < 0 ? 0 : x - radius;
      const int last = x + radius >= width ? width - 1 : x + radius;
      row[x] = static_cast<float>(sum / (last - first + 1));
    }
  }
  SLUICE_ASSIGN(Array<float> copy, Array<float>::allocate(wide * high));
  std::memcpy(copy.data(), plane, wide * high * sizeof(float));
  SLUICE_ASSIGN(Array<double> sums, Array<double>::zeros(wide));
  const auto add = [&](int y, double sign) {
    const float* row = copy.data() + static_cast<size_t>(y) * wide;
    double* __restrict sum = sums.data();
    for (size_t x = 0; x < wide; ++x) sum[x] += sign * row[x];
  };
  for (int y = 0; y < radius && y < height; ++y) add(y, 1.0);
  for (int y = 0; y < height; ++y) {
    if (y + radius < height) add(y + radius, 1.0);
    if (y - radius - 1 >= 0) add(y - radius - 1, -1.0);
    const int first = y - radius < 0 ? 0 : y - radius;
    const int last = y + radius >= height ? height - 1 : y + radius;
    const double scale = 1.0 / (last - first + 1);
    float* row = plane + static_cast<size_t>(y) * wide;
    for (size_t x = 0; x < wide; ++x) row[x] = static_cast<float>(sums[x] * scale);
  }
  return {};
}

Result<void> box_mean(Planes& planes, int radius) {
  for (int i = 0; i < planes.count(); ++i) {
    SLUICE_TRY(box_mean(planes.plane(i), planes.width(), planes.height(), radius));
  }
  return {};
}

// Bilinear positions along one axis: half-pixel centres, clamped at the border.
struct Positions {
  Array<int> low, high;
  Array<float> fraction;
  static Result<Positions> make(int in, int out) {
    Positions p;
    const auto count = static_cast<size_t>(out);
    SLUICE_ASSIGN(p.low, Array<int>::allocate(count));
    SLUICE_ASSIGN(p.high, Array<int>::allocate(count));
    SLUICE_ASSIGN(p.fraction, Array<float>::allocate(count));
    for (int i = 0; i < out; ++i) {
      double at = (i + 0.5) * in / out - 0.5;
      if (at < 0) at = 0;
      if (at > in - 1) at = in - 1;
      const int low = static_cast<int>(at);
      p.low[static_cast<size_t>(i)] = low;
      p.high[static_cast<size_t>(i)] = low + 1 < in ? low + 1 : low;
      p.fraction[static_cast<size_t>(i)] = static_cast<float>(at - low);
    }
    return p;
  }
};

// Rows of small planes enlarged bilinearly, one full-size row at a time.
class RowEnlarger {
 public:
  static Result<RowEnlarger> make(const Planes& planes, int width, int height) {
    RowEnlarger out(planes);
    SLUICE_ASSIGN(out.x_, Positions::make(planes.width(), width));
    SLUICE_ASSIGN(out.y_, Positions::make(planes.height(), height));
    SLUICE_ASSIGN(out.mixed_, Array<float>::allocate(static_cast<size_t>(planes.width())));
    return out;
  }
  void row(int plane, int y, float* __restrict target) {
    const auto i = static_cast<size_t>(y);
    const float* a = planes_->row(plane, y_.low[i]);
    const float* b = planes_->row(plane, y_.high[i]);
    const float t = y_.fraction[i];
    float* __restrict mixed = mixed_.data();
    for (size_t x = 0; x < mixed_.size(); ++x) mixed[x] = a[x] + t * (b[x] - a[x]);
    for (size_t x = 0; x < x_.low.size(); ++x) {
      const float low = mixed[static_cast<size_t>(x_.low[x])];
      target[x] = low + x_.fraction[x] * (mixed[static_cast<size_t>(x_.high[x])] - low);
    }
  }

 private:
  explicit RowEnlarger(const Planes& planes) : planes_(&planes) {}
  const Planes* planes_;
  Positions x_, y_;
  Array<float> mixed_;
};

// Coefficients of alpha = a . colour + b for each pixel of the small picture, averaged over the
// windows that contain it: planes a_r, a_g, a_b, b. Colours are 0..1 here.
Result<Planes> guided_coefficients(const Planes& matte, const Planes& guide, int radius,
                                   float epsilon) {
  const int width = matte.width(), height = matte.height();
  const size_t count = matte.plane_size();
  // Moments: 0..2 colour, 3 alpha, 4..6 colour * alpha, 7..12 colour products rr rg rb gg gb bb.
  SLUICE_ASSIGN(Planes m, Planes::allocate(width, height, 13));
  const float *r = guide.plane(0), *g = guide.plane(1), *b = guide.plane(2), *p = matte.plane(0);
  for (size_t i = 0; i < count; ++i) {
    const float red = r[i] / 255.0f, green = g[i] / 255.0f, blue = b[i] / 255.0f;
    const float values[13] = {red,           green,        blue,       p[i],        red * p[i],
                              green * p[i],  blue * p[i],  red * red,  red * green, red * blue,
                              green * green, green * blue, blue * blue};
    for (int k = 0; k < 13; ++k) m.plane(k)[i] = values[k];
  }
  SLUICE_TRY(box_mean(m, radius));
  SLUICE_ASSIGN(Planes out, Planes::allocate(width, height, 4));
  for (size_t i = 0; i < count; ++i) {
    const double mean[3] = {m.plane(0)[i], m.plane(1)[i], m.plane(2)[i]}, alpha = m.plane(3)[i];
    const double rr = m.plane(7)[i] - mean[0] * mean[0] + epsilon;
    const double rg = m.plane(8)[i] - mean[0] * mean[1];
    const double rb = m.plane(9)[i] - mean[0] * mean[2];
    const double gg = m.plane(10)[i] - mean[1] * mean[1] + epsilon;
    const double gb = m.plane(11)[i] - mean[1] * mean[2];
    const double bb = m.plane(12)[i] - mean[2] * mean[2] + epsilon;
    const double c0 = m.plane(4)[i] - mean[0] * alpha;
    const double c1 = m.plane(5)[i] - mean[1] * alpha;
    const double c2 = m.plane(6)[i] - mean[2] * alpha;
    // Inverse of the symmetric 3x3 covariance by cofactors; epsilon keeps it regular.
    const double i00 = gg * bb - gb * gb, i01 = gb * rb - rg * bb, i02 = rg * gb - gg * rb;
    const double i11 = rr * bb - rb * rb, i12 = rb * rg - rr * gb, i22 = rr * gg - rg * rg;
    const double determinant = rr * i00 + rg * i01 + rb * i02;
    double a[3] = {0, 0, 0};
    if (std::fabs(determinant) > 1e-30) {
      a[0] = (i00 * c0 + i01 * c1 + i02 * c2) / determinant;
      a[1] = (i01 * c0 + i11 * c1 + i12 * c2) / determinant;
      a[2] = (i02 * c0 + i12 * c1 + i22 * c2) / determinant;
    }
    out.plane(3)[i] = static_cast<float>(alpha - a[0] * mean[0] - a[1] * mean[1] - a[2] * mean[2]);
    for (int k = 0; k < 3; ++k) out.plane(k)[i] = static_cast<float>(a[k]);
  }
  SLUICE_TRY(box_mean(out, radius));
  return out;
}

}  // namespace

Result<Image> bilinear_alpha(const Planes& matte, int width, int height) {
  SLUICE_ASSIGN(Image out, Image::allocate(width, height, 1));
  SLUICE_ASSIGN(RowEnlarger rows, RowEnlarger::make(matte, width, height));
  SLUICE_ASSIGN(Array<float> line, Array<float>::allocate(static_cast<size_t>(width)));
  for (int y = 0; y < height; ++y) {
    rows.row(0, y, line.data());
    uint8_t* target = out.row(y);
    for (size_t x = 0; x < line.size(); ++x) target[x] = to_byte(line[x] * 255.0f);
  }
  return out;
}

Result<Image> guided_alpha(const Planes& matte, const Planes& guide, const Image& picture,
                           const GuidedOptions& options) {
  SLUICE_CHECK(guide.count() == 3 && guide.width() == matte.width() &&
               guide.height() == matte.height());
  const int longer = matte.width() > matte.height() ? matte.width() : matte.height();
  const int wanted =
      static_cast<int>(std::lround(static_cast<float>(longer) * options.radius_fraction));
  SLUICE_ASSIGN(const Planes coefficients,
                guided_coefficients(matte, guide, wanted < 1 ? 1 : wanted, options.epsilon));
  const int width = picture.width(), height = picture.height(), channels = picture.channels();
  SLUICE_ASSIGN(Image out, Image::allocate(width, height, 1));
  SLUICE_ASSIGN(RowEnlarger rows, RowEnlarger::make(coefficients, width, height));
  const auto wide = static_cast<size_t>(width);
  SLUICE_ASSIGN(Array<float> lines, Array<float>::allocate(wide * 4));
  for (int y = 0; y < height; ++y) {
    for (int k = 0; k < 4; ++k) rows.row(k, y, lines.data() + static_cast<size_t>(k) * wide);
    const float *ar = lines.data(), *ag = ar + wide, *ab = ag + wide, *b = ab + wide;
    const uint8_t* pixel = picture.row(y);
    uint8_t* target = out.row(y);
    for (size_t x = 0; x < wide; ++x, pixel += channels) {
      const float red = pixel[0];
      const float green = channels >= 3 ? pixel[1] : red, blue = channels >= 3 ? pixel[2] : red;
      target[x] = to_byte(ar[x] * red + ag[x] * green + ab[x] * blue + b[x] * 255.0f);
    }
  }
  return out;
}

namespace {

// Colours of foreground and background in one pixel, 0 to 255.
struct Pair {
  float front[3], back[3];
};

// One level of the multi-level method: the picture at some size and the estimate at that size.
struct Level {
  int width = 0, height = 0;
  Planes picture, alpha;  // alpha 0..1
  Array<Pair> pairs;
  size_t at(int x, int y) const {
    return static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x);
  }
};

// Minimises, over the pixel's two colours, (a F + (1 - a) B - I)^2 plus the squared differences to
// the four neighbours' colours, weighted by `kSmoothness` and by the change of alpha between them:
// a linear system of two unknowns per channel.
void relax(Level& level, int x, int y) {
  constexpr float kSmoothness = 1e-5f;
  const size_t here = level.at(x, y);
  const float* alphas = level.alpha.plane(0);
  const float a = alphas[here], b = 1.0f - a;
  float weights = 0.0f, front[3] = {0, 0, 0}, back[3] = {0, 0, 0};
  const auto neighbour = [&](size_t there) {
    const float weight = kSmoothness + std::fabs(a - alphas[there]);
    const Pair& pair = level.pairs[there];
    weights += weight;
    for (int c = 0; c < 3; ++c) {
      front[c] += weight * pair.front[c];
      back[c] += weight * pair.back[c];
    }
  };
  if (x > 0) neighbour(here - 1);
  if (x + 1 < level.width) neighbour(here + 1);
  if (y > 0) neighbour(here - static_cast<size_t>(level.width));
  if (y + 1 < level.height) neighbour(here + static_cast<size_t>(level.width));
  if (weights == 0.0f) return;  // a picture of one pixel
  // The system's solution with the weights' mean colours F and G: written so that nothing cancels,
  // since the determinant is as small as the weights.
  const float mean = 1.0f / weights, divide = 1.0f / (a * a + b * b + weights);
  Pair& pair = level.pairs[here];
  for (int c = 0; c < 3; ++c) {
    const float value = level.picture.plane(c)[here];
    const float across = (b * front[c] - a * back[c]) * mean;  // b F - a G
    const float f = (a * value + front[c] + b * across) * divide;
    const float g = (b * value + back[c] - a * across) * divide;
    pair.front[c] = f < 0.0f ? 0.0f : f > 255.0f ? 255.0f : f;
    pair.back[c] = g < 0.0f ? 0.0f : g > 255.0f ? 255.0f : g;
  }
}

// True when the pixel and its neighbours are all opaque, or all transparent: one of its colours is
// the picture's, and nobody asks for the other.
bool is_settled(const Level& level, int x, int y) {
  const float* alphas = level.alpha.plane(0);
  const float a = alphas[level.at(x, y)];
  if (a != 0.0f && a != 1.0f) return false;
  const auto same = [&](int i, int j) {
    return i < 0 || j < 0 || i >= level.width || j >= level.height || alphas[level.at(i, j)] == a;
  };
  return same(x - 1, y) && same(x + 1, y) && same(x, y - 1) && same(x, y + 1);
}

// The finest level, solved from coarse to fine; each level starts from the one before.
Result<Level> estimate_colors(const Image& rgb, const Image& alpha, int width, int height) {
  const int longer = width > height ? width : height;
  int levels = 1;
  while (1 << levels < longer) ++levels;
  const image::ResizeOptions area{image::Filter::kTriangle, true};
  SLUICE_ASSIGN(const Planes finest, resize(rgb, width, height, area));
  SLUICE_ASSIGN(const Planes finest_alpha, resize(alpha, width, height, area));
  Level before;
  for (int i = 0; i <= levels; ++i) {
    Level level;
    const double power = static_cast<double>(i) / levels;
    level.width = static_cast<int>(std::lround(std::pow(width, power)));
    level.height = static_cast<int>(std::lround(std::pow(height, power)));
    SLUICE_ASSIGN(level.picture, resize(finest, level.width, level.height, area));
    SLUICE_ASSIGN(level.alpha, resize(finest_alpha, level.width, level.height, area));
    for (float& value : level.alpha.data()) {
      const float scaled = value / 255.0f;
      value = scaled < 1e-4f ? 0.0f : scaled > 1.0f - 1e-4f ? 1.0f : scaled;
    }
    SLUICE_ASSIGN(level.pairs, Array<Pair>::allocate(level.alpha.plane_size()));
    for (int y = 0; y < level.height; ++y) {
      for (int x = 0; x < level.width; ++x) {
        const size_t here = level.at(x, y);
        Pair& pair = level.pairs[here];
        if (i == 0) {
          for (int c = 0; c < 3; ++c) pair.front[c] = pair.back[c] = level.picture.plane(c)[here];
          continue;
        }
        pair =
            before
                .pairs[before.at(x * before.width / level.width, y * before.height / level.height)];
        const float a = level.alpha.plane(0)[here];
        for (int c = 0; c < 3; ++c) {
          if (a == 1.0f) pair.front[c] = level.picture.plane(c)[here];
          if (a == 0.0f) pair.back[c] = level.picture.plane(c)[here];
        }
      }
    }
    // Small levels find the colours, large ones only follow the detail.
    const int rounds = longer >> (levels - i) <= 32 ? 10 : 2;
    for (int round = 0; round < rounds; ++round) {
      for (int y = 0; y < level.height; ++y) {
        for (int x = 0; x < level.width; ++x) {
          if (!is_settled(level, x, y)) relax(level, x, y);
        }
      }
    }
    before = std::move(level);
  }
  return before;
}

}  // namespace

Result<Image> foreground_colors(const Image& picture, const Image& alpha) {
  SLUICE_CHECK(alpha.channels() == 1 && alpha.width() == picture.width() &&
               alpha.height() == picture.height());
  const int width = picture.width(), height = picture.height();
  const int longer = width > height ? width : height;
  const double shrink = longer > kEstimateSide ? static_cast<double>(kEstimateSide) / longer : 1.0;
  const int small_width = std::max(1, static_cast<int>(std::lround(width * shrink)));
  const int small_height = std::max(1, static_cast<int>(std::lround(height * shrink)));
  SLUICE_ASSIGN(const Image rgb, with_channels(picture, 3));
  Planes estimate;  // foreground red green blue, background red green blue
  {
    SLUICE_ASSIGN(const Level level, estimate_colors(rgb, alpha, small_width, small_height));
    SLUICE_ASSIGN(estimate, Planes::allocate(small_width, small_height, 6));
    for (size_t i = 0; i < level.pairs.size(); ++i) {
      for (int c = 0; c < 3; ++c) {
        estimate.plane(c)[i] = level.pairs[i].front[c];
        estimate.plane(3 + c)[i] = level.pairs[i].back[c];
      }
    }
  }
  SLUICE_ASSIGN(Image out, Image::allocate(width, height, 3));
  SLUICE_ASSIGN(RowEnlarger rows, RowEnlarger::make(estimate, width, height));
  const auto wide = static_cast<size_t>(width);
  SLUICE_ASSIGN(Array<float> lines, Array<float>::allocate(wide * 6));
  for (int y = 0; y < height; ++y) {
    const uint8_t *pixel = rgb.row(y), *opacity = alpha.row(y);
    uint8_t* target = out.row(y);
    bool mixed = false;
    for (size_t x = 0; x < wide; ++x) mixed = mixed || (opacity[x] != 0 && opacity[x] != 255);
    for (int k = 0; mixed && k < 6; ++k)
      rows.row(k, y, lines.data() + static_cast<size_t>(k) * wide);
    for (size_t x = 0; x < wide; ++x, pixel += 3, target += 3) {
      const float a = static_cast<float>(opacity[x]) / 255.0f, b = 1.0f - a;
      for (size_t c = 0; c < 3; ++c) {
        if (opacity[x] == 255 || opacity[x] == 0) {
          target[c] = opacity[x] == 0 ? 0 : pixel[c];
          continue;
        }
        // The least change of both colours that makes them mix to the picture's: puts back the
        // detail that the small estimate lacks.
        const float f = lines[c * wide + x], g = lines[(3 + c) * wide + x];
        const float missing = static_cast<float>(pixel[c]) - a * f - b * g;
        target[c] = to_byte(f + a * missing / (a * a + b * b));
      }
    }
  }
  return out;
}

}  // namespace sluice::apps::cutout
