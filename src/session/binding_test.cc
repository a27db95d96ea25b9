#include "session/binding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/json.h"

namespace sluice::session {
namespace {

// A record with every member away from its default.
Binding full() {
  Binding b;
  b.requested = Backend::kAuto;
  b.bound = Backend::kWebGpu;
  b.reason = "the gate accepts the adapter";
  b.adapter = {.present = true,
               .vendor = "acme",
               .architecture = "roadrunner",
               .device = "Acme 9000",
               .description = "driver 1.2",
               .backend = "Vulkan",
               .type = "discrete GPU",
               .library = "libwebgpu.so",
               .software = false};
  b.adapter.limits.max_storage_buffers_per_stage = 10;
  b.adapter.limits.max_storage_binding_bytes = 1ull << 30;
  b.adapter.features.f16 = true;
  b.threads = 4;
  b.instruction_set = "AVX3";
  b.precision = Precision::kFloat16;
  b.model_sha256 = std::string(64, 'a');
  b.weights_sha256 = std::string(64, 'b');
  b.islands = {{"nms", "NonMaxSuppression", "no kernel takes it"}};
  b.gate = {{"int8 dequantize", true, "it is right", 0.5}};
  b.plan = {.dispatches = 120,
            .pipelines = 14,
            .most_storage_buffers = 8,
            .largest_binding_bytes = 5,
            .largest_buffer_bytes = 6,
            .predicted_peak_bytes = 7,
            .weights_bytes = (1ull << 53) + 1};
  b.read_seconds = 0.1;
  b.compile_seconds = 0.2;
  b.prepare_seconds = 0.3;
  b.init_seconds = 0.4;
  b.host_copies = 2;
  b.host_copy_bytes = 1000;
  b.recompilations = 1;
  for (const double seconds : {9.0, 0.02, 0.01, 0.03}) b.record_run(seconds);
  return b;
}

// The page puts these into the record that it has: they must be all that a later run changes.
TEST(BindingTest, RunFiguresAreWhatALaterRunChanges) {
  Binding b;
  for (int i = 0; i < 3; ++i) b.record_run(0.01 * (i + 1));
  auto record = parse_json(b.to_json());
  for (int i = 0; i < 100; ++i) b.record_run(0.001 * i);
  std::vector<double> values;
  b.run_figures(values);
  const std::vector<std::string>& names = Binding::run_figure_names();
  ASSERT_EQ(names.size(), values.size());
  for (size_t i = 0; i < names.size(); ++i) {
    std::string pointer = "/" + names[i];
    std::ranges::replace(pointer, '.', '/');
    auto& member = record.at(Json::json_pointer(pointer));
    if (member.is_number_integer()) {
      member = static_cast<uint64_t>(values[i]);
    } else {
      member = values[i];
    }
  }
  EXPECT_EQ(record, parse_json(b.to_json()));
}

TEST(BindingTest, ConsoleLineNamesWhatRan) {
  EXPECT_EQ(full().console_line("ISNet"),
            "[EP] sluice · ISNet · requested=webgpu,cpu = bound=webgpu | adapter hw "
            "storageBuffers/stage=10 maxBinding=1024MiB (Acme 9000, Vulkan), f16, islands=1 — the "
            "gate accepts the adapter");
  Binding cpu;
  cpu.requested = Backend::kCpu;
  cpu.threads = 1;
  cpu.instruction_set = "AVX2";
  cpu.precision = Precision::kWidened;
  EXPECT_EQ(cpu.console_line("m.onnx"),
            "[EP] sluice · m.onnx · requested=cpu = bound=cpu (reported) | 1 thread, AVX2, f16 "
            "widened to f32, islands=0");
  cpu.record_run(0.1);
  EXPECT_EQ(cpu.console_line("m.onnx").find("(reported)"), std::string::npos);
  Binding waits;
  waits.bound = Backend::kWebGpu;
  EXPECT_NE(waits.console_line("m.onnx").find("islands=?"), std::string::npos);
}

TEST(BindingTest, ASoftwareAdapterIsNeverShownAsHardware) {
  Binding b = full();
  b.adapter.software = true;
  b.adapter.device.clear();
  b.adapter.description.clear();
  b.adapter.architecture.clear();
  b.adapter.vendor.clear();
  const std::string line = b.console_line("m");
  EXPECT_NE(line.find("adapter software "), std::string::npos) << line;
  EXPECT_NE(line.find("(no name given, Vulkan)"), std::string::npos) << line;
  EXPECT_EQ(line.find(" hw "), std::string::npos) << line;
}

TEST(BindingTest, NamesStayOnOneLine) {
  Binding b = full();
  b.adapter.device = "evil\n[EP] sluice · other · bound=webgpu\x1b[31m";
  const std::string line = b.console_line("a\nb\x1b]0;");
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(line.find('\x1b'), std::string::npos);
}

TEST(BindingTest, AFailoverRebindsAndLowersTheEvidence) {
  Binding b = full();
  ASSERT_EQ(b.evidence, Evidence::kProven);
  b.record_failover({.stage = "run 3",
                     .error = "The device is lost (unknown)",
                     .device_lost = true,
                     .rebound = Backend::kCpu,
                     .redone = "the run, from its inputs"});
  b.gate.push_back({"float16", false, "The adapter computes float16 wrong", 0});
  EXPECT_EQ(b.bound, Backend::kCpu);
  EXPECT_EQ(b.evidence, Evidence::kReported);
  const auto lines = b.event_lines("ISNet");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0],
            "[EP] sluice · ISNet · gate refused webgpu (float16): The adapter computes float16 "
            "wrong");
  EXPECT_EQ(
      lines[1],
      "[EP] sluice · ISNet · device lost at run 3: The device is lost (unknown) = bound=cpu | "
      "done again: the run, from its inputs");
  EXPECT_NE(b.console_line("ISNet").find("failovers=1"), std::string::npos);
  b.record_run(1);
  EXPECT_EQ(b.evidence, Evidence::kProven);
}

TEST(BindingTest, SteadyTimesLeaveTheFirstRunOut) {
  const Binding b = full();
  EXPECT_EQ(b.runs, 4);
  EXPECT_EQ(b.first_run_seconds, 9.0);
  EXPECT_EQ(b.last_run_seconds, 0.03);
  EXPECT_EQ(b.steady.n, 3);
  EXPECT_FLOAT_EQ(static_cast<float>(b.steady.median_seconds), 0.02f);
  EXPECT_EQ(b.steady.min_seconds, 0.01);
  EXPECT_EQ(b.steady.max_seconds, 0.03);
  uint64_t counted = 0;
  for (const uint64_t n : b.steady.buckets) counted += n;
  EXPECT_EQ(counted, 3u);
  EXPECT_EQ(duration_bucket(0.001), 0u);  // upper bounds are inclusive
  EXPECT_EQ(duration_bucket(1000), std::size(kDurationBounds));
}

TEST(BindingTest, SteadyTimesOfManyRunsUseBoundedMemory) {
  Binding b;
  for (int i = 0; i < 5000; ++i) b.record_run(i < 4000 ? 1.0 : 0.5);
  EXPECT_EQ(b.steady.n, 4999);
  EXPECT_EQ(b.steady.median_seconds, 0.5);  // of the latest
  EXPECT_EQ(b.steady.max_seconds, 1.0);     // of all
}

TEST(BindingTest, JsonComesBackTheSame) {
  Binding b = full();
  b.record_failover({.stage = "load", .error = "e", .redone = "nothing", .seconds = 0.25});
  const std::string text = b.to_json();
  const auto back = binding_from_json(text);
  ASSERT_TRUE(back.ok()) << back.error().text();
  EXPECT_EQ(back->to_json(), text);
  EXPECT_EQ(back->plan.weights_bytes, (1ull << 53) + 1);
  EXPECT_EQ(back->adapter.limits, b.adapter.limits);
  EXPECT_EQ(back->islands.at(0).op, "NonMaxSuppression");
  EXPECT_EQ(back->failovers.at(0).seconds, 0.25);
  EXPECT_EQ(back->precision, Precision::kFloat16);
  EXPECT_EQ(Binding().to_json(), binding_from_json("{}")->to_json());
}

TEST(BindingTest, HostileJsonIsAnErrorOrKeepsDefaults) {
  for (const char* text : {"", "{", "[]", "7", "null", "\"x\"", "{\"a\":"}) {
    EXPECT_FALSE(binding_from_json(text).ok()) << text;
  }
  for (
      const char* text :
      {R"({"bound": 7, "islands": {}, "runs": "x", "adapter": [], "threads": 1e300, "gate": [1, []]})",
       R"({"bound": "abacus", "steady": {"buckets": [-1, "x"]}, "reason": null})"}) {
    const auto binding = binding_from_json(text);
    ASSERT_TRUE(binding.ok()) << text;
    EXPECT_EQ(binding->bound, Backend::kCpu);
    EXPECT_EQ(binding->runs, 0);
  }
}

TEST(BindingTest, BytesThatAreNoTextBecomeReplacementCharacters) {
  Binding b;
  b.adapter.device = "\xff\xfe name";
  b.first_run_seconds = NAN;
  const auto back = binding_from_json(b.to_json());
  ASSERT_TRUE(back.ok());
  EXPECT_NE(back->adapter.device.find("name"), std::string::npos);
}

}  // namespace
}  // namespace sluice::session
