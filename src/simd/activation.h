// Activation: an elementwise function of one float32, as the vector kernels know it. Fused into the
// epilogue of a matrix product, or applied to a whole array (simd/elementwise.h). Formulas are
// those of the ONNX operators of the same name; `a` and `b` are their parameters in order.
#pragma once

#include <cstdint>
#include <limits>

namespace sluice::simd {

enum class Function : uint8_t {
  kIdentity,
  kClip,             // min(max(x, a), b); relu is a = 0, b = infinity
  kLeakyRelu,        // x < 0 ? a * x : x
  kSigmoid,          // 1 / (1 + exp(-x))
  kTanh,             //
  kHardSigmoid,      // min(max(a * x + b, 0), 1)
  kHardSwish,        // x * min(max(x / 6 + 1 / 2, 0), 1)
  kSwish,            // x * sigmoid(a * x); a = 1 is SiLU
  kGelu,             // x / 2 * (1 + erf(x / sqrt(2)))
  kGeluTanh,         // x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
  kElu,              // x < 0 ? a * (exp(x) - 1) : x
  kSelu,             // x > 0 ? b * x : b * a * (exp(x) - 1)
  kSoftplus,         // log(1 + exp(x))
  kSoftsign,         // x / (1 + |x|)
  kMish,             // x * tanh(softplus(x))
  kThresholdedRelu,  // x > a ? x : 0
  kScaledTanh,       // a * tanh(b * x)
  kAffine,           // a * x + b
  kExp,
  kLog,
  kErf,
  kSqrt,
  kReciprocal,
  kNeg,
  kAbs,
  kFloor,
  kCeil,
  kRound,  // half to even
  kSquare,
};

struct Activation {
  Function function = Function::kIdentity;
  float a = 0, b = 0;

  static constexpr Activation relu() {
    return {Function::kClip, 0.0f, std::numeric_limits<float>::infinity()};
  }
};

}  // namespace sluice::simd
