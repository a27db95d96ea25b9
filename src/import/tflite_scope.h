// The workbench of the TFLite importer: one TfliteScope per subgraph under construction, one
// TfliteNode per operator being imported. Operator handlers (tflite_<group>.cc) see nothing else.
//
// A TFLite value has two faces: `raw` is the tensor as TFLite stores it (int8 ...), `real` the
// number it stands for (dequantized where it is quantized). Arithmetic handlers read real values
// and hand back real results, which are quantized again when the output is; handlers that only move
// elements work on raw values where input and output are quantized alike.
#pragma once

#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "format/model.h"
#include "import/import.h"
#include "ir/graph.h"
#include "op/op.h"

namespace sluice::import {

// What all scopes of one import share.
struct TfliteContext {
  const format::Model& model;
  const op::Registry& registry;
  const ImportOptions& options;
  std::set<std::string> missing;  // ONNX operators that the registry lacks
  std::vector<int> calls;         // subgraphs being built, outermost first: no recursion
  size_t nodes_left =
      1'000'000;              // shared subgraphs are inlined, so a small file could ask for many
  bool static_shapes = true;  // no input is dynamic or overridden: the file's shapes hold
  // Resource variables by name: their current value, in program order.
  std::map<std::string, ir::ValueId> resources;
  ir::Graph* resource_graph = nullptr;  // where those values live
  // State of variable tensors after the run: name, value.
  std::vector<std::pair<std::string, ir::ValueId>> next_states;
};

// A constant together with how its real numbers are made from it.
struct TfliteConstant {
  Tensor tensor;
  const format::QuantizationDecl* quantization = nullptr;
  bool widen = false;    // float16 that a DEQUANTIZE turns into float32
  bool is_real = false;  // the value is the DEQUANTIZE's result: raw is real
};

class TfliteScope {
 public:
  TfliteScope(TfliteContext& shared, ir::Graph& target, const format::GraphDecl& decl);

  TfliteContext& context;
  ir::Graph& graph;
  const format::GraphDecl& decl;

  // --- emitting. Errors of inference name the TFLite operator.
  Result<ir::ValueId> emit(std::string_view op, std::vector<ir::ValueId> inputs, AttrMap attrs = {},
                           std::string_view domain = "");
  Result<std::vector<ir::ValueId>> emit_many(std::string_view op, std::vector<ir::ValueId> inputs,
                                             int outputs, AttrMap attrs = {},
                                             std::vector<ir::Subgraph> subgraphs = {},
                                             std::string_view domain = "");
  ir::ValueId constant(std::string_view name, Tensor tensor) {
    return graph.add_constant(name, std::move(tensor));
  }
  ir::ValueId ints(std::span<const int64_t> values);  // 1-D int64
  ir::ValueId ints(std::initializer_list<int64_t> values) {
    return ints(std::span(values.begin(), values.size()));
  }
  ir::ValueId scalar(DType dtype, double value);

  const Type& type(ir::ValueId id) const { return graph.type(id); }
  DType dtype(ir::ValueId id) const { return graph.type(id).dtype; }
  std::optional<int> rank(ir::ValueId id) const;
  // A known extent; nothing when symbolic.
  std::optional<int64_t> extent(ir::ValueId id, int axis) const;
  // Contents as far as they are known at import.
  std::optional<std::vector<int64_t>> known_ints(ir::ValueId id) const;

  // --- common compositions
  Result<ir::ValueId> cast(ir::ValueId value, DType to);  // itself when it has that dtype
  Result<ir::ValueId> to_int64_vector(
      ir::ValueId value);  // 1-D int64, from a scalar or vector of any integer
  Result<ir::ValueId> transpose(ir::ValueId value, std::vector<int64_t> perm);  // cached
  Result<ir::ValueId> to_nchw(ir::ValueId value);
  Result<ir::ValueId> to_nhwc(ir::ValueId value);
  Result<ir::ValueId> reshape(ir::ValueId value, std::span<const int64_t> shape);
  Result<ir::ValueId> dequantize(ir::ValueId value, const format::QuantizationDecl& quantization);
  Result<ir::ValueId> quantize(ir::ValueId value, DType dtype,
                               const format::QuantizationDecl& quantization);

  // --- TFLite values by name
  Result<ir::ValueId> raw(const std::string& name);
  Result<ir::ValueId> real(const std::string& name);
  // Null when the value is not constant.
  const TfliteConstant* constant_of(const std::string& name);
  // The real numbers of a constant (or of any value) with its axes permuted: the permutation of a
  // constant is done now, on the stored elements. A constant of quantized elements has its
  // quantized axis follow.
  Result<ir::ValueId> real_permuted(const std::string& name, const std::vector<int64_t>& perm);
  const format::QuantizationDecl* quantization(const std::string& name) const;
  const Type* declared_type(const std::string& name) const;
  bool is_variable(const std::string& name) const { return variables_.contains(name); }
  // Makes `value` the TFLite value `name`: it takes the name, or an Identity does where it has one.
  Result<void> bind(const std::string& name, ir::ValueId value);
  Result<void> bind_constant(const std::string& name, TfliteConstant constant);
  void bind_input(const std::string& name, ir::ValueId value);
  // State of a variable after this operator, as stored.
  Result<void> set_state(const std::string& name, ir::ValueId raw_value);

  // Runs all operators of the subgraph; only those that `wanted` values need, where it is not
  // empty.
  Result<void> build(std::span<const std::string> wanted = {});
  // The subgraph's outputs, as stored.
  Result<std::vector<ir::ValueId>> outputs();
  // Subgraph `index` of the model, built into this graph with these (raw) inputs.
  Result<std::vector<ir::ValueId>> inlined(int index, std::span<const ir::ValueId> inputs);

  // The indices tensor of MaxPoolingWithArgmax2D as ONNX's flat indices (NCHW), for MaxUnpooling2D.
  struct PoolIndices {
    ir::ValueId flat = ir::kNoValue;
    int64_t filter[2] = {}, stride[2] = {}, pad[2] = {};
  };
  std::map<std::string, PoolIndices> pool_indices;

 private:
  struct Slot {
    ir::ValueId raw = ir::kNoValue;
    ir::ValueId real = ir::kNoValue;
    std::optional<TfliteConstant> constant;
  };
  Slot* slot(const std::string& name);
  Result<ir::ValueId> real_of_constant(const TfliteConstant& constant, ir::ValueId stored);

  std::map<std::string, Slot, std::less<>> slots_;
  std::map<std::string, const format::QuantizationDecl*, std::less<>> quantization_;
  std::map<std::string, const Type*, std::less<>> types_;
  std::map<std::string, const Tensor*, std::less<>> initializers_;
  std::set<std::string> variables_;
  std::map<std::pair<ir::ValueId, std::vector<int64_t>>, ir::ValueId> transposed_;
  std::map<std::pair<std::string, std::vector<int64_t>>, ir::ValueId> permuted_;
  std::set<ir::ValueId> named_;  // values that already are a TFLite value
  std::string label_ = "graph";  // of the operator at hand
};

// The operator at hand.
class TfliteNode {
 public:
  TfliteNode(TfliteScope& scope, const format::NodeDecl& node) : s(scope), decl(node) {}
  TfliteScope& s;
  const format::NodeDecl& decl;

  int input_count() const { return static_cast<int>(decl.inputs.size()); }
  int output_count() const { return static_cast<int>(decl.outputs.size()); }
  bool has(int i) const {
    return i < input_count() && !decl.inputs[static_cast<size_t>(i)].empty();
  }
  const std::string& in_name(int i) const { return decl.inputs[static_cast<size_t>(i)]; }
  const std::string& out_name(int i) const { return decl.outputs[static_cast<size_t>(i)]; }
  // Fails with a sentence unless the operator has these many inputs and outputs.
  Result<void> need(int inputs, int outputs = 1) const;

  Result<ir::ValueId> raw(int i) { return s.raw(in_name(i)); }
  Result<ir::ValueId> in(int i) { return s.real(in_name(i)); }
  Result<std::vector<int64_t>> const_ints(int i, std::string_view what);  // error when not constant
  Result<void> set_raw(int i, ir::ValueId value) { return s.bind(out_name(i), value); }
  // Quantizes when output i is quantized.
  Result<void> set(int i, ir::ValueId value);
  // The output's declared element type.
  DType out_dtype(int i) const;
  bool out_quantized(int i) const { return s.quantization(out_name(i)) != nullptr; }
  // Input i and output o have equal quantization (or none): elements may be moved as stored.
  bool alike(int i, int o = 0) const;
  // Applies option fused_activation_function.
  Result<ir::ValueId> activated(ir::ValueId value) {
    return activated(value, text("fused_activation_function", "NONE"));
  }
  Result<ir::ValueId> activated(ir::ValueId value, std::string_view function);

  int64_t number(std::string_view name, int64_t fallback = 0) const {
    return decl.attrs.int_or(name, fallback);
  }
  float real(std::string_view name, float fallback = 0) const {
    return decl.attrs.float_or(name, fallback);
  }
  bool flag(std::string_view name) const { return decl.attrs.int_or(name, 0) != 0; }
  std::string text(std::string_view name, std::string_view fallback) const {
    return decl.attrs.string_or(name, fallback);
  }
  Error fail(std::string_view sentence) const;        // the file is wrong
  Error no_support(std::string_view sentence) const;  // the file is right, but not for us
};

using TfliteHandler = Result<void> (*)(TfliteNode& node);
struct TfliteRow {
  std::string_view name;
  TfliteHandler handler;
};
// The handlers by group; tflite_import.cc collects them.
std::span<const TfliteRow> tflite_elementwise_rows();
std::span<const TfliteRow> tflite_conv_rows();
std::span<const TfliteRow> tflite_shape_rows();
std::span<const TfliteRow> tflite_index_rows();
std::span<const TfliteRow> tflite_matmul_rows();
std::span<const TfliteRow> tflite_recurrent_rows();
std::span<const TfliteRow> tflite_control_rows();
std::span<const TfliteRow> tflite_custom_rows();  // domain tflite.custom

// An operator without a handler, kept for looking at (ImportOptions::allow_unknown).
Result<void> import_unknown_tflite_node(TfliteScope& scope, const format::NodeDecl& decl);

// Null when there is none.
TfliteHandler find_tflite_handler(const format::NodeDecl& node);

bool same_quantization(const format::QuantizationDecl* a, const format::QuantizationDecl* b);
// `perm` applied to a stored tensor of any dtype but strings; packed types stay packed.
Result<Tensor> permuted_tensor(const Tensor& from, const std::vector<int64_t>& perm);

}  // namespace sluice::import
