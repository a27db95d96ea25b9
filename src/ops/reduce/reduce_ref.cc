#include <cmath>
#include <limits>

#include "base/text.h"
#include "op/operand.h"
#include "ops/reduce/reduce.h"

namespace sluice::ops::reduce {

namespace {

using plan::KernelContext;

// Where the elements of each group lie: the group of output element o starts at starts[o] and
// consists of starts[o] + offsets[...]. Both lists are in row-major order.
struct Groups {
  Shape output;
  std::vector<int64_t> starts;
  std::vector<int64_t> offsets;  // none: every group is empty

  int64_t start(int64_t o) const { return offsets.empty() ? 0 : starts[static_cast<size_t>(o)]; }
};

// Offsets of all index combinations over `axes` of a tensor of `shape`.
std::vector<int64_t> offsets_over(const Shape& shape, const std::vector<int>& axes) {
  const Shape strides = shape.strides();
  Shape extents, steps;
  for (const int axis : axes) {
    extents.push_back(shape[axis]);
    steps.push_back(strides[axis]);
  }
  std::vector<int64_t> out;
  out.reserve(static_cast<size_t>(extents.elements()));
  for (Odometer at(extents); !at.done(); at.next()) out.push_back(at.dot(steps));
  return out;
}

Result<Groups> group(const Shape& shape, const std::vector<int>& reduced, bool keepdims) {
  Groups out;
  std::vector<int> kept;
  for (int axis = 0, next = 0; axis < shape.rank(); ++axis) {
    if (static_cast<size_t>(next) < reduced.size() && reduced[static_cast<size_t>(next)] == axis) {
      ++next;
      if (keepdims) out.output.push_back(1);
    } else {
      kept.push_back(axis);
      out.output.push_back(shape[axis]);
    }
  }
  // Nothing to visit; the output may still be large, so no list of its elements is made.
  if (shape.elements() == 0) return out;
  out.starts = offsets_over(shape, kept);
  out.offsets = offsets_over(shape, reduced);
  return out;
}

Result<Groups> groups_of(const KernelContext& context, const Tensor& data) {
  std::vector<int64_t> axes;
  if (context.has(1)) {
    SLUICE_ASSIGN(const Tensor* given, op::input_tensor(context, 1, op::kIndices));
    axes = given->to_ints();
  }
  std::vector<int> reduced;
  if (!axes.empty()) {
    SLUICE_ASSIGN(reduced, op::normalized_axes(axes, data.rank()));
  } else if (context.attrs().int_or("noop_with_empty_axes", 0) == 0) {
    for (int axis = 0; axis < data.rank(); ++axis) reduced.push_back(axis);
  }
  return group(data.shape(), reduced, context.attrs().int_or("keepdims", 1) != 0);
}

// A reduction in three steps; `count` is the size of the group.
struct Reduction {
  double start = 0;
  double (*accumulate)(double total, double value) = nullptr;
  double (*finish)(double total, double count) = nullptr;  // optional
  // For integers, exact and wrapping; null where only a float can be meant (then the double form
  // is used and truncated).
  int64_t (*accumulate_int)(int64_t total, int64_t value, bool is_signed) = nullptr;
};

uint64_t bits(int64_t x) { return static_cast<uint64_t>(x); }

Result<void> run(KernelContext& context, const Reduction& r,
                 int64_t (*int_start)(DType) = nullptr) {
  SLUICE_ASSIGN(const Tensor* data, op::input_tensor(context, 0, op::kNumbers | op::kBools));
  SLUICE_ASSIGN(const Groups groups, groups_of(context, *data));
  SLUICE_ASSIGN(Tensor * out, context.out(0, data->dtype(), groups.output));
  const bool integers = !is_floating(data->dtype()) && r.accumulate_int != nullptr;
  const bool is_signed = is_signed_integer(data->dtype());
  const auto count = static_cast<double>(groups.offsets.size());
  for (int64_t o = 0; o < out->elements(); ++o) {
    const int64_t start = groups.start(o);
    if (integers) {
      int64_t total =
          int_start != nullptr ? int_start(data->dtype()) : static_cast<int64_t>(r.start);
      for (const int64_t offset : groups.offsets) {
        total = r.accumulate_int(total, data->get_int(start + offset), is_signed);
      }
      out->set_int(o, total);
    } else {
      double total = r.start;
      for (const int64_t offset : groups.offsets) {
        total = r.accumulate(total, data->get_double(start + offset));
      }
      out->set_double(o, r.finish != nullptr ? r.finish(total, count) : total);
    }
  }
  return {};
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double add(double total, double value) { return total + value; }
int64_t add_ints(int64_t total, int64_t value, bool) {
  return static_cast<int64_t>(bits(total) + bits(value));
}

// The extreme's index in a line of `length` elements `stride` apart.
template <bool kMax>
int64_t extreme(const Tensor& data, int64_t base, int64_t length, int64_t stride, bool last) {
  const bool exact = !is_floating(data.dtype());
  const bool is_signed = is_signed_integer(data.dtype());
  int64_t best = 0;
  for (int64_t i = 1; i < length; ++i) {
    // order > 0: element i beats the best so far; 0: a tie.
    int order = 0;
    if (exact) {
      const int64_t a = data.get_int(base + i * stride), b = data.get_int(base + best * stride);
      const bool less = is_signed ? a < b : bits(a) < bits(b);
      order = a == b ? 0 : less ? -1 : 1;
    } else {
      const double a = data.get_double(base + i * stride);
      const double b = data.get_double(base + best * stride);
      if (std::isnan(a) || std::isnan(b)) {
        order = (std::isnan(a) ? 1 : 0) - (std::isnan(b) ? 1 : 0);
        if (!kMax) order = -order;
      } else {
        order = a == b ? 0 : a < b ? -1 : 1;
      }
    }
    if (!kMax) order = -order;
    if (order > 0 || (order == 0 && last)) best = i;
  }
  return best;
}

template <bool kMax>
Result<void> arg_extreme(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* data, op::input_tensor(context, 0, op::kNumbers));
  const Shape& shape = data->shape();
  // A scalar counts as one element along axis 0.
  const int rank = shape.rank();
  SLUICE_ASSIGN(const int axis,
                op::normalized_axis(context.attrs().int_or("axis", 0), std::max(rank, 1)));
  Shape output = shape;
  if (rank > 0) {
    if (shape[axis] == 0) {
      return usage_error(
          cat("Axis ", axis, " of shape ", shape.text(), " is empty and has no extreme element"));
    }
    output[axis] = 1;
    if (context.attrs().int_or("keepdims", 1) == 0) output.erase(axis);
  }
  SLUICE_ASSIGN(Tensor * out, context.out(0, DType::kInt64, output));
  if (rank == 0) {
    out->set_int(0, 0);
    return {};
  }
  const bool last = context.attrs().int_or("select_last_index", 0) != 0;
  const int64_t length = shape[axis];
  const int64_t stride = shape.elements(axis + 1, rank);
  for (int64_t o = 0; o < out->elements(); ++o) {
    const int64_t base = o / stride * length * stride + o % stride;
    out->set_int(o, extreme<kMax>(*data, base, length, stride, last));
  }
  return {};
}

template <bool kProduct>
Result<void> cumulate(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kNumbers));
  SLUICE_ASSIGN(const Tensor* axis_input, op::input_tensor(context, 1, op::kIndices));
  if (axis_input->elements() != 1) {
    return usage_error(cat("The axis has ", axis_input->elements(), " elements (1 is needed)"));
  }
  const Shape& shape = x->shape();
  SLUICE_ASSIGN(const int axis, op::normalized_axis(axis_input->get_int(0), shape.rank()));
  const bool exclusive = context.attrs().int_or("exclusive", 0) != 0;
  const bool reverse = context.attrs().int_or("reverse", 0) != 0;
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), shape));
  if (x->elements() == 0) return {};
  const int64_t length = shape[axis];
  const int64_t stride = shape.elements(axis + 1, shape.rank());
  const int64_t lines = x->elements() / length;
  const bool exact = is_integer(x->dtype());
  for (int64_t line = 0; line < lines; ++line) {
    const int64_t base = line / stride * length * stride + line % stride;
    double total = kProduct ? 1 : 0;
    uint64_t total_int = kProduct ? 1 : 0;
    for (int64_t step = 0; step < length; ++step) {
      const int64_t i = base + (reverse ? length - 1 - step : step) * stride;
      const auto store = [&] {
        if (exact) {
          y->set_int(i, static_cast<int64_t>(total_int));
        } else {
          y->set_double(i, total);
        }
      };
      if (exclusive) store();
      if (exact) {
        const auto value = static_cast<uint64_t>(x->get_int(i));
        total_int = kProduct ? total_int * value : total_int + value;
      } else {
        const double value = x->get_double(i);
        total = kProduct ? total * value : total + value;
      }
      if (!exclusive) store();
    }
  }
  return {};
}

}  // namespace

Result<void> reduce_sum_reference(KernelContext& context) {
  return run(context, {.accumulate = add, .accumulate_int = add_ints});
}

Result<void> reduce_mean_reference(KernelContext& context) {
  return run(context, {.accumulate = add,
                       .finish = [](double total, double count) { return total / count; }});
}

Result<void> reduce_max_reference(KernelContext& context) {
  return run(context,
             {.start = -kInfinity,
              .accumulate = [](double a, double b) { return std::isnan(a) || a > b ? a : b; },
              .accumulate_int =
                  [](int64_t a, int64_t b, bool is_signed) {
                    return (is_signed ? a < b : bits(a) < bits(b)) ? b : a;
                  }},
             integer_min);
}

Result<void> reduce_min_reference(KernelContext& context) {
  return run(context,
             {.start = kInfinity,
              .accumulate = [](double a, double b) { return std::isnan(a) || a < b ? a : b; },
              .accumulate_int =
                  [](int64_t a, int64_t b, bool is_signed) {
                    return (is_signed ? b < a : bits(b) < bits(a)) ? b : a;
                  }},
             [](DType dtype) { return static_cast<int64_t>(integer_max(dtype)); });
}

Result<void> reduce_prod_reference(KernelContext& context) {
  return run(context,
             {.start = 1,
              .accumulate = [](double a, double b) { return a * b; },
              .accumulate_int = [](int64_t a, int64_t b,
                                   bool) { return static_cast<int64_t>(bits(a) * bits(b)); }});
}

Result<void> reduce_l1_reference(KernelContext& context) {
  return run(context, {.accumulate = [](double a, double b) { return a + std::fabs(b); },
                       .accumulate_int =
                           [](int64_t a, int64_t b, bool is_signed) {
                             const uint64_t magnitude = is_signed && b < 0 ? 0 - bits(b) : bits(b);
                             return static_cast<int64_t>(bits(a) + magnitude);
                           }});
}

Result<void> reduce_l2_reference(KernelContext& context) {
  return run(context, {.accumulate = [](double a, double b) { return a + b * b; },
                       .finish = [](double total, double) { return std::sqrt(total); }});
}

Result<void> reduce_log_sum_reference(KernelContext& context) {
  return run(context,
             {.accumulate = add, .finish = [](double total, double) { return std::log(total); }});
}

Result<void> reduce_sum_square_reference(KernelContext& context) {
  return run(context, {.accumulate = [](double a, double b) { return a + b * b; },
                       .accumulate_int =
                           [](int64_t a, int64_t b, bool) {
                             return static_cast<int64_t>(bits(a) + bits(b) * bits(b));
                           }});
}

// Needs the maximum first, so that the exponentials stay in range.
Result<void> reduce_log_sum_exp_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* data, op::input_tensor(context, 0, op::kNumbers));
  SLUICE_ASSIGN(const Groups groups, groups_of(context, *data));
  SLUICE_ASSIGN(Tensor * out, context.out(0, data->dtype(), groups.output));
  for (int64_t o = 0; o < out->elements(); ++o) {
    double max = -kInfinity;
    for (const int64_t offset : groups.offsets) {
      const double value = data->get_double(groups.start(o) + offset);
      max = std::isnan(max) || max > value ? max : value;
    }
    double result = max;  // infinite or NaN: as it is
    if (std::isfinite(max)) {
      double sum = 0;
      for (const int64_t offset : groups.offsets) {
        sum += std::exp(data->get_double(groups.start(o) + offset) - max);
      }
      result = max + std::log(sum);
    }
    out->set_double(o, result);
  }
  return {};
}

Result<void> arg_max_reference(KernelContext& context) { return arg_extreme<true>(context); }
Result<void> arg_min_reference(KernelContext& context) { return arg_extreme<false>(context); }
Result<void> cum_sum_reference(KernelContext& context) { return cumulate<false>(context); }
Result<void> cum_prod_reference(KernelContext& context) { return cumulate<true>(context); }

}  // namespace sluice::ops::reduce
