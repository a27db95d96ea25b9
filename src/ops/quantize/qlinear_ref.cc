// Reference kernels of the operators that compute on quantized tensors: dequantize, compute in
// double, quantize.
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/text.h"
#include "op/broadcast.h"
#include "op/operand.h"
#include "op/quantization.h"
#include "ops/quantize/quantize.h"

namespace sluice::ops::quantize {

namespace {

// Per-tensor scale and zero point.
struct Affine {
  double scale = 1;
  int64_t zero_point = 0;
  double real(int64_t q) const { return scale * static_cast<double>(q - zero_point); }
  int64_t quantized(DType dtype, double value) const {
    return op::quantize_to(dtype, static_cast<float>(value / scale), zero_point);
  }
};

Result<void> require_integer(const Tensor& tensor) {
  if (is_integer(tensor.dtype())) return {};
  return invalid_model(
      cat("A quantized operand is ", dtype_name(tensor.dtype()), " (an integer type is expected)"));
}

// Reads the scale at input `scale` and the (optional) zero point at input `zero_point`.
Result<Affine> affine(const plan::KernelContext& context, int scale, int zero_point) {
  Affine out;
  if (context.in(scale).elements() != 1) {
    return unsupported(
        cat("Input ", scale, " has ", context.in(scale).elements(), " scales (1 per tensor)"));
  }
  out.scale = context.in(scale).get_double(0);
  if (context.has(zero_point)) {
    if (context.in(zero_point).elements() != 1) {
      return unsupported(cat("Input ", zero_point, " has ", context.in(zero_point).elements(),
                             " zero points (1 per tensor)"));
    }
    SLUICE_TRY(require_integer(context.in(zero_point)));
    out.zero_point = context.in(zero_point).get_int(0);
  }
  return out;
}

template <class F>
Result<void> binary(plan::KernelContext& context, F&& f) {
  SLUICE_TRY(op::require_numbers(context, {0, 1, 3, 4, 6}));
  const Tensor& a = context.in(0);
  const Tensor& b = context.in(3);
  SLUICE_TRY(require_integer(a));
  SLUICE_TRY(require_integer(b));
  SLUICE_ASSIGN(const Affine a_real, affine(context, 1, 2));
  SLUICE_ASSIGN(const Affine b_real, affine(context, 4, 5));
  SLUICE_ASSIGN(const Affine c_real, affine(context, 6, 7));
  SLUICE_ASSIGN(const Shape to, op::broadcast_shape({&a.shape(), &b.shape()}));
  SLUICE_ASSIGN(Tensor * out, context.out(0, a.dtype(), to));
  const std::array<const Shape*, 2> operands = {&a.shape(), &b.shape()};
  op::for_each_broadcast<2>(to, operands, [&](int64_t i, const std::array<int64_t, 2>& at) {
    const double value = f(a_real.real(a.get_int(at[0])), b_real.real(b.get_int(at[1])));
    out->set_int(i, c_real.quantized(a.dtype(), value));
  });
  return {};
}

template <class F>
Result<void> unary(plan::KernelContext& context, F&& f) {
  SLUICE_TRY(op::require_numbers(context, {0, 1, 3}));
  const Tensor& x = context.in(0);
  SLUICE_TRY(require_integer(x));
  SLUICE_ASSIGN(const Affine x_real, affine(context, 1, 2));
  SLUICE_ASSIGN(const Affine y_real, affine(context, 3, 4));
  SLUICE_ASSIGN(Tensor * out, context.out(0, x.dtype(), x.shape()));
  for (int64_t i = 0; i < x.elements(); ++i) {
    out->set_int(i, y_real.quantized(x.dtype(), f(x_real.real(x.get_int(i)))));
  }
  return {};
}

}  // namespace

Result<void> qlinear_add_reference(plan::KernelContext& context) {
  return binary(context, [](double a, double b) { return a + b; });
}

Result<void> qlinear_mul_reference(plan::KernelContext& context) {
  return binary(context, [](double a, double b) { return a * b; });
}

Result<void> qlinear_sigmoid_reference(plan::KernelContext& context) {
  return unary(context, [](double x) { return 1 / (1 + std::exp(-x)); });
}

Result<void> qlinear_leaky_relu_reference(plan::KernelContext& context) {
  const double alpha = context.attrs().float_or("alpha", 0.01f);
  return unary(context, [alpha](double x) { return x >= 0 ? x : alpha * x; });
}

Result<void> qlinear_concat_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1, 2, 3}));
  const int count = (context.input_count() - 2) / 3;
  SLUICE_ASSIGN(const Affine to_real, affine(context, 0, 1));
  const DType dtype = context.in(1).dtype();
  SLUICE_TRY(require_integer(context.in(1)));
  Shape to;
  int axis = 0;
  for (int k = 0; k < count; ++k) {
    SLUICE_TRY(op::require_numbers(context, {2 + 3 * k, 3 + 3 * k}));
    const Tensor& part = context.in(2 + 3 * k);
    SLUICE_TRY(require_integer(part));
    if (k == 0) {
      to = part.shape();
      SLUICE_ASSIGN(axis, op::normalized_axis(context.attrs().int_or("axis", 0), part.rank()));
      continue;
    }
    bool fits = part.rank() == to.rank();
    for (int i = 0; fits && i < to.rank(); ++i) fits = i == axis || part.dim(i) == to[i];
    if (!fits || __builtin_add_overflow(to[axis], part.dim(axis), &to[axis])) {
      return invalid_model(cat("QLinearConcat joins shapes that do not fit (", to.text(), " and ",
                               part.shape().text(), ")"));
    }
  }
  SLUICE_ASSIGN(Tensor * out, context.out(0, dtype, to));
  const int64_t outer = to.elements(0, axis);
  int64_t before = 0;  // elements of an outer row already taken by earlier parts
  const int64_t row = to.elements(axis, to.rank());
  for (int k = 0; k < count; ++k) {
    const Tensor& part = context.in(2 + 3 * k);
    SLUICE_ASSIGN(const Affine part_real, affine(context, 3 + 3 * k, 4 + 3 * k));
    const int64_t part_row = part.shape().elements(axis, part.rank());
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t i = 0; i < part_row; ++i) {
        const double value = part_real.real(part.get_int(o * part_row + i));
        out->set_int(o * row + before + i, to_real.quantized(dtype, value));
      }
    }
    before += part_row;
  }
  return {};
}

Result<void> qlinear_softmax_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1, 3}));
  const Tensor& x = context.in(0);
  SLUICE_TRY(require_integer(x));
  SLUICE_ASSIGN(const Affine x_real, affine(context, 1, 2));
  SLUICE_ASSIGN(const Affine y_real, affine(context, 3, 4));
  SLUICE_ASSIGN(const int axis, op::normalized_axis(context.attrs().int_or("axis", -1), x.rank()));
  // Before opset 13 Softmax normalizes over all axes from `axis` on.
  const bool flattened = context.attrs().int_or("opset", 13) < 13;
  const int64_t outer = x.shape().elements(0, axis);
  const int64_t count =
      flattened ? x.shape().elements(axis, x.rank()) : x.shape().elements(axis, axis + 1);
  const int64_t inner = flattened ? 1 : x.shape().elements(axis + 1, x.rank());
  SLUICE_ASSIGN(Tensor * out, context.out(0, x.dtype(), x.shape()));
  std::vector<double> row(static_cast<size_t>(count));
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < inner; ++i) {
      double highest = -HUGE_VAL, sum = 0;
      for (int64_t c = 0; c < count; ++c) {
        double& value = row[static_cast<size_t>(c)];
        value = x_real.real(x.get_int((o * count + c) * inner + i));
        highest = std::max(highest, value);
      }
      for (double& value : row) sum += value = std::exp(value - highest);
      for (int64_t c = 0; c < count; ++c) {
        out->set_int((o * count + c) * inner + i,
                     y_real.quantized(x.dtype(), row[static_cast<size_t>(c)] / sum));
      }
    }
  }
  return {};
}

Result<void> qlinear_where_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1, 2, 4, 5, 7}));
  const Tensor& condition = context.in(0);
  const Tensor& x = context.in(1);
  const Tensor& y = context.in(4);
  SLUICE_TRY(require_integer(x));
  SLUICE_TRY(require_integer(y));
  SLUICE_ASSIGN(const Affine x_real, affine(context, 2, 3));
  SLUICE_ASSIGN(const Affine y_real, affine(context, 5, 6));
  SLUICE_ASSIGN(const Affine z_real, affine(context, 7, 8));
  SLUICE_ASSIGN(const Shape to, op::broadcast_shape({&condition.shape(), &x.shape(), &y.shape()}));
  SLUICE_ASSIGN(Tensor * out, context.out(0, x.dtype(), to));
  const std::array<const Shape*, 3> operands = {&condition.shape(), &x.shape(), &y.shape()};
  op::for_each_broadcast<3>(to, operands, [&](int64_t i, const std::array<int64_t, 3>& at) {
    const double value = condition.get_int(at[0]) != 0 ? x_real.real(x.get_int(at[1]))
                                                       : y_real.real(y.get_int(at[2]));
    out->set_int(i, z_real.quantized(x.dtype(), value));
  });
  return {};
}

namespace {

// Axes to be reduced (all when none are named), as flags, and the shape of the result.
struct Reduction {
  std::vector<bool> reduced;
  Shape kept;  // with 1 in place of reduced axes
  Shape out;
  int64_t count = 1;  // elements that go into one result
};
Result<Reduction> reduction(const AttrMap& attrs, const Shape& shape) {
  Reduction out;
  const std::vector<int64_t> named = attrs.ints_or("axes");
  SLUICE_ASSIGN(const std::vector<int> axes, op::normalized_axes(named, shape.rank()));
  out.reduced.assign(static_cast<size_t>(shape.rank()), named.empty());
  for (const int axis : axes) out.reduced[static_cast<size_t>(axis)] = true;
  const bool keep = attrs.int_or("keepdims", 1) != 0;
  for (int i = 0; i < shape.rank(); ++i) {
    const bool reduced = out.reduced[static_cast<size_t>(i)];
    out.kept.push_back(reduced ? 1 : shape[i]);
    if (!reduced || keep) out.out.push_back(reduced ? 1 : shape[i]);
    if (reduced) out.count *= shape[i];
  }
  return out;
}

// Sums of the elements minus `zero_point`, in the order of the result.
std::vector<int64_t> sums(const Tensor& data, const Reduction& how, int64_t zero_point) {
  std::vector<int64_t> out(static_cast<size_t>(how.kept.elements()), 0);
  const Shape steps = broadcast_strides(how.kept, data.shape());
  int64_t i = 0;
  for (Odometer at(data.shape()); !at.done(); at.next()) {
    out[static_cast<size_t>(at.dot(steps))] += data.get_int(i++) - zero_point;
  }
  return out;
}

}  // namespace

Result<void> qlinear_reduce_mean_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1, 3}));
  const Tensor& data = context.in(0);
  SLUICE_TRY(require_integer(data));
  SLUICE_ASSIGN(const Affine from, affine(context, 1, 2));
  SLUICE_ASSIGN(const Affine to, affine(context, 3, 4));
  SLUICE_ASSIGN(const Reduction how, reduction(context.attrs(), data.shape()));
  SLUICE_ASSIGN(Tensor * out, context.out(0, data.dtype(), how.out));
  const std::vector<int64_t> totals = sums(data, how, from.zero_point);
  for (size_t i = 0; i < totals.size(); ++i) {
    const double mean =
        from.scale * static_cast<double>(totals[i]) / static_cast<double>(how.count);
    out->set_int(static_cast<int64_t>(i), to.quantized(data.dtype(), mean));
  }
  return {};
}

Result<void> reduce_sum_integer_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0}));
  const Tensor& data = context.in(0);
  SLUICE_TRY(require_integer(data));
  SLUICE_ASSIGN(const Reduction how, reduction(context.attrs(), data.shape()));
  const DType dtype = is_signed_integer(data.dtype()) ? DType::kInt32 : DType::kUInt32;
  SLUICE_ASSIGN(Tensor * out, context.out(0, dtype, how.out));
  const std::vector<int64_t> totals = sums(data, how, 0);
  for (size_t i = 0; i < totals.size(); ++i) {
    out->set_int(static_cast<int64_t>(i), totals[i]);
  }
  return {};
}

Result<void> mul_integer_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 2}));
  const Tensor& a = context.in(0);
  const Tensor& b = context.in(2);
  SLUICE_TRY(require_integer(a));
  SLUICE_TRY(require_integer(b));
  int64_t zeros[2] = {0, 0};
  for (const int k : {0, 1}) {
    const int input = k == 0 ? 1 : 3;
    if (!context.has(input)) continue;
    if (context.in(input).elements() != 1) {
      return unsupported(
          cat("MulInteger has ", context.in(input).elements(), " zero points (1 per tensor)"));
    }
    SLUICE_TRY(require_integer(context.in(input)));
    zeros[k] = context.in(input).get_int(0);
  }
  SLUICE_ASSIGN(const Shape to, op::broadcast_shape({&a.shape(), &b.shape()}));
  SLUICE_ASSIGN(Tensor * out, context.out(0, DType::kInt32, to));
  const std::array<const Shape*, 2> operands = {&a.shape(), &b.shape()};
  op::for_each_broadcast<2>(to, operands, [&](int64_t i, const std::array<int64_t, 2>& at) {
    out->set_int(i, (a.get_int(at[0]) - zeros[0]) * (b.get_int(at[1]) - zeros[1]));
  });
  return {};
}

}  // namespace sluice::ops::quantize
