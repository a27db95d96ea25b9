// Dim: an extent that may be known only when the model runs. A Dim is a number, an expression over
// named symbols ("batch", "2*H + 1", "floor(W/2)"), or unknown (nothing can be said before the
// producing node has run). Expressions are kept in a normal form, so equal texts mean equal
// extents. Any overflow gives unknown.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tensor/shape.h"

namespace sluice {

namespace dim_detail {
struct Poly;
}

class Dim {
 public:
  Dim() : state_(State::kUnknown) {}
  Dim(int64_t value) : state_(State::kKnown), value_(value) {}  // NOLINT: implicit by design
  static Dim unknown() { return Dim(); }
  static Dim symbol(std::string_view name);

  bool is_known() const { return state_ == State::kKnown; }
  bool is_unknown() const { return state_ == State::kUnknown; }
  bool is_symbolic() const { return state_ == State::kExpression; }
  // The number; ask is_known() first.
  int64_t value() const { return value_; }
  std::optional<int64_t> get() const {
    return is_known() ? std::optional<int64_t>(value_) : std::nullopt;
  }

  // Two unknowns are never equal.
  friend bool operator==(const Dim& a, const Dim& b);

  friend Dim operator+(const Dim& a, const Dim& b);
  friend Dim operator-(const Dim& a, const Dim& b);
  friend Dim operator*(const Dim& a, const Dim& b);
  // Rounds towards minus infinity; exact quotients of expressions simplify. b == 0 gives unknown.
  static Dim floor_div(const Dim& a, const Dim& b);
  static Dim ceil_div(const Dim& a, const Dim& b);
  static Dim min(const Dim& a, const Dim& b);
  static Dim max(const Dim& a, const Dim& b);

  // "7", "batch", "2*H + floor(W/2)", "?".
  std::string text() const;
  static Result<Dim> parse(std::string_view text);

  using Environment = std::map<std::string, int64_t, std::less<>>;
  // Nothing when unknown, when a symbol is missing, or on overflow.
  std::optional<int64_t> evaluate(const Environment& symbols) const;
  // Replaces symbols by what `symbols` maps them to; others stay.
  Dim substitute(const std::map<std::string, Dim, std::less<>>& symbols) const;
  void collect_symbols(std::vector<std::string>& out) const;

 private:
  enum class State : uint8_t { kKnown, kExpression, kUnknown };
  friend struct dim_detail::Poly;
  State state_;
  int64_t value_ = 0;
  std::shared_ptr<const dim_detail::Poly> poly_;
};

using Dims = std::vector<Dim>;

Dims to_dims(const Shape& shape);
// The shape when every extent is known, not negative, and the rank fits.
std::optional<Shape> to_shape(const Dims& dims);
std::string dims_text(const Dims& dims);  // "[batch,3,2*H]"
// Product of dims[first..last).
Dim product(const Dims& dims, size_t first, size_t last);
// numpy's broadcast of two symbolic shapes; an error names the two extents that can't match. A
// symbol against a number > 1 takes the number; two different symbols give unknown.
Result<Dims> broadcast(const Dims& a, const Dims& b);

}  // namespace sluice
