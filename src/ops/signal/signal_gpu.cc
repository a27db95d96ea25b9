// How the signal family runs on the GPU. Windows are tables made when the plan is; transforms are
// plain sums, which are worth it up to a few thousand samples.
#include <cmath>
#include <numbers>

#include "base/text.h"
#include "op/gpu_copy.h"
#include "op/lower.h"
#include "ops/signal/signal.h"
#include "shader/determinant.h"
#include "shader/fourier_sums.h"
#include "shader/strided_copy.h"

namespace sluice::ops::signal {

namespace {

using op::LowerContext;
using plan::DeviceFormat;

constexpr int64_t kLongest = 4096;

Result<std::string_view> float_type(LowerContext& context) {
  const DeviceFormat format = context.in_format(0);
  if (format != DeviceFormat::kF32 && format != DeviceFormat::kF16) {
    return context.refuse("only float32 and float16 are computed here");
  }
  if (const std::string large = op::oversized(context); !large.empty()) {
    return context.refuse(large);
  }
  return plan::wgsl_type(format);
}

Result<plan::SlotId> roots_of_unity(LowerContext& context, int64_t length) {
  SLUICE_ASSIGN(Tensor table, Tensor::allocate(DType::kFloat32, Shape{length, 2}));
  for (int64_t k = 0; k < length; ++k) {
    const double angle =
        2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(length);
    table.mutable_data<float>()[2 * k] = static_cast<float>(std::cos(angle));
    table.mutable_data<float>()[2 * k + 1] = static_cast<float>(std::sin(angle));
  }
  return context.constant(std::move(table), "roots of unity");
}

Result<int64_t> one_number(LowerContext& context, int i) {
  SLUICE_ASSIGN(const std::vector<int64_t> values, context.need_ints(i));
  if (values.size() != 1) return context.refuse(cat("input ", i, " is not one number"));
  return values[0];
}

Result<void> lower_dft(LowerContext& context) {
  SLUICE_ASSIGN(const std::string_view type, float_type(context));
  const Dims& in = context.in_dims(0);
  const bool inverse = context.attrs().int_or("inverse", 0) != 0;
  const bool onesided = context.attrs().int_or("onesided", 0) != 0;
  int64_t wanted_axis = -2;
  if (context.has_input(2)) {
    SLUICE_ASSIGN(wanted_axis, one_number(context, 2));
  }
  SLUICE_ASSIGN(const int axis_int, op::gpu_axis(context, wanted_axis, in.size()));
  const auto axis = static_cast<size_t>(axis_int);
  if (axis + 1 == in.size() || !in.back().is_known()) {
    return context.refuse("the axis or the number of parts does not fit");
  }
  if (!in[axis].is_known()) SLUICE_TRY(context.static_in(0));
  const int64_t extent = in[axis].value(), parts = in.back().value();
  const bool real_out = inverse && onesided;
  int64_t length = real_out ? 2 * (extent - 1) : extent;
  if (context.has_input(1)) {
    SLUICE_ASSIGN(length, one_number(context, 1));
  }
  if (length < 1 || length > kLongest || parts < 1 || parts > 2) {
    return context.refuse(cat("the transform has the length ", length, " (limit ", kLongest, ")"));
  }
  const int64_t bins = onesided && !inverse ? length / 2 + 1 : length;
  const int64_t read = std::min(extent, real_out ? length / 2 + 1 : length);
  const Dim outer = product(in, 0, axis), inner = product(in, axis + 1, in.size() - 1);
  const Dim results = outer * inner * Dim(bins);
  SLUICE_ASSIGN(const plan::SlotId roots, roots_of_unity(context, length));
  context.dispatch(shader::fourier_sums::Call{
      .knobs = {.T = type, .COMPLEX_IN = parts == 2, .INVERSE = inverse, .REAL_OUT = real_out},
      .params = {.results = results,
                 .bins = bins,
                 .length = length,
                 .read = read,
                 .inner = inner,
                 .extent = extent,
                 .frames = 1,
                 .scale = inverse ? 1.0F / static_cast<float>(length) : 1.0F},
      .x = context.in(0),
      .roots = roots,
      .y = context.out(0),
      .workgroups = op::workgroups(results, 64)});
  return {};
}

Result<void> lower_stft(LowerContext& context) {
  SLUICE_ASSIGN(const std::string_view type, float_type(context));
  const Dims &in = context.in_dims(0), &out = context.out_dims(0);
  if (in.size() < 2 || in.size() > 3 || out.size() != 4) return context.refuse("the rank is odd");
  SLUICE_ASSIGN(const int64_t step, one_number(context, 1));
  if (!in[1].is_known()) SLUICE_TRY(context.static_in(0));
  int64_t frame = in[1].value(), read = frame;
  if (context.has_input(2)) {
    SLUICE_ASSIGN(const Shape window, context.static_in(2));
    read = frame = window.elements();
    if (context.in_format(2) != context.in_format(0)) {
      return context.refuse("signal and window are of different types");
    }
  }
  if (context.has_input(3)) {
    SLUICE_ASSIGN(frame, one_number(context, 3));
    if (!context.has_input(2)) read = frame;
  }
  const Dim parts = in.size() == 3 ? in[2] : Dim(1);
  if (step < 1 || frame < 1 || frame > kLongest || read > frame || !parts.is_known() ||
      parts.value() < 1 || parts.value() > 2) {
    return context.refuse(
        cat("frames have ", frame, " samples (limit ", kLongest, ") and the step is ", step));
  }
  const bool complex = parts.value() == 2;
  const bool onesided = context.attrs().int_or("onesided", 1) != 0;
  if (onesided && complex) return context.refuse("a complex signal can't be one-sided");
  const int64_t length = in[1].value();
  const int64_t frames = length < frame ? 0 : (length - frame) / step + 1;
  const int64_t bins = onesided ? frame / 2 + 1 : frame;
  const Dim results = in[0] * Dim(frames) * Dim(bins);
  SLUICE_ASSIGN(const plan::SlotId roots, roots_of_unity(context, frame));
  context.dispatch(shader::fourier_sums::Call{
      .knobs = {.T = type, .COMPLEX_IN = complex, .WINDOW = context.has_input(2)},
      .params = {.results = results,
                 .bins = bins,
                 .length = frame,
                 .read = read,
                 .inner = 1,
                 .extent = length,
                 .frames = std::max<int64_t>(frames, 1),
                 .hop = step,
                 .scale = 1.0F},
      .x = context.in(0),
      .roots = roots,
      .window = context.in(2),
      .y = context.out(0),
      .workgroups = op::workgroups(results, 64)});
  return {};
}

// w[n] = a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N) in hundredths and forty-sixths, as the
// reference has them.
struct Weights {
  double a0 = 0, a1 = 0, a2 = 0;
};
constexpr Weights kHann = {0.5, 0.5, 0}, kHamming = {25.0 / 46, 21.0 / 46, 0},
                  kBlackman = {0.42, 0.5, 0.08};

template <const Weights& kWeights>
Result<void> lower_window(LowerContext& context) {
  SLUICE_ASSIGN(const int64_t size, one_number(context, 0));
  const DType dtype = context.output_type(0).dtype;
  if (size < 0 || size > (1 << 24)) return context.refuse(cat("the window has the size ", size));
  if (plan::element_bytes(context.out_format(0)) == 0) {
    return context.refuse("its elements stay on the host");
  }
  const bool periodic = context.attrs().int_or("periodic", 1) != 0;
  const auto period = static_cast<double>(periodic ? size : size - 1);
  std::vector<double> values;
  for (int64_t n = 0; n < size; ++n) {
    const double angle =
        period == 0 ? std::numbers::pi : 2 * std::numbers::pi * static_cast<double>(n) / period;
    values.push_back(kWeights.a0 - kWeights.a1 * std::cos(angle) +
                     kWeights.a2 * std::cos(2 * angle));
  }
  const plan::SlotId table =
      size == 0 ? plan::kNoSlot
                : context.constant(Tensor::of_doubles(dtype, Shape{size}, values), "window");
  return op::dispatch_copy<shader::strided_copy::Call>(context, {.from = table,
                                                                 .to = context.out(0),
                                                                 .shape = {Dim(size)},
                                                                 .from_strides = {Dim(1)},
                                                                 .to_strides = {Dim(1)}});
}

Result<void> lower_mel(LowerContext& context) {
  SLUICE_ASSIGN(const int64_t bands, one_number(context, 0));
  SLUICE_ASSIGN(const int64_t dft_length, one_number(context, 1));
  SLUICE_ASSIGN(const int64_t sample_rate, one_number(context, 2));
  // Both are asked for before either's absence ends this attempt.
  auto lower = context.need_constant(3), upper = context.need_constant(4);
  if (!lower.ok()) return lower.error();
  if (!upper.ok()) return upper.error();
  const auto made = mel_weight_matrix(bands, dft_length, sample_rate, *lower, *upper,
                                      context.output_type(0).dtype);
  if (!made.ok()) return context.refuse(made.error().message);
  const Dim n = op::elements(context.out_dims(0));
  const plan::SlotId table =
      made->elements() == 0 ? plan::kNoSlot : context.constant(*made, "mel weights");
  return op::dispatch_copy<shader::strided_copy::Call>(context, {.from = table,
                                                                 .to = context.out(0),
                                                                 .shape = {n},
                                                                 .from_strides = {Dim(1)},
                                                                 .to_strides = {Dim(1)}});
}

Result<void> lower_det(LowerContext& context) {
  SLUICE_ASSIGN(const std::string_view type, float_type(context));
  const Dims& in = context.in_dims(0);
  if (in.size() < 2) return context.refuse("it has fewer than 2 axes");
  if (!in.back().is_known()) SLUICE_TRY(context.static_in(0));
  constexpr int64_t kMost = 60;
  if (in.back().value() > kMost) {
    return context.refuse(
        cat("the matrices have ", in.back().value(), " rows (limit ", kMost, ")"));
  }
  const int64_t needed = in.back().value() * in.back().value();
  const uint32_t words = needed <= 64 ? 64 : needed <= 256 ? 256 : needed <= 1024 ? 1024 : 3600;
  const Dim matrices = product(in, 0, in.size() - 2);
  context.dispatch(shader::determinant::Call{.knobs = {.T = type, .WORDS = words},
                                             .params = {.matrices = matrices, .n = in.back()},
                                             .x = context.in(0),
                                             .y = context.out(0),
                                             .workgroups = matrices});
  return {};
}

struct Row {
  std::string_view op;
  op::GpuCandidate candidate;
};
constexpr Row kRows[] = {
    {"DFT", {"dft.sums", &lower_dft}},
    {"STFT", {"stft.sums", &lower_stft}},
    {"HannWindow", {"window.table", &lower_window<kHann>}},
    {"HammingWindow", {"window.table", &lower_window<kHamming>}},
    {"BlackmanWindow", {"window.table", &lower_window<kBlackman>}},
    {"MelWeightMatrix", {"mel.table", &lower_mel}},
    {"Det", {"det", &lower_det}},
};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  for (const Row& row : kRows) {
    if (domain.empty() && row.op == name) return {&row.candidate, 1};
  }
  return {};
}

}  // namespace sluice::ops::signal
