// From a matte at the model's resolution to alpha and foreground colours at the picture's.
#pragma once

#include "base/result.h"
#include "image/image.h"
#include "image/resize.h"

namespace sluice::apps::cutout {

struct GuidedOptions {
  // Window half-width as a fraction of the matte's longer side, at least one matte pixel.
  float radius_fraction = 1.0f / 128.0f;
  // Regularisation, in squared colour units (0..1): edges weaker than its root are smoothed over.
  float epsilon = 1e-4f;
};

// Alpha (0 to 255) of the picture's size by the fast guided filter (He and Sun, "Fast Guided
// Filter", 2015) with a colour guide: in each window of the small picture alpha is fitted as
// a . colour + b; a and b are averaged, enlarged bilinearly and applied to the full picture, so
// that edges land where the picture has them. `guide` is the picture at the matte's size, 0 to 255.
Result<image::Image> guided_alpha(const image::Planes& matte, const image::Planes& guide,
                                  const image::Image& picture, const GuidedOptions& options = {});

// Alpha (0 to 255) by bilinear enlargement alone.
Result<image::Image> bilinear_alpha(const image::Planes& matte, int width, int height);

// RGB of the foreground alone, as if nothing had shone through: multi-level estimation (Germer,
// Uelwer, Conrad and Harmeling, "Fast Multi-Level Foreground Estimation", 2020) at no more than
// `kEstimateSide` pixels a side, brought to full size with the picture's own detail. Pixels with
// alpha 255 keep their colour; alpha 0 gives black.
inline constexpr int kEstimateSide = 1024;
Result<image::Image> foreground_colors(const image::Image& picture, const image::Image& alpha);

}  // namespace sluice::apps::cutout
