// Tensor: dtype, shape and row-major elements. Copies share the elements (like a shared pointer);
// whoever allocated a tensor fills it once and hands it on. A tensor either owns 64-byte aligned
// memory, or views memory kept alive by `owner` (a mapped model file, an arena).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/result.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace sluice {

class Tensor {
 public:
  Tensor() = default;
  // Elements start as zero bytes (strings as empty). Fails when the size overflows or is not to be
  // had.
  static Result<Tensor> allocate(DType dtype, const Shape& shape);
  // The same without clearing: for memory that is written before it is read.
  static Result<Tensor> allocate_uninitialized(DType dtype, const Shape& shape);
  // Views `bytes`, which must hold exactly the shape's elements and live as long as `owner`.
  static Tensor view(DType dtype, const Shape& shape, std::span<const std::byte> bytes,
                     std::shared_ptr<const void> owner);
  // A writable view into `arena` (a uint8 tensor), which it does not keep alive.
  static Tensor arena_view(DType dtype, const Shape& shape, const Tensor& arena, size_t offset);
  // Knows its dtype and shape but holds no elements: stands for a constant that was packed away.
  static Tensor shape_only(DType dtype, const Shape& shape);
  // Copies `values`; their number must be the shape's.
  template <class T>
  static Tensor of(const Shape& shape, std::span<const T> values);
  template <class T>
  static Tensor of(const Shape& shape, std::initializer_list<T> values) {
    return of<T>(shape, std::span<const T>(values.begin(), values.size()));
  }
  static Tensor of_strings(const Shape& shape, std::span<const std::string> values);
  template <class T>
  static Tensor scalar(T value) {
    return of<T>(Shape{}, std::span<const T>(&value, 1));
  }
  // Values given as doubles, rounded into `dtype` (any numeric one) as set_double does.
  static Tensor of_doubles(DType dtype, const Shape& shape, std::span<const double> values);

  bool defined() const { return dtype_ != DType::kUndefined; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int rank() const { return shape_.rank(); }
  int64_t dim(int i) const { return shape_[i]; }
  int64_t elements() const { return elements_; }
  size_t size_bytes() const { return size_bytes_; }

  std::span<const std::byte> bytes() const { return {data_, size_bytes_}; }
  std::span<std::byte> mutable_bytes() { return {data_, size_bytes_}; }

  // Typed access. T must be the storage type of the dtype: the C++ type of dtype_of, uint16_t for
  // float16 and bfloat16, uint8_t for the float8 forms and packed sub-byte types, std::string.
  template <class T>
  const T* data() const {
    check_storage(sizeof(T));
    return reinterpret_cast<const T*>(data_);
  }
  template <class T>
  T* mutable_data() {
    check_storage(sizeof(T));
    return reinterpret_cast<T*>(data_);
  }
  template <class T>
  std::span<const T> span() const {
    return {data<T>(), size_bytes_ / sizeof(T)};
  }
  template <class T>
  std::span<T> mutable_span() {
    return {mutable_data<T>(), size_bytes_ / sizeof(T)};
  }

  // Slow element access for every numeric dtype: what reference kernels are written with. Integers
  // are exact in get_int; set_double rounds a float to the dtype (nearest even; float8 saturates)
  // and truncates towards zero and wraps for integers; bool is value != 0.
  double get_double(int64_t i) const;
  int64_t get_int(int64_t i) const;
  void set_double(int64_t i, double value);
  void set_int(int64_t i, int64_t value);
  std::vector<double> to_doubles() const;
  std::vector<int64_t> to_ints() const;

  // The same elements under another shape of equal size, or another dtype of equal width.
  Tensor reshaped(const Shape& shape) const;
  Tensor reinterpreted(DType dtype) const;
  // A deep copy.
  Result<Tensor> clone() const;
  // True when both see the same memory.
  bool shares_with(const Tensor& other) const { return data_ != nullptr && data_ == other.data_; }
  // No other Tensor shares the memory and it is owned: it may be written in place.
  bool unique() const { return owner_.use_count() == 1 && writable_; }

  std::string text() const;  // "float32[2,3]"

 private:
  void check_storage(size_t size) const {
    SLUICE_CHECK(elements_ == 0 || dtype_bits(dtype_) == 0 ||
                 size * 8 == static_cast<size_t>(dtype_bits(dtype_)) ||
                 (dtype_bits(dtype_) < 8 && size == 1) || is_complex(dtype_));
  }
  DType dtype_ = DType::kUndefined;
  bool writable_ = false;
  Shape shape_;
  int64_t elements_ = 0;
  size_t size_bytes_ = 0;
  std::byte* data_ = nullptr;
  std::shared_ptr<const void> owner_;
};

// Bytes of `elements` elements (sub-byte types packed); nothing on overflow. Strings count as
// sizeof(std::string).
std::optional<uint64_t> storage_bytes(DType dtype, int64_t elements);

// The same numbers in another dtype, by set_double / set_int. Not for strings.
Result<Tensor> converted(const Tensor& from, DType to);

template <class T>
Tensor Tensor::of(const Shape& shape, std::span<const T> values) {
  auto out = allocate(dtype_of<T>(), shape);
  SLUICE_CHECK(out.ok() && out->elements() == static_cast<int64_t>(values.size()));
  for (size_t i = 0; i < values.size(); ++i) out->template mutable_data<T>()[i] = values[i];
  return std::move(out).value();
}

}  // namespace sluice
