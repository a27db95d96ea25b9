#include "ops/conv/conv_tiles.h"

#include <numeric>

namespace sluice::ops::conv {

using op::WindowAxis;
using simd::round_up;

namespace {

constexpr int64_t kChunkBytes = 30 * 1024;

int64_t chunk_channels_limit(int64_t kernel_h, int64_t kernel_w, int64_t dilation_w) {
  const int64_t columns = simd::kTileCols + (kernel_w - 1) * std::min(dilation_w, simd::kTileCols);
  return std::max<int64_t>(1, kChunkBytes / (4 * kernel_h * columns));
}

bool is_pointwise(const ConvGeometry& g) {
  return std::ranges::all_of(g.axes, [](const WindowAxis& axis) {
    return axis.kernel == 1 && axis.stride == 1 && axis.pad_begin == 0 && axis.pad_end == 0;
  });
}

constexpr int64_t kTileBytes = 256 * 1024;    // input tile: a quarter of a 1 MiB second-level cache
constexpr int64_t kWeightBytes = 512 * 1024;  // weights of one chunk: half of it
constexpr int64_t kEnoughTasks = 16;
// A row is cut into blocks no narrower than this. A register tile of WebAssembly is 8 columns, and
// its small models have few blocks: the last one alone should not keep a thread waiting.
#ifdef __wasm__
constexpr int64_t kNarrowest = 32;
constexpr int64_t kWidthStep = 16;
#else
constexpr int64_t kNarrowest = 2 * simd::kTileCols;
constexpr int64_t kWidthStep = simd::kTileCols;
#endif
constexpr int64_t kVector = simd::kPanelCols;  // floats per vector, at most

// Taps this far apart share a remainder modulo the stride.
int64_t period(const WindowAxis& axis) {
  return axis.stride / std::gcd(axis.stride, axis.dilation);
}

// AxisTile::length, without making one: such taps lie evenly, so they are one run or all apart.
int64_t axis_length(const WindowAxis& axis, int64_t count) {
  const int64_t step = period(axis), apart = step * axis.dilation / axis.stride;
  int64_t length = 0;
  for (int64_t first = 0; first < std::min(step, axis.kernel); ++first) {
    const int64_t taps = (axis.kernel - first + step - 1) / step;
    length += apart <= count ? (taps - 1) * apart + count : taps * count;
  }
  return length;
}

int64_t tile_floats_per_channel(const Plane& plane, int64_t lines, int64_t width) {
  return axis_length(plane.y, lines) * axis_length(plane.x, width);
}

}  // namespace

Chunks::Chunks(int64_t channels_per_group, int64_t kernel_h, int64_t kernel_w, int64_t dilation_w)
    : channels(channels_per_group),
      count(simd::chunk_count(channels_per_group,
                              chunk_channels_limit(kernel_h, kernel_w, dilation_w))) {}

std::optional<Plane> as_plane(const ConvGeometry& g) {
  const WindowAxis one{.in = 1, .out = 1};
  if (is_pointwise(g)) {
    const int64_t elems = g.in_elems();
    return Plane{one, {.in = elems, .out = elems}};
  }
  // The tile's layout is worked out tap by tap; no model has kernels this long.
  constexpr int64_t kLongestKernel = 1024;
  if (std::ranges::any_of(g.axes,
                          [](const WindowAxis& axis) { return axis.kernel > kLongestKernel; })) {
    return std::nullopt;
  }
  if (g.axes.size() == 1) return Plane{one, g.axes[0]};
  if (g.axes.size() == 2) return Plane{g.axes[0], g.axes[1]};
  return std::nullopt;
}

AxisTile::AxisTile(const WindowAxis& axis, int64_t count) {
  offset.resize(static_cast<size_t>(axis.kernel));
  std::vector<bool> done(static_cast<size_t>(axis.kernel), false);
  const int64_t step = period(axis);
  for (int64_t first = 0; first < axis.kernel; ++first) {
    if (done[static_cast<size_t>(first)]) continue;
    // Taps grow, so a run is extended tap by tap as long as that is shorter than starting anew.
    const int64_t q0 = first * axis.dilation / axis.stride;
    int64_t last_q = q0;
    for (int64_t k = first; k < axis.kernel; k += step) {
      if (done[static_cast<size_t>(k)]) continue;
      const int64_t q = k * axis.dilation / axis.stride;
      if (q - last_q > count) break;
      last_q = q;
      done[static_cast<size_t>(k)] = true;
      offset[static_cast<size_t>(k)] = length + q - q0;
    }
    runs.push_back({length, first * axis.dilation, last_q - q0 + count});
    length += last_q - q0 + count;
  }
}

Blocks choose_blocks(const Plane& plane, int64_t out_per_group, int64_t chunk_channels,
                     int64_t chunk_depth, int64_t images) {
  const int64_t out_h = plane.y.out, out_w = plane.x.out;
  Blocks b;
  const auto fits = [&](int64_t lines, int64_t width) {
    return chunk_channels * tile_floats_per_channel(plane, lines, width) * 4 <= kTileBytes;
  };
  // Columns: all of them up to 12 vectors; of wide images blocks of about 8, which keep the rows
  // that neighbouring blocks both copy few; of a single row as many as the tile holds.
  int64_t widest = 12 * kVector;
  if (out_h == 1) {
    widest = 20 * simd::kTileCols;
    while (widest > simd::kTileCols && !fits(1, widest)) widest -= simd::kTileCols;
  } else if (out_w > widest) {
    widest = 9 * kVector;
  }
  while (widest > simd::kTileCols && !fits(1, std::min(widest, out_w))) {
    widest -= simd::kTileCols;
  }
  b.column_blocks = (out_w + widest - 1) / widest;
  b.width = std::min(out_w, round_up((out_w + b.column_blocks - 1) / b.column_blocks, kVector));

  // Rows: three at a time fill whole register tiles of three vectors whatever the width.
  b.lines = out_h;
  while (b.lines > 1 && !fits(b.lines, b.width)) {
    b.lines = b.lines > 3 ? std::max<int64_t>(3, round_up(b.lines * 3 / 4, 3) - 3) : b.lines - 1;
  }
  b.rows = round_up(out_per_group, simd::kPanelRows);
  const int64_t rows_limit =
      std::max(simd::kPanelRows, kWeightBytes / (4 * chunk_depth) / 8 * simd::kPanelRows);
  while (b.rows > rows_limit) b.rows = round_up((b.rows + 1) / 2, simd::kPanelRows);

  const auto count = [&] {
    b.line_blocks = (out_h + b.lines - 1) / b.lines;
    b.column_blocks = (out_w + b.width - 1) / b.width;
    b.row_blocks = (out_per_group + b.rows - 1) / b.rows;
    return images * b.per_group();
  };
  while (count() < kEnoughTasks && b.lines > 6) b.lines = round_up(b.lines / 2, 3);
  while (count() < kEnoughTasks && out_h == 1 && b.width > kNarrowest) {
    b.width = round_up(b.width / 2, kWidthStep);
  }
  while (count() < kEnoughTasks && b.rows > 32) b.rows = round_up(b.rows / 2, simd::kPanelRows);
  if (b.lines > 1 && count() > 0) {
    // The same number of blocks, of nearly equal height.
    const int64_t even = (out_h + b.line_blocks - 1) / b.line_blocks;
    b.lines = std::min(b.lines, b.width % simd::kTileCols == 0 ? even : round_up(even, 3));
  }
  count();
  return b;
}

TiledConv::TiledConv(const ConvGeometry& g, const Plane& on, int64_t channels_per_group)
    : plane(on),
      taps(on.y.kernel * on.x.kernel),
      channels(channels_per_group),
      groups(g.groups),
      made(g.out_channels_per_group()),
      images(g.batch * g.groups),
      in_plane(on.y.in * on.x.in),
      out_plane(on.y.out * on.x.out),
      chunks(channels, on.y.kernel, on.x.kernel, on.x.dilation),
      blocks(choose_blocks(plane, made, chunks.largest(), chunks.largest() * taps, images)),
      rows(plane.y, blocks.lines),
      columns(plane.x, blocks.width),
      pitch(columns.length) {
  const int64_t widest = (blocks.lines - 1) * pitch + blocks.width;
  flat = blocks.lines > 1 && columns.runs.size() == 1 &&
         round_up(widest, kVector) * 10 < blocks.lines * round_up(blocks.width, kVector) * 9;
  flat_pitch = round_up(widest, kVector);
  // Channels of a power-of-two size would share a few cache sets: shift them apart.
  channel_elems = rows.length * pitch;
  if (channel_elems * 4 % 4096 < 256) channel_elems += 80;
  // Whole vectors are read past the last column.
  tile_elems = round_up(chunks.largest() * channel_elems + kVector, 16);
}

int64_t TiledConv::grain() const {
  // Some 20 microseconds of multiply-adds per range at least.
  const int64_t work = blocks.lines * blocks.width * blocks.rows * channels * taps;
  return std::max<int64_t>(1, (1 << 20) / std::max<int64_t>(1, work));
}

Block TiledConv::block(int64_t task) const {
  Block b;
  b.image = task / blocks.per_group();
  b.group = b.image % groups;
  b.row0 = task % blocks.row_blocks * blocks.rows;
  b.x0 = task / blocks.row_blocks % blocks.column_blocks * blocks.width;
  b.y0 = task / (blocks.row_blocks * blocks.column_blocks) % blocks.line_blocks * blocks.lines;
  b.rows = std::min(blocks.rows, made - b.row0);
  b.lines = std::min(blocks.lines, plane.y.out - b.y0);
  b.width = std::min(blocks.width, plane.x.out - b.x0);
  b.out_at = (b.image * made + b.row0) * out_plane + b.y0 * plane.x.out + b.x0;
  return b;
}

void TiledConv::write_offsets(uint32_t* out) const {
  for (int64_t c = 0; c < chunks.largest(); ++c) {
    for (const int64_t row : rows.offset) {
      for (const int64_t column : columns.offset) {
        *out++ = static_cast<uint32_t>(c * channel_elems + row * pitch + column);
      }
    }
  }
}

}  // namespace sluice::ops::conv
