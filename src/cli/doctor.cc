// sluice doctor: what this machine offers, and what the gate says of it.
#include <chrono>
#include <cstdio>
#include <thread>

#include "base/json.h"
#include "base/text.h"
#include "cli/command.h"
#include "session/gate.h"
#include "simd/target.h"

namespace sluice::cli {

namespace {

namespace gpu = exec::webgpu;

struct Args {
  bool json = false, allow_software = false;
  int rounds = 3;
};

// What was asked for, and what came of it.
struct Examination {
  std::string kind;     // "hardware", "software"
  std::string failure;  // why there is no device; empty when there is one
  std::string hint;
  session::AdapterFacts facts;
  session::GateDecision decision;
  double init_seconds = 0;  // adapter and device
};

Examination examine(bool software, const Args& args) {
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  Examination out;
  out.kind = software ? "software" : "hardware";
  gpu::DeviceOptions how;
  how.allow_software = software;
  const auto info = gpu::probe_adapter(how);
  if (!info) {
    out.failure = info.error().message;
    out.hint = info.error().hint;
    return out;
  }
  out.kind = info->software ? "software" : "hardware";
  out.facts = session::adapter_facts(*info);
  session::GateOptions gate;
  gate.allow_software = software;
  gate.rounds = args.rounds;
  out.decision = session::gate_facts(out.facts, nullptr, gate);
  if (!out.decision.passed) return out;
  how.limits = info->limits;
  how.features = info->features;
  auto device = gpu::Device::create(how);
  out.init_seconds = seconds();
  if (!device) {
    out.failure = device.error().message;
    out.decision.passed = false;
    return out;
  }
  out.facts = session::adapter_facts(**device);
  out.decision = session::gate(*device, nullptr, gate);
  return out;
}

std::string milliseconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f ms", seconds * 1e3);
  return text;
}

void print_limits(const plan::Limits& offered) {
  const plan::Limits least;
  const auto row = [](const char* name, uint64_t have, uint64_t guaranteed, bool bytes) {
    const auto text = [&](uint64_t value) {
      return !bytes                   ? std::to_string(value)
             : value % (1 << 20) == 0 ? cat(value >> 20, " MiB")
                                      : cat(value, " bytes");
    };
    std::printf("  %-36s %16s   guaranteed %s\n", name, text(have).c_str(),
                text(guaranteed).c_str());
  };
  row("storage buffers per stage", offered.max_storage_buffers_per_stage,
      least.max_storage_buffers_per_stage, false);
  row("storage binding", offered.max_storage_binding_bytes, least.max_storage_binding_bytes, true);
  row("buffer", offered.max_buffer_bytes, least.max_buffer_bytes, true);
  row("uniform binding", offered.max_uniform_binding_bytes, least.max_uniform_binding_bytes, true);
  row("workgroups per dimension", offered.max_workgroups_per_dimension,
      least.max_workgroups_per_dimension, false);
  row("invocations per workgroup", offered.max_invocations_per_workgroup,
      least.max_invocations_per_workgroup, false);
  row("workgroup memory", offered.max_workgroup_storage_bytes, least.max_workgroup_storage_bytes,
      true);
  row("storage offset alignment (less is more)", offered.min_storage_offset_alignment,
      least.min_storage_offset_alignment, true);
}

void print(const Examination& out) {
  const session::AdapterFacts& facts = out.facts;
  if (!facts.present) {
    std::printf("%s adapter: none. %s\n", out.kind.c_str(), out.failure.c_str());
    return;
  }
  const auto shown = [](const std::string& text) {
    return text.empty() ? std::string("(not told)") : sluice::quoted(text, 200);
  };
  std::printf("%s adapter: %s\n", out.kind.c_str(), shown(facts.device).c_str());
  std::printf("  vendor %s, architecture %s, driver %s, %s, %s\n", shown(facts.vendor).c_str(),
              shown(facts.architecture).c_str(), shown(facts.description).c_str(),
              facts.backend.c_str(), facts.type.c_str());
  std::printf("  library %s\n", sluice::quoted(facts.library, 400).c_str());
  print_limits(facts.limits);
  const auto has = [](bool there) { return there ? "yes" : "no"; };
  std::printf("  shader-f16 %s, subgroups %s, packed int8 dot products %s, timestamps %s\n",
              has(facts.features.f16), has(facts.features.subgroups),
              has(facts.features.packed_dot), has(facts.features.timestamp_query));
  if (out.failure.empty()) {
    std::printf("  adapter and device in %s\n", milliseconds(out.init_seconds).c_str());
  } else {
    std::printf("  no device: %s\n", out.failure.c_str());
  }
  std::printf("  the gate %s it:\n", out.decision.passed ? "accepts" : "refuses");
  for (const session::GateFinding& finding : out.decision.findings) {
    const std::string time = finding.seconds >= 1e-4 ? milliseconds(finding.seconds) : "";
    std::printf("    %-6s %-30s %9s  %s\n", finding.passed ? "ok" : "FAILED", finding.check.c_str(),
                time.c_str(), finding.sentence.c_str());
  }
}

Json to_json(const Examination& out) {
  // The same text as in a session's record.
  session::Binding record;
  record.adapter = out.facts;
  record.gate = out.decision.findings;
  Json all = parse_json(record.to_json());
  Json json{{"kind", out.kind},
            {"usable", out.decision.passed},
            {"reason", out.failure.empty() ? out.decision.refusal() : out.failure},
            {"init_seconds", out.init_seconds}};
  json["adapter"] = out.facts.present ? std::move(all["adapter"]) : Json();
  json["gate"] = std::move(all["gate"]);
  return json;
}

Result<void> doctor(const Args& args) {
  std::vector<Examination> all = {examine(false, args)};
  if (args.allow_software && !all.back().facts.present) all.push_back(examine(true, args));
  const Examination* usable = nullptr;
  for (const Examination& one : all) {
    if (one.decision.passed && usable == nullptr) usable = &one;
  }
  if (args.json) {
    Json json{{"usable", usable != nullptr},
              {"cpu",
               {{"instruction_set", simd::target_name()},
                {"cores", std::thread::hardware_concurrency()}}}};
    json["adapters"] = Json::array();
    for (const Examination& one : all) json["adapters"].push_back(to_json(one));
    std::printf("%s\n", json_text(json, 1).c_str());
  } else {
    for (const Examination& one : all) print(one);
    std::printf("cpu: %u cores, %s; always there\n", std::thread::hardware_concurrency(),
                std::string(simd::target_name()).c_str());
  }
  if (usable != nullptr) return {};
  const Examination& last = all.back();
  std::string why = last.failure.empty() ? last.decision.refusal() : last.failure;
  return Error{ErrorCode::kDevice, cat("No WebGPU adapter is usable: ", why), last.hint};
}

}  // namespace

void add_doctor(CLI::App& app, int& exit_code) {
  auto args = std::make_shared<Args>();
  CLI::App* sub =
      app.add_subcommand("doctor", "examine this machine's WebGPU adapter, and test it");
  sub->add_flag("--json", args->json, "as JSON");
  sub->add_flag("--allow-software", args->allow_software,
                "also accept an adapter that computes on the CPU");
  sub->add_option("--rounds", args->rounds, "rounds of the self-test")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  sub->callback([args, &exit_code] {
    if (auto done = doctor(*args); !done) exit_code = report(done.error());
  });
}

}  // namespace sluice::cli
