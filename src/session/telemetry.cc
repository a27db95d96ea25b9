#include "session/telemetry.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <random>

#include "base/json.h"
#include "base/text.h"

namespace sluice::session {

namespace {

constexpr char kVersion[] = "0.1.0";
// Values of opentelemetry-proto's enumerations.
constexpr int kSeverityInfo = 9, kSeverityWarn = 13;
constexpr int kDelta = 1, kCumulative = 2;

uint64_t now_unix_nano() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                   std::chrono::system_clock::now().time_since_epoch())
                                   .count());
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

// Percent escapes as in URLs; a broken one stays as it is.
std::string unescape(std::string_view text) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 &&
        digit(text[i + 2]) >= 0) {
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// "key=value,key=value", values percent-encoded. Entries without a key or "=" are dropped.
Pairs parse_pairs(std::string_view text) {
  Pairs pairs;
  for (const std::string& entry : split(text, ',')) {
    const size_t at = entry.find('=');
    if (at == std::string::npos) continue;
    const std::string key(trim(std::string_view(entry).substr(0, at)));
    if (key.empty()) continue;
    pairs.emplace_back(key, unescape(trim(std::string_view(entry).substr(at + 1))));
  }
  return pairs;
}

void set(Pairs& pairs, std::string key, std::string value) {
  for (auto& [name, old] : pairs) {
    if (name == key) {
      old = std::move(value);
      return;
    }
  }
  pairs.emplace_back(std::move(key), std::move(value));
}

// Header names and values go into a request as they are: no line breaks, no control characters.
Pairs safe_headers(const Pairs& headers, std::vector<std::string>& warnings) {
  Pairs out;
  for (const auto& [name, value] : headers) {
    const auto printable = [](char c) { return c >= 0x20 && c != 0x7f; };
    const auto token = [](char c) { return c > 0x20 && c < 0x7f && c != ':'; };
    if (std::ranges::all_of(name, token) && std::ranges::all_of(value, printable)) {
      out.emplace_back(name, value);
    } else {
      warnings.push_back(cat("The header ", sluice::quoted(name),
                             " of the telemetry endpoint has characters that HTTP forbids; it is "
                             "left out"));
    }
  }
  return out;
}

std::string random_hex(size_t bytes) {
  std::random_device source;
  std::string out;
  for (size_t i = 0; i < bytes; ++i) {
    const unsigned value = source() & 0xff;
    out += "0123456789abcdef"[value >> 4];
    out += "0123456789abcdef"[value & 15];
  }
  return out;
}

// A random UUID (RFC 9562, version 4).
std::string random_uuid() {
  std::string hex = random_hex(16);
  hex[12] = '4';
  hex[16] = "89ab"[(hex[16] >= 'a' ? hex[16] - 'a' + 10 : hex[16] - '0') & 3];
  return cat(hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-",
             hex.substr(16, 4), "-", hex.substr(20));
}

// W3C trace context: "00-<32 hex>-<16 hex>-<2 hex>", ids not all zero.
void read_traceparent(std::string_view text, TelemetryConfig& config) {
  const auto parts = split(text, '-');
  const auto hex = [](const std::string& part, size_t size) {
    return part.size() == size && std::ranges::all_of(part, [](char c) {
             return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
  };
  const auto nonzero = [](const std::string& part) {
    return part.find_first_not_of('0') != std::string::npos;
  };
  if (parts.size() < 4 || !hex(parts[0], 2) || parts[0] == "ff") return;
  if (!hex(parts[1], 32) || !hex(parts[2], 16) || !nonzero(parts[1]) || !nonzero(parts[2])) return;
  config.trace_id = parts[1];
  config.span_id = parts[2];
}

Json text_value(std::string_view text) { return Json{{"stringValue", text}}; }

Json attributes(const Pairs& pairs) {
  Json list = Json::array();
  for (const auto& [key, value] : pairs) {
    list.push_back(Json{{"key", key}, {"value", text_value(value)}});
  }
  return list;
}

Json resource(const TelemetryConfig& config) {
  return Json{{"attributes", attributes(config.resource)}};
}

Json scope() { return Json{{"name", "sluice"}, {"version", kVersion}}; }

std::string text_of(const Json& json) {
  // Names are a file's or a driver's; bytes that are no UTF-8 become U+FFFD.
  return json_text(json);
}

// "0.25 ms", "250 ms". Without printf, which a page would compile for this alone.
std::string milliseconds(double seconds) {
  const double ms = seconds * 1e3;
  if (seconds >= 0.1) return cat(std::llrint(ms), " ms");
  const auto hundredths = std::llrint(ms * 100);
  return cat(hundredths / 100, '.', hundredths / 10 % 10, hundredths % 10, " ms");
}

std::string iso_time(uint64_t unix_nano) {
  const auto seconds = static_cast<std::time_t>(unix_nano / 1000000000);
  std::tm utc = {};
  gmtime_r(&seconds, &utc);
  char text[40];
  const size_t end = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + end, sizeof text - end, ".%03uZ",
                static_cast<unsigned>(unix_nano / 1000000 % 1000));
  return text;
}

// What distinguishes one session's metrics from another's.
Pairs binding_attributes(const std::string& model, const Binding& binding) {
  Pairs out = {{"sluice.model", model},
               {"sluice.backend.requested", std::string(backend_name(binding.requested))},
               {"sluice.backend.bound", std::string(backend_name(binding.bound))},
               {"sluice.evidence", std::string(evidence_name(binding.evidence))},
               {"sluice.precision", std::string(precision_name(binding.precision))}};
  if (binding.adapter.present) {
    out.emplace_back("gpu.vendor", binding.adapter.vendor);
    out.emplace_back("gpu.architecture", binding.adapter.architecture);
    out.emplace_back("gpu.device", binding.adapter.device);
    out.emplace_back("gpu.api", binding.adapter.backend);
    out.emplace_back("gpu.software", binding.adapter.software ? "true" : "false");
  }
  return out;
}

}  // namespace

Pairs complete_resource(Pairs resource) {
  const auto has = [&](std::string_view key) {
    return std::ranges::any_of(resource, [&](const auto& p) { return p.first == key; });
  };
  if (!has("service.name")) resource.insert(resource.begin(), {"service.name", "sluice"});
  if (!has("service.version")) resource.emplace_back("service.version", kVersion);
  if (!has("service.instance.id")) resource.emplace_back("service.instance.id", random_uuid());
  set(resource, "telemetry.sdk.name", "sluice");
  if (!has("telemetry.sdk.language")) resource.emplace_back("telemetry.sdk.language", "cpp");
  set(resource, "telemetry.sdk.version", kVersion);
  return resource;
}

TelemetryConfig telemetry_config(FunctionRef<const char*(const char* name)> variable,
                                 const std::string& endpoint) {
  const auto get = [&](const std::string& name) {
    const char* value = variable(name.c_str());
    return value == nullptr ? std::string() : std::string(trim(value));
  };
  TelemetryConfig config;
  config.resource = parse_pairs(get("OTEL_RESOURCE_ATTRIBUTES"));
  std::string service = get("OTEL_SERVICE_NAME");
  if (!service.empty()) set(config.resource, "service.name", service);
  config.resource = complete_resource(std::move(config.resource));
  if (const std::string parent = get("TRACEPARENT"); !parent.empty()) {
    read_traceparent(parent, config);
  }
  if (lower(get("OTEL_SDK_DISABLED")) == "true" && endpoint.empty()) return config;

  const std::string base = endpoint.empty() ? get("OTEL_EXPORTER_OTLP_ENDPOINT") : endpoint;
  const auto signal = [&](const std::string& upper, std::string_view path, std::string& url,
                          Pairs& headers) {
    if (lower(get(cat("OTEL_", upper, "_EXPORTER"))) == "none") return;
    // A signal's own endpoint is taken as it stands; the common one gets the signal's path.
    url = endpoint.empty() ? get(cat("OTEL_EXPORTER_OTLP_", upper, "_ENDPOINT")) : std::string();
    if (url.empty() && !base.empty()) url = cat(base, base.ends_with('/') ? "" : "/", path);
    if (url.empty()) return;
    if (!url.starts_with("http://") && !url.starts_with("https://")) {
      config.warnings.push_back(cat("The telemetry endpoint ", sluice::quoted(url),
                                    " is no http:// or https:// address; nothing is sent to it"));
      url.clear();
      return;
    }
    std::string protocol = get(cat("OTEL_EXPORTER_OTLP_", upper, "_PROTOCOL"));
    if (protocol.empty()) protocol = get("OTEL_EXPORTER_OTLP_PROTOCOL");
    // Receivers of http/protobuf take JSON at the same address; gRPC ones don't.
    if (lower(protocol) == "grpc") {
      config.warnings.push_back(
          cat("The telemetry endpoint ", sluice::quoted(url),
              " is set to the protocol grpc (http/json is spoken); nothing is sent to it"));
      url.clear();
      return;
    }
    Pairs wanted = parse_pairs(get("OTEL_EXPORTER_OTLP_HEADERS"));
    for (auto& [name, value] : parse_pairs(get(cat("OTEL_EXPORTER_OTLP_", upper, "_HEADERS")))) {
      set(wanted, name, value);
    }
    headers = safe_headers(wanted, config.warnings);
  };
  signal("METRICS", "v1/metrics", config.metrics_url, config.metrics_headers);
  signal("LOGS", "v1/logs", config.logs_url, config.logs_headers);
  if (const auto ms = parse_int(get("OTEL_EXPORTER_OTLP_TIMEOUT")); ms && *ms > 0) {
    config.timeout_seconds = std::min(static_cast<double>(*ms) / 1e3, 30.0);
  }
  const std::string temporality = lower(get("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"));
  config.delta = temporality == "delta" || temporality == "lowmemory";
  return config;
}

std::string otlp_logs(const TelemetryConfig& config, const std::vector<TelemetryEvent>& events) {
  Json records = Json::array();
  for (const TelemetryEvent& event : events) {
    Json record{{"timeUnixNano", std::to_string(event.time_unix_nano)},
                {"observedTimeUnixNano", std::to_string(event.time_unix_nano)},
                {"severityNumber", event.warning ? kSeverityWarn : kSeverityInfo},
                {"severityText", event.warning ? "WARN" : "INFO"},
                {"body", text_value(event.sentence)},
                {"attributes", attributes(event.attributes)},
                {"eventName", event.name}};
    if (!config.trace_id.empty()) {
      record["traceId"] = config.trace_id;
      record["spanId"] = config.span_id;
    }
    records.push_back(std::move(record));
  }
  Json scope_logs{{"scope", scope()}, {"logRecords", std::move(records)}};
  Json resource_logs{{"resource", resource(config)},
                     {"scopeLogs", Json::array({std::move(scope_logs)})}};
  return text_of(Json{{"resourceLogs", Json::array({std::move(resource_logs)})}});
}

std::string otlp_metrics(const TelemetryConfig& config, const std::string& model,
                         const Binding& binding, uint64_t start_unix_nano, uint64_t now) {
  const Json labels = attributes(binding_attributes(model, binding));
  const int temporality = config.delta ? kDelta : kCumulative;
  const auto point = [&] {
    return Json{{"attributes", labels},
                {"startTimeUnixNano", std::to_string(start_unix_nano)},
                {"timeUnixNano", std::to_string(now)}};
  };
  const auto number = [&](uint64_t value) {
    Json p = point();
    p["asInt"] = std::to_string(value);
    return Json::array({std::move(p)});
  };
  Json metrics = Json::array();
  const auto counter = [&](const char* name, const char* description, const char* unit,
                           uint64_t value) {
    metrics.push_back(Json{{"name", name},
                           {"description", description},
                           {"unit", unit},
                           {"sum",
                            {{"dataPoints", number(value)},
                             {"aggregationTemporality", temporality},
                             {"isMonotonic", true}}}});
  };
  const auto gauge = [&](const char* name, const char* description, const char* unit,
                         uint64_t value) {
    metrics.push_back(Json{{"name", name},
                           {"description", description},
                           {"unit", unit},
                           {"gauge", {{"dataPoints", number(value)}}}});
  };
  const auto histogram = [&](const char* name, const char* description, uint64_t count, double sum,
                             double min, double max, const std::vector<uint64_t>& buckets) {
    if (count == 0) return;
    Json p = point();
    p["count"] = std::to_string(count);
    p["sum"] = sum;
    p["min"] = min;
    p["max"] = max;
    p["bucketCounts"] = Json::array();
    for (const uint64_t bucket : buckets) p["bucketCounts"].push_back(std::to_string(bucket));
    p["explicitBounds"] = kDurationBounds;
    metrics.push_back(Json{
        {"name", name},
        {"description", description},
        {"unit", "s"},
        {"histogram",
         {{"dataPoints", Json::array({std::move(p)})}, {"aggregationTemporality", temporality}}}});
  };
  const auto once = [&](const char* name, const char* description, double seconds) {
    std::vector<uint64_t> buckets(std::size(kDurationBounds) + 1);
    ++buckets[duration_bucket(seconds)];
    histogram(name, description, 1, seconds, seconds, seconds, buckets);
  };
  counter("sluice.sessions", "Sessions by the backend that they are bound to", "{session}", 1);
  counter("sluice.runs", "Runs that gave results", "{run}", static_cast<uint64_t>(binding.runs));
  counter("sluice.failovers", "Jobs taken to another backend", "{failover}",
          binding.failovers.size());
  counter("sluice.gate.refusals", "Checks that the adapter failed", "{check}",
          static_cast<uint64_t>(std::ranges::count(binding.gate, false, &GateFinding::passed)));
  gauge("sluice.islands", "Nodes that run on another backend than the bound one", "{node}",
        binding.islands.size());
  gauge("sluice.device.memory.predicted", "Device memory that the plan needs, weights included",
        "By", binding.plan.predicted_peak_bytes);
  once("sluice.load.duration", "From the model file to a session ready to run",
       binding.read_seconds + binding.compile_seconds + binding.prepare_seconds +
           binding.init_seconds);
  if (binding.runs > 0) {
    once("sluice.run.first.duration", "The first run of a session", binding.first_run_seconds);
  }
  const SteadyTimes& steady = binding.steady;
  histogram("sluice.run.duration", "Runs after the first", static_cast<uint64_t>(steady.n),
            steady.sum_seconds, steady.min_seconds, steady.max_seconds, steady.buckets);
  Json scope_metrics{{"scope", scope()}, {"metrics", std::move(metrics)}};
  Json resource_metrics{{"resource", resource(config)},
                        {"scopeMetrics", Json::array({std::move(scope_metrics)})}};
  return text_of(Json{{"resourceMetrics", Json::array({std::move(resource_metrics)})}});
}

Telemetry::Telemetry(TelemetryConfig config, std::string model, Post post, Print print)
    : config_(std::move(config)),
      model_(std::move(model)),
      post_(std::move(post)),
      print_(std::move(print)),
      start_unix_nano_(now_unix_nano()) {
  if (!print_) {
    print_ = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  }
  for (const std::string& sentence : config_.warnings) warn(sentence);
}

void Telemetry::warn(const std::string& sentence) { print_("sluice: warning: " + sentence); }

Pairs Telemetry::common(const Binding& binding) const {
  Pairs out = binding_attributes(model_, binding);
  if (!binding.model_sha256.empty()) out.emplace_back("sluice.model.sha256", binding.model_sha256);
  return out;
}

void Telemetry::emit(TelemetryEvent event, const Binding& binding) {
  event.time_unix_nano = now_unix_nano();
  if (config_.console) {
    const std::string name = sluice::quoted(model_);
    print_(event.console.empty()
               ? cat("[EP] sluice · ", name.substr(1, name.size() - 2), " · ", event.sentence)
               : event.console);
  }
  if (!config_.json_lines.empty()) append_json_line(event, binding);
  events_.push_back(std::move(event));
}

void Telemetry::append_json_line(const TelemetryEvent& event, const Binding& binding) {
  if (file_failed_) return;
  Json line{{"time", iso_time(event.time_unix_nano)},
            {"event", event.name},
            {"severity", event.warning ? "WARN" : "INFO"},
            {"model", model_},
            {"sentence", event.sentence}};
  for (const auto& [key, value] : event.attributes) line["attributes"][key] = value;
  if (event.with_binding) line["binding"] = parse_json(binding.to_json());
  const std::string text = text_of(line) + "\n";
  std::FILE* file = std::fopen(config_.json_lines.c_str(), "ab");
  const bool written =
      file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if ((file != nullptr && std::fclose(file) != 0) || !written) {
    file_failed_ = true;
    warn(cat("Events can't be written to ", sluice::quoted(config_.json_lines)));
  }
}

void Telemetry::update(const Binding& binding) {
  if (gate_seen_ < binding.gate.size()) {
    TelemetryEvent event;
    event.name = "sluice.gate.decision";
    const auto fresh = std::span(binding.gate).subspan(gate_seen_);
    double seconds = 0;
    const GateFinding* refusal = nullptr;
    for (const GateFinding& finding : fresh) {
      seconds += finding.seconds;
      if (!finding.passed && refusal == nullptr) refusal = &finding;
    }
    event.warning = refusal != nullptr;
    event.sentence =
        refusal == nullptr
            ? cat("gate passed: ", fresh.size(), fresh.size() == 1 ? " check" : " checks", " in ",
                  milliseconds(seconds))
            : cat("gate refused webgpu (", refusal->check, "): ", refusal->sentence);
    event.attributes = common(binding);
    event.attributes.emplace_back("sluice.gate.passed", refusal == nullptr ? "true" : "false");
    if (refusal != nullptr) event.attributes.emplace_back("sluice.gate.check", refusal->check);
    gate_seen_ = binding.gate.size();
    emit(std::move(event), binding);
  }
  if (!loaded_) {
    loaded_ = true;
    TelemetryEvent event;
    event.name = "sluice.session.loaded";
    event.console = binding.console_line(model_);
    event.sentence = event.console;
    event.attributes = common(binding);
    event.attributes.emplace_back("sluice.islands", std::to_string(binding.islands.size()));
    event.with_binding = true;
    emit(std::move(event), binding);
  }
  for (; failovers_seen_ < binding.failovers.size(); ++failovers_seen_) {
    const Failover& what = binding.failovers[failovers_seen_];
    TelemetryEvent event;
    event.name = "sluice.failover";
    event.warning = true;
    event.sentence = cat(what.device_lost ? "device lost at " : "failed at ", what.stage, ": ",
                         what.error, " = bound=", backend_name(what.rebound),
                         what.redone.empty() ? "" : " | done again: ", what.redone);
    event.attributes = common(binding);
    event.attributes.emplace_back("sluice.failover.stage", what.stage);
    event.attributes.emplace_back("sluice.failover.error", what.error);
    event.attributes.emplace_back("sluice.failover.device_lost",
                                  what.device_lost ? "true" : "false");
    emit(std::move(event), binding);
  }
  if (!first_run_ && binding.runs > 0) {
    first_run_ = true;
    TelemetryEvent event;
    event.name = "sluice.run.first";
    event.sentence = cat("first run ", milliseconds(binding.first_run_seconds), " on ",
                         backend_name(binding.bound), " (", evidence_name(binding.evidence),
                         "), islands=", binding.islands.size());
    event.attributes = common(binding);
    event.attributes.emplace_back("sluice.islands", std::to_string(binding.islands.size()));
    emit(std::move(event), binding);
  }
}

TelemetryEvent Telemetry::summary(const Binding& binding) const {
  TelemetryEvent event;
  event.name = "sluice.session.summary";
  const SteadyTimes& steady = binding.steady;
  event.sentence = cat(binding.runs, binding.runs == 1 ? " run" : " runs", " on ",
                       backend_name(binding.bound), " (", evidence_name(binding.evidence), ")");
  if (steady.n > 0) {
    event.sentence += cat(", steady median ", milliseconds(steady.median_seconds), " [",
                          milliseconds(steady.min_seconds), " - ", milliseconds(steady.max_seconds),
                          "] of ", steady.n);
  }
  event.sentence +=
      cat(", host copies ", binding.host_copies, ", failovers ", binding.failovers.size());
  event.attributes = common(binding);
  event.with_binding = true;
  event.time_unix_nano = now_unix_nano();
  return event;
}

std::string Telemetry::metrics(const TelemetryConfig& config, const Binding& binding) const {
  return otlp_metrics(config, model_, binding, start_unix_nano_, now_unix_nano());
}

void Telemetry::finish(const Binding& binding) {
  update(binding);
  if (finished_) return;
  finished_ = true;
  emit(summary(binding), binding);
  if (config_.metrics_url.empty() && config_.logs_url.empty()) return;
  if (!post_) {
    warn("Telemetry has an endpoint, but this build can't post to it");
    return;
  }
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::duration<double>(config_.timeout_seconds);
  const auto send = [&](const std::string& url, const Pairs& headers, const std::string& body) {
    if (url.empty()) return true;
    const double left = std::chrono::duration<double>(deadline - Clock::now()).count();
    const auto sent = left > 0 ? post_(url, headers, body, left)
                               : Result<void>(resource_error("there is no time left"));
    if (!sent) {
      warn(cat("Telemetry is not delivered to ", sluice::quoted(url), ": ", sent.error().text()));
      return false;
    }
    return true;
  };
  // One warning is enough: where the metrics don't arrive, the events would not either.
  if (send(config_.metrics_url, config_.metrics_headers, metrics(config_, binding))) {
    (void)send(config_.logs_url, config_.logs_headers, otlp_logs(config_, events_));
  }
}

}  // namespace sluice::session
