// TFLite files -> format::Model. Two passes: the FlatBuffers verifier proves that every offset
// stays in the file, then this reader checks what the format means (indices, sizes, quantization,
// order of operators) and builds the neutral model. Constant tensors are views of `bytes`; sparse
// ones are made dense here, since a neutral TensorDecl has no sparse form.
//
// Names: a tensor keeps its name; an empty one becomes "tensor_7", a repeated one "name#7" (7 is
// its index in the subgraph). Operators are named by their place, "0:CONV_2D".
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/result.h"
#include "format/model.h"
#include "format/tflite/flatbuffer.h"
#include "format/tflite/flexbuffer.h"

namespace sluice::format::tflite {

// Caps, each an error that names the value and the limit (all may be changed, for tests):
//   tables reached                      262,144      a string                    65,536 bytes
//   bytes of vectors and strings reached, each time: 4 times the file + 1 MiB
//   rank                                kMaxRank     a tensor, stored or not     2^44 bytes
//   sparse tensors made dense, together 2^31 bytes   names repeated by operators 2^28 bytes
//   flexbuffer depth                    16           flexbuffer values           4,096
struct Limits {
  FlatbufferLimits flatbuffer;
  FlexbufferLimits flexbuffer;
  int max_rank = kMaxRank;
  uint64_t max_tensor_bytes = uint64_t{1} << 44;  // of any tensor, stored or not
  uint64_t max_dense_bytes = uint64_t{1} << 31;   // all sparse tensors together, made dense
  uint64_t max_name_bytes = uint64_t{1}
                            << 28;  // of the names that operators' inputs and outputs repeat
};

// `owner` keeps `bytes` alive. Errors name the source, then table, field, value and limit.
Result<Model> read_tflite(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                          std::string_view source, const Limits& limits = {});

// By the file identifier at byte 4.
bool is_tflite(std::span<const std::byte> bytes);

}  // namespace sluice::format::tflite
