#include <cmath>
#include <cstring>

#include "base/text.h"
#include "op/broadcast.h"
#include "op/operand.h"
#include "ops/binary/binary.h"

namespace sluice::ops::binary {

namespace {

using plan::KernelContext;

struct Operands {
  const Tensor* a = nullptr;
  const Tensor* b = nullptr;
  Shape shape;
};

Result<Operands> operands(const KernelContext& context, op::DTypeSet allowed) {
  Operands out;
  SLUICE_ASSIGN(out.a, op::input_tensor(context, 0, allowed));
  SLUICE_ASSIGN(out.b, op::input_tensor(context, 1, op::DTypeSet{out.a->dtype()}));
  SLUICE_ASSIGN(out.shape, op::broadcast_shape({&out.a->shape(), &out.b->shape()}));
  return out;
}

Result<void> refuse_zero_divisor(const Tensor& divisor) {
  for (int64_t i = 0; i < divisor.elements(); ++i) {
    if (divisor.get_int(i) == 0) {
      return usage_error(cat("The integer divisor at element ", i, " is 0"));
    }
  }
  return {};
}

// out[i] = f(a, b) where f is called with doubles for floats, uint64_t for unsigned and int64_t
// for signed integers and bools. The result is stored by set_int (which wraps) or set_double.
template <class F>
void apply(const Operands& in, Tensor& out, F&& f) {
  const Tensor& a = *in.a;
  const Tensor& b = *in.b;
  const std::array<const Shape*, 2> shapes = {&a.shape(), &b.shape()};
  if (a.dtype() == DType::kFloat32 && out.dtype() == DType::kFloat32) {
    const float* x = a.data<float>();
    const float* y = b.data<float>();
    float* z = out.mutable_data<float>();
    op::for_each_broadcast<2>(in.shape, shapes, [&](int64_t i, const std::array<int64_t, 2>& at) {
      z[i] = static_cast<float>(f(static_cast<double>(x[at[0]]), static_cast<double>(y[at[1]])));
    });
  } else if (is_floating(a.dtype())) {
    op::for_each_broadcast<2>(in.shape, shapes, [&](int64_t i, const std::array<int64_t, 2>& at) {
      out.set_double(i, static_cast<double>(f(a.get_double(at[0]), b.get_double(at[1]))));
    });
  } else if (is_integer(a.dtype()) && !is_signed_integer(a.dtype())) {
    op::for_each_broadcast<2>(in.shape, shapes, [&](int64_t i, const std::array<int64_t, 2>& at) {
      out.set_int(i, static_cast<int64_t>(f(static_cast<uint64_t>(a.get_int(at[0])),
                                            static_cast<uint64_t>(b.get_int(at[1])))));
    });
  } else {
    op::for_each_broadcast<2>(in.shape, shapes, [&](int64_t i, const std::array<int64_t, 2>& at) {
      out.set_int(i, static_cast<int64_t>(f(a.get_int(at[0]), b.get_int(at[1]))));
    });
  }
}

template <class F>
Result<void> arithmetic(KernelContext& context, F&& f) {
  SLUICE_ASSIGN(const Operands in, operands(context, op::kNumbers));
  SLUICE_ASSIGN(Tensor * out, context.out(0, in.a->dtype(), in.shape));
  apply(in, *out, f);
  return {};
}

template <class F>
Result<void> comparison(KernelContext& context, F&& f) {
  SLUICE_ASSIGN(const Operands in, operands(context, op::kNumbers | op::kBools));
  SLUICE_ASSIGN(Tensor * out, context.out(0, DType::kBool, in.shape));
  apply(in, *out, f);
  return {};
}

template <class F>
Result<void> logical(KernelContext& context, F&& f) {
  SLUICE_ASSIGN(const Operands in, operands(context, op::kBools));
  SLUICE_ASSIGN(Tensor * out, context.out(0, DType::kBool, in.shape));
  apply(in, *out, f);
  return {};
}

template <class F>
Result<void> bitwise(KernelContext& context, F&& f) {
  SLUICE_ASSIGN(const Operands in, operands(context, op::kInts));
  SLUICE_ASSIGN(Tensor * out, context.out(0, in.a->dtype(), in.shape));
  apply(in, *out, f);
  return {};
}

// Integer arithmetic in the unsigned type, where overflow wraps.
template <class T, class F>
T wrapping(T a, T b, F&& f) {
  if constexpr (std::is_floating_point_v<T>) {
    return f(a, b);
  } else {
    return static_cast<T>(f(static_cast<uint64_t>(a), static_cast<uint64_t>(b)));
  }
}

template <class T>
T quotient(T a, T b) {
  if constexpr (std::is_same_v<T, int64_t>) {
    if (b == -1) return static_cast<int64_t>(0 - static_cast<uint64_t>(a));
  }
  return a / b;
}

// Remainder with the sign of the dividend; b is not 0 unless floating.
template <class T>
T remainder_truncated(T a, T b) {
  if constexpr (std::is_same_v<T, double>) {
    return std::fmod(a, b);
  } else if constexpr (std::is_same_v<T, int64_t>) {
    return b == -1 ? 0 : a % b;
  } else {
    return a % b;
  }
}

// Remainder with the sign of the divisor.
template <class T>
T remainder_floored(T a, T b) {
  const T r = remainder_truncated(a, b);
  if constexpr (std::is_same_v<T, uint64_t>) {
    return r;
  } else {
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
  }
}

// base^exponent modulo 2^64.
uint64_t integer_power(uint64_t base, uint64_t exponent) {
  uint64_t result = 1;
  for (; exponent != 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result *= base;
    base *= base;
  }
  return result;
}

// Folds any number of operands into one accumulator per output element.
template <class Floats, class Ints>
Result<void> fold(KernelContext& context, Floats&& floats, Ints&& ints, bool mean = false) {
  SLUICE_ASSIGN(const Tensor* first, op::input_tensor(context, 0, op::kNumbers));
  const DType dtype = first->dtype();
  Shape shape;
  for (int k = 0; k < context.input_count(); ++k) {
    SLUICE_ASSIGN(const Tensor* in, op::input_tensor(context, k, op::DTypeSet{dtype}));
    SLUICE_ASSIGN(shape, op::broadcast_shape({&shape, &in->shape()}));
  }
  SLUICE_ASSIGN(Tensor * out, context.out(0, dtype, shape));
  const auto count = static_cast<size_t>(out->elements());
  const bool exact = is_integer(dtype);
  std::vector<double> doubles(exact ? 0 : count);
  std::vector<int64_t> integers(exact ? count : 0);
  for (int k = 0; k < context.input_count(); ++k) {
    const Tensor& in = context.in(k);
    op::for_each_broadcast<1>(
        shape, {&in.shape()}, [&](int64_t i, const std::array<int64_t, 1>& at) {
          const auto n = static_cast<size_t>(i);
          if (exact) {
            const int64_t value = in.get_int(at[0]);
            integers[n] = k == 0 ? value : ints(integers[n], value, is_signed_integer(dtype));
          } else {
            const double value = in.get_double(at[0]);
            doubles[n] = k == 0 ? value : floats(doubles[n], value);
          }
        });
  }
  for (size_t n = 0; n < count; ++n) {
    if (exact) {
      out->set_int(static_cast<int64_t>(n),
                   mean ? integers[n] / context.input_count() : integers[n]);
    } else {
      out->set_double(static_cast<int64_t>(n),
                      mean ? doubles[n] / context.input_count() : doubles[n]);
    }
  }
  return {};
}

int64_t wrapped_sum(int64_t a, int64_t b, bool) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

bool less_by_sign(int64_t a, int64_t b, bool is_signed) {
  return is_signed ? a < b : static_cast<uint64_t>(a) < static_cast<uint64_t>(b);
}

}  // namespace

Result<void> add_reference(KernelContext& context) {
  return arithmetic(
      context, [](auto a, auto b) { return wrapping(a, b, [](auto x, auto y) { return x + y; }); });
}

Result<void> sub_reference(KernelContext& context) {
  return arithmetic(
      context, [](auto a, auto b) { return wrapping(a, b, [](auto x, auto y) { return x - y; }); });
}

Result<void> mul_reference(KernelContext& context) {
  return arithmetic(
      context, [](auto a, auto b) { return wrapping(a, b, [](auto x, auto y) { return x * y; }); });
}

Result<void> div_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Operands in, operands(context, op::kNumbers));
  if (is_integer(in.a->dtype())) SLUICE_TRY(refuse_zero_divisor(*in.b));
  return arithmetic(context, [](auto a, auto b) { return quotient(a, b); });
}

Result<void> mod_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Operands in, operands(context, op::kNumbers));
  if (is_integer(in.a->dtype())) SLUICE_TRY(refuse_zero_divisor(*in.b));
  if (context.attrs().int_or("fmod", 0) != 0) {
    return arithmetic(context, [](auto a, auto b) { return remainder_truncated(a, b); });
  }
  return arithmetic(context, [](auto a, auto b) { return remainder_floored(a, b); });
}

Result<void> pow_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* base, op::input_tensor(context, 0, op::kNumbers));
  SLUICE_ASSIGN(const Tensor* exponent, op::input_tensor(context, 1, op::kNumbers));
  SLUICE_ASSIGN(const Shape shape, op::broadcast_shape({&base->shape(), &exponent->shape()}));
  SLUICE_ASSIGN(Tensor * out, context.out(0, base->dtype(), shape));
  const bool integers = is_integer(base->dtype()) && is_integer(exponent->dtype());
  const bool signed_exponent = is_signed_integer(exponent->dtype());
  // Squares of floats are exact in double, as the general function has them.
  if (base->dtype() == DType::kFloat32 && exponent->elements() == 1 &&
      exponent->get_double(0) == 2 && shape == base->shape()) {
    const float* const from = base->data<float>();
    float* const to = out->mutable_data<float>();
    for (int64_t i = 0; i < out->elements(); ++i) {
      const auto x = static_cast<double>(from[i]);
      to[i] = static_cast<float>(x * x);
    }
    return {};
  }
  op::for_each_broadcast<2>(
      shape, {&base->shape(), &exponent->shape()},
      [&](int64_t i, const std::array<int64_t, 2>& at) {
        if (integers && !(signed_exponent && exponent->get_int(at[1]) < 0)) {
          out->set_int(i, static_cast<int64_t>(
                              integer_power(static_cast<uint64_t>(base->get_int(at[0])),
                                            static_cast<uint64_t>(exponent->get_int(at[1])))));
        } else {
          out->set_double(i, std::pow(base->get_double(at[0]), exponent->get_double(at[1])));
        }
      });
  return {};
}

Result<void> max_reference(KernelContext& context) {
  return fold(
      context, [](double a, double b) { return std::isnan(a) || a > b ? a : b; },
      [](int64_t a, int64_t b, bool is_signed) { return less_by_sign(a, b, is_signed) ? b : a; });
}

Result<void> min_reference(KernelContext& context) {
  return fold(
      context, [](double a, double b) { return std::isnan(a) || a < b ? a : b; },
      [](int64_t a, int64_t b, bool is_signed) { return less_by_sign(b, a, is_signed) ? b : a; });
}

Result<void> sum_reference(KernelContext& context) {
  return fold(context, [](double a, double b) { return a + b; }, wrapped_sum);
}

Result<void> mean_reference(KernelContext& context) {
  return fold(context, [](double a, double b) { return a + b; }, wrapped_sum, true);
}

Result<void> logical_and_reference(KernelContext& context) {
  return logical(context, [](auto a, auto b) { return a != 0 && b != 0; });
}
Result<void> logical_or_reference(KernelContext& context) {
  return logical(context, [](auto a, auto b) { return a != 0 || b != 0; });
}
Result<void> logical_xor_reference(KernelContext& context) {
  return logical(context, [](auto a, auto b) { return (a != 0) != (b != 0); });
}

Result<void> equal_reference(KernelContext& context) {
  if (context.has(0) && context.input_value(0).is_tensor() &&
      context.in(0).dtype() == DType::kString) {
    SLUICE_ASSIGN(const Operands in, operands(context, op::kStrings));
    SLUICE_ASSIGN(Tensor * out, context.out(0, DType::kBool, in.shape));
    const auto* a = in.a->data<std::string>();
    const auto* b = in.b->data<std::string>();
    op::for_each_broadcast<2>(in.shape, {&in.a->shape(), &in.b->shape()},
                              [&](int64_t i, const std::array<int64_t, 2>& at) {
                                out->set_int(i, a[at[0]] == b[at[1]] ? 1 : 0);
                              });
    return {};
  }
  return comparison(context, [](auto a, auto b) { return a == b; });
}

Result<void> less_reference(KernelContext& context) {
  return comparison(context, [](auto a, auto b) { return a < b; });
}
Result<void> less_or_equal_reference(KernelContext& context) {
  return comparison(context, [](auto a, auto b) { return a <= b; });
}
Result<void> greater_reference(KernelContext& context) {
  return comparison(context, [](auto a, auto b) { return a > b; });
}
Result<void> greater_or_equal_reference(KernelContext& context) {
  return comparison(context, [](auto a, auto b) { return a >= b; });
}

Result<void> bit_shift_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Operands in, operands(context, op::kUnsignedInts));
  SLUICE_ASSIGN(Tensor * out, context.out(0, in.a->dtype(), in.shape));
  const auto bits = static_cast<uint64_t>(dtype_bits(in.a->dtype()));
  const bool left = context.attrs().string_or("direction", "") == "LEFT";
  op::for_each_broadcast<2>(in.shape, {&in.a->shape(), &in.b->shape()},
                            [&](int64_t i, const std::array<int64_t, 2>& at) {
                              const auto value = static_cast<uint64_t>(in.a->get_int(at[0]));
                              const auto count = static_cast<uint64_t>(in.b->get_int(at[1]));
                              uint64_t shifted = 0;
                              if (count < bits) shifted = left ? value << count : value >> count;
                              out->set_int(i, static_cast<int64_t>(shifted));
                            });
  return {};
}

namespace {
// Bitwise forms see integers only; apply's floating branch still has to compile.
template <class T, class F>
T bits_of(T a, T b, F&& f) {
  if constexpr (std::is_floating_point_v<T>) {
    return a;
  } else {
    return static_cast<T>(f(static_cast<uint64_t>(a), static_cast<uint64_t>(b)));
  }
}
}  // namespace

Result<void> bitwise_and_reference(KernelContext& context) {
  return bitwise(context, [](auto a, auto b) {
    return bits_of(a, b, [](uint64_t x, uint64_t y) { return x & y; });
  });
}
Result<void> bitwise_or_reference(KernelContext& context) {
  return bitwise(context, [](auto a, auto b) {
    return bits_of(a, b, [](uint64_t x, uint64_t y) { return x | y; });
  });
}
Result<void> bitwise_xor_reference(KernelContext& context) {
  return bitwise(context, [](auto a, auto b) {
    return bits_of(a, b, [](uint64_t x, uint64_t y) { return x ^ y; });
  });
}

Result<void> where_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* condition, op::input_tensor(context, 0, op::kBools));
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 1));
  SLUICE_ASSIGN(const Tensor* y, op::input_tensor(context, 2, op::DTypeSet{x->dtype()}));
  SLUICE_ASSIGN(const Shape shape,
                op::broadcast_shape({&condition->shape(), &x->shape(), &y->shape()}));
  SLUICE_ASSIGN(Tensor * out, context.out(0, x->dtype(), shape));
  const int bits = dtype_bits(x->dtype());
  const auto bytes = static_cast<size_t>(bits / 8);
  op::for_each_broadcast<3>(
      shape, {&condition->shape(), &x->shape(), &y->shape()},
      [&](int64_t i, const std::array<int64_t, 3>& at) {
        const bool first = condition->data<uint8_t>()[at[0]] != 0;
        const Tensor& from = first ? *x : *y;
        const int64_t n = first ? at[1] : at[2];
        if (from.dtype() == DType::kString) {
          out->mutable_data<std::string>()[i] = from.data<std::string>()[n];
        } else if (bits < 8) {
          out->set_double(i, from.get_double(n));  // exact: the value is of the dtype already
        } else {
          std::memcpy(out->mutable_bytes().data() + static_cast<size_t>(i) * bytes,
                      from.bytes().data() + static_cast<size_t>(n) * bytes, bytes);
        }
      });
  return {};
}

}  // namespace sluice::ops::binary
