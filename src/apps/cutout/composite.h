// Foreground and alpha laid over a background, or kept transparent.
#pragma once

#include <optional>

#include "apps/cutout/color.h"
#include "base/result.h"
#include "image/image.h"

namespace sluice::apps::cutout {

// RGBA with straight alpha; colours under full transparency are zero, which files compress well.
Result<image::Image> transparent(const image::Image& foreground, const image::Image& alpha);

// Over a colour. RGB when the colour is opaque, else RGBA. Mixed in sRGB values, as editors do.
Result<image::Image> over_color(const image::Image& foreground, const image::Image& alpha,
                                Rgba color);

// Over a picture scaled to cover the frame, centred, its overhang cut off. RGB.
Result<image::Image> over_picture(const image::Image& foreground, const image::Image& alpha,
                                  const image::Image& background);

}  // namespace sluice::apps::cutout
