#include "ops/text/text.h"

#include "base/text.h"
#include "op/elements.h"
#include "op/operand.h"
#include "ops/text/regex.h"

namespace sluice::ops::text {

namespace {

using op::InferContext;

Result<void> infer_string_concat(InferContext& context) {
  SLUICE_TRY(op::common_dtype(context, 0, 2, op::kStrings));
  const Type &a = context.input_type(0), &b = context.input_type(1);
  context.set_output(0, DType::kString);
  if (!a.has_rank() || !b.has_rank()) return {};
  SLUICE_ASSIGN(Dims out, op::in_node(context, broadcast(*a.dims, *b.dims)));
  context.set_output(0, DType::kString, std::move(out));
  return {};
}

// The input's axes and one more of unknown extent.
void set_one_axis_more(InferContext& context, int i) {
  const Type& in = context.input_type(0);
  context.set_output(i, DType::kString);
  if (!in.has_rank()) return;
  Dims out = *in.dims;
  out.push_back(Dim::unknown());
  context.set_output(i, DType::kString, std::move(out));
}

void set_input_shape(InferContext& context, int i, DType dtype) {
  const Type& in = context.input_type(0);
  if (in.has_rank()) {
    context.set_output(i, dtype, *in.dims);
  } else {
    context.set_output(i, dtype);
  }
}

Result<void> infer_string_split(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, op::kStrings));
  set_one_axis_more(context, 0);
  set_input_shape(context, 1, DType::kInt64);
  return {};
}

Result<void> infer_string_normalizer(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, op::kStrings));
  const Type& in = context.input_type(0);
  context.set_output(0, DType::kString);
  if (!in.has_rank()) return {};
  if (in.dims->empty() || in.dims->size() > 2) {
    return context.fail(cat("the input is ", in.text(), " ([C] or [1,C])"));
  }
  context.set_output(0, DType::kString,
                     in.dims->size() == 1 ? Dims{Dim::unknown()} : Dims{Dim(1), Dim::unknown()});
  return {};
}

Result<void> infer_regex_full_match(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, op::kStrings));
  SLUICE_TRY(op::in_node(context, Regex::compile(context.attrs().string_or("pattern", ""))));
  set_input_shape(context, 0, DType::kBool);
  return {};
}

Result<void> infer_tf_idf_vectorizer(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, op::kStrings | op::kIndices));
  SLUICE_ASSIGN(const int64_t columns, op::in_node(context, tf_idf_columns(context.attrs())));
  const Type& in = context.input_type(0);
  context.set_output(0, DType::kFloat32);
  if (!in.has_rank()) return {};
  if (in.dims->size() > 2) return context.fail(cat("the input is ", in.text(), " ([C] or [N,C])"));
  context.set_output(0, DType::kFloat32,
                     in.dims->size() == 2 ? Dims{(*in.dims)[0], Dim(columns)} : Dims{Dim(columns)});
  return {};
}

Result<void> infer_tokenizer(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, op::kStrings));
  set_one_axis_more(context, 0);
  return {};
}

constexpr op::OpDef kDefs[] = {
    {.name = "StringConcat",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_string_concat,
     .reference = string_concat_reference},
    {.name = "StringSplit",
     .min_inputs = 1,
     .max_inputs = 1,
     .max_outputs = 2,
     .infer = infer_string_split,
     .reference = string_split_reference},
    {.name = "StringNormalizer",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_string_normalizer,
     .reference = string_normalizer_reference},
    {.name = "RegexFullMatch",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_regex_full_match,
     .reference = regex_full_match_reference},
    {.name = "TfIdfVectorizer",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_tf_idf_vectorizer,
     .reference = tf_idf_vectorizer_reference},
    {.name = "Tokenizer",
     .domain = "com.microsoft",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_tokenizer,
     .reference = tokenizer_reference,
     .nonstandard =
         "Cuts strings into tokens by separators or by an expression for tokens, padded to "
         "one length; made by converters for text models."},
};

}  // namespace

std::span<const op::OpDef> op_defs() { return kDefs; }

}  // namespace sluice::ops::text
