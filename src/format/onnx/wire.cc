#include "format/onnx/wire.h"

#include "base/text.h"
#include "format/caps.h"

namespace sluice::format::onnx {

namespace {
constexpr size_t kMaxVarintBytes = 10;  // 64 bits in groups of 7
constexpr uint64_t kMaxFieldNumber = (uint64_t{1} << 29) - 1;
}  // namespace

Result<uint64_t> WireReader::varint() {
  uint64_t value = 0;
  for (size_t i = 0; i < kMaxVarintBytes; ++i) {
    if (at_ == bytes_.size()) {
      return invalid_model(cat("A number is cut off at byte ", offset()));
    }
    const auto byte = static_cast<uint8_t>(bytes_[at_++]);
    if (i == kMaxVarintBytes - 1 && byte > 1) break;
    value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if ((byte & 0x80) == 0) return value;
  }
  return invalid_model(
      cat("A number at byte ", offset() - kMaxVarintBytes, " does not end within 64 bits"));
}

Result<void> WireReader::next(Field& field) {
  field.offset = offset();
  SLUICE_ASSIGN(const uint64_t tag, varint());
  const uint64_t number = tag >> 3;
  if (number == 0 || number > kMaxFieldNumber) {
    return invalid_model(cat("A field has number ", number, " at byte ", field.offset, " (1 to ",
                             kMaxFieldNumber, ")"));
  }
  field.number = static_cast<uint32_t>(number);
  field.bytes = {};
  field.bits = 0;
  const auto wire_type = static_cast<unsigned>(tag & 7);
  switch (wire_type) {
    case 0: {
      field.type = WireType::kVarint;
      field.payload_offset = offset();
      SLUICE_ASSIGN(field.bits, varint());
      return {};
    }
    case 1:
    case 5: {
      field.type = wire_type == 1 ? WireType::kFixed64 : WireType::kFixed32;
      field.payload_offset = offset();
      if (wire_type == 1) {
        SLUICE_ASSIGN(field.bits, word<uint64_t>());
      } else {
        SLUICE_ASSIGN(field.bits, word<uint32_t>());
      }
      return {};
    }
    case 2: {
      field.type = WireType::kBytes;
      SLUICE_ASSIGN(const uint64_t length, varint());
      const size_t left = bytes_.size() - at_;
      if (length > left) {
        return invalid_model(cat("Field ", number, " at byte ", field.offset, " claims ", length,
                                 " bytes (", left, " are left)"));
      }
      field.payload_offset = offset();
      field.bytes = bytes_.subspan(at_, static_cast<size_t>(length));
      at_ += static_cast<size_t>(length);
      return {};
    }
    default:
      return invalid_model(cat("Field ", number, " at byte ", field.offset, " has wire type ",
                               wire_type, wire_type == 3 || wire_type == 4 ? ", a group" : "",
                               " (0, 1, 2 and 5 are read)"));
  }
}

Error wrong_wire_type(const Field& field, std::string_view what, std::string_view wanted) {
  return invalid_model(cat("The field ", what, " at byte ", field.offset, " has wire type ",
                           static_cast<int>(field.type), " (", wanted, " is needed)"));
}

Result<uint64_t> as_varint(const Field& field, std::string_view what) {
  if (field.type != WireType::kVarint) return wrong_wire_type(field, what, "a varint");
  return field.bits;
}

Result<float> as_float(const Field& field, std::string_view what) {
  if (field.type != WireType::kFixed32) return wrong_wire_type(field, what, "a 32-bit word");
  return std::bit_cast<float>(static_cast<uint32_t>(field.bits));
}

Result<std::span<const std::byte>> as_bytes_field(const Field& field, std::string_view what) {
  if (field.type != WireType::kBytes) {
    return wrong_wire_type(field, what, "a length-delimited field");
  }
  return field.bytes;
}

Result<std::string_view> as_text(const Field& field, std::string_view what) {
  SLUICE_ASSIGN(const auto bytes, as_bytes_field(field, what));
  return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Result<std::string_view> as_name(const Field& field, std::string_view what) {
  SLUICE_ASSIGN(const std::string_view text, as_text(field, what));
  if (text.size() > caps::kMaxNameBytes) {
    return invalid_model(cat("The field ", what, " at byte ", field.offset, " has ", text.size(),
                             " bytes (limit ", caps::kMaxNameBytes, ")"));
  }
  return text;
}

size_t count_varints(const Field& field) {
  if (field.type != WireType::kBytes) return 1;
  size_t count = 0;  // every varint has exactly one byte without the continuation bit
  for (const std::byte byte : field.bytes)
    count += (byte & std::byte{0x80}) == std::byte{0} ? 1 : 0;
  return count;
}

void WireWriter::raw_varint(uint64_t value) {
  while (value >= 0x80) {
    out_ += static_cast<char>((value & 0x7f) | 0x80);
    value >>= 7;
  }
  out_ += static_cast<char>(value);
}

void WireWriter::varint_field(uint32_t number, uint64_t value) {
  raw_tag(number, 0);
  raw_varint(value);
}

void WireWriter::float_field(uint32_t number, float value) {
  raw_tag(number, 5);
  const auto bits = std::bit_cast<uint32_t>(value);
  for (int i = 0; i < 4; ++i) out_ += static_cast<char>((bits >> (8 * i)) & 0xff);
}

void WireWriter::bytes_field(uint32_t number, std::string_view bytes) {
  raw_tag(number, 2);
  raw_varint(bytes.size());
  out_ += bytes;
}

void WireWriter::bytes_field(uint32_t number, std::span<const std::byte> bytes) {
  bytes_field(number, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

}  // namespace sluice::format::onnx
