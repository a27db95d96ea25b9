#include "import/onnx_import.h"

#include <gtest/gtest.h>

#include <cmath>

#include "format/caps.h"
#include "ir/verify.h"
#include "op/interpreter.h"
#include "ops/registry.h"

namespace sluice::import {
namespace {

using format::FunctionDecl;
using format::GraphDecl;
using format::Model;
using format::NodeDecl;
using format::ValueDecl;

ValueDecl value(std::string name, std::string_view type) {
  return {std::move(name), Type::parse(type).value()};
}

NodeDecl node(std::string op, std::vector<std::string> inputs, std::vector<std::string> outputs,
              AttrMap attrs = {}) {
  NodeDecl out;
  out.op = std::move(op);
  out.inputs = std::move(inputs);
  out.outputs = std::move(outputs);
  out.attrs = std::move(attrs);
  return out;
}

NodeDecl call(std::string function, std::vector<std::string> inputs,
              std::vector<std::string> outputs, AttrMap attrs = {}) {
  NodeDecl out = node(std::move(function), std::move(inputs), std::move(outputs), std::move(attrs));
  out.domain = "local";
  return out;
}

Model model_of(std::vector<ValueDecl> inputs, std::vector<NodeDecl> nodes,
               std::vector<ValueDecl> outputs, int64_t opset = 20) {
  Model model;
  model.source = "test";
  model.opsets = {{"", opset}, {"local", 1}};
  model.graphs.resize(1);
  model.graphs[0].name = "g";
  model.graphs[0].inputs = std::move(inputs);
  model.graphs[0].nodes = std::move(nodes);
  model.graphs[0].outputs = std::move(outputs);
  return model;
}

FunctionDecl function_of(std::string name, std::vector<std::string> inputs,
                         std::vector<NodeDecl> nodes, std::vector<std::string> outputs) {
  FunctionDecl out;
  out.domain = "local";
  out.name = std::move(name);
  out.inputs = std::move(inputs);
  out.nodes = std::move(nodes);
  out.outputs = std::move(outputs);
  out.opsets = {{"", 20}, {"local", 1}};
  return out;
}

Result<ir::Graph> import(const Model& model, const ImportOptions& options = {}) {
  return import_model(model, ops::registry(), options);
}

void expect_refused(const Model& model, ErrorCode code, std::string_view want,
                    const ImportOptions& options = {}) {
  auto graph = import(model, options);
  ASSERT_FALSE(graph) << want;
  EXPECT_EQ(graph.error().code, code) << graph.error().message;
  EXPECT_NE(graph.error().message.find(want), std::string::npos) << graph.error().message;
}

std::vector<std::string> ops_of(const ir::Graph& graph) {
  std::vector<std::string> out;
  for (const ir::Node& one : graph.nodes()) out.push_back(one.op);
  return out;
}

std::vector<double> run(const ir::Graph& graph, std::vector<Value> inputs) {
  auto outputs = op::interpret(ops::registry(), graph, inputs);
  EXPECT_TRUE(outputs) << (outputs ? "" : outputs.error().text());
  return outputs ? (*outputs)[0].tensor().to_doubles() : std::vector<double>{};
}

Value floats(std::initializer_list<float> values) {
  return Value(Tensor::of<float>(Shape{static_cast<int64_t>(values.size())}, values));
}

TEST(OnnxImport, NamesTypesAndConstants) {
  Model model = model_of({value("x", "float32[N,3]"), value("w", "float32[3]")},
                         {node("Mul", {"x", "w"}, {"m"}), node("Relu", {"m"}, {"y"})},
                         {value("y", "float32[*]")});
  // An initializer that is also listed as an input is a constant (IR versions below 4 list all).
  model.graphs[0].initializers = {{"w", Tensor::of<float>(Shape{3}, {1, -1, 2})}};
  auto graph = import(model);
  ASSERT_TRUE(graph) << graph.error().text();
  ASSERT_EQ(graph->inputs().size(), 1u);
  EXPECT_EQ(graph->value(graph->inputs()[0]).name, "x");
  EXPECT_TRUE(graph->is_constant(graph->find("w")));
  EXPECT_EQ(graph->type(graph->outputs()[0]).text(), "float32[N,3]");
  EXPECT_EQ(graph->nodes()[0].name, "m");  // nameless nodes go by their output
  EXPECT_EQ(graph->metadata.back(),
            (std::pair<std::string, std::string>("opset", "ai.onnx 20, local 1")));
}

TEST(OnnxImport, EveryFormOfConstant) {
  const auto constant = [](std::string name, Attribute attr) {
    return node("Constant", {}, {"c"}, {{std::move(name), std::move(attr)}});
  };
  const auto type_of = [](NodeDecl decl) -> std::string {
    auto graph = import(model_of({}, {std::move(decl)}, {value("c", "?")}));
    return graph ? graph->type(graph->outputs()[0]).text() : graph.error().message;
  };
  EXPECT_EQ(type_of(constant("value", Tensor::of<int8_t>(Shape{2}, {1, 2}))), "int8[2]");
  EXPECT_EQ(type_of(constant("value_float", 1.5f)), "float32[]");
  EXPECT_EQ(type_of(constant("value_floats", std::vector<float>{1, 2})), "float32[2]");
  EXPECT_EQ(type_of(constant("value_int", int64_t{3})), "int64[]");
  EXPECT_EQ(type_of(constant("value_ints", std::vector<int64_t>{3, 4, 5})), "int64[3]");
  EXPECT_EQ(type_of(constant("value_string", std::string("a"))), "string[]");
  EXPECT_EQ(type_of(constant("value_strings", std::vector<std::string>{"a", "b"})), "string[2]");
  EXPECT_NE(type_of(constant("value_ints", 1.0f)).find("wrong type"), std::string::npos);
  EXPECT_NE(type_of(node("Constant", {}, {"c"})).find("0 values"), std::string::npos);
  EXPECT_NE(type_of(node("Constant", {}, {"c"},
                         {{"value_int", Attribute(int64_t{1})}, {"value_float", Attribute(1.0f)}}))
                .find("2 values"),
            std::string::npos);
}

TEST(OnnxImport, NodesOutOfOrderAreSorted) {
  auto graph = import(
      model_of({value("x", "float32[2]")},
               {node("Neg", {"b"}, {"y"}), node("Abs", {"a"}, {"b"}), node("Exp", {"x"}, {"a"})},
               {value("y", "?")}));
  ASSERT_TRUE(graph) << graph.error().text();
  EXPECT_EQ(ops_of(*graph), (std::vector<std::string>{"Exp", "Abs", "Neg"}));
  EXPECT_EQ(graph->type(graph->outputs()[0]).text(), "float32[2]");
}

TEST(OnnxImport, ImpossibleGraphsAreRefused) {
  const ValueDecl x = value("x", "float32[2]"), y = value("y", "float32[2]");
  expect_refused(
      model_of({x}, {node("Add", {"x", "b"}, {"a"}), node("Neg", {"a"}, {"b"})}, {value("b", "?")}),
      ErrorCode::kInvalidModel, "has a cycle");
  expect_refused(model_of({x}, {node("Add", {"x", "y"}, {"y"})}, {y}), ErrorCode::kInvalidModel,
                 "has a cycle");
  expect_refused(model_of({x}, {node("Neg", {"nowhere"}, {"y"})}, {y}), ErrorCode::kInvalidModel,
                 "the input \"nowhere\" is made by nothing");
  expect_refused(model_of({x}, {node("Neg", {"x"}, {"y"}), node("Abs", {"x"}, {"y"})}, {y}),
                 ErrorCode::kInvalidModel, "\"y\" is made twice");
  expect_refused(model_of({x}, {node("Neg", {"x"}, {"x"})}, {x}), ErrorCode::kInvalidModel,
                 "is made twice");
  expect_refused(model_of({x, x}, {node("Neg", {"x"}, {"y"})}, {y}), ErrorCode::kInvalidModel,
                 "is made twice");
  expect_refused(model_of({x}, {node("Neg", {"x"}, {"y"})}, {y, y}), ErrorCode::kInvalidModel,
                 "\"y\" is listed twice");
  expect_refused(model_of({x}, {node("Neg", {"x"}, {"y"})}, {value("z", "?")}),
                 ErrorCode::kInvalidModel, "\"z\" is made by nothing");
  expect_refused(model_of({x}, {node("Neg", {"x"}, {"y"})}, {}), ErrorCode::kInvalidModel,
                 "no outputs");
  expect_refused(model_of({value("x", "?")}, {node("Neg", {"x"}, {"y"})}, {y}),
                 ErrorCode::kUnsupported, "\"x\" has no type");
}

TEST(OnnxImport, OpsetsAreChecked) {
  const ValueDecl x = value("x", "float32[2]"), y = value("y", "float32[2]");
  for (const int64_t opset : {0, 29, 9999, -1}) {
    expect_refused(model_of({x}, {node("Neg", {"x"}, {"y"})}, {y}, opset), ErrorCode::kUnsupported,
                   "(1 to 28 are known)");
  }
  for (const int64_t opset : {7, 28}) {
    EXPECT_TRUE(import(model_of({x}, {node("Neg", {"x"}, {"y"})}, {y}, opset)));
  }
  Model model = model_of({x}, {node("Neg", {"x"}, {"y"})}, {y});
  model.opsets = {{"ai.onnx", 20}};  // the long name of the default domain
  EXPECT_TRUE(import(model));
  model.opsets = {{"other", 1}};
  expect_refused(model, ErrorCode::kInvalidModel, "not among the model's opset imports");
}

TEST(OnnxImport, OldNodesBecomeNew) {
  const ValueDecl x = value("x", "float32[1,1,2,2]"), y = value("y", "?");
  // Axes moved from an attribute to an input in opset 13.
  auto squeeze = import(model_of(
      {value("x", "float32[1,3]")},
      {node("Squeeze", {"x"}, {"y"}, {{"axes", Attribute(std::vector<int64_t>{0})}})}, {y}, 11));
  ASSERT_TRUE(squeeze) << squeeze.error().text();
  EXPECT_EQ(squeeze->nodes()[0].inputs.size(), 2u);
  EXPECT_EQ(squeeze->type(squeeze->outputs()[0]).text(), "float32[3]");
  auto upsample = import(model_of(
      {x},
      {node("Upsample", {"x"}, {"y"}, {{"scales", Attribute(std::vector<float>{1, 1, 2, 2})}})},
      {y}, 7));
  ASSERT_TRUE(upsample) << upsample.error().text();
  EXPECT_EQ(ops_of(*upsample), std::vector<std::string>{"Resize"});
  EXPECT_EQ(upsample->type(upsample->outputs()[0]).text(), "float32[1,1,4,4]");
}

TEST(OnnxImport, UnknownOperatorsAreListedOnce) {
  Model model = model_of({value("x", "float32[2]")},
                         {node("Frobnicate", {"x"}, {"a"}), node("Frobnicate", {"a"}, {"b"}),
                          call("Twist", {"b"}, {"c"}), node("Neg", {"c"}, {"y"})},
                         {value("y", "?")});
  expect_refused(model, ErrorCode::kUnsupported, "Frobnicate (2 nodes), local.Twist (1 node)");
  ImportOptions look;
  look.allow_unknown = true;
  auto graph = import(model, look);
  ASSERT_TRUE(graph) << graph.error().text();
  EXPECT_EQ(ops_of(*graph), (std::vector<std::string>{"Frobnicate", "Frobnicate", "Twist", "Neg"}));
  EXPECT_EQ(graph->type(graph->find("a")).text(), "?");
}

TEST(OnnxImport, FunctionsAreInlined) {
  Model model =
      model_of({value("x", "float32[3]")},
               {call("Outer", {"x"}, {"y"}, {{"slope", Attribute(0.5f)}})}, {value("y", "?")});
  NodeDecl leaky = node("LeakyRelu", {"a"}, {"b"});
  leaky.attr_refs = {{"alpha", "slope"}};
  NodeDecl elu = node("Elu", {"b"}, {"c"});
  elu.attr_refs = {{"alpha", "missing"}};  // neither given nor defaulted: Elu's own default
  NodeDecl scale = call("Scale", {"c", ""}, {"d"});
  scale.attr_refs = {{"factor", "times"}};
  FunctionDecl outer = function_of("Outer", {"a"}, {leaky, elu, scale}, {"d"});
  outer.attributes = {"slope", "missing"};
  outer.default_attributes = {{"times", Attribute(3.0f)}};
  NodeDecl constant = node("Constant", {}, {"k"});
  constant.attr_refs = {{"value_float", "factor"}};
  // The second input is left out by the call: Clip sees no lower bound.
  FunctionDecl scaled = function_of(
      "Scale", {"u", "low"},
      {constant, node("Mul", {"u", "k"}, {"v"}), node("Clip", {"v", "low"}, {"w"})}, {"w"});
  model.functions = {outer, scaled};
  auto graph = import(model);
  ASSERT_TRUE(graph) << graph.error().text();
  EXPECT_EQ(ops_of(*graph), (std::vector<std::string>{"LeakyRelu", "Elu", "Mul", "Clip"}));
  EXPECT_EQ(graph->value(graph->outputs()[0]).name, "y");
  const auto got = run(*graph, {floats({-2, 0, 4})});
  EXPECT_NEAR(got[0], 3 * (std::exp(-1.0) - 1), 1e-6);
  EXPECT_EQ(got[2], 12);
}

TEST(OnnxImport, FunctionsHaveTheirOwnOpset) {
  // Softmax before opset 13 flattens from axis 1 on; at 20 it works on the last axis.
  Model model =
      model_of({value("x", "float32[1,2,2]")}, {call("Old", {"x"}, {"y"})}, {value("y", "?")});
  FunctionDecl old = function_of("Old", {"a"}, {node("Softmax", {"a"}, {"b"})}, {"b"});
  old.opsets = {{"", 11}};
  model.functions = {old};
  auto graph = import(model);
  ASSERT_TRUE(graph) << graph.error().text();
  const auto got = run(*graph, {Value(Tensor::of<float>(Shape{1, 2, 2}, {0, 0, 0, 0}))});
  EXPECT_EQ(got, (std::vector<double>{0.25, 0.25, 0.25, 0.25}));
}

TEST(OnnxImport, FunctionsHandThroughAndReturnConstants) {
  Model model = model_of({value("x", "float32[2]")},
                         {call("F", {"x"}, {"same", "k"}), node("Add", {"same", "k"}, {"y"})},
                         {value("y", "?")});
  model.functions = {function_of(
      "F", {"a"}, {node("Constant", {}, {"c"}, {{"value_float", Attribute(2.0f)}})}, {"a", "c"})};
  auto graph = import(model);
  ASSERT_TRUE(graph) << graph.error().text();
  EXPECT_EQ(ops_of(*graph), (std::vector<std::string>{"Identity", "Add"}));
  EXPECT_TRUE(graph->is_constant(graph->find("k")));
  EXPECT_EQ(run(*graph, {floats({1, 2})}), (std::vector<double>{3, 4}));
}

TEST(OnnxImport, BadFunctionsAreRefused) {
  const ValueDecl x = value("x", "float32[2]"), y = value("y", "?");
  Model model = model_of({x}, {call("F", {"x"}, {"y"})}, {y});
  model.functions = {function_of("F", {"a"}, {call("G", {"a"}, {"b"})}, {"b"}),
                     function_of("G", {"a"}, {call("F", {"a"}, {"b"})}, {"b"})};
  expect_refused(model, ErrorCode::kInvalidModel, "calls itself");
  model.functions = {function_of("F", {"a"}, {node("Neg", {"a"}, {"b"})}, {"nothing"})};
  expect_refused(model, ErrorCode::kInvalidModel, "\"nothing\" of the function");
  model.functions = {function_of("F", {}, {node("Neg", {"x"}, {"b"})}, {"b"})};
  expect_refused(model, ErrorCode::kInvalidModel, "is called with 1 and 1");
  // A function's body does not see the caller's values.
  model.functions = {function_of("F", {"a"}, {node("Neg", {"x"}, {"b"})}, {"b"})};
  expect_refused(model, ErrorCode::kInvalidModel, "\"x\" is made by nothing");
  model.functions = {function_of("F", {"a"}, {node("Neg", {"a"}, {"b"})}, {"b"}),
                     function_of("F", {"a"}, {node("Abs", {"a"}, {"b"})}, {"b"})};
  expect_refused(model, ErrorCode::kInvalidModel, "defined twice");
}

// f0 is one node; f(i) calls f(i-1) twice: 2^levels nodes from a few hundred bytes.
Model doubling(int levels) {
  Model model = model_of({value("x", "float32[2]")},
                         {call("f" + std::to_string(levels), {"x"}, {"y"})}, {value("y", "?")});
  model.functions = {function_of("f0", {"a"}, {node("Neg", {"a"}, {"b"})}, {"b"})};
  for (int i = 1; i <= levels; ++i) {
    const std::string inner = "f" + std::to_string(i - 1);
    model.functions.push_back(function_of("f" + std::to_string(i), {"a"},
                                          {call(inner, {"a"}, {"m"}), call(inner, {"m"}, {"b"})},
                                          {"b"}));
  }
  return model;
}

TEST(OnnxImport, InliningIsCapped) {
  static_assert(format::caps::kMaxInlinedNodes == size_t{1} << 17);
  auto most = import(doubling(17));
  ASSERT_TRUE(most) << most.error().text();
  EXPECT_EQ(most->nodes().size(), format::caps::kMaxInlinedNodes);
  Model over = doubling(17);
  over.graphs[0].nodes.push_back(node("Neg", {"y"}, {"z"}));
  expect_refused(over, ErrorCode::kResource, "131073 nodes (limit 131072)");
  expect_refused(doubling(100), ErrorCode::kResource, "more than 2^64 nodes");
}

TEST(OnnxImport, InlinedAttributesAreCapped) {
  Model model = doubling(10);
  model.functions[0].nodes[0] =
      node("Neg", {"a"}, {"b"}, {{"junk", Attribute(std::string(1 << 18, 'j'))}});
  expect_refused(model, ErrorCode::kResource, "bytes of attributes (limit 268435456)");
}

TEST(OnnxImport, InlineNestingIsCapped) {
  const auto chain = [](int functions) {
    Model model =
        model_of({value("x", "float32[2]")}, {call("f1", {"x"}, {"y"})}, {value("y", "?")});
    for (int i = 1; i <= functions; ++i) {
      NodeDecl inner = i == functions ? node("Neg", {"a"}, {"b"})
                                      : call("f" + std::to_string(i + 1), {"a"}, {"b"});
      model.functions.push_back(function_of("f" + std::to_string(i), {"a"}, {inner}, {"b"}));
    }
    return model;
  };
  EXPECT_TRUE(import(chain(format::caps::kMaxInlineNesting - 1)));
  expect_refused(chain(format::caps::kMaxInlineNesting), ErrorCode::kInvalidModel, "(limit 128)");
}

TEST(OnnxImport, CapturesAreExplicit) {
  // y = if c then (if c then x + w else x) else x, with x and c captured through two levels.
  auto deepest = std::make_shared<GraphDecl>();
  deepest->nodes = {node("Add", {"x", "w"}, {"sum"})};
  deepest->outputs = {value("sum", "?")};
  auto plain = std::make_shared<GraphDecl>();
  plain->outputs = {value("x", "?")};  // hands the outer value through
  NodeDecl inner_if = node("If", {"c"}, {"inner"});
  inner_if.subgraphs = {{"then_branch", deepest}, {"else_branch", plain}};
  auto middle = std::make_shared<GraphDecl>();
  middle->nodes = {inner_if};
  middle->outputs = {value("inner", "?")};
  NodeDecl outer_if = node("If", {"c"}, {"y"});
  outer_if.subgraphs = {{"then_branch", middle}, {"else_branch", plain}};
  Model model =
      model_of({value("x", "float32[2]"), value("c", "bool[]")}, {outer_if}, {value("y", "?")});
  model.graphs[0].initializers = {{"w", Tensor::of<float>(Shape{2}, {10, 20})}};
  auto graph = import(model);
  ASSERT_TRUE(graph) << graph.error().text();
  ASSERT_TRUE(ir::verify(*graph));
  const ir::Subgraph& then = *graph->nodes()[0].subgraph("then_branch");
  ASSERT_EQ(then.captures.size(), 2u);  // w is a constant, shared instead of captured
  const ir::Graph& inside = *then.graph->nodes()[0].subgraph("then_branch")->graph;
  EXPECT_EQ(inside.captures().size(), 1u);
  EXPECT_TRUE(inside.is_constant(inside.find("w")));
  EXPECT_EQ(graph->type(graph->outputs()[0]).text(), "float32[2]");
  EXPECT_EQ(run(*graph, {floats({1, 2}), Value(Tensor::scalar(true))}),
            (std::vector<double>{11, 22}));
  EXPECT_EQ(run(*graph, {floats({1, 2}), Value(Tensor::scalar(false))}),
            (std::vector<double>{1, 2}));
}

TEST(OnnxImport, SubgraphsMayShadowAndAreSortedWithTheirCaptures) {
  // The If stands before the node that makes what its branch captures.
  auto then = std::make_shared<GraphDecl>();
  then->nodes = {node("Neg", {"late"}, {"x"})};  // "x" again, inside
  then->outputs = {value("x", "?")};
  auto other = std::make_shared<GraphDecl>();
  other->nodes = {node("Identity", {"late"}, {"o"})};
  other->outputs = {value("o", "?")};
  NodeDecl branch = node("If", {"c"}, {"y"});
  branch.subgraphs = {{"then_branch", then}, {"else_branch", other}};
  auto graph = import(model_of({value("x", "float32[2]"), value("c", "bool[]")},
                               {branch, node("Exp", {"x"}, {"late"})}, {value("y", "?")}));
  ASSERT_TRUE(graph) << graph.error().text();
  EXPECT_EQ(ops_of(*graph), (std::vector<std::string>{"Exp", "If"}));
  EXPECT_EQ(run(*graph, {floats({0, 0}), Value(Tensor::scalar(true))}),
            (std::vector<double>{-1, -1}));
}

TEST(OnnxImport, LoopCountersDeclaredAsLines) {
  auto body = std::make_shared<GraphDecl>();
  body->inputs = {value("i", "int64[1]"), value("go", "bool[1]"), value("sum", "int64[1]")};
  body->nodes = {node("Squeeze", {"i"}, {"scalar"}), node("Add", {"sum", "i"}, {"next"}),
                 node("Identity", {"go"}, {"on"})};
  body->outputs = {value("on", "?"), value("next", "?")};
  NodeDecl loop = node("Loop", {"n", "", "start"}, {"y"});
  loop.subgraphs = {{"body", body}};
  auto graph = import(
      model_of({value("n", "int64[]"), value("start", "int64[1]")}, {loop}, {value("y", "?")}));
  ASSERT_TRUE(graph) << graph.error().text();
  EXPECT_EQ(
      run(*graph, {Value(Tensor::scalar(int64_t{4})), Value(Tensor::of<int64_t>(Shape{1}, {10}))}),
      std::vector<double>{16});
}

TEST(OnnxImport, InputShapesAreFixed) {
  Model model = model_of({value("a", "float32[N,C]"), value("b", "float32[N,C]")},
                         {node("Add", {"a", "b"}, {"y"})}, {value("y", "float32[5,5]")});
  ImportOptions options;
  options.input_shapes = {{"a", Shape{2, 3}}};
  auto graph = import(model, options);
  ASSERT_TRUE(graph) << graph.error().text();
  EXPECT_EQ(graph->type(graph->inputs()[1]).text(), "float32[2,3]");  // the symbols are shared
  EXPECT_EQ(graph->type(graph->outputs()[0]).text(), "float32[2,3]");
  options.input_shapes = {{"a", Shape{2, 3}}, {"b", Shape{4, 3}}};
  expect_refused(model, ErrorCode::kUsage, "\"N\" both 2 and 4", options);
  options.input_shapes = {{"a", Shape{2}}};
  expect_refused(model, ErrorCode::kUsage, "has rank 1", options);
  options.input_shapes = {{"nobody", Shape{2}}};
  expect_refused(model, ErrorCode::kUsage, "no input of the model", options);
  options.input_shapes = {{"a", Shape{-1, 2}}};
  expect_refused(model, ErrorCode::kUsage, "at least 0", options);
}

TEST(OnnxImport, NamelessExtentsOfInputsGetNames) {
  auto graph = import(model_of({value("a", "float32[?,3,a.0]"), value("0 b", "float32[?]")},
                               {node("Relu", {"a"}, {"y"}), node("Neg", {"0 b"}, {"z"})},
                               {value("y", "?"), value("z", "?")}));
  ASSERT_TRUE(graph) << graph.error().text();
  EXPECT_EQ(graph->type(graph->outputs()[0]).text(), "float32[a_2.0,3,a.0]");
  EXPECT_EQ(graph->type(graph->outputs()[1]).text(), "float32[_0_b.0]");
}

TEST(OnnxImport, OutputsPruneTheGraph) {
  Model model =
      model_of({value("x", "float32[2]"), value("z", "float32[2]")},
               {node("Exp", {"x"}, {"a"}), node("Neg", {"a"}, {"b"}), node("Frob", {"z"}, {"y"})},
               {value("y", "?")});
  ImportOptions options;
  options.outputs = {"a"};
  auto graph = import(model, options);  // what is not needed need not even be known
  ASSERT_TRUE(graph) << graph.error().text();
  EXPECT_EQ(ops_of(*graph), std::vector<std::string>{"Exp"});
  EXPECT_EQ(graph->inputs().size(), 1u);
  options.outputs = {"b", "a", "x"};
  graph = import(model, options);
  ASSERT_TRUE(graph);
  EXPECT_EQ(graph->outputs().size(), 3u);
  options.outputs = {"nothing"};
  expect_refused(model, ErrorCode::kUsage, "no value of the model", options);
}

TEST(OnnxImport, StatedTypesYieldToInference) {
  Model model = model_of({value("x", "float32[N,3]")},
                         {node("Relu", {"x"}, {"a"}), node("NonZero", {"a"}, {"y"})},
                         {value("y", "int64[2,K]")});
  model.graphs[0].value_infos = {value("a", "float32[7,9]")};  // a lie
  auto graph = import(model);
  ASSERT_TRUE(graph) << graph.error().text();
  EXPECT_EQ(graph->type(graph->find("a")).text(), "float32[N,3]");
  // K is bound by no input: nothing could ever compute it.
  EXPECT_EQ(graph->type(graph->outputs()[0]).text(), "int64[2,?]");
}

}  // namespace
}  // namespace sluice::import
