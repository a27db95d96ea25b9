#include "passes/hold_float16.h"

#include <gtest/gtest.h>

#include <cstring>

#include "compile/compile_cpu.h"
#include "exec/cpu/executor.h"
#include "ir/verify.h"
#include "ops/test_graph.h"
#include "passes/optimize.h"

namespace sluice::passes {
namespace {

using ir::ValueId;

// A float16 model: a convolution by tiles, one of 1x1, one with normalisation behind it, one of one
// channel a group, one over three axes, and a Gemm.
struct Net : ops::TestGraph {
  ValueId half(std::string_view name, const Shape& shape, int seed) {
    auto made = converted(op::case_floats(shape, seed), DType::kFloat16);
    return graph.add_constant(name, std::move(made).value());
  }

  Net() {
    const AttrMap same{{"pads", std::vector<int64_t>{1, 1, 1, 1}}};
    const ValueId x = graph.add_input("x", Type::tensor(DType::kFloat16, {1, 16, 40, 64}));
    const ValueId tiled = emit(
        "Relu", {emit("Conv", {x, half("tiled", {32, 16, 3, 3}, 1), half("b", {32}, 2)}, same)});
    const ValueId direct = emit("Conv", {tiled, half("direct", {96, 32, 1, 1}, 3)});
    const ValueId normal =
        emit("BatchNormalization",
             {emit("Conv", {direct, half("normal", {32, 96, 1, 1}, 4)}), half("scale", {32}, 5),
              half("shift", {32}, 6), half("mean", {32}, 7),
              graph.add_constant(
                  "variance", *converted(Tensor::of<float>(Shape{32}, std::vector<float>(32, 0.5f)),
                                         DType::kFloat16))});
    AttrMap apart = same;
    apart.set("group", int64_t{256});
    const ValueId many = emit("Conv", {normal, half("many", {256, 32, 1, 1}, 8)});
    const ValueId deep = emit("Conv", {many, half("deep", {256, 1, 3, 3}, 9)}, apart);
    const ValueId cubes = emit("Reshape", {deep, ints({1, 256, 4, 10, 64})});
    const ValueId solid = emit("Conv", {cubes, half("solid", {12, 256, 1, 1, 2}, 10)});
    const ValueId pooled = emit("ReduceMean", {solid, ints({3, 4})});
    const ValueId flat = emit("Reshape", {pooled, ints({1, 48})});
    const ValueId out = emit("Gemm", {flat, half("dense", {48, 64}, 11)});
    graph.outputs() = {out, deep};
  }
};

struct Ran {
  std::vector<Value> outputs;
  uint64_t prepared_bytes = 0;
};

Ran run(bool hold) {
  Net net;
  OptimizeOptions how;
  how.fuse_for_cpu = true;
  how.hold_float16 = hold;
  const auto log = optimize(ops::registry(), net.graph, how);
  SLUICE_CHECK(log.ok());
  EXPECT_TRUE(ir::verify(net.graph).ok());
  int halves = 0;
  for (size_t v = 0; v < net.graph.value_count(); ++v) {
    const ir::ValueInfo& info = net.graph.value(static_cast<ValueId>(v));
    const bool held = info.constant && info.constant->dtype() == DType::kFloat16 &&
                      info.type.dtype == DType::kFloat32;
    halves += held ? 1 : 0;
    // By its own name; what a normalisation changes is no float16 any more.
    if (held) {
      EXPECT_EQ(info.name.find("float32"), std::string::npos) << info.name;
      EXPECT_NE(info.name, "normal");
    }
  }
  EXPECT_EQ(halves, hold ? 5 : 0);
  auto plan = compile::compile_cpu(ops::registry(), net.graph);
  SLUICE_CHECK(plan.ok());
  auto executor = exec::cpu::Executor::create(*plan, compile::cpu_kernel_table(ops::registry()),
                                              std::make_shared<exec::cpu::ThreadPool>(2));
  SLUICE_CHECK(executor.ok());
  const auto x = converted(op::case_floats(Shape{1, 16, 40, 64}, 20), DType::kFloat16);
  const std::vector<Value> feeds = {Value(*x)};
  auto outputs = (*executor)->run(feeds);
  SLUICE_CHECK(outputs.ok());
  return {std::move(outputs).value(), (*executor)->prepared_bytes()};
}

TEST(HoldFloat16, SameBitsInLessMemory) {
  const Ran wide = run(false), held = run(true);
  ASSERT_EQ(wide.outputs.size(), held.outputs.size());
  for (size_t i = 0; i < wide.outputs.size(); ++i) {
    const Tensor &a = wide.outputs[i].tensor(), &b = held.outputs[i].tensor();
    ASSERT_EQ(a.text(), b.text());
    EXPECT_EQ(0, std::memcmp(a.bytes().data(), b.bytes().data(), a.size_bytes())) << i;
  }
  // Two thirds of what is packed are weights of convolutions that are held.
  EXPECT_LT(held.prepared_bytes * 3, wide.prepared_bytes * 2);
}

}  // namespace
}  // namespace sluice::passes
