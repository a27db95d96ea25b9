// BMP: Windows headers of 12 and of 40 or more bytes, 1 to 32 bits a pixel, uncompressed or with
// bit masks. Run-length coding is refused.
#include <bit>

#include "base/checked.h"
#include "image/codecs.h"

namespace sluice::image {

namespace {

uint32_t little16(Bytes bytes, size_t at) {
  return uint32_t{byte_at(bytes, at)} | uint32_t{byte_at(bytes, at + 1)} << 8;
}
uint32_t little32(Bytes bytes, size_t at) {
  return little16(bytes, at) | little16(bytes, at + 2) << 16;
}

// One colour channel of a bit-mask format: its value scaled to 0..255.
struct Channel {
  uint32_t mask = 0;
  int shift = 0;
  uint32_t top = 0;
  explicit Channel(uint32_t bits)
      : mask(bits),
        shift(bits == 0 ? 0 : std::countr_zero(bits)),
        top(bits == 0 ? 0 : bits >> std::countr_zero(bits)) {}
  uint8_t get(uint32_t pixel) const {
    if (top == 0) return 0;
    const uint64_t value = (pixel & mask) >> shift;
    return static_cast<uint8_t>((value * 255 + top / 2) / top);
  }
};

}  // namespace

Result<Decoded> decode_bmp(Bytes bytes, uint64_t max_pixels) {
  const auto damaged = [](std::string_view what) {
    return invalid_model(cat("The BMP file is damaged: ", what));
  };
  if (bytes.size() < 26) return damaged("it ends inside its header");
  const uint64_t pixel_offset = little32(bytes, 10);
  const uint64_t header = little32(bytes, 14);
  const bool core = header == 12;
  if (!core && (header < 40 || header > 1024)) {
    return unsupported(cat("The BMP file has a header of ", header,
                           " bytes (read are 12 and 40 "
                           "to 1024)"));
  }
  if (14 + header > bytes.size()) return damaged("it ends inside its header");
  const auto signed32 = [&](size_t at) {
    return int64_t{static_cast<int32_t>(little32(bytes, at))};
  };
  const int64_t width = core ? int64_t{little16(bytes, 18)} : signed32(18);
  const int64_t signed_height = core ? int64_t{little16(bytes, 20)} : signed32(22);
  const uint32_t bits = little16(bytes, core ? 24 : 28);
  const uint32_t compression = core ? 0 : little32(bytes, 30);
  const bool top_down = signed_height < 0;
  const int64_t height = top_down ? -signed_height : signed_height;
  if (width < 0) return damaged(cat("its width is negative (", width, ")"));
  SLUICE_TRY(
      check_extent("BMP", static_cast<uint64_t>(width), static_cast<uint64_t>(height), max_pixels));
  const bool masks = compression == 3 || compression == 6;
  if ((compression != 0 && !masks) || (masks && bits != 16 && bits != 32)) {
    return unsupported(cat("The BMP file uses compression ", compression, " with ", bits,
                           " bits a pixel, which is not read here"));
  }
  if (bits != 1 && bits != 4 && bits != 8 && bits != 16 && bits != 24 && bits != 32) {
    return damaged(cat("it has ", bits, " bits a pixel"));
  }

  Channel red(bits == 16 ? 0x7c00u : 0xff0000u), green(bits == 16 ? 0x03e0u : 0xff00u),
      blue(bits == 16 ? 0x001fu : 0xffu), alpha(0);
  if (masks) {
    if (bytes.size() < 66) return damaged("it ends inside its masks");
    red = Channel(little32(bytes, 54));
    green = Channel(little32(bytes, 58));
    blue = Channel(little32(bytes, 62));
    if ((header >= 56 || compression == 6) && bytes.size() >= 70) {
      alpha = Channel(little32(bytes, 66));
    }
  }

  // Colour table of 1, 4 and 8 bits: blue, green, red and (except in the old header) a spare byte.
  uint8_t palette[256][3] = {};
  if (bits <= 8) {
    uint64_t colors = core ? 0 : little32(bytes, 46);
    if (colors == 0 || colors > (uint64_t{1} << bits)) colors = uint64_t{1} << bits;
    const uint64_t entry = core ? 3 : 4;
    const uint64_t table = 14 + header;
    if (table + colors * entry > bytes.size()) return damaged("it ends inside its colour table");
    for (uint64_t i = 0; i < colors; ++i) {
      for (uint64_t c = 0; c < 3; ++c) {
        palette[i][c] = byte_at(bytes, static_cast<size_t>(table + i * entry + 2 - c));
      }
    }
  }

  const Checked row = (Checked(static_cast<uint64_t>(width)) * bits).round_up(32);
  const uint64_t row_bytes = row.value() / 8;
  const Checked end = Checked(row_bytes) * static_cast<uint64_t>(height) + pixel_offset;
  if (!row.valid() || !end.fits(bytes.size())) return damaged("it ends inside its pixels");

  Decoded out;
  SLUICE_ASSIGN(out.image, Image::allocate(static_cast<int>(width), static_cast<int>(height),
                                           alpha.top != 0 ? 4 : 3));
  const int channels = out.image.channels();
  for (int y = 0; y < out.image.height(); ++y) {
    const auto line = static_cast<uint64_t>(top_down ? y : out.image.height() - 1 - y);
    const Bytes source = bytes.subspan(static_cast<size_t>(pixel_offset + line * row_bytes),
                                       static_cast<size_t>(row_bytes));
    uint8_t* target = out.image.row(y);
    for (size_t x = 0; x < static_cast<size_t>(width); ++x, target += channels) {
      if (bits <= 8) {
        const uint32_t packed = byte_at(source, x * bits / 8);
        const uint32_t at = 8 - bits - static_cast<uint32_t>(x * bits % 8);
        const uint32_t index = packed >> at & ((1u << bits) - 1);
        for (int c = 0; c < 3; ++c) target[c] = palette[index][c];
      } else if (bits == 24) {
        for (size_t c = 0; c < 3; ++c) target[c] = byte_at(source, x * 3 + 2 - c);
      } else {
        const uint32_t pixel = bits == 16 ? little16(source, x * 2) : little32(source, x * 4);
        target[0] = red.get(pixel);
        target[1] = green.get(pixel);
        target[2] = blue.get(pixel);
        if (channels == 4) target[3] = alpha.get(pixel);
      }
    }
  }
  return out;
}

}  // namespace sluice::image
