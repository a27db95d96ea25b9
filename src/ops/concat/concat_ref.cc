#include <algorithm>

#include "base/checked.h"
#include "base/text.h"
#include "op/elements.h"
#include "op/operand.h"
#include "ops/concat/concat.h"

namespace sluice::ops::concat {

using op::input_tensor;
using plan::KernelContext;

SliceRange clamped_range(int64_t start, int64_t end, int64_t step, int64_t extent) {
  const auto from_end = [&](int64_t at) { return at < 0 ? (at < -extent ? -1 : at + extent) : at; };
  SliceRange out;
  out.step = step;
  if (extent == 0) return out;
  if (step > 0) {
    out.start = std::clamp<int64_t>(from_end(start), 0, extent);
    const int64_t stop = std::clamp<int64_t>(from_end(end), 0, extent);
    const int64_t distance = stop - out.start;
    out.count = distance <= 0 ? 0 : (distance - 1) / step + 1;
  } else {
    // Unlike Python's, a start before the first element stands for the first one; an end of -1,
    // before the first element, is legal.
    out.start = std::clamp<int64_t>(from_end(start), 0, extent - 1);
    const int64_t stop = std::clamp<int64_t>(from_end(end), -1, extent - 1);
    const int64_t distance = out.start - stop;
    const uint64_t stride = 0 - static_cast<uint64_t>(step);
    out.count =
        distance <= 0 ? 0 : static_cast<int64_t>(static_cast<uint64_t>(distance - 1) / stride) + 1;
  }
  return out;
}

Result<std::vector<int64_t>> even_split(int64_t extent, int64_t parts) {
  if (parts <= 0 || parts > 1 << 20) {
    return invalid_model(cat("Split into ", parts, " parts (1 to 1048576)"));
  }
  const int64_t chunk = extent / parts + (extent % parts != 0);
  std::vector<int64_t> out;
  for (int64_t left = extent; parts-- > 0;) {
    out.push_back(std::min(chunk, left));
    left -= out.back();
  }
  return out;
}

Result<PadMode> pad_mode(const AttrMap& attrs) {
  const std::string mode = attrs.string_or("mode", "constant");
  if (mode == "constant") return PadMode::kConstant;
  if (mode == "reflect") return PadMode::kReflect;
  if (mode == "edge") return PadMode::kEdge;
  if (mode == "wrap") return PadMode::kWrap;
  return invalid_model(
      cat("Pad has the mode ", quoted(mode), " (constant, reflect, edge or wrap)"));
}

Result<void> concat_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* first, input_tensor(context, 0));
  SLUICE_ASSIGN(const int axis,
                op::normalized_axis(context.attrs().int_or("axis", 0), first->rank()));
  Shape shape = first->shape();
  Checked extent(0);
  for (int i = 0; i < context.input_count(); ++i) {
    SLUICE_ASSIGN(const Tensor* in, input_tensor(context, i));
    bool fits = in->rank() == first->rank() && in->dtype() == first->dtype();
    for (int k = 0; fits && k < in->rank(); ++k) fits = k == axis || in->dim(k) == first->dim(k);
    if (!fits) {
      return invalid_model(cat("Concat at axis ", axis, " of ", first->text(), " and ", in->text(),
                               ", which differ elsewhere"));
    }
    extent = extent + static_cast<uint64_t>(in->dim(axis));
  }
  if (!extent.fits(uint64_t{1} << 62)) return resource_error("Concat's result is too long");
  shape[axis] = static_cast<int64_t>(extent.value());
  SLUICE_ASSIGN(Tensor * out, context.out(0, first->dtype(), shape));
  const int64_t outer = shape.elements(0, axis), row = shape.elements(axis, shape.rank());
  int64_t at = 0;
  for (int i = 0; i < context.input_count(); ++i) {
    const Tensor& in = context.in(i);
    const int64_t part = in.shape().elements(axis, in.rank());
    for (int64_t o = 0; o < outer; ++o) op::copy_elements(in, o * part, *out, o * row + at, part);
    at += part;
  }
  return {};
}

namespace {

// Extents of the parts along the axis.
Result<std::vector<int64_t>> split_parts(const KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0));
  SLUICE_ASSIGN(const int axis, op::normalized_axis(context.attrs().int_or("axis", 0), in->rank()));
  std::vector<int64_t> parts;
  if (context.has(1)) {
    SLUICE_ASSIGN(parts, op::input_ints(context, 1));
  } else {
    const int64_t count = context.attrs().int_or("num_outputs", context.output_count());
    SLUICE_ASSIGN(parts, even_split(in->dim(axis), count));
  }
  if (static_cast<int>(parts.size()) != context.output_count()) {
    return invalid_model(
        cat("Split into ", parts.size(), " parts has ", context.output_count(), " outputs"));
  }
  int64_t left = in->dim(axis);
  for (const int64_t part : parts) {
    if (part < 0 || part > left) {
      return invalid_model(cat("Split of ", in->shape().text(), " at axis ", axis, " into [",
                               join(parts, ","), "], which don't add up"));
    }
    left -= part;
  }
  if (left != 0) {
    return invalid_model(cat("Split of ", in->shape().text(), " at axis ", axis, " into [",
                             join(parts, ","), "] leaves ", left, " over"));
  }
  return parts;
}

}  // namespace

Result<void> split_reference(KernelContext& context) {
  SLUICE_ASSIGN(const auto* parts,
                context.kept<std::vector<int64_t>>([&] { return split_parts(context); }, {1}));
  const Tensor* const in = &context.in(0);
  SLUICE_ASSIGN(const int axis, op::normalized_axis(context.attrs().int_or("axis", 0), in->rank()));
  const op::AxisSplit split = op::split_at(in->shape(), axis);
  int64_t at = 0;
  for (int i = 0; i < context.output_count(); ++i) {
    const int64_t part = (*parts)[static_cast<size_t>(i)];
    if (context.wants(i)) {
      Shape shape = in->shape();
      shape[axis] = part;
      SLUICE_ASSIGN(Tensor * out, context.out(i, in->dtype(), shape));
      const int64_t row = part * split.inner;
      for (int64_t o = 0; o < split.outer; ++o) {
        op::copy_elements(*in, (o * split.extent + at) * split.inner, *out, o * row, row);
      }
    }
    at += part;
  }
  return {};
}

namespace {

struct SlicedView {
  Shape shape, strides;
  int64_t base = 0;
};

Result<SlicedView> sliced_view(const KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0));
  SLUICE_ASSIGN(const std::vector<int64_t> starts, op::input_ints(context, 1));
  SLUICE_ASSIGN(const std::vector<int64_t> ends, op::input_ints(context, 2));
  std::vector<int64_t> axes, steps(starts.size(), 1);
  if (context.has(3)) {
    SLUICE_ASSIGN(axes, op::input_ints(context, 3));
  } else {
    for (size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  }
  if (context.has(4)) {
    SLUICE_ASSIGN(steps, op::input_ints(context, 4));
  }
  if (starts.size() != ends.size() || starts.size() != axes.size() ||
      starts.size() != steps.size()) {
    return invalid_model(cat("Slice has ", starts.size(), " starts, ", ends.size(), " ends, ",
                             axes.size(), " axes and ", steps.size(), " steps"));
  }
  SLUICE_TRY(op::normalized_axes(axes, in->rank()));
  SlicedView view{in->shape(), in->shape().strides()};
  for (size_t i = 0; i < axes.size(); ++i) {
    if (steps[i] == 0) return invalid_model(cat("Slice has the step 0 for axis ", axes[i]));
    const auto axis = static_cast<int>(axes[i]);
    const SliceRange range = clamped_range(starts[i], ends[i], steps[i], in->dim(axis));
    view.shape[axis] = range.count;
    if (range.count == 0) continue;
    view.base += range.start * view.strides[axis];
    // A single element needs no stride, and a huge step would overflow.
    view.strides[axis] = range.count == 1 ? 0 : range.step * view.strides[axis];
  }
  return view;
}

}  // namespace

Result<void> slice_reference(KernelContext& context) {
  SLUICE_ASSIGN(const SlicedView* view,
                context.kept<SlicedView>([&] { return sliced_view(context); }, {1, 2, 3, 4}));
  const Tensor& in = context.in(0);
  SLUICE_ASSIGN(Tensor * out, context.out(0, in.dtype(), view->shape));
  op::copy_strided(in, view->base, view->strides, *out);
  return {};
}

namespace {

// Consecutive output elements that come from consecutive input elements; from -1: the constant.
struct Run {
  int64_t to = 0, from = 0, count = 0;
};

// Where each element along one axis comes from; -1 for the constant. `low`..`high` of the input
// remain after cropping.
std::vector<int64_t> sources(int64_t begin, int64_t extent, int64_t low, int64_t high,
                             PadMode mode) {
  std::vector<int64_t> out(static_cast<size_t>(extent));
  const int64_t n = high - low;
  for (int64_t i = 0; i < extent; ++i) {
    int64_t at = i - std::max<int64_t>(begin, 0);
    if (at < 0 || at >= n) {
      switch (mode) {
        case PadMode::kConstant:
          at = -1;
          break;
        case PadMode::kEdge:
          at = at < 0 ? 0 : n - 1;
          break;
        case PadMode::kWrap:
          at = (at % n + n) % n;
          break;
        case PadMode::kReflect: {
          // The edge itself is not repeated, so that the pattern has the period 2(n-1).
          const int64_t period = std::max<int64_t>(2 * (n - 1), 1);
          at = (at % period + period) % period;
          if (at >= n) at = period - at;
          break;
        }
      }
    }
    out[static_cast<size_t>(i)] = at < 0 ? -1 : at + low;
  }
  return out;
}

}  // namespace

namespace {

struct PadPlan {
  Shape shape;
  Tensor constant;                         // one element of the input's type
  std::vector<std::vector<int64_t>> from;  // by axis, as `sources` has it
  std::vector<Run> runs;                   // of a row
};

Result<PadPlan> plan_pad(const KernelContext& context) {
  PadPlan plan;
  SLUICE_ASSIGN(const Tensor* in, input_tensor(context, 0));
  SLUICE_ASSIGN(const std::vector<int64_t> pads, op::input_ints(context, 1));
  SLUICE_ASSIGN(const PadMode mode, pad_mode(context.attrs()));
  const int rank = in->rank();
  std::vector<int64_t> axes;
  if (context.has(3)) {
    SLUICE_ASSIGN(axes, op::input_ints(context, 3));
    SLUICE_TRY(op::normalized_axes(axes, rank));
  } else {
    for (int i = 0; i < rank; ++i) axes.push_back(i);
  }
  if (pads.size() != 2 * axes.size()) {
    return invalid_model(
        cat("Pad has ", pads.size(), " pads for ", axes.size(), " axes (two each)"));
  }
  SLUICE_ASSIGN(plan.constant, Tensor::allocate(in->dtype(), Shape{}));
  Tensor& constant = plan.constant;
  if (context.has(2) && mode == PadMode::kConstant) {
    SLUICE_ASSIGN(const Tensor* given, input_tensor(context, 2));
    if (given->elements() != 1) {
      return invalid_model(cat("Pad's constant is ", given->text(), " (must be one number)"));
    }
    if (given->dtype() == in->dtype()) {
      op::copy_elements(*given, 0, constant, 0, 1);
    } else if (given->dtype() == DType::kString || in->dtype() == DType::kString) {
      return invalid_model(cat("Pad's constant is ", given->text(), " for ", in->text()));
    } else {
      constant.set_double(0, given->get_double(0));
    }
  }
  std::vector<int64_t> begins(static_cast<size_t>(rank), 0), ends(static_cast<size_t>(rank), 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(axes[i] < 0 ? axes[i] + rank : axes[i]);
    begins[axis] = pads[i];
    ends[axis] = pads[i + axes.size()];
  }
  std::vector<int64_t> dims;
  for (int i = 0; i < rank; ++i) {
    const int64_t begin = begins[static_cast<size_t>(i)], end = ends[static_cast<size_t>(i)];
    constexpr int64_t kLimit = int64_t{1} << 48;
    const bool sane = begin <= kLimit && begin >= -kLimit && end <= kLimit && end >= -kLimit;
    const int64_t extent = sane ? in->dim(i) + begin + end : -1;
    if (extent < 0) {
      return invalid_model(
          cat("Pad of ", in->shape().text(), " at axis ", i, " by ", begin, " and ", end));
    }
    const int64_t kept = in->dim(i) + std::min<int64_t>(begin, 0) + std::min<int64_t>(end, 0);
    if (kept <= 0 && extent > 0 && mode != PadMode::kConstant) {
      return invalid_model(
          cat("Pad of ", in->shape().text(), " at axis ", i, " has nothing to repeat"));
    }
    dims.push_back(extent);
  }
  SLUICE_ASSIGN(plan.shape, op::checked_shape(dims));
  const Shape& shape = plan.shape;
  if (shape.elements() == 0 || rank == 0) return plan;
  std::vector<std::vector<int64_t>>& from = plan.from;
  from.resize(static_cast<size_t>(rank));
  for (int i = 0; i < rank; ++i) {
    const int64_t begin = begins[static_cast<size_t>(i)], end = ends[static_cast<size_t>(i)];
    from[static_cast<size_t>(i)] = sources(begin, shape[i], std::max<int64_t>(-begin, 0),
                                           in->dim(i) - std::max<int64_t>(-end, 0), mode);
  }
  std::vector<Run>& runs = plan.runs;
  const std::vector<int64_t>& last = from.back();
  for (int64_t i = 0; i < shape[-1]; ++i) {
    const int64_t source = last[static_cast<size_t>(i)];
    if (!runs.empty()) {
      Run& run = runs.back();
      if (source < 0 ? run.from < 0 : run.from >= 0 && source == run.from + run.count) {
        ++run.count;
        continue;
      }
    }
    runs.push_back({i, source, 1});
  }
  return plan;
}

}  // namespace

Result<void> pad_reference(KernelContext& context) {
  SLUICE_ASSIGN(const PadPlan* plan,
                context.kept<PadPlan>([&] { return plan_pad(context); }, {1, 2, 3}));
  const Tensor* const in = &context.in(0);
  const Shape& shape = plan->shape;
  const Tensor& constant = plan->constant;
  const std::vector<std::vector<int64_t>>& from = plan->from;
  const int rank = in->rank();
  SLUICE_ASSIGN(Tensor * out, context.out(0, in->dtype(), shape));
  if (out->elements() == 0) return {};
  if (rank == 0) {
    op::copy_elements(*in, 0, *out, 0, 1);
    return {};
  }
  const Shape strides = in->shape().strides();
  Shape outer = shape;
  outer.erase(rank - 1);
  int64_t to = 0;
  for (Odometer at(outer); !at.done(); at.next(), to += shape[-1]) {
    int64_t base = 0;
    bool constant_row = false;
    for (int i = 0; i < rank - 1; ++i) {
      const int64_t source = from[static_cast<size_t>(i)][static_cast<size_t>(at[i])];
      constant_row = constant_row || source < 0;
      base += source * strides[i];
    }
    if (constant_row) {
      op::fill_elements(constant, 0, *out, to, shape[-1]);
      continue;
    }
    for (const Run& run : plan->runs) {
      if (run.from < 0) {
        op::fill_elements(constant, 0, *out, to + run.to, run.count);
      } else {
        op::copy_elements(*in, base + run.from, *out, to + run.to, run.count);
      }
    }
  }
  return {};
}

}  // namespace sluice::ops::concat
