// From picture to model input and from model output to matte: the numbers that a manifest states,
// applied. A matte is one float plane, 0 background to 1 foreground.
#pragma once

#include "apps/cutout/manifest.h"
#include "base/result.h"
#include "image/image.h"
#include "image/resize.h"
#include "tensor/tensor.h"

namespace sluice::apps::cutout {

// Where the picture lies within the model's input, in input pixels; all of it when stretched.
struct Placement {
  int x = 0, y = 0, width = 0, height = 0;
};

struct Prepared {
  Tensor input;  // float32, [1,3,H,W] or [1,H,W,3]
  Placement placement;
  image::Planes guide;  // the resized picture, RGB, 0 to 255, placement.width x height
};

// Alpha of the picture is laid over white: a model has seen photographs, not holes. A letterbox is
// filled with black.
Result<Prepared> prepare(const image::Image& picture, const InputSpec& spec);

// The matte that `output` means, of placement.width x placement.height pixels scaled to the
// output's own resolution. Accepts [..1,]H,W; 1,H,W,1; and two channels for kTwoClassSoftmax. A
// value that is not finite is an error: a matte is never made up.
Result<image::Planes> matte_of(const Tensor& output, const OutputSpec& spec, Layout layout,
                               const Placement& placement, int input_width, int input_height);

}  // namespace sluice::apps::cutout
