#include "tensor/type.h"

#include "base/text.h"

namespace sluice {

std::string Type::text() const {
  switch (kind) {
    case Kind::kUnknown:
      return "?";
    case Kind::kTensor:
      return cat(dtype_name(dtype), dims ? dims_text(*dims) : std::string("[*]"));
    case Kind::kSequence:
      return cat("seq(", elem ? elem->text() : "?", ")");
    case Kind::kOptional:
      return cat("optional(", elem ? elem->text() : "?", ")");
  }
  return "?";
}

namespace {
Result<Type> parse_type(std::string_view text, int depth) {
  if (depth > 8) return invalid_model("A type nests too deep (limit 8)");
  text = trim(text);
  if (text == "?") return Type{};
  for (const std::string_view wrapper : {std::string_view("seq("), std::string_view("optional(")}) {
    if (text.starts_with(wrapper) && text.ends_with(")")) {
      SLUICE_ASSIGN(
          Type elem,
          parse_type(text.substr(wrapper.size(), text.size() - wrapper.size() - 1), depth + 1));
      return wrapper == "seq(" ? Type::sequence(std::move(elem)) : Type::optional(std::move(elem));
    }
  }
  const size_t open = text.find('[');
  if (open == std::string_view::npos || !text.ends_with("]")) {
    return invalid_model(cat("The type ", quoted(text), " can't be read"));
  }
  const std::string_view name = text.substr(0, open);
  const auto dtype = name == "undefined" ? DType::kUndefined : dtype_from_name(name);
  if (!dtype) return invalid_model(cat("The element type ", quoted(name), " is not known"));
  const std::string_view inside = text.substr(open + 1, text.size() - open - 2);
  if (inside == "*") return Type::tensor(*dtype);
  Dims dims;
  // Commas inside min(a, b) don't separate extents.
  size_t start = 0;
  int nesting = 0;
  for (size_t i = 0; i <= inside.size() && !inside.empty(); ++i) {
    if (i < inside.size() && inside[i] == '(') ++nesting;
    if (i < inside.size() && inside[i] == ')') --nesting;
    if (i == inside.size() || (inside[i] == ',' && nesting == 0)) {
      SLUICE_ASSIGN(Dim dim, Dim::parse(trim(inside.substr(start, i - start))));
      dims.push_back(std::move(dim));
      start = i + 1;
    }
  }
  return Type::tensor(*dtype, std::move(dims));
}
}  // namespace

Result<Type> Type::parse(std::string_view text) { return parse_type(text, 0); }

}  // namespace sluice
