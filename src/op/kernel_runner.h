// For tests of CPU kernels: a context that holds inputs and a packed weight, and runs one kernel.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "plan/kernel.h"

namespace sluice::op {

// Runs ranges last first, as another thread might, and serves a packed input.
class TestContext final : public plan::KernelContext {
 public:
  TestContext(const AttrMap& attrs, std::span<const Value> inputs, std::span<Value> outputs,
              Tensor prepared = {})
      : KernelContext(attrs, inputs, outputs), prepared_(std::move(prepared)) {}
  void parallel_for(int64_t count, int64_t grain,
                    FunctionRef<void(int64_t, int64_t)> body) override {
    const int64_t step = std::max<int64_t>(grain, 1);
    for (int64_t begin = (count - 1) / step * step; begin >= 0; begin -= step) {
      body(begin, std::min(count, begin + step));
    }
  }
  const Tensor& prepared() const override { return prepared_; }

 private:
  Tensor prepared_;
};

inline Tensor run(plan::KernelFn kernel, const AttrMap& attrs, const std::vector<Value>& inputs,
                  Tensor prepared = {}) {
  std::vector<Value> outputs(1);
  TestContext context(attrs, inputs, outputs, std::move(prepared));
  const auto done = kernel(context);
  EXPECT_TRUE(done.ok()) << (done.ok() ? "" : done.error().message);
  return done.ok() ? outputs[0].tensor() : Tensor();
}

// As in a session, which packs an input at load: of that one only dtype and shape are left.
inline Tensor run_packed(const plan::CpuKernel& kernel, const AttrMap& attrs,
                         std::vector<Value> inputs) {
  const auto packed = kernel.prepare(attrs, inputs);
  const bool made = packed.ok() && packed->defined();
  EXPECT_TRUE(made);
  if (!made) return Tensor();
  Value& input = inputs[static_cast<size_t>(kernel.prepared_input)];
  input = Value(Tensor::shape_only(input.tensor().dtype(), input.tensor().shape()));
  return run(kernel.run, attrs, inputs, *packed);
}

}  // namespace sluice::op
