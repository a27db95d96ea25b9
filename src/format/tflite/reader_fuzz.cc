// libFuzzer harness of the TFLite reader: any bytes, from a block of exactly their size.

#include <cstring>
#include <memory>
#include <vector>

#include "format/tflite/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto owner = std::make_shared<std::vector<std::byte>>(size);
  if (size != 0) std::memcpy(owner->data(), data, size);
  const auto model = sluice::format::tflite::read_tflite(*owner, owner, "fuzz");
  (void)model.ok();
  return 0;
}
