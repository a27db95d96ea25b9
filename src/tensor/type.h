// Type: the static type of a value: a tensor of a dtype and (perhaps symbolic) shape, a sequence of
// tensors, or an optional of either.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tensor/dim.h"
#include "tensor/dtype.h"

namespace sluice {

struct Type {
  enum class Kind : uint8_t { kUnknown, kTensor, kSequence, kOptional } kind = Kind::kUnknown;
  DType dtype = DType::kUndefined;   // tensor: element type; undefined when not yet known
  std::optional<Dims> dims;          // tensor: nothing when even the rank is unknown
  std::shared_ptr<const Type> elem;  // sequence, optional: what it holds

  static Type tensor(DType dtype) { return {Kind::kTensor, dtype, std::nullopt, nullptr}; }
  static Type tensor(DType dtype, Dims dims) {
    return {Kind::kTensor, dtype, std::move(dims), nullptr};
  }
  static Type sequence(Type elem) {
    return {Kind::kSequence, DType::kUndefined, std::nullopt,
            std::make_shared<const Type>(std::move(elem))};
  }
  static Type optional(Type elem) {
    return {Kind::kOptional, DType::kUndefined, std::nullopt,
            std::make_shared<const Type>(std::move(elem))};
  }

  bool is_tensor() const { return kind == Kind::kTensor; }
  bool has_rank() const { return is_tensor() && dims.has_value(); }
  // The concrete shape when all of it is known.
  std::optional<Shape> shape() const { return dims ? to_shape(*dims) : std::nullopt; }

  // "float32[1,3,H,W]", "float32[*]" (rank unknown), "seq(float32[?])", "optional(int64[])", "?".
  std::string text() const;
  static Result<Type> parse(std::string_view text);
  friend bool operator==(const Type& a, const Type& b) { return a.text() == b.text(); }
};

}  // namespace sluice
