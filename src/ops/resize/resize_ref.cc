#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/text.h"
#include "op/elements.h"
#include "op/operand.h"
#include "op/reals.h"
#include "op/window.h"
#include "ops/resize/resize.h"
#include "ops/resize/resize_kernels.h"

namespace sluice::ops::resize {

using plan::KernelContext;

namespace {

using Doubles = std::vector<double>;

// Contents of an optional operand; an empty tensor counts as absent (opset 11 and 12 exports).
Result<Doubles> optional_reals(const KernelContext& context, int i, op::DTypeSet allowed) {
  if (!context.has(i)) return Doubles{};
  SLUICE_ASSIGN(const Tensor* tensor, op::input_tensor(context, i, allowed));
  return op::reals(*tensor);
}

// Applies one axis' table to a float64 tensor; returns it with that axis resized.
Result<Tensor> apply_axis(const Tensor& values, int at, const ResizeAxis& axis) {
  Shape shape = values.shape();
  const int64_t outer = shape.elements(0, at), inner = shape.elements(at + 1, shape.rank());
  shape[at] = axis.out;
  SLUICE_ASSIGN(Tensor resized, Tensor::allocate(DType::kFloat64, shape));
  const double* from = values.data<double>();
  double* to = resized.mutable_data<double>();
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t p = 0; p < axis.out; ++p) {
      double* row = to + (o * axis.out + p) * inner;
      for (int64_t t = 0; t < axis.taps; ++t) {
        const double weight = axis.weight[static_cast<size_t>(p * axis.taps + t)];
        if (weight == 0) continue;
        const double* source =
            from + (o * axis.in + axis.index[static_cast<size_t>(p * axis.taps + t)]) * inner;
        for (int64_t i = 0; i < inner; ++i) row[i] += weight * source[i];
      }
    }
  }
  return resized;
}

// Rounds to nearest even and saturates where the dtype is an integer's.
void store_rounded(Tensor& out, std::span<double> values) {
  if (is_integer(out.dtype())) {
    const auto low = static_cast<double>(integer_min(out.dtype()));
    const auto high = static_cast<double>(integer_max(out.dtype()));
    for (double& value : values) {
      value = std::isnan(value) ? 0 : std::clamp(std::nearbyint(value), low, high);
    }
  }
  op::store_reals(out, 0, values);
}

// Position i of an axis that may be the identity.
int64_t source_of(const ResizeAxis& axis, int64_t i) {
  return axis.identity ? i : axis.index[static_cast<size_t>(i)];
}
bool is_beyond(const ResizeAxis& axis, int64_t i) {
  return !axis.beyond.empty() && axis.beyond[static_cast<size_t>(i)] != 0;
}

// Nearest: every element is a copy, whatever its dtype.
template <class Copy>
void for_each_nearest(const Shape& in, const Shape& out, const std::vector<ResizeAxis>& axes,
                      Copy&& copy) {
  const int rank = out.rank();
  const Shape strides = in.strides();
  Shape rows = out;
  if (rank > 0) rows[rank - 1] = std::min<int64_t>(rows[rank - 1], 1);
  int64_t to = 0;
  for (Odometer at(rows); !at.done(); at.next()) {
    int64_t base = 0;
    for (int i = 0; i + 1 < rank; ++i)
      base += source_of(axes[static_cast<size_t>(i)], at[i]) * strides[i];
    if (rank == 0) {
      copy(0, 0);
      return;
    }
    const ResizeAxis& last = axes.back();
    for (int64_t i = 0; i < last.out; ++i) copy(to++, base + source_of(last, i));
  }
}

template <class T>
void nearest_of(const Tensor& x, Tensor& y, const std::vector<ResizeAxis>& axes) {
  const auto* from = reinterpret_cast<const T*>(x.bytes().data());
  auto* to = reinterpret_cast<T*>(y.mutable_bytes().data());
  for_each_nearest(x.shape(), y.shape(), axes, [&](int64_t i, int64_t j) { to[i] = from[j]; });
}

}  // namespace

Result<void> resize_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0));
  SLUICE_ASSIGN(const ResizeAttrs attrs, read_resize_attrs(context.attrs()));
  SLUICE_ASSIGN(const Doubles roi, optional_reals(context, 1, op::kFloats));
  SLUICE_ASSIGN(const Doubles scales, optional_reals(context, 2, op::kFloats));
  std::vector<int64_t> sizes;
  if (context.has(3)) {
    SLUICE_ASSIGN(sizes, op::input_ints(context, 3));
  }
  SLUICE_ASSIGN(const std::vector<ResizeExtent> extents,
                resize_sizes(context.attrs(), x->shape(), roi, scales, sizes));
  const Shape shape = resize_output_shape(extents);
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), shape));
  if (shape.elements() == 0) return {};
  std::vector<ResizeAxis> axes;
  for (const ResizeExtent& extent : extents) {
    SLUICE_ASSIGN(ResizeAxis axis, resize_axis(attrs, extent));
    axes.push_back(std::move(axis));
  }
  if (attrs.mode == Interpolation::kNearest) {
    switch (dtype_bits(x->dtype())) {
      case 8:
        nearest_of<uint8_t>(*x, *y, axes);
        break;
      case 16:
        nearest_of<uint16_t>(*x, *y, axes);
        break;
      case 32:
        nearest_of<uint32_t>(*x, *y, axes);
        break;
      case 64:
        nearest_of<uint64_t>(*x, *y, axes);
        break;
      default:
        for_each_nearest(x->shape(), shape, axes,
                         [&](int64_t to, int64_t from) { op::copy_elements(*x, from, *y, to, 1); });
    }
  } else {
    if (!op::kNumbers.has(x->dtype())) {
      return unsupported(cat("Interpolation of ", dtype_name(x->dtype()), " is not supported"));
    }
    SLUICE_ASSIGN(Tensor values, converted(*x, DType::kFloat64));
    // Shrinking axes first: what lies between is then no larger than the input or the output.
    std::vector<int> order;
    for (int i = 0; i < shape.rank(); ++i) {
      if (!axes[static_cast<size_t>(i)].identity) order.push_back(i);
    }
    std::ranges::stable_sort(
        order, [&](int a, int b) { return shape[a] < x->dim(a) && shape[b] >= x->dim(b); });
    for (const int i : order) {
      SLUICE_ASSIGN(values, apply_axis(values, i, axes[static_cast<size_t>(i)]));
    }
    // The input itself when no axis changes: not ours to round in place.
    if (order.empty()) {
      SLUICE_ASSIGN(values, values.clone());
    }
    store_rounded(*y, values.mutable_span<double>());
  }
  const bool any_beyond =
      std::ranges::any_of(axes, [](const ResizeAxis& a) { return !a.beyond.empty(); });
  if (any_beyond && x->dtype() != DType::kString && !is_complex(x->dtype())) {
    int64_t element = 0;
    for (Odometer at(shape); !at.done(); at.next(), ++element) {
      for (int i = 0; i < shape.rank(); ++i) {
        if (is_beyond(axes[static_cast<size_t>(i)], at[i])) {
          y->set_double(element, attrs.extrapolation);
          break;
        }
      }
    }
  }
  return {};
}

Result<void> grid_sample_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kNumbers | op::kBools));
  SLUICE_ASSIGN(const Tensor* grid, op::input_tensor(context, 1, op::kFloats));
  SLUICE_ASSIGN(const GridSampling sampling, read_grid_sampling(context.attrs()));
  const int rank = x->rank() - 2;
  if (rank < 1 || grid->rank() != x->rank() || grid->dim(-1) != rank || grid->dim(0) != x->dim(0)) {
    return usage_error(cat("Input ", x->shape().text(), " and grid ", grid->shape().text(),
                           " must be [N,C,spatial...] and [N,out...,", rank, "]"));
  }
  if (rank > 5) return unsupported(cat("The grid has ", rank, " spatial axes (the limit is 5)"));
  Shape spatial, shape{x->dim(0), x->dim(1)};
  for (int i = 0; i < rank; ++i) {
    spatial.push_back(x->dim(i + 2));
    shape.push_back(grid->dim(i + 1));
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), shape));
  if (y->elements() == 0) return {};
  if (spatial.elements() == 0) return usage_error("The image to sample is empty");
  const Doubles values = op::reals(*x), places = op::reals(*grid);
  const int64_t channels = x->dim(1), in_elems = spatial.elements();
  const int64_t positions = shape.elements(2, shape.rank());
  std::vector<GridTap> taps;
  for (int64_t n = 0; n < x->dim(0); ++n) {
    for (int64_t position = 0; position < positions; ++position) {
      grid_taps(sampling, spatial,
                std::span(places).subspan(static_cast<size_t>((n * positions + position) * rank),
                                          static_cast<size_t>(rank)),
                taps);
      for (int64_t c = 0; c < channels; ++c) {
        const double* image = values.data() + (n * channels + c) * in_elems;
        double sum = 0;
        for (const GridTap& tap : taps) sum += tap.weight * image[tap.offset];
        y->set_double((n * channels + c) * positions + position, sum);
      }
    }
  }
  return {};
}

Result<void> affine_grid_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* theta, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const std::vector<int64_t> size, op::input_ints(context, 1));
  const int rank = static_cast<int>(size.size()) - 2;
  if ((rank != 2 && rank != 3) || !(theta->shape() == Shape{size[0], rank, rank + 1})) {
    return usage_error(cat("The matrices have shape ", theta->shape().text(), " for a size of ",
                           size.size(), " numbers (needs [N,2,3] with 4 or [N,3,4] with 5)"));
  }
  Shape shape{size[0]};
  for (int i = 0; i < rank; ++i) shape.push_back(size[static_cast<size_t>(i) + 2]);
  shape.push_back(rank);
  SLUICE_ASSIGN(shape, op::checked_shape(shape.dims()));
  SLUICE_ASSIGN(Tensor * y, context.out(0, theta->dtype(), shape));
  const bool align = context.attrs().int_or("align_corners", 0) != 0;
  // Coordinate i of an axis of `extent`: -1..1 between the corner pixels' centres or outer edges.
  const auto coordinate = [&](int64_t i, int64_t extent) {
    const auto at = static_cast<double>(i), length = static_cast<double>(extent);
    if (!align) return (2 * at + 1) / length - 1;
    return extent == 1 ? 0.0 : 2 * at / (length - 1) - 1;
  };
  Shape positions = shape;
  positions.erase(rank + 1);
  int64_t element = 0;
  for (Odometer at(positions); !at.done(); at.next()) {
    for (int row = 0; row < rank; ++row) {
      const int64_t first = (at[0] * rank + row) * (rank + 1);
      double sum = theta->get_double(first + rank);
      for (int column = 0; column < rank; ++column) {
        // Column 0 multiplies x, which runs along the innermost spatial axis.
        const int axis = rank - column;
        sum += theta->get_double(first + column) * coordinate(at[axis], shape[axis]);
      }
      y->set_double(element++, sum);
    }
  }
  return {};
}

Result<void> crop_and_resize_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const Tensor* rois, op::input_tensor(context, 1, op::kFloats));
  SLUICE_ASSIGN(const Tensor* images, op::input_tensor(context, 2, op::kIndices));
  SLUICE_ASSIGN(const std::vector<int64_t> crop, op::input_ints(context, 3));
  const std::string mode = context.attrs().string_or("mode", "bilinear");
  const double extrapolation = context.attrs().float_or("extrapolation_value", 0);
  if (mode != "bilinear" && mode != "nearest") {
    return invalid_model(cat("Attribute mode is ", quoted(mode), " (must be bilinear or nearest)"));
  }
  if (x->rank() != 4 || rois->rank() != 2 || rois->dim(1) != 4 || images->rank() != 1 ||
      images->dim(0) != rois->dim(0) || crop.size() != 2) {
    return usage_error(cat("Input ", x->shape().text(), ", regions ", rois->shape().text(),
                           ", batch indices ", images->shape().text(), " and ", crop.size(),
                           " crop sizes must be [N,C,H,W], [regions,4], [regions] and 2"));
  }
  const int64_t channels = x->dim(1), height = x->dim(2), width = x->dim(3);
  const int64_t dims[] = {rois->dim(0), channels, crop[0], crop[1]};
  SLUICE_ASSIGN(const Shape shape, op::checked_shape(dims));
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), shape));
  if (shape.elements() == 0) return {};
  if (height == 0 || width == 0) return usage_error("The image to crop is empty");
  const Doubles values = op::reals(*x);
  // Input coordinate of crop position i between the normalized ends of the region.
  const auto coordinate = [](double start, double end, int64_t i, int64_t count, int64_t extent) {
    const auto top = static_cast<double>(extent - 1);
    if (count <= 1) return 0.5 * (start + end) * top;
    return start * top +
           static_cast<double>(i) * (end - start) * top / static_cast<double>(count - 1);
  };
  for (int64_t r = 0; r < rois->dim(0); ++r) {
    const int64_t image = images->get_int(r);
    if (image < 0 || image >= x->dim(0)) {
      return usage_error(
          cat("Region ", r, " names image ", image, " (the batch has ", x->dim(0), ")"));
    }
    double corner[4];  // y1, x1, y2, x2
    for (int i = 0; i < 4; ++i) corner[i] = rois->get_double(r * 4 + i);
    for (int64_t row = 0; row < crop[0]; ++row) {
      const double in_y = coordinate(corner[0], corner[2], row, crop[0], height);
      for (int64_t column = 0; column < crop[1]; ++column) {
        const double in_x = coordinate(corner[1], corner[3], column, crop[1], width);
        const bool inside = in_y >= 0 && in_y <= static_cast<double>(height - 1) && in_x >= 0 &&
                            in_x <= static_cast<double>(width - 1);
        for (int64_t c = 0; c < channels; ++c) {
          const double* plane = values.data() + (image * channels + c) * height * width;
          double value = extrapolation;
          if (inside && mode == "nearest") {
            value = plane[static_cast<int64_t>(std::round(in_y)) * width +
                          static_cast<int64_t>(std::round(in_x))];
          } else if (inside) {
            const auto top = static_cast<int64_t>(in_y), left = static_cast<int64_t>(in_x);
            const int64_t bottom = std::min(top + 1, height - 1),
                          right = std::min(left + 1, width - 1);
            const double fy = in_y - static_cast<double>(top),
                         fx = in_x - static_cast<double>(left);
            const double above =
                plane[top * width + left] * (1 - fx) + plane[top * width + right] * fx;
            const double below =
                plane[bottom * width + left] * (1 - fx) + plane[bottom * width + right] * fx;
            value = above * (1 - fy) + below * fy;
          }
          y->set_double(((r * channels + c) * crop[0] + row) * crop[1] + column, value);
        }
      }
    }
  }
  return {};
}

Result<void> center_crop_pad_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0));
  SLUICE_ASSIGN(const std::vector<int64_t> wanted, op::input_ints(context, 1));
  std::vector<int64_t> axes = context.attrs().ints_or("axes");
  if (axes.empty()) {
    for (int i = 0; i < x->rank(); ++i) axes.push_back(i);
  }
  if (axes.size() != wanted.size()) {
    return usage_error(cat("There are ", wanted.size(), " extents for ", axes.size(), " axes"));
  }
  Shape shape = x->shape();
  for (size_t i = 0; i < axes.size(); ++i) {
    SLUICE_ASSIGN(const int axis, op::normalized_axis(axes[i], x->rank()));
    shape[axis] = wanted[i];
  }
  SLUICE_ASSIGN(shape, op::checked_shape(shape.dims()));
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), shape));
  if (x->dtype() == DType::kString) {
    for (std::string& text : y->mutable_span<std::string>()) text.clear();
  } else {
    for (std::byte& byte : y->mutable_bytes()) byte = std::byte{0};
  }
  // The overlap, and where it begins in either tensor.
  Shape overlap = shape, from = shape, to = shape;
  for (int i = 0; i < shape.rank(); ++i) {
    overlap[i] = std::min(shape[i], x->dim(i));
    from[i] = (x->dim(i) - overlap[i]) / 2;
    to[i] = (shape[i] - overlap[i]) / 2;
  }
  if (overlap.elements() == 0) return {};
  const Shape from_strides = x->shape().strides(), to_strides = shape.strides();
  const int rank = shape.rank();
  const int64_t run = rank == 0 ? 1 : overlap[rank - 1];
  Shape rows = overlap;
  if (rank > 0) rows[rank - 1] = 1;
  for (Odometer at(rows); !at.done(); at.next()) {
    int64_t source = 0, target = 0;
    for (int i = 0; i < rank; ++i) {
      source += (at[i] + from[i]) * from_strides[i];
      target += (at[i] + to[i]) * to_strides[i];
    }
    op::copy_elements(*x, source, *y, target, run);
  }
  return {};
}

Result<void> col2im_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kNumbers));
  SLUICE_ASSIGN(const std::vector<int64_t> image, op::input_ints(context, 1));
  SLUICE_ASSIGN(const std::vector<int64_t> block, op::input_ints(context, 2));
  if (x->rank() != 3 || image.size() != block.size() || image.empty() ||
      image.size() + 2 > static_cast<size_t>(kMaxRank)) {
    return usage_error(cat("Input ", x->shape().text(), ", ", image.size(), " image and ",
                           block.size(), " block extents don't fit together"));
  }
  AttrMap attrs = context.attrs();
  attrs.set("kernel_shape", block);
  SLUICE_ASSIGN(const op::WindowAttrs window,
                op::read_window_attrs(attrs, static_cast<int>(image.size())));
  SLUICE_ASSIGN(const std::vector<op::WindowAxis> axes, op::resolve_window(window, image));
  Shape positions, taps, spatial;
  for (const op::WindowAxis& axis : axes) {
    positions.push_back(axis.out);
    taps.push_back(axis.kernel);
    spatial.push_back(axis.in);
  }
  const auto block_elems = taps.checked_elements(), blocks = positions.checked_elements();
  if (!block_elems || !blocks || *block_elems == 0 || x->dim(1) % *block_elems != 0 ||
      x->dim(2) != *blocks) {
    return usage_error(cat("Input ", x->shape().text(), " does not hold ", positions.text(),
                           " blocks of ", taps.text()));
  }
  const int64_t channels = x->dim(1) / *block_elems;
  Shape shape{x->dim(0), channels};
  for (const int64_t extent : spatial) shape.push_back(extent);
  SLUICE_ASSIGN(shape, op::checked_shape(shape.dims()));
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), shape));
  const Doubles values = op::reals(*x);
  Doubles sums(static_cast<size_t>(shape.elements()));
  const int64_t elems = spatial.elements();
  const int rank = spatial.rank();
  for (int64_t plane = 0; plane < x->dim(0) * channels; ++plane) {
    int64_t from = plane * *block_elems * *blocks;
    for (Odometer k(taps); !k.done(); k.next()) {
      for (Odometer o(positions); !o.done(); o.next(), ++from) {
        int64_t to = 0;
        bool inside = true;
        for (int i = 0; i < rank && inside; ++i) {
          const int64_t at = axes[static_cast<size_t>(i)].at(o[i], k[i]);
          inside = at >= 0 && at < spatial[i];
          to = to * spatial[i] + at;
        }
        if (inside)
          sums[static_cast<size_t>(plane * elems + to)] += values[static_cast<size_t>(from)];
      }
    }
  }
  op::store_reals(*y, 0, sums);
  return {};
}

namespace {

Result<int64_t> block_size(const KernelContext& context, const Tensor& x) {
  const int64_t block = context.attrs().int_or("blocksize", 0);
  if (x.rank() != 4) return usage_error(cat("Input ", x.shape().text(), " must have rank 4"));
  if (block < 1 || block > (int64_t{1} << 20)) {
    return invalid_model(cat("Attribute blocksize is ", block, " (must be 1 to 2^20)"));
  }
  return block;
}

}  // namespace

Result<void> depth_to_space_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0));
  SLUICE_ASSIGN(const int64_t block, block_size(context, *x));
  const std::string mode = context.attrs().string_or("mode", "DCR");
  const int64_t n = x->dim(0), h = x->dim(2), w = x->dim(3);
  if (x->dim(1) % (block * block) != 0 || (mode != "DCR" && mode != "CRD")) {
    return usage_error(cat(x->dim(1), " channels in mode ", quoted(mode),
                           " don't divide into blocks of ", block, " x ", block,
                           " (modes: DCR, CRD)"));
  }
  const int64_t c = x->dim(1) / (block * block);
  const int64_t dims[] = {n, c, h * block, w * block};
  SLUICE_ASSIGN(const Shape shape, op::checked_shape(dims));
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), shape));
  if (y->elements() == 0) return {};
  // The output as [n, c, h, block row, w, block column], read with these strides.
  const int64_t plane = h * w;
  const bool dcr = mode == "DCR";
  const Shape strides{x->dim(1) * plane,
                      dcr ? plane : block * block * plane,
                      w,
                      dcr ? block * c * plane : block * plane,
                      1,
                      dcr ? c * plane : plane};
  Tensor view = y->reshaped(Shape{n, c, h, block, w, block});
  op::copy_strided(*x, 0, strides, view);
  return {};
}

Result<void> space_to_depth_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0));
  SLUICE_ASSIGN(const int64_t block, block_size(context, *x));
  const int64_t n = x->dim(0), c = x->dim(1), h = x->dim(2), w = x->dim(3);
  if (h % block != 0 || w % block != 0) {
    return usage_error(cat("An image of ", h, " x ", w, " does not divide into blocks of ", block));
  }
  const int64_t dims[] = {n, c * block * block, h / block, w / block};
  SLUICE_ASSIGN(const Shape shape, op::checked_shape(dims));
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), shape));
  if (y->elements() == 0) return {};
  // The output as [n, block row, block column, c, h / block, w / block].
  const Shape strides{c * h * w, w, 1, h * w, block * w, block};
  Tensor view = y->reshaped(Shape{n, block, block, c, h / block, w / block});
  op::copy_strided(*x, 0, strides, view);
  return {};
}

}  // namespace sluice::ops::resize
