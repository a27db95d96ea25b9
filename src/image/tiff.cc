// TIFF 6.0, the plainest part: one directory, strips without compression, chunky 8-bit samples,
// grey, RGB or RGB with one extra sample taken as alpha. Everything else is refused by name.
#include <cstring>

#include "base/checked.h"
#include "image/codecs.h"

namespace sluice::image {

namespace {

class TiffFile {
 public:
  explicit TiffFile(Bytes bytes) : bytes_(bytes), big_(byte_at(bytes, 0) == 'M') {}

  bool number(uint64_t at, int size, uint64_t& out) const {
    if (at > bytes_.size() || bytes_.size() - at < static_cast<uint64_t>(size)) return false;
    out = 0;
    for (int i = 0; i < size; ++i) {
      const uint64_t byte = byte_at(bytes_, static_cast<size_t>(at) + static_cast<size_t>(i));
      out |= byte << 8 * (big_ ? size - 1 - i : i);
    }
    return true;
  }

  struct Entry {
    uint64_t count = 0, at = 0;  // `at`: file offset of the values
    int size = 0;                // bytes of one value: 1, 2 or 4
  };
  // False when the directory lacks the tag, or holds it in a type that is not an integer.
  bool find(uint64_t tag, Entry& out) const {
    uint64_t directory = 0, entries = 0;
    if (!number(4, 4, directory) || !number(directory, 2, entries)) return false;
    for (uint64_t i = 0; i < entries; ++i) {
      const uint64_t at = directory + 2 + i * 12;
      uint64_t found = 0, type = 0;
      if (!number(at, 2, found)) return false;
      if (found != tag) continue;
      if (!number(at + 2, 2, type) || !number(at + 4, 4, out.count)) return false;
      out.size = type == 1 ? 1 : type == 3 ? 2 : type == 4 ? 4 : 0;
      if (out.size == 0) return false;
      out.at = at + 8;
      if (out.count * static_cast<uint64_t>(out.size) > 4) return number(at + 8, 4, out.at);
      return true;
    }
    return false;
  }
  bool value(const Entry& entry, uint64_t i, uint64_t& out) const {
    return i < entry.count &&
           number(entry.at + i * static_cast<uint64_t>(entry.size), entry.size, out);
  }
  uint64_t value_or(uint64_t tag, uint64_t fallback) const {
    Entry entry;
    uint64_t out = 0;
    return find(tag, entry) && value(entry, 0, out) ? out : fallback;
  }

 private:
  Bytes bytes_;
  bool big_;
};

}  // namespace

Result<Decoded> decode_tiff(Bytes bytes, uint64_t max_pixels) {
  const auto damaged = [](std::string_view what) {
    return invalid_model(cat("The TIFF file is damaged: ", what));
  };
  const TiffFile file(bytes);
  const uint64_t width = file.value_or(256, 0), height = file.value_or(257, 0);
  SLUICE_TRY(check_extent("TIFF", width, height, max_pixels));
  const uint64_t compression = file.value_or(259, 1), photometric = file.value_or(262, 1);
  const uint64_t samples = file.value_or(277, 1), bits = file.value_or(258, 1);
  const uint64_t rows_per_strip = file.value_or(278, height), planar = file.value_or(284, 1);
  const uint64_t orientation = file.value_or(274, 1);
  if (compression != 1 || planar != 1 || bits != 8 || photometric > 2 ||
      (photometric == 2 ? samples != 3 && samples != 4 : samples != 1)) {
    return unsupported(cat("The TIFF file is of a kind that is not read here (compression ",
                           compression, ", photometric ", photometric, ", ", samples,
                           " samples of ", bits, " bits)"));
  }
  TiffFile::Entry offsets;
  if (!file.find(273, offsets)) return damaged("it has no strips");
  if (rows_per_strip == 0) return damaged("its strips have no rows");
  const Checked row_bytes = Checked(width) * samples;
  if (!(row_bytes * height).fits(bytes.size())) return damaged("it ends inside its pixels");

  Decoded out;
  SLUICE_ASSIGN(out.image, Image::allocate(static_cast<int>(width), static_cast<int>(height),
                                           static_cast<int>(samples)));
  for (uint64_t first = 0, strip = 0; first < height; first += rows_per_strip, ++strip) {
    const uint64_t rows = height - first < rows_per_strip ? height - first : rows_per_strip;
    uint64_t at = 0;
    const uint64_t size = rows * row_bytes.value();
    if (!file.value(offsets, strip, at) || !(Checked(at) + size).fits(bytes.size())) {
      return damaged(cat("strip ", strip, " lies outside the file"));
    }
    std::memcpy(out.image.row(static_cast<int>(first)), bytes.data() + at,
                static_cast<size_t>(size));
    if (rows_per_strip > height) break;
  }
  if (photometric == 0) {  // 0 is white
    for (uint8_t& sample : out.image.pixels()) sample = static_cast<uint8_t>(255 - sample);
  }
  out.orientation = orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
  return out;
}

}  // namespace sluice::image
