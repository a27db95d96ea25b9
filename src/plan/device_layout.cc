#include "plan/device_layout.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/checked.h"
#include "base/half.h"
#include "base/text.h"

namespace sluice::plan {

namespace {

constexpr uint64_t kBufferAlignment = 16;  // vec4 bindings read whole vectors

Result<uint64_t> bytes_of(const Slot& slot, const Dim::Environment& symbols) {
  Checked bytes(element_bytes(slot.format));
  for (const Dim& dim : *slot.type.dims) {
    const auto extent = dim.evaluate(symbols);
    if (!extent) {
      return resource_error(
          cat("The size of ", quoted(slot.name), " (", slot.type.text(), ") is not known"));
    }
    if (*extent < 0) {
      return invalid_model(cat(quoted(slot.name), " has the extent ", *extent,
                               " (0 is the least): ", slot.type.text()));
    }
    bytes = bytes * Checked::from_signed(*extent);
  }
  const Checked padded = (bytes.valid() && bytes.value() == 0 ? Checked(kBufferAlignment) : bytes)
                             .round_up(kBufferAlignment);
  if (!padded.valid()) {
    return resource_error(
        cat("The size of ", quoted(slot.name), " (", slot.type.text(), ") overflows 64 bits"));
  }
  return padded.value();
}

std::string describe(const Step& step) {
  return cat(step.op, step.node.empty() ? "" : " ", step.node.empty() ? "" : quoted(step.node));
}

// Which slots (roots) the host writes during a run: inputs, and what islands make.
std::vector<bool> uploaded_slots(const Plan& plan) {
  std::vector<bool> out(plan.slots.size(), false);
  const auto add = [&](SlotId id) {
    if (id != kNoSlot) out[static_cast<size_t>(plan.root(id))] = true;
  };
  for (const SlotId id : plan.inputs) add(id);
  for (const Step& step : plan.steps) {
    if (!plan.is_island(step)) continue;
    for (const SlotId id : step.outputs) add(id);
  }
  return out;
}

}  // namespace

Result<DeviceLayout> lay_out_device(const Plan& plan, const Dim::Environment& symbols,
                                    const DeviceLayout* keep) {
  DeviceLayout layout;
  layout.buffer.assign(plan.slots.size(), -1);
  layout.slot_bytes.assign(plan.slots.size(), 0);
  std::vector<SlotId> order;
  for (size_t s = 0; s < plan.slots.size(); ++s) {
    const Slot& slot = plan.slots[s];
    if (slot.format == DeviceFormat::kNone || !slot.type.dims) continue;
    SLUICE_ASSIGN(layout.slot_bytes[s], bytes_of(slot, symbols));
    if (slot.storage == Storage::kAlias) continue;
    if (layout.slot_bytes[s] > plan.limits.max_buffer_bytes) {
      return resource_error(cat(quoted(slot.name), " (", slot.type.text(), ") needs a buffer of ",
                                layout.slot_bytes[s], " bytes (", plan.limits.max_buffer_bytes,
                                " is the limit)"));
    }
    order.push_back(static_cast<SlotId>(s));
  }
  if (keep != nullptr && keep->buffer.size() == plan.slots.size()) {
    layout.buffer_bytes = keep->buffer_bytes;
    for (const SlotId id : order) {
      const size_t s = static_cast<size_t>(id);
      layout.buffer[s] = keep->buffer[s];
      uint64_t& size = layout.buffer_bytes[static_cast<size_t>(keep->buffer[s])];
      size = std::max(size, layout.slot_bytes[s]);
    }
  } else {
    // Largest first, each into the first buffer that is free during its life. Outputs are poisoned
    // before a run: where the host writes later lies none of them, so that a device that does
    // nothing leaves poison.
    const std::vector<bool> uploaded = uploaded_slots(plan);
    std::vector<bool> poisoned(plan.slots.size(), false);
    for (const SlotId id : plan.outputs) {
      if (id != kNoSlot) poisoned[static_cast<size_t>(plan.root(id))] = true;
    }
    std::ranges::stable_sort(order, [&](SlotId a, SlotId b) {
      return layout.slot_bytes[static_cast<size_t>(a)] > layout.slot_bytes[static_cast<size_t>(b)];
    });
    struct Tenant {
      int first, last;
      bool uploaded, poisoned;
    };
    std::vector<std::vector<Tenant>> tenants;
    for (const SlotId id : order) {
      const size_t s = static_cast<size_t>(id);
      const Slot& slot = plan.slot(id);
      const bool forever = slot.storage == Storage::kConstant;
      const Tenant own = {.first = forever ? -1 : slot.first_step,
                          .last = forever ? INT32_MAX : slot.last_step,
                          .uploaded = uploaded[s],
                          .poisoned = poisoned[s]};
      size_t buffer = 0;
      for (; buffer < tenants.size(); ++buffer) {
        if (!forever && std::ranges::none_of(tenants[buffer], [&](const Tenant& other) {
              return (other.first <= own.last && own.first <= other.last) ||
                     (other.uploaded && own.poisoned) || (other.poisoned && own.uploaded);
            })) {
          break;
        }
      }
      if (buffer == tenants.size()) {
        tenants.emplace_back();
        layout.buffer_bytes.push_back(layout.slot_bytes[s]);
      }
      tenants[buffer].push_back(own);
      layout.buffer[s] = static_cast<int32_t>(buffer);
    }
  }
  for (size_t s = 0; s < plan.slots.size(); ++s) {
    const Slot& slot = plan.slots[s];
    if (slot.format == DeviceFormat::kNone) continue;
    if (slot.storage == Storage::kAlias) {
      layout.buffer[s] = layout.buffer[static_cast<size_t>(plan.root(static_cast<SlotId>(s)))];
    }
    if (slot.storage == Storage::kConstant) layout.constant_bytes += layout.slot_bytes[s];
  }
  for (const uint64_t bytes : layout.buffer_bytes) {
    layout.total_bytes += bytes;
    layout.largest_buffer_bytes = std::max(layout.largest_buffer_bytes, bytes);
  }
  for (const Step& step : plan.steps) {
    for (const Dispatch& dispatch : step.dispatches) {
      if (!dispatch.params.empty()) {
        layout.uniform_bytes += Checked(dispatch.params.size() * 4)
                                    .round_up(plan.limits.min_uniform_offset_alignment)
                                    .value();
      }
      const auto count = static_cast<uint32_t>(dispatch.bindings.size());
      layout.most_storage_buffers = std::max(layout.most_storage_buffers, count);
      if (count > plan.limits.max_storage_buffers_per_stage) {
        return internal_error(cat(describe(step), " binds ", count, " storage buffers (",
                                  plan.limits.max_storage_buffers_per_stage, " is the limit)"));
      }
      for (size_t i = 0; i < dispatch.bindings.size(); ++i) {
        SLUICE_ASSIGN(const ResolvedBinding bound,
                      resolve(plan, layout, dispatch.bindings[i], symbols));
        if (bound.size_bytes > plan.limits.max_storage_binding_bytes) {
          return resource_error(cat(describe(step), " binds ", bound.size_bytes, " bytes of ",
                                    quoted(plan.slot(dispatch.bindings[i].range.slot).name), " (",
                                    plan.limits.max_storage_binding_bytes, " is the limit)"));
        }
        if (bound.size_bytes > layout.largest_binding_bytes) {
          layout.largest_binding_bytes = bound.size_bytes;
          layout.largest_binding = cat(describe(step), " binding ", i);
        }
        for (size_t j = 0; j < i; ++j) {
          SLUICE_ASSIGN(const ResolvedBinding other,
                        resolve(plan, layout, dispatch.bindings[j], symbols));
          const bool written = dispatch.bindings[i].writable || dispatch.bindings[j].writable;
          if (!written || other.buffer != bound.buffer) continue;
          const bool both = dispatch.bindings[i].writable && dispatch.bindings[j].writable;
          const bool overlap = other.offset_bytes < bound.offset_bytes + bound.size_bytes &&
                               bound.offset_bytes < other.offset_bytes + other.size_bytes;
          if (!both || overlap) {
            return internal_error(cat(describe(step), " binds one buffer for reading and writing (",
                                      quoted(plan.slot(dispatch.bindings[i].range.slot).name), ", ",
                                      quoted(plan.slot(dispatch.bindings[j].range.slot).name),
                                      ")"));
          }
        }
      }
    }
  }
  layout.total_bytes += layout.uniform_bytes;
  return layout;
}

Result<ResolvedBinding> resolve(const Plan& plan, const DeviceLayout& layout,
                                const BoundRange& bound, const Dim::Environment& symbols) {
  const size_t slot = static_cast<size_t>(bound.range.slot);
  const uint64_t slot_bytes = layout.slot_bytes[slot];
  const auto offset = bound.range.offset_bytes.evaluate(symbols);
  if (!offset || *offset < 0 || static_cast<uint64_t>(*offset) >= slot_bytes ||
      *offset % plan.limits.min_storage_offset_alignment != 0) {
    return internal_error(cat("A binding of ", quoted(plan.slots[slot].name), " starts at ",
                              bound.range.offset_bytes.text(), " (", slot_bytes,
                              " bytes, multiples of ", plan.limits.min_storage_offset_alignment,
                              ")"));
  }
  ResolvedBinding result;
  result.buffer = layout.buffer[slot];
  result.offset_bytes = static_cast<uint64_t>(*offset);
  uint64_t size = slot_bytes - result.offset_bytes;
  if (!bound.range.size_bytes.is_unknown()) {
    const auto wanted = bound.range.size_bytes.evaluate(symbols);
    if (!wanted || *wanted < 0) {
      return internal_error(cat("A binding of ", quoted(plan.slots[slot].name), " has the size ",
                                bound.range.size_bytes.text()));
    }
    // Whole vectors, but never past the slot's (padded) end.
    const uint64_t rounded = (std::max<uint64_t>(static_cast<uint64_t>(*wanted), 1) + 15) / 16 * 16;
    size = std::min(size, rounded);
  }
  result.size_bytes = size;
  result.offset_bytes += plan.root_offset(bound.range.slot);
  return result;
}

Result<Grid> fold_grid(uint64_t count, uint32_t max_per_dimension) {
  if (count == 0) return Grid{};
  const uint64_t max = max_per_dimension;
  if (count <= max) return Grid{static_cast<uint32_t>(count), 1, 1};
  // Even rows keep the number of surplus workgroups small.
  const uint64_t rows = count / max + (count % max != 0 ? 1 : 0);
  if (rows <= max) {
    return Grid{static_cast<uint32_t>((count + rows - 1) / rows), static_cast<uint32_t>(rows), 1};
  }
  const uint64_t layers = rows / max + (rows % max != 0 ? 1 : 0);
  if (layers > max) {
    return resource_error(
        cat("A dispatch needs ", count, " workgroups (", max, "^3 is the limit)"));
  }
  return Grid{static_cast<uint32_t>(max), static_cast<uint32_t>((rows + layers - 1) / layers),
              static_cast<uint32_t>(layers)};
}

Result<std::vector<uint32_t>> evaluate_words(const Dispatch& dispatch,
                                             const Dim::Environment& symbols) {
  std::vector<uint32_t> words;
  words.reserve(dispatch.params.size());
  for (const Word& word : dispatch.params) {
    if (word.kind == Word::Kind::kFloat) {
      words.push_back(std::bit_cast<uint32_t>(word.real));
      continue;
    }
    const auto value = word.number.evaluate(symbols);
    if (!value || *value < INT32_MIN || *value > static_cast<int64_t>(UINT32_MAX)) {
      return resource_error(cat("A shader parameter is ", value ? cat(*value) : word.number.text(),
                                " (32 bits are the limit)"));
    }
    words.push_back(static_cast<uint32_t>(*value));
  }
  return words;
}

Result<std::vector<std::byte>> to_device(const Tensor& tensor, DeviceFormat format) {
  const size_t count = static_cast<size_t>(tensor.elements());
  std::vector<std::byte> bytes(count * element_bytes(format));
  const auto fill = [&]<class T>(auto&& value) {
    T* out = reinterpret_cast<T*>(bytes.data());
    for (size_t i = 0; i < count; ++i) out[i] = static_cast<T>(value(static_cast<int64_t>(i)));
  };
  const auto real = [&](int64_t i) { return tensor.get_double(i); };
  const auto whole = [&](int64_t i) { return tensor.get_int(i); };
  const bool same_width = dtype_bits(tensor.dtype()) == static_cast<int>(element_bytes(format)) * 8;
  if (same_width && tensor.dtype() != DType::kBFloat16) {
    if (!bytes.empty()) std::memcpy(bytes.data(), tensor.bytes().data(), bytes.size());
    return bytes;
  }
  switch (format) {
    case DeviceFormat::kF32:
      fill.operator()<float>(real);
      return bytes;
    case DeviceFormat::kI32:
      fill.operator()<int32_t>(whole);
      return bytes;
    case DeviceFormat::kU32:
      fill.operator()<uint32_t>(whole);
      return bytes;
    case DeviceFormat::kF16: {
      SLUICE_ASSIGN(const Tensor half, converted(tensor, DType::kFloat16));
      if (!bytes.empty()) std::memcpy(bytes.data(), half.bytes().data(), bytes.size());
      return bytes;
    }
    default:
      return internal_error(
          cat("A tensor ", tensor.text(), " has no device form ", wgsl_type(format)));
  }
}

namespace {

// A kernel that makes float8 has rounded and saturated already, or was told not to: infinity and
// NaN come back as they are.
std::optional<Float8> float8_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat8E4M3FN:
      return Float8::kE4M3FN;
    case DType::kFloat8E4M3FNUZ:
      return Float8::kE4M3FNUZ;
    case DType::kFloat8E5M2:
      return Float8::kE5M2;
    case DType::kFloat8E5M2FNUZ:
      return Float8::kE5M2FNUZ;
    default:
      return std::nullopt;
  }
}

}  // namespace

Result<Tensor> from_device(std::span<const std::byte> bytes, DeviceFormat format, DType dtype,
                           const Shape& shape) {
  SLUICE_ASSIGN(Tensor tensor, Tensor::allocate(dtype, shape));
  const size_t count = static_cast<size_t>(tensor.elements());
  if (bytes.size() < count * element_bytes(format)) {
    return internal_error(
        cat("A readback of ", bytes.size(), " bytes is too short for ", tensor.text()));
  }
  const bool same_width = dtype_bits(dtype) == static_cast<int>(element_bytes(format)) * 8;
  if (same_width && dtype != DType::kBFloat16) {
    if (count != 0) std::memcpy(tensor.mutable_bytes().data(), bytes.data(), tensor.size_bytes());
    return tensor;
  }
  const auto at = [&]<class T>(size_t i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    return value;
  };
  for (size_t i = 0; i < count; ++i) {
    const int64_t e = static_cast<int64_t>(i);
    switch (format) {
      case DeviceFormat::kF32:
        if (const auto small = float8_of(dtype)) {
          tensor.mutable_data<uint8_t>()[i] =
              float_to_float8(at.operator()<float>(i), *small, false);
        } else {
          tensor.set_double(e, static_cast<double>(at.operator()<float>(i)));
        }
        break;
      case DeviceFormat::kI32:
        tensor.set_int(e, at.operator()<int32_t>(i));
        break;
      case DeviceFormat::kU32:
        tensor.set_int(e, dtype == DType::kBool ? at.operator()<uint32_t>(i) != 0
                                                : at.operator()<uint32_t>(i));
        break;
      default:
        return internal_error(
            cat("Device memory of ", wgsl_type(format), " is no ", tensor.text()));
    }
  }
  return tensor;
}

}  // namespace sluice::plan
