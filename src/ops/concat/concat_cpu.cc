// Concat as plain copies of bytes, shared out over threads. Any dtype of whole bytes.
#include "ops/concat/concat_cpu.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/text.h"
#include "op/operand.h"
#include "ops/concat/concat.h"

namespace sluice::ops::concat {

using plan::KernelContext;

namespace {

// Row o of the result holds row o of every part, one after another.
struct Plan {
  struct Part {
    int64_t row_bytes, at;
  };
  bool takes = false;  // else the reference kernel says what is wrong
  Shape shape;
  std::vector<Part> parts;
  int64_t outer = 0, row_bytes = 0;
};

Result<Plan> plan_concat(const KernelContext& context) {
  Plan plan;
  SLUICE_ASSIGN(const Tensor* first, op::input_tensor(context, 0));
  const int64_t size = dtype_bits(first->dtype()) / 8;
  SLUICE_ASSIGN(const int axis,
                op::normalized_axis(context.attrs().int_or("axis", 0), first->rank()));
  Shape& shape = plan.shape = first->shape();
  shape[axis] = 0;
  for (int i = 0; i < context.input_count(); ++i) {
    SLUICE_ASSIGN(const Tensor* in, op::input_tensor(context, i));
    bool fits = in->rank() == first->rank() && in->dtype() == first->dtype();
    for (int k = 0; fits && k < in->rank(); ++k) fits = k == axis || in->dim(k) == first->dim(k);
    if (!fits || size == 0 || __builtin_add_overflow(shape[axis], in->dim(axis), &shape[axis])) {
      return plan;
    }
  }
  plan.takes = true;
  const auto elements = shape.checked_elements();
  if (!elements || *elements == 0) return plan;  // out() refuses what is too large
  plan.outer = shape.elements(0, axis);
  const int64_t inner = shape.elements(axis + 1, shape.rank()) * size;
  for (int i = 0; i < context.input_count(); ++i) {
    plan.parts.push_back({context.in(i).dim(axis) * inner, plan.row_bytes});
    plan.row_bytes += plan.parts.back().row_bytes;
  }
  return plan;
}

Result<void> concat_copy(KernelContext& context) {
  SLUICE_ASSIGN(const Plan* plan, context.kept<Plan>([&] { return plan_concat(context); }));
  if (!plan->takes) return concat_reference(context);
  SLUICE_ASSIGN(Tensor * out, context.out(0, context.in(0).dtype(), plan->shape));
  if (out->elements() == 0) return {};
  const std::vector<Plan::Part>& parts = plan->parts;
  const int64_t outer = plan->outer, row_bytes = plan->row_bytes;
  std::byte* const to = out->mutable_bytes().data();
  // Ranges of the result's bytes: a row may be a whole tensor (axis 0) or a few bytes.
  context.parallel_for(outer * row_bytes, 256 * 1024, [&](int64_t begin, int64_t end) {
    int64_t row = begin / row_bytes, at = begin % row_bytes, done = begin;
    size_t part = 0;
    while (part + 1 < parts.size() && parts[part + 1].at <= at) ++part;
    while (done < end) {
      const Plan::Part& p = parts[part];
      const int64_t within = at - p.at;
      const int64_t n = std::min(p.row_bytes - within, end - done);
      if (n > 0) {
        const std::byte* const from = context.in(static_cast<int>(part)).bytes().data();
        // The plan may have had the part written where it belongs.
        if (from + row * p.row_bytes + within != to + done) {
          std::memcpy(to + done, from + row * p.row_bytes + within, static_cast<size_t>(n));
        }
        done += n;
        at += n;
      }
      if (++part == parts.size()) {
        part = 0;
        at = 0;
        ++row;
      }
    }
  });
  return {};
}

std::string refuse_concat(const op::NodeView& node) {
  const Type& type = node.input_type(0);
  if (!type.is_tensor() || dtype_bits(type.dtype) < 8) {
    return cat("the input is ", type.text(), " (takes elements of whole bytes)");
  }
  return {};
}

}  // namespace

const op::CpuCandidate kConcatCpu[1] = {
    {.kernel = {.name = "concat.copy", .run = concat_copy}, .refuse = refuse_concat}};

}  // namespace sluice::ops::concat
