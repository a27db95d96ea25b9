#include "apps/cutout/cutout.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "apps/cutout/batch.h"
#include "apps/cutout/catalogue.h"
#include "apps/cutout/composite.h"
#include "apps/cutout/locate.h"
#include "apps/cutout/matte.h"
#include "base/file.h"
#include "base/text.h"
#include "image/sample_files.h"

namespace sluice::apps::cutout {
namespace {

namespace fs = std::filesystem;
using image::Image;
using image::Planes;

// A folder of its own for each test, removed afterwards.
class Folder {
 public:
  Folder() {
    char name[] = "/tmp/sluice-cutout-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void write(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary)
      .write(text.data(), static_cast<std::streamsize>(text.size()));
}
void write(const std::string& path, const image::samples::File& file) {
  write(path, {reinterpret_cast<const char*>(file.data()), file.size()});
}

// A model stand-in: the matte is the red channel, as the prepared input shows it.
Manifest red_manifest(Layout layout, int side) {
  Manifest manifest;
  manifest.name = "red";
  manifest.input.layout = layout;
  manifest.input.width = manifest.input.height = side;
  return manifest;
}
Result<Tensor> red_channel(const Tensor& input) {
  const bool nchw = input.dim(1) == 3;
  const int64_t side = input.dim(2);
  auto out = Tensor::allocate(DType::kFloat32, Shape{1, 1, side, side});
  for (int64_t i = 0; i < side * side; ++i) {
    out->mutable_data<float>()[i] = input.data<float>()[nchw ? i : 3 * i];
  }
  return out;
}

TEST(Manifest, EveryFileOfTheCatalogueIsCompiledInAndReads) {
  size_t files = 0;
  for (const auto& entry : fs::directory_iterator(SLUICE_SOURCE_DIR "/models")) {
    if (entry.path().extension() != ".json") continue;
    ++files;
    const auto text = read_file(entry.path().string());
    ASSERT_TRUE(text.ok());
    const auto manifest = parse_manifest(*text);
    ASSERT_TRUE(manifest.ok()) << entry.path() << ": " << manifest.error().text();
    EXPECT_EQ(manifest->name, entry.path().stem().string());
    EXPECT_FALSE(manifest->licence.empty());
    EXPECT_FALSE(manifest->file.empty());
    bool compiled_in = false;
    for (const std::string_view one : catalogue_texts()) compiled_in = compiled_in || one == *text;
    EXPECT_TRUE(compiled_in) << entry.path();
    EXPECT_NE(find_in_catalogue(manifest->name), nullptr);
  }
  EXPECT_EQ(files, catalogue().size());
  EXPECT_EQ(find_in_catalogue("fast")->name, "selfie");
  EXPECT_EQ(find_in_catalogue("best")->name, "isnet");
  EXPECT_EQ(find_in_catalogue("none"), nullptr);
}

TEST(Manifest, RefusesWhatDoesNotFit) {
  const std::string good = R"({"name":"a","input":{"width":8,"height":8}})";
  ASSERT_TRUE(parse_manifest(good).ok());
  for (const char* bad :
       {"", "{", "[]", "3", R"({"name":"a"})", R"({"input":{"width":8}})",
        R"({"input":{"width":0,"height":8}})", R"({"input":{"width":9999,"height":8}})",
        R"({"input":{"width":"8","height":8}})", R"({"input":{"width":8,"height":8,"mean":[0,0]}})",
        R"({"input":{"width":8,"height":8,"std":[1,0,1]}})",
        R"({"input":{"width":8,"height":8,"layout":"CHWN"}})",
        R"({"input":{"width":8,"height":8,"typo":1}})", R"({"input":{"width":8,"height":8},"x":1})",
        R"({"input":{"width":8,"height":8},"sha256":"abc"})",
        R"({"input":{"width":8,"height":8},"file":"../x"})",
        R"({"input":{"width":8,"height":8},"url":"http://x"})",
        R"({"input":{"width":8,"height":8},"output":{"meaning":"magic"}})", R"({"input":5})"}) {
    const auto out = parse_manifest(bad);
    ASSERT_FALSE(out.ok()) << bad;
    EXPECT_EQ(out.error().code, ErrorCode::kInvalidModel);
  }
}

TEST(Color, ReadsCss) {
  EXPECT_EQ(parse_color("#f80"), (Rgba{255, 136, 0, 255}));
  EXPECT_EQ(parse_color("#F8008040"), (Rgba{248, 0, 128, 64}));
  EXPECT_EQ(parse_color("RebeccaPurple"), (Rgba{102, 51, 153, 255}));
  EXPECT_EQ(parse_color("transparent"), (Rgba{0, 0, 0, 0}));
  for (const char* bad : {"", "#", "#12", "#12345", "#gggggg", "rouge", "photo.jpg"}) {
    EXPECT_FALSE(parse_color(bad).has_value()) << bad;
  }
}

TEST(Prepare, AppliesTheManifestsNumbers) {
  auto picture = Image::filled(4, 4, 3, 0);
  for (int i = 0; i < 16; ++i) {
    picture->pixels()[static_cast<size_t>(3 * i)] = 51;
    picture->pixels()[static_cast<size_t>(3 * i + 2)] = 255;
  }
  InputSpec spec;
  spec.width = spec.height = 2;
  spec.mean = {0.1f, 0.2f, 0.5f};
  spec.std = {0.5f, 1.0f, 0.25f};
  for (const bool bgr : {false, true}) {
    for (const Layout layout : {Layout::kNchw, Layout::kNhwc}) {
      spec.bgr = bgr;
      spec.layout = layout;
      const auto out = prepare(*picture, spec);
      ASSERT_TRUE(out.ok());
      const float r = (51.0f / 255 - (bgr ? 0.5f : 0.1f)) / (bgr ? 0.25f : 0.5f);
      const float b = (1.0f - (bgr ? 0.1f : 0.5f)) / (bgr ? 0.5f : 0.25f);
      const bool nchw = layout == Layout::kNchw;
      EXPECT_EQ(out->input.shape(), nchw ? (Shape{1, 3, 2, 2}) : (Shape{1, 2, 2, 3}));
      const float* data = out->input.data<float>();
      EXPECT_NEAR(data[bgr ? (nchw ? 8 : 2) : 0], r, 1e-5);
      EXPECT_NEAR(data[bgr ? 0 : (nchw ? 8 : 2)], b, 1e-5);
    }
  }
}

TEST(Prepare, LetterboxKeepsTheAspect) {
  const Image wide = image::samples::picture(40, 10, 3);
  InputSpec spec;
  spec.width = spec.height = 20;
  spec.resize = ResizePolicy::kLetterbox;
  const auto out = prepare(wide, spec);
  ASSERT_TRUE(out.ok());
  EXPECT_EQ(out->placement.width, 20);
  EXPECT_EQ(out->placement.height, 5);
  EXPECT_EQ(out->placement.y, 7);
  EXPECT_EQ(out->input.data<float>()[0], 0.0f);
  const auto matte = red_channel(out->input);
  ASSERT_TRUE(matte.ok());
  const auto cropped = matte_of(*matte, {}, spec.layout, out->placement, 20, 20);
  ASSERT_TRUE(cropped.ok());
  EXPECT_EQ(cropped->width(), 20);
  EXPECT_EQ(cropped->height(), 5);
  EXPECT_NEAR(cropped->plane(0)[0], out->guide.plane(0)[0] / 255, 1e-5);
}

TEST(Matte, UnderstandsEveryMeaningAndLayout) {
  const Placement all{0, 0, 2, 2};
  const auto of = [&](Shape shape, std::initializer_list<float> values, OutputSpec spec,
                      Layout layout = Layout::kNchw) {
    auto out = matte_of(Tensor::of<float>(shape, values), spec, layout, all, 2, 2);
    EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().text());
    return out ? std::vector<float>(out->plane(0), out->plane(0) + 4) : std::vector<float>(4);
  };
  EXPECT_EQ(of({1, 1, 2, 2}, {0, 0.25f, -1, 2}, {}), (std::vector<float>{0, 0.25f, 0, 1}));
  EXPECT_EQ(of({1, 2, 2, 1}, {0, 0.25f, 0.5f, 1}, {}, Layout::kNhwc)[2], 0.5f);
  EXPECT_EQ(of({2, 2}, {0, 0.25f, 0.5f, 1}, {})[3], 1.0f);
  OutputSpec logits;
  logits.meaning = Meaning::kLogits;
  EXPECT_NEAR(of({1, 1, 2, 2}, {0, 2, -2, 100}, logits)[1], 0.880797, 1e-5);
  OutputSpec softmax;
  softmax.meaning = Meaning::kTwoClassSoftmax;
  EXPECT_NEAR(of({1, 2, 2, 2}, {0, 0, 0, 0, 0, 1, 2, 3}, softmax)[1], 0.731059, 1e-5);
  EXPECT_NEAR(of({1, 2, 2, 2}, {0, 0, 0, 1, 0, 2, 0, 3}, softmax, Layout::kNhwc)[1], 0.731059,
              1e-5);
  OutputSpec stretched;
  stretched.min_max = true;
  EXPECT_EQ(of({1, 1, 2, 2}, {2, 4, 6, 10}, stretched), (std::vector<float>{0, 0.25f, 0.5f, 1}));
  EXPECT_EQ(of({1, 1, 2, 2}, {0, 0, 0, 0}, stretched), (std::vector<float>(4)));
}

TEST(Matte, NeverMakesUpValues) {
  const Placement all{0, 0, 2, 2};
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    const auto out =
        matte_of(Tensor::of<float>({1, 1, 2, 2}, {0, bad, 0, 0}), {}, Layout::kNchw, all, 2, 2);
    ASSERT_FALSE(out.ok());
    EXPECT_EQ(out.error().code, ErrorCode::kInvalidModel);
  }
  for (const Shape& shape :
       {Shape{4}, Shape{1, 3, 2, 2}, Shape{2, 1, 2, 2}, Shape{1, 1, 0, 2}, Shape{}}) {
    auto tensor = Tensor::allocate(DType::kFloat32, shape);
    ASSERT_TRUE(tensor.ok());
    EXPECT_FALSE(matte_of(*tensor, {}, Layout::kNchw, all, 2, 2).ok()) << shape.text();
  }
}

TEST(Refine, ConstantsStayConstant) {
  const Image picture = image::samples::picture(90, 70, 3);
  for (const float value : {0.0f, 0.5f, 1.0f}) {
    auto matte = Planes::allocate(32, 32, 1);
    for (float& one : matte->data()) one = value;
    const auto guide = resize(picture, 32, 32);
    ASSERT_TRUE(guide.ok());
    const auto guided = guided_alpha(*matte, *guide, picture);
    const auto plain = bilinear_alpha(*matte, 90, 70);
    ASSERT_TRUE(guided.ok() && plain.ok());
    for (size_t i = 0; i < guided->pixels().size(); ++i) {
      ASSERT_NEAR(guided->pixels()[i], 255 * value, 1);
      ASSERT_NEAR(plain->pixels()[i], 255 * value, 1);
    }
  }
}

// A sharp edge in the picture and a coarse, displaced matte: the guided filter puts the edge back.
TEST(Refine, GuidedEdgesFollowThePicture) {
  auto picture = Image::allocate(256, 256, 3);
  for (int y = 0; y < 256; ++y) {
    for (int x = 0; x < 256; ++x) {
      for (int c = 0; c < 3; ++c) picture->row(y)[3 * x + c] = x < 131 ? 30 : 220;
    }
  }
  auto matte = Planes::allocate(64, 64, 1);
  for (int y = 0; y < 64; ++y) {
    for (int x = 0; x < 64; ++x) matte->row(0, y)[x] = x < 32 ? 0.0f : x == 32 ? 0.5f : 1.0f;
  }
  const auto guide = resize(*picture, 64, 64);
  const auto guided =
      guided_alpha(*matte, *guide, *picture, {.radius_fraction = 0.05f, .epsilon = 1e-4f});
  const auto plain = bilinear_alpha(*matte, 256, 256);
  ASSERT_TRUE(guided.ok() && plain.ok());
  const auto error = [](const Image& alpha) {
    double sum = 0;
    for (int x = 0; x < 256; ++x) sum += std::fabs(alpha.row(128)[x] - (x < 131 ? 0.0 : 255.0));
    return sum;
  };
  EXPECT_LT(error(*guided), error(*plain) * 0.75);
}

// A foreground of one colour over a background of another: the mixed edge gets the pure colour
// back.
TEST(Refine, ForegroundColoursAreUnmixed) {
  auto picture = Image::allocate(64, 64, 3);
  auto alpha = Image::allocate(64, 64, 1);
  const int front[3] = {200, 30, 60}, back[3] = {20, 220, 40};
  for (int y = 0; y < 64; ++y) {
    for (int x = 0; x < 64; ++x) {
      const int a = x < 24 ? 255 : x < 40 ? 255 - (x - 23) * 15 : 0;
      alpha->row(y)[x] = static_cast<uint8_t>(a);
      for (int c = 0; c < 3; ++c) {
        picture->row(y)[3 * x + c] =
            static_cast<uint8_t>((front[c] * a + back[c] * (255 - a) + 127) / 255);
      }
    }
  }
  const auto colors = foreground_colors(*picture, *alpha);
  ASSERT_TRUE(colors.ok());
  for (int x = 0; x < 38; ++x) {
    // What counts is how much of the error shows.
    for (int c = 0; c < 3; ++c) {
      const double error = std::abs(colors->row(32)[3 * x + c] - front[c]);
      EXPECT_LE(error * alpha->row(32)[x] / 255.0, 4) << x;
    }
  }
  EXPECT_EQ(colors->row(32)[3 * 50], 0);
}

// Two backends' masks differ by a step here and there: their colours then differ by as little.
TEST(Refine, ForegroundColoursDoNotHangOnAStepOfTheMask) {
  const Image picture = image::samples::picture(82, 102, 3);
  auto alpha = Image::allocate(82, 102, 1);
  for (int y = 0; y < 102; ++y) {
    for (int x = 0; x < 82; ++x) {
      const int inside = std::clamp(320 - 8 * std::abs(y - 51) - 5 * std::abs(x - 40), 0, 255);
      alpha->row(y)[x] = static_cast<uint8_t>(inside * (255 - x * 250 / 82) / 255);
    }
  }
  auto before = foreground_colors(picture, *alpha);
  ASSERT_TRUE(before.ok());
  for (int change = 0; change < 16; ++change) {
    uint8_t& step = alpha->row(30 + 2 * change)[40];
    step ^= 1;
    auto after = foreground_colors(picture, *alpha);
    ASSERT_TRUE(after.ok());
    int largest = 0;
    for (int y = 0; y < 102; ++y) {
      for (int i = 0; i < 3 * 82; ++i) {
        if (alpha->row(y)[i / 3] < 8) continue;  // where colours hardly show
        largest = std::max(largest, std::abs(after->row(y)[i] - before->row(y)[i]));
      }
    }
    EXPECT_LE(largest, 2) << change;
    before = std::move(after);
  }
}

TEST(Composite, LaysOverColourPictureAndNothing) {
  auto front = Image::filled(2, 1, 3, 200);
  auto alpha = Image::filled(2, 1, 1, 0);
  alpha->row(0)[0] = 255;
  const auto clear = transparent(*front, *alpha);
  ASSERT_TRUE(clear.ok());
  EXPECT_EQ(clear->row(0)[3], 255);
  EXPECT_EQ(clear->row(0)[4], 0);
  const auto red = over_color(*front, *alpha, {255, 0, 0, 255});
  ASSERT_TRUE(red.ok());
  EXPECT_EQ(red->channels(), 3);
  EXPECT_EQ(red->row(0)[0], 200);
  EXPECT_EQ(red->row(0)[3], 255);
  const auto half = over_color(*front, *alpha, {255, 0, 0, 128});
  ASSERT_TRUE(half.ok());
  EXPECT_EQ(half->row(0)[7], 128);
  EXPECT_EQ(half->row(0)[4], 255);
  const Image scene = image::samples::picture(30, 90, 4);
  const auto over = over_picture(*front, *alpha, scene);
  ASSERT_TRUE(over.ok());
  EXPECT_EQ(over->width(), 2);
  EXPECT_EQ(over->row(0)[0], 200);
}

TEST(CutOut, RunsTheWholeWayAndTimesIt) {
  const Image picture = image::samples::picture(120, 80, 3);
  for (const Layout layout : {Layout::kNchw, Layout::kNhwc}) {
    PhaseTimes times;
    CutOptions options;
    const auto out = cut_out(picture, red_manifest(layout, 48), red_channel, options, times);
    ASSERT_TRUE(out.ok()) << out.error().text();
    EXPECT_EQ(out->channels(), 4);
    EXPECT_EQ(out->width(), 120);
    EXPECT_GT(out->row(40)[60 * 4 + 3], 180);
    EXPECT_GT(times.run, 0);
    options.mask = true;
    options.refine = false;
    const auto mask = cut_out(picture, red_manifest(layout, 48), red_channel, options, times);
    ASSERT_TRUE(mask.ok());
    EXPECT_EQ(mask->channels(), 1);
    EXPECT_NEAR(mask->row(40)[60], 220, 6);
  }
  // The picture's own transparency stays.
  const Image glass = image::samples::picture(60, 40, 4);
  PhaseTimes times;
  const auto out = cut_out(glass, red_manifest(Layout::kNchw, 32), red_channel, {}, times);
  ASSERT_TRUE(out.ok());
  for (int x = 0; x < 60; ++x) EXPECT_LE(out->row(20)[4 * x + 3], glass.row(20)[4 * x + 3]);
  const auto fails = cut_out(
      glass, red_manifest(Layout::kNchw, 32),
      [](const Tensor&) -> Result<Tensor> { return internal_error("no"); }, {}, times);
  EXPECT_FALSE(fails.ok());
}

TEST(Guess, SaysWhatItTakesForGranted) {
  const auto out =
      guess_manifest({{"x", Type::tensor(DType::kFloat32, {1, 3, Dim::symbol("H"), 320})}},
                     {{"a", Type::tensor(DType::kFloat32, {1, 7, 4, 4})},
                      {"b", Type::tensor(DType::kFloat32, {1, 1, 320, 320})}});
  ASSERT_TRUE(out.ok());
  EXPECT_EQ(out->manifest.input.width, 320);
  EXPECT_EQ(out->manifest.input.height, 512);
  EXPECT_EQ(out->manifest.output.name, "b");
  EXPECT_NE(out->sentence.find("ImageNet"), std::string::npos);
  EXPECT_FALSE(guess_manifest({}, {}).ok());
  EXPECT_FALSE(guess_manifest({{"x", Type::tensor(DType::kInt64, {1, 77})}}, {}).ok());
  EXPECT_FALSE(guess_manifest({{"x", Type::tensor(DType::kFloat32, {1, 3, 8, 8})}},
                              {{"y", Type::tensor(DType::kFloat32, {1, 1, 8, 8})}})
                   .ok());
}

TEST(Batch, NamesOutputsWithoutClashes) {
  Folder folder;
  fs::create_directory(folder / "more");
  for (const char* name :
       {"a.png", "a.jpg", "b.png", "more/a.png", "more/z.webp", "more/notes.txt"}) {
    write(folder / name, "x");
  }
  const auto jobs =
      plan_jobs({folder / "a.png", folder / "a.jpg", folder / "more", folder / "b.png"},
                folder.path(), OutputFormat::kPng, false);
  ASSERT_TRUE(jobs.ok());
  std::string names;
  for (const Job& job : *jobs) names += fs::path(job.output).filename().string() + " ";
  EXPECT_EQ(names, "a-cutout.png a-cutout-2.png a-cutout-3.png z.png b-cutout.png ");
  const auto masks = plan_jobs({folder / "a.png"}, folder / "out", OutputFormat::kWebp, true);
  ASSERT_TRUE(masks.ok());
  EXPECT_EQ(fs::path((*masks)[0].output).filename().string(), "a-mask.webp");
  EXPECT_FALSE(plan_jobs({folder / "out"}, folder.path(), OutputFormat::kPng, false)->empty());
}

TEST(Batch, SkipsBadOnesKeepsFinishedOnesAndRecordsAll) {
  Folder folder;
  const Image picture = image::samples::picture(50, 40, 3);
  write(folder / "one.jpg", image::samples::jpeg(picture, image::samples::JpegKind::kColor));
  auto broken = image::samples::jpeg(picture, image::samples::JpegKind::kColor);
  broken.resize(broken.size() / 2);
  write(folder / "two.jpg", broken);
  write(folder / "three.png", "no picture");
  write(folder / "four.jpg",
        image::samples::jpeg_with_exif(
            image::samples::jpeg(picture, image::samples::JpegKind::kGrey), 6, true));
  const auto jobs = plan_jobs({folder / "one.jpg", folder / "two.jpg", folder / "missing.jpg",
                               folder / "three.png", folder / "four.jpg"},
                              folder / "out", OutputFormat::kPng, false);
  ASSERT_TRUE(jobs.ok());
  fs::create_directory(folder / "out");
  const Manifest manifest = red_manifest(Layout::kNchw, 32);
  const RunModel run = red_channel;
  int opened = 0, finished = 0;
  const OpenModel open = [&](const Manifest** which) -> Result<const RunModel*> {
    ++opened;
    *which = &manifest;
    return &run;
  };
  const auto count = [&](const Progress& news) { finished += news.record != nullptr; };
  const auto records = run_batch(*jobs, {}, open, count);
  ASSERT_TRUE(records.ok());
  const Status want[] = {Status::kDone, Status::kFailed, Status::kFailed, Status::kFailed,
                         Status::kDone};
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ((*records)[i].status, want[i]) << (*records)[i].error;
    EXPECT_EQ(fs::exists((*jobs)[i].output), want[i] == Status::kDone);
  }
  EXPECT_EQ(finished, 5);
  EXPECT_EQ((*records)[4].width, 40);  // turned upright
  EXPECT_EQ(opened, 2);                // a file that cannot be decoded needs no model

  opened = 0;
  const auto again = run_batch(*jobs, {}, open, {});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ((*again)[0].status, Status::kKept);
  EXPECT_EQ(opened, 0);
  BatchOptions force;
  force.force = true;
  EXPECT_EQ((*run_batch(*jobs, force, open, {}))[0].status, Status::kDone);

  const std::string json = records_json({{"model", "red"}}, *records);
  EXPECT_NE(json.find("\"status\": \"failed\""), std::string::npos);
  EXPECT_NE(json.find("\"decode\""), std::string::npos);
  const OpenModel broken_model = [](const Manifest**) -> Result<const RunModel*> {
    return invalid_model("broken");
  };
  EXPECT_FALSE(run_batch(*jobs, force, broken_model, {}).ok());
}

TEST(Locate, FindsChecksAndExplains) {
  Folder folder;
  LocateOptions options;
  options.folders = {folder.path()};
  const auto missing = locate("best", options);
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.error().text().find("SLUICE_MODELS"), std::string::npos);
  const auto unpinned = locate("birefnet", options);
  ASSERT_FALSE(unpinned.ok());
  EXPECT_NE(unpinned.error().text().find("--model FILE"), std::string::npos);
  EXPECT_FALSE(locate(folder / "nothing.onnx", options).ok());
  // A file of the right name and the wrong bytes is not used.
  write(folder / "selfie_segmentation.tflite", "not it");
  const auto wrong = locate("fast", options);
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().code, ErrorCode::kInvalidModel);

  write(folder / "own.onnx", "weights");
  const auto bare = locate(folder / "own.onnx", options);
  ASSERT_TRUE(bare.ok());
  EXPECT_FALSE(bare->has_manifest);
  write(folder / "own.json", R"({"name":"own","input":{"width":64,"height":32}})");
  const auto own = locate(folder / "own.onnx", options);
  ASSERT_TRUE(own.ok());
  EXPECT_EQ(own->manifest.input.height, 32);
  write(folder / "own.json", "{");
  EXPECT_FALSE(locate(folder / "own.onnx", options).ok());
}

TEST(Locate, DownloadsOnlyPinnedHttps) {
  Folder folder;
  EXPECT_FALSE(download("http://example.com/x", folder / "x", std::string(64, 'a'), 3).ok());
  EXPECT_FALSE(download("https://example.com/x", folder / "x", "", 3).ok());
  EXPECT_FALSE(fs::exists(folder / "x"));
}

// A stand-in for curl: whatever the transfer does, only the right bytes get the final name.
TEST(Locate, DownloadIsResumedCheckedAndAtomic) {
  Folder folder;
  write(folder / "payload", "the weights");
  // Continues a part where asked to, as curl does; LIMIT cuts the transfer.
  write(folder / "curl", R"sh(#!/bin/sh
out=""; resume=0
while [ $# -gt 0 ]; do
  case "$1" in --output) out=$2; shift;; --continue-at) resume=1; shift;; esac; shift
done
here=$(dirname "$0"); have=0
[ $resume = 1 ] && [ -f "$out" ] && have=$(wc -c < "$out")
[ $have = 0 ] && : > "$out"
tail -c +$((have + 1)) "$here/payload" | head -c "${LIMIT:-1000}" >> "$out"
[ -z "$LIMIT" ] || exit 18
)sh");
  fs::permissions(folder / "curl", fs::perms::owner_all);
  const std::string path = std::getenv("PATH") == nullptr ? "" : std::getenv("PATH");
  setenv("PATH", (folder.path() + ":" + path).c_str(), 1);
  const auto hash = file_sha256(folder / "payload");
  ASSERT_TRUE(hash.ok());
  const std::string target = folder / "model", part = target + ".part";
  for (const char* limit : {"0", "1", "4", "10"}) {
    fs::remove(part);
    setenv("LIMIT", limit, 1);
    const auto cut = download("https://example.com/m", target, *hash, 11);
    ASSERT_FALSE(cut.ok());
    EXPECT_EQ(cut.error().code, ErrorCode::kResource);
    EXPECT_FALSE(fs::exists(target));
    unsetenv("LIMIT");
    EXPECT_TRUE(download("https://example.com/m", target, *hash, 11).ok());
    EXPECT_EQ(*file_sha256(target), *hash);
    fs::remove(target);
  }
  // A part of another file does not continue: it starts again and comes out right.
  write(part, "something else entirely");
  EXPECT_TRUE(download("https://example.com/m", target, *hash, 11).ok());
  fs::remove(target);
  // Wrong bytes with success: refused, nothing kept.
  const auto wrong = download("https://example.com/m", target, std::string(64, '0'), 11);
  ASSERT_FALSE(wrong.ok());
  EXPECT_FALSE(fs::exists(target));
  EXPECT_FALSE(fs::exists(part));
  setenv("PATH", path.c_str(), 1);
}

}  // namespace
}  // namespace sluice::apps::cutout
