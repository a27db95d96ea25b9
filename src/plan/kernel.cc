#include "plan/kernel.h"

#include <algorithm>

#include "base/text.h"

namespace sluice::plan {

Result<Tensor*> KernelContext::out(int i, DType dtype, const Shape& shape) {
  if (i >= output_count() || !wants(i)) {
    SLUICE_ASSIGN(spare_, Tensor::allocate(dtype, shape));
    return &spare_;
  }
  SLUICE_ASSIGN(Tensor made, make_output(i, dtype, shape));
  // Bits of the last byte that no packed element covers would be left over from other values.
  if (dtype_bits(dtype) % 8 != 0 && made.size_bytes() != 0) {
    made.mutable_bytes().back() = std::byte{0};
  }
  Value& slot = outputs_[static_cast<size_t>(i)];
  slot = Value(std::move(made));
  return &slot.tensor();
}

Result<Tensor> KernelContext::make_output(int /*i*/, DType dtype, const Shape& shape) {
  return Tensor::allocate(dtype, shape);
}

bool KernelContext::has_subgraph(std::string_view /*name*/) const { return false; }

Result<std::vector<Value>> KernelContext::run_subgraph(std::string_view name,
                                                       std::span<const Value> /*inputs*/) {
  return internal_error(cat("No subgraph ", quoted(name), " can be run here"));
}

void KernelContext::parallel_for(int64_t count, int64_t /*grain*/,
                                 FunctionRef<void(int64_t, int64_t)> body) {
  if (count > 0) body(0, count);
}

Result<std::span<std::byte>> KernelContext::scratch(size_t size_bytes) {
  SLUICE_ASSIGN(Tensor memory,
                Tensor::allocate(DType::kUInt8, Shape{static_cast<int64_t>(size_bytes)}));
  scratch_.push_back(std::move(memory));
  return scratch_.back().mutable_bytes();
}

const Tensor& KernelContext::prepared() const {
  static const Tensor kNothing;
  return kNothing;
}

}  // namespace sluice::plan
