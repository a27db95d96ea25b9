// float32 Attention. A task is a block of queries of one head: its scores are one product with the
// keys, made into shares in place, and a second product with the values gives the result. Few
// queries (decoding) read keys and values where they lie.
#include "ops/attention/attention_cpu.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "base/checked.h"
#include "base/text.h"
#include "op/operand.h"
#include "op/refuse.h"
#include "op/scratch.h"
#include "ops/attention/attention.h"
#include "simd/elementwise.h"
#include "simd/gemm_f32.h"
#include "simd/scratch_slots.h"

namespace sluice::ops::attention {

using op::NodeView;
using plan::KernelContext;
using simd::Binary;

namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
constexpr int64_t kQueryBlock = 64;

// A tensor as [batch, heads, length, size] by strides: 4-D as it stands, or 3-D with its heads side
// by side in a row.
struct HeadView {
  const float* data = nullptr;
  int64_t batch = 0, heads = 0, length = 0, size = 0;
  int64_t batch_stride = 0, head_stride = 0, row_stride = 0;
  const float* row(int64_t b, int64_t h, int64_t i) const {
    return data + b * batch_stride + h * head_stride + i * row_stride;
  }
};

std::optional<HeadView> view_of(const Tensor& tensor, int64_t heads) {
  HeadView out;
  out.data = tensor.data<float>();
  out.batch = tensor.rank() > 0 ? tensor.dim(0) : 0;
  if (tensor.rank() == 4) {
    out.heads = tensor.dim(1), out.length = tensor.dim(2), out.size = tensor.dim(3);
    out.row_stride = out.size;
    out.head_stride = out.length * out.size;
  } else if (tensor.rank() == 3 && heads > 0 && tensor.dim(2) % heads == 0) {
    out.heads = heads, out.length = tensor.dim(1), out.size = tensor.dim(2) / heads;
    out.row_stride = tensor.dim(2);
    out.head_stride = out.size;
  } else {
    return std::nullopt;
  }
  out.batch_stride = out.heads * out.length * out.size;
  return out;
}

// past followed by now, as [B, heads, length, size] in `to`.
void join(const HeadView& past, const HeadView& now, float* to) {
  for (int64_t b = 0; b < now.batch; ++b) {
    for (int64_t h = 0; h < now.heads; ++h) {
      for (const HeadView* part : {&past, &now}) {
        for (int64_t i = 0; i < part->length; ++i, to += now.size) {
          std::memcpy(to, part->row(b, h, i), static_cast<size_t>(now.size) * sizeof(float));
        }
      }
    }
  }
}

struct Scores {
  float scale = 1, softcap = 0;
  bool causal = false;
  int64_t left = -1, right = -1, past = 0;
  const Tensor* mask = nullptr;
  Shape mask_strides;  // over [B, heads, queries, keys]
  int64_t mask_keys = 0;
};

// One row of raw products becomes shares of the keys; zeros when no key is left.
void finish_row(const Scores& s, int64_t b, int64_t h, int64_t i, float* row, int64_t keys) {
  const simd::Activation scaled{simd::Function::kAffine, s.scale, 0.0f};
  simd::apply(scaled, row, row, keys);
  if (s.softcap != 0) {
    simd::apply({simd::Function::kAffine, 1 / s.softcap, 0.0f}, row, row, keys);
    simd::apply({simd::Function::kTanh}, row, row, keys);
    simd::apply({simd::Function::kAffine, s.softcap, 0.0f}, row, row, keys);
  }
  // The keys that this query may see.
  const int64_t position = i + s.past;
  int64_t first = 0, last = std::min(keys, s.mask_keys);
  if (s.causal) last = std::min(last, position + 1);
  if (s.right >= 0 && s.right < keys) last = std::min(last, position + s.right + 1);
  if (s.left >= 0 && s.left < keys + position) first = std::max<int64_t>(first, position - s.left);
  first = std::clamp<int64_t>(first, 0, keys);
  last = std::clamp(last, first, keys);
  if (s.mask != nullptr) {
    const int64_t at = b * s.mask_strides[0] + h * s.mask_strides[1] + i * s.mask_strides[2];
    const int64_t step = s.mask_strides[3];
    if (s.mask->dtype() == DType::kBool) {
      const auto* seen = s.mask->data<uint8_t>() + at;
      for (int64_t j = first; j < last; ++j) {
        if (seen[j * step] == 0) row[j] = kMinusInfinity;
      }
    } else if (last > first) {
      simd::binary(Binary::kAdd, row + first, 1, s.mask->data<float>() + at + first * step, step,
                   row + first, last - first);
    }
  }
  std::fill(row, row + first, 0.0f);
  std::fill(row + last, row + keys, 0.0f);
  if (simd::maximum(row + first, last - first) == kMinusInfinity) {
    std::fill(row + first, row + last, 0.0f);
  } else {
    simd::softmax(row + first, row + first, last - first);
  }
}

bool wanted(const KernelContext& context, int i) {
  return i < context.output_count() && context.wants(i);
}

Result<void> attention_f32(KernelContext& context) {
  SLUICE_TRY(op::require_numbers(context, {0, 1, 2}));
  const AttrMap& attrs = context.attrs();
  bool plain = !context.has(6) && !wanted(context, 3) && context.has(4) == context.has(5);
  for (int i = 0; i < context.input_count() && plain; ++i) {
    if (!context.has(i)) continue;
    const DType dtype = context.in(i).dtype();
    plain = dtype == DType::kFloat32 || (i == 3 && dtype == DType::kBool);
  }
  const int64_t precision = attrs.int_or("softmax_precision", 0);
  if (precision != 0 && precision != static_cast<int64_t>(DType::kFloat32)) plain = false;
  if (!plain) return attention_reference(context);

  auto q = view_of(context.in(0), attrs.int_or("q_num_heads", 0));
  auto k = view_of(context.in(1), attrs.int_or("kv_num_heads", 0));
  auto v = view_of(context.in(2), attrs.int_or("kv_num_heads", 0));
  if (!q || !k || !v || k->batch != q->batch || v->batch != q->batch || k->length != v->length ||
      k->heads != v->heads || k->size != q->size || k->heads == 0 || q->heads % k->heads != 0 ||
      q->size == 0) {
    return attention_reference(context);  // which says what does not fit
  }
  Scores s;
  Tensor joined_k, joined_v;
  if (context.has(4)) {
    const auto past_k = view_of(context.in(4), k->heads), past_v = view_of(context.in(5), v->heads);
    if (!past_k || !past_v || past_k->batch != k->batch || past_v->batch != v->batch ||
        past_k->heads != k->heads || past_v->heads != v->heads || past_k->size != k->size ||
        past_v->size != v->size || past_k->length != past_v->length) {
      return attention_reference(context);
    }
    s.past = past_k->length;
    struct Joint {
      const HeadView& past;
      HeadView& now;
      Tensor& memory;
      int output;
    };
    for (Joint joint : {Joint{*past_k, *k, joined_k, 1}, Joint{*past_v, *v, joined_v, 2}}) {
      const Shape shape{joint.now.batch, joint.now.heads, s.past + joint.now.length,
                        joint.now.size};
      if (wanted(context, joint.output)) {
        SLUICE_ASSIGN(Tensor * out, context.out(joint.output, DType::kFloat32, shape));
        joint.memory = *out;
      } else {
        SLUICE_ASSIGN(joint.memory, Tensor::allocate(DType::kFloat32, shape));
      }
      join(joint.past, joint.now, joint.memory.mutable_data<float>());
      joint.now = *view_of(joint.memory, joint.now.heads);
    }
  } else {
    for (const int output : {1, 2}) {
      if (!wanted(context, output)) continue;
      const HeadView& now = output == 1 ? *k : *v;
      SLUICE_ASSIGN(Tensor * out, context.out(output, DType::kFloat32,
                                              Shape{now.batch, now.heads, now.length, now.size}));
      HeadView nothing = now;
      nothing.length = 0;
      join(nothing, now, out->mutable_data<float>());
    }
  }
  const int64_t queries = q->length, keys = k->length, size = v->size;
  s.mask_keys = keys;
  if (context.has(3)) {
    const Tensor& given = context.in(3);
    Shape to{q->batch, q->heads, queries, keys};
    if (given.rank() >= 1 && given.dim(-1) < keys && given.dim(-1) != 1) {
      s.mask_keys = to[3] = given.dim(-1);
    }
    const auto both = broadcast(given.shape(), to);
    if (!both || !(*both == to)) return attention_reference(context);
    s.mask = &given;
    s.mask_strides = broadcast_strides(given.shape(), to);
  }
  s.scale = attrs.has("scale") ? attrs.float_or("scale", 1.0f)
                               : static_cast<float>(1 / std::sqrt(static_cast<double>(q->size)));
  s.softcap = attrs.float_or("softcap", 0.0f);
  s.causal = attrs.int_or("is_causal", 0) != 0;
  s.left = attrs.int_or("left_window_size", -1);
  s.right = attrs.int_or("right_window_size", -1);

  const bool packed = context.in(0).rank() == 3;
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32,
                                        packed ? Shape{q->batch, queries, q->heads * size}
                                               : Shape{q->batch, q->heads, queries, size}));
  if (y->elements() == 0) return {};
  if (keys == 0) {
    std::ranges::fill(y->mutable_span<float>(), 0.0f);
    return {};
  }

  simd::Gemm scores;
  scores.m = std::min(kQueryBlock, queries);
  scores.n = keys;
  scores.k = q->size;
  scores.a_row = q->row_stride;
  scores.b_row = 1;
  scores.b_col = k->row_stride;
  scores.c_row = keys;
  simd::Gemm values;
  values.m = scores.m;
  values.n = size;
  values.k = keys;
  values.a_row = keys;
  values.b_row = v->row_stride;
  values.c_row = packed ? q->heads * size : size;
  const Checked rough =
      (Checked::from_signed(keys) + 64) * (static_cast<uint64_t>(q->size + size) + 256) * 4;
  if (!rough.fits(uint64_t{1} << 40)) return resource_error("Attention over too many keys");
  const int64_t score_floats = simd::round_up(scores.m * keys, 16);
  // A last block of fewer queries may need less for one product and more for the other.
  int64_t work_floats = 0;
  for (const int64_t m : {scores.m, queries % kQueryBlock}) {
    simd::Gemm first = scores, second = values;
    first.m = second.m = m;
    work_floats = std::max(
        {work_floats, simd::gemm_workspace_floats(first), simd::gemm_workspace_floats(second)});
  }
  const int64_t slot_floats = simd::round_up(score_floats + work_floats, 16);
  const int slots = std::clamp(context.threads(), 1, 64);
  SLUICE_ASSIGN(
      float* const memory,
      op::scratch<float>(context, Checked::from_signed(slot_floats) * static_cast<uint64_t>(slots),
                         "Attention"));
  simd::ScratchSlots scratch(memory, slots, slot_floats);
  const auto inline_loop = [](int64_t count, int64_t, simd::Range body) {
    if (count > 0) body(0, count);
  };

  float* const out = y->mutable_data<float>();
  const int64_t blocks = (queries + kQueryBlock - 1) / kQueryBlock;
  const int64_t group = q->heads / k->heads;
  const int64_t work = scores.m * keys * (q->size + size);
  const int64_t grain = std::max<int64_t>(1, (1 << 18) / std::max<int64_t>(1, work));
  context.parallel_for(q->batch * q->heads * blocks, grain, [&](int64_t begin, int64_t end) {
    const simd::ScratchSlots::Slot slot(scratch);
    float* const shares = slot.data();
    const std::span<float> workspace(slot.data() + score_floats,
                                     static_cast<size_t>(slot_floats - score_floats));
    for (int64_t task = begin; task < end; ++task) {
      const int64_t b = task / (q->heads * blocks), h = task / blocks % q->heads;
      const int64_t i0 = task % blocks * kQueryBlock, rows = std::min(kQueryBlock, queries - i0);
      if (rows < 4) {
        for (int64_t i = 0; i < rows; ++i) {
          for (int64_t j = 0; j < keys; ++j) {
            shares[i * keys + j] =
                simd::dot(q->row(b, h, i0 + i), k->row(b, h / group, j), q->size);
          }
        }
      } else {
        simd::Gemm product = scores;
        product.m = rows;
        product.a = q->row(b, h, i0);
        product.b = k->row(b, h / group, 0);
        product.c = shares;
        simd::gemm(product, workspace, inline_loop);
      }
      for (int64_t i = 0; i < rows; ++i) {
        finish_row(s, b, h, i0 + i, shares + i * keys, keys);
      }
      simd::Gemm product = values;
      product.m = rows;
      product.a = shares;
      product.b = v->row(b, h / group, 0);
      product.c = out + (packed ? (b * queries + i0) * q->heads * size + h * size
                                : ((b * q->heads + h) * queries + i0) * size);
      simd::gemm(product, workspace, inline_loop);
    }
  });
  return {};
}

std::string refuse(const NodeView& node) {
  for (int i = 0; i < node.input_count(); ++i) {
    if (i == 3 && node.input_type(i).is_tensor() && node.input_type(i).dtype == DType::kBool) {
      continue;  // a mask
    }
    if (std::string why = op::refuse_unless_float32(node, i); !why.empty()) return why;
  }
  if (node.has_output(3)) return "the scores are wanted too";
  return {};
}

}  // namespace

const op::CpuCandidate kAttentionCpu[1] = {
    {.kernel = {.name = "attention.f32.blocked", .run = attention_f32}, .refuse = refuse}};

}  // namespace sluice::ops::attention
