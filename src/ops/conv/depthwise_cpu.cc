#include "ops/conv/depthwise_cpu.h"

#include <algorithm>
#include <limits>

#include "base/checked.h"
#include "base/text.h"
#include "op/refuse.h"
#include "op/scratch.h"
#include "ops/conv/conv_operands.h"
#include "simd/depthwise.h"
#include "simd/elementwise.h"
#include "simd/scratch_slots.h"

namespace sluice::ops::conv {

using op::NodeView;
using op::WindowAxis;
using plan::KernelContext;

namespace {

// Rows of inputs of a band: they stay in a first-level cache of 32 KiB beside the outputs.
constexpr int64_t kBandFloats = 5 * 1024;

bool takes(const WindowAxis& y, const WindowAxis& x) {
  return y.kernel == x.kernel && (x.kernel == 3 || x.kernel == 5) && y.stride == x.stride &&
         x.stride <= 2 && y.dilation == 1 && x.dilation == 1;
}

Result<void> run_depthwise(KernelContext& context, bool fused) {
  SLUICE_ASSIGN(const FloatOperands operands, float_operands(context, fused));
  const ConvGeometry& g = *operands.geometry;
  if (g.axes.size() != 2 || g.in_channels_per_group() != 1 || g.out_channels_per_group() != 1 ||
      !takes(g.axes[0], g.axes[1])) {
    return unsupported(cat("A convolution of ", operands.x->shape().text(), " by ",
                           operands.w->shape().text(),
                           " was planned channel by channel, which it is not"));
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, operands.shape));
  if (y->elements() == 0) return {};
  const WindowAxis &rows = g.axes[0], &columns = g.axes[1];
  const int kernel = static_cast<int>(rows.kernel), stride = static_cast<int>(rows.stride);
  const int64_t out_h = rows.out, out_w = columns.out;

  const int64_t pitch = simd::depthwise_row_floats(kernel, stride, out_w);
  // Bands of whole register tiles, as many rows as the cache holds.
  const int64_t band =
      std::clamp<int64_t>((kBandFloats / pitch - kernel + 1) / stride / 4 * 4, 4, out_h + 3);
  const int64_t bands = (out_h + band - 1) / band;
  const int64_t lines = (std::min(band, out_h) - 1) * stride + kernel;
  const int64_t slot_floats = (lines * pitch + simd::kDepthwiseSlack + 15) / 16 * 16;
  const int slots = std::clamp(context.threads(), 1, 64);
  SLUICE_ASSIGN(
      float* const memory,
      op::scratch<float>(context, Checked::from_signed(slot_floats) * static_cast<uint64_t>(slots),
                         "A convolution by channels"));
  simd::ScratchSlots scratch(memory, slots, slot_floats);

  using simd::Function;
  const simd::Activation& activation = operands.activation;
  const bool clipped = activation.function == Function::kClip;
  const bool later = !clipped && activation.function != Function::kIdentity;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float* const x = operands.x->data<float>();
  const float* const w = operands.w->data<float>();
  float* const out = y->mutable_data<float>();

  const int64_t work = std::min(band, out_h) * out_w * kernel * kernel;
  const int64_t grain = std::max<int64_t>(1, (1 << 18) / work);  // some 20 microseconds
  context.parallel_for(g.batch * g.groups * bands, grain, [&](int64_t begin, int64_t end) {
    const simd::ScratchSlots::Slot slot(scratch);
    float* const tile = slot.data();
    // The padding is the same for all planes: it stays.
    std::fill(tile, tile + slot_floats, 0.0f);
    simd::DepthwiseFill fill{.kernel = kernel,
                             .stride = stride,
                             .in_width = columns.in,
                             .pad = columns.pad_begin,
                             .width = out_w};
    simd::DepthwisePlane plane{.kernel = kernel,
                               .stride = stride,
                               .in = tile,
                               .in_row = pitch,
                               .phase = simd::depthwise_phase(kernel, stride, out_w),
                               .low = clipped ? activation.a : -kInfinity,
                               .high = clipped ? activation.b : kInfinity,
                               .out_row = out_w,
                               .width = out_w};
    for (int64_t task = begin; task < end; ++task) {
      const int64_t image = task / bands, channel = image % g.groups;
      const int64_t y0 = task % bands * band;
      plane.rows = std::min(band, out_h - y0);
      // Rows of the tile that lie in the input; the others are zero.
      const int64_t top = y0 * stride - rows.pad_begin;
      const int64_t read = (plane.rows - 1) * stride + kernel;
      const int64_t first = std::clamp<int64_t>(-top, 0, read);
      const int64_t behind = std::clamp<int64_t>(rows.in - top, first, read);
      if (bands > 1) {
        std::fill(tile, tile + first * pitch, 0.0f);
        std::fill(tile + behind * pitch, tile + read * pitch, 0.0f);
      }
      fill.in = x + (image * rows.in + top + first) * columns.in;
      fill.rows = behind - first;
      fill.out = tile + first * pitch;
      simd::depthwise_fill(fill);
      const int64_t to = (image * out_h + y0) * out_w;
      plane.weights = w + channel * kernel * kernel;
      plane.bias = operands.bias == nullptr ? 0 : operands.bias[channel];
      plane.residual = operands.residual == nullptr ? nullptr : operands.residual + to;
      plane.out = out + to;
      simd::depthwise(plane);
      if (later) simd::apply(activation, out + to, out + to, plane.rows * out_w);
    }
  });
  return {};
}

}  // namespace

Result<void> conv_depthwise(KernelContext& context) { return run_depthwise(context, false); }
Result<void> fused_conv_depthwise(KernelContext& context) { return run_depthwise(context, true); }

std::string refuse_depthwise(const NodeView& node) {
  if (std::string why = op::refuse_unless_float32(node); !why.empty()) return why;
  const Tensor* w = node.constant(1);
  if (w == nullptr) return "the weight is not a constant";
  if (w->rank() != 4 || w->dim(1) != 1 || w->elements() == 0) {
    return cat("the weight is ", w->shape().text(), " (takes one channel a group)");
  }
  if (node.attrs().int_or("group", 1) != w->dim(0)) return "a channel makes several";
  if (w->dim(2) != w->dim(3) || (w->dim(2) != 3 && w->dim(2) != 5)) {
    return cat("the weight is ", w->shape().text(), " (takes 3x3 and 5x5 kernels)");
  }
  const auto window = op::read_window_attrs(node.attrs(), 2, w->shape().dims().subspan(2));
  if (!window) return "its attributes don't fit the weight";
  if (window->dilations != std::vector<int64_t>{1, 1}) return "it is dilated";
  if (window->strides != std::vector<int64_t>{1, 1} &&
      window->strides != std::vector<int64_t>{2, 2}) {
    return "its stride is neither 1 nor 2";
  }
  return {};
}

}  // namespace sluice::ops::conv
