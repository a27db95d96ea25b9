// Result<T>: a value or an Error. The core is built without exceptions; every function that can
// fail returns one. SLUICE_TRY propagates an error, SLUICE_ASSIGN also binds the value.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include "base/error.h"

// Handed over as the word that it is, not by way of memory.
#ifdef __clang__
#define SLUICE_ONE_WORD [[clang::trivial_abi]]
#else
#define SLUICE_ONE_WORD
#endif

namespace sluice {

// An Error on its way up: one word, since nearly every function hands some on.
class [[nodiscard]] SLUICE_ONE_WORD Failure {
 public:
  Failure() = default;  // none
  explicit Failure(Error&& error);
  Failure(Failure&& other) noexcept : error_(std::exchange(other.error_, nullptr)) {}
  Failure& operator=(Failure&& other) noexcept {
    std::swap(error_, other.error_);
    return *this;
  }
  ~Failure() {
    if (error_ != nullptr) destroy();
  }
  Error* get() const { return error_; }  // null: none, or it was handed on

 private:
  void destroy();
  Error* error_ = nullptr;
};

template <class T = void>
class [[nodiscard]] Result {
 public:
  Result(Error error) : failed_(true), error_(std::move(error)) {}  // NOLINT: implicit by design
  Result(Failure failure) : failed_(true), error_(std::move(failure)) {}  // NOLINT
  template <class U = T>
    requires(!std::is_same_v<std::remove_cvref_t<U>, Result> &&
             !std::is_same_v<std::remove_cvref_t<U>, Error> &&
             !std::is_same_v<std::remove_cvref_t<U>, Failure> && std::is_constructible_v<T, U &&>)
  Result(U&& value) : failed_(false), value_(std::forward<U>(value)) {}  // NOLINT
  Result(Result&& other) noexcept : failed_(other.failed_) { take(std::move(other)); }
  Result& operator=(Result&& other) noexcept {
    if (this == &other) return *this;
    end();
    failed_ = other.failed_;
    take(std::move(other));
    return *this;
  }
  ~Result() { end(); }

  bool ok() const { return !failed_; }
  explicit operator bool() const { return ok(); }
  T& value() & { return value_; }
  const T& value() const& { return value_; }
  T&& value() && { return std::move(value_); }
  T& operator*() & { return value_; }
  const T& operator*() const& { return value_; }
  T* operator->() { return &value_; }
  const T* operator->() const { return &value_; }
  const Error& error() const& { return *error_.get(); }
  Error&& error() && { return std::move(*error_.get()); }
  // To be handed on.
  Failure failure() && { return std::move(error_); }

 private:
  void take(Result&& other) {
    if (failed_) {
      std::construct_at(&error_, std::move(other.error_));
    } else {
      std::construct_at(&value_, std::move(other.value_));
    }
  }
  void end() {
    if (failed_) {
      std::destroy_at(&error_);
    } else {
      std::destroy_at(&value_);
    }
  }

  bool failed_;
  union {
    T value_;
    Failure error_;
  };
};

template <>
class [[nodiscard]] SLUICE_ONE_WORD Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}        // NOLINT: implicit by design
  Result(Failure failure) : error_(std::move(failure)) {}  // NOLINT

  bool ok() const { return error_.get() == nullptr; }
  explicit operator bool() const { return ok(); }
  const Error& error() const& { return *error_.get(); }
  Error&& error() && { return std::move(*error_.get()); }
  Failure failure() && { return std::move(error_); }

 private:
  Failure error_;
};

}  // namespace sluice

#define SLUICE_CONCAT_INNER(a, b) a##b
#define SLUICE_CONCAT(a, b) SLUICE_CONCAT_INNER(a, b)

// SLUICE_TRY(f());  returns f's error from the calling function.
#define SLUICE_TRY(expr)                                                                  \
  do {                                                                                    \
    if (auto sluice_try_ = (expr); !sluice_try_) return std::move(sluice_try_).failure(); \
  } while (false)

// SLUICE_ASSIGN(auto x, f());  binds f's value or returns its error.
#define SLUICE_ASSIGN(decl, expr) \
  SLUICE_ASSIGN_INNER(SLUICE_CONCAT(sluice_assign_, __LINE__), decl, expr)
#define SLUICE_ASSIGN_INNER(tmp, decl, expr) \
  auto tmp = (expr);                         \
  if (!tmp) return std::move(tmp).failure(); \
  decl = std::move(tmp).value()
