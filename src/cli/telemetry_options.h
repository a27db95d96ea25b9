// --debug ep, --events FILE and --otlp URL: the options by which a command tells what its session
// did.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "session/telemetry.h"

namespace sluice::cli {

struct TelemetryOptions {
  std::string debug, events, endpoint;
  void add_to(CLI::App& app);
  // `model` is shown and sent as it is: a name, no path.
  session::Telemetry start(const std::string& model, session::Telemetry::Print print = {}) const;
};

// Tells the last word when the command ends, however it ends. The session must outlive it.
class TelemetryScope {
 public:
  TelemetryScope(session::Telemetry telemetry, const session::Binding& binding)
      : telemetry_(std::move(telemetry)), binding_(binding) {
    telemetry_.update(binding_);
  }
  ~TelemetryScope() { telemetry_.finish(binding_); }
  TelemetryScope(const TelemetryScope&) = delete;
  TelemetryScope& operator=(const TelemetryScope&) = delete;
  void update() { telemetry_.update(binding_); }

 private:
  session::Telemetry telemetry_;
  const session::Binding& binding_;
};

}  // namespace sluice::cli
