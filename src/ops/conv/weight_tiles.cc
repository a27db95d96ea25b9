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

}  // namespace sluice::ops::conv
