// ops/image: ImageDecoder. A 1-D uint8 tensor holding an image file becomes [H, W, C] uint8 with C
// = 3 (pixel_format RGB or BGR) or 1 (Grayscale). Decoding is that of the room image/, without
// turning the picture by its EXIF data. By ONNX's rule a file that can't be read gives an empty
// [0, 0, C]; a format that is not read here is an error instead, so that it does not go unnoticed.
#include "image/image.h"

#include <array>
#include <cstring>
#include <utility>

#include "base/text.h"
#include "op/operand.h"

namespace sluice::ops::image {

namespace {

using op::InferContext;
using op::OpDef;
using plan::KernelContext;

constexpr op::DTypeSet kBytes = {DType::kUInt8};

Result<int> channels_of(const AttrMap& attrs) {
  const std::string format = attrs.string_or("pixel_format", "RGB");
  if (format == "RGB" || format == "BGR") return 3;
  if (format == "Grayscale") return 1;
  return usage_error(
      cat("Attribute pixel_format is ", quoted(format), " (allowed: RGB, BGR or Grayscale)"));
}

Result<void> infer_image_decoder(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, kBytes));
  const auto channels = channels_of(context.attrs());
  if (!channels) return context.fail(channels.error().message);
  context.set_output(0, DType::kUInt8, {Dim::unknown(), Dim::unknown(), *channels});
  return {};
}

Result<void> image_decoder_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* stream, op::input_tensor(context, 0, kBytes));
  SLUICE_ASSIGN(const int channels, channels_of(context.attrs()));
  sluice::image::DecodeOptions options;
  options.apply_orientation = false;
  auto decoded = sluice::image::decode(stream->bytes(), options);
  if (!decoded) {
    if (decoded.error().code != ErrorCode::kInvalidModel) return std::move(decoded).error();
    SLUICE_TRY(context.out(0, DType::kUInt8, Shape{0, 0, channels}));
    return {};
  }
  SLUICE_ASSIGN(const sluice::image::Image image,
                sluice::image::with_channels(decoded->image, channels));
  SLUICE_ASSIGN(Tensor * out,
                context.out(0, DType::kUInt8, Shape{image.height(), image.width(), channels}));
  uint8_t* to = out->mutable_data<uint8_t>();
  std::memcpy(to, image.pixels().data(), image.pixels().size());
  if (context.attrs().string_or("pixel_format", "RGB") == "BGR") {
    for (size_t i = 0; i + 2 < out->size_bytes(); i += 3) std::swap(to[i], to[i + 2]);
  }
  return {};
}

}  // namespace

std::span<const OpDef> op_defs() {
  static const std::array<OpDef, 1> kDefs = {{{.name = "ImageDecoder",
                                               .min_inputs = 1,
                                               .max_inputs = 1,
                                               .infer = infer_image_decoder,
                                               .reference = image_decoder_reference}}};
  return kDefs;
}

}  // namespace sluice::ops::image
