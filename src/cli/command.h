// The command line: one file per subcommand, each with an `add_<name>` that registers itself.
// A command sets `exit_code` when it is done: 0 ok; 1 the answer is no; 2 usage; 3 bad input file;
// 4 no usable backend. Errors are one line on stderr.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "base/error.h"
#include "session/session.h"

namespace sluice::cli {

inline constexpr int kOk = 0, kNo = 1, kUsage = 2, kBadInput = 3, kNoBackend = 4;

// Prints "sluice: <message>" and gives the exit code for it.
int report(const Error& error);

// --backend, --threads and the GPU's options, shared by the commands that run a model.
struct BackendOptions {
  std::string backend = "auto";
  int threads = 0;
  bool allow_software = false, strict = false;
  std::string limits = "guaranteed";
  std::vector<std::string> kernels;
  void add_to(CLI::App& app);
  Result<session::Options> parse() const;
};

// "NAME=1x3x224x224" into options.input_shapes.
Result<void> parse_shapes(const std::vector<std::string>& specs, session::Options& options);

// "1x3x224x224".
Result<Shape> parse_shape(std::string_view text);

void add_cutout(CLI::App& app, int& exit_code);
void add_doctor(CLI::App& app, int& exit_code);
void add_inspect(CLI::App& app, int& exit_code);
void add_run(CLI::App& app, int& exit_code);
void add_dump(CLI::App& app, int& exit_code);
void add_explain(CLI::App& app, int& exit_code);
void add_conformance(CLI::App& app, int& exit_code);
void add_verify(CLI::App& app, int& exit_code);
void add_bench(CLI::App& app, int& exit_code);
void add_serve(CLI::App& app, int& exit_code);

}  // namespace sluice::cli
