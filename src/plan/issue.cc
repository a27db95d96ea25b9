#include "plan/issue.h"

#include "base/text.h"

namespace sluice::plan {

Result<std::vector<Issued>> issue(const Plan& plan, const DeviceLayout& layout,
                                  const Dim::Environment& symbols) {
  std::vector<Issued> all;
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    for (const Dispatch& dispatch : plan.steps[s].dispatches) {
      Issued one;
      one.step = static_cast<int>(s);
      one.pipeline = dispatch.pipeline;
      const auto count = dispatch.workgroups.evaluate(symbols);
      if (!count || *count < 0) {
        return internal_error(
            cat("Step ", s, " (", plan.steps[s].op, ") has the grid ", dispatch.workgroups.text()));
      }
      SLUICE_ASSIGN(one.grid, fold_grid(static_cast<uint64_t>(*count),
                                        plan.limits.max_workgroups_per_dimension));
      SLUICE_ASSIGN(one.words, evaluate_words(dispatch, symbols));
      for (const BoundRange& bound : dispatch.bindings) {
        SLUICE_ASSIGN(const ResolvedBinding resolved, resolve(plan, layout, bound, symbols));
        one.bindings.push_back(resolved);
      }
      all.push_back(std::move(one));
    }
  }
  return all;
}

}  // namespace sluice::plan
