// Binding: the record of which backend a session really runs on, and why. Filled in as things
// happen, never in advance: `evidence` says whether the bound backend is proven by what came back
// from it, reported by a driver, or only inferred. It knows no executor; who fills it translates.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "plan/limits.h"

namespace sluice::session {

enum class Backend { kAuto, kCpu, kReference, kWebGpu };
std::string_view backend_name(Backend backend);  // "auto", "cpu", "reference", "webgpu"

enum class Evidence : uint8_t {
  kInferred,  // concluded from the lack of an error
  kReported,  // the driver says so; nothing has been computed yet
  kProven,    // results were read back that only this backend can have made
};
std::string_view evidence_name(Evidence evidence);

enum class Precision : uint8_t {
  kFloat32,
  kFloat16,  // float16 values computed as such
  kWidened,  // a float16 model that computes in float32
};
std::string_view precision_name(Precision precision);  // "f32", "f16", "f16 widened to f32"

// The adapter as it describes itself; "" where the driver keeps a name back, which proves nothing.
struct AdapterFacts {
  bool present = false;  // false: the session has no adapter, the rest is meaningless
  std::string vendor, architecture, device, description;
  std::string backend;    // "Vulkan", "Metal" ...
  std::string type;       // "discrete GPU", "CPU" ...
  std::string library;    // path of the WebGPU implementation
  bool software = false;  // computes on the CPU
  plan::Limits limits;    // granted to the device
  plan::Features features;
};

// A node that runs on another backend than `bound`.
struct Island {
  std::string node, op, reason;
};

struct GateFinding {
  std::string check;  // "software adapter", "int8 dequantize" ...
  bool passed = false;
  std::string sentence;
  double seconds = 0;
};

// A job that was taken from one backend to another while it ran, or a session at load.
struct Failover {
  std::string stage;  // when: "load", "run 3", "gate after warm-up" ...
  std::string error;  // what: the sentence
  bool device_lost = false;
  Backend rebound = Backend::kCpu;
  std::string redone;  // what was done again: "the run, from its inputs"; empty: nothing
  double seconds = 0;  // from the error to the finished job
};

struct PlanFigures {
  int dispatches = 0, pipelines = 0;
  uint32_t most_storage_buffers = 0;  // of any dispatch
  uint64_t largest_binding_bytes = 0, largest_buffer_bytes = 0;
  uint64_t predicted_peak_bytes = 0;  // device memory, weights included, before anything is made
  uint64_t weights_bytes = 0;
};

// Upper bounds of the buckets in which durations are counted, in seconds; the last bucket is open.
inline constexpr double kDurationBounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                             0.25,  0.5,    1,     2.5,  5,     10,   30};

// Runs after the first. The median is that of the latest runs (Binding::kSteadyWindow).
struct SteadyTimes {
  int n = 0;
  double median_seconds = 0, min_seconds = 0, max_seconds = 0, sum_seconds = 0;
  std::vector<uint64_t> buckets;  // one more than kDurationBounds; empty while n is 0
};
size_t duration_bucket(double seconds);

struct Binding {
  Backend requested = Backend::kAuto;
  Backend bound = Backend::kCpu;
  Evidence evidence = Evidence::kReported;
  std::string reason;  // a sentence
  AdapterFacts adapter;
  int threads = 1;
  std::string instruction_set;  // "AVX3", "AVX2", "SSE2" ...
  Precision precision = Precision::kFloat32;
  bool widened_float16 = false;  // float16 weights are held as float32
  std::string model_sha256;      // of the file
  std::string weights_sha256;    // of all initializers as loaded, the same on every backend
  std::vector<Island> islands;   // none on the CPU
  std::vector<GateFinding> gate;
  std::vector<Failover> failovers;
  PlanFigures plan;

  double read_seconds = 0;     // map and parse
  double compile_seconds = 0;  // import, passes, plan
  double prepare_seconds = 0;  // weights packed or uploaded
  double init_seconds = 0;     // adapter, device, gate
  double first_run_seconds = 0;
  double last_run_seconds = 0;
  int runs = 0;
  SteadyTimes steady;

  // Copies between device and host inside runs, but for the model's own inputs and outputs: those
  // that islands cause.
  uint64_t host_copies = 0, host_copy_bytes = 0;
  int recompilations = 0;  // because an input's shape or a shape-deciding value changed

  // A run that gave results back: they prove the bound backend, since every executor hands out only
  // what it has read back itself.
  void record_run(double seconds);
  // The job goes on elsewhere: appends, rebinds, and lowers the evidence until the next run.
  void record_failover(Failover failover);

  // What record_run changes from the third run on, nothing else: members of to_json by their path
  // ("steady.n", "steady.buckets.3"), and their values in that order.
  static const std::vector<std::string>& run_figure_names();
  void run_figures(std::vector<double>& values) const;

  // "[EP] sluice · ISNet · requested=webgpu,cpu = bound=webgpu | adapter hw storageBuffers/stage=10
  //  maxBinding=1024MiB, ... , f32, islands=0 — reason" on one line. An "auto" request shows as the
  // order in which backends are tried; islands=? until there is a plan. `model` is untrusted.
  std::string console_line(std::string_view model) const;
  // One line for each refusal of the gate and each failover, in order; empty when all went well.
  std::vector<std::string> event_lines(std::string_view model) const;

  std::string to_json(int indent = -1) const;

 private:
  static constexpr size_t kSteadyWindow = 1024;
  std::vector<float> samples_;  // of the steady runs, a ring
  std::vector<float> sorted_;   // for the median
};

// Reads what to_json wrote; unknown members are ignored, absent ones keep their defaults.
Result<Binding> binding_from_json(std::string_view text);

}  // namespace sluice::session
