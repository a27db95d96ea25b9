// Telemetry: tells others what a Binding says: one console line per event, JSON lines in a file,
// and OpenTelemetry (OTLP over HTTP, JSON encoding) to a collector. Everything is off by default,
// and nothing leaves the machine unless an endpoint is set. Events are derived from the Binding
// alone, so they can't tell another story than the record does. Telemetry never fails a job: what
// can't be delivered is one warning. It knows no HTTP: whoever owns it hands in the function that
// posts.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/function_ref.h"
#include "base/result.h"
#include "session/binding.h"

namespace sluice::session {

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct TelemetryConfig {
  bool console = false;     // lines on stderr
  std::string json_lines;   // a file that events are appended to; empty: none
  std::string metrics_url;  // where metrics are posted; empty: not at all
  std::string logs_url;     // where events are posted; empty: not at all
  Pairs metrics_headers, logs_headers;
  Pairs resource;                     // attributes of the process, service.name first
  double timeout_seconds = 2;         // for all posts together
  bool delta = false;                 // temporality of sums and histograms; false: cumulative
  std::string trace_id, span_id;      // lower-case hex; the caller's trace, which the events join
  std::vector<std::string> warnings;  // settings that are not followed, as sentences
};

// Reads the variables of the OpenTelemetry specification ("Environment Variable Specification" and
// "OTLP Exporter"): OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, _TIMEOUT and _PROTOCOL with their
// METRICS and LOGS forms, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_SDK_DISABLED,
// OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE, OTEL_METRICS_EXPORTER and OTEL_LOGS_EXPORTER
// ("none"), TRACEPARENT. A given `endpoint` stands in the place of OTEL_EXPORTER_OTLP_ENDPOINT.
// `variable` gives null for one that is not set.
TelemetryConfig telemetry_config(FunctionRef<const char*(const char* name)> variable,
                                 const std::string& endpoint = {});

// With what every resource says (service.name, service.instance.id, telemetry.sdk.* ...) added.
Pairs complete_resource(Pairs resource);

struct TelemetryEvent {
  std::string name;  // "sluice.session.loaded"
  bool warning = false;
  uint64_t time_unix_nano = 0;
  std::string sentence;  // as on the console, without "[EP]" where it is no console line
  std::string console;   // the line; may differ from `sentence`
  Pairs attributes;
  bool with_binding = false;  // JSON lines carry the whole record
};

// Bodies of POST /v1/logs and /v1/metrics: ExportLogsServiceRequest and ExportMetricsServiceRequest
// of opentelemetry-proto in its JSON encoding (64-bit integers as text, enumerations as numbers).
std::string otlp_logs(const TelemetryConfig& config, const std::vector<TelemetryEvent>& events);
std::string otlp_metrics(const TelemetryConfig& config, const std::string& model,
                         const Binding& binding, uint64_t start_unix_nano, uint64_t now_unix_nano);

class Telemetry {
 public:
  // Posts a JSON body within the time given; any answer but success is an error.
  using Post = std::function<Result<void>(const std::string& url, const Pairs& headers,
                                          const std::string& body, double timeout_seconds)>;
  using Print = std::function<void(const std::string& line)>;  // to stderr when empty

  // `model` is the model's file or catalogue name, without folders: it leaves the machine.
  Telemetry(TelemetryConfig config, std::string model, Post post = {}, Print print = {});

  // Emits what is new in the record since the last call: to be called after load and after each
  // run.
  void update(const Binding& binding);
  // The last word, after the job: the summary, then the posts.
  void finish(const Binding& binding);

  const std::vector<TelemetryEvent>& events() const { return events_; }
  // For whoever posts by other means: the last word without saying it, and the metrics as of now.
  TelemetryEvent summary(const Binding& binding) const;
  std::string metrics(const TelemetryConfig& config, const Binding& binding) const;

 private:
  void emit(TelemetryEvent event, const Binding& binding);
  void warn(const std::string& sentence);
  void append_json_line(const TelemetryEvent& event, const Binding& binding);
  Pairs common(const Binding& binding) const;

  TelemetryConfig config_;
  std::string model_;
  Post post_;
  Print print_;
  uint64_t start_unix_nano_;
  std::vector<TelemetryEvent> events_;
  bool loaded_ = false, first_run_ = false, finished_ = false, file_failed_ = false;
  size_t gate_seen_ = 0, failovers_seen_ = 0;
};

}  // namespace sluice::session
