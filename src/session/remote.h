// RemoteSession: a session whose device somebody else drives, such as a page's JavaScript through
// the WebAssembly module. The host downloads, makes devices and executes encoded programs
// (plan/encode.h); everything that is a decision is made here: the gate's judgement, what is
// compiled for which run, islands, what counts as a result, failover, the Binding. Order and
// meaning of the calls are those of wasm/abi.h. It computes on the CPU itself, and a job that was
// begun on the device is finished there from the same feeds, bit-equal to a session on the CPU. It
// must not know any WebGPU interface.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "plan/encode.h"
#include "session/binding.h"
#include "session/read_model_parts.h"
#include "session/session.h"
#include "tensor/value.h"

namespace sluice::session {

// What the gate says so far; `findings` are those of the call that gave it.
struct RemoteVerdict {
  bool passed = false;
  std::string refusal;  // a sentence; empty when passed
  std::vector<GateFinding> findings;
};

// The program for the feeds that are set. Spans and references stay valid until the next prepare or
// canary of the session.
struct RemotePrepared {
  // 0: only a run can tell what to compile. Another number than before: what the host holds for the
  // earlier program is to be freed, that program does not come again.
  uint32_t program = 0;
  // The host has not seen this program's pipelines and constants on its device. The string table of
  // a program never changes, so it needs to be looked at only then.
  bool fresh = false;
  // False: the sizes wait for feeds. The words then hold pipelines only, no Begin.
  bool complete = false;
  uint32_t generation = 0;  // grows when words changed: buffers (only ever larger), grids, uniforms
  const plan::Encoded* code = nullptr;
  std::vector<Island> islands;
  PlanFigures figures;
};

struct RemoteFailure {
  // When: "gate", "run 3" ...; "" means that the device never was bound (no adapter, refused).
  // "idle": lost between two runs, without a job to finish.
  std::string stage;
  std::string error;  // the sentence
  bool device_lost = false;
};

class RemoteSession {
 public:
  // Reads and imports; compiles nothing. `options.backend` is what is requested (auto, webgpu,
  // cpu); a device's limits are asked for by the host. External data is looked up in `files`, by
  // the location that the model gives. The bytes must stay as long as their MappedFile
  // (MappedFile::adopt): weights are views into them.
  //
  // Weights that the CPU has packed for itself are given up when nothing else can need them: always
  // where the CPU alone was requested; else where the host `can_reopen`, since a device may be
  // taken again later.
  static Result<std::unique_ptr<RemoteSession>> open(ModelFile model, const std::string& name,
                                                     const Options& options = {},
                                                     ModelFiles files = {},
                                                     bool can_reopen = false);
  // A graph made in memory, for tests.
  static Result<std::unique_ptr<RemoteSession>> from_graph(std::unique_ptr<ir::Graph> graph,
                                                           const std::string& name,
                                                           const Options& options = {});
  ~RemoteSession();
  RemoteSession(const RemoteSession&) = delete;
  RemoteSession& operator=(const RemoteSession&) = delete;

  // The same bytes once more, when model_held() is false and a device is to be taken. Error
  // (invalid_model): it is another file.
  Result<void> reopen(ModelFile model, ModelFiles files = {});
  bool model_held() const;

  const std::string& name() const;
  const std::vector<IoInfo>& inputs() const;
  const std::vector<IoInfo>& outputs() const;
  const Binding& binding() const;

  // Feeds stay until they are replaced, so that a job can be done again elsewhere. Error (usage):
  // no such input, or a dtype or shape that it does not take.
  Result<void> set_feed(size_t input, Value value);
  const Value& feed(size_t input) const;  // absent when it is not set
  void clear_feeds();
  // Of the latest run that gave results, in the order of outputs(); a run on the CPU lets go of
  // them first.
  const NamedValues& results() const;

  // --- the CPU
  // Compiles and packs weights. Binds the session only when it is not bound to a device.
  Result<void> bind_cpu();
  // Of the feeds that are set. Binds first where needed. After gpu_failover it finishes the job.
  // Error (usage): bound to a device that has not failed.
  Result<const NamedValues*> run_cpu();

  // --- the device. Errors of code device and resource mean: gpu_failover, then run_cpu.
  // A device that the host has made: judges what needs no computation, and forgets every program of
  // an earlier device. Error (device): one failed less than Options::retry_interval_seconds ago.
  // `facts.limits` are those granted; plans are compiled for what WebGPU guarantees (or
  // Options::limits), and only where that is too small for the buffers granted.
  Result<RemoteVerdict> gpu_adapter(const AdapterFacts& facts);

  // The self-test. Part 0 is all known-answer computations in one program, to be run kCanaryRounds
  // times at load, each on new data, and once for a recheck; part 1 is the big buffer, run once at
  // load. gpu_canary makes the program of the next round; its inputs come from gpu_canary_data, its
  // outputs go to gpu_canary_judge, one after another. A part that can't be run (an error of the
  // device) is told with gpu_canary_failed. gpu_canary_verdict ends it: findings go to the Binding.
  static constexpr int kCanaryParts = 2, kCanaryRounds = 3;
  Result<const plan::Encoded*> gpu_canary(int part);
  // A Constant (kind 0) or an Input (kind 1) of it. Valid until the next call.
  Result<std::span<const std::byte>> gpu_canary_data(int kind, size_t index);
  Result<void> gpu_canary_judge(size_t output, std::span<const std::byte> bytes);
  Result<void> gpu_canary_failed(int part, const std::string& sentence);
  // `when`: "at load", or for a recheck whatever gpu_finish said.
  Result<RemoteVerdict> gpu_canary_verdict(const std::string& when, double seconds);

  // Refused (usage) before the gate has let the device through.
  Result<RemotePrepared> gpu_prepare();
  // Device bytes of a Constant, of an Input. Valid until the next call.
  Result<std::span<const std::byte>> gpu_constant(size_t constant);
  Result<std::span<const std::byte>> gpu_input(size_t input);
  // An Island instruction: its device inputs by index, then the run, then its device outputs.
  Result<void> gpu_island_input(size_t step, size_t index, std::span<const std::byte> bytes);
  Result<void> gpu_island_run(size_t step);
  Result<std::span<const std::byte>> gpu_island_output(size_t step, size_t index);
  // Bytes read back for an Output. Error (device): a word still holds the poison.
  Result<void> gpu_output(size_t output, std::span<const std::byte> bytes);
  // After all outputs; `seconds` of the run, as the host measured it. Null: the self-test is due
  // again (`recheck` tells when, for the verdict), and only a finish after a verdict that passed
  // gives the results and counts the run.
  Result<const NamedValues*> gpu_finish(double seconds, std::string* recheck = nullptr);
  // A NaN or infinity in a float output of the latest run on the device.
  bool saw_nonfinite() const;
  // The device is not to be used any more. The session is then bound to the CPU; run_cpu finishes
  // the job, if one was under way. Fails with the sentence when WebGPU alone was requested and the
  // device never was bound, or when Options::strict.
  Result<void> gpu_failover(const RemoteFailure& failure);

  // --- the record
  // A JSON object: times that only the host knows (read_seconds, init_seconds, prepare_seconds) are
  // put into the Binding; members that the Binding does not have are kept and shown beside it.
  // Error (usage): a member that is not the host's to say.
  Result<void> note(std::string_view json);
  // The Binding's JSON with what was noted, "console": its line, "events": [lines].
  std::string binding_json();
  // A piece of what no result waits for, some milliseconds: the weights' hash, which is "" in the
  // record until it is whole. False: there was nothing to do.
  bool work_idly();
  // After a run on the CPU that changed nothing but Binding::run_figures of what binding_json gave
  // last: those. Empty after any other.
  std::span<const double> run_figures();
  // {"metrics": body, "logs": body} of OTLP/HTTP; `resource` is {"attributes": {name: text}}.
  Result<std::string> otlp(std::string_view resource);

 private:
  struct State;
  explicit RemoteSession(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace sluice::session
