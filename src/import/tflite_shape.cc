// TFLite operators that move elements without computing on them: reshaping, slicing, padding,
// joining, splitting, repeating, reordering. They work on stored elements where input and output
// are quantized alike, and on real numbers otherwise.

#include <algorithm>
#include <climits>
#include <optional>

#include "base/text.h"
#include "import/tflite_scope.h"

namespace sluice::import {

using ir::ValueId;

namespace {

constexpr int64_t kToTheEnd = INT64_MAX;
constexpr int64_t kToTheStart = INT64_MIN;

// Ends of slices come from the file: past the largest number means the end.
int64_t saturated_sum(int64_t a, int64_t b) {
  int64_t out = 0;
  if (__builtin_add_overflow(a, b, &out)) return b > 0 ? INT64_MAX : INT64_MIN;
  return out;
}

// Input i for an operator that moves elements, and how its result is handed back.
struct Moved {
  ValueId value = ir::kNoValue;
  bool stored = true;
};

Result<Moved> moved(TfliteNode& n, int i) {
  Moved out;
  out.stored = n.alike(i);
  if (out.stored) {
    SLUICE_ASSIGN(out.value, n.raw(i));
  } else {
    SLUICE_ASSIGN(out.value, n.in(i));
  }
  return out;
}

Result<void> give(TfliteNode& n, int i, const Moved& from, ValueId value) {
  return from.stored ? n.set_raw(i, value) : n.set(i, value);
}

Result<int> rank_of(TfliteNode& n, ValueId value) {
  const auto rank = n.s.rank(value);
  if (!rank) return n.no_support("the rank of the input is not known before the run");
  return *rank;
}

// An extent: a number where it is known now, else a 1-D int64 tensor of one element.
struct Extent {
  std::optional<int64_t> known;
  ValueId value = ir::kNoValue;
};

Result<Extent> extent_of(TfliteNode& n, ValueId value, int axis) {
  Extent out;
  out.known = n.s.extent(value, axis);
  if (!out.known) {
    SLUICE_ASSIGN(out.value, n.s.emit("Shape", {value},
                                      {{"start", int64_t{axis}}, {"end", int64_t{axis} + 1}}));
  }
  return out;
}

Result<Extent> times(TfliteNode& n, const Extent& a, int64_t factor) {
  if (a.known) {
    int64_t product = 0;
    if (__builtin_mul_overflow(*a.known, factor, &product)) return n.fail("an extent overflows");
    return Extent{product, ir::kNoValue};
  }
  SLUICE_ASSIGN(const ValueId value, n.s.emit("Mul", {a.value, n.s.ints({factor})}));
  return Extent{std::nullopt, value};
}

Result<Extent> over(TfliteNode& n, const Extent& a, int64_t divisor) {
  if (a.known) {
    if (*a.known % divisor != 0)
      return n.fail(
          cat("an extent of ", *a.known, " is not a multiple of the block (", divisor, ")"));
    return Extent{*a.known / divisor, ir::kNoValue};
  }
  SLUICE_ASSIGN(const ValueId value, n.s.emit("Div", {a.value, n.s.ints({divisor})}));
  return Extent{std::nullopt, value};
}

Result<ValueId> reshape_to(TfliteNode& n, ValueId value, const std::vector<Extent>& shape) {
  std::vector<int64_t> numbers;
  std::vector<ValueId> parts;
  for (const Extent& e : shape) {
    if (e.known) {
      numbers.push_back(*e.known);
      parts.push_back(n.s.ints({*e.known}));
    } else {
      parts.push_back(e.value);
    }
  }
  if (numbers.size() == shape.size()) return n.s.reshape(value, numbers);
  SLUICE_ASSIGN(const ValueId joined, n.s.emit("Concat", parts, {{"axis", int64_t{0}}}));
  return n.s.emit("Reshape", {value, joined});
}

Result<void> reshape(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(const Moved x, moved(n, 0));
  std::optional<std::vector<int64_t>> shape;
  ValueId computed = ir::kNoValue;
  if (n.has(1)) {
    SLUICE_ASSIGN(const ValueId stored, n.raw(1));
    if (n.s.graph.is_constant(stored)) {
      shape = n.s.known_ints(stored);
    } else {
      SLUICE_ASSIGN(computed, n.s.to_int64_vector(stored));
    }
  } else {
    shape = n.decl.attrs.ints_or("new_shape");
  }
  ValueId y = ir::kNoValue;
  if (shape) {
    const auto in_shape = n.s.type(x.value).shape();
    // Old converters wrote [0] for a scalar.
    if (shape->size() == 1 && (*shape)[0] == 0 && in_shape && in_shape->checked_elements() == 1)
      shape->clear();
    bool has_zero = false, has_minus = false;
    for (const int64_t dim : *shape) {
      if (dim < -1) return n.fail(cat("the new shape has the extent ", dim, " (-1 or more)"));
      has_zero = has_zero || dim == 0;
      has_minus = has_minus || dim == -1;
    }
    AttrMap attrs;
    if (has_zero && !has_minus) attrs.set("allowzero", int64_t{1});
    SLUICE_ASSIGN(y, n.s.emit("Reshape", {x.value, n.s.ints(*shape)}, std::move(attrs)));
  } else {
    SLUICE_ASSIGN(y, n.s.emit("Reshape", {x.value, computed}));
  }
  return give(n, 0, x, y);
}

Result<void> squeeze(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(const Moved x, moved(n, 0));
  const auto axes = n.decl.attrs.ints_or("squeeze_dims");
  std::vector<ValueId> inputs = {x.value};
  if (!axes.empty()) inputs.push_back(n.s.ints(axes));
  SLUICE_ASSIGN(const ValueId y, n.s.emit("Squeeze", inputs));
  return give(n, 0, x, y);
}

Result<void> expand_dims(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(const Moved x, moved(n, 0));
  SLUICE_ASSIGN(const ValueId stored, n.raw(1));
  SLUICE_ASSIGN(const ValueId axes, n.s.to_int64_vector(stored));
  SLUICE_ASSIGN(const ValueId y, n.s.emit("Unsqueeze", {x.value, axes}));
  return give(n, 0, x, y);
}

Result<void> transpose(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(const Moved x, moved(n, 0));
  SLUICE_ASSIGN(auto perm, n.const_ints(1, "permutation"));
  const int64_t rank = static_cast<int64_t>(perm.size());
  std::vector<bool> seen(perm.size(), false);
  for (int64_t& axis : perm) {
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank || seen[static_cast<size_t>(axis)]) {
      return n.fail(cat("the permutation [", join(perm, ","), "] does not name each of ", rank,
                        " axes once"));
    }
    seen[static_cast<size_t>(axis)] = true;
  }
  SLUICE_ASSIGN(const ValueId y, n.s.transpose(x.value, perm));
  return give(n, 0, x, y);
}

Result<void> shape(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(const ValueId x, n.raw(0));
  SLUICE_ASSIGN(const ValueId y, n.s.emit("Shape", {x}));
  return n.set_raw(0, y);
}

Result<void> rank(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(const ValueId x, n.raw(0));
  SLUICE_ASSIGN(const ValueId dims, n.s.emit("Shape", {x}));
  SLUICE_ASSIGN(const ValueId y, n.s.emit("Size", {dims}));
  return n.set_raw(0, y);
}

Result<void> slice(TfliteNode& n) {
  SLUICE_TRY(n.need(3));
  TfliteScope& s = n.s;
  SLUICE_ASSIGN(const Moved x, moved(n, 0));
  SLUICE_ASSIGN(const ValueId begin_stored, n.raw(1));
  SLUICE_ASSIGN(const ValueId size_stored, n.raw(2));
  const auto begin = s.known_ints(begin_stored), size = s.known_ints(size_stored);
  ValueId starts = ir::kNoValue, ends = ir::kNoValue;
  size_t count = 0;
  if (begin && size) {
    if (begin->size() != size->size())
      return n.fail(cat("it has ", begin->size(), " starts and ", size->size(), " sizes"));
    count = begin->size();
    std::vector<int64_t> stops;
    for (size_t i = 0; i < count; ++i) {
      if ((*begin)[i] < 0 || (*size)[i] < -1)
        return n.fail(cat("it starts at ", (*begin)[i], " with size ", (*size)[i],
                          " (0 or more, -1 or more)"));
      stops.push_back((*size)[i] == -1 ? kToTheEnd : saturated_sum((*begin)[i], (*size)[i]));
    }
    starts = s.ints(*begin);
    ends = s.ints(stops);
  } else {
    SLUICE_ASSIGN(starts, s.to_int64_vector(begin_stored));
    SLUICE_ASSIGN(const ValueId sizes, s.to_int64_vector(size_stored));
    SLUICE_ASSIGN(const ValueId stops, s.emit("Add", {starts, sizes}));
    SLUICE_ASSIGN(const ValueId open, s.emit("Less", {sizes, s.scalar(DType::kInt64, 0)}));
    SLUICE_ASSIGN(
        ends,
        s.emit("Where", {open, s.constant("end", Tensor::scalar<int64_t>(kToTheEnd)), stops}));
    SLUICE_ASSIGN(const int rank_now, rank_of(n, x.value));
    count = static_cast<size_t>(rank_now);
  }
  std::vector<int64_t> axes;
  for (size_t i = 0; i < count; ++i) axes.push_back(static_cast<int64_t>(i));
  SLUICE_ASSIGN(const ValueId y, s.emit("Slice", {x.value, starts, ends, s.ints(axes)}));
  return give(n, 0, x, y);
}

// Element `i` of a 1-D tensor of integers, as [1] int64: known or computed.
Result<Extent> entry(TfliteNode& n, ValueId vector,
                     const std::optional<std::vector<int64_t>>& known, size_t i) {
  if (known) {
    if (i >= known->size())
      return n.fail(cat("a vector has ", known->size(), " entries (entry ", i, " is needed)"));
    return Extent{(*known)[i], ir::kNoValue};
  }
  SLUICE_ASSIGN(const ValueId wide, n.s.to_int64_vector(vector));
  SLUICE_ASSIGN(const ValueId value,
                n.s.emit("Gather", {wide, n.s.ints({static_cast<int64_t>(i)})}));
  return Extent{std::nullopt, value};
}

Result<void> strided_slice(TfliteNode& n) {
  SLUICE_TRY(n.need(4));
  TfliteScope& s = n.s;
  SLUICE_ASSIGN(const Moved x, moved(n, 0));
  SLUICE_ASSIGN(const int rank_in, rank_of(n, x.value));
  SLUICE_ASSIGN(const ValueId begin_stored, n.raw(1));
  SLUICE_ASSIGN(const ValueId end_stored, n.raw(2));
  SLUICE_ASSIGN(const auto strides, n.const_ints(3, "strides"));
  const auto begins = s.known_ints(begin_stored), ends = s.known_ints(end_stored);
  const size_t spec = strides.size();
  if (spec > 31 || (begins && begins->size() != spec) || (ends && ends->size() != spec)) {
    return n.fail(
        cat("starts, ends and strides differ in number (", spec, " strides, at most 31)"));
  }
  const auto bit = [&](std::string_view mask, size_t i) { return (n.number(mask) >> i & 1) != 0; };
  // How many axes of the input the entries consume without the ellipsis.
  int consumed = 0;
  bool ellipsis_seen = false;
  for (size_t i = 0; i < spec; ++i) {
    if (bit("ellipsis_mask", i)) {
      if (ellipsis_seen) return n.fail("it has two ellipses (1 is allowed)");
      ellipsis_seen = true;
    } else if (!bit("new_axis_mask", i)) {
      ++consumed;
    }
  }
  if (consumed > rank_in)
    return n.fail(cat("it slices ", consumed, " axes (the input has rank ", rank_in, ")"));
  std::vector<ValueId> start_parts, end_parts;
  std::vector<int64_t> start_numbers, end_numbers, axes, steps, shrunk, fresh;
  bool all_known = true;
  int axis = 0, out_axis = 0;  // out_axis counts with shrunk axes already gone
  for (size_t i = 0; i < spec; ++i) {
    if (bit("ellipsis_mask", i)) {
      axis += rank_in - consumed;
      out_axis += rank_in - consumed;
      continue;
    }
    if (bit("new_axis_mask", i)) {
      fresh.push_back(out_axis++);
      continue;
    }
    const int64_t step = strides[i];
    if (step == 0) return n.fail("a stride is 0");
    SLUICE_ASSIGN(Extent start, entry(n, begin_stored, begins, i));
    Extent end;
    if (bit("shrink_axis_mask", i)) {
      // One element at `start`, whatever the masks say; -1 is the last.
      shrunk.push_back(axis);
      if (start.known) {
        end.known = *start.known == -1 ? kToTheEnd : saturated_sum(*start.known, 1);
      } else {
        SLUICE_ASSIGN(const ValueId next, s.emit("Add", {start.value, s.ints({1})}));
        SLUICE_ASSIGN(const ValueId last, s.emit("Equal", {next, s.ints({0})}));
        SLUICE_ASSIGN(end.value, s.emit("Where", {last, s.ints({kToTheEnd}), next}));
      }
      steps.push_back(1);
    } else {
      if (bit("end_mask", i)) {
        end.known = step > 0 ? kToTheEnd : kToTheStart;
      } else {
        SLUICE_ASSIGN(end, entry(n, end_stored, ends, i));
        if (n.flag("offset")) {
          if (end.known && start.known) {
            end.known = saturated_sum(*end.known, *start.known);
          } else {
            const ValueId a = start.known ? s.ints({*start.known}) : start.value;
            const ValueId b = end.known ? s.ints({*end.known}) : end.value;
            end.known.reset();
            SLUICE_ASSIGN(end.value, s.emit("Add", {a, b}));
          }
        }
      }
      if (bit("begin_mask", i)) start = Extent{step > 0 ? 0 : kToTheEnd, ir::kNoValue};
      steps.push_back(step);
      ++out_axis;
    }
    all_known = all_known && start.known && end.known;
    start_numbers.push_back(start.known.value_or(0));
    end_numbers.push_back(end.known.value_or(0));
    start_parts.push_back(start.known ? s.ints({*start.known}) : start.value);
    end_parts.push_back(end.known ? s.ints({*end.known}) : end.value);
    axes.push_back(axis++);
  }
  ValueId y = x.value;
  if (!axes.empty()) {
    ValueId starts = ir::kNoValue, stops = ir::kNoValue;
    if (all_known) {
      starts = s.ints(start_numbers);
      stops = s.ints(end_numbers);
    } else {
      SLUICE_ASSIGN(starts, s.emit("Concat", start_parts, {{"axis", int64_t{0}}}));
      SLUICE_ASSIGN(stops, s.emit("Concat", end_parts, {{"axis", int64_t{0}}}));
    }
    SLUICE_ASSIGN(y, s.emit("Slice", {y, starts, stops, s.ints(axes), s.ints(steps)}));
  }
  if (!shrunk.empty()) {
    SLUICE_ASSIGN(y, s.emit("Squeeze", {y, s.ints(shrunk)}));
  }
  if (!fresh.empty()) {
    SLUICE_ASSIGN(y, s.emit("Unsqueeze", {y, s.ints(fresh)}));
  }
  return give(n, 0, x, y);
}

// TFLite's [rank, 2] paddings as ONNX's begins, then ends.
Result<ValueId> onnx_pads(TfliteNode& n, int i) {
  SLUICE_ASSIGN(const ValueId stored, n.raw(i));
  if (const auto pairs = n.s.known_ints(stored)) {
    if (pairs->size() % 2 != 0)
      return n.fail(cat("it has ", pairs->size(), " paddings (two for each axis)"));
    std::vector<int64_t> pads;
    for (size_t k = 0; k < pairs->size(); k += 2) pads.push_back((*pairs)[k]);
    for (size_t k = 1; k < pairs->size(); k += 2) pads.push_back((*pairs)[k]);
    for (const int64_t pad : pads) {
      if (pad < 0) return n.fail(cat("a padding is ", pad, " (0 or more)"));
    }
    return n.s.ints(pads);
  }
  SLUICE_ASSIGN(const ValueId wide, n.s.cast(stored, DType::kInt64));
  SLUICE_ASSIGN(const ValueId turned, n.s.transpose(wide, {1, 0}));
  return n.s.reshape(turned, std::vector<int64_t>{-1});
}

ValueId padding_value(TfliteNode& n, const Moved& x, int i) {
  const auto* q = n.s.quantization(n.in_name(i));
  const double zero = x.stored && q != nullptr && !q->zero_points.empty()
                          ? static_cast<double>(q->zero_points[0])
                          : 0;
  const DType dtype = n.s.dtype(x.value);
  return n.s.scalar(dtype == DType::kUndefined ? DType::kFloat32 : dtype, zero);
}

Result<void> pad(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(Moved x, moved(n, 0));
  ValueId value = ir::kNoValue;
  if (n.has(2)) {
    // PADV2: the value is quantized as it likes, so unless it is like the input, pad real numbers.
    if (x.stored && !n.alike(2)) {
      x.stored = false;
      SLUICE_ASSIGN(x.value, n.in(0));
    }
    SLUICE_ASSIGN(value, x.stored ? n.raw(2) : n.in(2));
    if (n.s.rank(value) != 0) {
      SLUICE_ASSIGN(value, n.s.reshape(value, std::vector<int64_t>{}));
    }
  } else {
    value = padding_value(n, x, 0);
  }
  SLUICE_ASSIGN(const ValueId pads, onnx_pads(n, 1));
  SLUICE_ASSIGN(const ValueId y, n.s.emit("Pad", {x.value, pads, value}));
  return give(n, 0, x, y);
}

Result<void> mirror_pad(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  TfliteScope& s = n.s;
  SLUICE_ASSIGN(const Moved x, moved(n, 0));
  const std::string mode = n.text("mode", "REFLECT");
  if (mode == "REFLECT") {
    SLUICE_ASSIGN(const ValueId pads, onnx_pads(n, 1));
    SLUICE_ASSIGN(const ValueId y,
                  s.emit("Pad", {x.value, pads}, {{"mode", std::string("reflect")}}));
    return give(n, 0, x, y);
  }
  if (mode != "SYMMETRIC")
    return n.fail(cat("the mode is ", quoted(mode), " (REFLECT or SYMMETRIC)"));
  // The border is repeated, which ONNX's Pad doesn't do: join reversed slices, axis by axis.
  SLUICE_ASSIGN(const auto pairs, n.const_ints(1, "paddings"));
  ValueId y = x.value;
  for (size_t axis = 0; 2 * axis + 1 < pairs.size(); ++axis) {
    const int64_t before = pairs[2 * axis], after = pairs[2 * axis + 1],
                  at = static_cast<int64_t>(axis);
    if (before < 0 || after < 0)
      return n.fail(cat("a padding is ", std::min(before, after), " (0 or more)"));
    if (const auto extent = s.extent(y, static_cast<int>(axis));
        extent && (before > *extent || after > *extent)) {
      return n.fail(
          cat("a padding is ", std::max(before, after), " (the axis has ", *extent, " elements)"));
    }
    std::vector<ValueId> parts;
    if (before > 0) {
      SLUICE_ASSIGN(const ValueId part,
                    s.emit("Slice", {y, s.ints({before - 1}), s.ints({kToTheStart}), s.ints({at}),
                                     s.ints({-1})}));
      parts.push_back(part);
    }
    parts.push_back(y);
    if (after > 0) {
      SLUICE_ASSIGN(const ValueId part, s.emit("Slice", {y, s.ints({-1}), s.ints({-1 - after}),
                                                         s.ints({at}), s.ints({-1})}));
      parts.push_back(part);
    }
    if (parts.size() > 1) {
      SLUICE_ASSIGN(y, s.emit("Concat", parts, {{"axis", at}}));
    }
  }
  return give(n, 0, x, y);
}

Result<void> concatenation(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  bool stored = n.text("fused_activation_function", "NONE") == "NONE";
  for (int i = 0; i < n.input_count(); ++i) {
    if (!n.has(i)) return n.fail(cat("input ", i, " is missing"));
    stored = stored && n.alike(i);
  }
  std::vector<ValueId> parts;
  for (int i = 0; i < n.input_count(); ++i) {
    SLUICE_ASSIGN(const ValueId part, stored ? n.raw(i) : n.in(i));
    parts.push_back(part);
  }
  SLUICE_ASSIGN(ValueId y, n.s.emit("Concat", parts, {{"axis", n.number("axis")}}));
  SLUICE_ASSIGN(y, n.activated(y));
  return stored ? n.set_raw(0, y) : n.set(0, y);
}

Result<void> pack(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  bool stored = true;
  for (int i = 0; i < n.input_count(); ++i) {
    if (!n.has(i)) return n.fail(cat("input ", i, " is missing"));
    stored = stored && n.alike(i);
  }
  const int64_t axis = n.number("axis");
  std::vector<ValueId> parts;
  for (int i = 0; i < n.input_count(); ++i) {
    SLUICE_ASSIGN(const ValueId part, stored ? n.raw(i) : n.in(i));
    SLUICE_ASSIGN(const ValueId wide, n.s.emit("Unsqueeze", {part, n.s.ints({axis})}));
    parts.push_back(wide);
  }
  SLUICE_ASSIGN(const ValueId y, n.s.emit("Concat", parts, {{"axis", axis}}));
  return stored ? n.set_raw(0, y) : n.set(0, y);
}

// Outputs of a split: bound one by one.
Result<void> give_all(TfliteNode& n, const Moved& x, const std::vector<ValueId>& parts,
                      int64_t squeeze_axis, bool squeeze_parts) {
  for (size_t i = 0; i < parts.size(); ++i) {
    ValueId part = parts[i];
    if (squeeze_parts) {
      SLUICE_ASSIGN(part, n.s.emit("Squeeze", {part, n.s.ints({squeeze_axis})}));
    }
    SLUICE_TRY(give(n, static_cast<int>(i), x, part));
  }
  return {};
}

Result<void> unpack(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(const Moved x, moved(n, 0));
  const int count = n.output_count();
  SLUICE_ASSIGN(const auto parts,
                n.s.emit_many("Split", {x.value}, count,
                              {{"axis", n.number("axis")}, {"num_outputs", int64_t{count}}}));
  return give_all(n, x, parts, n.number("axis"), true);
}

// Inputs: axis, value.
Result<void> split(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(const auto axis, n.const_ints(0, "axis"));
  if (axis.size() != 1) return n.fail(cat("it has ", axis.size(), " axes (1)"));
  SLUICE_ASSIGN(const Moved x, moved(n, 1));
  const int count = n.output_count();
  SLUICE_ASSIGN(const auto parts,
                n.s.emit_many("Split", {x.value}, count,
                              {{"axis", axis[0]}, {"num_outputs", int64_t{count}}}));
  return give_all(n, x, parts, 0, false);
}

// Inputs: value, sizes (one may be -1), axis.
Result<void> split_v(TfliteNode& n) {
  SLUICE_TRY(n.need(3));
  SLUICE_ASSIGN(const Moved x, moved(n, 0));
  SLUICE_ASSIGN(const auto axis, n.const_ints(2, "axis"));
  SLUICE_ASSIGN(auto sizes, n.const_ints(1, "sizes"));
  if (axis.size() != 1 || sizes.size() != static_cast<size_t>(n.output_count())) {
    return n.fail(cat("it has ", axis.size(), " axes (1), and ", sizes.size(), " sizes for ",
                      n.output_count(), " outputs"));
  }
  const auto open = std::ranges::find(sizes, -1);
  if (open != sizes.end()) {
    const auto extent = n.s.extent(x.value, static_cast<int>(axis[0]));
    if (!extent)
      return n.no_support("a size is left open and the extent is not known before the run");
    int64_t rest = *extent;
    for (const int64_t size : sizes) {
      if (size < -1 || size > *extent) {
        return n.fail(cat("a size is ", size, " (-1 to ", *extent, ")"));
      }
      rest -= size == -1 ? 0 : size;
    }
    *open = rest;
  }
  for (const int64_t size : sizes) {
    if (size < 0) return n.fail(cat("a size is ", size, " (0 or more)"));
  }
  SLUICE_ASSIGN(const auto parts, n.s.emit_many("Split", {x.value, n.s.ints(sizes)},
                                                n.output_count(), {{"axis", axis[0]}}));
  return give_all(n, x, parts, 0, false);
}

Result<void> tile(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(const Moved x, moved(n, 0));
  SLUICE_ASSIGN(const ValueId stored, n.raw(1));
  SLUICE_ASSIGN(const ValueId repeats, n.s.to_int64_vector(stored));
  SLUICE_ASSIGN(const ValueId y, n.s.emit("Tile", {x.value, repeats}));
  return give(n, 0, x, y);
}

Result<void> broadcast_to(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(const Moved x, moved(n, 0));
  SLUICE_ASSIGN(const ValueId stored, n.raw(1));
  SLUICE_ASSIGN(const ValueId dims, n.s.to_int64_vector(stored));
  SLUICE_ASSIGN(const ValueId y, n.s.emit("Expand", {x.value, dims}));
  return give(n, 0, x, y);
}

// Inputs: dims, value.
Result<void> fill(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(const Moved x, moved(n, 1));
  SLUICE_ASSIGN(const ValueId stored, n.raw(0));
  SLUICE_ASSIGN(const ValueId dims, n.s.to_int64_vector(stored));
  SLUICE_ASSIGN(const ValueId y, n.s.emit("Expand", {x.value, dims}));
  return give(n, 0, x, y);
}

Result<void> range(TfliteNode& n) {
  SLUICE_TRY(n.need(3));
  std::vector<ValueId> inputs;
  for (int i = 0; i < 3; ++i) {
    SLUICE_ASSIGN(ValueId value, n.in(i));
    if (n.s.rank(value) != 0) {
      SLUICE_ASSIGN(value, n.s.reshape(value, std::vector<int64_t>{}));
    }
    inputs.push_back(value);
  }
  SLUICE_ASSIGN(const ValueId y, n.s.emit("Range", inputs));
  return n.set(0, y);
}

Result<void> reverse(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(const Moved x, moved(n, 0));
  SLUICE_ASSIGN(const auto axes, n.const_ints(1, "axes"));
  const std::vector<int64_t> starts(axes.size(), -1), ends(axes.size(), kToTheStart),
      steps(axes.size(), -1);
  SLUICE_ASSIGN(const ValueId y, n.s.emit("Slice", {x.value, n.s.ints(starts), n.s.ints(ends),
                                                    n.s.ints(axes), n.s.ints(steps)}));
  return give(n, 0, x, y);
}

Result<void> reverse_sequence(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(const Moved x, moved(n, 0));
  SLUICE_ASSIGN(const ValueId stored, n.raw(1));
  SLUICE_ASSIGN(const ValueId lengths, n.s.to_int64_vector(stored));
  const int64_t time = n.number("seq_dim"), batch = n.number("batch_dim");
  if (time + batch != 1 || time < 0 || batch < 0)
    return n.no_support(cat("the sequence axis is ", time, " and the batch axis ", batch,
                            " (0 and 1 in either order)"));
  SLUICE_ASSIGN(const ValueId y, n.s.emit("ReverseSequence", {x.value, lengths},
                                          {{"time_axis", time}, {"batch_axis", batch}}));
  return give(n, 0, x, y);
}

Result<std::vector<int64_t>> block_sizes(TfliteNode& n, int rank_in) {
  SLUICE_ASSIGN(const auto block, n.const_ints(1, "block shape"));
  if (block.empty() || static_cast<int>(block.size()) >= rank_in) {
    return n.fail(cat("the block shape has ", block.size(), " entries (1 to ", rank_in - 1, ")"));
  }
  for (const int64_t b : block) {
    if (b < 1 || b > (1 << 20)) return n.fail(cat("a block has size ", b, " (1 to 1048576)"));
  }
  return block;
}

// Every block's elements become batches: [N, s1*b1, ...] -> [b1*..*N, s1, ...].
Result<void> space_to_batch(TfliteNode& n) {
  SLUICE_TRY(n.need(3));
  SLUICE_ASSIGN(const Moved x, moved(n, 0));
  SLUICE_ASSIGN(const int rank_in, rank_of(n, x.value));
  SLUICE_ASSIGN(const auto block, block_sizes(n, rank_in));
  const int m = static_cast<int>(block.size());
  SLUICE_ASSIGN(const ValueId stored, n.raw(2));
  const auto pairs = n.s.known_ints(stored);
  ValueId padded = x.value;
  if (pairs) {
    if (static_cast<int>(pairs->size()) != 2 * m)
      return n.fail(cat("it has ", pairs->size(), " paddings (", 2 * m, ")"));
    std::vector<int64_t> pads(2 * static_cast<size_t>(rank_in), 0);
    bool any = false;
    for (int i = 0; i < m; ++i) {
      for (int end = 0; end < 2; ++end) {
        const int64_t amount = (*pairs)[static_cast<size_t>(2 * i + end)];
        if (amount < 0) return n.fail(cat("a padding is ", amount, " (0 or more)"));
        pads[static_cast<size_t>(end * rank_in + 1 + i)] = amount;
        any = any || amount != 0;
      }
    }
    if (any) {
      SLUICE_ASSIGN(padded, n.s.emit("Pad", {x.value, n.s.ints(pads), padding_value(n, x, 0)}));
    }
  } else {
    SLUICE_ASSIGN(const ValueId wide, n.s.cast(stored, DType::kInt64));
    SLUICE_ASSIGN(const ValueId turned, n.s.transpose(wide, {1, 0}));
    SLUICE_ASSIGN(const ValueId pads, n.s.reshape(turned, std::vector<int64_t>{-1}));
    std::vector<int64_t> axes;
    for (int i = 1; i <= m; ++i) axes.push_back(i);
    SLUICE_ASSIGN(padded, n.s.emit("Pad", {x.value, pads, padding_value(n, x, 0), n.s.ints(axes)}));
  }
  std::vector<Extent> first, last;
  std::vector<int64_t> perm;
  SLUICE_ASSIGN(const Extent batch, extent_of(n, padded, 0));
  first.push_back(batch);
  for (int i = 0; i < m; ++i) perm.push_back(2 + 2 * i);
  perm.push_back(0);
  last.push_back(Extent{-1, ir::kNoValue});
  for (int i = 0; i < m; ++i) {
    SLUICE_ASSIGN(const Extent whole, extent_of(n, padded, 1 + i));
    SLUICE_ASSIGN(const Extent part, over(n, whole, block[static_cast<size_t>(i)]));
    first.push_back(part);
    first.push_back(Extent{block[static_cast<size_t>(i)], ir::kNoValue});
    perm.push_back(1 + 2 * i);
    last.push_back(part);
  }
  for (int i = 1 + m; i < rank_in; ++i) {
    SLUICE_ASSIGN(const Extent rest, extent_of(n, padded, i));
    first.push_back(rest);
    last.push_back(rest);
    perm.push_back(i + m);
  }
  if (first.size() > kMaxRank)
    return n.no_support(cat("it needs rank ", first.size(), " (limit ", kMaxRank, ")"));
  SLUICE_ASSIGN(ValueId y, reshape_to(n, padded, first));
  SLUICE_ASSIGN(y, n.s.transpose(y, perm));
  SLUICE_ASSIGN(y, reshape_to(n, y, last));
  return give(n, 0, x, y);
}

Result<void> batch_to_space(TfliteNode& n) {
  SLUICE_TRY(n.need(3));
  SLUICE_ASSIGN(const Moved x, moved(n, 0));
  SLUICE_ASSIGN(const int rank_in, rank_of(n, x.value));
  SLUICE_ASSIGN(const auto block, block_sizes(n, rank_in));
  const int m = static_cast<int>(block.size());
  std::vector<Extent> first, last;
  std::vector<int64_t> perm;
  for (const int64_t b : block) first.push_back(Extent{b, ir::kNoValue});
  first.push_back(Extent{-1, ir::kNoValue});
  perm.push_back(m);
  last.push_back(Extent{-1, ir::kNoValue});
  for (int i = 0; i < m; ++i) {
    SLUICE_ASSIGN(const Extent part, extent_of(n, x.value, 1 + i));
    SLUICE_ASSIGN(const Extent whole, times(n, part, block[static_cast<size_t>(i)]));
    first.push_back(part);
    last.push_back(whole);
    perm.push_back(m + 1 + i);
    perm.push_back(i);
  }
  for (int i = 1 + m; i < rank_in; ++i) {
    SLUICE_ASSIGN(const Extent rest, extent_of(n, x.value, i));
    first.push_back(rest);
    last.push_back(rest);
    perm.push_back(i + m);
  }
  if (first.size() > kMaxRank)
    return n.no_support(cat("it needs rank ", first.size(), " (limit ", kMaxRank, ")"));
  SLUICE_ASSIGN(ValueId y, reshape_to(n, x.value, first));
  SLUICE_ASSIGN(y, n.s.transpose(y, perm));
  SLUICE_ASSIGN(y, reshape_to(n, y, last));
  SLUICE_ASSIGN(const ValueId stored, n.raw(2));
  std::vector<int64_t> axes;
  for (int i = 1; i <= m; ++i) axes.push_back(i);
  if (const auto pairs = n.s.known_ints(stored)) {
    if (static_cast<int>(pairs->size()) != 2 * m)
      return n.fail(cat("it has ", pairs->size(), " crops (", 2 * m, ")"));
    std::vector<int64_t> starts, ends;
    bool any = false;
    for (int i = 0; i < m; ++i) {
      const int64_t before = (*pairs)[static_cast<size_t>(2 * i)],
                    after = (*pairs)[static_cast<size_t>(2 * i + 1)];
      if (before < 0 || after < 0)
        return n.fail(cat("a crop is ", std::min(before, after), " (0 or more)"));
      any = any || before != 0 || after != 0;
      starts.push_back(before);
      ends.push_back(after == 0 ? kToTheEnd : -after);
    }
    if (any) {
      SLUICE_ASSIGN(y, n.s.emit("Slice", {y, n.s.ints(starts), n.s.ints(ends), n.s.ints(axes)}));
    }
  } else {
    SLUICE_ASSIGN(const ValueId wide, n.s.cast(stored, DType::kInt64));
    SLUICE_ASSIGN(const ValueId before,
                  n.s.emit("Gather", {wide, n.s.scalar(DType::kInt64, 0)}, {{"axis", int64_t{1}}}));
    SLUICE_ASSIGN(const ValueId after,
                  n.s.emit("Gather", {wide, n.s.scalar(DType::kInt64, 1)}, {{"axis", int64_t{1}}}));
    SLUICE_ASSIGN(const ValueId dims,
                  n.s.emit("Shape", {y}, {{"start", int64_t{1}}, {"end", int64_t{1} + m}}));
    SLUICE_ASSIGN(const ValueId ends, n.s.emit("Sub", {dims, after}));
    SLUICE_ASSIGN(y, n.s.emit("Slice", {y, before, ends, n.s.ints(axes)}));
  }
  return give(n, 0, x, y);
}

// Inputs: operand, update, start indices. The start is clamped so that the update fits.
Result<void> dynamic_update_slice(TfliteNode& n) {
  SLUICE_TRY(n.need(3));
  TfliteScope& s = n.s;
  SLUICE_ASSIGN(const Moved x, moved(n, 0));
  SLUICE_ASSIGN(const ValueId update, x.stored ? n.raw(1) : n.in(1));
  SLUICE_ASSIGN(const ValueId stored, n.raw(2));
  SLUICE_ASSIGN(const ValueId wanted, s.to_int64_vector(stored));
  SLUICE_ASSIGN(const ValueId whole, s.emit("Shape", {x.value}));
  SLUICE_ASSIGN(const ValueId part, s.emit("Shape", {update}));
  SLUICE_ASSIGN(const ValueId room, s.emit("Sub", {whole, part}));
  SLUICE_ASSIGN(const ValueId positive, s.emit("Max", {wanted, s.scalar(DType::kInt64, 0)}));
  SLUICE_ASSIGN(const ValueId start, s.emit("Min", {positive, room}));
  SLUICE_ASSIGN(const ValueId behind, s.emit("Sub", {room, start}));
  SLUICE_ASSIGN(const ValueId pads, s.emit("Concat", {start, behind}, {{"axis", int64_t{0}}}));
  // The update in its place among zeros, and where that place is.
  SLUICE_ASSIGN(const ValueId placed, s.emit("Pad", {update, pads}));
  SLUICE_ASSIGN(const ValueId ones, s.emit("Expand", {s.scalar(DType::kInt32, 1), part}));
  SLUICE_ASSIGN(const ValueId marked, s.emit("Pad", {ones, pads}));
  SLUICE_ASSIGN(const ValueId mask, s.cast(marked, DType::kBool));
  SLUICE_ASSIGN(const ValueId y, s.emit("Where", {mask, placed, x.value}));
  return give(n, 0, x, y);
}

constexpr TfliteRow kRows[] = {
    {"RESHAPE", reshape},
    {"SQUEEZE", squeeze},
    {"EXPAND_DIMS", expand_dims},
    {"TRANSPOSE", transpose},
    {"SHAPE", shape},
    {"RANK", rank},
    {"SLICE", slice},
    {"STRIDED_SLICE", strided_slice},
    {"PAD", pad},
    {"PADV2", pad},
    {"MIRROR_PAD", mirror_pad},
    {"CONCATENATION", concatenation},
    {"PACK", pack},
    {"UNPACK", unpack},
    {"SPLIT", split},
    {"SPLIT_V", split_v},
    {"TILE", tile},
    {"BROADCAST_TO", broadcast_to},
    {"FILL", fill},
    {"RANGE", range},
    {"REVERSE_V2", reverse},
    {"REVERSE_SEQUENCE", reverse_sequence},
    {"SPACE_TO_BATCH_ND", space_to_batch},
    {"BATCH_TO_SPACE_ND", batch_to_space},
    {"DYNAMIC_UPDATE_SLICE", dynamic_update_slice},
};

}  // namespace

std::span<const TfliteRow> tflite_shape_rows() { return kRows; }

}  // namespace sluice::import
