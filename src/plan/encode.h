// Encoded programs: a webgpu Plan with given symbol values as 32-bit words and a table of strings,
// for an executor that is not this library. What each instruction means stands in opcodes.def. A
// program that was not made here is hostile: decode() checks everything that an executor would rely
// on, so that whoever walks its result needs no checks of its own.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "plan/device_layout.h"
#include "plan/plan.h"

namespace sluice::plan {

enum class Opcode : uint8_t {
#define SLUICE_OPCODE(name, number, operands, meaning) k##name = number,
#include "plan/opcodes.def"
};
std::string_view opcode_name(Opcode opcode);  // "Dispatch"

inline constexpr uint32_t kProgramMagic = 0x31504c53;  // "SLP1"
inline constexpr uint32_t kProgramVersion = 1;
inline constexpr uint32_t kAbsent = 0xffffffff;
inline constexpr size_t kProgramHeaderWords = 3;  // magic, version, number of words in all

// One invocation copies the number that the host chose for a readback (opcodes.def, Sentinel).
inline constexpr std::string_view kSentinelShader = R"(
struct Params { number : u32, a : u32, b : u32, c : u32 }
@group(0) @binding(0) var<uniform> params : Params;
@group(0) @binding(1) var<storage, read_write> result : array<u32>;
@compute @workgroup_size(1) fn main() { result[0] = params.number; }
)";

struct Encoded {
  std::vector<uint32_t> words;
  std::vector<std::string> strings;
};

// Fails (resource) where a size does not fit 32 bits or a grid the plan's limits; constants, inputs
// and outputs are numbered as in constants_of(), Plan::inputs and Plan::outputs. The string table
// and the numbers of pipelines and buffers depend on the plan and `layout.buffer` only, not on
// symbol values.
Result<Encoded> encode(const Plan& plan, const DeviceLayout& layout,
                       const Dim::Environment& symbols);
// The pipelines alone, for compilation before sizes are known. The string table of encode().
Result<Encoded> encode_pipelines(const Plan& plan);

// Slots whose contents are known at load and lie on the device, in order.
std::vector<SlotId> constants_of(const Plan& plan);

// One instruction of a program, its operands a part of the program's words.
struct Instruction {
  Opcode opcode = Opcode::kBegin;
  std::span<const uint32_t> operands;
};
// Error (invalid_model): the word at which the program breaks a rule of opcodes.def, and which. The
// instructions view `words`.
Result<std::vector<Instruction>> decode(std::span<const uint32_t> words,
                                        std::span<const std::string> strings);
// One line for each instruction. Fails where decode does.
Result<std::string> disassemble(std::span<const uint32_t> words,
                                std::span<const std::string> strings);

}  // namespace sluice::plan
