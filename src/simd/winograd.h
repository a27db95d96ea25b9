// The transforms of the convolution algorithm F(4x4, 3x3) of Winograd, on panels of 16 tiles:
// Y = A^T [(G g G^T) * (B^T d B)] A makes 4 x 4 outputs of a 6 x 6 input tile with 36 products in
// place of 144. The interpolation points are 0, 3/4, -3/4, 3/2, -3/2 and infinity: all constants
// are exact in binary, and the rounding error is half that of the usual 0, 1, -1, 2, -2 (about
// twice that of summing directly; docs/performance.md). Between the transforms lie 36 matrix
// products (simd/gemm_f32.h), one for each point of a tile.
#pragma once

#include <cstdint>

#include "simd/activation.h"

namespace sluice::simd {

inline constexpr int64_t kWinogradOut = 4;      // outputs of a tile, along an axis
inline constexpr int64_t kWinogradIn = 6;       // inputs of a tile
inline constexpr int64_t kWinogradPoints = 36;  // products of a tile
inline constexpr int64_t kWinogradPanel = 16;   // tiles of a panel

// out[j * pitch + t] = in[4 * t + j] for t in [0, tiles), tiles a multiple of 16.
void winograd_split(const float* in, int64_t tiles, float* out, int64_t pitch);

// V = B^T d B of one channel. Element (i, j) of tile t is at d + rows[i] + columns[j] + t; point p
// of panel q goes to v + p * v_point + q * v_panel, 16 floats.
struct WinogradInput {
  const float* d = nullptr;
  int64_t rows[kWinogradIn] = {}, columns[kWinogradIn] = {};
  int64_t panels = 1;
  float* v = nullptr;
  int64_t v_point = 0, v_panel = 0;
};
void winograd_input(const WinogradInput& job);

// U = G g G^T of pairs of input channels for 8 output channels. Tap k of pair i is at
// g + (i * 9 + k) * 16: 8 output channels of the first channel, then of the second. Point p of pair
// i goes to u + p * u_point + i * 16. Taps in float16 give what the same numbers in float32 give.
void winograd_weights(const float* g, int64_t pairs, float* u, int64_t u_point);
void winograd_weights(const uint16_t* g, int64_t pairs, float* u, int64_t u_point);

// Y = activation(A^T M A + bias + residual) of one panel and one output channel. Point p is at
// m + p * m_point. Rows [0, rows) of the outputs go to y + i * y_row, `columns` (at most 64) each,
// tile by tile; the residual is laid out like y.
struct WinogradOutput {
  const float* m = nullptr;
  int64_t m_point = 0;
  float* y = nullptr;
  int64_t y_row = 0;
  int64_t rows = kWinogradOut, columns = kWinogradOut * kWinogradPanel;
  float bias = 0;
  const float* residual = nullptr;
  Activation activation;
};
void winograd_output(const WinogradOutput& job);

}  // namespace sluice::simd
