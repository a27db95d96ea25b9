// Sums of products of 8-bit integers: the register-tiled kernel of the quantized convolutions, and
// the packing of its operands. All arithmetic is on integers and wraps at 32 bits, so every
// instruction set gives the same bits.
//
// Four consecutive terms of a sum lie in one 32-bit word, the first in the low byte: of B as
// unsigned bytes, of A as signed ones. On x86 with VNNI a word of each is one lane of one
// instruction; elsewhere words are taken apart into pairs of 16-bit numbers. Packed A: panels of
// kPanelRows rows, [depth][kPanelRows] words.
#pragma once

#include <cstdint>

#include "simd/activation.h"
#include "simd/gemm_f32.h"

namespace sluice::simd {

// One call: a block of `rows` x (`lines` x `width`), for one chunk of the depth. Places are those
// of GemmTile, in words.
struct DotTile {
  const uint32_t* a = nullptr;
  int64_t rows = 0;
  int64_t depth = 0;  // in words

  const uint32_t* b = nullptr;  // readable up to width rounded up to 16
  const uint32_t* offsets = nullptr;
  int64_t b_line = 0;
  int64_t b_panel = kPanelCols;

  int32_t* c = nullptr;
  int64_t c_row = 0;
  int64_t c_line = 0;
  int64_t lines = 1;
  int64_t width = 0;

  // First chunk: C = sums; later: C += sums.
  bool first = true;
  // Last chunk: then C += row_add[row] + row_factor[row] * column_sum[line * column_line + x], for
  // zero points.
  bool last = true;
  const int32_t* row_add = nullptr;
  const int32_t* row_factor = nullptr;  // null: none
  const int32_t* column_sum = nullptr;
  int64_t column_line = 0;
  // With scales C then becomes float32, in place: activation(float(C) * row_scale[row] +
  // row_bias[row]), each operation rounded by itself.
  const float* row_scale = nullptr;
  const float* row_bias = nullptr;  // null: none
  Activation activation;
  // Or, with factors, C becomes bytes elsewhere: clamp(round(float(C) * byte_factor[row]) +
  // byte_zero, byte_low, byte_high), ties to even; needs row_add. Of a single chunk C itself is not
  // written.
  uint8_t* bytes = nullptr;
  int64_t bytes_row = 0;
  int64_t bytes_line = 0;
  const float* byte_factor = nullptr;
  int32_t byte_zero = 0, byte_low = 0, byte_high = 255;
};
void dot_tile(const DotTile& tile);

// "VNNI", "relaxed dot" or the like: what multiplies on this machine.
const char* dot_instruction();

// out[i] = the words of four planes of bytes, each xor `flip` (0x80 makes signed bytes unsigned).
// Planes past the first may be null: their bytes are zero. Of several rows those of the planes lie
// row_bytes apart, those of the words follow one another.
struct PackWords {
  const uint8_t* planes[4] = {};
  uint8_t flip = 0;
  int64_t n = 0;  // words of a row
  int64_t rows = 1, row_bytes = 0;
};
void pack_words(const PackWords& job, uint32_t* out);

// even[i] = in[2 i], odd[i] = in[2 i + 1] for i in [0, n).
void split_byte_pairs(const uint8_t* in, int64_t n, uint8_t* even, uint8_t* odd);

// The words of four planes of float32, quantized as simd/quantize.h does it.
void quantize_words(const float* const planes[4], float scale, int32_t zero_point, int64_t n,
                    uint32_t* out);

// sum[i] += the four bytes of words[i].
void add_word_bytes(const uint32_t* words, int64_t n, int32_t* sum);

// sum[i] += in[i].
void add_rows(const int32_t* in, int64_t n, int32_t* sum);

// What a row of sums becomes: float(sum + add[i]) * factor, then either + bias[i], or rounded (ties
// to even) + zero, within bounds, as bytes.
struct RowEnding {
  const float* factor = nullptr;
  int64_t factor_step = 0;       // 1: one for each column; 0: one for all
  const int32_t* add = nullptr;  // null: none
  const float* bias = nullptr;   // null: none
  int32_t zero = 0, low = 0, high = 255;
};
void scale_row(const int32_t* in, const RowEnding& ending, float* out, int64_t n);
void requantize_row(const int32_t* in, const RowEnding& ending, uint8_t* out, int64_t n);

}  // namespace sluice::simd
