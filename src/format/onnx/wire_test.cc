#include "format/onnx/wire.h"

#include <gtest/gtest.h>

#include "format/caps.h"

namespace sluice::format::onnx {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

Result<Field> first(const std::string& text) {
  WireReader reader(bytes_of(text));
  Field field;
  SLUICE_TRY(reader.next(field));
  return field;
}

TEST(Wire, RoundTripsEveryKindOfField) {
  WireWriter writer;
  writer.varint_field(1, 300);
  writer.varint_field(2, static_cast<uint64_t>(-1));
  writer.float_field(3, 1.5f);
  writer.bytes_field(4, std::string_view("abc"));
  writer.raw_tag(5, 1);
  writer.raw(std::string_view("\1\0\0\0\0\0\0\x80", 8));
  WireReader reader(bytes_of(writer.text()));
  Field field;
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(*as_varint(field, "f"), 300u);
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(static_cast<int64_t>(*as_varint(field, "f")), -1);
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(*as_float(field, "f"), 1.5f);
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(*as_text(field, "f"), "abc");
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(field.type, WireType::kFixed64);
  EXPECT_EQ(field.bits, 0x8000000000000001u);
  EXPECT_TRUE(reader.done());
}

TEST(Wire, PackedAndUnpackedAreTheSame) {
  for (const bool packed : {false, true}) {
    WireWriter writer, inner;
    for (const uint64_t value : {1u, 128u, 70000u}) {
      if (packed) {
        inner.raw_varint(value);
      } else {
        writer.varint_field(8, value);
      }
    }
    if (packed) writer.message_field(8, inner);
    WireReader reader(bytes_of(writer.text()));
    Field field;
    std::vector<uint64_t> seen;
    size_t counted = 0;
    while (!reader.done()) {
      ASSERT_TRUE(reader.next(field));
      counted += count_varints(field);
      ASSERT_TRUE(each_varint(field, "ints", [&](uint64_t value) -> Result<void> {
        seen.push_back(value);
        return {};
      }));
    }
    EXPECT_EQ(seen, (std::vector<uint64_t>{1, 128, 70000}));
    EXPECT_EQ(counted, 3u);
  }
}

TEST(Wire, VarintsAreAtMostSixtyFourBits) {
  EXPECT_TRUE(first(std::string("\x08") + std::string(9, '\xff') + "\x01"));
  EXPECT_FALSE(first(std::string("\x08") + std::string(9, '\xff') + "\x02"));
  EXPECT_FALSE(first(std::string("\x08") + std::string(10, '\xff') + "\x01"));
  EXPECT_FALSE(first(std::string("\x08") + std::string(3, '\xff')));  // cut off
  EXPECT_FALSE(first("\x08"));
}

TEST(Wire, LengthsStayInside) {
  EXPECT_TRUE(
      first(std::string("\x0a\x02"
                        "ab",
                        4)));
  auto past =
      first(std::string("\x0a\x03"
                        "ab",
                        4));
  ASSERT_FALSE(past);
  EXPECT_NE(past.error().message.find("claims 3 bytes (2 are left)"), std::string::npos)
      << past.error().message;
  // A length of 2^63 in a file of a dozen bytes.
  EXPECT_FALSE(first(std::string("\x0a") + std::string(9, '\x80') + "\x01"));
  EXPECT_FALSE(first(std::string("\x0d\x01\x02", 3)));          // four bytes wanted
  EXPECT_FALSE(first(std::string("\x09\x01\x02\x03\x04", 5)));  // eight bytes wanted
}

TEST(Wire, RefusesGroupsAndBadTags) {
  for (const char tag : {'\x0b', '\x0c', '\x0e', '\x0f'}) EXPECT_FALSE(first(std::string(1, tag)));
  EXPECT_FALSE(first(std::string("\x02\x00", 2)));  // field number 0
  WireWriter big;
  big.raw_varint(uint64_t{1} << 32 | 0);  // field number 2^29
  big.raw_varint(0);
  EXPECT_FALSE(first(big.text()));
}

TEST(Wire, WrongWireTypesAreNamed) {
  auto field = first(std::string("\x0a\x01z", 3));
  ASSERT_TRUE(field);
  auto number = as_varint(*field, "ModelProto.ir_version");
  ASSERT_FALSE(number);
  EXPECT_EQ(number.error().code, ErrorCode::kInvalidModel);
  EXPECT_NE(number.error().message.find("ModelProto.ir_version at byte 0 has wire type 2"),
            std::string::npos);
  EXPECT_FALSE(as_float(*field, "f"));
}

TEST(Wire, PackedWordsMustBeWhole) {
  WireWriter writer;
  writer.bytes_field(7, std::string_view("\0\0\0\0\0", 5));
  auto field = first(writer.text());
  ASSERT_TRUE(field);
  EXPECT_FALSE(each_word<uint32_t>(*field, "floats", [](uint32_t) -> Result<void> { return {}; }));
}

TEST(Wire, NamesAreCapped) {
  for (const size_t extra : {0u, 1u}) {
    WireWriter writer;
    writer.bytes_field(1, std::string(caps::kMaxNameBytes + extra, 'n'));
    auto field = first(writer.text());
    ASSERT_TRUE(field);
    EXPECT_EQ(as_name(*field, "name").ok(), extra == 0);
  }
}

}  // namespace
}  // namespace sluice::format::onnx
