// Checked access to operands, for inference and for kernels: presence, kind, dtype and axis of what
// a model hands to an operator are never taken on trust.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "op/op.h"

namespace sluice::op {

// The dtypes that an operand may have.
class DTypeSet {
 public:
  constexpr DTypeSet(std::initializer_list<DType> dtypes) {
    for (const DType dtype : dtypes) bits_ |= 1u << static_cast<unsigned>(dtype);
  }
  constexpr bool has(DType dtype) const {
    return (bits_ >> static_cast<unsigned>(dtype) & 1u) != 0;
  }
  friend constexpr DTypeSet operator|(DTypeSet a, DTypeSet b) {
    a.bits_ |= b.bits_;
    return a;
  }
  std::string text() const;  // "float32, int32 or bool"

 private:
  uint32_t bits_ = 0;
};

inline constexpr DTypeSet kFloats = {DType::kFloat16, DType::kBFloat16, DType::kFloat32,
                                     DType::kFloat64};
inline constexpr DTypeSet kSignedInts = {DType::kInt8, DType::kInt16, DType::kInt32, DType::kInt64};
inline constexpr DTypeSet kUnsignedInts = {DType::kUInt8, DType::kUInt16, DType::kUInt32,
                                           DType::kUInt64};
inline constexpr DTypeSet kInts = kSignedInts | kUnsignedInts;
inline constexpr DTypeSet kIndices = {DType::kInt32, DType::kInt64};
inline constexpr DTypeSet kNumbers = kInts | kFloats;
inline constexpr DTypeSet kBools = {DType::kBool};
inline constexpr DTypeSet kStrings = {DType::kString};
inline constexpr DTypeSet kFloat8s = {DType::kFloat8E4M3FN, DType::kFloat8E4M3FNUZ,
                                      DType::kFloat8E5M2, DType::kFloat8E5M2FNUZ};
inline constexpr DTypeSet kSubByte = {DType::kUInt4, DType::kInt4, DType::kUInt2, DType::kInt2,
                                      DType::kFloat4E2M1};
inline constexpr DTypeSet kComplexes = {DType::kComplex64, DType::kComplex128};
inline constexpr DTypeSet kAnyDType =
    kNumbers | kBools | kStrings | kFloat8s | kSubByte | kComplexes | DTypeSet{DType::kFloat8E8M0};

// Inference: dtype of tensor input i, which must be there. Undefined when not known yet.
Result<DType> input_dtype(const InferContext& context, int i, DTypeSet allowed = kAnyDType);
// Inference: dtype shared by all the inputs first..last-1 (last -1: to the end) that are present.
Result<DType> common_dtype(const InferContext& context, int first, int last,
                           DTypeSet allowed = kAnyDType);

// Kernels: tensor input i, which must be there.
Result<const Tensor*> input_tensor(const plan::KernelContext& context, int i,
                                   DTypeSet allowed = kAnyDType);

// Kernels: the inputs named are there, and every input that is there is a tensor of numbers (or
// bools), so that to_doubles, to_ints and the like may be used on it.
Result<void> require_numbers(const plan::KernelContext& context,
                             std::initializer_list<int> required);

// `axis` in -rank..rank-1, counted from the front.
Result<int> normalized_axis(int64_t axis, int rank);
// The same for several; one named twice is an error. In increasing order.
Result<std::vector<int>> normalized_axes(std::span<const int64_t> axes, int rank);

}  // namespace sluice::op
