// What the decoders of the single formats share; private to this room. Each takes the whole file,
// checks the header through `check_extent` before it allocates, and reports the orientation that
// the file states without applying it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "image/image.h"

namespace sluice::image {

using Bytes = std::span<const std::byte>;

// Refuses empty pictures, extents above 2^30 and more than `max_pixels` pixels.
Result<void> check_extent(std::string_view format, uint64_t width, uint64_t height,
                          uint64_t max_pixels);

Result<Decoded> decode_png(Bytes bytes, uint64_t max_pixels);
Result<Decoded> decode_jpeg(Bytes bytes, uint64_t max_pixels);
Result<Decoded> decode_webp(Bytes bytes, uint64_t max_pixels);
Result<Decoded> decode_bmp(Bytes bytes, uint64_t max_pixels);
Result<Decoded> decode_pnm(Bytes bytes, uint64_t max_pixels);
Result<Decoded> decode_tiff(Bytes bytes, uint64_t max_pixels);
Result<Decoded> decode_jpeg2000(Bytes bytes, uint64_t max_pixels);

inline uint8_t byte_at(Bytes bytes, size_t i) { return std::to_integer<uint8_t>(bytes[i]); }

}  // namespace sluice::image
