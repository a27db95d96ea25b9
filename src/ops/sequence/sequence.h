// Sequences of tensors (or of sequences) and optional values. Positions below zero count from the
// end. Nothing is copied: items are shared.
#pragma once

#include "base/result.h"
#include "plan/kernel.h"

namespace sluice::ops::sequence {

Result<void> sequence_empty_reference(plan::KernelContext& context);
Result<void> sequence_construct_reference(plan::KernelContext& context);
Result<void> sequence_at_reference(plan::KernelContext& context);
Result<void> sequence_insert_reference(plan::KernelContext& context);
Result<void> sequence_erase_reference(plan::KernelContext& context);
Result<void> sequence_length_reference(plan::KernelContext& context);
Result<void> split_to_sequence_reference(plan::KernelContext& context);
Result<void> concat_from_sequence_reference(plan::KernelContext& context);
Result<void> optional_reference(plan::KernelContext& context);
Result<void> optional_get_element_reference(plan::KernelContext& context);
Result<void> optional_has_element_reference(plan::KernelContext& context);

}  // namespace sluice::ops::sequence
