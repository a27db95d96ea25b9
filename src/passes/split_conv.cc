#include "passes/split_conv.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "base/text.h"

namespace sluice::passes {

namespace {

using ir::NodeId;
using ir::ValueId;

// A part of the Concat, by its channels in the whole.
struct Part {
  ValueId value = ir::kNoValue;
  int64_t begin = 0, count = 0;
};

// The parts in their order; nothing where their channels are not known.
std::optional<std::vector<Part>> parts_of(const ir::Graph& graph, const ir::Node& concat) {
  std::vector<Part> parts;
  int64_t begin = 0;
  for (const ValueId id : concat.inputs) {
    if (id == ir::kNoValue) return std::nullopt;
    const Type& type = graph.type(id);
    if (!type.is_tensor() || !type.dims || type.dims->size() < 3) return std::nullopt;
    const Dim& channels = (*type.dims)[1];
    if (!channels.is_known() || channels.value() < 1) return std::nullopt;
    parts.push_back({id, begin, channels.value()});
    begin += channels.value();
  }
  return parts;
}

size_t last_made(const ir::Graph& graph, const std::vector<Part>& parts) {
  const auto made = [&](const Part& part) { return graph.value(part.value).producer; };
  return static_cast<size_t>(std::ranges::max_element(parts, {}, made) - parts.begin());
}

// The channels [M, C, ...] of `weight` that belong to `parts`.
Result<Tensor> channels_of(const Tensor& weight, const std::vector<Part>& parts) {
  Shape shape = weight.shape();
  shape[1] = 0;
  for (const Part& part : parts) shape[1] += part.count;
  SLUICE_ASSIGN(Tensor out, Tensor::allocate_uninitialized(weight.dtype(), shape));
  const auto channel_bytes = static_cast<size_t>(weight.shape().elements(2, weight.rank())) *
                             static_cast<size_t>(dtype_bits(weight.dtype()) / 8);
  std::byte* to = out.mutable_bytes().data();
  for (int64_t m = 0; m < shape[0]; ++m) {
    for (const Part& part : parts) {
      const std::byte* const from =
          weight.bytes().data() +
          static_cast<size_t>(m * weight.dim(1) + part.begin) * channel_bytes;
      const size_t bytes = static_cast<size_t>(part.count) * channel_bytes;
      std::memcpy(to, from, bytes);
      to += bytes;
    }
  }
  return out;
}

}  // namespace

bool can_split_conv(const ir::Graph& graph, NodeId node) {
  const ir::Node& conv = graph.node(node);
  if (conv.full_op() != "Conv" && conv.full_op() != "sluice.FusedConv") return false;
  const ValueId whole = conv.input(0), out = conv.output(0);
  if (out == ir::kNoValue || conv.input(3) != ir::kNoValue || conv.attrs.int_or("group", 1) != 1 ||
      graph.type(out).dtype != DType::kFloat32 || !graph.is_constant(conv.input(1)) ||
      whole == ir::kNoValue || graph.value(whole).producer == ir::kNoNode) {
    return false;
  }
  const ir::Node& concat = graph.node(graph.value(whole).producer);
  if (concat.full_op() != "Concat" || concat.attrs.int_or("axis", 0) != 1 ||
      concat.inputs.size() < 2) {
    return false;
  }
  const auto parts = parts_of(graph, concat);
  if (!parts) return false;
  const NodeId last = graph.value((*parts)[last_made(graph, *parts)].value).producer;
  const Tensor& weight = *graph.value(conv.input(1)).constant;
  const auto producer = [&](const Part& part) { return graph.value(part.value).producer; };
  return weight.rank() >= 3 && weight.dim(1) == parts->back().begin + parts->back().count &&
         dtype_bits(weight.dtype()) % 8 == 0 && last != ir::kNoNode &&
         std::ranges::count(*parts, last, producer) == 1 &&
         graph.uses()[static_cast<size_t>(whole)].size() == 1;
}

Result<void> split_conv(ir::Graph& graph, NodeId node) {
  const NodeId join_node = graph.value(graph.node(node).input(0)).producer;
  const ir::Node& concat = graph.node(join_node);
  std::vector<Part> early = *parts_of(graph, concat);
  const auto last = early.begin() + static_cast<std::ptrdiff_t>(last_made(graph, early));
  const Part late = *last;
  early.erase(last);
  const NodeId before = graph.value(late.value).producer;

  const ValueId whole_weight = graph.node(node).input(1);
  const Tensor weight = *graph.value(whole_weight).constant;
  const std::string name = graph.value(graph.node(node).output(0)).name;
  SLUICE_ASSIGN(Tensor early_weight, channels_of(weight, early));
  SLUICE_ASSIGN(Tensor late_weight, channels_of(weight, {late}));
  std::vector<ir::Node> first;  // what runs before the last part is made
  ValueId in = early[0].value;
  if (early.size() > 1) {
    Type type = graph.type(concat.output(0));
    (*type.dims)[1] = Dim(early_weight.dim(1));
    in = graph.add_value(graph.value(concat.output(0)).name + "_early", std::move(type));
    ir::Node join{"", "Concat", concat.name + "_early", {}, {in}, concat.attrs, {}};
    for (const Part& part : early) join.inputs.push_back(part.value);
    first.push_back(std::move(join));
  }
  const ValueId sum = graph.add_value(name + "_early", graph.type(graph.node(node).output(0)));
  // It may hold float16 under the type float32 (passes/hold_float16).
  const auto add_weight = [&](std::string_view which, Tensor part) {
    const ValueId id =
        graph.add_constant(cat(graph.value(whole_weight).name, which), std::move(part));
    graph.value(id).type.dtype = graph.type(whole_weight).dtype;
    return id;
  };
  const ValueId w = add_weight("_early", std::move(early_weight));
  const ValueId rest = add_weight("_late", std::move(late_weight));

  ir::Node& conv = graph.nodes()[static_cast<size_t>(node)];
  ir::Node early_conv{"", "Conv", conv.name + "_early", {in, w}, {sum}, conv.attrs, {}};
  early_conv.attrs.erase("activation");
  early_conv.attrs.erase("activation_params");
  first.push_back(std::move(early_conv));
  conv.domain = "sluice";
  conv.op = "FusedConv";
  conv.inputs = {late.value, rest, conv.input(2), sum};
  std::vector<bool> dead(graph.nodes().size() + first.size(), false);
  dead[static_cast<size_t>(join_node) + (join_node >= before ? first.size() : 0)] = true;
  graph.nodes().insert(graph.nodes().begin() + before, std::make_move_iterator(first.begin()),
                       std::make_move_iterator(first.end()));
  graph.normalize(dead);
  if (graph.uses()[static_cast<size_t>(whole_weight)].empty()) {
    graph.value(whole_weight).constant.reset();
  }
  return {};
}

}  // namespace sluice::passes
