// Jobs on WebGPU as a user does them: a picture cut out, and a stateful model stepped with its
// state fed back. Against the CPU, whose results outside oracles have checked. Not run where the
// models or an adapter are not there.
#include <array>
#include <ctime>
#include <filesystem>
#include <numeric>
#include <set>

#include "apps/cutout/cutout.h"
#include "apps/cutout/locate.h"
#include "apps/cutout/model.h"
#include "base/file.h"
#include "base/hash.h"
#include "exec/webgpu/executor.h"
#include "gpu/on_device.h"
#include "image/image.h"
#include "plan/device_layout.h"

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

// Every model at hand, compiled for the limits that WebGPU guarantees.
TEST(GpuModels, PlansStayWithinTheGuaranteedLimits) {
  const plan::Limits guaranteed;
  EXPECT_EQ(guaranteed.max_storage_buffers_per_stage, 8u);
  EXPECT_EQ(guaranteed.max_storage_binding_bytes, uint64_t{128} << 20);
  std::vector<std::filesystem::path> files;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(kModels, ignored)) {
    files.push_back(entry.path());
  }
  const std::string folder = SLUICE_BINARY_DIR "/data/onnx-models";
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    files.push_back(entry.path() / "model.onnx");
  }
  std::ranges::sort(files);
  int plans = 0;
  for (const std::filesystem::path& file : files) {
    if (file.extension() != ".onnx" && file.extension() != ".tflite") continue;
    if (!std::filesystem::exists(file)) continue;
    SCOPED_TRACE(file.string());
    const auto graph = session::load_graph(file.string());
    ASSERT_TRUE(graph.ok()) << graph.error().text();
    session::Options options;
    options.limits = guaranteed;
    const auto planned = session::plan_for_gpu(**graph, options, {});
    ASSERT_TRUE(planned.ok()) << planned.error().text();
    // Extents that are open are 1 here.
    Dim::Environment symbols;
    for (const plan::SlotId id : planned->plan->inputs) {
      const Type& type = planned->plan->slot(id).type;
      if (!type.dims) continue;
      Shape shape;
      for (const Dim& dim : *type.dims) shape.push_back(dim.is_known() ? dim.value() : 1);
      const auto stand_in = Tensor::shape_only(type.dtype, shape);
      (void)plan::bind_symbols(type, stand_in, "a stand-in", symbols);
    }
    const auto layout = plan::lay_out_device(*planned->plan, symbols);
    if (!layout.ok()) {
      std::printf("  %-44s sizes only a run knows: %s\n", file.filename().c_str(),
                  layout.error().message.c_str());
      continue;
    }
    ++plans;
    const std::string name =
        file.stem() == "model" ? file.parent_path().filename().string() : file.filename().string();
    std::printf("  %-44s at most %u storage buffers, largest binding %.1f MiB, %zu islands\n",
                name.c_str(), layout->most_storage_buffers,
                static_cast<double>(layout->largest_binding_bytes) / (1 << 20),
                planned->islands.size());
    EXPECT_LE(layout->most_storage_buffers, 8u);
    EXPECT_LE(layout->largest_binding_bytes, uint64_t{128} << 20);
    EXPECT_LE(layout->largest_buffer_bytes, uint64_t{256} << 20);
  }
  if (plans == 0) GTEST_SKIP() << "not run: there are no models";
}

// Real models with all they are made of: the same bits every time, whatever memory held, and how
// long the driver was kept busy at a stretch. Without SLUICE_LONG four runs of one model.
TEST(GpuModels, TwentyRunsGiveOneHash) {
  SLUICE_NEED_DEVICE();
  const bool everything = gpu_tests::long_run();
  const auto device = everything ? gpu_tests::patient_device(held) : held.device;
  ASSERT_NE(device, nullptr);
  int models = 0;
  struct Row {
    const char* name;
    int runs;
  };
  const Row rows[] = {{"selfie_segmentation.tflite", everything ? 20 : 4},
                      {"hand_landmark_lite.tflite", everything ? 20 : 0},
                      {"isnet_f32_256.onnx", everything ? 4 : 0}};
  for (const auto& [name, runs] : rows) {
    if (runs == 0 || !std::filesystem::exists(cat(kModels, "/", name))) continue;
    SCOPED_TRACE(name);
    const auto graph = session::load_graph(cat(kModels, "/", name));
    ASSERT_TRUE(graph.ok()) << graph.error().text();
    const auto planned = session::plan_for_gpu(**graph, gpu_tests::software(), device->features(),
                                               device->adapter().software);
    ASSERT_TRUE(planned.ok()) << planned.error().text();
    ASSERT_TRUE(planned->islands.empty());
    double most_flops = 0;
    for (const plan::Step& step : planned->plan->steps) {
      for (const plan::Dispatch& one : step.dispatches) {
        most_flops = std::max(most_flops, one.flops);
      }
    }
    EXPECT_LE(most_flops, device->adapter().software ? 1e8 : 2e10);
    std::vector<Value> feeds;
    for (const plan::SlotId id : planned->plan->inputs) {
      feeds.emplace_back(op::case_floats(*planned->plan->slot(id).type.shape(), 3));
    }
    std::set<std::array<uint8_t, 32>> hashes;
    std::vector<float> submits;
    double processor_seconds = 0;
    const auto run = [&](exec::webgpu::Executor& executor) {
      const std::clock_t begin = std::clock();
      const auto got = executor.run(feeds, {});
      processor_seconds += static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
      ASSERT_TRUE(got.ok()) << got.error().text();
      Sha256 hash;
      for (const Value& value : *got) hash.update(value.tensor().bytes());
      hashes.insert(hash.finish());
      const auto& measured = executor.last_run().submit_seconds;
      submits.insert(submits.end(), measured.begin(), measured.end());
    };
    // Memory as it comes and as runs before left it; NaNs; random bits.
    for (const auto& [fill, random] : {std::pair<std::optional<uint32_t>, bool>{{}, false},
                                       {0x7fc0ffeeU, false},
                                       {0xffffffffU, false},
                                       {7U, true}}) {
      exec::webgpu::ExecutorOptions options;
      options.fill_word = fill;
      options.fill_random = random;
      auto executor = exec::webgpu::Executor::create(planned->plan, device, options);
      ASSERT_TRUE(executor.ok()) << executor.error().text();
      for (int i = 0; i < runs / 4; ++i) run(**executor);
      if (HasFatalFailure()) return;
    }
    EXPECT_EQ(hashes.size(), 1u);
    ++models;
    std::ranges::sort(submits);
    if (submits.empty()) submits.push_back(0);
    // On a software adapter, the share of the machine that it got: times grow as that falls.
    const double busy = std::accumulate(submits.begin(), submits.end(), 0.0);
    std::printf(
        "  %s: %d runs, %zu hash; %zu submits, median %.0f ms, p99 %.0f ms, longest %.0f ms; %.1f "
        "s "
        "of processor time in %.1f s of submits\n",
        name, runs, hashes.size(), submits.size(), 1e3 * submits[submits.size() / 2],
        1e3 * submits[submits.size() * 99 / 100], 1e3 * submits.back(), processor_seconds, busy);
  }
  if (models == 0) GTEST_SKIP() << "not run: there are no models";
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
