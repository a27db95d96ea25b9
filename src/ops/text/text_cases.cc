#include "op/case.h"

namespace sluice::ops::text {

using op::Case;

namespace {

using Ints = std::vector<int64_t>;
using Strings = std::vector<std::string>;
Tensor strings(const Shape& shape, const Strings& values) {
  return Tensor::of_strings(shape, values);
}

}  // namespace

std::vector<Case> cases() {
  std::vector<Case> out;
  out.push_back({.name = "concat",
                 .op = "StringConcat",
                 .inputs = {strings(Shape{2, 1}, {"a", "b"}), strings(Shape{2}, {"x", ""})},
                 .outputs = {strings(Shape{2, 2}, {"ax", "a", "bx", "b"})}});
  out.push_back({.name = "split_spaces",
                 .op = "StringSplit",
                 .inputs = {strings(Shape{3}, {" hello  world ", "", "one"})},
                 .outputs = {strings(Shape{3, 2}, {"hello", "world", "", "", "one", ""}),
                             Tensor::of<int64_t>(Shape{3}, {2, 0, 1})},
                 .output_count = 2});
  out.push_back({.name = "split_delimiter",
                 .op = "StringSplit",
                 .attrs = {{"delimiter", std::string("--")}},
                 .inputs = {strings(Shape{2}, {"a----b", "c"})},
                 .outputs = {strings(Shape{2, 3}, {"a", "", "b", "c", "", ""}),
                             Tensor::of<int64_t>(Shape{2}, {3, 1})},
                 .output_count = 2});
  out.push_back({.name = "split_at_most",
                 .op = "StringSplit",
                 .attrs = {{"maxsplit", int64_t{1}}},
                 .inputs = {strings(Shape{1}, {" a  b c "})},
                 .outputs = {strings(Shape{1, 2}, {"a", "b c"})}});
  out.push_back({.name = "split_nothing",
                 .op = "StringSplit",
                 .inputs = {strings(Shape{0}, {})},
                 .outputs = {strings(Shape{0, 0}, {}), Tensor::of<int64_t>(Shape{0}, {})},
                 .output_count = 2});
  out.push_back(
      {.name = "normalize",
       .op = "StringNormalizer",
       .attrs = {{"case_change_action", std::string("UPPER")}, {"stopwords", Strings{"MONDAY"}}},
       .inputs = {strings(Shape{3}, {"monday", "\xC3\xA9t\xC3\xA9", "Tag"})},
       .outputs = {strings(Shape{2}, {"\xC3\x89T\xC3\x89", "TAG"})}});
  out.push_back({.name = "normalize_to_nothing",
                 .op = "StringNormalizer",
                 .attrs = {{"is_case_sensitive", int64_t{1}}, {"stopwords", Strings{"a", "b"}}},
                 .inputs = {strings(Shape{1, 2}, {"a", "b"})},
                 .outputs = {strings(Shape{1, 1}, {""})}});
  out.push_back(
      {.name = "regex",
       .op = "RegexFullMatch",
       .attrs = {{"pattern", std::string(R"((\W|^)[\w.\-]{0,25}@(yahoo|gmail)\.com(\W|$))")}},
       .inputs = {strings(Shape{2, 2}, {"account@gmail.com", "account@hotmail.com", "not email",
                                        "account2@yahoo.com"})},
       .outputs = {Tensor::of<bool>(Shape{2, 2}, {true, false, false, true})}});
  const AttrMap pool{{"max_gram_length", int64_t{2}},
                     {"max_skip_count", int64_t{0}},
                     {"min_gram_length", int64_t{1}},
                     {"mode", std::string("TF")},
                     {"ngram_counts", Ints{0, 4}},
                     {"ngram_indexes", Ints{0, 1, 2, 3, 4, 5, 6}},
                     {"pool_int64s", Ints{2, 3, 5, 4, 5, 6, 7, 8, 6, 7}}};
  const Tensor row = Tensor::of<int32_t>(Shape{12}, {1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8});
  out.push_back({.name = "tf",
                 .op = "TfIdfVectorizer",
                 .attrs = pool,
                 .inputs = {row},
                 .outputs = {Tensor::of<float>(Shape{7}, {0, 3, 1, 0, 1, 1, 1})}});
  AttrMap skipping = pool;
  skipping.set("max_skip_count", int64_t{5});
  skipping.set("min_gram_length", int64_t{2});
  out.push_back({.name = "tf_skip",
                 .op = "TfIdfVectorizer",
                 .attrs = skipping,
                 .inputs = {row},
                 .outputs = {Tensor::of<float>(Shape{7}, {0, 0, 0, 0, 1, 3, 1})}});
  AttrMap weighted = pool;
  weighted.set("mode", std::string("TFIDF"));
  weighted.set("weights", std::vector<float>{1, 0.5f, 2, 1, 3, 1, 1});
  out.push_back({.name = "tf_idf",
                 .op = "TfIdfVectorizer",
                 .attrs = weighted,
                 .inputs = {row.reshaped(Shape{2, 6})}});
  AttrMap idf = pool;
  idf.set("mode", std::string("IDF"));
  out.push_back({.name = "idf",
                 .op = "TfIdfVectorizer",
                 .attrs = idf,
                 .inputs = {row},
                 .outputs = {Tensor::of<float>(Shape{7}, {0, 1, 1, 0, 1, 1, 1})}});
  out.push_back({.name = "tokens_by_separator",
                 .op = "Tokenizer",
                 .domain = "com.microsoft",
                 .attrs = {{"mark", int64_t{1}},
                           {"mincharnum", int64_t{2}},
                           {"pad_value", std::string("#")},
                           {"separators", Strings{" +", ","}}},
                 .inputs = {strings(Shape{2}, {"ab  cd,ef", "x yz"})},
                 .outputs = {strings(Shape{2, 5}, {"\x02", "ab", "cd", "ef", "\x03", "\x02", "yz",
                                                   "\x03", "#", "#"})}});
  out.push_back({.name = "tokens_by_expression",
                 .op = "Tokenizer",
                 .domain = "com.microsoft",
                 .attrs = {{"mark", int64_t{0}},
                           {"mincharnum", int64_t{1}},
                           {"pad_value", std::string("")},
                           {"tokenexp", std::string("[a-z]+|\\d")}},
                 .inputs = {strings(Shape{1, 1}, {"ab12cd"})},
                 .outputs = {strings(Shape{1, 1, 4}, {"ab", "1", "2", "cd"})}});
  out.push_back({.name = "tokens_by_character",
                 .op = "Tokenizer",
                 .domain = "com.microsoft",
                 .attrs = {{"mark", int64_t{0}},
                           {"mincharnum", int64_t{1}},
                           {"pad_value", std::string("")},
                           {"separators", Strings{""}}},
                 .inputs = {strings(Shape{1}, {"a\xC3\xA9"})},
                 .outputs = {strings(Shape{1, 2}, {"a", "\xC3\xA9"})}});
  return out;
}

}  // namespace sluice::ops::text
