#include "import/tflite_scope.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/text.h"

namespace sluice::import {

using format::QuantizationDecl;
using ir::ValueId;

namespace {

// What QuantizeLinear and DequantizeLinear take besides the float8 forms.
bool is_linear_dtype(DType dtype) {
  switch (dtype) {
    case DType::kInt8:
    case DType::kUInt8:
    case DType::kInt16:
    case DType::kUInt16:
    case DType::kInt4:
    case DType::kUInt4:
    case DType::kInt2:
    case DType::kUInt2:
      return true;
    default:
      return false;
  }
}

Tensor zero_points(const QuantizationDecl& q, DType dtype, const Shape& shape) {
  auto out = Tensor::allocate(dtype, shape);
  SLUICE_CHECK(out.ok());
  for (int64_t i = 0; i < out->elements(); ++i) {
    out->set_int(i, static_cast<size_t>(i) < q.zero_points.size()
                        ? q.zero_points[static_cast<size_t>(i)]
                        : 0);
  }
  return std::move(out).value();
}

Shape parameter_shape(const QuantizationDecl& q) {
  return q.scales.size() == 1 ? Shape{} : Shape{static_cast<int64_t>(q.scales.size())};
}

bool has_zero_points(const QuantizationDecl& q) {
  return std::ranges::any_of(q.zero_points, [](int64_t z) { return z != 0; });
}

int mapped_axis(int axis, const std::vector<int64_t>& perm) {
  for (size_t i = 0; i < perm.size(); ++i) {
    if (perm[i] == axis) return static_cast<int>(i);
  }
  return axis;
}

}  // namespace

bool same_quantization(const QuantizationDecl* a, const QuantizationDecl* b) {
  if (a == nullptr || b == nullptr) return a == b;
  if (a == b) return true;
  return a->scales == b->scales && a->zero_points == b->zero_points && a->scales.size() == 1 &&
         a->block_size == 0 && b->block_size == 0;
}

namespace {

// Elements in the order of `shape`, whose last axis steps by `strides`' last entry in the source.
template <class T>
void copy_permuted(const Tensor& from, Tensor& to, const Shape& strides) {
  const auto* source = reinterpret_cast<const T*>(from.bytes().data());
  auto* out = reinterpret_cast<T*>(to.mutable_bytes().data());
  Shape outer = to.shape();
  const int64_t inner = outer.rank() == 0 ? 1 : outer[-1];
  const int64_t step = outer.rank() == 0 ? 0 : strides[-1];
  if (outer.rank() > 0) outer[-1] = 1;
  if (to.elements() == 0) return;
  for (Odometer at(outer); !at.done(); at.next()) {
    const T* row = source + at.dot(strides);
    for (int64_t i = 0; i < inner; ++i) *out++ = row[i * step];
  }
}

}  // namespace

Result<Tensor> permuted_tensor(const Tensor& from, const std::vector<int64_t>& perm) {
  const Shape source_strides = from.shape().strides();
  Shape shape, strides;
  for (const int64_t axis : perm) {
    shape.push_back(from.shape()[static_cast<int>(axis)]);
    strides.push_back(source_strides[static_cast<int>(axis)]);
  }
  SLUICE_ASSIGN(Tensor out, Tensor::allocate(from.dtype(), shape));
  switch (dtype_bits(from.dtype())) {
    case 8:
      copy_permuted<uint8_t>(from, out, strides);
      break;
    case 16:
      copy_permuted<uint16_t>(from, out, strides);
      break;
    case 32:
      copy_permuted<uint32_t>(from, out, strides);
      break;
    case 64:
      copy_permuted<uint64_t>(from, out, strides);
      break;
    default: {
      if (dtype_bits(from.dtype()) > 8)
        return unsupported(
            cat("A constant of ", dtype_name(from.dtype()), " can't be transposed."));
      int64_t to = 0;
      for (Odometer at(shape); !at.done(); at.next())
        out.set_int(to++, from.get_int(at.dot(strides)));
    }
  }
  return out;
}

TfliteScope::TfliteScope(TfliteContext& shared, ir::Graph& target,
                         const format::GraphDecl& graph_decl)
    : context(shared), graph(target), decl(graph_decl) {
  for (const auto& [name, q] : decl.quantization) quantization_.emplace(name, &q);
  for (const auto* list : {&decl.inputs, &decl.outputs, &decl.value_infos}) {
    for (const auto& value : *list) types_.emplace(value.name, &value.type);
  }
  for (const auto& init : decl.initializers) initializers_.emplace(init.name, &init.tensor);
  variables_.insert(decl.variables.begin(), decl.variables.end());
}

Result<std::vector<ValueId>> TfliteScope::emit_many(std::string_view op,
                                                    std::vector<ValueId> inputs, int outputs,
                                                    AttrMap attrs,
                                                    std::vector<ir::Subgraph> subgraphs,
                                                    std::string_view domain) {
  if (context.nodes_left-- == 0) {
    return resource_error(
        "The model has more operators than allowed (limit 1000000), counting those of called "
        "subgraphs.");
  }
  ir::Node node;
  node.domain = domain;
  node.op = op;
  node.name = cat(label_, "/", op);
  while (!inputs.empty() && inputs.back() == ir::kNoValue) inputs.pop_back();
  node.inputs = std::move(inputs);
  node.attrs = std::move(attrs);
  node.subgraphs = std::move(subgraphs);
  std::vector<ValueId> made;
  for (int i = 0; i < outputs; ++i)
    made.push_back(graph.add_value(cat(label_, "/", op, "_", graph.nodes().size())));
  node.outputs = made;
  const bool known = context.registry.find(domain, op) != nullptr;
  if (!known) context.missing.insert(node.full_op());
  const ir::NodeId id = graph.add_node(std::move(node));
  if (known) SLUICE_TRY(op::infer_node(context.registry, graph, id));
  return made;
}

Result<ValueId> TfliteScope::emit(std::string_view op, std::vector<ValueId> inputs, AttrMap attrs,
                                  std::string_view domain) {
  SLUICE_ASSIGN(auto made, emit_many(op, std::move(inputs), 1, std::move(attrs), {}, domain));
  return made[0];
}

ValueId TfliteScope::ints(std::span<const int64_t> values) {
  return constant(cat(label_, "/ints"),
                  Tensor::of<int64_t>(Shape{static_cast<int64_t>(values.size())}, values));
}

ValueId TfliteScope::scalar(DType dtype, double value) {
  return constant(cat(label_, "/scalar"), Tensor::of_doubles(dtype, Shape{}, std::span(&value, 1)));
}

std::optional<int> TfliteScope::rank(ValueId id) const {
  const Type& t = type(id);
  return t.has_rank() ? std::optional(static_cast<int>(t.dims->size())) : std::nullopt;
}

std::optional<int64_t> TfliteScope::extent(ValueId id, int axis) const {
  const Type& t = type(id);
  if (!t.has_rank()) return std::nullopt;
  const int n = static_cast<int>(t.dims->size());
  if (axis < 0) axis += n;
  if (axis < 0 || axis >= n) return std::nullopt;
  return (*t.dims)[static_cast<size_t>(axis)].get();
}

std::optional<std::vector<int64_t>> TfliteScope::known_ints(ValueId id) const {
  const ir::ValueInfo& info = graph.value(id);
  if (info.constant) {
    if (!is_integer(info.constant->dtype()) && info.constant->dtype() != DType::kBool)
      return std::nullopt;
    return info.constant->to_ints();
  }
  if (!info.known_ints) return std::nullopt;
  std::vector<int64_t> out;
  for (const Dim& dim : *info.known_ints) {
    if (!dim.is_known()) return std::nullopt;
    out.push_back(dim.value());
  }
  return out;
}

Result<ValueId> TfliteScope::cast(ValueId value, DType to) {
  if (dtype(value) == to) return value;
  if (graph.is_constant(value) && to != DType::kString &&
      graph.value(value).constant->dtype() != DType::kString) {
    SLUICE_ASSIGN(Tensor tensor, converted(*graph.value(value).constant, to));
    return constant(graph.value(value).name, std::move(tensor));
  }
  return emit("Cast", {value}, {{"to", static_cast<int64_t>(to)}});
}

Result<ValueId> TfliteScope::to_int64_vector(ValueId value) {
  SLUICE_ASSIGN(const ValueId wide, cast(value, DType::kInt64));
  if (rank(wide) == 1) return wide;
  if (graph.is_constant(wide)) {
    const Tensor& tensor = *graph.value(wide).constant;
    return constant(graph.value(wide).name, tensor.reshaped(Shape{tensor.elements()}));
  }
  return emit("Reshape", {wide, ints({-1})});
}

Result<ValueId> TfliteScope::transpose(ValueId value, std::vector<int64_t> perm) {
  bool identity = true;
  for (size_t i = 0; i < perm.size(); ++i)
    identity = identity && perm[i] == static_cast<int64_t>(i);
  if (identity) return value;
  if (const auto found = transposed_.find({value, perm}); found != transposed_.end())
    return found->second;
  SLUICE_ASSIGN(const ValueId out, emit("Transpose", {value}, {{"perm", perm}}));
  transposed_.emplace(std::pair(value, perm), out);
  // The way back costs nothing.
  std::vector<int64_t> back(perm.size());
  for (size_t i = 0; i < perm.size(); ++i)
    back[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  transposed_.emplace(std::pair(out, std::move(back)), value);
  return out;
}

Result<ValueId> TfliteScope::to_nchw(ValueId value) {
  if (const auto n = rank(value); n && *n != 4) {
    return invalid_model(
        cat("A tensor of rank ", *n, " is given where an image of rank 4 is needed."));
  }
  return transpose(value, {0, 3, 1, 2});
}

Result<ValueId> TfliteScope::to_nhwc(ValueId value) { return transpose(value, {0, 2, 3, 1}); }

Result<ValueId> TfliteScope::reshape(ValueId value, std::span<const int64_t> shape) {
  return emit("Reshape", {value, ints(shape)});
}

Result<ValueId> TfliteScope::dequantize(ValueId value, const QuantizationDecl& q) {
  const DType from = dtype(value);
  if (q.block_size > 0) {
    const TfliteConstant* scales = constant_of(q.scales_tensor);
    const auto n = rank(value);
    if (scales == nullptr || !n || scales->tensor.rank() != *n) {
      return unsupported(
          "A tensor is quantized in blocks by scales that are not constant or not of its rank.");
    }
    int axis = -1;
    for (int i = 0; i < *n; ++i) {
      const auto mine = extent(value, i);
      if (!mine) return unsupported("A tensor of unknown shape is quantized in blocks.");
      if (*mine == scales->tensor.dim(i)) continue;
      if (axis >= 0 || scales->tensor.dim(i) * q.block_size != *mine) {
        return invalid_model(cat("Block scales of shape ", scales->tensor.shape().text(),
                                 " do not fit a tensor of type ", type(value).text(),
                                 " in blocks of ", q.block_size, "."));
      }
      axis = i;
    }
    if (axis < 0) axis = *n - 1;
    SLUICE_ASSIGN(Tensor wide, converted(scales->tensor, DType::kFloat32));
    std::vector<ValueId> inputs = {value, constant(q.scales_tensor, std::move(wide))};
    if (!q.zero_points_tensor.empty()) {
      const TfliteConstant* zeros = constant_of(q.zero_points_tensor);
      if (zeros == nullptr || !(zeros->tensor.shape() == scales->tensor.shape())) {
        return unsupported(
            "A tensor is quantized in blocks by zero points that are not constant or not shaped as "
            "its scales.");
      }
      SLUICE_ASSIGN(Tensor same, converted(zeros->tensor, from));
      inputs.push_back(constant(q.zero_points_tensor, std::move(same)));
    }
    return emit("DequantizeLinear", inputs,
                {{"axis", int64_t{axis}}, {"block_size", int64_t{q.block_size}}});
  }
  const Shape shape = parameter_shape(q);
  if (!is_linear_dtype(from) && !(from == DType::kInt32 && !has_zero_points(q))) {
    // Wider integers than DequantizeLinear takes (int64 biases): now where constant, else in
    // float64.
    if (graph.is_constant(value)) {
      const Tensor& stored = *graph.value(value).constant;
      SLUICE_ASSIGN(Tensor out, Tensor::allocate(DType::kFloat32, stored.shape()));
      const int64_t inner =
          q.scales.size() == 1 ? 1 : stored.shape().elements(q.axis + 1, stored.rank());
      for (int64_t i = 0; i < stored.elements(); ++i) {
        const size_t p =
            q.scales.size() == 1 ? 0 : static_cast<size_t>(i / inner % stored.dim(q.axis));
        const int64_t zero = p < q.zero_points.size() ? q.zero_points[p] : 0;
        out.set_double(i, static_cast<double>(q.scales[p]) *
                              (static_cast<double>(stored.get_int(i)) - static_cast<double>(zero)));
      }
      return constant(graph.value(value).name, std::move(out));
    }
    if (q.scales.size() != 1)
      return unsupported(
          cat("A tensor of type ", type(value).text(), " is quantized per channel."));
    SLUICE_ASSIGN(ValueId wide, cast(value, DType::kFloat64));
    if (has_zero_points(q)) {
      SLUICE_ASSIGN(
          wide,
          emit("Sub", {wide, scalar(DType::kFloat64, static_cast<double>(q.zero_points[0]))}));
    }
    SLUICE_ASSIGN(wide, emit("Mul", {wide, scalar(DType::kFloat64, q.scales[0])}));
    return cast(wide, DType::kFloat32);
  }
  std::vector<ValueId> inputs = {
      value, constant(cat(graph.value(value).name, "/scale"),
                      Tensor::of<float>(shape, std::span<const float>(q.scales)))};
  if (has_zero_points(q))
    inputs.push_back(
        constant(cat(graph.value(value).name, "/zero_point"), zero_points(q, from, shape)));
  AttrMap attrs;
  if (q.scales.size() != 1) attrs.set("axis", int64_t{q.axis});
  return emit("DequantizeLinear", std::move(inputs), std::move(attrs));
}

Result<ValueId> TfliteScope::quantize(ValueId value, DType to, const QuantizationDecl& q) {
  if (q.block_size > 0) return unsupported("A computed tensor is quantized in blocks.");
  if (is_linear_dtype(to)) {
    const Shape shape = parameter_shape(q);
    AttrMap attrs;
    if (q.scales.size() != 1) attrs.set("axis", int64_t{q.axis});
    return emit("QuantizeLinear",
                {value,
                 constant(cat(label_, "/scale"),
                          Tensor::of<float>(shape, std::span<const float>(q.scales))),
                 constant(cat(label_, "/zero_point"), zero_points(q, to, shape))},
                std::move(attrs));
  }
  if (!is_integer(to) || q.scales.size() != 1 || q.scales[0] == 0) {
    return unsupported(cat("A computed tensor of ", dtype_name(to), " with ", q.scales.size(),
                           " scales can't be quantized."));
  }
  // int32 and wider: in float64, which holds every int32.
  SLUICE_ASSIGN(ValueId wide, cast(value, DType::kFloat64));
  SLUICE_ASSIGN(wide, emit("Div", {wide, scalar(DType::kFloat64, q.scales[0])}));
  SLUICE_ASSIGN(wide, emit("Round", {wide}));
  if (has_zero_points(q)) {
    SLUICE_ASSIGN(
        wide, emit("Add", {wide, scalar(DType::kFloat64, static_cast<double>(q.zero_points[0]))}));
  }
  if (to == DType::kInt32) {
    SLUICE_ASSIGN(wide, emit("Clip", {wide, scalar(DType::kFloat64, -2147483648.0),
                                      scalar(DType::kFloat64, 2147483647.0)}));
  }
  return cast(wide, to);
}

TfliteScope::Slot* TfliteScope::slot(const std::string& name) {
  const auto found = slots_.find(name);
  if (found != slots_.end()) return &found->second;
  if (const auto init = initializers_.find(name); init != initializers_.end()) {
    Slot& made = slots_[name];
    made.constant = TfliteConstant{*init->second, quantization(name), false, false};
    return &made;
  }
  return nullptr;
}

const TfliteConstant* TfliteScope::constant_of(const std::string& name) {
  Slot* found = slot(name);
  return found != nullptr && found->constant ? &*found->constant : nullptr;
}

Result<ValueId> TfliteScope::real_of_constant(const TfliteConstant& from, ValueId stored) {
  ValueId out = stored;
  if (from.quantization != nullptr) {
    SLUICE_ASSIGN(out, dequantize(out, *from.quantization));
  }
  if (from.widen) {
    SLUICE_ASSIGN(out, emit("Cast", {out}, {{"to", static_cast<int64_t>(DType::kFloat32)}}));
  }
  return out;
}

Result<ValueId> TfliteScope::raw(const std::string& name) {
  Slot* found = slot(name);
  if (found == nullptr) {
    // A variable's initial state, or a tensor without elements (which needs no data).
    const Type* declared = declared_type(name);
    const auto shape = declared != nullptr ? declared->shape() : std::nullopt;
    const bool state = is_variable(name);
    if (!shape || (!state && shape->checked_elements() != 0)) {
      return invalid_model(
          cat("The tensor ", quoted(name), " is used before anything has made it."));
    }
    Slot& made = slots_[name];
    if (state && context.options.explicit_state &&
        &decl == &context.model.graphs[static_cast<size_t>(context.calls.front())]) {
      made.raw = graph.add_input(name, *declared);
      return made.raw;
    }
    constexpr uint64_t kMaxStateBytes = uint64_t{1} << 30;  // the file stores none of them
    const auto elements = shape->checked_elements();
    const auto size = elements ? storage_bytes(declared->dtype, *elements) : std::nullopt;
    if (!size || *size > kMaxStateBytes) {
      return resource_error(cat("The state ", quoted(name), " of type ", declared->text(),
                                " is larger than allowed (limit ", kMaxStateBytes, " bytes)."));
    }
    SLUICE_ASSIGN(Tensor zeros, Tensor::allocate(declared->dtype, *shape));
    const QuantizationDecl* q = quantization(name);
    if (q != nullptr && q->zero_points.size() == 1 && q->zero_points[0] != 0) {
      for (int64_t i = 0; i < zeros.elements(); ++i) zeros.set_int(i, q->zero_points[0]);
    }
    made.raw = graph.add_constant(name, std::move(zeros));
    return made.raw;
  }
  if (found->raw != ir::kNoValue) return found->raw;
  if (found->constant->is_real) return real(name);
  found->raw = graph.add_constant(name, found->constant->tensor);
  return found->raw;
}

Result<ValueId> TfliteScope::real(const std::string& name) {
  Slot* found = slot(name);
  if (found != nullptr && found->real != ir::kNoValue) return found->real;
  if (found != nullptr && found->constant && found->constant->is_real) {
    const ValueId stored = graph.add_constant(cat(name, "/stored"), found->constant->tensor);
    SLUICE_ASSIGN(const ValueId out, real_of_constant(*found->constant, stored));
    graph.rename(out, name);
    found->raw = found->real = out;
    named_.insert(out);
    return out;
  }
  SLUICE_ASSIGN(const ValueId stored, raw(name));
  const QuantizationDecl* q = quantization(name);
  ValueId out = stored;
  if (q != nullptr) {
    SLUICE_ASSIGN(out, dequantize(stored, *q));
  }
  slots_[name].real = out;
  return out;
}

Result<ValueId> TfliteScope::real_permuted(const std::string& name,
                                           const std::vector<int64_t>& perm) {
  const TfliteConstant* from = constant_of(name);
  if (from == nullptr || dtype_bits(from->tensor.dtype()) == 0) {
    SLUICE_ASSIGN(const ValueId value, real(name));
    return transpose(value, perm);
  }
  if (from->tensor.rank() != static_cast<int>(perm.size())) {
    return invalid_model(cat("The constant ", quoted(name), " has shape ",
                             from->tensor.shape().text(), " (rank ", perm.size(), " is needed)."));
  }
  const auto key = std::pair(name, perm);
  if (const auto found = permuted_.find(key); found != permuted_.end()) return found->second;
  SLUICE_ASSIGN(Tensor tensor, permuted_tensor(from->tensor, perm));
  std::string suffix;
  for (const int64_t axis : perm) suffix += cat(axis);
  const ValueId stored = graph.add_constant(cat(name, "/perm", suffix), std::move(tensor));
  ValueId out = stored;
  if (from->quantization != nullptr) {
    QuantizationDecl q = *from->quantization;
    q.axis = mapped_axis(q.axis, perm);
    if (q.block_size > 0) {
      const TfliteConstant* scales = constant_of(q.scales_tensor);
      if (scales == nullptr || scales->tensor.rank() != static_cast<int>(perm.size()) ||
          !q.zero_points_tensor.empty()) {
        return unsupported(
            cat("The constant ", quoted(name),
                " is quantized in blocks with scales or zero points that can't be transposed."));
      }
      // A permuted copy of the scales under a name of its own.
      const std::string scale_name = cat(q.scales_tensor, "/perm", suffix);
      if (constant_of(scale_name) == nullptr) {
        SLUICE_ASSIGN(Tensor moved, permuted_tensor(scales->tensor, perm));
        slots_[scale_name].constant = TfliteConstant{std::move(moved), nullptr, false, false};
      }
      q.scales_tensor = scale_name;
    }
    SLUICE_ASSIGN(out, dequantize(stored, q));
  }
  if (from->widen) {
    SLUICE_ASSIGN(out, emit("Cast", {out}, {{"to", static_cast<int64_t>(DType::kFloat32)}}));
  }
  permuted_.emplace(key, out);
  return out;
}

const QuantizationDecl* TfliteScope::quantization(const std::string& name) const {
  const auto found = quantization_.find(name);
  return found == quantization_.end() ? nullptr : found->second;
}

const Type* TfliteScope::declared_type(const std::string& name) const {
  const auto found = types_.find(name);
  return found == types_.end() ? nullptr : found->second;
}

void TfliteScope::bind_input(const std::string& name, ValueId value) {
  slots_[name].raw = value;
  named_.insert(value);
}

Result<void> TfliteScope::bind_constant(const std::string& name, TfliteConstant from) {
  slots_[name].constant = std::move(from);
  return {};
}

Result<void> TfliteScope::bind(const std::string& name, ValueId value) {
  if (name.empty()) return {};
  const Type* declared = declared_type(name);
  const DType want =
      declared != nullptr && declared->is_tensor() ? declared->dtype : DType::kUndefined;
  if (want != DType::kUndefined && dtype(value) != DType::kUndefined && dtype(value) != want) {
    SLUICE_ASSIGN(value, emit("Cast", {value}, {{"to", static_cast<int64_t>(want)}}));
  }
  if (named_.contains(value) || graph.value(value).producer == ir::kNoNode) {
    SLUICE_ASSIGN(value, emit("Identity", {value}));
  }
  graph.rename(value, name);
  named_.insert(value);
  Type& mine = graph.value(value).type;
  if (declared != nullptr && declared->is_tensor()) {
    if (!mine.is_tensor()) mine = Type::tensor(want);
    // The file's shape helps where inference gave up, unless it depends on the inputs' shapes.
    if (context.static_shapes && declared->dims && declared->shape()) {
      if (!mine.dims) {
        mine.dims = declared->dims;
      } else if (mine.dims->size() == declared->dims->size()) {
        for (size_t i = 0; i < mine.dims->size(); ++i) {
          if ((*mine.dims)[i].is_unknown()) (*mine.dims)[i] = (*declared->dims)[i];
        }
      }
    }
  }
  Slot& mine_slot = slots_[name];
  mine_slot = Slot{};
  mine_slot.raw = value;
  return {};
}

Result<void> TfliteScope::set_state(const std::string& name, ValueId raw_value) {
  if (!is_variable(name)) return {};
  Slot& mine = slots_[name];
  mine = Slot{};
  mine.raw = raw_value;
  context.next_states.emplace_back(name, raw_value);
  return {};
}

Result<void> TfliteScope::build(std::span<const std::string> wanted) {
  // Operators stand in order, so one pass from the end finds what is needed. Those without outputs
  // assign variables and stay.
  std::vector<bool> needed(decl.nodes.size(), wanted.empty());
  std::set<std::string_view> values(wanted.begin(), wanted.end());
  for (size_t i = decl.nodes.size(); i-- > 0 && !wanted.empty();) {
    const format::NodeDecl& node = decl.nodes[i];
    needed[i] = node.outputs.empty() ||
                std::ranges::any_of(node.outputs,
                                    [&](const std::string& name) { return values.contains(name); });
    if (needed[i]) values.insert(node.inputs.begin(), node.inputs.end());
  }
  for (size_t i = 0; i < decl.nodes.size(); ++i) {
    if (!needed[i]) continue;
    const format::NodeDecl& node = decl.nodes[i];
    label_ = node.name;
    TfliteNode at(*this, node);
    const TfliteHandler handler = find_tflite_handler(node);
    Result<void> done;
    if (handler != nullptr) {
      done = handler(at);
    } else if (context.options.allow_unknown) {
      done = import_unknown_tflite_node(*this, node);
    } else {
      done = unsupported(cat("The operator ", node.op, " is not supported."));
    }
    if (!done) {
      std::string outputs =
          node.outputs.empty() ? std::string() : cat(" that makes ", quoted(node.outputs[0]));
      return std::move(done).error().while_doing(cat("importing operator ", node.name, outputs));
    }
  }
  return {};
}

Result<std::vector<ValueId>> TfliteScope::outputs() {
  std::vector<ValueId> out;
  label_ = "outputs";
  for (const auto& value : decl.outputs) {
    SLUICE_ASSIGN(const ValueId id, raw(value.name));
    out.push_back(id);
  }
  return out;
}

Result<std::vector<ValueId>> TfliteScope::inlined(int index, std::span<const ValueId> inputs) {
  if (index < 0 || static_cast<size_t>(index) >= context.model.graphs.size()) {
    return invalid_model(
        cat("Subgraph ", index, " is called (the file has ", context.model.graphs.size(), ")."));
  }
  if (std::ranges::find(context.calls, index) != context.calls.end()) {
    return invalid_model(cat("Subgraph ", index, " calls itself."));
  }
  const format::GraphDecl& callee = context.model.graphs[static_cast<size_t>(index)];
  if (callee.inputs.size() != inputs.size()) {
    return invalid_model(cat("Subgraph ", index, " takes ", callee.inputs.size(), " inputs (",
                             inputs.size(), " are given)."));
  }
  context.calls.push_back(index);
  TfliteScope inner(context, graph, callee);
  for (size_t i = 0; i < inputs.size(); ++i) inner.bind_input(callee.inputs[i].name, inputs[i]);
  SLUICE_TRY(inner.build());
  auto out = inner.outputs();
  context.calls.pop_back();
  return out;
}

// --- TfliteNode

Result<void> TfliteNode::need(int inputs, int outputs) const {
  for (int i = 0; i < inputs; ++i) {
    if (!has(i)) return fail(cat("input ", i, " is missing (", input_count(), " are given)"));
  }
  if (output_count() < outputs)
    return fail(cat("it has ", output_count(), " outputs (", outputs, " are needed)"));
  for (int i = 0; i < outputs; ++i) {
    if (out_name(i).empty()) return fail(cat("output ", i, " is missing"));
  }
  return {};
}

Result<std::vector<int64_t>> TfliteNode::const_ints(int i, std::string_view what) {
  if (!has(i)) return fail(cat("the ", what, " (input ", i, ") is missing"));
  SLUICE_ASSIGN(const ValueId value, raw(i));
  auto values = s.known_ints(value);
  if (!values) return no_support(cat("the ", what, " (input ", i, ") is computed at run time"));
  return std::move(*values);
}

DType TfliteNode::out_dtype(int i) const {
  const Type* declared = s.declared_type(out_name(i));
  return declared != nullptr ? declared->dtype : DType::kUndefined;
}

Result<void> TfliteNode::set(int i, ValueId value) {
  if (i >= output_count() || out_name(i).empty()) return {};
  const format::QuantizationDecl* q = s.quantization(out_name(i));
  const DType to = out_dtype(i);
  // Comparisons and indices may carry idle parameters: only real numbers are quantized.
  if (q != nullptr && is_integer(to) && is_floating(s.dtype(value))) {
    SLUICE_ASSIGN(value, s.quantize(value, to, *q));
  }
  return s.bind(out_name(i), value);
}

bool TfliteNode::alike(int i, int o) const {
  return same_quantization(s.quantization(in_name(i)), s.quantization(out_name(o)));
}

Result<ValueId> TfliteNode::activated(ValueId value, std::string_view function) {
  const DType dtype = s.dtype(value) == DType::kUndefined ? DType::kFloat32 : s.dtype(value);
  if (function == "NONE") return value;
  if (function == "RELU") return s.emit("Relu", {value});
  if (function == "RELU6") return s.emit("Clip", {value, s.scalar(dtype, 0), s.scalar(dtype, 6)});
  if (function == "RELU_N1_TO_1")
    return s.emit("Clip", {value, s.scalar(dtype, -1), s.scalar(dtype, 1)});
  if (function == "TANH") return s.emit("Tanh", {value});
  if (function == "SIGN_BIT") {
    SLUICE_ASSIGN(const ValueId negative, s.emit("Less", {value, s.scalar(dtype, 0)}));
    return s.cast(negative, dtype);
  }
  return no_support(cat("the fused activation ", quoted(function), " is not known"));
}

Error TfliteNode::fail(std::string_view sentence) const {
  return invalid_model(cat("In ", decl.op, ": ", sentence, "."));
}
Error TfliteNode::no_support(std::string_view sentence) const {
  return unsupported(cat("In ", decl.op, ": ", sentence, "."));
}

}  // namespace sluice::import
