// WebP through libwebp. Of an animation the first frame is taken.
#include <webp/decode.h>
#include <webp/demux.h>
#include <webp/encode.h>

#include <cstring>
#include <memory>

#include "image/codecs.h"
#include "image/exif.h"

namespace sluice::image {

namespace {

std::string_view status_text(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY:
      return "there is not enough memory";
    case VP8_STATUS_NOT_ENOUGH_DATA:
      return "it ends too early";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return "it uses a feature that is not known";
    default:
      return "the bit stream breaks the rules";
  }
}

int orientation_of(const WebPData& file) {
  const std::unique_ptr<WebPDemuxer, void (*)(WebPDemuxer*)> demux(WebPDemux(&file),
                                                                   &WebPDemuxDelete);
  if (!demux) return 1;
  WebPChunkIterator chunk;
  if (WebPDemuxGetChunk(demux.get(), "EXIF", 1, &chunk) == 0) return 1;
  const int orientation =
      exif_orientation({reinterpret_cast<const std::byte*>(chunk.chunk.bytes), chunk.chunk.size});
  WebPDemuxReleaseChunkIterator(&chunk);
  return orientation;
}

Result<Image> first_frame(const WebPData& file, uint64_t max_pixels) {
  const std::unique_ptr<WebPDemuxer, void (*)(WebPDemuxer*)> demux(WebPDemux(&file),
                                                                   &WebPDemuxDelete);
  if (!demux) return invalid_model("The WebP file is damaged: its chunks are out of order");
  SLUICE_TRY(check_extent("WebP", WebPDemuxGetI(demux.get(), WEBP_FF_CANVAS_WIDTH),
                          WebPDemuxGetI(demux.get(), WEBP_FF_CANVAS_HEIGHT), max_pixels));
  WebPAnimDecoderOptions options;
  if (WebPAnimDecoderOptionsInit(&options) == 0)
    return internal_error("The libwebp found is of another version");
  options.color_mode = MODE_RGBA;
  const std::unique_ptr<WebPAnimDecoder, void (*)(WebPAnimDecoder*)> decoder(
      WebPAnimDecoderNew(&file, &options), &WebPAnimDecoderDelete);
  WebPAnimInfo info;
  uint8_t* frame = nullptr;
  int time_ms = 0;
  if (!decoder || WebPAnimDecoderGetInfo(decoder.get(), &info) == 0 ||
      WebPAnimDecoderGetNext(decoder.get(), &frame, &time_ms) == 0) {
    return invalid_model("The WebP animation is damaged: its first frame cannot be decoded");
  }
  SLUICE_ASSIGN(Image out, Image::allocate(static_cast<int>(info.canvas_width),
                                           static_cast<int>(info.canvas_height), 4));
  std::memcpy(out.pixels().data(), frame, out.pixels().size());
  return out;
}

}  // namespace

Result<Decoded> decode_webp(Bytes bytes, uint64_t max_pixels) {
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  const WebPData file{data, bytes.size()};
  WebPBitstreamFeatures features;
  if (const VP8StatusCode status = WebPGetFeatures(data, bytes.size(), &features);
      status != VP8_STATUS_OK) {
    return invalid_model(cat("The WebP file is damaged: ", status_text(status)));
  }
  SLUICE_TRY(check_extent("WebP", static_cast<uint64_t>(features.width),
                          static_cast<uint64_t>(features.height), max_pixels));
  Decoded out;
  if (features.has_animation != 0) {
    SLUICE_ASSIGN(out.image, first_frame(file, max_pixels));
  } else {
    SLUICE_ASSIGN(out.image, Image::allocate(features.width, features.height,
                                             features.has_alpha != 0 ? 4 : 3));
    const auto pixels = out.image.pixels();
    const int stride = static_cast<int>(out.image.row_bytes());
    const uint8_t* decoded =
        features.has_alpha != 0
            ? WebPDecodeRGBAInto(data, bytes.size(), pixels.data(), pixels.size(), stride)
            : WebPDecodeRGBInto(data, bytes.size(), pixels.data(), pixels.size(), stride);
    if (decoded == nullptr) {
      return invalid_model("The WebP file is damaged: the pixels cannot be decoded");
    }
  }
  out.orientation = orientation_of(file);
  return out;
}

Result<Array<uint8_t>> encode_webp(const Image& source, const WebpOptions& options) {
  if (source.width() > WEBP_MAX_DIMENSION || source.height() > WEBP_MAX_DIMENSION) {
    return unsupported(cat("WebP cannot hold a picture of ", source.width(), "x", source.height(),
                           " pixels (limit ", WEBP_MAX_DIMENSION, " a side)"));
  }
  Image widened;
  if (source.channels() == 1) {
    SLUICE_ASSIGN(widened, with_channels(source, 3));
  }
  const Image& image = source.channels() == 1 ? widened : source;

  WebPConfig config;
  WebPPicture picture;
  if (WebPConfigInit(&config) == 0 || WebPPictureInit(&picture) == 0) {
    return internal_error("The libwebp found is of another version");
  }
  config.quality = options.quality < 0 ? 0 : options.quality > 100 ? 100 : options.quality;
  config.method = 2;  // 0 fast to 6 slow
  config.alpha_quality = 100;
  if (options.lossless) {
    config.lossless = 1;
    config.method = 1;
  }
  picture.use_argb = options.lossless ? 1 : 0;
  picture.width = image.width();
  picture.height = image.height();
  WebPMemoryWriter writer;
  WebPMemoryWriterInit(&writer);
  picture.writer = WebPMemoryWrite;
  picture.custom_ptr = &writer;
  const int stride = static_cast<int>(image.row_bytes());
  const int imported = image.has_alpha()
                           ? WebPPictureImportRGBA(&picture, image.pixels().data(), stride)
                           : WebPPictureImportRGB(&picture, image.pixels().data(), stride);
  const bool done = imported != 0 && WebPEncode(&config, &picture) != 0;
  const int code = static_cast<int>(picture.error_code);
  WebPPictureFree(&picture);
  if (!done) {
    WebPMemoryWriterClear(&writer);
    return resource_error(
        cat("The picture cannot be encoded as WebP (libwebp's error ", code, ")"));
  }
  auto out = Array<uint8_t>::allocate(writer.size);
  if (out) std::memcpy(out->data(), writer.mem, writer.size);
  WebPMemoryWriterClear(&writer);
  return out;
}

}  // namespace sluice::image
