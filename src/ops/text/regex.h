// Regular expressions in RE2's syntax, matched by simulating all alternatives at once: time is
// bounded by program size times text length whatever the pattern, so a model can't hang a run.
// Taken: literals, ., classes (also \d \w \s and [:alpha:] forms), groups of every kind, | * + ?
// {n,m} and their lazy forms, ^ $ \A \z \b \B, the flags i m s U, \Q..\E, code point escapes.
// Not taken: Unicode classes (\pL), \C. There are no captures: only whether, and how far.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace sluice::ops::text {

class Regex {
 public:
  static Result<Regex> compile(std::string_view pattern);
  // All of the text.
  bool full_match(std::string_view text) const;
  // End of the longest match that starts at `start`; nothing when there is none.
  std::optional<size_t> longest_match(const std::vector<uint32_t>& text, size_t start) const;

 private:
  friend class RegexCompiler;
  using Set = std::vector<std::pair<uint32_t, uint32_t>>;  // sorted ranges, ends included
  enum class Op : uint8_t { kSet, kSplit, kAssert, kMatch };
  enum class Assertion : uint8_t { kTextBegin, kTextEnd, kLineBegin, kLineEnd, kWord, kNotWord };
  struct Instruction {
    Op op = Op::kMatch;
    Assertion assertion = Assertion::kTextBegin;
    int set = 0;
    int next = -1;
    int other = -1;  // of a split
  };
  std::vector<Instruction> program_;
  std::vector<Set> sets_;
  int start_ = 0;
};

}  // namespace sluice::ops::text
