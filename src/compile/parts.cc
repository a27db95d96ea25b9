#include "compile/parts.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace sluice::compile {

namespace {

using op::NodeView;
constexpr int kWhole = Parts::kWhole;
using Ways = std::vector<Parts>;

// The node with numbers for all extents, and with nothing cut yet.
struct Subject {
  const NodeView& node;
  std::vector<Shape> in, out;  // empty shapes for absent ones
  Parts whole;

  bool has(int i) const { return node.has_input(i); }
  const Shape& x() const { return in[0]; }
  const Shape& y() const { return out[0]; }
};

// The first axis along which there is something to cut; the rank when there is none.
int first_axis(const Shape& shape) {
  int axis = 0;
  while (axis < shape.rank() && shape[axis] == 1) ++axis;
  return axis;
}

int wrapped(int64_t axis, int rank) { return static_cast<int>(axis < 0 ? axis + rank : axis); }

void cut_input(Parts& parts, int i, int axis) {
  if (static_cast<size_t>(i) < parts.inputs.size()) parts.inputs[static_cast<size_t>(i)] = axis;
}

// Operands broadcast against the results, which all have one shape.
Ways elementwise(const Subject& s) {
  const int axis = first_axis(s.y());
  if (axis == s.y().rank()) return {};
  Parts parts = s.whole;
  parts.count = s.y()[axis];
  for (size_t i = 0; i < s.in.size(); ++i) {
    if (!s.has(static_cast<int>(i))) continue;
    const int own = axis - (s.y().rank() - s.in[i].rank());
    if (own < 0 || s.in[i][own] == 1) continue;
    if (s.in[i][own] != parts.count) return {};
    parts.inputs[i] = own;
  }
  for (size_t i = 0; i < s.out.size(); ++i) {
    if (!s.node.has_output(static_cast<int>(i))) continue;
    if (!(s.out[i] == s.y())) return {};
    parts.outputs[i] = axis;
  }
  return {parts};
}

// The first operands have the axis in common with the results, the others are taken whole.
// `before`: axes from this one on can't be cut.
Ways leading(const Subject& s, int before, int operands = 1) {
  const int axis = first_axis(s.x());
  if (axis >= std::min(before, s.x().rank())) return {};
  Parts parts = s.whole;
  parts.count = s.x()[axis];
  for (int i = 0; i < operands && static_cast<size_t>(i) < s.in.size(); ++i) {
    const Shape& shape = s.in[static_cast<size_t>(i)];
    if (!s.has(i)) continue;
    if (axis >= shape.rank() || shape[axis] != parts.count) return {};
    cut_input(parts, i, axis);
  }
  for (size_t i = 0; i < s.out.size(); ++i) {
    if (!s.node.has_output(static_cast<int>(i))) continue;
    if (axis >= s.out[i].rank() || s.out[i][axis] != parts.count) return {};
    parts.outputs[i] = axis;
  }
  return {parts};
}

template <int kOperands>
Ways along_batch(const Subject& s) {
  return leading(s, 1, kOperands);
}

// Images and channels are independent of each other.
Ways planes(const Subject& s) { return leading(s, 2); }

// Everything in front of the attribute `axis` is independent.
template <int64_t kDefault>
Ways before_axis(const Subject& s) {
  return leading(s, wrapped(s.node.attrs().int_or("axis", kDefault), s.x().rank()));
}

// Scale and bias have the normalized axes only.
Ways layer_norm(const Subject& s) {
  const int axis = wrapped(s.node.attrs().int_or("axis", -1), s.x().rank());
  for (size_t i = 1; i < s.in.size(); ++i) {
    if (s.in[i].rank() > s.x().rank() - axis) return {};
  }
  return leading(s, axis);
}

Ways skip_norm(const Subject& s) {
  if (s.in.size() < 2 || !(s.in[1] == s.x())) return {};
  return leading(s, s.x().rank() - 1, 2);
}

Ways reduce(const Subject& s) {
  std::vector<bool> reduced(static_cast<size_t>(s.x().rank()), true);
  if (const auto axes = s.has(1) ? s.node.ints(1) : std::nullopt; axes && !axes->empty()) {
    reduced.assign(reduced.size(), false);
    for (const Dim& axis : *axes) {
      if (!axis.is_known() || axis.value() < -s.x().rank() || axis.value() >= s.x().rank()) {
        return {};
      }
      reduced[static_cast<size_t>(wrapped(axis.value(), s.x().rank()))] = true;
    }
  } else if (s.has(1) && !axes) {
    return {};
  }
  const int axis = first_axis(s.x());
  if (axis == s.x().rank() || reduced[static_cast<size_t>(axis)]) return {};
  const auto gone = std::count(reduced.begin(), reduced.begin() + axis, true);
  const int kept = s.node.attrs().int_or("keepdims", 1) != 0 ? axis : axis - static_cast<int>(gone);
  if (kept >= s.y().rank() || s.y()[kept] != s.x()[axis]) return {};
  Parts parts = s.whole;
  parts.count = s.x()[axis];
  parts.inputs[0] = axis;
  parts.outputs[0] = kept;
  return {parts};
}

Ways arg(const Subject& s) {
  const int axis = wrapped(s.node.attrs().int_or("axis", 0), s.x().rank());
  return leading(s, axis);
}

Ways cumulate(const Subject& s) {
  const auto axis = s.node.constant_int(1);
  return axis ? leading(s, wrapped(*axis, s.x().rank())) : Ways{};
}

Ways matrices(const Subject& s) { return leading(s, s.x().rank() - 2); }

Ways instance_norm(const Subject& s) {
  Ways ways = planes(s);
  for (Parts& parts : ways) {
    if (parts.inputs[0] != 1) continue;
    for (int i = 1; i < 5; ++i) cut_input(parts, i, 0);
  }
  return ways;
}

Ways pool(const Subject& s) {
  // Indices count from the first image on.
  return s.node.has_output(1) ? Ways{} : planes(s);
}

// x, w, and what has an element per output channel, are at these places.
struct ConvOperands {
  int x = 0, w = 1;
  std::vector<int> per_row = {2};
  int residual = -1;
};

Ways conv(const Subject& s, const ConvOperands& at, bool transposed, bool may_sum) {
  const Shape &x = s.in[static_cast<size_t>(at.x)], &w = s.in[static_cast<size_t>(at.w)];
  if (x.rank() < 3 || w.rank() != x.rank() || s.y().rank() != x.rank()) return {};
  const int64_t groups = s.node.attrs().int_or("group", 1);
  const int64_t rows = s.y()[1];
  if (groups < 1 || rows < 1 || x[1] % groups != 0 || rows % groups != 0) return {};
  Parts parts = s.whole;
  if (x[0] != 1) {
    parts.count = x[0];
    cut_input(parts, at.x, 0);
    if (at.residual >= 0 && s.has(at.residual)) cut_input(parts, at.residual, 0);
    parts.outputs[0] = 0;
    return {parts};
  }
  Ways ways;
  // Output channels, or the groups of them.
  parts.groups = groups > 1;
  parts.count = groups > 1 ? groups : rows;
  if (groups > 1) cut_input(parts, at.x, 1);
  cut_input(parts, at.w, transposed && groups == 1 ? 1 : 0);
  for (const int i : at.per_row) {
    if (s.has(i) && s.in[static_cast<size_t>(i)] == Shape{rows}) cut_input(parts, i, 0);
  }
  if (at.residual >= 0 && s.has(at.residual)) cut_input(parts, at.residual, 1);
  parts.outputs[0] = 1;
  ways.push_back(parts);
  if (may_sum && groups == 1 && s.node.input_type(at.x).dtype == DType::kFloat32) {
    Parts sums = s.whole;
    sums.count = x[1];
    sums.sums = true;
    cut_input(sums, at.x, 1);
    cut_input(sums, at.w, 1);
    ways.push_back(sums);
  }
  return ways;
}

Ways plain_conv(const Subject& s) {
  ConvOperands at;
  if (s.node.node().op == "FusedConv") at.residual = 3;
  return conv(s, at, false, true);
}
Ways transposed_conv(const Subject& s) { return conv(s, {}, true, false); }
Ways integer_conv(const Subject& s) { return conv(s, {.per_row = {3}}, false, false); }
Ways qlinear_conv(const Subject& s) {
  return conv(s, {.w = 3, .per_row = {4, 5, 8}}, false, false);
}

// Rows only: scale and zero point are those of all of x.
Ways dynamic_conv(const Subject& s) {
  if (s.node.attrs().int_or("group", 1) != 1) return {};
  Ways ways = conv(s, {.per_row = {3, 4}}, false, false);
  std::erase_if(ways, [](const Parts& parts) { return parts.inputs[0] != kWhole; });
  return ways;
}

Ways deform_conv(const Subject& s) {
  Ways ways = along_batch<1>(s);
  for (Parts& parts : ways) {
    cut_input(parts, 2, 0);
    if (s.has(4)) cut_input(parts, 4, 0);
  }
  return ways;
}

Ways resize(const Subject& s) {
  const AttrMap& attrs = s.node.attrs();
  Ways ways = planes(s);
  if (ways.empty() ||
      attrs.string_or("coordinate_transformation_mode", "") == "tf_crop_and_resize" ||
      attrs.string_or("keep_aspect_ratio_policy", "stretch") != "stretch") {
    return {};
  }
  // Only an axis that keeps its places can be cut.
  Parts& parts = ways[0];
  const int axis = parts.inputs[0];
  int at = axis;
  if (const std::vector<int64_t> axes = attrs.ints_or("axes"); !axes.empty()) {
    const auto found =
        std::ranges::find_if(axes, [&](int64_t a) { return wrapped(a, s.x().rank()) == axis; });
    if (found == axes.end()) return ways;
    at = static_cast<int>(found - axes.begin());
  }
  if (s.has(3) && s.in[3].elements() > 0) {
    parts.extents.emplace_back(3, at);
    return ways;
  }
  const Tensor* scales = s.has(2) ? s.node.constant(2) : nullptr;
  if (scales == nullptr || at >= scales->elements() || scales->get_double(at) != 1) return {};
  return ways;
}

Ways grid_sample(const Subject& s) {
  Ways ways = planes(s);
  for (Parts& parts : ways) {
    if (parts.inputs[0] == 0) cut_input(parts, 1, 0);
  }
  return ways;
}

Ways pad(const Subject& s) {
  Ways ways = leading(s, s.x().rank());
  if (ways.empty()) return {};
  const int axis = ways[0].inputs[0];
  const auto pads = s.node.ints(1);
  if (!pads) return {};
  int64_t at = axis;
  int64_t count = s.x().rank();
  if (s.has(3)) {
    const auto axes = s.node.ints(3);
    if (!axes) return {};
    count = static_cast<int64_t>(axes->size());
    at = -1;
    for (int64_t i = 0; i < count; ++i) {
      const Dim& a = (*axes)[static_cast<size_t>(i)];
      if (!a.is_known()) return {};
      if (wrapped(a.value(), s.x().rank()) == axis) at = i;
    }
    if (at < 0) return ways;
  }
  if (static_cast<int64_t>(pads->size()) != 2 * count) return {};
  const bool still = (*pads)[static_cast<size_t>(at)] == Dim(0) &&
                     (*pads)[static_cast<size_t>(at + count)] == Dim(0);
  return still ? ways : Ways{};
}

// Batches, and rows of the first operand. Operands from the third on are taken whole.
Ways matmul(const Subject& s) {
  const Shape &a = s.in[0], &b = s.in[1], &y = s.y();
  const int axis = first_axis(y);
  if (a.rank() < 2 || b.rank() < 2 || axis >= y.rank() - 1) return {};
  const int a_axis = axis - (y.rank() - a.rank()), b_axis = axis - (y.rank() - b.rank());
  Parts parts = s.whole;
  parts.count = y[axis];
  const bool row = axis == y.rank() - 2;
  if (a_axis >= 0 && a[a_axis] == parts.count) parts.inputs[0] = a_axis;
  if (!row && b_axis >= 0 && b[b_axis] == parts.count) parts.inputs[1] = b_axis;
  if (parts.inputs[0] == kWhole && parts.inputs[1] == kWhole) return {};
  parts.outputs[0] = axis;
  return {parts};
}

// One zero point for all, or one for each column, of which there are all in each part.
Ways matmul_integer(const Subject& s) {
  if (s.has(2) && s.in[2].elements() != 1) return {};
  return matmul(s);
}

Ways matmul_nbits(const Subject& s) { return leading(s, s.x().rank() - 1); }

// Scales and zero points: one for all, one for each place of an axis, or one for each block.
Ways linear_quantization(const Subject& s) {
  const int axis = wrapped(s.node.attrs().int_or("axis", 1), s.x().rank());
  Ways ways = leading(s, s.x().rank());
  if (ways.empty()) return {};
  Parts& parts = ways[0];
  const int cut = parts.inputs[0];
  for (int i = 1; i < 3; ++i) {
    if (!s.has(i)) continue;
    const Shape& shape = s.in[static_cast<size_t>(i)];
    if (shape.rank() == 1 && shape[0] != 1 && cut == axis) cut_input(parts, i, 0);
    if (shape.rank() > 1) {
      if (cut == axis || shape.rank() != s.x().rank() || shape[cut] != parts.count) return {};
      cut_input(parts, i, cut);
    }
  }
  return ways;
}

Ways gather_elements(const Subject& s) {
  const int axis = wrapped(s.node.attrs().int_or("axis", 0), s.x().rank());
  const int cut = first_axis(s.in[1]);
  if (cut >= s.in[1].rank() || cut == axis || s.x()[cut] != s.in[1][cut]) return {};
  for (int i = 0; i < cut; ++i) {
    if (s.x()[i] != 1) return {};
  }
  Parts parts = s.whole;
  parts.count = s.in[1][cut];
  parts.inputs = {cut, cut};
  parts.outputs[0] = cut;
  return {parts};
}

// Regions of interest are independent: x is taken whole.
Ways roi_align(const Subject& s) {
  if (s.in.size() < 3 || s.y().rank() < 1) return {};
  Parts parts = s.whole;
  parts.count = s.y()[0];
  cut_input(parts, 1, 0);
  cut_input(parts, 2, 0);
  parts.outputs[0] = 0;
  return {parts};
}

struct Row {
  std::string_view op;
  Ways (*ways)(const Subject&);
};

constexpr Row kRows[] = {
    {"Add", elementwise},
    {"Sub", elementwise},
    {"Mul", elementwise},
    {"Div", elementwise},
    {"Pow", elementwise},
    {"Mod", elementwise},
    {"Max", elementwise},
    {"Min", elementwise},
    {"Sum", elementwise},
    {"Mean", elementwise},
    {"And", elementwise},
    {"Or", elementwise},
    {"Xor", elementwise},
    {"Equal", elementwise},
    {"Less", elementwise},
    {"LessOrEqual", elementwise},
    {"Greater", elementwise},
    {"GreaterOrEqual", elementwise},
    {"BitShift", elementwise},
    {"BitwiseAnd", elementwise},
    {"BitwiseOr", elementwise},
    {"BitwiseXor", elementwise},
    {"Where", elementwise},
    {"PRelu", elementwise},
    {"BiasGelu", elementwise},
    {"FastGelu", elementwise},
    {"Clip", elementwise},
    {"Cast", elementwise},
    {"Dropout", elementwise},
    {"SwiGLU", elementwise},
    {"QLinearSigmoid", elementwise},
    {"QLinearLeakyRelu", elementwise},
    {"Softmax", before_axis<-1>},
    {"LogSoftmax", before_axis<-1>},
    {"Hardmax", before_axis<-1>},
    {"LpNormalization", before_axis<-1>},
    {"TopK", before_axis<-1>},
    {"LayerNormalization", layer_norm},
    {"RMSNormalization", layer_norm},
    {"SimplifiedLayerNormalization", layer_norm},
    {"SkipLayerNormalization", skip_norm},
    {"SkipSimplifiedLayerNormalization", skip_norm},
    {"InstanceNormalization", instance_norm},
    {"BatchNormalization", instance_norm},
    {"GroupNormalization", along_batch<1>},
    {"LRN", along_batch<1>},
    {"ReduceSum", reduce},
    {"ReduceMean", reduce},
    {"ReduceMax", reduce},
    {"ReduceMin", reduce},
    {"ReduceProd", reduce},
    {"ReduceL1", reduce},
    {"ReduceL2", reduce},
    {"ReduceLogSum", reduce},
    {"ReduceLogSumExp", reduce},
    {"ReduceSumSquare", reduce},
    {"ArgMax", arg},
    {"ArgMin", arg},
    {"CumSum", cumulate},
    {"CumProd", cumulate},
    {"Trilu", matrices},
    {"Det", matrices},
    {"Conv", plain_conv},
    {"FusedConv", plain_conv},
    {"ConvTranspose", transposed_conv},
    {"ConvInteger", integer_conv},
    {"QLinearConv", qlinear_conv},
    {"DynamicQuantizedConv", dynamic_conv},
    {"DeformConv", deform_conv},
    {"MaxPool", pool},
    {"AveragePool", pool},
    {"LpPool", pool},
    {"GlobalMaxPool", planes},
    {"GlobalAveragePool", planes},
    {"GlobalLpPool", planes},
    {"RoiAlign", roi_align},
    {"Resize", resize},
    {"GridSample", grid_sample},
    {"Pad", pad},
    {"MatMul", matmul},
    {"MatMulInteger", matmul_integer},
    {"MatMulNBits", matmul_nbits},
    {"QuantizeLinear", linear_quantization},
    {"DequantizeLinear", linear_quantization},
    {"GatherElements", gather_elements},
};

}  // namespace

std::vector<Parts> parts_of(const op::NodeView& node) {
  const auto row = std::ranges::find(kRows, node.node().op, &Row::op);
  if (row == std::end(kRows)) return {};
  Subject subject{.node = node, .in = {}, .out = {}, .whole = {}};
  for (int i = 0; i < node.input_count(); ++i) {
    const auto shape = node.has_input(i) ? node.input_type(i).shape() : Shape{};
    if (!shape) return {};
    subject.in.push_back(*shape);
  }
  for (int i = 0; i < node.output_count(); ++i) {
    const auto shape = node.has_output(i) ? node.output_type(i).shape() : Shape{};
    if (!shape) return {};
    subject.out.push_back(*shape);
  }
  if (subject.in.empty() || subject.out.empty() || !node.has_input(0) || !node.has_output(0)) {
    return {};
  }
  subject.whole.inputs.assign(subject.in.size(), kWhole);
  subject.whole.outputs.assign(subject.out.size(), kWhole);
  return row->ways(subject);
}

}  // namespace sluice::compile
