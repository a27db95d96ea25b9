// Scratch memory of a kernel by elements. Counts follow from a file's numbers: what no memory has
// is refused before it is asked for.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/checked.h"
#include "base/text.h"
#include "plan/kernel.h"

namespace sluice::op {

// `count` elements as KernelContext::scratch gives them: 64-byte aligned, uninitialised, valid
// until the kernel returns. `who` begins the sentence when there can't be as many: "A convolution".
template <class T>
Result<T*> scratch(plan::KernelContext& context, Checked count, std::string_view who) {
  // A size has 32 bits in WebAssembly.
  constexpr uint64_t kLimit = std::min<uint64_t>(uint64_t{1} << 40, SIZE_MAX);
  const Checked bytes = count * sizeof(T);
  if (!bytes.fits(kLimit)) {
    return resource_error(cat(who, " needs ", bytes.valid() ? cat(bytes.value()) : "2^64 or more",
                              " bytes of scratch memory (", kLimit, " is the limit)"));
  }
  SLUICE_ASSIGN(const std::span<std::byte> memory,
                context.scratch(static_cast<size_t>(bytes.value())));
  return reinterpret_cast<T*>(memory.data());
}
// Of a product of counts: Checked::from_signed(rows) * ..., or of one.
template <class T>
Result<T*> scratch(plan::KernelContext& context, int64_t count, std::string_view who) {
  return scratch<T>(context, Checked::from_signed(count), who);
}

}  // namespace sluice::op
