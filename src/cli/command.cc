#include "cli/command.h"

#include <cstdio>

#include "base/text.h"
#include "exec/webgpu/device.h"

namespace sluice::cli {

int report(const Error& error) {
  std::fflush(stdout);
  std::fprintf(stderr, "sluice: %s\n", error.text().c_str());
  switch (error.code) {
    case ErrorCode::kInvalidModel:
    case ErrorCode::kUnsupported:
      return kBadInput;
    case ErrorCode::kUsage:
      return kUsage;
    case ErrorCode::kDevice:
      return kNoBackend;
    case ErrorCode::kResource:
    case ErrorCode::kInternal:
      return kNo;
  }
  return kNo;
}

void BackendOptions::add_to(CLI::App& app) {
  app.add_option("--backend", backend, "auto, webgpu, cpu or reference")->capture_default_str();
  app.add_flag("--allow-software", allow_software,
               "bind to a software WebGPU adapter too (SwiftShader, llvmpipe)");
  app.add_flag("--strict", strict, "refuse islands on the CPU and finishing there");
  app.add_option("--limits", limits, "WebGPU limits: guaranteed, or adapter for all it offers")
      ->check(CLI::IsMember({"guaranteed", "adapter"}))
      ->capture_default_str();
  app.add_option("--kernel", kernels,
                 "a WebGPU kernel to take wherever it can be (conv.winograd); =-NAME: never");
  app.add_option("--threads", threads, "threads (0: one per core)")->check(CLI::Range(0, 64));
}

Result<session::Options> BackendOptions::parse() const {
  session::Options options;
  options.threads = threads;
  options.allow_software = allow_software;
  options.strict = strict;
  options.kernels = kernels;
  // Where the CPU is the GPU, compiling waits for everybody else on it.
  if (allow_software) options.deadline_seconds = 60;
  if (backend == "cpu") {
    options.backend = session::Backend::kCpu;
  } else if (backend == "reference") {
    options.backend = session::Backend::kReference;
  } else if (backend == "webgpu") {
    options.backend = session::Backend::kWebGpu;
  } else if (backend != "auto") {
    return usage_error(
        cat("There is no backend ", sluice::quoted(backend), " (auto, webgpu, cpu, reference)"));
  }
  if (limits == "adapter" && backend != "cpu" && backend != "reference") {
    exec::webgpu::DeviceOptions how;
    how.allow_software = allow_software;
    SLUICE_ASSIGN(const exec::webgpu::AdapterInfo adapter, exec::webgpu::probe_adapter(how));
    options.limits = adapter.limits;
  }
  return options;
}

Result<Shape> parse_shape(std::string_view text) {
  Shape shape;
  if (trim(text).empty()) return shape;
  for (const std::string& part :
       split(text, text.find('x') != std::string_view::npos ? 'x' : ',')) {
    const auto dim = parse_int(trim(part));
    if (!dim || *dim < 0)
      return usage_error(cat("The extent ", sluice::quoted(part), " is not a number >= 0"));
    if (shape.rank() == kMaxRank) {
      return usage_error(cat("A shape has too many extents (limit ", kMaxRank, ")"));
    }
    shape.push_back(*dim);
  }
  return shape;
}

Result<void> parse_shapes(const std::vector<std::string>& specs, session::Options& options) {
  for (const std::string& spec : specs) {
    const size_t at = spec.rfind('=');
    if (at == std::string::npos) {
      return usage_error(cat("--shape ", sluice::quoted(spec), " is not NAME=1x3x224x224"));
    }
    SLUICE_ASSIGN(options.input_shapes[spec.substr(0, at)], parse_shape(spec.substr(at + 1)));
  }
  return {};
}

}  // namespace sluice::cli
