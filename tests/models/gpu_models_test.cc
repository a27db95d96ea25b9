// Jobs on WebGPU as a user does them: a picture cut out, and a stateful model stepped with its
// state fed back. Against the CPU, whose results outside oracles have checked. Not run where the
// models or an adapter are not there.
#include <filesystem>

#include "apps/cutout/cutout.h"
#include "apps/cutout/locate.h"
#include "apps/cutout/model.h"
#include "base/file.h"
#include "gpu/on_device.h"
#include "image/image.h"

namespace sluice {
namespace {

namespace cut = apps::cutout;

const std::string kModels = SLUICE_BINARY_DIR "/models";

TEST(GpuModels, ACutoutIsThatOfTheCpu) {
  const std::string photo = SLUICE_SOURCE_DIR "/../shared/data/photos/portrait.jpg";
  if (!std::filesystem::exists(photo) ||
      !std::filesystem::exists(kModels + "/selfie_segmentation.tflite")) {
    GTEST_SKIP() << "not run: the photograph or the model is not there";
  }
  SLUICE_NEED_DEVICE();
  const auto file = MappedFile::open(photo);
  ASSERT_TRUE(file.ok());
  const auto decoded = image::decode((*file)->bytes());
  ASSERT_TRUE(decoded.ok()) << decoded.error().text();
  std::vector<image::Image> masks;
  for (const bool on_gpu : {false, true}) {
    session::Options options = gpu_tests::software();
    options.strict = on_gpu;
    if (!on_gpu) options.backend = session::Backend::kCpu;
    cut::LocateOptions places;
    places.folders = {kModels};
    const auto located = cut::locate("fast", places);
    ASSERT_TRUE(located.ok()) << located.error().text();
    auto model = cut::open_model(*located, options);
    ASSERT_TRUE(model.ok()) << model.error().text();
    cut::CutOptions how;
    how.mask = true;
    cut::PhaseTimes times;
    auto mask = cut::cut_out(decoded->image, model->manifest, model->run, how, times);
    ASSERT_TRUE(mask.ok()) << mask.error().text();
    masks.push_back(std::move(mask).value());
    if (on_gpu) gpu_tests::expect_whole_job_on_device(model->session->binding());
  }
  const auto cpu = masks[0].pixels(), gpu = masks[1].pixels();
  ASSERT_EQ(cpu.size(), gpu.size());
  size_t far = 0;
  int most = 0;
  for (size_t i = 0; i < cpu.size(); ++i) {
    const int difference = std::abs(int{cpu[i]} - int{gpu[i]});
    far += difference > 1;
    most = std::max(most, difference);
  }
  std::printf("  %zu of %zu pixels differ by more than 1/255, the most by %d/255\n", far,
              cpu.size(), most);
  EXPECT_LE(static_cast<double>(far), 0.001 * static_cast<double>(cpu.size()));
}

TEST(GpuModels, SpeechStepsCarryTheirStateAlong) {
  const std::string path = kModels + "/silero_vad_v5.onnx";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "not run: silero_vad_v5.onnx is not there";
  SLUICE_NEED_DEVICE();
  session::Options options = gpu_tests::software();
  options.strict = true;
  auto gpu = session::Session::load(path, options);
  ASSERT_TRUE(gpu.ok()) << gpu.error().text();
  options.backend = session::Backend::kCpu;
  auto cpu = session::Session::load(path, options);
  ASSERT_TRUE(cpu.ok()) << cpu.error().text();
  Value states[2] = {std::move(Tensor::allocate(DType::kFloat32, Shape{2, 1, 128})).value(),
                     std::move(Tensor::allocate(DType::kFloat32, Shape{2, 1, 128})).value()};
  for (int step = 0; step < 6; ++step) {
    std::vector<Value> made[2];
    for (int side = 0; side < 2; ++side) {
      session::Session& session = side == 0 ? **gpu : **cpu;
      const auto got = session.run({{"input", op::case_floats(Shape{1, 512}, step, 0.5)},
                                    {"state", states[side]},
                                    {"sr", Tensor::scalar<int64_t>(16000)}});
      ASSERT_TRUE(got.ok()) << got.error().text();
      for (const auto& [name, value] : *got) made[side].push_back(value);
      ASSERT_EQ(made[side].size(), 2u);
      states[side] = made[side][1];
    }
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(conformance::compare(made[0][i], made[1][i], 1e-4, 1e-3), "")
          << "step " << step << ", output " << i;
    }
  }
  gpu_tests::expect_whole_job_on_device((*gpu)->binding());
  EXPECT_EQ((*gpu)->binding().recompilations, 0);
}

}  // namespace
}  // namespace sluice
