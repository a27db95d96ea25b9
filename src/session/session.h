// Session: a model file, ready to run. Reads, imports, optimises, compiles and binds it to a
// backend; then takes inputs by name and gives outputs by name. One session runs one job at a time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "format/model.h"
#include "ir/graph.h"
#include "plan/device_layout.h"
#include "plan/plan.h"
#include "session/binding.h"
#include "tensor/value.h"

namespace sluice::exec::webgpu {
class FaultInjector;
}

namespace sluice::session {

struct Options {
  Backend backend = Backend::kAuto;
  int threads = 0;  // 0: one per core
  // Fixes symbolic extents by giving inputs a shape.
  std::map<std::string, Shape> input_shapes = {};
  // Values wanted, by name (graph outputs or any intermediate); empty: the model's outputs. What
  // they don't need is pruned.
  std::vector<std::string> outputs = {};
  // False keeps every value of the model as it stands, for dumps and comparison.
  bool fuse = true;

  // --- WebGPU
  bool allow_software = false;  // also bind to an adapter that computes on the CPU
  bool strict = false;          // refuse islands, and fail instead of finishing on the CPU
  // Limits to ask the device for and to compile for; those that WebGPU guarantees where none are
  // given.
  std::optional<plan::Limits> limits = {};
  // Kernels by name ("conv.winograd", as `sluice explain` prints them) that are taken wherever they
  // can be, whatever their estimates say; with a minus in front, kernels that are never taken.
  std::vector<std::string> kernels = {};
  bool device_times = false;     // per-step times by timestamp queries
  double deadline_seconds = 10;  // for each wait on the device
  // After a device has failed, the least time before a new session or retry_gpu() takes one again
  // in this process. Until then new sessions bind to the CPU (WebGPU alone: error kDevice) and say
  // why.
  double retry_interval_seconds = 120;
  // For tests.
  bool self_test = true;                          // the gate's known-answer computations
  bool null_device = false;                       // validates everything, computes nothing
  exec::webgpu::FaultInjector* faults = nullptr;  // not owned; outlives the session
  std::optional<uint32_t> fill_word = {};         // what device memory holds before each run
};

using NamedValues = std::vector<std::pair<std::string, Value>>;

struct IoInfo {
  std::string name;
  Type type;
};

// Step by step news of a run.
struct Observer {
  // A value of the graph as it is made (only values that survive the passes).
  std::function<Result<void>(std::string_view name, const Value& value)> value = {};
  std::function<void(std::string_view node, std::string_view op, std::string_view kernel,
                     double seconds, double flops)>
      step = {};
};

class Session {
 public:
  static Result<std::unique_ptr<Session>> load(const std::string& path,
                                               const Options& options = {});
  // A graph made in memory; `name` stands for the file in messages.
  static Result<std::unique_ptr<Session>> from_graph(std::unique_ptr<ir::Graph> graph,
                                                     const std::string& name,
                                                     const Options& options = {});
  ~Session();

  const std::vector<IoInfo>& inputs() const;
  const std::vector<IoInfo>& outputs() const;

  // `feeds` must name every input once. Results in the order of outputs().
  Result<NamedValues> run(const NamedValues& feeds, const Observer& observer = {});
  // The same into `results`, whose earlier contents are given up first. Handed back run after run,
  // steady runs on the CPU allocate nothing.
  Result<void> run_into(const NamedValues& feeds, NamedValues& results,
                        const Observer& observer = {});

  // After a failover: back to the GPU, through the whole gate, when the user asks for it. Never
  // done of its own accord, and refused (kDevice) within retry_interval_seconds of the last
  // failure, since browsers and drivers take repeated crashes amiss. On an error the session stays
  // on the CPU.
  Result<void> retry_gpu();

  const Binding& binding() const;
  const ir::Graph& graph() const;                   // as it runs, after the passes
  const plan::Plan* plan() const;                   // null on the reference backend
  const plan::MemoryLayout* layout() const;         // of the latest run on the CPU; null before
  const plan::DeviceLayout* device_layout() const;  // of the latest run on the GPU; null before
  const std::vector<std::string>& pass_log() const;
  uint64_t prepared_bytes() const;

 private:
  struct State;
  Result<void> run_once(const NamedValues& given, NamedValues& results, const Observer& observer);
  explicit Session(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Finds the bytes of external data by the location that a model gives.
using ExternalData =
    std::function<Result<std::shared_ptr<const MappedFile>>(std::string_view location)>;
// Reads ONNX or TFLite, told apart by content; the file stays mapped as long as weights view it.
// Without `external`, external data is looked up beside the file. `movable`: as in
// format::onnx::ReadOptions.
Result<format::Model> read_model(std::shared_ptr<const MappedFile> file,
                                 const ExternalData& external = {}, bool movable = false);
// Reads and imports only (no backend): for `inspect`. Unknown operators stay as they are when
// `allow_unknown`.
Result<std::unique_ptr<ir::Graph>> load_graph(const std::string& path, const Options& options = {},
                                              bool allow_unknown = false);

}  // namespace sluice::session
