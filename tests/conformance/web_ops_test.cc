// The operator cases of ONNX Runtime's web tests (build/data/ort-web-ops, unpacked by ./check) on
// the reference, each with its inputs' shapes known and unknown at import.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/json.h"
#include "base/text.h"
#include "import/import.h"
#include "op/interpreter.h"
#include "ops/registry.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

Tensor tensor_of(const Json& json) {
  Shape shape;
  for (const Json& dim : json.at("dims")) shape.push_back(dim.get<int64_t>());
  auto out = Tensor::allocate(*dtype_from_name(json.at("type").get<std::string>()), shape);
  EXPECT_TRUE(out.ok());
  int64_t i = 0;
  for (const Json& number : json.at("data")) {
    if (i >= out->elements()) break;
    if (number.is_number_integer()) {
      out->set_int(i++, number.get<int64_t>());
    } else if (number.is_boolean()) {
      out->set_int(i++, number.get<bool>());
    } else if (number.is_string()) {
      const auto text = number.get<std::string>();
      const double value = text == "NaN"         ? NAN
                           : text == "Infinity"  ? INFINITY
                           : text == "-Infinity" ? -INFINITY
                                                 : parse_double(text).value_or(0);
      out->set_double(i++, value);
    } else {
      out->set_double(i++, number.is_null() ? NAN : number.get<double>());
    }
  }
  EXPECT_EQ(i, out->elements());
  return std::move(out).value();
}

Attribute attribute_of(const Json& json) {
  const auto type = json.at("type").get<std::string>();
  const Json& data = json.at("data");
  if (type == "int") return data.get<int64_t>();
  if (type == "float") return data.get<float>();
  if (type == "string") return data.get<std::string>();
  if (type == "ints") return data.get<std::vector<int64_t>>();
  return data.get<std::vector<float>>();
}

std::string difference(const Tensor& got, const Tensor& want) {
  if (got.dtype() != want.dtype() || !(got.shape() == want.shape())) {
    return cat("is ", got.text(), ", not ", want.text());
  }
  for (int64_t i = 0; i < got.elements(); ++i) {
    const double a = got.get_double(i), b = want.get_double(i);
    if ((std::isnan(a) && std::isnan(b)) || a == b) continue;
    const double slack = !is_floating(got.dtype())        ? 0
                         : got.dtype() == DType::kFloat16 ? 1e-2
                                                          : 1e-3;
    if (!(std::fabs(a - b) <= slack + slack * std::fabs(b))) {
      return cat("has ", a, " at ", i, " (", b, " is expected)");
    }
  }
  return "";
}

// Cases whose expectation is that runtime's own habit or slip, and what is wrong with it.
struct Doubt {
  std::string_view file, test, one, reason;
};
constexpr Doubt kDoubts[] = {
    {"fast-gelu.json", "FastGelu test with bias", "[3x5], [2]", "a bias that does not broadcast"},
    {"fast-gelu.json", "FastGelu test with bias", "[3x5], [7]", "a bias that does not broadcast"},
    {"image-scaler.json", "abs with no attributes", "T[1,2,3,4]", "3 biases for 2 channels"},
    {"multihead-attention.json",
     "MultiHeadAttention Basic, one head and head-size=1 with pastKey and pastValue", "T[0]",
     "the past counts only when the present is asked for"},
    {"multihead-attention.json",
     "MultiHeadAttention Basic, one head and head-size=4 with pastKey and pastValue", "T[0]",
     "the past counts only when the present is asked for"},
    {"quick-gelu.json", "QuickGelu test", "[2x4]", "-0.8 sigmoid(-1.36) is not 0.64"},
    {"resize.json", "Resize - 5D Trilinear", "X", "the region of interest is left out of the size"},
    {"shape.json", "Shape op test", "T[0]", "a shape of int32"},
};

std::string run_case(const Json& test, const Json& one, bool shapes_known) {
  format::Model model;
  model.source = "web-ops";
  std::string domain;
  int64_t version = 13;
  if (test.contains("opset")) {
    domain = test["opset"].at("domain").get<std::string>();
    version = test["opset"].at("version").get<int64_t>();
  }
  model.opsets = {{domain, version}};
  if (!domain.empty()) model.opsets.emplace_back("", 17);
  format::NodeDecl node{
      .name = "node", .op = test.at("operator").get<std::string>(), .domain = domain};
  if (test.contains("attributes")) {
    for (const Json& attribute : test["attributes"]) {
      node.attrs.set(attribute.at("name").get<std::string>(), attribute_of(attribute));
    }
  }
  format::GraphDecl graph;
  std::vector<Value> feeds;
  for (const Json& input : one.at("inputs")) {
    if (!input.contains("dims")) {
      node.inputs.emplace_back();
      continue;
    }
    Tensor tensor = tensor_of(input);
    node.inputs.push_back(cat("input_", node.inputs.size()));
    graph.inputs.push_back(
        {node.inputs.back(), shapes_known ? Type::tensor(tensor.dtype(), to_dims(tensor.shape()))
                                          : Type::tensor(tensor.dtype())});
    feeds.emplace_back(std::move(tensor));
  }
  std::vector<std::optional<Tensor>> wants;
  for (const Json& output : one.at("outputs")) {
    const bool used = output.contains("dims");
    wants.push_back(used ? std::optional(tensor_of(output)) : std::nullopt);
    node.outputs.push_back(used ? cat("output_", wants.size()) : "");
    if (used) graph.outputs.push_back({node.outputs.back(), Type::tensor(wants.back()->dtype())});
  }
  graph.nodes.push_back(std::move(node));
  model.graphs.push_back(std::move(graph));
  auto imported = import::import_model(model, ops::registry());
  if (!imported) return imported.error().text();
  auto got = op::interpret(ops::registry(), *imported, feeds);
  if (!got) return got.error().text();
  size_t next = 0;
  for (const auto& want : wants) {
    if (!want) continue;
    if (!(*got)[next].is_tensor()) return "makes no tensor";
    const std::string why = difference((*got)[next++].tensor(), *want);
    if (!why.empty()) return cat("output ", next - 1, " ", why);
  }
  return "";
}

TEST(WebOps, ReferenceAgrees) {
  const fs::path folder = fs::path(SLUICE_BINARY_DIR) / "data" / "ort-web-ops";
  if (!fs::exists(folder)) GTEST_SKIP() << "not run: " << folder << " is not there";
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  std::ranges::sort(files);
  int count = 0;
  for (const fs::path& file : files) {
    if (file.extension() != ".json") continue;
    std::ifstream stream(file);
    const Json tests = Json::parse(stream);
    for (const Json& test : tests) {
      // NHWC forms that only that runtime's own graph rewriting makes.
      if (test.contains("opset") && test["opset"]["domain"] == "com.ms.internal.nhwc") continue;
      for (const Json& one : test.at("cases")) {
        const bool doubtful = std::ranges::any_of(kDoubts, [&](const Doubt& doubt) {
          return file.filename() == doubt.file && test.at("name") == doubt.test &&
                 one.at("name") == doubt.one;
        });
        if (doubtful) continue;
        ++count;
        for (const bool known : {true, false}) {
          EXPECT_EQ(run_case(test, one, known), "")
              << file.filename() << ": " << test.at("name") << " / " << one.at("name")
              << (known ? "" : " (shapes unknown)");
        }
      }
    }
  }
  RecordProperty("cases", count);
}

}  // namespace
}  // namespace sluice
