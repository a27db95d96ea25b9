#include "tensor/dim.h"

#include <algorithm>
#include <cctype>

#include "base/text.h"

namespace sluice {

namespace dim_detail {

// A factor that can't be expanded: a symbol, or floor/min/max of two Dims. `key` is its text and
// its identity.
struct Atom {
  enum class Kind : uint8_t { kSymbol, kFloorDiv, kMin, kMax } kind = Kind::kSymbol;
  std::string key;
  Dim a, b;
};

struct Term {
  int64_t coefficient = 0;
  std::vector<std::shared_ptr<const Atom>> factors;  // sorted by key
};

// Sum of terms, sorted by their factors, no zero coefficients, never a bare constant.
struct Poly {
  std::vector<Term> terms;

  static Poly of(const Dim& dim) {
    if (dim.is_known()) return dim.value() == 0 ? Poly{} : Poly{{Term{dim.value(), {}}}};
    return *dim.poly_;
  }
  static Dim to_dim(Poly poly) {
    if (poly.terms.empty()) return Dim(0);
    if (poly.terms.size() == 1 && poly.terms[0].factors.empty()) {
      return Dim(poly.terms[0].coefficient);
    }
    Dim out;
    out.state_ = Dim::State::kExpression;
    out.poly_ = std::make_shared<const Poly>(std::move(poly));
    return out;
  }
  static const Poly& get(const Dim& dim) { return *dim.poly_; }
};

namespace {

int compare(const Term& a, const Term& b) {
  // More factors first, so that constants print last.
  if (a.factors.size() != b.factors.size()) return a.factors.size() > b.factors.size() ? -1 : 1;
  for (size_t i = 0; i < a.factors.size(); ++i) {
    const int order = a.factors[i]->key.compare(b.factors[i]->key);
    if (order != 0) return order;
  }
  return 0;
}

std::optional<Poly> normalize(std::vector<Term> terms) {
  std::ranges::stable_sort(terms, [](const Term& a, const Term& b) { return compare(a, b) < 0; });
  Poly out;
  for (Term& term : terms) {
    if (!out.terms.empty() && compare(out.terms.back(), term) == 0) {
      if (__builtin_add_overflow(out.terms.back().coefficient, term.coefficient,
                                 &out.terms.back().coefficient)) {
        return std::nullopt;
      }
    } else {
      out.terms.push_back(std::move(term));
    }
  }
  std::erase_if(out.terms, [](const Term& term) { return term.coefficient == 0; });
  // Expressions this long say nothing useful and would make every operation slow.
  if (out.terms.size() > 32) return std::nullopt;
  return out;
}

// a / b when b divides every term of a exactly.
std::optional<Poly> divide_exactly(const Poly& a, const Term& b) {
  Poly out;
  for (const Term& term : a.terms) {
    if (term.coefficient % b.coefficient != 0) return std::nullopt;
    Term quotient{term.coefficient / b.coefficient, term.factors};
    for (const auto& factor : b.factors) {
      const auto found = std::ranges::find_if(
          quotient.factors, [&](const auto& mine) { return mine->key == factor->key; });
      if (found == quotient.factors.end()) return std::nullopt;
      quotient.factors.erase(found);
    }
    out.terms.push_back(std::move(quotient));
  }
  return normalize(std::move(out.terms));
}

Dim from_atom(Atom atom) {
  return Poly::to_dim(Poly{{Term{1, {std::make_shared<const Atom>(std::move(atom))}}}});
}

Dim opaque(Atom::Kind kind, std::string_view name, const Dim& a, const Dim& b) {
  std::string key = kind == Atom::Kind::kFloorDiv ? cat("floor((", a.text(), ")/(", b.text(), "))")
                                                  : cat(name, "(", a.text(), ", ", b.text(), ")");
  if (key.size() > 400) return Dim::unknown();
  return from_atom(Atom{kind, std::move(key), a, b});
}

}  // namespace
}  // namespace dim_detail

using dim_detail::Atom;
using dim_detail::Poly;
using dim_detail::Term;

Dim Dim::symbol(std::string_view name) {
  return dim_detail::from_atom(Atom{Atom::Kind::kSymbol, std::string(name), {}, {}});
}

bool operator==(const Dim& a, const Dim& b) {
  if (a.state_ != b.state_ || a.is_unknown()) return false;
  if (a.is_known()) return a.value_ == b.value_;
  if (a.poly_ == b.poly_) return true;
  if (a.poly_->terms.size() != b.poly_->terms.size()) return false;
  for (size_t i = 0; i < a.poly_->terms.size(); ++i) {
    if (a.poly_->terms[i].coefficient != b.poly_->terms[i].coefficient ||
        dim_detail::compare(a.poly_->terms[i], b.poly_->terms[i]) != 0) {
      return false;
    }
  }
  return true;
}

Dim operator+(const Dim& a, const Dim& b) {
  if (a.is_unknown() || b.is_unknown()) return Dim::unknown();
  if (a.is_known() && b.is_known()) {
    int64_t sum = 0;
    return __builtin_add_overflow(a.value(), b.value(), &sum) ? Dim::unknown() : Dim(sum);
  }
  std::vector<Term> terms = Poly::of(a).terms;
  for (const Term& term : Poly::of(b).terms) terms.push_back(term);
  auto poly = dim_detail::normalize(std::move(terms));
  return poly ? Poly::to_dim(std::move(*poly)) : Dim::unknown();
}

Dim operator-(const Dim& a, const Dim& b) { return a + b * Dim(-1); }

Dim operator*(const Dim& a, const Dim& b) {
  if (a.is_known() && b.is_known()) {
    int64_t product = 0;
    return __builtin_mul_overflow(a.value(), b.value(), &product) ? Dim::unknown() : Dim(product);
  }
  if (a.is_unknown() || b.is_unknown()) return Dim::unknown();
  std::vector<Term> terms;
  const Poly left = Poly::of(a), right = Poly::of(b);
  if (left.terms.size() * right.terms.size() > 256) return Dim::unknown();
  for (const Term& x : left.terms) {
    for (const Term& y : right.terms) {
      Term term;
      if (__builtin_mul_overflow(x.coefficient, y.coefficient, &term.coefficient)) {
        return Dim::unknown();
      }
      term.factors = x.factors;
      term.factors.insert(term.factors.end(), y.factors.begin(), y.factors.end());
      std::ranges::sort(term.factors, [](const auto& p, const auto& q) { return p->key < q->key; });
      if (term.factors.size() > 12) return Dim::unknown();
      terms.push_back(std::move(term));
    }
  }
  auto poly = dim_detail::normalize(std::move(terms));
  return poly ? Poly::to_dim(std::move(*poly)) : Dim::unknown();
}

Dim Dim::floor_div(const Dim& a, const Dim& b) {
  if (a.is_unknown() || b.is_unknown()) return unknown();
  if (b.is_known() && b.value() == 0) return unknown();
  if (a.is_known() && b.is_known()) {
    if (b.value() == -1) return Dim(0) - a;
    const int64_t quotient = a.value() / b.value();
    const bool inexact = a.value() % b.value() != 0;
    return quotient - (inexact && ((a.value() < 0) != (b.value() < 0)) ? 1 : 0);
  }
  if (a == b) return 1;
  const Poly divisor = Poly::of(b);
  if (divisor.terms.size() == 1) {
    if (auto exact = dim_detail::divide_exactly(Poly::of(a), divisor.terms[0])) {
      return Poly::to_dim(std::move(*exact));
    }
  }
  return dim_detail::opaque(Atom::Kind::kFloorDiv, "", a, b);
}

Dim Dim::ceil_div(const Dim& a, const Dim& b) { return floor_div(a + b - Dim(1), b); }

Dim Dim::min(const Dim& a, const Dim& b) {
  if (a.is_unknown() || b.is_unknown()) return unknown();
  if (a.is_known() && b.is_known()) return std::min(a.value(), b.value());
  if (a == b) return a;
  return dim_detail::opaque(Atom::Kind::kMin, "min", a, b);
}

Dim Dim::max(const Dim& a, const Dim& b) {
  if (a.is_unknown() || b.is_unknown()) return unknown();
  if (a.is_known() && b.is_known()) return std::max(a.value(), b.value());
  if (a == b) return a;
  return dim_detail::opaque(Atom::Kind::kMax, "max", a, b);
}

std::string Dim::text() const {
  if (is_unknown()) return "?";
  if (is_known()) return std::to_string(value_);
  std::string out;
  for (const Term& term : poly_->terms) {
    const bool negative = term.coefficient < 0;
    if (out.empty()) {
      if (negative) out += "-";
    } else {
      out += negative ? " - " : " + ";
    }
    const uint64_t magnitude = negative ? 0 - static_cast<uint64_t>(term.coefficient)
                                        : static_cast<uint64_t>(term.coefficient);
    bool need_star = false;
    if (magnitude != 1 || term.factors.empty()) {
      out += std::to_string(magnitude);
      need_star = true;
    }
    for (const auto& factor : term.factors) {
      if (need_star) out += "*";
      out += factor->key;
      need_star = true;
    }
  }
  return out;
}

namespace {

template <class Leaf>
Dim rebuild(const Dim& dim, const Leaf& leaf) {
  if (!dim.is_symbolic()) return dim;
  Dim sum(0);
  for (const Term& term : Poly::get(dim).terms) {
    Dim product(term.coefficient);
    for (const auto& factor : term.factors) {
      switch (factor->kind) {
        case Atom::Kind::kSymbol:
          product = product * leaf(factor->key);
          break;
        case Atom::Kind::kFloorDiv:
          product = product * Dim::floor_div(rebuild(factor->a, leaf), rebuild(factor->b, leaf));
          break;
        case Atom::Kind::kMin:
          product = product * Dim::min(rebuild(factor->a, leaf), rebuild(factor->b, leaf));
          break;
        case Atom::Kind::kMax:
          product = product * Dim::max(rebuild(factor->a, leaf), rebuild(factor->b, leaf));
          break;
      }
    }
    sum = sum + product;
  }
  return sum;
}

// Recursive descent over: sum := product (('+'|'-') product)*; product := unary ('*' unary)*;
// unary := '-' unary | number | name | name '(' args ')' | '(' sum ')'. In floor(...) the slash
// stands between two sums.
class DimParser {
 public:
  explicit DimParser(std::string_view text) : text_(text) {}

  Result<Dim> all() {
    SLUICE_ASSIGN(Dim out, sum());
    skip_space();
    if (at_ != text_.size()) return fail();
    return out;
  }

 private:
  Error fail() const {
    return invalid_model(cat("The dimension ", quoted(text_), " can't be read at offset ", at_));
  }
  void skip_space() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool eat(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  Result<Dim> sum() {
    if (++depth_ > 64) return fail();
    SLUICE_ASSIGN(Dim out, product());
    while (true) {
      if (eat('+')) {
        SLUICE_ASSIGN(Dim right, product());
        out = out + right;
      } else if (eat('-')) {
        SLUICE_ASSIGN(Dim right, product());
        out = out - right;
      } else {
        --depth_;
        return out;
      }
    }
  }
  Result<Dim> product() {
    SLUICE_ASSIGN(Dim out, unary());
    while (eat('*')) {
      SLUICE_ASSIGN(Dim right, unary());
      out = out * right;
    }
    return out;
  }
  Result<Dim> unary() {
    bool negative = false;
    while (eat('-')) negative = !negative;
    SLUICE_ASSIGN(Dim out, primary());
    return negative ? Dim(0) - out : out;
  }
  Result<Dim> primary() {
    skip_space();
    if (eat('?')) return Dim::unknown();
    if (eat('(')) {
      SLUICE_ASSIGN(Dim out, sum());
      if (!eat(')')) return fail();
      return out;
    }
    const size_t start = at_;
    const auto is_word = [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '$';
    };
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    const std::string_view word = text_.substr(start, at_ - start);
    if (word.empty()) return fail();
    if (const auto number = parse_int(word)) return Dim(*number);
    if (at_ < text_.size() && text_[at_] == '(' &&
        (word == "floor" || word == "min" || word == "max")) {
      ++at_;
      SLUICE_ASSIGN(Dim a, sum());
      if (!eat(word == "floor" ? '/' : ',')) return fail();
      SLUICE_ASSIGN(Dim b, sum());
      if (!eat(')')) return fail();
      if (word == "floor") return Dim::floor_div(a, b);
      return word == "min" ? Dim::min(a, b) : Dim::max(a, b);
    }
    return Dim::symbol(word);
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

Result<Dim> Dim::parse(std::string_view text) { return DimParser(text).all(); }

std::optional<int64_t> Dim::evaluate(const Environment& symbols) const {
  return rebuild(*this,
                 [&](const std::string& name) {
                   const auto found = symbols.find(name);
                   return found == symbols.end() ? Dim::unknown() : Dim(found->second);
                 })
      .get();
}

Dim Dim::substitute(const std::map<std::string, Dim, std::less<>>& symbols) const {
  return rebuild(*this, [&](const std::string& name) {
    const auto found = symbols.find(name);
    return found == symbols.end() ? Dim::symbol(name) : found->second;
  });
}

void Dim::collect_symbols(std::vector<std::string>& out) const {
  rebuild(*this, [&](const std::string& name) {
    if (std::ranges::find(out, name) == out.end()) out.push_back(name);
    return Dim::symbol(name);
  });
}

Dims to_dims(const Shape& shape) { return Dims(shape.begin(), shape.end()); }

std::optional<Shape> to_shape(const Dims& dims) {
  if (dims.size() > kMaxRank) return std::nullopt;
  Shape out;
  for (const Dim& dim : dims) {
    if (!dim.is_known() || dim.value() < 0) return std::nullopt;
    out.push_back(dim.value());
  }
  return out;
}

std::string dims_text(const Dims& dims) {
  std::string out = "[";
  for (size_t i = 0; i < dims.size(); ++i) {
    if (i != 0) out += ",";
    out += dims[i].text();
  }
  return out + "]";
}

Dim product(const Dims& dims, size_t first, size_t last) {
  Dim out(1);
  for (size_t i = first; i < last; ++i) out = out * dims[i];
  return out;
}

Result<Dims> broadcast(const Dims& a, const Dims& b) {
  const size_t rank = std::max(a.size(), b.size());
  Dims out(rank, Dim(1));
  for (size_t i = 1; i <= rank; ++i) {
    const Dim x = i <= a.size() ? a[a.size() - i] : Dim(1);
    const Dim y = i <= b.size() ? b[b.size() - i] : Dim(1);
    Dim& to = out[rank - i];
    if (x.is_known() && y.is_known() && x.value() != y.value() && x.value() != 1 &&
        y.value() != 1) {
      return invalid_model(cat("Shapes ", dims_text(a), " and ", dims_text(b), " don't broadcast (",
                               x.value(), " against ", y.value(), ")"));
    }
    if (x == Dim(1)) {
      to = y;
    } else if (y == Dim(1) || x == y) {
      to = x;
    } else if (x.is_known()) {
      to = x;
    } else if (y.is_known()) {
      to = y;
    } else {
      to = Dim::unknown();
    }
  }
  return out;
}

}  // namespace sluice
