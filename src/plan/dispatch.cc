#include "plan/dispatch.h"

namespace sluice::plan {

uint32_t element_bytes(DeviceFormat format) {
  switch (format) {
    case DeviceFormat::kNone:
      return 0;
    case DeviceFormat::kF16:
      return 2;
    case DeviceFormat::kF32:
    case DeviceFormat::kI32:
    case DeviceFormat::kU32:
      return 4;
    case DeviceFormat::kI64:
    case DeviceFormat::kU64:
    case DeviceFormat::kF64:
      return 8;
  }
  return 0;
}

std::string_view wgsl_type(DeviceFormat format) {
  switch (format) {
    case DeviceFormat::kNone:
      return "";
    case DeviceFormat::kF32:
      return "f32";
    case DeviceFormat::kF16:
      return "f16";
    case DeviceFormat::kI32:
      return "i32";
    case DeviceFormat::kU32:
      return "u32";
    case DeviceFormat::kI64:
    case DeviceFormat::kU64:
    case DeviceFormat::kF64:
      return "vec2<u32>";
  }
  return "";
}

DeviceFormat device_format(DType dtype, bool f16) {
  switch (dtype) {
    case DType::kFloat16:
      return f16 ? DeviceFormat::kF16 : DeviceFormat::kF32;
    case DType::kFloat32:
    case DType::kBFloat16:
    case DType::kFloat8E4M3FN:
    case DType::kFloat8E4M3FNUZ:
    case DType::kFloat8E5M2:
    case DType::kFloat8E5M2FNUZ:
    case DType::kFloat8E8M0:
    case DType::kFloat4E2M1:
      return DeviceFormat::kF32;
    case DType::kInt8:
    case DType::kInt16:
    case DType::kInt32:
    case DType::kInt4:
    case DType::kInt2:
      return DeviceFormat::kI32;
    case DType::kUInt8:
    case DType::kUInt16:
    case DType::kUInt32:
    case DType::kUInt4:
    case DType::kUInt2:
    case DType::kBool:
      return DeviceFormat::kU32;
    case DType::kInt64:
      return DeviceFormat::kI64;
    case DType::kUInt64:
      return DeviceFormat::kU64;
    case DType::kFloat64:
      return DeviceFormat::kF64;
    default:
      return DeviceFormat::kNone;
  }
}

}  // namespace sluice::plan
