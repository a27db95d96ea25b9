#include "session/gate_facts.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "base/text.h"

#if __has_include(<unistd.h>)
#include <unistd.h>
#endif

namespace sluice::session {

namespace {

using Clock = std::chrono::steady_clock;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

// The best name there is, as evidence in a sentence.
std::string name_of(const AdapterFacts& facts) {
  for (const std::string* name :
       {&facts.device, &facts.description, &facts.architecture, &facts.vendor}) {
    if (!name->empty()) return quoted(*name);
  }
  return "that gives no name";
}

std::string mib(uint64_t bytes) { return cat((bytes + (1 << 20) - 1) >> 20, " MiB"); }

uint64_t machine_memory_bytes() {
#if defined(_SC_PHYS_PAGES) && defined(_SC_PAGESIZE)
  const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  if (pages > 0 && size > 0) return static_cast<uint64_t>(pages) * static_cast<uint64_t>(size);
#endif
  return 0;
}

// Names of renderers that compute on the CPU, for drivers whose adapter type does not tell.
const char* software_name(const AdapterFacts& facts) {
  const std::string names = lower(cat(facts.vendor, " ", facts.architecture, " ", facts.device, " ",
                                      facts.description, " ", facts.type));
  for (const char* name :
       {"swiftshader", "llvmpipe", "lavapipe", "softpipe", "software rasterizer", "basic render"}) {
    if (names.find(name) != std::string::npos) return name;
  }
  return nullptr;
}

// A limit that no device can have: the driver does not know what it says.
std::string nonsense(const plan::Limits& limits) {
  struct Row {
    const char* name;
    uint64_t value, most;
  };
  // The upper ends are far beyond any hardware, below the "undefined" values of the interface.
  const std::array<Row, 10> rows = {{
      {"maxStorageBuffersPerShaderStage", limits.max_storage_buffers_per_stage, 1u << 30},
      {"maxStorageBufferBindingSize", limits.max_storage_binding_bytes, 1ull << 62},
      {"maxUniformBufferBindingSize", limits.max_uniform_binding_bytes, 1ull << 62},
      {"maxBufferSize", limits.max_buffer_bytes, 1ull << 63},
      {"maxComputeWorkgroupsPerDimension", limits.max_workgroups_per_dimension, 0xfffffffeu},
      {"maxComputeInvocationsPerWorkgroup", limits.max_invocations_per_workgroup, 1u << 20},
      {"maxComputeWorkgroupSizeX", limits.max_workgroup_size_x, 0xfffffffeu},
      {"maxComputeWorkgroupStorageSize", limits.max_workgroup_storage_bytes, 1u << 30},
      {"minStorageBufferOffsetAlignment", limits.min_storage_offset_alignment, 256},
      {"minUniformBufferOffsetAlignment", limits.min_uniform_offset_alignment, 256},
  }};
  for (const Row& row : rows) {
    if (row.value == 0 || row.value > row.most) {
      return cat("The adapter states ", row.name, " ", row.value, ", which makes no sense");
    }
  }
  for (const uint32_t alignment :
       {limits.min_storage_offset_alignment, limits.min_uniform_offset_alignment}) {
    if ((alignment & (alignment - 1)) != 0) {
      return cat("The adapter states an offset alignment of ", alignment,
                 ", which makes no sense (a power of two is right)");
    }
  }
  return {};
}

struct Findings {
  std::vector<GateFinding>& list;
  void add(const char* check, bool passed, std::string sentence) {
    list.push_back({check, passed, std::move(sentence), 0});
  }
};

void check_adapter(const AdapterFacts& facts, const GateOptions& options, Findings out) {
  const char* const known = software_name(facts);
  if (facts.software || known != nullptr) {
    std::string what = cat("The adapter ", name_of(facts), " computes on the CPU");
    if (!facts.software) what += cat(", as its name (", known, ") tells, though it denies it");
    out.add("software adapter", options.allow_software,
            options.allow_software ? what + ", which was allowed"
                                   : what + ", which is not what a GPU was asked for");
  } else {
    out.add("software adapter", true, cat("The adapter ", name_of(facts), " is no software one"));
  }
  const bool named = !facts.vendor.empty() || !facts.architecture.empty() ||
                     !facts.device.empty() || !facts.description.empty();
  out.add("adapter info", true,
          named ? cat("The adapter says that it is ", name_of(facts))
                : "The adapter does not say what it is, which proves nothing");
  const std::string odd = nonsense(facts.limits);
  out.add("sensible limits", odd.empty(), odd.empty() ? "The adapter's limits make sense" : odd);
  const auto floor = plan::check_at_least(facts.limits, plan::Limits{}, "The adapter");
  out.add("guaranteed limits", floor.ok(),
          floor ? "All limits are at least those that WebGPU guarantees"
                : cat(floor.error().message,
                      ", though WebGPU guarantees it: the adapter is broken, or works in "
                      "compatibility mode"));
}

void check_needs(const AdapterFacts& facts, const PlanNeeds& needs, const GateOptions& options,
                 Findings out) {
  const auto offered = plan::check_at_least(facts.limits, needs.limits, "The adapter");
  out.add("plan's limits", offered.ok(),
          offered ? cat("The adapter offers what the plan was compiled for (",
                        plan::to_text(needs.limits), ")")
                  : offered.error().message + "; the plan was compiled for it");
  std::vector<std::string> missing;
  if (needs.features.f16 && !facts.features.f16) missing.emplace_back("shader-f16");
  if (needs.features.subgroups && !facts.features.subgroups) missing.emplace_back("subgroups");
  if (needs.features.packed_dot && !facts.features.packed_dot) {
    missing.emplace_back("packed_4x8_integer_dot_product");
  }
  if (needs.features.timestamp_query && !facts.features.timestamp_query) {
    missing.emplace_back("timestamp-query");
  }
  out.add("plan's features", missing.empty(),
          missing.empty()
              ? "The adapter has every feature that the plan uses"
              : cat("The adapter lacks ", join(missing, ", "), ", which the plan uses"));
  const plan::Limits& limits = facts.limits;
  out.add("storage buffers", needs.most_storage_buffers <= limits.max_storage_buffers_per_stage,
          cat("A dispatch binds up to ", needs.most_storage_buffers, " storage buffers (",
              limits.max_storage_buffers_per_stage, " are offered)"));
  if (needs.largest_buffer_bytes == 0) return;  // sizes are not known yet
  out.add("largest binding", needs.largest_binding_bytes <= limits.max_storage_binding_bytes,
          cat("The largest binding takes ", mib(needs.largest_binding_bytes),
              needs.largest_binding.empty() ? "" : ", for ", needs.largest_binding, " (",
              mib(limits.max_storage_binding_bytes), " are offered)"));
  out.add("largest buffer", needs.largest_buffer_bytes <= limits.max_buffer_bytes,
          cat("The largest buffer takes ", mib(needs.largest_buffer_bytes), " (",
              mib(limits.max_buffer_bytes), " are offered)"));
  uint64_t budget = options.memory_budget_bytes;
  if (budget == 0 && facts.software) budget = machine_memory_bytes() / 4 * 3;
  out.add("memory", budget == 0 || needs.peak_bytes <= budget,
          budget == 0 ? cat("The plan needs ", mib(needs.peak_bytes),
                            " of device memory; WebGPU does not tell how much there is")
                      : cat("The plan needs ", mib(needs.peak_bytes), " of device memory (",
                            mib(budget), " may be used)"));
}

}  // namespace

void conclude(GateDecision& decision) {
  decision.passed =
      !decision.findings.empty() && std::ranges::all_of(decision.findings, &GateFinding::passed);
}

std::string GateDecision::refusal() const {
  const auto at = std::ranges::find(findings, false, &GateFinding::passed);
  if (at == findings.end()) return {};
  // The summary of the self-test says only that one of its checks failed.
  return at->sentence;
}

PlanNeeds plan_needs(const plan::Plan& plan, const plan::DeviceLayout* layout) {
  PlanNeeds needs;
  needs.limits = plan.limits;
  needs.features = plan.features;
  for (const plan::Step& step : plan.steps) {
    for (const plan::Dispatch& dispatch : step.dispatches) {
      needs.most_storage_buffers =
          std::max(needs.most_storage_buffers, static_cast<uint32_t>(dispatch.bindings.size()));
    }
  }
  if (layout == nullptr) return needs;
  needs.most_storage_buffers = std::max(needs.most_storage_buffers, layout->most_storage_buffers);
  needs.largest_binding_bytes = layout->largest_binding_bytes;
  needs.largest_binding = layout->largest_binding;
  needs.largest_buffer_bytes = layout->largest_buffer_bytes;
  needs.peak_bytes = layout->total_bytes + layout->uniform_bytes;
  return needs;
}

GateDecision gate_facts(const AdapterFacts& facts, const PlanNeeds* needs,
                        const GateOptions& options) {
  GateDecision decision;
  const auto start = Clock::now();
  if (!facts.present) {
    decision.findings.push_back({"adapter", false, "There is no WebGPU adapter", 0});
  } else {
    check_adapter(facts, options, {decision.findings});
    if (needs != nullptr) check_needs(facts, *needs, options, {decision.findings});
  }
  decision.findings.front().seconds = std::chrono::duration<double>(Clock::now() - start).count();
  conclude(decision);
  return decision;
}

}  // namespace sluice::session
