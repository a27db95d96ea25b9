#include "image/image.h"

#include <gtest/gtest.h>
#include <png.h>

#include <cstdlib>
#include <cstring>

#include "image/exif.h"
#include "image/sample_files.h"

namespace sluice::image {
namespace {

using samples::bytes_of;
using samples::File;
using samples::JpegKind;

Decoded decoded(const File& file) {
  auto out = decode(bytes_of(file));
  EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().text());
  return out ? std::move(out).value() : Decoded{};
}

int largest_difference(const Image& a, const Image& b) {
  EXPECT_EQ(a.width(), b.width());
  EXPECT_EQ(a.height(), b.height());
  EXPECT_EQ(a.channels(), b.channels());
  int worst = 0;
  for (size_t i = 0; i < a.pixels().size() && i < b.pixels().size(); ++i) {
    worst = std::max(worst, std::abs(a.pixels()[i] - b.pixels()[i]));
  }
  return worst;
}

TEST(Png, RoundTripsEveryChannelCountAndLevel) {
  for (const int channels : {1, 3, 4}) {
    for (const int level : {0, 1, 3, 6, 9}) {
      const Image image = samples::picture(37, 23, channels);
      const auto file = encode_png(image, {.level = level});
      ASSERT_TRUE(file.ok());
      const auto back = decode(bytes_of(file->span()));
      ASSERT_TRUE(back.ok()) << back.error().text();
      EXPECT_EQ(largest_difference(image, back->image), 0);
    }
  }
}

TEST(Png, ReadsEveryStorageForm) {
  const Image rgba = samples::picture(19, 11, 4);
  struct Form {
    int color, depth, channels;
  };
  const Form forms[] = {{PNG_COLOR_TYPE_GRAY, 1, 1},        {PNG_COLOR_TYPE_GRAY, 2, 1},
                        {PNG_COLOR_TYPE_GRAY, 4, 1},        {PNG_COLOR_TYPE_GRAY, 8, 1},
                        {PNG_COLOR_TYPE_GRAY, 16, 1},       {PNG_COLOR_TYPE_GRAY_ALPHA, 8, 4},
                        {PNG_COLOR_TYPE_GRAY_ALPHA, 16, 4}, {PNG_COLOR_TYPE_RGB, 8, 3},
                        {PNG_COLOR_TYPE_RGB, 16, 3},        {PNG_COLOR_TYPE_RGB_ALPHA, 8, 4},
                        {PNG_COLOR_TYPE_RGB_ALPHA, 16, 4},  {PNG_COLOR_TYPE_PALETTE, 1, 3},
                        {PNG_COLOR_TYPE_PALETTE, 2, 3},     {PNG_COLOR_TYPE_PALETTE, 4, 3},
                        {PNG_COLOR_TYPE_PALETTE, 8, 3}};
  for (const Form& form : forms) {
    const Decoded plain = decoded(samples::png(rgba, form.color, form.depth, false));
    const Decoded interlaced = decoded(samples::png(rgba, form.color, form.depth, true));
    EXPECT_EQ(plain.image.channels(), form.channels) << form.color << " " << form.depth;
    EXPECT_EQ(largest_difference(plain.image, interlaced.image), 0);
    if (form.color == PNG_COLOR_TYPE_RGB_ALPHA) {
      EXPECT_EQ(largest_difference(plain.image, rgba), 0);
    }
    if (form.color == PNG_COLOR_TYPE_GRAY) {
      const int quantum = form.depth >= 8 ? 0 : 255 / ((1 << form.depth) - 1);
      EXPECT_NEAR(plain.image.row(5)[9], rgba.row(5)[9 * 4], quantum);
    }
  }
}

TEST(Jpeg, ReadsGreyColourProgressiveAndCmyk) {
  const Image rgb = samples::picture(64, 48, 3);
  const Decoded colour = decoded(samples::jpeg(rgb, JpegKind::kColor));
  const Decoded progressive = decoded(samples::jpeg(rgb, JpegKind::kProgressive));
  EXPECT_EQ(largest_difference(colour.image, progressive.image), 0);
  EXPECT_NEAR(colour.image.row(3)[0], rgb.row(3)[0], 6);
  EXPECT_EQ(decoded(samples::jpeg(rgb, JpegKind::kGrey)).image.channels(), 1);
  const Decoded cmyk = decoded(samples::jpeg(rgb, JpegKind::kCmyk));
  ASSERT_EQ(cmyk.image.channels(), 3);
  EXPECT_NEAR(cmyk.image.row(24)[32 * 3], 220, 8);
  EXPECT_NEAR(cmyk.image.row(24)[32 * 3 + 2], 40, 8);
}

TEST(Webp, RoundTrips) {
  for (const int channels : {3, 4}) {
    const Image image = samples::picture(33, 20, channels);
    const auto lossless = encode_webp(image);
    ASSERT_TRUE(lossless.ok());
    const auto back = decode(bytes_of(lossless->span()));
    ASSERT_TRUE(back.ok());
    ASSERT_EQ(back->image.channels(), channels);
    for (int y = 0; y < 20; ++y) {
      for (int x = 0; x < 33; ++x) {
        const uint8_t* a = image.row(y) + x * channels;
        const uint8_t* b = back->image.row(y) + x * channels;
        // Colours under full transparency are the encoder's to choose.
        if (channels == 3 || a[3] != 0) {
          EXPECT_EQ(std::memcmp(a, b, static_cast<size_t>(channels)), 0);
        }
      }
    }
    const auto lossy = encode_webp(image, {.lossless = false, .quality = 95});
    ASSERT_TRUE(lossy.ok());
    const auto near = decode(bytes_of(lossy->span()));
    ASSERT_TRUE(near.ok());
    EXPECT_NEAR(near->image.row(10)[16 * channels], image.row(10)[16 * channels], 12);
  }
}

TEST(Pnm, ReadsAllSixKinds) {
  const auto read = [](const std::string& text) {
    return decode(std::as_bytes(std::span(text.data(), text.size())));
  };
  const auto p3 = read("P3 # a comment\n2 1\n15\n0 15 7  15 0 0\n");
  ASSERT_TRUE(p3.ok()) << p3.error().text();
  EXPECT_EQ(p3->image.row(0)[1], 255);
  EXPECT_EQ(p3->image.row(0)[2], 119);
  const auto p6 = read(std::string("P6\n1 1\n255\n\x01\x02\x03", 14));
  ASSERT_TRUE(p6.ok());
  EXPECT_EQ(p6->image.row(0)[2], 3);
  const auto p1 = read("P1\n3 2\n101\n0 1 0\n");
  ASSERT_TRUE(p1.ok());
  EXPECT_EQ(p1->image.row(0)[0], 0);
  EXPECT_EQ(p1->image.row(1)[0], 255);
  const auto p4 = read(std::string("P4\n3 1\n\xa0", 8));
  ASSERT_TRUE(p4.ok());
  EXPECT_EQ(p4->image.row(0)[1], 255);
  EXPECT_EQ(p4->image.row(0)[2], 0);
  const auto p2 = read("P2\n1 1\n1000\n500\n");
  ASSERT_TRUE(p2.ok());
  EXPECT_EQ(p2->image.row(0)[0], 128);
  const auto p5 = read(std::string("P5 1 1 65535\n\x80\x00", 15));
  ASSERT_TRUE(p5.ok());
  EXPECT_EQ(p5->image.row(0)[0], 128);
  EXPECT_FALSE(read("P5 1 1 255\n").ok());
  EXPECT_FALSE(read("P2 1 1 10\n11\n").ok());
  EXPECT_FALSE(read("P6 99999 99999 255\n").ok());
}

TEST(Bmp, Reads24BitsAndPalettes) {
  File bmp{'B', 'M', 0, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 1,
           0,   24,  0, 0, 0, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  const uint8_t rows[] = {1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12, 0, 0};
  bmp.insert(bmp.end(), rows, rows + sizeof rows);
  const Decoded out = decoded(bmp);
  EXPECT_EQ(out.image.row(0)[0], 9);  // the bottom row comes first in the file, as blue green red
  EXPECT_EQ(out.image.row(1)[5], 4);
  bmp[22] = 0xfe, bmp[23] = bmp[24] = bmp[25] = 0xff;  // height -2: from the top
  EXPECT_EQ(decoded(bmp).image.row(0)[0], 3);
  bmp.resize(bmp.size() - 1);
  EXPECT_FALSE(decode(bytes_of(bmp)).ok());
}

TEST(Exif, AllOrientationsTurnThePictureUpright) {
  // Upright 3x2: A B C / D E F, as each orientation stores it.
  const char* const stored[] = {"ABCDEF", "CBAFED", "FEDCBA", "DEFABC",
                                "ADBECF", "CFBEAD", "FCEBDA", "DAEBFC"};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const bool swap = orientation >= 5;
    for (const int channels : {1, 3, 4}) {
      auto image = Image::allocate(swap ? 2 : 3, swap ? 3 : 2, channels);
      ASSERT_TRUE(image.ok());
      for (int i = 0; i < 6; ++i) {
        for (int c = 0; c < channels; ++c) {
          image->pixels()[static_cast<size_t>(i * channels + c)] =
              static_cast<uint8_t>(stored[orientation - 1][i] + c);
        }
      }
      const auto out = upright(std::move(image).value(), orientation);
      ASSERT_TRUE(out.ok());
      ASSERT_EQ(out->width(), 3);
      std::string text;
      for (int i = 0; i < 6; ++i) {
        text += static_cast<char>(out->pixels()[static_cast<size_t>(i * channels)]);
      }
      EXPECT_EQ(text, "ABCDEF") << orientation;
    }
  }
}

TEST(Exif, IsFoundInJpegPngAndWebp) {
  const Image image = samples::picture(24, 16, 3);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const File jpeg = samples::jpeg(image, JpegKind::kColor);
    const File png = samples::png(image, PNG_COLOR_TYPE_RGB, 8, false);
    const Decoded all[] = {decoded(samples::jpeg_with_exif(jpeg, orientation, true)),
                           decoded(samples::jpeg_with_exif(jpeg, orientation, false)),
                           decoded(samples::png_with_exif(png, orientation)),
                           decoded(samples::webp_with_exif(image, orientation))};
    for (const Decoded& one : all) {
      EXPECT_EQ(one.orientation, orientation) << file_format_name(one.format);
      EXPECT_EQ(one.image.width(), orientation >= 5 ? 16 : 24);
    }
    auto left =
        decode(bytes_of(samples::png_with_exif(png, orientation)), {.apply_orientation = false});
    ASSERT_TRUE(left.ok());
    EXPECT_EQ(left->image.width(), 24);
  }
}

TEST(Exif, BrokenBlocksMeanAsItLies) {
  const uint8_t block[] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12,
                           1,   3,   0,  1, 0, 0, 0, 6, 0, 0, 0};
  const std::span<const std::byte> whole = std::as_bytes(std::span(block));
  EXPECT_EQ(exif_orientation(whole), 6);
  for (size_t size = 0; size < 20; ++size) EXPECT_EQ(exif_orientation(whole.first(size)), 1);
  for (size_t i = 0; i < sizeof block; ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      uint8_t copy[sizeof block];
      std::memcpy(copy, block, sizeof block);
      copy[i] = static_cast<uint8_t>(copy[i] ^ 1 << bit);
      const int out = exif_orientation(std::as_bytes(std::span(copy)));
      EXPECT_TRUE(out >= 1 && out <= 8);
    }
  }
}

TEST(Decode, RefusesBombsBeforeAllocating) {
  // A valid header that announces 30,000 x 30,000 pixels over 20 bytes of data.
  File png = samples::png(samples::picture(8, 8, 3), PNG_COLOR_TYPE_RGB, 8, false);
  const auto announce = [&](uint32_t side) {
    for (int i = 0; i < 4; ++i) {
      png[16 + static_cast<size_t>(i)] = png[20 + static_cast<size_t>(i)] =
          static_cast<uint8_t>(side >> (24 - 8 * i));
    }
    uint32_t crc = 0xffffffffu;  // of the type and the header
    for (size_t i = 12; i < 29; ++i) {
      crc ^= png[i];
      for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    for (int i = 0; i < 4; ++i)
      png[29 + static_cast<size_t>(i)] = static_cast<uint8_t>(~crc >> (24 - 8 * i));
  };
  announce(30000);
  const auto above = decode(bytes_of(png));
  ASSERT_FALSE(above.ok());
  EXPECT_EQ(above.error().code, ErrorCode::kResource);
  EXPECT_NE(above.error().message.find("30000x30000"), std::string::npos);
  announce(16000);
  const auto empty = decode(bytes_of(png));
  ASSERT_FALSE(empty.ok());
  EXPECT_EQ(empty.error().code, ErrorCode::kInvalidModel);
  EXPECT_NE(empty.error().message.find("cannot come from"), std::string::npos);

  const File small = samples::png(samples::picture(9, 9, 3), PNG_COLOR_TYPE_RGB, 8, false);
  EXPECT_TRUE(decode(bytes_of(small), {.max_pixels = 81}).ok());
  EXPECT_FALSE(decode(bytes_of(small), {.max_pixels = 80}).ok());
}

TEST(Decode, SaysWhatItCannotRead) {
  EXPECT_FALSE(decode({}).ok());
  const char text[] = "this is no picture at all";
  const auto out = decode(std::as_bytes(std::span(text)));
  ASSERT_FALSE(out.ok());
  EXPECT_EQ(out.error().code, ErrorCode::kUnsupported);
}

// Thousands of broken files: every prefix class and seeded mutations of small valid files of each
// format. Any result will do, as long as there is one.
TEST(Decode, BrokenFilesNeverCrash) {
  const Image rgba = samples::picture(40, 30, 4);
  std::vector<File> files = {
      samples::png(rgba, PNG_COLOR_TYPE_RGB_ALPHA, 8, false),
      samples::png(rgba, PNG_COLOR_TYPE_RGB, 16, true),
      samples::png(rgba, PNG_COLOR_TYPE_PALETTE, 4, true),
      samples::png_with_exif(samples::png(rgba, PNG_COLOR_TYPE_GRAY, 8, false), 6),
      samples::jpeg(rgba, JpegKind::kColor),
      samples::jpeg(rgba, JpegKind::kProgressive),
      samples::jpeg(rgba, JpegKind::kCmyk),
      samples::jpeg_with_exif(samples::jpeg(rgba, JpegKind::kGrey), 8, true),
      samples::webp_with_exif(rgba, 3),
  };
  const auto lossy = encode_webp(rgba, {.lossless = false, .quality = 60});
  ASSERT_TRUE(lossy.ok());
  files.emplace_back(lossy->span().begin(), lossy->span().end());
  int refused = 0, tried = 0;
  const auto attempt = [&](const File& file) {
    ++tried;
    const auto out = decode(bytes_of(file), {.max_pixels = 1 << 20});
    refused += !out.ok();
    if (!out.ok()) {
      EXPECT_FALSE(out.error().message.empty());
    }
  };
  for (const File& file : files) {
    const size_t step = file.size() / 60 + 1;
    for (size_t size = 0; size < file.size(); size += step) {
      attempt(File(file.begin(), file.begin() + static_cast<ptrdiff_t>(size)));
    }
    uint64_t state = 0x9e3779b97f4a7c15ull + file.size();
    const auto next = [&] {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      return state;
    };
    for (int round = 0; round < 150; ++round) {
      File broken = file;
      const uint64_t edits = 1 + next() % 6;
      for (uint64_t i = 0; i < edits; ++i) {
        // Half of the edits go to the header, where the damage is most inventive.
        const size_t range = i % 2 == 0 ? std::min<size_t>(broken.size(), 64) : broken.size();
        broken[next() % range] = static_cast<uint8_t>(next());
      }
      attempt(broken);
    }
  }
  EXPECT_GE(tried, 1500);
  EXPECT_GE(refused, 600);
}

TEST(WithChannels, GreyWeightsKeepGrey) {
  const Image grey = samples::picture(5, 4, 1);
  const auto rgba = with_channels(grey, 4);
  ASSERT_TRUE(rgba.ok());
  const auto back = with_channels(*rgba, 1);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(largest_difference(grey, *back), 0);
}

}  // namespace
}  // namespace sluice::image
