#include "apps/cutout/cutout.h"

#include <chrono>
#include <cmath>

#include "apps/cutout/composite.h"
#include "apps/cutout/matte.h"
#include "base/file.h"
#include "base/text.h"

namespace sluice::apps::cutout {

using image::Image;
using image::Planes;

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Result<Image> alpha_of(const Planes& matte, const Planes& guide, const Image& picture, bool refine,
                       const GuidedOptions& guided) {
  Image alpha;
  if (!refine) {
    SLUICE_ASSIGN(alpha, bilinear_alpha(matte, picture.width(), picture.height()));
  } else if (guide.width() != matte.width() || guide.height() != matte.height()) {
    // The guide must have the matte's size; a model may answer at another one than it was asked.
    SLUICE_ASSIGN(const Planes resized, resize(guide, matte.width(), matte.height()));
    SLUICE_ASSIGN(alpha, guided_alpha(matte, resized, picture, guided));
  } else {
    SLUICE_ASSIGN(alpha, guided_alpha(matte, guide, picture, guided));
  }
  if (picture.has_alpha()) {
    const uint8_t* own = picture.pixels().data() + 3;
    for (uint8_t& value : alpha.pixels()) {
      value = static_cast<uint8_t>((value * *own + 127) / 255);
      own += 4;
    }
  }
  return alpha;
}

Result<Image> cut_out(const Image& picture, const Manifest& manifest, const RunModel& run,
                      const CutOptions& options, PhaseTimes& times) {
  double start = now_seconds();
  const auto lap = [&](double& phase) {
    const double now = now_seconds();
    phase += now - start;
    start = now;
  };
  SLUICE_ASSIGN(Prepared prepared, prepare(picture, manifest.input));
  lap(times.prepare);

  SLUICE_ASSIGN(const Tensor output, run(prepared.input));
  lap(times.run);

  SLUICE_ASSIGN(const Planes matte,
                matte_of(output, manifest.output, manifest.input.layout, prepared.placement,
                         manifest.input.width, manifest.input.height));
  SLUICE_ASSIGN(Image alpha,
                alpha_of(matte, prepared.guide, picture, options.refine, options.guided));
  if (options.mask) {
    lap(times.refine);
    return alpha;
  }
  Image colors;
  if (options.clean_edges) {
    SLUICE_ASSIGN(colors, foreground_colors(picture, alpha));
  } else {
    SLUICE_ASSIGN(colors, with_channels(picture, 3));
  }
  Result<Image> out = internal_error("No background");
  switch (options.background.kind) {
    case Background::Kind::kTransparent:
      out = transparent(colors, alpha);
      break;
    case Background::Kind::kColor:
      out = over_color(colors, alpha, options.background.color);
      break;
    case Background::Kind::kPicture:
      out = over_picture(colors, alpha, *options.background.picture);
      break;
  }
  lap(times.refine);
  return out;
}

Result<Background> parse_background(const std::string& text, uint64_t max_pixels) {
  Background out;
  if (text.empty()) return out;
  if (const auto color = parse_color(text)) {
    if ((*color)[3] == 0) return out;
    out.kind = Background::Kind::kColor;
    out.color = *color;
    return out;
  }
  auto file = MappedFile::open(text);
  if (!file) {
    return usage_error(cat("--background ", quoted(text, 300),
                           " is neither a colour (a CSS name or #rrggbb) nor a picture file"));
  }
  auto decoded = image::decode((*file)->bytes(), {.max_pixels = max_pixels});
  if (!decoded) return std::move(decoded).error().while_doing("reading the background picture");
  out.kind = Background::Kind::kPicture;
  out.picture = std::make_shared<const Image>(std::move(decoded->image));
  return out;
}

namespace {

constexpr int kGuessedSide = 512;

bool is_extent(const Dim& dim, int64_t value) { return dim.is_known() && dim.value() == value; }

// The extent as it is, or the usual one where it is left open; 0 when it is no sensible side.
int side_of(const Dim& dim) {
  if (!dim.is_known()) return kGuessedSide;
  return dim.value() >= 16 && dim.value() <= 4096 ? static_cast<int>(dim.value()) : 0;
}

}  // namespace

Result<Guess> guess_manifest(const NamedTypes& inputs, const NamedTypes& outputs) {
  const auto misfit = [](std::string_view what) {
    Error error = unsupported(cat("The model does not look like one that cuts out: ", what));
    error.hint = "write down how it is used in a manifest beside it (MODEL.json)";
    return error;
  };
  if (inputs.size() != 1) return misfit(cat("it has ", inputs.size(), " inputs (expected 1)"));
  const auto& [input_name, input] = inputs[0];
  if (!input.has_rank() || input.dims->size() != 4) {
    return misfit(cat("its input is ", input.text(), " (expected one picture of three channels)"));
  }
  Guess out;
  InputSpec& spec = out.manifest.input;
  const Dims& dims = *input.dims;
  const bool nchw = is_extent(dims[1], 3);
  if (!nchw && !is_extent(dims[3], 3)) {
    return misfit(cat("its input is ", input.text(), " (expected three channels)"));
  }
  if (input.dtype != DType::kFloat32 && input.dtype != DType::kFloat16) {
    return misfit(cat("its input is ", input.text(), " (expected float32 or float16)"));
  }
  spec.name = input_name;
  spec.layout = nchw ? Layout::kNchw : Layout::kNhwc;
  spec.height = side_of(dims[nchw ? 2 : 1]);
  spec.width = side_of(dims[nchw ? 3 : 2]);
  if (spec.height == 0 || spec.width == 0) {
    return misfit(cat("its input is ", input.text(), " (expected sides of 16 to 4096)"));
  }
  bool found = false;
  for (const auto& [name, type] : outputs) {
    if (!type.has_rank() || type.dims->size() < 2 || type.dims->size() > 4) continue;
    const Dims& shape = *type.dims;
    const bool four = shape.size() == 4;
    const bool one = !four || is_extent(shape[1], 1) || is_extent(shape[3], 1);
    const bool two = four && (is_extent(shape[1], 2) || is_extent(shape[3], 2));
    if (!one && !two) continue;
    out.manifest.output.name = name;
    if (two && !one) out.manifest.output.meaning = Meaning::kTwoClassSoftmax;
    found = true;
    break;
  }
  if (!found) return misfit("none of its outputs is a picture of one channel");
  // Models trained on photographs nearly all take ImageNet's normalisation; those of NHWC layout,
  // which come from TensorFlow, plain 0..1.
  if (nchw) {
    spec.mean = {0.485f, 0.456f, 0.406f};
    spec.std = {0.229f, 0.224f, 0.225f};
  }
  if (out.manifest.output.meaning == Meaning::kAlpha) out.manifest.output.min_max = true;
  out.manifest.name = "guessed";
  out.manifest.title = "model without a manifest";
  out.sentence = cat(
      "There is no manifest beside the model; taken for granted: input ", quoted(input_name), " ",
      nchw ? "NCHW " : "NHWC ", spec.width, "x", spec.height, " RGB, ",
      nchw ? "ImageNet mean and deviation" : "values from 0 to 1", ", output ",
      quoted(out.manifest.output.name),
      out.manifest.output.meaning == Meaning::kAlpha ? " stretched to 0..1" : " as two classes");
  return out;
}

}  // namespace sluice::apps::cutout
