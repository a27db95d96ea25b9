// How normalization runs on the GPU: trailing axes in one dispatch (norm_rows); everything else as
// moments of groups of elements, then an elementwise step (norm_moments, norm_combine, norm_apply).
#include <array>

#include "base/text.h"
#include "op/lower.h"
#include "ops/norm/norm.h"
#include "shader/norm_apply.h"
#include "shader/norm_combine.h"
#include "shader/norm_dropout.h"
#include "shader/norm_embed.h"
#include "shader/norm_lp.h"
#include "shader/norm_lrn.h"
#include "shader/norm_mask_count.h"
#include "shader/norm_moments.h"
#include "shader/norm_rows.h"
#include "shader/norm_running.h"
#include "shader/norm_skip.h"

namespace sluice::ops::norm {

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

// Every input named that is there must be a float the GPU computes with.
Result<void> require_floats(const LowerContext& context, std::initializer_list<int> inputs) {
  for (const int i : inputs) {
    if (context.has_input(i) && !is_float_format(context.in_format(i))) {
      return context.refuse(cat("input ", i, " is not a float that the GPU computes with"));
    }
  }
  return {};
}

// Where statistics or results that nobody asked for go.
SlotId or_temp(LowerContext& context, int output, const Dim& elements) {
  return context.has_output(output) ? context.out(output)
                                    : context.temp(DeviceFormat::kF32, elements);
}

// --- trailing axes

struct Rows {
  SlotId x = kNoSlot;
  DeviceFormat x_format = DeviceFormat::kF32;
  Dims dims;        // of x
  size_t axis = 0;  // the first axis of a row
  bool centred = true;
  float epsilon = 1e-5F;
  int skip = -1, extra = -1, scale = -1, shift = -1;             // inputs
  int mean_output = -1, inverse_output = -1, total_output = -1;  // wanted outputs or -1
};

Result<void> normalize_rows(LowerContext& context, const Rows& what) {
  const Dim n = product(what.dims, what.axis, what.dims.size());
  const Dim rows = product(what.dims, 0, what.axis);
  shader::norm_rows::Call call;
  call.params.rows = rows;
  call.params.n = n;
  call.params.skip_n = 1;
  call.params.epsilon = what.epsilon;
  call.params.shape.fill(1);
  call.params.scale_step.fill(0);
  call.params.shift_step.fill(0);
  call.knobs.CENTRED = what.centred;
  call.knobs.SUBGROUPS = context.features().subgroups;
  call.knobs.TX = wgsl_type(what.x_format);
  call.knobs.TY = wgsl_type(context.out_format(0));
  call.knobs.WG = n.is_known() && n.value() <= 512 ? 64 : 256;
  // By column when the operand has just a row's extents behind ones; strided otherwise.
  const auto operand = [&](int input, uint32_t& mode, std::array<Dim, 8>& steps) -> Result<void> {
    const Dims& dims = context.in_dims(input);
    if (context.in_format(input) != context.in_format(what.scale)) {
      return context.refuse("scale and bias are of two element types");
    }
    bool suffix = dims.size() >= what.dims.size() - what.axis;
    for (size_t i = 0; suffix && i < dims.size(); ++i) {
      const size_t from_end = dims.size() - i;  // this axis is from_end axes before the end
      suffix = from_end <= what.dims.size() - what.axis
                   ? dims[i] == what.dims[what.dims.size() - from_end]
                   : is_value(dims[i], 1);
    }
    mode = 1;
    if (suffix) return {};
    if (what.dims.size() > 8 || dims.size() > what.dims.size()) {
      return context.refuse("scale or bias broadcasts over more than eight axes");
    }
    for (size_t i = 0; i < dims.size(); ++i) {
      const Dim& whole = what.dims[what.dims.size() - dims.size() + i];
      if (dims[i] == whole || is_value(dims[i], 1)) continue;
      SLUICE_TRY(context.static_in(input));
      SLUICE_TRY(context.static_in(0));
      return context.refuse("scale or bias does not broadcast to the input");
    }
    mode = 2;
    call.params.shape = op::eight(what.dims, 1);
    steps = op::eight(op::broadcast_strides(dims, what.dims), 0);
    return {};
  };
  if (what.scale >= 0) {
    SLUICE_TRY(operand(what.scale, call.knobs.SCALE, call.params.scale_step));
    call.knobs.TS = wgsl_type(context.in_format(what.scale));
    call.scale = context.in(what.scale);
  }
  if (what.shift >= 0) {
    SLUICE_TRY(operand(what.shift, call.knobs.SHIFT, call.params.shift_step));
    call.shift = context.in(what.shift);
  }
  if (what.skip >= 0) {
    // The input's shape behind ones or without its first axes.
    const Dims& dims = context.in_dims(what.skip);
    bool leading = true;
    for (size_t i = 0; i < dims.size(); ++i) {
      const bool same = dims.size() <= what.dims.size() &&
                        dims[i] == what.dims[what.dims.size() - dims.size() + i];
      if (leading && is_value(dims[i], 1)) continue;
      if (!same) {
        SLUICE_TRY(context.static_in(what.skip));
        SLUICE_TRY(context.static_in(0));
        return context.refuse("the skip input repeats along an inner axis");
      }
      leading = false;
    }
    if (context.in_format(what.skip) != what.x_format) {
      return context.refuse("input and skip input are of two element types");
    }
    call.knobs.HAS_SKIP = true;
    call.skip = context.in(what.skip);
    call.params.skip_n = op::elements(dims);
  }
  if (what.extra >= 0) {
    if (context.in_format(what.extra) != what.x_format) {
      return context.refuse("input and bias are of two element types");
    }
    call.knobs.HAS_EXTRA = true;
    call.extra = context.in(what.extra);
  }
  call.x = what.x;
  call.workgroups = rows;
  const SlotId nothing = context.temp(what.x_format, 4);
  call.total = nothing;
  if (what.mean_output >= 0) {
    auto mean = call;
    mean.knobs.STORE = 1;
    mean.knobs.TY = wgsl_type(context.out_format(what.mean_output));
    mean.y = context.out(what.mean_output);
    context.dispatch(mean);
  }
  if (what.inverse_output >= 0) {
    auto inverse = call;
    inverse.knobs.STORE = 2;
    inverse.knobs.TY = wgsl_type(context.out_format(what.inverse_output));
    inverse.y = context.out(what.inverse_output);
    context.dispatch(inverse);
  }
  if (what.total_output >= 0) {
    call.knobs.KEEP_TOTAL = true;
    call.total = context.out(what.total_output);
  }
  call.y = context.out(0);
  context.dispatch(call);
  return {};
}

int wanted(const LowerContext& context, int output) {
  return context.has_output(output) ? output : -1;
}
int given(const LowerContext& context, int input) { return context.has_input(input) ? input : -1; }

template <bool kCentred>
Result<void> lower_layer_norm(LowerContext& context) {
  SLUICE_TRY(require_floats(context, {0, 1, 2}));
  const Dims& dims = context.in_dims(0);
  SLUICE_ASSIGN(const int axis,
                op::gpu_axis(context, context.attrs().int_or("axis", -1), dims.size()));
  return normalize_rows(context, {.x = context.in(0),
                                  .x_format = context.in_format(0),
                                  .dims = dims,
                                  .axis = static_cast<size_t>(axis),
                                  .centred = kCentred,
                                  .epsilon = context.attrs().float_or("epsilon", 1e-5F),
                                  .scale = 1,
                                  .shift = kCentred ? given(context, 2) : -1,
                                  .mean_output = kCentred ? wanted(context, 1) : -1,
                                  .inverse_output = wanted(context, kCentred ? 2 : 1)});
}

// The mean of an RMS normalization is 0.
template <bool kCentred>
Result<void> lower_skip_norm(LowerContext& context) {
  SLUICE_TRY(require_floats(context, {0, 1, 2, 3, 4}));
  const Dims& dims = context.in_dims(0);
  if (dims.size() < 2) return context.refuse("the input has fewer than two axes");
  return normalize_rows(context, {.x = context.in(0),
                                  .x_format = context.in_format(0),
                                  .dims = dims,
                                  .axis = dims.size() - 1,
                                  .centred = kCentred,
                                  .epsilon = context.attrs().float_or("epsilon", 1e-12F),
                                  .skip = 1,
                                  .extra = given(context, kCentred ? 4 : 3),
                                  .scale = 2,
                                  .shift = kCentred ? given(context, 3) : -1,
                                  .mean_output = wanted(context, 1),
                                  .inverse_output = wanted(context, 2),
                                  .total_output = wanted(context, 3)});
}

Result<void> lower_embed(LowerContext& context) {
  SLUICE_TRY(require_floats(context, {2, 3, 4, 5, 6}));
  const DeviceFormat format = context.in_format(2);
  for (const int i : {3, 4, 5, 6}) {
    if (context.has_input(i) && context.in_format(i) != format) {
      return context.refuse("the tables are of two element types");
    }
  }
  const DeviceFormat id = context.in_format(0);
  for (const int i : {1, 7, 8}) {
    if (context.has_input(i) && context.in_format(i) != id) {
      return context.refuse("the indices are of two element types");
    }
  }
  const bool wide = id == DeviceFormat::kI64;
  if (!wide && id != DeviceFormat::kI32) return context.refuse("the indices are not integers");
  const std::string_view index = wide ? "vec2<u32>" : "u32";
  const Dims& ids = context.in_dims(0);
  if (ids.size() != 2 || context.in_dims(2).size() != 2) {
    return context.refuse("the indices or the word table don't have two axes");
  }
  const Dim width = context.in_dims(2)[1];
  const Dims dims{ids[0], ids[1], width};
  const Dim total = op::elements(dims);
  const SlotId sum = context.has_output(2) ? context.out(2) : context.temp(format, total);
  const bool segments = context.has_input(1) && context.has_input(4);
  const bool positions = context.has_input(8);
  context.dispatch(shader::norm_embed::Call{
      .knobs = {.T = wgsl_type(format),
                .I = index,
                .HAS_SEGMENTS = segments,
                .HAS_POSITIONS = positions},
      .params = {.total = total,
                 .width = width,
                 .segment_rows = segments ? op::elements(context.in_dims(1)) : Dim(1),
                 .position_rows = positions ? op::elements(context.in_dims(8)) : ids[1]},
      .ids = context.in(0),
      .segment_ids = context.in(1),
      .position_ids = context.in(8),
      .words = context.in(2),
      .positions = context.in(3),
      .segments = context.in(4),
      .y = sum,
      .workgroups = op::workgroups(total, 256)});
  if (context.has_output(1)) {
    context.dispatch(
        shader::norm_mask_count::Call{.knobs = {.I = index, .HAS_MASK = context.has_input(7)},
                                      .params = {.rows = ids[0], .n = ids[1]},
                                      .mask = context.in(7),
                                      .y = context.out(1),
                                      .workgroups = op::workgroups(ids[0], 64)});
  }
  return normalize_rows(context, {.x = sum,
                                  .x_format = format,
                                  .dims = dims,
                                  .axis = 2,
                                  .epsilon = context.attrs().float_or("epsilon", 1e-12F),
                                  .scale = 5,
                                  .shift = 6});
}

// --- moments of groups

struct Moments {
  SlotId mean = kNoSlot, variance = kNoSlot;
};
// Groups are the indices of the axes that `reduced` does not name; x has the extents `dims`.
Result<Moments> moments(LowerContext& context, SlotId x, DeviceFormat format, const Dims& dims,
                        const std::vector<bool>& reduced) {
  Dims kept_dims, kept_steps, over_dims, over_steps;
  const Dims strides = op::strides(dims);
  for (size_t i = 0; i < dims.size(); ++i) {
    (reduced[i] ? over_dims : kept_dims).push_back(dims[i]);
    (reduced[i] ? over_steps : kept_steps).push_back(strides[i]);
  }
  const Dim groups = op::elements(kept_dims), n = op::elements(over_dims);
  op::merge_axes(kept_dims, {&kept_steps});
  op::merge_axes(over_dims, {&over_steps});
  if (kept_dims.size() > 8 || over_dims.size() > 8) {
    return context.refuse("more than eight axes that don't merge");
  }
  constexpr int64_t kChunk = 16384;  // enough work for a workgroup, enough workgroups for a device
  const Dim chunks = Dim::max(Dim::ceil_div(n, kChunk), 1);
  const SlotId means = context.temp(DeviceFormat::kF32, groups * chunks);
  const SlotId squares = context.temp(DeviceFormat::kF32, groups * chunks);
  context.dispatch(shader::norm_moments::Call{
      .knobs = {.SUBGROUPS = context.features().subgroups, .T = wgsl_type(format)},
      .params = {.kept = op::eight(kept_dims, 1),
                 .kept_step = op::eight(kept_steps, 0),
                 .reduced = op::eight(over_dims, 1),
                 .reduced_step = op::eight(over_steps, 0),
                 .groups = groups,
                 .chunks = chunks,
                 .chunk = kChunk,
                 .n = n},
      .x = x,
      .mean = means,
      .squares = squares,
      .workgroups = groups * chunks});
  Moments out{context.temp(DeviceFormat::kF32, groups), context.temp(DeviceFormat::kF32, groups)};
  context.dispatch(shader::norm_combine::Call{
      .params = {.groups = groups, .chunks = chunks, .chunk = kChunk, .n = n},
      .means = means,
      .squares = squares,
      .mean = out.mean,
      .variance = out.variance,
      .workgroups = op::workgroups(groups, 64)});
  return out;
}

// The elementwise step. stat_dims and scale_dims have the rank of dims, 1 where they repeat.
struct Apply {
  SlotId x = kNoSlot, mean = kNoSlot, variance = kNoSlot;
  DeviceFormat x_format = DeviceFormat::kF32, stat_format = DeviceFormat::kF32;
  Dims dims;
  std::vector<bool> stat_axes, scale_axes;  // along which the operand has the input's extent
  int scale = -1, shift = -1;               // inputs
  float epsilon = 1e-5F;
  bool plus_deviation = false, silu = false;
};
Result<void> apply(LowerContext& context, const Apply& what) {
  const auto steps_of = [&](const std::vector<bool>& axes) {
    Dims steps(what.dims.size(), Dim(0));
    Dim step = 1;
    for (size_t i = what.dims.size(); i-- > 0;) {
      if (!axes[i]) continue;
      steps[i] = step;
      step = step * what.dims[i];
    }
    return steps;
  };
  Dims shape = what.dims;
  Dims stat_steps = steps_of(what.stat_axes);
  Dims scale_steps = what.scale >= 0 ? steps_of(what.scale_axes) : Dims(shape.size(), Dim(0));
  op::merge_axes(shape, {&stat_steps, &scale_steps});
  if (shape.size() > 8) return context.refuse("more than eight axes that don't merge");
  if (what.scale >= 0 && context.in_format(what.scale) != context.in_format(what.shift)) {
    return context.refuse("scale and bias are of two element types");
  }
  const Dim n = op::elements(what.dims);
  context.dispatch(shader::norm_apply::Call{
      .knobs = {.TX = wgsl_type(what.x_format),
                .TM = wgsl_type(what.stat_format),
                .TS = what.scale >= 0 ? wgsl_type(context.in_format(what.scale)) : "f32",
                .TY = wgsl_type(context.out_format(0)),
                .PLUS_DEVIATION = what.plus_deviation,
                .HAS_SCALE = what.scale >= 0,
                .SILU = what.silu},
      .params = {.shape = op::eight(shape, 1),
                 .stat_step = op::eight(stat_steps, 0),
                 .scale_step = op::eight(scale_steps, 0),
                 .n = n,
                 .epsilon = what.epsilon},
      .x = what.x,
      .mean = what.mean,
      .variance = what.variance,
      .scale = what.scale >= 0 ? context.in(what.scale) : kNoSlot,
      .shift = what.scale >= 0 ? context.in(what.shift) : kNoSlot,
      .y = context.out(0),
      .workgroups = op::workgroups(n, 256)});
  return {};
}

// [N, C, elements]; one channel when there is one axis.
Result<Dims> planes_of(const LowerContext& context) {
  const Dims& dims = context.in_dims(0);
  if (dims.empty()) return context.refuse("the input is a scalar");
  if (dims.size() == 1) return Dims{dims[0], 1, 1};
  return Dims{dims[0], dims[1], product(dims, 2, dims.size())};
}

Result<void> lower_batch_norm(LowerContext& context) {
  SLUICE_TRY(require_floats(context, {0, 1, 2, 3, 4}));
  SLUICE_ASSIGN(const Dims planes, planes_of(context));
  if (context.in_format(3) != context.in_format(4)) {
    return context.refuse("mean and variance are of two element types");
  }
  Apply what{.x = context.in(0),
             .mean = context.in(3),
             .variance = context.in(4),
             .x_format = context.in_format(0),
             .stat_format = context.in_format(3),
             .dims = planes,
             .stat_axes = {false, true, false},
             .scale_axes = {false, true, false},
             .scale = 1,
             .shift = 2,
             .epsilon = context.attrs().float_or("epsilon", 1e-5F)};
  if (context.attrs().int_or("training_mode", 0) != 0) {
    SLUICE_ASSIGN(const Moments found, moments(context, what.x, what.x_format, planes,
                                               std::vector<bool>{true, false, true}));
    for (const int output : {1, 2}) {
      if (!context.has_output(output)) continue;
      context.dispatch(shader::norm_running::Call{
          .knobs = {.T = wgsl_type(what.stat_format)},
          .params = {.n = planes[1], .momentum = context.attrs().float_or("momentum", 0.9F)},
          .old = context.in(output + 2),
          .found = output == 1 ? found.mean : found.variance,
          .y = context.out(output),
          .workgroups = op::workgroups(planes[1], 256)});
    }
    what.mean = found.mean;
    what.variance = found.variance;
    what.stat_format = DeviceFormat::kF32;
  }
  return apply(context, what);
}

// groups 0: one per channel.
Result<void> normalize_groups(LowerContext& context, int64_t groups) {
  SLUICE_TRY(require_floats(context, {0, 1, 2}));
  if (context.in_dims(0).size() < 2) return context.refuse("the input has no channels");
  SLUICE_ASSIGN(const Dims planes, planes_of(context));
  Dims dims{planes[0], planes[1], 1, planes[2]};
  if (groups != 0) {
    if (!planes[1].is_known()) SLUICE_TRY(context.static_in(0));
    if (planes[1].value() % groups != 0) {
      return invalid_model(
          cat("The ", planes[1].value(), " channels don't divide into ", groups, " groups"));
    }
    dims = Dims{planes[0], groups, planes[1].value() / groups, planes[2]};
  }
  SLUICE_ASSIGN(const Moments found, moments(context, context.in(0), context.in_format(0), dims,
                                             std::vector<bool>{false, false, true, true}));
  return apply(context, {.x = context.in(0),
                         .mean = found.mean,
                         .variance = found.variance,
                         .x_format = context.in_format(0),
                         .dims = dims,
                         .stat_axes = {true, true, false, false},
                         .scale_axes = {false, true, true, false},
                         .scale = 1,
                         .shift = 2,
                         .epsilon = context.attrs().float_or("epsilon", 1e-5F)});
}

Result<void> lower_instance_norm(LowerContext& context) { return normalize_groups(context, 0); }
Result<void> lower_group_norm(LowerContext& context) {
  const int64_t groups = context.attrs().int_or("num_groups", 0);
  if (groups < 1) return context.refuse("the number of groups is not positive");
  return normalize_groups(context, groups);
}

Result<void> lower_contrib_group_norm(LowerContext& context) {
  SLUICE_TRY(require_floats(context, {0, 1, 2, 3, 4}));
  const Dims& x = context.in_dims(0);
  if (x.size() != 4) return context.refuse("the input does not have four axes");
  const bool last = context.attrs().int_or("channels_last", 1) != 0;
  const Dim channels = x[last ? 3 : 1];
  const Dim elems = last ? x[1] * x[2] : x[2] * x[3];
  const int64_t groups = context.attrs().int_or("groups", 0);
  if (!channels.is_known()) SLUICE_TRY(context.static_in(0));
  if (groups < 1 || channels.value() % groups != 0) {
    return invalid_model(
        cat("The ", channels.value(), " channels don't divide into ", groups, " groups"));
  }
  const Dim per_group = channels.value() / groups;
  SlotId from = context.in(0);
  const DeviceFormat format = context.in_format(0);
  DeviceFormat from_format = format;
  if (context.has_input(3)) {
    const Dim total = op::elements(x), given_elements = op::elements(context.in_dims(3));
    const bool whole = given_elements == total;
    if (!whole && !(given_elements == x[0] * channels)) {
      SLUICE_TRY(context.static_in(3));
      SLUICE_TRY(context.static_in(0));
      return context.refuse("the skip input fits neither the input nor its channels");
    }
    if (context.in_format(3) != format ||
        (context.has_input(4) && context.in_format(4) != format)) {
      return context.refuse("input and skip input are of two element types");
    }
    // Where elements are float16, the sum is kept in float32 for the norm and rounded for whoever
    // reads it.
    const bool half = format == DeviceFormat::kF16;
    const auto add = [&](SlotId sum, DeviceFormat sum_format) {
      context.dispatch(shader::norm_skip::Call{.knobs = {.T = wgsl_type(format),
                                                         .TY = wgsl_type(sum_format),
                                                         .WHOLE = whole,
                                                         .HAS_BIAS = context.has_input(4)},
                                               .params = {.total = total,
                                                          .image = channels * elems,
                                                          .channels = channels,
                                                          .inner = last ? Dim(1) : elems},
                                               .x = from,
                                               .skip = context.in(3),
                                               .bias = context.in(4),
                                               .y = sum,
                                               .workgroups = op::workgroups(total, 256)});
    };
    if (half && context.has_output(1)) add(context.out(1), format);
    const SlotId sum =
        !half && context.has_output(1) ? context.out(1) : context.temp(DeviceFormat::kF32, total);
    add(sum, DeviceFormat::kF32);
    from_format = DeviceFormat::kF32;
    from = sum;
  }
  const Dims dims =
      last ? Dims{x[0], elems, groups, per_group} : Dims{x[0], groups, per_group, elems};
  const std::vector<bool> reduced = last ? std::vector<bool>{false, true, false, true}
                                         : std::vector<bool>{false, false, true, true};
  SLUICE_ASSIGN(const Moments found, moments(context, from, from_format, dims, reduced));
  std::vector<bool> kept = reduced;
  kept.flip();
  return apply(context, {.x = from,
                         .mean = found.mean,
                         .variance = found.variance,
                         .x_format = from_format,
                         .dims = dims,
                         .stat_axes = kept,
                         .scale_axes = last ? std::vector<bool>{false, false, true, true}
                                            : std::vector<bool>{false, true, true, false},
                         .scale = 1,
                         .shift = 2,
                         .epsilon = context.attrs().float_or("epsilon", 1e-5F),
                         .silu = context.attrs().int_or("activation", 0) == 1});
}

Result<void> lower_mean_variance(LowerContext& context) {
  SLUICE_TRY(require_floats(context, {0}));
  const Dims& dims = context.in_dims(0);
  std::vector<bool> reduced(dims.size(), false);
  for (const int64_t axis : context.attrs().ints_or("axes", {0, 2, 3})) {
    SLUICE_ASSIGN(const int at, op::gpu_axis(context, axis, dims.size()));
    reduced[static_cast<size_t>(at)] = true;
  }
  SLUICE_ASSIGN(const Moments found,
                moments(context, context.in(0), context.in_format(0), dims, reduced));
  std::vector<bool> kept = reduced;
  kept.flip();
  return apply(context, {.x = context.in(0),
                         .mean = found.mean,
                         .variance = found.variance,
                         .x_format = context.in_format(0),
                         .dims = dims,
                         .stat_axes = kept,
                         .scale_axes = std::vector<bool>(dims.size(), false),
                         .epsilon = static_cast<float>(kMeanVarianceEpsilon),
                         .plus_deviation = true});
}

// --- the rest

Result<void> lower_lp_norm(LowerContext& context) {
  SLUICE_TRY(require_floats(context, {0}));
  const Dims& dims = context.in_dims(0);
  SLUICE_ASSIGN(const int at,
                op::gpu_axis(context, context.attrs().int_or("axis", -1), dims.size()));
  const int64_t q = context.attrs().int_or("p", 2);
  if (q != 1 && q != 2) return context.refuse(cat("attribute p is ", q, " (1 or 2)"));
  const auto axis = static_cast<size_t>(at);
  const Dim inner = product(dims, axis + 1, dims.size());
  const Dim lines = product(dims, 0, axis) * inner;
  context.dispatch(shader::norm_lp::Call{
      .knobs = {.T = wgsl_type(context.in_format(0)), .Q = static_cast<uint32_t>(q)},
      .params = {.lines = lines, .n = dims[axis], .inner = inner},
      .x = context.in(0),
      .y = context.out(0),
      .workgroups = op::workgroups(lines, 4)});
  return {};
}

Result<void> lower_lrn(LowerContext& context) {
  SLUICE_TRY(require_floats(context, {0}));
  const Dims& dims = context.in_dims(0);
  if (dims.size() < 2) return context.refuse("the input has no channels");
  const AttrMap& attrs = context.attrs();
  const int64_t size = attrs.int_or("size", 0);
  if (size < 1 || size > INT32_MAX) {
    return context.refuse(cat("attribute size is ", size, " (1 to 2^31 - 1)"));
  }
  const int64_t below = (size - 1) / 2;
  const Dim total = op::elements(dims);
  context.dispatch(shader::norm_lrn::Call{
      .knobs = {.T = wgsl_type(context.in_format(0))},
      .params = {.total = total,
                 .channels = dims[1],
                 .inner = product(dims, 2, dims.size()),
                 .below = below,
                 .above = size - 1 - below,
                 .alpha = attrs.float_or("alpha", 1e-4F) / static_cast<float>(size),
                 .beta = attrs.float_or("beta", 0.75F),
                 .bias = attrs.float_or("bias", 1)},
      .x = context.in(0),
      .y = context.out(0),
      .workgroups = op::workgroups(total, 256)});
  return {};
}

Result<void> lower_dropout(LowerContext& context) {
  if (context.has_input(2)) {
    SLUICE_ASSIGN(const Tensor training, context.need_constant(2));
    if (training.elements() != 1) return context.refuse("training_mode is not one value");
    if (training.get_int(0) != 0) {
      double ratio = 0.5;
      if (context.has_input(1)) {
        SLUICE_ASSIGN(const Tensor known, context.need_constant(1));
        if (known.elements() != 1) return context.refuse("the ratio is not one value");
        ratio = known.get_double(0);
      }
      if (ratio != 0) {
        return context.refuse("which elements are dropped is drawn one after another");
      }
    }
  }
  const Dim n = op::elements(context.in_dims(0));
  const DeviceFormat format = context.in_format(0);
  const uint32_t bytes = plan::element_bytes(format);
  context.dispatch(shader::norm_dropout::Call{.knobs = {.T = bytes == 8   ? "vec2<u32>"
                                                             : bytes == 2 ? "f16"
                                                                          : "u32",
                                                        .HAS_MASK = context.has_output(1)},
                                              .params = {.n = n},
                                              .x = context.in(0),
                                              .y = context.out(0),
                                              .mask = or_temp(context, 1, 4),
                                              .workgroups = op::workgroups(n, 256)});
  return {};
}

struct Row {
  std::string_view domain, op;
  op::GpuCandidate candidate;
};
constexpr std::string_view kMicrosoft = "com.microsoft";
constexpr Row kRows[] = {
    {"", "BatchNormalization", {"batch_norm.apply", &lower_batch_norm}},
    {"", "InstanceNormalization", {"instance_norm.moments", &lower_instance_norm}},
    {"", "GroupNormalization", {"group_norm.moments", &lower_group_norm}},
    {"", "LayerNormalization", {"layer_norm.rows", &lower_layer_norm<true>}},
    {"", "RMSNormalization", {"rms_norm.rows", &lower_layer_norm<false>}},
    {"", "SimplifiedLayerNormalization", {"rms_norm.rows", &lower_layer_norm<false>}},
    {"", "MeanVarianceNormalization", {"mean_variance_norm.moments", &lower_mean_variance}},
    {"", "LpNormalization", {"lp_norm.lines", &lower_lp_norm}},
    {"", "LRN", {"lrn.channels", &lower_lrn}},
    {"", "Dropout", {"dropout.copy", &lower_dropout}},
    {kMicrosoft, "SkipLayerNormalization", {"skip_layer_norm.rows", &lower_skip_norm<true>}},
    {kMicrosoft,
     "SkipSimplifiedLayerNormalization",
     {"skip_rms_norm.rows", &lower_skip_norm<false>}},
    {kMicrosoft, "EmbedLayerNormalization", {"embed_layer_norm.rows", &lower_embed}},
    {kMicrosoft, "GroupNorm", {"contrib_group_norm.moments", &lower_contrib_group_norm}},
    {kMicrosoft, "SkipGroupNorm", {"skip_group_norm.moments", &lower_contrib_group_norm}},
};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  for (const Row& row : kRows) {
    if (row.domain == domain && row.op == name) return {&row.candidate, 1};
  }
  return {};
}

}  // namespace sluice::ops::norm
