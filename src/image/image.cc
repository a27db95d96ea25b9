#include "image/image.h"

#include <cstring>

#include "base/check.h"
#include "base/checked.h"
#include "image/codecs.h"
#include "image/exif.h"

namespace sluice::image {

Result<Image> Image::allocate(int width, int height, int channels) {
  SLUICE_CHECK(width > 0 && height > 0 && (channels == 1 || channels == 3 || channels == 4));
  const Checked bytes = Checked(static_cast<uint64_t>(width)) * static_cast<uint64_t>(height) *
                        static_cast<uint64_t>(channels);
  if (!bytes.fits(SIZE_MAX / 2)) {
    return resource_error(cat("A picture of ", width, "x", height, " does not fit into memory"));
  }
  Image out;
  SLUICE_ASSIGN(out.pixels_, Array<uint8_t>::allocate(static_cast<size_t>(bytes.value())));
  out.width_ = width;
  out.height_ = height;
  out.channels_ = channels;
  return out;
}

Result<Image> Image::filled(int width, int height, int channels, uint8_t value) {
  SLUICE_ASSIGN(Image out, allocate(width, height, channels));
  std::memset(out.pixels_.data(), value, out.pixels_.size());
  return out;
}

Result<Image> Image::clone() const {
  Image out;
  SLUICE_ASSIGN(out.pixels_, pixels_.clone());
  out.width_ = width_;
  out.height_ = height_;
  out.channels_ = channels_;
  return out;
}

std::string_view file_format_name(FileFormat format) {
  switch (format) {
    case FileFormat::kPng:
      return "PNG";
    case FileFormat::kJpeg:
      return "JPEG";
    case FileFormat::kWebp:
      return "WebP";
    case FileFormat::kBmp:
      return "BMP";
    case FileFormat::kPnm:
      return "PNM";
    case FileFormat::kTiff:
      return "TIFF";
    case FileFormat::kJpeg2000:
      return "JPEG 2000";
    case FileFormat::kUnknown:
      break;
  }
  return "unknown";
}

FileFormat sniff(Bytes bytes) {
  const auto starts = [&](size_t at, std::string_view magic) {
    return bytes.size() >= at + magic.size() &&
           std::memcmp(bytes.data() + at, magic.data(), magic.size()) == 0;
  };
  if (starts(0, "\x89PNG\r\n\x1a\n")) return FileFormat::kPng;
  if (starts(0, "\xff\xd8\xff")) return FileFormat::kJpeg;
  if (starts(0, "RIFF") && starts(8, "WEBP")) return FileFormat::kWebp;
  if (starts(0, "BM")) return FileFormat::kBmp;
  if (starts(0, {"II*\0", 4}) || starts(0, {"MM\0*", 4})) return FileFormat::kTiff;
  if (starts(4, "jP  \r\n\x87\n") || starts(0, "\xff\x4f\xff\x51")) return FileFormat::kJpeg2000;
  if (bytes.size() >= 3 && byte_at(bytes, 0) == 'P') {
    const uint8_t kind = byte_at(bytes, 1), after = byte_at(bytes, 2);
    const bool space = after == ' ' || (after >= '\t' && after <= '\r') || after == '#';
    if (kind >= '1' && kind <= '6' && space) return FileFormat::kPnm;
  }
  return FileFormat::kUnknown;
}

Result<void> check_extent(std::string_view format, uint64_t width, uint64_t height,
                          uint64_t max_pixels) {
  constexpr uint64_t kMaxSide = uint64_t{1} << 30;
  if (width == 0 || height == 0) {
    return invalid_model(cat("The ", format, " picture is empty (", width, "x", height, ")"));
  }
  const Checked pixels = Checked(width) * height;
  if (width > kMaxSide || height > kMaxSide || !pixels.fits(max_pixels)) {
    return resource_error(cat("The ", format, " picture is too large: ", width, "x", height,
                              " pixels (limit ", max_pixels, " in all)"));
  }
  return {};
}

namespace {

Result<Decoded> decode_as_stored(Bytes bytes, FileFormat format, uint64_t max_pixels) {
  switch (format) {
    case FileFormat::kPng:
      return decode_png(bytes, max_pixels);
    case FileFormat::kJpeg:
      return decode_jpeg(bytes, max_pixels);
    case FileFormat::kWebp:
      return decode_webp(bytes, max_pixels);
    case FileFormat::kBmp:
      return decode_bmp(bytes, max_pixels);
    case FileFormat::kPnm:
      return decode_pnm(bytes, max_pixels);
    case FileFormat::kTiff:
      return decode_tiff(bytes, max_pixels);
    case FileFormat::kJpeg2000:
      return decode_jpeg2000(bytes, max_pixels);
    case FileFormat::kUnknown:
      break;
  }
  if (bytes.empty()) return invalid_model("The file is empty");
  return unsupported(
      "The file is not a picture in a format that is read here (PNG, JPEG, WebP, "
      "BMP, PNM, TIFF, JPEG 2000)");
}

}  // namespace

Result<Decoded> decode(Bytes bytes, const DecodeOptions& options) {
  const FileFormat format = sniff(bytes);
  SLUICE_ASSIGN(Decoded out, decode_as_stored(bytes, format, options.max_pixels));
  out.format = format;
  if (options.apply_orientation) {
    SLUICE_ASSIGN(out.image, upright(std::move(out.image), out.orientation));
  }
  return out;
}

Result<Image> with_channels(const Image& image, int channels) {
  const int from = image.channels();
  if (from == channels) return image.clone();
  SLUICE_ASSIGN(Image out, Image::allocate(image.width(), image.height(), channels));
  const uint8_t* source = image.pixels().data();
  uint8_t* target = out.pixels().data();
  const size_t count = static_cast<size_t>(image.width()) * static_cast<size_t>(image.height());
  for (size_t i = 0; i < count; ++i, source += from, target += channels) {
    const uint8_t r = source[0], g = from >= 3 ? source[1] : r, b = from >= 3 ? source[2] : r;
    if (channels == 1) {
      // 16-bit fixed-point weights that sum to 65,536, so that grey stays grey.
      target[0] = static_cast<uint8_t>((r * 19595u + g * 38470u + b * 7471u + 32768u) >> 16);
    } else {
      target[0] = r;
      target[1] = g;
      target[2] = b;
      if (channels == 4) target[3] = 255;
    }
  }
  return out;
}

}  // namespace sluice::image
