#include "op/reals.h"

#include "base/half.h"

namespace sluice::op {

namespace {

template <class T>
void widen(const Tensor& from, std::vector<double>& to) {
  const T* source = from.data<T>();
  for (size_t i = 0; i < to.size(); ++i) to[i] = static_cast<double>(source[i]);
}

}  // namespace

std::vector<double> reals(const Tensor& tensor) {
  std::vector<double> out(static_cast<size_t>(tensor.elements()));
  switch (tensor.dtype()) {
    case DType::kFloat32:
      widen<float>(tensor, out);
      break;
    case DType::kFloat64:
      widen<double>(tensor, out);
      break;
    case DType::kInt8:
      widen<int8_t>(tensor, out);
      break;
    case DType::kUInt8:
      widen<uint8_t>(tensor, out);
      break;
    case DType::kInt32:
      widen<int32_t>(tensor, out);
      break;
    case DType::kFloat16: {
      const uint16_t* source = tensor.data<uint16_t>();
      for (size_t i = 0; i < out.size(); ++i) out[i] = half_to_float(source[i]);
      break;
    }
    default:
      return tensor.to_doubles();
  }
  return out;
}

void store_reals(Tensor& out, int64_t at, std::span<const double> values) {
  SLUICE_CHECK(at >= 0 && static_cast<int64_t>(values.size()) <= out.elements() - at);
  if (out.dtype() == DType::kFloat32) {
    float* to = out.mutable_data<float>() + at;
    for (size_t i = 0; i < values.size(); ++i) to[i] = static_cast<float>(values[i]);
  } else if (out.dtype() == DType::kFloat64) {
    double* to = out.mutable_data<double>() + at;
    for (size_t i = 0; i < values.size(); ++i) to[i] = values[i];
  } else {
    for (size_t i = 0; i < values.size(); ++i) {
      out.set_double(at + static_cast<int64_t>(i), values[i]);
    }
  }
}

}  // namespace sluice::op
