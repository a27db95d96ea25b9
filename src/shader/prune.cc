#include "shader/prune.h"

#include <cstddef>
#include <optional>
#include <vector>

namespace sluice::shader {

namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// The line without its comment. WGSL has no strings, so the first // begins one.
std::string_view code_of(std::string_view line) { return line.substr(0, line.find("//")); }

// How far the braces of a line move the depth; `lowest` is the least depth on the way.
struct Braces {
  int change = 0, lowest = 0;
};
Braces braces_of(std::string_view code) {
  Braces braces;
  for (const char c : code) {
    if (c == '{') ++braces.change;
    if (c == '}' && --braces.change < braces.lowest) braces.lowest = braces.change;
  }
  return braces;
}

// The text between `head` and `tail` when the line is exactly that.
std::optional<std::string_view> between(std::string_view text, std::string_view head,
                                        std::string_view tail) {
  if (text.size() < head.size() + tail.size() || !text.starts_with(head) || !text.ends_with(tail)) {
    return std::nullopt;
  }
  return trim(text.substr(head.size(), text.size() - head.size() - tail.size()));
}

class Pruner {
 public:
  Pruner(std::string_view text, const KnobValues& knobs) : knobs_(knobs) {
    while (!text.empty()) {
      const size_t end = text.find('\n');
      lines_.push_back(text.substr(0, end));
      if (end == std::string_view::npos) break;
      text.remove_prefix(end + 1);
    }
  }

  std::string run() {
    emit(0, lines_.size());
    return std::move(out_);
  }

 private:
  // Line behind the block that begins on line `first` and ends on a line that is only `}` (or on
  // `first` itself); nothing when it ends otherwise.
  std::optional<size_t> block_end(size_t first, size_t last) const {
    int depth = 0;
    for (size_t i = first; i < last; ++i) {
      const std::string_view code = trim(code_of(lines_[i]));
      const Braces braces = braces_of(code);
      if (i > first && depth + braces.lowest <= 0 && code != "}") return std::nullopt;
      depth += braces.change;
      if (depth == 0) return i + 1;
    }
    return std::nullopt;
  }

  const std::string* value(std::string_view knob) const {
    const auto at = knobs_.find(knob);
    return at == knobs_.end() ? nullptr : &at->second;
  }

  // Whether the condition certainly doesn't hold.
  bool is_false(std::string_view condition) const {
    if (const std::string* flag = value(condition)) return *flag == "false";
    if (condition.starts_with("!")) {
      const std::string* flag = value(condition.substr(1));
      return flag != nullptr && *flag == "true";
    }
    const size_t equals = condition.find(" == ");
    if (equals == std::string_view::npos) return false;
    const std::string* number = value(condition.substr(0, equals));
    const std::string_view wanted = condition.substr(equals + 4);
    return number != nullptr && is_number(wanted) && is_number(*number) && *number != wanted;
  }
  static bool is_number(std::string_view text) {
    return text.size() >= 2 && text.back() == 'u' &&
           text.find_first_not_of("0123456789") == text.size() - 1;
  }

  // `if (...) {` that does not hold: the line behind it.
  std::optional<size_t> dead_if(size_t i, size_t last) const {
    const std::string_view code = trim(code_of(lines_[i]));
    if (!code.starts_with("if (")) return std::nullopt;
    const size_t open = code.find(") {");
    if (open == std::string_view::npos) return std::nullopt;
    const std::string_view condition = trim(code.substr(4, open - 4));
    if (!is_false(condition)) return std::nullopt;
    const auto end = block_end(i, last);
    if (!end || (*end == i + 1 && !code.ends_with("}"))) return std::nullopt;
    // An else would hold.
    if (code.find("else") != std::string_view::npos) return std::nullopt;
    return end;
  }

  struct Clause {
    size_t first = 0, end = 0;
    std::string_view labels;  // "3u, 4u"; empty for default
  };
  // The clauses of `switch (KNOB) {` on line i, when all of it can be read.
  std::optional<std::vector<Clause>> clauses(size_t i, size_t end) const {
    std::vector<Clause> found;
    for (size_t at = i + 1; at + 1 < end;) {
      const std::string_view code = trim(code_of(lines_[at]));
      if (code.empty()) {
        ++at;
        continue;
      }
      Clause clause;
      clause.first = at;
      const size_t colon = code.find(": {");
      if (colon == std::string_view::npos) return std::nullopt;
      if (code.starts_with("case ")) {
        clause.labels = code.substr(5, colon - 5);
      } else if (code.substr(0, colon) != "default") {
        return std::nullopt;
      }
      const auto close = block_end(at, end - 1);
      if (!close) return std::nullopt;
      clause.end = *close;
      for (size_t line = at; line < clause.end; ++line) {
        if (code_of(lines_[line]).find("break") != std::string_view::npos) return std::nullopt;
      }
      found.push_back(clause);
      at = clause.end;
    }
    return found;
  }

  // Whether `switch (KNOB) {` on line i was written as one block; then `i` is behind it.
  bool chosen_clause(size_t& i, size_t last) {
    const auto knob = between(trim(code_of(lines_[i])), "switch (", ") {");
    const std::string* number = knob ? value(*knob) : nullptr;
    if (number == nullptr || !is_number(*number)) return false;
    const auto end = block_end(i, last);
    if (!end) return false;
    const auto all = clauses(i, *end);
    if (!all) return false;
    const Clause* chosen = nullptr;
    for (const Clause& clause : *all) {
      if (clause.labels.empty()) {
        if (chosen == nullptr) chosen = &clause;
        continue;
      }
      for (std::string_view rest = clause.labels; !rest.empty();) {
        const size_t comma = rest.find(',');
        const std::string_view label = trim(rest.substr(0, comma));
        if (!is_number(label)) return false;
        if (label == *number) {
          chosen = &clause;
          break;
        }
        rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
      }
      if (chosen == &clause) break;
    }
    if (chosen == nullptr) return false;
    const std::string_view head = lines_[chosen->first];
    line(head.substr(head.find(": {") + 2));
    emit(chosen->first + 1, chosen->end);
    i = *end;
    return true;
  }

  void line(std::string_view text) {
    out_ += text;
    out_ += '\n';
  }

  void emit(size_t first, size_t last) {
    for (size_t i = first; i < last;) {
      if (const auto end = dead_if(i, last)) {
        i = *end;
      } else if (!chosen_clause(i, last)) {
        line(lines_[i++]);
      }
    }
  }

  const KnobValues& knobs_;
  std::vector<std::string_view> lines_;
  std::string out_;
};

}  // namespace

std::string prune(std::string_view text, const KnobValues& knobs) {
  return Pruner(text, knobs).run();
}

}  // namespace sluice::shader
