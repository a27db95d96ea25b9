#include <algorithm>
#include <type_traits>

#include "base/text.h"
#include "op/activation.h"
#include "op/operand.h"
#include "ops/matmul/matmul.h"
#include "ops/matmul/product.h"

namespace sluice::ops::matmul {

namespace {

// All elements as T: double for the floating types, uint64_t (wrapping arithmetic) for integers.
template <class T>
std::vector<T> elements_of(const Tensor& tensor) {
  if constexpr (std::is_same_v<T, double>) {
    return tensor.to_doubles();
  } else {
    const std::vector<int64_t> ints = tensor.to_ints();
    return std::vector<T>(ints.begin(), ints.end());
  }
}

template <class T>
void store(Tensor& out, int64_t i, T value) {
  if constexpr (std::is_same_v<T, double>) {
    out.set_double(i, value);
  } else {
    out.set_int(i, static_cast<int64_t>(value));
  }
}

// The elements of a tensor of `shape` in the order of its permuted axes; `shape` becomes the
// permuted one.
template <class T>
std::vector<T> permuted(const std::vector<T>& from, Shape& shape, const std::vector<int>& axes) {
  if (axes.empty()) return from;
  const Shape strides = shape.strides();
  Shape to, steps;
  for (int axis : axes) {
    to.push_back(shape[axis]);
    steps.push_back(strides[axis]);
  }
  std::vector<T> out;
  out.reserve(from.size());
  for (Odometer at(to); !at.done(); at.next()) {
    out.push_back(from[static_cast<size_t>(at.dot(steps))]);
  }
  shape = to;
  return out;
}

struct Options {
  std::vector<int> a_axes, b_axes;
  double alpha = 1;
};

template <class T>
Result<void> run_matmul(plan::KernelContext& context, const Options& options) {
  const Tensor& a = context.in(0);
  const Tensor& b = context.in(1);
  Shape a_shape = a.shape(), b_shape = b.shape();
  const std::vector<T> a_elements = permuted(elements_of<T>(a), a_shape, options.a_axes);
  const std::vector<T> b_elements = permuted(elements_of<T>(b), b_shape, options.b_axes);
  SLUICE_ASSIGN(const MatMulShape shape, matmul_shape(a_shape, b_shape));
  SLUICE_ASSIGN(Tensor * out, context.out(0, a.dtype(), shape.out));
  const T alpha = static_cast<T>(options.alpha);
  for_each_sum<T>(shape, a_elements, b_elements,
                  [&](int64_t i, T sum) { store<T>(*out, i, alpha * sum); });
  return {};
}

Result<void> run_matmul(plan::KernelContext& context, const Options& options) {
  SLUICE_TRY(op::require_numbers(context, {0, 1}));
  const DType dtype = context.in(0).dtype();
  if (context.in(1).dtype() != dtype) {
    return invalid_model(cat("MatMul has operands of two element types (", dtype_name(dtype),
                             " and ", dtype_name(context.in(1).dtype()), ")"));
  }
  if (is_integer(dtype)) return run_matmul<uint64_t>(context, options);
  if (is_floating(dtype)) return run_matmul<double>(context, options);
  return unsupported(cat("MatMul of ", dtype_name(dtype), " is not defined"));
}

// C of Gemm at element (i, j) of the result, as T.
template <class T>
Result<std::vector<T>> broadcast_to(const Tensor& c, const Shape& to) {
  const auto both = broadcast(c.shape(), to);
  if (!both || !(*both == to)) {
    return invalid_model(cat("Gemm's input C of shape ", c.shape().text(),
                             " does not broadcast to the result (", to.text(), ")"));
  }
  const Shape strides = broadcast_strides(c.shape(), to);
  const std::vector<T> from = elements_of<T>(c);
  std::vector<T> out;
  out.reserve(static_cast<size_t>(to.elements()));
  for (Odometer at(to); !at.done(); at.next()) {
    out.push_back(from[static_cast<size_t>(at.dot(strides))]);
  }
  return out;
}

template <class T>
Result<void> run_gemm(plan::KernelContext& context, const op::Activation& activation) {
  const Tensor& a = context.in(0);
  const Tensor& b = context.in(1);
  const bool trans_a = context.attrs().int_or("transA", 0) != 0;
  const bool trans_b = context.attrs().int_or("transB", 0) != 0;
  const double alpha = context.attrs().float_or("alpha", 1.0f);
  const double beta = context.attrs().float_or("beta", 1.0f);
  SLUICE_ASSIGN(const GemmShape shape, gemm_shape(a.shape(), b.shape(), trans_a, trans_b));
  const Shape to{shape.m, shape.n};
  SLUICE_ASSIGN(Tensor * out, context.out(0, a.dtype(), to));

  std::vector<T> c;
  if (context.has(2) && beta != 0) {
    SLUICE_ASSIGN(c, broadcast_to<T>(context.in(2), to));
  }
  const std::vector<T> a_elements = elements_of<T>(a), b_elements = elements_of<T>(b);
  const int64_t a_row = trans_a ? 1 : shape.k, a_col = trans_a ? shape.m : 1;
  const int64_t b_row = trans_b ? 1 : shape.n, b_col = trans_b ? shape.k : 1;
  std::vector<T> row(static_cast<size_t>(shape.n));
  for (int64_t i = 0; i < shape.m; ++i) {
    std::fill(row.begin(), row.end(), T{0});
    for (int64_t p = 0; p < shape.k; ++p) {
      const T factor = a_elements[static_cast<size_t>(i * a_row + p * a_col)];
      for (int64_t j = 0; j < shape.n; ++j) {
        row[static_cast<size_t>(j)] +=
            factor * b_elements[static_cast<size_t>(p * b_row + j * b_col)];
      }
    }
    for (int64_t j = 0; j < shape.n; ++j) {
      const int64_t at = i * shape.n + j;
      const T sum = row[static_cast<size_t>(j)];
      const T bias = c.empty() ? T{0} : c[static_cast<size_t>(at)];
      if constexpr (std::is_same_v<T, double>) {
        out->set_double(at, activation(alpha * sum + (c.empty() ? 0 : beta * bias)));
      } else if (alpha == 1 && beta == 1) {
        out->set_int(at, static_cast<int64_t>(sum + bias));
      } else {  // fractional factors of integers: truncated once, at the end
        out->set_double(at, alpha * static_cast<double>(static_cast<int64_t>(sum)) +
                                beta * static_cast<double>(static_cast<int64_t>(bias)));
      }
    }
  }
  return {};
}

Result<void> run_gemm(plan::KernelContext& context, const op::Activation& activation) {
  SLUICE_TRY(op::require_numbers(context, {0, 1}));
  const DType dtype = context.in(0).dtype();
  if (context.in(1).dtype() != dtype || (context.has(2) && context.in(2).dtype() != dtype)) {
    return invalid_model("Gemm has operands of more than one element type");
  }
  if (is_integer(dtype)) return run_gemm<uint64_t>(context, activation);
  if (is_floating(dtype)) return run_gemm<double>(context, activation);
  return unsupported(cat("Gemm of ", dtype_name(dtype), " is not defined"));
}

}  // namespace

Result<void> matmul_reference(plan::KernelContext& context) { return run_matmul(context, {}); }

Result<void> fused_matmul_reference(plan::KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1}));
  const AttrMap& attrs = context.attrs();
  Options options;
  options.a_axes = fused_permutation(context.in(0).rank(), attrs.int_or("transA", 0) != 0,
                                     attrs.int_or("transBatchA", 0) != 0);
  options.b_axes = fused_permutation(context.in(1).rank(), attrs.int_or("transB", 0) != 0,
                                     attrs.int_or("transBatchB", 0) != 0);
  options.alpha = attrs.float_or("alpha", 1.0f);
  return run_matmul(context, options);
}

Result<void> gemm_reference(plan::KernelContext& context) { return run_gemm(context, {}); }

Result<void> fused_gemm_reference(plan::KernelContext& context) {
  const AttrMap& attrs = context.attrs();
  const auto parameter = [&](std::string_view name) {
    return attrs.has(name) ? std::optional<double>(attrs.float_or(name, 0)) : std::nullopt;
  };
  SLUICE_ASSIGN(const op::Activation activation,
                op::Activation::parse(attrs.string_or("activation", ""),
                                      parameter("activation_alpha"), parameter("activation_beta")));
  return run_gemm(context, activation);
}

}  // namespace sluice::ops::matmul
