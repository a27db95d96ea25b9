// The input of a tile is 6 x 6, its output 4 x 4; 16 tiles are a panel. For every point p of the
// 36:
//
//   M_p[m, tile] = U_p[m, c] * V_p[c, tile]     U: transformed weights, V: transformed input
//
// Weights are kept as 3 x 3 taps and transformed in each run, which costs the time of some four
// tiles: kept transformed they would take four times the memory. Large images are cut into blocks
// of tiles whose V stays in the second-level cache, and every block goes over all of U. Images of
// few tiles are transformed once, and blocks of output channels go over all of V. Every sum runs
// over the input channels in order, so the blocks don't change the bits.
#include "ops/conv/winograd_cpu.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "base/checked.h"
#include "base/text.h"
#include "op/operand.h"
#include "op/refuse.h"
#include "op/scratch.h"
#include "ops/conv/conv.h"
#include "ops/conv/conv_operands.h"
#include "simd/gemm_f32.h"
#include "simd/scratch_slots.h"
#include "simd/winograd.h"

namespace sluice::ops::conv {

using op::NodeView;
using op::WindowAxis;
using plan::KernelContext;
using simd::kPanelRows;
using simd::kWinogradIn;
using simd::kWinogradOut;
using simd::kWinogradPanel;
using simd::kWinogradPoints;
using simd::round_up;

namespace {

constexpr int64_t kTaps = 9;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// --- tiles

// How an image is covered. A dilated convolution is one convolution for each phase of its rows and
// columns (taps meet only inputs of one phase), each with tiles of its own.
struct Tiling {
  int64_t phases_y = 1, phases_x = 1;
  int64_t tiles_y = 0, tiles_x = 0;  // of one phase
  // Each panel in one row of tiles; else panels run on over rows and phases.
  bool by_rows = false;
  int64_t panels = 0;
  int64_t panels_in_row = 0;

  Tiling(int64_t out_h, int64_t out_w, int64_t dilation_y, int64_t dilation_x)
      : phases_y(std::min(dilation_y, out_h)),
        phases_x(std::min(dilation_x, out_w)),
        tiles_y(ceil_div(ceil_div(out_h, dilation_y), kWinogradOut)),
        tiles_x(ceil_div(ceil_div(out_w, dilation_x), kWinogradOut)) {
    const int64_t rows = phases_y * phases_x * tiles_y;
    panels_in_row = ceil_div(tiles_x, kWinogradPanel);
    panels = ceil_div(rows * tiles_x, kWinogradPanel);
    // Panels cut off at the end of a row read their input without a copy for each tile.
    by_rows = dilation_y == 1 && dilation_x == 1 && rows * panels_in_row * 8 <= panels * 9;
    if (by_rows) panels = rows * panels_in_row;
  }
};

// Multiply-adds of both algorithms, the transforms among them: of a panel and channel those of the
// input and of the output take the time of some kTransform channels of products.
constexpr int64_t kTransform = 10;

std::string refuse_cost(int64_t channels, int64_t made, const Tiling& tiling, int64_t out_elems) {
  const auto fast = static_cast<double>(tiling.panels * kWinogradPanel * kWinogradPoints) *
                    static_cast<double>(channels * made + kTransform * (channels + made));
  const double direct =
      static_cast<double>(kTaps * out_elems) * static_cast<double>(channels * made);
  // A tenth: shorter sums fill the pipeline less well.
  if (fast * 1.1 <= direct) return {};
  return cat("tiles of 4 x 4 outputs save too little for ", channels, " channels to ", made, " of ",
             out_elems, " elements");
}

// --- weights: [group][panel of 8 outputs][pair of inputs][tap][2][8]

int64_t pairs_of(int64_t channels) { return ceil_div(channels, 2); }
int64_t packed_panel_floats(int64_t channels) { return pairs_of(channels) * kTaps * 16; }

// T: float, or uint16_t for float16.
template <class T>
void pack_taps(const T* w, int64_t groups, int64_t made, int64_t channels, T* out) {
  const int64_t panels = ceil_div(made, kPanelRows);
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t panel = 0; panel < panels; ++panel) {
      T* const to = out + (g * panels + panel) * packed_panel_floats(channels);
      std::memset(to, 0, static_cast<size_t>(packed_panel_floats(channels)) * sizeof(T));
      const int64_t rows = std::min(kPanelRows, made - panel * kPanelRows);
      for (int64_t r = 0; r < rows; ++r) {
        const T* from = w + ((g * made + panel * kPanelRows + r) * channels) * kTaps;
        for (int64_t c = 0; c < channels; ++c) {
          for (int64_t k = 0; k < kTaps; ++k) {
            to[(c / 2 * kTaps + k) * 16 + c % 2 * 8 + r] = from[c * kTaps + k];
          }
        }
      }
    }
  }
}

// --- one convolution

struct Job {
  const float* x = nullptr;
  const float* taps = nullptr;          // packed
  const uint16_t* half_taps = nullptr;  // instead of them: float16
  const float* bias = nullptr;
  const float* residual = nullptr;
  float* y = nullptr;
  simd::Activation activation;
};

// The transformed input of some tiles: point p of panel q and channel c at
// data + p * point + q * panel + c * 16.
struct Transformed {
  float* data = nullptr;
  int64_t point = 0, panel = 0;
  // Points are kept a few cache lines off powers of two, which would share cache sets.
  Transformed(float* at, int64_t channels, int64_t panels)
      : data(at),
        point(panels * channels * kWinogradPanel + 48),
        panel(channels * kWinogradPanel) {}
  static int64_t floats(int64_t channels, int64_t panels) {
    return kWinogradPoints * (panels * channels * kWinogradPanel + 48);
  }
};

class Convolution {
 public:
  // offsets: of the channels in a panel of V.
  Convolution(KernelContext& context, const ConvGeometry& g, const Job& job,
              const std::vector<uint32_t>& offsets)
      : context_(context),
        g_(g),
        job_(job),
        y_(g.axes[0]),
        x_(g.axes[1]),
        channels_(g.in_channels_per_group()),
        made_(g.out_channels_per_group()),
        tiling_(y_.out, x_.out, y_.dilation, x_.dilation),
        slots_(std::clamp(context.threads(), 1, 64)),
        offsets_(offsets) {}

  Result<void> run() {
    // From here on the input as a whole would leave the caches between its uses.
    constexpr int64_t kFewPanels = 16;
    if (tiling_.by_rows && tiling_.panels > kFewPanels) return by_blocks();
    return by_channels();
  }

 private:
  int64_t in_plane() const { return y_.in * x_.in; }
  int64_t out_plane() const { return y_.out * x_.out; }
  int64_t padded_rows() const { return round_up(made_, kPanelRows); }

  Result<float*> floats(Checked count) {
    return op::scratch<float>(context_, count, "A convolution");
  }
  static Checked size(int64_t n) { return Checked::from_signed(n); }

  // U of output channels [panel0, panel1) * 8 of a group: point p at to + p * point, panels of
  // [channel][8], one after another.
  void transform_weights(int64_t group, int64_t panel0, int64_t panel1, float* to, int64_t point) {
    const int64_t panels = ceil_div(made_, kPanelRows);
    for (int64_t panel = panel0; panel < panel1; ++panel) {
      const int64_t from = (group * panels + panel) * packed_panel_floats(channels_);
      float* const u = to + (panel - panel0) * weight_panel_floats();
      if (job_.half_taps != nullptr) {
        simd::winograd_weights(job_.half_taps + from, pairs_of(channels_), u, point);
      } else {
        simd::winograd_weights(job_.taps + from, pairs_of(channels_), u, point);
      }
    }
  }
  int64_t weight_panel_floats() const { return pairs_of(channels_) * 16; }

  // M_p for rows [0, rows) of U, then their outputs from channel `first_made` of `image` on.
  void multiply(const float* u, int64_t u_point, int64_t rows, const Transformed& v, int64_t panels,
                float* m, int64_t m_point) {
    simd::GemmTile tile;
    tile.depth = channels_;
    tile.offsets = offsets_.data();
    tile.b_panel = v.panel;
    tile.c_row = panels * kWinogradPanel;
    tile.width = panels * kWinogradPanel;
    for (int64_t p = 0; p < kWinogradPoints; ++p) {
      // Rows of U lie in panels of 8 x pairs: one panel at a time where the channels are odd.
      tile.b = v.data + p * v.point;
      const int64_t step = channels_ % 2 == 0 ? rows : kPanelRows;
      for (int64_t row = 0; row < rows; row += step) {
        tile.a = u + p * u_point + row / kPanelRows * weight_panel_floats();
        tile.rows = std::min(step, rows - row);
        tile.c = m + p * m_point + row * tile.c_row;
        simd::gemm_tile(tile);
      }
    }
  }

  int64_t m_point_floats(int64_t rows, int64_t panels) const {
    return rows * panels * kWinogradPanel + 48;
  }

  float bias_of(int64_t group, int64_t row) const {
    return job_.bias == nullptr ? 0.0f : job_.bias[group * made_ + row];
  }

  // --- panels along rows of tiles

  // Six rows of the input, each split by column modulo 4: [row][phase][pitch].
  int64_t strip_pitch(int64_t panels) const { return (panels + 1) * kWinogradPanel; }
  int64_t strip_floats(int64_t panels) const {
    return kWinogradIn * 4 * strip_pitch(panels) + 4 * strip_pitch(panels);
  }

  // V of one channel for `count` panels from `column` on in a row of tiles.
  void transform_strip(const float* channel, int64_t tile_row, int64_t column, int64_t count,
                       float* strip, float* v, const Transformed& layout) const {
    const int64_t pitch = strip_pitch(count);
    const int64_t width = count * kWinogradPanel * kWinogradOut;
    float* const line = strip + kWinogradIn * 4 * pitch;
    const int64_t x0 = column * kWinogradPanel * kWinogradOut - x_.pad_begin;
    for (int64_t i = 0; i < kWinogradIn; ++i) {
      float* const out = strip + i * 4 * pitch;
      const int64_t y = tile_row * kWinogradOut + i - y_.pad_begin;
      if (y < 0 || y >= y_.in) {
        std::memset(out, 0, static_cast<size_t>(4 * pitch) * sizeof(float));
        continue;
      }
      const float* from = channel + y * x_.in + x0;
      const int64_t tiles = count * kWinogradPanel;
      if (x0 < 0 && x0 >= -kWinogradOut && x0 + 4 + width <= x_.in) {
        // At the left border: one tile with its padding, then as inside.
        for (int64_t j = 0; j < kWinogradOut; ++j) out[j * pitch] = x0 + j < 0 ? 0.0f : from[j];
        simd::winograd_split(from + 4, tiles, out + 1, pitch);
        continue;
      }
      if (x0 < 0 || x0 + width > x_.in) {
        const int64_t first = std::clamp<int64_t>(-x0, 0, width + 2);
        const int64_t last = std::clamp<int64_t>(x_.in - x0, first, width + 2);
        std::memset(line, 0, static_cast<size_t>(first) * sizeof(float));
        if (last > first) {  // an empty copy from far outside would trap in WebAssembly
          std::memcpy(line + first, from + first,
                      static_cast<size_t>(last - first) * sizeof(float));
        }
        std::memset(line + last, 0, static_cast<size_t>(width + 2 - last) * sizeof(float));
        simd::winograd_split(line, tiles, out, pitch);
        out[tiles] = line[width];
        out[pitch + tiles] = line[width + 1];
        continue;
      }
      simd::winograd_split(from, tiles, out, pitch);
      // Of the tile after the last two columns are read.
      out[tiles] = x0 + width < x_.in ? from[width] : 0.0f;
      out[pitch + tiles] = x0 + width + 1 < x_.in ? from[width + 1] : 0.0f;
    }
    simd::WinogradInput input;
    input.d = strip;
    for (int64_t i = 0; i < kWinogradIn; ++i) {
      input.rows[i] = i * 4 * pitch;
      input.columns[i] = i % 4 * pitch + i / 4;
    }
    input.panels = count;
    input.v = v;
    input.v_point = layout.point;
    input.v_panel = layout.panel;
    simd::winograd_input(input);
  }

  // Calls body(tile_row, column, count, first) for the runs of panels [begin, end) in one row of
  // tiles; `first` counts panels from begin.
  template <class Body>
  void for_runs(int64_t begin, int64_t end, const Body& body) const {
    for (int64_t q = begin; q < end;) {
      const int64_t column = q % tiling_.panels_in_row;
      const int64_t count = std::min(tiling_.panels_in_row - column, end - q);
      body(q / tiling_.panels_in_row, column, count, q - begin);
      q += count;
    }
  }

  void transform_input_rows(int64_t image, int64_t c, int64_t begin, int64_t end, float* strip,
                            const Transformed& v) const {
    const float* const channel = job_.x + (image * channels_ + c) * in_plane();
    for_runs(begin, end, [&](int64_t row, int64_t column, int64_t count, int64_t first) {
      transform_strip(channel, row, column, count, strip,
                      v.data + first * v.panel + c * kWinogradPanel, v);
    });
  }

  // Outputs of row `r` of M (output channel `made` of `image`) for panels [begin, end).
  void make_outputs_rows(int64_t image, int64_t made, const float* m, int64_t m_point,
                         int64_t begin, int64_t end) const {
    const int64_t plane = (image * made_ + made) * out_plane();
    simd::WinogradOutput output;
    output.m_point = m_point;
    output.y_row = x_.out;
    output.bias = bias_of(image % g_.groups, made);
    output.activation = job_.activation;
    for (int64_t q = begin; q < end; ++q) {
      const int64_t y = q / tiling_.panels_in_row * kWinogradOut;
      const int64_t x = q % tiling_.panels_in_row * kWinogradPanel * kWinogradOut;
      const int64_t at = plane + y * x_.out + x;
      output.m = m + (q - begin) * kWinogradPanel;
      output.y = job_.y + at;
      output.residual = job_.residual == nullptr ? nullptr : job_.residual + at;
      output.rows = std::min(kWinogradOut, y_.out - y);
      output.columns = std::min(kWinogradPanel * kWinogradOut, x_.out - x);
      simd::winograd_output(output);
    }
  }

  Result<void> by_blocks() {
    const int64_t images = g_.batch * g_.groups;
    // V of a block takes half of a 1 MiB second-level cache, but fills a register tile's columns.
    constexpr int64_t kBlockBytes = 512 * 1024;
    constexpr int64_t kTilePanels = simd::kTileCols / kWinogradPanel;
    const int64_t panel_bytes = kWinogradPoints * kWinogradPanel * 4 * channels_;
    const int64_t block = std::clamp(kBlockBytes / panel_bytes / kTilePanels * kTilePanels,
                                     kTilePanels, 4 * kTilePanels);
    const int64_t blocks = ceil_div(tiling_.panels, block);
    // Rows of M that are multiplied before their outputs are made: a quarter of the cache.
    const int64_t rows = std::clamp(
        (256 * 1024) / (kWinogradPoints * block * kWinogradPanel * 4) / kPanelRows * kPanelRows,
        kPanelRows, padded_rows());

    const int64_t u_group = padded_rows() / kPanelRows * weight_panel_floats();  // of one point
    SLUICE_ASSIGN(float* const u, floats(size(g_.groups) * size(kWinogradPoints) * size(u_group)));
    const int64_t strip = round_up(strip_floats(block), 16);
    const int64_t v_floats = round_up(Transformed::floats(channels_, block), 16);
    const int64_t m_floats = round_up(kWinogradPoints * m_point_floats(rows, block), 16);
    const int64_t slot = strip + v_floats + m_floats;
    SLUICE_ASSIGN(float* const memory, floats(size(slot) * size(slots_)));
    simd::ScratchSlots scratch(memory, slots_, slot);

    const int64_t weight_panels = padded_rows() / kPanelRows;
    context_.parallel_for(
        g_.groups * weight_panels, std::max<int64_t>(1, 4096 / channels_),
        [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            const int64_t group = i / weight_panels, panel = i % weight_panels;
            transform_weights(group, panel, panel + 1,
                              u + group * kWinogradPoints * u_group + panel * weight_panel_floats(),
                              u_group);
          }
        });
    context_.parallel_for(images * blocks, 1, [&](int64_t begin, int64_t end) {
      const simd::ScratchSlots::Slot held(scratch);
      float* const v_at = held.data() + strip;
      float* const m = v_at + v_floats;
      for (int64_t task = begin; task < end; ++task) {
        const int64_t image = task / blocks, first = task % blocks * block;
        const int64_t last = std::min(first + block, tiling_.panels), count = last - first;
        const Transformed v(v_at, channels_, count);
        for (int64_t c = 0; c < channels_; ++c) {
          transform_input_rows(image, c, first, last, held.data(), v);
        }
        const float* const weights = u + image % g_.groups * kWinogradPoints * u_group;
        for (int64_t row = 0; row < made_; row += rows) {
          const int64_t some = std::min(rows, made_ - row);
          const int64_t m_point = m_point_floats(some, count);
          multiply(weights + row / kPanelRows * weight_panel_floats(), u_group, some, v, count, m,
                   m_point);
          for (int64_t r = 0; r < some; ++r) {
            make_outputs_rows(image, row + r, m + r * count * kWinogradPanel, m_point, first, last);
          }
        }
      }
    });
    return {};
  }

  // --- images of few tiles, and those whose tiles need gathering

  // A phase of the padded input: 4 * tiles_y + 2 rows of 4 * tiles_x + 4 columns.
  int64_t phase_rows() const { return kWinogradOut * tiling_.tiles_y + 2; }
  int64_t phase_pitch() const { return kWinogradOut * (tiling_.tiles_x + 1); }
  int64_t phase_count() const { return tiling_.phases_y * tiling_.phases_x; }
  int64_t padded_floats() const {
    return round_up(phase_count() * phase_rows() * phase_pitch() + 4, 4 * kWinogradPanel);
  }
  int64_t gathered_pitch() const { return tiling_.panels * kWinogradPanel + 16; }
  int64_t gather_floats() const {
    return 2 * padded_floats() + 64 + kWinogradPoints * gathered_pitch();
  }

  // V of one channel for all tiles.
  void transform_input_gathered(int64_t image, int64_t c, float* work, const Transformed& v) const {
    const float* const channel = job_.x + (image * channels_ + c) * in_plane();
    float* const padded = work;
    float* const split = padded + padded_floats();
    float* const gathered = split + padded_floats() + 64;
    const int64_t rows = phase_rows(), pitch = phase_pitch();
    // Each phase by itself, padding included.
    for (int64_t phase = 0; phase < phase_count(); ++phase) {
      const int64_t x0 = phase % tiling_.phases_x - x_.pad_begin, step = x_.dilation;
      const int64_t first = std::clamp<int64_t>(x0 < 0 ? ceil_div(-x0, step) : 0, 0, pitch);
      const int64_t last =
          std::clamp<int64_t>(x_.in > x0 ? ceil_div(x_.in - x0, step) : 0, first, pitch);
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t y = phase / tiling_.phases_x - y_.pad_begin + r * y_.dilation;
        float* const to = padded + (phase * rows + r) * pitch;
        if (y < 0 || y >= y_.in) {
          std::memset(to, 0, static_cast<size_t>(pitch) * sizeof(float));
          continue;
        }
        const float* from = channel + y * x_.in + x0;
        std::fill(to, to + first, 0.0f);
        if (step == 1) {
          std::copy(from + first, from + last, to + first);
        } else {
          for (int64_t i = first; i < last; ++i) to[i] = from[i * step];
        }
        std::fill(to + last, to + pitch, 0.0f);
      }
    }
    const int64_t quarter = padded_floats() / 4, quarter_pitch = pitch / 4;
    simd::winograd_split(padded, quarter, split, quarter);
    // Tiles of a row follow one another in a quarter. Copies of four may write too far: what comes
    // after is written later.
    const int64_t to_pitch = gathered_pitch();
    for (int64_t i = 0; i < kWinogradIn; ++i) {
      for (int64_t j = 0; j < kWinogradIn; ++j) {
        float* to = gathered + (i * kWinogradIn + j) * to_pitch;
        const float* quarter_at = split + j % 4 * quarter + j / 4;
        for (int64_t phase = 0; phase < phase_count(); ++phase) {
          const float* from = quarter_at + (phase * rows + i) * quarter_pitch;
          for (int64_t row = 0; row < tiling_.tiles_y; ++row) {
            for (int64_t t = 0; t < tiling_.tiles_x; t += 4) {
              std::memcpy(to + t, from + t, 4 * sizeof(float));
            }
            to += tiling_.tiles_x;
            from += kWinogradOut * quarter_pitch;
          }
        }
        // Lanes past the last tile must hold numbers: a NaN left there would trap nothing, but slow
        // the products down.
        float* const end = gathered + (i * kWinogradIn + j) * to_pitch + to_pitch;
        std::fill(to, end, 0.0f);
      }
    }
    simd::WinogradInput input;
    input.d = gathered;
    for (int64_t i = 0; i < kWinogradIn; ++i) {
      input.rows[i] = i * kWinogradIn * to_pitch;
      input.columns[i] = i * to_pitch;
    }
    input.panels = tiling_.panels;
    input.v = v.data + c * kWinogradPanel;
    input.v_point = v.point;
    input.v_panel = v.panel;
    simd::winograd_input(input);
  }

  void make_outputs_gathered(int64_t image, int64_t made, const float* m, int64_t m_point) const {
    constexpr int64_t kRow = kWinogradOut * kWinogradPanel;
    alignas(64) std::array<float, kWinogradOut * kRow> made_tiles, residual;
    const int64_t plane = (image * made_ + made) * out_plane();
    simd::WinogradOutput output;
    output.m_point = m_point;
    output.y = made_tiles.data();
    output.y_row = kRow;
    output.bias = bias_of(image % g_.groups, made);
    output.activation = job_.activation;
    if (job_.residual != nullptr) {
      residual.fill(0);
      output.residual = residual.data();
    }
    const int64_t tiles = phase_count() * tiling_.tiles_y * tiling_.tiles_x;
    const int64_t step_y = y_.dilation, step_x = x_.dilation;
    // body(offset in the plane, offset in a panel, outputs in the run) for all rows of 4 outputs.
    const auto for_tiles = [&](int64_t q, const auto& body) {
      const int64_t end = std::min(tiles, (q + 1) * kWinogradPanel);
      for (int64_t tile = q * kWinogradPanel; tile < end; ++tile) {
        const int64_t tx = tile % tiling_.tiles_x, ty = tile / tiling_.tiles_x % tiling_.tiles_y;
        const int64_t phase = tile / (tiling_.tiles_x * tiling_.tiles_y);
        const int64_t x = phase % tiling_.phases_x + tx * kWinogradOut * step_x;
        const int64_t y = phase / tiling_.phases_x + ty * kWinogradOut * step_y;
        const int64_t columns =
            std::clamp<int64_t>(x < x_.out ? ceil_div(x_.out - x, step_x) : 0, 0, kWinogradOut);
        for (int64_t i = 0; i < kWinogradOut && y + i * step_y < y_.out; ++i) {
          body((y + i * step_y) * x_.out + x, i * kRow + tile % kWinogradPanel * kWinogradOut,
               columns);
        }
      }
    };
    for (int64_t q = 0; q < tiling_.panels; ++q) {
      if (job_.residual != nullptr) {
        for_tiles(q, [&](int64_t at, int64_t in, int64_t columns) {
          for (int64_t j = 0; j < columns; ++j) {
            residual[static_cast<size_t>(in + j)] = job_.residual[plane + at + j * step_x];
          }
        });
      }
      output.m = m + q * kWinogradPanel;
      simd::winograd_output(output);
      for_tiles(q, [&](int64_t at, int64_t in, int64_t columns) {
        const float* const from = made_tiles.data() + in;
        float* const to = job_.y + plane + at;
        if (step_x == 1 && columns == kWinogradOut) {
          std::memcpy(to, from, kWinogradOut * sizeof(float));
        } else {
          for (int64_t j = 0; j < columns; ++j) to[j * step_x] = from[j];
        }
      });
    }
  }

  Result<void> by_channels() {
    // V of many channels is held for some of the tiles at a time. Every piece transforms the
    // weights anew, for the time of some four tiles.
    constexpr int64_t kMostHeld = int64_t{20} << 20;
    const int64_t held_panels =
        std::max<int64_t>(1, kMostHeld / (kWinogradPoints * kWinogradPanel * 4) / channels_);
    const int64_t wanted = tiling_.by_rows ? ceil_div(tiling_.panels, held_panels) : 1;
    const int64_t panels = ceil_div(tiling_.panels, wanted);
    const int64_t pieces = ceil_div(tiling_.panels, panels);
    // Blocks of output channels: enough to share out, but each reads all of V.
    int64_t rows = 4 * kPanelRows;
    while (rows > kPanelRows && ceil_div(made_, rows) < 8) rows /= 2;
    const int64_t blocks = ceil_div(made_, rows);
    const int64_t u_point = rows / kPanelRows * weight_panel_floats() + 48;

    SLUICE_ASSIGN(float* const v_at, floats(size(Transformed::floats(channels_, panels))));
    const int64_t work = round_up(tiling_.by_rows ? strip_floats(panels) : gather_floats(), 16);
    const int64_t u_floats = round_up(kWinogradPoints * u_point, 16);
    const int64_t m_floats = round_up(kWinogradPoints * m_point_floats(rows, panels), 16);
    const int64_t slot = std::max(work, u_floats + m_floats);
    SLUICE_ASSIGN(float* const memory, floats(size(slot) * size(slots_)));
    simd::ScratchSlots scratch(memory, slots_, slot);

    for (int64_t piece = 0; piece < g_.batch * g_.groups * pieces; ++piece) {
      const int64_t image = piece / pieces;
      const int64_t first = piece % pieces * panels;
      const int64_t last = std::min(first + panels, tiling_.panels);
      const int64_t count = last - first;
      const Transformed v(v_at, channels_, count);
      context_.parallel_for(channels_, std::max<int64_t>(1, 64 / count),
                            [&](int64_t begin, int64_t end) {
                              const simd::ScratchSlots::Slot held(scratch);
                              for (int64_t c = begin; c < end; ++c) {
                                if (tiling_.by_rows) {
                                  transform_input_rows(image, c, first, last, held.data(), v);
                                } else {
                                  transform_input_gathered(image, c, held.data(), v);
                                }
                              }
                            });
      context_.parallel_for(blocks, 1, [&](int64_t begin, int64_t end) {
        const simd::ScratchSlots::Slot held(scratch);
        float* const u = held.data();
        float* const m = u + u_floats;
        for (int64_t i = begin; i < end; ++i) {
          const int64_t row = i * rows, some = std::min(rows, made_ - row);
          transform_weights(image % g_.groups, row / kPanelRows, ceil_div(row + some, kPanelRows),
                            u, u_point);
          const int64_t m_point = m_point_floats(some, count);
          multiply(u, u_point, some, v, count, m, m_point);
          for (int64_t r = 0; r < some; ++r) {
            const float* const at = m + r * count * kWinogradPanel;
            if (tiling_.by_rows) {
              make_outputs_rows(image, row + r, at, m_point, first, last);
            } else {
              make_outputs_gathered(image, row + r, at, m_point);
            }
          }
        }
      });
    }
    return {};
  }

  KernelContext& context_;
  const ConvGeometry& g_;
  const Job& job_;
  const WindowAxis y_, x_;
  const int64_t channels_, made_;
  const Tiling tiling_;
  const int slots_;
  const std::vector<uint32_t>& offsets_;
};

Result<void> run_winograd(KernelContext& context, bool fused) {
  SLUICE_ASSIGN(const FloatOperands operands, float_operands(context, fused));
  const ConvGeometry& g = *operands.geometry;
  if (g.axes.size() != 2 || g.kernel_elems() != kTaps || !context.prepared().defined()) {
    return unsupported(cat("A convolution of ", operands.x->shape().text(), " by ",
                           operands.w->shape().text(),
                           " was planned for tiles, which it does not have"));
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, operands.shape));
  if (y->elements() == 0) return {};
  Job job;
  job.x = operands.x->data<float>();
  job.y = y->mutable_data<float>();
  job.bias = operands.bias;
  job.residual = operands.residual;
  job.activation = operands.activation;
  const Tensor& packed = context.prepared();
  if (packed.dtype() == DType::kFloat16) {
    job.half_taps = packed.data<uint16_t>();
  } else {
    job.taps = packed.data<float>();
  }
  const int64_t channels = g.in_channels_per_group();
  const auto make = [&]() -> Result<std::vector<uint32_t>> {
    std::vector<uint32_t> made(static_cast<size_t>(channels));
    for (size_t c = 0; c < made.size(); ++c) made[c] = static_cast<uint32_t>(c * kWinogradPanel);
    return made;
  };
  SLUICE_ASSIGN(const auto* offsets, context.kept<std::vector<uint32_t>>(make));
  return Convolution(context, g, job, *offsets).run();
}

}  // namespace

Result<void> conv_winograd(KernelContext& context) { return run_winograd(context, false); }
Result<void> fused_conv_winograd(KernelContext& context) { return run_winograd(context, true); }

Result<Tensor> prepare_winograd(const AttrMap& attrs, std::span<const Value> inputs) {
  if (inputs.size() < 2 || !inputs[1].is_tensor()) return Tensor();
  const Tensor& w = inputs[1].tensor();
  const int64_t groups = attrs.int_or("group", 1);
  const bool is_half = w.dtype() == DType::kFloat16;
  if ((w.dtype() != DType::kFloat32 && !is_half) || w.rank() != 4 || w.elements() == 0 ||
      w.dim(2) != 3 || w.dim(3) != 3 || groups < 1 || w.dim(0) % groups != 0) {
    return Tensor();
  }
  const int64_t made = w.dim(0) / groups, channels = w.dim(1);
  const Checked floats = Checked::from_signed(groups) *
                         Checked::from_signed(ceil_div(made, kPanelRows)) *
                         Checked::from_signed(packed_panel_floats(channels));
  if (!floats.fits(uint64_t{1} << 40)) return Tensor();
  SLUICE_ASSIGN(Tensor packed,
                Tensor::allocate(w.dtype(), Shape{static_cast<int64_t>(floats.value())}));
  if (is_half) {
    pack_taps(w.data<uint16_t>(), groups, made, channels, packed.mutable_data<uint16_t>());
  } else {
    pack_taps(w.data<float>(), groups, made, channels, packed.mutable_data<float>());
  }
  return packed;
}

std::string refuse_winograd(const NodeView& node) {
  if (std::string why = op::refuse_unless_float32(node); !why.empty()) return why;
  const Tensor* w = node.constant(1);
  if (w == nullptr) return "the weight is not a constant";
  if (w->rank() != 4 || w->dim(2) != 3 || w->dim(3) != 3) {
    return cat("the weight is ", w->shape().text(), " (takes 3x3 kernels)");
  }
  const auto window = op::read_window_attrs(node.attrs(), 2, w->shape().dims().subspan(2));
  if (!window) return "its attributes don't fit the weight";
  if (window->strides != std::vector<int64_t>{1, 1}) return "its stride is not 1";
  const int64_t groups = node.attrs().int_or("group", 1);
  if (groups < 1 || w->elements() == 0 || w->dim(0) % groups != 0) return "it has no outputs";
  const int64_t channels = w->dim(1), made = w->dim(0) / groups;

  const Type& out = node.output_type(0);
  if (!out.has_rank() || out.dims->size() != 4 || !(*out.dims)[2].is_known() ||
      !(*out.dims)[3].is_known()) {
    return "the extents of the image are not known";
  }
  const int64_t out_h = (*out.dims)[2].value(), out_w = (*out.dims)[3].value();
  // Copies of phases are made in a loop over them.
  constexpr int64_t kMostDilation = 64, kMostElems = int64_t{1} << 40;
  if (window->dilations[0] > kMostDilation || window->dilations[1] > kMostDilation) {
    return cat("its dilation is above ", kMostDilation);
  }
  if (out_h < 1 || out_w < 1 || out_h > kMostElems / out_w)
    return "its image is empty or too large";
  const Tiling tiling(out_h, out_w, window->dilations[0], window->dilations[1]);
  if (std::string reason = refuse_cost(channels, made, tiling, out_h * out_w); !reason.empty()) {
    return reason;
  }
  // Where tiles are gathered, all of the transformed input is held: more than twice the input.
  constexpr int64_t kMostGathered = int64_t{1} << 24;
  if (!tiling.by_rows && channels > kMostGathered / (tiling.panels * kWinogradPanel)) {
    return "its tiles would take too much memory, transformed";
  }
  return {};
}

}  // namespace sluice::ops::conv
