#include "op/gpu_copy.h"

#include <algorithm>

#include "base/text.h"

namespace sluice::op {

namespace {

// What a piece touches in one of its two slots, in elements: [first, last].
struct Touched {
  int64_t first = 0, last = 0;
};

Touched touched(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides,
                int64_t offset) {
  Touched out{offset, offset};
  for (size_t i = 0; i < shape.size(); ++i) {
    const int64_t reach = (shape[i] - 1) * strides[i];
    (reach < 0 ? out.first : out.last) += reach;
  }
  return out;
}

// A copy with nothing but numbers, for cutting.
struct Numbers {
  std::vector<int64_t> shape, from, to;
  int64_t from_at = 0, to_at = 0;
};

std::optional<std::vector<int64_t>> numbers(const Dims& dims) {
  std::vector<int64_t> out;
  for (const Dim& dim : dims) {
    if (!dim.is_known()) return std::nullopt;
    out.push_back(dim.value());
  }
  return out;
}

std::optional<uint64_t> type_bytes(const Type& type, plan::DeviceFormat format) {
  const auto shape = type.shape();
  if (!shape) return std::nullopt;
  return static_cast<uint64_t>(shape->elements()) * plan::element_bytes(format);
}

// One binding can hold all of the slot, as far as is known. Temporaries always: their makers see to
// it.
bool fits_whole(const LowerContext& context, plan::SlotId slot) {
  const auto small = [&](const Type& type) {
    const auto bytes = type_bytes(type, context.format(slot));
    return !bytes || *bytes <= context.limits().max_storage_binding_bytes;
  };
  for (int i = 0; i < context.input_count(); ++i) {
    if (context.in(i) == slot && !small(context.input_type(i))) return false;
  }
  for (int i = 0; i < context.output_count(); ++i) {
    if (context.out(i) == slot && !small(context.output_type(i))) return false;
  }
  return true;
}

// Element strides and offsets in units of `factor` elements; nothing when they don't divide.
std::optional<CopyPiece> in_units(const StridedCopy& copy, int64_t factor) {
  CopyPiece out;
  out.axes = static_cast<uint32_t>(copy.shape.size());
  Dims shape = copy.shape, from = copy.from_strides, to = copy.to_strides;
  if (factor != 1) {
    if (shape.empty() || !(from.back() == Dim(1)) || !(to.back() == Dim(1))) return std::nullopt;
    const auto divide = [&](Dim& dim) {
      const auto quotient = exact_quotient(dim, factor);
      if (quotient) dim = *quotient;
      return quotient.has_value();
    };
    if (!divide(shape.back())) return std::nullopt;
    for (size_t i = 0; i + 1 < shape.size(); ++i) {
      if (!divide(from[i]) || !divide(to[i])) return std::nullopt;
    }
    out.from_at = copy.from_offset;
    out.to_at = copy.to_offset;
    if (!divide(out.from_at) || !divide(out.to_at)) return std::nullopt;
  } else {
    out.from_at = copy.from_offset;
    out.to_at = copy.to_offset;
  }
  out.n = elements(shape);
  out.shape = eight(shape, Dim(1));
  out.from_strides = eight(from, Dim(0));
  out.to_strides = eight(to, Dim(0));
  return out;
}

struct Unit {
  std::string_view name;
  int64_t bytes;
};
constexpr Unit kUnits[] = {{"vec4<u32>", 16}, {"vec2<u32>", 8}, {"u32", 4}};

Result<CopyPiece> widest(const StridedCopy& copy, plan::DeviceFormat format) {
  const int64_t bytes = plan::element_bytes(format);
  for (const Unit& unit : kUnits) {
    if (unit.bytes < bytes || copy.from == plan::kNoSlot) continue;
    if (auto piece = in_units(copy, unit.bytes / bytes)) {
      piece->unit = unit.name;
      return std::move(*piece);
    }
  }
  auto piece = in_units(copy, 1);
  SLUICE_CHECK(piece.has_value());
  piece->unit = move_type(format);
  return std::move(*piece);
}

}  // namespace

std::string_view move_type(plan::DeviceFormat format) {
  switch (plan::element_bytes(format)) {
    case 8:
      return "vec2<u32>";
    case 2:
      return "f16";
    default:
      return "u32";
  }
}

MoveUnit widest_unit(plan::DeviceFormat format, std::span<const Dim> lengths) {
  const int64_t bytes = plan::element_bytes(format);
  for (const Unit& unit : kUnits) {
    if (unit.bytes < bytes) continue;
    const int64_t factor = unit.bytes / bytes;
    if (std::ranges::all_of(lengths,
                            [&](const Dim& d) { return exact_quotient(d, factor).has_value(); })) {
      return {unit.name, factor, unit.bytes};
    }
  }
  return {move_type(format), 1, bytes};
}

std::optional<Dim> exact_quotient(const Dim& dim, int64_t divisor) {
  if (dim.is_unknown()) return std::nullopt;
  Dim quotient = Dim::floor_div(dim, Dim(divisor));
  if (!(quotient * Dim(divisor) == dim)) return std::nullopt;
  return quotient;
}

bool broadcast_is_certain(const Dims& dims, const Dims& out) {
  if (dims.size() > out.size()) return false;
  for (size_t i = 0; i < dims.size(); ++i) {
    const Dim& mine = dims[dims.size() - 1 - i];
    if (!(mine == Dim(1)) && !(mine == out[out.size() - 1 - i])) return false;
  }
  return true;
}

Result<Dims> need_dims(LowerContext& context, int i) {
  auto known = context.ints(i);
  if (known && std::ranges::none_of(*known, [](const Dim& d) { return d.is_unknown(); })) {
    return std::move(*known);
  }
  SLUICE_ASSIGN(const std::vector<int64_t> values, context.need_ints(i));
  return Dims(values.begin(), values.end());
}

std::string oversized(const LowerContext& context) {
  const uint64_t limit = context.limits().max_storage_binding_bytes;
  const auto judge = [&](std::string_view what, int i, plan::SlotId slot, const Type& type) {
    if (slot == plan::kNoSlot || !type.is_tensor()) return std::string();
    const auto bytes = type_bytes(type, context.format(slot));
    if (!bytes || *bytes <= limit) return std::string();
    return cat(what, " ", i, " takes ", *bytes, " bytes (a binding holds ", limit, ")");
  };
  for (int i = 0; i < context.input_count(); ++i) {
    if (std::string text = judge("input", i, context.in(i), context.input_type(i)); !text.empty()) {
      return text;
    }
  }
  for (int i = 0; i < context.output_count(); ++i) {
    if (std::string text = judge("output", i, context.out(i), context.output_type(i));
        !text.empty()) {
      return text;
    }
  }
  return "";
}

Result<std::vector<CopyPiece>> copy_pieces(const LowerContext& context, StridedCopy copy) {
  const plan::DeviceFormat format = context.format(copy.to);
  if (plan::element_bytes(format) == 0) {
    return context.refuse("its elements can't be held on the device");
  }
  merge_axes(copy.shape, {&copy.from_strides, &copy.to_strides});
  if (copy.shape.size() > 8) {
    return context.refuse(cat(copy.shape.size(), " axes are left after merging (limit 8)"));
  }
  const auto shape = numbers(copy.shape), from = numbers(copy.from_strides),
             to = numbers(copy.to_strides);
  std::vector<CopyPiece> out;
  if (!shape || !from || !to || !copy.from_offset.is_known() || !copy.to_offset.is_known()) {
    SLUICE_ASSIGN(CopyPiece piece, widest(copy, format));
    piece.from = copy.from;
    piece.to = copy.to;
    out.push_back(std::move(piece));
    return out;
  }
  // Binding ranges start at multiples of 256 bytes, so a range may begin up to 255 bytes early.
  const int64_t bytes = plan::element_bytes(format);
  const auto limit = static_cast<int64_t>(context.limits().max_storage_binding_bytes);
  std::vector<Numbers> work{{*shape, *from, *to, copy.from_offset.value(), copy.to_offset.value()}};
  while (!work.empty()) {
    Numbers now = std::move(work.back());
    work.pop_back();
    if (std::ranges::any_of(now.shape, [](int64_t extent) { return extent == 0; })) continue;
    const Touched reads = touched(now.shape, now.from, now.from_at);
    const Touched writes = touched(now.shape, now.to, now.to_at);
    const bool reads_fit = copy.from == plan::kNoSlot || fits_whole(context, copy.from) ||
                           (reads.last + 1 - reads.first) * bytes + 512 <= limit;
    const bool writes_fit =
        fits_whole(context, copy.to) || (writes.last + 1 - writes.first) * bytes + 512 <= limit;
    if (!reads_fit || !writes_fit) {
      const std::vector<int64_t>& strides = writes_fit ? now.from : now.to;
      size_t axis = 0;
      int64_t longest = -1;
      for (size_t i = 0; i < now.shape.size(); ++i) {
        const int64_t reach = std::abs(strides[i]) * (now.shape[i] - 1);
        if (reach > longest) {
          longest = reach;
          axis = i;
        }
      }
      if (longest <= 0) return context.refuse("a single element exceeds a binding");
      Numbers second = now;
      const int64_t half = now.shape[axis] / 2;
      now.shape[axis] = half;
      second.shape[axis] -= half;
      second.from_at += half * now.from[axis];
      second.to_at += half * now.to[axis];
      work.push_back(std::move(second));
      work.push_back(std::move(now));
      if (work.size() + out.size() > 4096) {
        return context.refuse("the copy falls into too many pieces (limit 4096)");
      }
      continue;
    }
    const auto range = [&](plan::SlotId slot, const Touched& reach, int64_t& at) {
      if (slot == plan::kNoSlot || fits_whole(context, slot)) return plan::SlotRange(slot);
      const int64_t start = reach.first * bytes / 256 * 256;
      const int64_t end = ((reach.last + 1) * bytes + 15) / 16 * 16;
      at -= start / bytes;
      return plan::SlotRange(slot, Dim(start), Dim(end - start));
    };
    StridedCopy piece{.from = copy.from, .to = copy.to};
    plan::SlotRange from_range = range(copy.from, reads, now.from_at);
    plan::SlotRange to_range = range(copy.to, writes, now.to_at);
    piece.shape = Dims(now.shape.begin(), now.shape.end());
    piece.from_strides = Dims(now.from.begin(), now.from.end());
    piece.to_strides = Dims(now.to.begin(), now.to.end());
    piece.from_offset = now.from_at;
    piece.to_offset = now.to_at;
    SLUICE_ASSIGN(CopyPiece made, widest(piece, format));
    made.from = from_range;
    made.to = to_range;
    out.push_back(std::move(made));
  }
  if (out.empty()) {
    // Nothing to move; the node still issues something.
    CopyPiece nothing{.unit = move_type(format), .n = 0, .from_at = 0, .to_at = 0};
    nothing.shape = eight({}, Dim(1));
    nothing.from_strides = nothing.to_strides = eight({}, Dim(0));
    nothing.from = copy.from;
    nothing.to = copy.to;
    out.push_back(std::move(nothing));
  }
  return out;
}

}  // namespace sluice::op
