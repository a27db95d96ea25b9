// Activation: the scalar functions that fused and recurrent operators name in an attribute
// ("Tanh", "HardSigmoid" with alpha and beta ...). Formulas are those of ONNX's RNN, LSTM and GRU;
// names are matched without regard to case.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace sluice::op {

struct Activation {
  enum class Kind : uint8_t {
    kIdentity,         // x
    kRelu,             // max(0, x)
    kTanh,             //
    kSigmoid,          // 1 / (1 + exp(-x))
    kAffine,           // alpha * x + beta
    kLeakyRelu,        // x < 0 ? alpha * x : x
    kThresholdedRelu,  // x >= alpha ? x : 0
    kScaledTanh,       // alpha * tanh(beta * x)
    kHardSigmoid,      // min(max(alpha * x + beta, 0), 1)
    kElu,              // x < 0 ? alpha * (exp(x) - 1) : x
    kSelu,             // x > 0 ? beta * x : beta * alpha * (exp(x) - 1)
    kSoftsign,         // x / (1 + |x|)
    kSoftplus,         // log(1 + exp(x))
    kClip,             // min(max(x, alpha), beta)
    kHardSwish,        // x * min(max(x / 6 + 1 / 2, 0), 1)
    kGelu,             // x / 2 * (1 + erf(x / sqrt(2)))
  };
  Kind kind = Kind::kIdentity;
  double alpha = 0, beta = 0;

  // Whether the function has a parameter of that name: lists of parameters in a node's attributes
  // have an entry only for those that do.
  static bool takes_alpha(Kind kind);
  static bool takes_beta(Kind kind);
  // "" is the identity. Parameters that are not given take the function's defaults.
  static Result<Activation> parse(std::string_view name, std::optional<double> alpha = std::nullopt,
                                  std::optional<double> beta = std::nullopt);
  static std::optional<Kind> kind_of(std::string_view name);

  double operator()(double x) const;
};

}  // namespace sluice::op
