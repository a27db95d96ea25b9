// float32 reductions over neighbouring axes: the tensor is [outer, reduced, inner]. With nothing
// behind the reduced axes each group is a row; else rows of `inner` elements are combined.
#include "ops/reduce/reduce_cpu.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "op/operand.h"
#include "op/refuse.h"
#include "ops/reduce/reduce.h"
#include "simd/elementwise.h"

namespace sluice::ops::reduce {

using plan::KernelContext;

namespace {

enum class Kind { kSum, kMean, kMax, kMin, kSumSquare, kL1, kL2 };

struct Split {
  int64_t outer = 1, reduced = 1, inner = 1;
};

// The three factors, or nothing when an axis that stays lies between two that go.
bool split_axes(const Shape& shape, const std::vector<bool>& goes, Split& out) {
  int stage = 0;  // 0: before, 1: within, 2: behind
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] == 1) continue;
    if (goes[static_cast<size_t>(i)]) {
      if (stage == 2) return false;
      stage = 1;
      out.reduced *= shape[i];
    } else {
      if (stage == 1) stage = 2;
      (stage == 0 ? out.outer : out.inner) *= shape[i];
    }
  }
  return true;
}

float reduce_row(Kind kind, const float* x, int64_t n) {
  switch (kind) {
    case Kind::kSum:
      return static_cast<float>(simd::sum(x, n));
    case Kind::kMean:
      return static_cast<float>(simd::sum(x, n) / static_cast<double>(n));
    case Kind::kMax:
      return simd::maximum(x, n);
    case Kind::kMin:
      return simd::minimum(x, n);
    case Kind::kSumSquare:
      return static_cast<float>(simd::sum_squares(x, n));
    case Kind::kL1:
      return static_cast<float>(simd::sum_abs(x, n));
    case Kind::kL2:
      return static_cast<float>(std::sqrt(simd::sum_squares(x, n)));
  }
  return 0;
}

// Columns at a time: their sums stay in the first-level cache.
constexpr int64_t kBlock = 1024;

// Rows of `n` elements (at most kBlock), `stride` apart, into one. Sums take two levels, so that
// the error of a long one grows with the root of its length only.
void reduce_columns(Kind kind, const float* x, int64_t rows, int64_t stride, int64_t n,
                    float* out) {
  const bool extreme = kind == Kind::kMax || kind == Kind::kMin;
  const simd::Binary op = kind == Kind::kMax   ? simd::Binary::kMax
                          : kind == Kind::kMin ? simd::Binary::kMin
                                               : simd::Binary::kAdd;
  const bool squares = kind == Kind::kSumSquare || kind == Kind::kL2;
  const simd::Activation term{squares             ? simd::Function::kSquare
                              : kind == Kind::kL1 ? simd::Function::kAbs
                                                  : simd::Function::kIdentity};
  const bool plain = !squares && kind != Kind::kL1;
  float part[kBlock], mapped[kBlock];
  constexpr int64_t kPart = 64;
  for (int64_t r0 = 0; r0 < rows; r0 += kPart) {
    float* const to = extreme || r0 == 0 ? out : part;
    for (int64_t r = r0; r < std::min(rows, r0 + kPart); ++r) {
      const float* row = x + r * stride;
      if (!plain) {
        simd::apply(term, row, mapped, n);
        row = mapped;
      }
      if (r == r0 && !(extreme && r0 > 0)) {
        std::copy(row, row + n, to);
      } else {
        simd::binary(op, to, 1, row, 1, to, n);
      }
    }
    if (to == part) simd::binary(simd::Binary::kAdd, out, 1, part, 1, out, n);
  }
  if (kind == Kind::kMean) {
    const auto count = static_cast<float>(rows);
    simd::binary(simd::Binary::kDiv, out, 1, &count, 0, out, n);
  }
  if (kind == Kind::kL2) simd::apply({simd::Function::kSqrt}, out, out, n);
}

struct Plan {
  bool takes = false;  // else the reference kernel runs
  Split split;
  Shape shape;
};

Result<Plan> plan_reduction(const KernelContext& context) {
  Plan plan;
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, {DType::kFloat32}));
  std::vector<int64_t> axes;
  if (context.has(1)) {
    SLUICE_ASSIGN(const Tensor* given, op::input_tensor(context, 1, op::kIndices));
    axes = given->to_ints();
  }
  const int rank = x->rank();
  std::vector<bool> goes(static_cast<size_t>(rank), axes.empty());
  if (axes.empty() && context.attrs().int_or("noop_with_empty_axes", 0) != 0) {
    return plan;
  }
  SLUICE_ASSIGN(const std::vector<int> reduced, op::normalized_axes(axes, rank));
  for (const int axis : reduced) goes[static_cast<size_t>(axis)] = true;
  if (x->elements() == 0 || !split_axes(x->shape(), goes, plan.split)) return plan;

  const bool keep = context.attrs().int_or("keepdims", 1) != 0;
  for (int i = 0; i < rank; ++i) {
    if (!goes[static_cast<size_t>(i)]) {
      plan.shape.push_back(x->dim(i));
    } else if (keep) {
      plan.shape.push_back(1);
    }
  }
  plan.takes = true;
  return plan;
}

template <Kind kKind, plan::KernelFn kReference>
Result<void> run(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, {DType::kFloat32}));
  SLUICE_ASSIGN(const Plan* plan, context.kept<Plan>([&] { return plan_reduction(context); }, {1}));
  if (!plan->takes) return kReference(context);
  const Split& split = plan->split;
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, plan->shape));
  const float* const in = x->data<float>();
  float* const out = y->mutable_data<float>();
  constexpr int64_t kGrainElems = 32 * 1024;
  if (split.inner == 1) {
    const int64_t grain = std::max<int64_t>(1, kGrainElems / split.reduced);
    context.parallel_for(split.outer, grain, [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) {
        out[o] = reduce_row(kKind, in + o * split.reduced, split.reduced);
      }
    });
    return {};
  }
  const int64_t blocks = (split.inner + kBlock - 1) / kBlock;
  const int64_t grain =
      std::max<int64_t>(1, kGrainElems / (split.reduced * std::min(split.inner, kBlock)));
  context.parallel_for(split.outer * blocks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t o = i / blocks, c = i % blocks * kBlock;
      reduce_columns(kKind, in + o * split.reduced * split.inner + c, split.reduced, split.inner,
                     std::min(kBlock, split.inner - c), out + o * split.inner + c);
    }
  });
  return {};
}

std::string refuse(const op::NodeView& node) { return op::refuse_unless_float32(node, 0); }

struct Row {
  std::string_view name;
  op::CpuCandidate candidate;
};

constexpr op::CpuCandidate candidate(std::string_view name, plan::KernelFn kernel) {
  return {.kernel = {.name = name, .run = kernel}, .refuse = refuse};
}

constexpr Row kRows[] = {
    {"ReduceSum", candidate("reduce_sum.f32.simd", run<Kind::kSum, reduce_sum_reference>)},
    {"ReduceMean", candidate("reduce_mean.f32.simd", run<Kind::kMean, reduce_mean_reference>)},
    {"ReduceMax", candidate("reduce_max.f32.simd", run<Kind::kMax, reduce_max_reference>)},
    {"ReduceMin", candidate("reduce_min.f32.simd", run<Kind::kMin, reduce_min_reference>)},
    {"ReduceSumSquare",
     candidate("reduce_sum_square.f32.simd", run<Kind::kSumSquare, reduce_sum_square_reference>)},
    {"ReduceL1", candidate("reduce_l1.f32.simd", run<Kind::kL1, reduce_l1_reference>)},
    {"ReduceL2", candidate("reduce_l2.f32.simd", run<Kind::kL2, reduce_l2_reference>)},
};

}  // namespace

std::span<const op::CpuCandidate> reduce_cpu(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return {&row.candidate, 1};
  }
  return {};
}

}  // namespace sluice::ops::reduce
