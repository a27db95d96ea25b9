#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "base/text.h"
#include "op/elements.h"
#include "op/operand.h"
#include "ops/shape/shape.h"

namespace sluice::ops::shape {

using op::input_tensor;
using plan::KernelContext;

Result<Shape> reshaped_shape(const Shape& in, std::span<const int64_t> wanted, bool allow_zero) {
  if (wanted.size() > kMaxRank) {
    return unsupported(cat("Reshape asks for ", wanted.size(), " axes (limit ", kMaxRank, ")"));
  }
  Shape out;
  int inferred = -1;
  Checked known(1);
  for (size_t i = 0; i < wanted.size(); ++i) {
    int64_t dim = wanted[i];
    if (dim == -1) {
      if (inferred >= 0) return invalid_model("Reshape has more than one -1");
      inferred = static_cast<int>(i);
      out.push_back(1);
      continue;
    }
    if (dim == 0 && !allow_zero) {
      if (static_cast<int>(i) >= in.rank()) {
        return invalid_model(cat("Reshape copies extent ", i, " of the shape ", in.text(),
                                 ", which has no such axis"));
      }
      dim = in[static_cast<int>(i)];
    }
    if (dim < 0) return invalid_model(cat("Reshape asks for the extent ", dim, " (at least -1)"));
    out.push_back(dim);
    known = known * static_cast<uint64_t>(dim);
  }
  const auto total = static_cast<uint64_t>(in.elements());
  if (inferred >= 0) {
    if (!known.valid() || known.value() == 0 || total % known.value() != 0) {
      return invalid_model(cat("Reshape of ", in.text(), " to [", join(wanted, ","),
                               "] leaves no whole extent for -1"));
    }
    out[inferred] = static_cast<int64_t>(total / known.value());
  } else if (!out.checked_elements() || static_cast<uint64_t>(*out.checked_elements()) != total) {
    return invalid_model(cat("Reshape of ", in.text(), " to [", join(wanted, ","),
                             "] changes the number of elements"));
  }
  return out;
}

Result<Shape> squeezed_shape(const Shape& in, std::span<const int64_t> axes, bool all_ones) {
  Shape out = in;
  if (all_ones) {
    for (int i = out.rank() - 1; i >= 0; --i) {
      if (out[i] == 1) out.erase(i);
    }
    return out;
  }
  SLUICE_ASSIGN(const std::vector<int> sorted, op::normalized_axes(axes, in.rank()));
  for (size_t i = sorted.size(); i-- > 0;) {
    if (in[sorted[i]] != 1) {
      return invalid_model(
          cat("Squeeze of axis ", sorted[i], " of ", in.text(), ", whose extent is not 1"));
    }
    out.erase(sorted[i]);
  }
  return out;
}

Result<Shape> unsqueezed_shape(const Shape& in, std::span<const int64_t> axes) {
  if (axes.size() > static_cast<size_t>(kMaxRank - in.rank())) {
    return unsupported(cat("Unsqueeze of ", in.text(), " by ", axes.size(), " axes (limit ",
                           kMaxRank, " in all)"));
  }
  SLUICE_ASSIGN(const std::vector<int> sorted,
                op::normalized_axes(axes, in.rank() + static_cast<int>(axes.size())));
  Shape out = in;
  for (const int axis : sorted) out.insert(axis, 1);
  return out;
}

Result<int64_t> range_count(double start, double limit, double delta) {
  const double count = std::ceil((limit - start) / delta);
  if (delta == 0 || std::isnan(count) || count > 1e15) {
    return usage_error(
        cat("Range from ", start, " to ", limit, " by ", delta, " has no usable length"));
  }
  return count <= 0 ? 0 : static_cast<int64_t>(count);
}

Result<int64_t> range_count(int64_t start, int64_t limit, int64_t delta) {
  if (delta == 0) return usage_error("Range has the step 0");
  if (delta > 0 ? start >= limit : start <= limit) return 0;
  // Distances in unsigned arithmetic: they may exceed int64.
  const uint64_t distance = delta > 0 ? static_cast<uint64_t>(limit) - static_cast<uint64_t>(start)
                                      : static_cast<uint64_t>(start) - static_cast<uint64_t>(limit);
  const uint64_t step = delta > 0 ? static_cast<uint64_t>(delta) : 0 - static_cast<uint64_t>(delta);
  const uint64_t count = distance / step + (distance % step != 0);
  if (count > uint64_t{1} << 48) {
    return resource_error(cat("Range has ", count, " elements (limit 2^48)"));
  }
  return static_cast<int64_t>(count);
}

Result<std::vector<int>> permutation(const AttrMap& attrs, int rank) {
  std::vector<int> out;
  if (!attrs.has("perm")) {
    for (int i = rank - 1; i >= 0; --i) out.push_back(i);
    return out;
  }
  const std::vector<int64_t> perm = attrs.ints_or("perm");
  std::vector<bool> seen(static_cast<size_t>(rank), false);
  if (static_cast<int>(perm.size()) != rank) {
    return invalid_model(
        cat("Transpose has a permutation of ", perm.size(), " axes (rank ", rank, ")"));
  }
  for (const int64_t axis : perm) {
    if (axis < 0 || axis >= rank || seen[static_cast<size_t>(axis)]) {
      return invalid_model(cat("Transpose's [", join(perm, ","), "] is no permutation"));
    }
    seen[static_cast<size_t>(axis)] = true;
    out.push_back(static_cast<int>(axis));
  }
  return out;
}

Result<DType> dtype_attribute(int64_t onnx_number) {
  if (!dtype_is_valid(onnx_number) || onnx_number == 0) {
    return invalid_model(cat("The element type number ", onnx_number, " is not known"));
  }
  return static_cast<DType>(onnx_number);
}

Result<void> shape_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0));
  const int64_t rank = in->rank();
  const auto clamped = [&](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  const int64_t start = clamped(context.attrs().int_or("start", 0));
  const int64_t end = std::max(start, clamped(context.attrs().int_or("end", rank)));
  SLUICE_ASSIGN(Tensor * out, context.out(0, DType::kInt64, Shape{end - start}));
  for (int64_t i = start; i < end; ++i) {
    out->mutable_data<int64_t>()[i - start] = in->dim(static_cast<int>(i));
  }
  return {};
}

Result<void> size_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0));
  SLUICE_ASSIGN(Tensor * out, context.out(0, DType::kInt64, Shape{}));
  out->mutable_data<int64_t>()[0] = in->elements();
  return {};
}

Result<void> reshape_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0));
  const auto make = [&]() -> Result<Shape> {
    SLUICE_ASSIGN(const std::vector<int64_t> wanted, op::input_ints(context, 1));
    return reshaped_shape(in->shape(), wanted, context.attrs().int_or("allowzero", 0) != 0);
  };
  SLUICE_ASSIGN(const Shape* shape, context.kept<Shape>(make, {1}));
  context.set_out(0, Value(in->reshaped(*shape)));
  return {};
}

Result<void> flatten_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0));
  int64_t axis = context.attrs().int_or("axis", 1);
  if (axis < -in->rank() || axis > in->rank()) {
    return invalid_model(cat("Flatten at axis ", axis, " of ", in->shape().text()));
  }
  if (axis < 0) axis += in->rank();
  const Shape shape{in->shape().elements(0, static_cast<int>(axis)),
                    in->shape().elements(static_cast<int>(axis), in->rank())};
  context.set_out(0, Value(in->reshaped(shape)));
  return {};
}

Result<void> squeeze_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0));
  const auto make = [&]() -> Result<Shape> {
    std::vector<int64_t> axes;
    if (context.has(1)) {
      SLUICE_ASSIGN(axes, op::input_ints(context, 1));
    }
    return squeezed_shape(in->shape(), axes, !context.has(1));
  };
  SLUICE_ASSIGN(const Shape* shape, context.kept<Shape>(make, {1}));
  context.set_out(0, Value(in->reshaped(*shape)));
  return {};
}

Result<void> unsqueeze_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0));
  const auto make = [&]() -> Result<Shape> {
    SLUICE_ASSIGN(const std::vector<int64_t> axes, op::input_ints(context, 1));
    return unsqueezed_shape(in->shape(), axes);
  };
  SLUICE_ASSIGN(const Shape* shape, context.kept<Shape>(make, {1}));
  context.set_out(0, Value(in->reshaped(*shape)));
  return {};
}

Result<void> transpose_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0));
  SLUICE_ASSIGN(const std::vector<int> perm, permutation(context.attrs(), in->rank()));
  const Shape in_strides = in->shape().strides();
  Shape shape, strides;
  for (const int axis : perm) {
    shape.push_back(in->dim(axis));
    strides.push_back(in_strides[axis]);
  }
  SLUICE_ASSIGN(Tensor * out, context.out(0, in->dtype(), shape));
  op::copy_strided(*in, 0, strides, *out);
  return {};
}

Result<void> expand_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0));
  const auto make = [&]() -> Result<Shape> {
    SLUICE_ASSIGN(const std::vector<int64_t> wanted, op::input_ints(context, 1));
    SLUICE_ASSIGN(const Shape target, op::checked_shape(wanted));
    const auto joined = broadcast(in->shape(), target);
    if (!joined) {
      return invalid_model(
          cat("Expand of ", in->shape().text(), " to ", target.text(), ", which don't broadcast"));
    }
    return *joined;
  };
  SLUICE_ASSIGN(const Shape* shape, context.kept<Shape>(make, {1}));
  SLUICE_ASSIGN(Tensor * out, context.out(0, in->dtype(), *shape));
  op::copy_strided(*in, 0, broadcast_strides(in->shape(), *shape), *out);
  return {};
}

Result<void> tile_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0));
  SLUICE_ASSIGN(const std::vector<int64_t> repeats, op::input_ints(context, 1));
  const int rank = in->rank();
  if (static_cast<int>(repeats.size()) != rank) {
    return invalid_model(cat("Tile has ", repeats.size(), " repeats (rank ", rank, ")"));
  }
  std::vector<int64_t> dims;
  for (int i = 0; i < rank; ++i) {
    const int64_t repeat = repeats[static_cast<size_t>(i)];
    int64_t dim = 0;
    if (repeat < 0 || __builtin_mul_overflow(repeat, in->dim(i), &dim)) {
      return invalid_model(
          cat("Tile repeats axis ", i, " of ", in->shape().text(), " ", repeat, " times"));
    }
    dims.push_back(dim);
  }
  SLUICE_ASSIGN(const Shape shape, op::checked_shape(dims));
  SLUICE_ASSIGN(Tensor * out, context.out(0, in->dtype(), shape));
  if (out->elements() == 0) return {};
  // Rows of the last axis, repeated; the outer index wraps around.
  const Shape strides = in->shape().strides();
  const int64_t row = rank == 0 ? 1 : in->dim(rank - 1);
  const int64_t copies = rank == 0 ? 1 : repeats[static_cast<size_t>(rank - 1)];
  Shape outer = shape;
  if (rank > 0) outer.erase(rank - 1);
  int64_t to = 0;
  for (Odometer at(outer); !at.done(); at.next()) {
    int64_t from = 0;
    for (int i = 0; i < outer.rank(); ++i) from += at[i] % in->dim(i) * strides[i];
    for (int64_t c = 0; c < copies; ++c, to += row) op::copy_elements(*in, from, *out, to, row);
  }
  return {};
}

Result<void> constant_of_shape_reference(KernelContext& context) {
  struct Filled {
    Shape shape;
    Tensor value;
  };
  const Tensor* given = context.attrs().tensor("value");
  if (given != nullptr && given->elements() != 1) {
    return invalid_model(
        cat("ConstantOfShape's value has ", given->elements(), " elements (must be 1)"));
  }
  const auto make = [&]() -> Result<Filled> {
    SLUICE_ASSIGN(const std::vector<int64_t> dims, op::input_ints(context, 0));
    SLUICE_ASSIGN(const Shape shape, op::checked_shape(dims));
    return Filled{shape, given != nullptr ? *given : Tensor::scalar(0.0f)};
  };
  SLUICE_ASSIGN(const Filled* filled, context.kept<Filled>(make, {0}));
  SLUICE_ASSIGN(Tensor * out, context.out(0, filled->value.dtype(), filled->shape));
  op::fill_elements(filled->value, 0, *out, 0, out->elements());
  return {};
}

Result<void> range_reference(KernelContext& context) {
  const op::DTypeSet allowed = op::kNumbers;
  const Tensor* operands[3];
  for (int i = 0; i < 3; ++i) {
    SLUICE_ASSIGN(operands[i], input_tensor(context, i, allowed));
    if (operands[i]->elements() != 1 || operands[i]->dtype() != operands[0]->dtype()) {
      return invalid_model(cat("Range's operand ", i, " is ", operands[i]->text(),
                               " (all must be scalars of one type)"));
    }
  }
  const DType dtype = operands[0]->dtype();
  if (is_integer(dtype)) {
    const int64_t start = operands[0]->get_int(0), delta = operands[2]->get_int(0);
    SLUICE_ASSIGN(const int64_t count, range_count(start, operands[1]->get_int(0), delta));
    SLUICE_ASSIGN(Tensor * out, context.out(0, dtype, Shape{count}));
    uint64_t value = static_cast<uint64_t>(start);
    for (int64_t i = 0; i < count; ++i, value += static_cast<uint64_t>(delta)) {
      out->set_int(i, static_cast<int64_t>(value));
    }
    return {};
  }
  const double start = operands[0]->get_double(0), delta = operands[2]->get_double(0);
  SLUICE_ASSIGN(const int64_t count, range_count(start, operands[1]->get_double(0), delta));
  SLUICE_ASSIGN(Tensor * out, context.out(0, dtype, Shape{count}));
  for (int64_t i = 0; i < count; ++i) {
    out->set_double(i, start + static_cast<double>(i) * delta);
  }
  return {};
}

Result<void> eye_like_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0));
  if (in->rank() != 2) {
    return invalid_model(cat("EyeLike of ", in->shape().text(), " (must have 2 axes)"));
  }
  SLUICE_ASSIGN(const DType dtype, dtype_attribute(context.attrs().int_or(
                                       "dtype", static_cast<int64_t>(in->dtype()))));
  if (dtype == DType::kString || is_complex(dtype)) {
    return invalid_model(cat("EyeLike makes ", dtype_name(dtype), ", which has no ones"));
  }
  const int64_t k = context.attrs().int_or("k", 0);
  SLUICE_ASSIGN(Tensor * out, context.out(0, dtype, in->shape()));
  const int64_t rows = in->dim(0), columns = in->dim(1);
  const Tensor zero = Tensor::of_doubles(dtype, Shape{}, std::vector<double>{0.0});
  op::fill_elements(zero, 0, *out, 0, out->elements());
  for (int64_t row = 0; row < rows; ++row) {
    if (k >= columns || k <= -rows) break;
    const int64_t column = row + k;
    if (column >= 0 && column < columns) out->set_double(row * columns + column, 1);
  }
  return {};
}

Result<Tensor> constant_tensor(const AttrMap& attrs) {
  if (const Tensor* value = attrs.tensor("value")) return *value;
  const auto size = [](const auto& list) { return Shape{static_cast<int64_t>(list.size())}; };
  for (const auto& [name, value] : attrs.entries()) {
    if (!name.starts_with("value_")) continue;
    if (const auto* i = std::get_if<int64_t>(&value)) return Tensor::scalar(*i);
    if (const auto* f = std::get_if<float>(&value)) return Tensor::scalar(*f);
    if (const auto* s = std::get_if<std::string>(&value)) {
      return Tensor::of_strings(Shape{}, std::span(s, 1));
    }
    if (const auto* is = std::get_if<std::vector<int64_t>>(&value)) {
      return Tensor::of<int64_t>(size(*is), std::span<const int64_t>(*is));
    }
    if (const auto* fs = std::get_if<std::vector<float>>(&value)) {
      return Tensor::of<float>(size(*fs), std::span<const float>(*fs));
    }
    if (const auto* ss = std::get_if<std::vector<std::string>>(&value)) {
      return Tensor::of_strings(size(*ss), *ss);
    }
  }
  return unsupported(
      "Constant has none of the attributes value, value_int, value_float, "
      "value_string and their list forms");
}

Result<void> constant_reference(KernelContext& context) {
  SLUICE_ASSIGN(Tensor value, constant_tensor(context.attrs()));
  context.set_out(0, Value(std::move(value)));
  return {};
}

Result<void> trilu_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0));
  int64_t k = 0;
  if (context.has(1)) {
    SLUICE_ASSIGN(k, op::input_int(context, 1));
  }
  const bool upper = context.attrs().int_or("upper", 1) != 0;
  const int rank = in->rank();
  if (rank < 2) return invalid_model(cat("Trilu of ", in->shape().text(), " (at least 2 axes)"));
  const int64_t rows = in->dim(rank - 2), columns = in->dim(rank - 1);
  k = std::clamp(k, -rows - 1, columns + 1);
  SLUICE_ASSIGN(Tensor * out, context.out(0, in->dtype(), in->shape()));
  SLUICE_ASSIGN(const Tensor zero, Tensor::allocate(in->dtype(), Shape{}));
  const int64_t matrices = in->shape().elements(0, rank - 2);
  for (int64_t row = 0; row < matrices * rows; ++row) {
    // Columns below the k-th diagonal go for the upper triangle, those above it for the lower.
    const int64_t diagonal = std::clamp<int64_t>(row % rows + k + (upper ? 0 : 1), 0, columns);
    const int64_t at = row * columns;
    if (upper) {
      op::fill_elements(zero, 0, *out, at, diagonal);
      op::copy_elements(*in, at + diagonal, *out, at + diagonal, columns - diagonal);
    } else {
      op::copy_elements(*in, at, *out, at, diagonal);
      op::fill_elements(zero, 0, *out, at + diagonal, columns - diagonal);
    }
  }
  return {};
}

}  // namespace sluice::ops::shape
