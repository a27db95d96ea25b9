// float32 arithmetic by vector. After neighbouring axes that broadcast alike have been joined, the
// innermost one is a run in which either operand is an array or one number; the outer axes are
// counted through. That covers equal shapes, scalars, rows and channels without special cases.
#include "ops/binary/binary_cpu.h"

#include <algorithm>

#include "op/broadcast.h"
#include "op/operand.h"
#include "op/refuse.h"
#include "simd/elementwise.h"

namespace sluice::ops::binary {

using op::NodeView;
using plan::KernelContext;

namespace {

constexpr int64_t kGrain = 16 * 1024;  // elements; some 5 to 10 microseconds

// The result's axes, joined, with the strides of either operand (0 where it repeats).
struct Loop {
  Shape extents, a, b;
};

Loop joined(const Shape& shape, const Shape& a_shape, const Shape& b_shape) {
  const Shape a = broadcast_strides(a_shape, shape), b = broadcast_strides(b_shape, shape);
  Loop out;
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] == 1) continue;
    const int last = out.extents.rank() - 1;
    if (last >= 0 && out.a[last] == a[i] * shape[i] && out.b[last] == b[i] * shape[i]) {
      out.extents[last] *= shape[i];
      out.a[last] = a[i];
      out.b[last] = b[i];
    } else {
      out.extents.push_back(shape[i]);
      out.a.push_back(a[i]);
      out.b.push_back(b[i]);
    }
  }
  if (out.extents.rank() == 0) {
    out.extents.push_back(1);
    out.a.push_back(0);
    out.b.push_back(0);
  }
  return out;
}

void combine(KernelContext& context, simd::Binary op, const float* a, const float* b, float* y,
             const Loop& loop) {
  const int inner = loop.extents.rank() - 1;
  const int64_t run = loop.extents[inner], a_step = loop.a[inner], b_step = loop.b[inner];
  const int64_t total = loop.extents.elements();
  // Ranges are cut anywhere; a range's first and last run may be partial.
  context.parallel_for(total, kGrain, [&](int64_t begin, int64_t end) {
    int64_t row = begin / run, x = begin % run;
    for (int64_t at = begin; at < end;) {
      int64_t a_at = 0, b_at = 0, left = row;
      for (int axis = inner - 1; axis >= 0; --axis) {
        const int64_t index = left % loop.extents[axis];
        left /= loop.extents[axis];
        a_at += index * loop.a[axis];
        b_at += index * loop.b[axis];
      }
      const int64_t n = std::min(run - x, end - at);
      simd::binary(op, a + a_at + x * a_step, a_step, b + b_at + x * b_step, b_step, y + at, n);
      at += n;
      x = 0;
      ++row;
    }
  });
}

Result<void> pairwise(KernelContext& context, simd::Binary op, bool mean) {
  SLUICE_ASSIGN(const Tensor* first, op::input_tensor(context, 0, {DType::kFloat32}));
  Shape shape = first->shape();
  for (int i = 1; i < context.input_count(); ++i) {
    SLUICE_ASSIGN(const Tensor* other, op::input_tensor(context, i, {DType::kFloat32}));
    SLUICE_ASSIGN(shape, op::broadcast_shape({&shape, &other->shape()}));
  }
  const Tensor& a = *first;
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, shape));
  if (y->elements() == 0) return {};
  float* out = y->mutable_data<float>();
  if (context.input_count() == 1) {
    context.parallel_for(y->elements(), kGrain, [&](int64_t begin, int64_t end) {
      simd::apply({}, a.data<float>() + begin, out + begin, end - begin);
    });
    return {};
  }
  const Tensor& b = context.in(1);
  combine(context, op, a.data<float>(), b.data<float>(), out, joined(shape, a.shape(), b.shape()));
  for (int i = 2; i < context.input_count(); ++i) {
    const Tensor& next = context.in(i);
    combine(context, op, out, next.data<float>(), out, joined(shape, shape, next.shape()));
  }
  if (mean) {
    const simd::Activation scale{simd::Function::kAffine,
                                 1.0f / static_cast<float>(context.input_count()), 0.0f};
    context.parallel_for(y->elements(), kGrain, [&](int64_t begin, int64_t end) {
      simd::apply(scale, out + begin, out + begin, end - begin);
    });
  }
  return {};
}

template <simd::Binary kOp, bool kMean = false>
Result<void> run(KernelContext& context) {
  return pairwise(context, kOp, kMean);
}

// Squares: what a Pow in a model nearly always is.
Result<void> square(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, {DType::kFloat32}));
  SLUICE_ASSIGN(const Shape shape, op::broadcast_shape({&x->shape(), &context.in(1).shape()}));
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, shape));
  context.parallel_for(x->elements(), kGrain, [&](int64_t begin, int64_t end) {
    simd::apply({simd::Function::kSquare}, x->data<float>() + begin,
                y->mutable_data<float>() + begin, end - begin);
  });
  return {};
}

std::string refuse_square(const NodeView& node) {
  if (std::string why = op::refuse_unless_float32(node, 0); !why.empty()) return why;
  const Type& type = node.input_type(0);
  const Tensor* exponent = node.constant(1);
  if (exponent == nullptr || exponent->elements() != 1 || exponent->get_double(0) != 2) {
    return "the exponent is not the number 2";
  }
  if (!type.has_rank() || type.dims->size() < static_cast<size_t>(exponent->rank())) {
    return "the exponent has more axes than the base";
  }
  return {};
}

struct Row {
  std::string_view name;
  op::CpuCandidate candidate;
};

// The result of two operands may lie where the first did. With more, the first could be named again
// as the third, which would be read after the partial result has overwritten it.
constexpr op::CpuCandidate two(std::string_view name, plan::KernelFn kernel) {
  return {.kernel = {.name = name, .run = kernel},
          .refuse = op::refuse_unless_float32,
          .in_place_input = 0};
}
constexpr op::CpuCandidate several(std::string_view name, plan::KernelFn kernel) {
  return {.kernel = {.name = name, .run = kernel}, .refuse = op::refuse_unless_float32};
}

constexpr Row kRows[] = {
    {"Add", two("add.f32.simd", run<simd::Binary::kAdd>)},
    {"Sub", two("sub.f32.simd", run<simd::Binary::kSub>)},
    {"Mul", two("mul.f32.simd", run<simd::Binary::kMul>)},
    {"Div", two("div.f32.simd", run<simd::Binary::kDiv>)},
    {"Pow",
     {.kernel = {.name = "square.f32.simd", .run = square},
      .refuse = refuse_square,
      .in_place_input = 0}},
    {"Min", several("min.f32.simd", run<simd::Binary::kMin>)},
    {"Max", several("max.f32.simd", run<simd::Binary::kMax>)},
    {"Sum", several("sum.f32.simd", run<simd::Binary::kAdd>)},
    {"Mean", several("mean.f32.simd", run<simd::Binary::kAdd, true>)},
};

}  // namespace

std::span<const op::CpuCandidate> binary_cpu(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return {&row.candidate, 1};
  }
  return {};
}

}  // namespace sluice::ops::binary
