// The contract between a kernel and whoever runs it (the reference interpreter, exec/cpu): a kernel
// is a plain function that reads its inputs and attributes from a KernelContext, asks it for each
// output by shape, and fills it. Kernels keep no state and know neither graph nor plan.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "base/result.h"
#include "tensor/attributes.h"
#include "tensor/value.h"

namespace sluice::plan {

// What a step keeps from one run to the next: what follows from its attributes, from the dtypes and
// shapes of its inputs, and from the contents of a few small ones. Made anew when those change.
class Kept {
 public:
  // The entry of that type, made for inputs like these; null when there is none. Bit i of
  // `contents`: the elements of input i count, too.
  const void* find(const void* type, std::span<const Value> inputs, uint32_t contents) const;
  void put(const void* type, std::span<const Value> inputs, uint32_t contents,
           std::shared_ptr<const void> value);

 private:
  struct Operand {
    Value::Kind kind;
    DType dtype;
    Shape shape;
    std::vector<std::byte> elements;  // of those whose contents count
  };
  struct Entry {
    const void* type;
    uint32_t contents;
    std::vector<Operand> operands;
    std::shared_ptr<const void> value;
  };
  std::vector<Entry> entries_;
};

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
  // Its results are there to be moved from, until the next call.
  virtual Result<std::span<Value>> run_subgraph(std::string_view name,
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

  // The T that make() -> Result<T> gives, kept for the runs that follow while attributes, dtypes
  // and shapes of the inputs, and the elements of the inputs listed in `contents` stay the same:
  // geometry, offsets, tables. make() may use nothing else. One T per step.
  template <class T, class Make>
  Result<const T*> kept(Make&& make, std::initializer_list<int> contents = {}) {
    static char type = 0;  // its address stands for T and the place in the code
    uint32_t mask = 0;
    for (const int i : contents) mask |= uint32_t{1} << i;
    Kept& store = keep();
    if (const void* found = store.find(&type, inputs_, mask)) return static_cast<const T*>(found);
    SLUICE_ASSIGN(T made, make());
    auto value = std::make_shared<const T>(std::move(made));
    const T* const at = value.get();
    store.put(&type, inputs_, mask, std::move(value));
    return at;
  }

 protected:
  // Memory for output i; the default allocates.
  virtual Result<Tensor> make_output(int i, DType dtype, const Shape& shape);
  // Output i as it was made in an earlier run, when its memory serves again; null otherwise.
  virtual Tensor* same_output(int i, DType dtype, const Shape& shape);
  // Memory for an output that nobody asked for.
  virtual Result<Tensor> make_spare(DType dtype, const Shape& shape);
  // Where `kept` keeps; the default forgets with the context.
  virtual Kept& keep();

 private:
  const AttrMap& attrs_;
  std::span<const Value> inputs_;
  std::span<Value> outputs_;
  std::array<std::optional<Tensor>, 4> spares_;  // back outputs nobody asked for
  std::unique_ptr<Kept> keep_;
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
