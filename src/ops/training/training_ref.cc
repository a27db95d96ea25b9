#include <cmath>

#include "base/text.h"
#include "op/operand.h"
#include "ops/training/training.h"

namespace sluice::ops::training {

namespace {

using plan::KernelContext;

constexpr op::DTypeSet kReals = {DType::kFloat32, DType::kFloat64};

// One element of a tensor under optimization.
struct Element {
  double x = 0;
  double gradient = 0;
  double state[2] = {};
};

// Runs step(rate, count, element) on every element of every tensor; `states` tensors of state
// belong to each.
template <class Step>
Result<void> optimize(KernelContext& context, int states, Step&& step) {
  SLUICE_ASSIGN(const Tensor* rate, op::input_tensor(context, 0, kReals));
  SLUICE_ASSIGN(const Tensor* count, op::input_tensor(context, 1, op::DTypeSet{DType::kInt64}));
  if (rate->elements() != 1 || count->elements() != 1) {
    return usage_error(cat("Learning rate and update count have ", rate->elements(), " and ",
                           count->elements(), " elements (1 each is needed)"));
  }
  const int per_tensor = 2 + states;
  const int n = (context.input_count() - 2) / per_tensor;
  if (n * per_tensor != context.input_count() - 2) {
    return usage_error(cat(context.input_count() - 2, " tensors are given (a multiple of ",
                           per_tensor, " is needed)"));
  }
  for (int k = 0; k < n; ++k) {
    const Tensor* in[4] = {};
    Tensor* out[3] = {};
    for (int role = 0; role < per_tensor; ++role) {
      SLUICE_ASSIGN(in[role], op::input_tensor(context, 2 + role * n + k, kReals));
      if (in[role]->shape() != in[0]->shape()) {
        return usage_error(cat("Input ", 2 + role * n + k, " has shape ", in[role]->shape().text(),
                               " (that of its tensor is ", in[0]->shape().text(), ")"));
      }
    }
    // Roles of the outputs: x, then the states. An unwanted output has to have memory of its own.
    Tensor unwanted[3];
    for (int role = 0; role <= states; ++role) {
      const int i = role * n + k;
      if (context.wants(i)) {
        SLUICE_ASSIGN(out[role], context.out(i, in[0]->dtype(), in[0]->shape()));
      } else {
        SLUICE_ASSIGN(unwanted[role], Tensor::allocate(in[0]->dtype(), in[0]->shape()));
        out[role] = &unwanted[role];
      }
    }
    for (int64_t i = 0; i < in[0]->elements(); ++i) {
      Element element{in[0]->get_double(i), in[1]->get_double(i), {}};
      for (int s = 0; s < states; ++s) element.state[s] = in[2 + s]->get_double(i);
      step(rate->get_double(0), count->get_int(0), element);
      out[0]->set_double(i, element.x);
      for (int s = 0; s < states; ++s) out[1 + s]->set_double(i, element.state[s]);
    }
  }
  return {};
}

}  // namespace

Result<void> adagrad_reference(KernelContext& context) {
  const double decay = context.attrs().float_or("decay_factor", 0.0f);
  const double epsilon = context.attrs().float_or("epsilon", 0.0f);
  const double norm = context.attrs().float_or("norm_coefficient", 0.0f);
  return optimize(context, 1, [=](double rate, int64_t count, Element& e) {
    const double g = norm * e.x + e.gradient;
    e.state[0] += g * g;
    e.x -= rate / (1 + static_cast<double>(count) * decay) * g / (std::sqrt(e.state[0]) + epsilon);
  });
}

Result<void> adam_reference(KernelContext& context) {
  const double alpha = context.attrs().float_or("alpha", 0.9f);
  const double beta = context.attrs().float_or("beta", 0.999f);
  const double epsilon = context.attrs().float_or("epsilon", 0.0f);
  const double norm = context.attrs().float_or("norm_coefficient", 0.0f);
  const double norm_post = context.attrs().float_or("norm_coefficient_post", 0.0f);
  return optimize(context, 2, [=](double rate, int64_t count, Element& e) {
    const double g = norm * e.x + e.gradient;
    e.state[0] = alpha * e.state[0] + (1 - alpha) * g;
    e.state[1] = beta * e.state[1] + (1 - beta) * g * g;
    const auto t = static_cast<double>(count);
    if (count > 0) rate *= std::sqrt(1 - std::pow(beta, t)) / (1 - std::pow(alpha, t));
    e.x -= rate * e.state[0] / (std::sqrt(e.state[1]) + epsilon);
    e.x *= 1 - norm_post;
  });
}

Result<void> momentum_reference(KernelContext& context) {
  const double alpha = context.attrs().float_or("alpha", 0.0f);
  const double beta = context.attrs().float_or("beta", 0.0f);
  const double norm = context.attrs().float_or("norm_coefficient", 0.0f);
  const bool nesterov = context.attrs().string_or("mode", "standard") == "nesterov";
  return optimize(context, 1, [=](double rate, int64_t count, Element& e) {
    const double g = norm * e.x + e.gradient;
    e.state[0] = alpha * e.state[0] + (count > 0 ? beta : 1.0) * g;
    e.x -= rate * (nesterov ? g + alpha * e.state[0] : e.state[0]);
  });
}

}  // namespace sluice::ops::training
