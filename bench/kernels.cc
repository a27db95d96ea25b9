// Kernel benchmarks on one thread: GFLOP/s of the shapes that models spend their time in. Compare
// ratios within one run; absolute times depend on what else the machine does.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <span>
#include <vector>

#include "exec/cpu/thread_pool.h"
#include "op/op.h"
#include "ops/registry.h"
#include "plan/kernel.h"
#include "simd/elementwise.h"
#include "simd/gemm_f32.h"
#include "simd/target.h"

namespace sluice {
namespace {

Tensor numbers(const Shape& shape) {
  Tensor out = Tensor::allocate(DType::kFloat32, shape).value();
  uint32_t state = 1;
  for (float& x : out.mutable_span<float>()) {
    state = state * 1664525u + 1013904223u;
    x = static_cast<float>(state >> 8) / 8388608.0f - 1.0f;
  }
  return out;
}

// Keeps output and scratch between runs, as the executor does.
class BenchContext final : public plan::KernelContext {
 public:
  BenchContext(const AttrMap& attrs, std::span<const Value> inputs, std::span<Value> outputs,
               Tensor prepared, exec::cpu::ThreadPool& pool)
      : KernelContext(attrs, inputs, outputs), prepared_(std::move(prepared)), pool_(pool) {}
  void parallel_for(int64_t count, int64_t grain,
                    FunctionRef<void(int64_t, int64_t)> body) override {
    pool_.parallel_for(count, grain, body);
  }
  int threads() const override { return pool_.threads(); }
  const Tensor& prepared() const override { return prepared_; }
  Result<std::span<std::byte>> scratch(size_t size_bytes) override {
    if (used_ == blocks_.size()) {
      blocks_.push_back(
          Tensor::allocate(DType::kUInt8, Shape{static_cast<int64_t>(size_bytes)}).value());
    }
    return blocks_[used_++].mutable_bytes();
  }
  void rewind() { used_ = 0; }

 protected:
  Result<Tensor> make_output(int /*i*/, DType dtype, const Shape& shape) override {
    if (!output_.defined()) output_ = Tensor::allocate(dtype, shape).value();
    return output_;
  }

 private:
  Tensor prepared_, output_;
  std::vector<Tensor> blocks_;
  size_t used_ = 0;
  exec::cpu::ThreadPool& pool_;
};

// The first fast kernel of an operator, over and over.
void run_kernel(benchmark::State& state, std::string_view op, const AttrMap& attrs,
                const std::vector<Value>& inputs, double flops) {
  const op::OpDef* def = ops::registry().find("", op);
  if (def == nullptr || def->cpu.empty()) return state.SkipWithError("no fast kernel");
  const plan::CpuKernel& kernel = def->cpu[0].kernel;
  Tensor prepared;
  if (kernel.prepare != nullptr) prepared = kernel.prepare(attrs, inputs).value();
  exec::cpu::ThreadPool pool(1);
  std::vector<Value> outputs(1);
  BenchContext context(attrs, inputs, outputs, prepared, pool);
  for (auto _ : state) {
    context.rewind();
    if (!kernel.run(context).ok()) return state.SkipWithError("the kernel fails");
  }
  state.counters["GFLOP/s"] =
      benchmark::Counter(flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

// Arguments: input channels, output channels, extent, kernel, dilation, stride, groups.
void conv(benchmark::State& state) {
  const int64_t c = state.range(0), m = state.range(1), size = state.range(2), k = state.range(3);
  const int64_t dilation = state.range(4), stride = state.range(5), groups = state.range(6);
  const int64_t pad = k / 2 * dilation, out = (size + stride - 1) / stride;
  const AttrMap attrs{{"pads", std::vector<int64_t>{pad, pad, pad, pad}},
                      {"dilations", std::vector<int64_t>{dilation, dilation}},
                      {"strides", std::vector<int64_t>{stride, stride}},
                      {"group", groups}};
  const std::vector<Value> inputs = {Value(numbers({1, c, size, size})),
                                     Value(numbers({m, c / groups, k, k})), Value(numbers({m}))};
  run_kernel(state, "Conv", attrs, inputs,
             2.0 * static_cast<double>(c / groups * m * k * k) * static_cast<double>(out * out));
}
BENCHMARK(conv)
    ->Name("conv/c/m/size/k/dilation/stride/groups")
    ->Args({64, 64, 128, 3, 1, 1, 1})
    ->Args({256, 256, 64, 1, 1, 1, 1})
    ->Args({16, 16, 512, 3, 1, 1, 1})
    ->Args({64, 32, 512, 3, 1, 1, 1})
    ->Args({1024, 256, 32, 3, 1, 1, 1})
    ->Args({256, 256, 32, 3, 8, 1, 1})
    ->Args({3, 64, 1024, 3, 1, 2, 1})
    ->Args({512, 512, 7, 3, 1, 1, 1})
    ->Args({96, 96, 112, 3, 1, 1, 96})
    ->Unit(benchmark::kMillisecond);

void matmul(benchmark::State& state) {
  const int64_t m = state.range(0), k = state.range(1), n = state.range(2);
  run_kernel(state, "MatMul", {}, {Value(numbers({m, k})), Value(numbers({k, n}))},
             2.0 * static_cast<double>(m * k) * static_cast<double>(n));
}
BENCHMARK(matmul)
    ->Name("matmul/m/k/n")
    ->Args({1024, 1024, 1024})
    ->Args({128, 768, 768})
    ->Args({1, 4096, 4096})
    ->Unit(benchmark::kMillisecond);

// The bound of everything above: one register tile whose operands stay in the first-level cache.
void register_tile(benchmark::State& state) {
  constexpr int64_t kDepth = simd::kChunkDepth;
  std::vector<float> a(simd::kPanelRows * kDepth, 1.0f), b(simd::kTileCols * kDepth, 1.0f);
  std::vector<float> c(simd::kPanelRows * simd::kTileCols);
  std::vector<uint32_t> offsets(kDepth);
  for (size_t i = 0; i < offsets.size(); ++i) {
    offsets[i] = static_cast<uint32_t>(i * simd::kPanelCols);
  }
  simd::GemmTile tile;
  tile.a = a.data(), tile.rows = simd::kPanelRows, tile.depth = kDepth;
  tile.b = b.data(), tile.b_panel = kDepth * simd::kPanelCols, tile.offsets = offsets.data();
  tile.c = c.data(), tile.c_row = simd::kTileCols, tile.width = simd::kTileCols;
  for (auto _ : state) {
    simd::gemm_tile(tile);
    benchmark::DoNotOptimize(c.data());
  }
  state.SetLabel(simd::target_name());
  state.counters["GFLOP/s"] = benchmark::Counter(2e-9 * simd::kPanelRows * simd::kTileCols * kDepth,
                                                 benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(register_tile);

void elementwise(benchmark::State& state) {
  const auto function = static_cast<simd::Function>(state.range(0));
  const Tensor x = numbers({1 << 16});
  Tensor y = numbers({1 << 16});
  for (auto _ : state) {
    simd::apply({function, 1.0f, 1.0f}, x.data<float>(), y.mutable_data<float>(), x.elements());
    benchmark::DoNotOptimize(y.mutable_data<float>());
  }
  state.SetItemsProcessed(state.iterations() * x.elements());
}
BENCHMARK(elementwise)
    ->Name("elementwise/function")
    ->Arg(static_cast<int>(simd::Function::kClip))
    ->Arg(static_cast<int>(simd::Function::kSigmoid))
    ->Arg(static_cast<int>(simd::Function::kTanh))
    ->Arg(static_cast<int>(simd::Function::kGelu));

}  // namespace
}  // namespace sluice

BENCHMARK_MAIN();
