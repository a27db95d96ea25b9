// How convolutions run on the GPU. Candidates, in order:
//   depthwise  one input channel per group
//   narrow     few output channels per group: no tile would be filled
//   winograd   3 x 3, stride 1, where a quarter of the products outweighs what the transforms move
//   gemm       implicit matrix product, everything else with up to three spatial axes
//   direct     any spatial rank up to 8, by the definition
// Integer convolutions with constant weights multiply bytes by fours (dot4) where the device can.
// Weights that are constants are tiled here; others by a dispatch of conv_pack in front.
#include "ops/conv/conv_gpu.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "base/text.h"
#include "op/lower.h"
#include "ops/conv/conv.h"
#include "ops/conv/weight_tiles.h"
#include "shader/causal_conv.h"
#include "shader/conv_depthwise.h"
#include "shader/conv_direct.h"
#include "shader/conv_dot4.h"
#include "shader/conv_gemm.h"
#include "shader/conv_narrow.h"
#include "shader/conv_pack.h"
#include "shader/conv_sum.h"
#include "shader/conv_words.h"
#include "shader/deform_columns.h"
#include "shader/dynamic_range.h"
#include "shader/pieces.h"
#include "shader/product.h"
#include "shader/winograd_input.h"
#include "shader/winograd_output.h"

namespace sluice::ops::conv {

using op::LowerContext;
using plan::DeviceFormat;
using plan::kNoSlot;
using plan::SlotId;
using plan::SlotRange;

namespace {

// One spatial axis. `in` is x's extent and `out` is y's, for transposed convolutions too.
struct Axis {
  Dim in, out;
  int64_t kernel = 1, stride = 1, dilation = 1, pad = 0;
};

struct Layer {
  Dim batch;
  int64_t channels = 0, rows = 0, groups = 1;
  bool transposed = false;
  std::vector<Axis> axes;

  int64_t group_channels() const { return channels / groups; }
  int64_t group_rows() const { return rows / groups; }
  int64_t taps() const {
    int64_t n = 1;
    for (const Axis& axis : axes) n *= axis.kernel;
    return n;
  }
  Dim in_elems() const {
    Dim n = 1;
    for (const Axis& axis : axes) n = n * axis.in;
    return n;
  }
  Dim out_elems() const {
    Dim n = 1;
    for (const Axis& axis : axes) n = n * axis.out;
    return n;
  }
};

bool is_real(DeviceFormat format) {
  return format == DeviceFormat::kF32 || format == DeviceFormat::kF16;
}

// Whether a tensor can be bound in one piece; symbolic ones are judged when their size is known.
bool fits(const LowerContext& context, const Dim& elements, DeviceFormat format) {
  const Dim bytes = elements * Dim(static_cast<int64_t>(plan::element_bytes(format)));
  return !bytes.is_known() ||
         static_cast<uint64_t>(bytes.value()) <= context.limits().max_storage_binding_bytes;
}

Result<void> check_sizes(const LowerContext& context, std::initializer_list<int> inputs) {
  for (const int i : inputs) {
    if (!context.has_input(i)) continue;
    const Dim n = op::elements(context.in_dims(i));
    if (!fits(context, n, context.in_format(i))) {
      return context.refuse(cat("input ", i, " has ", n.text(),
                                " elements, more than one binding holds (",
                                context.limits().max_storage_binding_bytes, " bytes)"));
    }
  }
  const Dim n = op::elements(context.out_dims(0));
  if (!fits(context, n, context.out_format(0))) {
    return context.refuse(cat("the output has ", n.text(),
                              " elements, more than one binding holds (",
                              context.limits().max_storage_binding_bytes, " bytes)"));
  }
  return {};
}

// The geometry of the node. With symbolic batch or image extents it is read from the attributes;
// what depends on the numbers (SAME padding, a given output shape) waits for them.
Result<Layer> read_layer(LowerContext& context, int w_input, bool transposed) {
  SLUICE_ASSIGN(const Shape w, context.static_in(w_input));
  const Dims& x = context.in_dims(0);
  const auto x_shape = to_shape(x);
  Layer out;
  out.transposed = transposed;
  const AttrMap& attrs = context.attrs();
  if (x_shape) {
    SLUICE_ASSIGN(const ConvGeometry g, transposed ? conv_transpose_geometry(attrs, *x_shape, w)
                                                   : conv_geometry(attrs, *x_shape, w));
    out.batch = g.batch;
    out.channels = g.in_channels;
    out.rows = g.out_channels;
    out.groups = g.groups;
    for (const op::WindowAxis& axis : g.axes) {
      // The geometry of a transposed convolution is that of the one it undoes.
      out.axes.push_back({.in = transposed ? axis.out : axis.in,
                          .out = transposed ? axis.in : axis.out,
                          .kernel = axis.kernel,
                          .stride = axis.stride,
                          .dilation = axis.dilation,
                          .pad = axis.pad_begin});
    }
  } else {
    const int rank = w.rank() - 2;
    if (x.size() != static_cast<size_t>(w.rank()) || rank < 1) {
      return context.refuse("input and weight have different ranks");
    }
    SLUICE_ASSIGN(const op::WindowAttrs window,
                  op::read_window_attrs(attrs, rank, w.dims().subspan(2)));
    out.groups = attrs.int_or("group", 1);
    const int64_t per_group = transposed ? w[0] / std::max<int64_t>(out.groups, 1) : w[1];
    const bool resolvable =
        (window.auto_pad == op::AutoPad::kNotSet || window.auto_pad == op::AutoPad::kValid) &&
        attrs.ints_or("output_shape").empty() && out.groups >= 1 && x[1].is_known() &&
        x[1].value() == per_group * out.groups &&
        (transposed ? w[0] == x[1].value() : w[0] % out.groups == 0);
    if (!resolvable) SLUICE_TRY(context.static_in(0));
    out.batch = x[0];
    out.channels = x[1].value();
    out.rows = transposed ? w[1] * out.groups : w[0];
    for (int i = 0; i < rank; ++i) {
      const auto at = static_cast<size_t>(i);
      out.axes.push_back({.in = x[at + 2],
                          .out = context.out_dims(0)[at + 2],
                          .kernel = window.kernel[at],
                          .stride = window.strides[at],
                          .dilation = window.dilations[at],
                          .pad = window.pads[at]});
    }
  }
  // Places and offsets are 32-bit integers in the shaders.
  for (const Axis& axis : out.axes) {
    const int64_t reach = (axis.kernel - 1) * axis.dilation;
    if (reach + std::abs(axis.pad) >= (int64_t{1} << 28) || axis.stride >= (int64_t{1} << 28) ||
        (axis.out.is_known() &&
         axis.out.value() >= (int64_t{1} << 30) / std::max<int64_t>(axis.stride, 1))) {
      return context.refuse("a window reaches further than 32-bit places do");
    }
  }
  return out;
}

// Exactly three axes, extents of 1 in front.
Result<std::array<Axis, 3>> three_axes(const LowerContext& context, const Layer& layer) {
  if (layer.axes.size() > 3) {
    return context.refuse(cat(layer.axes.size(), " spatial axes (takes up to 3)"));
  }
  std::array<Axis, 3> out;
  for (Axis& axis : out) axis = {.in = 1, .out = 1};
  std::ranges::copy(layer.axes, out.end() - static_cast<std::ptrdiff_t>(layer.axes.size()));
  return out;
}

// What follows the sums: bias, residual, activation.
struct Epilogue {
  SlotId bias = kNoSlot, residual = kNoSlot;
  op::Activation activation;
};

Result<Epilogue> read_epilogue(const LowerContext& context) {
  Epilogue out;
  out.bias = context.in(2);
  if (context.node().op != "FusedConv") return out;
  SLUICE_ASSIGN(out.activation, fused_activation(context.attrs()));
  out.residual = context.in(3);
  if (out.residual != kNoSlot) {
    const Dims &z = context.in_dims(3), &y = context.out_dims(0);
    if (z.size() != y.size() || !std::ranges::equal(z, y)) {
      return context.refuse(
          cat("the residual is ", dims_text(z), " and the output ", dims_text(y)));
    }
  }
  return out;
}

Result<DeviceFormat> real_format(const LowerContext& context) {
  const DeviceFormat format = context.in_format(0);
  if (!is_real(format)) {
    return context.refuse("only floating point of up to 32 bits is computed here");
  }
  return format;
}

std::array<Dim, 4> four(const std::array<Axis, 3>& axes, Dim Axis::* extent) {
  return {axes[0].*extent, axes[1].*extent, axes[2].*extent,
          axes[0].*extent * axes[1].*extent * axes[2].*extent};
}
std::array<Dim, 4> four(const std::array<Axis, 3>& axes, int64_t Axis::* number) {
  return {axes[0].*number, axes[1].*number, axes[2].*number,
          Dim(axes[0].*number) * Dim(axes[1].*number) * Dim(axes[2].*number)};
}

// --- the product kernels, float and integer

// Integer and quantized operands; `factor` has one entry per row.
struct Quantized {
  bool integer = false, scaled = false;
  std::vector<int32_t> w_zero;  // per row, or empty
  // Zero points that only the run knows; kNoSlot: those above and below.
  SlotId run_w_zero = kNoSlot, run_x_zero = kNoSlot;
  bool run_w_zero_per_row = false;
  int32_t x_zero = 0, y_zero = 0, y_low = 0, y_high = 0;
  std::vector<float> factor;
};

struct Product {
  Layer layer;
  std::array<Axis, 3> axes;
  SlotRange x;
  std::string_view x_type;
  int w_input = 1;
  Epilogue epilogue;
  Quantized quantized;
};

// The tiled weight: a constant, or made at run time. `fold_taps`: the weight's taps count as
// channels (the columns of a deformable convolution have one row for each).
Result<SlotId> tiled_weight(LowerContext& context, const WeightTiles& tiles, const Product& product,
                            std::string_view w_type) {
  const auto count = tiles.elements();
  const bool f16 = w_type == "f16", integer = product.quantized.integer;
  const DeviceFormat format = f16       ? DeviceFormat::kF16
                              : integer ? DeviceFormat::kI32
                                        : DeviceFormat::kF32;
  if (!count || !fits(context, *count, format)) {
    return context.refuse("the tiled weight is larger than one binding holds");
  }
  const int w = product.w_input;
  const Quantized& q = product.quantized;
  if (const Tensor* known = static_cast<const op::NodeView&>(context).constant(w);
      known != nullptr && q.run_w_zero == kNoSlot) {
    const DType dtype = f16 ? DType::kFloat16 : integer ? DType::kInt32 : DType::kFloat32;
    return context.packed_constant(dtype, Shape{*count}, "tiled weight",
                                   [tiles, weight = *known, zero = q.w_zero, dtype] {
                                     return pack_weights(tiles, weight, zero, dtype);
                                   });
  }
  const SlotId slot = context.temp(format, *count);
  SlotId zero = q.run_w_zero;
  bool zero_per_row = q.run_w_zero_per_row;
  if (zero == kNoSlot && !q.w_zero.empty()) {
    zero_per_row = true;
    const Shape rows{static_cast<int64_t>(q.w_zero.size())};
    // In the weight's own format on the device.
    const std::vector<uint32_t> as_unsigned(q.w_zero.begin(), q.w_zero.end());
    zero = context.constant(context.in_format(w) == DeviceFormat::kU32
                                ? Tensor::of<uint32_t>(rows, std::span<const uint32_t>(as_unsigned))
                                : Tensor::of<int32_t>(rows, std::span<const int32_t>(q.w_zero)),
                            "zero points of the weight");
  }
  context.dispatch(
      shader::conv_pack::Call{.knobs = {.T = plan::wgsl_type(context.in_format(w)),
                                        .Y = w_type,
                                        .TRANSPOSED = tiles.transposed,
                                        .HAS_ZERO = zero != kNoSlot},
                              .params = {.group_channels = tiles.group_channels,
                                         .group_rows = tiles.group_rows,
                                         .taps = tiles.taps,
                                         .tile_rows = tiles.tile_rows,
                                         .chunk = tiles.chunk,
                                         .chunks = tiles.chunks(),
                                         .tap_chunks = tiles.flat ? 0 : tiles.tap_chunks(),
                                         .row_tiles = tiles.row_tiles(),
                                         .zero_step = zero_per_row ? 1 : 0,
                                         .n = *count},
                              .w = context.in(w),
                              .zero = zero,
                              .y = slot,
                              .workgroups = op::workgroups(*count, 256)});
  return slot;
}

// A tile of conv_gemm: threads in positions and rows, registers in rows and positions, loads of
// four channels per thread and chunk.
struct Tile {
  uint32_t tx, ty, rm, rn, loads;
  // Relative to the best one, as the ratio of products to everything else allows.
  double efficiency;
  int64_t rows() const { return ty * rm; }
  int64_t positions() const { return tx * rn; }
  int64_t chunk() const { return 4 * ty * loads / rn; }
};
// The shader takes tiles whose positions are no more than its threads, whose chunk of weights is at
// most one vector per thread, and whose two buffers fit 16 KiB.
constexpr Tile kTiles[kTileCount] = {
    {16, 16, 8, 8, 1, 1.0},  // 128 rows by 128 positions
    {16, 8, 8, 8, 2, 0.95},  // 64 by 128
    {16, 16, 4, 4, 1, 0.7},  // 64 by 64
    {16, 8, 4, 8, 2, 0.8},   // 32 by 128
    {32, 4, 4, 4, 2, 0.6},   // 16 by 128
    {8, 8, 4, 4, 1, 0.5},    // 32 by 32
};

// The tile whose busiest multiprocessor is done first, on a device of about a hundred of them.
// Unknown extents count as large.
const Tile& choose_tile(int64_t group_rows, const Dim& positions, int64_t outer) {
  if (tile_for_test >= 0) return kTiles[static_cast<size_t>(tile_for_test) % std::size(kTiles)];
  constexpr double kMultiprocessors = 100;
  const double columns =
      positions.is_known() ? static_cast<double>(positions.value()) : double{1 << 20};
  const Tile* best = nullptr;
  double best_cost = 0;
  for (const Tile& tile : kTiles) {
    const double tiles = static_cast<double>((group_rows + tile.rows() - 1) / tile.rows()) *
                         std::ceil(columns / static_cast<double>(tile.positions())) *
                         static_cast<double>(outer);
    const double cost = std::ceil(tiles / kMultiprocessors) *
                        static_cast<double>(tile.rows() * tile.positions()) / tile.efficiency;
    if (best == nullptr || cost < best_cost) {
      best = &tile;
      best_cost = cost;
    }
  }
  return *best;
}

std::string_view bias_type(const LowerContext& context, SlotId bias, bool integer) {
  if (bias == kNoSlot) return integer ? "i32" : "f32";
  return plan::wgsl_type(context.format(bias));
}

SlotId factor_slot(LowerContext& context, const Quantized& quantized) {
  if (!quantized.scaled) return kNoSlot;
  return context.constant(Tensor::of<float>(Shape{static_cast<int64_t>(quantized.factor.size())},
                                            std::span<const float>(quantized.factor)),
                          "requantization factors");
}

// Into how many parts the sums of `tiles` tiles are cut, so that there is work for about two
// workgroups on each of a device's hundred multiprocessors; a part has no fewer than 128 terms.
int64_t choose_parts(const Dim& tiles, int64_t terms) {
  constexpr int64_t kWorkgroups = 256, kTerms = 128, kParts = 16;
  if (!tiles.is_known() || tiles.value() <= 0) return 1;
  return std::clamp<int64_t>(std::min(kWorkgroups / tiles.value(), terms / kTerms), 1, kParts);
}

Result<void> emit_gemm(LowerContext& context, const Product& product) {
  const Layer& layer = product.layer;
  const auto& axes = product.axes;
  const Quantized& q = product.quantized;
  const int64_t phases = layer.transposed ? axes[0].stride * axes[1].stride * axes[2].stride : 1;
  if (phases > (1 << 16)) return context.refuse("the strides are too large");
  // Positions of one phase.
  std::array<Dim, 4> grid = four(axes, &Axis::out);
  if (layer.transposed) {
    grid[3] = 1;
    for (size_t i = 0; i < 3; ++i) {
      grid[i] = Dim::ceil_div(grid[i], Dim(axes[i].stride));
      grid[3] = grid[3] * grid[i];
    }
  }
  const Dim positions = layer.batch * grid[3];
  const Tile& tile = choose_tile(layer.group_rows(), positions, layer.groups * phases);
  const int64_t padded = (layer.group_channels() + tile.chunk() - 1) / tile.chunk() * tile.chunk();
  const WeightTiles tiles{
      .groups = layer.groups,
      .group_rows = layer.group_rows(),
      .group_channels = layer.group_channels(),
      .taps = layer.taps(),
      .tile_rows = tile.rows(),
      .chunk = tile.chunk(),
      .flat = !layer.transposed && layer.taps() > 1 && 4 * padded > 5 * layer.group_channels(),
      .transposed = layer.transposed};
  const std::string_view w_type = q.integer ? "i32" : product.x_type == "f16" ? "f16" : "f32";
  SLUICE_ASSIGN(const SlotId w, tiled_weight(context, tiles, product, w_type));
  const Dim position_tiles = Dim::ceil_div(positions, Dim(tile.positions()));
  const Dim count = Dim(tiles.row_tiles()) * position_tiles * Dim(layer.groups * phases);
  const op::Activation& activation = product.epilogue.activation;
  const int64_t parts = layer.transposed ? 1 : choose_parts(count, tiles.chunks() * tile.chunk());
  const int64_t part_chunks = (tiles.chunks() + parts - 1) / std::max<int64_t>(parts, 1);
  const Dim out_elems = layer.batch * Dim(layer.rows) * layer.out_elems();
  const bool split = parts > 1;
  // A part has nothing but sums.
  const SlotId bias = split ? kNoSlot : product.epilogue.bias;
  const SlotId residual = split ? kNoSlot : product.epilogue.residual;
  const SlotId factor = factor_slot(context, q);
  const SlotId y = split ? context.temp(q.integer ? DeviceFormat::kI32 : DeviceFormat::kF32,
                                        out_elems * Dim(parts))
                         : context.out(0);
  context.dispatch(
      shader::conv_gemm::Call{.knobs = {.ACT = split ? 0 : static_cast<uint32_t>(activation.kind),
                                        .T = product.x_type,
                                        .W = w_type,
                                        .B = bias_type(context, bias, q.integer),
                                        .A = q.integer ? "i32" : "f32",
                                        .Y = plan::wgsl_type(context.format(y)),
                                        .TX = tile.tx,
                                        .TY = tile.ty,
                                        .RM = tile.rm,
                                        .RN = tile.rn,
                                        .LOADS = tile.loads,
                                        .FLAT = tiles.flat,
                                        .TAIL = layer.group_channels() % tile.chunk() != 0,
                                        .TRANSPOSED = layer.transposed,
                                        .SPLIT = split,
                                        .INTEGER = q.integer,
                                        .RUN_ZERO = q.run_x_zero != kNoSlot,
                                        .QUANT = q.scaled && !split,
                                        .HAS_BIAS = bias != kNoSlot,
                                        .HAS_RESIDUAL = residual != kNoSlot},
                              .params = {.in_dims = four(axes, &Axis::in),
                                         .out_dims = four(axes, &Axis::out),
                                         .grid_dims = grid,
                                         .kernel = four(axes, &Axis::kernel),
                                         .stride = four(axes, &Axis::stride),
                                         .dilation = four(axes, &Axis::dilation),
                                         .pad = {axes[0].pad, axes[1].pad, axes[2].pad, 0},
                                         .channels = layer.channels,
                                         .group_channels = layer.group_channels(),
                                         .rows = layer.rows,
                                         .group_rows = layer.group_rows(),
                                         .positions = positions,
                                         .row_tiles = tiles.row_tiles(),
                                         .position_tiles = position_tiles,
                                         .groups = layer.groups,
                                         .tiles = count * Dim(parts),
                                         .chunks = tiles.chunks(),
                                         .tap_chunks = tiles.tap_chunks(),
                                         .split_chunks = split ? part_chunks : 0,
                                         .split_elems = split ? out_elems : Dim(0),
                                         .x_zero = q.x_zero,
                                         .y_zero = q.y_zero,
                                         .y_low = q.y_low,
                                         .y_high = q.y_high,
                                         .alpha = static_cast<float>(activation.alpha),
                                         .beta = static_cast<float>(activation.beta)},
                              .x = product.x,
                              .w = w,
                              .bias = bias,
                              .z = residual,
                              .factor = split ? kNoSlot : factor,
                              .zero = q.run_x_zero,
                              .y = y,
                              .workgroups = count * Dim(parts)});
  if (!split) return {};
  context.dispatch(
      shader::conv_sum::Call{.knobs = {.ACT = static_cast<uint32_t>(activation.kind),
                                       .B = bias_type(context, product.epilogue.bias, q.integer),
                                       .A = q.integer ? "i32" : "f32",
                                       .Y = plan::wgsl_type(context.out_format(0)),
                                       .INTEGER = q.integer,
                                       .QUANT = q.scaled,
                                       .HAS_BIAS = product.epilogue.bias != kNoSlot,
                                       .HAS_RESIDUAL = product.epilogue.residual != kNoSlot},
                             .params = {.parts = parts,
                                        .n = out_elems,
                                        .plane = layer.out_elems(),
                                        .rows = layer.rows,
                                        .y_zero = q.y_zero,
                                        .y_low = q.y_low,
                                        .y_high = q.y_high,
                                        .alpha = static_cast<float>(activation.alpha),
                                        .beta = static_cast<float>(activation.beta)},
                             .parts = y,
                             .bias = product.epilogue.bias,
                             .z = product.epilogue.residual,
                             .factor = factor,
                             .y = context.out(0),
                             .workgroups = op::workgroups(out_elems, 256)});
  return {};
}

Result<void> emit_narrow(LowerContext& context, const Product& product) {
  const Layer& layer = product.layer;
  const auto& axes = product.axes;
  const Quantized& q = product.quantized;
  const WeightTiles tiles{.groups = layer.groups,
                          .group_rows = layer.group_rows(),
                          .group_channels = layer.group_channels(),
                          .taps = layer.taps(),
                          .tile_rows = 4,
                          .chunk = 1,
                          .flat = true,
                          .transposed = layer.transposed};
  const std::string_view w_type = q.integer ? "i32" : product.x_type == "f16" ? "f16" : "f32";
  SLUICE_ASSIGN(const SlotId w, tiled_weight(context, tiles, product, w_type));
  // Four neighbours of a line per invocation where their windows overlap.
  const bool sliding = !layer.transposed && axes[2].stride == 1 && axes[2].dilation == 1;
  const Dim row_blocks = sliding ? Dim::ceil_div(axes[2].out, Dim(4)) : axes[2].out;
  const Dim positions = layer.batch * axes[0].out * axes[1].out * row_blocks;
  const Dim blocks = op::workgroups(positions, 256);
  const Dim count = blocks * Dim(tiles.row_tiles() * layer.groups);
  const op::Activation& activation = product.epilogue.activation;
  context.dispatch(
      shader::conv_narrow::Call{.knobs = {.ACT = static_cast<uint32_t>(activation.kind),
                                          .T = product.x_type,
                                          .W = w_type,
                                          .B = bias_type(context, product.epilogue.bias, q.integer),
                                          .A = q.integer ? "i32" : "f32",
                                          .Y = plan::wgsl_type(context.out_format(0)),
                                          .TRANSPOSED = layer.transposed,
                                          .SLIDING = sliding,
                                          .INTEGER = q.integer,
                                          .RUN_ZERO = q.run_x_zero != kNoSlot,
                                          .QUANT = q.scaled,
                                          .HAS_BIAS = product.epilogue.bias != kNoSlot,
                                          .HAS_RESIDUAL = product.epilogue.residual != kNoSlot},
                                .params = {.in_dims = four(axes, &Axis::in),
                                           .out_dims = four(axes, &Axis::out),
                                           .kernel = four(axes, &Axis::kernel),
                                           .stride = four(axes, &Axis::stride),
                                           .dilation = four(axes, &Axis::dilation),
                                           .pad = {axes[0].pad, axes[1].pad, axes[2].pad, 0},
                                           .channels = layer.channels,
                                           .group_channels = layer.group_channels(),
                                           .rows = layer.rows,
                                           .group_rows = layer.group_rows(),
                                           .row_blocks = row_blocks,
                                           .positions = positions,
                                           .blocks = blocks,
                                           .row_tiles = tiles.row_tiles(),
                                           .tiles = count,
                                           .x_zero = q.x_zero,
                                           .y_zero = q.y_zero,
                                           .y_low = q.y_low,
                                           .y_high = q.y_high,
                                           .alpha = static_cast<float>(activation.alpha),
                                           .beta = static_cast<float>(activation.beta)},
                                .x = product.x,
                                .w = w,
                                .bias = product.epilogue.bias,
                                .z = product.epilogue.residual,
                                .factor = factor_slot(context, q),
                                .zero = q.run_x_zero,
                                .y = context.out(0),
                                .workgroups = count});
  return {};
}

// Below this many output channels per group half of the smallest tile would be padding.
constexpr int64_t kNarrowRows = 8;

Result<void> emit_product(LowerContext& context, const Product& product) {
  return product.layer.group_rows() <= kNarrowRows ? emit_narrow(context, product)
                                                   : emit_gemm(context, product);
}

Result<Product> real_product(LowerContext& context, bool transposed) {
  Product out;
  SLUICE_ASSIGN(const DeviceFormat format, real_format(context));
  out.x_type = plan::wgsl_type(format);
  SLUICE_ASSIGN(out.layer, read_layer(context, 1, transposed));
  SLUICE_ASSIGN(out.axes, three_axes(context, out.layer));
  SLUICE_ASSIGN(out.epilogue, read_epilogue(context));
  SLUICE_TRY(check_sizes(context, {0, 1, 3}));
  out.x = context.in(0);
  return out;
}

template <bool kTransposed>
Result<void> lower_narrow(LowerContext& context) {
  SLUICE_ASSIGN(const Product product, real_product(context, kTransposed));
  if (product.layer.group_rows() > kNarrowRows) {
    return context.refuse(cat("a group has ", product.layer.group_rows(),
                              " output channels (takes up to ", kNarrowRows, ")"));
  }
  return emit_narrow(context, product);
}

// What a convolution takes, in products and sums: a device of today does about 40 of them in the
// time of moving a byte from or to its memory (phones 15, large cards 80).
double estimated(double products, double bytes) { return 2 * products + 40 * bytes; }

// F(4x4, 3x3): 36 matrix products of [M, C] by [C, tiles] between the transforms of input and
// output. No real GPU has measured it, so the estimate has to be clearly better.
Result<void> lower_winograd(LowerContext& context) {
  SLUICE_ASSIGN(const Product product, real_product(context, false));
  const Layer& layer = product.layer;
  const auto& axes = product.axes;
  const auto plain = [](const Axis& axis) {
    return axis.kernel == 3 && axis.stride == 1 && axis.dilation == 1;
  };
  if (layer.groups != 1 || layer.axes.size() != 2 || !plain(axes[1]) || !plain(axes[2])) {
    return context.refuse("it is no convolution of 3 by 3 with stride 1 in one group");
  }
  const Tensor* weight = static_cast<const op::NodeView&>(context).constant(1);
  if (weight == nullptr) return context.refuse("the weight is not known before the run");
  if (product.x_type != "f32" || context.out_format(0) != DeviceFormat::kF32) {
    return context.refuse("only float32 is transformed");
  }
  const int64_t channels = layer.channels, rows = layer.rows;
  const Dim tile_rows = Dim::ceil_div(axes[1].out, 4), tile_columns = Dim::ceil_div(axes[2].out, 4);
  const Dim tiles = layer.batch * tile_rows * tile_columns;
  if (!tiles.is_known() && !context.forced) {
    return context.refuse("the number of tiles is not known before the run");
  }
  const Dim pitch = Dim::ceil_div(tiles, 4) * Dim(4);
  const Dim v_elems = Dim(36 * channels) * pitch, m_elems = Dim(36 * rows) * pitch;
  constexpr int64_t kMostWeightBytes = int64_t{48} << 20;
  const int64_t weight_bytes = 36 * 4 * channels * rows;
  if (!fits(context, v_elems, DeviceFormat::kF32) || !fits(context, m_elems, DeviceFormat::kF32) ||
      !fits(context, Dim(36 * channels * rows), DeviceFormat::kF32)) {
    return context.refuse("a transformed tensor is larger than one binding holds");
  }
  if (!context.forced) {
    if (weight_bytes > kMostWeightBytes) {
      return context.refuse(cat("the transformed weight takes ", weight_bytes, " bytes (",
                                kMostWeightBytes, " is the limit)"));
    }
    const double c = static_cast<double>(channels), m = static_cast<double>(rows);
    const double count = static_cast<double>(tiles.value());
    const double in_and_out = 4 * 16 * count * (c + m);
    const double direct = estimated(9 * 16 * c * m * count, in_and_out + 36 * c * m);
    const double here =
        estimated(36 * c * m * count, in_and_out + 2 * 4 * 36 * count * (c + m) + 4 * 36 * c * m);
    if (here * 1.5 > direct) {
      return context.refuse(cat("it is not clearly better: about ",
                                static_cast<int64_t>(here / direct * 100),
                                " % of the product's time (takes up to 66)"));
    }
  }
  const SlotId v = context.temp(DeviceFormat::kF32, v_elems);
  const SlotId sums = context.temp(DeviceFormat::kF32, m_elems);
  context.dispatch(
      shader::winograd_input::Call{.params = {.rows = axes[1].in,
                                              .columns = axes[2].in,
                                              .pad_y = axes[1].pad,
                                              .pad_x = axes[2].pad,
                                              .tile_rows = tile_rows,
                                              .tile_columns = tile_columns,
                                              .channels = channels,
                                              .tiles = tiles,
                                              .pitch = pitch},
                                   .x = product.x,
                                   .v = v,
                                   .workgroups = op::workgroups(Dim(channels) * pitch, 64)});
  shader::Product points;
  points.m = rows;
  points.n = pitch;
  points.k = channels;
  points.a_t = true;
  points.a_ld = rows;
  points.b_ld = pitch;
  points.y_ld = pitch;
  points.batch = {Dim(36)};
  points.a_step = {Dim(channels * rows)};
  points.b_step = {Dim(channels) * pitch};
  points.c_step = {Dim(0)};
  points.y_step = {Dim(rows) * pitch};
  SLUICE_ASSIGN(points.a, context.packed_constant(DType::kFloat32, Shape{36, channels, rows},
                                                  "transformed weight",
                                                  [w = *weight] { return winograd_weights(w); }));
  points.b = v;
  points.y = sums;
  context.add(shader::product(points));
  const Epilogue& epilogue = product.epilogue;
  context.dispatch(shader::winograd_output::Call{
      .knobs = {.ACT = static_cast<uint32_t>(epilogue.activation.kind),
                .HAS_BIAS = epilogue.bias != kNoSlot,
                .HAS_RESIDUAL = epilogue.residual != kNoSlot},
      .params = {.rows = axes[1].out,
                 .columns = axes[2].out,
                 .tile_rows = tile_rows,
                 .tile_columns = tile_columns,
                 .channels = rows,
                 .tiles = tiles,
                 .pitch = pitch,
                 .alpha = static_cast<float>(epilogue.activation.alpha),
                 .beta = static_cast<float>(epilogue.activation.beta)},
      .m = sums,
      .bias = epilogue.bias,
      .z = epilogue.residual,
      .y = context.out(0),
      .workgroups = op::workgroups(Dim(rows) * pitch, 64)});
  return {};
}

template <bool kTransposed>
Result<void> lower_gemm(LowerContext& context) {
  SLUICE_ASSIGN(const Product product, real_product(context, kTransposed));
  return emit_gemm(context, product);
}

Result<void> lower_depthwise(LowerContext& context) {
  SLUICE_ASSIGN(const DeviceFormat format, real_format(context));
  SLUICE_ASSIGN(const Layer layer, read_layer(context, 1, false));
  if (layer.group_channels() != 1 || layer.groups == 1) {
    return context.refuse(cat("a group has ", layer.group_channels(), " of ", layer.channels,
                              " input channels (takes 1)"));
  }
  SLUICE_ASSIGN(const auto axes, three_axes(context, layer));
  SLUICE_ASSIGN(const Epilogue epilogue, read_epilogue(context));
  SLUICE_TRY(check_sizes(context, {0, 1, 3}));
  const Dim quads = Dim::ceil_div(axes[2].out, Dim(4));
  const Dim n = layer.batch * Dim(layer.rows) * axes[0].out * axes[1].out * quads;
  context.dispatch(shader::conv_depthwise::Call{
      .knobs = {.ACT = static_cast<uint32_t>(epilogue.activation.kind),
                .T = plan::wgsl_type(format),
                .SLIDING = axes[2].stride == 1 && axes[2].dilation == 1,
                .HAS_BIAS = epilogue.bias != kNoSlot,
                .HAS_RESIDUAL = epilogue.residual != kNoSlot},
      .params = {.in_dims = four(axes, &Axis::in),
                 .out_dims = four(axes, &Axis::out),
                 .kernel = four(axes, &Axis::kernel),
                 .stride = four(axes, &Axis::stride),
                 .dilation = four(axes, &Axis::dilation),
                 .pad = {axes[0].pad, axes[1].pad, axes[2].pad, 0},
                 .channels = layer.channels,
                 .rows = layer.rows,
                 .quads = quads,
                 .n = n,
                 .alpha = static_cast<float>(epilogue.activation.alpha),
                 .beta = static_cast<float>(epilogue.activation.beta)},
      .x = context.in(0),
      .w = context.in(1),
      .bias = epilogue.bias,
      .z = epilogue.residual,
      .y = context.out(0),
      .workgroups = op::workgroups(n, 256)});
  return {};
}

template <bool kTransposed>
Result<void> lower_direct(LowerContext& context) {
  SLUICE_ASSIGN(const DeviceFormat format, real_format(context));
  SLUICE_ASSIGN(const Layer layer, read_layer(context, 1, kTransposed));
  if (layer.axes.size() > 8) {
    return context.refuse(cat(layer.axes.size(), " spatial axes (takes up to 8)"));
  }
  SLUICE_ASSIGN(const Epilogue epilogue, read_epilogue(context));
  SLUICE_TRY(check_sizes(context, {0, 1, 3}));
  Dims in, out, kernel, stride, dilation, pad;
  for (const Axis& axis : layer.axes) {
    in.push_back(axis.in);
    out.push_back(axis.out);
    kernel.emplace_back(axis.kernel);
    stride.emplace_back(axis.stride);
    dilation.emplace_back(axis.dilation);
    pad.emplace_back(axis.pad);
  }
  const Dim n = op::elements(context.out_dims(0));
  context.dispatch(
      shader::conv_direct::Call{.knobs = {.ACT = static_cast<uint32_t>(epilogue.activation.kind),
                                          .T = plan::wgsl_type(format),
                                          .TRANSPOSED = kTransposed,
                                          .HAS_BIAS = epilogue.bias != kNoSlot,
                                          .HAS_RESIDUAL = epilogue.residual != kNoSlot},
                                .params = {.in_dims = op::eight(in, 1),
                                           .out_dims = op::eight(out, 1),
                                           .kernel = op::eight(kernel, 1),
                                           .stride = op::eight(stride, 1),
                                           .dilation = op::eight(dilation, 1),
                                           .pad = op::eight(pad, 0),
                                           .in_elems = layer.in_elems(),
                                           .out_elems = layer.out_elems(),
                                           .taps = layer.taps(),
                                           .channels = layer.channels,
                                           .group_channels = layer.group_channels(),
                                           .rows = layer.rows,
                                           .group_rows = layer.group_rows(),
                                           .n = n,
                                           .alpha = static_cast<float>(epilogue.activation.alpha),
                                           .beta = static_cast<float>(epilogue.activation.beta)},
                                .x = context.in(0),
                                .w = context.in(1),
                                .bias = epilogue.bias,
                                .z = epilogue.residual,
                                .y = context.out(0),
                                .workgroups = op::workgroups(n, 256)});
  return {};
}

// --- integers

bool is_byte(DType dtype) { return dtype == DType::kInt8 || dtype == DType::kUInt8; }

// The numbers of a scalar or per-row operand, as many as there are rows; `fallback` when absent.
Result<std::vector<double>> per_row(LowerContext& context, int input, int64_t rows,
                                    double fallback) {
  if (!context.has_input(input)) {
    return std::vector<double>(static_cast<size_t>(rows), fallback);
  }
  SLUICE_ASSIGN(const Tensor tensor, context.need_constant(input));
  std::vector<double> values = tensor.to_doubles();
  if (values.size() == 1) {
    const double all = values[0];  // assign must not be given an element of its own vector
    values.assign(static_cast<size_t>(rows), all);
  }
  if (values.size() != static_cast<size_t>(rows)) {
    return context.refuse(
        cat("input ", input, " has ", values.size(), " elements (needs 1 or ", rows, ")"));
  }
  return values;
}

Result<double> one_number(LowerContext& context, int input, double fallback) {
  SLUICE_ASSIGN(const std::vector<double> values, per_row(context, input, 1, fallback));
  return values[0];
}

Result<std::vector<int32_t>> zero_points(LowerContext& context, int input, int64_t rows) {
  SLUICE_ASSIGN(const std::vector<double> values, per_row(context, input, rows, 0));
  std::vector<int32_t> out(values.begin(), values.end());
  if (std::ranges::all_of(out, [](int32_t zero) { return zero == 0; })) out.clear();
  return out;
}

// Whether operand `input` is absent or its contents are known now.
bool known_now(const LowerContext& context, int input) {
  return !context.has_input(input) ||
         static_cast<const op::NodeView&>(context).constant(input) != nullptr;
}

Result<Product> integer_product(LowerContext& context, int w_input, int x_zero, int w_zero) {
  Product out;
  if (!is_byte(context.input_type(0).dtype) || !is_byte(context.input_type(w_input).dtype)) {
    return context.refuse("only 8-bit integers are multiplied here");
  }
  out.x_type = plan::wgsl_type(context.in_format(0));
  out.w_input = w_input;
  SLUICE_ASSIGN(out.layer, read_layer(context, w_input, false));
  SLUICE_ASSIGN(out.axes, three_axes(context, out.layer));
  SLUICE_TRY(check_sizes(context, {0, w_input}));
  Quantized& q = out.quantized;
  q.integer = true;
  out.x = context.in(0);
  // Zero points made by the graph (DynamicQuantizeLinear) are read on the device.
  if (known_now(context, x_zero)) {
    SLUICE_ASSIGN(const double zero, one_number(context, x_zero, 0));
    q.x_zero = static_cast<int32_t>(zero);
  } else {
    if (!(op::elements(context.in_dims(x_zero)) == Dim(1)) ||
        context.in_format(x_zero) != context.in_format(0)) {
      return context.refuse("the input's zero point is not one element of the input's kind");
    }
    q.run_x_zero = context.in(x_zero);
  }
  if (known_now(context, w_zero)) {
    SLUICE_ASSIGN(q.w_zero, zero_points(context, w_zero, out.layer.rows));
  } else {
    const Dim count = op::elements(context.in_dims(w_zero));
    q.run_w_zero_per_row = count == Dim(out.layer.rows);
    if ((!q.run_w_zero_per_row && !(count == Dim(1))) ||
        context.in_format(w_zero) != context.in_format(w_input)) {
      return context.refuse("the weight's zero points are not one, or one per row");
    }
    q.run_w_zero = context.in(w_zero);
  }
  return out;
}

// x as words of four channels, and its zero point and scale where only the run knows them.
struct Words {
  SlotId x = kNoSlot, zero = kNoSlot, scale = kNoSlot;
  DeviceFormat zero_format = DeviceFormat::kU32;
  int32_t zero_now = 0, shift = 0;
};

// How conv_dot4 ends: see its MODE.
enum class Ending : uint32_t { kSums, kQuantized, kReal };

Result<void> emit_bytes(LowerContext& context, const Product& product, const ByteTiles& tiles,
                        const Words& words, Ending ending) {
  const Layer& layer = product.layer;
  const auto& axes = product.axes;
  const Quantized& q = product.quantized;
  const Tensor& w = *static_cast<const op::NodeView&>(context).constant(product.w_input);
  SLUICE_ASSIGN(ByteWeights weights,
                pack_bytes(tiles, w, q.w_zero, w.dtype() == DType::kUInt8 ? 128 : 0));
  const std::span<const int32_t> rows = weights.rows.span<int32_t>();
  bool w_zero = false;
  for (size_t m = 0; m < rows.size(); m += 2) w_zero = w_zero || rows[m] != 0;
  if (weights.words.size_bytes() > context.limits().max_storage_binding_bytes) {
    return context.refuse("the tiled weight is larger than one binding holds");
  }
  const Dim positions = layer.batch * layer.out_elems();
  const Dim position_tiles = Dim::ceil_div(positions, Dim(64));
  const Dim count = Dim(tiles.row_tiles() * layer.groups) * position_tiles;
  const int64_t last_channels = layer.group_channels() % 4;
  const SlotId bias = product.epilogue.bias;
  context.dispatch(shader::conv_dot4::Call{
      .knobs = {.ACT = static_cast<uint32_t>(product.epilogue.activation.kind),
                .B = ending == Ending::kReal ? "f32" : "i32",
                .Z = plan::wgsl_type(words.zero_format),
                .Y = plan::wgsl_type(context.out_format(0)),
                .RM = static_cast<uint32_t>(tiles.tile_rows / 16),
                .MODE = static_cast<uint32_t>(ending),
                .FLAT = tiles.flat,
                .W_ZERO = w_zero,
                .RUN_ZERO = words.zero != kNoSlot,
                .HAS_BIAS = bias != kNoSlot},
      .params = {.in_dims = four(axes, &Axis::in),
                 .out_dims = four(axes, &Axis::out),
                 .kernel = four(axes, &Axis::kernel),
                 .stride = four(axes, &Axis::stride),
                 .dilation = four(axes, &Axis::dilation),
                 .pad = {axes[0].pad, axes[1].pad, axes[2].pad, 0},
                 .words = tiles.words(),
                 .tail_mask = last_channels == 0 ? int64_t{0xffffffff}
                                                 : (int64_t{1} << (8 * last_channels)) - 1,
                 .groups = layer.groups,
                 .rows = layer.rows,
                 .group_rows = layer.group_rows(),
                 .terms = layer.group_channels() * layer.taps(),
                 .positions = positions,
                 .row_tiles = tiles.row_tiles(),
                 .position_tiles = position_tiles,
                 .tiles = count,
                 .chunks = tiles.chunks(),
                 .tap_chunks = tiles.tap_chunks(),
                 .x_shift = words.shift,
                 .x_zero = words.zero_now,
                 .y_zero = q.y_zero,
                 .y_low = q.y_low,
                 .y_high = q.y_high,
                 .alpha = static_cast<float>(product.epilogue.activation.alpha),
                 .beta = static_cast<float>(product.epilogue.activation.beta)},
      .x = words.x,
      .w = context.constant(std::move(weights.words), "weight in words"),
      .rows = context.constant(std::move(weights.rows), "zero points and sums of rows"),
      .bias = bias,
      .factor = factor_slot(context, q),
      .scale = words.scale,
      .zero = words.zero,
      .y = context.out(0),
      .workgroups = count});
  return {};
}

// Why conv_dot4 does not take the product; empty: it does.
std::string bytes_refused(const LowerContext& context, const Product& product) {
  if (!context.features().packed_dot) return "the device has no packed dot products";
  if (static_cast<const op::NodeView&>(context).constant(product.w_input) == nullptr ||
      product.quantized.run_w_zero != kNoSlot) {
    return "weights and their zero points are not known before the run";
  }
  return "";
}

ByteTiles byte_tiles(const Layer& layer) {
  const int64_t rows = layer.group_rows();
  ByteTiles tiles{.groups = layer.groups,
                  .group_rows = rows,
                  .group_channels = layer.group_channels(),
                  .taps = layer.taps(),
                  .tile_rows = rows <= 16   ? 16
                               : rows <= 32 ? 32
                                            : 64};
  // Where padding each tap to whole chunks would waste more than a quarter.
  tiles.flat = tiles.taps > 1 && 4 * tiles.tap_chunks() * ByteTiles::kChunk > 5 * tiles.words();
  return tiles;
}

// Brings x into words: `x_type` of its elements, quantized on the way where a scale is given.
Result<void> make_words(LowerContext& context, const Layer& layer, const ByteTiles& tiles,
                        std::string_view x_type, Words& words) {
  const Dim plane = layer.in_elems();
  const Dim n = layer.batch * Dim(layer.groups * tiles.words()) * plane;
  words.x = context.temp(DeviceFormat::kU32, n);
  shader::conv_words::Call call{
      .knobs = {.T = x_type, .SHIFT = words.shift, .QUANTIZE = words.scale != kNoSlot},
      .params = {.channels = layer.channels,
                 .groups = layer.groups,
                 .group_channels = layer.group_channels(),
                 .group_words = tiles.words(),
                 .plane = plane,
                 .n = n},
      .x = context.in(0),
      .scale = words.scale,
      .zero = words.scale != kNoSlot ? words.zero : kNoSlot,
      .y = words.x,
      .workgroups = op::workgroups(n, 256)};
  if (fits(context, op::elements(context.in_dims(0)), context.in_format(0))) {
    context.dispatch(call);
    return {};
  }
  // Images by themselves, or the words of the only one.
  const int64_t images = layer.batch.value(), plane_bytes = 4 * plane.value();
  const bool one = images == 1 && layer.groups == 1;
  const int64_t x_run = plane_bytes * (one ? 4 : layer.channels);
  const int64_t y_run = plane_bytes * (one ? 1 : layer.groups * tiles.words());
  const std::vector<shader::Piece> pieces = shader::pieces_of(
      one ? tiles.words() : images, {static_cast<uint64_t>(x_run), static_cast<uint64_t>(y_run)},
      context.limits());
  if (pieces.empty()) {
    return context.refuse(cat("the input does not come apart into bindings of ",
                              context.limits().max_storage_binding_bytes, " bytes"));
  }
  for (const shader::Piece& piece : pieces) {
    int64_t x_bytes = piece.count * x_run;
    if (one) {
      const int64_t channels = std::min(4 * piece.count, layer.channels - 4 * piece.first);
      x_bytes = channels * plane_bytes;
      call.params.channels = call.params.group_channels = channels;
      call.params.group_words = piece.count;
    }
    call.params.n = piece.count * (y_run / 4);
    call.x = {context.in(0), piece.first * x_run, x_bytes};
    call.y = {words.x, piece.first * y_run, piece.count * y_run};
    call.workgroups = op::workgroups(call.params.n, 256);
    context.dispatch(call);
  }
  return {};
}

// The product of 8-bit integers, by fours.
Result<void> lower_bytes(LowerContext& context, const Product& product, Ending ending) {
  if (const std::string why = bytes_refused(context, product); !why.empty()) {
    return context.refuse(why);
  }
  const Layer& layer = product.layer;
  if (layer.group_rows() <= kNarrowRows) {
    return context.refuse(cat("a group has ", layer.group_rows(),
                              " output channels (takes more than ", kNarrowRows, ")"));
  }
  const ByteTiles tiles = byte_tiles(layer);
  Words words{.zero = product.quantized.run_x_zero,
              .zero_format = context.in_format(0),
              .zero_now = product.quantized.x_zero,
              .shift = context.input_type(0).dtype == DType::kUInt8 ? 128 : 0};
  SLUICE_TRY(make_words(context, layer, tiles, product.x_type, words));
  return emit_bytes(context, product, tiles, words, ending);
}

// DynamicQuantizeLinear, ConvInteger and what makes its sums real again, in four dispatches: bounds
// of x, its scale, x in words of quantized bytes, the product. More where x exceeds a binding.
Result<void> lower_dynamic_quantized(LowerContext& context) {
  if (context.in_format(0) != DeviceFormat::kF32 || context.out_format(0) != DeviceFormat::kF32) {
    return context.refuse("the input is not held as float32");
  }
  Product product;
  SLUICE_ASSIGN(product.layer, read_layer(context, 1, false));
  const Layer& layer = product.layer;
  SLUICE_ASSIGN(product.axes, three_axes(context, layer));
  SLUICE_TRY(check_sizes(context, {1}));
  if (!known_now(context, 3)) return context.refuse("the weight's zero points are made by the run");
  Quantized& q = product.quantized;
  SLUICE_ASSIGN(q.w_zero, zero_points(context, 3, layer.rows));
  if (const std::string why = bytes_refused(context, product); !why.empty()) {
    return context.refuse(why);
  }
  SLUICE_ASSIGN(const double w_scale, one_number(context, 2, 1));
  q.scaled = true;
  q.factor.assign(static_cast<size_t>(layer.rows), static_cast<float>(w_scale));
  SLUICE_ASSIGN(product.epilogue.activation, fused_activation(context.attrs()));
  product.epilogue.bias = context.in(4);

  const Dim n = op::elements(context.in_dims(0));
  const plan::Limits& limits = context.limits();
  const SlotId parts = context.temp(DeviceFormat::kF32, shader::dynamic_range_elems(n, limits));
  Words words{.zero = context.temp(DeviceFormat::kU32, 1),
              .scale = context.temp(DeviceFormat::kF32, 1),
              .shift = 128};
  auto requests = shader::dynamic_range(n, limits, context.in(0), parts, words.scale, words.zero);
  if (requests.empty()) {
    return context.refuse(cat("the input has ", n.text(), " elements, too many for bindings of ",
                              limits.max_storage_binding_bytes, " bytes"));
  }
  for (auto& request : requests) context.add(std::move(request));
  const ByteTiles tiles = byte_tiles(layer);
  SLUICE_TRY(make_words(context, layer, tiles, "f32", words));
  return emit_bytes(context, product, tiles, words, Ending::kReal);
}

Result<void> lower_integer_bytes(LowerContext& context) {
  SLUICE_ASSIGN(const Product product, integer_product(context, 1, 2, 3));
  return lower_bytes(context, product, Ending::kSums);
}

Result<void> lower_integer(LowerContext& context) {
  SLUICE_ASSIGN(const Product product, integer_product(context, 1, 2, 3));
  return emit_product(context, product);
}

Result<Product> qlinear_product(LowerContext& context) {
  // Asked for together, so that one more compilation suffices when they are known at the run only.
  bool known = true;
  for (const int i : {1, 4, 6, 7}) {
    if (context.has_input(i) && !context.need_constant(i).ok()) known = false;
  }
  if (!known)
    return context.refuse("scales or the output's zero point are not known before the run");
  SLUICE_ASSIGN(Product product, integer_product(context, 3, 2, 5));
  Quantized& q = product.quantized;
  const int64_t rows = product.layer.rows;
  SLUICE_ASSIGN(const double x_scale, one_number(context, 1, 1));
  SLUICE_ASSIGN(const std::vector<double> w_scale, per_row(context, 4, rows, 1));
  SLUICE_ASSIGN(const double y_scale, one_number(context, 6, 1));
  SLUICE_ASSIGN(const double y_zero, one_number(context, 7, 0));
  const DType dtype = context.output_type(0).dtype;
  if (!is_byte(dtype)) return context.refuse("the output is not an 8-bit integer");
  q.scaled = true;
  q.y_zero = static_cast<int32_t>(y_zero);
  q.y_low = static_cast<int32_t>(integer_min(dtype));
  q.y_high = static_cast<int32_t>(integer_max(dtype));
  for (const double scale : w_scale) {
    q.factor.push_back(static_cast<float>(x_scale * scale) / static_cast<float>(y_scale));
  }
  if (q.factor.empty()) q.factor.push_back(0);
  product.epilogue.bias = context.in(8);
  return product;
}

Result<void> lower_qlinear_bytes(LowerContext& context) {
  SLUICE_ASSIGN(const Product product, qlinear_product(context));
  return lower_bytes(context, product, Ending::kQuantized);
}

Result<void> lower_qlinear(LowerContext& context) {
  SLUICE_ASSIGN(const Product product, qlinear_product(context));
  return emit_product(context, product);
}

// --- deformable: sampled columns, then a product over channels * taps

Result<void> lower_deform(LowerContext& context) {
  SLUICE_ASSIGN(const DeviceFormat format, real_format(context));
  SLUICE_ASSIGN(const Layer layer, read_layer(context, 1, false));
  SLUICE_ASSIGN(const auto axes, three_axes(context, layer));
  SLUICE_TRY(check_sizes(context, {0, 1, 2, 4}));
  const int64_t offset_groups = context.attrs().int_or("offset_group", 1);
  const int64_t taps = layer.taps();
  if (offset_groups < 1 || layer.channels % offset_groups != 0) {
    return context.refuse(
        cat("offset_group is ", offset_groups, " for ", layer.channels, " channels"));
  }
  // Both are made for every output position.
  Dims offsets = context.out_dims(0), masks = offsets;
  offsets[0] = masks[0] = layer.batch;
  masks[1] = offset_groups * taps;
  offsets[1] = masks[1] * Dim(static_cast<int64_t>(layer.axes.size()));
  if (!std::ranges::equal(context.in_dims(2), offsets) ||
      (context.has_input(4) && !std::ranges::equal(context.in_dims(4), masks))) {
    return context.refuse("the offsets or the mask have another shape than the output needs");
  }
  const Dim columns = layer.batch * Dim(layer.channels * taps) * layer.out_elems();
  if (!fits(context, columns, DeviceFormat::kF32)) {
    return context.refuse(
        cat("the sampled columns have ", columns.text(), " elements, more than one binding holds"));
  }
  const SlotId column_slot = context.temp(DeviceFormat::kF32, columns);
  const Dim n = layer.batch * Dim(offset_groups * taps) * layer.out_elems();
  context.dispatch(
      shader::deform_columns::Call{.knobs = {.T = plan::wgsl_type(format),
                                             .RANK = static_cast<uint32_t>(layer.axes.size()),
                                             .HAS_MASK = context.has_input(4)},
                                   .params = {.in_dims = four(axes, &Axis::in),
                                              .out_dims = four(axes, &Axis::out),
                                              .kernel = four(axes, &Axis::kernel),
                                              .stride = four(axes, &Axis::stride),
                                              .dilation = four(axes, &Axis::dilation),
                                              .pad = {axes[0].pad, axes[1].pad, axes[2].pad, 0},
                                              .channels = layer.channels,
                                              .offset_groups = offset_groups,
                                              .n = n},
                                   .x = context.in(0),
                                   .offset = context.in(2),
                                   .mask = context.in(4),
                                   .columns = column_slot,
                                   .workgroups = op::workgroups(n, 256)});
  Product product;
  product.layer = layer;
  product.layer.channels = layer.channels * taps;
  product.layer.axes.assign(1, {.in = layer.out_elems(), .out = layer.out_elems()});
  SLUICE_ASSIGN(product.axes, three_axes(context, product.layer));
  product.x = column_slot;
  product.x_type = "f32";
  product.epilogue.bias = context.in(3);
  return emit_product(context, product);
}

// --- CausalConvWithState

Result<void> lower_causal(LowerContext& context) {
  SLUICE_ASSIGN(const DeviceFormat format, real_format(context));
  SLUICE_TRY(check_sizes(context, {0, 1}));
  const Dims &x = context.in_dims(0), &w = context.in_dims(1);
  if (x.size() != 3 || w.size() != 3 || !w[2].is_known() || w[2].value() < 1) {
    return context.refuse("input and weight must be [batch,channels,length] and [channels,1,k]");
  }
  const Dim kept = w[2] - Dim(1);
  const Dim n = x[0] * x[1] * (x[2] + kept);
  SlotId state = context.out(1);
  if (state == kNoSlot) state = context.temp(format, x[0] * x[1] * kept);
  context.dispatch(shader::causal_conv::Call{
      .knobs = {.T = plan::wgsl_type(format),
                .HAS_BIAS = context.has_input(2),
                .HAS_PAST = context.has_input(3),
                .SILU = context.attrs().string_or("activation", "none") != "none"},
      .params = {.channels = x[1], .length = x[2], .taps = w[2], .n = n},
      .x = context.in(0),
      .w = context.in(1),
      .bias = context.in(2),
      .past = context.in(3),
      .y = context.out(0),
      .state = state,
      .workgroups = op::workgroups(n, 256)});
  return {};
}

constexpr op::GpuCandidate kConv[] = {
    {"conv.depthwise", &lower_depthwise},  {"conv.narrow", &lower_narrow<false>},
    {"conv.winograd", &lower_winograd},    {"conv.gemm", &lower_gemm<false>},
    {"conv.direct", &lower_direct<false>},
};
constexpr op::GpuCandidate kConvTranspose[] = {
    {"conv_transpose.narrow", &lower_narrow<true>},
    {"conv_transpose.gemm", &lower_gemm<true>},
    {"conv_transpose.direct", &lower_direct<true>},
};
constexpr op::GpuCandidate kDeform[] = {{"deform_conv.columns", &lower_deform}};
constexpr op::GpuCandidate kInteger[] = {{"conv_integer.dot4", &lower_integer_bytes},
                                         {"conv_integer.gemm", &lower_integer}};
constexpr op::GpuCandidate kQLinear[] = {{"qlinear_conv.dot4", &lower_qlinear_bytes},
                                         {"qlinear_conv.gemm", &lower_qlinear}};
constexpr op::GpuCandidate kDynamic[] = {{"dynamic_quantized_conv.dot4", &lower_dynamic_quantized}};
constexpr op::GpuCandidate kCausal[] = {{"causal_conv", &lower_causal}};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  if (name == "FusedConv" && (domain == "sluice" || domain == "com.microsoft")) return kConv;
  if (name == "DynamicQuantizedConv" && domain == "sluice") return kDynamic;
  if (!domain.empty()) return {};
  if (name == "Conv") return kConv;
  if (name == "ConvTranspose") return kConvTranspose;
  if (name == "DeformConv") return kDeform;
  if (name == "ConvInteger") return kInteger;
  if (name == "QLinearConv") return kQLinear;
  if (name == "CausalConvWithState") return kCausal;
  return {};
}

}  // namespace sluice::ops::conv
