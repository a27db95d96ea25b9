#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "op/operand.h"
#include "op/reals.h"
#include "ops/pool/pool.h"
#include "ops/pool/pool_kernels.h"

namespace sluice::ops::pool {

using op::WindowAxis;
using plan::KernelContext;

namespace {

using Doubles = std::vector<double>;

int64_t ceil_div(int64_t a, int64_t b) { return a / b + (a % b > 0); }

// What one window position sees: the places inside the image, as element offsets within a channel,
// in row-major order of the taps.
struct Window {
  std::vector<int64_t> inside;
  int64_t padded_count = 0;  // taps inside the image or its padding
};

void find_window(const PoolGeometry& g, const Odometer& at, Window& window) {
  window.inside.clear();
  window.padded_count = 1;
  Shape first, counts;
  const int rank = static_cast<int>(g.axes.size());
  for (int i = 0; i < rank; ++i) {
    const WindowAxis& axis = g.axes[static_cast<size_t>(i)];
    const int64_t start = axis.at(at[i], 0);
    const int64_t begin = std::clamp<int64_t>(ceil_div(-start, axis.dilation), 0, axis.kernel);
    const int64_t end =
        std::clamp<int64_t>(ceil_div(axis.in - start, axis.dilation), begin, axis.kernel);
    first.push_back(start + begin * axis.dilation);
    counts.push_back(end - begin);
    window.padded_count *= std::clamp<int64_t>(
        ceil_div(axis.in + axis.pad_end - start, axis.dilation), 0, axis.kernel);
  }
  for (Odometer k(counts); !k.done(); k.next()) {
    int64_t offset = 0;
    for (int i = 0; i < rank; ++i) {
      const WindowAxis& axis = g.axes[static_cast<size_t>(i)];
      offset = offset * axis.in + first[i] + k[i] * axis.dilation;
    }
    window.inside.push_back(offset);
  }
}

// One channel of one image. Element j of it stands at base + j * stride.
struct Plane {
  const double* base;
  int64_t stride;
  int64_t index;  // n * channels + c
  double operator[](int64_t j) const { return base[j * stride]; }
};

// Reduces every window of every channel: out[element] = reduce(window, plane, element).
template <class Reduce>
Doubles pool(KernelContext& context, const PoolGeometry& g, const Doubles& x, Reduce&& reduce) {
  const int64_t in_elems = g.in_elems(), out_elems = g.out_elems();
  const int64_t planes = g.batch * g.channels;
  const int64_t stride = g.channels_last ? g.channels : 1;
  Shape positions;
  for (const WindowAxis& axis : g.axes) positions.push_back(axis.out);
  Doubles out(static_cast<size_t>(planes * out_elems));
  context.parallel_for(planes, 16, [&](int64_t begin, int64_t end) {
    Window window;
    int64_t position = 0;
    for (Odometer at(positions); !at.done(); at.next(), ++position) {
      find_window(g, at, window);
      for (int64_t p = begin; p < end; ++p) {
        const int64_t n = p / g.channels, c = p % g.channels;
        const int64_t in_at = g.channels_last ? n * in_elems * stride + c : p * in_elems;
        const int64_t out_at =
            g.channels_last ? (n * out_elems + position) * stride + c : p * out_elems + position;
        out[static_cast<size_t>(out_at)] =
            reduce(window, Plane{x.data() + in_at, stride, p}, out_at);
      }
    }
  });
  return out;
}

double lowest(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return std::numeric_limits<float>::lowest();
    case DType::kFloat16:
      return -65504;
    case DType::kBFloat16:
      return -3.3895313892515355e38;
    case DType::kFloat64:
      return std::numeric_limits<double>::lowest();
    default:
      return static_cast<double>(integer_min(dtype));
  }
}

// The offset within the plane of the first of the largest elements; -1 when there is none.
int64_t find_largest(const Window& window, const Plane& plane) {
  int64_t best = -1;
  for (const int64_t offset : window.inside) {
    if (best < 0 || plane[offset] > plane[best]) best = offset;
  }
  return best;
}

double average(const Window& window, const Plane& plane, bool count_padding) {
  double sum = 0;
  for (const int64_t offset : window.inside) sum += plane[offset];
  const int64_t count =
      count_padding ? window.padded_count : static_cast<int64_t>(window.inside.size());
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

double lp_norm(const Window& window, const Plane& plane, double p) {
  double sum = 0;
  for (const int64_t offset : window.inside) sum += std::pow(std::abs(plane[offset]), p);
  return std::pow(sum, 1 / p);
}

constexpr op::DTypeSet kBytes = {DType::kInt8, DType::kUInt8};
constexpr op::DTypeSet kMaxPoolTypes = op::kFloats | kBytes;

// An integer since opset 2, a float before.
Result<double> read_p(const AttrMap& attrs) {
  const double p = attrs.float_or("p", static_cast<float>(attrs.int_or("p", 2)));
  if (!(p > 0)) return invalid_model(cat("Attribute p is ", p, " (must be positive)"));
  return p;
}

Result<void> max_pool(KernelContext& context, const Tensor& x, const PoolGeometry& g) {
  const Shape shape = pool_output_shape(g);
  SLUICE_ASSIGN(Tensor * y, context.out(0, x.dtype(), shape));
  Tensor* indices = nullptr;
  if (context.output_count() > 1 && context.wants(1)) {
    SLUICE_ASSIGN(indices, context.out(1, DType::kInt64, shape));
  }
  const bool column_major = context.attrs().int_or("storage_order", 0) == 1;
  const int64_t in_elems = g.in_elems();
  const double nothing = lowest(x.dtype());
  const Doubles values = op::reals(x);
  const Doubles out =
      pool(context, g, values, [&](const Window& window, const Plane& plane, int64_t element) {
        const int64_t best = find_largest(window, plane);
        if (indices != nullptr) {
          int64_t index = best;
          if (column_major && best >= 0) {
            // Reads the coordinates off the row-major offset, innermost axis first.
            int64_t rest = best, stride = in_elems;
            index = 0;
            for (size_t i = g.axes.size(); i-- > 0;) {
              stride /= g.axes[i].in;
              index += rest % g.axes[i].in * stride;
              rest /= g.axes[i].in;
            }
          }
          indices->mutable_data<int64_t>()[element] =
              best < 0 ? -1 : plane.index * in_elems + index;
        }
        return best < 0 ? nothing : plane[best];
      });
  op::store_reals(*y, 0, out);
  return {};
}

Result<void> average_pool(KernelContext& context, const Tensor& x, const PoolGeometry& g,
                          bool count_padding) {
  SLUICE_ASSIGN(Tensor * y, context.out(0, x.dtype(), pool_output_shape(g)));
  const Doubles values = op::reals(x);
  op::store_reals(*y, 0,
                  pool(context, g, values, [&](const Window& window, const Plane& plane, int64_t) {
                    return average(window, plane, count_padding);
                  }));
  return {};
}

Result<void> lp_pool(KernelContext& context, const Tensor& x, const PoolGeometry& g) {
  SLUICE_ASSIGN(const double p, read_p(context.attrs()));
  SLUICE_ASSIGN(Tensor * y, context.out(0, x.dtype(), pool_output_shape(g)));
  const Doubles values = op::reals(x);
  op::store_reals(*y, 0,
                  pool(context, g, values, [&](const Window& window, const Plane& plane, int64_t) {
                    return lp_norm(window, plane, p);
                  }));
  return {};
}

// A scalar operand, or the fallback when it is absent.
Result<double> one_number(const KernelContext& context, int input, double fallback) {
  if (!context.has(input)) return fallback;
  SLUICE_ASSIGN(const Tensor* tensor, op::input_tensor(context, input));
  if (tensor->elements() != 1) {
    return usage_error(cat("Input ", input, " has ", tensor->elements(), " elements (needs 1)"));
  }
  return tensor->get_double(0);
}

Result<void> qlinear_average(KernelContext& context, const Tensor& x, const PoolGeometry& g,
                             bool count_padding) {
  SLUICE_ASSIGN(const double x_scale, one_number(context, 1, 1));
  SLUICE_ASSIGN(const double x_zero, one_number(context, 2, 0));
  SLUICE_ASSIGN(const double y_scale, one_number(context, 3, 1));
  SLUICE_ASSIGN(const double y_zero, one_number(context, 4, 0));
  // Real numbers in float32, as runtimes have them, so that halves fall alike.
  Doubles values = op::reals(x);
  for (double& value : values) value = static_cast<float>((value - x_zero) * x_scale);
  SLUICE_ASSIGN(Tensor * y, context.out(0, x.dtype(), pool_output_shape(g)));
  const auto low = static_cast<double>(integer_min(x.dtype()));
  const auto high = static_cast<double>(integer_max(x.dtype()));
  const Doubles out =
      pool(context, g, values, [&](const Window& window, const Plane& plane, int64_t) {
        float sum = 0;
        for (const int64_t offset : window.inside) sum += static_cast<float>(plane[offset]);
        const int64_t count =
            count_padding ? window.padded_count : static_cast<int64_t>(window.inside.size());
        const float mean = count == 0 ? 0 : sum / static_cast<float>(count);
        // nearbyint: halves go to the even neighbour.
        const double q = std::nearbyint(mean / static_cast<float>(y_scale)) + y_zero;
        return std::isnan(q) ? y_zero : std::clamp(q, low, high);
      });
  op::store_reals(*y, 0, out);
  return {};
}

}  // namespace

Result<void> max_pool_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, kMaxPoolTypes));
  SLUICE_ASSIGN(const PoolGeometry g, pool_geometry(context.attrs(), x->shape()));
  return max_pool(context, *x, g);
}

Result<void> global_max_pool_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const PoolGeometry g, global_pool_geometry(x->shape()));
  return max_pool(context, *x, g);
}

Result<void> average_pool_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const PoolGeometry g, pool_geometry(context.attrs(), x->shape()));
  return average_pool(context, *x, g, context.attrs().int_or("count_include_pad", 0) != 0);
}

Result<void> global_average_pool_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const PoolGeometry g, global_pool_geometry(x->shape()));
  return average_pool(context, *x, g, false);
}

Result<void> lp_pool_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const PoolGeometry g, pool_geometry(context.attrs(), x->shape()));
  return lp_pool(context, *x, g);
}

Result<void> global_lp_pool_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const PoolGeometry g, global_pool_geometry(x->shape()));
  return lp_pool(context, *x, g);
}

Result<void> qlinear_average_pool_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, kBytes));
  SLUICE_ASSIGN(
      const PoolGeometry g,
      pool_geometry(context.attrs(), x->shape(), context.attrs().int_or("channels_last", 0) != 0));
  return qlinear_average(context, *x, g, context.attrs().int_or("count_include_pad", 0) != 0);
}

Result<void> qlinear_global_average_pool_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, kBytes));
  SLUICE_ASSIGN(const PoolGeometry g,
                global_pool_geometry(x->shape(), context.attrs().int_or("channels_last", 0) != 0));
  return qlinear_average(context, *x, g, false);
}

Result<void> max_unpool_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const Tensor* indices, op::input_tensor(context, 1, {DType::kInt64}));
  if (!(indices->shape() == x->shape())) {
    return usage_error(cat("The indices have shape ", indices->shape().text(), " (needs ",
                           x->shape().text(), ")"));
  }
  SLUICE_ASSIGN(const Shape counted, unpooled_shape(context.attrs(), x->shape()));
  Shape shape = counted;
  if (context.has(2)) {
    SLUICE_ASSIGN(const Tensor* wanted, op::input_tensor(context, 2, {DType::kInt64}));
    if (wanted->rank() != 1 || wanted->elements() != counted.rank()) {
      return usage_error(
          cat("output_shape has ", wanted->elements(), " entries (needs ", counted.rank(), ")"));
    }
    shape = Shape(wanted->to_ints());
    if (shape[0] != counted[0] || shape[1] != counted[1] || !shape.checked_elements()) {
      return usage_error(cat("output_shape is ", shape.text(), ", which does not fit the input ",
                             x->shape().text()));
    }
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), shape));
  for (std::byte& byte : y->mutable_bytes()) byte = std::byte{0};
  // An index counts through the shape that the attributes give; the output may be larger (or
  // smaller, as long as nothing falls outside).
  const int64_t limit = counted.elements();
  for (int64_t i = 0; i < x->elements(); ++i) {
    int64_t rest = indices->get_int(i);
    if (rest < 0 || rest >= limit) {
      return usage_error(cat("Index ", rest, " is out of range (", limit, " elements)"));
    }
    int64_t to = 0, stride = 1;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      const int64_t at = rest % counted[axis];
      rest /= counted[axis];
      if (at >= shape[axis]) {
        return usage_error(
            cat("Index ", indices->get_int(i), " falls outside output ", shape.text()));
      }
      to += at * stride;
      stride *= shape[axis];
    }
    y->set_double(to, x->get_double(i));
  }
  return {};
}

Result<void> max_roi_pool_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const Tensor* rois, op::input_tensor(context, 1, op::kFloats));
  const auto pooled = context.attrs().ints_or("pooled_shape");
  const double scale = context.attrs().float_or("spatial_scale", 1);
  if (x->rank() != 4 || rois->rank() != 2 || rois->dim(1) != 5) {
    return usage_error(cat("Input ", x->shape().text(), " and regions ", rois->shape().text(),
                           " must be [N,C,H,W] and [regions,5]"));
  }
  if (pooled.size() != 2 || pooled[0] < 1 || pooled[1] < 1) {
    return invalid_model("Attribute pooled_shape must be two positive numbers");
  }
  const int64_t channels = x->dim(1), height = x->dim(2), width = x->dim(3);
  const Shape shape{rois->dim(0), channels, pooled[0], pooled[1]};
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), shape));
  const Doubles values = op::reals(*x);
  int64_t element = 0;
  for (int64_t r = 0; r < rois->dim(0); ++r) {
    const double image = rois->get_double(r * 5);
    if (!(image >= 0 && image < static_cast<double>(x->dim(0)))) {
      return usage_error(
          cat("Region ", r, " names image ", image, " (the batch has ", x->dim(0), ")"));
    }
    double corner[4];  // x1, y1, x2, y2, in whole pixels
    for (int i = 0; i < 4; ++i) corner[i] = std::round(rois->get_double(r * 5 + 1 + i) * scale);
    const double bin_h = std::max(corner[3] - corner[1] + 1, 1.0) / static_cast<double>(pooled[0]);
    const double bin_w = std::max(corner[2] - corner[0] + 1, 1.0) / static_cast<double>(pooled[1]);
    // The pixels [first, last) of a bin, cut to the image; false for NaN.
    const auto bin = [](int64_t i, double size, double start, int64_t limit, int64_t& first,
                        int64_t& last) {
      const double from = std::floor(static_cast<double>(i) * size) + start;
      const double to = std::ceil(static_cast<double>(i + 1) * size) + start;
      const auto top = static_cast<double>(limit);
      first = static_cast<int64_t>(from > 0 ? std::min(from, top) : 0.0);
      last = static_cast<int64_t>(to > 0 ? std::min(to, top) : 0.0);
    };
    for (int64_t c = 0; c < channels; ++c) {
      const double* plane =
          values.data() + (static_cast<int64_t>(image) * channels + c) * height * width;
      for (int64_t ph = 0; ph < pooled[0]; ++ph) {
        for (int64_t pw = 0; pw < pooled[1]; ++pw, ++element) {
          int64_t top, bottom, left, right;
          bin(ph, bin_h, corner[1], height, top, bottom);
          bin(pw, bin_w, corner[0], width, left, right);
          double best = 0;
          bool any = false;
          for (int64_t row = top; row < bottom; ++row) {
            for (int64_t column = left; column < right; ++column) {
              const double value = plane[row * width + column];
              if (!any || value > best) best = value;
              any = true;
            }
          }
          y->set_double(element, best);
        }
      }
    }
  }
  return {};
}

namespace {

// Bilinear sample positions along one axis of a region: two neighbours and the upper one's weight.
struct Tap {
  int64_t low = 0, high = 0;
  double fraction = 0;
  bool outside = true;
};

Tap roi_tap(double at, int64_t extent) {
  Tap tap;
  if (!(at >= -1 && at <= static_cast<double>(extent))) return tap;
  tap.outside = false;
  at = std::max(at, 0.0);
  tap.low = static_cast<int64_t>(at);
  if (tap.low >= extent - 1) {
    tap.low = tap.high = extent - 1;
  } else {
    tap.high = tap.low + 1;
    tap.fraction = at - static_cast<double>(tap.low);
  }
  return tap;
}

}  // namespace

Result<void> roi_align_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const Tensor* rois, op::input_tensor(context, 1, op::kFloats));
  SLUICE_ASSIGN(const Tensor* images, op::input_tensor(context, 2, op::kIndices));
  if (x->rank() != 4 || rois->rank() != 2 || rois->dim(1) != 4 || images->rank() != 1 ||
      images->dim(0) != rois->dim(0)) {
    return usage_error(cat("Input ", x->shape().text(), ", regions ", rois->shape().text(),
                           " and batch indices ", images->shape().text(),
                           " must be [N,C,H,W], [regions,4] and [regions]"));
  }
  const AttrMap& attrs = context.attrs();
  const int64_t out_h = attrs.int_or("output_height", 1), out_w = attrs.int_or("output_width", 1);
  const int64_t sampling = attrs.int_or("sampling_ratio", 0);
  const double scale = attrs.float_or("spatial_scale", 1);
  const std::string mode = attrs.string_or("mode", "avg");
  const bool half_pixel =
      attrs.string_or("coordinate_transformation_mode", "half_pixel") == "half_pixel";
  if (out_h < 1 || out_w < 1 || (mode != "avg" && mode != "max")) {
    return invalid_model(cat("The output is ", out_h, " x ", out_w, " in mode ", quoted(mode),
                             " (must be positive, and avg or max)"));
  }
  const int64_t channels = x->dim(1), height = x->dim(2), width = x->dim(3);
  const Shape shape{rois->dim(0), channels, out_h, out_w};
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), shape));
  if (y->elements() == 0) return {};
  if (height == 0 || width == 0) return usage_error("The feature map is empty");
  const Doubles values = op::reals(*x);
  const double offset = half_pixel ? 0.5 : 0;
  constexpr double kGridLimit = 1 << 14;  // samples per bin and axis; a sane region needs a handful
  int64_t element = 0;
  for (int64_t r = 0; r < rois->dim(0); ++r) {
    const int64_t image = images->get_int(r);
    if (image < 0 || image >= x->dim(0)) {
      return usage_error(
          cat("Region ", r, " names image ", image, " (the batch has ", x->dim(0), ")"));
    }
    double corner[4];  // x1, y1, x2, y2
    for (int i = 0; i < 4; ++i) corner[i] = rois->get_double(r * 4 + i) * scale - offset;
    double roi_w = corner[2] - corner[0], roi_h = corner[3] - corner[1];
    if (!half_pixel) {
      roi_w = std::max(roi_w, 1.0);
      roi_h = std::max(roi_h, 1.0);
    }
    const double bin_h = roi_h / static_cast<double>(out_h);
    const double bin_w = roi_w / static_cast<double>(out_w);
    const double wanted_h = sampling > 0 ? static_cast<double>(sampling) : std::ceil(bin_h);
    const double wanted_w = sampling > 0 ? static_cast<double>(sampling) : std::ceil(bin_w);
    if (!(wanted_h <= kGridLimit && wanted_w <= kGridLimit)) {
      return unsupported(cat("Region ", r, " needs ", wanted_h, " x ", wanted_w,
                             " samples per bin (the limit is ", kGridLimit, ")"));
    }
    const auto grid_h = static_cast<int64_t>(std::max(wanted_h, 0.0));
    const auto grid_w = static_cast<int64_t>(std::max(wanted_w, 0.0));
    const double count = std::max(static_cast<double>(grid_h * grid_w), 1.0);
    const auto place = [](double start, int64_t bin, double size, int64_t i, int64_t grid) {
      return start + static_cast<double>(bin) * size +
             (static_cast<double>(i) + 0.5) * size / static_cast<double>(grid);
    };
    for (int64_t c = 0; c < channels; ++c) {
      const double* plane = values.data() + (image * channels + c) * height * width;
      for (int64_t ph = 0; ph < out_h; ++ph) {
        for (int64_t pw = 0; pw < out_w; ++pw, ++element) {
          double sum = 0, best = 0;
          bool any = false;
          for (int64_t iy = 0; iy < grid_h; ++iy) {
            const Tap row = roi_tap(place(corner[1], ph, bin_h, iy, grid_h), height);
            for (int64_t ix = 0; ix < grid_w; ++ix) {
              const Tap column = roi_tap(place(corner[0], pw, bin_w, ix, grid_w), width);
              double parts[4] = {0, 0, 0, 0};
              if (!row.outside && !column.outside) {
                const double fy = row.fraction, fx = column.fraction;
                parts[0] = (1 - fy) * (1 - fx) * plane[row.low * width + column.low];
                parts[1] = (1 - fy) * fx * plane[row.low * width + column.high];
                parts[2] = fy * (1 - fx) * plane[row.high * width + column.low];
                parts[3] = fy * fx * plane[row.high * width + column.high];
              }
              sum += parts[0] + parts[1] + parts[2] + parts[3];
              // The specification's maximum is over the weighted neighbours, not over samples.
              for (const double part : parts) {
                if (!any || part > best) best = part;
                any = true;
              }
            }
          }
          y->set_double(element, mode == "avg" ? sum / count : best);
        }
      }
    }
  }
  return {};
}

}  // namespace sluice::ops::pool
