// UTF-8 and simple case mapping. Case: one code point to one, independent of the locale, for the
// Latin, Greek, Cyrillic and Armenian scripts and full-width letters; others have none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::ops::text {

inline constexpr uint32_t kMaxCodePoint = 0x10FFFF;

// A byte that is not part of valid UTF-8 comes as kMaxCodePoint + 1 + byte, and goes back as it
// was.
std::vector<uint32_t> decode_utf8(std::string_view bytes);
void append_utf8(std::string& out, uint32_t code_point);
std::string encode_utf8(const uint32_t* begin, const uint32_t* end);

uint32_t to_lower(uint32_t code_point);
uint32_t to_upper(uint32_t code_point);
std::string lowered(std::string_view text);
std::string uppered(std::string_view text);

}  // namespace sluice::ops::text
