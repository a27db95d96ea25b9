// libFuzzer: any bytes as a picture. The cap is small so that an execution stays short.
#include <cstddef>
#include <cstdint>
#include <span>

#include "image/image.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  (void)sluice::image::decode(bytes, {.max_pixels = 1 << 18});
  return 0;
}
