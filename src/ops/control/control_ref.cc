#include <algorithm>
#include <limits>

#include "base/text.h"
#include "op/elements.h"
#include "op/operand.h"
#include "ops/control/control.h"

namespace sluice::ops::control {

using op::input_tensor;
using plan::KernelContext;

namespace {

using Values = std::vector<Value>;

Result<bool> truth(const Value& value, std::string_view what) {
  if (!value.is_tensor() || value.tensor().elements() != 1 ||
      value.tensor().dtype() != DType::kBool) {
    return usage_error(cat(what, " is not one boolean"));
  }
  return value.tensor().get_int(0) != 0;
}

// The place index `at` along `axis`, without that axis.
Result<Tensor> element_of(const Tensor& in, int axis, int64_t at) {
  const op::AxisSplit split = op::split_at(in.shape(), axis);
  Shape shape = in.shape();
  shape.erase(axis);
  SLUICE_ASSIGN(Tensor out, Tensor::allocate(in.dtype(), shape));
  for (int64_t o = 0; o < split.outer; ++o) {
    op::copy_elements(in, (o * split.extent + at) * split.inner, out, o * split.inner, split.inner);
  }
  return out;
}

// Scan output `index` from what the iterations gave, stacked along `axis` of the result.
Result<Tensor> stacked(const KernelContext& context, size_t index, std::vector<Tensor> parts,
                       int64_t wanted_axis) {
  if (parts.empty()) {
    const auto types = context.attrs().strings_or(kScanOutputTypes);
    Type type;
    if (index < types.size()) {
      if (auto parsed = Type::parse(types[index])) type = *parsed;
    }
    if (!type.is_tensor() || type.dtype == DType::kUndefined) {
      return unsupported(
          cat("A loop without iterations has an output ", index, " of unknown element type"));
    }
    // Extents that are not known count as 0, since nothing says otherwise.
    std::vector<int64_t> dims;
    for (const Dim& dim : type.dims ? *type.dims : Dims{}) dims.push_back(dim.get().value_or(0));
    SLUICE_ASSIGN(const int axis,
                  op::normalized_axis(wanted_axis, static_cast<int>(dims.size()) + 1));
    dims.insert(dims.begin() + axis, 0);
    SLUICE_ASSIGN(const Shape shape, op::checked_shape(dims));
    return Tensor::allocate(type.dtype, shape);
  }
  const Tensor& first = parts[0];
  if (first.rank() >= kMaxRank) {
    return unsupported(cat("A scan output has too many axes (limit ", kMaxRank, ")"));
  }
  SLUICE_ASSIGN(const int axis, op::normalized_axis(wanted_axis, first.rank() + 1));
  for (const Tensor& part : parts) {
    if (part.dtype() != first.dtype() || !(part.shape() == first.shape())) {
      return usage_error(cat("A scan output is ", first.text(), " and then ", part.text()));
    }
  }
  std::vector<int64_t> dims(first.shape().begin(), first.shape().end());
  dims.insert(dims.begin() + axis, static_cast<int64_t>(parts.size()));
  SLUICE_ASSIGN(const Shape shape, op::checked_shape(dims));
  SLUICE_ASSIGN(Tensor out, Tensor::allocate(first.dtype(), shape));
  op::interleave(parts, axis, out);
  return out;
}

}  // namespace

Result<void> if_reference(KernelContext& context) {
  if (!context.has(0)) return usage_error("If has no condition");
  SLUICE_ASSIGN(const bool condition, truth(context.input_value(0), "If's condition"));
  SLUICE_ASSIGN(const std::span<Value> results,
                context.run_subgraph(condition ? "then_branch" : "else_branch", {}));
  if (static_cast<int>(results.size()) < context.output_count()) {
    return invalid_model(cat("A branch of If has ", results.size(), " outputs (",
                             context.output_count(), " are used)"));
  }
  for (int i = 0; i < context.output_count(); ++i) {
    context.set_out(i, std::move(results[static_cast<size_t>(i)]));
  }
  return {};
}

Result<void> loop_reference(KernelContext& context) {
  int64_t trips = std::numeric_limits<int64_t>::max();
  if (context.has(0)) {
    SLUICE_ASSIGN(trips, op::input_int(context, 0));
  }
  bool go_on = true;
  if (context.has(1)) {
    SLUICE_ASSIGN(go_on, truth(context.input_value(1), "Loop's condition"));
  }
  const size_t states = static_cast<size_t>(std::max(context.input_count() - 2, 0));
  Values carried;
  for (size_t i = 0; i < states; ++i)
    carried.push_back(context.input_value(static_cast<int>(i) + 2));
  const size_t outputs = static_cast<size_t>(context.output_count());
  const auto shape_by = [&](std::string_view attribute) {
    return context.attrs().int_or(attribute, 0) != 0 ? Shape{1} : Shape{};
  };
  const Shape iteration_shape = shape_by(kVectorIteration);
  const Shape condition_shape = shape_by(kVectorCondition);
  std::vector<std::vector<Tensor>> scans(outputs > states ? outputs - states : 0);
  for (int64_t trip = 0; trip < trips && go_on; ++trip) {
    Values feeds = {Value(Tensor::of<int64_t>(iteration_shape, {trip})),
                    Value(Tensor::of<bool>(condition_shape, {true}))};
    feeds.insert(feeds.end(), carried.begin(), carried.end());
    SLUICE_ASSIGN(const std::span<Value> results, context.run_subgraph("body", feeds));
    if (results.size() < 1 + states + scans.size()) {
      return invalid_model(cat("Loop's body has ", results.size(), " outputs (at least ",
                               1 + states + scans.size(), ")"));
    }
    SLUICE_ASSIGN(go_on, truth(results[0], "The condition from Loop's body"));
    for (size_t i = 0; i < states; ++i) carried[i] = std::move(results[1 + i]);
    for (size_t i = 0; i < scans.size(); ++i) {
      Value& result = results[1 + states + i];
      if (!context.wants(static_cast<int>(states + i))) continue;
      if (!result.is_tensor()) return usage_error("A scan output of Loop is not a tensor");
      scans[i].push_back(std::move(result.tensor()));
    }
  }
  for (size_t i = 0; i < std::min(states, outputs); ++i) {
    context.set_out(static_cast<int>(i), std::move(carried[i]));
  }
  for (size_t i = 0; i < scans.size(); ++i) {
    if (!context.wants(static_cast<int>(states + i))) continue;
    SLUICE_ASSIGN(Tensor out, stacked(context, i, std::move(scans[i]), 0));
    context.set_out(static_cast<int>(states + i), Value(std::move(out)));
  }
  return {};
}

namespace {

struct ScanInput {
  Tensor tensor;
  int axis = 0;
  bool reverse = false;
};

struct ScanResult {
  Values states;
  std::vector<std::vector<Tensor>> outputs;  // per scan output, per iteration
};

Result<ScanResult> run_scan(KernelContext& context, Values states,
                            std::span<const ScanInput> inputs, int64_t length,
                            size_t output_count) {
  ScanResult out;
  out.states = std::move(states);
  out.outputs.resize(output_count);
  const size_t state_count = out.states.size();
  for (int64_t t = 0; t < length; ++t) {
    Values feeds = out.states;
    for (const ScanInput& input : inputs) {
      SLUICE_ASSIGN(Tensor element,
                    element_of(input.tensor, input.axis, input.reverse ? length - 1 - t : t));
      feeds.emplace_back(std::move(element));
    }
    SLUICE_ASSIGN(const std::span<Value> results, context.run_subgraph("body", feeds));
    if (results.size() < state_count + output_count) {
      return invalid_model(cat("Scan's body has ", results.size(), " outputs (at least ",
                               state_count + output_count, ")"));
    }
    for (size_t i = 0; i < state_count; ++i) out.states[i] = std::move(results[i]);
    for (size_t i = 0; i < output_count; ++i) {
      Value& result = results[state_count + i];
      if (!result.is_tensor()) return usage_error("A scan output of Scan is not a tensor");
      out.outputs[i].push_back(std::move(result.tensor()));
    }
  }
  return out;
}

// Number of scan inputs, checked against the `given` states and scan inputs.
Result<size_t> scan_input_count(const KernelContext& context, size_t given) {
  const int64_t count = context.attrs().int_or("num_scan_inputs", 0);
  if (count < 1 || count > static_cast<int64_t>(given)) {
    return invalid_model(cat("Scan has num_scan_inputs ", count, " (", given, " inputs)"));
  }
  return static_cast<size_t>(count);
}

int64_t entry_or(const std::vector<int64_t>& list, size_t i, int64_t fallback) {
  return i < list.size() ? list[i] : fallback;
}

}  // namespace

Result<void> scan_reference(KernelContext& context) {
  const auto given = static_cast<size_t>(context.input_count());
  SLUICE_ASSIGN(const size_t count, scan_input_count(context, given));
  const size_t states = given - count;
  const auto outputs = static_cast<size_t>(context.output_count());
  if (outputs < states) return invalid_model("Scan has fewer outputs than states");
  const auto axes = context.attrs().ints_or("scan_input_axes");
  const auto directions = context.attrs().ints_or("scan_input_directions");
  std::vector<ScanInput> inputs;
  int64_t length = 0;
  for (size_t i = 0; i < count; ++i) {
    SLUICE_ASSIGN(const Tensor* tensor, input_tensor(context, static_cast<int>(states + i)));
    SLUICE_ASSIGN(const int axis, op::normalized_axis(entry_or(axes, i, 0), tensor->rank()));
    if (i == 0) length = tensor->dim(axis);
    if (tensor->dim(axis) != length) {
      return usage_error(cat("Scan input ", i, " has ", tensor->dim(axis),
                             " elements (the first has ", length, ")"));
    }
    inputs.push_back({*tensor, axis, entry_or(directions, i, 0) != 0});
  }
  Values initial(context.inputs().begin(),
                 context.inputs().begin() + static_cast<std::ptrdiff_t>(states));
  SLUICE_ASSIGN(ScanResult result,
                run_scan(context, std::move(initial), inputs, length, outputs - states));
  for (size_t i = 0; i < states; ++i)
    context.set_out(static_cast<int>(i), std::move(result.states[i]));
  const auto output_axes = context.attrs().ints_or("scan_output_axes");
  const auto output_directions = context.attrs().ints_or("scan_output_directions");
  for (size_t i = 0; i < result.outputs.size(); ++i) {
    std::vector<Tensor>& parts = result.outputs[i];
    if (entry_or(output_directions, i, 0) != 0) std::ranges::reverse(parts);
    SLUICE_ASSIGN(Tensor out, stacked(context, i, std::move(parts), entry_or(output_axes, i, 0)));
    context.set_out(static_cast<int>(states + i), Value(std::move(out)));
  }
  return {};
}

Result<void> batched_scan_reference(KernelContext& context) {
  const auto given = static_cast<size_t>(std::max(context.input_count() - 1, 0));
  SLUICE_ASSIGN(const size_t count, scan_input_count(context, given));
  const size_t states = given - count;
  const auto outputs = static_cast<size_t>(context.output_count());
  if (outputs < states) return invalid_model("Scan has fewer outputs than states");
  const auto directions = context.attrs().ints_or("directions");
  std::vector<const Tensor*> tensors;
  for (size_t i = 0; i < given; ++i) {
    SLUICE_ASSIGN(const Tensor* tensor, input_tensor(context, static_cast<int>(i) + 1));
    tensors.push_back(tensor);
    if (tensor->rank() < (i < states ? 1 : 2)) {
      return usage_error(
          cat("Scan input ", i + 1, " is ", tensor->text(), ", without a batch axis"));
    }
  }
  const int64_t batches = tensors[states]->dim(0), longest = tensors[states]->dim(1);
  for (size_t i = 0; i < given; ++i) {
    if (tensors[i]->dim(0) != batches || (i >= states && tensors[i]->dim(1) != longest)) {
      return usage_error(cat("Scan input ", i + 1, " is ", tensors[i]->text(), " (batch ", batches,
                             ", length ", longest, ")"));
    }
  }
  std::vector<int64_t> lengths(static_cast<size_t>(batches), longest);
  if (context.has(0)) {
    SLUICE_ASSIGN(lengths, op::input_ints(context, 0));
    if (static_cast<int64_t>(lengths.size()) != batches) {
      return usage_error(cat("Scan has ", lengths.size(), " lengths for a batch of ", batches));
    }
  }
  std::vector<std::vector<Tensor>> final_states(states), scans(outputs - states);
  for (int64_t b = 0; b < batches; ++b) {
    const int64_t length = lengths[static_cast<size_t>(b)];
    if (length < 0 || length > longest) {
      return usage_error(cat("Scan has the length ", length, " (limit ", longest, ")"));
    }
    Values initial;
    std::vector<ScanInput> inputs;
    for (size_t i = 0; i < given; ++i) {
      SLUICE_ASSIGN(Tensor item, element_of(*tensors[i], 0, b));
      if (i < states) {
        initial.emplace_back(std::move(item));
      } else {
        inputs.push_back({std::move(item), 0, entry_or(directions, i - states, 0) != 0});
      }
    }
    SLUICE_ASSIGN(ScanResult result,
                  run_scan(context, std::move(initial), inputs, length, scans.size()));
    for (size_t i = 0; i < states; ++i) {
      if (!result.states[i].is_tensor()) return usage_error("A state of Scan is not a tensor");
      final_states[i].push_back(std::move(result.states[i].tensor()));
    }
    for (size_t i = 0; i < scans.size(); ++i) {
      std::vector<Tensor>& parts = result.outputs[i];
      // What lies beyond a sequence's length is zero.
      if (!parts.empty()) {
        SLUICE_ASSIGN(const Tensor zero, Tensor::allocate(parts[0].dtype(), parts[0].shape()));
        parts.resize(static_cast<size_t>(longest), zero);
      }
      SLUICE_ASSIGN(Tensor sequence, stacked(context, i, std::move(parts), 0));
      scans[i].push_back(std::move(sequence));
    }
  }
  for (size_t i = 0; i < states; ++i) {
    if (final_states[i].empty()) {
      context.set_out(static_cast<int>(i), Value(*tensors[i]));
      continue;
    }
    SLUICE_ASSIGN(Tensor out, stacked(context, i, std::move(final_states[i]), 0));
    context.set_out(static_cast<int>(i), Value(std::move(out)));
  }
  for (size_t i = 0; i < scans.size(); ++i) {
    SLUICE_ASSIGN(Tensor out, stacked(context, i, std::move(scans[i]), 0));
    context.set_out(static_cast<int>(states + i), Value(std::move(out)));
  }
  return {};
}

Result<void> sequence_map_reference(KernelContext& context) {
  if (!context.has(0) || context.input_value(0).kind() != Value::Kind::kSequence) {
    return usage_error("SequenceMap's first input is not a sequence");
  }
  const size_t count = context.input_value(0).items().size();
  std::vector<Values> outputs(static_cast<size_t>(context.output_count()));
  for (size_t n = 0; n < count; ++n) {
    Values feeds;
    for (int i = 0; i < context.input_count(); ++i) {
      const Value& value = context.input_value(i);
      if (value.kind() != Value::Kind::kSequence) {
        feeds.push_back(value);
        continue;
      }
      if (value.items().size() != count) {
        return usage_error(cat("SequenceMap's input ", i, " has ", value.items().size(),
                               " items (the first has ", count, ")"));
      }
      feeds.push_back(value.items()[n]);
    }
    SLUICE_ASSIGN(const std::span<Value> results, context.run_subgraph("body", feeds));
    if (results.size() < outputs.size()) {
      return invalid_model(cat("SequenceMap's body has ", results.size(), " outputs (",
                               outputs.size(), " are used)"));
    }
    for (size_t i = 0; i < outputs.size(); ++i) outputs[i].push_back(std::move(results[i]));
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    context.set_out(static_cast<int>(i), Value::sequence(std::move(outputs[i])));
  }
  return {};
}

}  // namespace sluice::ops::control
