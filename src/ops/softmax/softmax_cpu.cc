// float32 Softmax and LogSoftmax. Along the last axis a row at a time; along another axis many
// lines side by side, so that vectors run over the axes behind it.
#include "ops/softmax/softmax_cpu.h"

#include <algorithm>
#include <array>
#include <limits>

#include "op/operand.h"
#include "op/refuse.h"
#include "simd/elementwise.h"

namespace sluice::ops::softmax {

using plan::KernelContext;

namespace {

// Lines side by side: their maxima and sums stay in the first-level cache.
constexpr int64_t kLines = 512;

// `n` lines of `length` elements, `stride` apart, side by side.
void columns(const float* in, float* out, int64_t length, int64_t stride, int64_t n, bool logs) {
  std::array<float, kLines> top, total, work;
  std::fill_n(top.data(), n, -std::numeric_limits<float>::infinity());
  for (int64_t i = 0; i < length; ++i) {
    simd::binary(simd::Binary::kMax, top.data(), 1, in + i * stride, 1, top.data(), n);
  }
  std::fill_n(total.data(), n, 0.0f);
  const simd::Activation exp{simd::Function::kExp};
  for (int64_t i = 0; i < length; ++i) {
    float* const to = logs ? work.data() : out + i * stride;
    simd::binary(simd::Binary::kSub, in + i * stride, 1, top.data(), 1, to, n);
    simd::apply(exp, to, to, n);
    simd::binary(simd::Binary::kAdd, total.data(), 1, to, 1, total.data(), n);
  }
  if (logs) simd::apply({simd::Function::kLog}, total.data(), total.data(), n);
  for (int64_t i = 0; i < length; ++i) {
    float* const to = out + i * stride;
    if (logs) {
      simd::binary(simd::Binary::kSub, in + i * stride, 1, top.data(), 1, to, n);
      simd::binary(simd::Binary::kSub, to, 1, total.data(), 1, to, n);
    } else {
      simd::binary(simd::Binary::kDiv, to, 1, total.data(), 1, to, n);
    }
  }
}

Result<void> along_axis(KernelContext& context, bool logs) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, {DType::kFloat32}));
  const Shape& shape = x->shape();
  SLUICE_ASSIGN(const int axis,
                op::normalized_axis(context.attrs().int_or("axis", -1), shape.rank()));
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, shape));
  if (x->elements() == 0) return {};
  const int64_t length = shape[axis], stride = shape.elements(axis + 1, shape.rank());
  const int64_t outer = shape.elements(0, axis);
  const float* const in = x->data<float>();
  float* const out = y->mutable_data<float>();
  // Exponentials cost about a nanosecond each: 8 Ki of them are worth a thread.
  if (stride == 1) {
    const int64_t grain = std::max<int64_t>(1, 8192 / length);
    context.parallel_for(outer, grain, [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) {
        (logs ? simd::log_softmax : simd::softmax)(in + o * length, out + o * length, length);
      }
    });
    return {};
  }
  const int64_t blocks = (stride + kLines - 1) / kLines;
  const int64_t grain = std::max<int64_t>(1, 8192 / (length * std::min(stride, kLines)));
  context.parallel_for(outer * blocks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = i / blocks * length * stride + i % blocks * kLines;
      columns(in + at, out + at, length, stride, std::min(kLines, stride - i % blocks * kLines),
              logs);
    }
  });
  return {};
}

Result<void> softmax_f32(KernelContext& context) { return along_axis(context, false); }
Result<void> log_softmax_f32(KernelContext& context) { return along_axis(context, true); }

std::string refuse(const op::NodeView& node) { return op::refuse_unless_float32(node, 0); }

}  // namespace

const op::CpuCandidate kSoftmaxCpu[1] = {
    {.kernel = {.name = "softmax.f32.simd", .run = softmax_f32},
     .refuse = refuse,
     .in_place_input = 0}};
const op::CpuCandidate kLogSoftmaxCpu[1] = {
    {.kernel = {.name = "log_softmax.f32.simd", .run = log_softmax_f32},
     .refuse = refuse,
     .in_place_input = 0}};

}  // namespace sluice::ops::softmax
