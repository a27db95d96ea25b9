// TFLite models against outside answers: real models against LiteRT (golden-litert-web.json), one
// operator each against Glow's floats and TensorFlow Lite Micro's int16 layers, and LiteRT's own
// test models for loading and running at all. Data lies in build/data; without it a test reports
// "not run".

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/json.h"
#include "base/text.h"
#include "format/tflite/reader.h"
#include "gpu/on_device.h"
#include "image/image.h"
#include "session/session.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

fs::path data_root() { return fs::path(SLUICE_BINARY_DIR) / "data"; }

std::string file_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// The generator of inputs that the goldens were made with (README of the data).
Tensor generated(DType dtype, const Shape& shape) {
  Tensor out = std::move(Tensor::allocate(dtype, shape)).value();
  for (int64_t i = 0; i < out.elements(); ++i) {
    const uint32_t h = static_cast<uint32_t>(static_cast<uint64_t>(i + 1) * 2654435761u);
    const double u = static_cast<double>(h / 256) / 16777216.0;
    switch (dtype) {
      case DType::kFloat32:
      case DType::kFloat64:
        out.set_double(i, 2 * u - 1);
        break;
      case DType::kFloat16:
        out.set_double(i, std::floor(512 * u) / 256 - 1);
        break;
      case DType::kInt8:
        out.set_int(i, static_cast<int64_t>(std::floor(256 * u)) - 128);
        break;
      case DType::kUInt8:
        out.set_int(i, static_cast<int64_t>(std::floor(256 * u)));
        break;
      case DType::kInt16:
        out.set_int(i, static_cast<int64_t>(std::floor(65536 * u)) - 32768);
        break;
      case DType::kBool:
        out.set_int(i, u >= 0.5);
        break;
      default:
        if (dtype != DType::kString) out.set_int(i, static_cast<int64_t>(std::floor(2 * u)));
    }
  }
  return out;
}

Shape concrete(const Type& type) {
  Shape shape;
  if (type.dims) {
    for (const Dim& dim : *type.dims) shape.push_back(dim.get().value_or(1));
  }
  return shape;
}

struct Difference {
  double worst_absolute = 0;
  double worst_excess = 0;  // |e| / (atol + rtol |r|)
  int64_t beyond = 0;       // elements whose excess is above 1
  int64_t compared = 0;
};

void compare_one(Difference& d, double got, double want, double atol, double rtol) {
  ++d.compared;
  const double e = std::abs(got - want);
  if (got == want) return;
  const double excess = e / (atol + rtol * std::abs(want));
  if (!(excess <= 1)) ++d.beyond;
  d.worst_absolute = std::max(d.worst_absolute, e);
  d.worst_excess = std::isnan(excess) ? 1e30 : std::max(d.worst_excess, excess);
}

TEST(TfliteModels, GoldensOfLiteRt) {
  const fs::path folder = data_root() / "tflite-models";
  if (!fs::exists(folder / "golden-litert-web.json"))
    GTEST_SKIP() << "not run: tflite-models is not unpacked";
  const auto goldens = parse_json(file_text(folder / "golden-litert-web.json"));
  for (const auto& golden : goldens) {
    const std::string name = golden["model"];
    SCOPED_TRACE(name);
    auto session = session::Session::load((folder / name).string());
    ASSERT_TRUE(session.ok()) << session.error().text();
    session::NamedValues feeds;
    ASSERT_EQ((*session)->inputs().size(), golden["inputs"].size());
    for (size_t i = 0; i < (*session)->inputs().size(); ++i) {
      const auto& info = (*session)->inputs()[i];
      Shape shape;
      for (const int64_t dim : golden["inputs"][i]["shape"]) shape.push_back(dim);
      feeds.emplace_back(info.name, generated(info.type.dtype, shape));
    }
    auto results = (*session)->run(feeds);
    ASSERT_TRUE(results.ok()) << results.error().text();
    for (size_t o = 0; o < golden["outputs"].size(); ++o) {
      const auto& want = golden["outputs"][o];
      // LiteRT for the web names and orders outputs as the file does.
      const Tensor& got = (*results)[o].second.tensor();
      ASSERT_EQ(got.elements(), want["elements"].get<int64_t>());
      const int64_t stride = want["stride"];
      Difference d;
      const bool quantized = is_integer(got.dtype());
      // LiteRT quantizes the activations of int4 layers on the way; we don't, so its own rounding
      // (1/255 of the input's range, per product) is what separates us.
      const bool hybrid = name.starts_with("qwen_fc");
      for (size_t i = 0; i < want["values"].size(); ++i) {
        compare_one(d, got.get_double(static_cast<int64_t>(i) * stride),
                    want["values"][i].get<double>(),
                    quantized ? 2
                    : hybrid  ? 0.03
                              : 1e-4,
                    quantized ? 0 : 1e-3);
      }
      std::printf("  %-44s %-28s worst |e| %.3g, %.3g of the tolerance\n", name.c_str(),
                  want["name"].get<std::string>().c_str(), d.worst_absolute, d.worst_excess);
      // Hair segmentation carries the places of maxima: where two neighbours are equal but for the
      // rounding of a sum, LiteRT picks one and we the other, and that place differs.
      EXPECT_LE(d.beyond, name.starts_with("hair") ? d.compared / 500 : 0)
          << want["name"] << ": " << d.beyond << " of " << d.compared << " differ, worst |e| "
          << d.worst_absolute << ", " << d.worst_excess << " times the tolerance";
    }
  }
}

// X.inpN and X.outN: a zero byte, then the raw tensor.
TEST(TfliteModels, GlowOperators) {
  const fs::path folder = data_root() / "tflite-op-tests" / "glow";
  if (!fs::exists(folder)) GTEST_SKIP() << "not run: tflite-op-tests is not unpacked";
  int ran = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".tflite") continue;
    SCOPED_TRACE(entry.path().filename().string());
    session::Options options;
    options.backend = session::Backend::kReference;
    auto session = session::Session::load(entry.path().string(), options);
    if (!session.ok()) {
      ADD_FAILURE() << session.error().text();
      continue;
    }
    session::NamedValues feeds;
    for (size_t i = 0; i < (*session)->inputs().size(); ++i) {
      const auto& info = (*session)->inputs()[i];
      const std::string raw = file_text(fs::path(entry.path()).replace_extension(cat(".inp", i)));
      Tensor tensor = std::move(Tensor::allocate(info.type.dtype, concrete(info.type))).value();
      ASSERT_EQ(raw.size(), tensor.size_bytes() + 1) << info.name << " " << info.type.text();
      std::memcpy(tensor.mutable_bytes().data(), raw.data() + 1, tensor.size_bytes());
      feeds.emplace_back(info.name, std::move(tensor));
    }
    auto results = (*session)->run(feeds);
    if (!results.ok()) {
      ADD_FAILURE() << results.error().text();
      continue;
    }
    for (size_t o = 0; o < results->size(); ++o) {
      const std::string raw = file_text(fs::path(entry.path()).replace_extension(cat(".out", o)));
      const Tensor& got = (*results)[o].second.tensor();
      ASSERT_EQ(raw.size(), got.size_bytes() + 1) << (*results)[o].first << " " << got.text();
      Tensor want = std::move(Tensor::allocate(got.dtype(), got.shape())).value();
      std::memcpy(want.mutable_bytes().data(), raw.data() + 1, want.size_bytes());
      Difference d;
      for (int64_t i = 0; i < got.elements(); ++i)
        compare_one(d, got.get_double(i), want.get_double(i), 1e-5, 1e-4);
      EXPECT_EQ(d.beyond, 0) << "output " << o << " " << got.text() << ": " << d.beyond << " of "
                             << d.compared << " differ, worst |e| " << d.worst_absolute;
    }
    ++ran;
  }
  EXPECT_GE(ran, 55);
}

std::vector<int64_t> csv_numbers(const fs::path& path) {
  std::vector<int64_t> out;
  std::string text = file_text(path);
  for (char& c : text) {
    if (c == '\n' || c == '\r' || c == ' ') c = ',';
  }
  for (const auto& part : split(text, ',')) {
    if (const auto value = parse_int(trim(part))) out.push_back(*value);
  }
  return out;
}

// int16 layers: the answer may differ by the last steps, since we compute in floats between
// quantized values and the integer kernels round several times.
TEST(TfliteModels, SeanetInt16Layers) {
  const fs::path folder = data_root() / "tflite-op-tests" / "seanet-int16";
  if (!fs::exists(folder)) GTEST_SKIP() << "not run: tflite-op-tests is not unpacked";
  int ran = 0;
  std::map<int64_t, int> histogram;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".tflite") continue;
    const std::string stem = entry.path().stem().string();
    SCOPED_TRACE(stem);
    session::Options options;
    options.backend = session::Backend::kReference;
    auto session = session::Session::load(entry.path().string(), options);
    if (!session.ok()) {
      ADD_FAILURE() << session.error().text();
      continue;
    }
    session::NamedValues feeds;
    for (size_t i = 0; i < (*session)->inputs().size(); ++i) {
      const auto& info = (*session)->inputs()[i];
      const auto numbers =
          csv_numbers(entry.path().parent_path() /
                      cat(stem, "_input", i, "_", dtype_name(info.type.dtype), ".csv"));
      Tensor tensor = std::move(Tensor::allocate(info.type.dtype, concrete(info.type))).value();
      ASSERT_EQ(static_cast<int64_t>(numbers.size()), tensor.elements())
          << info.name << " " << info.type.text();
      for (size_t k = 0; k < numbers.size(); ++k)
        tensor.set_int(static_cast<int64_t>(k), numbers[k]);
      feeds.emplace_back(info.name, std::move(tensor));
    }
    auto results = (*session)->run(feeds);
    if (!results.ok()) {
      ADD_FAILURE() << results.error().text();
      continue;
    }
    const Tensor& got = (*results)[0].second.tensor();
    const auto want = csv_numbers(entry.path().parent_path() /
                                  cat(stem, "_golden_", dtype_name(got.dtype()), ".csv"));
    ASSERT_EQ(static_cast<int64_t>(want.size()), got.elements()) << got.text();
    int64_t worst = 0;
    for (size_t k = 0; k < want.size(); ++k) {
      worst = std::max<int64_t>(worst, std::abs(got.get_int(static_cast<int64_t>(k)) - want[k]));
    }
    ++histogram[worst];
    // The one int32 output has steps 2^16 times finer than the int16 numbers it is made from.
    EXPECT_LE(worst, got.dtype() == DType::kInt32 ? 8 : 2) << got.text();
    ++ran;
  }
  for (const auto& [steps, layers] : histogram) {
    std::printf("  %d layers differ by at most %lld steps\n", layers,
                static_cast<long long>(steps));
  }
  EXPECT_GE(ran, 90);
}

// LiteRT's test models have no goldens: what must run, runs; what can't says why in a sentence.
TEST(TfliteModels, LiteRtTestModelsLoadAndRun) {
  const fs::path folder = data_root() / "tflite-op-tests" / "litert-testdata";
  if (!fs::exists(folder)) GTEST_SKIP() << "not run: tflite-op-tests is not unpacked";
  int ran = 0, refused = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    session::Options options;
    options.backend = session::Backend::kReference;
    auto session = session::Session::load(entry.path().string(), options);
    if (!session.ok()) {
      std::printf("  refused: %s\n",
                  session.error().text().c_str() + entry.path().parent_path().string().size() + 1);
      EXPECT_TRUE(session.error().code == ErrorCode::kUnsupported ||
                  session.error().code == ErrorCode::kInvalidModel);
      ++refused;
      continue;
    }
    session::NamedValues feeds;
    for (const auto& info : (*session)->inputs())
      feeds.emplace_back(info.name, generated(info.type.dtype, concrete(info.type)));
    auto results = (*session)->run(feeds);
    // One model takes the shape that it scatters into as an input, and zeros make it too small.
    const bool told =
        !results.ok() && results.error().message.find("out of range") != std::string::npos;
    EXPECT_TRUE(results.ok() || told) << entry.path().filename() << ": " << results.error().text();
    ran += results.ok();
  }
  std::printf("  %d run, %d refused\n", ran, refused);
  EXPECT_GE(ran, 70);
}

// The same networks in both formats, or pictures with a known answer.
TEST(TfliteModels, HandRecropEqualsItsOnnxForm) {
  const fs::path tflite = data_root() / "tflite-models" / "hand_recrop.tflite";
  const fs::path onnx = data_root() / "onnx-models" / "hand_recrop" / "model.onnx";
  if (!fs::exists(tflite) || !fs::exists(onnx))
    GTEST_SKIP() << "not run: the model archives are not unpacked";
  std::vector<double> answers[2];
  int k = 0;
  for (const auto& path : {tflite, onnx}) {
    auto session = session::Session::load(path.string());
    ASSERT_TRUE(session.ok()) << session.error().text();
    const auto& info = (*session)->inputs()[0];
    auto results = (*session)->run({{info.name, generated(DType::kFloat32, concrete(info.type))}});
    ASSERT_TRUE(results.ok()) << results.error().text();
    answers[k++] = (*results)[0].second.tensor().to_doubles();
  }
  ASSERT_EQ(answers[0].size(), answers[1].size());
  for (size_t i = 0; i < answers[0].size(); ++i) {
    EXPECT_NEAR(answers[0][i], answers[1][i], 1e-4 + 1e-3 * std::abs(answers[1][i]));
  }
}

TEST(TfliteModels, BasicPitchEqualsItsOnnxForm) {
  const fs::path tflite = data_root() / "tflite-models" / "nmp.tflite";
  const fs::path onnx = data_root() / "onnx-models" / "basic-pitch-nmp" / "model.onnx";
  if (!fs::exists(tflite) || !fs::exists(onnx))
    GTEST_SKIP() << "not run: the model archives are not unpacked";
  std::map<std::string, std::vector<double>> answers[2];
  int k = 0;
  for (const auto& path : {tflite, onnx}) {
    auto session = session::Session::load(path.string());
    ASSERT_TRUE(session.ok()) << session.error().text();
    const auto& info = (*session)->inputs()[0];
    auto results = (*session)->run({{info.name, generated(DType::kFloat32, Shape{1, 43844, 1})}});
    ASSERT_TRUE(results.ok()) << results.error().text();
    for (const auto& [name, value] : *results) answers[k][name] = value.tensor().to_doubles();
    ++k;
  }
  int compared = 0;
  for (const auto& [name, got] : answers[0]) {
    const auto want = answers[1].find(name);
    if (want == answers[1].end()) continue;
    ASSERT_EQ(got.size(), want->second.size()) << name;
    Difference d;
    for (size_t i = 0; i < got.size(); ++i) compare_one(d, got[i], want->second[i], 1e-4, 1e-3);
    std::printf("  %s worst |e| %.3g\n", name.c_str(), d.worst_absolute);
    EXPECT_EQ(d.beyond, 0) << name << ": worst |e| " << d.worst_absolute;
    ++compared;
  }
  EXPECT_EQ(compared, 3);
}

// The bytes of a grey picture shaped as the model's input: as int8 they are pixel - 128, or, as the
// examples of TensorFlow Lite Micro hand them over, the same bits.
Result<Tensor> grey_input(const fs::path& path, const Type& type, bool same_bits) {
  const std::string file = file_text(path);
  SLUICE_ASSIGN(const image::Decoded decoded, image::decode(std::as_bytes(std::span(file))));
  const Shape shape = concrete(type);
  SLUICE_ASSIGN(Tensor out, Tensor::allocate(type.dtype, shape));
  const size_t channels = static_cast<size_t>(decoded.image.channels());
  const auto pixels = decoded.image.pixels();
  if (static_cast<int64_t>(pixels.size() / channels) != out.elements())
    return usage_error(cat("The picture is not ", shape.text()));
  for (int64_t i = 0; i < out.elements(); ++i) {
    const uint8_t pixel = pixels[static_cast<size_t>(i) * channels];
    out.set_int(i, same_bits ? static_cast<int8_t>(pixel) : pixel - 128);
  }
  return out;
}

Result<std::vector<double>> picture_scores(const fs::path& model, const fs::path& picture,
                                           bool same_bits) {
  SLUICE_ASSIGN(const auto session, session::Session::load(model.string()));
  const auto& info = session->inputs()[0];
  SLUICE_ASSIGN(Tensor input, grey_input(picture, info.type, same_bits));
  SLUICE_ASSIGN(const auto results, session->run({{info.name, std::move(input)}}));
  return results[0].second.tensor().to_doubles();
}

TEST(TfliteModels, PersonDetection) {
  const fs::path folder = data_root() / "tflite-models";
  if (!fs::exists(folder / "person_detect.tflite"))
    GTEST_SKIP() << "not run: tflite-models is not unpacked";
  for (const bool person : {true, false}) {
    const auto scores =
        picture_scores(folder / "person_detect.tflite",
                       folder / "inputs" / (person ? "person.bmp" : "no_person.bmp"), true);
    ASSERT_TRUE(scores.ok()) << scores.error().text();
    ASSERT_EQ(scores->size(), 2u);
    EXPECT_EQ((*scores)[1] > (*scores)[0], person) << (*scores)[0] << " " << (*scores)[1];
  }
}

TEST(TfliteModels, DigitsByAnInt8Lstm) {
  const fs::path folder = data_root() / "tflite-models";
  if (!fs::exists(folder / "trained_lstm_int8.tflite"))
    GTEST_SKIP() << "not run: tflite-models is not unpacked";
  for (const auto& [file, digit] : {std::pair<std::string, int>{"mnist_0_1009.png", 0},
                                    {"mnist_1_1008.png", 1},
                                    {"mnist_2_1065.png", 2},
                                    {"mnist_7_1055.png", 7}}) {
    const auto scores =
        picture_scores(folder / "trained_lstm_int8.tflite", folder / "inputs" / file, false);
    ASSERT_TRUE(scores.ok()) << scores.error().text();
    EXPECT_EQ(std::ranges::max_element(*scores) - scores->begin(), digit) << file;
  }
}

// Without goldens: they load, run, and answer with numbers.
TEST(TfliteModels, OthersRun) {
  const fs::path folder = data_root() / "tflite-models";
  if (!fs::exists(folder)) GTEST_SKIP() << "not run: tflite-models is not unpacked";
  for (const std::string name :
       {"hello_world_float", "hello_world_int8", "keyword_scrambled_8bit", "micro_speech_quantized",
        "prisma_quant", "static_w8_a16_quantized_q_einsum", "torchaudio_conformer"}) {
    auto session = session::Session::load((folder / (name + ".tflite")).string());
    ASSERT_TRUE(session.ok()) << session.error().text();
    session::NamedValues feeds;
    for (const auto& info : (*session)->inputs())
      feeds.emplace_back(info.name, generated(info.type.dtype, concrete(info.type)));
    auto results = (*session)->run(feeds);
    ASSERT_TRUE(results.ok()) << name << ": " << results.error().text();
    for (const auto& [output, value] : *results) {
      for (const double v : value.tensor().to_doubles())
        ASSERT_TRUE(std::isfinite(v)) << name << " " << output;
    }
  }
  // The sine model: sin(x) for x in 0 .. 2 pi, within its own accuracy.
  auto sine = session::Session::load((folder / "hello_world_float.tflite").string());
  ASSERT_TRUE(sine.ok());
  for (const float x : {0.5f, 1.5f, 3.0f, 4.5f, 6.0f}) {
    auto y = (*sine)->run({{(*sine)->inputs()[0].name, Tensor::of<float>(Shape{1, 1}, {x})}});
    ASSERT_TRUE(y.ok()) << y.error().text();
    EXPECT_NEAR((*y)[0].second.tensor().get_double(0), std::sin(x), 0.15) << x;
  }
  const auto refused = session::Session::load((folder / "audio_preprocessor_int8.tflite").string());
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("\"SignalRfft\""), std::string::npos)
      << refused.error().text();
  EXPECT_NE(refused.error().message.find("\"SignalPCAN\""), std::string::npos)
      << "all are named at once";
}

// --- what LiteRT makes of one-operator models and of every intermediate of the MediaPipe models,
// written by tests/oracle/tflite_ops.mjs.

void check_golden(const session::NamedValues& results, const Json& golden, double& worst) {
  ASSERT_EQ(results.size(), golden["outputs"].size());
  for (size_t o = 0; o < results.size(); ++o) {
    const auto& want = golden["outputs"][o];
    const Tensor& got = results[o].second.tensor();
    ASSERT_EQ(got.elements(), want["elements"].get<int64_t>())
        << results[o].first << " " << got.text();
    // The web's runtime gives scalars the shape [].
    if (!want["shape"].empty()) {
      std::vector<int64_t> shape(got.shape().begin(), got.shape().end());
      EXPECT_EQ(shape, want["shape"].get<std::vector<int64_t>>()) << results[o].first;
    }
    Difference d;
    const int64_t stride = want["stride"];
    for (size_t i = 0; i < want["values"].size(); ++i) {
      const auto& value = want["values"][i];
      if (value.is_null()) continue;  // JSON has no infinities
      compare_one(d, got.get_double(static_cast<int64_t>(i) * stride), value.get<double>(),
                  is_integer(got.dtype()) ? 1 : 1e-4, is_integer(got.dtype()) ? 0 : 1e-3);
    }
    worst = std::max(worst, d.worst_excess);
    EXPECT_EQ(d.beyond, 0) << results[o].first << " " << got.text() << ": " << d.beyond << " of "
                           << d.compared << " differ, worst |e| " << d.worst_absolute;
  }
}

session::NamedValues golden_feeds(const session::Session& session, const Json& golden) {
  session::NamedValues feeds;
  for (size_t i = 0; i < session.inputs().size(); ++i) {
    Shape shape;
    for (const int64_t dim : golden["inputs"][i]["shape"]) shape.push_back(dim);
    feeds.emplace_back(session.inputs()[i].name, generated(session.inputs()[i].type.dtype, shape));
  }
  return feeds;
}

TEST(TfliteModels, OneOperatorModelsAgreeWithLiteRt) {
  const fs::path folder = fs::path(SLUICE_BINARY_DIR) / "suites" / "tflite-ops";
  if (!fs::exists(folder)) GTEST_SKIP() << "not run: tests/oracle/tflite_ops.mjs has not been run";
  int ran = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    const auto golden = parse_json(file_text(entry.path()));
    for (const auto backend : {session::Backend::kReference, session::Backend::kCpu}) {
      SCOPED_TRACE(cat(entry.path().stem().string(), " on ", session::backend_name(backend)));
      session::Options options;
      options.backend = backend;
      auto session = session::Session::load(
          fs::path(entry.path()).replace_extension(".tflite").string(), options);
      ASSERT_TRUE(session.ok()) << session.error().text();
      auto results = (*session)->run(golden_feeds(**session, golden));
      ASSERT_TRUE(results.ok()) << results.error().text();
      double worst = 0;
      check_golden(*results, golden, worst);
    }
    ++ran;
  }
  std::printf("  %d models, each on the reference and on the CPU\n", ran);
  EXPECT_GE(ran, 230);
}

// Of all models, or of those named.
void intermediates_agree(const session::Options& how, const std::vector<std::string>& only = {}) {
  const fs::path folder = fs::path(SLUICE_BINARY_DIR) / "suites" / "tflite-ops";
  if (!fs::exists(folder)) GTEST_SKIP() << "not run: tests/oracle/tflite_ops.mjs has not been run";
  int models = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".taps") continue;
    const std::string name = entry.path().stem().string();
    if (!only.empty() && std::ranges::find(only, name) == only.end()) continue;
    SCOPED_TRACE(name);
    const auto golden = parse_json(file_text(entry.path()));
    // Asking for every intermediate keeps all of them, in TFLite's own layout and under its names.
    session::Options options = how;
    for (const auto& output : golden["outputs"]) options.outputs.push_back(output["name"]);
    auto session = session::Session::load(
        (fs::path(SLUICE_BINARY_DIR) / "models" / (name + ".tflite")).string(), options);
    ASSERT_TRUE(session.ok()) << session.error().text();
    auto results = (*session)->run(golden_feeds(**session, golden));
    ASSERT_TRUE(results.ok()) << results.error().text();
    double worst = 0;
    check_golden(*results, golden, worst);
    const session::Binding& binding = (*session)->binding();
    EXPECT_EQ(binding.bound, how.backend);
    EXPECT_TRUE(binding.islands.empty() && binding.failovers.empty());
    std::printf("  %-32s %zu intermediates, worst %.3g of the tolerance\n", name.c_str(),
                results->size(), worst);
    if (how.backend == session::Backend::kWebGpu) {
      std::printf(
          "    %d dispatches; none binds more than %u storage buffers, largest binding %llu "
          "bytes\n",
          binding.plan.dispatches, binding.plan.most_storage_buffers,
          static_cast<unsigned long long>(binding.plan.largest_binding_bytes));
      EXPECT_LE(binding.plan.most_storage_buffers, 8u);
    }
    ++models;
  }
  EXPECT_GE(models, only.empty() ? 4 : static_cast<int>(only.size()));
}

TEST(TfliteModels, IntermediatesAgreeWithLiteRt) {
  session::Options options;
  options.backend = session::Backend::kCpu;
  intermediates_agree(options);
}

TEST(TfliteModels, IntermediatesOnWebGpuAgreeWithLiteRt) {
  SLUICE_NEED_DEVICE();
  session::Options options = gpu_tests::software();
  options.strict = true;
  // One of each pair that differs in its sizes alone.
  const std::vector<std::string> small = {"selfie_segmentation", "hand_landmark_lite"};
  intermediates_agree(options, gpu_tests::long_run() ? std::vector<std::string>() : small);
}

}  // namespace
}  // namespace sluice
