// float32 pooling over one or two spatial axes. A window is separable: the rows that a line of the
// output sees are combined into one row first, which is then cut by the stride's phases, so that
// every tap along the row is a contiguous array.
#include "ops/pool/pool_cpu.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "base/checked.h"
#include "base/text.h"
#include "op/operand.h"
#include "op/refuse.h"
#include "op/scratch.h"
#include "ops/pool/pool.h"
#include "ops/pool/pool_kernels.h"
#include "simd/elementwise.h"
#include "simd/scratch_slots.h"

namespace sluice::ops::pool {

using op::NodeView;
using op::WindowAxis;
using plan::KernelContext;

namespace {

enum class Kind { kMax, kAverage, kAverageWithPadding };

// What one axis contributes to the number of elements of window o.
int64_t taps_counted(const WindowAxis& axis, int64_t o, Kind kind) {
  int64_t count = 0;
  for (int64_t k = 0; k < axis.kernel; ++k) {
    const int64_t at = axis.at(o, k);
    count += kind == Kind::kAverageWithPadding
                 ? at >= -axis.pad_begin && at < axis.in + axis.pad_end
                 : at >= 0 && at < axis.in;
  }
  return count;
}

struct RowPlan {
  int64_t phases = 1;        // the stride, or 1
  int64_t phase_floats = 0;  // elements of each phase
  int64_t padded = 0;        // positions in front of the first phase split: -pad_begin .. end
};

Result<void> pool_rows(KernelContext& context, const Tensor& x, const PoolGeometry& g, Kind kind) {
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, pool_output_shape(g)));
  if (y->elements() == 0) return {};
  const WindowAxis one{.in = 1, .out = 1};
  const WindowAxis& ax = g.axes.back();
  const WindowAxis& ay = g.axes.size() == 2 ? g.axes[0] : one;
  const bool is_max = kind == Kind::kMax;
  const float identity = is_max ? -std::numeric_limits<float>::infinity() : 0.0f;
  const simd::Binary op = is_max ? simd::Binary::kMax : simd::Binary::kAdd;

  RowPlan row;
  row.phases = ax.stride;
  const int64_t reach = (ax.out - 1) * ax.stride + ax.extent();
  row.phase_floats = (reach + ax.stride - 1) / ax.stride + 1;
  row.padded = row.phase_floats * ax.stride;
  const int64_t slot_floats = 2 * row.padded + 16;
  const int slots = std::clamp(context.threads(), 1, 64);
  SLUICE_ASSIGN(
      float* const memory,
      op::scratch<float>(context, Checked::from_signed(slot_floats) * static_cast<uint64_t>(slots),
                         "A pooling window"));
  simd::ScratchSlots scratch(memory, slots, slot_floats);

  const auto count_taps = [&]() -> Result<std::vector<float>> {
    std::vector<float> made;
    for (int64_t o = 0; o < ax.out; ++o) {
      made.push_back(static_cast<float>(taps_counted(ax, o, kind)));
    }
    return made;
  };
  SLUICE_ASSIGN(const auto* counted, context.kept<std::vector<float>>(count_taps));
  const std::vector<float>& x_counts = *counted;
  // A window may lie wholly in the padding only at an edge.
  const bool may_be_empty = x_counts.front() == 0 || x_counts.back() == 0;

  const float* const in = x.data<float>();
  float* const out = y->mutable_data<float>();
  const int64_t in_plane = g.in_elems(), work = ay.kernel * ax.in + ax.kernel * ax.out;
  const int64_t grain = std::max<int64_t>(1, (1 << 16) / std::max<int64_t>(1, work));
  context.parallel_for(g.batch * g.channels * ay.out, grain, [&](int64_t begin, int64_t end) {
    const simd::ScratchSlots::Slot slot(scratch);
    float* const padded = slot.data();
    float* const phases = padded + row.padded;
    // Positions [inside, inside + in) of the padded row come from the input.
    const int64_t inside = std::clamp<int64_t>(ax.pad_begin, 0, row.padded);
    const int64_t skipped = std::max<int64_t>(0, -ax.pad_begin);  // negative padding crops
    const int64_t taken = std::clamp<int64_t>(ax.in - skipped, 0, row.padded - inside);
    std::fill(padded, padded + row.padded, identity);
    for (int64_t line = begin; line < end; ++line) {
      const int64_t plane = line / ay.out, oy = line % ay.out;
      const float* const from = in + plane * in_plane + skipped;
      float* const to = out + line * ax.out;
      bool any = false;
      for (int64_t k = 0; k < ay.kernel; ++k) {
        const int64_t iy = ay.at(oy, k);
        if (iy < 0 || iy >= ay.in) continue;
        const float* const source = from + iy * ax.in;
        if (any) {
          simd::binary(op, padded + inside, 1, source, 1, padded + inside, taken);
        } else {
          std::memcpy(padded + inside, source, static_cast<size_t>(taken) * sizeof(float));
        }
        any = true;
      }
      if (!any) std::fill(padded + inside, padded + inside + taken, identity);
      const float* cut = padded;
      if (row.phases == 2) {
        simd::split_pairs(padded, phases, phases + row.phase_floats, row.phase_floats);
        cut = phases;
      } else if (row.phases > 2) {
        for (int64_t i = 0; i < row.phase_floats; ++i) {
          for (int64_t p = 0; p < row.phases; ++p) {
            phases[p * row.phase_floats + i] = padded[i * row.phases + p];
          }
        }
        cut = phases;
      }
      const auto tap = [&](int64_t k) {
        const int64_t at = k * ax.dilation;
        return cut + at % row.phases * row.phase_floats + at / row.phases;
      };
      if (ax.kernel == 1) {
        std::memcpy(to, tap(0), static_cast<size_t>(ax.out) * sizeof(float));
      } else {
        simd::binary(op, tap(0), 1, tap(1), 1, to, ax.out);
        for (int64_t k = 2; k < ax.kernel; ++k) simd::binary(op, to, 1, tap(k), 1, to, ax.out);
      }
      if (is_max && (may_be_empty || !any)) {
        for (int64_t o = 0; o < ax.out; ++o) {
          const bool empty = !any || x_counts[static_cast<size_t>(o)] == 0;
          if (empty) to[o] = std::numeric_limits<float>::lowest();
        }
      } else if (!is_max) {
        const auto y_count = static_cast<float>(taps_counted(ay, oy, kind));
        for (int64_t o = 0; o < ax.out; ++o) {
          const float count = y_count * x_counts[static_cast<size_t>(o)];
          to[o] = count == 0 ? 0 : to[o] / count;
        }
      }
    }
  });
  return {};
}

// A kernel this long is no model's; the plain loop bounds its work by the input instead.
bool is_small(const PoolGeometry& g) {
  return g.axes.size() <= 2 && !g.axes.empty() &&
         std::ranges::all_of(g.axes, [](const WindowAxis& axis) {
           return axis.kernel <= 1024 && axis.extent() <= 2 * axis.in + 4096 &&
                  axis.stride <= axis.in + 4096;
         });
}

// Each output from the whole of its plane.
Result<void> pool_planes(KernelContext& context, const Tensor& x, const PoolGeometry& g,
                         bool is_max) {
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, pool_output_shape(g)));
  const int64_t each = g.in_elems();
  const float* const in = x.data<float>();
  float* const out = y->mutable_data<float>();
  const int64_t grain = std::max<int64_t>(1, (1 << 15) / each);
  context.parallel_for(y->elements(), grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      out[i] = is_max
                   ? simd::maximum(in + i * each, each)
                   : static_cast<float>(simd::sum(in + i * each, each) / static_cast<double>(each));
    }
  });
  return {};
}

// One window, which is the plane: some models write global pooling so.
bool is_whole_plane(const PoolGeometry& g) {
  return std::ranges::all_of(g.axes, [](const WindowAxis& axis) {
    return axis.out == 1 && axis.kernel == axis.in && axis.dilation == 1 && axis.pad_begin == 0 &&
           axis.pad_end == 0;
  });
}

Result<void> max_pool_f32(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, {DType::kFloat32}));
  SLUICE_ASSIGN(const PoolGeometry* geometry, context.kept<PoolGeometry>([&] {
    return pool_geometry(context.attrs(), x->shape());
  }));
  const PoolGeometry& g = *geometry;
  const bool indices = context.output_count() > 1 && context.wants(1);
  if (indices || !is_small(g) || x->elements() == 0) return max_pool_reference(context);
  return pool_rows(context, *x, g, Kind::kMax);
}

Result<void> average_pool_f32(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, {DType::kFloat32}));
  SLUICE_ASSIGN(const PoolGeometry* geometry, context.kept<PoolGeometry>([&] {
    return pool_geometry(context.attrs(), x->shape());
  }));
  const PoolGeometry& g = *geometry;
  if (!is_small(g) || x->elements() == 0) return average_pool_reference(context);
  if (is_whole_plane(g)) return pool_planes(context, *x, g, false);
  const bool padding = context.attrs().int_or("count_include_pad", 0) != 0;
  return pool_rows(context, *x, g, padding ? Kind::kAverageWithPadding : Kind::kAverage);
}

Result<void> global_pool(KernelContext& context, bool is_max) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, {DType::kFloat32}));
  SLUICE_ASSIGN(const PoolGeometry* geometry,
                context.kept<PoolGeometry>([&] { return global_pool_geometry(x->shape()); }));
  const PoolGeometry& g = *geometry;
  if (g.in_elems() == 0) {
    return is_max ? global_max_pool_reference(context) : global_average_pool_reference(context);
  }
  return pool_planes(context, *x, g, is_max);
}
Result<void> global_max_pool_f32(KernelContext& context) { return global_pool(context, true); }
Result<void> global_average_pool_f32(KernelContext& context) { return global_pool(context, false); }

std::string refuse_dtype(const NodeView& node) { return op::refuse_unless_float32(node, 0); }

std::string refuse_window(const NodeView& node) {
  if (std::string reason = refuse_dtype(node); !reason.empty()) return reason;
  const Type& type = node.input_type(0);
  if (!type.has_rank()) return "the rank of the input is not known";
  if (type.dims->size() > 4) {
    return cat("the window has ", type.dims->size() - 2, " spatial axes (takes one or two)");
  }
  if (node.has_output(1)) return "the indices are wanted too";
  return {};
}

}  // namespace

const op::CpuCandidate kMaxPoolCpu[1] = {
    {.kernel = {.name = "max_pool.f32.rows", .run = max_pool_f32}, .refuse = refuse_window}};
const op::CpuCandidate kAveragePoolCpu[1] = {
    {.kernel = {.name = "average_pool.f32.rows", .run = average_pool_f32},
     .refuse = refuse_window}};
const op::CpuCandidate kGlobalMaxPoolCpu[1] = {
    {.kernel = {.name = "global_max_pool.f32.simd", .run = global_max_pool_f32},
     .refuse = refuse_dtype}};
const op::CpuCandidate kGlobalAveragePoolCpu[1] = {
    {.kernel = {.name = "global_average_pool.f32.simd", .run = global_average_pool_f32},
     .refuse = refuse_dtype}};

}  // namespace sluice::ops::pool
