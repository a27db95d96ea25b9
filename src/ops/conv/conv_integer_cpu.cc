// The direct kernel of conv_cpu.cc on words of four 8-bit channels. With w' = w - c, which fits a
// signed byte, and w_zero' = w_zero - c,
//
//   sum of (x - x_zero) (w - w_zero)
//       = sum of x w'  -  x_zero * sum of w'  -  w_zero' * sum of (x - x_zero)
//
// where padding counts as x_zero. The first term is the kernel's; the second is one number for each
// output channel; the third, where w_zero' is not 0, is a sum over windows that all channels share.
//
// Where an output channel reads a single input channel (depthwise), words hold four taps of a row
// of the kernel instead: a word lies at every window position of every row of the padded input,
// rows sorted by the vertical stride's phases. A tap of a column of the kernel is then a plane of
// the output's size at an offset, and the convolution is a pointwise one, like 1x1 kernels, which
// read their words in place.
#include "ops/conv/conv_integer_cpu.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "base/checked.h"
#include "base/text.h"
#include "op/operand.h"
#include "op/quantization.h"
#include "op/scratch.h"
#include "ops/conv/conv.h"
#include "ops/conv/conv_kernels.h"
#include "ops/conv/conv_operands.h"
#include "ops/conv/conv_tiles.h"
#include "simd/dot_i8.h"
#include "simd/quantize.h"
#include "simd/scratch_slots.h"

namespace sluice::ops::conv {

using op::NodeView;
using op::WindowAxis;
using plan::KernelContext;
using simd::kPanelRows;
using simd::round_up;

namespace {

constexpr op::DTypeSet kBytes = {DType::kInt8, DType::kUInt8};

int64_t words_of(int64_t channels) { return (channels + 3) / 4; }

// --- packed weights: c for each output channel, the sum of w' for each, then the words
// [group][chunk][panel][depth][8]

bool words_hold_taps(int64_t channels, int64_t kernel_w) { return channels == 1 && kernel_w > 1; }

int32_t byte_value(const Tensor& t, int64_t i) {
  return t.dtype() == DType::kInt8 ? t.data<int8_t>()[i] : t.data<uint8_t>()[i];
}

// Zero points of the weights: absent, one, or one per output channel.
bool fits_channels(const Tensor* zero, DType dtype, int64_t channels) {
  return zero == nullptr ||
         (zero->dtype() == dtype && (zero->elements() == 1 || zero->elements() == channels));
}
int32_t zero_of(const Tensor* zero, int64_t m) {
  return zero == nullptr ? 0 : byte_value(*zero, zero->elements() == 1 ? 0 : m);
}

Result<Tensor> pack(const AttrMap& attrs, const Tensor& w, const Tensor* zero) {
  const int64_t groups = attrs.int_or("group", 1);
  if (!kBytes.has(w.dtype()) || w.rank() < 3 || w.elements() == 0 || groups < 1 ||
      w.dim(0) % groups != 0 || !fits_channels(zero, w.dtype(), w.dim(0))) {
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
  const bool by_taps = words_hold_taps(w.dim(1), kernel_w);
  const int64_t taps = by_taps ? kernel_h : kernel_h * kernel_w;
  const int64_t channels = by_taps ? kernel_w : w.dim(1), all = w.dim(0);
  const int64_t made = all / groups, words = words_of(channels);
  const Checked size = Checked::from_signed(groups) *
                           Checked::from_signed(round_up(made, kPanelRows)) *
                           Checked::from_signed(words) * Checked::from_signed(taps) +
                       Checked::from_signed(2 * all);
  if (!size.fits(uint64_t{1} << 40)) return Tensor();
  SLUICE_ASSIGN(Tensor packed,
                Tensor::allocate(DType::kInt32, Shape{static_cast<int64_t>(size.value())}));
  auto* const bases = packed.mutable_data<int32_t>();
  int32_t* const sums = bases + all;
  auto* const out = reinterpret_cast<uint32_t*>(sums + all);
  // By taps, rows of the kernel are channels of a pointwise kernel.
  const Chunks chunks =
      by_taps ? Chunks(words * taps, 1, 1, 1) : Chunks(words, kernel_h, kernel_w, dilation_w);
  const int64_t spread = by_taps ? 1 : taps;  // taps of a channel
  const uint8_t flip = w.dtype() == DType::kInt8 ? 0x80 : 0;
  const auto* const bytes = reinterpret_cast<const uint8_t*>(w.bytes().data());
  // One output channel, less its base; channels past the last are zero.
  std::vector<int8_t> centred(static_cast<size_t>(words * 4 * taps), 0);
  for (int64_t m = 0; m < all; ++m) {
    const uint8_t* const from = bytes + m * channels * taps;
    // As unsigned bytes, 128 more where the weight is signed.
    uint8_t low = 255, high = 0;
    for (int64_t i = 0; i < channels * taps; ++i) {
      const auto value = static_cast<uint8_t>(from[i] ^ flip);
      low = std::min(low, value);
      high = std::max(high, value);
    }
    const int32_t wanted = zero_of(zero, m) + flip;
    const bool fits = low - wanted >= -128 && high - wanted <= 127;
    const int32_t base = fits ? wanted : 128;
    bases[m] = base - flip;
    int64_t sum = 0;
    for (int64_t i = 0; i < channels * taps; ++i) {
      const int32_t value = static_cast<uint8_t>(from[i] ^ flip) - base;
      // Terms of a word lie `taps` apart.
      const int64_t at = by_taps ? i % channels * taps + i / channels : i;
      centred[static_cast<size_t>(at)] = static_cast<int8_t>(value);
      sum += value;
    }
    sums[m] = static_cast<int32_t>(sum);
    const int64_t group = m / made, row = m % made;
    uint32_t* const to = out + group * round_up(made, kPanelRows) * words * taps;
    for (int64_t i = 0; i < chunks.count; ++i) {
      const int64_t first = chunks.start(i) * spread, last = chunks.start(i + 1) * spread;
      uint32_t* panel = to + round_up(made, kPanelRows) * first +
                        row / kPanelRows * kPanelRows * (last - first) + row % kPanelRows;
      for (int64_t word = first; word < last; ++word, panel += kPanelRows) {
        const int8_t* const four = centred.data() + word / taps * 4 * taps + word % taps;
        const auto byte = [&](int64_t j) {
          return static_cast<uint32_t>(static_cast<uint8_t>(four[j * taps])) << (8 * j);
        };
        *panel = byte(0) | byte(1) | byte(2) | byte(3);
      }
    }
  }
  return packed;
}

// --- one convolution

// How the input lies in words, and the geometry on them.
struct Form {
  Plane plane;           // of words
  int64_t terms = 0;     // bytes that a position of all words adds
  int64_t channels = 0;  // planes of words that an output adds up
  int64_t image = 0;     // words of one image
  // Words are read in place: plane c starts at at[c] of its image.
  bool direct = false;
  std::vector<uint32_t> at;

  // Depthwise: the window as it was, bytes of a padded row that share a remainder modulo its
  // stride, the same of rows, and words for a row of the kernel.
  bool by_taps = false;
  Plane window;
  int64_t phase_bytes = 0, phase_rows = 0, row_words = 0;
};

// Planes a multiple of 4096 bytes apart would share a few cache sets.
int64_t plane_pitch(int64_t elems) {
  const int64_t pitch = round_up(elems, simd::kPanelCols);
  return pitch * 4 % 4096 < 256 ? pitch + 80 : pitch;
}

Result<Form> form_of(const ConvGeometry& g, const Plane& plane) {
  Form form;
  form.plane = form.window = plane;
  form.terms = g.in_channels_per_group();
  form.by_taps = words_hold_taps(form.terms, plane.x.kernel);
  const auto& [y, x] = plane;
  Checked image = 0;
  if (form.by_taps) {
    form.terms = y.kernel * x.kernel;
    form.row_words = words_of(x.kernel);
    form.channels = form.row_words * y.kernel;
    form.phase_bytes = x.out + (x.extent() + x.stride - 1) / x.stride;
    form.phase_rows = y.out + (y.extent() + y.stride - 1) / y.stride;
    const int64_t elems = y.out * x.out;
    form.plane = {{.in = 1, .out = 1}, {.in = elems, .out = elems}};
    form.direct = true;
    const int64_t rows = form.phase_rows * y.stride;
    const int64_t word_pitch = plane_pitch(rows * x.out);
    image = Checked::from_signed(word_pitch) * Checked::from_signed(form.row_words);
    if (!image.fits(uint64_t{1} << 31)) return unsupported("A depthwise image is too large");
    for (int64_t word = 0; word < form.row_words; ++word) {
      for (int64_t ky = 0; ky < y.kernel; ++ky) {
        const int64_t row =
            ky * y.dilation % y.stride * form.phase_rows + ky * y.dilation / y.stride;
        form.at.push_back(static_cast<uint32_t>(word * word_pitch + row * x.out));
      }
    }
  } else {
    form.channels = words_of(form.terms);
    form.direct = y.in == 1 && y.kernel == 1 && y.pad_begin == 0 && y.out == 1 && x.kernel == 1 &&
                  x.stride == 1 && x.pad_begin == 0 && x.in == x.out;
    const int64_t pitch = form.direct ? plane_pitch(x.in) : y.in * x.in;
    image = Checked::from_signed(pitch) * Checked::from_signed(form.channels);
    if (!image.fits(uint64_t{1} << 32)) form.direct = false;
    for (int64_t c = 0; form.direct && c < form.channels; ++c) {
      form.at.push_back(static_cast<uint32_t>(c * pitch));
    }
  }
  if (!image.valid()) return resource_error("The words of an image don't fit memory");
  form.image = static_cast<int64_t>(image.value());
  return form;
}

// What becomes of the sums: themselves, float32, or bytes.
struct Job {
  const int32_t* packed = nullptr;
  int32_t x_zero = 0;  // of the unsigned bytes in `words`
  const Tensor* w_zero = nullptr;
  const uint32_t* words = nullptr;  // [batch * groups], as the form has them
  int32_t* sums = nullptr;          // the output, of 32 bits
  const int32_t* bias = nullptr;    // added to the integers
  // With scales the output is float32.
  const float* scale = nullptr;
  const float* float_bias = nullptr;
  simd::Activation activation;
  // With factors it is bytes, saturated.
  uint8_t* bytes = nullptr;
  const float* byte_factor = nullptr;
  int32_t byte_zero = 0;
  bool signed_bytes = false;
};

template <class T>
Result<T*> scratch(KernelContext& context, Checked count) {
  return op::scratch<T>(context, count, "An integer convolution");
}
Checked size(int64_t n) { return Checked::from_signed(n); }

// Sums over all windows of x - x_zero, [batch * groups][out plane].
Result<const int32_t*> window_sums(KernelContext& context, const ConvGeometry& g, const Form& form,
                                   const Job& job) {
  const Plane& plane = form.plane;
  const int64_t images = g.batch * g.groups, words = form.channels;
  const int64_t in_plane = plane.y.in * plane.x.in, out_plane = plane.y.out * plane.x.out;
  const auto start = static_cast<int32_t>(-form.terms * static_cast<int64_t>(job.x_zero));
  if (form.direct) {
    SLUICE_ASSIGN(int32_t* const out, scratch<int32_t>(context, size(images) * size(out_plane)));
    context.parallel_for(images * out_plane, 1 << 13, [&](int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end;) {
        const int64_t image = at / out_plane, first = at % out_plane;
        const int64_t n = std::min(out_plane - first, end - at);
        std::fill_n(out + at, n, start);
        for (const uint32_t channel : form.at) {
          simd::add_word_bytes(job.words + image * form.image + channel + first, n, out + at);
        }
        at += n;
      }
    });
    return out;
  }
  SLUICE_ASSIGN(int32_t* const pixels, scratch<int32_t>(context, size(images) * size(in_plane)));
  SLUICE_ASSIGN(int32_t* const sums, scratch<int32_t>(context, size(images) * size(out_plane)));
  context.parallel_for(images * in_plane, 1 << 13, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end;) {
      const int64_t image = at / in_plane, first = at % in_plane;
      const int64_t n = std::min(in_plane - first, end - at);
      std::fill_n(pixels + at, n, start);
      for (int64_t c = 0; c < words; ++c) {
        simd::add_word_bytes(job.words + (image * words + c) * in_plane + first, n, pixels + at);
      }
      at += n;
    }
  });
  context.parallel_for(
      images * plane.y.out, std::max<int64_t>(1, (1 << 12) / plane.x.out),
      [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t image = i / plane.y.out, oy = i % plane.y.out;
          int32_t* const out = sums + i * plane.x.out;
          std::fill_n(out, plane.x.out, 0);
          for (int64_t ky = 0; ky < plane.y.kernel; ++ky) {
            const int64_t y = plane.y.at(oy, ky);
            if (y < 0 || y >= plane.y.in) continue;
            const int32_t* const row = pixels + image * in_plane + y * plane.x.in;
            for (int64_t kx = 0; kx < plane.x.kernel; ++kx) {
              const int64_t first = plane.x.first_inside(kx), last = plane.x.last_inside(kx);
              if (first >= last) continue;
              if (plane.x.stride == 1) {
                simd::add_rows(row + plane.x.at(first, kx), last - first, out + first);
              } else {
                for (int64_t o = first; o < last; ++o) out[o] += row[plane.x.at(o, kx)];
              }
            }
          }
        }
      });
  return sums;
}

Result<void> convolve(KernelContext& context, const ConvGeometry& g, const Form& form,
                      const Job& job) {
  const Plane& plane = form.plane;
  SLUICE_ASSIGN(const TiledConv* tiled, context.kept<TiledConv>([&]() -> Result<TiledConv> {
    return TiledConv(g, plane, form.channels);
  }));
  const TiledConv& cut = *tiled;
  const int64_t out_w = plane.x.out;

  // What zero points add, see the top of this file.
  const int32_t* const bases = job.packed;
  const int32_t* const weight_sums = bases + g.out_channels;
  const auto* const packed = reinterpret_cast<const uint32_t*>(weight_sums + g.out_channels);
  SLUICE_ASSIGN(int32_t* const row_add, scratch<int32_t>(context, size(2 * g.out_channels)));
  int32_t* const row_factor = row_add + g.out_channels;
  bool corrects = false;
  const int64_t zeros = job.w_zero == nullptr ? 0 : job.w_zero->elements();
  const int32_t only = zeros == 1 ? zero_of(job.w_zero, 0) : 0;
  for (int64_t m = 0; m < g.out_channels; ++m) {
    row_add[m] = static_cast<int32_t>(
        (job.bias == nullptr ? 0u : static_cast<uint32_t>(job.bias[m])) -
        static_cast<uint32_t>(job.x_zero) * static_cast<uint32_t>(weight_sums[m]));
    row_factor[m] = bases[m] - (zeros > 1 ? zero_of(job.w_zero, m) : only);
    corrects = corrects || row_factor[m] != 0;
  }
  const int32_t* sums_of_windows = nullptr;
  if (corrects) {
    SLUICE_ASSIGN(sums_of_windows, window_sums(context, g, form, job));
  }

  const uint32_t* offsets = form.at.data();
  if (!form.direct) {
    SLUICE_ASSIGN(uint32_t* const of_tile, scratch<uint32_t>(context, size(cut.offset_count())));
    cut.write_offsets(of_tile);
    offsets = of_tile;
  }
  // Beside the tile: the block of C where it is not made in place, a line of window sums, and the
  // block's bytes.
  const bool to_bytes = job.byte_factor != nullptr;
  const int64_t line_pitch = round_up(cut.blocks.width, simd::kPanelCols);
  const int64_t c_words = cut.flat ? cut.flat_elems()
                          : to_bytes && cut.chunks.count > 1
                              ? cut.blocks.rows * cut.blocks.lines * line_pitch
                              : 0;
  const int64_t sum_words = cut.flat ? cut.flat_pitch : 0;
  const int64_t byte_words = cut.flat && to_bytes ? cut.flat_elems() / 4 : 0;
  const int64_t tile_words = form.direct ? 0 : cut.tile_elems;
  const int64_t slot_words = tile_words + round_up(c_words + sum_words + byte_words + 1, 16);
  const int slots = std::clamp(context.threads(), 1, 64);
  SLUICE_ASSIGN(float* const memory, scratch<float>(context, size(slot_words) * size(slots)));
  simd::ScratchSlots areas(memory, slots, slot_words);
  const uint32_t padding = static_cast<uint32_t>(job.x_zero) * 0x01010101u;

  context.parallel_for(cut.tasks(), cut.grain(), [&](int64_t begin, int64_t end) {
    const simd::ScratchSlots::Slot slot(areas);
    auto* const tile = reinterpret_cast<uint32_t*>(slot.data());
    auto* const c_block = reinterpret_cast<int32_t*>(tile + tile_words);
    int32_t* const flat_sums = c_block + c_words;
    auto* const flat_bytes = reinterpret_cast<uint8_t*>(flat_sums + sum_words);
    for (int64_t task = begin; task < end; ++task) {
      const Block block = cut.block(task);
      const uint32_t* const weights =
          packed + block.group * round_up(cut.made, kPanelRows) * form.channels * cut.taps;
      const int64_t m0 = block.group * cut.made + block.row0;

      simd::DotTile t;
      t.rows = block.rows;
      t.offsets = offsets;
      t.b = form.direct ? job.words + block.image * form.image + block.x0 : tile;
      t.row_add = row_add + m0;
      t.row_scale = job.scale == nullptr ? nullptr : job.scale + m0;
      t.row_bias = job.float_bias == nullptr ? nullptr : job.float_bias + m0;
      t.activation = job.activation;
      if (to_bytes) {
        t.byte_factor = job.byte_factor + m0;
        t.byte_zero = job.byte_zero;
        t.byte_low = job.signed_bytes ? -128 : 0;
        t.byte_high = t.byte_low + 255;
      }
      const int32_t* const sums_at =
          corrects ? sums_of_windows + block.image * cut.out_plane + block.y0 * out_w + block.x0
                   : nullptr;
      if (corrects) t.row_factor = row_factor + m0;
      if (cut.flat) {
        t.c = c_block;
        t.c_row = cut.flat_pitch;
        t.bytes = flat_bytes;
        t.bytes_row = cut.flat_pitch;
        t.width = cut.flat_width(block);
        if (corrects) {
          std::fill_n(flat_sums, cut.flat_pitch, 0);
          for (int64_t line = 0; line < block.lines; ++line) {
            std::copy_n(sums_at + line * out_w, block.width, flat_sums + line * cut.pitch);
          }
          t.column_sum = flat_sums;
        }
      } else {
        t.c = to_bytes ? c_block : job.sums + block.out_at;
        t.c_row = to_bytes ? cut.blocks.lines * line_pitch : cut.out_plane;
        t.c_line = to_bytes ? line_pitch : out_w;
        t.bytes = to_bytes ? job.bytes + block.out_at : nullptr;
        t.bytes_row = cut.out_plane;
        t.bytes_line = out_w;
        t.b_line = cut.pitch;
        t.lines = block.lines;
        t.width = block.width;
        t.column_sum = sums_at;
        t.column_line = out_w;
      }
      for (int64_t chunk = 0; chunk < cut.chunks.count; ++chunk) {
        const int64_t c0 = cut.chunks.start(chunk), c1 = cut.chunks.start(chunk + 1);
        if (form.direct) {
          t.offsets = offsets + c0;
        } else {
          cut.fill_tile(job.words, block, c0, c1, padding, tile);
        }
        t.depth = (c1 - c0) * cut.taps;
        t.a = weights + round_up(cut.made, kPanelRows) * c0 * cut.taps + block.row0 * t.depth;
        t.first = chunk == 0;
        t.last = chunk == cut.chunks.count - 1;
        simd::dot_tile(t);
      }
      if (cut.flat && to_bytes) {
        cut.from_flat(flat_bytes, block, job.bytes);
      } else if (cut.flat) {
        cut.from_flat(c_block, block, job.sums);
      }
    }
  });
  return {};
}

// Calls fill(planes, n, out) for every word plane of the input, cut into pieces: `planes` are the
// offsets of four channels' elements, -1 where there is no such channel.
template <class Fill>
Result<const uint32_t*> make_words(KernelContext& context, const ConvGeometry& g, const Form& form,
                                   const Fill& fill) {
  const int64_t channels = g.in_channels_per_group(), words = form.channels;
  const int64_t images = g.batch * g.groups, plane = g.in_elems(), pitch = form.image / words;
  // Whole vectors are read past the last column.
  SLUICE_ASSIGN(uint32_t* const out,
                scratch<uint32_t>(context, size(images) * size(form.image) + simd::kPanelCols));
  context.parallel_for(images * words * plane, 1 << 14, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end;) {
      const int64_t image = at / (words * plane), word = at / plane % words, first = at % plane;
      const int64_t n = std::min(plane - first, end - at);
      std::array<int64_t, 4> from;
      for (int64_t j = 0; j < 4; ++j) {
        const int64_t c = word * 4 + j;
        from[static_cast<size_t>(j)] =
            c < channels ? (image * channels + c) * plane + first : int64_t{-1};
      }
      fill(from, n, out + image * form.image + word * pitch + first);
      at += n;
    }
  });
  return out;
}

// Words of four taps: `read_row(channel, y, out)` gives a row of the input, channels counted
// through the batch, as bytes; xor `flip` they are unsigned.
template <class ReadRow>
Result<const uint32_t*> make_tap_words(KernelContext& context, const ConvGeometry& g,
                                       const Form& form, int32_t x_zero, uint8_t flip,
                                       const ReadRow& read_row) {
  const auto& [down, along] = form.window;
  const int64_t rows = form.phase_rows * down.stride, width = along.out;
  const int64_t images = g.batch * g.groups, word_pitch = form.image / form.row_words;
  SLUICE_ASSIGN(uint32_t* const out,
                scratch<uint32_t>(context, size(images) * size(form.image) + simd::kPanelCols));
  // Some rows with their padding, then cut by the horizontal stride's phases.
  const int64_t stride = along.stride, padded = form.phase_bytes * stride;
  const int64_t most = std::clamp<int64_t>((24 << 10) / padded, 1, rows);
  const int64_t chunks = (rows + most - 1) / most, phase = most * form.phase_bytes;
  const int64_t pitch = round_up(2 * most * padded, 64) / 4;
  const int slots = std::clamp(context.threads(), 1, 64);
  SLUICE_ASSIGN(float* const memory, scratch<float>(context, size(pitch) * size(slots)));
  simd::ScratchSlots areas(memory, slots, pitch);
  // Bytes [first, first + count) of a padded row come from the input, `skip` elements into it.
  const int64_t first = std::clamp<int64_t>(along.pad_begin, 0, padded);
  const int64_t skip = std::max<int64_t>(0, -along.pad_begin);
  const int64_t count = std::clamp<int64_t>(along.in - skip, 0, padded - first);
  const auto padding = static_cast<uint8_t>(x_zero ^ flip);
  SLUICE_ASSIGN(int64_t* const taps_at, scratch<int64_t>(context, size(along.kernel)));
  for (int64_t k = 0; k < along.kernel; ++k) {
    const int64_t at = k * along.dilation;
    taps_at[k] = at % stride * phase + at / stride;
  }
  context.parallel_for(
      images * chunks, std::max<int64_t>(1, (1 << 13) / (most * width * form.row_words)),
      [&](int64_t begin, int64_t end) {
        const simd::ScratchSlots::Slot slot(areas);
        auto* const held = reinterpret_cast<uint8_t*>(slot.data());
        std::fill_n(held, most * padded, padding);
        uint8_t* const cut = stride == 1 ? held : held + most * padded;
        for (int64_t i = begin; i < end; ++i) {
          const int64_t image = i / chunks, start = i % chunks * most;
          const int64_t some = std::min(most, rows - start);
          for (int64_t r = 0; r < some; ++r) {
            const int64_t place = start + r;
            const int64_t y =
                place % form.phase_rows * down.stride + place / form.phase_rows - down.pad_begin;
            uint8_t* const to = held + r * padded + first;
            if (y >= 0 && y < down.in) {
              if (count > 0) read_row(image, y, skip, count, to);
            } else {
              std::fill_n(to, count, padding);
            }
          }
          if (stride == 2) {
            simd::split_byte_pairs(held, some * form.phase_bytes, cut, cut + phase);
          } else if (stride > 2) {
            for (int64_t o = 0; o < some * padded; ++o) {
              cut[o % stride * phase + o / stride] = held[o];
            }
          }
          for (int64_t word = 0; word < form.row_words; ++word) {
            simd::PackWords pack;
            for (int64_t j = 0; j < 4 && word * 4 + j < along.kernel; ++j) {
              pack.planes[j] = cut + taps_at[word * 4 + j];
            }
            pack.flip = flip;
            pack.n = width;
            pack.rows = some;
            pack.row_bytes = form.phase_bytes;
            simd::pack_words(pack, out + image * form.image + word * word_pitch + start * width);
          }
        }
      });
  return out;
}

Result<const uint32_t*> words_of_bytes(KernelContext& context, const ConvGeometry& g,
                                       const Form& form, const Tensor& x, int32_t x_zero) {
  const auto* const data = reinterpret_cast<const uint8_t*>(x.bytes().data());
  const uint8_t flip = x.dtype() == DType::kInt8 ? 0x80 : 0;
  if (form.by_taps) {
    const int64_t width = form.window.x.in, plane = form.window.y.in * width;
    return make_tap_words(
        context, g, form, x_zero, flip,
        [&](int64_t channel, int64_t line, int64_t from, int64_t count, uint8_t* out) {
          std::memcpy(out, data + channel * plane + line * width + from,
                      static_cast<size_t>(count));
        });
  }
  return make_words(context, g, form,
                    [&](const std::array<int64_t, 4>& from, int64_t n, uint32_t* out) {
                      simd::PackWords pack{.flip = flip, .n = n};
                      for (size_t j = 0; j < 4; ++j)
                        pack.planes[j] = from[j] < 0 ? nullptr : data + from[j];
                      simd::pack_words(pack, out);
                    });
}

// The zero point of x as one of unsigned bytes.
Result<int32_t> zero_of_input(KernelContext& context, int index, const Tensor& x) {
  int32_t zero = 0;
  if (context.has(index)) {
    SLUICE_ASSIGN(const Tensor* tensor, op::input_tensor(context, index, kBytes));
    if (tensor->elements() != 1 || tensor->dtype() != x.dtype()) {
      return usage_error(cat("The zero point of x is ", dtype_name(tensor->dtype()),
                             tensor->shape().text(), " (needs one ", dtype_name(x.dtype()), ")"));
    }
    zero = byte_value(*tensor, 0);
  }
  return x.dtype() == DType::kInt8 ? zero + 128 : zero;
}

Result<const Tensor*> zero_of_weights(KernelContext& context, int index, const Tensor& w) {
  if (!context.has(index)) return nullptr;
  SLUICE_ASSIGN(const Tensor* zero, op::input_tensor(context, index, kBytes));
  if (!fits_channels(zero, w.dtype(), w.dim(0))) {
    return usage_error(cat("The zero point of w is ", dtype_name(zero->dtype()),
                           zero->shape().text(), " (needs 1 or ", w.dim(0), " of ",
                           dtype_name(w.dtype()), ")"));
  }
  return zero;
}

Result<Form> form_of(const KernelContext& context, const ConvGeometry& g) {
  const std::optional<Plane> plane = as_plane(g);
  if (!plane || !context.prepared().defined()) {
    return unsupported("An integer convolution was planned for packed weights, which it lacks");
  }
  return form_of(g, *plane);
}

}  // namespace

Result<void> conv_integer_dot(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, kBytes));
  SLUICE_ASSIGN(const Tensor* w, op::input_tensor(context, 1, kBytes));
  SLUICE_ASSIGN(const ConvGeometry* geometry, context.kept<ConvGeometry>([&] {
    return conv_geometry(context.attrs(), x->shape(), w->shape());
  }));
  const ConvGeometry& g = *geometry;
  SLUICE_ASSIGN(const Form* made, context.kept<Form>([&] { return form_of(context, g); }));
  const Form& form = *made;
  Job job;
  SLUICE_ASSIGN(job.x_zero, zero_of_input(context, 2, *x));
  SLUICE_ASSIGN(job.w_zero, zero_of_weights(context, 3, *w));
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kInt32, conv_output_shape(g)));
  if (y->elements() == 0) return {};
  SLUICE_ASSIGN(job.words, words_of_bytes(context, g, form, *x, job.x_zero));
  job.packed = context.prepared().data<int32_t>();
  job.sums = y->mutable_data<int32_t>();
  return convolve(context, g, form, job);
}

Result<void> dynamic_quantized_conv_dot(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, {DType::kFloat32}));
  SLUICE_ASSIGN(const Tensor* w, op::input_tensor(context, 1, kBytes));
  SLUICE_ASSIGN(const Tensor* w_scale, op::input_tensor(context, 2, {DType::kFloat32}));
  const Tensor* bias = nullptr;
  if (context.has(4)) {
    SLUICE_ASSIGN(bias, op::input_tensor(context, 4, {DType::kFloat32}));
  }
  SLUICE_ASSIGN(const ConvGeometry* geometry, context.kept<ConvGeometry>([&] {
    return conv_geometry(context.attrs(), x->shape(), w->shape(),
                         bias != nullptr ? &bias->shape() : nullptr);
  }));
  const ConvGeometry& g = *geometry;
  SLUICE_ASSIGN(const Form* made, context.kept<Form>([&] { return form_of(context, g); }));
  const Form& form = *made;
  if (w_scale->elements() != 1) {
    return usage_error(cat("The scale of w has ", w_scale->elements(), " elements (needs 1)"));
  }
  Job job;
  SLUICE_ASSIGN(const op::Activation* activation,
                context.kept<op::Activation>([&] { return fused_activation(context.attrs()); }));
  job.activation = vector_form(*activation);
  SLUICE_ASSIGN(job.w_zero, zero_of_weights(context, 3, *w));
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, conv_output_shape(g)));
  if (y->elements() == 0) return {};

  const int64_t n = x->elements();
  const float* const in = x->data<float>();
  op::DynamicScale found;
  if (n > 0) {
    SLUICE_ASSIGN(simd::Range32* const pieces,
                  scratch<simd::Range32>(context, size(simd::range_pieces(n))));
    const simd::Range32 range =
        simd::range_of(in, n, pieces, [&](int64_t count, int64_t grain, simd::Range body) {
          context.parallel_for(count, grain, body);
        });
    const std::array<double, 2> ends = {static_cast<double>(range.low),
                                        static_cast<double>(range.high)};
    // Which of many numbers a NaN among them displaces depends on their order.
    found = range.low == range.low ? op::dynamic_scale(ends) : op::dynamic_scale(x->to_doubles());
  }
  job.x_zero = static_cast<int32_t>(found.zero_point);
  if (form.by_taps) {
    const int64_t width = form.window.x.in, plane = form.window.y.in * width;
    SLUICE_ASSIGN(job.words, make_tap_words(context, g, form, job.x_zero, 0,
                                            [&](int64_t channel, int64_t line, int64_t from,
                                                int64_t count, uint8_t* out) {
                                              simd::quantize(
                                                  in + channel * plane + line * width + from,
                                                  found.scale, job.x_zero, out, count);
                                            }));
  } else {
    SLUICE_ASSIGN(job.words,
                  make_words(context, g, form,
                             [&](const std::array<int64_t, 4>& from, int64_t count, uint32_t* out) {
                               std::array<const float*, 4> planes;
                               for (size_t j = 0; j < 4; ++j) {
                                 planes[j] = from[j] < 0 ? nullptr : in + from[j];
                               }
                               simd::quantize_words(planes.data(), found.scale, job.x_zero, count,
                                                    out);
                             }));
  }
  SLUICE_ASSIGN(float* const scales, scratch<float>(context, size(g.out_channels)));
  std::fill_n(scales, g.out_channels, found.scale * w_scale->data<float>()[0]);
  job.scale = scales;
  job.float_bias = bias == nullptr ? nullptr : bias->data<float>();
  job.packed = context.prepared().data<int32_t>();
  job.sums = reinterpret_cast<int32_t*>(y->mutable_bytes().data());
  return convolve(context, g, form, job);
}

Result<void> qlinear_conv_dot(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* x, op::input_tensor(context, 0, kBytes));
  SLUICE_ASSIGN(const Tensor* w, op::input_tensor(context, 3, kBytes));
  const Tensor* bias = nullptr;
  if (context.has(8)) {
    SLUICE_ASSIGN(bias, op::input_tensor(context, 8, {DType::kInt32}));
  }
  SLUICE_ASSIGN(const ConvGeometry* geometry, context.kept<ConvGeometry>([&] {
    return conv_geometry(context.attrs(), x->shape(), w->shape(),
                         bias != nullptr ? &bias->shape() : nullptr);
  }));
  const ConvGeometry& g = *geometry;
  SLUICE_ASSIGN(const Form* made, context.kept<Form>([&] { return form_of(context, g); }));
  const Form& form = *made;
  Job job;
  SLUICE_ASSIGN(job.x_zero, zero_of_input(context, 2, *x));
  SLUICE_ASSIGN(job.w_zero, zero_of_weights(context, 5, *w));
  SLUICE_ASSIGN(const Tensor* x_scale, op::input_tensor(context, 1, {DType::kFloat32}));
  SLUICE_ASSIGN(const Tensor* w_scale, op::input_tensor(context, 4, {DType::kFloat32}));
  SLUICE_ASSIGN(const Tensor* y_scale, op::input_tensor(context, 6, {DType::kFloat32}));
  SLUICE_ASSIGN(const Tensor* y_zero, op::input_tensor(context, 7, kBytes));
  if (x_scale->elements() != 1 || y_scale->elements() != 1 || y_zero->elements() != 1 ||
      (w_scale->elements() != 1 && w_scale->elements() != g.out_channels)) {
    return usage_error(cat("The scales are ", x_scale->shape().text(), ", ",
                           w_scale->shape().text(), " and ", y_scale->shape().text(),
                           " (of x and y one number each, of w 1 or ", g.out_channels, ")"));
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, y_zero->dtype(), conv_output_shape(g)));
  if (y->elements() == 0) return {};
  SLUICE_ASSIGN(job.words, words_of_bytes(context, g, form, *x, job.x_zero));
  job.packed = context.prepared().data<int32_t>();
  job.bias = bias == nullptr ? nullptr : bias->data<int32_t>();
  SLUICE_ASSIGN(float* const factors, scratch<float>(context, size(g.out_channels)));
  const float* const steps = w_scale->data<float>();
  const bool one_step = w_scale->elements() == 1;
  const auto x_step = static_cast<double>(x_scale->data<float>()[0]);
  const float y_step = y_scale->data<float>()[0];
  for (int64_t m = 0; m < g.out_channels; ++m) {
    const double product = x_step * static_cast<double>(steps[one_step ? 0 : m]);
    factors[m] = static_cast<float>(product) / y_step;
  }
  job.byte_factor = factors;
  job.byte_zero = byte_value(*y_zero, 0);
  job.signed_bytes = y->dtype() == DType::kInt8;
  job.bytes = reinterpret_cast<uint8_t*>(y->mutable_bytes().data());
  return convolve(context, g, form, job);
}

Result<Tensor> prepare_conv_integer(const AttrMap& attrs, std::span<const Value> inputs) {
  if (inputs.size() < 2 || !inputs[1].is_tensor()) return Tensor();
  const bool zero = inputs.size() > 3 && inputs[3].is_tensor();
  return pack(attrs, inputs[1].tensor(), zero ? &inputs[3].tensor() : nullptr);
}

Result<Tensor> prepare_qlinear_conv(const AttrMap& attrs, std::span<const Value> inputs) {
  if (inputs.size() < 6 || !inputs[3].is_tensor()) return Tensor();
  return pack(attrs, inputs[3].tensor(), inputs[5].is_tensor() ? &inputs[5].tensor() : nullptr);
}

namespace {

// The inputs `weight` and its zero point, which pack() must be able to take.
std::string refuse_weight(const NodeView& node, int weight, int zero) {
  const Tensor* w = node.constant(weight);
  if (w == nullptr) return "the weight is not a constant";
  if (!kBytes.has(w->dtype())) {
    return cat("the weight is ", dtype_name(w->dtype()), " (takes 8-bit integers)");
  }
  if (w->rank() != 3 && w->rank() != 4) {
    return cat("it takes 1-D and 2-D kernels (rank ", w->rank(), ")");
  }
  const Tensor* w_zero = node.has_input(zero) ? node.constant(zero) : nullptr;
  if (node.has_input(zero) && w_zero == nullptr) return "the weight's zero point is not a constant";
  const int64_t groups = node.attrs().int_or("group", 1);
  if (w->elements() == 0 || groups < 1 || w->dim(0) % groups != 0) {
    return "it has no outputs";
  }
  if (!fits_channels(w_zero, w->dtype(), w->dim(0))) {
    return "the weight's zero points are neither one nor one per output channel";
  }
  for (int i = 2; i < w->rank(); ++i) {
    if (w->dim(i) > 1024) return cat("its kernel has ", w->dim(i), " taps along an axis");
  }
  if (!op::read_window_attrs(node.attrs(), w->rank() - 2, w->shape().dims().subspan(2))) {
    return "its attributes don't fit the weight";
  }
  return {};
}

// One number, known to be one.
bool is_single(const NodeView& node, int i) {
  if (!node.has_input(i)) return true;
  const Type& type = node.input_type(i);
  if (!type.has_rank()) return false;
  return std::ranges::all_of(*type.dims,
                             [](const Dim& dim) { return dim.is_known() && dim.value() == 1; });
}

}  // namespace

std::string refuse_conv_integer_dot(const NodeView& node) {
  if (!is_single(node, 2)) return "the zero point of x is not known to be one number";
  return refuse_weight(node, 1, 3);
}

std::string refuse_dynamic_quantized_conv(const NodeView& node) {
  if (node.input_type(0).dtype != DType::kFloat32) return "x is not float32";
  if (!is_single(node, 2)) return "the scale of w is not known to be one number";
  return refuse_weight(node, 1, 3);
}

std::string refuse_qlinear_conv(const NodeView& node) {
  for (const int i : {1, 2, 6, 7}) {
    if (!is_single(node, i)) return cat("input ", i, " is not known to be one number");
  }
  for (const int i : {1, 4, 6}) {
    if (node.input_type(i).dtype != DType::kFloat32) return cat("input ", i, " is not float32");
  }
  if (const Tensor* scales = node.constant(4); scales == nullptr || scales->rank() > 1) {
    return "the weight's scale is not a constant of one axis";
  }
  if (node.input_type(2).dtype != node.input_type(0).dtype) return "x and its zero point differ";
  return refuse_weight(node, 3, 5);
}

}  // namespace sluice::ops::conv
