// Operators that run subgraphs: If, Loop, Scan, SequenceMap. What a subgraph takes from outside
// comes to it as captures, which the runner supplies.
//   Loop runs while the condition holds and the trip count is not reached; neither need be given.
//   A model may ask for 2^62 trips: stopping a run that takes too long is the caller's business.
//   Scan outputs of a loop that never ran are empty; their element types are those which the body
//   declares, kept in the private attribute "scan_output_types" (texts of types) by the upgrade.
//   Scan of opset 8 (batched, with sequence lengths) becomes sluice.BatchedScan.
#pragma once

#include <string_view>

#include "base/result.h"
#include "plan/kernel.h"

namespace sluice::ops::control {

inline constexpr std::string_view kScanOutputTypes = "scan_output_types";
// Private attributes of Loop: 1 when the body declares its iteration number or its condition as a
// vector of one element rather than a scalar, as some exporters do.
inline constexpr std::string_view kVectorIteration = "iteration_is_vector";
inline constexpr std::string_view kVectorCondition = "condition_is_vector";

Result<void> if_reference(plan::KernelContext& context);
Result<void> loop_reference(plan::KernelContext& context);
Result<void> scan_reference(plan::KernelContext& context);
Result<void> batched_scan_reference(plan::KernelContext& context);
Result<void> sequence_map_reference(plan::KernelContext& context);

}  // namespace sluice::ops::control
