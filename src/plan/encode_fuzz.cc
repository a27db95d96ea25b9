// libFuzzer harness: arbitrary words as an encoded program, with the header that lets them in.
#include <cstring>
#include <string>
#include <vector>

#include "base/check.h"
#include "plan/encode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  using plan::Opcode;
  const std::vector<std::string> strings = {"label", "fn main() {}", ""};
  std::vector<uint32_t> words(plan::kProgramHeaderWords + size / 4);
  words[0] = plan::kProgramMagic;
  words[1] = plan::kProgramVersion;
  words[2] = static_cast<uint32_t>(words.size());
  if (size >= 4) std::memcpy(words.data() + plan::kProgramHeaderWords, data, size / 4 * 4);
  const auto program = plan::decode(words, strings);
  SLUICE_CHECK(program.ok() == plan::disassemble(words, strings).ok());
  if (!program) {
    SLUICE_CHECK(program.error().code == ErrorCode::kInvalidModel);
    return 0;
  }
  // What an executor relies on most: no range leaves its buffer.
  std::vector<uint64_t> buffers;
  const auto range = [&](std::span<const uint32_t> three) {
    SLUICE_CHECK(three[0] < buffers.size() && uint64_t{three[1]} + three[2] <= buffers[three[0]]);
  };
  for (const plan::Instruction& one : *program) {
    const auto o = one.operands;
    if (one.opcode == Opcode::kBuffer) buffers.push_back(o[0]);
    if (one.opcode == Opcode::kConstant || one.opcode == Opcode::kInput ||
        one.opcode == Opcode::kOutput || one.opcode == Opcode::kFill) {
      range(o.subspan(1));
    }
    if (one.opcode == Opcode::kDispatch) {
      for (size_t b = 8; b < o.size(); b += 3) range(o.subspan(b, 3));
    }
    if (one.opcode == Opcode::kIsland) {
      for (size_t i = 3; i < o.size(); i += 4) range(o.subspan(i + 1, 3));
    }
  }
  return 0;
}
