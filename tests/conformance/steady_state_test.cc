// A steady run takes no tensor memory but that of its outputs: arena, scratch and packed weights
// are there since the first run. Counted where the memory of tensors comes from, aligned_alloc.
#include <gtest/gtest.h>

#include <cstdlib>

#include "compile/compile_cpu.h"
#include "exec/cpu/executor.h"
#include "exec/cpu/thread_pool.h"
#include "op/case.h"
#include "op/interpreter.h"
#include "ops/registry.h"
#include "passes/optimize.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLUICE_OWN_ALLOCATOR 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SLUICE_OWN_ALLOCATOR 1
#endif

#ifndef SLUICE_OWN_ALLOCATOR
#include <atomic>

namespace {
std::atomic<int64_t> tensors_allocated = 0;
}

// In place of the C library's.
extern "C" void* aligned_alloc(size_t alignment, size_t size) {
  tensors_allocated.fetch_add(1, std::memory_order_relaxed);
  void* memory = nullptr;
  return posix_memalign(&memory, alignment, size) == 0 ? memory : nullptr;
}

namespace sluice {
namespace {

using ir::ValueId;

struct Network {
  ir::Graph graph;
  ValueId emit(std::string_view op, std::vector<ValueId> inputs, AttrMap attrs = {},
               int outputs = 1) {
    const ir::NodeId id = graph.add_node(op, std::move(inputs), outputs, std::move(attrs));
    SLUICE_CHECK(op::infer_node(ops::registry(), graph, id).ok());
    return graph.node(id).outputs[0];
  }
  ValueId weight(const Shape& shape) { return graph.add_constant("w", op::case_floats(shape, 3)); }
  ValueId conv(ValueId x, const Shape& w, AttrMap attrs) {
    return emit("Conv", {x, weight(w)}, std::move(attrs));
  }
};

TEST(SteadyState, TakesMemoryForOutputsOnly) {
  const AttrMap same{{"pads", std::vector<int64_t>{1, 1, 1, 1}}};
  Network net;
  const ValueId x = net.graph.add_input("x", Type::tensor(DType::kFloat32, {1, 20, 40, 70}));
  const ValueId tiled = net.emit("Relu", {net.conv(x, {24, 20, 3, 3}, same)});
  const ValueId direct = net.conv(tiled, {24, 24, 1, 1}, {});
  const ValueId deep = net.emit("Relu", {net.conv(direct, {24, 1, 3, 3}, [&] {
                                  AttrMap attrs = same;
                                  attrs.set("group", int64_t{24});
                                  return attrs;
                                }())});
  const ValueId sum = net.emit("Add", {deep, tiled});
  const ValueId pooled = net.emit(
      "MaxPool", {sum},
      {{"kernel_shape", std::vector<int64_t>{2, 2}}, {"strides", std::vector<int64_t>{2, 2}}});
  // As dynamic quantization writes it.
  const ir::NodeId quantize =
      net.graph.add_node("DynamicQuantizeLinear", std::vector<ValueId>{pooled}, 3);
  ASSERT_TRUE(op::infer_node(ops::registry(), net.graph, quantize).ok());
  const std::vector<ValueId> parts = net.graph.node(quantize).outputs;
  const ValueId bytes =
      net.graph.add_constant("b", op::case_ints(DType::kUInt8, Shape{16, 24, 3, 3}, 0, 255, 4));
  const ValueId integers = net.emit("ConvInteger", {parts[0], bytes, parts[2]}, same);
  const ValueId real =
      net.emit("Cast", {integers}, {{"to", static_cast<int64_t>(DType::kFloat32)}});
  const ValueId scale =
      net.emit("Mul", {parts[1], net.graph.add_constant("s", Tensor::scalar<float>(0.01f))});
  const ValueId out = net.emit("Sigmoid", {net.emit("Mul", {real, scale})});
  net.graph.outputs() = {out, sum};

  passes::OptimizeOptions how;
  how.fuse_for_cpu = true;
  ASSERT_TRUE(passes::optimize(ops::registry(), net.graph, how).ok());
  for (const int threads : {1, 2}) {
    auto plan = compile::compile_cpu(ops::registry(), net.graph, {});
    ASSERT_TRUE(plan.ok());
    auto executor = exec::cpu::Executor::create(*plan, compile::cpu_kernel_table(ops::registry()),
                                                std::make_shared<exec::cpu::ThreadPool>(threads));
    ASSERT_TRUE(executor.ok());
    const std::vector<Value> feeds = {Value(op::case_floats(Shape{1, 20, 40, 70}, 1))};
    ASSERT_TRUE((*executor)->run(feeds).ok());
    for (int run = 0; run < 3; ++run) {
      const int64_t before = tensors_allocated.load();
      ASSERT_TRUE((*executor)->run(feeds).ok());
      EXPECT_EQ(tensors_allocated.load() - before, 2) << threads << " threads, run " << run;
    }
  }
}

}  // namespace
}  // namespace sluice
#endif
