// sluice: runs machine-learning models and says exactly where they ran.
#include <cstdio>

#include "cli/command.h"

int main(int argc, char** argv) {
  CLI::App app{"Sluice runs ONNX and TFLite models and says exactly where they ran.", "sluice"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "sluice 0.1.0");
  int exit_code = sluice::cli::kOk;
  sluice::cli::add_cutout(app, exit_code);
  sluice::cli::add_inspect(app, exit_code);
  sluice::cli::add_run(app, exit_code);
  sluice::cli::add_dump(app, exit_code);
  sluice::cli::add_explain(app, exit_code);
  sluice::cli::add_bench(app, exit_code);
  sluice::cli::add_conformance(app, exit_code);
  sluice::cli::add_verify(app, exit_code);
  sluice::cli::add_doctor(app, exit_code);
  sluice::cli::add_serve(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // --help and --version are no errors; anything else is one line.
    if (error.get_exit_code() == 0) return app.exit(error);
    std::fprintf(stderr, "sluice: %s (sluice --help lists the commands)\n", error.what());
    return sluice::cli::kUsage;
  }
  return exit_code;
}
