#include "format/tflite/reader.h"

#include <cmath>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/checked.h"
#include "base/text.h"
#include "format/tflite/tensor_data.h"

namespace sluice::format::tflite {
namespace {

constexpr DType kDTypes[] = {
    DType::kFloat32, DType::kFloat16,      DType::kInt32,      DType::kUInt8,     DType::kInt64,
    DType::kString,  DType::kBool,         DType::kInt16,      DType::kComplex64, DType::kInt8,
    DType::kFloat64, DType::kComplex128,   DType::kUInt64,     DType::kUndefined, DType::kUndefined,
    DType::kUInt32,  DType::kUInt16,       DType::kInt4,       DType::kBFloat16,  DType::kInt2,
    DType::kUInt4,   DType::kFloat8E4M3FN, DType::kFloat8E5M2,
};

// What the reader found out about one tensor of the subgraph at hand.
struct TensorFacts {
  std::string name;
  Type type;
  bool has_data = false;
  bool is_variable = false;
  bool made = false;   // by an operator, or it is a graph input
  bool empty = false;  // no elements: needs no data
};

class Reader {
 public:
  Reader(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, const Limits& limits)
      : bytes_(bytes), owner_(std::move(owner)), limits_(limits) {}

  Result<Model> run(std::string_view source) {
    SLUICE_ASSIGN(root_, verify_flatbuffer(bytes_, "TFL3", kModel, limits_.flatbuffer));
    Model model;
    model.format = Format::kTflite;
    model.source = std::string(source);
    const uint64_t version = root_.unsigned_integer(model::kVersion);
    if (version != 3)
      return unsupported(cat("The schema version is ", version, " (3 is supported)."));
    model.opsets.emplace_back("tflite", static_cast<int64_t>(version));
    model.metadata.emplace_back("schema_version", cat(version));
    if (const auto text = root_.string(model::kDescription); !text.empty())
      model.metadata.emplace_back("description", text);
    SLUICE_TRY(read_buffers());
    SLUICE_TRY(read_operator_codes());
    SLUICE_TRY(read_metadata(model));
    graph_count_ = root_.size(model::kSubgraphs);
    if (graph_count_ == 0) return invalid_model("The model has no subgraphs (at least 1).");
    names_.resize(graph_count_);
    for (size_t i = 0; i < graph_count_; ++i) {
      auto graph = read_subgraph(root_.table_at(model::kSubgraphs, i), i);
      if (!graph) return std::move(graph).error().while_doing(cat("reading subgraph ", i));
      model.graphs.push_back(std::move(graph).value());
    }
    SLUICE_TRY(read_signatures(model));
    return model;
  }

 private:
  Result<void> read_buffers() {
    for (size_t i = 0; i < root_.size(model::kBuffers); ++i) {
      const Table table = root_.table_at(model::kBuffers, i);
      std::span<const std::byte> data = table.bytes(buffer::kData);
      const uint64_t offset = table.unsigned_integer(buffer::kOffset);
      const uint64_t size = table.unsigned_integer(buffer::kSize);
      // 0 and 1 are the schema's ways to say "not stored outside".
      if (offset > 1) {
        if (!data.empty())
          return invalid_model(
              cat("Buffer ", i, " has its data both inside and outside the flatbuffer."));
        if (offset > bytes_.size() || size > bytes_.size() - offset) {
          return invalid_model(cat("Buffer ", i, " lies at ", offset, " with ", size,
                                   " bytes, past the end of the file (", bytes_.size(),
                                   " bytes)."));
        }
        data = bytes_.subspan(static_cast<size_t>(offset), static_cast<size_t>(size));
      }
      buffers_.push_back(data);
    }
    return {};
  }

  Result<void> read_operator_codes() {
    for (size_t i = 0; i < root_.size(model::kOperatorCodes); ++i) {
      const Table table = root_.table_at(model::kOperatorCodes, i);
      // The byte field came first; codes that don't fit it live in the wide one.
      const int64_t narrow = table.integer(operator_code::kDeprecatedBuiltinCode);
      const int64_t wide = table.integer(operator_code::kBuiltinCode);
      const int64_t code = wide > narrow ? wide : narrow;
      OperatorCode out;
      out.version = table.integer(operator_code::kVersion);
      if (code < 0) return invalid_model(cat("Operator code ", i, " is ", code, " (0 or more)."));
      if (code == kBuiltinCustom) {
        out.domain = "tflite.custom";
        out.name = std::string(table.string(operator_code::kCustomCode));
        if (out.name.empty())
          return invalid_model(cat("Operator code ", i, " is a custom operator without a name."));
      } else {
        out.domain = "tflite";
        out.name = std::string(builtin_name(code));
        if (out.name.empty()) out.name = cat("BUILTIN_", code);
      }
      codes_.push_back(std::move(out));
    }
    return {};
  }

  Result<void> read_metadata(Model& model) {
    for (size_t i = 0; i < root_.size(model::kMetadata); ++i) {
      const Table table = root_.table_at(model::kMetadata, i);
      const uint64_t index = table.unsigned_integer(metadata::kBuffer);
      if (index >= buffers_.size()) {
        return invalid_model(cat("Metadata ", i, " refers to buffer ", index, " (the file has ",
                                 buffers_.size(), ")."));
      }
      const auto data = buffers_[static_cast<size_t>(index)];
      std::string text(reinterpret_cast<const char*>(data.data()),
                       data.size() < 256 ? data.size() : 256);
      while (!text.empty() && text.back() == '\0') text.pop_back();
      bool printable = data.size() <= 256;
      for (const char c : text) printable = printable && c >= ' ' && c <= '~';
      model.metadata.emplace_back(std::string(table.string(metadata::kName)),
                                  printable ? text : cat(data.size(), " bytes"));
    }
    return {};
  }

  Result<GraphDecl> read_subgraph(const Table& table, size_t graph_index) {
    GraphDecl graph;
    graph.name = std::string(table.string(subgraph::kName));
    const size_t count = table.size(subgraph::kTensors);
    std::vector<TensorFacts> facts(count);
    std::unordered_set<std::string> taken;
    // First names and types, so that quantization may refer to any tensor.
    for (size_t i = 0; i < count; ++i) {
      const Table one = table.table_at(subgraph::kTensors, i);
      std::string name(one.string(tensor::kName));
      if (name.empty()) name = cat("tensor_", i);
      if (!taken.insert(name).second) {
        name = cat(name, "#", i);
        while (!taken.insert(name).second) name += "_";
      }
      facts[i].name = std::move(name);
      names_[graph_index].push_back(facts[i].name);
    }
    std::vector<bool> is_input(count, false);
    for (size_t i = 0; i < table.size(subgraph::kInputs); ++i) {
      SLUICE_ASSIGN(const size_t index, tensor_index(table.int_at(subgraph::kInputs, i), count,
                                                     cat("Graph input ", i)));
      if (is_input[index])
        return invalid_model(cat("Tensor ", index, " is listed twice among the graph's inputs."));
      is_input[index] = true;
    }
    for (size_t i = 0; i < count; ++i) {
      auto done = read_tensor(table.table_at(subgraph::kTensors, i), i, facts, is_input[i], graph);
      if (!done) {
        return std::move(done).error().while_doing(
            cat("reading tensor ", i, " ", quoted(facts[i].name)));
      }
    }
    name_dynamic_inputs(table, facts);
    for (size_t i = 0; i < table.size(subgraph::kInputs); ++i) {
      const size_t index = static_cast<size_t>(table.int_at(subgraph::kInputs, i));
      facts[index].made = true;
      graph.inputs.push_back({facts[index].name, facts[index].type});
      name_bytes_ += facts[index].name.size();
    }
    for (size_t i = 0; i < count; ++i) {
      if (!is_input[i] && !facts[i].has_data)
        graph.value_infos.push_back({facts[i].name, facts[i].type});
    }
    for (size_t i = 0; i < table.size(subgraph::kOperators); ++i) {
      auto node = read_operator(table.table_at(subgraph::kOperators, i), i, facts);
      if (!node) return std::move(node).error().while_doing(cat("reading operator ", i));
      graph.nodes.push_back(std::move(node).value());
    }
    for (size_t i = 0; i < table.size(subgraph::kOutputs); ++i) {
      SLUICE_ASSIGN(const size_t index, tensor_index(table.int_at(subgraph::kOutputs, i), count,
                                                     cat("Graph output ", i)));
      const TensorFacts& fact = facts[index];
      if (!fact.made && !fact.has_data && !fact.is_variable && !fact.empty) {
        return invalid_model(cat("Graph output ", i, " is tensor ", quoted(fact.name),
                                 ", which no operator makes."));
      }
      graph.outputs.push_back({fact.name, fact.type});
      SLUICE_TRY(count_name(fact.name));
    }
    return graph;
  }

  // A dynamic extent of an input gets a symbol: "batch" for the outermost one when no other input
  // has a dynamic outermost extent, else "in1_d0".
  static void name_dynamic_inputs(const Table& table, std::vector<TensorFacts>& facts) {
    int dynamic_batches = 0;
    for (const bool naming : {false, true}) {
      for (size_t i = 0; i < table.size(subgraph::kInputs); ++i) {
        Type& type = facts[static_cast<size_t>(table.int_at(subgraph::kInputs, i))].type;
        if (!type.dims) continue;
        for (size_t axis = 0; axis < type.dims->size(); ++axis) {
          Dim& dim = (*type.dims)[axis];
          if (!dim.is_unknown()) continue;
          if (!naming) {
            dynamic_batches += axis == 0;
          } else {
            dim = axis == 0 && dynamic_batches == 1 ? Dim::symbol("batch")
                                                    : Dim::symbol(cat("in", i, "_d", axis));
          }
        }
      }
    }
  }

  static Result<size_t> tensor_index(int64_t index, size_t count, std::string_view what) {
    if (index < 0 || index >= static_cast<int64_t>(count)) {
      return invalid_model(cat(what, " is tensor ", index, " (the subgraph has ", count, ")."));
    }
    return static_cast<size_t>(index);
  }

  Result<void> read_tensor(const Table& one, size_t index, std::vector<TensorFacts>& facts,
                           bool is_input, GraphDecl& graph) {
    TensorFacts& fact = facts[index];
    fact.is_variable = one.integer(tensor::kIsVariable) != 0;
    const int64_t type_number = one.integer(tensor::kType);
    if (type_number < 0 || static_cast<size_t>(type_number) >= std::size(kDTypes)) {
      return unsupported(cat("The element type is number ", type_number, " (limit ",
                             std::size(kDTypes) - 1, ")."));
    }
    const DType dtype = kDTypes[type_number];
    const size_t rank = one.size(tensor::kShape);
    if (rank > static_cast<size_t>(limits_.max_rank)) {
      return unsupported(cat("The tensor has rank ", rank, " (limit ", limits_.max_rank, ")."));
    }
    Shape shape;
    for (size_t axis = 0; axis < rank; ++axis) {
      const int64_t dim = one.int_at(tensor::kShape, axis);
      // A few old converters wrote -1 for a dynamic extent here too.
      if (dim < -1) return invalid_model(cat("Dimension ", axis, " is ", dim, " (0 or more)."));
      shape.push_back(dim);
    }
    const size_t signature_rank = one.size(tensor::kShapeSignature);
    if (signature_rank != 0 && signature_rank != rank) {
      return invalid_model(
          cat("The shape signature has rank ", signature_rank, " (the shape has ", rank, ")."));
    }
    Dims dims = to_dims(shape);
    bool dynamic = false;
    for (size_t axis = 0; axis < rank; ++axis) {
      const int64_t declared = signature_rank != 0 ? one.int_at(tensor::kShapeSignature, axis)
                                                   : shape[static_cast<int>(axis)];
      if (declared < -1)
        return invalid_model(
            cat("Dimension ", axis, " of the shape signature is ", declared, " (-1 or more)."));
      if (declared == -1 || shape[static_cast<int>(axis)] == -1) {
        dims[axis] = Dim::unknown();
        dynamic = true;
      }
    }
    Checked elements(1);
    for (const int64_t dim : shape) elements = elements * Checked::from_signed(dim < 0 ? 1 : dim);
    const uint64_t bits = dtype == DType::kString ? 8 : static_cast<uint64_t>(dtype_bits(dtype));
    const Checked size = (elements * (bits == 0 ? 8 : bits)).ceil_div(8);
    if (!size.fits(limits_.max_tensor_bytes)) {
      return invalid_model(cat("The shape ", shape.text(), " of ", dtype_name(dtype), " makes ",
                               size.valid() ? cat(size.value()) : std::string("more than 2^64"),
                               " bytes (limit ", limits_.max_tensor_bytes, ")."));
    }
    if (dtype == DType::kUndefined) {
      fact.type = Type{};  // RESOURCE and VARIANT: handles, not tensors
    } else if (rank == 0 && one.integer(tensor::kHasRank) == 0 && signature_rank == 0) {
      // [] may mean a scalar or an unknown rank; constants and inputs are scalars.
      fact.type = Type::tensor(dtype);
    } else {
      fact.type = Type::tensor(dtype, dims);
    }
    if (one.integer(tensor::kExternalBuffer) != 0) {
      return unsupported("The tensor's data lies in an external file, which is not supported.");
    }
    const uint64_t buffer_index = one.unsigned_integer(tensor::kBuffer);
    if (buffer_index >= buffers_.size() && !(buffer_index == 0 && buffers_.empty())) {
      return invalid_model(cat("The tensor refers to buffer ", buffer_index, " (the file has ",
                               buffers_.size(), ")."));
    }
    const auto data = buffers_.empty() ? std::span<const std::byte>()
                                       : buffers_[static_cast<size_t>(buffer_index)];
    fact.empty = !dynamic && elements.value() == 0 && dtype != DType::kUndefined;
    if (fact.is_variable) {
      graph.variables.push_back(fact.name);
    } else if (!data.empty() && !is_input) {
      if (dtype == DType::kUndefined)
        return invalid_model("A resource or variant tensor has stored data.");
      for (const int64_t dim : shape) {
        if (dim < 0)
          return invalid_model(cat("A constant tensor has the dynamic shape ", shape.text(), "."));
      }
      fact.type = Type::tensor(dtype, to_dims(shape));
      const Table sparse = one.table(tensor::kSparsity);
      Tensor stored;
      // A buffer of a sparse tensor may also hold the dense form (the sparsity is then a remark).
      const auto dense_size = storage_bytes(dtype, static_cast<int64_t>(elements.value()));
      if (sparse.present() && sparse.size(sparsity::kTraversalOrder) != 0 &&
          dense_size != data.size()) {
        SLUICE_ASSIGN(
            stored, densified(dtype, shape, data, sparse, limits_.max_dense_bytes - dense_bytes_));
        dense_bytes_ += stored.size_bytes();
      } else {
        SLUICE_ASSIGN(stored, tensor_from_bytes(dtype, shape, data, owner_));
      }
      graph.initializers.push_back({fact.name, std::move(stored)});
      fact.has_data = true;
    }
    if (const Table table = one.table(tensor::kQuantization); table.present()) {
      SLUICE_TRY(read_quantization(table, dtype, shape, facts, fact.name, graph));
    }
    return {};
  }

  Result<void> read_quantization(const Table& table, DType dtype, const Shape& shape,
                                 const std::vector<TensorFacts>& facts, const std::string& name,
                                 GraphDecl& graph) {
    QuantizationDecl out;
    int64_t axis = table.integer(quantization::kQuantizedDimension);
    // Converters copy the weights' dimension to the bias, where it means the only one.
    if (shape.rank() == 1) axis = 0;
    const Table details = table.union_member(quantization::kDetails);
    const int64_t kind =
        details.present() ? table.integer(quantization::kDetailsType) : int64_t{kDetailsNone};
    if (kind == kDetailsMultiAxis)
      return unsupported("The tensor is quantized along several axes, which is not supported.");
    if (kind == kDetailsBlockwise) {
      const int64_t block = details.integer(blockwise::kBlockSize);
      if (block < 1)
        return invalid_model(cat("The quantization block size is ", block, " (1 or more)."));
      SLUICE_ASSIGN(const size_t scales, tensor_index(details.integer(blockwise::kScales),
                                                      facts.size(), "The block scale"));
      out.scales_tensor = facts[scales].name;
      // -1, and by habit of some exporters 0 (the first tensor), mean "no zero point".
      const int64_t zero = details.integer(blockwise::kZeroPoints);
      if (zero > 0) {
        SLUICE_ASSIGN(const size_t index, tensor_index(zero, facts.size(), "The block zero point"));
        out.zero_points_tensor = facts[index].name;
      } else if (zero < -1) {
        return invalid_model(cat("The block zero point is tensor ", zero, " (-1 or more)."));
      }
      if (axis < 0 || (axis != 0 && axis >= shape.rank())) {
        return invalid_model(
            cat("The quantized dimension is ", axis, " (the tensor has rank ", shape.rank(), ")."));
      }
      out.axis = static_cast<int>(axis);
      out.block_size = static_cast<int>(block);
      graph.quantization.emplace_back(name, std::move(out));
      return {};
    }
    if (kind == kDetailsCustom) return {};  // opaque; the affine fields are to be ignored
    const size_t count = table.size(quantization::kScale);
    const size_t zero_count = table.size(quantization::kZeroPoint);
    if (count == 0) return {};  // min and max only: a note of the converter
    if (zero_count != 0 && zero_count != count) {
      return invalid_model(
          cat("The quantization has ", zero_count, " zero points and ", count, " scales."));
    }
    if (count > 1) {
      if (axis < 0 || axis >= shape.rank()) {
        return invalid_model(
            cat("The quantized dimension is ", axis, " (the tensor has rank ", shape.rank(), ")."));
      }
      if (shape[static_cast<int>(axis)] != static_cast<int64_t>(count)) {
        return invalid_model(cat("The quantization has ", count, " scales for dimension ", axis,
                                 " of ", shape[static_cast<int>(axis)], " elements."));
      }
      out.axis = static_cast<int>(axis);
    }
    const bool integral = is_integer(dtype);
    for (size_t i = 0; i < count; ++i) {
      const float scale = table.float_at(quantization::kScale, i);
      if (integral && (!std::isfinite(scale) || scale < 0)) {
        return invalid_model(
            cat("Quantization scale ", i, " is ", scale, " (a finite number, 0 or more)."));
      }
      out.scales.push_back(scale);
      const int64_t zero = zero_count == 0 ? 0 : table.int_at(quantization::kZeroPoint, i);
      if (integral && (zero < integer_min(dtype) ||
                       (zero > 0 && static_cast<uint64_t>(zero) > integer_max(dtype)))) {
        return invalid_model(
            cat("Quantization zero point ", i, " is ", zero, ", outside ", dtype_name(dtype), "."));
      }
      out.zero_points.push_back(zero);
    }
    if (integral) graph.quantization.emplace_back(name, std::move(out));
    return {};
  }

  Result<NodeDecl> read_operator(const Table& table, size_t index,
                                 std::vector<TensorFacts>& facts) {
    NodeDecl node;
    const uint64_t code_index = table.unsigned_integer(op::kOpcodeIndex);
    if (code_index >= codes_.size()) {
      return invalid_model(
          cat("The operator has code ", code_index, " (the file has ", codes_.size(), ")."));
    }
    const OperatorCode& code = codes_[static_cast<size_t>(code_index)];
    node.op = code.name;
    node.domain = code.domain;
    node.version = static_cast<int>(code.version);
    node.name = cat(index, ":", code.name);
    SLUICE_TRY(count_name(node.op));
    for (size_t i = 0; i < table.size(op::kInputs); ++i) {
      const int64_t input = table.int_at(op::kInputs, i);
      if (input == -1) {
        node.inputs.emplace_back();
        SLUICE_TRY(count_name(""));
        continue;
      }
      SLUICE_ASSIGN(const size_t at, tensor_index(input, facts.size(), cat("Input ", i)));
      TensorFacts& fact = facts[at];
      if (!fact.made && !fact.has_data && !fact.is_variable && !fact.empty) {
        return invalid_model(
            cat("Input ", i, " is tensor ", quoted(fact.name),
                ", which nothing has made before (it has no data and is no graph input)."));
      }
      SLUICE_TRY(count_name(fact.name));
      node.inputs.push_back(fact.name);
    }
    for (size_t i = 0; i < table.size(op::kOutputs); ++i) {
      const int64_t output = table.int_at(op::kOutputs, i);
      if (output == -1) {
        node.outputs.emplace_back();
        SLUICE_TRY(count_name(""));
        continue;
      }
      SLUICE_ASSIGN(const size_t at, tensor_index(output, facts.size(), cat("Output ", i)));
      TensorFacts& fact = facts[at];
      if (fact.made || fact.has_data || fact.is_variable) {
        // LiteRT lets an operator overwrite its input's memory; a value here has one maker.
        return unsupported(cat(
            "Output ", i, " is tensor ", quoted(fact.name),
            ", which already has a value (a constant, an input, or another operator's output)."));
      }
      fact.made = true;
      SLUICE_TRY(count_name(fact.name));
      node.outputs.push_back(fact.name);
    }
    for (size_t i = 0; i < table.size(op::kIntermediates); ++i) {
      if (table.int_at(op::kIntermediates, i) == -1) continue;
      SLUICE_ASSIGN(const size_t at, tensor_index(table.int_at(op::kIntermediates, i), facts.size(),
                                                  cat("Intermediate ", i)));
      SLUICE_TRY(count_name(facts[at].name));
    }
    if (table.size(op::kIntermediates) > 0) {
      std::vector<std::string> names;
      for (size_t i = 0; i < table.size(op::kIntermediates); ++i) {
        const int64_t at = table.int_at(op::kIntermediates, i);
        names.push_back(at < 0 ? std::string() : facts[static_cast<size_t>(at)].name);
      }
      node.attrs.set("intermediates", std::move(names));
    }
    const size_t mutating = table.size(op::kMutatingVariableInputs);
    if (mutating != 0 && mutating != node.inputs.size()) {
      return invalid_model(cat("The operator marks ", mutating,
                               " inputs as mutable or not (it has ", node.inputs.size(), ")."));
    }
    SLUICE_TRY(decode_options(table.union_member(op::kBuiltinOptions), node.attrs));
    SLUICE_TRY(decode_options(table.union_member(op::kBuiltinOptions2), node.attrs));
    node.custom_options = table.bytes(op::kCustomOptions);
    const uint64_t offset = table.unsigned_integer(op::kLargeCustomOptionsOffset);
    const uint64_t size = table.unsigned_integer(op::kLargeCustomOptionsSize);
    if (offset > 1) {
      if (offset > bytes_.size() || size > bytes_.size() - offset) {
        return invalid_model(cat("The custom options lie at ", offset, " with ", size,
                                 " bytes, past the end of the file (", bytes_.size(), " bytes)."));
      }
      node.custom_options = bytes_.subspan(static_cast<size_t>(offset), static_cast<size_t>(size));
    }
    // Custom options need not be flexbuffers (some operators store a C struct): what can't be
    // decoded stays available as bytes.
    if (!node.custom_options.empty()) {
      if (auto custom = decode_flexbuffer(node.custom_options, limits_.flexbuffer); custom) {
        for (const auto& [key, value] : custom->entries()) node.attrs.set(key, value);
      }
    }
    return node;
  }

  Result<void> decode_options(const Table& options, AttrMap& attrs) {
    if (!options.present()) return {};
    const auto fields = options.def().fields;
    for (size_t id = 0; id < fields.size(); ++id) {
      const FieldDef& field = fields[id];
      const int at = static_cast<int>(id);
      switch (field.kind) {
        case Kind::kUnused:
        case Kind::kTable:
        case Kind::kTables:
        case Kind::kUnion:
        case Kind::kUnionType:
          break;
        case Kind::kFloat:
          attrs.set(field.name, options.real(at));
          break;
        case Kind::kString:
          attrs.set(field.name, std::string(options.string(at)));
          break;
        case Kind::kFloats: {
          std::vector<float> values;
          for (size_t i = 0; i < options.size(at); ++i) values.push_back(options.float_at(at, i));
          attrs.set(field.name, std::move(values));
          break;
        }
        case Kind::kBools:
        case Kind::kBytes:
        case Kind::kUInt16s:
        case Kind::kInt32s:
        case Kind::kUInt32s:
        case Kind::kInt64s: {
          std::vector<int64_t> values;
          for (size_t i = 0; i < options.size(at); ++i) values.push_back(options.int_at(at, i));
          name_bytes_ += 8 * values.size();
          attrs.set(field.name, std::move(values));
          break;
        }
        default:
          if (!field.names.empty()) {
            attrs.set(field.name, options.enum_name(at));
            break;
          }
          const int64_t value = options.integer(at);
          if (field.name.ends_with("subgraph_index") || field.name == "subgraph") {
            if (value < 0 || value >= static_cast<int64_t>(graph_count_)) {
              return invalid_model(cat("The option ", field.name, " is ", value, " (the file has ",
                                       graph_count_, " subgraphs)."));
            }
          }
          attrs.set(field.name, value);
      }
    }
    return {};
  }

  Result<void> read_signatures(Model& model) {
    for (size_t i = 0; i < root_.size(model::kSignatureDefs); ++i) {
      const Table table = root_.table_at(model::kSignatureDefs, i);
      Model::Signature out;
      out.name = std::string(table.string(signature::kSignatureKey));
      const uint64_t graph = table.unsigned_integer(signature::kSubgraphIndex);
      if (graph >= graph_count_) {
        return invalid_model(
            cat("Signature ", i, " names subgraph ", graph, " (the file has ", graph_count_, ")."));
      }
      out.graph = static_cast<int>(graph);
      const auto& names = names_[static_cast<size_t>(graph)];
      for (const int field :
           {static_cast<int>(signature::kInputs), static_cast<int>(signature::kOutputs)}) {
        for (size_t j = 0; j < table.size(field); ++j) {
          const Table entry = table.table_at(field, j);
          const uint64_t index = entry.unsigned_integer(tensor_map::kTensorIndex);
          if (index >= names.size()) {
            return invalid_model(cat("Signature ", i, " names tensor ", index,
                                     " (the subgraph has ", names.size(), ")."));
          }
          auto& list = field == signature::kInputs ? out.inputs : out.outputs;
          SLUICE_TRY(count_name(names[static_cast<size_t>(index)]));
          list.emplace_back(std::string(entry.string(tensor_map::kName)),
                            names[static_cast<size_t>(index)]);
        }
      }
      model.signatures.push_back(std::move(out));
    }
    return {};
  }

  // Names are repeated for every use, so a small file could ask for much memory.
  Result<void> count_name(std::string_view name) {
    name_bytes_ += name.size() + sizeof(std::string);
    if (name_bytes_ > limits_.max_name_bytes) {
      return resource_error(cat("The names of operators' inputs and outputs take ", name_bytes_,
                                " bytes (limit ", limits_.max_name_bytes, ")."));
    }
    return {};
  }

  struct OperatorCode {
    std::string name, domain;
    int64_t version = 1;
  };
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
  const Limits& limits_;
  Table root_;
  std::vector<std::span<const std::byte>> buffers_;
  std::vector<OperatorCode> codes_;
  std::vector<std::vector<std::string>> names_;  // of each subgraph's tensors
  size_t graph_count_ = 0;
  uint64_t dense_bytes_ = 0;
  uint64_t name_bytes_ = 0;
};

}  // namespace

bool is_tflite(std::span<const std::byte> bytes) {
  return bytes.size() >= 8 &&
         std::string_view(reinterpret_cast<const char*>(bytes.data() + 4), 4) == "TFL3";
}

Result<Model> read_tflite(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                          std::string_view source, const Limits& limits) {
  auto model = Reader(bytes, std::move(owner), limits).run(source);
  if (!model) {
    Error error = std::move(model).error();
    error.message = cat(source, ": ", error.message);
    return error;
  }
  return model;
}

}  // namespace sluice::format::tflite
