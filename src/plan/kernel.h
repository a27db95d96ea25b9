// The contract between a kernel and whoever runs it (the reference interpreter, exec/cpu): a kernel
// is a plain function that reads its inputs and attributes from a KernelContext, asks it for each
// output by shape, and fills it. Kernels keep no state and know neither graph nor plan.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "base/result.h"
#include "tensor/attributes.h"
#include "tensor/value.h"

namespace sluice::plan {

class KernelContext {
 public:
  KernelContext(const AttrMap& attrs, std::span<const Value> inputs, std::span<Value> outputs)
      : attrs_(attrs), inputs_(inputs), outputs_(outputs) {}
  virtual ~KernelContext() = default;
  KernelContext(const KernelContext&) = delete;
  KernelContext& operator=(const KernelContext&) = delete;

  const AttrMap& attrs() const { return attrs_; }

  int input_count() const { return static_cast<int>(inputs_.size()); }
  // False when the optional input i is absent (past the end or empty).
  bool has(int i) const {
    return i >= 0 && i < input_count() && inputs_[static_cast<size_t>(i)].present();
  }
  const Value& input_value(int i) const { return inputs_[static_cast<size_t>(i)]; }
  const Tensor& in(int i) const { return input_value(i).tensor(); }
  std::span<const Value> inputs() const { return inputs_; }

  int output_count() const { return static_cast<int>(outputs_.size()); }
  // False when nobody reads output i (past the end or unnamed): it need not be computed.
  virtual bool wants(int i) const { return i < output_count(); }
  // Output i, ready to be filled: fresh memory or the place the plan set aside for it. Its contents
  // are unspecified. When !wants(i), the memory is scratch.
  Result<Tensor*> out(int i, DType dtype, const Shape& shape);
  // Hands on an existing value (a view of an input, a sequence) as output i.
  void set_out(int i, Value value) {
    if (i < output_count()) outputs_[static_cast<size_t>(i)] = std::move(value);
  }

  // Whether the node has a subgraph in attribute `name` (those of FlexAttention are optional).
  virtual bool has_subgraph(std::string_view name) const;
  // Runs the subgraph held in attribute `name` (If: then_branch, else_branch; Loop, Scan: body).
  virtual Result<std::vector<Value>> run_subgraph(std::string_view name,
                                                  std::span<const Value> inputs);

  // Calls body(begin, end) over a partition of [0, count) into ranges of at least `grain`, perhaps
  // on several threads. The partition depends on count and grain only, never on the number of
  // threads, so that sums come out the same.
  virtual void parallel_for(int64_t count, int64_t grain,
                            FunctionRef<void(int64_t begin, int64_t end)> body);

  // How many threads parallel_for may use at once, the caller included: the number of scratch areas
  // that a kernel needs.
  virtual int threads() const { return 1; }

  // Temporary memory, 64-byte aligned, uninitialised, valid until the kernel returns.
  virtual Result<std::span<std::byte>> scratch(size_t size_bytes);

  // What the kernel's `prepare` made of its constant inputs at load time; undefined Tensor when it
  // has none.
  virtual const Tensor& prepared() const;

 protected:
  // Memory for output i; the default allocates.
  virtual Result<Tensor> make_output(int i, DType dtype, const Shape& shape);

 private:
  const AttrMap& attrs_;
  std::span<const Value> inputs_;
  std::span<Value> outputs_;
  Tensor spare_;  // backs outputs nobody asked for
  std::vector<Tensor> scratch_;
};

using KernelFn = Result<void> (*)(KernelContext& context);

// Runs once at load. `inputs` holds the step's constant inputs (others are absent). Returns the
// packed form (any dtype and shape), or an undefined Tensor when there is nothing to pack.
using PrepareFn = Result<Tensor> (*)(const AttrMap& attrs, std::span<const Value> inputs);

// One row of the CPU kernel table. A Plan names kernels by text; exec/cpu looks them up here.
struct CpuKernel {
  std::string_view name;  // "conv.f32.implicit_gemm", "softmax.reference"
  KernelFn run = nullptr;
  PrepareFn prepare = nullptr;  // nothing to prepare when null
  int prepared_input = -1;      // the input which `prepare` replaces: it need not be kept
};

}  // namespace sluice::plan
