#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"
#include "op/operand.h"
#include "op/quantization.h"
#include "op/reals.h"
#include "ops/conv/conv.h"
#include "ops/conv/conv_kernels.h"

namespace sluice::ops::conv {

using op::WindowAxis;
using plan::KernelContext;

namespace {

using Doubles = std::vector<double>;

// One kernel tap of the outer axes (all but the innermost) that lies inside the input.
struct OuterTap {
  int64_t in_at;      // element offset of the input row within a channel
  int64_t kernel_at;  // element offset of the kernel row within one (m, c) kernel
};

Shape outer_shape(const ConvGeometry& g, int64_t WindowAxis::* extent) {
  Shape out;
  for (size_t i = 0; i + 1 < g.axes.size(); ++i) out.push_back(g.axes[i].*extent);
  return out;
}

// The taps that window position `at` (outer axes) sees.
void find_outer_taps(const ConvGeometry& g, const Shape& at, std::vector<OuterTap>& taps) {
  taps.clear();
  const WindowAxis& inner = g.axes.back();
  const Shape kernel = outer_shape(g, &WindowAxis::kernel);
  for (op::WindowAxis const& axis : g.axes) {
    if (axis.in == 0) return;
  }
  for (Odometer k(kernel); !k.done(); k.next()) {
    int64_t in_at = 0, kernel_at = 0;
    bool inside = true;
    for (int i = 0; i < kernel.rank() && inside; ++i) {
      const WindowAxis& axis = g.axes[static_cast<size_t>(i)];
      const int64_t place = axis.at(at[i], k[i]);
      inside = place >= 0 && place < axis.in;
      in_at = in_at * axis.in + place;
      kernel_at = kernel_at * axis.kernel + k[i];
    }
    if (inside) taps.push_back({in_at * inner.in, kernel_at * inner.kernel});
  }
}

// Calls emit(element, row) for every row of the output: `row` holds the finished sums of the
// elements from `element` on, bias included.
using EmitRow = FunctionRef<void(int64_t element, std::span<double> row)>;

void convolve(KernelContext& context, const ConvGeometry& g, const Doubles& x, const Doubles& w,
              const Doubles& bias, EmitRow emit) {
  const WindowAxis& inner = g.axes.back();
  const int64_t in_elems = g.in_elems(), kernel_elems = g.kernel_elems();
  const int64_t channels = g.in_channels_per_group();
  const Shape rows = outer_shape(g, &WindowAxis::out);
  const int64_t rows_elems = rows.elements();
  if (rows_elems == 0 || inner.out == 0) return;
  context.parallel_for(g.batch * g.out_channels, 1, [&](int64_t begin, int64_t end) {
    Doubles sums(static_cast<size_t>(inner.out));
    std::vector<OuterTap> taps;
    for (int64_t plane = begin; plane < end; ++plane) {
      const int64_t n = plane / g.out_channels, m = plane % g.out_channels;
      const int64_t group = m / g.out_channels_per_group();
      const double* x_group = x.data() + (n * g.in_channels + group * channels) * in_elems;
      const double* w_plane = w.data() + m * channels * kernel_elems;
      int64_t row = 0;
      for (Odometer at(rows); !at.done(); at.next(), ++row) {
        std::ranges::fill(sums, bias.empty() ? 0.0 : bias[static_cast<size_t>(m)]);
        find_outer_taps(g, at.index(), taps);
        for (int64_t c = 0; c < channels; ++c) {
          for (const OuterTap& tap : taps) {
            const double* x_row = x_group + c * in_elems + tap.in_at;
            const double* w_row = w_plane + c * kernel_elems + tap.kernel_at;
            for (int64_t k = 0; k < inner.kernel; ++k) {
              const double weight = w_row[k];
              const int64_t first = inner.first_inside(k), last = inner.last_inside(k);
              const double* source = x_row - inner.pad_begin + k * inner.dilation;
              double* sum = sums.data();
              if (inner.stride == 1) {
                for (int64_t o = first; o < last; ++o) sum[o] += weight * source[o];
              } else {
                for (int64_t o = first; o < last; ++o) sum[o] += weight * source[o * inner.stride];
              }
            }
          }
        }
        emit((plane * rows_elems + row) * inner.out, sums);
      }
    }
  });
}

Result<void> float_conv(KernelContext& context, const op::Activation& activation, bool residual) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const Tensor* w, op::input_tensor(context, 1, op::kFloats));
  const Tensor* bias = nullptr;
  if (context.has(2)) {
    SLUICE_ASSIGN(bias, op::input_tensor(context, 2, op::kFloats));
  }
  SLUICE_ASSIGN(const ConvGeometry g, conv_geometry(context.attrs(), x->shape(), w->shape(),
                                                    bias != nullptr ? &bias->shape() : nullptr));
  const Shape shape = conv_output_shape(g);
  Doubles added;
  if (residual && context.has(3)) {
    SLUICE_ASSIGN(const Tensor* z, op::input_tensor(context, 3, op::kFloats));
    if (!(z->shape() == shape)) {
      return usage_error(
          cat("The residual input has shape ", z->shape().text(), " (needs ", shape.text(), ")"));
    }
    added = op::reals(*z);
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), shape));
  convolve(context, g, op::reals(*x), op::reals(*w), bias != nullptr ? op::reals(*bias) : Doubles{},
           [&](int64_t element, std::span<double> row) {
             if (!added.empty()) {
               for (size_t i = 0; i < row.size(); ++i) {
                 row[i] += added[static_cast<size_t>(element) + i];
               }
             }
             if (activation.kind != op::Activation::Kind::kIdentity) {
               for (double& value : row) value = activation(value);
             }
             op::store_reals(*y, element, row);
           });
  return {};
}

// --- quantized operands

// One number, or one per output channel; nothing when absent.
Result<Doubles> per_channel(const KernelContext& context, int input, int64_t channels,
                            std::string_view what) {
  if (!context.has(input)) return Doubles{};
  SLUICE_ASSIGN(const Tensor* tensor, op::input_tensor(context, input));
  if (tensor->elements() != 1 && tensor->elements() != channels) {
    return usage_error(
        cat("The ", what, " has ", tensor->elements(), " elements (needs 1 or ", channels, ")"));
  }
  return op::reals(*tensor);
}

Result<double> one_number(const KernelContext& context, int input, std::string_view what,
                          double fallback) {
  if (!context.has(input)) return fallback;
  SLUICE_ASSIGN(const Tensor* tensor, op::input_tensor(context, input));
  if (tensor->elements() != 1) {
    return usage_error(cat("The ", what, " has ", tensor->elements(), " elements (needs 1)"));
  }
  return tensor->get_double(0);
}

double channel_value(const Doubles& values, int64_t m, double fallback) {
  if (values.empty()) return fallback;
  return values[values.size() == 1 ? 0 : static_cast<size_t>(m)];
}

// w - zero_point, per output channel.
Doubles centred_weights(const Tensor& w, const Doubles& zero_points) {
  Doubles out = op::reals(w);
  const int64_t channels = w.dim(0);
  if (w.elements() == 0) return out;
  const int64_t each = w.elements() / channels;
  for (int64_t i = 0; i < w.elements(); ++i) {
    out[static_cast<size_t>(i)] -= channel_value(zero_points, i / each, 0);
  }
  return out;
}

constexpr op::DTypeSet kBytes = {DType::kInt8, DType::kUInt8};

}  // namespace

Result<void> conv_reference(KernelContext& context) { return float_conv(context, {}, false); }

Result<void> fused_conv_reference(KernelContext& context) {
  SLUICE_ASSIGN(const op::Activation activation, fused_activation(context.attrs()));
  return float_conv(context, activation, true);
}

Result<void> conv_integer_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, kBytes));
  SLUICE_ASSIGN(const Tensor* w, op::input_tensor(context, 1, kBytes));
  SLUICE_ASSIGN(const ConvGeometry g, conv_geometry(context.attrs(), x->shape(), w->shape()));
  SLUICE_ASSIGN(const double x_zero, one_number(context, 2, "zero point of x", 0));
  SLUICE_ASSIGN(const Doubles w_zero, per_channel(context, 3, g.out_channels, "zero point of w"));
  // Padding stands for the real number zero, that is for x_zero: nothing is added for it.
  Doubles x_centred = op::reals(*x);
  for (double& value : x_centred) value -= x_zero;
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kInt32, conv_output_shape(g)));
  convolve(context, g, x_centred, centred_weights(*w, w_zero), {},
           [&](int64_t element, std::span<double> row) { op::store_reals(*y, element, row); });
  return {};
}

Result<void> dynamic_quantized_conv_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, {DType::kFloat32}));
  SLUICE_ASSIGN(const Tensor* w, op::input_tensor(context, 1, kBytes));
  SLUICE_ASSIGN(const double w_scale, one_number(context, 2, "scale of w", 1));
  const Tensor* bias = nullptr;
  if (context.has(4)) {
    SLUICE_ASSIGN(bias, op::input_tensor(context, 4, {DType::kFloat32}));
  }
  SLUICE_ASSIGN(const ConvGeometry g, conv_geometry(context.attrs(), x->shape(), w->shape(),
                                                    bias != nullptr ? &bias->shape() : nullptr));
  SLUICE_ASSIGN(const Doubles w_zero, per_channel(context, 3, g.out_channels, "zero point of w"));
  SLUICE_ASSIGN(const op::Activation activation, fused_activation(context.attrs()));
  Doubles centred = op::reals(*x);
  const op::DynamicScale found = op::dynamic_scale(centred);
  for (double& value : centred) {
    const float quotient = static_cast<float>(value) / found.scale;
    value = static_cast<double>(op::quantize_to(DType::kUInt8, quotient, found.zero_point) -
                                found.zero_point);
  }
  const float scale = found.scale * static_cast<float>(w_scale);
  const int64_t plane_elems = g.out_elems();
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, conv_output_shape(g)));
  convolve(context, g, centred, centred_weights(*w, w_zero), {},
           [&](int64_t element, std::span<double> row) {
             const int64_t m = element / plane_elems % g.out_channels;
             for (double& value : row) {
               float real = static_cast<float>(value) * scale;
               if (bias != nullptr) real += bias->data<float>()[m];
               value = activation(static_cast<double>(real));
             }
             op::store_reals(*y, element, row);
           });
  return {};
}

Result<void> qlinear_conv_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, kBytes));
  SLUICE_ASSIGN(const Tensor* w, op::input_tensor(context, 3, kBytes));
  SLUICE_ASSIGN(const Tensor* y_zero_point, op::input_tensor(context, 7, kBytes));
  const Tensor* bias = nullptr;
  if (context.has(8)) {
    SLUICE_ASSIGN(bias, op::input_tensor(context, 8, {DType::kInt32}));
  }
  SLUICE_ASSIGN(const ConvGeometry g, conv_geometry(context.attrs(), x->shape(), w->shape(),
                                                    bias != nullptr ? &bias->shape() : nullptr));
  SLUICE_ASSIGN(const double x_scale, one_number(context, 1, "scale of x", 1));
  SLUICE_ASSIGN(const double x_zero, one_number(context, 2, "zero point of x", 0));
  SLUICE_ASSIGN(const Doubles w_scale, per_channel(context, 4, g.out_channels, "scale of w"));
  SLUICE_ASSIGN(const Doubles w_zero, per_channel(context, 5, g.out_channels, "zero point of w"));
  SLUICE_ASSIGN(const double y_scale, one_number(context, 6, "scale of y", 1));
  SLUICE_ASSIGN(const double y_zero, one_number(context, 7, "zero point of y", 0));
  const DType dtype = y_zero_point->dtype();
  const auto low = static_cast<double>(integer_min(dtype));
  const auto high = static_cast<double>(integer_max(dtype));
  Doubles x_centred = op::reals(*x);
  for (double& value : x_centred) value -= x_zero;
  SLUICE_ASSIGN(Tensor * y, context.out(0, dtype, conv_output_shape(g)));
  const int64_t plane_elems = g.out_elems();
  convolve(context, g, x_centred, centred_weights(*w, w_zero),
           bias != nullptr ? op::reals(*bias) : Doubles{},
           [&](int64_t element, std::span<double> row) {
             const int64_t m = element / plane_elems % g.out_channels;
             // Factor and product in float32, as runtimes have them, so that halves fall alike.
             const auto factor = static_cast<float>(x_scale * channel_value(w_scale, m, 1)) /
                                 static_cast<float>(y_scale);
             for (double& value : row) {
               // nearbyint: halves go to the even neighbour.
               const double q =
                   static_cast<double>(std::nearbyint(static_cast<float>(value) * factor)) + y_zero;
               value = std::isnan(q) ? y_zero : std::clamp(q, low, high);
             }
             op::store_reals(*y, element, row);
           });
  return {};
}

Result<void> conv_transpose_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const Tensor* w, op::input_tensor(context, 1, op::kFloats));
  const Tensor* bias = nullptr;
  if (context.has(2)) {
    SLUICE_ASSIGN(bias, op::input_tensor(context, 2, op::kFloats));
  }
  SLUICE_ASSIGN(const ConvGeometry g,
                conv_transpose_geometry(context.attrs(), x->shape(), w->shape(),
                                        bias != nullptr ? &bias->shape() : nullptr));
  const Doubles x_values = op::reals(*x), w_values = op::reals(*w);
  const Doubles bias_values = bias != nullptr ? op::reals(*bias) : Doubles{};
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), conv_transpose_output_shape(g)));
  const WindowAxis& inner = g.axes.back();
  const Shape rows = outer_shape(g, &WindowAxis::out);
  // `in` and `out` of the axes are swapped here: x has out_elems per channel.
  const int64_t x_elems = g.out_elems(), y_elems = g.in_elems(), kernel_elems = g.kernel_elems();
  const int64_t channels = g.in_channels_per_group(), made = g.out_channels_per_group();
  if (y_elems == 0) return {};
  context.parallel_for(g.batch * g.out_channels, 1, [&](int64_t begin, int64_t end) {
    Doubles sums(static_cast<size_t>(y_elems));
    std::vector<OuterTap> taps;
    for (int64_t plane = begin; plane < end; ++plane) {
      const int64_t n = plane / g.out_channels, m = plane % g.out_channels, group = m / made;
      std::ranges::fill(sums, bias_values.empty() ? 0.0 : bias_values[static_cast<size_t>(m)]);
      int64_t row = 0;
      for (Odometer at(rows); x_elems != 0 && !at.done(); at.next(), ++row) {
        find_outer_taps(g, at.index(), taps);
        for (int64_t c = group * channels; c < (group + 1) * channels; ++c) {
          const double* x_row =
              x_values.data() + (n * g.in_channels + c) * x_elems + row * inner.out;
          const double* kernel = w_values.data() + (c * made + m % made) * kernel_elems;
          for (const OuterTap& tap : taps) {
            for (int64_t k = 0; k < inner.kernel; ++k) {
              const double weight = kernel[tap.kernel_at + k];
              const int64_t first = inner.first_inside(k), last = inner.last_inside(k);
              double* sum = sums.data() + tap.in_at;
              for (int64_t i = first; i < last; ++i) sum[inner.at(i, k)] += weight * x_row[i];
            }
          }
        }
      }
      op::store_reals(*y, plane * y_elems, sums);
    }
  });
  return {};
}

namespace {

// Multilinear interpolation of one channel at `place`; zero outside.
double sample(const double* channel, const ConvGeometry& g, const double* place) {
  const size_t rank = g.axes.size();
  std::array<int64_t, kMaxRank> low = {};
  std::array<double, kMaxRank> fraction = {};
  for (size_t i = 0; i < rank; ++i) {
    // Also false for NaN.
    if (!(place[i] > -1 && place[i] < static_cast<double>(g.axes[i].in))) return 0;
    const double floor = std::floor(place[i]);
    low[i] = static_cast<int64_t>(floor);
    fraction[i] = place[i] - floor;
  }
  double sum = 0;
  for (unsigned corner = 0; corner < (1u << rank); ++corner) {
    double weight = 1;
    int64_t at = 0;
    bool inside = true;
    for (size_t i = 0; i < rank; ++i) {
      const bool high = (corner >> i & 1u) != 0;
      const int64_t index = low[i] + (high ? 1 : 0);
      inside = inside && index >= 0 && index < g.axes[i].in;
      weight *= high ? fraction[i] : 1 - fraction[i];
      at = at * g.axes[i].in + index;
    }
    if (inside && weight != 0) sum += weight * channel[at];
  }
  return sum;
}

}  // namespace

Result<void> deform_conv_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const Tensor* w, op::input_tensor(context, 1, op::kFloats));
  SLUICE_ASSIGN(const Tensor* offset, op::input_tensor(context, 2, op::kFloats));
  const Tensor* bias = nullptr;
  const Tensor* mask = nullptr;
  if (context.has(3)) {
    SLUICE_ASSIGN(bias, op::input_tensor(context, 3, op::kFloats));
  }
  if (context.has(4)) {
    SLUICE_ASSIGN(mask, op::input_tensor(context, 4, op::kFloats));
  }
  SLUICE_ASSIGN(const ConvGeometry g, conv_geometry(context.attrs(), x->shape(), w->shape(),
                                                    bias != nullptr ? &bias->shape() : nullptr));
  const int64_t offset_groups = context.attrs().int_or("offset_group", 1);
  if (offset_groups < 1 || g.in_channels % offset_groups != 0) {
    return usage_error(cat("Attribute offset_group is ", offset_groups,
                           " (must be positive and divide the ", g.in_channels, " channels)"));
  }
  const auto rank = static_cast<int64_t>(g.axes.size());
  const int64_t taps = g.kernel_elems(), positions = g.out_elems(), in_elems = g.in_elems();
  const Shape shape = conv_output_shape(g);
  Shape offset_shape = shape, mask_shape = shape;
  if (__builtin_mul_overflow(offset_groups, taps, &mask_shape[1]) ||
      __builtin_mul_overflow(mask_shape[1], rank, &offset_shape[1])) {
    return usage_error("The number of offsets is too large");
  }
  if (!(offset->shape() == offset_shape)) {
    return usage_error(cat("The offsets have shape ", offset->shape().text(), " (needs ",
                           offset_shape.text(), ")"));
  }
  if (mask != nullptr && !(mask->shape() == mask_shape)) {
    return usage_error(
        cat("The mask has shape ", mask->shape().text(), " (needs ", mask_shape.text(), ")"));
  }
  const Doubles x_values = op::reals(*x), w_values = op::reals(*w), offsets = op::reals(*offset);
  const Doubles bias_values = bias != nullptr ? op::reals(*bias) : Doubles{};
  const Doubles masks = mask != nullptr ? op::reals(*mask) : Doubles{};
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), shape));
  if (positions == 0 || g.batch == 0 || g.out_channels == 0) return {};

  Shape out_spatial, kernel_spatial;
  for (const WindowAxis& axis : g.axes) {
    out_spatial.push_back(axis.out);
    kernel_spatial.push_back(axis.kernel);
  }
  const int64_t per_offset_group = g.in_channels / offset_groups;
  const int64_t channels = g.in_channels_per_group(), made = g.out_channels_per_group();
  const auto columns_size = Shape{g.in_channels, taps}.checked_elements();
  if (!columns_size) return resource_error("The window times the channels is too large");
  Doubles columns(static_cast<size_t>(*columns_size));
  Doubles sums(static_cast<size_t>(g.out_channels));
  for (int64_t n = 0; n < g.batch; ++n) {
    int64_t position = 0;
    for (Odometer o(out_spatial); !o.done(); o.next(), ++position) {
      // columns[c, tap]: the sampled, masked input that this output position sees.
      int64_t tap = 0;
      for (Odometer k(kernel_spatial); !k.done(); k.next(), ++tap) {
        for (int64_t group = 0; group < offset_groups; ++group) {
          std::array<double, kMaxRank> place = {};
          const int64_t entry = (n * offset_groups + group) * taps + tap;
          for (int64_t i = 0; i < rank; ++i) {
            const WindowAxis& axis = g.axes[static_cast<size_t>(i)];
            place[static_cast<size_t>(i)] =
                static_cast<double>(axis.at(o[static_cast<int>(i)], k[static_cast<int>(i)])) +
                offsets[static_cast<size_t>((entry * rank + i) * positions + position)];
          }
          const double scale =
              masks.empty() ? 1.0 : masks[static_cast<size_t>(entry * positions + position)];
          for (int64_t c = group * per_offset_group; c < (group + 1) * per_offset_group; ++c) {
            columns[static_cast<size_t>(c * taps + tap)] =
                scale *
                sample(x_values.data() + (n * g.in_channels + c) * in_elems, g, place.data());
          }
        }
      }
      for (int64_t m = 0; m < g.out_channels; ++m) {
        double sum = bias_values.empty() ? 0.0 : bias_values[static_cast<size_t>(m)];
        const double* weights = w_values.data() + m * channels * taps;
        const double* column = columns.data() + m / made * channels * taps;
        for (int64_t i = 0; i < channels * taps; ++i) sum += weights[i] * column[i];
        y->set_double((n * g.out_channels + m) * positions + position, sum);
      }
    }
  }
  return {};
}

Result<void> causal_conv_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const Tensor* w, op::input_tensor(context, 1, op::kFloats));
  if (x->rank() != 3 || w->rank() != 3 || w->dim(0) != x->dim(1) || w->dim(1) != 1 ||
      w->dim(2) < 1) {
    return usage_error(cat("Input ", x->shape().text(), " and weight ", w->shape().text(),
                           " must be [batch,channels,length] and [channels,1,k]"));
  }
  const int64_t batch = x->dim(0), channels = x->dim(1), length = x->dim(2);
  const int64_t taps = w->dim(2), kept = taps - 1;
  Doubles bias, past;
  if (context.has(2)) {
    SLUICE_ASSIGN(const Tensor* tensor, op::input_tensor(context, 2, op::kFloats));
    if (!(tensor->shape() == Shape{channels})) {
      return usage_error(
          cat("The bias has shape ", tensor->shape().text(), " (needs [", channels, "])"));
    }
    bias = op::reals(*tensor);
  }
  const Shape state_shape{batch, channels, kept};
  if (context.has(3)) {
    SLUICE_ASSIGN(const Tensor* tensor, op::input_tensor(context, 3, op::kFloats));
    if (!(tensor->shape() == state_shape)) {
      return usage_error(cat("The past state has shape ", tensor->shape().text(), " (needs ",
                             state_shape.text(), ")"));
    }
    past = op::reals(*tensor);
  }
  const std::string activation = context.attrs().string_or("activation", "none");
  if (activation != "none" && activation != "silu" && activation != "swish") {
    return unsupported(cat("Activation ", quoted(activation), " is not known"));
  }
  const Doubles x_values = op::reals(*x), w_values = op::reals(*w);
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), x->shape()));
  SLUICE_ASSIGN(Tensor * state, context.out(1, x->dtype(), state_shape));
  // sequence: the kept past (or zeros), then this call's input.
  Doubles sequence(static_cast<size_t>(kept + length)), row(static_cast<size_t>(length));
  for (int64_t plane = 0; plane < batch * channels; ++plane) {
    const auto c = static_cast<size_t>(plane % channels);
    for (int64_t i = 0; i < kept; ++i) {
      sequence[static_cast<size_t>(i)] =
          past.empty() ? 0 : past[static_cast<size_t>(plane * kept + i)];
    }
    std::copy_n(x_values.begin() + plane * length, length, sequence.begin() + kept);
    for (int64_t t = 0; t < length; ++t) {
      double sum = bias.empty() ? 0.0 : bias[c];
      for (int64_t k = 0; k < taps; ++k) {
        sum += w_values[c * static_cast<size_t>(taps) + static_cast<size_t>(k)] *
               sequence[static_cast<size_t>(t + k)];
      }
      row[static_cast<size_t>(t)] = activation == "none" ? sum : sum / (1 + std::exp(-sum));
    }
    op::store_reals(*y, plane * length, row);
    op::store_reals(*state, plane * kept, std::span(sequence).subspan(static_cast<size_t>(length)));
  }
  return {};
}

}  // namespace sluice::ops::conv
