// FaultInjector: makes a device fail on purpose, in tests and in `sluice verify`'s drills, at a
// named place of loading or running. Written as text: "force_loss@middle_dispatch". Each fault
// fires once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice::exec::webgpu {

enum class FaultKind : uint8_t {
  kForceLoss,          // the device is lost, as after a driver reset
  kInjectValidation,   // a validation error
  kInjectOom,          // out of memory
  kInjectInternal,     // an internal error of the implementation
  kAdapterNull,        // no adapter answers
  kFallbackAdapter,    // the adapter turns out to be a software one
  kNonsenseLimits,     // the adapter states limits below what WebGPU guarantees
  kDeviceLostAtBirth,  // the device is lost before it is first used
  kNeverSettling,      // a callback never comes
  kWrongNumbers,       // everything succeeds, but the outputs are wrong
};

enum class Stage : uint8_t {
  kAdapter,
  kDevice,
  kShader,
  kPipeline,
  kUpload,
  kFirstDispatch,
  kMiddleDispatch,
  kLastDispatch,
  kSubmit,
  kReadback,
  kBetweenRuns,
};

std::string_view name(FaultKind kind);
std::string_view name(Stage stage);

struct Fault {
  FaultKind kind;
  Stage stage;
};
std::vector<FaultKind> all_fault_kinds();
std::vector<Stage> all_stages();

class FaultInjector {
 public:
  FaultInjector() = default;
  explicit FaultInjector(std::vector<Fault> faults) : pending_(std::move(faults)) {}
  // "force_loss@middle_dispatch,wrong_numbers@readback"; an error (usage) names the word it does
  // not know and lists those it does.
  static Result<FaultInjector> parse(std::string_view text);

  // The fault to suffer at this stage now, if any; it is used up.
  std::optional<FaultKind> at(Stage stage);
  const std::vector<Fault>& fired() const { return fired_; }
  bool done() const { return pending_.empty(); }

 private:
  std::vector<Fault> pending_, fired_;
};

}  // namespace sluice::exec::webgpu
