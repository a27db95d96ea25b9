#include <cmath>
#include <limits>
#include <numbers>

#include "base/text.h"
#include "op/broadcast.h"
#include "op/operand.h"
#include "ops/unary/unary.h"

namespace sluice::ops::unary {

namespace {

using plan::KernelContext;

template <class F>
void transform(const Tensor& x, Tensor& y, F&& f) {
  if (x.dtype() == DType::kFloat32 && y.dtype() == DType::kFloat32) {
    const float* from = x.data<float>();
    float* to = y.mutable_data<float>();
    for (int64_t i = 0; i < x.elements(); ++i) {
      to[i] = static_cast<float>(f(static_cast<double>(from[i])));
    }
    return;
  }
  for (int64_t i = 0; i < x.elements(); ++i) y.set_double(i, f(x.get_double(i)));
}

// y = f(x) in double for every numeric dtype.
template <class F>
Result<void> map_doubles(KernelContext& context, F&& f) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kNumbers));
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), x->shape()));
  transform(*x, *y, f);
  return {};
}

// The same, with a separate exact form for integers: g(value, is_signed). A uint64 above int64's
// range arrives as its bit pattern.
template <class F, class G>
Result<void> map_numbers(KernelContext& context, F&& f, G&& g) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kNumbers));
  if (!is_integer(x->dtype())) return map_doubles(context, f);
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), x->shape()));
  const bool is_signed = is_signed_integer(x->dtype());
  for (int64_t i = 0; i < x->elements(); ++i) y->set_int(i, g(x->get_int(i), is_signed));
  return {};
}

template <class F>
Result<void> map_to_bool(KernelContext& context, op::DTypeSet allowed, F&& f) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, allowed));
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kBool, x->shape()));
  for (int64_t i = 0; i < x->elements(); ++i) y->set_int(i, f(x->get_double(i)) ? 1 : 0);
  return {};
}

// Negation that wraps: the lowest value has no positive counterpart.
int64_t wrapped_negative(int64_t x) { return static_cast<int64_t>(0 - static_cast<uint64_t>(x)); }

double sigmoid(double x) {
  // The exponent is never positive, so nothing overflows.
  const double e = std::exp(-std::fabs(x));
  return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}
// ln(1 + e^x)
double softplus(double x) {
  if (std::isnan(x)) return x;
  return std::fmax(x, 0.0) + std::log1p(std::exp(-std::fabs(x)));
}
double gelu_erf(double x) { return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2)); }
double gelu_tanh(double x) {
  const double inner = std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x);
  return 0.5 * x * (1 + std::tanh(inner));
}
double swish(double x, double alpha) { return x * sigmoid(alpha * x); }
// min and max that hand NaN on, whichever side it is on.
double max_or_nan(double x, double bound) { return x < bound ? bound : x; }
double min_or_nan(double x, double bound) { return x > bound ? bound : x; }

// f(x + bias), where bias (optional) is 1-D along the last axis.
template <class F>
Result<void> map_biased(KernelContext& context, F&& f) {
  if (!context.has(1)) return map_doubles(context, f);
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const Tensor* bias, op::input_tensor(context, 1, op::kFloats));
  const auto joined = broadcast(x->shape(), bias->shape());
  if (!joined || *joined != x->shape()) {
    return usage_error(cat("The bias of shape ", bias->shape().text(),
                           " does not broadcast to the input of shape ", x->shape().text()));
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), x->shape()));
  op::for_each_broadcast<2>(x->shape(), {&x->shape(), &bias->shape()},
                            [&](int64_t i, const std::array<int64_t, 2>& at) {
                              y->set_double(i, f(x->get_double(at[0]) + bias->get_double(at[1])));
                            });
  return {};
}

}  // namespace

// Formulas that are one library call.
#define SLUICE_LIBRARY_FUNCTION(name, call)                        \
  Result<void> name##_reference(KernelContext& context) {          \
    return map_doubles(context, [](double x) { return call(x); }); \
  }
SLUICE_LIBRARY_FUNCTION(ceil, std::ceil)
SLUICE_LIBRARY_FUNCTION(floor, std::floor)
SLUICE_LIBRARY_FUNCTION(round, std::nearbyint)  // halves to even
SLUICE_LIBRARY_FUNCTION(sqrt, std::sqrt)
SLUICE_LIBRARY_FUNCTION(exp, std::exp)
SLUICE_LIBRARY_FUNCTION(log, std::log)
SLUICE_LIBRARY_FUNCTION(sin, std::sin)
SLUICE_LIBRARY_FUNCTION(cos, std::cos)
SLUICE_LIBRARY_FUNCTION(tan, std::tan)
SLUICE_LIBRARY_FUNCTION(asin, std::asin)
SLUICE_LIBRARY_FUNCTION(acos, std::acos)
SLUICE_LIBRARY_FUNCTION(atan, std::atan)
SLUICE_LIBRARY_FUNCTION(sinh, std::sinh)
SLUICE_LIBRARY_FUNCTION(cosh, std::cosh)
SLUICE_LIBRARY_FUNCTION(tanh, std::tanh)
SLUICE_LIBRARY_FUNCTION(asinh, std::asinh)
SLUICE_LIBRARY_FUNCTION(acosh, std::acosh)
SLUICE_LIBRARY_FUNCTION(atanh, std::atanh)
SLUICE_LIBRARY_FUNCTION(erf, std::erf)
SLUICE_LIBRARY_FUNCTION(sigmoid, sigmoid)
SLUICE_LIBRARY_FUNCTION(softplus, softplus)
#undef SLUICE_LIBRARY_FUNCTION

Result<void> abs_reference(KernelContext& context) {
  return map_numbers(
      context, [](double x) { return std::fabs(x); },
      [](int64_t x, bool is_signed) { return is_signed && x < 0 ? wrapped_negative(x) : x; });
}

Result<void> neg_reference(KernelContext& context) {
  return map_numbers(
      context, [](double x) { return -x; }, [](int64_t x, bool) { return wrapped_negative(x); });
}

Result<void> sign_reference(KernelContext& context) {
  return map_numbers(
      context, [](double x) { return x > 0   ? 1.0
                                     : x < 0 ? -1.0
                                             : x; },
      [](int64_t x, bool is_signed) -> int64_t {
        return x == 0 ? 0 : is_signed && x < 0 ? -1 : 1;
      });
}

Result<void> relu_reference(KernelContext& context) {
  return map_numbers(
      context, [](double x) { return max_or_nan(x, 0.0); },
      [](int64_t x, bool is_signed) -> int64_t { return is_signed && x < 0 ? 0 : x; });
}

Result<void> reciprocal_reference(KernelContext& context) {
  return map_doubles(context, [](double x) { return 1 / x; });
}

Result<void> leaky_relu_reference(KernelContext& context) {
  const double alpha = context.attrs().float_or("alpha", 0.01f);
  return map_doubles(context, [=](double x) { return x < 0 ? alpha * x : x; });
}

Result<void> elu_reference(KernelContext& context) {
  const double alpha = context.attrs().float_or("alpha", 1.0f);
  return map_doubles(context, [=](double x) { return x < 0 ? alpha * std::expm1(x) : x; });
}

Result<void> celu_reference(KernelContext& context) {
  const double alpha = context.attrs().float_or("alpha", 1.0f);
  return map_doubles(context, [=](double x) {
    if (std::isnan(x)) return x;
    return std::fmax(x, 0.0) + std::fmin(0.0, alpha * std::expm1(x / alpha));
  });
}

Result<void> selu_reference(KernelContext& context) {
  const double alpha = context.attrs().float_or("alpha", 1.67326319217681884765625f);
  const double gamma = context.attrs().float_or("gamma", 1.05070102214813232421875f);
  return map_doubles(context,
                     [=](double x) { return gamma * (x <= 0 ? alpha * std::expm1(x) : x); });
}

Result<void> softsign_reference(KernelContext& context) {
  return map_doubles(context, [](double x) { return x / (1 + std::fabs(x)); });
}

Result<void> hard_sigmoid_reference(KernelContext& context) {
  const double alpha = context.attrs().float_or("alpha", 0.2f);
  const double beta = context.attrs().float_or("beta", 0.5f);
  return map_doubles(context,
                     [=](double x) { return max_or_nan(min_or_nan(alpha * x + beta, 1.0), 0.0); });
}

Result<void> hard_swish_reference(KernelContext& context) {
  return map_doubles(context,
                     [](double x) { return x * max_or_nan(min_or_nan(x / 6 + 0.5, 1.0), 0.0); });
}

Result<void> thresholded_relu_reference(KernelContext& context) {
  const double alpha = context.attrs().float_or("alpha", 1.0f);
  return map_doubles(context, [=](double x) { return x <= alpha ? 0.0 : x; });
}

Result<void> shrink_reference(KernelContext& context) {
  const double bias = context.attrs().float_or("bias", 0.0f);
  const double lambd = context.attrs().float_or("lambd", 0.5f);
  return map_doubles(context, [=](double x) {
    if (x < -lambd) return x + bias;
    if (x > lambd) return x - bias;
    return std::isnan(x) ? x : 0.0;
  });
}

Result<void> mish_reference(KernelContext& context) {
  return map_doubles(context, [](double x) { return x * std::tanh(softplus(x)); });
}

Result<void> gelu_reference(KernelContext& context) {
  const std::string approximate = context.attrs().string_or("approximate", "none");
  if (approximate == "tanh") return map_doubles(context, gelu_tanh);
  return map_doubles(context, gelu_erf);
}

Result<void> swish_reference(KernelContext& context) {
  const double alpha = context.attrs().float_or("alpha", 1.0f);
  return map_doubles(context, [=](double x) { return swish(x, alpha); });
}

Result<void> quick_gelu_reference(KernelContext& context) {
  const double alpha = context.attrs().float_or("alpha", 1.702f);
  return map_doubles(context, [=](double x) { return swish(x, alpha); });
}

Result<void> bias_gelu_reference(KernelContext& context) { return map_biased(context, gelu_erf); }
// ONNX Runtime's kernels repeat a bias of any length along the flattened input, and its tests say
// so.
Result<void> fast_gelu_reference(KernelContext& context) {
  if (!context.has(1)) return map_doubles(context, gelu_tanh);
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const Tensor* bias, op::input_tensor(context, 1, op::kFloats));
  if (bias->elements() == 0 && x->elements() != 0) return usage_error("FastGelu's bias is empty");
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), x->shape()));
  for (int64_t i = 0; i < x->elements(); ++i) {
    y->set_double(i, gelu_tanh(x->get_double(i) + bias->get_double(i % bias->elements())));
  }
  return {};
}

Result<void> logical_not_reference(KernelContext& context) {
  return map_to_bool(context, op::kBools, [](double x) { return x == 0; });
}

Result<void> bitwise_not_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kInts));
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), x->shape()));
  for (int64_t i = 0; i < x->elements(); ++i) y->set_int(i, ~x->get_int(i));
  return {};
}

Result<void> is_nan_reference(KernelContext& context) {
  return map_to_bool(context, op::kFloats | op::kFloat8s, [](double x) { return std::isnan(x); });
}

Result<void> is_inf_reference(KernelContext& context) {
  const bool negative = context.attrs().int_or("detect_negative", 1) != 0;
  const bool positive = context.attrs().int_or("detect_positive", 1) != 0;
  return map_to_bool(context, op::kFloats | op::kFloat8s, [=](double x) {
    return std::isinf(x) && (std::signbit(x) ? negative : positive);
  });
}

Result<void> identity_reference(KernelContext& context) {
  if (context.input_count() == 0) return usage_error("Identity has no input");
  context.set_out(0, context.input_value(0));
  return {};
}

Result<void> clip_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kNumbers));
  const Tensor* bounds[2] = {};
  for (int i = 1; i <= 2; ++i) {
    if (!context.has(i)) continue;
    SLUICE_ASSIGN(bounds[i - 1], op::input_tensor(context, i, op::DTypeSet{x->dtype()}));
    if (bounds[i - 1]->elements() != 1) {
      return usage_error(
          cat("A bound of Clip has ", bounds[i - 1]->elements(), " elements (a scalar is needed)"));
    }
  }
  const auto [low, high] = bounds;
  if (!is_integer(x->dtype())) {
    const double infinity = std::numeric_limits<double>::infinity();
    const double lowest = low != nullptr ? low->get_double(0) : -infinity;
    const double highest = high != nullptr ? high->get_double(0) : infinity;
    return map_doubles(context,
                       [=](double v) { return min_or_nan(max_or_nan(v, lowest), highest); });
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), x->shape()));
  // Signed values are compared as they are; unsigned ones by their bits, since get_int hands
  // uint64's upper half out as negative numbers.
  const bool is_signed = is_signed_integer(x->dtype());
  const auto below = [=](int64_t a, int64_t b) {
    return is_signed ? a < b : static_cast<uint64_t>(a) < static_cast<uint64_t>(b);
  };
  for (int64_t i = 0; i < x->elements(); ++i) {
    int64_t v = x->get_int(i);
    if (low != nullptr && below(v, low->get_int(0))) v = low->get_int(0);
    if (high != nullptr && below(high->get_int(0), v)) v = high->get_int(0);
    y->set_int(i, v);
  }
  return {};
}

Result<void> prelu_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kNumbers));
  SLUICE_ASSIGN(const Tensor* slope, op::input_tensor(context, 1, op::DTypeSet{x->dtype()}));
  const auto joined = broadcast(x->shape(), slope->shape());
  if (!joined || *joined != x->shape()) {
    return usage_error(cat("The slope of shape ", slope->shape().text(),
                           " does not broadcast to the input of shape ", x->shape().text()));
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), x->shape()));
  const bool exact = is_integer(x->dtype());
  const bool is_signed = is_signed_integer(x->dtype());
  op::for_each_broadcast<2>(
      x->shape(), {&x->shape(), &slope->shape()}, [&](int64_t i, const std::array<int64_t, 2>& at) {
        if (exact) {
          const int64_t v = x->get_int(at[0]);
          // Unsigned multiplication wraps; the low bits are those of the signed product.
          const auto scaled = static_cast<int64_t>(static_cast<uint64_t>(v) *
                                                   static_cast<uint64_t>(slope->get_int(at[1])));
          y->set_int(i, is_signed && v < 0 ? scaled : v);
        } else {
          const double v = x->get_double(at[0]);
          y->set_double(i, v < 0 ? v * slope->get_double(at[1]) : v);
        }
      });
  return {};
}

Result<void> swiglu_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* gate, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const Tensor* value, op::input_tensor(context, 1, op::DTypeSet{gate->dtype()}));
  if (gate->shape() != value->shape()) {
    return usage_error(cat("SwiGLU's gate has shape ", gate->shape().text(), " and its value ",
                           value->shape().text(), " (they must be equal)"));
  }
  const double alpha = context.attrs().float_or("alpha", 1.0f);
  SLUICE_ASSIGN(Tensor * y, context.out(0, gate->dtype(), gate->shape()));
  for (int64_t i = 0; i < gate->elements(); ++i) {
    y->set_double(i, swish(gate->get_double(i), alpha) * value->get_double(i));
  }
  return {};
}

Result<void> bias_add_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const Tensor* bias, op::input_tensor(context, 1, op::kFloats));
  SLUICE_ASSIGN(const Tensor* skip, op::input_tensor(context, 2, op::kFloats));
  const auto joined = broadcast(x->shape(), bias->shape());
  if (!joined || *joined != x->shape() || skip->shape() != x->shape()) {
    return usage_error(cat("BiasAdd's operands have shapes ", x->shape().text(), ", ",
                           bias->shape().text(), " and ", skip->shape().text(),
                           " (needed: [N,S,C], [C], [N,S,C])"));
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), x->shape()));
  op::for_each_broadcast<2>(
      x->shape(), {&x->shape(), &bias->shape()}, [&](int64_t i, const std::array<int64_t, 2>& at) {
        y->set_double(i, x->get_double(i) + bias->get_double(at[1]) + skip->get_double(i));
      });
  return {};
}

Result<void> bias_split_gelu_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const Tensor* bias, op::input_tensor(context, 1, op::kFloats));
  if (x->rank() == 0 || x->dim(-1) % 2 != 0 || bias->shape() != Shape{x->dim(-1)}) {
    return usage_error(cat("BiasSplitGelu's operands have shapes ", x->shape().text(), " and ",
                           bias->shape().text(), " (needed: [N,S,2*D] and [2*D])"));
  }
  Shape shape = x->shape();
  const int64_t half = shape[-1] / 2;
  shape[-1] = half;
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), shape));
  for (int64_t i = 0; i < y->elements(); ++i) {
    const int64_t column = i % half, left = i / half * 2 * half + column;
    const double value = x->get_double(left) + bias->get_double(column);
    const double gate = x->get_double(left + half) + bias->get_double(column + half);
    y->set_double(i, value * gelu_erf(gate));
  }
  return {};
}

Result<void> affine_reference(KernelContext& context) {
  const double alpha = context.attrs().float_or("alpha", 1.0f);
  const double beta = context.attrs().float_or("beta", 0.0f);
  return map_doubles(context, [=](double x) { return alpha * x + beta; });
}

Result<void> scaled_tanh_reference(KernelContext& context) {
  const double alpha = context.attrs().float_or("alpha", 1.0f);
  const double beta = context.attrs().float_or("beta", 1.0f);
  return map_doubles(context, [=](double x) { return alpha * std::tanh(beta * x); });
}

Result<void> parametric_softplus_reference(KernelContext& context) {
  const double alpha = context.attrs().float_or("alpha", 1.0f);
  const double beta = context.attrs().float_or("beta", 1.0f);
  return map_doubles(context, [=](double x) { return alpha * softplus(beta * x); });
}

Result<void> image_scaler_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  const double scale = context.attrs().float_or("scale", 1.0f);
  const std::vector<float> bias = context.attrs().floats_or("bias");
  if (x->rank() != 4 || (!bias.empty() && x->dim(1) > static_cast<int64_t>(bias.size()))) {
    return usage_error(cat("ImageScaler's input has shape ", x->shape().text(),
                           " (needed: [N,C,H,W] with a bias for each C; there are ", bias.size(),
                           ")"));
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), x->shape()));
  const int64_t plane = x->dim(2) * x->dim(3);
  for (int64_t i = 0; i < x->elements(); ++i) {
    const auto channel = static_cast<size_t>(i / plane % x->dim(1));
    const double shift = bias.empty() ? 0.0 : static_cast<double>(bias[channel]);
    y->set_double(i, x->get_double(i) * scale + shift);
  }
  return {};
}

}  // namespace sluice::ops::unary
