// Signals: DFT, STFT, the Hann, Hamming and Blackman windows, MelWeightMatrix; and Det.
//   A signal's last axis has 1 (real) or 2 (real, imaginary) elements.
//   DFT: y[k] = sum_n x[n] exp(-2 pi i k n / N); the inverse has the other sign and divides by N.
//   One-sided: the first N/2 + 1 of a real signal's frequencies; the inverse takes these (the rest
//   being their conjugates) and gives a real signal.
// All sums are in float64 and rounded once.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "plan/kernel.h"
#include "tensor/dim.h"

namespace sluice::ops::signal {

// Longest transform; it bounds the scratch memory, about 1 GB for lengths that are no power of two.
inline constexpr int64_t kMaxTransform = int64_t{1} << 24;

Result<DType> output_datatype(const AttrMap& attrs);

// [DFT length / 2 + 1, bands]: triangles over the spectrum, evenly spaced in mel.
Result<Tensor> mel_weight_matrix(int64_t bands, int64_t dft_length, int64_t sample_rate,
                                 const Tensor& lower_hertz, const Tensor& upper_hertz, DType dtype);

Result<void> dft_reference(plan::KernelContext& context);
Result<void> stft_reference(plan::KernelContext& context);
Result<void> hann_window_reference(plan::KernelContext& context);
Result<void> hamming_window_reference(plan::KernelContext& context);
Result<void> blackman_window_reference(plan::KernelContext& context);
Result<void> mel_weight_matrix_reference(plan::KernelContext& context);
Result<void> det_reference(plan::KernelContext& context);

}  // namespace sluice::ops::signal
