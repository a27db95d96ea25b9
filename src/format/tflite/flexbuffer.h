// FlexBuffers: the self-describing format of TFLite's custom options. decode_flexbuffer turns the
// root map into attributes: numbers, booleans (0 or 1), strings and homogeneous vectors; nested
// maps are flattened as "outer.inner". Every offset is checked; depth and number of values are
// bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "tensor/attributes.h"

namespace sluice::format::tflite {

struct FlexbufferLimits {
  int max_depth = 16;
  uint64_t max_values = 4096;
};

// An empty buffer gives an empty map. A root that is not a map gives one attribute, "value".
Result<AttrMap> decode_flexbuffer(std::span<const std::byte> bytes,
                                  const FlexbufferLimits& limits = {});

}  // namespace sluice::format::tflite
