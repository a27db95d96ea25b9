// With AddressSanitizer a kernel that leaves its operands ends the process, though its neighbours
// in the arena are memory of this process: what the tests under the sanitizers rely on.
#include "base/sanitizer.h"

#if SLUICE_ADDRESS_SANITIZER && !defined(__wasm__)

#include <gtest/gtest.h>

#include "exec/cpu/executor.h"

namespace sluice::exec::cpu {
namespace {

constexpr int64_t kCount = 61;  // a rest of any vector

// Copies input 0, and `kBeyond` elements of what lies behind it.
template <int64_t kBeyond>
Result<void> copy(plan::KernelContext& context) {
  SLUICE_ASSIGN(Tensor * out, context.out(0, DType::kFloat32, Shape{kCount}));
  const float* const from = context.in(0).data<float>();
  float sum = 0;
  for (int64_t i = 0; i < kCount + kBeyond; ++i) sum += from[i];
  for (int64_t i = 0; i < kCount; ++i) out->mutable_data<float>()[i] = from[i] + 0 * sum;
  return {};
}
Result<void> spill(plan::KernelContext& context) {
  SLUICE_ASSIGN(Tensor * out, context.out(0, DType::kFloat32, Shape{kCount}));
  for (int64_t i = 0; i <= kCount; ++i) out->mutable_data<float>()[i] = 1;
  return {};
}
Result<void> overrun_scratch(plan::KernelContext& context) {
  SLUICE_TRY(context.scratch(4096));
  SLUICE_ASSIGN(const auto bytes, context.scratch(100));
  bytes.data()[104] = std::byte{1};
  return copy<0>(context);
}

// Three steps over four values, of which all but the first and the last lie in the arena; the one
// in the middle runs `kernel`.
Result<std::vector<Value>> run(plan::KernelFn kernel) {
  const std::vector<plan::CpuKernel> table = {{.name = "copy", .run = copy<0>},
                                              {.name = "test", .run = kernel}};
  auto made = std::make_shared<plan::Plan>();
  made->backend = "cpu";
  for (int i = 0; i < 4; ++i) {
    plan::Slot slot;
    slot.name = std::string(1, static_cast<char>('a' + i));
    slot.type = Type::tensor(DType::kFloat32, Dims{Dim(kCount)});
    slot.storage = i == 0   ? plan::Storage::kInput
                   : i == 3 ? plan::Storage::kHeap
                            : plan::Storage::kArena;
    slot.first_step = i - 1;
    slot.last_step = i;
    made->slots.push_back(slot);
    if (i == 3) break;
    made->steps.push_back({.kernel = i == 1 ? "test" : "copy",
                           .op = "Copy",
                           .node = slot.name,
                           .inputs = {i},
                           .outputs = {i + 1}});
  }
  made->inputs = {0};
  made->outputs = {3};
  SLUICE_ASSIGN(auto executor, Executor::create(made, table, std::make_shared<ThreadPool>(1)));
  SLUICE_ASSIGN(Tensor in, Tensor::allocate(DType::kFloat32, Shape{kCount}));
  const std::vector<Value> inputs = {Value(std::move(in))};
  return executor->run(inputs);
}

TEST(ArenaDeathTest, OperandsMayBeTouched) { EXPECT_TRUE(run(copy<0>).ok()); }
TEST(ArenaDeathTest, AnElementBehindAnInputIsForbidden) {
  EXPECT_DEATH((void)run(copy<1>), "use-after-poison");
}
TEST(ArenaDeathTest, AnElementBehindAnOutputIsForbidden) {
  EXPECT_DEATH((void)run(spill), "use-after-poison");
}
TEST(ArenaDeathTest, BytesBehindScratchMemoryAreForbidden) {
  EXPECT_DEATH((void)run(overrun_scratch), "use-after-poison");
}
TEST(ArenaDeathTest, BytesBehindATensorAreForbidden) {
  const auto made = Tensor::allocate(DType::kFloat32, Shape{kCount});
  ASSERT_TRUE(made.ok());
  const volatile float* const data = made->data<float>();
  EXPECT_DEATH((void)data[kCount], "use-after-poison");
}

}  // namespace
}  // namespace sluice::exec::cpu

#endif
