// Pooling: a sliding window (or the whole image, or regions of interest) reduced to one number per
// channel.
//
//   MaxPool        the largest element inside the window, padding excluded; Indices: where it is,
//                  counted through the whole input (row-major, or column-major within a channel)
//   AveragePool    sum / count; the count includes padding only when count_include_pad is set, and
//                  never what ceil_mode adds beyond the padding
//   LpPool         (sum |x|^p)^(1/p)
//   Global*        the window is the whole image
//   MaxUnpool      zeros, except X's elements at the places that Indices name
//   MaxRoiPool, RoiAlign   a grid of bins over each region of interest
//
// Layout is N C spatial...; the quantized averages also take N spatial... C. A window that lies
// wholly in the padding gives the lowest number of the dtype (MaxPool) or 0.
#pragma once

#include <vector>

#include "base/result.h"
#include "op/window.h"
#include "tensor/attributes.h"
#include "tensor/shape.h"

namespace sluice::ops::pool {

struct PoolGeometry {
  int64_t batch = 0;
  int64_t channels = 0;
  bool channels_last = false;
  std::vector<op::WindowAxis> axes;

  int64_t in_elems() const;   // of one channel
  int64_t out_elems() const;  // of one channel
};

// Attributes auto_pad, ceil_mode, dilations, kernel_shape, pads, strides; x is [N,C,...], or
// [N,...,C] when `channels_last`. All products of the result fit int64.
Result<PoolGeometry> pool_geometry(const AttrMap& attrs, const Shape& x,
                                   bool channels_last = false);
// One window over everything.
Result<PoolGeometry> global_pool_geometry(const Shape& x, bool channels_last = false);
Shape pool_output_shape(const PoolGeometry& geometry);

// The shape MaxUnpool's indices count through: what a pooling with these attributes came from.
Result<Shape> unpooled_shape(const AttrMap& attrs, const Shape& x);

}  // namespace sluice::ops::pool
