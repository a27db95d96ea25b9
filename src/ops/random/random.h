// Random numbers: RandomNormal, RandomUniform and their Like forms, Bernoulli, Multinomial.
// The generator: element i draws from SplitMix64's mixing function applied to
// key + (i + 1) * 0x9E3779B97F4A7C15, so that elements don't depend on each other or on the order
// in which they are made. The key mixes the bits of the attribute `seed`; without one, each run
// takes a fresh key from a process-wide counter that starts at the clock. Uniform numbers are the
// draw's upper 53 bits; normal ones come in pairs by Box and Muller's method.
#pragma once

#include "base/result.h"
#include "plan/kernel.h"

namespace sluice::ops::random {

Result<void> random_normal_reference(plan::KernelContext& context);
Result<void> random_uniform_reference(plan::KernelContext& context);
Result<void> random_normal_like_reference(plan::KernelContext& context);
Result<void> random_uniform_like_reference(plan::KernelContext& context);
Result<void> bernoulli_reference(plan::KernelContext& context);
Result<void> multinomial_reference(plan::KernelContext& context);

// The dtype attribute, or the fallback; an error when it names none.
Result<DType> dtype_or(const AttrMap& attrs, DType fallback);

}  // namespace sluice::ops::random
