// Loops over float32 arrays: functions of one and two operands, sums and extremes, normalisation,
// softmax, resampling. Arrays need no alignment; an output may be an input (same start), never
// overlap it otherwise. The order of every sum depends on the length only.
#pragma once

#include <cstdint>

#include "simd/activation.h"

namespace sluice::simd {

// out[i] = function(in[i]).
void apply(const Activation& activation, const float* in, float* out, int64_t n);

enum class Binary : uint8_t { kAdd, kSub, kMul, kDiv, kMin, kMax };
// out[i] = a[i * a_step] op b[i * b_step]; a step is 1, or 0 for one number. Min and Max with a NaN
// give NaN.
void binary(Binary op, const float* a, int64_t a_step, const float* b, int64_t b_step, float* out,
            int64_t n);

// Sums run in float32 over blocks of a few thousand elements and in double across them.
double sum(const float* x, int64_t n);
// Sum of (x - centre)^2.
double sum_squares(const float* x, int64_t n, float centre = 0);
double sum_abs(const float* x, int64_t n);
// -infinity and infinity when empty; NaN when any element is.
float maximum(const float* x, int64_t n);
float minimum(const float* x, int64_t n);
float dot(const float* a, const float* b, int64_t n);

// out[i] = (in[i] - mean) * factor * scale[i] + shift[i]; scale and shift may be null (1 and 0).
void normalize(const float* in, const float* scale, const float* shift, float mean, float factor,
               float* out, int64_t n);

// A row by itself. All -infinity, or any NaN or infinity, gives NaN.
void softmax(const float* in, float* out, int64_t n);
void log_softmax(const float* in, float* out, int64_t n);

// even[i] = in[2i], odd[i] = in[2i + 1] for i < n.
void split_pairs(const float* in, float* even, float* odd, int64_t n);

// out[i] = sum over t < taps of weight[t * n + i] * in[index[t * n + i]].
void resample(const float* in, const int32_t* index, const float* weight, int64_t taps, float* out,
              int64_t n);
// The same where outputs 2i and 2i + 1 have their two taps at the same places from i on:
// out[2i + p] = weight[2p] * in[i + shift[p]] + weight[2p + 1] * in[i + shift[p] + 1] for p < 2,
// begin <= i < end.
void resample_doubled(const float* in, const int64_t* shift, const float* weight, float* out,
                      int64_t begin, int64_t end);
// out[i] = sum over t < taps of weight[t] * rows[t][i].
void blend_rows(const float* const* rows, const float* weight, int64_t taps, float* out, int64_t n);

// out[2i] = base + even[i], out[2i + 1] = base + odd[i] for i < n.
void add_interleaved(const float* even, const float* odd, float base, float* out, int64_t n);
// out[c * out_stride + i] = in[3 * i + c] for i < n, c < 3: a picture's channels.
void split_triples(const float* in, float* out, int64_t out_stride, int64_t n);

// out[c * out_stride + r] = in[r * in_stride + c] for r < rows, c < cols; in tiles that stay in the
// first-level cache.
void transpose(const float* in, int64_t in_stride, int64_t rows, int64_t cols, float* out,
               int64_t out_stride);

}  // namespace sluice::simd
