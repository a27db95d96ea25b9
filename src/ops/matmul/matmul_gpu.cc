// How matrix products run on the GPU: shader/product.h does the work; here operands of all kinds
// are brought into its form.
#include <algorithm>
#include <array>
#include <cstring>

#include "base/text.h"
#include "op/activation.h"
#include "op/lower.h"
#include "ops/matmul/matmul.h"
#include "shader/dynamic_range.h"
#include "shader/matmul_i64.h"
#include "shader/matmul_naive.h"
#include "shader/matmul_pack_codes.h"
#include "shader/matmul_requant.h"
#include "shader/product.h"
#include "shader/quantize.h"

namespace sluice::ops::matmul {

namespace {

using op::LowerContext;
using plan::DeviceFormat;
using plan::SlotId;

bool is_float_format(DeviceFormat format) {
  return format == DeviceFormat::kF32 || format == DeviceFormat::kF16;
}
bool is_word_format(DeviceFormat format) {
  return format == DeviceFormat::kI32 || format == DeviceFormat::kU32;
}
bool is_one(const Dim& dim) { return dim.is_known() && dim.value() == 1; }

// An operand as [batch..., rows, columns]: extents and strides in elements.
struct Matrices {
  Dims batch, batch_strides;
  Dim rows, columns, row_stride, column_stride;
};

// `axes`: the operand's axes in the order [batch..., rows, columns]; empty: as it stands.
Matrices matrices_of(const Dims& dims, const std::vector<int>& axes, bool left) {
  Matrices out;
  if (dims.size() == 1) {
    out.rows = left ? Dim(1) : dims[0];
    out.columns = left ? dims[0] : Dim(1);
    // A column's extent of 1 has any stride: it is a stored row.
    out.row_stride = left ? dims[0] : Dim(1);
    out.column_stride = left ? Dim(1) : dims[0];
    return out;
  }
  const Dims strides = op::strides(dims);
  std::vector<size_t> order;
  for (size_t i = 0; i < dims.size(); ++i) {
    order.push_back(axes.empty() ? i : static_cast<size_t>(axes[i]));
  }
  const size_t last = dims.size() - 1;
  for (size_t i = 0; i + 2 < dims.size(); ++i) {
    out.batch.push_back(dims[order[i]]);
    out.batch_strides.push_back(strides[order[i]]);
  }
  out.rows = dims[order[last - 1]];
  out.row_stride = strides[order[last - 1]];
  out.columns = dims[order[last]];
  out.column_stride = strides[order[last]];
  return out;
}

// The strides of an operand's batch axes seen as `out`; 0 where it repeats.
Result<Dims> steps_over(LowerContext& context, int input, const Matrices& of, const Dims& out) {
  Dims steps(out.size(), Dim(0));
  for (size_t i = 0; i < of.batch.size() && i < out.size(); ++i) {
    const size_t from = of.batch.size() - 1 - i, to = out.size() - 1 - i;
    if (of.batch[from] == out[to]) {
      steps[to] = of.batch_strides[from];
    } else if (!is_one(of.batch[from])) {
      SLUICE_TRY(context.static_in(input));  // whether it repeats depends on numbers
      return context.refuse("batch axes that may or may not broadcast");
    }
  }
  return steps;
}

// A product over batch axes, before a shader is chosen.
struct Problem {
  Matrices a, b;
  Dims batch, a_steps, b_steps, y_steps;
  Dim m, n, k;
};

Result<Problem> problem_of(LowerContext& context, int a_input, int b_input,
                           const std::vector<int>& a_axes, const std::vector<int>& b_axes) {
  Problem out;
  out.a = matrices_of(context.in_dims(a_input), a_axes, true);
  out.b = matrices_of(context.in_dims(b_input), b_axes, false);
  out.m = out.a.rows;
  out.k = out.a.columns;
  out.n = out.b.columns;
  const auto joined = broadcast(out.a.batch, out.b.batch);
  if (!joined) return context.refuse(joined.error().message);
  out.batch = *joined;
  for (const Dim& extent : out.batch) {
    if (!extent.is_unknown()) continue;
    SLUICE_TRY(context.static_in(a_input));
    SLUICE_TRY(context.static_in(b_input));
  }
  SLUICE_ASSIGN(out.a_steps, steps_over(context, a_input, out.a, out.batch));
  SLUICE_ASSIGN(out.b_steps, steps_over(context, b_input, out.b, out.batch));
  Dims whole = out.batch;
  whole.push_back(out.m);
  whole.push_back(out.n);
  out.y_steps = op::strides(whole);
  out.y_steps.resize(out.batch.size());
  op::merge_axes(out.batch, {&out.a_steps, &out.b_steps, &out.y_steps});
  return out;
}

// Batch axes over which B repeats are more rows of A, where A's matrices lie one after another.
void join_rows(Problem& problem) {
  if (problem.batch.size() != 1 || !(problem.b_steps[0] == Dim(0))) return;
  if (!is_one(problem.a.column_stride)) return;
  if (!(problem.a_steps[0] == problem.m * problem.a.row_stride)) return;
  problem.m = problem.m * problem.batch[0];
  problem.batch.clear();
  problem.a_steps.clear();
  problem.b_steps.clear();
  problem.y_steps.clear();
}

// Strides and transposition in the form of shader::Product; false when neither rows nor columns of
// an operand are contiguous, or there are too many batch axes.
bool describe(const Problem& problem, shader::Product& out) {
  if (problem.batch.size() > 4) return false;
  const auto side = [](const Matrices& of, bool& transposed, Dim& ld) {
    if (is_one(of.column_stride)) {
      transposed = false;
      ld = of.row_stride;
      return true;
    }
    transposed = true;
    ld = of.column_stride;
    return is_one(of.row_stride);
  };
  if (!side(problem.a, out.a_t, out.a_ld) || !side(problem.b, out.b_t, out.b_ld)) return false;
  out.m = problem.m;
  out.n = problem.n;
  out.k = problem.k;
  out.y_ld = problem.n;
  out.batch = problem.batch;
  out.a_step = problem.a_steps;
  out.b_step = problem.b_steps;
  out.y_step = problem.y_steps;
  out.c_step = Dims(problem.batch.size(), Dim(0));
  return true;
}

struct Epilogue {
  float alpha = 1, beta = 1;
  op::Activation activation;
  int c_input = -1;  // Gemm's C
  Dim c_m = 0, c_n = 0;
};

// Issues the product, cut into ranges of rows and columns where an operand is larger than a binding
// may be. Offsets of bound ranges are multiples of 256 bytes because ranges are of 64 rows.
Result<void> add_sliced(LowerContext& context, shader::Product product) {
  const auto limit = static_cast<int64_t>(context.limits().max_storage_binding_bytes);
  const auto bytes_of = [](const Dim& count, DeviceFormat format) -> int64_t {
    const Dim bytes = count * Dim(plan::element_bytes(format));
    return bytes.is_known() ? bytes.value() : 0;  // of symbols nothing can be said yet
  };
  const Dim batches = op::elements(product.batch);
  const Dim a_count = op::elements(context.in_dims(0)), b_count = op::elements(context.in_dims(1));
  const Dim y_count = product.m * product.n * batches;
  const bool cut_rows =
      bytes_of(a_count, product.a_format) > limit || bytes_of(y_count, product.y_format) > limit;
  const bool cut_columns = bytes_of(b_count, product.b_format) > limit;
  if (!cut_rows && !cut_columns) {
    context.add(shader::product(product));
    return {};
  }
  const Tensor* weights = context.NodeView::constant(1);
  if (!product.batch.empty() || !product.m.is_known() || !product.n.is_known() ||
      !product.k.is_known() || (cut_rows && product.a_t) ||
      (cut_columns && !product.b_t && weights == nullptr)) {
    return context.refuse(cat("an operand exceeds what can be bound (", limit,
                              " bytes) and does not come apart into rows or columns"));
  }
  const int64_t m = product.m.value(), n = product.n.value(), k = product.k.value();
  const int64_t a_bytes = plan::element_bytes(product.a_format);
  const int64_t b_bytes = plan::element_bytes(product.b_format);
  const int64_t y_bytes = plan::element_bytes(product.y_format);
  constexpr int64_t kUnit = 128;  // 256 bytes of 2-byte elements
  const auto range = [&](int64_t row_bytes) {
    return limit / std::max<int64_t>(row_bytes, 1) / kUnit * kUnit;
  };
  const int64_t rows = cut_rows ? std::min(range(k * a_bytes), range(n * y_bytes)) : m;
  const int64_t columns = cut_columns ? range(k * b_bytes) : n;
  if (rows < 1 || columns < 1) {
    return context.refuse(cat("rows are too long to be bound (", limit, " bytes)"));
  }
  const plan::SlotRange a = product.a, b = product.b, y = product.y;
  for (int64_t column = 0; column < n; column += columns) {
    product.n = std::min(columns, n - column);
    if (cut_columns && product.b_t) {
      product.b = plan::SlotRange(b.slot, column * k * b_bytes, product.n * Dim(k * b_bytes));
    } else if (cut_columns) {
      SLUICE_ASSIGN(Tensor part,
                    Tensor::allocate_uninitialized(weights->dtype(), Shape{k, product.n.value()}));
      const auto element = static_cast<size_t>(dtype_bits(weights->dtype()) / 8);
      const size_t wide = static_cast<size_t>(product.n.value()) * element;
      for (int64_t row = 0; row < k; ++row) {
        std::memcpy(part.mutable_bytes().data() + static_cast<size_t>(row) * wide,
                    weights->bytes().data() + static_cast<size_t>(row * n + column) * element,
                    wide);
      }
      product.b = context.constant(std::move(part), cat("columns from ", column));
      product.b_ld = product.n;
    }
    for (int64_t row = 0; row < m; row += rows) {
      product.m = std::min(rows, m - row);
      if (cut_rows) {
        product.a = plan::SlotRange(a.slot, row * k * a_bytes, product.m * Dim(k * a_bytes));
        product.y = plan::SlotRange(y.slot, row * n * y_bytes, product.m * Dim(n * y_bytes));
      }
      product.y_offset = column;
      product.c_offset = product.c_m * Dim(row) + product.c_n * Dim(column);
      context.add(shader::product(product));
    }
  }
  return {};
}

Result<void> lower_tiled(LowerContext& context, const std::vector<int>& a_axes,
                         const std::vector<int>& b_axes, const Epilogue& epilogue) {
  const DeviceFormat a_format = context.in_format(0), b_format = context.in_format(1);
  const bool integers = is_word_format(a_format);
  if (integers ? !is_word_format(b_format)
               : !is_float_format(a_format) || !is_float_format(b_format)) {
    return context.refuse("this kernel multiplies float32, float16 and 32-bit integers only");
  }
  if (integers && (epilogue.alpha != 1 || epilogue.c_input >= 0)) {
    return context.refuse("integers are neither scaled nor added to here");
  }
  SLUICE_ASSIGN(Problem problem, problem_of(context, 0, 1, a_axes, b_axes));
  if (epilogue.c_input < 0) join_rows(problem);
  shader::Product product;
  if (!describe(problem, product)) {
    return context.refuse("the operands' axes do not reduce to rows under four batch axes");
  }
  product.a = context.in(0);
  product.b = context.in(1);
  product.y = context.out(0);
  product.a_format = a_format;
  product.b_format = b_format;
  product.y_format = context.out_format(0);
  product.alpha = epilogue.alpha;
  product.beta = epilogue.beta;
  product.activation = static_cast<uint32_t>(epilogue.activation.kind);
  product.act_alpha = static_cast<float>(epilogue.activation.alpha);
  product.act_beta = static_cast<float>(epilogue.activation.beta);
  if (epilogue.c_input >= 0) {
    product.c = context.in(epilogue.c_input);
    product.c_format = context.in_format(epilogue.c_input);
    product.c_m = epilogue.c_m;
    product.c_n = epilogue.c_n;
  }
  return add_sliced(context, std::move(product));
}

// Any strides, up to eight batch axes, integers with a bias, 64-bit integers.
Result<void> lower_naive(LowerContext& context, const std::vector<int>& a_axes,
                         const std::vector<int>& b_axes, const Epilogue& epilogue) {
  const DeviceFormat format = context.in_format(0);
  if (format == DeviceFormat::kF64 || context.in_format(1) != format) {
    return context.refuse("float64 is not computed with on the GPU");
  }
  SLUICE_ASSIGN(const Problem problem, problem_of(context, 0, 1, a_axes, b_axes));
  if (problem.batch.size() > 8) {
    return context.refuse(
        cat("the batch has ", problem.batch.size(), " axes that don't merge (limit 8)"));
  }
  if (!is_float_format(format) && (epilogue.alpha != 1 || epilogue.beta != 1)) {
    return context.refuse("integers are not scaled here");
  }
  const Dim total = op::elements(context.out_dims(0));
  const plan::SlotRange c =
      epilogue.c_input >= 0 ? plan::SlotRange(context.in(epilogue.c_input)) : plan::SlotRange();
  const shader::strided_matrices::Params params{
      .batch = op::eight(problem.batch, 1),
      .a_step = op::eight(problem.a_steps, 0),
      .b_step = op::eight(problem.b_steps, 0),
      .c_step = op::eight({}, 0),
      .total = total,
      .m = problem.m,
      .n = problem.n,
      .k = problem.k,
      .a_m = problem.a.row_stride,
      .a_k = problem.a.column_stride,
      .b_k = problem.b.row_stride,
      .b_n = problem.b.column_stride,
      .c_m = epilogue.c_m,
      .c_n = epilogue.c_n,
      .alpha = epilogue.alpha,
      .beta = epilogue.beta,
      .act_alpha = static_cast<float>(epilogue.activation.alpha),
      .act_beta = static_cast<float>(epilogue.activation.beta)};
  if (format == DeviceFormat::kI64 || format == DeviceFormat::kU64) {
    context.dispatch(shader::matmul_i64::Call{.knobs = {.HAS_C = epilogue.c_input >= 0},
                                              .params = params,
                                              .a = context.in(0),
                                              .b = context.in(1),
                                              .c = c,
                                              .y = context.out(0),
                                              .workgroups = op::workgroups(total, 256)});
    return {};
  }
  const bool floating = is_float_format(format);
  context.dispatch(
      shader::matmul_naive::Call{.knobs = {.ACT = static_cast<uint32_t>(epilogue.activation.kind),
                                           .T = floating ? plan::wgsl_type(format) : "u32",
                                           .ACC = floating ? "f32" : "u32",
                                           .SCALED = floating,
                                           .HAS_C = epilogue.c_input >= 0},
                                 .params = params,
                                 .a = context.in(0),
                                 .b = context.in(1),
                                 .c = c,
                                 .y = context.out(0),
                                 .workgroups = op::workgroups(total, 256)});
  return {};
}

using Lower = Result<void> (*)(LowerContext&, const std::vector<int>&, const std::vector<int>&,
                               const Epilogue&);

template <Lower kLower>
Result<void> lower_matmul(LowerContext& context) {
  const std::vector<int> as_given;
  return kLower(context, as_given, as_given, Epilogue());
}

template <Lower kLower>
Result<void> lower_fused_matmul(LowerContext& context) {
  const AttrMap& attrs = context.attrs();
  const auto axes = [&](int input, std::string_view transpose, std::string_view trans_batch) {
    return fused_permutation(static_cast<int>(context.in_dims(input).size()),
                             attrs.int_or(transpose, 0) != 0, attrs.int_or(trans_batch, 0) != 0);
  };
  return kLower(context, axes(0, "transA", "transBatchA"), axes(1, "transB", "transBatchB"),
                {.alpha = attrs.float_or("alpha", 1.0F)});
}

// Strides of a bias that broadcasts to the result [m, n].
Result<void> read_bias(LowerContext& context, int input, const Dim& m, const Dim& n,
                       Epilogue& epilogue) {
  const Dims& dims = context.in_dims(input);
  if (dims.size() > 2) return context.refuse("C has more than two axes");
  epilogue.c_input = input;
  const Dim last = dims.empty() ? Dim(1) : dims.back();
  const Dim first = dims.size() == 2 ? dims[0] : Dim(1);
  if ((!(last == n) && !is_one(last)) || (!(first == m) && !is_one(first))) {
    SLUICE_TRY(context.static_in(input));
    SLUICE_TRY(context.static_in(0));
    return context.refuse("C does not broadcast to the result");
  }
  epilogue.c_n = is_one(last) ? Dim(0) : Dim(1);
  epilogue.c_m = is_one(first) ? Dim(0) : last;
  return {};
}

template <Lower kLower>
Result<void> lower_gemm(LowerContext& context) {
  const AttrMap& attrs = context.attrs();
  Epilogue epilogue;
  epilogue.alpha = attrs.float_or("alpha", 1.0F);
  epilogue.beta = attrs.float_or("beta", 1.0F);
  if (attrs.has("activation")) {
    const auto parameter = [&](std::string_view name) {
      return attrs.has(name) ? std::optional<double>(attrs.float_or(name, 0)) : std::nullopt;
    };
    SLUICE_ASSIGN(epilogue.activation, op::Activation::parse(attrs.string_or("activation", ""),
                                                             parameter("activation_alpha"),
                                                             parameter("activation_beta")));
  }
  const auto axes = [&](std::string_view name) {
    return attrs.int_or(name, 0) != 0 ? std::vector<int>{1, 0} : std::vector<int>{};
  };
  if (context.has_input(2) && epilogue.beta != 0) {
    const Dims& out = context.out_dims(0);
    SLUICE_TRY(read_bias(context, 2, out[0], out[1], epilogue));
  }
  return kLower(context, axes("transA"), axes("transB"), epilogue);
}

// --- quantized operands

// How a scale or zero point of [batch..., m, n] repeats: one, or one along the rows (columns).
enum class Along : uint8_t { kOne, kRows, kColumns };
Result<Along> parameter_along(LowerContext& context, int input, const Dim& extent, Along axis) {
  const Dims& dims = context.in_dims(input);
  const Dim count = op::elements(dims);
  if (is_one(count)) return Along::kOne;
  // A vector, or a shape with a single extent that is not 1, in the axis' place.
  bool fits = dims.size() == 1 && dims[0] == extent;
  if (dims.size() >= 2) {
    const size_t place = dims.size() - (axis == Along::kRows ? 2 : 1);
    fits = dims[place] == extent;
    for (size_t i = 0; i < dims.size(); ++i) fits = fits && (i == place || is_one(dims[i]));
  }
  if (fits) return axis;
  SLUICE_TRY(context.static_in(input));
  return context.refuse(cat("input ", input, ", a scale or zero point of shape ", dims_text(dims),
                            ", is neither one nor one per ",
                            axis == Along::kRows ? "row" : "column"));
}

// The exact product of two integer operands into `y`.
struct IntegerProduct {
  int a = 0, b = 1, a_zero = -1, b_zero = -1;
  std::vector<int> a_axes, b_axes;
  SlotId a_slot = plan::kNoSlot;  // instead of input a: uint8
  SlotId a_zero_slot = plan::kNoSlot;
  SlotId y = plan::kNoSlot;
  DeviceFormat y_format = DeviceFormat::kI32;
};
constexpr int64_t kFewestRowsByFours = 5;
Result<Problem> integer_product(LowerContext& context, const IntegerProduct& what) {
  const bool own_a = what.a_slot != plan::kNoSlot;
  const DeviceFormat a_format = own_a ? DeviceFormat::kU32 : context.in_format(what.a);
  if (!is_word_format(a_format) || !is_word_format(context.in_format(what.b))) {
    return context.refuse("only integers are multiplied exactly");
  }
  SLUICE_ASSIGN(Problem problem, problem_of(context, what.a, what.b, what.a_axes, what.b_axes));
  const Problem whole = problem;
  shader::Product product;
  if (what.a_zero >= 0) {
    // The axis of rows is the operand's own: a 1-D operand has none.
    const Dim rows = context.in_dims(what.a).size() >= 2 ? problem.m : Dim::unknown();
    SLUICE_ASSIGN(const Along along, parameter_along(context, what.a_zero, rows, Along::kRows));
    product.a_zero = context.in(what.a_zero);
    product.a_zero_format = context.in_format(what.a_zero);
    product.a_zero_per_row = along == Along::kRows;
  } else if (what.a_zero_slot != plan::kNoSlot) {
    product.a_zero = what.a_zero_slot;
    product.a_zero_format = DeviceFormat::kU32;
  }
  if (what.b_zero >= 0) {
    const Dim columns = context.in_dims(what.b).size() >= 2 ? problem.n : Dim::unknown();
    SLUICE_ASSIGN(const Along along,
                  parameter_along(context, what.b_zero, columns, Along::kColumns));
    product.b_zero = context.in(what.b_zero);
    product.b_zero_format = context.in_format(what.b_zero);
    product.b_zero_per_column = along == Along::kColumns;
  }
  if (!product.a_zero_per_row) join_rows(problem);
  if (!describe(problem, product)) {
    return context.refuse("the operands' axes do not reduce to rows under four batch axes");
  }
  product.a = own_a ? plan::SlotRange(what.a_slot) : plan::SlotRange(context.in(what.a));
  product.b = context.in(what.b);
  product.y = what.y;
  product.a_format = a_format;
  product.b_format = context.in_format(what.b);
  product.y_format = what.y_format;
  const DType a_type = own_a ? DType::kUInt8 : context.input_type(what.a).dtype;
  const DType b_type = context.input_type(what.b).dtype;
  const auto is_byte = [](DType dtype) { return dtype == DType::kInt8 || dtype == DType::kUInt8; };
  // Tiles of 64 rows would be idle for the most part.
  const bool few_rows = problem.m.is_known() && problem.m.value() < kFewestRowsByFours;
  if (context.features().packed_dot && is_byte(a_type) && is_byte(b_type) && !few_rows &&
      what.y_format == DeviceFormat::kI32) {
    context.add(
        shader::product_of_bytes(product, a_type == DType::kUInt8, b_type == DType::kUInt8));
  } else {
    context.add(shader::product(product));
  }
  return whole;
}

Result<void> lower_integer(LowerContext& context) {
  SLUICE_TRY(integer_product(context, {.a_zero = context.has_input(2) ? 2 : -1,
                                       .b_zero = context.has_input(3) ? 3 : -1,
                                       .y = context.out(0),
                                       .y_format = context.out_format(0)}));
  return {};
}

// Scales, bias and rounding of exact sums, [batch..., m, n].
struct Requantization {
  int a_scale = -1, b_scale = -1, y_scale = -1, y_zero = -1, c = -1, bias = -1;
  SlotId a_scale_slot = plan::kNoSlot;  // instead of input a_scale
  SlotId sums = plan::kNoSlot;
  float alpha = 1;
};
Result<void> requantize(LowerContext& context, const Problem& problem, const Requantization& what) {
  const Dim total = op::elements(context.out_dims(0));
  shader::matmul_requant::Call call;
  call.params.total = total;
  call.params.m = problem.m;
  call.params.n = problem.n;
  call.params.alpha = what.alpha;
  call.knobs.SA = plan::wgsl_type(context.in_format(what.b_scale));
  call.knobs.Y = plan::wgsl_type(context.out_format(0));
  const auto float_input = [&](int input) -> Result<void> {
    if (is_float_format(context.in_format(input))) return {};
    return context.refuse(cat("input ", input, " is not a float on the device"));
  };
  const auto step = [&](int input, const Dim& extent, Along axis) -> Result<Dim> {
    SLUICE_ASSIGN(const Along along, parameter_along(context, input, extent, axis));
    return along == Along::kOne ? Dim(0) : Dim(1);
  };
  bool scalars = what.a_scale >= 0;
  if (what.a_scale >= 0) {
    SLUICE_TRY(float_input(what.a_scale));
    if (context.in_format(what.a_scale) != context.in_format(what.b_scale)) {
      return context.refuse("the scales are of two element types");
    }
    SLUICE_ASSIGN(call.params.a_step, step(what.a_scale, problem.m, Along::kRows));
    call.a_scale = context.in(what.a_scale);
  } else {
    call.a_scale = what.a_scale_slot;
  }
  SLUICE_TRY(float_input(what.b_scale));
  SLUICE_ASSIGN(call.params.b_step, step(what.b_scale, problem.n, Along::kColumns));
  call.b_scale = context.in(what.b_scale);
  if (what.y_scale >= 0) {
    SLUICE_TRY(float_input(what.y_scale));
    SLUICE_ASSIGN(call.params.y_scale_step, step(what.y_scale, problem.m, Along::kRows));
    call.y_scale = context.in(what.y_scale);
    call.knobs.HAS_Y_SCALE = true;
    call.knobs.SY = plan::wgsl_type(context.in_format(what.y_scale));
  }
  // Integer results depend on the factor's last bit, so the host computes it where it can.
  float factor = what.alpha;
  const auto fold = [&](int input, bool divide) {
    if (input < 0) return;
    const Tensor* known = context.NodeView::constant(input);
    if (known == nullptr || known->elements() != 1) {
      scalars = false;
      return;
    }
    const auto value = static_cast<float>(known->get_double(0));
    factor = divide ? factor / value : factor * value;
  };
  fold(what.a_scale, false);
  fold(what.b_scale, false);
  fold(what.y_scale, true);
  if (scalars) {
    call.knobs.HAS_FACTOR = true;
    call.params.factor = factor;
  }
  if (what.y_zero >= 0) {
    if (!is_word_format(context.in_format(what.y_zero))) {
      return context.refuse("8-bit floating results are not computed here");
    }
    SLUICE_ASSIGN(call.params.y_zero_step, step(what.y_zero, problem.m, Along::kRows));
    call.knobs.QUANTIZED = true;
    call.knobs.ZY = plan::wgsl_type(context.in_format(what.y_zero));
    call.y_zero = context.in(what.y_zero);
    const DType dtype = context.output_type(0).dtype;
    call.params.low = integer_min(dtype);
    call.params.high = integer_max(dtype);
  }
  if (what.c >= 0) {
    Epilogue c;
    SLUICE_TRY(read_bias(context, what.c, problem.m, problem.n, c));
    call.knobs.HAS_C = true;
    call.params.c_m = c.c_m;
    call.params.c_n = c.c_n;
    call.c = context.in(what.c);
  }
  if (what.bias >= 0) {
    if (context.in_format(what.bias) != context.in_format(what.b_scale)) {
      return context.refuse("scale and bias are of two element types");
    }
    SLUICE_ASSIGN(call.params.bias_step, step(what.bias, problem.n, Along::kColumns));
    call.knobs.HAS_BIAS = true;
    call.bias = context.in(what.bias);
  }
  call.sums = what.sums;
  call.y = context.out(0);
  call.workgroups = op::workgroups(total, 256);
  context.dispatch(call);
  return {};
}

int given(const LowerContext& context, int input) { return context.has_input(input) ? input : -1; }

Result<void> lower_qlinear(LowerContext& context) {
  const SlotId sums = context.temp(DeviceFormat::kI32, op::elements(context.out_dims(0)));
  SLUICE_ASSIGN(const Problem problem,
                integer_product(context, {.a = 0, .b = 3, .a_zero = 2, .b_zero = 5, .y = sums}));
  return requantize(context, problem,
                    {.a_scale = 1, .b_scale = 4, .y_scale = 6, .y_zero = 7, .sums = sums});
}

Result<void> lower_integer_to_float(LowerContext& context) {
  const SlotId sums = context.temp(DeviceFormat::kI32, op::elements(context.out_dims(0)));
  SLUICE_ASSIGN(const Problem problem, integer_product(context, {.a_zero = given(context, 4),
                                                                 .b_zero = given(context, 5),
                                                                 .y = sums}));
  if (!is_one(op::elements(context.in_dims(2)))) {
    SLUICE_TRY(context.static_in(2));
    return context.refuse("A's scale is not one number");
  }
  return requantize(context, problem,
                    {.a_scale = 2, .b_scale = 3, .bias = given(context, 6), .sums = sums});
}

Result<void> lower_dynamic(LowerContext& context) {
  if (context.in_format(0) != DeviceFormat::kF32) {
    return context.refuse("only float32 is quantized on the way");
  }
  const Dim count = op::elements(context.in_dims(0));
  const plan::Limits& limits = context.limits();
  const SlotId parts = context.temp(DeviceFormat::kF32, shader::dynamic_range_elems(count, limits));
  const SlotId scale = context.temp(DeviceFormat::kF32, 1);
  const SlotId zero = context.temp(DeviceFormat::kU32, 1);
  const SlotId codes = context.temp(DeviceFormat::kU32, count);
  auto requests = shader::dynamic_range(count, limits, context.in(0), parts, scale, zero);
  if (requests.empty()) {
    return context.refuse(cat("the input has ", count.text(),
                              " elements, too many for bindings of ",
                              limits.max_storage_binding_bytes, " bytes"));
  }
  for (auto& request : requests) context.add(std::move(request));
  context.dispatch(
      shader::quantize::Call{.knobs = {.X = "f32", .S = "f32", .Z = "u32", .R = "u32"},
                             .params = {.n = count, .axis = 1, .inner = 1, .block = 1, .blocks = 1},
                             .x = context.in(0),
                             .scale = scale,
                             .zero = zero,
                             .y = codes,
                             .workgroups = op::workgroups(count, 256)});
  const SlotId sums = context.temp(DeviceFormat::kI32, op::elements(context.out_dims(0)));
  SLUICE_ASSIGN(
      const Problem problem,
      integer_product(
          context, {.b_zero = given(context, 3), .a_slot = codes, .a_zero_slot = zero, .y = sums}));
  return requantize(context, problem,
                    {.b_scale = 2, .bias = given(context, 4), .a_scale_slot = scale, .sums = sums});
}

Result<void> lower_qgemm(LowerContext& context) {
  const AttrMap& attrs = context.attrs();
  const bool trans_a = attrs.int_or("transA", 0) != 0, trans_b = attrs.int_or("transB", 0) != 0;
  const auto axes = [](bool transposed) {
    return transposed ? std::vector<int>{1, 0} : std::vector<int>{};
  };
  const SlotId sums = context.temp(DeviceFormat::kI32, op::elements(context.out_dims(0)));
  SLUICE_ASSIGN(const Problem problem, integer_product(context, {.a = 0,
                                                                 .b = 3,
                                                                 .a_zero = 2,
                                                                 .b_zero = 5,
                                                                 .a_axes = axes(trans_a),
                                                                 .b_axes = axes(trans_b),
                                                                 .y = sums}));
  return requantize(context, problem,
                    {.a_scale = 1,
                     .b_scale = 4,
                     .y_scale = given(context, 7),
                     .y_zero = given(context, 8),
                     .c = given(context, 6),
                     .sums = sums,
                     .alpha = attrs.float_or("alpha", 1.0F)});
}

// --- weights packed in blocks

// The rows of A (all axes but the last) times [n, k] weights.
shader::Product weight_product(LowerContext& context, int64_t n, int64_t k) {
  const Dims& a = context.in_dims(0);
  shader::Product product;
  product.m = sluice::product(a, 0, a.size() - 1);
  product.n = n;
  product.k = k;
  product.b_t = true;
  product.a_ld = k;
  product.b_ld = k;
  product.y_ld = n;
  product.a = context.in(0);
  product.y = context.out(0);
  product.a_format = context.in_format(0);
  product.y_format = context.out_format(0);
  return product;
}

// Codes and zero points that only the run knows, packed on the device.
Result<void> pack_on_device(LowerContext& context, const NBitsShape& shape,
                            shader::Product& product) {
  const int64_t row_bytes = shape.k_blocks * shape.blob_bytes;
  const int64_t words = shape.n * row_bytes / 4, blocks = shape.n * shape.k_blocks;
  if (context.in_format(1) != DeviceFormat::kU32 ||
      !(op::elements(context.in_dims(1)) == Dim(shape.n * row_bytes)) ||
      !(op::elements(context.in_dims(2)) == Dim(blocks))) {
    for (const int i : {1, 2}) SLUICE_TRY(context.static_in(i));
    return context.refuse("weights or scales don't fit the attributes");
  }
  const SlotId packed = context.temp(DeviceFormat::kU32, words);
  context.dispatch(shader::matmul_pack_codes::Call{.params = {.n = words, .bits = shape.bits},
                                                   .bytes = context.in(1),
                                                   .words = packed,
                                                   .zeros = context.temp(DeviceFormat::kF32, 4),
                                                   .workgroups = op::workgroups(words, 256)});
  product.b = packed;
  if (!context.has_input(3)) return {};
  const bool packed_zeros = context.input_type(3).dtype == DType::kUInt8;
  const Dim zero_elements = packed_zeros ? Dim(shape.n * shape.zero_row_bytes) : Dim(blocks);
  if (!(op::elements(context.in_dims(3)) == zero_elements)) {
    SLUICE_TRY(context.static_in(3));
    return context.refuse("the zero points don't fit the attributes");
  }
  if (!packed_zeros) {
    if (context.in_format(3) != DeviceFormat::kF32) {
      return context.refuse("the zero points are neither bytes nor float32");
    }
    product.b_zero = context.in(3);
    return {};
  }
  const SlotId zeros = context.temp(DeviceFormat::kF32, blocks);
  context.dispatch(shader::matmul_pack_codes::Call{.knobs = {.ZEROS = true},
                                                   .params = {.n = blocks,
                                                              .bits = shape.bits,
                                                              .row_bytes = shape.zero_row_bytes,
                                                              .columns = shape.k_blocks},
                                                   .bytes = context.in(3),
                                                   .words = context.temp(DeviceFormat::kU32, 4),
                                                   .zeros = zeros,
                                                   .workgroups = op::workgroups(blocks, 256)});
  product.b_zero = zeros;
  return {};
}

Result<void> lower_nbits(LowerContext& context) {
  if (!is_float_format(context.in_format(0))) return context.refuse("A is not a float here");
  if (!is_float_format(context.in_format(2))) return context.refuse("the scales are not floats");
  SLUICE_ASSIGN(const NBitsShape shape, nbits_shape(context.attrs()));
  shader::Product product = weight_product(context, shape.n, shape.k);
  if (context.has_input(5)) {
    if (!is_float_format(context.in_format(5))) return context.refuse("the bias is not a float");
    product.c = context.in(5);
    product.c_format = context.in_format(5);
    product.c_n = 1;
  }
  const int64_t row_bytes = shape.k_blocks * shape.blob_bytes;
  const bool whole_words = shape.bits == 2 || shape.bits == 4 || shape.bits == 8;
  if (!whole_words || context.has_input(4)) {
    // Codes that cross words, or blocks that are not neighbours: the real weights instead.
    SLUICE_ASSIGN(const Tensor packed, context.need_constant(1));
    SLUICE_ASSIGN(const Tensor scales, context.need_constant(2));
    std::optional<Tensor> zeros, groups;
    if (context.has_input(3)) {
      SLUICE_ASSIGN(zeros, context.need_constant(3));
    }
    if (context.has_input(4)) {
      SLUICE_ASSIGN(groups, context.need_constant(4));
    }
    SLUICE_ASSIGN(const std::vector<double> weights,
                  nbits_weights(shape, packed, scales, zeros ? &*zeros : nullptr,
                                groups ? &*groups : nullptr));
    product.b = context.constant(
        Tensor::of_doubles(DType::kFloat32, Shape{shape.n, shape.k}, weights), "weights");
    context.add(shader::product(product));
    return {};
  }
  product.bits = static_cast<uint32_t>(shape.bits);
  product.block = shape.block;
  product.blocks = shape.k_blocks;
  product.b_ld = row_bytes / 4;
  product.b_scale = context.in(2);
  product.b_scale_format = context.in_format(2);
  const Tensor* packed = context.NodeView::constant(1);
  const Tensor* zeros = context.has_input(3) ? context.NodeView::constant(3) : nullptr;
  if (packed == nullptr || (context.has_input(3) && zeros == nullptr)) {
    SLUICE_TRY(pack_on_device(context, shape, product));
    context.add(shader::product(product));
    return {};
  }
  const int64_t blocks = shape.n * shape.k_blocks;
  const auto scale_count = op::elements(context.in_dims(2)).get();
  if (packed->dtype() != DType::kUInt8 || packed->elements() != shape.n * row_bytes ||
      scale_count != blocks) {
    return invalid_model(cat("MatMulNBits has weights ", packed->text(), " and scales ",
                             context.input_type(2).text(), " (", shape.n, " rows of ",
                             shape.k_blocks, " blocks expected)"));
  }
  SLUICE_ASSIGN(Tensor words,
                Tensor::allocate_uninitialized(DType::kUInt32, Shape{shape.n, row_bytes / 4}));
  std::memcpy(words.mutable_bytes().data(), packed->bytes().data(), packed->size_bytes());
  product.b = context.constant(std::move(words), "codes");
  if (zeros != nullptr) {
    const bool packed_zeros = zeros->dtype() == DType::kUInt8;
    if (zeros->elements() != (packed_zeros ? shape.n * shape.zero_row_bytes : blocks)) {
      return invalid_model(cat("MatMulNBits has zero points of shape ", zeros->shape().text(),
                               ", which do not fit its ", blocks, " blocks"));
    }
    SLUICE_ASSIGN(Tensor reals, Tensor::allocate(DType::kFloat32, Shape{blocks}));
    const int64_t per_byte = 8 / shape.bits;
    for (int64_t j = 0; j < blocks; ++j) {
      double zero = 0;
      if (packed_zeros) {
        const int64_t column = j % shape.k_blocks;
        const int64_t byte = j / shape.k_blocks * shape.zero_row_bytes + column / per_byte;
        zero = static_cast<double>((zeros->get_int(byte) >> (column % per_byte * shape.bits)) &
                                   ((1 << shape.bits) - 1));
      } else {
        zero = zeros->get_double(j);
      }
      reals.set_double(j, zero);
    }
    product.b_zero = context.constant(std::move(reals), "zero points");
  }
  context.add(shader::product(product));
  return {};
}

// Weights in code books: as real numbers, since the books' entries are no linear codes.
Result<void> lower_bnb4(LowerContext& context) {
  if (!is_float_format(context.in_format(0))) return context.refuse("A is not a float here");
  SLUICE_ASSIGN(const Tensor packed, context.need_constant(1));
  SLUICE_ASSIGN(const Tensor absmax, context.need_constant(2));
  const AttrMap& attrs = context.attrs();
  SLUICE_ASSIGN(const std::vector<double> weights, bnb4_weights(attrs, packed, absmax));
  const bool transposed = attrs.int_or("transB", 1) != 0;
  const int64_t k = attrs.int_or(transposed ? "K" : "N", 0);
  const int64_t n = attrs.int_or(transposed ? "N" : "K", 0);
  shader::Product product = weight_product(context, n, k);
  product.b =
      context.constant(Tensor::of_doubles(DType::kFloat32, Shape{n, k}, weights), "weights");
  context.add(shader::product(product));
  return {};
}

struct Row {
  std::string_view domain, op;
  std::array<op::GpuCandidate, 2> candidates;
  size_t count;
};
constexpr std::string_view kMicrosoft = "com.microsoft";
constexpr Row kRows[] = {
    {"",
     "MatMul",
     {{{"matmul.tiled", &lower_matmul<&lower_tiled>},
       {"matmul.naive", &lower_matmul<&lower_naive>}}},
     2},
    {"",
     "Gemm",
     {{{"gemm.tiled", &lower_gemm<&lower_tiled>}, {"gemm.naive", &lower_gemm<&lower_naive>}}},
     2},
    {kMicrosoft,
     "FusedMatMul",
     {{{"fused_matmul.tiled", &lower_fused_matmul<&lower_tiled>},
       {"fused_matmul.naive", &lower_fused_matmul<&lower_naive>}}},
     2},
    {kMicrosoft,
     "TransposeMatMul",
     {{{"transpose_matmul.tiled", &lower_fused_matmul<&lower_tiled>},
       {"transpose_matmul.naive", &lower_fused_matmul<&lower_naive>}}},
     2},
    {kMicrosoft,
     "FusedGemm",
     {{{"fused_gemm.tiled", &lower_gemm<&lower_tiled>},
       {"fused_gemm.naive", &lower_gemm<&lower_naive>}}},
     2},
    {"", "MatMulInteger", {{{"matmul_integer.tiled", &lower_integer}, {}}}, 1},
    {kMicrosoft, "MatMulInteger16", {{{"matmul_integer16.tiled", &lower_integer}, {}}}, 1},
    {"", "QLinearMatMul", {{{"qlinear_matmul.tiled", &lower_qlinear}, {}}}, 1},
    {kMicrosoft,
     "MatMulIntegerToFloat",
     {{{"matmul_integer_to_float.tiled", &lower_integer_to_float}, {}}},
     1},
    {kMicrosoft,
     "DynamicQuantizeMatMul",
     {{{"dynamic_quantize_matmul.tiled", &lower_dynamic}, {}}},
     1},
    {kMicrosoft, "QGemm", {{{"qgemm.tiled", &lower_qgemm}, {}}}, 1},
    {kMicrosoft, "MatMulBnb4", {{{"matmul_bnb4.tiled", &lower_bnb4}, {}}}, 1},
    {kMicrosoft, "MatMulNBits", {{{"matmul_nbits.tiled", &lower_nbits}, {}}}, 1},
};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  for (const Row& row : kRows) {
    if (row.domain == domain && row.op == name) return {row.candidates.data(), row.count};
  }
  return {};
}

}  // namespace sluice::ops::matmul
