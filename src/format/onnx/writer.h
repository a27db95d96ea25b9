// ONNX writer: format::Model -> protobuf bytes. For generated models, tests and cutting a model
// down to what still shows a fault. Tensors become raw_data; opset_import stands last, so that no
// proper prefix of the bytes is a whole model.
#pragma once

#include <string>

#include "base/result.h"
#include "format/model.h"
#include "tensor/value.h"

namespace sluice::format::onnx {

Result<std::string> write_onnx(const Model& model);
std::string write_tensor_pb(const Tensor& tensor, std::string_view name = "");
// TensorProto, SequenceProto or OptionalProto by the value's kind.
std::string write_value_pb(const Value& value, std::string_view name = "");

}  // namespace sluice::format::onnx
