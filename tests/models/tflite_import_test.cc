// The TFLite importer on files made in memory: what it builds, what it refuses, and that no damage
// to a file brings it down.

#include "import/tflite_import.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <memory>

#include "base/text.h"
#include "format/tflite/reader.h"
#include "format/tflite/sample_models.h"
#include "format/tflite/schema.h"
#include "op/interpreter.h"
#include "ops/registry.h"

namespace sluice {
namespace {

using format::tflite::read_tflite;
using format::tflite::Sample;
using format::tflite::sample_control_model;
using format::tflite::sample_float_model;
using format::tflite::sample_quantized_model;
using format::tflite::written;
namespace fields = format::tflite;
using Bytes = std::vector<std::byte>;

Result<ir::Graph> imported(const Bytes& bytes, const import::ImportOptions& options = {}) {
  auto owner = std::make_shared<Bytes>(bytes);
  SLUICE_ASSIGN(const format::Model model, read_tflite(*owner, owner, "sample"));
  return import::import_tflite(model, ops::registry(), options);
}

std::string refusal(const Sample& sample) {
  const auto graph = imported(written(sample));
  return graph.ok() ? "accepted" : graph.error().message;
}

Sample& operator_at(Sample& m, size_t i) {
  return m.at(fields::model::kSubgraphs).item(0).at(fields::subgraph::kOperators).item(i);
}
Sample& tensor_at(Sample& m, size_t i) {
  return m.at(fields::model::kSubgraphs).item(0).at(fields::subgraph::kTensors).item(i);
}

TEST(TfliteImport, ConvolutionByHand) {
  auto graph = imported(written(sample_float_model()));
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  EXPECT_NE(graph->find("conv"), ir::kNoValue) << "TFLite's names stay";
  EXPECT_EQ(graph->type(graph->find("conv")).text(), "float32[1,4,4,2]") << "and its layout";
  const Tensor image =
      Tensor::of<float>(Shape{1, 4, 4, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16});
  const std::vector<Value> inputs = {image};
  const auto results = op::interpret(ops::registry(), *graph, inputs);
  ASSERT_TRUE(results.ok()) << results.error().text();
  const Tensor& flat = (*results)[0].tensor();
  ASSERT_EQ(flat.text(), "float32[1,32]");
  // The middle of channel 0 at row 1, column 1: weights 0 .. 0.8 over the 3x3 at the corner.
  const double pixels[] = {1, 2, 3, 5, 6, 7, 9, 10, 11};
  double sum = 0.5, other = -0.5;
  for (int k = 0; k < 9; ++k) {
    sum += 0.1 * k * pixels[k];
    other += 0.1 * (9 + k) * pixels[k];
  }
  EXPECT_NEAR(flat.get_double(2 * 5), sum, 1e-4);
  EXPECT_NEAR(flat.get_double(2 * 5 + 1), other, 1e-4);
}

TEST(TfliteImport, ControlFlow) {
  auto graph = imported(written(sample_control_model()));
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  // 1 doubles until it is 10 or more; 16 is not below 10, so the else branch gives 16 - 16. From 12
  // on the loop is not entered at all.
  for (const float x : {1.0f, 12.0f}) {
    const std::vector<Value> inputs = {Tensor::of<float>(Shape{1}, {x})};
    std::vector<double> looped;
    op::InterpretOptions options;
    options.observe = [&](ir::ValueId id, const Value& value) -> Result<void> {
      if (graph->value(id).name == "looped") looped = value.tensor().to_doubles();
      return {};
    };
    const auto results = op::interpret(ops::registry(), *graph, inputs, options);
    ASSERT_TRUE(results.ok()) << results.error().text();
    EXPECT_EQ(looped, (std::vector<double>{x < 10 ? 16.0 : 12.0}));
    EXPECT_EQ((*results)[0].tensor().to_doubles(), (std::vector<double>{0}));
    EXPECT_EQ((*results)[1].tensor().to_doubles(), (std::vector<double>{0, 0, 1, 0, 2, 0, 0, 3}));
    EXPECT_EQ((*results)[2].tensor().data<std::string>()[0], "ab");
  }
}

TEST(TfliteImport, QuantizationIsExplicit) {
  Sample model = sample_quantized_model();
  const std::string why = refusal(model);
  EXPECT_NE(why.find("custom operator \"Sample\""), std::string::npos) << why;
  import::ImportOptions options;
  options.allow_unknown = true;
  auto graph = imported(written(model), options);
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  options.outputs = {"conv"};
  options.allow_unknown = true;
  graph = imported(written(model), options);
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  int quantize = 0, dequantize = 0;
  for (const auto& node : graph->nodes()) {
    quantize += node.op == "QuantizeLinear";
    dequantize += node.op == "DequantizeLinear";
  }
  EXPECT_EQ(quantize, 1);
  EXPECT_EQ(dequantize, 3) << "image, weights, bias";
  const std::vector<Value> inputs = {
      Tensor::of<int8_t>(Shape{1, 3, 3, 1}, {-3, -1, 1, 3, 5, 7, 127, -128, 0})};
  const auto results = op::interpret(ops::registry(), *graph, inputs);
  ASSERT_TRUE(results.ok()) << results.error().text();
  // Channel 0: 0.25 * 3 * x + 0.875; channel 1: 0.125 * -6 * x - 0.5625; then / 1 + 5.
  const double x = 0.5 * (127 + 3);
  EXPECT_EQ((*results)[0].tensor().get_int(12), lround(0.75 * x + 0.875) + 5);
  EXPECT_EQ((*results)[0].tensor().get_int(13), lround(-0.75 * x - 0.5625) + 5);
}

TEST(TfliteImport, OptionsSelectAndReshape) {
  import::ImportOptions options;
  options.signature = "serving_default";
  EXPECT_TRUE(imported(written(sample_float_model()), options).ok());
  options.signature = "other";
  const auto missing = imported(written(sample_float_model()), options);
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.error().message.find("\"serving_default\""), std::string::npos);
  options = {};
  options.subgraph = 2;
  const auto second = imported(written(sample_control_model()), options);
  ASSERT_TRUE(second.ok()) << second.error().text();
  EXPECT_EQ(second->nodes().size(), 1u);
  options.subgraph = 9;
  EXPECT_FALSE(imported(written(sample_control_model()), options).ok());
  options = {};
  options.outputs = {"conv"};
  options.input_shapes = {{"image", Shape{1, 8, 6, 1}}};
  const auto larger = imported(written(sample_float_model()), options);
  ASSERT_TRUE(larger.ok()) << larger.error().text();
  EXPECT_EQ(larger->type(larger->outputs()[0]).text(), "float32[1,8,6,2]");
  options.input_shapes = {{"image", Shape{8, 6}}};
  EXPECT_FALSE(imported(written(sample_float_model()), options).ok());
  options = {};
  options.outputs = {"nothing"};
  EXPECT_FALSE(imported(written(sample_float_model()), options).ok());
}

// SVDF over two runs: with the state handed on, the second run sees the first; without, it doesn't.
TEST(TfliteImport, StateIsZeroOrExplicit) {
  Sample state = Sample::table({{fields::tensor::kShape, Sample::i32s({1, 2})},
                                {fields::tensor::kName, Sample::text("state")},
                                {fields::tensor::kIsVariable, Sample::i8(1)}});
  Sample model = sample_float_model();
  Sample& graph = model.at(fields::model::kSubgraphs).item(0);
  const auto plain = [](const std::vector<int64_t>& shape, int buffer, const char* name) {
    return Sample::table({{fields::tensor::kShape, Sample::i32s(shape)},
                          {fields::tensor::kBuffer, Sample::i32(buffer)},
                          {fields::tensor::kName, Sample::text(name)}});
  };
  graph.at(fields::subgraph::kTensors) =
      Sample::tables({plain({1, 1}, 0, "x"), plain({1, 1}, 1, "feature"), plain({1, 2}, 2, "time"),
                      state, plain({1, 1}, 0, "y")});
  graph.at(fields::subgraph::kOutputs) = Sample::i32s({4});
  graph.at(fields::subgraph::kOperators) = Sample::tables(
      {Sample::table({{fields::op::kInputs, Sample::i32s({0, 1, 2, -1, 3})},
                      {fields::op::kOutputs, Sample::i32s({4})},
                      {fields::op::kBuiltinOptionsType, Sample::i8(6)},
                      {fields::op::kBuiltinOptions, Sample::table({{0, Sample::i32(1)}})}})});
  model.at(fields::model::kOperatorCodes).item(0) =
      Sample::table({{0, Sample::i8(27)}, {3, Sample::i32(27)}});
  model.at(fields::model::kBuffers).item(1) =
      Sample::table({{0, Sample::u8s(Sample::f32s({2}).bytes)}});
  model.at(fields::model::kBuffers).item(2) =
      Sample::table({{0, Sample::u8s(Sample::f32s({10, 1}).bytes)}});
  model.fields.erase(fields::model::kSignatureDefs);
  auto fresh = imported(written(model));
  ASSERT_TRUE(fresh.ok()) << fresh.error().text();
  const Tensor three = Tensor::of<float>(Shape{1, 1}, {3});
  const std::vector<Value> only_x = {three};
  for (int run = 0; run < 2; ++run) {
    const auto results = op::interpret(ops::registry(), *fresh, only_x);
    ASSERT_TRUE(results.ok()) << results.error().text();
    EXPECT_EQ((*results)[0].tensor().get_double(0), 6);
  }
  import::ImportOptions options;
  options.explicit_state = true;
  auto streaming = imported(written(model), options);
  ASSERT_TRUE(streaming.ok()) << streaming.error().text();
  ASSERT_EQ(streaming->inputs().size(), 2u);
  ASSERT_EQ(streaming->outputs().size(), 2u);
  EXPECT_EQ(streaming->value(streaming->inputs()[1]).name, "state");
  EXPECT_EQ(streaming->value(streaming->outputs()[1]).name, "state:next");
  std::vector<Value> inputs = {three, Tensor::of<float>(Shape{1, 2}, {0, 0})};
  auto results = op::interpret(ops::registry(), *streaming, inputs);
  ASSERT_TRUE(results.ok()) << results.error().text();
  EXPECT_EQ((*results)[0].tensor().get_double(0), 6);
  inputs[1] = (*results)[1];
  results = op::interpret(ops::registry(), *streaming, inputs);
  ASSERT_TRUE(results.ok()) << results.error().text();
  EXPECT_EQ((*results)[0].tensor().get_double(0), 66) << "6 now, and 10 times the 6 before";
}

TEST(TfliteImport, HostileModelsAreRefused) {
  const auto with = [](const std::function<void(Sample&)>& change) {
    Sample model = sample_float_model();
    change(model);
    return refusal(model);
  };
  const auto conv_option = [&](int field, Sample value) {
    return with(
        [&](Sample& m) { operator_at(m, 0).at(fields::op::kBuiltinOptions).at(field) = value; });
  };
  EXPECT_NE(with([](Sample& m) { operator_at(m, 0).at(fields::op::kInputs) = Sample::i32s({}); }),
            "accepted");
  EXPECT_NE(
      with([](Sample& m) { operator_at(m, 0).at(fields::op::kInputs) = Sample::i32s({0, -1, 2}); }),
      "accepted");
  EXPECT_NE(
      with([](Sample& m) { operator_at(m, 0).at(fields::op::kInputs) = Sample::i32s({0, 2, 1}); }),
      "accepted");
  EXPECT_NE(
      with([](Sample& m) { operator_at(m, 0).at(fields::op::kInputs) = Sample::i32s({0, 0, 2}); }),
      "accepted");
  EXPECT_NE(
      with([](Sample& m) { tensor_at(m, 1).at(fields::tensor::kShape) = Sample::i32s({2, 9}); }),
      "accepted");
  EXPECT_NE(
      with([](Sample& m) { tensor_at(m, 0).at(fields::tensor::kShape) = Sample::i32s({16}); }),
      "accepted");
  EXPECT_NE(with([](Sample& m) { tensor_at(m, 0).at(fields::tensor::kType) = Sample::i8(5); }),
            "accepted");
  EXPECT_NE(conv_option(1, Sample::i32(0)), "accepted");
  EXPECT_NE(conv_option(1, Sample::i32(-1)), "accepted");
  EXPECT_NE(conv_option(2, Sample::i32(INT32_MIN)), "accepted");
  EXPECT_NE(conv_option(2, Sample::i32(INT32_MAX)), "accepted");
  EXPECT_NE(conv_option(4, Sample::i32(0)), "accepted");
  EXPECT_NE(conv_option(5, Sample::i32(INT32_MAX)), "accepted");
  EXPECT_NE(conv_option(0, Sample::i8(7)), "accepted");
  EXPECT_NE(conv_option(3, Sample::i8(99)), "accepted");
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{-2, 16}, {-1, -1}, {7, 5}, {INT32_MAX, INT32_MAX}}) {
    EXPECT_NE(with([&](Sample& m) {
                m.at(fields::model::kBuffers).item(3).at(fields::buffer::kData) =
                    Sample::u8s(Sample::i32s(shape).bytes);
              }),
              "accepted");
  }
  // A loop whose body is the main graph itself, and two subgraphs that call each other.
  Sample loop = sample_control_model();
  operator_at(loop, 0).at(fields::op::kBuiltinOptions).at(1) = Sample::i32(0);
  EXPECT_NE(refusal(loop).find("calls itself"), std::string::npos) << refusal(loop);
  Sample arity = sample_control_model();
  operator_at(arity, 0).at(fields::op::kBuiltinOptions).at(0) = Sample::i32(2);
  EXPECT_NE(refusal(arity), "accepted") << "a condition that is no boolean";
}

TEST(TfliteImport, EverySingleBitFlipSurvives) {
  int files = 0, accepted = 0;
  import::ImportOptions options;
  options.allow_unknown = true;
  for (const auto& sample :
       {sample_float_model(), sample_quantized_model(), sample_control_model()}) {
    Bytes bytes = written(sample);
    for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      bytes[bit / 8] ^= std::byte{static_cast<uint8_t>(1 << bit % 8)};
      accepted += imported(bytes, options).ok();
      bytes[bit / 8] ^= std::byte{static_cast<uint8_t>(1 << bit % 8)};
      ++files;
    }
  }
  std::printf("  %d files, %d accepted\n", files, accepted);
  EXPECT_GT(files, 25000);
}

}  // namespace
}  // namespace sluice
