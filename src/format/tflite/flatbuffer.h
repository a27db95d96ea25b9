// FlatBuffers by schema: verify() walks every table, vector, string and union that is reachable
// from the root and proves that reading them stays inside the file; the accessors then read. All
// positions are 64 bit, so nothing wraps on a 32-bit target. A Table is a small handle into bytes
// that must outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "format/tflite/schema.h"

namespace sluice::format::tflite {

// Work limits of one verification. Tables may be shared in a file, so their number is not bounded
// by its size; nor are the bytes of vectors reached through them.
struct FlatbufferLimits {
  uint64_t max_tables = 262'144;
  uint64_t max_string_bytes = 65'536;
  // Bytes of all vectors and strings reached, each time they are reached: this factor times the
  // file size, plus 1 MiB.
  uint64_t max_reached_factor = 4;
};

class Table {
 public:
  Table() = default;
  Table(std::span<const std::byte> file, uint64_t position, const TableDef* def);

  bool present() const { return def_ != nullptr; }
  const TableDef& def() const { return *def_; }
  uint64_t position() const { return position_; }

  bool has(int field) const { return field_position(field) != 0; }
  // Integers, enums and booleans of any width; the schema's default when absent.
  int64_t integer(int field) const;
  uint64_t unsigned_integer(int field) const;
  float real(int field) const;
  // An enum's name, or its number as text when the schema doesn't know it.
  std::string enum_name(int field) const;
  std::string_view string(int field) const;
  Table table(int field) const;
  // The member a union holds; `tag_field` is one before `field`. Absent when the tag is 0.
  Table union_member(int field) const;

  // Vectors: number of elements, then element i.
  size_t size(int field) const;
  int64_t int_at(int field, size_t i) const;
  float float_at(int field, size_t i) const;
  Table table_at(int field, size_t i) const;
  // The raw bytes of a kBytes vector.
  std::span<const std::byte> bytes(int field) const;

 private:
  template <class T>
  T load(uint64_t at) const {
    T value{};
    if (at <= file_.size() && sizeof(T) <= file_.size() - at) {
      std::memcpy(&value, file_.data() + at, sizeof(T));
    }
    return value;
  }
  uint64_t field_position(int field) const;   // 0: absent
  uint64_t vector_position(int field) const;  // of the length; 0: absent
  std::span<const std::byte> file_;
  uint64_t position_ = 0;
  const TableDef* def_ = nullptr;
};

// The root table of a whole verified file. Errors name the table, field and byte.
Result<Table> verify_flatbuffer(std::span<const std::byte> file, std::string_view identifier,
                                const TableDef& root, const FlatbufferLimits& limits);

}  // namespace sluice::format::tflite
