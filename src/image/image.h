// Image: 8-bit pixels, rows from the top, channels interleaved: 1 grey, 3 RGB, 4 RGBA (straight
// alpha, not premultiplied). Decoding of PNG, JPEG, WebP, BMP, PNM, plain TIFF and JPEG 2000, and
// encoding of PNG and WebP. Colour profiles and gamma chunks are ignored: samples are taken as
// sRGB. A damaged file is an Error; nothing is allocated for pixels before the header is checked
// against the cap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "image/array.h"

namespace sluice::image {

// Pictures above this many pixels are refused before anything is allocated for them; 4 bytes each,
// so at most 1 GiB. `DecodeOptions::max_pixels` changes it.
inline constexpr uint64_t kDefaultMaxPixels = 268'435'456;

class Image {
 public:
  Image() = default;
  // Pixels are uninitialised. Extents must be at least 1, channels 1, 3 or 4.
  static Result<Image> allocate(int width, int height, int channels);
  static Result<Image> filled(int width, int height, int channels, uint8_t value);
  Result<Image> clone() const;

  int width() const { return width_; }
  int height() const { return height_; }
  int channels() const { return channels_; }
  bool has_alpha() const { return channels_ == 4; }
  size_t row_bytes() const { return static_cast<size_t>(width_) * static_cast<size_t>(channels_); }
  uint8_t* row(int y) { return pixels_.data() + static_cast<size_t>(y) * row_bytes(); }
  const uint8_t* row(int y) const { return pixels_.data() + static_cast<size_t>(y) * row_bytes(); }
  std::span<uint8_t> pixels() { return pixels_.span(); }
  std::span<const uint8_t> pixels() const { return pixels_.span(); }

 private:
  int width_ = 0, height_ = 0, channels_ = 0;
  Array<uint8_t> pixels_;
};

enum class FileFormat : uint8_t { kUnknown, kPng, kJpeg, kWebp, kBmp, kPnm, kTiff, kJpeg2000 };
// "PNG", "JPEG" ...
std::string_view file_format_name(FileFormat format);
// Judged by the first bytes, never by the file's name.
FileFormat sniff(std::span<const std::byte> bytes);

struct DecodeOptions {
  uint64_t max_pixels = kDefaultMaxPixels;
  bool apply_orientation = true;  // turn the picture the way its EXIF data says
};

struct Decoded {
  Image image;
  FileFormat format = FileFormat::kUnknown;
  int orientation = 1;  // as the file states it, 1 to 8; applied when the options ask for it
};

// Codes: kInvalidModel for a damaged file, kUnsupported for a format or variant not read here,
// kResource above the cap or when memory runs out.
Result<Decoded> decode(std::span<const std::byte> bytes, const DecodeOptions& options = {});

struct PngOptions {
  // zlib's 0 to 9. 3 is near the knee for photographs: 6 takes about twice as long for 2 % less.
  int level = 3;
};
Result<Array<uint8_t>> encode_png(const Image& image, const PngOptions& options = {});

struct WebpOptions {
  bool lossless = true;
  float quality = 90;  // 0 to 100; for lossless the effort
};
// WebP holds at most 16,383 pixels a side.
Result<Array<uint8_t>> encode_webp(const Image& image, const WebpOptions& options = {});

// The same picture with 1, 3 or 4 channels. Grey is 0.299 R + 0.587 G + 0.114 B; an added alpha is
// opaque; a dropped one is ignored.
Result<Image> with_channels(const Image& image, int channels);

}  // namespace sluice::image
