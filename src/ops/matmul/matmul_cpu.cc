// float32 MatMul and Gemm on simd/gemm_f32. A constant B (weights) is packed once at load; a batch
// that shares one B becomes a single product with more rows.
#include "ops/matmul/matmul_cpu.h"

#include <algorithm>
#include <vector>

#include "base/checked.h"
#include "base/text.h"
#include "op/operand.h"
#include "op/refuse.h"
#include "op/scratch.h"
#include "ops/matmul/matmul.h"
#include "ops/matmul/matmul_integer_cpu.h"
#include "simd/elementwise.h"
#include "simd/gemm_f32.h"
#include "simd/gemm_i8.h"

namespace sluice::ops::matmul {

using op::NodeView;
using plan::KernelContext;

namespace {

constexpr std::string_view kWho = "A matrix product";

Result<void> run_product(KernelContext& context, const simd::Gemm& gemm) {
  // What packing takes: at most every batch item of both operands, rows and columns rounded up.
  const Checked bound = (Checked::from_signed(gemm.m) + simd::kPanelRows +
                         static_cast<uint64_t>(gemm.n) + simd::kPanelCols) *
                        static_cast<uint64_t>(gemm.k) * static_cast<uint64_t>(gemm.batch) *
                        sizeof(float);
  if (!bound.fits(uint64_t{1} << 46)) {
    return resource_error(cat("A product of ", gemm.batch, " x ", gemm.m, " x ", gemm.k, " x ",
                              gemm.n, " needs more scratch memory than can be addressed"));
  }
  const int64_t floats = simd::gemm_workspace_floats(gemm);
  SLUICE_ASSIGN(float* const memory, op::scratch<float>(context, floats, kWho));
  simd::gemm(gemm, {memory, static_cast<size_t>(floats)},
             [&](int64_t count, int64_t grain, simd::Range body) {
               context.parallel_for(count, grain, body);
             });
  return {};
}

Result<void> matmul_f32(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* a, op::input_tensor(context, 0, {DType::kFloat32}));
  SLUICE_ASSIGN(const Tensor* b, op::input_tensor(context, 1, {DType::kFloat32}));
  SLUICE_ASSIGN(const MatMulShape shape, matmul_shape(a->shape(), b->shape()));
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, shape.out));
  if (y->elements() == 0) return {};
  simd::Gemm gemm;
  gemm.m = shape.m;
  gemm.n = shape.n;
  gemm.k = shape.k;
  gemm.a = a->data<float>();
  gemm.a_row = shape.k;
  gemm.b_row = shape.n;
  const Tensor& packed = context.prepared();
  if (packed.defined()) {
    gemm.packed_b = packed.data<float>();
  } else {
    gemm.b = b->data<float>();
  }
  gemm.c = y->mutable_data<float>();
  gemm.c_row = shape.n;

  const int64_t batch = shape.batch.elements();
  const Shape dense = shape.batch.strides();
  bool a_dense = true, b_shared = true;
  for (int i = 0; i < shape.batch.rank(); ++i) {
    if (shape.batch[i] == 1) continue;
    a_dense &= shape.a_strides[i] == dense[i] * shape.m * shape.k;
    b_shared &= shape.b_strides[i] == 0;
  }
  if (a_dense && b_shared) {
    gemm.m *= batch;
    return run_product(context, gemm);
  }
  struct Offsets {
    std::vector<int64_t> a, b, c;
  };
  const auto make = [&]() -> Result<Offsets> {
    Offsets made;
    for (auto* list : {&made.a, &made.b, &made.c}) list->reserve(static_cast<size_t>(batch));
    for (Odometer at(shape.batch); !at.done(); at.next()) {
      made.c.push_back(static_cast<int64_t>(made.a.size()) * shape.m * shape.n);
      made.a.push_back(at.dot(shape.a_strides));
      made.b.push_back(at.dot(shape.b_strides));
    }
    return made;
  };
  SLUICE_ASSIGN(const Offsets* offsets, context.kept<Offsets>(make));
  gemm.batch = batch;
  gemm.a_offsets = offsets->a;
  gemm.b_offsets = offsets->b;
  gemm.c_offsets = offsets->c;
  return run_product(context, gemm);
}

Result<void> gemm_f32(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* a, op::input_tensor(context, 0, {DType::kFloat32}));
  SLUICE_ASSIGN(const Tensor* b, op::input_tensor(context, 1, {DType::kFloat32}));
  const bool trans_a = context.attrs().int_or("transA", 0) != 0;
  const bool trans_b = context.attrs().int_or("transB", 0) != 0;
  const float beta = context.attrs().float_or("beta", 1.0f);
  SLUICE_ASSIGN(const GemmShape shape, gemm_shape(a->shape(), b->shape(), trans_a, trans_b));
  const Shape out_shape{shape.m, shape.n};
  simd::Gemm gemm;
  gemm.m = shape.m;
  gemm.n = shape.n;
  gemm.k = shape.k;
  gemm.a = a->data<float>();
  gemm.a_row = trans_a ? 1 : shape.k;
  gemm.a_col = trans_a ? shape.m : 1;
  gemm.b_row = trans_b ? 1 : shape.n;
  gemm.b_col = trans_b ? shape.k : 1;
  gemm.alpha = context.attrs().float_or("alpha", 1.0f);
  const Tensor& packed = context.prepared();
  if (packed.defined()) {
    gemm.packed_b = packed.data<float>();
  } else {
    gemm.b = b->data<float>();
  }
  if (context.has(2) && beta != 0) {
    SLUICE_ASSIGN(const Tensor* c, op::input_tensor(context, 2, {DType::kFloat32}));
    const auto joined = broadcast(c->shape(), out_shape);
    if (!joined || !(*joined == out_shape)) {
      return invalid_model(cat("Gemm's input C of shape ", c->shape().text(),
                               " does not broadcast to the result (", out_shape.text(), ")"));
    }
    const Shape strides = broadcast_strides(c->shape(), out_shape);
    const bool by_row = strides[0] != 0, by_column = strides[1] != 0;
    const float* values = c->data<float>();
    if (c->elements() != 0 && (beta != 1 || (!by_row && !by_column))) {
      // Scaled, or one number: spelled out as a column bias.
      const int64_t count = by_row || by_column ? c->elements() : shape.n;
      SLUICE_ASSIGN(float* const scaled, op::scratch<float>(context, count, kWho));
      simd::binary(simd::Binary::kMul, values, by_row || by_column ? 1 : 0, &beta, 0, scaled,
                   count);
      values = scaled;
    }
    if (by_row && by_column) {
      gemm.residual = values;
    } else if (by_row) {
      gemm.row_bias = values;
    } else {
      gemm.column_bias = values;
    }
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, out_shape));
  if (y->elements() == 0) return {};
  gemm.c = y->mutable_data<float>();
  gemm.c_row = shape.n;
  return run_product(context, gemm);
}

Result<Tensor> pack(const Tensor& b, int64_t k, int64_t n, bool transposed) {
  const Checked floats = (Checked::from_signed(n) + simd::kPanelCols) * static_cast<uint64_t>(k);
  if (b.elements() == 0 || !floats.fits(uint64_t{1} << 42)) return Tensor();
  SLUICE_ASSIGN(Tensor packed,
                Tensor::allocate(DType::kFloat32, Shape{simd::packed_b_floats(k, n)}));
  simd::pack_b(b.data<float>(), transposed ? 1 : n, transposed ? k : 1, k, n,
               packed.mutable_data<float>(), 0, (n + simd::kPanelCols - 1) / simd::kPanelCols);
  return packed;
}

// A weight of higher rank is a batch of matrices; it is packed as it is used.
Result<Tensor> prepare_matmul(const AttrMap& /*attrs*/, std::span<const Value> inputs) {
  if (inputs.size() < 2 || !inputs[1].is_tensor()) return Tensor();
  const Tensor& b = inputs[1].tensor();
  if (b.dtype() != DType::kFloat32 || b.rank() != 2) return Tensor();
  return pack(b, b.dim(0), b.dim(1), false);
}

Result<Tensor> prepare_gemm(const AttrMap& attrs, std::span<const Value> inputs) {
  if (inputs.size() < 2 || !inputs[1].is_tensor()) return Tensor();
  const Tensor& b = inputs[1].tensor();
  if (b.dtype() != DType::kFloat32 || b.rank() != 2) return Tensor();
  const bool transposed = attrs.int_or("transB", 0) != 0;
  return pack(b, b.dim(transposed ? 1 : 0), b.dim(transposed ? 0 : 1), transposed);
}

// --- 8-bit integers

bool is_byte(DType dtype) { return dtype == DType::kUInt8 || dtype == DType::kInt8; }

// The operand as a matrix of `cols` columns, with its zero points; `count` of them or one.
Result<simd::ByteMatrix> byte_matrix(const Tensor& x, const Tensor* zero, int64_t cols,
                                     int64_t count) {
  simd::ByteMatrix out;
  out.data = x.bytes().data();
  out.is_signed = x.dtype() == DType::kInt8;
  out.row = cols;
  if (zero != nullptr) {
    if (zero->dtype() != x.dtype() || (zero->elements() != 1 && zero->elements() != count)) {
      return unsupported(cat("The zero point ", zero->text(), " of ", x.text(),
                             " is neither one number nor a vector"));
    }
    out.zero = zero->bytes().data();
    out.zero_count = zero->elements();
  }
  return out;
}

// Zero points that this kernel understands: one, or a vector that runs along the matrix's rows (A)
// or columns (B).
bool plain_zero(const Tensor* zero, const Tensor& x, int64_t count) {
  return zero == nullptr ||
         (zero->dtype() == x.dtype() &&
          (zero->elements() == 1 || (zero->rank() == 1 && zero->dim(0) == count)));
}

}  // namespace

Result<void> matmul_integer_8bit(KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1}));
  const Tensor& a = context.in(0);
  const Tensor& b = context.in(1);
  const Tensor* a_zero = context.has(2) ? &context.in(2) : nullptr;
  const Tensor* b_zero = context.has(3) ? &context.in(3) : nullptr;
  SLUICE_ASSIGN(const MatMulShape shape, matmul_shape(a.shape(), b.shape()));
  const Tensor& packed = context.prepared();
  // B is one matrix; the rows of A are counted through its batch, which one zero point allows.
  const bool vectors = a_zero != nullptr && a_zero->elements() != 1;
  if (!packed.defined() && (!is_byte(a.dtype()) || !is_byte(b.dtype()) || b.rank() != 2 ||
                            a.rank() < 1 || (vectors && a.rank() != 2) ||
                            !plain_zero(a_zero, a, shape.m) || !plain_zero(b_zero, b, shape.n))) {
    return matmul_integer_reference(context);
  }
  const int64_t rows = shape.batch.elements() * shape.m;
  simd::IntegerGemm gemm;
  gemm.m = rows;
  gemm.n = shape.n;
  gemm.k = shape.k;
  SLUICE_ASSIGN(gemm.a, byte_matrix(a, a_zero, shape.k, rows));
  if (packed.defined()) {
    gemm.packed_b = packed.data<float>();
  } else {
    SLUICE_ASSIGN(gemm.b, byte_matrix(b, b_zero, shape.n, shape.n));
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kInt32, shape.out));
  if (y->elements() == 0) return {};
  gemm.c = y->mutable_data<int32_t>();
  gemm.c_row = shape.n;
  const Checked bound = (Checked::from_signed(gemm.m) + simd::kPanelRows +
                         static_cast<uint64_t>(gemm.n) + simd::kPanelCols) *
                        static_cast<uint64_t>(gemm.k) * sizeof(float);
  if (!bound.fits(uint64_t{1} << 46)) return resource_error("An integer product is too large");
  const int64_t floats = simd::integer_gemm_workspace_floats(gemm);
  SLUICE_ASSIGN(float* const memory, op::scratch<float>(context, floats, kWho));
  simd::integer_gemm(gemm, {memory, static_cast<size_t>(floats)},
                     [&](int64_t count, int64_t grain, simd::Range body) {
                       context.parallel_for(count, grain, body);
                     });
  return {};
}

Result<Tensor> prepare_matmul_integer(const AttrMap& /*attrs*/, std::span<const Value> inputs) {
  if (inputs.size() < 2 || !inputs[1].is_tensor()) return Tensor();
  const Tensor& b = inputs[1].tensor();
  // A zero point that is there but not constant can't be taken off yet.
  if (inputs.size() > 3 && !inputs[3].is_tensor()) return Tensor();
  const Tensor* zero = inputs.size() > 3 ? &inputs[3].tensor() : nullptr;
  // Zero points of A by row are for the plain loop, unless A is known to be a matrix.
  if (inputs.size() > 2 &&
      (!inputs[2].is_tensor() ? inputs[2].present() : inputs[2].tensor().elements() != 1)) {
    return Tensor();
  }
  if (!is_byte(b.dtype()) || b.rank() != 2 || b.elements() == 0 || !plain_zero(zero, b, b.dim(1))) {
    return Tensor();
  }
  SLUICE_ASSIGN(const simd::ByteMatrix matrix, byte_matrix(b, zero, b.dim(1), b.dim(1)));
  SLUICE_ASSIGN(Tensor packed, Tensor::allocate(DType::kFloat32,
                                                Shape{simd::packed_b_floats(b.dim(0), b.dim(1))}));
  simd::pack_bytes_b(matrix, b.dim(0), b.dim(1), packed.mutable_data<float>());
  return packed;
}

std::string refuse_integer_exact(const NodeView& node) {
  for (int i = 0; i < 2; ++i) {
    const Type& type = node.input_type(i);
    if (!type.is_tensor() || !is_byte(type.dtype)) {
      return cat("input ", i, " is ", type.text(), " (takes 8-bit integers)");
    }
  }
  if (!node.input_type(1).has_rank() || node.input_type(1).dims->size() != 2) {
    return "B is not known to be a single matrix";
  }
  if (node.has_input(2)) {
    const Type& zero = node.input_type(2);
    const Type& a = node.input_type(0);
    const bool matrix = a.has_rank() && a.dims->size() == 2;
    const auto one = zero.shape();
    if (!matrix && !(one && one->elements() == 1)) {
      return "A's zero point is not known to be one number";
    }
  }
  return {};
}

namespace {}  // namespace

const op::CpuCandidate kMatMulCpu[1] = {{.kernel = {.name = "matmul.f32.packed",
                                                    .run = matmul_f32,
                                                    .prepare = prepare_matmul,
                                                    .prepared_input = 1},
                                         .refuse = op::refuse_unless_float32}};
const op::CpuCandidate kGemmCpu[1] = {{.kernel = {.name = "gemm.f32.packed",
                                                  .run = gemm_f32,
                                                  .prepare = prepare_gemm,
                                                  .prepared_input = 1},
                                       .refuse = op::refuse_unless_float32}};

}  // namespace sluice::ops::matmul
