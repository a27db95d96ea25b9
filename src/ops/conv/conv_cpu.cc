// float32 convolution as an implicit matrix product: C[m, o] = W[m, (c,k)] * X[(c,k), o]. The
// matrix X is never formed. A block of the output (some rows of some columns) reads a block of each
// input channel, which is copied once, with its padding, into a compact tile in the second-level
// cache; the rows of X are then the tile's rows read at offsets, one offset per (channel, tap).
// Strided columns and rows are copied apart by phase, so that all reads are of whole vectors.
#include "ops/conv/conv_cpu.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <vector>

#include "base/checked.h"
#include "base/text.h"
#include "op/operand.h"
#include "op/refuse.h"
#include "op/scratch.h"
#include "ops/conv/conv.h"
#include "ops/conv/conv_integer_cpu.h"
#include "ops/conv/conv_kernels.h"
#include "ops/conv/conv_operands.h"
#include "ops/conv/conv_tiles.h"
#include "ops/conv/depthwise_cpu.h"
#include "ops/conv/winograd_cpu.h"
#include "simd/elementwise.h"
#include "simd/gemm_f32.h"
#include "simd/gemm_thin.h"
#include "simd/half.h"
#include "simd/scratch_slots.h"

namespace sluice::ops::conv {

using op::NodeView;
using op::WindowAxis;
using plan::KernelContext;
using simd::round_up;

namespace {

// Packed weights: [group][chunk][panel][depth][8]; the part of a group that precedes a chunk holds
// round_up(M/group, 8) floats per step of depth.
int64_t packed_group_floats(int64_t out_per_group, int64_t depth) {
  return simd::packed_a_floats(out_per_group, depth);
}

// T: float, or uint16_t for float16.
template <class T>
void pack_weights(const T* w, int64_t groups, int64_t out_per_group, int64_t taps,
                  const Chunks& chunks, T* out) {
  const int64_t depth = chunks.channels * taps;
  for (int64_t g = 0; g < groups; ++g) {
    const T* from = w + g * out_per_group * depth;
    T* to = out + g * packed_group_floats(out_per_group, depth);
    for (int64_t i = 0; i < chunks.count; ++i) {
      const int64_t k0 = chunks.start(i) * taps, k1 = chunks.start(i + 1) * taps;
      simd::pack_a_chunk(from + k0, depth, 1, out_per_group, k1 - k0,
                         to + round_up(out_per_group, simd::kPanelRows) * k0);
    }
  }
}

constexpr int64_t kVector = simd::kPanelCols;  // floats per vector, at most
constexpr std::string_view kWho = "A convolution";

struct Job {
  const float* x = nullptr;
  const float* weights = nullptr;  // packed
  // Instead of them where is_thin: float16, packed alike.
  const uint16_t* half_weights = nullptr;
  const float* bias = nullptr;
  const float* residual = nullptr;
  float* y = nullptr;
  simd::Activation activation;
};

// What the matrix kernel does itself with a register tile. Other functions follow it, on outputs
// that are still in a first- or second-level cache.
bool is_clip(const simd::Activation& activation) {
  return activation.function == simd::Function::kIdentity ||
         activation.function == simd::Function::kClip;
}

void activate_block(const TiledConv& cut, const Block& block, const Job& job) {
  for (int64_t m = 0; m < block.rows; ++m) {
    float* row = job.y + block.out_at + m * cut.out_plane;
    if (block.width == cut.plane.x.out) {
      simd::apply(job.activation, row, row, block.lines * block.width);
      continue;
    }
    for (int64_t line = 0; line < block.lines; ++line, row += cut.plane.x.out) {
      simd::apply(job.activation, row, row, block.width);
    }
  }
}

// An output of a few positions: what their windows read is written out, a row of it for each
// channel and tap, and lanes run along the output channels.
bool is_thin(const ConvGeometry& g, const Plane& plane) {
  return plane.y.out * plane.x.out <= simd::kThinColumns &&
         g.out_channels_per_group() >= simd::kPanelRows;
}

void write_windows(const float* x, const Plane& plane, int64_t channels, float* out) {
  for (int64_t c = 0; c < channels; ++c, x += plane.y.in * plane.x.in) {
    for (int64_t ky = 0; ky < plane.y.kernel; ++ky) {
      for (int64_t kx = 0; kx < plane.x.kernel; ++kx) {
        for (int64_t oy = 0; oy < plane.y.out; ++oy) {
          const int64_t iy = plane.y.at(oy, ky);
          const bool row_inside = iy >= 0 && iy < plane.y.in;
          for (int64_t ox = 0; ox < plane.x.out; ++ox) {
            const int64_t ix = plane.x.at(ox, kx);
            *out++ = row_inside && ix >= 0 && ix < plane.x.in ? x[iy * plane.x.in + ix] : 0.0f;
          }
        }
      }
    }
  }
}

Result<void> convolve_thin(KernelContext& context, const ConvGeometry& g, const Plane& plane,
                           const Job& job) {
  const int64_t taps = plane.y.kernel * plane.x.kernel;
  const int64_t channels = g.in_channels_per_group(), made = g.out_channels_per_group();
  const int64_t depth = channels * taps, columns = plane.y.out * plane.x.out;
  const Chunks chunks(channels, plane.y.kernel, plane.x.kernel, plane.x.dilation);
  SLUICE_ASSIGN(float* const windows, op::scratch<float>(context, depth * columns, kWho));
  SLUICE_ASSIGN(float* const sums, op::scratch<float>(context, made * columns, kWho));
  SLUICE_ASSIGN(int64_t* const starts, op::scratch<int64_t>(context, chunks.count + 1, kWho));
  for (int64_t i = 0; i <= chunks.count; ++i) starts[i] = chunks.start(i) * taps;

  const int64_t panels = (made + simd::kPanelRows - 1) / simd::kPanelRows;
  const int64_t work = simd::kPanelRows * depth * columns;
  for (int64_t image = 0; image < g.batch * g.groups; ++image) {
    const int64_t group = image % g.groups;
    write_windows(job.x + image * channels * plane.y.in * plane.x.in, plane, channels, windows);
    const int64_t at_group = group * packed_group_floats(made, depth);
    simd::ThinProduct product{.padded_rows = round_up(made, simd::kPanelRows),
                              .starts = {starts, static_cast<size_t>(chunks.count + 1)},
                              .b = windows,
                              .columns = columns,
                              .c = sums,
                              .rows = made};
    if (job.half_weights != nullptr) {
      product.half_a = job.half_weights + at_group;
    } else {
      product.a = job.weights + at_group;
    }
    const int64_t grain = std::max<int64_t>(1, (1 << 19) / std::max<int64_t>(1, work));
    context.parallel_for(panels, grain, [&](int64_t begin, int64_t end) {
      simd::thin_product(product, begin, end);
      const int64_t first = begin * simd::kPanelRows;
      const int64_t last = std::min(end * simd::kPanelRows, made);
      const int64_t at = image * made * columns;
      for (int64_t m = first; m < last; ++m) {
        const float bias = job.bias == nullptr ? 0.0f : job.bias[group * made + m];
        for (int64_t i = m * columns; i < (m + 1) * columns; ++i) {
          job.y[at + i] = sums[i] + bias + (job.residual == nullptr ? 0.0f : job.residual[at + i]);
        }
      }
      float* const out = job.y + at + first * columns;
      simd::apply(job.activation, out, out, (last - first) * columns);
    });
  }
  return {};
}

// A 1x1 kernel reads the input's planes where they lie, as long as they are short of a page: longer
// ones share cache sets and pages with one another, and are copied into a tile.
bool reads_in_place(const TiledConv& cut) {
  constexpr int64_t kPageFloats = 1024;
  return cut.taps == 1 && cut.plane.y.in == 1 && cut.plane.x.in == cut.plane.x.out &&
         cut.plane.x.stride == 1 && cut.plane.x.pad_begin == 0 && cut.in_plane < kPageFloats &&
         cut.in_plane >= kVector;
}

Result<void> convolve_in_place(KernelContext& context, const TiledConv& cut, const Job& job) {
  // The last columns, fewer than the widest vector, are copied: whole vectors are read.
  const int64_t depth = cut.chunks.largest(), plane = cut.in_plane;
  const int64_t tail = plane % kVector;
  const int slots = std::clamp(context.threads(), 1, 64);
  SLUICE_ASSIGN(float* const memory,
                op::scratch<float>(context, (tail == 0 ? 0 : slots) * depth * kVector, kWho));
  simd::ScratchSlots scratch(memory, slots, depth * kVector);
  context.parallel_for(cut.tasks(), cut.grain(), [&](int64_t begin, int64_t end) {
    const simd::ScratchSlots::Slot slot(scratch);
    for (int64_t task = begin; task < end; ++task) {
      const Block block = cut.block(task);
      const float* const weights =
          job.weights + block.group * packed_group_floats(cut.made, cut.channels);
      const bool at_end = block.x0 + block.width == plane;
      const int64_t direct = at_end ? block.width - tail : block.width;
      simd::GemmTile t;
      t.rows = block.rows;
      t.row_bias = job.bias == nullptr ? nullptr : job.bias + block.group * cut.made + block.row0;
      if (is_clip(job.activation)) t.activation = job.activation;
      t.c_row = plane;
      for (int64_t chunk = 0; chunk < cut.chunks.count; ++chunk) {
        const int64_t c0 = cut.chunks.start(chunk), c1 = cut.chunks.start(chunk + 1);
        const float* const x = job.x + (block.image * cut.channels + c0) * plane + block.x0;
        t.depth = c1 - c0;
        t.a = weights + round_up(cut.made, simd::kPanelRows) * c0 + block.row0 * t.depth;
        t.first = chunk == 0;
        t.last = chunk == cut.chunks.count - 1;
        const auto columns = [&](int64_t from, int64_t width, const float* b, int64_t step) {
          t.b = b;
          t.b_step = step;
          t.width = width;
          t.c = job.y + block.out_at + from;
          t.residual = job.residual == nullptr ? nullptr : job.residual + block.out_at + from;
          simd::gemm_tile(t);
        };
        if (direct > 0) columns(0, direct, x, plane);
        if (direct < block.width) {
          float* const tile = slot.data();
          for (int64_t c = 0; c < t.depth; ++c) {
            for (int64_t i = 0; i < tail; ++i) tile[c * kVector + i] = x[c * plane + direct + i];
          }
          columns(direct, tail, tile, kVector);
        }
      }
      if (!is_clip(job.activation)) activate_block(cut, block, job);
    }
  });
  return {};
}

// How the work is cut, and where taps lie in a tile.
struct Cut {
  ConvGeometry geometry;
  TiledConv tiled;
  std::vector<uint32_t> offsets;

  Cut(const ConvGeometry& g, const Plane& plane)
      : geometry(g), tiled(g, plane, g.in_channels_per_group()) {
    if (is_thin(g, plane) || reads_in_place(tiled)) return;
    offsets.resize(static_cast<size_t>(tiled.offset_count()));
    tiled.write_offsets(offsets.data());
  }
};

Result<void> convolve(KernelContext& context, const Cut& how, const Job& job) {
  const TiledConv& cut = how.tiled;
  const std::vector<uint32_t>& offsets = how.offsets;
  const Plane& plane = cut.plane;
  if (is_thin(how.geometry, plane)) return convolve_thin(context, how.geometry, plane, job);
  if (reads_in_place(cut)) return convolve_in_place(context, cut, job);
  const int64_t depth = cut.channels * cut.taps;
  const int64_t slot_floats = cut.tile_elems + round_up(cut.flat_elems(), 16);
  const int slots = std::clamp(context.threads(), 1, 64);
  SLUICE_ASSIGN(
      float* const memory,
      op::scratch<float>(context, Checked::from_signed(slot_floats) * static_cast<uint64_t>(slots),
                         kWho));
  simd::ScratchSlots scratch(memory, slots, slot_floats);

  context.parallel_for(cut.tasks(), cut.grain(), [&](int64_t begin, int64_t end) {
    const simd::ScratchSlots::Slot slot(scratch);
    float* const tile = slot.data();
    float* const flat_c = tile + cut.tile_elems;
    for (int64_t task = begin; task < end; ++task) {
      const Block block = cut.block(task);
      const float* const weights = job.weights + block.group * packed_group_floats(cut.made, depth);

      simd::GemmTile t;
      t.rows = block.rows;
      t.offsets = offsets.data();
      if (cut.taps == 1) t.b_step = cut.channel_elems;
      t.b = tile;
      t.row_bias = job.bias == nullptr ? nullptr : job.bias + block.group * cut.made + block.row0;
      if (is_clip(job.activation)) t.activation = job.activation;
      if (cut.flat) {
        t.c = flat_c;
        t.c_row = cut.flat_pitch;
        t.lines = 1;
        t.width = cut.flat_width(block);
        if (job.residual != nullptr) {
          t.residual = flat_c;
          cut.to_flat(job.residual, block, flat_c);
        }
      } else {
        t.c = job.y + block.out_at;
        t.c_row = cut.out_plane;
        t.c_line = plane.x.out;
        t.b_line = cut.pitch;
        t.lines = block.lines;
        t.width = block.width;
        if (job.residual != nullptr) t.residual = job.residual + block.out_at;
      }
      for (int64_t chunk = 0; chunk < cut.chunks.count; ++chunk) {
        const int64_t c0 = cut.chunks.start(chunk), c1 = cut.chunks.start(chunk + 1);
        cut.fill_tile(job.x, block, c0, c1, 0.0f, tile);
        t.depth = (c1 - c0) * cut.taps;
        t.a = weights + round_up(cut.made, simd::kPanelRows) * c0 * cut.taps + block.row0 * t.depth;
        t.first = chunk == 0;
        t.last = chunk == cut.chunks.count - 1;
        simd::gemm_tile(t);
      }
      if (cut.flat) cut.from_flat(flat_c, block, job.y);
      if (!is_clip(job.activation)) activate_block(cut, block, job);
    }
  });
  return {};
}

// Weights that were packed as float16, as floats for this run: each is read as often as there are
// blocks of outputs, and widened once.
Result<const float*> widened(KernelContext& context, const Tensor& packed) {
  SLUICE_ASSIGN(float* const floats, op::scratch<float>(context, packed.elements(), kWho));
  const uint16_t* const halves = packed.data<uint16_t>();
  context.parallel_for(packed.elements(), 1 << 16, [&](int64_t begin, int64_t end) {
    simd::widen_half(halves + begin, floats + begin, end - begin);
  });
  return floats;
}

Result<void> run_conv(KernelContext& context, bool fused) {
  SLUICE_ASSIGN(const FloatOperands operands, float_operands(context, fused));
  const ConvGeometry& g = *operands.geometry;
  const Tensor *x = operands.x, *w = operands.w;
  const std::optional<Plane> plane = as_plane(g);
  // A weight that is not packed only: also one without elements, where the bias alone is left.
  if (!context.prepared().defined() && (!plane || w->elements() == 0)) {
    return fused ? fused_conv_reference(context) : conv_reference(context);
  }
  if (!plane) {
    return unsupported(cat("A convolution of ", x->shape().text(), " by ", w->shape().text(),
                           " has no fast kernel"));
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, operands.shape));
  if (y->elements() == 0) return {};
  Job job;
  job.x = x->data<float>();
  job.y = y->mutable_data<float>();
  job.bias = operands.bias;
  job.residual = operands.residual;
  job.activation = operands.activation;
  if (context.prepared().defined()) {
    const Tensor& packed = context.prepared();
    if (packed.dtype() == DType::kFloat32) {
      job.weights = packed.data<float>();
    } else if (is_thin(g, *plane)) {
      job.half_weights = packed.data<uint16_t>();
    } else {
      SLUICE_ASSIGN(job.weights, widened(context, packed));
    }
  } else {
    const int64_t taps = plane->y.kernel * plane->x.kernel;
    const Chunks chunks(g.in_channels_per_group(), plane->y.kernel, plane->x.kernel,
                        plane->x.dilation);
    const Checked floats = (Checked::from_signed(g.out_channels_per_group()) + 7) *
                           static_cast<uint64_t>(g.groups) * static_cast<uint64_t>(taps) *
                           static_cast<uint64_t>(g.in_channels_per_group());
    SLUICE_ASSIGN(float* const packed, op::scratch<float>(context, floats, kWho));
    pack_weights(w->data<float>(), g.groups, g.out_channels_per_group(), taps, chunks, packed);
    job.weights = packed;
  }
  SLUICE_ASSIGN(const Cut* cut, context.kept<Cut>([&]() -> Result<Cut> { return Cut(g, *plane); }));
  return convolve(context, *cut, job);
}

Result<void> conv_f32(KernelContext& context) { return run_conv(context, false); }
Result<void> fused_conv_f32(KernelContext& context) { return run_conv(context, true); }

// Packs a constant weight, float16 as such; anything odd is left to the run, which says what is
// wrong with it.
Result<Tensor> prepare_conv(const AttrMap& attrs, std::span<const Value> inputs) {
  if (inputs.size() < 2 || !inputs[1].is_tensor()) return Tensor();
  const Tensor& w = inputs[1].tensor();
  const int64_t groups = attrs.int_or("group", 1);
  const bool is_half = w.dtype() == DType::kFloat16;
  if ((w.dtype() != DType::kFloat32 && !is_half) || w.rank() < 3 || w.elements() == 0 ||
      groups < 1 || w.dim(0) % groups != 0) {
    return Tensor();
  }
  const auto window = op::read_window_attrs(attrs, w.rank() - 2, w.shape().dims().subspan(2));
  if (!window) return Tensor();
  int64_t kernel_h = 1, kernel_w = w.dim(-1), dilation_w = window->dilations.back();
  if (w.rank() == 4) kernel_h = w.dim(2);
  if (w.rank() > 4) {
    if (w.shape().elements(2, w.rank()) != 1) return Tensor();
    kernel_w = dilation_w = 1;
  }
  if (kernel_h > 1024 || kernel_w > 1024) return Tensor();
  const int64_t made = w.dim(0) / groups;
  const Checked floats = Checked::from_signed(round_up(made, simd::kPanelRows)) *
                         static_cast<uint64_t>(groups) * static_cast<uint64_t>(w.dim(1)) *
                         static_cast<uint64_t>(kernel_h * kernel_w);
  if (!floats.fits(uint64_t{1} << 40)) return Tensor();
  SLUICE_ASSIGN(Tensor packed,
                Tensor::allocate(w.dtype(), Shape{static_cast<int64_t>(floats.value())}));
  const Chunks chunks(w.dim(1), kernel_h, kernel_w, dilation_w);
  const int64_t taps = kernel_h * kernel_w;
  if (is_half) {
    pack_weights(w.data<uint16_t>(), groups, made, taps, chunks, packed.mutable_data<uint16_t>());
  } else {
    pack_weights(w.data<float>(), groups, made, taps, chunks, packed.mutable_data<float>());
  }
  return packed;
}

// --- ConvTranspose: columns[(m,k), i] = sum over c of W[c,m,k] * X[c,i], then each column is added
// to the place in Y that tap k of position i stands for.

int64_t transpose_depth_floats(int64_t channels, int64_t rows) {
  return simd::packed_a_floats(rows, channels);
}

Result<Tensor> prepare_conv_transpose(const AttrMap& attrs, std::span<const Value> inputs) {
  if (inputs.size() < 2 || !inputs[1].is_tensor()) return Tensor();
  const Tensor& w = inputs[1].tensor();
  const int64_t groups = attrs.int_or("group", 1);
  if (w.dtype() != DType::kFloat32 || w.rank() < 3 || w.elements() == 0 || groups < 1 ||
      w.dim(0) % groups != 0) {
    return Tensor();
  }
  const int64_t channels = w.dim(0) / groups, rows = w.elements() / w.dim(0);
  const int64_t each = transpose_depth_floats(channels, rows);
  SLUICE_ASSIGN(Tensor packed, Tensor::allocate(DType::kFloat32, Shape{groups, each}));
  for (int64_t g = 0; g < groups; ++g) {
    simd::pack_a(w.data<float>() + g * channels * rows, 1, rows, rows, channels,
                 packed.mutable_data<float>() + g * each, 0, (rows + 7) / 8);
  }
  return packed;
}

// Whether windows lie side by side, two columns wide: each output is then one column's.
bool tiles_pairs(const WindowAxis& y, const WindowAxis& x) {
  const auto tiles = [](const WindowAxis& axis) {
    return axis.stride == axis.kernel && axis.dilation == 1 && axis.pad_begin == 0 &&
           axis.in == axis.out * axis.stride;
  };
  return x.kernel == 2 && tiles(x) && tiles(y);
}

// Rows of the output, for each of the `made` channels, from columns[(m, ky, kx)][iy][ix].
void place_pairs(KernelContext& context, const WindowAxis& axis_y, const WindowAxis& axis_x,
                 int64_t made, const float* columns, const float* biases, float* out) {
  const int64_t positions = axis_y.out * axis_x.out;
  const int64_t grain = std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, axis_x.in));
  context.parallel_for(made * axis_y.in, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t m = row / axis_y.in, oy = row % axis_y.in;
      const int64_t iy = oy / axis_y.kernel, ky = oy % axis_y.kernel;
      const float* const even =
          columns + (m * axis_y.kernel + ky) * 2 * positions + iy * axis_x.out;
      simd::add_interleaved(even, even + positions, biases != nullptr ? biases[m] : 0.0f,
                            out + row * axis_x.in, axis_x.out);
    }
  });
}

Result<void> conv_transpose_f32(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, {DType::kFloat32}));
  SLUICE_ASSIGN(const Tensor* w, op::input_tensor(context, 1, {DType::kFloat32}));
  const Tensor* bias = nullptr;
  if (context.has(2)) {
    SLUICE_ASSIGN(bias, op::input_tensor(context, 2, {DType::kFloat32}));
  }
  SLUICE_ASSIGN(const ConvGeometry* geometry, context.kept<ConvGeometry>([&] {
    return conv_transpose_geometry(context.attrs(), x->shape(), w->shape(),
                                   bias != nullptr ? &bias->shape() : nullptr);
  }));
  const ConvGeometry& g = *geometry;
  if (g.axes.size() > 2) {
    return unsupported(
        cat("This kernel convolves one or two spatial axes (the input has ", g.axes.size(), ")"));
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, conv_transpose_output_shape(g)));
  if (y->elements() == 0) return {};
  // The shape, not elements(): packed weights are no longer there.
  if (x->elements() == 0 || w->shape().elements() == 0) return conv_transpose_reference(context);

  // The axes' `in` is Y's extent and `out` X's.
  const WindowAxis one{.in = 1, .out = 1};
  const WindowAxis& axis_x = g.axes.back();
  const WindowAxis& axis_y = g.axes.size() == 2 ? g.axes[0] : one;
  const int64_t taps = g.kernel_elems(), positions = g.out_elems(), y_plane = g.in_elems();
  const int64_t channels = g.in_channels_per_group(), made = g.out_channels_per_group();
  const int64_t rows = made * taps;
  SLUICE_ASSIGN(float* const columns,
                op::scratch<float>(
                    context, Checked::from_signed(rows) * static_cast<uint64_t>(positions), kWho));
  simd::Gemm gemm;
  gemm.m = rows;
  gemm.n = positions;
  gemm.k = channels;
  gemm.a_row = 1;
  gemm.a_col = rows;
  gemm.b_row = positions;
  gemm.c = columns;
  gemm.c_row = positions;
  const Tensor& packed = context.prepared();
  if (packed.defined()) {
    gemm.packed_a = packed.data<float>();
  } else {
    gemm.a = w->data<float>();
  }
  const int64_t work_floats = simd::gemm_workspace_floats(gemm);
  SLUICE_ASSIGN(float* const work_memory, op::scratch<float>(context, work_floats, kWho));
  const std::span<float> work(work_memory, static_cast<size_t>(work_floats));
  const auto parallel = [&](int64_t count, int64_t grain, simd::Range body) {
    context.parallel_for(count, grain, body);
  };
  for (int64_t n = 0; n < g.batch; ++n) {
    for (int64_t group = 0; group < g.groups; ++group) {
      simd::Gemm product = gemm;
      if (packed.defined()) {
        product.packed_a += group * transpose_depth_floats(channels, rows);
      } else {
        product.a += group * channels * rows;
      }
      product.b = x->data<float>() + (n * g.in_channels + group * channels) * positions;
      simd::gemm(product, work, parallel);
      float* const out = y->mutable_data<float>() + (n * g.out_channels + group * made) * y_plane;
      const float* const biases = bias != nullptr ? bias->data<float>() + group * made : nullptr;
      if (tiles_pairs(axis_y, axis_x)) {
        place_pairs(context, axis_y, axis_x, made, columns, biases, out);
        continue;
      }
      const int64_t grain =
          std::max<int64_t>(1, (1 << 15) / std::max<int64_t>(1, taps * positions));
      context.parallel_for(made, grain, [&](int64_t begin, int64_t end) {
        for (int64_t m = begin; m < end; ++m) {
          float* const to = out + m * y_plane;
          const float start = biases != nullptr ? biases[m] : 0.0f;
          std::fill(to, to + y_plane, start);
          const float* from = columns + m * taps * positions;
          for (int64_t ky = 0; ky < axis_y.kernel; ++ky) {
            for (int64_t kx = 0; kx < axis_x.kernel; ++kx, from += positions) {
              const int64_t first = axis_x.first_inside(kx), last = axis_x.last_inside(kx);
              for (int64_t iy = axis_y.first_inside(ky); iy < axis_y.last_inside(ky); ++iy) {
                const float* row = from + iy * axis_x.out;
                float* line = to + axis_y.at(iy, ky) * axis_x.in + axis_x.at(0, kx);
                const int64_t stride = axis_x.stride;
                if (stride == 1) {
                  for (int64_t i = first; i < last; ++i) line[i] += row[i];
                } else {
                  for (int64_t i = first; i < last; ++i) line[i * stride] += row[i];
                }
              }
            }
          }
        }
      });
    }
  }
  return {};
}

// --- which nodes these kernels take

std::string refuse_conv(const NodeView& node) {
  if (std::string why = op::refuse_unless_float32(node); !why.empty()) return why;
  const Type& x = node.input_type(0);
  const Type& w = node.input_type(1);
  const int rank = w.has_rank()   ? static_cast<int>(w.dims->size())
                   : x.has_rank() ? static_cast<int>(x.dims->size())
                                  : 0;
  if (rank == 0) return "the rank of the input is not known";
  if (rank > 4) return cat("the kernel has ", rank - 2, " spatial axes (takes one or two)");
  return {};
}

// ConvInteger on the float kernel, exactly. Over kExactDepth products of two differences of bytes
// every partial sum stays below 160 * 255^2 = 10,404,000 < 2^24, so each float is an exact integer;
// input channels are taken in chunks of that depth, and the chunks added in int32.
constexpr int64_t kExactDepth = 160;

// Zero points as the specification has them here: one number, or one per output channel.
bool plain_zero(const Tensor* zero, DType dtype, int64_t channels) {
  return zero == nullptr ||
         (zero->dtype() == dtype && (zero->elements() == 1 || zero->elements() == channels));
}

float centred(const Tensor& bytes, int64_t i, float zero) {
  const float value = bytes.dtype() == DType::kInt8 ? static_cast<float>(bytes.data<int8_t>()[i])
                                                    : static_cast<float>(bytes.data<uint8_t>()[i]);
  return value - zero;
}

Result<void> conv_integer_8bit(KernelContext& context) {
  constexpr op::DTypeSet kBytes = {DType::kInt8, DType::kUInt8};
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, kBytes));
  SLUICE_ASSIGN(const Tensor* w, op::input_tensor(context, 1, kBytes));
  const Tensor* x_zero = nullptr;
  const Tensor* w_zero = nullptr;
  if (context.has(2)) {
    SLUICE_ASSIGN(x_zero, op::input_tensor(context, 2, kBytes));
  }
  if (context.has(3)) {
    SLUICE_ASSIGN(w_zero, op::input_tensor(context, 3, kBytes));
  }
  SLUICE_ASSIGN(const ConvGeometry* geometry, context.kept<ConvGeometry>([&] {
    return conv_geometry(context.attrs(), x->shape(), w->shape());
  }));
  const ConvGeometry& g = *geometry;
  const int64_t taps = g.kernel_elems();
  const int64_t in_elems = g.in_elems(), out_elems = g.out_elems();
  if (g.groups != 1 || taps < 1 || taps > kExactDepth || x->elements() == 0 || w->elements() == 0 ||
      !as_plane(g) || !plain_zero(x_zero, x->dtype(), 1) ||
      !plain_zero(w_zero, w->dtype(), g.out_channels)) {
    return conv_integer_reference(context);
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kInt32, conv_output_shape(g)));
  if (y->elements() == 0) return {};
  const int64_t step = std::min(g.in_channels, kExactDepth / taps);
  const auto floats = [&](Checked count) -> Result<float*> {
    return op::scratch<float>(context, count, "An integer convolution");
  };
  const auto size = [](int64_t n) { return Checked::from_signed(n); };
  SLUICE_ASSIGN(float* image, floats(size(g.in_channels) * size(in_elems)));
  SLUICE_ASSIGN(float* sums, floats(size(g.out_channels) * size(out_elems)));
  SLUICE_ASSIGN(float* weights, floats(size(g.out_channels) * size(step) * size(taps)));
  SLUICE_ASSIGN(float* packed,
                floats(size(round_up(g.out_channels, simd::kPanelRows)) * size(step) * size(taps)));
  const auto cut_parts = [&]() -> Result<std::vector<Cut>> {
    std::vector<Cut> made;
    for (int64_t c = 0; c < g.in_channels; c += step) {
      ConvGeometry part = g;
      part.batch = 1;
      part.in_channels = std::min(step, g.in_channels - c);
      const std::optional<Plane> plane = as_plane(part);
      if (!plane) return internal_error("A chunk of channels has another geometry than the whole");
      made.emplace_back(part, *plane);
    }
    return made;
  };
  SLUICE_ASSIGN(const auto* parts, context.kept<std::vector<Cut>>(cut_parts));
  const float zero_of_x = x_zero == nullptr ? 0 : static_cast<float>(x_zero->get_int(0));
  for (int64_t n = 0; n < g.batch; ++n) {
    const int64_t first = n * g.in_channels * in_elems;
    context.parallel_for(g.in_channels * in_elems, 1 << 14, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) image[i] = centred(*x, first + i, zero_of_x);
    });
    int32_t* out = y->mutable_data<int32_t>() + n * g.out_channels * out_elems;
    for (int64_t c = 0; c < g.in_channels; c += step) {
      const Cut& part = (*parts)[static_cast<size_t>(c / step)];
      const int64_t channels = part.tiled.channels;
      for (int64_t m = 0; m < g.out_channels; ++m) {
        const float zero =
            w_zero == nullptr
                ? 0
                : static_cast<float>(w_zero->get_int(w_zero->elements() == 1 ? 0 : m));
        const int64_t from = (m * g.in_channels + c) * taps;
        float* to = weights + m * channels * taps;
        for (int64_t k = 0; k < channels * taps; ++k) to[k] = centred(*w, from + k, zero);
      }
      pack_weights(weights, 1, g.out_channels, taps, part.tiled.chunks, packed);
      Job job;
      job.x = image + c * in_elems;
      job.y = sums;
      job.weights = packed;
      SLUICE_TRY(convolve(context, part, job));
      // Wraps like the int32 sum that the operator is defined as.
      context.parallel_for(g.out_channels * out_elems, 1 << 14, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const auto sum = static_cast<uint32_t>(static_cast<int32_t>(sums[i]));
          out[i] = static_cast<int32_t>((c == 0 ? 0u : static_cast<uint32_t>(out[i])) + sum);
        }
      });
    }
  }
  return {};
}

std::string refuse_conv_integer(const NodeView& node) {
  if (node.attrs().int_or("group", 1) != 1) return "it takes one group only";
  const Type& w = node.input_type(1);
  if (w.has_rank() && w.dims->size() != 3 && w.dims->size() != 4) {
    return cat("it takes 1-D and 2-D kernels (rank ", w.dims->size(), ")");
  }
  return "";
}

}  // namespace

const op::CpuCandidate kConvCpu[3] = {
    {.kernel = {.name = "conv.f32.depthwise", .run = conv_depthwise}, .refuse = refuse_depthwise},
    {.kernel = {.name = "conv.f32.winograd",
                .run = conv_winograd,
                .prepare = prepare_winograd,
                .prepared_input = 1},
     .refuse = refuse_winograd},
    {.kernel = {.name = "conv.f32.implicit_gemm",
                .run = conv_f32,
                .prepare = prepare_conv,
                .prepared_input = 1},
     .refuse = refuse_conv}};

const op::CpuCandidate kFusedConvCpu[3] = {
    {.kernel = {.name = "fused_conv.f32.depthwise", .run = fused_conv_depthwise},
     .refuse = refuse_depthwise},
    {.kernel = {.name = "fused_conv.f32.winograd",
                .run = fused_conv_winograd,
                .prepare = prepare_winograd,
                .prepared_input = 1},
     .refuse = refuse_winograd,
     .in_place_input = 3},
    {.kernel = {.name = "fused_conv.f32.implicit_gemm",
                .run = fused_conv_f32,
                .prepare = prepare_conv,
                .prepared_input = 1},
     .refuse = refuse_conv,
     .in_place_input = 3}};

const op::CpuCandidate kConvIntegerCpu[2] = {
    {.kernel = {.name = "conv_integer.8bit.dot",
                .run = conv_integer_dot,
                .prepare = prepare_conv_integer,
                .prepared_input = 1},
     .refuse = refuse_conv_integer_dot},
    {.kernel = {.name = "conv_integer.8bit.exact_f32", .run = conv_integer_8bit},
     .refuse = refuse_conv_integer}};
const op::CpuCandidate kQLinearConvCpu[1] = {{.kernel = {.name = "qlinear_conv.8bit.dot",
                                                         .run = qlinear_conv_dot,
                                                         .prepare = prepare_qlinear_conv,
                                                         .prepared_input = 3},
                                              .refuse = refuse_qlinear_conv}};
const op::CpuCandidate kDynamicQuantizedConvCpu[1] = {
    {.kernel = {.name = "dynamic_quantized_conv.8bit.dot",
                .run = dynamic_quantized_conv_dot,
                .prepare = prepare_conv_integer,
                .prepared_input = 1},
     .refuse = refuse_dynamic_quantized_conv}};
const op::CpuCandidate kConvTransposeCpu[1] = {{.kernel = {.name = "conv_transpose.f32.gemm_col2im",
                                                           .run = conv_transpose_f32,
                                                           .prepare = prepare_conv_transpose,
                                                           .prepared_input = 1},
                                                .refuse = refuse_conv}};

}  // namespace sluice::ops::conv
