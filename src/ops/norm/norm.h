// Normalization: numbers shifted and scaled by statistics of their neighbourhood.
//
//   BatchNormalization        per channel; statistics given, or of the batch (training_mode)
//   InstanceNormalization     per image and channel
//   GroupNormalization        per image and group of channels; scale and bias per channel
//   LayerNormalization        over the axes from `axis` on; also mean and 1 / sqrt(var + epsilon)
//   RMSNormalization          the same without the mean
//   MeanVarianceNormalization over `axes`: (x - mean) / (sqrt(var) + 1e-9)
//   LpNormalization           x / (sum |x|^p)^(1/p) along `axis`; 0 where that sum is 0
//   LRN                       x / (bias + alpha / size * sum of x^2 over `size` channels)^beta
//   Dropout                   the input; in training mode a random part of it, scaled
//
// y = scale * (x - mean) / sqrt(var + epsilon) + bias, with population variance, where nothing else
// is said. Statistics are taken in double, in two passes (mean, then squared distances), and the
// result is rounded once, whatever stash_type asks for: that is at least as precise.
#pragma once

namespace sluice::ops::norm {

// MeanVarianceNormalization divides by sqrt(var) plus this.
inline constexpr double kMeanVarianceEpsilon = 1e-9;

}  // namespace sluice::ops::norm
