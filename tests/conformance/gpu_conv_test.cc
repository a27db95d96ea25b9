// Convolutions on WebGPU for every size of tile and the channel counts at which vectors, chunks and
// tiles end; with SLUICE_LONG all of 1 to 40, and the neighbours of multiples of 4 and 32 above.
// One graph holds all of them, so that a tile is compiled once. Then the same counts through every
// other kernel that convolves.
#include <gtest/gtest.h>

#include "conformance/case_graph.h"
#include "exec/webgpu/executor.h"
#include "exec/webgpu/software_device.h"
#include "gpu/on_device.h"
#include "op/interpreter.h"
#include "ops/conv/conv_gpu.h"
#include "ops/registry.h"
#include "session/gpu.h"
#include "session/session.h"

namespace sluice {
namespace {

using Ints = std::vector<int64_t>;

std::vector<int64_t> channel_counts() {
  // Every rest by 4; a chunk of 32 less one, whole, and one more; the same of 64 and 128.
  if (!gpu_tests::long_run()) {
    return {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 65, 66, 127, 129, 133};
  }
  std::vector<int64_t> out;
  for (int64_t c = 1; c <= 40; ++c) out.push_back(c);
  for (const int64_t c : {47,  49,  51,  53,  63,  64,  65,  66,  67,  95,  97,
                          127, 128, 129, 130, 131, 132, 133, 159, 161, 255, 257}) {
    out.push_back(c);
  }
  return out;
}

struct Layers : gpu_tests::Net {
  void add(std::string_view op, const Shape& x, const Shape& w, AttrMap attrs, bool constant) {
    const int64_t rows = op == "Conv" ? w[0] : w[1] * attrs.int_or("group", 1);
    const auto value = input(op::case_floats(x, static_cast<int>(feeds.size())));
    const Tensor weight = op::case_floats(w, 3 + static_cast<int>(feeds.size()), 0.5);
    const auto weights = constant ? this->constant(weight) : input(weight);
    output(one(op, {value, weights, this->constant(op::case_floats(Shape{rows}, 5))},
               std::move(attrs)));
  }
};

class GpuConvTiles : public testing::TestWithParam<int> {
 protected:
  void TearDown() override { ops::conv::tile_for_test = -1; }
};

TEST_P(GpuConvTiles, EveryNumberOfChannels) {
  SLUICE_NEED_DEVICE();
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
  ASSERT_TRUE(layers.infer().ok());
  std::vector<std::string> labels;
  for (const ir::Node& node : layers.graph->nodes()) {
    labels.push_back(cat(node.label(), ", input ", layers.graph->type(node.inputs[0]).text()));
  }
  ops::conv::tile_for_test = GetParam();
  const gpu_tests::Beside made = gpu_tests::beside_reference(std::move(layers));
  ASSERT_EQ(made.got.size(), labels.size());
  for (size_t i = 0; i < labels.size(); ++i) {
    EXPECT_EQ(conformance::compare(made.got[i], made.want[i], 1e-4, 1e-4), "") << labels[i];
  }
}

INSTANTIATE_TEST_SUITE_P(Tiles, GpuConvTiles, testing::Range(0, ops::conv::kTileCount));

// --- every kernel

// 1 to 40, 63 to 67, 127 to 133, 4k - 1 and 4k + 1 up to 133, 32k - 1 and 32k + 1 up to 257;
// without SLUICE_LONG those of channel_counts.
std::vector<int64_t> swept_channels() {
  if (!gpu_tests::long_run()) return channel_counts();
  std::vector<int64_t> out;
  for (int64_t c = 1; c <= 257; ++c) {
    const bool close = (c >= 63 && c <= 67) || (c >= 127 && c <= 133);
    const bool odd = c % 2 == 1 && (c <= 133 || c % 32 == 1 || c % 32 == 31);
    if (c <= 40 || close || odd) out.push_back(c);
  }
  return out;
}

struct Kernel {
  const char* name;
  const char* shader;  // that all layers must run, or all but those of one channel
  void (*layer)(gpu_tests::Net&, int64_t channels);
};
void PrintTo(const Kernel& kernel, std::ostream* out) { *out << kernel.name; }

using gpu_tests::Net;

template <class... Extents>
Tensor floats(int seed, Extents... extents) {
  return op::case_floats(Shape{static_cast<int64_t>(extents)...}, seed, 0.5);
}
void layer(Net& net, const char* op, const Tensor& x, const Tensor& w, AttrMap attrs = {},
           bool constant = true) {
  net.output(
      net.one(op, {net.input(x), constant ? net.constant(w) : net.input(w)}, std::move(attrs)));
}
void integer_layer(Net& net, int64_t c, int64_t rows, bool constant) {
  const auto x = net.input(op::case_ints(DType::kUInt8, Shape{1, c, 3, 4}, 0, 255, 1));
  const Tensor weight = op::case_ints(DType::kInt8, Shape{rows, c, 3, 3}, -128, 127, 2);
  const auto w = constant ? net.constant(weight) : net.input(weight);
  net.output(net.one("ConvInteger",
                     {x, w, net.constant(Tensor::scalar<uint8_t>(131)),
                      net.constant(op::case_ints(DType::kInt8, Shape{rows}, -9, 9, 3))},
                     {{"pads", Ints{1, 1, 1, 1}}}));
}

const Kernel kKernels[] = {
    {"gemm_3x3", "conv_gemm",
     [](Net& n, int64_t c) {
       layer(n, "Conv", floats(1, 1, c, 3, 5), floats(2, 20, c, 3, 3),
             {{"pads", Ints{1, 1, 1, 1}}});
     }},
    {"gemm_1x1", "conv_gemm",
     [](Net& n, int64_t c) { layer(n, "Conv", floats(1, 1, c, 3, 5), floats(2, 20, c, 1, 1)); }},
    {"gemm_run_weights", "conv_gemm",
     [](Net& n, int64_t c) {
       layer(n, "Conv", floats(1, 1, c, 3, 5), floats(2, 12, c, 2, 2), {}, false);
     }},
    {"narrow", "conv_narrow",
     [](Net& n, int64_t c) { layer(n, "Conv", floats(1, 1, c, 4, 6), floats(2, 3, c, 3, 3)); }},
    {"narrow_strided", "conv_narrow",
     [](Net& n, int64_t c) {
       layer(n, "Conv", floats(1, 1, c, 5, 6), floats(2, 5, c, 3, 2), {{"strides", Ints{2, 2}}});
     }},
    {"depthwise", "conv_depthwise",
     [](Net& n, int64_t c) {
       layer(n, "Conv", floats(1, 1, c, 5, 7), floats(2, c, 1, 3, 3),
             {{"group", c}, {"pads", Ints{1, 1, 1, 1}}});
     }},
    {"depthwise_twice", "conv_depthwise",
     [](Net& n, int64_t c) {
       layer(n, "Conv", floats(1, 1, c, 4, 5), floats(2, 2 * c, 1, 3, 2),
             {{"group", c}, {"strides", Ints{1, 2}}});
     }},
    {"grouped_gemm", "conv_gemm",
     [](Net& n, int64_t c) {
       layer(n, "Conv", floats(1, 1, 2 * c, 3, 4), floats(2, 24, c, 3, 3), {{"group", int64_t{2}}});
     }},
    {"grouped_narrow", "conv_narrow",
     [](Net& n, int64_t c) {
       layer(n, "Conv", floats(1, 1, 3 * c, 3, 4), floats(2, 6, c, 2, 2), {{"group", int64_t{3}}});
     }},
    {"transposed_gemm", "conv_gemm",
     [](Net& n, int64_t c) {
       layer(n, "ConvTranspose", floats(1, 1, c, 3, 4), floats(2, c, 20, 3, 3),
             {{"strides", Ints{2, 2}}});
     }},
    {"transposed_narrow", "conv_narrow",
     [](Net& n, int64_t c) {
       layer(n, "ConvTranspose", floats(1, 1, c, 3, 4), floats(2, c, 3, 3, 2),
             {{"strides", Ints{2, 1}}});
     }},
    {"transposed_grouped", "conv_gemm",
     [](Net& n, int64_t c) {
       layer(n, "ConvTranspose", floats(1, 1, 2 * c, 3, 3), floats(2, 2 * c, 12, 2, 2),
             {{"group", int64_t{2}}});
     }},
    {"line_gemm", "conv_gemm",
     [](Net& n, int64_t c) { layer(n, "Conv", floats(1, 1, c, 11), floats(2, 20, c, 3)); }},
    {"line_narrow", "conv_narrow",
     [](Net& n, int64_t c) { layer(n, "Conv", floats(1, 2, c, 11), floats(2, 2, c, 5)); }},
    {"line_depthwise", "conv_depthwise",
     [](Net& n, int64_t c) {
       layer(n, "Conv", floats(1, 1, c, 11), floats(2, c, 1, 5), {{"group", c}});
     }},
    {"line_transposed", "conv_gemm",
     [](Net& n, int64_t c) {
       layer(n, "ConvTranspose", floats(1, 1, c, 7), floats(2, c, 10, 4), {{"strides", Ints{3}}});
     }},
    {"volume", "conv_gemm",
     [](Net& n, int64_t c) {
       layer(n, "Conv", floats(1, 1, c, 2, 3, 3), floats(2, 12, c, 2, 2, 2));
     }},
    {"direct", "conv_direct",
     [](Net& n, int64_t c) {
       layer(n, "Conv", floats(1, 1, c, 2, 2, 2, 3), floats(2, 3, c, 1, 2, 1, 2));
     }},
    {"integer", "conv_", [](Net& n, int64_t c) { integer_layer(n, c, 20, true); }},
    {"integer_narrow", "conv_", [](Net& n, int64_t c) { integer_layer(n, c, 3, true); }},
    {"integer_run_weights", "conv_", [](Net& n, int64_t c) { integer_layer(n, c, 12, false); }},
    {"qlinear", "conv_",
     [](Net& n, int64_t c) {
       // Scales that keep the results within a byte, and away from halves between two steps.
       n.output(
           n.one("QLinearConv",
                 {n.input(op::case_ints(DType::kUInt8, Shape{1, c, 3, 3}, 0, 255, 1)),
                  n.constant(Tensor::scalar(0.5f)), n.constant(Tensor::scalar<uint8_t>(128)),
                  n.constant(op::case_ints(DType::kInt8, Shape{12, c, 2, 2}, -128, 127, 2)),
                  n.constant(Tensor::scalar(0.25f)), n.constant(Tensor::scalar<int8_t>(0)),
                  n.constant(Tensor::scalar(1031.0f)), n.constant(Tensor::scalar<uint8_t>(101))}));
     }},
    {"deformable", "conv_gemm",
     [](Net& n, int64_t c) {
       n.output(
           n.one("DeformConv", {n.input(floats(1, 1, c, 4, 4)), n.constant(floats(2, 12, c, 2, 2)),
                                n.input(floats(3, 1, 8, 3, 3))}));
     }},
    {"causal", "causal_conv",
     [](Net& n, int64_t c) {
       n.output(n.one("CausalConvWithState",
                      {n.input(floats(1, 1, c, 7)), n.constant(floats(2, c, 1, 3))}));
     }},
    // The packed product of bytes, with this inner extent.
    {"packed_dot", "matmul_dot4",
     [](Net& n, int64_t c) {
       n.output(n.one("MatMulInteger",
                      {n.input(op::case_ints(DType::kUInt8, Shape{5, c}, 0, 255, 1)),
                       n.constant(op::case_ints(DType::kInt8, Shape{c, 66}, -128, 127, 2)),
                       n.constant(Tensor::scalar<uint8_t>(131))}));
     }},
};

class GpuConvKernels : public testing::TestWithParam<Kernel> {};

TEST_P(GpuConvKernels, EveryNumberOfChannels) {
  SLUICE_NEED_DEVICE();
  const std::string_view shader = GetParam().shader;
  if (shader == "matmul_dot4" && !held.device->features().packed_dot) {
    GTEST_SKIP() << "not run: no packed dot products";
  }
  Net net;
  const std::vector<int64_t> channels = swept_channels();
  for (const int64_t c : channels) GetParam().layer(net, c);
  const auto inferred = net.infer();
  ASSERT_TRUE(inferred.ok()) << inferred.error().text();
  const auto planned =
      session::plan_for_gpu(*net.graph, gpu_tests::software(), held.device->features());
  ASSERT_TRUE(planned.ok()) << planned.error().text();
  for (const session::Island& island : planned->islands) {
    ADD_FAILURE() << "an island: " << island.op << ": " << island.reason;
  }
  size_t by_kernel = 0;
  for (const plan::Step& step : planned->plan->steps) {
    by_kernel += std::ranges::any_of(step.dispatches, [&](const plan::Dispatch& d) {
      return planned->plan->pipelines[static_cast<size_t>(d.pipeline)].shader.starts_with(shader);
    });
  }
  EXPECT_GE(by_kernel + 1, channels.size());
  exec::webgpu::ExecutorOptions options;
  options.fill_word = 0x7fc0ffee;  // channels read past the end are no zeros
  auto executor = exec::webgpu::Executor::create(planned->plan, held.device, options);
  ASSERT_TRUE(executor.ok()) << executor.error().text();
  const auto got = (*executor)->run(net.feeds, {});
  ASSERT_TRUE(got.ok()) << got.error().text();
  const auto truth = op::interpret(ops::registry(), *net.graph, net.feeds);
  ASSERT_TRUE(truth.ok()) << truth.error().text();
  ASSERT_EQ(got->size(), channels.size());
  for (size_t i = 0; i < channels.size(); ++i) {
    EXPECT_EQ(conformance::compare((*got)[i], (*truth)[i], 2e-5, 2e-5), "")
        << channels[i] << " channels";
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, GpuConvKernels, testing::ValuesIn(kKernels),
                         [](const auto& kernel) { return std::string(kernel.param.name); });

}  // namespace
}  // namespace sluice
