// sluice run, dump, explain, bench: load a model, feed it, and show what came out or how it would
// run.
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/feeds.h"
#include "cli/telemetry_options.h"
#include "exec/null/recorder.h"
#include "exec/webgpu/device.h"
#include "session/gpu.h"
#include "tensor/npy.h"

namespace sluice::cli {

namespace {

struct ModelArgs {
  std::string model;
  std::vector<std::string> inputs, shapes, outputs;
  BackendOptions backend;
  TelemetryOptions telemetry;

  void add_to(CLI::App& app, bool with_inputs = true) {
    app.add_option("model", model, "model file (.onnx, .tflite)")->required();
    if (with_inputs) {
      app.add_option("--input,-i", inputs,
                     "NAME=FILE.npy | FILE.png | random:SEED | zeros | a number");
    }
    app.add_option("--shape", shapes, "NAME=1x3x224x224: fixes an input's shape");
    app.add_option("--output,-o", outputs, "value to compute (default: the model's outputs)");
    telemetry.add_to(app);
    backend.add_to(app);
  }
  Result<session::Options> options() const {
    SLUICE_ASSIGN(session::Options out, backend.parse());
    SLUICE_TRY(parse_shapes(shapes, out));
    out.outputs = outputs;
    return out;
  }
  Result<std::unique_ptr<session::Session>> load(const session::Options& options) const {
    SLUICE_ASSIGN(auto session, session::Session::load(model, options));
    return session;
  }
  // Tells of the session until the command ends.
  TelemetryScope watch(const session::Session& session) const {
    return {telemetry.start(std::filesystem::path(model).filename().string()), session.binding()};
  }
};

// A file name made of an untrusted value name: only letters, digits, '.', '_' and '-' stay.
std::string safe_name(std::string_view name) {
  std::string out;
  for (const char c : name.substr(0, 100)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_' || c == '-';
    out += plain ? c : '_';
  }
  return out;
}

// "min -1.2 max 3.4 mean 0.1", for a look at the numbers.
std::string summary(const Tensor& tensor) {
  if (tensor.dtype() == DType::kString || is_complex(tensor.dtype()) || tensor.elements() == 0)
    return "";
  double low = INFINITY, high = -INFINITY, sum = 0;
  int64_t odd = 0;
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    const double v = tensor.get_double(i);
    if (!std::isfinite(v)) {
      ++odd;
      continue;
    }
    low = std::min(low, v);
    high = std::max(high, v);
    sum += v;
  }
  const auto finite = static_cast<double>(tensor.elements() - odd);
  std::string out = finite == 0 ? "" : cat("min ", low, " max ", high, " mean ", sum / finite);
  if (odd != 0) out += cat(" (", odd, " not finite)");
  return out;
}

Result<void> make_folder(const std::string& path) {
  std::error_code failed;
  std::filesystem::create_directories(path, failed);
  if (failed)
    return usage_error(
        cat("The folder ", sluice::quoted(path), " can't be made: ", failed.message()));
  return {};
}

Result<std::string> describe(const std::string& name, const Value& value, const std::string& folder,
                             const std::string& file) {
  if (!value.is_tensor()) {
    return cat(sluice::quoted(name), ": ",
               value.kind() == Value::Kind::kSequence ? "sequence of " : "optional of ",
               value.items().size());
  }
  std::string line =
      cat(sluice::quoted(name), ": ", value.tensor().text(), " ", summary(value.tensor()));
  if (!folder.empty() && value.tensor().dtype() != DType::kString) {
    SLUICE_ASSIGN(const std::string bytes, write_npy(value.tensor()));
    SLUICE_TRY(write_file_atomic(folder + "/" + file, bytes));
    line += cat(" -> ", folder, "/", file);
  }
  return line;
}

Result<void> run(const ModelArgs& args, const std::string& out, bool save_inputs) {
  SLUICE_ASSIGN(const session::Options options, args.options());
  SLUICE_ASSIGN(auto session, args.load(options));
  SLUICE_ASSIGN(const auto feeds, make_feeds(session->inputs(), args.inputs, options));
  TelemetryScope watch = args.watch(*session);
  SLUICE_ASSIGN(const auto results, session->run(feeds));
  watch.update();
  if (!out.empty()) SLUICE_TRY(make_folder(out));
  for (size_t i = 0; save_inputs && !out.empty() && i < feeds.size(); ++i) {
    SLUICE_ASSIGN(const std::string line,
                  describe(feeds[i].first, feeds[i].second, out, cat("input_", i, ".npy")));
    std::printf("%s\n", line.c_str());
  }
  for (size_t i = 0; i < results.size(); ++i) {
    SLUICE_ASSIGN(const std::string line,
                  describe(results[i].first, results[i].second, out,
                           cat(i, "_", safe_name(results[i].first), ".npy")));
    std::printf("%s\n", line.c_str());
  }
  const session::Binding& b = session->binding();
  std::printf("%s: read %.1f ms, compile %.1f ms, prepare %.1f ms, run %.1f ms\n",
              std::string(backend_name(b.bound)).c_str(), b.read_seconds * 1e3,
              b.compile_seconds * 1e3, b.prepare_seconds * 1e3, b.first_run_seconds * 1e3);
  return {};
}

Result<void> dump(const ModelArgs& args, const std::string& out) {
  SLUICE_ASSIGN(session::Options options, args.options());
  options.fuse = false;
  SLUICE_ASSIGN(auto session, args.load(options));
  SLUICE_ASSIGN(const auto feeds, make_feeds(session->inputs(), args.inputs, options));
  const TelemetryScope watch = args.watch(*session);
  SLUICE_TRY(make_folder(out));
  Json manifest;
  manifest["model"] = std::filesystem::path(args.model).filename().string();
  manifest["model_sha256"] = session->binding().model_sha256;
  manifest["backend"] = backend_name(session->binding().bound);
  manifest["values"] = Json::array();
  int index = 0;
  const auto write = [&](std::string_view name, const Value& value,
                         const char* role) -> Result<void> {
    Json entry;
    entry["name"] = name;
    entry["role"] = role;
    if (value.is_tensor()) {
      const Tensor& tensor = value.tensor();
      entry["dtype"] = dtype_name(tensor.dtype());
      entry["shape"] = std::vector<int64_t>(tensor.shape().begin(), tensor.shape().end());
      if (tensor.dtype() != DType::kString) {
        char number[16];
        std::snprintf(number, sizeof number, "%03d_", index);
        const std::string file = number + safe_name(name) + ".npy";
        SLUICE_ASSIGN(const std::string bytes, write_npy(tensor));
        SLUICE_TRY(write_file_atomic(out + "/" + file, bytes));
        entry["file"] = file;
      }
    } else {
      entry["kind"] = value.kind() == Value::Kind::kSequence ? "sequence" : "optional";
    }
    manifest["values"].push_back(std::move(entry));
    ++index;
    return {};
  };
  for (const auto& [name, value] : feeds) SLUICE_TRY(write(name, value, "input"));
  session::Observer observer;
  observer.value = [&](std::string_view name, const Value& value) {
    return write(name, value, "value");
  };
  SLUICE_ASSIGN(const auto results, session->run(feeds, observer));
  manifest["outputs"] = Json::array();
  for (const auto& [name, value] : results) manifest["outputs"].push_back(name);
  // Names are the file's; bytes that are no UTF-8 become U+FFFD.
  SLUICE_TRY(write_file_atomic(out + "/manifest.json", json_text(manifest, 1) + "\n"));
  std::printf("%d values -> %s\n", index, out.c_str());
  return {};
}

// The plan for WebGPU, which needs no device: it is compiled for the limits that every device has,
// or for an adapter's own.
Result<void> explain_gpu(const ModelArgs& args, const session::Options& options, bool full) {
  SLUICE_ASSIGN(const auto graph, session::load_graph(args.model, options));
  plan::Features features;
  bool software = false;
  std::string where = "compiled without a device";
  exec::webgpu::DeviceOptions how;
  how.allow_software = options.allow_software;
  if (const auto adapter = exec::webgpu::probe_adapter(how); adapter.ok()) {
    features = adapter->features;
    software = adapter->software;
    where = cat("for ", exec::webgpu::to_text(*adapter));
  }
  SLUICE_ASSIGN(const session::Planned planned,
                session::plan_for_gpu(*graph, options, features, software));
  const plan::Plan& plan = *planned.plan;
  std::printf("WebGPU plan %s; limits: %s\n", where.c_str(), plan::to_text(plan.limits).c_str());
  std::printf("passes: %s\n",
              planned.pass_log.empty() ? "none applied" : join(planned.pass_log, ", ").c_str());
  Dim::Environment symbols;
  std::vector<std::string> names;
  for (const plan::Slot& slot : plan.slots) {
    for (const Dim& dim : slot.type.dims.value_or(Dims())) dim.collect_symbols(names);
  }
  // Extents that stay open are shown for 1.
  for (const std::string& name : names) symbols[name] = 1;
  if (!symbols.empty()) {
    std::string open;
    for (const auto& [name, value] : symbols) open += cat(open.empty() ? "" : ", ", name, "=1");
    std::printf("open extents, shown for %s (fix them with --shape)\n", open.c_str());
  }
  exec::null::RecordOptions what;
  what.buffers = what.uniforms = full;
  SLUICE_ASSIGN(const std::string text, exec::null::record(plan, symbols, what));
  std::fputs(text.c_str(), stdout);
  double flops = 0;
  size_t dispatches = 0, most = 0;
  for (const plan::Step& step : plan.steps) {
    flops += step.flops;
    dispatches += step.dispatches.size();
    for (const plan::Dispatch& d : step.dispatches) most = std::max(most, d.bindings.size());
  }
  std::printf(
      "%zu steps, %zu dispatches, %zu pipelines, %.3f GFLOP, %zu nodes on the CPU; no "
      "dispatch binds more than %zu storage buffers\n",
      plan.steps.size(), dispatches, plan.pipelines.size(), flops / 1e9, planned.islands.size(),
      most);
  for (const session::Island& island : planned.islands) {
    std::printf("island: %s %s: %s\n", island.op.c_str(), sluice::quoted(island.node).c_str(),
                island.reason.c_str());
  }
  return {};
}

Result<void> explain(const ModelArgs& args, bool full) {
  SLUICE_ASSIGN(session::Options options, args.options());
  if (options.backend == session::Backend::kReference) {
    return usage_error("The reference backend has no plan to explain");
  }
  if (options.backend == session::Backend::kWebGpu) return explain_gpu(args, options, full);
  options.backend = session::Backend::kCpu;
  SLUICE_ASSIGN(auto session, args.load(options));
  const TelemetryScope watch = args.watch(*session);
  const plan::Plan& plan = *session->plan();
  Dim::Environment symbols;
  for (const auto& [name, shape] : options.input_shapes) {
    for (const auto& info : session->inputs()) {
      if (info.name != name || !info.type.is_tensor()) continue;
      SLUICE_ASSIGN(const Tensor probe, Tensor::allocate(info.type.dtype, shape));
      SLUICE_TRY(plan::bind_symbols(info.type, probe, "Input " + sluice::quoted(name), symbols));
    }
  }
  SLUICE_ASSIGN(const plan::MemoryLayout layout, plan::lay_out(plan, symbols));
  std::printf("%s\n", session->binding()
                          .console_line(std::filesystem::path(args.model).filename().string())
                          .c_str());
  std::printf("passes: %s\n", session->pass_log().empty()
                                  ? "none applied"
                                  : join(session->pass_log(), ", ").c_str());
  if (full) {
    std::fputs(plan::to_text(plan, &layout).c_str(), stdout);
    return {};
  }
  double total = 0;
  for (const plan::Step& step : plan.steps) total += step.flops;
  std::printf("%5s  %-34s %-28s %-26s %10s\n", "step", "kernel", "makes", "node", "MFLOP");
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const plan::Step& step = plan.steps[i];
    std::string makes;
    for (const plan::SlotId id : step.outputs) {
      if (id != plan::kNoSlot) makes += (makes.empty() ? "" : " ") + plan.slot(id).type.text();
    }
    std::printf("%5zu  %-34s %-28s %-26s %10.2f\n", i, step.kernel.c_str(), makes.c_str(),
                sluice::quoted(step.node, 24).c_str(), step.flops / 1e6);
    if (!step.why.empty()) std::printf("       because %s\n", step.why.c_str());
  }
  std::printf(
      "%zu steps, %.3f GFLOP; arena %s (no packing can need less than %s), constants %s, packed "
      "weights %s\n",
      plan.steps.size(), total / 1e9, human_bytes(layout.arena_bytes).c_str(),
      human_bytes(layout.peak_live_bytes).c_str(), human_bytes(layout.constant_bytes).c_str(),
      human_bytes(session->prepared_bytes()).c_str());
  return {};
}

// Processor time of all threads so far, in seconds: steadier than the clock on a busy machine.
double cpu_seconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Result<void> bench(const ModelArgs& args, int runs, bool profile, bool json) {
  SLUICE_ASSIGN(const session::Options options, args.options());
  SLUICE_ASSIGN(auto session, args.load(options));
  SLUICE_ASSIGN(const auto feeds, make_feeds(session->inputs(), args.inputs, options));
  TelemetryScope watch = args.watch(*session);
  std::vector<double> times, cpu_times;
  struct Row {
    double seconds = 0, flops = 0;
    int count = 0;
  };
  std::map<std::string, Row> by_kernel;
  session::NamedValues results;
  for (int i = 0; i <= runs; ++i) {
    session::Observer observer;
    if (profile && i != 0) {
      observer.step = [&](std::string_view, std::string_view op, std::string_view kernel,
                          double seconds, double flops) {
        Row& row = by_kernel[cat(op, " / ", kernel)];
        row.seconds += seconds;
        row.flops += flops;
        ++row.count;
      };
    }
    const double cpu_before = cpu_seconds();
    SLUICE_TRY(session->run_into(feeds, results, observer));
    const double cpu = cpu_seconds() - cpu_before;
    watch.update();
    if (i == 0) continue;
    times.push_back(session->binding().last_run_seconds);
    cpu_times.push_back(cpu);
  }
  std::ranges::sort(times);
  std::ranges::sort(cpu_times);
  const double median_cpu = cpu_times[cpu_times.size() / 2];
  const double median = times[times.size() / 2];
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const session::Binding& b = session->binding();
  if (json) {
    Json out;
    out["model"] = std::filesystem::path(args.model).filename().string();
    out["backend"] = backend_name(b.bound);
    out["threads"] = b.threads;
    out["instruction_set"] = b.instruction_set;
    out["read_ms"] = b.read_seconds * 1e3;
    out["compile_ms"] = b.compile_seconds * 1e3;
    out["prepare_ms"] = b.prepare_seconds * 1e3;
    out["first_ms"] = b.first_run_seconds * 1e3;
    out["median_ms"] = median * 1e3;
    out["median_cpu_ms"] = median_cpu * 1e3;
    out["min_ms"] = times.front() * 1e3;
    out["max_ms"] = times.back() * 1e3;
    out["runs"] = times.size();
    out["peak_rss_bytes"] = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
    for (const auto& [name, row] : by_kernel) {
      out["profile"].push_back(
          {{"kernel", name}, {"ms", row.seconds * 1e3 / runs}, {"calls", row.count / runs}});
    }
    std::printf("%s\n", json_text(out, 1).c_str());
    return {};
  }
  std::printf("%s\n",
              b.console_line(std::filesystem::path(args.model).filename().string()).c_str());
  std::printf("load %.1f ms (read %.1f, compile %.1f, prepare %.1f), first run %.2f ms\n",
              (b.read_seconds + b.compile_seconds + b.prepare_seconds) * 1e3, b.read_seconds * 1e3,
              b.compile_seconds * 1e3, b.prepare_seconds * 1e3, b.first_run_seconds * 1e3);
  std::printf("steady median %.2f ms [%.2f - %.2f] of %zu, processor %.2f ms, peak memory %s\n",
              median * 1e3, times.front() * 1e3, times.back() * 1e3, times.size(), median_cpu * 1e3,
              human_bytes(static_cast<uint64_t>(usage.ru_maxrss) * 1024).c_str());
  if (profile) {
    std::vector<std::pair<std::string, Row>> rows(by_kernel.begin(), by_kernel.end());
    std::ranges::sort(
        rows, [](const auto& x, const auto& y) { return x.second.seconds > y.second.seconds; });
    for (const auto& [name, row] : rows) {
      std::printf("  %9.3f ms  %4d x  %8.1f GFLOP/s  %s\n", row.seconds * 1e3 / runs,
                  row.count / runs, row.seconds > 0 ? row.flops / row.seconds / 1e9 : 0,
                  name.c_str());
    }
  }
  return {};
}

// Shared by all commands here: parse, run the body, turn its error into an exit code.
template <class Body>
void finish(CLI::App* app, int& exit_code, Body body) {
  app->callback([&exit_code, body]() {
    if (auto done = body(); !done) exit_code = report(done.error());
  });
}

}  // namespace

void add_run(CLI::App& app, int& exit_code) {
  auto args = std::make_shared<ModelArgs>();
  auto out = std::make_shared<std::string>();
  CLI::App* sub = app.add_subcommand("run", "run a model once");
  args->add_to(*sub);
  auto save_inputs = std::make_shared<bool>(false);
  sub->add_option("--out", *out, "folder for the outputs as .npy");
  sub->add_flag("--save-inputs", *save_inputs, "write the inputs there too, as input_N.npy");
  finish(sub, exit_code, [args, out, save_inputs] { return run(*args, *out, *save_inputs); });
}

void add_dump(CLI::App& app, int& exit_code) {
  auto args = std::make_shared<ModelArgs>();
  auto out = std::make_shared<std::string>();
  CLI::App* sub = app.add_subcommand("dump", "run a model and write every value it makes");
  args->add_to(*sub);
  sub->add_option("--out", *out, "folder for NNN_name.npy and manifest.json")->required();
  finish(sub, exit_code, [args, out] { return dump(*args, *out); });
}

void add_explain(CLI::App& app, int& exit_code) {
  auto args = std::make_shared<ModelArgs>();
  auto full = std::make_shared<bool>(false);
  CLI::App* sub =
      app.add_subcommand("explain", "show the plan: which kernel runs each node, and why");
  args->add_to(*sub, false);
  sub->add_flag("--full", *full, "every step and slot with its place in memory");
  finish(sub, exit_code, [args, full] { return explain(*args, *full); });
}

void add_bench(CLI::App& app, int& exit_code) {
  auto args = std::make_shared<ModelArgs>();
  auto runs = std::make_shared<int>(5);
  auto profile = std::make_shared<bool>(false);
  auto json = std::make_shared<bool>(false);
  CLI::App* sub = app.add_subcommand("bench", "time a model: load, first run, steady state");
  args->add_to(*sub);
  sub->add_option("--runs", *runs, "steady runs")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  sub->add_flag("--profile", *profile, "time by kernel");
  sub->add_flag("--json", *json, "as JSON");
  finish(sub, exit_code,
         [args, runs, profile, json] { return bench(*args, *runs, *profile, *json); });
}

}  // namespace sluice::cli
