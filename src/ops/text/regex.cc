#include "ops/text/regex.h"

#include <algorithm>
#include <memory>

#include "base/text.h"
#include "ops/text/unicode.h"

namespace sluice::ops::text {

namespace {
constexpr int kMaxDepth = 200;    // nested groups
constexpr int kMaxRepeat = 1000;  // as RE2
constexpr size_t kMaxInstructions = 1 << 16;
constexpr size_t kMaxPlacements = 1 << 20;  // nested repetitions of nothing emit nothing
constexpr size_t kMaxPattern = 1 << 16;     // code points
constexpr size_t kMaxFolds = 1 << 22;       // code points looked at for their other case
}  // namespace

// Parses into a tree, then lays the tree out as instructions, from the end to the start.
class RegexCompiler {
 public:
  explicit RegexCompiler(std::string_view pattern)
      : shown_(pattern), pattern_(decode_utf8(pattern)) {}

  Result<Regex> run() {
    if (pattern_.size() > kMaxPattern) {
      return fail(cat("has ", pattern_.size(), " characters (limit ", kMaxPattern, ")"));
    }
    for (const uint32_t code : pattern_) {
      if (code > kMaxCodePoint) return fail("is not valid UTF-8");
    }
    SLUICE_ASSIGN(const int root, alternation(0));
    if (at_ < pattern_.size()) return fail("has a \")\" too many");
    if (folds_ > kMaxFolds) return fail("ignores case over too many characters");
    const int match = emit({.op = Regex::Op::kMatch});
    SLUICE_ASSIGN(out_.start_, place(root, match));
    return std::move(out_);
  }

 private:
  using Set = Regex::Set;
  using Assertion = Regex::Assertion;
  struct Node {
    enum class Kind : uint8_t {
      kEmpty,
      kSet,
      kAssert,
      kSequence,
      kChoice,
      kRepeat
    } kind = Kind::kEmpty;
    int set = 0;
    Assertion assertion = Assertion::kTextBegin;
    int least = 0, most = -1;  // repeat; most -1: no limit
    std::vector<int> children;
  };
  struct Flags {
    bool fold = false, multiline = false, dot_all = false;
  };

  Error fail(std::string_view what) const {
    return invalid_model(cat("The regular expression ", quoted(shown_), " ", what));
  }
  Error not_taken(std::string_view what) const {
    return unsupported(cat("The regular expression ", quoted(shown_), " ", what));
  }

  bool more() const { return at_ < pattern_.size(); }
  bool looking_at(uint32_t c, size_t ahead = 0) const {
    return at_ + ahead < pattern_.size() && pattern_[at_ + ahead] == c;
  }
  bool eat(uint32_t c) {
    if (!looking_at(c)) return false;
    ++at_;
    return true;
  }

  int add(Node node) {
    nodes_.push_back(std::move(node));
    return static_cast<int>(nodes_.size()) - 1;
  }
  int add_set(Set set) {
    out_.sets_.push_back(normalized(std::move(set)));
    return add({.kind = Node::Kind::kSet, .set = static_cast<int>(out_.sets_.size()) - 1});
  }
  int add_assertion(Assertion assertion) {
    return add({.kind = Node::Kind::kAssert, .assertion = assertion});
  }

  static Set normalized(Set set) {
    std::ranges::sort(set);
    Set out;
    for (const auto& range : set) {
      if (!out.empty() && range.first <= out.back().second + 1) {
        out.back().second = std::max(out.back().second, range.second);
      } else {
        out.push_back(range);
      }
    }
    return out;
  }
  static Set negated(Set set) {
    Set out;
    uint32_t from = 0;
    for (const auto& [first, last] : normalized(std::move(set))) {
      if (first > from) out.emplace_back(from, first - 1);
      from = last + 1;
    }
    if (from <= kMaxCodePoint) out.emplace_back(from, kMaxCodePoint);
    return out;
  }
  // Adds first..last, and when case is ignored their other cases too.
  void add_range(Set& set, uint32_t first, uint32_t last) {
    set.emplace_back(first, last);
    if (!flags_.fold) return;
    // Letters with case lie below U+1F000; most of that is few.
    for (uint32_t code = first; code <= std::min<uint32_t>(last, 0x10450); ++code) {
      if (++folds_ > kMaxFolds) return;
      const uint32_t lower = to_lower(code), upper = to_upper(code);
      if (lower != code) set.emplace_back(lower, lower);
      if (upper != code) set.emplace_back(upper, upper);
    }
  }
  static void append(Set& to, const Set& from) { to.insert(to.end(), from.begin(), from.end()); }

  // \d, \w, \s and their opposites.
  static std::optional<Set> perl_class(uint32_t c) {
    Set set;
    switch (c | 0x20) {
      case 'd':
        set = {{'0', '9'}};
        break;
      case 'w':
        set = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
        break;
      case 's':
        set = {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}};
        break;
      default:
        return std::nullopt;
    }
    return (c & 0x20) == 0 ? negated(std::move(set)) : set;
  }
  static std::optional<Set> posix_class(std::string_view name) {
    struct Entry {
      std::string_view name;
      Set set;
    };
    const Entry entries[] = {
        {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
        {"alpha", {{'A', 'Z'}, {'a', 'z'}}},
        {"ascii", {{0, 0x7F}}},
        {"blank", {{'\t', '\t'}, {' ', ' '}}},
        {"cntrl", {{0, 0x1F}, {0x7F, 0x7F}}},
        {"digit", {{'0', '9'}}},
        {"graph", {{'!', '~'}}},
        {"lower", {{'a', 'z'}}},
        {"print", {{' ', '~'}}},
        {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
        {"space", {{'\t', '\r'}, {' ', ' '}}},
        {"upper", {{'A', 'Z'}}},
        {"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
        {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}},
    };
    for (const Entry& entry : entries) {
      if (entry.name == name) return entry.set;
    }
    return std::nullopt;
  }

  static int digit(uint32_t c, uint32_t base) {
    int value = -1;
    if (c >= '0' && c <= '9') value = static_cast<int>(c - '0');
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') value = static_cast<int>((c | 0x20) - 'a') + 10;
    return value < static_cast<int>(base) ? value : -1;
  }

  // A code point named by an escape; the backslash is read already.
  Result<uint32_t> escaped_code_point() {
    if (!more()) return fail("ends in a backslash");
    const uint32_t c = pattern_[at_++];
    switch (c) {
      case 'a':
        return uint32_t{7};
      case 'f':
        return uint32_t{'\f'};
      case 'n':
        return uint32_t{'\n'};
      case 'r':
        return uint32_t{'\r'};
      case 't':
        return uint32_t{'\t'};
      case 'v':
        return uint32_t{'\v'};
      default:
        break;
    }
    if (c == 'x') {
      const bool braced = eat('{');
      uint32_t value = 0;
      int digits = 0;
      while (more() && (braced || digits < 2) && digit(pattern_[at_], 16) >= 0) {
        value = value * 16 + static_cast<uint32_t>(digit(pattern_[at_++], 16));
        if (++digits > 8) break;
      }
      if (digits == 0 || (!braced && digits < 2) || (braced && !eat('}')) ||
          value > kMaxCodePoint) {
        return fail("has a \\x without a code point");
      }
      return value;
    }
    if (c >= '0' && c <= '7' && (c == '0' || (more() && digit(pattern_[at_], 8) >= 0))) {
      uint32_t value = c - '0';
      for (int n = 0; n < 2 && more() && digit(pattern_[at_], 8) >= 0; ++n) {
        value = value * 8 + static_cast<uint32_t>(digit(pattern_[at_++], 8));
      }
      return value;
    }
    const bool word = c < 0x80 && (digit(c, 10) >= 0 || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'));
    if (word)
      return not_taken(cat("has the escape \\", static_cast<char>(c), ", which is not taken"));
    return c;
  }

  Result<int> alternation(int depth) {
    if (depth > kMaxDepth) return fail(cat("nests too deep (limit ", kMaxDepth, ")"));
    const Flags outer = flags_;
    std::vector<int> choices;
    do {
      SLUICE_ASSIGN(const int choice, sequence(depth));
      choices.push_back(choice);
    } while (eat('|'));
    flags_ = outer;  // flags set within a group end with it
    if (choices.size() == 1) return choices[0];
    return add({.kind = Node::Kind::kChoice, .children = std::move(choices)});
  }

  Result<int> sequence(int depth) {
    Node node{.kind = Node::Kind::kSequence};
    while (more() && !looking_at('|') && !looking_at(')')) {
      if (looking_at('\\') && looking_at('Q', 1)) {  // a literal stretch
        at_ += 2;
        while (more() && !(looking_at('\\') && looking_at('E', 1))) {
          Set set;
          add_range(set, pattern_[at_], pattern_[at_]);
          ++at_;
          node.children.push_back(add_set(std::move(set)));
        }
        if (more()) at_ += 2;
        if (!node.children.empty()) {  // what follows repeats the last letter only
          SLUICE_ASSIGN(node.children.back(), repetition(node.children.back()));
        }
        continue;
      }
      SLUICE_ASSIGN(const int item, atom(depth));
      if (item < 0) continue;  // only flags
      SLUICE_ASSIGN(const int repeated, repetition(item));
      node.children.push_back(repeated);
    }
    return add(std::move(node));
  }

  // {n}, {n,} or {n,m} at the cursor; anything else is literal.
  bool counted(int& least, int& most) {
    size_t i = at_ + 1;
    const auto number = [&](int& value) {
      const size_t from = i;
      int64_t n = 0;
      while (i < pattern_.size() && digit(pattern_[i], 10) >= 0) {
        n = std::min<int64_t>(n * 10 + digit(pattern_[i++], 10), kMaxRepeat + 1);
      }
      value = static_cast<int>(n);
      return i > from;
    };
    if (!number(least)) return false;
    most = least;
    if (i < pattern_.size() && pattern_[i] == ',') {
      ++i;
      if (!number(most)) most = -1;
    }
    if (i >= pattern_.size() || pattern_[i] != '}') return false;
    at_ = i + 1;
    return true;
  }

  Result<int> repetition(int item) {
    bool done = false;
    while (more()) {
      int least = 0, most = -1;
      if (looking_at('*') || looking_at('+') || looking_at('?')) {
        least = looking_at('+') ? 1 : 0;
        most = looking_at('?') ? 1 : -1;
        ++at_;
      } else if (!looking_at('{') || !counted(least, most)) {
        break;
      }
      if (done) return fail("repeats a repetition");
      if (least > kMaxRepeat || most > kMaxRepeat || (most >= 0 && most < least)) {
        return fail(cat("repeats ", least, " to ", most, " times (limit ", kMaxRepeat, ")"));
      }
      eat('?');  // lazy: the same texts match
      done = true;
      item = add({.kind = Node::Kind::kRepeat, .least = least, .most = most, .children = {item}});
    }
    return item;
  }

  // -1: nothing but flags for what follows.
  Result<int> atom(int depth) {
    const uint32_t c = pattern_[at_++];
    switch (c) {
      case '.':
        return add_set(flags_.dot_all ? negated({}) : negated({{'\n', '\n'}}));
      case '^':
        return add_assertion(flags_.multiline ? Assertion::kLineBegin : Assertion::kTextBegin);
      case '$':
        return add_assertion(flags_.multiline ? Assertion::kLineEnd : Assertion::kTextEnd);
      case '[':
        return char_class();
      case '(':
        return group(depth);
      case '*':
      case '+':
      case '?':
        return fail("repeats nothing");
      case '\\':
        return escape();
      default:
        break;
    }
    Set set;
    add_range(set, c, c);
    return add_set(std::move(set));
  }

  Result<int> escape() {
    if (more()) {
      const uint32_t c = pattern_[at_];
      if (auto set = perl_class(c)) {
        ++at_;
        return add_set(std::move(*set));
      }
      switch (c) {
        case 'A':
          ++at_;
          return add_assertion(Assertion::kTextBegin);
        case 'z':
          ++at_;
          return add_assertion(Assertion::kTextEnd);
        case 'b':
          ++at_;
          return add_assertion(Assertion::kWord);
        case 'B':
          ++at_;
          return add_assertion(Assertion::kNotWord);
        default:
          break;
      }
    }
    SLUICE_ASSIGN(const uint32_t code, escaped_code_point());
    Set set;
    add_range(set, code, code);
    return add_set(std::move(set));
  }

  Result<int> char_class() {
    const bool negate = eat('^');
    Set set;
    for (bool first = true;; first = false) {
      if (!more()) return fail("has an unclosed \"[\"");
      if (looking_at(']') && !first) break;
      if (looking_at('[') && looking_at(':', 1)) {
        size_t end = at_ + 2;
        while (end + 1 < pattern_.size() && !(pattern_[end] == ':' && pattern_[end + 1] == ']'))
          ++end;
        if (end + 1 >= pattern_.size()) return fail("has an unclosed \"[:\"");
        std::string name = encode_utf8(pattern_.data() + at_ + 2, pattern_.data() + end);
        const bool opposite = name.starts_with('^');
        if (opposite) name.erase(0, 1);
        auto named = posix_class(name);
        if (!named) return fail(cat("has the unknown class ", quoted(name)));
        Set folded;
        for (const auto& [low, high] : *named) add_range(folded, low, high);
        append(set, opposite ? negated(std::move(folded)) : folded);
        at_ = end + 2;
        continue;
      }
      if (looking_at('\\') && at_ + 1 < pattern_.size()) {
        if (auto perl = perl_class(pattern_[at_ + 1])) {
          append(set, *perl);
          at_ += 2;
          continue;
        }
      }
      SLUICE_ASSIGN(const uint32_t low, class_code_point());
      uint32_t high = low;
      if (looking_at('-') && at_ + 1 < pattern_.size() && !looking_at(']', 1)) {
        ++at_;
        SLUICE_ASSIGN(high, class_code_point());
        if (high < low) return fail("has a range that ends before it starts");
      }
      add_range(set, low, high);
    }
    ++at_;
    return add_set(negate ? negated(std::move(set)) : std::move(set));
  }

  Result<uint32_t> class_code_point() {
    const uint32_t c = pattern_[at_++];
    if (c == '\\') return escaped_code_point();
    return c;
  }

  Result<int> group(int depth) {
    const Flags outer = flags_;
    if (eat('?')) {
      if (looking_at('P') || looking_at('<')) {
        eat('P');
        if (!eat('<')) return fail("has a group that is not taken");
        while (more() && !looking_at('>')) ++at_;
        if (!eat('>')) return fail("has an unclosed group name");
      } else {
        bool value = true, closed = false;
        while (more() && !closed) {
          const uint32_t c = pattern_[at_++];
          switch (c) {
            case 'i':
              flags_.fold = value;
              break;
            case 'm':
              flags_.multiline = value;
              break;
            case 's':
              flags_.dot_all = value;
              break;
            case 'U':
              break;
            case '-':
              value = false;
              break;
            case ')':
              return -1;  // for the rest of the group around it
            case ':':
              closed = true;
              break;
            default:
              return fail("has a group that is not taken");
          }
        }
        if (!closed) return fail("has an unclosed group");
      }
    }
    SLUICE_ASSIGN(const int inner, alternation(depth + 1));
    if (!eat(')')) return fail("has an unclosed \"(\"");
    flags_ = outer;
    return inner;
  }

  int emit(Regex::Instruction instruction) {
    out_.program_.push_back(instruction);
    return static_cast<int>(out_.program_.size()) - 1;
  }

  // Instructions of node `id`, after which `next` follows; gives where to start.
  Result<int> place(int id, int next) {
    if (out_.program_.size() > kMaxInstructions || ++placements_ > kMaxPlacements) {
      return fail(cat("is too large (limit ", kMaxInstructions, " instructions)"));
    }
    const auto index = static_cast<size_t>(id);
    switch (nodes_[index].kind) {
      case Node::Kind::kEmpty:
        return next;
      case Node::Kind::kSet:
        return emit({.op = Regex::Op::kSet, .set = nodes_[index].set, .next = next});
      case Node::Kind::kAssert:
        return emit({.op = Regex::Op::kAssert, .assertion = nodes_[index].assertion, .next = next});
      case Node::Kind::kSequence:
        for (size_t i = nodes_[index].children.size(); i-- > 0;) {
          SLUICE_ASSIGN(next, place(nodes_[index].children[i], next));
        }
        return next;
      case Node::Kind::kChoice: {
        int start = -1;
        for (size_t i = nodes_[index].children.size(); i-- > 0;) {
          SLUICE_ASSIGN(const int choice, place(nodes_[index].children[i], next));
          start =
              start < 0 ? choice : emit({.op = Regex::Op::kSplit, .next = choice, .other = start});
        }
        return start;
      }
      case Node::Kind::kRepeat:
        break;
    }
    const Node& repeat = nodes_[index];
    int start = next;
    if (repeat.most < 0) {
      // A loop back to the split; its entry is the split itself.
      const int split = emit({.op = Regex::Op::kSplit, .next = -1, .other = next});
      SLUICE_ASSIGN(out_.program_[static_cast<size_t>(split)].next,
                    place(repeat.children[0], split));
      start = split;
    } else {
      for (int n = repeat.least; n < repeat.most; ++n) {
        SLUICE_ASSIGN(const int inner, place(repeat.children[0], start));
        start = emit({.op = Regex::Op::kSplit, .next = inner, .other = next});
      }
    }
    for (int n = 0; n < repeat.least; ++n) {
      SLUICE_ASSIGN(start, place(repeat.children[0], start));
    }
    return start;
  }

  std::string_view shown_;
  std::vector<uint32_t> pattern_;
  size_t at_ = 0;
  Flags flags_;
  std::vector<Node> nodes_;
  size_t folds_ = 0, placements_ = 0;
  Regex out_;
};

Result<Regex> Regex::compile(std::string_view pattern) { return RegexCompiler(pattern).run(); }

std::optional<size_t> Regex::longest_match(const std::vector<uint32_t>& text, size_t start) const {
  const auto is_word = [](uint32_t c) {
    return c < 0x80 &&
           ((c >= '0' && c <= '9') || c == '_' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'));
  };
  const auto holds = [&](Assertion assertion, size_t at) {
    const bool at_begin = at == 0, at_end = at == text.size();
    switch (assertion) {
      case Assertion::kTextBegin:
        return at_begin;
      case Assertion::kTextEnd:
        return at_end;
      case Assertion::kLineBegin:
        return at_begin || text[at - 1] == '\n';
      case Assertion::kLineEnd:
        return at_end || text[at] == '\n';
      default: {
        const bool boundary =
            (!at_begin && is_word(text[at - 1])) != (!at_end && is_word(text[at]));
        return boundary == (assertion == Assertion::kWord);
      }
    }
  };
  // Instructions alive at a position; `seen` holds the position (plus one) at which each was added.
  std::vector<int> alive, next, pending;
  std::vector<size_t> seen(program_.size(), 0);
  std::optional<size_t> longest;
  const auto add = [&](std::vector<int>& list, int first, size_t at) {
    pending.assign(1, first);
    while (!pending.empty()) {
      const auto pc = static_cast<size_t>(pending.back());
      pending.pop_back();
      if (seen[pc] == at + 1) continue;
      seen[pc] = at + 1;
      const Instruction& instruction = program_[pc];
      switch (instruction.op) {
        case Op::kSet:
          list.push_back(static_cast<int>(pc));
          break;
        case Op::kMatch:
          longest = at;
          break;
        case Op::kAssert:
          if (holds(instruction.assertion, at)) pending.push_back(instruction.next);
          break;
        case Op::kSplit:
          pending.push_back(instruction.next);
          pending.push_back(instruction.other);
          break;
      }
    }
  };
  add(alive, start_, start);
  for (size_t at = start; at < text.size() && !alive.empty(); ++at) {
    next.clear();
    for (const int pc : alive) {
      const Instruction& instruction = program_[static_cast<size_t>(pc)];
      const Set& set = sets_[static_cast<size_t>(instruction.set)];
      const auto after =
          std::ranges::upper_bound(set, text[at], {}, [](const auto& r) { return r.first; });
      if (after != set.begin() && std::prev(after)->second >= text[at]) {
        add(next, instruction.next, at + 1);
      }
    }
    alive.swap(next);
  }
  return longest;
}

bool Regex::full_match(std::string_view text) const {
  // The longest match is the whole text whenever some match is.
  const std::vector<uint32_t> codes = decode_utf8(text);
  const auto end = longest_match(codes, 0);
  return end && *end == codes.size();
}

}  // namespace sluice::ops::text
