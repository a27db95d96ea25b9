// Copies between strided views, cut for small bindings: what the pieces would copy is carried out
// here on small tensors, with bindings of 1 KiB.
#include "op/gpu_copy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <random>

#include "base/text.h"

namespace sluice::op {
namespace {

constexpr uint64_t kBinding = 1024;

struct Made {
  Shape shape;
  std::vector<int64_t> strides;  // of the source
  int64_t offset = 0, source_elements = 1;
};

// A view of a source: axes in any order, some reversed, some repeated (stride 0).
Made random_view(std::mt19937& random) {
  const auto below = [&](int64_t n) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(n));
  };
  Made out;
  const int64_t rank = 1 + below(4);
  std::vector<int64_t> order(static_cast<size_t>(rank));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::shuffle(order.begin(), order.end(), random);
  for (int64_t i = 0; i < rank; ++i) out.shape.push_back(1 + below(rank == 1 ? 2000 : 12));
  out.strides.resize(static_cast<size_t>(rank));
  for (const int64_t axis : order) {
    const int64_t extent = out.shape[static_cast<int>(axis)];
    int64_t& stride = out.strides[static_cast<size_t>(axis)];
    if (below(5) == 0) continue;
    stride = out.source_elements;
    if (below(3) == 0) {
      out.offset += stride * (extent - 1);
      stride = -stride;
    }
    out.source_elements *= extent;
  }
  return out;
}

TEST(GpuCopy, PiecesCoverEveryViewWithinBindings) {
  std::mt19937 random(7);
  int cut = 0, refused = 0;
  for (int round = 0; round < 2000; ++round) {
    const Made view = random_view(random);
    const DType dtype = std::array{DType::kFloat32, DType::kFloat16, DType::kInt64}[random() % 3];
    ir::Graph graph;
    const ir::ValueId x = graph.add_input("x", Type::tensor(dtype, {Dim(view.source_elements)}));
    const ir::NodeId id = graph.add_node("Copy", {x});
    const ir::ValueId y = graph.node(id).outputs[0];
    graph.value(y).type = Type::tensor(dtype, to_dims(view.shape));
    plan::Plan plan;
    plan.limits.max_storage_binding_bytes = kBinding;
    plan.features.f16 = true;
    for (size_t v = 0; v < graph.value_count(); ++v) {
      plan::Slot slot;
      slot.type = graph.type(static_cast<ir::ValueId>(v));
      slot.format = plan::device_format(dtype, true);
      plan.slots.push_back(std::move(slot));
    }
    const auto bytes = static_cast<int64_t>(plan::element_bytes(plan.slots[0].format));
    LowerContext context(graph, graph.node(id), plan);
    const Dims dims = to_dims(view.shape);
    const auto pieces =
        copy_pieces(context, {.from = x,
                              .to = y,
                              .shape = dims,
                              .from_strides = Dims(view.strides.begin(), view.strides.end()),
                              .to_strides = strides(dims),
                              .from_offset = view.offset});
    if (!pieces.ok()) {
      // A transposition of a hundred times a binding's size may be refused, nothing else.
      EXPECT_NE(pieces.error().message.find("too many pieces"), std::string::npos);
      ++refused;
      continue;
    }
    const int64_t total = view.shape.elements();
    cut += pieces->size() > 1 ? 1 : 0;
    std::vector<int64_t> got(static_cast<size_t>(total), -1);
    for (const CopyPiece& piece : *pieces) {
      const int64_t unit = piece.unit == "vec4<u32>"   ? 16
                           : piece.unit == "vec2<u32>" ? 8
                           : piece.unit == "u32"       ? 4
                                                       : 2;
      ASSERT_EQ(unit % bytes, 0);
      // Where a range begins, and that it is a legal one inside the (padded) slot.
      const auto begin = [&](const plan::SlotRange& range, int64_t elements) {
        const int64_t slot = (elements * bytes + 15) / 16 * 16;
        const int64_t offset = range.offset_bytes.value();
        const int64_t size = range.size_bytes.is_known() ? range.size_bytes.value() : slot - offset;
        EXPECT_EQ(offset % 256, 0);
        EXPECT_LE(offset + size, slot);
        EXPECT_LE(size, static_cast<int64_t>(kBinding));
        return offset;
      };
      const int64_t from_begin = begin(piece.from, view.source_elements);
      const int64_t to_begin = begin(piece.to, total);
      for (int64_t i = 0; i < piece.n.value(); ++i) {
        int64_t rest = i, from = piece.from_at.value(), to = piece.to_at.value();
        for (size_t axis = 8; axis-- > 8 - piece.axes;) {
          const int64_t extent = piece.shape[axis].value();
          from += rest % extent * piece.from_strides[axis].value();
          to += rest % extent * piece.to_strides[axis].value();
          rest /= extent;
        }
        for (int64_t e = 0; e < unit / bytes; ++e) {
          const int64_t at = (to_begin + to * unit) / bytes + e;
          ASSERT_TRUE(at >= 0 && at < total);
          ASSERT_EQ(got[static_cast<size_t>(at)], -1) << "written twice";
          got[static_cast<size_t>(at)] = (from_begin + from * unit) / bytes + e;
        }
      }
    }
    int64_t at = 0;
    for (Odometer index(view.shape); !index.done(); index.next(), ++at) {
      int64_t from = view.offset;
      for (int k = 0; k < view.shape.rank(); ++k) {
        from += index[k] * view.strides[static_cast<size_t>(k)];
      }
      ASSERT_EQ(got[static_cast<size_t>(at)], from) << view.shape.text() << " element " << at;
    }
  }
  EXPECT_GT(cut, 200);
  EXPECT_LT(refused, 20);
}

}  // namespace
}  // namespace sluice::op
