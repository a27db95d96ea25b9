#include "op/lower.h"

#include <algorithm>

#include "base/text.h"

namespace sluice::op {

LowerContext::LowerContext(const ir::Graph& graph, const ir::Node& node, plan::Plan& plan,
                           const std::vector<plan::SlotId>* slots)
    : NodeView(graph, node), plan_(plan), slots_(slots) {}

Error LowerContext::refuse(std::string_view sentence) const {
  return unsupported(cat(node().label(), ": ", sentence));
}

Result<Shape> LowerContext::static_in(int i) {
  auto shape = input_type(i).shape();
  if (!shape) {
    made.wants_static = true;
    return refuse(cat("input ", i, " has the shape ", input_type(i).text(),
                      ", and this kernel needs numbers"));
  }
  return *shape;
}

Result<Shape> LowerContext::static_out(int i) {
  auto shape = output_type(i).shape();
  if (!shape) {
    made.wants_static = true;
    return refuse(cat("output ", i, " has the shape ", output_type(i).text(),
                      ", and this kernel needs numbers"));
  }
  return *shape;
}

Result<Tensor> LowerContext::need_constant(int i) {
  if (const Tensor* known = NodeView::constant(i)) return *known;
  if (has_input(i)) made.wanted.push_back(node().input(i));
  return refuse(cat("the contents of input ", i, " are not known before the run"));
}

Result<std::vector<int64_t>> LowerContext::need_ints(int i) {
  if (const auto known = ints(i)) {
    std::vector<int64_t> values;
    for (const Dim& dim : *known) {
      if (dim.is_known()) values.push_back(dim.value());
    }
    if (values.size() == known->size()) return values;
    if (std::ranges::none_of(*known, [](const Dim& d) { return d.is_unknown(); })) {
      made.wants_static = true;
    }
  }
  if (has_input(i)) made.wanted.push_back(node().input(i));
  return refuse(cat("the contents of input ", i, " are not known before the run"));
}

plan::SlotId LowerContext::temp(plan::DeviceFormat format, Dim elements) {
  plan::Slot slot;
  slot.name = cat(node().name.empty() ? node().op : node().name, "#", made.temps.size());
  const DType dtype = format == plan::DeviceFormat::kF32   ? DType::kFloat32
                      : format == plan::DeviceFormat::kF16 ? DType::kFloat16
                      : format == plan::DeviceFormat::kI32 ? DType::kInt32
                      : format == plan::DeviceFormat::kU32 ? DType::kUInt32
                      : format == plan::DeviceFormat::kI64 ? DType::kInt64
                      : format == plan::DeviceFormat::kU64 ? DType::kUInt64
                                                           : DType::kFloat64;
  slot.type = Type::tensor(dtype, Dims{std::move(elements)});
  slot.storage = plan::Storage::kArena;
  slot.format = format;
  plan_.slots.push_back(std::move(slot));
  made.temps.push_back(static_cast<plan::SlotId>(plan_.slots.size() - 1));
  return made.temps.back();
}

plan::SlotId LowerContext::constant(Tensor tensor, std::string_view name) {
  plan::Slot slot;
  slot.name = std::string(name);
  slot.type = Type::tensor(tensor.dtype(), to_dims(tensor.shape()));
  slot.storage = plan::Storage::kConstant;
  slot.format = plan::device_format(tensor.dtype(), features().f16);
  slot.constant = std::move(tensor);
  plan_.slots.push_back(std::move(slot));
  made.constants.push_back(static_cast<plan::SlotId>(plan_.slots.size() - 1));
  return made.constants.back();
}

Result<plan::SlotId> LowerContext::packed_constant(DType dtype, const Shape& shape,
                                                   std::string_view name, Pack pack) {
  if (!made.defer_packing) {
    SLUICE_ASSIGN(Tensor packed, pack());
    return constant(std::move(packed), name);
  }
  const plan::SlotId slot = constant(Tensor::shape_only(dtype, shape), name);
  made.packs.emplace_back(slot, std::move(pack));
  return slot;
}

void LowerContext::add(plan::DispatchRequest request) {
  made.requests.push_back(std::move(request));
}

Dim elements(const Dims& dims) { return product(dims, 0, dims.size()); }

Dims strides(const Dims& dims) {
  Dims result(dims.size(), Dim(1));
  for (size_t i = dims.size(); i-- > 1;) result[i - 1] = result[i] * dims[i];
  return result;
}

Dims broadcast_strides(const Dims& dims, const Dims& out) {
  const Dims own = strides(dims);
  Dims result(out.size(), Dim(0));
  for (size_t i = 0; i < dims.size() && i < out.size(); ++i) {
    const size_t from = dims.size() - 1 - i, to = out.size() - 1 - i;
    const bool repeated = dims[from].is_known() && dims[from].value() == 1 &&
                          !(out[to].is_known() && out[to].value() == 1);
    result[to] = repeated ? Dim(0) : own[from];
  }
  return result;
}

void merge_axes(Dims& shape, std::vector<Dims*> lists) {
  const auto drop = [&](size_t axis) {
    shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
    for (Dims* list : lists) list->erase(list->begin() + static_cast<std::ptrdiff_t>(axis));
  };
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i].is_known() && shape[i].value() == 1) drop(i);
  }
  for (size_t i = shape.size(); i-- > 1;) {
    const bool contiguous = std::ranges::all_of(
        lists, [&](const Dims* list) { return (*list)[i - 1] == (*list)[i] * shape[i]; });
    if (!contiguous) continue;
    // The pair becomes one axis that keeps the inner stride.
    shape[i] = shape[i - 1] * shape[i];
    drop(i - 1);
  }
}

Dim workgroups(const Dim& count, int64_t size) { return Dim::ceil_div(count, Dim(size)); }

std::array<Dim, 8> eight(const Dims& dims, const Dim& fill) {
  std::array<Dim, 8> result;
  result.fill(fill);
  for (size_t i = 0; i < dims.size() && i < 8; ++i) result[8 - dims.size() + i] = dims[i];
  return result;
}

Result<int> gpu_axis(const LowerContext& context, int64_t axis, size_t rank) {
  const int64_t r = static_cast<int64_t>(rank);
  if (axis < -r || axis >= r) {
    return context.refuse(cat("axis ", axis, " is outside the rank (", rank, ")"));
  }
  return static_cast<int>(axis < 0 ? axis + r : axis);
}

}  // namespace sluice::op
