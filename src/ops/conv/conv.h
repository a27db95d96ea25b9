// Convolutions. One geometry serves Conv, ConvTranspose, DeformConv, ConvInteger, QLinearConv and
// FusedConv; every kernel computes it first, so that whatever a model says has been checked before
// an index is formed.
//
//   Conv           Y[n,m,o] = B[m] + sum over c,k of X[n, g*Cg + c, at(o,k)] * W[m,c,k]
//   ConvTranspose  Y[n,m,at(i,k)] += X[n, g*Cg + c, i] * W[g*Cg + c, m - g*Mg, k], plus B[m]
//
// with g = m / Mg, Cg = C / group, Mg = M / group, at(o,k) = o * stride - pad_begin + k * dilation
// along every spatial axis, and zeros outside the input. Layout is N C spatial..., 1 to 10 spatial
// axes. Reference kernels accumulate in double and round once.
//
// sluice.DynamicQuantizedConv(X, W, w_scale, [w_zero], [B]) is what dynamic quantization writes as
// seven nodes: X (float32) becomes uint8 with one scale and zero point, as DynamicQuantizeLinear
// has it; ConvInteger with W gives integers; then, each operation rounded to float32 by itself,
//
//   Y = activation(float(integer) * (x_scale * w_scale) + B[m])
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "op/activation.h"
#include "op/window.h"
#include "tensor/attributes.h"
#include "tensor/shape.h"

namespace sluice::ops::conv {

struct ConvGeometry {
  int64_t batch = 0;
  int64_t in_channels = 0;   // C
  int64_t out_channels = 0;  // M
  int64_t groups = 1;
  // Conv: `in` and `out` of an axis are those of X and Y. ConvTranspose: `in` is Y's extent and
  // `out` is X's, so that at(i, k) is the place in Y that X[i] * W[k] is added to.
  std::vector<op::WindowAxis> axes;

  int spatial_rank() const { return static_cast<int>(axes.size()); }
  int64_t in_channels_per_group() const { return in_channels / groups; }
  int64_t out_channels_per_group() const { return out_channels / groups; }
  int64_t kernel_elems() const;
  // Elements of one channel on the `in` side and on the `out` side of the axes.
  int64_t in_elems() const;
  int64_t out_elems() const;
  bool is_depthwise() const { return groups == in_channels && groups > 1; }
};

// Conv, FusedConv, ConvInteger, QLinearConv: x is [N,C,...], w is [M,C/group,...], bias [M] or
// null. Fails with a sentence when shapes and attributes (auto_pad, dilations, group, kernel_shape,
// pads, strides) don't fit together. All counts of the result fit int64, output included.
Result<ConvGeometry> conv_geometry(const AttrMap& attrs, const Shape& x, const Shape& w,
                                   const Shape* bias = nullptr);
// [N,M,out...]
Shape conv_output_shape(const ConvGeometry& geometry);

// ConvTranspose: w is [C,M/group,...]; also output_padding and output_shape.
Result<ConvGeometry> conv_transpose_geometry(const AttrMap& attrs, const Shape& x, const Shape& w,
                                             const Shape* bias = nullptr);
// [N,M,in...]
Shape conv_transpose_output_shape(const ConvGeometry& geometry);

// FusedConv's activation: what is applied to each element after the bias (and the residual). Reads
// `activation` (without regard to case; "" is none) and `activation_params`.
Result<op::Activation> fused_activation(const AttrMap& attrs);

}  // namespace sluice::ops::conv
