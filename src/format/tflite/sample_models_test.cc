#include "format/tflite/sample_models.h"

#include <bit>
#include <cstring>

#include "format/tflite/schema.h"

namespace sluice::format::tflite {

Sample Sample::scalar(int64_t v, int size) {
  Sample out;
  out.elem_bytes = size;
  for (int i = 0; i < size; ++i)
    out.bytes.push_back(static_cast<uint8_t>(static_cast<uint64_t>(v) >> (8 * i)));
  return out;
}

Sample Sample::f32(float v) { return scalar(std::bit_cast<int32_t>(v), 4); }

Sample Sample::vector(const std::vector<int64_t>& v, int size) {
  Sample out;
  out.kind = Kind::kVector;
  out.elem_bytes = size;
  for (const int64_t x : v) {
    const Sample one = scalar(x, size);
    out.bytes.insert(out.bytes.end(), one.bytes.begin(), one.bytes.end());
  }
  return out;
}

Sample Sample::f32s(const std::vector<float>& v) {
  std::vector<int64_t> bits;
  for (const float x : v) bits.push_back(std::bit_cast<int32_t>(x));
  return vector(bits, 4);
}

Sample Sample::u8s(const std::vector<uint8_t>& v) {
  Sample out;
  out.kind = Kind::kVector;
  out.elem_bytes = 1;
  out.bytes = v;
  return out;
}

Sample Sample::text(const std::string& v) {
  Sample out;
  out.kind = Kind::kString;
  out.elem_bytes = 1;
  out.bytes.assign(v.begin(), v.end());
  return out;
}

Sample Sample::table(std::map<int, Sample> given) {
  Sample out;
  out.kind = Kind::kTable;
  out.fields = std::move(given);
  return out;
}

Sample Sample::tables(std::vector<Sample> given) {
  Sample out;
  out.kind = Kind::kTables;
  out.items = std::move(given);
  return out;
}

namespace {

class Writer {
 public:
  std::vector<uint8_t> out;

  void align(size_t to) {
    while (out.size() % to != 0) out.push_back(0);
  }
  void put(uint64_t value, int size) {
    for (int i = 0; i < size; ++i) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
  }
  void patch(size_t at, uint64_t value, int size) {
    for (int i = 0; i < size; ++i)
      out[at + static_cast<size_t>(i)] = static_cast<uint8_t>(value >> (8 * i));
  }

  // Writes a table (vtable in front of it); returns its position.
  size_t table(const Sample& t) {
    const int ids = t.fields.empty() ? 0 : t.fields.rbegin()->first + 1;
    align(8);
    const size_t vtable = out.size();
    put(static_cast<uint64_t>(4 + 2 * ids), 2);
    put(0, 2);
    for (int i = 0; i < ids; ++i) put(0, 2);
    align(4);
    const size_t position = out.size();
    put(position - vtable, 4);
    std::vector<std::pair<size_t, const Sample*>> children;
    for (const auto& [id, field] : t.fields) {
      const bool inlined = field.kind == Sample::Kind::kScalar;
      align(static_cast<size_t>(inlined ? field.elem_bytes : 4));
      patch(vtable + 4 + 2 * static_cast<size_t>(id), out.size() - position, 2);
      if (inlined) {
        out.insert(out.end(), field.bytes.begin(), field.bytes.end());
      } else {
        children.emplace_back(out.size(), &field);
        put(0, 4);
      }
    }
    patch(vtable + 2, out.size() - position, 2);
    for (const auto& [at, child] : children) {
      const size_t target = object(*child);
      patch(at, target - at, 4);
    }
    return position;
  }

  size_t object(const Sample& s) {
    if (s.kind == Sample::Kind::kTable) return table(s);
    align(s.elem_bytes == 8 ? 8 : 4);
    if (s.elem_bytes == 8) {
      // The length is 4 bytes, and the elements behind it are aligned to 8.
      put(0, 4);
    }
    const size_t position = out.size();
    if (s.kind == Sample::Kind::kTables) {
      put(s.claimed_length >= 0 ? static_cast<uint64_t>(s.claimed_length) : s.items.size(), 4);
      const size_t first = out.size();
      for (size_t i = 0; i < s.items.size(); ++i) put(0, 4);
      for (size_t i = 0; i < s.items.size(); ++i) {
        const size_t target = table(s.items[i]);
        patch(first + 4 * i, target - (first + 4 * i), 4);
      }
      return position;
    }
    const size_t length = s.bytes.size() / static_cast<size_t>(s.elem_bytes);
    put(s.claimed_length >= 0 ? static_cast<uint64_t>(s.claimed_length) : length, 4);
    out.insert(out.end(), s.bytes.begin(), s.bytes.end());
    if (s.kind == Sample::Kind::kString) out.push_back(0);
    return position;
  }
};

Sample tensor_of(const std::vector<int64_t>& shape, int type, int buffer, const std::string& name) {
  return Sample::table({{tensor::kShape, Sample::i32s(shape)},
                        {tensor::kType, Sample::i8(type)},
                        {tensor::kBuffer, Sample::i32(buffer)},
                        {tensor::kName, Sample::text(name)}});
}

Sample buffer_of(const std::vector<uint8_t>& data) {
  if (data.empty()) return Sample::table({});
  return Sample::table({{buffer::kData, Sample::u8s(data)}});
}

std::vector<uint8_t> floats(const std::vector<float>& v) { return Sample::f32s(v).bytes; }
std::vector<uint8_t> ints(const std::vector<int64_t>& v) { return Sample::i32s(v).bytes; }

Sample code_of(int builtin, int version = 1) {
  return Sample::table(
      {{operator_code::kDeprecatedBuiltinCode, Sample::i8(builtin < 127 ? builtin : 127)},
       {operator_code::kVersion, Sample::i32(version)},
       {operator_code::kBuiltinCode, Sample::i32(builtin)}});
}

Sample operator_of(int code, const std::vector<int64_t>& inputs,
                   const std::vector<int64_t>& outputs, int options_kind = 0, Sample options = {}) {
  Sample out = Sample::table({{op::kOpcodeIndex, Sample::i32(code)},
                              {op::kInputs, Sample::i32s(inputs)},
                              {op::kOutputs, Sample::i32s(outputs)}});
  if (options_kind != 0) {
    out.at(op::kBuiltinOptionsType) = Sample::i8(options_kind);
    out.at(op::kBuiltinOptions) = std::move(options);
  }
  return out;
}

Sample model_of(Sample codes, Sample graphs, Sample buffers) {
  return Sample::table({{model::kVersion, Sample::i32(3)},
                        {model::kOperatorCodes, std::move(codes)},
                        {model::kSubgraphs, std::move(graphs)},
                        {model::kDescription, Sample::text("sample")},
                        {model::kBuffers, std::move(buffers)}});
}

}  // namespace

std::vector<std::byte> written(const Sample& model) {
  Writer writer;
  writer.put(0, 4);
  writer.out.insert(writer.out.end(), {'T', 'F', 'L', '3'});
  writer.patch(0, writer.table(model), 4);
  std::vector<std::byte> out(writer.out.size());
  std::memcpy(out.data(), writer.out.data(), out.size());
  return out;
}

Sample sample_float_model() {
  std::vector<float> weights;
  for (int i = 0; i < 18; ++i) weights.push_back(0.1f * static_cast<float>(i));
  Sample graph = Sample::table({
      {subgraph::kTensors,
       Sample::tables({tensor_of({1, 4, 4, 1}, 0, 0, "image"),
                       tensor_of({2, 3, 3, 1}, 0, 1, "weights"), tensor_of({2}, 0, 2, "bias"),
                       tensor_of({1, 4, 4, 2}, 0, 0, "conv"), tensor_of({2}, 2, 3, "shape"),
                       tensor_of({1, 32}, 0, 0, "flat")})},
      {subgraph::kInputs, Sample::i32s({0})},
      {subgraph::kOutputs, Sample::i32s({5})},
      {subgraph::kOperators,
       Sample::tables(
           {operator_of(0, {0, 1, 2}, {3}, 1,
                        Sample::table({{0, Sample::i8(0)},
                                       {1, Sample::i32(1)},
                                       {2, Sample::i32(1)},
                                       {3, Sample::i8(1)}})),
            operator_of(1, {3, 4}, {5}, 17, Sample::table({{0, Sample::i32s({1, 32})}}))})},
      {subgraph::kName, Sample::text("main")},
  });
  Sample model = model_of(
      Sample::tables({code_of(3), code_of(22)}), Sample::tables({std::move(graph)}),
      Sample::tables({buffer_of({}), buffer_of(floats(weights)), buffer_of(floats({0.5f, -0.5f})),
                      buffer_of(ints({1, 32})), buffer_of({'1', '.', '5', '.', '0'})}));
  model.at(model::kMetadata) =
      Sample::tables({Sample::table({{metadata::kName, Sample::text("min_runtime_version")},
                                     {metadata::kBuffer, Sample::i32(4)}})});
  model.at(model::kSignatureDefs) = Sample::tables({Sample::table(
      {{signature::kInputs,
        Sample::tables({Sample::table({{tensor_map::kName, Sample::text("x")},
                                       {tensor_map::kTensorIndex, Sample::i32(0)}})})},
       {signature::kOutputs,
        Sample::tables({Sample::table({{tensor_map::kName, Sample::text("y")},
                                       {tensor_map::kTensorIndex, Sample::i32(5)}})})},
       {signature::kSignatureKey, Sample::text("serving_default")},
       {signature::kSubgraphIndex, Sample::i32(0)}})});
  return model;
}

std::vector<uint8_t> sample_flexbuffer() {
  // From the front: key texts, the string "ab", the vector [1,2,3], the vector of keys, the map.
  std::vector<uint8_t> out;
  const auto text = [&](const char* s) {
    const size_t at = out.size();
    for (; *s != 0; ++s) out.push_back(static_cast<uint8_t>(*s));
    out.push_back(0);
    return at;
  };
  const size_t alpha = text("alpha"), beta = text("beta"), name = text("name");
  out.push_back(2);
  const size_t ab = text("ab");
  out.push_back(3);
  const size_t numbers = out.size();
  out.insert(out.end(), {1, 2, 3});
  out.push_back(3);
  const size_t keys = out.size();
  for (const size_t key : {alpha, beta, name})
    out.push_back(static_cast<uint8_t>(out.size() - key));
  out.push_back(static_cast<uint8_t>(out.size() - keys));
  out.push_back(1);  // width of the keys' offsets
  out.push_back(3);
  const size_t map = out.size();
  out.push_back(7);
  out.push_back(static_cast<uint8_t>(out.size() - numbers));
  out.push_back(static_cast<uint8_t>(out.size() - ab));
  out.insert(out.end(), {1 << 2, 11 << 2, 5 << 2});
  out.push_back(static_cast<uint8_t>(out.size() - map));
  out.push_back(9 << 2);
  out.push_back(1);
  return out;
}

Sample sample_quantized_model() {
  const auto quantized = [](Sample t, const std::vector<float>& scales,
                            const std::vector<int64_t>& zeros, int axis) {
    t.at(tensor::kQuantization) =
        Sample::table({{quantization::kScale, Sample::f32s(scales)},
                       {quantization::kZeroPoint, Sample::i64s(zeros)},
                       {quantization::kQuantizedDimension, Sample::i32(axis)}});
    return t;
  };
  Sample custom = Sample::table({{operator_code::kDeprecatedBuiltinCode, Sample::i8(32)},
                                 {operator_code::kCustomCode, Sample::text("Sample")},
                                 {operator_code::kBuiltinCode, Sample::i32(32)}});
  Sample custom_operator = operator_of(1, {3}, {4});
  custom_operator.at(op::kCustomOptions) = Sample::u8s(sample_flexbuffer());
  Sample graph = Sample::table({
      {subgraph::kTensors,
       Sample::tables(
           {quantized(tensor_of({1, 3, 3, 1}, 9, 0, "image"), {0.5f}, {-3}, 0),
            quantized(tensor_of({2, 1, 1, 1}, 9, 1, "weights"), {0.25f, 0.125f}, {0, 0}, 0),
            quantized(tensor_of({2}, 2, 2, "bias"), {0.125f, 0.0625f}, {0, 0}, 0),
            quantized(tensor_of({1, 3, 3, 2}, 9, 0, "conv"), {1.0f}, {5}, 0),
            tensor_of({1, 3, 3, 2}, 9, 0, "")})},
      {subgraph::kInputs, Sample::i32s({0})},
      {subgraph::kOutputs, Sample::i32s({4})},
      {subgraph::kOperators, Sample::tables({operator_of(0, {0, 1, 2}, {3}, 1,
                                                         Sample::table({{0, Sample::i8(1)},
                                                                        {1, Sample::i32(1)},
                                                                        {2, Sample::i32(1)}})),
                                             std::move(custom_operator)})},
  });
  return model_of(Sample::tables({code_of(3, 3), std::move(custom)}),
                  Sample::tables({std::move(graph)}),
                  Sample::tables({buffer_of({}), buffer_of({3, 250}), buffer_of(ints({7, -9}))}));
}

Sample sample_control_model() {
  // main: sparse -> DENSIFY; x -> WHILE (x < 10: x + x) -> IF (x < 10) x + x else x - x.
  const auto sparse = [] {
    Sample t = tensor_of({2, 4}, 0, 2, "sparse");
    t.at(tensor::kSparsity) = Sample::table(
        {{sparsity::kTraversalOrder, Sample::i32s({0, 1})},
         {sparsity::kDimMetadata,
          Sample::tables(
              {Sample::table({{dim_metadata::kFormat, Sample::i8(0)},
                              {dim_metadata::kDenseSize, Sample::i32(2)}}),
               Sample::table(
                   {{dim_metadata::kFormat, Sample::i8(1)},
                    {dim_metadata::kArraySegmentsType, Sample::i8(kIndexInt32)},
                    {dim_metadata::kArraySegments, Sample::table({{0, Sample::i32s({0, 1, 3})}})},
                    {dim_metadata::kArrayIndicesType, Sample::i8(kIndexUInt8)},
                    {dim_metadata::kArrayIndices,
                     Sample::table({{0, Sample::u8s({2, 0, 3})}})}})})}});
    return t;
  };
  std::vector<uint8_t> strings = ints({2, 16, 18, 21});
  for (const char c : {'a', 'b', 'c', 'd', 'e'}) strings.push_back(static_cast<uint8_t>(c));
  const auto binary_graph = [](int code, const char* name) {
    return Sample::table({{subgraph::kTensors,
                           Sample::tables({tensor_of({1}, 0, 0, "x"), tensor_of({1}, 0, 0, "y")})},
                          {subgraph::kInputs, Sample::i32s({0})},
                          {subgraph::kOutputs, Sample::i32s({1})},
                          {subgraph::kOperators, Sample::tables({operator_of(code, {0, 0}, {1})})},
                          {subgraph::kName, Sample::text(name)}});
  };
  Sample less = Sample::table(
      {{subgraph::kTensors, Sample::tables({tensor_of({1}, 0, 0, "x"), tensor_of({1}, 0, 1, "ten"),
                                            tensor_of({1}, 6, 0, "y")})},
       {subgraph::kInputs, Sample::i32s({0})},
       {subgraph::kOutputs, Sample::i32s({2})},
       {subgraph::kOperators, Sample::tables({operator_of(1, {0, 1}, {2})})}});
  Sample main = Sample::table({
      {subgraph::kTensors,
       Sample::tables({tensor_of({1}, 0, 0, "x"), tensor_of({1}, 0, 0, "looped"),
                       tensor_of({1}, 6, 0, "small"), tensor_of({1}, 0, 0, "out"), sparse(),
                       tensor_of({2, 4}, 0, 0, "dense"), tensor_of({1}, 0, 1, "ten"),
                       tensor_of({2}, 5, 3, "words")})},
      {subgraph::kInputs, Sample::i32s({0})},
      {subgraph::kOutputs, Sample::i32s({3, 5, 7})},
      {subgraph::kOperators,
       Sample::tables(
           {operator_of(3, {0}, {1}, 93, Sample::table({{0, Sample::i32(1)}, {1, Sample::i32(2)}})),
            operator_of(1, {1, 6}, {2}),
            operator_of(4, {2, 1}, {3}, 92,
                        Sample::table({{0, Sample::i32(2)}, {1, Sample::i32(3)}})),
            operator_of(5, {4}, {5})})},
  });
  return model_of(Sample::tables({code_of(0), code_of(58), code_of(41), code_of(119), code_of(118),
                                  code_of(124)}),
                  Sample::tables({std::move(main), std::move(less), binary_graph(0, "double"),
                                  binary_graph(2, "zero")}),
                  Sample::tables({buffer_of({}), buffer_of(floats({10})),
                                  buffer_of(floats({1, 2, 3})), buffer_of(strings)}));
}

}  // namespace sluice::format::tflite
