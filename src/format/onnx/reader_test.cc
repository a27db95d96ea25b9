#include "format/onnx/reader.h"

#include <gtest/gtest.h>

#include "format/caps.h"
#include "format/onnx/wire.h"
#include "format/onnx/writer.h"

namespace sluice::format::onnx {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

Result<Model> read(const std::string& text) {
  return read_onnx(bytes_of(text), nullptr, "test.onnx");
}

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

Model small_model() {
  Model model;
  model.opsets = {{"", 20}};
  model.metadata = {{"ir_version", "10"}, {"producer_name", "test"}, {"colour", "blue"}};
  GraphDecl graph;
  graph.name = "g";
  graph.inputs = {value("x", "float32[N,3]")};
  graph.outputs = {value("y", "float32[N,3]")};
  graph.initializers = {{"w", Tensor::of<float>(Shape{3}, {1, 2, 3})}};
  graph.nodes = {node("Mul", {"x", "w"}, {"y"})};
  model.graphs.push_back(std::move(graph));
  return model;
}

std::string model_of_graph(const WireWriter& graph) {
  WireWriter model, opset;
  model.varint_field(1, 10);
  model.message_field(7, graph);
  opset.varint_field(2, 20);
  model.message_field(8, opset);
  return model.take();
}

std::string model_of_tensor(const WireWriter& tensor) {
  WireWriter graph;
  graph.message_field(5, tensor);
  return model_of_graph(graph);
}

TEST(OnnxReader, ReadsBackWhatIsWritten) {
  Model model = small_model();
  AttrMap attrs = {{"f", Attribute(0.5f)},
                   {"i", Attribute(int64_t{-7})},
                   {"s", Attribute(std::string("text"))},
                   {"t", Attribute(Tensor::of<int8_t>(Shape{2}, {1, -1}))},
                   {"floats", Attribute(std::vector<float>{1, 2})},
                   {"ints", Attribute(std::vector<int64_t>{1, -2, 1 << 20})},
                   {"strings", Attribute(std::vector<std::string>{"a", ""})},
                   {"tensors", Attribute(std::vector<Tensor>{Tensor::scalar(1.0f)})},
                   {"type", Attribute(Type::parse("seq(float32[?])").value())}};
  NodeDecl other = node("Odd", {"x", "", "y"}, {"z", ""}, attrs);
  other.name = "odd";
  other.domain = "com.acme";
  auto body = std::make_shared<GraphDecl>();
  body->outputs = {value("b", "int64[]")};
  other.subgraphs = {{"body", body}};
  model.graphs[0].nodes.push_back(other);
  FunctionDecl function;
  function.domain = "local";
  function.name = "F";
  function.inputs = {"a"};
  function.outputs = {"c"};
  function.attributes = {"alpha"};
  function.default_attributes = {{"beta", Attribute(2.0f)}};
  function.opsets = {{"", 18}};
  NodeDecl inner = node("LeakyRelu", {"a"}, {"c"});
  inner.attr_refs = {{"alpha", "alpha"}};
  function.nodes = {inner};
  model.functions = {function};

  auto text = write_onnx(model);
  ASSERT_TRUE(text) << text.error().text();
  auto back = read(*text);
  ASSERT_TRUE(back) << back.error().text();
  const GraphDecl& graph = back->graphs[0];
  EXPECT_EQ(graph.name, "g");
  EXPECT_EQ(graph.inputs[0].type.text(), "float32[N,3]");
  EXPECT_EQ(graph.initializers[0].tensor.to_doubles(), (std::vector<double>{1, 2, 3}));
  ASSERT_EQ(graph.nodes.size(), 2u);
  const NodeDecl& odd = graph.nodes[1];
  EXPECT_EQ(odd.name, "odd");
  EXPECT_EQ(odd.domain, "com.acme");
  EXPECT_EQ(odd.inputs, (std::vector<std::string>{"x", "", "y"}));
  EXPECT_EQ(odd.outputs, (std::vector<std::string>{"z", ""}));
  EXPECT_EQ(odd.attrs.float_or("f", 0), 0.5f);
  EXPECT_EQ(odd.attrs.int_or("i", 0), -7);
  EXPECT_EQ(odd.attrs.string_or("s", ""), "text");
  EXPECT_EQ(odd.attrs.tensor("t")->to_ints(), (std::vector<int64_t>{1, -1}));
  EXPECT_EQ(odd.attrs.ints_or("ints"), (std::vector<int64_t>{1, -2, 1 << 20}));
  EXPECT_EQ(odd.attrs.floats_or("floats"), (std::vector<float>{1, 2}));
  EXPECT_EQ(odd.attrs.strings_or("strings"), (std::vector<std::string>{"a", ""}));
  EXPECT_EQ(odd.attrs.type("type")->text(), "seq(float32[?])");
  ASSERT_EQ(odd.subgraphs.size(), 1u);
  EXPECT_EQ(odd.subgraphs[0].second->outputs[0].name, "b");
  ASSERT_EQ(back->functions.size(), 1u);
  EXPECT_EQ(back->functions[0].nodes[0].attr_refs[0].second, "alpha");
  EXPECT_EQ(std::get<float>(back->functions[0].default_attributes[0].second), 2.0f);
  EXPECT_EQ(back->opsets, model.opsets);
  EXPECT_EQ(back->metadata, model.metadata);
}

TEST(OnnxReader, AlignedWeightsAreViews) {
  // Pads the name until the payload falls on a multiple of four.
  for (size_t pad = 0; pad < 4; ++pad) {
    Model model = small_model();
    model.metadata[1].second += std::string(pad, '.');
    const std::string text = write_onnx(model).value();
    auto file = MappedFile::from_bytes(bytes_of(text));
    auto back = read_onnx(file->bytes(), file, "m");
    ASSERT_TRUE(back);
    const Tensor& w = back->graphs[0].initializers[0].tensor;
    const auto* begin = file->bytes().data();
    const bool inside = w.bytes().data() >= begin && w.bytes().data() < begin + file->size();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(w.bytes().data()) % 4, 0u);
    EXPECT_EQ(w.to_doubles(), (std::vector<double>{1, 2, 3}));
    if (inside) {
      file.reset();  // the view keeps the file
      EXPECT_EQ(w.to_doubles(), (std::vector<double>{1, 2, 3}));
      EXPECT_FALSE(w.unique());
      return;
    }
  }
  FAIL() << "no alignment gave a view";
}

// A tensor of `dtype` and `dims`, its elements given to `fill`.
template <class Fill>
Result<Tensor> tensor_of(DType dtype, std::vector<int64_t> dims, Fill&& fill) {
  WireWriter writer;
  for (const int64_t dim : dims) writer.varint_field(1, static_cast<uint64_t>(dim));
  writer.varint_field(2, static_cast<uint64_t>(dtype));
  fill(writer);
  return read_tensor_pb(bytes_of(writer.text()));
}

TEST(OnnxReader, ReadsEveryTypedDataField) {
  auto check = [](Result<Tensor> tensor, std::vector<double> want) {
    ASSERT_TRUE(tensor) << tensor.error().text();
    EXPECT_EQ(tensor->to_doubles(), want) << tensor->text();
  };
  check(tensor_of(DType::kFloat32, {2},
                  [](WireWriter& w) {
                    w.float_field(4, 1.5f);
                    w.float_field(4, -2);
                  }),
        {1.5, -2});
  check(tensor_of(
            DType::kFloat32, {2},
            [](WireWriter& w) { w.bytes_field(4, std::string_view("\0\0\x80\x3f\0\0\0\x40", 8)); }),
        {1, 2});
  check(tensor_of(DType::kInt8, {3},
                  [](WireWriter& w) {
                    w.varint_field(5, static_cast<uint64_t>(-128));
                    w.varint_field(5, 127);
                    w.varint_field(5, 255);
                  }),
        {-128, 127, -1});
  check(tensor_of(DType::kFloat16, {2},
                  [](WireWriter& w) {
                    w.varint_field(5, 0x3c00);
                    w.varint_field(5, 0xc000);
                  }),
        {1, -2});
  check(tensor_of(DType::kInt4, {3},
                  [](WireWriter& w) {
                    w.varint_field(5, 0xf1);
                    w.varint_field(5, 0x07);
                  }),
        {1, -1, 7});
  check(tensor_of(DType::kBool, {2},
                  [](WireWriter& w) {
                    w.varint_field(5, 1);
                    w.varint_field(5, 0);
                  }),
        {1, 0});
  check(tensor_of(DType::kInt64, {},
                  [](WireWriter& w) { w.varint_field(7, static_cast<uint64_t>(-5)); }),
        {-5});
  check(tensor_of(DType::kUInt32, {1}, [](WireWriter& w) { w.varint_field(11, 4000000000u); }),
        {4e9});
  check(tensor_of(DType::kUInt64, {1}, [](WireWriter& w) { w.varint_field(11, 1u << 31); }),
        {2147483648.0});
  check(tensor_of(
            DType::kFloat64, {1},
            [](WireWriter& w) { w.bytes_field(10, std::string_view("\0\0\0\0\0\0\xf8\x3f", 8)); }),
        {1.5});
  check(tensor_of(DType::kBool, {2},
                  [](WireWriter& w) { w.bytes_field(9, std::string_view("\x02\x00", 2)); }),
        {1, 0});
  check(tensor_of(DType::kFloat32, {0, 3}, [](WireWriter&) {}), {});
  auto strings = tensor_of(DType::kString, {2}, [](WireWriter& w) {
    w.bytes_field(6, std::string_view("one"));
    w.bytes_field(6, std::string_view(""));
  });
  ASSERT_TRUE(strings);
  EXPECT_EQ(strings->data<std::string>()[0], "one");
  auto complex = tensor_of(DType::kComplex64, {1}, [](WireWriter& w) {
    w.float_field(4, 1);
    w.float_field(4, 2);
  });
  ASSERT_TRUE(complex) << complex.error().text();
  EXPECT_EQ(complex->size_bytes(), 8u);
}

TEST(OnnxReader, RefusesTensorsWhoseDataDontFit) {
  const auto refused = [](Result<Tensor> tensor, std::string_view want) {
    ASSERT_FALSE(tensor);
    EXPECT_EQ(tensor.error().code, ErrorCode::kInvalidModel);
    EXPECT_NE(tensor.error().message.find(want), std::string::npos) << tensor.error().message;
  };
  const auto raw = [](size_t n) {
    return [n](WireWriter& w) { w.bytes_field(9, std::string(n, '\0')); };
  };
  refused(tensor_of(DType::kFloat32, {2, 3}, raw(23)), "has 23 bytes (24 are needed");
  refused(tensor_of(DType::kFloat32, {2, 3}, raw(25)), "has 25 bytes (24 are needed");
  refused(tensor_of(DType::kFloat32, {2, 3}, [](WireWriter&) {}), "0 elements (6 are needed");
  refused(tensor_of(DType::kInt4, {3}, raw(3)), "(2 are needed");
  refused(tensor_of(DType::kFloat32, {-2}, raw(8)), "extent -2 (at least 0)");
  refused(tensor_of(DType::kFloat32, {int64_t{1} << 32, int64_t{1} << 32}, raw(0)),
          "more elements than can be addressed");
  refused(tensor_of(DType::kFloat32, {int64_t{1} << 62}, raw(0)), "can be addressed");
  refused(tensor_of(DType::kFloat32, {int64_t{1} << 40}, raw(4)),
          sizeof(size_t) > 4 ? "are needed" : "can be addressed");
  refused(tensor_of(DType::kFloat32, {1}, [](WireWriter& w) { w.varint_field(7, 1); }),
          "carries int64_data (float_data is needed)");
  refused(tensor_of(DType::kFloat32, {1},
                    [](WireWriter& w) {
                      w.float_field(4, 1);
                      w.bytes_field(9, std::string(4, '\0'));
                    }),
          "more than one place");
  refused(tensor_of(DType::kInt8, {1}, [](WireWriter& w) { w.varint_field(5, 300); }),
          "300, out of range for int8");
  refused(tensor_of(DType::kUInt32, {1}, [](WireWriter& w) { w.varint_field(11, 1ull << 32); }),
          "out of range for uint32");
  refused(tensor_of(DType::kString, {1}, raw(4)), "Strings can't be");
  refused(tensor_of(static_cast<DType>(77), {1}, raw(4)), "is 77 (1 to 26)");
  refused(tensor_of(DType::kUndefined, {1}, raw(4)), "is 0 (1 to 26)");
}

TEST(OnnxReader, SparseTensorsBecomeDense) {
  const auto sparse = [](std::vector<int64_t> indices, std::vector<int64_t> dims) {
    WireWriter values, index, out;
    values.varint_field(1, indices.size());
    values.varint_field(2, 1);
    values.bytes_field(8, std::string_view("s"));
    for (size_t i = 0; i < indices.size(); ++i) values.float_field(4, static_cast<float>(i + 1));
    index.varint_field(1, indices.size());
    index.varint_field(2, 7);
    for (const int64_t i : indices) index.varint_field(7, static_cast<uint64_t>(i));
    out.message_field(1, values);
    out.message_field(2, index);
    for (const int64_t dim : dims) out.varint_field(3, static_cast<uint64_t>(dim));
    WireWriter graph;
    graph.message_field(15, out);
    return read(model_of_graph(graph));
  };
  auto model = sparse({1, 5}, {2, 3});
  ASSERT_TRUE(model) << model.error().text();
  EXPECT_EQ(model->graphs[0].initializers[0].tensor.to_doubles(),
            (std::vector<double>{0, 1, 0, 0, 0, 2}));
  EXPECT_FALSE(sparse({6}, {2, 3}));
  EXPECT_FALSE(sparse({-1}, {2, 3}));
  auto huge = sparse({0}, {int64_t{1} << 30});
  ASSERT_FALSE(huge);
  // Where an address has 32 bits, no machine could hold it.
  EXPECT_EQ(huge.error().code, sizeof(size_t) > 4 ? ErrorCode::kResource : ErrorCode::kInvalidModel)
      << huge.error().text();
}

TEST(OnnxReader, SequencesAndOptionalsOfTestData) {
  const Value tensor(Tensor::of<float>(Shape{2}, {1, 2}));
  const Value sequence = Value::sequence({tensor, tensor});
  auto back = read_value_pb(bytes_of(write_value_pb(sequence)),
                            Type::sequence(Type::tensor(DType::kFloat32)));
  ASSERT_TRUE(back) << back.error().text();
  ASSERT_EQ(back->items().size(), 2u);
  EXPECT_EQ(back->items()[1].tensor().to_doubles(), (std::vector<double>{1, 2}));
  const Type optional = Type::optional(Type::sequence(Type::tensor(DType::kFloat32)));
  auto some = read_value_pb(bytes_of(write_value_pb(Value::some(sequence))), optional);
  ASSERT_TRUE(some);
  ASSERT_EQ(some->items().size(), 1u);
  EXPECT_EQ(some->items()[0].items().size(), 2u);
  auto none = read_value_pb(bytes_of(write_value_pb(Value::empty_optional())), optional);
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->items().empty());
}

TEST(OnnxReader, DimensionsKeepNamesApart) {
  Model model = small_model();
  WireWriter graph;
  const auto input = [&](std::string_view name, std::initializer_list<std::string_view> params) {
    WireWriter shape, tensor, type, info;
    for (const std::string_view param : params) {
      WireWriter dim;
      dim.bytes_field(2, param);
      shape.message_field(1, dim);
    }
    tensor.varint_field(1, 1);
    tensor.message_field(2, shape);
    type.message_field(1, tensor);
    info.bytes_field(1, name);
    info.message_field(2, type);
    graph.message_field(11, info);
  };
  input("a", {"batch", "s+1", "s-1", "3", ""});
  input("b", {"s-1", "batch"});
  auto back = read(model_of_graph(graph));
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(back->graphs[0].inputs[0].type.text(), "float32[batch,s_1,s_1_3,dim_3,?]");
  EXPECT_EQ(back->graphs[0].inputs[1].type.text(), "float32[s_1_3,batch]");
}

// --- caps: each at the limit and one past it.

bool reads(const std::string& text, std::string_view want_error = "(limit ") {
  auto model = read(text);
  if (!model) {
    EXPECT_NE(model.error().message.find(want_error), std::string::npos) << model.error().message;
  }
  return model.ok();
}

// A field that the reader skips: it pays for the memory that short messages ask for.
WireWriter padding() {
  WireWriter out;
  out.bytes_field(6, std::string(120, 'p'));
  return out;
}

TEST(OnnxCaps, Rank) {
  for (const int extra : {0, 1}) {
    WireWriter tensor;
    for (int i = 0; i < caps::kMaxTensorRank + extra; ++i) tensor.varint_field(1, 1);
    tensor.varint_field(2, 1);
    tensor.float_field(4, 1);
    EXPECT_EQ(reads(model_of_tensor(tensor)), extra == 0);
    WireWriter shape, tensor_type, type, info, graph;
    for (int i = 0; i < caps::kMaxTensorRank + extra; ++i) shape.message_field(1, WireWriter());
    tensor_type.message_field(2, shape);
    type.message_field(1, tensor_type);
    info.message_field(2, type);
    graph.message_field(11, info);
    EXPECT_EQ(reads(model_of_graph(graph)), extra == 0);
  }
}

TEST(OnnxCaps, NameLength) {
  for (const size_t extra : {0u, 1u}) {
    WireWriter graph;
    graph.bytes_field(2, std::string(caps::kMaxNameBytes + extra, 'x'));
    EXPECT_EQ(reads(model_of_graph(graph)), extra == 0);
  }
}

TEST(OnnxCaps, GraphNesting) {
  for (const int extra : {0, 1}) {
    WireWriter graph;
    graph.bytes_field(2, std::string_view("innermost"));
    for (int depth = 1; depth < caps::kMaxGraphNesting + extra; ++depth) {
      WireWriter attribute, inner, outer;
      attribute.bytes_field(1, std::string_view("then_branch"));
      attribute.message_field(6, graph);
      attribute.varint_field(20, 5);
      inner.bytes_field(4, std::string_view("If"));
      inner.message_field(5, attribute);
      outer.message_field(1, inner);
      graph = outer;
    }
    EXPECT_EQ(reads(model_of_graph(graph)), extra == 0);
  }
}

TEST(OnnxCaps, TypeNesting) {
  for (const int extra : {0, 1}) {
    WireWriter type;
    for (int depth = 1; depth < caps::kMaxTypeNesting + extra; ++depth) {
      WireWriter holder, outer;
      holder.message_field(1, type);
      outer.message_field(4, holder);
      type = outer;
    }
    WireWriter info, graph;
    info.bytes_field(1, std::string_view("x"));
    info.message_field(2, type);
    graph.message_field(11, info);
    EXPECT_EQ(reads(model_of_graph(graph)), extra == 0);

    std::string sequence;
    for (int depth = 1; depth < caps::kMaxTypeNesting + extra; ++depth) {
      WireWriter outer;
      outer.bytes_field(5, sequence);
      sequence = outer.take();
    }
    EXPECT_EQ(read_value_pb(bytes_of(sequence), Type::sequence({})).ok(), extra == 0);
  }
}

TEST(OnnxCaps, Nodes) {
  WireWriter one = padding();
  one.bytes_field(4, std::string_view("A"));
  WireWriter graph;
  for (size_t i = 0; i < caps::kMaxNodes; ++i) graph.message_field(1, one);
  EXPECT_TRUE(reads(model_of_graph(graph)));
  graph.message_field(1, one);
  EXPECT_FALSE(reads(model_of_graph(graph)));
}

TEST(OnnxCaps, Initializers) {
  WireWriter one;
  one.varint_field(1, 0);
  one.varint_field(2, 1);
  one.bytes_field(12, std::string(160, 'p'));
  WireWriter graph;
  for (size_t i = 0; i < caps::kMaxTensors; ++i) graph.message_field(5, one);
  EXPECT_TRUE(reads(model_of_graph(graph)));
  graph.message_field(5, one);
  EXPECT_FALSE(reads(model_of_graph(graph)));
}

TEST(OnnxCaps, GraphValues) {
  WireWriter one;
  one.bytes_field(3, std::string(60, 'p'));
  for (const uint32_t number : {11u, 12u, 13u}) {
    WireWriter graph;
    for (size_t i = 0; i < caps::kMaxGraphValues; ++i) graph.message_field(number, one);
    EXPECT_TRUE(reads(model_of_graph(graph)));
    graph.message_field(number, one);
    EXPECT_FALSE(reads(model_of_graph(graph)));
  }
}

TEST(OnnxCaps, AttributesAndValuesOfANode) {
  for (const size_t extra : {0u, 1u}) {
    WireWriter many;
    many.bytes_field(4, std::string_view("A"));
    for (size_t i = 0; i < caps::kMaxAttributes + extra; ++i) {
      WireWriter attribute;
      attribute.bytes_field(1, "a" + std::to_string(i));
      attribute.varint_field(3, i);
      attribute.varint_field(20, 2);
      many.message_field(5, attribute);
    }
    WireWriter graph;
    graph.message_field(1, many);
    EXPECT_EQ(reads(model_of_graph(graph)), extra == 0);
    for (const uint32_t number : {1u, 2u}) {
      WireWriter wide, holder;
      wide.bytes_field(4, std::string_view("A"));
      for (size_t i = 0; i < caps::kMaxNodeValues + extra; ++i) {
        wide.bytes_field(number, std::string_view("v"));
      }
      holder.message_field(1, wide);
      EXPECT_EQ(reads(model_of_graph(holder)), extra == 0);
    }
  }
}

TEST(OnnxCaps, FunctionsOpsetsAndMetadata) {
  WireWriter function = padding();
  function.bytes_field(1, std::string_view("F"));
  WireWriter entry;
  entry.bytes_field(1, std::string_view("k"));
  WireWriter opset;
  opset.varint_field(2, 20);
  const auto repeated = [](uint32_t number, const WireWriter& message, size_t count) {
    WireWriter model;
    model.varint_field(1, 10);
    model.message_field(7, WireWriter());
    for (size_t i = 0; i < count; ++i) model.message_field(number, message);
    if (number != 8) model.message_field(8, WireWriter());
    return model.take();
  };
  EXPECT_TRUE(reads(repeated(25, function, caps::kMaxFunctions)));
  EXPECT_FALSE(reads(repeated(25, function, caps::kMaxFunctions + 1)));
  EXPECT_TRUE(reads(repeated(8, opset, caps::kMaxOpsets)));
  EXPECT_FALSE(reads(repeated(8, opset, caps::kMaxOpsets + 1)));
  EXPECT_TRUE(reads(repeated(14, entry, caps::kMaxMetadataEntries)));
  EXPECT_FALSE(reads(repeated(14, entry, caps::kMaxMetadataEntries + 1)));
}

TEST(OnnxCaps, MemoryIsPaidForByTheFile) {
  // Empty messages are the cheapest way to ask for memory: two bytes for a whole declaration.
  WireWriter graph;
  for (int i = 0; i < 200'000; ++i) graph.message_field(13, WireWriter());
  const std::string text = model_of_graph(graph);
  uint64_t used = 0;
  ReadOptions options;
  options.memory_used = &used;
  auto model = read_onnx(bytes_of(text), nullptr, "m", options);
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, ErrorCode::kResource);
  // The claim that broke the limit was refused, not served.
  WireWriter strings;
  strings.varint_field(1, 2'000'000);
  strings.varint_field(2, 8);
  for (int i = 0; i < 2'000'000; ++i) strings.bytes_field(6, std::string_view());
  auto tensor = read_tensor_pb(bytes_of(strings.text()));
  ASSERT_FALSE(tensor);
  EXPECT_EQ(tensor.error().code, ErrorCode::kResource);
}

}  // namespace
}  // namespace sluice::format::onnx
