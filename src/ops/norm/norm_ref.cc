#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"
#include "op/broadcast.h"
#include "op/operand.h"
#include "op/reals.h"
#include "ops/norm/norm.h"
#include "ops/norm/norm_kernels.h"

namespace sluice::ops::norm {

using plan::KernelContext;

namespace {

using Doubles = std::vector<double>;

struct Moments {
  double mean = 0;
  double variance = 0;  // of the population
};

// Mean first, then squared distances from it: no cancellation.
Moments moments(std::span<const double> values) {
  Moments out;
  if (values.empty()) return out;
  for (const double value : values) out.mean += value;
  out.mean /= static_cast<double>(values.size());
  for (const double value : values) out.variance += (value - out.mean) * (value - out.mean);
  out.variance /= static_cast<double>(values.size());
  return out;
}

double mean_square(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

// The operand as doubles; it must have `count` elements.
Result<Doubles> vector_input(const KernelContext& context, int input, int64_t count,
                             std::string_view what) {
  SLUICE_ASSIGN(const Tensor* tensor, op::input_tensor(context, input, op::kFloats));
  if (tensor->elements() != count) {
    return usage_error(
        cat("The ", what, " has shape ", tensor->shape().text(), " (needs ", count, " elements)"));
  }
  return op::reals(*tensor);
}

// Batch, channels, and elements per channel of [N,C,...]. A 1-D input has one channel.
struct Planes {
  int64_t batch = 0, channels = 1, elems = 1;
};
Result<Planes> planes_of(const Shape& shape) {
  if (shape.rank() == 0) return usage_error("The input is a scalar (needs a batch and channels)");
  if (shape.rank() == 1) return Planes{shape[0], 1, 1};
  return Planes{shape[0], shape[1], shape.elements(2, shape.rank())};
}

double epsilon_of(const AttrMap& attrs, float fallback = 1e-5f) {
  return attrs.float_or("epsilon", fallback);
}

}  // namespace

Result<void> batch_norm_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const Planes planes, planes_of(x->shape()));
  const auto channels = static_cast<size_t>(planes.channels);
  SLUICE_ASSIGN(const Doubles scale, vector_input(context, 1, planes.channels, "scale"));
  SLUICE_ASSIGN(const Doubles bias, vector_input(context, 2, planes.channels, "bias"));
  SLUICE_ASSIGN(Doubles mean, vector_input(context, 3, planes.channels, "mean"));
  SLUICE_ASSIGN(Doubles variance, vector_input(context, 4, planes.channels, "variance"));
  const double epsilon = epsilon_of(context.attrs());
  Doubles values = op::reals(*x);
  if (context.attrs().int_or("training_mode", 0) != 0) {
    const double momentum = context.attrs().float_or("momentum", 0.9f);
    const DType stats = context.in(3).dtype();
    SLUICE_ASSIGN(Tensor * running_mean, context.out(1, stats, Shape{planes.channels}));
    // out() may hand the same spare memory out again: finish one before asking for the next.
    Doubles batch_mean(channels), batch_variance(channels);
    for (size_t c = 0; c < channels; ++c) {
      Doubles channel;
      for (int64_t n = 0; n < planes.batch; ++n) {
        const double* from =
            values.data() + (n * planes.channels + static_cast<int64_t>(c)) * planes.elems;
        channel.insert(channel.end(), from, from + planes.elems);
      }
      const Moments found = moments(channel);
      batch_mean[c] = found.mean;
      batch_variance[c] = found.variance;
      running_mean->set_double(static_cast<int64_t>(c),
                               mean[c] * momentum + found.mean * (1 - momentum));
    }
    SLUICE_ASSIGN(Tensor * running_variance, context.out(2, stats, Shape{planes.channels}));
    for (size_t c = 0; c < channels; ++c) {
      running_variance->set_double(static_cast<int64_t>(c),
                                   variance[c] * momentum + batch_variance[c] * (1 - momentum));
    }
    mean = std::move(batch_mean);
    variance = std::move(batch_variance);
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), x->shape()));
  for (int64_t plane = 0; plane < planes.batch * planes.channels; ++plane) {
    const auto c = static_cast<size_t>(plane % planes.channels);
    const double factor = scale[c] / std::sqrt(variance[c] + epsilon);
    double* row = values.data() + plane * planes.elems;
    for (int64_t i = 0; i < planes.elems; ++i) row[i] = (row[i] - mean[c]) * factor + bias[c];
  }
  op::store_reals(*y, 0, values);
  return {};
}

namespace {

// Instance and group normalization of [N,C,...]: `groups` groups of neighbouring channels.
Result<void> normalize_groups(KernelContext& context, int64_t groups) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  if (x->rank() < 2) {
    return usage_error(cat("Input ", x->shape().text(), " must have rank 2 or more"));
  }
  SLUICE_ASSIGN(const Planes planes, planes_of(x->shape()));
  if (groups == 0) groups = planes.channels;  // instance normalization
  if (groups < 0 || (planes.channels > 0 && planes.channels % groups != 0)) {
    return usage_error(
        cat("The ", planes.channels, " channels don't divide into ", groups, " groups"));
  }
  SLUICE_ASSIGN(const Doubles scale, vector_input(context, 1, planes.channels, "scale"));
  SLUICE_ASSIGN(const Doubles bias, vector_input(context, 2, planes.channels, "bias"));
  const double epsilon = epsilon_of(context.attrs());
  Doubles values = op::reals(*x);
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), x->shape()));
  if (values.empty()) return {};
  const int64_t per_group = planes.channels / groups;
  const auto group_elems = static_cast<size_t>(per_group * planes.elems);
  for (int64_t group = 0; group < planes.batch * groups; ++group) {
    const std::span<double> part(values.data() + static_cast<size_t>(group) * group_elems,
                                 group_elems);
    const Moments found = moments(part);
    const double inverse = 1 / std::sqrt(found.variance + epsilon);
    for (size_t i = 0; i < group_elems; ++i) {
      const auto c =
          static_cast<size_t>(group % groups * per_group + static_cast<int64_t>(i) / planes.elems);
      part[i] = (part[i] - found.mean) * inverse * scale[c] + bias[c];
    }
  }
  op::store_reals(*y, 0, values);
  return {};
}

}  // namespace

Result<void> instance_norm_reference(KernelContext& context) {
  return normalize_groups(context, 0);
}

Result<void> group_norm_reference(KernelContext& context) {
  const int64_t groups = context.attrs().int_or("num_groups", 0);
  if (groups < 1)
    return invalid_model(cat("Attribute num_groups is ", groups, " (must be positive)"));
  return normalize_groups(context, groups);
}

// --- over the trailing axes

namespace {

struct RowStatistics {
  Doubles mean, inverse_deviation;  // one per row
};

// Normalizes rows of `inner` elements in place: about their mean, or (centred false) about zero.
RowStatistics normalize_rows(Doubles& values, int64_t inner, double epsilon, bool centred) {
  RowStatistics out;
  if (inner == 0) return out;
  const auto length = static_cast<size_t>(inner);
  for (size_t at = 0; at < values.size(); at += length) {
    const std::span<double> row(values.data() + at, length);
    Moments found;
    if (centred) {
      found = moments(row);
    } else {
      found.variance = mean_square(row);
    }
    const double inverse = 1 / std::sqrt(found.variance + epsilon);
    for (double& value : row) value = (value - found.mean) * inverse;
    out.mean.push_back(found.mean);
    out.inverse_deviation.push_back(inverse);
  }
  return out;
}

// values (of `shape`) times or plus an operand that broadcasts to it.
template <class Combine>
Result<void> combine_broadcast(Doubles& values, const Shape& shape, const Tensor& operand,
                               std::string_view what, Combine&& combine) {
  const auto joined = broadcast(operand.shape(), shape);
  if (!joined || !(*joined == shape)) {
    return usage_error(
        cat("The ", what, " ", operand.shape().text(), " does not broadcast to ", shape.text()));
  }
  const Doubles numbers = op::reals(operand);
  op::for_each_broadcast<1>(
      shape, {&operand.shape()}, [&](int64_t i, const std::array<int64_t, 1>& at) {
        combine(values[static_cast<size_t>(i)], numbers[static_cast<size_t>(at[0])]);
      });
  return {};
}

Result<void> multiply(Doubles& values, const Shape& shape, const Tensor& operand,
                      std::string_view what) {
  return combine_broadcast(values, shape, operand, what, [](double& a, double b) { a *= b; });
}
Result<void> add(Doubles& values, const Shape& shape, const Tensor& operand,
                 std::string_view what) {
  return combine_broadcast(values, shape, operand, what, [](double& a, double b) { a += b; });
}

Result<DType> stash_dtype(const AttrMap& attrs) {
  const int64_t stash = attrs.int_or("stash_type", 1);
  if (stash == 1 || stash == 10 || stash == 11 || stash == 16) return static_cast<DType>(stash);
  return invalid_model(cat("Attribute stash_type is ", stash, " (must name a float dtype)"));
}

// Puts row statistics out as output i when they are asked for. An empty tensor has no rows to
// speak of, and the statistics of no elements are 0.
Result<void> put_statistics(KernelContext& context, int i, DType dtype, const Shape& shape,
                            const Doubles& values) {
  if (i >= context.output_count() || !context.wants(i)) return {};
  SLUICE_ASSIGN(Tensor * out, context.out(i, dtype, shape));
  for (std::byte& byte : out->mutable_bytes()) byte = std::byte{0};
  if (!values.empty()) op::store_reals(*out, 0, values);
  return {};
}

Shape statistics_shape(Shape shape, int axis) {
  for (int i = axis; i < shape.rank(); ++i) shape[i] = 1;
  return shape;
}

Result<void> rms_norm(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const Tensor* scale, op::input_tensor(context, 1, op::kFloats));
  SLUICE_ASSIGN(const int axis, op::normalized_axis(context.attrs().int_or("axis", -1), x->rank()));
  SLUICE_ASSIGN(const DType stash, stash_dtype(context.attrs()));
  Doubles values = op::reals(*x);
  const RowStatistics rows = normalize_rows(values, x->shape().elements(axis, x->rank()),
                                            epsilon_of(context.attrs()), false);
  SLUICE_TRY(multiply(values, x->shape(), *scale, "scale"));
  SLUICE_ASSIGN(Tensor * y, context.out(0, scale->dtype(), x->shape()));
  op::store_reals(*y, 0, values);
  return put_statistics(context, 1, stash, statistics_shape(x->shape(), axis),
                        rows.inverse_deviation);
}

}  // namespace

Result<void> layer_norm_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const Tensor* scale, op::input_tensor(context, 1, op::kFloats));
  SLUICE_ASSIGN(const int axis, op::normalized_axis(context.attrs().int_or("axis", -1), x->rank()));
  SLUICE_ASSIGN(const DType stash, stash_dtype(context.attrs()));
  Doubles values = op::reals(*x);
  const RowStatistics rows = normalize_rows(values, x->shape().elements(axis, x->rank()),
                                            epsilon_of(context.attrs()), true);
  SLUICE_TRY(multiply(values, x->shape(), *scale, "scale"));
  if (context.has(2)) {
    SLUICE_ASSIGN(const Tensor* bias, op::input_tensor(context, 2, op::kFloats));
    SLUICE_TRY(add(values, x->shape(), *bias, "bias"));
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, scale->dtype(), x->shape()));
  op::store_reals(*y, 0, values);
  const Shape shape = statistics_shape(x->shape(), axis);
  SLUICE_TRY(put_statistics(context, 1, stash, shape, rows.mean));
  return put_statistics(context, 2, stash, shape, rows.inverse_deviation);
}

Result<void> rms_norm_reference(KernelContext& context) { return rms_norm(context); }
Result<void> simplified_layer_norm_reference(KernelContext& context) { return rms_norm(context); }

namespace {

// The skip input has the input's shape, or lacks (or has 1 for) the batch axis.
Result<void> add_skip(Doubles& values, const Shape& shape, const Tensor& skip) {
  return add(values, shape, skip, "skip input");
}

Result<void> skip_norm(KernelContext& context, bool centred, int beta_input, int bias_input) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const Tensor* skip, op::input_tensor(context, 1, op::kFloats));
  SLUICE_ASSIGN(const Tensor* gamma, op::input_tensor(context, 2, op::kFloats));
  if (x->rank() < 2) return usage_error(cat("Input ", x->shape().text(), " must have rank 2 or 3"));
  Doubles values = op::reals(*x);
  SLUICE_TRY(add_skip(values, x->shape(), *skip));
  if (context.has(bias_input)) {
    SLUICE_ASSIGN(const Tensor* bias, op::input_tensor(context, bias_input, op::kFloats));
    SLUICE_TRY(add(values, x->shape(), *bias, "bias"));
  }
  if (context.output_count() > 3 && context.wants(3)) {
    SLUICE_ASSIGN(Tensor * sum, context.out(3, x->dtype(), x->shape()));
    op::store_reals(*sum, 0, values);
  }
  const RowStatistics rows =
      normalize_rows(values, x->dim(-1), epsilon_of(context.attrs(), 1e-12f), centred);
  SLUICE_TRY(multiply(values, x->shape(), *gamma, "gamma"));
  if (beta_input >= 0 && context.has(beta_input)) {
    SLUICE_ASSIGN(const Tensor* beta, op::input_tensor(context, beta_input, op::kFloats));
    SLUICE_TRY(add(values, x->shape(), *beta, "beta"));
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), x->shape()));
  op::store_reals(*y, 0, values);
  const Shape shape = statistics_shape(x->shape(), x->rank() - 1);
  SLUICE_TRY(put_statistics(context, 1, DType::kFloat32, shape, rows.mean));
  return put_statistics(context, 2, DType::kFloat32, shape, rows.inverse_deviation);
}

}  // namespace

Result<void> skip_layer_norm_reference(KernelContext& context) {
  return skip_norm(context, true, 3, 4);
}
Result<void> skip_simplified_layer_norm_reference(KernelContext& context) {
  return skip_norm(context, false, -1, 3);
}

namespace {

// Adds table[ids[i]] to row i of `sums`. ids has one entry per row, or one per row of a single
// image, repeated.
Result<void> add_rows(Doubles& sums, int64_t rows, int64_t width, const std::vector<int64_t>& ids,
                      const Tensor& table, std::string_view what) {
  if (table.rank() != 2 || table.dim(1) != width) {
    return usage_error(
        cat("The ", what, " table has shape ", table.shape().text(), " (needs [?,", width, "])"));
  }
  if (ids.empty() || rows % static_cast<int64_t>(ids.size()) != 0) {
    return usage_error(cat("There are ", ids.size(), " ", what, " indices for ", rows, " rows"));
  }
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t id = ids[static_cast<size_t>(row) % ids.size()];
    if (id < 0 || id >= table.dim(0)) {
      return usage_error(cat("The ", what, " index ", id, " is out of range (", table.dim(0), ")"));
    }
    for (int64_t i = 0; i < width; ++i) {
      sums[static_cast<size_t>(row * width + i)] += table.get_double(id * width + i);
    }
  }
  return {};
}

}  // namespace

Result<void> embed_layer_norm_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* ids, op::input_tensor(context, 0, op::kIndices));
  SLUICE_ASSIGN(const Tensor* words, op::input_tensor(context, 2, op::kFloats));
  SLUICE_ASSIGN(const Tensor* positions, op::input_tensor(context, 3, op::kFloats));
  SLUICE_ASSIGN(const Tensor* gamma, op::input_tensor(context, 5, op::kFloats));
  SLUICE_ASSIGN(const Tensor* beta, op::input_tensor(context, 6, op::kFloats));
  if (ids->rank() != 2 || words->rank() != 2) {
    return usage_error(cat("Indices ", ids->shape().text(), " and word table ",
                           words->shape().text(), " must have rank 2"));
  }
  const int64_t batch = ids->dim(0), length = ids->dim(1), rows = batch * length;
  const int64_t width = words->dim(1);
  const Shape shape{batch, length, width};
  const auto elements = shape.checked_elements();
  if (!elements) return resource_error(cat("A tensor of shape ", shape.text(), " is too large"));
  Doubles values(static_cast<size_t>(*elements));
  if (rows > 0) {
    SLUICE_TRY(add_rows(values, rows, width, ids->to_ints(), *words, "word"));
    std::vector<int64_t> places;
    if (context.has(8)) {
      SLUICE_ASSIGN(const Tensor* given, op::input_tensor(context, 8, op::kIndices));
      places = given->to_ints();
    } else {
      for (int64_t i = 0; i < length; ++i) places.push_back(i);
    }
    SLUICE_TRY(add_rows(values, rows, width, places, *positions, "position"));
    if (context.has(1) && context.has(4)) {
      SLUICE_ASSIGN(const Tensor* segment_ids, op::input_tensor(context, 1, op::kIndices));
      SLUICE_ASSIGN(const Tensor* segments, op::input_tensor(context, 4, op::kFloats));
      SLUICE_TRY(add_rows(values, rows, width, segment_ids->to_ints(), *segments, "segment"));
    }
  }
  if (context.output_count() > 2 && context.wants(2)) {
    SLUICE_ASSIGN(Tensor * sum, context.out(2, words->dtype(), shape));
    op::store_reals(*sum, 0, values);
  }
  normalize_rows(values, width, epsilon_of(context.attrs(), 1e-12f), true);
  SLUICE_TRY(multiply(values, shape, *gamma, "gamma"));
  SLUICE_TRY(add(values, shape, *beta, "beta"));
  SLUICE_ASSIGN(Tensor * y, context.out(0, words->dtype(), shape));
  op::store_reals(*y, 0, values);
  if (context.output_count() > 1 && context.wants(1)) {
    // How many tokens of each sentence the mask leaves; 0 without a mask.
    SLUICE_ASSIGN(Tensor * mask_index, context.out(1, DType::kInt32, Shape{batch}));
    const Tensor* mask = nullptr;
    if (context.has(7)) {
      SLUICE_ASSIGN(mask, op::input_tensor(context, 7, op::kIndices));
      if (!(mask->shape() == ids->shape())) {
        return usage_error(
            cat("The mask has shape ", mask->shape().text(), " (needs ", ids->shape().text(), ")"));
      }
    }
    for (int64_t n = 0; n < batch; ++n) {
      int64_t count = 0;
      for (int64_t i = 0; mask != nullptr && i < length; ++i)
        count += mask->get_int(n * length + i) == 1;
      mask_index->set_int(n, count);
    }
  }
  return {};
}

Result<void> skip_group_norm_reference(KernelContext& context) {
  if (!context.has(3)) return usage_error("Input 3 (skip) is missing");
  return contrib_group_norm_reference(context);
}

Result<void> contrib_group_norm_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  const AttrMap& attrs = context.attrs();
  if (x->rank() != 4) return usage_error(cat("Input ", x->shape().text(), " must have rank 4"));
  const bool channels_last = attrs.int_or("channels_last", 1) != 0;
  const int64_t batch = x->dim(0), channels = x->dim(channels_last ? 3 : 1);
  const int64_t elems = channels_last ? x->dim(1) * x->dim(2) : x->dim(2) * x->dim(3);
  const int64_t groups = attrs.int_or("groups", 0);
  if (groups < 1 || channels % groups != 0) {
    return usage_error(cat("The ", channels, " channels don't divide into ", groups, " groups"));
  }
  SLUICE_ASSIGN(const Doubles scale, vector_input(context, 1, channels, "gamma"));
  SLUICE_ASSIGN(const Doubles bias, vector_input(context, 2, channels, "beta"));
  Doubles values = op::reals(*x);
  const auto at = [&](int64_t n, int64_t c, int64_t i) {
    return static_cast<size_t>(channels_last ? (n * elems + i) * channels + c
                                             : (n * channels + c) * elems + i);
  };
  if (context.has(3)) {  // SkipGroupNorm: [N,H,W,C], [N,1,1,C] or [N,C], then a bias [C]
    SLUICE_ASSIGN(const Tensor* skip, op::input_tensor(context, 3, op::kFloats));
    if (skip->elements() != x->elements() && skip->elements() != batch * channels) {
      return usage_error(
          cat("The skip input ", skip->shape().text(), " does not fit ", x->shape().text()));
    }
    const Doubles skips = op::reals(*skip);
    Doubles more(static_cast<size_t>(channels), 0.0);
    if (context.has(4)) {
      SLUICE_ASSIGN(more, vector_input(context, 4, channels, "bias"));
    }
    for (int64_t n = 0; n < batch; ++n) {
      for (int64_t c = 0; c < channels; ++c) {
        for (int64_t i = 0; i < elems; ++i) {
          values[at(n, c, i)] +=
              more[static_cast<size_t>(c)] +
              skips[skips.size() == values.size() ? at(n, c, i)
                                                  : static_cast<size_t>(n * channels + c)];
        }
      }
    }
    if (context.output_count() > 1 && context.wants(1)) {
      SLUICE_ASSIGN(Tensor * sum, context.out(1, x->dtype(), x->shape()));
      op::store_reals(*sum, 0, values);
    }
  }
  const double epsilon = epsilon_of(attrs);
  const bool silu = attrs.int_or("activation", 0) == 1;
  const int64_t per_group = channels / groups;
  Doubles part;
  for (int64_t n = 0; n < batch; ++n) {
    for (int64_t group = 0; group < groups; ++group) {
      part.clear();
      for (int64_t c = group * per_group; c < (group + 1) * per_group; ++c) {
        for (int64_t i = 0; i < elems; ++i) part.push_back(values[at(n, c, i)]);
      }
      const Moments found = moments(part);
      const double inverse = 1 / std::sqrt(found.variance + epsilon);
      for (int64_t c = group * per_group; c < (group + 1) * per_group; ++c) {
        for (int64_t i = 0; i < elems; ++i) {
          double& value = values[at(n, c, i)];
          value = (value - found.mean) * inverse * scale[static_cast<size_t>(c)] +
                  bias[static_cast<size_t>(c)];
          if (silu) value /= 1 + std::exp(-value);
        }
      }
    }
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), x->shape()));
  op::store_reals(*y, 0, values);
  return {};
}

// --- over chosen axes, neighbours, and chance

Result<void> mean_variance_norm_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const std::vector<int> axes,
                op::normalized_axes(context.attrs().ints_or("axes", {0, 2, 3}), x->rank()));
  // Elements that share a group differ only along `axes`; the group number ignores those axes.
  Shape kept = x->shape();
  for (const int axis : axes) kept[axis] = 1;
  const auto groups = static_cast<size_t>(kept.elements());
  Doubles values = op::reals(*x), mean(groups), variance(groups);
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), x->shape()));
  if (values.empty()) return {};
  const double count = static_cast<double>(values.size()) / static_cast<double>(groups);
  const auto each = [&](auto&& body) {
    op::for_each_broadcast<1>(x->shape(), {&kept},
                              [&](int64_t i, const std::array<int64_t, 1>& at) {
                                body(values[static_cast<size_t>(i)], static_cast<size_t>(at[0]));
                              });
  };
  each([&](double value, size_t group) { mean[group] += value / count; });
  each([&](double value, size_t group) {
    variance[group] += (value - mean[group]) * (value - mean[group]) / count;
  });
  each([&](double& value, size_t group) {
    value = (value - mean[group]) / (std::sqrt(variance[group]) + kMeanVarianceEpsilon);
  });
  op::store_reals(*y, 0, values);
  return {};
}

Result<void> lp_norm_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const int axis, op::normalized_axis(context.attrs().int_or("axis", -1), x->rank()));
  const int64_t p = context.attrs().int_or("p", 2);
  if (p != 1 && p != 2) return invalid_model(cat("Attribute p is ", p, " (must be 1 or 2)"));
  Doubles values = op::reals(*x);
  const int64_t outer = x->shape().elements(0, axis), count = x->dim(axis);
  const int64_t inner = x->shape().elements(axis + 1, x->rank());
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < inner; ++i) {
      double* first = values.data() + o * count * inner + i;
      double sum = 0;
      for (int64_t k = 0; k < count; ++k) {
        const double value = first[k * inner];
        sum += p == 1 ? std::abs(value) : value * value;
      }
      const double norm = p == 1 ? sum : std::sqrt(sum);
      for (int64_t k = 0; k < count; ++k) {
        first[k * inner] = norm == 0 ? 0 : first[k * inner] / norm;
      }
    }
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), x->shape()));
  op::store_reals(*y, 0, values);
  return {};
}

Result<void> lrn_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats));
  if (x->rank() < 2) {
    return usage_error(cat("Input ", x->shape().text(), " must have rank 2 or more"));
  }
  const AttrMap& attrs = context.attrs();
  const int64_t size = attrs.int_or("size", 0);
  if (size < 1) return invalid_model(cat("Attribute size is ", size, " (must be positive)"));
  const double alpha = attrs.float_or("alpha", 1e-4f), beta = attrs.float_or("beta", 0.75f);
  const double bias = attrs.float_or("bias", 1);
  SLUICE_ASSIGN(const Planes planes, planes_of(x->shape()));
  const Doubles values = op::reals(*x);
  Doubles out(values.size());
  const int64_t below = (size - 1) / 2, above = size - 1 - below;
  for (int64_t n = 0; n < planes.batch; ++n) {
    for (int64_t c = 0; c < planes.channels; ++c) {
      const int64_t first = std::max<int64_t>(0, c - below);
      const int64_t last = c + std::min(above, planes.channels - 1 - c);
      for (int64_t i = 0; i < planes.elems; ++i) {
        double sum = 0;
        for (int64_t k = first; k <= last; ++k) {
          const double value =
              values[static_cast<size_t>((n * planes.channels + k) * planes.elems + i)];
          sum += value * value;
        }
        const auto at = static_cast<size_t>((n * planes.channels + c) * planes.elems + i);
        out[at] = values[at] / std::pow(bias + alpha / static_cast<double>(size) * sum, beta);
      }
    }
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), x->shape()));
  op::store_reals(*y, 0, out);
  return {};
}

namespace {

// MT19937 (Matsumoto and Nishimura, 1998), and uniform numbers with 53 random bits as numpy's
// legacy generator makes them: a given seed then drops the same elements as in the specification's
// examples.
class MersenneTwister {
 public:
  explicit MersenneTwister(uint32_t seed) {
    state_[0] = seed;
    for (uint32_t i = 1; i < kSize; ++i) {
      state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
    }
  }
  double uniform() {  // in [0, 1)
    const uint32_t high = next() >> 5, low = next() >> 6;
    return (high * 67108864.0 + low) / 9007199254740992.0;
  }

 private:
  static constexpr uint32_t kSize = 624, kShift = 397;
  uint32_t next() {
    if (at_ == kSize) {
      for (uint32_t i = 0; i < kSize; ++i) {
        const uint32_t mixed = (state_[i] & 0x80000000u) | (state_[(i + 1) % kSize] & 0x7fffffffu);
        state_[i] =
            state_[(i + kShift) % kSize] ^ (mixed >> 1) ^ ((mixed & 1u) != 0 ? 0x9908b0dfu : 0);
      }
      at_ = 0;
    }
    uint32_t y = state_[at_++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
  }
  std::array<uint32_t, kSize> state_;
  uint32_t at_ = kSize;
};

}  // namespace

Result<void> dropout_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, op::kFloats | op::kFloat8s));
  double ratio = 0.5;
  if (context.has(1)) {
    SLUICE_ASSIGN(const Tensor* tensor, op::input_tensor(context, 1, op::kFloats | op::kFloat8s));
    if (tensor->elements() != 1) return usage_error("The ratio must be one number");
    ratio = tensor->get_double(0);
  }
  bool training = false;
  if (context.has(2)) {
    SLUICE_ASSIGN(const Tensor* tensor, op::input_tensor(context, 2, op::kBools));
    if (tensor->elements() != 1) return usage_error("training_mode must be one number");
    training = tensor->get_int(0) != 0;
  }
  const bool wants_mask = context.output_count() > 1 && context.wants(1);
  std::vector<bool> keep(static_cast<size_t>(x->elements()), true);
  if (!training || ratio == 0) {
    SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), x->shape()));
    std::ranges::copy(x->bytes(), y->mutable_bytes().begin());
  } else {
    if (!(ratio > 0 && ratio < 1)) {
      return usage_error(cat("The ratio is ", ratio, " (must be at least 0 and below 1)"));
    }
    MersenneTwister random(static_cast<uint32_t>(context.attrs().int_or("seed", 0)));
    for (size_t i = 0; i < keep.size(); ++i) keep[i] = random.uniform() >= ratio;
    SLUICE_ASSIGN(Tensor * y, context.out(0, x->dtype(), x->shape()));
    for (int64_t i = 0; i < x->elements(); ++i) {
      y->set_double(i, keep[static_cast<size_t>(i)] ? x->get_double(i) / (1 - ratio) : 0.0);
    }
  }
  if (wants_mask) {
    SLUICE_ASSIGN(Tensor * mask, context.out(1, DType::kBool, x->shape()));
    for (int64_t i = 0; i < x->elements(); ++i) mask->set_int(i, keep[static_cast<size_t>(i)]);
  }
  return {};
}

}  // namespace sluice::ops::norm
