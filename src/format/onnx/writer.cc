#include "format/onnx/writer.h"

#include "base/text.h"
#include "format/onnx/wire.h"

namespace sluice::format::onnx {

namespace {

WireWriter tensor_message(const Tensor& tensor, std::string_view name) {
  WireWriter out;
  for (const int64_t dim : tensor.shape()) out.varint_field(1, static_cast<uint64_t>(dim));
  out.varint_field(2, static_cast<uint64_t>(tensor.dtype()));
  if (!name.empty()) out.bytes_field(8, name);
  if (tensor.dtype() == DType::kString) {
    for (int64_t i = 0; i < tensor.elements(); ++i) {
      out.bytes_field(6, std::string_view(tensor.data<std::string>()[i]));
    }
  } else {
    out.bytes_field(9, tensor.bytes());
  }
  return out;
}

WireWriter type_message(const Type& type) {
  WireWriter out;
  if (type.is_tensor()) {
    WireWriter tensor;
    tensor.varint_field(1, static_cast<uint64_t>(type.dtype));
    if (type.dims) {
      WireWriter shape;
      for (const Dim& dim : *type.dims) {
        WireWriter one;
        if (dim.is_known()) {
          one.varint_field(1, static_cast<uint64_t>(dim.value()));
        } else if (dim.is_symbolic()) {
          one.bytes_field(2, dim.text());
        }
        shape.message_field(1, one);
      }
      tensor.message_field(2, shape);
    }
    out.message_field(1, tensor);
  } else if (type.kind == Type::Kind::kSequence || type.kind == Type::Kind::kOptional) {
    WireWriter holder;
    if (type.elem != nullptr) holder.message_field(1, type_message(*type.elem));
    out.message_field(type.kind == Type::Kind::kSequence ? 4 : 9, holder);
  }
  return out;
}

WireWriter value_info_message(const ValueDecl& decl) {
  WireWriter out;
  out.bytes_field(1, decl.name);
  if (decl.type.kind != Type::Kind::kUnknown) out.message_field(2, type_message(decl.type));
  return out;
}

WireWriter attribute_message(const std::string& name, const Attribute& value) {
  WireWriter out;
  out.bytes_field(1, name);
  uint64_t type = 0;
  if (const auto* f = std::get_if<float>(&value)) {
    type = 1;
    out.float_field(2, *f);
  } else if (const auto* i = std::get_if<int64_t>(&value)) {
    type = 2;
    out.varint_field(3, static_cast<uint64_t>(*i));
  } else if (const auto* s = std::get_if<std::string>(&value)) {
    type = 3;
    out.bytes_field(4, *s);
  } else if (const auto* t = std::get_if<Tensor>(&value)) {
    type = 4;
    out.message_field(5, tensor_message(*t, ""));
  } else if (const auto* floats = std::get_if<std::vector<float>>(&value)) {
    type = 6;
    for (const float one : *floats) out.float_field(7, one);
  } else if (const auto* ints = std::get_if<std::vector<int64_t>>(&value)) {
    type = 7;
    for (const int64_t one : *ints) out.varint_field(8, static_cast<uint64_t>(one));
  } else if (const auto* strings = std::get_if<std::vector<std::string>>(&value)) {
    type = 8;
    for (const std::string& one : *strings) out.bytes_field(9, one);
  } else if (const auto* tensors = std::get_if<std::vector<Tensor>>(&value)) {
    type = 9;
    for (const Tensor& one : *tensors) out.message_field(10, tensor_message(one, ""));
  } else if (const auto* tp = std::get_if<Type>(&value)) {
    type = 13;
    out.message_field(14, type_message(*tp));
  }
  out.varint_field(20, type);
  return out;
}

WireWriter graph_message(const GraphDecl& graph);

WireWriter node_message(const NodeDecl& node) {
  WireWriter out;
  for (const std::string& input : node.inputs) out.bytes_field(1, input);
  for (const std::string& output : node.outputs) out.bytes_field(2, output);
  if (!node.name.empty()) out.bytes_field(3, node.name);
  out.bytes_field(4, node.op);
  for (const auto& [name, value] : node.attrs.entries()) {
    out.message_field(5, attribute_message(name, value));
  }
  for (const auto& [name, graph] : node.subgraphs) {
    WireWriter attribute;
    attribute.bytes_field(1, name);
    attribute.message_field(6, graph_message(*graph));
    attribute.varint_field(20, 5);
    out.message_field(5, attribute);
  }
  for (const auto& [name, ref] : node.attr_refs) {
    WireWriter attribute;
    attribute.bytes_field(1, name);
    attribute.bytes_field(21, ref);
    out.message_field(5, attribute);
  }
  if (!node.domain.empty()) out.bytes_field(7, node.domain);
  if (!node.overload.empty()) out.bytes_field(8, node.overload);
  return out;
}

WireWriter graph_message(const GraphDecl& graph) {
  WireWriter out;
  for (const NodeDecl& node : graph.nodes) out.message_field(1, node_message(node));
  out.bytes_field(2, graph.name.empty() ? std::string("graph") : graph.name);
  for (const TensorDecl& decl : graph.initializers) {
    out.message_field(5, tensor_message(decl.tensor, decl.name));
  }
  for (const ValueDecl& decl : graph.inputs) out.message_field(11, value_info_message(decl));
  for (const ValueDecl& decl : graph.outputs) out.message_field(12, value_info_message(decl));
  for (const ValueDecl& decl : graph.value_infos) out.message_field(13, value_info_message(decl));
  return out;
}

WireWriter opset_message(const std::pair<std::string, int64_t>& opset) {
  WireWriter out;
  out.bytes_field(1, opset.first);
  out.varint_field(2, static_cast<uint64_t>(opset.second));
  return out;
}

WireWriter function_message(const FunctionDecl& function) {
  WireWriter out;
  out.bytes_field(1, function.name);
  for (const std::string& one : function.inputs) out.bytes_field(4, one);
  for (const std::string& one : function.outputs) out.bytes_field(5, one);
  for (const std::string& one : function.attributes) out.bytes_field(6, one);
  for (const NodeDecl& node : function.nodes) out.message_field(7, node_message(node));
  for (const auto& opset : function.opsets) out.message_field(9, opset_message(opset));
  if (!function.domain.empty()) out.bytes_field(10, function.domain);
  for (const auto& [name, value] : function.default_attributes) {
    out.message_field(11, attribute_message(name, value));
  }
  if (!function.overload.empty()) out.bytes_field(13, function.overload);
  return out;
}

WireWriter value_message(const Value& value, std::string_view name) {
  if (value.is_tensor()) return tensor_message(value.tensor(), name);
  WireWriter out;
  if (!name.empty()) out.bytes_field(1, name);
  uint64_t elem = 0;
  if (value.kind() != Value::Kind::kNone) {
    for (const Value& item : value.items()) {
      if (item.is_tensor()) {
        elem = 1;
      } else {
        elem = item.kind() == Value::Kind::kSequence ? 3 : 5;
      }
    }
  }
  out.varint_field(2, elem);
  if (value.kind() == Value::Kind::kNone) return out;
  for (const Value& item : value.items()) {
    const uint32_t number = item.is_tensor() ? 3 : item.kind() == Value::Kind::kSequence ? 5 : 7;
    out.message_field(number, value_message(item, ""));
  }
  return out;
}

}  // namespace

Result<std::string> write_onnx(const Model& model) {
  if (model.format != Format::kOnnx || model.graphs.size() != 1) {
    return usage_error(
        cat("Only an ONNX model of one graph can be written (this has ", model.graphs.size(), ")"));
  }
  WireWriter out;
  int64_t ir_version = 10;
  std::vector<const std::pair<std::string, std::string>*> properties;
  WireWriter facts;
  for (const auto& entry : model.metadata) {
    const auto& [key, value] = entry;
    if (key == "ir_version") {
      ir_version = parse_int(value).value_or(ir_version);
    } else if (key == "producer_name") {
      facts.bytes_field(2, value);
    } else if (key == "producer_version") {
      facts.bytes_field(3, value);
    } else if (key == "domain") {
      facts.bytes_field(4, value);
    } else if (key == "model_version") {
      facts.varint_field(5, static_cast<uint64_t>(parse_int(value).value_or(0)));
    } else if (key == "doc_string") {
      facts.bytes_field(6, value);
    } else {
      properties.push_back(&entry);
    }
  }
  out.varint_field(1, static_cast<uint64_t>(ir_version));
  out.raw(facts.text());
  for (const auto* entry : properties) {
    WireWriter pair;
    pair.bytes_field(1, entry->first);
    pair.bytes_field(2, entry->second);
    out.message_field(14, pair);
  }
  for (const FunctionDecl& function : model.functions) {
    out.message_field(25, function_message(function));
  }
  out.message_field(7, graph_message(model.graphs[0]));
  for (const auto& opset : model.opsets) out.message_field(8, opset_message(opset));
  return out.take();
}

std::string write_tensor_pb(const Tensor& tensor, std::string_view name) {
  return tensor_message(tensor, name).take();
}

std::string write_value_pb(const Value& value, std::string_view name) {
  return value_message(value, name).take();
}

}  // namespace sluice::format::onnx
