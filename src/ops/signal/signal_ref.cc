#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/text.h"
#include "op/elements.h"
#include "op/operand.h"
#include "ops/signal/fourier.h"
#include "ops/signal/signal.h"

namespace sluice::ops::signal {

using op::input_tensor;
using plan::KernelContext;

namespace {

Result<const Tensor*> input_signal(const KernelContext& context, int i) {
  const op::DTypeSet floats = op::kFloats;
  SLUICE_ASSIGN(const Tensor* signal, input_tensor(context, i, floats));
  if (signal->rank() < 2 || signal->dim(-1) < 1 || signal->dim(-1) > 2) {
    return usage_error(
        cat("The signal is ", signal->text(), " (at least 2 axes, the last with 1 or 2 elements)"));
  }
  return signal;
}

Result<int64_t> checked_length(int64_t length) {
  if (length < 1 || length > kMaxTransform) {
    return usage_error(cat("A transform has the length ", length, " (1 to ", kMaxTransform, ")"));
  }
  return length;
}

}  // namespace

Result<DType> output_datatype(const AttrMap& attrs) {
  const int64_t number = attrs.int_or("output_datatype", 1);
  if (!dtype_is_valid(number) || !op::DTypeSet(op::kNumbers).has(static_cast<DType>(number))) {
    return invalid_model(cat("The output type number ", number, " is not that of a number"));
  }
  return static_cast<DType>(number);
}

Result<void> dft_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_signal(context, 0));
  const bool inverse = context.attrs().int_or("inverse", 0) != 0;
  const bool onesided = context.attrs().int_or("onesided", 0) != 0;
  int64_t wanted_axis = -2;
  if (context.has(2)) {
    SLUICE_ASSIGN(wanted_axis, op::input_int(context, 2));
  }
  SLUICE_ASSIGN(const int axis, op::normalized_axis(wanted_axis, in->rank()));
  if (axis == in->rank() - 1) {
    return usage_error("DFT runs along the last axis, which holds real and imaginary parts");
  }
  const int64_t extent = in->dim(axis);
  int64_t length = inverse && onesided ? 2 * (extent - 1) : extent;
  if (context.has(1)) {
    SLUICE_ASSIGN(length, op::input_int(context, 1));
  }
  SLUICE_ASSIGN(length, checked_length(length));
  const bool real_out = inverse && onesided;
  Shape shape = in->shape();
  shape[axis] = onesided && !inverse ? length / 2 + 1 : length;
  shape[-1] = real_out ? 1 : 2;
  SLUICE_ASSIGN(Tensor * out, context.out(0, in->dtype(), shape));
  const int64_t parts = in->dim(-1), out_parts = shape[-1];
  const op::AxisSplit split = op::split_at(in->shape(), axis);
  const int64_t columns = split.inner / parts;  // signals that lie interleaved
  const int64_t kept = shape[axis];
  // A one-sided spectrum is given by its first half.
  const int64_t read = std::min(extent, real_out ? length / 2 + 1 : length);
  Fourier fourier(static_cast<size_t>(length));
  std::vector<Complex> values;
  for (int64_t o = 0; o < split.outer; ++o) {
    for (int64_t c = 0; c < columns; ++c) {
      values.assign(static_cast<size_t>(length), Complex{});
      for (int64_t n = 0; n < read; ++n) {
        const int64_t at = ((o * extent + n) * columns + c) * parts;
        values[static_cast<size_t>(n)] = {in->get_double(at),
                                          parts == 2 ? in->get_double(at + 1) : 0};
      }
      if (real_out) {
        values[0].im = 0;
        if (length % 2 == 0) values[static_cast<size_t>(length / 2)].im = 0;
        for (int64_t n = 1; n < (length + 1) / 2; ++n) {
          values[static_cast<size_t>(length - n)] = conjugate(values[static_cast<size_t>(n)]);
        }
      }
      if (inverse) {
        fourier.inverse(values);
      } else {
        fourier.forward(values);
      }
      for (int64_t n = 0; n < kept; ++n) {
        const int64_t at = ((o * kept + n) * columns + c) * out_parts;
        out->set_double(at, values[static_cast<size_t>(n)].re);
        if (out_parts == 2) out->set_double(at + 1, values[static_cast<size_t>(n)].im);
      }
    }
  }
  return {};
}

Result<void> stft_reference(KernelContext& context) {
  const op::DTypeSet floats = op::kFloats;
  SLUICE_ASSIGN(const Tensor* plain, input_tensor(context, 0, floats));
  // [batch, length] is taken for [batch, length, 1].
  Tensor signal = *plain;
  if (signal.rank() == 2) signal = signal.reshaped(Shape{signal.dim(0), signal.dim(1), 1});
  if (signal.rank() != 3 || signal.dim(2) < 1 || signal.dim(2) > 2) {
    return usage_error(cat("STFT of ", plain->text(), " ([batch, length, 1 or 2])"));
  }
  SLUICE_ASSIGN(const int64_t step, op::input_int(context, 1));
  int64_t frame = signal.dim(1);
  const Tensor* window = nullptr;
  if (context.has(2)) {
    SLUICE_ASSIGN(window, input_tensor(context, 2, floats));
    frame = window->elements();
  }
  if (context.has(3)) {
    SLUICE_ASSIGN(frame, op::input_int(context, 3));
  }
  SLUICE_ASSIGN(frame, checked_length(frame));
  if (step < 1 || (window != nullptr && window->elements() > frame)) {
    return usage_error(cat("STFT has the step ", step, ", frames of ", frame, " and a window of ",
                           window != nullptr ? window->elements() : frame));
  }
  const bool complex = signal.dim(2) == 2;
  const bool onesided = context.attrs().int_or("onesided", 1) != 0;
  if (onesided && complex) return usage_error("STFT of a complex signal can't be one-sided");
  const int64_t batches = signal.dim(0), length = signal.dim(1);
  const int64_t frames = length < frame ? 0 : (length - frame) / step + 1;
  const int64_t bins = onesided ? frame / 2 + 1 : frame;
  SLUICE_ASSIGN(Tensor * out, context.out(0, signal.dtype(), Shape{batches, frames, bins, 2}));
  const std::vector<double> weights = window != nullptr
                                          ? window->to_doubles()
                                          : std::vector<double>(static_cast<size_t>(frame), 1.0);
  Fourier fourier(static_cast<size_t>(frame));
  std::vector<Complex> values;
  int64_t to = 0;
  for (int64_t b = 0; b < batches; ++b) {
    for (int64_t f = 0; f < frames; ++f) {
      values.assign(static_cast<size_t>(frame), Complex{});
      for (size_t n = 0; n < weights.size(); ++n) {
        const int64_t at = (b * length + f * step + static_cast<int64_t>(n)) * signal.dim(2);
        values[n] = {signal.get_double(at) * weights[n],
                     complex ? signal.get_double(at + 1) * weights[n] : 0};
      }
      fourier.forward(values);
      for (int64_t k = 0; k < bins; ++k, to += 2) {
        out->set_double(to, values[static_cast<size_t>(k)].re);
        out->set_double(to + 1, values[static_cast<size_t>(k)].im);
      }
    }
  }
  return {};
}

namespace {

// w[n] = a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N); N is the size, less 1 when symmetric.
Result<void> cosine_window(KernelContext& context, double a0, double a1, double a2) {
  SLUICE_ASSIGN(const int64_t size, op::input_int(context, 0));
  SLUICE_ASSIGN(const DType dtype, output_datatype(context.attrs()));
  if (size < 0) return usage_error(cat("A window has the size ", size, " (at least 0)"));
  SLUICE_ASSIGN(Tensor * out, context.out(0, dtype, Shape{size}));
  const bool periodic = context.attrs().int_or("periodic", 1) != 0;
  const auto period = static_cast<double>(periodic ? size : size - 1);
  for (int64_t n = 0; n < size; ++n) {
    // The symmetric window of one element is its peak.
    const double angle =
        period == 0 ? std::numbers::pi : 2 * std::numbers::pi * static_cast<double>(n) / period;
    out->set_double(n, a0 - a1 * std::cos(angle) + a2 * std::cos(2 * angle));
  }
  return {};
}

}  // namespace

Result<void> hann_window_reference(KernelContext& context) {
  return cosine_window(context, 0.5, 0.5, 0);
}
Result<void> hamming_window_reference(KernelContext& context) {
  return cosine_window(context, 25.0 / 46, 21.0 / 46, 0);
}
Result<void> blackman_window_reference(KernelContext& context) {
  return cosine_window(context, 0.42, 0.5, 0.08);
}

Result<Tensor> mel_weight_matrix(int64_t bands, int64_t dft_length, int64_t sample_rate,
                                 const Tensor& lower, const Tensor& upper, DType dtype) {
  if (bands < 0 || bands > 1 << 20 || dft_length < 0 || dft_length > kMaxTransform ||
      sample_rate <= 0 || lower.elements() != 1 || upper.elements() != 1) {
    return usage_error(cat("MelWeightMatrix has ", bands, " bands, the DFT length ", dft_length,
                           " and the sample rate ", sample_rate));
  }
  const int64_t bins = dft_length / 2 + 1;
  SLUICE_ASSIGN(Tensor out, Tensor::allocate(dtype, Shape{bins, bands}));
  const auto mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  const double low = mel(lower.get_double(0)), high = mel(upper.get_double(0));
  const double step = (high - low) / static_cast<double>(bands + 2);
  // DFT bin at which the n-th edge lies.
  const auto edge = [&](int64_t n) {
    const double hertz = 700 * (std::pow(10, (low + step * static_cast<double>(n)) / 2595) - 1);
    return std::floor(static_cast<double>(dft_length + 1) * hertz /
                      static_cast<double>(sample_rate));
  };
  for (int64_t band = 0; band < bands; ++band) {
    const double edges[3] = {edge(band), edge(band + 1), edge(band + 2)};
    if (!(edges[0] >= 0 && edges[1] >= edges[0] && edges[2] >= edges[1] &&
          edges[2] <= static_cast<double>(bins) && edges[1] < static_cast<double>(bins))) {
      return usage_error(
          cat("MelWeightMatrix's band ", band, " lies outside the spectrum (", bins, " bins)"));
    }
    const auto left = static_cast<int64_t>(edges[0]), center = static_cast<int64_t>(edges[1]),
               right = static_cast<int64_t>(edges[2]);
    // Rises to 1 at the center, falls to 0 at the right edge.
    if (left == center) out.set_double(center * bands + band, 1);
    for (int64_t k = left; center > left && k <= center; ++k) {
      out.set_double(k * bands + band,
                     static_cast<double>(k - left) / static_cast<double>(center - left));
    }
    for (int64_t k = center; k < right; ++k) {
      out.set_double(k * bands + band,
                     static_cast<double>(right - k) / static_cast<double>(right - center));
    }
  }
  return out;
}

Result<void> mel_weight_matrix_reference(KernelContext& context) {
  SLUICE_ASSIGN(const int64_t bands, op::input_int(context, 0));
  SLUICE_ASSIGN(const int64_t dft_length, op::input_int(context, 1));
  SLUICE_ASSIGN(const int64_t sample_rate, op::input_int(context, 2));
  const op::DTypeSet floats = op::kFloats;
  SLUICE_ASSIGN(const Tensor* lower, input_tensor(context, 3, floats));
  SLUICE_ASSIGN(const Tensor* upper, input_tensor(context, 4, floats));
  SLUICE_ASSIGN(const DType dtype, output_datatype(context.attrs()));
  SLUICE_ASSIGN(Tensor out,
                mel_weight_matrix(bands, dft_length, sample_rate, *lower, *upper, dtype));
  context.set_out(0, Value(std::move(out)));
  return {};
}

Result<void> det_reference(KernelContext& context) {
  const op::DTypeSet floats = op::kFloats;
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0, floats));
  const int rank = in->rank();
  if (rank < 2 || in->dim(-1) != in->dim(-2)) {
    return usage_error(cat("Det of ", in->text(), " (square matrices)"));
  }
  const int64_t n = in->dim(-1);
  Shape shape = in->shape();
  shape.erase(rank - 1);
  shape.erase(rank - 2);
  SLUICE_ASSIGN(Tensor * out, context.out(0, in->dtype(), shape));
  const std::vector<double> all = in->to_doubles();
  for (int64_t matrix = 0; matrix < out->elements(); ++matrix) {
    std::vector<double> m(all.begin() + matrix * n * n, all.begin() + (matrix + 1) * n * n);
    const auto at = [&](int64_t row, int64_t column) -> double& {
      return m[static_cast<size_t>(row * n + column)];
    };
    // Gauss's elimination with row exchange; the product of the pivots.
    double determinant = 1;
    for (int64_t k = 0; k < n && determinant != 0; ++k) {
      int64_t pivot = k;
      for (int64_t row = k + 1; row < n; ++row) {
        if (std::abs(at(row, k)) > std::abs(at(pivot, k))) pivot = row;
      }
      if (pivot != k) {
        for (int64_t column = k; column < n; ++column) std::swap(at(k, column), at(pivot, column));
        determinant = -determinant;
      }
      determinant *= at(k, k);
      if (at(k, k) == 0) break;
      for (int64_t row = k + 1; row < n; ++row) {
        const double factor = at(row, k) / at(k, k);
        for (int64_t column = k; column < n; ++column) at(row, column) -= factor * at(k, column);
      }
    }
    out->set_double(matrix, determinant);
  }
  return {};
}

}  // namespace sluice::ops::signal
