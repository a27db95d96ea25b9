#include "ops/conv/weight_tiles.h"

#include "base/text.h"

namespace sluice::ops::conv {

std::optional<int64_t> WeightTiles::elements() const {
  const Shape shape{groups, row_tiles(), chunks(), chunk, tile_rows};
  return shape.checked_elements();
}

namespace {

template <class T>
void pack(const WeightTiles& t, const T* from, std::span<const int32_t> zero_points, T* to) {
  const int64_t chunks = t.chunks(), tap_chunks = t.tap_chunks(), row_tiles = t.row_tiles();
  const int64_t terms = t.taps * t.group_channels;
  for (int64_t g = 0; g < t.groups; ++g) {
    for (int64_t tile = 0; tile < row_tiles; ++tile) {
      T* const block = to + (g * row_tiles + tile) * chunks * t.chunk * t.tile_rows;
      for (int64_t term = 0; term < terms; ++term) {
        const int64_t tap = term / t.group_channels, c = term % t.group_channels;
        const int64_t place =
            t.flat ? term : (tap * tap_chunks + c / t.chunk) * t.chunk + c % t.chunk;
        for (int64_t i = 0; i < t.tile_rows; ++i) {
          const int64_t row = tile * t.tile_rows + i;
          if (row >= t.group_rows) break;
          const int64_t m = g * t.group_rows + row;
          const int64_t at = t.transposed
                                 ? ((g * t.group_channels + c) * t.group_rows + row) * t.taps + tap
                                 : (m * t.group_channels + c) * t.taps + tap;
          T value = from[at];
          if constexpr (std::is_same_v<T, int32_t>) {
            if (!zero_points.empty()) value -= zero_points[static_cast<size_t>(m)];
          }
          block[place * t.tile_rows + i] = value;
        }
      }
    }
  }
}

}  // namespace

Result<Tensor> pack_weights(const WeightTiles& tiles, const Tensor& w,
                            std::span<const int32_t> zero_points, DType dtype) {
  const auto count = tiles.elements();
  if (!count) return resource_error("The tiled weight is too large to address");
  Tensor source = w;
  if (w.dtype() != dtype) {
    SLUICE_ASSIGN(source, converted(w, dtype));
  }
  SLUICE_ASSIGN(Tensor out, Tensor::allocate(dtype, Shape{*count}));
  switch (dtype) {
    case DType::kFloat32:
      pack(tiles, source.data<float>(), {}, out.mutable_data<float>());
      return out;
    case DType::kFloat16:
      pack(tiles, source.data<uint16_t>(), {}, out.mutable_data<uint16_t>());
      return out;
    case DType::kInt32:
      pack(tiles, source.data<int32_t>(), zero_points, out.mutable_data<int32_t>());
      return out;
    default:
      return internal_error(cat("Weights are not tiled as ", dtype_name(dtype)));
  }
}

Result<Tensor> winograd_weights(const Tensor& w) {
  const int64_t rows = w.shape()[0], channels = w.shape()[1];
  SLUICE_ASSIGN(Tensor out, Tensor::allocate(DType::kFloat32, Shape{36, channels, rows}));
  // Row t of G: (1, t, t^2) over the product of (t - y) over all other points y.
  constexpr double kPoints[] = {0, 0.75, -0.75, 1.5, -1.5};
  double g[6][3] = {};
  for (int t = 0; t < 5; ++t) {
    double product = 1;
    for (int y = 0; y < 5; ++y) product *= y == t ? 1 : kPoints[t] - kPoints[y];
    for (int k = 0; k < 3; ++k)
      g[t][k] = (k == 0 ? 1 : k == 1 ? kPoints[t] : kPoints[t] * kPoints[t]) / product;
  }
  g[5][2] = 1;
  float* const to = out.mutable_data<float>();
  for (int64_t m = 0; m < rows; ++m) {
    for (int64_t c = 0; c < channels; ++c) {
      // One by one: a widened copy of float16 would be there beside all that is made.
      double taps[9];
      for (int i = 0; i < 9; ++i) taps[i] = w.get_double((m * channels + c) * 9 + i);
      double half[6][3];
      for (int i = 0; i < 6; ++i) {
        for (int j = 0; j < 3; ++j) {
          half[i][j] = g[i][0] * taps[j] + g[i][1] * taps[3 + j] + g[i][2] * taps[6 + j];
        }
      }
      for (int i = 0; i < 6; ++i) {
        for (int j = 0; j < 6; ++j) {
          const double u = half[i][0] * g[j][0] + half[i][1] * g[j][1] + half[i][2] * g[j][2];
          to[((i * 6 + j) * channels + c) * rows + m] = static_cast<float>(u);
        }
      }
    }
  }
  return out;
}

Result<ByteWeights> pack_bytes(const ByteTiles& t, const Tensor& w,
                               std::span<const int32_t> zero_points, int32_t shift) {
  const Shape shape{t.groups, t.row_tiles(), t.chunks(), ByteTiles::kChunk, t.tile_rows};
  if (!shape.checked_elements()) return resource_error("The tiled weight is too large to address");
  ByteWeights out;
  SLUICE_ASSIGN(out.words, Tensor::allocate(DType::kUInt32, Shape{*shape.checked_elements()}));
  SLUICE_ASSIGN(out.rows, Tensor::allocate(DType::kInt32, Shape{t.groups * t.group_rows, 2}));
  uint32_t* const words = out.words.mutable_data<uint32_t>();
  int32_t* const rows = out.rows.mutable_data<int32_t>();
  const bool is_signed = w.dtype() == DType::kInt8;
  const auto byte_at = [&](int64_t i) -> int32_t {
    return (is_signed ? int32_t{w.data<int8_t>()[i]} : int32_t{w.data<uint8_t>()[i]}) - shift;
  };
  for (int64_t m = 0; m < t.groups * t.group_rows; ++m) {
    const int64_t g = m / t.group_rows, row = m % t.group_rows;
    uint32_t* const tile = words + (g * t.row_tiles() + row / t.tile_rows) * t.chunks() *
                                       ByteTiles::kChunk * t.tile_rows;
    int32_t sum = 0;
    for (int64_t c = 0; c < t.group_channels; ++c) {
      for (int64_t tap = 0; tap < t.taps; ++tap) {
        const int32_t byte = byte_at((m * t.group_channels + c) * t.taps + tap);
        sum += byte;
        // Where the word stands among those of its row.
        const int64_t word =
            t.flat ? tap * t.words() + c / 4 : tap * t.tap_chunks() * ByteTiles::kChunk + c / 4;
        uint32_t& to = tile[(word / 2 * t.tile_rows + row % t.tile_rows) * 2 + word % 2];
        to |= (static_cast<uint32_t>(byte) & 255U) << (8 * (c % 4));
      }
    }
    const int32_t zero = zero_points.empty() ? 0 : zero_points[static_cast<size_t>(m)];
    rows[2 * m] = zero - shift;
    rows[2 * m + 1] = sum;
  }
  return out;
}

}  // namespace sluice::ops::conv
