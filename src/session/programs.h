// Programs: the plans that a session on a device compiles, and which of them serves a run. A plan
// is compiled at load where shapes and operands allow; what only a run can tell (extents without a
// symbol, an axis handed in as an input) is compiled at the first run that tells it and kept. Used
// by the session that drives its device itself (gpu.h) and by the one whose device somebody else
// drives (remote.h); it must not know any device.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "compile/compile_gpu.h"
#include "exec/cpu/executor.h"
#include "ir/graph.h"
#include "plan/device_layout.h"
#include "session/binding.h"
#include "session/session.h"

namespace sluice::session {

// What a session keeps with a program: its executor, its encoded form.
struct ProgramRunner {
  virtual ~ProgramRunner() = default;
};

// A compiled plan with what runs it.
struct Program {
  std::string key;                  // of the run's facts it was compiled for; "" for any run
  std::set<std::string> constants;  // inputs that are part of the plan
  bool fixed_shapes = false;
  std::vector<size_t> feeds;  // which of the graph's inputs the plan takes, in its order
  std::shared_ptr<plan::Plan> plan;
  // Constants of the plan that are packed when they are asked for (compile::GpuProgram).
  std::map<plan::SlotId, op::LowerContext::Pack> packs;
  std::vector<compile::Refusal> refusals;
  std::vector<std::string> pass_log;
  std::vector<std::unique_ptr<exec::cpu::Executor>> islands;  // by step
  std::unique_ptr<ProgramRunner> runner;
};

class Programs {
 public:
  // `graph` as imported; it is kept, since later compilations start from it. Of programs that only
  // some runs can use, the latest `most` stay. `defer_packing`: Program::packs makes weights.
  // `software`: the device computes on the CPU, and so gets shorter dispatches.
  Programs(std::shared_ptr<const ir::Graph> graph, const Options& options,
           const plan::Features& features, bool software, size_t most = 4,
           bool defer_packing = false);
  ~Programs();

  // Makes a program's runner; gives the layout where sizes are known, else null.
  using Load = std::function<Result<const plan::DeviceLayout*>(Program&)>;

  // The program for every run, or null when only a run can tell. To be called once, first. Fills in
  // the binding's compile and prepare times, figures and islands. Error (unsupported): an island
  // where Options::strict; (resource): more than the adapter of the binding offers.
  Result<Program*> at_load(Binding& binding, const Load& load);
  // The program for these inputs, in the order of the graph's inputs.
  Result<Program*> for_run(std::span<const Value> inputs, Binding& binding, const Load& load);

  // Null before the first.
  Program* latest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Against what the adapter in the binding offers; findings that fail go to the binding.
Result<void> check_fit(const plan::Plan& plan, const plan::DeviceLayout* layout, Binding& binding);
// The part of the figures that a layout decides.
void describe_layout(const plan::DeviceLayout& layout, PlanFigures& figures);
// float16 in the model, and what the device makes of it.
void describe_precision(const ir::Graph& graph, const plan::Features& features, Binding& binding);
// Values of the plan's symbols. `inputs` in the order of Plan::inputs.
Result<Dim::Environment> symbols_of(const plan::Plan& plan, std::span<const Value> inputs);
bool has_symbols(const plan::Plan& plan);

// A plan as a session would run it, compiled without a device: for `explain` on machines that have
// none. Graph inputs whose contents decide sizes stay unknown. `software`: as in Programs.
struct Planned {
  std::shared_ptr<plan::Plan> plan;
  std::vector<Island> islands;
  std::vector<std::string> pass_log;
};
Result<Planned> plan_for_gpu(const ir::Graph& graph, const Options& options,
                             const plan::Features& features, bool software = false);

}  // namespace sluice::session
