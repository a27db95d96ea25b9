// Text assembly for messages and printed forms: cat("a", 1, 2.5), join, quoting of untrusted names.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

namespace text_detail {
inline void append(std::string& out, std::string_view s) { out += s; }
inline void append(std::string& out, const char* s) { out += s; }
inline void append(std::string& out, char c) { out += c; }
inline void append(std::string& out, bool b) { out += b ? "true" : "false"; }
template <std::integral T>
void append(std::string& out, T value) {
  char buffer[24];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value);
  out.append(buffer, end.ptr);
}
void append(std::string& out, double value);
inline void append(std::string& out, float value) { append(out, static_cast<double>(value)); }
}  // namespace text_detail

// Concatenates strings, characters, booleans and numbers.
template <class... Parts>
std::string cat(const Parts&... parts) {
  std::string out;
  (text_detail::append(out, parts), ...);
  return out;
}

std::string join(std::span<const std::string> parts, std::string_view separator);
std::string join(std::span<const int64_t> parts, std::string_view separator);
std::vector<std::string> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);

// An untrusted name made safe for one line of output: control characters and invalid bytes become
// "\xNN", and more than `limit` bytes are cut with "...". Adds the double quotes.
std::string quoted(std::string_view name, size_t limit = 80);

std::optional<int64_t> parse_int(std::string_view text);
std::optional<double> parse_double(std::string_view text);
// "1.5 MB" style, decimal units.
std::string human_bytes(uint64_t bytes);

}  // namespace sluice
