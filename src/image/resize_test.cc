#include "image/resize.h"

#include <gtest/gtest.h>

#include <cmath>

#include "image/sample_files.h"

namespace sluice::image {
namespace {

Planes row_of(std::initializer_list<float> values) {
  auto out = Planes::allocate(static_cast<int>(values.size()), 1, 1);
  EXPECT_TRUE(out.ok());
  int i = 0;
  for (const float value : values) out->plane(0)[i++] = value;
  return std::move(out).value();
}

std::vector<float> resized(const Planes& planes, int width, const ResizeOptions& options) {
  const auto out = resize(planes, width, 1, options);
  EXPECT_TRUE(out.ok());
  return {out->plane(0), out->plane(0) + width};
}

void expect_near(const std::vector<float>& got, const std::vector<double>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-5) << i;
}

TEST(Resize, TriangleWithoutAntialiasIsBilinearWithHalfPixelCentres) {
  const Planes row = row_of({10, 20, 40, 80});
  expect_near(resized(row, 8, {Filter::kTriangle, false}), {10, 12.5, 17.5, 25, 35, 50, 70, 80});
  expect_near(resized(row, 2, {Filter::kTriangle, false}), {15, 60});
}

TEST(Resize, TriangleWithAntialiasWidensTheFilter) {
  // Factor 2 down: weights 1/8 3/8 3/8 1/8 inside; at the edge the part outside is dropped.
  const Planes row = row_of({8, 16, 24, 32, 40, 48});
  expect_near(resized(row, 3, {Filter::kTriangle, true}),
              {(3 * 8 + 3 * 16 + 24) / 7.0, 28, (32 + 3 * 40 + 3 * 48) / 7.0});
}

TEST(Resize, BoxAveragesAreas) {
  const Planes row = row_of({1, 3, 5, 7, 9, 11});
  expect_near(resized(row, 2, {Filter::kBox, true}), {3, 9});
  expect_near(resized(row, 12, {Filter::kBox, true}), {1, 1, 3, 3, 5, 5, 7, 7, 9, 9, 11, 11});
}

TEST(Resize, ConstantsStayConstantForEveryFilterAndSize) {
  auto flat = Planes::allocate(17, 13, 2);
  ASSERT_TRUE(flat.ok());
  for (float& value : flat->data()) value = 77.0f;
  for (const Filter filter : {Filter::kBox, Filter::kTriangle, Filter::kLanczos3}) {
    for (const bool antialias : {false, true}) {
      for (const int size : {1, 2, 3, 5, 7, 16, 17, 18, 40, 127}) {
        const auto out = resize(*flat, size, 41 - size % 40, {filter, antialias});
        ASSERT_TRUE(out.ok());
        for (const float value : out->data()) ASSERT_NEAR(value, 77.0f, 1e-3f);
      }
    }
  }
}

TEST(Resize, ImageAndPlanesAgree) {
  const Image image = samples::picture(61, 47, 3);
  const auto planes = to_planes(image);
  ASSERT_TRUE(planes.ok());
  const auto a = resize(image, 20, 33);
  const auto b = resize(*planes, 20, 33);
  ASSERT_TRUE(a.ok() && b.ok());
  for (size_t i = 0; i < a->data().size(); ++i) EXPECT_EQ(a->data()[i], b->data()[i]);
}

TEST(Resize, MatchesADirectSumInTwoDimensions) {
  const Image image = samples::picture(23, 31, 1);
  for (const auto& [width, height] : {std::pair{9, 40}, {50, 7}, {23, 12}}) {
    const auto out = resize(image, width, height, {Filter::kLanczos3, true});
    ASSERT_TRUE(out.ok());
    const auto weight = [](double t) {
      if (t == 0) return 1.0;
      if (std::fabs(t) >= 3) return 0.0;
      const double x = t * M_PI;
      return std::sin(x) / x * std::sin(x / 3) / (x / 3);
    };
    for (int y = 0; y < height; y += 3) {
      for (int x = 0; x < width; x += 3) {
        const double sx = 23.0 / width, sy = 31.0 / height;
        double sum = 0, total = 0;
        for (int j = 0; j < 31; ++j) {
          for (int i = 0; i < 23; ++i) {
            const double w = weight((i + 0.5 - (x + 0.5) * sx) / std::max(sx, 1.0)) *
                             weight((j + 0.5 - (y + 0.5) * sy) / std::max(sy, 1.0));
            sum += w * image.row(j)[i];
            total += w;
          }
        }
        EXPECT_NEAR(out->row(0, y)[x], sum / total, 2e-3);
      }
    }
  }
}

TEST(ToImage, RoundsAndClampsAndNanIsZero) {
  auto planes = row_of({-3, 0.49f, 0.5f, 254.6f, 300, NAN});
  const auto image = to_image(planes);
  ASSERT_TRUE(image.ok());
  const uint8_t want[] = {0, 0, 1, 255, 255, 0};
  for (int i = 0; i < 6; ++i) EXPECT_EQ(image->row(0)[i], want[i]);
}

}  // namespace
}  // namespace sluice::image
