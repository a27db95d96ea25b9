// Dispatch: one WGSL compute dispatch of a Plan, as data. Extents and offsets are Dim expressions
// over the plan's symbols, so that a new input shape changes uniform words and grid sizes but no
// pipeline and no bind group. The shaders' generated headers (generated/shader/<name>.h) make
// DispatchRequests; op::LowerContext turns them into Dispatches.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tensor/dim.h"
#include "tensor/dtype.h"

namespace sluice::plan {

using SlotId = int32_t;
inline constexpr SlotId kNoSlot = -1;

// How the elements of a tensor lie in device memory. Narrow types take a 32-bit word each (int8 as
// i32, bool as u32 0/1, bfloat16 and float8 as f32), 64-bit types two words, low word first.
enum class DeviceFormat : uint8_t {
  kNone,  // can't be held on a device (strings, sequences, complex numbers)
  kF32,
  kF16,  // only where the device has shader-f16
  kI32,
  kU32,
  kI64,
  kU64,
  kF64,  // moved, never computed with: WGSL has no double
};
// 2, 4 or 8; 0 for kNone.
uint32_t element_bytes(DeviceFormat format);
// The WGSL type for moving elements of this format about: "f32", "f16", "i32", "u32", "vec2<u32>".
std::string_view wgsl_type(DeviceFormat format);
DeviceFormat device_format(DType dtype, bool f16);

// A slot, or a range of it, bound to a dispatch. Offsets are multiples of 256.
struct SlotRange {
  SlotId slot = kNoSlot;
  Dim offset_bytes = 0;
  Dim size_bytes = Dim::unknown();  // unknown: to the end of the slot
  SlotRange() = default;
  SlotRange(SlotId id) : slot(id) {}  // NOLINT: implicit by design
  SlotRange(SlotId id, Dim offset, Dim size)
      : slot(id), offset_bytes(std::move(offset)), size_bytes(std::move(size)) {}
};

struct BoundRange {
  SlotRange range;
  bool writable = false;
};

// One 32-bit word of a uniform block.
struct Word {
  enum class Kind : uint8_t { kInt, kFloat } kind = Kind::kInt;
  Dim number = 0;  // kInt: u32 or two's complement i32
  float real = 0;  // kFloat
  static Word integer(Dim value) { return {Kind::kInt, std::move(value), 0}; }
  static Word floating(float value) { return {Kind::kFloat, 0, value}; }
};

using Knobs = std::vector<std::pair<std::string, std::string>>;

struct DispatchRequest {
  std::string_view shader;           // "unary": a row of the shader table
  Knobs knobs;                       // as written into the WGSL text: {"OP", "3u"}, {"T", "f16"}
  std::vector<Word> params;          // the uniform block at @binding(0); empty when there is none
  std::vector<BoundRange> bindings;  // @binding(1 + i)
  Dim workgroups;                    // in all; laid over x, y and z by whoever runs it
  // The word of `params` that says with which workgroup a piece of it begins (cut.h); -1: it comes
  // whole. Shaders that may take long have one.
  int32_t first_workgroup = -1;
};

struct Dispatch {
  int32_t pipeline = -1;  // of Plan::pipelines
  std::vector<Word> params;
  std::vector<BoundRange> bindings;
  Dim workgroups;
  double flops = 0;  // estimate; 0 where extents are not known
};

struct Pipeline {
  std::string shader;  // name of the file, for people
  Knobs knobs;
  std::string wgsl;  // specialised text, entry point "main"
};

}  // namespace sluice::plan
