// PNM: P1 to P6 (bitmap, greymap, pixmap; as text or binary), maximum value up to 65,535, scaled to
// 8 bits.
#include "base/checked.h"
#include "image/codecs.h"

namespace sluice::image {

namespace {

class PnmReader {
 public:
  explicit PnmReader(Bytes bytes) : bytes_(bytes) {}

  // Skips white space and comments, then reads a number.
  bool number(uint64_t& out) {
    while (at_ < bytes_.size()) {
      const uint8_t c = byte_at(bytes_, at_);
      if (c == '#') {
        while (at_ < bytes_.size() && byte_at(bytes_, at_) != '\n') ++at_;
      } else if (c == ' ' || (c >= '\t' && c <= '\r')) {
        ++at_;
      } else {
        break;
      }
    }
    if (at_ >= bytes_.size() || byte_at(bytes_, at_) < '0' || byte_at(bytes_, at_) > '9') {
      return false;
    }
    out = 0;
    while (at_ < bytes_.size() && byte_at(bytes_, at_) >= '0' && byte_at(bytes_, at_) <= '9') {
      out = out * 10 + (byte_at(bytes_, at_++) - '0');
      if (out > 0xffffffffu) return false;
    }
    return true;
  }
  // A P1 bitmap may leave no space between its digits.
  bool bit(uint64_t& out) {
    while (at_ < bytes_.size()) {
      const uint8_t c = byte_at(bytes_, at_++);
      if (c == '0' || c == '1') {
        out = c - '0';
        return true;
      }
      if (c != ' ' && (c < '\t' || c > '\r')) return false;
    }
    return false;
  }
  Bytes rest() const { return bytes_.subspan(at_ < bytes_.size() ? at_ : bytes_.size()); }
  void skip(size_t count) { at_ += count; }

 private:
  Bytes bytes_;
  size_t at_ = 2;  // behind "P6"
};

}  // namespace

Result<Decoded> decode_pnm(Bytes bytes, uint64_t max_pixels) {
  const auto damaged = [](std::string_view what) {
    return invalid_model(cat("The PNM file is damaged: ", what));
  };
  const int kind = byte_at(bytes, 1) - '0';
  const bool bitmap = kind == 1 || kind == 4, text = kind <= 3;
  const int channels = kind == 3 || kind == 6 ? 3 : 1;
  PnmReader reader(bytes);
  uint64_t width = 0, height = 0, top = 1;
  if (!reader.number(width) || !reader.number(height) || (!bitmap && !reader.number(top))) {
    return damaged("its header is not complete");
  }
  if (top == 0 || top > 65535) return damaged(cat("its maximum value is ", top, " (limit 65535)"));
  SLUICE_TRY(check_extent("PNM", width, height, max_pixels));
  const Checked row_samples = Checked(width) * static_cast<uint64_t>(channels);
  const Checked samples = row_samples * height;

  // The least number of bytes that can hold the samples, checked before anything is allocated.
  const uint64_t wide = top > 255 ? 2 : 1;
  Checked needed = samples;
  if (kind == 4) needed = Checked(width).ceil_div(8) * height;
  if (kind >= 5) needed = samples * wide;
  if (kind == 2 || kind == 3) needed = samples * 2 - 1;  // a digit and a space each
  if (!text) reader.skip(1);                             // the one white space behind the header
  if (!needed.fits(reader.rest().size())) return damaged("it ends inside its pixels");

  Decoded out;
  SLUICE_ASSIGN(out.image,
                Image::allocate(static_cast<int>(width), static_cast<int>(height), channels));
  const Bytes data = reader.rest();
  uint8_t* target = out.image.pixels().data();
  for (uint64_t i = 0; i < samples.value(); ++i) {
    uint64_t value = 0;
    if (kind == 1) {
      if (!reader.bit(value)) return damaged("it ends inside its pixels");
    } else if (text) {
      if (!reader.number(value)) return damaged("it ends inside its pixels");
    } else if (kind == 4) {
      const uint64_t x = i % width, line = i / width * ((width + 7) / 8);
      value = byte_at(data, static_cast<size_t>(line + x / 8)) >> (7 - x % 8) & 1;
    } else if (wide == 2) {
      const auto at = static_cast<size_t>(i * 2);
      value = uint64_t{byte_at(data, at)} << 8 | byte_at(data, at + 1);
    } else {
      value = byte_at(data, static_cast<size_t>(i));
    }
    if (value > top) return damaged(cat("a sample is ", value, " (limit ", top, ")"));
    if (bitmap) value = 1 - value;  // 1 is black
    target[i] = static_cast<uint8_t>((value * 255 + top / 2) / top);
  }
  return out;
}

}  // namespace sluice::image
