// Checked: the one type for size arithmetic on numbers that a file supplies. Any overflow sticks:
// the value becomes invalid and stays so, and the caller asks once, at the end, before using it.
//   Checked bytes = Checked(rows) * cols * elem_size;
//   if (!bytes.fits(file_size)) return invalid_model(...);
#pragma once

#include <cstdint>
#include <optional>

namespace sluice {

class Checked {
 public:
  constexpr Checked(uint64_t value) : value_(value) {}  // NOLINT: implicit by design
  // A negative number is invalid from the start.
  static constexpr Checked from_signed(int64_t value) {
    Checked out(value < 0 ? 0 : static_cast<uint64_t>(value));
    out.valid_ = value >= 0;
    return out;
  }

  constexpr bool valid() const { return valid_; }
  constexpr bool fits(uint64_t limit) const { return valid_ && value_ <= limit; }
  // The value; 0 when invalid. Ask valid() or fits() first.
  constexpr uint64_t value() const { return valid_ ? value_ : 0; }
  constexpr std::optional<uint64_t> get() const {
    return valid_ ? std::optional<uint64_t>(value_) : std::nullopt;
  }

  friend constexpr Checked operator+(Checked a, Checked b) {
    Checked out(0);
    out.valid_ = !__builtin_add_overflow(a.value_, b.value_, &out.value_) && a.valid_ && b.valid_;
    return out;
  }
  friend constexpr Checked operator*(Checked a, Checked b) {
    Checked out(0);
    out.valid_ = !__builtin_mul_overflow(a.value_, b.value_, &out.value_) && a.valid_ && b.valid_;
    return out;
  }
  friend constexpr Checked operator-(Checked a, Checked b) {
    Checked out(0);
    out.valid_ = !__builtin_sub_overflow(a.value_, b.value_, &out.value_) && a.valid_ && b.valid_;
    return out;
  }
  // Rounds up to a multiple of `alignment` (not 0); the round-up itself is checked.
  constexpr Checked round_up(uint64_t alignment) const {
    if (alignment == 0) {
      Checked out(0);
      out.valid_ = false;
      return out;
    }
    const Checked bumped = *this + (alignment - 1);
    Checked out(bumped.value_ - bumped.value_ % alignment);
    out.valid_ = bumped.valid_;
    return out;
  }
  // Number of groups of `divisor` (not 0) needed to hold the value.
  constexpr Checked ceil_div(uint64_t divisor) const {
    Checked out(divisor == 0 ? 0 : value_ / divisor + (value_ % divisor != 0));
    out.valid_ = valid_ && divisor != 0;
    return out;
  }

 private:
  uint64_t value_ = 0;
  bool valid_ = true;
};

}  // namespace sluice
