// How the direct convolution kernels cut their work: the geometry as a plane, the input of a block
// of outputs as a compact tile with its padding, blocks that fit the caches. The same for float32
// and for words of four 8-bit channels.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "op/window.h"
#include "ops/conv/conv.h"
#include "simd/gemm_f32.h"

namespace sluice::ops::conv {

// Input channels (or words of them) per chunk: those whose part under one register tile (48
// columns, all taps) fills 30 KiB at most, so that it stays in a first-level cache of 32 to 48 KiB.
struct Chunks {
  int64_t channels = 0, count = 0;
  Chunks(int64_t channels_per_group, int64_t kernel_h, int64_t kernel_w, int64_t dilation_w);
  int64_t start(int64_t i) const { return simd::chunk_start(channels, count, i); }
  int64_t largest() const { return (channels + count - 1) / count; }
};

struct Plane {
  op::WindowAxis y, x;
};
// One axis becomes a plane of one row; a 1x1 kernel sees any number of axes as one. Nothing where
// more axes or longer kernels than the tiles serve are left.
std::optional<Plane> as_plane(const ConvGeometry& g);

// How one axis of the input lies in a tile that serves `count` window positions. Taps that share a
// remainder modulo the stride read one run of input positions; `runs` lists the runs, `offset[k]`
// is where tap k of position 0 lies, and position o lies o further.
struct AxisTile {
  struct Run {
    int64_t at;    // in the tile
    int64_t from;  // input position (relative to position 0, tap 0), then in steps of the stride
    int64_t count;
  };
  std::vector<Run> runs;
  std::vector<int64_t> offset;
  int64_t length = 0;

  AxisTile(const op::WindowAxis& axis, int64_t count);
};

struct Blocks {
  int64_t lines = 1, width = 1, rows = 1;  // of one block: output rows, columns, channels
  int64_t line_blocks = 1, column_blocks = 1, row_blocks = 1;
  int64_t per_group() const { return line_blocks * column_blocks * row_blocks; }
};
Blocks choose_blocks(const Plane& plane, int64_t out_per_group, int64_t chunk_channels,
                     int64_t chunk_depth, int64_t images);

// A block of outputs: output channels [row0, row0 + rows) of an image (batch and group), on `lines`
// output rows from y0 on and `width` columns from x0 on. `out_at` is the first of them in the
// output.
struct Block {
  int64_t image = 0, group = 0;
  int64_t row0 = 0, y0 = 0, x0 = 0;
  int64_t rows = 0, lines = 0, width = 0;
  int64_t out_at = 0;
};

// Copies the input block of one channel that starts at input position (y0, x0) into the tile.
template <class T>
void copy_tile(const T* channel, const Plane& plane, const AxisTile& rows, const AxisTile& columns,
               int64_t y0, int64_t x0, T padding, T* tile) {
  const int64_t in_w = plane.x.in, stride = plane.x.stride;
  for (const AxisTile::Run& row_run : rows.runs) {
    for (int64_t r = 0; r < row_run.count; ++r) {
      const int64_t y = y0 + row_run.from + r * plane.y.stride;
      T* out = tile + (row_run.at + r) * columns.length;
      if (y < 0 || y >= plane.y.in) {
        std::fill(out, out + columns.length, padding);
        continue;
      }
      const T* in = channel + y * in_w;
      for (const AxisTile::Run& run : columns.runs) {
        const int64_t from = x0 + run.from;
        T* to = out + run.at;
        // Steps [first, last) lie inside the input.
        const int64_t first =
            std::clamp<int64_t>(from >= 0 ? 0 : (-from + stride - 1) / stride, 0, run.count);
        const int64_t last = std::clamp<int64_t>(
            from >= in_w ? 0 : (in_w - from + stride - 1) / stride, first, run.count);
        for (int64_t i = 0; i < first; ++i) to[i] = padding;
        if (stride == 1 && last > first) {  // an empty copy from far outside traps in WebAssembly
          std::memcpy(to + first, in + from + first, static_cast<size_t>(last - first) * sizeof(T));
        } else {
          for (int64_t i = first; i < last; ++i) to[i] = in[from + i * stride];
        }
        for (int64_t i = last; i < run.count; ++i) to[i] = padding;
      }
    }
  }
}

// A direct convolution, cut: its blocks, and the tile that holds a block's input. Channels are
// those of a group, or words of them; elements have four bytes.
struct TiledConv {
  Plane plane;
  int64_t taps, channels, groups, made, images;  // channels and outputs of a group
  int64_t in_plane, out_plane;
  Chunks chunks;
  Blocks blocks;
  AxisTile rows, columns;
  int64_t pitch;  // of the tile's rows
  // Narrow images: rows of the tile are read as one long row, seams included, and made into rows of
  // flat_pitch, when that wastes fewer lanes than a partial vector at the end of each row.
  bool flat = false;
  int64_t flat_pitch = 0;
  int64_t channel_elems = 0, tile_elems = 0;  // of the tile

  TiledConv(const ConvGeometry& g, const Plane& on, int64_t channels_per_group);

  int64_t tasks() const { return images * blocks.per_group(); }
  // Tasks that are worth a thread.
  int64_t grain() const;
  Block block(int64_t task) const;
  // Where each tap of each channel of the largest chunk lies in the tile.
  int64_t offset_count() const { return chunks.largest() * taps; }
  void write_offsets(uint32_t* out) const;
  int64_t flat_elems() const { return flat ? blocks.rows * flat_pitch : 0; }
  int64_t flat_width(const Block& block) const { return (block.lines - 1) * pitch + block.width; }

  // Copies the block's part of channels [c0, c1) into the tile. x: the whole input.
  template <class T>
  void fill_tile(const T* x, const Block& block, int64_t c0, int64_t c1, T padding, T* tile) const {
    for (int64_t c = c0; c < c1; ++c) {
      copy_tile(x + (block.image * channels + c) * in_plane, plane, rows, columns,
                block.y0 * plane.y.stride - plane.y.pad_begin,
                block.x0 * plane.x.stride - plane.x.pad_begin, padding,
                tile + (c - c0) * channel_elems);
    }
  }
  // Copies the block between the output's layout and the flat one; `y` is the whole output.
  template <class T>
  void to_flat(const T* y, const Block& block, T* flat_c) const {
    for_lines(block, [&](int64_t at, int64_t flat_at) {
      std::memcpy(flat_c + flat_at, y + at, static_cast<size_t>(block.width) * sizeof(T));
    });
  }
  template <class T>
  void from_flat(const T* flat_c, const Block& block, T* y) const {
    for_lines(block, [&](int64_t at, int64_t flat_at) {
      std::memcpy(y + at, flat_c + flat_at, static_cast<size_t>(block.width) * sizeof(T));
    });
  }

 private:
  template <class Body>
  void for_lines(const Block& block, const Body& body) const {
    for (int64_t m = 0; m < block.rows; ++m) {
      for (int64_t line = 0; line < block.lines; ++line) {
        body(block.out_at + m * out_plane + line * plane.x.out, m * flat_pitch + line * pitch);
      }
    }
  }
};

}  // namespace sluice::ops::conv
