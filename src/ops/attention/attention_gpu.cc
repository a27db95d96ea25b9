// How attention runs on the GPU: scores by a batched product, probabilities in place
// (attn_softmax), values by a second product. Heads are read through strides, so packed and split
// forms need no copies; keys and values are gathered only where a past precedes them or a bias is
// added.
#include <array>
#include <cmath>
#include <optional>

#include "base/text.h"
#include "op/lower.h"
#include "ops/attention/attention.h"
#include "shader/attn_flash.h"
#include "shader/attn_gather.h"
#include "shader/attn_linear.h"
#include "shader/attn_rotate.h"
#include "shader/attn_softmax.h"
#include "shader/attn_state.h"
#include "shader/matmul_requant.h"
#include "shader/norm_rows.h"
#include "shader/product.h"

namespace sluice::ops::attention {

namespace {

using op::LowerContext;
using plan::DeviceFormat;
using plan::kNoSlot;
using plan::SlotId;
using plan::wgsl_type;

bool is_float_format(DeviceFormat format) {
  return format == DeviceFormat::kF32 || format == DeviceFormat::kF16;
}
bool is_value(const Dim& dim, int64_t value) { return dim.is_known() && dim.value() == value; }

Result<void> require_floats(const LowerContext& context, std::initializer_list<int> inputs) {
  for (const int i : inputs) {
    if (context.has_input(i) && !is_float_format(context.in_format(i))) {
      return context.refuse(cat("input ", i, " is not a float that the GPU computes with"));
    }
  }
  return {};
}

// Heads in a buffer: element (b, h, i, e) at offset + b * per_batch + h * per_head + i * per_row +
// e.
struct View {
  SlotId slot = kNoSlot;
  DeviceFormat format = DeviceFormat::kF32;
  Dim batch, heads, length, size;
  Dim per_batch, per_head, per_row, offset = 0;
  Dim elements() const { return batch * heads * length * size; }
};

// [batch, heads, length, size] in that order of memory.
View split(SlotId slot, DeviceFormat format, const Dim& batch, const Dim& heads, const Dim& length,
           const Dim& size) {
  return {slot, format, batch, heads, length, size, heads * length * size, length * size, size};
}

// An input of four axes as it stands, or of three as [batch, length, heads * size].
Result<View> view_of(LowerContext& context, int input, const Dim& heads) {
  const Dims& dims = context.in_dims(input);
  const SlotId slot = context.in(input);
  const DeviceFormat format = context.in_format(input);
  if (dims.size() == 4) return split(slot, format, dims[0], dims[1], dims[2], dims[3]);
  if (dims.size() != 3 || !heads.is_known() || heads.value() < 1) {
    return context.refuse(cat("input ", input, " does not split into heads"));
  }
  const Dim size = Dim::floor_div(dims[2], heads);
  return View{slot, format, dims[0], heads, dims[1], size, dims[1] * dims[2], size, dims[2]};
}

// Part `which` of a packed [batch, length, heads, parts, size] input.
View part_of(LowerContext& context, int input, int64_t which) {
  const Dims& d = context.in_dims(input);
  const Dim row = d[2] * d[3] * d[4];
  return {context.in(input),
          context.in_format(input),
          d[0],
          d[2],
          d[1],
          d[4],
          d[1] * row,
          d[3] * d[4],
          row,
          d[4] * which};
}

// --- pieces

struct Gather {
  std::optional<View> past;
  View fresh;
  int bias = -1;  // input
  Dim bias_offset = 0;
  Dim length;        // of the result
  int seqlens = -1;  // input: entries have pasts of their own
  bool prompt = false;
  SlotId y = kNoSlot;  // none: a temporary
  DeviceFormat y_format = DeviceFormat::kF32;
  Dim y_offset = 0;
};
// The old rows before the new ones, [batch, heads, length, size].
View gather(LowerContext& context, const Gather& what) {
  const View& fresh = what.fresh;
  View out = split(what.y, what.y_format, fresh.batch, fresh.heads, what.length, fresh.size);
  const Dim total = out.elements();
  if (out.slot == kNoSlot) out.slot = context.temp(what.y_format, total);
  out.offset = what.y_offset;
  const View none;
  const View& past = what.past ? *what.past : none;
  context.dispatch(
      shader::attn_gather::Call{.knobs = {.TP = what.past ? wgsl_type(past.format) : "f32",
                                          .TF = wgsl_type(fresh.format),
                                          .TY = wgsl_type(what.y_format),
                                          .HAS_BIAS = what.bias >= 0,
                                          .PER_ENTRY = what.seqlens >= 0},
                                .params = {.total = total,
                                           .heads = fresh.heads,
                                           .length = what.length,
                                           .size = fresh.size,
                                           .past = what.past ? past.length : Dim(0),
                                           .fresh_rows = fresh.length,
                                           .prompt = what.prompt ? 1 : 0,
                                           .p_b = what.past ? past.per_batch : Dim(0),
                                           .p_h = what.past ? past.per_head : Dim(0),
                                           .p_offset = past.offset,
                                           .f_b = fresh.per_batch,
                                           .f_h = fresh.per_head,
                                           .f_l = fresh.per_row,
                                           .f_offset = fresh.offset,
                                           .bias_offset = what.bias_offset,
                                           .y_offset = what.y_offset},
                                .past = what.past ? past.slot : kNoSlot,
                                .fresh = fresh.slot,
                                .bias = what.bias >= 0 ? context.in(what.bias) : kNoSlot,
                                .seqlens = what.seqlens >= 0 ? context.in(what.seqlens) : kNoSlot,
                                .y = out.slot,
                                .workgroups = op::workgroups(total, 256)});
  return out;
}

// What is added to the scores and which keys are seen (attn_softmax's knobs and parameters).
struct Bias {
  SlotId added = kNoSlot;
  DeviceFormat added_format = DeviceFormat::kF32;
  bool added_is_bool = false;
  Dim added_keys = Dim::unknown();  // unknown: all
  std::array<Dim, 4> added_strides = {0, 0, 0, 0};
  uint32_t masked = 0;
  SlotId mask = kNoSlot;
  std::array<Dim, 3> mask_strides = {0, 0, 0};
  Dim mask_offset = 0;
  float mask_value = 0;
  uint32_t lengths = 0;
  SlotId lengths_slot = kNoSlot;
  bool prompt = false;
  uint32_t causal = 0;
  Dim past = 0;
  int64_t left = -1, right = -1;
};

struct Problem {
  View q, k, v;
  float scale = 1, softcap = 0;
  Bias bias;
  SlotId sink = kNoSlot;
  DeviceFormat sink_format = DeviceFormat::kF32;
  bool unit_sink = false;  // a sink of 0 for every head
  uint32_t capture = 4;    // stage of the scores that goes to `captured`
  SlotId captured = kNoSlot;
  DeviceFormat captured_format = DeviceFormat::kF32;
  SlotId y = kNoSlot;
  DeviceFormat y_format = DeviceFormat::kF32;
  bool packed = true;  // y is [batch, length, heads * size]
};

// Scores larger than this are not stored: the fused kernel reads keys and values more often, but
// the scores would go to memory and back three times.
constexpr int64_t kMostScoreBytes = 16 << 20;

// Whether attn_flash knows all that is asked for.
bool fits_flash(const Problem& what) {
  const Bias& bias = what.bias;
  constexpr int64_t kMostSize = 128;  // registers hold two vectors of this size per query
  return bias.masked == 0 && bias.lengths == 0 && bias.left < 0 && bias.right < 0 &&
         what.sink == kNoSlot && !what.unit_sink && what.captured == kNoSlot &&
         bias.added_keys.is_unknown() && what.q.size.is_known() && what.v.size.is_known() &&
         what.q.size.value() <= kMostSize && what.v.size.value() <= kMostSize;
}

void flash(LowerContext& context, const Problem& what, int64_t group) {
  const View& q = what.q;
  const View& k = what.k;
  const View& v = what.v;
  const Bias& bias = what.bias;
  const int64_t size = std::max(q.size.value(), v.size.value());
  const Dim tiles = op::workgroups(q.length, 64);
  const Dim width = q.heads * v.size;
  context.dispatch(
      shader::attn_flash::Call{.knobs = {.TQ = wgsl_type(q.format),
                                         .TK = wgsl_type(k.format),
                                         .TV = wgsl_type(v.format),
                                         .TA = wgsl_type(bias.added_format),
                                         .TY = wgsl_type(what.y_format),
                                         .QUADS = size <= 32   ? 8U
                                                  : size <= 64 ? 16U
                                                               : 32U,
                                         .ADDED = bias.added == kNoSlot ? 0U
                                                  : bias.added_is_bool  ? 2U
                                                                        : 1U,
                                         .CAUSAL = bias.causal,
                                         .SOFTCAP = what.softcap > 0},
                               .params = {.workgroups = tiles * q.heads * q.batch,
                                          .tiles = tiles,
                                          .heads = q.heads,
                                          .group = group,
                                          .queries = q.length,
                                          .keys = k.length,
                                          .size = q.size,
                                          .v_size = v.size,
                                          .past = bias.past,
                                          .q_b = q.per_batch,
                                          .q_h = q.per_head,
                                          .q_l = q.per_row,
                                          .q_offset = q.offset,
                                          .k_b = k.per_batch,
                                          .k_h = k.per_head,
                                          .k_l = k.per_row,
                                          .k_offset = k.offset,
                                          .v_b = v.per_batch,
                                          .v_h = v.per_head,
                                          .v_l = v.per_row,
                                          .v_offset = v.offset,
                                          .y_b = q.length * width,
                                          .y_h = what.packed ? v.size : q.length * v.size,
                                          .y_l = what.packed ? width : v.size,
                                          .a_b = bias.added_strides[0],
                                          .a_h = bias.added_strides[1],
                                          .a_i = bias.added_strides[2],
                                          .a_j = bias.added_strides[3],
                                          .hidden_bits = 0xff800000,
                                          .scale = what.scale,
                                          .softcap = what.softcap},
                               .q = q.slot,
                               .k = k.slot,
                               .v = v.slot,
                               .added = bias.added,
                               .y = what.y,
                               .workgroups = tiles * q.heads * q.batch});
}

Result<void> attend(LowerContext& context, const Problem& what) {
  const View& q = what.q;
  const View& k = what.k;
  const View& v = what.v;
  if (!q.heads.is_known() || !k.heads.is_known()) {
    SLUICE_TRY(context.static_in(0));
    SLUICE_TRY(context.static_in(1));
  }
  if (k.heads.value() < 1 || q.heads.value() % k.heads.value() != 0) {
    return context.refuse(
        cat(q.heads.value(), " query heads cannot share ", k.heads.value(), " key heads"));
  }
  const Dim group = q.heads.value() / k.heads.value();
  const Dim keys = k.length, queries = q.length;
  const Dim rows = q.batch * q.heads * queries;
  const auto score_count = (rows * keys).get();
  if (score_count && *score_count > kMostScoreBytes / 4) {
    if (fits_flash(what)) {
      flash(context, what, group.value());
      return {};
    }
    const auto limit = static_cast<int64_t>(context.limits().max_storage_binding_bytes);
    if (*score_count > limit / 4) {
      return context.refuse(cat("the scores take ", *score_count, " words (", limit / 4,
                                " can be bound), and the fused kernel does not do all options"));
    }
  }
  const SlotId scores = context.temp(DeviceFormat::kF32, rows * keys);
  const Dims batch{q.batch, k.heads, group};
  const Dims none{0, 0, 0};
  const Dims score_steps{q.heads * queries * keys, group * queries * keys, queries * keys};
  context.add(shader::product({.m = queries,
                               .n = keys,
                               .k = q.size,
                               .b_t = true,
                               .a_ld = q.per_row,
                               .b_ld = k.per_row,
                               .y_ld = keys,
                               .batch = batch,
                               .a_step = {q.per_batch, group * q.per_head, q.per_head},
                               .b_step = {k.per_batch, k.per_head, 0},
                               .c_step = none,
                               .y_step = score_steps,
                               .a_offset = q.offset,
                               .b_offset = k.offset,
                               .a = q.slot,
                               .b = k.slot,
                               .y = scores,
                               .a_format = q.format,
                               .b_format = k.format,
                               .alpha = what.scale}));
  const Bias& bias = what.bias;
  const bool wide_lengths = bias.lengths == 1;
  context.dispatch(shader::attn_softmax::Call{
      .knobs = {.TA = wgsl_type(bias.added_format),
                .TS = wgsl_type(what.sink_format),
                .TC = wgsl_type(what.captured_format),
                .TL = wide_lengths ? "vec2<u32>" : "u32",
                .WG = keys.is_known() && keys.value() <= 512 ? 64U : 256U,
                .SOFTCAP = what.softcap > 0,
                .ADDED = bias.added == kNoSlot ? 0U
                         : bias.added_is_bool  ? 2U
                                               : 1U,
                .MASKED = bias.masked,
                .LENGTHS = bias.lengths,
                .CAUSAL = bias.causal,
                .LEFT = bias.left >= 0,
                .RIGHT = bias.right >= 0,
                .HAS_SINK = what.sink != kNoSlot || what.unit_sink,
                .UNIT_SINK = what.unit_sink,
                .CAPTURE = what.captured == kNoSlot ? 4U : what.capture},
      .params = {.rows = rows,
                 .batch = q.batch,
                 .heads = q.heads,
                 .queries = queries,
                 .keys = keys,
                 .past = bias.past,
                 .added_keys = bias.added_keys.is_unknown() ? keys : bias.added_keys,
                 .a_b = bias.added_strides[0],
                 .a_h = bias.added_strides[1],
                 .a_i = bias.added_strides[2],
                 .a_j = bias.added_strides[3],
                 .m_b = bias.mask_strides[0],
                 .m_i = bias.mask_strides[1],
                 .m_j = bias.mask_strides[2],
                 .m_offset = bias.mask_offset,
                 .prompt = bias.prompt ? 1 : 0,
                 .left = std::min<int64_t>(bias.left, 1 << 30),
                 .right = std::min<int64_t>(bias.right, 1 << 30),
                 .hidden_bits = 0xff800000,
                 .softcap = what.softcap,
                 .mask_value = bias.mask_value},
      .scores = scores,
      .added = bias.added,
      .masked = bias.mask,
      .lengths = bias.lengths_slot,
      .sink = what.sink,
      .captured = what.captured == kNoSlot ? context.temp(DeviceFormat::kF32, 4) : what.captured,
      .workgroups = rows});
  const Dim width = q.heads * v.size;
  context.add(shader::product(
      {.m = queries,
       .n = v.size,
       .k = keys,
       .a_ld = keys,
       .b_ld = v.per_row,
       .y_ld = what.packed ? width : v.size,
       .batch = batch,
       .a_step = score_steps,
       .b_step = {v.per_batch, v.per_head, 0},
       .c_step = none,
       .y_step = what.packed ? Dims{queries * width, group * v.size, v.size}
                             : Dims{queries * width, group * queries * v.size, queries * v.size},
       .b_offset = v.offset,
       .a = scores,
       .b = v.slot,
       .y = what.y,
       .b_format = v.format,
       .y_format = what.y_format}));
  return {};
}

// Strides of a tensor that broadcasts to [batch, heads, queries, keys], where an extent of
// `last_extent` keys was given.
Result<void> add_broadcast(LowerContext& context, int input, const Problem& problem,
                           const Dim& columns, Bias& bias) {
  const Dims& dims = context.in_dims(input);
  const DeviceFormat format = context.in_format(input);
  if (plan::element_bytes(format) == 8) return context.refuse("a mask of a 64-bit type");
  if (dims.size() > 4) return context.refuse("a mask of more than four axes");
  const Dims whole{problem.q.batch, problem.q.heads, problem.q.length, columns};
  const Dims own = op::strides(dims);
  bias.added_strides = {0, 0, 0, 0};
  for (size_t i = 0; i < dims.size(); ++i) {
    const size_t to = 4 - dims.size() + i;
    if (is_value(dims[i], 1)) continue;
    if (!(dims[i] == whole[to])) {
      for (int j = 0; j < context.input_count(); ++j) {
        if (context.has_input(j)) SLUICE_TRY(context.static_in(j));
      }
      return context.refuse(
          cat("the mask ", dims_text(dims), " does not broadcast to ", dims_text(whole)));
    }
    bias.added_strides[to] = own[i];
  }
  bias.added = context.in(input);
  bias.added_format = format;
  bias.added_is_bool = context.input_type(input).dtype == DType::kBool;
  return {};
}

Result<float> default_scale(LowerContext& context, const Dim& size) {
  if (!size.is_known()) {
    SLUICE_TRY(context.static_in(0));
    return context.refuse("the heads' size is not known");
  }
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(size.value())));
}

// ms operators: 0 means that none is given.
Result<float> ms_scale(LowerContext& context, const Dim& size) {
  const float given = context.attrs().float_or("scale", 0.0F);
  if (given != 0) return given;
  return default_scale(context, size);
}

// --- ONNX's Attention

Result<void> lower_attention(LowerContext& context) {
  SLUICE_TRY(require_floats(context, {0, 1, 2, 4, 5}));
  const AttrMap& attrs = context.attrs();
  Problem problem;
  SLUICE_ASSIGN(problem.q, view_of(context, 0, attrs.int_or("q_num_heads", 0)));
  SLUICE_ASSIGN(problem.k, view_of(context, 1, attrs.int_or("kv_num_heads", 0)));
  SLUICE_ASSIGN(problem.v, view_of(context, 2, attrs.int_or("kv_num_heads", 0)));
  problem.packed = context.in_dims(0).size() == 3;
  if (context.has_input(4) != context.has_input(5) ||
      (context.has_input(4) && context.has_input(6))) {
    return context.refuse("the inputs of the past don't go together");
  }
  for (const int which : {0, 1}) {
    View& view = which == 0 ? problem.k : problem.v;
    std::optional<View> past;
    if (context.has_input(4)) {
      SLUICE_ASSIGN(past, view_of(context, 4 + which, view.heads));
    }
    const bool wanted = context.has_output(1 + which);
    if (!past && !wanted) continue;
    const View joined =
        gather(context, {.past = past,
                         .fresh = view,
                         .length = past ? past->length + view.length : view.length,
                         .y = wanted ? context.out(1 + which) : kNoSlot,
                         .y_format = wanted ? context.out_format(1 + which) : view.format});
    if (which == 0) problem.bias.past = past ? past->length : Dim(0);
    view = joined;
  }
  Bias& bias = problem.bias;
  if (context.has_input(6)) {
    if (context.in_format(6) != DeviceFormat::kI64) {
      return context.refuse("the numbers of valid keys are not int64");
    }
    bias.lengths = 1;
    bias.lengths_slot = context.in(6);
  }
  if (context.has_input(3)) {
    const Dims& mask = context.in_dims(3);
    Dim columns = problem.k.length;
    if (!mask.empty() && !is_value(mask.back(), 1) && !(mask.back() == columns)) {
      // Shorter than the keys: those beyond are not seen.
      if (!mask.back().is_known() || !columns.is_known()) {
        for (const int i : {1, 3}) SLUICE_TRY(context.static_in(i));
        if (context.has_input(4)) SLUICE_TRY(context.static_in(4));
      }
      if (mask.back().is_known() && columns.is_known() && mask.back().value() < columns.value()) {
        columns = mask.back();
        bias.added_keys = columns;
      }
    }
    SLUICE_TRY(add_broadcast(context, 3, problem, columns, bias));
  }
  bias.causal = attrs.int_or("is_causal", 0) != 0 ? 1 : 0;
  bias.left = attrs.int_or("left_window_size", -1);
  bias.right = attrs.int_or("right_window_size", -1);
  if (attrs.has("scale")) {
    problem.scale = attrs.float_or("scale", 1.0F);
  } else {
    SLUICE_ASSIGN(problem.scale, default_scale(context, problem.q.size));
  }
  problem.softcap = attrs.float_or("softcap", 0.0F);
  if (context.has_output(3)) {
    problem.capture = static_cast<uint32_t>(attrs.int_or("qk_matmul_output_mode", 0));
    if (problem.capture > 3) return context.refuse("qk_matmul_output_mode is not 0 to 3");
    problem.captured = context.out(3);
    problem.captured_format = context.out_format(3);
  }
  problem.y = context.out(0);
  problem.y_format = context.out_format(0);
  return attend(context, problem);
}

// --- com.microsoft

// The mask forms of Attention and MultiHeadAttention.
Result<void> read_key_mask(LowerContext& context, int input, const Problem& problem, Bias& bias) {
  if (!context.has_input(input)) return {};
  if (context.in_format(input) != DeviceFormat::kI32) {
    return context.refuse("the mask is not int32");
  }
  const Dims& dims = context.in_dims(input);
  const Dim& batch = problem.q.batch;
  const Dim& queries = problem.q.length;
  const Dim& keys = problem.k.length;
  bias.mask = context.in(input);
  bias.mask_value = context.attrs().float_or("mask_filter_value", -10000.0F);
  const auto same = [&](std::initializer_list<Dim> expected) {
    return dims == Dims(expected.begin(), expected.end());
  };
  if (same({batch}) || (dims.size() == 1 && same({batch * Dim(3) + Dim(2)}))) {
    bias.masked = 1;
  } else if (same({batch * Dim(2)})) {
    bias.masked = 2;
  } else if (same({batch, keys})) {
    bias.masked = 3;
    bias.mask_strides = {keys, 0, 1};
  } else if (same({batch, queries, keys})) {
    bias.masked = 3;
    bias.mask_strides = {queries * keys, keys, 1};
  } else if (dims.size() == 4 && dims[0] == batch && is_value(dims[1], 1) && dims[2].is_known() &&
             dims[3].is_known() && keys.is_known() && dims[2].value() >= keys.value() &&
             dims[3].value() >= keys.value()) {
    bias.masked = 3;
    bias.mask_strides = {dims[2] * dims[3], dims[3], 1};
    bias.mask_offset = (keys - queries) * dims[3];
  } else {
    for (int j = 0; j < context.input_count(); ++j) {
      if (context.has_input(j)) SLUICE_TRY(context.static_in(j));
    }
    return context.refuse(cat("the mask ", dims_text(dims), " fits none of the forms"));
  }
  return {};
}

// The exact product of 8-bit operands, scaled and biased: [rows, columns] in float32.
Result<SlotId> quantized_projection(LowerContext& context, const Dim& rows, int64_t columns,
                                    const Dim& inner) {
  const auto one = [&](int input) { return is_value(op::elements(context.in_dims(input)), 1); };
  const auto per_column = [&](int input) {
    const Dims& dims = context.in_dims(input);
    return dims.size() == 1 && is_value(dims[0], columns);
  };
  for (const int i : {3, 6}) {
    if (context.has_input(i) && !one(i)) {
      return context.refuse("the input's scale or zero point is not one number");
    }
  }
  for (const int i : {4, 7}) {
    if (context.has_input(i) && !one(i) && !per_column(i)) {
      return context.refuse("the weights' scale or zero point is not one number or a vector");
    }
  }
  if (context.in_format(3) != context.in_format(4) ||
      (context.has_input(2) && context.in_format(2) != context.in_format(3))) {
    return context.refuse("scales and bias are of two element types");
  }
  const SlotId sums = context.temp(DeviceFormat::kI32, rows * columns);
  shader::Product product{.m = rows,
                          .n = columns,
                          .k = inner,
                          .a_ld = inner,
                          .b_ld = columns,
                          .y_ld = columns,
                          .a = context.in(0),
                          .b = context.in(1),
                          .y = sums,
                          .a_format = context.in_format(0),
                          .b_format = context.in_format(1),
                          .y_format = DeviceFormat::kI32};
  if (context.has_input(6)) {
    product.a_zero = context.in(6);
    product.a_zero_format = context.in_format(6);
  }
  if (context.has_input(7)) {
    product.b_zero = context.in(7);
    product.b_zero_format = context.in_format(7);
    product.b_zero_per_column = !one(7);
  }
  context.add(shader::product(product));
  const SlotId projected = context.temp(DeviceFormat::kF32, rows * columns);
  const Dim total = rows * columns;
  context.dispatch(shader::matmul_requant::Call{
      .knobs = {.SA = wgsl_type(context.in_format(3)), .HAS_BIAS = context.has_input(2)},
      .params = {.total = total,
                 .m = rows,
                 .n = columns,
                 .b_step = one(4) ? 0 : 1,
                 .bias_step = 1,
                 .alpha = 1},
      .sums = sums,
      .a_scale = context.in(3),
      .b_scale = context.in(4),
      .bias = context.in(2),
      .y = projected,
      .workgroups = op::workgroups(total, 256)});
  return projected;
}

// Attention (kQuantized: QAttention, whose operands are 8-bit) with its input projection.
template <bool kQuantized>
Result<void> lower_ms_attention(LowerContext& context) {
  constexpr int kMask = kQuantized ? 5 : 3, kPast = kQuantized ? 8 : 4;
  const int added = !kQuantized && context.has_input(5) ? 5 : -1;
  if constexpr (kQuantized) {
    SLUICE_TRY(require_floats(context, {2, 3, 4, 8}));
  } else {
    SLUICE_TRY(require_floats(context, {0, 1, 2, 4, 5}));
  }
  const AttrMap& attrs = context.attrs();
  if ((!kQuantized && context.has_input(6)) || attrs.int_or("past_present_share_buffer", 0) != 0 ||
      attrs.int_or("do_rotary", 0) != 0) {
    return context.refuse("shared past buffers and rotary positions are not supported");
  }
  const int64_t heads = attrs.int_or("num_heads", 0);
  const Dims& x = context.in_dims(0);
  const Dims& w = context.in_dims(1);
  if (x.size() != 3 || w.size() != 2 || heads < 1) {
    return context.refuse("the input does not have three axes, or the weights two");
  }
  if (!w[1].is_known()) SLUICE_TRY(context.static_in(1));
  const int64_t columns = w[1].value();
  std::vector<int64_t> sizes = attrs.ints_or("qkv_hidden_sizes");
  if (sizes.empty()) sizes.assign(3, columns / 3);
  bool fits = sizes.size() == 3;
  for (const int64_t size : sizes) fits = fits && size > 0 && size <= columns && size % heads == 0;
  if (!fits || sizes[0] != sizes[1] || sizes[0] + sizes[1] + sizes[2] != columns) {
    return context.refuse(cat("weights of ", columns, " columns do not split into heads"));
  }
  const DeviceFormat format = kQuantized ? DeviceFormat::kF32 : context.in_format(0);
  const Dim rows = x[0] * x[1];
  SlotId projected = kNoSlot;
  if constexpr (kQuantized) {
    SLUICE_ASSIGN(projected, quantized_projection(context, rows, columns, x[2]));
  } else {
    projected = context.temp(DeviceFormat::kF32, rows * columns);
    context.add(shader::product(
        {.m = rows,
         .n = columns,
         .k = x[2],
         .a_ld = x[2],
         .b_ld = columns,
         .y_ld = columns,
         .a = context.in(0),
         .b = context.in(1),
         .y = projected,
         .c = context.in(2),
         .c_n = 1,
         .a_format = format,
         .b_format = context.in_format(1),
         .c_format = context.has_input(2) ? context.in_format(2) : DeviceFormat::kF32}));
  }
  Problem problem;
  View* const parts[] = {&problem.q, &problem.k, &problem.v};
  int64_t column = 0;
  for (size_t part = 0; part < 3; ++part) {
    const int64_t size = sizes[part] / heads;
    *parts[part] = View{projected, DeviceFormat::kF32, x[0], heads,   x[1],
                        size,      x[1] * columns,     size, columns, column};
    column += sizes[part];
  }
  const bool present = context.has_output(1);
  if (present && sizes[0] != sizes[2]) {
    return context.refuse("keys and values of two sizes in one present state");
  }
  if (context.has_input(kPast) || present) {
    const Dims* past = context.has_input(kPast) ? &context.in_dims(kPast) : nullptr;
    if (past != nullptr && past->size() != 5) return context.refuse("the past has not five axes");
    for (const int64_t which : {0, 1}) {
      View& view = which == 0 ? problem.k : problem.v;
      std::optional<View> old;
      if (past != nullptr) {
        const Dims& d = *past;
        old = split(context.in(kPast), context.in_format(kPast), d[1], d[2], d[3], d[4]);
        old->offset = old->elements() * Dim(which);
      }
      const Dim length = old ? old->length + view.length : view.length;
      problem.bias.past = old ? old->length : Dim(0);
      view = gather(context,
                    {.past = old,
                     .fresh = view,
                     .length = length,
                     .y = present ? context.out(1) : kNoSlot,
                     .y_format = present ? context.out_format(1) : format,
                     .y_offset = present ? view.batch * view.heads * length * view.size * Dim(which)
                                         : Dim(0)});
    }
  }
  SLUICE_TRY(read_key_mask(context, kMask, problem, problem.bias));
  if (added >= 0) {
    SLUICE_TRY(add_broadcast(context, added, problem, problem.k.length, problem.bias));
  }
  problem.bias.causal = attrs.int_or("unidirectional", 0) != 0 ? 2 : 0;
  SLUICE_ASSIGN(problem.scale, ms_scale(context, problem.q.size));
  problem.y = context.out(0);
  problem.y_format = context.out_format(0);
  return attend(context, problem);
}

Result<void> lower_multi_head(LowerContext& context) {
  SLUICE_TRY(require_floats(context, {0, 1, 2, 3, 5, 6, 7}));
  const AttrMap& attrs = context.attrs();
  if (context.has_input(8) || context.has_input(9) ||
      attrs.int_or("past_present_share_buffer", 0) != 0) {
    return context.refuse("shared past buffers and cache indirection are not supported");
  }
  const Dim heads = attrs.int_or("num_heads", 0);
  Problem problem;
  bool kv_by_head = false;
  if (context.in_dims(0).size() == 5) {
    if (context.has_input(1) || context.has_input(2) || !is_value(context.in_dims(0)[3], 3)) {
      return context.refuse("a packed query together with key or value");
    }
    problem.q = part_of(context, 0, 0);
    problem.k = part_of(context, 0, 1);
    problem.v = part_of(context, 0, 2);
  } else {
    if (!context.has_input(1)) return context.refuse("there is no key");
    SLUICE_ASSIGN(problem.q, view_of(context, 0, heads));
    if (context.in_dims(1).size() == 5) {
      if (context.has_input(2) || !is_value(context.in_dims(1)[3], 2)) {
        return context.refuse("a packed key together with a value");
      }
      problem.k = part_of(context, 1, 0);
      problem.v = part_of(context, 1, 1);
    } else {
      if (!context.has_input(2)) return context.refuse("there is no value");
      SLUICE_ASSIGN(problem.k, view_of(context, 1, heads));
      SLUICE_ASSIGN(problem.v, view_of(context, 2, heads));
      kv_by_head = context.in_dims(1).size() == 4;
    }
  }
  const bool has_bias = context.has_input(3);
  if (has_bias) {
    for (const View* view : {&problem.q, &problem.k, &problem.v}) {
      if (view->format != context.in_format(3)) {
        return context.refuse("the bias is of another element type");
      }
    }
    problem.q = gather(context, {.fresh = problem.q,
                                 .bias = 3,
                                 .length = problem.q.length,
                                 .y_format = DeviceFormat::kF32});
  }
  if (context.has_input(6) != context.has_input(7)) {
    return context.refuse("one of past_key and past_value alone");
  }
  Dim bias_offset = problem.q.heads * problem.q.size;
  for (const int which : {0, 1}) {
    View& view = which == 0 ? problem.k : problem.v;
    std::optional<View> past;
    if (context.has_input(6)) {
      SLUICE_ASSIGN(past, view_of(context, 6 + which, heads));
      problem.bias.past = past->length;
    }
    const bool wanted = context.has_output(1 + which);
    const bool biased = has_bias && !kv_by_head;
    const Dim width = view.heads * view.size;
    if (past || wanted || biased) {
      view = gather(context, {.past = past,
                              .fresh = view,
                              .bias = biased ? 3 : -1,
                              .bias_offset = bias_offset,
                              .length = past ? past->length + view.length : view.length,
                              .y = wanted ? context.out(1 + which) : kNoSlot,
                              .y_format = wanted ? context.out_format(1 + which) : view.format});
    }
    bias_offset = bias_offset + width;
  }
  SLUICE_TRY(read_key_mask(context, 4, problem, problem.bias));
  if (context.has_input(5)) {
    // Columns beyond the keys (of a past that is not read) are allowed.
    const Dims& added = context.in_dims(5);
    Dim columns = problem.k.length;
    if (!added.empty() && added.back().is_known() && columns.is_known() &&
        added.back().value() > columns.value()) {
      columns = added.back();
    }
    SLUICE_TRY(add_broadcast(context, 5, problem, columns, problem.bias));
  }
  problem.bias.causal = attrs.int_or("unidirectional", 0) != 0 ? 2 : 0;
  SLUICE_ASSIGN(problem.scale, ms_scale(context, problem.q.size));
  if (context.has_output(3)) {
    problem.capture = 2;
    problem.captured = context.out(3);
    problem.captured_format = context.out_format(3);
  }
  problem.y = context.out(0);
  problem.y_format = context.out_format(0);
  return attend(context, problem);
}

// How positions of rows are found (attn_rotate's POSITION).
struct Rotation {
  uint32_t position = 0;
  SlotId positions = kNoSlot;
  bool wide = true;
  Dim half, rows;
  bool interleaved = false;
  SlotId cosines = kNoSlot, sines = kNoSlot;
  DeviceFormat table_format = DeviceFormat::kF32;
  Dim present = 0;
  bool prompt = false;
};
// `to` has x's extents and its own strides.
void rotate(LowerContext& context, const View& x, const View& to, const Rotation& what) {
  const Dim total = x.elements();
  context.dispatch(shader::attn_rotate::Call{.knobs = {.TX = wgsl_type(x.format),
                                                       .TC = wgsl_type(what.table_format),
                                                       .TY = wgsl_type(to.format),
                                                       .I = what.wide ? "vec2<u32>" : "u32",
                                                       .POSITION = what.position,
                                                       .INTERLEAVED = what.interleaved},
                                             .params = {.total = total,
                                                        .heads = x.heads,
                                                        .length = x.length,
                                                        .size = x.size,
                                                        .half_size = what.half,
                                                        .rows = what.rows,
                                                        .x_b = x.per_batch,
                                                        .x_h = x.per_head,
                                                        .x_l = x.per_row,
                                                        .x_offset = x.offset,
                                                        .y_b = to.per_batch,
                                                        .y_h = to.per_head,
                                                        .y_l = to.per_row,
                                                        .present = what.present,
                                                        .prompt = what.prompt ? 1 : 0},
                                             .x = x.slot,
                                             .cosines = what.cosines,
                                             .sines = what.sines,
                                             .position = what.positions,
                                             .y = to.slot,
                                             .workgroups = op::workgroups(total, 256)});
}

Result<void> lower_group_query(LowerContext& context) {
  SLUICE_TRY(require_floats(context, {0, 1, 2, 3, 4, 7, 8, 10, 11, 14, 15}));
  const AttrMap& attrs = context.attrs();
  if (attrs.int_or("sliding_window_cache", 0) != 0 ||
      attrs.string_or("k_quant_type", "NONE") != "NONE" ||
      attrs.string_or("v_quant_type", "NONE") != "NONE") {
    return context.refuse("window-sized and quantized caches are not supported");
  }
  const int64_t heads = attrs.int_or("num_heads", 0), kv = attrs.int_or("kv_num_heads", 0);
  if (context.in_dims(0).size() != 3 || heads < 1 || kv < 1) {
    return context.refuse("the query does not split into heads");
  }
  Problem problem;
  if (context.has_input(1) && context.has_input(2)) {
    SLUICE_ASSIGN(problem.q, view_of(context, 0, heads));
    SLUICE_ASSIGN(problem.k, view_of(context, 1, kv));
    SLUICE_ASSIGN(problem.v, view_of(context, 2, kv));
  } else {
    SLUICE_ASSIGN(const View all, view_of(context, 0, heads + 2 * kv));
    problem.q = problem.k = problem.v = all;
    problem.q.heads = heads;
    problem.k.heads = problem.v.heads = kv;
    problem.k.offset = Dim(heads) * all.size;
    problem.v.offset = Dim(heads + kv) * all.size;
  }
  if (context.in_format(5) != DeviceFormat::kI32) {
    return context.refuse("the sequence lengths are not int32");
  }
  SLUICE_ASSIGN(const std::vector<int64_t> total, context.need_ints(6));
  if (total.size() != 1) return context.refuse("there is not one total length");
  const Dim queries = problem.q.length;
  Dim past_length = 0;
  if (context.has_input(3) != context.has_input(4)) {
    return context.refuse("one of past_key and past_value alone");
  }
  if (context.has_input(3)) past_length = context.in_dims(3)[2];
  if (!queries.is_known()) SLUICE_TRY(context.static_in(0));
  if (!past_length.is_known()) SLUICE_TRY(context.static_in(3));
  const int64_t longest = total[0];
  if (longest < 0 || longest > past_length.value() + queries.value()) {
    return context.refuse(cat("the total length ", longest, " is beyond past and queries"));
  }
  const int64_t present = std::max(longest, past_length.value());
  const bool prompt = longest == queries.value();

  if (context.has_input(14) != context.has_input(15)) {
    return context.refuse("the norm weight of only one of query and key");
  }
  if (context.has_input(14)) {
    for (const int which : {0, 1}) {
      View& view = which == 0 ? problem.q : problem.k;
      const View flat =
          gather(context, {.fresh = view, .length = view.length, .y_format = DeviceFormat::kF32});
      View normed = flat;
      normed.slot = context.temp(DeviceFormat::kF32, flat.elements());
      shader::norm_rows::Call call;
      call.knobs.CENTRED = false;
      call.knobs.WG = 64;
      call.knobs.TS = wgsl_type(context.in_format(14 + which));
      call.knobs.SCALE = 1;
      call.params.shape.fill(1);
      call.params.scale_step.fill(0);
      call.params.shift_step.fill(0);
      call.params.rows = flat.batch * flat.heads * flat.length;
      call.params.n = flat.size;
      call.params.skip_n = 1;
      call.params.epsilon = attrs.float_or("qk_norm_epsilon", 1e-6F);
      call.x = flat.slot;
      call.scale = context.in(14 + which);
      call.y = normed.slot;
      call.total = context.temp(DeviceFormat::kF32, 4);
      call.workgroups = call.params.rows;
      context.dispatch(call);
      view = normed;
    }
  }
  if (attrs.int_or("do_rotary", 0) != 0) {
    if (!context.has_input(7) || !context.has_input(8) || context.in_dims(7).size() != 2) {
      return context.refuse("the tables of the rotation are missing");
    }
    Rotation rotation{.half = context.in_dims(7)[1],
                      .rows = context.in_dims(7)[0],
                      .interleaved = attrs.int_or("rotary_interleaved", 0) != 0,
                      .cosines = context.in(7),
                      .sines = context.in(8),
                      .table_format = context.in_format(7),
                      .present = present,
                      .prompt = prompt};
    if (context.has_input(9) && !prompt) {
      if (context.in_format(9) != DeviceFormat::kI64) {
        return context.refuse("the positions are not int64");
      }
      rotation.position = 1;
      rotation.positions = context.in(9);
    } else {
      rotation.position = 3;
      rotation.wide = false;
      rotation.positions = context.in(5);
    }
    for (View* view : {&problem.q, &problem.k}) {
      const View turned =
          split(context.temp(DeviceFormat::kF32, view->elements()), DeviceFormat::kF32, view->batch,
                view->heads, view->length, view->size);
      rotate(context, *view, turned, rotation);
      *view = turned;
    }
  }
  for (const int which : {0, 1}) {
    View& view = which == 0 ? problem.k : problem.v;
    std::optional<View> past;
    if (context.has_input(3)) {
      SLUICE_ASSIGN(past, view_of(context, 3 + which, kv));
    }
    const bool wanted = context.has_output(1 + which);
    view =
        gather(context, {.past = past,
                         .fresh = view,
                         .length = present,
                         .seqlens = 5,
                         .prompt = prompt,
                         .y = wanted ? context.out(1 + which) : kNoSlot,
                         .y_format = wanted ? context.out_format(1 + which) : DeviceFormat::kF32});
  }
  Bias& bias = problem.bias;
  bias.lengths = 2;
  bias.lengths_slot = context.in(5);
  bias.prompt = prompt;
  bias.causal = attrs.int_or("causal", 1) != 0 ? 1 : 0;
  const int64_t window = attrs.int_or("local_window_size", -1);
  if (window > 0) bias.left = window - 1;
  if (context.has_input(10)) {
    const Dims& added = context.in_dims(10);
    Dim columns = present;
    if (added.size() == 4 && !is_value(added[3], 1)) {
      if (!added[3].is_known()) SLUICE_TRY(context.static_in(10));
      columns = added[3];
      if (columns.value() < present) bias.added_keys = columns;
    }
    SLUICE_TRY(add_broadcast(context, 10, problem, columns, bias));
  }
  if (context.has_input(11)) {
    problem.sink = context.in(11);
    problem.sink_format = context.in_format(11);
  } else {
    problem.unit_sink = attrs.int_or("smooth_softmax", 0) != 0;
  }
  problem.softcap = attrs.float_or("softcap", 0.0F);
  SLUICE_ASSIGN(problem.scale, ms_scale(context, problem.q.size));
  if (context.has_output(3)) {
    problem.capture = attrs.int_or("qk_output", 0) == 2 ? 3 : 2;
    problem.captured = context.out(3);
    problem.captured_format = context.out_format(3);
  }
  problem.y = context.out(0);
  problem.y_format = context.out_format(0);
  return attend(context, problem);
}

// --- rotary positions

// The rotated tensor lies like its source.
View like(const View& x, SlotId slot, DeviceFormat format) {
  View out = x;
  out.slot = slot;
  out.format = format;
  return out;
}

Result<void> lower_rotary(LowerContext& context) {
  SLUICE_TRY(require_floats(context, {0, 1, 2}));
  const AttrMap& attrs = context.attrs();
  SLUICE_ASSIGN(const View x, view_of(context, 0, attrs.int_or("num_heads", 0)));
  const Dims& table = context.in_dims(1);
  const bool by_position = context.has_input(3);
  if (by_position && context.in_format(3) != DeviceFormat::kI64) {
    return context.refuse("the positions are not int64");
  }
  if (table.size() != (by_position ? 2U : 3U) || context.in_format(1) != context.in_format(2)) {
    return context.refuse("the tables don't have the expected axes or element types");
  }
  const int64_t rotary = attrs.int_or("rotary_embedding_dim", 0);
  const Dim half = rotary != 0 ? Dim(rotary / 2) : Dim::floor_div(x.size, 2);
  if (!(half == table.back())) {
    SLUICE_TRY(context.static_in(0));
    SLUICE_TRY(context.static_in(1));
    return context.refuse(cat("the tables have rows of ", table.back().text(), " angles"));
  }
  rotate(context, x, like(x, context.out(0), context.out_format(0)),
         {.position = by_position ? 1U : 0U,
          .positions = by_position ? context.in(3) : kNoSlot,
          .half = half,
          .rows = by_position ? table[0] : x.batch * x.length,
          .interleaved = attrs.int_or("interleaved", 0) != 0,
          .cosines = context.in(1),
          .sines = context.in(2),
          .table_format = context.in_format(1)});
  return {};
}

Result<void> lower_ms_rotary(LowerContext& context) {
  SLUICE_TRY(require_floats(context, {0, 2, 3}));
  const AttrMap& attrs = context.attrs();
  if (attrs.int_or("is_packed_batching", 0) != 0) return context.refuse("ragged batches");
  const Dims& table = context.in_dims(2);
  if (table.size() != 2 || context.in_format(2) != context.in_format(3) ||
      context.in_format(1) != DeviceFormat::kI64) {
    return context.refuse("the tables or positions don't have the expected axes or element types");
  }
  Dim heads = attrs.int_or("num_heads", 0);
  const Dims& dims = context.in_dims(0);
  if (is_value(heads, 0) && dims.size() == 3) {
    if (!dims[2].is_known() || !table[1].is_known()) {
      SLUICE_TRY(context.static_in(0));
      SLUICE_TRY(context.static_in(2));
    }
    if (table[1].value() < 1) return context.refuse("the tables have no columns");
    heads = dims[2].value() / (2 * table[1].value());
  }
  SLUICE_ASSIGN(const View x, view_of(context, 0, heads));
  const Dims& ids = context.in_dims(1);
  const bool offset = ids.size() <= 1 && is_value(op::elements(ids), 1);
  if (!offset && !(op::elements(ids) == x.batch * x.length)) {
    SLUICE_TRY(context.static_in(0));
    SLUICE_TRY(context.static_in(1));
    return context.refuse("there is not one position per row");
  }
  rotate(context, x, like(x, context.out(0), context.out_format(0)),
         {.position = offset ? 2U : 1U,
          .positions = context.in(1),
          .half = table[1],
          .rows = table[0],
          .interleaved = attrs.int_or("interleaved", 0) != 0,
          .cosines = context.in(2),
          .sines = context.in(3),
          .table_format = context.in_format(2)});
  return {};
}

Result<void> lower_linear(LowerContext& context) {
  SLUICE_TRY(require_floats(context, {0, 1, 2, 3, 4, 5}));
  const AttrMap& attrs = context.attrs();
  const DeviceFormat format = context.in_format(0);
  for (const int i : {1, 2, 4, 5}) {
    if (context.has_input(i) && context.in_format(i) != format) {
      return context.refuse("the inputs are of two element types");
    }
  }
  const int64_t q_heads = attrs.int_or("q_num_heads", 0), kv = attrs.int_or("kv_num_heads", 0);
  const std::string rule = attrs.string_or("update_rule", "gated_delta");
  const bool gated = rule == "gated" || rule == "gated_delta";
  const bool delta = rule == "delta" || rule == "gated_delta";
  const int64_t window = attrs.int_or("state_window", 0);
  if (q_heads < 1 || kv < 1 || window < 0 || window > 8 || gated != context.has_input(4) ||
      delta != context.has_input(5) || context.in_dims(0).size() != 3 ||
      context.in_dims(1).size() != 3 || context.in_dims(2).size() != 3) {
    return context.refuse("attributes and inputs don't go together");
  }
  SLUICE_ASSIGN(const View q, view_of(context, 0, q_heads));
  SLUICE_ASSIGN(const View v, view_of(context, 2, kv));
  const int64_t out_heads = std::max(q_heads, kv);
  if (out_heads % q_heads != 0 || out_heads % kv != 0) {
    return context.refuse("the heads of query and key are not multiples");
  }
  const auto width = [&](int input) {
    return context.has_input(input) ? context.in_dims(input).back() : Dim(0);
  };
  for (const int i : {4, 5}) {
    if (context.has_input(i) && !width(i).is_known()) SLUICE_TRY(context.static_in(i));
  }
  SLUICE_ASSIGN(const float usual, default_scale(context, q.size));
  float scale = attrs.float_or("scale", 0.0F);
  if (scale == 0) scale = usual;
  const Dim columns = q.batch * Dim(kv) * v.size;
  const Dim elements = columns * q.size;
  const SlotId state = context.temp(DeviceFormat::kF32, elements);
  context.dispatch(shader::attn_state::Call{
      .knobs = {.T = context.has_input(3) ? wgsl_type(context.in_format(3)) : "f32",
                .HAS_PAST = context.has_input(3)},
      .params = {.n = elements, .offset = elements * Dim(std::max<int64_t>(window, 1) - 1)},
      .past = context.in(3),
      .y = state,
      .workgroups = op::workgroups(elements, 256)});
  const bool present = context.has_output(1);
  context.dispatch(shader::attn_linear::Call{
      .knobs = {.T = wgsl_type(format),
                .TP = present ? wgsl_type(context.out_format(1)) : "f32",
                .GATED = gated,
                .DELTA = delta},
      .params = {.columns = columns,
                 .steps = q.length,
                 .size = q.size,
                 .v_size = v.size,
                 .q_heads = q_heads,
                 .kv_heads = kv,
                 .out_heads = out_heads,
                 .decay_width = width(4),
                 .beta_width = width(5),
                 .window = window,
                 .scale = scale},
      .q = context.in(0),
      .k = context.in(1),
      .v = context.in(2),
      .decay = context.in(4),
      .beta = context.in(5),
      .state = state,
      .y = context.out(0),
      .slots = present
                   ? context.out(1)
                   : context.temp(DeviceFormat::kF32, elements * Dim(std::max<int64_t>(window, 1))),
      .workgroups = op::workgroups(columns, 64)});
  return {};
}

struct Row {
  std::string_view domain, op;
  op::GpuCandidate candidate;
};
constexpr std::string_view kMicrosoft = "com.microsoft";
constexpr Row kRows[] = {
    {"", "Attention", {"attention.products", &lower_attention}},
    {"", "RotaryEmbedding", {"rotary_embedding.pairs", &lower_rotary}},
    {"", "LinearAttention", {"linear_attention.columns", &lower_linear}},
    {kMicrosoft, "Attention", {"ms_attention.products", &lower_ms_attention<false>}},
    {kMicrosoft, "QAttention", {"qattention.products", &lower_ms_attention<true>}},
    {kMicrosoft, "MultiHeadAttention", {"multi_head_attention.products", &lower_multi_head}},
    {kMicrosoft, "GroupQueryAttention", {"group_query_attention.products", &lower_group_query}},
    {kMicrosoft, "RotaryEmbedding", {"ms_rotary_embedding.pairs", &lower_ms_rotary}},
    {kMicrosoft, "LinearAttention", {"ms_linear_attention.columns", &lower_linear}},
};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  for (const Row& row : kRows) {
    if (row.domain == domain && row.op == name) return {&row.candidate, 1};
  }
  return {};
}

}  // namespace sluice::ops::attention
