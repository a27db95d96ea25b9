#include "passes/sink_resize.h"

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace sluice::passes {

namespace {

// Below this many channels the convolution is cheap, and an activation behind it, which would be
// fused into it, is not.
constexpr int64_t kLeastChannels = 16;

bool all_are(const std::vector<int64_t>& values, int64_t what) {
  return std::ranges::all_of(values, [&](int64_t value) { return value == what; });
}

// x[N,C,h,w] -> y[N,C,H,W] of at least twice the area.
struct Enlarging {
  Shape x, y;
};
std::optional<Enlarging> enlarging(const ir::Graph& graph, const ir::Node& node) {
  if (!node.domain.empty() || node.op != "Resize" || node.output(0) == ir::kNoValue) {
    return std::nullopt;
  }
  if (node.attrs.string_or("mode", "nearest") != "linear" ||
      node.attrs.string_or("coordinate_transformation_mode", "half_pixel") ==
          "tf_crop_and_resize" ||
      node.attrs.string_or("keep_aspect_ratio_policy", "stretch") != "stretch" ||
      node.attrs.int_or("antialias", 0) != 0) {
    return std::nullopt;
  }
  const std::vector<int64_t> axes = node.attrs.ints_or("axes");
  const auto outer = [](int64_t axis) { return (axis < 0 ? axis + 4 : axis) < 2; };
  if (std::ranges::any_of(axes, outer)) return std::nullopt;
  const Type &from = graph.type(node.input(0)), &to = graph.type(node.output(0));
  const auto x = from.shape(), y = to.shape();
  if (from.dtype != DType::kFloat32 || !x || !y || x->rank() != 4 || y->rank() != 4) {
    return std::nullopt;
  }
  if ((*x)[0] != (*y)[0] || (*x)[1] != (*y)[1] || (*y)[2] < (*x)[2] || (*y)[3] < (*x)[3] ||
      y->elements() / 2 < x->elements()) {
    return std::nullopt;
  }
  // A scale near 1 would keep the extent and still mix channels.
  if (axes.empty() && node.input(2) != ir::kNoValue) {
    const ir::ValueId id = node.input(2);
    if (!graph.is_constant(id)) return std::nullopt;
    const Tensor& scales = *graph.value(id).constant;
    const bool has = scales.elements() == 4;
    if (scales.elements() != 0 &&
        (!has || scales.get_double(0) != 1 || scales.get_double(1) != 1)) {
      return std::nullopt;
    }
  }
  if (node.input(3) != ir::kNoValue && !graph.is_constant(node.input(3))) return std::nullopt;
  return Enlarging{*x, *y};
}

// Output channels of `node` if it is a plain 1x1 convolution of `x`.
std::optional<int64_t> pointwise(const ir::Graph& graph, const ir::Node& node, ir::ValueId x) {
  if (!node.domain.empty() || node.op != "Conv" || node.input(0) != x ||
      std::ranges::count(node.inputs, x) != 1 || node.output(0) == ir::kNoValue) {
    return std::nullopt;
  }
  const auto w = graph.type(node.input(1)).shape();
  const std::string pad = node.attrs.string_or("auto_pad", "NOTSET");
  if (!w || w->rank() != 4 || (*w)[2] != 1 || (*w)[3] != 1 || node.attrs.int_or("group", 1) != 1 ||
      (pad != "NOTSET" && pad != "VALID") || !all_are(node.attrs.ints_or("strides"), 1) ||
      !all_are(node.attrs.ints_or("pads"), 0) ||
      graph.type(node.output(0)).dtype != DType::kFloat32) {
    return std::nullopt;
  }
  return (*w)[0];
}

}  // namespace

int sink_resize(ir::Graph& graph) {
  int moved = 0;
  const auto uses = graph.uses();
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const auto sizes = enlarging(graph, graph.nodes()[n]);
    if (!sizes) continue;
    const ir::ValueId enlarged = graph.nodes()[n].output(0);
    const auto& readers = uses[static_cast<size_t>(enlarged)];
    if (readers.size() != 1 || readers[0] == ir::kNoNode) continue;
    const auto reader = static_cast<size_t>(readers[0]);
    const auto channels = pointwise(graph, graph.nodes()[reader], enlarged);
    const int64_t before = sizes->x[1];
    if (!channels || before < kLeastChannels || *channels > 2 * before) continue;

    const ir::ValueId out = graph.nodes()[reader].output(0);
    Shape small = sizes->x;
    small[1] = *channels;
    Type type = graph.type(out);
    type.dims = to_dims(small);
    const ir::ValueId made = graph.add_value(cat(graph.value(out).name, "/small"), type);
    ir::Node& resize = graph.nodes()[n];
    const ir::ValueId target = resize.input(3);
    // Four: of all axes.
    if (target != ir::kNoValue && graph.value(target).constant->elements() == 4) {
      Shape large = sizes->y;
      large[1] = *channels;
      const std::string name = cat(graph.value(target).name, "/channels");
      resize.inputs[3] = graph.add_constant(name, Tensor::of<int64_t>(Shape{4}, large.dims()));
    }
    ir::Node& conv = graph.nodes()[reader];
    conv.inputs[0] = resize.input(0);
    conv.outputs = {made};
    graph.value(made).producer = static_cast<ir::NodeId>(reader);
    resize.inputs[0] = made;
    resize.outputs = {out};
    graph.value(out).producer = static_cast<ir::NodeId>(n);
    graph.value(enlarged).producer = ir::kNoNode;
    ++moved;
  }
  if (moved != 0) graph.normalize();
  return moved;
}

}  // namespace sluice::passes
