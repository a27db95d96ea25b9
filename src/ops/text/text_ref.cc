#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "op/broadcast.h"
#include "op/elements.h"
#include "op/operand.h"
#include "ops/text/regex.h"
#include "ops/text/text.h"
#include "ops/text/unicode.h"

namespace sluice::ops::text {

using op::input_tensor;
using plan::KernelContext;

namespace {

Result<const Tensor*> input_strings(const KernelContext& context, int i) {
  return input_tensor(context, i, op::kStrings);
}

// An outer shape with `rows` appended as one more axis.
Result<Shape> with_axis(const Shape& shape, int64_t extent) {
  std::vector<int64_t> dims(shape.begin(), shape.end());
  dims.push_back(extent);
  return op::checked_shape(dims);
}

}  // namespace

Result<void> string_concat_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* a, input_strings(context, 0));
  SLUICE_ASSIGN(const Tensor* b, input_strings(context, 1));
  SLUICE_ASSIGN(const Shape shape, op::broadcast_shape({&a->shape(), &b->shape()}));
  SLUICE_ASSIGN(Tensor * out, context.out(0, DType::kString, shape));
  const std::string *left = a->data<std::string>(), *right = b->data<std::string>();
  std::string* to = out->mutable_data<std::string>();
  op::for_each_broadcast<2>(
      shape, {&a->shape(), &b->shape()},
      [&](int64_t i, const std::array<int64_t, 2>& at) { to[i] = left[at[0]] + right[at[1]]; });
  return {};
}

namespace {

// At most `most` splits (-1: no limit). Without a delimiter, runs of white space separate, and none
// stand at the ends.
std::vector<std::string> split_text(std::string_view text, std::string_view delimiter,
                                    int64_t most) {
  std::vector<std::string> out;
  if (!delimiter.empty()) {
    while (most < 0 || static_cast<int64_t>(out.size()) < most) {
      const size_t at = text.find(delimiter);
      if (at == std::string_view::npos) break;
      out.emplace_back(text.substr(0, at));
      text.remove_prefix(at + delimiter.size());
    }
    out.emplace_back(text);
    return out;
  }
  const auto is_space = [](uint32_t c) {
    return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
  };
  const std::vector<uint32_t> codes = decode_utf8(text);
  size_t at = 0;
  while (true) {
    while (at < codes.size() && is_space(codes[at])) ++at;
    if (at == codes.size()) return out;
    size_t end = at;
    if (most >= 0 && static_cast<int64_t>(out.size()) == most) {
      // What is left, white space within included.
      end = codes.size();
      while (end > at && is_space(codes[end - 1])) --end;
      out.push_back(encode_utf8(codes.data() + at, codes.data() + end));
      return out;
    }
    while (end < codes.size() && !is_space(codes[end])) ++end;
    out.push_back(encode_utf8(codes.data() + at, codes.data() + end));
    at = end;
  }
}

}  // namespace

Result<void> string_split_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_strings(context, 0));
  const std::string delimiter = context.attrs().string_or("delimiter", "");
  const int64_t most = context.attrs().int_or("maxsplit", -1);
  std::vector<std::vector<std::string>> parts;
  size_t longest = 0;
  for (int64_t i = 0; i < in->elements(); ++i) {
    parts.push_back(split_text(in->data<std::string>()[i], delimiter, most));
    longest = std::max(longest, parts.back().size());
  }
  SLUICE_ASSIGN(const Shape shape, with_axis(in->shape(), static_cast<int64_t>(longest)));
  SLUICE_ASSIGN(Tensor * out, context.out(0, DType::kString, shape));
  for (size_t i = 0; i < parts.size(); ++i) {
    std::string* row = out->mutable_data<std::string>() + i * longest;
    for (size_t k = 0; k < longest; ++k) row[k] = k < parts[i].size() ? std::move(parts[i][k]) : "";
  }
  if (context.output_count() > 1 && context.wants(1)) {
    SLUICE_ASSIGN(Tensor * counts, context.out(1, DType::kInt64, in->shape()));
    for (size_t i = 0; i < parts.size(); ++i) {
      counts->mutable_data<int64_t>()[i] = static_cast<int64_t>(parts[i].size());
    }
  }
  return {};
}

Result<void> string_normalizer_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_strings(context, 0));
  if (in->rank() < 1 || in->rank() > 2 || (in->rank() == 2 && in->dim(0) != 1)) {
    return usage_error(cat("StringNormalizer of ", in->text(), " ([C] or [1,C])"));
  }
  const std::string action = context.attrs().string_or("case_change_action", "NONE");
  if (action != "NONE" && action != "LOWER" && action != "UPPER") {
    return invalid_model(
        cat("StringNormalizer has the case change ", quoted(action), " (NONE, LOWER or UPPER)"));
  }
  const bool exact = context.attrs().int_or("is_case_sensitive", 0) != 0;
  const auto key = [&](const std::string& text) { return exact ? text : lowered(text); };
  std::set<std::string> stops;
  for (const std::string& word : context.attrs().strings_or("stopwords")) stops.insert(key(word));
  std::vector<std::string> kept;
  for (int64_t i = 0; i < in->elements(); ++i) {
    const std::string& text = in->data<std::string>()[i];
    if (!stops.empty() && stops.contains(key(text))) continue;
    kept.push_back(action == "LOWER" ? lowered(text) : action == "UPPER" ? uppered(text) : text);
  }
  if (kept.empty()) kept.emplace_back();
  const auto count = static_cast<int64_t>(kept.size());
  SLUICE_ASSIGN(Tensor * out,
                context.out(0, DType::kString, in->rank() == 1 ? Shape{count} : Shape{1, count}));
  std::ranges::move(kept, out->mutable_data<std::string>());
  return {};
}

Result<void> regex_full_match_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_strings(context, 0));
  SLUICE_ASSIGN(const Regex regex, Regex::compile(context.attrs().string_or("pattern", "")));
  SLUICE_ASSIGN(Tensor * out, context.out(0, DType::kBool, in->shape()));
  for (int64_t i = 0; i < in->elements(); ++i) {
    out->set_int(i, regex.full_match(in->data<std::string>()[i]));
  }
  return {};
}

Result<int64_t> tf_idf_columns(const AttrMap& attrs) {
  int64_t columns = 0;
  for (const int64_t index : attrs.ints_or("ngram_indexes")) {
    if (index < 0 || index >= int64_t{1} << 31) {
      return invalid_model(cat("TfIdfVectorizer has the n-gram index ", index, " (0 to 2^31-1)"));
    }
    columns = std::max(columns, index + 1);
  }
  return columns;
}

namespace {

// N-grams as a tree: node 0 is the root, edges are tokens, and a node at which an n-gram ends knows
// its output column.
class NgramTree {
 public:
  static Result<NgramTree> of(const AttrMap& attrs) {
    NgramTree out;
    const auto strings = attrs.strings_or("pool_strings");
    const auto ints = attrs.ints_or("pool_int64s");
    const auto counts = attrs.ints_or("ngram_counts"), columns = attrs.ints_or("ngram_indexes");
    const size_t total = strings.empty() ? ints.size() : strings.size();
    const int64_t shortest = attrs.int_or("min_gram_length", 1);
    const int64_t longest = attrs.int_or("max_gram_length", 1);
    size_t ngram = 0;
    for (size_t g = 0; g < counts.size(); ++g) {
      const int64_t from = counts[g];
      const int64_t to = g + 1 < counts.size() ? counts[g + 1] : static_cast<int64_t>(total);
      const auto length = static_cast<int64_t>(g) + 1;
      if (from < 0 || to < from || to > static_cast<int64_t>(total) || (to - from) % length != 0) {
        return invalid_model(
            cat("TfIdfVectorizer's ", length, "-grams stand at ", from, " to ", to, " of ", total));
      }
      for (int64_t at = from; at < to; at += length, ++ngram) {
        if (length < shortest || length > longest) continue;
        if (ngram >= columns.size()) {
          return invalid_model(cat("TfIdfVectorizer has ", columns.size(),
                                   " n-gram indexes (more "
                                   "n-grams)"));
        }
        size_t node = 0;
        for (int64_t k = at; k < at + length; ++k) {
          const auto token = static_cast<size_t>(k);
          const int64_t id = strings.empty() ? out.intern(ints[token]) : out.intern(strings[token]);
          const auto [edge, fresh] = out.edges_.try_emplace({node, id}, out.columns_.size());
          if (fresh) out.columns_.push_back(-1);
          node = edge->second;
        }
        out.columns_[node] = columns[ngram];
      }
    }
    return out;
  }
  // -1: a token of no n-gram.
  int64_t token(const std::string& text) const { return found(strings_, text); }
  int64_t token(int64_t number) const { return found(ints_, number); }
  // The node one token on; 0 when there is none.
  size_t follow(size_t node, int64_t token) const {
    const auto edge = edges_.find({node, token});
    return edge == edges_.end() ? 0 : edge->second;
  }
  int64_t column(size_t node) const { return columns_[node]; }

 private:
  template <class Map, class Key>
  static int64_t found(const Map& map, const Key& key) {
    const auto entry = map.find(key);
    return entry == map.end() ? -1 : entry->second;
  }
  int64_t intern(const std::string& text) {
    return strings_.try_emplace(text, static_cast<int64_t>(strings_.size())).first->second;
  }
  int64_t intern(int64_t number) {
    return ints_.try_emplace(number, static_cast<int64_t>(ints_.size())).first->second;
  }
  std::map<std::string, int64_t> strings_;
  std::map<int64_t, int64_t> ints_;
  std::map<std::pair<size_t, int64_t>, size_t> edges_;
  std::vector<int64_t> columns_ = {-1};
};

}  // namespace

Result<void> tf_idf_vectorizer_reference(KernelContext& context) {
  const op::DTypeSet allowed = op::kStrings | op::kIndices;
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0, allowed));
  const AttrMap& attrs = context.attrs();
  const bool strings = in->dtype() == DType::kString;
  if (in->rank() > 2 || strings != !attrs.strings_or("pool_strings").empty()) {
    return usage_error(cat("TfIdfVectorizer of ", in->text(), " with a pool of ",
                           strings ? "numbers" : "strings", " ([C] or [N,C], as the pool)"));
  }
  SLUICE_ASSIGN(const int64_t columns, tf_idf_columns(attrs));
  SLUICE_ASSIGN(const NgramTree tree, NgramTree::of(attrs));
  const int64_t rows = in->rank() == 2 ? in->dim(0) : 1;
  const int64_t length = in->rank() == 0 ? 1 : in->dim(in->rank() - 1);
  SLUICE_ASSIGN(const Shape shape,
                op::checked_shape(in->rank() == 2 ? std::vector<int64_t>{rows, columns}
                                                  : std::vector<int64_t>{columns}));
  SLUICE_ASSIGN(Tensor * out, context.out(0, DType::kFloat32, shape));
  float* counts = out->mutable_data<float>();
  std::fill(counts, counts + out->elements(), 0.0f);
  const int64_t longest = attrs.int_or("max_gram_length", 1);
  const int64_t skips = std::clamp<int64_t>(attrs.int_or("max_skip_count", 0), 0, length);
  for (int64_t row = 0; row < rows; ++row) {
    std::vector<int64_t> tokens;
    for (int64_t i = row * length; i < (row + 1) * length; ++i) {
      tokens.push_back(strings ? tree.token(in->data<std::string>()[i])
                               : tree.token(in->get_int(i)));
    }
    int64_t shortest = attrs.int_or("min_gram_length", 1);
    for (int64_t distance = 1; distance <= skips + 1 && shortest <= longest; ++distance) {
      for (int64_t start = 0; start < length; ++start) {
        size_t node = 0;
        int64_t at = start;
        for (int64_t size = 1; size <= longest && at < length; ++size, at += distance) {
          node = tree.follow(node, tokens[static_cast<size_t>(at)]);
          if (node == 0) break;
          if (size >= shortest && tree.column(node) >= 0)
            counts[row * columns + tree.column(node)] += 1;
        }
      }
      // Skipping makes no difference to single tokens: they count once.
      if (shortest == 1) ++shortest;
    }
  }
  const std::string mode = attrs.string_or("mode", "TF");
  const std::vector<float> weights = attrs.floats_or("weights");
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF") {
    return invalid_model(cat("TfIdfVectorizer has the mode ", quoted(mode), " (TF, IDF or TFIDF)"));
  }
  if (mode == "TF") return {};
  for (int64_t i = 0; i < out->elements(); ++i) {
    const auto column = static_cast<size_t>(i % columns);
    const float weight = column < weights.size() ? weights[column] : 1.0f;
    if (mode == "IDF") counts[i] = std::min(counts[i], 1.0f);
    counts[i] *= weight;
  }
  return {};
}

namespace {

using Codes = std::vector<uint32_t>;

// The stretches between matches of `separator`.
std::vector<Codes> between(const Codes& text, const Regex& separator) {
  std::vector<Codes> out;
  size_t from = 0;
  for (size_t at = 0; at < text.size();) {
    const auto end = separator.longest_match(text, at);
    if (!end || *end == at) {
      ++at;
      continue;
    }
    out.emplace_back(text.begin() + static_cast<std::ptrdiff_t>(from),
                     text.begin() + static_cast<std::ptrdiff_t>(at));
    from = at = *end;
  }
  out.emplace_back(text.begin() + static_cast<std::ptrdiff_t>(from), text.end());
  return out;
}

}  // namespace

Result<void> tokenizer_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_strings(context, 0));
  const AttrMap& attrs = context.attrs();
  if (in->rank() < 1 || in->rank() > 2) {
    return usage_error(cat("Tokenizer of ", in->text(), " ([C] or [N,C])"));
  }
  const bool mark = attrs.int_or("mark", 0) != 0;
  const std::string padding = attrs.string_or("pad_value", "");
  const auto shortest = static_cast<size_t>(std::max<int64_t>(attrs.int_or("mincharnum", 1), 1));
  const auto separators = attrs.strings_or("separators");
  const bool by_character = separators.size() == 1 && separators[0].empty();
  std::vector<Regex> cuts;
  std::optional<Regex> token;
  if (!attrs.string_or("tokenexp", "").empty()) {
    SLUICE_ASSIGN(token, Regex::compile(attrs.string_or("tokenexp", "")));
  } else if (!by_character) {
    for (const std::string& separator : separators) {
      SLUICE_ASSIGN(Regex cut, Regex::compile(separator));
      cuts.push_back(std::move(cut));
    }
  }
  std::vector<std::vector<std::string>> rows;
  size_t longest = 0;
  for (int64_t i = 0; i < in->elements(); ++i) {
    const Codes text = decode_utf8(in->data<std::string>()[i]);
    std::vector<Codes> found;
    if (token) {
      for (size_t at = 0; at < text.size();) {
        const auto end = token->longest_match(text, at);
        if (!end || *end == at) {
          ++at;
          continue;
        }
        found.emplace_back(text.begin() + static_cast<std::ptrdiff_t>(at),
                           text.begin() + static_cast<std::ptrdiff_t>(*end));
        at = *end;
      }
    } else if (by_character) {
      for (const uint32_t code : text) found.push_back({code});
    } else {
      found.push_back(text);
      for (const Regex& cut : cuts) {
        std::vector<Codes> finer;
        for (const Codes& piece : found)
          std::ranges::move(between(piece, cut), std::back_inserter(finer));
        found = std::move(finer);
      }
    }
    std::vector<std::string> row;
    for (const Codes& piece : found) {
      if (piece.size() >= shortest)
        row.push_back(encode_utf8(piece.data(), piece.data() + piece.size()));
    }
    longest = std::max(longest, row.size());
    rows.push_back(std::move(row));
  }
  // Start and end of text stand as control characters.
  const size_t width = rows.empty() ? 0 : longest + (mark ? 2 : 0);
  SLUICE_ASSIGN(const Shape shape, with_axis(in->shape(), static_cast<int64_t>(width)));
  SLUICE_ASSIGN(Tensor * out, context.out(0, DType::kString, shape));
  std::string* to = out->mutable_data<std::string>();
  for (std::vector<std::string>& row : rows) {
    if (mark) row.insert(row.begin(), "\x02");
    if (mark) row.emplace_back("\x03");
    row.resize(width, padding);
    to = std::ranges::move(row, to).out;
  }
  return {};
}

}  // namespace sluice::ops::text
