// The contents of constant tensors: views of a buffer's bytes where they can be used as they lie,
// copies where not (unaligned, odd booleans), strings unpacked, sparse tensors made dense.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/result.h"
#include "format/tflite/flatbuffer.h"
#include "tensor/tensor.h"

namespace sluice::format::tflite {

// `bytes` must hold exactly the elements of the shape (strings: TFLite's count, offsets and text).
Result<Tensor> tensor_from_bytes(DType dtype, const Shape& shape, std::span<const std::byte> bytes,
                                 const std::shared_ptr<const void>& owner);

// `bytes` holds the stored elements only; `sparsity` is a verified SparsityParameters table. At
// most `max_dense_bytes` are allocated.
Result<Tensor> densified(DType dtype, const Shape& shape, std::span<const std::byte> bytes,
                         const Table& sparsity, uint64_t max_dense_bytes);

}  // namespace sluice::format::tflite
