// Array<T>: a fixed-size block of plain elements whose allocation can fail politely. Pictures are
// the largest things a user hands us; running out of memory for one is an Error, not an abort.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

#include "base/result.h"
#include "base/text.h"

namespace sluice::image {

template <class T>
class Array {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Array() = default;
  // Elements are uninitialised.
  static Result<Array> allocate(size_t count) {
    Array out;
    if (count == 0) return out;
    if (count > static_cast<size_t>(-1) / 2 / sizeof(T)) {
      return resource_error(cat("a block of ", count, " elements cannot be addressed"));
    }
    out.data_.reset(new (std::nothrow) T[count]);
    if (!out.data_) {
      return resource_error(cat("there is no memory for ", human_bytes(count * sizeof(T))));
    }
    out.size_ = count;
    return out;
  }
  // Elements are zero.
  static Result<Array> zeros(size_t count) {
    auto out = allocate(count);
    if (out && count > 0) std::memset(static_cast<void*>(out->data()), 0, count * sizeof(T));
    return out;
  }
  Result<Array> clone() const {
    auto out = allocate(size_);
    if (out && size_ > 0) std::memcpy(out->data(), data(), size_ * sizeof(T));
    return out;
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  size_t size() const { return size_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  std::span<T> span() { return {data_.get(), size_}; }
  std::span<const T> span() const { return {data_.get(), size_}; }

 private:
  std::unique_ptr<T[]> data_;
  size_t size_ = 0;
};

}  // namespace sluice::image
