// Copies between strided views on the GPU: what data movement lowers to. A StridedCopy is cut into
// CopyPieces, each one dispatch of strided_copy.wgsl: axes merged, the widest unit of memory that
// divides everything, and no binding larger than the device allows. This room knows no shaders, so
// the operator family names the Call struct.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "op/lower.h"

namespace sluice::op {

// to[to_offset + sum i*to_strides] = from[from_offset + sum i*from_strides] for every index i of
// `shape`. All in elements; strides may be zero (from) or negative. `from` may be kNoSlot: zeros.
struct StridedCopy {
  plan::SlotId from = plan::kNoSlot, to = plan::kNoSlot;
  Dims shape, from_strides, to_strides;
  Dim from_offset = 0, to_offset = 0;
};

struct CopyPiece {
  std::string_view unit;  // WGSL type that is moved
  uint32_t axes = 0;
  std::array<Dim, 8> shape, from_strides, to_strides;  // in units
  Dim n, from_at, to_at;
  plan::SlotRange from, to;
};

Result<std::vector<CopyPiece>> copy_pieces(const LowerContext& context, StridedCopy copy);

// `Call` is shader::strided_copy::Call.
template <class Call>
Result<void> dispatch_copy(LowerContext& context, StridedCopy copy) {
  SLUICE_ASSIGN(const std::vector<CopyPiece> pieces, copy_pieces(context, std::move(copy)));
  for (const CopyPiece& piece : pieces) {
    if (piece.n.is_unknown() || piece.from_at.is_unknown() || piece.to_at.is_unknown()) {
      context.made.wants_static = true;
      return context.refuse("a position has no expression in the symbols");
    }
    context.dispatch(Call{.knobs = {.T = piece.unit, .AXES = piece.axes},
                          .params = {.shape = piece.shape,
                                     .from_stride = piece.from_strides,
                                     .to_stride = piece.to_strides,
                                     .n = piece.n,
                                     .from_at = piece.from_at,
                                     .to_at = piece.to_at},
                          .x = piece.from,
                          .y = piece.to,
                          .workgroups = workgroups(piece.n, 256)});
  }
  return {};
}

// The WGSL type that moves elements of this format bit by bit: "u32", "f16" or "vec2<u32>".
std::string_view move_type(plan::DeviceFormat format);

// The widest unit of memory in which all of `lengths` (in elements) are whole numbers.
struct MoveUnit {
  std::string_view type;  // WGSL
  int64_t elements = 1;
  int64_t bytes = 4;
};
MoveUnit widest_unit(plan::DeviceFormat format, std::span<const Dim> lengths);

// A sentence when an operand or result that is known in size exceeds a storage binding; empty
// otherwise. For kernels that bind whole tensors.
std::string oversized(const LowerContext& context);

// Contents of an integer operand with symbols where they are known as such; unknown ones make the
// session compile again with the run's values.
Result<Dims> need_dims(LowerContext& context, int i);

// Exact quotient, when `divisor` is known to divide `dim`.
std::optional<Dim> exact_quotient(const Dim& dim, int64_t divisor);

// `dims` can be seen as `out` under broadcasting with nothing left to find out: each extent is a
// known 1 or equals that of `out`.
bool broadcast_is_certain(const Dims& dims, const Dims& out);

}  // namespace sluice::op
