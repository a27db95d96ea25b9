#include <algorithm>
#include <cmath>
#include <compare>
#include <numeric>

#include "base/text.h"
#include "op/elements.h"
#include "op/operand.h"
#include "ops/gather/gather.h"

namespace sluice::ops::gather {

using op::input_tensor;
using plan::KernelContext;

namespace {

// An index counted from the front and checked against `extent`.
Result<int64_t> placed_index(int64_t index, int64_t extent) {
  if (index < -extent || index >= extent) {
    return usage_error(cat("The index ", index, " is out of range (", extent, " elements)"));
  }
  return index < 0 ? index + extent : index;
}
Result<std::vector<int64_t>> placed_indices(const Tensor& indices, int64_t extent) {
  std::vector<int64_t> out = indices.to_ints();
  for (int64_t& index : out) {
    SLUICE_ASSIGN(index, placed_index(index, extent));
  }
  return out;
}

constexpr op::DTypeSet kIndexTypes = op::kIndices;

}  // namespace

Result<void> gather_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* data, input_tensor(context, 0));
  SLUICE_ASSIGN(const Tensor* indices, input_tensor(context, 1, kIndexTypes));
  SLUICE_ASSIGN(const int axis,
                op::normalized_axis(context.attrs().int_or("axis", 0), data->rank()));
  if (data->rank() - 1 + indices->rank() > kMaxRank) {
    return unsupported(cat("Gather's result has too many axes (limit ", kMaxRank, ")"));
  }
  const op::AxisSplit split = op::split_at(data->shape(), axis);
  for (int64_t i = 0; i < indices->elements(); ++i) {
    SLUICE_TRY(placed_index(indices->get_int(i), split.extent));
  }
  Shape shape = data->shape();
  shape.erase(axis);
  for (int i = 0; i < indices->rank(); ++i) shape.insert(axis + i, indices->dim(i));
  SLUICE_ASSIGN(Tensor * out, context.out(0, data->dtype(), shape));
  int64_t to = 0;
  for (int64_t o = 0; o < split.outer; ++o) {
    for (int64_t i = 0; i < indices->elements(); ++i) {
      const int64_t given = indices->get_int(i), index = given < 0 ? given + split.extent : given;
      op::copy_elements(*data, (o * split.extent + index) * split.inner, *out, to, split.inner);
      to += split.inner;
    }
  }
  return {};
}

Result<void> gather_elements_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* data, input_tensor(context, 0));
  SLUICE_ASSIGN(const Tensor* indices, input_tensor(context, 1, kIndexTypes));
  SLUICE_ASSIGN(const int axis,
                op::normalized_axis(context.attrs().int_or("axis", 0), data->rank()));
  bool fits = indices->rank() == data->rank();
  for (int i = 0; fits && i < data->rank(); ++i) {
    fits = i == axis || indices->dim(i) <= data->dim(i);
  }
  if (!fits) {
    return invalid_model(cat("GatherElements at axis ", axis, " of ", data->shape().text(),
                             " by indices ", indices->shape().text()));
  }
  SLUICE_ASSIGN(const std::vector<int64_t> at, placed_indices(*indices, data->dim(axis)));
  SLUICE_ASSIGN(Tensor * out, context.out(0, data->dtype(), indices->shape()));
  const Shape strides = data->shape().strides();
  int64_t to = 0;
  for (Odometer index(indices->shape()); !index.done(); index.next(), ++to) {
    const int64_t from =
        index.dot(strides) + (at[static_cast<size_t>(to)] - index[axis]) * strides[axis];
    op::copy_elements(*data, from, *out, to, 1);
  }
  return {};
}

namespace {

// Where the slices named by index tuples of width `depth` start, in elements. The tuples address
// the axes batch_dims.. of `shape`; tuples of batch b are those in the b-th equal part.
Result<std::vector<int64_t>> slice_starts(const Tensor& indices, const Shape& shape, int batch_dims,
                                          int depth) {
  const Shape strides = shape.strides();
  const std::vector<int64_t> numbers = indices.to_ints();
  const auto tuples = depth == 0 ? indices.shape().elements(0, indices.rank() - 1)
                                 : static_cast<int64_t>(numbers.size()) / depth;
  const int64_t batches = shape.elements(0, batch_dims);
  const int64_t batch_size = shape.elements(batch_dims, shape.rank());
  const int64_t per_batch = batches == 0 ? 1 : std::max<int64_t>(tuples / batches, 1);
  std::vector<int64_t> out(static_cast<size_t>(tuples));
  for (int64_t t = 0; t < tuples; ++t) {
    int64_t start = t / per_batch * batch_size;
    for (int k = 0; k < depth; ++k) {
      int64_t index = numbers[static_cast<size_t>(t * depth + k)];
      const int64_t extent = shape[batch_dims + k];
      if (index < -extent || index >= extent) {
        return usage_error(cat("The index ", index, " is out of range (axis ", batch_dims + k,
                               " has ", extent, " elements)"));
      }
      if (index < 0) index += extent;
      start += index * strides[batch_dims + k];
    }
    out[static_cast<size_t>(t)] = start;
  }
  return out;
}

}  // namespace

Result<void> gather_nd_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* data, input_tensor(context, 0));
  SLUICE_ASSIGN(const Tensor* indices, input_tensor(context, 1, kIndexTypes));
  const int64_t batch_dims = context.attrs().int_or("batch_dims", 0);
  if (data->rank() == 0 || indices->rank() == 0 || batch_dims < 0 ||
      batch_dims >= std::min(data->rank(), indices->rank())) {
    return invalid_model(cat("GatherND of ", data->shape().text(), " by indices ",
                             indices->shape().text(), " with ", batch_dims, " batch axes"));
  }
  const int batch = static_cast<int>(batch_dims);
  const int64_t depth = indices->dim(indices->rank() - 1);
  bool fits = depth <= data->rank() - batch;
  for (int i = 0; i < batch; ++i) fits = fits && data->dim(i) == indices->dim(i);
  if (!fits) {
    return invalid_model(cat("GatherND of ", data->shape().text(), " by indices ",
                             indices->shape().text(), " with ", batch_dims, " batch axes"));
  }
  const int tail = batch + static_cast<int>(depth);
  if (indices->rank() - 1 + data->rank() - tail > kMaxRank) {
    return unsupported(cat("GatherND's result has too many axes (limit ", kMaxRank, ")"));
  }
  Shape shape(indices->shape().dims().first(static_cast<size_t>(indices->rank() - 1)));
  for (int i = tail; i < data->rank(); ++i) shape.push_back(data->dim(i));
  SLUICE_ASSIGN(const std::vector<int64_t> starts,
                slice_starts(*indices, data->shape(), batch, static_cast<int>(depth)));
  SLUICE_ASSIGN(Tensor * out, context.out(0, data->dtype(), shape));
  const int64_t size = data->shape().elements(tail, data->rank());
  if (out->elements() == 0) return {};
  if (data->elements() == 0) return usage_error("GatherND picks from nothing");
  int64_t to = 0;
  for (const int64_t start : starts) {
    op::copy_elements(*data, start, *out, to, size);
    to += size;
  }
  return {};
}

namespace {

enum class Reduction : uint8_t { kNone, kAdd, kMul, kMax, kMin };

Result<Reduction> reduction_of(const AttrMap& attrs, const Tensor& data) {
  const std::string name = attrs.string_or("reduction", "none");
  if (name == "none") return Reduction::kNone;
  if (data.dtype() == DType::kString || is_complex(data.dtype())) {
    return unsupported(cat("The reduction ", quoted(name), " of ", dtype_name(data.dtype())));
  }
  if (name == "add") return Reduction::kAdd;
  if (name == "mul") return Reduction::kMul;
  if (name == "max") return Reduction::kMax;
  if (name == "min") return Reduction::kMin;
  return invalid_model(cat("The reduction is ", quoted(name), " (none, add, mul, max or min)"));
}

// to[at] = to[at] (reduction) from[from_at]
void reduce_element(Tensor& to, int64_t at, const Tensor& from, int64_t from_at,
                    Reduction reduction) {
  if (reduction == Reduction::kNone) return op::copy_elements(from, from_at, to, at, 1);
  if (is_floating(to.dtype())) {
    const double a = to.get_double(at), b = from.get_double(from_at);
    switch (reduction) {
      case Reduction::kAdd:
        to.set_double(at, a + b);
        return;
      case Reduction::kMul:
        to.set_double(at, a * b);
        return;
      case Reduction::kMax:
        to.set_double(at, std::isnan(a) || a >= b ? a : b);
        return;
      default:
        to.set_double(at, std::isnan(a) || a <= b ? a : b);
        return;
    }
  }
  const int64_t a = to.get_int(at), b = from.get_int(from_at);
  const auto ua = static_cast<uint64_t>(a), ub = static_cast<uint64_t>(b);
  const bool less = to.dtype() == DType::kUInt64 ? ua < ub : a < b;
  switch (reduction) {
    case Reduction::kAdd:
      to.set_int(at, static_cast<int64_t>(ua + ub));
      return;
    case Reduction::kMul:
      to.set_int(at, static_cast<int64_t>(ua * ub));
      return;
    case Reduction::kMax:
      to.set_int(at, less ? b : a);
      return;
    default:
      to.set_int(at, less ? a : b);
      return;
  }
}

}  // namespace

Result<void> scatter_elements_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* data, input_tensor(context, 0));
  SLUICE_ASSIGN(const Tensor* indices, input_tensor(context, 1, kIndexTypes));
  SLUICE_ASSIGN(const Tensor* updates, input_tensor(context, 2));
  SLUICE_ASSIGN(const int axis,
                op::normalized_axis(context.attrs().int_or("axis", 0), data->rank()));
  bool fits = indices->shape() == updates->shape() && indices->rank() == data->rank() &&
              updates->dtype() == data->dtype();
  for (int i = 0; fits && i < data->rank(); ++i) {
    fits = i == axis || indices->dim(i) <= data->dim(i);
  }
  if (!fits) {
    return invalid_model(cat("ScatterElements at axis ", axis, " of ", updates->text(), " into ",
                             data->text(), " by indices ", indices->shape().text()));
  }
  SLUICE_ASSIGN(const Reduction reduction, reduction_of(context.attrs(), *data));
  SLUICE_ASSIGN(const std::vector<int64_t> at, placed_indices(*indices, data->dim(axis)));
  SLUICE_ASSIGN(Tensor * out, context.out(0, data->dtype(), data->shape()));
  op::copy_elements(*data, 0, *out, 0, data->elements());
  const Shape strides = data->shape().strides();
  int64_t from = 0;
  for (Odometer index(indices->shape()); !index.done(); index.next(), ++from) {
    const int64_t to =
        index.dot(strides) + (at[static_cast<size_t>(from)] - index[axis]) * strides[axis];
    reduce_element(*out, to, *updates, from, reduction);
  }
  return {};
}

Result<void> scatter_nd_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* data, input_tensor(context, 0));
  SLUICE_ASSIGN(const Tensor* indices, input_tensor(context, 1, kIndexTypes));
  SLUICE_ASSIGN(const Tensor* updates, input_tensor(context, 2));
  const auto misfit = [&] {
    return invalid_model(cat("ScatterND of ", updates->text(), " into ", data->text(),
                             " by indices ", indices->shape().text()));
  };
  if (data->rank() == 0 || indices->rank() == 0 || updates->dtype() != data->dtype())
    return misfit();
  const int64_t depth = indices->dim(indices->rank() - 1);
  if (depth > data->rank()) return misfit();
  const int lead = indices->rank() - 1, tail = static_cast<int>(depth);
  bool fits = updates->rank() == lead + data->rank() - tail;
  for (int i = 0; fits && i < lead; ++i) fits = updates->dim(i) == indices->dim(i);
  for (int i = tail; fits && i < data->rank(); ++i) {
    fits = updates->dim(lead + i - tail) == data->dim(i);
  }
  if (!fits) return misfit();
  SLUICE_ASSIGN(const Reduction reduction, reduction_of(context.attrs(), *data));
  SLUICE_ASSIGN(const std::vector<int64_t> starts, slice_starts(*indices, data->shape(), 0, tail));
  SLUICE_ASSIGN(Tensor * out, context.out(0, data->dtype(), data->shape()));
  op::copy_elements(*data, 0, *out, 0, data->elements());
  const int64_t size = data->shape().elements(tail, data->rank());
  for (size_t t = 0; t < starts.size(); ++t) {
    const int64_t from = static_cast<int64_t>(t) * size;
    if (reduction == Reduction::kNone) {
      op::copy_elements(*updates, from, *out, starts[t], size);
    } else {
      for (int64_t i = 0; i < size; ++i) {
        reduce_element(*out, starts[t] + i, *updates, from + i, reduction);
      }
    }
  }
  return {};
}

Result<void> tensor_scatter_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* cache, input_tensor(context, 0));
  SLUICE_ASSIGN(const Tensor* update, input_tensor(context, 1));
  const std::string mode = context.attrs().string_or("mode", "linear");
  if (mode != "linear" && mode != "circular") {
    return invalid_model(cat("TensorScatter has the mode ", quoted(mode), " (linear or circular)"));
  }
  SLUICE_ASSIGN(const int axis,
                op::normalized_axis(context.attrs().int_or("axis", -2), cache->rank()));
  bool fits = axis != 0 && cache->rank() == update->rank() && cache->dtype() == update->dtype();
  for (int i = 0; fits && i < cache->rank(); ++i) {
    fits = i == axis ? update->dim(i) <= cache->dim(i) : update->dim(i) == cache->dim(i);
  }
  if (!fits) {
    return invalid_model(
        cat("TensorScatter at axis ", axis, " of ", update->text(), " into ", cache->text()));
  }
  std::vector<int64_t> writes(static_cast<size_t>(cache->dim(0)), 0);
  if (context.has(2)) {
    SLUICE_ASSIGN(writes, op::input_ints(context, 2));
    if (static_cast<int64_t>(writes.size()) != cache->dim(0)) {
      return invalid_model(cat("TensorScatter has ", writes.size(),
                               " write indices for a batch of ", cache->dim(0)));
    }
  }
  const op::AxisSplit split = op::split_at(cache->shape(), axis);
  const int64_t length = update->dim(axis);
  for (int64_t& write : writes) {
    if (mode == "circular" && split.extent > 0) {
      write = (write % split.extent + split.extent) % split.extent;
    } else if (write < 0 || write > split.extent - length) {
      return usage_error(cat("TensorScatter writes ", length, " elements from ", write, " (limit ",
                             split.extent, ")"));
    }
  }
  SLUICE_ASSIGN(Tensor * out, context.out(0, cache->dtype(), cache->shape()));
  op::copy_elements(*cache, 0, *out, 0, cache->elements());
  if (update->elements() == 0) return {};
  const int64_t per_batch = split.outer / cache->dim(0);
  for (int64_t o = 0; o < split.outer; ++o) {
    const int64_t write = writes[static_cast<size_t>(o / per_batch)];
    for (int64_t s = 0; s < length; ++s) {
      const int64_t at = (write + s) % split.extent;
      op::copy_elements(*update, (o * length + s) * split.inner, *out,
                        (o * split.extent + at) * split.inner, split.inner);
    }
  }
  return {};
}

Result<void> one_hot_reference(KernelContext& context) {
  const op::DTypeSet numbers = op::kNumbers;
  SLUICE_ASSIGN(const Tensor* indices, input_tensor(context, 0, numbers));
  SLUICE_ASSIGN(const Tensor* depths, input_tensor(context, 1, numbers));
  SLUICE_ASSIGN(const Tensor* values, input_tensor(context, 2));
  if (depths->elements() != 1 || values->elements() != 2 || depths->get_int(0) < 0) {
    return invalid_model(cat("OneHot has the depth ", depths->text(), " and values ",
                             values->text(), " (one number, not negative, and two)"));
  }
  const int64_t depth = depths->get_int(0);
  SLUICE_ASSIGN(const int axis,
                op::normalized_axis(context.attrs().int_or("axis", -1), indices->rank() + 1));
  if (indices->rank() >= kMaxRank) {
    return unsupported(cat("OneHot's result has too many axes (limit ", kMaxRank, ")"));
  }
  std::vector<int64_t> dims(indices->shape().begin(), indices->shape().end());
  dims.insert(dims.begin() + axis, depth);
  SLUICE_ASSIGN(const Shape shape, op::checked_shape(dims));
  SLUICE_ASSIGN(Tensor * out, context.out(0, values->dtype(), shape));
  op::fill_elements(*values, 0, *out, 0, out->elements());
  const int64_t inner = indices->shape().elements(axis, indices->rank());
  for (int64_t i = 0; i < indices->elements(); ++i) {
    int64_t index = indices->get_int(i);
    if (index < -depth || index >= depth) continue;
    if (index < 0) index += depth;
    op::copy_elements(*values, 1, *out, (i / inner * depth + index) * inner + i % inner, 1);
  }
  return {};
}

Result<void> reverse_sequence_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0));
  SLUICE_ASSIGN(const std::vector<int64_t> lengths, op::input_ints(context, 1));
  const int64_t batch_axis = context.attrs().int_or("batch_axis", 1);
  const int64_t time_axis = context.attrs().int_or("time_axis", 0);
  const bool swapped = batch_axis == 0 && time_axis == 1;
  if (in->rank() < 2 || (!swapped && (batch_axis != 1 || time_axis != 0))) {
    return invalid_model(cat("ReverseSequence of ", in->shape().text(), " with batch axis ",
                             batch_axis, " and time axis ", time_axis, " (0 and 1, or 1 and 0)"));
  }
  const int64_t batches = in->dim(static_cast<int>(batch_axis));
  const int64_t times = in->dim(static_cast<int>(time_axis));
  if (static_cast<int64_t>(lengths.size()) != batches) {
    return invalid_model(
        cat("ReverseSequence has ", lengths.size(), " lengths for a batch of ", batches));
  }
  const int64_t inner = in->shape().elements(2, in->rank());
  const int64_t batch_step = batch_axis == 0 ? times * inner : inner;
  const int64_t time_step = time_axis == 0 ? batches * inner : inner;
  SLUICE_ASSIGN(Tensor * out, context.out(0, in->dtype(), in->shape()));
  for (int64_t b = 0; b < batches; ++b) {
    const int64_t length = lengths[static_cast<size_t>(b)];
    if (length < 0 || length > times) {
      return usage_error(cat("ReverseSequence has the length ", length, " (limit ", times, ")"));
    }
    for (int64_t t = 0; t < times; ++t) {
      const int64_t from = t < length ? length - 1 - t : t;
      op::copy_elements(*in, b * batch_step + from * time_step, *out,
                        b * batch_step + t * time_step, inner);
    }
  }
  return {};
}

Result<void> compress_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0));
  SLUICE_ASSIGN(const Tensor* condition, input_tensor(context, 1, op::kBools));
  const bool flat = !context.attrs().has("axis");
  int axis = 0;
  op::AxisSplit split{1, in->elements(), 1};
  Shape shape{0};
  if (!flat) {
    SLUICE_ASSIGN(axis, op::normalized_axis(context.attrs().int_or("axis", 0), in->rank()));
    split = op::split_at(in->shape(), axis);
    shape = in->shape();
  }
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < std::min(condition->elements(), split.extent); ++i) {
    if (condition->get_int(i) != 0) kept.push_back(i);
  }
  shape[axis] = static_cast<int64_t>(kept.size());
  SLUICE_ASSIGN(Tensor * out, context.out(0, in->dtype(), shape));
  int64_t to = 0;
  for (int64_t o = 0; o < split.outer; ++o) {
    for (const int64_t index : kept) {
      op::copy_elements(*in, (o * split.extent + index) * split.inner, *out, to, split.inner);
      to += split.inner;
    }
  }
  return {};
}

Result<void> non_zero_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0));
  std::vector<int64_t> found;
  const bool strings = in->dtype() == DType::kString;
  const bool complex = is_complex(in->dtype());
  const size_t width =
      in->elements() == 0 ? 0 : in->size_bytes() / static_cast<size_t>(in->elements());
  for (int64_t i = 0; i < in->elements(); ++i) {
    bool zero = false;
    if (strings) {
      zero = in->data<std::string>()[i].empty();
    } else if (complex) {
      const auto bytes = in->bytes().subspan(static_cast<size_t>(i) * width, width);
      zero = std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
    } else if (is_integer(in->dtype())) {
      zero = in->get_int(i) == 0;
    } else {
      zero = in->get_double(i) == 0;
    }
    if (!zero) found.push_back(i);
  }
  const auto count = static_cast<int64_t>(found.size());
  SLUICE_ASSIGN(Tensor * out, context.out(0, DType::kInt64, Shape{in->rank(), count}));
  const Shape strides = in->shape().strides();
  int64_t* to = out->mutable_data<int64_t>();
  for (int axis = 0; axis < in->rank(); ++axis) {
    for (const int64_t i : found) *to++ = i / strides[axis] % in->dim(axis);
  }
  return {};
}

namespace {

// Elements in an order: numbers as doubles or as integers, or strings.
class Ordering {
 public:
  static Result<Ordering> of(const Tensor& tensor) {
    Ordering out;
    if (tensor.dtype() == DType::kString) {
      out.strings_ = tensor.data<std::string>();
    } else if (is_floating(tensor.dtype())) {
      out.doubles_ = tensor.to_doubles();
    } else if (is_complex(tensor.dtype())) {
      return unsupported("Complex numbers have no order");
    } else {
      out.ints_ = tensor.to_ints();
      if (tensor.dtype() == DType::kUInt64) {
        // Flipping the top bit makes the signed order that of unsigned numbers.
        for (int64_t& v : out.ints_)
          v = static_cast<int64_t>(static_cast<uint64_t>(v) ^ (uint64_t{1} << 63));
      }
    }
    return out;
  }
  int compare(int64_t a, int64_t b) const {
    const auto x = static_cast<size_t>(a), y = static_cast<size_t>(b);
    if (strings_ != nullptr) return strings_[a].compare(strings_[b]);
    if (!ints_.empty()) return ints_[x] < ints_[y] ? -1 : ints_[x] > ints_[y];
    const double u = doubles_[x], v = doubles_[y];
    if (std::isnan(u) || std::isnan(v))
      return static_cast<int>(std::isnan(u)) - static_cast<int>(std::isnan(v));
    return u < v ? -1 : u > v;
  }

 private:
  const std::string* strings_ = nullptr;
  std::vector<double> doubles_;
  std::vector<int64_t> ints_;
};

struct UniqueResult {
  std::vector<int64_t> first;    // of each distinct item, its first position
  std::vector<int64_t> inverse;  // of each item, which distinct one it is
  std::vector<int64_t> counts;
};

// The distinct ones of the `split.extent` slices along an axis.
Result<UniqueResult> find_unique(const Tensor& in, const op::AxisSplit& split, bool sorted) {
  SLUICE_ASSIGN(const Ordering ordering, Ordering::of(in));
  const auto compare = [&](int64_t a, int64_t b) {
    for (int64_t o = 0; o < split.outer; ++o) {
      for (int64_t i = 0; i < split.inner; ++i) {
        const int order = ordering.compare((o * split.extent + a) * split.inner + i,
                                           (o * split.extent + b) * split.inner + i);
        if (order != 0) return order;
      }
    }
    return 0;
  };
  const auto count = static_cast<size_t>(split.extent);
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), int64_t{0});
  std::ranges::stable_sort(order, [&](int64_t a, int64_t b) { return compare(a, b) < 0; });
  UniqueResult out;
  out.inverse.resize(count);
  for (size_t i = 0; i < count; ++i) {
    if (i == 0 || compare(order[i - 1], order[i]) != 0) {
      out.first.push_back(order[i]);
      out.counts.push_back(0);
    }
    out.inverse[static_cast<size_t>(order[i])] = static_cast<int64_t>(out.first.size()) - 1;
    ++out.counts.back();
  }
  if (sorted) return out;
  // Renumbered by first appearance.
  std::vector<size_t> by_first(out.first.size());
  std::iota(by_first.begin(), by_first.end(), size_t{0});
  std::ranges::sort(by_first, {}, [&](size_t i) { return out.first[i]; });
  UniqueResult renumbered;
  std::vector<int64_t> rank(out.first.size());
  for (size_t i = 0; i < by_first.size(); ++i) {
    rank[by_first[i]] = static_cast<int64_t>(i);
    renumbered.first.push_back(out.first[by_first[i]]);
    renumbered.counts.push_back(out.counts[by_first[i]]);
  }
  for (const int64_t i : out.inverse) renumbered.inverse.push_back(rank[static_cast<size_t>(i)]);
  return renumbered;
}

Result<void> put_ints(KernelContext& context, int i, const std::vector<int64_t>& values) {
  if (i >= context.output_count() || !context.wants(i)) return {};
  SLUICE_ASSIGN(Tensor * out,
                context.out(i, DType::kInt64, Shape{static_cast<int64_t>(values.size())}));
  std::ranges::copy(values, out->mutable_data<int64_t>());
  return {};
}

Result<void> put_slices(KernelContext& context, const Tensor& in, const op::AxisSplit& split,
                        Shape shape, int axis, const std::vector<int64_t>& picked) {
  shape[axis] = static_cast<int64_t>(picked.size());
  SLUICE_ASSIGN(Tensor * out, context.out(0, in.dtype(), shape));
  int64_t to = 0;
  for (int64_t o = 0; o < split.outer; ++o) {
    for (const int64_t index : picked) {
      op::copy_elements(in, (o * split.extent + index) * split.inner, *out, to, split.inner);
      to += split.inner;
    }
  }
  return {};
}

}  // namespace

Result<void> unique_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0));
  op::AxisSplit split{1, in->elements(), 1};
  Shape shape{0};
  int axis = 0;
  if (context.attrs().has("axis")) {
    SLUICE_ASSIGN(axis, op::normalized_axis(context.attrs().int_or("axis", 0), in->rank()));
    split = op::split_at(in->shape(), axis);
    shape = in->shape();
  }
  SLUICE_ASSIGN(const UniqueResult found,
                find_unique(*in, split, context.attrs().int_or("sorted", 1) != 0));
  SLUICE_TRY(put_slices(context, *in, split, shape, axis, found.first));
  SLUICE_TRY(put_ints(context, 1, found.first));
  SLUICE_TRY(put_ints(context, 2, found.inverse));
  return put_ints(context, 3, found.counts);
}

Result<void> microsoft_unique_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0));
  const op::AxisSplit split{1, in->elements(), 1};
  SLUICE_ASSIGN(const UniqueResult found, find_unique(*in, split, false));
  SLUICE_TRY(put_slices(context, *in, split, Shape{0}, 0, found.first));
  SLUICE_TRY(put_ints(context, 1, found.inverse));
  return put_ints(context, 2, found.counts);
}

Result<void> top_k_reference(KernelContext& context) {
  const op::DTypeSet numbers = op::kNumbers;
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0, numbers));
  SLUICE_ASSIGN(const int64_t k, op::input_int(context, 1));
  SLUICE_ASSIGN(const int axis,
                op::normalized_axis(context.attrs().int_or("axis", -1), in->rank()));
  const bool largest = context.attrs().int_or("largest", 1) != 0;
  const op::AxisSplit split = op::split_at(in->shape(), axis);
  if (k < 0 || k > split.extent) {
    return usage_error(
        cat("TopK asks for ", k, " elements (axis ", axis, " has ", split.extent, ")"));
  }
  SLUICE_ASSIGN(const Ordering ordering, Ordering::of(*in));
  Shape shape = in->shape();
  shape[axis] = k;
  SLUICE_ASSIGN(Tensor * values, context.out(0, in->dtype(), shape));
  Tensor* indices = nullptr;
  if (context.output_count() > 1 && context.wants(1)) {
    SLUICE_ASSIGN(indices, context.out(1, DType::kInt64, shape));
  }
  if (values->elements() == 0) return {};
  std::vector<int64_t> order(static_cast<size_t>(split.extent));
  for (int64_t o = 0; o < split.outer; ++o) {
    for (int64_t i = 0; i < split.inner; ++i) {
      const auto at = [&](int64_t n) { return (o * split.extent + n) * split.inner + i; };
      std::iota(order.begin(), order.end(), int64_t{0});
      std::ranges::partial_sort(order, order.begin() + k, [&](int64_t a, int64_t b) {
        const int by_value = ordering.compare(at(a), at(b));
        return by_value != 0 ? (largest ? by_value > 0 : by_value < 0) : a < b;
      });
      for (int64_t n = 0; n < k; ++n) {
        const int64_t to = (o * k + n) * split.inner + i;
        const int64_t from = order[static_cast<size_t>(n)];
        op::copy_elements(*in, at(from), *values, to, 1);
        if (indices != nullptr) indices->mutable_data<int64_t>()[to] = from;
      }
    }
  }
  return {};
}

}  // namespace sluice::ops::gather
