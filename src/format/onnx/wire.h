// Protobuf wire format, read and written without generated code. The reader walks the fields of one
// message inside a bounded span: it never reads past it, allocates nothing, and refuses groups,
// field number 0, varints over 10 bytes or 64 bits, and lengths past the end. Offsets in errors
// count from the start of the file.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice::format::onnx {

enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Field {
  uint32_t number = 0;
  WireType type = WireType::kVarint;
  uint64_t bits = 0;                 // varint, fixed32 and fixed64
  std::span<const std::byte> bytes;  // length-delimited
  size_t offset = 0;                 // of the tag, in the file
  size_t payload_offset = 0;         // of the first payload byte (after the length), in the file
};

class WireReader {
 public:
  explicit WireReader(std::span<const std::byte> bytes, size_t file_offset = 0)
      : bytes_(bytes), file_offset_(file_offset) {}
  explicit WireReader(const Field& message) : WireReader(message.bytes, message.payload_offset) {}

  bool done() const { return at_ == bytes_.size(); }
  size_t offset() const { return file_offset_ + at_; }
  Result<void> next(Field& field);
  // A bare varint: an element of a packed field.
  Result<uint64_t> varint();
  // A bare little-endian word of sizeof(T) bytes.
  template <class T>
  Result<T> word();

 private:
  std::span<const std::byte> bytes_;
  size_t file_offset_ = 0;
  size_t at_ = 0;
};

// Typed views of a field. `what` names the field in errors: "TensorProto.dims".
Result<uint64_t> as_varint(const Field& field, std::string_view what);
Result<float> as_float(const Field& field, std::string_view what);
Result<std::span<const std::byte>> as_bytes_field(const Field& field, std::string_view what);
Result<std::string_view> as_text(const Field& field, std::string_view what);
// Names are short text (caps::kMaxNameBytes).
Result<std::string_view> as_name(const Field& field, std::string_view what);

// Elements of a repeated numeric field, packed or not, one call per occurrence of the field.
template <class Sink>
Result<void> each_varint(const Field& field, std::string_view what, Sink&& sink);
template <class Word, class Sink>
Result<void> each_word(const Field& field, std::string_view what, Sink&& sink);
// How many elements such an occurrence holds (an upper bound that needs no walk for words).
size_t count_varints(const Field& field);

class WireWriter {
 public:
  void varint_field(uint32_t number, uint64_t value);
  void float_field(uint32_t number, float value);
  void bytes_field(uint32_t number, std::string_view bytes);
  void bytes_field(uint32_t number, std::span<const std::byte> bytes);
  void message_field(uint32_t number, const WireWriter& message) {
    bytes_field(number, message.out_);
  }
  void raw_varint(uint64_t value);
  void raw_tag(uint32_t number, uint32_t wire_type) {
    raw_varint(uint64_t{number} << 3 | wire_type);
  }
  void raw(std::string_view bytes) { out_ += bytes; }
  const std::string& text() const { return out_; }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

Error wrong_wire_type(const Field& field, std::string_view what, std::string_view wanted);

template <class T>
Result<T> WireReader::word() {
  if (bytes_.size() - at_ < sizeof(T)) {
    return invalid_model("A packed field ends in the middle of an element at byte " +
                         std::to_string(offset()));
  }
  T out = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    out |= static_cast<T>(static_cast<T>(static_cast<uint8_t>(bytes_[at_ + i])) << (8 * i));
  }
  at_ += sizeof(T);
  return out;
}

template <class Sink>
Result<void> each_varint(const Field& field, std::string_view what, Sink&& sink) {
  if (field.type == WireType::kVarint) return sink(field.bits);
  if (field.type != WireType::kBytes) return wrong_wire_type(field, what, "a varint");
  WireReader reader(field);
  while (!reader.done()) {
    SLUICE_ASSIGN(const uint64_t value, reader.varint());
    SLUICE_TRY(sink(value));
  }
  return {};
}

template <class Word, class Sink>
Result<void> each_word(const Field& field, std::string_view what, Sink&& sink) {
  constexpr WireType kSingle = sizeof(Word) == 4 ? WireType::kFixed32 : WireType::kFixed64;
  if (field.type == kSingle) return sink(static_cast<Word>(field.bits));
  if (field.type != WireType::kBytes) {
    return wrong_wire_type(field, what, sizeof(Word) == 4 ? "32-bit words" : "64-bit words");
  }
  WireReader reader(field);
  while (!reader.done()) {
    SLUICE_ASSIGN(const Word value, reader.word<Word>());
    SLUICE_TRY(sink(value));
  }
  return {};
}

}  // namespace sluice::format::onnx
