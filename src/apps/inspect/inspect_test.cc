#include "apps/inspect/inspect.h"

#include <gtest/gtest.h>

#include <cmath>

#include "apps/inspect/html.h"
#include "apps/inspect/layout.h"
#include "apps/inspect/parts.h"
#include "apps/inspect/text.h"
#include "base/json.h"
#include "base/text.h"
#include "import/import.h"
#include "ops/registry.h"

namespace sluice::apps::inspect {
namespace {

using format::GraphDecl;
using format::Model;
using format::NodeDecl;

NodeDecl node(std::string op, std::string name, std::vector<std::string> inputs,
              std::vector<std::string> outputs, AttrMap attrs = {}) {
  NodeDecl out;
  out.op = std::move(op);
  out.name = std::move(name);
  out.inputs = std::move(inputs);
  out.outputs = std::move(outputs);
  out.attrs = std::move(attrs);
  return out;
}

Tensor weights(const Shape& shape, float base) {
  auto out = Tensor::allocate(DType::kFloat32, shape);
  for (int64_t i = 0; i < out->elements(); ++i) {
    out->mutable_data<float>()[i] = base + static_cast<float>(i);
  }
  return std::move(out).value();
}

// A picture through three blocks of Conv and Relu (the last two alike), then a Sigmoid. The second
// and third block hold the same bytes.
Model small_model() {
  Model model;
  model.source = "small.onnx";
  model.opsets = {{"", 17}};
  GraphDecl graph;
  graph.inputs = {{"image", Type::tensor(DType::kFloat32, {1, 3, 32, 32})}};
  graph.outputs = {{"mask", Type::tensor(DType::kFloat32)}};
  graph.initializers = {{"net.stem.weight", weights({16, 3, 3, 3}, 0)},
                        {"net.layer.0.weight", weights({16, 16, 3, 3}, 1)},
                        {"net.layer.1.weight", weights({16, 16, 3, 3}, 1)},
                        {"net.head.weight", weights({1, 16, 1, 1}, 2)}};
  const AttrMap same = {{"pads", std::vector<int64_t>{1, 1, 1, 1}}};
  graph.nodes = {
      node("Conv", "/net/stem/Conv", {"image", "net.stem.weight"}, {"a"}, same),
      node("Relu", "/net/stem/Relu", {"a"}, {"b"}),
      node("Conv", "/net/layer.0/Conv", {"b", "net.layer.0.weight"}, {"c"}, same),
      node("Relu", "/net/layer.0/Relu", {"c"}, {"d"}),
      node("Add", "/net/layer.0/Add", {"d", "b"}, {"e"}),
      node("Conv", "/net/layer.1/Conv", {"e", "net.layer.1.weight"}, {"f"}, same),
      node("Relu", "/net/layer.1/Relu", {"f"}, {"g"}),
      node("Add", "/net/layer.1/Add", {"g", "e"}, {"h"}),
      node("Conv", "/net/head/Conv", {"h", "net.head.weight"}, {"i"}),
      node("Sigmoid", "/net/head/Sigmoid", {"i"}, {"mask"}),
  };
  model.graphs.push_back(std::move(graph));
  return model;
}

Report report_of(const Model& model, const Limits& limits = {}) {
  import::ImportOptions options;
  options.allow_unknown = true;
  const auto graph = import::import_model(model, ops::registry(), options);
  Subject subject;
  subject.path = "folder/" + model.source;
  subject.model = &model;
  if (graph) {
    subject.graph = &*graph;
  } else {
    subject.import_error = graph.error().text();
  }
  return inspect(subject, ops::registry(), limits);
}

TEST(Inspect, CountsOperatorsWeightsAndWork) {
  const Report report = report_of(small_model());
  ASSERT_TRUE(report.imported) << report.notes[0];
  EXPECT_EQ(report.file_operators[0].name, "Conv");
  EXPECT_EQ(report.file_operators[0].count, 4);
  EXPECT_EQ(report.parameters, 16 * 27 + 2 * 16 * 144 + 16);
  const double products = 2.0 * 32 * 32 * (16 * 27 + 2 * 16 * 144 + 16);
  EXPECT_NEAR(report.file_operators[0].flops, products, products * 1e-6);
  EXPECT_GE(report.flops, products);
  ASSERT_EQ(report.weights.size(), 4u);
  EXPECT_EQ(report.weights[1].shape, "[16,16,3,3]");
  EXPECT_EQ(report.weights[1].used_by, "Conv /net/layer.0/Conv");
  EXPECT_EQ(report.weights[1].size_bytes, 16u * 144 * 4);
}

TEST(Inspect, FindsTiedWeights) {
  const Report report = report_of(small_model());
  ASSERT_EQ(report.tied.size(), 1u);
  EXPECT_EQ(report.tied[0].names,
            (std::vector<std::string>{"net.layer.0.weight", "net.layer.1.weight"}));
}

TEST(Inspect, FindsComponentsStagesAndRepetitions) {
  const Report report = report_of(small_model());
  ASSERT_EQ(report.components.size(), 3u);
  EXPECT_EQ(report.components[0].name, "stem");
  EXPECT_EQ(report.components[1].repeats, 2);
  EXPECT_EQ(report.components[1].name, "layer.0, layer.1");
  ASSERT_EQ(report.stages.size(), 4u);
  EXPECT_EQ(report.stages[0].from, (std::vector<int>{-1}));
  EXPECT_EQ(report.stages[3].output, "float32[1,1,32,32]");
  ASSERT_EQ(report.repetitions.size(), 1u);
  EXPECT_EQ(report.repetitions[0].period, 3);
  EXPECT_EQ(report.repetitions[0].times, 2);
}

TEST(Inspect, MeasuresActivationsByLiveness) {
  const Report report = report_of(small_model());
  // At an Add three tensors of 16 channels are alive: two inputs and the sum.
  EXPECT_EQ(report.memory.activation_peak_bytes, 3u * 16 * 32 * 32 * 4);
  EXPECT_EQ(report.memory.unknown_values, 0);
  EXPECT_TRUE(report.memory.assumption.empty());
}

TEST(Inspect, HintsAtInputsAndOutputs) {
  const Report report = report_of(small_model());
  EXPECT_NE(report.inputs[0].hint.find("a picture, NCHW, 32x32"), std::string::npos);
  EXPECT_NE(report.outputs[0].hint.find("mask"), std::string::npos);
}

TEST(Inspect, ReportsWhatExceedsTheLimits) {
  Model model;
  model.opsets = {{"", 17}};
  GraphDecl graph;
  std::vector<std::string> inputs;
  for (int i = 0; i < 12; ++i) {
    inputs.push_back(cat("x", i));
    graph.inputs.push_back({inputs.back(), Type::tensor(DType::kFloat32, {1, 64})});
  }
  graph.outputs = {{"y", Type::tensor(DType::kFloat32)}};
  graph.nodes = {node("Concat", "wide", inputs, {"y"}, {{"axis", int64_t{1}}})};
  model.graphs.push_back(std::move(graph));
  const Report report = report_of(model);
  ASSERT_TRUE(report.imported);
  EXPECT_EQ(report.fit.most_buffers, 13u);
  ASSERT_EQ(report.fit.over.size(), 1u);
  EXPECT_NE(report.fit.over[0].sentence.find("binds 13 tensors (limit 8)"), std::string::npos);
  const auto wide = parse_limits(
      R"({"maxStorageBuffersPerShaderStage": 16, "maxStorageBufferBindingSize": 512})", "f");
  ASSERT_TRUE(wide.ok());
  const Report roomy = report_of(model, *wide);
  ASSERT_EQ(roomy.fit.over.size(), 1u);
  EXPECT_NE(roomy.fit.over[0].sentence.find("in one binding"), std::string::npos);
  EXPECT_FALSE(parse_limits("[]", "f").ok());
  EXPECT_FALSE(parse_limits(R"({"maxBufferSize": -1})", "f").ok());
}

TEST(Inspect, ShowsSymbolicExtentsAndSaysWhatItAssumed) {
  Model model = small_model();
  model.graphs[0].inputs[0].type = Type::tensor(DType::kFloat32, {Dim::symbol("batch"), 3, 32, 32});
  const Report report = report_of(model);
  ASSERT_TRUE(report.imported);
  EXPECT_EQ(report.inputs[0].type, "float32[batch,3,32,32]");
  EXPECT_EQ(report.memory.assumption, "batch = 1");
  EXPECT_EQ(report.memory.activation_peak_bytes, 3u * 16 * 32 * 32 * 4);
}

TEST(Inspect, FlagsUnknownOperatorsAndGoesOn) {
  Model model = small_model();
  model.opsets.emplace_back("com.example", 1);
  NodeDecl strange = node("Wobble", "strange", {"mask"}, {"out"});
  strange.domain = "com.example";
  model.graphs[0].nodes.push_back(strange);
  model.graphs[0].outputs = {{"out", Type::tensor(DType::kFloat32)}};
  const Report report = report_of(model);
  bool flagged = false;
  for (const OperatorRow& row : report.file_operators) {
    if (row.name != "com.example.Wobble") continue;
    flagged = !row.known && row.note.find("unknown") != std::string::npos;
  }
  EXPECT_TRUE(flagged);
  EXPECT_FALSE(to_text(report).empty());
}

TEST(Inspect, DescribesQuantization) {
  Model model;
  model.opsets = {{"", 17}};
  GraphDecl graph;
  graph.inputs = {{"x", Type::tensor(DType::kFloat32, {1, 4})}};
  graph.outputs = {{"y", Type::tensor(DType::kFloat32)}};
  graph.initializers = {{"w", Tensor::of<uint8_t>({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8})},
                        {"s", Tensor::of<float>({2}, {0.5f, 0.25f})},
                        {"z", Tensor::of<uint8_t>({2}, {128, 128})}};
  graph.nodes = {node("DequantizeLinear", "dq", {"w", "s", "z"}, {"wf"}, {{"axis", int64_t{1}}}),
                 node("MatMul", "mm", {"x", "wf"}, {"y"})};
  model.graphs.push_back(std::move(graph));
  const Report report = report_of(model);
  EXPECT_EQ(report.weights[0].quantization, "uint8, per channel (axis 1), with zero points");
  EXPECT_NE(report.quantization[1].find("Weights only"), std::string::npos);
}

TEST(Inspect, LooksIntoTheBranchThatHoldsTheModel) {
  Model model;
  model.opsets = {{"", 17}};
  GraphDecl graph;
  graph.inputs = {{"which", Type::tensor(DType::kBool, {})},
                  {"x", Type::tensor(DType::kFloat32, {1, 8})}};
  graph.outputs = {{"y", Type::tensor(DType::kFloat32)}};
  NodeDecl choice = node("If", "choice", {"which"}, {"y"});
  for (const char* name : {"then_branch", "else_branch"}) {
    auto branch = std::make_shared<GraphDecl>();
    branch->initializers = {{cat(name, ".w"), weights({8, 8}, 1)}};
    branch->nodes = {node("MatMul", "", {"x", cat(name, ".w")}, {cat(name, "a")})};
    std::string last = cat(name, "a");
    for (int i = 0; i < (name[0] == 't' ? 1 : 4); ++i) {
      branch->nodes.push_back(node("Relu", "", {last}, {cat(name, "b", i)}));
      last = cat(name, "b", i);
    }
    branch->outputs = {{last, Type::tensor(DType::kFloat32)}};
    choice.subgraphs.emplace_back(name, branch);
  }
  graph.nodes = {choice};
  model.graphs.push_back(std::move(graph));
  const Report report = report_of(model);
  ASSERT_TRUE(report.imported) << report.notes[0];
  EXPECT_EQ(report.focus, "else_branch of node \"choice\" (If)");
  EXPECT_EQ(report.drawing.size(), 5u);
  EXPECT_GE(report.flops, 2 * 2.0 * 64);
  EXPECT_EQ(report.parameters, 128);
}

TEST(Json, IsStableAndComplete) {
  const Report report = report_of(small_model());
  const std::string text = to_json(report);
  EXPECT_EQ(text, to_json(report_of(small_model())));
  const auto json = parse_json(text);
  ASSERT_FALSE(json.is_discarded());
  for (const char* key :
       {"file", "format", "sha256", "inputs", "outputs", "operators", "weights", "tied_weights",
        "data_flow", "components", "memory", "limits", "quantization", "parameters", "flops"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["weights"].size(), 4u);
  EXPECT_EQ(json["operators"][0]["count"], 4);
}

TEST(Text, IsWithoutControlCharactersWhateverTheNames) {
  Model model = small_model();
  model.graphs[0].nodes[0].name = "evil\x1b[31m\nname";
  model.metadata = {{"author", "a\x07\xff"}};
  const std::string text = to_text(report_of(model));
  for (const char c : text) {
    EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20) << static_cast<int>(c);
  }
}

TEST(Html, EscapesEverythingOfTheModel) {
  Model model = small_model();
  const std::string evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>";
  for (NodeDecl& one : model.graphs[0].nodes) one.name = evil;
  model.source = evil + ".onnx";
  model.metadata = {{evil, evil}};
  const std::string page = to_html(report_of(model));
  EXPECT_EQ(page.find("<script>alert"), std::string::npos);
  EXPECT_EQ(page.find("<img"), std::string::npos);
  size_t scripts = 0;
  for (size_t at = page.find("</script>"); at != std::string::npos;
       at = page.find("</script>", at + 1))
    ++scripts;
  EXPECT_EQ(scripts, 2u);
  EXPECT_EQ(page.find("http://"), std::string::npos);
  EXPECT_EQ(page.find("https://"), std::string::npos);
  EXPECT_EQ(html_escaped("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
}

TEST(Layout, KeepsLayersApartAndNodesFromOverlapping) {
  // A chain with skip connections, a fan and a lonely node.
  std::vector<std::pair<int, int>> edges;
  for (int i = 0; i + 1 < 20; ++i) edges.emplace_back(i, i + 1);
  for (int i = 0; i + 5 < 20; i += 3) edges.emplace_back(i, i + 5);
  for (int i = 20; i < 30; ++i) edges.emplace_back(3, i);
  const std::vector<float> widths(31, 90.0f);
  const Drawing drawing = lay_out(widths, edges);
  ASSERT_EQ(drawing.nodes.size(), 31u);
  for (const Drawing::Edge& edge : drawing.edges) {
    EXPECT_LT(drawing.nodes[static_cast<size_t>(edge.from)].y,
              drawing.nodes[static_cast<size_t>(edge.to)].y);
  }
  for (size_t a = 0; a < 31; ++a) {
    EXPECT_GE(drawing.nodes[a].x, 45.0f);
    EXPECT_LE(drawing.nodes[a].x, drawing.width - 45.0f);
    for (size_t b = a + 1; b < 31; ++b) {
      if (std::fabs(drawing.nodes[a].y - drawing.nodes[b].y) > 1) continue;
      EXPECT_GE(std::fabs(drawing.nodes[a].x - drawing.nodes[b].x), 90.0f - 0.5f) << a << " " << b;
    }
  }
  EXPECT_TRUE(lay_out({}, {}).nodes.empty());
}

}  // namespace
}  // namespace sluice::apps::inspect
