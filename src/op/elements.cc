#include "op/elements.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/text.h"
#include "op/operand.h"

namespace sluice::op {

namespace {

struct Bits16Bytes {
  uint64_t lo, hi;
};

// Bytes of one element; 0 for packed and string types.
size_t whole_bytes(DType dtype) {
  const int bits = dtype_bits(dtype);
  return bits % 8 == 0 ? static_cast<size_t>(bits / 8) : 0;
}

uint8_t packed_get(const std::byte* data, int64_t i, int bits) {
  const int per_byte = 8 / bits;
  return static_cast<uint8_t>(static_cast<int>(data[i / per_byte]) >> (i % per_byte * bits)) &
         static_cast<uint8_t>((1 << bits) - 1);
}

void packed_set(std::byte* data, int64_t i, int bits, uint8_t value) {
  const int per_byte = 8 / bits;
  const int shift = static_cast<int>(i % per_byte) * bits;
  const int mask = ((1 << bits) - 1) << shift;
  data[i / per_byte] =
      static_cast<std::byte>((static_cast<int>(data[i / per_byte]) & ~mask) | value << shift);
}

template <class T>
void strided_row(const Tensor& from, int64_t at, int64_t stride, Tensor& to, int64_t to_at,
                 int64_t count) {
  const T* source = reinterpret_cast<const T*>(from.bytes().data()) + at;
  T* target = reinterpret_cast<T*>(to.mutable_bytes().data()) + to_at;
  for (int64_t i = 0; i < count; ++i) target[i] = source[i * stride];
}

void copy_row(const Tensor& from, int64_t at, int64_t stride, Tensor& to, int64_t to_at,
              int64_t count) {
  if (stride == 1) return copy_elements(from, at, to, to_at, count);
  if (from.dtype() == DType::kString)
    return strided_row<std::string>(from, at, stride, to, to_at, count);
  switch (whole_bytes(from.dtype())) {
    case 1:
      return strided_row<uint8_t>(from, at, stride, to, to_at, count);
    case 2:
      return strided_row<uint16_t>(from, at, stride, to, to_at, count);
    case 4:
      return strided_row<uint32_t>(from, at, stride, to, to_at, count);
    case 8:
      return strided_row<uint64_t>(from, at, stride, to, to_at, count);
    case 16:
      return strided_row<Bits16Bytes>(from, at, stride, to, to_at, count);
    default:
      for (int64_t i = 0; i < count; ++i) copy_elements(from, at + i * stride, to, to_at + i, 1);
  }
}

}  // namespace

void copy_elements(const Tensor& from, int64_t from_at, Tensor& to, int64_t to_at, int64_t count) {
  SLUICE_CHECK(from.dtype() == to.dtype());
  if (count <= 0) return;
  SLUICE_CHECK(from_at >= 0 && count <= from.elements() - from_at);
  SLUICE_CHECK(to_at >= 0 && count <= to.elements() - to_at);
  if (from.dtype() == DType::kString) {
    const std::string* source = from.data<std::string>() + from_at;
    std::copy(source, source + count, to.mutable_data<std::string>() + to_at);
    return;
  }
  const size_t size = whole_bytes(from.dtype());
  const std::byte* source = from.bytes().data();
  std::byte* target = to.mutable_bytes().data();
  if (size != 0) {
    std::memcpy(target + static_cast<size_t>(to_at) * size,
                source + static_cast<size_t>(from_at) * size, static_cast<size_t>(count) * size);
    return;
  }
  const int bits = dtype_bits(from.dtype());
  for (int64_t i = 0; i < count; ++i) {
    packed_set(target, to_at + i, bits, packed_get(source, from_at + i, bits));
  }
}

void fill_elements(const Tensor& value, int64_t value_at, Tensor& to, int64_t to_at,
                   int64_t count) {
  if (count <= 0) return;
  SLUICE_CHECK(value.dtype() == to.dtype() && value_at >= 0 && value_at < value.elements());
  SLUICE_CHECK(to_at >= 0 && count <= to.elements() - to_at);
  copy_row(value, value_at, 0, to, to_at, count);
}

void copy_strided(const Tensor& from, int64_t base, const Shape& strides, Tensor& to) {
  SLUICE_CHECK(strides.rank() == to.rank() && from.dtype() == to.dtype());
  if (to.elements() == 0) return;
  // Axes of extent 1 vanish, and neighbours that are evenly spaced together become one.
  Shape extents, steps;
  for (int i = 0; i < to.rank(); ++i) {
    const int64_t extent = to.dim(i);
    if (extent == 1) continue;
    const int last = extents.rank() - 1;
    if (last >= 0 && steps[last] == strides[i] * extent) {
      extents[last] *= extent;
      steps[last] = strides[i];
    } else {
      extents.push_back(extent);
      steps.push_back(strides[i]);
    }
  }
  // The view's lowest and highest element must lie within `from`.
  int64_t low = base, high = base;
  for (int i = 0; i < extents.rank(); ++i) {
    const int64_t reach = (extents[i] - 1) * steps[i];
    (reach < 0 ? low : high) += reach;
  }
  SLUICE_CHECK(low >= 0 && high < from.elements());
  int64_t row = 1, step = 1;
  if (extents.rank() > 0) {
    row = extents[-1];
    step = steps[-1];
    extents.erase(extents.rank() - 1);
    steps.erase(steps.rank() - 1);
  }
  int64_t to_at = 0;
  for (Odometer at(extents); !at.done(); at.next()) {
    copy_row(from, base + at.dot(steps), step, to, to_at, row);
    to_at += row;
  }
}

void interleave(std::span<const Tensor> parts, int axis, Tensor& out) {
  if (parts.empty()) return;
  const int64_t outer = parts[0].shape().elements(0, axis);
  int64_t row = 0;
  for (const Tensor& part : parts) row += part.shape().elements(axis, part.rank());
  SLUICE_CHECK(row * outer == out.elements());
  int64_t at = 0;
  for (const Tensor& part : parts) {
    const int64_t size = part.shape().elements(axis, part.rank());
    for (int64_t o = 0; o < outer; ++o) copy_elements(part, o * size, out, o * row + at, size);
    at += size;
  }
}

Result<std::vector<int64_t>> input_ints(const plan::KernelContext& context, int i) {
  SLUICE_ASSIGN(const Tensor* tensor, input_tensor(context, i, kInts));
  return tensor->to_ints();
}

Result<int64_t> input_int(const plan::KernelContext& context, int i) {
  SLUICE_ASSIGN(const Tensor* tensor, input_tensor(context, i, kInts | kBools));
  if (tensor->elements() != 1) {
    return usage_error(cat("Input ", i, " has ", tensor->elements(), " elements (must be 1)"));
  }
  return tensor->get_int(0);
}

Result<Shape> checked_shape(std::span<const int64_t> dims) {
  if (dims.size() > kMaxRank) {
    return unsupported(cat("A shape has ", dims.size(), " axes (limit ", kMaxRank, ")"));
  }
  const Shape shape(dims);
  if (!shape.checked_elements()) {
    return invalid_model(cat("The shape ", shape.text(), " has a negative extent or is too large"));
  }
  return shape;
}

}  // namespace sluice::op
