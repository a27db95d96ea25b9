// Slice on the GPU, without one: every small slice is lowered, and what its dispatches would copy
// is carried out here and held against the rule itself. The shader is tested by the case table.
#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "base/text.h"
#include "op/lower.h"
#include "op/op.h"
#include "ops/concat/concat.h"
#include "ops/registry.h"

namespace sluice::ops::concat {

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name);

namespace {

struct Axis {
  int64_t extent = 0, start = 0, end = 0, step = 1;
};

// What a[start:end:step] on each axis of 0, 1, 2 ... picks, in order; nothing when the lowering
// asks for numbers, which is allowed only with symbolic extents.
std::optional<std::vector<int64_t>> lowered(std::span<const Axis> axes, bool symbolic) {
  ir::Graph graph;
  Dims dims;
  Dim::Environment symbols;
  std::vector<int64_t> starts, ends, steps, numbers;
  for (size_t i = 0; i < axes.size(); ++i) {
    const std::string name = cat("n", i);
    dims.push_back(symbolic ? Dim::symbol(name) : Dim(axes[i].extent));
    symbols[name] = axes[i].extent;
    starts.push_back(axes[i].start);
    ends.push_back(axes[i].end);
    steps.push_back(axes[i].step);
    numbers.push_back(static_cast<int64_t>(i));
  }
  const auto constant = [&](std::string_view name, const std::vector<int64_t>& values) {
    return graph.add_constant(name, Tensor::of<int64_t>(Shape{static_cast<int64_t>(values.size())},
                                                        std::span<const int64_t>(values)));
  };
  const ir::ValueId x = graph.add_input("x", Type::tensor(DType::kInt32, dims));
  const ir::NodeId id =
      graph.add_node("Slice", {x, constant("starts", starts), constant("ends", ends),
                               constant("axes", numbers), constant("steps", steps)});
  graph.outputs() = graph.node(id).outputs;
  const auto inferred = op::infer_graph(ops::registry(), graph);
  EXPECT_TRUE(inferred.ok()) << inferred.error().text();
  const Type& out = graph.type(graph.node(id).outputs[0]);
  Shape shape;
  for (const Dim& dim : *out.dims) {
    const auto extent = dim.evaluate(symbols);
    if (!extent) return std::nullopt;
    shape.push_back(*extent);
  }
  plan::Plan plan;
  for (size_t v = 0; v < graph.value_count(); ++v) {
    plan::Slot slot;
    slot.type = graph.type(static_cast<ir::ValueId>(v));
    slot.format = plan::device_format(slot.type.dtype, false);
    plan.slots.push_back(std::move(slot));
  }
  op::LowerContext context(graph, graph.node(id), plan);
  const auto candidates = gpu_candidates("", "Slice");
  const auto done = candidates[0].lower(context);
  EXPECT_TRUE(done.ok()) << done.error().text();
  if (!done.ok()) return std::nullopt;
  std::vector<int64_t> result(static_cast<size_t>(shape.elements()), -1);
  for (const plan::DispatchRequest& request : context.made.requests) {
    // Params of strided_copy.wgsl: shape, from_stride and to_stride, eight words each; n, from_at,
    // to_at. Positions are in units of the knob T.
    const auto word = [&](size_t i) { return *request.params[i].number.evaluate(symbols); };
    int64_t unit = 0;
    for (const auto& [name, value] : request.knobs) {
      if (name == "T") unit = value == "vec4<u32>" ? 4 : value == "vec2<u32>" ? 2 : 1;
    }
    for (int64_t i = 0; i < word(24); ++i) {
      int64_t rest = i, from = word(25), to = word(26);
      for (size_t axis = 8; axis-- > 0;) {
        const int64_t at = rest % word(axis);
        rest /= word(axis);
        from += at * word(8 + axis);
        to += at * word(16 + axis);
      }
      for (int64_t e = 0; e < unit; ++e) {
        EXPECT_GE(to * unit + e, 0);
        EXPECT_LT(to * unit + e, static_cast<int64_t>(result.size()));
        if (testing::Test::HasFailure()) return std::nullopt;
        result[static_cast<size_t>(to * unit + e)] = from * unit + e;
      }
    }
  }
  return result;
}

// The rule, from the indices one by one.
std::vector<int64_t> expected(std::span<const Axis> axes) {
  std::vector<int64_t> out{0};
  for (const Axis& axis : axes) {
    const SliceRange range = clamped_range(axis.start, axis.end, axis.step, axis.extent);
    std::vector<int64_t> next;
    for (const int64_t base : out) {
      for (int64_t i = 0, at = range.start; i < range.count; ++i, at += range.step) {
        next.push_back(base * axis.extent + at);
      }
    }
    out = std::move(next);
  }
  return out;
}

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kMin = std::numeric_limits<int64_t>::min();

TEST(SliceLowering, EverySmallSliceOfOneAxis) {
  int open = 0, all = 0;
  for (int64_t extent = 1; extent <= 6; ++extent) {
    for (int64_t step = -7; step <= 7; ++step) {
      if (step == 0) continue;
      std::vector<int64_t> bounds{kMin, kMax};
      for (int64_t at = -extent - 2; at <= extent + 2; ++at) bounds.push_back(at);
      for (const int64_t start : bounds) {
        for (const int64_t end : bounds) {
          const std::array axes{Axis{extent, start, end, step}};
          for (const bool symbolic : {false, true}) {
            const auto got = lowered(axes, symbolic);
            ++all;
            if (symbolic && !got) {
              ++open;
              continue;
            }
            ASSERT_TRUE(got && *got == expected(axes))
                << extent << " [" << start << ":" << end << ":" << step << "] "
                << (symbolic ? "symbolic" : "static");
          }
        }
      }
    }
  }
  // Reverse slices of symbolic extents have no expression for their length, unless of a whole axis.
  EXPECT_LT(open, all / 3);
}

TEST(SliceLowering, SmallSlicesOfTwoAxes) {
  std::vector<Axis> ranges;
  for (const int64_t extent : {1, 2, 4, 6}) {
    for (const int64_t step : {1, 2, -1, -2, -3}) {
      for (const int64_t start : {int64_t{-5}, int64_t{-1}, int64_t{0}, int64_t{2}, kMax}) {
        for (const int64_t end : {kMin, int64_t{-2}, int64_t{0}, int64_t{3}, kMax}) {
          ranges.push_back({extent, start, end, step});
        }
      }
    }
  }
  // Each range meets a spread of others, on either axis.
  for (size_t i = 0; i < ranges.size(); ++i) {
    for (size_t k = 0; k < 12; ++k) {
      const std::array axes{ranges[i], ranges[(i * 7 + k * 41) % ranges.size()]};
      const auto got = lowered(axes, false);
      ASSERT_TRUE(got && *got == expected(axes))
          << axes[0].extent << " [" << axes[0].start << ":" << axes[0].end << ":" << axes[0].step
          << "], " << axes[1].extent << " [" << axes[1].start << ":" << axes[1].end << ":"
          << axes[1].step << "]";
    }
  }
}

}  // namespace
}  // namespace sluice::ops::concat
