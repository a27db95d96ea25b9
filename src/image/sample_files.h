// Small picture files for tests, made by the codec libraries directly so that every storage variant
// is covered (bit depths, palettes, interlacing, CMYK, progressive scans, EXIF), and a
// deterministic picture to put in them. Test code only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "image/image.h"

namespace sluice::image::samples {

using File = std::vector<uint8_t>;

inline std::span<const std::byte> bytes_of(std::span<const uint8_t> file) {
  return std::as_bytes(file);
}

// A smooth gradient with a disc; alpha falls from left to right.
Image picture(int width, int height, int channels);

// `color_type` and `bit_depth` are libpng's; samples come from `picture` reduced to that depth.
File png(const Image& image, int color_type, int bit_depth, bool interlaced);
enum class JpegKind { kGrey, kColor, kProgressive, kCmyk };
File jpeg(const Image& image, JpegKind kind, int quality = 95);

// The file with an EXIF block that states `orientation`.
File jpeg_with_exif(const File& jpeg, int orientation, bool big_endian);
File png_with_exif(const File& png, int orientation);
File webp_with_exif(const Image& image, int orientation);

}  // namespace sluice::image::samples
