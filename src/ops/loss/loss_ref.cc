#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "op/operand.h"
#include "ops/loss/loss.h"

namespace sluice::ops::loss {

namespace {

using plan::KernelContext;

// Log probabilities `logs` of shape [N, C, inner], row-major.
Result<void> reduce_loss(KernelContext& context, const Tensor& scores,
                         const std::vector<double>& logs) {
  SLUICE_ASSIGN(const Tensor* target, op::input_tensor(context, 1, op::kIndices));
  const Shape& shape = scores.shape();
  Shape expected = shape;
  expected.erase(1);
  if (target->shape() != expected) {
    return usage_error(
        cat("The target has shape ", target->shape().text(), " (needed: ", expected.text(), ")"));
  }
  const int64_t classes = shape[1];
  const Tensor* weight = nullptr;
  if (context.has(2)) {
    SLUICE_ASSIGN(weight, op::input_tensor(context, 2, op::DTypeSet{scores.dtype()}));
    if (weight->shape() != Shape{classes}) {
      return usage_error(
          cat("The weight has shape ", weight->shape().text(), " (needed: [", classes, "])"));
    }
  }
  const std::string reduction = context.attrs().string_or("reduction", "mean");
  const bool has_ignored = context.attrs().has("ignore_index");
  const int64_t ignored = context.attrs().int_or("ignore_index", 0);
  const bool each = reduction == "none";
  SLUICE_ASSIGN(Tensor * out, context.out(0, scores.dtype(), each ? expected : Shape{}));
  const int64_t inner = shape.elements(2, shape.rank());
  double sum = 0, weight_sum = 0;
  for (int64_t i = 0; i < target->elements(); ++i) {
    const int64_t label = target->get_int(i);
    double value = 0;
    if (!has_ignored || label != ignored) {
      if (label < 0 || label >= classes) {
        return usage_error(
            cat("Target ", i, " is class ", label, " (there are ", classes, " classes)"));
      }
      const int64_t at = (i / inner * classes + label) * inner + i % inner;
      const double w = weight != nullptr ? weight->get_double(label) : 1.0;
      value = -w * logs[static_cast<size_t>(at)];
      sum += value;
      weight_sum += w;
    }
    if (each) out->set_double(i, value);
  }
  if (!each) out->set_double(0, reduction == "mean" ? sum / weight_sum : sum);
  return {};
}

Result<const Tensor*> scores_of(const KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* scores, op::input_tensor(context, 0, op::kFloats));
  if (scores->rank() < 2) {
    return usage_error(
        cat("The scores have shape ", scores->shape().text(), " (rank 2 at least is needed)"));
  }
  return scores;
}

}  // namespace

Result<void> negative_log_likelihood_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* scores, scores_of(context));
  return reduce_loss(context, *scores, scores->to_doubles());
}

Result<void> softmax_cross_entropy_reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* scores, scores_of(context));
  const Shape& shape = scores->shape();
  std::vector<double> logs = scores->to_doubles();
  const int64_t classes = shape[1];
  const int64_t inner = shape.elements(2, shape.rank());
  for (int64_t group = 0; !logs.empty() && group < shape[0] * inner; ++group) {
    double* line = logs.data() + group / inner * classes * inner + group % inner;
    double max = line[0];
    for (int64_t c = 1; c < classes; ++c) max = std::max(max, line[c * inner]);
    double sum = 0;
    for (int64_t c = 0; c < classes; ++c) sum += std::exp(line[c * inner] - max);
    for (int64_t c = 0; c < classes; ++c) line[c * inner] -= max + std::log(sum);
  }
  if (context.wants(1)) {
    SLUICE_ASSIGN(Tensor * log_prob, context.out(1, scores->dtype(), shape));
    for (size_t i = 0; i < logs.size(); ++i) log_prob->set_double(static_cast<int64_t>(i), logs[i]);
  }
  return reduce_loss(context, *scores, logs);
}

}  // namespace sluice::ops::loss
