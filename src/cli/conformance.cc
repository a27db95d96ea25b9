// sluice conformance: runs every case of a directory tree in ONNX's backend-test layout (model.onnx
// or model.tflite beside test_data_set_N/{input,output}_K.{pb,npy}) and compares. Each case runs in
// a process of its own, so that a crash or a hang is one failed case.
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/feeds.h"
#include "format/onnx/reader.h"
#include "ops/registry.h"
#include "session/gate.h"
#include "session/gpu.h"
#include "tensor/npy.h"
#include "verify/values.h"

namespace sluice::cli {

namespace {

namespace fs = std::filesystem;

using verify::differences;
using verify::Tolerances;

Result<Value> read_value(const std::string& stem, const Type& type) {
  std::error_code ignored;
  if (fs::exists(stem + ".npy", ignored)) {
    SLUICE_ASSIGN(auto file, MappedFile::open(stem + ".npy"));
    SLUICE_ASSIGN(Tensor tensor, read_npy(file->bytes(), stem + ".npy"));
    return Value(std::move(tensor));
  }
  SLUICE_ASSIGN(auto file, MappedFile::open(stem + ".pb"));
  auto value = format::onnx::read_value_pb(file->bytes(), type);
  if (!value) return std::move(value).error().while_doing("reading " + stem + ".pb");
  return value;
}

bool has_file(const std::string& stem) {
  std::error_code ignored;
  return fs::exists(stem + ".pb", ignored) || fs::exists(stem + ".npy", ignored);
}

bool uses_randomness(const ir::Graph& graph) {
  return std::ranges::any_of(graph.nodes(), [](const ir::Node& node) {
    const op::OpDef* def = ops::registry().find(node.domain, node.op);
    return (def != nullptr && !def->deterministic) ||
           std::ranges::any_of(node.subgraphs,
                               [](const ir::Subgraph& s) { return uses_randomness(*s.graph); });
  });
}

struct Outcome {
  std::string status;  // "passed", "failed", "skipped"
  std::string detail;
  double seconds = 0;
  int islands = 0;
  std::string island;  // the first, with its reason
  int dispatches = 0;  // of the plan; 0 when it only moves or knows its results
};

// case.json beside the model: what is particular to one case.
struct CaseInfo {
  Tolerances tolerance;
  std::string inputs;            // "", "ramp" (element i of n is i/n) or "generator"
  bool best_class = false;       // the index of the largest element is compared
  bool elements = true;          // each element is
  std::vector<int64_t> strides;  // of each output's file: it holds every s-th element
};

Result<CaseInfo> case_info(const std::string& folder, const Tolerances& tolerance) {
  CaseInfo info;
  info.tolerance = tolerance;
  std::error_code ignored;
  if (!fs::exists(folder + "/case.json", ignored)) return info;
  SLUICE_ASSIGN(const std::string text, read_file(folder + "/case.json", 1 << 16));
  const auto json = parse_json(text);
  if (!json.is_object()) return invalid_model(cat(folder, "/case.json is no JSON object"));
  info.tolerance.rtol = json.value("rtol", tolerance.rtol);
  info.tolerance.atol = json.value("atol", tolerance.atol);
  info.tolerance.integer = json.value("integer", tolerance.integer);
  info.inputs = json.value("inputs", std::string());
  info.best_class = json.value("best_class", false);
  info.elements = !info.best_class || json.contains("atol");
  info.strides = json.value("strides", std::vector<int64_t>());
  return info;
}

Result<Tensor> made_input(const session::IoInfo& input, const std::string& how) {
  Shape shape;
  if (!input.type.is_tensor() || !input.type.dims) {
    return unsupported(
        cat("Input ", sluice::quoted(input.name), " has no rank, so it can't be made up"));
  }
  for (const Dim& dim : *input.type.dims) shape.push_back(dim.is_known() ? dim.value() : 1);
  if (how == "generator") return generated_input(input.type.dtype, shape, 0);
  SLUICE_ASSIGN(Tensor out, Tensor::allocate(input.type.dtype, shape));
  for (int64_t i = 0; i < out.elements(); ++i) {
    out.set_double(i, static_cast<double>(i) / static_cast<double>(out.elements()));
  }
  return out;
}

int64_t best(const Tensor& tensor) {
  int64_t at = 0;
  for (int64_t i = 1; i < tensor.elements(); ++i) {
    if (tensor.get_double(i) > tensor.get_double(at)) at = i;
  }
  return at;
}

// A raw file in the dtype and shape of `like`.
Result<Tensor> read_raw(const std::string& path, DType dtype, const Shape& shape) {
  SLUICE_ASSIGN(auto file, MappedFile::open(path));
  const auto elements = shape.checked_elements();
  const auto want = elements ? storage_bytes(dtype, *elements) : std::nullopt;
  if (!want || *want != file->size()) {
    return invalid_model(cat(path, " holds ", file->size(), " bytes (", dtype_name(dtype),
                             shape.text(), " is expected)"));
  }
  return Tensor::view(dtype, shape, file->bytes(), file);
}

// Runs one case; an empty text when it passes. `where` tells what part of it ran elsewhere.
Result<std::string> run_case(const std::string& folder, const session::Options& options,
                             const Tolerances& tolerance, Outcome& where) {
  SLUICE_ASSIGN(const CaseInfo info, case_info(folder, tolerance));
  std::error_code ignored;
  const std::string model =
      folder + (fs::exists(folder + "/model.onnx", ignored) ? "/model.onnx" : "/model.tflite");
  SLUICE_ASSIGN(auto session, session::Session::load(model, options));
  const bool values = !uses_randomness(session->graph());
  int sets = 0;
  for (int set = 0;; ++set) {
    const std::string data = cat(folder, "/test_data_set_", set);
    if (!fs::exists(data, ignored)) break;
    ++sets;
    session::NamedValues feeds;
    for (size_t i = 0; i < session->inputs().size(); ++i) {
      const session::IoInfo& input = session->inputs()[i];
      const std::string stem = cat(data, "/input_", i);
      if (has_file(stem)) {
        SLUICE_ASSIGN(Value value, read_value(stem, input.type));
        feeds.emplace_back(input.name, std::move(value));
      } else if (fs::exists(stem + ".bin", ignored)) {
        Shape shape;
        for (const Dim& dim : input.type.dims.value_or(Dims()))
          shape.push_back(dim.is_known() ? dim.value() : 1);
        SLUICE_ASSIGN(Tensor tensor, read_raw(stem + ".bin", input.type.dtype, shape));
        feeds.emplace_back(input.name, std::move(tensor));
      } else if (!info.inputs.empty()) {
        SLUICE_ASSIGN(Tensor tensor, made_input(input, info.inputs));
        feeds.emplace_back(input.name, std::move(tensor));
      }
    }
    SLUICE_ASSIGN(const auto results, session->run(feeds));
    const session::Binding& binding = session->binding();
    where.islands = static_cast<int>(binding.islands.size());
    where.dispatches += binding.plan.dispatches;
    if (!binding.islands.empty()) {
      const session::Island& first = binding.islands[0];
      where.island = cat(first.op, " ", sluice::quoted(first.node), ": ", first.reason);
    }
    if (options.backend == session::Backend::kWebGpu &&
        binding.bound != session::Backend::kWebGpu) {
      return cat("the run was finished on the CPU: ",
                 binding.failovers.empty() ? "" : binding.failovers.back().error);
    }
    bool compared = false;
    for (size_t i = 0; i < results.size(); ++i) {
      const std::string stem = cat(data, "/output_", i);
      Value got = results[i].second;
      Value want;
      if (has_file(stem)) {
        SLUICE_ASSIGN(want, read_value(stem, session->outputs()[i].type));
      } else if (fs::exists(stem + ".bin", ignored) && got.is_tensor()) {
        const Tensor& all = got.tensor();
        const int64_t stride = i < info.strides.size() ? info.strides[i] : 1;
        Shape shape = all.shape();
        if (stride > 1) {
          const int64_t kept = (all.elements() + stride - 1) / stride;
          SLUICE_ASSIGN(Tensor some, Tensor::allocate(all.dtype(), Shape{kept}));
          for (int64_t k = 0; k < kept; ++k) some.set_double(k, all.get_double(k * stride));
          shape = some.shape();
          got = Value(std::move(some));
        }
        SLUICE_ASSIGN(Tensor tensor, read_raw(stem + ".bin", got.tensor().dtype(), shape));
        want = Value(std::move(tensor));
      } else {
        continue;
      }
      compared = true;
      if (info.best_class && got.is_tensor() && want.is_tensor()) {
        const int64_t mine = best(got.tensor()), its = best(want.tensor());
        if (mine != its)
          return cat("output ", i, " prefers class ", mine, " (", its, " is expected)");
        if (!info.elements) continue;
      }
      const std::string why = differences(got, want, info.tolerance, values);
      if (!why.empty()) return cat("output ", i, " ", sluice::quoted(results[i].first), " ", why);
    }
    if (!compared && !results.empty()) return cat("data set ", set, " holds no expected output");
  }
  if (sets == 0) return std::string("there is no test_data_set_0");
  return std::string();
}

// A child process that runs cases one after the other, so that a crash or a hang is one failed case
// and a device is opened once.
class Worker {
 public:
  Worker(const session::Options& options, const Tolerances& tolerance)
      : options_(options), tolerance_(tolerance) {}
  ~Worker() { stop(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  Outcome run(const std::string& folder, int timeout_seconds) {
    const auto start = std::chrono::steady_clock::now();
    Outcome outcome;
    if (child_ <= 0 && !spawn()) return {"failed", "no process is to be had", 0, 0, "", 0};
    if (!put(to_, folder)) {
      stop();
      if (!spawn() || !put(to_, folder))
        return {"failed", "the worker does not start", 0, 0, "", 0};
    }
    std::string answer;
    const auto deadline = start + std::chrono::seconds(timeout_seconds);
    const bool answered = get(from_, answer, &deadline);
    if (answered) {
      const auto parts = split(answer, '\x1f');
      outcome = {parts[0] == "P" ? "passed" : "failed",
                 parts.size() > 4 ? parts[4] : "",
                 0,
                 parts.size() > 1 ? std::atoi(parts[1].c_str()) : 0,
                 parts.size() > 2 ? parts[2] : "",
                 parts.size() > 3 ? std::atoi(parts[3].c_str()) : 0};
    } else if (std::chrono::steady_clock::now() >= deadline) {
      outcome = {"failed", cat("it does not finish within ", timeout_seconds, " s"), 0, 0, "", 0};
      stop();
    } else {
      const int status = stop();
      outcome = {
          "failed", cat("it crashes (signal ", WIFSIGNALED(status) ? WTERMSIG(status) : 0, ")"),
          0,        0,
          "",       0};
    }
    outcome.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return outcome;
  }

 private:
  bool spawn() {
    int down[2], up[2];
    if (pipe(down) != 0) return false;
    if (pipe(up) != 0) {
      close(down[0]);
      close(down[1]);
      return false;
    }
    std::fflush(stdout);
    child_ = fork();
    if (child_ == 0) {
      close(down[1]);
      close(up[0]);
      signal(SIGPIPE, SIG_DFL);
      serve(down[0], up[1]);
      _exit(0);
    }
    close(down[0]);
    close(up[1]);
    signal(SIGPIPE, SIG_IGN);
    to_ = down[1];
    from_ = up[0];
    return child_ > 0;
  }

  int stop() {
    int status = 0;
    if (child_ <= 0) return status;
    // A worker that has crashed has its own status; any other is ended here.
    if (waitpid(child_, &status, WNOHANG) == 0) {
      kill(child_, SIGKILL);
      waitpid(child_, &status, 0);
    }
    close(to_);
    close(from_);
    child_ = -1;
    return status;
  }

  void serve(int in, int out) {
    // Keeps the device and what the gate found about it alive between cases.
    std::shared_ptr<exec::webgpu::Device> device;
    session::GateDecision decision;
    const auto acquire = [&] {
      device = nullptr;
      if (options_.backend != session::Backend::kWebGpu) return;
      auto acquired = session::acquire_device(options_);
      if (!acquired.ok()) return;
      device = *acquired;
      session::GateOptions gate;
      gate.allow_software = options_.allow_software;
      decision = session::gate(device, nullptr, gate);
    };
    acquire();
    std::string folder;
    while (get(in, folder, nullptr)) {
      Outcome where;
      auto result = run_case(folder, options_, tolerance_, where);
      const bool passed = result.ok() && result->empty();
      const std::string detail = result.ok() ? *result : result.error().text();
      if (!put(out, cat(passed ? "P" : "F", "\x1f", where.islands, "\x1f", where.island, "\x1f",
                        where.dispatches, "\x1f", detail))) {
        return;
      }
      if (device != nullptr && !device->usable()) {
        acquire();
      }
    }
  }

  // A length in four bytes, then the text.
  static bool put(int fd, const std::string& text) {
    std::string bytes(4, '\0');
    const auto size = static_cast<uint32_t>(text.size());
    std::memcpy(bytes.data(), &size, 4);
    bytes += text;
    for (size_t done = 0; done < bytes.size();) {
      const ssize_t n = write(fd, bytes.data() + done, bytes.size() - done);
      if (n <= 0) return false;
      done += static_cast<size_t>(n);
    }
    return true;
  }
  static bool get(int fd, std::string& text,
                  const std::chrono::steady_clock::time_point* deadline) {
    std::string bytes;
    size_t wanted = 4;
    while (bytes.size() < wanted) {
      if (deadline != nullptr) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                              *deadline - std::chrono::steady_clock::now())
                              .count();
        pollfd ready = {fd, POLLIN, 0};
        if (left <= 0 || poll(&ready, 1, static_cast<int>(left)) == 0) return false;
      }
      char buffer[4096];
      const ssize_t n = read(fd, buffer, std::min(sizeof buffer, wanted - bytes.size()));
      if (n <= 0) return false;
      bytes.append(buffer, static_cast<size_t>(n));
      if (bytes.size() == 4) {
        uint32_t size = 0;
        std::memcpy(&size, bytes.data(), 4);
        wanted = 4 + static_cast<size_t>(size);
      }
    }
    text = bytes.substr(4);
    return true;
  }

  const session::Options& options_;
  const Tolerances& tolerance_;
  pid_t child_ = -1;
  int to_ = -1, from_ = -1;
};

// A line of known_gaps.txt: "executor pattern reason"; '*' in the pattern stands for anything.
struct Gap {
  std::string executor, pattern, reason;
  bool used = false;
};

bool matches(std::string_view pattern, std::string_view name) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  if (!name.starts_with(pattern.substr(0, star))) return false;
  const std::string_view rest = pattern.substr(star + 1);
  for (size_t at = star; at <= name.size(); ++at) {
    if (matches(rest, name.substr(at))) return true;
  }
  return false;
}

Result<std::vector<Gap>> read_gaps(const std::string& path) {
  std::vector<Gap> gaps;
  if (path.empty()) return gaps;
  SLUICE_ASSIGN(const std::string text, read_file(path, 1 << 20));
  int number = 0;
  for (const std::string& raw : split(text, '\n')) {
    ++number;
    const std::string_view line = trim(raw);
    if (line.empty() || line.starts_with("#")) continue;
    const size_t first = line.find(' ');
    const size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
    if (second == std::string_view::npos) {
      return usage_error(
          cat(path, ":", number, ": a gap needs an executor, a pattern and a reason"));
    }
    gaps.push_back({std::string(line.substr(0, first)),
                    std::string(line.substr(first + 1, second - first - 1)),
                    std::string(trim(line.substr(second)))});
  }
  return gaps;
}

struct Args {
  std::vector<std::string> folders;
  BackendOptions backend;
  std::string json, gaps, filter, suite;
  Tolerances tolerance;
  int timeout = 60;
  double whole_percent = 0;
  bool verbose = false;
};

Result<int> conformance(const Args& args) {
  SLUICE_ASSIGN(session::Options options, args.backend.parse());
  if (options.threads == 0) options.threads = 1;  // cases are tiny
  options.retry_interval_seconds = 0;             // each is judged by itself
  SLUICE_ASSIGN(std::vector<Gap> gaps, read_gaps(args.gaps));
  if (options.backend == session::Backend::kAuto) options.backend = session::Backend::kCpu;
  const std::string executor(session::backend_name(options.backend));

  std::vector<std::pair<std::string, std::string>> cases;  // name, folder
  for (const std::string& folder : args.folders) {
    std::error_code failed;
    fs::recursive_directory_iterator walk(folder, fs::directory_options::skip_permission_denied,
                                          failed),
        end;
    if (failed)
      return usage_error(
          cat("The folder ", sluice::quoted(folder), " can't be read: ", failed.message()));
    for (; walk != end; walk.increment(failed)) {
      const std::string file = walk->path().filename().string();
      if (file != "model.onnx" && file != "model.tflite") continue;
      const std::string parent = walk->path().parent_path().string();
      std::string name = fs::relative(parent, folder, failed).string();
      if (name == ".") name = walk->path().parent_path().filename().string();
      if (!args.suite.empty()) name = args.suite + "/" + name;
      if (!args.filter.empty() && !matches(args.filter, name)) continue;
      cases.emplace_back(name, parent);
    }
  }
  std::ranges::sort(cases);
  if (cases.empty()) {
    std::printf("not run: no case (a folder with model.onnx or model.tflite) is found\n");
    return kNo;
  }
  int passed = 0, failed = 0, skipped = 0, whole = 0, idle = 0, stale = 0;
  Json list = Json::array();
  Worker worker(options, args.tolerance);
  for (size_t i = 0; i < cases.size(); ++i) {
    const auto& [name, folder] = cases[i];
    Outcome outcome = worker.run(folder, args.timeout);
    for (Gap& gap : gaps) {
      if ((gap.executor != executor && gap.executor != "*") || !matches(gap.pattern, name))
        continue;
      gap.used = true;
      if (outcome.status == "passed") {
        // A gap that has closed must leave the list.
        if (gap.pattern == name) {
          std::printf("STALE   %s passes but stands in the known gaps\n", name.c_str());
          ++stale;
        }
      } else {
        outcome.status = "skipped";
        outcome.detail = gap.reason + " [" + outcome.detail + "]";
      }
      break;
    }
    // Where islands are listed, a new one fails, and so does one that is gone.
    if (outcome.status == "passed" && args.whole_percent > 0) {
      const auto listed = std::ranges::find_if(gaps, [&](const Gap& gap) {
        return gap.executor == "island" && matches(gap.pattern, name);
      });
      if (outcome.islands != 0 && listed == gaps.end()) {
        outcome.status = "failed";
        outcome.detail = "passes with an island that is not listed: " + outcome.island;
      } else if (outcome.islands == 0 && listed != gaps.end() && listed->pattern == name) {
        std::printf("STALE   %s runs without an island but is listed with one\n", name.c_str());
        ++stale;
      }
    }
    if (outcome.status == "passed") {
      ++passed;
      if (outcome.islands == 0) ++whole;
      if (outcome.islands == 0 && outcome.dispatches == 0) ++idle;
      if (args.verbose) {
        std::printf("passed  %s%s%s\n", name.c_str(),
                    outcome.islands != 0                              ? " island: "
                    : executor == "webgpu" && outcome.dispatches == 0 ? " without a dispatch"
                                                                      : "",
                    outcome.island.c_str());
      }
    } else if (outcome.status == "skipped") {
      ++skipped;
      if (args.verbose) std::printf("skipped %s: %s\n", name.c_str(), outcome.detail.c_str());
    } else {
      ++failed;
      std::printf("FAILED  %s: %s\n", name.c_str(), outcome.detail.c_str());
    }
    std::fflush(stdout);
    if (isatty(2) != 0 && i % 10 == 0) std::fprintf(stderr, "\r%zu/%zu", i + 1, cases.size());
    list.push_back({{"name", name},
                    {"status", outcome.status},
                    {"detail", outcome.detail},
                    {"seconds", outcome.seconds},
                    {"islands", outcome.islands},
                    {"island", outcome.island},
                    {"dispatches", outcome.dispatches}});
  }
  if (isatty(2) != 0) std::fprintf(stderr, "\r             \r");
  if (!args.json.empty()) {
    Json out;
    out["backend"] = executor;
    out["passed"] = passed;
    out["failed"] = failed;
    out["skipped"] = skipped;
    out["passed_without_islands"] = whole;
    out["cases"] = std::move(list);
    SLUICE_TRY(write_file_atomic(args.json, json_text(out, 1) + "\n"));
  }
  if (options.backend == session::Backend::kWebGpu) {
    // A result that is known beforehand, or the same memory under another shape, proves no kernel.
    std::printf("entirely on the GPU: %d of %zu cases (%.1f %%), %d of them without a dispatch\n",
                whole, cases.size(), 100.0 * whole / static_cast<double>(cases.size()), idle);
    if (100.0 * whole < args.whole_percent * static_cast<double>(cases.size())) {
      std::printf("FAILED  fewer cases run entirely on the GPU than demanded (%g %%)\n",
                  args.whole_percent);
      ++failed;
    }
  }
  std::printf("%s: %d passed, %d failed, %d skipped (%zu cases)\n", executor.c_str(), passed,
              failed + stale, skipped, cases.size());
  return failed + stale == 0 ? kOk : kNo;
}

}  // namespace

void add_conformance(CLI::App& app, int& exit_code) {
  auto args = std::make_shared<Args>();
  CLI::App* sub = app.add_subcommand("conformance", "run test cases in ONNX's backend-test layout");
  sub->add_option("dirs", args->folders, "folders to search for cases")->required();
  sub->add_option("--json", args->json, "write counts and every case as JSON");
  sub->add_option("--gaps", args->gaps, "known gaps: lines of executor, pattern, reason");
  sub->add_option("--suite", args->suite, "prefix of the cases' names, as the gaps name them");
  sub->add_option("--filter", args->filter, "only cases whose name matches (* is anything)");
  sub->add_option("--rtol", args->tolerance.rtol, "relative tolerance")->capture_default_str();
  sub->add_option("--atol", args->tolerance.atol, "absolute tolerance")->capture_default_str();
  sub->add_option("--timeout", args->timeout, "seconds a case may take")->capture_default_str();
  sub->add_option(
         "--whole", args->whole_percent,
         "webgpu: percentage of cases that must pass without an island; the others must be "
         "listed in the gaps (executor `island`)")
      ->capture_default_str();
  sub->add_flag("--verbose,-v", args->verbose, "print every case");
  args->backend.add_to(*sub);
  sub->callback([args, &exit_code] {
    auto done = conformance(*args);
    exit_code = done ? *done : report(done.error());
  });
}

}  // namespace sluice::cli
