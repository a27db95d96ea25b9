// float32 Resize of the last two axes by the tap tables of resize.h. The input rows that a line of
// the output needs are resampled along the row first (gathers), and kept while later lines still
// need them; lines are then blends of such rows, which run at memory speed. Enlarging therefore
// gathers once per input row, not once per output row, and to twice the width not at all.
#include "ops/resize/resize_cpu.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/checked.h"
#include "op/elements.h"
#include "op/operand.h"
#include "op/reals.h"
#include "op/refuse.h"
#include "op/scratch.h"
#include "ops/resize/resize.h"
#include "ops/resize/resize_kernels.h"
#include "simd/elementwise.h"
#include "simd/scratch_slots.h"

namespace sluice::ops::resize {

using op::NodeView;
using plan::KernelContext;

namespace {

// A table by tap: index[t * out + o], in the integers and floats of the vector loop.
struct Table {
  int64_t in = 0, out = 0, taps = 1;
  bool identity = false;
  std::vector<int32_t> index;
  std::vector<float> weight;
  // Outputs from 2 * begin to 2 * end follow the pattern of simd::resample_doubled.
  struct {
    int64_t begin = 0, end = 0, shift[2] = {};
    float weight[4] = {};
  } doubled;

  Table() = default;
  explicit Table(const ResizeAxis& axis) : in(axis.in), out(axis.out), identity(axis.identity) {
    if (identity) return;
    taps = axis.taps;
    index.resize(static_cast<size_t>(taps * out));
    weight.resize(index.size());
    for (int64_t o = 0; o < out; ++o) {
      for (int64_t t = 0; t < taps; ++t) {
        const auto from = static_cast<size_t>(o * taps + t), to = static_cast<size_t>(t * out + o);
        index[to] = static_cast<int32_t>(axis.index[from]);
        weight[to] = axis.weight.empty() ? 1.0f : static_cast<float>(axis.weight[from]);
      }
    }
    find_doubled();
  }
  // What holds in the middle, as far as it holds: only the edges differ.
  void find_doubled() {
    if (taps != 2 || out != 2 * in || in < 3) return;
    const auto at = [&](int64_t t, int64_t i, int p) {
      return static_cast<size_t>(t * out + 2 * i + p);
    };
    const int64_t middle = in / 2;
    for (int p = 0; p < 2; ++p) {
      doubled.shift[p] = index[at(0, middle, p)] - middle;
      for (int t = 0; t < 2; ++t) doubled.weight[2 * p + t] = weight[at(t, middle, p)];
    }
    const auto holds = [&](int64_t i) {
      for (int p = 0; p < 2; ++p) {
        for (int t = 0; t < 2; ++t) {
          if (index[at(t, i, p)] != i + doubled.shift[p] + t) return false;
          if (weight[at(t, i, p)] != doubled.weight[2 * p + t]) return false;
        }
      }
      return true;
    };
    doubled.begin = doubled.end = middle;
    while (doubled.begin > 0 && holds(doubled.begin - 1)) --doubled.begin;
    while (doubled.end < in && holds(doubled.end)) ++doubled.end;
  }
  bool is_doubled() const { return doubled.end > doubled.begin; }
  // A row of `out` floats from one of `in`.
  void resample(const float* from, float* to) const {
    if (!is_doubled()) return simd::resample(from, index.data(), weight.data(), taps, to, out);
    const auto edge = [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) {
        const auto first = static_cast<size_t>(o), second = static_cast<size_t>(out + o);
        to[o] = from[index[first]] * weight[first] + from[index[second]] * weight[second];
      }
    };
    edge(0, 2 * doubled.begin);
    simd::resample_doubled(from, doubled.shift, doubled.weight, to, doubled.begin, doubled.end);
    edge(2 * doubled.end, out);
  }
  int64_t source(int64_t o, int64_t t) const {
    return identity ? o : index[static_cast<size_t>(t * out + o)];
  }
};

Result<std::vector<double>> reals_or_none(const KernelContext& context, int i) {
  if (!context.has(i)) return std::vector<double>();
  SLUICE_ASSIGN(const Tensor* tensor, op::input_tensor(context, i, op::kFloats));
  return op::reals(*tensor);
}

// What follows from shapes, attributes and the operands that say how large the result is.
struct Plan {
  bool takes = false;  // else the reference kernel runs
  Shape shape;
  Table rows, columns;
};

Result<Plan> plan_resize(const KernelContext& context) {
  Plan plan;
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, {DType::kFloat32}));
  SLUICE_ASSIGN(const ResizeAttrs attrs, read_resize_attrs(context.attrs()));
  SLUICE_ASSIGN(const std::vector<double> roi, reals_or_none(context, 1));
  SLUICE_ASSIGN(const std::vector<double> scales, reals_or_none(context, 2));
  std::vector<int64_t> sizes;
  if (context.has(3)) {
    SLUICE_ASSIGN(sizes, op::input_ints(context, 3));
  }
  SLUICE_ASSIGN(const std::vector<ResizeExtent> extents,
                resize_sizes(context.attrs(), x->shape(), roi, scales, sizes));
  plan.shape = resize_output_shape(extents);
  const Shape& shape = plan.shape;
  if (shape.rank() < 2 || shape.elements() == 0 || x->dim(-1) >= (int64_t{1} << 31) ||
      x->dim(-2) >= (int64_t{1} << 31)) {
    return plan;
  }
  std::vector<ResizeAxis> axes;
  for (const ResizeExtent& extent : extents) {
    SLUICE_ASSIGN(ResizeAxis axis, resize_axis(attrs, extent));
    const bool outer = static_cast<int>(axes.size()) < shape.rank() - 2;
    if ((outer && !axis.identity) || !axis.beyond.empty() || (!axis.identity && axis.taps > 4096)) {
      return plan;
    }
    axes.push_back(std::move(axis));
  }
  plan.rows = Table(axes[axes.size() - 2]);
  plan.columns = Table(axes.back());
  const Table& rows = plan.rows;
  // Rows are kept by their number modulo the number of taps: a line's must be neighbours.
  for (int64_t o = 0; o < rows.out; ++o) {
    int64_t low = rows.source(o, 0), high = low;
    for (int64_t t = 1; t < rows.taps; ++t) {
      low = std::min(low, rows.source(o, t));
      high = std::max(high, rows.source(o, t));
    }
    if (high - low >= rows.taps) return plan;
  }
  plan.takes = true;
  return plan;
}

Result<void> resize_f32(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, {DType::kFloat32}));
  SLUICE_ASSIGN(const Plan* plan,
                context.kept<Plan>([&] { return plan_resize(context); }, {1, 2, 3}));
  if (!plan->takes) return resize_reference(context);
  const Shape& shape = plan->shape;
  const Table &rows = plan->rows, &columns = plan->columns;
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, shape));
  const int64_t planes = shape.elements(0, shape.rank() - 2);

  // Resampled rows are kept in a ring of as many as a line has taps.
  const int64_t ring = rows.taps, row_floats = (columns.out + 15) / 16 * 16;
  // Behind them, for each tap: which input row its place holds, where its row lies, its weight. A
  // body allocates nothing.
  static_assert(sizeof(const float*) <= sizeof(int64_t));
  const int64_t taps_floats = (5 * ring + 15) / 16 * 16;
  const int64_t slot_floats = ring * row_floats + taps_floats;
  const int slots = std::clamp(context.threads(), 1, 64);
  SLUICE_ASSIGN(
      float* const memory,
      op::scratch<float>(context, Checked::from_signed(slot_floats) * static_cast<uint64_t>(slots),
                         "Resize"));
  simd::ScratchSlots scratch(memory, slots, slot_floats);

  const float* const in = x->data<float>();
  float* const out = y->mutable_data<float>();
  const int64_t in_plane = rows.in * columns.in;
  const int64_t line_work =
      columns.out * (rows.taps + (columns.is_doubled() ? 1 : 2 * columns.taps));
  const int64_t grain = std::max<int64_t>(1, (1 << 16) / std::max<int64_t>(1, line_work));
  context.parallel_for(planes * rows.out, grain, [&](int64_t begin, int64_t end) {
    const simd::ScratchSlots::Slot slot(scratch);
    float* const kept = slot.data();
    auto* const held = reinterpret_cast<int64_t*>(kept + ring * row_floats);
    auto* const sources = reinterpret_cast<const float**>(held + ring);
    auto* const weights = reinterpret_cast<float*>(held + 2 * ring);
    int64_t plane = -1;
    for (int64_t line = begin; line < end; ++line) {
      if (line / rows.out != plane) {
        plane = line / rows.out;
        std::fill(held, held + ring, -1);
      }
      const int64_t oy = line % rows.out;
      const float* const image = in + plane * in_plane;
      float* const to = out + line * columns.out;
      const auto resampled = [&](int64_t row) -> const float* {
        if (columns.identity) return image + row * columns.in;
        const int64_t place = row % ring;
        float* const at = kept + place * row_floats;
        if (held[place] != row) {
          held[place] = row;
          columns.resample(image + row * columns.in, at);
        }
        return at;
      };
      int64_t used = 0;
      for (int64_t t = 0; t < rows.taps; ++t) {
        const float weight =
            rows.identity ? 1.0f : rows.weight[static_cast<size_t>(t * rows.out + oy)];
        if (weight == 0 && rows.taps > 1) continue;
        sources[used] = resampled(rows.source(oy, t));
        weights[used++] = weight;
      }
      if (used == 1 && weights[0] == 1) {
        std::memcpy(to, sources[0], static_cast<size_t>(columns.out) * sizeof(float));
      } else if (used == 0) {
        std::fill(to, to + columns.out, 0.0f);
      } else {
        simd::blend_rows(sources, weights, used, to, columns.out);
      }
    }
  });
  return {};
}

std::string refuse_resize(const NodeView& node) {
  if (std::string why = op::refuse_unless_float32(node, 0); !why.empty()) return why;
  if (node.attrs().string_or("coordinate_transformation_mode", "") == "tf_crop_and_resize") {
    return "coordinates are cropped (tf_crop_and_resize)";
  }
  return {};
}

}  // namespace

const op::CpuCandidate kResizeCpu[1] = {
    {.kernel = {.name = "resize.f32.separable", .run = resize_f32}, .refuse = refuse_resize}};

}  // namespace sluice::ops::resize
