#include "ops/text/regex.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::ops::text {
namespace {

bool full(std::string_view pattern, std::string_view text) {
  const auto regex = Regex::compile(pattern);
  EXPECT_TRUE(regex.ok()) << pattern;
  return regex.ok() && regex->full_match(text);
}

TEST(Regex, Matches) {
  EXPECT_TRUE(full("", ""));
  EXPECT_FALSE(full("", "a"));
  EXPECT_TRUE(full("a*", "aaaa"));
  EXPECT_TRUE(full("(ab|c)+d?", "abcab"));
  EXPECT_FALSE(full("(ab|c)+d?", "abca"));
  EXPECT_TRUE(full(R"(www\.[\w.-]+\.\bcom\b)", "www.google.com"));
  EXPECT_FALSE(full(R"(www\.[\w.-]+\.\bcom\b)", "www.google.co"));
  EXPECT_TRUE(full(R"(\W*)", " .,"));
  EXPECT_TRUE(full("a{2,3}", "aaa"));
  EXPECT_FALSE(full("a{2,3}", "aaaa"));
  EXPECT_TRUE(full("a{,3}", "a{,3}"));
  EXPECT_TRUE(full("[]a]+", "]a"));
  EXPECT_TRUE(full("[^a-c]", "d"));
  EXPECT_TRUE(full("[[:digit:][:^ascii:]]+", "12\xC3\xA9"));
  EXPECT_TRUE(full("(?i)straSSe|\xC3\x89", "STRASSE"));
  EXPECT_TRUE(full("(?i)\xC3\x89", "\xC3\xA9"));
  EXPECT_TRUE(full("(?P<year>\\d{4})-(?:\\d\\d)", "2024-05"));
  EXPECT_TRUE(full("a.c",
                   "a\xE2\x82\xAC"
                   "c"));
  EXPECT_FALSE(full("a.c", "a\nc"));
  EXPECT_TRUE(full("(?s)a.c", "a\nc"));
  EXPECT_TRUE(full("(?m)a$\n^b", "a\nb"));
  EXPECT_TRUE(full("\\Qa.b\\E+", "a.bbb"));
  EXPECT_TRUE(full("\\x41\\x{42}\\103", "ABC"));
  EXPECT_TRUE(full("(?:)*", ""));
  EXPECT_TRUE(full("(a*)*", "aaa"));
  EXPECT_TRUE(full("(|a)+", "aa"));
}

TEST(Regex, RefusesWhatIsWrong) {
  for (const char* pattern :
       {"(", ")", "[a", "*a", "a**", "a{1001}", "[b-a]", "\\1", "\\", "(?<n", "\xFF",
        "((a{1000}){1000}){1000}", "((((){1000}){1000}){1000}){1000}", "\\pL"}) {
    EXPECT_FALSE(Regex::compile(pattern).ok()) << pattern;
  }
  EXPECT_FALSE(Regex::compile(std::string(5000, '(')).ok());
}

// Backtracking matchers take 2^n steps here.
TEST(Regex, TakesLinearTime) {
  const std::string text(2000, 'a');
  EXPECT_TRUE(full("(a|a)*(a|aa)*", text));
  EXPECT_FALSE(full("(a*)*b", text));
}

}  // namespace
}  // namespace sluice::ops::text
