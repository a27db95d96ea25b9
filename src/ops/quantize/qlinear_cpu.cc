// Arithmetic on tensors of bytes without floats in memory: QLinearAdd and QLinearMul of operands of
// one shape or of one number, and tables of 256 results.
#include <algorithm>

#include "base/text.h"
#include "op/operand.h"
#include "ops/quantize/quantize.h"
#include "ops/quantize/quantize_cpu.h"
#include "simd/quantize.h"

namespace sluice::ops::quantize {

using op::NodeView;
using plan::KernelContext;

namespace {

constexpr int64_t kGrain = 32 * 1024;  // elements
constexpr op::DTypeSet kBytes = {DType::kInt8, DType::kUInt8};

// The operand at input `i`, its scale and zero point after it. Nothing where they are not one each.
Result<std::optional<simd::QuantizedBytes>> operand(const KernelContext& context, int i,
                                                    DType dtype) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, i, kBytes));
  SLUICE_ASSIGN(const Tensor* scale, op::input_tensor(context, i + 1, {DType::kFloat32}));
  simd::QuantizedBytes out;
  if (x->dtype() != dtype || scale->elements() != 1) return std::nullopt;
  if (context.has(i + 2)) {
    SLUICE_ASSIGN(const Tensor* zero, op::input_tensor(context, i + 2, kBytes));
    if (zero->dtype() != dtype || zero->elements() != 1) return std::nullopt;
    out.zero_point = static_cast<int32_t>(zero->get_int(0));
  }
  out.data = reinterpret_cast<const uint8_t*>(x->bytes().data());
  out.scale = scale->data<float>()[0];
  return out;
}

template <simd::QuantizedOp kOp>
Result<void> binary(KernelContext& context) {
  const auto reference =
      kOp == simd::QuantizedOp::kAdd ? qlinear_add_reference : qlinear_mul_reference;
  const DType dtype = context.in(0).dtype();
  if (!kBytes.has(dtype)) return reference(context);
  SLUICE_ASSIGN(auto a, operand(context, 0, dtype));
  SLUICE_ASSIGN(auto b, operand(context, 3, dtype));
  SLUICE_ASSIGN(const Tensor* scale, op::input_tensor(context, 6, {DType::kFloat32}));
  int32_t zero_point = 0;
  bool plain = a && b && scale->elements() == 1;
  if (context.has(7)) {
    SLUICE_ASSIGN(const Tensor* zero, op::input_tensor(context, 7, kBytes));
    plain = plain && zero->dtype() == dtype && zero->elements() == 1;
    if (plain) zero_point = static_cast<int32_t>(zero->get_int(0));
  }
  const Shape &a_shape = context.in(0).shape(), &b_shape = context.in(3).shape();
  if (plain && !(a_shape == b_shape)) {
    a->single = a_shape.rank() <= b_shape.rank() && a_shape.elements() == 1;
    b->single = b_shape.rank() <= a_shape.rank() && b_shape.elements() == 1;
  }
  if (!plain || (!(a_shape == b_shape) && !a->single && !b->single)) return reference(context);
  SLUICE_ASSIGN(Tensor * y, context.out(0, dtype, a->single && !b->single ? b_shape : a_shape));
  auto* const out = reinterpret_cast<uint8_t*>(y->mutable_bytes().data());
  const float step = scale->data<float>()[0];
  context.parallel_for(y->elements(), kGrain, [&](int64_t begin, int64_t end) {
    simd::QuantizedBytes left = *a, right = *b;
    if (!left.single) left.data += begin;
    if (!right.single) right.data += begin;
    simd::quantized_binary(kOp, left, right, step, zero_point, dtype == DType::kInt8, out + begin,
                           end - begin);
  });
  return {};
}

Result<void> byte_table(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, kBytes));
  SLUICE_ASSIGN(const Tensor* table, op::input_tensor(context, 1, kBytes));
  if (table->elements() != 256) return byte_table_reference(context);  // says what is wrong
  SLUICE_ASSIGN(Tensor * y, context.out(0, table->dtype(), x->shape()));
  const auto* const in = reinterpret_cast<const uint8_t*>(x->bytes().data());
  const auto* const made = reinterpret_cast<const uint8_t*>(table->bytes().data());
  auto* const out = reinterpret_cast<uint8_t*>(y->mutable_bytes().data());
  context.parallel_for(x->elements(), kGrain, [&](int64_t begin, int64_t end) {
    simd::map_bytes(in + begin, made, out + begin, end - begin);
  });
  return {};
}

std::string refuse_binary(const NodeView& node) {
  for (const int i : {0, 3}) {
    if (!kBytes.has(node.input_type(i).dtype)) {
      return cat("input ", i, " is ", node.input_type(i).text(), " (takes 8-bit integers)");
    }
  }
  for (const int i : {1, 4, 6}) {
    if (node.input_type(i).dtype != DType::kFloat32) return cat("input ", i, " is not float32");
  }
  return {};
}

std::string accept(const NodeView& /*node*/) { return {}; }

}  // namespace

const op::CpuCandidate kQLinearAddCpu[1] = {
    {.kernel = {.name = "qlinear_add.8bit.simd", .run = binary<simd::QuantizedOp::kAdd>},
     .refuse = refuse_binary}};
const op::CpuCandidate kQLinearMulCpu[1] = {
    {.kernel = {.name = "qlinear_mul.8bit.simd", .run = binary<simd::QuantizedOp::kMul>},
     .refuse = refuse_binary}};
const op::CpuCandidate kByteTableCpu[1] = {
    {.kernel = {.name = "byte_table.8bit", .run = byte_table}, .refuse = accept}};

}  // namespace sluice::ops::quantize
