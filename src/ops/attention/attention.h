// Scaled dot-product attention and what belongs to it.
//
//   Attention         Y = softmax(softcap(scale Q K') + bias) V for every head. Q, K, V are
//                     [B, heads, length, size] or [B, length, heads * size]; several query heads
//                     may share a key/value head. bias is the mask (bool: -inf where false; shorter
//                     masks are padded with -inf) + causality + window + padding of the keys. A row
//                     with no key left gives zeros. past_key, past_value stand before K, V.
//   FlexAttention     the same with subgraphs that change scores and probabilities.
//   LinearAttention   S = exp(g) S + k (beta (v - S'k))', o = scale S'q, by update_rule.
//   RotaryEmbedding   rotates pairs of elements of each head by the angles of its position.
//   com.microsoft     Attention (with the input projection), QAttention (quantized projection),
//                     MultiHeadAttention, GroupQueryAttention, RotaryEmbedding, LinearAttention.
//
// Numerics: the reference computes in double and rounds the results once; `softmax_precision`,
// where it is given, rounds the scores and the probabilities to that type.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "base/result.h"
#include "op/op.h"
#include "plan/kernel.h"
#include "tensor/shape.h"

namespace sluice::ops::attention {

// A tensor as [batch, heads, length, size] in that order of memory.
struct Heads {
  int64_t batch = 0, heads = 0, length = 0, size = 0;
  std::vector<double> values;

  double* row(int64_t b, int64_t h, int64_t i) {
    return values.data() + ((b * heads + h) * length + i) * size;
  }
  const double* row(int64_t b, int64_t h, int64_t i) const {
    return values.data() + ((b * heads + h) * length + i) * size;
  }
  Shape shape() const { return Shape{batch, heads, length, size}; }
};

// What the reference attention is asked for. `q`, `k` and `v` agree in batch, key length and, up to
// grouping, heads (checked by `check_problem`).
struct Problem {
  Heads q, k, v;
  double scale = 1;    // of q * k'
  double softcap = 0;  // 0: none
  // Added to the score of query i and key j; -inf where the key is not to be seen.
  FunctionRef<double(int64_t b, int64_t h, int64_t i, int64_t j)> bias;
  DType softmax_dtype = DType::kFloat64;      // float16 and bfloat16 round
  const std::vector<double>* sink = nullptr;  // per head: one more score that no value belongs to
  // Sees a stage of the scores, [B, heads, queries, keys], when not null.
  enum class Stage : uint8_t { kRaw, kCapped, kBiased, kProbabilities } stage = Stage::kRaw;
  std::vector<double>* captured = nullptr;
};
Result<void> check_problem(const Problem& problem);
// [B, heads, queries, size of v].
Heads attend(const Problem& problem);

Result<void> attention_reference(plan::KernelContext& context);
Result<void> flex_attention_reference(plan::KernelContext& context);
Result<void> linear_attention_reference(plan::KernelContext& context);
Result<void> rotary_embedding_reference(plan::KernelContext& context);
Result<void> ms_attention_reference(plan::KernelContext& context);
Result<void> ms_qattention_reference(plan::KernelContext& context);
Result<void> ms_multi_head_attention_reference(plan::KernelContext& context);
Result<void> ms_group_query_attention_reference(plan::KernelContext& context);
Result<void> ms_rotary_embedding_reference(plan::KernelContext& context);

// --- shared by the reference kernels

// Reads a 4-D tensor as it stands, or a 3-D one [B, length, heads * size] with its heads moved to
// the front.
Result<Heads> read_heads(const Tensor& tensor, int64_t heads);
// `past` followed by `now` along the length; both otherwise of the same extents.
Result<Heads> joined(const Heads& past, const Heads& now);
// Writes to output i as [B, heads, length, size], or as [B, length, heads * size] when `packed`.
Result<void> write_heads(plan::KernelContext& context, int i, DType dtype, const Heads& heads,
                         bool packed);
// Writes the scores [B, heads, queries, keys] to output i, if they are captured.
Result<void> write_scores(plan::KernelContext& context, int i, DType dtype, const Problem& problem);

// Rotates the first `rotary` elements of every row of `heads`. `position(b, i)` is the row of the
// tables, which hold rotary / 2 cosines (sines) each.
struct Rotation {
  int64_t rotary = 0;
  bool interleaved = false;
  const std::vector<double>& cosines;
  const std::vector<double>& sines;
};
void rotate(Heads& heads, const Rotation& rotation,
            FunctionRef<int64_t(int64_t b, int64_t i)> position);

// A tensor that broadcasts to [B, heads, queries, keys], read at an index of that.
struct BroadcastScores {
  std::vector<double> values;
  Shape strides;
  double at(int64_t b, int64_t h, int64_t i, int64_t j) const {
    return values[static_cast<size_t>(b * strides[0] + h * strides[1] + i * strides[2] +
                                      j * strides[3])];
  }
};
Result<BroadcastScores> broadcast_scores(const Tensor& tensor, const Shape& to);

}  // namespace sluice::ops::attention
