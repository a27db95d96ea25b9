#include "compile/compile_cpu.h"

#include <algorithm>

#include "base/text.h"
#include "compile/place_slices.h"

namespace sluice::compile {

using plan::kNoSlot;
using plan::Plan;
using plan::Slot;
using plan::SlotId;
using plan::Step;
using plan::Storage;

std::string reference_kernel_name(const op::OpDef& def) {
  return def.domain.empty() ? cat(def.name, ".reference")
                            : cat(def.domain, ".", def.name, ".reference");
}

namespace {

// Arena memory needs a size that symbols alone determine.
bool has_plannable_size(const Type& type) {
  if (!type.is_tensor() || !type.dims || dtype_bits(type.dtype) == 0) return false;
  return std::ranges::none_of(*type.dims, [](const Dim& dim) { return dim.is_unknown(); });
}

bool same_bytes(const Type& a, const Type& b) {
  if (!has_plannable_size(a) || !has_plannable_size(b)) return false;
  if (dtype_bits(a.dtype) != dtype_bits(b.dtype)) return false;
  return product(*a.dims, 0, a.dims->size()) == product(*b.dims, 0, b.dims->size());
}

class Compiler {
 public:
  Compiler(const op::Registry& registry, const ir::Graph& graph, const CpuOptions& options)
      : registry_(registry), graph_(graph), options_(options) {}

  Result<std::shared_ptr<Plan>> run() {
    plan_ = std::make_shared<Plan>();
    plan_->backend = "cpu";
    for (size_t v = 0; v < graph_.value_count(); ++v) {
      const ir::ValueInfo& info = graph_.value(static_cast<ir::ValueId>(v));
      Slot slot;
      slot.name = info.name;
      slot.type = info.type;
      slot.constant = info.constant;
      slot.storage = info.constant                   ? Storage::kConstant
                     : has_plannable_size(info.type) ? Storage::kArena
                                                     : Storage::kHeap;
      plan_->slots.push_back(std::move(slot));
    }
    for (const auto* list : {&graph_.inputs(), &graph_.captures()}) {
      for (const ir::ValueId id : *list) slot(id).storage = Storage::kInput;
    }
    plan_->inputs = graph_.inputs();
    plan_->captures = graph_.captures();
    plan_->outputs = graph_.outputs();
    for (const ir::ValueId id : graph_.outputs()) {
      if (slot(id).storage == Storage::kArena && !options_.lend_outputs) {
        slot(id).storage = Storage::kHeap;
      }
    }
    last_use_.assign(graph_.value_count(), -1);
    for (size_t n = 0; n < graph_.nodes().size(); ++n) {
      const ir::Node& node = graph_.nodes()[n];
      const auto use = [&](ir::ValueId id) {
        if (id != ir::kNoValue) last_use_[static_cast<size_t>(id)] = static_cast<int>(n);
      };
      for (const ir::ValueId id : node.inputs) use(id);
      for (const ir::Subgraph& sub : node.subgraphs) std::ranges::for_each(sub.captures, use);
    }
    for (const ir::ValueId id : graph_.outputs()) {
      last_use_[static_cast<size_t>(id)] = static_cast<int>(graph_.nodes().size());
    }
    root_last_use_ = last_use_;
    share_views_with_outputs();
    for (size_t n = 0; n < graph_.nodes().size(); ++n) SLUICE_TRY(add_step(static_cast<int>(n)));
    if (options_.reuse_memory) place_parts(*plan_);
    set_lifetimes();
    return std::move(plan_);
  }

 private:
  Slot& slot(SlotId id) { return plan_->slots[static_cast<size_t>(id)]; }

  // What a graph output is a view of must outlive the run, so it can't lie in the arena. Found back
  // to front, so that chains of views are followed.
  void share_views_with_outputs() {
    for (size_t n = graph_.nodes().size(); n-- > 0;) {
      const ir::Node& node = graph_.nodes()[n];
      const op::OpDef* def = registry_.find(node.domain, node.op);
      if (def == nullptr || !def->view || node.output(0) == ir::kNoValue) continue;
      if (slot(node.output(0)).storage == Storage::kHeap && node.input(0) != ir::kNoValue &&
          slot(node.input(0)).storage == Storage::kArena) {
        slot(node.input(0)).storage = Storage::kHeap;
      }
    }
  }

  // The last step that reads any slot sharing memory with `id`.
  int last_use_of_root(SlotId id) const {
    return root_last_use_[static_cast<size_t>(plan_->root(id))];
  }

  Result<void> add_step(int n) {
    const ir::Node& node = graph_.nodes()[static_cast<size_t>(n)];
    const op::OpDef* def = registry_.find(node.domain, node.op);
    if (def == nullptr || def->reference == nullptr) {
      return unsupported(
          cat("The operator ", node.full_op(), " of ", node.label(), " has no kernel for the CPU"));
    }
    Step step;
    step.op = node.full_op();
    step.node = node.name;
    step.inputs = node.inputs;
    step.outputs = node.outputs;
    step.attrs = node.attrs;
    step.view = def->view;
    const op::NodeView view(graph_, node);
    if (def->cost != nullptr) step.flops = def->cost(view).flops;

    const op::CpuCandidate* chosen = nullptr;
    std::vector<std::string> refusals;
    if (options_.fast_kernels) {
      for (const op::CpuCandidate& candidate : def->cpu) {
        std::string reason = candidate.refuse == nullptr ? "" : candidate.refuse(view);
        if (reason.empty()) {
          chosen = &candidate;
          break;
        }
        refusals.push_back(cat(candidate.kernel.name, ": ", reason));
      }
    }
    step.kernel =
        chosen != nullptr ? std::string(chosen->kernel.name) : reference_kernel_name(*def);
    step.why = join(refusals, "; ");

    const SlotId out = node.output(0);
    if (out != kNoSlot && slot(out).storage == Storage::kArena) {
      if (def->view && node.input(0) != kNoSlot && slot(node.input(0)).type.is_tensor()) {
        // A view of a constant, an input or a heap value shares that; nothing to lay out.
        make_alias(out, node.input(0));
      } else if (chosen != nullptr && chosen->in_place_input >= 0 && options_.reuse_memory) {
        const SlotId in = node.input(chosen->in_place_input);
        if (in != kNoSlot && plan_->slot(plan_->root(in)).storage == Storage::kArena &&
            last_use_of_root(in) == n && same_bytes(slot(in).type, slot(out).type) &&
            std::ranges::count(node.inputs, in) == 1 && !another_input_shares(node, in)) {
          make_alias(out, in);
        }
      }
    }
    for (const ir::Subgraph& sub : node.subgraphs) {
      CpuOptions options = options_;
      options.lend_outputs = false;  // a body's results outlive its next round
      SLUICE_ASSIGN(auto inner, Compiler(registry_, *sub.graph, options).run());
      step.subplans.push_back({sub.name, std::move(inner), sub.captures});
    }
    plan_->steps.push_back(std::move(step));
    return {};
  }

  void make_alias(SlotId out, SlotId in) {
    slot(out).storage = Storage::kAlias;
    slot(out).alias_of = in;
    int& last = root_last_use_[static_cast<size_t>(plan_->root(in))];
    last = std::max(last, last_use_[static_cast<size_t>(out)]);
  }

  bool another_input_shares(const ir::Node& node, SlotId in) const {
    return std::ranges::any_of(node.inputs, [&](SlotId other) {
      return other != kNoSlot && other != in && plan_->root(other) == plan_->root(in);
    });
  }

  void set_lifetimes() {
    for (size_t s = 0; s < plan_->slots.size(); ++s) {
      Slot& root = slot(plan_->root(static_cast<SlotId>(s)));
      root.last_step = std::max(root.last_step, last_use_[s]);
      const ir::NodeId producer = graph_.value(static_cast<ir::ValueId>(s)).producer;
      if (producer == ir::kNoNode) continue;
      // A value nobody reads still needs its place while it is written.
      root.last_step = std::max(root.last_step, static_cast<int>(producer));
      if (root.first_step < 0 || producer < root.first_step) root.first_step = producer;
    }
  }

  const op::Registry& registry_;
  const ir::Graph& graph_;
  const CpuOptions& options_;
  std::shared_ptr<Plan> plan_;
  std::vector<int> last_use_;       // by slot
  std::vector<int> root_last_use_;  // by root slot, aliases so far included
};

}  // namespace

Result<std::shared_ptr<Plan>> compile_cpu(const op::Registry& registry, const ir::Graph& graph,
                                          const CpuOptions& options) {
  return Compiler(registry, graph, options).run();
}

std::vector<plan::CpuKernel> cpu_kernel_table(const op::Registry& registry) {
  // Kernels of fast candidates name themselves; reference kernels are named here, once.
  static std::vector<std::string> names;
  std::vector<plan::CpuKernel> table;
  const auto defs = registry.all();
  if (names.empty()) {
    for (const op::OpDef* def : defs) names.push_back(reference_kernel_name(*def));
  }
  for (size_t i = 0; i < defs.size(); ++i) {
    if (defs[i]->reference != nullptr) table.push_back({names[i], defs[i]->reference});
    for (const op::CpuCandidate& candidate : defs[i]->cpu) table.push_back(candidate.kernel);
  }
  return table;
}

}  // namespace sluice::compile
