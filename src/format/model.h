// format::Model: what a reader makes of a file, whatever its format: nodes over named values, with
// weights as views into the mapped file. Neutral syntax, not meaning: operator names, attributes
// and opsets are still those of the file; import/ gives them meaning. Plain data.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tensor/attributes.h"
#include "tensor/tensor.h"
#include "tensor/type.h"

namespace sluice::format {

enum class Format : uint8_t { kOnnx, kTflite, kGguf };

struct ValueDecl {
  std::string name;
  Type type;
};

struct Model;
struct GraphDecl;

struct NodeDecl {
  std::string name;
  std::string op;      // ONNX: op_type; TFLite: builtin name ("CONV_2D") or the custom code
  std::string domain;  // ONNX: domain; TFLite: "tflite" or "tflite.custom"
  std::string overload;
  int version = 1;                  // TFLite: operator version
  std::vector<std::string> inputs;  // "" is an absent optional input
  std::vector<std::string> outputs;
  AttrMap attrs;
  // ONNX: subgraph attributes. TFLite control flow names subgraphs by index in attrs.
  std::vector<std::pair<std::string, std::shared_ptr<GraphDecl>>> subgraphs;
  std::vector<std::pair<std::string, std::string>>
      attr_refs;  // ONNX functions: attr <- ref_attr_name
  // Custom options of an unknown operator (TFLite flexbuffers), as bytes in the file.
  std::span<const std::byte> custom_options;
};

// Per-tensor or per-channel affine quantization as a file states it: real = scale * (q - zero).
struct QuantizationDecl {
  std::vector<float> scales;
  std::vector<int64_t> zero_points;
  int axis = 0;
  int block_size = 0;                             // 0: not blocked
  std::string scales_tensor, zero_points_tensor;  // TFLite blockwise: by value name
};

struct TensorDecl {
  std::string name;
  Tensor tensor;
};

struct GraphDecl {
  std::string name;
  std::vector<ValueDecl> inputs;
  std::vector<ValueDecl> outputs;
  std::vector<ValueDecl> value_infos;
  std::vector<TensorDecl> initializers;
  std::vector<NodeDecl> nodes;
  std::vector<std::pair<std::string, QuantizationDecl>> quantization;  // by value name
  std::vector<std::string> variables;  // TFLite: state kept between runs, zero at first
};

// An ONNX model-local function.
struct FunctionDecl {
  std::string domain, name, overload;
  std::vector<std::string> inputs, outputs, attributes;
  std::vector<std::pair<std::string, Attribute>> default_attributes;
  std::vector<NodeDecl> nodes;
  std::vector<std::pair<std::string, int64_t>> opsets;
};

struct Model {
  Format format = Format::kOnnx;
  std::string source;                                   // file name, for messages
  std::vector<std::pair<std::string, int64_t>> opsets;  // domain -> version
  std::vector<GraphDecl> graphs;                        // [0] is the main one (TFLite has several)
  std::vector<FunctionDecl> functions;
  std::vector<std::pair<std::string, std::string>> metadata;  // producer, ir_version, props ...
  // Named entry points (TFLite signatures): name, then (argument name, value name) pairs.
  struct Signature {
    std::string name;
    int graph = 0;
    std::vector<std::pair<std::string, std::string>> inputs, outputs;
  };
  std::vector<Signature> signatures;
};

}  // namespace sluice::format
