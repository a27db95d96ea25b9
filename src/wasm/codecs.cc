// Picture formats that need a library: a browser has its own decoders, so the module has none. They
// matter to the operator ImageDecoder only; the cutout gets pixels.
#include "image/codecs.h"

#include "base/text.h"

namespace sluice::image {
namespace {

Error no_codec(std::string_view format) {
  return unsupported(
      cat("The picture is ", format, ", which this build does not read (the host decodes it)"));
}

}  // namespace

Result<Decoded> decode_png(Bytes, uint64_t) { return no_codec("PNG"); }
Result<Decoded> decode_jpeg(Bytes, uint64_t) { return no_codec("JPEG"); }
Result<Decoded> decode_webp(Bytes, uint64_t) { return no_codec("WebP"); }

}  // namespace sluice::image
