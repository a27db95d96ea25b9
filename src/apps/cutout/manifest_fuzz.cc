// libFuzzer: any text as a model manifest.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "apps/cutout/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)sluice::apps::cutout::parse_manifest({reinterpret_cast<const char*>(data), size});
  return 0;
}
