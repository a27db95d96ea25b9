#include "ops/text/unicode.h"

namespace sluice::ops::text {

namespace {

// Upper-case letters first..last with their lower-case forms `distance` above; step 2: upper and
// lower alternate.
struct CaseRange {
  uint32_t first, last;
  uint32_t distance;
  uint32_t step;
};

constexpr CaseRange kCases[] = {
    {0x41, 0x5A, 32, 1},     {0xC0, 0xD6, 32, 1},       {0xD8, 0xDE, 32, 1},
    {0x100, 0x12E, 1, 2},    {0x132, 0x136, 1, 2},      {0x139, 0x147, 1, 2},
    {0x14A, 0x176, 1, 2},    {0x179, 0x17D, 1, 2},      {0x1CD, 0x1DB, 1, 2},
    {0x1DE, 0x1EE, 1, 2},    {0x1F8, 0x21E, 1, 2},      {0x222, 0x232, 1, 2},
    {0x386, 0x386, 38, 1},   {0x388, 0x38A, 37, 1},     {0x38C, 0x38C, 64, 1},
    {0x38E, 0x38F, 63, 1},   {0x391, 0x3A1, 32, 1},     {0x3A3, 0x3AB, 32, 1},
    {0x3D8, 0x3EE, 1, 2},    {0x400, 0x40F, 80, 1},     {0x410, 0x42F, 32, 1},
    {0x460, 0x480, 1, 2},    {0x48A, 0x4BE, 1, 2},      {0x4C1, 0x4CD, 1, 2},
    {0x4D0, 0x52E, 1, 2},    {0x531, 0x556, 48, 1},     {0x1E00, 0x1E94, 1, 2},
    {0x1EA0, 0x1EFE, 1, 2},  {0x2160, 0x216F, 16, 1},   {0x24B6, 0x24CF, 26, 1},
    {0xFF21, 0xFF3A, 32, 1}, {0x10400, 0x10427, 40, 1},
};

}  // namespace

std::vector<uint32_t> decode_utf8(std::string_view bytes) {
  std::vector<uint32_t> out;
  out.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size();) {
    const auto lead = static_cast<unsigned char>(bytes[i]);
    int more = lead < 0x80                   ? 0
               : lead >= 0xC2 && lead < 0xE0 ? 1
               : lead >= 0xE0 && lead < 0xF0 ? 2
               : lead >= 0xF0 && lead < 0xF5 ? 3
                                             : -1;
    uint32_t code = more <= 0 ? lead : lead & (0x3Fu >> more);
    bool valid = more >= 0 && i + static_cast<size_t>(more) < bytes.size();
    for (int k = 1; valid && k <= more; ++k) {
      const auto next = static_cast<unsigned char>(bytes[i + static_cast<size_t>(k)]);
      valid = (next & 0xC0) == 0x80;
      code = code << 6 | (next & 0x3Fu);
    }
    // No overlong forms, no surrogates.
    constexpr uint32_t kSmallest[] = {0, 0x80, 0x800, 0x10000};
    valid = valid && code >= kSmallest[more < 0 ? 0 : more] && code <= kMaxCodePoint &&
            (code < 0xD800 || code > 0xDFFF);
    out.push_back(valid ? code : kMaxCodePoint + 1 + lead);
    i += valid ? static_cast<size_t>(more) + 1 : 1;
  }
  return out;
}

void append_utf8(std::string& out, uint32_t code) {
  const auto put = [&](uint32_t byte) { out += static_cast<char>(byte); };
  if (code > kMaxCodePoint) {
    put((code - kMaxCodePoint - 1) & 0xFF);
  } else if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

std::string encode_utf8(const uint32_t* begin, const uint32_t* end) {
  std::string out;
  for (; begin != end; ++begin) append_utf8(out, *begin);
  return out;
}

uint32_t to_lower(uint32_t code) {
  if (code == 0x178) return 0xFF;
  for (const CaseRange& range : kCases) {
    if (code >= range.first && code <= range.last && (code - range.first) % range.step == 0) {
      return code + range.distance;
    }
  }
  return code;
}

uint32_t to_upper(uint32_t code) {
  if (code == 0xFF) return 0x178;
  if (code == 0xB5) return 0x39C;   // micro sign
  if (code == 0x3C2) return 0x3A3;  // final sigma
  for (const CaseRange& range : kCases) {
    const uint32_t upper = code - range.distance;
    if (code >= range.distance && upper >= range.first && upper <= range.last &&
        (upper - range.first) % range.step == 0) {
      return upper;
    }
  }
  return code;
}

namespace {
template <class Map>
std::string mapped(std::string_view text, Map map) {
  std::string out;
  out.reserve(text.size());
  for (const uint32_t code : decode_utf8(text)) append_utf8(out, map(code));
  return out;
}
}  // namespace

std::string lowered(std::string_view text) { return mapped(text, to_lower); }
std::string uppered(std::string_view text) { return mapped(text, to_upper); }

}  // namespace sluice::ops::text
