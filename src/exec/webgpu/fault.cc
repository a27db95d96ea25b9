#include "exec/webgpu/fault.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"

namespace sluice::exec::webgpu {

namespace {

constexpr std::array<std::pair<FaultKind, std::string_view>, 10> kKinds = {{
    {FaultKind::kForceLoss, "force_loss"},
    {FaultKind::kInjectValidation, "inject_validation"},
    {FaultKind::kInjectOom, "inject_oom"},
    {FaultKind::kInjectInternal, "inject_internal"},
    {FaultKind::kAdapterNull, "adapter_null"},
    {FaultKind::kFallbackAdapter, "fallback_adapter"},
    {FaultKind::kNonsenseLimits, "nonsense_limits"},
    {FaultKind::kDeviceLostAtBirth, "device_lost_at_birth"},
    {FaultKind::kNeverSettling, "never_settling"},
    {FaultKind::kWrongNumbers, "wrong_numbers"},
}};

constexpr std::array<std::pair<Stage, std::string_view>, 11> kStages = {{
    {Stage::kAdapter, "adapter"},
    {Stage::kDevice, "device"},
    {Stage::kShader, "shader"},
    {Stage::kPipeline, "pipeline"},
    {Stage::kUpload, "upload"},
    {Stage::kFirstDispatch, "first_dispatch"},
    {Stage::kMiddleDispatch, "middle_dispatch"},
    {Stage::kLastDispatch, "last_dispatch"},
    {Stage::kSubmit, "submit"},
    {Stage::kReadback, "readback"},
    {Stage::kBetweenRuns, "between_runs"},
}};

template <class Table, class Key>
std::string_view name_in(const Table& table, Key key) {
  for (const auto& [value, text] : table) {
    if (value == key) return text;
  }
  return "?";
}

template <class Key, class Table>
Result<Key> find_in(const Table& table, std::string_view text, std::string_view what) {
  std::vector<std::string> known;
  for (const auto& [value, known_text] : table) {
    if (known_text == text) return value;
    known.emplace_back(known_text);
  }
  return usage_error(
      cat("There is no fault ", what, " ", quoted(text), " (there are ", join(known, ", "), ")"));
}

}  // namespace

std::string_view name(FaultKind kind) { return name_in(kKinds, kind); }
std::string_view name(Stage stage) { return name_in(kStages, stage); }

std::vector<FaultKind> all_fault_kinds() {
  std::vector<FaultKind> out;
  for (const auto& [kind, text] : kKinds) out.push_back(kind);
  return out;
}

std::vector<Stage> all_stages() {
  std::vector<Stage> out;
  for (const auto& [stage, text] : kStages) out.push_back(stage);
  return out;
}

Result<FaultInjector> FaultInjector::parse(std::string_view text) {
  FaultInjector out;
  for (const std::string& word : split(text, ',')) {
    const std::string_view fault = trim(word);
    if (fault.empty()) continue;
    const size_t at = fault.find('@');
    if (at == std::string_view::npos) {
      return usage_error(cat("The fault ", quoted(fault), " has no stage (write kind@stage)"));
    }
    SLUICE_ASSIGN(const FaultKind kind, find_in<FaultKind>(kKinds, fault.substr(0, at), "kind"));
    SLUICE_ASSIGN(const Stage stage, find_in<Stage>(kStages, fault.substr(at + 1), "stage"));
    out.pending_.push_back({kind, stage});
  }
  return out;
}

std::optional<FaultKind> FaultInjector::at(Stage stage) {
  const auto found = std::ranges::find(pending_, stage, &Fault::stage);
  if (found == pending_.end()) return std::nullopt;
  const Fault fault = *found;
  pending_.erase(found);
  fired_.push_back(fault);
  return fault.kind;
}

}  // namespace sluice::exec::webgpu
