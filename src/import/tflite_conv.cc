// TFLite operators on images: convolutions, pooling, resizing, space-to-depth and the like, and
// MediaPipe's custom ones. TFLite's images are NHWC: each handler transposes in, computes in NCHW
// and transposes out.

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "base/text.h"
#include "import/tflite_scope.h"

namespace sluice::import {

using ir::ValueId;

namespace {

// Extents of images above this are left to the operators: arithmetic on smaller ones can't
// overflow.
constexpr int64_t kMaxExtent = int64_t{1} << 24;

// TensorFlow's SAME: ceil(in / stride) outputs, the odd element of padding behind.
int64_t same_padding(int64_t in, int64_t kernel, int64_t stride, int64_t dilation) {
  const int64_t out = (in + stride - 1) / stride;
  return std::max<int64_t>(0, (out - 1) * stride + (kernel - 1) * dilation + 1 - in);
}

struct Window {
  std::vector<int64_t> kernel, stride, dilation;  // outermost spatial axis first
  bool same = false;
};

Result<void> check_window(const TfliteNode& n, const Window& w) {
  for (size_t i = 0; i < w.kernel.size(); ++i) {
    if (w.kernel[i] < 1 || w.stride[i] < 1 || w.dilation[i] < 1 || w.kernel[i] > (1 << 20) ||
        w.stride[i] > (1 << 20) || w.dilation[i] > (1 << 20)) {
      return n.fail(cat("the window has size ", w.kernel[i], ", stride ", w.stride[i],
                        " and dilation ", w.dilation[i], " (each 1 to 1048576)"));
    }
  }
  return {};
}

// Explicit pads where the extents are known, else auto_pad, which means the same. `x` is
// N,C,spatial.
void set_pads(const TfliteNode& n, AttrMap& attrs, const Window& w, ValueId x) {
  if (!w.same) return;  // VALID is ONNX's default
  const size_t rank = w.kernel.size();
  std::vector<int64_t> pads(2 * rank, 0);
  for (size_t i = 0; i < rank; ++i) {
    const auto in = n.s.extent(x, static_cast<int>(i) + 2);
    if (!in) {
      attrs.set("auto_pad", std::string("SAME_UPPER"));
      return;
    }
    if (*in > kMaxExtent) {  // the operator's own checks say what is wrong with it
      attrs.set("auto_pad", std::string("SAME_UPPER"));
      return;
    }
    const int64_t total = same_padding(*in, w.kernel[i], w.stride[i], w.dilation[i]);
    pads[i] = total / 2;
    pads[rank + i] = total - total / 2;
  }
  attrs.set("pads", std::move(pads));
}

Result<bool> is_same(const TfliteNode& n) {
  const std::string padding = n.text("padding", "SAME");
  if (padding != "SAME" && padding != "VALID")
    return n.fail(cat("the padding is ", quoted(padding), " (SAME or VALID)"));
  return padding == "SAME";
}

// The extents of input `i` of a window operator: those of a constant, or inferred.
Result<std::vector<int64_t>> kernel_extents(TfliteNode& n, int i, int rank) {
  std::vector<int64_t> out;
  if (const TfliteConstant* w = n.s.constant_of(n.in_name(i)); w != nullptr) {
    out.assign(w->tensor.shape().begin(), w->tensor.shape().end());
  } else {
    SLUICE_ASSIGN(const ValueId value, n.raw(i));
    const auto shape = n.s.type(value).shape();
    if (!shape) return n.no_support("the shape of the weights is not known before the run");
    out.assign(shape->begin(), shape->end());
  }
  if (static_cast<int>(out.size()) != rank)
    return n.fail(cat("the weights have rank ", out.size(), " (", rank, " is needed)"));
  return out;
}

// The bias, dequantized. A quantized bias without parameters is in units of input scale times
// weight scale.
Result<ValueId> bias_of(TfliteNode& n, int bias, int input, int weights) {
  if (!n.has(bias)) return ir::kNoValue;
  SLUICE_ASSIGN(const ValueId stored, n.raw(bias));
  const auto* in_q = n.s.quantization(n.in_name(input));
  const auto* w_q = n.s.quantization(n.in_name(weights));
  if (is_integer(n.s.dtype(stored)) && n.s.quantization(n.in_name(bias)) == nullptr) {
    if (in_q == nullptr || w_q == nullptr || in_q->scales.size() != 1 || w_q->scales.empty()) {
      return n.no_support("the integer bias has no quantization parameters");
    }
    format::QuantizationDecl q;
    for (const float scale : w_q->scales) q.scales.push_back(scale * in_q->scales[0]);
    return n.s.dequantize(stored, q);
  }
  return n.in(bias);
}

Result<void> convolution(TfliteNode& n, bool depthwise) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(const ValueId image, n.in(0));
  SLUICE_ASSIGN(const ValueId x, n.s.to_nchw(image));
  SLUICE_ASSIGN(const auto extents, kernel_extents(n, 1, 4));
  Window w;
  w.kernel = {extents[1], extents[2]};
  w.stride = {n.number("stride_h", 1), n.number("stride_w", 1)};
  w.dilation = {n.number("dilation_h_factor", 1), n.number("dilation_w_factor", 1)};
  SLUICE_ASSIGN(w.same, is_same(n));
  SLUICE_TRY(check_window(n, w));
  const auto channels = n.s.extent(x, 1);
  int64_t group = 1;
  if (depthwise) {
    // 1,H,W,C*M: output channel c * M + m reads input channel c.
    if (extents[0] != 1)
      return n.fail(cat("depthwise weights start with ", extents[0], " (1 is needed)"));
    const int64_t multiplier = n.number("depth_multiplier", 1);
    group = channels ? *channels : multiplier > 0 ? extents[3] / multiplier : extents[3];
    if (group < 1 || extents[3] % group != 0) {
      return n.fail(
          cat("depthwise weights of ", extents[3], " channels don't fit an input of ", group));
    }
  } else if (channels && extents[3] > 0) {
    // O,H,W,I: fewer input channels than the image has means groups.
    if (*channels % extents[3] != 0)
      return n.fail(cat("weights for ", extents[3], " channels don't fit an input of ", *channels));
    group = *channels / extents[3];
  }
  SLUICE_ASSIGN(const ValueId weights,
                n.s.real_permuted(n.in_name(1), depthwise ? std::vector<int64_t>{3, 0, 1, 2}
                                                          : std::vector<int64_t>{0, 3, 1, 2}));
  SLUICE_ASSIGN(const ValueId bias, bias_of(n, 2, 0, 1));
  AttrMap attrs = {{"kernel_shape", w.kernel},
                   {"strides", w.stride},
                   {"dilations", w.dilation},
                   {"group", group}};
  set_pads(n, attrs, w, x);
  SLUICE_ASSIGN(ValueId y, n.s.emit("Conv", {x, weights, bias}, std::move(attrs)));
  SLUICE_ASSIGN(y, n.activated(y));
  SLUICE_ASSIGN(y, n.s.to_nhwc(y));
  return n.set(0, y);
}

Result<void> conv_2d(TfliteNode& n) { return convolution(n, false); }
Result<void> depthwise_conv_2d(TfliteNode& n) { return convolution(n, true); }

// N,D,H,W,C with weights D,H,W,I,O.
Result<void> conv_3d(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(const ValueId volume, n.in(0));
  SLUICE_ASSIGN(const ValueId x, n.s.transpose(volume, {0, 4, 1, 2, 3}));
  SLUICE_ASSIGN(const auto extents, kernel_extents(n, 1, 5));
  Window w;
  w.kernel = {extents[0], extents[1], extents[2]};
  w.stride = {n.number("stride_d", 1), n.number("stride_h", 1), n.number("stride_w", 1)};
  w.dilation = {n.number("dilation_d_factor", 1), n.number("dilation_h_factor", 1),
                n.number("dilation_w_factor", 1)};
  SLUICE_ASSIGN(w.same, is_same(n));
  SLUICE_TRY(check_window(n, w));
  const auto channels = n.s.extent(x, 1);
  if (channels && (extents[3] < 1 || *channels % extents[3] != 0)) {
    return n.fail(cat("weights for ", extents[3], " channels don't fit an input of ", *channels));
  }
  SLUICE_ASSIGN(const ValueId weights, n.s.real_permuted(n.in_name(1), {4, 3, 0, 1, 2}));
  SLUICE_ASSIGN(const ValueId bias, bias_of(n, 2, 0, 1));
  AttrMap attrs = {{"kernel_shape", w.kernel},
                   {"strides", w.stride},
                   {"dilations", w.dilation},
                   {"group", channels ? *channels / extents[3] : int64_t{1}}};
  set_pads(n, attrs, w, x);
  SLUICE_ASSIGN(ValueId y, n.s.emit("Conv", {x, weights, bias}, std::move(attrs)));
  SLUICE_ASSIGN(y, n.activated(y));
  SLUICE_ASSIGN(y, n.s.transpose(y, {0, 2, 3, 4, 1}));
  return n.set(0, y);
}

// Shared by TRANSPOSE_CONV and MediaPipe's form: `out` is the wanted spatial extent, `total` the
// padding taken off the full (in - 1) * stride + kernel. What lies beyond the full extent gets the
// bias only.
Result<ValueId> transposed_convolution(TfliteNode& n, ValueId x, ValueId weights, ValueId bias,
                                       const Window& w, const int64_t (&out)[2]) {
  std::vector<int64_t> pads(4), extra(2);
  for (int i = 0; i < 2; ++i) {
    const auto in = n.s.extent(x, i + 2);
    if (!in) return n.no_support("the extent of the image is not known before the run");
    if (*in < 1 || *in > kMaxExtent)
      return n.fail(cat("the image has extent ", *in, " (1 to 16777216)"));
    const int64_t full =
        (*in - 1) * w.stride[static_cast<size_t>(i)] + w.kernel[static_cast<size_t>(i)];
    const int64_t total = std::max<int64_t>(0, full - out[i]);
    pads[static_cast<size_t>(i)] = total / 2;
    pads[static_cast<size_t>(i) + 2] = total - total / 2;
    extra[static_cast<size_t>(i)] = std::max<int64_t>(0, out[i] - full);
    if (extra[static_cast<size_t>(i)] >= w.stride[static_cast<size_t>(i)]) {
      return n.no_support(cat("the output extent ", out[i], " is larger than the input can make (",
                              full, " plus a stride)"));
    }
  }
  AttrMap attrs = {{"kernel_shape", w.kernel}, {"strides", w.stride}, {"pads", pads}};
  if (extra[0] != 0 || extra[1] != 0) attrs.set("output_padding", extra);
  return n.s.emit("ConvTranspose", {x, weights, bias}, std::move(attrs));
}

// Inputs: output shape, weights O,H,W,I, image, bias.
Result<void> transpose_conv(TfliteNode& n) {
  SLUICE_TRY(n.need(3));
  SLUICE_ASSIGN(const ValueId shape_value, n.raw(0));
  std::vector<int64_t> shape;
  if (const auto known = n.s.known_ints(shape_value)) {
    shape = *known;
  } else {
    // Computed at run time: the file's own shape of the output is what it comes to.
    const Type* declared = n.s.declared_type(n.out_name(0));
    const auto fixed = declared != nullptr ? declared->shape() : std::nullopt;
    if (!fixed || !n.s.context.static_shapes)
      return n.no_support("the output shape is computed at run time");
    shape.assign(fixed->begin(), fixed->end());
  }
  if (shape.size() != 4) {
    return n.fail(cat("the output shape has ", shape.size(), " entries (4 are needed)"));
  }
  SLUICE_ASSIGN(const ValueId image, n.in(2));
  SLUICE_ASSIGN(const ValueId x, n.s.to_nchw(image));
  SLUICE_ASSIGN(const auto extents, kernel_extents(n, 1, 4));
  Window w;
  w.kernel = {extents[1], extents[2]};
  w.stride = {n.number("stride_h", 1), n.number("stride_w", 1)};
  w.dilation = {1, 1};
  SLUICE_TRY(check_window(n, w));
  SLUICE_ASSIGN(const ValueId weights, n.s.real_permuted(n.in_name(1), {3, 0, 1, 2}));
  SLUICE_ASSIGN(const ValueId bias, bias_of(n, 3, 2, 1));
  const int64_t out[2] = {shape[1], shape[2]};
  if (out[0] < 1 || out[1] < 1)
    return n.fail(cat("the output shape is ", out[0], " by ", out[1], " (1 or more)"));
  SLUICE_ASSIGN(ValueId y, transposed_convolution(n, x, weights, bias, w, out));
  SLUICE_ASSIGN(y, n.activated(y));
  SLUICE_ASSIGN(y, n.s.to_nhwc(y));
  return n.set(0, y);
}

Result<Window> pool_window(TfliteNode& n) {
  Window w;
  w.kernel = {n.number("filter_height"), n.number("filter_width")};
  w.stride = {n.number("stride_h", 1), n.number("stride_w", 1)};
  w.dilation = {1, 1};
  SLUICE_ASSIGN(w.same, is_same(n));
  SLUICE_TRY(check_window(n, w));
  return w;
}

enum class Pool { kMax, kAverage, kL2 };

template <Pool kKind>
Result<void> pool(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(const ValueId image, n.in(0));
  SLUICE_ASSIGN(ValueId x, n.s.to_nchw(image));
  SLUICE_ASSIGN(const Window w, pool_window(n));
  AttrMap attrs = {{"kernel_shape", w.kernel}, {"strides", w.stride}};
  set_pads(n, attrs, w, x);
  if (kKind == Pool::kL2) {
    SLUICE_ASSIGN(x, n.s.emit("Mul", {x, x}));
  }
  SLUICE_ASSIGN(ValueId y,
                n.s.emit(kKind == Pool::kMax ? "MaxPool" : "AveragePool", {x}, std::move(attrs)));
  if (kKind == Pool::kL2) {
    SLUICE_ASSIGN(y, n.s.emit("Sqrt", {y}));
  }
  SLUICE_ASSIGN(y, n.activated(y));
  SLUICE_ASSIGN(y, n.s.to_nhwc(y));
  return n.set(0, y);
}

template <bool kLinear>
Result<void> resize(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(const ValueId image, n.in(0));
  SLUICE_ASSIGN(const ValueId x, n.s.to_nchw(image));
  SLUICE_ASSIGN(const ValueId stored_size, n.raw(1));
  SLUICE_ASSIGN(const ValueId size, n.s.to_int64_vector(stored_size));
  const bool corners = n.flag("align_corners"), half = n.flag("half_pixel_centers");
  if (corners && half)
    return n.no_support("align_corners and half_pixel_centers together are not supported");
  AttrMap attrs = {{"axes", std::vector<int64_t>{2, 3}},
                   {"mode", std::string(kLinear ? "linear" : "nearest")},
                   {"coordinate_transformation_mode", std::string(corners ? "align_corners"
                                                                  : half  ? "half_pixel"
                                                                          : "asymmetric")}};
  // TFLite's nearest: floor((x + 0.5) * s) with half pixels is round-half-up of ONNX's centred
  // coordinate; aligned corners round half up; otherwise floor.
  if (!kLinear)
    attrs.set("nearest_mode", std::string(corners || half ? "round_prefer_ceil" : "floor"));
  SLUICE_ASSIGN(ValueId y,
                n.s.emit("Resize", {x, ir::kNoValue, ir::kNoValue, size}, std::move(attrs)));
  SLUICE_ASSIGN(y, n.s.to_nhwc(y));
  return n.set(0, y);
}

template <bool kToDepth>
Result<void> space_and_depth(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  const int64_t block = n.number("block_size");
  if (block < 1 || block > 65536) return n.fail(cat("the block size is ", block, " (1 to 65536)"));
  const bool moved = n.alike(0);
  SLUICE_ASSIGN(const ValueId image, moved ? n.raw(0) : n.in(0));
  SLUICE_ASSIGN(const ValueId x, n.s.to_nchw(image));
  AttrMap attrs = {{"blocksize", block}};
  if (!kToDepth) attrs.set("mode", std::string("DCR"));
  SLUICE_ASSIGN(ValueId y,
                n.s.emit(kToDepth ? "SpaceToDepth" : "DepthToSpace", {x}, std::move(attrs)));
  SLUICE_ASSIGN(y, n.s.to_nhwc(y));
  return moved ? n.set_raw(0, y) : n.set(0, y);
}

Result<void> local_response_normalization(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(const ValueId image, n.in(0));
  SLUICE_ASSIGN(const ValueId x, n.s.to_nchw(image));
  const int64_t radius = n.number("radius");
  if (radius < 0 || radius > (1 << 20))
    return n.fail(cat("the radius is ", radius, " (0 to 1048576)"));
  const int64_t size = 2 * radius + 1;
  // ONNX divides alpha by the window's size.
  SLUICE_ASSIGN(ValueId y, n.s.emit("LRN", {x},
                                    {{"size", size},
                                     {"alpha", n.real("alpha") * static_cast<float>(size)},
                                     {"beta", n.real("beta")},
                                     {"bias", n.real("bias")}}));
  SLUICE_ASSIGN(y, n.s.to_nhwc(y));
  return n.set(0, y);
}

// --- MediaPipe. Their options are C structs of int32, not flexbuffers.

Result<std::vector<int64_t>> struct_ints(const TfliteNode& n, size_t count) {
  if (n.decl.custom_options.size() < 4 * count) {
    return n.fail(cat("its options have ", n.decl.custom_options.size(), " bytes (at least ",
                      4 * count, ")"));
  }
  std::vector<int64_t> out;
  for (size_t i = 0; i < count; ++i) {
    int32_t value = 0;
    std::memcpy(&value, n.decl.custom_options.data() + 4 * i, 4);
    out.push_back(value);
  }
  return out;
}

// TfLitePoolParams: padding (1 SAME, 2 VALID), stride width and height, filter width and height.
Result<Window> struct_window(const TfliteNode& n) {
  SLUICE_ASSIGN(const auto p, struct_ints(n, 5));
  if (p[0] != 1 && p[0] != 2) return n.fail(cat("the padding is ", p[0], " (1 or 2)"));
  Window w;
  w.same = p[0] == 1;
  w.stride = {p[2], p[1]};
  w.kernel = {p[4], p[3]};
  w.dilation = {1, 1};
  SLUICE_TRY(check_window(n, w));
  return w;
}

// [0, 1, ..., count) * step + start, shaped so that it broadcasts along one axis of N,C,H,W.
ValueId ramp(TfliteScope& s, int64_t count, int64_t step, int64_t start, int axis) {
  std::vector<int64_t> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(i * step + start);
  Shape shape{1, 1, 1, 1};
  shape[axis] = count;
  return s.constant("ramp", Tensor::of<int64_t>(shape, std::span<const int64_t>(values)));
}

// Output 0: the maximum. Output 1: where in its window it was found, y * filter_width + x, as float
// (with 0.1 added, so that truncation is safe).
Result<void> max_pool_with_argmax(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  TfliteScope& s = n.s;
  SLUICE_ASSIGN(const ValueId image, n.in(0));
  SLUICE_ASSIGN(const ValueId x, s.to_nchw(image));
  SLUICE_ASSIGN(const Window w, struct_window(n));
  AttrMap attrs = {{"kernel_shape", w.kernel}, {"strides", w.stride}};
  set_pads(n, attrs, w, x);
  const auto height = s.extent(x, 2), width = s.extent(x, 3);
  if (!height || !width || *height < 1 || *width < 1 || *height > kMaxExtent || *width > kMaxExtent)
    return n.no_support("the extent of the image is not known before the run");
  SLUICE_ASSIGN(const auto made, s.emit_many("MaxPool", {x}, 2, std::move(attrs)));
  SLUICE_ASSIGN(const ValueId values, s.to_nhwc(made[0]));
  SLUICE_TRY(n.set(0, values));
  if (n.output_count() < 2 || n.out_name(1).empty()) return {};
  TfliteScope::PoolIndices record;
  record.flat = made[1];
  int64_t out[2];
  const int64_t in[2] = {*height, *width};
  for (size_t i = 0; i < 2; ++i) {
    const int64_t total = w.same ? same_padding(in[i], w.kernel[i], w.stride[i], 1) : 0;
    record.filter[i] = w.kernel[i];
    record.stride[i] = w.stride[i];
    record.pad[i] = total / 2;
    out[i] =
        w.same ? (in[i] + w.stride[i] - 1) / w.stride[i] : (in[i] - w.kernel[i]) / w.stride[i] + 1;
  }
  if (out[0] < 1 || out[1] < 1 || out[0] > 65536 || out[1] > 65536)
    return n.fail("the image is smaller than the window or too large");
  // ONNX's index counts through N,C,H,W: take y and x out of it, relative to the window.
  SLUICE_ASSIGN(
      const ValueId in_plane,
      s.emit("Mod", {made[1], s.scalar(DType::kInt64, static_cast<double>(in[0] * in[1]))}));
  SLUICE_ASSIGN(const ValueId row,
                s.emit("Div", {in_plane, s.scalar(DType::kInt64, static_cast<double>(in[1]))}));
  SLUICE_ASSIGN(const ValueId column,
                s.emit("Mod", {in_plane, s.scalar(DType::kInt64, static_cast<double>(in[1]))}));
  SLUICE_ASSIGN(const ValueId y,
                s.emit("Sub", {row, ramp(s, out[0], w.stride[0], -record.pad[0], 2)}));
  SLUICE_ASSIGN(const ValueId dx,
                s.emit("Sub", {column, ramp(s, out[1], w.stride[1], -record.pad[1], 3)}));
  SLUICE_ASSIGN(const ValueId scaled,
                s.emit("Mul", {y, s.scalar(DType::kInt64, static_cast<double>(w.kernel[1]))}));
  SLUICE_ASSIGN(const ValueId place, s.emit("Add", {scaled, dx}));
  SLUICE_ASSIGN(const ValueId wide, s.cast(place, DType::kFloat32));
  SLUICE_ASSIGN(const ValueId shifted, s.emit("Add", {wide, s.scalar(DType::kFloat32, 0.1)}));
  SLUICE_ASSIGN(const ValueId indices, s.to_nhwc(shifted));
  SLUICE_TRY(n.set(1, indices));
  s.pool_indices[n.out_name(1)] = record;
  return {};
}

Result<void> max_unpooling(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  TfliteScope& s = n.s;
  SLUICE_ASSIGN(const ValueId image, n.in(0));
  SLUICE_ASSIGN(const ValueId x, s.to_nchw(image));
  SLUICE_ASSIGN(const Window w, struct_window(n));
  const auto shape = s.type(x).shape();
  if (!shape || shape->rank() != 4)
    return n.no_support("the shape of the image is not known before the run");
  int64_t out[2], pad[2];
  for (int i = 0; i < 2; ++i) {
    const size_t k = static_cast<size_t>(i);
    const int64_t in = (*shape)[i + 2];
    if (in < 1 || in > 65536) return n.fail(cat("the image has extent ", in, " (1 to 65536)"));
    out[i] = in * w.kernel[k];
    if (out[i] > kMaxExtent)
      return n.fail(cat("the output has extent ", out[i], " (limit ", kMaxExtent, ")"));
    // The padding of the pooling that went from `out` to `in`.
    pad[i] = std::max<int64_t>(0, (in - 1) * w.stride[k] + w.kernel[k] - out[i]) / 2;
  }
  const auto found = s.pool_indices.find(n.in_name(1));
  ValueId flat = ir::kNoValue;
  if (found != s.pool_indices.end() && found->second.filter[0] == w.kernel[0] &&
      found->second.filter[1] == w.kernel[1] && found->second.stride[0] == w.stride[0] &&
      found->second.stride[1] == w.stride[1] && found->second.pad[0] == pad[0] &&
      found->second.pad[1] == pad[1]) {
    flat = found->second.flat;
  } else {
    // From the place in the window to a flat index in N,C,H,W of the output.
    SLUICE_ASSIGN(const ValueId stored, n.in(1));
    SLUICE_ASSIGN(const ValueId nchw, s.to_nchw(stored));
    SLUICE_ASSIGN(const ValueId place, s.cast(nchw, DType::kInt64));
    const ValueId filter_width = s.scalar(DType::kInt64, static_cast<double>(w.kernel[1]));
    SLUICE_ASSIGN(const ValueId dy, s.emit("Div", {place, filter_width}));
    SLUICE_ASSIGN(const ValueId dx, s.emit("Mod", {place, filter_width}));
    SLUICE_ASSIGN(const ValueId y,
                  s.emit("Add", {dy, ramp(s, (*shape)[2], w.stride[0], -pad[0], 2)}));
    SLUICE_ASSIGN(const ValueId at_x,
                  s.emit("Add", {dx, ramp(s, (*shape)[3], w.stride[1], -pad[1], 3)}));
    SLUICE_ASSIGN(const ValueId row,
                  s.emit("Mul", {y, s.scalar(DType::kInt64, static_cast<double>(out[1]))}));
    SLUICE_ASSIGN(const ValueId in_plane, s.emit("Add", {row, at_x}));
    const Checked volume = Checked::from_signed((*shape)[0]) * Checked::from_signed((*shape)[1]) *
                           static_cast<uint64_t>(out[0]) * static_cast<uint64_t>(out[1]);
    if (!volume.fits(uint64_t{1} << 40) || (*shape)[0] > kMaxExtent || (*shape)[1] > kMaxExtent) {
      return n.fail("the output has more than 2^40 elements");
    }
    const int64_t plane = out[0] * out[1];
    SLUICE_ASSIGN(const ValueId channel,
                  s.emit("Add", {in_plane, ramp(s, (*shape)[1], plane, 0, 1)}));
    SLUICE_ASSIGN(flat, s.emit("Add", {channel, ramp(s, (*shape)[0], plane * (*shape)[1], 0, 0)}));
  }
  const ValueId size = s.ints({(*shape)[0], (*shape)[1], out[0], out[1]});
  SLUICE_ASSIGN(ValueId y, s.emit("MaxUnpool", {x, flat, size},
                                  {{"kernel_shape", w.kernel}, {"strides", w.stride}}));
  SLUICE_ASSIGN(y, s.to_nhwc(y));
  return n.set(0, y);
}

// Inputs: image, weights O,H,W,I, bias. Options: padding, stride width, stride height.
Result<void> convolution_2d_transpose_bias(TfliteNode& n) {
  SLUICE_TRY(n.need(3));
  SLUICE_ASSIGN(const auto p, struct_ints(n, 3));
  if (p[0] != 1 && p[0] != 2) return n.fail(cat("the padding is ", p[0], " (1 or 2)"));
  SLUICE_ASSIGN(const ValueId image, n.in(0));
  SLUICE_ASSIGN(const ValueId x, n.s.to_nchw(image));
  SLUICE_ASSIGN(const auto extents, kernel_extents(n, 1, 4));
  Window w;
  w.kernel = {extents[1], extents[2]};
  w.stride = {p[2], p[1]};
  w.dilation = {1, 1};
  SLUICE_TRY(check_window(n, w));
  int64_t out[2];
  for (int i = 0; i < 2; ++i) {
    const size_t k = static_cast<size_t>(i);
    const auto in = n.s.extent(x, i + 2);
    if (!in) return n.no_support("the extent of the image is not known before the run");
    if (*in < 1 || *in > kMaxExtent) {
      return n.fail(cat("the image has extent ", *in, " (1 to ", kMaxExtent, ")"));
    }
    const int64_t total =
        p[0] == 1 ? std::max<int64_t>(0, w.kernel[k] - (*in - 1) % w.stride[k] - 1) : 0;
    out[i] = (*in - 1) * w.stride[k] + w.kernel[k] - total;
  }
  SLUICE_ASSIGN(const ValueId weights, n.s.real_permuted(n.in_name(1), {3, 0, 1, 2}));
  SLUICE_ASSIGN(const ValueId bias, n.in(2));
  SLUICE_ASSIGN(ValueId y, transposed_convolution(n, x, weights, bias, w, out));
  SLUICE_ASSIGN(y, n.s.to_nhwc(y));
  return n.set(0, y);
}

constexpr TfliteRow kRows[] = {
    {"CONV_2D", conv_2d},
    {"DEPTHWISE_CONV_2D", depthwise_conv_2d},
    {"CONV_3D", conv_3d},
    {"TRANSPOSE_CONV", transpose_conv},
    {"MAX_POOL_2D", pool<Pool::kMax>},
    {"AVERAGE_POOL_2D", pool<Pool::kAverage>},
    {"L2_POOL_2D", pool<Pool::kL2>},
    {"RESIZE_BILINEAR", resize<true>},
    {"RESIZE_NEAREST_NEIGHBOR", resize<false>},
    {"SPACE_TO_DEPTH", space_and_depth<true>},
    {"DEPTH_TO_SPACE", space_and_depth<false>},
    {"LOCAL_RESPONSE_NORMALIZATION", local_response_normalization},
};

constexpr TfliteRow kCustomRows[] = {
    {"MaxPoolingWithArgmax2D", max_pool_with_argmax},
    {"MaxUnpooling2D", max_unpooling},
    {"Convolution2DTransposeBias", convolution_2d_transpose_bias},
};

}  // namespace

std::span<const TfliteRow> tflite_conv_rows() { return kRows; }
std::span<const TfliteRow> tflite_custom_rows() { return kCustomRows; }

}  // namespace sluice::import
