// Convolutions on WebGPU for every size of tile and the channel counts at which tiles end: all of 1
// to 40, and the neighbours of multiples of 4 and 32 above. One graph holds all of them, so that a
// tile is compiled once.
#include <gtest/gtest.h>

#include "conformance/case_graph.h"
#include "exec/webgpu/software_device.h"
#include "op/interpreter.h"
#include "ops/conv/conv_gpu.h"
#include "ops/registry.h"
#include "session/gpu.h"
#include "session/session.h"

namespace sluice {
namespace {

using Ints = std::vector<int64_t>;

std::vector<int64_t> channel_counts() {
  std::vector<int64_t> out;
  for (int64_t c = 1; c <= 40; ++c) out.push_back(c);
  for (const int64_t c : {47,  49,  51,  53,  63,  64,  65,  66,  67,  95,  97,
                          127, 128, 129, 130, 131, 132, 133, 159, 161, 255, 257}) {
    out.push_back(c);
  }
  return out;
}

struct Layers {
  std::unique_ptr<ir::Graph> graph = std::make_unique<ir::Graph>();
  std::vector<Value> feeds;

  void add(std::string_view op, const Shape& x, const Shape& w, AttrMap attrs, bool constant) {
    const int64_t rows = op == "Conv" ? w[0] : w[1] * attrs.int_or("group", 1);
    const std::string name = cat(op, "_", feeds.size());
    const auto feed = [&](Tensor tensor, std::string_view suffix) {
      feeds.emplace_back(tensor);
      return graph->add_input(cat(name, suffix),
                              Type::tensor(tensor.dtype(), to_dims(tensor.shape())));
    };
    const auto value = feed(op::case_floats(x, static_cast<int>(feeds.size())), "_x");
    Tensor weight = op::case_floats(w, 3 + static_cast<int>(feeds.size()), 0.5);
    const auto weights =
        constant ? graph->add_constant(cat(name, "_w"), weight) : feed(weight, "_w");
    const auto bias = graph->add_constant(cat(name, "_b"), op::case_floats(Shape{rows}, 5));
    const auto node = graph->add_node(op, {value, weights, bias}, 1, std::move(attrs));
    graph->outputs().push_back(graph->node(node).outputs[0]);
  }
};

class GpuConvTiles : public testing::TestWithParam<int> {
 protected:
  void TearDown() override { ops::conv::tile_for_test = -1; }
};

TEST_P(GpuConvTiles, EveryNumberOfChannels) {
  exec::webgpu::use_software_driver();
  session::Options options;
  options.backend = session::Backend::kWebGpu;
  options.allow_software = true;
  options.threads = 1;
  auto device = session::acquire_device(options);
  if (!device.ok()) GTEST_SKIP() << "not run: " << device.error().text();
  Layers layers;
  for (const int64_t c : channel_counts()) {
    // Rows and positions that end within a tile; chunks within a tap and across taps.
    layers.add("Conv", {1, c, 9, 31}, {20, c, 3, 3},
               {{"pads", Ints{1, 1, 1, 0}}, {"strides", Ints{2, 1}}}, c % 3 != 0);
    layers.add("Conv", {2, c, 3, 5}, {9 + c % 40, c, 1, 1}, {}, c % 2 == 0);
    if (c < 20 || c % 4 == 1) {
      layers.add("ConvTranspose", {1, c, 4, 5}, {c, 9 + c % 16, 3, 2},
                 {{"strides", Ints{2, 3}}, {"pads", Ints{1, 0, 0, 1}}}, c % 3 != 0);
    }
  }
  layers.add("Conv", {1, 36, 5, 6}, {33, 12, 2, 2}, {{"group", int64_t{3}}}, true);
  layers.add("Conv", {1, 2, 3, 4, 5}, {130, 2, 2, 2, 2}, {}, true);
  const op::Registry& registry = ops::registry();
  ASSERT_TRUE(op::infer_graph(registry, *layers.graph).ok());
  const auto truth = op::interpret(registry, *layers.graph, layers.feeds);
  ASSERT_TRUE(truth.ok()) << truth.error().text();
  session::NamedValues named;
  for (size_t i = 0; i < layers.feeds.size(); ++i) {
    named.emplace_back(layers.graph->value(layers.graph->inputs()[i]).name, layers.feeds[i]);
  }
  ops::conv::tile_for_test = GetParam();
  auto session = session::Session::from_graph(layers.graph->clone(), "tiles", options);
  ASSERT_TRUE(session.ok()) << session.error().text();
  const auto got = (*session)->run(named);
  ASSERT_TRUE(got.ok()) << got.error().text();
  const session::Binding& binding = (*session)->binding();
  ASSERT_EQ(binding.bound, session::Backend::kWebGpu);
  EXPECT_TRUE(binding.islands.empty()) << binding.islands[0].reason;
  ASSERT_EQ(got->size(), truth->size());
  for (size_t i = 0; i < truth->size(); ++i) {
    EXPECT_EQ(conformance::compare((*got)[i].second, (*truth)[i], 1e-4, 1e-4), "")
        << layers.graph->nodes()[i].label() << ", input "
        << layers.graph->type(layers.graph->nodes()[i].inputs[0]).text();
  }
}

INSTANTIATE_TEST_SUITE_P(Tiles, GpuConvTiles, testing::Range(0, ops::conv::kTileCount));

}  // namespace
}  // namespace sluice
