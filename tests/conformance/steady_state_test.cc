// A steady run allocates nothing: arena, scratch, packed weights and what follows from shapes are
// there since the first run, and results lie in memory that an earlier caller has let go of. Every
// malloc of the process is counted, on whatever thread, over the operators' case tables, small
// networks and real models.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>

#include "base/text.h"
#include "compile/compile_cpu.h"
#include "conformance/case_graph.h"
#include "exec/cpu/executor.h"
#include "exec/cpu/thread_pool.h"
#include "ops/case_tables.h"
#include "ops/test_graph.h"
#include "passes/optimize.h"
#include "session/session.h"

// Sanitizers bring an allocator of their own.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SLUICE_OWN_ALLOCATOR 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define SLUICE_OWN_ALLOCATOR 1
#endif

#ifndef SLUICE_OWN_ALLOCATOR
#include <atomic>

namespace {
std::atomic<int64_t> allocations = 0;
void count_one() { allocations.fetch_add(1, std::memory_order_relaxed); }
}  // namespace

// In place of the C library's, which does the work. operator new calls malloc.
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

void* malloc(size_t size) {
  count_one();
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  count_one();
  return __libc_calloc(count, size);
}
void* realloc(void* memory, size_t size) {
  count_one();
  return __libc_realloc(memory, size);
}
void* memalign(size_t alignment, size_t size) {
  count_one();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  count_one();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** memory, size_t alignment, size_t size) {
  count_one();
  *memory = __libc_memalign(alignment, size);
  return *memory == nullptr ? ENOMEM : 0;
}
}

namespace sluice {
namespace {

using ir::ValueId;

struct Network : ops::TestGraph {
  ValueId weight(const Shape& shape) { return graph.add_constant("w", op::case_floats(shape, 3)); }
  ValueId conv(ValueId x, const Shape& w, AttrMap attrs) {
    return emit("Conv", {x, weight(w)}, std::move(attrs));
  }
};

TEST(SteadyState, NetworkAllocatesNothing) {
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
  const std::vector<ValueId> parts = net.emit_all("DynamicQuantizeLinear", {pooled}, 3);
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
    std::vector<Value> results;
    ASSERT_TRUE((*executor)->run_into(feeds, results).ok());
    for (int run = 0; run < 3; ++run) {
      const int64_t before = allocations.load();
      ASSERT_TRUE((*executor)->run_into(feeds, results).ok());
      EXPECT_EQ(allocations.load() - before, 0) << threads << " threads, run " << run;
    }
    // A caller that keeps the results of one run during the next: two blocks take turns.
    std::vector<Value> kept;
    ASSERT_TRUE((*executor)->run_into(feeds, kept).ok());
    for (int run = 0; run < 3; ++run) {
      std::swap(kept, results);
      const int64_t before = allocations.load();
      ASSERT_TRUE((*executor)->run_into(feeds, results).ok());
      EXPECT_EQ(allocations.load() - before, 0) << threads << " threads, results kept, run " << run;
    }
  }
}

// Reference kernels are the truth, written to be read, and may allocate; no model of this test's
// runs one that does. Where a fast kernel hands a case on to its reference kernel, the case is
// listed: kernel, part of the case's name, why it is handed on.
struct HandedOn {
  std::string_view kernel, name, why;
};
constexpr HandedOn kHandedOn[] = {
    {"reduce_", "[2,3,5,7]", "axes that go are apart"},
    {"reduce_", "_long_", "axes that go are apart"},
    {"reduce_", "[0,3]", "nothing to reduce"},
    {"reduce_", "[3,0]", "nothing to reduce"},
    {"reduce_", "empty", "nothing to reduce"},
    {"reduce_", "noop", "no axis is named, and none goes"},
    {"resize.f32.separable", "all_axes", "other axes than the last two change"},
    {"resize.f32.separable", "trilinear", "other axes than the last two change"},
    {"resize.f32.separable", "empty_batch", "no elements"},
    {"resize.f32.separable", "golden_float32_extent", "other axes than the last two change"},
    {"average_pool.f32.rows", "empty_batch", "no elements"},
    {"max_pool.f32.rows", "empty_batch", "no elements"},
    {"layer_norm.f32.simd", "empty", "no elements"},
    {"layer_norm.f32.simd", "scale_broadcasts", "a scale that is repeated"},
    {"instance_norm.f32.simd", "[0,3,2,2]", "no elements"},
    {"dequantize.8bit_to_f32.simd", "dequantize_to_", "another result than float32"},
    {"transpose.tiled", "transpose_empty", "no elements"},
    {"rnn.f32.simd", "RNN_activations", "functions other than the usual"},
    {"gru.f32.simd", "GRU_activations", "functions other than the usual"},
    {"conv.f32.implicit_gemm", "no_input_channels", "the bias alone is left"},
};

const HandedOn* handed_on(std::string_view kernel, std::string_view name) {
  const auto found = std::ranges::find_if(kHandedOn, [&](const HandedOn& row) {
    return kernel.starts_with(row.kernel) && name.find(row.name) != std::string_view::npos;
  });
  return found == std::end(kHandedOn) ? nullptr : found;
}

// Every case that a fast kernel takes, as a graph of one node: with its shapes known and with
// symbols for them.
TEST(SteadyState, FastKernelsAllocateNothing) {
  const op::Registry& registry = ops::registry();
  const auto kernels = compile::cpu_kernel_table(registry);
  const auto pool = std::make_shared<exec::cpu::ThreadPool>(2);
  int64_t counted = 0;
  std::set<const HandedOn*> seen;
  for (const ops::CaseTable& table : ops::case_tables()) {
    for (const op::Case& c : table.cases()) {
      for (const bool symbolic : {false, true}) {
        auto graph = conformance::graph_of(c, symbolic);
        ASSERT_TRUE(op::infer_graph(registry, *graph).ok()) << c.name;
        auto plan = compile::compile_cpu(registry, *graph);
        ASSERT_TRUE(plan.ok()) << c.name;
        const std::string kernel = (*plan)->steps[0].kernel;
        if (kernel.ends_with(".reference")) continue;
        auto executor = exec::cpu::Executor::create(*plan, kernels, pool);
        ASSERT_TRUE(executor.ok()) << c.name;
        const auto feeds = conformance::feeds_of(c);
        std::vector<Value> results;
        ASSERT_TRUE((*executor)->run_into(feeds, results).ok()) << c.name;
        ASSERT_TRUE((*executor)->run_into(feeds, results).ok()) << c.name;
        const int64_t before = allocations.load();
        const bool ok = (*executor)->run_into(feeds, results).ok();
        const int64_t made = allocations.load() - before;
        ASSERT_TRUE(ok) << c.name;
        ++counted;
        if (made == 0) continue;
        if (const HandedOn* row = handed_on(kernel, c.name)) {
          seen.insert(row);
        } else {
          ADD_FAILURE() << kernel << " allocates " << made << " times: " << c.op << " " << c.name
                        << (symbolic ? " (symbolic)" : "");
        }
      }
    }
  }
  EXPECT_GT(counted, 500);
  for (const HandedOn& row : kHandedOn) {
    EXPECT_TRUE(seen.contains(&row)) << row.kernel << " of " << row.name << ": strike it out";
  }
}

class SteadyModel : public testing::TestWithParam<std::string> {};

TEST_P(SteadyModel, AllocatesNothing) {
  const auto path = std::filesystem::path(SLUICE_BINARY_DIR) / "models" / GetParam();
  if (!std::filesystem::exists(path))
    GTEST_SKIP() << path << " is not there (tools/setup): not run";
  session::Options options;
  options.backend = session::Backend::kCpu;
  options.threads = 2;
  auto session = session::Session::load(path.string(), options);
  ASSERT_TRUE(session.ok()) << session.error().text();
  session::NamedValues feeds, results;
  for (const session::IoInfo& input : (*session)->inputs()) {
    if (input.name == "sr") {
      feeds.emplace_back(input.name, Value(Tensor::scalar<int64_t>(16000)));
      continue;
    }
    Shape shape;
    for (size_t i = 0; i < input.type.dims->size(); ++i) {
      const Dim& dim = (*input.type.dims)[i];
      const int64_t open = input.name == "input" && i == 1 ? 512 : 1;
      shape.push_back(dim.is_known() ? dim.value() : open);
    }
    feeds.emplace_back(input.name, Value(op::case_floats(shape, 1)));
  }
  for (int run = 0; run < 2; ++run) {
    const auto done = (*session)->run_into(feeds, results);
    ASSERT_TRUE(done.ok()) << done.error().text();
  }
  for (int run = 0; run < 2; ++run) {
    const int64_t before = allocations.load();
    const bool ok = (*session)->run_into(feeds, results).ok();
    const int64_t made = allocations.load() - before;
    EXPECT_EQ(made, 0) << "run " << run;
    ASSERT_TRUE(ok);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, SteadyModel,
                         testing::Values("isnet_small_256.onnx", "isnet_f32_256.onnx",
                                         "selfie_segmentation.tflite", "hand_landmark_lite.tflite",
                                         "hand_landmark_full.tflite", "silero_vad_v5.onnx"),
                         [](const auto& param) {
                           std::string name = param.param.substr(0, param.param.find('.'));
                           return name;
                         });

}  // namespace
}  // namespace sluice
#endif
