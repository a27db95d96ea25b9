#include "image/exif.h"

#include <cstdint>
#include <cstring>

namespace sluice::image {

namespace {

constexpr uint16_t kOrientationTag = 0x0112;
constexpr uint16_t kTypeShort = 3;

class TiffReader {
 public:
  TiffReader(std::span<const std::byte> bytes, bool big_endian)
      : bytes_(bytes), big_endian_(big_endian) {}
  bool u16(size_t at, uint16_t& out) const {
    if (at > bytes_.size() || bytes_.size() - at < 2) return false;
    const uint32_t a = byte(at), b = byte(at + 1);
    out = static_cast<uint16_t>(big_endian_ ? a << 8 | b : b << 8 | a);
    return true;
  }
  bool u32(size_t at, uint32_t& out) const {
    uint16_t a = 0, b = 0;
    if (!u16(at, a) || !u16(at + 2, b)) return false;
    out = big_endian_ ? uint32_t{a} << 16 | b : uint32_t{b} << 16 | a;
    return true;
  }

 private:
  uint32_t byte(size_t i) const { return std::to_integer<uint32_t>(bytes_[i]); }
  std::span<const std::byte> bytes_;
  bool big_endian_;
};

}  // namespace

int exif_orientation(std::span<const std::byte> tiff) {
  if (tiff.size() >= 6 && std::memcmp(tiff.data(), "Exif\0\0", 6) == 0) tiff = tiff.subspan(6);
  if (tiff.size() < 8) return 1;
  const bool little = std::memcmp(tiff.data(), "II*\0", 4) == 0;
  const bool big = std::memcmp(tiff.data(), "MM\0*", 4) == 0;
  if (!little && !big) return 1;
  const TiffReader reader(tiff, big);
  uint32_t directory = 0;
  uint16_t count = 0;
  if (!reader.u32(4, directory) || !reader.u16(directory, count)) return 1;
  for (uint32_t i = 0; i < count; ++i) {
    const size_t entry = size_t{directory} + 2 + size_t{i} * 12;
    uint16_t tag = 0, type = 0, value = 0;
    uint32_t values = 0;
    if (!reader.u16(entry, tag)) return 1;
    if (tag != kOrientationTag) continue;
    if (!reader.u16(entry + 2, type) || !reader.u32(entry + 4, values) ||
        !reader.u16(entry + 8, value)) {
      return 1;
    }
    return type == kTypeShort && values == 1 && value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

namespace {

template <int kChannels>
void turn(const Image& from, Image& to, int orientation) {
  const int width = from.width(), height = from.height();
  const bool swap = orientation >= 5;
  // Destination (x, y) of source (0, 0), and the steps in the destination for one source step.
  const auto row_bytes = static_cast<ptrdiff_t>(to.row_bytes());
  ptrdiff_t step_x = swap ? row_bytes : kChannels;
  ptrdiff_t step_y = swap ? kChannels : row_bytes;
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  uint8_t* base = to.pixels().data();
  if (flip_x) {
    base += step_x * (width - 1);
    step_x = -step_x;
  }
  if (flip_y) {
    base += step_y * (height - 1);
    step_y = -step_y;
  }
  for (int y = 0; y < height; ++y) {
    const uint8_t* source = from.row(y);
    uint8_t* target = base + step_y * y;
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < kChannels; ++c) target[c] = source[c];
      source += kChannels;
      target += step_x;
    }
  }
}

}  // namespace

Result<Image> upright(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool swap = orientation >= 5;
  SLUICE_ASSIGN(Image out,
                Image::allocate(swap ? image.height() : image.width(),
                                swap ? image.width() : image.height(), image.channels()));
  switch (image.channels()) {
    case 1:
      turn<1>(image, out, orientation);
      break;
    case 3:
      turn<3>(image, out, orientation);
      break;
    default:
      turn<4>(image, out, orientation);
      break;
  }
  return out;
}

}  // namespace sluice::image
