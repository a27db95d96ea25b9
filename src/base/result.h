// Result<T>: a value or an Error. The core is built without exceptions; every function that can
// fail returns one. SLUICE_TRY propagates an error, SLUICE_ASSIGN also binds the value.
#pragma once

#include <expected>
#include <type_traits>
#include <utility>

#include "base/error.h"

namespace sluice {

template <class T = void>
class [[nodiscard]] Result {
 public:
  Result(Error error) : state_(std::unexpect, std::move(error)) {}  // NOLINT: implicit by design
  template <class U = T>
    requires(!std::is_same_v<std::remove_cvref_t<U>, Result> &&
             !std::is_same_v<std::remove_cvref_t<U>, Error> && std::is_constructible_v<T, U &&>)
  Result(U&& value) : state_(std::in_place, std::forward<U>(value)) {}  // NOLINT

  bool ok() const { return state_.has_value(); }
  explicit operator bool() const { return ok(); }
  T& value() & { return *state_; }
  const T& value() const& { return *state_; }
  T&& value() && { return std::move(*state_); }
  T& operator*() & { return *state_; }
  const T& operator*() const& { return *state_; }
  T* operator->() { return &*state_; }
  const T* operator->() const { return &*state_; }
  const Error& error() const& { return state_.error(); }
  Error&& error() && { return std::move(state_.error()); }

 private:
  std::expected<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : state_(std::unexpect, std::move(error)) {}  // NOLINT: implicit by design

  bool ok() const { return state_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const& { return state_.error(); }
  Error&& error() && { return std::move(state_.error()); }

 private:
  std::expected<void, Error> state_;
};

}  // namespace sluice

#define SLUICE_CONCAT_INNER(a, b) a##b
#define SLUICE_CONCAT(a, b) SLUICE_CONCAT_INNER(a, b)

// SLUICE_TRY(f());  returns f's error from the calling function.
#define SLUICE_TRY(expr)                                                                \
  do {                                                                                  \
    if (auto sluice_try_ = (expr); !sluice_try_) return std::move(sluice_try_).error(); \
  } while (false)

// SLUICE_ASSIGN(auto x, f());  binds f's value or returns its error.
#define SLUICE_ASSIGN(decl, expr) \
  SLUICE_ASSIGN_INNER(SLUICE_CONCAT(sluice_assign_, __LINE__), decl, expr)
#define SLUICE_ASSIGN_INNER(tmp, decl, expr) \
  auto tmp = (expr);                         \
  if (!tmp) return std::move(tmp).error();   \
  decl = std::move(tmp).value()
