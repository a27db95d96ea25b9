// TFLite's matrix products: FULLY_CONNECTED and BATCH_MATMUL.

#include "base/text.h"
#include "import/tflite_scope.h"

namespace sluice::import {

using ir::ValueId;

namespace {

// Inputs: x, weights [units, depth], bias. Without keep_num_dims x is seen as [-1, depth].
Result<void> fully_connected(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  TfliteScope& s = n.s;
  if (n.text("weights_format", "DEFAULT") != "DEFAULT") {
    return n.no_support(
        cat("the weights format ", n.text("weights_format", ""), " is not supported"));
  }
  SLUICE_ASSIGN(ValueId x, n.in(0));
  int64_t depth = 0;
  if (const TfliteConstant* w = s.constant_of(n.in_name(1)); w != nullptr) {
    if (w->tensor.rank() != 2)
      return n.fail(
          cat("the weights have shape ", w->tensor.shape().text(), " (rank 2 is needed)"));
    depth = w->tensor.dim(1);
  } else {
    SLUICE_ASSIGN(const ValueId w_value, n.raw(1));
    const auto known = s.extent(w_value, 1);
    if (s.rank(w_value) != 2 || !known)
      return n.no_support("the shape of the weights is not known before the run");
    depth = *known;
  }
  if (depth < 1) return n.fail(cat("the weights have depth ", depth, " (1 or more)"));
  ValueId bias = ir::kNoValue;
  if (n.has(2)) {
    const auto* in_q = s.quantization(n.in_name(0));
    const auto* w_q = s.quantization(n.in_name(1));
    SLUICE_ASSIGN(const ValueId stored, n.raw(2));
    if (is_integer(s.dtype(stored)) && s.quantization(n.in_name(2)) == nullptr && in_q != nullptr &&
        w_q != nullptr && in_q->scales.size() == 1) {
      format::QuantizationDecl q;
      for (const float scale : w_q->scales) q.scales.push_back(scale * in_q->scales[0]);
      SLUICE_ASSIGN(bias, s.dequantize(stored, q));
    } else {
      SLUICE_ASSIGN(bias, n.in(2));
    }
  }
  const auto rank = s.rank(x);
  ValueId y = ir::kNoValue;
  if (n.flag("keep_num_dims") && rank != 2) {
    SLUICE_ASSIGN(const ValueId weights, s.real_permuted(n.in_name(1), {1, 0}));
    SLUICE_ASSIGN(y, s.emit("MatMul", {x, weights}));
    if (bias != ir::kNoValue) {
      SLUICE_ASSIGN(y, s.emit("Add", {y, bias}));
    }
  } else {
    if (rank != 2 || s.extent(x, 1) != depth) {
      SLUICE_ASSIGN(x, s.reshape(x, std::vector<int64_t>{-1, depth}));
    }
    SLUICE_ASSIGN(const ValueId weights, n.in(1));
    SLUICE_ASSIGN(y, s.emit("Gemm", {x, weights, bias}, {{"transB", int64_t{1}}}));
  }
  SLUICE_ASSIGN(y, n.activated(y));
  return n.set(0, y);
}

Result<ValueId> operand(TfliteNode& n, int i, bool adjoint) {
  if (!adjoint) return n.in(i);
  SLUICE_ASSIGN(const ValueId stored, n.raw(i));
  const auto rank = n.s.rank(stored);
  if (!rank || *rank < 2)
    return n.no_support("a transposed operand has an unknown rank or one below 2");
  std::vector<int64_t> perm;
  for (int axis = 0; axis < *rank; ++axis) perm.push_back(axis);
  std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return n.s.real_permuted(n.in_name(i), perm);
}

Result<void> batch_matmul(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(const ValueId a, operand(n, 0, n.flag("adj_x")));
  SLUICE_ASSIGN(const ValueId b, operand(n, 1, n.flag("adj_y")));
  SLUICE_ASSIGN(const ValueId y, n.s.emit("MatMul", {a, b}));
  return n.set(0, y);
}

constexpr TfliteRow kRows[] = {
    {"FULLY_CONNECTED", fully_connected},
    {"BATCH_MATMUL", batch_matmul},
};

}  // namespace

std::span<const TfliteRow> tflite_matmul_rows() { return kRows; }

}  // namespace sluice::import
