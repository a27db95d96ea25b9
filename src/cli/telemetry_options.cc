#include "cli/telemetry_options.h"

#include <cstdlib>

#include "cli/http_post.h"

namespace sluice::cli {

void TelemetryOptions::add_to(CLI::App& app) {
  app.add_option("--debug", debug, "ep: a line on stderr for each event: which backend ran and why")
      ->check(CLI::IsMember({"ep"}));
  app.add_option("--events", events, "file to which the events are appended as JSON lines");
  app.add_option(
      "--otlp", endpoint,
      "OpenTelemetry collector (http://host:4318); default: OTEL_EXPORTER_OTLP_ENDPOINT, "
      "else nothing is sent");
}

session::Telemetry TelemetryOptions::start(const std::string& model,
                                           session::Telemetry::Print print) const {
  session::TelemetryConfig config = session::telemetry_config(
      [](const char* name) -> const char* { return std::getenv(name); }, endpoint);
  config.console = debug == "ep";
  config.json_lines = events;
  return session::Telemetry(std::move(config), model, http_post, std::move(print));
}

}  // namespace sluice::cli
