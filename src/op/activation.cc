#include "op/activation.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"

namespace sluice::op {

namespace {

struct Entry {
  std::string_view name;  // lower case
  Activation::Kind kind;
  bool takes_alpha, takes_beta;
  double alpha, beta;  // defaults
};

using Kind = Activation::Kind;
constexpr std::array<Entry, 17> kEntries = {{
    {"", Kind::kIdentity, false, false, 0, 0},
    {"identity", Kind::kIdentity, false, false, 0, 0},
    {"relu", Kind::kRelu, false, false, 0, 0},
    {"tanh", Kind::kTanh, false, false, 0, 0},
    {"sigmoid", Kind::kSigmoid, false, false, 0, 0},
    {"affine", Kind::kAffine, true, true, 1, 0},
    {"leakyrelu", Kind::kLeakyRelu, true, false, 0.01, 0},
    {"thresholdedrelu", Kind::kThresholdedRelu, true, false, 1, 0},
    {"scaledtanh", Kind::kScaledTanh, true, true, 1, 1},
    {"hardsigmoid", Kind::kHardSigmoid, true, true, 0.2, 0.5},
    {"elu", Kind::kElu, true, false, 1, 0},
    {"selu", Kind::kSelu, true, true, 1.67326319217681884765625, 1.05070102214813232421875},
    {"softsign", Kind::kSoftsign, false, false, 0, 0},
    {"softplus", Kind::kSoftplus, false, false, 0, 0},
    {"clip", Kind::kClip, true, true, -3.402823466e38, 3.402823466e38},
    {"hardswish", Kind::kHardSwish, false, false, 0, 0},
    {"gelu", Kind::kGelu, false, false, 0, 0},
}};

bool same_name(std::string_view lower, std::string_view name) {
  return std::equal(lower.begin(), lower.end(), name.begin(), name.end(), [](char a, char b) {
    return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
  });
}

const Entry* find(std::string_view name) {
  for (const Entry& entry : kEntries) {
    if (same_name(entry.name, name)) return &entry;
  }
  return nullptr;
}

const Entry& entry_of(Kind kind) {
  for (const Entry& entry : kEntries) {
    if (entry.kind == kind) return entry;
  }
  return kEntries[0];
}

}  // namespace

bool Activation::takes_alpha(Kind kind) { return entry_of(kind).takes_alpha; }
bool Activation::takes_beta(Kind kind) { return entry_of(kind).takes_beta; }

std::optional<Activation::Kind> Activation::kind_of(std::string_view name) {
  const Entry* entry = find(name);
  return entry == nullptr ? std::nullopt : std::optional(entry->kind);
}

Result<Activation> Activation::parse(std::string_view name, std::optional<double> alpha,
                                     std::optional<double> beta) {
  const Entry* entry = find(name);
  if (entry == nullptr) {
    return unsupported(cat("The activation function ", quoted(name), " is not known"));
  }
  Activation out;
  out.kind = entry->kind;
  out.alpha = alpha.value_or(entry->alpha);
  out.beta = beta.value_or(entry->beta);
  return out;
}

double Activation::operator()(double x) const {
  switch (kind) {
    case Kind::kIdentity:
      return x;
    case Kind::kRelu:
      return x < 0 ? 0 : x;
    case Kind::kTanh:
      return std::tanh(x);
    case Kind::kSigmoid:
      return 1 / (1 + std::exp(-x));
    case Kind::kAffine:
      return alpha * x + beta;
    case Kind::kLeakyRelu:
      return x < 0 ? alpha * x : x;
    case Kind::kThresholdedRelu:
      return x > alpha ? x : 0;
    case Kind::kScaledTanh:
      return alpha * std::tanh(beta * x);
    case Kind::kHardSigmoid:
      return std::min(std::max(alpha * x + beta, 0.0), 1.0);
    case Kind::kElu:
      return x < 0 ? alpha * std::expm1(x) : x;
    case Kind::kSelu:
      return x > 0 ? beta * x : beta * alpha * std::expm1(x);
    case Kind::kSoftsign:
      return x / (1 + std::fabs(x));
    case Kind::kSoftplus:
      return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
    case Kind::kClip:
      return std::min(std::max(x, alpha), beta);
    case Kind::kHardSwish:
      return x * std::min(std::max(x / 6 + 0.5, 0.0), 1.0);
    case Kind::kGelu:
      return x / 2 * (1 + std::erf(x / std::sqrt(2.0)));
  }
  return x;
}

}  // namespace sluice::op
