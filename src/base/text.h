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
void append(std::string& out, const std::string& s);
void append(std::string& out, std::string_view s);
void append(std::string& out, const char* s);
void append(std::string& out, char c);
void append(std::string& out, bool b);
void append(std::string& out, int64_t value);
void append(std::string& out, uint64_t value);
void append(std::string& out, double value);

// What a part is handed over as: few types, since each list of them is a function of its own.
inline const std::string& part(const std::string& s) { return s; }
inline std::string_view part(std::string_view s) { return s; }
inline const char* part(const char* s) { return s; }
inline char part(char c) { return c; }
inline bool part(bool b) { return b; }
template <std::signed_integral T>
int64_t part(T value) {
  return value;
}
template <std::unsigned_integral T>
uint64_t part(T value) {
  return value;
}
inline double part(float value) { return value; }
inline double part(double value) { return value; }

template <class... Parts>
[[gnu::noinline]] std::string joined(Parts... parts) {
  std::string out;
  (append(out, parts), ...);
  return out;
}
}  // namespace text_detail

// Concatenates strings, characters, booleans and numbers.
template <class... Parts>
std::string cat(const Parts&... parts) {
  return text_detail::joined<decltype(text_detail::part(parts))...>(text_detail::part(parts)...);
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
