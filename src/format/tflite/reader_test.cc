#include "format/tflite/reader.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/text.h"
#include "format/tflite/sample_models.h"

namespace sluice::format::tflite {
namespace {

using Bytes = std::vector<std::byte>;

// From a heap block of exactly the file's size, so that a sanitizer sees every step outside.
Result<Model> read(const Bytes& bytes, const Limits& limits = {}) {
  auto owner = std::make_shared<Bytes>(bytes);
  return read_tflite(*owner, owner, "sample", limits);
}

std::string refusal(const Sample& sample, const Limits& limits = {}) {
  const auto model = read(written(sample), limits);
  return model.ok() ? "accepted" : model.error().message;
}

#define EXPECT_REFUSED(sample, words)                     \
  do {                                                    \
    const std::string why = refusal(sample);              \
    EXPECT_NE(why.find(words), std::string::npos) << why; \
  } while (false)

Sample& graph_of(Sample& model, size_t i = 0) { return model.at(model::kSubgraphs).item(i); }
Sample& tensor_at(Sample& model, size_t i, size_t graph = 0) {
  return graph_of(model, graph).at(subgraph::kTensors).item(i);
}
Sample& operator_at(Sample& model, size_t i, size_t graph = 0) {
  return graph_of(model, graph).at(subgraph::kOperators).item(i);
}
Sample& buffer_at(Sample& model, size_t i) { return model.at(model::kBuffers).item(i); }

TEST(TfliteReader, ReadsAFloatModel) {
  const auto model = read(written(sample_float_model()));
  ASSERT_TRUE(model.ok()) << model.error().text();
  ASSERT_EQ(model->graphs.size(), 1u);
  const GraphDecl& graph = model->graphs[0];
  ASSERT_EQ(graph.inputs.size(), 1u);
  EXPECT_EQ(graph.inputs[0].name, "image");
  EXPECT_EQ(graph.inputs[0].type.text(), "float32[1,4,4,1]");
  ASSERT_EQ(graph.nodes.size(), 2u);
  EXPECT_EQ(graph.nodes[0].op, "CONV_2D");
  EXPECT_EQ(graph.nodes[0].domain, "tflite");
  EXPECT_EQ(graph.nodes[0].attrs.string_or("padding", ""), "SAME");
  EXPECT_EQ(graph.nodes[0].attrs.string_or("fused_activation_function", ""), "RELU");
  EXPECT_EQ(graph.nodes[0].attrs.int_or("stride_w", 0), 1);
  EXPECT_EQ(graph.nodes[0].attrs.int_or("dilation_w_factor", 0), 1) << "the schema's default";
  EXPECT_EQ(graph.nodes[1].attrs.ints_or("new_shape"), (std::vector<int64_t>{1, 32}));
  ASSERT_EQ(graph.initializers.size(), 3u);
  EXPECT_FLOAT_EQ(static_cast<float>(graph.initializers[0].tensor.get_double(17)), 1.7f);
  ASSERT_EQ(model->signatures.size(), 1u);
  EXPECT_EQ(model->signatures[0].outputs[0].second, "flat");
  EXPECT_EQ(model->metadata.back(),
            (std::pair<std::string, std::string>{"min_runtime_version", "1.5.0"}));
}

TEST(TfliteReader, ReadsQuantizationAndCustomOptions) {
  const auto model = read(written(sample_quantized_model()));
  ASSERT_TRUE(model.ok()) << model.error().text();
  const GraphDecl& graph = model->graphs[0];
  ASSERT_EQ(graph.quantization.size(), 4u);
  EXPECT_EQ(graph.quantization[0].second.zero_points, (std::vector<int64_t>{-3}));
  EXPECT_EQ(graph.quantization[1].second.scales, (std::vector<float>{0.25f, 0.125f}));
  const NodeDecl& custom = graph.nodes[1];
  EXPECT_EQ(custom.domain, "tflite.custom");
  EXPECT_EQ(custom.op, "Sample");
  EXPECT_EQ(custom.attrs.int_or("alpha", 0), 7);
  EXPECT_EQ(custom.attrs.ints_or("beta"), (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(custom.attrs.string_or("name", ""), "ab");
  EXPECT_EQ(graph.outputs[0].name, "tensor_4") << "an empty name is replaced";
}

TEST(TfliteReader, ReadsSubgraphsStringsAndSparseTensors) {
  const auto model = read(written(sample_control_model()));
  ASSERT_TRUE(model.ok()) << model.error().text();
  ASSERT_EQ(model->graphs.size(), 4u);
  EXPECT_EQ(model->graphs[0].nodes[0].attrs.int_or("body_subgraph_index", -1), 2);
  for (const auto& init : model->graphs[0].initializers) {
    if (init.name == "sparse") {
      EXPECT_EQ(init.tensor.to_doubles(), (std::vector<double>{0, 0, 1, 0, 2, 0, 0, 3}));
    }
    if (init.name == "words") {
      EXPECT_EQ(init.tensor.data<std::string>()[1], "cde");
    }
  }
}

TEST(TfliteReader, RefusesWhatLiesOutsideTheFile) {
  for (const auto& sample :
       {sample_float_model(), sample_quantized_model(), sample_control_model()}) {
    Bytes bytes = written(sample);
    ASSERT_TRUE(read(bytes).ok());
    // The root's vtable, then the root itself.
    uint32_t root = 0;
    std::memcpy(&root, bytes.data(), 4);
    for (const int32_t offset : {INT32_MIN, -1, 1, INT32_MAX, 1 << 20}) {
      Bytes wild = bytes;
      std::memcpy(wild.data() + root, &offset, 4);
      EXPECT_FALSE(read(wild).ok()) << "vtable offset " << offset;
    }
    for (const uint32_t at : {0u, 4u, 7u, static_cast<uint32_t>(bytes.size()),
                              static_cast<uint32_t>(bytes.size() - 1), 0x7fffffffu, 0xfffffffcu}) {
      Bytes wild = bytes;
      std::memcpy(wild.data(), &at, 4);
      EXPECT_FALSE(read(wild).ok()) << "root offset " << at;
    }
  }
}

TEST(TfliteReader, RefusesVectorsLongerThanTheFile) {
  for (const int64_t length :
       {int64_t{1} << 20, int64_t{0x40000000}, int64_t{0x7fffffff}, int64_t{0xffffffff}}) {
    Sample a = sample_float_model();
    graph_of(a).at(subgraph::kTensors).claimed_length = length;
    EXPECT_REFUSED(a, "more than the file holds");
    Sample b = sample_float_model();
    buffer_at(b, 1).at(buffer::kData).claimed_length = length;
    EXPECT_REFUSED(b, "more than the file holds");
    Sample c = sample_float_model();
    tensor_at(c, 0).at(tensor::kShape).claimed_length = length;
    EXPECT_REFUSED(c, "more than the file holds");
    Sample d = sample_float_model();
    tensor_at(d, 0).at(tensor::kName).claimed_length = length;
    EXPECT_FALSE(read(written(d)).ok());
  }
}

TEST(TfliteReader, RefusesIndicesOutOfRange) {
  for (const int64_t index : {6, 7, -2, INT32_MAX, INT32_MIN}) {
    Sample a = sample_float_model();
    operator_at(a, 0).at(op::kInputs) = Sample::i32s({0, index, 2});
    EXPECT_REFUSED(a, "the subgraph has 6");
    Sample b = sample_float_model();
    operator_at(b, 0).at(op::kOutputs) = Sample::i32s({index});
    EXPECT_REFUSED(b, "the subgraph has 6");
    Sample c = sample_float_model();
    graph_of(c).at(subgraph::kOutputs) = Sample::i32s({index});
    EXPECT_REFUSED(c, "the subgraph has 6");
    Sample d = sample_float_model();
    graph_of(d).at(subgraph::kInputs) = Sample::i32s({index});
    EXPECT_REFUSED(d, "the subgraph has 6");
    Sample e = sample_float_model();
    operator_at(e, 0).at(op::kIntermediates) = Sample::i32s({index});
    EXPECT_REFUSED(e, "the subgraph has 6");
  }
  for (const int64_t index : {5, 777, INT32_MAX, -1}) {
    Sample a = sample_float_model();
    tensor_at(a, 1).at(tensor::kBuffer) = Sample::i32(index);
    EXPECT_REFUSED(a, "the file has 5");
    Sample b = sample_float_model();
    operator_at(b, 1).at(op::kOpcodeIndex) = Sample::i32(index);
    EXPECT_REFUSED(b, "the file has 2");
    Sample c = sample_float_model();
    c.at(model::kMetadata).item(0).at(metadata::kBuffer) = Sample::i32(index);
    EXPECT_REFUSED(c, "the file has 5");
  }
  Sample signature_graph = sample_float_model();
  signature_graph.at(model::kSignatureDefs).item(0).at(signature::kSubgraphIndex) = Sample::i32(1);
  EXPECT_REFUSED(signature_graph, "names subgraph 1");
  Sample signature_tensor = sample_float_model();
  signature_tensor.at(model::kSignatureDefs)
      .item(0)
      .at(signature::kInputs)
      .item(0)
      .at(tensor_map::kTensorIndex) = Sample::i32(6);
  EXPECT_REFUSED(signature_tensor, "names tensor 6");
  Sample body = sample_control_model();
  operator_at(body, 0).at(op::kBuiltinOptions).at(1) = Sample::i32(4);
  EXPECT_REFUSED(body, "body_subgraph_index is 4");
  Sample body_negative = sample_control_model();
  operator_at(body_negative, 0).at(op::kBuiltinOptions).at(1) = Sample::i32(-1);
  EXPECT_REFUSED(body_negative, "body_subgraph_index is -1");
}

TEST(TfliteReader, RefusesShapesThatLie) {
  const auto with_shape = [](size_t tensor_index, const std::vector<int64_t>& shape) {
    Sample model = sample_float_model();
    tensor_at(model, tensor_index).at(tensor::kShape) = Sample::i32s(shape);
    return model;
  };
  EXPECT_REFUSED(with_shape(0, {1, -5, 4, 1}), "Dimension 1 is -5");
  EXPECT_REFUSED(with_shape(3, {INT32_MAX, INT32_MAX, 5, 2}), "more than 2^64");
  EXPECT_REFUSED(with_shape(3, {65536, 65536, 65536, 65536}), "limit");
  EXPECT_REFUSED(with_shape(1, {2, 3, 3, 2}), "The buffer has 72 bytes");
  EXPECT_REFUSED(with_shape(1, {2, 3, 3}),
                 "accepted");  // as many elements: the operator will object
  EXPECT_REFUSED(with_shape(2, {3}), "The buffer has 8 bytes");
  EXPECT_REFUSED(with_shape(1, {2, -1, 3, 1}), "dynamic");
  // 2^31 * 2^31 * 4 wraps to 0, which is not the size of the buffer.
  EXPECT_REFUSED(with_shape(1, {INT32_MAX, INT32_MAX, 4, 4}), "limit");
  EXPECT_REFUSED(with_shape(0, std::vector<int64_t>(kMaxRank + 1, 1)),
                 cat("rank ", kMaxRank + 1, " (limit ", kMaxRank, ")"));
  EXPECT_REFUSED(with_shape(0, std::vector<int64_t>(kMaxRank, 1)), "accepted");
  Sample signature = sample_float_model();
  tensor_at(signature, 0).at(tensor::kShapeSignature) = Sample::i32s({-1, 4, 4});
  EXPECT_REFUSED(signature, "shape signature has rank 3");
  tensor_at(signature, 0).at(tensor::kShapeSignature) = Sample::i32s({-2, 4, 4, 1});
  EXPECT_REFUSED(signature, "is -2");
  tensor_at(signature, 0).at(tensor::kShapeSignature) = Sample::i32s({-1, 4, 4, 1});
  const auto dynamic = read(written(signature));
  ASSERT_TRUE(dynamic.ok());
  EXPECT_EQ(dynamic->graphs[0].inputs[0].type.text(), "float32[batch,4,4,1]");
}

TEST(TfliteReader, RefusesBuffersOutsideTheFile) {
  // Data behind the flatbuffer: offset and size instead of data.
  const auto outside = [](uint64_t offset, uint64_t size) {
    Sample model = sample_float_model();
    buffer_at(model, 1) =
        Sample::table({{buffer::kOffset, Sample::i64(static_cast<int64_t>(offset))},
                       {buffer::kSize, Sample::i64(static_cast<int64_t>(size))}});
    return written(model);
  };
  Bytes good = outside(0, 0);
  const uint64_t end = good.size();
  good = outside(end, 72);
  ASSERT_EQ(good.size(), end);
  good.resize(end + 72);
  const auto model = read(good);
  ASSERT_TRUE(model.ok()) << model.error().text();
  EXPECT_EQ(model->graphs[0].initializers[0].tensor.elements(), 18);
  EXPECT_FALSE(read(Bytes(good.begin(), good.end() - 1)).ok());
  for (const auto& [offset, size] : {std::pair<uint64_t, uint64_t>{end + 1, 72},
                                     {end, 73},
                                     {UINT64_MAX, 72},
                                     {UINT64_MAX - 71, 72},
                                     {end, UINT64_MAX},
                                     {2, UINT64_MAX - 1},
                                     {uint64_t{1} << 32, 72}}) {
    Bytes bad = outside(offset, size);
    bad.resize(end + 72);
    EXPECT_FALSE(read(bad).ok()) << offset << " + " << size;
  }
  Sample custom = sample_quantized_model();
  operator_at(custom, 1).at(op::kLargeCustomOptionsOffset) = Sample::i64(1 << 20);
  operator_at(custom, 1).at(op::kLargeCustomOptionsSize) = Sample::i64(1);
  EXPECT_REFUSED(custom, "past the end of the file");
  Sample external = sample_float_model();
  tensor_at(external, 1).at(tensor::kExternalBuffer) = Sample::i32(1);
  EXPECT_REFUSED(external, "external file");
}

TEST(TfliteReader, RefusesQuantizationThatDoesNotFit) {
  const auto with = [](size_t t, const std::vector<float>& scales,
                       const std::vector<int64_t>& zeros, int64_t axis) {
    Sample model = sample_quantized_model();
    tensor_at(model, t).at(tensor::kQuantization) =
        Sample::table({{quantization::kScale, Sample::f32s(scales)},
                       {quantization::kZeroPoint, Sample::i64s(zeros)},
                       {quantization::kQuantizedDimension, Sample::i32(axis)}});
    return model;
  };
  EXPECT_REFUSED(with(1, {1, 1, 1}, {0, 0, 0}, 0), "3 scales for dimension 0 of 2");
  EXPECT_REFUSED(with(1, {1, 1}, {0}, 0), "1 zero points and 2 scales");
  EXPECT_REFUSED(with(1, {1, 1}, {0, 0}, 4), "quantized dimension is 4");
  EXPECT_REFUSED(with(1, {1, 1}, {0, 0}, -1), "quantized dimension is -1");
  EXPECT_REFUSED(with(1, {1, 1}, {0, 0}, INT32_MIN), "quantized dimension");
  EXPECT_REFUSED(with(0, {1}, {128}, 0), "zero point 0 is 128");
  EXPECT_REFUSED(with(0, {1}, {-129}, 0), "zero point 0 is -129");
  EXPECT_REFUSED(with(0, {1}, {INT64_MIN}, 0), "zero point");
  EXPECT_REFUSED(with(0, {NAN}, {0}, 0), "scale 0 is");
  EXPECT_REFUSED(with(0, {INFINITY}, {0}, 0), "scale 0 is");
  EXPECT_REFUSED(with(0, {-1}, {0}, 0), "scale 0 is -1");
  EXPECT_REFUSED(with(0, {1}, {127}, 3), "accepted");
  const auto blockwise = [](int64_t scales, int64_t zeros, int64_t block) {
    Sample model = sample_quantized_model();
    tensor_at(model, 1).at(tensor::kQuantization) =
        Sample::table({{quantization::kDetailsType, Sample::i8(kDetailsBlockwise)},
                       {quantization::kDetails, Sample::table({{0, Sample::i32(scales)},
                                                               {1, Sample::i32(zeros)},
                                                               {2, Sample::i32(block)}})}});
    return model;
  };
  EXPECT_REFUSED(blockwise(5, -1, 2), "block scale is tensor 5");
  EXPECT_REFUSED(blockwise(-1, -1, 2), "block scale is tensor -1");
  EXPECT_REFUSED(blockwise(2, 9, 2), "block zero point is tensor 9");
  EXPECT_REFUSED(blockwise(2, -2, 2), "block zero point is tensor -2");
  EXPECT_REFUSED(blockwise(2, -1, 0), "block size is 0");
  EXPECT_REFUSED(blockwise(2, -1, -32), "block size is -32");
}

TEST(TfliteReader, RefusesSparseTensorsThatDoNotFit) {
  const auto with = [](const std::function<void(Sample&)>& change) {
    Sample model = sample_control_model();
    change(tensor_at(model, 4).at(tensor::kSparsity));
    return model;
  };
  const auto segments = [](const std::vector<int64_t>& s) {
    return [s](Sample& t) {
      t.at(sparsity::kDimMetadata).item(1).at(dim_metadata::kArraySegments) =
          Sample::table({{0, Sample::i32s(s)}});
    };
  };
  const auto indices = [](const std::vector<uint8_t>& s) {
    return [s](Sample& t) {
      t.at(sparsity::kDimMetadata).item(1).at(dim_metadata::kArrayIndices) =
          Sample::table({{0, Sample::u8s(s)}});
    };
  };
  EXPECT_REFUSED(with([](Sample& t) { t.at(sparsity::kTraversalOrder) = Sample::i32s({0, 0}); }),
                 "traversal order");
  EXPECT_REFUSED(with([](Sample& t) { t.at(sparsity::kTraversalOrder) = Sample::i32s({0, 2}); }),
                 "traversal order");
  EXPECT_REFUSED(with([](Sample& t) { t.at(sparsity::kTraversalOrder) = Sample::i32s({0}); }),
                 "traversal order of 1");
  EXPECT_REFUSED(with([](Sample& t) { t.at(sparsity::kBlockMap) = Sample::i32s({7}); }), "block");
  EXPECT_REFUSED(with([](Sample& t) {
                   t.at(sparsity::kDimMetadata).item(0).at(dim_metadata::kDenseSize) =
                       Sample::i32(1 << 30);
                 }),
                 "dense dimension");
  EXPECT_REFUSED(with([](Sample& t) {
                   t.at(sparsity::kDimMetadata).item(0).at(dim_metadata::kDenseSize) =
                       Sample::i32(-1);
                 }),
                 "dense dimension of -1");
  EXPECT_REFUSED(with([](Sample& t) {
                   t.at(sparsity::kDimMetadata).item(1).at(dim_metadata::kFormat) = Sample::i8(2);
                 }),
                 "format 2");
  EXPECT_REFUSED(with(segments({0, 1, 4})), "span");
  EXPECT_REFUSED(with(segments({1, 1, 3})), "span");
  EXPECT_REFUSED(with(segments({0, 5, 3})), "decrease");
  EXPECT_REFUSED(with(segments({0, -1, 3})), "decrease");
  EXPECT_REFUSED(with(segments({0, 3})), "segments");
  EXPECT_REFUSED(with(segments({})), "span");
  EXPECT_REFUSED(with(indices({2, 0, 4})), "A sparse index is 4");
  EXPECT_REFUSED(with(indices({2, 0})), "span");
  // A small file that asks for a huge dense tensor.
  Sample bomb = sample_control_model();
  tensor_at(bomb, 4).at(tensor::kShape) = Sample::i32s({1 << 20, 1 << 20});
  EXPECT_REFUSED(bomb, "when made dense");
}

TEST(TfliteReader, RefusesStringsThatDoNotFit) {
  const auto with = [](const std::vector<int64_t>& header) {
    Sample model = sample_control_model();
    std::vector<uint8_t> data = Sample::i32s(header).bytes;
    data.insert(data.end(), {'a', 'b', 'c', 'd', 'e'});
    buffer_at(model, 3).at(buffer::kData) = Sample::u8s(data);
    return model;
  };
  EXPECT_REFUSED(with({2, 16, 18, 21}), "accepted");
  EXPECT_REFUSED(with({3, 16, 18, 21}), "holds 3 strings");
  EXPECT_REFUSED(with({-1, 16, 18, 21}), "holds -1 strings");
  EXPECT_REFUSED(with({INT32_MAX, 16, 18, 21}), "strings");
  EXPECT_REFUSED(with({2, 16, 18, 22}), "outside its text");
  EXPECT_REFUSED(with({2, 16, 15, 21}), "outside its text");
  EXPECT_REFUSED(with({2, 0, 18, 21}), "outside its text");
  EXPECT_REFUSED(with({2, 16, INT32_MAX, 21}), "outside its text");
  EXPECT_REFUSED(with({2}), "offsets");
}

TEST(TfliteReader, RefusesWrongOrderAndDoubleOutputs) {
  Sample cycle = sample_float_model();
  operator_at(cycle, 0).at(op::kInputs) = Sample::i32s({3, 1, 2});
  EXPECT_REFUSED(cycle, "nothing has made before");
  Sample swapped = sample_float_model();
  std::swap(graph_of(swapped).at(subgraph::kOperators).items[0],
            graph_of(swapped).at(subgraph::kOperators).items[1]);
  EXPECT_REFUSED(swapped, "nothing has made before");
  Sample twice = sample_float_model();
  operator_at(twice, 1).at(op::kOutputs) = Sample::i32s({3});
  EXPECT_REFUSED(twice, "already has a value");
  Sample onto_input = sample_float_model();
  operator_at(onto_input, 1).at(op::kOutputs) = Sample::i32s({0});
  EXPECT_REFUSED(onto_input, "already has a value");
  Sample nobody = sample_float_model();
  graph_of(nobody).at(subgraph::kOutputs) = Sample::i32s({5, 3});
  EXPECT_REFUSED(nobody, "accepted");
  graph_of(nobody).at(subgraph::kOperators).items.pop_back();
  EXPECT_REFUSED(nobody, "which no operator makes");
  Sample input_twice = sample_float_model();
  graph_of(input_twice).at(subgraph::kInputs) = Sample::i32s({0, 0});
  EXPECT_REFUSED(input_twice, "listed twice");
}

TEST(TfliteReader, RefusesTheRest) {
  Sample version = sample_float_model();
  version.at(model::kVersion) = Sample::i32(4);
  EXPECT_REFUSED(version, "schema version is 4");
  Sample empty = sample_float_model();
  empty.at(model::kSubgraphs) = Sample::tables({});
  EXPECT_REFUSED(empty, "no subgraphs");
  Sample type = sample_float_model();
  tensor_at(type, 0).at(tensor::kType) = Sample::i8(23);
  EXPECT_REFUSED(type, "number 23 (limit 22)");
  tensor_at(type, 0).at(tensor::kType) = Sample::i8(-1);
  EXPECT_REFUSED(type, "number -1");
  Sample code = sample_float_model();
  code.at(model::kOperatorCodes).item(0) =
      Sample::table({{operator_code::kDeprecatedBuiltinCode, Sample::i8(-5)},
                     {operator_code::kBuiltinCode, Sample::i32(-7)}});
  EXPECT_REFUSED(code, "Operator code 0 is -5");
  Sample nameless = sample_quantized_model();
  nameless.at(model::kOperatorCodes).item(1).fields.erase(operator_code::kCustomCode);
  EXPECT_REFUSED(nameless, "without a name");
  Sample tag = sample_float_model();
  operator_at(tag, 0).at(op::kBuiltinOptionsType) = Sample::i8(127);
  EXPECT_REFUSED(tag, "newer than this reader");
  Sample mutated = sample_float_model();
  operator_at(mutated, 0).at(op::kMutatingVariableInputs) = Sample::u8s({1});
  EXPECT_REFUSED(mutated, "marks 1 inputs");
  Sample resource = sample_float_model();
  tensor_at(resource, 1).at(tensor::kType) = Sample::i8(13);
  EXPECT_REFUSED(resource, "resource or variant");
}

TEST(TfliteReader, LimitsHoldExactly) {
  const Bytes bytes = written(sample_float_model());
  // Counts from the outside: what passes at n and fails at n - 1.
  const auto smallest = [&](auto set, uint64_t high) {
    uint64_t low = 0;
    while (low < high) {
      Limits limits;
      const uint64_t middle = (low + high) / 2;
      set(limits, middle);
      if (read(bytes, limits).ok()) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  };
  EXPECT_EQ(smallest([](Limits& l, uint64_t v) { l.flatbuffer.max_tables = v; }, 1000), 23u);
  EXPECT_EQ(smallest([](Limits& l, uint64_t v) { l.flatbuffer.max_string_bytes = v; }, 1000),
            std::string("min_runtime_version").size());
  EXPECT_EQ(smallest([](Limits& l, uint64_t v) { l.max_rank = static_cast<int>(v); }, 12), 4u);
  EXPECT_EQ(smallest([](Limits& l, uint64_t v) { l.max_tensor_bytes = v; }, 1000), 128u);
  EXPECT_GT(smallest([](Limits& l, uint64_t v) { l.max_name_bytes = v; }, 100000), 100u);
  Limits dense;
  dense.max_dense_bytes = 32;
  EXPECT_TRUE(read(written(sample_control_model()), dense).ok());
  dense.max_dense_bytes = 31;
  EXPECT_FALSE(read(written(sample_control_model()), dense).ok());
}

TEST(TfliteReader, SharedTablesAreCounted) {
  // Many tensors against a low limit.
  Sample model = sample_float_model();
  std::vector<Sample> tensors;
  for (int i = 0; i < 600; ++i) tensors.push_back(tensor_at(model, 0));
  graph_of(model)
      .at(subgraph::kTensors)
      .items.insert(graph_of(model).at(subgraph::kTensors).items.end(), tensors.begin(),
                    tensors.end());
  Bytes bytes = written(model);
  Limits limits;
  limits.flatbuffer.max_tables = 600;
  const auto refused = read(bytes, limits);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("more tables than allowed"), std::string::npos);
  limits = {};
  limits.flatbuffer.max_reached_factor = 0;
  bytes.resize(bytes.size() + (2 << 20));
  EXPECT_TRUE(read(bytes, limits).ok()) << "1 MiB is always allowed";
}

TEST(TfliteReader, EveryPrefixIsRefused) {
  for (const auto& sample :
       {sample_float_model(), sample_quantized_model(), sample_control_model()}) {
    const Bytes bytes = written(sample);
    for (size_t size = 0; size < bytes.size(); ++size) {
      ASSERT_FALSE(read(Bytes(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size))).ok())
          << size << " of " << bytes.size();
    }
  }
}

TEST(TfliteReader, EverySingleBitFlipSurvives) {
  int files = 0, accepted = 0;
  for (const auto& sample :
       {sample_float_model(), sample_quantized_model(), sample_control_model()}) {
    Bytes bytes = written(sample);
    for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      bytes[bit / 8] ^= std::byte{static_cast<uint8_t>(1 << bit % 8)};
      accepted += read(bytes).ok();
      bytes[bit / 8] ^= std::byte{static_cast<uint8_t>(1 << bit % 8)};
      ++files;
    }
    // Every aligned word replaced by hostile numbers.
    for (size_t at = 0; at + 4 <= bytes.size(); at += 4) {
      uint32_t old = 0;
      std::memcpy(&old, bytes.data() + at, 4);
      for (const uint32_t value :
           {0u, 1u, 4u, 0x7fffffffu, 0x80000000u, 0xfffffffcu, 0xffffffffu, 0x40000000u,
            static_cast<uint32_t>(bytes.size()), static_cast<uint32_t>(bytes.size() - at)}) {
        std::memcpy(bytes.data() + at, &value, 4);
        accepted += read(bytes).ok();
        ++files;
      }
      std::memcpy(bytes.data() + at, &old, 4);
    }
  }
  std::printf("  %d files, %d accepted\n", files, accepted);
  EXPECT_GT(files, 40000);
}

TEST(TfliteFlexbuffer, BitFlipsAndPrefixesSurvive) {
  const std::vector<uint8_t> good = sample_flexbuffer();
  const auto decode = [](const std::vector<uint8_t>& bytes) {
    const std::vector<uint8_t> exact(bytes);
    return decode_flexbuffer(std::as_bytes(std::span(exact)));
  };
  ASSERT_TRUE(decode(good).ok());
  EXPECT_TRUE(decode({})->empty());
  for (size_t size = 0; size < good.size(); ++size)
    (void)decode({good.begin(), good.begin() + static_cast<ptrdiff_t>(size)}).ok();
  for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::vector<uint8_t> bad = good;
    bad[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    (void)decode(bad).ok();
    for (size_t second = bit + 1; second < 8 * good.size(); second += 7) {
      std::vector<uint8_t> worse = bad;
      worse[second / 8] ^= static_cast<uint8_t>(1 << second % 8);
      (void)decode(worse).ok();
    }
  }
}

TEST(TfliteFlexbuffer, NestingAndNumberAreBounded) {
  // Vectors of one element, each holding the one before: [[[...[5]...]]].
  const auto nested = [](int depth) {
    std::vector<uint8_t> out = {1, 5, 1 << 2};  // [5], untyped: length, element, type
    size_t inner = 1;
    for (int i = 1; i < depth; ++i) {
      out.push_back(1);
      const size_t at = out.size();
      out.push_back(static_cast<uint8_t>(at - inner));
      out.push_back(10 << 2);
      inner = at;
    }
    out.push_back(static_cast<uint8_t>(out.size() - inner));
    out.push_back(10 << 2);
    out.push_back(1);
    return out;
  };
  const auto decode = [](const std::vector<uint8_t>& bytes, const FlexbufferLimits& how) {
    return decode_flexbuffer(std::as_bytes(std::span(bytes)), how);
  };
  FlexbufferLimits limits;
  EXPECT_TRUE(decode(nested(17), limits).ok());
  const auto deep = decode(nested(18), limits);
  ASSERT_FALSE(deep.ok());
  EXPECT_NE(deep.error().message.find("nested 17 deep (limit 16)"), std::string::npos)
      << deep.error().message;
  // A value that refers to itself through its own vector.
  EXPECT_FALSE(decode(nested(60), limits).ok());
  limits.max_values = 6;
  const std::vector<uint8_t> good = sample_flexbuffer();
  EXPECT_FALSE(decode_flexbuffer(std::as_bytes(std::span(good)), limits).ok());
  limits.max_values = 10;
  EXPECT_TRUE(decode_flexbuffer(std::as_bytes(std::span(good)), limits).ok());
}

#ifndef __wasm__  // files
std::string file_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

TEST(TfliteReader, MalformedCorpusIsRefusedOrSurvived) {
  const std::filesystem::path root =
      std::filesystem::path(SLUICE_BINARY_DIR) / "data" / "malformed";
  if (!std::filesystem::exists(root / "INDEX.tsv"))
    GTEST_SKIP() << "not run: malformed is not unpacked";
  int seen = 0;
  for (const auto& line : split(file_text(root / "INDEX.tsv"), '\n')) {
    const auto cells = split(line, '\t');
    if (cells.size() < 2) continue;
    const std::string& name = cells[0];
    if (!name.starts_with("crafted-tflite/") && !name.starts_with("litert/") &&
        !name.starts_with("coral/"))
      continue;
    const std::string text = file_text(root / name);
    Bytes bytes(text.size());
    if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
    const auto model = read(bytes);
    // These are well formed as files; what is wrong with them shows when they are imported or run.
    const bool well_formed =
        name == "crafted-tflite/00-valid-control.tflite" ||
        name == "crafted-tflite/shape-zero.tflite" ||
        name == "crafted-tflite/op-inputs-len-0.tflite" || name == "litert/conv_huge_im2col.bin" ||
        name == "litert/empty_model.bin" || name == "coral/model_invoking_error.tflite";
    EXPECT_EQ(model.ok(), well_formed)
        << name << " (" << cells[1] << "): " << (model.ok() ? "accepted" : model.error().message);
    ++seen;
  }
  EXPECT_GE(seen, 20);
}

#endif  // __wasm__

}  // namespace
}  // namespace sluice::format::tflite
