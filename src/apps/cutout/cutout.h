// The cutout: a picture's foreground, cut out by a matting model, laid over nothing, a colour or
// another picture. One picture at a time; batch.h runs many.
//   decode -> upright -> model input -> run -> matte -> alpha at full size -> colours -> composite
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/cutout/color.h"
#include "apps/cutout/manifest.h"
#include "apps/cutout/refine.h"
#include "base/result.h"
#include "image/image.h"
#include "tensor/tensor.h"
#include "tensor/type.h"

namespace sluice::apps::cutout {

// Runs the model on one input and gives the output that the manifest names.
using RunModel = std::function<Result<Tensor>(const Tensor& input)>;

struct Background {
  enum class Kind : uint8_t { kTransparent, kColor, kPicture } kind = Kind::kTransparent;
  Rgba color = {};
  std::shared_ptr<const image::Image> picture;
};

struct CutOptions {
  Background background;
  bool refine = true;       // guided filter; otherwise the matte is only enlarged
  bool clean_edges = true;  // estimate foreground colours; otherwise the picture's own
  bool mask = false;        // the result is alpha itself, as grey
  GuidedOptions guided = {};
};

// Seconds of each phase.
struct PhaseTimes {
  double decode = 0, prepare = 0, run = 0, refine = 0, encode = 0;
  double total() const { return decode + prepare + run + refine + encode; }
};

// Alpha (0 to 255) at the picture's size; `guide` is what `prepare` made of the picture. Alpha that
// the picture itself has is kept: the result is nowhere more opaque than the picture.
Result<image::Image> alpha_of(const image::Planes& matte, const image::Planes& guide,
                              const image::Image& picture, bool refine,
                              const GuidedOptions& guided = {});

// The result is RGBA, RGB or (mask) grey, of the picture's size.
Result<image::Image> cut_out(const image::Image& picture, const Manifest& manifest,
                             const RunModel& run, const CutOptions& options, PhaseTimes& times);

// A colour, or the file of a picture. `text` that is neither is a usage error.
Result<Background> parse_background(const std::string& text, uint64_t max_pixels);

// What a model without a manifest seems to want, from its inputs and outputs (name, type), with a
// sentence saying so. Fails when the graph does not look like a matting model.
struct Guess {
  Manifest manifest;
  std::string sentence;
};
using NamedTypes = std::vector<std::pair<std::string, Type>>;
Result<Guess> guess_manifest(const NamedTypes& inputs, const NamedTypes& outputs);

double now_seconds();  // a steady clock

}  // namespace sluice::apps::cutout
