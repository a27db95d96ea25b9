// Casts of small integers to float32, which dequantization is made of. An int32 is exact in double,
// so one rounding to float32 gives the reference's bits.
#include "ops/cast/cast_cpu.h"

#include "base/text.h"
#include "op/operand.h"

namespace sluice::ops::cast {

namespace {

constexpr op::DTypeSet kFrom = {DType::kInt32, DType::kUInt8, DType::kInt8, DType::kBool};

template <class T, class Convert>
void widen(plan::KernelContext& context, const Tensor& from, Tensor& to, Convert convert) {
  const T* in = from.data<T>();
  float* out = to.mutable_data<float>();
  context.parallel_for(from.elements(), 1 << 15, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] = convert(in[i]);
  });
}

Result<void> cast_to_float(plan::KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, op::input_tensor(context, 0, kFrom));
  SLUICE_ASSIGN(Tensor * out, context.out(0, DType::kFloat32, in->shape()));
  const auto same = [](auto value) { return static_cast<float>(value); };
  switch (in->dtype()) {
    case DType::kInt32:
      widen<int32_t>(context, *in, *out, same);
      break;
    case DType::kInt8:
      widen<int8_t>(context, *in, *out, same);
      break;
    case DType::kUInt8:
      widen<uint8_t>(context, *in, *out, same);
      break;
    default:  // bool: any byte but 0 is true
      widen<uint8_t>(context, *in, *out, [](uint8_t value) { return value != 0 ? 1.0f : 0.0f; });
  }
  return {};
}

std::string refuse(const op::NodeView& node) {
  const DType from = node.input_type(0).dtype;
  if (!kFrom.has(from) || node.attrs().int_or("to", 0) != static_cast<int64_t>(DType::kFloat32)) {
    return cat("it casts int32, int8, uint8 and bool to float32 only (from ", dtype_name(from),
               ")");
  }
  return "";
}

}  // namespace

const op::CpuCandidate kCastCpu[1] = {
    {.kernel = {.name = "cast.to_f32", .run = cast_to_float}, .refuse = refuse}};

}  // namespace sluice::ops::cast
