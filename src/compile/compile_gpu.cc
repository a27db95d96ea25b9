#include "compile/compile_gpu.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "base/text.h"
#include "compile/compile_cpu.h"
#include "compile/place_slices.h"
#include "op/lower.h"
#include "ops/registry.h"
#include "shader/shader.h"

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
      std::vector<std::string> refused;
      for (const op::GpuCandidate& candidate : candidates) {
        op::LowerContext context(graph_, node, *plan_);
        const size_t slots_before = plan_->slots.size();
        const auto lowered = candidate.lower(context);
        if (lowered.ok() && context.made.requests.empty()) {
          return internal_error(cat(candidate.name, " issues no dispatch for ", node.label()));
        }
        if (lowered.ok()) {
          step.kernel = std::string(candidate.name);
          step.why = join(refused, "; ");
          for (plan::DispatchRequest& request : context.made.requests) {
            SLUICE_ASSIGN(plan::Dispatch dispatch, accept(std::move(request), node));
            step.dispatches.push_back(std::move(dispatch));
          }
          SLUICE_TRY(flush_island());
          const int index = static_cast<int>(plan_->steps.size());
          for (const SlotId temp : context.made.temps) {
            slot(temp).first_step = slot(temp).last_step = index;
          }
          plan_->steps.push_back(std::move(step));
          return true;
        }
        plan_->slots.resize(slots_before);
        if (lowered.error().code != ErrorCode::kUnsupported) return lowered.error();
        program_.wants_static |= context.made.wants_static;
        for (const ir::ValueId value : context.made.wanted) want(value);
        refused.push_back(cat(candidate.name, ": ", lowered.error().message));
      }
      if (!refused.empty()) why = join(refused, "; ");
    }
    const std::string label = !node.name.empty() || node.output(0) == ir::kNoValue
                                  ? node.name
                                  : graph_.value(node.output(0)).name;
    program_.refusals.push_back({label, node.full_op(), why});
    return false;
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
