#include "tensor/tensor.h"

#include <unistd.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

#include "base/half.h"
#include "base/sanitizer.h"
#include "base/text.h"

namespace sluice {

namespace {

constexpr size_t kAlignment = 64;  // one cache line, and the widest vector register

// Large arrays ask for pages of 2 MiB: of 4 KiB each, 64 MB take 16,000 page faults and more
// entries than the translation caches hold. Only whole large pages are asked for, so that no memory
// is added.
void* aligned_memory(size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr size_t kLargePage = size_t{2} << 20;
  if (bytes >= 2 * kLargePage) {
    // aligned_alloc takes multiples of the alignment only, and AddressSanitizer sees to that.
    void* memory = nullptr;
    if (::posix_memalign(&memory, kLargePage, bytes) != 0) return nullptr;
    // Advice: whether it is taken changes no result.
    ::madvise(memory, bytes / kLargePage * kLargePage, MADV_HUGEPAGE);
    return memory;
  }
#endif
  return std::aligned_alloc(kAlignment, bytes);
}

Float8 float8_format(DType dtype) {
  switch (dtype) {
    case DType::kFloat8E4M3FN:
      return Float8::kE4M3FN;
    case DType::kFloat8E4M3FNUZ:
      return Float8::kE4M3FNUZ;
    case DType::kFloat8E5M2:
      return Float8::kE5M2;
    default:
      return Float8::kE5M2FNUZ;
  }
}

uint8_t get_packed(const std::byte* data, int64_t i, int bits) {
  const int per_byte = 8 / bits;
  const auto byte = static_cast<uint8_t>(data[i / per_byte]);
  return static_cast<uint8_t>((byte >> (i % per_byte * bits)) & ((1 << bits) - 1));
}

void set_packed(std::byte* data, int64_t i, int bits, uint8_t value) {
  const int per_byte = 8 / bits;
  const int shift = static_cast<int>(i % per_byte) * bits;
  const int mask = ((1 << bits) - 1) << shift;
  auto byte = static_cast<int>(data[i / per_byte]);
  byte = (byte & ~mask) | ((value << shift) & mask);
  data[i / per_byte] = static_cast<std::byte>(byte);
}

template <class T>
T load(const std::byte* data, int64_t i) {
  T value;
  std::memcpy(&value, data + static_cast<size_t>(i) * sizeof(T), sizeof(T));
  return value;
}

template <class T>
void store(std::byte* data, int64_t i, T value) {
  std::memcpy(data + static_cast<size_t>(i) * sizeof(T), &value, sizeof(T));
}

// C++ leaves out-of-range conversions undefined; here they clamp to int64's range first and the
// narrowing then wraps, and NaN gives 0.
int64_t double_to_int(double value) {
  if (std::isnan(value)) return 0;
  if (value >= 9223372036854775808.0) {
    // uint64's upper half: keep the bits.
    return value >= 18446744073709551616.0 ? std::numeric_limits<int64_t>::max()
                                           : static_cast<int64_t>(static_cast<uint64_t>(value));
  }
  if (value < -9223372036854775808.0) return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(value);
}

}  // namespace

std::optional<uint64_t> storage_bytes(DType dtype, int64_t elements) {
  if (elements < 0) return std::nullopt;
  uint64_t bits =
      dtype == DType::kString ? sizeof(std::string) * 8 : static_cast<uint64_t>(dtype_bits(dtype));
  if (__builtin_mul_overflow(bits, static_cast<uint64_t>(elements), &bits)) return std::nullopt;
  return bits / 8 + (bits % 8 != 0);
}

Result<Tensor> Tensor::allocate(DType dtype, const Shape& shape) {
  SLUICE_ASSIGN(Tensor out, allocate_uninitialized(dtype, shape));
  if (dtype != DType::kString && out.size_bytes_ != 0) std::memset(out.data_, 0, out.size_bytes_);
  return out;
}

namespace {
// What one tensor may take: the machine's physical memory. Beyond it, an operating system that
// overcommits would say yes and kill the process later. In WebAssembly, what an offset can span.
uint64_t largest_tensor_bytes() {
#if !defined(__wasm__) && defined(_SC_PHYS_PAGES) && defined(_SC_PAGESIZE)
  static const uint64_t kBytes = [] {
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? static_cast<uint64_t>(pages) * static_cast<uint64_t>(size)
                                 : uint64_t{1} << 40;
  }();
  return kBytes;
#else
  return uint64_t{1} << 31;
#endif
}
}  // namespace

Result<Tensor> Tensor::allocate_uninitialized(DType dtype, const Shape& shape) {
  const auto elements = shape.checked_elements();
  const auto bytes = elements ? storage_bytes(dtype, *elements) : std::nullopt;
  if (!bytes || *bytes > largest_tensor_bytes()) {
    return resource_error(cat("A tensor of type ", dtype_name(dtype), shape.text(),
                              " is larger than this machine's memory (",
                              human_bytes(largest_tensor_bytes()), ")"));
  }
  Tensor out;
  out.dtype_ = dtype;
  out.shape_ = shape;
  out.elements_ = *elements;
  out.size_bytes_ = static_cast<size_t>(*bytes);
  out.writable_ = true;
  if (dtype == DType::kString) {
    auto strings = std::make_shared<std::vector<std::string>>(static_cast<size_t>(*elements));
    out.data_ = reinterpret_cast<std::byte*>(strings->data());
    out.owner_ = std::move(strings);
    return out;
  }
  // At least one line, so that an empty tensor still has an address.
  const size_t padded = (out.size_bytes_ / kAlignment + 1) * kAlignment;
  void* memory = aligned_memory(padded);
  if (memory == nullptr) {
    return resource_error(cat("Memory for a tensor of shape ", shape.text(), " is not to be had (",
                              padded, " bytes)"));
  }
  out.data_ = static_cast<std::byte*>(memory);
  forbid({out.data_ + out.size_bytes_, padded - out.size_bytes_});
  out.owner_ =
      std::shared_ptr<const void>(memory, [](const void* p) { std::free(const_cast<void*>(p)); });
  return out;
}

Tensor Tensor::view(DType dtype, const Shape& shape, std::span<const std::byte> bytes,
                    std::shared_ptr<const void> owner) {
  Tensor out;
  out.dtype_ = dtype;
  out.shape_ = shape;
  out.elements_ = shape.elements();
  SLUICE_CHECK(dtype != DType::kString && storage_bytes(dtype, out.elements_) == bytes.size());
  out.size_bytes_ = bytes.size();
  out.data_ = const_cast<std::byte*>(bytes.data());
  out.owner_ = std::move(owner);
  return out;
}

Tensor Tensor::arena_view(DType dtype, const Shape& shape, const Tensor& arena, size_t offset) {
  Tensor out;
  out.dtype_ = dtype;
  out.shape_ = shape;
  out.elements_ = shape.elements();
  out.size_bytes_ = static_cast<size_t>(storage_bytes(dtype, out.elements_).value_or(0));
  SLUICE_CHECK(dtype != DType::kString && offset <= arena.size_bytes_ &&
               out.size_bytes_ <= arena.size_bytes_ - offset);
  out.data_ = arena.data_ + offset;
  return out;
}

Tensor Tensor::shape_only(DType dtype, const Shape& shape) {
  Tensor out;
  out.dtype_ = dtype;
  out.shape_ = shape;
  return out;
}

Tensor Tensor::of_strings(const Shape& shape, std::span<const std::string> values) {
  auto out = allocate(DType::kString, shape);
  SLUICE_CHECK(out.ok() && out->elements() == static_cast<int64_t>(values.size()));
  for (size_t i = 0; i < values.size(); ++i) out->mutable_data<std::string>()[i] = values[i];
  return std::move(out).value();
}

Tensor Tensor::of_doubles(DType dtype, const Shape& shape, std::span<const double> values) {
  auto out = allocate(dtype, shape);
  SLUICE_CHECK(out.ok() && out->elements() == static_cast<int64_t>(values.size()));
  for (size_t i = 0; i < values.size(); ++i) out->set_double(static_cast<int64_t>(i), values[i]);
  return std::move(out).value();
}

double Tensor::get_double(int64_t i) const {
  SLUICE_CHECK(i >= 0 && i < elements_);
  switch (dtype_) {
    case DType::kFloat32:
      return load<float>(data_, i);
    case DType::kFloat64:
      return load<double>(data_, i);
    case DType::kFloat16:
      return half_to_float(load<uint16_t>(data_, i));
    case DType::kBFloat16:
      return bfloat16_to_float(load<uint16_t>(data_, i));
    case DType::kFloat8E4M3FN:
    case DType::kFloat8E4M3FNUZ:
    case DType::kFloat8E5M2:
    case DType::kFloat8E5M2FNUZ:
      return float8_to_float(load<uint8_t>(data_, i), float8_format(dtype_));
    case DType::kFloat8E8M0:
      return e8m0_to_float(load<uint8_t>(data_, i));
    case DType::kFloat4E2M1:
      return float4_to_float(get_packed(data_, i, 4));
    case DType::kUInt64:
      return static_cast<double>(load<uint64_t>(data_, i));
    default:
      return static_cast<double>(get_int(i));
  }
}

int64_t Tensor::get_int(int64_t i) const {
  SLUICE_CHECK(i >= 0 && i < elements_);
  switch (dtype_) {
    case DType::kInt64:
      return load<int64_t>(data_, i);
    case DType::kUInt64:
      return static_cast<int64_t>(load<uint64_t>(data_, i));
    case DType::kInt32:
      return load<int32_t>(data_, i);
    case DType::kUInt32:
      return load<uint32_t>(data_, i);
    case DType::kInt16:
      return load<int16_t>(data_, i);
    case DType::kUInt16:
      return load<uint16_t>(data_, i);
    case DType::kInt8:
      return load<int8_t>(data_, i);
    case DType::kUInt8:
      return load<uint8_t>(data_, i);
    case DType::kBool:
      return load<uint8_t>(data_, i) != 0;
    case DType::kUInt4:
      return get_packed(data_, i, 4);
    case DType::kUInt2:
      return get_packed(data_, i, 2);
    case DType::kInt4:
      return (get_packed(data_, i, 4) ^ 8) - 8;
    case DType::kInt2:
      return (get_packed(data_, i, 2) ^ 2) - 2;
    // Strings and complex numbers are no numbers here; a kernel that asks anyway gets 0.
    default:
      return is_floating(dtype_) ? double_to_int(get_double(i)) : 0;
  }
}

void Tensor::set_int(int64_t i, int64_t value) {
  SLUICE_CHECK(i >= 0 && i < elements_);
  switch (dtype_) {
    case DType::kInt64:
    case DType::kUInt64:
      store<int64_t>(data_, i, value);
      return;
    case DType::kInt32:
    case DType::kUInt32:
      store<uint32_t>(data_, i, static_cast<uint32_t>(value));
      return;
    case DType::kInt16:
    case DType::kUInt16:
      store<uint16_t>(data_, i, static_cast<uint16_t>(value));
      return;
    case DType::kInt8:
    case DType::kUInt8:
      store<uint8_t>(data_, i, static_cast<uint8_t>(value));
      return;
    case DType::kBool:
      store<uint8_t>(data_, i, value != 0 ? 1 : 0);
      return;
    case DType::kUInt4:
    case DType::kInt4:
      set_packed(data_, i, 4, static_cast<uint8_t>(value & 15));
      return;
    case DType::kUInt2:
    case DType::kInt2:
      set_packed(data_, i, 2, static_cast<uint8_t>(value & 3));
      return;
    default:
      if (is_floating(dtype_)) set_double(i, static_cast<double>(value));
      return;
  }
}

void Tensor::set_double(int64_t i, double value) {
  SLUICE_CHECK(i >= 0 && i < elements_);
  switch (dtype_) {
    case DType::kFloat32:
      store<float>(data_, i, static_cast<float>(value));
      return;
    case DType::kFloat64:
      store<double>(data_, i, value);
      return;
    case DType::kFloat16:
      store<uint16_t>(data_, i, double_to_half(value));
      return;
    case DType::kBFloat16:
      store<uint16_t>(data_, i, float_to_bfloat16(static_cast<float>(value)));
      return;
    case DType::kFloat8E4M3FN:
    case DType::kFloat8E4M3FNUZ:
    case DType::kFloat8E5M2:
    case DType::kFloat8E5M2FNUZ:
      store<uint8_t>(data_, i,
                     float_to_float8(static_cast<float>(value), float8_format(dtype_), true));
      return;
    case DType::kFloat8E8M0:
      store<uint8_t>(data_, i, float_to_e8m0(static_cast<float>(value), E8M0Rounding::kUp, true));
      return;
    case DType::kFloat4E2M1:
      set_packed(data_, i, 4, float_to_float4(static_cast<float>(value)));
      return;
    case DType::kBool:
      store<uint8_t>(data_, i, value != 0 ? 1 : 0);
      return;
    default:
      set_int(i, double_to_int(value));
      return;
  }
}

std::vector<double> Tensor::to_doubles() const {
  std::vector<double> out(static_cast<size_t>(elements_));
  for (int64_t i = 0; i < elements_; ++i) out[static_cast<size_t>(i)] = get_double(i);
  return out;
}

std::vector<int64_t> Tensor::to_ints() const {
  std::vector<int64_t> out(static_cast<size_t>(elements_));
  for (int64_t i = 0; i < elements_; ++i) out[static_cast<size_t>(i)] = get_int(i);
  return out;
}

Tensor Tensor::reshaped(const Shape& shape) const {
  SLUICE_CHECK(shape.elements() == elements_);
  Tensor out = *this;
  out.shape_ = shape;
  return out;
}

Tensor Tensor::reinterpreted(DType dtype) const {
  SLUICE_CHECK(dtype_bits(dtype) == dtype_bits(dtype_) && dtype_bits(dtype) != 0);
  Tensor out = *this;
  out.dtype_ = dtype;
  return out;
}

Result<Tensor> Tensor::clone() const {
  SLUICE_ASSIGN(Tensor out, allocate(dtype_, shape_));
  if (dtype_ == DType::kString) {
    for (int64_t i = 0; i < elements_; ++i)
      out.mutable_data<std::string>()[i] = data<std::string>()[i];
  } else if (size_bytes_ != 0) {
    std::memcpy(out.data_, data_, size_bytes_);
  }
  return out;
}

std::string Tensor::text() const { return cat(dtype_name(dtype_), shape_.text()); }

Result<Tensor> converted(const Tensor& from, DType to) {
  if (from.dtype() == to) return from;
  SLUICE_ASSIGN(Tensor out, Tensor::allocate(to, from.shape()));
  const bool exact_ints = (is_integer(from.dtype()) || from.dtype() == DType::kBool) &&
                          (is_integer(to) || to == DType::kBool);
  for (int64_t i = 0; i < from.elements(); ++i) {
    if (exact_ints) {
      out.set_int(i, from.get_int(i));
    } else {
      out.set_double(i, from.get_double(i));
    }
  }
  return out;
}

}  // namespace sluice
