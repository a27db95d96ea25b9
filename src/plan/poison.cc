#include "plan/poison.h"

#include <cstring>

namespace sluice::plan {

BitsSeen look_at_bits(std::span<const std::byte> bytes, DeviceFormat format) {
  BitsSeen seen;
  const auto scan = [&]<class Word>(Word exponent, uint32_t poison) {
    bool poisoned = false, nonfinite = false;
    for (size_t i = 0; i + sizeof(Word) <= bytes.size(); i += sizeof(Word)) {
      Word word;
      std::memcpy(&word, bytes.data() + i, sizeof word);
      poisoned |= word == poison;
      nonfinite |= (word & exponent) == exponent;
    }
    seen = {poisoned, nonfinite};
  };
  if (format == DeviceFormat::kF32) scan(uint32_t{0x7f800000}, kPoison);
  // Half a poison word is an ordinary number: no 16-bit word equals the whole.
  if (format == DeviceFormat::kF16) scan(uint16_t{0x7c00}, kPoison);
  return seen;
}

}  // namespace sluice::plan
