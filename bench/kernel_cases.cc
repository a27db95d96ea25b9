#include "bench/kernel_cases.h"

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "exec/cpu/thread_pool.h"
#include "op/op.h"
#include "ops/registry.h"
#include "plan/kernel.h"
#include "simd/elementwise.h"
#include "simd/gemm_f32.h"

namespace sluice::bench {
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

Tensor bytes(DType dtype, const Shape& shape) {
  Tensor out = Tensor::allocate(dtype, shape).value();
  uint32_t state = 1;
  for (std::byte& x : out.mutable_bytes()) {
    state = state * 1664525u + 1013904223u;
    x = static_cast<std::byte>(state >> 24);
  }
  return out;
}

// Keeps output and scratch between runs, as the executor does.
class BenchContext final : public plan::KernelContext {
 public:
  BenchContext(const AttrMap& attrs, std::span<const Value> inputs, std::span<Value> outputs,
               Tensor prepared)
      : KernelContext(attrs, inputs, outputs), prepared_(std::move(prepared)) {}
  void parallel_for(int64_t count, int64_t grain,
                    FunctionRef<void(int64_t, int64_t)> body) override {
    pool_.parallel_for(count, grain, body);
  }
  int threads() const override { return 1; }
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
  exec::cpu::ThreadPool pool_{1};
};

// One operator with its operands; B (input 1) is a weight, and packed, unless `open`.
struct Operator {
  AttrMap attrs;
  std::vector<Value> inputs;
  std::vector<Value> outputs{1};
  std::unique_ptr<BenchContext> context;
};

// A run of the operator's first fast kernel that takes these operands.
std::function<bool()> operator_run(std::string_view name, AttrMap attrs, std::vector<Value> inputs,
                                   bool open = false) {
  const op::OpDef* def = ops::registry().find("", name);
  if (def == nullptr) return {};
  for (const op::CpuCandidate& candidate : def->cpu) {
    auto one = std::make_shared<Operator>();
    one->attrs = attrs;
    one->inputs = inputs;
    Tensor prepared;
    if (candidate.kernel.prepare != nullptr && !open) {
      auto made = candidate.kernel.prepare(one->attrs, one->inputs);
      if (!made.ok()) continue;
      prepared = std::move(made).value();
    }
    one->context =
        std::make_unique<BenchContext>(one->attrs, one->inputs, one->outputs, std::move(prepared));
    const auto run = [one, kernel = &candidate.kernel] {
      one->context->rewind();
      return kernel->run(*one->context).ok();
    };
    if (run()) return run;
  }
  return {};
}

struct ConvSize {
  int64_t c, m, size, kernel, dilation, stride, groups;
};

KernelCase conv(const ConvSize& s) {
  const int64_t out = (s.size + s.stride - 1) / s.stride;
  KernelCase made;
  made.name = cat("conv/", s.c, "/", s.m, "/", s.size, "/", s.kernel, "/", s.dilation, "/",
                  s.stride, "/", s.groups);
  made.operations = 2.0 * static_cast<double>(s.c / s.groups * s.m * s.kernel * s.kernel) *
                    static_cast<double>(out * out);
  made.prepare = [s] {
    const int64_t pad = s.kernel / 2 * s.dilation;
    return operator_run(
        "Conv",
        {{"pads", std::vector<int64_t>{pad, pad, pad, pad}},
         {"dilations", std::vector<int64_t>{s.dilation, s.dilation}},
         {"strides", std::vector<int64_t>{s.stride, s.stride}},
         {"group", s.groups}},
        {Value(numbers({1, s.c, s.size, s.size})),
         Value(numbers({s.m, s.c / s.groups, s.kernel, s.kernel})), Value(numbers({s.m}))});
  };
  return made;
}

KernelCase matmul(int64_t m, int64_t k, int64_t n, bool open) {
  KernelCase made;
  made.name = cat(open ? "matmul_open/" : "matmul/", m, "/", k, "/", n);
  made.operations = 2.0 * static_cast<double>(m * k) * static_cast<double>(n);
  made.prepare = [=] {
    return operator_run("MatMul", {}, {Value(numbers({m, k})), Value(numbers({k, n}))}, open);
  };
  return made;
}

KernelCase batched(int64_t batch, int64_t m, int64_t k, int64_t n) {
  KernelCase made;
  made.name = cat("matmul_batch/", batch, "/", m, "/", k, "/", n);
  made.operations = 2.0 * static_cast<double>(batch * m * k) * static_cast<double>(n);
  made.prepare = [=] {
    return operator_run("MatMul", {},
                        {Value(numbers({batch, m, k})), Value(numbers({batch, k, n}))}, true);
  };
  return made;
}

KernelCase conv_integer(int64_t c, int64_t m, int64_t size, int64_t kernel) {
  KernelCase made;
  made.name = cat("conv_integer/", c, "/", m, "/", size, "/", kernel);
  made.operations =
      2.0 * static_cast<double>(c * m * kernel * kernel) * static_cast<double>(size * size);
  made.bytes = true;
  made.prepare = [=] {
    const int64_t pad = kernel / 2;
    return operator_run(
        "ConvInteger", {{"pads", std::vector<int64_t>{pad, pad, pad, pad}}},
        {Value(bytes(DType::kUInt8, {1, c, size, size})),
         Value(bytes(DType::kInt8, {m, c, kernel, kernel})), Value(bytes(DType::kUInt8, Shape()))});
  };
  return made;
}

// What bounds all products: one register tile whose operands stay in the first-level cache.
std::function<bool()> register_tile() {
  constexpr int64_t kDepth = simd::kChunkDepth;
  struct Operands {
    Tensor a = numbers({simd::kPanelRows * kDepth}), b = numbers({simd::kTileCols * kDepth});
    Tensor c = numbers({simd::kPanelRows * simd::kTileCols});
    std::vector<uint32_t> offsets;
  };
  auto o = std::make_shared<Operands>();
  for (int64_t i = 0; i < kDepth; ++i) {
    o->offsets.push_back(static_cast<uint32_t>(i * simd::kPanelCols));
  }
  return [o] {
    simd::GemmTile tile;
    tile.a = o->a.data<float>();
    tile.rows = simd::kPanelRows;
    tile.depth = kDepth;
    tile.b = o->b.data<float>();
    tile.b_panel = kDepth * simd::kPanelCols;
    tile.offsets = o->offsets.data();
    tile.c = o->c.mutable_data<float>();
    tile.c_row = simd::kTileCols;
    tile.width = simd::kTileCols;
    simd::gemm_tile(tile);
    return true;
  };
}

KernelCase elementwise(std::string_view name, simd::Function function) {
  KernelCase made;
  made.name = cat("elementwise/", name);
  made.elements = 1 << 16;
  made.prepare = [function]() -> std::function<bool()> {
    const Tensor x = numbers({1 << 16});
    return [function, x, y = numbers({1 << 16})]() mutable {
      simd::apply({function, 1.0f, 1.0f}, x.data<float>(), y.mutable_data<float>(), x.elements());
      return true;
    };
  };
  return made;
}

}  // namespace

std::vector<KernelCase> kernel_cases() {
  std::vector<KernelCase> cases;
  cases.push_back({.name = "register_tile",
                   .operations = 2.0 * simd::kPanelRows * simd::kTileCols * simd::kChunkDepth,
                   .prepare = register_tile});
  // m, k, n; with B a weight, then with both operands made in the run.
  for (const auto& [m, k, n] : std::vector<std::array<int64_t, 3>>{{1024, 1024, 1024},
                                                                   {1000, 1000, 1000},
                                                                   {128, 768, 768},
                                                                   {8, 768, 3072},
                                                                   {4, 768, 768},
                                                                   {1, 4096, 4096},
                                                                   {1, 512, 512}}) {
    cases.push_back(matmul(m, k, n, false));
  }
  for (const auto& [m, k, n] : std::vector<std::array<int64_t, 3>>{
           {1024, 1024, 1024}, {64, 64, 64}, {1, 64, 512}, {512, 64, 512}}) {
    cases.push_back(matmul(m, k, n, true));
  }
  cases.push_back(batched(12, 128, 64, 128));
  cases.push_back(batched(96, 32, 32, 32));
  // Input channels, output channels, extent, kernel, dilation, stride, groups.
  for (const ConvSize& size : {ConvSize{64, 64, 128, 3, 1, 1, 1},
                               {256, 256, 64, 1, 1, 1, 1},
                               {16, 16, 512, 3, 1, 1, 1},
                               {64, 32, 512, 3, 1, 1, 1},
                               {1024, 256, 32, 3, 1, 1, 1},
                               {256, 256, 32, 3, 8, 1, 1},
                               {3, 64, 1024, 3, 1, 2, 1},
                               {512, 512, 7, 3, 1, 1, 1},
                               {96, 96, 112, 3, 1, 1, 96}}) {
    cases.push_back(conv(size));
  }
  cases.push_back(conv_integer(64, 64, 128, 3));
  cases.push_back(conv_integer(256, 256, 64, 1));
  cases.push_back(elementwise("clip", simd::Function::kClip));
  cases.push_back(elementwise("sigmoid", simd::Function::kSigmoid));
  cases.push_back(elementwise("tanh", simd::Function::kTanh));
  cases.push_back(elementwise("gelu", simd::Function::kGelu));
  return cases;
}

}  // namespace sluice::bench
