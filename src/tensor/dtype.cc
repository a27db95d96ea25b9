#include "tensor/dtype.h"

#include <array>
#include <limits>

namespace sluice {

namespace {
enum class Family : uint8_t { kNone, kFloat, kSigned, kUnsigned, kComplex, kOther };
struct Info {
  std::string_view name;
  int bits;
  Family family;
};
constexpr std::array<Info, kDTypeCount> kInfo = {{
    {"undefined", 0, Family::kNone},       {"float32", 32, Family::kFloat},
    {"uint8", 8, Family::kUnsigned},       {"int8", 8, Family::kSigned},
    {"uint16", 16, Family::kUnsigned},     {"int16", 16, Family::kSigned},
    {"int32", 32, Family::kSigned},        {"int64", 64, Family::kSigned},
    {"string", 0, Family::kOther},         {"bool", 8, Family::kOther},
    {"float16", 16, Family::kFloat},       {"float64", 64, Family::kFloat},
    {"uint32", 32, Family::kUnsigned},     {"uint64", 64, Family::kUnsigned},
    {"complex64", 64, Family::kComplex},   {"complex128", 128, Family::kComplex},
    {"bfloat16", 16, Family::kFloat},      {"float8e4m3fn", 8, Family::kFloat},
    {"float8e4m3fnuz", 8, Family::kFloat}, {"float8e5m2", 8, Family::kFloat},
    {"float8e5m2fnuz", 8, Family::kFloat}, {"uint4", 4, Family::kUnsigned},
    {"int4", 4, Family::kSigned},          {"float4e2m1", 4, Family::kFloat},
    {"float8e8m0", 8, Family::kFloat},     {"uint2", 2, Family::kUnsigned},
    {"int2", 2, Family::kSigned},
}};
const Info& info(DType dtype) { return kInfo[static_cast<size_t>(dtype)]; }
}  // namespace

int dtype_bits(DType dtype) { return info(dtype).bits; }
std::string_view dtype_name(DType dtype) { return info(dtype).name; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (size_t i = 1; i < kInfo.size(); ++i) {
    if (kInfo[i].name == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

bool dtype_is_valid(int64_t onnx_number) { return onnx_number > 0 && onnx_number < kDTypeCount; }
bool is_floating(DType dtype) { return info(dtype).family == Family::kFloat; }
bool is_integer(DType dtype) {
  return info(dtype).family == Family::kSigned || info(dtype).family == Family::kUnsigned;
}
bool is_signed_integer(DType dtype) { return info(dtype).family == Family::kSigned; }
bool is_complex(DType dtype) { return info(dtype).family == Family::kComplex; }

int64_t integer_min(DType dtype) {
  if (!is_signed_integer(dtype)) return 0;
  const int bits = dtype_bits(dtype);
  return bits == 64 ? std::numeric_limits<int64_t>::min() : -(int64_t{1} << (bits - 1));
}

uint64_t integer_max(DType dtype) {
  if (dtype == DType::kBool) return 1;
  const int bits = dtype_bits(dtype) - (is_signed_integer(dtype) ? 1 : 0);
  return bits == 64 ? std::numeric_limits<uint64_t>::max() : (uint64_t{1} << bits) - 1;
}

}  // namespace sluice
