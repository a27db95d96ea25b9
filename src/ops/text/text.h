// Operators on strings (UTF-8): StringConcat, StringSplit, StringNormalizer, RegexFullMatch,
// TfIdfVectorizer, com.microsoft Tokenizer.
//   Case is mapped one code point to one and independent of the locale (see unicode.h).
//   StringNormalizer compares whole elements with the stop words, ignoring case unless told to.
//   TfIdfVectorizer's weights go by output column, as its implementations agree, which is the
//   n-gram when ngram_indexes counts up.
#pragma once

#include "base/result.h"
#include "plan/kernel.h"

namespace sluice::ops::text {

Result<void> string_concat_reference(plan::KernelContext& context);
Result<void> string_split_reference(plan::KernelContext& context);
Result<void> string_normalizer_reference(plan::KernelContext& context);
Result<void> regex_full_match_reference(plan::KernelContext& context);
Result<void> tf_idf_vectorizer_reference(plan::KernelContext& context);
Result<void> tokenizer_reference(plan::KernelContext& context);

// Number of columns that TfIdfVectorizer gives: the largest of ngram_indexes, plus one.
Result<int64_t> tf_idf_columns(const AttrMap& attrs);

}  // namespace sluice::ops::text
