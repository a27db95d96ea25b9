// ONNX reader: protobuf bytes -> format::Model, syntax only (import/ gives it meaning). The file is
// hostile until read: every length is checked against the real bytes, every tensor's byte count
// against its dims and dtype, nesting and counts against format/caps.h, and memory asked for
// against the size of the file. Weights are views into the mapped file where their address suits
// the dtype and copies otherwise. Source of the schema: onnx/onnx.proto, IR version 14.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"
#include "format/model.h"
#include "tensor/value.h"

namespace sluice::format::onnx {

// Gives the file that an external tensor names. The location comes from the model and is hostile.
using ExternalData =
    std::function<Result<std::shared_ptr<const MappedFile>>(std::string_view location)>;

struct ReadOptions {
  // Without it, external data is refused.
  ExternalData external;
  // Nobody else looks at the file's bytes. A large weight that lies where its dtype can't be read
  // is then moved by a few bytes, over the header of its own field, instead of being copied.
  bool movable = false;
  // Filled in when not null: the bytes asked for while reading (weights viewed in place are free).
  uint64_t* memory_used = nullptr;
};

// `bytes` live as long as `owner` (null: everything is copied). `source` is for messages.
Result<Model> read_onnx(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                        std::string source, const ReadOptions& options = {});
// Maps the file; external data is looked for in its folder and nowhere else.
Result<Model> read_onnx_file(const std::string& path);

// Test data in ONNX's backend-test layout. The whole of `bytes` is one TensorProto.
Result<Tensor> read_tensor_pb(std::span<const std::byte> bytes);
// One TensorProto, SequenceProto or OptionalProto, as `expected` says (unknown: a tensor).
Result<Value> read_value_pb(std::span<const std::byte> bytes, const Type& expected);

}  // namespace sluice::format::onnx
