#include "image/sample_files.h"

#include <gtest/gtest.h>
#include <png.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
// clang-format off: jpeglib.h needs size_t and FILE declared before it
#include <jpeglib.h>
// clang-format on

namespace sluice::image::samples {

Image picture(int width, int height, int channels) {
  auto out = Image::allocate(width, height, channels);
  EXPECT_TRUE(out.ok());
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      uint8_t* pixel = out->row(y) + x * channels;
      const double dx = (x + 0.5) / width - 0.5, dy = (y + 0.5) / height - 0.5;
      const bool disc = dx * dx + dy * dy < 0.07;
      const int r = disc ? 220 : 40 + 100 * x / width;
      const int g = disc ? 140 : 60 + 120 * y / height;
      const int b = disc ? 40 : 200 - 90 * x / width;
      pixel[0] = static_cast<uint8_t>(r);
      if (channels >= 3) {
        pixel[1] = static_cast<uint8_t>(g);
        pixel[2] = static_cast<uint8_t>(b);
      }
      if (channels == 4) pixel[3] = static_cast<uint8_t>(255 - 255 * x / width);
    }
  }
  return std::move(out).value();
}

File png(const Image& image, int color_type, int bit_depth, bool interlaced) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  File out;
  png_set_write_fn(
      png, &out,
      [](png_structp p, png_bytep bytes, size_t size) {
        auto* file = static_cast<File*>(png_get_io_ptr(p));
        file->insert(file->end(), bytes, bytes + size);
      },
      nullptr);
  png_set_IHDR(png, info, static_cast<png_uint_32>(image.width()),
               static_cast<png_uint_32>(image.height()), bit_depth, color_type,
               interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  const int levels = 1 << (bit_depth > 8 ? 8 : bit_depth);
  if (color_type == PNG_COLOR_TYPE_PALETTE) {
    png_color palette[256];
    for (int i = 0; i < levels; ++i) {
      const auto v = static_cast<png_byte>(i * 255 / (levels - 1));
      palette[i] = {v, static_cast<png_byte>(255 - v), 77};
    }
    png_set_PLTE(png, info, palette, levels);
  }
  png_write_info(png, info);
  const int samples = color_type == PNG_COLOR_TYPE_RGB          ? 3
                      : color_type == PNG_COLOR_TYPE_RGB_ALPHA  ? 4
                      : color_type == PNG_COLOR_TYPE_GRAY_ALPHA ? 2
                                                                : 1;
  const int passes = png_set_interlace_handling(png);
  for (int pass = 0; pass < passes; ++pass) {
    for (int y = 0; y < image.height(); ++y) {
      File row((static_cast<size_t>(image.width() * samples * bit_depth) + 7) / 8, 0);
      for (int x = 0; x < image.width(); ++x) {
        const uint8_t* pixel = image.row(y) + x * image.channels();
        for (int s = 0; s < samples; ++s) {
          const int channel = samples == 2 && s == 1 ? image.channels() - 1 : s;
          const int value = pixel[channel];
          const auto index = static_cast<size_t>(x * samples + s);
          if (bit_depth == 16) {
            row[index * 2] = row[index * 2 + 1] = static_cast<uint8_t>(value);
          } else if (bit_depth == 8) {
            row[index] = static_cast<uint8_t>(value);
          } else {
            const size_t bit = index * static_cast<size_t>(bit_depth);
            const auto small = static_cast<unsigned>(value >> (8 - bit_depth));
            row[bit / 8] = static_cast<uint8_t>(
                row[bit / 8] | small << (8 - static_cast<size_t>(bit_depth) - bit % 8));
          }
        }
      }
      png_write_row(png, row.data());
    }
  }
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return out;
}

File jpeg(const Image& image, JpegKind kind, int quality) {
  jpeg_compress_struct encoder;
  jpeg_error_mgr errors;
  encoder.err = jpeg_std_error(&errors);
  jpeg_create_compress(&encoder);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&encoder, &buffer, &size);
  encoder.image_width = static_cast<JDIMENSION>(image.width());
  encoder.image_height = static_cast<JDIMENSION>(image.height());
  encoder.input_components = kind == JpegKind::kGrey ? 1 : kind == JpegKind::kCmyk ? 4 : 3;
  encoder.in_color_space = kind == JpegKind::kGrey   ? JCS_GRAYSCALE
                           : kind == JpegKind::kCmyk ? JCS_CMYK
                                                     : JCS_RGB;
  jpeg_set_defaults(&encoder);
  if (kind == JpegKind::kCmyk) jpeg_set_colorspace(&encoder, JCS_YCCK);
  jpeg_set_quality(&encoder, quality, TRUE);
  if (kind == JpegKind::kProgressive) jpeg_simple_progression(&encoder);
  jpeg_start_compress(&encoder, TRUE);
  File row(static_cast<size_t>(image.width() * encoder.input_components));
  for (int y = 0; y < image.height(); ++y) {
    for (int x = 0; x < image.width(); ++x) {
      const uint8_t* pixel = image.row(y) + x * image.channels();
      for (int c = 0; c < encoder.input_components; ++c) {
        // Adobe's inverted CMYK without black ink: the stored values are RGB and 255.
        row[static_cast<size_t>(x * encoder.input_components + c)] =
            c == 3 ? 255 : pixel[c < image.channels() ? c : 0];
      }
    }
    JSAMPROW pointer = row.data();
    jpeg_write_scanlines(&encoder, &pointer, 1);
  }
  jpeg_finish_compress(&encoder);
  File out(buffer, buffer + size);
  jpeg_destroy_compress(&encoder);
  std::free(buffer);
  return out;
}

namespace {

File exif_block(int orientation, bool big_endian) {
  File out = big_endian ? File{'M', 'M', 0, 42, 0, 0, 0, 8} : File{'I', 'I', 42, 0, 8, 0, 0, 0};
  const auto put = [&](uint32_t value, int size) {
    for (int i = 0; i < size; ++i) {
      out.push_back(static_cast<uint8_t>(value >> 8 * (big_endian ? size - 1 - i : i)));
    }
  };
  put(2, 2);
  put(0x010f, 2), put(2, 2), put(3, 4), put(0x41424300, 4);  // a maker's name in front
  put(0x0112, 2), put(3, 2), put(1, 4), put(static_cast<uint32_t>(orientation), 2), put(0, 2);
  put(0, 4);
  return out;
}

uint32_t crc32_of(std::span<const uint8_t> bytes) {
  uint32_t crc = 0xffffffffu;
  for (const uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
  }
  return ~crc;
}

void put_big32(File& file, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) file.push_back(static_cast<uint8_t>(value >> shift));
}

void put_riff(File& file, const char* name, std::span<const uint8_t> data) {
  file.insert(file.end(), name, name + 4);
  for (int i = 0; i < 4; ++i) file.push_back(static_cast<uint8_t>(data.size() >> 8 * i));
  file.insert(file.end(), data.begin(), data.end());
  if (data.size() % 2 != 0) file.push_back(0);
}

}  // namespace

File jpeg_with_exif(const File& jpeg, int orientation, bool big_endian) {
  const File exif = exif_block(orientation, big_endian);
  File out(jpeg.begin(), jpeg.begin() + 2);
  const size_t length = 2 + 6 + exif.size();
  out.insert(out.end(), {0xff, 0xe1, static_cast<uint8_t>(length >> 8),
                         static_cast<uint8_t>(length), 'E', 'x', 'i', 'f', 0, 0});
  out.insert(out.end(), exif.begin(), exif.end());
  out.insert(out.end(), jpeg.begin() + 2, jpeg.end());
  return out;
}

File png_with_exif(const File& png, int orientation) {
  File chunk{'e', 'X', 'I', 'f'};
  const File exif = exif_block(orientation, true);
  chunk.insert(chunk.end(), exif.begin(), exif.end());
  File out(png.begin(), png.begin() + 33);  // signature and IHDR
  put_big32(out, static_cast<uint32_t>(exif.size()));
  out.insert(out.end(), chunk.begin(), chunk.end());
  put_big32(out, crc32_of(chunk));
  out.insert(out.end(), png.begin() + 33, png.end());
  return out;
}

File webp_with_exif(const Image& image, int orientation) {
  const auto plain = encode_webp(image);
  EXPECT_TRUE(plain.ok());
  const auto all = plain->span();
  const uint32_t w = static_cast<uint32_t>(image.width() - 1);
  const uint32_t h = static_cast<uint32_t>(image.height() - 1);
  const auto byte = [](uint32_t value, int shift) { return static_cast<uint8_t>(value >> shift); };
  const uint8_t flags = static_cast<uint8_t>(0x08 | (image.has_alpha() ? 0x10 : 0));
  const File extended{flags,      0,           0,          0,          byte(w, 0),
                      byte(w, 8), byte(w, 16), byte(h, 0), byte(h, 8), byte(h, 16)};
  File body{'W', 'E', 'B', 'P'};
  put_riff(body, "VP8X", extended);
  // The picture's own chunk, as the encoder wrote it behind the 12-byte RIFF header.
  const size_t size = all[16] | static_cast<size_t>(all[17]) << 8 |
                      static_cast<size_t>(all[18]) << 16 | static_cast<size_t>(all[19]) << 24;
  const std::string name(reinterpret_cast<const char*>(all.data() + 12), 4);
  put_riff(body, name.c_str(), all.subspan(20, size));
  put_riff(body, "EXIF", exif_block(orientation, false));
  File out{'R', 'I', 'F', 'F'};
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<uint8_t>(body.size() >> 8 * i));
  out.insert(out.end(), body.begin(), body.end());
  return out;
}

}  // namespace sluice::image::samples
