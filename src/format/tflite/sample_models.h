// Small TFLite files made in memory, for tests: a tree of tables that can be changed before it is
// written, and a writer that lays each table before what it points to. Not a general FlatBuffers
// builder: it exists so that hostile files can be made on purpose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sluice::format::tflite {

// A field's value, or a whole table.
struct Sample {
  enum class Kind : uint8_t { kScalar, kVector, kString, kTable, kTables } kind = Kind::kScalar;
  int elem_bytes = 4;
  std::vector<uint8_t> bytes;    // scalar: its bytes; vector: its elements; string: its text
  std::map<int, Sample> fields;  // kTable, by field id
  std::vector<Sample> items;     // kTables
  int64_t claimed_length = -1;   // a false length for a vector or string

  static Sample i8(int64_t v) { return scalar(v, 1); }
  static Sample i32(int64_t v) { return scalar(v, 4); }
  static Sample i64(int64_t v) { return scalar(v, 8); }
  static Sample f32(float v);
  static Sample text(const std::string& v);
  static Sample u8s(const std::vector<uint8_t>& v);
  static Sample i32s(const std::vector<int64_t>& v) { return vector(v, 4); }
  static Sample i64s(const std::vector<int64_t>& v) { return vector(v, 8); }
  static Sample f32s(const std::vector<float>& v);
  static Sample table(std::map<int, Sample> fields);
  static Sample tables(std::vector<Sample> items);

  Sample& at(int field) { return fields[field]; }
  Sample& item(size_t i) { return items[i]; }

 private:
  static Sample scalar(int64_t v, int bytes);
  static Sample vector(const std::vector<int64_t>& v, int bytes);
};

std::vector<std::byte> written(const Sample& model);

// A float convolution, RELU and a reshape by a constant shape; metadata and a signature.
Sample sample_float_model();
// An int8 convolution, weights quantized per channel, and a custom operator with flexbuffer
// options.
Sample sample_quantized_model();
// WHILE and IF over further subgraphs, a string constant, a sparse constant behind DENSIFY.
Sample sample_control_model();

// {"alpha": 7, "beta": [1, 2, 3], "name": "ab"} as a flexbuffer.
std::vector<uint8_t> sample_flexbuffer();

}  // namespace sluice::format::tflite
