#include "plan/kernel.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace sluice::plan {

const void* Kept::find(const void* type, std::span<const Value> inputs, uint32_t contents) const {
  const auto same = [](const Operand& then, const Value& now, bool elements) {
    if (then.kind != now.kind()) return false;
    if (!now.is_tensor()) return !elements || !now.present();
    const Tensor& tensor = now.tensor();
    if (then.dtype != tensor.dtype() || !(then.shape == tensor.shape())) return false;
    if (!elements) return true;
    const auto bytes = tensor.bytes();
    return tensor.dtype() != DType::kString && bytes.size() == then.elements.size() &&
           (bytes.empty() || std::memcmp(bytes.data(), then.elements.data(), bytes.size()) == 0);
  };
  for (const Entry& entry : entries_) {
    if (entry.type != type || entry.contents != contents) continue;
    if (entry.operands.size() != inputs.size()) return nullptr;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!same(entry.operands[i], inputs[i], i < 32 && (contents >> i & 1) != 0)) return nullptr;
    }
    return entry.value.get();
  }
  return nullptr;
}

void Kept::put(const void* type, std::span<const Value> inputs, uint32_t contents,
               std::shared_ptr<const void> value) {
  auto at = std::ranges::find_if(entries_, [&](const Entry& entry) {
    return entry.type == type && entry.contents == contents;
  });
  if (at == entries_.end()) at = entries_.insert(at, Entry{});
  at->type = type;
  at->contents = contents;
  at->operands.clear();
  for (size_t i = 0; i < inputs.size(); ++i) {
    Operand operand{inputs[i].kind(), DType::kUndefined, {}, {}};
    if (inputs[i].is_tensor()) {
      const Tensor& tensor = inputs[i].tensor();
      operand.dtype = tensor.dtype();
      operand.shape = tensor.shape();
      if (i < 32 && (contents >> i & 1) != 0) {
        operand.elements.assign(tensor.bytes().begin(), tensor.bytes().end());
      }
    }
    at->operands.push_back(std::move(operand));
  }
  at->value = std::move(value);
}

Result<Tensor*> KernelContext::out(int i, DType dtype, const Shape& shape) {
  if (i >= output_count() || !wants(i)) {
    // A kernel may hold several at once.
    auto& spare = spares_[static_cast<size_t>(i) % spares_.size()];
    SLUICE_ASSIGN(spare, make_spare(dtype, shape));
    return &*spare;
  }
  Tensor* made = same_output(i, dtype, shape);
  if (made == nullptr) {
    Value& slot = outputs_[static_cast<size_t>(i)];
    SLUICE_ASSIGN(slot, make_output(i, dtype, shape));
    made = &slot.tensor();
  }
  // Bits of the last byte that no packed element covers would be left over from other values.
  if (dtype_bits(dtype) % 8 != 0 && made->size_bytes() != 0) {
    made->mutable_bytes().back() = std::byte{0};
  }
  return made;
}

Result<Tensor> KernelContext::make_output(int /*i*/, DType dtype, const Shape& shape) {
  return Tensor::allocate(dtype, shape);
}

Tensor* KernelContext::same_output(int /*i*/, DType /*dtype*/, const Shape& /*shape*/) {
  return nullptr;
}

Result<Tensor> KernelContext::make_spare(DType dtype, const Shape& shape) {
  return Tensor::allocate(dtype, shape);
}

Kept& KernelContext::keep() {
  if (keep_ == nullptr) keep_ = std::make_unique<Kept>();
  return *keep_;
}

bool KernelContext::has_subgraph(std::string_view /*name*/) const { return false; }

Result<std::span<Value>> KernelContext::run_subgraph(std::string_view name,
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
