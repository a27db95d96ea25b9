#include "session/telemetry.h"

#include <gtest/gtest.h>

#include <map>

#include "base/json.h"

namespace sluice::session {
namespace {

TelemetryConfig config(const std::map<std::string, std::string>& variables,
                       const std::string& endpoint = {}) {
  return telemetry_config(
      [&](const char* name) -> const char* {
        const auto at = variables.find(name);
        return at == variables.end() ? nullptr : at->second.c_str();
      },
      endpoint);
}

Binding on_gpu() {
  Binding b;
  b.requested = Backend::kAuto;
  b.bound = Backend::kWebGpu;
  b.adapter.present = true;
  b.adapter.vendor = "acme";
  b.gate = {{"int8 dequantize", true, "right", 0.001}, {"float16", true, "right", 0.001}};
  return b;
}

std::vector<std::string> names(const Telemetry& telemetry) {
  std::vector<std::string> out;
  for (const TelemetryEvent& event : telemetry.events()) out.push_back(event.name);
  return out;
}

struct Sink {
  std::vector<std::string> lines;
  struct Posted {
    std::string url;
    Json body;
  };
  std::vector<Posted> posted;
  Result<void> answer;
  Telemetry telemetry(TelemetryConfig how) {
    return Telemetry(
        std::move(how), "ISNet",
        [this](const std::string& url, const Pairs&, const std::string& body, double) {
          posted.push_back({url, parse_json(body)});
          return answer.ok() ? Result<void>() : answer.error();
        },
        [this](const std::string& line) { lines.push_back(line); });
  }
};

TEST(TelemetryTest, NothingLeavesWithoutAnEndpoint) {
  const TelemetryConfig how = config({{"OTEL_EXPORTER_OTLP_HEADERS", "a=b"}});
  EXPECT_TRUE(how.metrics_url.empty());
  EXPECT_TRUE(how.logs_url.empty());
  Sink sink;
  Telemetry telemetry = sink.telemetry(how);
  Binding b = on_gpu();
  telemetry.update(b);
  b.record_run(1);
  telemetry.finish(b);
  EXPECT_TRUE(sink.posted.empty());
  EXPECT_TRUE(sink.lines.empty());  // the console is off by default
  EXPECT_EQ(telemetry.events().size(), 4u);
}

TEST(TelemetryTest, EveryEventOnceInOrder) {
  TelemetryConfig how;
  how.console = true;
  Sink sink;
  Telemetry telemetry = sink.telemetry(how);
  Binding b = on_gpu();
  telemetry.update(b);
  telemetry.update(b);
  b.record_run(0.5);
  telemetry.update(b);
  b.gate.push_back({"float16", false, "The adapter computes float16 wrong after warm-up", 0});
  b.record_failover({.stage = "gate after warm-up", .error = "wrong numbers", .redone = "the run"});
  telemetry.update(b);
  b.record_run(0.25);
  telemetry.finish(b);
  telemetry.finish(b);
  const std::vector<std::string> expected = {"sluice.gate.decision", "sluice.session.loaded",
                                             "sluice.run.first",     "sluice.gate.decision",
                                             "sluice.failover",      "sluice.session.summary"};
  EXPECT_EQ(names(telemetry), expected);
  ASSERT_EQ(sink.lines.size(), expected.size());
  for (const std::string& line : sink.lines) {
    EXPECT_TRUE(line.starts_with("[EP] sluice · ISNet · ")) << line;
  }
  EXPECT_EQ(sink.lines[3],
            "[EP] sluice · ISNet · gate refused webgpu (float16): The adapter computes float16 "
            "wrong after warm-up");
  EXPECT_TRUE(telemetry.events()[3].warning);
  EXPECT_TRUE(telemetry.events()[4].warning);
  EXPECT_FALSE(telemetry.events()[0].warning);
}

TEST(TelemetryTest, EndpointsAsTheSpecificationSays) {
  TelemetryConfig how = config({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://host:4318"}});
  EXPECT_EQ(how.metrics_url, "http://host:4318/v1/metrics");
  EXPECT_EQ(how.logs_url, "http://host:4318/v1/logs");
  how = config({{"OTEL_EXPORTER_OTLP_ENDPOINT", "https://host/base/"},
                {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://other/x"}});
  EXPECT_EQ(how.metrics_url, "http://other/x");
  EXPECT_EQ(how.logs_url, "https://host/base/v1/logs");
  how = config({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://host"}}, "http://given");
  EXPECT_EQ(how.metrics_url, "http://given/v1/metrics");
  how = config({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://host"}, {"OTEL_SDK_DISABLED", "TRUE"}});
  EXPECT_TRUE(how.metrics_url.empty());
  how = config({{"OTEL_EXPORTER_OTLP_ENDPOINT", "host:4317"}});
  EXPECT_TRUE(how.metrics_url.empty());
  EXPECT_EQ(how.warnings.size(), 2u);
}

TEST(TelemetryTest, TraceParentsAreCheckedBeforeTheyAreTaken) {
  const std::string trace(32, 'a'), span(16, 'b');
  EXPECT_EQ(config({{"TRACEPARENT", "00-" + trace + "-" + span + "-01"}}).trace_id, trace);
  for (const std::string& bad :
       {"00-" + std::string(32, '0') + "-" + span + "-01", "00-" + trace + "-" + span,
        "ff-" + trace + "-" + span + "-01", "00-" + std::string(32, 'A') + "-" + span + "-01",
        std::string("x")}) {
    const TelemetryConfig how = config({{"TRACEPARENT", bad}});
    EXPECT_TRUE(how.trace_id.empty() && how.span_id.empty()) << bad;
  }
}

TEST(TelemetryTest, AFailedExportIsOneWarning) {
  Sink sink;
  sink.answer = resource_error("the connection fails");
  Telemetry telemetry = sink.telemetry(config({}, "http://host"));
  Binding b = on_gpu();
  b.record_run(1);
  telemetry.finish(b);
  EXPECT_EQ(sink.posted.size(), 1u);  // the second is not even tried
  ASSERT_EQ(sink.lines.size(), 1u);
  EXPECT_NE(sink.lines[0].find("the connection fails"), std::string::npos);
}

TEST(TelemetryTest, FailoversAreCounted) {
  Sink sink;
  Telemetry telemetry = sink.telemetry(config({}, "http://host"));
  Binding b = on_gpu();
  b.record_failover({.stage = "run 1", .error = "lost", .device_lost = true});
  b.record_run(1);
  telemetry.finish(b);
  ASSERT_EQ(sink.posted.size(), 2u);
  ASSERT_TRUE(sink.lines.empty());
  const Json& metrics = sink.posted[0].body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
  bool seen = false;
  for (const Json& metric : metrics) {
    if (metric["name"] != "sluice.failovers") continue;
    seen = true;
    EXPECT_EQ(metric["sum"]["dataPoints"][0]["asInt"], "1");
  }
  EXPECT_TRUE(seen);
  const Json& records = sink.posted[1].body["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
  bool told = false;
  for (const Json& record : records) {
    if (record["eventName"] == "sluice.failover") {
      told = true;
      EXPECT_EQ(record["severityNumber"], 13);
    }
  }
  EXPECT_TRUE(told);
}

}  // namespace
}  // namespace sluice::session
