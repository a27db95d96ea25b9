// The cutout end to end on real photographs, with the models of the npm packages: against the
// person mask that MediaPipe publishes with its own tests, and against the closed-form matte of an
// animal. Not run where the photographs or the models are not there.
#include "apps/cutout/cutout.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "apps/cutout/locate.h"
#include "apps/cutout/model.h"
#include "base/file.h"
#include "image/image.h"

namespace sluice::apps::cutout {
namespace {

const std::string kPhotos = SLUICE_SOURCE_DIR "/../shared/data/photos/";
const std::string kModels = SLUICE_BINARY_DIR "/models";

image::Image load(const std::string& path) {
  const auto file = MappedFile::open(path);
  EXPECT_TRUE(file.ok());
  auto decoded = image::decode((*file)->bytes());
  EXPECT_TRUE(decoded.ok());
  return std::move(decoded->image);
}

image::Image mask_of(const image::Image& picture, const std::string& name, bool refine) {
  LocateOptions places;
  places.folders = {kModels};
  auto located = locate(name, places);
  EXPECT_TRUE(located.ok()) << located.error().text();
  auto model = open_model(*located, {});
  EXPECT_TRUE(model.ok()) << model.error().text();
  CutOptions options;
  options.mask = true;
  options.refine = refine;
  PhaseTimes times;
  auto mask = cut_out(picture, model->manifest, model->run, options, times);
  EXPECT_TRUE(mask.ok()) << mask.error().text();
  return std::move(mask).value();
}

TEST(CutoutModels, SelfieFindsThePersonThatMediaPipeFinds) {
  if (!std::filesystem::exists(kPhotos + "portrait.jpg") ||
      !std::filesystem::exists(kModels + "/selfie_segmentation.tflite")) {
    GTEST_SKIP() << "not run: the photograph or the model is not there";
  }
  const image::Image picture = load(kPhotos + "portrait.jpg");
  const image::Image expected = load(kPhotos + "portrait_segmentation.png");  // the person is blue
  for (const bool refine : {false, true}) {
    const image::Image mask = mask_of(picture, "fast", refine);
    ASSERT_EQ(mask.width(), expected.width());
    size_t both = 0, either = 0;
    for (size_t i = 0; i < mask.pixels().size(); ++i) {
      const uint8_t* pixel = expected.pixels().data() + i * 3;
      const bool person = pixel[2] > 128 && pixel[0] < 128, found = mask.pixels()[i] >= 128;
      both += person && found;
      either += person || found;
    }
    const double iou = static_cast<double>(both) / static_cast<double>(either);
    std::printf("selfie, %s: intersection over union %.4f\n", refine ? "refined" : "enlarged", iou);
    EXPECT_GE(iou, 0.97);
  }
}

// IS-Net takes seconds and much memory: only where it is asked for.
TEST(CutoutModels, IsnetMatchesTheClosedFormMatte) {
  if (std::getenv("SLUICE_SLOW_TESTS") == nullptr ||
      !std::filesystem::exists(kPhotos + "lemur.png") ||
      !std::filesystem::exists(kModels + "/imgly_medium.onnx")) {
    GTEST_SKIP()
        << "not run: SLUICE_SLOW_TESTS is not set, or the picture or the model is not there";
  }
  const image::Image picture = load(kPhotos + "lemur.png");
  const image::Image expected = load(kPhotos + "lemur_alpha.png");
  auto opaque = image::with_channels(picture, 3);
  ASSERT_TRUE(opaque.ok());
  const image::Image mask = mask_of(*opaque, "best", true);
  double sum = 0;
  for (size_t i = 0; i < mask.pixels().size(); ++i) {
    sum += std::fabs(static_cast<double>(mask.pixels()[i]) - expected.pixels()[i]) / 255.0;
  }
  const double mean = sum / static_cast<double>(mask.pixels().size());
  std::printf("isnet: mean absolute difference %.4f\n", mean);
  EXPECT_LE(mean, 0.03);
}

}  // namespace
}  // namespace sluice::apps::cutout
