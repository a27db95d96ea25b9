#include "compile/compile_gpu.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <numeric>
#include <set>
#include <unordered_map>

#include "base/text.h"
#include "compile/compile_cpu.h"
#include "compile/parts.h"
#include "compile/place_slices.h"
#include "op/gpu_copy.h"
#include "op/lower.h"
#include "ops/registry.h"
#include "plan/cut.h"
#include "shader/shader.h"
#include "shader/strided_copy.h"

namespace sluice::compile {

using plan::DeviceFormat;
using plan::kNoSlot;
using plan::Plan;
using plan::Slot;
using plan::SlotId;
using plan::Step;
using plan::Storage;

namespace {

// Contents of inputs up to this size may decide a plan's shape: axes, pads, sizes, a scalar.
constexpr int64_t kSmallOperandElements = 64;

bool has_device_form(const Type& type) {
  if (!type.is_tensor() || !type.dims) return false;
  if (plan::device_format(type.dtype, false) == DeviceFormat::kNone) return false;
  return std::ranges::none_of(*type.dims, [](const Dim& dim) { return dim.is_unknown(); });
}

class Compiler {
 public:
  Compiler(const op::Registry& registry, const ir::Graph& graph, const GpuOptions& options)
      : registry_(registry), graph_(graph), options_(options) {}

  Result<GpuProgram> run() {
    plan_ = std::make_shared<Plan>();
    plan_->backend = "webgpu";
    plan_->limits = options_.limits;
    plan_->features = options_.features;
    make_slots();
    for (size_t n = 0; n < graph_.nodes().size(); ++n) {
      SLUICE_ASSIGN(const bool lowered, lower(static_cast<ir::NodeId>(n)));
      if (!lowered) pending_.push_back(static_cast<ir::NodeId>(n));
    }
    SLUICE_TRY(flush_island());
    if (options_.reuse_memory) place_slices(*plan_);
    keep_on_host_what_the_device_never_reads();
    set_lifetimes();
    program_.plan = plan_;
    std::ranges::sort(program_.wanted_inputs);
    const auto same = std::ranges::unique(program_.wanted_inputs);
    program_.wanted_inputs.erase(same.begin(), same.end());
    return std::move(program_);
  }

 private:
  Slot& slot(SlotId id) { return plan_->slots[static_cast<size_t>(id)]; }

  void make_slots() {
    for (size_t v = 0; v < graph_.value_count(); ++v) {
      const ir::ValueInfo& info = graph_.value(static_cast<ir::ValueId>(v));
      Slot made;
      made.name = info.name;
      made.type = info.type;
      made.constant = info.constant;
      made.format = has_device_form(info.type)
                        ? plan::device_format(info.type.dtype, options_.features.f16)
                        : DeviceFormat::kNone;
      made.storage = info.constant ? Storage::kConstant : Storage::kArena;
      plan_->slots.push_back(std::move(made));
    }
    for (const ir::ValueId id : graph_.inputs()) slot(id).storage = Storage::kInput;
    plan_->inputs = graph_.inputs();
    plan_->outputs = graph_.outputs();
  }

  // --- one node

  Result<bool> lower(ir::NodeId id) {
    const ir::Node& node = graph_.node(id);
    const op::OpDef* def = registry_.find(node.domain, node.op);
    if (def == nullptr) {
      return unsupported(cat("The operator ", node.full_op(), " of ", node.label(), " is unknown"));
    }
    Step step;
    step.op = node.full_op();
    step.node = node.name;
    step.inputs = node.inputs;
    step.outputs = node.outputs;
    step.attrs = node.attrs;
    const op::NodeView view(graph_, node);
    if (def->cost != nullptr) step.flops = def->cost(view).flops;

    std::string why = values_in_the_way(node);
    if (why.empty() && def->view) {
      // Same elements, same format: the memory is shared.
      if (slot(node.input(0)).format == slot(node.output(0)).format) {
        step.view = true;
        step.kernel = "view";
        slot(node.output(0)).storage = Storage::kAlias;
        slot(node.output(0)).alias_of = node.input(0);
        SLUICE_TRY(flush_island());
        plan_->steps.push_back(std::move(step));
        return true;
      }
      why = "the view changes the form of its elements";
    }
    if (why.empty()) {
      const auto candidates = ops::gpu_candidates(node.domain, node.op);
      if (candidates.empty()) why = "the operator has no GPU kernel";
      Lowered lowered;
      SLUICE_ASSIGN(bool taken, try_candidates(graph_, node, nullptr, lowered));
      if (!taken && lowered.too_large) {
        SLUICE_ASSIGN(taken, try_parts(graph_, node, nullptr, lowered));
        if (!taken && program_.wants_larger.empty()) {
          program_.wants_larger = join(lowered.refused, "; ");
        }
      }
      if (taken) {
        step.kernel = std::move(lowered.kernel);
        step.why = join(lowered.refused, "; ");
        SLUICE_TRY(issue(std::move(lowered.requests), node, step));
        program_.packs.merge(lowered.packs);
        SLUICE_TRY(flush_island());
        const int index = static_cast<int>(plan_->steps.size());
        for (const SlotId temp : lowered.temps) {
          slot(temp).first_step = slot(temp).last_step = index;
        }
        plan_->steps.push_back(std::move(step));
        return true;
      }
      if (!lowered.refused.empty()) why = join(lowered.refused, "; ");
    }
    const std::string label = !node.name.empty() || node.output(0) == ir::kNoValue
                                  ? node.name
                                  : graph_.value(node.output(0)).name;
    program_.refusals.push_back({label, node.full_op(), why});
    return false;
  }

  // What a candidate made of a node.
  struct Lowered {
    std::string kernel;
    std::vector<std::string> refused;  // why the candidates before it did not take it
    std::vector<plan::DispatchRequest> requests;
    std::vector<SlotId> temps;
    std::map<SlotId, op::LowerContext::Pack> packs;
    bool too_large = false;  // something exceeds a binding
  };

  // Whether a candidate takes the node; the first one that does. Values of `graph` other than the
  // compiler's own are in `slots`.
  Result<bool> try_candidates(const ir::Graph& graph, const ir::Node& node,
                              const std::vector<SlotId>* slots, Lowered& out) {
    const auto named = [&](std::string_view name) {
      return std::ranges::count(options_.kernels, name) != 0;
    };
    std::vector<op::GpuCandidate> candidates;
    for (const bool forced : {true, false}) {
      for (const op::GpuCandidate& candidate : ops::gpu_candidates(node.domain, node.op)) {
        if (named(candidate.name) == forced) candidates.push_back(candidate);
      }
    }
    for (const op::GpuCandidate& candidate : candidates) {
      if (named(cat("-", candidate.name))) {
        out.refused.push_back(cat(candidate.name, ": it is not wanted"));
        continue;
      }
      op::LowerContext context(graph, node, *plan_, slots);
      context.forced = named(candidate.name);
      context.made.defer_packing = options_.defer_packing;
      const size_t slots_before = plan_->slots.size();
      const auto lowered = candidate.lower(context);
      if (lowered.ok() && context.made.requests.empty()) {
        return internal_error(cat(candidate.name, " issues no dispatch for ", node.label()));
      }
      std::string why;
      if (lowered.ok()) {
        why = larger_than_a_binding(context.made);
        if (why.empty()) {
          out.kernel = std::string(candidate.name);
          std::ranges::move(context.made.requests, std::back_inserter(out.requests));
          std::ranges::copy(context.made.temps, std::back_inserter(out.temps));
          out.packs.insert(context.made.packs.begin(), context.made.packs.end());
          return true;
        }
        out.too_large = true;
      } else {
        if (lowered.error().code != ErrorCode::kUnsupported) return lowered.error();
        why = lowered.error().message;
        if (slots == nullptr) {
          program_.wants_static |= context.made.wants_static;
          for (const ir::ValueId value : context.made.wanted) want(value);
        }
      }
      plan_->slots.resize(slots_before);
      out.refused.push_back(cat(candidate.name, ": ", why));
    }
    const auto too_large = [&](ir::ValueId id) {
      return id != ir::kNoValue &&
             bytes_of(slots == nullptr ? id : (*slots)[static_cast<size_t>(id)]) >
                 plan_->limits.max_storage_binding_bytes;
    };
    out.too_large |=
        std::ranges::any_of(node.inputs, too_large) || std::ranges::any_of(node.outputs, too_large);
    return false;
  }

  // Bytes that are known now; 0 otherwise.
  uint64_t bytes_of(SlotId id) const {
    const Slot& at = plan_->slot(id);
    const auto shape = at.type.shape();
    const auto count = shape ? shape->checked_elements() : std::nullopt;
    return count ? static_cast<uint64_t>(*count) * plan::element_bytes(at.format) : 0;
  }

  // A sentence about the first binding or temporary that is larger than may be; empty: none.
  std::string larger_than_a_binding(const op::LowerContext::Made& made) const {
    const plan::Limits& limits = plan_->limits;
    for (const plan::DispatchRequest& request : made.requests) {
      for (const plan::BoundRange& bound : request.bindings) {
        if (bound.range.slot == kNoSlot) continue;
        const Dim& size = bound.range.size_bytes;
        const uint64_t bytes =
            size.is_known() ? static_cast<uint64_t>(size.value()) : bytes_of(bound.range.slot);
        if (bytes > limits.max_storage_binding_bytes) {
          return cat("it binds ", bytes, " bytes of ", quoted(plan_->slot(bound.range.slot).name),
                     " (", limits.max_storage_binding_bytes, " is the limit)");
        }
      }
    }
    for (const SlotId temp : made.temps) {
      if (bytes_of(temp) > limits.max_buffer_bytes) {
        return cat("an intermediate result takes ", bytes_of(temp), " bytes (",
                   limits.max_buffer_bytes, " is the limit of a buffer)");
      }
    }
    return "";
  }

  // --- parts of a node

  // Lowers the node part by part. False when no way of cutting it makes all parts fit.
  Result<bool> try_parts(const ir::Graph& graph, const ir::Node& node,
                         const std::vector<SlotId>* slots, Lowered& out) {
    for (const Parts& parts : parts_of(op::NodeView(graph, node))) {
      const size_t slots_before = plan_->slots.size();
      Lowered made;
      SLUICE_ASSIGN(const int64_t count, lower_parts({graph, node, slots, parts}, made));
      if (count == 0) {
        plan_->slots.resize(slots_before);
        continue;
      }
      out.kernel = std::move(made.kernel);
      std::ranges::move(made.requests, std::back_inserter(out.requests));
      std::ranges::copy(made.temps, std::back_inserter(out.temps));
      out.packs.merge(made.packs);
      out.refused.push_back(cat("cut into ", count, " parts"));
      return true;
    }
    return false;
  }

  struct Whole {
    const ir::Graph& graph;
    const ir::Node& node;
    const std::vector<SlotId>* slots;
    const Parts& parts;

    SlotId slot(ir::ValueId id) const {
      return slots == nullptr ? id : (*slots)[static_cast<size_t>(id)];
    }
    // Elements along the axis that one part of the smallest kind has.
    int64_t unit(ir::ValueId id, int axis) const {
      return (*graph.type(id).dims)[static_cast<size_t>(axis)].value() / parts.count;
    }
  };

  struct PartSize {
    int64_t size = 0;  // of how many of the smallest parts each part consists; 0: it can't be cut
    bool copied = false;  // slices don't start where bindings may: they are copied to and fro
  };

  // So that slices fit bindings; when even the smallest such slice does not, each part is cut once
  // more.
  PartSize part_size(const Whole& whole) const {
    const Parts& parts = whole.parts;
    const auto alignment = uint64_t{plan_->limits.min_storage_offset_alignment};
    const auto count = static_cast<uint64_t>(parts.count);
    uint64_t granule = 1, most = count;
    const auto look = [&](ir::ValueId id, int axis) {
      if (id == ir::kNoValue || axis == Parts::kWhole) return true;
      const Shape shape = *whole.graph.type(id).shape();
      const uint64_t bytes = bytes_of(whole.slot(id));
      if (axis >= shape.rank() || shape[axis] % parts.count != 0 || bytes == 0) return false;
      most = std::min(most, plan_->limits.max_storage_binding_bytes / (bytes / count));
      if (whole.graph.is_constant(id)) return dtype_bits(whole.graph.type(id).dtype) >= 8;
      granule = std::lcm(granule, alignment / std::gcd(alignment, bytes / count));
      return shape.elements(0, axis) == 1;
    };
    for (size_t i = 0; i < parts.inputs.size(); ++i) {
      if (!look(whole.node.inputs[i], parts.inputs[i])) return {};
    }
    for (size_t i = 0; i < parts.outputs.size(); ++i) {
      if (!look(whole.node.outputs[i], parts.outputs[i])) return {};
    }
    const bool copied = granule >= count || (most != 0 && granule > most);
    if (copied && most == 0) return {};
    if (copied) granule = 1;
    // Whole granules, about equally many in each part.
    const uint64_t size = std::max(most / granule, uint64_t{1}) * granule;
    if (size >= count) return {};
    const uint64_t pieces = (count + size - 1) / size;
    const uint64_t even = (count + pieces - 1) / pieces;
    return {static_cast<int64_t>((even + granule - 1) / granule * granule), copied};
  }

  // A range of a tensor that is copied to memory of its own, or from there.
  struct Copied {
    SlotId whole = kNoSlot, part = kNoSlot;
    int64_t first = 0, count = 0;  // elements
  };

  static Result<void> add_copy(op::LowerContext& context, SlotId from, int64_t from_at, SlotId to,
                               int64_t to_at, int64_t count) {
    return op::dispatch_copy<shader::strided_copy::Call>(context, {.from = from,
                                                                   .to = to,
                                                                   .shape = {Dim(count)},
                                                                   .from_strides = {Dim(1)},
                                                                   .to_strides = {Dim(1)},
                                                                   .from_offset = from_at,
                                                                   .to_offset = to_at});
  }

  // The slice of a value that part [first, first + count) has: a value of `part`, whose slot is
  // appended to `part_slots`. With `copied`, the slice is memory of its own (`own`, which the first
  // and largest part makes).
  Result<ir::ValueId> add_slice(const Whole& whole, ir::ValueId id, int axis, int64_t first,
                                int64_t count, bool is_output, ir::Graph& part,
                                std::vector<SlotId>& part_slots, std::vector<Copied>* copied,
                                SlotId& own) {
    if (id == ir::kNoValue) return id;
    const ir::ValueInfo& info = whole.graph.value(id);
    const SlotId from = whole.slot(id);
    Type type = info.type;
    if (axis == Parts::kWhole) {
      const ir::ValueId made = info.constant ? part.add_constant(info.name, *info.constant)
                               : is_output   ? part.add_value(info.name, type)
                                             : part.add_input(info.name, type);
      part.value(made).known_ints = info.known_ints;
      part_slots.push_back(from);
      return made;
    }
    const int64_t unit = whole.unit(id, axis);
    (*type.dims)[static_cast<size_t>(axis)] = unit * count;
    Slot slice;
    slice.name = plan_->slot(from).name;
    slice.type = type;
    slice.format = plan_->slot(from).format;
    ir::ValueId made = ir::kNoValue;
    if (info.constant) {
      SLUICE_ASSIGN(slice.constant, slice_of(*info.constant, axis, unit * first, unit * count));
      slice.storage = Storage::kConstant;
      made = part.add_constant(info.name, *slice.constant);
    } else {
      made = is_output ? part.add_value(info.name, type) : part.add_input(info.name, type);
      const int64_t unit_elems = info.type.shape()->elements() / whole.parts.count;
      if (copied != nullptr) {
        slice.name += "#part";
        slice.storage = own == kNoSlot ? Storage::kArena : Storage::kAlias;
        slice.alias_of = own;  // the last part may be smaller
        plan_->slots.push_back(std::move(slice));
        part_slots.push_back(static_cast<SlotId>(plan_->slots.size() - 1));
        if (own == kNoSlot) own = part_slots.back();
        copied->push_back({from, part_slots.back(), first * unit_elems, count * unit_elems});
        return made;
      }
      slice.storage = Storage::kAlias;
      slice.alias_of = from;
      slice.alias_offset_bytes =
          static_cast<uint64_t>(unit_elems * first) * plan::element_bytes(slice.format);
    }
    plan_->slots.push_back(std::move(slice));
    part_slots.push_back(static_cast<SlotId>(plan_->slots.size() - 1));
    return made;
  }

  static Result<Tensor> slice_of(const Tensor& tensor, int axis, int64_t first, int64_t count) {
    Shape shape = tensor.shape();
    const size_t inner = static_cast<size_t>(shape.elements(axis + 1, shape.rank())) *
                         static_cast<size_t>(dtype_bits(tensor.dtype()) / 8);
    const size_t from_row = static_cast<size_t>(shape[axis]) * inner;
    const size_t to_row = static_cast<size_t>(count) * inner;
    const int64_t rows = shape.elements(0, axis);
    shape[axis] = count;
    SLUICE_ASSIGN(Tensor out, Tensor::allocate_uninitialized(tensor.dtype(), shape));
    for (int64_t row = 0; row < rows; ++row) {
      std::memcpy(out.mutable_bytes().data() + static_cast<size_t>(row) * to_row,
                  tensor.bytes().data() + static_cast<size_t>(row) * from_row +
                      static_cast<size_t>(first) * inner,
                  to_row);
    }
    return out;
  }

  // The number of parts; 0 when one of them can't be lowered.
  Result<int64_t> lower_parts(const Whole& whole, Lowered& out) {
    const Parts& parts = whole.parts;
    const PartSize cut = part_size(whole);
    if (cut.size == 0) return 0;
    const int64_t count = (parts.count + cut.size - 1) / cut.size;
    std::array<SlotId, 2> sums = {kNoSlot, kNoSlot};
    std::vector<SlotId> own_in(parts.inputs.size(), kNoSlot);
    std::vector<SlotId> own_out(parts.outputs.size(), kNoSlot);
    std::vector<SlotId> temps;  // of the parts' candidates
    for (int64_t p = 0; p < count; ++p) {
      const int64_t first = p * cut.size, here = std::min(cut.size, parts.count - first);
      ir::Graph part;
      std::vector<SlotId> part_slots;
      std::vector<Copied> before, after;
      ir::Node node;
      node.domain = whole.node.domain;
      node.op = whole.node.op;
      node.name = whole.node.name;
      node.attrs = whole.node.attrs;
      if (parts.groups) node.attrs.set("group", here);
      for (size_t i = 0; i < parts.inputs.size(); ++i) {
        SLUICE_ASSIGN(const ir::ValueId id,
                      add_slice(whole, whole.node.inputs[i], parts.inputs[i], first, here, false,
                                part, part_slots, cut.copied ? &before : nullptr, own_in[i]));
        node.inputs.push_back(id);
      }
      for (const auto& [operand, element] : parts.extents) {
        SLUICE_TRY(name_extent(part, node.input(operand), element,
                               here * whole.unit(whole.node.input(0), parts.inputs[0])));
      }
      for (size_t i = 0; i < parts.outputs.size(); ++i) {
        SLUICE_ASSIGN(const ir::ValueId id,
                      add_slice(whole, whole.node.outputs[i], parts.outputs[i], first, here, true,
                                part, part_slots, cut.copied ? &after : nullptr, own_out[i]));
        node.outputs.push_back(id);
      }
      if (parts.sums) add_up(p, count, node, part, part_slots, sums);
      part.add_node(std::move(node));
      op::LowerContext copies(whole.graph, whole.node, *plan_, whole.slots);
      for (const Copied& c : before) {
        if (!add_copy(copies, c.whole, c.first, c.part, 0, c.count).ok()) return 0;
      }
      std::ranges::move(copies.made.requests, std::back_inserter(out.requests));
      copies.made.requests.clear();
      Lowered made;
      SLUICE_ASSIGN(bool taken, try_candidates(part, part.node(0), &part_slots, made));
      if (!taken) {
        SLUICE_ASSIGN(taken, try_parts(part, part.node(0), &part_slots, made));
      }
      if (!taken) return 0;
      out.kernel = std::move(made.kernel);
      out.packs.merge(made.packs);
      share_temps(temps, made);
      std::ranges::move(made.requests, std::back_inserter(out.requests));
      for (const Copied& c : after) {
        if (!add_copy(copies, c.part, 0, c.whole, c.first, c.count).ok()) return 0;
      }
      std::ranges::move(copies.made.requests, std::back_inserter(out.requests));
    }
    const auto keep = [&](SlotId id) {
      if (id != kNoSlot) out.temps.push_back(id);
    };
    std::ranges::for_each(own_in, keep);
    std::ranges::for_each(own_out, keep);
    std::ranges::for_each(sums, keep);
    std::ranges::for_each(temps, keep);
    return count;
  }

  // An integer operand that names the extent which is cut.
  static Result<void> name_extent(ir::Graph& part, ir::ValueId id, int element, int64_t extent) {
    ir::ValueInfo& info = part.value(id);
    if (info.known_ints) (*info.known_ints)[static_cast<size_t>(element)] = extent;
    if (!info.constant) return {};
    SLUICE_ASSIGN(Tensor changed, info.constant->clone());
    changed.set_int(element, extent);
    info.constant = std::move(changed);
    return {};
  }

  // Makes part p of a convolution, cut along the sum, go on from the sums of the part before it: as
  // its residual, which is added before the activation.
  void add_up(int64_t p, int64_t count, ir::Node& node, ir::Graph& part,
              std::vector<SlotId>& part_slots, std::array<SlotId, 2>& sums) {
    constexpr size_t kResidual = 3;
    node.domain = "sluice";
    node.op = "FusedConv";
    node.inputs.resize(kResidual + 1, ir::kNoValue);
    if (p > 0) {
      node.inputs[2] = ir::kNoValue;
      const Type type = part.type(node.outputs[0]);
      node.inputs[kResidual] = part.add_input("sums", type);
      part_slots.push_back(sums[static_cast<size_t>((p - 1) % 2)]);
    }
    if (p + 1 == count) return;
    node.attrs.erase("activation");
    node.attrs.erase("activation_params");
    SlotId& to = sums[static_cast<size_t>(p % 2)];
    if (to == kNoSlot) {
      Slot sum;
      sum.name = cat(node.name.empty() ? node.op : node.name, "#sum", p);
      sum.type = part.type(node.outputs[0]);
      sum.storage = Storage::kArena;
      sum.format = DeviceFormat::kF32;
      plan_->slots.push_back(std::move(sum));
      to = static_cast<SlotId>(plan_->slots.size() - 1);
    }
    part_slots[static_cast<size_t>(node.outputs[0])] = to;
  }

  // Parts run one after the other: what an earlier one had for itself serves a later one.
  void share_temps(std::vector<SlotId>& have, Lowered& part) {
    std::vector<SlotId> free = have;
    for (const SlotId temp : part.temps) {
      const auto same = std::ranges::find_if(free, [&](SlotId id) {
        return plan_->slot(id).format == plan_->slot(temp).format &&
               bytes_of(id) >= bytes_of(temp) && bytes_of(temp) != 0 &&
               bytes_of(id) <= plan_->limits.max_storage_binding_bytes;
      });
      if (same == free.end()) {
        have.push_back(temp);
        continue;
      }
      for (plan::DispatchRequest& request : part.requests) {
        for (plan::BoundRange& bound : request.bindings) {
          if (bound.range.slot == temp) bound.range.slot = *same;
        }
      }
      free.erase(same);
    }
  }

  // Empty, or why the node's values can't be on the device. Notes what a run would tell.
  std::string values_in_the_way(const ir::Node& node) {
    std::string why;
    const auto look = [&](ir::ValueId id, const char* what) {
      if (id == ir::kNoValue || !why.empty()) return;
      const ir::ValueInfo& info = graph_.value(id);
      if (has_device_form(info.type)) return;
      why = cat(what, " ", quoted(info.name), " is ", info.type.text(),
                ", which has no form on the device before the run");
      if (!info.type.is_tensor()) return;
      // Unknown extents may become known with the run's shapes or small operands.
      program_.wants_static = true;
      for (const ir::ValueId operand : node.inputs) {
        if (operand == ir::kNoValue || graph_.is_constant(operand)) continue;
        const auto shape = graph_.type(operand).shape();
        const bool first = operand == node.input(0);
        const bool scalar_like = shape && shape->rank() <= 1 &&
                                 shape->elements() <= kSmallOperandElements &&
                                 graph_.type(operand).dtype != DType::kBool;
        const bool shapes_only = node.op == "Range" || node.op == "ConstantOfShape" ||
                                 node.op == "Loop" || node.op.ends_with("Window") ||
                                 node.op == "MelWeightMatrix";
        if (scalar_like && (!first || shapes_only)) want(operand);
      }
    };
    for (const ir::ValueId id : node.inputs) look(id, "input");
    for (const ir::ValueId id : node.outputs) look(id, "output");
    if (!node.subgraphs.empty()) {
      why = "its subgraphs run on the CPU";
      // A condition that is known puts one branch in the node's place.
      if (node.op == "If") want(node.input(0));
    }
    return why;
  }

  // A value whose contents a lowering asked for in vain: if it is computed from small graph inputs
  // only, those can be given at the next compilation.
  void want(ir::ValueId id) {
    std::vector<ir::ValueId> todo = {id};
    std::set<ir::ValueId> seen;
    std::vector<std::string> names;
    while (!todo.empty()) {
      const ir::ValueId at = todo.back();
      todo.pop_back();
      if (at == ir::kNoValue || graph_.is_constant(at) || !seen.insert(at).second) continue;
      const ir::ValueInfo& info = graph_.value(at);
      if (info.producer == ir::kNoNode) {
        const auto shape = info.type.shape();
        if (!shape) {
          program_.wants_static = true;  // its size is told first
          return;
        }
        if (shape->elements() > kSmallOperandElements) return;
        names.push_back(info.name);
        continue;
      }
      const ir::Node& producer = graph_.node(info.producer);
      if (producer.op == "Shape" || producer.op == "Size") {
        program_.wants_static = true;
        continue;
      }
      if (!producer.subgraphs.empty()) return;
      todo.insert(todo.end(), producer.inputs.begin(), producer.inputs.end());
    }
    program_.wanted_inputs.insert(program_.wanted_inputs.end(), names.begin(), names.end());
  }

  // The step's FLOPs are shared out evenly among the dispatches that may be cut, since those have
  // the heavy shaders; among all where none may be.
  Result<void> issue(std::vector<plan::DispatchRequest> requests, const ir::Node& node,
                     Step& step) {
    const auto cuttable = [](const plan::DispatchRequest& r) { return r.first_workgroup >= 0; };
    const auto heavy = static_cast<size_t>(std::ranges::count_if(requests, cuttable));
    const double share =
        step.flops / static_cast<double>(heavy != 0 ? heavy : std::max(requests.size(), size_t{1}));
    const size_t count = requests.size();
    for (plan::DispatchRequest& request : requests) {
      const int32_t first_workgroup = request.first_workgroup;
      SLUICE_ASSIGN(plan::Dispatch whole, accept(std::move(request), node));
      whole.flops = heavy == 0 || first_workgroup >= 0 ? share : 0;
      std::ranges::move(plan::cut(std::move(whole), first_workgroup, options_.most_dispatch_flops,
                                  plan_->limits.max_workgroups_per_dimension),
                        std::back_inserter(step.dispatches));
    }
    if (step.dispatches.size() != count) {
      if (!step.why.empty()) step.why += "; ";
      step.why += cat("in ", step.dispatches.size(), " dispatches rather than ", count,
                      ", each of ", options_.most_dispatch_flops / 1e9, " GFLOP at most");
    }
    return {};
  }

  Result<plan::Dispatch> accept(plan::DispatchRequest request, const ir::Node& node) {
    plan::Dispatch dispatch;
    SLUICE_ASSIGN(dispatch.pipeline, pipeline(request));
    dispatch.params = std::move(request.params);
    dispatch.workgroups = std::move(request.workgroups);
    for (plan::BoundRange& bound : request.bindings) {
      if (bound.range.slot == kNoSlot) {
        if (bound.writable) {
          return internal_error(cat(node.label(), ": ", request.shader, " writes to no slot"));
        }
        bound.range = plan::SlotRange(nothing());
      }
      if (slot(bound.range.slot).format == DeviceFormat::kNone) {
        return internal_error(cat(node.label(), ": ", request.shader, " binds ",
                                  quoted(slot(bound.range.slot).name),
                                  ", which is not on the device"));
      }
      bound_.insert(plan_->root(bound.range.slot));
      dispatch.bindings.push_back(std::move(bound));
    }
    return dispatch;
  }

  Result<int32_t> pipeline(const plan::DispatchRequest& request) {
    std::string key(request.shader);
    for (const auto& [name, value] : request.knobs) key += cat(" ", name, "=", value);
    const auto [at, added] =
        pipeline_of_.try_emplace(key, static_cast<int32_t>(plan_->pipelines.size()));
    if (added) {
      SLUICE_ASSIGN(std::string wgsl, shader::specialise(request.shader, request.knobs));
      plan_->pipelines.push_back({std::string(request.shader), request.knobs, std::move(wgsl)});
    }
    return at->second;
  }

  // Stands for absent inputs.
  SlotId nothing() {
    if (nothing_ != kNoSlot) return nothing_;
    Slot made;
    made.name = "#nothing";
    made.storage = Storage::kConstant;
    made.format = DeviceFormat::kU32;
    made.constant = Tensor::of<uint32_t>(Shape{4}, {0, 0, 0, 0});
    made.type = Type::tensor(DType::kUInt32, Dims{Dim(4)});
    plan_->slots.push_back(std::move(made));
    return nothing_ = static_cast<SlotId>(plan_->slots.size() - 1);
  }

  // --- islands

  // The nodes waiting for the CPU become one step with a CPU plan of their own.
  Result<void> flush_island() {
    if (pending_.empty()) return {};
    const std::vector<ir::NodeId> members = std::move(pending_);
    pending_.clear();
    ir::Graph inner;
    std::unordered_map<ir::ValueId, ir::ValueId> map;
    Step step;
    const auto take = [&](ir::ValueId id) {
      if (id == ir::kNoValue || map.contains(id)) return;
      const ir::ValueInfo& info = graph_.value(id);
      if (info.constant) {
        map[id] = inner.add_constant(info.name, *info.constant);
      } else {
        map[id] = inner.add_input(info.name, info.type);
        step.inputs.push_back(id);
      }
    };
    std::set<ir::NodeId> inside(members.begin(), members.end());
    std::vector<std::string> ops;
    for (const ir::NodeId n : members) {
      const ir::Node& node = graph_.node(n);
      for (const ir::ValueId id : node.inputs) take(id);
      for (const ir::Subgraph& sub : node.subgraphs) {
        for (const ir::ValueId id : sub.captures) take(id);
      }
      for (const ir::ValueId id : node.outputs) {
        if (id != ir::kNoValue) map[id] = inner.add_value(graph_.value(id).name, graph_.type(id));
      }
      ir::Node copy;
      copy.domain = node.domain;
      copy.op = node.op;
      copy.name = node.name;
      copy.attrs = node.attrs;
      const auto inner_id = [&](ir::ValueId id) { return id == ir::kNoValue ? id : map.at(id); };
      for (const ir::ValueId id : node.inputs) copy.inputs.push_back(inner_id(id));
      for (const ir::ValueId id : node.outputs) copy.outputs.push_back(inner_id(id));
      for (const ir::Subgraph& sub : node.subgraphs) {
        ir::Subgraph inner_sub{sub.name, sub.graph->clone(), {}};
        for (const ir::ValueId id : sub.captures) inner_sub.captures.push_back(map.at(id));
        copy.subgraphs.push_back(std::move(inner_sub));
      }
      inner.add_node(std::move(copy));
      if (ops.empty() || ops.back() != node.full_op()) ops.push_back(node.full_op());
    }
    if (uses_.empty()) uses_ = graph_.uses();
    for (const ir::NodeId n : members) {
      for (const ir::ValueId id : graph_.node(n).outputs) {
        if (id == ir::kNoValue) continue;
        const auto& readers = uses_[static_cast<size_t>(id)];
        // For dumps every value is wanted.
        const bool outside =
            !options_.reuse_memory || std::ranges::any_of(readers, [&](ir::NodeId r) {
              return r < 0 || !inside.contains(r);
            });
        if (!outside) {
          slot(id).format = DeviceFormat::kNone;
          continue;
        }
        step.outputs.push_back(id);
        inner.outputs().push_back(map.at(id));
      }
    }
    step.op = join(ops, "+");
    step.node = graph_.node(members[0]).name;
    step.kernel = "cpu";
    for (const ir::NodeId n : members) {
      const op::OpDef* def = registry_.find(graph_.node(n).domain, graph_.node(n).op);
      if (def->cost != nullptr) step.flops += def->cost(op::NodeView(graph_, graph_.node(n))).flops;
    }
    const size_t first = program_.refusals.size() - members.size();
    std::vector<std::string> reasons;
    for (size_t i = first; i < program_.refusals.size(); ++i) {
      reasons.push_back(cat(program_.refusals[i].op, ": ", program_.refusals[i].why));
    }
    step.why = join(reasons, "; ");
    SLUICE_ASSIGN(auto cpu_plan, compile_cpu(registry_, inner));
    step.subplans.push_back({"island", std::move(cpu_plan), {}});
    plan_->steps.push_back(std::move(step));
    return {};
  }

  // --- memory

  // Inputs, constants and island results that no dispatch binds need no device memory; graph
  // outputs that the device makes stay there, and so does what shares memory with anything.
  void keep_on_host_what_the_device_never_reads() {
    std::set<SlotId> shared;
    for (size_t s = 0; s < plan_->slots.size(); ++s) {
      if (plan_->slots[s].storage == Storage::kAlias)
        shared.insert(plan_->root(static_cast<SlotId>(s)));
    }
    for (size_t s = 0; s < plan_->slots.size(); ++s) {
      const SlotId id = static_cast<SlotId>(s);
      Slot& at = plan_->slots[s];
      if (at.storage == Storage::kAlias || bound_.contains(id) || shared.contains(id)) continue;
      at.format = DeviceFormat::kNone;
    }
  }

  void set_lifetimes() {
    const int count = static_cast<int>(plan_->steps.size());
    const auto touch = [&](SlotId id, int step, bool written) {
      if (id == kNoSlot) return;
      Slot& root = slot(plan_->root(id));
      root.last_step = std::max(root.last_step, step);
      if (written && (root.first_step < 0 || step < root.first_step)) root.first_step = step;
    };
    for (int n = 0; n < count; ++n) {
      const Step& step = plan_->steps[static_cast<size_t>(n)];
      for (const SlotId id : step.inputs) touch(id, n, false);
      for (const SlotId id : step.outputs) touch(id, n, !step.view);
      for (const plan::Dispatch& dispatch : step.dispatches) {
        for (const plan::BoundRange& bound : dispatch.bindings) {
          touch(bound.range.slot, n, bound.writable);
        }
      }
    }
    for (const SlotId id : plan_->outputs) touch(id, count, false);
    for (const SlotId id : plan_->inputs) slot(id).first_step = -1;
    for (Slot& at : plan_->slots) {
      if (at.storage == Storage::kConstant) at.first_step = -1;
    }
  }

  const op::Registry& registry_;
  const ir::Graph& graph_;
  const GpuOptions& options_;
  std::shared_ptr<Plan> plan_;
  GpuProgram program_;
  std::vector<ir::NodeId> pending_;  // for the next island
  std::vector<std::vector<ir::NodeId>> uses_;
  std::set<SlotId> bound_;  // roots that dispatches bind
  std::unordered_map<std::string, int32_t> pipeline_of_;
  SlotId nothing_ = kNoSlot;
};

}  // namespace

Result<GpuProgram> compile_gpu(const op::Registry& registry, const ir::Graph& graph,
                               const GpuOptions& options) {
  return Compiler(registry, graph, options).run();
}

}  // namespace sluice::compile
