// Tensors larger than a binding may be. Every operator's cases are compiled for bindings so small
// that most of their tensors exceed one: each must come apart within the limit, or become an island
// that says why. What comes apart is run, on larger tensors, and compared with the reference.
#include "compile/parts.h"

#include <gtest/gtest.h>

#include <map>

#include "compile/compile_gpu.h"
#include "gpu/on_device.h"
#include "ops/case_tables.h"
#include "plan/device_layout.h"

namespace sluice::gpu_tests {
namespace {

using op::case_floats;
using op::case_ints;

bool any_exceeds(const plan::Plan& plan, const ir::Graph& graph, uint64_t limit) {
  for (size_t v = 0; v < graph.value_count(); ++v) {
    const Type& type = graph.type(static_cast<ir::ValueId>(v));
    const auto shape = type.is_tensor() ? type.shape() : std::nullopt;
    const auto format = plan::device_format(type.dtype, plan.features.f16);
    if (shape && static_cast<uint64_t>(shape->elements()) * plan::element_bytes(format) > limit) {
      return true;
    }
  }
  return false;
}

TEST(GpuParts, EveryCaseStaysWithinSmallBindingsOrSaysWhyNot) {
  constexpr uint64_t kBinding = 4096;
  compile::GpuOptions options;
  options.limits.max_storage_binding_bytes = kBinding;
  options.limits.min_storage_offset_alignment = 32;
  options.features.packed_dot = true;
  struct Count {
    int within = 0, islands = 0;
    std::string why;
  };
  std::map<std::string, Count> counts;
  int cases = 0;
  for (const ops::CaseTable& table : ops::case_tables()) {
    for (const op::Case& c : table.cases()) {
      const op::OpDef* def = ops::registry().find(c.domain, c.op);
      if (def == nullptr) continue;
      SCOPED_TRACE(cat(table.family, "/", c.op, " ", c.name));
      const auto graph = conformance::graph_of(c, false);
      ASSERT_TRUE(op::infer_graph(ops::registry(), *graph).ok());
      const auto made = compile::compile_gpu(ops::registry(), *graph, options);
      ASSERT_TRUE(made.ok()) << made.error().text();
      if (!any_exceeds(*made->plan, *graph, kBinding)) continue;
      ++cases;
      // Bindings of what has numbers are within the limit, which laying out checks.
      if (!made->wants_static) {
        const auto layout = plan::lay_out_device(*made->plan, {});
        EXPECT_TRUE(layout.ok()) << layout.error().text();
      }
      Count& count = counts[graph->node(0).full_op()];
      if (made->refusals.empty()) {
        ++count.within;
        continue;
      }
      EXPECT_FALSE(made->refusals[0].why.empty());
      if (!made->wants_larger.empty()) {
        ++count.islands;
        count.why = made->refusals[0].why;
      }
    }
  }
  std::printf("  %d cases with a tensor of more than %d bytes\n", cases,
              static_cast<int>(kBinding));
  for (const auto& [name, count] : counts) {
    std::printf("    %-34s %4d within bindings %4d islands  %s\n", name.c_str(), count.within,
                count.islands, count.why.substr(0, 150).c_str());
  }
  // Those that models are made of never leave the device for their size alone.
  for (const char* name :
       {"Add", "Mul", "Relu", "Sigmoid", "Where", "Softmax", "MatMul", "MaxPool", "AveragePool",
        "Concat", "Slice", "Transpose", "Gather", "Cast", "Conv", "Resize"}) {
    EXPECT_GT(counts[name].within, 0) << name;
  }
}

// As expect_like_reference, for a binding limit of 64 KiB; `parts` is the least number of
// dispatches. Gives the largest binding.
void expect_in_parts(Net net, int dispatches, double atol = 2e-6, double rtol = 2e-6) {
  constexpr uint64_t kBinding = 64 << 10;
  ASSERT_TRUE(net.infer().ok());
  const auto want = op::interpret(ops::registry(), *net.graph, net.feeds);
  ASSERT_TRUE(want.ok()) << want.error().text();
  const session::NamedValues feeds = net.named();
  session::Options options = software();
  options.limits = plan::Limits{};
  options.limits->max_storage_binding_bytes = kBinding;
  options.self_test = false;  // other limits, another device: each would be tested anew
  auto session = session::Session::from_graph(std::move(net.graph), "parts", options);
  ASSERT_TRUE(session.ok()) << session.error().text();
  const auto got = (*session)->run(feeds);
  ASSERT_TRUE(got.ok()) << got.error().text();
  expect_whole_job_on_device((*session)->binding(), *options.limits);
  EXPECT_GE((*session)->binding().plan.dispatches, dispatches);
  ASSERT_EQ(got->size(), want->size());
  for (size_t i = 0; i < got->size(); ++i) {
    EXPECT_EQ(conformance::compare((*got)[i].second, (*want)[i], atol, rtol), "") << "output " << i;
  }
}

const std::vector<int64_t> kOnes = {1, 1, 1, 1}, kTwos = {2, 2};

TEST(GpuParts, ConvolutionsOfImagesRowsGroupsAndSums) {
  SLUICE_NEED_DEVICE();
  struct Row {
    Shape x, w;
    int64_t group;
    int parts;
  };
  const Row rows[] = {
      {{6, 8, 24, 24}, {8, 8, 3, 3}, 1, 2},      // images
      {{1, 4, 48, 48}, {19, 4, 3, 3}, 1, 2},     // output channels
      {{1, 21, 40, 40}, {5, 21, 3, 3}, 1, 2},    // the sum
      {{1, 24, 40, 40}, {24, 24, 3, 3}, 1, 6},   // both
      {{1, 24, 40, 40}, {24, 1, 3, 3}, 24, 2},   // depthwise
      {{1, 24, 40, 40}, {12, 4, 3, 3}, 6, 2},    // groups
      {{3, 24, 40, 40}, {24, 24, 1, 1}, 1, 12},  // images, and more
  };
  for (const Row& row : rows) {
    for (const bool fused : {false, true}) {
      SCOPED_TRACE(cat(row.x.text(), " ", row.w.text(), " group ", row.group, " fused ", fused));
      Net net;
      AttrMap attrs = {{"pads", row.w[2] == 3 ? kOnes : std::vector<int64_t>{0, 0, 0, 0}},
                       {"group", row.group}};
      std::vector<ir::ValueId> in = {net.input(case_floats(row.x)),
                                     net.constant(case_floats(row.w, 1)),
                                     net.constant(case_floats(Shape{row.w[0]}, 2))};
      if (fused) {
        attrs.set("activation", std::string("Relu"));
        in.push_back(net.input(case_floats(Shape{row.x[0], row.w[0], row.x[2], row.x[3]}, 3)));
      }
      net.output(fused ? net.one("FusedConv", in, attrs, "sluice") : net.one("Conv", in, attrs));
      expect_in_parts(std::move(net), row.parts, 2e-5, 1e-5);
    }
  }
}

TEST(GpuParts, IntegerAndTransposedConvolutions) {
  SLUICE_NEED_DEVICE();
  {
    Net net;
    net.output(net.one("ConvInteger",
                       {net.input(case_ints(DType::kUInt8, Shape{1, 3, 48, 48}, 0, 255)),
                        net.constant(case_ints(DType::kInt8, Shape{21, 3, 3, 3}, -128, 127, 1)),
                        net.constant(Tensor::scalar(uint8_t{119}))},
                       {{"pads", kOnes}}));
    expect_in_parts(std::move(net), 3, 0, 0);
  }
  {
    Net net;
    net.output(net.one(
        "ConvTranspose",
        {net.input(case_floats(Shape{1, 6, 24, 24})),
         net.constant(case_floats(Shape{6, 22, 2, 2}, 1)), net.constant(case_floats(Shape{22}, 2))},
        {{"strides", kTwos}}));
    expect_in_parts(std::move(net), 3, 1e-5, 1e-5);
  }
}

// One scale and one zero point for all of the input, of which no binding holds all.
TEST(GpuParts, DynamicQuantization) {
  SLUICE_NEED_DEVICE();
  {
    Net net;
    for (const ir::ValueId id :
         net.node("DynamicQuantizeLinear", {net.input(case_floats(Shape{7, 77, 77}, 1, 3))}, 3)) {
      net.output(id);
    }
    expect_in_parts(std::move(net), 7);
  }
  if (!held.device->features().packed_dot) GTEST_SKIP() << "not run: no packed dot products";
  struct Row {
    Shape x;
    int64_t rows, group;
    int parts;
  };
  const Row rows[] = {
      {{1, 3, 40, 40}, 24, 1, 9},    // the results
      {{1, 30, 40, 40}, 9, 1, 8},    // the input
      {{1, 23, 48, 48}, 21, 1, 18},  // both
      {{3, 20, 24, 24}, 4, 1, 8},    // images of the input
      {{3, 20, 24, 24}, 4, 2, 8},    // with groups
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(cat(row.x.text(), " to ", row.rows));
    Net net;
    net.output(net.one(
        "DynamicQuantizedConv",
        {net.input(case_floats(row.x, 1, 3)),
         net.constant(
             case_ints(DType::kUInt8, Shape{row.rows, row.x[1] / row.group, 3, 3}, 0, 255, 2)),
         net.constant(Tensor::scalar(0.01f)), net.constant(Tensor::scalar(uint8_t{121})),
         net.constant(case_floats(Shape{row.rows}, 5))},
        {{"pads", kOnes}, {"group", row.group}, {"activation", std::string("relu")}}, "sluice"));
    expect_in_parts(std::move(net), row.parts);
  }
}

TEST(GpuParts, PlanesAndRows) {
  SLUICE_NEED_DEVICE();
  const auto one = [](const char* op, std::vector<Tensor> in, AttrMap attrs, int parts,
                      std::vector<Tensor> constants = {}) {
    SCOPED_TRACE(op);
    Net net;
    std::vector<ir::ValueId> ids;
    for (const Tensor& tensor : in) ids.push_back(net.input(tensor));
    for (const Tensor& tensor : constants) {
      ids.push_back(tensor.defined() ? net.constant(tensor) : ir::kNoValue);
    }
    net.output(net.one(op, ids, attrs));
    expect_in_parts(std::move(net), parts, 1e-5, 1e-5);
  };
  const Tensor image = case_floats(Shape{1, 12, 64, 64});
  one("MaxPool", {image}, {{"kernel_shape", kTwos}, {"strides", kTwos}}, 3);
  one("AveragePool", {image}, {{"kernel_shape", std::vector<int64_t>{3, 3}}, {"pads", kOnes}}, 3);
  one("GlobalAveragePool", {image}, {}, 3);
  one("InstanceNormalization", {image}, {}, 3,
      {case_floats(Shape{12}, 1), case_floats(Shape{12}, 2)});
  const auto floats = [](std::initializer_list<float> v) {
    return Tensor::of<float>(Shape{static_cast<int64_t>(v.size())}, v);
  };
  const auto longs = [](std::initializer_list<int64_t> v) {
    return Tensor::of<int64_t>(Shape{static_cast<int64_t>(v.size())}, v);
  };
  one("Resize", {image}, {{"mode", std::string("linear")}}, 3,
      {Tensor{}, floats({1, 1, 0.5f, 0.5f})});
  one("Resize", {image}, {{"mode", std::string("nearest")}}, 3,
      {Tensor{}, Tensor{}, longs({1, 12, 80, 50})});
  one("Resize", {image}, {{"mode", std::string("cubic")}}, 3,
      {Tensor{}, Tensor{}, longs({1, 12, 33, 50})});
  one("Pad", {image}, {}, 3, {longs({0, 0, 1, 2, 0, 0, 3, 0})});
  const Tensor rows = case_floats(Shape{500, 67});
  one("Softmax", {rows}, {{"axis", int64_t{-1}}}, 3);
  one("LogSoftmax", {rows}, {{"axis", int64_t{1}}}, 3);
  one("LayerNormalization", {rows}, {}, 3, {case_floats(Shape{67}, 1), case_floats(Shape{67}, 2)});
  one("ReduceMean", {rows}, {{"keepdims", int64_t{0}}}, 3, {longs({1})});
  one("ReduceMax", {case_floats(Shape{1, 300, 3, 40})}, {{"keepdims", int64_t{1}}}, 3,
      {longs({2})});
  one("ArgMax", {rows}, {{"axis", int64_t{1}}, {"keepdims", int64_t{0}}}, 3);
  one("CumSum", {rows}, {}, 3, {Tensor::scalar(int64_t{1})});
  one("Add", {rows, case_floats(Shape{67}, 1)}, {}, 3);
  one("Mul", {rows, case_floats(Shape{500, 1}, 1)}, {}, 3);
  one("Where", {case_ints(DType::kBool, Shape{500, 1}, 0, 1), rows, case_floats(Shape{67}, 1)}, {},
      3);
  one("MatMul", {case_floats(Shape{40, 30, 20}), case_floats(Shape{40, 20, 36}, 1)}, {}, 3);
  one("MatMul", {case_floats(Shape{3000, 40}), case_floats(Shape{40, 36}, 1)}, {}, 3);
  one("Gather", {rows, case_ints(DType::kInt64, Shape{700}, -500, 499, 3)}, {}, 3);
  one("Transpose", {image}, {{"perm", std::vector<int64_t>{0, 2, 3, 1}}}, 3);
  one("GatherElements", {rows, case_ints(DType::kInt64, Shape{500, 60}, -67, 66, 3)},
      {{"axis", int64_t{1}}}, 3);
}

}  // namespace
}  // namespace sluice::gpu_tests
